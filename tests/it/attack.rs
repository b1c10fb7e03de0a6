//! Attacks that must fail: guesses at hidden facts, rights taken sideways, writes half made, a writer that is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::limits::TRANSACTION_SECONDS_MAX;
use solon::base::{Clock, ManualClock};
use solon::db::{Database, ErrorKind, Folder, Options};
use solon::model::Incarnation;
use solon::store::Store;

use crate::support::{Db, START_MS, deny, furnish, office, rule};

const OWN: &str = r#"(== (get (?s) "doc/owner") (?user_id))"#;

/// Ann sees every title and key, and writes what is hers; the document `b` is bob's.
fn guesser() -> Db {
    let db = office();
    let rules = [
        rule("see", "doc", &["doc/title", "doc/key"], "true", &["query"]),
        rule("users", "_user", &["_user/username"], "true", &["query"]),
        rule("own", "doc", &["*"], OWN, &["transact"]),
    ];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([{"_id": "_user", "username": "bob", "auth": [{"_id": "_auth", "id": "bob"}]}]));
    furnish(&db);
    db
}

/// The refusal must be the same, whatever the hidden value is.
fn told_alike(db: &Db, right: &Value, wrong: &Value) {
    let told = [right, wrong].map(|items| {
        let error = db.refused("ann", items);
        let place = error.at().map(ToOwned::to_owned);
        (error.code(), error.message().to_owned(), place)
    });
    assert_eq!(told[0], told[1], "{right}");
}

#[test]
fn a_guess_at_a_hidden_value_is_refused_right_or_wrong() {
    let db = guesser();
    let head = db.database.head();
    let b = json!(["doc/key", "b"]);
    for guess in [
        |b: &Value, text: &str| json!([{"_id": b, "secret": text}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": text, "_action": "delete"}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": text, "_action": "delete"}, {"_id": b, "secret": text}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": text}, {"_id": b, "secret": text, "_action": "delete"}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": null}, {"_id": b, "secret": text}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": text}, {"_id": b, "secret": null}]),
        |b: &Value, text: &str| json!([{"_id": b, "_action": "delete"}, {"_id": b, "secret": text}]),
        |b: &Value, text: &str| json!([{"_id": b, "secret": text}, {"_id": b, "_action": "delete"}]),
    ] {
        told_alike(&db, &guess(&b, "s-b"), &guess(&b, "other"));
    }
    assert_eq!(db.database.head(), head);
}

#[test]
fn a_refused_write_does_not_tell_whether_there_was_a_value() {
    let db = guesser();
    db.root(
        &json!([{"_id": "doc", "key": "c", "title": "bare", "owner": ["_user/username", "bob"]}]),
    );
    let write = |key: &str| json!([{"_id": ["doc/key", key], "secret": "mine"}]);
    told_alike(&db, &write("b"), &write("c"));
}

#[test]
fn what_is_sent_again_and_seen_needs_no_right() {
    let db = guesser();
    // The title is seen, so that it is the same tells nothing, and it changes nothing.
    let receipt = db.write("ann", &json!([{"_id": ["doc/key", "b"], "title": "books"}]));
    assert_eq!(receipt.unwrap().flakes.len(), 0);
    let own = db.write("ann", &json!([{"_id": ["doc/key", "a"], "secret": "s-a"}]));
    assert_eq!(own.unwrap().flakes.len(), 0);
}

#[test]
fn what_a_policy_would_lack_is_told_after_the_permissions() {
    let db = office();
    let mine = |id: &str, of: &str, name: &str| {
        let code = format!("(== (get (?s) \"{name}\") \"mine\")");
        rule(id, of, &["*"], &code, &["transact"])
    };
    let rules = [
        rule("names", "_fn", &["_fn/name"], "true", &["query"]),
        rule("ids", "_rule", &["_rule/id"], "true", &["query"]),
        rule("auths", "_auth", &["_auth/id"], "true", &["query"]),
        mine("fns", "_fn", "_fn/name"),
        mine("rules", "_rule", "_rule/id"),
        mine("auth", "_auth", "_auth/id"),
    ];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([
        {"_id": "_fn", "name": "hidden", "params": ["x"], "code": "(== x \"classified\")"},
        {"_id": "_auth", "id": "bob", "validAfter": "2025-01-01T00:00:00Z"}]));
    for items in [
        json!([{"_id": ["_fn/name", "hidden"], "params": []}]),
        json!([{"_id": ["_fn/name", "hidden"], "name": "other"}]),
        json!([{"_id": ["_fn/name", "hidden"], "code": "(== y 1)"}]),
        json!([{"_id": ["_rule/id", "names"], "predicates": ["doc/title"]}]),
        json!([{"_id": ["_rule/id", "names"], "collectionDefault": true}]),
        json!([{"_id": ["_auth/id", "bob"], "validAfter": "2024-01-01T00:00:00Z"}]),
        json!([{"_id": ["_auth/id", "bob"], "validAfter": "2025-12-01T00:00:00Z"}]),
    ] {
        assert_eq!(
            db.refused("ann", &items).code(),
            "db/write-permission",
            "{items}"
        );
    }
}

#[test]
fn refs_that_stand_in_the_way_of_a_schema_change_are_told_after_the_permissions() {
    let db = guesser();
    db.root(&json!([{"_id": ["doc/key", "b"], "readers": [["_user/username", "ann"]]},
        {"_id": ["_role/id", "ann-role"], "rules": [rule("p", "_predicate", &["*"], "(== (get (?s) \"_predicate/name\") \"x\")", &["transact"])]}]));
    let probe =
        |of: &str| json!([{"_id": ["_predicate/name", "doc/readers"], "restrictCollection": of}]);
    told_alike(&db, &probe("team"), &probe("_user"));
    assert_eq!(db.refused("root", &probe("team")).code(), "db/in-use");
    db.root(&probe("_user"));
}

#[test]
fn an_empty_transaction_needs_a_right_to_write_something() {
    let db = guesser();
    db.auth(
        "reader",
        None,
        &[rule("r", "doc", &["*"], "true", &["query"])],
    );
    let head = db.database.head();
    for auth in ["bob", "reader"] {
        assert_eq!(db.refused(auth, &json!([])).kind(), ErrorKind::Denied);
    }
    assert_eq!(db.database.head(), head);
}

#[test]
fn a_type_that_a_new_tag_invents_is_refused_and_is_no_damage() {
    let db = office();
    db.root(&json!([{"_id": "_tag", "id": "_predicate/type:colour"}]));
    let items = json!([{"_id": "_predicate", "name": "doc/paint", "type": "colour"}]);
    assert_eq!(db.refused("root", &items).code(), "db/invalid-predicate");
}

#[test]
fn a_predicate_that_a_function_takes_for_unique_stays_so() {
    let db = guesser();
    let code = "(== (get [\"doc/key\" \"a\"] \"doc/size\") 1)";
    db.root(&json!([{"_id": ["_role/id", "ann-role"], "rules": [deny(rule("d", "doc", &["doc/title"], code, &["query"]))]}]));
    let items = json!([{"_id": ["_predicate/name", "doc/key"], "unique": false}]);
    assert_eq!(db.refused("root", &items).code(), "db/in-use");
}

#[test]
fn nobody_locks_root_out_by_its_valid_after() {
    let db = office();
    let rules = [rule("auths", "_auth", &["*"], "true", &["all"])];
    db.auth("ann", None, &rules);
    let set = |at: &str| json!([{"_id": ["_auth/id", "root"], "validAfter": at}]);
    for auth in ["ann", "root"] {
        assert_eq!(
            db.refused(auth, &set("2999-01-01T00:00:00Z")).code(),
            "db/invalid-tx"
        );
    }
    db.root(&set("2025-12-31T00:00:00Z"));
}

#[test]
fn a_thief_cannot_make_a_token_that_is_never_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        clock: Arc::new(ManualClock::at(START_MS)),
        ..Options::default()
    };
    let folder = Folder::open(dir.path(), &options).unwrap();
    let role = json!({"_id": "_role", "id": "r", "rules": [rule("r", "_user", &["*"], "true", &["query"])]});
    let items = json!([{"_id": "_auth", "id": "robot", "roles": [role]}]);
    folder.database().transact(&items.to_string()).unwrap();
    let root = folder.root_token(60).unwrap();
    let body = json!({"auth": ["_auth/id", "robot"]}).to_string();
    let token = folder
        .session(&root, None)
        .unwrap()
        .token(&body)
        .unwrap()
        .token;
    let thief = folder.session(&token, None).unwrap();
    let answer = thief
        .query(r#"{"selectOne": ["*"], "from": "_token"}"#)
        .unwrap();
    let record: Value = serde_json::from_str(&answer.body).unwrap();
    let revoke = |it: bool| json!([{"_id": record["_id"], "revoked": it}]).to_string();
    assert_eq!(
        thief.transact(&revoke(false)).unwrap_err().code(),
        "db/invalid-tx"
    );
    folder.database().transact(&revoke(true)).unwrap();
    assert!(folder.session(&token, None).is_err());
}

#[test]
fn anothers_role_user_or_function_is_no_way_to_more() {
    let db = office();
    let all = |id: &str, of: &str| rule(id, of, &["*"], "true", &["all"]);
    let rules = [
        all("auths", "_auth"),
        all("roles", "_role"),
        all("rules", "_rule"),
        all("fns", "_fn"),
        all("users", "_user"),
        all("settings", "_setting"),
        all("preds", "_predicate"),
        rule("small", "doc", &["doc/title"], "(inner)", &["query"]),
    ];
    db.root(&json!([{"_id": "_fn", "name": "inner", "code": "(innermost)"}, {"_id": "_fn", "name": "innermost", "code": "(== 1 2)"}]));
    db.auth("ann", Some("ann"), &rules);
    let boss = [rule("boss", "doc", &["*"], "true", &["all"])];
    db.auth("boss", Some("boss"), &boss);
    furnish_for(&db);
    for items in [
        // A function that is called by the one that a rule uses.
        json!([{"_id": ["_fn/name", "innermost"], "code": "(== 1 1)"}]),
        json!([{"_id": ["_fn/name", "inner"], "params": [], "code": "true"}]),
        // The user of another, whose auths are more.
        json!([{"_id": ["_user/username", "ann"], "auth": null}, {"_id": ["_user/username", "boss"], "auth": [["_auth/id", "ann"]]}]),
        json!([{"_id": ["_user/username", "ann"], "auth": [{"_id": "_auth", "id": "n", "roles": [["_role/id", "boss-role"]]}]}]),
        json!([{"_id": ["_setting/id", "root"], "anonymous": ["_auth/id", "boss"]}]),
        json!([{"_id": ["_setting/id", "root"], "anonymous": {"_id": "_auth", "id": "n", "roles": [["_role/id", "boss-role"]]}}]),
        json!([{"_id": ["_role/id", "ann-role"], "rules": [["_rule/id", "boss"]]}]),
        json!([{"_id": ["_rule/id", "small"], "ops": ["all"]}]),
        json!([{"_id": ["_rule/id", "small"], "collection": "*", "predicates": ["*"]}]),
        json!([{"_id": ["_user/username", "boss"], "_action": "delete"}]),
    ] {
        assert_eq!(
            db.refused("ann", &items).kind(),
            ErrorKind::Denied,
            "{items}"
        );
    }
    // What rules name is not made anew under its name.
    let swap = json!([{"_id": ["_predicate/name", "doc/label"], "_action": "delete"}]);
    db.root(&json!([{"_id": ["_rule/id", "boss"], "predicates": ["doc/label"]}]));
    assert_eq!(db.refused("root", &swap).code(), "db/in-use");
}

fn furnish_for(db: &Db) {
    db.root(
        &json!([{"_id": "doc", "key": "a", "title": "plans", "owner": ["_user/username", "ann"]}]),
    );
}

#[test]
fn a_tempid_that_finds_a_subject_is_judged_as_one_that_existed() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/slug", "type": "string", "unique": true, "upsert": true}]));
    let rules = [
        rule("see", "doc", &["doc/slug"], "true", &["query"]),
        rule("users", "_user", &["_user/username"], "true", &["query"]),
        rule("own", "doc", &["*"], OWN, &["transact"]),
    ];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([{"_id": "_user$bob", "username": "bob"}, {"_id": "doc", "slug": "s", "title": "t", "owner": "_user$bob"}]));
    let take = json!([{"_id": "doc$new", "slug": "s", "owner": ["_user/username", "ann"], "title": "mine"}]);
    assert_eq!(db.refused("ann", &take).code(), "db/write-permission");
}

/// A clock of which each look costs a millisecond, once it is told to run.
#[derive(Debug, Default)]
struct Ticking {
    step: AtomicU64,
    elapsed: AtomicU64,
}

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        START_MS
    }

    fn elapsed(&self) -> Duration {
        let step = self.step.load(Ordering::SeqCst);
        Duration::from_millis(self.elapsed.fetch_add(step, Ordering::SeqCst))
    }
}

#[test]
fn a_transaction_whose_receipt_passes_the_deadline_is_not_written() {
    let clock = Arc::new(Ticking::default());
    let store =
        Store::create_on(redb::backends::InMemoryBackend::new(), Incarnation([7; 16])).unwrap();
    let options = Options {
        clock: Arc::clone(&clock) as _,
        ..Options::default()
    };
    let db = Database::start(store, &options).unwrap();
    let code = "(== (get (?s) \"doc/title\") (?o))";
    let role = json!({"_id": "_role", "id": "r", "rules": [
        rule("read", "doc", &["*"], code, &["query"]), rule("write", "doc", &["*"], "true", &["transact"])]});
    let schema = json!([{"_id": "_collection", "name": "doc"}, {"_id": "_predicate", "name": "doc/title", "type": "string"}]);
    db.transact(&schema.to_string()).unwrap();
    db.transact(&json!([{"_id": "_auth", "id": "ann", "roles": [role]}]).to_string())
        .unwrap();
    let head = db.head();
    let items: Vec<Value> = (0..2_000)
        .map(|n| json!({"_id": "doc", "title": n.to_string()}))
        .collect();
    let items = Value::Array(items).to_string();
    // The first look is within the time, and the second, when the receipt is made, is not.
    clock
        .step
        .store(TRANSACTION_SECONDS_MAX * 1_000 * 2 / 3, Ordering::SeqCst);
    let error = db.transact_as("ann", &items).unwrap_err();
    assert_eq!(error.code(), "db/deadline");
    clock.step.store(0, Ordering::SeqCst);
    // The answer to the next one comes after all that was staged before it is written.
    let next = db.transact_as("ann", r#"[{"_id": "doc", "title": "x"}]"#);
    assert_eq!(
        next.unwrap().block,
        head.t.next(),
        "an error was told, and the transaction was made"
    );
    let answer = db
        .root()
        .query(r#"{"select": ["title"], "from": "doc"}"#)
        .unwrap();
    assert_eq!(answer.body.matches("title").count(), 1);
}

#[test]
fn values_that_are_equal_and_not_the_same_do_not_stop_the_writer() {
    let db = office();
    db.root(&json!([
        {"_id": "_predicate", "name": "doc/real", "type": "double", "multi": true},
        {"_id": "_predicate", "name": "doc/note", "type": "json", "multi": true},
        {"_id": "_predicate", "name": "doc/long", "type": "string", "multi": true, "index": true}]));
    let long = "x".repeat(1_000_000);
    let other = format!("{long}y");
    let s = json!(["doc/key", "k"]);
    db.root(&json!([{"_id": "doc", "key": "k", "title": "t"}]));
    for items in [
        json!([{"_id": s, "real": [0.0, -0.0, 0]}]),
        json!([{"_id": s, "real": [-0.0]}, {"_id": s, "real": [0.0]}]),
        json!([{"_id": s, "note": [{"a": 1.0}, {"a": 1}, {"a": 1.0}]}]),
        json!([{"_id": s, "long": [long, other]}]),
        json!([{"_id": s, "long": [other], "_action": "delete"}]),
    ] {
        // Accepted or refused, the writer goes on.
        let _told = db.write("root", &items);
        db.root(&json!([{"_id": "doc", "title": "next"}]));
    }
    db.database.verify().unwrap();
}

#[test]
fn many_values_of_one_subject_are_refused_before_they_are_staged() {
    let db = guesser();
    let values = vec!["1"; 100_001].join(",");
    db.root(&json!([{"_id": "_predicate", "name": "doc/marks", "type": "int", "multi": true}]));
    let body = format!(r#"[{{"_id": ["doc/key", "a"], "marks": [{values}]}}]"#);
    let error = db.database.transact(&body).unwrap_err();
    assert_eq!(error.code(), "db/limit");
    let last = values.rsplit_once(',').unwrap().0;
    let body = format!(r#"[{{"_id": ["doc/key", "a"], "marks": [{last}]}}]"#);
    db.database.transact(&body).unwrap();
}

#[test]
fn a_transaction_nested_as_deep_as_json_may_be_ends() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/next", "type": "ref"}]));
    let mut item = json!({"_id": "doc", "title": "end"});
    for _ in 0..61 {
        item = json!({"_id": "doc", "next": item});
    }
    db.root(&json!([item]));
    let too_deep = json!([{"_id": "doc", "next": {"_id": "doc", "next": item}}]);
    assert_eq!(db.refused("root", &too_deep).code(), "db/invalid-json");
}

#[test]
fn ten_thousand_tempids_with_long_names_are_no_square_of_work() {
    let db = office();
    let long = "x".repeat(200);
    let items: Vec<Value> = (0..10_000)
        .map(|n| json!({"_id": format!("doc${long}{n}"), "size": n}))
        .collect();
    assert_eq!(db.root(&Value::Array(items)).tempids.len(), 10_000);
}
