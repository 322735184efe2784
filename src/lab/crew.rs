//! All machines side by side, each at its own pace, in the order that `after` asks for.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, ScopedJoinHandle};
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

/// What all machines of a command share.
struct Crew<'a> {
    jobs: &'a [Job],
    limit: usize,
    cancel: &'a Cancel,
    on_wait: &'a (dyn Fn(&str, &[&str]) + Sync),
    board: Mutex<Board>,
    changed: Condvar,
}

/// A machine's turn: it works side by side with the others up to the point where it needs them.
pub struct Turn<'a>(Option<(&'a Crew<'a>, &'a Job)>);

impl Turn<'_> {
    /// The turn of a machine that waits for nobody.
    pub const FREE: Turn<'static> = Turn(None);

    /// Waits until those that come before the machine are done. Somebody else may work in its place meanwhile.
    ///
    /// # Errors
    /// [`Kind::DependencyFailed`] where one of them did not become ready; [`Kind::Interrupted`].
    pub fn wait(&self) -> Result<()> {
        self.0.map_or(Ok(()), |(crew, job)| crew.wait_for_others(job))
    }
}

impl Crew<'_> {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that come before `job`.
    fn before<'j>(&'j self, job: &'j Job) -> impl Iterator<Item = &'j str> {
        let is_here = |name: &&String| self.jobs.iter().any(|job| job.machine == **name);
        job.after.iter().filter(is_here).map(String::as_str)
    }

    /// Waits until there is room for one more to work.
    fn wait_for_room(&self, job: &Job) -> Result<()> {
        let mut board = self.lock();
        let mut said = false;
        while board.working >= self.limit.max(1) {
            self.cancel.check()?;
            if !std::mem::replace(&mut said, true) {
                (self.on_wait)(&job.machine, &[]);
            }
            board = self.pause(board);
        }
        self.cancel.check()?;
        board.working += 1;
        Ok(())
    }

    /// Waits until those that come before `job` are done. It gives its room away meanwhile, and has room again afterwards.
    fn wait_for_others(&self, job: &Job) -> Result<()> {
        let mut board = self.lock();
        let mut has_room = true;
        let waited = loop {
            if let Err(error) = self.cancel.check() {
                break Err(error);
            }
            if let Some(name) = self.before(job).find(|name| board.finished.get(*name) == Some(&false)) {
                break Err(Error::new(
                    Kind::DependencyFailed,
                    format!("nothing was run in it, because {name} did not become ready"),
                )
                .hint(format!("mend {name}, then run the same command again: it goes on from here")));
            }
            let missing: Vec<&str> =
                self.before(job).filter(|name| !board.finished.contains_key(*name)).collect();
            if missing.is_empty() && (has_room || board.working < self.limit.max(1)) {
                break Ok(());
            }
            if std::mem::replace(&mut has_room, false) {
                (self.on_wait)(&job.machine, &missing);
                board.working -= 1;
                self.changed.notify_all();
            }
            board = self.pause(board);
        };
        // After an error, too: whoever is through gives its room away once.
        board.working += usize::from(!has_room);
        waited
    }

    /// Waits for a change. The time limit is for the cancel flag, which has no part in this condition variable.
    fn pause<'b>(&self, board: MutexGuard<'b, Board>) -> MutexGuard<'b, Board> {
        let waited = self.changed.wait_timeout(board, Duration::from_millis(100));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// One job, from its beginning to its end.
    fn work<T>(
        &self,
        job: &Job,
        on_end: &(dyn Fn(&str, &Result<T>, Duration) + Sync),
        work: &(dyn Fn(&str, &Turn<'_>) -> Result<T> + Sync),
    ) -> Result<T> {
        let mut worked = Duration::ZERO;
        let begun = self.wait_for_room(job);
        let was_begun = begun.is_ok();
        let result = begun.and_then(|()| {
            let started = Instant::now();
            let turn = Turn(Some((self, job)));
            // A panic must not leave the others waiting for this machine.
            let result = panic::catch_unwind(AssertUnwindSafe(|| work(&job.machine, &turn)));
            worked = started.elapsed();
            result.unwrap_or_else(|_| Err(Error::internal(format!("the work on {} panicked", job.machine))))
        });
        on_end(&job.machine, &result, worked);
        self.through(job, was_begun, result.is_ok());
        result
    }

    fn through(&self, job: &Job, was_begun: bool, well: bool) {
        let mut board = self.lock();
        board.working -= usize::from(was_begun);
        board.finished.insert(job.machine.clone(), well);
        self.changed.notify_all();
    }
}

/// Runs `work` for every job on a thread of its own, `limit` of them at once, and returns the results
/// in the jobs' order. All begin; each waits for those that come before it where it asks its [`Turn`] to.
/// A failure stops only those that come after it.
///
/// `on_wait` is called for a machine that cannot go on at once, with those that it waits for; none
/// where it waits for room. `on_end` is called as soon as a machine is through, with the
/// time since it began.
pub fn run<T: Send>(
    jobs: &[Job],
    limit: usize,
    cancel: &Cancel,
    on_wait: &(dyn Fn(&str, &[&str]) + Sync),
    on_end: &(dyn Fn(&str, &Result<T>, Duration) + Sync),
    work: &(dyn Fn(&str, &Turn<'_>) -> Result<T> + Sync),
) -> Vec<Result<T>> {
    let crew = Crew { jobs, limit, cancel, on_wait, board: Mutex::default(), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .iter()
            .map(|job| {
                let crew = &crew;
                let thread = Builder::new().spawn_scoped(scope, move || crew.work(job, on_end, work));
                thread.inspect_err(|_| crew.through(job, false, false))
            })
            .collect();
        let join = |thread: std::io::Result<ScopedJoinHandle<'_, Result<T>>>| match thread {
            Ok(thread) => {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a machine's thread panicked")))
            }
            Err(source) => Err(no_thread(&source)),
        };
        threads.into_iter().map(join).collect()
    })
}

/// This computer does not give us another thread.
fn no_thread(source: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("this computer gives lab no more threads: {source}"))
        .hint("close other programs, or raise the limit (`ulimit -u`); `--jobs 1` needs fewer at once")
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
        let work = |name: &str, turn: &Turn<'_>| {
            order.lock().unwrap().push(format!("{name} begins"));
            turn.wait()?;
            order.lock().unwrap().push(name.to_owned());
            Ok(name.len())
        };
        let results = run(&jobs, 3, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [4, 4, 3]);
        let order = order.into_inner().unwrap();
        let place = |word: &str| order.iter().position(|said| said == word).unwrap();
        assert!(place("db1") < place("web1") && place("db1") < place("web2"), "{order:?}");
    }

    #[test]
    fn a_failure_stops_only_those_that_come_after_it() {
        let jobs = [job("db1", &[]), job("web1", &["db1"]), job("other", &[])];
        let work = |name: &str, turn: &Turn<'_>| match name {
            "db1" => Err(Error::new(Kind::StartFailed, "no")),
            _ => turn.wait(),
        };
        let results = run(&jobs, 3, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::DependencyFailed);
        assert!(results[2].is_ok());
    }

    #[test]
    fn no_more_than_the_limit_work_at_once() {
        let jobs: Vec<_> = (0..8).map(|n| job(&format!("m{n}"), &[])).collect();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &str, _: &Turn<'_>| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        run(&jobs, 2, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn one_at_a_time_gets_through_whatever_the_order() {
        let jobs = [job("web1", &["db1"]), job("web2", &["web1"]), job("db1", &[])];
        let now = AtomicUsize::new(0);
        let work = |_: &str, turn: &Turn<'_>| {
            assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0);
            now.fetch_sub(1, Ordering::SeqCst);
            turn.wait()?;
            assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0);
            std::thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        let results = run(&jobs, 1, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    #[test]
    fn a_panic_is_an_error_of_that_machine_alone() {
        let jobs = [job("a", &[]), job("b", &["a"]), job("c", &[])];
        let work = |name: &str, turn: &Turn<'_>| if name == "a" { panic!("on purpose") } else { turn.wait() };
        let results = run(&jobs, 1, &Cancel::new(), &|_, _| {}, &|_, _, _| {}, &work);
        assert_eq!(results[0].as_ref().unwrap_err().kind(), Kind::Internal);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::DependencyFailed);
        assert!(results[2].is_ok());
    }
}
