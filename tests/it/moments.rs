//! Clauses with times of their own, on random histories: at one time they answer as `block` does, at two as a join of
//! what each time answers, for root and for auths with rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use solon::base::limits::QUERY_MOMENTS_MAX;

use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Db, office, rule};

const OWN: &str = r#"(== (get (?s) "doc/owner") (?user_id))"#;
const READS: &str = r#"(contains? (get (?s) "doc/readers") (?user_id))"#;
const AUTHS: [&str; 4] = ["root", "ann", "bob", "eve"];

/// Documents that change and go, whose owners and readers change too.
fn history(random: &mut Random) -> Db {
    let db = office();
    let names = rule("users", "_user", &["_user/username"], "true", &["query"]);
    let own = rule("own", "doc", &["*"], OWN, &["query"]);
    let reads = rule("reads", "doc", &["doc/key", "doc/size"], READS, &["query"]);
    db.auth("ann", Some("ann"), &[names, own, reads]);
    let own = rule("bobs", "doc", &["*"], OWN, &["query"]);
    db.auth("bob", Some("bob"), &[own]);
    db.auth("eve", Some("eve"), &[]);
    for _ in 0..10 {
        let mut items = Vec::new();
        let user = |random: &mut Random| {
            let name = *random.pick(&["ann", "bob", "eve"]);
            json!(["_user/username", name])
        };
        for key in ["a", "b", "c", "d"] {
            let found = db.ask(
                "root",
                &json!({"selectOne": "?d", "where": [["?d", "doc/key", key]]}),
            );
            if !found.is_null() && random.one_in(8) {
                items.push(json!({"_id": found, "_action": "delete"}));
            } else if random.one_in(2) {
                let id = if found.is_null() {
                    json!(format!("doc${key}"))
                } else {
                    found
                };
                let mut item = json!({"_id": id, "key": key, "size": random.below(3)});
                if random.one_in(2) {
                    item["owner"] = user(random);
                }
                if random.one_in(2) {
                    item["label"] = json!(*random.pick(&["draft", "final"]));
                }
                if random.one_in(3) {
                    item["readers"] = json!([user(random)]);
                }
                items.push(item);
            }
        }
        if !items.is_empty() {
            db.root(&Value::Array(items));
        }
    }
    db
}

/// A clause, with a source for it.
type Clause = Box<dyn Fn(&str) -> Value>;

fn clause(random: &mut Random) -> (Clause, Vec<&'static str>) {
    let p = *random.pick(&[
        "doc/key",
        "doc/size",
        "doc/label",
        "doc/owner",
        "doc/readers",
        "_user/username",
    ]);
    let s = if p == "_user/username" {
        "?u"
    } else {
        *random.pick(&["?d", "?e"])
    };
    let (o, bound) = match (p, random.below(4)) {
        ("doc/key", 0) => (json!("a"), None),
        ("doc/size", 0) => (json!(1), None),
        ("doc/label", 0) => (json!("final"), None),
        ("doc/owner" | "doc/readers", 0) => (json!(["_user/username", "ann"]), None),
        ("doc/owner" | "doc/readers", _) => (json!("?u"), Some("?u")),
        ("doc/size", _) => (json!("?n"), Some("?n")),
        (_, 1) => (Value::Null, None),
        _ => (json!("?t"), Some("?t")),
    };
    let vars = [Some(s), bound].into_iter().flatten().collect();
    (Box::new(move |source| json!([source, s, p, o])), vars)
}

/// Some clauses, with all variables in them.
fn clauses(random: &mut Random, count: u64) -> (Vec<Clause>, Vec<&'static str>) {
    let mut all = Vec::new();
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let (clause, vars) = clause(random);
        all.push(clause);
        names.extend(vars);
    }
    (all, names.into_iter().collect())
}

fn wheres(clauses: &[Clause], source: impl Fn(usize) -> String) -> Vec<Value> {
    let each = clauses.iter().enumerate();
    each.map(|(index, clause)| clause(&source(index))).collect()
}

#[test]
fn clauses_of_one_time_answer_as_the_block_of_the_query_does() {
    let (mut with_rows, mut fewer) = (0, 0);
    for seed in seeds(6) {
        let _repeat = Repeat {
            test: "clauses_of_one_time_answer_as_the_block_of_the_query_does",
            seed,
        };
        let mut random = Random::new(seed);
        let db = history(&mut random);
        let head = db.database.head().t.0;
        for _ in 0..60 {
            let count = 1 + random.below(3);
            let (clauses, names) = clauses(&mut random, count);
            // The last is to come: it is now.
            let block = 1 + random.below(head + 1);
            let of_then = wheres(&clauses, |_| format!("$fdb{block}"));
            let plain = wheres(&clauses, |_| "$fdb".to_owned());
            let auth = *random.pick(&AUTHS);
            let told = db.try_ask(auth, &json!({"select": names, "where": of_then}));
            let expected = db.try_ask(
                auth,
                &json!({"select": names, "where": plain, "block": block}),
            );
            match (told, expected) {
                (Ok(told), Ok(expected)) => {
                    assert_eq!(told, expected, "{auth} at {block}: {plain:?}");
                    let all = db.ask("root", &json!({"select": names, "where": of_then}));
                    with_rows += usize::from(told != json!([]));
                    fewer += usize::from(told != all && told != json!([]));
                }
                (Err(told), Err(expected)) => {
                    assert_eq!(told.code(), expected.code(), "{auth} at {block}: {plain:?}");
                    assert_eq!(
                        told.message(),
                        expected.message(),
                        "{auth} at {block}: {plain:?}"
                    );
                }
                other => panic!("{auth} at {block}: {plain:?}: {other:?}"),
            }
        }
    }
    assert!(
        seeds(6).len() == 1 || (with_rows > 60 && fewer > 10),
        "{with_rows} {fewer}"
    );
}

#[test]
fn clauses_of_several_times_join_what_each_time_answers() {
    let mut with_rows = 0;
    for seed in seeds(6) {
        let _repeat = Repeat {
            test: "clauses_of_several_times_join_what_each_time_answers",
            seed,
        };
        let mut random = Random::new(seed);
        let db = history(&mut random);
        let head = db.database.head().t.0;
        for _ in 0..100 {
            let (clauses, names) = clauses(&mut random, 2);
            let blocks: Vec<u64> = clauses.iter().map(|_| 1 + random.below(head)).collect();
            let auth = *random.pick(&AUTHS);
            let both = wheres(&clauses, |index| format!("$fdb{}", blocks[index]));
            let Ok(told) = db.try_ask(
                auth,
                &json!({"selectDistinct": names, "where": both, "limit": 100_000}),
            ) else {
                continue;
            };
            // Each clause alone, as rows by the names of its variables, joined by loops.
            let mut rows: Vec<serde_json::Map<String, Value>> = vec![serde_json::Map::new()];
            for (clause, block) in clauses.iter().zip(&blocks) {
                let alone = clause("$fdb");
                let texts = alone.as_array().unwrap().iter().filter_map(Value::as_str);
                let vars: Vec<&str> = texts.filter(|text| text.starts_with('?')).collect();
                let query =
                    json!({"select": vars, "where": [alone], "block": block, "prettyPrint": true});
                let found = db.ask(auth, &query);
                let mut next = Vec::new();
                for row in &rows {
                    for bound in found.as_array().unwrap() {
                        let bound = bound.as_object().unwrap();
                        let is_alike = |(name, value): (&String, &Value)| {
                            row.get(name).is_none_or(|it| it == value)
                        };
                        let named = bound
                            .iter()
                            .map(|(name, value)| (format!("?{name}"), value.clone()));
                        let named: serde_json::Map<String, Value> = named.collect();
                        if named.iter().all(is_alike) {
                            let mut longer = row.clone();
                            longer.extend(named);
                            next.push(longer);
                        }
                    }
                }
                rows = next;
            }
            let line = |row: &serde_json::Map<String, Value>| {
                let values: Vec<&Value> = names.iter().map(|name| &row[*name]).collect();
                json!(values).to_string()
            };
            let expected: BTreeSet<String> = rows.iter().map(line).collect();
            let told: BTreeSet<String> = told
                .as_array()
                .unwrap()
                .iter()
                .map(Value::to_string)
                .collect();
            assert_eq!(told, expected, "{auth}: {both:?}");
            with_rows += usize::from(!told.is_empty());
        }
    }
    assert!(seeds(6).len() == 1 || with_rows > 40, "{with_rows}");
}

#[test]
fn clauses_have_so_many_times_of_their_own_and_no_more() {
    let db = office();
    let ask = |times: usize| {
        let mut clauses = vec![json!(["?d", "doc/size", "?n"])];
        for block in (1..=times).chain([1]) {
            clauses.push(json!([format!("$fdb{block}"), "?d", "doc/size", "?n"]));
        }
        db.try_ask("root", &json!({"select": "?d", "where": clauses}))
    };
    assert_eq!(ask(QUERY_MOMENTS_MAX).unwrap(), json!([]));
    let error = ask(QUERY_MOMENTS_MAX + 1).unwrap_err();
    let at = format!("/where/{}/0", QUERY_MOMENTS_MAX + 1);
    assert_eq!((error.code(), error.at()), ("db/exceeded-cost", Some(&*at)));
}
