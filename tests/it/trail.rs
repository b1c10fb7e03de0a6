//! The audit trail: what stands in it, who reads what of it, and that it survives what the ledger survives.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::base::limits::{LOG_ROWS_DEFAULT, LOG_ROWS_MAX};
use solon::db::{Database, ErrorKind, EventKind, Folder, LogPlace, LogQuery, Options, Session};
use solon::model::Incarnation;
use solon::store::Store;
use solon::wire::Log;

use crate::support::disk::Disk;
use crate::support::random::{Random, seeds};
use crate::support::{START_MS, default_rule, rule};

const INCARNATION: Incarnation = Incarnation([3; 16]);

fn options(clock: &Arc<ManualClock>) -> Options {
    Options {
        clock: Arc::clone(clock) as _,
        ..Options::default()
    }
}

/// A folder with people: `reader` has the op `logs`, `both` has `all` on `_log`, `ann` and `bob` have neither, and
/// `none` may do nothing.
struct World {
    folder: Folder,
    clock: Arc<ManualClock>,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START_MS));
        let folder = Folder::open(dir.path(), &options(&clock)).unwrap();
        let world = Self { folder, clock, dir };
        world.write(&json!([{"_id": "_collection", "name": "note"},
                            {"_id": "_predicate", "name": "note/text", "type": "string"}]));
        let people = [
            (
                "reader",
                default_rule("reads-log", "_log", "true", &["logs"]),
            ),
            ("both", default_rule("all-log", "_log", "true", &["all"])),
            ("ann", default_rule("ann-notes", "note", "true", &["query"])),
            ("bob", default_rule("bob-notes", "note", "true", &["all"])),
            ("star", default_rule("star", "*", "true", &["all"])),
            ("other", default_rule("other", "_log", "true", &["query"])),
            (
                "fails",
                default_rule("fails", "_log", "(== (?user_id) 1)", &["logs"]),
            ),
            ("named", rule("named", "*", &["*"], "true", &["logs"])),
        ];
        for (id, rule) in people {
            let role = json!({"_id": "_role", "id": format!("{id}-role"), "rules": [rule]});
            world.write(&json!([{"_id": "_auth", "id": id, "roles": [role]}]));
        }
        world.write(&json!([{"_id": "_auth", "id": "none"}]));
        world
    }

    fn write(&self, items: &Value) {
        self.folder.database().transact(&items.to_string()).unwrap();
    }

    fn session(&self, auth: &str) -> Session {
        let token = self.folder.token_for(auth, 3_000).unwrap();
        self.folder.session(&token, None).unwrap()
    }

    fn ask(&self, auth: &str, body: &Value) -> Vec<Log> {
        let rows = self.session(auth).logs(&body.to_string()).unwrap();
        rows.into_iter().map(Log::from).collect()
    }

    fn all(&self) -> Vec<Log> {
        self.ask("root", &json!({"limit": LOG_ROWS_MAX}))
    }

    fn auth(&self, id: &str) -> i64 {
        self.folder.database().auth(id).unwrap().raw()
    }

    fn deny(&self, auth: &str) {
        self.session(auth).tell_denied("db/no-permission");
    }

    /// Waits for rows that nobody waits for.
    fn settle(&self) {
        // What is asked of the writer now has its turn after them.
        self.write(&json!([{"_id": "note", "text": "settled"}]));
    }
}

fn ids(rows: &[Log]) -> Vec<u64> {
    rows.iter().map(|row| row.id).collect()
}

fn events(database: &Database) -> Vec<EventKind> {
    let rows = database.logs(&LogQuery::default()).unwrap();
    rows.into_iter().map(|row| row.event.event).collect()
}

#[test]
fn a_change_of_what_anyone_may_do_is_told_with_its_author_and_block_and_no_other_write_is() {
    let world = World::new();
    let before = world.all().len();
    world.write(&json!([{"_id": "note", "text": "x"}]));
    assert_eq!(world.all().len(), before);
    world.clock.advance(Duration::from_millis(1_234));
    world.write(&json!([{"_id": ["_auth/id", "ann"], "doc": "changed"}]));
    let row = world.all().remove(0);
    assert_eq!(row.event, "policy-changed");
    assert_eq!(row.status, "ok");
    assert_eq!(row.at, "2026-01-01T00:00:01.234Z");
    assert_eq!(row.auth, Some(world.auth("root")));
    assert_eq!(row.block, Some(world.folder.database().head().t.0));
    assert_eq!(row.address, None);

    // Where it comes from is told, and a refused change is no change.
    let token = world.folder.token_for("root", 3_000).unwrap();
    let source = std::net::IpAddr::from([192, 0, 2, 7]).into();
    let session = world.folder.session_from(&token, None, source).unwrap();
    let change = r#"[{"_id": ["_auth/id", "ann"], "doc": "again"}]"#;
    session.transact(change).unwrap();
    assert_eq!(world.all()[0].address.unwrap().to_string(), "192.0.2.7");
    let count = world.all().len();
    assert!(world.session("bob").transact(change).is_err());
    assert_eq!(world.all().len(), count);
}

#[test]
fn who_has_the_op_reads_all_of_it_and_everyone_else_their_own_rows() {
    let world = World::new();
    for auth in ["ann", "bob", "ann"] {
        world.deny(auth);
        world.settle();
        world.clock.advance(Duration::from_secs(61));
    }
    world.settle();
    let all = world.all();
    for auth in ["reader", "both"] {
        assert_eq!(world.ask(auth, &json!({"limit": 1_000})), all, "{auth}");
    }
    for auth in ["ann", "bob", "star", "other", "fails", "named"] {
        let own = world.auth(auth);
        let expected: Vec<Log> = all
            .iter()
            .filter(|row| row.auth == Some(own))
            .cloned()
            .collect();
        assert_eq!(world.ask(auth, &json!({})), expected, "{auth}");
    }
    assert_eq!(world.ask("ann", &json!({})).len(), 2);
    // Law 1: an auth that may do nothing.
    world.deny("none");
    let refused = world.session("none").logs("{}").unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Denied, "db/no-permission")
    );
    // A deny rule takes the op away, and not one's own rows.
    world.write(&json!([{"_id": ["_role/id", "reader-role"], "rules": [
        {"_id": "_rule", "id": "no-log", "collection": "*", "collectionDefault": true, "effect": "deny",
         "fns": [["_fn/name", "true"]], "ops": ["logs"]}]}]));
    assert_eq!(world.ask("reader", &json!({})), []);
}

#[test]
fn a_hidden_row_changes_no_byte_of_an_answer() {
    // The same for one who reads, whatever others did: but for the ids, of which gaps are no secret.
    let tell = |noise: bool| {
        let world = World::new();
        for round in 0..6 {
            if noise {
                for auth in ["bob", "reader", "both"] {
                    world.deny(auth);
                }
                world.write(&json!([{"_id": ["_auth/id", "bob"], "doc": format!("{round}")}]));
            }
            world.deny("ann");
            world.settle();
            world.clock.advance(Duration::from_secs(61));
        }
        world.settle();
        let mut told = Vec::new();
        for body in [
            json!({}),
            json!({"limit": 2}),
            json!({"status": "error"}),
            json!({"status": "ok"}),
            json!({"before": "2026-01-01T00:03:00Z"}),
            json!({"after": "2026-01-01T00:03:00Z"}),
        ] {
            let mut rows = world.ask("ann", &body);
            for row in &mut rows {
                row.id = 0;
            }
            told.push(serde_json::to_string(&rows).unwrap());
        }
        // Page by page there is each row once.
        let (mut pages, mut before) = (Vec::new(), u64::MAX);
        loop {
            let page = world.ask("ann", &json!({"limit": 2, "before": before}));
            let Some(last) = page.last() else { break };
            before = last.id;
            pages.extend(page.iter().map(|row| row.at.clone()));
        }
        assert_eq!(pages.len(), 6);
        (told, pages)
    };
    assert_eq!(tell(false), tell(true));
}

#[test]
fn rows_are_found_by_place_by_instant_and_by_status() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(10));
    for n in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        world.write(&json!([{"_id": ["_auth/id", "ann"], "doc": format!("{n}")}]));
    }
    world.deny("ann");
    world.settle();
    let all = world.all();
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id));
    let newest = all[0].id;
    let ask = |body: Value| ids(&world.ask("root", &body));
    let to = |from: u64, to: u64| (from..=to).rev().collect::<Vec<u64>>();
    assert_eq!(ask(json!({"limit": 3})), to(newest - 2, newest));
    assert_eq!(
        ask(json!({"before": newest, "limit": 2})),
        to(newest - 2, newest - 1)
    );
    assert_eq!(ask(json!({"after": newest - 3})), to(newest - 2, newest));
    assert!(ask(json!({"after": newest})).is_empty());
    assert!(ask(json!({"before": 1})).is_empty());
    assert!(ask(json!({"before": 0, "after": 0})).is_empty());
    assert_eq!(ask(json!({"status": "error"})), [newest]);
    assert_eq!(ask(json!({"status": "ok", "limit": 1})), [newest - 1]);
    // The five changes stand at the seconds 11 to 15; the denial at the last of them.
    let at = |second: u32| format!("2026-01-01T00:00:{second}Z");
    assert_eq!(ask(json!({"after": at(14)})), to(newest - 2, newest));
    assert_eq!(
        ask(json!({"after": at(12), "before": at(14)})),
        to(newest - 4, newest - 3)
    );
    assert!(ask(json!({"after": at(16)})).is_empty());
    assert_eq!(
        ask(json!(["logs", {"limit": 1, "db": "local.default"}])),
        [newest]
    );
    // An instant between two rows, in another offset.
    assert_eq!(
        ask(json!({"after": "2026-01-01T01:00:14.5+01:00"})),
        to(newest - 1, newest)
    );
}

#[test]
fn an_answer_has_as_many_rows_as_it_may_and_no_more() {
    let world = World::new();
    let database = world.folder.database();
    for n in 0..=LOG_ROWS_MAX {
        // One event a block; the words do not matter.
        let doc = json!([{"_id": ["_auth/id", "ann"], "doc": format!("{n}")}]);
        database.transact(&doc.to_string()).unwrap();
        if n == LOG_ROWS_DEFAULT {
            assert_eq!(world.ask("root", &json!({})).len(), LOG_ROWS_DEFAULT);
        }
    }
    assert_eq!(world.all().len(), LOG_ROWS_MAX);
    let refused = world
        .session("root")
        .logs(r#"{"limit": 1001}"#)
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.at()),
        ("db/invalid-request", Some("/limit"))
    );
}

#[test]
fn a_flood_of_denials_costs_one_row_a_minute_and_all_of_it_is_counted() {
    let world = World::new();
    let before = world.all().len();
    let session = world.session("ann");
    for _ in 0..3 {
        for _ in 0..500 {
            session.tell_denied("db/no-permission");
            world
                .folder
                .tell_denied("http/no-token", solon::db::Source::default());
        }
        world.clock.advance(Duration::from_secs(60));
    }
    // Reading the trail writes what is due.
    let rows = world.all();
    let own: Vec<&Log> = rows
        .iter()
        .filter(|it| it.code.as_deref() == Some("db/no-permission"))
        .collect();
    assert_eq!(own.len(), 4);
    assert_eq!(
        own.iter().map(|it| it.count.unwrap_or(1)).sum::<u64>(),
        1_500
    );
    assert_eq!(rows.len(), before + 8);
    assert!(
        own.iter()
            .all(|it| it.event == "denied" && it.status == "error")
    );
    assert!(
        rows.iter()
            .any(|it| it.code.as_deref() == Some("http/no-token") && it.auth.is_none())
    );
    // What is counted when the folder closes is there when it is opened again.
    session.tell_denied("db/no-permission");
    session.tell_denied("db/no-permission");
    world.folder.close();
    let World { folder, clock, dir } = world;
    drop((session, folder));
    let folder = Folder::open(dir.path(), &options(&clock)).unwrap();
    let rows = folder.logs("local/default", &LogQuery::default()).unwrap();
    let counted: u64 = rows
        .iter()
        .filter(|it| it.event.code.as_deref() == Some("db/no-permission"))
        .map(|it| it.event.count.unwrap_or(1))
        .sum();
    assert_eq!(counted, 1_502);
}

#[test]
fn the_trail_is_not_read_as_facts() {
    let world = World::new();
    for query in [
        r#"{"select": ["*"], "from": "_log"}"#,
        r#"{"selectOne": ["*"], "from": "_log"}"#,
    ] {
        let refused = world.session("root").query(query).unwrap_err();
        assert_eq!(refused.code(), "db/invalid-query");
        assert!(refused.message().contains("`logs`"), "{refused}");
    }
    for write in [
        json!([{"_id": "_log", "event": "sign-in"}]),
        json!([{"_id": "_predicate", "name": "_log/event", "type": "string"}]),
    ] {
        assert!(
            world
                .folder
                .database()
                .transact(&write.to_string())
                .is_err()
        );
    }
}

#[test]
fn only_the_operator_takes_rows_away_and_that_is_told() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(60));
    world.write(&json!([{"_id": ["_auth/id", "ann"], "doc": "kept"}]));
    let all = world.all();
    let pruned = world
        .folder
        .prune_logs("local/default", START_MS + 60_000)
        .unwrap();
    assert_eq!(pruned.rows, all[0].id - 1);
    let left = world.all();
    assert_eq!(ids(&left), [all[0].id + 1, all[0].id]);
    assert_eq!(left[0].event, "trail-pruned");
    assert_eq!(left[0].count, Some(pruned.rows));
    world.folder.database().verify().unwrap();
    let again = world.folder.prune_logs("local/default", START_MS + 60_000);
    assert_eq!(again.unwrap().rows, 0);
    assert_eq!(world.all(), left);
    // By an instant that is ahead all of it goes, and numbers go on.
    world.folder.prune_logs("local/default", i64::MAX).unwrap();
    assert_eq!(ids(&world.all()), [all[0].id + 2]);
    let missing = world.folder.prune_logs("local/other", 0).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn instants_of_the_trail_do_not_run_backwards_when_the_clock_does() {
    let disk = Disk::default();
    let clock = Arc::new(ManualClock::at(START_MS));
    let change = r#"[{"_id": ["_auth/id", "root"], "doc": "x"}]"#;
    let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
    let database = Database::start(store, &options(&clock)).unwrap();
    database.transact(change).unwrap();
    drop(database);
    let clock = Arc::new(ManualClock::at(START_MS - 5_000));
    let store = Store::open_on(Disk::of(disk.bytes())).unwrap();
    let database = Database::start(store, &options(&clock)).unwrap();
    database.prune_logs(i64::MIN).unwrap();
    database.transact(&change.replace('x', "y")).unwrap();
    let rows = database.logs(&LogQuery::default()).unwrap();
    assert_eq!(
        rows.iter().map(|it| it.event.at).collect::<Vec<_>>(),
        [START_MS; 2]
    );
    let query = LogQuery {
        after: Some(LogPlace::Instant(START_MS)),
        ..LogQuery::default()
    };
    assert_eq!(database.logs(&query).unwrap().len(), 2);
    database.verify().unwrap();
}

/// Changes of the policy, each with its event, and what is no such change between them.
fn changes() -> Vec<String> {
    (0..6)
        .flat_map(|n| {
            [
                json!([{"_id": ["_auth/id", "root"], "doc": format!("{n}")}]),
                json!([{"_id": "_tx", "doc": format!("{n}")}]),
            ]
        })
        .map(|it| it.to_string())
        .collect()
}

fn started(disk: &Disk) -> Database {
    let clock = Arc::new(ManualClock::at(START_MS));
    let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
    Database::start(store, &options(&clock)).unwrap()
}

fn reopened(disk: Disk) -> Database {
    let clock = Arc::new(ManualClock::at(START_MS));
    let store = Store::open_on(disk).unwrap();
    Database::start(store, &options(&clock)).unwrap()
}

#[test]
fn after_a_power_cut_every_event_is_there_whose_commit_was_acknowledged() {
    for seed in seeds(1) {
        println!("SOLON_SEED={seed} cargo test after_a_power_cut_every_event");
        let mut random = Random::new(seed);
        let disk = Disk::default();
        let live = started(&disk);
        disk.keep_syncs();
        let mut promised = vec![(0, 0)];
        for text in changes() {
            live.transact(&text).unwrap();
            promised.push((disk.syncs(), events(&live).len()));
        }
        for sync in 0..disk.syncs() {
            let found = reopened(disk.cut_at(sync, &mut random));
            let rows = found.logs(&LogQuery::default()).unwrap();
            let least = promised
                .iter()
                .rfind(|(syncs, _)| *syncs <= sync)
                .unwrap()
                .1;
            assert!(rows.len() >= least, "an event was lost");
            // And none without its block.
            assert!(
                rows.iter()
                    .all(|row| row.event.block.unwrap() <= found.head().t.0)
            );
            found.verify().unwrap();
        }
    }
}

#[test]
fn on_a_disk_that_fails_no_event_is_told_of_what_was_not_done() {
    let count = {
        let disk = Disk::default();
        let live = started(&disk);
        let before = disk.changes();
        for text in changes() {
            live.transact(&text).unwrap();
        }
        disk.changes() - before
    };
    for at in (0..count).step_by(2) {
        let disk = Disk::default();
        let live = started(&disk);
        disk.fail_at(disk.changes() + at);
        let mut done = 0;
        for text in changes() {
            match live.transact(&text) {
                Ok(receipt) if receipt.flakes.iter().any(|it| it.s.block().is_none()) => done += 1,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
            }
            assert_eq!(events(&live).len(), done);
        }
        // The trail is read when nothing more is written.
        assert_eq!(live.prune_logs(i64::MAX).is_err(), done > 0);
        assert_eq!(events(&live).len(), done);
        drop(live);
        let found = reopened(Disk::of(disk.bytes()));
        assert!(events(&found).len() >= done);
        found.verify().unwrap();
    }
}

#[test]
fn a_file_that_is_written_anew_or_copied_has_the_whole_trail() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(START_MS));
    let path = dir.path().join("a.redb");
    let live = Database::open_with(&path, &options(&clock)).unwrap();
    for text in changes() {
        live.transact(&text).unwrap();
    }
    live.transact(r#"[{"_id": "_user$u", "username": "gone"}]"#)
        .unwrap();
    let before = live.logs(&LogQuery::default()).unwrap();
    let copy = dir.path().join("b.redb");
    live.rebuild(&copy).unwrap();
    let erase = r#"[{"_id": ["_user/username", "gone"], "_action": "erase"}]"#;
    live.transact(erase).unwrap();
    let after = live.logs(&LogQuery::default()).unwrap();
    assert_eq!(after[1..], before);
    live.verify().unwrap();
    drop(live);
    for (path, rows) in [(&path, &after), (&copy, &before)] {
        let found = Database::open_with(path, &options(&clock)).unwrap();
        assert_eq!(found.logs(&LogQuery::default()).unwrap(), *rows);
        let mut numbers = Vec::new();
        drop(found);
        let store = Store::open(path).unwrap();
        store
            .snapshot()
            .unwrap()
            .trail(None, &mut |number, _| {
                numbers.push(number);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(numbers.len(), rows.len());
    }
}
