//! A signed command as it is sent: a text, and an Ed25519 signature of exactly that text.
//!
//! Shape of the body: `{"cmd": text, "sig": 128 hexadecimal digits}`. Shape of the text, which is JSON by itself:
//! ```text
//! {"type": "tx", "db": "network/name" | "ledger": "network/name", "tx": [..], "nonce": whole number,
//!  "auth": name, "authority"?: name, "expire"?: Unix ms, "deps"?: [id of a transaction, ..], "fuel"?: steps}
//! ```
//! where a name is an `_auth/id`, a subject's id, or `["_auth/id", text]`. No other unique predicate names an auth
//! here: who signs for an auth need not see all of its facts, and could guess at them.
//!
//! 1. What is not understood is refused: a key that is ignored is one that its signer believed in.
//! 2. Pointers into the text begin with `/cmd`.

use std::sync::Arc;

use super::auth_name::AuthName;
use super::error::{Error, ErrorKind, LimitKind};
use crate::base::limits::{COMMAND_BODY_BYTES_MAX, COMMAND_DEPENDENCIES_MAX};
use crate::model::SubjectId;
use crate::query::{Json, Pointer};
use crate::token::{CommandKey, CommandSignature};

/// A command that has its shape. Nothing of it is verified.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// The text that was signed.
    pub(super) text: Arc<str>,
    pub(super) signature: CommandSignature,
    /// The database it is for, `network/name`.
    pub(super) database: String,
    /// Whose permissions it has.
    pub(super) auth: AuthName,
    /// Who signed it, if that is another.
    pub(super) authority: Option<AuthName>,
    pub(super) nonce: i64,
    /// The first millisecond at which it is good no more.
    pub(super) expire_ms: Option<i64>,
    /// The ids of transactions that must be there.
    pub(super) dependencies: Vec<Arc<str>>,
    /// The steps it may take, if fewer than its auth may.
    pub(super) fuel: Option<u64>,
    /// The transaction, whose shape is not looked at yet.
    pub(super) items: Json,
}

/// The fields of a command's text as they are read.
#[derive(Default)]
struct Fields {
    is_transaction: bool,
    database: Option<String>,
    items: Option<Json>,
    nonce: Option<i64>,
    auth: Option<AuthName>,
    authority: Option<AuthName>,
    expire_ms: Option<i64>,
    dependencies: Vec<Arc<str>>,
    fuel: Option<u64>,
}

/// Signs the text of a command: the body to send is returned.
///
/// The text is looked at as the database will look at it, so that what cannot be a command is not signed.
///
/// # Errors
/// `Invalid` with the place if the text is no command; `Limit` if it is too long.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use solon::db::sign_command;
/// use solon::token::CommandKey;
/// # let dir = tempfile::tempdir()?;
/// # let db = solon::Database::open(dir.path().join("app.redb"))?;
/// # db.transact(r#"[{"_id": "_rule$r", "id": "r", "collection": "_tx", "predicates": ["_tx/doc"],
/// #                  "fns": [["_fn/name", "true"]], "ops": ["transact"]},
/// #                 {"_id": "_role$r", "id": "r", "rules": ["_rule$r"]},
/// #                 {"_id": "_auth", "id": "robot", "roles": ["_role$r"]}]"#)?;
/// let key = CommandKey::generate()?;
/// let public = key.public();
/// db.transact(&format!(r#"[{{"_id": ["_auth/id", "robot"], "publicKey": "{public}"}}]"#))?;
///
/// let text = r#"{"type": "tx", "db": "local/default", "auth": "robot", "nonce": 1,
///                "tx": [{"_id": "_tx", "doc": "by command"}]}"#;
/// let body = sign_command(&key, text)?;
/// assert_eq!(db.command("local/default", &body)?.auth, "robot");
/// assert!(db.command("local/default", &body).is_err());
/// # Ok(())
/// # }
/// ```
pub fn sign_command(key: &CommandKey, text: &str) -> Result<String, Error> {
    bounded(text)?;
    let signature = key.sign(text);
    Command::read(text, signature.clone())?;
    let body = Json::Object(vec![
        ("cmd".to_owned(), Json::string(text)),
        ("sig".to_owned(), Json::String(signature.to_string())),
    ])
    .write();
    bounded(&body)?;
    Ok(body)
}

impl Command {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// `Limit`, then `Invalid` with the place.
    pub(super) fn parse(body: &str) -> Result<Self, Error> {
        bounded(body)?;
        let root = Pointer::root();
        let Json::Object(members) = Json::read(body)? else {
            return Err(invalid(
                &root,
                "a command is an object with `cmd` and `sig`",
            ));
        };
        let (mut text, mut signature) = (None, None);
        for (key, value) in members {
            let at = root.key(&key);
            match (key.as_str(), value) {
                ("cmd", Json::String(it)) => text = Some(it),
                ("cmd", _) => return Err(invalid(&at, "`cmd` is a text")),
                ("sig", Json::String(it)) => signature = CommandSignature::parse(&it),
                ("sig", _) => {}
                _ => return Err(unknown(&at, &key)),
            }
        }
        let Some(text) = text else {
            return Err(invalid(&root, "a command needs `cmd`"));
        };
        let Some(signature) = signature else {
            let why = "a command needs `sig`, which is 128 lower-case hexadecimal digits";
            return Err(invalid(&root.key("sig"), why));
        };
        Self::read(&text, signature)
    }

    /// Reads the text that was signed.
    fn read(text: &str, signature: CommandSignature) -> Result<Self, Error> {
        let root = Pointer::root().key("cmd");
        let read = Json::read(text).map_err(|error| Error::from(error).within("`cmd`"))?;
        let Json::Object(members) = read else {
            return Err(invalid(&root, "the text of a command is an object"));
        };
        let mut fields = Fields::default();
        for (key, value) in members {
            fields.take(&key, value, &root)?;
        }
        let missing = |what: &str| invalid(&root, format!("a command needs `{what}`"));
        if !fields.is_transaction {
            return Err(missing("type"));
        }
        let database = fields.database.ok_or_else(|| missing("db"))?;
        let items = fields.items.ok_or_else(|| missing("tx"))?;
        let nonce = fields.nonce.ok_or_else(|| missing("nonce"))?;
        let auth = fields.auth.ok_or_else(|| {
            let why = "a command needs `auth`: the one whose permissions it has";
            Error::new(ErrorKind::Invalid, "db/missing-auth", why).with_place(Some(&root))
        })?;
        Ok(Self {
            text: Arc::from(text),
            signature,
            database,
            auth,
            authority: fields.authority,
            nonce,
            expire_ms: fields.expire_ms,
            dependencies: fields.dependencies,
            fuel: fields.fuel,
            items,
        })
    }

    /// Whether it is for this database. `network.name` is another spelling of `network/name`.
    pub(super) fn is_for(&self, database: &str) -> bool {
        is_spelling(&self.database, database)
    }
}

/// Why a command is refused by a database that the request names, and the command does not.
pub(super) fn misdirected() -> Error {
    let why = "the command is for another database";
    let at = Pointer::root().key("cmd").key("db");
    Error::new(ErrorKind::Invalid, "db/invalid-db", why).with_place(Some(&at))
}

/// Whether two texts name the same database.
pub(super) fn is_spelling(text: &str, database: &str) -> bool {
    let full = |name: &str| {
        if name.contains('/') {
            name.to_owned()
        } else {
            name.replacen('.', "/", 1)
        }
    };
    full(text) == full(database)
}

impl Fields {
    fn take(&mut self, key: &str, value: Json, root: &Pointer) -> Result<(), Error> {
        let at = root.key(key);
        match (key, value) {
            ("type", Json::String(it)) if it == "tx" => self.is_transaction = true,
            ("type", _) => return Err(invalid(&at, "the `type` of a command is `tx`")),
            ("db" | "ledger", _) if self.database.is_some() => {
                return Err(invalid(&at, "a command has `db` or `ledger`, not both"));
            }
            ("db" | "ledger", Json::String(name)) => self.database = Some(name),
            ("db" | "ledger", _) => {
                return Err(invalid(&at, "a database is named as `network/name`"));
            }
            ("tx", items) => self.items = Some(items),
            ("nonce", Json::Int(nonce)) => self.nonce = Some(nonce),
            ("nonce", _) => {
                return Err(invalid(
                    &at,
                    "a `nonce` is a whole number of 64 bits, signed",
                ));
            }
            ("auth", value) => self.auth = Some(auth_name(value, &at)?),
            ("authority", value) => self.authority = Some(auth_name(value, &at)?),
            ("expire", Json::Int(ms)) if ms > 0 => self.expire_ms = Some(ms),
            ("expire", _) => {
                return Err(invalid(&at, "`expire` is a moment in Unix milliseconds"));
            }
            ("deps", Json::Array(ids)) => self.dependencies = dependencies(ids, &at)?,
            ("deps", _) => return Err(invalid(&at, "`deps` is an array of transactions' ids")),
            ("fuel", Json::Int(steps)) if steps > 0 => self.fuel = u64::try_from(steps).ok(),
            ("fuel", _) => return Err(invalid(&at, "`fuel` is a whole number of steps")),
            _ => return Err(unknown(&at, key)),
        }
        Ok(())
    }
}

fn auth_name(value: Json, at: &Pointer) -> Result<AuthName, Error> {
    let named = match value {
        Json::String(id) => Some(AuthName::Id(id)),
        Json::Int(raw) => SubjectId::from_raw(raw).map(AuthName::Subject),
        Json::Array(parts) => match <[Json; 2]>::try_from(parts) {
            Ok([Json::String(of), Json::String(id)]) if of == "_auth/id" => Some(AuthName::Id(id)),
            _ => None,
        },
        _ => None,
    };
    named.ok_or_else(|| {
        let why = "an auth is named by its `_auth/id`, its subject's id or `[\"_auth/id\", ..]`";
        invalid(at, why)
    })
}

fn dependencies(ids: Vec<Json>, at: &Pointer) -> Result<Vec<Arc<str>>, Error> {
    if ids.len() > COMMAND_DEPENDENCIES_MAX {
        let why = format!("a command depends on {COMMAND_DEPENDENCIES_MAX} transactions at most");
        return Err(invalid(at, why));
    }
    ids.into_iter()
        .enumerate()
        .map(|(index, id)| match id {
            Json::String(id) if is_digest(&id) => Ok(Arc::from(id)),
            _ => {
                let why = "a transaction's id is 64 lower-case hexadecimal digits";
                Err(invalid(&at.index(index), why))
            }
        })
        .collect()
}

fn is_digest(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(is_digit)
}

fn bounded(body: &str) -> Result<(), Error> {
    if body.len() <= COMMAND_BODY_BYTES_MAX {
        return Ok(());
    }
    let why = format!("a command's body has {COMMAND_BODY_BYTES_MAX} bytes at most");
    Err(Error::new(
        ErrorKind::Limit(LimitKind::Body),
        "db/limit",
        why,
    ))
}

fn unknown(at: &Pointer, key: &str) -> Error {
    invalid(at, format!("`{key}` is no part of a command"))
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-command", why).with_place(Some(at))
}
