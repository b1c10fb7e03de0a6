//! The public keys over HTTP, and a server that notices what `solon keys` did to its folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use solon::server::Mode;

use crate::support::served::{Reply, Served, folder, serve, serve_folder};

const PATH: &str = "/.well-known/jwks.json";

fn get(served: &Served, headers: &[(&str, &str)]) -> Reply {
    served.send("GET", PATH, headers, b"")
}

fn kids(served: &Served) -> Vec<String> {
    let set: Value = serde_json::from_str(&get(served, &[]).body).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn solon(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_solon"))
        .arg("keys")
        .args(arguments)
        .arg("--data")
        .arg(data)
        .env_clear()
        .output()
        .unwrap()
}

/// What a command that went well printed.
fn told(data: &Path, arguments: &[&str]) -> String {
    let out = solon(data, arguments);
    let errors = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(0), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    String::from_utf8(out.stdout).unwrap()
}

fn refused(data: &Path, arguments: &[&str], code: i32) -> String {
    let out = solon(data, arguments);
    assert_eq!(out.status.code(), Some(code), "{arguments:?}");
    assert!(out.stdout.is_empty());
    let told = String::from_utf8(out.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[test]
fn the_public_keys_are_told_to_anybody_in_the_standard_shape() {
    let served = serve(Mode::Closed);
    let reply = get(&served, &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let set: Value = serde_json::from_str(&reply.body).unwrap();
    let key = &set["keys"][0];
    let (kid, x) = (&key["kid"], &key["x"]);
    assert_eq!(
        set,
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}]})
    );
    assert_eq!(x.as_str().unwrap().len(), 43);
    assert_eq!(kid.as_str().unwrap().len(), 43);
    // Also to who bears a bad token: nothing here depends on it.
    assert_eq!(get(&served, &[("authorization", "Bearer x")]).status, 200);
    let tag = reply.header("etag").unwrap().to_owned();
    let known = get(&served, &[("if-none-match", &tag)]);
    assert_eq!(known.status, 304);
    assert!(known.body.is_empty());
    assert_eq!(known.header("etag"), Some(tag.as_str()));
    assert_eq!(known.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(get(&served, &[("if-none-match", "\"other\"")]).status, 200);
    let head = served.send("HEAD", PATH, &[], b"");
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("etag"), Some(tag.as_str()));
    let post = served.send("POST", PATH, &[], b"");
    post.problem(405, "http/wrong-method");
    assert_eq!(post.header("allow"), Some("GET, HEAD"));
}

#[test]
fn a_running_server_follows_a_rotation_and_ends_what_a_revoked_key_signed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let served = serve_folder(folder(&data), Mode::Closed, Some(dir));
    let status = |token: &str| {
        served.post(
            "query",
            token,
            None,
            r#"{"select": ["*"], "from": "_role"}"#,
        )
    };
    let first = kids(&served).remove(0);
    let second: Value = serde_json::from_str(&told(&data, &["rotate", "--now", "--json"])).unwrap();
    assert_eq!(second["state"], "active");
    let second = second["kid"].as_str().unwrap().to_owned();
    assert_eq!(kids(&served), [first.clone(), second.clone()]);
    assert_eq!(status(&served.token).status, 200);
    let minted = served.post("token", &served.token, None, r#"{"root": true}"#);
    let minted: Value = serde_json::from_str(&minted.body).unwrap();
    let token = minted["token"].as_str().unwrap().to_owned();
    assert_eq!(status(&token).status, 200);
    // The command comes back when the server has noticed.
    assert_eq!(
        told(&data, &["revoke", &first]),
        format!("{first} revoked\n")
    );
    status(&served.token).problem(401, "db/invalid-token");
    assert_eq!(status(&token).status, 200);
    assert_eq!(kids(&served), std::slice::from_ref(&second));
    let revoked: Value =
        serde_json::from_str(&told(&data, &["revoke", &second, "--json"])).unwrap();
    assert_eq!(revoked["revoked"], second.as_str());
    assert_eq!(revoked["signs"]["state"], "active");
    status(&token).problem(401, "db/invalid-token");
    assert_eq!(kids(&served), [revoked["signs"]["kid"].as_str().unwrap()]);
    // A folder that cannot be read serves nobody, and says no more than that.
    fs::write(data.join("keys/revoked"), "half").unwrap();
    told_within(|| served.send("GET", "/ready", &[], b"").status == 503);
    get(&served, &[]).problem(503, "db/unavailable");
    let down = status(&token).problem(503, "db/unavailable");
    assert_eq!(down["message"], "the keys of tokens cannot be read");
    refused(&data, &["list"], 2);
}

/// Asks again until it is so: a server looks at its folder as often as that.
fn told_within(is_so: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
    }
    panic!("the server did not notice");
}

#[test]
fn keys_are_listed_rotated_and_revoked_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    for arguments in [
        &["list"][..],
        &["rotate"],
        &["rotate", "--now"],
        &["revoke", "x"],
        &["revoke", "refresh"],
    ] {
        refused(data, arguments, 2);
    }
    assert!(!data.join("keys").exists());
    drop(folder(data));
    let first = told(data, &["list"]);
    let first = first.strip_suffix(" active\n").unwrap().to_owned();
    let next = told(data, &["rotate"]);
    let (next, from) = next.trim_end().split_once(" next, signs from ").unwrap();
    assert_eq!(
        told(data, &["list"]),
        format!("{first} active\n{next} next, signs from {from}\n")
    );
    assert!(refused(data, &["rotate"], 6).contains("the next key is there already"));
    assert!(refused(data, &["revoke", "nothing"], 5).contains("there is no key `nothing`"));
    assert_eq!(told(data, &["rotate", "--now"]), format!("{next} active\n"));
    let listed: Value = serde_json::from_str(&told(data, &["list", "--json"])).unwrap();
    assert_eq!(listed["keys"][0]["state"], "retiring");
    assert_eq!(listed["keys"][1]["state"], "active");
    assert_eq!(listed["keys"][1]["kid"], next);
    assert_eq!(listed["revoked"], json!([]));
    assert_eq!(
        told(data, &["revoke", &first]),
        format!("{first} revoked\n")
    );
    let refresh = fs::read(data.join("keys/refresh.key")).unwrap();
    assert_eq!(told(data, &["revoke", "refresh"]), "refresh revoked\n");
    assert_ne!(fs::read(data.join("keys/refresh.key")).unwrap(), refresh);
    let listed = told(data, &["list"]);
    let (active, revoked) = listed.trim_end().split_once('\n').unwrap();
    assert_eq!(active, format!("{next} active"));
    assert!(revoked.starts_with(&format!("{first} revoked at ")));
    // A token that is made from the key alone is by the one that signs.
    let again: Value = serde_json::from_str(&told(data, &["revoke", next, "--json"])).unwrap();
    assert!(again["signs"]["kid"].is_string());
}
