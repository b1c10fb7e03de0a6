//! The other kind of transaction: one that erases, and nothing else.
//!
//! 1. An item names a subject, or predicates of it, or values of those; what it names is erased from every moment. A
//!    subject that is gone can still be erased, by its id.
//! 2. It is judged by the op `erase` at the subject, and not flake by flake: what is hidden of a subject goes with
//!    it. In the system's collections only root erases, since the rules stand there.
//! 3. What still holds is retracted too, and so must obey what a delete must: what is used is not erased. The refs to
//!    an erased subject are retracted, and neither judged nor told. What it is made of by component refs that hold
//!    is erased with it, and judged like it.
//! 4. Collections and predicates are not erased, but for what documents them: the past is read by the schema of then.
//! 5. Nothing is told of what there was to erase: a value that never was is erased like one that was.
//!
//! Checks come in the order of any other transaction, but that the op is judged before the schema is looked at.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::check::{Checked, checked};
use super::erased::{Erases, What};
use super::error::{Error, Problem, absent, unidentified};
use super::function::is_function;
use super::ground::Ground;
use super::named::{Named, NamedField, NamedId, NamedItem, NamedValue, NamedValues};
use super::rewrite::Followed;
use super::staged::{Staged, typed_value};
use crate::base::limits::{COMMIT_FLAKES_MAX, RULE_STEPS_MAX};
use crate::model::system::{USER_COLLECTION_FIRST, collection, predicate};
use crate::model::{
    CollectionId, Facts, Flake, Op as FlakeOp, PredicateId, SubjectId, Value, ValueType,
};
use crate::policy::{Allowed, Cause, Op, Permissions, StagedFlake, View};
use crate::query::{Json, Pointer, identity, tag_named};
use crate::schema::{Predicate, Schema};

/// What is said of collections and predicates and not read by.
const DOCUMENTING: [PredicateId; 5] = [
    predicate::PREDICATE_DOC,
    predicate::PREDICATE_SPEC_DOC,
    predicate::PREDICATE_TX_SPEC_DOC,
    predicate::COLLECTION_DOC,
    predicate::COLLECTION_SPEC_DOC,
];

/// Judges a transaction of which every item erases, and makes the retractions that go with it.
///
/// # Errors
/// The first of the documented order, with the place in the request.
pub(super) fn erased(named: &Named<'_>, ground: &Ground<'_>) -> Result<Checked, Error> {
    let schema = Arc::clone(ground.policy.schema());
    let auth = ground.writes.auth();
    let erases = ground
        .policy
        .permissions(auth, &Op::erase(), ground.before)?;
    coarse(named, &erases, &schema)?;
    let mut targets = Vec::new();
    for item in &named.items {
        targets.push((item, target(item, ground)?));
    }
    let mut list = List::default();
    for (item, target) in &targets {
        list.add_item(item, target.s, ground)?;
    }
    for (item, target) in &targets {
        let facts = target.gone.as_deref().unwrap_or(ground.before);
        judge(target.s, &item.at, &erases, facts, ground)?;
    }
    let sent = list.subjects.len();
    list.add_parts(ground, &schema)?;
    list.keep_schema()?;
    for (at, s) in list.subjects.iter().skip(sent) {
        if is_system(s.collection()) && !erases.is_root() {
            return Err(denied(at));
        }
        judge(*s, at, &erases, ground.before, ground)?;
    }
    let staged = staged(&list, ground, &schema)?;
    // Retractions rename nothing and change no type.
    let followed = Followed {
        staged,
        renames: Vec::new(),
        refusal: None,
    };
    let checked = checked(followed, ground.before.basis().next(), ground)?;
    Ok(Checked {
        erases: list.erases,
        ..checked
    })
}

/// What a bearer can never erase is refused before any fact is read.
fn coarse(named: &Named<'_>, erases: &Permissions, schema: &Schema) -> Result<(), Error> {
    if erases.is_root() {
        return Ok(());
    }
    for item in &named.items {
        if is_system(item.collection) {
            let of = schema
                .collection(item.collection)
                .map_or("?", |it| &*it.name);
            let why = format!("only root erases in the collection `{of}`");
            return Err(not_allowed(&item.at, why));
        }
        if !erases.could_reach(item.collection) {
            return Err(denied(&item.at));
        }
    }
    Ok(())
}

fn is_system(c: CollectionId) -> bool {
    u64::try_from(c.raw()).is_ok_and(|id| id < USER_COLLECTION_FIRST) || c == CollectionId::TX
}

/// Law 11, at one subject.
fn judge(
    s: SubjectId,
    at: &Pointer,
    erases: &Permissions,
    facts: &dyn Facts,
    ground: &Ground<'_>,
) -> Result<(), Error> {
    let budget = ground.budget.bounded(RULE_STEPS_MAX);
    match erases.judge_target(s, None, facts, ground.now_ms, &budget)? {
        Allowed::ByName => Ok(()),
        Allowed::ByAll | Allowed::No => Err(denied(at)),
    }
}

fn too_many() -> Error {
    let problem = Problem::Limit {
        what: "flakes",
        max: COMMIT_FLAKES_MAX,
    };
    Error { at: None, problem }
}

fn denied(at: &Pointer) -> Error {
    not_allowed(at, "the rules do not allow to erase this subject")
}

fn not_allowed(at: &Pointer, why: impl Into<String>) -> Error {
    Error {
        at: Some(at.clone()),
        problem: Problem::NotAllowed(why.into()),
    }
}

/// A subject that the author sees, and the facts on which it is judged if it is gone.
struct Target<'a> {
    s: SubjectId,
    gone: Option<Box<dyn Facts + 'a>>,
}

/// Hidden and absent read the same. What is gone is seen as it was just before it went.
fn target<'a>(item: &NamedItem<'_>, ground: &Ground<'a>) -> Result<Target<'a>, Error> {
    let at = item.at.key("_id");
    let absent = || absent(&at);
    let s = match &item.id {
        NamedId::Subject(s) => *s,
        NamedId::Tuple(it, value) => {
            let name = Json::String(it.name.to_string());
            let tuple = Json::Array(vec![name, value.clone()]);
            let schema = ground.policy.schema();
            identity(&tuple, &at, schema, ground.sight)
                .map_err(unidentified)?
                .ok_or_else(absent)?
        }
        NamedId::Temp(_) => return Err(absent()),
    };
    if ground.sight.exists(s)? {
        return Ok(Target { s, gone: None });
    }
    if ground.before.exists(s)? {
        return Err(absent());
    }
    let gone = ground.history.before_it_went(s)?.ok_or_else(absent)?;
    let auth = ground.writes.auth();
    let reads = ground
        .policy
        .permissions(auth, &Op::query(), ground.before)?;
    let schema = Arc::clone(ground.policy.schema());
    let sight = View::new(reads, schema, &*gone, ground.now_ms, ground.budget);
    if !sight.exists(s)? {
        return Err(absent());
    }
    drop(sight);
    Ok(Target {
        s,
        gone: Some(gone),
    })
}

/// What is erased, and of which subjects, in the request's order and each with its place.
#[derive(Default)]
struct List {
    subjects: Vec<(Pointer, SubjectId)>,
    erases: Erases,
}

impl List {
    fn add(&mut self, at: &Pointer, s: SubjectId, what: What) {
        if what == What::Whole || !self.erases.has(s) {
            self.subjects.push((at.clone(), s));
        }
        self.erases.add(s, what);
    }

    /// Adds what one item erases.
    fn add_item(
        &mut self,
        item: &NamedItem<'_>,
        s: SubjectId,
        ground: &Ground<'_>,
    ) -> Result<(), Error> {
        if item.fields.is_empty() {
            self.add(&item.at, s, What::Whole);
        }
        for NamedField {
            at,
            predicate,
            values,
        } in &item.fields
        {
            let values = match values {
                NamedValues::All => {
                    self.add(at, s, What::Predicate(predicate.id));
                    continue;
                }
                NamedValues::These(values) => values,
            };
            for (at, value) in values {
                let NamedValue::Json(json) = value else {
                    return Err(absent(at));
                };
                if let Some(value) = value_of(json, predicate, at, ground)? {
                    self.add(at, s, What::Value(predicate.id, value));
                }
            }
        }
        Ok(())
    }

    /// The past is read by the schema of then, so of that nothing is erased but what documents it.
    fn keep_schema(&self) -> Result<(), Error> {
        for (at, s) in &self.subjects {
            let is_of_schema = matches!(
                s.collection(),
                collection::PREDICATE | collection::COLLECTION
            );
            if is_of_schema && !self.erases.is_within(*s, &DOCUMENTING) {
                let why = "collections and predicates are not erased: the past is read by them";
                return Err(Error::invalid(at, why));
            }
        }
        Ok(())
    }

    /// Adds what the erased subjects are made of, by component refs that hold and that go with them; but not what
    /// another subject is made of too.
    fn add_parts(&mut self, ground: &Ground<'_>, schema: &Schema) -> Result<(), Error> {
        let is_component = |p| schema.predicate(p).is_some_and(|it| it.component);
        let mut next = 0;
        while let Some((at, s)) = self.subjects.get(next).cloned() {
            next += 1;
            for (p, o) in holding(s, &self.erases, ground.before, schema)? {
                let Value::Ref(to) = o else { continue };
                if !is_component(p) || self.erases.has_whole(to) {
                    continue;
                }
                let stays = |(p, from): (PredicateId, SubjectId)| {
                    is_component(p) && !self.erases.covers(from, p, &Value::Ref(to))
                };
                if !referring(to, ground.before)?.into_iter().any(stays) {
                    self.add(&at, to, What::Whole);
                }
                if self.subjects.len() > COMMIT_FLAKES_MAX {
                    return Err(too_many());
                }
            }
        }
        Ok(())
    }
}

/// The value that an item names; none, if there is no such value at all.
fn value_of(
    json: &Json,
    it: &Predicate,
    at: &Pointer,
    ground: &Ground<'_>,
) -> Result<Option<Value>, Error> {
    if is_function(json) {
        return Err(Error::invalid(at, "a function names no value to erase"));
    }
    match (it.value_type, json) {
        // What it refers to may be gone, so it is not looked for.
        (ValueType::Ref, Json::Int(raw)) => {
            let none = || Error::invalid(at, format!("`{raw}` is no subject's id"));
            let s = SubjectId::from_raw(*raw).ok_or_else(none)?;
            Ok(Some(Value::Ref(s)))
        }
        (ValueType::Ref, Json::Array(_)) => {
            let schema = ground.policy.schema();
            let found = identity(json, at, schema, ground.sight).map_err(unidentified)?;
            found.map(|s| Some(Value::Ref(s))).ok_or_else(|| absent(at))
        }
        (ValueType::Tag, Json::String(text)) => {
            Ok(tag_named(text, it, ground.before)?.map(Value::Ref))
        }
        _ => typed_value(json, it, at).map(Some),
    }
}

/// The retractions of what still holds, and of the refs to what is erased whole.
fn staged(list: &List, ground: &Ground<'_>, schema: &Schema) -> Result<Staged, Error> {
    let mut made: BTreeSet<Flake> = BTreeSet::new();
    let mut staged = Staged {
        late: None,
        flakes: Vec::new(),
        places: Vec::new(),
        tempids: Vec::new(),
    };
    let mut push = |flake: Flake, cause: Cause, at: &Pointer| {
        if made.len() >= COMMIT_FLAKES_MAX {
            return Err(too_many());
        }
        if made.insert(flake.clone()) {
            staged.flakes.push(StagedFlake { flake, cause });
            staged.places.push(at.clone());
        }
        Ok(())
    };
    let retraction = |s, p, o| Flake {
        s,
        p,
        o,
        op: FlakeOp::Retract,
    };
    for (at, s) in &list.subjects {
        for (p, o) in holding(*s, &list.erases, ground.before, schema)? {
            push(retraction(*s, p, o), Cause::Erased, at)?;
        }
    }
    for (at, s) in &list.subjects {
        let s = *s;
        if !list.erases.has_whole(s) {
            continue;
        }
        // The uses of a tag stay, so that what must hold of a policy finds them and refuses. A block is never gone.
        if matches!(s.collection(), collection::TAG | CollectionId::TX) {
            continue;
        }
        for (p, from) in referring(s, ground.before)? {
            push(retraction(from, p, Value::Ref(s)), Cause::RefToDeleted, at)?;
        }
    }
    Ok(staged)
}

/// What holds of what is to be erased. One more than a commit may have is enough to be refused.
fn holding(
    s: SubjectId,
    erases: &Erases,
    facts: &dyn Facts,
    schema: &Schema,
) -> Result<Vec<(PredicateId, Value)>, Error> {
    let mut holding = Vec::new();
    facts.subject(s, &mut |fact| {
        let o = fact.o.to_value();
        // What a block's header tells is no fact that could be taken away.
        let is_virtual = schema.predicate(fact.p).is_some_and(|it| it.is_virtual);
        if !is_virtual && erases.covers(fact.s, fact.p, &o) {
            holding.push((fact.p, o));
        }
        more(holding.len())
    })?;
    Ok(holding)
}

fn referring(s: SubjectId, facts: &dyn Facts) -> Result<Vec<(PredicateId, SubjectId)>, Error> {
    let mut refs = Vec::new();
    facts.referrers(s, &mut |p, from| {
        // Who signed a transaction stays, as its auth does.
        if p != predicate::TX_AUTHORITY {
            refs.push((p, from));
        }
        more(refs.len())
    })?;
    Ok(refs)
}

fn more(count: usize) -> ControlFlow<()> {
    if count > COMMIT_FLAKES_MAX {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
