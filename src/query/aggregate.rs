//! Aggregates, as written: `(sum ?n)`, `(count (distinct ?x))`, `(max 3 ?n)`, `(groupconcat ?x ";")`.
//!
//! An aggregate folds what a variable is bound to in a set of rows, nulls left out.

use super::clause::is_variable;
use super::error::Error;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::base::limits::QUERY_ROWS_MAX;
use crate::lang::{Expr, Kind, print};

/// An aggregate of a variable.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub(super) at: Pointer,
    /// As written, with one space between.
    pub(super) text: String,
    pub(super) fold: Fold,
    pub(super) var: Var,
    /// Whether equal terms are folded once.
    pub(super) is_distinct: bool,
    /// How many values it tells at most, as a list; without it, one value.
    pub(super) most: Option<usize>,
}

/// How values are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Avg,
    Count,
    /// The texts of the values with this between them.
    GroupConcat(String),
    Max,
    Median,
    Min,
    /// Any of the values, each time anew.
    Rand,
    /// Some of the values, each at most once.
    Sample,
    Stddev,
    Sum,
    Variance,
}

/// What stands between the values of a `groupconcat` that names nothing.
const COMMA: &str = ",";

impl Fold {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "avg" => Self::Avg,
            "count" | "count-distinct" => Self::Count,
            "groupconcat" => Self::GroupConcat(COMMA.to_owned()),
            "max" => Self::Max,
            "median" => Self::Median,
            "min" => Self::Min,
            "rand" => Self::Rand,
            "sample" => Self::Sample,
            "stddev" => Self::Stddev,
            "sum" => Self::Sum,
            "variance" => Self::Variance,
            _ => return None,
        })
    }

    /// Its name.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Count => "count",
            Self::GroupConcat(_) => "groupconcat",
            Self::Max => "max",
            Self::Median => "median",
            Self::Min => "min",
            Self::Rand => "rand",
            Self::Sample => "sample",
            Self::Stddev => "stddev",
            Self::Sum => "sum",
            Self::Variance => "variance",
        }
    }

    const fn takes_a_number(&self) -> bool {
        matches!(self, Self::Max | Self::Min | Self::Rand | Self::Sample)
    }

    /// Whether it depends on the order of the rows.
    pub(super) const fn sees_order(&self) -> bool {
        matches!(self, Self::GroupConcat(_) | Self::Rand | Self::Sample)
    }
}

/// The variable of an aggregate that tells one value; none of any other expression.
pub(super) fn folded(tree: &Expr) -> Option<&str> {
    let Kind::List(items) = &tree.kind else {
        return None;
    };
    let (head, arguments) = items.split_first()?;
    let fold = symbol(head).and_then(Fold::named)?;
    let mut arguments = arguments
        .iter()
        .filter(|it| !(matches!(it.kind, Kind::String(_)) && matches!(fold, Fold::GroupConcat(_))));
    match (arguments.next(), arguments.next()) {
        (Some(of), None) => variable(of).map(|(name, _)| name),
        _ => None,
    }
}

/// A variable, and whether it stands in `(distinct ?x)`.
fn variable(tree: &Expr) -> Option<(&str, bool)> {
    match &tree.kind {
        Kind::Symbol(name) if is_variable(name) => Some((name, false)),
        Kind::List(items) => match items.as_slice() {
            [head, of] if symbol(head) == Some("distinct") => {
                symbol(of).filter(|it| is_variable(it)).map(|it| (it, true))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The name that a symbol is.
pub(super) fn symbol(tree: &Expr) -> Option<&str> {
    match &tree.kind {
        Kind::Symbol(name) => Some(name),
        _ => None,
    }
}

impl Aggregate {
    /// Reads an aggregate. `var` finds its variable.
    ///
    /// # Errors
    /// `InvalidQuery` for what is none; those of `var`.
    pub(super) fn read(
        tree: &Expr,
        at: &Pointer,
        var: impl FnOnce(&str) -> Result<Var, Error>,
    ) -> Result<Self, Error> {
        let (head, arguments) = match &tree.kind {
            Kind::List(items) => items.split_first().unzip(),
            _ => (None, None),
        };
        let Some(name) = head.and_then(symbol) else {
            return Err(invalid(at, "an aggregate is such as `(sum ?n)`"));
        };
        let Some(mut fold) = Fold::named(name) else {
            let why = format!(
                "there is no aggregate `{name}`: there are avg, count, count-distinct, groupconcat, max, median, min, \
                 rand, sample, stddev, sum and variance, and abs, ceil, floor and str of each row"
            );
            return Err(invalid(at, &why));
        };
        let takes = || {
            let more = match fold {
                Fold::GroupConcat(_) => ", and a text to stand between its values",
                _ if fold.takes_a_number() => ", and how many values to tell before it",
                _ => "",
            };
            invalid(
                at,
                &format!("`{name}` takes a variable or `(distinct ?x)`{more}"),
            )
        };
        let mut is_distinct = name == "count-distinct";
        let (mut named, mut most, mut between) = (None, None, None);
        for argument in arguments.unwrap_or_default() {
            match &argument.kind {
                Kind::Int(it) if fold.takes_a_number() && most.is_none() && named.is_none() => {
                    most = Some(*it);
                }
                Kind::String(it) if matches!(fold, Fold::GroupConcat(_)) && between.is_none() => {
                    between = Some(it.clone());
                }
                _ => {
                    let (of, once) = variable(argument).ok_or_else(takes)?;
                    if named.replace(of).is_some() {
                        return Err(takes());
                    }
                    is_distinct |= once;
                }
            }
        }
        let named = named.ok_or_else(takes)?;
        if let Some(between) = between {
            fold = Fold::GroupConcat(between);
        }
        let most = match most {
            Some(it) => Some(read_most(it, at)?),
            None => None,
        };
        Ok(Self {
            at: at.clone(),
            text: print(tree),
            fold,
            var: var(named)?,
            is_distinct,
            most,
        })
    }
}

fn read_most(number: i64, at: &Pointer) -> Result<usize, Error> {
    match usize::try_from(number) {
        Ok(0) | Err(_) => Err(invalid(at, "an aggregate tells one value or more")),
        Ok(it) if it > QUERY_ROWS_MAX => Err(Error::Limit {
            at: at.clone(),
            what: "the values that an aggregate tells",
            max: QUERY_ROWS_MAX,
        }),
        Ok(it) => Ok(it),
    }
}
