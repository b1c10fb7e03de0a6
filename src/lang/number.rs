//! Numbers: 64-bit integers, checked, finite doubles, and exact numbers of arbitrary size.
//!
//! With an exact number all is exact: an integer or double that meets one is taken for the exact number that it is.
//!
//! There is no cast: integers become doubles by one rounding, doubles become integers by their bits, and the two
//! are compared without rounding at all.

use std::cmp::Ordering;

use super::error::Fault;
use super::exact::{self, Operator, Rounding};
use crate::model::{Decimal, NoDecimal, Real};

/// 2^63, the first double above every integer.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// A number.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Int(i64),
    Double(Real),
    Decimal(Decimal),
}

impl Number {
    fn is_zero(&self) -> bool {
        match self {
            Self::Int(it) => *it == 0,
            Self::Double(it) => it.number().abs() <= 0.0,
            Self::Decimal(it) => it.borrow().is_zero(),
        }
    }

    /// The number, exactly.
    fn exact(self) -> Result<Decimal, NoDecimal> {
        match self {
            Self::Int(it) => Ok(Decimal::from(it)),
            Self::Double(it) => Decimal::of_real(it),
            Self::Decimal(it) => Ok(it),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.cmp(b),
            (Self::Int(a), Self::Double(b)) => compare_exactly(*a, *b),
            (Self::Double(a), Self::Int(b)) => compare_exactly(*b, *a).reverse(),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Decimal(a), Self::Int(b)) => a.cmp(&Decimal::from(*b)),
            (Self::Int(a), Self::Decimal(b)) => Decimal::from(*a).cmp(b),
            (Self::Decimal(a), Self::Double(b)) => compare_with_double(a, *b),
            (Self::Double(a), Self::Decimal(b)) => compare_with_double(b, *a).reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

/// Compares without rounding.
pub(super) fn compare_exactly(int: i64, real: Real) -> Ordering {
    let double = real.number();
    let floor = double.floor();
    match whole(floor) {
        Some(below) => int.cmp(&below).then(if floor < double {
            Ordering::Less
        } else {
            Ordering::Equal
        }),
        None if double > 0.0 => Ordering::Less,
        None => Ordering::Greater,
    }
}

/// Compares without rounding.
pub(super) fn compare_with_double(decimal: &Decimal, real: Real) -> Ordering {
    match Decimal::of_real(real) {
        Ok(exact) => decimal.cmp(&exact),
        // Every double is an exact number, so that this is never so; by its sign it still stands somewhere.
        Err(_) if real.number() < 0.0 => Ordering::Greater,
        Err(_) => Ordering::Less,
    }
}

/// The integer that a double without fraction is, if it fits.
fn whole(double: f64) -> Option<i64> {
    if !(-INT_END..INT_END).contains(&double) {
        return None;
    }
    let bits = double.abs().to_bits();
    let exponent = u32::try_from(bits >> 52).ok()?;
    if exponent < 1_023 {
        return Some(0);
    }
    let fraction = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
    // The fraction counts in units of 2^(exponent − 1075).
    let size = (fraction << (exponent - 1_023)) >> 52;
    let signed = i128::try_from(size).ok()?;
    i64::try_from(if double < 0.0 { -signed } else { signed }).ok()
}

/// The nearest double: both halves are exact, so that only their sum is rounded.
fn to_double(int: i64) -> f64 {
    let high = i32::try_from(int >> 32).unwrap_or(0);
    let low = u32::try_from(int & 0xffff_ffff).unwrap_or(0);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// The nearest double.
pub(super) fn to_real(int: i64) -> Option<Real> {
    Real::new(to_double(int))
}

/// `a` and `b` joined by the operator.
pub(super) fn apply(
    operator: Operator,
    function: &'static str,
    a: Number,
    b: Number,
) -> Result<Number, Fault> {
    let divides = !matches!(
        operator,
        Operator::Add | Operator::Subtract | Operator::Multiply
    );
    if divides && b.is_zero() {
        return Err(Fault::DivisionByZero { function });
    }
    if let (Number::Int(x), Number::Int(y)) = (&a, &b) {
        let (x, y) = (*x, *y);
        let exact = match operator {
            Operator::Add => x.checked_add(y),
            Operator::Subtract => x.checked_sub(y),
            Operator::Multiply => x.checked_mul(y),
            // The lowest integer through −1 overflows; its remainder is nothing.
            Operator::Divide if x.checked_rem(y).is_some_and(|rest| rest != 0) => {
                return real(function, to_double(x) / to_double(y));
            }
            Operator::Divide | Operator::Quotient => x.checked_div(y),
            Operator::Remainder => Some(x.wrapping_rem(y)),
            Operator::Modulo => {
                let rest = x.wrapping_rem(y);
                // Of two signs the sum is in range.
                Some(if rest != 0 && (rest < 0) != (y < 0) {
                    rest.wrapping_add(y)
                } else {
                    rest
                })
            }
        };
        return exact.map(Number::Int).ok_or(Fault::Overflow { function });
    }
    let (x, y) = match (a, b) {
        (Number::Int(x), Number::Double(y)) => (to_double(x), y.number()),
        (Number::Double(x), Number::Int(y)) => (x.number(), to_double(y)),
        (Number::Double(x), Number::Double(y)) => (x.number(), y.number()),
        (a, b) => {
            let overflow = |_| Fault::Overflow { function };
            let (x, y) = (a.exact().map_err(overflow)?, b.exact().map_err(overflow)?);
            return exact::apply(operator, function, &x, &y).map(Number::Decimal);
        }
    };
    real(
        function,
        match operator {
            Operator::Add => x + y,
            Operator::Subtract => x - y,
            Operator::Multiply => x * y,
            Operator::Divide => x / y,
            Operator::Quotient => (x / y).trunc(),
            Operator::Remainder => x % y,
            Operator::Modulo => {
                let rest = x % y;
                if rest.abs() > 0.0 && (rest < 0.0) != (y < 0.0) {
                    rest + y
                } else {
                    rest
                }
            }
        },
    )
}

fn real(function: &'static str, double: f64) -> Result<Number, Fault> {
    Real::new(double)
        .map(Number::Double)
        .ok_or(Fault::Overflow { function })
}

/// The whole number next above or below.
pub(super) fn round(
    function: &'static str,
    number: Number,
    rounding: Rounding,
) -> Result<Number, Fault> {
    match number {
        Number::Int(_) => Ok(number),
        Number::Double(it) => whole(match rounding {
            Rounding::Up => it.number().ceil(),
            Rounding::Down => it.number().floor(),
        })
        .map(Number::Int)
        .ok_or(Fault::Overflow { function }),
        Number::Decimal(it) => exact::round(function, &it, rounding).map(Number::Decimal),
    }
}
