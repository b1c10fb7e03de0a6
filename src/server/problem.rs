//! The one file where HTTP statuses are named, and the one shape that every refusal has.
//!
//! A status follows from the error's kind by an exhaustive match: a new kind does not compile until it is placed.
//! What is told of `Internal` and `Corrupt` is that they happened; what happened stands in the log.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::request_id::RequestId;
use crate::db::{self, ErrorKind, LimitKind};
use crate::wire::{Problem, QueryProblem};

/// When a client that was told to come back may do so, seconds.
const RETRY_SECONDS: &str = "1";

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What was asked of the database was refused or failed.
    Db(db::Error),
    /// No token, where one is needed.
    NoToken,
    /// An `Authorization` header that is not one bearer token.
    MalformedToken,
    /// A token beside a command, which carries its own proof.
    UnexpectedToken,
    /// The header `Idempotency-Key` is not one text.
    MalformedKey,
    /// No such path.
    UnknownRoute,
    /// The path knows other methods: these.
    WrongMethod(&'static str),
    /// The body is not said to be JSON.
    WrongContentType,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body passes its bound.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body ended before its end.
    BodyBroken,
    /// Too many requests are being worked on.
    Busy,
    /// The request panicked, or its answer could not be written.
    Broken,
}

/// The status of an error of this kind.
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Limit(which) => match which {
            LimitKind::Request => StatusCode::BAD_REQUEST,
            LimitKind::Body => StatusCode::PAYLOAD_TOO_LARGE,
            LimitKind::Time => StatusCode::SERVICE_UNAVAILABLE,
            LimitKind::Rate => StatusCode::TOO_MANY_REQUESTS,
        },
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status of an answer to `count` queries of which these were refused: none if all were answered, and the highest
/// of theirs if none was.
pub(super) fn status_of_many(count: usize, refused: &[Refusal]) -> Option<StatusCode> {
    let highest = refused.iter().map(Refusal::status).max()?;
    Some(if refused.len() < count {
        StatusCode::MULTI_STATUS
    } else {
        highest
    })
}

impl Refusal {
    /// The refusal's status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Db(error) => status(error.kind()),
            Self::NoToken | Self::MalformedToken => StatusCode::UNAUTHORIZED,
            Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotUtf8 | Self::BodyBroken | Self::MalformedKey | Self::UnexpectedToken => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the audit trail tells of it: who asked is not known, or may not. A password that is wrong has an event
    /// of its own.
    pub(super) fn is_denial(&self) -> bool {
        matches!(
            self.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) && self.code() != "db/invalid-password"
    }

    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Db(error) => error.code(),
            Self::NoToken => "http/no-token",
            Self::MalformedToken => "http/malformed-token",
            Self::UnexpectedToken => "http/unexpected-token",
            Self::MalformedKey => "http/malformed-key",
            Self::UnknownRoute => "http/unknown-route",
            Self::WrongMethod(_) => "http/wrong-method",
            Self::WrongContentType => "http/wrong-content-type",
            Self::NotUtf8 => "http/not-utf8",
            Self::BodyTooLarge => "http/body-too-large",
            Self::BodyTimeout => "http/body-timeout",
            Self::BodyBroken => "http/body-broken",
            Self::Busy => "http/busy",
            Self::Broken => "http/internal",
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Db(error) => match error.kind() {
                ErrorKind::Corrupt | ErrorKind::Internal => SEE_LOG,
                ErrorKind::Invalid
                | ErrorKind::Unauthenticated
                | ErrorKind::Denied
                | ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::Limit(_)
                | ErrorKind::Unavailable => error.message(),
            },
            Self::NoToken => "this needs a token: send `Authorization: Bearer <token>`",
            Self::MalformedToken => "the `Authorization` header must be `Bearer <token>`, once",
            Self::UnexpectedToken => {
                "what is sent here carries its own proof: send it without an `Authorization` header"
            }
            Self::MalformedKey => "the `Idempotency-Key` header must be one ASCII text, once",
            Self::UnknownRoute => "there is nothing at this path",
            Self::WrongMethod(_) => "this path does not answer to this method",
            Self::WrongContentType => "the body must be sent as `Content-Type: application/json`",
            Self::NotUtf8 => "the body is not UTF-8",
            Self::BodyTooLarge => "the body is larger than a request's may be",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyBroken => "the body ended too early or was malformed",
            Self::Busy => "too many requests at one time: try again",
            Self::Broken => SEE_LOG,
        }
    }

    /// What is told of it, where it is of one query among several.
    pub(super) fn of_query(&self) -> QueryProblem<'_> {
        QueryProblem {
            status: self.status().as_u16(),
            error: self.code(),
            message: self.message(),
            pointer: self.pointer(),
        }
    }

    fn pointer(&self) -> Option<&str> {
        match self {
            Self::Db(error) => error.at(),
            _ => None,
        }
    }

    /// The refusal as the answer to the request `id`.
    pub(super) fn into_response(self, id: &RequestId) -> Response {
        let status = self.status();
        let problem = Problem::new(
            status.as_u16(),
            status.canonical_reason().unwrap_or("Refused"),
            self.code(),
            self.message(),
            self.pointer(),
            id.as_str(),
        );
        // Strings and numbers always serialize.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let mut tell = |name, value| headers.insert(name, HeaderValue::from_static(value));
        tell(CONTENT_TYPE, "application/problem+json");
        tell(CACHE_CONTROL, "no-store");
        if status == StatusCode::UNAUTHORIZED {
            // A wrong signature or certificate says nothing of a token.
            let is_no_token = matches!(self, Self::NoToken)
                || matches!(
                    self.code(),
                    "db/invalid-signature" | "db/invalid-certificate"
                );
            let challenge = if is_no_token {
                "Bearer realm=\"solon\""
            } else {
                "Bearer realm=\"solon\", error=\"invalid_token\""
            };
            tell(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            tell(RETRY_AFTER, RETRY_SECONDS);
        }
        if let Self::WrongMethod(allowed) = self {
            tell(ALLOW, allowed);
        }
        if matches!(
            self,
            Self::BodyTooLarge | Self::BodyTimeout | Self::BodyBroken
        ) {
            // What is left of the body is not the next request.
            tell(CONNECTION, "close");
        }
        if let Self::Db(error) = &self
            && let Some(seconds) = error.retry_after_seconds()
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

const SEE_LOG: &str = "the server could not answer; its log tells why, under this request's id";
