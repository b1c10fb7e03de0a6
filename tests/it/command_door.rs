//! Signed commands and new keys over HTTP: the protocol, not the meaning.

use serde_json::{Value, json};
use solon::base::limits::COMMAND_BODY_BYTES_MAX;
use solon::base::{Clock as _, SystemClock};
use solon::db::sign_command;
use solon::server::Mode;
use solon::token::CommandKey;

use crate::support::served::{Reply, Served, serve};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A server on which root has a key.
fn served(mode: Mode) -> (Served, CommandKey) {
    let server = serve(mode);
    let key = CommandKey::generate().unwrap();
    let items = json!([{"_id": ["_auth/id", "root"], "publicKey": key.public().to_string()}]);
    let token = server.token.clone();
    assert_eq!(
        post(&server, "transact", &token, &items.to_string()).status,
        200
    );
    (server, key)
}

fn command(nonce: i64) -> Value {
    let expire = SystemClock::new().now_ms() + 60_000;
    json!({"type": "tx", "db": "local/default", "auth": "root", "nonce": nonce, "expire": expire,
        "tx": [{"_id": "_tx", "doc": "by command"}]})
}

fn send(server: &Served, path: &str, body: &str) -> Reply {
    server.send("POST", path, &[JSON], body.as_bytes())
}

fn post(server: &Served, action: &str, token: &str, body: &str) -> Reply {
    server.post(action, token, None, body)
}

#[test]
fn a_command_needs_no_token_on_any_of_its_paths() {
    let (server, key) = served(Mode::Closed);
    for (path, nonce) in [
        "/api/db/command",
        "/api/db/local/default/command",
        "/fdb/local/default/command",
    ]
    .iter()
    .zip(1..)
    {
        let body = sign_command(&key, &command(nonce).to_string()).unwrap();
        let made = send(&server, path, &body);
        assert_eq!(made.status, 200, "{}", made.body);
        let receipt: Value = serde_json::from_str(&made.body).unwrap();
        assert_eq!(receipt["auth"], "root");
        assert_eq!(receipt["type"], "tx");
        assert!(receipt.get("authority").is_none());
        assert_eq!(
            made.header("x-solon-block"),
            Some(receipt["block"].to_string().as_str())
        );
        assert_eq!(made.header("cache-control"), Some("no-store"));
        send(&server, path, &body).problem(409, "db/replay");
    }
}

#[test]
fn a_command_that_is_not_signed_is_refused_alike_whatever_it_names() {
    for mode in [Mode::Closed, Mode::Open] {
        let (server, key) = served(mode);
        let other = CommandKey::generate().unwrap();
        let told = |key: &CommandKey, more: Value| {
            let mut command = command(1);
            for (name, value) in more.as_object().unwrap() {
                command[name] = value.clone();
            }
            let body = sign_command(key, &command.to_string()).unwrap();
            let reply = send(&server, "/api/db/command", &body);
            let mut problem = reply.problem(401, "db/invalid-signature");
            assert_eq!(
                reply.header("www-authenticate"),
                Some("Bearer realm=\"solon\"")
            );
            problem["instance"] = Value::Null;
            problem
        };
        let wrong = told(&other, json!({}));
        assert_eq!(told(&other, json!({"auth": "nobody"})), wrong);
        // Whether there is such a database is not told to strangers, and a command for it is none for this one.
        assert_eq!(told(&key, json!({"db": "local/other"})), wrong);
        assert_eq!(told(&other, json!({"db": "local/other"})), wrong);
    }
}

#[test]
fn a_path_that_names_another_database_is_refused() {
    let (server, key) = served(Mode::Closed);
    let body = sign_command(&key, &command(1).to_string()).unwrap();
    let problem = send(&server, "/api/db/local/other/command", &body).problem(400, "db/invalid-db");
    assert_eq!(problem["pointer"], "/cmd/db");
    let mut elsewhere = command(1);
    elsewhere["db"] = json!("local/other");
    let body = sign_command(&key, &elsewhere.to_string()).unwrap();
    send(&server, "/api/db/local/other/command", &body).problem(401, "db/invalid-signature");
}

#[test]
fn a_token_beside_a_command_is_refused_whatever_it_is() {
    let (server, key) = served(Mode::Closed);
    let body = sign_command(&key, &command(1).to_string()).unwrap();
    let bearer = format!("Bearer {}", server.token);
    for sent in [bearer.as_str(), "Bearer x", "Basic eDp5", ""] {
        let headers = [JSON, ("authorization", sent)];
        server
            .send("POST", "/api/db/command", &headers, body.as_bytes())
            .problem(400, "http/unexpected-token");
    }
    assert_eq!(send(&server, "/api/db/command", &body).status, 200);
}

#[test]
fn a_command_is_posted_as_json_and_is_no_longer_than_a_strangers_body() {
    let (server, _) = served(Mode::Closed);
    let got = server.send("GET", "/api/db/command", &[], b"");
    got.problem(405, "http/wrong-method");
    assert_eq!(got.header("allow"), Some("POST"));
    let untyped = server.send("POST", "/api/db/command", &[], b"{}");
    untyped.problem(415, "http/wrong-content-type");
    send(&server, "/api/db/command", "{}").problem(400, "db/invalid-command");
    let not_text = server.send("POST", "/api/db/command", &[JSON], b"\xff");
    not_text.problem(400, "http/not-utf8");
    let longest = " ".repeat(COMMAND_BODY_BYTES_MAX);
    send(&server, "/api/db/command", &longest).problem(400, "db/invalid-json");
    let longer = " ".repeat(COMMAND_BODY_BYTES_MAX + 1);
    send(&server, "/api/db/command", &longer).problem(413, "http/body-too-large");
    // Without a length the bytes are counted.
    let chunk = format!("{:x}\r\n{longer}\r\n0\r\n\r\n", longer.len());
    let raw = format!(
        "POST /api/db/command HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}",
        server.address
    );
    assert!(server.raw(raw.as_bytes()).starts_with("HTTP/1.1 413 "));
}

#[test]
fn new_keys_sign_commands_and_are_given_to_those_who_may_do_something() {
    let server = serve(Mode::Closed);
    let token = server.token.clone();
    let mut seen = std::collections::BTreeSet::new();
    for path in [
        "/api/db/new-keys",
        "/api/db/local/default/new-keys",
        "/fdb/local/default/new-keys",
    ] {
        for (method, headers, body) in [
            ("POST", vec![("BEARER", ""), JSON], "{}"),
            ("POST", vec![("BEARER", "")], ""),
            ("GET", vec![("BEARER", "")], ""),
        ] {
            let reply = server.send(method, path, &headers, body.as_bytes());
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let keys: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(keys.as_object().unwrap().len(), 3);
            let key = CommandKey::parse(keys["private"].as_str().unwrap()).unwrap();
            assert_eq!(keys["public"], key.public().to_string());
            assert_eq!(keys["account-id"], key.public().account_id());
            assert!(seen.insert(reply.body));
        }
    }
    let head = post(
        &server,
        "query",
        &token,
        r#"{"selectOne": ["_block/number"], "from": "_tx"}"#,
    );
    assert!(head.body.contains(":1}"), "{}", head.body);
    server
        .send("POST", "/api/db/new-keys", &[JSON], b"{}")
        .problem(401, "http/no-token");
    let got = server.send("PUT", "/api/db/new-keys", &[("BEARER", "")], b"");
    got.problem(405, "http/wrong-method");
    assert_eq!(got.header("allow"), Some("GET, POST"));
    for body in ["[]", r#"{"seed": 1}"#] {
        let reply = post(&server, "new-keys", &token, body);
        reply.problem(400, "db/invalid-request");
    }
    let bare = json!([{"_id": "_auth", "id": "bare"}]);
    assert_eq!(
        post(&server, "transact", &token, &bare.to_string()).status,
        200
    );
    let minted = post(
        &server,
        "token",
        &token,
        r#"{"auth": ["_auth/id", "bare"], "expireSeconds": 60}"#,
    );
    let minted: Value = serde_json::from_str(&minted.body).unwrap();
    post(&server, "new-keys", minted["token"].as_str().unwrap(), "{}")
        .problem(403, "db/no-permission");
}
