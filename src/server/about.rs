//! What the server says about itself, to anybody: that it lives, that it can serve, its version.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::door::Door;
use super::problem::Refusal;
use super::request_id::RequestId;
use super::work::Length;
use crate::wire::{Health, Status, Version};

const METHODS: &str = "GET, HEAD";

/// `/health` and `/livez`: the process lives.
pub(super) async fn health(request: Request) -> Response {
    answer(&request, StatusCode::OK, &Health { status: Status::Ok })
}

/// `/ready` and `/readyz`: the database can be asked.
pub(super) async fn ready(State(door): State<Arc<Door>>, request: Request) -> Response {
    let folder = door.folder.clone();
    let asked = door.work.run(Length::Short, move || folder.ready()).await;
    if matches!(asked, Ok(Ok(()))) {
        return answer(&request, StatusCode::OK, &Health { status: Status::Ok });
    }
    let status = Status::Unavailable;
    let mut response = answer(
        &request,
        StatusCode::SERVICE_UNAVAILABLE,
        &Health { status },
    );
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}

/// `/version`.
pub(super) async fn version(request: Request) -> Response {
    answer(&request, StatusCode::OK, &Version::this())
}

fn answer(request: &Request, status: StatusCode, shape: &impl Serialize) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(request, Refusal::WrongMethod(METHODS));
    }
    let Ok(body) = serde_json::to_vec(shape) else {
        return refuse(request, Refusal::Broken);
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn refuse(request: &Request, refusal: Refusal) -> Response {
    match request.extensions().get::<RequestId>() {
        Some(id) => refusal.into_response(id),
        None => Response::default(),
    }
}
