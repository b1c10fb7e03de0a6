//! The third stage: every name is one of the schema, and nested items stand as items of their own.
//!
//! An item without its collection's name on a predicate takes the collection of its `_id`. A predicate stands only
//! on subjects of the collection it is named for. New ids follow the order of the items made here: an item, then
//! what is nested in it.

use std::collections::BTreeMap;

use super::error::{Error, Problem};
use super::parsed::{Action, ParsedId, ParsedItem, Part, item};
use crate::base::limits::{COMMIT_FLAKES_MAX, TRANSACTION_ITEMS_MAX};
use crate::model::system::collection;
use crate::model::{CollectionId, SubjectId, ValueType};
use crate::query::{Json, Pointer};
use crate::schema::{Predicate, Schema};

/// A transaction whose names are known.
#[derive(Debug)]
pub(super) struct Named<'s> {
    pub(super) items: Vec<NamedItem<'s>>,
    /// The tempids, in the order in which they are first used as an `_id`.
    pub(super) temps: Vec<Temp>,
    /// What is said of it as a part of a longer work.
    pub(super) part: Option<&'s Part>,
}

/// A new subject, or one that an upsert finds.
#[derive(Clone, Debug)]
pub(super) struct Temp {
    /// The text as it was sent.
    pub(super) text: String,
    pub(super) collection: CollectionId,
    /// Whether it has a name of its own, by which refs may mean it.
    pub(super) is_named: bool,
    /// The first item that has it.
    pub(super) at: Pointer,
}

#[derive(Debug)]
pub(super) struct NamedItem<'s> {
    pub(super) at: Pointer,
    pub(super) id: NamedId<'s>,
    pub(super) collection: CollectionId,
    pub(super) action: Action,
    pub(super) fields: Vec<NamedField<'s>>,
}

#[derive(Debug)]
pub(super) enum NamedId<'s> {
    /// The index of a [`Temp`].
    Temp(usize),
    Subject(SubjectId),
    Tuple(&'s Predicate, Json),
}

#[derive(Debug)]
pub(super) struct NamedField<'s> {
    pub(super) at: Pointer,
    pub(super) predicate: &'s Predicate,
    pub(super) values: NamedValues,
}

#[derive(Debug)]
pub(super) enum NamedValues {
    /// `null`: every value.
    All,
    These(Vec<(Pointer, NamedValue)>),
}

#[derive(Debug)]
pub(super) enum NamedValue {
    Json(Json),
    /// The index of the item that was nested here.
    Item(usize),
}

struct Namer<'s> {
    schema: &'s Schema,
    named: Named<'s>,
    known: BTreeMap<String, usize>,
    /// How many values were sent.
    values: usize,
}

/// Looks up every name.
pub(super) fn named<'s>(
    items: Vec<ParsedItem>,
    part: Option<&'s Part>,
    schema: &'s Schema,
) -> Result<Named<'s>, Error> {
    let named = Named {
        items: Vec::new(),
        temps: Vec::new(),
        part,
    };
    let mut namer = Namer {
        schema,
        named,
        known: BTreeMap::new(),
        values: 0,
    };
    for item in items {
        namer.add(item)?;
    }
    Ok(namer.named)
}

impl<'s> Namer<'s> {
    /// Adds an item and what is nested in it; returns its index.
    fn add(&mut self, item: ParsedItem) -> Result<usize, Error> {
        if self.named.items.len() >= TRANSACTION_ITEMS_MAX {
            let problem = Problem::Limit {
                what: "items",
                max: TRANSACTION_ITEMS_MAX,
            };
            return Err(Error {
                at: Some(item.at),
                problem,
            });
        }
        let ParsedItem {
            at,
            id,
            action,
            fields,
        } = item;
        let (id, collection) = self.id(id, action, &at)?;
        let index = self.named.items.len();
        self.named.items.push(NamedItem {
            at: at.clone(),
            id,
            collection,
            action,
            fields: vec![],
        });
        let mut named = Vec::new();
        for (key, value) in fields {
            named.push(self.field(&key, value, collection, action, &at)?);
        }
        if let Some(item) = self.named.items.get_mut(index) {
            item.fields = named;
        }
        Ok(index)
    }

    fn id(
        &mut self,
        id: ParsedId,
        action: Action,
        at: &Pointer,
    ) -> Result<(NamedId<'s>, CollectionId), Error> {
        let at_id = at.key("_id");
        let (id, collection) = match id {
            ParsedId::Temp(text) => {
                let (of, is_named) = self.temp_collection(&text, &at_id)?;
                let part = self.named.part.filter(|_| is_named);
                match part.and_then(|part| part.known.get(&text)) {
                    Some(s) => (NamedId::Subject(*s), s.collection()),
                    None => (NamedId::Temp(self.temp(text, of, is_named, at)), of),
                }
            }
            ParsedId::Subject(raw) => {
                let Some(subject) = SubjectId::from_raw(raw) else {
                    return Err(Error::invalid(
                        &at_id,
                        format!("`{raw}` is no subject's id"),
                    ));
                };
                (NamedId::Subject(subject), subject.collection())
            }
            ParsedId::Tuple(name, value) => {
                let Some(it) = self.schema.predicate_named(&name) else {
                    return Err(unknown(&at_id.index(0), &name));
                };
                if !it.unique || it.sealed {
                    let why = format!("a two-tuple needs a unique predicate, and `{name}` is none");
                    return Err(Error::invalid(&at_id.index(0), why));
                }
                (NamedId::Tuple(it, value), it.collection)
            }
        };
        let is_own = matches!(id, NamedId::Temp(_));
        if collection == CollectionId::TX && !is_own && action != Action::Erase {
            let why = "a transaction can say something of itself alone, as `\"_id\": \"_tx\"`";
            return Err(Error::invalid(&at_id, why));
        }
        if collection == collection::TOKEN && matches!(id, NamedId::Temp(_)) {
            return Err(Error::invalid(
                &at_id,
                "`_token` subjects are made by the engine alone",
            ));
        }
        Ok((id, collection))
    }

    /// The collection a tempid is for, and whether it has a name of its own.
    ///
    /// The whole text may be a collection's name; else it is split once, at a `$` or at the first character that
    /// is no letter, digit, `.` or `_`.
    fn temp_collection(&self, text: &str, at: &Pointer) -> Result<(CollectionId, bool), Error> {
        if let Some(it) = self.schema.collection_named(text) {
            return Ok((it.id, false));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let of = match text.split_once('$') {
            Some((of, _)) => of,
            None => text.split(|c: char| !is_word(c)).next().unwrap_or_default(),
        };
        match self.schema.collection_named(of) {
            Some(it) if of.len() < text.len() => Ok((it.id, true)),
            _ => Err(Error::invalid(
                at,
                format!("collection does not exist: `{of}`"),
            )),
        }
    }

    fn temp(&mut self, text: String, of: CollectionId, is_named: bool, at: &Pointer) -> usize {
        if is_named && let Some(known) = self.known.get(&text) {
            return *known;
        }
        let index = self.named.temps.len();
        if is_named {
            self.known.insert(text.clone(), index);
        }
        self.named.temps.push(Temp {
            text,
            collection: of,
            is_named,
            at: at.clone(),
        });
        index
    }

    fn field(
        &mut self,
        key: &str,
        json: Json,
        of: CollectionId,
        action: Action,
        at: &Pointer,
    ) -> Result<NamedField<'s>, Error> {
        let at = at.key(key);
        let name = self.schema.collection(of).map_or("", |it| &*it.name);
        let Some(it) = self.schema.predicate_of(name, key) else {
            return Err(unknown(&at, key));
        };
        if it.collection != of {
            let why = format!("`{}` does not stand on subjects of `{name}`", it.name);
            return Err(Error::invalid(&at, why));
        }
        if it.by_engine {
            let why = format!("`{}` is written by the engine alone", it.name);
            return Err(Error::invalid(&at, why));
        }
        let values = match json {
            Json::Null => NamedValues::All,
            Json::Array(list) if it.multi && !is_tuple(&list, it) => {
                self.bounded(list.len(), &at)?;
                let list = list.into_iter().enumerate();
                let list = list
                    .map(|(index, json)| (at.index(index), json))
                    .collect::<Vec<_>>();
                NamedValues::These(self.values(list, it, action)?)
            }
            json => NamedValues::These(self.values(vec![(at.clone(), json)], it, action)?),
        };
        Ok(NamedField {
            at,
            predicate: it,
            values,
        })
    }

    /// A value takes more memory with its place than it took in the text, so their number is looked at first.
    fn bounded(&mut self, values: usize, at: &Pointer) -> Result<(), Error> {
        self.values = self.values.saturating_add(values);
        if self.values <= COMMIT_FLAKES_MAX {
            return Ok(());
        }
        let problem = Problem::Limit {
            what: "values",
            max: COMMIT_FLAKES_MAX,
        };
        Err(Error {
            at: Some(at.clone()),
            problem,
        })
    }

    fn values(
        &mut self,
        list: Vec<(Pointer, Json)>,
        it: &Predicate,
        action: Action,
    ) -> Result<Vec<(Pointer, NamedValue)>, Error> {
        let mut values = Vec::new();
        for (at, json) in list {
            let value = match json {
                Json::Object(_) if it.value_type == ValueType::Ref => {
                    if action != Action::Write {
                        return Err(Error::shape(
                            &at,
                            "nothing can be nested in what is deleted or erased",
                        ));
                    }
                    let nested = item(json, at.clone())?;
                    if nested.action == Action::Erase {
                        let why = "what is erased is not nested in what is written";
                        return Err(Error::invalid(&at, why));
                    }
                    NamedValue::Item(self.add(nested)?)
                }
                json => NamedValue::Json(json),
            };
            values.push((at, value));
        }
        Ok(values)
    }
}

/// Whether a list under a ref is a two-tuple: a predicate's name and a value.
fn is_tuple(list: &[Json], it: &Predicate) -> bool {
    it.value_type == ValueType::Ref && matches!(list, [Json::String(name), _] if name.contains('/'))
}

fn unknown(at: &Pointer, name: &str) -> Error {
    Error::invalid(at, format!("predicate does not exist: `{name}`"))
}
