//! What an action comes to, before it is HTTP.

use super::problem::Refusal;

/// An answer.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) auth: i64,
    pub(super) body: String,
    pub(super) block: Option<u64>,
    pub(super) fuel: Option<u64>,
    pub(super) is_repeat: bool,
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
