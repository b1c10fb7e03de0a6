//! Values and flakes as JSON.

use std::ops::ControlFlow;

use super::json::Json;
use crate::model::system::predicate;
use crate::model::{Error, Facts, Op, PredicateId, SubjectId, T, Value, ValueRef, ValueType};

/// A value as JSON.
///
/// Shape: numbers and instants (Unix milliseconds) as numbers, `bigint` and `bigdec` as strings of all their digits,
/// uuids hyphenated, bytes as lower-case hex, `json` and `geojson` as their text, a ref as the subject's id, a tag by its short name.
///
/// None for a tag whose name the facts do not tell.
///
/// # Errors
/// As reading the name of a tag fails.
pub fn to_json(
    value: ValueRef<'_>,
    value_type: ValueType,
    facts: &dyn Facts,
) -> Result<Option<Json>, Error> {
    match (value, value_type) {
        (ValueRef::Ref(tag), ValueType::Tag) => Ok(tag_name(tag, facts)?.map(Json::String)),
        (value, _) => Ok(Some(plain(value))),
    }
}

/// A flake as it stands on the wire: `[s, p, o, -t, true|false, null]`, refs and tags as ids.
pub fn flake_json(s: SubjectId, p: PredicateId, o: &Value, t: T, op: Op) -> Json {
    Json::Array(vec![
        Json::Int(s.raw()),
        Json::Int(i64::from(p.0)),
        plain(o.borrow()),
        Json::Int(SubjectId::of_block(t).raw()),
        Json::Bool(op == Op::Assert),
        Json::Null,
    ])
}

/// A value that needs no fact to be told.
pub(super) fn plain(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Boolean(it) => Json::Bool(it),
        ValueRef::Int(it) | ValueRef::Instant(it) => Json::Int(it),
        ValueRef::Double(it) => Json::Double(it.number()),
        // As text: few JSON readers keep a number that no double holds.
        ValueRef::Decimal(it) => Json::String(it.to_string()),
        ValueRef::String(it) | ValueRef::Json(it) => Json::string(it),
        ValueRef::Uuid(it) => Json::String(uuid::Uuid::from_u128(it).hyphenated().to_string()),
        ValueRef::Bytes(it) => Json::String(hex(it)),
        ValueRef::Ref(it) => Json::Int(it.raw()),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

/// The short name of a tag: what stands after the colon of its `_tag/id`.
pub(super) fn tag_name(tag: SubjectId, facts: &dyn Facts) -> Result<Option<String>, Error> {
    let mut name = None;
    facts.values(tag, predicate::TAG_ID, &mut |fact| {
        if let ValueRef::String(id) = fact.o {
            name = Some(id.split_once(':').map_or(id, |(_, short)| short).to_owned());
        }
        ControlFlow::Break(())
    })?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Empty, Flake, Overlay, Real};
    use crate::schema::bootstrap;

    #[test]
    fn each_value_has_its_json() {
        let mut facts = Overlay::new(Empty);
        let flakes = bootstrap().unwrap();
        facts.apply(T(1), &flakes);
        let is_query = |it: &&Flake| it.o == Value::string("_rule/ops:query");
        let tag = flakes.iter().find(is_query).unwrap().s;
        let real = |it| Value::Double(Real::new(it).unwrap());
        for (value, value_type, json) in [
            (Value::Boolean(true), ValueType::Boolean, "true"),
            (Value::Int(-3), ValueType::Int, "-3"),
            (real(0.1), ValueType::Float, "0.1"),
            (real(2.0), ValueType::Double, "2.0"),
            (Value::Instant(1_500), ValueType::Instant, "1500"),
            (Value::string("a"), ValueType::String, r#""a""#),
            (
                Value::Uuid(1),
                ValueType::Uuid,
                r#""00000000-0000-0000-0000-000000000001""#,
            ),
            (
                Value::Bytes(Arc::from([0, 0xAB].as_slice())),
                ValueType::Bytes,
                r#""00ab""#,
            ),
            (Value::Json(Arc::from("[1]")), ValueType::Json, r#""[1]""#),
            (Value::Ref(tag), ValueType::Ref, &*tag.to_string()),
            (Value::Ref(tag), ValueType::Tag, r#""query""#),
        ] {
            let shown = to_json(value.borrow(), value_type, &facts).unwrap();
            assert_eq!(shown.unwrap().write(), json);
        }
        let hidden = to_json(ValueRef::Ref(tag), ValueType::Tag, &Empty);
        assert_eq!(hidden, Ok(None));
    }

    #[test]
    fn a_flake_on_the_wire_has_a_negative_t_and_ids() {
        let s = SubjectId::from_raw(351_843_720_888_320).unwrap();
        let o = Value::Ref(SubjectId::from_raw(5).unwrap());
        let json = flake_json(s, PredicateId(1_002), &o, T(7), Op::Retract);
        assert_eq!(json.write(), "[351843720888320,1002,5,-7,false,null]");
    }
}
