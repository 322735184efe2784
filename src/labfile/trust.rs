//! Whether a file that nobody named may be believed: who owns it, and who can change it.
//!
//! A Labfile that was found by walking upwards is not necessarily meant. Whoever can write to `/tmp`, to a shared
//! folder, or to the top of a stick could put one there, and lab would do as it says for everyone who works below. git
//! learnt this the hard way (CVE-2022-24765), and its rule is ours: such a file must be this user's own, or root's.

use std::fs;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::process::quote;

/// What the operating system says of a file, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    /// Its owner's number.
    pub(super) owner: u32,
    /// Everybody may change it.
    pub(super) writable: bool,
    /// The file system that it lies on.
    pub(super) device: u64,
}

#[cfg(unix)]
impl From<&fs::Metadata> for About {
    fn from(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let writable = metadata.mode() & 0o002 != 0;
        About { owner: metadata.uid(), writable, device: metadata.dev() }
    }
}

/// Elsewhere a file's owner is no number, and folders of others are not written to by everybody.
#[cfg(not(unix))]
impl From<&fs::Metadata> for About {
    fn from(_: &fs::Metadata) -> Self {
        About { owner: 0, writable: false, device: 0 }
    }
}

/// The users whose files are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Believed(Vec<u32>);

impl Believed {
    /// This user and root; with sudo, also the user who called it.
    pub(super) fn here() -> Self {
        #[cfg(unix)]
        {
            let me = rustix::process::geteuid().as_raw();
            let caller = std::env::var("SUDO_UID").ok().filter(|_| me == 0);
            Believed([me, 0].into_iter().chain(caller.and_then(|uid| uid.parse().ok())).collect())
        }
        #[cfg(not(unix))]
        Believed(vec![0])
    }

    /// Those, and the owner of a file that is believed already.
    pub(super) fn and_owner_of(mut self, about: About) -> Self {
        self.0.push(about.owner);
        self
    }

    /// Whether the owner is one of them.
    pub(super) fn include(&self, about: About) -> bool {
        self.0.contains(&about.owner)
    }
}

/// Refuses the Labfile at `path`, which was found in a folder above, where somebody else could have written it.
///
/// # Errors
/// [`Kind::NotTrusted`], which says whose it is and how to use it nevertheless.
pub(super) fn check_found(path: &Path, believed: &Believed) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let shown = path.display();
    let what = |looked_at: &Path| if looked_at == path { "it" } else { "its folder" };
    let ways_out = |error: Error| {
        let named = quote(&folder.display().to_string());
        error
            .detail("it was found in a folder above, where others could have put it")
            .hint(format!("if you know it and want this lab, name its folder: lab -C {named} …"))
            .hint("if your work has nothing to do with it, write a Labfile here with: lab init")
    };
    let looked = |path: &Path, metadata: std::io::Result<fs::Metadata>| match metadata {
        Ok(metadata) => Ok(About::from(&metadata)),
        Err(error) => Err(Error::io("look at", path, &error)),
    };
    // The link, where it is one, and the file behind it: the owner of a link decides where it leads.
    for (at, about) in [
        (path, looked(path, fs::symlink_metadata(path))?),
        (path, looked(path, fs::metadata(path))?),
        (folder, looked(folder, fs::metadata(folder))?),
    ] {
        if !believed.include(about) {
            let (what, owner) = (what(at), user(about.owner));
            let message = format!("{shown} is not used: {what} belongs to {owner}");
            return Err(ways_out(Error::new(Kind::NotTrusted, message)));
        }
    }
    for (at, metadata) in [(folder, fs::metadata(folder)), (path, fs::metadata(path))] {
        if looked(at, metadata)?.writable {
            let what = what(at);
            let message =
                format!("{shown} is not used: {what} can be changed by every user of this computer");
            return Err(ways_out(Error::new(Kind::NotTrusted, message)));
        }
    }
    Ok(())
}

/// Refuses what was found at `path`, in a folder above the one that the user named, where it may be somebody else's.
///
/// # Errors
/// [`Kind::NotTrusted`].
pub fn check_found_above(path: &Path) -> Result<()> {
    check_found(path, &Believed::here())
}

/// A user's name, or the number of one who has none.
pub(super) fn user(number: u32) -> String {
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)?.parse() == Ok(number)).then_some(name)
    };
    match names.lines().find_map(fields) {
        Some(name) => format!("the user {name}"),
        None => format!("the user with the number {number}"),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let labfile = top.path().join("Labfile");
        fs::write(&labfile, "").unwrap();
        let (me, us) = (About::from(&fs::metadata(&labfile).unwrap()).owner, Believed::here());
        set_mode(top.path(), 0o775);
        set_mode(&labfile, 0o664);
        assert!(check_found(&labfile, &us).is_ok());

        let says = |believed: &Believed| {
            let error = check_found(&labfile, believed).unwrap_err();
            assert_eq!(error.kind(), Kind::NotTrusted);
            let folder = top.path().display();
            assert!(error.hints()[0].ends_with(&format!("lab -C {folder} …")), "{:?}", error.hints());
            error.message().to_owned()
        };
        set_mode(&labfile, 0o666);
        assert!(says(&us).ends_with("Labfile is not used: it can be changed by every user of this computer"));
        set_mode(&labfile, 0o644);
        set_mode(top.path(), 0o1777);
        assert!(says(&us).ends_with("its folder can be changed by every user of this computer"));
        set_mode(top.path(), 0o755);
        let message = says(&Believed(vec![me + 1]));
        assert!(message.contains(&format!("belongs to {}", user(me))), "{message}");
    }

    #[test]
    fn a_link_is_its_owners_and_what_it_leads_to_its_own() {
        let top = tempfile::tempdir().unwrap();
        let (open, own) = (top.path().join("open"), top.path().join("own"));
        fs::create_dir(&own).unwrap();
        fs::write(&open, "").unwrap();
        symlink(&open, own.join("Labfile")).unwrap();
        set_mode(&own, 0o755);
        set_mode(&open, 0o644);
        assert!(check_found(&own.join("Labfile"), &Believed::here()).is_ok());
        set_mode(&open, 0o666);
        assert!(check_found(&own.join("Labfile"), &Believed::here()).is_err());
    }

    #[test]
    fn users_have_names() {
        assert_eq!(user(0), "the user root");
        assert_eq!(user(4_000_000_000), "the user with the number 4000000000");
    }
}
