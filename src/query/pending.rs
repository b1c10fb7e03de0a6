//! What joins and is not joined yet, and what joining it next would cost.
//!
//! 1. The next is the one that is found most cheaply, of those that share a variable with what is bound, so that nothing
//!    is multiplied that need not be.
//! 2. What shares no variable, not even through others, is a component of its own.

use super::call::Call;
use super::cell::Cells;
use super::clause::{Clause, Term, Variables, Verb};
use super::columns::Columns;
use super::counts::Ground;
use super::error::Error;
use super::group::{Bind, Group, Union, Vars, What};
use super::path::{Ends, Path};
use super::place::{Place, can_be_found};
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::run::Run;
use super::seek::Way;
use super::select::invalid;
use super::star::Star;
use super::survey::Allowance;

/// Something that joins and is not joined yet.
pub(super) enum Pending<'p, 's> {
    Star(Star<'s>),
    Path(Path<'s>),
    Call(&'p Call),
    Union(Waiting<'p>),
    Bind(&'p Bind),
}

/// A union, and what it waits for.
pub(super) struct Waiting<'p> {
    pub(super) union: &'p Union,
    /// The variables that others bind first.
    pub(super) waits_for: Vars,
    /// Whether each of its groups can begin by itself.
    pub(super) begins: bool,
}

/// What is taken to be reached by refs from one end.
const STEPS_OF_A_PATH: u64 = 64;

/// What joining something next would cost, and how it would be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// What is read for it and the rows that it leaves, about.
    pub(super) work: u64,
    pub(super) way: Way,
    /// How many rows there are then, about.
    pub(super) rows: u64,
}

/// What shares variables, directly or through others, is one component: that with what is given, and the others in the
/// order in which they are written.
pub(super) fn components<'p, 's>(
    pending: Vec<Pending<'p, 's>>,
    given: &Relation,
) -> (Vec<Pending<'p, 's>>, Vec<Vec<Pending<'p, 's>>>) {
    type Component<'p, 's> = (Vars, Vec<Pending<'p, 's>>);
    let mut components: Vec<Component<'p, 's>> =
        vec![(given.vars().iter().copied().collect(), Vec::new())];
    for it in pending {
        let mut vars = it.mentioned();
        let mut items = Vec::new();
        let mut others = Vec::new();
        for (index, component) in components.into_iter().enumerate() {
            if component.0.is_disjoint(&vars) {
                others.push((index == 0, component));
            } else {
                vars.extend(component.0);
                items.push((index == 0, component.1));
            }
        }
        let has_given = items.iter().any(|(is_given, _)| *is_given);
        let mut items: Vec<Pending<'p, 's>> = items.into_iter().flat_map(|(_, it)| it).collect();
        items.push(it);
        components = others.into_iter().map(|(_, component)| component).collect();
        if has_given {
            components.insert(0, (vars, items));
        } else {
            components.push((vars, items));
        }
    }
    let mut components = components.into_iter().map(|(_, items)| items);
    let connected = components.next().unwrap_or_default();
    (connected, components.collect())
}

impl<'s> Pending<'_, 's> {
    pub(super) fn star(&self) -> Option<&Star<'s>> {
        match self {
            Self::Star(star) => Some(star),
            Self::Path(_) | Self::Call(_) | Self::Union(_) | Self::Bind(_) => None,
        }
    }

    /// The variables that stand in it.
    pub(super) fn mentioned(&self) -> Vars {
        match self {
            Self::Star(star) => star.vars().into_iter().collect(),
            Self::Path(path) => path.vars().into_iter().collect(),
            Self::Call(call) => call.vars().collect(),
            Self::Union(it) => it.union.scope.mentioned.clone(),
            Self::Bind(bind) => bind.vars().chain([bind.var]).collect(),
        }
    }

    /// The variables that it can bind.
    pub(super) fn possible(&self) -> Vars {
        match self {
            Self::Union(it) => it.union.scope.possible.clone(),
            Self::Bind(bind) => [bind.var].into(),
            Self::Star(_) | Self::Path(_) | Self::Call(_) => self.mentioned(),
        }
    }

    /// Whether it can be joined already: else it waits for what others bind.
    pub(super) fn is_ready(&self, is_bound: &dyn Fn(Var) -> bool, will_be: &Vars) -> bool {
        match self {
            Self::Star(star) => star.has_way(is_bound),
            Self::Path(_) | Self::Call(_) => true,
            Self::Union(it) => it.waits_for.iter().all(|var| is_bound(*var)),
            Self::Bind(bind) => {
                let mut vars = bind.vars();
                vars.all(|var| is_bound(var) || !will_be.contains(&var))
            }
        }
    }

    /// What joining this next would cost.
    pub(super) fn offer(
        &self,
        columns: &Columns<'_>,
        run: Run<'_>,
        allowance: &Allowance,
        cells: &Cells,
    ) -> Result<Offer, Error> {
        let ground = Ground {
            reader: run.reader,
            allowance,
        };
        let rows = u64::try_from(columns.rows()).unwrap_or(u64::MAX);
        let work = match self {
            Self::Star(star) => {
                let choice = star.choose(columns, allowance, cells)?;
                return Ok(Offer {
                    work: choice.reads.saturating_add(choice.rows),
                    way: choice.way,
                    rows: choice.rows,
                });
            }
            Self::Path(path) => match path.ends(|var| columns.has(var)) {
                Ends::Named => STEPS_OF_A_PATH,
                Ends::Bound => rows.saturating_mul(STEPS_OF_A_PATH),
                Ends::Free(c) => {
                    let all = path.reader.facts.next_number(c)?;
                    all.saturating_mul(STEPS_OF_A_PATH)
                }
            },
            Self::Call(call) => {
                let is_named = |it: &Term| matches!(it, Term::Literal(_));
                if call.vars().any(|var| columns.has(var)) {
                    rows.saturating_mul(STEPS_OF_A_PATH)
                } else if call.arguments.iter().any(is_named) {
                    STEPS_OF_A_PATH
                } else {
                    // All that a rule holds for: behind whatever may bind some of it.
                    u64::MAX
                }
            }
            Self::Bind(_) => 0,
            Self::Union(it) => it.union.work(columns, ground)?,
        };
        Ok(Offer {
            work,
            way: Way::Nothing,
            rows,
        })
    }
}

/// Takes out a star that binds the very variables anew that this one does, and that is bound by others as well: each
/// row that this one leaves would be made for nothing, where the other has none.
pub(super) fn closing<'s>(
    star: &Star<'s>,
    pending: &mut Vec<Pending<'_, 's>>,
    columns: &Columns<'_>,
) -> Option<Star<'s>> {
    let parts = |star: &Star<'s>| -> (Vars, Vars) {
        let vars = star.vars().into_iter();
        vars.partition(|var| columns.has(*var))
    };
    let (bound, new) = parts(star);
    if bound.is_empty() || new.is_empty() {
        return None;
    }
    // Its subject is bound then, so that there is a way to it.
    let begins = |it: &Star<'s>| matches!(it.subject, Place::Var(_));
    let closes = |it: &Pending<'_, 's>| {
        let of_it = it.star().filter(|it| begins(it)).map(parts);
        of_it.is_some_and(|(bound, also)| !bound.is_empty() && also == new)
    };
    let index = pending.iter().position(closes)?;
    match pending.remove(index) {
        Pending::Star(other) => Some(other),
        Pending::Path(_) | Pending::Call(_) | Pending::Union(_) | Pending::Bind(_) => None,
    }
}

/// Nothing that is left has anywhere to begin.
pub(super) fn stuck(
    pending: &[Pending<'_, '_>],
    is_bound: &dyn Fn(Var) -> bool,
    variables: &Variables,
) -> Error {
    let (at, vars): (_, Vec<Var>) = match pending.first() {
        Some(Pending::Star(star)) => (star.at.clone(), star.vars()),
        Some(Pending::Path(path)) => (path.at.clone(), path.vars()),
        Some(Pending::Call(call)) => (call.at.clone(), call.vars().collect()),
        Some(Pending::Union(it)) => (it.union.at.clone(), it.waits_for.iter().copied().collect()),
        Some(Pending::Bind(bind)) => (bind.at.clone(), vec![bind.var]),
        None => return invalid(&super::pointer::Pointer::root(), "nothing is left to join"),
    };
    let unbound: Vec<Var> = vars.into_iter().filter(|var| !is_bound(*var)).collect();
    let names = if unbound.is_empty() {
        "nothing in it".to_owned()
    } else {
        variables.names(&unbound)
    };
    let why = format!("{names} is bound by no other clause, so this one has nowhere to begin");
    invalid(&at, &why)
}

impl Clause {
    /// What it is taken to cost to begin here, before any name is looked up.
    fn work(&self, reader: &Reader<'_>) -> Result<u64, Error> {
        let of = match &self.verb {
            _ if matches!(self.subject, Term::Literal(_)) => return Ok(1),
            Verb::Named(name) => reader.schema.predicate_named(name),
            Verb::Id | Verb::Type | Verb::Var(_) | Verb::Path(..) => None,
        };
        Ok(match (of, &self.object) {
            (Some(of), Term::Literal(_)) if of.unique => 1,
            (Some(of), Term::Literal(_)) if can_be_found(of) => 64,
            (Some(of), _) => reader.facts.next_number(of.collection)?,
            (None, _) => u64::MAX,
        })
    }
}

impl Bind {
    /// The variables that it needs.
    pub(super) fn vars(&self) -> impl Iterator<Item = Var> {
        let vars = match &self.what {
            What::Value(_) => [].as_slice(),
            What::Expression(it) => &it.vars,
        };
        vars.iter().copied()
    }
}

impl Union {
    /// What solving it is taken to cost: what each group of it would begin with.
    fn work(&self, columns: &Columns<'_>, ground: Ground<'_, '_>) -> Result<u64, Error> {
        let mut work: u64 = 0;
        for arm in &self.arms {
            let is_bound = |var: &Var| columns.has(*var);
            let mut least = if arm.scope.certain.iter().any(is_bound) {
                u64::try_from(columns.rows()).unwrap_or(u64::MAX)
            } else {
                u64::MAX
            };
            for clause in arm.parts.iter().flat_map(|part| &part.patterns) {
                least = least.min(clause.work(ground.reader)?);
            }
            work = work.saturating_add(least.saturating_mul(2));
        }
        Ok(work)
    }

    /// What a group of it takes from around it: what any of them does, if it stands in this one.
    pub(super) fn inputs_of(&self, arm: &Group) -> Vars {
        let inputs = self.inputs();
        inputs.intersection(&arm.scope.mentioned).copied().collect()
    }

    /// What any of its groups takes from around it.
    pub(super) fn inputs(&self) -> Vars {
        self.arms
            .iter()
            .flat_map(|arm| arm.scope.inputs())
            .collect()
    }
}
