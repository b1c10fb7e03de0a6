//! Tokens as the database judges them: who may mint for whom (law 11), and when a token is good no more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use solon::db::{ErrorKind, Minted, Options};

use crate::support::{Bearers, START_MS, ask, deny, rule};

const HOUR: Duration = Duration::from_secs(3_600);

fn sees_auths() -> Value {
    rule("see", "_auth", &["_auth/id"], "true", &["query"])
}

#[test]
fn law_11_minting_needs_sight_of_the_auth_and_then_the_op() {
    let data = Bearers::new();
    data.auth("blind", &[rule("b", "_auth", &["*"], "true", &["token"])]);
    data.auth("watcher", &[sees_auths()]);
    data.auth(
        "minter",
        &[
            rule("see2", "_auth", &["_auth/id"], "true", &["query"]),
            rule(
                "mint",
                "_auth",
                &["*"],
                r#"(== (get (?s) "_auth/id") "robot")"#,
                &["token"],
            ),
        ],
    );
    data.auth("robot", &[rule("r", "_user", &["*"], "true", &["query"])]);
    let as_auth = |id: &str, body: &Value| data.mint(&data.token(id, Some(60)), body);
    let not_found = Err((ErrorKind::NotFound, "db/not-found"));
    let denied = Err((ErrorKind::Denied, "db/no-permission"));
    let told = |result: Result<Minted, _>| result.map(|minted| minted.expires_in);
    assert_eq!(told(as_auth("blind", &ask("robot", Some(60)))), not_found);
    assert_eq!(told(as_auth("blind", &ask("nobody", Some(60)))), not_found);
    assert_eq!(told(as_auth("watcher", &ask("robot", Some(60)))), denied);
    assert_eq!(told(as_auth("minter", &ask("watcher", Some(60)))), denied);
    assert_eq!(
        told(as_auth("minter", &ask("robot", Some(60)))),
        Ok(Some(60))
    );
    assert_eq!(told(as_auth("minter", &json!({"root": true}))), denied);
}

#[test]
fn law_11_a_rule_may_bind_the_lifetime_by_the_request() {
    let data = Bearers::new();
    let short = r#"(<= (get (?context) "expireSeconds") 600)"#;
    data.auth(
        "minter",
        &[
            sees_auths(),
            rule("short", "_auth", &["*"], short, &["token"]),
        ],
    );
    let token = data.token("minter", Some(60));
    assert!(data.mint(&token, &ask("minter", Some(600))).is_ok());
    for longer in [Some(601), None] {
        let refused = data.mint(&token, &ask("minter", longer)).unwrap_err();
        assert_eq!(refused, (ErrorKind::Denied, "db/no-permission"));
    }
}

#[test]
fn law_11_a_mint_through_all_also_needs_the_roles_of_the_auth() {
    let data = Bearers::new();
    data.auth(
        "admin",
        &[sees_auths(), rule("all", "_auth", &["*"], "true", &["all"])],
    );
    data.auth("other", &[rule("r", "_user", &["*"], "true", &["query"])]);
    data.root(&json!([{"_id": "_auth", "id": "mate", "roles": [["_role/id", "admin-role"]]}]));
    let token = data.token("admin", Some(60));
    assert!(data.mint(&token, &ask("mate", Some(60))).is_ok());
    let refused = data.mint(&token, &ask("other", Some(60))).unwrap_err();
    assert_eq!(refused, (ErrorKind::Denied, "db/no-permission"));
    // By name it does not.
    data.root(&json!([{"_id": ["_role/id", "admin-role"], "rules": [rule("named", "_auth", &["*"], "true", &["token"])]}]));
    assert!(data.mint(&token, &ask("other", Some(60))).is_ok());
}

#[test]
fn law_11_a_deny_forbids_a_mint() {
    let data = Bearers::new();
    data.auth(
        "minter",
        &[
            sees_auths(),
            rule("mint", "_auth", &["*"], "true", &["token"]),
            deny(rule(
                "not",
                "_auth",
                &["*"],
                r#"(== (get (?s) "_auth/id") "root")"#,
                &["token"],
            )),
        ],
    );
    let token = data.token("minter", Some(60));
    assert!(data.mint(&token, &ask("minter", Some(60))).is_ok());
    assert_eq!(
        data.mint(&token, &ask("root", Some(60))).unwrap_err().0,
        ErrorKind::Denied
    );
}

#[test]
fn a_token_that_holds_root_needs_root_and_lives_3599_seconds_at_most() {
    let data = Bearers::new();
    data.auth(
        "minter",
        &[
            sees_auths(),
            rule("mint", "_auth", &["*"], "true", &["token"]),
        ],
    );
    data.root(&json!([{"_id": "_auth", "id": "deputy", "roles": [["_role/id", "root"]]}]));
    let refused = data
        .mint(&data.token("minter", Some(60)), &ask("deputy", Some(60)))
        .unwrap_err();
    assert_eq!(refused, (ErrorKind::Denied, "db/no-permission"));
    let root = data.folder.root_token(3_599).unwrap();
    for body in [
        json!({"root": true}),
        ask("root", None),
        ask("deputy", None),
    ] {
        assert_eq!(
            data.mint(&root, &body).unwrap().expires_in,
            Some(3_599),
            "{body}"
        );
    }
    for body in [
        json!({"root": true, "expireSeconds": 3600}),
        ask("deputy", Some(3_600)),
    ] {
        assert_eq!(
            data.mint(&root, &body).unwrap_err(),
            (ErrorKind::Invalid, "db/invalid-request")
        );
    }
    assert!(data.folder.root_token(3_600).is_err());
}

#[test]
fn an_auth_that_comes_to_hold_root_loses_its_long_tokens_after_3599_seconds() {
    let data = Bearers::new();
    data.auth("deputy", &[sees_auths()]);
    let token = data.token("deputy", Some(86_400));
    data.root(&json!([{"_id": ["_auth/id", "deputy"], "roles": [["_role/id", "root"]]}]));
    data.clock.advance(Duration::from_secs(3_598));
    assert_eq!(data.code(&token), None);
    data.clock.advance(Duration::from_secs(1));
    assert_eq!(data.code(&token), Some("db/expired-token"));
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    let token = data.token("robot", Some(60));
    data.clock.advance(Duration::from_millis(59_999));
    assert_eq!(data.code(&token), None);
    data.clock.advance(Duration::from_millis(1));
    assert_eq!(data.code(&token), Some("db/expired-token"));
}

#[test]
fn a_token_without_an_end_or_for_more_than_a_day_has_a_record_and_dies_with_it() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    let before = data.folder.database().head().t;
    data.token("robot", Some(86_400));
    assert_eq!(
        data.folder.database().head().t,
        before,
        "a day needs no record"
    );
    for seconds in [None, Some(86_401)] {
        let token = data.token("robot", seconds);
        assert_eq!(data.code(&token), None);
        let session = data.folder.session(&token, None).unwrap();
        // Every bearer sees its own records, and may revoke them without any rule.
        let answer = session
            .query(r#"{"select": ["*"], "from": "_token"}"#)
            .unwrap()
            .body;
        let records: Value = serde_json::from_str(&answer).unwrap();
        let record = &records[0];
        assert_eq!(record["_token/kind"], "access");
        assert_eq!(record.get("_token/expires").is_some(), seconds.is_some());
        let revoke = json!([{"_id": record["_id"], "revoked": true}]).to_string();
        session.transact(&revoke).unwrap();
        assert_eq!(data.code(&token), Some("db/invalid-token"));
        let again = json!([{"_id": record["_id"], "revoked": false}]).to_string();
        assert!(
            data.folder.database().transact(&again).is_err(),
            "revoked only becomes true"
        );
    }
}

#[test]
fn nobody_revokes_or_sees_the_records_of_others_without_a_rule() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    data.auth(
        "other",
        &[rule("o", "_auth", &["_auth/id"], "true", &["query"])],
    );
    data.token("robot", None);
    let other = data
        .folder
        .session(&data.token("other", Some(60)), None)
        .unwrap();
    assert_eq!(
        other
            .query(r#"{"select": ["*"], "from": "_token"}"#)
            .unwrap()
            .body,
        "[]"
    );
    let records = data
        .folder
        .root_session(None)
        .unwrap()
        .query(r#"{"select": ["_id"], "from": "_token"}"#)
        .unwrap();
    let records: Value = serde_json::from_str(&records.body).unwrap();
    let revoke = json!([{"_id": records[0]["_id"], "revoked": true}]).to_string();
    assert_eq!(
        other.transact(&revoke).unwrap_err().code(),
        "db/invalid-tx",
        "hidden reads as absent"
    );
}

#[test]
fn nothing_but_revoked_is_written_on_a_token_record() {
    let data = Bearers::new();
    for items in [
        json!([{"_id": "_token", "id": "x"}]),
        json!([{"_id": "_token", "_token/hash": "x"}]),
    ] {
        let error = data
            .folder
            .database()
            .transact(&items.to_string())
            .unwrap_err();
        assert_eq!(error.code(), "db/invalid-tx");
    }
}

#[test]
fn the_setting_token_max_seconds_bounds_every_mint_but_roots() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    data.root(&json!([{"_id": ["_setting/id", "root"], "tokenMaxSeconds": 100}]));
    let root = data.folder.root_token(3_599).unwrap();
    assert!(data.mint(&root, &ask("robot", Some(100))).is_ok());
    for seconds in [Some(101), None] {
        let refused = data.mint(&root, &ask("robot", seconds)).unwrap_err();
        assert_eq!(refused, (ErrorKind::Invalid, "db/invalid-request"));
    }
    assert!(data.mint(&root, &json!({"root": true})).is_ok());
    let zero = json!([{"_id": ["_setting/id", "root"], "tokenMaxSeconds": 0}]);
    assert!(data.folder.database().transact(&zero.to_string()).is_err());
}

#[test]
fn deleting_the_auth_makes_its_token_useless_also_if_one_of_the_same_name_is_made() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    let token = data.token("robot", Some(60));
    data.root(&json!([{"_id": ["_auth/id", "robot"], "_action": "delete"}]));
    assert_eq!(data.code(&token), Some("db/invalid-auth"));
    data.root(&json!([{"_id": "_auth", "id": "robot", "roles": [["_role/id", "robot-role"]]}]));
    assert_eq!(data.code(&token), Some("db/invalid-auth"));
}

#[test]
fn valid_after_ends_older_tokens_and_a_mint_in_its_second_takes_it_as_its_issue() {
    let data = Bearers::new();
    data.auth("robot", &[sees_auths()]);
    let old = data.token("robot", Some(3_599));
    data.clock.advance(Duration::from_millis(500));
    data.root(&json!([{"_id": ["_auth/id", "robot"], "validAfter": START_MS + 500}]));
    assert_eq!(data.code(&old), Some("db/invalid-token"));
    let new = data.token("robot", Some(3_599));
    assert_eq!(data.code(&new), None);
    data.clock.advance(HOUR);
    assert_eq!(data.code(&new), Some("db/expired-token"));
}

#[test]
fn a_token_of_another_folder_is_refused() {
    let (one, other) = (Bearers::new(), Bearers::new());
    let token = one.folder.root_token(60).unwrap();
    assert_eq!(other.code(&token), Some("db/invalid-token"));
    assert_eq!(
        one.folder
            .session(&token, Some("local/other"))
            .unwrap_err()
            .kind(),
        ErrorKind::Unauthenticated
    );
    for name in ["local/default", "local.default"] {
        assert!(one.folder.session(&token, Some(name)).is_ok());
    }
}

#[test]
fn a_root_token_is_made_from_the_keys_alone_while_the_folder_is_open() {
    let data = Bearers::new();
    let options = Options {
        clock: Arc::clone(&data.clock) as _,
        ..Options::default()
    };
    let make =
        |seconds, name| solon::db::root_token_from_keys(data.dir.path(), seconds, name, &options);
    let token = make(60, "local/default").unwrap();
    assert!(
        data.folder
            .session(&token, None)
            .unwrap()
            .is_root()
            .unwrap()
    );
    for (seconds, name, kind) in [
        (3_600, "local/default", ErrorKind::Invalid),
        (0, "local/default", ErrorKind::Invalid),
        (60, "local/other", ErrorKind::NotFound),
    ] {
        assert_eq!(make(seconds, name).unwrap_err().kind(), kind);
    }
    let empty = tempfile::tempdir().unwrap();
    let none = solon::db::root_token_from_keys(empty.path(), 60, "local/default", &options);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_write_is_authenticated_anew_at_its_turn() {
    let data = Bearers::new();
    data.auth("robot", &[rule("u", "_user", &["*"], "true", &["all"])]);
    let session = data
        .folder
        .session(&data.token("robot", Some(60)), None)
        .unwrap();
    session
        .transact(r#"[{"_id": "_user", "username": "x"}]"#)
        .unwrap();
    data.root(&json!([{"_id": ["_auth/id", "robot"], "_action": "delete"}]));
    // The session was admitted before; a write is asked again when its turn comes.
    let error = session
        .transact(r#"[{"_id": "_user", "username": "y"}]"#)
        .unwrap_err();
    assert_eq!(error.code(), "db/invalid-auth");
}

#[test]
fn malformed_token_requests_are_refused_with_their_place() {
    let data = Bearers::new();
    let session = data.folder.root_session(None).unwrap();
    for (body, at) in [
        ("[]", Some("")),
        ("{}", Some("")),
        (r#"{"auth": "x"}"#, Some("/auth")),
        (r#"{"auth": ["_auth/doc", "x"]}"#, Some("/auth/0")),
        (r#"{"root": 1}"#, Some("/root")),
        (r#"{"root": true, "auth": 1}"#, Some("")),
        (
            r#"{"root": true, "expireSeconds": 0}"#,
            Some("/expireSeconds"),
        ),
        (
            r#"{"root": true, "expireSeconds": -1}"#,
            Some("/expireSeconds"),
        ),
        (
            r#"{"root": true, "expireSeconds": 1.5}"#,
            Some("/expireSeconds"),
        ),
        (r#"{"root": true, "scope": "all"}"#, Some("/scope")),
        (r#"{"root": true, "db": "local/other"}"#, Some("/db")),
        (r#"{"root": true, "root": true}"#, None),
    ] {
        let error = session.token(body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{body}: {error}");
        if at.is_some() {
            assert_eq!(error.at(), at, "{body}: {error}");
        }
    }
    assert!(
        session
            .token(r#"{"root": true, "db": "local/default"}"#)
            .is_ok()
    );
    assert!(
        session
            .token(r#"{"root": true, "db": "local.default"}"#)
            .is_ok()
    );
}

#[test]
fn anonymous_requests_are_those_of_the_auth_that_is_set() {
    let data = Bearers::new();
    assert!(data.folder.anonymous(None).unwrap().is_none());
    data.auth(
        "guest",
        &[rule(
            "users",
            "_user",
            &["_user/username"],
            "true",
            &["query"],
        )],
    );
    data.root(&json!([
        {"_id": "_user", "username": "ann"},
        {"_id": ["_setting/id", "root"], "anonymous": ["_auth/id", "guest"]}]));
    let session = data.folder.anonymous(None).unwrap().unwrap();
    assert!(
        session
            .query(r#"{"select": ["*"], "from": "_user"}"#)
            .unwrap()
            .body
            .contains("ann")
    );
    assert!(
        session
            .transact(r#"[{"_id": "_user", "username": "x"}]"#)
            .is_err()
    );
}
