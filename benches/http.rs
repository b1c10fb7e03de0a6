//! What a permitted query over HTTP costs over a bare axum echo of JSON.
//!
//! Workload: `CLIENTS` connections that are kept alive, each sending one request after the other; the query asks for
//! one document of eight flakes by its key, as an auth whose rule reads who owns it. The floor is an axum handler that
//! parses a body of the same size as the answer and writes it back, behind the same clients. Unit: requests a second,
//! the median of seven rounds in turns.
//! The same query comes without a token, as the auth of `_setting/anonymous`, which has the same roles: what a token adds
//! is told in parts of the floor. API tokens are read anew at each request, so they are told apart.
//! Run with `cargo bench --bench http`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use floor::{Measured, Round, in_turns, mixed};
use solon::base::SystemClock;
use solon::db::{Folder, Options};
use solon::server::{Config, Mode, Server};

const DOCUMENTS: u64 = 20_000;
const CLIENTS: u64 = 16;
/// Requests of one client in one round.
const REQUESTS: u64 = 500;
const ROUNDS: usize = 7;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "doc"},
  {"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "doc/title", "type": "string"},
  {"_id": "_predicate", "name": "doc/state", "type": "string"},
  {"_id": "_predicate", "name": "doc/note", "type": "string"},
  {"_id": "_predicate", "name": "doc/size", "type": "int"},
  {"_id": "_predicate", "name": "doc/pages", "type": "int"},
  {"_id": "_predicate", "name": "doc/secret", "type": "string"},
  {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
  {"_id": "_fn$own", "name": "own", "code": "(== (get (?s) \"doc/owner\") (?user_id))"},
  {"_id": "_role$reader", "id": "reader", "rules": [
   {"_id": "_rule", "id": "own", "collection": "doc", "fns": ["_fn$own"], "ops": ["query"],
    "predicates": ["doc/key", "doc/title", "doc/state", "doc/note", "doc/size", "doc/pages", "doc/owner"]},
   {"_id": "_rule", "id": "users", "collection": "_user", "predicates": ["_user/username"],
    "fns": [["_fn/name", "true"]], "ops": ["query"]}]},
  {"_id": "_user", "username": "ann", "auth": ["_auth$ann"]},
  {"_id": "_auth$ann", "id": "ann", "roles": ["_role$reader"]},
  {"_id": ["_setting/id", "root"], "anonymous": "_auth$ann"}]"#;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let (folder, token) = load(directory.path());
    let root = folder.root_session(None).unwrap();
    let api = root
        .token(r#"{"auth": ["_auth/id", "ann"], "kind": "api", "name": "bench"}"#)
        .unwrap()
        .token;
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        mode: Mode::Closed,
        insecure_plain_http: false,
        tls: None,
        clock: Arc::new(SystemClock::new()),
    };
    let server = Server::bind(folder, &config).unwrap();
    let (address, stopper) = (server.address(), server.stopper());
    let serving = std::thread::spawn(move || server.run());
    let echo = echo();

    let query_by = |token: Option<&str>, n: u64| {
        let body = format!(
            r#"{{"select": ["*"], "from": ["doc/key", "k{}"]}}"#,
            mixed(n) % DOCUMENTS
        );
        request("/api/db/query", token, &body)
    };
    let query = |n: u64| query_by(Some(&token), n);
    let bare = |n: u64| query_by(None, n);
    let by_api = |n: u64| query_by(Some(&api), n);
    let mut one = Client::connect(address);
    let answer = one.ask(&query(1));
    assert!(
        answer.contains("doc/title") && !answer.contains("doc/secret"),
        "{answer}"
    );
    let repeat = |_: u64| request("/echo", Some(&token), &answer);

    let things: Vec<Round<'_>> = vec![
        Box::new(|| load_by(echo, &repeat)),
        Box::new(|| load_by(address, &query)),
        Box::new(|| load_by(address, &bare)),
        Box::new(|| load_by(address, &by_api)),
    ];
    let told = in_turns(ROUNDS, things);
    let rate = |it: Measured| (CLIENTS * REQUESTS) as f64 / it.nanoseconds * 1e9;
    println!("axum echo, the floor   {:>8.0} requests/s", rate(told[0]));
    println!(
        "permitted query        {:>8.0} requests/s  {:.2}",
        rate(told[1]),
        1.0 / told[1].ratio
    );
    for (name, index) in [("an access token", 1), ("an API token", 3)] {
        println!(
            "{name} adds {:>6.1} % of the floor to a request without one",
            (told[index].ratio - told[2].ratio) * 100.0
        );
    }
    stopper.stop();
    serving.join().unwrap().unwrap();
}

fn load(path: &Path) -> (Folder, String) {
    let folder = Folder::open(path, &Options::default()).unwrap();
    let database = folder.database();
    database.transact(SCHEMA).unwrap();
    for start in (0..DOCUMENTS).step_by(5_000) {
        let mut text = String::from("[");
        for n in start..start + 5_000 {
            let comma = if n == start { "" } else { "," };
            let pages = n % 300;
            write!(
                text,
                r#"{comma}{{"_id": "doc", "key": "k{n}", "title": "document {n}", "state": "open", "pages": {pages},
                "note": "to be read before the next meeting", "size": {}, "secret": "s{n}",
                "owner": ["_user/username", "ann"]}}"#,
                mixed(n) % 10_000
            )
            .unwrap();
        }
        text.push(']');
        database.transact(&text).unwrap();
    }
    let token = folder.token_for("ann", 3_599).unwrap();
    (folder, token)
}

/// Serves the floor; its threads end with the program.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let echo = async |body: Bytes| {
                let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                ([(CONTENT_TYPE, "application/json")], json.to_string()).into_response()
            };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = Router::new().route("/echo", post(echo));
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}

/// All clients at once, until each has had its answers.
fn load_by(address: SocketAddr, request: &(impl Fn(u64) -> Vec<u8> + Sync)) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = Client::connect(address);
                for n in 0..REQUESTS {
                    let answer = connection.ask(&request(client * REQUESTS + n));
                    assert!(answer.len() > 20, "{answer}");
                }
            });
        }
    });
}

fn request(path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let bearer = token.map_or(String::new(), |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{bearer}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One connection that is kept alive.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![0; 16 * 1024],
        }
    }

    /// Sends a request and reads the body of its answer, which must be a good one.
    fn ask(&mut self, request: &[u8]) -> String {
        self.stream.write_all(request).unwrap();
        let mut length = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[length..]).unwrap();
            assert!(count > 0, "the server hung up");
            length += count;
            let text = std::str::from_utf8(&self.buffer[..length]).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
            let told = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map(|told| told.parse::<usize>().unwrap());
            if told == Some(body.len()) {
                return body.to_owned();
            }
        }
    }
}
