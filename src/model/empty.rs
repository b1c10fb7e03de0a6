//! No facts at all: what a database is before its first block.

use std::ops::ControlFlow;

use super::error::Error;
use super::facts::{Bounds, Direction, Facts, Visit};
use super::id::{CollectionId, PredicateId, SubjectId, T};
use super::value::ValueRef;

/// No facts, at `t` 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Facts for Empty {
    fn basis(&self) -> T {
        T(0)
    }

    fn subject(&self, _: SubjectId, _: &mut Visit<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(
        &self,
        _: PredicateId,
        _: ValueRef<'_>,
        _: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn referrers(
        &self,
        _: SubjectId,
        _: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn range(&self, _: PredicateId, _: &Bounds, _: &mut Visit<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn collection(
        &self,
        _: CollectionId,
        _: Direction,
        _: Option<SubjectId>,
        _: &mut Visit<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn next_number(&self, _: CollectionId) -> Result<u64, Error> {
        Ok(0)
    }
}
