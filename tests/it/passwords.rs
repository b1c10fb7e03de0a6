//! Passwords and people: who may set one, what it ends, tokens that reset one, new users, and that no record is seen.

use std::time::Duration;

use serde_json::{Value, json};
use solon::db::{Folder, NewUser, OldTokens, Session, SignIn, SignedIn, Source};
use solon::model::SubjectId;
use solon::{Database, Error};

use crate::support::{People, default_rule, rule};

fn try_sign_in(people: &People, user: &str, password: &str) -> Result<SignedIn, Error> {
    let request = SignIn {
        user: user.into(),
        password,
        expire_seconds: None,
        database: Folder::DEFAULT,
    };
    people.folder.sign_in(&request, Source::default())
}

fn sign_in(people: &People, user: &str, password: &str) -> SignedIn {
    try_sign_in(people, user, password).unwrap()
}

fn session(people: &People, token: &str) -> Session {
    people.folder.session(token, None).unwrap()
}

fn root(people: &People) -> Session {
    session(people, &people.folder.root_token(3_599).unwrap())
}

fn set(session: &Session, body: &Value) -> Result<SubjectId, &'static str> {
    session
        .set_password(&body.to_string())
        .map_err(|error| error.code())
}

/// Whoever may do all with users and auths, and nothing beyond.
fn helper(people: &People, name: &str) {
    people.user(name, Some("open sesame"));
    let role = json!({"_id": "_role", "id": format!("{name}-helps"), "rules": [
        default_rule(&format!("{name}-auths"), "_auth", "true", &["all"]),
        default_rule(&format!("{name}-users"), "_user", "true", &["all"]),
        default_rule(&format!("{name}-roles"), "_role", "true", &["query"]),
        default_rule(&format!("{name}-rules"), "_rule", "true", &["query"]),
    ]});
    people.root(&json!([{"_id": ["_auth/id", name], "roles": [role]}]));
}

#[test]
fn a_new_password_ends_what_was_minted_in_the_same_moment() {
    let people = People::new();
    let ann = people.user("ann", Some("open sesame"));
    let database = people.folder.database();
    let minted = || {
        let body = json!({"auth": ann.raw(), "expireSeconds": 60}).to_string();
        root(&people).token(&body).unwrap().token
    };
    let code = |token: &str| people.folder.session(token, None).err().map(|it| it.code());
    let end = || {
        database
            .set_password("ann", "close sesame", OldTokens::End)
            .unwrap();
    };
    // A whole second, and a token that has no record and is issued in it.
    let first = minted();
    assert_eq!(code(&first), None);
    end();
    assert_eq!(code(&first), Some("db/invalid-token"));
    // One that took the end of the second as its issue.
    people.clock.advance(Duration::from_millis(300));
    let second = minted();
    assert_eq!(code(&second), None);
    people.clock.advance(Duration::from_millis(300));
    end();
    assert_eq!(code(&second), Some("db/invalid-token"));
    // One that was revoked by its text later than others were issued has a record that is newer than theirs.
    people.clock.advance(Duration::from_secs(5));
    let third = minted();
    people.clock.advance(Duration::from_millis(400));
    let signed = sign_in(&people, "ann", "close sesame");
    root(&people)
        .revoke(&json!({"token": third}).to_string())
        .unwrap();
    end();
    assert_eq!(code(&signed.token), Some("db/invalid-token"));
    let refreshed = people
        .folder
        .refresh(&signed.refresh_token, Source::default());
    assert_eq!(refreshed.unwrap_err().code(), "db/invalid-token");
    people.clock.advance(Duration::from_secs(2));
    let last = sign_in(&people, "ann", "close sesame");
    assert_eq!(code(&last.token), None);
}

#[test]
fn one_changes_ones_own_password_by_the_old_one_and_ones_tokens_end() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let (first, other) = (
        sign_in(&people, "ann", "open sesame"),
        sign_in(&people, "ann", "open sesame"),
    );
    let own = session(&people, &first.token);
    let change = |old: &str, new: &str| set(&own, &json!({"oldPassword": old, "password": new}));
    assert_eq!(change("wrong", "close sesame"), Err("db/invalid-password"));
    assert_eq!(people.trail()[0]["event"], "sign-in-failed");
    assert_eq!(
        set(&own, &json!({"password": "close sesame"})),
        Err("db/invalid-request")
    );
    assert_eq!(change("open sesame", "sesame"), Err("db/weak-password"));
    assert_eq!(change("open sesame", "close sesame"), Ok(first.auth));
    assert_eq!(people.trail()[0]["event"], "password-set");
    for token in [&first.refresh_token, &other.refresh_token] {
        let error = people.folder.refresh(token, Source::default()).unwrap_err();
        assert_eq!(error.code(), "db/invalid-token");
    }
    people.clock.advance(Duration::from_millis(1));
    assert!(try_sign_in(&people, "ann", "open sesame").is_err());
    let kept = sign_in(&people, "ann", "close sesame");
    let body =
        json!({"oldPassword": "close sesame", "password": "open the door", "keepTokens": true});
    assert_eq!(set(&session(&people, &kept.token), &body), Ok(first.auth));
    assert!(
        people
            .folder
            .refresh(&kept.refresh_token, Source::default())
            .is_ok()
    );
    sign_in(&people, "ann", "open the door");
}

#[test]
fn who_has_no_token_changes_a_password_by_the_old_one_and_is_locked_out_as_at_the_sign_in() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let change = |user: &str, old: &str, new: &str| {
        let body = json!({"user": user, "oldPassword": old, "password": new});
        people
            .folder
            .change_password(&body.to_string(), None, Folder::DEFAULT, Source::default())
            .map_err(|error| error.code())
    };
    assert_eq!(change("ann", "open sesame", "ann"), Err("db/weak-password"));
    assert!(change("ann", "open sesame", "close sesame").is_ok());
    for user in ["ann", "nobody"] {
        for _ in 0..5 {
            let checks = people.folder.password_checks();
            assert_eq!(
                change(user, "wrong", "open the door"),
                Err("db/invalid-password")
            );
            assert_eq!(people.folder.password_checks() - checks, 1);
        }
        assert_eq!(
            change(user, "close sesame", "open the door"),
            Err("db/locked-out")
        );
    }
    let error = try_sign_in(&people, "ann", "close sesame").unwrap_err();
    assert_eq!(error.code(), "db/locked-out");
}

#[test]
fn law_10_anothers_password_takes_a_right_to_write_it_and_every_role_of_theirs() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.user("bob", Some("open sesame"));
    helper(&people, "helen");
    let by = |name: &str, body: Value| {
        set(
            &session(&people, &sign_in(&people, name, "open sesame").token),
            &body,
        )
    };
    let anns = || json!({"user": "ann", "password": "close sesame"});
    // Bob does not see ann's auth, and is told so as if there were none.
    assert_eq!(by("bob", anns()), Err("db/not-found"));
    assert_eq!(
        by("bob", json!({"user": "nobody", "password": "close sesame"})),
        Err("db/not-found")
    );
    assert_eq!(by("helen", anns()), Err("db/write-permission"));
    let anns_role = json!([{"_id": ["_auth/id", "helen"], "roles": [["_role/id", "ann-role"]]}]);
    people.root(&anns_role);
    assert!(by("helen", anns()).is_ok());
    sign_in(&people, "ann", "close sesame");
    // Whoever holds root is beyond every helper.
    people.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]));
    assert_eq!(by("helen", anns()), Err("db/write-permission"));
    let by_id = json!({"auth": ["_auth/id", "bob"], "password": "close sesame"});
    assert_eq!(by("helen", by_id.clone()), Err("db/write-permission"));
    assert!(set(&root(&people), &by_id).is_ok());
    // A rule that sees all and may write a part of it is no right over passwords.
    people.user("sue", Some("open sesame"));
    people.root(&json!([{"_id": ["_auth/id", "sue"], "roles": [
        ["_role/id", "bob-role"],
        {"_id": "_role", "id": "sees", "rules": [
            default_rule("sees-auths", "_auth", "true", &["query"]),
            default_rule("sees-users", "_user", "true", &["query"]),
            rule("docs", "_auth", &["_auth/doc"], "true", &["transact"])]}]}]));
    let bobs = json!({"user": "bob", "password": "open the door"});
    assert_eq!(by("sue", bobs), Err("db/write-permission"));
}

#[test]
fn a_reset_token_sets_a_password_once_within_half_an_hour() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let signed = sign_in(&people, "ann", "open sesame");
    let make = || root(&people).reset_token(r#"{"user": "ann"}"#).unwrap();
    let reset = |token: &str, password: &str| {
        let body = json!({"resetToken": token, "password": password});
        people
            .folder
            .new_password(&body.to_string(), Source::default())
            .map_err(|error| error.code())
    };
    let (older, newer) = (make(), make());
    assert_eq!(newer.expires_in, 1_800);
    assert_eq!(reset(&older.token, "close sesame"), Err("db/invalid-token"));
    assert_eq!(reset("solonp_x", "close sesame"), Err("db/invalid-token"));
    assert_eq!(reset(&newer.token, "ann"), Err("db/weak-password"));
    for _ in 0..5 {
        assert!(try_sign_in(&people, "ann", "wrong").is_err());
    }
    assert_eq!(reset(&newer.token, "close sesame"), Ok(signed.auth));
    assert_eq!(
        reset(&newer.token, "open the door"),
        Err("db/invalid-token")
    );
    let error = people
        .folder
        .refresh(&signed.refresh_token, Source::default());
    assert_eq!(error.unwrap_err().code(), "db/invalid-token");
    // It also ended the lock-out.
    sign_in(&people, "ann", "close sesame");
    let old = make();
    people.clock.advance(Duration::from_secs(1_800));
    assert_eq!(reset(&old.token, "open the door"), Err("db/invalid-token"));
    let made = make();
    people.clock.advance(Duration::from_secs(1_799));
    assert!(reset(&made.token, "open the door").is_ok());
    // Setting a password by other means takes the token away.
    let made = make();
    people
        .folder
        .database()
        .set_password("ann", "other words", OldTokens::Keep)
        .unwrap();
    assert_eq!(reset(&made.token, "open the door"), Err("db/invalid-token"));
}

#[test]
fn a_reset_token_gives_nobody_what_its_maker_could_not() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    helper(&people, "helen");
    people.root(&json!([{"_id": ["_auth/id", "helen"], "roles": [["_role/id", "ann-role"]]}]));
    let by_helen = session(&people, &sign_in(&people, "helen", "open sesame").token);
    let made = by_helen.reset_token(r#"{"user": "ann"}"#).unwrap();
    people.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]));
    let error = by_helen.reset_token(r#"{"user": "ann"}"#).unwrap_err();
    assert_eq!(error.code(), "db/write-permission");
    let body = json!({"resetToken": made.token, "password": "close sesame"});
    let reset = || {
        people
            .folder
            .new_password(&body.to_string(), Source::default())
    };
    assert_eq!(reset().unwrap_err().code(), "db/invalid-token");
    people.root(&json!([{"_id": ["_auth/id", "ann"], "_action": "delete", "roles": [["_role/id", "root"]]}]));
    people.folder.database().disable("helen").unwrap();
    assert_eq!(reset().unwrap_err().code(), "db/invalid-token");
    people.folder.database().enable("helen").unwrap();
    assert!(reset().is_ok());
}

#[test]
fn a_new_user_is_one_commit_that_passes_every_check_of_a_transaction() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    helper(&people, "helen");
    let by_helen = session(&people, &sign_in(&people, "helen", "open sesame").token);
    let add = |session: &Session, body: Value| {
        session
            .new_user(&body.to_string())
            .map_err(|error| (error.code(), error.at().map(str::to_owned)))
    };
    let head = people.folder.database().head().t;
    let added = add(
        &by_helen,
        json!({"username": "carl", "password": "open sesame", "email": "c@x"}),
    );
    let added = added.unwrap();
    assert_eq!(people.folder.database().head().t, head.next());
    let told = people.trail();
    assert_eq!(
        (&told[0]["event"], &told[1]["event"]),
        (&json!("password-set"), &json!("policy-changed"))
    );
    assert_eq!(told[1]["auth"], by_helen.auth().raw());
    let signed = sign_in(&people, "carl", "open sesame");
    assert_eq!((signed.user, signed.auth), (added.user, added.auth));
    let refused = |body: Value| add(&by_helen, body).unwrap_err();
    let at = |at: &str| Some(at.to_owned());
    assert_eq!(
        refused(json!({"username": "carl"})),
        ("db/unique", at("/username"))
    );
    assert_eq!(
        refused(json!({"username": ""})),
        ("db/invalid-request", at("/username"))
    );
    assert_eq!(
        refused(json!({"username": "dora", "password": "dora"})),
        ("db/weak-password", at("/password"))
    );
    // Law 10: only roles that the helper holds.
    assert_eq!(
        refused(json!({"username": "dora", "roles": ["root"]})).0,
        "db/write-permission"
    );
    assert_eq!(
        refused(json!({"username": "dora", "roles": ["ann-role"]})).0,
        "db/write-permission"
    );
    assert_eq!(
        refused(json!({"username": "dora", "roles": ["nothing"]})),
        ("db/invalid-tx", at("/roles/0"))
    );
    let own = json!({"username": "dora", "password": "open sesame", "roles": ["helen-role"]});
    assert!(add(&by_helen, own).is_ok());
    let by_ann = session(&people, &sign_in(&people, "ann", "open sesame").token);
    let refused = add(
        &by_ann,
        json!({"username": "eve", "password": "open sesame"}),
    );
    assert_eq!(refused.unwrap_err().0, "db/write-permission");
    let embedded = NewUser {
        username: "fay",
        password: Some("open sesame"),
        roles: &["ann-role"],
        ..NewUser::default()
    };
    people.folder.database().add_user(&embedded).unwrap();
    sign_in(&people, "fay", "open sesame");
}

/// Records of the password `correct horse battery staple` by other programs' functions.
fn records() -> [(&'static str, String); 2] {
    let strong = solon::token::PasswordCost {
        memory_kib: 16,
        passes: 2,
        lanes: 1,
    };
    let weak = solon::token::PasswordCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    let hash = |cost| solon::token::hash_password("open sesame", &cost).unwrap();
    [("strong", hash(strong)), ("weak", hash(weak))]
}

#[test]
fn users_are_imported_with_their_records_and_the_first_that_is_refused_is_told() {
    let people = People::new();
    people.user("ann", None);
    let database: &Database = people.folder.database();
    let mut lines = String::new();
    for (name, record) in records() {
        lines += &json!({"username": name, "record": record, "roles": ["ann-role"]}).to_string();
        lines += "\n\n";
    }
    assert_eq!(database.import_users(&lines), Ok(2));
    for (name, _) in records() {
        sign_in(&people, name, "open sesame");
    }
    for (line, code) in [
        (
            json!({"username": "strong", "password": "open sesame"}),
            "db/unique",
        ),
        (
            json!({"username": "x", "record": "plain"}),
            "db/invalid-request",
        ),
        (
            json!({"username": "x", "record": "plain", "password": "open sesame"}),
            "db/invalid-request",
        ),
        (
            json!({"username": "x", "password": "12345678"}),
            "db/weak-password",
        ),
        (json!({"username": "x", "more": 1}), "db/invalid-request"),
        (json!({"password": "open sesame"}), "db/invalid-request"),
    ] {
        let good = json!({"username": format!("good {line}")});
        let stopped = database
            .import_users(&format!("{good}\n{line}\n"))
            .unwrap_err();
        assert_eq!(
            (stopped.line, stopped.made, stopped.error.code()),
            (2, 1, code),
            "{line}"
        );
        assert!(!stopped.to_string().contains("plain"));
    }
}

#[test]
fn a_record_of_another_function_is_made_anew_at_the_next_sign_in() {
    let people = People::new();
    people.user("ann", None);
    let record = bcrypt::hash_with_salt("open sesame", 4, [7; 16]).unwrap();
    let line = json!({"username": "old", "record": record.to_string(), "roles": ["ann-role"]});
    let database = people.folder.database();
    database.import_users(&line.to_string()).unwrap();
    let kinds = || {
        let query = r#"{"select": ["hashType"], "from": "_auth"}"#;
        database.root().query(query).unwrap().body
    };
    assert!(kinds().contains("bcrypt"));
    assert!(try_sign_in(&people, "old", "wrong").is_err());
    assert!(kinds().contains("bcrypt"));
    let head = database.head().t;
    sign_in(&people, "old", "open sesame");
    assert_eq!(database.head().t, head.next());
    assert!(!kinds().contains("bcrypt") && kinds().contains("argon2id"));
    sign_in(&people, "old", "open sesame");
}

#[test]
fn people_are_listed_as_their_reader_sees_them_and_lock_outs_are_ended_by_right() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.user("bob", Some("open sesame"));
    for _ in 0..5 {
        assert!(try_sign_in(&people, "ann", "wrong").is_err());
    }
    let listed = root(&people).users("").unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|it| {
            (
                it.username.as_deref().unwrap(),
                it.locked_out,
                it.auths[0].roles.join(","),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("ann", Some(true), "ann-role".to_owned()),
            ("bob", Some(false), "bob-role".to_owned())
        ]
    );
    let by_bob = session(&people, &sign_in(&people, "bob", "open sesame").token);
    let seen = by_bob.users("{}").unwrap();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|it| it.locked_out.is_none() && it.auths.is_empty())
    );
    let unlock = |session: &Session| {
        session
            .unlock(r#"{"user": "ann"}"#)
            .map_err(|error| error.code())
    };
    assert_eq!(unlock(&by_bob), Err("db/not-found"));
    assert!(unlock(&root(&people)).is_ok());
    assert_eq!(people.trail()[0]["event"], "unlocked");
    sign_in(&people, "ann", "open sesame");
}

#[test]
fn a_reused_refresh_token_ends_the_access_tokens_of_its_family_too() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let long = {
        let body = json!({"user": "ann", "password": "open sesame", "expireSeconds": 100_000});
        let signed = people.folder.sign_in_request(
            &body.to_string(),
            None,
            Folder::DEFAULT,
            Source::default(),
        );
        signed.unwrap()
    };
    let second = people
        .folder
        .refresh(&long.refresh_token, Source::default())
        .unwrap();
    let third = people
        .folder
        .refresh(&second.refresh_token, Source::default())
        .unwrap();
    for token in [&long.token, &second.token, &third.token] {
        assert!(people.folder.session(token, None).is_ok());
    }
    assert!(
        people
            .folder
            .refresh(&long.refresh_token, Source::default())
            .is_err()
    );
    for token in [&long.token, &second.token, &third.token] {
        let error = people.folder.session(token, None).unwrap_err();
        assert_eq!(error.code(), "db/invalid-token");
    }
}

#[test]
fn no_record_of_a_password_or_token_is_seen_through_any_door() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let signed = sign_in(&people, "ann", "open sesame");
    let next = people
        .folder
        .refresh(&signed.refresh_token, Source::default())
        .unwrap();
    let made = root(&people).reset_token(r#"{"user": "ann"}"#).unwrap();
    let database = people.folder.database();
    let mut told = String::new();
    for from in ["_auth", "_token", "_user", "_tx", "_log"] {
        let query = json!({"select": ["*", {"_auth": ["*"]}], "from": from}).to_string();
        if let Ok(answer) = database.root().query(&query) {
            told += &answer.body;
        }
    }
    let mut export = Vec::new();
    database.export(&mut export, |_, _| {}).unwrap();
    told += &String::from_utf8(export).unwrap();
    for shown in [
        format!("{:?}", database.verify().unwrap()),
        format!("{signed:?}{next:?}{made:?}{:?}", people.folder),
    ] {
        told.push_str(&shown);
    }
    for row in people.trail() {
        told += &row.to_string();
    }
    assert!(told.contains("refresh"));
    for secret in [
        "$argon2",
        "open sesame",
        &signed.refresh_token,
        &next.refresh_token,
        &made.token,
        &signed.token,
    ] {
        assert!(!told.contains(secret), "{secret}");
    }
    let hash = |text: &str| {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(text.as_bytes());
        digest
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    for token in [&signed.refresh_token, &next.refresh_token, &made.token] {
        assert!(!told.contains(&hash(token)));
    }
    for predicate in ["_auth/password", "_token/hash", "_auth/resetToken"] {
        let query = json!({"select": ["?o"], "where": [["?s", predicate, "?o"]]}).to_string();
        let answer = database.root().query(&query);
        assert!(
            answer.is_err() || answer.unwrap().body == "[]",
            "{predicate}"
        );
    }
}
