//! What Ruby knows of the computer that it runs on, answered for this one.

use std::rc::Rc;

use super::eval::Eval;
use super::value::{Class, Value};

impl Eval<'_> {
    /// A constant that Ruby or its library brings.
    pub(super) fn host_constant(&self, name: &str) -> Option<Value> {
        Some(match name {
            "RUBY_PLATFORM" => Value::text(format!("{}-{}", processor(), kernel())),
            "RUBY_VERSION" => Value::text("3.1.3"),
            "RUBY_ENGINE" => Value::text("ruby"),
            "Vagrant::VERSION" => Value::text("2.4.1"),
            "File::SEPARATOR" | "File::Separator" => Value::text("/"),
            "ARGV" => Value::list(Vec::new()),
            "RbConfig::CONFIG" => {
                let pair = |name: &str, value: String| (Value::text(name), Value::text(value));
                Value::map(vec![
                    pair("host_os", kernel().to_owned()),
                    pair("target_os", kernel().to_owned()),
                    pair("arch", format!("{}-{}", processor(), kernel())),
                    pair("host_cpu", processor().to_owned()),
                    pair("target_cpu", processor().to_owned()),
                ])
            }
            "OpenStruct" => Value::Class(Rc::new(Class {
                name: "OpenStruct".into(),
                members: Vec::new(),
                keywords: false,
                parent: None,
                is_open: true,
            })),
            "Socket::AF_INET" => Value::Int(2),
            _ => return None,
        })
    }
}

/// A method of `Vagrant::Util::Platform`, `OS` or `Gem` that asks what this computer is.
pub(super) fn platform(method: &str) -> Option<bool> {
    let wsl = is_wsl();
    Some(match method {
        "windows?" => cfg!(windows),
        "darwin?" | "mac?" | "macos?" | "osx?" => cfg!(target_os = "macos"),
        "linux?" => cfg!(target_os = "linux"),
        "bsd?" => cfg!(target_os = "freebsd"),
        "unix?" | "posix?" => cfg!(unix),
        "wsl?" => wsl,
        "cygwin?" | "solaris?" | "java?" | "jruby?" | "freebsd?" => false,
        "bit64?" | "win_platform?" if method == "win_platform?" => cfg!(windows),
        "bit64?" => cfg!(target_pointer_width = "64"),
        _ => return None,
    })
}

/// Whether this is the Linux inside Windows, which Vagrant sees by the kernel's version.
fn is_wsl() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string("/proc/version")
            .is_ok_and(|version| version.to_lowercase().contains("microsoft"))
}

/// As Ruby's `host_os` has it.
fn kernel() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin23",
        "windows" => "mingw32",
        "linux" => "linux-gnu",
        other => other,
    }
}

fn processor() -> &'static str {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("aarch64", "macos") => "arm64",
        ("x86_64", "windows") => "x64",
        (processor, _) => processor,
    }
}

/// What a program of this computer would print, of those that only say what it is: nothing is run.
pub(super) fn printed(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "2>/dev/null").collect();
    let system = match std::env::consts::OS {
        "macos" => "Darwin",
        "linux" => "Linux",
        _ => return Value::unknown(format!("the program `{}` is not run", shortened(line))),
    };
    let machine = match (std::env::consts::ARCH, system) {
        ("aarch64", "Darwin") => "arm64",
        (machine, _) => machine,
    };
    match words.as_slice() {
        ["uname"] | ["uname", "-s"] => Value::text(format!("{system}\n")),
        ["uname", "-m" | "-p"] | ["arch"] => Value::text(format!("{machine}\n")),
        ["nproc"] => match processors() {
            Some(count) if system == "Linux" => Value::text(format!("{count}\n")),
            _ => Value::unknown("the program `nproc` is not run"),
        },
        _ => Value::unknown(format!("the program `{}` is not run", shortened(line))),
    }
}

/// How many processors this computer lets programs have.
pub(super) fn processors() -> Option<usize> {
    std::thread::available_parallelism().ok().map(std::num::NonZero::get)
}

fn shortened(line: &str) -> String {
    let short: String = line.trim().chars().take(60).filter(|c| !c.is_control()).collect();
    if short.len() < line.trim().len() { format!("{short} …") } else { short }
}

/// `value.is_a?(Hash)`; `None` for a class that is not known here.
pub(super) fn is_a(value: &Value, class: &str) -> Option<bool> {
    let own = value.class_name()?;
    match class {
        "Object" | "BasicObject" | "Kernel" => Some(true),
        "Numeric" => Some(matches!(value, Value::Int(_) | Value::Float(_))),
        "Fixnum" => Some(matches!(value, Value::Int(_))),
        "Enumerable" => Some(matches!(value, Value::List(_) | Value::Map(_) | Value::Range(_))),
        "Comparable" => Some(matches!(value, Value::Int(_) | Value::Float(_) | Value::Text(_))),
        "Array" | "Hash" | "String" | "Symbol" | "Integer" | "Float" | "NilClass" | "TrueClass"
        | "FalseClass" | "Regexp" | "Range" | "Proc" | "MatchData" | "Set" | "IPAddr" => Some(own == class),
        _ => None,
    }
}
