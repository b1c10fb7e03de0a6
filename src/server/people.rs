//! Signing in, refreshing, and what is done about passwords and those who have them.
//!
//! 1. Who signs in, refreshes or sets a forgotten password is a stranger until that is proven, so the body is bounded
//!    as a stranger's. A token beside it is refused, as beside a command: it would be a second answer to who asks.
//! 2. A password is changed with a token, or without one by whoever sends the old password.
//! 3. All of it goes to the blocking pool: a password takes a core for a while, on purpose.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Extensions, Method};
use serde::Serialize;

use super::answered::{Answered, Refused};
use super::bearer::{Credential, credential};
use super::body;
use super::door::{Door, Mode, source};
use super::problem::Refusal;
use super::work::Length;
use crate::base::limits::STRANGER_BODY_BYTES_MAX;
use crate::db::{Folder, Session};
use crate::wire::{Banner, Named, Person, ResetToken, SignedIn};

/// What is asked about those who sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeopleAction {
    SignIn,
    MasterSignIn,
    Refresh,
    NewPassword,
    Password,
    ResetToken,
    NewUser,
    Unlock,
    Users,
}

impl PeopleAction {
    /// The action of a path that names a database.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "signin" => Some(Self::SignIn),
            "refresh" => Some(Self::Refresh),
            "password" => Some(Self::Password),
            "reset-token" => Some(Self::ResetToken),
            "new-user" => Some(Self::NewUser),
            "unlock" => Some(Self::Unlock),
            "users" => Some(Self::Users),
            _ => None,
        }
    }

    pub(super) fn length(self) -> Length {
        match self {
            Self::Users => Length::Short,
            Self::SignIn
            | Self::MasterSignIn
            | Self::Refresh
            | Self::NewPassword
            | Self::Password
            | Self::ResetToken
            | Self::NewUser
            | Self::Unlock => Length::Long,
        }
    }

    /// Whether what is sent proves who sends it.
    pub(super) fn needs_no_session(self, door: &Door, request: &Request) -> bool {
        match self {
            Self::SignIn | Self::MasterSignIn | Self::Refresh | Self::NewPassword => true,
            // In open mode who sends no token may be root, and needs no old password.
            Self::Password => {
                let is_bare = credential(request.headers()) == Credential::None;
                is_bare && door.mode == Mode::Closed && !is_certified(request.extensions())
            }
            Self::ResetToken | Self::NewUser | Self::Unlock | Self::Users => false,
        }
    }

    /// The database that is meant where none is named.
    fn default(self) -> &'static str {
        if self == Self::MasterSignIn {
            Folder::MASTER
        } else {
            Folder::DEFAULT
        }
    }

    fn shows_banner(self) -> bool {
        matches!(self, Self::SignIn | Self::MasterSignIn)
    }
}

fn is_certified(extensions: &Extensions) -> bool {
    extensions
        .get::<Arc<super::certificate::Certificate>>()
        .is_some()
}

/// Answers what proves by itself who sends it; `database` where the path names one.
pub(super) async fn answer(
    door: &Arc<Door>,
    action: PeopleAction,
    database: Option<String>,
    request: Request,
) -> Result<Answered, Refused> {
    let folder = door.folder.clone();
    match *request.method() {
        Method::POST => {}
        Method::GET if action.shows_banner() => {
            let banner = door
                .work
                .run(Length::Short, move || {
                    folder.banner(database.as_deref().unwrap_or(action.default()))
                })
                .await?
                .map_err(Refusal::Db)?;
            return Ok(told(None, &Banner { banner })?);
        }
        _ if action.shows_banner() => return Err(Refusal::WrongMethod("GET, POST").into()),
        _ => return Err(Refusal::WrongMethod("POST").into()),
    }
    let (parts, body) = request.into_parts();
    if credential(&parts.headers) != Credential::None {
        return Err(Refusal::UnexpectedToken.into());
    }
    if !body::is_json(&parts.headers) {
        return Err(Refusal::WrongContentType.into());
    }
    let source = source(&parts.extensions);
    let bytes = body::read(&parts.headers, body, STRANGER_BODY_BYTES_MAX).await?;
    let answered = door
        .work
        .run(Length::Long, move || {
            let text = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
            let database = database.as_deref();
            let default = action.default();
            match action {
                PeopleAction::Refresh => {
                    let signed = folder.refresh_request(&text, database, source);
                    signed_in(signed.map_err(Refusal::Db)?)
                }
                PeopleAction::NewPassword => {
                    let auth = folder.new_password(&text, source).map_err(Refusal::Db)?;
                    told(Some(auth.raw()), &Named::auth(auth))
                }
                PeopleAction::Password => {
                    let auth = folder.change_password(&text, database, default, source);
                    let auth = auth.map_err(Refusal::Db)?;
                    told(Some(auth.raw()), &Named::auth(auth))
                }
                PeopleAction::SignIn
                | PeopleAction::MasterSignIn
                | PeopleAction::ResetToken
                | PeopleAction::NewUser
                | PeopleAction::Unlock
                | PeopleAction::Users => {
                    let signed = folder.sign_in_request(&text, database, default, source);
                    signed_in(signed.map_err(Refusal::Db)?)
                }
            }
        })
        .await?;
    Ok(answered?)
}

/// Answers what a bearer asks.
pub(super) fn call(
    session: &Session,
    action: PeopleAction,
    text: &str,
) -> Result<Answered, Refusal> {
    let auth = Some(session.auth().raw());
    match action {
        PeopleAction::Password => {
            let of = session.set_password(text).map_err(Refusal::Db)?;
            told(auth, &Named::auth(of))
        }
        PeopleAction::ResetToken => {
            let made = session.reset_token(text).map_err(Refusal::Db)?;
            told(auth, &ResetToken::from(made))
        }
        PeopleAction::NewUser => {
            let added = session.new_user(text).map_err(Refusal::Db)?;
            told(auth, &Named::from(added))
        }
        PeopleAction::Unlock => {
            let user = session.unlock(text).map_err(Refusal::Db)?;
            told(auth, &Named::user(user))
        }
        PeopleAction::Users => {
            let users = session.users(text).map_err(Refusal::Db)?;
            let users: Vec<Person> = users.into_iter().map(Person::from).collect();
            told(auth, &users)
        }
        // They have no session: see `needs_no_session`.
        PeopleAction::SignIn
        | PeopleAction::MasterSignIn
        | PeopleAction::Refresh
        | PeopleAction::NewPassword => Err(Refusal::Broken),
    }
}

fn signed_in(signed: crate::db::SignedIn) -> Result<Answered, Refusal> {
    let auth = signed.auth.raw();
    told(Some(auth), &SignedIn::from(signed))
}

fn told(auth: Option<i64>, shape: &impl Serialize) -> Result<Answered, Refusal> {
    let body = serde_json::to_string(shape).map_err(|_| Refusal::Broken)?;
    Ok(Answered {
        auth: auth.unwrap_or_default(),
        body,
        ..Answered::default()
    })
}
