//! Signing in and all about passwords over HTTP: the protocol, and what a refusal tells.

use serde_json::{Value, json};
use solon::server::Mode;

use crate::support::rule;
use crate::support::served::{Reply, Served, folder, serve_folder};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A server with the user `ann`.
fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let served = serve_folder(folder, Mode::Closed, Some(dir));
    let role = json!([{"_id": "_role", "id": "reader", "rules": [
        rule("read", "_user", &["_user/username"], "true", &["query"])]}]);
    let made = served.post("transact", &served.token, None, &role.to_string());
    assert_eq!(made.status, 200, "{}", made.body);
    let body = json!({"username": "ann", "password": "open sesame", "roles": ["reader"]});
    let added = served.post("new-user", &served.token, None, &body.to_string());
    assert_eq!(added.status, 200, "{}", added.body);
    served
}

fn post(served: &Served, path: &str, body: &Value) -> Reply {
    served.send("POST", path, &[JSON], body.to_string().as_bytes())
}

fn read(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn a_user_signs_in_refreshes_and_changes_the_password() {
    let served = served();
    let ann = json!({"user": "ann", "password": "open sesame"});
    let signed = read(&post(&served, "/api/db/signin", &ann));
    assert_eq!(signed["token_type"], "Bearer");
    assert_eq!(signed["expires_in"], 300);
    assert_eq!(signed["db"], "local/default");
    let named = read(&post(&served, "/api/db/local/default/signin", &ann));
    let fdb = read(&post(&served, "/fdb/local/default/signin", &ann));
    assert_eq!(named["auth"], fdb["auth"]);
    let other = json!({"user": "ann", "password": "open sesame", "db": "a/b"});
    post(&served, "/api/db/local/default/signin", &other).problem(400, "db/invalid-db");
    let refresh = json!({"refresh_token": signed["refresh_token"]});
    let next = read(&post(&served, "/api/db/refresh", &refresh));
    let again = read(&post(&served, "/api/refresh", &refresh));
    assert_eq!(next["refresh_token"], again["refresh_token"]);
    let named = read(&post(&served, "/api/db/local/default/refresh", &refresh));
    assert_eq!(next["refresh_token"], named["refresh_token"]);
    post(&served, "/api/db/solon/master/refresh", &refresh).problem(401, "db/invalid-token");
    let change = json!({"user": "ann", "oldPassword": "open sesame", "password": "close sesame"});
    let changed = read(&post(&served, "/api/db/password", &change));
    assert_eq!(changed, json!({"auth": signed["auth"]}));
    post(&served, "/api/db/signin", &ann).problem(401, "db/invalid-password");
    post(&served, "/api/db/refresh", &refresh).problem(401, "db/invalid-token");
    // `/api/signin` is for accounts, and ann has none.
    let ann = json!({"user": "ann", "password": "close sesame", "account": "ann"});
    post(&served, "/api/signin", &ann).problem(401, "db/invalid-password");
}

#[test]
fn a_lock_out_is_429_and_says_when_to_come_back_until_it_is_ended() {
    let served = served();
    let wrong = json!({"user": "ann", "password": "wrong"});
    for _ in 0..5 {
        let refused = post(&served, "/api/db/signin", &wrong);
        refused.problem(401, "db/invalid-password");
        assert!(refused.header("www-authenticate").is_some());
    }
    let refused = post(&served, "/api/db/signin", &wrong);
    refused.problem(429, "db/locked-out");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&seconds));
    let users = read(&served.post("users", &served.token, None, "{}"));
    assert_eq!(users[0]["lockedOut"], true);
    let unlocked = served.post("unlock", &served.token, None, r#"{"user": "ann"}"#);
    assert_eq!(read(&unlocked), json!({"user": users[0]["user"]}));
    let ann = json!({"user": "ann", "password": "open sesame"});
    read(&post(&served, "/api/db/signin", &ann));
}

#[test]
fn a_password_is_reset_by_a_token_that_is_good_once() {
    let served = served();
    let made = read(&served.post("reset-token", &served.token, None, r#"{"user": "ann"}"#));
    assert_eq!(made["expires_in"], 1_800);
    let reset = json!({"resetToken": made["resetToken"], "password": "close sesame"});
    assert!(read(&post(&served, "/api/new-pw", &reset))["auth"].is_i64());
    post(&served, "/api/new-pw", &reset).problem(401, "db/invalid-token");
    let ann = json!({"user": "ann", "password": "close sesame"});
    read(&post(&served, "/api/db/signin", &ann));
    let set = json!({"user": "ann", "password": "12345678"}).to_string();
    served
        .post("password", &served.token, None, &set)
        .problem(400, "db/weak-password");
}

#[test]
fn what_is_no_request_is_refused_before_anything_is_checked() {
    let served = served();
    for (body, pointer) in [
        (json!({"user": "ann"}), ""),
        (json!({"password": "open sesame"}), ""),
        (json!({"user": null, "password": "x"}), "/user"),
        (json!({"user": "ann", "password": 1}), "/password"),
        (
            json!({"user": "ann", "password": "x", "expireSeconds": 0}),
            "/expireSeconds",
        ),
        (json!({"user": "ann", "password": "x", "more": 1}), "/more"),
    ] {
        let problem = post(&served, "/api/db/signin", &body).problem(400, "db/invalid-request");
        assert_eq!(problem["pointer"], pointer, "{body}");
    }
    let ann = br#"{"user": "ann", "password": "open sesame"}"#;
    let with_token = served.send("POST", "/api/db/signin", &[JSON, ("BEARER", "")], ann);
    with_token.problem(400, "http/unexpected-token");
    served
        .send("POST", "/api/db/signin", &[], ann)
        .problem(415, "http/wrong-content-type");
    served
        .send("PUT", "/api/db/signin", &[JSON], ann)
        .problem(405, "http/wrong-method");
    served
        .send("GET", "/api/refresh", &[], b"")
        .problem(405, "http/wrong-method");
    served
        .send("POST", "/api/db/users", &[JSON], b"{}")
        .problem(401, "http/no-token");
    let large = format!(r#"{{"user": "{}", "password": "x"}}"#, "a".repeat(65_536));
    let refused = served.send("POST", "/api/db/signin", &[JSON], large.as_bytes());
    refused.problem(413, "http/body-too-large");
}

#[test]
fn the_banner_is_shown_to_anybody() {
    let served = served();
    let get = |path: &str| read(&served.send("GET", path, &[], b""));
    assert_eq!(get("/api/db/signin"), json!({"banner": null}));
    let set = json!([{"_id": ["_setting/id", "root"], "banner": "for work alone"}]).to_string();
    assert_eq!(
        served.post("transact", &served.token, None, &set).status,
        200
    );
    assert_eq!(get("/api/db/signin"), json!({"banner": "for work alone"}));
    assert_eq!(
        get("/api/db/local/default/signin"),
        json!({"banner": "for work alone"})
    );
    assert_eq!(get("/api/db/no/where/signin"), json!({"banner": null}));
    assert_eq!(get("/api/signin"), json!({"banner": null}));
}
