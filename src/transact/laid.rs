//! Flakes that a request lays over the newest state, to ask what would be if they were made: those of a receipt of a
//! transaction that was tried, or others.
//!
//! 1. They pass every check that a transaction's do, as the one who asks: nobody sees more for facts that they could
//!    not make true.
//! 2. They are of the next block: their `t` follows the newest.
//! 3. What follows from a rename is laid with them, as far as it is not among them; texts in them have the new names.
//! 4. A flake of a subject that exists is of one that the author sees; any other subject is new. So is a tag: where a
//!    transaction names one, and so tells its author nothing, a flake has its number, which anyone can count up to.
//!
//! Shape: an array of `[s, p, o, t, op, null]`, as receipts have them.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Checked, checked};
use super::error::{Error, Problem, absent};
use super::followed::followed;
use super::ground::Ground;
use super::resolved::numbered;
use super::rewrite::Said;
use super::staged::{Laid, laid, typed_value};
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::system::{collection, first_number, predicate};
use crate::model::{CollectionId, Facts, Flake, Op, PredicateId, SubjectId, Value, ValueType};
use crate::query::{Json, Pointer};
use crate::schema::Predicate;

/// Checks flakes as the next block's.
///
/// # Errors
/// `Shape`, `Invalid` and what a transaction is refused for, in that order, with the place under `at`.
pub fn lay(flakes: &Json, at: &Pointer, ground: &Ground<'_>) -> Result<Checked, Error> {
    let shape = || Error::shape(at, "flakes are an array of `[s, p, o, t, op, null]`");
    let Json::Array(list) = flakes else {
        return Err(shape());
    };
    if list.len() > COMMIT_FLAKES_MAX {
        let problem = Problem::Limit {
            what: "flakes",
            max: COMMIT_FLAKES_MAX,
        };
        return Err(Error {
            at: Some(at.clone()),
            problem,
        });
    }
    let mut read = Vec::new();
    for (index, json) in list.iter().enumerate() {
        let at = at.index(index);
        let flake = flake(json, &at, ground)?;
        read.push((flake, at));
    }
    check_subjects(&read, ground)?;
    let used: BTreeSet<SubjectId> = read
        .iter()
        .filter_map(|(flake, _)| flake.o.borrow().as_ref())
        .collect();
    let next_tag = next_number(collection::TAG, ground)?;
    check_tags(&read, next_tag, ground)?;
    let list = read.into_iter().map(|(flake, at)| Laid {
        // A tag that is used is judged with what uses it, as one that is made by use.
        is_made_tag: flake.p == predicate::TAG_ID
            && flake.s.number() >= next_tag
            && used.contains(&flake.s),
        flake,
        at,
    });
    let staged = laid(list.collect(), ground.before, ground.policy.schema())?;
    let followed = followed(staged, Said::After, ground)?;
    checked(followed, ground.before.basis().next(), ground)
}

fn flake(json: &Json, at: &Pointer, ground: &Ground<'_>) -> Result<Flake, Error> {
    let shape = || Error::shape(at, "a flake is `[s, p, o, t, op, null]`");
    let Json::Array(parts) = json else {
        return Err(shape());
    };
    let [
        Json::Int(s),
        Json::Int(p),
        o,
        Json::Int(t),
        Json::Bool(op),
        Json::Null,
    ] = parts.as_slice()
    else {
        return Err(shape());
    };
    let s = SubjectId::from_raw(*s).ok_or_else(shape)?;
    let next = SubjectId::of_block(ground.before.basis().next());
    if *t != next.raw() {
        return Err(Error {
            at: Some(at.index(3)),
            problem: Problem::Stale,
        });
    }
    let of = u32::try_from(*p).ok().map(PredicateId);
    let of = of.and_then(|of| ground.policy.schema().predicate(of));
    let it = of.ok_or_else(|| Error::invalid(&at.index(1), "predicate does not exist"))?;
    if it.collection != s.collection() || it.by_engine || (s.block().is_some() && s != next) {
        let why = format!("`{}` is not written on such a subject", it.name);
        return Err(Error::invalid(at, why));
    }
    Ok(Flake {
        s,
        p: it.id,
        o: object(o, it, &at.index(2))?,
        op: if *op { Op::Assert } else { Op::Retract },
    })
}

fn object(json: &Json, it: &Predicate, at: &Pointer) -> Result<Value, Error> {
    let wrong = |what: &str| Error::invalid(at, format!("`{}` takes {what}", it.name));
    match (it.value_type, json) {
        (ValueType::Ref | ValueType::Tag, Json::Int(raw)) => SubjectId::from_raw(*raw)
            .map(Value::Ref)
            .ok_or_else(|| wrong("a subject's id")),
        (ValueType::Ref | ValueType::Tag, _) => Err(wrong("a subject's id")),
        // It is told as text.
        (ValueType::Json | ValueType::Geojson, Json::String(text)) => {
            let json = Json::read(text).map_err(|_| wrong("JSON, as a text"))?;
            typed_value(&json, it, at)
        }
        (_, json) => typed_value(json, it, at),
    }
}

/// Subjects and refs are seen, or new.
fn check_subjects(flakes: &[(Flake, Pointer)], ground: &Ground<'_>) -> Result<(), Error> {
    let mut known = BTreeSet::new();
    let next = SubjectId::of_block(ground.before.basis().next());
    for (flake, at) in flakes {
        let s = flake.s;
        if known.contains(&s) {
            continue;
        }
        if s == next {
            // A transaction is there whether something is said of it or not.
        } else if s.number() >= next_number(s.collection(), ground)? {
            numbered(s.collection(), s.number(), &at.index(0))?;
        } else if !ground.sight.exists(s)? {
            return Err(absent(&at.index(0)));
        }
        known.insert(s);
    }
    for (flake, at) in flakes {
        let Some(to) = flake.o.borrow().as_ref() else {
            continue;
        };
        if !known.contains(&to) && !ground.sight.exists(to)? {
            return Err(absent(&at.index(2)));
        }
        known.insert(to);
    }
    Ok(())
}

/// The first number that no subject of a collection has.
fn next_number(c: CollectionId, ground: &Ground<'_>) -> Result<u64, Error> {
    Ok(ground.before.next_number(c)?.max(first_number(c)))
}

/// A tag is one of the predicate it stands under, and was there before if the predicate is `restrictTag`.
fn check_tags(
    flakes: &[(Flake, Pointer)],
    next_tag: u64,
    ground: &Ground<'_>,
) -> Result<(), Error> {
    let ids = flakes
        .iter()
        .filter(|(flake, _)| flake.p == predicate::TAG_ID);
    let made: BTreeMap<SubjectId, &Value> = ids.map(|(flake, _)| (flake.s, &flake.o)).collect();
    for (flake, at) in flakes {
        let Some(tag) = flake.o.borrow().as_ref() else {
            continue;
        };
        let Some(it) = ground.policy.schema().predicate(flake.p) else {
            continue;
        };
        if it.value_type != ValueType::Tag {
            continue;
        }
        let is_new = tag.number() >= next_tag;
        let id = match made.get(&tag) {
            Some(id) if is_new => Some((*id).clone()),
            _ => ground.before.value_list(tag, predicate::TAG_ID)?.pop(),
        };
        let parts = match &id {
            Some(Value::String(id)) => id.split_once(':'),
            _ => None,
        };
        let schema = ground.policy.schema();
        let is_own = parts.is_some_and(|(of, own)| {
            let named = schema.predicate_named(of).map(|it| it.id);
            // Where the predicate is renamed among the flakes, a new tag has the name that it gets.
            !own.is_empty() && (named == Some(it.id) || (is_new && named.is_none()))
        });
        if !is_own || (is_new && it.restrict_tag) {
            let why = format!("this is no tag of `{}`", it.name);
            return Err(Error::invalid(&at.index(2), why));
        }
    }
    Ok(())
}
