//! Requests that nobody would send: seeded noise over transactions, queries, token requests and signed commands.
//!
//! Whatever comes in, something clear goes out: an answer, or an error that is the client's. Nothing panics, a
//! refusal changes nothing, and at the end the database verifies.

use serde_json::{Value, json};
use solon::db::{Answers, Error, ErrorKind, sign_command};
use solon::token::{CommandKey, CommandSignature, SignerKey};

use crate::support::random::{Random, seeds};
use crate::support::{Db, furnish, office, rule};

/// Bodies to begin with: each form of request at least once.
fn bodies() -> Vec<String> {
    [
        json!([{"_id": "doc$x", "title": "t", "owner": ["_user/username", "ann"], "label": "odd", "size": 3}]),
        json!([{"_id": ["doc/key", "a"], "title": null, "readers": [["_user/username", "bob"]]}]),
        json!([{"_id": ["doc/key", "b"], "_action": "delete"}]),
        json!([{"_id": ["doc/key", "a"], "_action": "erase", "title": null, "size": 1}, {"_id": ["team/name", "beta"], "_action": "erase"}]),
        json!([{"_id": "doc", "team": {"_id": "team", "name": "new", "lead": ["_user/username", "ann"]}}]),
        json!([{"_id": "_collection", "name": "x"}, {"_id": "_predicate", "name": "x/y", "type": "json"}]),
        json!([{"_id": "_fn", "name": "f", "code": "(and true (== 1 (count [1 2])))", "params": ["a"]}]),
        json!([{"_id": "_rule", "id": "r", "collection": "doc", "predicates": ["*"], "ops": ["query"], "fns": [["_fn/name", "true"]]}]),
        json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]),
        json!([{"_id": "doc", "sum": "-1.50e-3", "serial": ["123456789012345678901234567890", 7],
            "shape": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1.5], [0, 0]]]}}]),
        json!({"select": ["sum", "shape"], "from": "doc", "where": "doc/sum > 0.10000000000000000000001", "orderBy": "doc/sum"}),
        json!({"select": ["*", {"doc/team": ["*", {"doc/_team": ["title", {"_limit": 1}]}]}], "from": "doc", "limit": 3}),
        json!({"selectOne": ["title"], "from": ["doc/key", "a"], "block": "PT1M"}),
        json!({"select": ["title"], "from": "doc", "where": "doc/size >= 1 AND doc/title = 'plans'", "orderBy": ["DESC", "doc/size"]}),
        json!({"select": ["*"], "from": ["_tx"], "offset": 1, "opts": {"compact": true}}),
        json!({"block": [2, "PT1M"], "prettyPrint": true}),
        json!({"history": ["doc/key", "a"], "block": [1, 99], "showAuth": true, "auth": ["root", ["_auth/id", "ann"], 0]}),
        json!({"history": [["doc/key", "a"], "doc/title", "plans"], "prettyPrint": true}),
        json!({"history": [null, "doc/owner", ["_user/username", "ann"]], "block": 4}),
        json!({"a": {"select": ["*"], "from": "doc"}, "b": {"history": [null, "doc/size", 1]}, "c": {"block": 3}, "block": 2}),
        json!({"auth": ["_auth/id", "ann"], "expireSeconds": 60}),
    ]
    .iter()
    .map(Value::to_string)
    .collect()
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "0.1",
    "\"1e-1000\"",
    "123456789012345678901234567890.5",
    "\"type\":\"Point\"",
    "18446744073709551616",
    "\"_id\"",
    "\"_action\":\"delete\"",
    "\"_action\":\"erase\"",
    "\"#(now)\"",
    "\"*\"",
    "\"doc/title\"",
    "\"_auth/password\"",
    "[\"_auth/id\",\"root\"]",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\u{7f}",
    "é",
    "\"_token/hash\"",
];

fn mutated(random: &mut Random, text: &str) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..random.below(4) {
        let at = random.index(text.len() + 1);
        match random.below(4) {
            0 if at < text.len() => drop(text.remove(at)),
            1 => {
                let end = (at + random.index(20)).min(text.len());
                drop(text.drain(at..end));
            }
            2 => {
                let from = random.index(text.len() + 1);
                let to = (from + random.index(30)).min(text.len());
                let copy: Vec<char> = text[from..to].to_vec();
                text.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES[random.index(PIECES.len())];
                text.splice(at..at, piece.chars());
            }
        }
    }
    text.into_iter().collect()
}

fn is_the_clients(error: &Error, body: &str) {
    assert!(
        !matches!(
            error.kind(),
            ErrorKind::Internal | ErrorKind::Corrupt | ErrorKind::Unavailable
        ),
        "{error} for {body}"
    );
    assert!(!error.message().contains('\n'), "{error:?}");
}

fn furnished() -> Db {
    let db = office();
    db.auth(
        "ann",
        Some("ann"),
        &[
            rule(
                "read",
                "doc",
                &["*"],
                r#"(== (get (?s) "doc/owner") (?user_id))"#,
                &["query"],
            ),
            rule(
                "write",
                "doc",
                &["doc/title", "doc/size"],
                "true",
                &["transact"],
            ),
        ],
    );
    db.root(&json!([
        {"_id": "_user", "username": "bob"},
        {"_id": "_predicate", "name": "doc/sum", "type": "bigdec", "index": true},
        {"_id": "_predicate", "name": "doc/serial", "type": "bigint", "multi": true, "unique": true},
        {"_id": "_predicate", "name": "doc/shape", "type": "geojson"},
    ]));
    furnish(&db);
    db
}

#[test]
fn noise_is_answered_or_refused_and_what_is_refused_changes_nothing() {
    for seed in seeds(1) {
        println!("SOLON_SEED={seed} cargo test noise_is_answered");
        let mut random = Random::new(seed);
        let db = furnished();
        let bodies = bodies();
        let (mut answered, mut refused) = (0, 0);
        for round in 0..3_000 {
            let body = mutated(&mut random, random_body(&bodies, round));
            let auth = if round % 2 == 0 { "root" } else { "ann" };
            let before = db.database.head();
            match db.database.transact_as(auth, &body) {
                Ok(receipt) => {
                    answered += 1;
                    assert_eq!(db.database.head().t, receipt.block);
                }
                Err(error) => {
                    refused += 1;
                    is_the_clients(&error, &body);
                    assert_eq!(db.database.head(), before, "{body}");
                }
            }
            // An auth that the noise deleted asks no more.
            let Ok(view) = db.database.view(auth) else {
                continue;
            };
            let is_json = |body: &str| drop(serde_json::from_str::<Value>(body).unwrap());
            match view.ask(&body) {
                Ok(Answers::One(answer)) => is_json(&answer.body),
                Ok(Answers::Many(many)) => {
                    for (_, answer) in many.answers {
                        match answer {
                            Ok(answer) => is_json(&answer),
                            Err(error) => is_the_clients(&error, &body),
                        }
                    }
                }
                Err(error) => is_the_clients(&error, &body),
            }
        }
        assert!(answered > 20 && refused > 1_000, "{answered} {refused}");
        db.database.verify().unwrap();
    }
}

fn random_body(bodies: &[String], round: usize) -> &str {
    &bodies[round % bodies.len()]
}

#[test]
fn noise_in_rule_text_is_refused_with_its_place() {
    let db = office();
    let mut random = Random::new(seeds(1)[0]);
    let code = r#"(and (== (get (?s) "doc/owner") (?user_id)) (not (nil? (get-all (?s) ["doc/team" "team/lead"]))))"#;
    let mut refused = 0;
    for n in 0..300 {
        let code = mutated(&mut random, code);
        let items = json!([{"_id": "_fn", "name": format!("f{n}"), "code": code}]);
        if let Err(error) = db.write("root", &items) {
            is_the_clients(&error, &code);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    db.database.verify().unwrap();
}

#[test]
fn noise_in_commands_is_refused_and_noise_after_the_signature_is_made_by_nobody() {
    for seed in seeds(1) {
        println!("SOLON_SEED={seed} cargo test noise_in_commands");
        let mut random = Random::new(seed);
        let db = furnished();
        let key = CommandKey::parse(&"01".repeat(32)).unwrap();
        let public = key.public().to_string();
        db.root(&json!([{"_id": ["_auth/id", "ann"], "publicKey": public}]));
        let (mut made, mut refused) = (0, 0);
        for nonce in 0..1_000 {
            let command = json!({"type": "tx", "db": "a/b", "auth": "ann", "nonce": nonce,
                "expire": 1_900_000_000_000_i64, "fuel": 1_000, "deps": [],
                "tx": [{"_id": ["doc/key", "a"], "size": nonce}]});
            let text = mutated(&mut random, &command.to_string());
            let body = json!({"cmd": text, "sig": key.sign(&text).to_string()}).to_string();
            match db.database.command("a/b", &body) {
                Ok(receipt) => {
                    made += 1;
                    assert_eq!(receipt.auth, "ann");
                }
                Err(error) => {
                    refused += 1;
                    is_the_clients(&error, &body);
                }
            }
            // Noise that comes after the signature is never made.
            let body = sign_command(&key, &command.to_string()).unwrap();
            let noisy = mutated(&mut random, &body);
            let head = db.database.head();
            if noisy != body
                && let Err(error) = db.database.command("a/b", &noisy)
            {
                is_the_clients(&error, &noisy);
                assert_eq!(db.database.head(), head);
            }
        }
        assert!(made > 50 && refused > 300, "{made} {refused}");
        db.database.verify().unwrap();
    }
}

#[test]
fn noise_in_keys_and_signatures_verifies_nothing() {
    let mut random = Random::new(seeds(1)[0]);
    let key = CommandKey::parse(&"01".repeat(32)).unwrap();
    let (public, signature) = (key.public().to_string(), key.sign("text").to_string());
    let mut keys = 0;
    for _ in 0..1_000 {
        let noisy = mutated(&mut random, &signature);
        if let Some(other) = CommandSignature::parse(&noisy) {
            assert_eq!(noisy == signature, key.public().verifies("text", &other));
        }
        let bytes: [u8; 32] = random.bytes();
        let digits = solon::model::Digest(bytes).to_string();
        for noisy in [mutated(&mut random, &public), digits] {
            if let Some(other) = SignerKey::parse(&noisy) {
                // What is read is written again, so a key has one spelling.
                assert_eq!(other.to_string(), noisy);
                let verified =
                    other.verifies("text", &CommandSignature::parse(&signature).unwrap());
                assert_eq!(verified, noisy == public);
                keys += 1;
            }
        }
    }
    assert!(keys > 300, "{keys}");
}
