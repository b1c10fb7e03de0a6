//! Specs: what values, transactions and subjects must pass, whoever writes them. Root is bound by them too.
//!
//! 1. They are asked last, of what would be made true, so a bearer who may not write learns nothing of them.
//! 2. A predicate's spec is asked once for each flake that it asserts, on the state after; its `txSpec` once for
//!    all its flakes of the transaction, on the state before; a collection's spec once for each subject that the
//!    transaction touches and leaves, on the state after.
//! 3. They read with the eyes of root, like rules.
//! 4. Only `true` passes: `false` and a fault do not.
//! 5. Where it fails by flakes that its author neither sent nor sees, the collection alone is told.
//! 6. The specs of the state after are asked, so one that a transaction makes or takes holds at once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{Error, Problem, SpecKind};
use super::ground::Ground;
use crate::lang::{Context, Previous, Truth};
use crate::model::{self, Fact, Facts, Flake, Op, PredicateId, SubjectId, Value};
use crate::policy::{Cause, Policy, StagedFlake};
use crate::query::Pointer;
use crate::schema::{Predicate, Spec};

/// Values before the transaction, as far as they were asked for.
type Known = BTreeMap<(SubjectId, PredicateId), Rc<[Value]>>;

/// What specs are asked with.
pub(super) struct Specs<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) after: &'a dyn Facts,
    /// The policy and schema after the transaction.
    pub(super) policy: &'a Policy,
    pub(super) flakes: &'a [StagedFlake],
    pub(super) places: &'a [Pointer],
}

impl Specs<'_> {
    /// Asks all of them; the first that does not pass is told: predicates' in the request's order, then transactions'
    /// by predicate, then collections' by subject.
    ///
    /// # Errors
    /// `Spec`; `Facts` where there is no decision.
    pub(super) fn check(&self) -> Result<(), Error> {
        let schema = self.policy.schema();
        let mut known = Known::new();
        let mut of_predicate: BTreeMap<PredicateId, (usize, Vec<Flake>)> = BTreeMap::new();
        let mut of_subject: BTreeMap<SubjectId, (usize, Vec<Flake>)> = BTreeMap::new();
        for (index, staged) in self.flakes.iter().enumerate() {
            if staged.cause == Cause::Unchanged {
                continue;
            }
            let flake = &staged.flake;
            let Some(it) = schema.predicate(flake.p) else {
                continue;
            };
            if let Some(spec) = &it.spec
                && flake.op == Op::Assert
            {
                let before = self.previous(flake.s, it.id, &mut known)?;
                self.value(spec, it, flake, &before, index)?;
            }
            let note = |(_, flakes): &mut (usize, Vec<Flake>)| flakes.push(flake.clone());
            if it.tx_spec.is_some() {
                note(of_predicate.entry(it.id).or_insert((index, vec![])));
            }
            if schema
                .collection(it.collection)
                .is_some_and(|it| it.spec.is_some())
            {
                note(of_subject.entry(flake.s).or_insert((index, vec![])));
            }
        }
        for (p, (index, flakes)) in &of_predicate {
            if let Some(it) = schema.predicate(*p)
                && let Some(spec) = &it.tx_spec
            {
                self.transaction(spec, it, flakes, *index)?;
            }
        }
        for (s, (index, flakes)) in &of_subject {
            if let Some(it) = schema.collection(s.collection())
                && let Some(spec) = &it.spec
                && self.after.exists(*s)?
            {
                let context = Context {
                    flakes: Some(flakes),
                    ..self.ground.writes.context(*s, self.ground.now_ms)
                };
                if !self.passes(spec, &context, self.after)? {
                    let what = format!("Collection spec failed for: {}.", it.name);
                    return Err(self.failed(SpecKind::Collection, &what, spec, *index));
                }
            }
        }
        Ok(())
    }

    /// The values before the transaction, read once and paid for: a set of values is told to each new one of it.
    fn previous(
        &self,
        s: SubjectId,
        p: PredicateId,
        known: &mut Known,
    ) -> Result<Rc<[Value]>, Error> {
        if let Some(values) = known.get(&(s, p)) {
            return Ok(Rc::clone(values));
        }
        let values: Rc<[Value]> = self.ground.before.value_list(s, p)?.into();
        let steps = u64::try_from(values.len()).unwrap_or(u64::MAX);
        self.ground
            .budget
            .spend(steps)
            .map_err(model::Error::from)?;
        known.insert((s, p), Rc::clone(&values));
        Ok(values)
    }

    fn value(
        &self,
        spec: &Spec,
        it: &Predicate,
        flake: &Flake,
        before: &[Value],
        index: usize,
    ) -> Result<(), Error> {
        let previous = match before.first() {
            _ if it.multi => Previous::Set(before),
            None => Previous::Absent,
            Some(value) => Previous::One(value.borrow()),
        };
        let context = Context {
            predicate: Some(it.id),
            predicate_name: Some(&it.name),
            predicate_type: Some(it.value_type),
            object: Some(flake.o.borrow()),
            previous,
            flakes: Some(std::slice::from_ref(flake)),
            ..self.ground.writes.context(flake.s, self.ground.now_ms)
        };
        if self.passes(spec, &context, self.after)? {
            return Ok(());
        }
        let what = format!("Predicate spec failed for predicate: {}.", it.name);
        Err(self.failed(SpecKind::Predicate, &what, spec, index))
    }

    fn transaction(
        &self,
        spec: &Spec,
        it: &Predicate,
        flakes: &[Flake],
        index: usize,
    ) -> Result<(), Error> {
        let Some(first) = flakes.first() else {
            return Ok(());
        };
        let context = Context {
            subject: None,
            predicate: Some(it.id),
            predicate_name: Some(&it.name),
            predicate_type: Some(it.value_type),
            flakes: Some(flakes),
            ..self.ground.writes.context(first.s, self.ground.now_ms)
        };
        if self.passes(spec, &context, self.ground.before)? {
            return Ok(());
        }
        if !self.is_known(it)? {
            let of = self.policy.schema().collection(it.collection);
            let of = of.map_or("?", |it| &*it.name);
            return Err(Error {
                at: self.places.get(index).cloned(),
                problem: Problem::Spec {
                    kind: SpecKind::Transaction,
                    message: format!("Predicate txSpec failed within collection: {of}."),
                },
            });
        }
        let what = format!("Predicate txSpec failed for: {}.", it.name);
        Err(self.failed(SpecKind::Transaction, &what, spec, index))
    }

    /// Whether the author sent a flake of the predicate, or sees one of those that follow.
    fn is_known(&self, it: &Predicate) -> Result<bool, Error> {
        for StagedFlake { flake, cause } in
            self.flakes.iter().filter(|staged| staged.flake.p == it.id)
        {
            let fact = Fact {
                s: flake.s,
                p: flake.p,
                o: flake.o.borrow(),
                t: self.ground.before.basis(),
            };
            if matches!(cause, Cause::Sent | Cause::Unchanged) || self.ground.sight.sees(fact)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn passes(&self, spec: &Spec, context: &Context<'_>, facts: &dyn Facts) -> Result<bool, Error> {
        for id in &spec.functions {
            // One that does not compile, which no accepted transaction leaves behind, lets nothing pass.
            let Some(function) = self.policy.function(*id, self.after)? else {
                return Ok(false);
            };
            if function.judge(context, facts, self.ground.budget)? != Truth::True {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn failed(&self, kind: SpecKind, what: &str, spec: &Spec, index: usize) -> Error {
        let message = match &spec.doc {
            Some(doc) => format!("{what} {doc}"),
            None => what.to_owned(),
        };
        Error {
            at: self.places.get(index).cloned(),
            problem: Problem::Spec { kind, message },
        }
    }
}
