//! `/.well-known/jwks.json`: the public keys, to anybody, so that others can verify our tokens without asking us.
//!
//! It may be kept for `JWKS_AGE_SECONDS_MAX`; a key stands in it for longer than that before it signs. Its `ETag` is
//! of its bytes. It says nothing that a token does not: the id of a key, and its public half.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::door::Door;
use super::problem::Refusal;
use super::request_id::RequestId;
use super::work::Length;
use crate::base::limits::JWKS_AGE_SECONDS_MAX;
use crate::wire::JwkSet;

const METHODS: &str = "GET, HEAD";

/// Answers with the set of public keys.
pub(super) async fn jwks(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, _) = request.into_parts();
    match answer(&door, &asked).await {
        Ok(response) => response,
        Err(refusal) => match asked.extensions.get::<RequestId>() {
            Some(id) => refusal.into_response(id),
            None => Response::default(),
        },
    }
}

async fn answer(door: &Door, asked: &Parts) -> Result<Response, Refusal> {
    if !matches!(asked.method, Method::GET | Method::HEAD) {
        return Err(Refusal::WrongMethod(METHODS));
    }
    let folder = door.folder.clone();
    let keys = door.work.run(Length::Short, move || folder.public_keys());
    let keys = keys.await?.map_err(Refusal::Db)?;
    let body = serde_json::to_vec(&JwkSet::from(keys)).map_err(|_| Refusal::Broken)?;
    let tag = tag(&body);
    let known = is_known(&asked.headers, &tag);
    let mut response = Response::new(if known {
        Body::empty()
    } else {
        Body::from(body)
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let age = format!("public, max-age={JWKS_AGE_SECONDS_MAX}");
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/jwk-set+json");
    headers.insert(CONTENT_TYPE, json);
    for (name, text) in [(ETAG, tag), (CACHE_CONTROL, age)] {
        let value = HeaderValue::from_str(&text).map_err(|_| Refusal::Broken)?;
        headers.insert(name, value);
    }
    Ok(response)
}

/// A strong tag: the first half of the bytes' SHA-256.
fn tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

/// Whether the client has this already (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(IF_NONE_MATCH);
    let mut tags = named
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_alone_in_a_list_weakly_or_by_the_star() {
        let tag = tag(b"{}");
        let known = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_known(&headers, &tag)
        };
        assert!(known(&[&tag]));
        assert!(known(&[&format!("\"a\", {tag}")]));
        assert!(known(&["\"a\"", &tag]));
        assert!(known(&[&format!("W/{tag}")]));
        assert!(known(&["*"]));
        assert!(!known(&[]));
        assert!(!known(&["\"a\""]));
        assert!(!known(&[tag.trim_matches('"')]));
        assert_ne!(super::tag(b"{ }"), tag);
    }
}
