//! Subjects as JSON objects, and what their refs lead to as objects in these.
//!
//! 1. A subject is told as an object that begins with `_id`; what it lacks is left out. A ref that is not gone through
//!    is `{"_id": n}`. A predicate that is multi, and a reverse one, is an array always, or left out.
//! 2. `*` tells what no other item of the same array names.
//! 3. A ref to a subject that is not seen is not told. That is the work of whoever hands in the facts: the ref is
//!    itself not among them.
//! 4. `_recur` ends where the way from the row comes to a subject a second time, and tells that one as a plain ref.
//! 5. What a component ref leads to is told whole where `*` tells the ref, unless `component` is false, and so on down
//!    to `CRAWL_DEPTH_MAX` levels.
//! 6. Values of a predicate ascend; referrers come newest first; `_orderBy` orders either as it orders rows.

use std::cell::Cell;

use super::error::Error;
use super::find::{by_key, order_key, too_many_rows};
use super::json::Json;
use super::output::to_json;
use super::reader::{Reader, Row, newest_first, predicate_in, values};
use super::select::{Item, Select, What};
use crate::base::limits::{CRAWL_DEPTH_MAX, QUERY_ROWS_MAX};
use crate::model::{SubjectId, Value, ValueRef, ValueType};
use crate::schema::Predicate;

/// How keys are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// As written.
    Written,
    /// Without the collection; a reverse one by the collection alone.
    Compact,
}

/// The making of one answer.
pub(super) struct Crawl<'r> {
    reader: &'r Reader<'r>,
    everything: Select,
    objects: Cell<usize>,
}

/// An item that comes again below where it stands, so many levels more.
#[derive(Clone, Copy)]
struct Recur<'q> {
    item: &'q Item,
    left: usize,
}

/// Where in the answer an object stands.
struct Place<'q, 'p> {
    keys: Keys,
    /// Whether `*` tells components whole.
    components: bool,
    recur: Option<Recur<'q>>,
    /// The subjects from the row to this one.
    way: &'p [SubjectId],
}

/// How many keys are compared for one step of the budget.
const LOOKS_OF_A_STEP: usize = 8;

type Members = Vec<(String, Json)>;

impl<'r> Crawl<'r> {
    pub(super) fn new(reader: &'r Reader<'r>) -> Self {
        Self {
            reader,
            everything: Select::everything(),
            objects: Cell::new(0),
        }
    }

    /// A row of the answer.
    ///
    /// # Errors
    /// `Limit` past [`QUERY_ROWS_MAX`] objects; `Facts`.
    pub(super) fn row(
        &self,
        s: SubjectId,
        row: &Row,
        select: &Select,
        keys: Keys,
        components: bool,
    ) -> Result<Json, Error> {
        let place = Place {
            keys,
            components,
            recur: None,
            way: &[],
        };
        self.object(s, row, select, &place)
    }

    fn object(
        &self,
        s: SubjectId,
        row: &Row,
        select: &Select,
        place: &Place<'_, '_>,
    ) -> Result<Json, Error> {
        let mut members = self.begin(s)?;
        let mut way = place.way.to_vec();
        way.push(s);
        // An item that is written here counts more than the same one coming again.
        let is_written = |item: &Item| select.items.iter().any(|it| it.what == item.what);
        let again = place.recur.filter(|it| !is_written(it.item));
        let again = again.map(|it| (it.item, it.left));
        let written = select.items.iter().map(|item| (item, item.recur()));
        let items: Vec<(&Item, usize)> = written.chain(again).collect();
        for (item, left) in &items {
            self.reader.budget.spend(1)?;
            let here = Place {
                keys: place.keys,
                components: place.components,
                recur: (item.recur() > 0).then_some(Recur { item, left: *left }),
                way: &way,
            };
            match &item.what {
                What::Id => {}
                What::All => self.all(s, row, &items, &here, &mut members)?,
                What::Forward(name) => {
                    if let Some(of) = predicate_in(s.collection(), name, self.reader.schema)
                        && let Some(json) = self.forward(of, row, item, &here)?
                    {
                        self.put(&mut members, item, place.keys, json)?;
                    }
                }
                What::Reverse(name) => {
                    if let Some(of) = self.reader.schema.predicate_named(name)
                        && let Some(json) = self.reverse(of, s, item, &here)?
                    {
                        self.put(&mut members, item, place.keys, json)?;
                    }
                }
            }
        }
        Ok(Json::Object(members))
    }

    /// A new object of the answer, if there may be one more.
    fn begin(&self, s: SubjectId) -> Result<Members, Error> {
        let objects = self.objects.get().saturating_add(1);
        if objects > QUERY_ROWS_MAX {
            return Err(too_many_rows());
        }
        self.objects.set(objects);
        Ok(vec![("_id".to_owned(), Json::Int(s.raw()))])
    }

    /// What `*` tells: every predicate of the row that no item names.
    fn all(
        &self,
        s: SubjectId,
        row: &Row,
        items: &[(&Item, usize)],
        place: &Place<'_, '_>,
        members: &mut Members,
    ) -> Result<(), Error> {
        let schema = self.reader.schema;
        let named: Vec<_> = items
            .iter()
            .filter_map(|(item, _)| match &item.what {
                What::Forward(name) => predicate_in(s.collection(), name, schema).map(|of| of.id),
                What::All | What::Id | What::Reverse(_) => None,
            })
            .collect();
        let mut last = None;
        for (p, _) in row {
            if last == Some(*p) {
                continue;
            }
            last = Some(*p);
            let Some(of) = schema.predicate(*p) else {
                continue;
            };
            if named.contains(p) {
                continue;
            }
            let mut told = Vec::new();
            for value in values(row, *p) {
                match value {
                    Value::Ref(to) if of.component && place.components => {
                        told.push(self.component(*to, place)?);
                    }
                    value => told.extend(self.plain(value, of)?),
                }
            }
            if let Some(json) = one_or_many(told, of) {
                let key = match place.keys {
                    Keys::Written => &*of.name,
                    Keys::Compact => of.own_name(),
                };
                self.put_under(members, key, &of.name, json)?;
            }
        }
        Ok(())
    }

    /// What a component ref leads to, whole.
    fn component(&self, s: SubjectId, place: &Place<'_, '_>) -> Result<Json, Error> {
        if place.way.contains(&s) || place.way.len() > CRAWL_DEPTH_MAX {
            return self.begin(s).map(Json::Object);
        }
        let below = Place {
            recur: None,
            ..*place
        };
        let row = self.reader.row(s)?;
        self.object(s, &row, &self.everything, &below)
    }

    /// The values of a predicate.
    fn forward(
        &self,
        of: &Predicate,
        row: &Row,
        item: &Item,
        place: &Place<'_, '_>,
    ) -> Result<Option<Json>, Error> {
        let all = values(row, of.id);
        let told = match &item.select {
            Some(select) if of.is_ref() && leads_on(of, select) => {
                let targets = all.filter_map(|value| value.borrow().as_ref()).collect();
                self.subjects(targets, select, place)?
            }
            select => {
                let offset = select.as_ref().map_or(0, |it| it.offset);
                let limit = select.as_ref().and_then(|it| it.limit);
                let mut told = Vec::new();
                for value in all {
                    told.extend(self.plain(value, of)?);
                }
                page(told, offset, limit)
            }
        };
        Ok(one_or_many(told, of))
    }

    /// The subjects that refer to `s`.
    fn reverse(
        &self,
        of: &Predicate,
        s: SubjectId,
        item: &Item,
        place: &Place<'_, '_>,
    ) -> Result<Option<Json>, Error> {
        if of.sealed {
            return Ok(None);
        }
        let mut referrers = self.reader.subjects(of.id, ValueRef::Ref(s))?;
        referrers.sort_by(|a, b| newest_first(*a, *b));
        let plain = Select::default();
        let select = item.select.as_ref().unwrap_or(&plain);
        let told = self.subjects(referrers, select, place)?;
        Ok((!told.is_empty()).then_some(Json::Array(told)))
    }

    /// The objects of some subjects, as a select has them.
    fn subjects(
        &self,
        mut subjects: Vec<SubjectId>,
        select: &Select,
        place: &Place<'_, '_>,
    ) -> Result<Vec<Json>, Error> {
        if let Some(order) = &select.order {
            let mut keyed = Vec::new();
            for s in subjects {
                let row = self.reader.row(s)?;
                keyed.push((order_key(s, &row, order, self.reader)?, s));
            }
            keyed.sort_by(|a, b| by_key((a.0.as_ref(), a.1), (b.0.as_ref(), b.1), order.way));
            subjects = keyed.into_iter().map(|(_, s)| s).collect();
        }
        page(subjects, select.offset, select.limit)
            .into_iter()
            .map(|s| self.subject(s, select, place))
            .collect()
    }

    fn subject(&self, s: SubjectId, select: &Select, place: &Place<'_, '_>) -> Result<Json, Error> {
        let is_again = place.recur.is_some() && place.way.contains(&s);
        if select.items.is_empty() || is_again {
            return self.begin(s).map(Json::Object);
        }
        let row = self.reader.row(s)?;
        let keys = match select.compact {
            Some(true) => Keys::Compact,
            Some(false) => Keys::Written,
            None => place.keys,
        };
        let below = Place {
            keys,
            components: select.component.unwrap_or(place.components),
            recur: place.recur.and_then(|it| {
                let left = it.left.checked_sub(1)?;
                Some(Recur { left, ..it })
            }),
            way: place.way,
        };
        self.object(s, &row, select, &below)
    }

    /// A value that is not gone through; none for a tag that cannot be read.
    fn plain(&self, value: &Value, of: &Predicate) -> Result<Option<Json>, Error> {
        let told = match (of.value_type, value) {
            (ValueType::Ref, Value::Ref(s)) => Some(Json::Object(self.begin(*s)?)),
            (ValueType::Tag, value) => {
                self.reader.budget.spend(1)?;
                to_json(value.borrow(), ValueType::Tag, self.reader.facts)?
            }
            (value_type, value) => to_json(value.borrow(), value_type, self.reader.facts)?,
        };
        if let Some(told) = &told {
            self.reader.pay_for(told)?;
        }
        Ok(told)
    }

    fn put(&self, members: &mut Members, item: &Item, keys: Keys, json: Json) -> Result<(), Error> {
        let key = item.key(keys == Keys::Compact);
        self.put_under(members, key, &item.written, json)
    }

    /// Adds a member. No key may stand twice: a short one that is taken gives way to the whole one, and where that is
    /// taken too, what was asked for last stands.
    fn put_under(
        &self,
        members: &mut Members,
        key: &str,
        whole: &str,
        json: Json,
    ) -> Result<(), Error> {
        // One value may be asked for under very many names, so looking for a taken one is work that counts.
        let looks = u64::try_from(members.len() / LOOKS_OF_A_STEP).unwrap_or(u64::MAX);
        self.reader.budget.spend(looks)?;
        let is_taken = |key: &str| members.iter().any(|(taken, _)| taken == key);
        let key = if is_taken(key) { whole } else { key };
        if let Some((_, value)) = members.iter_mut().find(|(taken, _)| taken == key) {
            *value = json;
        } else {
            self.reader.pay_for_key(key)?;
            members.push((key.to_owned(), json));
        }
        Ok(())
    }
}

/// Whether a select goes on to the subjects of a predicate; a tag is told by its name unless something of it is asked.
fn leads_on(of: &Predicate, select: &Select) -> bool {
    of.value_type == ValueType::Ref || !select.items.is_empty()
}

fn page<X>(all: Vec<X>, offset: usize, limit: Option<usize>) -> Vec<X> {
    let limit = limit.unwrap_or(usize::MAX);
    all.into_iter().skip(offset).take(limit).collect()
}

fn one_or_many(mut told: Vec<Json>, of: &Predicate) -> Option<Json> {
    if told.is_empty() {
        None
    } else if of.multi {
        Some(Json::Array(told))
    } else {
        told.pop()
    }
}
