//! What the facts of one subject bind: the rows of a star.
//!
//! 1. Only the facts under the predicates of the star are read, and only what it binds is kept: what is compared is
//!    looked up among what is kept already.
//! 2. A value that what is joined so far cannot have is left out at once, and so is a subject that lacks anything: what
//!    is found is never more than what joins, by each variable alone.
//! 3. The lists are emptied and filled again from subject to subject, so that a row costs no allocation.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::cell::{Cell, Cells};
use super::columns::Columns;
use super::error::Error;
use super::limit::Limit;
use super::output::tag_name;
use super::place::Place;
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::star::{Kind, Star};
use crate::base::Budget;
use crate::model::system::collection;
use crate::model::{CollectionId, Fact, PredicateId, SubjectId, ValueRef, ValueType};

/// A star that is asked of one subject after another.
pub(super) struct Expansion<'a, 's> {
    reader: &'a Reader<'s>,
    /// The predicates that are read, ascending.
    predicates: Rc<[PredicateId]>,
    /// Whether all are.
    reads_all: bool,
    lists: Lists,
    /// What is done with the values of each list.
    uses: Vec<Use>,
    use_of_pairs: Use,
    /// The names of tags that were met.
    tags: BTreeMap<SubjectId, Option<Cell>>,
    subject: Place,
    limits: Limits,
    checks: Vec<Check>,
    row: Vec<Cell>,
    found: Relation,
}

/// What is done with values; the most last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Count,
    Compare,
    Bind,
}

/// What each variable may be, by its place in a row; anything, if there is no list.
type Limits = Vec<Option<Limit>>;

/// What was read of one subject.
#[derive(Default)]
struct Lists {
    /// The values under each predicate.
    values: Vec<Vec<Cell>>,
    /// Whether there is any under each, also where it is none that anything is compared with.
    are_there: Vec<bool>,
    /// All predicates and values.
    pairs: Vec<(Cell, Cell)>,
    id: Option<Cell>,
    collection: Option<(CollectionId, Cell)>,
}

/// What must hold of a subject, or what is bound to what it has.
struct Check {
    source: Source,
    object: Object,
}

#[derive(Clone, Copy)]
enum Source {
    /// The values of this list.
    Values(usize),
    /// All values; the predicate is bound to this place, or must be what stands there.
    Pairs(Object),
    Id,
    Type(Option<CollectionId>),
}

#[derive(Clone, Copy)]
enum Object {
    Any,
    Is(Cell),
    /// What stands in this place of the row.
    As(usize),
    /// It goes into this place.
    To(usize),
    Never,
}

impl<'a, 's> Expansion<'a, 's> {
    /// A star, as far as it can join what is bound.
    pub(super) fn of(star: &Star<'_>, columns: &Columns<'_>, reader: &'a Reader<'s>) -> Self {
        let vars = star.vars();
        let column = |var: &Var| columns.column(*var).map(Limit::of);
        let limits: Limits = vars.iter().map(column).collect();
        let mut predicates: Vec<PredicateId> = star
            .legs
            .iter()
            .filter_map(|leg| match &leg.kind {
                Kind::Named(of) => Some(of.id),
                Kind::Any(_) | Kind::Id | Kind::Type(_) => None,
            })
            .collect();
        predicates.sort_unstable();
        predicates.dedup();
        let checks = checks(star, &vars, &predicates);
        // What is compared with another value of the same subject may be read before that is: neither is kept yet.
        let is_id = |place: usize| place == 0 && star.subject.var().is_some();
        let is_free = |place: usize| limits.get(place).is_none_or(Option::is_none);
        let use_of = |object: Object| match object {
            Object::Any | Object::Never => Use::Count,
            Object::To(place) if is_free(place) => Use::Bind,
            Object::As(place) if is_free(place) && !is_id(place) => Use::Bind,
            Object::Is(_) | Object::As(_) | Object::To(_) => Use::Compare,
        };
        let mut uses = vec![Use::Count; predicates.len()];
        let mut use_of_pairs = Use::Count;
        for check in &checks {
            let most = match check.source {
                Source::Values(list) => uses.get_mut(list),
                Source::Pairs(_) => Some(&mut use_of_pairs),
                Source::Id | Source::Type(_) => None,
            };
            if let Some(most) = most {
                *most = use_of(check.object).max(*most);
            }
        }
        Self {
            reader,
            lists: Lists {
                values: vec![Vec::new(); predicates.len()],
                are_there: vec![false; predicates.len()],
                ..Lists::default()
            },
            predicates: predicates.into(),
            reads_all: star.legs.iter().any(|leg| leg.verb().is_some()),
            uses,
            use_of_pairs,
            tags: BTreeMap::new(),
            subject: star.subject,
            limits,
            checks,
            row: vec![Cell::NULL; vars.len()],
            found: Relation::of(vars, &reader.memory),
        }
    }

    /// Asks one subject.
    pub(super) fn ask(&mut self, s: SubjectId, cells: &mut Cells) -> Result<(), Error> {
        let reader = self.reader;
        if !self.reads_all && self.predicates.is_empty() {
            if reader.exists(s)? {
                self.begin();
                self.end(s, cells)?;
            }
            return Ok(());
        }
        self.begin();
        let predicates = Rc::clone(&self.predicates);
        let only = (!self.reads_all).then_some(&*predicates);
        let mut is_there = false;
        reader.each(s, only, &mut |fact| {
            is_there = true;
            self.take(&fact, cells)
        })?;
        if is_there {
            self.end(s, cells)?;
        }
        Ok(())
    }

    /// Asks every subject of a collection.
    pub(super) fn ask_all(&mut self, c: CollectionId, cells: &mut Cells) -> Result<(), Error> {
        let reader = self.reader;
        if !self.reads_all && self.predicates.is_empty() {
            return reader.scan_among(c, &[], &mut |s, _| {
                self.begin();
                self.end(s, cells)?;
                Ok(ControlFlow::Continue(()))
            });
        }
        let predicates = Rc::clone(&self.predicates);
        let only = (!self.reads_all).then_some(&*predicates);
        let mut current = None;
        reader.each_in(c, only, &mut |fact| {
            if current != Some(fact.s) {
                if let Some(s) = current.replace(fact.s) {
                    self.end(s, cells)?;
                }
                self.begin();
            }
            self.take(&fact, cells)
        })?;
        match current {
            Some(s) => self.end(s, cells),
            None => Ok(()),
        }
    }

    /// The rows of all that were asked.
    pub(super) fn found(mut self) -> Relation {
        if self.subject == Place::Any {
            self.found.distinct();
        }
        self.found
    }

    fn begin(&mut self) {
        for list in &mut self.lists.values {
            list.clear();
        }
        self.lists.are_there.fill(false);
        self.lists.pairs.clear();
    }

    fn take(&mut self, fact: &Fact<'_>, cells: &mut Cells) -> Result<(), Error> {
        let list = self.predicates.binary_search(&fact.p).ok();
        if list.is_none() && !self.reads_all {
            return Ok(());
        }
        let use_of_list = list.and_then(|at| self.uses.get(at)).copied();
        let mut most = use_of_list.unwrap_or(Use::Count);
        if self.reads_all {
            most = most.max(self.use_of_pairs);
        }
        let cell = match (fact.o, most) {
            (ValueRef::Ref(tag), _) if self.is_tag(fact.p, tag) => match self.tag(tag, cells)? {
                Some(cell) => Some(cell),
                // What the name of is not seen is not there.
                None => return Ok(()),
            },
            (_, Use::Count) => None,
            (value, Use::Compare) => cells.known(value),
            (value, Use::Bind) => Some(cells.value(value, self.reader.budget)?),
        };
        if let Some(is_there) = list.and_then(|at| self.lists.are_there.get_mut(at)) {
            *is_there = true;
        }
        if let (Some(list), Some(cell)) = (list, cell)
            && let Some(values) = self.lists.values.get_mut(list)
        {
            values.push(cell);
        }
        if self.reads_all {
            let p = cells.whole(fact.p.subject().raw());
            // Nothing is compared with a null.
            self.lists.pairs.push((p, cell.unwrap_or(Cell::NULL)));
        }
        Ok(())
    }

    /// Whether this is told by its name. A ref may also be to a tag, and is an id then.
    fn is_tag(&self, p: PredicateId, tag: SubjectId) -> bool {
        let of = |p| self.reader.schema.predicate(p);
        tag.collection() == collection::TAG
            && of(p).is_some_and(|of| of.value_type == ValueType::Tag)
    }

    fn tag(&mut self, tag: SubjectId, cells: &mut Cells) -> Result<Option<Cell>, Error> {
        if let Some(known) = self.tags.get(&tag) {
            return Ok(*known);
        }
        let budget = self.reader.budget;
        budget.spend(1)?;
        let cell = match tag_name(tag, self.reader.facts)? {
            Some(name) => Some(cells.text(&name, budget)?),
            None => None,
        };
        self.tags.insert(tag, cell);
        Ok(cell)
    }

    fn end(&mut self, s: SubjectId, cells: &mut Cells) -> Result<(), Error> {
        let id = cells.whole(s.raw());
        if let (Place::Var(_), Some(first)) = (self.subject, self.row.first_mut()) {
            let limit = self.limits.first().and_then(Option::as_ref);
            if limit.is_some_and(|limit| !limit.has(id)) {
                return Ok(());
            }
            *first = id;
        }
        for list in &mut self.lists.values {
            if list.len() > 1 {
                list.sort_unstable();
                list.dedup();
            }
        }
        if self.lists.pairs.len() > 1 {
            self.lists.pairs.sort_unstable();
            self.lists.pairs.dedup();
        }
        self.lists.id = Some(id);
        let needs_type = |check: &Check| matches!(check.source, Source::Type(_));
        self.lists.collection = None;
        if self.checks.iter().any(needs_type)
            && let Some(of) = self.reader.schema.collection(s.collection())
        {
            let name = cells.text(&of.name, self.reader.budget)?;
            self.lists.collection = Some((s.collection(), name));
        }
        let mut rows = Rows {
            lists: &self.lists,
            limits: &self.limits,
            row: &mut self.row,
            found: &mut self.found,
            budget: self.reader.budget,
        };
        rows.extend(&self.checks)
    }
}

/// The checks of a star, each as soon as what it compares with is bound.
fn checks(star: &Star<'_>, vars: &[Var], predicates: &[PredicateId]) -> Vec<Check> {
    let mut set: Vec<Var> = star.subject.var().into_iter().collect();
    let place = |var: Var| vars.iter().position(|it| *it == var).unwrap_or(usize::MAX);
    let mut left: Vec<_> = star.legs.iter().collect();
    let mut checks = Vec::new();
    while !left.is_empty() {
        let is_set = |var: Option<Var>| var.is_none_or(|var| set.contains(&var));
        let index = left
            .iter()
            .position(|leg| is_set(leg.verb()) && is_set(leg.object.var()));
        let leg = left.remove(index.unwrap_or(0));
        let mut place_of = |var: Var| {
            if set.contains(&var) {
                Object::As(place(var))
            } else {
                set.push(var);
                Object::To(place(var))
            }
        };
        let source = match &leg.kind {
            Kind::Named(of) => {
                Source::Values(predicates.binary_search(&of.id).unwrap_or(usize::MAX))
            }
            Kind::Any(var) => Source::Pairs(place_of(*var)),
            Kind::Id => Source::Id,
            Kind::Type(c) => Source::Type(*c),
        };
        let object = match leg.object {
            Place::Any => Object::Any,
            Place::Cell(cell) => Object::Is(cell),
            Place::Nothing => Object::Never,
            Place::Var(var) => place_of(var),
        };
        checks.push(Check { source, object });
    }
    checks
}

/// The rows of one subject, on their way.
struct Rows<'e> {
    lists: &'e Lists,
    limits: &'e Limits,
    row: &'e mut Vec<Cell>,
    found: &'e mut Relation,
    budget: &'e Budget,
}

impl Rows<'_> {
    /// Adds the rows that pass what is left of the checks.
    fn extend(&mut self, checks: &[Check]) -> Result<(), Error> {
        let Some((check, rest)) = checks.split_first() else {
            return self.found.push(self.row, self.budget);
        };
        let lists = self.lists;
        match (check.source, check.object) {
            (_, Object::Never) => Ok(()),
            (Source::Values(list), Object::Any) => match lists.are_there.get(list) {
                None | Some(false) => Ok(()),
                Some(true) => self.extend(rest),
            },
            (Source::Values(list), object) => {
                let values = lists.values.get(list).map(Vec::as_slice);
                self.each(values.unwrap_or_default(), object, rest)
            }
            (Source::Id, object) => self.each(lists.id.as_slice(), object, rest),
            (Source::Type(c), object) => match lists.collection {
                Some((of, name)) if c.is_none_or(|c| c == of) => self.each(&[name], object, rest),
                _ => Ok(()),
            },
            (Source::Pairs(verb), object) => {
                for (p, o) in &lists.pairs {
                    self.budget.spend(1)?;
                    if self.put(verb, *p) && self.put(object, *o) {
                        self.extend(rest)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Goes on with each of some values that the object may be.
    fn each(&mut self, values: &[Cell], object: Object, rest: &[Check]) -> Result<(), Error> {
        let wanted = match object {
            Object::Is(cell) => Some(cell),
            Object::As(place) => self.row.get(place).copied(),
            Object::Any | Object::To(_) | Object::Never => None,
        };
        if let Some(cell) = wanted {
            return match values.binary_search(&cell) {
                Ok(_) => self.extend(rest),
                Err(_) => Ok(()),
            };
        }
        if matches!(object, Object::Any) {
            return match values {
                [] => Ok(()),
                _ => self.extend(rest),
            };
        }
        for value in values {
            self.budget.spend(1)?;
            if self.put(object, *value) {
                self.extend(rest)?;
            }
        }
        Ok(())
    }

    /// Whether a place may be this, which is put there if nothing is yet.
    fn put(&mut self, object: Object, cell: Cell) -> bool {
        match object {
            Object::Any => true,
            Object::Never => false,
            Object::Is(it) => it == cell,
            Object::As(place) => self.row.get(place) == Some(&cell),
            Object::To(place) => {
                let limit = self.limits.get(place).and_then(Option::as_ref);
                if limit.is_some_and(|limit| !limit.has(cell)) {
                    return false;
                }
                if let Some(it) = self.row.get_mut(place) {
                    *it = cell;
                }
                true
            }
        }
    }
}
