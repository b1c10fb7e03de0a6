//! How far a database is, and how much is in it: to whom that is told.

use serde_json::json;
use solon::db::ErrorKind;

use crate::support::Db;

#[test]
fn the_library_tells_how_far_a_database_is_and_how_much_is_in_it() {
    let db = Db::new();
    db.root(&json!([{"_id": "_collection", "name": "note"},
                    {"_id": "_predicate", "name": "note/text", "type": "string", "noHistory": true}]));
    let flakes = |db: &Db| {
        let stats = db.database.stats().unwrap();
        let head = db.database.head();
        assert_eq!((stats.block, stats.instant_ms), (head.t, head.instant_ms));
        let totals = stats.totals.unwrap();
        assert_eq!(totals.hash, head.hash.to_string());
        // It is in no file.
        assert_eq!((totals.size_bytes, totals.is_scrub_due), (None, false));
        let verified = db.database.verify().unwrap();
        assert_eq!(totals.flakes, verified.flakes + verified.erased);
        totals.flakes
    };
    let first = flakes(&db);
    let made = db.root(&json!([{"_id": "note$1", "text": "a"}, {"_id": "note$2", "text": "b"}]));
    assert_eq!(flakes(&db), first + 2);
    let s = made.flakes[0].s.raw();
    db.root(&json!([{"_id": s, "text": "c"}]));
    assert_eq!(flakes(&db), first + 4);
    db.root(&json!([{"_id": s, "_action": "erase"}]));
    let totals = db.database.stats().unwrap().totals.unwrap();
    assert_eq!(totals.flakes, first + 5);
    // There is no file to write anew, so that stays due.
    assert!(totals.is_scrub_due);
}

#[test]
fn the_hash_of_a_receipt_is_that_of_its_block() {
    let db = Db::new();
    let first = db.root(&json!([{"_id": "_collection", "name": "note"}]));
    let second = db.root(&json!([{"_id": "_collection", "name": "other"}]));
    let s = solon::model::SubjectId::of_block(second.block).raw();
    let told = db.ask(
        "root",
        &json!({"select": ["_block/hash", "_block/prevHash"], "from": s}),
    );
    assert_eq!(told[0]["_block/hash"], second.hash);
    assert_eq!(told[0]["_block/prevHash"], first.hash);
    assert_eq!(db.database.head().hash.to_string(), second.hash);
}

#[cfg(feature = "server")]
#[test]
fn over_http_counts_and_the_hash_are_told_to_root_alone() {
    use crate::support::rule;
    use crate::support::served::{folder, serve_folder};
    use serde_json::Value;
    use solon::server::Mode;

    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let role = json!({"_id": "_role", "id": "r", "rules": [
        rule("r", "_user", &["_user/username"], "true", &["query"])]});
    let items =
        json!([{"_id": "_auth", "id": "ann", "roles": [role]}, {"_id": "_auth", "id": "nobody"}]);
    let receipt = folder.database().transact(&items.to_string()).unwrap();
    let ann = folder.token_for("ann", 3_600).unwrap();
    let nobody = folder.token_for("nobody", 3_600).unwrap();
    let served = serve_folder(folder, Mode::Closed, Some(dir));
    let told = |body: &str| serde_json::from_str::<Value>(body).unwrap();

    let reply = served.post("ledger-stats", &served.token, None, "{}");
    assert_eq!(reply.status, 200);
    let root = told(&reply.body);
    assert_eq!(root["status"], 200);
    let data = &root["data"];
    assert_eq!((&data["block"], &data["t"]), (&json!(2), &json!(-2)));
    assert_eq!(data["hash"], receipt.hash);
    assert_eq!(data["instant"], receipt.instant_ms);
    assert!(data["flakes"].as_u64().unwrap() > 100);
    assert!(data["size"].as_u64().unwrap() > 4_096);
    assert_eq!(data["scrubDue"], false);
    assert_eq!(reply.header("x-solon-block"), Some("2"));

    let reply = served.post("ledger-stats", &ann, None, "{}");
    let expected = json!({"status": 200, "data": {
        "status": "ready", "block": 2, "t": -2, "instant": receipt.instant_ms}});
    assert_eq!(told(&reply.body), expected);

    served
        .post("ledger-stats", &nobody, None, "{}")
        .problem(403, "db/no-permission");
    served
        .post("ledger-stats", &ann, None, r#"{"a": 1}"#)
        .problem(400, "db/invalid-request");
    served
        .send("POST", "/api/db/ledger-stats", &[], b"{}")
        .problem(401, "http/no-token");
    // The longer spellings, with nothing in the body, and by GET.
    for path in [
        "/api/db/local/default/ledger-stats",
        "/fdb/local/default/ledger-stats",
    ] {
        for method in ["POST", "GET"] {
            let reply = served.send(method, path, &[("BEARER", "")], b"");
            assert_eq!(told(&reply.body)["data"]["block"], 2, "{method} {path}");
        }
    }
}

#[test]
fn without_a_role_nothing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = solon::Folder::open(dir.path(), &solon::Options::default()).unwrap();
    let items = json!([{"_id": "_auth", "id": "nobody"}]).to_string();
    folder.database().transact(&items).unwrap();
    let token = folder.token_for("nobody", 60).unwrap();
    let session = folder.session(&token, None).unwrap();
    assert_eq!(session.stats("{}").unwrap_err().kind(), ErrorKind::Denied);
    let token = folder.root_token(60).unwrap();
    let session = folder.session(&token, None).unwrap();
    assert!(session.stats("").unwrap().totals.is_some());
    assert_eq!(session.stats("[]").unwrap_err().kind(), ErrorKind::Invalid);
}
