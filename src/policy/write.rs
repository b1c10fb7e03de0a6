//! Law 9: whether a transaction's flakes may be written, all or none.
//!
//! 1. A flake of a subject that existed is judged on the state before and, if asserted, on the state after too.
//! 2. A flake of a new subject is judged on the state before plus the facts this transaction gives it and the new
//!    subjects reached from it by forward steps, and plus the component refs by which this transaction takes it in,
//!    once those are allowed without it. So nobody lets oneself in by writing the very fact a rule asks for beside the
//!    subject.
//! 3. A retraction is judged on the state before.
//! 4. The first refused flake in the request's order is told, and nothing later is judged.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::error::{Error, Refusal};
use super::permissions::{Permissions, Plan};
use super::rule::Rule;
use super::view::View;
use crate::base::Budget;
use crate::base::limits::{JSON_DEPTH_MAX, RULE_STEPS_MAX};
use crate::lang::{Context, Previous};
use crate::model::system::predicate;
use crate::model::{Fact, Facts, Flake, Op, Overlay, PredicateId, SubjectId, Value};
use crate::schema::Schema;

/// Why a flake is in the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request says it.
    Sent,
    /// It follows from what the request says: a value that is replaced, a fact of a subject that is deleted.
    Implied,
    /// A tag made by use: judged with the flake that uses it.
    MadeTag,
    /// A ref to a subject that is deleted: neither judged nor told.
    RefToDeleted,
    /// A fact that is erased: judged by the op `erase` at its subject.
    Erased,
    /// What a rename or a change of type writes anew: neither judged nor told, the rename or the change is.
    Followed,
    /// The request says it, and it changes nothing: judged where its author does not see so, and not in the commit.
    Unchanged,
}

/// A flake that a transaction would make true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFlake {
    /// The flake.
    pub flake: Flake,
    /// Why it is there.
    pub cause: Cause,
}

/// Values before the transaction, as far as they were asked for.
type Known = BTreeMap<(SubjectId, PredicateId), Rc<[Value]>>;

/// What laying one flake over a state costs, in steps: about as much as reading ten.
const LAID_STEPS: u64 = 10;

/// The states between which a transaction stands.
struct Judge<'a> {
    permissions: &'a Permissions,
    schema: &'a Schema,
    before: &'a dyn Facts,
    after: &'a dyn Facts,
    by_subject: BTreeMap<SubjectId, Vec<&'a Flake>>,
    /// The component refs that this transaction asserts, by what they take in.
    taking_in: BTreeMap<SubjectId, Vec<&'a Flake>>,
    /// The subjects that this transaction makes.
    made: BTreeSet<SubjectId>,
    now_ms: i64,
    budget: &'a Budget,
    previous: RefCell<Known>,
}

/// Judges the staged flakes, which stand in the request's order.
///
/// `sight` is the bearer's view of the state before, for what a refusal may tell.
///
/// # Errors
/// `Write` for the first refused flake; `Facts` where there is no decision.
#[expect(
    clippy::too_many_arguments,
    reason = "these are the two states and who is asking"
)]
pub fn judge_writes(
    permissions: &Permissions,
    schema: &Schema,
    before: &dyn Facts,
    after: &dyn Facts,
    staged: &[StagedFlake],
    sight: &View<'_>,
    now_ms: i64,
    budget: &Budget,
) -> Result<(), Error> {
    if permissions.is_root() {
        return Ok(());
    }
    let mut by_subject: BTreeMap<SubjectId, Vec<&Flake>> = BTreeMap::new();
    let mut taking_in: BTreeMap<SubjectId, Vec<&Flake>> = BTreeMap::new();
    for staged in staged.iter().filter(|it| it.cause != Cause::Unchanged) {
        let flake = &staged.flake;
        by_subject.entry(flake.s).or_default().push(flake);
        if let (Op::Assert, Value::Ref(to)) = (flake.op, &flake.o)
            && schema.predicate(flake.p).is_some_and(|it| it.component)
        {
            taking_in.entry(*to).or_default().push(flake);
        }
    }
    let mut made = BTreeSet::new();
    for s in by_subject.keys() {
        if !before.exists(*s)? {
            made.insert(*s);
        }
    }
    let judge = Judge {
        permissions,
        schema,
        before,
        after,
        by_subject,
        taking_in,
        made,
        now_ms,
        budget,
        previous: RefCell::default(),
    };
    let mut own_state: Option<(SubjectId, Overlay<&dyn Facts>)> = None;
    for (index, staged) in staged.iter().enumerate() {
        let flake = &staged.flake;
        if matches!(
            staged.cause,
            Cause::MadeTag | Cause::RefToDeleted | Cause::Followed | Cause::Erased
        ) || judge.ends_own_token(flake)?
            || (staged.cause == Cause::Unchanged && judge.shows(flake, sight)?)
        {
            continue;
        }
        let refused_on: Option<&dyn Facts> = match permissions.plan_of(flake.p) {
            Plan::Deny => Some(before),
            Plan::Ask { .. } if judge.made.contains(&flake.s) => {
                if own_state.as_ref().is_none_or(|(of, _)| *of != flake.s) {
                    own_state = Some((flake.s, judge.state_of_new(flake.s)?));
                }
                match &own_state {
                    Some((_, state)) if !judge.allows(flake, state)? => Some(state),
                    _ => None,
                }
            }
            Plan::Ask { .. } if !judge.allows(flake, before)? => Some(before),
            Plan::Ask { .. } if flake.op == Op::Assert && !judge.allows(flake, after)? => {
                Some(after)
            }
            Plan::Allow | Plan::Ask { .. } => None,
        };
        if let Some(facts) = refused_on {
            let message = judge.message(staged, facts, sight)?;
            return Err(Error::Write(Refusal { index, message }));
        }
    }
    Ok(())
}

impl<'a> Judge<'a> {
    /// Every bearer may revoke its own tokens.
    fn ends_own_token(&self, flake: &Flake) -> Result<bool, Error> {
        if flake.p != predicate::TOKEN_REVOKED || flake.op != Op::Assert {
            return Ok(false);
        }
        let own = Value::Ref(self.permissions.auth());
        Ok(self
            .before
            .value_list(flake.s, predicate::TOKEN_AUTH)?
            .contains(&own))
    }

    /// Whether the bearer would see the fact, and so sees whether it is there.
    fn shows(&self, flake: &Flake, sight: &View<'_>) -> Result<bool, Error> {
        let fact = Fact {
            s: flake.s,
            p: flake.p,
            o: flake.o.borrow(),
            t: self.before.basis(),
        };
        Ok(sight.sees(fact)?)
    }

    /// The values before the transaction, read once and paid for: a set of values is told to each new one of it.
    fn previous(&self, s: SubjectId, p: PredicateId) -> Result<Rc<[Value]>, Error> {
        if let Some(known) = self.previous.borrow().get(&(s, p)) {
            return Ok(Rc::clone(known));
        }
        let values: Rc<[Value]> = self.before.value_list(s, p)?.into();
        let steps = u64::try_from(values.len()).unwrap_or(u64::MAX);
        self.budget
            .spend(steps)
            .map_err(crate::model::Error::from)?;
        self.previous
            .borrow_mut()
            .insert((s, p), Rc::clone(&values));
        Ok(values)
    }

    /// The state before, plus what this transaction says of a new subject, of new subjects reached from it, and of
    /// what takes it in.
    fn state_of_new(&self, s: SubjectId) -> Result<Overlay<&'a dyn Facts>, Error> {
        let mut overlay = Overlay::new(self.before);
        overlay.apply(self.after.basis(), self.laid_for(s, &BTreeSet::new())?);
        Ok(overlay)
    }

    /// What is laid over the state before for a new subject; `without` are new subjects that are left out.
    ///
    /// A component ref that takes the subject in is laid once it is allowed on a state that does not have the subject,
    /// and with it, if it is of a new subject too, what is laid for that one.
    fn laid_for(
        &self,
        s: SubjectId,
        without: &BTreeSet<SubjectId>,
    ) -> Result<Vec<&'a Flake>, Error> {
        let mut laid = self.reached_from(s, without)?;
        let mut outside = without.clone();
        outside.insert(s);
        if outside.len() > JSON_DEPTH_MAX {
            return Ok(laid);
        }
        for flake in self.taking_in.get(&s).into_iter().flatten() {
            if outside.contains(&flake.s) {
                continue;
            }
            let mut of_parent = Vec::new();
            let allowed = if self.made.contains(&flake.s) {
                of_parent = self.laid_for(flake.s, &outside)?;
                let mut state = Overlay::new(self.before);
                state.apply(self.after.basis(), of_parent.iter().copied());
                self.allows(flake, &state)?
            } else {
                self.allows(flake, self.before)?
            };
            if allowed {
                // What is handed on is laid once more: where many ways lead up, that is most of the work.
                if !without.is_empty() {
                    self.pay_for_laying(of_parent.len())?;
                }
                laid.append(&mut of_parent);
                laid.push(flake);
            }
        }
        Ok(laid)
    }

    /// What this transaction says of a new subject and of new subjects reached from it by forward steps.
    fn reached_from(
        &self,
        s: SubjectId,
        without: &BTreeSet<SubjectId>,
    ) -> Result<Vec<&'a Flake>, Error> {
        let mut reached = without.clone();
        reached.insert(s);
        let mut waiting = vec![s];
        let mut laid = Vec::new();
        while let Some(s) = waiting.pop() {
            let flakes = self.by_subject.get(&s).map_or(&[][..], Vec::as_slice);
            for flake in flakes {
                self.pay_for_laying(1)?;
                if let Value::Ref(to) = &flake.o
                    && flake.op == Op::Assert
                    && self.made.contains(to)
                    && reached.insert(*to)
                {
                    waiting.push(*to);
                }
            }
            laid.extend(flakes.iter().copied());
        }
        Ok(laid)
    }

    fn pay_for_laying(&self, flakes: usize) -> Result<(), Error> {
        let steps = u64::try_from(flakes)
            .unwrap_or(u64::MAX)
            .saturating_mul(LAID_STEPS);
        Ok(self
            .budget
            .spend(steps)
            .map_err(crate::model::Error::from)?)
    }

    fn allows(&self, flake: &Flake, facts: &dyn Facts) -> Result<bool, Error> {
        match self.permissions.plan_of(flake.p) {
            Plan::Allow => Ok(true),
            Plan::Deny => Ok(false),
            plan @ Plan::Ask { .. } => self.with_context(flake, |context| {
                let steps = self.budget.bounded(RULE_STEPS_MAX);
                let allowed = plan.allows(context, facts, &steps)?;
                self.budget
                    .spend(steps.spent())
                    .map_err(crate::model::Error::from)?;
                Ok(allowed)
            }),
        }
    }

    /// Calls `judge` with the context of one flake: `(?o)` its value, `(?pO)` the value before the transaction.
    fn with_context<R>(
        &self,
        flake: &Flake,
        judge: impl FnOnce(&Context<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let described = self.schema.predicate(flake.p);
        let values = self.previous(flake.s, flake.p)?;
        let previous = match values.first() {
            _ if described.is_some_and(|it| it.multi) => Previous::Set(&values),
            None => Previous::Absent,
            Some(value) => Previous::One(value.borrow()),
        };
        let context = Context {
            predicate: Some(flake.p),
            predicate_name: described.map(|it| &*it.name),
            predicate_type: described.map(|it| it.value_type),
            object: Some(flake.o.borrow()),
            previous,
            ..self.permissions.context(flake.s, self.now_ms)
        };
        judge(&context)
    }

    /// What the refused bearer is told: of the rules that failed a deny first, then explicit, then default, lowest
    /// id first, the first with a message of its own.
    fn message(
        &self,
        staged: &StagedFlake,
        facts: &dyn Facts,
        sight: &View<'_>,
    ) -> Result<Arc<str>, Error> {
        let flake = &staged.flake;
        let c = flake.s.collection();
        let of = self.schema.collection(c).map_or("?", |it| &*it.name);
        let is_sent = matches!(staged.cause, Cause::Sent | Cause::Unchanged);
        if !is_sent && !self.shows(flake, sight)? {
            return Ok(Arc::from(format!(
                "Insufficient permissions within collection: {of}."
            )));
        }
        let (denies, roles) = self.permissions.rules_for(c, flake.p);
        let mut rules: Vec<&Arc<Rule>> = roles.iter().flatten().collect();
        rules.sort_by_key(|rule| (rule.is_default, rule.id));
        let own = self.with_context(flake, |context| {
            let mut failed = Vec::new();
            let steps = self.budget.bounded(RULE_STEPS_MAX);
            for rule in &denies {
                if rule.says_yes(context, facts, &steps)? {
                    failed.push(Arc::clone(rule));
                }
            }
            // Where no deny spoke, no allow rule said yes: all of them failed.
            failed.extend(rules.into_iter().cloned());
            Ok(failed.iter().find_map(|rule| rule.error_message.clone()))
        })?;
        let p = self.schema.predicate(flake.p).map_or("?", |it| &*it.name);
        Ok(own.unwrap_or_else(|| {
            let standing =
                format!("Insufficient permissions for predicate: {p} within collection: {of}.");
            Arc::from(standing)
        }))
    }
}
