//! Shape, names, and what an author can never write.

use serde_json::Value as Json;

use super::schema::{COLLECTIONS, Kind, PREDICATES, Predicate, predicate};
use super::world::{Refusal, Who, collection_of, invalid, refuse, under};

/// How an item names its subject.
#[derive(Clone, Debug)]
pub enum Id {
    /// The place among [`Named::temps`].
    Temp(usize),
    Subject(i64),
    Tuple(&'static Predicate, Json),
}

/// A value as it was sent.
#[derive(Clone, Debug)]
pub enum Sent {
    Json(Json),
    /// The place of a nested item among [`Named::items`].
    Nested(usize),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub at: String,
    pub p: &'static Predicate,
    /// None is `null`: every value.
    pub values: Option<Vec<(String, Sent)>>,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub at: String,
    pub id: Id,
    pub of: &'static str,
    pub deletes: bool,
    pub fields: Vec<Field>,
}

impl Item {
    /// Whether it deletes its subject.
    pub fn deletes_all(&self) -> bool {
        self.deletes && self.fields.is_empty()
    }
}

/// A tempid: each without a name is a subject of its own.
#[derive(Clone, Debug)]
pub struct Temp {
    pub text: String,
    pub of: &'static str,
    pub has_name: bool,
    /// The first item that has it.
    pub at: String,
}

#[derive(Clone, Debug, Default)]
pub struct Named {
    pub items: Vec<Item>,
    pub temps: Vec<Temp>,
}

/// Reads a transaction: the shape of all of it, then the names of all of it.
pub fn named(transaction: &Json) -> Result<Named, Refusal> {
    let Json::Array(items) = transaction else {
        return refuse("db/invalid-transaction", "");
    };
    for (index, item) in items.iter().enumerate() {
        shape(item, &under("", index))?;
    }
    let mut named = Named::default();
    for (index, item) in items.iter().enumerate() {
        named.add(item, &under("", index))?;
    }
    Ok(named)
}

fn shape(item: &Json, at: &str) -> Result<(), Refusal> {
    let malformed = |at: &str| refuse("db/invalid-transaction", at);
    let Json::Object(fields) = item else {
        return malformed(at);
    };
    let (mut deletes, mut count) = (false, 0);
    for (key, value) in fields {
        let at = under(at, key);
        let is_good = match key.as_str() {
            "_id" => match value {
                Json::String(text) => !text.is_empty(),
                Json::Number(number) => number.is_i64(),
                Json::Array(pair) => pair.len() == 2 && pair[0].is_string(),
                _ => false,
            },
            "_action" => {
                deletes = value == "delete";
                ["add", "insert", "update", "upsert", "delete"]
                    .contains(&value.as_str().unwrap_or(""))
            }
            "_meta" => true,
            _ => {
                count += 1;
                true
            }
        };
        if !is_good {
            return malformed(&at);
        }
    }
    match fields.get("_id") {
        None => malformed(at),
        Some(_) if count == 0 && !deletes => malformed(at),
        Some(Json::String(_)) if deletes => malformed(&under(at, "_id")),
        Some(_) => Ok(()),
    }
}

fn collection(name: &str) -> Option<&'static str> {
    let known = COLLECTIONS.iter().map(|(name, _)| *name).chain(["_tx"]);
    known.into_iter().find(|it| *it == name)
}

impl Named {
    fn add(&mut self, item: &Json, at: &str) -> Result<usize, Refusal> {
        let (id, of) = self.id(&item["_id"], at)?;
        let deletes = item.get("_action").is_some_and(|it| it == "delete");
        let index = self.items.len();
        self.items.push(Item {
            at: at.to_owned(),
            id,
            of,
            deletes,
            fields: Vec::new(),
        });
        for (key, value) in item.as_object().unwrap() {
            if !["_id", "_action", "_meta"].contains(&key.as_str()) {
                let field = self.field(key, value, of, deletes, &under(at, key))?;
                self.items[index].fields.push(field);
            }
        }
        Ok(index)
    }

    fn id(&mut self, id: &Json, at: &str) -> Result<(Id, &'static str), Refusal> {
        let at_id = under(at, "_id");
        match id {
            Json::String(text) => {
                let (of, has_name) = if let Some(of) = collection(text) {
                    (of, false)
                } else {
                    let end = text.find('$').or_else(|| {
                        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                    });
                    let Some(of) = end.and_then(|end| collection(&text[..end])) else {
                        return invalid(&at_id);
                    };
                    (of, true)
                };
                let known = self
                    .temps
                    .iter()
                    .position(|it| has_name && it.text == *text);
                let index = known.unwrap_or(self.temps.len());
                if known.is_none() {
                    self.temps.push(Temp {
                        text: text.clone(),
                        of,
                        has_name,
                        at: at.to_owned(),
                    });
                }
                Ok((Id::Temp(index), of))
            }
            Json::Array(pair) => match pair[0].as_str().and_then(predicate) {
                Some(p) if p.has("unique") => Ok((Id::Tuple(p, pair[1].clone()), p.of())),
                _ => invalid(&under(&at_id, 0)),
            },
            number => {
                let s = number.as_i64().unwrap();
                if !(0..512 << 44).contains(&s) {
                    return invalid(&at_id);
                }
                Ok((Id::Subject(s), collection_of(s)))
            }
        }
    }

    fn field(
        &mut self,
        key: &str,
        value: &Json,
        of: &'static str,
        deletes: bool,
        at: &str,
    ) -> Result<Field, Refusal> {
        let name = if key.contains('/') {
            key.to_owned()
        } else {
            format!("{of}/{key}")
        };
        let Some(p) = predicate(&name).filter(|p| p.of() == of) else {
            return invalid(at);
        };
        let list: Vec<(String, &Json)> = match value {
            Json::Null => {
                let at = at.to_owned();
                let values = None;
                return Ok(Field { at, p, values });
            }
            Json::Array(list) if p.has("multi") && !is_tuple(list, p) => {
                let places = list.iter().enumerate();
                places.map(|(index, it)| (under(at, index), it)).collect()
            }
            one => vec![(at.to_owned(), one)],
        };
        let mut values = Vec::new();
        for (at, json) in list {
            let value = if json.is_object() && p.kind == Kind::Ref {
                // What is nested has its turn where it stands, its shape too.
                if deletes {
                    return refuse("db/invalid-transaction", &at);
                }
                shape(json, &at)?;
                Sent::Nested(self.add(json, &at)?)
            } else {
                Sent::Json(json.clone())
            };
            values.push((at, value));
        }
        Ok(Field {
            at: at.to_owned(),
            p,
            values: Some(values),
        })
    }
}

/// Whether a list under a ref is a two-tuple.
fn is_tuple(list: &[Json], p: &Predicate) -> bool {
    p.kind == Kind::Ref
        && list.len() == 2
        && list[0].as_str().is_some_and(|name| name.contains('/'))
}

/// Whether an author could ever write a predicate, whatever the facts.
fn could_write(who: Who, p: &str) -> bool {
    let of = predicate(p).unwrap().of();
    who == Who::Root || (["item", "part", "_tx"].contains(&of) && p != "item/locked")
}

/// What an author can never write is refused before any fact is read.
pub fn coarse(who: Who, named: &Named) -> Result<(), Refusal> {
    for item in &named.items {
        for field in &item.fields {
            if !could_write(who, field.p.name) {
                return refuse("db/write-permission", &field.at);
            }
        }
        let mut of_it = PREDICATES.iter().filter(|p| p.of() == item.of);
        let is_bound = who == Who::Ann && item.fields.is_empty();
        if is_bound && !of_it.any(|p| could_write(who, p.name)) {
            return refuse("db/write-permission", &item.at);
        }
    }
    Ok(())
}
