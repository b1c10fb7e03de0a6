//! Signing in for a device: its two endpoints (RFC 8628), the page in between, and the refreshing of tokens in
//! OAuth's words (RFC 6749, section 6).
//!
//! ```text
//! POST /oauth/device_authorization   client_id, db?            -> device_code, user_code, verification_uri, ..
//! GET, POST /device                  user_code, username, password, decision
//! POST /oauth/token                  grant_type, client_id, device_code | refresh_token -> access_token, ..
//! ```
//!
//! 1. There is one client, the command line; it is public and has no secret.
//! 2. There is no session and no cookie: the form that allows is the form with the password, so no other site's page
//!    can send it. A form from another site is refused all the same.
//! 3. What is signed in with is tried as at the sign-in door: the same lock-out, the same trail.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::devices::{Codes, Full, Poll, Shown, user_code};
use super::door::{Door, source};
use super::form::{Form, Shape, shape};
use super::open::{is_same_origin, only_host};
use super::page;
use super::problem::Refusal;
use super::request_id::RequestId;
use super::work::Length;
use crate::base::limits::{DEVICE_INTERVAL_SECONDS, DEVICE_SECONDS_MAX};
use crate::db::{ErrorKind, Folder, SignIn, SignedIn, Source, UserName};

/// The one client that may ask.
const CLIENT: &str = "solon-cli";

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a device is refused with (RFC 6749, section 5.2; RFC 8628, section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Request(&'static str),
    Client,
    GrantType,
    Grant,
    Pending,
    SlowDown,
    Denied,
    Expired,
    Busy,
}

impl Wrong {
    fn told(self) -> (StatusCode, &'static str, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::Request(why) => (bad, "invalid_request", why),
            Self::Client => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "there is no such client",
            ),
            Self::GrantType => (
                bad,
                "unsupported_grant_type",
                "a device code or a refresh token is taken here",
            ),
            Self::Grant => (bad, "invalid_grant", "the token is not good here"),
            Self::Pending => (bad, "authorization_pending", "nobody signed in yet"),
            Self::SlowDown => (bad, "slow_down", "ask five seconds less often"),
            Self::Denied => (bad, "access_denied", "the sign-in was refused"),
            Self::Expired => (bad, "expired_token", "the code is not good, or no longer"),
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                "too many devices wait; try again later",
            ),
        }
    }

    fn into_response(self) -> Response {
        let (status, error, description) = self.told();
        let mut response = answer(
            status,
            &json!({"error": error, "error_description": description}),
        );
        if self == Self::Busy {
            let later = HeaderValue::from(DEVICE_INTERVAL_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, later);
        }
        response
    }
}

/// `POST /oauth/device_authorization`, and `/oauth/devicecode` for those that know it by that name.
pub(super) async fn authorize(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, form) = match take(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    if form.field("client_id") != Some(CLIENT) {
        return Wrong::Client.into_response();
    }
    let database = form.field("db").unwrap_or(Folder::DEFAULT).to_owned();
    let Some(base) = base_of(&door, &parts) else {
        return Wrong::Request("the request needs one `Host`").into_response();
    };
    let mut random = [0; 96];
    if getrandom::fill(&mut random).is_err() {
        return Wrong::Busy.into_response();
    }
    let (device, user) = random.split_at(32);
    let Some(user_code) = user_code(user) else {
        return Wrong::Busy.into_response();
    };
    let codes = Codes {
        device_code: URL_SAFE_NO_PAD.encode(device),
        user_code,
    };
    let hash = hash_of(&codes.device_code);
    let now = door.clock.elapsed();
    if let Err(Full::TooMany) =
        door.devices
            .begin(&codes, hash, source(&parts.extensions), database, now)
    {
        return Wrong::Busy.into_response();
    }
    let Codes {
        device_code,
        user_code,
    } = codes;
    answer(
        StatusCode::OK,
        &json!({
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": format!("{base}/device"),
            "verification_uri_complete": format!("{base}/device?user_code={user_code}"),
            "expires_in": DEVICE_SECONDS_MAX,
            "interval": DEVICE_INTERVAL_SECONDS,
        }),
    )
}

/// `POST /oauth/token`.
pub(super) async fn token(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, form) = match take(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let from = source(&parts.extensions);
    match form.field("grant_type") {
        None => Wrong::Request("`grant_type` is missing").into_response(),
        Some(DEVICE_CODE) => {
            if form.field("client_id") != Some(CLIENT) {
                return Wrong::Client.into_response();
            }
            let Some(code) = form.field("device_code") else {
                return Wrong::Request("`device_code` is missing").into_response();
            };
            match door.devices.poll(&hash_of(code), door.clock.elapsed()) {
                Poll::Done(signed_in) => granted(&signed_in),
                Poll::Pending => Wrong::Pending.into_response(),
                Poll::SlowDown => Wrong::SlowDown.into_response(),
                Poll::Refused => Wrong::Denied.into_response(),
                Poll::Unknown => Wrong::Expired.into_response(),
            }
        }
        Some("refresh_token") => {
            if form.field("client_id").is_some_and(|it| it != CLIENT) {
                return Wrong::Client.into_response();
            }
            let Some(token) = form.field("refresh_token").map(str::to_owned) else {
                return Wrong::Request("`refresh_token` is missing").into_response();
            };
            let folder = door.folder.clone();
            let refreshed = door
                .work
                .run(Length::Long, move || folder.refresh(&token, from))
                .await;
            match refreshed {
                Ok(Ok(signed_in)) => granted(&signed_in),
                Ok(Err(error)) if error.kind() == ErrorKind::Unauthenticated => {
                    door.folder.tell_denied(error.code(), from);
                    Wrong::Grant.into_response()
                }
                Ok(Err(error)) => refuse(Refusal::Db(error), &parts),
                Err(refusal) => refuse(refusal, &parts),
            }
        }
        Some(_) => Wrong::GrantType.into_response(),
    }
}

/// `GET` and `POST /device`.
pub(super) async fn page(State(door): State<Arc<Door>>, request: Request) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => {
            let (parts, _) = request.into_parts();
            let form = Form::parse(parts.uri.query().unwrap_or_default());
            match form.as_ref().and_then(|form| form.field("user_code")) {
                Some(code) => show(&door, code, source(&parts.extensions)).await,
                None => page::ask_code(StatusCode::OK, None),
            }
        }
        Method::POST => decide(&door, request).await,
        _ => {
            let (parts, _) = request.into_parts();
            refuse(Refusal::WrongMethod("GET, HEAD, POST"), &parts)
        }
    }
}

async fn show(door: &Arc<Door>, code: &str, from: Source) -> Response {
    match door.devices.show(code, from, door.clock.elapsed()) {
        Ok(Some(shown)) => {
            let banner = banner(door, &shown.database).await;
            page::ask_person(StatusCode::OK, &shown, banner.as_deref(), None)
        }
        Ok(None) => page::ask_code(
            StatusCode::NOT_FOUND,
            Some("There is no such code, or it is no longer good."),
        ),
        Err(Full::TooMany) => too_many(),
    }
}

/// The form was sent: with a code alone, or with a decision about the device that has it.
async fn decide(door: &Arc<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if shape(&parts.headers) != Shape::Form {
        return refuse(Refusal::WrongContentType, &parts);
    }
    if !is_same_origin(parts.version, &parts.uri, &parts.headers) {
        return page::ask_code(
            StatusCode::FORBIDDEN,
            Some("The form was sent by another site. Type the code here."),
        );
    }
    let form = match Form::read(&parts.headers, body).await {
        Ok(Some(form)) => form,
        Ok(None) => return page::ask_code(StatusCode::BAD_REQUEST, Some("Please try again.")),
        Err(refusal) => return refuse(refusal, &parts),
    };
    let from = source(&parts.extensions);
    let code = form.field("user_code").unwrap_or_default();
    let shown = match door.devices.show(code, from, door.clock.elapsed()) {
        Ok(Some(shown)) => shown,
        Ok(None) => return show(door, code, from).await,
        Err(Full::TooMany) => return too_many(),
    };
    match form.field("decision") {
        None => show(door, code, from).await,
        Some("allow") => sign_in(door, &form, shown, from).await,
        Some(_) => {
            door.devices
                .answer(&shown.user_code, Err(()), door.clock.elapsed());
            page::done(
                "Refused",
                "The device was told no. You can close this page.",
            )
        }
    }
}

async fn sign_in(door: &Arc<Door>, form: &Form, shown: Shown, from: Source) -> Response {
    let field = |name| form.field(name).unwrap_or_default().to_owned();
    let (user, password) = (field("username"), field("password"));
    let (folder, database) = (door.folder.clone(), shown.database.clone());
    let signed_in = door
        .work
        .run(Length::Long, move || {
            let who = SignIn {
                user: UserName::Name(user),
                password: &password,
                expire_seconds: None,
                database: &database,
            };
            folder.sign_in(&who, from)
        })
        .await;
    let wrong = match signed_in {
        Ok(Ok(signed_in)) => {
            let now = door.clock.elapsed();
            return if door.devices.answer(&shown.user_code, Ok(signed_in), now) {
                page::done(
                    "Signed in",
                    "The device goes on by itself. You can close this page.",
                )
            } else {
                page::ask_code(
                    StatusCode::NOT_FOUND,
                    Some("The code is no longer good. Start again on the device."),
                )
            };
        }
        Ok(Err(error)) => match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::NotFound => (
                StatusCode::UNAUTHORIZED,
                "The user or the password is wrong.",
            ),
            ErrorKind::Limit(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many sign-ins failed. Try again in some minutes.",
            ),
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "A user and a password are needed."),
            ErrorKind::Denied
            | ErrorKind::Conflict
            | ErrorKind::Unavailable
            | ErrorKind::Corrupt
            | ErrorKind::Internal => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This does not work just now. Try again.",
            ),
        },
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This does not work just now. Try again.",
        ),
    };
    let banner = banner(door, &shown.database).await;
    page::ask_person(wrong.0, &shown, banner.as_deref(), Some(wrong.1))
}

async fn banner(door: &Arc<Door>, database: &str) -> Option<String> {
    let (folder, database) = (door.folder.clone(), database.to_owned());
    let asked = door
        .work
        .run(Length::Short, move || folder.banner(&database));
    asked.await.ok()?.ok()?
}

fn too_many() -> Response {
    page::ask_code(
        StatusCode::TOO_MANY_REQUESTS,
        Some("Too many codes were tried. Try again in ten minutes."),
    )
}

/// A form that is posted by a client.
async fn take(request: Request) -> Result<(Parts, Form), Response> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(refuse(Refusal::WrongMethod("POST"), &parts));
    }
    match shape(&parts.headers) {
        Shape::Form => {}
        Shape::Json | Shape::Other => {
            return Err(Wrong::Request("the body is a form").into_response());
        }
    }
    match Form::read(&parts.headers, body).await {
        Ok(Some(form)) => Ok((parts, form)),
        Ok(None) => Err(Wrong::Request("a field is there twice").into_response()),
        Err(refusal) => Err(refuse(refusal, &parts)),
    }
}

/// The address at which the client reached this server, as it says itself: it is told back to it alone.
fn base_of(door: &Door, parts: &Parts) -> Option<String> {
    let host = only_host(parts.version, &parts.uri, &parts.headers)?;
    let is_plain = !host.as_str().contains('@');
    is_plain.then(|| format!("{}://{host}", door.scheme.name()))
}

fn granted(signed_in: &SignedIn) -> Response {
    answer(
        StatusCode::OK,
        &json!({
            "access_token": signed_in.token,
            "token_type": "Bearer",
            "expires_in": signed_in.expires_in,
            "refresh_token": signed_in.refresh_token,
        }),
    )
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn hash_of(code: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(code.as_bytes()))
}

fn refuse(refusal: Refusal, parts: &Parts) -> Response {
    match parts.extensions.get::<RequestId>() {
        Some(id) => refusal.into_response(id),
        None => Response::default(),
    }
}
