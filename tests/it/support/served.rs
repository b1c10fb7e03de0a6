//! Real servers on a port of the machine's choice, and a client for them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use solon::base::SystemClock;
use solon::db::{Folder, Options};
use solon::server::{Config, Error, Mode, Reloader, Server, Stopper};

/// A server on a folder of its own, stopped when it goes out of scope.
pub struct Served {
    pub address: SocketAddr,
    pub token: String,
    pub stopper: Stopper,
    pub reloader: Reloader,
    pub thread: Option<JoinHandle<Result<(), Error>>>,
    _dir: Option<tempfile::TempDir>,
}

pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

pub fn config(mode: Mode) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        mode,
        insecure_plain_http: false,
        tls: None,
        clock: Arc::new(SystemClock::new()),
    }
}

pub fn folder(dir: &Path) -> Folder {
    Folder::open(dir, &Options::default()).unwrap()
}

pub fn serve(mode: Mode) -> Served {
    let dir = tempfile::tempdir().unwrap();
    serve_folder(folder(dir.path()), mode, Some(dir))
}

/// Serves a folder; `dir` is the directory that goes with the server.
pub fn serve_folder(folder: Folder, mode: Mode, dir: Option<tempfile::TempDir>) -> Served {
    serve_config(folder, &config(mode), dir)
}

/// Serves a folder as a configuration says.
pub fn serve_config(folder: Folder, config: &Config, dir: Option<tempfile::TempDir>) -> Served {
    let token = folder.root_token(3_599).unwrap();
    let server = Server::bind(folder, config).unwrap();
    let reloader = server.reloader();
    let (address, stopper) = (server.address(), server.stopper());
    let thread = Some(std::thread::spawn(move || server.run()));
    Served {
        address,
        token,
        stopper,
        reloader,
        thread,
        _dir: dir,
    }
}

impl Served {
    /// Sends a request with these headers; `BEARER` stands for the root token's header.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = match *name {
                "BEARER" => request.header("authorization", format!("Bearer {}", self.token)),
                name => request.header(name, *value),
            };
        }
        // A connection of its own for each request: a server may end one that it refused.
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut response = agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string().unwrap(),
        }
    }

    pub fn query(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, br#"{"select": ["*"], "from": "_role"}"#)
    }

    /// Posts JSON text as the bearer of a token, perhaps under an idempotency key.
    pub fn post(&self, action: &str, token: &str, key: Option<&str>, body: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send(
            "POST",
            &format!("/api/db/{action}"),
            &headers,
            body.as_bytes(),
        )
    }

    /// Sends bytes as they are, and reads to the connection's end.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok_and(|served| served.is_ok()));
        }
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is a problem in the one shape.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["error"], code);
        assert_eq!(problem["type"], format!("urn:solon:error:{code}"));
        assert_eq!(problem["message"], problem["detail"]);
        let id = self.header("x-request-id").unwrap();
        assert_eq!(problem["instance"], format!("urn:solon:request:{id}"));
        problem
    }
}
