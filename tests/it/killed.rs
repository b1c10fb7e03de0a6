//! The program killed in the middle of its work: what it told is there when it is started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use serde_json::{Value, json};
use solon::Database;
use solon::base::limits::IMPORT_CHUNK_ITEMS_MAX;
use solon::db::sign_command;
use solon::token::CommandKey;

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
        let bearer = format!("Bearer {}", self.token);
        self.send(action, &[("Authorization", &bearer)], &body.to_string())
    }

    /// The same, with other headers.
    fn send(&self, action: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, Value)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent
            .post(format!("{}/api/db/{action}", self.address))
            .header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).ok()?;
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
            let (sent, received) = channel();
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

/// A request that may be sent again, and what was told of it.
#[derive(Clone)]
struct Sent {
    number: u64,
    way: Way,
    /// The block, and its hash.
    told: Option<(u64, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Keyed,
    Command,
}

impl Sent {
    fn send(&self, served: &Served) -> Option<(u16, Value)> {
        let number = self.number;
        let items = json!([{"_id": "note", "n": number}]);
        match self.way {
            Way::Keyed => {
                let (bearer, key) = (format!("Bearer {}", served.token), format!("key-{number}"));
                let headers = [
                    ("Authorization", bearer.as_str()),
                    ("Idempotency-Key", key.as_str()),
                ];
                served.send("transact", &headers, &items.to_string())
            }
            Way::Command => {
                let command = json!({"type": "tx", "db": "local/default", "auth": "robot",
                    "nonce": number, "tx": items});
                let body = sign_command(&robot(), &command.to_string()).unwrap();
                served.send("command", &[], &body)
            }
        }
    }

    /// Sends it and keeps what is told; whether there was an answer.
    fn first(&mut self, served: &Served) -> bool {
        let Some((status, receipt)) = self.send(served) else {
            return false;
        };
        assert_eq!(status, 200, "{receipt}");
        self.told = Some(block_of(&receipt));
        true
    }

    /// Sends it again, to whom it may have been made by.
    fn again(&mut self, served: &Served) {
        let (status, answer) = self.send(served).unwrap();
        match (self.way, &self.told) {
            (Way::Keyed, Some(told)) => {
                assert_eq!(status, 200, "{answer}");
                assert_eq!(&block_of(&answer), told, "one key became two blocks");
            }
            (Way::Command, Some(_)) => {
                assert_eq!((status, &answer["error"]), (409, &json!("db/replay")));
            }
            // It was made, and who sent it was not told; or it is made now.
            (Way::Command, None) if status == 409 => assert_eq!(answer["error"], "db/replay"),
            (Way::Command | Way::Keyed, None) => assert_eq!(status, 200, "{answer}"),
        }
        if self.told.is_none() {
            let is_made = status == 200;
            self.told = Some(if is_made {
                block_of(&answer)
            } else {
                (0, String::new())
            });
        }
    }
}

fn block_of(receipt: &Value) -> (u64, String) {
    let hash = receipt["hash"].as_str().unwrap().to_owned();
    (receipt["block"].as_u64().unwrap(), hash)
}

fn robot() -> CommandKey {
    CommandKey::parse(&"05".repeat(32)).unwrap()
}

/// Sends one request after another, until the server is gone.
fn load(served: &Served, caller: u64, way: Way, answered: &Sender<()>) -> Vec<Sent> {
    let mut all = Vec::new();
    for n in 0.. {
        let mut sent = Sent {
            number: caller * 10_000 + n,
            way,
            told: None,
        };
        let is_answered = sent.first(served);
        all.push(sent);
        if !is_answered {
            break;
        }
        // Nobody may be waiting any more.
        let _ = answered.send(());
    }
    all
}

/// Kills a server when it goes.
struct Kill<'a>(&'a Served);

impl Drop for Kill<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Mints tokens that have a record, until the server is gone.
fn mint(served: &Served) -> Vec<String> {
    let body = json!({"auth": ["_auth/id", "robot"], "expireSeconds": 200_000});
    let mut tokens = Vec::new();
    while let Some((status, minted)) = served.post("token", &body) {
        assert_eq!(status, 200, "{minted}");
        tokens.push(minted["token"].as_str().unwrap().to_owned());
    }
    tokens
}

#[test]
fn what_is_asked_again_after_the_server_was_killed_is_made_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut all: Vec<Sent> = Vec::new();
    let mut tokens: Vec<String> = Vec::new();
    for round in 0..2_u64 {
        let served = Served::start(&data);
        if round == 0 {
            // No note is unique: what is made twice is there twice.
            let items = json!([
                {"_id": "_collection", "name": "note"},
                {"_id": "_predicate", "name": "note/n", "type": "int", "index": true},
                {"_id": "_auth", "id": "robot", "publicKey": robot().public().to_string(),
                 "roles": [{"_id": "_role", "id": "robot", "rules": [
                    {"_id": "_rule", "id": "notes", "collection": "note", "collectionDefault": true,
                     "ops": ["all"], "fns": [["_fn/name", "true"]]}]}]}]);
            assert_eq!(served.post("transact", &items).unwrap().0, 200);
        }
        // What was sent before is asked again while others write.
        let (sent, answered) = channel();
        std::thread::scope(|scope| {
            let mut callers = Vec::new();
            for (caller, way) in [Way::Keyed, Way::Command, Way::Keyed, Way::Command]
                .into_iter()
                .enumerate()
            {
                let (served, sent) = (&served, sent.clone());
                let caller = round * 10 + u64::try_from(caller).unwrap();
                callers.push(scope.spawn(move || load(served, caller, way, &sent)));
            }
            drop(sent);
            // Killed also where a check fails, so that its callers end.
            let end = Kill(&served);
            let minter = scope.spawn(|| mint(&served));
            for sent in &mut all {
                sent.again(&served);
            }
            assert_eq!(answered.iter().take(24).count(), 24);
            drop(end);
            for caller in callers {
                all.extend(caller.join().unwrap());
            }
            tokens.extend(minter.join().unwrap());
        });
    }
    let served = Served::start(&data);
    // Asked twice more, everything is there once.
    for _ in 0..2 {
        for sent in &mut all {
            sent.again(&served);
        }
    }
    let (_, notes) = served
        .post("query", &json!({"select": ["n"], "from": "note"}))
        .unwrap();
    let mut there: Vec<u64> = notes
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["n"].as_u64().unwrap())
        .collect();
    there.sort_unstable();
    let mut expected: Vec<u64> = all.iter().map(|sent| sent.number).collect();
    expected.sort_unstable();
    assert_eq!(there, expected);
    // A token that was handed out has its record.
    assert!(!tokens.is_empty(), "no token was minted");
    for token in &tokens {
        let bearer = format!("Bearer {token}");
        let query = json!({"select": ["n"], "from": "note", "opts": {"limit": 1}}).to_string();
        let (status, answer) = served
            .send("query", &[("Authorization", &bearer)], &query)
            .unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    drop(served);
    let database = Database::open(data.join("local/default.redb")).unwrap();
    database.verify().unwrap();
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
            let (sent, received) = channel();
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
