//! Calls: who is meant, and what Ruby and its library would answer without looking at this computer.

use lib_ruby_parser::Node;
use lib_ruby_parser::nodes;

use super::data;
use super::eval::{Eval, Walk};
use super::methods::{formatted, rounds};
use super::value::{Scope, Value};

impl Eval<'_> {
    /// `receiver.method(arguments) block`, `method(arguments)`.
    pub(super) fn send(
        &mut self,
        node: &Node,
        receiver: Option<&Node>,
        method: &str,
        arguments: &[Node],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let Some(receiver_node) = receiver else {
            let arguments = self.values(arguments)?;
            return match self.own.get(method).copied() {
                Some(_) if block.is_some() => {
                    Ok(Value::unknown("a method of one's own is not run with a block"))
                }
                Some(def) => self.own_method(def, arguments),
                None => Ok(self.kernel(node, method, &arguments)),
            };
        };
        let receiver = self.value(receiver_node)?;
        let arguments = self.values(arguments)?;
        if let (Value::List(_) | Value::Text(_), "<<" | "push" | "concat" | "append") = (&receiver, method) {
            let longer = self.method(receiver, method, &arguments)?;
            return self.put_back(receiver_node, longer);
        }
        self.call_value(node, receiver, method, arguments, block)
    }

    /// The same with a receiver and arguments that are known.
    pub(super) fn call_value(
        &mut self,
        node: &Node,
        receiver: Value,
        method: &str,
        arguments: Vec<Value>,
        block: Option<&nodes::Block>,
    ) -> Walk {
        match (receiver, block) {
            (Value::Object(object), block) => self.object(node, &object, method, &arguments, block),
            (Value::Name(name), block) => self.named(node, &name, method, &arguments, block),
            (receiver, Some(block)) => {
                let every = rounds(&receiver, method, &arguments);
                let no_parameters = Node::Args(nodes::Args {
                    args: Vec::new(),
                    expression_l: block.expression_l,
                    begin_l: None,
                    end_l: None,
                });
                let parameters = block.args.as_deref().unwrap_or(&no_parameters);
                let values = self.rounds(node, parameters, block.body.as_deref(), every)?;
                // Only of `map` somebody takes the values.
                Ok(if matches!(values, Value::Unknown(_)) || matches!(method, "map" | "collect") {
                    values
                } else {
                    receiver
                })
            }
            (receiver, None) => self.method(receiver, method, &arguments),
        }
    }

    /// A call without a receiver.
    fn kernel(&mut self, node: &Node, method: &str, arguments: &[Value]) -> Value {
        match (method, arguments) {
            ("__dir__", []) => Value::text("."),
            // What a library adds shows where it is used.
            ("require", _) => Value::Nil,
            ("require_relative" | "load" | "eval" | "import", _) => Value::unknown(
                "what other Ruby files say is not read: move it here, or write it into the Labfile",
            ),
            ("puts" | "print" | "p" | "warn" | "pp", _) => {
                Value::unknown("a message; it is not printed any more")
            }
            ("raise" | "abort" | "exit" | "fail", _) => {
                Value::unknown("it would end here; lab goes on reading")
            }
            ("String", [value]) => value.to_text().map_or(Value::Nil, Value::text),
            ("Integer", [value]) => {
                value.number().map_or_else(|| Value::unknown("it is no number"), Value::Int)
            }
            ("format" | "sprintf", [Value::Text(format), values @ ..]) => {
                formatted(format, values).map_or_else(|| Value::unknown("`format` is not run"), Value::text)
            }
            ("freeze", []) => Value::Nil,
            _ => {
                let _ = node;
                Value::unknown(format!("`{method}` is not run"))
            }
        }
    }

    /// A method of a constant: `Vagrant.configure`, `File.join`, `ENV["X"]`.
    fn named(
        &mut self,
        node: &Node,
        name: &str,
        method: &str,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let word = |place: usize| arguments.get(place).and_then(Value::word);
        let line = self.line(node);
        Ok(match (name, method) {
            ("Vagrant", "configure") | ("Vagrant::Config", "run") => {
                self.found.configured = true;
                if let Some(block) = block {
                    self.block(block, vec![Self::config(Scope::All)])?;
                }
                Value::Nil
            }
            ("Vagrant", "require_version") => Value::unknown("it asks for a version of Vagrant"),
            ("Vagrant", "has_plugin?") => {
                let plugin = word(0).unwrap_or("?").to_owned();
                self.note(line, format!("the plugin {plugin} is taken as not installed: lab has no plugins"));
                Value::Bool(false)
            }
            ("Vagrant::Util::Platform", "windows?") => Value::Bool(cfg!(windows)),
            ("Vagrant::Util::Platform", "darwin?") => Value::Bool(cfg!(target_os = "macos")),
            ("Vagrant::Util::Platform", "linux?") => Value::Bool(cfg!(target_os = "linux")),
            ("ENV", "[]" | "fetch" | "key?" | "has_key?" | "include?") => {
                let variable = word(0).unwrap_or("?").to_owned();
                self.note(line, format!("the environment variable {variable} is taken as not set"));
                match (method, arguments.get(1)) {
                    ("key?" | "has_key?" | "include?", _) => Value::Bool(false),
                    ("fetch", Some(default)) => default.clone(),
                    ("fetch", None) => match block.and_then(|block| block.body.as_deref()) {
                        Some(body) => self.value(body)?,
                        None => Value::unknown(format!("the environment variable {variable} is not set")),
                    },
                    _ => Value::Nil,
                }
            }
            ("Dir" | "Pathname", "pwd" | "getwd") => Value::text("."),
            ("File", "dirname") => match word(0) {
                Some(path) => Value::text(match path.trim_end_matches('/').rsplit_once('/') {
                    Some(("", _)) => "/".to_owned(),
                    Some((folder, _)) => folder.to_owned(),
                    None => ".".to_owned(),
                }),
                None => self.of_unknown(arguments, "`File.dirname` is not run"),
            },
            ("File", "basename") => match word(0) {
                Some(path) => Value::text(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()),
                None => self.of_unknown(arguments, "`File.basename` is not run"),
            },
            ("File", "join") => match arguments.iter().map(Value::to_text).collect::<Option<Vec<_>>>() {
                Some(parts) => {
                    let joined = parts.join("/");
                    self.made(joined.len())?;
                    Value::text(squeezed(&joined))
                }
                None => self.of_unknown(arguments, "`File.join` is not run"),
            },
            ("File", "expand_path" | "absolute_path" | "realpath") => match (word(0), arguments.get(1)) {
                (Some(path), None) if !path.starts_with('~') => Value::text(lexical(path)),
                (Some(path), Some(base)) if !path.starts_with('~') => match base.word() {
                    Some(_) if path.starts_with('/') => Value::text(path),
                    Some(base) => Value::text(lexical(&format!("{base}/{path}"))),
                    None => self.of_unknown(arguments, "`File.expand_path` is not run"),
                },
                _ => self.of_unknown(arguments, "a home folder is another one for everyone"),
            },
            ("File" | "Dir", "exist?" | "exists?" | "file?" | "directory?") => match word(0) {
                Some(path) if !path.starts_with('~') => {
                    let there = self.around.dir.join(path).exists();
                    let is = if there { "is there" } else { "is not there" };
                    self.note(
                        line,
                        format!("{path} {is} on this computer, which decided what was taken over"),
                    );
                    Value::Bool(there)
                }
                _ => self.of_unknown(arguments, "which file is meant is not known"),
            },
            ("File" | "IO", "read" | "open") if block.is_none() => self.file(line, arguments)?,
            ("YAML" | "Psych", "load_file" | "safe_load_file" | "unsafe_load_file") => {
                let text = self.file(line, arguments)?;
                self.data(&text, data::yaml)?
            }
            ("JSON", "load_file") => {
                let text = self.file(line, arguments)?;
                self.data(&text, data::json)?
            }
            ("YAML" | "Psych", "load" | "safe_load" | "unsafe_load") => {
                self.data(arguments.first().unwrap_or(&Value::Nil), data::yaml)?
            }
            ("JSON", "parse" | "load") => self.data(arguments.first().unwrap_or(&Value::Nil), data::json)?,
            ("YAML" | "JSON" | "TOML" | "IniFile", _) | ("File" | "IO", "read" | "open" | "readlines") => {
                let file = word(0).unwrap_or("that file");
                Value::unknown(format!("`{name}.{method}` is not run, and what {file} says is not known"))
            }
            _ => Value::unknown(format!("`{name}.{method}` is not run")),
        })
    }

    /// The text of the file that the first of `arguments` names.
    fn file(&mut self, line: usize, arguments: &[Value]) -> Walk {
        let Some(path) = arguments.first().and_then(Value::word) else {
            return Ok(self.of_unknown(arguments, "which file is meant is not known"));
        };
        Ok(match data::read(self.around.dir, path) {
            Ok(text) => {
                self.made(text.len())?;
                self.note(
                    line,
                    format!("what {} says now stands in the Labfile, and does not follow it", lexical(path)),
                );
                Value::text(text)
            }
            Err(why) => Value::unknown(why),
        })
    }

    /// What a text says, as `read` reads it.
    fn data(&mut self, text: &Value, read: fn(&str) -> Result<Value, String>) -> Walk {
        let Some(text) = text.word() else {
            return Ok(Value::unknown(text.why_unknown().unwrap_or("what is to be read is no text")));
        };
        // What it becomes is larger than its text, by no more than the reader allows.
        self.made(text.len().saturating_mul(16))?;
        Ok(read(text).unwrap_or_else(Value::unknown))
    }

    /// Why a call with these arguments is not known.
    fn of_unknown(&self, arguments: &[Value], otherwise: &str) -> Value {
        Value::unknown(arguments.iter().find_map(Value::why_unknown).unwrap_or(otherwise))
    }
}

/// `a//b` as `a/b`, `./a` as `a`.
fn squeezed(path: &str) -> String {
    let mut squeezed = String::new();
    for c in path.chars() {
        if c != '/' || !squeezed.ends_with('/') {
            squeezed.push(c);
        }
    }
    squeezed.strip_prefix("./").map(str::to_owned).unwrap_or(squeezed)
}

/// `./Vagrantfile/../a` as `a`. The Vagrantfile's folder is `.`.
pub(super) fn lexical(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    match (root, parts.join("/")) {
        ("", path) if path.is_empty() => ".".to_owned(),
        (root, path) => format!("{root}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_vagrantfiles_folder() {
        for (path, expected) in [
            ("./Vagrantfile/../provision/a.sh", "provision/a.sh"),
            ("./.", "."),
            ("../x", "../x"),
            ("a/../../x", "../x"),
            ("/a/../../b", "/b"),
        ] {
            assert_eq!(lexical(path), expected, "{path}");
        }
        assert_eq!(squeezed("./a//b"), "a/b");
    }
}
