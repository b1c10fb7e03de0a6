//! The first two stages: the body is JSON, and has the shape of a transaction.
//!
//! Shape: an array of objects, each with `_id` (a tempid, a subject's id, or a two-tuple), perhaps `_action`, and
//! at least one predicate unless it deletes. `_meta` is ignored.

use std::collections::BTreeMap;

use super::error::{Error, Problem};
use super::function::is_function;
use crate::model::SubjectId;
use crate::query::{Json, Pointer};

/// A body that has the shape of a transaction.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub(super) items: Vec<ParsedItem>,
    /// What is said of it as a part of a longer work.
    pub(super) part: Option<Part>,
}

/// What is said of a transaction that is a part of a longer work.
#[derive(Clone, Debug)]
pub struct Part {
    /// The named tempids of earlier parts, and the subjects that they came to.
    pub known: BTreeMap<String, SubjectId>,
    /// What a text means that is written as a function.
    pub functions: Functions,
}

/// What a text means that is written as a function, `"#(...)"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functions {
    /// What it evaluates to.
    Evaluated,
    /// Itself.
    Literal,
}

impl Parsed {
    /// A transaction of items that are read already, which is a part of a longer work.
    ///
    /// # Errors
    /// `Shape`.
    pub fn part(items: impl IntoIterator<Item = Json>, part: Part) -> Result<Self, Error> {
        let items = parsed_items(items, &Pointer::root())?;
        let part = Some(part);
        Ok(Self { items, part })
    }
}

impl Parsed {
    /// Where the first function in a value stands, if there is one.
    pub fn function(&self) -> Option<Pointer> {
        self.items.iter().find_map(ParsedItem::function)
    }
}

/// One item of a transaction.
#[derive(Clone, Debug)]
pub(super) struct ParsedItem {
    pub(super) at: Pointer,
    pub(super) id: ParsedId,
    pub(super) action: Action,
    pub(super) fields: Vec<(String, Json)>,
}

/// How an item names its subject.
#[derive(Clone, Debug)]
pub(super) enum ParsedId {
    /// A tempid: a collection, perhaps with a name of its own.
    Temp(String),
    /// A subject's id.
    Subject(i64),
    /// A predicate's name and a value.
    Tuple(String, Json),
}

/// What an item does with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Asserts them; `null` retracts.
    Write,
    /// Retracts them, or the whole subject.
    Delete,
    /// Erases them, or the whole subject, from every moment.
    Erase,
}

impl ParsedItem {
    fn function(&self) -> Option<Pointer> {
        self.fields
            .iter()
            .find_map(|(key, value)| function_in(value, &self.at.key(key)))
    }
}

/// The first text that is a function, in a value and what is nested in it.
fn function_in(value: &Json, at: &Pointer) -> Option<Pointer> {
    match value {
        json if is_function(json) => Some(at.clone()),
        Json::Array(list) => {
            let mut list = list.iter().enumerate();
            list.find_map(|(index, json)| function_in(json, &at.index(index)))
        }
        Json::Object(entries) => entries
            .iter()
            .find_map(|(key, json)| function_in(json, &at.key(key))),
        _ => None,
    }
}

/// Reads a transaction.
///
/// # Errors
/// `Json`, `Shape`; `Limit` for what JSON is bounded by.
pub fn parse(text: &str) -> Result<Parsed, Error> {
    let json = Json::read(text).map_err(|error| Error {
        at: None,
        problem: Problem::Json(error),
    })?;
    parse_json(json, &Pointer::root())
}

/// The same, of JSON that was read before and stands at a place of its own.
///
/// # Errors
/// `Shape`.
pub fn parse_json(json: Json, at: &Pointer) -> Result<Parsed, Error> {
    let Json::Array(items) = json else {
        return Err(Error::shape(at, "a transaction is an array of objects"));
    };
    let items = parsed_items(items, at)?;
    Ok(Parsed { items, part: None })
}

fn parsed_items(
    items: impl IntoIterator<Item = Json>,
    at: &Pointer,
) -> Result<Vec<ParsedItem>, Error> {
    let items = items
        .into_iter()
        .enumerate()
        .map(|(index, json)| item(json, at.index(index)))
        .collect::<Result<Vec<_>, Error>>()?;
    let is_erase = |it: &&ParsedItem| it.action == Action::Erase;
    if items.iter().any(|it| is_erase(&it))
        && let Some(other) = items.iter().find(|it| !is_erase(it))
    {
        let why = "a transaction that erases does nothing else";
        return Err(Error::invalid(&other.at, why));
    }
    Ok(items)
}

impl Parsed {
    /// Whether it erases, and so does nothing else.
    pub fn erases(&self) -> bool {
        self.items.iter().any(|it| it.action == Action::Erase)
    }
}

/// Checks the shape of one item.
pub(super) fn item(json: Json, at: Pointer) -> Result<ParsedItem, Error> {
    let Json::Object(entries) = json else {
        return Err(Error::shape(&at, "an item of a transaction is an object"));
    };
    let (mut id, mut action) = (None, Action::Write);
    let mut fields = Vec::new();
    for (key, value) in entries {
        match key.as_str() {
            "_id" => id = Some(parse_id(value, &at.key("_id"))?),
            "_action" => action = parse_action(&value, &at.key("_action"))?,
            "_meta" => {}
            _ => fields.push((key, value)),
        }
    }
    let Some(id) = id else {
        return Err(Error::shape(&at, "an item needs an `_id`"));
    };
    if fields.is_empty() && action == Action::Write {
        return Err(Error::shape(&at, "an item needs at least one predicate"));
    }
    if action != Action::Write && matches!(id, ParsedId::Temp(_)) {
        return Err(Error::shape(
            &at.key("_id"),
            "a tempid names nothing that could be deleted or erased",
        ));
    }
    Ok(ParsedItem {
        at,
        id,
        action,
        fields,
    })
}

fn parse_id(json: Json, at: &Pointer) -> Result<ParsedId, Error> {
    match json {
        Json::String(text) if text.is_empty() => Err(Error::shape(at, "a tempid is not empty")),
        Json::String(text) => Ok(ParsedId::Temp(text)),
        Json::Int(id) => Ok(ParsedId::Subject(id)),
        Json::Array(parts) => match <[Json; 2]>::try_from(parts) {
            Ok([Json::String(predicate), value]) => Ok(ParsedId::Tuple(predicate, value)),
            _ => Err(Error::shape(
                at,
                "a two-tuple is `[\"collection/predicate\", value]`",
            )),
        },
        _ => Err(Error::shape(
            at,
            "an `_id` is a tempid, a subject's id or a two-tuple",
        )),
    }
}

fn parse_action(json: &Json, at: &Pointer) -> Result<Action, Error> {
    match json {
        Json::String(text) => match text.as_str() {
            "add" | "insert" | "update" | "upsert" => Ok(Action::Write),
            "delete" => Ok(Action::Delete),
            "erase" => Ok(Action::Erase),
            _ => Err(Error::shape(
                at,
                "an `_action` is add, insert, update, upsert, delete or erase",
            )),
        },
        _ => Err(Error::shape(at, "an `_action` is a text")),
    }
}
