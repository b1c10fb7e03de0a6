//! The names the language has of itself, and how many arguments each takes.
//!
//! What each means stands in `docs/lang.md`; a test holds the two together.

use super::exact::Operator;
use crate::base::limits::RULE_ARITY_MAX;

/// A function that the language has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Compare(Comparison),
    And,
    Or,
    Not,
    Boolean,
    IfElse,
    Coalesce,
    Join(Operator),
    Step(Operator),
    Extreme(Comparison),
    Ceil,
    Floor,
    Get,
    GetAll,
    GetIn,
    Contains,
    Related,
    Count,
    Str,
    Subs,
    IsNil,
    IsEmpty,
    HashSet,
    UpperCase,
    LowerCase,
    ReFind,
    StartsWith,
    EndsWith,
    Nth,
    ValidEmail,
    CompareAndSet,
    Random,
    Uuid,
    MaxValue,
    Query,
    Context(Asked),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What a context function asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Subject,
    PredicateId,
    PredicateName,
    Object,
    Previous,
    Auth,
    User,
    Op,
    Now,
    Request,
    Flakes,
    Asserted,
    Retracted,
}

/// A built-in's name and arity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) builtin: Builtin,
    pub(super) arguments_min: usize,
    pub(super) arguments_max: usize,
}

const fn entry(
    name: &'static str,
    builtin: Builtin,
    arguments_min: usize,
    arguments_max: usize,
) -> Entry {
    Entry {
        name,
        builtin,
        arguments_min,
        arguments_max,
    }
}

const MANY: usize = RULE_ARITY_MAX;

/// Every built-in.
pub(super) const BUILTINS: &[Entry] = &[
    entry("==", Builtin::Compare(Comparison::Equal), 2, MANY),
    entry("=", Builtin::Compare(Comparison::Equal), 2, MANY),
    entry("not=", Builtin::Compare(Comparison::Unequal), 2, MANY),
    entry(">", Builtin::Compare(Comparison::Greater), 2, MANY),
    entry(">=", Builtin::Compare(Comparison::GreaterOrEqual), 2, MANY),
    entry("<", Builtin::Compare(Comparison::Less), 2, MANY),
    entry("<=", Builtin::Compare(Comparison::LessOrEqual), 2, MANY),
    entry("and", Builtin::And, 1, MANY),
    entry("or", Builtin::Or, 1, MANY),
    entry("not", Builtin::Not, 1, 1),
    entry("boolean", Builtin::Boolean, 1, 1),
    entry("if-else", Builtin::IfElse, 3, 3),
    entry("coalesce", Builtin::Coalesce, 1, MANY),
    entry("+", Builtin::Join(Operator::Add), 1, MANY),
    entry("-", Builtin::Join(Operator::Subtract), 1, MANY),
    entry("*", Builtin::Join(Operator::Multiply), 1, MANY),
    entry("/", Builtin::Join(Operator::Divide), 1, MANY),
    entry("quot", Builtin::Join(Operator::Quotient), 2, 2),
    entry("rem", Builtin::Join(Operator::Remainder), 2, 2),
    entry("mod", Builtin::Join(Operator::Modulo), 2, 2),
    entry("inc", Builtin::Step(Operator::Add), 1, 1),
    entry("dec", Builtin::Step(Operator::Subtract), 1, 1),
    entry("max", Builtin::Extreme(Comparison::Greater), 1, MANY),
    entry("min", Builtin::Extreme(Comparison::Less), 1, MANY),
    entry("ceil", Builtin::Ceil, 1, 1),
    entry("floor", Builtin::Floor, 1, 1),
    entry("get", Builtin::Get, 2, 2),
    entry("get-all", Builtin::GetAll, 2, 2),
    entry("follow", Builtin::GetAll, 2, 2),
    entry("get-in", Builtin::GetIn, 2, 2),
    entry("contains?", Builtin::Contains, 2, 2),
    entry("relationship?", Builtin::Related, 3, 3),
    entry("count", Builtin::Count, 1, 1),
    entry("str", Builtin::Str, 1, MANY),
    entry("subs", Builtin::Subs, 1, 3),
    entry("nil?", Builtin::IsNil, 1, 1),
    entry("empty?", Builtin::IsEmpty, 1, 1),
    entry("hash-set", Builtin::HashSet, 0, MANY),
    entry("upper-case", Builtin::UpperCase, 1, 1),
    entry("lower-case", Builtin::LowerCase, 1, 1),
    entry("re-find", Builtin::ReFind, 2, 2),
    entry("strStarts", Builtin::StartsWith, 2, 2),
    entry("strEnds", Builtin::EndsWith, 2, 2),
    entry("nth", Builtin::Nth, 2, 2),
    entry("valid-email?", Builtin::ValidEmail, 1, 1),
    entry("cas", Builtin::CompareAndSet, 2, 2),
    entry("rand", Builtin::Random, 1, 2),
    entry("uuid", Builtin::Uuid, 0, 0),
    entry("max-pred-val", Builtin::MaxValue, 1, 1),
    entry("query", Builtin::Query, 1, 5),
    entry("flakes", Builtin::Context(Asked::Flakes), 0, 0),
    entry("objT", Builtin::Context(Asked::Asserted), 0, 0),
    entry("objF", Builtin::Context(Asked::Retracted), 0, 0),
    entry("now", Builtin::Context(Asked::Now), 0, 0),
    entry("?sid", Builtin::Context(Asked::Subject), 0, 0),
    entry("?s", Builtin::Context(Asked::Subject), 0, 0),
    entry("?pid", Builtin::Context(Asked::PredicateId), 0, 0),
    entry("?p", Builtin::Context(Asked::PredicateName), 0, 0),
    entry("?o", Builtin::Context(Asked::Object), 0, 0),
    entry("?pO", Builtin::Context(Asked::Previous), 0, 0),
    entry("?auth_id", Builtin::Context(Asked::Auth), 0, 0),
    entry("?user_id", Builtin::Context(Asked::User), 0, 0),
    entry("?op", Builtin::Context(Asked::Op), 0, 0),
    entry("?now", Builtin::Context(Asked::Now), 0, 0),
    entry("?context", Builtin::Context(Asked::Request), 0, 0),
];

impl Builtin {
    /// Whether its value follows from its arguments and the time alone, so that it may stand where there is neither
    /// a bearer nor a flake, and no facts are read.
    pub(super) const fn is_pure(self) -> bool {
        match self {
            Self::Compare(_)
            | Self::And
            | Self::Or
            | Self::Not
            | Self::Boolean
            | Self::IfElse
            | Self::Coalesce
            | Self::Join(_)
            | Self::Step(_)
            | Self::Extreme(_)
            | Self::Ceil
            | Self::Floor
            | Self::Contains
            | Self::Count
            | Self::Str
            | Self::Subs
            | Self::IsNil
            | Self::IsEmpty
            | Self::HashSet
            | Self::UpperCase
            | Self::LowerCase
            | Self::ReFind
            | Self::StartsWith
            | Self::EndsWith
            | Self::Nth
            | Self::ValidEmail
            | Self::Context(Asked::Now) => true,
            Self::Get
            | Self::GetAll
            | Self::GetIn
            | Self::Related
            | Self::CompareAndSet
            | Self::Random
            | Self::Uuid
            | Self::MaxValue
            | Self::Query
            | Self::Context(
                Asked::Subject
                | Asked::PredicateId
                | Asked::PredicateName
                | Asked::Object
                | Asked::Previous
                | Asked::Auth
                | Asked::User
                | Asked::Op
                | Asked::Request
                | Asked::Flakes
                | Asked::Asserted
                | Asked::Retracted,
            ) => false,
        }
    }
}

/// The built-in of this name.
pub(super) fn lookup(name: &str) -> Option<&'static Entry> {
    BUILTINS.iter().find(|entry| entry.name == name)
}

/// Names that the language will have, or that it keeps free for itself.
const RESERVED: &[&str] = &["let", "fn", "if", "cond", "quote"];

/// Whether the language takes this name for itself, now or later.
pub(super) fn is_taken(name: &str) -> bool {
    name.starts_with('?') || lookup(name).is_some() || RESERVED.contains(&name)
}
