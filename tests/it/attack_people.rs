//! Whoever signs in, and whoever would like to be somebody else: rights that are not had sideways.

use std::time::Duration;

use serde_json::json;
use solon::base::limits::SOURCE_FAILURES_MAX;
use solon::db::{ErrorKind, EventKind, OldTokens, SignIn, SignedIn, Source};

use crate::support::data::{Data, refused};
use crate::support::{People, START_MS, default_rule};

fn sign_in(people: &People, user: &str) -> Result<SignedIn, solon::Error> {
    let request = SignIn {
        user: user.into(),
        password: "open sesame",
        expire_seconds: None,
        database: "local/default",
    };
    people.folder.sign_in(&request, Source::default())
}

#[test]
fn a_password_that_is_set_ends_the_tokens_of_that_very_second_too() {
    let people = People::new();
    let ann = people.user("ann", Some("open sesame"));
    for _ in 0..2 {
        let minted = people.folder.token_for("ann", 60).unwrap();
        let signed = sign_in(&people, "ann").unwrap();
        people.folder.session(&minted, None).unwrap();
        people
            .folder
            .database()
            .set_password(ann, "open sesame", OldTokens::End)
            .unwrap();
        for token in [&minted, &signed.token] {
            let error = people.folder.session(token, None).unwrap_err();
            assert_eq!(error.code(), "db/invalid-token");
        }
        let refreshed = people
            .folder
            .refresh(&signed.refresh_token, Source::default());
        assert_eq!(refreshed.unwrap_err().code(), "db/invalid-token");
    }
    let signed = sign_in(&people, "ann").unwrap();
    people.folder.session(&signed.token, None).unwrap();
}

#[test]
fn tokens_that_are_ended_often_within_a_second_can_be_had_again_within_two() {
    let people = People::new();
    let ann = people.user("ann", Some("open sesame"));
    let mut ended = Vec::new();
    for _ in 0..2 {
        let signed = sign_in(&people, "ann").unwrap();
        let session = people.folder.session(&signed.token, None).unwrap();
        session.revoke(r#"{"all": true}"#).unwrap();
        ended.push(signed);
    }
    let root = people.folder.root_session(None).unwrap();
    for _ in 0..20 {
        root.revoke(&json!({"all": true, "auth": ann.raw()}).to_string())
            .unwrap();
    }
    // Nothing is handed out that would be dead for good.
    let error = sign_in(&people, "ann").unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "db/busy")
    );
    let wait = error.retry_after_seconds().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    assert!(people.folder.token_for("ann", 60).is_err());
    people.clock.advance(Duration::from_secs(1));
    let signed = sign_in(&people, "ann").unwrap();
    people.folder.session(&signed.token, None).unwrap();
    for old in ended {
        assert!(people.folder.session(&old.token, None).is_err());
        assert!(
            people
                .folder
                .refresh(&old.refresh_token, Source::default())
                .is_err()
        );
    }
}

/// What a bearer owns counts as what it may do: whoever can act as an owner has root of its databases.
#[test]
fn nobody_comes_to_own_an_account_by_a_right_over_people() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/sales").unwrap();
    let master = data.master();
    let help = json!([
        {"_id": "_role$help", "id": "help", "rules": [
            default_rule("help/auth", "_auth", "true", &["query", "transact", "token"]),
            default_rule("help/user", "_user", "true", &["query", "transact"]),
            default_rule("help/role", "_role", "true", &["query"]),
        ]},
        {"_id": ["_auth/id", "eve"], "roles": ["_role$help"]},
        {"_id": "_auth$dan", "id": "dan", "type": "password", "roles": [["_role/id", "owner"]]},
        {"_id": "_user", "username": "dan", "auth": ["_auth$dan"]},
    ]);
    master.transact(&help.to_string()).unwrap();
    let can_be = |whom: &str| {
        let eve = data.session("eve");
        let password = json!({"auth": ["_auth/id", whom], "password": "open sesame"});
        let reset = json!({"user": whom});
        let authority = json!([{"_id": ["_auth/id", whom], "authority": [["_auth/id", "eve"]]}]);
        let another = json!([
            {"_id": "_auth$it", "id": format!("{whom}-2"), "roles": [["_role/id", "owner"]]},
            {"_id": ["_user/username", whom], "auth": ["_auth$it"]},
        ]);
        [
            eve.set_password(&password.to_string()).map(drop),
            eve.reset_token(&reset.to_string()).map(drop),
            eve.transact(&authority.to_string()).map(drop),
            eve.transact(&another.to_string()).map(drop),
        ]
    };
    // Who owns nothing is what `eve` is.
    for done in can_be("dan") {
        done.unwrap();
    }
    master
        .transact(r#"[{"_id": ["_auth/id", "ann"], "type": "password"}]"#)
        .unwrap();
    for done in can_be("ann") {
        refused(done, ErrorKind::Denied, "db/write-permission");
    }
    // Nor by a right over accounts: those who own one may share it, with whom they could be.
    let accounts = json!([{"_id": ["_role/id", "help"], "rules": [
        default_rule("help/account", "account", "true", &["query", "transact"])]}]);
    master.transact(&accounts.to_string()).unwrap();
    let share = |with: &str| {
        let shared =
            json!([{"_id": ["account/name", "acme"], "owners": [["_user/username", with]]}]);
        data.session("eve").transact(&shared.to_string())
    };
    for with in ["eve", "dan"] {
        refused(share(with), ErrorKind::Denied, "db/write-permission");
    }
    // An owner of the same account may.
    let owned = json!([{"_id": ["account/name", "acme"], "owners": [["_user/username", "eve"]]}]);
    master.transact(&owned.to_string()).unwrap();
    let eve = data.session("eve");
    let password = json!({"auth": ["_auth/id", "ann"], "password": "open sesame"});
    eve.set_password(&password.to_string()).unwrap();
    share("dan").unwrap();
}

#[test]
fn one_password_tried_on_every_name_is_tried_slowly() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let source = |address: &str| Source::from(address.parse::<std::net::IpAddr>().unwrap());
    let (here, there) = (source("2001:db8::1"), source("2001:db8::2"));
    let try_one = |user: &str, password: &str, source: Source| {
        let request = SignIn {
            user: user.into(),
            password,
            expire_seconds: None,
            database: "local/default",
        };
        people.folder.sign_in(&request, source)
    };
    try_one("ann", "open sesame", here).unwrap();
    for number in 0..SOURCE_FAILURES_MAX {
        let error = try_one(&format!("user {number}"), "open sesame", here).unwrap_err();
        assert_eq!(error.code(), "db/invalid-password");
    }
    let (checks, rows) = (people.folder.password_checks(), people.trail().len());
    // The network is the source, and nothing is looked at or written any more.
    let error = try_one("one more", "open sesame", there).unwrap_err();
    assert_eq!(
        (error.code(), error.retry_after_seconds()),
        ("db/locked-out", Some(1))
    );
    assert_eq!(people.folder.password_checks(), checks);
    assert_eq!(people.trail().len(), rows);
    try_one("ann", "open sesame", there).unwrap();
    try_one("ann", "open sesame", source("10.0.0.1")).unwrap();
    people.clock.advance(Duration::from_secs(1));
    let error = try_one("one more", "open sesame", there).unwrap_err();
    assert_eq!(error.code(), "db/invalid-password");
}

#[test]
fn a_refresh_key_that_cannot_be_read_ends_no_sign_in() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let signed = sign_in(&people, "ann").unwrap();
    let (there, away) = (people.place("keys/refresh.key"), people.place("away"));
    std::fs::rename(&there, &away).unwrap();
    people.clock.advance(Duration::from_secs(2));
    let body = json!({"refresh_token": signed.refresh_token}).to_string();
    let refresh = |database| {
        people
            .folder
            .refresh_request(&body, database, Source::default())
    };
    for database in [None, Some("local/default")] {
        assert_eq!(
            refresh(database).unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    }
    assert_eq!(
        sign_in(&people, "ann").unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    std::fs::rename(&away, &there).unwrap();
    people.clock.advance(Duration::from_secs(2));
    refresh(Some("local/default")).unwrap();
}

#[test]
fn a_token_that_was_revoked_is_not_good_again_when_its_record_is_deleted() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let request = SignIn {
        user: "ann".into(),
        password: "open sesame",
        expire_seconds: Some(86_400),
        database: "local/default",
    };
    let signed = people.folder.sign_in(&request, Source::default()).unwrap();
    let session = people.folder.session(&signed.token, None).unwrap();
    let minted = people.folder.token_for("ann", 86_400).unwrap();
    for token in [&minted, &signed.token] {
        session
            .revoke(&json!({"token": token}).to_string())
            .unwrap();
    }
    let root = people.folder.root_session(None).unwrap();
    let records: Vec<serde_json::Value> = {
        let body = json!({"select": ["_id"], "from": "_token"}).to_string();
        serde_json::from_str(&root.query(&body).unwrap().body).unwrap()
    };
    assert_eq!(records.len(), 2);
    for record in &records {
        for action in ["delete", "erase"] {
            let items = json!([{"_id": record["_id"], "_action": action}]);
            let error = root.transact(&items.to_string()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
    for token in [&minted, &signed.token] {
        let error = people.folder.session(token, None).unwrap_err();
        assert_eq!(error.code(), "db/invalid-token");
    }
    // A day after their end both are refused by themselves.
    people.clock.advance(Duration::from_secs(16 * 86_400));
    let root = people.folder.root_session(None).unwrap();
    for record in &records {
        let items = json!([{"_id": record["_id"], "_action": "delete"}]);
        root.transact(&items.to_string()).unwrap();
    }
}

#[test]
fn who_did_something_to_another_is_told_and_not_from_where() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let root = people.folder.root_session(None).unwrap();
    let desk: std::net::IpAddr = "192.0.2.7".parse().unwrap();
    let root = root.sent_from(Source::from(desk));
    root.reset_token(r#"{"user": "ann"}"#).unwrap();
    root.set_password(r#"{"user": "ann", "password": "open says me"}"#)
        .unwrap();
    people.clock.advance(Duration::from_secs(1));
    let token = people.folder.token_for("ann", 60).unwrap();
    let ann = people.folder.session(&token, None).unwrap();
    for (session, address) in [(&root, Some(desk)), (&ann, None)] {
        let rows = session.logs(r#"{"limit": 100}"#).unwrap();
        for kind in [EventKind::PasswordSet, EventKind::ResetMade] {
            let row = rows.iter().find(|row| row.event.event == kind).unwrap();
            assert_eq!(row.event.auth, Some(ann.auth().raw()));
            assert_eq!(row.event.by, Some(root.auth().raw()));
            assert_eq!(row.event.address, address);
        }
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_out() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.clock.advance(Duration::from_secs(3_600));
    people.root(&json!([{"_id": "_user", "username": "bob"}]));
    people.clock.set_ms(START_MS);
    // Instants never run backwards, and so what is issued now is of that later time.
    let signed = sign_in(&people, "ann").unwrap();
    let session = people.folder.session(&signed.token, None).unwrap();
    let refreshed = people
        .folder
        .refresh(&signed.refresh_token, Source::default())
        .unwrap();
    people.folder.session(&refreshed.token, None).unwrap();
    let other = people
        .folder
        .session(&signed.token, Some("solon/master"))
        .unwrap_err();
    assert_eq!(other.code(), "db/invalid-token");
    session.revoke(r#"{"all": true}"#).unwrap();
    assert!(people.folder.session(&signed.token, None).is_err());
}

/// Which databases there are is nobody's to learn who has no token of them.
#[cfg(feature = "server")]
#[test]
fn a_database_that_is_there_is_told_as_one_that_is_not() {
    use solon::server::Mode;

    const JSON: (&str, &str) = ("content-type", "application/json");

    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/sales").unwrap();
    let folder = data.folder().clone();
    let bearer = |token: String| format!("Bearer {token}");
    let credentials = [
        None,
        Some("Bearer nonsense".to_owned()),
        Some(bearer(folder.root_token(60).unwrap())),
        Some(bearer(
            folder.token_for_in("solon/master", "eve", 60).unwrap(),
        )),
    ];
    let served = crate::support::served::serve_folder(folder, Mode::Closed, None);
    let told = |method: &str, path: &str, credential: Option<&String>, body: &str| {
        let mut headers = vec![JSON];
        headers.extend(credential.map(|it| ("authorization", it.as_str())));
        let reply = served.send(method, path, &headers, body.as_bytes());
        let mut body: serde_json::Value =
            serde_json::from_str(&reply.body).unwrap_or_else(|_| json!(reply.body));
        if let Some(problem) = body.as_object_mut() {
            problem.remove("instance");
        }
        (reply.status, body)
    };
    let sign_in = r#"{"user": "root", "password": "open sesame"}"#;
    let action = |name: &str| json!(["delete-db", {"db/id": name}]).to_string();
    let signed = |name: &str| {
        let tx = json!([{"_id": "_user", "username": "x"}]);
        let command = json!({"type": "tx", "db": name, "auth": "root", "nonce": 1, "tx": tx});
        json!({"cmd": command.to_string(), "sig": "00".repeat(64)}).to_string()
    };
    for credential in &credentials {
        let credential = credential.as_ref();
        for name in [
            "query",
            "transact",
            "token",
            "tokens",
            "revoke",
            "whoami",
            "logs",
            "users",
            "signin",
            "refresh",
            "password",
            "reset-token",
            "new-user",
            "unlock",
            "command",
            "no",
        ] {
            for family in ["api/db", "fdb"] {
                for (method, body) in [("POST", sign_in), ("POST", "{}"), ("GET", "")] {
                    let path = |name_of| format!("/{family}/acme/{name_of}/{name}");
                    let there = told(method, &path("sales"), credential, body);
                    let absent = told(method, &path("nope"), credential, body);
                    assert_eq!(there, absent, "{method} {name} {body}");
                }
            }
        }
        for (path, body) in [
            ("/api/action", &action as &dyn Fn(&str) -> String),
            ("/api/db/command", &signed),
            ("/api/db/token", &|name| {
                json!({"root": true, "db": name}).to_string()
            }),
            ("/api/db/signin", &|name| {
                json!({"user": "x", "password": "open sesame", "db": name}).to_string()
            }),
            ("/api/v2/login", &|name| {
                json!({"username": "x", "password": "open sesame", "org": name}).to_string()
            }),
        ] {
            let there = told("POST", path, credential, &body("acme/sales"));
            let absent = told("POST", path, credential, &body("acme/nope"));
            assert_eq!(there, absent, "{path}");
        }
    }
}
