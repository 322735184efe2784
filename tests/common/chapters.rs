//! Several chapters about one lab: machines are booted once for all of them, and a chapter that fails does not hide those after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::TestLab;

/// A chapter: its name, and what it does.
pub type Chapter = (&'static str, fn(&TestLab));

/// Lists functions as chapters, under their own names.
#[macro_export]
macro_rules! chapters {
    ($($chapter:ident),+ $(,)?) => { &[$((stringify!($chapter), $chapter as fn(&$crate::common::TestLab))),+] };
}

/// Goes through all chapters, each of which can begin whatever became of those before it, and fails the test where one failed.
/// `LAB_TEST_CHAPTER=WORD` leaves out all but those whose names hold that word.
#[track_caller]
pub fn go_through(lab: &TestLab, chapters: &[Chapter]) {
    let only = std::env::var("LAB_TEST_CHAPTER").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, chapter) in chapters.iter().filter(|(name, _)| name.contains(&only)) {
        let started = Instant::now();
        let fine = catch_unwind(AssertUnwindSafe(|| chapter(lab))).is_ok();
        eprintln!("chapter {name}: {} after {:?}", if fine { "ok" } else { "FAILED" }, started.elapsed());
        if !fine {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "these chapters failed, see above: {}", failed.join(", "));
}
