//! How the machines of a command came out.

use crate::error::{Error, Kind, Result};

use super::tell::event::Outcome;

/// How the machines of a command came out, in the order of the Labfile.
#[derive(Debug)]
pub struct Report {
    /// Each machine's outcome.
    pub machines: Vec<(String, Result<Outcome>)>,
}

impl Report {
    /// `Ok` when all went well. The particulars have been told as events already, so the error only
    /// sums up; its kind is that of the failures where they agree.
    pub fn into_result(self) -> Result<()> {
        let total = self.machines.len();
        let failed: Vec<(String, Error)> = self
            .machines
            .into_iter()
            .filter_map(|(machine, result)| result.err().map(|error| (machine, error)))
            // What was not begun because of another's failure is not a reason of its own.
            .collect();
        let mut kinds: Vec<Kind> = failed
            .iter()
            .map(|(_, error)| error.kind())
            .filter(|kind| *kind != Kind::DependencyFailed)
            .collect();
        kinds.dedup();
        let names: Vec<&str> = failed.iter().map(|(machine, _)| machine.as_str()).collect();
        match (failed.is_empty(), kinds.as_slice()) {
            (true, _) => Ok(()),
            // Whoever stopped it knows why not all is well.
            (false, kinds) if kinds.contains(&Kind::Interrupted) => {
                Err(Error::new(Kind::Interrupted, "stopped")
                    .hint("run the same command again to go on from here, or `lab destroy` to clean up"))
            }
            (false, kinds) => {
                let kind = if let [kind] = kinds { *kind } else { Kind::SomeMachinesFailed };
                Err(Error::new(
                    kind,
                    format!("{} of {total} machines failed: {}", names.len(), names.join(", ")),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_speaks_with_one_kind_where_the_failures_agree() {
        let failed = |kind| Err(Error::new(kind, "why"));
        let report = Report {
            machines: vec![
                ("db1".to_owned(), failed(Kind::ProvisionFailed)),
                ("web1".to_owned(), failed(Kind::DependencyFailed)),
                ("web2".to_owned(), Ok(Outcome::Ready)),
            ],
        };
        let error = report.into_result().unwrap_err();
        assert_eq!(error.kind(), Kind::ProvisionFailed);
        assert_eq!(error.message(), "2 of 3 machines failed: db1, web1");
    }
}
