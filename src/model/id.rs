//! The numbers by which subjects, predicates, collections and blocks are known.
//!
//! 1. A subject id is its collection's id times 2^44, plus a number within the collection. Collections go up to
//!    511, so that every id stays below 2^53 and is exact in any JSON reader.
//! 2. Block *n* is the subject −n. Those subjects are virtual: nothing on disk has a negative id.
//! 3. A predicate's id is its number within collection 0, a collection's id its number within collection 1.

use std::fmt;

use crate::base::limits::COLLECTION_ID_MAX;

/// How many bits of a subject id number the subject within its collection.
const NUMBER_BITS: u32 = 44;

/// The largest number of a subject within its collection.
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;

/// The logical time of a commit, and the number of its block: 1, 2, 3, …
///
/// On the wire it is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct T(pub u64);

impl T {
    /// The `t` of the commit after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The id of a collection. The virtual collection `_tx` of the blocks is [`CollectionId::TX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(i16);

impl CollectionId {
    /// The virtual collection of the blocks, `_tx`.
    pub const TX: Self = Self(-1);

    /// The collection with this id, if it is at most 511.
    pub fn new(id: u64) -> Option<Self> {
        let id = i16::try_from(id).ok()?;
        (id <= COLLECTION_ID_MAX.cast_signed()).then_some(Self(id))
    }

    pub(crate) const fn constant(id: i16) -> Self {
        Self(id)
    }

    /// The id as a number; −1 for `_tx`.
    pub const fn raw(self) -> i16 {
        self.0
    }
}

/// The id of a predicate: its number within collection 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateId(pub u32);

impl PredicateId {
    /// The subject that describes this predicate.
    pub fn subject(self) -> SubjectId {
        SubjectId(i64::from(self.0))
    }

    /// The predicate that `subject` describes, if it is one.
    pub fn of_subject(subject: SubjectId) -> Option<Self> {
        (subject.collection() == CollectionId(0))
            .then(|| u32::try_from(subject.number()).ok().map(Self))
            .flatten()
    }
}

/// The id of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(i64);

impl SubjectId {
    /// Subject `number` of `collection`, if the number fits and the collection is stored.
    pub fn new(collection: CollectionId, number: u64) -> Option<Self> {
        if collection.0 < 0 || number > NUMBER_MAX {
            return None;
        }
        let number = i64::try_from(number).ok()?;
        Some(Self((i64::from(collection.0) << NUMBER_BITS) | number))
    }

    /// The virtual subject of block `t`.
    pub fn of_block(t: T) -> Self {
        Self(i64::try_from(t.0).map_or(i64::MIN, |t| -t))
    }

    /// The subject with this id as it stands on the wire, if there can be one.
    pub fn from_raw(raw: i64) -> Option<Self> {
        let highest = (i64::from(COLLECTION_ID_MAX) + 1) << NUMBER_BITS;
        (raw < highest && raw != i64::MIN).then_some(Self(raw))
    }

    pub(crate) const fn constant(collection: i16, number: i64) -> Self {
        Self(((collection as i64) << NUMBER_BITS) | number)
    }

    /// The id as it stands on the wire.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// The collection this subject is of.
    pub fn collection(self) -> CollectionId {
        if self.0 < 0 {
            return CollectionId::TX;
        }
        // At most 511 by construction.
        CollectionId(i16::try_from(self.0 >> NUMBER_BITS).unwrap_or(i16::MAX))
    }

    /// The subject's number within its collection; for a block, the block's number.
    pub fn number(self) -> u64 {
        if self.0 < 0 {
            self.0.unsigned_abs()
        } else {
            self.0.unsigned_abs() & NUMBER_MAX
        }
    }

    /// The block this virtual subject stands for, if it is one.
    pub fn block(self) -> Option<T> {
        (self.0 < 0).then(|| T(self.0.unsigned_abs()))
    }

    /// The first and the last id a subject of a stored collection can have.
    pub fn range(collection: CollectionId) -> Option<(Self, Self)> {
        Some((
            Self::new(collection, 0)?,
            Self::new(collection, NUMBER_MAX)?,
        ))
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_id_is_its_collection_times_2_to_the_44_plus_its_number() {
        let person = CollectionId::new(20).unwrap();
        let subject = SubjectId::new(person, 0).unwrap();
        assert_eq!(subject.raw(), 351_843_720_888_320);
        assert_eq!((subject.collection(), subject.number()), (person, 0));
    }

    #[test]
    fn the_highest_subject_id_is_below_2_to_the_53() {
        let last = SubjectId::range(CollectionId::new(511).unwrap()).unwrap().1;
        assert_eq!(last.raw(), (1 << 53) - 1);
        assert_eq!(SubjectId::from_raw(last.raw()), Some(last));
        assert_eq!(SubjectId::from_raw(last.raw() + 1), None);
        assert_eq!(CollectionId::new(512), None);
        assert_eq!(
            SubjectId::new(CollectionId::new(511).unwrap(), NUMBER_MAX + 1),
            None
        );
    }

    #[test]
    fn block_n_is_subject_minus_n_of_tx() {
        let subject = SubjectId::of_block(T(7));
        assert_eq!(subject.raw(), -7);
        assert_eq!(subject.collection(), CollectionId::TX);
        assert_eq!(subject.block(), Some(T(7)));
    }
}
