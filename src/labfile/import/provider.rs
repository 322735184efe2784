//! `config.vm.provider`, and what is said to its block.

use std::rc::Rc;

use lib_ruby_parser::Node;

use super::eval::{Eval, Walk};
use super::model::At;
use super::value::{Object, Scope, Value};

impl Eval<'_> {
    /// `config.vm.provider "virtualbox" do |vb, override| … end`
    pub(super) fn provider(
        &mut self,
        node: &'static Node,
        scope: Scope,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        if let Some(Value::Unknown(reason)) = arguments.first() {
            return Ok(Value::Unknown(Rc::clone(reason)));
        }
        let name = arguments.first().and_then(Value::word).unwrap_or("?").to_owned();
        let Some(Value::Proc(block)) = block else { return Ok(Value::Nil) };
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
                let last = self.last_line(node);
                self.note(
                    node,
                    format!("settings for the provider {name} are left out (to line {last}): lab runs VirtualBox and QEMU"),
                );
                return Ok(Value::Nil);
            }
        };
        self.providers.push((Rc::clone(block), vec![provider, outer]));
        Ok(Value::Nil)
    }

    /// `vb.memory = 512`, `vb.customize […]`
    pub(super) fn provider_setting(
        &mut self,
        node: &'static Node,
        scope: Scope,
        provider: &str,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let first = arguments.first();
        match method.trim_end_matches('=') {
            // Reading it back.
            "memory" | "cpus" if arguments.is_empty() => {
                let settings = self.settings(scope);
                let said = if method == "memory" { &settings.memory_mib } else { &settings.cpus };
                let last = said.iter().rev().find(|(of, _)| of == provider);
                return Ok(last.map_or(Value::Nil, |(_, at)| Value::Int(at.value)));
            }
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
            "gui" => match first.map(Value::truth) {
                Some(Some(gui)) => self.settings(scope).gui = Some(gui),
                _ => drop(self.known(node, first)),
            },
            "name" | "title" | "default_prefix" => {
                self.note(
                    node,
                    "the name in VirtualBox is lab's own, so that it is sure whose the machine is",
                );
            }
            // It always does.
            "linked_clone" => {}
            "customize" if provider == "virtualbox" => match (first, block) {
                // `customize "pre-boot", […]`
                (Some(Value::Text(_)), _) if matches!(arguments.get(1), Some(Value::List(_))) => {
                    if let Some(Value::List(words)) = arguments.get(1) {
                        let words = words.borrow().clone();
                        self.note(
                            node,
                            "lab runs it before the machine's first start, whenever Vagrant would",
                        );
                        self.customize(node, scope, &words);
                    }
                }
                (Some(Value::List(words)), _) => {
                    let words = words.borrow().clone();
                    self.customize(node, scope, &words);
                }
                // Version 0: `config.vm.customize do |vm| vm.memory_size = 512 end`
                (None, Some(Value::Proc(block))) => {
                    let vm = Value::Object(Object::Provider(scope, "virtualbox".into()));
                    let block = Rc::clone(block);
                    self.apart(&block, vec![vm])?;
                }
                (Some(Value::Unknown(reason)), _) => self.note_reason(node, reason),
                _ => self.note(node, "it is no list of words"),
            },
            "check_guest_additions" | "auto_nat_dns_proxy" | "functional_vboxsf" => {
                self.note(node, "lab uses no Guest Additions");
            }
            _ if arguments.is_empty() && block.is_none() => {
                return Ok(Value::Object(Object::Ignored(format!("the provider {provider}").into())));
            }
            _ => self.note(node, format!("a setting of {provider} that lab does not have")),
        }
        Ok(Value::Nil)
    }

    /// `customize ["modifyvm", :id, "--memory", 512]`: memory and processors have keys of their own.
    pub(super) fn customize(&mut self, node: &Node, scope: Scope, words: &[Value]) {
        let place = self.place(node);
        let mut command = Vec::with_capacity(words.len());
        for word in words {
            match (word, word.to_text(), word.first_unknown()) {
                (_, _, Some(Value::Unknown(reason))) => {
                    let why = self.reason(place, &reason);
                    let behind = command.last().filter(|word: &&String| word.starts_with('-')).cloned();
                    let what = behind.map_or(String::new(), |option| {
                        format!("what stands behind {option} is not known: ")
                    });
                    return self.note(node, format!("{what}{why}"));
                }
                (Value::Symbol(symbol), ..) if &**symbol == "id" => command.push("{id}".to_owned()),
                (_, Some(text), _) => command.push(text),
                (_, None, _) => return self.note(node, "a word of it is no text"),
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
                    let written = rest.next();
                    let number = written.as_ref().and_then(|value| value.trim().parse().ok());
                    let Some(value) = number.map(|value| At { value, place }) else {
                        self.note(
                            node,
                            match written {
                                Some(written) => format!("`{written}` behind {option} is no whole number"),
                                None => format!("the number behind {option} is missing"),
                            },
                        );
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
                        node,
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
