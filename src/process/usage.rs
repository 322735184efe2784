//! What a process takes of this computer.

use std::time::Duration;

/// What a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory of this computer that it has in use now, in bytes.
    pub memory: u64,
    /// How long it has been running.
    pub uptime: Duration,
}

/// What the process `pid` takes; `None` where there is none, or no way to tell.
#[cfg(target_os = "linux")]
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let now = std::fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = now.split(' ').next()?.parse().ok()?;
    let (page, ticks) = (rustix::param::page_size(), rustix::param::clock_ticks_per_second());
    from_stat(&stat, now, page as u64, ticks)
}

/// Reads proc(5)'s `stat`: `PID (NAME) STATE …`, where the name may hold anything. Field 22 is when it began, in ticks
/// since the computer did, field 24 its resident pages.
#[cfg(target_os = "linux")]
fn from_stat(stat: &str, now: f64, page: u64, ticks: u64) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let field = |number: usize| fields.split(' ').nth(number - 3)?.parse::<u64>().ok();
    let begun = field(22)? as f64 / ticks.max(1) as f64;
    let uptime = Duration::try_from_secs_f64((now - begun).max(0.0)).ok()?;
    Some(Usage { memory: field(24)? * page, uptime })
}

/// What the process `pid` takes; `None` where there is none, or no way to tell.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn usage(pid: u32) -> Option<Usage> {
    let asked = super::Cmd::new("ps").args(["-o", "rss=,etime=", "-p"]).arg(pid.to_string());
    let said = asked.timeout(Duration::from_secs(2)).run(&crate::cancel::Cancel::new()).ok()?;
    from_ps(&said)
}

/// Not told here.
#[cfg(not(unix))]
pub fn usage(_: u32) -> Option<Usage> {
    None
}

/// Reads ` 104332 02-03:04:05`: KiB, and days, hours, minutes and seconds (POSIX, `ps`: `[[dd-]hh:]mm:ss`).
#[cfg(any(test, all(unix, not(target_os = "linux"))))]
fn from_ps(said: &str) -> Option<Usage> {
    let (memory, elapsed) = said.trim().split_once(char::is_whitespace)?;
    let (days, clock) = elapsed.trim().split_once('-').unwrap_or(("0", elapsed.trim()));
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    let uptime = Duration::from_secs(days.parse::<u64>().ok()? * 86_400 + seconds);
    Some(Usage { memory: memory.parse::<u64>().ok()? * 1024, uptime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn stat_is_read_behind_a_name_that_looks_like_it() {
        // A QEMU's, whose name was changed.
        let stat = "4711 (qemu) R 1 (x) S 1 4711 4711 0 -1 4194624 9 0 0 0 512 33 0 0 20 0 4 0 10050 802160640 26112 18446744073709551615 1 1 0";
        let usage = from_stat(stat, 130.5, 4096, 100).unwrap();
        assert_eq!(usage, Usage { memory: 26112 * 4096, uptime: Duration::from_secs(30) });
        assert_eq!(from_stat("4711 (qemu) S 1", 1.0, 4096, 100), None);
    }

    #[test]
    fn ps_is_read() {
        let seconds = |said| from_ps(said).map(|usage| usage.uptime.as_secs());
        assert_eq!(from_ps(" 104332    01:02\n").map(|usage| usage.memory), Some(104_332 * 1024));
        assert_eq!(seconds("1 01:02"), Some(62));
        assert_eq!(seconds("1 01:00:02"), Some(3602));
        assert_eq!(seconds("1 2-00:00:02"), Some(172_802));
        assert_eq!(seconds(""), None);
    }

    #[cfg(unix)]
    #[test]
    fn we_take_something_and_a_process_that_is_not_there_does_not() {
        let ours = usage(std::process::id()).unwrap();
        assert!(ours.memory > 1 << 20 && ours.memory < 1 << 34, "{ours:?}");
        assert!(ours.uptime < Duration::from_secs(86_400), "{ours:?}");
        assert_eq!(usage(i32::MAX as u32 - 1), None);
    }
}
