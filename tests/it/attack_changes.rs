//! Attacks by changes of the schema, by erasing, and by what is imported: what is left, and who gains by it.

use serde_json::{Value, json};
use solon::db::{Receipt, sign_command};
use solon::model::{SubjectId, T};
use solon::token::CommandKey;

use crate::support::{Db, START_MS, office};

/// A command of root, signed by a key of its own.
fn command(db: &Db, nonce: i64, tx: &Value) -> Receipt {
    let key = CommandKey::parse(&"07".repeat(32)).unwrap();
    let text = json!({
        "type": "tx", "db": "local/default", "auth": "root", "nonce": nonce,
        "expire": START_MS + 60_000, "tx": tx,
    });
    let body = sign_command(&key, &text.to_string()).unwrap();
    db.database.command("local/default", &body).unwrap()
}

/// What is kept of a signed command.
fn said(db: &Db, block: T) -> String {
    let s = SubjectId::of_block(block).raw();
    db.ask("root", &json!({"select": ["_tx/tx", "_tx/sig"], "from": s}))
        .to_string()
}

#[test]
fn a_command_that_names_what_it_replaces_is_not_kept_where_no_history_is() {
    let db = office();
    let public = CommandKey::parse(&"07".repeat(32)).unwrap().public();
    db.root(&json!([{"_id": ["_auth/id", "root"], "publicKey": public.to_string()}]));
    db.root(
        &json!([{"_id": "_predicate", "name": "doc/pin", "type": "string", "noHistory": true, "unique": true}]),
    );
    let a = json!(["doc/key", "a"]);
    let mut old = "zebra-0".to_owned();
    db.root(&json!([{"_id": "doc", "key": "a", "pin": old}]));
    let naming: [&dyn Fn(&str, &str) -> Value; 4] = [
        &|old, new| json!([{"_id": a, "pin": format!("#(cas \"{old}\" \"{new}\")")}]),
        &|old, new| json!([{"_id": a, "pin": old, "_action": "delete"}, {"_id": a, "pin": new}]),
        &|old, new| json!([{"_id": ["doc/pin", old], "pin": new}]),
        &|old, new| json!([{"_id": a, "pin": new, "title": format!("#(get [\"doc/pin\" \"\\u007a{}\"] \"doc/key\")", &old[1..])}]),
    ];
    for (nonce, naming) in (1..).zip(naming) {
        let new = format!("zebra-{nonce}");
        let receipt = command(&db, nonce, &naming(&old, &new));
        let said = said(&db, receipt.block);
        assert!(!said.contains(&old[1..]), "{said}");
        old = new;
    }
    db.database.verify().unwrap();
}
