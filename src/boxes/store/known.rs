//! A box by its digest alone: for a lab, whose state holds no more of a box than its digest and its name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::base::Store;
use crate::boxes::image::BoxImage;
use crate::boxes::index::Index;
use crate::boxes::layout::{FILES, MANIFEST};
use crate::boxes::manifest::{Manifest, Sum};
use crate::cancel::Cancel;
use crate::digest::{self, HashingReader};
use crate::error::{Error, Kind, Result};
use crate::limited::{self, Links};

impl Store {
    /// The box of `digest`, as the store's own manifest describes it; `name` is what the lab calls it. No link is
    /// followed below the store's folder, and no path but the store's own is used.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`] where the box is not in the store any more: the error names the box, its source, its
    /// sha256 and the command that adds it again. [`Kind::StateDamaged`] where what is there is not whole, with the
    /// same particulars; [`Kind::StateTooNew`], [`Kind::Io`].
    pub fn known(&self, digest: &str, name: &str) -> Result<BoxImage> {
        Ok(self.whole(digest, name)?.image(&self.layout.box_dir(digest), name))
    }

    /// The disk of the box of `digest`, open, to be hashed while it is read.
    ///
    /// # Errors
    /// Those of [`Store::known`].
    pub fn open_disk(&self, digest: &str, name: &str) -> Result<OpenDisk> {
        let manifest = self.whole(digest, name)?;
        let path = self.layout.box_dir(digest).join(FILES).join(&manifest.disk);
        let Some(sum) = manifest.files.get(&manifest.disk).cloned() else {
            return Err(self.lost(Kind::StateDamaged, digest, name, "its manifest has no sum of its disk"));
        };
        match limited::open(&path, Links::Refuse) {
            Ok(file) => Ok(OpenDisk { name: name.to_owned(), path, sum, reader: HashingReader::new(file) }),
            Err(unread) => {
                let why = format!("its disk is not read: {unread}");
                Err(self.lost(Kind::StateDamaged, digest, name, &why))
            }
        }
    }

    /// The manifest of a box whose files are really there.
    fn whole(&self, digest: &str, name: &str) -> Result<Manifest> {
        let lost = |kind, why: &str| self.lost(kind, digest, name, why);
        if !digest::is_digest(digest) {
            let message = format!("the box {name:?} is known by {digest:?}, which is not a sha256");
            return Err(Error::new(Kind::StateDamaged, message));
        }
        let dir = self.layout.box_dir(digest);
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if dir.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(lost(Kind::BoxNotFound, "it is not in the store any more"));
        }
        if !is_folder(&dir) || !is_folder(&dir.join(FILES)) {
            return Err(lost(Kind::StateDamaged, "its folder in the store is a link, or is not there"));
        }
        if dir.join(MANIFEST).symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(lost(Kind::StateDamaged, "its manifest is no regular file"));
        }
        let manifest = match Manifest::read(&dir) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Err(lost(Kind::BoxNotFound, "it is not in the store any more")),
            Err(error) if error.kind() == Kind::StateDamaged => {
                return Err(lost(Kind::StateDamaged, error.message()));
            }
            Err(error) => return Err(error),
        };
        let disk = dir.join(FILES).join(&manifest.disk);
        match () {
            () if manifest.sha256 != digest => {
                Err(lost(Kind::StateDamaged, "its manifest is of another box"))
            }
            () if !disk.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) => {
                Err(lost(Kind::StateDamaged, "its disk is not a regular file"))
            }
            () => Ok(manifest),
        }
    }

    /// The error for a box that a lab needs and the store does not have, or not whole.
    fn lost(&self, kind: Kind, digest: &str, name: &str, why: &str) -> Error {
        let mut error = Error::new(kind, format!("the box {name} cannot be used: {why}"))
            .detail(format!("its sha256 is {digest}"));
        let source = Index::read(&self.layout).ok().and_then(|index| index.origins.get(digest).cloned());
        if let Some(source) = &source {
            error = error.detail(format!("it came from {source}"));
        }
        if kind == Kind::StateDamaged {
            error = error.detail(format!("in {}", self.layout.box_dir(digest).join(MANIFEST).display()));
        }
        let from = source.as_deref().unwrap_or("FILE");
        // A name that is an address or a path cannot be given to a box.
        let called = if name.contains([':', '\\']) || name.starts_with(['/', '.']) { "NAME" } else { name };
        error.hint(format!("add the box again: lab box add {called} {from}"))
    }
}

/// The disk of a box, which is hashed as it is read.
#[derive(Debug)]
pub struct OpenDisk {
    name: String,
    path: PathBuf,
    sum: Sum,
    reader: HashingReader<File>,
}

impl OpenDisk {
    /// Its size in bytes, as it was when the box was unpacked.
    pub fn size(&self) -> u64 {
        self.sum.size
    }

    /// Reads what has not been read yet, and compares the whole with the sum that was taken when the box was
    /// unpacked. `tell` is called with the bytes that are done and the bytes in all.
    ///
    /// # Errors
    /// [`Kind::BoxChecksum`] where the disk is another one today; [`Kind::Io`], [`Kind::Interrupted`].
    pub fn verify(mut self, cancel: &Cancel, mut tell: impl FnMut(u64, u64)) -> Result<()> {
        let failed = |source: io::Error| Error::io("read", &self.path, &source);
        let mut buffer = vec![0; digest::CHUNK];
        loop {
            cancel.check()?;
            if self.reader.read(&mut buffer).map_err(failed)? == 0 {
                break;
            }
            tell(self.reader.size(), self.sum.size);
        }
        let (size, sha256) = self.reader.finish().map_err(failed)?;
        if (size, &sha256) == (self.sum.size, &self.sum.sha256) {
            return Ok(());
        }
        let message = format!("the disk of the box {} is not the one that was unpacked", self.name);
        Err(Error::new(Kind::BoxChecksum, message)
            .detail(format!("its sha256 should be {}", self.sum.sha256))
            .detail(format!("              and is {sha256}"))
            .detail(format!("in {}", self.path.display()))
            .hint(format!("`lab box verify {}` looks at all of it, and says how to get it again", self.name)))
    }
}

impl Read for OpenDisk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::store::Add;
    use crate::boxes::store::tests::Fixture;

    #[test]
    fn a_box_is_known_by_its_digest_and_the_way_back_is_said_when_it_is_gone() {
        let fixture = Fixture::new();
        let store = &fixture.store;
        let image = fixture.add(&Add::new(fixture.file("a.box")).named("mine")).unwrap();
        assert_eq!(store.known(&image.digest, "mine").unwrap(), image);
        drop(store.remove("mine", |_| Ok(())).unwrap());
        let error = store.known(&image.digest, "mine").unwrap_err();
        assert_eq!(error.kind(), Kind::BoxNotFound);
        let source = fixture.lab.join("a.box").display().to_string();
        assert_eq!(error.message(), "the box mine cannot be used: it is not in the store any more");
        assert_eq!(error.details()[0], format!("its sha256 is {}", image.digest));
        assert_eq!(error.hints(), [format!("add the box again: lab box add mine {source}")]);
        // Nothing is known of this one.
        let error = store.known(&"0".repeat(64), "https://h/x.box").unwrap_err();
        assert_eq!(error.hints(), ["add the box again: lab box add NAME FILE"]);
        assert_eq!(store.known("../x", "mine").unwrap_err().kind(), Kind::StateDamaged);
        // What was added once is added again.
        assert_eq!(fixture.add(&Add::new(fixture.file("a.box")).named("mine")).unwrap(), image);
        store.known(&image.digest, "mine").unwrap();
    }

    #[test]
    fn a_disk_is_hashed_while_it_is_read() {
        let fixture = Fixture::new();
        let image = fixture.add(&Add::new(fixture.file("a.box")).named("mine")).unwrap();
        let open = || fixture.store.open_disk(&image.digest, "mine").unwrap();
        let (mut disk, mut begin) = (open(), [0; 4]);
        disk.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"KDMV");
        disk.verify(&Cancel::new(), |_, _| {}).unwrap();
        let mut bytes = std::fs::read(&image.disk).unwrap();
        bytes[5000] ^= 1;
        std::fs::write(&image.disk, &bytes).unwrap();
        let error = open().verify(&Cancel::new(), |_, _| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxChecksum);
        assert!(error.hints()[0].contains("lab box verify mine"), "{error:?}");
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(open().verify(&cancel, |_, _| {}).unwrap_err().kind(), Kind::Interrupted);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_in_the_store_is_followed_and_no_path_of_a_manifest_leads_out() {
        use std::os::unix::fs::symlink;
        let fixture = Fixture::new();
        let image = fixture.add(&Add::new(fixture.file("a.box"))).unwrap();
        let refused = || {
            let error = fixture.store.known(&image.digest, "a").unwrap_err();
            assert_eq!(error.kind(), Kind::StateDamaged, "{error:?}");
            assert!(error.hints()[0].contains("lab box add a "), "{error:?}");
            assert!(fixture.store.open_disk(&image.digest, "a").is_err());
        };
        let dir = image.dir.parent().unwrap().to_owned();
        let elsewhere = fixture.lab.join("elsewhere");
        for path in [&image.disk, &dir.join(MANIFEST), &dir] {
            std::fs::rename(path, &elsewhere).unwrap();
            symlink(&elsewhere, path).unwrap();
            refused();
            std::fs::remove_file(path).unwrap();
            std::fs::rename(&elsewhere, path).unwrap();
        }
        fixture.store.known(&image.digest, "a").unwrap();
        let text = std::fs::read_to_string(dir.join(MANIFEST)).unwrap();
        let disk = image.disk.file_name().unwrap().to_str().unwrap();
        for other in ["/etc/hostname", "../manifest.json", "."] {
            std::fs::write(dir.join(MANIFEST), text.replace(disk, other)).unwrap();
            refused();
        }
        std::fs::write(dir.join(MANIFEST), text.replace(&image.digest, &"0".repeat(64))).unwrap();
        refused();
    }
}
