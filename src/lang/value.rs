//! What an expression of the rule language has for a value.
//!
//! 1. Ids and instants are integers; uuid (hyphenated), uri, bytes (lower-case hex) and json (compact text) are
//!    strings. Absence is `Nil`.
//! 2. Equality and order are of what is meant: integers, doubles and decimals of the same number are equal, exactly,
//!    without rounding. Values of two kinds are unequal, and stand in the order of the variants.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::number::{compare_exactly, compare_with_double};
use crate::model::{Decimal, Real, ValueRef};

/// A value.
#[derive(Clone, Debug)]
pub enum Val {
    /// Absence.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// 64 bits, signed.
    Int(i64),
    /// A finite double.
    Double(Real),
    /// An exact number of arbitrary size; what a `bigint` or `bigdec` is read as, also where it is small.
    Decimal(Decimal),
    /// A text.
    String(Arc<str>),
    /// Values in order, each once.
    Set(Arc<BTreeSet<Val>>),
    /// Values in the order they were written.
    List(Arc<[Val]>),
    /// Values by key: a request's `(?context)`.
    Map(Arc<BTreeMap<Arc<str>, Val>>),
}

impl Val {
    /// A text.
    pub fn string(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    /// A set of these.
    pub fn set(values: impl IntoIterator<Item = Self>) -> Self {
        Self::Set(Arc::new(values.into_iter().collect()))
    }

    /// A stored value as the language has it. A tag is its subject's id here; reading it as a name needs facts.
    pub fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Boolean(it) => Self::Bool(it),
            ValueRef::Int(it) | ValueRef::Instant(it) => Self::Int(it),
            ValueRef::Double(it) => Self::Double(it),
            ValueRef::Decimal(it) => Self::Decimal(it.to_decimal()),
            ValueRef::String(it) | ValueRef::Json(it) => Self::string(it),
            ValueRef::Uuid(it) => Self::string(&uuid::Uuid::from_u128(it).hyphenated().to_string()),
            ValueRef::Bytes(it) => Self::string(&hex(it)),
            ValueRef::Ref(it) => Self::Int(it.raw()),
        }
    }

    /// The integer that it is, written as one or exactly.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(it) => Some(*it),
            Self::Decimal(it) => it.borrow().to_int(),
            _ => None,
        }
    }

    /// Whether it is absence.
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Double(_) | Self::Decimal(_) => 2,
            Self::String(_) => 3,
            Self::Set(_) => 4,
            Self::List(_) => 5,
            Self::Map(_) => 6,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.cmp(b),
            (Self::Int(a), Self::Double(b)) => compare_exactly(*a, *b),
            (Self::Double(a), Self::Int(b)) => compare_exactly(*b, *a).reverse(),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Decimal(a), Self::Int(b)) => a.cmp(&Decimal::from(*b)),
            (Self::Int(a), Self::Decimal(b)) => Decimal::from(*a).cmp(b),
            (Self::Decimal(a), Self::Double(b)) => compare_with_double(a, *b),
            (Self::Double(a), Self::Decimal(b)) => compare_with_double(b, *a).reverse(),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Set(a), Self::Set(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Val {}
