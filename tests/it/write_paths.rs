//! Every way to write, while the disk fails at each of its changes in turn, or the power goes before each sync: what
//! was acknowledged is there, what was not is whole or absent, and what is asked again under a key or a nonce is made
//! exactly once.

use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{Database, Error, ErrorKind, Options, Receipt, Tempid, sign_command};
use solon::model::Incarnation;
use solon::store::Store;
use solon::token::CommandKey;

use crate::support::START_MS;
use crate::support::disk::Disk;
use crate::support::random::{Random, Repeat, seeds};

const NAME: &str = "local/default";

/// One way to write.
enum Way {
    Plain,
    /// Under an idempotency key, as `ann`.
    Keyed(&'static str),
    /// As a command of `ann` with this nonce.
    Command(i64),
}

struct Write {
    way: Way,
    text: String,
}

impl Write {
    fn new(way: Way, items: &Value) -> Self {
        let text = items.to_string();
        Self { way, text }
    }

    fn make(&self, database: &Database) -> Result<Receipt, Error> {
        match self.way {
            Way::Plain => database.transact(&self.text),
            Way::Keyed(name) => database.transact_once("ann", name, &self.text),
            Way::Command(nonce) => {
                let items: Value = serde_json::from_str(&self.text).unwrap();
                let command =
                    json!({"type": "tx", "db": NAME, "auth": "ann", "nonce": nonce, "tx": items});
                let body = sign_command(&key(), &command.to_string()).unwrap();
                database.command(NAME, &body)
            }
        }
    }
}

fn key() -> CommandKey {
    CommandKey::parse(&"01".repeat(32)).unwrap()
}

/// What is there before anything fails: a schema with specs, accounts, and `ann`, who signs and writes.
fn set_up() -> Vec<Value> {
    vec![
        json!([
            {"_id": "_fn$sum", "name": "balanced", "code": "(== (objT) (objF))"},
            {"_id": "_fn$own", "name": "natural", "code": "(>= (?o) 0)"},
            {"_id": "_collection", "name": "item"},
            {"_id": "_collection", "name": "part"},
            {"_id": "_predicate", "name": "item/key", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "item/count", "type": "int", "spec": ["_fn$own"]},
            {"_id": "_predicate", "name": "item/money", "type": "int", "txSpec": ["_fn$sum"]},
            {"_id": "_predicate", "name": "item/mood", "type": "tag"},
            {"_id": "_predicate", "name": "item/old", "type": "string"},
            {"_id": "_predicate", "name": "item/fleeting", "type": "string", "noHistory": true},
            {"_id": "_predicate", "name": "item/parts", "type": "ref", "multi": true, "component": true},
            {"_id": "_predicate", "name": "part/name", "type": "string"},
            {"_id": "_predicate", "name": "part/whole", "type": "ref"},
            {"_id": "_predicate", "name": "_tx/reason", "type": "string"}]),
        json!([{"_id": "_auth", "id": "ann", "publicKey": key().public().to_string(), "roles": [
            {"_id": "_role", "id": "ann", "rules": [
                {"_id": "_rule", "id": "items", "collection": "item", "collectionDefault": true,
                 "ops": ["all", "erase"], "fns": [["_fn/name", "true"]]},
                {"_id": "_rule", "id": "parts", "collection": "part", "collectionDefault": true,
                 "ops": ["all"], "fns": [["_fn/name", "true"]]},
                {"_id": "_rule", "id": "reasons", "collection": "_tx", "predicates": ["_tx/reason"],
                 "ops": ["all"], "fns": [["_fn/name", "true"]]}]}]}]),
        json!([{"_id": "item", "key": "a", "count": 0, "money": 5},
            {"_id": "item", "key": "b", "count": 0, "money": -5}]),
    ]
}

/// Each path at least once, and some that stand on others.
fn writes() -> Vec<Write> {
    let item = |key: &str| json!(["item/key", key]);
    vec![
        Write::new(
            Way::Plain,
            &json!([{"_id": "item", "key": "c", "mood": "glad"}]),
        ),
        Write::new(
            Way::Keyed("k1"),
            &json!([{"_id": "item$new", "count": 1}, {"_id": "_tx", "reason": "keyed"}]),
        ),
        Write::new(
            Way::Command(1),
            &json!([{"_id": "item", "count": 2, "mood": "new"}]),
        ),
        // Functions and both kinds of spec.
        Write::new(
            Way::Keyed("k2"),
            &json!([{"_id": item("a"), "money": "#(- (?pO) 2)", "count": "#(inc (?pO))"},
                {"_id": item("b"), "money": "#(+ (?pO) 2)"}]),
        ),
        Write::new(
            Way::Command(2),
            &json!([{"_id": item("a"), "count": "#(cas 1 2)"}]),
        ),
        // A subject with parts, taken apart and away.
        Write::new(
            Way::Plain,
            &json!([{"_id": "item", "key": "w", "parts": [
                {"_id": "part$1", "name": "one"}, {"_id": "part$2", "name": "two", "whole": "part$1"}]}]),
        ),
        Write::new(Way::Command(3), &json!([{"_id": item("w"), "parts": null}])),
        Write::new(
            Way::Keyed("k3"),
            &json!([{"_id": "item$x", "key": "x", "parts": [{"_id": "part", "name": "three"}]}]),
        ),
        Write::new(
            Way::Plain,
            &json!([{"_id": item("x"), "_action": "delete"}]),
        ),
        // The schema, and what then is named anew.
        Write::new(
            Way::Plain,
            &json!([{"_id": "_predicate", "name": "item/new", "type": "long", "index": true}]),
        ),
        Write::new(
            Way::Plain,
            &json!([{"_id": ["_predicate/name", "item/old"], "name": "item/former"}]),
        ),
        Write::new(
            Way::Keyed("k4"),
            &json!([{"_id": "item$y", "key": "y", "new": 7, "former": "f"}]),
        ),
        // What is superseded is erased, and what is erased was never there.
        Write::new(
            Way::Keyed("k5"),
            &json!([{"_id": item("b"), "fleeting": "one"}]),
        ),
        Write::new(Way::Plain, &json!([{"_id": item("b"), "fleeting": "two"}])),
        Write::new(
            Way::Plain,
            &json!([{"_id": item("c"), "_action": "erase", "mood": null}]),
        ),
        Write::new(
            Way::Command(5),
            &json!([{"_id": item("y"), "_action": "erase"}]),
        ),
        // Rights given and taken in use.
        Write::new(
            Way::Plain,
            &json!([{"_id": ["_rule/id", "parts"], "_action": "delete"}]),
        ),
        Write::new(
            Way::Command(4),
            &json!([{"_id": "_tx", "reason": "the last"}]),
        ),
    ]
}

fn options() -> Options {
    Options {
        clock: Arc::new(ManualClock::at(START_MS)),
        ..Options::default()
    }
}

fn open(disk: Disk) -> Database {
    Database::start(Store::open_on(disk).unwrap(), &options()).unwrap()
}

/// All that is told of the data, the schema and the transactions.
fn told(database: &Database) -> Vec<String> {
    let queries = [
        json!({"select": ["*"], "from": "item"}),
        json!({"select": ["*"], "from": "part"}),
        json!({"select": ["id"], "from": "_tag"}),
        json!({"select": ["id"], "from": "_rule"}),
        json!({"select": ["name", "type"], "from": "_predicate"}),
        json!({"select": ["reason", "nonce", "tx"], "from": "_tx"}),
    ];
    let ask = |query: &Value| database.root().query(&query.to_string()).unwrap().body;
    queries.iter().map(ask).collect()
}

/// A run in which nothing fails.
struct Run {
    /// The disk before the first write.
    start: Vec<u8>,
    base: u64,
    writes: Vec<Write>,
    /// What is told after each number of writes.
    prefixes: Vec<Vec<String>>,
    tempids: Vec<Vec<(String, Tempid)>>,
    /// How many changes of the disk it takes to open it, and to write all of them.
    opening: u64,
    changes: u64,
}

impl Run {
    fn new() -> Self {
        let disk = Disk::default();
        let store = Store::create_on(disk.clone(), Incarnation([5; 16])).unwrap();
        let database = Database::start(store, &options()).unwrap();
        for items in set_up() {
            database.transact(&items.to_string()).unwrap();
        }
        drop(database);
        let start = disk.bytes();
        let disk = Disk::of(start.clone());
        let database = open(disk.clone());
        let base = database.head().t.0;
        let opening = disk.changes();
        let writes = writes();
        let mut prefixes = vec![told(&database)];
        let mut tempids = Vec::new();
        for write in &writes {
            let receipt = write.make(&database).unwrap();
            tempids.push(receipt.tempids);
            prefixes.push(told(&database));
        }
        Self {
            start,
            base,
            writes,
            prefixes,
            tempids,
            opening,
            changes: disk.changes() - opening,
        }
    }

    /// Opens what is left on a disk, looks whether it is what it must be, and asks for everything again.
    fn check(&self, disk: Disk, receipts: &[Receipt]) {
        let database = open(disk);
        database.verify().unwrap();
        let made = usize::try_from(database.head().t.0 - self.base).unwrap();
        assert!(made >= receipts.len(), "an acknowledged write is lost");
        assert_eq!(told(&database), self.prefixes[made], "by halves");
        for (index, write) in self.writes.iter().enumerate() {
            let block = self.base + 1 + u64::try_from(index).unwrap();
            let again = write.way.is_once() && index < made;
            if index < made && !again {
                continue;
            }
            // Whoever is not answered asks again; whoever was may do so too.
            for round in 0..2 {
                if round == 1 && !write.way.is_once() {
                    continue;
                }
                match (&write.way, write.make(&database)) {
                    (Way::Command(_), Err(error)) if again || round == 1 => {
                        assert_eq!(
                            (error.kind(), error.code()),
                            (ErrorKind::Conflict, "db/replay")
                        );
                    }
                    (_, Ok(receipt)) => {
                        let is_command = matches!(write.way, Way::Command(_));
                        assert_eq!(receipt.is_repeat, again || round == 1);
                        assert!(!(is_command && receipt.is_repeat));
                        assert_eq!(receipt.block.0, block);
                        assert_eq!(receipt.tempids, self.tempids[index]);
                        if let Some(first) = receipts.get(index) {
                            assert_eq!((&receipt.hash, &receipt.id), (&first.hash, &first.id));
                        }
                    }
                    (_, Err(error)) => panic!("{error}: {}", write.text),
                }
            }
        }
        assert_eq!(
            &told(&database),
            self.prefixes.last().unwrap(),
            "made twice, or not at all"
        );
        let last = self.base + u64::try_from(self.writes.len()).unwrap();
        assert_eq!(database.head().t.0, last);
    }

    /// The writes on a disk that fails; the receipts.
    fn failing(&self, disk: &Disk) -> Vec<Receipt> {
        let database = open(disk.clone());
        let mut receipts = Vec::new();
        let mut failed = false;
        for write in &self.writes {
            match write.make(&database) {
                Ok(receipt) => {
                    assert!(!failed, "a receipt after the disk failed");
                    receipts.push(receipt);
                }
                Err(error) => {
                    // What stands on a write that failed may be refused for what it lacks.
                    assert!(failed || error.kind() == ErrorKind::Unavailable, "{error}");
                    assert!(
                        error.kind() != ErrorKind::Corrupt && error.kind() != ErrorKind::Internal
                    );
                    if !failed {
                        assert_eq!(told(&database), self.prefixes[receipts.len()]);
                    }
                    failed = true;
                }
            }
        }
        let acknowledged = &self.prefixes[receipts.len()];
        assert_eq!(
            &told(&database),
            acknowledged,
            "what is read is what was acknowledged"
        );
        if failed {
            let refused = database.can_write().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unavailable);
        }
        receipts
    }
}

impl Way {
    fn is_once(&self) -> bool {
        !matches!(self, Self::Plain)
    }
}

#[test]
fn a_disk_that_is_full_loses_nothing_acknowledged_and_what_is_asked_again_is_made_once() {
    let run = Run::new();
    let mut failed = 0;
    // Every other change; another seed takes the others.
    for at in (seeds(1)[0] % 2..run.changes).step_by(2) {
        let disk = Disk::of(run.start.clone());
        disk.fail_at(run.opening + at);
        let receipts = run.failing(&disk);
        failed += usize::from(receipts.len() < run.writes.len());
        run.check(Disk::of(disk.bytes()), &receipts);
    }
    assert!(failed > run.writes.len(), "the disk hardly failed");
}

#[test]
fn one_error_of_the_disk_ends_writing_until_the_database_is_opened_again() {
    let run = Run::new();
    let mut failed = 0;
    for at in (seeds(1)[0] % 4..run.changes).step_by(4) {
        let disk = Disk::of(run.start.clone());
        disk.fail_once(run.opening + at);
        let receipts = run.failing(&disk);
        failed += usize::from(receipts.len() < run.writes.len());
        run.check(Disk::of(disk.bytes()), &receipts);
    }
    assert!(failed > run.writes.len(), "the disk hardly failed");
}

#[test]
fn with_the_power_cut_before_each_sync_nothing_acknowledged_is_lost_and_nothing_is_made_twice() {
    let run = Run::new();
    for seed in seeds(2) {
        let _repeat = Repeat {
            test: "with_the_power_cut_before_each_sync",
            seed,
        };
        let mut random = Random::new(seed);
        let disk = Disk::of(run.start.clone());
        let database = open(disk.clone());
        disk.keep_syncs();
        // How many syncs had passed when each was acknowledged.
        let mut acknowledged = Vec::new();
        for write in &run.writes {
            let receipt = write.make(&database).unwrap();
            acknowledged.push((disk.syncs(), receipt));
        }
        for sync in 0..disk.syncs() {
            let told = acknowledged.iter().filter(|(syncs, _)| *syncs <= sync);
            let receipts: Vec<Receipt> = told.map(|(_, receipt)| receipt.clone()).collect();
            run.check(disk.cut_at(sync, &mut random), &receipts);
        }
        assert!(disk.syncs() >= run.writes.len());
    }
}
