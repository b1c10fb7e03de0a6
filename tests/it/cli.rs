//! The command line: exit codes, and what goes to which output.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use solon::db::{Folder, Options};

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
        &["import"],
        &["import", "absent.jsonl"],
        &["export", "--by", "size"],
        &["export", "--from", "1"],
        &["export", "--by", "block", "--as", "root"],
        &["export", "--json"],
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

/// Runs with this on standard input.
fn run_on(dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = solon(dir, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut into = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut into, input.as_bytes()).unwrap();
    drop(into);
    child.wait_with_output().unwrap()
}

const NOTES: &str = r#"{"_id": "_collection", "name": "note"}
{"_id": "_predicate", "name": "note/n", "type": "int", "unique": true}
{"_id": "_auth", "id": "nobody"}
{"_id": "note", "n": 1}
"#;

#[test]
fn an_import_tells_what_it_came_to_and_ends_with_the_code_of_what_stopped_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.jsonl"), NOTES).unwrap();
    let out = run(dir.path(), &["import", "notes.jsonl", "--json"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stderr.is_empty(), "there is no bar but on a terminal");
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    for (name, value) in [
        ("lines", 5),
        ("items", 4),
        ("transactions", 2),
        ("skipped", 0),
    ] {
        assert_eq!(report[name], value, "{report}");
    }
    assert!(report["flakes"].as_u64().unwrap() > 4 && report["seconds"].is_number());
    for (arguments, input, code, told) in [
        (&["import", "-"][..], r#"{"_id": "note", "n": 2}"#, 0, ""),
        (
            &["import", "-"],
            "{\"_id\": \"note\"\n",
            2,
            "line 1, column",
        ),
        (
            &["import", "-"],
            r#"{"_id": "note", "n": "x"}"#,
            2,
            "line 1, /n: ",
        ),
        (
            &["import", "-"],
            r#"{"_id": "note", "n": 1}"#,
            6,
            "line 1, /n: ",
        ),
        (
            &["import", "-", "--as", "nobody"],
            r#"{"_id": "note", "n": 3}"#,
            3,
            "line 1, /n: ",
        ),
        (
            &["import", "-", "--as", "absent"],
            r#"{"_id": "note", "n": 3}"#,
            5,
            "no such auth",
        ),
        (
            &["import", "-", "--db", "no/such"],
            "",
            5,
            "no such database",
        ),
    ] {
        let out = run_on(dir.path(), arguments, input);
        let error = String::from_utf8(out.stderr).unwrap();
        assert_eq!(
            out.status.code(),
            Some(code),
            "{arguments:?} {input}: {error}"
        );
        assert!(error.contains(told), "{error}");
        assert_eq!(error.lines().count(), usize::from(code != 0), "{error}");
        assert_eq!(out.stdout.is_empty(), code != 0);
    }
    // Another process has the file open.
    let path = dir.path().join("solon-data/local/default.redb");
    let open = solon::Database::open(path).unwrap();
    let out = run(dir.path(), &["import", "notes.jsonl"]);
    assert_eq!(out.status.code(), Some(7));
    drop(open);
}

#[test]
fn an_export_is_imported_again_and_stands_whole_in_its_file_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        run(dir.path(), &["export"]).status.code(),
        Some(5),
        "there is nothing to export"
    );
    assert!(
        !dir.path().join("solon-data").exists(),
        "and nothing is made"
    );
    std::fs::write(dir.path().join("notes.jsonl"), NOTES).unwrap();
    assert!(run(dir.path(), &["import", "notes.jsonl"]).status.success());
    let out = run(dir.path(), &["export"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stderr.is_empty());
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        text.starts_with("{\"start\":{\"by\":\"state\",\"block\":3,"),
        "{text}"
    );
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with("{\"end\":{\"items\":4,\"block\":3,"),
        "{text}"
    );

    // What an export that was killed left behind, or somebody else put there, is not written into.
    let left = dir.path().join("left");
    std::fs::write(&left, "left").unwrap();
    std::fs::hard_link(&left, dir.path().join("all.jsonl.part")).unwrap();
    let out = run(dir.path(), &["export", "--out", "all.jsonl", "--json"]);
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "left");
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&report["items"], &report["block"]),
        (&4.into(), &3.into()),
        "{report}"
    );
    let file = dir.path().join("all.jsonl");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it is its owner's");
    }
    let out = run(
        dir.path(),
        &["import", "all.jsonl", "--data", "other", "--json"],
    );
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["items"], 4, "{report}");

    let out = run(
        dir.path(),
        &["export", "--by", "block", "--from", "2", "--to", "2"],
    );
    assert_eq!(String::from_utf8(out.stdout).unwrap().lines().count(), 3);
    for (arguments, code) in [
        (&["export", "--as", "nobody", "--out", "none.jsonl"][..], 3),
        (&["export", "--as", "absent"], 5),
        (&["export", "--db", "no/such"], 5),
        (&["export", "--by", "block", "--to", "9"], 2),
        (&["export", "--out", "absent/all.jsonl"], 1),
    ] {
        let out = run(dir.path(), arguments);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8(out.stderr).unwrap().lines().count(), 1);
    }
    assert!(
        !dir.path().join("none.jsonl").exists() && !dir.path().join("none.jsonl.part").exists()
    );
    let open = solon::Database::open(dir.path().join("solon-data/local/default.redb")).unwrap();
    assert_eq!(run(dir.path(), &["export"]).status.code(), Some(7));
    drop(open);
}

#[test]
fn verifying_tells_what_was_checked_and_finds_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| run(dir.path(), arguments).status.code();
    assert_eq!(code(&["verify", "--data", "none"]), Some(5));
    assert!(!dir.path().join("none").exists());
    let folder = dir.path().join("data");
    let open = Folder::open(&folder, &Options::default()).unwrap();
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

#[test]
fn the_audit_trail_of_a_folder_is_shown_and_pruned_while_no_server_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let opened = Folder::open(&folder, &Options::default()).unwrap();
    let change = r#"[{"_id": ["_auth/id", "root"], "doc": "x"}]"#;
    opened.database().transact(change).unwrap();
    let arguments = ["logs", "--data", "data"];
    let with = |more: &[&str]| run(dir.path(), &[&arguments[..], more].concat());
    assert_eq!(with(&[]).status.code(), Some(7), "a process has it open");
    opened.close();
    drop(opened);

    let out = with(&[]);
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout).unwrap();
    let line = text.lines().next().unwrap();
    assert!(line.contains("  ok     policy-changed  auth="), "{line}");
    assert!(line.ends_with("  block=2"), "{line}");
    let out = with(&["--json", "--limit", "1", "--status", "ok"]);
    let rows: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(rows[0]["event"], "policy-changed");
    let out = with(&["--after", "2100-01-01T00:00:00Z"]);
    assert_eq!((out.status.code(), out.stdout.len()), (Some(0), 0));
    for (wrong, code) in [
        (&["--limit", "0"][..], 2),
        (&["--before", "yesterday"], 2),
        (&["--status", "denied"], 2),
        (&["--db", "local/other"], 5),
    ] {
        assert_eq!(with(wrong).status.code(), Some(code), "{wrong:?}");
    }

    let prune = |more: &[&str]| {
        let arguments = ["logs", "prune", "--data", "data"];
        run(dir.path(), &[&arguments[..], more].concat())
    };
    assert_eq!(prune(&[]).status.code(), Some(2));
    assert_eq!(prune(&["--before", "7"]).status.code(), Some(2));
    let out = prune(&["--before", "2100-01-01T00:00:00Z", "--json"]);
    assert_eq!(out.status.code(), Some(0));
    let pruned: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(pruned["rows"], 1);
    let text = String::from_utf8(with(&[]).stdout).unwrap();
    assert!(
        text.lines()
            .next()
            .unwrap()
            .contains("trail-pruned  count=1"),
        "{text}"
    );
}
