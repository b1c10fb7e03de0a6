//! The bearer of an API token: an opaque token whose record says whom it names.
//!
//! 1. An id that is not there and a secret that is wrong are refused alike.
//! 2. The hashes are compared in constant time, and the token itself is kept no longer than that takes.
//! 3. Nothing is remembered: the record is read at each state at which the bearer asks, and again at its turn.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::error::{Error, ErrorKind};
use super::record::{Record, TokenKind};
use crate::model::{Facts, SubjectId};
use crate::token::ApiToken;

/// The bearer of an API token.
pub(super) struct Program {
    auth: SubjectId,
    id: String,
    /// The hash of what was sent.
    hash: String,
}

impl Program {
    /// Whom a token names at this state.
    ///
    /// # Errors
    /// `Unauthenticated` if there is no such token, or it was revoked.
    pub(super) fn find(token: &ApiToken, facts: &dyn Facts) -> Result<Self, Error> {
        let (id, hash) = (token.id().to_string(), token.hash());
        match record_of(&id, &hash, facts)?.and_then(|record| record.auth) {
            Some(auth) => Ok(Self { auth, id, hash }),
            None => Err(refused()),
        }
    }

    /// Whom it names.
    pub(super) fn auth(&self) -> SubjectId {
        self.auth
    }

    /// The `_token/id` of its record.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The record, where the token is still good.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub(super) fn record(&self, facts: &dyn Facts, now_ms: i64) -> Result<Record, Error> {
        let record = record_of(&self.id, &self.hash, facts)?
            .filter(|record| record.auth == Some(self.auth))
            .ok_or_else(refused)?;
        if !record.stands(facts)? {
            return Err(refused());
        }
        // The engine makes none without an end.
        if record.expires_ms.is_none() || record.is_expired(now_ms) {
            let why = "the token's time is over";
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                "db/expired-token",
                why,
            ));
        }
        Ok(record)
    }
}

/// The record of an API token, if it has this hash.
pub(super) fn record_of(id: &str, hash: &str, facts: &dyn Facts) -> Result<Option<Record>, Error> {
    let found = Record::named(id, facts)?.filter(|it| it.kind == Some(TokenKind::Api));
    Ok(found.filter(|it| {
        let kept = it.hash.as_deref().unwrap_or_default();
        bool::from(kept.as_bytes().ct_eq(hash.as_bytes()))
    }))
}

fn refused() -> Error {
    let why = "there is no such token, or it was revoked";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-token", why)
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("auth", &self.auth)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
