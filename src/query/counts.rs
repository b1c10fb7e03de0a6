//! How many subjects a clause leads to, and how many values a subject has: counted a little, to compare ways.
//!
//! Only what the facts at hand show is counted, within an [`Allowance`], and what was read for it is kept.

use std::rc::Rc;

use super::cell::{Cell, Cells};
use super::columns::Columns;
use super::error::Error;
use super::place::{Place, stored};
use super::reader::Reader;
use super::star::{Kind, Star};
use super::survey::{Allowance, List, PARTS, SAMPLE_LENGTH, SAMPLES, Survey};
use crate::model::SubjectId;
use crate::schema::Predicate;

/// What a clause that looks for a value under every predicate is taken to cost.
pub(super) const READS_OF_ANY: u64 = 1_024;

/// A way by a value has to be so many times shorter than another way before it is worth its own cost.
pub(super) const TIMES_SHORTER: u64 = 4;

/// The first length up to which lists are counted.
pub(super) const FIRST_LENGTH: usize = 32;

/// What is looked up while ways are compared.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a, 's> {
    pub(super) reader: &'a Reader<'s>,
    pub(super) allowance: &'a Allowance,
}

impl Star<'_> {
    pub(super) fn ground<'a>(&'a self, allowance: &'a Allowance) -> Ground<'a, 'a> {
        Ground {
            reader: self.reader,
            allowance,
        }
    }

    /// How long the list of a value that is named is taken to be.
    pub(super) fn length(
        &self,
        index: usize,
        is_bound: bool,
        alternative: u64,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<u64, Error> {
        let most = alternative / TIMES_SHORTER;
        // Without another way there is nothing to compare it with.
        if is_bound && most >= many(FIRST_LENGTH) {
            self.count(index, few(most), ground, cells)?;
        }
        let surveys = self.surveys.borrow();
        Ok(match surveys.get(index).map(|it| &it.list) {
            Some(List::All(all)) => many(all.len()),
            Some(List::MoreThan(least)) if *least > 0 => many(*least).saturating_mul(TIMES_SHORTER),
            // Not counted: shorter than all of a collection, and not than what is bound.
            _ if is_bound => alternative.saturating_add(1),
            _ => (alternative / 2).min(READS_OF_ANY),
        })
    }

    /// Counts the list of a value that is named, up to a length: none if it is longer, or may not be counted.
    pub(super) fn count(
        &self,
        index: usize,
        most: usize,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<Option<usize>, Error> {
        match self.survey(index, |it| it.list.clone()) {
            List::All(all) => return Ok(Some(all.len())),
            List::MoreThan(least) if least >= most => return Ok(None),
            List::MoreThan(_) if !ground.allowance.takes(most) => return Ok(None),
            List::MoreThan(_) => {}
        }
        let (list, is_all) = self.listed(index, most, ground.reader, cells)?;
        ground.allowance.returns(most.saturating_sub(list.len()));
        let length = list.len();
        self.survey(index, |it| {
            it.list = if is_all {
                List::All(list.into())
            } else {
                List::MoreThan(most)
            };
        });
        Ok(is_all.then_some(length))
    }

    /// The subjects that have the value that a leg names; so many at most.
    pub(super) fn listed(
        &self,
        index: usize,
        most: usize,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<(Vec<SubjectId>, bool), Error> {
        let leg = self.legs.get(index);
        let Some((Kind::Named(of), Place::Cell(cell))) = leg.map(|leg| (&leg.kind, leg.object))
        else {
            return Ok((Vec::new(), true));
        };
        match stored(cell, of, reader, cells)? {
            Some(value) => reader.subjects_up_to(of.id, value.borrow(), most),
            None => Ok((Vec::new(), true)),
        }
    }

    pub(super) fn survey<X>(&self, index: usize, with: impl FnOnce(&mut Survey) -> X) -> X {
        let mut surveys = self.surveys.borrow_mut();
        if surveys.len() < self.legs.len() {
            surveys.resize(self.legs.len(), Survey::default());
        }
        match surveys.get_mut(index) {
            Some(survey) => with(survey),
            None => with(&mut Survey::default()),
        }
    }

    /// How many subjects the values lead to that a leg's object is bound to, about.
    pub(super) fn spread(
        &self,
        index: usize,
        columns: &Columns<'_>,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<u64, Error> {
        let Some(leg) = self.legs.get(index) else {
            return Ok(0);
        };
        let column = leg.object.var().and_then(|var| columns.column(var));
        let column = column.unwrap_or_default();
        let Kind::Named(of) = &leg.kind else {
            return Ok(many(column.len()));
        };
        if of.unique || column.is_empty() {
            return Ok(many(column.len()));
        }
        let mut known = self.survey(index, |it| it.fan_in);
        if known.is_none() {
            known = fan_in(of, &column, ground, cells)?;
            self.survey(index, |it| it.fan_in = known);
        }
        let Some(parts) = known else {
            return Ok(many(column.len()).saturating_mul(2));
        };
        let found = many(column.len()).saturating_mul(parts) / PARTS;
        // Each value is looked up, whatever it leads to.
        Ok(found.max(many(column.len())))
    }

    /// How many values a subject has under a leg, in parts.
    pub(super) fn fan_out(
        &self,
        index: usize,
        of: &Predicate,
        columns: &Columns<'_>,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<u64, Error> {
        if let Some(known) = self.survey(index, |it| it.fan_out) {
            return Ok(known);
        }
        let guess = PARTS.saturating_mul(2);
        let Some(column) = self.subject.var().and_then(|var| columns.column(var)) else {
            return Ok(guess);
        };
        let samples = samples(&column);
        let most = samples.len().saturating_mul(SAMPLE_LENGTH);
        if samples.is_empty() || !ground.allowance.takes(most) {
            return Ok(guess);
        }
        let mut found: usize = 0;
        for cell in &samples {
            if let Some(s) = subject(*cell, cells) {
                found = found.saturating_add(ground.reader.how_many(s, of.id, SAMPLE_LENGTH)?);
            }
        }
        ground.allowance.returns(most.saturating_sub(found));
        let parts = many(found).saturating_mul(PARTS) / many(samples.len());
        self.survey(index, |it| it.fan_out = Some(parts));
        Ok(parts)
    }
}

pub(super) fn many(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn few(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(super) fn subject(cell: Cell, cells: &Cells) -> Option<SubjectId> {
    cells.as_whole(cell).and_then(SubjectId::from_raw)
}

/// Some of a column's cells, evenly spaced.
fn samples(column: &Rc<[Cell]>) -> Vec<Cell> {
    let step = column.len().div_ceil(SAMPLES).max(1);
    column.iter().copied().step_by(step).collect()
}

/// How many subjects a value leads to, in parts; none if it may not be counted.
fn fan_in(
    of: &Predicate,
    column: &Rc<[Cell]>,
    ground: Ground<'_, '_>,
    cells: &Cells,
) -> Result<Option<u64>, Error> {
    let samples = samples(column);
    let most = samples.len().saturating_mul(SAMPLE_LENGTH);
    if !ground.allowance.takes(most) {
        return Ok(None);
    }
    let mut found: usize = 0;
    for cell in &samples {
        if let Some(value) = stored(*cell, of, ground.reader, cells)? {
            let (list, _) = ground
                .reader
                .subjects_up_to(of.id, value.borrow(), SAMPLE_LENGTH)?;
            found = found.saturating_add(list.len());
        }
    }
    ground.allowance.returns(most.saturating_sub(found));
    Ok(Some(
        many(found).saturating_mul(PARTS) / many(samples.len()).max(1),
    ))
}
