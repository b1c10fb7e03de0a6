//! The house, held by a test: floors, fences around outside crates, module docs, file names, the list of error codes.
//!
//! A scanner of tokens, not a parser: it drops comments, keeps texts apart, opens `use` groups, follows `self`,
//! `super` and modules written in place, and knows what stands under `#[cfg(test)]`.
//! It does not see what a macro makes, a path that goes through a renamed module, or a type that arrives by value.
//!
//! Code under `#[cfg(test)]` keeps the floors and the fences, but may use JSON and may look through its room's face.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms and their floors; the table in ARCHITECTURE.md says what each is.
const ROOMS: [(&str, u8); 15] = [
    ("base", 0),
    ("model", 0),
    ("lang", 1),
    ("store", 1),
    ("schema", 1),
    ("token", 1),
    ("replica", 1),
    ("policy", 2),
    ("query", 2),
    ("backup", 2),
    ("transact", 3),
    ("db", 4),
    ("wire", 5),
    ("server", 6),
    ("cli", 7),
];

/// The outside crates that live in certain rooms only.
const FENCES: [(&str, &[&str]); 17] = [
    ("redb", &["store"]),
    ("nom", &["lang"]),
    ("num_bigint", &["lang"]),
    ("jsonwebtoken", &["token"]),
    ("ed25519_dalek", &["token"]),
    ("axum", &["server"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("tokio", &["server"]),
    ("tower", &["server"]),
    ("tower_http", &["server"]),
    // `cli` speaks TLS too, as a client.
    ("rustls", &["server", "cli"]),
    ("tokio_rustls", &["server"]),
    ("webpki", &["server"]),
    ("tracing", &["server", "cli"]),
    ("tracing_subscriber", &["server", "cli"]),
    ("clap", &["cli"]),
];

/// The one file on the two lowest floors that may read JSON.
const JSON_BELOW: &str = "src/schema/bootstrap.rs";

const BAD_NAMES: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "managers",
];

#[test]
fn the_house_is_tidy() {
    let complaints = complaints(&sources());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_limit_has_a_sentence() {
    let limits = read("src/base/limits.rs").expect("the limits are there");
    assert_eq!(undocumented_limits(&limits), Vec::<String>::new());
}

#[test]
fn every_error_code_is_documented() {
    let codes = codes(&sources());
    if read("src/db/error.rs").is_none() {
        return; // Before the room `db` exists there is nobody to tell a code to.
    }
    let document = read("docs/errors.md").expect("docs/errors.md is there");
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !is_told(&document, code))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/errors.md does not tell: {missing:?}"
    );
}

// The files.

#[derive(Debug)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module that the file is, as names from the root of the crate.
    fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        let mut names: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(
            names.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            names.pop();
        }
        names
    }

    fn room(&self) -> Option<&str> {
        let (room, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(room)
    }

    fn is_face(&self) -> bool {
        self.path.ends_with("/mod.rs")
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        collect(Path::new(env!("CARGO_MANIFEST_DIR")), folder, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "the sources were not found");
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        return;
    };
    for entry in entries {
        let entry = entry.expect("the folder can be read");
        let name = entry
            .file_name()
            .into_string()
            .expect("file names are UTF-8");
        let path = format!("{folder}/{name}");
        if entry.file_type().expect("the entry has a type").is_dir() {
            collect(root, &path, found);
        } else if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            let text = fs::read_to_string(entry.path()).expect("sources are UTF-8");
            found.push(Source { path, text });
        }
    }
}

// The rules.

fn complaints(sources: &[Source]) -> Vec<String> {
    let mut told = Vec::new();
    let scanned: Vec<Scanned<'_>> = scan(sources);
    for file in &scanned {
        file_rules(file, &mut told);
        token_rules(file, &mut told);
        floor_rules(file, &mut told);
        fence_rules(file, &mut told);
    }
    room_rules(&scanned, &mut told);
    told
}

fn floor(room: &str) -> Option<u8> {
    ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, floor)| *floor)
}

/// Names, places and first lines.
fn file_rules(file: &Scanned<'_>, told: &mut Vec<String>) {
    let path = &file.source.path;
    for name in path.trim_end_matches(".rs").split('/') {
        if BAD_NAMES.contains(&name) {
            told.push(format!(
                "{path}: `{name}` says nothing; name it by what it is"
            ));
        }
    }
    if !path.starts_with("src/") && !path.starts_with("tests/") {
        return;
    }
    if !file.source.text.starts_with("//!") {
        told.push(format!("{path}: the first line is not `//!`"));
    }
    if !path.starts_with("src/") || path == "src/lib.rs" || path == "src/main.rs" {
        return;
    }
    if file.source.room().and_then(floor).is_none() {
        told.push(format!("{path}: stands in no known room"));
    }
}

/// Words that may not stand anywhere, or not in tests; and what `mod.rs` may hold.
fn token_rules(file: &Scanned<'_>, told: &mut Vec<String>) {
    let path = &file.source.path;
    for (at, token) in file.tokens.iter().enumerate() {
        let line = token.line;
        if token.is_word("unsafe") {
            told.push(format!("{path}:{line}: `unsafe`"));
        }
        if token.is_sign("#") {
            for word in attribute(&file.tokens, at) {
                if matches!(word.text.as_str(), "ignore" | "should_panic") {
                    told.push(format!("{path}:{line}: `#[{}]`", word.text));
                }
            }
        }
        let is_item = token.kind == Kind::Word
            && matches!(
                token.text.as_str(),
                "fn" | "struct" | "enum" | "trait" | "impl" | "const" | "static" | "type"
            );
        if is_item && file.source.is_face() && file.source.room().is_some() && !token.test {
            told.push(format!(
                "{path}:{line}: `mod.rs` holds `mod` and `use` lines only"
            ));
        }
    }
    for import in &file.imports {
        let sleeps = import.names.ends_with(&["thread".into(), "sleep".into()])
            || import.names.ends_with(&["time".into(), "sleep".into()]);
        if sleeps && (import.test || file.source.is_test()) {
            told.push(format!("{path}:{}: a test that sleeps", import.line));
        }
    }
}

/// Down only, never up and never along; and nobody inside goes through `lib.rs`.
fn floor_rules(file: &Scanned<'_>, told: &mut Vec<String>) {
    let path = &file.source.path;
    for import in &file.imports {
        let (line, shown) = (import.line, import.names.join("::"));
        if path == "src/main.rs" {
            let is_ours = import.root == Root::Inside || import.names[0] == "solon";
            let is_cli = import.names.get(1).is_some_and(|name| name == "cli");
            if is_ours && !is_cli {
                told.push(format!("{path}:{line}: `{shown}`: main calls `cli` only"));
            }
            continue;
        }
        let Some(own) = file.source.room() else {
            continue;
        };
        if import.root == Root::Outside {
            continue;
        }
        let room = import.names.first().map_or("", String::as_str);
        match (floor(own), floor(room)) {
            _ if room == own => {}
            (_, None) => {
                told.push(format!("{path}:{line}: `{shown}` goes through `lib.rs`"));
            }
            (Some(from), Some(to)) if to < from || (own, room) == ("model", "base") => {}
            _ => told.push(format!(
                "{path}:{line}: `{own}` may not know `{room}`: `{shown}`"
            )),
        }
    }
}

fn fence_rules(file: &Scanned<'_>, told: &mut Vec<String>) {
    let path = &file.source.path;
    let Some(own) = file.source.room() else {
        return;
    };
    for import in file
        .imports
        .iter()
        .filter(|import| import.root == Root::Outside)
    {
        let (line, name) = (import.line, import.names[0].as_str());
        let fence = FENCES.iter().find(|(outside, _)| *outside == name);
        if fence.is_some_and(|(_, rooms)| !rooms.contains(&own)) {
            told.push(format!("{path}:{line}: `{name}` does not live in `{own}`"));
        }
        let is_low = floor(own).is_some_and(|floor| floor <= 1);
        if name == "serde_json" && is_low && !import.test && path != JSON_BELOW {
            told.push(format!("{path}:{line}: `{own}` knows no JSON"));
        }
    }
}

/// Inside a room: no child imports from the `mod.rs` above it, and files make no circle.
fn room_rules(scanned: &[Scanned<'_>], told: &mut Vec<String>) {
    let files: BTreeMap<Vec<String>, &Source> = scanned
        .iter()
        .filter(|file| file.source.room().is_some())
        .map(|file| (file.module.clone(), file.source))
        .collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in scanned {
        let Some(own) = file.source.room() else {
            continue;
        };
        let inside = file.imports.iter().filter(|import| {
            !import.test
                && import.root == Root::Inside
                && import.names.first().is_some_and(|n| n == own)
        });
        for import in inside {
            let Some(target) = (1..=import.names.len())
                .rev()
                .find_map(|length| files.get_key_value(&import.names[..length]))
            else {
                continue;
            };
            let (module, source) = target;
            if *module == file.module {
                continue;
            }
            if source.is_face() && file.module.starts_with(module) {
                let (path, line) = (&file.source.path, import.line);
                let shown = import.names.join("::");
                told.push(format!(
                    "{path}:{line}: `{shown}` goes through `{}`",
                    source.path
                ));
            } else {
                edges
                    .entry(&file.source.path)
                    .or_default()
                    .insert(&source.path);
            }
        }
    }
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        circles(start, &edges, &mut Vec::new(), &mut done, told);
    }
}

fn circles<'a>(
    at: &'a str,
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    trail: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    told: &mut Vec<String>,
) {
    if let Some(from) = trail.iter().position(|path| *path == at) {
        told.push(format!(
            "a circle of files: {} → {at}",
            trail[from..].join(" → ")
        ));
        return;
    }
    if done.contains(at) {
        return;
    }
    trail.push(at);
    for next in edges.get(at).into_iter().flatten() {
        circles(next, edges, trail, done, told);
    }
    trail.pop();
    done.insert(at);
}

fn undocumented_limits(text: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut documented = false;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap_or(rest);
            if !documented {
                told.push(name.to_owned());
            }
        }
        let is_sentence = line
            .strip_prefix("/// ")
            .is_some_and(|text| text.trim().len() > 3);
        documented = is_sentence || (documented && (line == "///" || line.starts_with("#[")));
    }
    told
}

/// The stable codes: whole texts such as `db/invalid-tx`, in error files and in the server.
fn codes(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in scan(sources) {
        let path = &file.source.path;
        let is_place = path.starts_with("src/") && path.ends_with("/error.rs")
            || path.starts_with("src/server/");
        let texts = file
            .tokens
            .iter()
            .filter(|token| token.kind == Kind::Text && !token.test);
        found.extend(
            texts
                .filter(|token| is_place && is_code(&token.text))
                .map(|t| t.text.clone()),
        );
    }
    found
}

fn is_code(text: &str) -> bool {
    let Some((area, slug)) = text.split_once('/') else {
        return false;
    };
    let is_area = !area.is_empty() && area.bytes().all(|b| b.is_ascii_lowercase());
    let is_slug = !slug.is_empty() && slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let is_other = matches!(
        area,
        "application" | "text" | "image" | "multipart" | "local"
    );
    is_area && is_slug && !is_other
}

/// Whether the document tells the code itself, not only a longer one that begins with it.
fn is_told(document: &str, code: &str) -> bool {
    document.match_indices(code).any(|(at, _)| {
        let next = document[at + code.len()..].chars().next();
        !next.is_some_and(|c| c.is_ascii_lowercase() || c == '-')
    })
}

// The scanner.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Text,
    Sign,
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    text: String,
    line: usize,
    /// Stands under `#[cfg(test)]`.
    test: bool,
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Inside,
    Outside,
}

/// A path that the code names, in a `use` or elsewhere; inside the crate, from its root.
#[derive(Debug)]
struct Import {
    root: Root,
    names: Vec<String>,
    line: usize,
    test: bool,
}

#[derive(Debug)]
struct Scanned<'a> {
    source: &'a Source,
    module: Vec<String>,
    tokens: Vec<Token>,
    imports: Vec<Import>,
}

fn scan(sources: &[Source]) -> Vec<Scanned<'_>> {
    let mut tested: Vec<Vec<String>> = Vec::new();
    let mut scanned: Vec<Scanned<'_>> = Vec::new();
    for source in sources {
        let mut tokens = lex(&source.text);
        mark_tests(&mut tokens);
        let module = source.module();
        for at in 0..tokens.len() {
            if tokens[at].test && is_module_line(&tokens, at) {
                tested.push([module.clone(), vec![tokens[at + 1].text.clone()]].concat());
            }
        }
        let imports = imports(&tokens, &module);
        scanned.push(Scanned {
            source,
            module,
            tokens,
            imports,
        });
    }
    // A module that is declared under `#[cfg(test)]` is a test in another file.
    for file in &mut scanned {
        if tested.iter().any(|module| file.module.starts_with(module)) {
            file.tokens.iter_mut().for_each(|token| token.test = true);
            file.imports
                .iter_mut()
                .for_each(|import| import.test = true);
        }
    }
    scanned
}

fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let (start, c) = (at, peek(at));
        let mut kind = None;
        let mut range = (start, start);
        if c == '/' && peek(at + 1) == '/' {
            while at < chars.len() && peek(at) != '\n' {
                at += 1;
            }
        } else if c == '/' && peek(at + 1) == '*' {
            at = after_comment(&chars, at);
        } else if let Some((from, to, end)) = text_at(&chars, at) {
            (kind, range, at) = (Some(Kind::Text), (from, to), end);
        } else if c == '\'' {
            at = after_quote(&chars, at);
        } else if is_name(c) {
            // A raw name, `r#type`, is the name.
            let from = if c == 'r' && peek(at + 1) == '#' {
                at + 2
            } else {
                at
            };
            at = from;
            while is_name(peek(at)) {
                at += 1;
            }
            (kind, range) = (Some(Kind::Word), (from, at));
        } else {
            at += if c == ':' && peek(at + 1) == ':' {
                2
            } else {
                1
            };
            if !c.is_whitespace() {
                (kind, range) = (Some(Kind::Sign), (start, at));
            }
        }
        if let Some(kind) = kind {
            let text = chars[range.0..range.1].iter().collect();
            tokens.push(Token {
                kind,
                text,
                line,
                test: false,
            });
        }
        let end = at.min(chars.len());
        line += chars[start..end].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn after_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// A text of any kind, plain, raw, of bytes or for C: where its inside starts and ends, and what follows it.
fn text_at(chars: &[char], start: usize) -> Option<(usize, usize, usize)> {
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut at = start;
    if matches!(peek(at), 'b' | 'c') {
        at += 1;
    }
    let raw = peek(at) == 'r';
    if raw {
        at += 1;
    }
    let mut fences = 0;
    while raw && peek(at) == '#' {
        (at, fences) = (at + 1, fences + 1);
    }
    if peek(at) != '"' {
        return None;
    }
    let from = at + 1;
    at = from;
    while at < chars.len() {
        if peek(at) == '\\' && !raw {
            at += 2;
        } else if peek(at) == '"' && (1..=fences).all(|n| peek(at + n) == '#') {
            return Some((from, at, at + 1 + fences));
        } else {
            at += 1;
        }
    }
    Some((from, chars.len(), chars.len()))
}

/// What follows a character or a lifetime.
fn after_quote(chars: &[char], start: usize) -> usize {
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    if peek(start + 1) == '\\' {
        let mut at = start + 3;
        while at < chars.len() && peek(at) != '\'' {
            at += 1;
        }
        return at + 1;
    }
    if peek(start + 2) == '\'' {
        start + 3
    } else {
        start + 1
    }
}

/// The words of the attribute whose `#` stands at `at`; none if it is not one.
fn attribute(tokens: &[Token], at: usize) -> Vec<&Token> {
    let open = if tokens.get(at + 1).is_some_and(|t| t.is_sign("!")) {
        at + 2
    } else {
        at + 1
    };
    if !tokens.get(open).is_some_and(|token| token.is_sign("[")) {
        return Vec::new();
    }
    let end = after_group(tokens, open);
    tokens[open..end]
        .iter()
        .filter(|token| token.kind == Kind::Word)
        .collect()
}

/// The place after the group that opens at `open`.
fn after_group(tokens: &[Token], open: usize) -> usize {
    let (mut at, mut depth) = (open, 0usize);
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token.kind == Kind::Sign {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let words = if tokens[at].is_sign("#") {
            attribute(tokens, at)
        } else {
            Vec::new()
        };
        let is_test = words.first().is_some_and(|word| word.is_word("cfg"))
            && words.iter().any(|word| word.is_word("test"))
            && !words.iter().any(|word| word.is_word("not"));
        if !is_test {
            at += 1;
            continue;
        }
        let is_inner = tokens[at + 1].is_sign("!");
        let end = if is_inner {
            tokens.len()
        } else {
            after_item(tokens, at)
        };
        tokens[at..end]
            .iter_mut()
            .for_each(|token| token.test = true);
        at = end;
    }
}

/// The place after the item whose first attribute stands at `at`.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.is_sign("#")) {
        at = after_group(tokens, at + 1);
    }
    while let Some(token) = tokens.get(at) {
        if token.is_sign(";") {
            return at + 1;
        }
        let end = after_group(tokens, at);
        if token.is_sign("{") {
            return end;
        }
        at = end;
    }
    at
}

/// Whether `mod name;` stands at `at`.
fn is_module_line(tokens: &[Token], at: usize) -> bool {
    tokens[at].is_word("mod") && tokens.get(at + 2).is_some_and(|token| token.is_sign(";"))
}

fn imports(tokens: &[Token], module: &[String]) -> Vec<Import> {
    let children: BTreeSet<&str> = (0..tokens.len())
        .filter(|at| is_module_line(tokens, *at))
        .map(|at| tokens[at + 1].text.as_str())
        .collect();
    let sign = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| token.is_sign(sign));
    let (mut found, mut at, mut depth) = (Vec::new(), 0, 0usize);
    let mut nested: Vec<(String, usize)> = Vec::new();
    while let Some(token) = tokens.get(at) {
        let mut paths = Vec::new();
        if token.is_word("mod") && sign(at + 2, "{") {
            depth += 1;
            nested.push((tokens[at + 1].text.clone(), depth));
            at += 3;
        } else if token.is_sign("{") {
            (at, depth) = (at + 1, depth + 1);
        } else if token.is_sign("}") {
            nested.pop_if(|(_, opened)| *opened == depth);
            (at, depth) = (at + 1, depth.saturating_sub(1));
        } else if token.is_word("use") && !sign(at + 1, "<") {
            at = tree(tokens, at + 1, Vec::new(), &mut paths);
        } else if token.is_word("crate") && at > 0 && tokens[at - 1].is_word("extern") {
            paths.extend(
                tokens
                    .get(at + 1)
                    .map(|name| (vec![name.text.clone()], name.line)),
            );
            at += 2;
        } else if token.kind == Kind::Word && sign(at + 1, "::") {
            // `pub(in path)` says who may look, and looks at nothing.
            let is_scope = at > 0 && tokens[at - 1].is_word("in") && sign(at.wrapping_sub(2), "(");
            let mut names = vec![token.text.clone()];
            while sign(at + 1, "::") && tokens.get(at + 2).is_some_and(|t| t.kind == Kind::Word) {
                names.push(tokens[at + 2].text.clone());
                at += 2;
            }
            at += 1;
            if !is_scope {
                paths.push((names, token.line));
            }
        } else {
            at += 1;
        }
        let here: Vec<String> = module
            .iter()
            .cloned()
            .chain(nested.iter().map(|(name, _)| name.clone()))
            .collect();
        found.extend(paths.into_iter().map(|(names, line)| {
            let (root, names) = resolve(names, &here, &children);
            Import {
                root,
                names,
                line,
                test: token.test,
            }
        }));
    }
    found
}

/// Opens a `use` tree that starts at `at` into its paths; answers what follows it.
fn tree(
    tokens: &[Token],
    mut at: usize,
    prefix: Vec<String>,
    paths: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let mut names = prefix;
    while let Some(token) = tokens.get(at) {
        if token.is_sign("{") {
            at += 1;
            while tokens.get(at).is_some_and(|token| !token.is_sign("}")) {
                let next = tree(tokens, at, names.clone(), paths);
                let is_comma = tokens.get(next).is_some_and(|token| token.is_sign(","));
                at = if is_comma || next == at {
                    next + 1
                } else {
                    next
                };
            }
            return at + 1;
        }
        if token.is_sign("::") {
            at += 1;
            continue;
        }
        if token.kind != Kind::Word && !token.is_sign("*") {
            return at;
        }
        // `self` inside a group is the group's own path.
        if !token.is_word("self") || names.is_empty() {
            names.push(token.text.clone());
        }
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is_sign("::")) {
            paths.push((names, token.line));
            let is_renamed = tokens.get(at).is_some_and(|token| token.is_word("as"));
            return if is_renamed { at + 2 } else { at };
        }
    }
    at
}

fn resolve(names: Vec<String>, here: &[String], children: &BTreeSet<&str>) -> (Root, Vec<String>) {
    let first = names[0].as_str();
    let mut base = match first {
        "crate" => Vec::new(),
        "self" | "super" => here.to_vec(),
        _ if children.contains(first) => return (Root::Inside, [here.to_vec(), names].concat()),
        _ => return (Root::Outside, names),
    };
    let ups = names
        .iter()
        .take_while(|name| *name == "super" || *name == "self");
    base.truncate(
        base.len()
            .saturating_sub(ups.clone().filter(|name| *name == "super").count()),
    );
    let skipped = ups.count().max(1);
    base.extend(names.into_iter().skip(skipped));
    (Root::Inside, base)
}

// The failing twins: each rule is shown a house that breaks it.

fn house(files: &[(&str, &str)]) -> Vec<Source> {
    let source = |(path, text): &(&str, &str)| Source {
        path: (*path).to_owned(),
        text: format!("//! A thing.\n{text}"),
    };
    files.iter().map(source).collect()
}

/// Each complaint holds the text expected in its place, and there are no others.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let told = complaints(&house(files));
    assert_eq!(told.len(), expected.len(), "{files:?} told {told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.contains(expected),
            "{files:?} told {told:?}, not {expected:?}"
        );
    }
}

#[test]
fn an_import_goes_down_only() {
    let cases: [(&str, &str, &[&str]); 10] = [
        ("src/query/plan.rs", "use crate::model::Value;", &[]),
        ("src/model/value.rs", "use crate::base::limits::X;", &[]),
        (
            "src/query/plan.rs",
            "use crate::db::X;",
            &["`query` may not know `db`"],
        ),
        (
            "src/query/plan.rs",
            "use crate::policy::X;",
            &["`query` may not know `policy`"],
        ),
        (
            "src/base/clock.rs",
            "use crate::model::X;",
            &["`base` may not know `model`"],
        ),
        (
            "src/store/log.rs",
            "use crate::{self as c};",
            &["through `lib.rs`"],
        ),
        (
            "src/store/log.rs",
            "use crate::Database;",
            &["through `lib.rs`"],
        ),
        ("src/main.rs", "fn main() { solon::cli::run() }", &[]),
        (
            "src/main.rs",
            "use solon::{cli, db::X};",
            &["main calls `cli` only"],
        ),
        (
            "src/main.rs",
            "use {solon as s};",
            &["main calls `cli` only"],
        ),
    ];
    for (path, text, expected) in cases {
        check(&[(path, text)], expected);
    }
}

#[test]
fn a_path_is_found_in_any_spelling_and_only_in_code() {
    let cases: [(&str, &[&str]); 11] = [
        (
            "fn f() { crate::db::open(); }",
            &["`store` may not know `db`"],
        ),
        ("fn f() -> super::super::db::X {}", &["know `db`"]),
        (
            "use crate::{base::X,\n  model::{Y, Z}, wire};",
            &[":3: `store`"],
        ),
        ("macro_rules! m { () => { $crate::db::X } }", &["know `db`"]),
        (
            "mod inner { use super::super::super::db::X; }",
            &["know `db`"],
        ),
        (
            "#[cfg(test)] mod tests { use crate::db::X; }",
            &["know `db`"],
        ),
        (
            "fn f<'a>(c: &'a u8) { '\\''; crate::db::X }",
            &["know `db`"],
        ),
        ("// use crate::db::X;\n/* /* */ crate::db::X */", &[]),
        (
            "const A: &str = \"crate::db::X\"; const B: char = '\"';",
            &[],
        ),
        ("const A: &str = \"\\\" crate::db::X\";", &[]),
        ("const A: &str = r#\"\" crate::db::X\"#;", &[]),
    ];
    for (text, expected) in cases {
        check(&[("src/store/log.rs", text)], expected);
    }
}

#[test]
fn an_outside_crate_lives_in_its_room() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("src/store/log.rs", "use redb::Database;", &[]),
        (
            "src/db/open.rs",
            "use redb::Database;",
            &["`redb` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "use ::redb::Database;",
            &["`redb` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "extern crate redb;",
            &["`redb` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "use redb as disk;",
            &["`redb` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "use {std::fmt, redb::X};",
            &["`redb` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "#[tokio::main] fn f() {}",
            &["`tokio` does not live in `db`"],
        ),
        (
            "src/db/open.rs",
            "fn f() { axum::serve() }",
            &["`axum` does not live in `db`"],
        ),
        (
            "src/lang/tree.rs",
            "use serde_json::Value;",
            &["`lang` knows no JSON"],
        ),
        (
            "src/lang/tree.rs",
            "#[cfg(test)] mod tests { use serde_json::json; }",
            &[],
        ),
        ("src/schema/bootstrap.rs", "use serde_json::Value;", &[]),
        (
            "src/cli/serve.rs",
            "use {clap::Parser, tracing_subscriber::fmt};",
            &[],
        ),
    ];
    for (path, text, expected) in cases {
        check(&[(path, text)], expected);
    }
}

#[test]
fn files_of_a_room_make_no_circle() {
    let face = ("src/query/mod.rs", "mod a; mod b; pub use a::A;");
    check(
        &[
            face,
            ("src/query/a.rs", "use super::b::B;"),
            ("src/query/b.rs", ""),
        ],
        &[],
    );
    check(
        &[face, ("src/query/a.rs", "use super::A;")],
        &["goes through `src/query/mod.rs`"],
    );
    check(
        &[face, ("src/query/a.rs", "use super::*;")],
        &["goes through `src/query/mod.rs`"],
    );
    check(
        &[face, ("src/query/a.rs", "use crate::query::A;")],
        &["through `src/query/mod.rs`"],
    );
    check(
        &[face, ("src/query/a.rs", "pub(in crate::query) fn f() {}")],
        &[],
    );
    check(
        &[
            face,
            ("src/query/a.rs", "#[cfg(test)] mod tests { use super::*; }"),
        ],
        &[],
    );
    let (a, b) = (
        ("src/query/a.rs", "use super::b::B;"),
        ("src/query/b.rs", "use super::a::A;"),
    );
    check(
        &[face, a, b],
        &["src/query/a.rs → src/query/b.rs → src/query/a.rs"],
    );
    let b = (
        "src/query/b.rs",
        "#[cfg(test)] mod tests { use crate::query::a::A; }",
    );
    check(&[face, a, b], &[]);
    let b = ("src/query/b.rs", "#[cfg(test)] mod tests;");
    check(
        &[
            face,
            a,
            b,
            ("src/query/b/tests.rs", "use crate::query::a::A;"),
        ],
        &[],
    );
    let deep = ("src/query/a/mod.rs", "mod c; pub use c::C;");
    let c = ("src/query/a/c.rs", "use crate::query::b::B;");
    check(
        &[face, deep, c, ("src/query/b.rs", "use super::a::C;")],
        &["a circle of files"],
    );
}

#[test]
fn files_and_words_are_in_order() {
    check(&[("src/shed/mod.rs", "")], &["stands in no known room"]);
    check(&[("src/shed.rs", "")], &["stands in no known room"]);
    check(&[("src/db/util.rs", "")], &["says nothing"]);
    check(&[("tests/it/common/mod.rs", "")], &["says nothing"]);
    check(
        &[("src/db/mod.rs", "pub fn f() {}")],
        &["holds `mod` and `use` lines only"],
    );
    check(&[("src/db/open.rs", "fn f() { unsafe {} }")], &["`unsafe`"]);
    check(
        &[(
            "tests/it/http.rs",
            "#[test]\n#[ignore = \"slow\"] fn f() {}",
        )],
        &["#[ignore]"],
    );
    check(
        &[("tests/it/http.rs", "#[should_panic] fn f() {}")],
        &["#[should_panic]"],
    );
    check(
        &[("tests/it/http.rs", "use std::{thread::{sleep}};")],
        &["a test that sleeps"],
    );
    check(
        &[("tests/it/http.rs", "fn f() { std::thread::sleep(x) }")],
        &["a test that sleeps"],
    );
    let bare = Source {
        path: "src/db/open.rs".to_owned(),
        text: "fn f() {}".to_owned(),
    };
    assert_eq!(
        complaints(&[bare]),
        ["src/db/open.rs: the first line is not `//!`"]
    );
}

#[test]
fn limits_and_codes_are_found() {
    let limits = "/// Why.\n/// More.\npub const A: u8 = 1;\npub const B: u8 = 2;\n///\npub const C: u8 = 3;";
    assert_eq!(undocumented_limits(limits), ["B", "C"]);
    let text = "const A: &str = \"db/no-such\"; // \"db/comment\"\nconst B: &str = \"text/html\";";
    let found = codes(&house(&[
        ("src/db/error.rs", text),
        ("src/query/plan.rs", "\"db/other\""),
    ]));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["db/no-such"]);
    assert!(is_told("`db/no-such`: none", "db/no-such"));
    assert!(!is_told("`db/no-such-thing`: none", "db/no-such"));
}
