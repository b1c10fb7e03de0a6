//! Which types a predicate may change to, and what becomes of its values.
//!
//! A value is kept exactly or not at all: what would lose something is refused, by whoever asks for it. Types that
//! are kept alike change without a value being touched.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::base::limits::STRING_BYTES_MAX;
use crate::model::{Decimal, Real, Value, ValueRef, ValueType};

/// How values of one type become values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// They are kept alike.
    Same,
    /// `instant` → `long`: Unix milliseconds.
    InstantToInt,
    /// `int`, `long` → `instant`: Unix milliseconds.
    IntToInstant,
    /// `int`, `long` → `double`, if it is the same number.
    IntToDouble,
    /// `int`, `long` → `float`, if it is the same number.
    IntToFloat,
    /// `int`, `long`, `instant` → `bigint`, and `int`, `long` → `bigdec`.
    IntToDecimal,
    /// `float`, `double` → `bigdec`: the number as an answer shows it, and as it was written.
    DoubleToDecimal,
    /// `json`, `geojson`, `bytes`, `uuid` → `string`: as an answer shows them.
    ToText,
}

/// Every change of type there is: from, to, and how.
const CONVERSIONS: [(ValueType, ValueType, Conversion); 22] = [
    (ValueType::Int, ValueType::Long, Conversion::Same),
    (
        ValueType::Instant,
        ValueType::Long,
        Conversion::InstantToInt,
    ),
    (ValueType::Int, ValueType::Instant, Conversion::IntToInstant),
    (
        ValueType::Long,
        ValueType::Instant,
        Conversion::IntToInstant,
    ),
    (ValueType::Float, ValueType::Double, Conversion::Same),
    (ValueType::Int, ValueType::Double, Conversion::IntToDouble),
    (ValueType::Long, ValueType::Double, Conversion::IntToDouble),
    (ValueType::Int, ValueType::Float, Conversion::IntToFloat),
    (ValueType::Long, ValueType::Float, Conversion::IntToFloat),
    (ValueType::Int, ValueType::Bigint, Conversion::IntToDecimal),
    (ValueType::Long, ValueType::Bigint, Conversion::IntToDecimal),
    (
        ValueType::Instant,
        ValueType::Bigint,
        Conversion::IntToDecimal,
    ),
    (ValueType::Int, ValueType::Bigdec, Conversion::IntToDecimal),
    (ValueType::Long, ValueType::Bigdec, Conversion::IntToDecimal),
    (
        ValueType::Float,
        ValueType::Bigdec,
        Conversion::DoubleToDecimal,
    ),
    (
        ValueType::Double,
        ValueType::Bigdec,
        Conversion::DoubleToDecimal,
    ),
    (ValueType::Bigint, ValueType::Bigdec, Conversion::Same),
    (ValueType::Json, ValueType::String, Conversion::ToText),
    (ValueType::Geojson, ValueType::String, Conversion::ToText),
    (ValueType::Bytes, ValueType::String, Conversion::ToText),
    (ValueType::Uuid, ValueType::String, Conversion::ToText),
    (ValueType::Uri, ValueType::String, Conversion::Same),
];

/// Those by which a value is kept in another way.
const CHANGING: [Conversion; 7] = [
    Conversion::InstantToInt,
    Conversion::IntToInstant,
    Conversion::IntToDouble,
    Conversion::IntToFloat,
    Conversion::IntToDecimal,
    Conversion::DoubleToDecimal,
    Conversion::ToText,
];

/// How a predicate's values change with its type, if it may change so.
pub fn conversion(from: ValueType, to: ValueType) -> Option<Conversion> {
    let mut all = CONVERSIONS.iter();
    all.find(|(of, into, _)| (*of, *into) == (from, to))
        .map(|(_, _, conversion)| *conversion)
}

/// The types that a predicate may change to.
pub fn conversions(from: ValueType) -> impl Iterator<Item = ValueType> {
    let all = CONVERSIONS.iter();
    all.filter(move |(of, ..)| *of == from)
        .map(|(_, into, _)| *into)
}

/// All that a value is, or became by changes of its predicate's type.
pub fn forms(value: &Value) -> BTreeSet<Value> {
    let mut forms = BTreeSet::from([value.clone()]);
    let mut new = vec![value.clone()];
    while let Some(value) = new.pop() {
        for conversion in CHANGING {
            if let Some(form) = conversion.convert(value.borrow())
                && forms.insert(form.clone())
            {
                new.push(form);
            }
        }
    }
    forms
}

/// The name of a type, as `_predicate/type` has it.
pub(super) fn type_name(of: ValueType) -> &'static str {
    match of {
        ValueType::String => "string",
        ValueType::Boolean => "boolean",
        ValueType::Int => "int",
        ValueType::Long => "long",
        ValueType::Float => "float",
        ValueType::Double => "double",
        ValueType::Bigint => "bigint",
        ValueType::Bigdec => "bigdec",
        ValueType::Instant => "instant",
        ValueType::Uuid => "uuid",
        ValueType::Uri => "uri",
        ValueType::Bytes => "bytes",
        ValueType::Json => "json",
        ValueType::Geojson => "geojson",
        ValueType::Ref => "ref",
        ValueType::Tag => "tag",
    }
}

impl Conversion {
    /// Whether a value of the one type is kept otherwise than the same value of the other.
    pub fn changes_values(self) -> bool {
        self != Self::Same
    }

    /// The value, if all of it is kept.
    pub fn convert(self, value: ValueRef<'_>) -> Option<Value> {
        match (self, value) {
            (Self::Same, value) => Some(value.to_value()),
            (Self::InstantToInt, ValueRef::Instant(ms)) => Some(Value::Int(ms)),
            (Self::IntToInstant, ValueRef::Int(ms)) => {
                let moment = jiff::Timestamp::from_millisecond(ms).ok();
                moment.map(|_| Value::Instant(ms))
            }
            (Self::IntToDouble, ValueRef::Int(it)) => double(it).map(Value::Double),
            (Self::IntToFloat, ValueRef::Int(it)) => float(it).map(Value::Double),
            (Self::IntToDecimal, ValueRef::Int(it) | ValueRef::Instant(it)) => {
                Some(Value::Decimal(Decimal::from(it)))
            }
            (Self::DoubleToDecimal, ValueRef::Double(it)) => {
                // The shortest text that is this double and no other.
                let shown = format!("{:?}", it.number());
                Decimal::parse(&shown).ok().map(Value::Decimal)
            }
            (Self::ToText, ValueRef::Json(text)) => Some(Value::string(text)),
            (Self::ToText, ValueRef::Bytes(bytes)) => hex(bytes),
            (Self::ToText, ValueRef::Uuid(it)) => {
                let text = uuid::Uuid::from_u128(it).hyphenated().to_string();
                Some(Value::String(Arc::from(text)))
            }
            _ => None,
        }
    }
}

/// The double that is this number.
fn double(number: i64) -> Option<Real> {
    let double: f64 = number.to_string().parse().ok()?;
    (format!("{double:.0}") == number.to_string()).then(|| Real::new(double))?
}

/// The float that is this number, as floats are kept: the double nearest to its shortest decimal form.
fn float(number: i64) -> Option<Real> {
    let float: f32 = number.to_string().parse().ok()?;
    let kept: f64 = float.to_string().parse().ok()?;
    (format!("{kept:.0}") == number.to_string()).then(|| Real::new(kept))?
}

fn hex(bytes: &[u8]) -> Option<Value> {
    if bytes.len() > STRING_BYTES_MAX / 2 {
        return None;
    }
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(Value::String(Arc::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_exactly_or_not_at_all() {
        let real = |number| Real::new(number).map(Value::Double);
        for (number, as_double, as_float) in [
            (0, real(0.0), real(0.0)),
            (-7, real(-7.0), real(-7.0)),
            (16_777_216, real(16_777_216.0), real(16_777_216.0)),
            (16_777_217, real(16_777_217.0), None),
            // A float prints this as 1073741800.
            (1 << 30, real(1_073_741_824.0), None),
            (1 << 53, real(9_007_199_254_740_992.0), None),
            ((1 << 53) + 1, None, None),
            (i64::MIN, real(-9_223_372_036_854_775_808.0), None),
            (i64::MAX, None, None),
        ] {
            let value = ValueRef::Int(number);
            assert_eq!(
                Conversion::IntToDouble.convert(value),
                as_double,
                "{number}"
            );
            assert_eq!(Conversion::IntToFloat.convert(value), as_float, "{number}");
        }
    }

    #[test]
    fn an_instant_has_its_range() {
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let (first, last) = (first.as_second() * 1_000, last.as_second() * 1_000);
        for (ms, fits) in [
            (0, true),
            (first, true),
            (first - 1, false),
            (last, true),
            (last + 1_000, false),
        ] {
            let converted = Conversion::IntToInstant.convert(ValueRef::Int(ms));
            assert_eq!(converted, fits.then_some(Value::Instant(ms)), "{ms}");
        }
    }

    #[test]
    fn an_exact_number_is_the_one_that_was_written() {
        for (number, decimal) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9007199254740992"),
        ] {
            let real = Real::new(number).unwrap();
            let converted = Conversion::DoubleToDecimal.convert(ValueRef::Double(real));
            let decimal = Decimal::parse(decimal).unwrap();
            assert_eq!(converted, Some(Value::Decimal(decimal)), "{number}");
        }
        for number in [0, -12, i64::MIN, i64::MAX] {
            let decimal = Value::Decimal(Decimal::from(number));
            for value in [ValueRef::Int(number), ValueRef::Instant(number)] {
                let converted = Conversion::IntToDecimal.convert(value);
                assert_eq!(converted.as_ref(), Some(&decimal), "{number}");
            }
        }
    }

    #[test]
    fn texts_are_as_an_answer_shows_them() {
        for (value, text) in [
            (ValueRef::Json("{\"a\":1}"), Some("{\"a\":1}")),
            (ValueRef::Bytes(&[0, 255]), Some("00ff")),
            (
                ValueRef::Uuid(1),
                Some("00000000-0000-0000-0000-000000000001"),
            ),
            (ValueRef::Int(1), None),
        ] {
            assert_eq!(Conversion::ToText.convert(value), text.map(Value::string));
        }
        let bytes = vec![7; STRING_BYTES_MAX / 2 + 1];
        let fitting = bytes.get(1..).map(ValueRef::Bytes);
        assert!(
            fitting
                .and_then(|it| Conversion::ToText.convert(it))
                .is_some()
        );
        assert_eq!(Conversion::ToText.convert(ValueRef::Bytes(&bytes)), None);
    }

    #[test]
    fn a_value_is_followed_through_every_conversion_there_is() {
        for (_, _, conversion) in CONVERSIONS {
            assert_eq!(conversion.changes_values(), CHANGING.contains(&conversion));
        }
        assert_eq!(
            forms(&Value::string("a")),
            BTreeSet::from([Value::string("a")])
        );
        let five = forms(&Value::Instant(5));
        let decimal = Value::Decimal(Decimal::from(5));
        let double = Value::Double(Real::new(5.0).unwrap());
        assert_eq!(
            five,
            BTreeSet::from([Value::Int(5), Value::Instant(5), double, decimal])
        );
    }

    #[test]
    fn refs_and_tags_keep_their_type() {
        for (from, to, _) in CONVERSIONS {
            for of in [from, to] {
                assert!(!matches!(
                    of,
                    ValueType::Ref | ValueType::Tag | ValueType::Boolean
                ));
            }
        }
    }
}
