//! The Labfile that `lab init` writes.

/// A starter Labfile for a lab called `name` with machines made from `box_`. It can be used as it is.
pub fn template(name: &str, box_: &str) -> String {
    TEMPLATE.replace("@NAME@", &quoted(name)).replace("@BOX@", &quoted(box_))
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

const TEMPLATE: &str = include_str!("template.toml");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::labfile::parse;

    #[test]
    fn it_is_a_labfile() {
        let loaded = parse(&template("my-lab", "demo"), Path::new("/nowhere/Labfile")).unwrap();
        assert_eq!(loaded.warnings.problems, []);
        assert_eq!(loaded.labfile.name, "my-lab");
        assert_eq!(loaded.labfile.machines.len(), 2);
        assert!(loaded.labfile.machines.iter().all(|machine| machine.image == "demo"));
    }

    #[test]
    fn it_is_a_labfile_with_every_example_uncommented() {
        let text: String = template("my-lab", "demo")
            .lines()
            .map(|line| {
                // `# key = value` is an example; a sentence has more than one word before a `=`, or none.
                let code = line.trim_start().strip_prefix("# ").filter(|code| {
                    code.split_once(" = ").is_some_and(|(key, _)| !key.trim().contains(' '))
                        || code.starts_with('[')
                });
                format!("{}\n", code.unwrap_or(line))
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("provision")).unwrap();
        std::fs::create_dir_all(folder.path().join("site")).unwrap();
        std::fs::write(folder.path().join("provision/web.sh"), "true\n").unwrap();
        let loaded = parse(&text, &folder.path().join("Labfile")).map_err(|report| report.render(false));
        let loaded = loaded.unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(loaded.warnings.problems, []);
        assert!(loaded.labfile.machines.len() > 2, "nothing was uncommented");
    }

    #[test]
    fn odd_names_stay_in_their_quotes() {
        let odd = "a\"\\\n[machine.x]\u{7f}";
        let text = template("my-lab", odd);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["lab"]["box"].as_str(), Some(odd));
    }
}
