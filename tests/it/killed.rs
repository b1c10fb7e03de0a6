//! The program killed in the middle of its work: what it told is there when it is started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use solon::Database;
use solon::base::limits::IMPORT_CHUNK_ITEMS_MAX;

/// A server that runs, and what it printed first: its address and a root token.
struct Served {
    child: Mutex<Child>,
    address: String,
    token: String,
}

impl Served {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_solon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).unwrap();
        let address = line[line.find("http://").unwrap()..].trim().to_owned();
        let token = lines.find(|line| line.starts_with("ey")).unwrap();
        Self {
            child: Mutex::new(child),
            address,
            token,
        }
    }

    /// Posts a body; the status and the answer, or nothing if the server is gone.
    fn post(&self, action: &str, body: &Value) -> Option<(u16, Value)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent
            .post(format!("{}/api/db/{action}", self.address))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        Some((
            response.status().as_u16(),
            serde_json::from_str(&text).ok()?,
        ))
    }

    /// SIGKILL: nothing of the program runs any more.
    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn every_receipt_holds_after_the_server_is_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut told: Vec<(u64, String)> = Vec::new();
    for round in 0..3_u64 {
        let served = Served::start(&data);
        if round == 0 {
            let schema = json!([
                {"_id": "_collection", "name": "note"},
                {"_id": "_predicate", "name": "note/n", "type": "int", "unique": true}]);
            assert_eq!(served.post("transact", &schema).unwrap().0, 200);
        }
        // Several callers are under way when the server is killed.
        let acknowledged: Vec<(u64, String)> = std::thread::scope(|scope| {
            let (sent, received) = std::sync::mpsc::channel();
            for caller in 0..3_u64 {
                let (served, sent) = (&served, sent.clone());
                scope.spawn(move || {
                    for n in 0.. {
                        let number = round * 100_000 + caller * 10_000 + n;
                        let item = json!([{"_id": "note", "n": number}]);
                        let Some((status, receipt)) = served.post("transact", &item) else {
                            return;
                        };
                        assert_eq!(status, 200, "{receipt}");
                        let hash = receipt["hash"].as_str().unwrap().to_owned();
                        if sent.send((number, hash)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sent);
            let first: Vec<_> = received.iter().take(12).collect();
            served.kill();
            first.into_iter().chain(received.iter()).collect()
        });
        drop(served);
        told.extend(acknowledged);
        // What is on disk is whole before anything is started on it again.
        let database = Database::open(data.join("local/default.redb")).unwrap();
        database.verify().unwrap();
        let answer = database
            .root()
            .query(r#"{"select": ["n"], "from": "note"}"#)
            .unwrap()
            .body;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let there: Vec<u64> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|note| note["n"].as_u64().unwrap())
            .collect();
        for (number, _) in &told {
            assert!(there.contains(number), "the receipt of {number} was lost");
        }
    }
    let served = Served::start(&data);
    for (number, hash) in &told {
        let query = json!({"selectOne": ["n"], "from": ["note/n", number]});
        assert_eq!(
            served.post("query", &query).unwrap().1["n"],
            *number,
            "{hash}"
        );
    }
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_and_makes_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "{\"_id\":\"_collection\",\"name\":\"note\"}\n\
                  {\"_id\":\"_predicate\",\"name\":\"note/n\",\"type\":\"int\",\"index\":true}\n";
    let count = 3 * IMPORT_CHUNK_ITEMS_MAX;
    let lines = (0..count).map(|n| format!("{{\"_id\":\"note\",\"n\":{n}}}\n"));
    let text = schema.to_owned() + &lines.collect::<String>();
    let import = |data: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
        let command = command.args(["import", "-", "--json", "--data"]);
        let child = command
            .arg(dir.path().join(data))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        child.spawn().unwrap()
    };
    let told = |data: &str| {
        let path = dir.path().join(data).join("local/default.redb");
        let database = Database::open(path).unwrap();
        let query = r#"{"select": ["*"], "from": "note"}"#;
        (
            database.head().t,
            database.root().query(query).unwrap().body,
        )
    };
    let finish = |mut child: Child| -> Value {
        let mut input = child.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        serde_json::from_slice(&out.stdout).unwrap()
    };
    assert_eq!(finish(import("whole"))["skipped"], 0);

    // What it took beyond a pipe and a buffer it has made, but for the transaction that it gathers.
    let mut child = import("part");
    let part = text.len() - text.len() / 10;
    let input = child.stdin.as_mut().unwrap();
    input.write_all(&text.as_bytes()[..part]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let report = finish(import("part"));
    assert!(
        report["skipped"].as_u64().unwrap() >= IMPORT_CHUNK_ITEMS_MAX as u64,
        "{report}"
    );
    assert!(report["transactions"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["items"], count + 2);
    assert_eq!(told("part"), told("whole"));
}

#[test]
fn a_demo_that_is_killed_while_it_loads_is_loaded_whole_by_the_next_start_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let whole = |data: &Path| {
        let folder = solon::Folder::open(data, &solon::Options::default()).unwrap();
        assert_eq!(
            solon::db::load_demo(&folder).unwrap(),
            solon::db::Loaded::Whole
        );
        let people = folder
            .database()
            .root()
            .query(r#"{"select": ["handle"], "from": "person"}"#);
        (people.unwrap().body, folder.database().head().t)
    };
    let (people, head) = whole(&dir.path().join("whole"));
    // Some steps are taken, as a process that is killed leaves them: each transaction whole or not there.
    let data = dir.path().join("part");
    {
        let folder = solon::Folder::open(&data, &solon::Options::default()).unwrap();
        for text in solon::db::demo::transactions(solon::db::demo::SEED)
            .iter()
            .take(5)
        {
            folder.database().transact(text).unwrap();
        }
    }
    assert_eq!(whole(&data), (people.clone(), head));
    assert_eq!(whole(&data), (people, head), "a second start loads nothing");
    let other = solon::Folder::open(&dir.path().join("other"), &solon::Options::default()).unwrap();
    other
        .database()
        .transact(r#"[{"_id": "_collection", "name": "mine"}]"#)
        .unwrap();
    assert_eq!(
        solon::db::load_demo(&other).unwrap(),
        solon::db::Loaded::HoldsOther
    );
}

#[test]
fn what_was_told_to_be_erased_is_not_in_the_file_of_a_server_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.join("local/default.redb");
    let mut told: Vec<String> = Vec::new();
    for round in 0..3_u64 {
        let served = Served::start(&data);
        if round == 0 {
            let schema = json!([
                {"_id": "_collection", "name": "note"},
                {"_id": "_predicate", "name": "note/text", "type": "string", "unique": true}]);
            assert_eq!(served.post("transact", &schema).unwrap().0, 200);
        }
        // Two callers write and erase, and the server is killed while the file is written, perhaps anew.
        let erased: Vec<String> = std::thread::scope(|scope| {
            let (sent, received) = std::sync::mpsc::channel();
            for caller in 0..2_u64 {
                let (served, sent) = (&served, sent.clone());
                scope.spawn(move || {
                    for n in 0.. {
                        let text = format!("zebra-{round}-{caller}-{n:06}");
                        let made = json!([{"_id": "note", "text": text}]);
                        let gone = json!([{"_id": ["note/text", text], "_action": "erase"}]);
                        for items in [made, gone] {
                            match served.post("transact", &items) {
                                Some((status, receipt)) => assert_eq!(status, 200, "{receipt}"),
                                None => return,
                            }
                        }
                        if sent.send(text).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sent);
            let first: Vec<_> = received.iter().take(8).collect();
            served.kill();
            first.into_iter().chain(received.iter()).collect()
        });
        drop(served);
        told.extend(erased);
        let bytes = std::fs::read(&path).unwrap();
        for text in &told {
            let is_there = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!is_there, "{text} was told to be erased");
        }
        let database = Database::open(&path).unwrap();
        database.verify().unwrap();
        assert!(!database.stats().unwrap().totals.unwrap().is_scrub_due);
        drop(database);
        // What a killed server left beside the file is gone.
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
