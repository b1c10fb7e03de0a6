//! What the context functions answer: the flake or target that is judged, the bearer, and the request.

use super::chance::Seed;
use super::value::Val;
use crate::model::{Flake, PredicateId, SubjectId, Value, ValueRef, ValueType};

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `(?sid)` and `(?s)`.
    pub subject: Option<SubjectId>,
    /// `(?pid)`.
    pub predicate: Option<PredicateId>,
    /// `(?p)`: the predicate's name.
    pub predicate_name: Option<&'a str>,
    /// The type of the predicate's values: `(?o)` and `(?pO)` of a `tag` are its short name.
    pub predicate_type: Option<ValueType>,
    /// `(?o)`.
    pub object: Option<ValueRef<'a>>,
    /// `(?pO)`.
    pub previous: Previous<'a>,
    /// `(?auth_id)`.
    pub auth: SubjectId,
    /// `(?user_id)`.
    pub user: Option<SubjectId>,
    /// `(?op)`.
    pub op: &'a str,
    /// `(?now)` and `(now)`, Unix milliseconds.
    pub now_ms: i64,
    /// `(?context)`: what the request says.
    pub request: Option<&'a Val>,
    /// `(flakes)`, `(objT)` and `(objF)`: what a spec is asked about.
    pub flakes: Option<&'a [Flake]>,
    /// Where `(rand n)` and `(uuid)` come from.
    pub seed: Option<&'a Seed>,
}

impl Context<'_> {
    /// A context without flake, target or request.
    pub const fn of(auth: SubjectId, user: Option<SubjectId>, now_ms: i64) -> Self {
        Self {
            subject: None,
            predicate: None,
            predicate_name: None,
            predicate_type: None,
            object: None,
            previous: Previous::Unavailable,
            auth,
            user,
            op: "",
            now_ms,
            request: None,
            flakes: None,
            seed: None,
        }
    }
}

/// The value before the transaction.
#[derive(Clone, Copy, Debug, Default)]
pub enum Previous<'a> {
    /// There is no such thing here: a read.
    #[default]
    Unavailable,
    /// There was none.
    Absent,
    /// The value.
    One(ValueRef<'a>),
    /// The values of a predicate that may have several.
    Set(&'a [Value]),
}
