//! What tables of a Labfile's keys are made of, and what is said of the values that stand at them.
//!
//! It lies below the Labfile and the providers: each of them has tables of its own.

use serde_json::Value;

/// What a key's value is.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// One line of text.
    Text,
    /// A lab's or machine's name: a host name label.
    Name,
    /// The path of a file or folder of the host, from the Labfile's folder.
    Path,
    /// An absolute path in the guest.
    GuestPath,
    /// Text of several lines.
    Script,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A whole number from … to ….
    Integer(i64, i64),
    /// `true` or `false`.
    Flag,
    /// An amount of memory: text with a unit, or a number of MiB.
    Memory,
    /// A duration: text with units, or a number of seconds.
    Duration,
    /// An IPv4 network, `192.168.56.0/24`.
    Network,
    /// An IPv4 address.
    Address,
    /// What a box's version must be, as Vagrant writes it: `~> 2.2`.
    Version,
    /// A list of names of machines.
    Names,
    /// A list of texts.
    Texts,
    /// A list of lists of texts.
    Commands,
    /// A table of environment variables.
    Env,
    /// A list of tables of one kind; where there is a short form, a text stands for the whole table.
    List(&'static Section, Option<Short>),
    /// A section.
    Section(&'static Section),
    /// A section that holds sections with names of their own.
    Named(&'static Section),
}

/// The text that may stand for a table in a list.
#[derive(Debug, Clone, Copy)]
pub struct Short {
    /// What it is.
    pub doc: &'static str,
    /// What it must look like: a regular expression of the kind JSON Schema knows.
    pub pattern: &'static str,
}

/// One key: what it is for, what it takes.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub takes: Type,
    /// What it does: one or two sentences.
    pub doc: &'static str,
    /// What holds where it is not given, in words or as it would be written; empty for a key that must be given.
    pub default: &'static str,
    /// A value, as it would be written.
    pub example: &'static str,
    /// What else people write for it: Vagrant's words, other tools'.
    pub words: &'static [&'static str],
}

/// The keys that may stand together.
#[derive(Debug)]
pub struct Section {
    /// How its header is written: `[lab]`, `[machine.NAME]`; or what its table is, `a forward`.
    pub title: &'static str,
    /// A word for it in the schema.
    pub id: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
}

impl Section {
    /// The key that is written `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// What is to be said of a value in a provider's section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The key that the value is for.
    pub key: &'static str,
    /// Which item of its list it is, from 0; 0 where it is no list.
    pub item: usize,
    /// What is to be said.
    pub what: About,
}

/// What can be said of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// It cannot be taken.
    Mistake {
        /// A stable word for the kind of mistake.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// It does more than to set something of the machine.
    Reaching(Reaching),
}

/// Words by which a provider may do more to this computer than to run a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reaching {
    /// A stable word for what they are: `arguments`, `call`.
    pub kind: &'static str,
    /// They, as the provider gets them.
    pub words: Vec<String>,
    /// What they do, for people: one sentence without a full stop.
    pub text: String,
}

/// Looks at the values of a provider's section, an object by the names of its keys.
pub type Look = fn(&Value) -> Vec<Remark>;
