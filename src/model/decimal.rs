//! Exact numbers of arbitrary size: `bigint` and `bigdec`.
//!
//! 1. A number has one form: no zero before its first digit or behind its last one, and one zero. So `1.50` is `1.5`.
//! 2. It is kept as bytes whose order is the order of the numbers. So comparing needs no unpacking, and a number can
//!    be lent out of the page it stands on.
//! 3. It has at most [`DECIMAL_DIGITS_MAX`] digits, and its first one stands for a power of ten between
//!    −[`DECIMAL_EXPONENT_MAX`] and [`DECIMAL_EXPONENT_MAX`]. What passes that is refused and never rounded.
//!
//! ```text
//! zero      01
//! positive  02, the power of ten of the first digit plus 32,768 in two bytes, the digits, 00
//! negative  00, and the complement of what follows the 02 of its positive
//! digits    a byte for two of them, 1 more than their number; a last one alone counts as its ten
//! ```
//!
//! There is no arithmetic here: the rule language has it.

use std::fmt;
use std::sync::Arc;

use super::real::Real;
use crate::base::limits::{DECIMAL_DIGITS_MAX, DECIMAL_EXPONENT_MAX};

const NEGATIVE: u8 = 0;
const ZERO: u8 = 1;
const POSITIVE: u8 = 2;
/// What is added to a power of ten, so that it has no sign.
const BIAS: i32 = 1 << 15;

const _: () = assert!(DECIMAL_EXPONENT_MAX < BIAS);

/// An exact number that owns its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(Arc<[u8]>);

/// An exact number whose bytes stand elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecimalRef<'a>(&'a [u8]);

/// Why something is no exact number. It carries nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDecimal {
    /// It is not written as a number is.
    #[error("it is not written as a decimal number is")]
    Form,
    /// It has too many digits.
    #[error("a number may have at most {DECIMAL_DIGITS_MAX} digits")]
    Digits,
    /// It is too large, or too near to zero.
    #[error(
        "a number's first digit may stand for at most the power of ten {DECIMAL_EXPONENT_MAX}, up or down"
    )]
    Exponent,
}

impl Decimal {
    /// The number that a text is: `-12`, `0.5`, `1e3`, as JSON writes numbers.
    ///
    /// # Errors
    /// `Form`, `Digits`, `Exponent`.
    pub fn parse(text: &str) -> Result<Self, NoDecimal> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(NoDecimal::Form),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let has_form = are_digits(whole)
            && are_digits(fraction)
            && !whole.is_empty()
            && (whole.len() == 1 || !whole.starts_with('0'));
        if !has_form {
            return Err(NoDecimal::Form);
        }
        let last = i64::try_from(fraction.len())
            .map_err(|_| NoDecimal::Digits)
            .map(|places| exponent.saturating_sub(places))?;
        Self::new(is_negative, &[whole, fraction].concat(), last)
    }

    /// The number of these decimal digits, of which the last stands for the power of ten `last`.
    ///
    /// # Errors
    /// `Form`, `Digits`, `Exponent`.
    pub fn new(is_negative: bool, digits: &str, last: i64) -> Result<Self, NoDecimal> {
        if !are_digits(digits) {
            return Err(NoDecimal::Form);
        }
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self(Arc::from([ZERO].as_slice())));
        }
        let count = i64::try_from(digits.len()).map_err(|_| NoDecimal::Digits)?;
        let first = last.saturating_add(count).saturating_sub(1);
        let digits = digits.trim_end_matches('0');
        if digits.len() > DECIMAL_DIGITS_MAX {
            return Err(NoDecimal::Digits);
        }
        let first = i32::try_from(first)
            .ok()
            .filter(|it| it.abs() <= DECIMAL_EXPONENT_MAX)
            .and_then(|it| u16::try_from(it + BIAS).ok())
            .ok_or(NoDecimal::Exponent)?;
        let mut bytes = vec![POSITIVE];
        bytes.extend_from_slice(&first.to_be_bytes());
        bytes.extend(digits.as_bytes().chunks(2).map(|two| {
            let digit = |at: usize| two.get(at).map_or(0, |digit| digit.wrapping_sub(b'0'));
            digit(0) * 10 + digit(1) + 1
        }));
        bytes.push(0);
        if is_negative {
            // The complement of `POSITIVE` would stand behind everything.
            for byte in &mut bytes {
                *byte = !*byte;
            }
            bytes.splice(..1, [NEGATIVE]);
        }
        Ok(Self(Arc::from(bytes)))
    }

    /// The number that a double is, exactly: every double is one.
    pub fn of_real(real: Real) -> Result<Self, NoDecimal> {
        let places = real.decimal_places();
        Self::parse(&format!("{:.places$}", real.number()))
    }

    /// The same number, borrowed.
    pub fn borrow(&self) -> DecimalRef<'_> {
        DecimalRef(&self.0)
    }
}

impl From<i64> for Decimal {
    fn from(int: i64) -> Self {
        let digits = int.unsigned_abs().to_string();
        // Nineteen digits fit.
        Self::new(int < 0, &digits, 0).unwrap_or_else(|_| Self(Arc::from([ZERO].as_slice())))
    }
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The power of ten behind an `e`; one that no integer holds is beyond any bound, and told as such.
fn exponent_of(text: &str) -> Result<i64, NoDecimal> {
    let (is_negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if digits.is_empty() || !are_digits(digits) {
        return Err(NoDecimal::Form);
    }
    let size: i64 = digits.parse().unwrap_or(i64::MAX / 2);
    let size = size.min(i64::MAX / 2);
    Ok(if is_negative { -size } else { size })
}

impl<'a> DecimalRef<'a> {
    /// The number that these bytes begin with, and the bytes behind it; none if they begin with no number's form.
    pub fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let flip = match *bytes.first()? {
            ZERO => {
                let (zero, rest) = bytes.split_at_checked(1)?;
                return Some((Self(zero), rest));
            }
            NEGATIVE => 0xFF,
            POSITIVE => 0,
            _ => return None,
        };
        let count = bytes.get(3..)?.iter().position(|byte| byte ^ flip == 0)?;
        let (number, rest) = bytes.split_at_checked(count.checked_add(4)?)?;
        let number = Self(number);
        let is_canonical = number.pairs().all(|pair| pair < 100)
            && number.pairs().next().is_some_and(|first| first >= 10)
            && number.pairs().last().is_some_and(|last| last > 0)
            && number.digit_count() <= DECIMAL_DIGITS_MAX
            && number.first_power().abs() <= DECIMAL_EXPONENT_MAX;
        is_canonical.then_some((number, rest))
    }

    /// The bytes, in the one form that the number has.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The same number, with bytes of its own.
    pub fn to_decimal(self) -> Decimal {
        Decimal(Arc::from(self.0))
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0.first() == Some(&NEGATIVE)
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.0.first() == Some(&ZERO)
    }

    /// Whether it has no fraction.
    pub fn is_whole(self) -> bool {
        self.last_power() >= 0
    }

    /// The integer that it is, if it is one of 64 bits.
    pub fn to_int(self) -> Option<i64> {
        // Longer ones are not written out just to be refused.
        (self.is_whole() && self.first_power() <= 18)
            .then(|| self.to_string().parse().ok())
            .flatten()
    }

    /// The double nearest to it, if that is finite.
    pub fn to_real(self) -> Option<Real> {
        self.to_string().parse().ok().and_then(Real::new)
    }

    /// How many digits it has from the first that is not zero to the last.
    pub fn digit_count(self) -> usize {
        let pairs = self.0.len().saturating_sub(4);
        let half = self.pairs().last().is_some_and(|last| last % 10 == 0);
        pairs.saturating_mul(2).saturating_sub(usize::from(half))
    }

    /// How many digits it has when it is written out.
    pub fn written_digits(self) -> usize {
        let whole = self.first_power().max(0).saturating_add(1);
        let places = self.last_power().min(0).saturating_neg();
        usize::try_from(whole.saturating_add(places)).unwrap_or(0)
    }

    /// The digits, of which the last stands for the power [`DecimalRef::last_power`]; none of zero.
    pub fn digits(self) -> String {
        let mut digits = String::with_capacity(self.0.len().saturating_mul(2));
        for pair in self.pairs() {
            digits.push(char::from(b'0'.saturating_add(pair / 10)));
            digits.push(char::from(b'0'.saturating_add(pair % 10)));
        }
        digits.truncate(self.digit_count());
        digits
    }

    /// The power of ten that its first digit stands for; 0 of zero.
    pub fn first_power(self) -> i32 {
        let flip = if self.is_negative() { 0xFF } else { 0 };
        match self.0 {
            [_, high, low, ..] => i32::from(u16::from_be_bytes([high ^ flip, low ^ flip])) - BIAS,
            _ => 0,
        }
    }

    /// The power of ten that its last digit stands for; 0 of zero.
    pub fn last_power(self) -> i32 {
        let behind = i32::try_from(self.digit_count()).unwrap_or(0).max(1) - 1;
        self.first_power() - behind
    }

    fn pairs(self) -> impl DoubleEndedIterator<Item = u8> {
        let flip = if self.is_negative() { 0xFF } else { 0 };
        let end = self.0.len().saturating_sub(1);
        let pairs = self.0.get(3..end).unwrap_or_default();
        pairs.iter().map(move |byte| (byte ^ flip).wrapping_sub(1))
    }
}

/// All digits, without a power of ten.
impl fmt::Display for DecimalRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.is_negative() {
            f.write_str("-")?;
        }
        let digits = self.digits();
        let zeros =
            |f: &mut fmt::Formatter<'_>, count: i32| (0..count).try_for_each(|_| f.write_str("0"));
        let first = self.first_power();
        if self.is_whole() {
            f.write_str(&digits)?;
            return zeros(f, self.last_power());
        }
        let Ok(point) = usize::try_from(first + 1) else {
            f.write_str("0.")?;
            zeros(f, -1 - first)?;
            return f.write_str(&digits);
        };
        let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, ""));
        write!(
            f,
            "{}.{fraction}",
            if whole.is_empty() { "0" } else { whole }
        )
    }
}

impl fmt::Debug for DecimalRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrow().fmt(f)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn a_number_has_one_form_and_is_told_without_a_power_of_ten() {
        for (texts, told) in [
            (
                &["0", "-0", "0.00", "0e9", "-0e99999999999999999999"][..],
                "0",
            ),
            (&["1", "1.0", "1e0", "10e-1", "0.001E+3"], "1"),
            (&["-1.50", "-150e-2"], "-1.5"),
            (&["100", "1e2"], "100"),
            (&["0.001", "1e-3"], "0.001"),
            (
                &["123456789012345678901234567890"],
                "123456789012345678901234567890",
            ),
            (&["1234.5678"], "1234.5678"),
            (&["-0.1"], "-0.1"),
        ] {
            let digits = told.chars().filter(char::is_ascii_digit).count();
            assert_eq!(parse(told).borrow().written_digits(), digits, "{told}");
            for text in texts {
                assert_eq!(parse(text).to_string(), told, "{text}");
                assert_eq!(parse(text), parse(told), "{text}");
            }
        }
    }

    #[test]
    fn what_json_would_not_write_is_no_number() {
        for text in [
            "", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "1e1.5", "e1", "0x1", " 1", "1 ",
            "1_000", "NaN", "Infinity", "--1", "1.2.3", "1e2e3", "١", "1,5",
        ] {
            assert_eq!(Decimal::parse(text), Err(NoDecimal::Form), "{text}");
        }
    }

    #[test]
    fn a_number_has_so_many_digits_and_no_more() {
        let most = "7".repeat(DECIMAL_DIGITS_MAX);
        assert_eq!(parse(&most).to_string(), most);
        assert_eq!(
            parse(&format!("-{most}")).borrow().digit_count(),
            DECIMAL_DIGITS_MAX
        );
        // Zeros at either end count for nothing.
        assert!(Decimal::parse(&format!("0.{most}0")).is_ok());
        for text in [
            format!("{most}1"),
            format!("{most}.5"),
            format!("-0.{most}1"),
        ] {
            assert_eq!(Decimal::parse(&text), Err(NoDecimal::Digits));
        }
    }

    #[test]
    fn a_number_is_so_large_and_so_near_to_zero_and_no_more() {
        let max = DECIMAL_EXPONENT_MAX;
        for sign in ["", "-"] {
            assert!(Decimal::parse(&format!("{sign}1e{max}")).is_ok());
            assert!(Decimal::parse(&format!("{sign}9.9e-{max}")).is_ok());
            for text in [
                format!("{sign}1e{}", max + 1),
                format!("{sign}9.9e-{}", max + 1),
                format!("{sign}1e99999999999999999999"),
                format!("{sign}1e-99999999999999999999"),
            ] {
                assert_eq!(Decimal::parse(&text), Err(NoDecimal::Exponent), "{text}");
            }
        }
    }

    #[test]
    fn every_double_and_every_integer_is_a_number_exactly() {
        let real = |it| Decimal::of_real(Real::new(it).unwrap()).unwrap();
        for (double, told) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (-1.25, "-1.25"),
            (
                0.1,
                "0.1000000000000000055511151231257827021181583404541015625",
            ),
            (1e23, "99999999999999991611392"),
        ] {
            assert_eq!(real(double).to_string(), told);
        }
        for double in [
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -5e-324,
            f64::EPSILON,
        ] {
            let back = real(double).borrow().to_real().unwrap();
            assert_eq!(Some(back), Real::new(double));
        }
        // The longest there are.
        let longest = f64::from_bits(0x001F_FFFF_FFFF_FFFF);
        assert_eq!(real(longest).borrow().digit_count(), 767);
        for int in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Decimal::from(int).to_string(), int.to_string());
            assert_eq!(Decimal::from(int).borrow().to_int(), Some(int));
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "1e18001e",
            "0.5",
            "1e19",
        ] {
            assert_eq!(
                Decimal::parse(text)
                    .ok()
                    .and_then(|it| it.borrow().to_int()),
                None
            );
        }
    }

    #[test]
    fn bytes_that_are_no_numbers_form_are_not_read() {
        let read =
            |bytes: &[u8]| DecimalRef::read(bytes).map(|(it, rest)| (it.to_string(), rest.len()));
        assert_eq!(read(&[1, 9]), Some(("0".to_owned(), 1)));
        assert_eq!(read(&[2, 0x80, 0, 13, 0, 7]), Some(("1.2".to_owned(), 1)));
        assert_eq!(
            read(&[0, 0x7F, 0xFF, 0xF2, 0xFF]),
            Some(("-1.2".to_owned(), 0))
        );
        for bytes in [
            &[][..],
            &[3],
            &[2],
            &[2, 0x80, 0],
            &[2, 0x80, 0, 0],
            &[2, 0x80, 0, 13],
            // A first digit that is zero, a last pair of zeros, a pair beyond 99, a power beyond the bound.
            &[2, 0x80, 0, 3, 0],
            &[2, 0x80, 0, 13, 1, 0],
            &[2, 0x80, 0, 101, 0],
            &[2, 0x90, 0, 13, 0],
            &[0, 0x7F, 0xFF, 0xFF],
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        let mut long = vec![2, 0x80, 0];
        long.extend(std::iter::repeat_n(12, DECIMAL_DIGITS_MAX / 2));
        assert!(read(&[long.as_slice(), &[0]].concat()).is_some());
        assert!(read(&[long.as_slice(), &[12, 0]].concat()).is_none());
    }

    /// Numbers near to each other, so that order is decided by late digits too.
    fn any_number() -> impl Strategy<Value = (bool, String, i32)> {
        (any::<bool>(), "[0129]{1,12}", -14..14_i32)
    }

    /// The order of two numbers by their plain texts, aligned.
    fn plain_order(a: &str, b: &str) -> Ordering {
        let split = |text: &str| {
            let (negative, text) = text
                .strip_prefix('-')
                .map_or((false, text), |it| (true, it));
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            (negative, format!("{whole:0>40}{fraction:0<40}"))
        };
        let ((a_negative, a), (b_negative, b)) = (split(a), split(b));
        match (a_negative, b_negative) {
            (false, false) => a.cmp(&b),
            (true, true) => b.cmp(&a),
            (a, b) => b.cmp(&a),
        }
    }

    proptest! {
        #[test]
        fn byte_order_is_the_order_of_numbers(a in any_number(), b in any_number()) {
            let number = |(negative, digits, last): (bool, String, i32)| {
                Decimal::new(negative, &digits, i64::from(last)).unwrap()
            };
            let (a, b) = (number(a), number(b));
            prop_assert_eq!(a.cmp(&b), plain_order(&a.to_string(), &b.to_string()));
            prop_assert_eq!(parse(&a.to_string()), a.clone());
            let bytes = [a.borrow().bytes(), b.borrow().bytes()].concat();
            let (read, rest) = DecimalRef::read(&bytes).unwrap();
            prop_assert_eq!(read, a.borrow());
            prop_assert_eq!(rest, b.borrow().bytes());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.eE0-9]{0,24}") {
            if let Ok(number) = Decimal::parse(&text) {
                let double: f64 = text.parse().unwrap();
                prop_assert_eq!(number.borrow().to_real(), Real::new(double));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some((number, rest)) = DecimalRef::read(&bytes) {
                let again = parse(&number.to_string());
                prop_assert_eq!(again.borrow().bytes().len() + rest.len(), bytes.len());
                prop_assert_eq!(again.borrow(), number);
            }
        }

        #[test]
        fn any_double_is_told_exactly(bits in any::<u64>()) {
            if let Some(real) = Real::new(f64::from_bits(bits)) {
                let number = Decimal::of_real(real).unwrap();
                prop_assert_eq!(number.borrow().to_real(), Some(real));
            }
        }
    }
}
