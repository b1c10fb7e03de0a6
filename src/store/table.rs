//! The tables, and the keys of their groups.
//!
//! Shape: docs/format.md, "Tables".

use redb::TableDefinition;

use super::key::{put_key_value, put_predicate, put_subject};
use super::run::Payloads;
use crate::model::{CollectionId, Flake, PredicateId, SubjectId, T, ValueRef};

/// The version of everything on disk.
pub(super) const FORMAT: u64 = 1;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The facts that hold, by subject.
pub(super) const FWD: Definition = TableDefinition::new("fwd");
/// The scalars that hold, by predicate and value.
pub(super) const POST: Definition = TableDefinition::new("post");
/// The refs that hold, by target and predicate.
pub(super) const OPST: Definition = TableDefinition::new("opst");
/// The facts that held once, by subject.
pub(super) const HFWD: Definition = TableDefinition::new("hfwd");
/// Who ever had a value or a ref that is gone.
pub(super) const HREV: Definition = TableDefinition::new("hrev");
/// The blocks, by number.
pub(super) const LOG: Definition = TableDefinition::new("log");
/// The trail: what is kept beside the ledger, in the order in which it came.
pub(super) const TRAIL: Definition = TableDefinition::new("trail");
/// Which rows of the trail are about a subject: its key and their numbers.
pub(super) const ABOUT: Definition = TableDefinition::new("about");
/// The marks: what is kept beside the ledger under a name, the newest alone.
pub(super) const MARKS: Definition = TableDefinition::new("marks");
/// What there is one of.
pub(super) const META: Definition = TableDefinition::new("meta");

/// The key of the format's version in `meta`.
pub(super) const META_FORMAT: &[u8] = b"format";
/// The key of the incarnation in `meta`.
pub(super) const META_INCARNATION: &[u8] = b"incarnation";
/// The key of the newest block whose erasure the file's free pages still tell, in `meta`.
pub(super) const META_SCRUB: &[u8] = b"scrub";
/// The key of the number of the oldest row of the trail in `meta`; there only once some were taken away.
pub(super) const META_TRAIL: &[u8] = b"trail";
/// What the keys of the next numbers in `meta` begin with.
pub(super) const META_NEXT: &[u8] = b"next/";

/// What the keys of posted scalars begin with in `hrev`.
pub(super) const HREV_SCALAR: u8 = 0;
/// What the keys of refs begin with in `hrev`.
pub(super) const HREV_REF: u8 = 1;

/// `fwd` and `hfwd` carry payloads, the reverse tables do not.
pub(super) const FORWARD: Payloads = Payloads::Some;
/// See [`FORWARD`].
pub(super) const REVERSE: Payloads = Payloads::None;

pub(super) fn log_key(t: T) -> [u8; 8] {
    t.0.to_be_bytes()
}

pub(super) fn next_key(c: CollectionId) -> Vec<u8> {
    let mut key = META_NEXT.to_vec();
    key.extend_from_slice(&c.raw().to_be_bytes());
    key
}

pub(super) fn subject_key(s: SubjectId) -> Vec<u8> {
    // A subject takes up to twelve bytes, and a predicate that may follow it up to five.
    let mut key = Vec::with_capacity(20);
    put_subject(&mut key, s);
    key
}

/// The group of a value in the reverse tables.
///
/// A ref is in `opst`, any other in `post`; in `hrev` both are, behind their kind.
pub(super) fn put_reverse(out: &mut Vec<u8>, p: PredicateId, o: ValueRef<'_>) {
    if let ValueRef::Ref(target) = o {
        put_subject(out, target);
        put_predicate(out, p);
    } else {
        put_predicate(out, p);
        put_key_value(out, o);
    }
}

/// The kind of a value in `hrev`.
pub(super) fn reverse_kind(o: ValueRef<'_>) -> u8 {
    if o.as_ref().is_some() {
        HREV_REF
    } else {
        HREV_SCALAR
    }
}

/// The suffix of a fact in its subject's row.
pub(super) fn put_forward(out: &mut Vec<u8>, p: PredicateId, o: ValueRef<'_>) {
    put_predicate(out, p);
    put_key_value(out, o);
}

/// Whether the flake's value stands in a reverse table.
pub(super) fn is_posted(flake: &Flake) -> bool {
    flake.o.borrow().is_posted()
}
