//! Accounts and databases: what is asked with a token of `solon/master`, whichever path it comes by.

use serde::Serialize;

use super::answered::Answered;
use super::problem::Refusal;
use crate::db::{Acted, Error, ErrorKind, Folder, Session};
use crate::wire::{Account, Listed};

/// The database of accounts and databases.
pub(super) const MASTER: &str = "solon/master";

/// Answers `/api/action`.
pub(super) fn act(folder: &Folder, session: &Session, text: &str) -> Result<Answered, Refusal> {
    let auth = session.auth().raw();
    match folder.action(session, text).map_err(Refusal::Db)? {
        Acted::Account(account) => answer(auth, &Account::from(account)),
        Acted::Database(database) => answer(auth, &Listed::from(database)),
        Acted::Accounts(accounts) => answer(auth, &all::<_, Account>(accounts)),
    }
}

/// Answers `/api/accounts`.
pub(super) fn accounts(
    folder: &Folder,
    session: &Session,
    text: &str,
) -> Result<Answered, Refusal> {
    nothing(text)?;
    let accounts = folder.accounts(session).map_err(Refusal::Db)?;
    answer(session.auth().raw(), &all::<_, Account>(accounts))
}

/// Answers `/api/dbs`.
pub(super) fn databases(
    folder: &Folder,
    session: &Session,
    text: &str,
) -> Result<Answered, Refusal> {
    nothing(text)?;
    let databases = folder.databases_of(session).map_err(Refusal::Db)?;
    answer(session.auth().raw(), &all::<_, Listed>(databases))
}

fn all<From, To: std::convert::From<From>>(told: Vec<From>) -> Vec<To> {
    told.into_iter().map(To::from).collect()
}

fn nothing(text: &str) -> Result<(), Refusal> {
    let is_empty = |it: &serde_json::Value| it.as_object().is_some_and(serde_json::Map::is_empty);
    if text.is_empty() || serde_json::from_str(text).is_ok_and(|it| is_empty(&it)) {
        return Ok(());
    }
    let why = "this is asked with an empty object, or nothing";
    let error = Error::new(ErrorKind::Invalid, "db/invalid-request", why);
    Err(Refusal::Db(error))
}

fn answer(auth: i64, shape: &impl Serialize) -> Result<Answered, Refusal> {
    let body = serde_json::to_string(shape).map_err(|_| Refusal::Broken)?;
    Ok(Answered {
        auth,
        body,
        ..Answered::default()
    })
}
