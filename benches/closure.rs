//! What a recursive rule costs beside datafrog, a Datalog engine in memory, that comes to the same tuples.
//!
//! Workload: who comes to whom by any number of steps, among 1,400 people each of whom knows three others.
//! Solon reads a file, as root, parses the query and its rules each time, and pays for each tuple; datafrog begins with
//! its relations sorted in memory.
//! The whole closure is asked for by a call that binds nothing, and what one person comes to by one that names a person.
//! Unit: milliseconds an answer and nanoseconds a tuple, the median of seven rounds, the two in turns.
//! Run with `cargo bench --no-default-features --bench closure`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use datafrog::{Iteration, Relation};
use floor::{Round, in_turns, mixed};
use solon::Database;
use solon::base::Budget;
use solon::query::{Asked, Counts, Json, Query};
use solon::schema::Schema;
use solon::store::{Snapshot, Store};

const PEOPLE: u64 = 1_400;
const KNOWN: u64 = 3;
const ROUNDS: usize = 7;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "person"},
  {"_id": "_predicate", "name": "person/name", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "person/knows", "type": "ref", "multi": true, "restrictCollection": "person"}]"#;

/// The rules, by where they call themselves: behind a step, before it, and twice.
const RULES: [(&str, &str); 3] = [
    (
        "a step, then the rule",
        r#"["(comes ?x ?y)", ["?x", "person/knows", "?z"], ["(comes ?z ?y)"]]"#,
    ),
    (
        "the rule, then a step",
        r#"["(comes ?x ?y)", ["(comes ?x ?z)"], ["?z", "person/knows", "?y"]]"#,
    ),
    (
        "with a filter on each step",
        r#"["(comes ?x ?y)", ["?x", "person/knows", "?z"], ["(comes ?z ?y)"], {"filter": ["(> ?z 0)"]}]"#,
    ),
];

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    load(&path);
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    let schema = Schema::load(&snapshot).unwrap();
    let edges: Vec<(u32, u32)> = (0..PEOPLE)
        .flat_map(|n| known(n).map(move |k| (n, k)))
        .map(|(n, k)| (u32::try_from(n).unwrap(), u32::try_from(k).unwrap()))
        .collect();
    let tuples = closure(&edges);
    println!("{} tuples", tuples.len());
    let of_one = tuples.iter().filter(|(x, _)| *x == 7).count();
    for (name, rule) in RULES {
        let all = format!(
            r#"{{"select": "?n", "where": [["?p", "person/name", "person 7"], ["?p", "person/name", "?n"],
                ["(comes nil nil)"]], "rules": [["(comes ?x ?y)", ["?x", "person/knows", "?y"]], {rule}]}}"#
        );
        let one = all.replace("\"(comes nil nil)\"", "\"(comes ?p ?y)\"");
        assert_eq!(answer(&all, &snapshot, &schema), 1, "{name}");
        assert_eq!(answer(&one, &snapshot, &schema), of_one, "{name}");
        let things: Vec<Round<'_>> = vec![
            Box::new(|| {
                black_box(closure(&edges).len());
            }),
            Box::new(|| {
                black_box(answer(&all, &snapshot, &schema));
            }),
            Box::new(|| {
                black_box(answer(&one, &snapshot, &schema));
            }),
        ];
        let measured = in_turns(ROUNDS, things);
        for (what, it) in ["datafrog", "solon", "solon, of one"].iter().zip(&measured) {
            println!(
                "{name:<28} {what:<14} {:>9.3} ms {:>7.0} ns a tuple {:>7.3}x",
                it.nanoseconds / 1e6,
                it.nanoseconds / tuples.len() as f64,
                it.ratio
            );
        }
    }
}

fn known(n: u64) -> impl Iterator<Item = u64> {
    (0..KNOWN).map(move |k| mixed(n * KNOWN + k) % PEOPLE)
}

/// All pairs of which the second is reached from the first.
fn closure(edges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut iteration = Iteration::new();
    let backward: Relation<(u32, u32)> = edges.iter().map(|(x, y)| (*y, *x)).collect();
    // By its first: what is known to be reached by it, (z, y); and who knows it, (z, x).
    let comes = iteration.variable::<(u32, u32)>("comes");
    comes.extend(edges.iter().copied());
    while iteration.changed() {
        comes.from_join(&comes, &backward, |_, y, x| (*x, *y));
    }
    comes.complete().elements
}

fn load(path: &Path) {
    let database = Database::open(path).unwrap();
    database.transact(SCHEMA).unwrap();
    let mut text = String::from("[");
    for n in 0..PEOPLE {
        let comma = if n == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"_id": "person", "name": "person {n}"}}"#).unwrap();
    }
    text.push(']');
    database.transact(&text).unwrap();
    let mut text = String::from("[");
    for n in 0..PEOPLE {
        let comma = if n == 0 { "" } else { "," };
        let known: Vec<String> = known(n)
            .map(|k| format!(r#"["person/name", "person {k}"]"#))
            .collect();
        let known = known.join(",");
        write!(
            text,
            r#"{comma}{{"_id": ["person/name", "person {n}"], "knows": [{known}]}}"#
        )
        .unwrap();
    }
    text.push(']');
    database.transact(&text).unwrap();
    database.close();
}

/// The number of rows.
fn answer(query: &str, snapshot: &Snapshot, schema: &Schema) -> usize {
    let query = Query::parse(query).unwrap();
    let budget = Budget::new(u64::MAX, None);
    let asked = Asked {
        counts: Counts::Hidden,
        now_ms: 0,
    };
    match query.run(snapshot, schema, asked, &budget).unwrap() {
        Json::Array(rows) => rows.len(),
        other => panic!("{other:?}"),
    }
}
