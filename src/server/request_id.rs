//! The id of a request: the client's, as far as its letters are harmless, or one of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};

use crate::base::limits::REQUEST_ID_BYTES_MAX;

/// The header that carries it, both ways.
pub(super) const HEADER: &str = "x-request-id";

/// Makes ids that differ between requests and between runs.
///
/// They are names, not secrets, and can be guessed.
#[derive(Debug)]
pub(super) struct Ids {
    run: u64,
    next: AtomicU64,
}

/// The id of one request: letters, digits, `-`, `_`, `.` and `:`, so that it can stand in a log, a header and a URN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl Ids {
    /// Ids that begin with `run`.
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            next: AtomicU64::new(1),
        }
    }

    /// The request's id: what is harmless of the one it came with, or a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        headers
            .get(HEADER)
            .and_then(harmless)
            .unwrap_or_else(|| self.make())
    }

    fn make(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:016x}-{number}", self.run))
    }
}

impl RequestId {
    /// The id as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub(super) fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

fn harmless(sent: &HeaderValue) -> Option<RequestId> {
    let id: String = sent
        .as_bytes()
        .iter()
        .copied()
        .map(char::from)
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        .take(REQUEST_ID_BYTES_MAX)
        .collect();
    (!id.is_empty()).then_some(RequestId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sent_id_keeps_what_is_harmless() {
        let ids = Ids::new(0xab);
        for (sent, expected) in [
            (Some("a-1_b.c:d"), "a-1_b.c:d"),
            (Some("a\"b\\n{x}"), "abnx"),
            (Some("\"\""), "00000000000000ab-1"),
            (None, "00000000000000ab-2"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(HEADER, HeaderValue::from_str(sent).unwrap());
            }
            assert_eq!(ids.of(&headers).as_str(), expected);
        }
    }

    #[test]
    fn a_sent_id_is_cut_at_its_bound() {
        let mut headers = HeaderMap::new();
        let long = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        headers.insert(HEADER, HeaderValue::from_str(&long).unwrap());
        let id = Ids::new(0).of(&headers);
        assert_eq!(id.as_str().len(), REQUEST_ID_BYTES_MAX);
    }
}
