//! Many callers at once: nothing acknowledged is lost, nothing is there by halves, and a revocation that is
//! acknowledged is seen by every request that starts after.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use solon::db::{Database, ErrorKind, Options};

use crate::support::{Db, office, rule};

const WRITERS: u64 = 8;
const EACH: u64 = 25;

fn numbers(db: &Database) -> Vec<i64> {
    let answer = db
        .root()
        .query(r#"{"select": ["size"], "from": "doc"}"#)
        .unwrap()
        .body;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer
        .as_array()
        .unwrap()
        .iter()
        .map(|doc| doc["size"].as_i64().unwrap())
        .collect()
}

/// Writers that each make pairs of documents; the receipts' blocks.
fn write_pairs(db: &Db) -> BTreeSet<u64> {
    let blocks: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    let mut blocks = Vec::new();
                    for n in 0..EACH {
                        let size = writer * 1_000 + n;
                        let pair = json!([
                            {"_id": "doc", "key": format!("a{size}"), "size": size},
                            {"_id": "doc", "key": format!("b{size}"), "size": size}]);
                        blocks.push(db.root(&pair).block.0);
                        // A read never sees one of a pair.
                        let seen = numbers(&db.database);
                        let distinct: BTreeSet<i64> = seen.iter().copied().collect();
                        assert_eq!(seen.len(), 2 * distinct.len(), "a transaction by halves");
                        assert!(
                            distinct.contains(&i64::try_from(size).unwrap()),
                            "one's own receipt"
                        );
                    }
                    blocks
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_eq!(
        blocks.len(),
        blocks.iter().collect::<BTreeSet<_>>().len(),
        "one block each"
    );
    blocks.into_iter().collect()
}

#[test]
fn what_many_writers_are_acknowledged_is_there_in_blocks_without_a_gap() {
    let db = office();
    let before = db.database.head().t.0;
    let blocks = write_pairs(&db);
    let expected: BTreeSet<u64> = (before + 1..=before + WRITERS * EACH).collect();
    assert_eq!(blocks, expected);
    let seen: BTreeSet<i64> = numbers(&db.database).into_iter().collect();
    assert_eq!(u64::try_from(seen.len()).unwrap(), WRITERS * EACH);
    db.database.verify().unwrap();
}

#[test]
fn one_of_many_who_write_the_same_unique_value_is_accepted() {
    let db = office();
    for round in 0..10 {
        let item = json!([{"_id": "doc", "key": format!("k{round}")}]).to_string();
        let accepted: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| db.database.transact(&item)))
                .collect();
            writers
                .into_iter()
                .map(|writer| match writer.join().unwrap() {
                    Ok(_) => 1,
                    Err(error) => {
                        assert_eq!(
                            (error.kind(), error.code()),
                            (ErrorKind::Conflict, "db/unique")
                        );
                        0
                    }
                })
                .sum()
        });
        assert_eq!(accepted, 1);
    }
}

#[test]
fn law_13_no_request_that_starts_after_an_acknowledged_revocation_sees_what_it_took() {
    let db = office();
    db.auth(
        "ann",
        Some("ann"),
        &[rule("size", "doc", &["doc/size"], "true", &["query"])],
    );
    db.root(&json!([rule(
        "title",
        "doc",
        &["doc/title"],
        "true",
        &["query"]
    )]));
    db.root(&json!([{"_id": "doc", "title": "secret", "size": 1}]));
    let role = json!(["_role/id", "ann-role"]);
    let grant = json!([{"_id": role, "rules": [["_rule/id", "title"]]}]);
    let revoke = json!([{"_id": role, "rules": [["_rule/id", "title"]], "_action": "delete"}]);
    // Even while the title is revoked and acknowledged so; odd from just before a grant is asked for.
    let phase = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let checked = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut checked = 0_u64;
                    while !done.load(Ordering::SeqCst) {
                        let before = phase.load(Ordering::SeqCst);
                        let query = r#"{"select": ["title", "size"], "from": "doc"}"#;
                        let answer = db.database.view("ann").unwrap().query(query).unwrap().body;
                        let after = phase.load(Ordering::SeqCst);
                        if before == after && before.is_multiple_of(2) {
                            assert!(!answer.contains("secret"), "a revoked fact was shown");
                            checked += 1;
                        }
                    }
                    checked
                })
            })
            .collect();
        for _ in 0..150 {
            phase.fetch_add(1, Ordering::SeqCst);
            db.root(&grant);
            let query = r#"{"select": ["title"], "from": "doc"}"#;
            let seen = db.database.view("ann").unwrap().query(query).unwrap().body;
            assert!(
                seen.contains("secret"),
                "a grant that is acknowledged is in force too"
            );
            db.root(&revoke);
            phase.fetch_add(1, Ordering::SeqCst);
            // Long enough for reads to begin and end between two changes.
            for _ in 0..8 {
                let seen = db.database.view("ann").unwrap().query(query).unwrap().body;
                assert!(!seen.contains("secret"));
            }
        }
        done.store(true, Ordering::SeqCst);
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<u64>()
    });
    assert!(checked > 0, "no read fell between two changes");
}

#[test]
fn law_13_a_write_that_waits_behind_a_revocation_is_refused() {
    let db = office();
    db.auth(
        "ann",
        Some("ann"),
        &[rule("all", "doc", &["*"], "true", &["all"])],
    );
    let revoked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let before = revoked.load(Ordering::SeqCst);
                        match db.write("ann", &json!([{"_id": "doc", "title": "x"}])) {
                            Ok(_) => assert!(!before, "a write after an acknowledged revocation"),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Denied);
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        db.root(&json!([{"_id": ["_rule/id", "all"], "_action": "delete"}]));
        revoked.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn what_was_accepted_before_a_close_is_there_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    let live = Database::open_with(&path, &Options::default()).unwrap();
    live.transact(
        r#"[{"_id": "_collection", "name": "note"},
            {"_id": "_predicate", "name": "note/n", "type": "int", "unique": true}]"#,
    )
    .unwrap();
    let acknowledged: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let live = live.clone();
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    for n in 0.. {
                        let number = writer * 100_000 + n;
                        let text = json!([{"_id": "note", "n": number}]).to_string();
                        match live.transact(&text) {
                            Ok(_) => acknowledged.push(number),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Unavailable);
                                break;
                            }
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        // Some are under way when it closes.
        while live.head().t.0 < 10 {
            std::thread::yield_now();
        }
        live.close();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    drop(live);
    let reopened = Database::open_with(&path, &Options::default()).unwrap();
    let answer = reopened
        .root()
        .query(r#"{"select": ["n"], "from": "note"}"#)
        .unwrap()
        .body;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let there: BTreeSet<u64> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["n"].as_u64().unwrap())
        .collect();
    for number in acknowledged {
        assert!(
            there.contains(&number),
            "{number} was acknowledged and is not there"
        );
    }
    reopened.verify().unwrap();
}
