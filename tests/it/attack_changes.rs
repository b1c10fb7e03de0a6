//! Attacks by changes of the schema, by erasing, and by what is imported: what is left, and who gains by it.

use serde_json::{Value, json};
use solon::db::{Receipt, sign_command};
use solon::model::{SubjectId, T};
use solon::token::CommandKey;

use crate::support::{Db, START_MS, office, rule};

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
    for nonce in 1..=4 {
        let new = format!("zebra-{nonce}");
        let items = match nonce {
            1 => json!([{"_id": a, "pin": format!("#(cas \"{old}\" \"{new}\")")}]),
            2 => json!([{"_id": a, "pin": old, "_action": "delete"}, {"_id": a, "pin": new}]),
            3 => json!([{"_id": ["doc/pin", old], "pin": new}]),
            _ => {
                let hidden = format!("#(get [\"doc/pin\" \"\\u007a{}\"] \"doc/key\")", &old[1..]);
                json!([{"_id": a, "pin": new, "title": hidden}])
            }
        };
        let receipt = command(&db, nonce, &items);
        let said = said(&db, receipt.block);
        assert!(!said.contains(&old[1..]), "{said}");
        old = new;
    }
    db.database.verify().unwrap();
}

/// A document of which ann sees what the function tells of its weight, and eve may change types.
fn weighed(of: &str, weight: &Value, code: &str) -> Db {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/weight", "type": of}]));
    db.auth("ann", None, &[rule("see", "doc", &["*"], code, &["query"])]);
    let shapes = rule(
        "shapes",
        "_predicate",
        &["_predicate/type"],
        "true",
        &["transact"],
    );
    db.auth("eve", None, &[shapes]);
    db.root(&json!([{"_id": "doc", "key": "a", "weight": weight}]));
    db
}

#[test]
fn a_change_of_type_changes_no_answer_of_a_rule() {
    let weight = |new: &str| json!([{"_id": ["_predicate/name", "doc/weight"], "type": new}]);
    let keys = json!({"select": ["doc/key"], "from": "doc"});
    for code in [
        r#"(not= (get (?s) "doc/weight") 0.1)"#,
        r#"(== (get (?s) "doc/weight") 0.1)"#,
        r#"(< (get (?s) "doc/weight") 0.1)"#,
        r#"(== (+ (get (?s) "doc/weight") 1) 1.1)"#,
        "(not= (?o) 0.1)",
    ] {
        for of in ["double", "float"] {
            let db = weighed(of, &json!(0.1), code);
            let before = db.ask("ann", &keys);
            let refused = db.refused("eve", &weight("bigdec"));
            assert_eq!(refused.code(), "db/in-use", "{code}");
            // Eve does not see the function.
            assert!(!refused.message().contains("see-fn"), "{refused}");
            assert_eq!(db.refused("root", &weight("bigdec")).code(), "db/in-use");
            assert_eq!(db.ask("ann", &keys), before);
        }
    }
    // What no function reads may change.
    let db = weighed("double", &json!(0.1), r#"(== (get (?s) "doc/key") "a")"#);
    db.write("eve", &weight("bigdec")).unwrap();
    // A sum or a text tells a 5 from a 5.0, so root alone says that it does not matter.
    for code in [
        r#"(not= (+ (get (?s) "doc/weight") 0.1) 5.1)"#,
        r#"(not= (str (get (?s) "doc/weight")) "5")"#,
        r#"(not= (str (?o)) "5")"#,
    ] {
        for new in ["instant", "double", "float", "bigint", "bigdec"] {
            let db = weighed("int", &json!(5), code);
            assert_eq!(
                db.refused("eve", &weight(new)).code(),
                "db/in-use",
                "{code} {new}"
            );
            db.write("root", &weight(new)).unwrap();
        }
    }
    // Whole numbers are compared alike in every type.
    for code in [
        r#"(not= (get (?s) "doc/weight") 5)"#,
        r#"(== (get (?s) "doc/weight") 5)"#,
        r#"(< (get (?s) "doc/weight") 5)"#,
        r#"(<= (get (?s) "doc/weight") 5)"#,
        r#"(contains? (hash-set 5 6) (get (?s) "doc/weight"))"#,
    ] {
        for new in ["long", "instant", "double", "float", "bigint", "bigdec"] {
            let db = weighed("int", &json!(5), code);
            let before = db.ask("ann", &keys);
            db.write("root", &weight(new)).unwrap();
            assert_eq!(db.ask("ann", &keys), before, "{code} {new}");
        }
    }
}

#[test]
fn a_value_is_erased_in_the_types_that_it_had_too() {
    let uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    for (of, value, types, told) in [
        ("uuid", json!(uuid), &["string"][..], json!(uuid)),
        ("bytes", json!("00ff"), &["string"], json!("00ff")),
        ("json", json!({"a": 1}), &["string"], json!("{\"a\":1}")),
        ("int", json!(5), &["double"], json!(5.0)),
        ("int", json!(5), &["float", "double", "bigdec"], json!("5")),
        ("int", json!(5), &["instant", "long", "double"], json!(5)),
        ("double", json!(0.1), &["bigdec"], json!("0.1")),
    ] {
        let db = weighed(of, &value, "true");
        let held = db.database.head();
        for new in types {
            db.root(&json!([{"_id": ["_predicate/name", "doc/weight"], "type": new}]));
        }
        let then = json!({"select": ["doc/key", "doc/weight"], "from": "doc", "block": held.t.0});
        assert!(db.ask("root", &then).to_string().contains("doc/weight"));
        db.root(&json!([{"_id": ["doc/key", "a"], "_action": "erase", "weight": told}]));
        let left = db.ask("root", &then).to_string();
        assert!(!left.contains("doc/weight"), "{of} {types:?}: {left}");
        db.database.verify().unwrap();
    }
}

#[test]
fn an_export_is_in_an_order_that_tells_nothing_hidden() {
    let told = ["(seen)", "true"].map(|hidden| {
        let db = office();
        for (name, code) in [
            ("seen", "true"),
            ("hidden", hidden),
            ("first", "(hidden)"),
            ("second", "true"),
        ] {
            db.root(&json!([{"_id": "_fn", "name": name, "code": code}]));
        }
        let code = r#"(not= (get (?s) "_fn/name") "hidden")"#;
        db.auth("ann", None, &[rule("see", "_fn", &["*"], code, &["query"])]);
        let mut out = Vec::new();
        db.database.export_as("ann", &mut out, |_, _| ()).unwrap();
        String::from_utf8(out).unwrap()
    });
    assert!(told[0].contains("(hidden)"));
    assert_eq!(told[0], told[1]);
}
