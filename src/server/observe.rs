//! What is done around every request: its id, its one line in the log, and the floor under a panic.
//!
//! The line has the route's template and not the path, the auth's id and not the token, and no body. Fields are
//! logged as values, which both formats escape, so that no client can write a line of its own.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::Next;
use axum::response::Response;

use super::door::Door;
use super::problem::Refusal;
use super::request_id::{self, RequestId};

/// What a request turned out to be; the routes leave it on the response for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The `_auth` it was judged as.
    pub(super) auth: Option<i64>,
    /// The database that its path names.
    pub(super) database: Option<String>,
}

/// Left on a response whose request panicked, so that its problem gets the request's id.
#[derive(Clone, Copy, Debug)]
struct Panicked;

/// What stands in for the answer of a request that panicked.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Panicked);
    response
}

/// Gives the request its id, and writes its line when it is answered.
pub(super) async fn observe(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = door.clock.elapsed();
    let id = door.ids.of(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;
    if response.extensions().get::<Panicked>().is_some() {
        response = Refusal::Broken.into_response(&id);
    }
    if let Some(value) = id.to_header() {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let took = door.clock.elapsed().saturating_sub(started);
    log(&id, method.as_str(), route.as_ref(), &response, took);
    response
}

fn log(
    id: &RequestId,
    method: &str,
    route: Option<&MatchedPath>,
    response: &Response,
    took: Duration,
) {
    let told = response.extensions().get::<Told>();
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    tracing::info!(
        request_id = id.as_str(),
        method,
        route = route.map_or("-", MatchedPath::as_str),
        auth = told.and_then(|told| told.auth),
        db = told.and_then(|told| told.database.as_deref()),
        status = response.status().as_u16(),
        ms = f64::from(micros) / 1_000.0,
        "request"
    );
}
