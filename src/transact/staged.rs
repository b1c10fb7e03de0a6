//! The fifth stage: values become flakes, and what follows from them is added.
//!
//! 1. A value that is already there makes no flake of the commit; a new value of a predicate with one value retracts
//!    the old.
//! 2. Deleting a subject retracts its facts and the refs to it. A tag that is used is not deleted. Where a component
//!    ref goes, what it referred to is deleted too, unless the transaction takes it in elsewhere by another.
//! 3. Nothing is both asserted and retracted, and nothing that is deleted is written or referred to. This is asked
//!    of what was sent and not of the facts, since it is told before the permissions are judged.
//! 4. What was sent and changes nothing is staged too, as [`Cause::Unchanged`]: else a guess at a hidden value would
//!    be accepted where it is right and refused where it is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::error::{Error, Problem};
use super::parsed::Action;
use super::resolved::{Resolved, ResolvedField, ResolvedItem, ResolvedValue};
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::system::{collection, predicate};
use crate::model::{CollectionId, Facts, Flake, Op, PredicateId, SubjectId, Value, ValueType};
use crate::policy::{Cause, StagedFlake};
use crate::query::{Json, Pointer, value_of};
use crate::schema::{Predicate, Schema};
use crate::token::{CertificateName, SignerKey};

/// What a tempid came to, as a receipt tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempid {
    /// A tempid with a name of its own.
    One(SubjectId),
    /// The lowest and the highest subject made through a tempid without one.
    Range(SubjectId, SubjectId),
}

/// Flakes that are not checked yet, in the request's order.
#[derive(Debug)]
pub(super) struct Staged {
    /// What is wrong with it and depends on facts that the author may not see: told after the permissions.
    pub(super) late: Option<Error>,
    pub(super) flakes: Vec<StagedFlake>,
    /// Where in the request each flake comes from.
    pub(super) places: Vec<Pointer>,
    pub(super) tempids: Vec<(String, Tempid)>,
}

struct Stager<'a> {
    before: &'a dyn Facts,
    schema: &'a Schema,
    flakes: Vec<StagedFlake>,
    places: Vec<Pointer>,
    /// What each touched subject and predicate has, with what is staged.
    values: BTreeMap<(SubjectId, PredicateId), BTreeSet<Value>>,
    /// What was sent, present or not.
    ops: BTreeMap<(SubjectId, PredicateId, Value), Op>,
    /// Where every value was retracted, and where a value was asserted.
    emptied: BTreeSet<(SubjectId, PredicateId)>,
    filled: BTreeSet<(SubjectId, PredicateId)>,
    /// What was asserted, where duplicates are retracted.
    said: BTreeSet<(SubjectId, PredicateId, Value)>,
    /// What component refs that go referred to, and where; what others take in.
    orphans: Vec<(SubjectId, Pointer)>,
    taken_in: BTreeSet<SubjectId>,
    deleted: BTreeSet<SubjectId>,
    /// The one value that was sent for a predicate with one value.
    sent: BTreeMap<(SubjectId, PredicateId), Value>,
    /// Where the numbers of new subjects begin.
    next: BTreeMap<CollectionId, u64>,
}

/// Makes the flakes of a resolved transaction.
pub(super) fn staged(
    resolved: &Resolved<'_>,
    before: &dyn Facts,
    schema: &Schema,
) -> Result<Staged, Error> {
    let typed = typed(resolved)?;
    refuse_dangling(resolved)?;
    let mut stager = Stager::new(before, schema);
    for (s, id) in &resolved.tags {
        let place = Pointer::root();
        let flake = Flake {
            s: *s,
            p: predicate::TAG_ID,
            o: Value::string(id),
            op: Op::Assert,
        };
        stager.push(flake, Cause::MadeTag, &place)?;
    }
    for (item, values) in resolved.items.iter().zip(typed) {
        if item.action == Action::Delete && item.fields.is_empty() {
            stager.delete(item.s, &item.at)?;
        }
        for (field, values) in item.fields.iter().zip(values) {
            stager.field(item.s, item.action, field, values)?;
        }
    }
    let tempids = tempids(resolved, &stager)?;
    let late = stager.cascade()?;
    Ok(Staged {
        late,
        flakes: stager.flakes,
        places: stager.places,
        tempids,
    })
}

/// A flake that a request lays over the state.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) flake: Flake,
    pub(super) at: Pointer,
    /// Whether it is the tag of another flake.
    pub(super) is_made_tag: bool,
}

/// Stages flakes as if a transaction had sent them.
pub(super) fn laid(
    flakes: Vec<Laid>,
    before: &dyn Facts,
    schema: &Schema,
) -> Result<Staged, Error> {
    let mut stager = Stager::new(before, schema);
    for Laid {
        flake,
        at,
        is_made_tag,
    } in flakes
    {
        let Some(it) = schema.predicate(flake.p) else {
            return Err(Error::invalid(&at, "predicate does not exist"));
        };
        match flake.op {
            Op::Assert if is_made_tag => stager.push(flake, Cause::MadeTag, &at)?,
            Op::Assert => stager.assert(flake.s, it, &flake.o, &at)?,
            Op::Retract => stager.retract(flake.s, it.id, flake.o, Cause::Sent, &at)?,
        }
    }
    let late = stager.cascade()?;
    Ok(Staged {
        late,
        flakes: stager.flakes,
        places: stager.places,
        tempids: Vec::new(),
    })
}

/// The values of one field; `None` is every value.
type Values = Option<Vec<(Pointer, Value)>>;

/// Checks all types before anything is staged.
fn typed(resolved: &Resolved<'_>) -> Result<Vec<Vec<Values>>, Error> {
    resolved
        .items
        .iter()
        .map(|item| {
            item.fields
                .iter()
                .map(|field| typed_field(field, item.action))
                .collect()
        })
        .collect()
}

fn typed_field(field: &ResolvedField<'_>, action: Action) -> Result<Values, Error> {
    let Some(values) = &field.values else {
        return Ok(None);
    };
    let mut typed = Vec::new();
    for (at, value) in values {
        let value = match value {
            ResolvedValue::Ref(s) => Value::Ref(*s),
            ResolvedValue::Json(Json::Null) if action == Action::Delete => continue,
            ResolvedValue::Json(Json::Null) => {
                let why = format!("a list of values of `{}` has no null", field.predicate.name);
                return Err(Error::invalid(at, why));
            }
            ResolvedValue::Json(json) => typed_value(json, field.predicate, at)?,
        };
        typed.push((at.clone(), value));
    }
    Ok(Some(typed))
}

pub(super) fn typed_value(json: &Json, it: &Predicate, at: &Pointer) -> Result<Value, Error> {
    let wrong = |what: &str| Error::invalid(at, format!("`{}` takes {what}", it.name));
    // What is no key would verify nothing, and be found out only when a command is refused.
    if it.id == predicate::AUTH_PUBLIC_KEY && json.as_str().and_then(SignerKey::parse).is_none() {
        return Err(wrong(
            "an Ed25519 public key, which is 64 lower-case hexadecimal digits",
        ));
    }
    // The same of a name that no certificate can have.
    if it.id == predicate::AUTH_CERTIFICATE
        && json.as_str().and_then(CertificateName::parse).is_none()
    {
        return Err(wrong(
            "`sha256:` and 64 lower-case hexadecimal digits, `uri:` and a URI, or `dns:` and a name in lower case",
        ));
    }
    match it.value_type {
        ValueType::Ref => Err(wrong(
            "a ref: a subject's id, a two-tuple, a tempid or an item",
        )),
        ValueType::Tag => Err(wrong("a tag, which is a text")),
        scalar => value_of(json, scalar).map_err(|why| {
            let what = format!("the value of `{}`: {why}", it.name);
            Error::invalid(&at.join(&why.at()), what)
        }),
    }
}

impl<'a> Stager<'a> {
    fn new(before: &'a dyn Facts, schema: &'a Schema) -> Self {
        Self {
            before,
            schema,
            flakes: Vec::new(),
            places: Vec::new(),
            values: BTreeMap::new(),
            ops: BTreeMap::new(),
            emptied: BTreeSet::new(),
            filled: BTreeSet::new(),
            said: BTreeSet::new(),
            orphans: Vec::new(),
            taken_in: BTreeSet::new(),
            deleted: BTreeSet::new(),
            sent: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }
}

/// Whether a subject was never used, so that nothing needs to be read of it; `next` keeps where new numbers begin.
fn is_new(
    next: &mut BTreeMap<CollectionId, u64>,
    before: &dyn Facts,
    s: SubjectId,
) -> Result<bool, Error> {
    let c = s.collection();
    if c == CollectionId::TX {
        return Ok(false);
    }
    let first = match next.get(&c) {
        Some(first) => *first,
        None => before.next_number(c)?,
    };
    next.insert(c, first);
    Ok(s.number() >= first)
}

impl Stager<'_> {
    /// The bound is looked at here, so that no delete of what much refers to fills the memory first.
    fn push(&mut self, flake: Flake, cause: Cause, at: &Pointer) -> Result<(), Error> {
        if self.flakes.len() >= COMMIT_FLAKES_MAX {
            let problem = Problem::Limit {
                what: "flakes",
                max: COMMIT_FLAKES_MAX,
            };
            return Err(Error { at: None, problem });
        }
        self.flakes.push(StagedFlake { flake, cause });
        self.places.push(at.clone());
        Ok(())
    }

    /// Notes what was sent; the same fact is not sent both ways.
    fn send(&mut self, key: (SubjectId, PredicateId, Value), op: Op) -> bool {
        self.ops.insert(key, op).is_none_or(|other| other == op)
    }

    /// What the subject has under the predicate, with what is staged.
    fn has(&mut self, s: SubjectId, p: PredicateId) -> Result<&mut BTreeSet<Value>, Error> {
        match self.values.entry((s, p)) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let values = if is_new(&mut self.next, self.before, s)? {
                    BTreeSet::new()
                } else {
                    self.before.value_list(s, p)?.into_iter().collect()
                };
                Ok(vacant.insert(values))
            }
        }
    }

    fn field(
        &mut self,
        s: SubjectId,
        action: Action,
        field: &ResolvedField<'_>,
        values: Values,
    ) -> Result<(), Error> {
        let it = field.predicate;
        let Some(values) = values else {
            if self.filled.contains(&(s, it.id)) {
                return Err(contradiction(&field.at));
            }
            self.emptied.insert((s, it.id));
            for value in self.has(s, it.id)?.clone() {
                self.retract(s, it.id, value, Cause::Implied, &field.at)?;
            }
            return Ok(());
        };
        for (at, value) in values {
            match action {
                Action::Write => self.assert(s, it, &value, &at)?,
                // What erases comes another way.
                Action::Delete | Action::Erase => {
                    self.retract(s, it.id, value, Cause::Sent, &at)?;
                }
            }
        }
        Ok(())
    }

    fn assert(
        &mut self,
        s: SubjectId,
        it: &Predicate,
        value: &Value,
        at: &Pointer,
    ) -> Result<(), Error> {
        self.filled.insert((s, it.id));
        if self.emptied.contains(&(s, it.id)) || !self.send((s, it.id, value.clone()), Op::Assert) {
            return Err(contradiction(at));
        }
        let mut replaced = Vec::new();
        if !it.multi {
            match self.sent.insert((s, it.id), value.clone()) {
                Some(other) if other != *value => {
                    let why = format!("`{}` has one value, and is given two", it.name);
                    return Err(Error::invalid(at, why));
                }
                _ => {}
            }
            let old = self.has(s, it.id)?.iter();
            replaced.extend(old.filter(|old| *old != value).cloned());
        }
        let is_new = self.has(s, it.id)?.insert(value.clone());
        // Once a transaction: what is said twice in one is not said again.
        let is_first = it.retract_duplicates && self.said.insert((s, it.id, value.clone()));
        let is_again = is_first && !is_new;
        let cause = if is_new || is_again {
            Cause::Sent
        } else {
            Cause::Unchanged
        };
        let flake = Flake {
            s,
            p: it.id,
            o: value.clone(),
            op: Op::Assert,
        };
        if let Value::Ref(to) = value
            && it.component
        {
            self.taken_in.insert(*to);
        }
        let old = is_again.then(|| Flake {
            op: Op::Retract,
            ..flake.clone()
        });
        // What was sent is judged first, so that a refusal does not tell whether there was a value.
        self.push(flake, cause, at)?;
        if let Some(old) = old {
            self.push(old, Cause::Implied, at)?;
        }
        for old in replaced {
            self.retract(s, it.id, old, Cause::Implied, at)?;
        }
        Ok(())
    }

    /// Retracting what is not there changes nothing.
    fn retract(
        &mut self,
        s: SubjectId,
        p: PredicateId,
        value: Value,
        cause: Cause,
        at: &Pointer,
    ) -> Result<(), Error> {
        let is_sent = cause == Cause::Sent;
        if is_sent && !self.send((s, p, value.clone()), Op::Retract) {
            return Err(contradiction(at));
        }
        let cause = match self.has(s, p)?.remove(&value) {
            true => cause,
            false if is_sent => Cause::Unchanged,
            false => return Ok(()),
        };
        if let Value::Ref(to) = value
            && self.schema.predicate(p).is_some_and(|it| it.component)
            && cause != Cause::Unchanged
        {
            self.orphans.push((to, at.clone()));
        }
        let flake = Flake {
            s,
            p,
            o: value,
            op: Op::Retract,
        };
        self.push(flake, cause, at)
    }

    /// Deletes what component refs that went referred to, and what they in turn are made of.
    fn cascade(&mut self) -> Result<Option<Error>, Error> {
        let mut used = BTreeSet::new();
        for StagedFlake { flake, .. } in &self.flakes {
            if flake.op == Op::Assert {
                used.insert(flake.s);
                used.extend(flake.o.borrow().as_ref());
            }
        }
        let mut late = None;
        let mut next = 0;
        while let Some((s, at)) = self.orphans.get(next).cloned() {
            next += 1;
            if self.taken_in.contains(&s) || self.deleted.contains(&s) {
                continue;
            }
            if used.contains(&s) {
                late.get_or_insert_with(|| dangling(&at));
            }
            self.delete(s, &at)?;
        }
        Ok(late)
    }

    fn delete(&mut self, s: SubjectId, at: &Pointer) -> Result<(), Error> {
        self.deleted.insert(s);
        // One more than a commit may have is enough to be refused.
        let more = |count: usize| {
            if count > COMMIT_FLAKES_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let mut facts = Vec::new();
        self.before.subject(s, &mut |fact| {
            facts.push((fact.p, fact.o.to_value()));
            more(facts.len())
        })?;
        for (p, value) in facts {
            self.retract(s, p, value, Cause::Implied, at)?;
        }
        // The uses of a tag stay, so that what must hold of a policy finds them and refuses.
        if s.collection() == collection::TAG {
            return Ok(());
        }
        let mut refs = Vec::new();
        self.before.referrers(s, &mut |p, from| {
            // Who signed a transaction stays, as its auth does.
            if p != predicate::TX_AUTHORITY {
                refs.push((p, from));
            }
            more(refs.len())
        })?;
        for (p, from) in refs {
            self.retract(from, p, Value::Ref(s), Cause::RefToDeleted, at)?;
        }
        Ok(())
    }
}

/// Nothing that is deleted is written or referred to.
fn refuse_dangling(resolved: &Resolved<'_>) -> Result<(), Error> {
    let is_whole =
        |item: &&ResolvedItem<'_>| item.action == Action::Delete && item.fields.is_empty();
    let deleted: BTreeSet<SubjectId> = resolved
        .items
        .iter()
        .filter(is_whole)
        .map(|it| it.s)
        .collect();
    for item in resolved
        .items
        .iter()
        .filter(|it| it.action == Action::Write)
    {
        for (at, value) in item.fields.iter().flat_map(|it| it.values.iter().flatten()) {
            let to_deleted = matches!(value, ResolvedValue::Ref(to) if deleted.contains(to));
            if to_deleted || deleted.contains(&item.s) {
                return Err(dangling(at));
            }
        }
    }
    Ok(())
}

fn dangling(at: &Pointer) -> Error {
    Error::invalid(at, "this transaction deletes a subject that it uses")
}

fn contradiction(at: &Pointer) -> Error {
    Error::invalid(
        at,
        "this transaction both asserts and retracts the same fact",
    )
}

/// What the tempids came to, in the order of their first use; a new subject without a fact is refused.
fn tempids(resolved: &Resolved<'_>, stager: &Stager<'_>) -> Result<Vec<(String, Tempid)>, Error> {
    let written: BTreeSet<SubjectId> = stager
        .flakes
        .iter()
        .filter(|staged| staged.flake.op == Op::Assert && staged.cause != Cause::Unchanged)
        .map(|staged| staged.flake.s)
        .collect();
    let mut tempids: Vec<(String, Tempid)> = Vec::new();
    let mut made: Vec<(&str, bool, SubjectId)> = Vec::new();
    for ((temp, s), is_new) in resolved.temps.iter().zip(&resolved.is_new) {
        if *is_new && !written.contains(s) {
            return Err(Error::invalid(
                &temp.at,
                "a new subject needs at least one fact",
            ));
        }
        made.push((&temp.text, temp.is_named, *s));
    }
    made.extend(resolved.tags.iter().map(|(s, _)| ("_tag", false, *s)));
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (text, is_named, s) in made {
        let index = *known.entry(text).or_insert(tempids.len());
        match tempids.get_mut(index) {
            Some((_, Tempid::Range(first, last))) => {
                *first = (*first).min(s);
                *last = (*last).max(s);
            }
            Some(_) => {}
            None => {
                let became = if is_named {
                    Tempid::One(s)
                } else {
                    Tempid::Range(s, s)
                };
                tempids.push((text.to_owned(), became));
            }
        }
    }
    Ok(tempids)
}
