//! Exporting: what is exported and imported again is the same state, what is hidden or sealed is in no export, and
//! blocks are told as they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::base::limits::EXPORT_SECONDS_MAX;
use solon::db::{Database, ErrorKind, LimitKind, Options};
use solon::model::{self, Direction, Facts as _, Incarnation, SubjectId, T, ValueType};
use solon::schema::Schema;
use solon::store::Store;

use crate::support::disk::Disk;
use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Db, START_MS, deny, furnish, office, rule};

fn exported(database: &Database) -> String {
    let mut out = Vec::new();
    let told = database.export(&mut out, |_, _| ()).unwrap();
    assert_eq!(told.bytes, out.len() as u64);
    String::from_utf8(out).unwrap()
}

fn exported_as(database: &Database, auth: &str) -> String {
    let mut out = Vec::new();
    database.export_as(auth, &mut out, |_, _| ()).unwrap();
    String::from_utf8(out).unwrap()
}

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

fn transact(database: &Database, items: &Value) {
    database
        .transact(&items.to_string())
        .unwrap_or_else(|error| panic!("{error}: {items}"));
}

/// A state with its ids taken out: for each subject a number that stands for its facts, for what it refers to and
/// what refers to it, some steps far.
fn without_ids(disk: &Disk) -> BTreeMap<String, Vec<u64>> {
    let store = Store::open_on(Disk::of(disk.bytes())).unwrap();
    let facts = store.snapshot().unwrap();
    let schema = Schema::load(&facts).unwrap();
    let mut own: BTreeMap<SubjectId, Vec<(String, String)>> = BTreeMap::new();
    let mut refs: BTreeSet<(SubjectId, String, SubjectId)> = BTreeSet::new();
    for c in schema.collections().filter(|it| it.name != "_tx".into()) {
        facts
            .collection(c.id, Direction::Ascending, None, &mut |fact| {
                let it = schema.predicate(fact.p).unwrap();
                if it.sealed || it.by_engine {
                    return ControlFlow::Continue(());
                }
                let said = own.entry(fact.s).or_default();
                match fact.o.to_value() {
                    model::Value::Ref(to) => drop(refs.insert((fact.s, it.name.to_string(), to))),
                    o => said.push((it.name.to_string(), format!("{o:?}"))),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    // A ref to a subject that lost its last fact is absent, and then perhaps so is who had nothing else.
    loop {
        let before = own.len();
        refs.retain(|(_, _, to)| own.contains_key(to));
        let with_refs: BTreeSet<SubjectId> = refs.iter().map(|(s, ..)| *s).collect();
        own.retain(|s, said| !said.is_empty() || with_refs.contains(s));
        if own.len() == before {
            break;
        }
    }
    let number = |said: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        said(&mut hasher);
        hasher.finish()
    };
    let mut told: BTreeMap<SubjectId, u64> = own
        .iter()
        .map(|(s, said)| {
            (
                *s,
                number(&|hasher| (s.collection().raw(), said).hash(hasher)),
            )
        })
        .collect();
    for _ in 0..6 {
        let mut around: BTreeMap<SubjectId, Vec<(u64, &str, u64)>> = BTreeMap::new();
        for (s, p, to) in &refs {
            let target = told.get(to).copied().unwrap_or(0);
            around.entry(*s).or_default().push((0, p, target));
            around.entry(*to).or_default().push((1, p, told[s]));
        }
        told = told
            .iter()
            .map(|(s, before)| {
                let mut near = around.get(s).cloned().unwrap_or_default();
                near.sort_unstable();
                (*s, number(&|hasher| (before, &near).hash(hasher)))
            })
            .collect();
    }
    let mut by_collection: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (s, number) in told {
        let name = schema.collection(s.collection()).unwrap().name.to_string();
        by_collection.entry(name).or_default().push(number);
    }
    for numbers in by_collection.values_mut() {
        numbers.sort_unstable();
    }
    by_collection
}

/// Exports, imports into a new database, and compares the two without their ids.
fn check_round_trip(disk: &Disk, database: &Database) -> String {
    let text = exported(database);
    let other_disk = Disk::default();
    let other = made_on(&other_disk);
    let report = other
        .import(text.as_bytes(), |_| ())
        .unwrap_or_else(|stopped| panic!("{stopped}\n{text}"));
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(end["end"]["items"], report.items);
    let (expected, found) = (without_ids(disk), without_ids(&other_disk));
    for (name, numbers) in &expected {
        assert_eq!(found.get(name), Some(numbers), "of `{name}`\n{text}");
    }
    assert_eq!(found.len(), expected.len());
    other.verify().unwrap();
    text
}

const TYPES: [(&str, ValueType); 16] = [
    ("string", ValueType::String),
    ("boolean", ValueType::Boolean),
    ("int", ValueType::Int),
    ("long", ValueType::Long),
    ("float", ValueType::Float),
    ("double", ValueType::Double),
    ("instant", ValueType::Instant),
    ("uuid", ValueType::Uuid),
    ("uri", ValueType::Uri),
    ("bytes", ValueType::Bytes),
    ("json", ValueType::Json),
    ("tag", ValueType::Tag),
    ("ref", ValueType::Ref),
    ("bigint", ValueType::Bigint),
    ("bigdec", ValueType::Bigdec),
    ("geojson", ValueType::Geojson),
];

fn value(random: &mut Random, of: ValueType, subjects: usize) -> Value {
    let n = i32::try_from(random.below(1_000)).unwrap();
    let real = f64::from(n) / 8.0;
    match of {
        ValueType::Boolean => json!(n % 2 == 0),
        ValueType::Int | ValueType::Instant => json!(n),
        ValueType::Long => json!(i64::from(n) << 40),
        ValueType::Float | ValueType::Double => json!(real),
        ValueType::Uuid => json!(format!("67e55044-10b1-426f-9247-bb680e{n:06}")),
        ValueType::Uri => json!(format!("urn:n:{n}")),
        ValueType::Bytes => json!(format!("{n:06}")),
        ValueType::Json => json!([{"n": n, "_id": "x"}, null, 1.5, "#(x)"]),
        ValueType::Tag => json!(format!("t{}", n % 7)),
        ValueType::Ref => {
            let of = random.pick(&["a", "b", "c"]);
            json!(format!("{of}${}", random.index(subjects)))
        }
        ValueType::Bigint => json!(format!("7{n}00000000000000000000000000")),
        ValueType::Bigdec => json!(format!("-{n}.000000000000000000000000{}", n % 9 + 1)),
        ValueType::Geojson => json!({"type": "Point", "coordinates": [real, 1.5]}),
        ValueType::String => json!(format!("text \"{n}\" é\n")),
    }
}

fn schema(database: &Database) {
    let mut items = vec![
        json!({"_id": "_collection", "name": "c", "doc": "refs alone"}),
        json!({"_id": "_collection", "name": "b"}),
        json!({"_id": "_collection", "name": "a"}),
        json!({"_id": "_predicate", "name": "c/one", "type": "ref"}),
        json!({"_id": "_predicate", "name": "c/many", "type": "ref", "multi": true}),
        json!({"_id": "_predicate", "name": "a/key", "type": "string", "unique": true, "upsert": true}),
        json!({"_id": "_predicate", "name": "_user/nick", "type": "string", "doc": "our own"}),
        json!({"_id": "_predicate", "name": "_role/peers", "type": "ref", "multi": true}),
        json!({"_id": "_predicate", "name": "_auth/peers", "type": "ref", "multi": true}),
    ];
    for of in ["a", "b"] {
        for (name, _) in TYPES {
            items.push(json!({"_id": "_predicate", "name": format!("{of}/{name}"), "type": name}));
            let many = format!("{of}/{name}s");
            items.push(json!({"_id": "_predicate", "name": many, "type": name, "multi": true, "doc": "several"}));
        }
    }
    transact(database, &Value::Array(items));
}

/// Identities and rules that are wired both ways, and functions that call later ones.
fn policy(database: &Database) {
    transact(
        database,
        &json!([
            {"_id": "_fn$first", "name": "first", "code": "true"},
            {"_id": "_fn$second", "name": "second", "params": ["n"], "code": "(== n 1)", "doc": "of one"},
        ]),
    );
    transact(
        database,
        &json!([
            {"_id": ["_fn/name", "first"], "code": "(second (?o))"},
            {"_id": "_rule$see", "id": "see", "collection": "a", "predicates": ["a/int", "a/string"],
             "fns": [["_fn/name", "first"]], "ops": ["query", "transact"], "errorMessage": "no \"n\""},
            {"_id": "_rule$not", "id": "not", "collection": "b", "collectionDefault": true, "effect": "deny",
             "fns": [["_fn/name", "true"]], "ops": ["all"]},
            {"_id": "_role$r", "id": "r", "rules": ["_rule$see", "_rule$not"], "peers": ["_role$q", ["_role/id", "root"]]},
            {"_id": "_role$q", "id": "q", "rules": ["_rule$see"], "peers": ["_role$r", "_role$q"]},
            {"_id": "_auth$x", "id": "x", "roles": ["_role$r"], "peers": ["_auth$y", ["_auth/id", "root"]]},
            {"_id": "_auth$y", "id": "y", "roles": ["_role$q"], "peers": ["_auth$x"]},
            {"_id": "_user", "username": "u", "auth": ["_auth$x"], "nick": "you"},
            {"_id": ["_setting/id", "root"], "doc": "ours", "anonymous": "_auth$y"},
            {"_id": "_setting", "id": "other", "tokenMaxSeconds": 60},
            {"_id": "_tag", "id": "a/tag:with/slash", "doc": "a tag that looks like an id"},
            {"_id": ["_collection/name", "a"], "version": "2"},
        ]),
    );
}

fn subjects(database: &Database, random: &mut Random, count: usize) {
    let mut items = Vec::new();
    for n in 0..count {
        for of in ["a", "b"] {
            let mut item = json!({"_id": format!("{of}${n}")});
            for (name, value_type) in TYPES {
                if random.one_in(3) {
                    item[name] = value(random, value_type, count);
                }
                if random.one_in(4) {
                    let many: Vec<Value> =
                        (0..3).map(|_| value(random, value_type, count)).collect();
                    item[format!("{name}s")] = json!(many);
                }
            }
            item["string"] = json!(format!("{of} {}", random.below(5)));
            if of == "a" && random.one_in(2) {
                item["key"] = json!(format!("k{n}"));
            }
            items.push(item);
        }
        // Some stand on refs alone, to earlier and later ones, to themselves and to each other.
        let one = value(random, ValueType::Ref, count);
        let many = [
            value(random, ValueType::Ref, count),
            json!(["_auth/id", "root"]),
        ];
        items.push(match random.below(3) {
            0 => json!({"_id": format!("c${n}"), "one": one}),
            1 => json!({"_id": format!("c${n}"), "one": format!("c${}", random.index(count))}),
            _ => json!({"_id": format!("c${n}"), "many": many}),
        });
    }
    transact(database, &Value::Array(items));
}

#[test]
fn what_is_exported_and_imported_is_the_same_state() {
    for seed in seeds(6) {
        let _repeat = Repeat {
            test: "what_is_exported_and_imported",
            seed,
        };
        let mut random = Random::new(seed);
        let disk = Disk::default();
        let database = made_on(&disk);
        schema(&database);
        policy(&database);
        subjects(&database, &mut random, 12);
        // Some are changed and some go again, so that ids have gaps and facts are of many ages.
        for of in ["a", "b", "c"] {
            let query = json!({"select": ["_id"], "from": of}).to_string();
            let told: Value =
                serde_json::from_str(&database.root().query(&query).unwrap().body).unwrap();
            for it in told.as_array().unwrap() {
                if random.one_in(6) {
                    // What has lost its last fact with another is gone already.
                    let items = json!([{"_id": it["_id"], "_action": "delete"}]);
                    let _ = database.transact(&items.to_string());
                } else if of != "c" && random.one_in(4) {
                    let items =
                        json!([{"_id": it["_id"], "int": 7, "string": null, "json": {"z": 1}}]);
                    let _ = database.transact(&items.to_string());
                }
            }
        }
        transact(
            &database,
            &json!([{"_id": "a", "key": "f", "tag": "a/tag:with/slash", "string": "#(str \"#(\" \"rand)\")"}]),
        );
        // A spec binds what is written after it, and what was there before comes back all the same.
        transact(
            &database,
            &json!([{"_id": ["_predicate/name", "a/int"], "specDoc": "none is",
                     "spec": [{"_id": "_fn", "name": "below", "code": "(< (?o) 0)"}]},
                    {"_id": ["_collection/name", "c"], "spec": [["_fn/name", "false"]]}]),
        );
        // What is named anew is exported under its new name, and its tags with it.
        transact(
            &database,
            &json!([{"_id": ["_predicate/name", "a/tags"], "name": "a/labels"},
                    {"_id": ["_collection/name", "b"], "name": "bee"}]),
        );
        let text = check_round_trip(&disk, &database);
        assert!(
            text.contains(r##""#(rand)""##),
            "a text that is written as a function is a text"
        );
    }
}

#[test]
fn subjects_that_refer_to_each_other_alone_are_made_together() {
    let disk = Disk::default();
    let database = made_on(&disk);
    schema(&database);
    transact(
        &database,
        &json!([
            // A circle of three with a tail, a circle of one, a chain to what has a scalar, and a fork into circles.
            {"_id": "c$1", "one": "c$2"}, {"_id": "c$2", "one": "c$3"}, {"_id": "c$3", "one": "c$1"},
            {"_id": "c$0", "one": "c$1"}, {"_id": "c$4", "one": "c$4"},
            {"_id": "c$5", "one": "c$6"}, {"_id": "c$6", "many": ["c$7", "a$1"]}, {"_id": "c$7", "one": "b$1"},
            {"_id": "b$1", "refs": ["a$1", "c$5"]}, {"_id": "a$1", "int": 1},
            {"_id": "c$8", "many": ["c$9", "c$1"]}, {"_id": "c$9", "many": ["c$8", "c$4"]},
        ]),
    );
    let text = check_round_trip(&disk, &database);
    assert_eq!(
        text.lines().filter(|line| line.starts_with('[')).count(),
        1,
        "{text}"
    );
}

#[test]
fn an_item_of_many_values_is_cut_and_comes_back_whole() {
    let disk = Disk::default();
    let database = made_on(&disk);
    schema(&database);
    let numbers: Vec<usize> = (0..2_500).collect();
    let long: Vec<String> = (0..3)
        .map(|n| format!("{n}{}", "é".repeat(300_000)))
        .collect();
    transact(
        &database,
        &json!([{"_id": "a", "ints": numbers, "int": 1}, {"_id": "a", "strings": long}]),
    );
    let text = check_round_trip(&disk, &database);
    assert!(text.lines().all(|line| line.len() < 1_100_000));
}

#[test]
fn an_export_as_an_auth_tells_what_it_sees_and_nothing_else() {
    let db = office();
    db.auth(
        "ann",
        Some("ann"),
        &[
            rule(
                "title",
                "doc",
                &["doc/title", "doc/team", "doc/readers"],
                "true",
                &["query"],
            ),
            deny(rule(
                "not",
                "doc",
                &["*"],
                "(== (get (?s) \"doc/key\") \"b\")",
                &["query"],
            )),
        ],
    );
    db.auth(
        "bob",
        Some("bob"),
        &[rule("none", "doc", &["*"], "true", &["transact"])],
    );
    db.root(&json!([{"_id": "_auth", "id": "idle"}]));
    furnish(&db);
    let text = exported_as(&db.database, "ann");
    for seen in ["plans", "doc/title", "team/name"] {
        assert!(text.contains(seen), "{seen}\n{text}");
    }
    for hidden in [
        "books",
        "alpha",
        "beta",
        "s-a",
        "draft",
        "\"bob\"",
        "\"ann\"",
        "_role",
        "errorMessage",
        "hash",
    ] {
        assert!(!text.contains(hidden), "{hidden}\n{text}");
    }
    // Hidden facts change no byte: not by their number, not by refs to them or from them.
    let readers = json!([["_user/username", "bob"], ["doc/key", "a"]]);
    db.root(&json!([{"_id": ["doc/key", "b"], "title": "more", "readers": readers}]));
    let block = |text: &str| text.replace(&format!("\"block\":{}", db.database.head().t.0), "");
    let again = exported_as(&db.database, "ann");
    assert_eq!(
        block(&again),
        text.replace(&format!("\"block\":{}", db.database.head().t.0 - 1), "")
    );
    // It is whole in itself.
    let other = Db::new();
    other
        .database
        .import(text.as_bytes(), |_| ())
        .unwrap_or_else(|stopped| panic!("{stopped}\n{text}"));

    // Who may write and not read is told the schema, which every auth sees; who may do nothing is told nothing.
    assert!(!exported_as(&db.database, "bob").contains("plans"));
    let refused = db
        .database
        .export_as("idle", &mut Vec::new(), |_, _| ())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    let refused = db
        .database
        .export_as("nobody", &mut Vec::new(), |_, _| ())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_sealed_and_what_is_the_engines_own_is_in_no_export() {
    let dir = tempfile::tempdir().unwrap();
    let folder = solon::Folder::open(dir.path(), &options()).unwrap();
    let database = folder.database();
    transact(
        database,
        &json!([
        {"_id": "_collection", "name": "note"},
        {"_id": "_predicate", "name": "note/n", "type": "int"},
        {"_id": "_predicate", "name": "note/token", "type": "ref"},
        {"_id": "_auth", "id": "ann"}]),
    );
    // A long token leaves a record.
    let session = folder.root_session(None).unwrap();
    session.token(r#"{"auth": ["_auth/id", "ann"]}"#).unwrap();
    let token: Value = serde_json::from_str(
        &database
            .root()
            .query(r#"{"selectOne": ["_id"], "from": "_token"}"#)
            .unwrap()
            .body,
    )
    .unwrap();
    transact(
        database,
        &json!([{"_id": "note", "n": 1, "token": token["_id"]}]),
    );
    database
        .transact_once("root-key", "a-key", r#"[{"_id": "note$k", "n": 2}]"#)
        .unwrap_err();
    let root = model::system::ROOT_AUTH;
    database
        .transact_once(root, "a-key", r#"[{"_id": "note$k", "n": 2}]"#)
        .unwrap();
    let text = exported(database);
    for hidden in ["_token\"", "\"kind\"", "_tx", "note$k", "\"token\":"] {
        assert!(!text.contains(hidden), "{hidden}\n{text}");
    }
    assert_eq!(text.matches("\"n\":").count(), 2, "{text}");
}

#[test]
fn blocks_are_told_as_they_were_made() {
    let db = office();
    furnish_users(&db);
    let mut out = Vec::new();
    let told = db
        .database
        .export_blocks(None, None, &mut out, |_, _| ())
        .unwrap();
    let lines: Vec<Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let head = db.database.head();
    assert_eq!((told.items, told.block), (head.t.0, head.t));
    assert_eq!(lines.len() as u64, head.t.0 + 2);
    let hash = head.hash.to_string();
    assert_eq!(
        lines[0],
        json!({"start": {"by": "block", "block": head.t.0, "hash": hash}})
    );
    assert_eq!(
        lines.last().unwrap(),
        &json!({"end": {"blocks": head.t.0, "block": head.t.0, "hash": hash}})
    );
    for (index, pair) in lines[1..].windows(2).enumerate() {
        if let (Some(hash), Some(previous)) = (pair[0].get("hash"), pair[1].get("previous")) {
            assert_eq!(hash, previous);
        }
        assert_eq!(pair[0]["block"], index + 1);
        assert_eq!(pair[0]["t"], -i64::try_from(index + 1).unwrap());
        assert_eq!(pair[0]["instant"], START_MS);
    }
    let last = &lines[lines.len() - 2];
    assert_eq!(last["auth"], model::system::ROOT_AUTH.raw());
    let flakes = last["flakes"].as_array().unwrap();
    assert!(
        flakes
            .iter()
            .any(|flake| flake[2] == "ann" && flake[4] == true && flake[3] == last["t"])
    );

    // A part of them, and none that are not there.
    let part = |from: u64, to: u64| {
        let mut out = Vec::new();
        let told = db
            .database
            .export_blocks(Some(T(from)), Some(T(to)), &mut out, |_, _| ());
        told.map(|told| (told.items, told.block.0))
            .map_err(|error| error.code())
    };
    assert_eq!(part(2, 2), Ok((1, 2)));
    let newest = head.t.0;
    assert_eq!(part(1, newest), Ok((newest, newest)));
    for (from, to) in [(1, newest + 1), (0, 1), (2, 1), (newest + 1, newest + 1)] {
        assert_eq!(part(from, to), Err("db/invalid-block"), "{from} {to}");
    }
}

fn furnish_users(db: &Db) {
    db.root(&json!([{"_id": "_user", "username": "ann"}]));
}

/// Takes so many bytes, and then no more; or moves the clock with each.
struct Narrow<'c> {
    room: usize,
    clock: Option<&'c ManualClock>,
}

impl io::Write for Narrow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(clock) = self.clock {
            clock.advance(Duration::from_secs(EXPORT_SECONDS_MAX));
        }
        self.room = self
            .room
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("full"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_export_that_cannot_be_written_or_takes_too_long_has_no_closing_record() {
    let db = office();
    furnish_users(&db);
    let docs: Vec<Value> = (0..3_000)
        .map(|n| json!({"_id": "doc", "size": n}))
        .collect();
    db.root(&json!(docs));
    let mut narrow = Narrow {
        room: 5_000,
        clock: None,
    };
    let refused = db.database.export(&mut narrow, |_, _| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    // Longer than a view lives is not too long; an hour is.
    let mut slow = Narrow {
        room: usize::MAX,
        clock: Some(&db.clock),
    };
    let refused = db.database.export(&mut slow, |_, _| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit(LimitKind::Time));
    let refused = db
        .database
        .export_blocks(None, None, &mut slow, |_, _| ())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit(LimitKind::Time));
    assert!(
        db.database
            .export(&mut Vec::new(), |_, _| db
                .clock
                .advance(Duration::from_secs(31)))
            .is_ok()
    );
}
