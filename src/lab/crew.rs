//! All machines side by side, each at its own pace, in the order that `after` asks for.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// One piece of work: a machine, and the machines that must be done well before it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The machine.
    pub machine: String,
    /// Names among the jobs that come first. Names that are not among them are ignored.
    pub after: Vec<String>,
}

#[derive(Debug, Default)]
struct Board {
    /// Machines that are through, and whether well.
    finished: BTreeMap<String, bool>,
    /// How many work at this moment.
    working: usize,
}

/// Runs `work` for every job on a thread of its own, `limit` of them at once, and returns the results
/// in the jobs' order. A failure stops only those that come after it.
///
/// `on_wait` is called for a machine that cannot begin at once, with those that it waits for; none
/// where it waits for its turn. `on_end` is called as soon as a machine is through, with the
/// time that was spent on it.
pub fn run<T: Send>(
    jobs: &[Job],
    limit: usize,
    cancel: &Cancel,
    on_wait: &(dyn Fn(&str, &[&str]) + Sync),
    on_end: &(dyn Fn(&str, &Result<T>, Duration) + Sync),
    work: &(dyn Fn(&str) -> Result<T> + Sync),
) -> Vec<Result<T>> {
    let board = Mutex::new(Board::default());
    let changed = Condvar::new();
    let turn = |job: &Job| -> Result<()> {
        let mut state = board.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = false;
        loop {
            cancel.check()?;
            let before: Vec<&String> =
                job.after.iter().filter(|name| jobs.iter().any(|job| job.machine == **name)).collect();
            if let Some(name) = before.iter().find(|name| state.finished.get(**name) == Some(&false)) {
                return Err(Error::new(
                    Kind::DependencyFailed,
                    format!("not started, because {name} did not become ready"),
                )
                .hint(format!("mend {name}, then run `lab up` again: it goes on from here")));
            }
            if state.working < limit.max(1) && before.iter().all(|name| state.finished.contains_key(*name)) {
                state.working += 1;
                return Ok(());
            }
            if !std::mem::replace(&mut said, true) {
                let missing: Vec<&str> = before
                    .iter()
                    .filter(|name| !state.finished.contains_key(**name))
                    .map(|name| name.as_str())
                    .collect();
                on_wait(&job.machine, &missing);
            }
            // The time limit is for the cancel flag, which has no part in this condition variable.
            state = changed
                .wait_timeout(state, Duration::from_millis(100))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    };
    let done = |job: &Job, worked: bool, well: bool| {
        let mut state = board.lock().unwrap_or_else(PoisonError::into_inner);
        state.working -= usize::from(worked);
        state.finished.insert(job.machine.clone(), well);
        changed.notify_all();
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .iter()
            .map(|job| {
                let (turn, done) = (&turn, &done);
                scope.spawn(move || {
                    let mut worked = Duration::ZERO;
                    let turn = turn(job);
                    let begun = turn.is_ok();
                    let result = turn.and_then(|()| {
                        let started = Instant::now();
                        // A panic must not leave the others waiting for this machine.
                        let result =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&job.machine)));
                        worked = started.elapsed();
                        result.unwrap_or_else(|_| {
                            Err(Error::internal(format!("the work on {} panicked", job.machine)))
                        })
                    });
                    on_end(&job.machine, &result, worked);
                    done(job, begun, result.is_ok());
                    result
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a machine's thread panicked")))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn job(machine: &str, after: &[&str]) -> Job {
        Job { machine: machine.to_owned(), after: after.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn the_order_is_kept_and_the_rest_goes_side_by_side() {
        let jobs = [job("web1", &["db1"]), job("web2", &["db1"]), job("db1", &[])];
        let order = Mutex::new(Vec::new());
        let work = |name: &str| {
            order.lock().unwrap().push(name.to_owned());
            Ok(name.len())
        };
        let results = run(&jobs, 3, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [4, 4, 3]);
        assert_eq!(order.lock().unwrap()[0], "db1");
    }

    #[test]
    fn a_failure_stops_only_those_that_come_after_it() {
        let jobs = [job("db1", &[]), job("web1", &["db1"]), job("other", &[])];
        let work = |name: &str| match name {
            "db1" => Err(Error::new(Kind::StartFailed, "no")),
            _ => Ok(()),
        };
        let results = run(&jobs, 3, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::DependencyFailed);
        assert!(results[2].is_ok());
    }

    #[test]
    fn no_more_than_the_limit_work_at_once() {
        let jobs: Vec<_> = (0..8).map(|n| job(&format!("m{n}"), &[])).collect();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &str| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        run(&jobs, 2, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_panic_is_an_error_of_that_machine_alone() {
        let jobs = [job("a", &[]), job("b", &["a"]), job("c", &[])];
        let work = |name: &str| if name == "a" { panic!("on purpose") } else { Ok(()) };
        let results = run(&jobs, 1, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results[0].as_ref().unwrap_err().kind(), Kind::Internal);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::DependencyFailed);
        assert!(results[2].is_ok());
    }
}
