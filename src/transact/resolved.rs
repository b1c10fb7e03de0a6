//! The fourth stage: identities, refs and upserts become subjects, and new subjects get their ids.
//!
//! Everything is looked up in the author's own view, so that a hidden subject and one that is not there read the
//! same. Only tags are looked up with the eyes of root: a tag that exists is not made twice.

use std::collections::BTreeMap;

use super::error::{Error, Problem, absent, unidentified};
use super::function::{Evaluator, is_function};
use super::ground::Ground;
use super::named::{Named, NamedField, NamedId, NamedItem, NamedValue, NamedValues, Temp};
use super::parsed::{Action, Functions, Part};
use crate::base::limits::COLLECTION_ID_MAX;
use crate::model::system::{collection, first_number, predicate};
use crate::model::{CollectionId, Facts, SubjectId, Value, ValueRef, ValueType};
use crate::policy::View;
use crate::query::{Json, Pointer, identity, tag_named, value_of};
use crate::schema::{Predicate, Schema};

/// A transaction whose subjects are known.
#[derive(Debug)]
pub(super) struct Resolved<'s> {
    pub(super) items: Vec<ResolvedItem<'s>>,
    /// Each tempid with the subject it came to.
    pub(super) temps: Vec<(Temp, SubjectId)>,
    /// Whether the subject of each tempid is new.
    pub(super) is_new: Vec<bool>,
    /// Tags that are made by use, with their ids.
    pub(super) tags: Vec<(SubjectId, String)>,
}

#[derive(Debug)]
pub(super) struct ResolvedItem<'s> {
    pub(super) at: Pointer,
    pub(super) s: SubjectId,
    pub(super) action: Action,
    pub(super) fields: Vec<ResolvedField<'s>>,
}

#[derive(Debug)]
pub(super) struct ResolvedField<'s> {
    pub(super) at: Pointer,
    pub(super) predicate: &'s Predicate,
    /// `None` is every value.
    pub(super) values: Option<Vec<(Pointer, ResolvedValue)>>,
}

#[derive(Debug)]
pub(super) enum ResolvedValue {
    /// A scalar, or what is no value of its type at all: the next stages tell.
    Json(Json),
    Ref(SubjectId),
}

struct Resolver<'a, 's> {
    before: &'a dyn Facts,
    sight: &'a View<'a>,
    schema: &'s Schema,
    /// The subjects of the items, by index.
    subjects: Vec<SubjectId>,
    /// Named tempids.
    named: BTreeMap<String, SubjectId>,
    /// What is said of it as a part of a longer work.
    part: Option<&'s Part>,
    next: BTreeMap<CollectionId, u64>,
    tags: BTreeMap<String, SubjectId>,
    made: Vec<(SubjectId, String)>,
}

/// Resolves every identity, ref and tag.
pub(super) fn resolved<'s>(
    named: Named<'s>,
    ground: &Ground<'_>,
    schema: &'s Schema,
) -> Result<Resolved<'s>, Error> {
    let Ground { before, sight, .. } = *ground;
    let mut resolver = Resolver {
        before,
        sight,
        schema,
        subjects: Vec::new(),
        named: BTreeMap::new(),
        part: named.part,
        next: BTreeMap::new(),
        tags: BTreeMap::new(),
        made: Vec::new(),
    };
    let found = resolver.upserts(&named)?;
    let mut temps = Vec::new();
    let mut is_new = Vec::new();
    for (temp, found) in named.temps.into_iter().zip(found) {
        // A transaction is there whether something is said of it or not.
        let own = (temp.collection == CollectionId::TX)
            .then(|| SubjectId::of_block(before.basis().next()));
        is_new.push(found.is_none() && own.is_none());
        let s = match own.or(found) {
            Some(s) => s,
            None => resolver.number(temp.collection, &temp.at)?,
        };
        if temp.is_named {
            resolver.named.insert(temp.text.clone(), s);
        }
        temps.push((temp, s));
    }
    for item in &named.items {
        let s = match &item.id {
            NamedId::Temp(index) => temps.get(*index).map(|(_, s)| *s),
            NamedId::Subject(s) => resolver.seen(*s)?,
            NamedId::Tuple(it, value) => resolver.tuple(it, value, &item.at.key("_id").index(1))?,
        };
        let Some(s) = s else {
            return Err(absent(&item.at.key("_id")));
        };
        resolver.subjects.push(s);
        resolver.declare(item, s);
    }
    let mut items = Vec::new();
    for (index, item) in named.items.into_iter().enumerate() {
        items.push(resolver.item(index, item)?);
    }
    let mut evaluator = Evaluator::new(ground);
    for item in &mut items {
        let (s, action) = (item.s, item.action);
        for field in &mut item.fields {
            resolver.functions(&mut evaluator, s, action, field)?;
        }
    }
    Ok(Resolved {
        items,
        temps,
        is_new,
        tags: resolver.made,
    })
}

impl<'s> Resolver<'_, 's> {
    /// A tag that an item describes is not made by use as well.
    fn declare(&mut self, item: &NamedItem<'s>, s: SubjectId) {
        if item.collection != collection::TAG || item.action != Action::Write {
            return;
        }
        for field in item
            .fields
            .iter()
            .filter(|it| it.predicate.id == predicate::TAG_ID)
        {
            let NamedValues::These(values) = &field.values else {
                continue;
            };
            for (_, value) in values {
                if let NamedValue::Json(Json::String(id)) = value {
                    self.tags.insert(id.clone(), s);
                }
            }
        }
    }

    /// For each tempid, the subject that its upsert predicates find.
    fn upserts(&self, named: &Named<'s>) -> Result<Vec<Option<SubjectId>>, Error> {
        let mut found: Vec<Option<SubjectId>> = vec![None; named.temps.len()];
        for item in &named.items {
            let NamedId::Temp(index) = item.id else {
                continue;
            };
            for field in item.fields.iter().filter(|field| field.predicate.upsert) {
                let NamedValues::These(values) = &field.values else {
                    continue;
                };
                for (at, value) in values {
                    let NamedValue::Json(json) = value else {
                        continue;
                    };
                    // What it gives is not known yet, and finds nobody.
                    if self.is_function(json) {
                        continue;
                    }
                    let Some(s) = self.tuple(field.predicate, json, at)? else {
                        continue;
                    };
                    let Some(slot) = found.get_mut(index) else {
                        continue;
                    };
                    if slot.is_some_and(|other| other != s) {
                        let why = "the upsert predicates of this item name two subjects";
                        return Err(Error::invalid(at, why));
                    }
                    *slot = Some(s);
                }
            }
        }
        Ok(found)
    }

    /// The id of a new subject.
    fn number(&mut self, c: CollectionId, at: &Pointer) -> Result<SubjectId, Error> {
        let number = match self.next.get(&c) {
            Some(number) => *number,
            None => self.before.next_number(c)?.max(first_number(c)),
        };
        self.next.insert(c, number.saturating_add(1));
        numbered(c, number, at)
    }

    fn seen(&self, s: SubjectId) -> Result<Option<SubjectId>, Error> {
        Ok(self.sight.exists(s)?.then_some(s))
    }

    /// The subject that a two-tuple names, if it is one and the author sees it.
    fn tuple(&self, it: &Predicate, json: &Json, at: &Pointer) -> Result<Option<SubjectId>, Error> {
        let value = match (it.value_type, json) {
            (ValueType::Ref, Json::Int(_) | Json::UInt(_) | Json::Array(_)) => {
                let found = identity(json, at, self.schema, self.sight).map_err(unidentified)?;
                found.map(Value::Ref)
            }
            (ValueType::Tag, Json::String(text)) => {
                tag_named(text, it, self.before)?.map(Value::Ref)
            }
            (ValueType::Ref | ValueType::Tag, _) => None,
            (scalar, json) => value_of(json, scalar).ok(),
        };
        let Some(value) = value else { return Ok(None) };
        Ok(self
            .sight
            .subject_list(it.id, value.borrow())?
            .first()
            .copied())
    }

    fn item(&mut self, index: usize, item: NamedItem<'s>) -> Result<ResolvedItem<'s>, Error> {
        let NamedItem {
            at, action, fields, ..
        } = item;
        let s = self
            .subjects
            .get(index)
            .copied()
            .ok_or_else(|| absent(&at))?;
        let mut resolved = Vec::new();
        for NamedField {
            at,
            predicate,
            values,
        } in fields
        {
            let values = match values {
                NamedValues::All => None,
                NamedValues::These(list) => {
                    let mut values = Vec::new();
                    for (at, value) in list {
                        let value = self.value(predicate, value, action, &at)?;
                        values.push((at, value));
                    }
                    Some(values)
                }
            };
            resolved.push(ResolvedField {
                at,
                predicate,
                values,
            });
        }
        Ok(ResolvedItem {
            at,
            s,
            action,
            fields: resolved,
        })
    }

    fn value(
        &mut self,
        it: &Predicate,
        value: NamedValue,
        action: Action,
        at: &Pointer,
    ) -> Result<ResolvedValue, Error> {
        let json = match value {
            NamedValue::Item(index) => {
                return self
                    .subjects
                    .get(index)
                    .map(|s| ResolvedValue::Ref(*s))
                    .ok_or_else(|| absent(at));
            }
            NamedValue::Json(json) => json,
        };
        match (it.value_type, json) {
            (_, json) if self.is_function(&json) => Ok(ResolvedValue::Json(json)),
            (ValueType::Tag, Json::String(text)) => self.tag(it, &text, action, at),
            (ValueType::Ref, json) => self.reference(json, at),
            (_, json) => Ok(ResolvedValue::Json(json)),
        }
    }

    /// Evaluates the functions among the values of a field, and resolves what they give like what is sent.
    fn functions(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        s: SubjectId,
        action: Action,
        field: &mut ResolvedField<'s>,
    ) -> Result<(), Error> {
        let Some(values) = &mut field.values else {
            return Ok(());
        };
        let is_literal = self.is_literal();
        let is_one = |it: &ResolvedValue| matches!(it, ResolvedValue::Json(it) if !is_literal && is_function(it));
        if !values.iter().any(|(_, value)| is_one(value)) {
            return Ok(());
        }
        let it = field.predicate;
        let (mut made, mut is_absent) = (Vec::new(), action == Action::Write && values.len() == 1);
        for (at, value) in std::mem::take(values) {
            let ResolvedValue::Json(Json::String(text)) = &value else {
                made.push((at, value));
                continue;
            };
            if !is_one(&value) {
                made.push((at, value));
                continue;
            }
            let given = evaluator.values(text, s, it, &at)?;
            is_absent &= given.is_empty();
            if given.is_empty() && at != field.at && action == Action::Write {
                let why = "a function in a list gave an absent value";
                return Err(Error::invalid(&at, why));
            }
            if given.len() > 1 && !it.multi {
                let why = format!("`{}` has one value, and is given several", it.name);
                return Err(Error::invalid(&at, why));
            }
            for json in given {
                let value = self.value(it, NamedValue::Json(json), action, &at)?;
                made.push((at.clone(), value));
            }
        }
        // An absent value is `null`: every value.
        field.values = (!is_absent).then_some(made);
        Ok(())
    }

    fn reference(&self, json: Json, at: &Pointer) -> Result<ResolvedValue, Error> {
        let found = match &json {
            Json::String(text) => {
                let known = || self.part.and_then(|part| part.known.get(text));
                match (self.named.get(text), known()) {
                    (Some(s), _) => Some(*s),
                    (None, Some(s)) => self.seen(*s)?,
                    (None, None) => return Err(self.undefined(text, at)),
                }
            }
            Json::Int(_) | Json::UInt(_) | Json::Array(_) => {
                identity(&json, at, self.schema, self.sight).map_err(unidentified)?
            }
            // No ref at all: the types are told about after all identities.
            _ => return Ok(ResolvedValue::Json(json)),
        };
        found.map(ResolvedValue::Ref).ok_or_else(|| absent(at))
    }

    fn is_literal(&self) -> bool {
        self.part
            .is_some_and(|part| part.functions == Functions::Literal)
    }

    /// Whether a value is a function to evaluate.
    fn is_function(&self, json: &Json) -> bool {
        !self.is_literal() && is_function(json)
    }

    fn undefined(&self, tempid: &str, at: &Pointer) -> Error {
        let of = match self.part {
            None => "no item",
            Some(_) => "no item before this transaction or in it",
        };
        Error::invalid(at, format!("tempid `{tempid}` is the `_id` of {of}"))
    }

    /// The tag that a text means: its short name, or its full id.
    fn tag(
        &mut self,
        it: &Predicate,
        text: &str,
        action: Action,
        at: &Pointer,
    ) -> Result<ResolvedValue, Error> {
        let id = if text.contains('/') {
            text.to_owned()
        } else {
            format!("{}:{text}", it.name)
        };
        let own = id
            .strip_prefix(&*it.name)
            .and_then(|rest| rest.strip_prefix(':'));
        if own.is_none_or(str::is_empty) || id.len() > crate::base::limits::RULE_SYMBOL_BYTES_MAX {
            return Err(Error::invalid(
                at,
                format!("`{text}` is no tag of `{}`", it.name),
            ));
        }
        let known = match self.tags.get(&id) {
            Some(s) => Some(*s),
            None => self
                .before
                .subject_list(predicate::TAG_ID, ValueRef::String(&id))?
                .first()
                .copied(),
        };
        if let Some(s) = known {
            return Ok(ResolvedValue::Ref(s));
        }
        if action == Action::Delete {
            // What does not exist is no value of anything.
            return Ok(ResolvedValue::Json(Json::Null));
        }
        if it.restrict_tag {
            let why = format!(
                "`{text}` is not a valid tag of `{}`, which is `restrictTag`",
                it.name
            );
            return Err(Error::invalid(at, why));
        }
        let s = self.number(collection::TAG, at)?;
        self.tags.insert(id.clone(), s);
        self.made.push((s, id));
        Ok(ResolvedValue::Ref(s))
    }
}

/// The subject of a collection with this number, if it may have so many.
pub(super) fn numbered(c: CollectionId, number: u64, at: &Pointer) -> Result<SubjectId, Error> {
    let limit = |what, max| Error {
        at: Some(at.clone()),
        problem: Problem::Limit { what, max },
    };
    if c == collection::COLLECTION && number > u64::from(COLLECTION_ID_MAX) {
        return Err(limit("collections", usize::from(COLLECTION_ID_MAX)));
    }
    if c == collection::PREDICATE && u32::try_from(number).is_err() {
        return Err(limit(
            "predicates",
            usize::try_from(u32::MAX).unwrap_or(usize::MAX),
        ));
    }
    SubjectId::new(c, number).ok_or_else(|| limit("subjects of one collection", 1 << 44))
}
