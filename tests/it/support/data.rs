//! A data folder with accounts, which can be closed and opened again.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{
    Acted, Database, DatabaseState, Error, ErrorKind, Folder, ListedDatabase, Minted, Options,
    Session,
};

use super::database::START_MS;

pub const MASTER: &str = "solon/master";

/// A data folder with a driven clock.
#[derive(Debug)]
pub struct Data {
    pub dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub folder: Option<Folder>,
}

impl Data {
    pub fn new() -> Self {
        let mut data = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(START_MS)),
            folder: None,
        };
        data.open();
        data
    }

    /// One with the accounts `acme`, of `ann`, and `zeta`, of `zoe`; `eve` owns nothing.
    pub fn with_accounts() -> Self {
        let data = Self::new();
        let master = data.master();
        for name in ["ann", "zoe", "eve"] {
            let items = json!([
                {"_id": "_auth$it", "id": name, "roles": [["_role/id", "owner"]]},
                {"_id": "_user", "username": name, "auth": ["_auth$it"]},
            ]);
            master.transact(&items.to_string()).unwrap();
        }
        for (name, owner) in [("acme", "ann"), ("zeta", "zoe")] {
            let made = data.act(
                "root",
                &json!(["new-account", {"name": name, "owner": owner}]),
            );
            assert!(matches!(made, Ok(Acted::Account(it)) if it.name == name));
        }
        data
    }

    pub fn options(&self) -> Options {
        Options {
            clock: Arc::clone(&self.clock) as _,
            ..Options::default()
        }
    }

    pub fn folder(&self) -> &Folder {
        self.folder.as_ref().unwrap()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Opens it again, as after a crash.
    pub fn open(&mut self) {
        drop(self.folder.take());
        self.folder = Some(Folder::open(self.dir.path(), &self.options()).unwrap());
    }

    pub fn master(&self) -> Database {
        self.folder().database_named(MASTER).unwrap()
    }

    /// A session of master's, as `root` or another auth.
    pub fn session(&self, auth: &str) -> Session {
        let token = if auth == "root" {
            self.folder().root_token_in(MASTER, 3_599)
        } else {
            self.folder().token_for_in(MASTER, auth, 3_600)
        };
        self.folder().session(&token.unwrap(), None).unwrap()
    }

    pub fn act(&self, auth: &str, action: &Value) -> Result<Acted, Error> {
        let session = self.session(auth);
        self.folder().action(&session, &action.to_string())
    }

    /// An action on a database.
    pub fn on(&self, auth: &str, action: &str, name: &str) -> Result<ListedDatabase, Error> {
        match self.act(auth, &json!([action, {"db/id": name}]))? {
            Acted::Database(database) => Ok(database),
            other => panic!("{other:?}"),
        }
    }

    pub fn mint(&self, auth: &str, body: &Value) -> Result<Minted, Error> {
        let session = self.session(auth);
        self.folder().token(&session, &body.to_string())
    }

    pub fn listed(&self, auth: &str) -> Vec<(String, bool)> {
        let told = self.folder().databases_of(&self.session(auth)).unwrap();
        told.into_iter()
            .map(|it| (it.name, it.state == DatabaseState::Live))
            .collect()
    }

    /// Writes a mark into a database, so that it can be told from others.
    pub fn mark(&self, name: &str, mark: &str) {
        let database = self.folder().database_named(name).unwrap();
        let items = json!([{"_id": "_collection", "name": "mark", "doc": mark}]);
        database.transact(&items.to_string()).unwrap();
    }

    pub fn marked(&self, name: &str) -> Option<String> {
        let database = self.folder().database_named(name).unwrap();
        let query = json!({"selectOne": ["doc"], "from": ["_collection/name", "mark"]});
        let body = database.root().query(&query.to_string()).unwrap().body;
        let told: Value = serde_json::from_str(&body).unwrap();
        told["doc"].as_str().map(str::to_owned)
    }

    /// Where the file of a life waits.
    pub fn aside(&self, of: &str, database: &ListedDatabase) -> PathBuf {
        let name = database.name.replace('/', ".");
        self.path(&format!("{of}/{name}.{}.redb", database.incarnation))
    }
}

pub fn refused<T>(told: Result<T, Error>, kind: ErrorKind, code: &str) -> Error {
    let Err(error) = told else {
        panic!("it was accepted");
    };
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    error
}
