//! A function's text with its names bound to what they name, so that a rename can write it anew.
//!
//! 1. A literal is a predicate's name where the language looks a predicate up by it: in `get` and its kin, in
//!    paths, in two-tuples, wherever it ends up once calls are put in; and where it is compared with `(?p)`. Every
//!    other literal is data, and stays.
//! 2. What is no name is kept byte for byte.
//! 3. A query in a text is kept as it is, names and all.
//! 4. Where a text could see a name by other ways than these, [`Bound::sees`] says so: such a text is not written
//!    anew, and keeps what it sees from being renamed.

use super::compile::mentions;
use super::error::Error;
use super::mention::{Mentions, Named};
use super::parse::is_symbol;
use super::question::Queries;
use crate::model::system::predicate;
use crate::model::{Names, PredicateId, SubjectId};

/// A function's text with its names bound to what they name.
#[derive(Clone, Debug)]
pub struct Bound {
    parts: Vec<Part>,
    mentions: Mentions,
}

/// What may be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// A predicate.
    Predicate,
    /// A collection, and with it its predicates.
    Collection,
    /// A stored function.
    Function,
    /// A tag of this predicate.
    TagOf(PredicateId),
}

#[derive(Clone, Debug)]
enum Part {
    Plain(String),
    Predicate { id: PredicateId, path: Path },
    Function { subject: SubjectId, name: String },
}

/// A predicate's name as a path may write it: `a/b`, `a/_b`, `a/b+`, `a/_b*`.
#[derive(Clone, Debug)]
struct Path {
    /// The text between the quotes.
    written: String,
    is_reverse: bool,
    sign: &'static str,
}

/// Predicates whose values are or hold names, each with its own, by which a query says it.
const PREDICATE_NAME: (PredicateId, &str) = (predicate::PREDICATE_NAME, "_predicate/name");
const RESTRICT_COLLECTION: (PredicateId, &str) = (
    predicate::PREDICATE_RESTRICT_COLLECTION,
    "_predicate/restrictCollection",
);
const TAG_ID: (PredicateId, &str) = (predicate::TAG_ID, "_tag/id");
const COLLECTION_NAME: (PredicateId, &str) = (predicate::COLLECTION_NAME, "_collection/name");
const RULE_COLLECTION: (PredicateId, &str) = (predicate::RULE_COLLECTION, "_rule/collection");
const RULE_PREDICATES: (PredicateId, &str) = (predicate::RULE_PREDICATES, "_rule/predicates");
const FN_NAME: (PredicateId, &str) = (predicate::FN_NAME, "_fn/name");
const FN_CODE: (PredicateId, &str) = (predicate::FN_CODE, "_fn/code");

impl Bound {
    /// Binds the names in a function's text. Names in its queries are not looked up.
    ///
    /// # Errors
    /// As the text does not compile.
    pub fn of(
        text: &str,
        params: &[String],
        names: &dyn Names,
        queries: &dyn Queries,
    ) -> Result<Self, Error> {
        let mentions = mentions(text, params, names, queries)?;
        let mut parts = Vec::new();
        let mut done = 0;
        for (at, named) in &mentions.names {
            let rest = text.get(*at..).unwrap_or("");
            let (part, length) = match named {
                Named::Predicate { id, literal } => {
                    let length = quoted(rest);
                    let written = rest.get(1..length.saturating_sub(1)).unwrap_or("");
                    let path = Path::of(written, literal);
                    (Part::Predicate { id: *id, path }, length)
                }
                Named::Function(subject) => {
                    let length = rest.find(|c| !is_symbol(c)).unwrap_or(rest.len());
                    let name = rest.get(..length).unwrap_or("").to_owned();
                    let subject = *subject;
                    (Part::Function { subject, name }, length)
                }
            };
            parts.push(Part::Plain(text.get(done..*at).unwrap_or("").to_owned()));
            parts.push(part);
            done = at.saturating_add(length);
        }
        parts.push(Part::Plain(text.get(done..).unwrap_or("").to_owned()));
        Ok(Self { parts, mentions })
    }

    /// The text, with other names for the predicates and functions that have one.
    pub fn write<'n>(
        &self,
        predicate: &dyn Fn(PredicateId) -> Option<&'n str>,
        function: &dyn Fn(SubjectId) -> Option<&'n str>,
    ) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Predicate { id, path } => {
                    text.push('"');
                    path.write(predicate(*id), &mut text);
                    text.push('"');
                }
                Part::Function { subject, name } => {
                    text.push_str(function(*subject).unwrap_or(name));
                }
            }
        }
        text
    }

    /// Whether the text names this predicate.
    pub fn names(&self, of: PredicateId) -> bool {
        let mut names = self.mentions.names.values();
        names.any(|it| matches!(it, Named::Predicate { id, .. } if *id == of))
    }

    /// Whether the text calls this function.
    pub fn calls(&self, of: SubjectId) -> bool {
        let mut names = self.mentions.names.values();
        names.any(|it| *it == Named::Function(of))
    }

    /// Whether it, or what it calls, finds subjects by values of this predicate.
    pub fn finds_by(&self, of: PredicateId) -> bool {
        self.mentions.finds_by.contains(&of)
    }

    /// Whether a query in it may say the name of this predicate or collection. Such a name is not written anew.
    pub fn asks_for(&self, name: &str) -> bool {
        let mut questions = self.mentions.questions.iter();
        questions.any(|it| it.may_name(name))
    }

    /// Whether what it says may depend on a name of this kind, in a way that [`Bound::write`] does not keep.
    pub fn sees(&self, renamed: Renamed) -> bool {
        let Mentions {
            names,
            values,
            reads_names,
            asks_predicate_name,
            asks_object,
            ..
        } = &self.mentions;
        let reads = |these: &[(PredicateId, &str)]| {
            let mut these = these.iter();
            these.any(|(id, name)| reads_names.contains(id) || self.asks_for(name))
        };
        // One literal that is a name in one call and data in another cannot be both after a rename.
        let is_both = || names.keys().any(|at| values.contains(at));
        let of_predicates = || {
            *asks_predicate_name
                || is_both()
                || reads(&[PREDICATE_NAME, RULE_PREDICATES, TAG_ID, FN_CODE])
        };
        match renamed {
            Renamed::Predicate => of_predicates(),
            Renamed::Collection => {
                of_predicates() || reads(&[COLLECTION_NAME, RULE_COLLECTION, RESTRICT_COLLECTION])
            }
            Renamed::Function => reads(&[FN_NAME, FN_CODE]),
            Renamed::TagOf(of) => *asks_object || self.names(of) || reads(&[TAG_ID]),
        }
    }
}

impl Path {
    fn of(written: &str, literal: &str) -> Self {
        Self {
            written: written.to_owned(),
            is_reverse: literal.contains("/_"),
            sign: match literal.chars().last() {
                Some('+') => "+",
                Some('*') => "*",
                _ => "",
            },
        }
    }

    fn write(&self, name: Option<&str>, text: &mut String) {
        let Some(name) = name else {
            text.push_str(&self.written);
            return;
        };
        match name.split_once('/') {
            Some((of, own)) if self.is_reverse => {
                text.push_str(of);
                text.push_str("/_");
                text.push_str(own);
            }
            _ => text.push_str(name),
        }
        text.push_str(self.sign);
    }
}

/// The length of a quoted text that begins here, quotes and all.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}
