//! A query of either kind: with a `where` of clauses it is analytical, else basic.

use super::analytical::Analytical;
use super::asked::Asked;
use super::basic::Basic;
use super::error::Error;
use super::json::Json;
use super::memory::Memory;
use super::pointer::Pointer;
use super::reader::Reader;
use super::select::invalid;
use super::when::When;
use crate::base::Budget;
use crate::model::Facts;
use crate::schema::Schema;

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

    /// Answers the query from `facts`, which may be a permitted view. `schema` is the one of their basis.
    ///
    /// # Errors
    /// `InvalidCollection`, `InvalidIdentity` and `InvalidQuery` for names that the schema does not have or that
    /// cannot be used so; `Limit` past a bound on the answer, of which no part is given then; `Facts` if they cannot
    /// be read, or the budget is spent.
    pub fn run(
        &self,
        facts: &dyn Facts,
        schema: &Schema,
        asked: Asked,
        budget: &Budget,
    ) -> Result<Json, Error> {
        let reader = Reader {
            facts,
            schema,
            asked,
            budget,
            memory: Memory::default(),
        };
        match &self.0 {
            Kind::Basic(it) => it.run(&reader),
            Kind::Analytical(it) => it.run(&reader),
        }
    }
}
