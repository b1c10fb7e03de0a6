//! Each limit at its maximum and one past it, through the whole of a database.
//!
//! Others are tested beside what they bound: those of the rule language in `src/lang/tests/limits.rs`, of queries in
//! `src/query/tests.rs`, of tokens in `mint` and `token`, of the HTTP door in `http`, of names in
//! `src/schema/name.rs`, of a lease and of `_auth/fuel` in `laws`, of a budget in `src/base/budget.rs`.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::Clock;
use solon::base::limits::{
    BODY_BYTES_MAX, COLLECTION_ID_MAX, DECIMAL_DIGITS_MAX, DECIMAL_EXPONENT_MAX,
    IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_SECONDS_MAX, JSON_DEPTH_MAX, STRING_BYTES_MAX,
    TRANSACTION_ITEMS_MAX, WRITER_QUEUE_MAX,
};
use solon::db::{Database, ErrorKind, LimitKind, Options};
use solon::model::Incarnation;
use solon::store::Store;

use crate::support::{Db, START_MS, office, rule};

fn code(db: &Db, text: &str) -> Option<(ErrorKind, &'static str)> {
    db.database
        .transact(text)
        .err()
        .map(|error| (error.kind(), error.code()))
}

const TOO_LARGE: Option<(ErrorKind, &str)> = Some((ErrorKind::Limit(LimitKind::Body), "db/limit"));

#[test]
fn a_transaction_has_so_many_items_and_no_more_also_if_they_are_nested() {
    let db = office();
    let items = |count: usize| -> String {
        let items: Vec<Value> = (0..count)
            .map(|n| json!({"_id": "doc", "size": n}))
            .collect();
        Value::Array(items).to_string()
    };
    assert_eq!(code(&db, &items(TRANSACTION_ITEMS_MAX)), None);
    let head = db.database.head();
    assert_eq!(code(&db, &items(TRANSACTION_ITEMS_MAX + 1)), TOO_LARGE);
    let nested = |count: usize| -> String {
        let refs: Vec<Value> = (0..count)
            .map(|n| json!({"_id": "team", "name": n.to_string()}))
            .collect();
        json!([{"_id": "doc", "readers": refs}]).to_string()
    };
    assert_eq!(code(&db, &nested(TRANSACTION_ITEMS_MAX)), TOO_LARGE);
    assert_eq!(db.database.head(), head, "what is refused changes nothing");
    assert_eq!(code(&db, &nested(TRANSACTION_ITEMS_MAX - 1)), None);
}

#[test]
fn an_exact_number_has_so_many_digits_and_no_more() {
    let db = office();
    db.root(
        &json!([{"_id": "_predicate", "name": "doc/serial", "type": "bigint", "unique": true}]),
    );
    let most = "7".repeat(DECIMAL_DIGITS_MAX);
    let next = format!("{}8", "7".repeat(DECIMAL_DIGITS_MAX - 1));
    let item = |serial: &str| json!([{"_id": "doc", "serial": serial}]).to_string();
    assert_eq!(code(&db, &item(&most)), None);
    assert_eq!(
        code(&db, &item(&next)),
        None,
        "they differ in their last digit"
    );
    let taken = Some((ErrorKind::Conflict, "db/unique"));
    assert_eq!(code(&db, &item(&most)), taken);
    let invalid = Some((ErrorKind::Invalid, "db/invalid-tx"));
    assert_eq!(code(&db, &item(&format!("{most}7"))), invalid);
    let zeros = "0".repeat(usize::try_from(DECIMAL_EXPONENT_MAX).unwrap());
    assert_eq!(code(&db, &item(&format!("-1{zeros}"))), None);
    assert_eq!(code(&db, &item(&format!("-1{zeros}0"))), invalid);
    let delete = json!([{"_id": ["doc/serial", most], "_action": "delete"}]);
    assert_eq!(code(&db, &delete.to_string()), None);
    assert_eq!(code(&db, &item(&most)), None);
    db.database.verify().unwrap();
}

#[test]
fn a_commit_has_so_many_flakes_and_no_more() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]));
    let numbers = |from: usize, count: usize| -> String {
        let numbers: Vec<usize> = (from..from + count).collect();
        json!([{"_id": "doc", "numbers": numbers}]).to_string()
    };
    let max = solon::base::limits::COMMIT_FLAKES_MAX;
    assert_eq!(code(&db, &numbers(0, max + 1)), TOO_LARGE);
    assert_eq!(code(&db, &numbers(0, max)), None);
    // What the engine says of a transaction counts too: a key leaves three flakes.
    let once = |count: usize| {
        let made = db.database.transact_once("root", "key", &numbers(0, count));
        made.err().map(|error| (error.kind(), error.code()))
    };
    assert_eq!(once(max - 2), TOO_LARGE);
    assert_eq!(once(max - 3), None);
}

#[test]
fn a_body_has_so_many_bytes_and_no_more() {
    let db = office();
    let text = |bytes: usize| {
        let start = r#"[{"_id": "doc", "size": 1}"#;
        format!("{start}{}]", " ".repeat(bytes - start.len() - 1))
    };
    assert_eq!(code(&db, &text(BODY_BYTES_MAX)), None);
    assert_eq!(code(&db, &text(BODY_BYTES_MAX + 1)), TOO_LARGE);
}

#[test]
fn a_string_has_so_many_bytes_and_no_more() {
    let db = office();
    let text = |bytes: usize| json!([{"_id": "doc", "title": "x".repeat(bytes)}]).to_string();
    assert_eq!(code(&db, &text(STRING_BYTES_MAX)), None);
    let refused = code(&db, &text(STRING_BYTES_MAX + 1));
    assert_eq!(refused, Some((ErrorKind::Invalid, "db/invalid-tx")));
    let answer = db.ask("root", &json!({"select": ["title"], "from": "doc"}));
    assert_eq!(answer[0]["title"].as_str().unwrap().len(), STRING_BYTES_MAX);
}

#[test]
fn json_nests_so_deep_and_no_deeper() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/any", "type": "json"}]));
    // The array of items and the item itself are two of the levels.
    let text = |levels: usize| {
        let value = "[".repeat(levels - 2) + &"]".repeat(levels - 2);
        format!(r#"[{{"_id": "doc", "any": {value}}}]"#)
    };
    assert_eq!(code(&db, &text(JSON_DEPTH_MAX)), None);
    let refused = code(&db, &text(JSON_DEPTH_MAX + 1));
    assert_eq!(refused, Some((ErrorKind::Invalid, "db/invalid-json")));
    let bomb = "[".repeat(200_000);
    assert_eq!(
        code(&db, &bomb),
        Some((ErrorKind::Invalid, "db/invalid-json"))
    );
    let query = db.database.root().query(&bomb).unwrap_err();
    assert_eq!(query.code(), "db/invalid-json");
}

#[test]
fn there_are_so_many_collections_and_no_more() {
    let db = Db::new();
    let first = 20;
    let last = usize::from(COLLECTION_ID_MAX);
    let items: Vec<Value> = (first..=last)
        .map(|n| json!({"_id": "_collection", "name": format!("c{n}")}))
        .collect();
    db.root(&Value::Array(items));
    let one_more = json!([{"_id": "_collection", "name": "more"}]).to_string();
    assert_eq!(code(&db, &one_more), TOO_LARGE);
    db.root(&json!([{"_id": "_predicate", "name": format!("c{last}/x"), "type": "int"}]));
    let receipt = db.root(&json!([{"_id": format!("c{last}$it"), "x": 1}]));
    let solon::db::Tempid::One(s) = receipt.tempids[0].1 else {
        panic!("a named tempid")
    };
    assert!(s.raw() < 1 << 53);
}

#[test]
fn a_rule_in_a_write_takes_so_many_steps_and_no_more() {
    // Each element of a set costs a step, so a set of the right size is one step below the bound, or above it.
    let db = office();
    let code = r#"(>= (count (get-all (?s) ["doc/numbers"])) 0)"#;
    db.root(&json!([{"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]));
    db.auth(
        "ann",
        Some("ann"),
        &[
            rule("read", "doc", &["*"], "true", &["query"]),
            rule("write", "doc", &["doc/title"], code, &["transact"]),
        ],
    );
    let numbers: Vec<u64> = (0..9_000).collect();
    db.root(&json!([{"_id": "doc", "key": "a", "title": "t", "numbers": numbers}]));
    let write = |title: &str| db.write("ann", &json!([{"_id": ["doc/key", "a"], "title": title}]));
    write("small").unwrap();
    let numbers: Vec<u64> = (9_000..10_001).collect();
    db.root(&json!([{"_id": ["doc/key", "a"], "numbers": numbers}]));
    let error = write("large").unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Limit(LimitKind::Request), "db/exceeded-cost")
    );
    // A read of the same is bounded by the deadline alone, until it is visible.
    assert_eq!(
        db.ask("ann", &json!({"select": ["title"], "from": "doc"}))[0]["title"],
        "small"
    );
}

/// A clock at which whoever reads it waits while it is held: so the writer can be stopped at its work.
#[derive(Debug, Default)]
struct Held {
    state: Mutex<Hold>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Hold {
    is_held: bool,
    waits: bool,
}

impl Held {
    fn hold(&self) {
        self.state.lock().unwrap().is_held = true;
    }

    fn release(&self) {
        self.state.lock().unwrap().is_held = false;
        self.changed.notify_all();
    }

    fn until_somebody_waits(&self) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| !state.waits)
                .unwrap(),
        );
    }
}

impl Clock for Held {
    fn now_ms(&self) -> i64 {
        let mut state = self.state.lock().unwrap();
        if state.is_held {
            state.waits = true;
            self.changed.notify_all();
            drop(
                self.changed
                    .wait_while(state, |state| state.is_held)
                    .unwrap(),
            );
        }
        START_MS
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn so_many_transactions_wait_for_the_writer_and_more_are_told_to_come_back() {
    let clock = Arc::new(Held::default());
    let backend = redb::backends::InMemoryBackend::new();
    let store = Store::create_on(backend, Incarnation([7; 16])).unwrap();
    let options = Options {
        clock: Arc::clone(&clock) as _,
        ..Options::default()
    };
    let database = Database::start(store, &options).unwrap();
    let more = 3;
    clock.hold();
    let (told, answers) = std::sync::mpsc::channel();
    let ask = |name: String| {
        let (database, told) = (database.clone(), told.clone());
        move || {
            let text = json!([{"_id": "_user", "username": name}]).to_string();
            told.send(
                database
                    .transact(&text)
                    .map_err(|error| (error.kind(), error.code())),
            )
            .unwrap();
        }
    };
    std::thread::scope(|scope| {
        // The writer has taken the first alone when the others come.
        scope.spawn(ask("first".to_owned()));
        clock.until_somebody_waits();
        for n in 0..WRITER_QUEUE_MAX + more {
            scope.spawn(ask(format!("u{n}")));
        }
        for _ in 0..more {
            let busy = answers.recv().unwrap();
            assert_eq!(busy.unwrap_err(), (ErrorKind::Unavailable, "db/busy"));
        }
        clock.release();
    });
    let accepted = answers.try_iter().flatten().count();
    assert_eq!(
        accepted,
        WRITER_QUEUE_MAX + 1,
        "all that waited are answered"
    );
}

#[test]
fn an_idempotency_key_has_so_many_characters_and_no_more() {
    let db = office();
    let once = |key: &str| {
        let made = db
            .database
            .transact_once("root", key, r#"[{"_id": "doc", "size": 1}]"#);
        made.map(|receipt| receipt.is_repeat)
            .map_err(|error| error.code())
    };
    let most = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX);
    assert_eq!(once(&most), Ok(false));
    assert_eq!(once(&most), Ok(true));
    assert_eq!(once(&format!("{most}k")), Err("db/invalid-request"));
    for none in ["", "a b", "a\n", "\u{e4}"] {
        assert_eq!(once(none), Err("db/invalid-request"), "{none:?}");
    }
}

#[test]
fn an_idempotency_key_is_kept_so_long_and_no_longer() {
    let db = office();
    let text = r#"[{"_id": "doc", "size": 1}]"#;
    let once = || db.database.transact_once("root", "key", text).unwrap();
    let first = once();
    let almost_a_day = Duration::from_millis(IDEMPOTENCY_SECONDS_MAX * 1_000 - 1);
    db.clock.advance(almost_a_day);
    assert_eq!((once().is_repeat, once().id), (true, first.id.clone()));
    db.clock.advance(Duration::from_millis(1));
    let second = once();
    assert!(!second.is_repeat);
    assert_ne!(second.id, first.id);
    // Now the second is the one that is told again, for its own day.
    db.clock.advance(almost_a_day);
    assert_eq!(once().id, second.id);
}
