//! A group of items: the `where` of a query, an arm of a `union`, what is optional, or must or must not be.
//!
//! 1. A group denotes a set of rows, whatever the order of its items. Only `["?v", "#(max ?n)"]` counts for its place:
//!    it folds what is written before it, and so a group is a list of [`Part`]s.
//! 2. A part is, in this order: what joins (patterns, calls, unions, binds), what is optional, what filters, and what
//!    must or must not be there.
//! 3. What a nested group mentions and the part around it binds is one variable, and what nothing around it binds is
//!    the group's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::aggregate::Aggregate;
use super::call::Call;
use super::clause::{Clause, Term, Variables};
use super::error::Error;
use super::expression::Expression;
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;

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
    Value(Arc<Json>),
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

impl Scope {
    /// Adds that of what comes after it.
    pub(super) fn go_on(&mut self, after: Self) {
        let needed = after.needed.difference(&self.possible).copied();
        self.needed.extend(needed.collect::<Vec<Var>>());
        self.mentioned.extend(after.mentioned);
        self.possible.extend(after.possible);
        self.certain.extend(after.certain);
    }

    /// That of groups of which any may hold.
    pub(super) fn of_any(groups: &[Group]) -> Self {
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

impl Part {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
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
    pub(super) fn name_objects(&mut self, inline: &[(usize, Vec<Var>)]) {
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
    pub(super) fn order_binds(&mut self, variables: &Variables) -> Result<(), Error> {
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

    pub(super) fn scope(&self) -> Scope {
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
