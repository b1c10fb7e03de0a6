//! What the rule language needs to know of names, without knowing the schema.

use std::sync::Arc;

use super::id::{PredicateId, SubjectId};

/// The type of a predicate's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// An integer of arbitrary size.
    Bigint,
    /// Finite, the precision of 32 bits.
    Float,
    /// Finite, 64 bits.
    Double,
    /// An exact decimal number of arbitrary size.
    Bigdec,
    /// A moment, Unix milliseconds.
    Instant,
    /// RFC 9562.
    Uuid,
    /// RFC 3986, with a scheme.
    Uri,
    /// Bytes, lower-case hex on the wire.
    Bytes,
    /// Any JSON, kept as compact text.
    Json,
    /// An object of RFC 7946, kept as compact text.
    Geojson,
    /// Another subject.
    Ref,
    /// A named choice: a subject of `_tag`.
    Tag,
}

impl ValueType {
    /// Whether values of this type are posted, as [`ValueRef::is_posted`](super::ValueRef::is_posted) tells of a value.
    pub const fn is_posted(self) -> bool {
        !matches!(self, Self::Bytes | Self::Json | Self::Geojson)
    }
}

/// A predicate as the rule language sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredicateName {
    /// Its id.
    pub id: PredicateId,
    /// The type of its values.
    pub value_type: ValueType,
    /// Whether a subject may have several values.
    pub is_multi: bool,
    /// Whether a value names one subject, so that a two-tuple may use it.
    pub is_unique: bool,
    /// Whether no rule function may read it.
    pub is_sealed: bool,
}

/// A stored rule function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFunction {
    /// The `_fn` subject.
    pub subject: SubjectId,
    /// The names of its parameters, in order.
    pub params: Arc<[String]>,
    /// Its text.
    pub code: Arc<str>,
}

/// Names of predicates and functions at one basis.
pub trait Names {
    /// The predicate with this full name, such as `chat/person`.
    fn predicate(&self, name: &str) -> Option<PredicateName>;

    /// The full name of a predicate.
    fn predicate_name(&self, id: PredicateId) -> Option<&str>;

    /// The stored function with this name.
    fn function(&self, name: &str) -> Option<StoredFunction>;
}
