//! What an export reads: subjects in its order, with the facts that it may tell.
//!
//! 1. Everything is read through one view: what is hidden from its auth is in no export, and what is sealed in none
//!    at all. What the engine alone writes is left out, as of tokens and transactions, and so are refs to those.
//! 2. The order of collections is one in which what is referred to mostly comes first: the schema, tags, functions,
//!    rules, roles, auths, users, settings, and then what users made, by id.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::Error;
use super::export_out::Field;
use crate::lang::Function;
use crate::model::system::{collection, first_number, predicate};
use crate::model::{
    CollectionId, Direction, Facts, PredicateId, SubjectId, Value, ValueRef, ValueType,
};
use crate::policy::{Policy, View};
use crate::query::{Json, to_json};
use crate::schema::{Predicate, Schema, bootstrap};

/// The system collections that are exported, in this order.
const SYSTEM: [CollectionId; 9] = [
    collection::COLLECTION,
    collection::PREDICATE,
    collection::TAG,
    collection::FUNCTION,
    collection::RULE,
    collection::ROLE,
    collection::AUTH,
    collection::USER,
    collection::SETTING,
];

/// Facts that are read at one time.
const READ_AT_ONCE: usize = 10_000;

/// The facts of one subject, by predicate, then by value.
pub(super) type Row = Vec<(PredicateId, Value)>;

/// What an export reads.
pub(super) struct Source<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) schema: &'a Schema,
    policy: &'a Policy,
    /// What every database has.
    given: BTreeMap<SubjectId, BTreeSet<(PredicateId, Value)>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(view: &'a View<'a>, policy: &'a Policy) -> Result<Self, Error> {
        let mut given: BTreeMap<SubjectId, BTreeSet<_>> = BTreeMap::new();
        for flake in bootstrap()? {
            given.entry(flake.s).or_default().insert((flake.p, flake.o));
        }
        Ok(Self {
            view,
            schema: policy.schema(),
            policy,
            given,
        })
    }

    /// The collections, in the order of the export.
    pub(super) fn collections(&self) -> Vec<CollectionId> {
        let users = self.schema.collections().map(|it| it.id);
        let users = users.filter(|id| is_of_users(*id));
        SYSTEM.into_iter().chain(users).collect()
    }

    /// Which of two subjects comes first, if both are exported.
    pub(super) fn order(a: SubjectId, b: SubjectId) -> Ordering {
        place(a).cmp(&place(b))
    }

    /// Whether every database has the subject.
    pub(super) fn is_given(s: SubjectId) -> bool {
        !is_of_users(s.collection()) && s.number() < first_number(s.collection())
    }

    /// What a given subject has in every database.
    pub(super) fn given(&self, s: SubjectId) -> Option<&BTreeSet<(PredicateId, Value)>> {
        self.given.get(&s)
    }

    /// Some subjects of a collection with what is told of them, lowest id first; none at its end.
    pub(super) fn rows(
        &self,
        c: CollectionId,
        after: Option<SubjectId>,
    ) -> Result<Vec<(SubjectId, Row)>, Error> {
        let mut rows: Vec<(SubjectId, Row)> = Vec::new();
        let mut facts = 0;
        let ascending = Direction::Ascending;
        self.view.collection(c, ascending, after, &mut |fact| {
            if rows.last().is_none_or(|(s, _)| *s != fact.s) {
                // Functions are sorted, all of them.
                if facts >= READ_AT_ONCE && c != collection::FUNCTION {
                    return ControlFlow::Break(());
                }
                rows.push((fact.s, Row::new()));
            }
            facts += 1;
            if let Some((_, row)) = rows.last_mut()
                && self.told(fact.p).is_some()
            {
                row.push((fact.p, fact.o.to_value()));
            }
            ControlFlow::Continue(())
        })?;
        if c == collection::FUNCTION {
            self.sort_functions(&mut rows)?;
        }
        Ok(rows)
    }

    /// What is told of one subject.
    pub(super) fn row(&self, s: SubjectId) -> Result<Row, Error> {
        let mut row = Row::new();
        self.view.subject(s, &mut |fact| {
            if self.told(fact.p).is_some() {
                row.push((fact.p, fact.o.to_value()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(row)
    }

    /// The predicate, if it is in an export.
    fn told(&self, p: PredicateId) -> Option<&'a Predicate> {
        let it = self.schema.predicate(p)?;
        (!it.sealed && !it.is_virtual && !it.by_engine).then_some(it)
    }

    /// Where a value refers to, if it is a ref and no tag.
    pub(super) fn target(&self, p: PredicateId, o: &Value) -> Option<SubjectId> {
        let it = self.schema.predicate(p)?;
        match o {
            Value::Ref(to) if it.value_type == ValueType::Ref => Some(*to),
            _ => None,
        }
    }

    /// Whether subjects of a collection may have refs.
    pub(super) fn has_refs(&self, c: CollectionId) -> bool {
        let mut refs = self.schema.predicates();
        refs.any(|it| it.collection == c && it.value_type == ValueType::Ref)
    }

    /// Whether a target is a subject that an export could tell of. One that lost its last fact is none any more,
    /// and refs to it stay behind.
    pub(super) fn is_told(&self, to: SubjectId) -> Result<bool, Error> {
        let c = to.collection();
        let is_there = SYSTEM.contains(&c) || is_of_users(c);
        Ok(is_there && self.view.exists(to)?)
    }

    /// Whether anything that is told refers to a subject.
    pub(super) fn is_referred_to(&self, s: SubjectId) -> Result<bool, Error> {
        let mut found = false;
        self.view.referrers(s, &mut |p, _| {
            found = self.told(p).is_some();
            if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(found)
    }

    /// The subjects that refer to a subject, each with the predicate of a ref.
    pub(super) fn referrers(&self, s: SubjectId) -> Result<Vec<(PredicateId, SubjectId)>, Error> {
        let mut found = Vec::new();
        self.view.referrers(s, &mut |p, from| {
            if self.told(p).is_some() {
                found.push((p, from));
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The JSON text of the `_id` of a subject that an import makes: a tempid, of its own name where one is needed.
    pub(super) fn tempid(&self, s: SubjectId, is_named: bool) -> String {
        let of = self.schema.collection(s.collection());
        let of = of.map_or("", |it| &*it.name);
        let id = if is_named {
            format!("{of}${}", s.raw())
        } else {
            of.to_owned()
        };
        Json::String(id).write()
    }

    /// The JSON text by which a subject that every database has is named, as it stands once its facts are there.
    pub(super) fn identity(&self, s: SubjectId) -> Result<String, Error> {
        Ok(self.two_tuple(&self.row(s)?, s))
    }

    /// The same, as it stands in a new database.
    pub(super) fn given_identity(&self, s: SubjectId) -> String {
        let row: Row = self.given(s).into_iter().flatten().cloned().collect();
        self.two_tuple(&row, s)
    }

    fn two_tuple(&self, row: &Row, s: SubjectId) -> String {
        let name = row.iter().find_map(|(p, o)| match o {
            Value::String(text) if self.told(*p)?.unique => Some((&*self.told(*p)?.name, text)),
            _ => None,
        });
        match name {
            Some((p, text)) => Json::Array(vec![Json::string(p), Json::string(text)]).write(),
            // Every database has it under the same id.
            None => s.to_string(),
        }
    }

    /// Facts as fields; refs to a subject as `reference` tells it.
    pub(super) fn fields(
        &self,
        row: &[(PredicateId, Value)],
        reference: &dyn Fn(SubjectId) -> Result<String, Error>,
    ) -> Result<Vec<Field<'a>>, Error> {
        let mut fields: Vec<(PredicateId, Field<'a>)> = Vec::new();
        for (p, o) in row {
            let Some(it) = self.told(*p) else { continue };
            let Some(text) = self.text(it, o, reference)? else {
                continue;
            };
            match fields.last_mut() {
                Some((last, field)) if last == p => field.values.push(text),
                _ => fields.push((
                    *p,
                    Field {
                        name: it.own_name(),
                        is_multi: it.multi,
                        values: vec![text],
                    },
                )),
            }
        }
        Ok(fields.into_iter().map(|(_, field)| field).collect())
    }

    /// The JSON text of a value, as a transaction takes it.
    fn text(
        &self,
        it: &Predicate,
        o: &Value,
        reference: &dyn Fn(SubjectId) -> Result<String, Error>,
    ) -> Result<Option<String>, Error> {
        Ok(match (it.value_type, o) {
            (ValueType::Ref, Value::Ref(to)) => Some(reference(*to)?),
            (ValueType::Tag, Value::Ref(tag)) => self.tag(*tag)?,
            // It is kept as JSON text.
            (_, Value::Json(text)) => Some(text.to_string()),
            _ => to_json(o.borrow(), it.value_type, self.view)?.map(|json| json.write()),
        })
    }

    /// A tag by its short name, or by its full id where the short name would be taken for one.
    fn tag(&self, tag: SubjectId) -> Result<Option<String>, Error> {
        let mut name = None;
        self.view.values(tag, predicate::TAG_ID, &mut |fact| {
            if let ValueRef::String(id) = fact.o {
                let short = id.split_once(':').map_or(id, |(_, short)| short);
                let told = if short.contains('/') { id } else { short };
                name = Some(Json::string(told).write());
            }
            ControlFlow::Break(())
        })?;
        Ok(name)
    }

    /// A function comes behind those that it calls: it calls more than each of them.
    fn sort_functions(&self, rows: &mut [(SubjectId, Row)]) -> Result<(), Error> {
        let mut calls = BTreeMap::new();
        for (s, row) in rows.iter() {
            calls.insert(*s, self.visible_calls(row)?);
        }
        rows.sort_by_key(|(s, _)| (calls.get(s).copied(), *s));
        Ok(())
    }

    /// How many functions are called by one, and by those that it calls; none, if one of them is hidden.
    fn visible_calls(&self, row: &Row) -> Result<usize, Error> {
        let of = |p| row.iter().find(|(of, _)| *of == p).map(|(_, o)| o);
        let Some(Value::String(code)) = of(predicate::FN_CODE) else {
            return Ok(0);
        };
        let params = match of(predicate::FN_PARAMS) {
            Some(Value::Json(text)) => params(text),
            _ => Vec::new(),
        };
        let Ok(function) = Function::compile(code, &params, self.schema, self.policy.queries())
        else {
            return Ok(0);
        };
        let mut count = 0_usize;
        for called in function.calls() {
            // What a hidden text calls is hidden too.
            if self
                .view
                .value_list(*called, predicate::FN_CODE)?
                .is_empty()
            {
                return Ok(0);
            }
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

fn params(text: &Arc<str>) -> Vec<String> {
    let Ok(Json::Array(names)) = Json::read(text) else {
        return Vec::new();
    };
    let names = names.iter().filter_map(Json::as_str);
    names.map(str::to_owned).collect()
}

fn is_of_users(c: CollectionId) -> bool {
    u64::try_from(c.raw()).is_ok_and(|id| id >= crate::model::system::USER_COLLECTION_FIRST)
}

fn place(s: SubjectId) -> (usize, i16, u64) {
    let c = s.collection();
    let system = SYSTEM.iter().position(|it| *it == c);
    (system.unwrap_or(SYSTEM.len()), c.raw(), s.number())
}
