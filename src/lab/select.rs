//! Which machines a command is for.

use crate::error::{Error, Kind, Result};
use crate::nearest::nearest;

/// `asked` in the order of `names`; all of them where nothing is asked.
///
/// # Errors
/// [`Kind::UnknownMachine`], with the nearest name.
pub fn select(names: &[String], asked: &[String]) -> Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(names.to_vec());
    }
    for name in asked {
        if !names.contains(name) {
            let near = nearest(name, names.iter().map(String::as_str));
            let error = Error::new(Kind::UnknownMachine, format!("there is no machine {name} in this lab"));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
            .hint(format!("its machines are: {}", names.join(", "))));
        }
    }
    Ok(names.iter().filter(|name| asked.contains(name)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["web1", "web2", "db1"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_misspelt_machine_gets_the_nearest_name() {
        let error = select(&names(), &["wbe1".to_owned()]).unwrap_err();
        assert_eq!(error.kind(), Kind::UnknownMachine);
        assert_eq!(error.hints()[0], "did you mean web1?");
    }

    #[test]
    fn the_labfiles_order_is_kept() {
        let asked = ["db1".to_owned(), "web1".to_owned()];
        assert_eq!(select(&names(), &asked).unwrap(), ["web1", "db1"]);
    }
}
