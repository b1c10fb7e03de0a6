//! Reads a request's body whole, within a bound and a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use tokio::time::timeout;

use super::problem::Refusal;
use crate::base::limits::{BODY_BYTES_MAX, BODY_SECONDS_MAX};

/// How much of a body that is too large is read and thrown away, so that the client reads the refusal instead of
/// a connection that is reset under its hands.
const DRAIN_BYTES_MAX: usize = BODY_BYTES_MAX;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// What the headers say of the body's length: a number of bytes, or nothing.
///
/// Beside a `Transfer-Encoding` a length says nothing: it is not the one that the body is read by.
pub(super) fn told_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse::<u64>()
        .ok()
}

/// Whether the body is said to be JSON, whatever the parameters.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let only = types.next().filter(|_| types.next().is_none());
    only.and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads the body, of so many bytes at most.
///
/// # Errors
/// `BodyTooLarge` past the bound, told or found; `BodyTimeout` past the time; `BodyBroken` if the connection is.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal> {
    let told = told_length(headers).map_or(0, |told| usize::try_from(told).unwrap_or(usize::MAX));
    let read = if told > bytes_max {
        Err(Refusal::BodyTooLarge)
    } else {
        timeout(
            Duration::from_secs(BODY_SECONDS_MAX),
            read_at_most(&mut body, told, bytes_max),
        )
        .await
        .unwrap_or(Err(Refusal::BodyTimeout))
    };
    if matches!(read, Err(Refusal::BodyTooLarge)) {
        // Ends by time, by size or by the body's end; each is as good.
        let _ = timeout(DRAIN_TIME, drain(&mut body)).await;
    }
    read
}

async fn read_at_most(body: &mut Body, told: usize, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(told);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Refusal::BodyBroken)?.into_data() else {
            continue;
        };
        if bytes.len().saturating_add(data.len()) > bytes_max {
            return Err(Refusal::BodyTooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn drain(body: &mut Body) {
    let mut drained = 0_usize;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        drained = drained.saturating_add(frame.data_ref().map_or(0, axum::body::Bytes::len));
        if drained > DRAIN_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beside_a_transfer_encoding_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
        assert_eq!(told_length(&headers), Some(1));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert_eq!(told_length(&headers), None);
    }

    #[test]
    fn json_is_said_by_the_type_alone() {
        for (sent, expected) in [
            (vec!["application/json"], true),
            (vec!["Application/JSON; charset=utf-8"], true),
            (vec!["application/json ;a=b"], true),
            (vec!["text/json"], false),
            (vec!["application/jsonp"], false),
            (vec!["application/problem+json"], false),
            (vec![""], false),
            (vec![], false),
            (vec!["application/json", "application/json"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in &sent {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(is_json(&headers), expected, "{sent:?}");
        }
    }
}
