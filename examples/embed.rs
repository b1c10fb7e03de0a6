//! A policy database inside a program: no server, no runtime, no network.
//!
//! Run with `cargo run --example embed --no-default-features`.

use std::error::Error;

use solon::{Database, ErrorKind};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Database::open(dir.path().join("app.redb"))?;

    // The schema is data.
    db.transact(
        r#"[{"_id": "_collection", "name": "chat"},
            {"_id": "_predicate", "name": "chat/message", "type": "string"},
            {"_id": "_predicate", "name": "chat/person", "type": "ref", "restrictCollection": "_user"}]"#,
    )?;

    // So is the policy: who holds this role reads all chats, and writes their own.
    db.transact(
        r#"[{"_id": "_fn$own", "name": "ownChat", "code": "(== (get (?s) \"chat/person\") (?user_id))"},
            {"_id": "_role$chatter", "id": "chatter", "rules": [
              {"_id": "_rule", "id": "readChats", "collection": "chat", "predicates": ["*"],
               "fns": [["_fn/name", "true"]], "ops": ["query"]},
              {"_id": "_rule", "id": "seeUsers", "collection": "_user", "predicates": ["_user/username"],
               "fns": [["_fn/name", "true"]], "ops": ["query"]},
              {"_id": "_rule", "id": "writeOwnChats", "collection": "chat", "predicates": ["*"],
               "fns": ["_fn$own"], "ops": ["transact"],
               "errorMessage": "You can only change your own chats."}]},
            {"_id": "_user", "username": "ann", "auth": [{"_id": "_auth", "id": "ann", "roles": ["_role$chatter"]}]},
            {"_id": "_user", "username": "bob", "auth": [{"_id": "_auth", "id": "bob", "roles": ["_role$chatter"]}]}]"#,
    )?;

    // An allow.
    let chat =
        r#"[{"_id": "chat$hello", "message": "hello", "person": ["_user/username", "ann"]}]"#;
    let receipt = db.transact_as("ann", chat)?;
    assert_eq!(receipt.flakes.len(), 2);
    let query = r#"{"select": ["message", {"person": ["username"]}], "from": "chat"}"#;
    let answer = db.view("bob")?.query(query)?;
    assert!(
        answer.body.contains(r#""message":"hello""#),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains(r#""username":"ann""#),
        "{}",
        answer.body
    );

    // A deny: nothing is written, and the rule says why.
    let refused = db.transact_as("bob", chat).expect_err("bob writes as ann");
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Denied, "db/write-permission")
    );
    assert_eq!(refused.message(), "You can only change your own chats.");

    // A revocation: the very next request sees it.
    db.transact(r#"[{"_id": ["_role/id", "chatter"], "rules": [["_rule/id", "readChats"]], "_action": "delete"}]"#)?;
    assert_eq!(db.view("bob")?.query(query)?.body, "[]");

    // And an auth that is gone may do nothing at all.
    db.transact(r#"[{"_id": ["_auth/id", "bob"], "_action": "delete"}]"#)?;
    let gone = db.view("bob").expect_err("bob is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);

    let verified = db.verify()?;
    assert_eq!(verified.head.t, db.head().t);
    Ok(())
}
