//! The provider of the tests.

use std::sync::Arc;

use labfile::provider::SharedDir;
use labfile::provider::fake::{Fake, World};

use crate::suite::Bed;

/// What is there in a world.
pub(super) fn left(world: Arc<World>) -> Box<dyn Fn() -> Vec<String>> {
    Box::new(move || {
        let things = world.things();
        let machines = things.machines.into_values().map(|machine| machine.name);
        machines.chain(things.networks).chain(things.bases).collect()
    })
}

fn bed() -> Bed {
    let root = tempfile::tempdir().unwrap();
    let fake = Fake::new(&SharedDir(root.path().join("shared")));
    let left = left(Arc::clone(fake.world()));
    Bed::new(Box::new(fake), root, left)
}

crate::holds_to_the_contract!(bed());
