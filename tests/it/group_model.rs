//! What groups of clauses mean, said slowly: loops in loops over a plain list of facts, a set of rows at a time.
//!
//! Nothing here is fast or clever on purpose. A nested group is asked once for each row that it is about, a path is
//! made step by step, and rules are run until nothing is new.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::rc::Rc;

use solon::model::system::{collection, predicate};
use solon::model::{Decimal, PredicateId, SubjectId, Value};
use solon::query::Json;
use solon::schema::Schema;

use crate::oracle::List;

/// A variable: its place in [`VARIABLES`].
pub(crate) type Var = usize;

pub(crate) const VARIABLES: [&str; 15] = [
    "?a", "?b", "?c", "?e", "?m", "?n", "?p", "?s", "?t", "?u", "?v", "?w", "?x", "?y", "?z",
];

/// A set of variables, by bits.
pub(crate) type Vars = u32;

pub(crate) fn bit(var: Var) -> Vars {
    1 << var
}

pub(crate) fn each(vars: Vars) -> impl Iterator<Item = Var> {
    (0..VARIABLES.len()).filter(move |var| vars & bit(*var) != 0)
}

/// A term: its number in [`Terms`]; 0 is none.
pub(crate) type Term = u32;

/// Terms by kind and text: `b`oolean, whole `n`umber, e`x`act number, text.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    all: Vec<(char, String)>,
    known: HashMap<(char, String), Term>,
}

impl Terms {
    fn new() -> Self {
        Self {
            all: vec![('-', "null".to_owned())],
            known: HashMap::new(),
        }
    }

    pub(crate) fn of(&mut self, kind: char, text: &str) -> Term {
        let key = (kind, text.to_owned());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let term = Term::try_from(self.all.len()).unwrap();
        self.all.push(key.clone());
        self.known.insert(key, term);
        term
    }

    pub(crate) fn kind(&self, term: Term) -> char {
        self.all[term as usize].0
    }

    pub(crate) fn text(&self, term: Term) -> &str {
        &self.all[term as usize].1
    }

    /// As a query is told it, and names it.
    pub(crate) fn json(&self, term: Term) -> String {
        let (kind, text) = &self.all[term as usize];
        match kind {
            'x' | 's' => Json::string(text).write(),
            _ => text.clone(),
        }
    }

    /// Nulls, booleans, numbers by what they are worth, texts by their bytes.
    pub(crate) fn compare(&self, a: Term, b: Term) -> Ordering {
        let rank = |kind: char| "-bns".find(if kind == 'x' { 'n' } else { kind });
        let ((a_kind, a), (b_kind, b)) = (&self.all[a as usize], &self.all[b as usize]);
        let worth = |text: &str| Decimal::parse(text).unwrap();
        rank(*a_kind)
            .cmp(&rank(*b_kind))
            .then_with(|| match rank(*a_kind) {
                Some(2) => worth(a).cmp(&worth(b)).then(a_kind.cmp(b_kind)),
                _ => a.cmp(b),
            })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    Var(Var),
    Any,
    Term(Term),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb {
    Named(&'static str),
    Path(&'static str, Option<usize>),
    Var(Var),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Var(Var),
    Int(i64),
    Text(String),
    Call(&'static str, Vec<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Pattern(Place, Verb, Place),
    /// A pattern whose object is a filter of this variable.
    Inline(Place, &'static str, Var, Expr),
    Call(&'static str, Vec<Place>),
    Optional(Vec<Item>),
    Union(Vec<Vec<Item>>),
    Test(bool, Vec<Item>),
    /// An expression, and whether a null is no reason to drop a row.
    Filter(Expr, bool),
    Bind(Var, Expr),
    Given(Var, Term),
    /// An intermediate aggregate: what is bound, the aggregate, and what it folds.
    Fold(Var, &'static str, Var),
}

/// A rule: its name, the variables or terms of its head, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) head: Vec<Place>,
    pub(crate) body: Vec<Item>,
}

/// Why a query is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// An optional has nothing beside it.
    First,
    /// A variable of an optional stands in another, in a union or in a bind.
    Twice,
    /// An expression has a variable that nothing binds, or that waits for itself.
    Unbound,
    /// There is nowhere to begin.
    Begin,
}

pub(crate) fn vars_of(expr: &Expr) -> Vars {
    match expr {
        Expr::Var(var) => bit(*var),
        Expr::Int(_) | Expr::Text(_) => 0,
        Expr::Call(_, items) => items.iter().fold(0, |all, it| all | vars_of(it)),
    }
}

fn of_place(place: &Place) -> Vars {
    match place {
        Place::Var(var) => bit(*var),
        Place::Any | Place::Term(_) => 0,
    }
}

fn all(items: &[Item], of: impl Fn(&Item) -> Vars) -> Vars {
    items.iter().fold(0, |all, it| all | of(it))
}

/// What a pattern or a call binds.
fn of_joining(item: &Item) -> Vars {
    match item {
        Item::Pattern(s, verb, o) => {
            let verb = match verb {
                Verb::Var(var) => bit(*var),
                _ => 0,
            };
            of_place(s) | verb | of_place(o)
        }
        Item::Inline(s, _, var, _) => of_place(s) | bit(*var),
        Item::Call(_, places) => places.iter().fold(0, |all, it| all | of_place(it)),
        _ => 0,
    }
}

/// All variables that stand in an item.
pub(crate) fn mentioned(item: &Item) -> Vars {
    match item {
        Item::Optional(items) | Item::Test(_, items) => all(items, mentioned),
        Item::Union(arms) => arms.iter().fold(0, |sum, arm| sum | all(arm, mentioned)),
        Item::Filter(expr, _) => vars_of(expr),
        Item::Bind(var, expr) => bit(*var) | vars_of(expr),
        Item::Given(var, _) => bit(*var),
        Item::Fold(var, _, over) => bit(*var) | bit(*over),
        Item::Inline(_, _, _, expr) => of_joining(item) | vars_of(expr),
        Item::Pattern(..) | Item::Call(..) => of_joining(item),
    }
}

/// All variables that an item can bind.
fn possible(item: &Item) -> Vars {
    match item {
        Item::Optional(items) => all(items, possible),
        Item::Union(arms) => arms.iter().fold(0, |sum, arm| sum | all(arm, possible)),
        Item::Bind(var, _) | Item::Given(var, _) | Item::Fold(var, ..) => bit(*var),
        Item::Test(..) | Item::Filter(..) => 0,
        Item::Pattern(..) | Item::Call(..) | Item::Inline(..) => of_joining(item),
    }
}

/// All variables that an item binds to a term in every row.
pub(crate) fn certain(item: &Item) -> Vars {
    match item {
        Item::Union(arms) => arms
            .iter()
            .fold(Vars::MAX, |both, arm| both & all(arm, certain)),
        Item::Given(var, _) => bit(*var),
        Item::Pattern(..) | Item::Call(..) | Item::Inline(..) => of_joining(item),
        Item::Optional(_) | Item::Bind(..) | Item::Test(..) | Item::Filter(..) | Item::Fold(..) => {
            0
        }
    }
}

/// What a rule's group binds by what joins in it, in every case.
pub(crate) fn always(items: &[Item]) -> Vars {
    let part: Vec<&Item> = items.iter().collect();
    let around = !all(items, possible);
    let (_, _, late) = joined(&part, around);
    all(items, |item| match item {
        Item::Union(arms) => arms.iter().fold(Vars::MAX, |both, arm| both & always(arm)),
        Item::Bind(var, _) if !late.contains(&item) => bit(*var),
        item => certain(item),
    })
}

/// Whether all filters of a rule are about what is always bound.
pub(crate) fn filters_are_bound(items: &[Item], outer: Vars) -> bool {
    let bound = always(items) | outer;
    items.iter().all(|item| match item {
        Item::Filter(expr, _) | Item::Inline(_, _, _, expr) => vars_of(expr) & !bound == 0,
        Item::Optional(items) | Item::Test(_, items) => filters_are_bound(items, bound),
        Item::Union(arms) => arms.iter().all(|arm| filters_are_bound(arm, bound)),
        _ => true,
    })
}

/// What a group takes from around it: what it mentions and cannot bind.
fn inputs(items: &[Item]) -> Vars {
    all(items, mentioned) & !all(items, possible)
}

/// What any of the groups of a union takes from around it.
fn inputs_of_any(arms: &[Vec<Item>]) -> Vars {
    arms.iter().fold(0, |sum, arm| sum | inputs(arm))
}

/// The items between two intermediate aggregates.
fn parts(items: &[Item]) -> Vec<(Vec<&Item>, Option<&Item>)> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for item in items {
        if matches!(item, Item::Fold(..)) {
            parts.push((std::mem::take(&mut part), Some(item)));
        } else {
            part.push(item);
        }
    }
    parts.push((part, None));
    parts
}

/// What is bound before any optional, what of that can be counted on by binds, and the binds that wait for more.
///
/// What is bound around the group and is given a value in it waits for that value.
fn joined<'i>(part: &[&'i Item], given: Vars) -> (Vars, Vars, Vec<&'i Item>) {
    let mut waiting = Vec::new();
    let (mut here, mut given_here) = (0, 0);
    for item in part {
        match item {
            // Here it waits for the optional, also where it is bound around the group.
            Item::Optional(_) => given_here |= possible(item),
            Item::Test(..) | Item::Filter(..) => {}
            Item::Bind(var, _) => {
                waiting.push(*item);
                given_here |= bit(*var);
            }
            _ => here |= possible(item),
        }
    }
    let mut known = (given & !given_here) | here;
    retain_waiting(&mut waiting, &mut known);
    (given | known, known, waiting)
}

/// Takes out the binds that have all that they need, one after the other.
fn retain_waiting(waiting: &mut Vec<&Item>, known: &mut Vars) {
    loop {
        let before = waiting.len();
        waiting.retain(|item| match item {
            Item::Bind(var, expr) if vars_of(expr) & !*known == 0 => {
                *known |= bit(*var);
                false
            }
            _ => true,
        });
        if waiting.len() == before {
            return;
        }
    }
}

/// Whether a group means something where `given` is bound, and what it binds.
pub(crate) fn check(items: &[Item], given: Vars) -> Result<Vars, Refused> {
    let mut bound = given;
    for (part, fold) in parts(items) {
        bound = check_part(&part, bound)?;
        if let Some(Item::Fold(var, _, over)) = fold {
            if bound & bit(*over) == 0 {
                return Err(Refused::Unbound);
            }
            bound |= bit(*var);
        }
    }
    Ok(bound)
}

fn check_part(part: &[&Item], given: Vars) -> Result<Vars, Refused> {
    let (mut bound, mut known, late) = joined(part, given);
    let optionals: Vec<&&Item> = part
        .iter()
        .filter(|it| matches!(it, Item::Optional(_)))
        .collect();
    let joins = part.iter().any(|it| {
        !matches!(it, Item::Optional(_) | Item::Test(..) | Item::Filter(..)) && !late.contains(it)
    });
    if !joins && !optionals.is_empty() && given == 0 {
        return Err(Refused::First);
    }
    for (index, optional) in optionals.iter().enumerate() {
        let own = possible(optional) & !bound;
        for (other, it) in optionals.iter().enumerate() {
            if other != index && mentioned(it) & own != 0 {
                return Err(Refused::Twice);
            }
        }
        for it in part {
            let touched = match it {
                Item::Union(_) => mentioned(it),
                Item::Bind(var, _) => bit(*var),
                _ => 0,
            };
            if touched & own != 0 {
                return Err(Refused::Twice);
            }
        }
    }
    for item in &late {
        // What waits for optionals comes too late for them.
        let waits = possible(item) & !known;
        let others = part
            .iter()
            .filter(|it| matches!(it, Item::Optional(_) | Item::Union(_)));
        if others.into_iter().any(|it| mentioned(it) & waits != 0) {
            return Err(Refused::Twice);
        }
    }
    begin(part, given, bound, &late)?;
    let seeds = bound;
    for optional in &optionals {
        let Item::Optional(items) = optional else {
            continue;
        };
        bound |= check(items, seeds & mentioned(optional))?;
    }
    known |= optionals.iter().fold(0, |all, it| all | possible(it));
    let mut late: Vec<&Item> = late;
    for item in &late {
        bound |= possible(item);
    }
    retain_waiting(&mut late, &mut known);
    if !late.is_empty() {
        return Err(Refused::Unbound);
    }
    for item in part {
        match item {
            Item::Filter(expr, _) | Item::Inline(_, _, _, expr) if vars_of(expr) & !bound != 0 => {
                return Err(Refused::Unbound);
            }
            Item::Test(_, items) => {
                check(items, bound & mentioned(item))?;
            }
            _ => {}
        }
    }
    Ok(bound)
}

/// Whether each group of a union can begin with what it takes from around it alone.
fn begins_alone(arms: &[Vec<Item>]) -> bool {
    arms.iter().all(|arm| check(arm, inputs(arm)).is_ok())
}

/// Whether all that joins can be found, one after the other. A union that cannot begin alone waits for all others.
fn begin(part: &[&Item], given: Vars, will_be: Vars, late: &[&Item]) -> Result<(), Refused> {
    let joins = |it: &&&Item| {
        !matches!(**it, Item::Optional(_) | Item::Test(..) | Item::Filter(..))
            && !late.contains(*it)
    };
    let joining: Vec<&Item> = part.iter().filter(joins).copied().collect();
    let mut waiting = joining.clone();
    let mut bound = given;
    let mut why = Refused::Begin;
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|item| {
            let begins = match item {
                Item::Pattern(s, verb, o) => pattern_begins(s, *verb, o, bound),
                Item::Bind(_, expr) => vars_of(expr) & !bound == 0,
                Item::Union(arms) => {
                    let others = joining.iter().filter(|it| it != &item);
                    let others = others.fold(0, |all, it| all | possible(it));
                    inputs_of_any(arms) & will_be & !bound == 0
                        && (begins_alone(arms) || mentioned(item) & others & !bound == 0)
                        && arms.iter().all(|arm| {
                            let seeds = bound & (inputs(arm) | all(arm, certain));
                            check(arm, seeds).map_err(|it| why = it).is_ok()
                        })
                }
                _ => true,
            };
            if begins {
                bound |= possible(item);
            }
            !begins
        });
        if waiting.len() == before {
            return Err(why);
        }
    }
    Ok(())
}

fn pattern_begins(s: &Place, verb: Verb, o: &Place, bound: Vars) -> bool {
    let is_bound = |place: &Place| match place {
        Place::Var(var) => bound & bit(*var) != 0,
        Place::Any => false,
        Place::Term(_) => true,
    };
    is_bound(s)
        || match verb {
            Verb::Named("_id") => is_bound(o),
            Verb::Named("rdf:type") => matches!(o, Place::Term(_)),
            Verb::Named(_) | Verb::Path(..) => true,
            Verb::Var(var) => bound & bit(var) != 0 || is_bound(o),
        }
}

/// A row: a term for each variable.
pub(crate) type Row = [Term; VARIABLES.len()];

pub(crate) const NOTHING: Row = [0; VARIABLES.len()];

/// Rows, and which variables they are about.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) vars: Vars,
    pub(crate) rows: BTreeSet<Row>,
}

impl Rows {
    pub(crate) fn unit() -> Self {
        Self {
            vars: 0,
            rows: BTreeSet::from([NOTHING]),
        }
    }

    fn project(&self, vars: Vars) -> Self {
        let vars = self.vars & vars;
        let rows = self.rows.iter().map(|row| only(row, vars)).collect();
        Self { vars, rows }
    }
}

fn only(row: &Row, vars: Vars) -> Row {
    let mut less = NOTHING;
    for var in each(vars) {
        less[var] = row[var];
    }
    less
}

/// More than this is worth waiting for.
#[derive(Debug)]
pub(crate) struct TooMuch;

type Pairs = Rc<Vec<(Term, Term)>>;

/// What holds, as terms, and what answers.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    pub(crate) terms: Terms,
    named: BTreeMap<&'static str, Pairs>,
    all: Rc<Vec<(Term, Term, Term)>>,
    /// The tuples of each rule.
    pub(crate) tuples: BTreeMap<&'static str, BTreeSet<Vec<Term>>>,
    /// How many more rows may be made.
    left: usize,
}

impl Naive {
    pub(crate) fn of(list: &List, schema: &Schema, names: &[&'static str]) -> Self {
        let mut terms = Terms::new();
        let mut named: BTreeMap<&'static str, Vec<(Term, Term)>> = BTreeMap::new();
        let mut everything = Vec::new();
        let subjects: BTreeSet<SubjectId> = list.iter().map(|(s, _, _)| *s).collect();
        let id = |terms: &mut Terms, s: SubjectId| terms.of('n', &s.raw().to_string());
        for s in subjects {
            let of = schema.collection(s.collection()).unwrap();
            let (s, of) = (id(&mut terms, s), terms.of('s', &of.name));
            named.entry("_id").or_default().push((s, s));
            named.entry("rdf:type").or_default().push((s, of));
        }
        let by_id: BTreeMap<PredicateId, &'static str> = names
            .iter()
            .filter_map(|name| Some((schema.predicate_named(name)?.id, *name)))
            .collect();
        for (s, p, o) in list {
            let o = match o {
                Value::Ref(tag) if tag.collection() == collection::TAG => {
                    let of = list
                        .iter()
                        .find(|(s, p, _)| s == tag && *p == predicate::TAG_ID);
                    let Some((_, _, Value::String(text))) = of else {
                        continue;
                    };
                    terms.of('s', text.split_once(':').unwrap().1)
                }
                Value::Ref(to) => id(&mut terms, *to),
                Value::Boolean(it) => terms.of('b', &it.to_string()),
                Value::Int(it) | Value::Instant(it) => terms.of('n', &it.to_string()),
                Value::String(text) | Value::Json(text) => terms.of('s', text),
                Value::Decimal(it) => terms.of('x', &it.to_string()),
                other => panic!("{other:?}"),
            };
            let (s, of) = (id(&mut terms, *s), id(&mut terms, p.subject()));
            everything.push((s, of, o));
            if let Some(name) = by_id.get(p) {
                named.entry(name).or_default().push((s, o));
            }
        }
        Self {
            terms,
            named: named
                .into_iter()
                .map(|(name, pairs)| (name, Rc::new(pairs)))
                .collect(),
            all: Rc::new(everything),
            tuples: BTreeMap::new(),
            left: 0,
        }
    }

    /// Every pair of a predicate.
    pub(crate) fn pairs(&self, name: &str) -> Pairs {
        self.named.get(name).cloned().unwrap_or_default()
    }

    /// The ends of every fact of data.
    pub(crate) fn any_pairs(&self) -> Vec<(Term, Term)> {
        let is_data = |s: Term| {
            let id: i64 = self.terms.text(s).parse().unwrap();
            SubjectId::from_raw(id).is_some_and(|it| it.collection().raw() >= 20)
        };
        let data = self.all.iter().filter(|(s, _, _)| is_data(*s));
        data.map(|(s, _, o)| (*s, *o)).collect()
    }

    /// The rows of a whole query.
    pub(crate) fn answer(&mut self, items: &[Item], rules: &[Rule]) -> Result<Rows, TooMuch> {
        self.left = 200_000;
        self.run_rules(rules)?;
        self.group(items, Rows::unit())
    }

    fn pay(&mut self, rows: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(rows).ok_or(TooMuch)?;
        Ok(())
    }

    fn group(&mut self, items: &[Item], given: Rows) -> Result<Rows, TooMuch> {
        let mut rows = given;
        for (part, fold) in parts(items) {
            rows = self.part(&part, rows)?;
            if let Some(Item::Fold(var, name, over)) = fold {
                let mut folded: Vec<Term> = rows.rows.iter().map(|row| row[*over]).collect();
                folded.retain(|term| *term != 0);
                let term = self.fold(name, folded);
                rows = bind(&rows, *var, |_| term);
            }
        }
        Ok(rows)
    }

    pub(crate) fn fold(&mut self, name: &str, terms: Vec<Term>) -> Term {
        let number = |terms: &mut Terms, it: i64| terms.of('n', &it.to_string());
        match name {
            "count" => number(&mut self.terms, i64::try_from(terms.len()).unwrap()),
            "count-distinct" => {
                let distinct: BTreeSet<Term> = terms.into_iter().collect();
                number(&mut self.terms, i64::try_from(distinct.len()).unwrap())
            }
            "sum" => {
                let each = terms.iter().map(|it| self.terms.text(*it));
                let sum = each.map(|it| it.parse::<i64>().unwrap()).sum();
                number(&mut self.terms, sum)
            }
            "max" => {
                let most = terms.into_iter().max_by(|a, b| self.terms.compare(*a, *b));
                most.unwrap_or(0)
            }
            "min" => {
                let least = terms.into_iter().min_by(|a, b| self.terms.compare(*a, *b));
                least.unwrap_or(0)
            }
            other => panic!("{other}"),
        }
    }

    #[expect(clippy::too_many_lines, reason = "the meaning of a part, in its order")]
    fn part(&mut self, part: &[&Item], given: Rows) -> Result<Rows, TooMuch> {
        let (will_be, _, late) = joined(part, given.vars);
        let mut rows = given;
        // What needs nothing first.
        for item in part {
            rows = match item {
                Item::Pattern(s, verb, o) => self.pattern(&rows, s, *verb, o)?,
                Item::Inline(s, name, var, _) => {
                    self.pattern(&rows, s, Verb::Named(name), &Place::Var(*var))?
                }
                Item::Call(name, places) => self.call(&rows, name, places)?,
                Item::Given(var, term) => bind(&rows, *var, |_| *term),
                _ => continue,
            };
        }
        let mut waiting: Vec<&&Item> = part
            .iter()
            .filter(|it| matches!(it, Item::Union(_) | Item::Bind(..)) && !late.contains(it))
            .collect();
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|item| {
                let needed = match item {
                    Item::Union(arms) => inputs_of_any(arms) & will_be,
                    Item::Bind(_, expr) => vars_of(expr),
                    _ => 0,
                };
                needed & !rows.vars == 0
            });
            match waiting.remove(ready.expect("it was checked")) {
                Item::Union(arms) => rows = self.union(arms, &rows)?,
                Item::Bind(var, expr) => rows = self.bind(&rows, *var, expr)?,
                _ => {}
            }
        }
        let seeds = rows.vars;
        for item in part {
            if let Item::Optional(items) = item {
                rows = self.optional(items, seeds & mentioned(item), rows)?;
            }
        }
        let mut late: Vec<&Item> = late;
        while !late.is_empty() {
            let ready = late.iter().position(|item| match item {
                Item::Bind(_, expr) => vars_of(expr) & !rows.vars == 0,
                _ => false,
            });
            if let Item::Bind(var, expr) = late.remove(ready.expect("it was checked")) {
                rows = self.bind(&rows, *var, expr)?;
            }
        }
        for item in part {
            let (Item::Filter(expr, _) | Item::Inline(_, _, _, expr)) = item else {
                continue;
            };
            let forgives = matches!(item, Item::Filter(_, true));
            let vars = vars_of(expr);
            let mut kept = BTreeSet::new();
            for row in rows.rows {
                let is_null = each(vars).any(|var| row[var] == 0);
                let said = self.evaluate(expr, &row)?;
                if said == Some(Val::Bool(true)) || (forgives && is_null) {
                    kept.insert(row);
                }
            }
            rows.rows = kept;
        }
        for item in part {
            let Item::Test(is_wanted, items) = item else {
                continue;
            };
            let shared = rows.vars & mentioned(item);
            let mut kept = BTreeSet::new();
            for row in rows.rows {
                let seed = Rows {
                    vars: shared,
                    rows: BTreeSet::from([only(&row, shared)]),
                };
                let found = self.group(items, seed)?;
                if found.rows.is_empty() != *is_wanted {
                    kept.insert(row);
                }
            }
            rows.rows = kept;
        }
        Ok(rows)
    }

    fn pattern(&mut self, rows: &Rows, s: &Place, verb: Verb, o: &Place) -> Result<Rows, TooMuch> {
        let triples: Vec<(Term, Term, Term)> = match verb {
            Verb::Named(name) => self.pairs(name).iter().map(|(s, o)| (*s, 0, *o)).collect(),
            Verb::Path(name, most) => {
                let closure = Self::closure(&self.pairs(name), most);
                closure.into_iter().map(|(s, o)| (s, 0, o)).collect()
            }
            Verb::Var(_) => self.all.to_vec(),
        };
        let verb = match verb {
            Verb::Var(var) => Place::Var(var),
            Verb::Named(_) | Verb::Path(..) => Place::Any,
        };
        let places = [*s, verb, *o];
        let tuples = triples.iter().map(|(s, p, o)| vec![*s, *p, *o]);
        self.match_places(rows, &places, &tuples.collect::<Vec<_>>())
    }

    /// Pairs of one step or more.
    fn closure(pairs: &[(Term, Term)], most: Option<usize>) -> BTreeSet<(Term, Term)> {
        let mut found: BTreeSet<(Term, Term)> = pairs.iter().copied().collect();
        let mut steps = 1;
        while most.is_none_or(|most| steps < most) {
            let mut next = found.clone();
            for (a, b) in &found {
                next.extend(
                    pairs
                        .iter()
                        .filter(|(from, _)| from == b)
                        .map(|(_, c)| (*a, *c)),
                );
            }
            if next == found {
                break;
            }
            found = next;
            steps += 1;
        }
        found
    }

    fn call(&mut self, rows: &Rows, name: &str, places: &[Place]) -> Result<Rows, TooMuch> {
        let tuples: Vec<Vec<Term>> = self
            .tuples
            .get(name)
            .map(|tuples| tuples.iter().cloned().collect())
            .unwrap_or_default();
        self.match_places(rows, places, &tuples)
    }

    /// Every row with every tuple that fits it. A null fits nothing.
    fn match_places(
        &mut self,
        rows: &Rows,
        places: &[Place],
        tuples: &[Vec<Term>],
    ) -> Result<Rows, TooMuch> {
        let mut joined = Rows {
            vars: places.iter().fold(rows.vars, |all, it| all | of_place(it)),
            rows: BTreeSet::new(),
        };
        self.pay(rows.rows.len().saturating_mul(tuples.len()) / 8)?;
        for row in &rows.rows {
            for tuple in tuples {
                let mut longer = *row;
                let mut bound = rows.vars;
                let fits = places.iter().zip(tuple).all(|(place, term)| match place {
                    Place::Any => true,
                    Place::Term(it) => it == term,
                    Place::Var(var) if bound & bit(*var) != 0 => longer[*var] == *term,
                    Place::Var(var) => {
                        bound |= bit(*var);
                        longer[*var] = *term;
                        true
                    }
                });
                if fits {
                    self.pay(1)?;
                    joined.rows.insert(longer);
                }
            }
        }
        Ok(joined)
    }

    /// Each group of a union, of what it takes from around it, made as wide as what all of them bind.
    fn union(&mut self, arms: &[Vec<Item>], rows: &Rows) -> Result<Rows, TooMuch> {
        let wide = arms.iter().fold(0, |sum, arm| sum | all(arm, possible));
        let mut joined = BTreeSet::new();
        for arm in arms {
            let taken = inputs(arm) & rows.vars;
            let found = self.group(arm, rows.project(taken))?;
            let vars = wide | taken;
            self.pay(rows.rows.len().saturating_mul(found.rows.len()) / 8)?;
            for row in &rows.rows {
                for other in &found.rows {
                    let fits = each(rows.vars & vars).all(|var| {
                        row[var] == other[var] && (row[var] != 0 || taken & bit(var) != 0)
                    });
                    if fits {
                        let mut longer = *row;
                        for var in each(vars) {
                            longer[var] = other[var];
                        }
                        self.pay(1)?;
                        joined.insert(longer);
                    }
                }
            }
        }
        Ok(Rows {
            vars: rows.vars | wide,
            rows: joined,
        })
    }

    fn optional(&mut self, items: &[Item], shared: Vars, rows: Rows) -> Result<Rows, TooMuch> {
        let mut known: BTreeMap<Row, Rows> = BTreeMap::new();
        let mut joined = Rows {
            vars: rows.vars | all(items, possible),
            rows: BTreeSet::new(),
        };
        for row in rows.rows {
            let seed = only(&row, shared);
            let found = match known.entry(seed) {
                Entry::Occupied(it) => it.into_mut(),
                Entry::Vacant(it) => {
                    let given = Rows {
                        vars: shared,
                        rows: BTreeSet::from([seed]),
                    };
                    it.insert(self.group(items, given)?)
                }
            };
            let many = found.rows.len();
            if many == 0 {
                joined.rows.insert(row);
            }
            for more in &found.rows {
                let mut longer = row;
                for var in each(found.vars & !shared) {
                    longer[var] = more[var];
                }
                joined.rows.insert(longer);
            }
            self.pay(many)?;
        }
        Ok(joined)
    }

    fn bind(&mut self, rows: &Rows, var: Var, expr: &Expr) -> Result<Rows, TooMuch> {
        let mut said = BTreeMap::new();
        for row in &rows.rows {
            let term = match self.evaluate(expr, row)? {
                None | Some(Val::Nil) => 0,
                Some(Val::Bool(it)) => self.terms.of('b', &it.to_string()),
                Some(Val::Int(it)) => self.terms.of('n', &it.to_string()),
                Some(Val::Text(it)) => self.terms.of('s', &it),
                Some(Val::Tenths(it)) => self.terms.of('x', &exact_text(it)),
            };
            said.insert(*row, term);
        }
        Ok(bind(rows, var, |row| said[row]))
    }

    /// Runs the rules until there is nothing new, those that others deny first.
    fn run_rules(&mut self, rules: &[Rule]) -> Result<(), TooMuch> {
        self.tuples.clear();
        let layers = layers(rules).expect("it was checked");
        let deepest = layers.values().copied().max().unwrap_or(0);
        for layer in 0..=deepest {
            loop {
                let mut is_new = false;
                for rule in rules.iter().filter(|it| layers[it.name] == layer) {
                    let rows = self.group(&rule.body, Rows::unit())?;
                    for row in &rows.rows {
                        let place = |place: &Place| match place {
                            Place::Var(var) => row[*var],
                            Place::Term(term) => *term,
                            Place::Any => 0,
                        };
                        let tuple: Vec<Term> = rule.head.iter().map(place).collect();
                        if !tuple.contains(&0) {
                            is_new |= self.tuples.entry(rule.name).or_default().insert(tuple);
                        }
                    }
                }
                if !is_new {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The rows with one more variable, or those of which it is that already.
fn bind(rows: &Rows, var: Var, term: impl Fn(&Row) -> Term) -> Rows {
    let mut bound = Rows {
        vars: rows.vars | bit(var),
        rows: BTreeSet::new(),
    };
    for row in &rows.rows {
        let term = term(row);
        let mut longer = *row;
        longer[var] = term;
        if rows.vars & bit(var) == 0 || (row[var] == term && term != 0) {
            bound.rows.insert(longer);
        }
    }
    bound
}

/// How many times each rule stands above a denial; none if one stands above itself.
pub(crate) fn layers(rules: &[Rule]) -> Option<BTreeMap<&'static str, usize>> {
    let mut layers: BTreeMap<&'static str, usize> =
        rules.iter().map(|rule| (rule.name, 0)).collect();
    for _ in 0..=rules.len() {
        let mut is_new = false;
        for rule in rules {
            let mut calls = Vec::new();
            calls_of(&rule.body, false, &mut calls);
            for (name, is_denied) in calls {
                let needed = layers.get(name).copied()? + usize::from(is_denied);
                if layers[rule.name] < needed {
                    layers.insert(rule.name, needed);
                    is_new = true;
                }
            }
        }
        if !is_new {
            return Some(layers);
        }
    }
    None
}

fn calls_of(items: &[Item], is_denied: bool, calls: &mut Vec<(&'static str, bool)>) {
    for item in items {
        match item {
            Item::Call(name, _) => calls.push((name, is_denied)),
            Item::Optional(items) | Item::Test(_, items) => calls_of(items, true, calls),
            Item::Union(arms) => {
                for arm in arms {
                    calls_of(arm, is_denied, calls);
                }
            }
            _ => {}
        }
    }
}

/// What an expression is worth: nothing, a truth, a whole number, tenths of an exact one, or a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val {
    Nil,
    Bool(bool),
    Int(i128),
    Tenths(i128),
    Text(String),
}

/// Tenths of a number, and whether it is exact.
fn number(val: &Val) -> Option<(i128, bool)> {
    match val {
        Val::Int(it) => Some((it * 10, false)),
        Val::Tenths(it) => Some((*it, true)),
        _ => None,
    }
}

impl Naive {
    fn value(&self, term: Term) -> Result<Val, TooMuch> {
        let text = self.terms.text(term);
        Ok(match self.terms.kind(term) {
            '-' => Val::Nil,
            'b' => Val::Bool(text == "true"),
            'n' => Val::Int(text.parse().unwrap()),
            's' => Val::Text(text.to_owned()),
            _ => Val::Tenths(tenths(text).ok_or(TooMuch)?),
        })
    }

    /// None is a fault.
    fn evaluate(&self, expr: &Expr, row: &Row) -> Result<Option<Val>, TooMuch> {
        let (name, items) = match expr {
            Expr::Var(var) => return Ok(Some(self.value(row[*var])?)),
            Expr::Int(it) => return Ok(Some(Val::Int(i128::from(*it)))),
            Expr::Text(it) => return Ok(Some(Val::Text(it.clone()))),
            Expr::Call(name, items) => (*name, items),
        };
        let mut vals = Vec::new();
        for item in items {
            vals.push(self.evaluate(item, row)?);
        }
        match name {
            "and" | "or" => {
                let decides = Some(Val::Bool(name == "or"));
                let other = Some(Val::Bool(name == "and"));
                return Ok(if vals.contains(&decides) {
                    decides
                } else if vals.iter().all(|it| *it == other) {
                    other
                } else {
                    None
                });
            }
            "if" => {
                return Ok(match &vals[0] {
                    Some(Val::Bool(true)) => vals[1].clone(),
                    Some(Val::Bool(false)) => vals[2].clone(),
                    _ => None,
                });
            }
            "coalesce" => {
                for val in vals {
                    if val != Some(Val::Nil) {
                        return Ok(val);
                    }
                }
                return Ok(Some(Val::Nil));
            }
            _ => {}
        }
        let Some(vals) = vals.into_iter().collect::<Option<Vec<Val>>>() else {
            return Ok(None);
        };
        match name {
            "nil?" => return Ok(Some(Val::Bool(vals[0] == Val::Nil))),
            "bound" => return Ok(Some(Val::Bool(vals[0] != Val::Nil))),
            _ if vals.contains(&Val::Nil) => return Ok(None),
            _ => {}
        }
        Ok(apply(name, &vals))
    }
}

/// What a function makes of arguments that are there.
fn apply(name: &str, vals: &[Val]) -> Option<Val> {
    let numbers = || vals.iter().map(number).collect::<Option<Vec<_>>>();
    let ascends = |stands: fn(i128, i128) -> bool| {
        let numbers = numbers()?;
        let pairs = numbers.windows(2);
        Some(Val::Bool(
            pairs.into_iter().all(|pair| stands(pair[0].0, pair[1].0)),
        ))
    };
    let exact = |tenths: i128, is_exact: bool| {
        Some(if is_exact {
            Val::Tenths(tenths)
        } else {
            Val::Int(tenths / 10)
        })
    };
    let is_same = |a: &Val, b: &Val| match (number(a), number(b)) {
        (Some(a), Some(b)) => a.0 == b.0,
        _ => a == b,
    };
    match name {
        ">" => ascends(|a, b| a > b),
        ">=" => ascends(|a, b| a >= b),
        "<" => ascends(|a, b| a < b),
        "<=" => ascends(|a, b| a <= b),
        "==" | "=" => Some(Val::Bool(vals.windows(2).all(|it| is_same(&it[0], &it[1])))),
        "not=" => Some(Val::Bool(
            !vals.windows(2).all(|it| is_same(&it[0], &it[1])),
        )),
        "not" => match vals[0] {
            Val::Bool(it) => Some(Val::Bool(!it)),
            _ => None,
        },
        "inc" => {
            let (it, is_exact) = number(&vals[0])?;
            exact(it + 10, is_exact)
        }
        "+" | "-" => {
            let numbers = numbers()?;
            let (first, rest) = numbers.split_first()?;
            let rest_sum: i128 = rest.iter().map(|it| it.0).sum();
            let sum = if name == "+" {
                first.0 + rest_sum
            } else {
                first.0 - rest_sum
            };
            exact(sum, numbers.iter().any(|it| it.1))
        }
        "max" => {
            numbers()?;
            let most = vals.iter().max_by_key(|it| number(it).map(|it| it.0));
            most.cloned()
        }
        "strStarts" => match (&vals[0], &vals[1]) {
            (Val::Text(a), Val::Text(b)) => Some(Val::Bool(a.starts_with(b.as_str()))),
            _ => None,
        },
        "str" => {
            let mut text = String::new();
            for val in vals {
                match val {
                    Val::Text(it) => text.push_str(it),
                    Val::Int(it) => write!(text, "{it}").unwrap(),
                    Val::Tenths(it) => text.push_str(&exact_text(*it)),
                    Val::Bool(it) => write!(text, "{it}").unwrap(),
                    Val::Nil => return None,
                }
            }
            Some(Val::Text(text))
        }
        other => panic!("{other}"),
    }
}

fn exact_text(tenths: i128) -> String {
    Decimal::parse(&format!("{tenths}e-1")).unwrap().to_string()
}

/// A number's tenths, if they are whole.
fn tenths(text: &str) -> Option<i128> {
    let (digits, power) = match text.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<u32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if part.len() != 1 {
        return None;
    }
    let tenths: i128 = format!("{whole}{part}").parse().ok()?;
    tenths.checked_mul(10_i128.checked_pow(power)?)
}

/// A query's text: its items in the order they are given.
pub(crate) struct Writer<'t>(pub(crate) &'t Terms);

impl Writer<'_> {
    pub(crate) fn group(&self, items: &[Item]) -> String {
        let items: Vec<String> = items.iter().map(|it| self.item(it)).collect();
        format!("[{}]", items.join(","))
    }

    fn place(&self, place: &Place) -> String {
        match place {
            Place::Var(var) => format!("\"{}\"", VARIABLES[*var]),
            Place::Any => "null".to_owned(),
            Place::Term(term) => self.0.json(*term),
        }
    }

    fn item(&self, item: &Item) -> String {
        match item {
            Item::Pattern(s, verb, o) => {
                let verb = match verb {
                    Verb::Named(name) => (*name).to_owned(),
                    Verb::Path(name, None) => format!("{name}+"),
                    Verb::Path(name, Some(most)) => format!("{name}+{most}"),
                    Verb::Var(var) => VARIABLES[*var].to_owned(),
                };
                format!("[{},\"{verb}\",{}]", self.place(s), self.place(o))
            }
            Item::Inline(s, name, _, expr) => {
                let expr = Json::string(&format!("#{}", Self::expr(expr))).write();
                format!("[{},\"{name}\",{expr}]", self.place(s))
            }
            Item::Call(name, places) => {
                let call = self.call(name, places);
                format!("[{}]", Json::string(&call).write())
            }
            Item::Optional(items) => format!("{{\"optional\":{}}}", self.group(items)),
            Item::Union(arms) => {
                let arms: Vec<String> = arms.iter().map(|arm| self.group(arm)).collect();
                format!("{{\"union\":[{}]}}", arms.join(","))
            }
            Item::Test(is_wanted, items) => {
                let key = if *is_wanted { "exists" } else { "not" };
                format!("{{\"{key}\":{}}}", self.group(items))
            }
            Item::Filter(expr, forgives) => {
                let expr = Json::string(&Self::expr(expr)).write();
                if *forgives {
                    format!("{{\"filter\":[[\"optional\",{expr}]]}}")
                } else {
                    format!("{{\"filter\":[{expr}]}}")
                }
            }
            Item::Bind(var, expr) => {
                let expr = Json::string(&format!("#{}", Self::expr(expr))).write();
                format!("[\"{}\",{expr}]", VARIABLES[*var])
            }
            Item::Given(var, term) => {
                format!(
                    "{{\"bind\":{{\"{}\":{}}}}}",
                    VARIABLES[*var],
                    self.0.json(*term)
                )
            }
            Item::Fold(var, name, over) => {
                format!(
                    "[\"{}\",\"#({name} {})\"]",
                    VARIABLES[*var], VARIABLES[*over]
                )
            }
        }
    }

    pub(crate) fn rule(&self, rule: &Rule) -> String {
        let head = Json::string(&self.call(rule.name, &rule.head)).write();
        let items: Vec<String> = rule.body.iter().map(|it| self.item(it)).collect();
        format!("[{head},{}]", items.join(","))
    }

    fn call(&self, name: &str, places: &[Place]) -> String {
        let mut text = format!("({name}");
        for place in places {
            let argument = match place {
                Place::Var(var) => VARIABLES[*var].to_owned(),
                Place::Any => "nil".to_owned(),
                Place::Term(term) => self.0.json(*term),
            };
            write!(text, " {argument}").unwrap();
        }
        text + ")"
    }

    fn expr(expr: &Expr) -> String {
        match expr {
            Expr::Var(var) => VARIABLES[*var].to_owned(),
            Expr::Int(it) => it.to_string(),
            Expr::Text(it) => Json::string(it).write(),
            Expr::Call(name, items) => {
                let items: Vec<String> = items.iter().map(Self::expr).collect();
                format!("({name} {})", items.join(" "))
            }
        }
    }
}
