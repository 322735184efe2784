//! Files of data beside a Vagrantfile, from which many make their machines: YAML and JSON, as Ruby reads them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::files::lexical;
use super::value::Value;

/// The largest file that is read, in bytes.
const SIZE_MAX: u64 = 256 * 1024;

/// The text of the file `path`, which begins at the Vagrantfile's folder `dir`; or why it is not read: what lies elsewhere belongs to
/// one computer, and may be nobody's business.
pub(super) fn read(dir: &Path, path: &str) -> Result<String, String> {
    let inside = lexical(path);
    let elsewhere = || format!("{path} lies outside of the Vagrantfile's folder, and is not read");
    if inside.starts_with(['/', '~']) || inside == ".." || inside.starts_with("../") {
        return Err(elsewhere());
    }
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{inside} is not there"),
        _ => format!("{inside} cannot be read: {error}"),
    };
    // A symlink may lead out of it.
    let real = dir.join(&inside).canonicalize().map_err(missing)?;
    if !real.starts_with(dir.canonicalize().map_err(missing)?) {
        return Err(elsewhere());
    }
    if !real.is_file() {
        return Err(format!("{inside} is no file"));
    }
    let mut text = String::new();
    let read = File::open(&real).and_then(|file| file.take(SIZE_MAX + 1).read_to_string(&mut text));
    read.map_err(missing)?;
    if text.len() as u64 > SIZE_MAX {
        return Err(format!("{inside} is larger than {} KiB, and is not read", SIZE_MAX / 1024));
    }
    Ok(text)
}

/// What a text of YAML says, aliases and merged keys put in; or why it cannot be told.
pub(super) fn yaml(text: &str) -> Result<Value, String> {
    // The first line of the message: the rest of it shows the place.
    let reason = |error: serde_saphyr::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    serde_saphyr::from_str(text)
        .map(|Data(value)| value)
        .map_err(|error| format!("it is no YAML: {}", reason(error)))
}

/// What a text of JSON says; or why it cannot be told.
pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map(|Data(value)| value).map_err(|error| format!("it is no JSON: {error}"))
}

struct Data(Value);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Data)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::unknown("is too large"), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        // Ruby writes its symbols so, and reads them back.
        let symbol = text
            .strip_prefix(':')
            .filter(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        Ok(symbol.map_or_else(|| Value::text(text), |name| Value::Symbol(name.into())))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Reader)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Data(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((Data(key), Data(value))) = pairs.next_entry()? {
            map.push((key, value));
        }
        Ok(Value::map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_read_as_ruby_reads_it() {
        let value = yaml(
            "defaults: &defaults\n  memory: 512\n  gui: false\nmachines:\n  - name: web\n    <<: *defaults\n    :box: lucid32\n    share: 0.5\n    none: ~\n    10: ten\n",
        )
        .unwrap();
        let Some(Value::List(machines)) = value.get("machines") else { panic!("{value:?}") };
        let web = &machines.borrow()[0];
        assert_eq!(web.get("name").unwrap().word(), Some("web"));
        assert_eq!(web.get("memory").unwrap().number(), Some(512));
        assert!(matches!(web.get("gui"), Some(Value::Bool(false))));
        assert!(matches!(web.get("none"), Some(Value::Nil)));
        let pairs = web.pairs();
        assert!(
            pairs.iter().any(|(key, _)| matches!(key, Value::Symbol(name) if &**name == "box")),
            "{pairs:?}"
        );
        assert!(pairs.iter().any(|(key, _)| matches!(key, Value::Int(10))), "{pairs:?}");
        assert!(yaml("a: [").unwrap_err().starts_with("it is no YAML: "));
        let list = json("[{\"a\": 1}, null]").unwrap();
        assert!(
            matches!(&list, Value::List(items) if items.borrow()[0].get("a").unwrap().number() == Some(1))
        );
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (one, next) in
            ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(["b", "c", "d", "e", "f", "g", "h", "i"])
        {
            text += &format!("{next}: &{next} [{}]\n", [format!("*{one}").as_str(); 10].join(", "));
        }
        assert!(yaml(&text).is_err());
        assert!(yaml(&"[".repeat(100_000)).is_err());
        assert!(json(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn only_what_lies_in_the_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().join("lab");
        std::fs::create_dir_all(lab.join("config")).unwrap();
        std::fs::write(dir.path().join("secret.yml"), "a: 1").unwrap();
        std::fs::write(lab.join("config/own.yml"), "a: 1").unwrap();
        assert_eq!(read(&lab, "./Vagrantfile/../config/own.yml").unwrap(), "a: 1");
        for path in ["../secret.yml", "/etc/hostname", "~/x", "config/../../secret.yml", ".."] {
            assert!(read(&lab, path).unwrap_err().contains("outside"), "{path}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../secret.yml", lab.join("link.yml")).unwrap();
            assert!(read(&lab, "link.yml").unwrap_err().contains("outside"));
        }
        assert!(read(&lab, "none.yml").unwrap_err().contains("is not there"));
        assert!(read(&lab, "config").unwrap_err().contains("no file"));
        std::fs::write(lab.join("large"), "x".repeat(300 * 1024)).unwrap();
        assert!(read(&lab, "large").unwrap_err().contains("256 KiB"));
    }
}
