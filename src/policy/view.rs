//! The permitted view: facts as one auth may see them.
//!
//! 1. It filters at the leaf: whatever is asked of it, a fact that is not visible does not exist (law 8).
//! 2. A ref to a subject of which no fact passes the rules is absent. Whether a fact passes is asked of the rules
//!    alone, not of the refs in it, so this ends.
//! 3. Time travel asks the rules of now twice: on the facts of then and on those of now; for a subject that is
//!    gone, on those just before it went (law 12).
//! 4. Steps on visible facts are charged to the request; work on hidden ones is bounded by the deadline alone
//!    (law 14), so that a hidden fact changes no answer.
//! 5. Sealed predicates are shown to nobody, root included.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::permissions::{Permissions, Plan};
use super::verdicts::{Look, SubjectMap, Verdict, Verdicts};
use crate::base::Budget;
use crate::lang::{Context, Reach};
use crate::model::system::{USER_NUMBER_FIRST, collection, is_walked, predicate};
use crate::model::{
    Bounds, CollectionId, Direction, Error, Fact, Facts, PredicateId, SubjectId, T, ValueRef, Visit,
};
use crate::schema::Schema;

/// What a view of the past needs of the time since.
pub trait History {
    /// The facts of now.
    fn now(&self) -> &dyn Facts;

    /// The facts just before a subject's last fact went, if it ever had any.
    fn before_it_went(&self, s: SubjectId) -> Result<Option<Box<dyn Facts + '_>>, Error>;
}

/// Facts as one auth may see them.
pub struct View<'a> {
    permissions: Arc<Permissions>,
    schema: Arc<Schema>,
    facts: &'a dyn Facts,
    history: Option<&'a dyn History>,
    now_ms: i64,
    budget: &'a Budget,
    /// Work that nobody is charged for.
    work: Budget,
    verdicts: Verdicts,
    targets: RefCell<SubjectMap<SubjectId, bool>>,
    tags: RefCell<SubjectMap<SubjectId, bool>>,
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("auth", &self.permissions.auth())
            .field("basis", &self.facts.basis())
            .finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    /// `facts` as `permissions` show them; the rules read the same facts, unfiltered.
    pub fn new(
        permissions: Arc<Permissions>,
        schema: Arc<Schema>,
        facts: &'a dyn Facts,
        now_ms: i64,
        budget: &'a Budget,
    ) -> Self {
        Self {
            permissions,
            schema,
            facts,
            history: None,
            now_ms,
            budget,
            work: budget.unbounded(),
            verdicts: Verdicts::default(),
            targets: RefCell::default(),
            tags: RefCell::default(),
        }
    }

    /// The same, where `facts` are of the past and the rules must also allow on what came since.
    #[must_use]
    pub fn with_history(mut self, history: &'a dyn History) -> Self {
        self.history = Some(history);
        self
    }

    /// Whether one fact is visible. Charges its steps if it is.
    pub fn sees(&self, fact: Fact<'_>) -> Result<bool, Error> {
        self.sees_now(fact, Look::Row)
    }

    /// Whether one fact is visible, and why it is looked at.
    fn sees_now(&self, fact: Fact<'_>, look: Look) -> Result<bool, Error> {
        self.work.spend(1)?;
        if self.is_sealed(fact.p) {
            return Ok(false);
        }
        if self.permissions.is_root() {
            self.budget.spend(1)?;
            return Ok(true);
        }
        let steps = if self.is_shown_by_law(fact)? {
            0
        } else if let Some(steps) = self.passes(fact, look)? {
            steps
        } else {
            return Ok(false);
        };
        if let ValueRef::Ref(target) = fact.o {
            if target.collection() == collection::TAG {
                self.tags.borrow_mut().insert(target, true);
            } else if !self.shows_something_of(target)? {
                return Ok(false);
            }
        }
        self.budget.spend(steps.saturating_add(1))?;
        Ok(true)
    }

    /// Whether a fact under this predicate might be visible, whatever the facts are. Where none might, none is read.
    fn could_show(&self, p: PredicateId) -> bool {
        if self.permissions.is_root() || !matches!(self.permissions.plan_of(p), Plan::Deny) {
            return true;
        }
        let described = self.schema.predicate(p);
        described.is_none_or(|it| law_shows_in(it.collection))
    }

    /// Of some predicates, those under which a fact might be visible.
    fn showing<'p>(&self, predicates: &'p [PredicateId]) -> Cow<'p, [PredicateId]> {
        if predicates.iter().all(|p| self.could_show(*p)) {
            return Cow::Borrowed(predicates);
        }
        let showing = predicates.iter().filter(|p| self.could_show(**p));
        Cow::Owned(showing.copied().collect())
    }

    /// Whether anything in a collection might be visible.
    fn could_show_in(&self, c: CollectionId) -> bool {
        let mut predicates = self.schema.predicates();
        law_shows_in(c) || predicates.any(|it| it.collection == c && self.could_show(it.id))
    }

    fn is_sealed(&self, p: PredicateId) -> bool {
        u64::from(p.0) < USER_NUMBER_FIRST && self.schema.predicate(p).is_some_and(|it| it.sealed)
    }

    /// What the law shows without asking rules.
    fn is_shown_by_law(&self, fact: Fact<'_>) -> Result<bool, Error> {
        let bearer = self.permissions.auth();
        match fact.s.collection() {
            collection::PREDICATE | collection::COLLECTION => Ok(true),
            collection::TAG => self.shows_tag(fact.s),
            collection::TOKEN => self.refers(fact.s, predicate::TOKEN_AUTH, bearer),
            CollectionId::TX => self.refers(fact.s, predicate::TX_AUTH, bearer),
            _ => Ok(false),
        }
    }

    fn refers(&self, s: SubjectId, p: PredicateId, to: SubjectId) -> Result<bool, Error> {
        let mut found = false;
        self.facts.values(s, p, &mut |fact| {
            found |= fact.o == ValueRef::Ref(to);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// A tag is visible where its predicate is `restrictTag` or a visible flake uses it.
    fn shows_tag(&self, tag: SubjectId) -> Result<bool, Error> {
        if let Some(known) = self.tags.borrow().get(&tag) {
            return Ok(*known);
        }
        let mut shown = false;
        self.facts.values(tag, predicate::TAG_ID, &mut |fact| {
            let of = fact
                .o
                .as_str()
                .and_then(|id| id.split_once(':'))
                .map(|(of, _)| of);
            let of = of.and_then(|of| self.schema.predicate_tagged(of));
            shown = of.is_some_and(|of| of.restrict_tag);
            ControlFlow::Break(())
        })?;
        if !shown {
            let mut failed = None;
            self.facts.referrers(tag, &mut |p, s| {
                let fact = Fact {
                    s,
                    p,
                    o: ValueRef::Ref(tag),
                    t: self.facts.basis(),
                };
                let seen = self.work.spend(1).map_err(Error::from).and_then(|()| {
                    Ok(self.is_shown_but_tags(fact)? || self.passes(fact, Look::Target)?.is_some())
                });
                match seen {
                    Ok(seen) => shown = seen && !self.is_sealed(p),
                    Err(error) => failed = Some(error),
                }
                if shown || failed.is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        self.tags.borrow_mut().insert(tag, shown);
        Ok(shown)
    }

    /// No tag stands on a tag, so this does not come back to [`View::shows_tag`].
    fn is_shown_but_tags(&self, fact: Fact<'_>) -> Result<bool, Error> {
        if fact.s.collection() == collection::TAG {
            return Ok(false);
        }
        self.is_shown_by_law(fact)
    }

    /// Where every block is looked at, that is paid; how many there are is no secret.
    fn pay_for_finding(&self, p: PredicateId) -> Result<(), Error> {
        if is_walked(p) {
            self.budget.spend(self.facts.basis().0)?;
        }
        Ok(())
    }

    /// Whether any fact of a subject passes the rules.
    fn shows_something_of(&self, target: SubjectId) -> Result<bool, Error> {
        if let Some(known) = self.targets.borrow().get(&target) {
            return Ok(*known);
        }
        let mut shown = false;
        each(|visit| self.facts.subject(target, visit), &mut |fact| {
            if self.is_sealed(fact.p) {
                return Ok(ControlFlow::Continue(()));
            }
            self.work.spend(1)?;
            shown = self.is_shown_by_law(fact)? || self.passes(fact, Look::Target)?.is_some();
            Ok(if shown {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        self.targets.borrow_mut().insert(target, shown);
        Ok(shown)
    }

    /// Whether the rules allow a fact, and in how many steps.
    fn passes(&self, fact: Fact<'_>, look: Look) -> Result<Verdict, Error> {
        let (number, plan) = self.permissions.numbered_plan_of(fact.p);
        let reach = match plan {
            Plan::Allow => return Ok(Some(0)),
            Plan::Deny => return Ok(None),
            Plan::Ask { reach, .. } => *reach,
        };
        // With a history, which facts the rules are asked on depends on the subject.
        let is_of_bearer = reach == Reach::Bearer && self.history.is_none();
        let known = match reach {
            _ if is_of_bearer => self.verdicts.of_bearer(number),
            Reach::Bearer | Reach::Subject => self.verdicts.of(fact.s, number, look),
            Reach::Flake => None,
        };
        if let Some(verdict) = known {
            return Ok(verdict);
        }
        let before = self.work.spent();
        let allowed = self.judge(plan, fact)?;
        let steps = self.work.spent().saturating_sub(before);
        let verdict = allowed.then_some(steps);
        match reach {
            _ if is_of_bearer => self.verdicts.put_of_bearer(number, verdict),
            Reach::Bearer | Reach::Subject => self.verdicts.put(fact.s, number, verdict, look),
            Reach::Flake => {}
        }
        Ok(verdict)
    }

    fn judge(&self, plan: &Plan, fact: Fact<'_>) -> Result<bool, Error> {
        let described = self.schema.predicate(fact.p);
        let context = Context {
            predicate: Some(fact.p),
            predicate_name: described.map(|it| &*it.name),
            predicate_type: described.map(|it| it.value_type),
            object: Some(fact.o),
            ..self.permissions.context(fact.s, self.now_ms)
        };
        if !plan.allows(&context, self.facts, &self.work)? {
            return Ok(false);
        }
        let Some(history) = self.history else {
            return Ok(true);
        };
        if history.now().exists(fact.s)? {
            return plan.allows(&context, history.now(), &self.work);
        }
        match history.before_it_went(fact.s)? {
            Some(then) => plan.allows(&context, &*then, &self.work),
            None => Ok(false),
        }
    }

    /// Runs a visit and hands on what is visible.
    fn seen(
        &self,
        look: Look,
        run: impl FnOnce(&mut Visit<'_>) -> Result<(), Error>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        each(run, &mut |fact| {
            Ok(if self.sees_now(fact, look)? {
                visit(fact)
            } else {
                ControlFlow::Continue(())
            })
        })
    }
}

/// Whether the law shows anything in a collection without asking rules.
fn law_shows_in(c: CollectionId) -> bool {
    matches!(
        c,
        collection::PREDICATE
            | collection::COLLECTION
            | collection::TAG
            | collection::TOKEN
            | CollectionId::TX
    )
}

impl Plan {
    /// Laws 3, 5 and 7 for one flake: no deny says yes or fails, and in some role a rule says yes.
    pub(super) fn allows(
        &self,
        context: &Context<'_>,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<bool, Error> {
        let (denies, roles) = match self {
            Self::Allow => return Ok(true),
            Self::Deny => return Ok(false),
            Self::Ask { denies, roles, .. } => (denies, roles),
        };
        for rule in denies {
            if rule.says_yes(context, facts, budget)? {
                return Ok(false);
            }
        }
        for rule in roles.iter().flatten() {
            if rule.says_yes(context, facts, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Runs a visit whose visitor may fail.
fn each(
    run: impl FnOnce(&mut Visit<'_>) -> Result<(), Error>,
    visit: &mut dyn FnMut(Fact<'_>) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let mut failed = None;
    run(&mut |fact| {
        visit(fact).unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    failed.map_or(Ok(()), Err)
}

impl Facts for View<'_> {
    fn basis(&self) -> T {
        self.facts.basis()
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.seen(Look::Row, |each| self.facts.subject(s, each), visit)
    }

    fn values(&self, s: SubjectId, p: PredicateId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.seen(Look::Row, |each| self.facts.values(s, p, each), visit)
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let predicates = self.showing(predicates);
        self.seen(
            Look::Row,
            |each| self.facts.among(s, &predicates, each),
            visit,
        )
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.pay_for_finding(p)?;
        if !self.could_show(p) {
            return Ok(());
        }
        let mut failed = None;
        self.facts.subjects(p, o, &mut |s| match self.sees_now(
            Fact {
                s,
                p,
                o,
                t: self.facts.basis(),
            },
            Look::Find,
        ) {
            Ok(true) => visit(s),
            Ok(false) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut failed = None;
        self.facts.referrers(o, &mut |p, s| match self.sees_now(
            Fact {
                s,
                p,
                o: ValueRef::Ref(o),
                t: self.facts.basis(),
            },
            Look::Find,
        ) {
            Ok(true) => visit(p, s),
            Ok(false) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.pay_for_finding(p)?;
        if !self.could_show(p) {
            return Ok(());
        }
        self.seen(Look::Find, |each| self.facts.range(p, bounds, each), visit)
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        if !self.could_show_in(c) {
            return Ok(());
        }
        self.seen(
            Look::Row,
            |each| self.facts.collection(c, direction, after, each),
            visit,
        )
    }

    fn collection_among(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let predicates = self.showing(predicates);
        if predicates.is_empty() {
            return Ok(());
        }
        let facts = self.facts;
        self.seen(
            Look::Row,
            |each| facts.collection_among(c, direction, after, &predicates, each),
            visit,
        )
    }

    /// Of each subject, the facts are judged up to the first that is visible.
    fn members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if !self.could_show_in(c) {
            return Ok(());
        }
        let mut told = None;
        each(
            |visit| self.facts.collection(c, direction, None, visit),
            &mut |fact| {
                if told == Some(fact.s) || !self.sees(fact)? {
                    return Ok(ControlFlow::Continue(()));
                }
                told = Some(fact.s);
                Ok(visit(fact.s))
            },
        )
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, Error> {
        self.facts.next_number(c)
    }
}
