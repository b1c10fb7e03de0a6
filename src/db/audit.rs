//! What a database puts into its audit trail by itself, and the trail with the eyes of root.
//!
//! Nothing is taken away by itself: what drops the oldest rows when there are many would let whoever makes many hide
//! what they did before. The operator prunes, and that is told.

use super::database::Database;
use super::denials::Due;
use super::error::Error;
use super::event::{Event, EventKind, EventStatus};
use super::source::Source;
use super::state::Author;
use super::trail::{Logged, Sight, first_at, newest_ms, read};
use super::trail_query::LogQuery;
use super::writer::{Told, Work};
use crate::base::limits::LOG_ROWS_PRUNED_MAX;
use crate::model::SubjectId;
use crate::model::system::ROOT_AUTH;

/// What came of pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many rows were taken away.
    pub rows: u64,
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

    /// The time of the database, Unix milliseconds: that of the clock, but never before what was written.
    pub(super) fn now_ms(&self) -> Result<i64, Error> {
        let state = self.state();
        let head_ms = state.snapshot.head().instant_ms;
        let told_ms = newest_ms(&state.snapshot)?;
        Ok(self.clock().now_ms().max(head_ms).max(told_ms))
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
    pub(super) fn settle_denials(&self) {
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
