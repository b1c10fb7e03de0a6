//! The facts of `solon/master`: which accounts there are, and which databases.
//!
//! It is a database like any other, with a second transaction (`schema/master.json`), whose ids are known because every
//! master has the same ones. What it says of databases it is made to say by the engine alone: specs refuse all else.
//!
//! 1. A database is there if a subject has its name under `database/name`. That is unique, so no two have one name.
//! 2. One that was deleted has its name under `database/was`, until it is restored or gone.
//! 3. An owner of an account is a user; every auth of that user is as good.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::data_dir::parse_incarnation;
use super::database_name::{DEFAULT, DatabaseName, MASTER};
use super::error::Error;
use crate::model::system::{USER_NUMBER_FIRST, predicate};
use crate::model::{
    CollectionId, Direction, Facts, Flake, Incarnation, Op, PredicateId, SubjectId, Value, ValueRef,
};

/// The second transaction of `solon/master`.
pub(super) const SCHEMA: &str = include_str!("../../schema/master.json");

/// `account`
pub(super) const ACCOUNT: CollectionId = CollectionId::constant(20);
/// `database`
pub(super) const DATABASE: CollectionId = CollectionId::constant(21);

pub(super) const ACCOUNT_NAME: PredicateId = PredicateId(1_001);
pub(super) const ACCOUNT_OWNERS: PredicateId = PredicateId(1_002);
pub(super) const DATABASE_NAME: PredicateId = PredicateId(1_004);
const DATABASE_ACCOUNT: PredicateId = PredicateId(1_005);
const DATABASE_INCARNATION: PredicateId = PredicateId(1_006);
const DATABASE_MADE: PredicateId = PredicateId(1_007);
const DATABASE_WAS: PredicateId = PredicateId(1_008);
const DATABASE_DELETED: PredicateId = PredicateId(1_009);

const _: () = assert!(USER_NUMBER_FIRST == 1_001);

/// What master says of a database.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) subject: SubjectId,
    pub(super) name: DatabaseName,
    pub(super) incarnation: Incarnation,
    pub(super) account: Option<SubjectId>,
    /// Unix milliseconds.
    pub(super) made_ms: i64,
    /// Unix milliseconds, if it was deleted.
    pub(super) deleted_ms: Option<i64>,
}

impl Entry {
    /// The flakes of a new database.
    ///
    /// # Errors
    /// `Internal` if the collection is full.
    pub(super) fn new(
        facts: &dyn Facts,
        name: DatabaseName,
        incarnation: Incarnation,
        account: Option<SubjectId>,
        made_ms: i64,
    ) -> Result<Self, Error> {
        let number = facts.next_number(DATABASE)?;
        let subject = SubjectId::new(DATABASE, number)
            .ok_or_else(|| Error::internal("the collection `database` is full"))?;
        Ok(Self {
            subject,
            name,
            incarnation,
            account,
            made_ms,
            deleted_ms: None,
        })
    }

    /// All that is said of it, to be asserted or retracted.
    pub(super) fn flakes(&self, op: Op) -> Vec<Flake> {
        let mut flakes = self.state(op);
        let life = Value::string(&self.incarnation.to_string());
        flakes.push(self.flake(DATABASE_INCARNATION, life, op));
        flakes.push(self.flake(DATABASE_MADE, Value::Instant(self.made_ms), op));
        flakes.extend(
            self.account
                .map(|it| self.flake(DATABASE_ACCOUNT, Value::Ref(it), op)),
        );
        flakes
    }

    /// What turns it into `other`, which is the same but for being deleted.
    pub(super) fn turned(&self, other: &Self) -> Vec<Flake> {
        [self.state(Op::Retract), other.state(Op::Assert)].concat()
    }

    /// Whether it is there or deleted.
    fn state(&self, op: Op) -> Vec<Flake> {
        let name = Value::string(self.name.as_str());
        match self.deleted_ms {
            None => vec![self.flake(DATABASE_NAME, name, op)],
            Some(ms) => vec![
                self.flake(DATABASE_WAS, name, op),
                self.flake(DATABASE_DELETED, Value::Instant(ms), op),
            ],
        }
    }

    fn flake(&self, p: PredicateId, o: Value, op: Op) -> Flake {
        let s = self.subject;
        Flake { s, p, o, op }
    }
}

/// The database of this name that is there.
pub(super) fn named(facts: &dyn Facts, name: &DatabaseName) -> Result<Option<Entry>, Error> {
    first(facts, DATABASE_NAME, name.as_str())
}

/// The database of this incarnation that is there.
pub(super) fn of_life(facts: &dyn Facts, life: Incarnation) -> Result<Option<Entry>, Error> {
    let found = first(facts, DATABASE_INCARNATION, &life.to_string())?;
    Ok(found.filter(|it| it.deleted_ms.is_none()))
}

/// Every database, those that were deleted too, oldest first.
pub(super) fn all(facts: &dyn Facts) -> Result<Vec<Entry>, Error> {
    entries(facts, subjects(facts, DATABASE)?)
}

/// The databases of this name that were deleted, oldest first.
pub(super) fn deleted(facts: &dyn Facts, name: &DatabaseName) -> Result<Vec<Entry>, Error> {
    let found = facts.subject_list(DATABASE_WAS, ValueRef::String(name.as_str()))?;
    let mut found = entries(facts, found)?;
    found.sort_by_key(|it| (it.deleted_ms, it.subject));
    Ok(found)
}

/// Every account, oldest first.
pub(super) fn accounts(facts: &dyn Facts) -> Result<Vec<SubjectId>, Error> {
    subjects(facts, ACCOUNT)
}

/// The account of this name.
pub(super) fn account(facts: &dyn Facts, name: &str) -> Result<Option<SubjectId>, Error> {
    let found = facts.subject_list(ACCOUNT_NAME, ValueRef::String(name))?;
    Ok(found.first().copied())
}

/// An account's name.
pub(super) fn account_name(facts: &dyn Facts, account: SubjectId) -> Result<Arc<str>, Error> {
    match facts.value_list(account, ACCOUNT_NAME)?.into_iter().next() {
        Some(Value::String(name)) => Ok(name),
        _ => Err(Error::corrupt("an account has no name")),
    }
}

/// The users who own an account.
pub(super) fn owners(facts: &dyn Facts, account: SubjectId) -> Result<Vec<SubjectId>, Error> {
    let values = facts.value_list(account, ACCOUNT_OWNERS)?;
    let owner = |value| match value {
        Value::Ref(user) => Some(user),
        _ => None,
    };
    Ok(values.into_iter().filter_map(owner).collect())
}

/// Whether an auth is one of a user who owns an account.
pub(super) fn owns(facts: &dyn Facts, auth: SubjectId, account: SubjectId) -> Result<bool, Error> {
    let users = facts.subject_list(predicate::USER_AUTH, ValueRef::Ref(auth))?;
    let owners = owners(facts, account)?;
    Ok(users.iter().any(|user| owners.contains(user)))
}

fn subjects(facts: &dyn Facts, of: CollectionId) -> Result<Vec<SubjectId>, Error> {
    let mut found: Vec<SubjectId> = Vec::new();
    facts.collection(of, Direction::Ascending, None, &mut |fact| {
        if found.last() != Some(&fact.s) {
            found.push(fact.s);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn first(facts: &dyn Facts, p: PredicateId, value: &str) -> Result<Option<Entry>, Error> {
    let found = facts.subject_list(p, ValueRef::String(value))?;
    Ok(entries(facts, found)?.into_iter().next())
}

fn entries(facts: &dyn Facts, subjects: Vec<SubjectId>) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for subject in subjects {
        found.extend(entry(facts, subject)?);
    }
    Ok(found)
}

/// What is said of one subject. What root's own transactions may have left of one is no database.
fn entry(facts: &dyn Facts, subject: SubjectId) -> Result<Option<Entry>, Error> {
    let (mut name, mut life, mut account, mut made_ms, mut deleted_ms) =
        (None, None, None, None, None);
    let mut was = None;
    facts.subject(subject, &mut |fact| {
        match (fact.p, fact.o) {
            (DATABASE_NAME, ValueRef::String(text)) => name = DatabaseName::parse(text),
            (DATABASE_WAS, ValueRef::String(text)) => was = DatabaseName::parse(text),
            (DATABASE_INCARNATION, ValueRef::String(text)) => life = parse_incarnation(text),
            (DATABASE_ACCOUNT, ValueRef::Ref(of)) => account = Some(of),
            (DATABASE_MADE, ValueRef::Instant(ms)) => made_ms = Some(ms),
            (DATABASE_DELETED, ValueRef::Instant(ms)) => deleted_ms = Some(ms),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    let (name, deleted_ms) = match (name, was, deleted_ms) {
        (Some(name), None, None) => (name, None),
        (None, Some(was), Some(ms)) => (was, Some(ms)),
        _ => return Ok(None),
    };
    let (Some(incarnation), Some(made_ms)) = (life, made_ms) else {
        return Ok(None);
    };
    Ok(Some(Entry {
        subject,
        name,
        incarnation,
        account,
        made_ms,
        deleted_ms,
    }))
}

/// What makes master say of the two that every folder has which life they are of.
///
/// # Errors
/// As reading fails.
pub(super) fn fixed(
    facts: &dyn Facts,
    lives: [(DatabaseName, Incarnation); 2],
    now_ms: i64,
) -> Result<Vec<Flake>, Error> {
    let mut flakes = Vec::new();
    let mut number = 0;
    for (name, life) in lives {
        debug_assert!(matches!(name.as_str(), DEFAULT | MASTER));
        match named(facts, &name)? {
            Some(entry) if entry.incarnation == life => continue,
            Some(entry) => flakes.extend(entry.flakes(Op::Retract)),
            None => {}
        }
        let mut entry = Entry::new(facts, name, life, None, now_ms)?;
        let next = entry.subject.number().saturating_add(number);
        entry.subject = SubjectId::new(DATABASE, next)
            .ok_or_else(|| Error::internal("the collection `database` is full"))?;
        number += 1;
        flakes.extend(entry.flakes(Op::Assert));
    }
    Ok(flakes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::database::{Database, Options};
    use crate::db::settle::furnish;

    fn master() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_with(dir.path().join("m"), &Options::default()).unwrap();
        furnish(&database, Incarnation([2; 16])).unwrap();
        (dir, database)
    }

    #[test]
    fn the_ids_are_those_that_the_second_transaction_gets() {
        let (_dir, database) = master();
        let state = database.state();
        let schema = state.policy.schema();
        for (name, id) in [
            ("account/name", ACCOUNT_NAME),
            ("account/owners", ACCOUNT_OWNERS),
            ("database/name", DATABASE_NAME),
            ("database/account", DATABASE_ACCOUNT),
            ("database/incarnation", DATABASE_INCARNATION),
            ("database/made", DATABASE_MADE),
            ("database/was", DATABASE_WAS),
            ("database/deleted", DATABASE_DELETED),
        ] {
            assert_eq!(schema.predicate(id).unwrap().name.as_ref(), name);
        }
        for (name, id) in [("account", ACCOUNT), ("database", DATABASE)] {
            assert_eq!(schema.collection(id).unwrap().name.as_ref(), name);
        }
    }

    #[test]
    fn what_there_is_is_said_by_the_engine_alone() {
        let (_dir, database) = master();
        let head = database.head();
        for text in [
            r#"[{"_id": "account", "name": "acme"}]"#,
            r#"[{"_id": "database", "name": "a/b"}]"#,
            r#"[{"_id": "database", "incarnation": "00"}]"#,
            r#"[{"_id": ["database/name", "local/default"], "name": "a/b"}]"#,
            r#"[{"_id": ["database/name", "local/default"], "name": null}]"#,
            r#"[{"_id": ["database/name", "local/default"], "was": "local/default"}]"#,
            r#"[{"_id": ["database/name", "local/default"], "deleted": 1}]"#,
            r#"[{"_id": ["database/name", "local/default"], "_action": "delete"}]"#,
        ] {
            let error = database.transact(text).unwrap_err();
            assert_eq!(error.code(), "db/predicate-tx-spec", "{text}: {error}");
        }
        assert_eq!(database.head(), head);
    }
}
