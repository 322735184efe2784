//! Vagrant's own words: what is said to `config` and what hangs on it.

use lib_ruby_parser::{Node, nodes};

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
    ("ssh.pty", "not needed"),
    ("vagrant.plugins", "lab has no plugins"),
    ("vbguest", "lab needs no Guest Additions"),
    ("hostmanager", "the machines know each other's names without it; `lab hosts` does it for this computer"),
    ("hostsupdater", "`lab hosts --apply` does it"),
    ("cache", "lab has no plugins"),
    ("proxy", "lab has no plugins: set a proxy in a provisioner"),
];

impl Eval<'_> {
    /// The settings of a scope.
    pub(super) fn settings(&mut self, scope: Scope) -> &mut Settings {
        match self.scope(scope) {
            // A machine's place always comes from the list; the settings of all are a harmless stand-in.
            Scope::Machine(place) if place < self.found.machines.len() => &mut self.found.machines[place].1,
            _ => &mut self.found.all,
        }
    }

    /// `object.method(arguments) block`.
    pub(super) fn object(
        &mut self,
        node: &Node,
        object: &Object,
        method: &str,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        match object {
            Object::Config(scope) => match (method, arguments, block) {
                (section, [], None) => Ok(Value::Object(Object::Section(*scope, section.into()))),
                _ => self.no_place(node, &format!("config.{method}")),
            },
            Object::Section(scope, section) if &**section == "vm" => {
                self.vm(node, *scope, method, arguments, block)
            }
            Object::Section(_, section) => {
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
            Object::Ignored(what) if method.ends_with('=') || !arguments.is_empty() || block.is_some() => {
                Ok(Value::unknown(format!("it belongs to {what}")))
            }
            Object::Ignored(what) => Ok(Value::Object(Object::Ignored(what.clone()))),
        }
    }

    /// Something that is left out.
    fn no_place(&mut self, node: &Node, name: &str) -> Walk {
        let section = name.split('.').next().unwrap_or_default();
        let why = WHY.iter().find(|(known, _)| *known == name || *known == section).map(|(_, why)| *why);
        let _ = node;
        Ok(Value::unknown(why.unwrap_or("a Labfile has no such setting")))
    }

    /// The value of a setting; what is not known is noted, and `None`.
    fn known<'v>(&mut self, node: &Node, value: Option<&'v Value>) -> Option<&'v Value> {
        let value = value?;
        if let Some(why) = value.why_unknown() {
            let (line, source) = (self.line(node), self.source(node));
            self.note(line, format!("`{source}`: {why}"));
            return None;
        }
        (!matches!(value, Value::Nil)).then_some(value)
    }

    /// The text of a setting.
    fn known_text(&mut self, node: &Node, value: Option<&Value>) -> Option<At<String>> {
        let line = self.line(node);
        let value = self.known(node, value)?;
        let text = match value {
            // Several addresses of one box.
            Value::List(items) => items.first().and_then(Value::to_text),
            value => value.to_text(),
        };
        if text.is_none() {
            let source = self.source(node);
            self.note(line, format!("`{source}`: it is no text"));
        }
        text.map(|value| At { value, line })
    }

    fn known_number(&mut self, node: &Node, value: Option<&Value>) -> Option<At<i64>> {
        let line = self.line(node);
        let number = self.known(node, value)?.number();
        if number.is_none() {
            let source = self.source(node);
            self.note(line, format!("`{source}`: it is no whole number"));
        }
        number.map(|value| At { value, line })
    }

    /// `config.vm.…`
    fn vm(
        &mut self,
        node: &Node,
        scope: Scope,
        method: &str,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let first = arguments.first();
        match method.trim_end_matches('=') {
            "box" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                let settings = self.settings(scope);
                settings.image = value.or(settings.image.take());
            }
            "box_version" if !arguments.is_empty() => {
                let value = self.known_text(node, first);
                let settings = self.settings(scope);
                settings.image_version = value.or(settings.image_version.take());
            }
            "box_url" if !arguments.is_empty() => self.settings_url(node, scope, first),
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
                self.settings(scope).gui = first.and_then(Value::word) == Some("gui");
            }
            "memory" | "memory_size" if !arguments.is_empty() => {
                return self.provider_setting(node, scope, "virtualbox", "memory=", arguments, None);
            }
            "define" => return self.define(node, arguments, block),
            "provider" => return self.provider(node, scope, arguments, block),
            "customize" => return self.provider_setting(node, scope, "virtualbox", method, arguments, block),
            "network" => self.network(node, scope, arguments),
            "forward_port" => self.forward_port(node, scope, arguments),
            "provision" => return self.provision(node, scope, arguments, block),
            "synced_folder" | "share_folder" => self.synced_folder(node, scope, method, arguments),
            // Reading it back: `config.vm.box`.
            "box" => {
                let settings = self.settings(scope);
                return Ok(settings.image.as_ref().map_or(Value::Nil, |at| Value::text(at.value.as_str())));
            }
            "hostname" | "host_name" => {
                let settings = self.settings(scope);
                return Ok(settings
                    .hostname
                    .as_ref()
                    .map_or(Value::Nil, |at| Value::text(at.value.as_str())));
            }
            other => return self.no_place(node, &format!("vm.{other}")),
        }
        Ok(Value::Nil)
    }

    fn settings_url(&mut self, node: &Node, scope: Scope, value: Option<&Value>) {
        let value = self.known_text(node, value);
        let settings = self.settings(scope);
        settings.image_url = value.or(settings.image_url.take());
    }

    /// `config.vm.define "web" do |web| … end`
    fn define(&mut self, node: &Node, arguments: &[Value], block: Option<&nodes::Block>) -> Walk {
        let line = self.line(node);
        let name = match arguments.first() {
            Some(value) => match (value.to_text(), value.why_unknown()) {
                (Some(name), _) => name,
                (None, Some(why)) => {
                    return Ok(Value::unknown(format!(
                        "the machine is left out, its name is not known: {why}"
                    )));
                }
                // `config.vm.define web: { … }` is not Vagrant's.
                (None, None) => return Ok(Value::unknown("the machine is left out: its name is no text")),
            },
            None => return Ok(Value::unknown("it names no machine")),
        };
        if let Some(Value::Map(options)) = arguments.get(1) {
            for (key, value) in options.iter() {
                let word = key.to_text().unwrap_or_default();
                match (word.as_str(), value.truth()) {
                    ("primary", _) => self.note(line, format!("{name}: a Labfile has no primary machine")),
                    ("autostart", Some(false)) => self.note(
                        line,
                        format!("{name}: `autostart: false` has no counterpart; start the others by name"),
                    ),
                    ("autostart", _) => {}
                    _ => self.note(line, format!("{name}: the option `{word}` of define is not known")),
                }
            }
        }
        let place = match self.found.machines.iter().position(|(known, _)| *known == name) {
            Some(place) => place,
            None if self.found.machines.len() >= MACHINES_MAX => return Err(self.too_much().into()),
            None => {
                self.found.machines.push((name, Settings::default()));
                self.found.machines.len() - 1
            }
        };
        if let Some(block) = block {
            let outer = self.machine.replace(place);
            let result = self.block(block, vec![Self::config(Scope::Machine(place))]);
            self.machine = outer;
            result?;
        }
        Ok(Value::Nil)
    }

    /// `config.vm.provider "virtualbox" do |vb, override| … end`
    fn provider(
        &mut self,
        node: &Node,
        scope: Scope,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let name = arguments.first().and_then(Value::word).unwrap_or("?").to_owned();
        let Some(block) = block else { return Ok(Value::Nil) };
        let scope = self.scope(scope);
        let (provider, outer) = match name.as_str() {
            "virtualbox" | "libvirt" | "qemu" | "kvm" => (
                Value::Object(Object::Provider(scope, name.as_str().into())),
                // What overrides for libvirt does not for VirtualBox.
                match name.as_str() {
                    "virtualbox" => Self::config(scope),
                    _ => Value::Object(Object::Ignored(format!("the provider {name}").into())),
                },
            ),
            _ => {
                let line = self.line(node);
                let last = self.line_of_end(node);
                self.note(
                    line,
                    format!("settings for the provider {name} are left out (to line {last}): lab runs VirtualBox and QEMU"),
                );
                return Ok(Value::Nil);
            }
        };
        self.block(block, vec![provider, outer])?;
        Ok(Value::Nil)
    }

    /// The last line of a node.
    fn line_of_end(&self, node: &Node) -> usize {
        let first = self.line(node);
        first + self.whole_source(node).trim_end().matches('\n').count()
    }

    /// `vb.memory = 512`, `vb.customize […]`
    fn provider_setting(
        &mut self,
        node: &Node,
        scope: Scope,
        provider: &str,
        method: &str,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let first = arguments.first();
        let line = self.line(node);
        match method.trim_end_matches('=') {
            "memory" | "memory_size" => {
                if let Some(value) = self.known_number(node, first) {
                    self.settings(scope).memory_mib.push((provider.to_owned(), value));
                }
            }
            "cpus" | "cpu_count" => {
                if let Some(value) = self.known_number(node, first) {
                    self.settings(scope).cpus.push((provider.to_owned(), value));
                }
            }
            "gui" => self.settings(scope).gui = first.and_then(Value::truth).unwrap_or(false),
            "name" | "title" | "default_prefix" => {
                self.note(
                    line,
                    "the name in VirtualBox is lab's own, so that it is sure whose the machine is",
                );
            }
            // It always does.
            "linked_clone" => {}
            "customize" if provider == "virtualbox" => match (first, block) {
                (Some(Value::List(words)), _) => self.customize(node, scope, words),
                // Version 0: `config.vm.customize do |vm| vm.memory_size = 512 end`
                (None, Some(block)) => {
                    let vm = Value::Object(Object::Provider(self.scope(scope), "virtualbox".into()));
                    self.block(block, vec![vm])?;
                }
                (value, _) => {
                    let why = value.and_then(Value::why_unknown).unwrap_or("it is no list of words");
                    return Ok(Value::unknown(why));
                }
            },
            "check_guest_additions" | "auto_nat_dns_proxy" | "functional_vboxsf" => {
                self.note(line, "lab uses no Guest Additions");
            }
            _ => return Ok(Value::unknown(format!("a setting of {provider} that lab does not have"))),
        }
        Ok(Value::Nil)
    }

    /// `customize ["modifyvm", :id, "--memory", 512]`: memory and processors have keys of their own.
    fn customize(&mut self, node: &Node, scope: Scope, words: &[Value]) {
        let line = self.line(node);
        let mut command = Vec::with_capacity(words.len());
        for word in words {
            match (word, word.to_text()) {
                (Value::Symbol(symbol), _) if &**symbol == "id" => command.push("{id}".to_owned()),
                (_, Some(text)) => command.push(text),
                (_, None) => {
                    let source = self.source(node);
                    let why = word.why_unknown().unwrap_or("a word of it is no text").to_owned();
                    return self.note(line, format!("`{source}`: {why}"));
                }
            }
        }
        let is_modify = command.first().is_some_and(|verb| verb == "modifyvm");
        let mut kept: Vec<String> =
            command.drain(..command.len().min(if is_modify { 2 } else { usize::MAX })).collect();
        let fixed = kept.len();
        let mut rest = command.into_iter();
        while let Some(option) = rest.next() {
            match option.as_str() {
                "--memory" | "--cpus" => {
                    let number = rest.next().and_then(|value| value.trim().parse().ok());
                    let Some(value) = number.map(|value| At { value, line }) else {
                        self.note(line, format!("the number behind {option} is missing"));
                        continue;
                    };
                    let settings = self.settings(scope);
                    let list =
                        if option == "--memory" { &mut settings.memory_mib } else { &mut settings.cpus };
                    list.push(("virtualbox".to_owned(), value));
                }
                "--name" => {
                    rest.next();
                    self.note(
                        line,
                        "the name in VirtualBox is lab's own, so that it is sure whose the machine is",
                    );
                }
                _ => kept.push(option),
            }
        }
        if !is_modify || kept.len() > fixed {
            self.settings(scope).customize.push(kept);
        }
    }
}
