//! What is erased is nowhere: in no table, not in the log, and not in the bytes of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{Database, Options, sign_command};
use solon::store::Store;
use solon::token::CommandKey;

use crate::support::{Db, START_MS, default_rule, deny, furnish, office, rule};

struct Home {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Home {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(START_MS)),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("db.redb")
    }

    fn open(&self) -> Database {
        let options = Options {
            clock: Arc::clone(&self.clock) as _,
            ..Options::default()
        };
        Database::open_with(self.path(), &options).unwrap()
    }

    /// How many files there are in the folder.
    fn files(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }
}

fn transact(database: &Database, items: &Value) -> solon::Receipt {
    database
        .transact(&items.to_string())
        .unwrap_or_else(|error| panic!("{error}: {items}"))
}

fn schema(database: &Database) {
    transact(
        database,
        &json!([
            {"_id": "_collection", "name": "note"},
            {"_id": "_predicate", "name": "note/key", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "note/text", "type": "string", "index": true},
            {"_id": "_predicate", "name": "note/json", "type": "json"},
            {"_id": "_predicate", "name": "note/bytes", "type": "bytes"},
            {"_id": "_predicate", "name": "note/tags", "type": "string", "multi": true},
            {"_id": "_predicate", "name": "note/about", "type": "ref"},
            {"_id": "_predicate", "name": "note/fleeting", "type": "string", "index": true, "noHistory": true},
        ]),
    );
}

fn holds(path: &Path, pattern: &[u8]) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(pattern.len()).any(|part| part == pattern)
}

/// Whether a file, or a copy of it that is opened, holds the pattern.
fn check_gone(home: &Home, patterns: &[&str]) {
    let copy = home.dir.path().join("copy.redb");
    std::fs::copy(home.path(), &copy).unwrap();
    for pattern in patterns {
        assert!(!holds(&home.path(), pattern.as_bytes()), "{pattern}");
    }
    let store = Store::open(&copy).unwrap();
    assert_eq!(store.scrub_due().unwrap(), None);
    store.verify().unwrap();
    let again = Store::create(home.dir.path().join("again.redb"), store.incarnation()).unwrap();
    let again = Store::rebuild(&store, again).unwrap();
    assert_eq!(again.verify().unwrap(), store.verify().unwrap());
    drop((store, again));
    std::fs::remove_file(copy).unwrap();
    std::fs::remove_file(home.dir.path().join("again.redb")).unwrap();
}

fn long(word: &str) -> String {
    word.repeat(600)
}

#[test]
fn what_is_erased_is_nowhere_in_the_file() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    let of = |key: &str| json!(["note/key", key]);
    transact(
        &database,
        &json!([
            {"_id": "note$a", "key": "a", "text": "first-zebra-word", "tags": ["one-quagga-tag", "kept-tag"],
             "json": "{\"it\":\"json-okapi-word\"}", "bytes": "6f6b6170692d6279746573"},
            {"_id": "note", "key": "b", "text": long("long-gnu-"), "about": "note$a"},
            {"_id": "note", "key": "c", "text": "stays-here"},
        ]),
    );
    // Superseded, so that it stands in history too.
    transact(
        &database,
        &json!([{"_id": of("a"), "text": "second-zebra-word"}, {"_id": of("b"), "text": "short"}]),
    );
    assert!(holds(&home.path(), b"first-zebra-word"));

    // One value, of every moment.
    transact(
        &database,
        &json!([{"_id": of("a"), "_action": "erase", "text": "first-zebra-word", "tags": ["one-quagga-tag"]}]),
    );
    check_gone(&home, &["first-zebra-word", "one-quagga-tag"]);
    assert!(holds(&home.path(), b"second-zebra-word"));
    assert!(holds(&home.path(), b"kept-tag"));

    // One predicate.
    transact(
        &database,
        &json!([{"_id": of("b"), "_action": "erase", "text": null}]),
    );
    check_gone(&home, &["long-gnu-"]);

    // A whole subject, which another refers to.
    let erased = transact(&database, &json!([{"_id": of("a"), "_action": "erase"}]));
    assert_eq!(erased.flakes.len(), 1, "{erased:?}");
    assert!(erased.erased.is_some_and(|it| it > 4), "{erased:?}");
    check_gone(
        &home,
        &[
            "second-zebra-word",
            "kept-tag",
            "json-okapi-word",
            "okapi-bytes",
        ],
    );
    assert!(holds(&home.path(), b"stays-here"));
    assert_eq!(home.files(), 1);

    // It goes on, in this life and the next.
    transact(&database, &json!([{"_id": "note", "key": "a"}]));
    let head = database.head();
    database.verify().unwrap();
    drop(database);
    let database = home.open();
    assert_eq!(database.head(), head);
    transact(&database, &json!([{"_id": "note", "key": "d"}]));
    let answer = database
        .root()
        .query(r#"{"select": ["key"], "from": "note", "block": 4}"#)
        .unwrap();
    assert!(!answer.body.contains("\"a\""), "{}", answer.body);
}

#[test]
fn a_subject_that_is_gone_can_still_be_erased() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    let made = transact(
        &database,
        &json!([{"_id": "note$x", "text": "gone-zebra-word"}]),
    );
    let s = made.flakes[0].s.raw();
    transact(&database, &json!([{"_id": s, "_action": "delete"}]));
    assert!(holds(&home.path(), b"gone-zebra-word"));
    let erased = transact(&database, &json!([{"_id": s, "_action": "erase"}]));
    assert_eq!(erased.erased, Some(2));
    check_gone(&home, &["gone-zebra-word"]);
    // Now it never was.
    let again = json!([{"_id": s, "_action": "erase"}]).to_string();
    assert_eq!(
        database.transact(&again).unwrap_err().code(),
        "db/invalid-tx"
    );
    // And its id is not used again.
    let next = transact(&database, &json!([{"_id": "note$x", "text": "next"}]));
    assert!(next.flakes[0].s.raw() > s);
}

#[test]
fn what_keeps_no_history_is_in_the_log_no_more_and_leaves_the_file_with_the_next_erasing() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    let key = json!(["note/key", "a"]);
    transact(
        &database,
        &json!([{"_id": "note", "key": "a", "fleeting": "zebra-0"}]),
    );
    for round in 1..5 {
        let items = json!([{"_id": key, "fleeting": format!("zebra-{round}")}]);
        let receipt = transact(&database, &items);
        assert_eq!((receipt.flakes.len(), receipt.erased), (2, None));
    }
    let verified = database.verify().unwrap();
    assert_eq!(verified.erased, 8);
    transact(
        &database,
        &json!([{"_id": key, "_action": "erase", "text": null}]),
    );
    assert!(holds(&home.path(), b"zebra-4"));
    // Nothing was there to erase, so the file was not written anew.
    transact(&database, &json!([{"_id": key, "text": "x"}]));
    transact(
        &database,
        &json!([{"_id": key, "_action": "erase", "text": "x"}]),
    );
    check_gone(&home, &["zebra-0", "zebra-1", "zebra-2", "zebra-3"]);
    assert!(holds(&home.path(), b"zebra-4"));
    transact(&database, &json!([{"_id": key, "_action": "delete"}]));
    database.verify().unwrap();
}

/// A command of root, signed by a key of its own.
fn command(database: &Database, nonce: i64, tx: &Value) -> solon::Receipt {
    let key = CommandKey::parse(&"07".repeat(32)).unwrap();
    let text = json!({
        "type": "tx", "db": "local/default", "auth": "root", "nonce": nonce,
        "expire": START_MS + 60_000, "tx": tx,
    });
    let body = sign_command(&key, &text.to_string()).unwrap();
    database.command("local/default", &body).unwrap()
}

#[test]
fn what_a_signed_command_said_goes_with_the_facts_it_made() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    let public = CommandKey::parse(&"07".repeat(32)).unwrap().public();
    transact(
        &database,
        &json!([{"_id": ["_auth/id", "root"], "publicKey": public.to_string()}]),
    );
    let made = command(
        &database,
        1,
        &json!([{"_id": "note", "key": "a", "text": "signed-zebra-word", "fleeting": "signed-gnu-word"},
                {"_id": "note", "key": "b", "text": "other-command"}]),
    );
    let kept = command(
        &database,
        2,
        &json!([{"_id": "note", "text": "kept-command"}]),
    );
    let replaced = json!([{"_id": ["note/key", "a"], "fleeting": "signed-okapi-word"}]);
    let replaced = command(&database, 3, &replaced);
    let said = |block: solon::model::T| {
        let s = solon::model::SubjectId::of_block(block).raw();
        let query = json!({"select": ["_tx/tx", "_tx/sig"], "from": s}).to_string();
        database.root().query(&query).unwrap().body
    };
    // The first command went with the value that keeps no history; it would be kept whole or not at all.
    assert!(!said(made.block).contains("_tx/"), "{}", said(made.block));
    assert!(said(kept.block).contains("kept-command"));
    assert!(said(replaced.block).contains("signed-okapi-word"));
    let erased = command(
        &database,
        4,
        &json!([{"_id": ["note/key", "a"], "_action": "erase", "text": "signed-zebra-word", "fleeting": null}]),
    );
    assert!(!said(replaced.block).contains("_tx/"));
    assert!(!said(erased.block).contains("_tx/"));
    check_gone(
        &home,
        &[
            "signed-zebra-word",
            "signed-gnu-word",
            "signed-okapi-word",
            "other-command\\\"",
        ],
    );
    assert!(holds(&home.path(), b"kept-command"));
    database.verify().unwrap();
    // Erasing all that a block says leaves what keeps a command from being made twice.
    let s = solon::model::SubjectId::of_block(kept.block).raw();
    transact(&database, &json!([{"_id": s, "_action": "erase"}]));
    let key = CommandKey::parse(&"07".repeat(32)).unwrap();
    let text = json!({
        "type": "tx", "db": "local/default", "auth": "root", "nonce": 2,
        "expire": START_MS + 60_000, "tx": [{"_id": "note", "text": "again"}],
    });
    let body = sign_command(&key, &text.to_string()).unwrap();
    let replay = database.command("local/default", &body).unwrap_err();
    assert_eq!(replay.code(), "db/replay");
}

#[test]
fn readers_of_the_old_file_read_on() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    let made = transact(
        &database,
        &json!([{"_id": "note$x", "text": "old-zebra-word"}]),
    );
    let s = made.flakes[0].s.raw();
    let view = database.view("root").unwrap();
    let query = json!({"select": ["text"], "from": s}).to_string();
    let before = view.query(&query).unwrap();
    transact(&database, &json!([{"_id": s, "_action": "erase"}]));
    transact(&database, &json!([{"_id": "note", "text": "more"}]));
    assert_eq!(view.query(&query).unwrap(), before);
    drop(view);
    let now = database.root().query(&query).unwrap();
    assert!(!now.body.contains("old-zebra-word"));
    database.verify().unwrap();
}

#[test]
fn who_reads_while_the_file_is_written_anew_is_answered() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    for n in 0..8 {
        transact(
            &database,
            &json!([{"_id": "note", "key": n.to_string(), "text": "read-zebra-word"}]),
        );
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let query = r#"{"select": ["key", "text"], "from": "note", "block": 6}"#;
                let mut last = usize::MAX;
                while !is_over.load(Ordering::Relaxed) {
                    let body = database.root().query(query).unwrap().body;
                    let left = body.matches("read-zebra-word").count();
                    assert!(left <= last, "what was erased came back: {body}");
                    last = left;
                }
            });
        }
        for n in 0..8 {
            let erase = json!([{"_id": ["note/key", n.to_string()], "_action": "erase"}]);
            transact(&database, &erase);
            transact(
                &database,
                &json!([{"_id": "note", "key": format!("more-{n}")}]),
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
    check_gone(&home, &["read-zebra-word"]);
}

#[test]
fn writers_at_once_erase_each_others_values_and_the_chain_holds() {
    let home = Home::new();
    let database = home.open();
    schema(&database);
    transact(
        &database,
        &json!([{"_id": "note", "key": "all", "fleeting": "from-0"}]),
    );
    // They come in groups, so that most of what is superseded is not in the log yet.
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let database = &database;
            scope.spawn(move || {
                for n in 0..12 {
                    let text = format!("from-{writer}-{n}");
                    let items = json!([{"_id": ["note/key", "all"], "fleeting": text}]);
                    transact(database, &items);
                    if writer == 0 && n % 4 == 0 {
                        let key = format!("own-{n}");
                        transact(
                            database,
                            &json!([{"_id": "note", "key": key, "text": "at-once"}]),
                        );
                        let erase = json!([{"_id": ["note/key", key], "_action": "erase"}]);
                        transact(database, &erase);
                    }
                }
            });
        }
    });
    let verified = database.verify().unwrap();
    // Each write but the last was superseded; three notes of two facts were erased.
    assert_eq!(verified.erased, 2 * (8 * 12) + 3 * 4);
    check_gone(&home, &["at-once"]);
}

#[cfg(unix)]
#[test]
fn a_file_behind_a_link_is_written_anew_where_it_is() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("real.redb");
    drop(Database::open(&target).unwrap());
    std::os::unix::fs::symlink(&target, home.path()).unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&target, mode).unwrap();
    let database = home.open();
    schema(&database);
    transact(
        &database,
        &json!([{"_id": "note", "key": "a", "text": "linked-zebra-word"}]),
    );
    transact(
        &database,
        &json!([{"_id": ["note/key", "a"], "_action": "erase"}]),
    );
    assert!(home.path().is_symlink());
    assert!(!holds(&target, b"linked-zebra-word"));
    let mode = std::fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The lock went with the name.
    let other = Database::open(&target).unwrap_err();
    assert_eq!(other.code(), "db/file-in-use");
}

/// Ann, with these rules in her role.
fn with_rules(rules: &[Value]) -> Db {
    let db = office();
    db.auth("ann", Some("ann"), rules);
    db.root(&json!([{"_id": "_user", "username": "bob"}]));
    furnish(&db);
    db
}

const OWN: &str = r#"(== (get (?s) "doc/owner") (?user_id))"#;

#[test]
fn law_11_the_op_erase_is_judged_at_its_subject_and_is_not_in_all() {
    let erase = |key: &str| json!([{"_id": ["doc/key", key], "_action": "erase"}]);
    let sees = rule("sees", "doc", &["*"], "true", &["all"]);
    let db = with_rules(std::slice::from_ref(&sees));
    assert_eq!(db.refused("ann", &erase("a")).code(), "db/no-permission");
    let own = default_rule("own", "doc", OWN, &["erase"]);
    let db = with_rules(&[sees.clone(), own.clone()]);
    assert_eq!(db.refused("ann", &erase("b")).code(), "db/no-permission");
    db.write("ann", &erase("a")).unwrap();
    // An error in a rule is no; a deny that says yes or fails denies.
    let fails = default_rule(
        "fails",
        "doc",
        r#"(< (get (?s) "doc/size") nil)"#,
        &["erase"],
    );
    for rules in [
        vec![sees.clone(), fails.clone()],
        vec![sees, own, deny(fails)],
    ] {
        let db = with_rules(&rules);
        assert_eq!(db.refused("ann", &erase("a")).code(), "db/no-permission");
    }
}

#[test]
fn law_11_in_the_systems_collections_root_alone_erases() {
    let ops = &["all", "erase"];
    let db = with_rules(&[
        default_rule("users", "_user", "true", ops),
        default_rule("auths", "_auth", "true", ops),
        default_rule("rules", "_rule", "true", ops),
        default_rule("txs", "_tx", "true", ops),
        default_rule("tokens", "_token", "true", ops),
    ]);
    for id in [
        json!(["_user/username", "bob"]),
        json!(["_auth/id", "ann"]),
        json!(["_rule/id", "users"]),
        json!(-2),
    ] {
        let erase = json!([{"_id": id, "_action": "erase"}]);
        assert_eq!(db.refused("ann", &erase).code(), "db/no-permission", "{id}");
    }
}

#[test]
fn law_14_a_guess_at_a_hidden_value_is_erased_like_one_that_never_was() {
    let told = |secret: &str| {
        let db = with_rules(&[
            rule(
                "sees",
                "doc",
                &["doc/title", "doc/key", "doc/owner"],
                "true",
                &["query"],
            ),
            default_rule("erases", "doc", OWN, &["erase"]),
        ]);
        let erase = json!([{"_id": ["doc/key", "a"], "_action": "erase", "secret": secret}]);
        let solon::Receipt {
            block,
            flakes,
            erased,
            fuel,
            tempids,
            ..
        } = db.write("ann", &erase).unwrap();
        (block, flakes, erased, fuel, tempids)
    };
    let (right, wrong) = (told("s-a"), told("s-x"));
    assert_eq!(right, wrong);
    // Law 15: how much was erased is told to root alone.
    assert_eq!(right.2, None);
}

#[test]
fn law_8_what_is_hidden_is_erased_like_what_is_absent() {
    let db = with_rules(&[
        rule("sees", "doc", &["*"], OWN, &["query"]),
        default_rule("erases", "doc", "true", &["erase"]),
    ]);
    let s = db.ask(
        "root",
        &json!({"select": ["key"], "from": ["doc/key", "b"]}),
    )[0]["_id"]
        .clone();
    let refused = |id: Value| {
        let error = db.refused("ann", &json!([{"_id": id, "_action": "erase"}]));
        (
            error.code(),
            error.message().to_owned(),
            error.at().map(str::to_owned),
        )
    };
    let absent = refused(json!(["doc/key", "nobody"]));
    assert_eq!(absent.0, "db/invalid-tx");
    assert_eq!(refused(json!(["doc/key", "b"])), absent);
    assert_eq!(refused(s.clone()), absent);
    // Gone too.
    db.root(&json!([{"_id": ["doc/key", "b"], "_action": "delete"}]));
    assert_eq!(refused(s), absent);
    assert_eq!(refused(json!((20_i64 << 44) + 900)), absent);
}

#[test]
fn a_trial_tells_of_erasing_and_erases_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = solon::Folder::open(dir.path(), &Options::default()).unwrap();
    let database = folder.database();
    schema(database);
    transact(
        database,
        &json!([{"_id": "note", "key": "a", "text": "tried-zebra-word"}]),
    );
    let session = folder
        .session(&folder.root_token(60).unwrap(), None)
        .unwrap();
    let head = database.head();
    let tried = |id: &str| {
        let tx = json!([{"_id": ["note/key", id], "_action": "erase"}]);
        session.test_transact(&json!({"tx": tx}).to_string())
    };
    assert!(tried("a").unwrap().flakes.is_empty());
    assert_eq!(tried("x").unwrap_err().code(), "db/invalid-tx");
    assert_eq!(database.head(), head);
    let query = r#"{"select": ["text"], "from": "note"}"#;
    assert!(
        database
            .root()
            .query(query)
            .unwrap()
            .body
            .contains("tried-zebra-word")
    );
}

/// A file with a block that erases, as a process leaves it that is killed before it writes the file anew.
fn due(home: &Home) -> Vec<u8> {
    let database = home.open();
    schema(&database);
    transact(
        &database,
        &json!([{"_id": "note", "key": "a", "text": "due-zebra-word"}]),
    );
    drop(database);
    let store = Store::open_as_it_is(home.path()).unwrap();
    let before = std::fs::read(home.path()).unwrap();
    drop(store);
    let database = home.open();
    let s = json!(["note/key", "a"]);
    transact(&database, &json!([{"_id": s, "_action": "erase"}]));
    let sealed = {
        drop(database);
        let store = Store::open(home.path()).unwrap();
        let head = store.head();
        let snapshot = store.snapshot().unwrap();
        snapshot.log(head.t).unwrap().unwrap()
    };
    // The block alone, on the file as it was before.
    std::fs::write(home.path(), before).unwrap();
    let store = Store::open(home.path()).unwrap();
    let erases = erasing_again(&store, &sealed.commit.erasure);
    store.append(&[erases]).unwrap();
    assert!(store.scrub_due().unwrap().is_some());
    drop(store);
    std::fs::read(home.path()).unwrap()
}

/// A block like one that was erased out of its own log.
fn erasing_again(store: &Store, erasure: &solon::model::Erasure) -> solon::store::Sealed {
    use solon::model::{Commit, Digest, Flake, Op, SubjectId, T};
    let snapshot = store.snapshot().unwrap();
    let head = store.head();
    let mut flakes = Vec::new();
    for erased in erasure.flakes.iter().filter(|it| it.t <= head.t) {
        let logged = snapshot.log(T(erased.t.0)).unwrap().unwrap();
        let index = usize::try_from(erased.index).unwrap();
        flakes.push(Flake {
            op: Op::Retract,
            ..logged.commit.flakes[index].clone()
        });
    }
    flakes.sort();
    let commit = Commit {
        t: head.t.next(),
        instant_ms: head.instant_ms,
        auth: SubjectId::from_raw(6 << 44).unwrap(),
        id: Digest([1; 32]),
        secret: [2; 16],
        flakes,
        erasure: erasure.clone(),
    };
    solon::store::seal(store.incarnation(), &head, commit).unwrap()
}

#[test]
fn whenever_it_is_killed_the_file_is_whole_and_is_written_anew_when_it_is_opened() {
    let home = Home::new();
    let due = due(&home);
    let beside = home.dir.path().join("db.redb.scrub");
    let whole = {
        let store = Store::open(home.path()).unwrap();
        assert_eq!(store.scrub_due().unwrap(), None);
        drop(store);
        std::fs::read(home.path()).unwrap()
    };
    assert!(!holds(&home.path(), b"due-zebra-word"));
    let lengths = [0, 1, whole.len() / 3, whole.len() - 1, whole.len()];
    for (main, length) in lengths.iter().map(|length| (&due, Some(*length))).chain([
        (&due, None),
        (&whole, None),
        (&whole, Some(7)),
    ]) {
        std::fs::write(home.path(), main).unwrap();
        if let Some(length) = length {
            std::fs::write(&beside, &whole[..length]).unwrap();
        }
        let database = home.open();
        check_gone(&home, &["due-zebra-word"]);
        assert_eq!(home.files(), 1);
        database.verify().unwrap();
        transact(&database, &json!([{"_id": "note", "key": "a"}]));
    }
}

#[test]
fn a_file_that_cannot_be_written_anew_stays_due_and_is_read_and_written() {
    let home = Home::new();
    due(&home);
    // A folder stands where the new file would be made.
    let beside = home.dir.path().join("db.redb.scrub");
    let database = home.open();
    let items = json!([{"_id": "note$x", "key": "k", "text": "stuck-zebra-word"}]);
    transact(&database, &items);
    std::fs::create_dir(&beside).unwrap();
    let erase = json!([{"_id": ["note/key", "k"], "_action": "erase"}]).to_string();
    let refused = database.transact(&erase).unwrap_err();
    assert_eq!(refused.code(), "db/scrub-due");
    let head = database.head();
    // It is erased all the same: nobody reads it.
    let query = r#"{"select": ["text"], "from": "note"}"#;
    assert!(!database.root().query(query).unwrap().body.contains("stuck"));
    transact(&database, &json!([{"_id": "note", "text": "goes-on"}]));
    assert!(holds(&home.path(), b"stuck-zebra-word"));
    std::fs::remove_dir(&beside).unwrap();
    drop(database);
    let database = home.open();
    assert!(database.head().t > head.t);
    check_gone(&home, &["stuck-zebra-word"]);
}
