//! What stands in the third place of a fact.
//!
//! 1. The order of values is the order of their bytes on disk: boolean < integer < double < decimal <
//!    instant < string < uuid < bytes < ref < json. A predicate has one type, so values of two kinds never meet
//!    under one predicate.
//! 2. A `float` is kept as the double nearest to its shortest decimal form, so that it prints and compares as it was
//!    written.
//! 3. `uri` is a checked string, and `geojson` is checked json; a `bigint` is a decimal without a fraction; `tag` is a
//!    ref to a `_tag` subject; `int` and `long` differ in range alone.

use std::sync::Arc;

use super::decimal::{Decimal, DecimalRef};
use super::id::SubjectId;
use super::real::Real;

/// A value that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `boolean`
    Boolean(bool),
    /// `int` and `long`
    Int(i64),
    /// `float` and `double`
    Double(Real),
    /// `bigint` and `bigdec`
    Decimal(Decimal),
    /// `instant`, Unix milliseconds
    Instant(i64),
    /// `string` and `uri`
    String(Arc<str>),
    /// `uuid`
    Uuid(u128),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// `ref` and `tag`
    Ref(SubjectId),
    /// `json` and `geojson`, as compact text
    Json(Arc<str>),
}

/// A value whose bytes stand elsewhere, such as in a row that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueRef<'a> {
    /// `boolean`
    Boolean(bool),
    /// `int` and `long`
    Int(i64),
    /// `float` and `double`
    Double(Real),
    /// `bigint` and `bigdec`
    Decimal(DecimalRef<'a>),
    /// `instant`, Unix milliseconds
    Instant(i64),
    /// `string` and `uri`
    String(&'a str),
    /// `uuid`
    Uuid(u128),
    /// `bytes`
    Bytes(&'a [u8]),
    /// `ref` and `tag`
    Ref(SubjectId),
    /// `json` and `geojson`, as compact text
    Json(&'a str),
}

impl Value {
    /// A string value.
    pub fn string(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    /// The same value, borrowed.
    pub fn borrow(&self) -> ValueRef<'_> {
        match self {
            Self::Boolean(it) => ValueRef::Boolean(*it),
            Self::Int(it) => ValueRef::Int(*it),
            Self::Double(it) => ValueRef::Double(*it),
            Self::Decimal(it) => ValueRef::Decimal(it.borrow()),
            Self::Instant(it) => ValueRef::Instant(*it),
            Self::String(it) => ValueRef::String(it),
            Self::Uuid(it) => ValueRef::Uuid(*it),
            Self::Bytes(it) => ValueRef::Bytes(it),
            Self::Ref(it) => ValueRef::Ref(*it),
            Self::Json(it) => ValueRef::Json(it),
        }
    }
}

impl ValueRef<'_> {
    /// The same value, with bytes of its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Boolean(it) => Value::Boolean(it),
            Self::Int(it) => Value::Int(it),
            Self::Double(it) => Value::Double(it),
            Self::Decimal(it) => Value::Decimal(it.to_decimal()),
            Self::Instant(it) => Value::Instant(it),
            Self::String(it) => Value::String(Arc::from(it)),
            Self::Uuid(it) => Value::Uuid(it),
            Self::Bytes(it) => Value::Bytes(Arc::from(it)),
            Self::Ref(it) => Value::Ref(it),
            Self::Json(it) => Value::Json(Arc::from(it)),
        }
    }

    /// The subject it refers to, if it is a ref.
    pub fn as_ref(self) -> Option<SubjectId> {
        if let Self::Ref(subject) = self {
            Some(subject)
        } else {
            None
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// Whether a value of this kind is posted: findable by itself, and in order.
    ///
    /// `bytes` and `json` have no useful order and stand in their subject's row alone.
    pub const fn is_posted(self) -> bool {
        !matches!(self, Self::Bytes(_) | Self::Json(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrowed_value_orders_as_its_owner_does() {
        let values = [
            Value::Boolean(true),
            Value::Int(-3),
            Value::Double(Real::new(2.5).unwrap()),
            Value::Decimal(Decimal::parse("-3.5").unwrap()),
            Value::Instant(1),
            Value::string("a"),
            Value::Uuid(1),
            Value::Bytes(Arc::from([1_u8].as_slice())),
            Value::Ref(SubjectId::from_raw(5).unwrap()),
            Value::Json(Arc::from("{}")),
        ];
        for a in &values {
            for b in &values {
                assert_eq!(a.cmp(b), a.borrow().cmp(&b.borrow()));
            }
            assert_eq!(&a.borrow().to_value(), a);
        }
        assert!(values.is_sorted());
    }
}
