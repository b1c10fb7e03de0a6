//! What `solon verify --json` prints: `{"blocks", "flakes", "erased", "events", "head": {"block", "hash", "instant"}, "kept"?}`.
//! `kept` is the block that has the hash that was given.

use serde::Serialize;

use crate::store;

/// What was found in a database that is whole.
#[derive(Debug, Serialize)]
pub struct Verified {
    blocks: u64,
    flakes: u64,
    erased: u64,
    events: u64,
    head: Head,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Head {
    block: u64,
    hash: String,
    instant: i64,
}

impl From<&store::Verified> for Verified {
    fn from(verified: &store::Verified) -> Self {
        Self {
            blocks: verified.blocks,
            flakes: verified.flakes,
            erased: verified.erased,
            events: verified.trail,
            head: Head {
                block: verified.head.t.0,
                hash: verified.head.hash.to_string(),
                instant: verified.head.instant_ms,
            },
            kept: verified.kept.map(|t| t.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Digest, T};

    #[test]
    fn what_is_printed_has_the_members_that_were_promised() {
        let verified = store::Verified {
            blocks: 3,
            flakes: 9,
            erased: 2,
            trail: 4,
            head: model::Head {
                t: T(3),
                hash: Digest([0xAB; 32]),
                instant_ms: 5,
            },
            kept: Some(T(2)),
        };
        assert_eq!(
            serde_json::to_string(&Verified::from(&verified)).unwrap(),
            format!(
                r#"{{"blocks":3,"flakes":9,"erased":2,"events":4,"head":{{"block":3,"hash":"{}","instant":5}},"kept":2}}"#,
                "ab".repeat(32)
            )
        );
    }
}
