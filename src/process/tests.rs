use std::io::Write;
use std::time::Duration;

use super::*;

fn sh(script: &str) -> Cmd {
    Cmd::new("sh").arg("-c").arg(script)
}

#[test]
fn output_and_status_come_back() {
    let output = sh("echo out; echo err >&2; exit 3").output(&Cancel::new()).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_failure_carries_the_command_and_what_it_said() {
    let error = sh("echo no such disk >&2; exit 1").run(&Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::ProgramFailed);
    assert_eq!(error.message(), "sh failed (exit status 1)");
    assert_eq!(error.details()[1], "no such disk");
}

#[test]
fn a_missing_program_is_told_apart() {
    let error = Cmd::new("no-such-program-here").missing_hint("install it").run(&Cancel::new());
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::ProgramMissing);
    assert_eq!(error.hints(), ["install it"]);
}

#[test]
fn a_time_limit_kills() {
    let error = sh("exec sleep 60").timeout(Duration::from_millis(100)).run(&Cancel::new());
    assert_eq!(error.unwrap_err().kind(), Kind::ProgramTimeout);
}

#[test]
fn cancelling_kills() {
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(sh("exec sleep 60").run(&cancel).unwrap_err().kind(), Kind::Interrupted);
}

#[test]
fn lines_are_streamed_while_stdin_stays_open() {
    let mut seen = Vec::new();
    let feed = |stdin: &mut dyn Write| writeln!(stdin, "hello");
    let status = sh("read word; echo \"$word\"; printf 'a\\rb\\r\\nlast'")
        .stream(&Cancel::new(), feed, |stream, line| seen.push((stream, line.to_owned())))
        .unwrap();
    assert!(status.success());
    let lines: Vec<_> = seen.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["hello", "a", "b", "last"]);
}

#[test]
fn a_slow_reader_gets_all_that_was_said() {
    let mut lines = 0;
    let slow = |_: Stream, _: &str| {
        lines += 1;
        std::thread::sleep(Duration::from_micros(100));
    };
    sh("seq 20000").lines(&Cancel::new(), slow).unwrap();
    assert_eq!(lines, 20_000);
}

#[test]
fn a_feed_into_a_process_that_does_not_read_is_no_error() {
    let feed = |stdin: &mut dyn Write| stdin.write_all(&vec![0; 1 << 20]);
    let status = sh("exit 4").stream(&Cancel::new(), feed, |_, _| {}).unwrap();
    assert_eq!(status.code(), Some(4));
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(quote("/plain/path-1.img"), "/plain/path-1.img");
    assert_eq!(quote("it's"), r"'it'\''s'");
    assert_eq!(quote(""), "''");
}
