//! `config.vm.provision`.

use std::rc::Rc;

use lib_ruby_parser::Node;

use super::args;
use super::eval::{Eval, Walk};
use super::model::Provisioner;
use super::value::{Object, Scope, Value};

/// What to do instead of a provisioner that is no script and no copy.
fn instead(kind: &str) -> String {
    let installed = format!(
        "lab provisions by shell scripts and copies: write a script that installs {kind} and runs it"
    );
    match kind {
        "ansible" => "lab provisions by shell scripts and copies; Ansible comes in from outside with `lab inventory`",
        "ansible_local" => {
            "lab provisions by shell scripts and copies: write a script that installs Ansible and runs it, or let it in from outside with `lab inventory`"
        }
        "puppet" | "puppet_server" | "chef_solo" | "chef_zero" | "chef_client" | "chef_apply" | "salt" | "cfengine"
        | "docker" | "docker_compose" | "podman" => return installed,
        "reload" | "vagrant-reload" => "lab does not restart the machine in between; `lab reload` does it afterwards",
        "hostmanager" | "hosts" => {
            "it is not needed: the machines know each other's names; `lab hosts` does it for this computer"
        }
        _ => "lab provisions by shell scripts and copies, and does not know this kind: write a script that does it",
    }
    .to_owned()
}

impl Eval<'_> {
    /// `provision "shell", inline: "…"`, `provision "web", type: "shell" do |s| … end`
    pub(super) fn provision(
        &mut self,
        node: &'static Node,
        scope: Scope,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let place = self.place(node);
        let Some(word) = arguments.first().and_then(Value::word).map(str::to_owned) else {
            return Ok(arguments
                .iter()
                .find_map(Value::first_unknown)
                .unwrap_or_else(|| Value::unknown("it names no provisioner")));
        };
        let options = arguments.get(1);
        if let Some(unknown @ Value::Unknown(_)) = options {
            return Ok(unknown.clone());
        }
        let (kind, name) = match options.and_then(|options| options.get("type")) {
            Some(Value::Unknown(reason)) => {
                let why = self.reason(place, &reason);
                self.note(node, format!("its type is not known, and it is left out: {why}"));
                return Ok(Value::Nil);
            }
            Some(kind) => (kind.to_text().unwrap_or_default(), Some(word)),
            None => (word, None),
        };
        let settings = self.settings(scope);
        // A provisioner that is named again is changed, not added.
        let known = settings.provisioners.iter().position(|known| name.is_some() && known.name == name);
        let kind = match known.and_then(|at| settings.provisioners.get(at)) {
            Some(known) if kind.is_empty() => known.kind.clone(),
            _ => kind,
        };
        if !matches!(kind.as_str(), "shell" | "file") {
            self.note(node, instead(&kind));
            return Ok(Value::Nil);
        }
        let at = known.unwrap_or_else(|| {
            settings.provisioners.push(Provisioner { place, name, kind, ..Provisioner::default() });
            settings.provisioners.len() - 1
        });
        for (key, value) in options.map(Value::pairs).unwrap_or_default() {
            let key = key.to_text().unwrap_or_default();
            self.provisioner_setting(node, scope, at, &key, std::slice::from_ref(&value))?;
        }
        if let Some(Value::Proc(block)) = block {
            let block = Rc::clone(block);
            self.apart(&block, vec![Value::Object(Object::Provisioner(scope, at))])?;
        }
        Ok(Value::Nil)
    }

    /// `s.inline = "…"`, `path: "…"`
    pub(super) fn provisioner_setting(
        &mut self,
        node: &'static Node,
        scope: Scope,
        at: usize,
        key: &str,
        values: &[Value],
    ) -> Walk<()> {
        let key = key.trim_end_matches('=');
        let Some(value) = values.first() else { return Ok(()) };
        if let (Some(Value::Unknown(reason)), false) = (value.first_unknown(), key == "env") {
            let why = self.reason(self.place(node), &reason);
            let instead = match key {
                "inline" | "path" | "source" | "destination" => {
                    self.change(scope, at, |provisioner| provisioner.dropped = true);
                    "the provisioner is left out"
                }
                "args" => "the script runs without arguments",
                "privileged" => "the script runs as root",
                "run" => "it runs once",
                "name" => return Ok(()),
                _ => "it is left out",
            };
            self.note(node, format!("`{key}` is not known, and {instead}: {why}"));
            return Ok(());
        }
        let text = value.to_text();
        let flag = value.truth().unwrap_or(false);
        let mut note = None;
        match (key, text) {
            ("type" | "keep_color" | "upload_path" | "binary" | "sensitive" | "communicator_required", _) => {
            }
            ("inline", Some(text)) => {
                self.made(text.len())?;
                self.change(scope, at, |provisioner| provisioner.inline = Some(text));
            }
            ("path", Some(text)) => {
                let file = text.to_lowercase();
                if [".ps1", ".psm1", ".bat", ".cmd"].iter().any(|end| file.ends_with(end)) {
                    self.is_windows(node, scope);
                }
                self.change(scope, at, |provisioner| provisioner.path = Some(text));
            }
            ("name", Some(text)) => self.change(scope, at, |provisioner| provisioner.name = Some(text)),
            ("source", Some(text)) => self.change(scope, at, |provisioner| provisioner.source = Some(text)),
            ("destination", Some(text)) => {
                self.change(scope, at, |provisioner| provisioner.destination = Some(text));
            }
            ("powershell_args" | "powershell_elevated_interactive", _) => self.is_windows(node, scope),
            ("preserve_order", _) => self.change(scope, at, |provisioner| provisioner.keeps_order = flag),
            ("privileged", _) => self.change(scope, at, |provisioner| provisioner.user = !flag),
            ("run", Some(when)) => match when.as_str() {
                "always" | "once" => {
                    self.change(scope, at, |provisioner| provisioner.always = when == "always");
                }
                _ => {
                    self.change(scope, at, |provisioner| provisioner.dropped = true);
                    note = Some(format!("with run: \"{when}\" it is left out: run it with `lab exec`"));
                }
            },
            ("args", _) => note = self.arguments(scope, at, value),
            ("env", _) => note = self.variables(node, scope, at, value),
            (_, _) if !flag => {}
            (key, _) => note = Some(format!("`{key}` of a provisioner has no counterpart")),
        }
        if let Some(note) = note {
            self.note(node, note);
        }
        Ok(())
    }

    fn change(&mut self, scope: Scope, at: usize, change: impl FnOnce(&mut Provisioner)) {
        if let Some(provisioner) = self.settings(scope).provisioners.get_mut(at) {
            change(provisioner);
        }
    }

    fn arguments(&mut self, scope: Scope, at: usize, value: &Value) -> Option<String> {
        let words = match value {
            Value::Nil => Some(Vec::new()),
            Value::List(items) => items.borrow().iter().map(Value::to_text).collect(),
            value => args::split(&value.to_text().unwrap_or_default()),
        };
        let Some(words) = words else {
            return Some("`args`: they are not plain words; the script runs without them".to_owned());
        };
        self.change(scope, at, |provisioner| provisioner.args = words);
        None
    }

    fn variables(&mut self, node: &Node, scope: Scope, at: usize, value: &Value) -> Option<String> {
        let place = self.place(node);
        if let Value::Unknown(reason) = value {
            let why = self.reason(place, reason);
            return Some(format!("`env` is not known, and the script runs without it: {why}"));
        }
        if !matches!(value, Value::Map(_)) {
            return Some("`env`: it is no hash; the script runs without it".to_owned());
        }
        let mut variables: Vec<(String, String)> = Vec::new();
        for (key, value) in value.pairs() {
            match (key.to_text(), value.first_unknown(), value.to_text()) {
                (Some(key), Some(Value::Unknown(reason)), _) => {
                    let why = self.reason(place, &reason);
                    self.note(node, format!("`{key}` of `env` is not known, and left out: {why}"));
                }
                (Some(key), _, Some(value)) => {
                    variables.retain(|(known, _)| *known != key);
                    variables.push((key, value));
                }
                (key, ..) => {
                    self.note(
                        node,
                        format!("`{}` of `env` is no text, and left out", key.unwrap_or_default()),
                    );
                }
            }
        }
        self.change(scope, at, |provisioner| provisioner.env = variables);
        None
    }
}
