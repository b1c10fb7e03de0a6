//! A rule: `["(under ?x ?b)", item, ..]`. What its head says holds wherever its items do.
//!
//! ```text
//! rules = [ rule, .. ]         rule = [ "(name argument ..)", item, .. ]
//! argument = variable | value | "(sum ?n)"
//! ```
//!
//! 1. Its variables are its own. Those of its head, and those that it filters by, are bound by what joins, in every arm
//!    of a `union`: so a rule says nothing about what there is not.
//! 2. Rules of one name have as many arguments, and any of them may hold.

use super::aggregate::Aggregate;
use super::call::{Call, argument, read_list};
use super::clause::{Term, Variables};
use super::error::Error;
use super::group::{Bind, Group, Part, Vars};
use super::group_reader::GroupReader;
use super::json::Json;
use super::pointer::Pointer;
use super::select::invalid;
use crate::base::limits::{QUERY_RULE_ARGUMENTS_MAX, QUERY_RULE_ITEMS_MAX, QUERY_RULES_MAX};
use crate::lang::{Expr, Kind, is_function_name};

/// A rule that has the right shape.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) at: Pointer,
    pub(super) name: String,
    /// Variables and values; anything, where an aggregate stands.
    pub(super) head: Vec<Term>,
    /// Aggregates, by their places in the head: what they fold is grouped by all else in it.
    pub(super) totals: Vec<(usize, Aggregate)>,
    pub(super) body: Group,
    pub(super) variables: Variables,
    /// How many items it has, nested ones and its head with them.
    pub(super) items: usize,
    /// Where it is called, if it is stored: its own places are in another text.
    pub(super) stored: Option<Pointer>,
}

/// What an item may be by which a rule asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// It joins: the more of the other there is, the more there is of this.
    Joins,
    /// It must be known whole, for a reason that this word names.
    Whole(&'static str),
}

/// Reads `rules`.
///
/// # Errors
/// `InvalidQuery` with the place of what is wrong; `Limit`.
pub(super) fn read_rules(
    json: &Json,
    at: &Pointer,
    variables: &Variables,
) -> Result<Vec<Rule>, Error> {
    let Json::Array(list) = json else {
        return Err(invalid(at, "`rules` is an array of rules"));
    };
    let limit = |what, max| Error::Limit {
        at: at.clone(),
        what,
        max,
    };
    if list.len() > QUERY_RULES_MAX {
        return Err(limit("the rules of a query", QUERY_RULES_MAX));
    }
    let mut rules: Vec<Rule> = Vec::new();
    let mut items: usize = 0;
    let mut given = variables.anew();
    for (index, json) in list.iter().enumerate() {
        let at = at.index(index);
        let rule = Rule::read(json, &at, &given)?;
        given.count_behind(&rule.variables);
        items = items.saturating_add(rule.items);
        if items > QUERY_RULE_ITEMS_MAX {
            return Err(limit("the items of all rules", QUERY_RULE_ITEMS_MAX));
        }
        if let Some(other) = rules.iter().find(|other| other.name == rule.name) {
            check_arguments(&rule.name, rule.head.len(), other.head.len(), &at.index(0))?;
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// That a rule is called, or said, with as many arguments as it has.
pub(super) fn check_arguments(
    name: &str,
    written: usize,
    has: usize,
    at: &Pointer,
) -> Result<(), Error> {
    if written == has {
        return Ok(());
    }
    let arguments = if has == 1 { "argument" } else { "arguments" };
    Err(invalid(
        at,
        &format!("the rule `{name}` has {has} {arguments}, and here {written}"),
    ))
}

impl Rule {
    fn read(json: &Json, at: &Pointer, given: &Variables) -> Result<Self, Error> {
        let Json::Array(list) = json else {
            return Err(invalid(at, "a rule is an array"));
        };
        let Some((Json::String(head), items)) = list.split_first() else {
            let why = "a rule begins with its head, a text such as `(under ?x ?b)`";
            return Err(invalid(at, why));
        };
        let mut variables = given.anew();
        let head_at = at.index(0);
        let (name, arguments) = read_list(head, &head_at)?;
        if !is_function_name(&name) {
            let why = format!("`{name}` cannot name a rule: it is taken by the language");
            return Err(invalid(&head_at, &why));
        }
        if arguments.len() > QUERY_RULE_ARGUMENTS_MAX {
            return Err(Error::Limit {
                at: head_at,
                what: "the arguments of a rule",
                max: QUERY_RULE_ARGUMENTS_MAX,
            });
        }
        let (mut head, mut totals) = (Vec::new(), Vec::new());
        for (place, tree) in arguments.iter().enumerate() {
            if matches!(tree.kind, Kind::List(_)) {
                totals.push((place, total(tree, &head_at, &mut variables)?));
                head.push(Term::Any);
                continue;
            }
            match argument(tree, &head_at, &mut variables)? {
                Term::Any => head.clear(),
                term => head.push(term),
            }
            if head.is_empty() {
                break;
            }
        }
        if head.is_empty() {
            let why = format!("the head of `{name}` has variables and values as arguments");
            return Err(invalid(&head_at, &why));
        }
        if items.is_empty() {
            return Err(invalid(at, &format!("the rule `{name}` has no clause")));
        }
        // Its items stand behind its head.
        let mut reader = GroupReader::new(&mut variables);
        let body = reader.group_behind(1, items, at)?;
        let items = reader.items().saturating_add(1);
        let rule = Self {
            at: at.clone(),
            name,
            head,
            totals,
            body,
            variables,
            items,
            stored: None,
        };
        rule.check()?;
        Ok(rule)
    }

    fn check(&self) -> Result<(), Error> {
        let unbound = |var, at: &Pointer| {
            let (of, var) = (&self.name, self.variables.name(var));
            let why =
                format!("`{var}` is not bound in every case by what joins in the rule `{of}`");
            Err(invalid(at, &why))
        };
        let bound = always(&self.body);
        let folded = self.totals.iter().map(|(_, total)| total.var);
        for var in self.head.iter().filter_map(Term::var).chain(folded) {
            if !bound.contains(&var) {
                return unbound(var, &self.at.index(0));
            }
        }
        if let Some(var) = self.body.scope.needed.iter().next() {
            return unbound(*var, &self.at);
        }
        if let Some((var, at)) = unbound_in_filters(&self.body, &Vars::new()) {
            return unbound(var, &at);
        }
        Ok(())
    }

    /// The rules that it asks for, and how.
    pub(super) fn asks(&self) -> Vec<(&Call, Asks)> {
        let mut asked = Vec::new();
        let how = match self.totals.first() {
            Some(_) => Asks::Whole("aggregate"),
            None => Asks::Joins,
        };
        asks(&self.body, how, &mut asked);
        asked
    }
}

/// An aggregate in a head.
fn total(tree: &Expr, at: &Pointer, variables: &mut Variables) -> Result<Aggregate, Error> {
    let total = Aggregate::read(tree, at, |name| {
        if variables.value(name).is_some() {
            let why = format!("`{name}` has its value from `vars`");
            return Err(invalid(at, &why));
        }
        Ok(variables.named(name))
    })?;
    if total.most.is_some() {
        return Err(invalid(at, "an aggregate in a head tells one value"));
    }
    Ok(total)
}

/// What a group binds in every row by what joins in it.
fn always(group: &Group) -> Vars {
    group.parts.iter().flat_map(always_in).collect()
}

fn always_in(part: &Part) -> Vars {
    let mut bound = Vars::new();
    for clause in &part.patterns {
        bound.extend(clause.vars());
    }
    for call in &part.calls {
        bound.extend(call.vars());
    }
    // One that faults is null, and a row with a null in its head is none.
    bound.extend(part.binds.iter().map(|bind: &Bind| bind.var));
    for union in &part.unions {
        let mut arms = union.arms.iter().map(always);
        let first = arms.next().unwrap_or_default();
        bound.extend(arms.fold(first, |all, arm| &all & &arm));
    }
    bound
}

fn unbound_in_filters(group: &Group, outer: &Vars) -> Option<(super::relation::Var, Pointer)> {
    let mut bound = always(group);
    bound.extend(outer);
    for part in &group.parts {
        for filter in &part.filters {
            let vars = &filter.expression.vars;
            if let Some(var) = vars.iter().find(|var| !bound.contains(var)) {
                return Some((*var, filter.at.clone()));
            }
        }
        let arms = part.unions.iter().flat_map(|union| &union.arms);
        let tests = part.tests.iter().map(|test| &test.group);
        let mut nested = arms.chain(&part.optionals).chain(tests);
        if let Some(found) = nested.find_map(|group| unbound_in_filters(group, &bound)) {
            return Some(found);
        }
    }
    None
}

/// The calls in a group, and what they are for.
pub(super) fn asks<'g>(group: &'g Group, how: Asks, asked: &mut Vec<(&'g Call, Asks)>) {
    for part in &group.parts {
        asked.extend(part.calls.iter().map(|call| (call, how)));
        for arm in part.unions.iter().flat_map(|union| &union.arms) {
            asks(arm, how, asked);
        }
        for optional in &part.optionals {
            asks(optional, Asks::Whole("optional"), asked);
        }
        for test in &part.tests {
            let word = if test.is_wanted { "exists" } else { "not" };
            asks(&test.group, Asks::Whole(word), asked);
        }
    }
}
