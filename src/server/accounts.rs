//! Accounts and databases: what is asked with a token of `solon/master`, whichever path it comes by.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use serde::Serialize;

use super::answered::{Answered, Refused};
use super::bearer::{Credential, credential};
use super::body::{is_json, read};
use super::certificate::Certificate;
use super::door::{Door, Mode, source};
use super::problem::Refusal;
use super::work::Length;
use crate::base::limits::STRANGER_BODY_BYTES_MAX;
use crate::db::{Acted, Error, ErrorKind, Folder, Session};
use crate::wire::{Account, Listed, Log, Named};

/// Answers `/api/action`.
pub(super) fn act(folder: &Folder, session: &Session, text: &str) -> Result<Answered, Refusal> {
    let auth = session.auth().raw();
    match folder.action(session, text).map_err(Refusal::Db)? {
        Acted::Account(account) => answer(auth, &Account::from(account)),
        Acted::Database(database) => answer(auth, &Listed::from(database)),
        Acted::Accounts(accounts) => answer(auth, &all::<_, Account>(accounts)),
        Acted::User(added) => answer(auth, &Named::from(added)),
        Acted::Logs(rows) => answer(auth, &all::<_, Log>(rows)),
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

/// Whether `/api/accounts` is asked with a password, by who sends nothing else.
pub(super) fn is_by_password(door: &Door, request: &Request) -> bool {
    // In open mode who sends no token may be root, and needs no password.
    *request.method() == Method::POST
        && door.mode == Mode::Closed
        && credential(request.headers()) == Credential::None
        && request.extensions().get::<Arc<Certificate>>().is_none()
}

/// Answers `/api/accounts` for who signs in by it. That is a stranger until then, and so is the body's bound.
pub(super) async fn by_password(door: &Arc<Door>, request: Request) -> Result<Answered, Refused> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Refusal::WrongContentType.into());
    }
    let source = source(&parts.extensions);
    let bytes = read(&parts.headers, body, STRANGER_BODY_BYTES_MAX).await?;
    let folder = door.folder.clone();
    let answered = door.work.run(Length::Long, move || {
        let text = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
        let told = folder.accounts_by_password(&text, source);
        let (auth, accounts) = told.map_err(Refusal::Db)?;
        answer(auth.raw(), &all::<_, Account>(accounts))
    });
    Ok(answered.await??)
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
