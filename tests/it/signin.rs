//! Signing in by a password: who gets tokens, what a failure tells, and who is locked out.

use std::time::Duration;

use serde_json::json;
use solon::db::{ErrorKind, Folder, OldTokens, SignIn, Source};

use crate::support::People;

fn from(address: &str) -> Source {
    Source::from(address.parse::<std::net::IpAddr>().unwrap())
}

fn sign_in(
    people: &People,
    user: &str,
    password: &str,
    source: Source,
) -> Result<solon::db::SignedIn, solon::Error> {
    let request = SignIn {
        user: user.into(),
        password,
        expire_seconds: None,
        database: "local/default",
    };
    people.folder.sign_in(&request, source)
}

#[test]
fn a_name_and_a_password_get_tokens_by_which_the_user_is_known() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let signed = sign_in(&people, "ann", "open sesame", Source::default()).unwrap();
    assert_eq!(
        (signed.expires_in, signed.refresh_expires_in),
        (300, 1_209_600)
    );
    assert_eq!(
        (signed.username.as_str(), signed.database.as_str()),
        ("ann", "local/default")
    );
    let session = people.folder.session(&signed.token, None).unwrap();
    assert_eq!(session.auth(), signed.auth);
    let request = |user: serde_json::Value| {
        let body = json!({"user": user, "password": "open sesame", "db": "local.default"});
        people
            .folder
            .sign_in_request(&body.to_string(), None, "solon/master", Source::default())
            .unwrap()
            .auth
    };
    assert_eq!(request(json!("ann")), signed.auth);
    assert_eq!(request(json!(["_user/username", "ann"])), signed.auth);
    assert_eq!(request(json!(signed.user.raw())), signed.auth);
    people.clock.advance(Duration::from_secs(300));
    let error = people.folder.session(&signed.token, None).unwrap_err();
    assert_eq!(error.code(), "db/expired-token");
}

#[test]
fn every_sign_in_that_is_none_is_told_the_same_at_the_same_price() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.user("bob", None);
    people.user("carl", Some("open sesame"));
    people.disable("carl");
    let mut told = Vec::new();
    for (user, password) in [
        ("ann", "open says me"),
        ("ann", ""),
        ("nobody", "open sesame"),
        ("bob", "open sesame"),
        ("carl", "open sesame"),
        ("carl", "open says me"),
    ] {
        let (checks, rows) = (people.folder.password_checks(), people.trail().len());
        let error = sign_in(&people, user, password, Source::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert_eq!(people.folder.password_checks() - checks, 1, "{user}");
        let trail = people.trail();
        assert_eq!(trail.len() - rows, 1, "{user}");
        assert_eq!(trail[0]["event"], "sign-in-failed");
        assert!(!trail[0].to_string().contains("nobody"));
        told.push(error);
    }
    assert_eq!(told[0].code(), "db/invalid-password");
    assert!(told.iter().all(|error| *error == told[0]));
    // A database that is not there is no other.
    let request = SignIn {
        user: "ann".into(),
        password: "open sesame",
        expire_seconds: None,
        database: "local/other",
    };
    let checks = people.folder.password_checks();
    let error = people
        .folder
        .sign_in(&request, Source::default())
        .unwrap_err();
    assert_eq!(error, told[0]);
    assert_eq!(people.folder.password_checks() - checks, 1);
}

#[test]
fn five_failures_lock_out_their_source_alone_and_the_name_need_not_exist() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let (here, there) = (from("10.0.0.1"), from("10.0.0.2"));
    for user in ["ann", "nobody"] {
        for _ in 0..5 {
            let error = sign_in(&people, user, "wrong", here).unwrap_err();
            assert_eq!(error.code(), "db/invalid-password");
        }
        let checks = people.folder.password_checks();
        let error = sign_in(&people, user, "open sesame", here).unwrap_err();
        assert_eq!(error.code(), "db/locked-out");
        assert_eq!(error.retry_after_seconds(), Some(120));
        assert_eq!(people.folder.password_checks(), checks);
        assert_eq!(people.trail()[0]["event"], "locked-out");
    }
    sign_in(&people, "ann", "open sesame", there).unwrap();
    people.clock.advance(Duration::from_secs(119));
    let error = sign_in(&people, "ann", "open sesame", here).unwrap_err();
    assert_eq!(error.retry_after_seconds(), Some(1));
    people.clock.advance(Duration::from_secs(1));
    sign_in(&people, "ann", "open sesame", here).unwrap();
}

#[test]
fn a_life_that_cannot_be_asked_for_is_told_to_who_has_the_password_alone() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.root(&json!([{"_id": ["_setting/id", "root"], "tokenMaxSeconds": 100}]));
    let ask = |password: &str, seconds: u64| {
        let request = SignIn {
            user: "ann".into(),
            password,
            expire_seconds: Some(seconds),
            database: Folder::DEFAULT,
        };
        let signed = people.folder.sign_in(&request, Source::default());
        signed.map(|it| it.expires_in).map_err(|error| error.code())
    };
    assert_eq!(ask("wrong", 101), Err("db/invalid-password"));
    assert_eq!(ask("open sesame", 101), Err("db/invalid-request"));
    assert_eq!(ask("open sesame", 100), Ok(100));
    let signed = sign_in(&people, "ann", "open sesame", Source::default()).unwrap();
    assert_eq!(signed.expires_in, 100);
    people.root(
        &json!([{"_id": ["_setting/id", "root"], "tokenMaxSeconds": null},
                        {"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]),
    );
    assert_eq!(ask("open sesame", 3_600), Err("db/invalid-request"));
    assert_eq!(ask("open sesame", 3_599), Ok(3_599));
}

#[test]
fn a_token_that_lives_longer_than_a_day_has_a_record_of_its_own() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let request = |seconds| SignIn {
        user: "ann".into(),
        password: "open sesame",
        expire_seconds: Some(seconds),
        database: Folder::DEFAULT,
    };
    let records = || {
        let query = r#"{"select": ["kind"], "from": "_token"}"#;
        let body = people.folder.database().root().query(query).unwrap().body;
        (
            body.matches("refresh").count(),
            body.matches("access").count(),
        )
    };
    people
        .folder
        .sign_in(&request(86_400), Source::default())
        .unwrap();
    assert_eq!(records(), (1, 0));
    let signed = people
        .folder
        .sign_in(&request(86_401), Source::default())
        .unwrap();
    assert_eq!(records(), (2, 1));
    people.clock.advance(Duration::from_secs(86_400));
    assert!(people.folder.session(&signed.token, None).is_ok());
}

#[test]
fn a_user_with_several_passwords_signs_in_as_the_lowest_auth_that_fits() {
    let people = People::new();
    let first = people.user("ann", Some("open sesame"));
    people.root(&json!([
        {"_id": "_auth$b", "id": "ann2", "type": "password", "roles": [["_role/id", "ann-role"]]},
        {"_id": ["_user/username", "ann"], "auth": ["_auth$b"]},
    ]));
    let database = people.folder.database();
    let set = |auth: &str, password| {
        database
            .set_password(auth, password, OldTokens::Keep)
            .unwrap();
    };
    set("ann2", "other words");
    let second = database.auth("ann2").unwrap();
    let auth = |password| {
        sign_in(&people, "ann", password, Source::default())
            .unwrap()
            .auth
    };
    assert_eq!(auth("open sesame"), first);
    assert_eq!(auth("other words"), second);
    set("ann2", "open sesame");
    assert_eq!(auth("open sesame"), first);
    people.disable("ann");
    assert_eq!(auth("open sesame"), second);
}

#[test]
fn who_cannot_be_written_of_is_handed_nothing() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let signed = sign_in(&people, "ann", "open sesame", Source::default()).unwrap();
    people.folder.close();
    for password in ["open sesame", "wrong"] {
        let error = sign_in(&people, "ann", password, Source::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let refreshed = people
        .folder
        .refresh(&signed.refresh_token, Source::default());
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn no_more_than_four_passwords_of_one_user_are_compared() {
    let people = People::new();
    people.user("ann", Some("the 1st words"));
    let database = people.folder.database();
    for (id, password) in [
        ("ann2", "the 2nd words"),
        ("ann3", "the 3rd words"),
        ("ann4", "the 4th words"),
        ("ann5", "the 5th words"),
    ] {
        people.root(&json!([
            {"_id": "_auth$b", "id": id, "type": "password", "roles": []},
            {"_id": ["_user/username", "ann"], "auth": ["_auth$b"]},
        ]));
        database
            .set_password(id, password, OldTokens::Keep)
            .unwrap();
    }
    let checks = people.folder.password_checks();
    sign_in(&people, "ann", "the 4th words", Source::default()).unwrap();
    assert_eq!(people.folder.password_checks() - checks, 4);
    let error = sign_in(&people, "ann", "the 5th words", Source::default()).unwrap_err();
    assert_eq!(error.code(), "db/invalid-password");
    assert_eq!(people.folder.password_checks() - checks, 8);
}
