//! What is asked of accounts and databases, before anything is judged.
//!
//! Shape: an array of a name and an object.
//! ```text
//! ["new-account", {"name": text, "owner": username | id | two-tuple}]
//! ["new-db", {"db/id": "network/name"}]
//! ["delete-db", {"db/id": "network/name"}]
//! ["restore-db", {"db/id": "network/name", "incarnation"?: hex}]
//! ["accounts", {}]
//! ["new-user", {"db"?: "network/name", ..}]   the rest is as for the action of a database
//! ["logs", {"db"?: "network/name", ..}]       and here
//! ```

use super::data_dir::parse_incarnation;
use super::database_name::{DatabaseName, is_account};
use super::error::{Error, ErrorKind};
use crate::model::Incarnation;
use crate::query::{Json, Pointer};

/// What is asked. It may hold a password, and is not printed.
pub(super) enum AccountAction {
    NewAccount {
        name: String,
        /// An id or a two-tuple.
        owner: Json,
    },
    NewDatabase(DatabaseName),
    DeleteDatabase(DatabaseName),
    /// The one that was deleted last, if none is named.
    RestoreDatabase(DatabaseName, Option<Incarnation>),
    Accounts,
    NewUser(Within),
    Logs(Within),
}

/// What is asked of one database, of master if none is named.
pub(super) struct Within {
    pub(super) database: Option<String>,
    /// The body of the same request to that database.
    pub(super) body: String,
}

impl AccountAction {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// `Invalid` with the place.
    pub(super) fn parse(body: &str) -> Result<Self, Error> {
        let root = Pointer::root();
        let shape = || invalid(&root, "an action is an array of a name and an object");
        let Json::Array(parts) = Json::read(body)? else {
            return Err(shape());
        };
        let Ok([Json::String(action), Json::Object(members)]) = <[Json; 2]>::try_from(parts) else {
            return Err(shape());
        };
        let at = root.index(1);
        match action.as_str() {
            "new-account" => new_account(members, &at),
            "new-db" => Ok(Self::NewDatabase(
                Named::read(members, &at, Takes::Name)?.name,
            )),
            "delete-db" => Ok(Self::DeleteDatabase(
                Named::read(members, &at, Takes::Name)?.name,
            )),
            "restore-db" => {
                let Named { name, incarnation } = Named::read(members, &at, Takes::Incarnation)?;
                Ok(Self::RestoreDatabase(name, incarnation))
            }
            "accounts" => match members.first() {
                None => Ok(Self::Accounts),
                Some((key, _)) => Err(unknown(&at, key)),
            },
            "new-user" => within(members, &at).map(Self::NewUser),
            "logs" => within(members, &at).map(Self::Logs),
            _ => Err(invalid(
                &root.index(0),
                format!("`{action}` is no action on accounts"),
            )),
        }
    }
}

fn within(members: Vec<(String, Json)>, at: &Pointer) -> Result<Within, Error> {
    let mut database = None;
    let mut rest = Vec::new();
    for (key, value) in members {
        match (key.as_str(), value) {
            ("db", Json::String(name)) => database = Some(name),
            ("db", _) => return Err(no_name(&at.key(&key))),
            (_, value) => rest.push((key, value)),
        }
    }
    let body = Json::Object(rest).write();
    Ok(Within { database, body })
}

fn new_account(members: Vec<(String, Json)>, at: &Pointer) -> Result<AccountAction, Error> {
    let (mut name, mut owner) = (None, None);
    for (key, value) in members {
        let here = at.key(&key);
        match (key.as_str(), value) {
            ("name", Json::String(text)) if is_account(&text) => name = Some(text),
            ("name", _) => {
                let why = "an account's name is up to 100 lower-case letters, digits and hyphens, and not one \
                           of the engine's own";
                return Err(invalid(&here, why));
            }
            ("owner", Json::String(text)) => {
                let username = Json::String("_user/username".to_owned());
                owner = Some(Json::Array(vec![username, Json::String(text)]));
            }
            ("owner", value @ (Json::Int(_) | Json::Array(_))) => owner = Some(value),
            ("owner", _) => {
                let why = "`owner` is a username, a subject's id or a two-tuple";
                return Err(invalid(&here, why));
            }
            _ => return Err(unknown(at, &key)),
        }
    }
    match (name, owner) {
        (Some(name), Some(owner)) => Ok(AccountAction::NewAccount { name, owner }),
        _ => Err(invalid(at, "`new-account` needs `name` and `owner`")),
    }
}

/// The database that an action names.
struct Named {
    name: DatabaseName,
    incarnation: Option<Incarnation>,
}

/// What may stand beside the name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Name,
    Incarnation,
}

impl Named {
    fn read(members: Vec<(String, Json)>, at: &Pointer, takes: Takes) -> Result<Self, Error> {
        let (mut name, mut incarnation) = (None, None);
        for (key, value) in members {
            let here = at.key(&key);
            match (key.as_str(), value) {
                ("db/id", Json::String(text)) => {
                    name = DatabaseName::parse(&text);
                    if name.is_none() {
                        return Err(no_name(&here));
                    }
                }
                ("db/id", _) => return Err(no_name(&here)),
                ("incarnation", Json::String(text)) if takes == Takes::Incarnation => {
                    incarnation = parse_incarnation(&text);
                    if incarnation.is_none() {
                        return Err(invalid(&here, "an incarnation has 32 hexadecimal digits"));
                    }
                }
                _ => return Err(unknown(at, &key)),
            }
        }
        let name = name.ok_or_else(|| invalid(at, "the action needs `db/id`"))?;
        Ok(Self { name, incarnation })
    }
}

fn no_name(at: &Pointer) -> Error {
    let why = "a database is named as `network/name`, of lower-case letters, digits and hyphens";
    Error::new(ErrorKind::Invalid, "db/invalid-db", why).with_place(Some(at))
}

fn unknown(at: &Pointer, key: &str) -> Error {
    invalid(&at.key(key), format!("`{key}` is no part of this action"))
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
