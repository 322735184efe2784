//! The modules of the crate, and which file's names each file uses.
//!
//! A path leads to the file that defines the name. Where a module only passes a name on (`pub use`), the file behind it
//! counts, so a `mod.rs` that only declares and re-exports is in no circle.
//!
//! Where a type has its methods in several files, a call of one of them leads to the file that has it: else such files
//! could use each other without a word of `use`. Seen are those methods whose name no other one has, in files that
//! name the type.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Kind, Token, group_end, tokens};

/// A module, by the names that lead to it from the crate: `["labfile", "keys"]`.
pub(crate) type Name = Vec<String>;

/// One module's file, and the names in it.
pub(crate) struct Module {
    /// From the top of the repository.
    pub(crate) file: String,
    pub(crate) tokens: Vec<Token>,
    /// Names that are defined here.
    defined: BTreeSet<String>,
    /// Names that `use` brings in, and where they lead.
    used: BTreeMap<String, Name>,
    /// Modules of which everything is brought in.
    globs: Vec<Name>,
    /// The methods that are defined here, each with its type.
    methods: Vec<(String, String)>,
}

/// Every module that is built into the program.
pub(crate) struct Modules(pub(crate) BTreeMap<Name, Module>);

/// Which files a file uses, and the first line that says so.
pub(crate) type Graph = BTreeMap<String, BTreeMap<String, usize>>;

impl Modules {
    /// Reads the crate from `src/lib.rs` on; `read` gives the text of a file, if there is one.
    pub(crate) fn read(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut modules = Modules(BTreeMap::new());
        modules.add(read, Vec::new(), "src/lib.rs", "src");
        modules
    }

    /// Adds the module in `file` and those that it declares, which lie in `folder`.
    fn add(&mut self, read: &dyn Fn(&str) -> Option<String>, name: Name, file: &str, folder: &str) {
        let tokens = tokens(&read(file).unwrap_or_else(|| panic!("there is no {file}")));
        for (index, token) in tokens.iter().enumerate() {
            let Some(child) = tokens.get(index + 1).and_then(Token::word) else { continue };
            if token.word() != Some("mod") || !tokens.get(index + 2).is_some_and(|token| token.is(';')) {
                continue;
            }
            let folder = format!("{folder}/{child}");
            let nested = format!("{folder}/mod.rs");
            let path = if read(&nested).is_some() { nested } else { format!("{folder}.rs") };
            self.add(read, [name.as_slice(), &[child.to_owned()]].concat(), &path, &folder);
        }
        let mut module = Module {
            file: file.to_owned(),
            defined: defined(&tokens),
            used: BTreeMap::new(),
            globs: Vec::new(),
            methods: methods(&tokens),
            tokens,
        };
        for (index, token) in module.tokens.iter().enumerate() {
            if token.word() == Some("use") {
                let mut index = index + 1;
                let (used, globs) = (&mut module.used, &mut module.globs);
                use_tree(&module.tokens, &mut index, Vec::new(), used, globs);
            }
        }
        self.0.insert(name, module);
    }

    /// Which file uses names of which.
    pub(crate) fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        let spread = self.spread_methods();
        for (name, module) in &self.0 {
            let from = graph.entry(module.file.clone()).or_default();
            let paths = paths(&module.tokens);
            let inline = paths.into_iter().filter_map(|(path, line)| Some((self.meant(name, &path)?, line)));
            let used = module.used.values().filter_map(|path| {
                let line = module.tokens.iter().find(|token| token.word() == path.last().map(String::as_str));
                Some((self.meant(name, path)?, line.map_or(0, |token| token.line)))
            });
            let globs = module.globs.iter().filter_map(|path| {
                let (module, rest) = self.module(name, path)?;
                rest.is_empty().then_some((module, 0))
            });
            for (to, line) in inline.chain(used).chain(globs) {
                let file = &self.0[&to].file;
                if *file != module.file {
                    from.entry(file.clone()).or_insert(line);
                }
            }
            let words: BTreeSet<_> = module.tokens.iter().filter_map(Token::word).collect();
            for pair in module.tokens.windows(2).filter(|pair| pair[0].is('.')) {
                let method = pair[1].word().and_then(|method| spread.get(method));
                if let Some((of, file)) = method
                    && words.contains(of)
                    && *file != module.file
                    && self.type_of(name, of) == self.type_of(&self.of_file(file), of)
                {
                    from.entry((*file).to_owned()).or_insert(pair[1].line);
                }
            }
        }
        graph
    }

    /// The methods of types that have theirs in several files: the type's name, and the file.
    fn spread_methods(&self) -> BTreeMap<&str, (&str, &str)> {
        let mut files: BTreeMap<(Name, &str), BTreeSet<&str>> = BTreeMap::new();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let all = || {
            let modules = self.0.iter();
            modules.flat_map(|(name, module)| module.methods.iter().map(move |found| (name, module, found)))
        };
        for (name, module, (of, method)) in all() {
            files.entry((self.type_of(name, of), of)).or_default().insert(&module.file);
            *times.entry(method).or_default() += 1;
        }
        all()
            .filter(|(name, _, (of, method))| {
                files[&(self.type_of(name, of), of.as_str())].len() > 1 && times[method.as_str()] == 1
            })
            .map(|(_, module, (of, method))| (method.as_str(), (of.as_str(), module.file.as_str())))
            .collect()
    }

    /// The module that defines the type which is called `of` in `name`.
    fn type_of(&self, name: &Name, of: &str) -> Name {
        let path = ["self".to_owned(), of.to_owned()];
        self.meant(name, &path).unwrap_or_else(|| name.clone())
    }

    fn of_file(&self, file: &str) -> Name {
        self.0
            .iter()
            .find(|(_, module)| module.file == file)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    /// The module that defines what `path`, written in `from`, leads to. A module itself is no name that is used: what
    /// counts is what is named in it.
    fn meant(&self, from: &Name, path: &[String]) -> Option<Name> {
        let (module, rest) = self.module(from, path)?;
        (!rest.is_empty()).then_some(module)
    }

    /// The module in which `path` ends, and what remains of the path.
    fn module(&self, from: &Name, path: &[String]) -> Option<(Name, Vec<String>)> {
        self.follow(from, path, 0)
    }

    fn follow(&self, from: &Name, path: &[String], depth: usize) -> Option<(Name, Vec<String>)> {
        if depth > 40 {
            return None;
        }
        let (mut at, mut index) = (from.clone(), 0);
        match path.first().map(String::as_str)? {
            "crate" => (at, index) = (Vec::new(), 1),
            "self" => index = 1,
            "super" => {
                while path.get(index).is_some_and(|segment| segment == "super") {
                    at.pop();
                    index += 1;
                }
            }
            // A name in scope; everything else belongs to other crates.
            first => {
                let module = &self.0[&at];
                let child = [at.as_slice(), &[first.to_owned()]].concat();
                if !self.0.contains_key(&child) && !module.used.contains_key(first) {
                    return None;
                }
            }
        }
        while let Some(segment) = path.get(index) {
            let module = &self.0[&at];
            let child = [at.as_slice(), std::slice::from_ref(segment)].concat();
            if self.0.contains_key(&child) {
                (at, index) = (child, index + 1);
                continue;
            }
            let rest = &path[index + 1..];
            if module.defined.contains(segment) {
                return Some((at, path[index..].to_vec()));
            }
            if let Some(target) = module.used.get(segment) {
                // `use clap::Args;`: the name of another crate.
                let path = [target.as_slice(), rest].concat();
                return self.follow(&at, &path, depth + 1);
            }
            for glob in &module.globs {
                let path = [glob.as_slice(), &path[index..]].concat();
                if let Some(found) = self.follow(&at, &path, depth + 1) {
                    return Some(found);
                }
            }
            return None;
        }
        Some((at, Vec::new()))
    }
}

/// The names of the items that a file defines itself.
fn defined(tokens: &[Token]) -> BTreeSet<String> {
    const ITEMS: &[&str] =
        &["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mut", "macro_rules"];
    let word = |index: usize| tokens.get(index).and_then(Token::word);
    let mut names = BTreeSet::new();
    for index in 0..tokens.len() {
        if !word(index).is_some_and(|word| ITEMS.contains(&word)) {
            continue;
        }
        let bang = usize::from(tokens.get(index + 1).is_some_and(|token| token.is('!')));
        names.extend(word(index + 1 + bang).map(str::to_owned));
    }
    names
}

/// The functions in `impl` blocks, each with the type.
fn methods(tokens: &[Token]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        // `-> impl Iterator` is no block.
        let begins = index == 0 || matches!(tokens[index - 1].kind, Kind::Sign('}' | ';' | ']'));
        index += 1;
        if !begins || tokens[index - 1].word() != Some("impl") {
            continue;
        }
        let Some(length) = tokens[index..].iter().position(|token| token.is('{')) else { break };
        let head = &tokens[index..index + length];
        let end = group_end(tokens, index + length);
        // The last name before `<`, `where` or the block, outside of `<…>`.
        let mut depth = 0_i32;
        let mut of = None;
        for token in head {
            match &token.kind {
                Kind::Sign('<') => depth += 1,
                Kind::Sign('>') => depth -= 1,
                Kind::Word(word) if word == "where" && depth == 0 => break,
                Kind::Word(word) if depth == 0 => of = Some(word.clone()),
                _ => {}
            }
        }
        let body = &tokens[index + length..end];
        for pair in body.windows(2).filter(|pair| pair[0].word() == Some("fn")) {
            if let (Some(of), Some(method)) = (&of, pair[1].word()) {
                found.push((of.clone(), method.to_owned()));
            }
        }
        index = end;
    }
    found
}

/// Reads what follows `use`, as far as it goes.
fn use_tree(
    tokens: &[Token],
    index: &mut usize,
    mut path: Name,
    used: &mut BTreeMap<String, Name>,
    globs: &mut Vec<Name>,
) {
    loop {
        let Some(token) = tokens.get(*index) else { return };
        *index += 1;
        match &token.kind {
            Kind::Word(word) if word == "as" => {
                let name = tokens.get(*index).and_then(Token::word).unwrap_or_default();
                *index += 1;
                used.insert(name.to_owned(), path);
                return;
            }
            Kind::Word(word) => {
                path.push(word.clone());
                let goes_on = tokens
                    .get(*index)
                    .is_some_and(|token| token.kind == Kind::Path || token.word() == Some("as"));
                if !goes_on {
                    // `{self, …}` is the module itself.
                    if word == "self" && path.len() > 1 {
                        path.pop();
                    }
                    used.insert(path.last().cloned().unwrap_or_default(), path);
                    return;
                }
            }
            Kind::Path => {}
            Kind::Sign('*') => {
                globs.push(path);
                return;
            }
            Kind::Sign('{') => {
                while tokens.get(*index).is_some_and(|token| !token.is('}')) {
                    use_tree(tokens, index, path.clone(), used, globs);
                    if tokens.get(*index).is_some_and(|token| token.is(',')) {
                        *index += 1;
                    }
                }
                *index += 1;
                return;
            }
            _ => return,
        }
    }
}

/// Every `a::b::c` outside of `use`, with its line.
fn paths(tokens: &[Token]) -> Vec<(Name, usize)> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        if tokens[index].word() == Some("use") {
            while index < tokens.len() && !tokens[index].is(';') {
                index = if tokens[index].is('{') { group_end(tokens, index) } else { index + 1 };
            }
            continue;
        }
        let line = tokens[index].line;
        let mut path = Vec::new();
        while let Some(word) = tokens.get(index).and_then(Token::word) {
            path.push(word.to_owned());
            index += 1;
            if tokens.get(index).is_none_or(|token| token.kind != Kind::Path) {
                break;
            }
            index += 1;
        }
        if path.len() > 1 {
            found.push((path, line));
        } else if path.is_empty() {
            index += 1;
        }
    }
    found
}
