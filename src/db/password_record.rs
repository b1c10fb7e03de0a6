//! The record of a password: how an auth comes to have one, and what its tokens come to then.

use super::error::{Error, ErrorKind};
use super::person::{asserted, cleared, set_to, tag};
use super::state::{valid_after, valid_after_now};
use crate::model::system::predicate;
use crate::model::{Facts, Flake, SubjectId, Value};
use crate::token::{PasswordScheme, password_scheme};

/// What becomes of the tokens of an auth whose password is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTokens {
    /// They end.
    End,
    /// They stay.
    Keep,
}

/// The flakes by which an auth has this record alone.
///
/// # Errors
/// `Invalid` if it is no record, or the auth is of another type than `password`.
pub(super) fn record_flakes(
    auth: SubjectId,
    record: &str,
    facts: &dyn Facts,
) -> Result<Vec<Flake>, Error> {
    let by_password = tag("_auth/type:password", facts)?;
    let kinds = facts.value_list(auth, predicate::AUTH_TYPE)?;
    let mut flakes = typed(auth, record, facts)?;
    match kinds.first() {
        None => flakes.push(asserted(
            auth,
            predicate::AUTH_TYPE,
            Value::Ref(by_password),
        )),
        Some(kind) if *kind == Value::Ref(by_password) => {}
        Some(_) => {
            let why = "the auth is of another type than `password`";
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
    }
    Ok(flakes)
}

/// The same, of an auth whose type is known.
///
/// # Errors
/// `Invalid` if it is no record.
pub(super) fn typed(auth: SubjectId, record: &str, facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
    let kind = match password_scheme(record)? {
        PasswordScheme::Argon2id => "_auth/hashType:argon2id",
        PasswordScheme::Scrypt => "_auth/hashType:scrypt",
        PasswordScheme::Bcrypt => "_auth/hashType:bcrypt",
        PasswordScheme::Pbkdf2Sha256 => "_auth/hashType:pbkdf2-sha256",
    };
    let kind = Value::Ref(tag(kind, facts)?);
    let mut flakes = set_to(auth, predicate::AUTH_PASSWORD, Value::string(record), facts)?;
    flakes.extend(set_to(auth, predicate::AUTH_HASH_TYPE, kind, facts)?);
    // Whatever set the password, a token that was to reset it has done so.
    flakes.extend(cleared(auth, predicate::AUTH_RESET_TOKEN, facts)?);
    Ok(flakes)
}

/// The flakes by which every token of an auth ends now, those too that were issued in this very second.
pub(super) fn ended(auth: SubjectId, now_ms: i64, facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
    let new = Value::Instant(valid_after_now(valid_after(auth, facts)?, now_ms));
    set_to(auth, predicate::AUTH_VALID_AFTER, new, facts)
}
