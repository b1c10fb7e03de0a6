//! API tokens, lists and revocations over HTTP: the protocol, not the meaning.

use serde_json::{Value, json};
use solon::server::Mode;

use crate::support::served::{Reply, serve};

fn body(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn a_token_of_a_program_is_made_used_listed_and_revoked() {
    let served = serve(Mode::Closed);
    let robot = json!([{"_id": "_auth", "id": "robot", "roles": [{"_id": "_role", "id": "r", "rules": [
        {"_id": "_rule", "id": "u", "collection": "_user", "predicates": ["*"], "fns": [["_fn/name", "true"]],
         "ops": ["query"]}]}]}]);
    assert_eq!(
        served
            .post("transact", &served.token, None, &robot.to_string())
            .status,
        200
    );
    let ask = json!({"auth": ["_auth/id", "robot"], "kind": "api", "name": "ci"});
    let minted = body(&served.post("token", &served.token, None, &ask.to_string()));
    let token = minted["token"].as_str().unwrap();
    assert!(token.starts_with("solon_"));
    assert_eq!(minted["token_type"], "Bearer");
    assert_eq!(minted["expires_in"], 30 * 86_400);
    assert_eq!(minted["name"], "ci");

    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    for path in [
        "/api/db/query",
        "/api/db/local/default/query",
        "/fdb/local/default/query",
    ] {
        let asked = served.send(
            "POST",
            path,
            &headers,
            br#"{"select": ["*"], "from": "_user"}"#,
        );
        assert_eq!(asked.status, 200, "{path}: {}", asked.body);
    }
    let who = body(&served.send("GET", "/api/db/whoami", &headers[..1], b""));
    assert_eq!(who["id"], "robot");
    assert_eq!(who["auth"], minted["auth"]);
    assert_eq!(who["token"]["kind"], "api");
    assert_eq!(who["token"]["id"], minted["id"]);

    let listed = body(&served.send("GET", "/api/db/tokens", &headers[..1], b""));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], minted["id"]);
    assert_eq!(listed[0]["state"], "live");
    assert_eq!(listed[0]["lastAddress"], "127.0.0.1");
    assert!(listed[0]["lastUsed"].as_str().unwrap().ends_with('Z'));
    served
        .send("GET", "/api/db/revoke", &headers[..1], b"")
        .problem(405, "http/wrong-method");

    let revoke = json!({"token": token}).to_string();
    let revoked = body(&served.post("revoke", token, None, &revoke));
    assert_eq!(revoked, json!({"revoked": minted["id"]}));
    let refused = served.post("whoami", token, None, "{}");
    refused.problem(401, "db/invalid-token");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    let unknown = json!({"token": "AAAAAAAAAAAAAAAAAAAAAA"}).to_string();
    served
        .post("revoke", &served.token, None, &unknown)
        .problem(404, "db/not-found");
}
