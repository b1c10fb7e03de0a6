//! What comes back: an answer to a query, the receipt of a transaction, a token.

use super::error::Error;
use crate::model::{Flake, SubjectId, T};
pub use crate::transact::{Tempid, Warning};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer as JSON text.
    pub body: String,
    /// The number of the newest block it includes.
    pub block: u64,
    /// The steps it took; told to root alone (law 15).
    pub fuel: Option<u64>,
}

/// The answers to a multi-query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiAnswer {
    /// The answer to each query as JSON text, or why there is none, by its name, in the order they were asked.
    pub answers: Vec<(String, Result<String, Error>)>,
    /// The number of the newest block that there was.
    pub block: u64,
    /// The steps that all of them took; told to root alone (law 15).
    pub fuel: Option<u64>,
}

/// The answer to what may be one query or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// To one.
    One(Answer),
    /// To several.
    Many(MultiAnswer),
}

/// What a transaction did, as far as its author may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the tempids came to, in the order of their first use.
    pub tempids: Vec<(String, Tempid)>,
    /// The block, which is the transaction's own.
    pub block: T,
    /// The block's hash, hex.
    pub hash: String,
    /// The block's instant, Unix milliseconds.
    pub instant_ms: i64,
    /// The author's `_auth/id`, or its subject id if it has none.
    pub auth: String,
    /// The transaction's id, hex: SHA-256 of author, nonce and body.
    pub id: String,
    /// The length of the request, bytes.
    pub bytes: usize,
    /// The flakes, by subject, predicate and object.
    pub flakes: Vec<Flake>,
    /// What its author should know of, in the request's order.
    pub warnings: Vec<Warning>,
    /// How many flakes a transaction that erases took out of the log; told to root alone (law 15).
    pub erased: Option<u64>,
    /// The steps it took; told to root alone (law 15).
    pub fuel: Option<u64>,
    /// Whether the transaction was made earlier, under the same idempotency key, and this is its receipt again.
    pub is_repeat: bool,
    /// Who signed the command for the author: their `_auth/id`, or their subject id if they have none.
    pub authority: Option<String>,
}

/// What a transaction would do, as far as who tries it may see: a receipt without a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What the tempids would become.
    pub tempids: Vec<(String, Tempid)>,
    /// The block that it would be.
    pub block: T,
    /// The block's instant, Unix milliseconds.
    pub instant_ms: i64,
    /// The author's `_auth/id`, or its subject id if it has none.
    pub auth: String,
    /// The length of the request, bytes.
    pub bytes: usize,
    /// The flakes, by subject, predicate and object.
    pub flakes: Vec<Flake>,
    /// What its author should know of, in the request's order.
    pub warnings: Vec<Warning>,
    /// The steps it took; told to root alone (law 15).
    pub fuel: Option<u64>,
}

/// A token that was minted.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token.
    pub token: String,
    /// How long it is good, seconds; `None` is without end.
    pub expires_in: Option<u64>,
    /// Whom it names.
    pub auth: SubjectId,
    /// Its id, if it is an API token.
    pub id: Option<String>,
    /// Its name, if it is an API token.
    pub name: Option<String>,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("expires_in", &self.expires_in)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}
