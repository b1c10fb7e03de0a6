//! What the named tempids of an import came to, over the whole of it.
//!
//! A name is kept as the first half of its SHA-256, so that a name costs the same whatever its length; that two of
//! them agree by chance is out of the question.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::error::{Error, ErrorKind, LimitKind};
use crate::base::limits::IMPORT_NAMES_MAX;
use crate::model::SubjectId;
use crate::query::Json;

type NameHash = [u8; 16];

/// The named tempids so far.
#[derive(Debug)]
pub(super) struct Names {
    known: HashMap<NameHash, SubjectId>,
    /// What stands before the `$` in any of them: a text with another head is no such name.
    heads: HashSet<String>,
    max: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            heads: HashSet::new(),
            max: IMPORT_NAMES_MAX,
        }
    }
}

impl Names {
    /// Keeps what a name came to.
    ///
    /// # Errors
    /// `Limit` past the number of names that are kept.
    pub(super) fn keep(&mut self, name: &str, s: SubjectId) -> Result<(), Error> {
        let head = head(name);
        if !self.heads.contains(head) {
            self.heads.insert(head.to_owned());
        }
        self.known.insert(hash(name), s);
        if self.known.len() > self.max {
            let why = format!("an import has at most {} named tempids", self.max);
            let kind = ErrorKind::Limit(LimitKind::Body);
            return Err(Error::new(kind, "db/limit", why));
        }
        Ok(())
    }

    /// Those names among the texts of some items that are known.
    pub(super) fn used_in(&self, items: &[Json]) -> BTreeMap<String, SubjectId> {
        let mut used = BTreeMap::new();
        if !self.known.is_empty() {
            for item in items {
                self.collect(item, &mut used);
            }
        }
        used
    }

    fn collect(&self, json: &Json, used: &mut BTreeMap<String, SubjectId>) {
        match json {
            Json::String(text) => {
                if self.heads.contains(head(text))
                    && let Some(s) = self.known.get(&hash(text))
                {
                    used.insert(text.clone(), *s);
                }
            }
            Json::Array(list) => list.iter().for_each(|json| self.collect(json, used)),
            Json::Object(members) => members
                .iter()
                .for_each(|(_, json)| self.collect(json, used)),
            Json::Null
            | Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Double(_)
            | Json::Decimal(_) => {}
        }
    }
}

/// The collection that a tempid names, if it is one: what stands before a `$`, or before the first character that is
/// no letter, digit, `.` or `_`.
pub(super) fn head(text: &str) -> &str {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    match text.split_once('$') {
        Some((head, _)) => head,
        None => text.split(|c: char| !is_word(c)).next().unwrap_or(text),
    }
}

fn hash(name: &str) -> NameHash {
    let mut half = [0; 16];
    let whole: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    half.iter_mut()
        .zip(whole)
        .for_each(|(half, byte)| *half = byte);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_has_so_many_names_and_no_more() {
        let s = SubjectId::from_raw(5).unwrap();
        let mut names = Names {
            max: 2,
            ..Names::default()
        };
        for name in ["a$1", "a$2", "a$1"] {
            assert_eq!(names.keep(name, s), Ok(()));
        }
        let refused = names.keep("b$1", s).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Limit(LimitKind::Body));
        assert_eq!(Names::default().max, IMPORT_NAMES_MAX);
    }

    #[test]
    fn the_names_that_some_items_use_are_found_wherever_they_stand() {
        let s = |raw| SubjectId::from_raw(raw).unwrap();
        let mut names = Names::default();
        names.keep("person$ada", s(5)).unwrap();
        names.keep("my-team$1", s(6)).unwrap();
        names.keep("person#bob", s(7)).unwrap();
        let text = r#"{"_id": "person$ada", "friends": ["person#bob", "person$eve"],
                       "team": {"_id": "team", "under": "my-team$1"}, "age": 3}"#;
        let used = names.used_in(&[Json::read(text).unwrap()]);
        let expected = [("my-team$1", 6), ("person#bob", 7), ("person$ada", 5)];
        let expected = expected.map(|(name, raw)| (name.to_owned(), s(raw)));
        assert_eq!(used, BTreeMap::from(expected));
    }
}
