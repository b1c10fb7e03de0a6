//! How the subjects of a star are found, and what that would cost.
//!
//! 1. They are named or bound already, or an index finds them by a value that is named or bound, or they are all of a
//!    collection.
//! 2. Which way is the cheapest is told by counts of what the facts at hand show, by the number of ids that a collection
//!    has used, and by the query and the schema: by nothing that may be hidden. The rows are the same whichever is
//!    chosen.
//! 3. What is counted is bounded by an [`Allowance`], and what was read for it is used.

use std::rc::Rc;

use super::cell::{Cell, Cells};
use super::columns::Columns;
use super::counts::{FIRST_LENGTH, Ground, READS_OF_ANY, TIMES_SHORTER, many, subject};
use super::error::Error;
use super::expand::Expansion;
use super::json::Json;
use super::place::{Place, can_be_found, stored};
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::star::{Kind, Leg, Star};
use super::survey::{Allowance, List, PARTS};
use crate::model::{CollectionId, SubjectId, ValueRef, ValueType};
use crate::schema::{Predicate, Schema};

/// How the subjects of a star are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// None can be.
    Nothing,
    Named,
    /// They are bound.
    Bound,
    /// By a unique value that is named, of the leg with this number.
    Unique(usize),
    /// By any other value that is named.
    Value(usize),
    /// By the values that a leg's object is bound to.
    Values(usize),
    /// By the object, the predicate, or both, of a leg whose predicate is a variable.
    Any(usize),
    /// All of this collection.
    All(CollectionId),
}

/// A way, and what it comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) way: Way,
    /// How many subjects are asked, about.
    pub(super) reads: u64,
    /// How many rows there are when it is joined, about.
    pub(super) rows: u64,
}

const NOTHING: Choice = Choice {
    way: Way::Nothing,
    reads: 0,
    rows: 0,
};

/// How many subjects in the order of a walk cost what one out of order does, where there are many.
const WALKED_FOR_ONE: u64 = 2;

/// How many are many.
const MANY: u64 = 512;

/// What the length grows by up to which lists are counted.
const LENGTH_FACTOR: usize = 4;

/// Counts the lists of values that are named, all at a time and each up to the same length, until one ends: it is the
/// shortest, and is kept.
///
/// # Errors
/// As the budget is spent; `Facts`.
pub(super) fn race(stars: &[&Star<'_>], allowance: &Allowance, cells: &Cells) -> Result<(), Error> {
    let mut racers = Vec::new();
    let mut best = u64::MAX;
    for star in stars {
        if star.is_nothing() || matches!(star.subject, Place::Cell(_)) {
            return Ok(());
        }
        for (index, leg) in star.legs.iter().enumerate() {
            match leg.way(index, &|_| false) {
                Some(Way::Unique(_)) => return Ok(()),
                Some(Way::Value(_)) => racers.push((star, index)),
                Some(_) | None => {}
            }
            if let Some(c) = leg.collection() {
                best = best.min(star.reader.facts.next_number(c)?);
            }
        }
    }
    if racers.len() < 2 {
        return Ok(());
    }
    let mut length = FIRST_LENGTH;
    while many(length) <= best / TIMES_SHORTER {
        let mut is_over = false;
        for (star, index) in &racers {
            let is_known = star.count(*index, length, star.ground(allowance), cells)?;
            is_over |= is_known.is_some();
        }
        if is_over {
            break;
        }
        length = length.saturating_mul(LENGTH_FACTOR);
    }
    Ok(())
}

impl Star<'_> {
    /// Whether there is any way to its subjects, once these variables are bound.
    pub(super) fn has_way(&self, is_bound: &dyn Fn(Var) -> bool) -> bool {
        let is_known = match self.subject {
            Place::Cell(_) | Place::Nothing => true,
            Place::Var(var) => is_bound(var),
            Place::Any => false,
        };
        let mut legs = self.legs.iter().enumerate();
        let leads = |(index, leg): (usize, &Leg<'_>)| {
            leg.way(index, is_bound).is_some() || leg.collection().is_some()
        };
        is_known || self.is_nothing() || legs.any(leads)
    }

    /// The cheapest way to its subjects; to nothing, if there is none.
    ///
    /// # Errors
    /// As the budget is spent; `Facts`.
    pub(super) fn choose(
        &self,
        columns: &Columns<'_>,
        allowance: &Allowance,
        cells: &Cells,
    ) -> Result<Choice, Error> {
        let ground = self.ground(allowance);
        if self.is_nothing() {
            return Ok(NOTHING);
        }
        if let Place::Cell(_) = self.subject {
            return self.priced(Way::Named, 1, columns, ground, cells);
        }
        let is_bound = |var: Var| columns.has(var);
        let mut best: Option<(u64, Way, u64)> = None;
        let mut offer = |way: Way, reads: u64| {
            let weight = match way {
                Way::Bound | Way::Value(_) | Way::Values(_) if reads >= MANY => {
                    reads.saturating_mul(WALKED_FOR_ONE)
                }
                _ => reads,
            };
            if best.is_none_or(|(least, _, _)| weight < least) {
                best = Some((weight, way, reads));
            }
        };
        let bound = self.subject.var().and_then(|var| columns.column(var));
        if let Some(bound) = &bound {
            offer(Way::Bound, many(bound.len()));
        }
        let mut all: Option<(u64, CollectionId)> = None;
        for leg in &self.legs {
            if let Some(c) = leg.collection() {
                let reads = ground.reader.facts.next_number(c)?;
                if all.is_none_or(|(least, _)| reads < least) {
                    all = Some((reads, c));
                }
            }
        }
        let alternative = match (&bound, all) {
            (Some(bound), _) => many(bound.len()),
            (None, Some((reads, _))) => reads,
            (None, None) => u64::MAX,
        };
        for (index, leg) in self.legs.iter().enumerate() {
            match leg.way(index, &is_bound) {
                Some(way @ Way::Unique(_)) => offer(way, 1),
                Some(way @ Way::Value(_)) => {
                    let reads = self.length(index, bound.is_some(), alternative, ground, cells)?;
                    offer(way, reads);
                }
                Some(way @ Way::Values(_)) => {
                    let reads = self.spread(index, columns, ground, cells)?;
                    offer(way, reads);
                }
                Some(way) => offer(
                    way,
                    READS_OF_ANY.saturating_mul(many(columns.rows().max(1))),
                ),
                None => {}
            }
        }
        if let Some((reads, c)) = all {
            offer(Way::All(c), reads);
        }
        match best {
            Some((_, way, reads)) => self.priced(way, reads, columns, ground, cells),
            None => Ok(NOTHING),
        }
    }

    fn priced(
        &self,
        way: Way,
        reads: u64,
        columns: &Columns<'_>,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<Choice, Error> {
        let rows = many(columns.rows());
        let distinct = |var: Option<Var>| {
            let column = var.and_then(|var| columns.column(var));
            many(column.map_or(1, |column| column.len())).max(1)
        };
        let is_bound = self.subject.var().is_some_and(|var| columns.has(var));
        // How many subjects a row meets, in parts.
        let mut met = match way {
            Way::Nothing => 0,
            _ if is_bound => {
                let bound = distinct(self.subject.var());
                PARTS.saturating_mul(reads.min(bound)) / bound
            }
            Way::Values(index) => {
                let var = self.legs.get(index).and_then(|leg| leg.object.var());
                PARTS.saturating_mul(reads) / distinct(var)
            }
            Way::Named | Way::Unique(_) => PARTS,
            _ => {
                let bound = self.legs.iter().enumerate().filter_map(|(index, leg)| {
                    let var = leg.object.var().filter(|var| columns.has(*var))?;
                    let known = self.survey(index, |it| it.fan_in);
                    Some(known.unwrap_or_else(|| PARTS.saturating_mul(reads) / distinct(Some(var))))
                });
                let met = bound.min();
                met.unwrap_or_else(|| PARTS.saturating_mul(reads))
            }
        };
        for (index, leg) in self.legs.iter().enumerate() {
            let is_way = matches!(way, Way::Value(at) | Way::Values(at) if at == index);
            match (&leg.kind, leg.object) {
                (Kind::Named(of), Place::Var(var)) if of.multi && !columns.has(var) => {
                    let parts = self.fan_out(index, of, columns, ground, cells)?;
                    met = met.saturating_mul(parts) / PARTS;
                }
                (Kind::Any(_), Place::Var(var)) if !columns.has(var) => {
                    met = met.saturating_mul(4);
                }
                // One that is compared lets fewer through.
                (Kind::Named(_), Place::Cell(_)) if !is_way => met = met.div_ceil(2),
                _ => {}
            }
        }
        let rows = rows.saturating_mul(met).div_ceil(PARTS);
        Ok(Choice { way, reads, rows })
    }

    /// How its subjects are found, for a plan: in words, which order served, and what was looked up or walked.
    pub(super) fn how(&self, way: Way, schema: &Schema) -> Vec<(&'static str, Json)> {
        let order_of = |index: usize| match self.legs.get(index).map(|leg| &leg.kind) {
            Some(Kind::Named(of)) if of.is_ref() => "opst",
            Some(Kind::Named(_)) => "post",
            _ => "spot",
        };
        let (by, order) = match way {
            Way::Nothing => ("nothing", None),
            Way::Named => ("named", Some("spot")),
            Way::Bound => ("bound", Some("spot")),
            Way::Unique(index) => ("unique value", Some(order_of(index))),
            Way::Value(index) => ("value", Some(order_of(index))),
            Way::Values(index) => ("bound value", Some(order_of(index))),
            Way::Any(_) => ("any predicate", None),
            Way::All(_) => ("collection", Some("spot")),
        };
        let mut members = vec![("by", Json::string(by))];
        members.extend(order.map(|order| ("order", Json::string(order))));
        if let Way::Unique(index) | Way::Value(index) | Way::Values(index) = way
            && let Some(Kind::Named(of)) = self.legs.get(index).map(|leg| &leg.kind)
        {
            members.push(("predicate", Json::string(&of.name)));
        }
        if let Way::All(c) = way
            && let Some(of) = schema.collection(c)
        {
            members.push(("collection", Json::string(&of.name)));
        }
        members
    }

    /// The rows of this star, of all subjects that the way leads to and that join what is bound.
    ///
    /// # Errors
    /// As the budget is spent, `Limit` past the memory of a query, and `Facts`.
    pub(super) fn find(
        &self,
        way: Way,
        columns: &Columns<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let reader = self.reader;
        let mut expansion = Expansion::of(self, columns, reader);
        if columns.rows() == 0 {
            return Ok(expansion.found());
        }
        if let Way::All(c) = way {
            expansion.ask_all(c, cells)?;
        } else {
            let subjects = self.candidates(way, columns, reader, cells)?;
            if let Some(c) = self.walked_for(subjects.len())? {
                expansion.ask_all(c, cells)?;
            } else {
                for s in subjects {
                    expansion.ask(s, cells)?;
                }
            }
        }
        Ok(expansion.found())
    }

    /// The collection to walk instead of asking so many subjects one by one, if these are most of it.
    ///
    /// What a walk comes to beside them is nothing that satisfies the star.
    fn walked_for(&self, count: usize) -> Result<Option<CollectionId>, Error> {
        if many(count) < MANY {
            return Ok(None);
        }
        for c in self.legs.iter().filter_map(Leg::collection) {
            let all = self.reader.facts.next_number(c)?;
            if all <= many(count).saturating_mul(WALKED_FOR_ONE) {
                return Ok(Some(c));
            }
        }
        Ok(None)
    }

    /// The subjects to ask, ascending: reads that go one way are the cheapest.
    fn candidates(
        &self,
        way: Way,
        columns: &Columns<'_>,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Vec<SubjectId>, Error> {
        let mut subjects: Vec<SubjectId> = Vec::new();
        match (way, self.subject) {
            (Way::Named, Place::Cell(cell)) => subjects.extend(subject(cell, cells)),
            (Way::Bound, Place::Var(var)) => {
                let column = columns.column(var).unwrap_or_default();
                subjects.extend(column.iter().filter_map(|cell| subject(*cell, cells)));
            }
            (Way::Value(index), _) => {
                let all = match self.survey(index, |it| it.list.clone()) {
                    List::All(all) => all,
                    List::MoreThan(_) => self.listed(index, usize::MAX, reader, cells)?.0.into(),
                };
                subjects.extend(all.iter().copied());
            }
            (Way::Unique(index) | Way::Values(index), _) => {
                if let Some(leg) = self.legs.get(index) {
                    leg.subjects(columns, reader, cells, &mut subjects)?;
                }
            }
            (Way::Any(index), _) => {
                if let Some(leg) = self.legs.get(index) {
                    leg.subjects_of_any(columns, reader, cells, &mut subjects)?;
                }
            }
            _ => {}
        }
        subjects.sort_unstable();
        subjects.dedup();
        self.narrow(&mut subjects, columns, cells);
        Ok(subjects)
    }

    /// Leaves out subjects that are not bound, or not in every list that is known already.
    fn narrow(&self, subjects: &mut Vec<SubjectId>, columns: &Columns<'_>, cells: &Cells) {
        for survey in self.surveys.borrow().iter() {
            if let List::All(all) = &survey.list {
                subjects.retain(|s| all.binary_search(s).is_ok());
            }
        }
        if let Some(bound) = self.subject.var().and_then(|var| columns.column(var)) {
            let mut bound: Vec<SubjectId> = bound
                .iter()
                .filter_map(|cell| subject(*cell, cells))
                .collect();
            bound.sort_unstable();
            subjects.retain(|s| bound.binary_search(s).is_ok());
        }
    }
}

impl Leg<'_> {
    /// How this leg leads to subjects, once these variables are bound.
    fn way(&self, index: usize, is_bound: &dyn Fn(Var) -> bool) -> Option<Way> {
        let is_known = match self.object {
            Place::Var(var) => is_bound(var),
            Place::Cell(_) => true,
            Place::Any | Place::Nothing => false,
        };
        match (&self.kind, self.object) {
            (Kind::Named(of), Place::Cell(_)) if can_be_found(of) && of.unique => {
                Some(Way::Unique(index))
            }
            (Kind::Id, Place::Cell(_)) => Some(Way::Unique(index)),
            (Kind::Named(of), Place::Cell(_)) if can_be_found(of) => Some(Way::Value(index)),
            (Kind::Named(of), _) if is_known && can_be_found(of) => Some(Way::Values(index)),
            (Kind::Id, _) if is_known => Some(Way::Values(index)),
            (Kind::Any(verb), _) if is_known || is_bound(*verb) => Some(Way::Any(index)),
            _ => None,
        }
    }

    /// The collection that all its subjects are in.
    fn collection(&self) -> Option<CollectionId> {
        match &self.kind {
            Kind::Named(of) => Some(of.collection),
            Kind::Type(c) => *c,
            Kind::Any(_) | Kind::Id => None,
        }
    }

    fn objects(&self, columns: &Columns<'_>) -> Option<Rc<[Cell]>> {
        match self.object {
            Place::Cell(cell) => Some([cell].into()),
            Place::Var(var) => columns.column(var),
            Place::Any | Place::Nothing => None,
        }
    }

    /// The subjects that have what the object is, or is bound to.
    fn subjects(
        &self,
        columns: &Columns<'_>,
        reader: &Reader<'_>,
        cells: &Cells,
        found: &mut Vec<SubjectId>,
    ) -> Result<(), Error> {
        for object in self.objects(columns).unwrap_or_default().iter() {
            match &self.kind {
                Kind::Id => found.extend(subject(*object, cells)),
                Kind::Named(of) => {
                    if let Some(value) = stored(*object, of, reader, cells)? {
                        found.extend(reader.subjects(of.id, value.borrow())?);
                    }
                }
                Kind::Any(_) | Kind::Type(_) => {}
            }
        }
        Ok(())
    }

    /// The same, under the predicates that the variable is bound to, or under all.
    fn subjects_of_any(
        &self,
        columns: &Columns<'_>,
        reader: &Reader<'_>,
        cells: &Cells,
        found: &mut Vec<SubjectId>,
    ) -> Result<(), Error> {
        let bound = self.verb().and_then(|verb| columns.column(verb));
        let is_bound = |of: &&Predicate| {
            let Some(bound) = &bound else {
                return true;
            };
            let cell = cells.known(ValueRef::Ref(of.id.subject()));
            cell.is_some_and(|cell| bound.binary_search(&cell).is_ok())
        };
        let objects = self.objects(columns);
        if bound.is_none() {
            for object in objects.as_deref().unwrap_or_default() {
                reader.budget.spend(1)?;
                if let Some(s) = subject(*object, cells) {
                    found.extend(reader.referrers(s)?);
                }
            }
        }
        for of in reader.schema.predicates().filter(|of| !of.sealed) {
            reader.budget.spend(1)?;
            // Referrers are of all predicates.
            if !is_bound(&of) || bound.is_none() && of.value_type == ValueType::Ref {
                continue;
            }
            let Some(objects) = objects.as_ref().filter(|_| can_be_found(of)) else {
                found.extend(reader.having(of)?);
                continue;
            };
            for object in objects.iter() {
                reader.budget.spend(1)?;
                if let Some(value) = stored(*object, of, reader, cells)? {
                    found.extend(reader.subjects(of.id, value.borrow())?);
                }
            }
        }
        Ok(())
    }
}
