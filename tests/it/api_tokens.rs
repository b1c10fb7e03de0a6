//! Tokens of programs: who gets one, what it may, when it is good no more, when it was used.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use solon::db::{ErrorKind, ListedToken, Source, TokenKind, TokenState};

use crate::support::{Bearers, START_MS, ask, rule};

const DAY: u64 = 86_400;

fn names() -> Value {
    rule("names", "_user", &["_user/username"], "true", &["query"])
}

fn api(id: &str, name: &str) -> Value {
    json!({"auth": ["_auth/id", id], "kind": "api", "name": name})
}

/// What root sees of the one token with a name.
fn listed(data: &Bearers, name: &str) -> ListedToken {
    let root = data.folder.root_session(None).unwrap();
    let all = root.tokens("").unwrap();
    let mut named = all
        .into_iter()
        .filter(|it| it.name.as_deref() == Some(name));
    let found = named.next().unwrap();
    assert!(named.next().is_none());
    found
}

#[test]
fn a_program_asks_as_the_auth_that_its_token_was_made_for() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    data.root(&json!([{"_id": "_user", "username": "ann"}]));
    let minted = data.api("robot", "backup");
    assert!(minted.token.starts_with("solon_"));
    assert_eq!(minted.expires_in, Some(30 * DAY));
    assert_eq!(minted.name.as_deref(), Some("backup"));
    let session = data.session(&minted.token);
    assert_eq!(session.auth(), minted.auth);
    let asked = session.query(r#"{"select": ["username"], "from": "_user"}"#);
    assert!(asked.unwrap().body.contains("ann"));
    assert!(
        session
            .transact(r#"[{"_id": "_user", "username": "bob"}]"#)
            .is_err()
    );
    for database in ["local/default", "local.default"] {
        assert!(data.folder.session(&minted.token, Some(database)).is_ok());
    }
    let other = data.folder.session(&minted.token, Some("local/other"));
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Unauthenticated);
    let who = session.whoami("{}").unwrap();
    assert_eq!(who.auth, minted.auth);
    assert_eq!(
        (who.id.as_str(), who.database.as_str()),
        ("robot", "local/default")
    );
    let own = who.token.unwrap();
    assert_eq!((Some(own.id), own.kind), (minted.id, TokenKind::Api));
    assert_eq!(own.expires_ms, Some(START_MS + 30 * 86_400_000));
}

#[test]
fn a_wrong_secret_and_an_unknown_token_are_refused_alike() {
    let data = Bearers::new();
    let other = Bearers::new();
    for data in [&data, &other] {
        data.auth("robot", &[names()]);
    }
    let good = data.api("robot", "a").token;
    let (head, last) = good.split_at(good.len() - 1);
    // The last letter of the text has spare bits, so the letter before it is changed too.
    let (head, before) = head.split_at(head.len() - 1);
    let flipped = if before == "A" { "B" } else { "A" };
    let wrong = format!("{head}{flipped}{last}");
    let refused = data.folder.session(&wrong, None).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    assert_eq!(refused.code(), "db/invalid-token");
    // One of an id that was never there.
    let id = data.session(&good).whoami("").unwrap().token.unwrap().id;
    data.session(&good)
        .revoke(&json!({"token": id}).to_string())
        .unwrap();
    let revoked = data.folder.session(&good, None).unwrap_err();
    assert_eq!(revoked.message(), refused.message());
    let foreign = other.api("robot", "a").token;
    for token in [
        foreign.as_str(),
        "solon_",
        "solon_x",
        "solonr_x",
        "solonp_x",
    ] {
        assert_eq!(data.code(token), Some("db/invalid-token"), "{token}");
    }
    assert!(!refused.message().contains(&wrong));
}

#[test]
fn a_token_ends_when_its_time_is_over_and_not_before() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let token = data.api("robot", "a").token;
    data.clock
        .advance(Duration::from_millis(30 * DAY * 1_000 - 1));
    assert_eq!(data.code(&token), None);
    data.clock.advance(Duration::from_millis(1));
    assert_eq!(data.code(&token), Some("db/expired-token"));
    assert_eq!(listed(&data, "a").state, TokenState::Expired);
}

#[test]
fn a_token_dies_with_its_auth_and_nothing_brings_it_back() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let token = data.api("robot", "a").token;
    let disable = |disabled: Value| {
        data.root(&json!([{"_id": ["_auth/id", "robot"], "disabled": disabled}]));
    };
    disable(json!(true));
    assert_eq!(data.code(&token), Some("db/invalid-auth"));
    disable(json!(null));
    assert_eq!(data.code(&token), None);
    data.root(&json!([{"_id": ["_auth/id", "robot"], "_action": "delete"}]));
    assert_eq!(data.code(&token), Some("db/invalid-token"));
    assert_eq!(listed(&data, "a").state, TokenState::Revoked);
    data.root(&json!([{"_id": "_auth", "id": "robot", "roles": [["_role/id", "robot-role"]]}]));
    assert_eq!(data.code(&token), Some("db/invalid-token"));
    assert_eq!(listed(&data, "a").auth, None);
}

#[test]
fn an_auth_that_holds_root_gets_none_and_one_that_comes_to_hold_it_loses_its_own() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let token = data.api("robot", "a").token;
    data.root(&json!([{"_id": ["_auth/id", "robot"], "roles": [["_role/id", "root"]]}]));
    let root = data.folder.root_token(3_599).unwrap();
    for body in [
        api("robot", "b"),
        api("root", "b"),
        json!({"root": true, "kind": "api", "name": "b"}),
    ] {
        let refused = data.mint(&root, &body).unwrap_err();
        assert_eq!(
            refused,
            (ErrorKind::Invalid, "db/invalid-request"),
            "{body}"
        );
    }
    data.clock.advance(Duration::from_secs(3_598));
    assert_eq!(data.code(&token), None);
    data.clock.advance(Duration::from_secs(1));
    assert_eq!(data.code(&token), Some("db/expired-token"));
}

#[test]
fn rules_bind_what_is_asked_of_a_token_by_its_kind_name_and_life() {
    let data = Bearers::new();
    let bound = r#"(and (== (get (?context) "kind") "api") (== (get (?context) "name") "ci") (<= (get (?context) "expireSeconds") 2592000))"#;
    data.auth(
        "minter",
        &[
            rule("see", "_auth", &["_auth/id"], "true", &["query"]),
            rule("mint", "_auth", &["*"], bound, &["token"]),
        ],
    );
    let token = data.token("minter", Some(60));
    assert!(data.mint(&token, &api("minter", "ci")).is_ok());
    let mut longer = api("minter", "ci");
    longer["expireSeconds"] = json!(30 * DAY + 1);
    for body in [api("minter", "cd"), ask("minter", Some(60)), longer] {
        let refused = data.mint(&token, &body).unwrap_err();
        assert_eq!(refused, (ErrorKind::Denied, "db/no-permission"), "{body}");
    }
    data.root(&json!([{"_id": ["_setting/id", "root"], "tokenMaxSeconds": 100}]));
    let mut short = api("minter", "ci");
    let refused = data.mint(&token, &short).unwrap_err();
    assert_eq!(refused, (ErrorKind::Invalid, "db/invalid-request"));
    short["expireSeconds"] = json!(100);
    assert_eq!(data.mint(&token, &short).unwrap().expires_in, Some(100));
}

#[test]
fn a_name_is_a_line_of_its_length_at_most() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let root = data.folder.root_session(None).unwrap();
    let at = |body: Value| {
        let told = root.token(&body.to_string());
        told.err().map(|error| {
            assert_eq!(error.code(), "db/invalid-request");
            error.at().unwrap().to_owned()
        })
    };
    let longest = "\u{e9}".repeat(solon::base::limits::TOKEN_NAME_CHARS_MAX);
    assert_eq!(at(api("robot", &longest)), None);
    for name in ["", "a\nb", "a\u{7f}", &format!("{longest}x")] {
        assert_eq!(at(api("robot", name)).as_deref(), Some("/name"), "{name:?}");
    }
    for (body, place) in [
        (json!({"auth": ["_auth/id", "robot"], "kind": "api"}), ""),
        (
            json!({"auth": ["_auth/id", "robot"], "kind": "refresh"}),
            "/kind",
        ),
        (json!({"auth": ["_auth/id", "robot"], "kind": 1}), "/kind"),
        (json!({"auth": ["_auth/id", "robot"], "name": "a"}), "/name"),
        (
            json!({"auth": ["_auth/id", "robot"], "kind": "api", "name": 1}),
            "/name",
        ),
    ] {
        assert_eq!(at(body.clone()).as_deref(), Some(place), "{body}");
    }
}

#[test]
fn nobody_is_told_a_hash_not_even_root_nor_an_auditor() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    data.auth(
        "auditor",
        &[rule("tokens", "_token", &["*"], "true", &["query"])],
    );
    let token = data.api("robot", "a").token;
    let query = r#"{"select": ["*"], "from": "_token"}"#;
    let auditor = data.folder.database().view("auditor").unwrap();
    let root = data.folder.database().root();
    for body in [
        auditor.query(query).unwrap().body,
        root.query(query).unwrap().body,
    ] {
        assert!(body.contains("\"_token/name\":\"a\""), "{body}");
        assert!(!body.contains("hash") && !body.contains(&token));
    }
    let session = data.session(&data.token("auditor", Some(60)));
    let seen: Vec<_> = session.tokens("{}").unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].name.as_deref(), Some("a"));
    assert_eq!(seen[0].auth, None, "it sees nothing of the auth");
    assert_eq!(seen[0].state, TokenState::Live);
}

#[test]
fn the_last_use_is_told_and_kept_when_the_database_closes() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let (api, long) = (data.api("robot", "a").token, data.token("robot", None));
    let short = data.token("robot", Some(60));
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    assert_eq!(listed(&data, "a").last_used_ms, None);
    data.clock.advance(Duration::from_secs(5));
    for token in [&api, &long, &short] {
        let session = data.folder.session_from(token, None, Source::from(address));
        drop(session.unwrap());
    }
    let check = |data: &Bearers| {
        let root = data.folder.root_session(None).unwrap();
        let told = root.tokens("").unwrap();
        assert_eq!(told.len(), 2, "a short token has no record");
        for token in &told {
            assert_eq!(token.last_used_ms, Some(START_MS + 5_000));
            assert_eq!(token.last_address, Some(address));
        }
    };
    let before = data.folder.database().head().t;
    check(&data);
    let data = data.again();
    check(&data);
    assert_eq!(
        data.folder.database().head().t,
        before,
        "no block is made for it"
    );
}

#[test]
fn records_that_ended_more_than_a_day_ago_go_when_another_is_made() {
    let data = Bearers::new();
    data.auth("robot", &[names()]);
    let mut body = api("robot", "old");
    body["expireSeconds"] = json!(60);
    let root = || data.folder.root_session(None).unwrap();
    for _ in 0..3 {
        root().token(&body.to_string()).unwrap();
    }
    let kept = || root().tokens("").unwrap().len();
    data.clock.advance(Duration::from_secs(60 + DAY));
    data.api("robot", "new");
    assert_eq!(kept(), 4, "to the day they stay");
    data.clock.advance(Duration::from_millis(1));
    let last = data.api("robot", "newer");
    assert_eq!(kept(), 2);
    assert_eq!(data.code(&last.token), None);
    // Their subjects are not used again, and their names stand in history.
    let subjects = data
        .folder
        .database()
        .root()
        .query(r#"{"select": ["_id"], "from": "_token"}"#);
    let subjects: Value = serde_json::from_str(&subjects.unwrap().body).unwrap();
    let ids: Vec<i64> = subjects
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["_id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids[0] - ids[1], 1);
    assert_eq!(ids[1] & 0xFFF, 1_001 + 3);
    data.folder.database().verify().unwrap();
}
