//! Importing: the two forms, the edges of transactions, tempids over the whole, lines of errors, going on where it
//! was stopped, and how much is read ahead.

use std::cell::Cell;
use std::io::{self, Read};

use serde_json::{Value, json};
use solon::base::limits::{
    IMPORT_CHUNK_BYTES_MAX, IMPORT_CHUNK_ITEMS_MAX, IMPORT_CHUNK_VALUES_MAX,
    IMPORT_JUDGED_VALUES_MAX, IMPORT_LINE_BYTES_MAX,
};
use solon::db::{ErrorKind, ImportStopped, Imported, LimitKind};

use crate::support::{Db, office, rule};

fn import(db: &Db, text: &str) -> Result<Imported, ImportStopped> {
    db.database.import(text.as_bytes(), |_| ())
}

fn imported(db: &Db, text: &str) -> Imported {
    import(db, text).unwrap_or_else(|stopped| panic!("{stopped}"))
}

fn titles(db: &Db) -> Vec<String> {
    let query = json!({"select": ["title"], "from": "doc", "opts": {"orderBy": ["ASC", "title"]}});
    let told = db.ask("root", &query);
    let told = told.as_array().unwrap().iter();
    told.map(|it| it["title"].as_str().unwrap().to_owned())
        .collect()
}

fn doc(title: &str) -> String {
    json!({"_id": "doc", "title": title}).to_string()
}

#[test]
fn lines_and_one_array_are_told_apart_and_read_alike() {
    let (a, b, c) = (doc("a"), doc("b"), doc("c"));
    for (text, transactions, lines) in [
        // Lines, each an item; blank ones and Windows' ends are nothing.
        (format!("{a}\n{b}\n{c}\n"), 1, 4),
        (format!("{a}\n\r\n  {b}  \r\n{c}"), 1, 4),
        // Lines that are transactions.
        (format!("[{a}]\n[{b},{c}]\n"), 2, 3),
        (format!("{a}\n[{b}]\n{c}"), 3, 3),
        (format!("\n\n[{a}] \n\n\n {b}\n{c}"), 2, 7),
        // One array, on as many lines as it likes.
        (format!("[{a},{b},{c}]"), 1, 1),
        (format!(" \n[{a},{b},{c}]\n"), 1, 3),
        (format!("[\n{a},\n{b}\n,{c}]"), 1, 4),
        (format!("[ {a} , {b},\n\n {c} ]\n"), 1, 4),
    ] {
        let db = office();
        let report = imported(&db, &text);
        assert_eq!(titles(&db), ["a", "b", "c"], "{text}");
        let Imported {
            lines: told,
            bytes,
            items,
            skipped,
            flakes,
            ..
        } = report;
        assert_eq!((items, skipped, flakes), (3, 0, 3), "{text}");
        assert_eq!(report.transactions, transactions, "{text}");
        assert_eq!((told, bytes), (lines, text.len() as u64), "{text}");
    }
    for nothing in ["", " \n\n", "[]", "[ \n]\n", "[]\n[]\n"] {
        let db = office();
        let head = db.database.head();
        assert_eq!(imported(&db, nothing).items, 0, "{nothing}");
        assert_eq!(db.database.head(), head, "{nothing}");
    }
}

const JSON: &str = "db/invalid-json";
const SHAPE: &str = "db/invalid-transaction";
const INVALID: &str = "db/invalid-tx";

/// Importing `text` is refused on this line and at this place in it, and so many items stay.
fn check_refusal(text: &str, line: u64, at: &str, code: &str, stay: u64) {
    let db = office();
    let stopped = import(&db, text).unwrap_err();
    let found = (stopped.first_line, stopped.error.at().unwrap_or_default());
    assert_eq!(found, (line, at), "{text}: {stopped}");
    assert_eq!(stopped.error.code(), code, "{text}: {stopped}");
    assert_eq!(stopped.error.kind(), ErrorKind::Invalid, "{text}");
    assert_eq!(titles(&db).len() as u64, stay, "{text}: {stopped}");
    assert_eq!(stopped.imported.items, stay, "{text}: {stopped}");
}

#[test]
fn the_first_error_is_told_with_its_line_and_the_place_in_it() {
    let (a, b) = (doc("a"), doc("b"));
    let bad = r#"{"_id": "doc", "size": "x"}"#;
    let dog = r#"{"_id": "dog", "a": 1}"#;
    let color = r#"{"_id": "doc", "color": 1}"#;
    for (text, line, at, code, stay) in [
        // Malformed JSON: what stands before it is imported.
        (format!("{a}\n{b}\n{{\"_id\": }}"), 3, "column 9", JSON, 2),
        (format!("{a}\n{{\n"), 2, "column 1", JSON, 1),
        (format!("{a}\n{b} {b}\n"), 2, "column 27", JSON, 1),
        (format!("[{a}] {b}\n"), 1, "column 29", JSON, 0),
        // A bad item: its transaction is refused.
        (format!("{a}\n5\n"), 2, "", SHAPE, 0),
        (format!("{a}\n{{\"title\": \"b\"}}"), 2, "", SHAPE, 0),
        (format!("[{a}]\n[{b}, 5]\n"), 2, "/1", SHAPE, 1),
        (format!("{a}\n\n{bad}\n{b}"), 3, "/size", INVALID, 0),
        (format!("[{a}]\n[{b},{bad}]"), 2, "/1/size", INVALID, 1),
        (format!("{a}\n{dog}\n"), 2, "/_id", INVALID, 0),
        (format!("{a}\n{color}\n"), 2, "/color", INVALID, 0),
    ] {
        check_refusal(&text, line, at, code, stay);
    }
    let db = office();
    let text = b"{\"_id\": \"doc\", \"title\": \"\xff\"}";
    let stopped = db.database.import(&text[..], |_| ()).unwrap_err();
    assert_eq!(stopped.error.code(), JSON);
}

#[test]
fn of_one_array_the_line_is_told_on_which_the_item_begins_or_on_which_json_fails() {
    let (a, b) = (doc("a"), doc("b"));
    let bad = r#"{"_id": "doc", "size": "x"}"#;
    let torn = "{\"_id\": \"doc\",\n\"title\":: 1}";
    for (text, line, at, code, stay) in [
        (format!("[\n{a},\n{b},\n{bad}\n]"), 4, "/size", INVALID, 0),
        (format!("[\n{a},\n{torn}]"), 4, "column 9", JSON, 1),
        (format!("[\n{a}\n{b}]"), 3, "", JSON, 1),
        (format!("[\n{a},\n]"), 3, "", JSON, 1),
        (format!("[\n{a}\n,\n"), 4, "", JSON, 1),
        (format!("[\n{a}"), 2, "", JSON, 1),
        ("[".to_owned(), 1, "", JSON, 0),
        (format!("[\n{a}]\n{b}\n"), 3, "", JSON, 1),
        (format!("[\n{a}]]"), 2, "", JSON, 1),
    ] {
        check_refusal(&text, line, at, code, stay);
    }
}

#[test]
fn a_refusal_of_the_whole_names_all_its_lines_and_one_of_the_disk_is_unavailable() {
    let db = office();
    let text = format!("{}\n{}\n", doc("a"), doc("b"));
    db.database.close();
    let stopped = import(&db, &text).unwrap_err();
    assert_eq!((stopped.first_line, stopped.last_line), (1, 2));
    assert_eq!(stopped.error.kind(), ErrorKind::Unavailable);
    assert!(
        stopped.to_string().starts_with("lines 1 to 2: "),
        "{stopped}"
    );
}

#[test]
fn a_named_tempid_is_good_for_the_whole_import() {
    let db = office();
    let text = [
        r#"[{"_id": "team$a", "name": "alpha"}]"#,
        // The same subject: a later part of it, a ref to it, and texts that are none.
        r#"[{"_id": "team$a", "lead": "_user$ann"}, {"_id": "_user$ann", "username": "ann"}]"#,
        r#"{"_id": "doc$one", "key": "one", "title": "team$a", "team": "team$a", "owner": "_user$ann"}"#,
        r#"[{"_id": "doc$two", "key": "two", "readers": ["doc$one", "team$a", {"_id": "team$b", "name": "beta"}]}]"#,
        r#"{"_id": "doc$two", "team": "team$b"}"#,
    ]
    .join("\n");
    assert_eq!(imported(&db, &text).items, 6);
    let query = json!({"selectOne": ["title", {"team": ["name", {"lead": ["username"]}]}], "from": ["doc/key", "one"]});
    let one = db.ask("root", &query);
    assert_eq!(one["title"], "team$a");
    assert_eq!(one["team"]["name"], "alpha");
    assert_eq!(one["team"]["lead"]["username"], "ann");
    let query = json!({"selectOne": ["readers", {"team": ["name"]}], "from": ["doc/key", "two"]});
    let two = db.ask("root", &query);
    assert_eq!(two["readers"].as_array().unwrap().len(), 3);
    assert_eq!(two["team"]["name"], "beta");
    let teams = db.ask("root", &json!({"select": ["name"], "from": "team"}));
    assert_eq!(teams.as_array().unwrap().len(), 2);

    // Used before the transaction that defines it.
    let text = format!(
        "[{}]\n[{}]\n",
        json!({"_id": "doc", "team": "team$c"}),
        r#"{"_id": "team$c", "name": "c"}"#
    );
    let stopped = import(&db, &text).unwrap_err();
    assert_eq!(
        stopped.to_string(),
        "line 1, /0/team: tempid `team$c` is the `_id` of no item before this transaction or in it"
    );
    // A tempid of an import is unknown to the next.
    let text = json!({"_id": "doc", "team": "team$a"}).to_string();
    assert_eq!(
        import(&db, &text).unwrap_err().error.code(),
        "db/invalid-tx"
    );
}

#[test]
fn what_the_schema_gains_is_there_for_the_lines_behind_it() {
    let text = [
        r#"{"_id": "_collection", "name": "person"}"#,
        r#"{"_id": "_predicate", "name": "person/handle", "type": "string", "unique": true}"#,
        r#"{"_id": "person", "handle": "ada"}"#,
        r#"{"_id": "_predicate", "name": "person/age", "type": "int"}"#,
        r#"{"_id": ["_predicate/name", "person/handle"], "doc": "what they are called"}"#,
        r#"{"_id": ["person/handle", "ada"], "age": 36}"#,
    ];
    let whole = format!("[{}]", text.join(","));
    for text in [text.join("\n"), whole] {
        let db = Db::new();
        let report = imported(&db, &text);
        assert_eq!((report.items, report.transactions), (6, 4));
        let query = json!({"selectOne": ["age"], "from": ["person/handle", "ada"]});
        assert_eq!(db.ask("root", &query)["age"], 36);
    }
    // A transaction of its own is not cut, and sees the schema as it was.
    let db = Db::new();
    let stopped = import(&db, &format!("[{}]\n{}", text[..3].join(","), text[3])).unwrap_err();
    assert_eq!(stopped.error.code(), "db/invalid-tx");
    assert_eq!(stopped.error.at(), Some("/2/_id"));
}

#[test]
fn a_transaction_takes_so_much_and_no_more() {
    let numbered = |count: usize| -> String {
        let items = (0..count).map(|n| format!("{}\n", json!({"_id": "doc", "size": n})));
        items.collect()
    };
    let lists = |values: usize| -> String {
        let item = |n: usize, count: usize| {
            let numbers: Vec<usize> = (n..n + count).collect();
            format!("{}\n", json!({"_id": "doc", "numbers": numbers}))
        };
        (0..values)
            .step_by(1_000)
            .map(|n| item(n, (values - n).min(1_000)))
            .collect()
    };
    // Lines of a kibibyte, their ends left out.
    let long = |lines: usize| -> String {
        let title = "a".repeat(1_024 - doc("").len());
        format!("{}\n", doc(&title)).repeat(lines)
    };
    for (text, transactions) in [
        (numbered(IMPORT_CHUNK_ITEMS_MAX), 1),
        (numbered(IMPORT_CHUNK_ITEMS_MAX + 1), 2),
        (lists(IMPORT_CHUNK_VALUES_MAX), 1),
        (lists(IMPORT_CHUNK_VALUES_MAX + 1), 2),
        (long(IMPORT_CHUNK_BYTES_MAX / 1_024), 1),
        (long(IMPORT_CHUNK_BYTES_MAX / 1_024 + 1), 2),
    ] {
        let db = office();
        db.root(
            &json!([{"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]),
        );
        assert_eq!(imported(&db, &text).transactions, transactions);
    }
    // Under rules.
    for (count, transactions) in [
        (IMPORT_JUDGED_VALUES_MAX, 1),
        (IMPORT_JUDGED_VALUES_MAX + 1, 2),
    ] {
        let db = office();
        db.auth(
            "ann",
            None,
            &[rule("all", "doc", &["*"], "true", &["transact", "query"])],
        );
        let report = db
            .database
            .import_as("ann", numbered(count).as_bytes(), |_| ())
            .unwrap();
        assert_eq!(report.transactions, transactions);
    }
}

#[test]
fn a_line_has_so_many_bytes_and_no_more() {
    let line = |bytes: usize| {
        let item = doc("a");
        format!(
            "{}{}{}",
            &item[..item.len() - 1],
            " ".repeat(bytes - item.len()),
            "}"
        )
    };
    let most = line(IMPORT_LINE_BYTES_MAX);
    let more = line(IMPORT_LINE_BYTES_MAX + 1);
    for (before, behind) in [
        ("", ""),
        ("", "\n"),
        ("", "\r\n"),
        ("[\n", "]"),
        ("[\n", "\n]\n"),
    ] {
        let db = office();
        assert_eq!(imported(&db, &format!("{before}{most}{behind}")).items, 1);
        let text = format!("{before}{more}{behind}");
        let stopped = import(&db, &text).unwrap_err();
        assert_eq!(stopped.error.kind(), ErrorKind::Limit(LimitKind::Body));
    }
    // An array that is longer than a line may be is one array all the same.
    let db = office();
    let long = doc(&"a".repeat(1_000_000));
    let items = vec![long; IMPORT_LINE_BYTES_MAX / 1_000_000 + 1];
    let report = imported(&db, &format!("[{}]", items.join(",")));
    assert_eq!((report.lines, report.items), (1, items.len() as u64));
}

#[test]
fn an_import_as_an_auth_is_judged_by_its_rules_and_tells_the_line_that_they_refuse() {
    let db = office();
    db.auth(
        "ann",
        Some("ann"),
        &[
            rule("small", "doc", &["doc/size"], "(< (?o) 10)", &["transact"]),
            rule("see", "doc", &["*"], "true", &["query"]),
        ],
    );
    let text = "{\"_id\": \"doc\", \"size\": 1}\n{\"_id\": \"doc\", \"size\": 11}\n";
    let stopped = db
        .database
        .import_as("ann", text.as_bytes(), |_| ())
        .unwrap_err();
    assert_eq!(stopped.error.kind(), ErrorKind::Denied);
    assert_eq!((stopped.first_line, stopped.error.at()), (2, Some("/size")));
    let stopped = db
        .database
        .import_as("nobody", text.as_bytes(), |_| ())
        .unwrap_err();
    assert_eq!(stopped.error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_tempid_of_what_its_author_does_not_see_is_one_of_nothing() {
    let db = office();
    let all = |id: &str, ops: &[&str]| rule(id, "doc", &["*"], "true", ops);
    db.auth("blind", None, &[all("write", &["transact"])]);
    db.auth("seeing", None, &[all("both", &["transact", "query"])]);
    let made = r#"[{"_id": "doc$a", "size": 1}]"#;
    for (later, at) in [
        (r#"[{"_id": "doc", "readers": ["doc$a"]}]"#, "/0/readers/0"),
        (
            r#"[{"_id": ["doc/key", "none"], "readers": ["doc$a"]}]"#,
            "/0/_id",
        ),
    ] {
        let as_blind = |text: &str| {
            db.database
                .import_as("blind", text.as_bytes(), |_| ())
                .unwrap_err()
        };
        let known = as_blind(&format!("{made}\n{later}"));
        let unknown = as_blind(&format!("[]\n{later}"));
        assert_eq!(known.error.at(), Some(at));
        assert_eq!(
            known.error, unknown.error,
            "made and not seen reads as never made"
        );
    }
    let text = format!("{made}\n{}", r#"[{"_id": "doc", "readers": ["doc$a"]}]"#);
    assert!(
        db.database
            .import_as("seeing", text.as_bytes(), |_| ())
            .is_ok()
    );
}

#[test]
fn what_erases_is_a_transaction_of_its_own() {
    let db = office();
    let erase = |key: &str| json!({"_id": ["doc/key", key], "_action": "erase"}).to_string();
    let keyed = |key: &str| json!({"_id": "doc", "key": key, "title": key}).to_string();
    let lines = [
        keyed("a"),
        keyed("b"),
        keyed("c"),
        erase("a"),
        erase("b"),
        doc("d"),
    ];
    let report = imported(&db, &lines.join("\n"));
    assert_eq!((report.items, report.transactions), (6, 3));
    assert_eq!(titles(&db), ["c", "d"]);
    assert_eq!(imported(&db, &lines.join("\n")).skipped, 6);
}

/// Items without an end, and how many of them were read.
struct Endless<'c> {
    read: &'c Cell<u64>,
    begun: bool,
    is_array: bool,
}

impl Read for Endless<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let opened = !self.begun && self.is_array;
        self.begun = true;
        let end = if self.is_array { ",\n" } else { "\n" };
        let text = format!("{}{}{end}", if opened { "[\n" } else { "" }, doc("a"));
        let length = text.len().min(out.len());
        assert_eq!(length, text.len(), "a reader is given room");
        out[..length].copy_from_slice(text.as_bytes());
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}

#[test]
fn no_more_is_read_than_one_transaction_needs_whatever_the_length_of_the_whole() {
    for is_array in [false, true] {
        let db = office();
        let read = Cell::new(0);
        let input = Endless {
            read: &read,
            begun: false,
            is_array,
        };
        let ahead = Cell::new(0_u64);
        // Hearing how far it is, we end it after a few transactions by closing the database.
        let stopped = db.database.import(input, |imported| {
            ahead.set(ahead.get().max(read.get().saturating_sub(imported.bytes)));
            if imported.transactions == 3 {
                db.database.close();
            }
        });
        let stopped = stopped.unwrap_err();
        assert_eq!(stopped.imported.transactions, 3);
        assert!(
            ahead.get() <= 64 * 1024,
            "{} bytes are read ahead",
            ahead.get()
        );
    }
}

#[test]
fn what_says_that_it_begins_must_say_that_it_ends() {
    let (a, b) = (doc("a"), doc("b"));
    let start = json!({"start": {"by": "state", "block": 3}});
    let end = |items: u64| json!({"end": {"items": items}});
    for (text, stay, line) in [
        (format!("{start}\n{a}\n{b}\n{}\n", end(2)), 2, None),
        (format!("{a}\n{b}\n{}\n", end(2)), 2, None),
        (format!("{start}\n{}\n", end(0)), 0, None),
        (format!("{start}\n{a}\n{b}\n"), 2, Some(4)),
        (format!("{start}\n{a}\n{}\n", end(2)), 1, Some(3)),
        (format!("{start}\n{a}\n{}\n{b}\n", end(1)), 1, Some(4)),
        (format!("{start}\n{start}\n{a}\n"), 0, Some(2)),
        (format!("{a}\n{start}\n"), 1, Some(2)),
        (
            format!("{}\n{a}\n", json!({"start": {"by": "block"}})),
            0,
            Some(1),
        ),
        (format!("{a}\n{}\n", json!({"end": null})), 1, Some(2)),
    ] {
        let db = office();
        let outcome = import(&db, &text);
        assert_eq!(titles(&db).len() as u64, stay, "{text}");
        match (outcome, line) {
            (Ok(report), None) => assert_eq!(report.items, stay, "{text}"),
            (Err(stopped), Some(line)) => {
                let found = (stopped.first_line, stopped.error.code());
                assert_eq!(found, (line, "db/invalid-import"), "{text}: {stopped}");
            }
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }
}

#[test]
fn values_are_read_as_a_transaction_reads_them() {
    let db = office();
    let text = r#"{"_id": "doc", "key": "a", "title": "x", "label": "draft", "size": 1}
{"_id": ["doc/key", "a"], "title": null, "size": 2}
{"_id": ["doc/key", "a"], "label": "draft", "_action": "delete"}"#;
    let lines: Vec<String> = text.lines().map(|line| format!("[{line}]")).collect();
    imported(&db, &lines.join("\n"));
    let query = json!({"selectOne": ["title", "size", "label"], "from": ["doc/key", "a"]});
    let told: Value = db.ask("root", &query);
    assert_eq!(told["size"], 2);
    assert!(
        told.get("title").is_none() && told.get("label").is_none(),
        "{told}"
    );
}
