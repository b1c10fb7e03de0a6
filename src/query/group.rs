//! A group of items: the `where` of a query, an arm of a `union`, what is optional, or must or must not be.
//!
//! ```text
//! group  = [ item, .. ]            expression = "(> ?n 10)", behind a `#` where a value may stand
//! item   = pattern | [ "(rule ?a \"b\")" ] | [ "?v", value ] | [ "?v", "#(expression)" ]
//!        | { "optional": group } | { "union": [ group, group, .. ] } | { "not": group } | { "exists": group }
//!        | { "filter": [ expression, .. ] } | { "bind": { "?v": value or expression } }
//! ```
//!
//! 1. A group denotes a set of rows, whatever the order of its items. Only `["?v", "#(max ?n)"]` counts for its place:
//!    it folds what is written before it, and so a group is a list of [`Part`]s.
//! 2. A part is, in this order: what joins (patterns, calls, unions, binds), what is optional, what filters, and what
//!    must or must not be there.
//! 3. What a nested group mentions and the part around it binds is one variable, and what nothing around it binds is
//!    the group's own.

use std::collections::BTreeSet;

use super::aggregate::{Aggregate, folded};
use super::call::Call;
use super::clause::{Clause, Term, Variables, is_variable, quoted, read_term};
use super::error::Error;
use super::expression::{Asks, Expression, read_tree};
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::base::limits::{QUERY_ARMS_MAX, QUERY_CLAUSES_MAX, QUERY_GROUPS_DEPTH_MAX};

/// A set of variables.
pub(super) type Vars = BTreeSet<Var>;

/// A group of items.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) at: Pointer,
    pub(super) parts: Vec<Part>,
    pub(super) scope: Scope,
}

/// The items between two intermediate aggregates.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) patterns: Vec<Clause>,
    pub(super) calls: Vec<Call>,
    pub(super) unions: Vec<Union>,
    /// Those that join.
    pub(super) binds: Vec<Bind>,
    pub(super) optionals: Vec<Group>,
    /// Those that wait for what optionals bind, each behind those that it needs.
    pub(super) late_binds: Vec<Bind>,
    pub(super) filters: Vec<Filter>,
    pub(super) tests: Vec<Test>,
    /// What all rows of this part and those before it come to, which they have from then on.
    pub(super) total: Option<Total>,
}

/// A variable that is what an aggregate of rows comes to.
#[derive(Clone, Debug)]
pub(super) struct Total {
    pub(super) var: Var,
    pub(super) aggregate: Aggregate,
}

/// Groups of which any may hold.
#[derive(Clone, Debug)]
pub(super) struct Union {
    pub(super) at: Pointer,
    pub(super) arms: Vec<Group>,
    pub(super) scope: Scope,
}

/// A variable that is given a value.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    pub(super) at: Pointer,
    pub(super) var: Var,
    pub(super) what: What,
}

/// What a variable is given.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A boolean, a number, a text or a two-tuple.
    Value(Json),
    Expression(Expression),
}

/// An expression that must be true.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) at: Pointer,
    pub(super) expression: Expression,
    /// Whether a null in it is no reason to drop a row.
    pub(super) is_optional: bool,
}

/// A group that must have a row, or must have none.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) is_wanted: bool,
    pub(super) group: Group,
}

/// What a group does to variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// All that stand in it.
    pub(super) mentioned: Vars,
    /// What it can bind.
    pub(super) possible: Vars,
    /// What it binds to a term in every row.
    pub(super) certain: Vars,
    /// What it cannot do without, such as the variables of a filter.
    pub(super) needed: Vars,
}

impl Scope {
    /// What it takes from around it, if it is there: all that it mentions and cannot bind.
    pub(super) fn inputs(&self) -> impl Iterator<Item = Var> {
        self.mentioned.difference(&self.possible).copied()
    }
}

impl Group {
    /// The patterns of it and of the groups in it.
    pub(super) fn each_pattern<'g>(&'g self, visit: &mut dyn FnMut(&'g Clause)) {
        for part in &self.parts {
            part.patterns.iter().for_each(&mut *visit);
            let arms = part.unions.iter().flat_map(|union| &union.arms);
            let tests = part.tests.iter().map(|test| &test.group);
            for group in arms.chain(&part.optionals).chain(tests) {
                group.each_pattern(visit);
            }
        }
    }
}

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
            return Err(invalid(at, "a `where` has a clause"));
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
            return Err(invalid(at, "such a clause has one key"));
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
            ("optional" | "union" | "not" | "exists", _) => {
                return Err(invalid(&at, &format!("`{key}` has an array")));
            }
            ("bind", _) => return Err(invalid(&at, "`bind` has an object")),
            ("filter", Json::Array(list)) => {
                self.count_items(list.len().saturating_sub(1), &at)?;
                for (index, json) in list.iter().enumerate() {
                    let filter = self.filter(json, &at.index(index))?;
                    draft.part.filters.push(filter);
                }
            }
            ("filter", _) => return Err(invalid(&at, "`filter` has an array")),
            _ => return Err(invalid(&at, &format!("there is no clause `{key}`"))),
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
            (Some(inner), _) => Json::string(inner),
            (None, Term::Literal(value)) if !matches!(value, Json::Object(_)) => value,
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

impl Scope {
    /// Adds that of what comes after it.
    fn go_on(&mut self, after: Self) {
        let needed = after.needed.difference(&self.possible).copied();
        self.needed.extend(needed.collect::<Vec<Var>>());
        self.mentioned.extend(after.mentioned);
        self.possible.extend(after.possible);
        self.certain.extend(after.certain);
    }

    /// That of groups of which any may hold.
    fn of_any(groups: &[Group]) -> Self {
        let mut scope = Self::default();
        for (index, group) in groups.iter().enumerate() {
            let of = &group.scope;
            scope.mentioned.extend(&of.mentioned);
            scope.possible.extend(&of.possible);
            scope.needed.extend(&of.needed);
            if index == 0 {
                scope.certain.clone_from(&of.certain);
            } else {
                scope.certain.retain(|var| of.certain.contains(var));
            }
        }
        scope
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

impl Part {
    fn is_empty(&self) -> bool {
        self.joins_nothing()
            && self.optionals.is_empty()
            && self.late_binds.is_empty()
            && self.filters.is_empty()
            && self.tests.is_empty()
            && self.total.is_none()
    }

    /// Whether nothing of it joins.
    pub(super) fn joins_nothing(&self) -> bool {
        self.patterns.is_empty()
            && self.calls.is_empty()
            && self.unions.is_empty()
            && self.binds.is_empty()
    }

    /// Of patterns whose object is an expression, the object is the one variable of it that nothing else here binds;
    /// else it is the first, as it was read.
    fn name_objects(&mut self, inline: &[(usize, Vec<Var>)]) {
        let is_inline = |number: usize| inline.iter().any(|(it, _)| *it == number);
        let mut bound = Vars::new();
        for (number, clause) in self.patterns.iter().enumerate() {
            let mut clause = clause.clone();
            if is_inline(number) {
                clause.object = Term::Any;
            }
            bound.extend(clause.vars());
        }
        bound.extend(self.binds.iter().map(|bind| bind.var));
        for call in &self.calls {
            bound.extend(call.arguments.iter().filter_map(Term::var));
        }
        let groups = self.unions.iter().map(|union| &union.scope);
        for scope in groups.chain(self.optionals.iter().map(|group| &group.scope)) {
            bound.extend(&scope.possible);
        }
        for (number, vars) in inline {
            let mut free = vars.iter().filter(|var| !bound.contains(var));
            if let (Some(var), None, Some(clause)) =
                (free.next(), free.next(), self.patterns.get_mut(*number))
            {
                clause.object = Term::Var(*var);
            }
        }
    }

    /// Puts the binds that wait for optionals behind them, each behind those that it needs.
    fn order_binds(&mut self, variables: &Variables) -> Result<(), Error> {
        let mut waiting = std::mem::take(&mut self.binds);
        // What nothing here binds comes from around this group, if it is bound at all.
        let mut here: Vars = waiting.iter().map(|bind| bind.var).collect();
        let (joined, _) = self.joined();
        here.extend(&joined);
        for optional in &self.optionals {
            here.extend(&optional.scope.possible);
        }
        let mut known = joined;
        self.binds = ready(&mut waiting, &here, &mut known);
        for bind in &waiting {
            let optionals = self.optionals.iter().map(|group| &group.scope);
            let mut others = optionals.chain(self.unions.iter().map(|union| &union.scope));
            if !known.contains(&bind.var) && others.any(|it| it.mentioned.contains(&bind.var)) {
                let name = variables.name(bind.var);
                let why = format!(
                    "`{name}` is bound by what waits for an optional, so it can stand in no optional or `union`"
                );
                return Err(invalid(&bind.at, &why));
            }
        }
        for optional in &self.optionals {
            known.extend(&optional.scope.possible);
        }
        self.late_binds = ready(&mut waiting, &here, &mut known);
        if let Some(bind) = waiting.first() {
            let vars: Vars = waiting.iter().map(|bind| bind.var).collect();
            let names = variables.names(&vars).replace(" or ", " and ");
            let why = format!("what binds {names} needs what it binds");
            return Err(invalid(&bind.at, &why));
        }
        Ok(())
    }

    /// What the items that join can bind.
    pub(super) fn joinable(&self) -> Vars {
        self.joined().0
    }

    /// What the items that join can bind, and what they bind for certain.
    fn joined(&self) -> (Vars, Vars) {
        let mut certain = Vars::new();
        for clause in &self.patterns {
            certain.extend(clause.vars());
        }
        for call in &self.calls {
            certain.extend(call.arguments.iter().filter_map(Term::var));
        }
        // An expression may fault, and so bind nothing.
        let (fixed, computed): (Vec<&Bind>, Vec<&Bind>) = {
            let is_fixed = |bind: &&Bind| matches!(bind.what, What::Value(_));
            self.binds.iter().partition(is_fixed)
        };
        certain.extend(fixed.iter().map(|bind| bind.var));
        let mut possible = certain.clone();
        possible.extend(computed.iter().map(|bind| bind.var));
        for union in &self.unions {
            certain.extend(&union.scope.certain);
            possible.extend(&union.scope.possible);
        }
        (possible, certain)
    }

    fn scope(&self) -> Scope {
        let (joined, certain) = self.joined();
        let mut scope = Scope {
            mentioned: joined.clone(),
            possible: joined.clone(),
            certain,
            needed: Vars::new(),
        };
        let mut needed = Vars::new();
        for union in &self.unions {
            scope.mentioned.extend(&union.scope.mentioned);
            needed.extend(&union.scope.needed);
        }
        for optional in &self.optionals {
            needed.extend(&optional.scope.needed);
            scope.mentioned.extend(&optional.scope.mentioned);
            scope.possible.extend(&optional.scope.possible);
        }
        for bind in &self.late_binds {
            scope.mentioned.insert(bind.var);
            scope.possible.insert(bind.var);
        }
        // What unions and optionals need is bound by what joins, or around this group.
        scope.needed.extend(needed.difference(&joined));
        let binds = self.binds.iter().chain(&self.late_binds);
        let binds = binds.filter_map(|bind| match &bind.what {
            What::Expression(expression) => Some(expression),
            What::Value(_) => None,
        });
        let filters = self.filters.iter().map(|filter| &filter.expression);
        for expression in binds.chain(filters) {
            scope.mentioned.extend(&expression.vars);
            let vars = expression.vars.iter();
            let needed: Vec<Var> = vars
                .filter(|var| !scope.possible.contains(var))
                .copied()
                .collect();
            scope.needed.extend(needed);
        }
        for test in &self.tests {
            scope.mentioned.extend(&test.group.scope.mentioned);
            let needed = test.group.scope.needed.difference(&scope.possible);
            scope.needed.extend(needed.copied().collect::<Vec<_>>());
        }
        scope
    }
}

/// Takes out of the binds that wait those whose variables are known, each behind those that make them known.
fn ready(waiting: &mut Vec<Bind>, here: &Vars, known: &mut Vars) -> Vec<Bind> {
    let mut taken = Vec::new();
    loop {
        let is_ready = |bind: &Bind| match &bind.what {
            What::Value(_) => true,
            What::Expression(it) => {
                let mut vars = it.vars.iter();
                vars.all(|var| known.contains(var) || !here.contains(var))
            }
        };
        let (ready, rest): (Vec<Bind>, Vec<Bind>) =
            std::mem::take(waiting).into_iter().partition(is_ready);
        *waiting = rest;
        if ready.is_empty() {
            return taken;
        }
        known.extend(ready.iter().map(|bind| bind.var));
        taken.extend(ready);
    }
}
