//! What a receipt promises when the power goes or the disk fails, through the whole of a database.

use std::sync::Arc;

use serde_json::json;
use solon::base::ManualClock;
use solon::db::{Database, ErrorKind, Options, Receipt};
use solon::model::{Incarnation, T};
use solon::store::Store;

use crate::support::START_MS;
use crate::support::disk::Disk;
use crate::support::random::{Random, seeds};

const INCARNATION: Incarnation = Incarnation([3; 16]);

fn options() -> Options {
    Options {
        clock: Arc::new(ManualClock::at(START_MS)),
        ..Options::default()
    }
}

fn database(disk: &Disk) -> Database {
    let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
    Database::start(store, &options()).unwrap()
}

/// A schema, and then a note a transaction, some of them changed or deleted again.
fn transactions() -> Vec<String> {
    let mut all = vec![json!([
        {"_id": "_collection", "name": "note"},
        {"_id": "_predicate", "name": "note/number", "type": "int", "unique": true},
        {"_id": "_predicate", "name": "note/text", "type": "string"}])];
    for n in 0..8 {
        all.push(json!([{"_id": "note", "number": n, "text": format!("note {n}")}]));
    }
    all.push(json!([{"_id": ["note/number", 3], "text": "changed"}]));
    all.push(json!([{"_id": ["note/number", 4], "_action": "delete"}]));
    all.iter().map(ToString::to_string).collect()
}

/// The notes that are there, and how many blocks.
fn told(database: &Database) -> (T, String) {
    let query = r#"{"select": ["number", "text"], "from": "note"}"#;
    let notes = match database.root().query(query) {
        Ok(answer) => answer.body,
        // Before its schema is there, nobody knows what a note is.
        Err(error) => error.code().to_owned(),
    };
    (database.head().t, notes)
}

#[test]
fn after_a_power_cut_every_receipt_holds_and_no_transaction_is_there_by_halves() {
    for seed in seeds(1) {
        println!("SOLON_SEED={seed} cargo test after_a_power_cut_every_receipt");
        let mut random = Random::new(seed);
        let disk = Disk::default();
        let live = database(&disk);
        disk.keep_syncs();
        // What each prefix of the transactions tells, and how many syncs had passed when its last was acknowledged.
        let mut prefixes = vec![(0, told(&live))];
        let mut receipts: Vec<Receipt> = Vec::new();
        for text in transactions() {
            receipts.push(live.transact(&text).unwrap());
            prefixes.push((disk.syncs(), told(&live)));
        }
        for sync in 0..disk.syncs() {
            let store = Store::open_on(disk.cut_at(sync, &mut random)).unwrap();
            let reopened = Database::start(store, &options()).unwrap();
            let promised = prefixes.iter().rfind(|(syncs, _)| *syncs <= sync).unwrap();
            let found = told(&reopened);
            assert!(found.0 >= promised.1.0, "a receipt was lost");
            assert!(
                prefixes.iter().any(|(_, prefix)| *prefix == found),
                "by halves: {found:?}"
            );
            for receipt in receipts.iter().filter(|receipt| receipt.block == found.0) {
                assert_eq!(reopened.head().hash.to_string(), receipt.hash);
            }
            reopened.verify().unwrap();
        }
    }
}

#[test]
fn a_disk_that_fails_ends_writing_and_not_reading_until_the_database_is_opened_again() {
    let count = {
        let disk = Disk::default();
        let live = database(&disk);
        let before = disk.changes();
        for text in transactions() {
            live.transact(&text).unwrap();
        }
        disk.changes() - before
    };
    for at in (0..count).step_by(3) {
        let disk = Disk::default();
        let live = database(&disk);
        disk.fail_at(disk.changes() + at);
        let mut acknowledged = told(&live);
        let mut failed = false;
        for text in transactions() {
            match live.transact(&text) {
                Ok(_) => {
                    assert!(!failed, "a receipt after the disk failed");
                    acknowledged = told(&live);
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => failed = true,
                // What stands on a transaction that failed is refused for what it lacks.
                Err(error) => assert!(failed && error.kind() == ErrorKind::Invalid, "{error}"),
            }
            assert_eq!(
                told(&live),
                acknowledged,
                "what is read is what was acknowledged"
            );
        }
        assert!(failed);
        assert_eq!(live.can_write().unwrap_err().kind(), ErrorKind::Unavailable);
        live.verify().unwrap();
        drop(live);
        let store = Store::open_on(Disk::of(disk.bytes())).unwrap();
        let reopened = Database::start(store, &options()).unwrap();
        assert!(told(&reopened).0 >= acknowledged.0);
        reopened.can_write().unwrap();
        reopened.verify().unwrap();
    }
}

#[test]
fn a_rebuilt_database_tells_the_same_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let live = Database::open_with(dir.path().join("a.redb"), &options()).unwrap();
    for text in transactions() {
        live.transact(&text).unwrap();
    }
    let copy = dir.path().join("b.redb");
    live.rebuild(&copy).unwrap();
    assert_eq!(
        live.rebuild(&copy).unwrap_err().kind(),
        ErrorKind::Invalid,
        "there is a file"
    );
    let rebuilt = Database::open_with(&copy, &options()).unwrap();
    assert_eq!(rebuilt.head(), live.head());
    assert_eq!(told(&rebuilt), told(&live));
    let past = r#"{"select": ["number", "text"], "from": "note", "block": 6}"#;
    assert_eq!(rebuilt.root().query(past), live.root().query(past));
    rebuilt.verify().unwrap();
    rebuilt
        .transact(r#"[{"_id": "note", "number": 100}]"#)
        .unwrap();
}

#[test]
fn a_file_that_is_open_is_refused_to_others_and_a_closed_database_writes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    let live = Database::open_with(&path, &options()).unwrap();
    let other = Database::open_with(&path, &options()).unwrap_err();
    assert_eq!(
        (other.kind(), other.code()),
        (ErrorKind::Unavailable, "db/file-in-use")
    );
    live.close();
    let refused = live.transact("[]").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(
        live.root()
            .query(r#"{"select": ["*"], "from": "_auth"}"#)
            .is_ok()
    );
    drop(live);
    assert!(Database::open_with(&path, &options()).is_ok());
    std::fs::write(dir.path().join("c.redb"), b"no database").unwrap();
    let foreign = Database::open_with(dir.path().join("c.redb"), &options()).unwrap_err();
    assert_eq!(
        (foreign.kind(), foreign.code()),
        (ErrorKind::Invalid, "db/not-a-database")
    );
}
