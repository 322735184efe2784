//! What Ruby's library and Vagrant answer to a constant's name: `Vagrant.configure`, `ENV["X"]`, `YAML.load_file`.

use std::rc::Rc;

use lib_ruby_parser::Node;

use super::eval::{Eval, Walk};
use super::model::Place;
use super::pattern::Pattern;
use super::value::{Class, Proc, Table, Value};
use super::{data, host, ip};

impl Eval<'_> {
    /// A method of a constant: `Vagrant.configure`, `File.join`, `ENV["X"]`.
    pub(super) fn named(
        &mut self,
        node: &'static Node,
        name: &str,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let word = |place: usize| arguments.get(place).and_then(Value::word);
        let unknown = |otherwise: String| {
            arguments.iter().find_map(Value::first_unknown).unwrap_or_else(|| Value::unknown(otherwise))
        };
        Ok(match (name, method) {
            ("Vagrant", "configure") | ("Vagrant::Config", "run") => {
                self.found.configured = true;
                match block {
                    Some(Value::Proc(block)) => {
                        self.configures.push(Rc::clone(block));
                        Value::Nil
                    }
                    _ => Value::unknown("it has no block"),
                }
            }
            ("Vagrant", "require_version") => {
                self.note(node, "it asks for a version of Vagrant");
                Value::Nil
            }
            ("Vagrant", "has_plugin?") => {
                let plugin = word(0).unwrap_or("?").to_owned();
                let place = self.place(node);
                self.found.notes.about(
                    place,
                    plugin,
                    "the plugin {} is taken as not installed: lab has no plugins",
                );
                Value::Bool(false)
            }
            ("Vagrant::Util::Platform" | "OS" | "Gem" | "Vagrant::Util::Platform::OS", _)
                if host::platform(method).is_some() =>
            {
                self.decided_here(node);
                host::platform(method).map_or(Value::Nil, Value::Bool)
            }
            ("Etc", "nprocessors") => {
                self.decided_here(node);
                host::processors().map_or_else(|| Value::unknown("this computer does not say"), Value::int)
            }
            ("ENV", _) => self.environment(node, method, arguments, block)?,
            ("GetoptLong" | "OptionParser", "new") => {
                self.note(node, "this is answered as if nothing was typed behind `vagrant`");
                Value::list(Vec::new())
            }
            ("$stdout" | "STDOUT" | "STDERR", "puts" | "print" | "write" | "printf" | "<<") => {
                self.note(node, "a message; it is not printed any more");
                Value::Nil
            }
            ("$stdout" | "STDOUT" | "STDERR", "sync=" | "flush" | "sync") => Value::Nil,
            ("FileUtils", _) => Value::unknown("it changes files of this computer, which lab does not"),
            ("Struct", "new") | ("Data", "define") => self.make_struct(arguments, block)?,
            ("IPAddr", "new") => match (arguments, word(0)) {
                (_, Some(written)) => match ip::new(written) {
                    Some(address) => address,
                    None => Value::unknown(format!("{written} is not an IPv4 address")),
                },
                ([Value::Int(bits), ..], _) => match u32::try_from(*bits) {
                    Ok(bits) => Value::Ip(std::net::Ipv4Addr::from_bits(bits), 32),
                    Err(_) => Value::unknown("it is no IPv4 address"),
                },
                _ => unknown("`IPAddr.new` is not run".to_owned()),
            },
            ("Hash", "new") => {
                let default =
                    block.or(arguments.first()).cloned().filter(|default| !matches!(default, Value::Map(_)));
                Value::Map(Rc::new(std::cell::RefCell::new(Table { pairs: Vec::new(), default })))
            }
            ("Hash", "[]") => match arguments {
                [one] => self.method(one, "to_h", &[])?,
                several => {
                    Value::map(several.chunks_exact(2).map(|two| (two[0].clone(), two[1].clone())).collect())
                }
            },
            ("Array", "new") => self.new_list(arguments, block)?,
            ("Set", "new") => match arguments {
                [] => Value::list(Vec::new()),
                [items, ..] => self.method(items, "uniq", &[])?,
            },
            ("String", "new") => arguments.first().cloned().unwrap_or_else(|| Value::text("")),
            ("Regexp", "new") => match word(0).map(|source| Pattern::new(source, "")) {
                Some(Some(pattern)) => Value::Pattern(Rc::new(pattern)),
                _ => unknown("this pattern is not understood".to_owned()),
            },
            ("Regexp", "escape" | "quote") => match word(0) {
                Some(text) => Value::text(regex_lite::escape(text)),
                None => unknown("it is no text".to_owned()),
            },
            ("Regexp", "last_match") => match (self.matched.clone(), arguments) {
                (Some(found), []) => Value::Matched(found),
                (Some(found), arguments) => {
                    super::matching::matched_method(&found, "[]", arguments).unwrap_or(Value::Nil)
                }
                (None, _) => Value::Nil,
            },
            ("Math", "sqrt" | "log2" | "log10") => match arguments.first().and_then(Value::float) {
                Some(number) => Value::Float(match method {
                    "sqrt" => number.sqrt(),
                    "log2" => number.log2(),
                    _ => number.log10(),
                }),
                None => unknown(format!("`Math.{method}` is not run")),
            },
            ("Shellwords", "escape" | "shellescape") => match word(0) {
                Some(text)
                    if !text.is_empty()
                        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c)) =>
                {
                    Value::text(text)
                }
                Some(text) => Value::text(format!("'{}'", text.replace('\'', "'\\''"))),
                None => unknown("it is no text".to_owned()),
            },
            ("File" | "Dir" | "IO" | "Pathname" | "FileTest", _) => {
                self.file_method(node, name, method, arguments, block)?
            }
            ("YAML" | "Psych", "load_file" | "safe_load_file" | "unsafe_load_file") => {
                let text = self.file(node, arguments)?;
                self.data(&text, data::yaml, symbolized(arguments))?
            }
            ("JSON", "load_file") => {
                let text = self.file(node, arguments)?;
                self.data(&text, data::json, symbolized(arguments))?
            }
            ("YAML" | "Psych", "load" | "safe_load" | "unsafe_load") => {
                let text = arguments.first().cloned().unwrap_or(Value::Nil);
                self.data(&text, data::yaml, symbolized(arguments))?
            }
            ("JSON", "parse" | "load" | "parse!") => {
                let text = arguments.first().cloned().unwrap_or(Value::Nil);
                self.data(&text, data::json, symbolized(arguments))?
            }
            ("Kernel", "format" | "sprintf" | "puts" | "Integer" | "String") => match (method, arguments) {
                ("format" | "sprintf", [Value::Text(format), values @ ..]) => {
                    super::format::formatted(format, values)
                        .map_or_else(|| unknown("`format` is not run".to_owned()), Value::text)
                }
                _ => Value::Nil,
            },
            (_, "===" | "==" | "!=") => match arguments {
                [Value::Name(other)] if method != "===" => {
                    Value::Bool((**other == *name) == (method == "=="))
                }
                [value] if method == "===" => host::is_a(value, name)
                    .map_or_else(|| unknown(format!("`{name} ===` is not run")), Value::Bool),
                _ => unknown(format!("`{name} {method}` is not run")),
            },
            (_, "to_s" | "name") => Value::text(name),
            ("YAML" | "JSON" | "TOML" | "IniFile" | "ERB", _) => unknown(format!(
                "`{name}.{method}` is not run{}",
                word(0)
                    .filter(|file| file.len() < 60 && !file.contains('\n'))
                    .map(|file| format!(", and what {file} says is not known"))
                    .unwrap_or_default()
            )),
            _ => unknown(format!("`{name}.{method}` is not run")),
        })
    }

    /// Notes that this computer has decided something.
    pub(super) fn decided_here(&mut self, node: &Node) {
        let place = self.place(node);
        self.decided_at(place);
    }

    pub(super) fn decided_at(&mut self, place: Place) {
        let system = match std::env::consts::OS {
            "macos" => "macOS",
            "windows" => "Windows",
            "linux" => "Linux",
            other => other,
        };
        self.found.notes.add(
            place,
            format!("this is answered for this computer ({system}); the Labfile is the same on all"),
        );
    }

    fn environment(
        &mut self,
        node: &'static Node,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        if let ("update" | "merge!" | "replace", [map @ Value::Map(_)]) = (method, arguments) {
            for (key, value) in map.pairs() {
                let key = key.to_text().unwrap_or_default();
                self.note(node, format!("{key} is set for Vagrant alone"));
                self.environment.insert(key, value);
            }
            return Ok(Value::Nil);
        }
        let Some(variable) = arguments.first().and_then(Value::word) else {
            return Ok(arguments
                .iter()
                .find_map(Value::first_unknown)
                .unwrap_or_else(|| Value::unknown(format!("`ENV.{method}` is not run"))));
        };
        let value = match self.environment.get(variable) {
            Some(set) => set.clone(),
            None => {
                let value = (self.around.environment)(variable);
                let place = self.place(node);
                let words = match value {
                    Some(_) => {
                        "{}: read from the environment of this computer; the Labfile does not follow it"
                    }
                    None => "{}: not set in the environment of this computer",
                };
                self.found.notes.about(place, variable, words);
                value.map_or(Value::Nil, Value::text)
            }
        };
        Ok(match (method, arguments.get(1), block) {
            ("[]" | "dig", _, _) => value,
            ("key?" | "has_key?" | "include?" | "member?", _, _) => match value {
                Value::Unknown(_) => value,
                value => Value::Bool(!value.is_nil()),
            },
            ("fetch", _, _) if !value.is_nil() => value,
            ("fetch", Some(default), _) => default.clone(),
            ("fetch", None, Some(Value::Proc(block))) => {
                let block = Rc::clone(block);
                self.call(&block, vec![Value::text(variable)], false)?
            }
            ("fetch", None, _) => {
                Value::raised(format!("{variable} is not set in the environment of this computer"))
            }
            ("store" | "[]=", Some(new), _) => {
                self.environment.insert(variable.to_owned(), new.clone());
                self.note(node, format!("{variable} is set for Vagrant alone"));
                new.clone()
            }
            ("delete", _, _) => {
                self.environment.insert(variable.to_owned(), Value::Nil);
                value
            }
            _ => Value::unknown(format!("`ENV.{method}` is not run")),
        })
    }

    /// `Struct.new(:name, :ip) do … end`
    fn make_struct(&mut self, arguments: &[Value], block: Option<&Value>) -> Walk {
        let keywords =
            arguments.last().and_then(|last| last.get("keyword_init")).and_then(|flag| flag.truth());
        let members = arguments.iter().filter_map(|value| match value {
            Value::Symbol(name) => Some(Rc::clone(name)),
            _ => None,
        });
        let members: Vec<Rc<str>> = members.collect();
        let name = match block {
            Some(_) => format!("{}Struct{}", self.module, self.own.len()),
            None => String::new(),
        };
        let class = Class {
            name: name.as_str().into(),
            members,
            keywords: keywords.unwrap_or(false),
            parent: None,
            is_open: false,
        };
        if let Some(Value::Proc(block)) = block
            && let Proc::Block(closure) = &**block
        {
            let module = std::mem::replace(&mut self.module, format!("{name}::"));
            let done = self.body(closure.body, true);
            self.module = module;
            done?;
        }
        Ok(Value::Class(Rc::new(class)))
    }

    /// `Array.new(3) { |i| … }`
    fn new_list(&mut self, arguments: &[Value], block: Option<&Value>) -> Walk {
        match arguments {
            [] => Ok(Value::list(Vec::new())),
            [list @ Value::List(_)] => self.method(list, "dup", &[]),
            [count @ Value::Int(number), rest @ ..] => match (block, rest.first()) {
                (Some(Value::Proc(block)), _) => {
                    let range = Value::Range(Rc::new((Value::Int(0), count.clone(), true)));
                    let block = Rc::clone(block);
                    self.iterate(&range, "map", &[], &block, false)
                }
                (_, item) => {
                    let count = usize::try_from(*number).unwrap_or(0);
                    self.made(count.saturating_mul(size_of::<Value>()))?;
                    Ok(Value::list(vec![item.cloned().unwrap_or(Value::Nil); count]))
                }
            },
            [first, ..] => {
                Ok(first.first_unknown().unwrap_or_else(|| Value::unknown("`Array.new` is not run")))
            }
        }
    }

    /// What a text says, as `read` reads it.
    fn data(&mut self, text: &Value, read: fn(&str) -> Result<Value, String>, symbols: bool) -> Walk {
        let Some(word) = text.word() else {
            return Ok(match text {
                Value::Unknown(_) => text.clone(),
                _ => Value::unknown("what is to be read is no text"),
            });
        };
        // What it becomes is larger than its text, by no more than the reader allows.
        self.made(word.len().saturating_mul(16))?;
        let value = read(word).unwrap_or_else(Value::raised);
        Ok(if symbols { with_symbols(&value) } else { value })
    }
}

/// `symbolize_names: true`
fn symbolized(arguments: &[Value]) -> bool {
    arguments.iter().any(|value| value.get("symbolize_names").and_then(|flag| flag.truth()) == Some(true))
}

/// The same with symbols for keys. What was read has no circles, and its reader bounds it.
fn with_symbols(value: &Value) -> Value {
    match value {
        Value::Map(table) => {
            let pair = |(key, value): &(Value, Value)| {
                let key = key.word().map_or_else(|| key.clone(), Value::symbol);
                (key, with_symbols(value))
            };
            Value::map(table.borrow().pairs.iter().map(pair).collect())
        }
        Value::List(items) => Value::list(items.borrow().iter().map(with_symbols).collect()),
        other => other.clone(),
    }
}
