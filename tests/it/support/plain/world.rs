//! What is true in the plain model, and what each author sees of it and may write.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{COLLECTIONS, predicate};
use super::value::Plain;

/// A fact: the subject, the predicate's name, the value.
pub type Fact = (i64, &'static str, Plain);

/// Who makes a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Root,
    /// Sees and writes what `set_up` gives her.
    Ann,
}

/// Everything that is true.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub facts: BTreeSet<Fact>,
    /// The number that the next new subject of a collection has.
    pub next: BTreeMap<&'static str, i64>,
    /// The newest block.
    pub block: i64,
    pub now_ms: i64,
    /// The user of ann.
    pub ann: i64,
}

/// Why a transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub at: String,
}

/// What a tempid became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    One(i64),
    Range(i64, i64),
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Made {
    /// The flakes that its author sees, and whether each is asserted.
    pub flakes: BTreeSet<(Fact, bool)>,
    pub tempids: Vec<(String, Told)>,
    /// The predicates that are warned of.
    pub warnings: Vec<String>,
    /// What is true after it.
    pub after: World,
}

pub fn refuse<R>(code: &'static str, at: &str) -> Result<R, Refusal> {
    Err(Refusal {
        code,
        at: at.to_owned(),
    })
}

pub fn invalid<R>(at: &str) -> Result<R, Refusal> {
    refuse("db/invalid-tx", at)
}

/// The place of a key under a place.
pub fn under(at: &str, key: impl std::fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{key}")
}

/// The collection that an id is of.
pub fn collection_of(s: i64) -> &'static str {
    if s < 0 {
        return "_tx";
    }
    let number = s >> 44;
    let found = COLLECTIONS.iter().find(|(_, id)| *id == number);
    found.map_or("?", |(name, _)| name)
}

impl World {
    pub fn new_subject(&mut self, of: &'static str) -> i64 {
        let first = if of.starts_with('_') { 1_001 } else { 0 };
        let number = self.next.entry(of).or_insert(first);
        let id = COLLECTIONS.iter().find(|(name, _)| *name == of).unwrap().1;
        *number += 1;
        (id << 44) + *number - 1
    }

    pub fn exists(&self, s: i64) -> bool {
        self.of(s).next().is_some()
    }

    pub fn of(&self, s: i64) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |fact| fact.0 == s)
    }

    pub fn values(&self, s: i64, p: &str) -> Vec<Plain> {
        let of = self.of(s).filter(|fact| fact.1 == p);
        of.map(|fact| fact.2.clone()).collect()
    }

    /// The subjects that have a value.
    pub fn having(&self, p: &str, o: &Plain) -> Vec<i64> {
        let facts = self.facts.iter().filter(|fact| fact.1 == p && fact.2 == *o);
        facts.map(|fact| fact.0).collect()
    }

    pub fn is_owned(&self, s: i64) -> bool {
        self.values(s, "item/owner") == [Plain::Ref(self.ann)]
    }

    /// Whether the rules let an author read a fact.
    fn passes(&self, who: Who, (s, p, _): &Fact) -> bool {
        match predicate(p).unwrap().of() {
            _ if who == Who::Root => true,
            "item" => *p != "item/secret" && self.is_owned(*s),
            "part" | "box" | "_user" | "_tx" => true,
            "_tag" => self.shows_tag(*s),
            _ => false,
        }
    }

    /// A tag is seen where it must be there before it is used, or where its use is seen.
    fn shows_tag(&self, tag: i64) -> bool {
        let restricted =
            |fact: &Fact| matches!(&fact.2, Plain::Text(id) if id.starts_with("item/state:"));
        let mut used = self.facts.iter().filter(|fact| fact.2 == Plain::Ref(tag));
        self.of(tag).any(restricted) || used.any(|fact| self.passes(Who::Ann, fact))
    }

    /// Whether an author sees a fact: a ref to what they see nothing of is not there.
    pub fn sees(&self, who: Who, fact: &Fact) -> bool {
        let leads_on = match &fact.2 {
            Plain::Ref(to) if who == Who::Ann && collection_of(*to) != "_tag" => {
                self.of(*to).any(|fact| self.passes(who, fact))
            }
            _ => true,
        };
        leads_on && self.passes(who, fact)
    }

    pub fn sees_subject(&self, who: Who, s: i64) -> bool {
        self.of(s).any(|fact| self.sees(who, fact))
    }

    /// The subject that an author finds by a value.
    pub fn find(&self, who: Who, p: &'static str, o: &Plain) -> Option<i64> {
        let mut found = self.having(p, o).into_iter();
        found.find(|s| self.sees(who, &(*s, p, o.clone())))
    }

    /// The values that an author sees.
    pub fn seen_values(&self, who: Who, s: i64, p: &str) -> Vec<Plain> {
        let seen = self
            .of(s)
            .filter(|fact| fact.1 == p && self.sees(who, fact));
        seen.map(|fact| fact.2.clone()).collect()
    }
}
