//! Rules rewritten for one way of calling them, so that no more is found than what the call can use.
//!
//! 1. A call is told apart by which of its arguments are bound: with `b` bound and `f` free, `under bf` holds what is
//!    below given subjects, for those that `demand under bf` holds. Where nothing is bound, all is found.
//! 2. What a call in a body demands is what comes to it from the demand on the head: through the patterns that hang
//!    together with it, and the calls before. It may demand more than is used, and never less (magic sets).
//! 3. A rule whose last call passes its free arguments on, `r(x, y)` if `e(x, z)` and `r(z, y)`, goes on from what is
//!    given to what is reached, and keeps for each only where it began: as far as it reaches, not the square of it.
//! 4. What must be known whole is not rewritten: it keeps its plain name, and is found for itself before.

use std::collections::{BTreeMap, VecDeque};

use super::aggregate::Aggregate;
use super::call::Call;
use super::clause::{Clause, Term, Variables, Verb};
use super::error::Error;
use super::group::{Bind, Group, Part, Vars, What};
use super::memory::Held;
use super::mention::mentioned;
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::Var;
use super::rule::Rule;
use super::stratum::Rules;
use crate::base::limits::QUERY_RULE_CALLS_MAX;

/// What an item of a rewritten rule takes, about.
pub(super) const BYTES_OF_AN_ITEM: usize = 512;

/// Rules that find what one call needs.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) tables: Vec<Sheet>,
    pub(super) rules: Vec<Derived>,
    /// Where the answer is.
    pub(super) answer: usize,
    /// Where what is demanded is to be put first.
    pub(super) demand: Option<usize>,
    held: Held,
}

/// What tuples are of.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The name by which bodies call it: with a space in it, so that nobody else can.
    pub(super) name: String,
    pub(super) width: usize,
}

/// A rewritten rule.
#[derive(Debug)]
pub(super) struct Derived {
    /// What it is made of.
    pub(super) name: String,
    pub(super) at: Pointer,
    pub(super) stored: Option<Pointer>,
    /// The table that it adds to.
    pub(super) table: usize,
    pub(super) head: Vec<Term>,
    /// Aggregates, by their places in the head.
    pub(super) totals: Vec<(usize, Aggregate)>,
    pub(super) body: Group,
    pub(super) variables: Variables,
}

/// Which arguments are bound.
type Bound = Vec<bool>;

/// Rewrites rules for calls of a name that bind these arguments.
///
/// # Errors
/// As the budget is spent, and `Limit` past the memory of a query: rules may come to many more than are written.
pub(super) fn rewrite(
    rules: &Rules,
    name: &str,
    bound: &[bool],
    reader: &Reader<'_>,
) -> Result<Rewritten, Error> {
    let mut writer = Writer {
        rules,
        out: Rewritten {
            tables: Vec::new(),
            rules: Vec::new(),
            answer: 0,
            demand: None,
            held: reader.memory.hold_nothing(),
        },
        goals: BTreeMap::new(),
        queue: VecDeque::new(),
    };
    let goal = writer.goal(name, bound.to_vec());
    (writer.out.answer, writer.out.demand) = (goal.table, goal.demand);
    let mut paid: usize = 0;
    while let Some(goal) = writer.queue.pop_front() {
        writer.write(&goal);
        let written = writer
            .out
            .rules
            .iter()
            .skip(paid)
            .map(|it| items_of(&it.body));
        let items = written.sum::<usize>();
        paid = writer.out.rules.len();
        reader
            .budget
            .spend(u64::try_from(items).unwrap_or(u64::MAX))?;
        let bytes = items.saturating_mul(BYTES_OF_AN_ITEM);
        writer.out.held.add(bytes)?;
    }
    Ok(writer.out)
}

/// How many items a body has at its top, and one.
pub(super) fn items_of(body: &Group) -> usize {
    let counts = body.parts.iter().map(|part| {
        let nested = part.unions.len().saturating_add(part.optionals.len());
        [
            part.patterns.len(),
            part.calls.len(),
            part.binds.len(),
            part.filters.len(),
            part.tests.len(),
            nested,
        ]
        .iter()
        .fold(0, |all: usize, it| all.saturating_add(*it))
    });
    counts.fold(1, usize::saturating_add)
}

/// A way to call a name.
#[derive(Clone)]
struct Goal {
    name: String,
    bound: Bound,
    table: usize,
    demand: Option<usize>,
}

struct Writer<'r> {
    rules: &'r Rules,
    out: Rewritten,
    goals: BTreeMap<(String, Bound), Goal>,
    queue: VecDeque<Goal>,
}

/// What of a body the demand on a call comes through.
struct Sight {
    bound: Vars,
    patterns: Vec<Clause>,
    calls: Vec<Call>,
    binds: Vec<Bind>,
    is_open: bool,
}

impl Writer<'_> {
    fn goal(&mut self, name: &str, mut bound: Bound) -> Goal {
        if self.goals.len() >= QUERY_RULE_CALLS_MAX
            && !self.goals.contains_key(&(name.to_owned(), bound.clone()))
        {
            bound.fill(false);
        }
        let key = (name.to_owned(), bound.clone());
        if let Some(goal) = self.goals.get(&key) {
            return goal.clone();
        }
        let letters: String = bound.iter().map(|is| if *is { 'b' } else { 'f' }).collect();
        let table = self.table(format!("{name} {letters}"), bound.len());
        let width = bound.iter().filter(|is| **is).count();
        let demand = (width > 0).then(|| self.table(format!("demand {name} {letters}"), width));
        let goal = Goal {
            name: name.to_owned(),
            bound,
            table,
            demand,
        };
        self.goals.insert(key, goal.clone());
        self.queue.push_back(goal.clone());
        goal
    }

    fn table(&mut self, name: String, width: usize) -> usize {
        self.out.tables.push(Sheet { name, width });
        self.out.tables.len().saturating_sub(1)
    }

    fn call(&self, table: usize, arguments: Vec<Term>, at: &Pointer) -> Call {
        let name = self.out.tables.get(table).map(|it| it.name.clone());
        Call {
            at: at.clone(),
            name: name.unwrap_or_default(),
            arguments,
        }
    }

    fn write(&mut self, goal: &Goal) {
        let rules = self.rules.of(&goal.name);
        let passes = goal.demand.and_then(|_| self.passing(rules, goal));
        let reach = passes.map(|passes| (passes, self.reach(goal)));
        for (index, rule) in rules.iter().enumerate() {
            match &reach {
                Some((passes, table)) => {
                    let at = passes.get(index).copied().flatten();
                    self.write_reaching(rule, goal, *table, at);
                }
                None => self.write_plain(rule, goal),
            }
        }
    }

    fn write_plain(&mut self, rule: &Rule, goal: &Goal) {
        let given = goal.demand.map(|table| {
            let bound = chosen(&rule.head, &goal.bound);
            self.call(table, bound, &rule.at)
        });
        let part = if rule.totals.is_empty() {
            self.body(rule, &rule.variables, None, given)
        } else {
            // What is folded must be there whole: all of it that is of the groups that are demanded.
            let mut part = rule.body.parts.first().cloned().unwrap_or_default();
            part.calls.splice(0..0, given);
            part
        };
        self.out.rules.push(Derived {
            name: rule.name.clone(),
            at: rule.at.clone(),
            stored: rule.stored.clone(),
            table: goal.table,
            head: rule.head.clone(),
            totals: rule.totals.clone(),
            body: group(rule, part),
            variables: rule.variables.clone(),
        });
    }

    /// A body with its calls renamed, without one of them, and with what is given.
    fn body(
        &mut self,
        rule: &Rule,
        variables: &Variables,
        without: Option<usize>,
        given: Option<Call>,
    ) -> Part {
        let Some(part) = rule.body.parts.first() else {
            return Part::default();
        };
        let mut written = part.clone();
        if let Some(at) = without {
            written.calls.remove(at);
        }
        let mut sight = Sight::new(part, given);
        let mut waiting: Vec<Call> = std::mem::take(&mut written.calls);
        while !waiting.is_empty() {
            sight.widen(part);
            let is_bound = |call: &Call| call.arguments.iter().any(|it| sight.binds_term(it));
            let next = waiting.iter().position(is_bound).unwrap_or(0);
            let call = waiting.remove(next);
            let call = self.demanded(rule, variables, call, &mut sight);
            written.calls.push(call);
        }
        if let Some(given) = sight.given() {
            written.calls.insert(0, given.clone());
        }
        for arm in written.unions.iter_mut().flat_map(|it| &mut it.arms) {
            self.free(arm);
        }
        written
    }

    /// A call renamed for what is bound where it stands, and a rule for what it demands.
    fn demanded(
        &mut self,
        rule: &Rule,
        variables: &Variables,
        mut call: Call,
        sight: &mut Sight,
    ) -> Call {
        let is_any_bound = call.arguments.iter().any(|it| sight.binds_term(it));
        let stays_whole = sight.is_open && self.rules.are_together(&rule.name, &call.name);
        let is_bound = |term: &Term| !stays_whole && sight.binds_term(term);
        let bound: Bound = call.arguments.iter().map(is_bound).collect();
        let goal = self.goal(&call.name, bound);
        call.name = self.call(goal.table, Vec::new(), &call.at).name;
        if let Some(table) = goal.demand {
            let head = chosen(&call.arguments, &goal.bound);
            let is_itself = sight.is_only(&self.call(table, head.clone(), &call.at));
            if !is_itself {
                self.out.rules.push(Derived {
                    name: rule.name.clone(),
                    at: rule.at.clone(),
                    stored: rule.stored.clone(),
                    table,
                    head,
                    totals: Vec::new(),
                    body: group(rule, sight.part()),
                    variables: variables.clone(),
                });
            }
        }
        if is_any_bound {
            sight.bound.extend(call.vars());
            sight.calls.push(call.clone());
        }
        call
    }

    /// Renames the calls of a nested group that join: all of what they ask for is found.
    fn free(&mut self, group: &mut Group) {
        for part in &mut group.parts {
            for call in &mut part.calls {
                let goal = self.goal(&call.name, vec![false; call.arguments.len()]);
                call.name = self.call(goal.table, Vec::new(), &call.at).name;
            }
            for arm in part.unions.iter_mut().flat_map(|it| &mut it.arms) {
                self.free(arm);
            }
        }
    }

    /// For each rule of a name, the call by which it passes its free arguments on, or none where it calls nothing of
    /// its component; none, if any does so otherwise.
    fn passing(&self, rules: &[Rule], goal: &Goal) -> Option<Vec<Option<usize>>> {
        if !self.rules.is_alone(&goal.name) {
            return None;
        }
        let mut passes = Vec::new();
        for rule in rules {
            let part = rule.body.parts.first()?;
            let asks = rule.asks();
            let own = asks.iter().filter(|(call, _)| call.name == rule.name);
            let at = part.calls.iter().position(|call| call.name == rule.name);
            if !rule.totals.is_empty() {
                return None;
            }
            match (own.count(), at) {
                (0, _) => passes.push(None),
                (1, Some(at)) if passes_on(rule, part, at, &goal.bound) => passes.push(Some(at)),
                _ => return None,
            }
        }
        // What calls itself nowhere is as well off without.
        passes.iter().any(Option::is_some).then_some(passes)
    }

    /// What is reached from each of what is demanded, itself first.
    fn reach(&mut self, goal: &Goal) -> usize {
        let width = goal.bound.iter().filter(|is| **is).count();
        let letters: String = goal
            .bound
            .iter()
            .map(|is| if *is { 'b' } else { 'f' })
            .collect();
        let table = self.table(
            format!("reached {} {letters}", goal.name),
            width.saturating_mul(2),
        );
        let Some(rule) = self.rules.of(&goal.name).first() else {
            return table;
        };
        let mut variables = Variables::default();
        let starts: Vec<Term> = (0..width).map(|_| Term::Var(variables.unnamed())).collect();
        let demanded = goal
            .demand
            .map(|it| self.call(it, starts.clone(), &rule.at));
        self.out.rules.push(Derived {
            name: rule.name.clone(),
            at: rule.at.clone(),
            stored: rule.stored.clone(),
            table,
            head: [starts.clone(), starts].concat(),
            totals: Vec::new(),
            body: group(
                rule,
                Part {
                    calls: demanded.into_iter().collect(),
                    ..Part::default()
                },
            ),
            variables,
        });
        table
    }

    fn write_reaching(&mut self, rule: &Rule, goal: &Goal, reach: usize, passes: Option<usize>) {
        let mut variables = rule.variables.clone();
        let here = chosen(&rule.head, &goal.bound);
        let starts: Vec<Term> = here
            .iter()
            .map(|_| Term::Var(variables.unnamed()))
            .collect();
        let given = self.call(reach, [starts.clone(), here].concat(), &rule.at);
        let part = self.body(rule, &variables, passes, Some(given));
        let call = rule.body.parts.first().zip(passes);
        let call = call.and_then(|(part, at)| part.calls.get(at));
        let (table, head) = if let Some(call) = call {
            let there = chosen(&call.arguments, &goal.bound);
            (reach, [starts, there].concat())
        } else {
            let mut starts = starts.into_iter();
            let places = rule.head.iter().zip(&goal.bound);
            let head = places.map(|(term, is_bound)| match is_bound.then(|| starts.next()) {
                Some(Some(start)) => start,
                _ => term.clone(),
            });
            (goal.table, head.collect())
        };
        self.out.rules.push(Derived {
            name: rule.name.clone(),
            at: rule.at.clone(),
            stored: rule.stored.clone(),
            table,
            head,
            totals: Vec::new(),
            body: group(rule, part),
            variables,
        });
    }
}

/// The terms at the places that are bound.
fn chosen(terms: &[Term], bound: &[bool]) -> Vec<Term> {
    let both = terms.iter().zip(bound);
    both.filter(|(_, is)| **is)
        .map(|(term, _)| term.clone())
        .collect()
}

fn group(rule: &Rule, part: Part) -> Group {
    Group {
        at: rule.body.at.clone(),
        parts: vec![part],
        scope: rule.body.scope.clone(),
    }
}

/// Whether a call passes the free arguments of the head on and does nothing else with them, and what it binds comes
/// from what is bound.
fn passes_on(rule: &Rule, part: &Part, at: usize, bound: &[bool]) -> bool {
    let Some(call) = part.calls.get(at) else {
        return false;
    };
    let mut rest = part.clone();
    rest.calls.remove(at);
    let elsewhere = mentioned(&rest);
    let times = |var: Var, terms: &[Term]| terms.iter().filter(|it| it.var() == Some(var)).count();
    let heads = rule.head.iter().zip(&call.arguments).zip(bound);
    let mut free = heads.filter(|(_, is_bound)| !**is_bound);
    let is_passed = free.all(|((head, argument), _)| match (head.var(), argument.var()) {
        (Some(here), Some(there)) => {
            here == there
                && !elsewhere.contains(&here)
                && times(here, &rule.head) == 1
                && times(here, &call.arguments) == 1
        }
        _ => false,
    });
    let mut sight = Sight::new(&rest, None);
    sight.is_open = false;
    let given = chosen(&rule.head, bound);
    sight.bound = given.iter().filter_map(Term::var).collect();
    sight.hang_together(&rest);
    is_passed
        && chosen(&call.arguments, bound)
            .iter()
            .all(|it| sight.binds_term(it))
}

impl Sight {
    fn new(part: &Part, given: Option<Call>) -> Self {
        let is_open = given.is_none();
        let mut sight = Self {
            bound: Vars::new(),
            patterns: Vec::new(),
            calls: Vec::new(),
            binds: Vec::new(),
            is_open,
        };
        if let Some(given) = given {
            sight.bound.extend(given.vars());
            sight.calls.push(given);
        }
        for bind in &part.binds {
            if matches!(bind.what, What::Value(_)) {
                sight.bound.insert(bind.var);
                sight.binds.push(bind.clone());
            }
        }
        if is_open {
            // Where nothing is given, what a value is named for is a beginning.
            for clause in &part.patterns {
                let is_named = |term: &Term| matches!(term, Term::Literal(_));
                let is_few = is_named(&clause.subject) || is_named(&clause.object);
                if is_few && clause.verb != Verb::Type {
                    sight.take(clause);
                }
            }
        }
        sight
    }

    /// What is given, if anything is.
    fn given(&self) -> Option<&Call> {
        self.calls.first().filter(|_| !self.is_open)
    }

    fn binds_term(&self, term: &Term) -> bool {
        match term {
            Term::Var(var) => self.bound.contains(var),
            Term::Literal(_) => true,
            Term::Any => false,
        }
    }

    fn take(&mut self, clause: &Clause) {
        self.bound.extend(clause.vars());
        self.patterns.push(clause.clone());
    }

    /// Takes in the patterns that hang together with what is bound.
    fn widen(&mut self, part: &Part) {
        loop {
            let next = part.patterns.iter().find(|clause| {
                let is_known = self.patterns.iter().any(|it| it.at == clause.at);
                !is_known && clause.vars().iter().any(|var| self.bound.contains(var))
            });
            let Some(clause) = next else {
                return;
            };
            self.take(clause);
        }
    }

    /// Binds all that patterns and calls bind that hang together with what is bound.
    fn hang_together(&mut self, part: &Part) {
        loop {
            self.widen(part);
            let next = part.calls.iter().find(|call| {
                let mut vars = call.vars();
                let is_new = vars.any(|var| !self.bound.contains(&var));
                is_new && call.arguments.iter().any(|it| self.binds_term(it))
            });
            let Some(call) = next else {
                return;
            };
            self.bound.extend(call.vars());
        }
    }

    fn is_only(&self, call: &Call) -> bool {
        self.patterns.is_empty()
            && self.binds.is_empty()
            && matches!(self.calls.as_slice(), [one] if one.name == call.name
                && one.arguments == call.arguments)
    }

    fn part(&self) -> Part {
        Part {
            patterns: self.patterns.clone(),
            calls: self.calls.clone(),
            binds: self.binds.clone(),
            ..Part::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Budget;
    use crate::model::{Empty, Overlay, T};
    use crate::query::asked::Asked;
    use crate::query::json::Json;
    use crate::query::memory::Memory;
    use crate::query::rule::read_rules;
    use crate::schema::{Schema, bootstrap};

    /// The names of the tables that rules come to for a call.
    fn tables(rules: &str, name: &str, bound: &[bool]) -> Vec<String> {
        let mut facts = Overlay::new(Empty);
        facts.apply(T(1), &bootstrap().unwrap());
        let schema = Schema::load(&facts).unwrap();
        let budget = Budget::new(u64::MAX, None);
        let reader = Reader {
            facts: &facts,
            schema: &schema,
            asked: Asked {
                now_ms: 0,
                counts: crate::query::Counts::Hidden,
            },
            budget: &budget,
            memory: Memory::default(),
        };
        let json = Json::read(rules).unwrap();
        let rules = read_rules(&json, &Pointer::root(), &Variables::default()).unwrap();
        let rules = Rules::new(rules).unwrap();
        let rewritten = rewrite(&rules, name, bound, &reader).unwrap();
        rewritten.tables.into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_call_comes_to_tables_of_what_it_binds() {
        let step = r#"["(r ?x ?y)",["?x","_auth/roles","?y"]]"#;
        let before = format!(r#"[{step},["(r ?x ?y)",["?x","_auth/roles","?z"],["(r ?z ?y)"]]]"#);
        let twice = format!(r#"[{step},["(r ?x ?y)",["(r ?x ?z)"],["(r ?z ?y)"]]]"#);
        let above = format!(r#"[{step},["(q ?x)",["?x","_auth/id","ann"],["(r ?x ?y)"]]]"#);
        for (rules, name, bound, expected) in [
            (&before, "r", [false, false].as_slice(), vec!["r ff"]),
            // What is reached from what is given.
            (
                &before,
                "r",
                &[true, false],
                vec!["r bf", "demand r bf", "reached r bf"],
            ),
            (&before, "r", &[false, true], vec!["r fb", "demand r fb"]),
            (&twice, "r", &[true, false], vec!["r bf", "demand r bf"]),
            // Where nothing is given, what is named is a beginning.
            (&above, "q", &[false], vec!["q f", "r bf", "demand r bf"]),
            (
                &above,
                "q",
                &[true],
                vec!["q b", "demand q b", "r bf", "demand r bf"],
            ),
        ] {
            assert_eq!(tables(rules, name, bound), expected, "{rules} {bound:?}");
        }
    }

    #[test]
    fn so_many_ways_to_call_are_told_apart_and_no_more() {
        let rule = |of: &str, other: &str| {
            let head = "?a ?b ?c ?d ?e ?f ?g ?h";
            let facts: Vec<String> = head
                .split(' ')
                .map(|it| format!(r#"["{it}","_auth/id",null]"#))
                .collect();
            let facts = facts.join(",");
            format!(
                r#"["({of} {head})",{facts}],
                   ["({of} {head})",["({other} ?b ?c ?d ?e ?f ?g ?h ?a)"]],
                   ["({of} {head})",["({other} ?b ?a ?c ?d ?e ?f ?g ?h)"]],
                   ["({of} {head})",["?a","_auth/id",null],["({other} 1 ?b ?c ?d ?e ?f ?g ?h)"]],
                   ["({of} {head})",["?a","_auth/id",null],["({other} nil ?b ?c ?d ?e ?f ?g ?h)"]]"#
            )
        };
        let rules = [rule("ra", "rb"), rule("rb", "rc"), rule("rc", "ra")].join(",");
        let bound = [true, true, true, true, false, false, false, false];
        let found = tables(&format!("[{rules}]"), "ra", &bound);
        let calls = found.iter().filter(|it| it.starts_with('r')).count();
        // All rows of a name are one more way.
        assert!(
            (QUERY_RULE_CALLS_MAX..QUERY_RULE_CALLS_MAX + 3).contains(&calls),
            "{calls}"
        );
    }
}
