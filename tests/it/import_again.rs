//! Importing again: what was made is made once, whatever stopped the import before.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use solon::base::ManualClock;
use solon::base::limits::IMPORT_CHUNK_ITEMS_MAX;
use solon::db::{Database, ErrorKind, Imported, Options};
use solon::model::{Incarnation, T};
use solon::store::Store;

use crate::support::START_MS;
use crate::support::disk::Disk;
use crate::support::random::Random;

fn options() -> Options {
    Options {
        clock: Arc::new(ManualClock::at(START_MS)),
        ..Options::default()
    }
}

fn made_on(disk: &Disk) -> Database {
    let store = Store::create_on(disk.clone(), Incarnation([3; 16])).unwrap();
    Database::start(store, &options()).unwrap()
}

fn opened_on(disk: &Disk) -> Database {
    let store = Store::open_on(Disk::of(disk.bytes())).unwrap();
    Database::start(store, &options()).unwrap()
}

/// A schema, and persons who know earlier ones by their tempids, in transactions of a few.
fn persons(count: usize) -> String {
    let mut text = String::new();
    for item in [
        json!({"_id": "_collection", "name": "person"}),
        json!({"_id": "_predicate", "name": "person/name", "type": "string"}),
        json!({"_id": "_predicate", "name": "person/knows", "type": "ref", "multi": true}),
        json!({"_id": "_predicate", "name": "person/kind", "type": "tag"}),
    ] {
        writeln!(text, "{item}").unwrap();
    }
    let mut random = Random::new(7);
    for n in 0..count {
        let kind = random.pick(&["a", "b", "c"]);
        let known: Vec<String> = (0..n.min(2))
            .map(|_| format!("person${}", random.index(n)))
            .collect();
        let person = json!({"_id": format!("person${n}"), "name": format!("p{n}"), "kind": kind, "knows": known});
        match n % 3 {
            0 => writeln!(text, "{person}").unwrap(),
            _ => writeln!(text, "{}", json!([person])).unwrap(),
        }
    }
    text
}

/// Everything, with its ids, and the number of blocks.
fn told(database: &Database) -> (T, String) {
    let all = database
        .root()
        .query(r#"{"select": ["*"], "from": "person"}"#);
    (database.head().t, all.unwrap().body)
}

fn imported(database: &Database, text: &str) -> Imported {
    database
        .import(text.as_bytes(), |_| ())
        .unwrap_or_else(|stopped| panic!("{stopped}"))
}

#[test]
fn an_import_that_a_failing_disk_stopped_anywhere_goes_on_and_ends_as_an_unbroken_one() {
    let text = persons(10);
    let disk = Disk::default();
    let whole = made_on(&disk);
    let before = disk.changes();
    let report = imported(&whole, &text);
    let expected = told(&whole);
    let changes = disk.changes() - before;
    let mut skipped = Vec::new();
    for change in (0..changes).step_by(7) {
        let disk = Disk::default();
        let failing = made_on(&disk);
        disk.fail_at(disk.changes() + change);
        let stopped = failing.import(text.as_bytes(), |_| ()).unwrap_err();
        assert_eq!(stopped.error.kind(), ErrorKind::Unavailable);
        drop(failing);
        let again = opened_on(&disk);
        let rest = imported(&again, &text);
        assert_eq!(told(&again), expected);
        assert_eq!(rest.items, report.items);
        // What was told to be made is there; one more may be, that nobody was told of.
        assert!(rest.skipped >= stopped.imported.items);
        skipped.push(rest.skipped);
    }
    assert!(
        skipped.first() == Some(&0) && skipped.last() > Some(&8),
        "{skipped:?}"
    );
}

#[test]
fn what_was_imported_is_skipped_with_its_tempids_and_what_follows_it_is_made() {
    let (few, more) = (persons(6), persons(9));
    assert!(more.starts_with(&few));
    let unbroken = made_on(&Disk::default());
    imported(&unbroken, &more);
    let expected = told(&unbroken).1;

    let disk = Disk::default();
    let database = made_on(&disk);
    let first = imported(&database, &few);
    let head = database.head();
    let again = imported(&database, &few);
    assert_eq!((again.items, again.skipped), (first.items, first.items));
    assert_eq!((again.transactions, again.flakes), (0, 0));
    assert_eq!(database.head(), head, "nothing is made twice");
    drop(database);

    // The text went on since, and its items refer to what was made long ago.
    let database = opened_on(&disk);
    let rest = imported(&database, &more);
    assert_eq!(rest.skipped, first.items);
    assert_eq!(rest.items - rest.skipped, 3);
    assert_eq!(told(&database).1, expected);

    // As one array it is the same import.
    let items: Vec<String> = more
        .lines()
        .map(|line| line.trim_matches(['[', ']']).to_owned())
        .collect();
    let lines = made_on(&Disk::default());
    imported(&lines, &items.join("\n"));
    let again = imported(&lines, &format!("[{}]", items.join(" ,\n")));
    assert_eq!(again.items, again.skipped);
}

#[test]
fn an_import_does_not_go_on_behind_what_was_erased_of_it() {
    let (few, more) = (persons(6), persons(9));
    let database = made_on(&Disk::default());
    imported(&database, &few);
    let block = database.head().t;
    let erase = format!(r#"[{{"_id": -{}, "_action": "erase"}}]"#, block.0);
    database.transact(&erase).unwrap();
    let head = database.head();
    // What its tempids became went with it, so nothing that follows could refer to it.
    for text in [&few, &more] {
        let stopped = database.import(text.as_bytes(), |_| ()).unwrap_err();
        assert_eq!(stopped.error.code(), "db/idempotency");
        assert_eq!(database.head(), head);
    }
}

#[test]
fn an_error_that_is_mended_lets_the_import_go_on_behind_what_was_made() {
    let whole = persons(8);
    let broken = whole.replace(r#""name":"p7""#, r#""nam":"p7""#);
    let database = made_on(&Disk::default());
    let stopped = database.import(broken.as_bytes(), |_| ()).unwrap_err();
    assert_eq!(stopped.first_line, 12);
    let made = stopped.imported.items;
    let rest = imported(&database, &whole);
    assert_eq!((rest.skipped, rest.items), (made, 12));
    let unbroken = made_on(&Disk::default());
    imported(&unbroken, &whole);
    assert_eq!(told(&database), told(&unbroken));
}

#[test]
fn where_it_was_cut_into_transactions_does_not_matter() {
    let item = |n: usize| json!({"_id": "person", "name": format!("p{n}")}).to_string();
    let text = |count: usize| {
        let schema = persons(0);
        let items = (0..count).map(|n| item(n) + "\n");
        schema + &items.collect::<String>()
    };
    let database = made_on(&Disk::default());
    let few = imported(&database, &text(IMPORT_CHUNK_ITEMS_MAX - 10));
    assert_eq!(few.transactions, 2);
    // Unbroken, the next transaction would end behind ten more.
    let more = imported(&database, &text(IMPORT_CHUNK_ITEMS_MAX + 10));
    assert_eq!((more.skipped, more.transactions), (few.items, 1));
    let all = imported(&database, &text(IMPORT_CHUNK_ITEMS_MAX + 10));
    assert_eq!(all.skipped, all.items);
}

#[test]
fn who_imports_is_part_of_what_is_made_once() {
    let database = made_on(&Disk::default());
    imported(&database, &persons(0));
    database
        .transact(
            r#"[{"_id": "_auth", "id": "ann", "roles": [{"_id": "_role", "id": "r", "rules": [
                 {"_id": "_rule", "id": "r", "collection": "person", "predicates": ["*"],
                  "fns": [["_fn/name", "true"]], "ops": ["transact", "query"]}]}]}]"#,
        )
        .unwrap();
    let text = r#"{"_id": "person", "name": "p"}"#;
    let as_ann = || database.import_as("ann", text.as_bytes(), |_| ()).unwrap();
    assert_eq!(imported(&database, text).skipped, 0);
    assert_eq!(as_ann().skipped, 0);
    assert_eq!(as_ann().skipped, 1);
    assert_eq!(imported(&database, text).skipped, 1);
}

#[test]
fn two_imports_of_one_text_at_one_time_make_it_once() {
    let text = persons(12);
    let unbroken = made_on(&Disk::default());
    imported(&unbroken, &text);
    let database = made_on(&Disk::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(imported(&database, &text).items, 16));
        }
    });
    assert_eq!(told(&database), told(&unbroken));
}
