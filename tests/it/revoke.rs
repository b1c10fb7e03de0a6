//! Listing and revoking tokens: whose, by whom, and that the very next request is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use solon::db::{ErrorKind, Revoked, Session, TokenState};

use crate::support::{Bearers, START_MS, rule};

fn sees(id: &str) -> Value {
    rule(id, "_auth", &["_auth/id"], "true", &["query"])
}

fn revoke(session: &Session, body: &Value) -> Result<Revoked, (ErrorKind, &'static str)> {
    let told = session.revoke(&body.to_string());
    told.map_err(|error| (error.kind(), error.code()))
}

const NOT_FOUND: Result<Revoked, (ErrorKind, &str)> = Err((ErrorKind::NotFound, "db/not-found"));
const FORBIDDEN: Result<Revoked, (ErrorKind, &str)> =
    Err((ErrorKind::Denied, "db/write-permission"));
const NO_PERMISSION: Result<Revoked, (ErrorKind, &str)> =
    Err((ErrorKind::Denied, "db/no-permission"));

#[test]
fn every_bearer_ends_its_own_token_by_its_id_or_its_text() {
    let data = Bearers::new();
    // No rule allows it anything at all.
    data.root(&json!([{"_id": "_auth", "id": "mute"}]));
    let by = data.token("mute", Some(60));
    let session = data.session(&by);
    let api = data.api("mute", "a");
    assert_eq!(
        revoke(&session, &json!({"token": api.id})),
        Ok(Revoked::Token(api.id.clone().unwrap()))
    );
    assert_eq!(data.code(&api.token), Some("db/invalid-token"));
    let long = data.token("mute", None);
    let other = data.api("mute", "b").token;
    for text in [&long, &other] {
        assert_eq!(data.code(text), None);
        assert!(revoke(&session, &json!({"token": text})).is_ok());
        assert_eq!(data.code(text), Some("db/invalid-token"));
        // Twice is fine.
        if text.starts_with("solon_") {
            assert!(revoke(&session, &json!({"token": text})).is_ok());
        }
    }
    // An access token without a record gets one, and is the bearer's own: it ends by itself.
    assert!(revoke(&session, &json!({"token": by})).is_ok());
    assert_eq!(data.code(&by), Some("db/invalid-token"));
    assert!(
        session.tokens("").is_err(),
        "ending them is all that it may do"
    );
    assert!(session.whoami("").is_err());
}

#[test]
fn an_access_token_that_was_revoked_by_its_text_has_a_record_until_its_end() {
    let data = Bearers::new();
    data.auth("robot", &[sees("s")]);
    let (short, other) = (data.token("robot", Some(60)), data.token("robot", Some(60)));
    assert!(data.session(&other).tokens("").unwrap().is_empty());
    assert!(revoke(&data.session(&other), &json!({"token": short})).is_ok());
    assert_eq!(data.code(&short), Some("db/invalid-token"));
    let listed = data.session(&other).tokens("").unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].state, TokenState::Revoked);
    assert_eq!(listed[0].expires_ms, Some(START_MS + 60_000));
    assert!(revoke(&data.session(&other), &json!({"token": listed[0].id})).is_ok());
}

#[test]
fn the_token_of_another_is_ended_by_who_may_write_that() {
    let data = Bearers::new();
    data.auth("robot", &[sees("s1")]);
    data.auth("other", &[sees("s2")]);
    data.auth(
        "watcher",
        &[rule("see", "_token", &["*"], "true", &["query"])],
    );
    let only = r#"(== (get (?s) "_token/name") "ci")"#;
    data.auth(
        "guard",
        &[
            rule("see2", "_token", &["*"], "true", &["query"]),
            rule("end", "_token", &["_token/revoked"], only, &["transact"]),
        ],
    );
    data.root(&json!([{"_id": "_auth", "id": "mute"}]));
    let as_auth = |id: &str| data.session(&data.token(id, Some(60)));
    let (ci, cd) = (data.api("robot", "ci"), data.api("robot", "cd"));
    let by_id = json!({"token": ci.id});
    let unknown = json!({"token": "AAAAAAAAAAAAAAAAAAAAAA"});
    for token in [&by_id, &json!({"token": ci.token}), &unknown] {
        assert_eq!(revoke(&as_auth("other"), token), NOT_FOUND, "{token}");
        assert_eq!(revoke(&as_auth("mute"), token), NO_PERMISSION, "{token}");
    }
    assert_eq!(revoke(&as_auth("watcher"), &by_id), FORBIDDEN);
    assert_eq!(revoke(&as_auth("watcher"), &unknown), NOT_FOUND);
    assert_eq!(
        revoke(&as_auth("guard"), &json!({"token": cd.id})),
        FORBIDDEN
    );
    assert_eq!(data.code(&ci.token), None);
    assert!(revoke(&as_auth("guard"), &by_id).is_ok());
    assert_eq!(data.code(&ci.token), Some("db/invalid-token"));
    assert_eq!(data.code(&cd.token), None);
    for text in ["", "solon_x", "solonr_x", "solonp_x", "a.b.c", "\u{0}"] {
        assert_eq!(
            revoke(&as_auth("other"), &json!({"token": text})),
            NOT_FOUND
        );
    }
}

#[test]
fn the_access_token_of_another_without_a_record_is_judged_by_the_record_that_it_gets() {
    let data = Bearers::new();
    data.auth("robot", &[sees("s1")]);
    data.auth("blind", &[sees("s2")]);
    data.auth(
        "guard",
        &[
            sees("s3"),
            rule(
                "end",
                "_token",
                &["_token/revoked"],
                r#"(contains? (get-all (?s) ["_token/auth" "_auth/id"]) "robot")"#,
                &["transact"],
            ),
        ],
    );
    let as_auth = |id: &str| data.session(&data.token(id, Some(60)));
    let (one, two) = (data.token("robot", Some(60)), data.token("guard", Some(60)));
    assert_eq!(revoke(&as_auth("blind"), &json!({"token": one})), FORBIDDEN);
    assert_eq!(data.code(&one), None);
    assert!(revoke(&as_auth("guard"), &json!({"token": one})).is_ok());
    assert_eq!(data.code(&one), Some("db/invalid-token"));
    assert!(
        revoke(&as_auth("guard"), &json!({"token": two})).is_ok(),
        "its own"
    );
}

#[test]
fn all_of_ones_own_end_at_once_also_those_of_this_very_second() {
    let data = Bearers::new();
    data.root(&json!([{"_id": "_auth", "id": "mute"}]));
    data.auth("robot", &[sees("s")]);
    let untouched = data.api("robot", "r").token;
    let mint = || {
        [
            data.token("mute", Some(60)),
            data.token("mute", None),
            data.api("mute", "a").token,
        ]
    };
    let first = mint();
    let session = data.session(&first[0]);
    assert_eq!(
        revoke(&session, &json!({"all": true})),
        Ok(Revoked::Auths(vec![session.auth()]))
    );
    for token in &first {
        assert_eq!(data.code(token), Some("db/invalid-token"));
    }
    // What is minted within the second is good, and ends by the next revocation of the same second.
    data.clock.advance(Duration::from_millis(200));
    let second = mint();
    for token in &second {
        assert_eq!(data.code(token), None);
    }
    data.clock.advance(Duration::from_millis(300));
    let own = json!({"all": true, "auth": session.auth().raw()});
    assert!(revoke(&data.session(&second[1]), &own).is_ok());
    for token in &second {
        assert_eq!(data.code(token), Some("db/invalid-token"));
    }
    data.clock.advance(Duration::from_secs(2));
    for token in &mint() {
        assert_eq!(data.code(token), None);
    }
    assert_eq!(data.code(&untouched), None);
}

#[test]
fn all_tokens_of_another_end_by_who_may_move_its_valid_after() {
    let data = Bearers::new();
    data.auth("ann-1", &[sees("s1")]);
    data.auth("ann-2", &[sees("s2")]);
    data.auth("other", &[sees("s3")]);
    data.root(&json!([{"_id": "_user", "username": "ann", "auth": [["_auth/id", "ann-1"], ["_auth/id", "ann-2"]]}]));
    let user = rule("user", "_user", &["*"], "true", &["query"]);
    let first = r#"(== (get (?s) "_auth/id") "ann-1")"#;
    data.auth(
        "half",
        &[
            sees("s4"),
            user,
            rule("end1", "_auth", &["_auth/validAfter"], first, &["transact"]),
        ],
    );
    data.auth(
        "desk",
        &[
            sees("s5"),
            rule("user2", "_user", &["*"], "true", &["query"]),
            rule(
                "end2",
                "_auth",
                &["_auth/validAfter"],
                "true",
                &["transact"],
            ),
        ],
    );
    let as_auth = |id: &str| data.session(&data.token(id, Some(60)));
    let tokens = [data.api("ann-1", "a").token, data.token("ann-2", Some(60))];
    let of = |id: &str| json!({"all": true, "auth": ["_auth/id", id]});
    let ann = json!({"all": true, "user": "ann"});
    assert_eq!(revoke(&as_auth("other"), &of("ann-1")), FORBIDDEN);
    assert_eq!(revoke(&as_auth("other"), &of("nobody")), NOT_FOUND);
    assert_eq!(revoke(&as_auth("other"), &ann), NOT_FOUND);
    assert_eq!(revoke(&as_auth("half"), &ann), FORBIDDEN, "all or nothing");
    for token in &tokens {
        assert_eq!(data.code(token), None);
    }
    assert!(revoke(&as_auth("half"), &of("ann-1")).is_ok());
    assert_eq!(data.code(&tokens[0]), Some("db/invalid-token"));
    assert_eq!(data.code(&tokens[1]), None);
    data.clock.advance(Duration::from_secs(1));
    assert!(revoke(&as_auth("desk"), &ann).is_ok());
    assert_eq!(data.code(&tokens[1]), Some("db/invalid-token"));
    let listed = data.folder.root_session(None).unwrap().tokens("").unwrap();
    assert_eq!(listed[0].state, TokenState::Revoked);
}

#[test]
fn a_list_tells_newest_first_and_goes_on_behind_a_token() {
    let data = Bearers::new();
    data.auth("robot", &[sees("s1")]);
    data.auth("other", &[sees("s2")]);
    for n in 0..5 {
        data.api("robot", &format!("r{n}"));
        data.api("other", &format!("o{n}"));
    }
    let names = |session: &Session, body: &Value| -> Vec<String> {
        let listed = session.tokens(&body.to_string()).unwrap();
        listed.into_iter().map(|it| it.name.unwrap()).collect()
    };
    let robot = data.session(&data.token("robot", Some(60)));
    assert_eq!(names(&robot, &json!({})), ["r4", "r3", "r2", "r1", "r0"]);
    assert_eq!(names(&robot, &json!({"limit": 2})), ["r4", "r3"]);
    let listed = robot.tokens("").unwrap();
    assert_eq!(
        names(&robot, &json!({"limit": 2, "after": listed[1].id})),
        ["r2", "r1"]
    );
    assert_eq!(names(&robot, &json!({"after": listed[4].id})), [""; 0]);
    let root = data.folder.root_session(None).unwrap();
    assert_eq!(names(&root, &json!({"limit": 3})), ["o4", "r4", "o3"]);
    assert_eq!(
        names(&root, &json!({"auth": ["_auth/id", "other"], "limit": 1})),
        ["o4"]
    );
    let after = root.tokens(r#"{"limit": 1}"#).unwrap()[0].id.clone();
    assert_eq!(names(&root, &json!({"after": after, "limit": 1})), ["r4"]);
    assert_eq!(
        names(&robot, &json!({"auth": ["_auth/id", "other"]})),
        [""; 0]
    );
    let most = solon::base::limits::TOKENS_LISTED_MAX;
    assert_eq!(names(&robot, &json!({"limit": most})).len(), 5);
    for (body, kind, at) in [
        (json!({"after": after}), ErrorKind::NotFound, None),
        (json!({"after": "x"}), ErrorKind::NotFound, None),
        (
            json!({"auth": ["_auth/id", "nobody"]}),
            ErrorKind::NotFound,
            None,
        ),
        (
            json!({"limit": most + 1}),
            ErrorKind::Invalid,
            Some("/limit"),
        ),
        (json!({"limit": 0}), ErrorKind::Invalid, Some("/limit")),
        (json!({"limit": "1"}), ErrorKind::Invalid, Some("/limit")),
        (json!({"after": 1}), ErrorKind::Invalid, Some("/after")),
        (json!({"auth": "x"}), ErrorKind::Invalid, Some("/auth")),
        (json!({"all": 1}), ErrorKind::Invalid, Some("/all")),
        (json!([]), ErrorKind::Invalid, Some("")),
    ] {
        let error = robot.tokens(&body.to_string()).unwrap_err();
        assert_eq!((error.kind(), error.at()), (kind, at), "{body}");
    }
}

#[test]
fn malformed_revocations_are_refused_with_their_place() {
    let data = Bearers::new();
    let root = data.folder.root_session(None).unwrap();
    for (body, at) in [
        (json!([]), ""),
        (json!({}), ""),
        (json!({"token": 1}), "/token"),
        (json!({"token": "x", "all": true}), ""),
        (json!({"all": false}), "/all"),
        (json!({"auth": 1}), ""),
        (json!({"all": true, "auth": 1, "user": 2}), ""),
        (json!({"all": true, "auth": "x"}), "/auth"),
        (json!({"all": true, "user": true}), "/user"),
        (json!({"all": true, "x": 1}), "/x"),
    ] {
        let error = root.revoke(&body.to_string()).unwrap_err();
        assert_eq!(
            (error.kind(), error.at()),
            (ErrorKind::Invalid, Some(at)),
            "{body}"
        );
    }
}

#[test]
fn what_is_revoked_while_others_use_it_is_refused_to_whoever_asks_after() {
    let data = Bearers::new();
    data.auth("robot", &[sees("s")]);
    let tokens: Vec<String> = (0..200)
        .map(|n| data.api("robot", &n.to_string()).token)
        .collect();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for part in tokens.chunks(100) {
            scope.spawn(|| {
                loop {
                    let was_done = is_done.load(Ordering::SeqCst);
                    let good = part
                        .iter()
                        .filter(|token| data.code(token).is_none())
                        .count();
                    if was_done {
                        assert_eq!(good, 0);
                        break;
                    }
                }
            });
        }
        let session = data.session(&tokens[0]);
        assert!(revoke(&session, &json!({"all": true})).is_ok());
        is_done.store(true, Ordering::SeqCst);
    });
}
