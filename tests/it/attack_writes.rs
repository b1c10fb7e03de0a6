//! Attacks by what a transaction does beside writing: functions in values, specs, components, trials and repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::Clock;
use solon::base::limits::{FUNCTION_VALUE_BYTES_MAX, STRING_BYTES_MAX};
use solon::db::{Database, Error, Options};
use solon::model::Incarnation;
use solon::store::Store;

use crate::support::{Db, START_MS, office, rule};

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
    let see = rule("see", "_fn", &["_fn/name"], "true", &["query"]);
    let all = rule("write", "doc", &["*"], "true", &["transact"]);
    db.auth("bob", None, &[see, all]);
    let one = |_: i32| json!("#(forty (forty 1))");
    let other = |n: i32| json!(format!("#(+ {n} (forty (forty 1)))"));
    let with = |text: &dyn Fn(i32) -> Value| json!([{"_id": "doc", "numbers": (0..100).map(text).collect::<Vec<_>>()}]);
    db.write("bob", &with(&one)).unwrap();
    assert_eq!(db.refused("bob", &with(&other)).code(), "db/exceeded-cost");
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

/// The id of what has a value, as root sees it.
fn id_of(db: &Db, name: &str, value: &str) -> i64 {
    let found = db.ask(
        "root",
        &json!({"selectOne": ["_id"], "from": [name, value]}),
    );
    found["_id"].as_i64().unwrap()
}

/// A flake of the next block, as trials take it.
fn laid(db: &Db, s: i64, name: &str, o: &Value) -> Value {
    let p = id_of(db, "_predicate/name", name) & ((1 << 44) - 1);
    let block = i64::try_from(db.database.head().t.0).unwrap() + 1;
    json!([s, p, o, -block, true, null])
}

/// What an auth is told of a query with flakes laid over the state: the answer, or the error's code.
fn with_flakes(db: &Db, auth: &str, query: &Value, flakes: &Value) -> Result<String, Error> {
    let request = json!({"query": query, "flakes": flakes}).to_string();
    let answer = db.database.view(auth).unwrap().query_with(&request);
    answer.map(|it| it.body)
}

/// The code of a refusal; none is given of an answer.
fn code<T>(told: Result<T, Error>) -> Option<&'static str> {
    told.err().map(|error| error.code())
}

#[test]
fn tags_cannot_be_read_by_counting_their_numbers_up() {
    let db = writer();
    db.root(
        &json!([{"_id": "_predicate", "name": "doc/state", "type": "tag", "restrictTag": true},
        {"_id": "_tag$open", "id": "doc/state:open"},
        {"_id": "_collection", "name": "plan"}]),
    );
    db.root(
        &json!([{"_id": "_predicate", "name": "plan/label", "type": "tag"},
        {"_id": "doc", "key": "mine", "label": "public"}]),
    );
    db.root(&json!([{"_id": "plan", "label": "classified"}]));
    let (mine, public) = (
        id_of(&db, "doc/key", "mine"),
        id_of(&db, "_tag/id", "doc/label:public"),
    );
    let classified = id_of(&db, "_tag/id", "plan/label:classified");
    let open = id_of(&db, "_tag/id", "doc/state:open");
    let query = json!({"select": [{"doc/label": ["*"]}, {"doc/state": ["*"]}], "from": "doc"});
    let lay = |name: &str, tag: i64| {
        with_flakes(
            &db,
            "ann",
            &query,
            &json!([laid(&db, mine, name, &json!(tag))]),
        )
    };
    assert_eq!(code(lay("doc/label", classified)), Some("db/invalid-tx"));
    // One past the last tag is none, and is told alike.
    assert_eq!(
        code(lay("doc/label", classified + 1)),
        Some("db/invalid-tx")
    );
    assert_eq!(code(lay("doc/state", public)), Some("db/invalid-tx"));
    assert!(lay("doc/state", open).unwrap().contains("doc/state:open"));
    let new = |of: &str| {
        let tag = laid(&db, classified + 1, "_tag/id", &json!(format!("{of}:new")));
        let used = laid(&db, mine, of, &json!(classified + 1));
        with_flakes(&db, "ann", &query, &json!([used, tag]))
    };
    assert!(new("doc/label").unwrap().contains("doc/label:new"));
    assert_eq!(code(new("doc/state")), Some("db/invalid-tx"));
}

#[test]
fn a_hidden_tag_under_the_own_predicate_is_not_read_by_its_number() {
    let db = office();
    let mine = r#"(== (get (?s) "doc/key") "mine")"#;
    let rules = [
        rule("w", "doc", &["doc/label"], "true", &["transact"]),
        rule("r", "doc", &["*"], mine, &["query"]),
    ];
    db.auth("ann", None, &rules);
    db.root(&json!([{"_id": "doc", "key": "mine"}, {"_id": "doc", "key": "other", "label": "classified"}]));
    let (mine, tag) = (
        id_of(&db, "doc/key", "mine"),
        id_of(&db, "_tag/id", "doc/label:classified"),
    );
    let query = json!({"select": [{"doc/label": ["*"]}], "from": "doc"});
    let lay = |tag: i64| {
        with_flakes(
            &db,
            "ann",
            &query,
            &json!([laid(&db, mine, "doc/label", &json!(tag))]),
        )
    };
    assert_eq!(lay(tag), lay(tag + 1));
    assert_eq!(code(lay(tag)), Some("db/invalid-tx"));
}

#[test]
fn subjects_that_cannot_be_are_no_damage_of_the_store() {
    let db = office();
    let query = json!({"select": ["*"], "from": "_collection"});
    let raw = |c: i64, number: i64| c * (1 << 44) + number;
    let lay = |s: i64, name: &str, o: &str| {
        with_flakes(&db, "root", &query, &json!([laid(&db, s, name, &json!(o))]))
    };
    let last = i64::from(solon::base::limits::COLLECTION_ID_MAX);
    assert!(
        lay(raw(1, last), "_collection/name", "last")
            .unwrap()
            .contains("last")
    );
    for number in [last + 1, 70_000, (1 << 44) - 1] {
        assert_eq!(
            code(lay(raw(1, number), "_collection/name", "more")),
            Some("db/limit")
        );
    }
    for number in [1 << 32, (1 << 44) - 1] {
        assert_eq!(
            code(lay(raw(0, number), "_predicate/name", "doc/more")),
            Some("db/limit")
        );
    }
    // What is kept for the system is taken by nobody.
    let kept = id_of(&db, "_role/id", "root") + 1;
    assert_eq!(code(lay(kept, "_role/id", "kept")), Some("db/invalid-tx"));
}

#[test]
fn an_auditor_is_told_no_subject_and_no_name_that_they_do_not_see() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/code", "type": "string", "unique": true, "upsert": true}]));
    db.auth(
        "ann",
        None,
        &[rule("all", "doc", &["*"], "true", &["transact", "query"])],
    );
    db.root(&json!([{"_id": ["_auth/id", "ann"], "doc": "an author"}]));
    let eve = [
        rule("docs", "_auth", &["_auth/doc"], "true", &["query"]),
        rule("audit", "_auth", &["*"], "true", &["audit"]),
    ];
    db.auth("eve", None, &eve);
    db.root(&json!([{"_id": "doc", "code": "there"}]));
    let ann = id_of(&db, "_auth/id", "ann");
    for code in ["there", "absent"] {
        let tx = json!([{"_id": "doc$it", "code": code, "title": "x"}]);
        let request = json!({"tx": tx, "auth": ann}).to_string();
        let trial = db
            .database
            .view("eve")
            .unwrap()
            .test_transact(&request)
            .unwrap();
        assert_eq!(trial.tempids, [], "{code}");
        assert_eq!(trial.flakes, [], "{code}");
        assert_eq!(trial.auth, ann.to_string(), "{code}");
    }
}

#[test]
fn an_auth_that_lost_its_roles_is_told_nothing_of_its_keys() {
    let db = writer();
    let body = json!([{"_id": "doc$it", "key": "mine"}]).to_string();
    let other = json!([{"_id": "doc$it", "key": "other"}]).to_string();
    let once = |key: &str, body: &str| code(db.database.transact_once("ann", key, body));
    assert_eq!(once("k", &body), None);
    assert_eq!(once("k", &body), None);
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": null}]));
    for (key, body) in [("k", &body), ("k", &other), ("free", &body)] {
        let told = once(key, body);
        assert!(
            matches!(told, Some("db/no-permission" | "db/write-permission")),
            "{told:?}"
        );
    }
}

#[test]
fn a_spec_does_not_go_with_its_function() {
    let db = office();
    let positive = json!({"_id": "_fn$positive", "name": "positive", "code": "(< 0 (?o))"});
    for (name, field) in [("doc/a", "spec"), ("doc/b", "txSpec")] {
        db.root(&json!([positive, {"_id": "_predicate", "name": name, "type": "int", field: ["_fn$positive"]}]));
        let gone = json!({"_id": ["_fn/name", "positive"], "_action": "delete"});
        assert_eq!(db.refused("root", &json!([gone])).code(), "db/in-use");
        db.root(&json!([{"_id": ["_predicate/name", name], "_action": "delete"}, gone]));
    }
    db.root(&json!([positive, {"_id": ["_collection/name", "team"], "spec": ["_fn$positive"]}]));
    let gone = json!([{"_id": ["_fn/name", "positive"], "_action": "delete"}]);
    assert_eq!(db.refused("root", &gone).code(), "db/in-use");
    db.root(&json!([{"_id": ["_collection/name", "team"], "spec": null}]));
    db.root(&gone);
}

#[test]
fn a_spec_does_not_tell_by_which_predicate_what_is_hidden_refers() {
    let db = office();
    db.root(&json!([
        {"_id": "_fn$never", "name": "never", "code": "(== (count (flakes)) 0)"},
        {"_id": "_predicate", "name": "doc/client", "type": "ref"}]));
    db.auth(
        "ann",
        None,
        &[
            rule("teams", "team", &["*"], "true", &["transact", "query"]),
            rule("keys", "doc", &["doc/key"], "true", &["query"]),
        ],
    );
    db.root(&json!([{"_id": "team$t", "name": "alpha"}, {"_id": "doc", "key": "a", "client": "team$t"}]));
    db.root(
        &json!([{"_id": ["_predicate/name", "doc/client"], "txSpec": [["_fn/name", "never"]],
        "txSpecDoc": "clients are for ever"}]),
    );
    let gone = json!([{"_id": ["team/name", "alpha"], "_action": "delete"}]);
    let message = |auth: &str| {
        let error = db.refused(auth, &gone);
        assert_eq!(error.code(), "db/predicate-tx-spec");
        error.message().to_owned()
    };
    assert_eq!(
        message("ann"),
        "Predicate txSpec failed within collection: doc."
    );
    assert!(message("root").contains("doc/client"));
}

#[test]
fn who_makes_the_database_look_at_every_block_pays_for_each() {
    let db = office();
    db.root(&json!([{"_id": "_auth", "id": "idle"}]));
    let (idle, times) = (id_of(&db, "_auth/id", "idle"), 100_u64);
    let fuel = |step: &str| {
        let code = format!("#(count (get-all {idle} [\"{step}\"]))");
        let items = vec![json!({"_id": "doc", "size": code}); usize::try_from(times).unwrap()];
        db.root(&json!(items)).fuel.unwrap()
    };
    let indexed = fuel("doc/_owner");
    let blocks = db.database.head().t.0;
    assert!(fuel("_tx/_auth") >= indexed + times * blocks);
}

/// A clock that panics at one of the next looks, once it is told to.
#[derive(Debug, Default)]
struct Broken {
    looks_left: AtomicU64,
}

impl Clock for Broken {
    fn now_ms(&self) -> i64 {
        START_MS
    }

    fn elapsed(&self) -> Duration {
        let left = self.looks_left.load(Ordering::SeqCst);
        self.looks_left
            .store(left.saturating_sub(1), Ordering::SeqCst);
        assert_ne!(left, 1, "the clock breaks, as this test wants it to");
        Duration::ZERO
    }
}

#[test]
fn a_transaction_that_panics_while_it_is_judged_harms_itself_alone() {
    let clock = Arc::new(Broken::default());
    let store =
        Store::create_on(redb::backends::InMemoryBackend::new(), Incarnation([7; 16])).unwrap();
    let options = Options {
        clock: Arc::clone(&clock) as _,
        ..Options::default()
    };
    let db = Database::start(store, &options).unwrap();
    let schema = json!([{"_id": "_collection", "name": "doc"}, {"_id": "_predicate", "name": "doc/size", "type": "int"}]);
    db.transact(&schema.to_string()).unwrap();
    let head = db.head();
    let items =
        vec![json!({"_id": "doc", "size": "#(count (get-all (?auth_id) [\"_tx/_auth\"]))"}); 2_000];
    let items = Value::Array(items).to_string();
    clock.looks_left.store(8, Ordering::SeqCst);
    assert_eq!(db.transact(&items).unwrap_err().code(), "db/internal");
    assert_eq!(clock.looks_left.load(Ordering::SeqCst), 0);
    db.can_write().unwrap();
    assert_eq!(db.transact(&items).unwrap().block, head.t.next());
    db.verify().unwrap();
}

#[test]
fn no_error_of_a_function_names_one_that_is_hidden() {
    let db = writer();
    let forty = format!("(+{}{})", " x".repeat(9), " 1".repeat(50));
    db.root(&json!([{"_id": "_fn", "name": "hidden", "params": ["x"], "code": forty}]));
    db.root(&json!([{"_id": "_fn", "name": "open", "params": ["x"], "code": "(hidden x)"}]));
    let large = "(open (open (open 1)))";
    let value = json!([{"_id": "doc", "size": format!("#{large}")}]);
    assert!(db.refused("root", &value).message().contains("`hidden`"));
    let told = db.refused("ann", &value);
    assert_eq!(told.code(), "db/invalid-fn");
    assert!(!told.message().contains("hidden"), "{}", told.message());
    let rules = [
        rule(
            "open",
            "_fn",
            &["_fn/name"],
            r#"(== (?o) "open")"#,
            &["query"],
        ),
        rule("write", "_fn", &["*"], "true", &["transact"]),
    ];
    db.auth("eve", None, &rules);
    for items in [
        json!([{"_id": "_fn", "name": "mine", "code": large}]),
        json!([{"_id": ["_fn/name", "open"], "code": "(count (hidden (open x)))"}]),
        json!([{"_id": ["_fn/name", "open"], "code": "(hidden (mine x))"},
            {"_id": "_fn", "name": "mine", "params": ["x"], "code": "(open x)"}]),
    ] {
        let told = db.refused("eve", &items);
        assert_eq!(told.code(), "db/invalid-fn", "{items}");
        assert!(!told.message().contains("hidden"), "{}", told.message());
    }
}

#[test]
fn a_list_of_functions_reads_the_values_before_once() {
    let db = writer();
    let numbers = (0..10_000).collect::<Vec<_>>();
    db.root(&json!([{"_id": "doc", "key": "k", "numbers": numbers}]));
    let functions = vec!["#(+ 10000 1)"; 1_100];
    let more = json!([{"_id": ["doc/key", "k"], "numbers": functions}]);
    assert_eq!(db.write("ann", &more).unwrap().flakes.len(), 1);
}
