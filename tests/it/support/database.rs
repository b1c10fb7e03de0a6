//! A database in memory, with a driven clock.

use std::sync::Arc;

use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{Database, Error, Options, Receipt};
use solon::model::Incarnation;
use solon::store::Store;

/// 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;

/// A database in memory, with a driven clock.
#[derive(Debug)]
pub struct Db {
    pub database: Database,
    pub clock: Arc<ManualClock>,
}

impl Db {
    /// A database that holds the bootstrap alone.
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START_MS));
        let backend = redb::backends::InMemoryBackend::new();
        let store = Store::create_on(backend, Incarnation([7; 16])).unwrap();
        let options = Options {
            clock: Arc::clone(&clock) as _,
            ..Options::default()
        };
        Self {
            database: Database::start(store, &options).unwrap(),
            clock,
        }
    }

    /// Makes a transaction as root that must be accepted.
    pub fn root(&self, items: &Value) -> Receipt {
        self.database
            .transact(&items.to_string())
            .unwrap_or_else(|error| panic!("{error}: {items}"))
    }

    /// Makes a transaction as an auth.
    pub fn write(&self, auth: &str, items: &Value) -> Result<Receipt, Error> {
        self.database.transact_as(auth, &items.to_string())
    }

    /// Makes a transaction that must be refused; its code.
    pub fn refused(&self, auth: &str, items: &Value) -> Error {
        match self.write(auth, items) {
            Ok(receipt) => panic!("{items} was accepted: {receipt:?}"),
            Err(error) => error,
        }
    }

    /// Asks as an auth; the answer must be one.
    pub fn ask(&self, auth: &str, query: &Value) -> Value {
        self.try_ask(auth, query)
            .unwrap_or_else(|error| panic!("{error}: {query}"))
    }

    /// Asks as an auth.
    pub fn try_ask(&self, auth: &str, query: &Value) -> Result<Value, Error> {
        let answer = self.database.view(auth)?.query(&query.to_string())?;
        Ok(serde_json::from_str(&answer.body).unwrap())
    }

    /// Makes an auth with one role that has these rules, and perhaps a user.
    pub fn auth(&self, id: &str, user: Option<&str>, rules: &[Value]) {
        let role = json!({"_id": "_role", "id": format!("{id}-role"), "rules": rules});
        let mut items = vec![json!({"_id": "_auth$it", "id": id, "roles": [role]})];
        if let Some(name) = user {
            items.push(json!({"_id": "_user", "username": name, "auth": ["_auth$it"]}));
        }
        self.root(&Value::Array(items));
    }
}

/// A rule on predicates, with the text of its function.
pub fn rule(id: &str, collection: &str, predicates: &[&str], code: &str, ops: &[&str]) -> Value {
    json!({
        "_id": "_rule", "id": id, "collection": collection, "predicates": predicates,
        "fns": [function(id, code)], "ops": ops,
    })
}

/// A default rule of a collection.
pub fn default_rule(id: &str, collection: &str, code: &str, ops: &[&str]) -> Value {
    json!({
        "_id": "_rule", "id": id, "collection": collection, "collectionDefault": true,
        "fns": [function(id, code)], "ops": ops,
    })
}

/// The same rule as a deny.
pub fn deny(mut rule: Value) -> Value {
    rule["effect"] = json!("deny");
    rule
}

fn function(id: &str, code: &str) -> Value {
    if code == "true" || code == "false" {
        json!(["_fn/name", code])
    } else {
        json!({"_id": "_fn", "name": format!("{id}-fn"), "code": code})
    }
}

/// A small office: documents that users own, in teams that users lead.
pub fn office() -> Db {
    let db = Db::new();
    db.root(&json!([
        {"_id": "_collection", "name": "doc"},
        {"_id": "_collection", "name": "team"},
        {"_id": "_predicate", "name": "doc/title", "type": "string", "index": true},
        {"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true},
        {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
        {"_id": "_predicate", "name": "doc/readers", "type": "ref", "multi": true},
        {"_id": "_predicate", "name": "doc/size", "type": "int", "index": true},
        {"_id": "_predicate", "name": "doc/secret", "type": "string"},
        {"_id": "_predicate", "name": "doc/team", "type": "ref", "restrictCollection": "team"},
        {"_id": "_predicate", "name": "doc/label", "type": "tag"},
        {"_id": "_predicate", "name": "team/name", "type": "string", "unique": true},
        {"_id": "_predicate", "name": "team/lead", "type": "ref", "restrictCollection": "_user"},
    ]));
    db
}

/// Two users with documents and a team each; nobody may do anything yet.
pub fn furnish(db: &Db) {
    db.root(&json!([
        {"_id": "team$a", "name": "alpha", "lead": ["_user/username", "ann"]},
        {"_id": "team$b", "name": "beta", "lead": ["_user/username", "bob"]},
        {"_id": "doc", "key": "a", "title": "plans", "owner": ["_user/username", "ann"],
         "size": 1, "secret": "s-a", "team": "team$a", "label": "draft"},
        {"_id": "doc", "key": "b", "title": "books", "owner": ["_user/username", "bob"],
         "size": 2, "secret": "s-b", "team": "team$b", "label": "final"},
    ]));
}
