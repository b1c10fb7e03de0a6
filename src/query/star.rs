//! The clauses of one subject at one time: a star.
//!
//! 1. One read of the subject's facts answers all of its clauses.
//! 2. Its clauses are resolved here: names to predicates and collections, literals to cells. How its subjects are found
//!    is a matter of `seek`, and what a subject's facts bind, of `expand`.

use std::cell::RefCell;

use super::cell::Cells;
use super::clause::{Clause, Term, Verb};
use super::error::Error;
use super::json::Json;
use super::place::{Place, collection_named, literal, named};
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::Var;
use super::run::Run;
use super::select::invalid;
use super::survey::Survey;
use super::when::When;
use crate::model::CollectionId;
use crate::schema::Predicate;

/// One clause, about a subject that its star names.
pub(super) struct Leg<'s> {
    pub(super) at: Pointer,
    pub(super) kind: Kind<'s>,
    pub(super) object: Place,
}

pub(super) enum Kind<'s> {
    Named(&'s Predicate),
    /// Under a predicate that this is bound to.
    Any(Var),
    Id,
    /// Of this collection, if it is named.
    Type(Option<CollectionId>),
}

/// The clauses of one subject at one time.
pub(super) struct Star<'s> {
    pub(super) at: Pointer,
    /// What it is asked of.
    pub(super) reader: &'s Reader<'s>,
    when: Option<When>,
    pub(super) subject: Place,
    pub(super) legs: Vec<Leg<'s>>,
    /// What was counted for it, leg by leg.
    pub(super) surveys: RefCell<Vec<Survey>>,
}

/// The patterns, each with those of the same subject; paths left out.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so; `Facts`.
pub(super) fn stars<'s>(
    clauses: &[Clause],
    run: Run<'s>,
    cells: &mut Cells,
) -> Result<Vec<Star<'s>>, Error> {
    let mut stars: Vec<Star<'s>> = Vec::new();
    for clause in clauses {
        if matches!(clause.verb, Verb::Path(..)) {
            continue;
        }
        let reader = run.reader_of(clause)?;
        let subject = Place::of_subject(clause, reader, cells)?;
        let leg = Leg::of(clause, reader, cells)?;
        let of_one = |it: &&mut Star<'s>| {
            it.subject == subject && it.when == clause.when && subject != Place::Any
        };
        match stars.iter_mut().find(of_one) {
            Some(star) => star.legs.push(leg),
            None => stars.push(Star {
                at: clause.at.clone(),
                reader,
                when: clause.when,
                subject,
                legs: vec![leg],
                surveys: RefCell::default(),
            }),
        }
    }
    Ok(stars)
}

impl Star<'_> {
    /// Its variables: the subject's first, each once.
    pub(super) fn vars(&self) -> Vec<Var> {
        let mut vars = Vec::new();
        let of_legs = self
            .legs
            .iter()
            .flat_map(|leg| [leg.verb(), leg.object.var()]);
        for var in [self.subject.var()].into_iter().chain(of_legs).flatten() {
            if !vars.contains(&var) {
                vars.push(var);
            }
        }
        vars
    }

    /// Whether nothing can satisfy it, whatever there is.
    pub(super) fn is_nothing(&self) -> bool {
        let is_nothing = |leg: &Leg<'_>| leg.object == Place::Nothing;
        self.subject == Place::Nothing || self.legs.iter().any(is_nothing)
    }
}

impl Leg<'_> {
    /// The variable that its predicate is.
    pub(super) fn verb(&self) -> Option<Var> {
        match self.kind {
            Kind::Any(var) => Some(var),
            Kind::Named(_) | Kind::Id | Kind::Type(_) => None,
        }
    }
}

impl<'s> Leg<'s> {
    fn of(clause: &Clause, reader: &Reader<'s>, cells: &mut Cells) -> Result<Self, Error> {
        let at = |index: usize| clause.at.index(clause.first.saturating_add(index));
        let kind = match &clause.verb {
            Verb::Path(..) => return Err(invalid(&at(1), "a path is no clause of a star")),
            Verb::Var(var) => Kind::Any(*var),
            Verb::Id => Kind::Id,
            Verb::Type => Kind::Type(match &clause.object {
                Term::Literal(json) => Some(collection_named(json, &at(2), reader)?.id),
                Term::Var(_) | Term::Any => None,
            }),
            Verb::Named(name) => {
                let of = reader.schema.predicate_named(name);
                let of = of
                    .filter(|of| !of.sealed)
                    .ok_or_else(|| invalid(&at(1), &format!("there is no predicate `{name}`")))?;
                Kind::Named(of)
            }
        };
        let object = match &clause.object {
            Term::Var(var) => Place::Var(*var),
            Term::Any => Place::Any,
            Term::Literal(json) => match (&kind, &**json) {
                (Kind::Named(of), _) => literal(json, of, &at(2), reader, cells)?,
                (Kind::Id, _) | (Kind::Any(_), Json::Array(_)) => {
                    named(json, &at(2), reader, cells)?
                }
                (Kind::Any(_), _) => Place::Cell(cells.scalar(json, &at(2), reader.budget)?),
                (Kind::Type(_), _) => {
                    let of = collection_named(json, &at(2), reader)?;
                    Place::Cell(cells.text(&of.name, reader.budget)?)
                }
            },
        };
        Ok(Self {
            at: clause.at.clone(),
            kind,
            object,
        })
    }
}
