//! Why a text is no function, and why a function has no answer.

use std::fmt;

use crate::model;

/// Why a text does not compile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The stored function whose text it is, if it is not the text that was given.
    pub function: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl Error {
    /// A problem at a byte of `text`.
    pub(super) fn at(text: &str, offset: usize, problem: Problem) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        Self {
            function: None,
            line: before.matches('\n').count().saturating_add(1),
            column: before
                .get(line_start..)
                .map_or(0, |line| line.chars().count())
                .saturating_add(1),
            problem,
        }
    }

    /// The same, for someone to whom only some stored functions may be named: what is wrong in another's text is told
    /// of the text that was given, as a whole.
    ///
    /// # Errors
    /// Those of `may_name`.
    pub fn told_by<E>(self, may_name: impl Fn(&str) -> Result<bool, E>) -> Result<Self, E> {
        let mut told = self;
        if let Some(function) = &told.function
            && !may_name(function)?
        {
            (told.function, told.line, told.column) = (None, 1, 1);
        }
        if let Problem::Cycle { cycle } = &mut told.problem {
            let mut names = Vec::new();
            for name in cycle.split(CALLS) {
                names.push(if may_name(name)? { name } else { "another" });
            }
            *cycle = names.join(CALLS);
        }
        Ok(told)
    }
}

/// What stands between the names of functions that call each other.
pub(super) const CALLS: &str = " → ";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "in function `{function}`, ")?;
        }
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.problem
        )
    }
}

impl std::error::Error for Error {}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else was due here.
    #[error("expected {expected}")]
    Expected {
        /// What was due.
        expected: &'static str,
    },
    /// A bound on the text or its meaning is passed.
    #[error("more than {max} {what}")]
    Limit {
        /// What is bounded, with its unit.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// No built-in and no stored function has this name.
    #[error("unknown function `{name}`")]
    UnknownFunction {
        /// The name.
        name: String,
    },
    /// A bare symbol that is no parameter.
    #[error("`{name}` is not a parameter")]
    UnknownSymbol {
        /// The symbol.
        name: String,
    },
    /// No predicate has this name.
    #[error("unknown predicate `{name}`")]
    UnknownPredicate {
        /// The name.
        name: String,
    },
    /// The predicate is in no answer and no rule.
    #[error("predicate `{name}` cannot be read by a function")]
    Sealed {
        /// The name.
        name: String,
    },
    /// A two-tuple needs a unique predicate with values that can be found.
    #[error("predicate `{name}` does not identify a subject")]
    NotUnique {
        /// The name.
        name: String,
    },
    /// This step needs a predicate whose values are subjects.
    #[error("predicate `{name}` is not a ref")]
    NotRef {
        /// The name.
        name: String,
    },
    /// Too few or too many arguments.
    #[error("`{name}` takes {takes} arguments, {given} given")]
    Arity {
        /// The function.
        name: String,
        /// How many it takes, in words.
        takes: String,
        /// How many it got.
        given: usize,
    },
    /// A parameter's name is no symbol, or stands twice.
    #[error("`{name}` cannot be the name of a parameter")]
    Parameter {
        /// The name.
        name: String,
    },
    /// Stored functions that call each other in a circle.
    #[error("functions call each other in a circle: {cycle}")]
    Cycle {
        /// The names, joined by arrows.
        cycle: String,
    },
    /// It is no query, or names what there is not.
    #[error("the query cannot be used: {why}")]
    Query {
        /// What is wrong, on one line.
        why: String,
    },
    /// It needs a bearer, a flake or facts, and there are none where this stands.
    #[error("`{name}` is not available here")]
    Unavailable {
        /// The function.
        name: String,
    },
    /// The pattern is no regular expression, or too large a one.
    #[error("the pattern cannot be used: {why}")]
    Pattern {
        /// What the pattern's parser says, on one line.
        why: String,
    },
}

/// Why a function has no answer. Its text carries no stored value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An argument is absent.
    #[error("`{function}` of an absent value")]
    Absent {
        /// The function.
        function: &'static str,
    },
    /// An argument is of another type.
    #[error("`{function}` takes {expected}")]
    Type {
        /// The function.
        function: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// Truth was asked, and the value was neither `true` nor `false`.
    #[error("`{function}` asks for true or false, and got another value")]
    NotBoolean {
        /// The function, or `rule` where the rule ends.
        function: &'static str,
    },
    /// Truth was asked of an absent value.
    #[error("`{function}` asks for true or false, and got an absent value")]
    NoTruth {
        /// The function, or `rule` where the rule ends.
        function: &'static str,
    },
    /// The bearer has no user.
    #[error("`?user_id` of an auth without a user")]
    NoUser,
    /// This context function has no answer here.
    #[error("`{name}` is not available here")]
    NoContext {
        /// The context function.
        name: &'static str,
    },
    /// The result does not fit.
    #[error("`{function}` overflows")]
    Overflow {
        /// The function.
        function: &'static str,
    },
    /// There is no exact result, and of exact numbers nothing is rounded.
    #[error("`{function}` has no exact result")]
    Inexact {
        /// The function.
        function: &'static str,
    },
    /// A division by zero.
    #[error("`{function}` divides by zero")]
    DivisionByZero {
        /// The function.
        function: &'static str,
    },
    /// A place that the text or collection does not have.
    #[error("`{function}` asks for a place out of range")]
    OutOfRange {
        /// The function.
        function: &'static str,
    },
    /// A set or a text passes its bound.
    #[error("`{function}` passes {max} {what}")]
    TooLarge {
        /// The function.
        function: &'static str,
        /// What is bounded.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A query cannot be asked with the values that it is given.
    #[error("`query` cannot be asked with what it is given")]
    Unasked,
    /// `cas` compares with another value than the current one.
    #[error("the current value is not the one that `cas` compares with")]
    Stale,
    /// The function has parameters, and was not given this many arguments.
    #[error("the function takes {takes} arguments, {given} given")]
    Arguments {
        /// How many it takes.
        takes: usize,
        /// How many it got.
        given: usize,
    },
}

/// Why an evaluation ended without a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The function has no answer.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no decision.
    #[error(transparent)]
    Error(#[from] model::Error),
}

impl From<crate::base::Exceeded> for Stop {
    fn from(exceeded: crate::base::Exceeded) -> Self {
        Self::Error(exceeded.into())
    }
}
