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
