//! The command line: exit codes, and what goes to which output.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn solon(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
    command.args(arguments).current_dir(dir).env_clear();
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    solon(dir, arguments).output().unwrap()
}

#[test]
fn the_version_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let out = run(dir.path(), &["--version"]);
    assert_eq!(out.status.code(), Some(0));
    let expected = format!("solon {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
}

#[test]
fn wrong_usage_is_2_with_nothing_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["sevre"],
        &["serve", "--listen", "nowhere"],
        &["token", "root", "--expires", "soon"],
        &["serve", "--listen", "0.0.0.0:0"],
        &[
            "serve",
            "--open",
            "--insecure-plain-http",
            "--listen",
            "0.0.0.0:0",
        ],
    ] {
        let out = run(dir.path(), arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(out.stdout.is_empty(), "{arguments:?}");
        assert!(!out.stderr.is_empty(), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_says_where_it_serves_and_ends_with_0_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = solon(dir.path(), &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().unwrap();
    let address = first.split_once("http://").unwrap().1.to_owned();
    assert!(lines.next().unwrap().starts_with("Root token"));
    assert!(!lines.next().unwrap().is_empty());
    let live = ureq::get(format!("http://{address}/health"))
        .call()
        .unwrap();
    assert_eq!(live.status().as_u16(), 200);

    // The token is made from the key alone, while the server runs.
    let out = run(dir.path(), &["token", "root", "--data", "solon-data"]);
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(String::from_utf8(out.stdout).unwrap().lines().count(), 1);

    // The address is taken: said in one line, without a stack of causes.
    let out = run(
        dir.path(),
        &["serve", "--data", "other", "--listen", &address],
    );
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(String::from_utf8(out.stderr).unwrap().lines().count(), 1);

    let killed = Command::new("kill")
        .arg(server.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_demonstration_is_loaded_once() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut server = solon(dir.path(), &["serve", "--demo", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let shown = lines.find(|line| line.starts_with("# demo/portal"));
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(shown.is_some());
    }
}

#[test]
fn verifying_tells_what_was_checked_and_finds_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| run(dir.path(), arguments).status.code();
    assert_eq!(code(&["verify", "--data", "none"]), Some(5));
    assert!(!dir.path().join("none").exists());
    let folder = dir.path().join("data");
    let open = solon::Folder::open(&folder, &solon::Options::default()).unwrap();
    let first = open.database().head().hash.to_string();
    let database = open.database();
    database
        .transact(r#"[{"_id": "_collection", "name": "note"}]"#)
        .unwrap();
    let head = database.head().hash.to_string();

    // Another process has it open.
    let out = run(dir.path(), &["verify", "--data", "data"]);
    assert_eq!(out.status.code(), Some(7));
    assert!(String::from_utf8(out.stderr).unwrap().contains("in use"));
    drop(open);

    let path = folder.join("local/default.redb");
    let out = run(dir.path(), &["verify", "--data", "data"]);
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("blocks: 2\n"), "{text}");
    assert!(text.contains(&format!("head: {head}\n")), "{text}");
    let out = run(
        dir.path(),
        &["verify", "--data", "data", "--json", "--head", &first],
    );
    assert_eq!(out.status.code(), Some(0));
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(told["head"]["hash"], head);
    assert_eq!(told["kept"], 1);
    // A hash that no block has, one that is none, and a database that is not there.
    let other = "0".repeat(64);
    assert_eq!(
        code(&["verify", "--data", "data", "--head", &other]),
        Some(1)
    );
    assert_eq!(code(&["verify", "--data", "data", "--head", "00"]), Some(2));
    assert_eq!(code(&["verify", "--data", "data", "--db", "a/b"]), Some(5));

    // A byte of the log is flipped, where redb's own checksum does not see it.
    crate::crash::tamper(&path, "log", |rows| rows[1].1[140] ^= 1);
    let out = run(dir.path(), &["verify", "--data", "data"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(out.stdout.is_empty());
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.contains("block 2"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    crate::crash::tamper(&path, "log", |rows| {
        let (first, second) = rows.split_at_mut(1);
        std::mem::swap(&mut first[0].1, &mut second[0].1);
    });
    let out = run(dir.path(), &["verify", "--data", "data"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8(out.stderr).unwrap().contains("block 1"));
}
