//! Random groups of clauses: beside what they mean (`group_model`), with their items in any order, under a view beside
//! root over a database that holds only what is visible, and with what is hidden changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use solon::base::Budget;
use solon::model::{
    CollectionId, Empty, Fact, Facts, Flake, Op as FlakeOp, Overlay, PredicateId, SubjectId, T,
    Value,
};
use solon::policy::{Op, Permissions, Policy, View};
use solon::query::{Error, queries_of};
use solon::schema::Schema;

use crate::clauses::ask_within as ask;
use crate::group_model::{
    Item, NOTHING, Naive, Refused, Row, Rows, Rule, VARIABLES, Var, Vars, Verb, Writer, each,
};
use crate::group_random::{Asked, Maker, is_data, is_single, more_facts, names, world};
use crate::oracle::{List, World, overlay, seeds};
use crate::support::random::Random;

/// How a query tells its rows.
#[derive(Clone, Debug)]
struct Shape {
    head: &'static str,
    select: Vec<Var>,
    order: Option<(bool, Var)>,
    limit: Option<usize>,
    offset: Option<usize>,
}

impl Shape {
    fn random(rng: &mut Random, vars: Vars) -> Self {
        let all: Vec<Var> = each(vars).collect();
        let mut select = all.clone();
        while select.len() > 1 && rng.one_in(3) {
            select.remove(rng.index(select.len()));
        }
        let some = |rng: &mut Random, one_in: u64, below: usize| {
            rng.one_in(one_in).then(|| rng.index(below))
        };
        Self {
            head: if rng.one_in(3) {
                "selectDistinct"
            } else {
                "select"
            },
            select,
            order: rng.one_in(3).then(|| (rng.one_in(2), *rng.pick(&all))),
            limit: some(rng, 5, 12),
            offset: some(rng, 5, 4),
        }
    }

    fn text(&self, items: &[Item], rules: &[Rule], naive: &Naive) -> String {
        let names: Vec<&str> = self.select.iter().map(|var| VARIABLES[*var]).collect();
        let writer = Writer(&naive.terms);
        let mut text = format!(
            "{{\"{}\":{},\"where\":{}",
            self.head,
            serde_json::to_string(&names).unwrap(),
            writer.group(items)
        );
        if !rules.is_empty() {
            let rules: Vec<String> = rules.iter().map(|rule| writer.rule(rule)).collect();
            write!(text, ",\"rules\":[{}]", rules.join(",")).unwrap();
        }
        if let Some((is_descending, var)) = self.order {
            let way = if is_descending { "DESC" } else { "ASC" };
            write!(text, ",\"orderBy\":[\"{way}\",\"{}\"]", VARIABLES[var]).unwrap();
        }
        if let Some(limit) = self.limit {
            write!(text, ",\"limit\":{limit}").unwrap();
        }
        if let Some(offset) = self.offset {
            write!(text, ",\"offset\":{offset}").unwrap();
        }
        text + "}"
    }

    /// What it tells of these rows, in their order.
    fn told(&self, rows: &Rows, naive: &Naive) -> String {
        let terms = &naive.terms;
        let mut all: Vec<&Row> = rows.rows.iter().collect();
        all.sort_by(|a, b| {
            let by = |var: Var| terms.compare(a[var], b[var]);
            let ordered = self.order.map(|(is_descending, var)| {
                if is_descending {
                    by(var).reverse()
                } else {
                    by(var)
                }
            });
            let rest = self.select.iter().copied().chain(each(rows.vars));
            ordered
                .into_iter()
                .chain(rest.map(by))
                .find(|it| it.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut known = BTreeSet::new();
        let mut told: Vec<String> = Vec::new();
        for row in all {
            let values = self.select.iter().map(|var| terms.json(row[*var]));
            let row = format!("[{}]", values.collect::<Vec<_>>().join(","));
            if self.head != "selectDistinct" || known.insert(row.clone()) {
                told.push(row);
            }
        }
        let told = told
            .into_iter()
            .skip(self.offset.unwrap_or(0))
            .take(self.limit.unwrap_or(usize::MAX));
        format!("[{}]", told.collect::<Vec<_>>().join(","))
    }
}

fn plenty() -> Budget {
    Budget::new(3_000_000, None)
}

/// Shuffles what may stand in any order.
fn reorder(rng: &mut Random, items: &mut [Item]) {
    let mut from = 0;
    for at in 0..=items.len() {
        let is_end = at == items.len() || matches!(items[at], Item::Fold(..));
        if is_end {
            let part = &mut items[from..at];
            for at in (1..part.len()).rev() {
                part.swap(at, rng.index(at + 1));
            }
            from = at + 1;
        }
    }
    for item in items {
        match item {
            Item::Optional(items) | Item::Test(_, items) => reorder(rng, items),
            Item::Union(arms) => {
                for arm in arms.iter_mut() {
                    reorder(rng, arm);
                }
                let count = arms.len();
                arms.swap(0, rng.index(count));
            }
            _ => {}
        }
    }
}

/// What came of random queries.
#[derive(Debug, Default)]
struct Count {
    answered: usize,
    with_rows: usize,
    with_nulls: usize,
    refused: usize,
    passed_over: usize,
    /// Answers with rows, by what stands in the query.
    of_kind: BTreeMap<&'static str, usize>,
}

impl Count {
    fn kinds(&mut self, items: &[Item]) {
        let mut all = BTreeSet::new();
        kinds(items, &mut all);
        for kind in all {
            *self.of_kind.entry(kind).or_default() += 1;
        }
    }

    fn check(&self, answered: usize, with_rows: usize, with_nulls: usize, refused: usize) {
        assert!(
            seeds().count() == 1
                || (self.answered >= answered
                    && self.with_rows >= with_rows
                    && self.with_nulls >= with_nulls
                    && self.refused >= refused
                    && self.passed_over * 10 < self.answered),
            "{self:?}"
        );
    }
}

/// What stands in a group, by name.
fn kinds(items: &[Item], all: &mut BTreeSet<&'static str>) {
    for item in items {
        all.insert(match item {
            Item::Pattern(_, Verb::Named(_), _) => "pattern",
            Item::Pattern(_, Verb::Path(..), _) => "path",
            Item::Pattern(_, Verb::Var(_), _) => "predicate",
            Item::Inline(..) => "inline",
            Item::Call(..) => "call",
            Item::Optional(_) => "optional",
            Item::Union(_) => "union",
            Item::Test(true, _) => "exists",
            Item::Test(false, _) => "not",
            Item::Filter(..) => "filter",
            Item::Bind(..) | Item::Given(..) => "bind",
            Item::Fold(..) => "fold",
        });
        match item {
            Item::Optional(items) | Item::Test(_, items) => kinds(items, all),
            Item::Union(arms) => arms.iter().for_each(|arm| kinds(arm, all)),
            _ => {}
        }
    }
}

fn random_query(rng: &mut Random, naive: &mut Naive) -> (Asked, Shape) {
    let mut maker = Maker {
        rng,
        naive,
        callable: Vec::new(),
    };
    let asked = maker.query();
    // What means nothing selects something all the same.
    let vars = asked.vars.unwrap_or_else(|| {
        let all = asked.items.iter().map(crate::group_model::mentioned);
        all.fold(0, |all, it| all | it)
    });
    (asked, Shape::random(rng, vars))
}

#[test]
fn random_groups_bind_what_they_mean_in_any_order() {
    let mut count = Count::default();
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = world(&mut rng);
        let facts = world.facts();
        let schema = Schema::load(&facts).unwrap();
        let mut naive = Naive::of(&world.list, &schema, &names());
        for _ in 0..20 {
            let (mut asked, shape) = random_query(&mut rng, &mut naive);
            let text = shape.text(&asked.items, &asked.rules, &naive);
            let failing = || format!("SOLON_SEED={seed} cargo test --test it groups: {text}");
            let told = ask(&text, &facts, &schema, &plenty());
            for _ in 0..2 {
                reorder(&mut rng, &mut asked.items);
                let again = shape.text(&asked.items, &asked.rules, &naive);
                let again_told = ask(&again, &facts, &schema, &plenty());
                match (&told, &again_told) {
                    (Ok(told), Ok(again)) => assert_eq!(told, again, "{}", failing()),
                    (Err(_), Err(_)) => {}
                    (one, other) => panic!("{}\n{again}\n{one:?}\n{other:?}", failing()),
                }
            }
            match (&told, asked.vars) {
                (Err(Error::InvalidQuery { .. }), None) => count.refused += 1,
                (Err(Error::Limit { .. } | Error::Facts(_)), _) => count.passed_over += 1,
                (Ok(told), Some(_)) => {
                    let Ok(rows) = naive.answer(&asked.items, &asked.rules) else {
                        count.passed_over += 1;
                        continue;
                    };
                    assert_eq!(told, &shape.told(&rows, &naive), "{}", failing());
                    count.answered += 1;
                    if !rows.rows.is_empty() {
                        count.with_rows += 1;
                        count.kinds(&asked.items);
                    }
                    count.with_nulls += usize::from(told.contains("null"));
                }
                (told, means) => {
                    let why: Option<Refused> = crate::group_model::check(&asked.items, 0).err();
                    panic!("{}\n{told:?}\n{means:?} {why:?}", failing());
                }
            }
        }
    }
    count.check(800, 400, 60, 40);
    let rarest = count.of_kind.values().min();
    assert!(
        seeds().count() == 1 || rarest.is_some_and(|it| *it > 15),
        "{count:?}"
    );
}

/// What an auth sees of a world.
fn visible(world: &World, auth: usize) -> List {
    let seen = |(s, p, o): &&(_, _, Value)| world.sees(auth, *s, *p, o);
    world.list.iter().filter(seen).cloned().collect()
}

#[test]
fn groups_under_a_view_answer_as_root_over_what_is_visible() {
    let (mut answered, mut fewer) = (0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = world(&mut rng);
        let facts = world.facts();
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let mut naive = Naive::of(&world.list, &schema, &names());
        for (index, (auth, _, _)) in world.auths.iter().enumerate() {
            let copy: Overlay<Empty> = overlay(Empty, &visible(&world, index), T(1));
            let reads = policy.permissions(*auth, &Op::query(), &facts).unwrap();
            for _ in 0..5 {
                let (asked, shape) = random_query(&mut rng, &mut naive);
                let text = shape.text(&asked.items, &asked.rules, &naive);
                let budget = Budget::new(u64::MAX, None);
                let view = View::new(Arc::clone(&reads), Arc::clone(&schema), &facts, 0, &budget);
                let told = ask(&text, &view, &schema, &budget);
                let expected = ask(&text, &copy, &schema, &plenty());
                assert_eq!(
                    told, expected,
                    "SOLON_SEED={seed} cargo test --test it groups, auth {index}: {text}"
                );
                if let Ok(told) = told {
                    answered += 1;
                    let all = ask(&text, &facts, &schema, &plenty());
                    fewer += usize::from(all.is_ok_and(|all| all != told));
                }
            }
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 500 && fewer > 100),
        "{answered} {fewer}"
    );
}

/// A fact, and what it costs to see it; nothing if it is not seen.
type Seen = BTreeMap<(SubjectId, PredicateId, Value), u64>;

/// What an auth sees of the data, and what its rules cost for each fact.
fn seen(list: &List, facts: &dyn Facts, schema: &Arc<Schema>, reads: &Arc<Permissions>) -> Seen {
    let mut seen = Seen::new();
    for fact in list.iter().filter(|fact| is_data(fact.0)) {
        let budget = plenty();
        let view = View::new(Arc::clone(reads), Arc::clone(schema), facts, 0, &budget);
        let (s, p, o) = (fact.0, fact.1, fact.2.borrow());
        if view.sees(Fact { s, p, o, t: T(1) }).unwrap() {
            seen.insert(fact.clone(), budget.spent());
        }
    }
    seen
}

/// The number that each collection would use next.
fn used(facts: &dyn Facts) -> Vec<u64> {
    let collections = (0..30).filter_map(CollectionId::new);
    collections.map(|c| facts.next_number(c).unwrap()).collect()
}

/// A world with other hidden facts, in which an auth sees the same at the same cost; none if no try came to one.
fn other_world(rng: &mut Random, from: &World, auth: usize) -> Option<List> {
    let facts = from.facts();
    let schema = Arc::new(Schema::load(&facts).unwrap());
    let policy = Policy::new(Arc::clone(&schema), queries_of);
    let of_auth = from.auths[auth].0;
    let reads = policy.permissions(of_auth, &Op::query(), &facts).unwrap();
    let before = seen(&from.list, &facts, &schema, &reads);
    let mut list = from.list.clone();
    for _ in 0..12 {
        let mut next = list.clone();
        let hidden: Vec<_> = list
            .iter()
            .filter(|fact| is_data(fact.0) && !before.contains_key(*fact))
            .collect();
        if !hidden.is_empty() && rng.one_in(2) {
            next.remove(*rng.pick(&hidden));
        } else {
            let fact = more_facts(rng);
            if is_single(fact.1) {
                next.retain(|it| (it.0, it.1) != (fact.0, fact.1));
            }
            next.insert(fact);
        }
        let flake = |op, (s, p, o): &(SubjectId, PredicateId, Value)| Flake {
            s: *s,
            p: *p,
            o: o.clone(),
            op,
        };
        let gone = from.list.difference(&next);
        let gone = gone.map(|it| flake(FlakeOp::Retract, it));
        let made = next.difference(&from.list);
        let made = made.map(|it| flake(FlakeOp::Assert, it));
        let mut flakes: Vec<Flake> = gone.chain(made).collect();
        flakes.sort();
        let mut changed = Overlay::new(&facts);
        changed.apply(T(2), &flakes);
        let subjects = |list: &List| list.iter().map(|it| it.0).collect::<BTreeSet<_>>();
        if seen(&next, &changed, &schema, &reads) == before && subjects(&next) == subjects(&list) {
            list = next;
        }
    }
    (list != from.list).then_some(list)
}

#[test]
fn what_is_hidden_changes_no_answer_of_a_group_and_no_cost() {
    let (mut answered, mut explained, mut spent, mut worlds) = (0, 0, 0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = world(&mut rng);
        let mut naive = {
            let schema = Schema::load(&world.facts()).unwrap();
            Naive::of(&world.list, &schema, &names())
        };
        for index in 0..4 {
            let auth = world.auths[index].0;
            let Some(other) = other_world(&mut rng, &world, index) else {
                continue;
            };
            let other = world.with(other);
            assert!(
                visible(&world, index) == visible(&other, index),
                "seed {seed}, auth {index}: the view shows what the law does not"
            );
            worlds += 1;
            let sides: Vec<_> = [world.facts(), other.facts()]
                .into_iter()
                .map(|facts| {
                    assert_eq!(used(&facts), used(&world.facts()));
                    let schema = Arc::new(Schema::load(&facts).unwrap());
                    let policy = Policy::new(Arc::clone(&schema), queries_of);
                    let reads = policy.permissions(auth, &Op::query(), &facts).unwrap();
                    (facts, schema, reads)
                })
                .collect();
            for _ in 0..4 {
                let (asked, shape) = random_query(&mut rng, &mut naive);
                let text = shape.text(&asked.items, &asked.rules, &naive);
                // How it is answered is no less of an answer.
                let text = if rng.one_in(2) {
                    format!("{},\"explain\":true}}", &text[..text.len() - 1])
                } else {
                    text
                };
                let mut most = 2_000_000;
                // With all that it takes, and with less.
                for _ in 0..3 {
                    let told = sides.iter().map(|(facts, schema, reads)| {
                        let budget = Budget::new(most, None);
                        let (reads, of) = (Arc::clone(reads), Arc::clone(schema));
                        let view = View::new(reads, of, facts, 0, &budget);
                        let told = ask(&text, &view, schema, &budget);
                        (told, budget.spent())
                    });
                    let told: Vec<_> = told.collect();
                    assert_eq!(
                        told[0], told[1],
                        "SOLON_SEED={seed} cargo test --test it groups, auth {index}, {most} steps: {text}"
                    );
                    answered += usize::from(told[0].0.is_ok());
                    explained += usize::from(text.contains("explain") && told[0].0.is_ok());
                    spent += usize::from(matches!(told[0].0, Err(Error::Facts(_))));
                    most = 1 + rng.below(told[0].1 + 1);
                }
            }
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 200 && explained > 100 && spent > 50 && worlds > 50),
        "{answered} {explained} {spent} {worlds}"
    );
}

#[test]
fn a_union_waits_for_what_others_bind_and_not_for_what_they_need() {
    let facts = world(&mut Random::new(1)).facts();
    let schema = Schema::load(&facts).unwrap();
    // The second group begins at `?b`, and what binds `?v` needs the first.
    let text = r##"{"select":["?b","?v"],"where":[["?b","doc/count",null],["?v","#(str ?c \"-\")"],
        {"union":[[["?b","doc/title","?c"]],[["?a","?p","?b"]]]}]}"##;
    let told = ask(text, &facts, &schema, &plenty()).unwrap();
    assert!(told.contains("d1-") && told.contains("null"), "{told}");
}

#[test]
fn a_rule_that_has_nowhere_to_begin_is_refused_whatever_is_joined_first() {
    let facts = world(&mut Random::new(1)).facts();
    let schema = Schema::load(&facts).unwrap();
    let rules = r#"["(none ?x)",["?x","doc/title","nothing"]],["(far ?x)",["?x","doc/next","?y"],["?b","?p","?b"]]"#;
    for calls in [
        r#"["(none ?a)"],["(far ?a)"]"#,
        r#"["(far ?a)"],["(none ?a)"]"#,
        r#"["(none ?a)"]"#,
    ] {
        let text = format!(r#"{{"select":"?a","where":[{calls}],"rules":[{rules}]}}"#);
        let told = ask(&text, &facts, &schema, &plenty());
        let Err(Error::InvalidQuery { at, why }) = told else {
            panic!("{text}: {told:?}");
        };
        assert_eq!(at.as_str(), "/rules/1/2", "{why}");
    }
}

#[test]
fn a_row_without_terms_is_all_nulls() {
    assert_eq!(Rows::unit().rows, BTreeSet::from([NOTHING]));
}
