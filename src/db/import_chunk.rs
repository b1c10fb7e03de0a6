//! The part of an import that becomes one transaction: consecutive items, where they stood, and a digest of all
//! that was read up to its end.

use sha2::{Digest as _, Sha256};

use super::import_names::head;
use crate::base::limits::{
    IMPORT_CHUNK_BYTES_MAX, IMPORT_CHUNK_ITEMS_MAX, IMPORT_CHUNK_VALUES_MAX,
    IMPORT_JUDGED_VALUES_MAX,
};
use crate::model::system::collection;
use crate::model::{CollectionId, Digest, SubjectId};
use crate::query::Json;

/// What a deletion, or a `null`, counts for: it retracts what it does not name.
const UNNAMED_VALUES: usize = 100;

/// How much goes into one transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    items: usize,
    values: usize,
    bytes: usize,
}

impl Bounds {
    /// For root, whom no rule is asked about.
    pub(super) const UNJUDGED: Self = Self {
        items: IMPORT_CHUNK_ITEMS_MAX,
        values: IMPORT_CHUNK_VALUES_MAX,
        bytes: IMPORT_CHUNK_BYTES_MAX,
    };

    /// For an auth, by whose rules each value is judged.
    pub(super) const JUDGED: Self = Self {
        values: IMPORT_JUDGED_VALUES_MAX,
        ..Self::UNJUDGED
    };
}

/// What some JSON adds to a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    items: usize,
    values: usize,
    /// Whether it changes what names mean.
    is_schema: bool,
    /// Whether it erases.
    erases: bool,
}

/// Where an item stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u64,
    /// Which item of its line's array it is.
    pub(super) index: Option<usize>,
}

/// Consecutive items that become one transaction.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    items: Vec<Json>,
    places: Vec<Place>,
    bytes: usize,
    weight: Weight,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn items(&self) -> &[Json] {
        &self.items
    }

    pub(super) fn into_items(self) -> Vec<Json> {
        self.items
    }

    /// The places of its items.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether what was gathered is sent before an item of this weight and length is added.
    ///
    /// Names are looked up in the schema as it was before the transaction, and what a schema asks is asked of it as it
    /// is after; so a change of the schema is a transaction of its own. One that erases does nothing else.
    pub(super) fn is_full_for(&self, weight: &Weight, bytes: usize, bounds: &Bounds) -> bool {
        let is_past = |have: usize, more: usize, max: usize| have.saturating_add(more) > max;
        !self.is_empty()
            && (self.weight.is_schema != weight.is_schema
                || self.weight.erases != weight.erases
                || is_past(self.weight.items, weight.items, bounds.items)
                || is_past(self.weight.values, weight.values, bounds.values)
                || is_past(self.bytes, bytes, bounds.bytes))
    }

    /// Adds an item.
    pub(super) fn add(&mut self, item: Json, place: Place, weight: &Weight, bytes: usize) {
        self.items.push(item);
        self.places.push(place);
        self.bytes = self.bytes.saturating_add(bytes);
        self.weight.items = self.weight.items.saturating_add(weight.items);
        self.weight.values = self.weight.values.saturating_add(weight.values);
        self.weight.is_schema |= weight.is_schema;
        self.weight.erases |= weight.erases;
    }
}

impl Weight {
    /// What an item weighs, with what is nested in it.
    pub(super) fn of(item: &Json) -> Self {
        let mut weight = Self::default();
        weight.add(item);
        weight
    }

    fn add(&mut self, json: &Json) {
        match json {
            Json::Object(members) => {
                let Some(id) = json.member("_id") else {
                    self.values = self.values.saturating_add(1);
                    return;
                };
                self.items = self.items.saturating_add(1);
                self.is_schema |= is_schema(id);
                let action = json.member("_action").and_then(Json::as_str);
                if matches!(action, Some("delete" | "erase")) {
                    self.values = self.values.saturating_add(UNNAMED_VALUES);
                }
                self.erases |= action == Some("erase");
                members
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "_id" | "_action" | "_meta"))
                    .for_each(|(_, value)| self.add(value));
            }
            Json::Array(list) => list.iter().for_each(|value| self.add(value)),
            Json::Null => self.values = self.values.saturating_add(UNNAMED_VALUES),
            Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Double(_)
            | Json::Decimal(_)
            | Json::String(_) => {
                self.values = self.values.saturating_add(1);
            }
        }
    }
}

/// Whether an `_id` is of a collection, a predicate or a tag: these are looked up as they were before a transaction.
fn is_schema(id: &Json) -> bool {
    let is_of_schema = |name: &str| matches!(name, "_collection" | "_predicate" | "_tag");
    match id {
        Json::String(text) => is_of_schema(head(text)),
        Json::Array(pair) => pair
            .first()
            .and_then(Json::as_str)
            .and_then(|name| name.split_once('/'))
            .is_some_and(|(of, _)| is_of_schema(of)),
        Json::Int(raw) => SubjectId::from_raw(*raw)
            .map(SubjectId::collection)
            .is_some_and(|c: CollectionId| {
                matches!(
                    c,
                    collection::COLLECTION | collection::PREDICATE | collection::TAG
                )
            }),
        _ => false,
    }
}

/// A digest of all that was read.
///
/// INVARIANT(import-key): it stands for every piece up to here and for nothing else: not for how they were cut into
/// transactions, nor for what comes behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running(Digest);

impl Running {
    pub(super) fn new() -> Self {
        Self(Digest(Sha256::digest(b"solon/import/1").into()))
    }

    /// The digest of all so far.
    pub(super) fn digest(&self) -> Digest {
        self.0
    }

    /// Goes on with a piece.
    pub(super) fn add(&mut self, text: &str) {
        let mut hasher = Sha256::new();
        hasher.update(self.0.0);
        hasher.update(text.as_bytes());
        self.0 = Digest(hasher.finalize().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_weighs_what_it_may_become() {
        for (text, items, values, is_schema) in [
            (r#"{"_id": "a", "b": 1, "_meta": [1, 2]}"#, 1, 1, false),
            (
                r#"{"_id": "a", "b": [1, "x"], "c": {"d": [1, 2]}}"#,
                1,
                3,
                false,
            ),
            (
                r#"{"_id": "a", "b": {"_id": "c", "d": 1}, "e": 2}"#,
                2,
                2,
                false,
            ),
            (r#"{"_id": "a", "b": null}"#, 1, 100, false),
            (r#"{"_id": 5, "_action": "delete"}"#, 1, 100, true),
            (r#"{"_id": "_predicate$a", "name": "a/b"}"#, 1, 1, true),
            (r#"{"_id": "_tag", "id": "a/b:c"}"#, 1, 1, true),
            (r#"{"_id": "_predicates", "name": "a/b"}"#, 1, 1, false),
            (
                r#"{"_id": ["_collection/name", "a"], "doc": ""}"#,
                1,
                1,
                true,
            ),
            (
                r#"{"_id": "a", "b": {"_id": "_collection", "name": ""}}"#,
                2,
                1,
                true,
            ),
        ] {
            let weight = Weight::of(&Json::read(text).unwrap());
            let found = (weight.items, weight.values, weight.is_schema);
            assert_eq!(found, (items, values, is_schema), "{text}");
        }
    }
}
