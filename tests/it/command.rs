//! Signed commands: who signs, for whom, when and how often; and each way in which a command is none.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::limits::{
    COMMAND_BODY_BYTES_MAX, COMMAND_DEPENDENCIES_MAX, ROOT_COMMAND_SECONDS_MAX,
};
use solon::db::{Error, Receipt, sign_command};
use solon::token::{CommandKey, SignerKey};

use crate::support::{Db, START_MS, rule};

const NAME: &str = "local/default";

/// Keys that are the same in each run.
fn key(number: u8) -> CommandKey {
    CommandKey::parse(&format!("{number:02x}").repeat(32)).unwrap()
}

fn public(number: u8) -> String {
    key(number).public().to_string()
}

/// A database with notes, which `ann` (key 1) and `bob` (key 2) may write, and `ann` is told of.
fn notes() -> Db {
    let db = Db::new();
    db.root(&json!([
        {"_id": "_collection", "name": "note"},
        {"_id": "_predicate", "name": "note/text", "type": "string", "unique": true}]));
    for (id, number) in [("ann", 1), ("bob", 2)] {
        let name = format!("{id}-notes");
        db.auth(
            id,
            None,
            &[rule(&name, "note", &["*"], "true", &["query", "transact"])],
        );
        db.root(&json!([{"_id": ["_auth/id", id], "publicKey": public(number)}]));
    }
    db
}

/// A command of `ann` that writes a note.
fn note(nonce: i64, more: &Value) -> Value {
    let mut command = json!({
        "type": "tx", "db": NAME, "auth": "ann", "nonce": nonce,
        "tx": [{"_id": "note", "text": format!("note {nonce}")}]});
    for (name, value) in more.as_object().unwrap() {
        command[name] = value.clone();
    }
    command
}

fn signed(number: u8, command: &Value) -> String {
    sign_command(&key(number), &command.to_string()).unwrap()
}

/// Signs what [`sign_command`] would not.
fn signed_text(number: u8, text: &str) -> String {
    let signature = key(number).sign(text).to_string();
    json!({"cmd": text, "sig": signature}).to_string()
}

fn send(db: &Db, number: u8, command: &Value) -> Result<Receipt, Error> {
    db.database
        .command(NAME, &signed_text(number, &command.to_string()))
}

/// The subject of the block that a transaction became.
fn block_of(receipt: &Receipt) -> i64 {
    solon::model::SubjectId::of_block(receipt.block).raw()
}

fn code(sent: Result<Receipt, Error>) -> &'static str {
    match sent {
        Ok(_) => "made",
        Err(error) => error.code(),
    }
}

fn check(db: &Db, number: u8, command: &Value, expected: &str) {
    let head = db.database.head();
    assert_eq!(code(send(db, number, command)), expected, "{command}");
    if expected != "made" {
        assert_eq!(db.database.head(), head, "{command}");
    }
}

#[test]
fn a_command_has_the_permissions_of_its_auth_and_is_kept_as_it_was_signed() {
    let db = notes();
    let text = note(7, &json!({})).to_string();
    let body = sign_command(&key(1), &text).unwrap();
    let receipt = db.database.command(NAME, &body).unwrap();
    assert_eq!((receipt.auth.as_str(), &receipt.authority), ("ann", &None));
    assert_eq!(receipt.bytes, text.len());
    let query = json!({"selectOne": ["*"], "from": block_of(&receipt)});
    let kept = db.ask("ann", &query);
    assert_eq!(kept["_tx/tx"], text);
    assert_eq!(kept["_tx/nonce"], 7);
    let sent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(kept["_tx/sig"], sent["sig"]);
    assert_eq!(kept["_tx/authority"], Value::Null);
    // Who did not make it does not see it.
    assert_eq!(db.ask("bob", &query), Value::Null);
    // What the auth may not write is refused as ever, with the place in the command.
    let other = json!({"tx": [{"_id": "_user", "username": "eve"}]});
    let refused = send(&db, 1, &note(8, &other)).unwrap_err();
    assert_eq!(refused.code(), "db/write-permission");
    assert_eq!(refused.at(), Some("/cmd/tx/0/username"));
    // A refused command leaves nothing: its nonce is free.
    check(&db, 1, &note(8, &json!({})), "made");
    db.database.verify().unwrap();
}

#[test]
fn the_id_of_a_transaction_can_be_told_from_the_command() {
    use sha2::{Digest as _, Sha256};
    let db = notes();
    let text = note(-3, &json!({})).to_string();
    let receipt = db.database.command(NAME, &signed_text(1, &text)).unwrap();
    let mut hasher = Sha256::new();
    let auth = db.database.auth("ann").unwrap();
    hasher.update(auth.raw().to_be_bytes());
    hasher.update((-3_i64).to_be_bytes());
    hasher.update(Sha256::digest(text.as_bytes()));
    let id: [u8; 32] = hasher.finalize().into();
    assert_eq!(receipt.id, solon::model::Digest(id).to_string());
}

#[test]
fn another_key_and_any_changed_byte_are_no_signature() {
    let db = notes();
    let command = note(1, &json!({}));
    check(&db, 2, &command, "db/invalid-signature");
    check(&db, 3, &command, "db/invalid-signature");
    let text = command.to_string();
    let sig = key(1).sign(&text).to_string();
    let send = |text: &str, sig: &str| {
        let body = json!({"cmd": text, "sig": sig}).to_string();
        code(db.database.command(NAME, &body))
    };
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let other = String::from_utf8(bytes).unwrap();
            assert_ne!(send(&other, &sig), "made", "{other}");
        }
    }
    for at in 0..sig.len() {
        let mut bytes = sig.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let other = String::from_utf8(bytes).unwrap();
        assert_eq!(send(&text, &other), "db/invalid-signature", "{other}");
    }
    // The same text in another form was not signed.
    assert_eq!(send(&format!("{text} "), &sig), "db/invalid-signature");
    assert_eq!(send(&text, &sig), "made");
}

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn nobody_makes_another_signature_of_one() {
    let db = notes();
    let text = note(1, &json!({})).to_string();
    let sig = key(1).sign(&text).to_string();
    let send = |sig: &str| {
        let body = json!({"cmd": text, "sig": sig}).to_string();
        code(db.database.command(NAME, &body))
    };
    // The same s, with the group's order added.
    let digits = |at: usize| u8::from_str_radix(&sig[at..at + 2], 16).unwrap();
    let mut carry = 0;
    let mut other = sig[..64].to_owned();
    for (index, order) in ORDER.iter().enumerate() {
        let sum = u16::from(digits(64 + 2 * index)) + u16::from(*order) + carry;
        carry = sum >> 8;
        let _ = write!(other, "{:02x}", sum & 0xff);
    }
    assert_eq!(carry, 0);
    assert_eq!(send(&other), "db/invalid-signature");
    // Another spelling of the same bytes.
    assert_eq!(send(&sig.to_uppercase()), "db/invalid-command");
    // The neutral element and zero, which a small-order key would take.
    let neutral = format!("01{}", "00".repeat(63));
    assert_eq!(send(&neutral), "db/invalid-signature");
    for none in [
        "",
        "00",
        &sig[1..],
        &format!("{sig}0"),
        &format!(" {}", &sig[1..]),
    ] {
        assert_eq!(send(none), "db/invalid-command", "{none}");
    }
    assert_eq!(send(&sig), "made");
}

#[test]
fn an_auth_that_is_not_there_reads_as_one_without_a_key_and_as_a_wrong_signature() {
    let db = notes();
    db.root(&json!([{"_id": "_auth", "id": "keyless"}]));
    let wrong = send(&db, 2, &note(1, &json!({}))).unwrap_err();
    let ann = db.database.auth("ann").unwrap().raw();
    for auth in [
        json!("nobody"),
        json!("keyless"),
        json!("root"),
        json!(["_auth/id", "nobody"]),
        json!(ann),
        json!(ann + 1_000),
        json!(0),
        json!(-1),
    ] {
        for more in [
            json!({"auth": auth}),
            json!({"auth": "ann", "authority": auth}),
            json!({"auth": "nobody", "authority": auth}),
        ] {
            let told = send(&db, 2, &note(1, &more)).unwrap_err();
            assert_eq!(told, wrong, "{more}");
        }
    }
    // The key that stands in for one that is not there signs for nobody, though everybody has it.
    let stand_in =
        CommandKey::parse("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
    assert_eq!(Some(stand_in.public()), SignerKey::stand_in());
    let text = note(1, &json!({"auth": "keyless"})).to_string();
    let body = sign_command(&stand_in, &text).unwrap();
    assert_eq!(db.database.command(NAME, &body).unwrap_err(), wrong);
}

#[test]
fn each_way_to_name_an_auth_names_it() {
    let db = notes();
    let ann = db.database.auth("ann").unwrap().raw();
    for (auth, nonce) in [json!("ann"), json!(["_auth/id", "ann"]), json!(ann)]
        .iter()
        .zip(1..)
    {
        check(&db, 1, &note(nonce, &json!({"auth": auth})), "made");
    }
    // Another unique predicate would be a way to guess at facts of an auth that one signs for.
    let by_key = json!({"auth": ["_auth/publicKey", public(1)]});
    check(&db, 1, &note(9, &by_key), "db/invalid-command");
}

#[test]
fn a_nonce_works_once_for_an_auth_whatever_the_text_is() {
    let db = notes();
    check(&db, 1, &note(1, &json!({})), "made");
    check(&db, 1, &note(1, &json!({})), "db/replay");
    let other = json!({"tx": [{"_id": "note", "text": "another"}]});
    check(&db, 1, &note(1, &other), "db/replay");
    check(&db, 1, &note(2, &other), "made");
    let bob =
        |nonce: i64| json!({"auth": "bob", "tx": [{"_id": "note", "text": format!("b{nonce}")}]});
    check(&db, 2, &note(1, &bob(1)), "made");
    for nonce in [i64::MIN, -1, 0, i64::MAX] {
        check(&db, 1, &note(nonce, &json!({})), "made");
        check(&db, 1, &note(nonce, &json!({})), "db/replay");
    }
    // What its author says of the transaction frees no nonce, and nobody takes the note of it away.
    let of = json!({"tx": [{"_id": "_tx", "nonce": 1}]});
    check(&db, 1, &note(3, &of), "db/invalid-tx");
    let block = -i64::try_from(db.database.head().t.0).unwrap();
    for item in [
        json!({"_id": block, "_action": "delete"}),
        json!({"_id": block, "key": null}),
        json!({"_id": ["_tx/key", "x"], "nonce": null}),
        json!({"_id": "_tx", "key": "00"}),
        json!({"_id": "_tx", "tx": "text"}),
        json!({"_id": "_tx", "sig": "text"}),
        json!({"_id": "_tx", "authority": ["_auth/id", "bob"]}),
    ] {
        let refused = db.refused("root", &json!([item]));
        assert_eq!(refused.code(), "db/invalid-tx", "{item}");
    }
}

#[test]
fn a_nonce_stays_used_when_the_database_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    let body = {
        let database = solon::Database::open(&path).unwrap();
        let auth = json!([{"_id": ["_auth/id", "root"], "publicKey": public(1)}]);
        database.transact(&auth.to_string()).unwrap();
        let expire = system_ms() + 60_000;
        let command = json!({"type": "tx", "ledger": "local.default", "auth": "root", "nonce": 1,
            "expire": expire, "tx": [{"_id": "_tx", "doc": "once"}]});
        let body = sign_command(&key(1), &command.to_string()).unwrap();
        database.command(NAME, &body).unwrap();
        body
    };
    let database = solon::Database::open(&path).unwrap();
    assert_eq!(code(database.command(NAME, &body)), "db/replay");
    let rebuilt = dir.path().join("b.redb");
    database.rebuild(&rebuilt).unwrap();
    drop(database);
    let database = solon::Database::open(&rebuilt).unwrap();
    assert_eq!(code(database.command(NAME, &body)), "db/replay");
    database.verify().unwrap();
}

fn system_ms() -> i64 {
    use solon::base::{Clock as _, SystemClock};
    SystemClock::new().now_ms()
}

#[test]
fn of_many_that_send_the_same_command_at_once_one_makes_it() {
    let db = Arc::new(notes());
    for nonce in 0..4 {
        let body = Arc::new(signed(1, &note(nonce, &json!({}))));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (db, body) = (Arc::clone(&db), Arc::clone(&body));
                std::thread::spawn(move || code(db.database.command(NAME, &body)))
            })
            .collect();
        let mut told: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        told.sort_unstable();
        let mut expected = vec!["db/replay"; 7];
        expected.push("made");
        assert_eq!(told, expected);
    }
}

#[test]
fn a_command_ends_at_its_expire() {
    let db = notes();
    db.clock.advance(Duration::from_secs(1));
    let now = START_MS + 1_000;
    let expired = "db/expired-transaction";
    check(&db, 1, &note(1, &json!({"expire": now - 1})), expired);
    check(&db, 1, &note(1, &json!({"expire": now})), expired);
    check(&db, 1, &note(1, &json!({"expire": now + 1})), "made");
    // The end is told before the nonce: what is expired cannot be used to ask for nonces.
    check(&db, 1, &note(1, &json!({"expire": now})), expired);
    for none in [json!(0), json!(-1), json!("soon"), json!(1.5), json!(null)] {
        check(
            &db,
            1,
            &note(2, &json!({"expire": none})),
            "db/invalid-command",
        );
    }
    // The database's time does not run backwards, and so a command does not come to life again.
    db.clock.advance(Duration::from_secs(10));
    db.root(&json!([{"_id": "note", "text": "later"}]));
    db.clock.set_ms(now);
    check(&db, 1, &note(2, &json!({"expire": now + 10_000})), expired);
}

#[test]
fn a_command_of_root_ends_within_the_hour_and_is_signed_by_itself() {
    let db = notes();
    db.root(&json!([
        {"_id": ["_auth/id", "root"], "publicKey": public(9), "authority": [["_auth/id", "bob"]]},
        {"_id": "_auth", "id": "deputy", "roles": [["_role/id", "root"]], "publicKey": public(8)}]));
    let max = i64::try_from(ROOT_COMMAND_SECONDS_MAX).unwrap() * 1_000;
    for (auth, number) in [("root", 9), ("deputy", 8)] {
        let root = |nonce: i64, expire: Value| {
            note(
                nonce,
                &json!({"auth": auth, "expire": expire, "tx": [{"_id": "note", "text": format!("{auth} {nonce}")}]}),
            )
        };
        let mut endless = root(1, json!(1));
        endless.as_object_mut().unwrap().remove("expire");
        check(&db, number, &endless, "db/invalid-command");
        check(
            &db,
            number,
            &root(1, json!(START_MS + max + 1)),
            "db/invalid-command",
        );
        check(
            &db,
            number,
            &root(1, json!(START_MS)),
            "db/expired-transaction",
        );
        check(&db, number, &root(1, json!(START_MS + max)), "made");
        // An authority of root is none, even if root made it so; and it is told so as if it were not named.
        let mut for_root = root(2, json!(START_MS + 1_000));
        for_root["authority"] = json!("bob");
        check(&db, 2, &for_root, "db/invalid-authority");
    }
}

#[test]
fn an_authority_signs_for_those_who_name_it() {
    let db = notes();
    let by_bob = |nonce: i64| note(nonce, &json!({"authority": "bob"}));
    check(&db, 2, &by_bob(1), "db/invalid-authority");
    // Whether there is such an auth is not told to who may not sign for it.
    let unknown = note(1, &json!({"auth": "nobody", "authority": "bob"}));
    let told = |command: &Value| send(&db, 2, command).unwrap_err();
    assert_eq!(told(&by_bob(1)), told(&unknown));
    db.root(&json!([{"_id": ["_auth/id", "ann"], "authority": [["_auth/id", "bob"]]}]));
    let receipt = send(&db, 2, &by_bob(1)).unwrap();
    assert_eq!(receipt.auth, "ann");
    assert_eq!(receipt.authority.as_deref(), Some("bob"));
    let query = json!({"selectOne": ["_tx/authority", "_tx/auth"], "from": block_of(&receipt)});
    let kept = db.ask("root", &query);
    assert_eq!(
        kept["_tx/authority"]["_id"],
        db.database.auth("bob").unwrap().raw()
    );
    assert_eq!(
        kept["_tx/auth"]["_id"],
        db.database.auth("ann").unwrap().raw()
    );
    // It is the authority that signs, and no other; the auth itself signs without one.
    check(&db, 1, &by_bob(2), "db/invalid-signature");
    check(&db, 2, &note(2, &json!({})), "db/invalid-signature");
    check(&db, 1, &note(2, &json!({})), "made");
    // They share the auth's nonces.
    check(&db, 2, &by_bob(2), "db/replay");
    // It goes one way, and one step.
    let other_way = note(3, &json!({"auth": "bob", "authority": "ann"}));
    check(&db, 1, &other_way, "db/invalid-authority");
    db.root(&json!([{"_id": "_auth$cid", "id": "cid", "publicKey": public(3)}, {"_id": ["_auth/id", "bob"], "authority": ["_auth$cid"]}]));
    check(
        &db,
        3,
        &note(3, &json!({"authority": "cid"})),
        "db/invalid-authority",
    );
    // Whoever names itself signs for itself.
    check(&db, 1, &note(3, &json!({"authority": "ann"})), "made");
    // Taken away, it is in force on the next command.
    db.root(&json!([{"_id": ["_auth/id", "ann"], "authority": null}]));
    check(&db, 2, &by_bob(4), "db/invalid-authority");
    // An auth is not gone from what it signed.
    db.root(&json!([{"_id": ["_auth/id", "bob"], "_action": "delete"}]));
    assert!(!db.ask("root", &query)["_tx/authority"].is_null());
    check(&db, 2, &by_bob(4), "db/invalid-signature");
}

#[test]
fn a_key_that_was_replaced_or_whose_auth_is_gone_signs_nothing() {
    let db = notes();
    check(&db, 1, &note(1, &json!({})), "made");
    db.root(&json!([{"_id": ["_auth/id", "ann"], "publicKey": public(5)}]));
    check(&db, 1, &note(2, &json!({})), "db/invalid-signature");
    check(&db, 5, &note(2, &json!({})), "made");
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": null}]));
    check(&db, 5, &note(3, &json!({})), "db/write-permission");
    db.root(&json!([{"_id": ["_auth/id", "ann"], "_action": "delete"}]));
    check(&db, 5, &note(3, &json!({})), "db/invalid-signature");
    // Another that takes the name is another: it has its own key and its own nonces.
    db.root(&json!([{"_id": "_auth", "id": "ann", "publicKey": public(6), "roles": [["_role/id", "ann-role"]]}]));
    check(
        &db,
        5,
        &note(1, &json!({"tx": [{"_id": "note", "text": "c"}]})),
        "db/invalid-signature",
    );
    check(
        &db,
        6,
        &note(1, &json!({"tx": [{"_id": "note", "text": "c"}]})),
        "made",
    );
}

#[test]
fn a_command_depends_on_transactions_that_its_auth_may_see() {
    let db = notes();
    let first = send(&db, 1, &note(1, &json!({}))).unwrap().id;
    let second = send(&db, 1, &note(2, &json!({}))).unwrap().id;
    let hidden = db.root(&json!([{"_id": "note", "text": "x"}])).id;
    let after = |nonce: i64, ids: &[&str]| note(nonce, &json!({"deps": ids}));
    check(&db, 1, &after(3, &[&first, &second, &first]), "made");
    let of_hidden = send(&db, 1, &after(4, &[&first, &hidden])).unwrap_err();
    let of_absent = send(&db, 1, &after(4, &[&first, &"0".repeat(64)])).unwrap_err();
    assert_eq!(of_hidden.code(), "db/invalid-dependency");
    assert_eq!(of_hidden, of_absent);
    db.root(&json!([{"_id": ["_role/id", "ann-role"], "rules": [rule("t", "_tx", &["_tx/id"], "true", &["query"])]}]));
    check(&db, 1, &after(4, &[&first, &hidden]), "made");
    check(&db, 1, &after(5, &[]), "made");
    let most = vec![first.as_str(); COMMAND_DEPENDENCIES_MAX];
    check(&db, 1, &after(6, &most), "made");
    let more = vec![first.as_str(); COMMAND_DEPENDENCIES_MAX + 1];
    check(&db, 1, &after(7, &more), "db/invalid-command");
    for none in [
        json!("x"),
        json!([1]),
        json!([first.to_uppercase()]),
        json!([&first[1..]]),
    ] {
        check(
            &db,
            1,
            &note(7, &json!({"deps": none})),
            "db/invalid-command",
        );
    }
}

#[test]
fn a_command_may_depend_on_one_that_was_made_while_it_was_on_its_way() {
    use sha2::{Digest as _, Sha256};
    let db = notes();
    let first = note(1, &json!({})).to_string();
    let mut hasher = Sha256::new();
    hasher.update(db.database.auth("ann").unwrap().raw().to_be_bytes());
    hasher.update(1_i64.to_be_bytes());
    hasher.update(Sha256::digest(first.as_bytes()));
    let id = solon::model::Digest(hasher.finalize().into()).to_string();
    let second = note(2, &json!({"deps": [id]}));
    check(&db, 1, &second, "db/invalid-dependency");
    let db = Arc::new(db);
    let other = Arc::clone(&db);
    let body = signed_text(1, &first);
    let sent = std::thread::spawn(move || code(other.database.command(NAME, &body)));
    // It is refused until the first is there, and made then.
    loop {
        match code(send(&db, 1, &second)) {
            "db/invalid-dependency" => {}
            told => break assert_eq!(told, "made"),
        }
    }
    assert_eq!(sent.join().unwrap(), "made");
}

#[test]
fn what_is_taken_away_on_the_way_is_taken_away_at_the_turn() {
    let dir = tempfile::tempdir().unwrap();
    let folder = solon::Folder::open(dir.path(), &solon::Options::default()).unwrap();
    let root = |items: &Value| drop(folder.database().transact(&items.to_string()).unwrap());
    root(&json!([
        {"_id": "_rule$r", "id": "r", "collection": "_tx", "predicates": ["_tx/doc"], "fns": [["_fn/name", "true"]], "ops": ["transact"]},
        {"_id": "_role$r", "id": "r", "rules": ["_rule$r"]},
        {"_id": "_auth$bob", "id": "bob", "publicKey": public(2)},
        {"_id": "_auth", "id": "ann", "roles": ["_role$r"], "publicKey": public(1), "authority": ["_auth$bob"]}]));
    let verified = |number: u8, nonce: i64, more: &Value| {
        let mut command = note(nonce, more);
        command["tx"] = json!([{"_id": "_tx", "doc": "x"}]);
        folder
            .verify_command(&signed(number, &command), None)
            .unwrap()
    };
    let own = || verified(1, 1, &json!({}));
    let by_bob = || verified(2, 2, &json!({"authority": "bob"}));
    let (first, renamed) = (own(), own());
    let (second, third, fourth) = (by_bob(), by_bob(), by_bob());
    root(&json!([{"_id": ["_auth/id", "ann"], "id": "anne"}]));
    assert_eq!(code(renamed.make()), "db/invalid-signature");
    assert_eq!(code(second.make()), "db/invalid-authority");
    root(&json!([{"_id": ["_auth/id", "anne"], "id": "ann", "authority": null}]));
    assert_eq!(code(third.make()), "db/invalid-authority");
    root(
        &json!([{"_id": ["_auth/id", "bob"], "publicKey": public(3)}, {"_id": ["_auth/id", "ann"], "publicKey": public(4)}]),
    );
    assert_eq!(code(fourth.make()), "db/invalid-signature");
    assert_eq!(code(first.make()), "db/invalid-signature");
    let head = folder.database().head();
    root(&json!([{"_id": ["_auth/id", "ann"], "publicKey": public(1)}]));
    assert_eq!(code(own().make()), "made");
    assert_eq!(folder.database().head().t.0, head.t.0 + 2);
}

#[test]
fn fuel_is_the_most_steps_that_a_command_may_take() {
    let db = notes();
    let slow = rule(
        "slow",
        "note",
        &["*"],
        "(and (== 1 1) (== 2 2))",
        &["transact"],
    );
    db.root(&json!([
        {"_id": ["_role/id", "ann-role"], "rules": [["_rule/id", "ann-notes"]], "_action": "delete"}]));
    db.root(&json!([{"_id": ["_role/id", "ann-role"], "rules": [slow]}]));
    check(&db, 1, &note(1, &json!({"fuel": 1})), "db/exceeded-cost");
    check(&db, 1, &note(1, &json!({"fuel": 1_000})), "made");
    for none in [json!(0), json!(-1), json!("1"), json!(1.5)] {
        check(
            &db,
            1,
            &note(2, &json!({"fuel": none})),
            "db/invalid-command",
        );
    }
}

#[test]
fn what_is_no_command_is_refused_with_its_place() {
    let db = notes();
    let refused = |command: &Value| {
        let refused = send(&db, 1, command).unwrap_err();
        (refused.code(), refused.at().unwrap_or_default().to_owned())
    };
    let shape = "db/invalid-command";
    for (more, expected, at) in [
        (r#"{"type": "new-ledger"}"#, shape, "/cmd/type"),
        (r#"{"type": null}"#, shape, "/cmd/type"),
        (r#"{"ledger": "local/default"}"#, shape, "/cmd/ledger"),
        (r#"{"db": 1}"#, shape, "/cmd/db"),
        (r#"{"db": "local/other"}"#, "db/invalid-db", "/cmd/db"),
        (r#"{"nonce": "1"}"#, shape, "/cmd/nonce"),
        (r#"{"nonce": 1.0}"#, shape, "/cmd/nonce"),
        (r#"{"nonce": 9223372036854775808}"#, shape, "/cmd/nonce"),
        (r#"{"auth": null}"#, shape, "/cmd/auth"),
        (r#"{"auth": ["_auth/id"]}"#, shape, "/cmd/auth"),
        (r#"{"authority": {}}"#, shape, "/cmd/authority"),
        (r#"{"maxTime": 1}"#, shape, "/cmd/maxTime"),
        (r#"{"tx": {}}"#, "db/invalid-transaction", "/cmd/tx"),
        (
            r#"{"tx": [{"_id": "note"}]}"#,
            "db/invalid-transaction",
            "/cmd/tx/0",
        ),
        (
            r#"{"tx": [{"_id": "apple", "a": 1}]}"#,
            "db/invalid-tx",
            "/cmd/tx/0/_id",
        ),
    ] {
        let command = note(1, &serde_json::from_str(more).unwrap());
        assert_eq!(refused(&command), (expected, at.to_owned()), "{more}");
    }
    let without = |name: &str| {
        let mut command = note(1, &json!({}));
        command.as_object_mut().unwrap().remove(name);
        command
    };
    for name in ["type", "db", "tx", "nonce"] {
        assert_eq!(
            refused(&without(name)),
            (shape, "/cmd".to_owned()),
            "{name}"
        );
    }
    for none in [json!([]), json!({}), json!(1)] {
        assert_eq!(send(&db, 1, &none).unwrap_err().code(), shape);
    }
    let mut authority_alone = without("auth");
    check(&db, 1, &authority_alone, "db/missing-auth");
    authority_alone["authority"] = json!("ann");
    check(&db, 1, &authority_alone, "db/missing-auth");
    // What has the shape of no transaction is told to who signed it, and to no stranger.
    check(&db, 2, &note(1, &json!({"tx": {}})), "db/invalid-signature");
}

#[test]
fn a_body_that_is_no_command_is_refused() {
    let db = notes();
    let text = note(1, &json!({})).to_string();
    let sig = key(1).sign(&text).to_string();
    let twice = text.replacen("\"auth\":\"ann\"", "\"auth\":\"bob\",\"auth\":\"ann\"", 1);
    assert_ne!(twice, text);
    let deep = text.replacen("[{", &format!("{}[{{", "[".repeat(64)), 1);
    for (body, expected) in [
        (String::new(), "db/invalid-json"),
        ("[]".to_owned(), "db/invalid-command"),
        ("{}".to_owned(), "db/invalid-command"),
        (json!({"cmd": text}).to_string(), "db/invalid-command"),
        (json!({"sig": sig}).to_string(), "db/invalid-command"),
        (
            json!({"cmd": {}, "sig": sig}).to_string(),
            "db/invalid-command",
        ),
        (
            json!({"cmd": text, "sig": 1}).to_string(),
            "db/invalid-command",
        ),
        (
            json!({"cmd": text, "sig": sig, "txid-only": true}).to_string(),
            "db/invalid-command",
        ),
        (
            format!(r#"{{"cmd": "x", "cmd": {}, "sig": "{sig}"}}"#, json!(text)),
            "db/invalid-json",
        ),
        (signed_text(1, &twice), "db/invalid-json"),
        (signed_text(1, &deep), "db/invalid-json"),
        (signed_text(1, "{"), "db/invalid-json"),
        (signed_text(1, ""), "db/invalid-json"),
    ] {
        assert_eq!(code(db.database.command(NAME, &body)), expected, "{body}");
    }
    // What is no command is not signed.
    for none in [twice.as_str(), "{", "{}"] {
        assert!(sign_command(&key(1), none).is_err());
    }
}

#[test]
fn a_command_has_so_many_bytes_and_no_more() {
    let db = notes();
    let long = |length: usize| {
        let tx = json!({"tx": [{"_id": "note", "text": "x".repeat(length)}]});
        signed_text(1, &note(1, &tx).to_string())
    };
    let room = COMMAND_BODY_BYTES_MAX - long(0).len();
    let refused = db.database.command(NAME, &long(room + 1)).unwrap_err();
    assert_eq!(refused.code(), "db/limit");
    assert_eq!(code(db.database.command(NAME, &long(room))), "made");
}

#[test]
fn who_is_disabled_neither_signs_nor_is_signed_for() {
    let db = notes();
    db.root(&json!([{"_id": ["_auth/id", "ann"], "authority": [["_auth/id", "bob"]]}]));
    let disable = |id: &str, disabled: Value| {
        db.root(&json!([{"_id": ["_auth/id", id], "disabled": disabled}]));
    };
    let by_bob = |nonce| note(nonce, &json!({"authority": "bob"}));
    for id in ["ann", "bob"] {
        disable(id, json!(true));
        check(&db, 2, &by_bob(1), "db/invalid-auth");
        disable(id, json!(null));
    }
    disable("ann", json!(true));
    check(&db, 1, &note(2, &json!({})), "db/invalid-auth");
    disable("ann", json!(null));
    check(&db, 1, &note(2, &json!({})), "made");
    check(&db, 2, &by_bob(1), "made");
}
