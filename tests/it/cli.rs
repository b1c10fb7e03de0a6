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
