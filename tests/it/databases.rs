//! Many databases in one folder: each apart from the others, opened on demand, their files where the facts want them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use solon::base::limits::{DATABASE_UNDO_SECONDS, DATABASES_OPEN_MAX, NETWORK_DATABASES_MAX};
use solon::db::{DatabaseState, ErrorKind, root_token_from_keys, sign_command, verify_file};
use solon::token::CommandKey;

use crate::support::START_MS;
use crate::support::data::{Data, MASTER, refused};

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

/// A key that is the same in each run.
fn key() -> CommandKey {
    CommandKey::parse(&"01".repeat(32)).unwrap()
}

#[test]
fn a_folder_has_two_databases_and_master_says_so() {
    let data = Data::new();
    assert!(data.path("local/default.redb").is_file());
    assert!(data.path("solon/master.redb").is_file());
    let all = [
        (MASTER.to_owned(), true),
        ("local/default".to_owned(), true),
    ];
    let mut told = data.listed("root");
    told.sort_by(|a, b| b.cmp(a));
    assert_eq!(told, all);
    assert_ne!(
        data.folder().database().incarnation(),
        data.master().incarnation()
    );
    for spelling in ["solon/master", "solon.master"] {
        assert!(data.folder().database_named(spelling).is_ok());
    }
}

#[test]
fn a_folder_of_the_older_shape_gets_a_master_when_it_is_opened() {
    let mut data = Data::new();
    data.mark("local/default", "kept");
    let token = data.folder().root_token(3_599).unwrap();
    drop(data.folder.take());
    fs::remove_dir_all(data.path("solon")).unwrap();
    data.open();
    assert_eq!(data.marked("local/default").as_deref(), Some("kept"));
    assert!(data.folder().session(&token, None).is_ok());
    assert_eq!(data.listed("root").len(), 2);
    let master = data.master().incarnation();
    let head = data.master().head();
    data.open();
    assert_eq!(data.master().incarnation(), master);
    assert_eq!(data.master().head(), head, "and nothing is said twice");
}

#[test]
fn a_token_of_one_database_is_none_of_another() {
    let data = Data::with_accounts();
    for name in ["acme/a", "acme/b"] {
        data.on("ann", "new-db", name).unwrap();
    }
    let folder = data.folder();
    let names = [MASTER, "local/default", "acme/a", "acme/b"];
    for of in names {
        let token = folder.root_token_in(of, 3_599).unwrap();
        assert!(folder.session(&token, None).is_ok());
        assert!(folder.session(&token, Some(&of.replace('/', "."))).is_ok());
        for at in names.iter().filter(|at| **at != of) {
            let error = folder.session(&token, Some(at)).unwrap_err();
            let absent = folder.session(&token, Some("acme/none")).unwrap_err();
            assert_eq!(error.code(), "db/invalid-token");
            assert_eq!(error, absent, "there or not, it reads the same");
        }
    }
    // What is written under one is in no other.
    let session = |of| {
        let token = folder.root_token_in(of, 3_599).unwrap();
        folder.session(&token, None).unwrap()
    };
    let text = json!([{"_id": "_collection", "name": "mark", "doc": "of a"}]).to_string();
    session("acme/a").transact_once("key", &text).unwrap();
    assert_eq!(data.marked("acme/b"), None);
    let made = session("acme/b").transact_once("key", &text).unwrap();
    assert!(!made.is_repeat, "a key is of one database");
    assert!(
        session("acme/a")
            .transact_once("key", &text)
            .unwrap()
            .is_repeat
    );
}

#[test]
fn a_token_that_claims_another_database_is_refused_as_one_that_claims_none() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    let folder = data.folder();
    let token = folder.root_token_in("acme/a", 3_599).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let claim = |name: &str| {
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let claims = claims.replace("acme/a", name);
        format!(
            "{}.{}.{}",
            parts[0],
            URL_SAFE_NO_PAD.encode(claims),
            parts[2]
        )
    };
    assert!(folder.session(&claim("acme/a"), None).is_ok());
    let mut errors = Vec::new();
    for name in [
        "local/default",
        "solon/master",
        "acme/none",
        "acme.a",
        "../acme/a",
        "keys/a",
        "",
    ] {
        errors.push(refused(
            folder.session(&claim(name), None),
            ErrorKind::Unauthenticated,
            "db/invalid-token",
        ));
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(!data.path("acme/none.redb").exists());
}

#[test]
fn what_is_no_name_of_a_database_is_none_that_is_there() {
    let data = Data::with_accounts();
    // A file without a fact is no database.
    fs::create_dir_all(data.path("acme")).unwrap();
    fs::copy(
        data.path("local/default.redb"),
        data.path("acme/stray.redb"),
    )
    .unwrap();
    for name in [
        "acme/stray",
        "acme/none",
        "../local/default",
        "local/../local/default",
        "local/default.redb",
        "LOCAL/default",
        "local/Default",
        "local",
        "local/default\0",
        "deleted/a",
        "keys/local",
        "solon/other",
        "",
    ] {
        let folder = data.folder();
        refused(
            folder.database_named(name).map(drop),
            ErrorKind::NotFound,
            "db/not-found",
        );
        assert!(!folder.has_anonymous(Some(name)).unwrap());
        refused(
            folder.root_token_in(name, 1),
            ErrorKind::NotFound,
            "db/not-found",
        );
        refused(
            root_token_from_keys(data.dir.path(), 1, name, &data.options()),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
}

#[test]
fn a_file_that_is_in_the_way_is_not_written_over() {
    let data = Data::with_accounts();
    fs::create_dir_all(data.path("acme")).unwrap();
    fs::write(data.path("acme/a.redb"), "somebody's").unwrap();
    refused(
        data.on("ann", "new-db", "acme/a"),
        ErrorKind::Conflict,
        "db/exists",
    );
    assert!(is_empty(&data.path("new")));
    assert_eq!(fs::read(data.path("acme/a.redb")).unwrap(), b"somebody's");
    assert!(data.listed("ann").is_empty(), "and there is none");
}

#[test]
fn a_command_is_for_the_database_that_it_names() {
    let data = Data::with_accounts();
    for name in ["acme/a", "acme/b"] {
        data.on("ann", "new-db", name).unwrap();
        let database = data.folder().database_named(name).unwrap();
        let key = key().public().to_string();
        let items = json!([{"_id": "_auth", "id": "robot", "publicKey": key,
                            "roles": [["_role/id", "root"]]}]);
        database.transact(&items.to_string()).unwrap();
    }
    let sign = |db: &str, nonce: u64| {
        let expire = START_MS + 60_000;
        let text = json!({"type": "tx", "db": db, "auth": "robot", "nonce": nonce, "expire": expire,
                          "tx": [{"_id": "_tx", "doc": "by command"}]});
        sign_command(&key(), &text.to_string()).unwrap()
    };
    let folder = data.folder();
    let body = sign("acme/a", 1);
    refused(
        folder.verify_command(&body, Some("acme/b")).map(drop),
        ErrorKind::Invalid,
        "db/invalid-db",
    );
    assert!(
        folder
            .verify_command(&body, Some("acme.a"))
            .unwrap()
            .make()
            .is_ok()
    );
    refused(
        folder
            .verify_command(&body, None)
            .and_then(solon::db::SignedCommand::make),
        ErrorKind::Conflict,
        "db/replay",
    );
    // The same nonce in another database is another.
    assert!(
        folder
            .verify_command(&sign("acme/b", 1), None)
            .unwrap()
            .make()
            .is_ok()
    );
    refused(
        folder.verify_command(&sign("acme/none", 1), None).map(drop),
        ErrorKind::Unauthenticated,
        "db/invalid-signature",
    );
}

#[test]
fn more_databases_than_may_be_open_are_used_at_once_and_close_for_each_other() {
    let data = Data::with_accounts();
    let count = DATABASES_OPEN_MAX + 1;
    let names: Vec<String> = (0..count).map(|n| format!("acme/d{n}")).collect();
    for name in &names {
        data.on("ann", "new-db", name).unwrap();
        data.mark(name, name);
    }
    for name in names.iter().rev() {
        assert_eq!(data.marked(name).as_deref(), Some(name.as_str()));
    }
    // Those that are held stay open, and what may be open beside them is bounded.
    let on_demand = DATABASES_OPEN_MAX - 2;
    let held: Vec<_> = names[..on_demand]
        .iter()
        .map(|name| data.folder().database_named(name).unwrap())
        .collect();
    let last = &names[on_demand];
    let busy = || data.folder().database_named(last).map(drop);
    refused(busy(), ErrorKind::Unavailable, "db/busy");
    // A view of a database holds it as well.
    let view = held[0].view("root-of-none").err();
    assert!(view.is_some());
    let view = held[0].view(solon::model::system::ROOT_AUTH).unwrap();
    let rest = held;
    drop(rest);
    let mut others = Vec::new();
    for name in &names[1..on_demand] {
        others.push(data.folder().database_named(name).unwrap());
    }
    refused(busy(), ErrorKind::Unavailable, "db/busy");
    drop(view);
    assert!(busy().is_ok());
    // The two that every folder has are open in any case.
    assert!(data.folder().ready().is_ok());
    assert!(data.folder().database_named(MASTER).is_ok());
}

#[test]
fn databases_are_opened_and_closed_under_many_threads_and_nothing_is_lost() {
    let data = Data::with_accounts();
    let names: Vec<String> = (0..DATABASES_OPEN_MAX + 4)
        .map(|n| format!("acme/d{n}"))
        .collect();
    for name in &names {
        data.on("ann", "new-db", name).unwrap();
        let database = data.folder().database_named(name).unwrap();
        let items = json!([{"_id": "_collection", "name": "note"},
            {"_id": "_predicate", "name": "note/of", "type": "string", "index": true}]);
        database.transact(&items.to_string()).unwrap();
    }
    let (threads, rounds) = (8, 25);
    let made: Vec<AtomicUsize> = names.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (data, names, made) = (&data, &names, &made);
            scope.spawn(move || {
                for round in 0..rounds {
                    let at = (thread * 7 + round * 3) % names.len();
                    let token = data.folder().root_token_in(&names[at], 3_599);
                    let session = token.and_then(|token| data.folder().session(&token, None));
                    let text = json!([{"_id": "note", "of": names[at]}]).to_string();
                    match session.and_then(|session| session.transact(&text)) {
                        Ok(_) => _ = made[at].fetch_add(1, Ordering::Relaxed),
                        Err(error) => assert_eq!(error.code(), "db/busy", "{error}"),
                    }
                }
            });
        }
    });
    let all: usize = made.iter().map(|it| it.load(Ordering::Relaxed)).sum();
    assert!(all > threads * rounds / 2, "{all} were made");
    for (name, made) in names.iter().zip(&made) {
        let database = data.folder().database_named(name).unwrap();
        let query = json!({"select": ["of"], "from": "note"});
        let body = database.root().query(&query.to_string()).unwrap().body;
        let told: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        assert_eq!(told.len(), made.load(Ordering::Relaxed), "{name}");
        let is_own = |it: &serde_json::Value| it["of"] == *name || it["note/of"] == *name;
        assert!(told.iter().all(is_own), "{name}: {body}");
        database.verify().unwrap();
    }
}

#[test]
fn a_flood_of_names_that_are_not_there_opens_and_makes_nothing() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    let held = data.folder().database_named("acme/a").unwrap();
    for n in 0..10_000 {
        let name = format!("acme/none{n}");
        assert!(data.folder().database_named(&name).is_err());
    }
    assert!(held.can_write().is_ok());
    let files = fs::read_dir(data.path("acme")).unwrap().count();
    assert_eq!(files, 1);
}

#[test]
fn the_name_of_a_network_of_too_many_databases_takes_no_more() {
    let data = Data::with_accounts();
    for n in 0..NETWORK_DATABASES_MAX {
        data.on("ann", "new-db", &format!("acme/d{n}")).unwrap();
    }
    let error = data.on("ann", "new-db", "acme/more").unwrap_err();
    assert_eq!(error.code(), "db/limit", "{error}");
    assert!(is_empty(&data.path("new")));
    // What can be restored counts.
    data.on("ann", "delete-db", "acme/d0").unwrap();
    assert_eq!(
        data.on("ann", "new-db", "acme/more").unwrap_err().code(),
        "db/limit"
    );
    assert!(data.on("zoe", "new-db", "zeta/a").is_ok());
    data.clock
        .advance(Duration::from_secs(DATABASE_UNDO_SECONDS));
    assert!(data.on("ann", "new-db", "acme/more").is_ok());
}

#[test]
fn a_deleted_database_is_gone_at_once_and_can_be_restored_within_the_day() {
    let data = Data::with_accounts();
    let made = data.on("ann", "new-db", "acme/a").unwrap();
    data.mark("acme/a", "first");
    let folder = data.folder();
    let token = folder.root_token_in("acme/a", 3_599).unwrap();
    let session = folder.session(&token, None).unwrap();

    let gone = data.on("ann", "delete-db", "acme.a").unwrap();
    assert_eq!(gone.incarnation, made.incarnation);
    assert!(!data.path("acme/a.redb").exists());
    assert!(data.aside("deleted", &gone).is_file());
    refused(
        folder.session(&token, None).map(drop),
        ErrorKind::Unauthenticated,
        "db/invalid-token",
    );
    refused(
        session.transact("[]"),
        ErrorKind::Unavailable,
        "db/unavailable",
    );
    drop(session);
    refused(
        root_token_from_keys(data.dir.path(), 1, "acme/a", &data.options()),
        ErrorKind::NotFound,
        "db/not-found",
    );
    refused(
        data.on("ann", "delete-db", "acme/a"),
        ErrorKind::NotFound,
        "db/not-found",
    );
    assert_eq!(data.listed("ann"), [("acme/a".to_owned(), false)]);

    // Another of the same name is another.
    let other = data.on("ann", "new-db", "acme/a").unwrap();
    assert_ne!(other.incarnation, made.incarnation);
    assert_eq!(data.marked("acme/a"), None);
    refused(
        folder.session(&token, None).map(drop),
        ErrorKind::Unauthenticated,
        "db/invalid-token",
    );
    refused(
        data.on("ann", "restore-db", "acme/a"),
        ErrorKind::Conflict,
        "db/exists",
    );
    data.on("ann", "delete-db", "acme/a").unwrap();
    // Both wait; the one that is meant is named.
    let life = made.incarnation.to_string();
    let restore = json!(["restore-db", {"db/id": "acme/a", "incarnation": life}]);
    data.act("ann", &restore).unwrap();
    assert_eq!(data.marked("acme/a").as_deref(), Some("first"));
    assert!(folder.session(&token, None).is_ok(), "it is as it was");
    assert!(root_token_from_keys(data.dir.path(), 1, "acme/a", &data.options()).is_ok());
    refused(
        data.act("ann", &restore),
        ErrorKind::NotFound,
        "db/not-found",
    );
}

#[test]
fn what_was_deleted_is_removed_a_day_later() {
    let mut data = Data::with_accounts();
    let day = Duration::from_secs(DATABASE_UNDO_SECONDS);
    let moment = Duration::from_millis(1);
    data.on("ann", "new-db", "acme/a").unwrap();
    data.on("ann", "new-db", "acme/b").unwrap();
    let gone = data.on("ann", "delete-db", "acme/a").unwrap();
    let DatabaseState::Deleted { at_ms, until_ms } = gone.state else {
        panic!("it is not deleted");
    };
    assert_eq!(
        i64::try_from(DATABASE_UNDO_SECONDS * 1_000),
        Ok(until_ms - at_ms)
    );
    data.clock.advance(day.checked_sub(moment).unwrap());
    data.on("ann", "restore-db", "acme/a").unwrap();
    let gone = data.on("ann", "delete-db", "acme/a").unwrap();
    data.clock.advance(day.checked_sub(moment).unwrap());
    data.open();
    assert!(data.aside("deleted", &gone).is_file());
    assert_eq!(data.listed("ann").len(), 2);
    data.clock.advance(moment);
    assert_eq!(data.listed("ann").len(), 1);
    refused(
        data.on("ann", "restore-db", "acme/a"),
        ErrorKind::NotFound,
        "db/not-found",
    );
    assert!(!data.aside("deleted", &gone).exists(), "by any action");
    let gone = data.on("ann", "delete-db", "acme/b").unwrap();
    data.clock.advance(day);
    data.open();
    assert!(!data.aside("deleted", &gone).exists(), "and at any opening");
    assert!(data.listed("ann").is_empty());
}

#[test]
fn a_kill_between_a_fact_and_its_file_is_finished_when_the_folder_is_opened() {
    let mut data = Data::with_accounts();
    let made = data.on("ann", "new-db", "acme/a").unwrap();
    data.mark("acme/a", "first");
    let token = data.folder().root_token_in("acme/a", 3_599).unwrap();
    let place = data.path("acme/a.redb");
    let (new, deleted) = (data.aside("new", &made), data.aside("deleted", &made));

    // New: killed after the fact, and before the file is in its place.
    drop(data.folder.take());
    fs::rename(&place, &new).unwrap();
    fs::remove_file(data.path("keys/acme.a.incarnation")).unwrap();
    data.open();
    assert_eq!(data.marked("acme/a").as_deref(), Some("first"));
    assert!(data.folder().session(&token, None).is_ok());
    assert!(root_token_from_keys(data.dir.path(), 1, "acme/a", &data.options()).is_ok());

    // New: killed before the fact. What was made is removed, half or whole.
    drop(data.folder.take());
    fs::copy(
        &place,
        data.path(&format!("new/acme.b.{}.redb", "0".repeat(32))),
    )
    .unwrap();
    fs::write(
        data.path(&format!("new/acme.c.{}.redb", "0".repeat(32))),
        "half",
    )
    .unwrap();
    data.open();
    assert!(is_empty(&data.path("new")));
    assert!(data.folder().database_named("acme/b").is_err());

    // Deleted: killed after the fact, and before the file is out of its place.
    data.on("ann", "delete-db", "acme/a").unwrap();
    drop(data.folder.take());
    fs::rename(&deleted, &place).unwrap();
    fs::write(
        data.path("keys/acme.a.incarnation"),
        format!("{}\n", made.incarnation),
    )
    .unwrap();
    data.open();
    assert!(deleted.is_file() && !place.exists());
    assert!(!data.path("keys/acme.a.incarnation").exists());
    assert!(data.folder().session(&token, None).is_err());

    // Restored: killed after the fact, and before the file is in its place.
    data.on("ann", "restore-db", "acme/a").unwrap();
    drop(data.folder.take());
    fs::rename(&place, &deleted).unwrap();
    data.open();
    assert_eq!(data.marked("acme/a").as_deref(), Some("first"));

    // Deleted and made anew, both killed before their files moved: each gets its own.
    data.on("ann", "delete-db", "acme/a").unwrap();
    let other = data.on("ann", "new-db", "acme/a").unwrap();
    data.mark("acme/a", "second");
    drop(data.folder.take());
    fs::rename(&place, data.aside("new", &other)).unwrap();
    fs::rename(&deleted, &place).unwrap();
    data.open();
    assert_eq!(data.marked("acme/a").as_deref(), Some("second"));
    assert!(deleted.is_file());

    // A day later: killed after the file was removed, and before its fact was.
    data.clock
        .advance(Duration::from_secs(DATABASE_UNDO_SECONDS));
    drop(data.folder.take());
    fs::remove_file(&deleted).unwrap();
    data.open();
    assert_eq!(data.listed("ann"), [("acme/a".to_owned(), true)]);
}

#[test]
fn what_did_not_get_its_place_gets_it_when_it_is_asked_for() {
    let data = Data::with_accounts();
    let made = data.on("ann", "new-db", "acme/a").unwrap();
    // As if the disk had refused the rename.
    fs::rename(data.path("acme/a.redb"), data.aside("new", &made)).unwrap();
    assert!(data.folder().database_named("acme/a").is_ok());
    assert!(data.path("acme/a.redb").is_file());
}

#[test]
fn a_file_that_is_lost_or_another_s_is_not_replaced() {
    let data = Data::with_accounts();
    for name in ["acme/a", "acme/b"] {
        data.on("ann", "new-db", name).unwrap();
    }
    fs::rename(data.path("acme/a.redb"), data.path("acme/kept")).unwrap();
    for _ in 0..2 {
        refused(
            data.folder().database_named("acme/a").map(drop),
            ErrorKind::Corrupt,
            "db/corrupt",
        );
    }
    assert!(!data.path("acme/a.redb").exists());
    fs::copy(data.path("acme/b.redb"), data.path("acme/a.redb")).unwrap();
    refused(
        data.folder().database_named("acme/a").map(drop),
        ErrorKind::Corrupt,
        "db/corrupt",
    );
    fs::rename(data.path("acme/kept"), data.path("acme/a.redb")).unwrap();
    assert!(data.folder().database_named("acme/a").is_ok());
}

#[test]
fn requests_without_a_token_are_those_of_the_database_that_they_name() {
    let mut data = Data::with_accounts();
    for name in ["acme/a", "acme/b"] {
        data.on("ann", "new-db", name).unwrap();
    }
    let anonymous = json!([
        {"_id": "_auth$it", "id": "anyone"},
        {"_id": ["_setting/id", "root"], "anonymous": "_auth$it"},
    ]);
    let database = data.folder().database_named("acme/a").unwrap();
    database.transact(&anonymous.to_string()).unwrap();
    drop(database);
    for _ in 0..2 {
        let folder = data.folder();
        assert!(folder.anonymous(Some("acme/a")).unwrap().is_some());
        for other in [None, Some("acme/b"), Some("acme/none"), Some(MASTER)] {
            assert!(folder.anonymous(other).unwrap().is_none(), "{other:?}");
        }
        assert!(folder.has_anonymous_anywhere().unwrap());
        data.open();
    }
}

#[test]
fn any_database_is_verified_exported_and_imported_by_its_name() {
    let mut data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.mark("acme/a", "exported");
    let mut out = Vec::new();
    let database = data.folder().database_named("acme.a").unwrap();
    database.export(&mut out, |_, _| {}).unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    let into = data.folder().database_named("zeta/a").unwrap();
    into.import(out.as_slice(), |_| {}).unwrap();
    assert_eq!(data.marked("zeta/a").as_deref(), Some("exported"));
    drop((database, into));
    drop(data.folder.take());
    for name in ["acme/a", "zeta.a", MASTER, "local/default"] {
        verify_file(data.dir.path(), name, None).unwrap();
    }
    for name in ["acme/none", "../acme/a", "acme/a.redb"] {
        refused(
            verify_file(data.dir.path(), name, None),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
}

#[cfg(feature = "cli")]
#[test]
fn every_command_takes_any_database_of_the_folder() {
    let mut data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    drop(data.folder.take());
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_solon"));
        command.args(arguments).arg("--data").arg(data.dir.path());
        command.env_clear().output().unwrap()
    };
    let items = data.path("items.jsonl");
    fs::write(
        &items,
        r#"{"_id": "_collection", "name": "mark", "doc": "imported"}"#,
    )
    .unwrap();
    let file = items.to_str().unwrap();
    assert_eq!(
        run(&["import", file, "--db", "acme.a"]).status.code(),
        Some(0)
    );
    let out = run(&["export", "--db", "acme/a"]);
    assert!(String::from_utf8(out.stdout).unwrap().contains("imported"));
    let out = run(&["export", "--db", "local/default"]);
    assert!(!String::from_utf8(out.stdout).unwrap().contains("imported"));
    for db in ["acme/a", MASTER, "local.default"] {
        assert_eq!(run(&["verify", "--db", db]).status.code(), Some(0), "{db}");
        let out = run(&["token", "root", "--db", db]);
        let token = String::from_utf8(out.stdout).unwrap();
        assert_eq!(token.lines().count(), 1, "{db}");
    }
    for db in ["acme/none", "../acme/a", "acme/a.redb", "solon/a"] {
        for arguments in [
            &["import", file][..],
            &["export"],
            &["verify"],
            &["token", "root"],
        ] {
            let out = run(&[arguments, &["--db", db]].concat());
            assert_eq!(out.status.code(), Some(5), "{arguments:?} {db}");
            assert!(out.stdout.is_empty());
        }
    }
}
