//! `config.vm.provision`.

use lib_ruby_parser::{Node, nodes};

use super::args;
use super::eval::{Eval, Walk};
use super::model::Provisioner;
use super::value::{Object, Scope, Value};

impl Eval<'_> {
    /// `provision "shell", inline: "…"`, `provision "web", type: "shell" do |s| … end`
    pub(super) fn provision(
        &mut self,
        node: &Node,
        scope: Scope,
        arguments: &[Value],
        block: Option<&nodes::Block>,
    ) -> Walk {
        let line = self.line(node);
        let Some(word) = arguments.first().and_then(Value::word).map(str::to_owned) else {
            let why = arguments.first().and_then(Value::why_unknown).unwrap_or("it names no provisioner");
            return Ok(Value::unknown(why));
        };
        let options = arguments.get(1);
        if let Some(why) = options.and_then(Value::why_unknown) {
            return Ok(Value::unknown(why));
        }
        let kind = options.and_then(|options| options.get("type")).and_then(Value::word).map(str::to_owned);
        let (kind, name) = match kind {
            Some(kind) => (kind, Some(word)),
            None => (word, None),
        };
        if !matches!(kind.as_str(), "shell" | "file") {
            let source = self.source(node);
            self.note(
                line,
                format!("`{source}`: lab provisions by shell scripts and copies; `lab inventory` and `lab ssh-config` let {kind} in from outside"),
            );
            return Ok(Value::Nil);
        }
        let scope = self.scope(scope);
        let provisioners = &mut self.settings(scope).provisioners;
        // A provisioner that is named again is changed, not added.
        let known = provisioners.iter().position(|known| name.is_some() && known.name == name);
        let place = known.unwrap_or_else(|| {
            provisioners.push(Provisioner { line, name, kind, ..Provisioner::default() });
            provisioners.len() - 1
        });
        if let Some(Value::Map(pairs)) = options {
            for (key, value) in pairs.iter() {
                let key = key.to_text().unwrap_or_default();
                self.provisioner_setting(node, scope, place, &key, std::slice::from_ref(value))?;
            }
        }
        if let Some(block) = block {
            self.block(block, vec![Value::Object(Object::Provisioner(scope, place))])?;
        }
        Ok(Value::Nil)
    }

    /// `s.inline = "…"`, `path: "…"`
    pub(super) fn provisioner_setting(
        &mut self,
        node: &Node,
        scope: Scope,
        place: usize,
        key: &str,
        values: &[Value],
    ) -> Walk<()> {
        let (line, source) = (self.line(node), self.source(node));
        let key = key.trim_end_matches('=');
        let Some(value) = values.first() else { return Ok(()) };
        if let Some(why) = value.why_unknown() {
            let essential = matches!(key, "inline" | "path" | "source" | "destination");
            let why = if essential { format!("{why}; the provisioner is left out") } else { why.to_owned() };
            self.note(line, format!("`{source}`: {why}"));
            if essential {
                self.change(scope, place, |provisioner| provisioner.dropped = true);
            }
            return Ok(());
        }
        let text = value.to_text();
        let flag = value.truth().unwrap_or(false);
        let note = match (key, text) {
            (
                "type"
                | "preserve_order"
                | "keep_color"
                | "upload_path"
                | "binary"
                | "powershell_elevated_interactive",
                _,
            ) => None,
            ("inline", Some(text)) => {
                self.made(text.len())?;
                self.change(scope, place, |provisioner| provisioner.inline = Some(text));
                None
            }
            ("path", Some(text)) => {
                self.change(scope, place, |provisioner| provisioner.path = Some(text));
                None
            }
            ("name", Some(text)) => {
                self.change(scope, place, |provisioner| provisioner.name = Some(text));
                None
            }
            ("source", Some(text)) => {
                self.change(scope, place, |provisioner| provisioner.source = Some(text));
                None
            }
            ("destination", Some(text)) => {
                self.change(scope, place, |provisioner| provisioner.destination = Some(text));
                None
            }
            ("privileged", _) => {
                self.change(scope, place, |provisioner| provisioner.user = !flag);
                None
            }
            ("run", Some(when)) => match when.as_str() {
                "always" | "once" => {
                    self.change(scope, place, |provisioner| provisioner.always = when == "always");
                    None
                }
                _ => {
                    self.change(scope, place, |provisioner| provisioner.dropped = true);
                    Some(format!("a provisioner with run: \"{when}\" is left out: run it with `lab exec`"))
                }
            },
            ("args", _) => self.arguments(scope, place, value),
            ("env", _) => self.environment(scope, place, value),
            (key, _) => Some(format!("`{key}` of a provisioner has no counterpart")),
        };
        if let Some(note) = note {
            self.note(line, note);
        }
        Ok(())
    }

    fn change(&mut self, scope: Scope, place: usize, change: impl FnOnce(&mut Provisioner)) {
        if let Some(provisioner) = self.settings(scope).provisioners.get_mut(place) {
            change(provisioner);
        }
    }

    fn arguments(&mut self, scope: Scope, place: usize, value: &Value) -> Option<String> {
        let words = match value {
            Value::Nil => Some(Vec::new()),
            Value::List(items) => items.iter().map(Value::to_text).collect(),
            value => args::split(&value.to_text().unwrap_or_default()),
        };
        let Some(words) = words else {
            return Some("`args`: they are not plain words; the provisioner runs without them".to_owned());
        };
        self.change(scope, place, |provisioner| provisioner.args = words);
        None
    }

    fn environment(&mut self, scope: Scope, place: usize, value: &Value) -> Option<String> {
        let Value::Map(pairs) = value else {
            return Some("`env`: it is no hash; the provisioner runs without it".to_owned());
        };
        let mut left_out = Vec::new();
        let mut variables: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs.iter() {
            match (key.to_text(), value.to_text()) {
                (Some(key), Some(value)) => {
                    variables.retain(|(known, _)| *known != key);
                    variables.push((key, value));
                }
                (key, _) => left_out.push(key.unwrap_or_default()),
            }
        }
        self.change(scope, place, |provisioner| provisioner.env = variables);
        (!left_out.is_empty()).then(|| format!("`env`: not known and left out: {}", left_out.join(", ")))
    }
}
