//! `solon keys` on the command line: what goes where, and what it refuses.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use solon::db::sign_command;
use solon::token::CommandKey;

fn keys(dir: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_solon"))
        .arg("keys")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments may have gone before it reads.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn refused(dir: &Path, arguments: &[&str], input: &[u8], why: &str) {
    let out = keys(dir, arguments, input);
    assert_eq!(out.status.code(), Some(2), "{arguments:?}");
    assert!(out.stdout.is_empty(), "{arguments:?}");
    let told = text(out.stderr);
    assert!(told.contains(why), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

fn command() -> String {
    json!({"type": "tx", "db": "local/default", "auth": "ann", "nonce": 1, "tx": []}).to_string()
}

#[test]
fn new_keys_are_printed_as_lines_or_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = keys(dir.path(), &["new"], b"");
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stderr.is_empty());
    let lines = text(out.stdout);
    let lines: Vec<_> = lines
        .lines()
        .map(|it| it.split_once(' ').unwrap())
        .collect();
    let key = CommandKey::parse(lines[0].1).unwrap();
    let (public, account) = (key.public().to_string(), key.public().account_id());
    assert_eq!(lines[0].0, "private");
    assert_eq!(
        lines[1..],
        [("public", &*public), ("account-id", &*account)]
    );

    let out = keys(dir.path(), &["new", "--json"], b"");
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    let other = CommandKey::parse(told["private"].as_str().unwrap()).unwrap();
    assert_eq!(told["public"], other.public().to_string());
    assert_ne!(told["public"], public);
}

#[test]
fn a_key_file_is_its_owners_alone_is_never_overwritten_and_signs() {
    let dir = tempfile::tempdir().unwrap();
    let out = keys(dir.path(), &["new", "--json", "--out", "ann.pem"], b"");
    assert_eq!(out.status.code(), Some(0));
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(told.get("private").is_none());
    let path = dir.path().join("ann.pem");
    let key = CommandKey::read(&path).unwrap();
    assert_eq!(told["public"], key.public().to_string());
    let before = std::fs::read(&path).unwrap();
    refused(
        dir.path(),
        &["new", "--out", "ann.pem"],
        b"",
        "is there already",
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let signed = keys(
        dir.path(),
        &["sign", "--key", "ann.pem"],
        format!("{}\n", command()).as_bytes(),
    );
    assert_eq!(signed.status.code(), Some(0));
    assert_eq!(
        text(signed.stdout),
        sign_command(&key, &command()).unwrap() + "\n"
    );
    // The digits of a key serve as a file too.
    let digits = dir.path().join("digits");
    std::fs::write(&digits, format!("{}\n", &*key.private_hex())).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&digits, open).unwrap();
        let why = "its mode must be 0600";
        refused(dir.path(), &["sign", "--key", "digits"], b"{}", why);
        let closed = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&digits, closed).unwrap();
    }
    assert_eq!(CommandKey::read(&digits).unwrap().public(), key.public());
}

#[test]
fn what_is_no_command_and_what_is_no_key_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path(), &["new", "--out", "key"], b"");
    let sign = |input: &[u8], why: &str| refused(dir.path(), &["sign", "--key", "key"], input, why);
    sign(b"", "in `cmd`");
    sign(b"{}", "a command needs `type`");
    sign(b"\xff", "standard input");
    sign(&b" ".repeat(70_000), "bytes at most");
    let from = |name: &str, why: &str| {
        refused(
            dir.path(),
            &["sign", "--key", name],
            command().as_bytes(),
            why,
        );
    };
    from("nowhere", "nowhere");
    let key = dir.path().join("key");
    for (written, why) in [
        ("", "is not an Ed25519 key"),
        ("0", "is not an Ed25519 key"),
    ] {
        std::fs::write(&key, written).unwrap();
        from("key", why);
    }
    from(".", "is not a file");
    let out = keys(dir.path(), &["sign"], b"");
    assert_eq!(out.status.code(), Some(2));
}
