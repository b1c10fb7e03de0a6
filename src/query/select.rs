//! What a query tells of each subject: the tree under `select`.
//!
//! ```text
//! select  = [ item, .. ]
//! item    = "*" | "_id" | "person/handle" | "handle" | "chat/_person" | { name: select, .. } | { option: .., .. }
//! option  = "_as" | "_limit" | "_offset" | "_orderBy" | "_recur" | "_compact"
//! ```
//!
//! Options stand inside the array they are for, and only in one below the first. `chat/_person` goes the reference
//! `chat/person` backwards.
//!
//! Names are kept as written: which predicate `handle` is depends on the subject it is asked of.

use std::collections::HashSet;

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::reader::predicate_in;
use crate::base::limits::CRAWL_DEPTH_MAX;
use crate::model::CollectionId;
use crate::schema::Schema;

/// The order of subjects: by a predicate's value; those without one last, those alike newest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) at: Pointer,
    /// A predicate's name, or `_id`.
    pub(super) name: String,
    pub(super) way: Way,
}

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// An array of items, with its options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Select {
    pub(super) items: Vec<Item>,
    pub(super) rename: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
    pub(super) order: Option<Order>,
    pub(super) recur: usize,
    pub(super) compact: Option<bool>,
    pub(super) component: Option<bool>,
}

/// One thing told of a subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) at: Pointer,
    /// As written.
    pub(super) written: String,
    pub(super) what: What,
    /// What to tell of the subjects it leads to.
    pub(super) select: Option<Select>,
}

/// What an item names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    All,
    Id,
    /// The values of a predicate.
    Forward(String),
    /// The subjects that refer here by a predicate, given by its full name.
    Reverse(String),
}

impl Item {
    /// The key under which it is told, if that is free.
    pub(super) fn key(&self, is_compact: bool) -> &str {
        if let Some(name) = self.select.as_ref().and_then(|it| it.rename.as_deref()) {
            return name;
        }
        match (is_compact, self.written.split_once('/'), &self.what) {
            (true, Some((_, own)), What::Forward(_)) => own,
            (true, Some((collection, _)), What::Reverse(_)) => collection,
            _ => &self.written,
        }
    }

    /// How many levels below it may come again.
    pub(super) fn recur(&self) -> usize {
        self.select.as_ref().map_or(0, |it| it.recur)
    }
}

impl Select {
    /// Everything of a subject.
    pub(super) fn everything() -> Self {
        Self {
            items: vec![Item {
                at: Pointer::root(),
                written: "*".to_owned(),
                what: What::All,
                select: None,
            }],
            ..Self::default()
        }
    }

    /// Reads the array under `select`.
    ///
    /// # Errors
    /// `InvalidQuery` if it is malformed; `Limit` past [`CRAWL_DEPTH_MAX`].
    pub(super) fn read(json: &Json, at: &Pointer) -> Result<Self, Error> {
        let select = read_select(json, at, Place::Top)?;
        if select.depth() > CRAWL_DEPTH_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "the levels of a crawl",
                max: CRAWL_DEPTH_MAX,
            });
        }
        Ok(select)
    }

    /// Sees that every full name is a predicate's, and that what is gone through is a ref.
    ///
    /// # Errors
    /// `InvalidQuery` at the first that is not.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), Error> {
        for item in &self.items {
            let name = match &item.what {
                What::Forward(name) if name.contains('/') => name,
                What::Reverse(name) => name,
                What::All | What::Id | What::Forward(_) => continue,
            };
            let of = schema
                .predicate_named(name)
                .ok_or_else(|| invalid(&item.at, &format!("there is no predicate `{name}`")))?;
            let goes_through = item.select.as_ref().is_some_and(|it| !it.items.is_empty());
            if (goes_through || matches!(item.what, What::Reverse(_))) && !of.is_ref() {
                let why = format!("`{name}` is no ref, so it leads to no subjects");
                return Err(invalid(&item.at, &why));
            }
        }
        for select in self.items.iter().filter_map(|item| item.select.as_ref()) {
            if let Some(order) = &select.order {
                order.check(None, schema)?;
            }
            select.check(schema)?;
        }
        Ok(())
    }

    /// How many levels lie below this one at most.
    fn depth(&self) -> usize {
        let selects = self.items.iter().filter_map(|item| item.select.as_ref());
        selects
            .map(|it| it.depth().saturating_add(it.recur).saturating_add(1))
            .max()
            .unwrap_or(0)
    }
}

impl Order {
    /// Reads `"person/age"` or `["DESC", "person/age"]`.
    ///
    /// # Errors
    /// `InvalidQuery` if it is neither.
    pub(super) fn read(json: &Json, at: &Pointer) -> Result<Self, Error> {
        let (name, way) = match json {
            Json::String(name) => (name, Way::Up),
            Json::Array(pair) => match pair.as_slice() {
                [Json::String(way), Json::String(name)] if way == "ASC" => (name, Way::Up),
                [Json::String(way), Json::String(name)] if way == "DESC" => (name, Way::Down),
                _ => return Err(invalid_order(at)),
            },
            _ => return Err(invalid_order(at)),
        };
        Ok(Self {
            at: at.clone(),
            name: name.clone(),
            way,
        })
    }

    /// Sees that the name is a predicate's whose values may be seen, as far as it says so by itself or in `collection`.
    ///
    /// # Errors
    /// `InvalidQuery` if it is not.
    pub(super) fn check(
        &self,
        collection: Option<CollectionId>,
        schema: &Schema,
    ) -> Result<(), Error> {
        let of = match collection {
            _ if self.name == "_id" => return Ok(()),
            Some(c) => predicate_in(c, &self.name, schema),
            None if self.name.contains('/') => schema.predicate_named(&self.name),
            None => return Ok(()),
        };
        if of.is_some_and(|of| !of.sealed) {
            return Ok(());
        }
        let why = format!("there is no predicate `{}` to order by", self.name);
        Err(invalid(&self.at, &why))
    }
}

/// A whole number that is not negative, such as a limit.
///
/// # Errors
/// `InvalidQuery` if it is something else.
pub(super) fn count(json: &Json, at: &Pointer) -> Result<usize, Error> {
    let count = match json {
        Json::Int(count) => usize::try_from(*count).ok(),
        Json::UInt(count) => usize::try_from(*count).ok(),
        _ => None,
    };
    count.ok_or_else(|| invalid(at, "expected a whole number, 0 or more"))
}

/// A boolean option.
///
/// # Errors
/// `InvalidQuery` if it is something else.
pub(super) fn switch(json: &Json, at: &Pointer) -> Result<bool, Error> {
    match json {
        Json::Bool(it) => Ok(*it),
        _ => Err(invalid(at, "expected true or false")),
    }
}

pub(super) fn invalid(at: &Pointer, why: &str) -> Error {
    Error::InvalidQuery {
        at: at.clone(),
        why: why.to_owned(),
    }
}

fn invalid_order(at: &Pointer) -> Error {
    invalid(
        at,
        "an order is `\"predicate\"`, or `[\"ASC\" or \"DESC\", \"predicate\"]`",
    )
}

/// Which array is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Below,
}

fn read_select(json: &Json, at: &Pointer, place: Place) -> Result<Select, Error> {
    let Json::Array(entries) = json else {
        return Err(invalid(at, "expected an array of what to select"));
    };
    let mut select = Select::default();
    for (index, entry) in entries.iter().enumerate() {
        let at = at.index(index);
        match entry {
            Json::String(name) => select.items.push(read_item(name, None, &at)?),
            Json::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    let at = at.key(name);
                    if name.starts_with('_') && !name.contains('/') {
                        read_option(&mut select, name, value, &at, place)?;
                    } else {
                        let inner = read_select(value, &at, Place::Below)?;
                        select.items.push(read_item(name, Some(inner), &at)?);
                    }
                }
            }
            _ => {
                let why = "expected `\"*\"`, a predicate's name, or an object of names with arrays";
                return Err(invalid(&at, why));
            }
        }
    }
    let mut keys = HashSet::new();
    for item in &select.items {
        let key = item.key(false);
        if !keys.insert(key) {
            let why = format!("`{key}` is selected twice");
            return Err(invalid(&item.at, &why));
        }
    }
    Ok(select)
}

fn read_item(name: &str, select: Option<Select>, at: &Pointer) -> Result<Item, Error> {
    let what = match (name, name.split_once('/')) {
        ("*", _) => What::All,
        ("_id", _) => What::Id,
        (_, Some((collection, own))) => match own.strip_prefix('_') {
            Some(own) => What::Reverse(format!("{collection}/{own}")),
            None => What::Forward(name.to_owned()),
        },
        (_, None) if name.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            What::Forward(name.to_owned())
        }
        _ => return Err(invalid(at, &format!("`{name}` is no predicate's name"))),
    };
    if select.is_some() && matches!(what, What::All | What::Id) {
        return Err(invalid(at, &format!("`{name}` takes no array")));
    }
    Ok(Item {
        at: at.clone(),
        written: name.to_owned(),
        what,
        select,
    })
}

fn read_option(
    select: &mut Select,
    name: &str,
    value: &Json,
    at: &Pointer,
    place: Place,
) -> Result<(), Error> {
    if place == Place::Top {
        let why = format!("`{name}` stands inside the array under a predicate; here use `opts`");
        return Err(invalid(at, &why));
    }
    match name {
        "_as" => match value {
            Json::String(name) if !name.is_empty() && name != "_id" => {
                select.rename = Some(name.clone());
            }
            _ => return Err(invalid(at, "expected a name other than `_id`")),
        },
        "_limit" => select.limit = Some(count(value, at)?),
        "_offset" => select.offset = count(value, at)?,
        "_orderBy" => select.order = Some(Order::read(value, at)?),
        "_recur" => select.recur = count(value, at)?,
        "_compact" => select.compact = Some(switch(value, at)?),
        "_component" => select.component = Some(switch(value, at)?),
        _ => return Err(invalid(at, &format!("there is no option `{name}`"))),
    }
    Ok(())
}
