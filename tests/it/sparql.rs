//! Random groups of clauses beside an engine that nobody here wrote: oxigraph, asked the same in SPARQL.
//!
//! The two differ where a variable may be unbound: here it joins nothing, there it joins anything. So no variable that
//! an optional binds stands anywhere else, and a union shares only what all of its arms bind. There an answer is a
//! bag, here a set: so there all variables are selected distinct, before anything is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use oxigraph::model::{GraphName, Literal, NamedNode, Quad, Term as Theirs};
use oxigraph::sparql::{QueryResults, SparqlEvaluator};
use oxigraph::store::Store as Graph;
use solon::base::Budget;
use solon::query::Json;
use solon::schema::Schema;

use crate::clauses::ask_within;
use crate::group_model::{
    Expr, Item, Naive, Place, Term, VARIABLES, Var, Vars, Verb, Writer, bit, certain, each,
    mentioned, vars_of,
};
use crate::group_random::{names, world};
use crate::oracle::seeds;
use crate::support::random::Random;

/// What there is to say, with the variables of both ends.
const SIGNATURES: [(&str, &str, &str); 11] = [
    ("doc/title", "abc", "st"),
    ("doc/owner", "abc", "u"),
    ("doc/team", "abc", "e"),
    ("doc/count", "abc", "mn"),
    ("doc/count", "abc", "mn"),
    ("doc/label", "abc", "st"),
    ("doc/next", "abc", "abc"),
    ("doc/next", "abc", "abc"),
    ("team/name", "e", "st"),
    ("team/lead", "e", "u"),
    ("team/docs", "e", "abc"),
];

/// Variables that only one nested group has.
const FRESH: [&str; 6] = ["?p", "?v", "?w", "?x", "?y", "?z"];

struct Maker<'a> {
    rng: &'a mut Random,
    naive: &'a Naive,
    fresh: Vec<Var>,
}

fn variable(name: &str) -> Var {
    VARIABLES.iter().position(|it| *it == name).unwrap()
}

impl Maker<'_> {
    fn query(&mut self) -> Vec<Item> {
        self.fresh = FRESH.iter().map(|name| variable(name)).collect();
        loop {
            let items = self.group(0, 0);
            if items.iter().any(|it| mentioned(it) != 0) {
                return items;
            }
        }
    }

    /// A group, in a group that binds `outer` for certain.
    fn group(&mut self, depth: usize, outer: Vars) -> Vec<Item> {
        let mut items: Vec<Item> = (0..=self.rng.below(3)).map(|_| self.pattern()).collect();
        if depth < 2 && self.rng.one_in(3) {
            let arms: Vec<Vec<Item>> = (0..2 + self.rng.below(2))
                .map(|_| {
                    let mut arm = vec![self.pattern()];
                    if self.rng.one_in(2) {
                        arm.push(self.pattern());
                    }
                    self.add_filter(&mut arm, 0);
                    arm
                })
                .collect();
            let union = Item::Union(arms);
            let others = items.iter().fold(outer, |all, it| all | certain(it));
            // What not all arms bind must stand nowhere else.
            if mentioned(&union) & !certain(&union) & others == 0 {
                let own = mentioned(&union) & !certain(&union);
                if let Some(union) = self.renamed(vec![union], own) {
                    items.extend(union);
                }
            }
        }
        self.add_filter(&mut items, outer);
        let bound = items.iter().fold(0, |all, it| all | certain(it));
        if depth < 3 {
            for _ in 0..2 {
                if !self.rng.one_in(4) {
                    continue;
                }
                let nested = self.group(depth + 1, bound);
                let all = nested.iter().fold(0, |all, it| all | mentioned(it));
                if let Some(nested) = self.renamed(nested, all & !bound) {
                    items.push(match self.rng.below(4) {
                        0 => Item::Test(true, nested),
                        1 => Item::Test(false, nested),
                        _ => Item::Optional(nested),
                    });
                }
            }
        }
        items
    }

    fn pattern(&mut self) -> Item {
        let (name, s_vars, o_vars) = *self.rng.pick(&SIGNATURES);
        let pairs = self.naive.pairs(name);
        let terms = (!pairs.is_empty()).then(|| *self.rng.pick(&pairs));
        let verb = if name == "doc/next" && self.rng.one_in(2) {
            Verb::Path(name, [None, Some(1), Some(2), Some(3)][self.rng.index(4)])
        } else {
            Verb::Named(name)
        };
        let mut place = |vars: &str, term: Option<Term>| match (self.rng.below(10), term) {
            (0, _) => Place::Any,
            (1, Some(term)) => Place::Term(term),
            _ => {
                let at = self.rng.index(vars.len());
                Place::Var(variable(&format!("?{}", &vars[at..=at])))
            }
        };
        let s = place(s_vars, terms.map(|it| it.0));
        let o = place(o_vars, terms.map(|it| it.1));
        Item::Pattern(s, verb, o)
    }

    /// Adds a filter of numbers that are bound for certain, here or around.
    fn add_filter(&mut self, items: &mut Vec<Item>, outer: Vars) {
        let bound = items.iter().fold(outer, |all, it| all | certain(it));
        let numbers: Vec<Var> = each(bound & (bit(variable("?m")) | bit(variable("?n")))).collect();
        if !numbers.is_empty() && self.rng.one_in(2) {
            let expr = self.truth(&numbers, 0);
            items.push(Item::Filter(expr, false));
        }
    }

    fn truth(&mut self, numbers: &[Var], depth: usize) -> Expr {
        let number = |rng: &mut Random| Expr::Var(*rng.pick(numbers));
        match self.rng.below(6) {
            0 if depth < 2 => Expr::Call("not", vec![self.truth(numbers, depth + 1)]),
            1 | 2 if depth < 2 => {
                let name = ["and", "or"][self.rng.index(2)];
                Expr::Call(
                    name,
                    vec![
                        self.truth(numbers, depth + 1),
                        self.truth(numbers, depth + 1),
                    ],
                )
            }
            _ => {
                let name = [">", ">=", "<", "<=", "=", "not="][self.rng.index(6)];
                let a = number(self.rng);
                let b = if self.rng.one_in(3) {
                    number(self.rng)
                } else {
                    Expr::Int(i64::try_from(self.rng.below(5)).unwrap())
                };
                Expr::Call(name, vec![a, b])
            }
        }
    }

    /// The items with these variables replaced by fresh ones; none if too few are left.
    fn renamed(&mut self, items: Vec<Item>, own: Vars) -> Option<Vec<Item>> {
        let is_fresh = |var: Var| FRESH.contains(&VARIABLES[var]);
        let own: Vec<Var> = each(own).filter(|var| !is_fresh(*var)).collect();
        let mut left = self.fresh.clone();
        let mut new = BTreeMap::new();
        for var in own {
            new.insert(var, left.pop()?);
        }
        self.fresh = left;
        Some(items.into_iter().map(|it| rename(it, &new)).collect())
    }
}

fn rename(item: Item, new: &BTreeMap<Var, Var>) -> Item {
    let var = |var: Var| new.get(&var).copied().unwrap_or(var);
    let place = |place: Place| match place {
        Place::Var(it) => Place::Var(var(it)),
        other => other,
    };
    let group = |items: Vec<Item>| items.into_iter().map(|it| rename(it, new)).collect();
    match item {
        Item::Pattern(s, verb, o) => Item::Pattern(place(s), verb, place(o)),
        Item::Optional(items) => Item::Optional(group(items)),
        Item::Test(is_wanted, items) => Item::Test(is_wanted, group(items)),
        Item::Union(arms) => Item::Union(arms.into_iter().map(group).collect()),
        Item::Filter(expr, forgives) => Item::Filter(rename_in(expr, new), forgives),
        other => other,
    }
}

fn rename_in(expr: Expr, new: &BTreeMap<Var, Var>) -> Expr {
    match expr {
        Expr::Var(var) => Expr::Var(new.get(&var).copied().unwrap_or(var)),
        Expr::Call(name, items) => Expr::Call(
            name,
            items.into_iter().map(|it| rename_in(it, new)).collect(),
        ),
        other => other,
    }
}

/// Whether a whole number is a subject's id.
fn is_id(number: &str) -> bool {
    number.len() > 12
}

fn theirs(naive: &Naive, term: Term) -> Theirs {
    let text = naive.terms.text(term);
    match naive.terms.kind(term) {
        'n' if is_id(text) => NamedNode::new_unchecked(format!("solon:{text}")).into(),
        'n' => Literal::from(text.parse::<i64>().unwrap()).into(),
        _ => Literal::new_simple_literal(text).into(),
    }
}

fn graph(naive: &Naive) -> Graph {
    let graph = Graph::new().unwrap();
    for name in SIGNATURES.iter().map(|it| it.0).collect::<BTreeSet<_>>() {
        for (s, o) in naive.pairs(name).iter() {
            let Theirs::NamedNode(s) = theirs(naive, *s) else {
                continue;
            };
            let p = NamedNode::new_unchecked(format!("solon:{name}"));
            let quad = Quad::new(s, p, theirs(naive, *o), GraphName::DefaultGraph);
            graph.insert(&quad).unwrap();
        }
    }
    graph
}

/// The same group in their words: what joins, what is optional, what filters.
fn pattern_text(items: &[Item], naive: &Naive) -> String {
    let place = |place: &Place| match place {
        Place::Var(var) => VARIABLES[*var].to_owned(),
        Place::Any => "[]".to_owned(),
        Place::Term(term) => theirs(naive, *term).to_string(),
    };
    let mut text = String::from("{ ");
    for item in items {
        match item {
            Item::Pattern(s, verb, o) => {
                let verb = match verb {
                    Verb::Named(name) => format!("<solon:{name}>"),
                    Verb::Path(name, None) => format!("<solon:{name}>+"),
                    Verb::Path(name, Some(most)) => {
                        let step = format!("<solon:{name}>");
                        let ways = (1..=*most).map(|steps| vec![step.as_str(); steps].join("/"));
                        format!("({})", ways.collect::<Vec<_>>().join("|"))
                    }
                    Verb::Var(var) => VARIABLES[*var].to_owned(),
                };
                write!(text, "{} {verb} {} . ", place(s), place(o)).unwrap();
            }
            Item::Union(arms) => {
                let arms: Vec<String> = arms.iter().map(|it| pattern_text(it, naive)).collect();
                write!(text, "{} ", arms.join(" UNION ")).unwrap();
            }
            _ => {}
        }
    }
    let bound = items.iter().fold(0, |all, it| all | certain(it));
    for item in items {
        if let Item::Optional(items) = item {
            write!(text, "OPTIONAL {} ", pattern_text(items, naive)).unwrap();
        }
    }
    for item in items {
        match item {
            Item::Test(is_wanted, items) => {
                let inner = pattern_text(items, naive);
                let all = items.iter().fold(0, |all, it| all | mentioned(it));
                let own = items.iter().fold(0, |all, it| all | certain(it));
                let simple = items.iter().all(|it| match it {
                    Item::Filter(expr, _) => vars_of(expr) & !own == 0,
                    Item::Pattern(..) => true,
                    _ => false,
                });
                // Both of their ways to say it.
                if !is_wanted && simple && own & bound != 0 && all & 1 == 0 {
                    write!(text, "MINUS {inner} ").unwrap();
                } else {
                    let not = if *is_wanted { "" } else { "NOT " };
                    write!(text, "FILTER {not}EXISTS {inner} ").unwrap();
                }
            }
            Item::Filter(expr, _) => write!(text, "FILTER ({}) ", expr_text(expr)).unwrap(),
            _ => {}
        }
    }
    text + "}"
}

fn expr_text(expr: &Expr) -> String {
    let (name, items) = match expr {
        Expr::Var(var) => return VARIABLES[*var].to_owned(),
        Expr::Int(it) => return it.to_string(),
        Expr::Text(it) => return Json::string(it).write(),
        Expr::Call(name, items) => (*name, items),
    };
    let items: Vec<String> = items.iter().map(expr_text).collect();
    match name {
        "not" => format!("(!{})", items[0]),
        name => {
            let name = match name {
                "and" => "&&",
                "or" => "||",
                "not=" => "!=",
                other => other,
            };
            format!("({})", items.join(name))
        }
    }
}

/// Their answer: each row as text.
fn their_rows(text: &str, graph: &Graph, columns: &[String]) -> Vec<Vec<String>> {
    let prepared = SparqlEvaluator::new().parse_query(text);
    let prepared = prepared.unwrap_or_else(|error| panic!("{error}: {text}"));
    let QueryResults::Solutions(solutions) = prepared.on_store(graph).execute().unwrap() else {
        panic!("no solutions: {text}");
    };
    let told = |term: Option<&Theirs>| match term {
        None => "null".to_owned(),
        Some(Theirs::NamedNode(it)) => it.as_str().trim_start_matches("solon:").to_owned(),
        Some(Theirs::Literal(it)) if it.datatype().as_str().ends_with("#string") => {
            Json::string(it.value()).write()
        }
        Some(Theirs::Literal(it)) => it.value().to_owned(),
        Some(other) => panic!("{other}"),
    };
    solutions
        .map(|solution| {
            let solution = solution.unwrap();
            let row = columns.iter().map(|name| told(solution.get(&name[1..])));
            row.collect()
        })
        .collect()
}

/// Our answer: each row as text.
fn our_rows(told: &str) -> Vec<Vec<String>> {
    let Ok(Json::Array(rows)) = Json::read(told) else {
        panic!("{told}");
    };
    let row = |row: &Json| match row {
        Json::Array(row) => row.iter().map(Json::write).collect(),
        other => vec![other.write()],
    };
    rows.iter().map(row).collect()
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

#[test]
fn random_groups_answer_as_another_engine_answers_them() {
    let (mut answered, mut with_rows, mut with_nulls) = (0, 0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = world(&mut rng);
        let facts = world.facts();
        let schema = Schema::load(&facts).unwrap();
        let naive = Naive::of(&world.list, &schema, &names());
        let graph = graph(&naive);
        for _ in 0..10 {
            let mut maker = Maker {
                rng: &mut rng,
                naive: &naive,
                fresh: Vec::new(),
            };
            let items = maker.query();
            let vars = items.iter().fold(0, |all, it| match it {
                Item::Test(..) => all,
                _ => all | bound_by(it),
            });
            let columns: Vec<String> = each(vars).map(|it| VARIABLES[it].to_owned()).collect();
            if columns.is_empty() {
                continue;
            }
            let writer = Writer(&naive.terms);
            let ours = format!(
                "{{\"select\":{},\"where\":{}}}",
                serde_json::to_string(&columns).unwrap(),
                writer.group(&items)
            );
            let theirs = format!(
                "SELECT DISTINCT {} {}",
                columns.join(" "),
                pattern_text(&items, &naive)
            );
            let failing =
                || format!("SOLON_SEED={seed} cargo test --test it sparql\n{ours}\n{theirs}");
            let budget = Budget::new(5_000_000, None);
            let told = match ask_within(&ours, &facts, &schema, &budget) {
                Ok(told) => our_rows(&told),
                Err(solon::query::Error::Limit { .. } | solon::query::Error::Facts(_)) => continue,
                Err(error) => panic!("{error}: {}", failing()),
            };
            let told = sorted(told);
            assert_eq!(
                told,
                sorted(their_rows(&theirs, &graph, &columns)),
                "{}",
                failing()
            );
            answered += 1;
            with_rows += usize::from(!told.is_empty());
            with_nulls += usize::from(told.iter().flatten().any(|it| it == "null"));
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 400 && with_rows > 250 && with_nulls > 40),
        "{answered} {with_rows} {with_nulls}"
    );
}

/// Aggregates in both languages, of any variable or of a number.
const AGGREGATES: [(&str, &str, bool); 6] = [
    ("(count ?)", "COUNT(?)", false),
    ("(count (distinct ?))", "COUNT(DISTINCT ?)", false),
    ("(sum ?)", "SUM(?)", true),
    ("(min ?)", "MIN(?)", true),
    ("(max ?)", "MAX(?)", true),
    ("(avg ?)", "AVG(?)", true),
];

/// A number as both tell it: theirs has all digits of a quotient, ours those of a double.
fn rounded(text: &str) -> String {
    let number: Option<f64> = text.parse().ok();
    number.map_or_else(|| text.to_owned(), |it| format!("{it:.6}"))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one question, said twice")]
fn random_groups_of_rows_fold_to_what_another_engine_folds_them_to() {
    let (mut answered, mut groups, mut whole) = (0, 0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = world(&mut rng);
        let facts = world.facts();
        let schema = Schema::load(&facts).unwrap();
        let naive = Naive::of(&world.list, &schema, &names());
        let graph = graph(&naive);
        for _ in 0..6 {
            let mut maker = Maker {
                rng: &mut rng,
                naive: &naive,
                fresh: Vec::new(),
            };
            let items = maker.query();
            let vars = items.iter().fold(0, |all, it| all | bound_by(it));
            let sure = items.iter().fold(0, |all, it| all | certain(it));
            let name = |var: Var| VARIABLES[var].to_owned();
            let columns: Vec<String> = each(vars).map(name).collect();
            let numbers = bit(variable("?m")) | bit(variable("?n"));
            let numbers: Vec<String> = each(sure & numbers).map(name).collect();
            if columns.is_empty() {
                continue;
            }
            let (mut select, mut their_select) = (Vec::new(), Vec::new());
            for _ in 0..=rng.below(3) {
                let (ours, theirs, is_number) = *rng.pick(&AGGREGATES);
                let of = if is_number { &numbers } else { &columns };
                if !of.is_empty() {
                    let of = rng.pick(of);
                    select.push(format!("\"{}\"", ours.replace('?', of)));
                    let number = their_select.len();
                    their_select.push(format!("({} AS ?r{number})", theirs.replace('?', of)));
                }
            }
            if select.is_empty() {
                continue;
            }
            let results: Vec<String> = (0..select.len()).map(|it| format!("?r{it}")).collect();
            let key = rng.pick(&columns).clone();
            let is_grouped = rng.below(4) > 0;
            let having = rng
                .one_in(3)
                .then(|| (rng.pick(&columns).clone(), rng.below(4)));
            let writer = Writer(&naive.terms);
            let mut ours = format!(
                "{{\"select\":[{}],\"where\":{}",
                select.join(","),
                writer.group(&items)
            );
            let mut theirs = format!(
                "SELECT {} {} {{ SELECT DISTINCT {} {} }}",
                if is_grouped { &key } else { "" },
                their_select.join(" "),
                columns.join(" "),
                pattern_text(&items, &naive)
            );
            if is_grouped {
                write!(ours, ",\"groupBy\":[\"{key}\"]").unwrap();
                write!(theirs, " GROUP BY {key}").unwrap();
                if let Some((of, more)) = &having {
                    write!(ours, ",\"having\":\"(> (count {of}) {more})\"").unwrap();
                    write!(theirs, " HAVING (COUNT({of}) > {more})").unwrap();
                }
            }
            ours += "}";
            let failing =
                || format!("SOLON_SEED={seed} cargo test --test it sparql\n{ours}\n{theirs}");
            let budget = Budget::new(5_000_000, None);
            let told = match ask_within(&ours, &facts, &schema, &budget) {
                Ok(told) => Json::read(&told).unwrap(),
                Err(solon::query::Error::Limit { .. } | solon::query::Error::Facts(_)) => continue,
                Err(error) => panic!("{error}: {}", failing()),
            };
            let row = |key: String, row: &Json| match row {
                Json::Array(row) => {
                    let values = row.iter().map(|it| rounded(&it.write()));
                    [key].into_iter().chain(values).collect()
                }
                other => panic!("{other:?}: {}", failing()),
            };
            let told: Vec<Vec<String>> = match &told {
                Json::Object(groups) => groups.iter().map(|it| row(it.0.clone(), &it.1)).collect(),
                whole => vec![row(String::new(), whole)],
            };
            let mut wanted = results.clone();
            if is_grouped {
                wanted.insert(0, key.clone());
            }
            let expected = their_rows(&theirs, &graph, &wanted)
                .into_iter()
                .map(|mut row| {
                    let key = if is_grouped {
                        let key = row.remove(0);
                        if key == "null" {
                            "[nil]".to_owned()
                        } else {
                            format!("[{key}]")
                        }
                    } else {
                        String::new()
                    };
                    let values = row.iter().map(|it| rounded(it));
                    [key].into_iter().chain(values).collect::<Vec<String>>()
                });
            let expected: Vec<Vec<String>> = expected.collect();
            // Of no rows there is no mean, and there it is 0.
            let is_empty = !is_grouped && told.iter().flatten().any(|it| it == "null");
            if !is_empty {
                assert_eq!(sorted(told.clone()), sorted(expected), "{}", failing());
                answered += 1;
                groups += if is_grouped { told.len() } else { 0 };
                whole += usize::from(!is_grouped);
            }
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 150 && groups > 300 && whole > 30),
        "{answered} {groups} {whole}"
    );
}

/// What an item binds outside of itself.
fn bound_by(item: &Item) -> Vars {
    let all = |items: &[Item]| items.iter().fold(0, |all, it| all | bound_by(it));
    match item {
        Item::Optional(items) => all(items),
        Item::Union(arms) => arms.iter().fold(0, |sum, arm| sum | all(arm)),
        Item::Pattern(..) => certain(item),
        _ => 0,
    }
}
