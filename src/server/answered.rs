//! What an action comes to, before it is HTTP.

use axum::http::StatusCode;

use super::problem::Refusal;
use crate::db;
use crate::wire::Receipt;

/// What is asked to be told of a transaction that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its receipt.
    Receipt,
    /// Its id alone: `?txid-only=true`.
    Id,
}

impl Told {
    /// What the query of a path asks for.
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut parts = query.unwrap_or_default().split('&');
        if parts.any(|part| part == "txid-only=true") {
            Self::Id
        } else {
            Self::Receipt
        }
    }

    /// The answer of a transaction that took `took`, such as `3.18ms`.
    pub(super) fn answer(
        self,
        auth: i64,
        receipt: db::Receipt,
        took: String,
    ) -> Result<Answered, Refusal> {
        let (block, fuel) = (Some(receipt.block.0), receipt.fuel);
        let is_repeat = receipt.is_repeat;
        let body = match self {
            Self::Receipt => serde_json::to_string(&Receipt::new(receipt, took)),
            Self::Id => serde_json::to_string(&receipt.id),
        };
        Ok(Answered {
            auth,
            body: body.map_err(|_| Refusal::Broken)?,
            block,
            fuel,
            is_repeat,
            ..Answered::default()
        })
    }
}

/// An answer.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) auth: i64,
    pub(super) body: String,
    pub(super) block: Option<u64>,
    pub(super) fuel: Option<u64>,
    pub(super) is_repeat: bool,
    /// Another status than that of success.
    pub(super) status: Option<StatusCode>,
    /// What was refused or failed of it.
    pub(super) failed: Vec<Refusal>,
}

/// A refusal, and whom it was told to if that is known.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) auth: Option<i64>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            auth: None,
        }
    }
}
