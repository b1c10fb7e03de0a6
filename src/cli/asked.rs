//! Who answers a command on users and the trail: a server, or a data folder that no server has open, where the operator is root.
//!
//! Both take the same requests and give the same answers, so a command is written once.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::error::Error;
use super::remote_arguments::CallerArguments;
use crate::db::{Database, Folder, Options, Session};
use crate::wire::{Log, Named, Person, ResetToken, Revoked, Token};

/// Who answers.
#[derive(Debug, Args)]
pub(super) struct AskedArguments {
    #[command(flatten)]
    pub(super) caller: CallerArguments,
    /// A data folder that no server has open, in place of a server; who can write it acts as root
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// With `--data`: the database
    #[arg(
        long,
        value_name = "NETWORK/NAME",
        requires = "data",
        default_value = Folder::DEFAULT
    )]
    pub(super) db: String,
}

/// Who answers.
#[derive(Debug)]
pub(super) enum Asked {
    /// A server.
    Server(Box<Caller>),
    /// A folder.
    Folder(Opened),
}

/// A database of a folder, and root's session on it.
#[derive(Debug)]
pub(super) struct Opened {
    database: Database,
    session: Session,
    folder: Folder,
}

impl Asked {
    /// Who answers, as the arguments have it.
    pub(super) fn of(arguments: &AskedArguments) -> Result<Self, Error> {
        match &arguments.data {
            Some(data) => Opened::of(data, &arguments.db).map(Self::Folder),
            None => Ok(Self::Server(Box::new(Caller::of(&arguments.caller)?))),
        }
    }

    /// Asks, and gives the answer back.
    pub(super) fn post(&mut self, action: &str, body: &Value) -> Result<Value, Error> {
        match self {
            Self::Server(caller) => caller.post(action, body),
            Self::Folder(opened) => opened.post(action, &Zeroizing::new(body.to_string())),
        }
    }

    /// The auth that asks.
    pub(super) fn own_auth(&mut self) -> Result<Value, Error> {
        match self {
            Self::Server(caller) => {
                let answer = caller.post("whoami", &json!({}))?;
                answer.get("auth").cloned().ok_or(Error::Answer("auth"))
            }
            Self::Folder(_) => Err(Error::Arguments("on a folder, name the user who is meant")),
        }
    }
}

impl Opened {
    /// Opens a database of a folder that is there.
    pub(super) fn of(data: &Path, db: &str) -> Result<Self, Error> {
        let opened = Folder::open_existing(data, &Options::default());
        let folder = opened.map_err(|why| Error::Folder {
            path: data.to_owned(),
            why,
        })?;
        Ok(Self {
            database: folder.database_named(db)?,
            session: folder.root_session(Some(db))?,
            folder,
        })
    }

    /// The database.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    fn post(&self, action: &str, body: &str) -> Result<Value, Error> {
        let session = &self.session;
        match action {
            "query" => {
                let answer = session.query(body)?;
                serde_json::from_str(&answer.body).map_err(|_| Error::Answer("answer"))
            }
            "transact" => {
                let receipt = session.transact(body)?;
                Ok(json!({"block": receipt.block.0}))
            }
            "token" => shape(&Token::from(session.token(body)?)),
            "revoke" => shape(&Revoked::from(session.revoke(body)?)),
            "new-user" => shape(&Named::from(session.new_user(body)?)),
            "password" => shape(&Named::auth(session.set_password(body)?)),
            "reset-token" => shape(&ResetToken::from(session.reset_token(body)?)),
            "logs" => {
                let rows = session.logs(body)?.into_iter().map(Log::from);
                shape(&rows.collect::<Vec<_>>())
            }
            "unlock" => shape(&Named::user(session.unlock(body)?)),
            "users" => {
                let people = session.users(body)?.into_iter().map(Person::from);
                shape(&people.collect::<Vec<_>>())
            }
            _ => Err(Error::Arguments("a folder does not answer that")),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.folder.close();
    }
}

/// An answer as its door gives it.
fn shape(answer: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(answer).map_err(|_| Error::Answer("answer"))
}
