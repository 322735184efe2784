//! Vagrant's own words: what is said to `config` and what hangs on it.

use std::rc::Rc;

use lib_ruby_parser::Node;

use super::eval::{Eval, MACHINES_MAX, Walk};
use super::model::{At, Settings};
use super::value::{Object, Scope, Value};

/// Settings that have no place in a Labfile, and what to know about them.
const WHY: &[(&str, &str)] = &[
    ("vm.box_check_update", "lab never looks for newer boxes by itself"),
    ("vm.guest", "lab finds out by itself what the guest is"),
    ("vm.communicator", "lab speaks ssh alone"),
    ("vm.usable_port_range", "lab finds free ports by itself"),
    ("vm.post_up_message", "there is no message of one's own"),
    ("vm.base_mac", "lab takes it from the box"),
    ("vm.base_address", "the network of NIC 1 is 10.0.2.0/24"),
    ("ssh.insert_key", "every lab has a key of its own"),
    ("ssh.forward_agent", "use `lab ssh-config` and `ssh -A`"),
    ("ssh.forward_x11", "use `lab ssh-config` and `ssh -X`"),
    ("ssh.username", "the box says who logs in"),
    ("ssh.password", "the box says who logs in"),
    ("ssh.private_key_path", "the box brings its first key, and every lab has a key of its own"),
    ("ssh.port", "lab finds a free port by itself"),
    ("ssh.shell", "scripts name their own: a first line `#!/bin/bash`"),
    ("ssh.pty", "scripts run without a terminal; `lab ssh` has one"),
    ("vm.disk", "a machine has the disk of its box"),
    ("vm.cloud_init", "write a script that does it"),
    ("trigger", "nothing runs at such a moment: put it into a script of the machine, or type it yourself"),
    ("vagrant.plugins", "lab has no plugins"),
    ("vbguest", "lab needs no Guest Additions"),
    ("hostmanager", "the machines know each other's names without it; `lab hosts` does it for this computer"),
    ("hostsupdater", "`lab hosts --apply` does it"),
    ("cache", "lab has no plugins"),
    ("proxy", "lab has no plugins: set a proxy in a provisioner"),
    ("disksize", "lab has no plugins"),
];

impl Eval<'_> {
    /// The settings of a scope.
    pub(super) fn settings(&mut self, scope: Scope) -> &mut Settings {
        match (scope, self.machine) {
            // A machine's place always comes from the list; the settings of all are a harmless stand-in.
            (Scope::Machine(place), _) if place < self.found.machines.len() => {
                &mut self.found.machines[place].1
            }
            // What is said to the `config` around is meant for the machine in whose block it stands.
            (Scope::All, Some(place)) if place < self.found.machines.len() => {
                &mut self.found.machines[place].1
            }
            _ => &mut self.found.all,
        }
    }

    /// `object.method(arguments) block`.
    pub(super) fn object(
        &mut self,
        node: &'static Node,
        object: &Object,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let says = !arguments.is_empty() || block.is_some() || method.ends_with('=');
        if let (Object::Section(Scope::All, _), Some(machine), true) = (object, self.machine, says) {
            self.meant_for_it(node, machine);
        }
        match object {
            _ if matches!(method, "nil?" | "!") => Ok(Value::Bool(false)),
            // `config.instance_eval`, `config.respond_to?`: Ruby's, not Vagrant's.
            _ if matches!(method, "respond_to?" | "is_a?" | "class") => {
                Ok(Value::unknown(format!("`{method}` is not run")))
            }
            _ if matches!(method, "send" | "public_send") => match arguments.split_first() {
                Some((name, rest)) if name.word().is_some() => {
                    let name = name.word().unwrap_or_default().to_owned();
                    self.object(node, object, &name, rest, block)
                }
                _ => Ok(Value::unknown("`send` is not run")),
            },
            _ if matches!(method, "tap" | "instance_exec") => match block {
                Some(Value::Proc(block)) => {
                    let block = Rc::clone(block);
                    self.apart(&block, vec![Value::Object(object.clone())])?;
                    Ok(Value::Object(object.clone()))
                }
                _ => Ok(Value::unknown(format!("`{method}` is not run"))),
            },
            Object::Config(scope) => match (method, arguments, block) {
                (section, [], None) => Ok(Value::Object(Object::Section(*scope, section.into()))),
                // `config.vagrant do |v| … end`, `config.vm do |vm| … end`
                (section, [], Some(Value::Proc(block))) => {
                    let block = Rc::clone(block);
                    self.apart(&block, vec![Value::Object(Object::Section(*scope, section.into()))])?;
                    Ok(Value::Nil)
                }
                _ => self.no_place(node, &format!("config.{method}")),
            },
            Object::Section(scope, section) if &**section == "vm" => {
                self.vm(node, *scope, method, arguments, block)
            }
            Object::Section(_, section) if !says => {
                Ok(Value::Object(Object::Ignored(format!("config.{section}.{method}").into())))
            }
            Object::Section(scope, section) => {
                if matches!(&**section, "winrm" | "winssh") {
                    self.is_windows(node, *scope);
                    return Ok(Value::Nil);
                }
                let name = format!("{section}.{}", method.trim_end_matches('='));
                // `config.vbguest.auto_update`, `config.trigger.after :up do`
                self.no_place(node, &name)
            }
            Object::Provider(scope, provider) => {
                self.provider_setting(node, *scope, &provider.clone(), method, arguments, block)
            }
            Object::Provisioner(scope, place) => {
                self.provisioner_setting(node, *scope, *place, method, arguments)?;
                Ok(Value::Nil)
            }
            Object::Ignored(what) if says => {
                let section = what.strip_prefix("config.").map(str::to_owned);
                match section {
                    Some(name) => self.no_place(node, &name),
                    None => {
                        self.note(node, format!("it belongs to {what}"));
                        Ok(Value::Nil)
                    }
                }
            }
            Object::Ignored(what) => Ok(Value::Object(Object::Ignored(what.clone()))),
        }
    }

    /// In a machine's block, `config` of the block around: Vagrant gives it to the machines that it reads afterwards as
    /// well, and to this one only if it reads it twice.
    fn meant_for_it(&mut self, node: &Node, machine: usize) {
        let name = self.found.machines.get(machine).map_or("?", |(name, _)| name).to_owned();
        let place = self.place(node);
        let words = "`config` is that of the block around, by which Vagrant means other machines, too: taken for {} alone";
        self.found.notes.about(place, name, words);
    }

    /// Something that is left out.
    fn no_place(&mut self, node: &Node, name: &str) -> Walk {
        let section = name.split('.').next().unwrap_or_default();
        let why = WHY.iter().find(|(known, _)| *known == name || *known == section).map(|(_, why)| *why);
        self.note(node, why.unwrap_or("a Labfile has no such setting"));
        Ok(Value::Nil)
    }

    pub(super) fn is_windows(&mut self, node: &Node, scope: Scope) {
        let place = self.place(node);
        self.settings(scope).windows.push(place);
    }

    /// The value of a setting; what is not known is noted, and `None`.
    pub(super) fn known<'v>(&mut self, node: &Node, value: Option<&'v Value>) -> Option<&'v Value> {
        let value = value?;
        if let Some(Value::Unknown(reason)) = value.first_unknown() {
            self.note_reason(node, &reason);
            return None;
        }
        (!value.is_nil()).then_some(value)
    }

    /// The text of a setting.
    fn known_text(&mut self, node: &Node, value: Option<&Value>) -> Option<At<String>> {
        let place = self.place(node);
        let text = match self.known(node, value)? {
            // Several addresses of one box.
            Value::List(items) => items.borrow().first().and_then(Value::to_text),
            value => value.to_text(),
        };
        if text.is_none() {
            self.note(node, "it is no text");
        }
        text.map(|value| At { value, place })
    }

    pub(super) fn known_number(&mut self, node: &Node, value: Option<&Value>) -> Option<At<i64>> {
        let place = self.place(node);
        let number = self.known(node, value)?.number();
        if number.is_none() {
            self.note(node, "it is no whole number");
        }
        number.map(|value| At { value, place })
    }

    /// `config.vm.…`
    fn vm(
        &mut self,
        node: &'static Node,
        scope: Scope,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let first = arguments.first();
        match method.trim_end_matches('=') {
            "box" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                if value.as_ref().is_some_and(|at| sounds_like_windows(&at.value)) {
                    self.is_windows(node, scope);
                }
                let settings = self.settings(scope);
                settings.image = value.or(settings.image.take());
            }
            "box_version" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                let settings = self.settings(scope);
                settings.image_version = value.or(settings.image_version.take());
            }
            "box_url" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                let settings = self.settings(scope);
                settings.image_url = value.or(settings.image_url.take());
            }
            "hostname" | "host_name" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                let settings = self.settings(scope);
                settings.hostname = value.or(settings.hostname.take());
            }
            "boot_timeout" if !arguments.is_empty() => {
                let value = self.known_number(node, first);
                self.settings(scope).boot_timeout = value.map(|at| at.value);
            }
            "graceful_halt_timeout" if !arguments.is_empty() => {
                let value = self.known_number(node, first);
                self.settings(scope).halt_timeout = value.map(|at| at.value);
            }
            // Of version 1.
            "boot_mode" if !arguments.is_empty() => {
                self.settings(scope).gui = Some(first.and_then(Value::word) == Some("gui"));
            }
            "memory" | "memory_size" if !arguments.is_empty() => {
                return self.provider_setting(node, scope, "virtualbox", "memory=", arguments, None);
            }
            "communicator" if matches!(first.and_then(Value::word), Some("winrm" | "winssh")) => {
                self.is_windows(node, scope);
            }
            "guest" if first.and_then(Value::word) == Some("windows") => self.is_windows(node, scope),
            "define" => return self.define(node, scope, arguments, block),
            "provider" => return self.provider(node, scope, arguments, block),
            "customize" => return self.provider_setting(node, scope, "virtualbox", method, arguments, block),
            "network" => self.network(node, scope, arguments),
            "forward_port" => self.forward_port(node, scope, arguments),
            "provision" => return self.provision(node, scope, arguments, block),
            "synced_folder" | "share_folder" => self.synced_folder(node, scope, method, arguments),
            // Reading it back: `config.vm.box`.
            "box" | "hostname" | "host_name" => {
                let settings = self.settings(scope);
                let value = if method == "box" { &settings.image } else { &settings.hostname };
                return Ok(value.as_ref().map_or(Value::Nil, |at| Value::text(at.value.as_str())));
            }
            other if arguments.is_empty() && block.is_none() => {
                return Ok(Value::unknown(format!("`config.vm.{other}` is not known")));
            }
            other => return self.no_place(node, &format!("vm.{other}")),
        }
        Ok(Value::Nil)
    }

    /// `config.vm.define "web" do |web| … end`
    fn define(
        &mut self,
        node: &'static Node,
        scope: Scope,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        if let Scope::Machine(_) = scope {
            self.note(node, "a machine within a machine: Vagrant does not make it either");
            return Ok(Value::Nil);
        }
        let lost = |why: &str| format!("the machine is left out: {why}");
        let place = self.place(node);
        let name = match arguments.first() {
            Some(Value::Unknown(reason)) => {
                let why = lost(&format!("its name is not known: {}", self.reason(place, reason)));
                self.found.lost.get_or_insert((place, why.clone()));
                self.note(node, why);
                return Ok(Value::Nil);
            }
            Some(value) => value.to_text().filter(|_| !matches!(value, Value::Map(_) | Value::List(_))),
            None => None,
        };
        let Some(name) = name else {
            self.found.lost.get_or_insert((place, lost("its name is no text")));
            self.note(node, lost("its name is no text"));
            return Ok(Value::Nil);
        };
        for (key, value) in arguments.get(1).map(Value::pairs).unwrap_or_default() {
            let word = key.to_text().unwrap_or_default();
            let words = match (word.as_str(), value.truth()) {
                ("primary" | "autostart", None) | (_, None) => "{}: an option of `define` is not known",
                ("primary", Some(true)) => "{}: a Labfile has no primary machine",
                ("autostart", Some(false)) => {
                    "{}: `autostart: false` has no counterpart; start the others by name"
                }
                ("primary" | "autostart", _) => continue,
                _ => "{}: lab does not know this option of `define`",
            };
            self.found.notes.about(place, name.as_str(), words);
        }
        let place = match self.found.machines.iter().position(|(known, _)| *known == name) {
            Some(place) => place,
            None if self.found.machines.len() >= MACHINES_MAX => return Err(self.too_much().into()),
            None => {
                self.found.machines.push((name, Settings { defined: place, ..Settings::default() }));
                self.found.machines.len() - 1
            }
        };
        match block {
            Some(Value::Proc(block)) => self.defines.push((place, Rc::clone(block))),
            Some(Value::Unknown(reason)) => self.note_reason(node, reason),
            _ => {}
        }
        Ok(Value::Nil)
    }
}

/// Whether a box's name says Windows: `vendor/windows-2019`, `vendor/win10`, `vendor/WindowsServer2022`.
fn sounds_like_windows(name: &str) -> bool {
    let name = name.to_lowercase();
    let short = |word: &str| {
        word.strip_prefix("win")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    name.contains("windows") || name.split(['/', '-', '_', '.', ' ']).any(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_is_heard_in_names() {
        for (name, expected) in [
            ("a/windows-2019", true),
            ("lab/win10", true),
            ("b/win-2012r2", true),
            ("a/winter", false),
            ("darwin", false),
        ] {
            assert_eq!(sounds_like_windows(name), expected, "{name}");
        }
    }
}
