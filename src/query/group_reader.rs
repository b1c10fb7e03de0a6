//! Reads groups.
//!
//! ```text
//! group  = [ item, .. ]            expression = "(> ?n 10)", behind a `#` where a value may stand
//! item   = pattern | [ "(rule ?a \"b\")" ] | [ "?v", value ] | [ "?v", "#(expression)" ]
//!        | { "optional": group } | { "union": [ group, group, .. ] } | { "not": group } | { "exists": group }
//!        | { "filter": [ expression, .. ] } | { "bind": { "?v": value or expression } }
//! ```

use std::sync::Arc;

use super::aggregate::{Aggregate, folded};
use super::call::Call;
use super::clause::{Clause, Term, Variables, is_variable, quoted, read_term};
use super::error::Error;
use super::expression::{Asks, Expression, read_tree};
use super::group::{Bind, Filter, Group, Part, Scope, Test, Total, Union, Vars, What};
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::base::limits::{QUERY_ARMS_MAX, QUERY_CLAUSES_MAX, QUERY_GROUPS_DEPTH_MAX};

/// The clauses that are objects.
const KEYS: &str = "`optional`, `union`, `not`, `exists`, `filter` and `bind`";

/// Reads groups: how deep it is in them, and how many items it has read.
pub(super) struct GroupReader<'v> {
    pub(super) variables: &'v mut Variables,
    items: usize,
    depth: usize,
    /// Whether the outermost group may fold its rows.
    may_fold: bool,
}

/// A group that is being read.
#[derive(Default)]
struct Draft {
    done: Vec<Part>,
    scope: Scope,
    /// The part that is being read.
    part: Part,
    /// Patterns whose object is an expression, by their numbers, with its variables.
    inline: Vec<(usize, Vec<Var>)>,
}

impl<'v> GroupReader<'v> {
    /// Nothing read yet.
    pub(super) fn new(variables: &'v mut Variables) -> Self {
        Self {
            variables,
            items: 0,
            depth: 0,
            may_fold: false,
        }
    }

    /// Reads the `where` of a query, and the items that stand beside it in the query, each under its key.
    ///
    /// # Errors
    /// As [`GroupReader::group`].
    pub(super) fn whole(
        mut self,
        list: &[Json],
        at: &Pointer,
        more: &[(String, Json)],
    ) -> Result<Group, Error> {
        self.may_fold = true;
        let group = self.read(0, list, at, more)?;
        group.check(&Vars::new(), self.variables)?;
        Ok(group)
    }

    /// Reads a group.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` past [`QUERY_CLAUSES_MAX`] items in all, arms and
    /// depth.
    pub(super) fn group(&mut self, list: &[Json], at: &Pointer) -> Result<Group, Error> {
        self.read(0, list, at, &[])
    }

    /// How many items have been read.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Reads a group whose items stand behind so many others in their array.
    ///
    /// # Errors
    /// As [`GroupReader::group`].
    pub(super) fn group_behind(
        &mut self,
        behind: usize,
        list: &[Json],
        at: &Pointer,
    ) -> Result<Group, Error> {
        let group = self.read(behind, list, at, &[])?;
        group.check(&Vars::new(), self.variables)?;
        Ok(group)
    }

    fn read(
        &mut self,
        behind: usize,
        list: &[Json],
        at: &Pointer,
        more: &[(String, Json)],
    ) -> Result<Group, Error> {
        if list.is_empty() {
            return Err(invalid(at, "there is no clause in it"));
        }
        if self.depth >= QUERY_GROUPS_DEPTH_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "the depth of groups of clauses",
                max: QUERY_GROUPS_DEPTH_MAX,
            });
        }
        self.count_items(list.len().saturating_add(more.len()), at)?;
        self.depth = self.depth.saturating_add(1);
        let mut draft = Draft::default();
        for (index, json) in list.iter().enumerate() {
            self.item(json, &at.index(index.saturating_add(behind)), &mut draft)?;
        }
        for (key, value) in more {
            let item = Json::Object(vec![(key.clone(), value.clone())]);
            self.item(&item, &Pointer::root(), &mut draft)?;
        }
        self.depth = self.depth.saturating_sub(1);
        draft.end_part(None, self.variables)?;
        Ok(Group {
            at: at.clone(),
            parts: draft.done,
            scope: draft.scope,
        })
    }

    /// Counts what is read against what a query may have.
    fn count_items(&mut self, more: usize, at: &Pointer) -> Result<(), Error> {
        self.items = self.items.saturating_add(more);
        if self.items > QUERY_CLAUSES_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "the clauses of a query",
                max: QUERY_CLAUSES_MAX,
            });
        }
        Ok(())
    }

    fn expression(&mut self, text: &str, asks: Asks, at: &Pointer) -> Result<Expression, Error> {
        let expression = Expression::read(text, asks, at, self.variables)?;
        self.variables.count_nodes(expression.node_count(), at)?;
        Ok(expression)
    }

    fn item(&mut self, json: &Json, at: &Pointer, draft: &mut Draft) -> Result<(), Error> {
        let members = match json {
            Json::Array(places) => return self.clause(places, at, draft),
            Json::Object(members) => members,
            _ => return Err(invalid(at, "a clause is an array or an object")),
        };
        let [(key, value)] = members.as_slice() else {
            let why = format!("a clause that is an object has one key: {KEYS}");
            return Err(invalid(at, &why));
        };
        let at = at.key(key);
        match (key.as_str(), value) {
            ("optional", Json::Array(list)) => draft.part.optionals.push(self.group(list, &at)?),
            ("union", Json::Array(arms)) => draft.part.unions.push(self.union(arms, &at)?),
            ("not" | "exists", Json::Array(list)) => draft.part.tests.push(Test {
                is_wanted: key == "exists",
                group: self.group(list, &at)?,
            }),
            ("bind", Json::Object(members)) => {
                self.count_items(members.len().saturating_sub(1), &at)?;
                for (name, value) in members {
                    self.bind(name, value, &at.key(name), draft)?;
                }
            }
            ("union", _) => return Err(invalid(&at, "`union` is an array of groups of clauses")),
            ("optional" | "not" | "exists", _) => {
                return Err(invalid(&at, &format!("`{key}` is an array of clauses")));
            }
            ("bind", _) => {
                let why = "`bind` is an object of variables and their values";
                return Err(invalid(&at, why));
            }
            ("filter", Json::Array(list)) => {
                self.count_items(list.len().saturating_sub(1), &at)?;
                for (index, json) in list.iter().enumerate() {
                    let filter = self.filter(json, &at.index(index))?;
                    draft.part.filters.push(filter);
                }
            }
            ("filter", _) => return Err(invalid(&at, "`filter` is an array of expressions")),
            _ => {
                let why = format!("there is no clause `{key}`: there are {KEYS}");
                return Err(invalid(&at, &why));
            }
        }
        Ok(())
    }

    fn clause(&mut self, places: &[Json], at: &Pointer, draft: &mut Draft) -> Result<(), Error> {
        match places {
            [Json::String(call)] if call.starts_with('(') => {
                draft
                    .part
                    .calls
                    .push(Call::read(call, &at.index(0), self.variables)?);
                Ok(())
            }
            [Json::String(name), value] if is_variable(name) => {
                self.bind(name, value, &at.index(1), draft)
            }
            _ => self.pattern(places, at, draft),
        }
    }

    /// A pattern, whose object may be an expression: a filter of what the object is.
    fn pattern(&mut self, places: &[Json], at: &Pointer, draft: &mut Draft) -> Result<(), Error> {
        let inline = match places.split_last() {
            Some((Json::String(text), before)) if places.len() > 2 => {
                let text = text.strip_prefix('#').filter(|it| it.starts_with('('));
                text.map(|text| (text, before))
            }
            _ => None,
        };
        let Some((text, before)) = inline else {
            let clause = Clause::read(places, at, self.variables)?;
            draft.part.patterns.push(clause);
            return Ok(());
        };
        let mut places = before.to_vec();
        places.push(Json::Null);
        let mut clause = Clause::read(&places, at, self.variables)?;
        let at = at.index(before.len());
        let expression = self.expression(text, Asks::Truth, &at)?;
        let Some(first) = expression.vars.first() else {
            let why = "a filter in a clause has a variable, which is the clause's object";
            return Err(invalid(&at, why));
        };
        clause.object = Term::Var(*first);
        let number = draft.part.patterns.len();
        draft.inline.push((number, expression.vars.clone()));
        draft.part.patterns.push(clause);
        draft.part.filters.push(Filter {
            at,
            expression,
            is_optional: false,
        });
        Ok(())
    }

    fn bind(
        &mut self,
        name: &str,
        value: &Json,
        at: &Pointer,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        if !is_variable(name) {
            let why = format!("`{name}` is no variable; one begins with `?`");
            return Err(invalid(at, &why));
        }
        if self.variables.value(name).is_some() {
            let why = format!("`{name}` has its value from `vars`");
            return Err(invalid(at, &why));
        }
        let var = self.variables.named(name);
        let bind = |what: What| Bind {
            at: at.clone(),
            var,
            what,
        };
        if let Some(text) = value.as_str().and_then(|it| it.strip_prefix('#'))
            && text.starts_with('(')
        {
            if folded(&read_tree(text, at)?).is_some() {
                return self.total(var, text, at, draft);
            }
            let expression = self.expression(text, Asks::Value, at)?;
            draft.part.binds.push(bind(What::Expression(expression)));
            return Ok(());
        }
        let value = match (quoted(value), read_term(value, self.variables)) {
            (Some(inner), _) => Arc::new(Json::string(inner)),
            (None, Term::Literal(value)) if !matches!(*value, Json::Object(_)) => value,
            _ => {
                let why = "a variable is given a boolean, a number, a text or a two-tuple";
                return Err(invalid(at, why));
            }
        };
        draft.part.binds.push(bind(What::Value(value)));
        Ok(())
    }

    /// `["?v", "#(max ?n)"]`: it folds what is written before it.
    fn total(
        &mut self,
        var: Var,
        text: &str,
        at: &Pointer,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        if self.depth > 1 || !self.may_fold {
            let why = "an aggregate stands in no group and no rule, but at the top of a `where`";
            return Err(invalid(at, why));
        }
        if draft.done.is_empty() && draft.part.is_empty() {
            let why = "an aggregate folds what is written before it, and there is nothing";
            return Err(invalid(at, why));
        }
        let variables = &mut *self.variables;
        let aggregate = Aggregate::read(&read_tree(text, at)?, at, |name| {
            match variables.value(name) {
                Some(_) => Err(invalid(at, &format!("`{name}` has its value from `vars`"))),
                None => Ok(variables.named(name)),
            }
        })?;
        draft.end_part(Some(Total { var, aggregate }), self.variables)
    }

    /// `"(..)"`, `["optional", "(..)"]` or `{"code": "(..)", "optional": true}`.
    fn filter(&mut self, json: &Json, at: &Pointer) -> Result<Filter, Error> {
        let (text, at, is_optional) = match json {
            Json::String(text) => (text.as_str(), at.clone(), false),
            Json::Array(list) => match list.as_slice() {
                [Json::String(word), Json::String(text)] if word == "optional" => {
                    (text.as_str(), at.index(1), true)
                }
                _ => return Err(invalid(at, "such a filter is `[\"optional\", \"(..)\"]`")),
            },
            Json::Object(members) => {
                let is_optional = match json.member("optional") {
                    None | Some(Json::Bool(false)) => false,
                    Some(Json::Bool(true)) => true,
                    Some(_) => return Err(invalid(&at.key("optional"), "expected true or false")),
                };
                for (key, _) in members {
                    if !matches!(key.as_str(), "code" | "optional" | "language") {
                        return Err(invalid(&at.key(key), &format!("a filter has no `{key}`")));
                    }
                }
                match json.member("code").and_then(Json::as_str) {
                    Some(text) => (text, at.key("code"), is_optional),
                    None => return Err(invalid(at, "a filter has its text in `code`")),
                }
            }
            _ => return Err(invalid(at, "a filter is a text such as `(> ?n 10)`")),
        };
        Ok(Filter {
            expression: self.expression(text, Asks::Truth, &at)?,
            at,
            is_optional,
        })
    }

    fn union(&mut self, arms: &[Json], at: &Pointer) -> Result<Union, Error> {
        if arms.len() < 2 {
            return Err(invalid(at, "a `union` has two groups or more"));
        }
        if arms.len() > QUERY_ARMS_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "the groups of a `union`",
                max: QUERY_ARMS_MAX,
            });
        }
        let mut groups = Vec::new();
        for (index, arm) in arms.iter().enumerate() {
            let at = at.index(index);
            let Json::Array(list) = arm else {
                return Err(invalid(&at, "a group is an array of clauses"));
            };
            groups.push(self.group(list, &at)?);
        }
        Ok(Union {
            at: at.clone(),
            scope: Scope::of_any(&groups),
            arms: groups,
        })
    }
}

impl Draft {
    /// Ends the part that is being read, and begins another behind what all its rows come to.
    fn end_part(&mut self, total: Option<Total>, variables: &Variables) -> Result<(), Error> {
        let mut part = std::mem::take(&mut self.part);
        part.name_objects(&std::mem::take(&mut self.inline));
        part.order_binds(variables)?;
        self.scope.go_on(part.scope());
        if let Some(Total { var, aggregate }) = &total {
            self.scope.go_on(Scope {
                mentioned: [*var, aggregate.var].into(),
                possible: [*var].into(),
                certain: Vars::new(),
                needed: [aggregate.var].into(),
            });
        }
        part.total = total;
        if self.done.is_empty() || !part.is_empty() {
            self.done.push(part);
        }
        Ok(())
    }
}
