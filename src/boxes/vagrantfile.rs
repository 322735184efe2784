//! What the Vagrantfile inside a box says, read without Ruby.
//!
//! Only plain assignments of string literals are understood, which is what `vagrant package` and
//! Packer write; a Vagrantfile that computes its values is not.

/// Vagrantfiles in boxes have less than 1 kB, as a rule.
pub const MAX_SIZE: u64 = 256 << 10;

/// The settings that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vagrantfile {
    /// `config.vm.base_mac`, as written.
    pub base_mac: Option<String>,
    /// `config.ssh.username`.
    pub username: Option<String>,
    /// `config.ssh.private_key_path`: the name of a file in the box.
    pub private_key: Option<String>,
    /// `libvirt.disk_bus`.
    pub disk_bus: Option<String>,
    /// `libvirt.nic_model_type`.
    pub nic_model: Option<String>,
    /// `libvirt.memory`, in MiB.
    pub memory_mib: Option<u32>,
    /// Notes for people: settings that matter and that lab does not understand.
    pub notes: Vec<String>,
}

/// Reads the text of a Vagrantfile. It never fails: lines that it does not understand are left out.
pub fn read(text: &str) -> Vagrantfile {
    let mut found = Vagrantfile::default();
    let mut in_comment = false;
    for line in text.lines() {
        // Ruby's block comments start and end in the first column.
        if line.starts_with("=begin") || line.starts_with("=end") {
            in_comment = line.starts_with("=begin");
            continue;
        }
        if in_comment {
            continue;
        }
        let Some((key, value)) = assignment(line) else { continue };
        let slot = match key {
            "vm.base_mac" => &mut found.base_mac,
            "ssh.username" => &mut found.username,
            "ssh.private_key_path" => &mut found.private_key,
            "disk_bus" => &mut found.disk_bus,
            "nic_model_type" => &mut found.nic_model,
            "memory" => {
                found.memory_mib = literal(value).unwrap_or_else(|| value.trim().to_owned()).parse().ok();
                continue;
            }
            _ => continue,
        };
        let read = if key == "ssh.private_key_path" { key_path(value) } else { literal(value) };
        if read.is_none() && value.trim() != "nil" {
            found.notes.push(format!("the box's Vagrantfile computes {key}: {}", value.trim()));
        }
        *slot = read;
    }
    found
}

/// The keys that are looked for, as they stand behind the name of the block's variable.
const KEYS: &[&str] =
    &["vm.base_mac", "ssh.username", "ssh.private_key_path", "disk_bus", "nic_model_type", "memory"];

/// `config.vm.base_mac = "…"` as key and value (without a trailing comment).
fn assignment(line: &str) -> Option<(&'static str, &str)> {
    let (left, right) = without_comment(line).split_once('=')?;
    let (variable, key) = left.trim().split_once('.')?;
    let is_name = variable.chars().all(|c| c.is_alphanumeric() || c == '_');
    let key = KEYS.iter().find(|known| **known == key)?;
    (is_name && !right.starts_with(['=', '~', '>'])).then_some((*key, right))
}

/// The line up to a `#` that stands outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (index, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return line.get(..index).unwrap_or(line),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    line
}

/// A string literal without escapes and interpolation, alone.
fn literal(value: &str) -> Option<String> {
    let value = value.trim().trim_end_matches(';').trim_end();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = value.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inside.contains([quote, '\\']) && !inside.contains("#{")).then(|| inside.to_owned())
}

/// The forms in which boxes name a key beside their Vagrantfile:
/// `File.expand_path("../NAME", __FILE__)`, `File.expand_path("NAME", __dir__)`,
/// `File.join(File.dirname(__FILE__), "NAME")`, `File.join(__dir__, "NAME")`.
fn key_path(value: &str) -> Option<String> {
    let value: String = value.trim().trim_start_matches('[').trim_end_matches(']').trim().to_owned();
    let inside = |function: &str| -> Option<(String, String)> {
        let (first, second) = value.strip_prefix(function)?.strip_suffix(')')?.rsplit_once(',')?;
        Some((first.trim().to_owned(), second.trim().to_owned()))
    };
    let here = |base: &str| matches!(base, "__dir__" | "File.dirname(__FILE__)");
    let name = if let Some((path, base)) = inside("File.expand_path(") {
        let path = literal(&path)?;
        match base.as_str() {
            "__FILE__" => path.strip_prefix("../")?.to_owned(),
            base if here(base) => path,
            _ => return None,
        }
    } else {
        let (base, path) = inside("File.join(")?;
        here(&base).then(|| literal(&path))??
    };
    let name = name.trim_start_matches("./");
    let plain = !name.is_empty() && name != ".." && !name.contains(['/', '\\']);
    plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vagrant_package_writes() {
        let text = "Vagrant.configure(\"2\") do |config|\n  config.vm.base_mac = \"080027D14C66\"\n\
            # Load include vagrant file if it exists after the auto-generated\n\
            include_vagrantfile = File.expand_path(\"../include/_Vagrantfile\", __FILE__)\n\
            load include_vagrantfile if File.exist?(include_vagrantfile)\nend\n";
        let expected = Vagrantfile { base_mac: Some("080027D14C66".into()), ..Vagrantfile::default() };
        assert_eq!(read(text), expected);
        let of_2011 =
            "Vagrant::Config.run do |config|\r\n  config.vm.base_mac = '0800279C2E41' # x\r\nend\r\n";
        assert_eq!(read(of_2011).base_mac.as_deref(), Some("0800279C2E41"));
    }

    #[test]
    fn comments_and_comparisons_are_no_settings() {
        let text = "# config.vm.base_mac = \"1\"\n=begin\nconfig.vm.base_mac = \"2\"\n=end\n\
            x if config.vm.base_mac == \"3\"\nconfig.vm.base_mac = nil\nputs \"config.vm.base_mac = '4'\"\n";
        assert_eq!(read(text), Vagrantfile::default());
    }

    #[test]
    fn what_is_computed_is_noted_and_not_guessed() {
        let found = read("c.vm.base_mac = ENV[\"MAC\"]\nc.ssh.username = \"#{user}\"\n");
        assert_eq!((found.base_mac, found.username), (None, None));
        assert_eq!(found.notes.len(), 2);
    }

    #[test]
    fn keys_beside_the_vagrantfile_are_found_and_no_others() {
        for value in [
            "File.expand_path(\"../vagrant_private_key\", __FILE__)",
            "File.expand_path('vagrant_private_key', __dir__)",
            "[File.expand_path(\"vagrant_private_key\", File.dirname(__FILE__))]",
            "File.join(File.dirname(__FILE__), \"vagrant_private_key\")",
        ] {
            let found = read(&format!("config.ssh.private_key_path = {value}\n"));
            assert_eq!(found.private_key.as_deref(), Some("vagrant_private_key"), "{value}");
        }
        for value in [
            "\"~/.ssh/id_rsa\"",
            "File.expand_path(\"../../../.ssh/id_rsa\", __FILE__)",
            "File.expand_path(\"/etc/key\", __dir__)",
            "File.expand_path(\"..\", __dir__)",
        ] {
            let found = read(&format!("config.ssh.private_key_path = {value}\n"));
            assert_eq!((found.private_key, found.notes.len()), (None, 1), "{value}");
        }
    }

    #[test]
    fn libvirt_settings() {
        let text = "config.vm.provider :libvirt do |libvirt|\n libvirt.disk_bus = 'sata'\n \
            libvirt.nic_model_type = \"e1000\"\n libvirt.memory = 1024\nend\n";
        let found = read(text);
        assert_eq!(found.disk_bus.as_deref(), Some("sata"));
        assert_eq!(found.nic_model.as_deref(), Some("e1000"));
        assert_eq!(found.memory_mib, Some(1024));
    }
}
