//! The time, for notes of when something happened.

/// Seconds since 1970, for notes of when something happened.
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}
