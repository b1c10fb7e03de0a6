//! Rows of the audit trail as they are read out of a snapshot.
//!
//! 1. What is not to be read is not looked at either: rows about an auth are found by it. So no row of others changes
//!    a byte of an answer, and none of them costs its reader anything.
//! 2. Rows are in the order of their instants, and one at an instant is found by halving.

use std::ops::ControlFlow;

use super::error::{Error, ErrorKind, LimitKind};
use super::event::Event;
use super::trail_query::{LogPlace, LogQuery};
use crate::base::limits::LOG_ROWS_SCANNED_MAX;
use crate::model::SubjectId;
use crate::store::Snapshot;

/// A row of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number. Numbers grow with time, and not all of them are seen by everyone.
    pub id: u64,
    /// What happened.
    pub event: Event,
}

/// Which rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Every row.
    All,
    /// Those that are about this auth.
    About(SubjectId),
}

/// Whether an error says that who asked is not known, or may not. A password that is wrong has an event of its own.
pub(super) fn is_denial(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied)
        && error.code() != "db/invalid-password"
}

/// Reads rows, newest first.
pub(super) fn read(
    snapshot: &Snapshot,
    query: &LogQuery,
    sight: Sight,
) -> Result<Vec<Logged>, Error> {
    read_among(snapshot, query, sight, LOG_ROWS_SCANNED_MAX)
}

/// The same, where no more than so many rows are looked at.
fn read_among(
    snapshot: &Snapshot,
    query: &LogQuery,
    sight: Sight,
    scanned_max: u64,
) -> Result<Vec<Logged>, Error> {
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
        if seen > scanned_max {
            let why = format!(
                "among {scanned_max} rows of the trail too few have that status; ask for a shorter span"
            );
            let kind = ErrorKind::Limit(LimitKind::Request);
            failed = Some(Error::new(kind, "db/exceeded-cost", why));
            return ControlFlow::Break(());
        }
        match Event::read(id, text) {
            Ok(mut event) if query.status.is_none_or(|status| status == event.status) => {
                // Where another was when they asked is not for whom it is about.
                if sight != Sight::All && event.by.is_some() {
                    event.address = None;
                }
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
pub(super) fn first_at(snapshot: &Snapshot, ms: i64) -> Result<u64, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::event::{EventKind, EventStatus};
    use crate::model::Incarnation;
    use crate::store::{Aside, Store, TrailRow};

    fn row(at: i64) -> TrailRow {
        Event::new(EventKind::Minted, EventStatus::Ok, at).row()
    }

    fn keep(store: &Store, trail: Vec<TrailRow>) -> Snapshot {
        let aside = Aside {
            trail,
            ..Aside::default()
        };
        store.append_with(&[], &aside).unwrap();
        store.snapshot().unwrap()
    }

    /// A store, and the folder that it is in.
    fn store() -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path().join("a.redb"), Incarnation([1; 16])).unwrap();
        (store, dir)
    }

    #[test]
    fn as_many_rows_are_looked_at_as_there_may_be_and_no_more() {
        let (store, _dir) = store();
        let snapshot = keep(&store, (0..11).map(row).collect());
        let query = LogQuery {
            status: Some(EventStatus::Error),
            ..LogQuery::default()
        };
        let found = read_among(&snapshot, &query, Sight::All, 11);
        assert_eq!(found, Ok(Vec::new()));
        let refused = read_among(&snapshot, &query, Sight::All, 10).unwrap_err();
        assert_eq!(refused.code(), "db/exceeded-cost");
        // What is not asked for is not looked at.
        let query = LogQuery {
            after: Some(LogPlace::Row(1)),
            ..query
        };
        let found = read_among(&snapshot, &query, Sight::All, 10);
        assert_eq!(found, Ok(Vec::new()));
    }

    #[test]
    fn the_first_row_at_an_instant_is_found() {
        let (store, _dir) = store();
        let snapshot = keep(&store, (0..11).map(|at| row(at / 2)).collect());
        for (ms, number) in [(-1, 1), (0, 1), (1, 3), (4, 9), (5, 11), (6, 12)] {
            assert_eq!(first_at(&snapshot, ms), Ok(number), "{ms}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_or_is_out_of_its_time_is_found() {
        let (store, _dir) = store();
        check_rows(&keep(&store, vec![row(5), row(5)])).unwrap();
        let error = check_rows(&keep(&store, vec![row(4)])).unwrap_err();
        assert!(error.message().contains("row 2"), "{error}");
        let broken = TrailRow {
            about: None,
            text: b"{}".to_vec(),
        };
        let error = check_rows(&keep(&store, vec![broken])).unwrap_err();
        assert!(error.message().contains("row 4"), "{error}");
    }
}
