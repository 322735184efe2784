//! Labs that are copied, moved, deleted, put back and made by somebody else.

use std::fs;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Machine};
use super::files::{Home, LabFiles};
use super::found::Found;
use super::register::Register;
use super::seal;
use super::wait::Wait;
use crate::cancel::Cancel;
use crate::error::Kind;
use crate::lab::tell::event::Silent;

/// A user's folders.
pub(super) struct Class {
    root: tempfile::TempDir,
    pub(super) home: Home,
    cancel: Cancel,
}

impl Class {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        Class { root, home, cancel: Cancel::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    pub(super) fn wait(&self) -> Wait<'_> {
        Wait { cancel: &self.cancel, sink: &Silent }
    }

    pub(super) fn register(&self) -> Register<'_> {
        Register::of(&self.home, self.wait())
    }

    /// A lab of ours with the id `id` in the folder `name`.
    pub(super) fn lab(&self, name: &str, id: &str) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir_all(&dir).unwrap();
        LabFiles::beside(&dir).make().unwrap();
        self.write_state(&dir, id);
        let mut entry = Entry::new(id, &dir, "qemu");
        let web1 = Machine { id: "m".into(), digest: "d1".into(), image: "demo".into() };
        entry.machines.insert("web1".into(), web1);
        self.register().enter(&entry).unwrap();
        dir
    }

    fn write_state(&self, dir: &Path, id: &str) {
        let state = serde_json::json!({ "version": 2, "lab_id": id, "machines": {} });
        fs::write(LabFiles::beside(dir).state(), seal::encode(&self.home, &state).unwrap()).unwrap();
    }

    pub(super) fn find(&self, dir: &Path) -> Found {
        self.register().find(dir).unwrap()
    }

    pub(super) fn find_it(&self, dir: &Path) -> crate::error::Result<Found> {
        self.register().find(dir)
    }

    /// A state as another release, or anybody, writes it.
    fn break_seal(&self, dir: &Path, id: &str) {
        let text = format!("{{\"version\": 2, \"lab_id\": \"{id}\", \"seal\": \"00\"}}");
        fs::write(LabFiles::beside(dir).state(), text).unwrap();
    }
}

/// `cp -a` for what these labs have.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join(".lab")).unwrap();
    for file in [".lab/state.json", ".lab/.gitignore"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[track_caller]
pub(super) fn is_ours(found: Found) -> Entry {
    match found {
        Found::Ours(entry) => entry,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_moved(found: Found) -> (Entry, PathBuf) {
    match found {
        Found::Moved { entry, from } => (entry, from),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn is_foreign(found: Found) {
    assert!(matches!(found, Found::Foreign { .. }), "{found:?}");
    assert_eq!(found.refusal().unwrap().kind(), Kind::ForeignLab);
}

#[test]
fn a_lab_is_known_where_it_was_made_and_users_of_its_box_with_it() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    let entry = is_ours(class.find(&dir));
    assert_eq!((entry.lab_id.as_str(), entry.dir), ("a", dir.clone()));
    let users = class.register().users_of("d1").unwrap();
    assert_eq!((users[0].lab.clone(), users[0].machine.as_str()), (dir, "web1"));
    assert!(class.register().users_of("d2").unwrap().is_empty());
    assert!(matches!(class.find(&class.path("elsewhere")), Found::New));
}

#[test]
fn a_renamed_folder_is_the_same_lab_with_and_without_a_seal() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    class.break_seal(&dir, "a");
    let renamed = class.path("renamed");
    fs::rename(&dir, &renamed).unwrap();
    let (entry, from) = is_moved(class.find(&renamed));
    assert_eq!((from, entry.dir.clone()), (dir.clone(), renamed.clone()));
    assert_eq!(entry.machines.len(), 1);
    // Until it has been seen there, the register has the old place; in that, there is nothing now.
    assert!(matches!(class.find(&dir), Found::New));
    class.register().enter(&entry).unwrap();
    is_ours(class.find(&renamed));
    assert_eq!(class.register().labs().unwrap().len(), 1);
}

#[test]
fn a_copy_is_not_the_lab_and_the_lab_stays_what_it_is() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    let other = class.path("copy");
    copy(&dir, &other);
    let found = class.find(&other);
    assert!(matches!(&found, Found::Copy { of, .. } if *of == dir), "{found:?}");
    let error = found.refusal().unwrap();
    assert_eq!(error.kind(), Kind::CopiedLab);
    assert!(
        error.message().contains("copy of that in") && error.hints()[0].contains("lab destroy"),
        "{error}"
    );
    is_ours(class.find(&dir));
    // The lab itself goes elsewhere: whoever is seen first is the lab, and the other one the copy.
    fs::rename(&dir, class.path("moved")).unwrap();
    let (entry, _) = is_moved(class.find(&class.path("moved")));
    class.register().enter(&entry).unwrap();
    assert!(matches!(class.find(&other), Found::Copy { .. }));
}

#[test]
fn a_lab_that_was_copied_and_then_removed_has_been_moved_if_it_is_sealed() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    let stick = class.path("stick");
    copy(&dir, &stick);
    fs::remove_dir_all(&dir).unwrap();
    is_moved(class.find(&stick));
    class.break_seal(&stick, "a");
    is_foreign(class.find(&stick));
}

#[test]
fn a_backup_that_was_put_back_is_the_lab_if_it_is_sealed() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    copy(&dir, &class.path("backup"));
    fs::remove_dir_all(&dir).unwrap();
    // Something takes the place of the folder that is gone, lest its number be used again.
    fs::create_dir_all(class.path("other/.lab")).unwrap();
    copy(&class.path("backup"), &dir);
    is_ours(class.find(&dir));
    class.break_seal(&dir, "a");
    is_foreign(class.find(&dir));
}

#[test]
fn a_lab_of_somebody_else_is_foreign_and_one_of_ours_that_the_register_lost_is_not() {
    let (class, other) = (Class::new(), Class::new());
    let dir = class.lab("class", "a");
    is_foreign(other.find(&dir));
    class.register().leave("a").unwrap();
    assert!(is_ours(class.find(&dir)).own.is_null());
    class.break_seal(&dir, "a");
    is_foreign(class.find(&dir));
}

#[test]
fn a_deleted_lab_is_remembered_in_its_folder_and_not_in_one_that_took_its_name() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    fs::remove_dir_all(dir.join(".lab")).unwrap();
    let found = class.find(&dir);
    assert!(matches!(&found, Found::Deleted(entry) if entry.lab_id == "a"), "{found:?}");
    assert!(found.refusal().is_none());
    fs::rename(&dir, class.path("moved")).unwrap();
    fs::create_dir(&dir).unwrap();
    assert!(matches!(class.find(&dir), Found::New));
}

#[test]
fn what_a_killed_command_began_is_new_and_keys_or_machines_without_a_state_are_foreign() {
    let class = Class::new();
    let dir = class.path("class");
    let files = LabFiles::beside(&dir);
    fs::create_dir_all(&dir).unwrap();
    files.make().unwrap();
    for begun in [files.lock(), files.log(), files.root().join(".new-1")] {
        fs::write(begun, "").unwrap();
    }
    assert!(matches!(class.find(&dir), Found::New));
    for believed in [files.key(), files.insecure_key(), files.machine("web1")] {
        fs::create_dir_all(&believed).unwrap();
        is_foreign(class.find(&dir));
        fs::remove_dir_all(believed).unwrap();
    }
    // Of a lab that the register knows, the state was lost.
    class.register().enter(&Entry::new("a", &dir, "qemu")).unwrap();
    files.make_machine("web1").unwrap();
    assert_eq!(is_ours(class.find(&dir)).lab_id, "a");
    fs::write(files.state(), "{").unwrap();
    assert_eq!(is_ours(class.find(&dir)).lab_id, "a");
}

#[test]
fn labs_of_the_release_before_are_taken_over_once() {
    let class = Class::new();
    let (there, stick) = (class.path("there"), class.path("stick"));
    fs::create_dir_all(there.join(".lab")).unwrap();
    let state = |id: &str| {
        format!(
            "{{\"version\":1,\"lab_id\":\"{id}\",\"provider\":\"qemu\",\"run_dir\":\"/tmp/lab-0/x\",\"network_port\":20001,
            \"machines\":{{\"web1\":{{\"id\":\"m\",\"image\":{{\"digest\":\"d\",\"name\":\"demo\",\"disk\":\"/x\"}},\"ssh_port\":2200}}}}}}"
        )
    };
    fs::write(there.join(".lab/state.json"), state("a")).unwrap();
    fs::create_dir_all(class.home.root()).unwrap();
    let claim = |id: &str, dir: &Path| {
        format!(
            "{{\"port\":2200,\"purpose\":\"ssh\",\"lab_id\":\"{id}\",\"lab_dir\":{dir:?},\"machine\":\"web1\"}}"
        )
    };
    let claims = [claim("a", &there), claim("b", &stick), claim("liar", &there)].join(",");
    fs::write(class.home.ports(), format!("{{\"version\":1,\"claims\":[{claims}]}}")).unwrap();

    let entry = is_ours(class.find(&there));
    assert_eq!((entry.provider.as_str(), entry.machines["web1"].digest.as_str()), ("qemu", "d"));
    assert_eq!(entry.own["run_dir"], "/tmp/lab-0/x");
    super::register::begin_locked(&class.home).unwrap();
    let ids: Vec<String> = class.register().labs().unwrap().into_iter().map(|lab| lab.lab_id).collect();
    assert_eq!(ids, ["b", "a"]);
    // The stick comes back: known by its place, once.
    fs::create_dir_all(stick.join(".lab")).unwrap();
    fs::write(stick.join(".lab/state.json"), state("b")).unwrap();
    let entry = is_ours(class.find(&stick));
    class.register().enter(&entry).unwrap();
    // Later claims of the old form make nobody known.
    let late = class.path("late");
    fs::create_dir_all(late.join(".lab")).unwrap();
    fs::write(late.join(".lab/state.json"), state("c")).unwrap();
    fs::write(class.home.ports(), format!("{{\"version\":1,\"claims\":[{}]}}", claim("c", &late))).unwrap();
    is_foreign(class.find(&late));
}

#[test]
fn many_at_once_lose_nothing() {
    let class = Class::new();
    class.lab("class", "a");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let class = &class;
            scope.spawn(move || {
                let machine = Machine { id: number.to_string(), digest: "d".into(), image: "demo".into() };
                let change = |entry: &mut Entry| drop(entry.machines.insert(format!("m{number}"), machine));
                class.register().update("a", change).unwrap();
            });
        }
    });
    assert_eq!(class.register().labs().unwrap()[0].machines.len(), 9);
}
