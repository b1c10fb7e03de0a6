//! What the language has for a value, made into what facts hold.

use std::sync::Arc;

use super::error::Fault;
use super::number::to_real;
use super::value::Val;
use crate::model::{Decimal, Real, SubjectId, Value, ValueType};

/// The value as it stands under a predicate of this type; none, if it is in range of no such predicate.
///
/// Numbers are those of the same size, exactly: 0.1 is a `double` as a double, and a `bigdec` as `0.1M`.
///
/// # Errors
/// `Absent`, and `Type` if it is of a kind that the type does not have. A tag, bytes and json have no look-up.
pub(super) fn stored(
    function: &'static str,
    value_type: ValueType,
    value: &Val,
) -> Result<Option<Value>, Fault> {
    let wrong = Fault::Type {
        function,
        expected: "a value of its predicate's type",
    };
    let is_number = matches!(value, Val::Int(_) | Val::Double(_) | Val::Decimal(_));
    match (value_type, value) {
        (_, Val::Nil) => Err(Fault::Absent { function }),
        (ValueType::String | ValueType::Uri, Val::String(it)) => {
            Ok(Some(Value::String(Arc::clone(it))))
        }
        (ValueType::Boolean, Val::Bool(it)) => Ok(Some(Value::Boolean(*it))),
        (ValueType::Int | ValueType::Long, Val::Int(_) | Val::Decimal(_)) => {
            Ok(value.as_int().map(Value::Int))
        }
        (ValueType::Instant, Val::Int(_) | Val::Decimal(_)) => {
            Ok(value.as_int().map(Value::Instant))
        }
        (ValueType::Float | ValueType::Double, _) if is_number => Ok(double(value)
            // Only a double of exactly this number is it.
            .filter(|real| Val::Double(*real) == *value)
            .map(Value::Double)),
        (ValueType::Bigint, _) if is_number => Ok(decimal(value)
            .filter(|it| it.borrow().is_whole())
            .map(Value::Decimal)),
        (ValueType::Bigdec, _) if is_number => Ok(decimal(value).map(Value::Decimal)),
        (ValueType::Ref, Val::Int(_) | Val::Decimal(_)) => {
            let subject = value.as_int().and_then(SubjectId::from_raw);
            Ok(subject.map(Value::Ref))
        }
        (ValueType::Uuid, Val::String(it)) => {
            let uuid = uuid::Uuid::try_parse(it).map_err(|_| wrong)?;
            Ok(Some(Value::Uuid(uuid.as_u128())))
        }
        _ => Err(wrong),
    }
}

/// The double nearest to a number.
fn double(value: &Val) -> Option<Real> {
    match value {
        Val::Int(it) => to_real(*it),
        Val::Double(it) => Some(*it),
        Val::Decimal(it) => it.borrow().to_real(),
        _ => None,
    }
}

/// A number as an exact one.
fn decimal(value: &Val) -> Option<Decimal> {
    match value {
        Val::Int(it) => Some(Decimal::from(*it)),
        Val::Double(it) => Decimal::of_real(*it).ok(),
        Val::Decimal(it) => Some(it.clone()),
        _ => None,
    }
}
