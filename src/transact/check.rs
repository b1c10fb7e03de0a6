//! The checks that need the whole: coarse permission before any fact is read, and schema, permissions, policy and
//! uniqueness on what is staged.
//!
//! What is told of a rule, a function or a thing in use depends on facts that the author may not see, so it is told
//! after the permissions are judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::erased::Erases;
use super::error::{Error, Problem};
use super::ground::Ground;
use super::named::{Named, NamedValues};
use super::parsed::Action;
use super::rewrite::Followed;
use super::spec::Specs;
use super::staged::{Staged, Tempid};
use super::warning::Warning;
use crate::model::system::predicate;
use crate::model::{Facts, Flake, Op, Overlay, PredicateId, SubjectId, T, Value};
use crate::policy::{
    Cause, Permissions, Policy, PolicyChange, StagedFlake, check_grants, check_policy,
    gives_account, judge_writes, touches_policy,
};
use crate::query::{Pointer, check_rules};
use crate::schema::{Schema, touches_schema};
use crate::{policy, schema};

/// Flakes that passed every check.
#[derive(Debug)]
pub struct Checked {
    /// In the order in which a commit has them.
    pub flakes: Vec<Flake>,
    /// What the tempids came to, in the order of their first use.
    pub tempids: Vec<(String, Tempid)>,
    /// The policy and schema after it, if it changes them.
    pub policy: Option<Arc<Policy>>,
    /// What its author should know of.
    pub warnings: Vec<Warning>,
    /// What is erased from every moment.
    pub erases: Erases,
}

/// What a bearer can never write is refused before any fact is read.
pub(super) fn coarse(
    named: &Named<'_>,
    writes: &Permissions,
    schema: &Schema,
) -> Result<(), Error> {
    if writes.is_root() {
        return Ok(());
    }
    let denied = |at: &Pointer, message| {
        Err(Error {
            at: Some(at.clone()),
            problem: Problem::Denied(message),
        })
    };
    if named.items.is_empty() && schema.predicates().all(|it| !writes.could_write(it.id)) {
        return Err(Error {
            at: None,
            problem: Problem::Denied(Arc::from("Insufficient permissions.")),
        });
    }
    for item in &named.items {
        for field in &item.fields {
            let revokes = field.predicate.id == predicate::TOKEN_REVOKED
                && item.action == Action::Write
                && matches!(field.values, NamedValues::These(_));
            if !revokes && let Some(message) = writes.never(schema, field.predicate.id) {
                return denied(&field.at, message);
            }
        }
        let of_collection = |it: &&schema::Predicate| it.collection == item.collection;
        if item.fields.is_empty()
            && schema
                .predicates()
                .filter(of_collection)
                .all(|it| !writes.could_write(it.id))
        {
            let of = schema
                .collection(item.collection)
                .map_or("?", |it| &*it.name);
            let message = format!("Insufficient permissions within collection: {of}.");
            return denied(&item.at, Arc::from(message));
        }
    }
    Ok(())
}

/// Schema, permissions, and uniqueness of what is staged.
pub(super) fn checked(followed: Followed, t: T, ground: &Ground<'_>) -> Result<Checked, Error> {
    let Followed {
        staged:
            Staged {
                late,
                flakes,
                places,
                tempids,
            },
        renames,
        refusal,
    } = followed;
    let changes = flakes.iter().filter(|it| it.cause != Cause::Unchanged);
    let mut sorted: Vec<Flake> = changes.map(|staged| staged.flake.clone()).collect();
    sorted.sort();
    let mut after = Overlay::new(ground.before);
    after.apply(t, &sorted);
    let place = |s: SubjectId| {
        let index = flakes.iter().position(|staged| staged.flake.s == s);
        index.and_then(|index| places.get(index)).cloned()
    };
    let in_use = match schema_stage(&after, &sorted, &flakes, &places, ground) {
        Err(error) if !is_in_use(&error.problem) => return Err(error),
        told => told,
    };
    permission_stage(&after, &flakes, &places, ground)?;
    if let Some(late) = late {
        return Err(late);
    }
    // That a name is taken is why things seem to be in use.
    refusal.map_or(Ok(()), Err)?;
    in_use?;
    let sent = if touches_policy(&sorted) {
        sent(&flakes)
    } else {
        BTreeSet::new()
    };
    let new_policy = policy_stage(&after, &sorted, &sent, ground, &place)?;
    rules_stage(&after, &sorted, &place)?;
    let policy = new_policy.as_deref().unwrap_or(ground.policy);
    if new_policy.is_some() || gives_account(&sorted, policy) {
        grant_stage((&after, policy), &flakes, &renames, ground)
            .map_err(|error| located(error, &place))?;
    }
    unique_stage(&after, &flakes, &places, ground.policy.schema())?;
    let specs = Specs {
        ground,
        after: &after,
        policy: new_policy.as_deref().unwrap_or(ground.policy),
        flakes: &flakes,
        places: &places,
    };
    specs.check()?;
    Ok(Checked {
        flakes: sorted,
        tempids,
        policy: new_policy,
        warnings: Vec::new(),
        erases: Erases::default(),
    })
}

/// `restrictCollection`, and changes of the schema.
fn schema_stage(
    after: &Overlay<&dyn Facts>,
    sorted: &[Flake],
    flakes: &[StagedFlake],
    places: &[Pointer],
    ground: &Ground<'_>,
) -> Result<(), Error> {
    let schema = ground.policy.schema();
    for (staged, at) in flakes.iter().zip(places) {
        let Flake { p, o, op, .. } = &staged.flake;
        let (Op::Assert, Some(to)) = (op, o.borrow().as_ref()) else {
            continue;
        };
        let Some(it) = schema.predicate(*p) else {
            continue;
        };
        let Some(restricted) = &it.restrict_collection else {
            continue;
        };
        if schema
            .collection_named(restricted)
            .is_none_or(|it| it.id != to.collection())
        {
            let why = format!("`{}` refers to subjects of `{restricted}` only", it.name);
            return Err(Error::invalid(at, why));
        }
    }
    let place = |s: SubjectId| {
        let index = flakes.iter().position(|staged| staged.flake.s == s);
        index.and_then(|index| places.get(index)).cloned()
    };
    schema::check(schema, after, sorted).map_err(|error| Error {
        at: schema_subject(&error).and_then(place),
        problem: Problem::Schema(error),
    })
}

/// What a policy must be, and the policy that the flakes make.
fn policy_stage(
    after: &Overlay<&dyn Facts>,
    sorted: &[Flake],
    sent: &BTreeSet<(SubjectId, PredicateId)>,
    ground: &Ground<'_>,
    place: &dyn Fn(SubjectId) -> Option<Pointer>,
) -> Result<Option<Arc<Policy>>, Error> {
    let check = |new: &Policy| {
        let change = PolicyChange {
            before: (ground.before, ground.policy),
            after: (after, new),
            flakes: sorted,
            sent,
            sight: ground.sight,
            is_root: ground.writes.is_root(),
            now_ms: ground.now_ms,
        };
        check_policy(&change).map_err(|error| located(error, place))
    };
    if !touches_policy(sorted) {
        check(ground.policy)?;
        return Ok(None);
    }
    let schema = ground.policy.schema();
    let schema = if touches_schema(sorted) {
        Arc::new(Schema::load(after)?)
    } else {
        Arc::clone(schema)
    };
    let policy = ground.policy.anew(schema);
    check(&policy)?;
    Ok(Some(Arc::new(policy)))
}

/// That what would be called as stored rules are rules, of the function's name.
fn rules_stage(
    after: &dyn Facts,
    sorted: &[Flake],
    place: &dyn Fn(SubjectId) -> Option<Pointer>,
) -> Result<(), Error> {
    let is_text = |flake: &&Flake| {
        let of = [
            predicate::FN_NAME,
            predicate::FN_CODE,
            predicate::FN_LANGUAGE,
        ];
        flake.op == Op::Assert && of.contains(&flake.p)
    };
    let touched: BTreeSet<SubjectId> = sorted.iter().filter(is_text).map(|it| it.s).collect();
    for subject in touched {
        // The checks of the policy have told of a language that there is not.
        if after
            .value_list(subject, predicate::FN_LANGUAGE)?
            .is_empty()
        {
            continue;
        }
        let text = |p| -> Result<Option<Arc<str>>, Error> {
            let values = after.value_list(subject, p)?;
            Ok(values.into_iter().find_map(|value| match value {
                Value::String(text) => Some(text),
                _ => None,
            }))
        };
        let (Some(name), Some(code)) = (text(predicate::FN_NAME)?, text(predicate::FN_CODE)?)
        else {
            continue;
        };
        check_rules(&code, &name).map_err(|why| {
            let why = format!("function `{name}`: {why}");
            located(policy::Error::InvalidFunction { subject, why }, place)
        })?;
    }
    Ok(())
}

/// Law 10. A rename gives nobody anything, so what is granted is told from the state before in the new names.
fn grant_stage(
    after: (&dyn Facts, &Policy),
    flakes: &[StagedFlake],
    renames: &[Flake],
    ground: &Ground<'_>,
) -> Result<(), policy::Error> {
    let renamed: BTreeSet<SubjectId> = renames
        .iter()
        .filter(|flake| flake.p == predicate::FN_NAME)
        .map(|flake| flake.s)
        .collect();
    let gives = |it: &&StagedFlake| {
        let is_rename = it.flake.p == predicate::FN_NAME && renamed.contains(&it.flake.s);
        !is_rename && !matches!(it.cause, Cause::Unchanged | Cause::Followed)
    };
    let mut given: Vec<Flake> = flakes
        .iter()
        .filter(gives)
        .map(|it| it.flake.clone())
        .collect();
    given.sort();
    let before = (ground.before, ground.policy);
    if renames.is_empty() {
        return check_grants(ground.writes, before, after, &given);
    }
    let mut before = Overlay::new(ground.before);
    before.apply(ground.before.basis(), renames);
    let policy = ground.policy.anew(Arc::new(Schema::load(&before)?));
    check_grants(ground.writes, (&before, &policy), after, &given)
}

/// What the request itself changes.
fn sent(flakes: &[StagedFlake]) -> BTreeSet<(SubjectId, PredicateId)> {
    flakes
        .iter()
        .filter(|it| !matches!(it.cause, Cause::Followed | Cause::RefToDeleted))
        .map(|it| (it.flake.s, it.flake.p))
        .collect()
}

fn permission_stage(
    after: &Overlay<&dyn Facts>,
    flakes: &[StagedFlake],
    places: &[Pointer],
    ground: &Ground<'_>,
) -> Result<(), Error> {
    let schema = ground.policy.schema();
    let Ground {
        before,
        writes,
        sight,
        now_ms,
        budget,
        ..
    } = ground;
    judge_writes(
        writes, schema, *before, after, flakes, sight, *now_ms, budget,
    )
    .map_err(|error| match error {
        policy::Error::Write(refusal) => Error {
            at: places.get(refusal.index).cloned(),
            problem: Problem::Denied(refusal.message),
        },
        policy::Error::Facts(error) => error.into(),
        other => Error {
            at: None,
            problem: Problem::Policy(other),
        },
    })
}

/// A value of a unique predicate names at most one subject. Who has it is not told.
fn unique_stage(
    after: &dyn Facts,
    flakes: &[StagedFlake],
    places: &[Pointer],
    schema: &Schema,
) -> Result<(), Error> {
    for (staged, at) in flakes.iter().zip(places) {
        let Flake { p, o, op, .. } = &staged.flake;
        let Some(it) = schema.predicate(*p).filter(|it| it.unique) else {
            continue;
        };
        if *op == Op::Assert
            && staged.cause != Cause::Unchanged
            && after.subject_list(*p, o.borrow())?.len() > 1
        {
            let problem = Problem::Unique(Arc::clone(&it.name));
            return Err(Error {
                at: Some(at.clone()),
                problem,
            });
        }
    }
    Ok(())
}

fn is_in_use(problem: &Problem) -> bool {
    matches!(problem, Problem::Schema(schema::Error::InUse { .. }))
}

fn schema_subject(error: &schema::Error) -> Option<SubjectId> {
    match error {
        schema::Error::InvalidPredicate { subject, .. }
        | schema::Error::InvalidCollection { subject, .. }
        | schema::Error::InUse { subject, .. } => Some(*subject),
        schema::Error::Bootstrap(_) | schema::Error::Facts(_) => None,
    }
}

fn located(error: policy::Error, place: &dyn Fn(SubjectId) -> Option<Pointer>) -> Error {
    let subject = match &error {
        policy::Error::Grant { subject, .. }
        | policy::Error::InvalidRule { subject, .. }
        | policy::Error::InvalidFunction { subject, .. }
        | policy::Error::Fixed { subject, .. }
        | policy::Error::InUse { subject, .. } => Some(*subject),
        policy::Error::Write(_) | policy::Error::Facts(_) => None,
    };
    Error {
        at: subject.and_then(place),
        problem: Problem::Policy(error),
    }
}
