//! What comes out of a provisioning session: lines of the scripts, and between them the driver's marks.

/// Why a step counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Its exit status.
    Status(i32),
    /// It ran, and could not be noted as done.
    Stamp,
    /// The login shell ended, and the script had not begun.
    Shell,
    /// The script began, and its own last word is missing.
    Lost,
}

/// A file system of the guest with less room than is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// In KiB.
    pub(super) needed: u64,
    /// In KiB.
    pub(super) free: u64,
    /// Where it was to go.
    pub(super) folder: String,
}

/// What a mark says; the numbers are places in the list of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// The session's own shell runs and waits for a word; the kernel's boot id, where it has one.
    In(String),
    /// Something does not fit into the guest.
    NoRoom(NoRoom),
    /// A step begins.
    Started(usize),
    /// A step had been done before.
    Skipped(usize),
    /// A step ended well and has been noted in the guest.
    Finished(usize),
    /// A step failed.
    Failed(usize, Failure),
    /// The system goes down, and nothing more is begun.
    GoingDown,
    /// The lab's key was gone from the login user's authorized_keys, and has been put back.
    KeyRestored,
    /// Something that decides a login has changed: the names of what it was, as far as they are known.
    LoginChanged(Vec<String>),
    /// The set-up begins.
    SettingUp,
    /// The set-up ended well.
    SetUp,
    /// The set-up failed with an exit status.
    SetUpFailed(i32),
    /// Whether Vagrant's insecure keys are gone.
    Secured(bool),
    /// Nothing more comes.
    Ended,
}

/// Tells marks from output. A mark is a line of its own that begins with a control character and a
/// token that no script knows; the driver begins a new line before it, so an empty line right before
/// a mark is the driver's.
#[derive(Debug)]
pub(super) struct Marks {
    prefix: String,
    /// An empty line has been seen and not been handed on.
    held: bool,
}

impl Marks {
    /// For marks with `token`.
    pub(super) fn new(token: &str) -> Self {
        Marks { prefix: format!("\u{1}{token} "), held: false }
    }

    /// Takes in a line of output: a mark is returned, output goes to `on_output`.
    pub(super) fn read(&mut self, line: &str, mut on_output: impl FnMut(&str)) -> Option<Mark> {
        let held = std::mem::take(&mut self.held);
        if let Some(mark) = line.strip_prefix(&self.prefix).and_then(parse) {
            return Some(mark);
        }
        if held {
            on_output("");
        }
        if line.is_empty() {
            self.held = true;
        } else {
            on_output(line);
        }
        None
    }
}

fn parse(text: &str) -> Option<Mark> {
    let mut words = text.split(' ');
    let word = words.next()?;
    match word {
        "in" => return Some(Mark::In(words.next().unwrap_or_default().to_owned())),
        "no-room" => {
            let (needed, free) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let folder = words.collect::<Vec<_>>().join(" ");
            return Some(Mark::NoRoom(NoRoom { needed, free, folder }));
        }
        "going-down" => return Some(Mark::GoingDown),
        "key-restored" => return Some(Mark::KeyRestored),
        "login-changed" => return Some(Mark::LoginChanged(words.map(str::to_owned).collect())),
        "ended" => return Some(Mark::Ended),
        "setting-up" => return Some(Mark::SettingUp),
        "set-up" => return Some(Mark::SetUp),
        "set-up-failed" => return Some(Mark::SetUpFailed(words.next()?.parse().ok()?)),
        "secured" | "unsecured" => return Some(Mark::Secured(word == "secured")),
        _ => {}
    }
    let number = words.next()?.parse().ok()?;
    match word {
        "started" => Some(Mark::Started(number)),
        "skipped" => Some(Mark::Skipped(number)),
        "finished" => Some(Mark::Finished(number)),
        "failed" => Some(Mark::Failed(
            number,
            match words.next()? {
                "stamp" => Failure::Stamp,
                "shell" => Failure::Shell,
                "lost" => Failure::Lost,
                status => Failure::Status(status.parse().ok()?),
            },
        )),
        _ => None,
    }
}

/// The line of the script `file` (the end of its path in the guest) that `output` names, as shells and
/// interpreters do:
/// - dash `…/web.sh: 12: foo: not found`, bash and busybox `…/web.sh: line 12: …`,
/// - Python `File "…/web.py", line 12, in <module>`, Perl `at …/web.pl line 12.`, Ruby `…/web.rb:12:in`.
pub(super) fn named_line(output: &str, file: &str) -> Option<usize> {
    let (_, after) = output.rsplit_once(file)?;
    let after = after.trim_start_matches(['"', '\'', ':', ',', ' ']);
    let after = after.strip_prefix("line ").unwrap_or(after);
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let next = after.get(digits..)?.chars().next();
    let number = after.get(..digits)?.parse().ok()?;
    // `web.sh 3 4` is an argument list, not a place.
    (number > 0 && matches!(next, None | Some(':' | ',' | '.'))).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Vec<String>, Vec<Mark>) {
        let mut marks = Marks::new("abc");
        let (mut output, mut found) = (Vec::new(), Vec::new());
        for line in lines {
            found.extend(marks.read(line, |line| output.push(line.to_owned())));
        }
        (output, found)
    }

    #[test]
    fn marks_stand_between_lines() {
        let (output, marks) =
            read(&["", "\u{1}abc started 0", "one", "", "\u{1}abc finished 0", "", "\u{1}abc ended"]);
        assert_eq!(output, ["one"]);
        assert_eq!(marks, [Mark::Started(0), Mark::Finished(0), Mark::Ended]);
    }

    #[test]
    fn empty_lines_of_a_script_stay_and_that_of_the_driver_goes() {
        let (output, _) = read(&["a", "", "", "b", "", "", "\u{1}abc finished 0"]);
        assert_eq!(output, ["a", "", "", "b", ""]);
    }

    #[test]
    fn a_script_cannot_make_marks_up() {
        let lines = [
            "\u{1}abd ended",
            "x \u{1}abc ended",
            "\u{1}ended",
            "\u{1}abc",
            "\u{1}abc nonsense 3",
            "\u{1}abc failed x 1",
        ];
        let (output, marks) = read(&lines);
        assert_eq!((output.len(), marks.len()), (lines.len(), 0));
    }

    #[test]
    fn a_failure_carries_its_status() {
        let (_, marks) =
            read(&["\u{1}abc failed 2 127", "\u{1}abc failed 2 stamp", "\u{1}abc failed 0 shell"]);
        let failed = |index, why| Mark::Failed(index, why);
        assert_eq!(
            marks,
            [failed(2, Failure::Status(127)), failed(2, Failure::Stamp), failed(0, Failure::Shell)]
        );
    }

    #[test]
    fn other_marks_carry_what_they_are_about() {
        let (_, marks) = read(&[
            "\u{1}abc in 0a1b",
            "\u{1}abc in ",
            "\u{1}abc no-room 20 10 /srv/a b",
            "\u{1}abc login-changed",
            "\u{1}abc login-changed /etc/passwd sshd",
        ]);
        let no_room = NoRoom { needed: 20, free: 10, folder: "/srv/a b".into() };
        let changed =
            |names: &[&str]| Mark::LoginChanged(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            marks,
            [
                Mark::In("0a1b".into()),
                Mark::In(String::new()),
                Mark::NoRoom(no_room),
                changed(&[]),
                changed(&["/etc/passwd", "sshd"]),
            ]
        );
    }

    #[test]
    fn the_line_that_an_interpreter_names_is_found() {
        let file = "/0/web.sh";
        for (output, line) in [
            ("/var/lib/lab/session.9/0/web.sh: 12: foo: not found", Some(12)),
            ("/var/lib/lab/session.9/0/web.sh: line 7: foo: command not found", Some(7)),
            ("  File \"/var/lib/lab/session.9/0/web.sh\", line 3, in <module>", Some(3)),
            ("died at /var/lib/lab/session.9/0/web.sh line 5.", Some(5)),
            ("/var/lib/lab/session.9/0/web.sh:8:in `main'", Some(8)),
            ("running /var/lib/lab/session.9/0/web.sh 3 4", None),
            ("/var/lib/lab/session.9/0/web.sh: not executable", None),
            ("/0/other.sh: 12: foo: not found", None),
        ] {
            assert_eq!(named_line(output, file), line, "{output}");
        }
    }
}
