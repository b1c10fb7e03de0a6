//! What may stand at the top of a query or, where it wins, in its `opts`.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::select::{count, invalid, switch};

/// Keys of queries that there are not yet, at the top or in `opts`.
const NOT_YET: [&str; 3] = ["policyAt", "prefixes", "selectReduced"];

/// Keys of clauses, which are no keys of a query.
const IN_CLAUSES: [&str; 4] = ["bind", "exists", "not", "union"];

/// Keys of a query that do not stand in `opts`.
const BESIDE: [&str; 10] = [
    "block",
    "filter",
    "from",
    "optional",
    "rules",
    "select",
    "selectDistinct",
    "selectOne",
    "vars",
    "where",
];

/// Keys that only a query of clauses has.
const OF_CLAUSES: [&str; 6] = ["filter", "groupBy", "having", "optional", "rules", "vars"];

/// How the rows of a query are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) limit: Option<usize>,
    pub(super) offset: Option<usize>,
    pub(super) order: Option<(Pointer, Json)>,
    pub(super) groups: Option<(Pointer, Json)>,
    pub(super) having: Option<(Pointer, Json)>,
    pub(super) compact: Option<bool>,
    pub(super) component: Option<bool>,
    pub(super) pretty: Option<bool>,
    pub(super) explain: Option<bool>,
}

impl Options {
    /// Reads one of them.
    ///
    /// # Errors
    /// `InvalidQuery` for a key that there is not, or a value that it does not take.
    pub(super) fn read(&mut self, key: &str, value: &Json, at: &Pointer) -> Result<(), Error> {
        match key {
            "limit" => self.limit = Some(count(value, at)?),
            "offset" => self.offset = Some(count(value, at)?),
            "orderBy" => self.order = Some((at.clone(), value.clone())),
            "groupBy" => self.groups = Some((at.clone(), value.clone())),
            "having" => self.having = Some((at.clone(), value.clone())),
            "compact" => self.compact = Some(switch(value, at)?),
            "component" => self.component = Some(switch(value, at)?),
            "prettyPrint" => self.pretty = Some(switch(value, at)?),
            "explain" => self.explain = Some(switch(value, at)?),
            "history" => {
                return Err(invalid(at, "a query of history has no `select`"));
            }
            _ if NOT_YET.contains(&key) => {
                return Err(invalid(at, &format!("`{key}` is not supported yet")));
            }
            _ if IN_CLAUSES.contains(&key) => {
                let why = format!("`{key}` stands in a `where` that is an array of clauses");
                return Err(invalid(at, &why));
            }
            _ => return Err(invalid(at, &format!("a query has no `{key}`"))),
        }
        Ok(())
    }

    /// Reads `opts`.
    ///
    /// # Errors
    /// As [`Options::read`].
    pub(super) fn read_all(&mut self, json: &Json, at: &Pointer) -> Result<(), Error> {
        let Json::Object(members) = json else {
            return Err(invalid(at, "`opts` is an object"));
        };
        for (key, value) in members {
            if BESIDE.contains(&key.as_str()) {
                let why = format!("`{key}` stands in the query itself, and not in `opts`");
                return Err(invalid(&at.key(key), &why));
            }
            self.read(key, value, &at.key(key))?;
        }
        Ok(())
    }

    /// These, and of those at the top what is not among them.
    pub(super) fn over(self, top: Self) -> Self {
        Self {
            limit: self.limit.or(top.limit),
            offset: self.offset.or(top.offset),
            order: self.order.or(top.order),
            groups: self.groups.or(top.groups),
            having: self.having.or(top.having),
            compact: self.compact.or(top.compact),
            component: self.component.or(top.component),
            pretty: self.pretty.or(top.pretty),
            explain: self.explain.or(top.explain),
        }
    }

    /// Refuses what groups rows: subjects are not grouped.
    ///
    /// # Errors
    /// `InvalidQuery` with its place.
    pub(super) fn refuse_what_clauses_have(&self) -> Result<(), Error> {
        for (key, it) in [("groupBy", &self.groups), ("having", &self.having)] {
            if let Some((at, _)) = it {
                refuse_what_clauses_have(key, at)?;
            }
        }
        Ok(())
    }
}

/// Refuses a key that only a query of clauses has.
///
/// # Errors
/// `InvalidQuery` with its place.
pub(super) fn refuse_what_clauses_have(key: &str, at: &Pointer) -> Result<(), Error> {
    if OF_CLAUSES.contains(&key) {
        let why = format!("`{key}` belongs to a query whose `where` is an array of clauses");
        return Err(invalid(at, &why));
    }
    Ok(())
}
