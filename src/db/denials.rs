//! Refusals of requests by who asked and why, counted, so that a flood of them costs next to nothing.
//!
//! 1. The first of an auth, or of nobody, and a code is an event at once. Those that come in the minute after it are
//!    counted, and are one event when the minute is over; and so on for each minute in which there are any.
//! 2. So there is one row a minute at the most for each auth and code, and a bounded number of these in memory. Past
//!    that, auths are not told apart.
//! 3. Nobody waits for a row: what cannot be written now stays counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::{Event, EventKind, EventStatus};
use super::source::Source;
use crate::base::limits::{DENIAL_SECONDS, DENIALS_MAX};
use crate::model::SubjectId;

/// Who was refused, and the code of it.
type Key = (Option<SubjectId>, &'static str);

/// The refusals of a database that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: BTreeMap<Key, Counted>,
    /// When the oldest minute began, Unix milliseconds.
    oldest_ms: Option<i64>,
}

/// The refusals of one key since its last row.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// When its last row was made, Unix milliseconds.
    since_ms: i64,
    count: u64,
    address: Place,
}

/// Where refusals came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// All of them from there.
    One(Option<IpAddr>),
    Several,
}

/// What is due, and by which key each was counted.
pub(super) type Due = Vec<(Key, Event)>;

impl Denials {
    /// Counts a refusal. Gives back what is to be written now.
    pub(super) fn count(
        &self,
        auth: Option<SubjectId>,
        code: &'static str,
        source: Source,
        now_ms: i64,
    ) -> Due {
        let mut kept = self.lock();
        let mut due = kept.take_due(now_ms);
        let mut key = (auth, code);
        if !kept.by_key.contains_key(&key) && kept.by_key.len() >= DENIALS_MAX {
            key = (None, code);
        }
        let is_first = !kept.by_key.contains_key(&key);
        let counted = kept.by_key.entry(key).or_insert(Counted {
            since_ms: now_ms,
            count: 0,
            address: Place::One(source.address),
        });
        counted.add(1, Place::One(source.address));
        if is_first {
            due.push((key, counted.take(key)));
            kept.find_oldest();
        }
        due
    }

    /// What is to be written now.
    pub(super) fn due(&self, now_ms: i64) -> Due {
        self.lock().take_due(now_ms)
    }

    /// All that was counted and not written, when nothing more will be.
    pub(super) fn take_all(&self) -> Due {
        let mut kept = std::mem::take(&mut *self.lock());
        let counted = kept.by_key.iter_mut().filter(|(_, it)| it.count > 0);
        counted.map(|(key, it)| (*key, it.take(*key))).collect()
    }

    /// Counts again what could not be written.
    pub(super) fn put_back(&self, due: Due, now_ms: i64) {
        let mut kept = self.lock();
        for ((auth, code), event) in due {
            let key = if kept.by_key.len() < DENIALS_MAX {
                (auth, code)
            } else {
                (None, code)
            };
            let from = Place::One(event.address);
            let counted = kept.by_key.entry(key).or_insert(Counted {
                since_ms: now_ms,
                count: 0,
                address: from,
            });
            counted.add(event.count.unwrap_or(1), from);
        }
        kept.find_oldest();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes what was counted in minutes that are over, and forgets keys in whose minute nothing came.
    fn take_due(&mut self, now_ms: i64) -> Due {
        let minute_ms = i64::try_from(DENIAL_SECONDS)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        // A clock that was set back ends every minute that it is before.
        let is_over = |since: i64| now_ms < since || now_ms.saturating_sub(since) >= minute_ms;
        if !self.oldest_ms.is_some_and(&is_over) {
            return Due::new();
        }
        self.by_key
            .retain(|_, counted| counted.count > 0 || !is_over(counted.since_ms));
        let mut due = Due::new();
        for (key, counted) in &mut self.by_key {
            if is_over(counted.since_ms) {
                counted.since_ms = now_ms;
                due.push((*key, counted.take(*key)));
            }
        }
        self.find_oldest();
        due
    }

    fn find_oldest(&mut self) {
        self.oldest_ms = self.by_key.values().map(|it| it.since_ms).min();
    }
}

impl Counted {
    fn add(&mut self, count: u64, from: Place) {
        self.address = if self.count == 0 || self.address == from {
            from
        } else {
            Place::Several
        };
        self.count = self.count.saturating_add(count);
    }

    /// What was counted, as an event. The writer says when it is told.
    fn take(&mut self, (auth, code): Key) -> Event {
        let mut event = Event::new(EventKind::Denied, EventStatus::Error, 0).code(code);
        event.auth = auth.map(SubjectId::raw);
        event.address = match self.address {
            Place::One(address) => address,
            Place::Several => None,
        };
        event.count = (self.count > 1).then_some(self.count);
        self.count = 0;
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::system::collection;

    const CODE: &str = "db/no-permission";

    fn auth(number: u64) -> Option<SubjectId> {
        SubjectId::new(collection::AUTH, number)
    }

    fn counts(due: &Due) -> Vec<u64> {
        due.iter()
            .map(|(_, event)| event.count.unwrap_or(1))
            .collect()
    }

    fn source(last: u8) -> Source {
        Source::from(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn a_flood_costs_one_row_a_minute_and_none_of_it_is_lost() {
        let denials = Denials::default();
        let mut rows = Vec::new();
        for ms in 0..300_000 {
            rows.extend(denials.count(auth(1), CODE, source(1), ms));
        }
        rows.extend(denials.take_all());
        assert_eq!(rows.len(), 6);
        assert_eq!(counts(&rows).iter().sum::<u64>(), 300_000);
        assert!(rows.iter().all(|(_, it)| it.address == source(1).address));
        assert!(denials.take_all().is_empty());
    }

    #[test]
    fn a_minute_is_over_when_it_is_and_not_before() {
        let denials = Denials::default();
        assert_eq!(counts(&denials.count(auth(1), CODE, source(1), 5)), [1]);
        assert!(denials.count(auth(1), CODE, source(2), 6).is_empty());
        assert!(denials.due(60_004).is_empty());
        assert_eq!(counts(&denials.due(60_005)), [1]);
        assert!(denials.due(120_004).is_empty());
        // Nothing came in that minute: the next is the first again.
        assert!(denials.due(120_005).is_empty());
        assert_eq!(
            counts(&denials.count(auth(1), CODE, source(1), 120_006)),
            [1]
        );
        // The clock was set back.
        assert!(denials.count(auth(1), CODE, source(1), 120_007).is_empty());
        assert_eq!(counts(&denials.count(auth(1), CODE, source(1), 0)), [1]);
    }

    #[test]
    fn auths_and_codes_are_told_apart_and_where_from_only_if_that_is_one_place() {
        let denials = Denials::default();
        for (who, code) in [
            (auth(1), CODE),
            (auth(2), CODE),
            (auth(1), "x"),
            (None, "x"),
        ] {
            let due = denials.count(who, code, source(1), 0);
            let [(key, event)] = due.as_slice() else {
                panic!("{due:?}")
            };
            assert_eq!(*key, (who, code));
            assert_eq!(event.auth, who.map(SubjectId::raw));
            assert_eq!(event.address, source(1).address);
        }
        for last in [1, 2] {
            assert!(denials.count(None, "x", source(last), 1).is_empty());
            assert!(denials.count(auth(1), "x", source(2), 1).is_empty());
        }
        let due = denials.due(60_001);
        let told: Vec<_> = due.iter().map(|(key, it)| (key.0, it.address)).collect();
        assert_eq!(told, [(None, None), (auth(1), source(2).address)]);
    }

    #[test]
    fn as_many_are_told_apart_as_there_may_be_and_no_more() {
        let denials = Denials::default();
        let max = u64::try_from(DENIALS_MAX).unwrap();
        for number in 0..max {
            assert_eq!(denials.count(auth(number), CODE, source(1), 0).len(), 1);
        }
        // The one past it is told without its auth, once.
        let due = denials.count(auth(max), CODE, source(1), 0);
        assert_eq!(due.first().map(|(key, _)| *key), Some((None, CODE)));
        assert!(denials.count(auth(max + 1), CODE, source(1), 0).is_empty());
        assert!(denials.count(auth(0), CODE, source(1), 0).is_empty());
        let due = denials.due(60_000);
        assert_eq!(due.len(), 2);
    }

    #[test]
    fn what_could_not_be_written_stays_counted() {
        let denials = Denials::default();
        let due = denials.count(auth(1), CODE, source(1), 0);
        denials.put_back(due, 0);
        assert!(denials.count(auth(1), CODE, source(1), 1).is_empty());
        assert_eq!(counts(&denials.due(60_000)), [2]);
    }
}
