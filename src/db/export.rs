//! Exporting: what holds, as items that can be imported, or the blocks as they were made.
//!
//! Shape: JSON lines, between a record that says what begins and one that says that it ended. Without the last one
//! an export is not whole.
//!
//! ```text
//! {"start":{"by":"state","block":7,"hash":"…"}}      the hash is told to root alone
//! {"_id":"person$351843720888320","handle":"ada"}    items, as docs/operations.md tells them
//! {"end":{"items":1,"block":7,"hash":"…"}}
//! ```
//!
//! It reads one snapshot, for longer than a view may live, and what it reads it reads through the view of who asks.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::auth_name::AuthName;
use super::database::Database;
use super::error::Error;
use super::export_facts::Source;
use super::export_out::Out;
use super::export_state::Stating;
use crate::base::limits::EXPORT_SECONDS_MAX;
use crate::base::{Budget, Deadline};
use crate::model::system::ROOT_AUTH;
use crate::model::{Head, T};
use crate::policy::{Op, View};
use crate::query::{Json, flake_json};

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Items, or blocks.
    pub items: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// The newest block that is in it.
    pub block: T,
}

impl Database {
    /// Writes all that holds, but what is sealed or the engine's own, as JSON lines that [`Database::import`] takes
    /// into an empty database; `told` hears of bytes and items.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written; `Limit` past the time that an export may take.
    pub fn export(
        &self,
        out: &mut dyn Write,
        told: impl FnMut(u64, u64),
    ) -> Result<Exported, Error> {
        self.export_as(ROOT_AUTH, out, told)
    }

    /// The same, as far as an auth sees it.
    ///
    /// # Errors
    /// As [`Database::export`]; `NotFound` if there is no such auth, `Denied` if its roles allow nothing.
    pub fn export_as(
        &self,
        auth: impl Into<AuthName>,
        out: &mut dyn Write,
        mut told: impl FnMut(u64, u64),
    ) -> Result<Exported, Error> {
        let auth = self.auth(auth)?;
        let state = self.state();
        let reads = state
            .policy
            .permissions(auth, &Op::query(), &state.snapshot)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let is_root = reads.is_root();
        let budget = self.export_budget();
        let schema = Arc::clone(state.policy.schema());
        let now_ms = self.clock().now_ms();
        let view = View::new(reads, Arc::clone(&schema), &state.snapshot, now_ms, &budget);
        let head = state.snapshot.head();
        let mut out = Out::new(out);
        let hash = is_root.then_some(head);
        out.record("start", begun("state", head.t, hash))?;
        let source = Source::new(&view, &state.policy)?;
        Stating::new(&source, is_root, &mut out, &mut told).run()?;
        out.record("end", ended("items", out.count(), head.t, hash))?;
        out.flush()?;
        told(out.bytes(), out.count());
        Ok(Exported {
            items: out.count(),
            bytes: out.bytes(),
            block: head.t,
        })
    }

    /// Writes the blocks from one to another as they were made, but what is sealed; for root alone.
    ///
    /// # Errors
    /// As [`Database::export`]; `Invalid` for blocks that are not there.
    pub fn export_blocks(
        &self,
        from: Option<T>,
        to: Option<T>,
        out: &mut dyn Write,
        mut told: impl FnMut(u64, u64),
    ) -> Result<Exported, Error> {
        let state = self.state();
        let snapshot = &state.snapshot;
        let (from, to) = (from.unwrap_or(T(1)), to.unwrap_or(snapshot.head().t));
        let last = if from.0 >= 1 && from <= to {
            snapshot.block(to)?
        } else {
            None
        };
        let Some(last) = last else {
            let why = format!("there are no blocks from {} to {}", from.0, to.0);
            return Err(Error::new(
                super::error::ErrorKind::Invalid,
                "db/invalid-block",
                why,
            ));
        };
        let head = Head {
            t: last.t,
            hash: last.hash,
            instant_ms: last.instant_ms,
        };
        let schema = state.policy.schema();
        let budget = self.export_budget();
        let mut out = Out::new(out);
        out.record("start", begun("block", head.t, Some(head)))?;
        let mut blocks = 0;
        for number in from.0..=to.0 {
            let missing = || Error::internal("a block that was found is not in the log");
            let sealed = snapshot.log(T(number))?.ok_or_else(missing)?;
            let commit = &sealed.commit;
            budget.spend(u64::try_from(commit.flakes.len()).unwrap_or(u64::MAX))?;
            let flakes = commit
                .flakes
                .iter()
                .filter(|flake| schema.predicate(flake.p).is_some_and(|it| !it.sealed))
                .map(|flake| flake_json(flake.s, flake.p, &flake.o, commit.t, flake.op));
            let flakes = Json::Array(flakes.collect());
            let t = crate::model::SubjectId::of_block(commit.t).raw();
            let members = [
                ("block", number_json(number)),
                ("t", Json::Int(t)),
                ("instant", Json::Int(commit.instant_ms)),
                ("hash", Json::String(sealed.hash.to_string())),
                ("previous", Json::String(sealed.previous.to_string())),
                ("id", Json::String(commit.id.to_string())),
                ("auth", Json::Int(commit.auth.raw())),
                ("flakes", flakes),
            ];
            let members = members.into_iter().map(|(key, it)| (key.to_owned(), it));
            out.line(&Json::Object(members.collect()).write())?;
            blocks += 1;
            told(out.bytes(), blocks);
        }
        out.record("end", ended("blocks", blocks, head.t, Some(head)))?;
        out.flush()?;
        Ok(Exported {
            items: blocks,
            bytes: out.bytes(),
            block: head.t,
        })
    }

    /// An export is bounded by time alone: it is asked for by who has the folder.
    fn export_budget(&self) -> Budget {
        let most = Duration::from_secs(EXPORT_SECONDS_MAX);
        Budget::new(u64::MAX, Some(Deadline::after(self.clock(), most)))
    }
}

fn begun(by: &str, t: T, hash: Option<Head>) -> Vec<(&'static str, Json)> {
    let mut members = vec![("by", Json::string(by)), ("block", number_json(t.0))];
    members.extend(hash.map(|head| ("hash", Json::String(head.hash.to_string()))));
    members
}

fn ended(what: &'static str, count: u64, t: T, hash: Option<Head>) -> Vec<(&'static str, Json)> {
    let mut members = vec![(what, number_json(count)), ("block", number_json(t.0))];
    members.extend(hash.map(|head| ("hash", Json::String(head.hash.to_string()))));
    members
}

fn number_json(number: u64) -> Json {
    i64::try_from(number).map_or(Json::UInt(number), Json::Int)
}
