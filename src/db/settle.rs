//! Brings the files of a folder to what the facts of `solon/master` say, after a crash or a day later.
//!
//! A fact is made durable first or a file moved first, in an order that leaves no doubt which of the two is behind:
//!
//! | what | steps, in this order |
//! |---|---|
//! | new | file made under `new`, **fact**, file into its place |
//! | delete | **fact**, file from its place to `deleted` |
//! | restore | **fact**, file from `deleted` into its place |
//! | a day later | file removed from `deleted`, **fact** |
//!
//! The fact decides: a crash before it leaves the old state, and after it the new one, which is finished here. Of two
//! that had one name the one that was deleted goes out of the place before the other comes in.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data_dir::DataDir;
use super::database::Database;
use super::database_name::DatabaseName;
use super::databases::Databases;
use super::errand::Made;
use super::error::Error;
use super::master::{self, Entry, SCHEMA};
use super::state::Author;
use crate::base::limits::DATABASE_UNDO_SECONDS;
use crate::model::system::ROOT_AUTH;
use crate::model::{Incarnation, Op, T};

/// What brings files and facts together.
pub(super) struct Settling<'a> {
    pub(super) dir: &'a DataDir,
    pub(super) master: &'a Database,
    pub(super) databases: &'a Databases,
}

/// The first moment at which a database that was deleted can be restored no more, Unix milliseconds.
pub(super) fn undone_until_ms(deleted_ms: i64) -> i64 {
    let undo_ms = i64::try_from(DATABASE_UNDO_SECONDS.saturating_mul(1_000)).unwrap_or(i64::MAX);
    deleted_ms.saturating_add(undo_ms)
}

/// Makes what every master has: its schema, and the facts of the two databases that every folder has.
///
/// # Errors
/// `Unavailable` if the disk does not answer.
pub(super) fn furnish(master: &Database, default: Incarnation) -> Result<(), Error> {
    if master.head().t == T(1) {
        master.transact(SCHEMA)?;
    }
    let lives = [
        (DatabaseName::of_default(), default),
        (DatabaseName::of_master(), master.incarnation()),
    ];
    let now_ms = master.clock().now_ms();
    let state = master.state();
    let is_told = master::fixed(&state.snapshot, lives.clone(), now_ms)?.is_empty();
    drop(state);
    if is_told {
        return Ok(());
    }
    master.errand(Author::Auth(ROOT_AUTH), move |ground| {
        Ok(Made {
            flakes: master::fixed(ground.facts, lives, ground.now_ms)?,
            events: Vec::new(),
            answer: Ok(()),
        })
    })
}

impl Settling<'_> {
    /// Settles a folder that was just opened.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let entries = self.entries()?;
        let (live, deleted): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|it| it.deleted_ms.is_none());
        for entry in deleted {
            self.databases.retire(entry)?;
        }
        for entry in &live {
            if !entry.name.is_fixed() {
                self.databases.place(entry)?;
            }
            self.dir.keep_incarnation(&entry.name, entry.incarnation)?;
        }
        self.dir.sweep_new()?;
        let names: BTreeSet<&DatabaseName> = live.iter().map(|it| &it.name).collect();
        self.dir.sweep_incarnations(|name| names.contains(name))?;
        self.purge()
    }

    /// Removes those that can be restored no more.
    ///
    /// # Errors
    /// As [`Settling::settle`].
    pub(super) fn purge(&self) -> Result<(), Error> {
        let now_ms = self.master.clock().now_ms();
        let is_over = |it: &Entry| {
            it.deleted_ms
                .is_some_and(|deleted| undone_until_ms(deleted) <= now_ms)
        };
        let over: Vec<Entry> = self.entries()?.into_iter().filter(is_over).collect();
        if over.is_empty() {
            return Ok(());
        }
        for entry in &over {
            // It may stand in its place still, if the disk refused to move it.
            self.databases.retire(entry)?;
            self.databases.purge(entry)?;
        }
        let over = Arc::new(over);
        self.master.errand(Author::Auth(ROOT_AUTH), move |_| {
            let flakes = over.iter().flat_map(|it| it.flakes(Op::Retract)).collect();
            Ok(Made {
                flakes,
                events: Vec::new(),
                answer: Ok(()),
            })
        })
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let state = self.master.state();
        master::all(&state.snapshot)
    }
}
