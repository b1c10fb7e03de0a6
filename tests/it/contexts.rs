//! What a function may ask for in each place where one is asked: every cell of the table in docs/lang.md.

use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{Error, Folder, Options};

use crate::support::START_MS;

const MANUAL: &str = include_str!("../../docs/lang.md");

/// The table: each row's call, and whether it is one in each place.
fn table() -> (Vec<&'static str>, Vec<(&'static str, Vec<bool>)>) {
    let section = MANUAL
        .split("## 9. Where a function is asked")
        .nth(1)
        .unwrap();
    let mut rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            cells.map(|cell| cell.trim_matches('`')).collect::<Vec<_>>()
        });
    let places = rows.next().unwrap()[1..].to_vec();
    let rows = rows.skip(1).map(|cells| {
        let yes = cells[1..].iter().map(|cell| match *cell {
            "yes" => true,
            "no" => false,
            other => panic!("neither yes nor no: {other}"),
        });
        (cells[0], yes.collect())
    });
    (places, rows.collect())
}

struct World {
    folder: Folder,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            clock: Arc::new(ManualClock::at(START_MS)),
            ..Options::default()
        };
        let world = Self {
            folder: Folder::open(dir.path(), &options).unwrap(),
            _dir: dir,
        };
        world.root(&json!([
            {"_id": "_collection", "name": "thing"},
            {"_id": "_collection", "name": "shown"},
            {"_id": "_collection", "name": "ruled"},
            {"_id": "_fn", "name": "probe", "code": "true"},
        ]));
        let probe = json!([["_fn/name", "probe"]]);
        world.root(&json!([
            {"_id": "_collection", "name": "boxed", "spec": probe},
            {"_id": "_predicate", "name": "thing/value", "type": "string"},
            {"_id": "_predicate", "name": "thing/spec", "type": "int", "spec": probe},
            {"_id": "_predicate", "name": "thing/txSpec", "type": "int", "txSpec": probe},
            {"_id": "_predicate", "name": "shown/n", "type": "int"},
            {"_id": "_predicate", "name": "ruled/n", "type": "int"},
        ]));
        let rule = |id: &str, of: &str, op: &str, function: &str| {
            json!({"_id": "_rule", "id": id, "collection": of, "collectionDefault": true, "ops": [op],
                   "fns": [["_fn/name", function]]})
        };
        world.root(&json!([
            {"_id": "_predicate", "name": "boxed/n", "type": "int"},
            {"_id": "_auth$ann", "id": "ann", "roles": [{"_id": "_role", "id": "ann", "rules": [
                rule("things", "thing", "transact", "true"),
                rule("see-things", "thing", "query", "true"),
                rule("boxes", "boxed", "transact", "true"),
                rule("shown", "shown", "query", "probe"),
                rule("ruled", "ruled", "transact", "probe"),
                rule("see-auths", "_auth", "query", "true"),
                rule("mint", "_auth", "token", "probe"),
            ]}]},
            {"_id": "_user", "username": "ann", "auth": ["_auth$ann"]},
            {"_id": "shown", "n": 1},
        ]));
        world
    }

    fn root(&self, items: &Value) {
        let made = self.folder.database().transact(&items.to_string());
        made.unwrap_or_else(|error| panic!("{error}: {items}"));
    }

    fn probe(&self, code: &str) {
        self.root(&json!([{"_id": ["_fn/name", "probe"], "code": code}]));
    }

    fn writes(&self, item: &Value) -> Result<(), Error> {
        let items = json!([item]).to_string();
        self.folder.database().transact_as("ann", &items).map(drop)
    }

    /// Whether a call has an answer in a place.
    fn answers(&self, place: &str, call: &str) -> bool {
        // True if the call has an answer, absence included, and else a fault.
        let test = format!("(or (nil? {call}) (not (nil? {call})))");
        let made = match place {
            "function in a value" => {
                let value = format!("#(if-else {test} \"yes\" \"no\")");
                self.writes(&json!({"_id": "thing", "value": value}))
            }
            place => {
                self.probe(&test);
                let made = match place {
                    "_predicate/spec" => self.writes(&json!({"_id": "thing", "spec": 1})),
                    "_predicate/txSpec" => self.writes(&json!({"_id": "thing", "txSpec": 1})),
                    "_collection/spec" => self.writes(&json!({"_id": "boxed", "n": 1})),
                    "rule, write" => self.writes(&json!({"_id": "ruled", "n": 1})),
                    "rule, read" => return self.reads(),
                    "rule, op at a target" => self.mints(),
                    other => panic!("no such place: {other}"),
                };
                self.probe("true");
                made
            }
        };
        if let Err(error) = &made {
            let told = [
                "db/invalid-fn",
                "db/predicate-spec",
                "db/predicate-tx-spec",
                "db/collection-spec",
                "db/write-permission",
                "db/no-permission",
            ];
            assert!(told.contains(&error.code()), "{place}, {call}: {error}");
        }
        made.is_ok()
    }

    fn reads(&self) -> bool {
        let view = self.folder.database().view("ann").unwrap();
        let query = json!({"select": ["n"], "from": "shown"}).to_string();
        view.query(&query).unwrap().body != "[]"
    }

    fn mints(&self) -> Result<(), Error> {
        let token = self.folder.token_for("ann", 60)?;
        let asked = json!({"auth": ["_auth/id", "ann"], "expireSeconds": 60}).to_string();
        self.folder.session(&token, None)?.token(&asked).map(drop)
    }
}

#[test]
fn every_context_function_answers_where_the_manual_says_so() {
    let (places, rows) = table();
    assert_eq!(places.len(), 7);
    assert!(rows.len() >= 18);
    let world = World::new();
    let mut wrong = Vec::new();
    for (call, expected) in &rows {
        assert_eq!(expected.len(), places.len(), "{call}");
        for (place, expected) in places.iter().zip(expected) {
            if world.answers(place, call) != *expected {
                wrong.push(format!("{call} in {place}: the manual says {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_probe_tells_a_fault_from_an_answer() {
    let world = World::new();
    for place in table().0 {
        assert!(world.answers(place, "1"), "{place}");
        assert!(world.answers(place, "nil"), "{place}");
        assert!(!world.answers(place, "(/ 1 0)"), "{place}");
    }
}
