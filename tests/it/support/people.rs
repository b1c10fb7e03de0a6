//! A data folder with people in it, a driven clock, and passwords that cost next to nothing.

#[cfg(feature = "server")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{Folder, OldTokens, Options};
use solon::model::SubjectId;
use solon::token::PasswordCost;

use super::START_MS;

/// The least that argon2 can be.
pub const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// A data folder with people in it.
pub struct People {
    pub folder: Folder,
    pub clock: Arc<ManualClock>,
    dir: tempfile::TempDir,
}

impl People {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START_MS));
        let folder = Folder::open(dir.path(), &options(&clock)).unwrap();
        Self { folder, clock, dir }
    }

    #[cfg(feature = "server")]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the folder to other processes: where it is, and what takes it away in the end.
    #[cfg(feature = "cli")]
    pub fn leave(self) -> (PathBuf, tempfile::TempDir) {
        drop(self.folder);
        (self.dir.path().to_owned(), self.dir)
    }

    /// The file of the database.
    #[cfg(feature = "server")]
    pub fn file(&self) -> PathBuf {
        self.path().join("local/default.redb")
    }

    /// A file of the folder.
    pub fn place(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Makes a transaction as root that must be accepted.
    pub fn root(&self, items: &Value) {
        self.folder
            .database()
            .transact(&items.to_string())
            .unwrap_or_else(|error| panic!("{error}: {items}"));
    }

    /// Makes a user with one auth, named as the user is, and perhaps a password.
    pub fn user(&self, name: &str, password: Option<&str>) -> SubjectId {
        let role = format!("{name}-role");
        let rule = super::rule(
            &format!("{name}-rule"),
            "_user",
            &["_user/username"],
            "true",
            &["query"],
        );
        self.root(&json!([
            {"_id": "_auth$a", "id": name, "type": "password",
             "roles": [{"_id": "_role", "id": role, "rules": [rule]}]},
            {"_id": "_user", "username": name, "auth": ["_auth$a"]},
        ]));
        if let Some(password) = password {
            self.folder
                .database()
                .set_password(name, password, OldTokens::Keep)
                .unwrap();
        }
        self.folder.database().auth(name).unwrap()
    }

    pub fn disable(&self, name: &str) {
        self.root(&json!([{"_id": ["_auth/id", name], "disabled": true}]));
    }

    /// The rows of the trail, newest first.
    pub fn trail(&self) -> Vec<Value> {
        let events = self.folder.database().newest_events(1_000).unwrap();
        let rows = events
            .iter()
            .map(|event| serde_json::to_value(event).unwrap());
        rows.collect()
    }
}

fn options(clock: &Arc<ManualClock>) -> Options {
    Options {
        clock: Arc::clone(clock) as _,
        password_cost: CHEAP,
        ..Options::default()
    }
}
