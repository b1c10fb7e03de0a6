//! The doors of a storage vendor's REST API, so that its own clients sign in, refresh and are revoked here unmodified.
//!
//! ```text
//! POST   /api/v2/login                          {"username", "password", "org"?}
//! POST   /api/v2/login/refresh                  {"refresh_token"}
//! GET    /api/v2/security/defaultTokensExpiry
//! GET    /api/v2/cluster
//! GET    /api/v2/users
//! GET    /api/v2/users/whoami
//! DELETE /api/v2/users/{uid}/revoke
//! ```
//!
//! 1. Bodies are JSON or forms; every answer is JSON, errors too: `{"data": ..}`, or `{"message", "data"}` with the
//!    reason. The statuses are that vendor's: a lock-out is 403, its text says how long, and so does `Retry-After`.
//! 2. `org` is read in any case. `Root`, which is what is meant without one, is the database `local/default`; another
//!    is the database of that name, or the `default` one of that network.
//! 3. They are doors like others: what they may show and do is decided behind them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bearer::{Credential, credential};
use super::body;
use super::door::{Door, source};
use super::form::{Form, Shape, shape};
use super::problem::{Refusal, status};
use super::work::Length;
use crate::base::limits::{ACCESS_TOKEN_SECONDS, FORM_BYTES_MAX, REFRESH_SECONDS_MAX};
use crate::db::{self, ErrorKind, Folder, Session, SignIn, SignedIn, UserName};

/// Why a request is refused, in that vendor's words.
struct Wrong {
    status: StatusCode,
    message: String,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
    /// By which code the trail counts it.
    denied: Option<&'static str>,
}

impl Wrong {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
            allow: None,
            denied: None,
        }
    }

    fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the path knows other methods",
            )
        }
    }

    fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    /// A sign-in that was refused.
    fn of_login(error: &db::Error) -> Self {
        match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::NotFound => {
                Self::new(StatusCode::UNAUTHORIZED, "Invalid username or password")
            }
            ErrorKind::Limit(db::LimitKind::Rate) => {
                let seconds = error.retry_after_seconds().unwrap_or(1);
                let why = format!(
                    "Authentication Failed. User has been locked out for another {} due to too many login attempts",
                    told(seconds)
                );
                Self {
                    retry_after: Some(seconds),
                    ..Self::new(StatusCode::FORBIDDEN, why)
                }
            }
            _ => Self::from(error),
        }
    }

    fn into_response(self) -> Response {
        let body = json!({"message": self.message, "data": self.message});
        let mut response = answer(self.status, &body);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<&db::Error> for Wrong {
    fn from(error: &db::Error) -> Self {
        let message = match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Internal => "Internal error",
            _ => error.message(),
        };
        let is_denial = matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied);
        Self {
            retry_after: error.retry_after_seconds(),
            denied: is_denial.then_some(error.code()),
            ..Self::new(status(error.kind()), message)
        }
    }
}

impl From<db::Error> for Wrong {
    fn from(error: db::Error) -> Self {
        Self::from(&error)
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Db(error) => Self::from(error),
            _ => Self::new(refusal.status(), refusal.code()),
        }
    }
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    org: Option<String>,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

/// `POST /login`.
pub(super) async fn login(State(door): State<Arc<Door>>, request: Request) -> Response {
    told_or_refused(sign_in(&door, request).await)
}

async fn sign_in(door: &Arc<Door>, request: Request) -> Result<Value, Wrong> {
    let (parts, text) = take(request).await?;
    let Login {
        username,
        password,
        org,
    } = match text {
        Text::Json(text) => serde_json::from_str(&text).map_err(|_| malformed())?,
        Text::Form(form) => {
            let field = |name| form.field(name).map(str::to_owned);
            Login {
                username: field("username").ok_or_else(malformed)?,
                password: field("password").ok_or_else(malformed)?,
                org: field("org"),
            }
        }
    };
    let from = source(&parts.extensions);
    let folder = door.folder.clone();
    let signed_in = door
        .work
        .run(Length::Long, move || {
            let database = database_of(org.as_deref());
            let who = SignIn {
                user: UserName::Name(username),
                password: &password,
                expire_seconds: None,
                database: &database,
            };
            folder.sign_in(&who, from)
        })
        .await?;
    let signed_in = signed_in.map_err(|error| Wrong::of_login(&error))?;
    Ok(tokens(&signed_in))
}

/// `POST /login/refresh`.
pub(super) async fn refresh(State(door): State<Arc<Door>>, request: Request) -> Response {
    told_or_refused(refreshed(&door, request).await)
}

async fn refreshed(door: &Arc<Door>, request: Request) -> Result<Value, Wrong> {
    let (parts, text) = take(request).await?;
    let Refresh { refresh_token } = match text {
        Text::Json(text) => serde_json::from_str(&text).map_err(|_| malformed())?,
        Text::Form(form) => Refresh {
            refresh_token: form
                .field("refresh_token")
                .ok_or_else(malformed)?
                .to_owned(),
        },
    };
    let (folder, from) = (door.folder.clone(), source(&parts.extensions));
    let signed_in = door
        .work
        .run(Length::Long, move || folder.refresh(&refresh_token, from))
        .await?;
    match signed_in {
        Ok(signed_in) => Ok(tokens(&signed_in)),
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            door.folder.tell_denied(error.code(), from);
            Err(Wrong::unauthorized())
        }
        Err(error) => Err(Wrong::from(&error)),
    }
}

/// `GET /security/defaultTokensExpiry`.
pub(super) async fn expiry(State(door): State<Arc<Door>>, request: Request) -> Response {
    let told = |session: &Session| {
        may_ask(session)?;
        Ok(json!({
            "access_token_expiry": ACCESS_TOKEN_SECONDS,
            "refresh_token_expiry": REFRESH_SECONDS_MAX,
        }))
    };
    told_or_refused(ask(&door, request, Method::GET, Length::Short, told).await)
}

/// `GET /cluster`: which system this is, as far as those clients ask.
pub(super) async fn cluster(State(door): State<Arc<Door>>, request: Request) -> Response {
    let told = |session: &Session| {
        may_ask(session)?;
        let incarnation = uuid::Uuid::from_bytes(session.incarnation().0).to_string();
        Ok(json!({
            "guid": incarnation,
            "name": session.database_name(),
            "release": env!("CARGO_PKG_VERSION"),
        }))
    };
    told_or_refused(ask(&door, request, Method::GET, Length::Short, told).await)
}

/// `GET /users/whoami`.
pub(super) async fn whoami(State(door): State<Arc<Door>>, request: Request) -> Response {
    let told = |session: &Session| {
        let who = session.whoami("")?;
        let role = role_of(&who.roles, session.is_root()?);
        let uid = who.user.map(|user| uid(session, user.raw()));
        Ok(json!({
            "org_id": org_id(session),
            "org_name": org_name(session),
            "username": who.username.as_deref().unwrap_or(&who.id),
            "source": "Internal",
            "uid": uid.unwrap_or_else(|| self::uid(session, who.auth.raw())),
            "role": role,
        }))
    };
    told_or_refused(ask(&door, request, Method::GET, Length::Short, told).await)
}

/// `GET /users`.
pub(super) async fn users(State(door): State<Arc<Door>>, request: Request) -> Response {
    let told = |session: &Session| {
        let users = session.users("")?;
        let users = users.iter().map(|it| {
            let roles: Vec<String> = it.auths.iter().flat_map(|it| it.roles.clone()).collect();
            json!({
                "org_id": org_id(session),
                "username": it.username,
                "source": "Internal",
                "uid": uid(session, it.user.raw()),
                "role": role_of(&roles, false),
            })
        });
        Ok(Value::Array(users.collect()))
    };
    told_or_refused(ask(&door, request, Method::GET, Length::Short, told).await)
}

/// `DELETE /users/{uid}/revoke`: all tokens of the user end.
pub(super) async fn revoke(
    State(door): State<Arc<Door>>,
    sent: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let told = move |session: &Session| {
        // What is no text is no user's.
        let sent = sent.ok().map(|Path(sent)| sent);
        let Some(user) = sent.and_then(|sent| user_of(session, &sent)) else {
            return Err(Wrong::new(StatusCode::NOT_FOUND, "there is no such user"));
        };
        session
            .revoke(&json!({"all": true, "user": user}).to_string())
            .map_err(|error| Wrong::from(&error))?;
        Ok(json!("revoked"))
    };
    told_or_refused(ask(&door, request, Method::DELETE, Length::Long, told).await)
}

/// Law 1: an auth whose roles allow nothing is told nothing, what is no secret neither.
fn may_ask(session: &Session) -> Result<(), Wrong> {
    session.whoami("").map(drop).map_err(Wrong::from)
}

/// Any other path behind `/api/v2`: those clients read JSON of every answer.
pub(super) async fn unknown() -> Response {
    Wrong::new(StatusCode::NOT_FOUND, "there is no such path").into_response()
}

/// Asks something of the bearer's session.
async fn ask(
    door: &Arc<Door>,
    request: Request,
    method: Method,
    length: Length,
    told: impl FnOnce(&Session) -> Result<Value, Wrong> + Send + 'static,
) -> Result<Value, Wrong> {
    if request.method() != method {
        return Err(Wrong::method(if method == Method::GET {
            "GET"
        } else {
            "DELETE"
        }));
    }
    let (parts, body) = request.into_parts();
    let Credential::Token(token) = credential(&parts.headers) else {
        return Err(Wrong::unauthorized());
    };
    // Judged once the whole body is there, as everywhere; there is nothing to read in it.
    body::read(&parts.headers, body, FORM_BYTES_MAX).await?;
    let (folder, from) = (door.folder.clone(), source(&parts.extensions));
    door.work
        .run(length, move || {
            let session = folder.session_from(&token, None, from).map_err(|error| {
                let wrong = Wrong::from(&error);
                if let Some(code) = wrong.denied {
                    folder.tell_denied(code, from);
                }
                wrong
            })?;
            let told = told(&session);
            if let Err(Wrong {
                denied: Some(code), ..
            }) = &told
            {
                session.tell_denied(code);
            }
            told
        })
        .await?
}

enum Text {
    Json(String),
    Form(Form),
}

async fn take(request: Request) -> Result<(Parts, Text), Wrong> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Wrong::method("POST"));
    }
    let text = match shape(&parts.headers) {
        Shape::Json => {
            let bytes = body::read(&parts.headers, body, FORM_BYTES_MAX).await?;
            Text::Json(String::from_utf8(bytes).map_err(|_| malformed())?)
        }
        Shape::Form => {
            let form = Form::read(&parts.headers, body).await?;
            Text::Form(form.ok_or_else(malformed)?)
        }
        Shape::Other => return Err(Refusal::WrongContentType.into()),
    };
    Ok((parts, text))
}

fn malformed() -> Wrong {
    Wrong::new(StatusCode::BAD_REQUEST, "the body is not what is read here")
}

fn told_or_refused(told: Result<Value, Wrong>) -> Response {
    match told {
        Ok(data) => answer(StatusCode::OK, &json!({"data": data})),
        Err(wrong) => wrong.into_response(),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn tokens(signed_in: &SignedIn) -> Value {
    json!({
        "access_token": signed_in.token,
        "token_type": "Bearer",
        "expires_in": signed_in.expires_in,
        "refresh_token": signed_in.refresh_token,
        "password_change_required": false,
    })
}

/// Point 2.
fn database_of(org: Option<&str>) -> String {
    match org {
        None | Some("") => Folder::DEFAULT.to_owned(),
        Some(org) if org.eq_ignore_ascii_case("root") => Folder::DEFAULT.to_owned(),
        Some(org) if org.contains(['/', '.']) => org.to_ascii_lowercase(),
        Some(org) => format!("{}/default", org.to_ascii_lowercase()),
    }
}

fn org_name(session: &Session) -> String {
    let name = session.database_name();
    if name == Folder::DEFAULT {
        "Root".to_owned()
    } else {
        name.strip_suffix("/default").unwrap_or(name).to_owned()
    }
}

/// 0 is that vendor's root; another is told apart by its incarnation.
fn org_id(session: &Session) -> u32 {
    if session.database_name() == Folder::DEFAULT {
        return 0;
    }
    let [first, second, third, ..] = session.incarnation().0;
    u32::from_be_bytes([0, first, second, third]).saturating_add(1)
}

/// That vendor's name of what somebody may do: the role of that name, if they hold it.
fn role_of(roles: &[String], is_root: bool) -> &'static str {
    const KNOWN: [&str; 7] = [
        "ClusterAdmin",
        "OrgAdmin",
        "TenantAdmin",
        "ReadOnly",
        "Regular",
        "S3",
        "CSI",
    ];
    if is_root || roles.iter().any(|role| role == "root") {
        return "ClusterAdmin";
    }
    let held = |known: &&&str| roles.iter().any(|role| role.eq_ignore_ascii_case(known));
    KNOWN.iter().find(held).copied().unwrap_or("Regular")
}

/// A subject of this database as a UUID (version 8): seven bytes of the incarnation, and the subject's id.
fn uid(session: &Session, subject: i64) -> String {
    let [a, b, c, d, e, f, g, ..] = session.incarnation().0;
    let [_, h, i, j, k, l, m, n] = subject.to_be_bytes();
    uuid::Builder::from_custom_bytes([a, b, c, d, e, f, 0, g, 0, h, i, j, k, l, m, n])
        .into_uuid()
        .to_string()
}

fn user_of(session: &Session, sent: &str) -> Option<i64> {
    let sent = uuid::Uuid::try_parse(sent).ok()?;
    let [.., h, i, j, k, l, m, n] = sent.into_bytes();
    let subject = i64::from_be_bytes([0, h, i, j, k, l, m, n]);
    (uid(session, subject) == sent.to_string()).then_some(subject)
}

/// A time as that vendor's clients read it: `1m55s`.
fn told(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_is_a_database() {
        for (org, database) in [
            (None, "local/default"),
            (Some(""), "local/default"),
            (Some("Root"), "local/default"),
            (Some("root"), "local/default"),
            (Some("Acme"), "acme/default"),
            (Some("acme/sales"), "acme/sales"),
            (Some("acme.sales"), "acme.sales"),
        ] {
            assert_eq!(database_of(org), database, "{org:?}");
        }
    }

    #[test]
    fn a_role_is_the_one_of_that_name() {
        let roles = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        assert_eq!(role_of(&roles(&["csi", "x"]), false), "CSI");
        assert_eq!(role_of(&roles(&["x"]), false), "Regular");
        assert_eq!(role_of(&roles(&[]), true), "ClusterAdmin");
        assert_eq!(role_of(&roles(&["root"]), false), "ClusterAdmin");
    }

    #[test]
    fn a_time_is_told_in_minutes_and_seconds() {
        for (seconds, text) in [(1, "1s"), (59, "59s"), (60, "1m0s"), (115, "1m55s")] {
            assert_eq!(told(seconds), text);
        }
    }
}
