//! The HTTP door: the protocol, not the meaning.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use solon::base::limits::BODY_BYTES_MAX;
use solon::server::{Config, Error, Mode, Server};

use crate::support::served::{config, folder, serve};

#[test]
fn what_is_not_there_is_404_and_another_method_is_405() {
    let served = serve(Mode::Closed);
    for path in [
        "/",
        "/api",
        "/api/db",
        "/api/db/nothing",
        "/api/db/local/default/nothing",
        "/api/db/a%2fb/default/query",
        "/api/db/local/%ff/query",
        "/fdb/local/default",
        "/api/db/query/",
    ] {
        served
            .query(path, &[("BEARER", "")])
            .problem(404, "http/unknown-route");
    }
    for (path, allowed) in [
        ("/api/db/query", "POST"),
        ("/fdb/local/default/transact", "POST"),
        ("/health", "GET, HEAD"),
    ] {
        let reply = served.send("DELETE", path, &[], b"");
        reply.problem(405, "http/wrong-method");
        assert_eq!(reply.header("allow"), Some(allowed), "{path}");
    }
    served
        .send("GET", "/api/db/query", &[("BEARER", "")], b"")
        .problem(405, "http/wrong-method");
}

#[test]
fn health_readiness_and_version_are_told_to_anybody() {
    let served = serve(Mode::Closed);
    for path in ["/health", "/livez", "/ready", "/readyz"] {
        let reply = served.send("GET", path, &[], b"");
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, r#"{"status":"ok"}"#),
            "{path}"
        );
    }
    let reply = served.send("GET", "/version", &[], b"");
    let version: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        version,
        json!({"name": "solon", "version": env!("CARGO_PKG_VERSION")})
    );
    assert_eq!(served.send("HEAD", "/health", &[], b"").status, 200);
}

#[test]
fn an_answer_tells_about_itself_in_headers_and_twice_on_fdb_paths() {
    let served = serve(Mode::Closed);
    let own = served.query("/api/db/query", &[("BEARER", ""), ("x-request-id", "r\"1")]);
    assert_eq!(own.status, 200, "{}", own.body);
    assert_eq!(own.header("content-type"), Some("application/json"));
    assert_eq!(own.header("cache-control"), Some("no-store"));
    assert_eq!(own.header("x-request-id"), Some("r1"));
    for name in ["block", "time", "status", "fuel"] {
        assert!(own.header(&format!("x-solon-{name}")).is_some(), "{name}");
        assert!(own.header(&format!("x-fdb-{name}")).is_none(), "{name}");
    }
    assert!(own.header("x-solon-time").unwrap().ends_with("ms"));
    let fdb = served.query("/fdb/local/default/query", &[("BEARER", "")]);
    for name in ["block", "status", "fuel"] {
        let of = |family: &str| fdb.header(&format!("x-{family}-{name}")).map(str::to_owned);
        assert!(of("fdb").is_some() && of("fdb") == of("solon"), "{name}");
    }
}

#[test]
fn blocks_histories_and_several_queries_have_paths_of_their_own() {
    let served = serve(Mode::Closed);
    let json = [("content-type", "application/json"), ("BEARER", "")];
    let good = json!({"block": 1}).to_string();
    let some = json!({"a": {"block": 1}, "b": {"block": 99}}).to_string();
    let none = json!({"b": {"block": 99}}).to_string();
    let told = json!({"history": 6_i64 << 44}).to_string();
    for (action, body, status) in [
        ("query", &good, 200),
        ("block", &good, 200),
        ("query", &told, 200),
        ("history", &told, 200),
        ("block", &told, 400),
        ("history", &good, 400),
        ("query", &some, 207),
        ("multi-query", &some, 207),
        ("query", &none, 400),
        ("multi-query", &none, 400),
        ("multi-query", &told, 400),
    ] {
        for path in [
            format!("/api/db/{action}"),
            format!("/api/db/local/default/{action}"),
            format!("/fdb/local/default/{action}"),
        ] {
            let reply = served.send("POST", &path, &json, body.as_bytes());
            assert_eq!(reply.status, status, "{path} {body}: {}", reply.body);
            let own = status.to_string();
            assert_eq!(reply.header("x-solon-status"), Some(own.as_str()));
            let is_answer = reply.header("content-type") == Some("application/json");
            assert_eq!(is_answer, reply.header("x-solon-block").is_some(), "{path}");
            assert_eq!(is_answer, reply.header("x-solon-fuel").is_some(), "{path}");
            let is_twice = reply.header("x-fdb-status").is_some();
            assert_eq!(is_twice, path.starts_with("/fdb"), "{path}");
            assert_eq!(is_answer, status != 400 || body == &none, "{path} {body}");
        }
        let reply = served.send("GET", &format!("/api/db/{action}"), &json, b"");
        assert_eq!(reply.status, 405);
    }
}

#[test]
fn the_three_actions_answer_in_their_shapes() {
    let served = serve(Mode::Closed);
    let json = [
        ("content-type", "application/json; charset=utf-8"),
        ("BEARER", ""),
    ];
    let reply = served.send(
        "POST",
        "/api/db/transact",
        &json,
        br#"[{"_id": "_collection", "name": "note"}]"#,
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    let receipt: Value = serde_json::from_str(&reply.body).unwrap();
    let mut members: Vec<_> = receipt.as_object().unwrap().keys().cloned().collect();
    members.sort();
    let mut expected = [
        "tempids", "block", "hash", "t", "instant", "type", "duration", "auth", "status", "id",
        "bytes", "flakes", "fuel",
    ];
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(
        reply.header("x-solon-block"),
        Some(receipt["block"].to_string().as_str())
    );

    let reply = served.send(
        "POST",
        "/api/db/token",
        &json,
        br#"{"root": true, "expireSeconds": 60}"#,
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 60);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn without_exactly_one_good_token_it_is_401() {
    let served = serve(Mode::Closed);
    let plain = "Bearer realm=\"solon\"";
    let invalid = "Bearer realm=\"solon\", error=\"invalid_token\"";
    let malformed = "http/malformed-token";
    for (headers, code, challenge) in [
        (vec![], Some("http/no-token"), plain),
        (
            vec![("authorization", "Basic YTpi")],
            Some(malformed),
            invalid,
        ),
        (vec![("authorization", "Bearer ")], Some(malformed), invalid),
        (
            vec![("BEARER", ""), ("BEARER", "")],
            Some(malformed),
            invalid,
        ),
        (vec![("authorization", "Bearer a.b.c")], None, invalid),
    ] {
        let reply = served.query("/api/db/query", &headers);
        assert_eq!(reply.status, 401, "{headers:?}");
        assert_eq!(
            reply.header("www-authenticate"),
            Some(challenge),
            "{headers:?}"
        );
        if let Some(code) = code {
            reply.problem(401, code);
        }
    }
}

#[test]
fn a_body_is_json_in_utf8() {
    let served = serve(Mode::Closed);
    let send = |content_type: Option<&str>, body: &[u8]| {
        let mut headers = vec![("BEARER", "")];
        headers.extend(content_type.map(|it| ("content-type", it)));
        served.send("POST", "/api/db/query", &headers, body)
    };
    for content_type in [None, Some("text/plain"), Some("application/xml")] {
        send(content_type, b"{}").problem(415, "http/wrong-content-type");
    }
    send(Some("application/json"), b"\"\xff\"").problem(400, "http/not-utf8");
    for body in [&b""[..], b"{", b"{\"a\":", b"nonsense", b"\xef\xbb\xbf{}"] {
        assert_eq!(send(Some("application/json"), body).status, 400);
    }
}

#[test]
fn a_body_may_be_as_large_as_its_bound_and_no_larger() {
    let served = serve(Mode::Closed);
    let json = [("content-type", "application/json"), ("BEARER", "")];
    let body = |length: usize| {
        let mut body = br#"{"select": ["*"], "from": "_role"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    let reply = served.send("POST", "/api/db/query", &json, &body(BODY_BYTES_MAX));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let reply = served.send("POST", "/api/db/query", &json, &body(BODY_BYTES_MAX + 1));
    reply.problem(413, "http/body-too-large");
    assert_eq!(reply.header("connection"), Some("close"));

    // The same without a length that is told: found while it is read.
    let head = format!(
        "POST /api/db/query HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        served.token
    );
    for (length, status) in [(BODY_BYTES_MAX, "200"), (BODY_BYTES_MAX + 1, "413")] {
        let mut request = head.clone().into_bytes();
        for chunk in body(length).chunks(1 << 20) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let answer = served.raw(&request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}",
            &answer[..60.min(answer.len())]
        );
    }
}

#[test]
fn a_stranger_s_large_body_is_refused_before_it_is_read() {
    let served = serve(Mode::Closed);
    let answer = served.raw(
        b"POST /api/db/query HTTP/1.1\r\nhost: a\r\nauthorization: Bearer no\r\n\
          content-type: application/json\r\ncontent-length: 1000000\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn in_open_mode_a_plain_local_request_is_root_and_a_bad_token_is_not() {
    let served = serve(Mode::Open);
    assert_eq!(served.query("/api/db/query", &[]).status, 200);
    for header in [
        ("origin", "https://evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("host", "evil.example"),
        ("authorization", "Bearer no"),
        ("authorization", ""),
    ] {
        assert_eq!(
            served.query("/api/db/query", &[header]).status,
            401,
            "{header:?}"
        );
    }
}

#[test]
fn what_would_not_be_safe_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let beyond = |mode, insecure_plain_http| {
        let listen = "0.0.0.0:0".parse().unwrap();
        Server::bind(
            folder.clone(),
            &Config {
                listen,
                insecure_plain_http,
                ..config(mode)
            },
        )
    };
    assert!(matches!(
        beyond(Mode::Closed, false),
        Err(Error::PlainHttpBeyondLoopback(_))
    ));
    assert!(matches!(
        beyond(Mode::Open, true),
        Err(Error::OpenBeyondLoopback(_))
    ));
    assert!(beyond(Mode::Closed, true).is_ok());
    let first = Server::bind(folder.clone(), &config(Mode::Closed)).unwrap();
    let taken = Config {
        listen: first.address(),
        ..config(Mode::Closed)
    };
    assert!(matches!(Server::bind(folder, &taken), Err(Error::InUse(_))));
}

#[test]
fn a_stop_finishes_a_request_whose_body_is_still_coming() {
    let mut served = serve(Mode::Closed);
    let body = br#"{"select": ["*"], "from": "_role"}"#;
    let mut stream = TcpStream::connect(served.address).unwrap();
    let head = format!(
        "POST /api/db/query HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        served.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body, and so has begun to work on the request.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "));
    served.stopper.stop();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let thread = served.thread.take().unwrap();
    assert!(thread.join().unwrap().is_ok());
    assert!(TcpStream::connect(served.address).is_err());
}

#[test]
fn a_transaction_is_told_by_its_id_alone_where_that_is_asked() {
    let served = serve(Mode::Closed);
    let headers = [("content-type", "application/json"), ("BEARER", "")];
    let send = |path: &str, n: u64| {
        let body = format!(r#"[{{"_id": "_tx", "altId": "t-{n}"}}]"#);
        served.send("POST", path, &headers, body.as_bytes())
    };
    let reply = send("/api/db/transact?txid-only=true", 1);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let id: String = serde_json::from_str(&reply.body).unwrap();
    let body = r#"{"selectOne": ["_tx/id"], "from": ["_tx/altId", "t-1"]}"#;
    let asked = served.send("POST", "/api/db/query", &headers, body.as_bytes());
    let told: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(told["_tx/id"], id);
    assert_eq!(reply.header("x-solon-block"), Some("2"));
    for path in [
        "/api/db/transact",
        "/api/db/transact?txid-only=false",
        "/api/db/transact?a=txid-only",
    ] {
        let n = u64::try_from(path.len()).unwrap();
        let reply = send(path, n);
        assert!(reply.body.starts_with('{'), "{path}: {}", reply.body);
    }
    // A refusal is a problem as ever.
    let reply = send("/api/db/transact?txid-only=true", 1);
    reply.problem(409, "db/unique");
}

#[test]
fn the_trail_tells_where_a_request_came_from_and_believes_no_header() {
    let served = serve(Mode::Closed);
    let lies = [
        ("content-type", "application/json"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.2"),
        ("x-real-ip", "192.0.2.3"),
    ];
    for _ in 0..5 {
        let refused = served.send("POST", "/api/db/query", &lies, b"{}");
        refused.problem(401, "http/no-token");
    }
    let mut change = lies.to_vec();
    change.push(("BEARER", ""));
    let body = br#"[{"_id": ["_auth/id", "root"], "doc": "a\nb"}]"#;
    let made = served.send("POST", "/api/db/transact", &change, body);
    assert_eq!(made.status, 200, "{}", made.body);
    for path in [
        "/api/db/logs",
        "/api/db/local/default/logs",
        "/fdb/local/default/logs",
    ] {
        let reply = served.send("POST", path, &change, br#"{"limit": 2}"#);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let rows: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(rows[0]["event"], "policy-changed");
        assert_eq!(rows[0]["address"], "127.0.0.1");
        // Five refusals are one row in their first minute.
        assert_eq!(rows[1]["event"], "denied");
        assert_eq!(rows[1]["code"], "http/no-token");
        assert_eq!(rows[1]["address"], "127.0.0.1");
        assert!(rows[1].get("auth").is_none());
    }
    let refused = served.send("GET", "/api/db/logs", &change, b"");
    refused.problem(405, "http/wrong-method");
    let refused = served.send("POST", "/api/db/logs", &change, br#"{"limit": 0}"#);
    assert_eq!(
        refused.problem(400, "db/invalid-request")["pointer"],
        "/limit"
    );
}
