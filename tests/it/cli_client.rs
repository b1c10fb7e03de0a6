//! The command line as a client of servers that are played: where a token goes, what is written to which output,
//! exit codes, and what a server cannot do to it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::played::{Asked, Played, Reply};

/// The command in a home of its own.
fn solon(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
    command
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments may have gone before it reads.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A token file in the usual place.
fn token_file(home: &Path, host: &str, expires_at: &str) {
    let folder = home.join(".config/solon");
    fs::create_dir_all(&folder).unwrap();
    let tokens = json!({"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer",
                        "host": host, "db": "local/default", "user": "ann", "expires_at": expires_at});
    fs::write(folder.join("auth-token.json"), tokens.to_string()).unwrap();
    only_owners(&folder.join("auth-token.json"), 0o600);
}

fn kept(home: &Path) -> Value {
    let text = fs::read_to_string(home.join(".config/solon/auth-token.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[cfg(unix)]
fn only_owners(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn only_owners(_: &Path, _: u32) {}

const FAR: &str = "2999-01-01T00:00:00Z";
const PAST: &str = "2001-01-01T00:00:00Z";

fn ok(body: &Value) -> Reply {
    (200, "content-type: application/json\r\n", body.to_string())
}

fn problem(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"error": code, "message": message, "status": status});
    (status, "", body.to_string())
}

fn who() -> Reply {
    ok(
        &json!({"auth": 5, "id": "ann", "username": "ann", "roles": ["clerk"], "db": "local/default"}),
    )
}

#[test]
fn a_refusal_ends_with_the_exit_code_of_its_status() {
    let home = tempfile::tempdir().unwrap();
    for (status, code) in [
        (400, 2),
        (403, 3),
        (404, 5),
        (409, 6),
        (413, 2),
        (429, 7),
        (503, 7),
        (500, 1),
    ] {
        let server = Played::serve(move |_| problem(status, "db/x", "it said\u{1b}[2J no"));
        token_file(home.path(), &server.host, FAR);
        let out = run(solon(home.path(), &["whoami"]), "");
        assert_eq!(out.status.code(), Some(code), "{status}");
        assert!(out.stdout.is_empty());
        assert_eq!(
            text(&out.stderr),
            "solon: it said\\u{1b}[2J no (db/x)\n",
            "{status}"
        );
    }
    // Nobody answers.
    token_file(home.path(), "http://127.0.0.1:9", FAR);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(7));
    // Nobody is signed in.
    let empty = tempfile::tempdir().unwrap();
    let out = run(solon(empty.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(4));
    assert!(text(&out.stderr).contains("solon login"));
}

#[test]
fn when_to_come_back_is_told() {
    let home = tempfile::tempdir().unwrap();
    let server = Played::serve(|_| {
        let body = json!({"error": "db/locked-out", "message": "locked out"}).to_string();
        (429, "retry-after: 120\r\n", body)
    });
    token_file(home.path(), &server.host, FAR);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(7));
    assert!(text(&out.stderr).contains("try again in 120 s"));
}

#[test]
fn a_token_goes_to_the_host_it_is_from_and_after_no_redirect() {
    let home = tempfile::tempdir().unwrap();
    let other = Played::serve(|_| who());
    // The head is the server's for as long as the test runs.
    let head: &'static str = Box::leak(format!("location: {}/\r\n", other.host).into_boxed_str());
    for status in [301, 302, 303, 307, 308] {
        let server = Played::serve(move |_| (status, head, String::new()));
        token_file(home.path(), &server.host, FAR);
        let out = run(solon(home.path(), &["whoami"]), "");
        assert_eq!(out.status.code(), Some(1), "{status}");
        assert!(text(&out.stderr).contains("sends elsewhere"));
        assert_eq!(server.asked().len(), 1);

        let out = run(solon(home.path(), &["whoami", "--host", &other.host]), "");
        assert_eq!(out.status.code(), Some(4));
        assert!(text(&out.stderr).contains("goes nowhere else"));
        let mut by_environment = solon(home.path(), &["whoami"]);
        by_environment.env("SOLON_HOST", &other.host);
        assert_eq!(run(by_environment, "").status.code(), Some(4));
    }
    assert!(other.asked().is_empty());
}

#[test]
fn what_carries_a_secret_does_not_go_in_the_clear_beyond_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let far = ["--host", "http://192.0.2.1:8090"];
    for command in [
        &["login", "ann", "--password-stdin"][..],
        &["auth-token"],
        &["token", "inspect", "solon_x"],
    ] {
        let out = run(solon(home.path(), &[command, &far].concat()), "word\n");
        assert_eq!(out.status.code(), Some(2), "{command:?}");
        assert!(out.stdout.is_empty());
    }
    token_file(home.path(), far[1], FAR);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("--insecure-plain-http"));
    // What a proxy of the environment would read does not go through one.
    let (proxy, server) = (Played::serve(|_| who()), Played::serve(|_| who()));
    token_file(home.path(), &server.host, FAR);
    let mut proxied = solon(home.path(), &["whoami"]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        proxied.env(name, &proxy.host);
    }
    assert_eq!(run(proxied, "").status.code(), Some(0));
    assert!(proxy.asked().is_empty());
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_access_token_at_its_end_is_renewed_before_it_is_used() {
    let home = tempfile::tempdir().unwrap();
    let server = Played::serve(|asked| match asked.path.as_str() {
        "/api/db/refresh" => ok(
            &json!({"token": "access-2", "refresh_token": "refresh-2", "token_type": "Bearer",
                   "expires_in": 300, "refresh_expires_in": 9, "db": "local/default"}),
        ),
        _ => who(),
    });
    token_file(home.path(), &server.host, PAST);
    for _ in 0..2 {
        let out = run(solon(home.path(), &["whoami", "--json"]), "");
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        assert!(out.stderr.is_empty());
        let told: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(told["username"], "ann");
    }
    let asked = server.asked();
    let paths: Vec<_> = asked.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/api/db/refresh", "/api/db/whoami", "/api/db/whoami"]
    );
    assert!(asked.iter().all(|it| it.method == "POST"));
    assert_eq!(asked[0].authorization, None);
    assert_eq!(
        asked[0].body,
        json!({"refresh_token": "refresh-1"}).to_string()
    );
    assert_eq!(asked[1].authorization.as_deref(), Some("Bearer access-2"));
    let kept = kept(home.path());
    assert_eq!(kept["refresh_token"], "refresh-2");
    assert_eq!(kept["user"], "ann");
    assert_eq!(kept["host"], server.host);
}

#[test]
fn a_token_that_is_not_taken_is_renewed_once() {
    let home = tempfile::tempdir().unwrap();
    let refuse = |asked: &Asked| match asked.path.as_str() {
        "/api/db/refresh" => {
            ok(&json!({"token": "access-2", "refresh_token": "refresh-2", "expires_in": 300}))
        }
        _ if asked.authorization.as_deref() == Some("Bearer access-2") => who(),
        _ => problem(401, "db/invalid-token", "the token is not good"),
    };
    let server = Played::serve(refuse);
    token_file(home.path(), &server.host, FAR);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(server.asked().len(), 3);
    // A server that takes nothing is not asked for ever.
    let server = Played::serve(|asked| match asked.path.as_str() {
        "/api/db/refresh" => {
            ok(&json!({"token": "access-3", "refresh_token": "refresh-3", "expires_in": 300}))
        }
        _ => problem(401, "db/invalid-token", "the token is not good"),
    });
    token_file(home.path(), &server.host, FAR);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(4));
    assert_eq!(server.asked().len(), 3);
    // Nor is one whose sign-in is over.
    let server = Played::serve(|_| problem(401, "db/invalid-token", "the token is not good"));
    token_file(home.path(), &server.host, PAST);
    let out = run(solon(home.path(), &["whoami"]), "");
    assert_eq!(out.status.code(), Some(4));
    assert!(text(&out.stderr).contains("solon login"));
    assert_eq!(server.asked().len(), 1);
    assert_eq!(kept(home.path())["refresh_token"], "refresh-1");
}

#[test]
fn a_token_of_the_environment_is_sent_and_never_renewed() {
    let home = tempfile::tempdir().unwrap();
    let server = Played::serve(|_| problem(401, "db/expired-token", "its time is over"));
    // The file is not asked, not even for the host.
    token_file(home.path(), "http://127.0.0.1:9", PAST);
    let mut command = solon(home.path(), &["whoami", "--host", &server.host]);
    command.env("SOLON_TOKEN", "solon_env\n");
    assert_eq!(run(command, "").status.code(), Some(4));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].authorization.as_deref(), Some("Bearer solon_env"));
    // A flag goes before it; and a file may hold one token alone.
    fs::write(home.path().join("bare"), "solon_bare\n").unwrap();
    only_owners(&home.path().join("bare"), 0o600);
    let mut command = solon(
        home.path(),
        &["whoami", "--host", &server.host, "--token-file", "bare"],
    );
    command.env("SOLON_TOKEN", "solon_env");
    assert_eq!(run(command, "").status.code(), Some(4));
    let asked = server.asked();
    assert_eq!(asked[1].authorization.as_deref(), Some("Bearer solon_bare"));
}

#[cfg(unix)]
#[test]
fn a_token_file_that_others_can_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let server = Played::serve(|_| who());
    token_file(home.path(), &server.host, FAR);
    only_owners(&home.path().join(".config/solon/auth-token.json"), 0o644);
    for command in [
        &["whoami"][..],
        &["logout"],
        &["token", "list"],
        &["user", "list"],
    ] {
        let out = run(solon(home.path(), command), "");
        assert_eq!(out.status.code(), Some(2), "{command:?}");
        assert!(text(&out.stderr).contains("chmod 600"));
    }
    assert!(server.asked().is_empty());
}

#[test]
fn an_answer_that_is_none_and_one_without_end_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for body in ["<html>".to_owned(), "x".repeat(16 * 1024 * 1024 + 1)] {
        let server = Played::serve(move |_| (200, "", body.clone()));
        token_file(home.path(), &server.host, FAR);
        let out = run(solon(home.path(), &["whoami"]), "");
        assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn a_device_gets_its_tokens_when_the_code_was_entered_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let server = Played::serve(|asked| match asked.path.as_str() {
        "/oauth/device_authorization" => ok(
            &json!({"device_code": "dev code&1", "user_code": "WDJB-MJHT",
                   "verification_uri": "http://127.0.0.1/device",
                   "expires_in": 60, "interval": 1}),
        ),
        _ => ok(
            &json!({"access_token": "A", "refresh_token": "R", "token_type": "Bearer", "expires_in": 300}),
        ),
    });
    let arguments = ["auth-token", "--host", &server.host, "--db", "acme/sales"];
    let out = run(solon(home.path(), &arguments), "");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(text(&out.stdout), "\nauth-token: A\n\nrefresh-token: R\n");
    assert!(text(&out.stderr).contains("| WDJB-MJHT "));
    let asked = server.asked();
    assert_eq!(asked[0].body, "client_id=solon-cli&db=acme%2Fsales");
    assert_eq!(
        asked[1].body,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=dev%20code%261&client_id=solon-cli"
    );
    assert!(!home.path().join(".config").exists(), "nothing is kept");

    let server = Played::serve(|asked| match asked.path.as_str() {
        "/oauth/device_authorization" => ok(&json!({"device_code": "d", "user_code": "C",
            "verification_uri": "u", "expires_in": 60, "interval": 1})),
        _ => problem(400, "access_denied", "no"),
    });
    let out = run(
        solon(home.path(), &["auth-token", "--host", &server.host]),
        "",
    );
    assert_eq!(out.status.code(), Some(3));
    assert!(out.stdout.is_empty());
}

#[test]
fn arguments_that_do_not_go_together_are_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("c.pem"), "no certificate").unwrap();
    for arguments in [
        &["whoami", "--host", "localhost:8090"][..],
        &["whoami", "--host", "https://a.example/path"],
        &["whoami", "--tls.certificate", "c.pem"],
        &["whoami", "--tls.key", "c.pem"],
        &[
            "whoami",
            "--tls.skip-verify",
            "--tls.ca-certificate",
            "c.pem",
        ],
        &["auth-token", "--tls.enable-client-verification"],
        &["auth-token", "--user", "ann"],
        &["auth-token", "--password-stdin"],
        &["auth-token", "--tls.ca-certificate", "c.pem"],
        &["auth-token", "--tls.ca-certificate", "absent.pem"],
        &["login", "ann", "--password-stdin", "--password", "word"],
        &["token", "create"],
        &["token", "create", "--name", "n", "--kind", "refresh"],
        &["token", "revoke"],
        &["token", "revoke", "id", "--all"],
        &["token", "revoke", "--auth", "5"],
        &["token", "revoke", "--all", "--auth", "5", "--user", "ann"],
        &["token", "inspect", "nothing"],
        &["user", "list", "--db", "a/b"],
        &["user", "import", "absent.jsonl"],
    ] {
        let out = run(solon(home.path(), arguments), "");
        assert_eq!(
            out.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&out.stderr)
        );
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_token_is_inspected_without_a_server_and_said_to_be_unverified() {
    let home = tempfile::tempdir().unwrap();
    // {"alg":"EdDSA"} and {"sub":"5","exp":0}
    let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI1IiwiZXhwIjowfQ.c2ln";
    let out = run(solon(home.path(), &["token", "inspect", "-"]), token);
    assert_eq!(out.status.code(), Some(0));
    let told = text(&out.stdout);
    for line in [
        "kind\taccess",
        "verified\tfalse",
        "expires\t1970-01-01T00:00:00Z",
        "claims.sub\t5",
        "header.alg\tEdDSA",
    ] {
        assert!(told.lines().any(|it| it == line), "{line}: {told}");
    }
    assert!(text(&out.stderr).contains("nothing of it was verified"));
    let out = run(
        solon(home.path(), &["token", "inspect", token, "--json"]),
        "",
    );
    assert!(text(&out.stderr).starts_with("WARNING: "));
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(told["claims"], json!({"sub": "5", "exp": 0}));
}
