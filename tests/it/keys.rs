//! The keys that sign commands: what is one, who may give one to an auth (law 10), and their files.

use serde_json::{Value, json};
use solon::token::CommandKey;

use crate::support::{Db, deny, rule};

fn public(number: u8) -> String {
    let key = CommandKey::parse(&format!("{number:02x}").repeat(32)).unwrap();
    key.public().to_string()
}

#[test]
fn a_public_key_is_one_and_is_nobody_elses() {
    let db = Db::new();
    db.root(&json!([{"_id": "_auth", "id": "ann", "publicKey": public(1)}]));
    let write = |value: Value| {
        let items = json!([{"_id": "_auth", "id": "new", "publicKey": value}]);
        match db.write("root", &items) {
            Ok(_) => "made",
            Err(error) => error.code(),
        }
    };
    for none in [
        json!(""),
        json!("00"),
        json!(public(4).to_uppercase()),
        json!(format!("0x{}", &public(4)[2..])),
        json!("02".to_owned() + &"00".repeat(31)),
        json!("01".to_owned() + &"00".repeat(31)),
        json!("00".repeat(32)),
        json!(4),
        json!([public(4)]),
    ] {
        assert_eq!(write(none.clone()), "db/invalid-tx", "{none}");
    }
    assert_eq!(write(json!(public(1))), "db/unique");
    assert_eq!(write(json!(public(4))), "made");
}

/// Rules with which an auth may write what others sign with.
fn key_rules(id: &str) -> Vec<Value> {
    ["_auth/publicKey", "_auth/authority", "_auth/id"]
        .iter()
        .enumerate()
        .map(|(index, predicate)| {
            let name = format!("{id}-{index}");
            rule(&name, "_auth", &[predicate], "true", &["query", "transact"])
        })
        .collect()
}

#[test]
fn law_10_who_gives_a_key_or_an_authority_holds_what_it_signs_for() {
    let db = Db::new();
    db.auth("clerk", None, &key_rules("clerk"));
    db.root(&json!([
        {"_id": "_auth", "id": "mate", "roles": [["_role/id", "clerk-role"]]},
        {"_id": "_auth", "id": "bare"},
        {"_id": "_auth", "id": "deputy", "roles": [["_role/id", "root"]]}]));
    db.auth(
        "wide",
        None,
        &[rule("w", "_user", &["*"], "true", &["query"])],
    );
    let set = |of: &str, predicate: &str, value: Value| {
        let items = json!([{"_id": ["_auth/id", of], predicate: value}]);
        match db.write("clerk", &items) {
            Ok(_) => "made",
            Err(error) => error.code(),
        }
    };
    let bare = || json!([["_auth/id", "bare"]]);
    let denied = "db/write-permission";
    for of in ["root", "deputy", "wide"] {
        assert_eq!(set(of, "publicKey", json!(public(1))), denied, "{of}");
        assert_eq!(set(of, "authority", bare()), denied, "{of}");
    }
    for (of, number) in [("clerk", 1), ("mate", 2), ("bare", 3)] {
        assert_eq!(set(of, "publicKey", json!(public(number))), "made", "{of}");
        assert_eq!(set(of, "authority", bare()), "made", "{of}");
    }
    // Whose key signs for another, through an authority, gives what that other holds.
    db.root(&json!([{"_id": ["_auth/id", "wide"], "authority": bare()}]));
    assert_eq!(set("bare", "publicKey", json!(public(4))), denied);
    // Taking the key away gives nobody anything.
    assert_eq!(set("bare", "publicKey", Value::Null), "made");
    assert_eq!(set("bare", "publicKey", json!(public(4))), denied);
    db.root(&json!([{"_id": ["_auth/id", "wide"], "authority": null}]));
    assert_eq!(set("bare", "publicKey", json!(public(4))), "made");
}

#[test]
fn law_10_an_auth_that_is_deleted_is_taken_from_those_it_signed_for() {
    let db = Db::new();
    let rules = [rule("d", "_auth", &["*"], "true", &["query", "transact"])];
    db.auth("clerk", None, &rules);
    db.auth(
        "wide",
        None,
        &[rule("w", "_user", &["*"], "true", &["query"])],
    );
    db.root(&json!([{"_id": "_auth$a", "id": "gone"}, {"_id": ["_auth/id", "wide"], "authority": ["_auth$a"]}]));
    let deletes = json!([{"_id": ["_auth/id", "gone"], "_action": "delete"}]);
    db.write("clerk", &deletes).unwrap();
    let left = db.ask(
        "root",
        &json!({"selectOne": ["authority"], "from": ["_auth/id", "wide"]}),
    );
    assert!(left.get("authority").is_none_or(Value::is_null), "{left}");
}

#[test]
fn law_10_who_is_bound_by_a_deny_gives_keys_to_those_bound_by_it() {
    let db = Db::new();
    let mut rules = key_rules("clerk");
    rules.push(deny(rule("no", "_setting", &["*"], "true", &["query"])));
    db.auth("clerk", None, &rules);
    db.auth("free", None, &key_rules("free"));
    db.root(&json!([
        {"_id": "_auth", "id": "bound", "roles": [["_role/id", "clerk-role"]]},
        {"_id": "_auth", "id": "some", "roles": [{"_id": "_role", "id": "some", "rules": [["_rule/id", "clerk-2"]]}]}]));
    let key = |of: &str, number: u8| {
        db.write(
            "clerk",
            &json!([{"_id": ["_auth/id", of], "publicKey": public(number)}]),
        )
        .map_err(|error| error.code())
        .map(drop)
    };
    assert_eq!(key("bound", 1), Ok(()));
    assert_eq!(key("some", 2), Err("db/write-permission"));
    let authority = json!([{"_id": ["_auth/id", "some"], "authority": [["_auth/id", "clerk"]]}]);
    assert_eq!(
        db.refused("clerk", &authority).code(),
        "db/write-permission"
    );
}
