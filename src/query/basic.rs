//! The basic query: subjects of a collection, or named ones, as objects.
//!
//! ```json
//! {"select": ["*", {"chat/person": ["person/handle"]}], "from": "chat", "where": "chat/instant > 1517437000000",
//!  "block": 4, "opts": {"limit": 10, "offset": 5, "orderBy": ["DESC", "chat/instant"], "compact": true}}
//! ```
//!
//! 1. Everything but `opts` may stand at the top or, where it is an option, in `opts`, which wins. What is not known
//!    is refused by its name, and so is what there is not yet.
//! 2. Errors come in this order: JSON, shape, names in `select`, `from`, `orderBy`, `where`.
//! 3. `selectOne` answers the first row or `null`. `selectDistinct` answers as `select` does: each row begins with
//!    its subject's id, so no two are alike.
//! 4. `prettyPrint` changes nothing: rows are objects already.

use super::crawl::{Crawl, Keys};
use super::error::Error;
use super::filter::Filter;
use super::find::{Find, Origin, find};
use super::json::Json;
use super::options::{Options, refuse_what_clauses_have};
use super::pointer::Pointer;
use super::reader::Reader;
use super::select::{Order, Select, invalid};
use super::trace::Trace;
use super::when::When;

/// A basic query that has the right shape.
#[derive(Clone, Debug)]
pub(super) struct Basic {
    select: Select,
    rows: Rows,
    from: Origin,
    filter: Option<Filter>,
    when: Option<When>,
    order: Option<Order>,
    options: Options,
}

/// How rows are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    All,
    First,
}

impl Basic {
    /// Reads a query.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` for what is too deep or too long.
    pub(super) fn read(members: &[(String, Json)]) -> Result<Self, Error> {
        let root = Pointer::root();
        let mut draft = Draft::default();
        for (key, value) in members {
            draft.member(key, value, &root.key(key))?;
        }
        let (rows, select) = draft.select.ok_or_else(|| {
            invalid(
                &root,
                "a query has `select`, `selectOne` or `selectDistinct`",
            )
        })?;
        if draft.from.is_none() && draft.filter.is_none() {
            return Err(invalid(&root, "a query has `from`, `where` or both"));
        }
        let options = draft.opts.over(draft.top);
        options.refuse_what_clauses_have()?;
        let order = match &options.order {
            Some((at, json)) => Some(Order::read(json, at)?),
            None => None,
        };
        Ok(Self {
            select,
            rows,
            from: draft.from.unwrap_or(Origin::Everything),
            filter: draft.filter,
            when: draft.when,
            order,
            options,
        })
    }

    /// The moment it asks about.
    pub(super) fn when(&self) -> Option<When> {
        self.when
    }

    /// The answer.
    ///
    /// # Errors
    /// `InvalidCollection`, `InvalidIdentity` and `InvalidQuery` for names that the schema does not have or that
    /// cannot be used so; `Limit` past a bound on the answer; `Facts`.
    pub(super) fn run(&self, reader: &Reader<'_>) -> Result<Json, Error> {
        let limit = match self.rows {
            Rows::All => self.options.limit,
            Rows::First => Some(self.options.limit.unwrap_or(1).min(1)),
        };
        let wanted = Find {
            from: &self.from,
            filter: self.filter.as_ref(),
            order: self.order.as_ref(),
            limit,
            offset: self.options.offset.unwrap_or(0),
        };
        self.select.check(reader.schema)?;
        let trace = Trace::new(reader.asked.counts);
        let found = find(&wanted, reader, &trace)?;
        let keys = match self.options.compact {
            Some(true) => Keys::Compact,
            Some(false) | None => Keys::Written,
        };
        let components = self.options.component.unwrap_or(true);
        let crawl = Crawl::new(reader);
        let mut rows = Vec::new();
        for it in &found {
            rows.push(crawl.row(it.s, &it.row, &self.select, keys, components)?);
        }
        if self.options.explain == Some(true) {
            return Ok(trace.told(reader.budget.spent()));
        }
        Ok(match self.rows {
            Rows::All => Json::Array(rows),
            Rows::First => rows.pop().unwrap_or(Json::Null),
        })
    }
}

/// A query that is being read.
#[derive(Default)]
struct Draft {
    select: Option<(Rows, Select)>,
    from: Option<Origin>,
    filter: Option<Filter>,
    when: Option<When>,
    top: Options,
    opts: Options,
}

impl Draft {
    fn member(&mut self, key: &str, value: &Json, at: &Pointer) -> Result<(), Error> {
        match key {
            "select" | "selectOne" | "selectDistinct" => {
                if self.select.is_some() {
                    let why = "a query has one of `select`, `selectOne` and `selectDistinct`";
                    return Err(invalid(at, why));
                }
                let rows = if key == "selectOne" {
                    Rows::First
                } else {
                    Rows::All
                };
                self.select = Some((rows, Select::read(value, at)?));
            }
            "from" => self.from = Some(read_from(value, at)?),
            "where" => {
                self.filter = Some(match value {
                    Json::String(text) => Filter::read(text, at)?,
                    _ => return Err(invalid(at, "a `where` is a text such as `person/age > 20`")),
                });
            }
            "block" => self.when = Some(When::read(value, at)?),
            "opts" => self.opts.read_all(value, at)?,
            _ => {
                refuse_what_clauses_have(key, at)?;
                self.top.read(key, value, at)?;
            }
        }
        Ok(())
    }
}

fn read_from(json: &Json, at: &Pointer) -> Result<Origin, Error> {
    match json {
        Json::String(name) => Ok(Origin::Named(name.clone())),
        Json::Int(_) | Json::UInt(_) => Ok(Origin::One(json.clone())),
        // An array that begins with a name is a two-tuple; any other is a list of subjects.
        Json::Array(list) => match list.first() {
            Some(Json::String(_)) => Ok(Origin::One(json.clone())),
            _ => Ok(Origin::Many(list.clone())),
        },
        _ => Err(invalid(
            at,
            "`from` is a collection, a predicate, a subject's id, a two-tuple, or an array of the last two",
        )),
    }
}
