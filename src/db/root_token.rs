//! Root tokens from the keys of a folder alone: no database is opened, so a server may run on it or not.

use std::path::Path;

use super::data_dir::DataDir;
use super::database::Options;
use super::database_name::DatabaseName;
use super::error::{Error, ErrorKind};
use crate::base::limits::ROOT_TOKEN_SECONDS_MAX;
use crate::model::system::ROOT_AUTH;
use crate::model::{Incarnation, SubjectId};
use crate::token::{Grant, Keys, TokenId};

/// A root token from the keys of a folder alone, whether or not a server runs on it.
///
/// # Errors
/// `NotFound` if the folder has no keys or no such database; `Invalid` for more than 3599 seconds.
pub fn root_token_from_keys(
    dir: &Path,
    expire_seconds: u64,
    database: &str,
    options: &Options,
) -> Result<String, Error> {
    if expire_seconds == 0 || expire_seconds > ROOT_TOKEN_SECONDS_MAX {
        let why = format!("a root token lives from 1 to {ROOT_TOKEN_SECONDS_MAX} seconds");
        return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
    }
    let not_found = |what: String| Error::new(ErrorKind::NotFound, "db/not-found", what);
    let absent = || not_found(format!("there is no database `{database}` in this folder"));
    let name = DatabaseName::parse(database).ok_or_else(absent)?;
    let files = DataDir::new(dir);
    let incarnation = files.incarnation(&name)?.ok_or_else(|| {
        if name == DatabaseName::of_default() {
            not_found(format!(
                "`{}` is no data folder of a database",
                dir.display()
            ))
        } else {
            absent()
        }
    })?;
    let keys = Keys::load(&files.keys())?;
    let keys = match &options.issuer {
        Some(issuer) => keys.with_issuer(issuer)?,
        None => keys,
    };
    let now_s = options.clock.now_ms().div_euclid(1_000);
    let audience = name.as_str();
    sign(
        &keys,
        ROOT_AUTH,
        audience,
        incarnation,
        now_s,
        Some(expire_seconds),
    )
}

/// Signs a token that has no record.
pub(super) fn sign(
    keys: &Keys,
    subject: SubjectId,
    audience: &str,
    incarnation: Incarnation,
    issued_at_s: i64,
    lifetime_seconds: Option<u64>,
) -> Result<String, Error> {
    let id = TokenId::random()?;
    Ok(keys.sign(&Grant {
        subject,
        audience,
        incarnation,
        issued_at_s,
        lifetime_seconds,
        id,
    })?)
}
