//! Arithmetic on values, as texts do it and as those do who fold rows.

use super::error::Fault;
use super::exact::Operator;
use super::number::{Number, apply, to_real};
use super::value::Val;
use crate::model::Real;

/// Digits of an exact number that are worked on for one step.
pub const DIGITS_A_STEP: usize = 8;

/// The sum of two numbers, as `+` has it.
///
/// # Errors
/// As `+` faults.
pub fn add(a: &Val, b: &Val) -> Result<Val, Fault> {
    join("+", Operator::Add, &[a.clone(), b.clone()])
}

/// The quotient of two numbers, as `/` has it.
///
/// # Errors
/// As `/` faults.
pub fn divide(a: &Val, b: &Val) -> Result<Val, Fault> {
    join("/", Operator::Divide, &[a.clone(), b.clone()])
}

/// The double nearest to a number; none of what is no number, or has no such double.
pub fn nearest(value: &Val) -> Option<Real> {
    match value {
        Val::Int(it) => to_real(*it),
        Val::Double(it) => Some(*it),
        Val::Decimal(it) => it.borrow().to_real(),
        _ => None,
    }
}

/// How many digits are worked on where a number meets an exact one.
pub fn digit_count(value: &Val) -> usize {
    match value {
        Val::Decimal(it) => it.borrow().written_digits(),
        Val::Double(it) => it.decimal_places(),
        _ => 0,
    }
}

/// The number that a value is.
pub(super) fn number(function: &'static str, value: &Val) -> Result<Number, Fault> {
    match value {
        Val::Int(it) => Ok(Number::Int(*it)),
        Val::Double(it) => Ok(Number::Double(*it)),
        Val::Decimal(it) => Ok(Number::Decimal(it.clone())),
        Val::Nil => Err(Fault::Absent { function }),
        _ => Err(Fault::Type {
            function,
            expected: "numbers",
        }),
    }
}

/// A number as a value.
pub(super) fn told_number(number: Number) -> Val {
    match number {
        Number::Int(it) => Val::Int(it),
        Number::Double(it) => Val::Double(it),
        Number::Decimal(it) => Val::Decimal(it),
    }
}

/// Numbers, joined from the first to the last.
pub(super) fn join(
    function: &'static str,
    operator: Operator,
    items: &[Val],
) -> Result<Val, Fault> {
    let numbers = items.iter().map(|item| number(function, item));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let result = match (operator, numbers.as_slice()) {
        (Operator::Subtract, [one]) => apply(operator, function, Number::Int(0), one.clone())?,
        (Operator::Divide, [one]) => apply(operator, function, Number::Int(1), one.clone())?,
        (_, [first, rest @ ..]) => rest.iter().try_fold(first.clone(), |sum, next| {
            apply(operator, function, sum, next.clone())
        })?,
        (_, []) => return Err(Fault::OutOfRange { function }),
    };
    Ok(told_number(result))
}
