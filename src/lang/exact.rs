//! Arithmetic on exact numbers of arbitrary size.
//!
//! 1. Nothing is rounded: what has no exact result within the bounds of a number is a fault.
//! 2. The work is bounded by the bounds of its arguments, and paid for by their digits before it is done.
//!
//! `num-bigint` has the integers; a number is one of them and a power of ten.

use num_bigint::{BigInt, Sign};

use super::error::Fault;
use crate::model::{Decimal, DecimalRef};

/// How two numbers are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Quotient,
    Remainder,
    Modulo,
}

/// Which way a number is rounded to a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Up,
    Down,
}

/// `mantissa` times ten to the power `power`.
struct Scaled {
    mantissa: BigInt,
    power: i64,
}

impl Scaled {
    fn of(number: DecimalRef<'_>) -> Self {
        let mut mantissa = BigInt::parse_bytes(number.digits().as_bytes(), 10).unwrap_or_default();
        if number.is_negative() {
            mantissa = -mantissa;
        }
        let power = i64::from(number.last_power());
        Self { mantissa, power }
    }

    /// The mantissa for a lower power of ten.
    fn at(self, power: i64) -> BigInt {
        self.mantissa * ten_to(self.power.saturating_sub(power))
    }

    fn decimal(self, function: &'static str) -> Result<Decimal, Fault> {
        let is_negative = self.mantissa.sign() == Sign::Minus;
        let digits = self.mantissa.magnitude().to_str_radix(10);
        Decimal::new(is_negative, &digits, self.power).map_err(|_| Fault::Overflow { function })
    }
}

fn ten_to(power: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power).unwrap_or(0))
}

/// `a` and `b` joined by the operator; `b` is not zero where it divides.
pub(super) fn apply(
    operator: Operator,
    function: &'static str,
    a: &Decimal,
    b: &Decimal,
) -> Result<Decimal, Fault> {
    let (x, y) = (Scaled::of(a.borrow()), Scaled::of(b.borrow()));
    let power = x.power.min(y.power);
    let result = match operator {
        Operator::Multiply => Scaled {
            mantissa: x.mantissa * y.mantissa,
            power: x.power.saturating_add(y.power),
        },
        Operator::Divide => return divide(function, x, y),
        Operator::Add => Scaled {
            mantissa: x.at(power) + y.at(power),
            power,
        },
        Operator::Subtract => Scaled {
            mantissa: x.at(power) - y.at(power),
            power,
        },
        Operator::Quotient => {
            let (x, y) = (x.at(power), divisor(function, y.at(power))?);
            Scaled {
                mantissa: x / y,
                power: 0,
            }
        }
        Operator::Remainder => {
            let (x, y) = (x.at(power), divisor(function, y.at(power))?);
            Scaled {
                mantissa: x % y,
                power,
            }
        }
        Operator::Modulo => {
            let (x, y) = (x.at(power), divisor(function, y.at(power))?);
            let rest = x % &y;
            let is_across = rest.sign() != Sign::NoSign && rest.sign() != y.sign();
            Scaled {
                mantissa: if is_across { rest + y } else { rest },
                power,
            }
        }
    };
    result.decimal(function)
}

/// A division by zero would be a panic.
fn divisor(function: &'static str, divisor: BigInt) -> Result<BigInt, Fault> {
    match divisor.sign() {
        Sign::NoSign => Err(Fault::DivisionByZero { function }),
        _ => Ok(divisor),
    }
}

fn divide(function: &'static str, x: Scaled, y: Scaled) -> Result<Decimal, Fault> {
    let below = divisor(function, y.mantissa)?;
    // A quotient with an end has no more decimal places than its divisor has factors of two or five, and it has no
    // more of them than bits.
    let places = i64::try_from(below.bits()).unwrap_or(i64::MAX);
    let above = x.mantissa * ten_to(places);
    let mantissa = &above / &below;
    if &mantissa * below != above {
        return Err(Fault::Inexact { function });
    }
    let power = x.power.saturating_sub(y.power).saturating_sub(places);
    Scaled { mantissa, power }.decimal(function)
}

/// The whole number next above or below.
pub(super) fn round(
    function: &'static str,
    number: &Decimal,
    rounding: Rounding,
) -> Result<Decimal, Fault> {
    let it = number.borrow();
    if it.is_whole() {
        return Ok(number.clone());
    }
    // What is left of the digits before the point is rounded toward zero.
    let whole = usize::try_from(it.first_power().saturating_add(1)).unwrap_or(0);
    let digits = it.digits();
    let mut mantissa =
        BigInt::parse_bytes(digits.get(..whole).unwrap_or("").as_bytes(), 10).unwrap_or_default();
    if (rounding == Rounding::Up) != it.is_negative() {
        mantissa += 1;
    }
    let mantissa = if it.is_negative() {
        -mantissa
    } else {
        mantissa
    };
    Scaled { mantissa, power: 0 }.decimal(function)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FUNCTION: &str = "f";

    fn exact(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn small() -> impl Strategy<Value = (i64, u32)> {
        (-2_000_000..2_000_000_i64, 0..5_u32)
    }

    fn decimal((number, places): (i64, u32)) -> Decimal {
        let digits = number.unsigned_abs().to_string();
        Decimal::new(number < 0, &digits, -i64::from(places)).unwrap()
    }

    /// Counted in units of 10^-4.
    fn units((number, places): (i64, u32)) -> i128 {
        i128::from(number) * 10_i128.pow(4 - places)
    }

    proptest! {
        #[test]
        fn small_numbers_are_joined_as_integers_are(a in small(), b in small()) {
            let (x, y) = (units(a), units(b));
            let of = |number: i128, places: i64| {
                let digits = number.unsigned_abs().to_string();
                Decimal::new(number < 0, &digits, -places).unwrap()
            };
            let apply = |operator| apply(operator, FUNCTION, &decimal(a), &decimal(b));
            prop_assert_eq!(apply(Operator::Add), Ok(of(x + y, 4)));
            prop_assert_eq!(apply(Operator::Subtract), Ok(of(x - y, 4)));
            prop_assert_eq!(apply(Operator::Multiply), Ok(of(x * y, 8)));
            if y == 0 {
                let fault = Err(Fault::DivisionByZero { function: FUNCTION });
                for operator in [Operator::Divide, Operator::Quotient, Operator::Remainder, Operator::Modulo] {
                    prop_assert_eq!(apply(operator), fault.clone());
                }
            } else {
                prop_assert_eq!(apply(Operator::Quotient), Ok(of(x / y, 0)));
                prop_assert_eq!(apply(Operator::Remainder), Ok(of(x % y, 4)));
                let modulo = apply(Operator::Modulo).unwrap();
                prop_assert_eq!(modulo, of((x % y + y) % y, 4));
                // Below 2^36, so that no factor is left after 36 tens.
                let has_end = (0..36).fold(x % y, |rest, _| rest * 10 % y) == 0;
                match apply(Operator::Divide) {
                    Ok(quotient) => {
                        let back = super::apply(Operator::Multiply, FUNCTION, &quotient, &decimal(b));
                        prop_assert_eq!(back, Ok(decimal(a)));
                    }
                    Err(fault) => {
                        prop_assert!(!has_end);
                        prop_assert_eq!(fault, Fault::Inexact { function: FUNCTION });
                    }
                }
            }
            let (up, down) = (Rounding::Up, Rounding::Down);
            let floor = x.div_euclid(10_000);
            prop_assert_eq!(round(FUNCTION, &decimal(a), down), Ok(of(floor, 0)));
            let ceil = -(-x).div_euclid(10_000);
            prop_assert_eq!(round(FUNCTION, &decimal(a), up), Ok(of(ceil, 0)));
        }
    }

    #[test]
    fn a_result_has_so_many_digits_and_no_more() {
        let nines = exact(&"9".repeat(1_000));
        let one = exact("1");
        let overflow = Err(Fault::Overflow { function: FUNCTION });
        let join = |operator, a: &Decimal, b: &Decimal| apply(operator, FUNCTION, a, b);
        // Its zeros are no digits.
        assert_eq!(join(Operator::Add, &nines, &one), Ok(exact("1e1000")));
        assert_eq!(join(Operator::Add, &nines, &exact("0.1")), overflow);
        assert_eq!(join(Operator::Multiply, &nines, &nines), overflow);
        assert_eq!(
            join(Operator::Multiply, &exact("1e500"), &exact("1e500")),
            Ok(exact("1e1000"))
        );
        assert_eq!(
            join(Operator::Multiply, &exact("1e500"), &exact("1e501")),
            overflow
        );
        assert_eq!(
            join(Operator::Divide, &exact("1e-500"), &exact("1e500")),
            Ok(exact("1e-1000"))
        );
        assert_eq!(
            join(Operator::Divide, &exact("1e-500"), &exact("1e501")),
            overflow
        );
        assert_eq!(
            join(Operator::Add, &exact("1e1000"), &exact("1e-1000")),
            overflow
        );
        assert_eq!(
            join(Operator::Remainder, &nines, &exact("1e-1000")),
            Ok(exact("0"))
        );
        assert_eq!(join(Operator::Divide, &nines, &nines), Ok(one));
    }
}
