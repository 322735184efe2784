//! A provider whose machines are elsewhere.

use std::sync::Arc;

use labfile::provider::SharedDir;
use labfile::provider::far::Far;

use crate::suite::Bed;

fn bed() -> Bed {
    let root = tempfile::tempdir().unwrap();
    let far = Far::new(&SharedDir(root.path().join("shared")));
    let left = crate::fake::left(Arc::clone(far.world()));
    Bed::new(Box::new(far), root, left)
}

crate::holds_to_the_contract!(bed());
