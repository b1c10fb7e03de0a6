//! TLS, HTTP/2 and client certificates on the wire: the protocol, not the meaning.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use solon::base::limits::{
    CERTIFICATE_LOOK_SECONDS, CERTIFICATE_NAMES_MAX, HTTP2_RESETS_MAX, HTTP2_STREAMS_MAX,
    TLS_FILE_BYTES_MAX,
};
use solon::base::{Clock, ManualClock};
use solon::db::{CertificateName, Folder, Options};
use solon::server::{Config, Error, Mode, Server, TlsFiles};

use crate::support::http2::{CONTINUATION, END_STREAM, HEADERS, Http2, RST_STREAM, head};
use crate::support::served::{Served, config, folder, serve, serve_config};
use crate::support::tls::{Authority, ClientCertificate, Connecting, Stream, ask, set_mode};
use crate::support::{START_MS, rule};

const JSON: (&str, &str) = ("content-type", "application/json");
const ROLES: &str = r#"{"select": ["*"], "from": "_role"}"#;
const ROBOT: &str = "uri:spiffe://prod.example/robot";

/// A server that speaks TLS, and its authority.
struct Secure {
    served: Served,
    authority: Authority,
    files: TlsFiles,
    folder: Folder,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl Secure {
    fn new() -> Self {
        Self::with(Mode::Closed, Authority::write)
    }

    /// Whose clients must have a certificate.
    fn verifying() -> Self {
        Self::with(Mode::Closed, Authority::write_verifying)
    }

    fn with(mode: Mode, files: impl Fn(&Authority, &std::path::Path) -> TlsFiles) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let files = files(&authority, dir.path());
        let clock = Arc::new(ManualClock::at(START_MS));
        let options = Options {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..Options::default()
        };
        let folder = Folder::open(&dir.path().join("data"), &options).unwrap();
        let config = Config {
            tls: Some(files.clone()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..config(mode)
        };
        let served = serve_config(folder.clone(), &config, None);
        Self {
            served,
            authority,
            files,
            folder,
            clock,
            _dir: dir,
        }
    }

    fn connect(&self, how: &Connecting<'_>) -> Stream {
        self.authority.connect(self.served.address, how)
    }

    fn certified(&self, certificate: &ClientCertificate) -> Stream {
        self.connect(&Connecting {
            certificate: Some(certificate),
            ..Connecting::default()
        })
    }

    fn http2(&self) -> Http2<Stream> {
        let protocols: &[&[u8]] = &[b"h2"];
        let stream = self.connect(&Connecting {
            protocols,
            ..Connecting::default()
        });
        Http2::new(stream).unwrap()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.served.token)
    }

    /// Makes the auth `robot`, which reads roles, with this certificate.
    fn robot(&self, name: &str) {
        let reads = rule("reads", "_role", &["*"], "true", &["query"]);
        let role = json!({"_id": "_role", "id": "reader", "rules": [reads]});
        let auth = json!({"_id": "_auth", "id": "robot", "roles": [role], "certificate": [name]});
        self.root(&json!([auth]));
    }

    fn root(&self, items: &Value) {
        self.folder.database().transact(&items.to_string()).unwrap();
    }
}

/// The roles, as the connection's certificate sees them: the status and the error's code.
fn roles(stream: &mut Stream, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![JSON];
    all.extend_from_slice(headers);
    let told = ask(stream, "POST", "/api/db/query", &all, ROLES).unwrap();
    let code = told.json()["error"].clone();
    (told.status, code)
}

fn invalid() -> (u16, Value) {
    (401, json!("db/invalid-certificate"))
}

#[test]
fn both_versions_of_tls_and_both_of_http_answer() {
    let secure = Secure::new();
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for protocols in [&[][..], &[&b"http/1.1"[..]]] {
            let mut stream = secure.connect(&Connecting {
                versions: &[version],
                protocols,
                certificate: None,
            });
            for _ in 0..2 {
                let told = ask(&mut stream, "GET", "/version", &[], "").unwrap();
                assert_eq!(told.status, 200);
                assert_eq!(told.json()["name"], "solon");
            }
            assert_eq!(stream.conn.protocol_version(), Some(expected));
            assert_eq!(stream.conn.alpn_protocol(), protocols.first().copied());
        }
        let stream = secure.connect(&Connecting {
            versions: &[version],
            protocols: &[b"h2", b"http/1.1"],
            certificate: None,
        });
        let mut client = Http2::new(stream).unwrap();
        let bearer = secure.bearer();
        let headers = [JSON, ("authorization", bearer.as_str())];
        for (number, id) in [(0, 1), (1, 3)] {
            client
                .request(id, "POST", "/api/db/query", &headers, ROLES)
                .unwrap();
            let body = client.answer(id).unwrap().unwrap();
            assert!(body.contains("root"), "{number}: {body}");
        }
        assert_eq!(client.0.conn.alpn_protocol(), Some(&b"h2"[..]));
    }
}

#[test]
fn plain_http_on_a_port_of_tls_ends_and_the_server_goes_on() {
    let secure = Secure::new();
    let mut stream = TcpStream::connect(secure.served.address).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut stream = secure.connect(&Connecting::default());
    assert_eq!(
        ask(&mut stream, "GET", "/health", &[], "").unwrap().status,
        200
    );
}

#[test]
fn files_that_are_not_good_do_not_start_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir.path().join("data"));
    let authority = Authority::new();
    let good = authority.write_verifying(dir.path());
    let bind = |files: TlsFiles| {
        let config = Config {
            tls: Some(files),
            // With TLS any address may be listened on.
            listen: "0.0.0.0:0".parse().unwrap(),
            ..config(Mode::Closed)
        };
        Server::bind(folder.clone(), &config).map(drop)
    };
    assert!(bind(good.clone()).is_ok());
    let nonsense = dir.path().join("nonsense");
    std::fs::write(&nonsense, "nonsense").unwrap();
    set_mode(&nonsense, 0o600);
    let other = tempfile::tempdir().unwrap();
    let other_key = authority.write(other.path()).key;
    let longest = dir.path().join("longest");
    let mut text = std::fs::read_to_string(&good.certificate).unwrap();
    text.push_str(&"\n".repeat(TLS_FILE_BYTES_MAX - text.len()));
    std::fs::write(&longest, &text).unwrap();
    let too_long = dir.path().join("too-long");
    std::fs::write(&too_long, text + "\n").unwrap();
    let with = |certificate: &std::path::Path| TlsFiles {
        certificate: certificate.to_owned(),
        ..good.clone()
    };
    assert!(bind(with(&longest)).is_ok());
    let absent = dir.path().join("absent");
    for (files, blamed, part) in [
        (with(&absent), &absent, "No such file"),
        (with(&nonsense), &nonsense, "no certificates"),
        (with(&too_long), &too_long, "too long"),
        (with(dir.path()), &dir.path().to_owned(), "not a file"),
        (
            TlsFiles {
                key: nonsense.clone(),
                ..good.clone()
            },
            &nonsense,
            "no private key",
        ),
        (
            TlsFiles {
                key: other_key.clone(),
                ..good.clone()
            },
            &other_key,
            "not the key of",
        ),
        (
            TlsFiles {
                client_authorities: Some(nonsense.clone()),
                ..good.clone()
            },
            &nonsense,
            "no certificates",
        ),
    ] {
        match bind(files) {
            Err(Error::Tls { path, why }) => {
                assert_eq!(&path, blamed);
                assert!(why.contains(part) && !why.contains('\n'), "{why}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_does_not_start_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir.path().join("data"));
    let files = Authority::new().write(dir.path());
    for (mode, is_good) in [
        (0o600, true),
        (0o400, true),
        (0o640, true),
        (0o660, false),
        (0o644, false),
        (0o601, false),
    ] {
        set_mode(&files.key, mode);
        let config = Config {
            tls: Some(files.clone()),
            ..config(Mode::Closed)
        };
        let bound = Server::bind(folder.clone(), &config).map(drop);
        match bound {
            Ok(()) => assert!(is_good, "{mode:o}"),
            Err(Error::Tls { path, .. }) => assert!(!is_good && path == files.key, "{mode:o}"),
            Err(other) => panic!("{mode:o}: {other}"),
        }
    }
}

#[test]
fn open_mode_takes_tls_on_loopback_but_no_verified_clients() {
    let open = Secure::with(Mode::Open, Authority::write);
    let mut stream = open.connect(&Connecting::default());
    assert_eq!(roles(&mut stream, &[]).0, 200);
    assert_eq!(
        roles(&mut stream, &[("origin", "https://localhost")]).0,
        200
    );
    assert_eq!(roles(&mut stream, &[("origin", "http://localhost")]).0, 401);
    let mut client = open.http2();
    client
        .request(1, "POST", "/api/db/query", &[JSON], ROLES)
        .unwrap();
    assert!(client.answer(1).unwrap().unwrap().contains("root"));

    let dir = tempfile::tempdir().unwrap();
    let bind = |listen: &str, tls| {
        let config = Config {
            listen: listen.parse().unwrap(),
            tls: Some(tls),
            ..config(Mode::Open)
        };
        Server::bind(folder(&dir.path().join("data")), &config).map(drop)
    };
    let files = open.authority.write_verifying(dir.path());
    assert!(matches!(
        bind("127.0.0.1:0", files.clone()),
        Err(Error::OpenWithCertificates)
    ));
    let plain = TlsFiles {
        client_authorities: None,
        ..files
    };
    assert!(matches!(
        bind("0.0.0.0:0", plain),
        Err(Error::OpenBeyondLoopback(_))
    ));
}

#[test]
fn files_are_read_again_and_bad_ones_leave_what_was() {
    let secure = Secure::new();
    let dir = secure.files.certificate.parent().unwrap();
    let shown = || {
        let mut stream = secure.connect(&Connecting::default());
        ask(&mut stream, "GET", "/health", &[], "").unwrap();
        stream.conn.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    };
    let first = shown();
    let mut open = secure.connect(&Connecting::default());
    ask(&mut open, "GET", "/health", &[], "").unwrap();

    secure.authority.write(dir);
    secure.served.reloader.reload().unwrap();
    let second = shown();
    assert_ne!(second, first);
    // A connection that was there goes on.
    assert_eq!(
        ask(&mut open, "GET", "/health", &[], "").unwrap().status,
        200
    );

    let good = std::fs::read(&secure.files.key).unwrap();
    std::fs::write(&secure.files.key, "nonsense").unwrap();
    assert!(matches!(
        secure.served.reloader.reload(),
        Err(Error::Tls { .. })
    ));
    assert_eq!(shown(), second);
    std::fs::write(&secure.files.key, good).unwrap();
    secure.served.reloader.reload().unwrap();
    assert_eq!(shown(), second);
}

#[test]
fn a_client_without_a_good_certificate_has_no_connection() {
    let secure = Secure::verifying();
    let stranger = Authority::new();
    let foreign = stranger.client(&[ROBOT], 4_000);
    let ended = secure.authority.client(&[ROBOT], 2_025);
    let good = secure.authority.client(&[ROBOT], 4_000);
    for versions in [&[&TLS12], &[&TLS13]] {
        for (certificate, is_let_in) in [
            (None, false),
            (Some(&foreign), false),
            (Some(&ended), false),
            (Some(&good), true),
        ] {
            let mut stream = secure.connect(&Connecting {
                versions,
                protocols: &[],
                certificate,
            });
            let told = ask(&mut stream, "GET", "/health", &[], "");
            assert_eq!(told.is_ok(), is_let_in, "{versions:?}");
        }
    }
}

#[test]
fn a_request_without_a_token_is_whom_the_certificate_names_and_a_token_wins() {
    let secure = Secure::verifying();
    let certificate = secure
        .authority
        .client(&[ROBOT, "dns:Robot.Example"], 4_000);
    let mut stream = secure.certified(&certificate);
    assert_eq!(roles(&mut stream, &[]), invalid());

    secure.robot(CertificateName::of_der(&certificate.der).as_str());
    assert_eq!(roles(&mut stream, &[]).0, 200);
    let transact = |stream: &mut Stream, headers: &[(&str, &str)]| {
        let mut all = vec![JSON];
        all.extend_from_slice(headers);
        let body = r#"[{"_id": "_tx", "doc": "said"}]"#;
        ask(stream, "POST", "/api/db/transact", &all, body)
            .unwrap()
            .status
    };
    // The robot only reads; root's token beside its certificate is root.
    let bearer = secure.bearer();
    assert_eq!(transact(&mut stream, &[]), 403);
    assert_eq!(transact(&mut stream, &[("authorization", &bearer)]), 200);
    // What is no good token is never read as nothing.
    for authorization in ["Bearer no", "Basic YTpi", ""] {
        assert_eq!(
            roles(&mut stream, &[("authorization", authorization)]).0,
            401
        );
    }
    // Both names that stand in it serve too, and taking one away is seen by the next request.
    for name in [ROBOT, "dns:robot.example"] {
        let all = json!([{"_id": ["_auth/id", "robot"], "certificate": null}]);
        secure.root(&all);
        assert_eq!(roles(&mut stream, &[]), invalid());
        secure.root(&json!([{"_id": ["_auth/id", "robot"], "certificate": [name]}]));
        assert_eq!(roles(&mut stream, &[]).0, 200, "{name}");
    }
    // A large body is not read for whom it names nobody.
    secure.root(&json!([{"_id": ["_auth/id", "robot"], "certificate": null}]));
    let large = " ".repeat(100_000);
    let told = ask(&mut stream, "POST", "/api/db/query", &[JSON], &large);
    assert_eq!(told.map_or(401, |told| told.status), 401);
}

#[test]
fn a_certificate_of_too_many_names_counts_for_its_hash_alone() {
    let secure = Secure::verifying();
    let names: Vec<_> = (0..=CERTIFICATE_NAMES_MAX)
        .map(|number| format!("dns:n{number}.example"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let edge = secure.authority.client(&names[1..], 4_000);
    let past = secure.authority.client(&names, 4_000);
    secure.robot(names[1]);
    assert_eq!(roles(&mut secure.certified(&edge), &[]).0, 200);
    assert_eq!(roles(&mut secure.certified(&past), &[]), invalid());
    let hash = CertificateName::of_der(&past.der);
    secure.root(&json!([{"_id": ["_auth/id", "robot"], "certificate": [hash.as_str()]}]));
    assert_eq!(roles(&mut secure.certified(&past), &[]).0, 200);
}

#[test]
fn a_certificate_ends_on_a_connection_that_is_open_too() {
    let secure = Secure::verifying();
    let certificate = secure.authority.client(&[ROBOT], 2_027);
    secure.robot(ROBOT);
    let mut stream = secure.certified(&certificate);
    assert_eq!(roles(&mut stream, &[]).0, 200);
    let pass = |ms| secure.clock.advance(Duration::from_millis(ms));
    let look_ms = CERTIFICATE_LOOK_SECONDS * 1_000;
    pass(look_ms);
    assert_eq!(roles(&mut stream, &[]).0, 200);
    // Verified anew a second before its end, it is not verified again until the minute is over.
    pass(365 * 86_400_000 - look_ms - 1_000);
    assert_eq!(roles(&mut stream, &[]).0, 200);
    pass(look_ms - 1);
    assert_eq!(roles(&mut stream, &[]).0, 200);
    pass(1);
    assert_eq!(roles(&mut stream, &[]), invalid());
    assert_eq!(roles(&mut stream, &[]), invalid());
}

#[test]
fn an_authority_that_is_taken_away_is_seen_on_open_connections_too() {
    let secure = Secure::verifying();
    let certificate = secure.authority.client(&[ROBOT], 4_000);
    secure.robot(ROBOT);
    let mut stream = secure.certified(&certificate);
    assert_eq!(roles(&mut stream, &[]).0, 200);
    let dir = tempfile::tempdir().unwrap();
    let others = Authority::new().write_verifying(dir.path());
    let own = secure.files.client_authorities.as_ref().unwrap();
    std::fs::copy(others.client_authorities.unwrap(), own).unwrap();
    secure.served.reloader.reload().unwrap();
    secure
        .clock
        .advance(Duration::from_secs(CERTIFICATE_LOOK_SECONDS));
    assert_eq!(roles(&mut stream, &[]), invalid());
    let mut again = secure.certified(&certificate);
    assert!(ask(&mut again, "GET", "/health", &[], "").is_err());
}

#[test]
fn headers_that_tell_of_a_certificate_are_nobody_s_word() {
    let secure = Secure::new();
    let certificate = secure.authority.client(&[ROBOT], 4_000);
    let hash = CertificateName::of_der(&certificate.der);
    secure.robot(hash.as_str());
    // Nobody asked for a certificate, so what this client would show proves nothing.
    let mut stream = secure.certified(&certificate);
    let digits = hash.as_str().trim_start_matches("sha256:");
    for (name, value) in [
        ("x-client-cert", hash.as_str()),
        ("x-client-certificate", hash.as_str()),
        ("x-ssl-client-verify", "SUCCESS"),
        ("x-ssl-client-fingerprint", digits),
        (
            "x-forwarded-client-cert",
            "Hash=ab;URI=spiffe://prod.example/robot",
        ),
        ("client-cert", ":AAAA:"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-user", "robot"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        let refused = (401, json!("http/no-token"));
        assert_eq!(roles(&mut stream, &[(name, value)]), refused, "{name}");
    }
}

#[test]
fn http2_is_spoken_in_plain_by_who_knows() {
    let served = serve(Mode::Closed);
    let stream = TcpStream::connect(served.address).unwrap();
    let mut client = Http2::new(stream).unwrap();
    let bearer = format!("Bearer {}", served.token);
    let headers = [JSON, ("authorization", bearer.as_str())];
    client
        .request(1, "POST", "/api/db/query", &headers, ROLES)
        .unwrap();
    assert!(client.answer(1).unwrap().unwrap().contains("root"));
    client
        .request(3, "POST", "/api/db/query", &[JSON], ROLES)
        .unwrap();
    let refused: Value = serde_json::from_str(&client.answer(3).unwrap().unwrap()).unwrap();
    assert_eq!(refused["error"], "http/no-token");
}

#[test]
fn so_many_requests_are_open_on_a_connection_and_one_more_is_refused() {
    const REFUSED_STREAM: u32 = 7;
    let secure = Secure::new();
    let mut client = secure.http2();
    // The settings of the server come with the first answer.
    client.request(1, "GET", "/health", &[], "").unwrap();
    client.answer(1).unwrap().unwrap();
    let bearer = secure.bearer();
    let headers = [JSON, ("authorization", bearer.as_str())];
    let block = head("POST", "/api/db/query", &headers);
    let ids: Vec<u32> = (0..=HTTP2_STREAMS_MAX).map(|n| 3 + 2 * n).collect();
    let (last, open) = ids.split_last().unwrap();
    for id in open {
        client.send(HEADERS, 4, *id, &block).unwrap();
    }
    client.send(HEADERS, 4, *last, &block).unwrap();
    assert_eq!(client.answer(*last).unwrap(), Err(REFUSED_STREAM));
    for id in open {
        client.send(0, END_STREAM, *id, ROLES.as_bytes()).unwrap();
        let body = client.answer(*id).unwrap().unwrap();
        assert!(body.contains("root"), "{body}");
    }
}

#[test]
fn a_flood_of_requests_that_are_taken_back_ends_the_connection() {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let secure = Secure::new();
    let mut client = secure.http2();
    let block = head("POST", "/api/db/query", &[JSON]);
    let mut sent = Vec::new();
    for number in 0..u32::try_from(HTTP2_RESETS_MAX).unwrap() * 20 {
        let id = (1 + 2 * number).to_be_bytes();
        let length = u32::try_from(block.len()).unwrap().to_be_bytes();
        sent.extend(&length[1..]);
        sent.extend([HEADERS, 4]);
        sent.extend(id);
        sent.extend(&block);
        sent.extend([0, 0, 4, RST_STREAM, 0]);
        sent.extend(id);
        sent.extend(8_u32.to_be_bytes());
    }
    // The server may end it while this is still being sent.
    let _ = client.0.write_all(&sent).and_then(|()| client.0.flush());
    let ended = loop {
        match client.receive() {
            Ok(frame) if frame.kind == 7 => break Some(frame.error()),
            Ok(_) => {}
            Err(_) => break None,
        }
    };
    assert!(matches!(ended, None | Some(ENHANCE_YOUR_CALM)), "{ended:?}");
    let mut stream = secure.connect(&Connecting::default());
    assert_eq!(
        ask(&mut stream, "GET", "/health", &[], "").unwrap().status,
        200
    );
}

#[test]
fn a_head_over_http2_is_bounded_as_one_over_http1_is() {
    use solon::base::limits::HEAD_BYTES_MAX;
    let secure = Secure::new();
    // A field counts for 32 bytes beside its name and value (RFC 9113, section 6.5.2).
    let own: usize = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/health"),
        ("x", ""),
    ]
    .iter()
    .map(|(name, value)| name.len() + value.len() + 32)
    .sum();
    for (length, is_answered) in [(HEAD_BYTES_MAX, true), (HEAD_BYTES_MAX + 1, false)] {
        let mut client = secure.http2();
        let filler = "a".repeat(length - own);
        let block = head("GET", "/health", &[("x", &filler)]);
        let parts: Vec<_> = block.chunks(16 * 1024).collect();
        for (number, part) in parts.iter().enumerate() {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            let mut flags = if number == 0 { END_STREAM } else { 0 };
            flags |= if number + 1 == parts.len() { 4 } else { 0 };
            client.send(kind, flags, 1, part).unwrap();
        }
        let answer = client
            .answer(1)
            .map(|answer| answer.map(|body| body.contains("ok")));
        assert_eq!(
            matches!(answer, Ok(Ok(true))),
            is_answered,
            "{length}: {answer:?}"
        );
    }
}

#[test]
fn a_stop_finishes_a_request_over_http2_whose_body_is_still_coming() {
    let mut secure = Secure::new();
    let mut client = secure.http2();
    let bearer = secure.bearer();
    let headers = [JSON, ("authorization", bearer.as_str())];
    let block = head("POST", "/api/db/query", &headers);
    client.send(HEADERS, 4, 1, &block).unwrap();
    // The second is answered, so the first has arrived.
    client.request(3, "GET", "/health", &[], "").unwrap();
    client.answer(3).unwrap().unwrap();
    secure.served.stopper.stop();
    client.send(0, END_STREAM, 1, ROLES.as_bytes()).unwrap();
    assert!(client.answer(1).unwrap().unwrap().contains("root"));
    while client.receive().is_ok() {}
    let thread = secure.served.thread.take().unwrap();
    assert!(thread.join().unwrap().is_ok());
}

#[test]
fn a_stop_does_not_wait_for_who_is_silent() {
    let mut secure = Secure::new();
    // Nothing sent at all, a handshake and no request, and a request that was answered.
    let silent = TcpStream::connect(secure.served.address).unwrap();
    let mut shaken = secure.connect(&Connecting::default());
    shaken.conn.complete_io(&mut shaken.sock).unwrap();
    let mut answered = secure.http2();
    answered.request(1, "GET", "/health", &[], "").unwrap();
    answered.answer(1).unwrap().unwrap();
    secure.served.stopper.stop();
    while answered.receive().is_ok() {}
    let thread = secure.served.thread.take().unwrap();
    assert!(thread.join().unwrap().is_ok());
    drop((silent, shaken));
}

#[cfg(all(unix, feature = "cli"))]
mod program {
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn solon(dir: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
        command.args(arguments).current_dir(dir).env_clear();
        command
    }

    #[test]
    fn flags_that_do_not_go_together_are_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        Authority::new().write_verifying(dir.path());
        let both = ["--tls.certificate", "server.pem", "--tls.key", "server.key"];
        let ca = ["--tls.ca-certificate", "clients.pem"];
        let verify = ["--tls.enable-client-verification"];
        let more = |more: &[&'static str]| [&both[..], more].concat();
        for (arguments, named) in [
            (both[..2].to_vec(), "--tls.key"),
            (both[2..].to_vec(), "--tls.certificate"),
            (more(&ca), "--tls.enable-client-verification"),
            (more(&verify), "--tls.ca-certificate"),
            ([&ca[..], &verify[..]].concat(), "--tls.certificate"),
            (
                more(&[&ca[..], &verify[..], &["--open"]].concat()),
                "--open",
            ),
            (more(&["--tls.key", "absent.key"])[..].to_vec(), "--tls.key"),
            (
                vec!["--tls.certificate", "absent", "--tls.key", "server.key"],
                "absent",
            ),
        ] {
            let out = solon(dir.path(), &["serve", "--listen", "127.0.0.1:0"])
                .args(&arguments)
                .output()
                .unwrap();
            let told = String::from_utf8(out.stderr).unwrap();
            assert_eq!(out.status.code(), Some(2), "{arguments:?}: {told}");
            assert!(told.contains(named), "{arguments:?}: {told}");
            assert!(out.stdout.is_empty());
        }
    }

    #[test]
    fn a_program_serves_by_its_environment_and_reads_its_files_again_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.write(dir.path());
        let mut child = solon(
            dir.path(),
            &["serve", "--listen", "127.0.0.1:0", "--log-format", "text"],
        )
        .env("SOLON_TLS_CERTIFICATE", "server.pem")
        .env("SOLON_TLS_KEY", "server.key")
        .env("SOLON_TLS_ENABLE_CLIENT_VERIFICATION", "false")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split("https://").nth(1).unwrap().parse().unwrap();
        let shown = || {
            let mut stream = authority.connect(address, &Connecting::default());
            ask(&mut stream, "GET", "/health", &[], "").unwrap();
            stream.conn.peer_certificates().unwrap()[0]
                .clone()
                .into_owned()
        };
        let before = shown();
        let signal = |name: &str| {
            let pid = child.id().to_string();
            let sent = Command::new("kill").args([name, &pid]).status().unwrap();
            assert!(sent.success());
        };
        let mut told = |part: &str| log.any(|line| line.unwrap().contains(part));
        std::fs::write(dir.path().join("server.key"), "nonsense").unwrap();
        signal("-HUP");
        assert!(told("TLS goes on with what it had"));
        assert_eq!(shown(), before);
        authority.write(dir.path());
        signal("-HUP");
        assert!(told("read the files of TLS again"));
        assert_ne!(shown(), before);
        signal("-TERM");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
