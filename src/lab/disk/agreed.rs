//! What this user has agreed to: that a Labfile reaches beyond its own machines and its own folder.
//!
//! A consent is to what is asked for, not to a file or a folder: [`labfile::digest`] stays the same while the Labfile asks
//! for the same, and is another one as soon as it asks for more.

use crate::error::Result;
use crate::labfile::{self, Labfile, Reach};
use crate::nofollow;

use super::files::Home;

/// What `labfile` asks for and this user has not agreed to; empty where nothing has to be asked.
pub fn open_questions(home: &Home, labfile: &Labfile) -> Vec<Reach> {
    let mut reaches = labfile::reaches(labfile);
    reaches.retain(|reach| reach.what.needs_consent());
    if reaches.is_empty() || nofollow::open(&home.consents().join(labfile::digest(&reaches))).is_ok() {
        return Vec::new();
    }
    reaches
}

/// Writes down that this user has agreed to `reaches`.
///
/// # Errors
/// [`crate::error::Kind::Io`], [`crate::error::Kind::DiskFull`].
pub fn agree(home: &Home, reaches: &[Reach]) -> Result<()> {
    home.make()?;
    let folder = home.consents();
    nofollow::make_dir(&folder).map_err(|source| nofollow::error("create the folder", &folder, &source))?;
    crate::atomic::write(&folder.join(labfile::digest(reaches)), b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_is_to_what_is_asked_for_and_to_nothing_more() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        let read = |args: &str| {
            let text = format!("[lab]\nbox = \"b\"\n[machine.a.qemu]\nargs = [{args}]\n");
            labfile::parse(&text, std::path::Path::new("/x/Labfile")).unwrap().labfile
        };
        let (harmless, vnc) = (read(r#""-rtc", "base=utc""#), read(r#""-vnc", ":1""#));
        let more = read(r#""-vnc", ":1", "-plugin", "./x.so""#);
        assert!(open_questions(&home, &harmless).is_empty());
        let asked = open_questions(&home, &vnc);
        assert_eq!(asked.len(), 1);
        agree(&home, &asked).unwrap();
        assert!(open_questions(&home, &vnc).is_empty());
        assert_eq!(open_questions(&home, &more).len(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
            let file = home.consents().join(labfile::digest(&asked));
            assert_eq!((mode(&home.consents()), mode(&file)), (0o700, 0o600));
        }
    }
}
