//! A query of either kind: with a `where` of clauses it is analytical, else basic.

use std::fmt;

use super::analytical::Analytical;
use super::asked::Asked;
use super::basic::Basic;
use super::error::Error;
use super::json::Json;
use super::memory::Memory;
use super::pointer::Pointer;
use super::reader::Reader;
use super::select::invalid;
use super::when::{Moment, When};
use crate::base::Budget;
use crate::model::Facts;
use crate::schema::Schema;

/// Facts, which may be a permitted view, and the schema of their basis.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The facts.
    pub facts: &'a dyn Facts,
    /// What their predicates mean.
    pub schema: &'a Schema,
}

impl<'a> Source<'a> {
    fn reader(self, asked: Asked, budget: &'a Budget, memory: &Memory) -> Reader<'a> {
        Reader {
            facts: self.facts,
            schema: self.schema,
            asked,
            budget,
            memory: memory.clone(),
        }
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.facts.basis()).finish()
    }
}

/// A query that has the right shape. Its names are looked up when it runs, in the schema of the basis it asks about.
#[derive(Clone, Debug)]
pub struct Query(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Basic(Basic),
    Analytical(Analytical),
}

impl Query {
    /// Reads a query from JSON text.
    ///
    /// # Errors
    /// `Json`, `InvalidQuery` and `Limit`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(&Json::read(text)?)
    }

    /// Reads a query from JSON, such as one of a multi-query.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` for what is too deep or too long.
    pub fn read(json: &Json) -> Result<Self, Error> {
        let Json::Object(members) = json else {
            return Err(invalid(&Pointer::root(), "a query is an object"));
        };
        Ok(Self(match json.member("where") {
            Some(Json::Array(_)) => Kind::Analytical(Analytical::read(members)?),
            _ => Kind::Basic(Basic::read(members)?),
        }))
    }

    /// The moment it asks about; none for the newest.
    pub fn when(&self) -> Option<When> {
        match &self.0 {
            Kind::Basic(it) => it.when(),
            Kind::Analytical(it) => it.when(),
        }
    }

    /// The times that clauses have of their own, each once; none for those that are about [`Query::when`].
    pub fn moments(&self) -> &[Moment] {
        match &self.0 {
            Kind::Basic(_) => &[],
            Kind::Analytical(it) => it.moments(),
        }
    }

    /// Answers a query of one time: as [`Query::run_at`].
    ///
    /// # Errors
    /// As [`Query::run_at`]; `InvalidQuery` for a clause with a time of its own.
    pub fn run(
        &self,
        facts: &dyn Facts,
        schema: &Schema,
        asked: Asked,
        budget: &Budget,
    ) -> Result<Json, Error> {
        self.run_at(Source { facts, schema }, &[], asked, budget)
    }

    /// Answers the query from a source, and from one for each of [`Query::moments`], in their order.
    ///
    /// # Errors
    /// `InvalidCollection`, `InvalidIdentity` and `InvalidQuery` for names that the schema does not have or that
    /// cannot be used so; `Limit` past a bound on the answer, of which no part is given then; `Facts` if they cannot
    /// be read, or the budget is spent.
    pub fn run_at(
        &self,
        source: Source<'_>,
        moments: &[Source<'_>],
        asked: Asked,
        budget: &Budget,
    ) -> Result<Json, Error> {
        if let Some(moment) = self.moments().get(moments.len()) {
            return Err(invalid(&moment.at, "no other time can be asked about here"));
        }
        let memory = Memory::default();
        match &self.0 {
            Kind::Basic(it) => it.run(&source.reader(asked, budget, &memory)),
            Kind::Analytical(it) => {
                let moments = it.moments().iter().zip(moments);
                let moments: Vec<_> = moments
                    .map(|(moment, source)| (moment.when, source.reader(asked, budget, &memory)))
                    .collect();
                it.run(&source.reader(asked, budget, &memory), &moments)
            }
        }
    }
}
