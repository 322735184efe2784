//! Threads, where none may be had: a user's processes and threads are counted together, and class accounts have few of
//! them (`ulimit -u`). `std::thread::spawn` and `Scope::spawn` panic then.

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Error, Kind, Result};

/// Starts a thread called `name`.
///
/// # Errors
/// [`Kind::TooManyProcesses`].
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(|source| refused(&source))
}

/// Starts a thread called `name` that ends before `scope` does.
///
/// # Errors
/// [`Kind::TooManyProcesses`].
pub fn spawn_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, work).map_err(|source| refused(&source))
}

/// The error where no thread could be started: of what the system allows, or of memory, there was too little.
pub fn refused(source: &io::Error) -> Error {
    Error::new(Kind::TooManyProcesses, format!("could not start a thread: {source}"))
        .hint("end other programs of yours; `ulimit -u` shows how many processes and threads you may have, `ulimit -v` how much memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_do_their_work() {
        assert_eq!(spawn("one", || 1).unwrap().join().unwrap(), 1);
        let number = 2;
        let doubled =
            std::thread::scope(|scope| spawn_in(scope, "two", || number * 2).unwrap().join().unwrap());
        assert_eq!(doubled, 4);
    }
}
