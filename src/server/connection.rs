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
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
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
