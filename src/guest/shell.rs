//! Commands for a guest's login shell, whichever that is.
//!
//! sshd hands a command to the user's own shell. It may be bash, zsh, fish, tcsh or rc, each with its own
//! quotes, and its start-up files may print words, go to another folder or end early. So whatever lab sends
//! is a script for `/bin/sh`, written so that each of these shells hands it on as it is. The script begins
//! with a mark, behind which lab starts to read, and in the user's home folder.

use crate::error::{Error, Kind};
use crate::process::quote;

use super::access::Access;

/// How long a word of a command may be, in bytes: the csh of the BSDs, and tcsh until 6.17, say "Word too long"
/// from 1024 on.
const WORD: usize = 900;

/// `name='value'`, for a POSIX shell. Quoted always: a word that needs no quotes is no exception.
pub(super) fn assign(name: &str, value: &str) -> String {
    format!("{name}='{}'\n", value.replace('\'', r"'\''"))
}

/// The command by which any login shell runs `script` in `/bin/sh`.
///
/// All that reaches the login shell are words in single quotes, without the characters that some shell takes
/// for its own even there: `'` and `\` (fish), `!` and line ends (csh), bytes beyond ASCII (a locale). They
/// go as `\0NNN`, which `printf %b` turns back (POSIX.1-2017, printf).
pub(super) fn for_login_shell(script: &str) -> String {
    let mut command = String::from(r#"exec /bin/sh -c 'eval "$(printf %b "$@")"' sh '"#);
    let mut length = 0;
    for byte in script.bytes() {
        if length >= WORD {
            command.push_str("' '");
            length = 0;
        }
        if matches!(byte, b' '..=b'~') && !b"'\\!".contains(&byte) {
            command.push(char::from(byte));
            length += 1;
        } else {
            let escaped = format!("\\0{byte:03o}");
            command.push_str(&escaped);
            length += escaped.len();
        }
    }
    command + "'"
}

/// The line with which the guest says that lab's own script runs. Nothing that start-up files print looks like it.
#[derive(Debug, Clone)]
pub(super) struct Mark(String);

impl Mark {
    /// One that nobody knows.
    pub(super) fn new() -> Self {
        Mark(format!("lab-{}", uuid::Uuid::new_v4().simple()))
    }

    /// The command that runs `script` in the user's home folder, having said the mark on both outputs.
    pub(super) fn command(&self, script: &str) -> String {
        // A line end first: what start-up files print may lack its own.
        let say = format!(r"printf '\n%s\n' {}", self.0);
        for_login_shell(&format!("cd 2>/dev/null || cd /\n{say}\n{say} >&2\n{script}"))
    }

    /// As [`Mark::command`], for a script that reads its standard input: it runs when a line that is not empty
    /// has come in. Nothing else is to be sent before the mark is heard: a shell that a start-up
    /// file has put in the way would read it as commands.
    pub(super) fn command_with_input(&self, script: &str) -> String {
        self.command(&format!("{WAIT_FOR_WORD}\n{script}"))
    }

    /// Whether `line` is the mark.
    pub(super) fn is(&self, line: &str) -> bool {
        line == self.0
    }

    /// The mark as it stands among bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        format!("\n{}\n", self.0).into_bytes()
    }
}

/// Waits for the first line that is not empty, which is left in `$word`. Empty ones come until the host has
/// heard that we are in; they tell it when there is nobody to wait for any more.
pub(super) const WAIT_FOR_WORD: &str = r#"word=; while [ -z "$word" ]; do read -r word || exit 1; done"#;

/// `room KIB FOLDER`: whether the file system of FOLDER, or of the first folder above it that is there, has as much
/// room. Else it marks what is needed and what is free, in KiB. Where `df` says nothing, there is room.
pub(super) const ROOM: &str = r#"room() {
	above=$2
	while [ ! -d "$above" ]; do
		case $above in */*) above=${above%/*} ;; *) above=. ;; esac
		[ -n "$above" ] || above=/
	done
	free=$(df -Pk "$above" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; })
	case $free in '' | *[!0-9]*) return 0 ;; esac
	[ "$free" -lt "$1" ] || return 0
	mark no-room "$1" "$free" "$2"
	return 1
}"#;

/// A command of a user's as a script. One word is a shell line; several are the words of a
/// command, which arrive as they are.
pub(super) fn users_command(words: &[String]) -> String {
    match words {
        // bash and ksh understand all of sh and more, and who has one of them as login shell writes for it. With
        // SHLVL, bash reads its start-up file for the first time only, and prints it once.
        [line] => format!(
            "shell=/bin/sh\n\
             case ${{SHELL##*/}} in bash | ksh | ksh93 | mksh) SHLVL=1 shell=$SHELL; export SHLVL ;; esac\n\
             exec \"$shell\" -c {}",
            quote(line)
        ),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

impl Access {
    /// The error where a session ended and lab's script had not begun: `said` is what came instead.
    pub(super) fn no_mark(&self, said: &str) -> Error {
        let Access { machine, user, .. } = self;
        let error = Error::new(
            Kind::SetupFailed,
            format!("the login shell of {user} in {machine} ended before lab's command began"),
        );
        let said = said.trim();
        let error = if said.is_empty() { error } else { error.detail(format!("it said: {said}")) };
        error
            .hint(format!(
                "a start-up file ends it or starts another program: look at ~/.bashrc, ~/.zshenv, \
                 ~/.config/fish/config.fish or ~/.tcshrc of {user}"
            ))
            .hint(format!(
                "`lab ssh {machine}` may still open a shell; `lab reset {machine}` goes back to its snapshot"
            ))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::find_on_path;

    /// The shells that people log in with.
    const LOGIN_SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "fish", "tcsh", "bsd-csh", "rc", "mksh"];

    #[allow(clippy::unwrap_used, reason = "a test's helper may stop at the first surprise")]
    fn run_by(shell: &str, command: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(find_on_path(shell).unwrap())
            .arg("-c")
            .arg(command)
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env_remove("SHELL")
            .output()
            .unwrap();
        assert!(output.status.success(), "{shell}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn all_hand_on(shells: &[&str]) {
        let hostile =
            "it's \"ü\" $HOME `x` !! !x \\n \\\\ %s * ? ~ {a,b} [a] <(x) # ; & | \t=a ^b @c\nnext\r\n";
        let long = "x'!".repeat(2_000);
        for word in [hostile, &long] {
            let command = for_login_shell(&format!("printf %s {}", quote(word)));
            for shell in shells {
                assert_eq!(run_by(shell, &command), word, "{shell}");
            }
        }
    }

    #[test]
    fn the_default_shell_hands_every_character_on() {
        all_hand_on(&["sh"]);
    }

    #[test]
    #[ignore = "needs zsh, fish, tcsh, csh, rc and mksh; run by scripts/test"]
    fn every_login_shell_hands_every_character_on() {
        all_hand_on(LOGIN_SHELLS);
    }

    #[test]
    fn the_mark_stands_on_a_line_of_its_own_and_the_folder_is_home() {
        let mark = Mark::new();
        let home = tempfile::tempdir().unwrap();
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("printf Welcome; cd /; {}", mark.command("pwd")))
            .env("HOME", home.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(mark.is(lines[1]) && !mark.is(lines[0]), "{said}");
        assert_eq!(lines[2], home.path().canonicalize().unwrap().to_str().unwrap());
    }

    #[test]
    fn several_words_arrive_as_they_are_and_one_is_a_line() {
        let words = ["printf", "<%s>", "it's", "two words", "$x"].map(str::to_owned);
        assert_eq!(run_by("sh", &for_login_shell(&users_command(&words))), "<it's><two words><$x>");
        let line = ["x=two; for i in 1 $x; do printf '<%s>' $i; done".to_owned()];
        assert_eq!(run_by("sh", &for_login_shell(&users_command(&line))), "<1><two>");
    }
}
