//! One connection, from its first byte to its end, over whatever carries bytes.
//!
//! It speaks HTTP/1.1 or HTTP/2, as TLS agreed or as its first bytes say. It ends when the client ends it, when it is
//! idle or stalled (`activity.rs`), or when the server stops and what was asked is answered.
//!
//! An HTTP/2 connection has a place of its own for one request, as an HTTP/1 connection has; what it has open beside
//! that takes places that all connections share. So whoever takes all of those leaves the others as they would be over
//! HTTP/1.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Version;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::activity::{Activity, Verdict};
use super::certificate::Certificate;
use super::door::{Door, Peer};
use super::problem::Refusal;
use crate::base::limits::{
    CONNECTION_LOOK_SECONDS, HEAD_BYTES_MAX, HEAD_SECONDS_MAX, HTTP2_FRAME_BYTES_MAX,
    HTTP2_PING_SECONDS, HTTP2_PING_SECONDS_MAX, HTTP2_RESETS_MAX, HTTP2_SEND_BYTES_MAX,
    HTTP2_STREAMS_BESIDE_MAX, HTTP2_STREAMS_MAX, REQUEST_WAIT_SECONDS_MAX, WRITE_SECONDS_MAX,
};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// What its first bytes say.
    Either,
}

/// What every connection is handed.
#[derive(Clone)]
pub(super) struct Serving {
    door: Arc<Door>,
    app: Router,
    beside: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// The other end of a connection: where it is, and what it proved.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) certificate: Option<Arc<Certificate>>,
}

impl Serving {
    pub(super) fn new(door: Arc<Door>, app: Router, stop: watch::Receiver<bool>) -> Self {
        Self {
            door,
            app,
            beside: Arc::new(Semaphore::new(HTTP2_STREAMS_BESIDE_MAX)),
            stop,
        }
    }

    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // A server that is gone has stopped.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Serves a connection to its end.
    pub(super) async fn serve<S>(self, stream: S, protocol: Protocol, client: Client)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::new();
        let requests = Requests {
            door: self.door.clone(),
            app: self.app.clone(),
            client,
            activity: Arc::clone(&activity),
            own: Arc::new(Semaphore::new(1)),
            beside: Arc::clone(&self.beside),
        };
        let service = service_fn(move |request| requests.clone().answer(request));
        let builder = builder(protocol);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut stopped = pin!(self.stopped());
        let mut look = interval(Duration::from_secs(CONNECTION_LOOK_SECONDS));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_told_to_stop = false;
        let mut told_idle: Option<Instant> = None;
        loop {
            tokio::select! {
                // What ends a connection early is the client's doing or the time's: nothing to tell.
                _ = connection.as_mut() => return,
                () = stopped.as_mut(), if !is_told_to_stop => {
                    is_told_to_stop = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = look.tick() => match (activity.verdict(), told_idle) {
                    (Verdict::GoOn, _) => {}
                    (Verdict::Stalled, _) => return,
                    (Verdict::Idle, None) => {
                        told_idle = Some(Instant::now());
                        connection.as_mut().graceful_shutdown();
                    }
                    (Verdict::Idle, Some(told)) => {
                        // It was told, and stays: what it has not taken in by now it will not.
                        if told.elapsed() >= Duration::from_secs(WRITE_SECONDS_MAX) {
                            return;
                        }
                    }
                }
            }
        }
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        // What is given here is the first length that is refused.
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX + 1).unwrap_or(u32::MAX))
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .max_send_buf_size(HTTP2_SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(HTTP2_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_RESETS_MAX)
        .keep_alive_interval(Duration::from_secs(HTTP2_PING_SECONDS))
        .keep_alive_timeout(Duration::from_secs(HTTP2_PING_SECONDS_MAX));
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
        Protocol::Either => builder,
    }
}

/// What answers the requests of one connection.
#[derive(Clone)]
struct Requests {
    door: Arc<Door>,
    app: Router,
    client: Client,
    activity: Arc<Activity>,
    own: Arc<Semaphore>,
    beside: Arc<Semaphore>,
}

impl Requests {
    async fn answer(self, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(self.client.peer);
        if let Some(certificate) = &self.client.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        if request.version() != Version::HTTP_2 {
            self.activity.is_http1();
            return TowerToHyperService::new(self.app).call(request).await;
        }
        let Some(place) = self.place().await else {
            let id = self.door.ids.of(request.headers());
            return Ok(Refusal::Busy.into_response(&id));
        };
        let in_flight = self.activity.begin(place);
        let answer = TowerToHyperService::new(self.app).call(request).await?;
        Ok(answer.map(|body| in_flight.count(body)))
    }

    /// A place for a request over HTTP/2: the connection's own, or one of those that all share.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = async {
            tokio::select! {
                biased;
                place = Arc::clone(&self.own).acquire_owned() => place.ok(),
                place = Arc::clone(&self.beside).acquire_owned() => place.ok(),
            }
        };
        let longest = Duration::from_secs(REQUEST_WAIT_SECONDS_MAX);
        timeout(longest, place).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
    use tokio::sync::mpsc;

    use super::*;
    use crate::base::limits::TLS_HANDSHAKE_SECONDS_MAX;
    use crate::db::{Folder, Options};
    use crate::server::devices::Devices;
    use crate::server::door::{Mode, Scheme};
    use crate::server::handshake;
    use crate::server::request_id::Ids;
    use crate::server::tls::{Tls, TlsFiles};
    use crate::server::work::Work;

    /// Larger than the window that HTTP/2 begins with.
    const LARGE: usize = 1 << 20;

    /// Serves connections in memory, on a clock that moves only while everything waits.
    fn run<F: Future<Output = ()>>(test: impl FnOnce(Serving) -> F) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::default();
        let door = Arc::new(Door {
            devices: Devices::default(),
            folder: Folder::open(dir.path(), &options).unwrap(),
            mode: Mode::Closed,
            scheme: Scheme::Http,
            clock: options.clock,
            ids: Ids::new(1),
            work: Work::new(),
        });
        let app = Router::new()
            .route("/short", get(|| async { "short" }))
            .route("/large", get(|| async { "a".repeat(LARGE) }))
            .route("/hang", get(std::future::pending::<()>));
        let stop = watch::Sender::new(false);
        let serving = Serving::new(door, app, stop.subscribe());
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(test(serving));
        drop(stop);
    }

    fn connect(serving: &Serving, protocol: Protocol) -> DuplexStream {
        let (server, client) = tokio::io::duplex(1 << 20);
        let at = Client {
            peer: Peer("127.0.0.1:1".parse().unwrap()),
            certificate: None,
        };
        tokio::spawn(serving.clone().serve(server, protocol, at));
        client
    }

    /// What comes until the connection ends, and after how many seconds it does.
    async fn rest(client: &mut DuplexStream) -> (String, u64) {
        let started = Instant::now();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text, started.elapsed().as_secs())
    }

    async fn pass(seconds: u64) {
        let never = std::future::pending::<()>();
        let _ = timeout(Duration::from_secs(seconds), never).await;
    }

    #[test]
    fn who_sends_no_head_or_half_of_one_is_given_up_in_time() {
        run(|serving| async move {
            let limit = HEAD_SECONDS_MAX..=HEAD_SECONDS_MAX + CONNECTION_LOOK_SECONDS;
            for protocol in [Protocol::Either, Protocol::Http1] {
                for sent in ["", "P", "GET /short HTTP/1.1\r\nhost: a\r\n"] {
                    let mut client = connect(&serving, protocol);
                    client.write_all(sent.as_bytes()).await.unwrap();
                    let (_, after) = rest(&mut client).await;
                    assert!(limit.contains(&after), "{protocol:?} {sent:?}: {after}");
                }
                let mut client = connect(&serving, protocol);
                client.write_all(b"GET /short HTTP/1.1\r\n").await.unwrap();
                pass(HEAD_SECONDS_MAX - 1).await;
                client.write_all(b"host: a\r\n\r\n").await.unwrap();
                // Answered, and ended when it idles.
                let (text, after) = rest(&mut client).await;
                assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
                assert!(limit.contains(&after), "{after}");
            }
        });
    }

    #[test]
    fn who_does_not_finish_a_handshake_is_given_up_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let path = dir.path().join("server.pem");
        let text = made.cert.pem() + &made.signing_key.serialize_pem();
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        run(|serving| async move {
            let files = TlsFiles {
                certificate: path.clone(),
                key: path,
                client_authorities: None,
            };
            let tls = Tls::read(files, Arc::clone(&serving.door.clock)).unwrap();
            let tls = Arc::new(tls);
            // Nothing, and the beginning of a record of a hello.
            for sent in [&b""[..], b"\x16\x03\x01\x01\x00\x01"] {
                let (server, mut client) = tokio::io::duplex(1 << 16);
                let peer = Peer("127.0.0.1:1".parse().unwrap());
                let tls = Some(Arc::clone(&tls));
                tokio::spawn(handshake::connect(server, peer, tls, serving.clone()));
                client.write_all(sent).await.unwrap();
                let (_, after) = rest(&mut client).await;
                assert_eq!(after, TLS_HANDSHAKE_SECONDS_MAX);
            }
        });
    }

    #[test]
    fn the_head_of_a_request_is_bounded() {
        run(|serving| async move {
            let start = "GET /short HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: ";
            let filler = HEAD_BYTES_MAX - start.len() - 4;
            for (more, status) in [(0, "200"), (1, "431")] {
                let mut client = connect(&serving, Protocol::Either);
                let head = format!("{start}{}\r\n\r\n", "a".repeat(filler + more));
                client.write_all(head.as_bytes()).await.unwrap();
                let (text, _) = rest(&mut client).await;
                assert!(
                    text.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{more}: {text}"
                );
            }
        });
    }

    /// A client that speaks HTTP/2 and answers pings; it opens windows only when it is told to.
    struct Http2 {
        write: mpsc::UnboundedSender<Vec<u8>>,
        frames: mpsc::UnboundedReceiver<(u8, u32, Vec<u8>)>,
    }

    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    impl Http2 {
        fn new(stream: DuplexStream) -> Self {
            let (read, to) = tokio::io::split(stream);
            let (write, from) = mpsc::unbounded_channel();
            let (told, frames) = mpsc::unbounded_channel();
            let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            hello.extend(frame(4, 0, 0, &[]));
            write.send(hello).unwrap();
            tokio::spawn(Self::write(to, from));
            tokio::spawn(Self::read(read, write.clone(), told));
            Self { write, frames }
        }

        async fn write(
            mut to: WriteHalf<DuplexStream>,
            mut from: mpsc::UnboundedReceiver<Vec<u8>>,
        ) {
            while let Some(bytes) = from.recv().await {
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }

        async fn read(
            mut read: ReadHalf<DuplexStream>,
            write: mpsc::UnboundedSender<Vec<u8>>,
            told: mpsc::UnboundedSender<(u8, u32, Vec<u8>)>,
        ) {
            let mut head = [0; 9];
            while read.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length).unwrap()];
                if read.read_exact(&mut payload).await.is_err() {
                    return;
                }
                let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                match (head[3], head[4]) {
                    (4, 0) => drop(write.send(frame(4, 1, 0, &[]))),
                    (6, 0) => drop(write.send(frame(6, 1, 0, &payload))),
                    (kind, _) => drop(told.send((kind, stream, payload))),
                }
            }
        }

        fn ask(&self, stream: u32, path: &str) {
            let mut block = Vec::new();
            for (name, value) in [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a"),
                (":path", path),
            ] {
                block.push(0);
                for text in [name, value] {
                    block.push(u8::try_from(text.len()).unwrap());
                    block.extend(text.bytes());
                }
            }
            self.write.send(frame(1, 5, stream, &block)).unwrap();
        }

        fn open(&self, stream: u32, by: u32) {
            for stream in [0, stream] {
                let bytes = frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
                self.write.send(bytes).unwrap();
            }
        }

        /// The bytes of the next answer on a stream to be whole, or nothing if the connection ends before.
        async fn answer(&mut self, stream: u32, length: usize) -> Option<Vec<u8>> {
            let mut body = Vec::new();
            while body.len() < length {
                let (kind, of, payload) = self.frames.recv().await?;
                if (kind, of) == (0, stream) {
                    body.extend(payload);
                }
            }
            Some(body)
        }

        /// After how many seconds the connection ends.
        async fn end(&mut self) -> u64 {
            let started = Instant::now();
            while self.frames.recv().await.is_some() {}
            started.elapsed().as_secs()
        }
    }

    #[test]
    fn a_connection_over_http2_without_requests_ends_in_time_and_one_with_a_request_does_not() {
        run(|serving| async move {
            let limit = HEAD_SECONDS_MAX..=HEAD_SECONDS_MAX + CONNECTION_LOOK_SECONDS;
            let mut silent = Http2::new(connect(&serving, Protocol::Http2));
            let after = silent.end().await;
            assert!(limit.contains(&after), "{after}");

            let mut client = Http2::new(connect(&serving, Protocol::Either));
            for stream in [1, 3, 5] {
                client.ask(stream, "/short");
                assert_eq!(client.answer(stream, 5).await.unwrap(), b"short");
                pass(HEAD_SECONDS_MAX - 1).await;
            }
            client.ask(7, "/hang");
            pass(10 * HEAD_SECONDS_MAX).await;
            client.ask(9, "/short");
            assert_eq!(client.answer(9, 5).await.unwrap(), b"short");
        });
    }

    #[test]
    fn an_answer_over_http2_that_is_not_taken_in_ends_the_connection_and_a_slow_one_does_not() {
        run(|serving| async move {
            let mut client = Http2::new(connect(&serving, Protocol::Http2));
            client.ask(1, "/large");
            let after = client.end().await;
            let limit = WRITE_SECONDS_MAX..=WRITE_SECONDS_MAX + CONNECTION_LOOK_SECONDS;
            assert!(limit.contains(&after), "{after}");

            // Other requests on the connection do not hide it.
            let client = Http2::new(connect(&serving, Protocol::Http2));
            client.ask(1, "/large");
            let started = Instant::now();
            for stream in (3..).step_by(2) {
                client.ask(stream, "/short");
                pass(5).await;
                if client.frames.is_closed() {
                    break;
                }
            }
            assert!(started.elapsed().as_secs() <= WRITE_SECONDS_MAX + 10);

            let mut client = Http2::new(connect(&serving, Protocol::Http2));
            client.ask(1, "/large");
            let mut taken = 65_535;
            client.answer(1, taken).await.unwrap();
            while taken < LARGE {
                pass(WRITE_SECONDS_MAX - CONNECTION_LOOK_SECONDS - 1).await;
                let more = (LARGE - taken).min(64 * 1024);
                client.open(1, u32::try_from(more).unwrap());
                client.answer(1, more).await.unwrap();
                taken += more;
            }
        });
    }

    #[test]
    fn a_client_that_answers_no_ping_is_given_up() {
        run(|serving| async move {
            let mut client = connect(&serving, Protocol::Http2);
            let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            hello.extend(frame(4, 0, 0, &[]));
            hello.extend(frame(4, 1, 0, &[]));
            client.write_all(&hello).await.unwrap();
            let (_, after) = rest(&mut client).await;
            assert!(
                after <= HTTP2_PING_SECONDS + HTTP2_PING_SECONDS_MAX,
                "{after}"
            );
        });
    }

    #[test]
    fn every_connection_has_a_place_for_one_request_whatever_the_others_take() {
        run(|serving| async move {
            let taken = serving.beside.available_permits();
            let taken = u32::try_from(taken).unwrap();
            let _all = serving.beside.acquire_many(taken).await.unwrap();
            let mut client = Http2::new(connect(&serving, Protocol::Http2));
            client.ask(1, "/short");
            assert_eq!(client.answer(1, 5).await.unwrap(), b"short");
            client.ask(3, "/hang");
            client.ask(5, "/short");
            let started = Instant::now();
            let refused = client.answer(5, 6).await.unwrap();
            let refused = String::from_utf8(refused).unwrap();
            assert!(refused.contains("http/busy"), "{refused}");
            assert_eq!(started.elapsed().as_secs(), REQUEST_WAIT_SECONDS_MAX);
        });
    }
}
