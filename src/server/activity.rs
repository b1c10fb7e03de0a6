//! What an HTTP/2 connection waits for, so that it is ended when that is nothing, or a client that does not come.
//!
//! HTTP/1 has one request at a time, and its waits are bounded one by one: the head by a timer, a write by
//! `patience.rs`. Over HTTP/2 the socket can be busy while a request is stuck, since the client opens the window of
//! each by itself. So each request is counted from its head to the last piece of its answer, and each piece that the
//! client lets through is noted.
//!
//! 1. A connection without requests for `HEAD_SECONDS_MAX` is idle.
//! 2. One of whose answers no piece went out for `WRITE_SECONDS_MAX` is stalled.
//! 3. What we work on ourselves has bounds of its own, and counts for neither.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::base::limits::{HEAD_SECONDS_MAX, HTTP2_FRAME_BYTES_MAX, WRITE_SECONDS_MAX};

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    is_http1: bool,
    requests: BTreeMap<u64, Turn>,
    next: u64,
    /// When the last request was done with.
    since: Instant,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Ours,
    Client { since: Instant },
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    Idle,
    Stalled,
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            is_http1: false,
            requests: BTreeMap::new(),
            next: 0,
            since: Instant::now(),
        })))
    }

    /// Notes that the connection speaks HTTP/1, which looks after itself.
    pub(super) fn is_http1(&self) {
        self.inner().is_http1 = true;
    }

    /// Counts a request, which has a place among those that may be open.
    pub(super) fn begin(self: &Arc<Self>, place: OwnedSemaphorePermit) -> InFlight {
        let mut inner = self.inner();
        let number = inner.next;
        inner.next = number.wrapping_add(1);
        inner.requests.insert(number, Turn::Ours);
        InFlight {
            activity: Arc::clone(self),
            number,
            _place: place,
        }
    }

    /// What is to be done now.
    pub(super) fn verdict(&self) -> Verdict {
        let now = Instant::now();
        let inner = self.inner();
        if inner.is_http1 {
            return Verdict::GoOn;
        }
        let longest = Duration::from_secs(WRITE_SECONDS_MAX);
        let is_stalled = |turn: &Turn| match turn {
            Turn::Ours => false,
            Turn::Client { since } => now.duration_since(*since) >= longest,
        };
        if inner.requests.values().any(is_stalled) {
            return Verdict::Stalled;
        }
        let idle = Duration::from_secs(HEAD_SECONDS_MAX);
        if inner.requests.is_empty() && now.duration_since(inner.since) >= idle {
            return Verdict::Idle;
        }
        Verdict::GoOn
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; and if it did, the counts would stand.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// Notes that it is the client's turn, from now on.
    fn wait(&self) {
        let since = Instant::now();
        let turn = Turn::Client { since };
        self.activity.inner().requests.insert(self.number, turn);
    }

    /// The answer, counted until its last piece went out.
    pub(super) fn count(self, body: Body) -> Body {
        self.wait();
        Body::new(Paced {
            body,
            left: Bytes::new(),
            request: self,
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut inner = self.activity.inner();
        inner.requests.remove(&self.number);
        inner.since = Instant::now();
    }
}

/// A body in pieces: each is asked for when the client let the one before through.
#[derive(Debug)]
struct Paced {
    body: Body,
    left: Bytes,
    request: InFlight,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.request.wait();
        if self.left.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.left = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return other,
            }
        }
        let piece = usize::try_from(HTTP2_FRAME_BYTES_MAX).unwrap_or(usize::MAX);
        let piece = piece.min(self.left.len());
        let piece = self.left.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = u64::try_from(self.left.len()).unwrap_or(u64::MAX);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(left));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}
