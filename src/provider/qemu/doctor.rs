//! QEMU: its version, and what executes guests.

use super::settings::KEY;
use crate::error::{Kind, Result};
use crate::finding::{Check, Outcome};
use crate::provider::{Availability, Examined};

const NAME: &str = KEY.name;

/// All that is to be said of it.
pub(super) fn checks(seen: &Examined<'_>) -> Vec<Check> {
    vec![check(seen.said, seen.chosen)]
}

/// What it says of itself; `chosen` is the provider that would run the lab.
fn check(said: &Result<Availability>, chosen: Option<&str>) -> Check {
    let wanted = chosen == Some(NAME);
    match said {
        Err(error) if error.kind() == Kind::ProgramMissing && chosen.is_some() && !wanted => {
            Check::skipped(NAME, "QEMU is not installed, and not needed")
        }
        Err(error) => {
            let outcome = if wanted { Outcome::Failure } else { Outcome::Warning };
            let means = if wanted { "the lab cannot run" } else { "machines cannot run on QEMU" };
            Check::of_error(NAME, outcome, error, means)
        }
        Ok(said) if said.slow => {
            let what = format!("QEMU {}, {}", said.version, said.acceleration);
            let outcome = if wanted { Outcome::Warning } else { Outcome::Pass };
            Check::new(NAME, outcome, what, "machines run, several times slower than they could")
                .todo("give them time (`boot_timeout` in the Labfile), or mend what the reason names")
        }
        Ok(said) => Check::pass(
            NAME,
            format!("QEMU {}, {}", said.version, said.acceleration),
            "machines run at full speed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn slow_and_missing_ones_are_told_apart() {
        let said = |slow| {
            let acceleration = if slow { "TCG (software emulation: why)" } else { "KVM" }.to_owned();
            Ok(Availability { version: "7.2.22".to_owned(), acceleration, slow, doubt: None })
        };
        assert_eq!(check(&said(false), Some(NAME)).outcome, Outcome::Pass);
        assert_eq!(check(&said(true), Some(NAME)).outcome, Outcome::Warning);
        assert_eq!(check(&said(true), Some("virtualbox")).outcome, Outcome::Pass);
        let missing = Err(Error::new(Kind::ProgramMissing, "qemu-img is not installed").hint("install it"));
        assert_eq!(check(&missing, Some(NAME)).outcome, Outcome::Failure);
        assert_eq!(check(&missing, None).outcome, Outcome::Warning);
        assert_eq!(check(&missing, Some("virtualbox")).outcome, Outcome::Skipped);
        assert_eq!(check(&missing, Some(NAME)).todo.as_deref(), Some("install it"));
    }
}
