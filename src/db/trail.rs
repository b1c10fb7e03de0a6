//! The audit trail: reading it, taking its oldest rows away, and what is told of refusals.
//!
//! 1. Who has the op `logs` at `_log` reads every row; every other auth that may do anything reads the rows that are
//!    about itself. What is not to be read is not looked at either: rows about an auth are found by it. So no row of
//!    others changes a byte of an answer, and none of them costs its reader anything.
//! 2. Rows are in the order of their instants, and one at an instant is found by halving.
//! 3. Nothing is taken away by itself: what drops the oldest rows when there are many would let whoever makes many
//!    hide what they did before. The operator prunes, and that is told.

use std::ops::ControlFlow;

use super::database::Database;
use super::denials::Due;
use super::error::{Error, ErrorKind, LimitKind};
use super::event::{Event, EventKind, EventStatus};
use super::folder::Folder;
use super::session::Session;
use super::source::Source;
use super::state::{Author, budget};
use super::trail_query::{LogPlace, LogQuery};
use super::writer::{Told, Work};
use crate::base::limits::{LOG_ROWS_PRUNED_MAX, LOG_ROWS_SCANNED_MAX};
use crate::model::SubjectId;
use crate::model::system::{ROOT_AUTH, collection};
use crate::policy::{Allowed, Op};
use crate::store::Snapshot;

/// A row of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number. Numbers grow with time, and not all of them are seen by everyone.
    pub id: u64,
    /// What happened.
    pub event: Event,
}

/// What came of pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many rows were taken away.
    pub rows: u64,
}

/// Which rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    All,
    About(SubjectId),
}

/// Whether an error says that who asked is not known, or may not. A password that is wrong has an event of its own.
pub(super) fn is_denial(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied)
        && error.code() != "db/invalid-password"
}

impl Session {
    /// Reads the audit trail: all of it with the op `logs`, else what is about the bearer.
    ///
    /// Shape: `{"limit"?, "before"?, "after"?, "status"?, "db"?}`; see [`LogQuery`]. Newest first.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `Invalid` for a body that is no query; `Limit` if too many rows
    /// have another status.
    pub fn logs(&self, body: &str) -> Result<Vec<Logged>, Error> {
        let database = self.database();
        database.settle_denials();
        let state = database.state();
        let clock = database.clock();
        let now_ms = clock.now_ms();
        let (facts, policy) = (&state.snapshot, &state.policy);
        self.author().admit(facts, policy, now_ms)?;
        let logs = policy.permissions(self.auth(), &Op::logs(), facts)?;
        if !logs.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let query = LogQuery::parse(body, self.name())?;
        let limit = budget(clock, logs.steps_max());
        let target = SubjectId::new(collection::LOG, 0)
            .ok_or_else(|| Error::internal("`_log` has no subject"))?;
        let sight = match logs.judge_target(target, None, facts, now_ms, &limit)? {
            Allowed::No => Sight::About(self.auth()),
            Allowed::ByAll | Allowed::ByName => Sight::All,
        };
        read(facts, &query, sight)
    }

    /// Counts a refusal of this bearer in the trail, by its code.
    pub fn tell_denied(&self, code: &'static str) {
        self.database()
            .tell_denied(Some(self.auth()), code, self.source());
    }
}

impl Folder {
    /// Reads the audit trail of a database as the operator, who has its files.
    ///
    /// # Errors
    /// `NotFound` if there is no such database; `Corrupt` or `Unavailable` if it cannot be read.
    pub fn logs(&self, database: &str, query: &LogQuery) -> Result<Vec<Logged>, Error> {
        self.opened(database)?.database.logs(query)
    }

    /// Takes the rows of the audit trail of a database away that are older than an instant, Unix milliseconds.
    ///
    /// # Errors
    /// As [`Folder::logs`].
    pub fn prune_logs(&self, database: &str, before_ms: i64) -> Result<Pruned, Error> {
        self.opened(database)?.database.prune_logs(before_ms)
    }

    /// Counts a refusal of nobody that is known, by its code, in the trail of the default database: a stranger's word
    /// for which database was meant is not taken.
    pub fn tell_denied(&self, code: &'static str, source: Source) {
        self.database().tell_denied(None, code, source);
    }
}

impl Database {
    /// Reads the audit trail with the eyes of root.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if it cannot be read; `Limit` if too many rows have another status.
    pub fn logs(&self, query: &LogQuery) -> Result<Vec<Logged>, Error> {
        self.settle_denials();
        read(&self.state().snapshot, query, Sight::All)
    }

    /// Takes the rows of the audit trail away that are older than an instant, Unix milliseconds, and has the trail
    /// tell how many they were.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer: then some of them may be gone already, and that is told.
    pub fn prune_logs(&self, before_ms: i64) -> Result<Pruned, Error> {
        let state = self.state();
        let Some(reach) = state.snapshot.trail_reach()? else {
            return Ok(Pruned { rows: 0 });
        };
        let end = first_at(&state.snapshot, before_ms)?;
        drop(state);
        let mut from = reach.first;
        while from < end {
            let to = end.min(from.saturating_add(LOG_ROWS_PRUNED_MAX));
            let mut event = Event::new(EventKind::TrailPruned, EventStatus::Ok, 0);
            event.count = Some(to.saturating_sub(from));
            let told = Told {
                events: vec![event],
                from: Some(to),
            };
            drop(self.ask(Author::Auth(ROOT_AUTH), Work::Tell(told))?);
            from = to;
        }
        Ok(Pruned {
            rows: end.saturating_sub(reach.first),
        })
    }

    /// Counts a refusal in the trail. Nobody waits for its row.
    pub(super) fn tell_denied(&self, auth: Option<SubjectId>, code: &'static str, source: Source) {
        let now_ms = self.clock().now_ms();
        let due = self.denials().count(auth, code, source, now_ms);
        if due.is_empty() {
            return;
        }
        let told = Told {
            events: events_of(&due),
            from: None,
        };
        if self.tell(told).is_err() {
            self.denials().put_back(due, now_ms);
        }
    }

    /// Writes what was counted in minutes that are over. Who reads the trail must see it, but a writer that has
    /// stopped does not keep them from what is there.
    fn settle_denials(&self) {
        let now_ms = self.clock().now_ms();
        let due = self.denials().due(now_ms);
        if due.is_empty() {
            return;
        }
        let told = Told {
            events: events_of(&due),
            from: None,
        };
        if self.ask(Author::Auth(ROOT_AUTH), Work::Tell(told)).is_err() {
            self.denials().put_back(due, now_ms);
        }
    }
}

fn events_of(due: &Due) -> Vec<Event> {
    due.iter().map(|(_, event)| event.clone()).collect()
}

/// Reads rows, newest first.
fn read(snapshot: &Snapshot, query: &LogQuery, sight: Sight) -> Result<Vec<Logged>, Error> {
    let before = match query.before {
        None => None,
        Some(LogPlace::Row(id)) => Some(id),
        Some(LogPlace::Instant(ms)) => Some(first_at(snapshot, ms)?),
    };
    let first = match query.after {
        None => 0,
        Some(LogPlace::Row(id)) => id.saturating_add(1),
        Some(LogPlace::Instant(ms)) => first_at(snapshot, ms)?,
    };
    let mut rows = Vec::new();
    let mut failed = None;
    let mut seen = 0_u64;
    let mut visit = |id: u64, text: &[u8]| {
        if id < first || rows.len() >= query.limit {
            return ControlFlow::Break(());
        }
        seen = seen.saturating_add(1);
        if seen > LOG_ROWS_SCANNED_MAX {
            let why = format!(
                "among {LOG_ROWS_SCANNED_MAX} rows of the trail too few have that status; ask for a shorter span"
            );
            let kind = ErrorKind::Limit(LimitKind::Request);
            failed = Some(Error::new(kind, "db/exceeded-cost", why));
            return ControlFlow::Break(());
        }
        match Event::read(id, text) {
            Ok(event) if query.status.is_none_or(|status| status == event.status) => {
                rows.push(Logged { id, event });
                ControlFlow::Continue(())
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    match sight {
        Sight::All => snapshot.trail(before, &mut visit)?,
        Sight::About(auth) => snapshot.trail_about(auth, before, &mut visit)?,
    }
    failed.map_or(Ok(rows), Err)
}

/// The number of the first row at an instant or later; one more than the last, if there is none.
fn first_at(snapshot: &Snapshot, ms: i64) -> Result<u64, Error> {
    let Some(reach) = snapshot.trail_reach()? else {
        return Ok(0);
    };
    let (mut low, mut high) = (reach.first, reach.last.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        if at(snapshot, middle)? < ms {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// When a row was told.
fn at(snapshot: &Snapshot, number: u64) -> Result<i64, Error> {
    let text = snapshot.trail_row(number)?.ok_or_else(|| {
        let why = format!("row {number} of the trail is missing");
        Error::new(ErrorKind::Corrupt, "db/corrupt", why)
    })?;
    Ok(Event::read(number, &text)?.at)
}

/// When the newest row was told, Unix milliseconds.
pub(super) fn newest_ms(snapshot: &Snapshot) -> Result<i64, Error> {
    match snapshot.trail_reach()? {
        Some(reach) => at(snapshot, reach.last),
        None => Ok(i64::MIN),
    }
}

/// Checks that every row can be read, and that none is older than the one before it.
///
/// # Errors
/// `Corrupt`, naming the row.
pub(super) fn check_rows(snapshot: &Snapshot) -> Result<(), Error> {
    let mut newer_ms = i64::MAX;
    let mut failed = None;
    snapshot.trail(None, &mut |number, text| {
        let read = Event::read(number, text).and_then(|event| {
            if event.at > newer_ms {
                let why = format!("row {number} of the trail is newer than the one after it");
                return Err(Error::new(ErrorKind::Corrupt, "db/corrupt", why));
            }
            Ok(event.at)
        });
        match read {
            Ok(ms) => {
                newer_ms = ms;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}
