//! What a query of clauses costs beside an RDF store in memory, oxigraph, that answers the same question.
//!
//! Workload: 100,000 people of eight flakes and 1,000 teams; each person knows ten others, which makes 1,000,000
//! facts of knowing. Solon reads a file, as root; oxigraph holds everything in memory, and has no policy, no history
//! and no bound on work. Both parse the query's text each time and hand out every value of the answer.
//! Unit: milliseconds an answer, the median of seven rounds, the two in turns. Answers are compared by their number of
//! rows, or by their value.
//! Run with `cargo bench --no-default-features --bench joins`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use floor::{Round, in_turns, mixed};
use oxigraph::model::{GraphName, Literal, NamedNode, Quad, Term};
use oxigraph::sparql::{QueryResults, SparqlEvaluator};
use oxigraph::store::Store as Graph;
use solon::Database;
use solon::base::Budget;
use solon::query::{Asked, Counts, Json, Query};
use solon::schema::Schema;
use solon::store::{Snapshot, Store};

const PEOPLE: u64 = 100_000;
const TEAMS: u64 = 1_000;
const KNOWN: u64 = 10;
const ROUNDS: usize = 7;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "person"},
  {"_id": "_collection", "name": "team"},
  {"_id": "_predicate", "name": "person/name", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "person/age", "type": "int", "index": true},
  {"_id": "_predicate", "name": "person/city", "type": "string", "index": true},
  {"_id": "_predicate", "name": "person/team", "type": "ref", "restrictCollection": "team"},
  {"_id": "_predicate", "name": "person/knows", "type": "ref", "multi": true, "restrictCollection": "person"},
  {"_id": "_predicate", "name": "team/name", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "team/lead", "type": "ref", "restrictCollection": "person"}]"#;

/// A question, in both languages; the answer is a list of rows, or one number.
struct Question {
    name: &'static str,
    clauses: &'static str,
    sparql: &'static str,
}

const QUESTIONS: [Question; 7] = [
    Question {
        name: "point: the age of one name",
        clauses: r#"{"select": "?age", "where": [["?p", "person/name", "person 777"], ["?p", "person/age", "?age"]]}"#,
        sparql: r#"SELECT ?age { ?p <person/name> "person 777" . ?p <person/age> ?age }"#,
    },
    Question {
        name: "star: four facts of everybody of one city",
        clauses: r#"{"select": ["?name", "?age", "?team"], "where": [["?p", "person/name", "?name"],
            ["?p", "person/age", "?age"], ["?p", "person/team", "?team"], ["?p", "person/city", "city 7"]]}"#,
        sparql: r#"SELECT ?name ?age ?team { ?p <person/name> ?name . ?p <person/age> ?age .
            ?p <person/team> ?team . ?p <person/city> "city 7" }"#,
    },
    Question {
        name: "chain: teams of the acquaintances of acquaintances of one",
        clauses: r#"{"select": ["?c", "?name"], "where": [["?t", "team/name", "?name"], ["?c", "person/team", "?t"],
            ["?b", "person/knows", "?c"], ["?a", "person/knows", "?b"], ["?a", "person/name", "person 777"]]}"#,
        sparql: r#"SELECT DISTINCT ?b ?c ?name { ?t <team/name> ?name . ?c <person/team> ?t . ?b <person/knows> ?c .
            ?a <person/knows> ?b . ?a <person/name> "person 777" }"#,
    },
    Question {
        name: "cycle: triangles through the people of one team",
        clauses: r#"{"select": ["?a", "?b", "?c"], "where": [["?a", "person/team", ["team/name", "team 7"]],
            ["?a", "person/knows", "?b"], ["?b", "person/knows", "?c"], ["?c", "person/knows", "?a"]]}"#,
        sparql: r#"SELECT ?a ?b ?c { ?t <team/name> "team 7" . ?a <person/team> ?t . ?a <person/knows> ?b .
            ?b <person/knows> ?c . ?c <person/knows> ?a }"#,
    },
    Question {
        name: "count over 1,000,000 rows",
        clauses: r#"{"select": "(count ?b)", "where": [["?a", "person/knows", "?b"]]}"#,
        sparql: r"SELECT (COUNT(?b) AS ?n) { ?a <person/knows> ?b }",
    },
    Question {
        name: "sum over a join of 1,000,000 rows",
        clauses: r#"{"select": "(sum ?age)", "where": [["?a", "person/knows", "?b"], ["?b", "person/age", "?age"]]}"#,
        sparql: r"SELECT (SUM(?age) AS ?n) { ?a <person/knows> ?b . ?b <person/age> ?age }",
    },
    Question {
        name: "groups: the mean age of each of 1,000 teams",
        clauses: r#"{"select": ["?t", "(avg ?age)"], "groupBy": "?t",
            "where": [["?p", "person/team", "?t"], ["?p", "person/age", "?age"]]}"#,
        sparql: r"SELECT ?t (AVG(?age) AS ?mean) { ?p <person/team> ?t . ?p <person/age> ?age } GROUP BY ?t",
    },
];

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    load(&path);
    let graph = graph();
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    let schema = Schema::load(&snapshot).unwrap();
    println!(
        "{:<58} {:>10} {:>10} {:>8}",
        "", "oxigraph", "solon", "ratio"
    );
    for question in &QUESTIONS {
        let (ours, theirs) = (
            answer(question, &snapshot, &schema),
            solutions(question, &graph),
        );
        assert_eq!(ours, theirs, "{}", question.name);
        let things: Vec<Round<'_>> = vec![
            Box::new(|| {
                black_box(solutions(question, &graph));
            }),
            Box::new(|| {
                black_box(answer(question, &snapshot, &schema));
            }),
        ];
        let measured = in_turns(ROUNDS, things);
        println!(
            "{:<58} {:>7.3} ms {:>7.3} ms {:>7.2}x",
            question.name,
            measured[0].nanoseconds / 1e6,
            measured[1].nanoseconds / 1e6,
            measured[1].ratio
        );
    }
}

fn known(n: u64) -> impl Iterator<Item = u64> {
    // Half of them near by, so that there are triangles.
    (0..KNOWN).map(move |k| match k % 2 {
        0 => (n + 1 + k + mixed(n * KNOWN + k) % 20) % PEOPLE,
        _ => mixed(n * KNOWN + k) % PEOPLE,
    })
}

fn load(path: &Path) {
    let database = Database::open(path).unwrap();
    database.transact(SCHEMA).unwrap();
    batches(&database, TEAMS, 5_000, |n| {
        format!(r#"{{"_id": "team", "name": "team {n}"}}"#)
    });
    batches(&database, PEOPLE, 5_000, |n| {
        let (age, city, team) = (mixed(n) % 90, mixed(n + 1) % 1_000, mixed(n + 2) % TEAMS);
        format!(
            r#"{{"_id": "person", "name": "person {n}", "age": {age}, "city": "city {city}",
                "team": ["team/name", "team {team}"]}}"#
        )
    });
    batches(&database, PEOPLE, 2_000, |n| {
        let known: Vec<String> = known(n)
            .map(|k| format!(r#"["person/name", "person {k}"]"#))
            .collect();
        format!(
            r#"{{"_id": ["person/name", "person {n}"], "knows": [{}]}}"#,
            known.join(",")
        )
    });
    database.close();
}

fn batches(database: &Database, count: u64, size: u64, item: impl Fn(u64) -> String) {
    let mut start = 0;
    while start < count {
        let end = count.min(start + size);
        let mut text = String::from("[");
        for n in start..end {
            let comma = if n == start { "" } else { "," };
            write!(text, "{comma}{}", item(n)).unwrap();
        }
        text.push(']');
        database.transact(&text).unwrap();
        start = end;
    }
}

fn graph() -> Graph {
    let graph = Graph::new().unwrap();
    let name = |text: &str| NamedNode::new_unchecked(format!("solon:{text}"));
    let person = |n: u64| name(&format!("p{n}"));
    let team = |n: u64| name(&format!("t{n}"));
    let mut quads = Vec::new();
    let mut add = |s: &NamedNode, p: &str, o: Term| {
        let p = NamedNode::new_unchecked(format!("solon:{p}"));
        quads.push(Quad::new(s.clone(), p, o, GraphName::DefaultGraph));
    };
    let text = |it: String| Term::from(Literal::new_simple_literal(it));
    let number = |it: u64| Term::from(Literal::from(i64::try_from(it).unwrap()));
    for n in 0..TEAMS {
        add(&team(n), "team/name", text(format!("team {n}")));
    }
    for n in 0..PEOPLE {
        let s = person(n);
        add(&s, "person/name", text(format!("person {n}")));
        add(&s, "person/age", number(mixed(n) % 90));
        add(
            &s,
            "person/city",
            text(format!("city {}", mixed(n + 1) % 1_000)),
        );
        add(&s, "person/team", team(mixed(n + 2) % TEAMS).into());
        for k in known(n) {
            add(&s, "person/knows", person(k).into());
        }
    }
    let mut loader = graph.bulk_loader();
    loader.load_quads(quads).unwrap();
    loader.commit().unwrap();
    graph
}

/// The number of rows, or the one number that the answer is.
fn answer(question: &Question, snapshot: &Snapshot, schema: &Schema) -> u64 {
    let query = Query::parse(question.clauses).unwrap();
    let budget = Budget::new(u64::MAX, None);
    let asked = Asked {
        now_ms: 0,
        counts: Counts::Hidden,
    };
    match query.run(snapshot, schema, asked, &budget).unwrap() {
        Json::Array(rows) => u64::try_from(rows.len()).unwrap(),
        Json::Object(groups) => u64::try_from(groups.len()).unwrap(),
        Json::Int(number) => u64::try_from(number).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn solutions(question: &Question, graph: &Graph) -> u64 {
    let text = question.sparql.replace('<', "<solon:");
    let prepared = SparqlEvaluator::new().parse_query(&text).unwrap();
    let QueryResults::Solutions(solutions) = prepared.on_store(graph).execute().unwrap() else {
        panic!("no solutions: {text}");
    };
    let mut count = 0;
    let mut last = None;
    for solution in solutions {
        let solution = solution.unwrap();
        count += 1;
        last = solution.get("n").and_then(|term| match term {
            Term::Literal(it) => it.value().parse().ok(),
            _ => None,
        });
        black_box(solution);
    }
    last.unwrap_or(count)
}
