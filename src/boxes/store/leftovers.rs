//! Unfinished downloads.

use std::time::Duration;

use super::base::Store;
use crate::boxes::address::without_credentials;
use crate::boxes::download::partial;
use crate::boxes::temp;
use crate::error::Result;
use crate::flock;
use crate::{atomic, disk_space};

/// A download that has not continued for so long counts as given up.
const GIVEN_UP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// An unfinished download that no command works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The name of its folder.
    pub key: String,
    /// Its address, without name and password; `None` where no note says it, and nothing can continue it.
    pub source: Option<String>,
    /// The bytes that it takes up on the disk.
    pub bytes: u64,
    /// Whether it can continue and probably will: it stopped in the last three days.
    pub is_fresh: bool,
}

impl Store {
    /// The unfinished downloads, without those that another command works on.
    pub fn leftovers(&self) -> Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.layout.partials()).into_iter().flatten().flatten() {
            let (dir, key) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let path = self.layout.key_lock(&key);
            atomic::create_dirs(path.parent().unwrap_or(self.layout.root()))?;
            if !flock::try_lock(&flock::open(&path)?, &path)? {
                continue;
            }
            let source = partial::url(&dir).filter(|url| self.layout.partial(url) == dir);
            let is_young = partial::age(&dir).is_none_or(|age| age < GIVEN_UP);
            found.push(Leftover {
                key,
                is_fresh: source.is_some() && is_young,
                source: source.map(|url| without_credentials(&url)),
                bytes: disk_space::used(&dir),
            });
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Removes an unfinished download; `false` where another command works on it.
    pub fn discard(&self, leftover: &Leftover) -> Result<bool> {
        temp::discard_partial(&self.layout, &leftover.key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::boxes::store::tests::Fixture;

    #[test]
    fn what_was_given_up_is_told_from_what_goes_on() {
        let fixture = Fixture::new();
        let store = &fixture.store;
        assert_eq!(store.leftovers().unwrap(), []);
        let begun = |url: &str, days: u64| {
            let dir = store.layout.partial(url);
            std::fs::create_dir_all(&dir).unwrap();
            let note = serde_json::json!({
                "version": 1, "url": url, "facts": {"etag": null, "last_modified": null, "total": null},
                "length": 10, "sha256": "0".repeat(64),
            });
            std::fs::write(dir.join("note.json"), note.to_string()).unwrap();
            std::fs::write(dir.join("data"), [1; 5000]).unwrap();
            let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
            for path in [dir.join("note.json"), dir.join("data"), dir.clone()] {
                std::fs::File::open(path).unwrap().set_modified(then).unwrap();
            }
            dir
        };
        begun("http://me:secret@x/today.box", 0);
        let given_up = begun("http://x/old.box", 4);
        let unknown = begun("http://x/unknown.box", 0);
        std::fs::remove_file(unknown.join("note.json")).unwrap();
        let foreign = begun("http://x/foreign.box", 0);
        std::fs::copy(given_up.join("note.json"), foreign.join("note.json")).unwrap();
        let busy = begun("http://x/busy.box", 9);
        let path = store.layout.source_lock("http://x/busy.box");
        atomic::create_dirs(path.parent().unwrap()).unwrap();
        let lock = flock::open(&path).unwrap();
        assert!(flock::try_lock(&lock, &path).unwrap());

        let found = store.leftovers().unwrap();
        assert_eq!(found.len(), 4, "{found:?}");
        let fresh: Vec<_> = found.iter().filter(|leftover| leftover.is_fresh).collect();
        assert_eq!(fresh[0].source.as_deref(), Some("http://x/today.box"));
        assert_eq!(fresh.len(), 1, "{found:?}");
        assert!(found.iter().all(|leftover| leftover.bytes >= 5000), "{found:?}");
        for leftover in found.iter().filter(|leftover| !leftover.is_fresh) {
            assert!(store.discard(leftover).unwrap());
        }
        assert!(!given_up.exists() && !unknown.exists() && !foreign.exists() && busy.exists());
        drop(lock);
        assert_eq!(store.leftovers().unwrap().len(), 2);
        // One that somebody went on with between the look and the removal.
        let mut one = store.leftovers().unwrap().remove(0);
        one.key = busy.file_name().unwrap().to_str().unwrap().to_owned();
        let lock = flock::open(&path).unwrap();
        assert!(flock::try_lock(&lock, &path).unwrap());
        assert!(!store.discard(&one).unwrap() && busy.exists());
    }
}
