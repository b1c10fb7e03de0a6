//! A data folder with a driven clock, and the tokens of its auths.

use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{ErrorKind, Folder, Minted, Options, Session};

use super::START_MS;

/// A data folder with a driven clock.
pub struct Bearers {
    pub folder: Folder,
    pub clock: Arc<ManualClock>,
    pub dir: tempfile::TempDir,
}

impl Bearers {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START_MS));
        let folder = Folder::open(dir.path(), &options(&clock)).unwrap();
        Self { folder, clock, dir }
    }

    /// The same folder, closed and opened again.
    pub fn again(self) -> Self {
        let Self { folder, clock, dir } = self;
        folder.close();
        drop(folder);
        let folder = Folder::open(dir.path(), &options(&clock)).unwrap();
        Self { folder, clock, dir }
    }

    pub fn root(&self, items: &Value) {
        self.folder
            .database()
            .transact(&items.to_string())
            .unwrap_or_else(|error| panic!("{error}: {items}"));
    }

    pub fn auth(&self, id: &str, rules: &[Value]) {
        self.root(&json!([{"_id": "_auth", "id": id, "roles": [{"_id": "_role", "id": format!("{id}-role"), "rules": rules}]}]));
    }

    /// Mints as root for an auth.
    pub fn token(&self, id: &str, seconds: Option<u64>) -> String {
        self.minted(&ask(id, seconds)).token
    }

    /// An API token of an auth, minted by root.
    pub fn api(&self, id: &str, name: &str) -> Minted {
        self.minted(&json!({"auth": ["_auth/id", id], "kind": "api", "name": name}))
    }

    fn minted(&self, body: &Value) -> Minted {
        self.mint(&self.folder.root_token(3_599).unwrap(), body)
            .unwrap()
    }

    pub fn mint(&self, token: &str, body: &Value) -> Result<Minted, (ErrorKind, &'static str)> {
        let session = self
            .folder
            .session(token, None)
            .map_err(|error| (error.kind(), error.code()))?;
        session
            .token(&body.to_string())
            .map_err(|error| (error.kind(), error.code()))
    }

    /// The session of a token that is good.
    pub fn session(&self, token: &str) -> Session {
        self.folder.session(token, None).unwrap()
    }

    /// Why a token is not good, if it is not.
    pub fn code(&self, token: &str) -> Option<&'static str> {
        self.folder.session(token, None).err().map(|error| {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            error.code()
        })
    }
}

/// A request for an access token.
pub fn ask(id: &str, seconds: Option<u64>) -> Value {
    match seconds {
        Some(seconds) => json!({"auth": ["_auth/id", id], "expireSeconds": seconds}),
        None => json!({"auth": ["_auth/id", id]}),
    }
}

fn options(clock: &Arc<ManualClock>) -> Options {
    Options {
        clock: Arc::clone(clock) as _,
        password_cost: super::people::CHEAP,
        ..Options::default()
    }
}
