//! Attacks by what a transaction does beside writing: functions in values, specs, components, trials and repeats.

use serde_json::{Value, json};
use solon::base::limits::{FUNCTION_VALUE_BYTES_MAX, STRING_BYTES_MAX};

use crate::support::{Db, office, rule};

/// Ann writes documents, and reads them.
fn writer() -> Db {
    let db = office();
    db.root(
        &json!([{"_id": "_predicate", "name": "doc/words", "type": "string", "multi": true},
        {"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]),
    );
    let all = [rule("all", "doc", &["*"], "true", &["transact", "query"])];
    db.auth("ann", None, &all);
    db
}

#[test]
fn a_short_request_makes_no_long_commit() {
    let db = writer();
    let of = |key: &str| format!("#(get [\"doc/key\" \"{key}\"] \"doc/title\")");
    db.root(
        &json!([{"_id": "doc", "key": "big", "title": "x".repeat(STRING_BYTES_MAX)},
        {"_id": "doc", "key": "small", "title": "x"}]),
    );
    let most = FUNCTION_VALUE_BYTES_MAX / STRING_BYTES_MAX;
    let mut items = vec![json!({"_id": "doc", "title": of("big")}); most];
    db.write("ann", &json!(items)).unwrap();
    items.push(json!({"_id": "doc", "title": of("small")}));
    let refused = db.refused("ann", &json!(items));
    assert_eq!(refused.code(), "db/limit");
    assert_eq!(refused.at(), Some(&*format!("/{most}/title")));
}

#[test]
fn a_text_pays_for_being_compiled_once() {
    let db = writer();
    let sum = format!("(+{})", " x".repeat(40));
    db.root(&json!([{"_id": "_fn", "name": "forty", "params": ["x"], "code": sum}]));
    let one = |_: i32| json!("#(forty (forty 1))");
    let other = |n: i32| json!(format!("#(+ {n} (forty (forty 1)))"));
    let with = |text: &dyn Fn(i32) -> Value| json!([{"_id": "doc", "numbers": (0..100).map(text).collect::<Vec<_>>()}]);
    db.write("ann", &with(&one)).unwrap();
    assert_eq!(db.refused("ann", &with(&other)).code(), "db/exceeded-cost");
}
/// Layers of two documents, each of which takes in both of the next layer: two ways up at each.
fn layers(count: usize) -> Value {
    let name = |layer: usize, side: usize| format!("doc$of-{layer}-{side}");
    let documents = (0..count).flat_map(|layer| (0..2).map(move |side| (layer, side)));
    let item = |(layer, side)| {
        let next = if layer + 1 < count { 2 } else { 0 };
        let parts: Vec<String> = (0..next).map(|side| name(layer + 1, side)).collect();
        json!({"_id": name(layer, side), "size": 1, "parts": parts})
    };
    documents.map(item).collect()
}

#[test]
fn many_ways_by_which_a_subject_is_taken_in_are_paid() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/parts", "type": "ref", "multi": true, "component": true}]));
    let sized = r#"(< 0 (get (?s) "doc/size"))"#;
    db.auth(
        "ann",
        None,
        &[rule("sized", "doc", &["*"], sized, &["transact"])],
    );
    db.write("ann", &layers(8)).unwrap();
    // There are a thousand ways up from the last layer, and what is found on each was laid over at each layer.
    assert_eq!(db.refused("ann", &layers(11)).code(), "db/exceeded-cost");
}

#[test]
fn a_spec_reads_a_large_set_once() {
    let db = office();
    db.root(&json!([
        {"_id": "_fn", "name": "spec", "code": "(not (contains? (?pO) (?o)))"},
        {"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]));
    let numbers = |first: i32| (first..first + 1_000).collect::<Vec<_>>();
    db.root(&json!([{"_id": "doc", "key": "k", "numbers": numbers(0)}]));
    db.root(&json!([{"_id": ["_predicate/name", "doc/numbers"], "spec": [["_fn/name", "spec"]]}]));
    let more = json!([{"_id": ["doc/key", "k"], "numbers": numbers(1_000)}]);
    assert_eq!(db.root(&more).flakes.len(), 1_000);
}

#[test]
fn a_guess_at_a_hidden_value_that_would_be_made_again_is_refused_as_any() {
    let db = office();
    db.root(&json!([
        {"_id": "_predicate", "name": "doc/code", "type": "string", "retractDuplicates": true},
        {"_id": "_predicate", "name": "doc/codes", "type": "string", "multi": true, "retractDuplicates": true}]));
    let seen = rule("seen", "doc", &["doc/key"], "true", &["query"]);
    let mine = r#"(== (get (?s) "doc/key") "mine")"#;
    let mine = rule("mine", "doc", &["*"], mine, &["transact"]);
    db.auth("ann", None, &[seen, mine]);
    db.root(&json!([{"_id": "doc", "key": "other", "code": "right", "codes": ["right"]}]));
    for name in ["code", "codes"] {
        let told = ["right", "wrong"].map(|guess| {
            let error = db.refused("ann", &json!([{"_id": ["doc/key", "other"], name: guess}]));
            (error.code(), error.message().to_owned())
        });
        assert_eq!(told[0], told[1], "{name}");
    }
}
