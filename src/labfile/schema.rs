//! The JSON Schema of a Labfile, for editors: completion, documentation on hover, and marks while typing.

use serde_json::{Map, Value, json};

use super::keys::{Key, ROOT, SECTIONS, Section, Type};
use super::units;

/// A host name label, as [`super::check`] takes it; the length and the digits are left to `lab validate`.
const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const MEMORY: &str = r"^\s*[0-9]+(\.[0-9]{1,3})?\s*(MiB|GiB)\s*$";
const DURATION: &str = r"^\s*([0-9]+\s*(s|sec|seconds?|min|minutes?|h|hours?)\s*)+$";
const ADDRESS: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$";
const NETWORK: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([89]|1[0-9]|2[0-9])$";
const VERSION: &str =
    r"^\s*(~>|[><!]?=|>|<)?\s*[0-9][0-9A-Za-z.-]*(\s*,\s*(~>|[><!]?=|>|<)?\s*[0-9][0-9A-Za-z.-]*)*\s*$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The schema, of draft 7, which is what the TOML extensions of editors understand. It is made from the table that the
/// decoder reads ([`super::keys`]).
pub fn schema() -> Value {
    let definitions: Map<String, Value> = SECTIONS
        .iter()
        .filter(|section| !std::ptr::eq(**section, &raw const ROOT))
        .map(|section| (section.id.to_owned(), object(section)))
        .collect();
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Labfile",
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, object(&ROOT)) {
        schema.extend(root);
        schema.insert("definitions".to_owned(), Value::Object(definitions));
    }
    schema
}

/// A table with the keys of `section` and no others.
fn object(section: &Section) -> Value {
    let properties: Map<_, _> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut object = json!({
        "description": section.doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    match section.id {
        "provisioner" => {
            set(&mut object, "oneOf", json!([{ "required": ["script"] }, { "required": ["inline"] }]));
        }
        _ => {
            let required: Vec<_> =
                section.keys.iter().filter(|key| required(key)).map(|key| key.name).collect();
            if !required.is_empty() {
                set(&mut object, "required", json!(required));
            }
        }
    }
    object
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value);
    }
}

/// Whether a key has no default. The box of `[lab]` may be left to the machines.
fn required(key: &Key) -> bool {
    key.default.is_empty() && key.name != "box"
}

fn property(key: &Key) -> Value {
    let mut value = shape(key.takes);
    let default = if key.default.is_empty() { String::new() } else { format!(" Default: {}.", key.default) };
    set(&mut value, "description", json!(format!("{}{default}", key.doc)));
    if let Ok(example) = toml_to_json(key) {
        set(&mut value, "examples", json!([example]));
    }
    value
}

/// The example of a key as a value.
fn toml_to_json(key: &Key) -> Result<Value, toml::de::Error> {
    if matches!(key.takes, Type::Section(_) | Type::Named(_)) {
        return Ok(json!({}));
    }
    let table: Map<String, Value> = toml::from_str(&format!("value = {}", key.example))?;
    Ok(table.get("value").cloned().unwrap_or_default())
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn reference(section: &Section) -> Value {
    // Draft 7 ignores what stands beside a `$ref`, such as the description.
    json!({ "allOf": [{ "$ref": format!("#/definitions/{}", section.id) }] })
}

fn shape(takes: Type) -> Value {
    match takes {
        Type::Version => text(VERSION),
        Type::Text | Type::Script | Type::Path => json!({ "type": "string", "minLength": 1 }),
        Type::Name => text(NAME),
        Type::GuestPath => text("^/"),
        Type::Choice(words) => json!({ "enum": words }),
        Type::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Type::Flag => json!({ "type": "boolean" }),
        Type::Memory => json!({ "anyOf": [
            text(MEMORY),
            { "type": "integer", "minimum": units::MEMORY_MIN, "maximum": units::MEMORY_MAX },
        ] }),
        Type::Duration => json!({ "anyOf": [
            text(DURATION),
            { "type": "integer", "minimum": 1, "maximum": units::DURATION_MAX.as_secs() },
        ] }),
        Type::Network => text(NETWORK),
        Type::Address => text(ADDRESS),
        Type::Names => list(&text(NAME)),
        Type::Texts => list(&json!({ "type": "string" })),
        Type::Commands => list(&json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })),
        Type::Env => json!({
            "type": "object",
            "propertyNames": { "pattern": VARIABLE },
            "additionalProperties": { "type": "string" },
        }),
        Type::List(section, None) => list(&reference(section)),
        Type::List(section, Some(short)) => list(&json!({ "anyOf": [
            { "type": "string", "pattern": short.pattern, "description": short.doc },
            { "$ref": format!("#/definitions/{}", section.id) },
        ] })),
        Type::Section(section) => reference(section),
        Type::Named(section) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "$ref": format!("#/definitions/{}", section.id) },
            "minProperties": 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::labfile::template;

    /// Whether `value` is what `schema` says; the part of draft 7 that is used here, without patterns.
    fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let fail = |why: &str| Err(format!("{at}: {why}: {value}"));
        let all = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
        for (keyword, _) in schema.as_object().unwrap() {
            let known = matches!(
                keyword.as_str(),
                "$schema"
                    | "title"
                    | "description"
                    | "examples"
                    | "definitions"
                    | "type"
                    | "properties"
                    | "additionalProperties"
                    | "required"
                    | "propertyNames"
                    | "minProperties"
                    | "items"
                    | "minItems"
                    | "enum"
                    | "minimum"
                    | "maximum"
                    | "minLength"
                    | "pattern"
                    | "$ref"
                    | "allOf"
                    | "anyOf"
                    | "oneOf"
            );
            assert!(known, "the check does not know {keyword}");
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = root.pointer(reference.trim_start_matches('#'));
            return check(root, target.unwrap_or_else(|| panic!("{reference} is not there")), value, at);
        }
        let right_type = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("boolean") => value.is_boolean(),
            Some(other) => panic!("type {other}"),
            None => true,
        };
        if !right_type {
            return fail("wrong type");
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return fail("not among the words");
        }
        if let Some(number) = value.as_i64() {
            let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                return fail("out of range");
            }
        }
        if let Some(missing) = all("required").iter().find(|key| value[key.as_str().unwrap()].is_null()) {
            return fail(&format!("needs {missing}"));
        }
        for (key, item) in value.as_object().into_iter().flatten() {
            let property = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            match property {
                Value::Bool(false) => return fail(&format!("no key {key}")),
                Value::Object(_) => check(root, property, item, &format!("{at}.{key}"))?,
                _ => {}
            }
        }
        for item in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
            check(root, &schema["items"], item, &format!("{at}[]"))?;
        }
        for part in all("allOf") {
            check(root, &part, value, at)?;
        }
        let matching =
            |parts: &[Value]| parts.iter().filter(|part| check(root, part, value, at).is_ok()).count();
        if schema["anyOf"].is_array() && matching(&all("anyOf")) == 0 {
            return fail("none of the forms");
        }
        if schema["oneOf"].is_array() && matching(&all("oneOf")) != 1 {
            return fail("not one of the forms");
        }
        Ok(())
    }

    fn holds(text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().unwrap();
        let schema = schema();
        check(&schema, &schema, &serde_json::to_value(table).unwrap(), "")
    }

    #[test]
    fn good_labfiles_hold() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = vec![template("my-lab", "demo")];
        texts.push(std::fs::read_to_string(top.join("Labfile.example")).unwrap());
        for entry in std::fs::read_dir(top.join("tests/labfiles/good")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
        for text in texts {
            assert_eq!(holds(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn bad_ones_do_not() {
        for text in [
            "[lab]\nbox = \"demo\"\n",
            "[machine.web1]\nmemroy = 1\n",
            "[machine.web1]\ncpus = \"2\"\n",
            "[machine.web1]\ncpus = 65\n",
            "[machine.web1]\nforward = [{ host = 8080 }]\n",
            "[machine.web1]\nprovision = [{ args = [] }]\n",
            "[machine.web1]\nprovision = [{ script = \"a\", inline = \"b\" }]\n",
            "[machine.web1]\n[lab]\nprovider = \"vbox\"\n",
            "[machine.web1.qemu]\nargs = [1]\n",
        ] {
            assert!(holds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_example_in_the_table_is_taken_by_schema_and_decoder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("provision")).unwrap();
        std::fs::write(folder.path().join("provision/web.sh"), "true\n").unwrap();
        std::fs::write(folder.path().join("provision/common.sh"), "true\n").unwrap();
        std::fs::create_dir_all(folder.path().join("site")).unwrap();
        std::fs::create_dir_all(folder.path().join("boxes")).unwrap();
        for (section, before, after) in [
            ("lab", "[lab]\n", "\n"),
            ("network", "[network]\n", "\n"),
            ("machine", "[machine.web1]\n", "\n"),
            ("qemu", "[machine.web1.qemu]\n", "\n"),
            ("virtualbox", "[machine.web1.virtualbox]\n", "\n"),
            ("forward", "[machine.web1]\nforward = [{ host = 1024, guest = 1, ", "}]\n"),
            ("provisioner", "[machine.web1]\nprovision = [{ inline = \"true\", ", "}]\n"),
            ("copy", "[machine.web1]\ncopy = [{ ", "}]\n"),
        ] {
            let section = SECTIONS.iter().find(|other| other.id == section).unwrap();
            for key in section.keys.iter().filter(|key| !matches!(key.takes, Type::Section(_))) {
                let mut example = format!("{before}{} = {}{after}", key.name, key.example);
                match (section.id, key.name) {
                    ("forward", "host") => example = example.replace("host = 1024, ", ""),
                    ("forward", "guest") => example = example.replace("guest = 1, ", ""),
                    ("provisioner", "script" | "inline") => {
                        example = example.replace("inline = \"true\", ", "");
                    }
                    ("copy", "from") => example = example.replace("}]", ", to = \"/srv\" }]"),
                    ("copy", "to") => example = example.replace("}]", ", from = \"site\" }]"),
                    _ => {}
                }
                for more in ["[machine.web1]\n", "[machine.db1]\n"] {
                    if !example.contains(more) {
                        example.push_str(more);
                    }
                }
                let text = match example.contains("[lab]") {
                    true => example
                        .replace("[machine.web1]\n", "[machine.web1]\nbox = \"demo\"\n")
                        .replace("[machine.db1]\n", "[machine.db1]\nbox = \"demo\"\n"),
                    false => format!("[lab]\nbox = \"demo\"\n{example}"),
                };
                assert_eq!(holds(&text), Ok(()), "{text}");
                let loaded = crate::labfile::parse(&text, &folder.path().join("Labfile"));
                assert!(loaded.is_ok(), "{}", loaded.unwrap_err().render(false));
            }
        }
    }
}
