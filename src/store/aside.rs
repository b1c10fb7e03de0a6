//! What is kept beside the ledger: in its file, in the disk transactions of its commits, and in no block.
//!
//! 1. Rows of the trail are numbered from 1, in the order in which they came. They are added at its end, and taken
//!    away from its beginning alone, when that is asked for: so its numbers have no gaps.
//! 2. Of a mark the newest value is kept alone.
//! 3. Neither is hashed, made from the log, or read as facts. The store does not know what they say, but for the one
//!    subject that a row is about, by which it is found without a look at the others.
//!
//! Shape: docs/format.md, "Beside the ledger".

use std::ops::{Bound, ControlFlow};

use redb::{ReadableTable, WriteTransaction};

use super::error::Error;
use super::key::{Reader, put_subject, put_uint};
use super::row::end_of;
use super::snapshot::Snapshot;
use super::table::{ABOUT, MARKS, META, META_TRAIL, TRAIL};
use crate::base::limits::EVENT_BYTES_MAX;
use crate::model::SubjectId;

/// What a commit keeps beside the ledger.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Rows of the trail, oldest first.
    pub trail: Vec<TrailRow>,
    /// The number below which rows of the trail are taken away, those that came before this commit.
    pub trail_from: Option<u64>,
    /// Marks, by name. Of two with one name, the later counts.
    pub marks: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names of marks that go, after those are put.
    pub unmarked: Vec<Vec<u8>>,
}

/// A row of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailRow {
    /// Whom it is about.
    pub about: Option<SubjectId>,
    /// What it says; `EVENT_BYTES_MAX` bytes at the most.
    pub text: Vec<u8>,
}

/// How far the trail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The number of the oldest row.
    pub first: u64,
    /// The number of the newest row.
    pub last: u64,
}

/// How many rows are put into one disk transaction when the trail is copied.
const PART_ROWS: usize = 50_000;

type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

impl Aside {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.trail.is_empty()
            && self.trail_from.is_none()
            && self.marks.is_empty()
            && self.unmarked.is_empty()
    }

    /// Checks what can be checked before a disk transaction is begun.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.trail.iter().any(|it| it.text.len() > EVENT_BYTES_MAX) {
            return Err(Error::invalid("a row of the trail is too long"));
        }
        Ok(())
    }

    /// Puts it into the tables of the transaction.
    pub(super) fn put(&self, transaction: &WriteTransaction) -> Result<(), Error> {
        if !self.trail.is_empty() || self.trail_from.is_some() {
            let mut meta = transaction.open_table(META)?;
            let mut trail = transaction.open_table(TRAIL)?;
            let mut about = transaction.open_table(ABOUT)?;
            let from = match meta.get(META_TRAIL)? {
                Some(from) => Reader::new(from.value()).uint()?,
                None => 1,
            };
            let last = match trail.last()? {
                Some((key, _)) => Some(number(key.value())?),
                None => None,
            };
            let mut end = last.map_or(from, |last| last.saturating_add(1));
            if let Some(asked) = self.trail_from {
                // A trail without rows may begin anywhere: one that is copied begins where the other did.
                let to = if last.is_some() {
                    asked.min(end)
                } else {
                    asked
                };
                cut(&mut trail, &mut about, to)?;
                if to > from {
                    let mut value = Vec::new();
                    put_uint(&mut value, to);
                    meta.insert(META_TRAIL, value.as_slice())?;
                }
                end = end.max(to);
            }
            for (number, row) in (end..).zip(&self.trail) {
                put_row(&mut trail, &mut about, number, row)?;
            }
        }
        if !self.marks.is_empty() || !self.unmarked.is_empty() {
            let mut table = transaction.open_table(MARKS)?;
            for (name, value) in &self.marks {
                table.insert(name.as_slice(), value.as_slice())?;
            }
            for name in &self.unmarked {
                table.remove(name.as_slice())?;
            }
        }
        Ok(())
    }
}

/// Takes the rows away whose numbers are below `to`.
fn cut(trail: &mut Rows<'_>, about: &mut Rows<'_>, to: u64) -> Result<(), Error> {
    let end = to.to_be_bytes();
    let mut gone = Vec::new();
    for row in trail.range::<&[u8]>(..end.as_slice())? {
        let (key, value) = row?;
        let number = number(key.value())?;
        gone.push((number, decode(value.value())?.0));
    }
    for (number, s) in gone {
        trail.remove(number.to_be_bytes().as_slice())?;
        if let Some(s) = s {
            about.remove(about_key(s, number).as_slice())?;
        }
    }
    Ok(())
}

fn put_row(
    trail: &mut Rows<'_>,
    about: &mut Rows<'_>,
    number: u64,
    row: &TrailRow,
) -> Result<(), Error> {
    trail.insert(number.to_be_bytes().as_slice(), encode(row).as_slice())?;
    if let Some(s) = row.about {
        about.insert(about_key(s, number).as_slice(), [].as_slice())?;
    }
    Ok(())
}

/// The bytes of a row: 0, or 1 and the subject that it is about; then its text.
fn encode(row: &TrailRow) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.text.len().saturating_add(16));
    match row.about {
        None => bytes.push(0),
        Some(s) => {
            bytes.push(1);
            put_subject(&mut bytes, s);
        }
    }
    bytes.extend_from_slice(&row.text);
    bytes
}

/// Whom a row is about, and its text.
fn decode(bytes: &[u8]) -> Result<(Option<SubjectId>, &[u8]), Error> {
    let mut reader = Reader::new(bytes);
    let about = match reader.byte()? {
        0 => None,
        1 => Some(reader.subject()?),
        _ => return Err(Error::corrupt("a row of the trail is of no known form")),
    };
    Ok((about, reader.rest()))
}

fn about_key(s: SubjectId, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(20);
    put_subject(&mut key, s);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn number(key: &[u8]) -> Result<u64, Error> {
    let key = key
        .try_into()
        .map_err(|_| Error::corrupt("a row of the trail has no number"))?;
    Ok(u64::from_be_bytes(key))
}

impl Snapshot {
    /// How far the trail goes, if it has a row.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn trail_reach(&self) -> Result<Option<Reach>, Error> {
        let mut rows = self.tables().trail.range::<&[u8]>(..)?;
        let Some(first) = rows.next() else {
            return Ok(None);
        };
        let first = number(first?.0.value())?;
        let last = match rows.next_back() {
            Some(last) => number(last?.0.value())?,
            None => first,
        };
        Ok(Some(Reach { first, last }))
    }

    /// The text of one row of the trail.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn trail_row(&self, number: u64) -> Result<Option<Vec<u8>>, Error> {
        let key = number.to_be_bytes();
        match self.tables().trail.get(key.as_slice())? {
            Some(value) => Ok(Some(decode(value.value())?.1.to_vec())),
            None => Ok(None),
        }
    }

    /// Visits the rows of the trail with numbers below `before`, newest first.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn trail(
        &self,
        before: Option<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let end = before.map(u64::to_be_bytes);
        let end = match &end {
            Some(key) => Bound::Excluded(key.as_slice()),
            None => Bound::Unbounded,
        };
        let rows = self
            .tables()
            .trail
            .range::<&[u8]>((Bound::Unbounded, end))?;
        for row in rows.rev() {
            let (key, value) = row?;
            if visit(number(key.value())?, decode(value.value())?.1).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The same of the rows that are about `s`. No other row is looked at.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn trail_about(
        &self,
        s: SubjectId,
        before: Option<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut group = Vec::new();
        put_subject(&mut group, s);
        let end = match before {
            Some(before) => about_key(s, before),
            None => end_of(&group),
        };
        let rows = self
            .tables()
            .about
            .range::<&[u8]>(group.as_slice()..end.as_slice())?;
        for row in rows.rev() {
            let (key, _) = row?;
            let number = number(key.value().get(group.len()..).unwrap_or_default())?;
            let text = self.trail_row(number)?.ok_or_else(|| {
                Error::corrupt(format!(
                    "table about names row {number} of the trail, which is not there"
                ))
            })?;
            if visit(number, &text).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A mark's value, if there is one with this name.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn mark(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self.tables().marks.get(name)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Checks the numbers of the trail, and that what its rows are about is what they are found by. Tells how many
    /// rows there are.
    ///
    /// # Errors
    /// `Corrupt`, naming the row or the table.
    pub(super) fn check_aside(&self) -> Result<u64, Error> {
        let tables = self.tables();
        let mut expected = match tables.meta.get(META_TRAIL)? {
            Some(from) => Reader::new(from.value()).uint()?,
            None => 1,
        };
        let (mut rows, mut found) = (0_u64, 0_u64);
        for row in tables.trail.range::<&[u8]>(..)? {
            let (key, value) = row?;
            let number = number(key.value())?;
            if number != expected {
                let what = format!("row {expected} of the trail is missing");
                return Err(Error::corrupt(what));
            }
            let wrong = |why: &str| Error::corrupt(format!("row {number} of the trail {why}"));
            let (about, text) = decode(value.value()).map_err(|_| wrong("is of no known form"))?;
            if text.len() > EVENT_BYTES_MAX {
                return Err(wrong("is too long"));
            }
            if let Some(s) = about {
                if tables.about.get(about_key(s, number).as_slice())?.is_none() {
                    return Err(wrong("is not in table about"));
                }
                found = found.saturating_add(1);
            }
            rows = rows.saturating_add(1);
            expected = number.saturating_add(1);
        }
        if tables.about.range::<&[u8]>(..)?.count() == usize::try_from(found).unwrap_or(usize::MAX)
        {
            return Ok(rows);
        }
        Err(Error::corrupt(
            "table about names a row that the trail does not have",
        ))
    }

    /// Visits all that is kept beside the ledger in parts that are put into one disk transaction each.
    pub(super) fn each_aside(
        &self,
        put: &mut dyn FnMut(&Aside) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tables = self.tables();
        let from = match tables.meta.get(META_TRAIL)? {
            Some(from) => Some(Reader::new(from.value()).uint()?),
            None => None,
        };
        let mut part = Aside {
            trail_from: from,
            ..Aside::default()
        };
        for row in tables.marks.range::<&[u8]>(..)? {
            let (name, value) = row?;
            part.marks
                .push((name.value().to_vec(), value.value().to_vec()));
        }
        let mut expected = from.unwrap_or(1);
        for row in tables.trail.range::<&[u8]>(..)? {
            let (key, value) = row?;
            if number(key.value())? != expected {
                let what = format!("row {expected} of the trail is missing");
                return Err(Error::corrupt(what));
            }
            expected = expected.saturating_add(1);
            let (about, text) = decode(value.value())?;
            part.trail.push(TrailRow {
                about,
                text: text.to_vec(),
            });
            if part.trail.len() >= PART_ROWS {
                put(&part)?;
                part = Aside::default();
            }
        }
        put(&part)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::{CollectionId, Incarnation};
    use crate::store::Store;

    fn said(about: Option<SubjectId>, text: &str) -> TrailRow {
        TrailRow {
            about,
            text: text.as_bytes().to_vec(),
        }
    }

    fn subject(number: u64) -> SubjectId {
        SubjectId::new(CollectionId::new(6).unwrap(), number).unwrap()
    }

    fn store() -> Store {
        Store::create_on(InMemoryBackend::new(), Incarnation([1; 16])).unwrap()
    }

    fn keep(store: &Store, trail: Vec<TrailRow>, trail_from: Option<u64>) {
        let aside = Aside {
            trail,
            trail_from,
            ..Aside::default()
        };
        store.append_with(&[], &aside).unwrap();
    }

    fn numbers(snapshot: &Snapshot, about: Option<SubjectId>) -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut visit = |number: u64, _: &[u8]| {
            numbers.push(number);
            ControlFlow::Continue(())
        };
        match about {
            None => snapshot.trail(None, &mut visit).unwrap(),
            Some(s) => snapshot.trail_about(s, None, &mut visit).unwrap(),
        }
        numbers
    }

    #[test]
    fn the_rows_about_a_subject_are_found_by_it_and_go_with_the_trail() {
        let store = store();
        let (a, b) = (subject(1), subject(300));
        let rows = [Some(a), None, Some(b), Some(a), Some(b)];
        keep(&store, rows.map(|about| said(about, "x")).to_vec(), None);
        let all = store.snapshot().unwrap();
        assert_eq!(numbers(&all, None), [5, 4, 3, 2, 1]);
        assert_eq!(numbers(&all, Some(a)), [4, 1]);
        assert_eq!(numbers(&all, Some(b)), [5, 3]);
        assert!(numbers(&all, Some(subject(2))).is_empty());
        assert_eq!(store.verify().unwrap().trail, 5);

        keep(&store, vec![said(Some(a), "cut")], Some(4));
        let left = store.snapshot().unwrap();
        assert_eq!(numbers(&left, None), [6, 5, 4]);
        assert_eq!(numbers(&left, Some(a)), [6, 4]);
        assert_eq!(numbers(&left, Some(b)), [5]);
        assert_eq!(
            left.trail_reach().unwrap(),
            Some(Reach { first: 4, last: 6 })
        );
        assert_eq!(store.verify().unwrap().trail, 3);

        // All of it, and numbers are not used twice.
        keep(&store, Vec::new(), Some(99));
        assert_eq!(store.snapshot().unwrap().trail_reach().unwrap(), None);
        assert_eq!(store.verify().unwrap().trail, 0);
        keep(&store, vec![said(None, "again")], None);
        assert_eq!(numbers(&store.snapshot().unwrap(), None), [7]);
        assert_eq!(numbers(&all, None), [5, 4, 3, 2, 1]);
    }

    #[test]
    fn a_store_that_is_made_anew_has_the_trail_and_the_marks() {
        for from in [None, Some(2), Some(4)] {
            let old = store();
            let rows = [Some(subject(1)), None, Some(subject(2))];
            keep(&old, rows.map(|about| said(about, "x")).to_vec(), None);
            let aside = Aside {
                trail_from: from,
                marks: vec![(b"m".to_vec(), b"1".to_vec())],
                ..Aside::default()
            };
            old.append_with(&[], &aside).unwrap();
            let new = Store::rebuild(&old, store()).unwrap();
            assert_eq!(new.verify().unwrap(), old.verify().unwrap());
            let (old, snapshot) = (old.snapshot().unwrap(), new.snapshot().unwrap());
            assert_eq!(snapshot.mark(b"m").unwrap(), Some(b"1".to_vec()));
            for about in [None, Some(subject(1)), Some(subject(2))] {
                assert_eq!(numbers(&snapshot, about), numbers(&old, about));
            }
            keep(&new, vec![said(None, "next")], None);
            assert_eq!(numbers(&new.snapshot().unwrap(), None)[0], 4);
        }
    }

    #[test]
    fn a_row_is_as_long_as_it_may_be_and_no_longer() {
        let store = store();
        keep(&store, vec![said(None, &"x".repeat(EVENT_BYTES_MAX))], None);
        let aside = Aside {
            trail: vec![said(None, &"x".repeat(EVENT_BYTES_MAX + 1))],
            ..Aside::default()
        };
        let refused = store.append_with(&[], &aside);
        assert!(matches!(refused, Err(Error::Invalid { .. })));
        store.can_append().unwrap();
        assert_eq!(store.verify().unwrap().trail, 1);
    }

    #[test]
    fn the_trail_keeps_its_order_and_a_mark_its_newest_value() {
        let store = Store::create_on(InMemoryBackend::new(), Incarnation([1; 16])).unwrap();
        let aside = |rows: &[&str], marks: &[(&str, &str)]| Aside {
            trail: rows.iter().map(|row| said(None, row)).collect(),
            trail_from: None,
            marks: marks
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
            unmarked: Vec::new(),
        };
        let before = store.snapshot().unwrap();
        store
            .append_with(&[], &aside(&["a", "b"], &[("x", "1"), ("x", "2")]))
            .unwrap();
        store
            .append_with(&[], &aside(&["c"], &[("y", "3")]))
            .unwrap();
        let read = |snapshot: &Snapshot, before, most: usize| {
            let mut rows = Vec::new();
            snapshot
                .trail(before, &mut |number, row| {
                    rows.push((number, String::from_utf8(row.to_vec()).unwrap()));
                    if rows.len() == most {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })
                .unwrap();
            rows
        };
        let row = |number: u64, text: &str| (number, text.to_owned());
        let after = store.snapshot().unwrap();
        assert_eq!(
            read(&after, None, 9),
            [row(3, "c"), row(2, "b"), row(1, "a")]
        );
        assert_eq!(read(&after, Some(3), 1), [row(2, "b")]);
        assert_eq!(read(&after, Some(1), 9), []);
        assert_eq!(after.mark(b"x").unwrap(), Some(b"2".to_vec()));
        assert_eq!(after.mark(b"z").unwrap(), None);
        assert_eq!(read(&before, None, 9), []);
        assert_eq!(before.mark(b"x").unwrap(), None);
        let unmarked = Aside {
            unmarked: vec![b"x".to_vec(), b"z".to_vec()],
            ..Aside::default()
        };
        store.append_with(&[], &unmarked).unwrap();
        let last = store.snapshot().unwrap();
        assert_eq!(last.mark(b"x").unwrap(), None);
        assert_eq!(last.mark(b"y").unwrap(), Some(b"3".to_vec()));
    }
}
