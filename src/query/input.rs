//! Values and identities as they come in, in JSON, made into what facts hold.
//!
//! Strict: no number is rounded to a whole one, and none that is exact is rounded at all. A number in quotes is a number
//! where one of many digits may be meant, and a `string` takes anything by its text.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::Error;
use super::geojson::{self, Flaw};
use super::json::Json;
use super::number::{is_of_number, told};
use super::pointer::Pointer;
use crate::base::limits::STRING_BYTES_MAX;
use crate::model::system::predicate;
use crate::model::{self, Decimal, Facts, NoDecimal, Real, SubjectId, Value, ValueType};
use crate::schema::{Predicate, Schema};

/// Why some JSON is no value of a type. It carries nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It is of another kind or form.
    #[error("expected {wanted}, found {found}")]
    Form {
        /// What the type takes.
        wanted: &'static str,
        /// What there was.
        found: &'static str,
    },
    /// It is a number with more digits, or larger or nearer to zero, than one may be.
    #[error("{0}")]
    Number(NoDecimal),
    /// It is no GeoJSON object.
    #[error("GeoJSON: {why}")]
    Geojson {
        /// Where in it something is wrong.
        at: Pointer,
        /// What is wrong.
        why: &'static str,
    },
    /// It is too long.
    #[error("a value may have at most {max} bytes")]
    TooLong {
        /// The bound, in bytes.
        max: usize,
    },
}

impl Misfit {
    /// Where in the JSON something is wrong; the root, if it is all of it.
    pub fn at(&self) -> Pointer {
        match self {
            Self::Geojson { at, .. } => at.clone(),
            Self::Form { .. } | Self::Number(_) | Self::TooLong { .. } => Pointer::root(),
        }
    }
}

/// Some JSON as a value of a scalar type.
///
/// `int` takes whole numbers in its range; `long` and `bigint` also strings of their digits; `float`, `double` and
/// `bigdec` any number in theirs, or a string of it; `instant` ISO-8601 text with an offset or Unix milliseconds,
/// `uuid` hyphenated text, `uri` RFC 3986 with a scheme, `bytes` hex, `json` anything, `geojson` an object of RFC 7946,
/// `string` anything but null: what is no text by its JSON text. Refs and tags are no scalars: they are resolved
/// through facts.
///
/// # Errors
/// `Form` if it does not fit, and for refs and tags; `Number` past `DECIMAL_DIGITS_MAX` and `DECIMAL_EXPONENT_MAX`;
/// `Geojson`; `TooLong` past [`STRING_BYTES_MAX`].
pub fn value_of(json: &Json, value_type: ValueType) -> Result<Value, Misfit> {
    let wanted = wanted(value_type);
    let misfit = Misfit::Form {
        wanted,
        found: json.kind(),
    };
    let value = match (value_type, json) {
        (ValueType::String, Json::String(text) | Json::Decimal(text)) => {
            text_of(text)?.map(Value::String)
        }
        (ValueType::String, Json::Null) => None,
        (ValueType::String, json) => text_of(&json.write())?.map(Value::String),
        (ValueType::Uri, Json::String(text)) if is_uri(text) => text_of(text)?.map(Value::String),
        (ValueType::Boolean, Json::Bool(it)) => Some(Value::Boolean(*it)),
        (ValueType::Int, Json::Int(it)) => i32::try_from(*it).ok().map(|_| Value::Int(*it)),
        (ValueType::Long, json) => match unquoted(json).as_ref() {
            Json::Int(it) => Some(Value::Int(*it)),
            _ => None,
        },
        (ValueType::Bigint, Json::Decimal(text) | Json::String(text)) if is_whole(text) => {
            exact(text)?
        }
        (ValueType::Bigdec, Json::Decimal(text) | Json::String(text)) => exact(text)?,
        // A double tells the number as it was written; if it did not, its text would be here.
        (ValueType::Bigdec, Json::Double(it)) => exact(&told(*it))?,
        (ValueType::Bigint | ValueType::Bigdec, Json::Int(it)) => {
            Some(Value::Decimal(Decimal::from(*it)))
        }
        (ValueType::Bigint | ValueType::Bigdec, Json::UInt(it)) => exact(&it.to_string())?,
        (ValueType::Double, json) => unquoted(json)
            .as_double()
            .and_then(Real::new)
            .map(Value::Double),
        (ValueType::Float, json) => unquoted(json)
            .as_double()
            .and_then(float)
            .and_then(Real::new)
            .map(Value::Double),
        (ValueType::Instant, json) => instant(json).map(Value::Instant),
        (ValueType::Uuid, Json::String(text)) => uuid(text).map(Value::Uuid),
        (ValueType::Bytes, Json::String(text)) => match bytes(text) {
            Some(bytes) if bytes.len() > STRING_BYTES_MAX => return Err(too_long()),
            bytes => bytes.map(|bytes| Value::Bytes(Arc::from(bytes))),
        },
        (ValueType::Json, json) => text_of(&json.write())?.map(Value::Json),
        (ValueType::Geojson, json) => {
            geojson::check(json).map_err(|Flaw { at, why }| Misfit::Geojson { at, why })?;
            text_of(&json.write())?.map(Value::Json)
        }
        _ => None,
    };
    value.ok_or(misfit)
}

/// The subject that an id or a two-tuple names, as far as the facts tell; none if they tell of no such subject.
///
/// # Errors
/// `InvalidIdentity` if it is neither, or if the two-tuple's predicate is unknown or not unique, or does not take
/// its value. `Facts` as reading fails.
pub fn identity(
    json: &Json,
    at: &Pointer,
    schema: &Schema,
    facts: &dyn Facts,
) -> Result<Option<SubjectId>, Error> {
    match json {
        Json::Int(raw) => match SubjectId::from_raw(*raw) {
            Some(s) if facts.exists(s)? => Ok(Some(s)),
            _ => Ok(None),
        },
        // Too large to be any subject's id.
        Json::UInt(_) => Ok(None),
        pair => two_tuple(pair, at, schema, facts),
    }
}

/// The tag that a text names under a predicate: `query` or `_rule/ops:query`; none if the facts tell of none.
///
/// # Errors
/// As reading fails.
pub fn tag_named(
    text: &str,
    of: &Predicate,
    facts: &dyn Facts,
) -> Result<Option<SubjectId>, model::Error> {
    let own = text.strip_prefix(&*of.name);
    let id = match own.and_then(|own| own.strip_prefix(':')) {
        None if text.contains('/') => Value::string(text),
        own => Value::string(&format!("{}:{}", of.tags, own.unwrap_or(text))),
    };
    first(facts, predicate::TAG_ID, &id)
}

fn two_tuple(
    pair: &Json,
    at: &Pointer,
    schema: &Schema,
    facts: &dyn Facts,
) -> Result<Option<SubjectId>, Error> {
    let subject = |inner: &Json, at: &Pointer| identity(inner, at, schema, facts);
    match named_value(pair, at, schema, facts, &subject)? {
        (of, Some(value)) => Ok(first(facts, of.id, &value)?),
        (_, None) => Ok(None),
    }
}

/// Finds the subject that some JSON at a place names.
pub(super) type Subjects<'a, E> = dyn Fn(&Json, &Pointer) -> Result<Option<SubjectId>, E> + 'a;

/// The predicate and the value of a two-tuple; no value if that names what the facts do not tell of.
///
/// # Errors
/// As [`identity`], and as `subject` fails.
pub(super) fn named_value<'s, E: From<Error> + From<model::Error>>(
    pair: &Json,
    at: &Pointer,
    schema: &'s Schema,
    facts: &dyn Facts,
    subject: &Subjects<'_, E>,
) -> Result<(&'s Predicate, Option<Value>), E> {
    let (name, value) = match pair {
        Json::Array(pair) => match pair.as_slice() {
            [Json::String(name), value] => (name, value),
            _ => return Err(invalid_identity(at).into()),
        },
        _ => return Err(invalid_identity(at).into()),
    };
    let invalid = |at: Pointer, why: String| Error::InvalidIdentity { at, why };
    let of = schema
        .predicate_named(name)
        .filter(|of| !of.sealed)
        .ok_or_else(|| invalid(at.index(0), format!("there is no predicate `{name}`")))?;
    if !of.unique {
        let why = format!("`{name}` is not unique, so its values name no subject");
        return Err(invalid(at.index(0), why).into());
    }
    let at = at.index(1);
    let misfit = |why: String| invalid(at.clone(), why);
    let value = value_under(of, value, &at, facts, subject, &misfit)?;
    Ok((of, value))
}

/// Some JSON as a value of a predicate; none if it names a tag or a subject that the facts do not tell of.
///
/// # Errors
/// What `misfit` makes of why it is no such value; as `subject` and reading fail.
pub(super) fn value_under<E: From<Error> + From<model::Error>>(
    of: &Predicate,
    json: &Json,
    at: &Pointer,
    facts: &dyn Facts,
    subject: &Subjects<'_, E>,
    misfit: &dyn Fn(String) -> Error,
) -> Result<Option<Value>, E> {
    match (of.value_type, json) {
        (ValueType::Ref, inner) => Ok(subject(inner, at)?.map(Value::Ref)),
        (ValueType::Tag, Json::String(text)) => Ok(tag_named(text, of, facts)?.map(Value::Ref)),
        (value_type, json) => match value_of(json, value_type) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(misfit(error.to_string()).into()),
        },
    }
}

fn first(
    facts: &dyn Facts,
    p: model::PredicateId,
    o: &Value,
) -> Result<Option<SubjectId>, model::Error> {
    let mut found = None;
    facts.subjects(p, o.borrow(), &mut |s| {
        found = Some(s);
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn invalid_identity(at: &Pointer) -> Error {
    Error::InvalidIdentity {
        at: at.clone(),
        why: "a subject is named by its id, or by `[predicate, value]` of a unique predicate"
            .to_owned(),
    }
}

/// What a type takes, for messages.
fn wanted(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "a string",
        ValueType::Boolean => "a boolean",
        ValueType::Int => "an int, a whole number of 32 bits",
        ValueType::Long => "a long, a whole number of 64 bits or a string of it",
        ValueType::Bigint => "a bigint, a whole number or a string of its digits",
        ValueType::Bigdec => "a bigdec, a number or a string of it",
        ValueType::Float => "a float, a number in the range of 32 bits or a string of it",
        ValueType::Double => "a double, a number or a string of it",
        ValueType::Instant => "an instant, ISO-8601 text with an offset or Unix milliseconds",
        ValueType::Uuid => "a uuid, 32 hex digits with hyphens",
        ValueType::Uri => "a uri with a scheme",
        ValueType::Bytes => "bytes, an even number of hex digits",
        ValueType::Json => "JSON",
        ValueType::Geojson => "a GeoJSON object",
        ValueType::Ref => "a ref, the id of a subject",
        ValueType::Tag => "a tag, its name",
    }
}

fn too_long() -> Misfit {
    Misfit::TooLong {
        max: STRING_BYTES_MAX,
    }
}

/// The text, unless it is too long; always some, so that it reads like its neighbours.
fn text_of(text: &str) -> Result<Option<Arc<str>>, Misfit> {
    if text.len() > STRING_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Some(Arc::from(text)))
}

/// The number that a string is, written as JSON writes numbers; any other JSON as it is.
fn unquoted(json: &Json) -> Cow<'_, Json> {
    match json {
        // Blanks around it, which JSON would take, are no digits.
        Json::String(text) if text.chars().all(is_of_number) => Json::read(text).ok(),
        _ => None,
    }
    .map_or(Cow::Borrowed(json), Cow::Owned)
}

fn is_whole(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// The exact number that a text is; none if it is not written as one.
fn exact(text: &str) -> Result<Option<Value>, Misfit> {
    match Decimal::parse(text) {
        Ok(number) => Ok(Some(Value::Decimal(number))),
        Err(NoDecimal::Form) => Ok(None),
        Err(passed @ (NoDecimal::Digits | NoDecimal::Exponent)) => Err(Misfit::Number(passed)),
    }
}

/// The double nearest to the shortest decimal form of the float nearest to `number`, if that is finite.
fn float(number: f64) -> Option<f64> {
    let float: f32 = number.to_string().parse().ok()?;
    float.is_finite().then(|| float.to_string().parse().ok())?
}

/// Unix milliseconds. What is finer is dropped, towards the past.
fn instant(json: &Json) -> Option<i64> {
    match json {
        Json::Int(ms) => jiff::Timestamp::from_millisecond(*ms).ok().map(|_| *ms),
        Json::String(text) => {
            let moment: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(moment.as_nanosecond().div_euclid(1_000_000)).ok()
        }
        _ => None,
    }
}

fn uuid(text: &str) -> Option<u128> {
    // The crate also takes braces, a `urn:` and no hyphens; one form is enough.
    (text.len() == 36)
        .then(|| uuid::Uuid::try_parse(text).ok())?
        .map(|it| it.as_u128())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok())
        .collect()
}

/// Whether a text is a URI of RFC 3986: a scheme, and then only the characters it may have where it may have them.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut scheme = scheme.chars();
    if !scheme.next().is_some_and(|c| c.is_ascii_alphabetic())
        || !scheme.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    {
        return false;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
        None => ("", hierarchy),
    };
    has_characters(path, "/:@")
        && has_characters(query, "/:@?")
        && has_characters(fragment, "/:@?")
        && is_authority(authority)
}

fn is_authority(authority: &str) -> bool {
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let Some((literal, port)) = rest.split_once(']') else {
                return false;
            };
            let Some(port) = port.strip_prefix(':').or(port.is_empty().then_some("")) else {
                return false;
            };
            if literal.is_empty() || literal.contains('%') || !has_characters(literal, ":") {
                return false;
            }
            ("", port)
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    has_characters(user, ":")
        && has_characters(host, "")
        && port.chars().all(|c| c.is_ascii_digit())
}

/// Whether a part has only unreserved characters, sub-delimiters, whole percent-encodings, and those of `more`.
fn has_characters(part: &str, more: &str) -> bool {
    let mut characters = part.chars();
    while let Some(c) = characters.next() {
        let is_allowed = if c == '%' {
            let mut digit = || characters.next().is_some_and(|c| c.is_ascii_hexdigit());
            digit() && digit()
        } else {
            c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c) || more.contains(c)
        };
        if !is_allowed {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{DECIMAL_DIGITS_MAX, DECIMAL_EXPONENT_MAX};
    use crate::model::system::ROOT_AUTH;
    use crate::model::{Empty, Overlay, T};
    use crate::schema::bootstrap;

    #[allow(clippy::needless_pass_by_value, reason = "it keeps the rows short")]
    fn check(value_type: ValueType, json: &str, expected: Option<Value>) {
        let json = Json::read(json).unwrap();
        assert_eq!(
            value_of(&json, value_type).ok(),
            expected,
            "{value_type:?} {json:?}"
        );
    }

    #[test]
    fn texts_and_numbers_are_taken_for_what_they_say() {
        use ValueType::{Boolean, Double, Int, Long, String};
        let real = |it| Some(Value::Double(Real::new(it).unwrap()));
        let int = |it| Some(Value::Int(it));
        let text = |it| Some(Value::string(it));
        check(String, r#""a""#, text("a"));
        check(String, "1", text("1"));
        check(String, "1.50", text("1.5"));
        check(
            String,
            "100000000000000000001",
            text("100000000000000000001"),
        );
        check(String, "true", text("true"));
        check(String, r#"[1, {"a": null}]"#, text(r#"[1,{"a":null}]"#));
        check(String, "null", None);
        check(Boolean, "true", Some(Value::Boolean(true)));
        check(Boolean, r#""true""#, None);
        check(Int, "2147483647", int(2_147_483_647));
        check(Int, "2147483648", None);
        check(Int, "-2147483648", int(-2_147_483_648));
        check(Int, "-2147483649", None);
        check(Int, "1.0", None);
        check(Long, "9223372036854775807", int(i64::MAX));
        check(Long, "9223372036854775808", None);
        check(Long, r#""-5""#, int(-5));
        check(Long, r#""5.0""#, None);
        check(Long, r#"" 5""#, None);
        check(Long, r#""05""#, None);
        check(Long, r#""true""#, None);
        check(Long, r#""""#, None);
        check(Long, r#""9223372036854775808""#, None);
        check(Double, "1", real(1.0));
        check(Double, "1e308", real(1e308));
        check(Double, "-0.0", real(0.0));
        check(Double, "3.14159265358979323846", real(std::f64::consts::PI));
        check(Double, r#""-1.5e2""#, real(-150.0));
        check(Double, r#""1e999""#, None);
        check(Double, r#""NaN""#, None);
        check(Double, r#""""#, None);
        check(Double, "true", None);
    }

    #[test]
    fn other_values_are_taken_by_their_form() {
        use ValueType::{Bytes, Float, Instant, Ref, Tag, Uri, Uuid};
        let real = |it| Some(Value::Double(Real::new(it).unwrap()));
        let text = |it| Some(Value::string(it));
        let bytes = |it: &[u8]| Some(Value::Bytes(Arc::from(it)));
        check(Float, "0.1", real(0.1));
        check(Float, "16777217", real(16_777_216.0));
        check(Float, "0.123456789", real(0.123_456_79));
        check(Float, "3.5e38", None);
        check(Float, r#""0.1""#, real(0.1));
        check(Float, r#""3.5e38""#, None);
        check(
            Instant,
            "1517437000000",
            Some(Value::Instant(1_517_437_000_000)),
        );
        check(
            Instant,
            r#""1970-01-01T00:00:01Z""#,
            Some(Value::Instant(1_000)),
        );
        check(
            Instant,
            r#""1970-01-01T01:00:00.0019+01:00""#,
            Some(Value::Instant(1)),
        );
        check(
            Instant,
            r#""1969-12-31T23:59:59.9999Z""#,
            Some(Value::Instant(-1)),
        );
        check(Instant, r#""1970-01-01T00:00:00""#, None);
        check(Instant, "1.5", None);
        check(Instant, "9223372036854775807", None);
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let number = 0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8;
        check(Uuid, &format!("\"{id}\""), Some(Value::Uuid(number)));
        check(Uuid, &format!("\"{}\"", id.replace('-', "")), None);
        check(Uuid, r#""67e55044-10b1-426f-9247-bb680e5fe0cg""#, None);
        check(Bytes, r#""00aBff""#, bytes(&[0, 0xab, 0xff]));
        check(Bytes, r#""""#, bytes(&[]));
        check(Bytes, r#""0""#, None);
        check(Bytes, r#""+1""#, None);
        check(Bytes, r#""0é""#, None);
        check(
            ValueType::Json,
            r#"{ "a": [1, null] }"#,
            Some(Value::Json(Arc::from(r#"{"a":[1,null]}"#))),
        );
        check(Uri, r#""urn:a:b""#, text("urn:a:b"));
        check(Ref, "5", None);
        check(Tag, r#""a""#, None);
    }

    #[test]
    fn exact_numbers_are_taken_as_they_are_written() {
        use ValueType::{Bigdec, Bigint};
        let exact = |text| Some(Value::Decimal(Decimal::parse(text).unwrap()));
        for (json, told) in [
            ("1", "1"),
            ("-9223372036854775809", "-9223372036854775809"),
            ("18446744073709551615", "18446744073709551615"),
            ("100000000000000000000", "100000000000000000000"),
            (
                r#""-123456789012345678901234567890""#,
                "-123456789012345678901234567890",
            ),
            (r#""0""#, "0"),
        ] {
            check(Bigint, json, exact(told));
            check(Bigdec, json, exact(told));
        }
        for (json, told) in [
            ("1.0", "1"),
            ("1e2", "100"),
            ("0.1", "0.1"),
            ("-128760146514533.12", "-128760146514533.12"),
            ("-128760146514533.13", "-128760146514533.13"),
            (
                "0.10000000000000000000000000000000000001",
                "0.10000000000000000000000000000000000001",
            ),
            (r#""1.50""#, "1.5"),
            (r#""1e-3""#, "0.001"),
        ] {
            check(Bigint, json, None);
            check(Bigdec, json, exact(told));
        }
        let large = format!("{}1", "0".repeat(DECIMAL_DIGITS_MAX));
        for json in [
            "true",
            "null",
            "[1]",
            "{}",
            r#""""#,
            r#""1 ""#,
            r#""+1""#,
            r#""01""#,
            r#"".5""#,
            r#""NaN""#,
            r#""1,5""#,
            &format!("\"{large}\""),
        ] {
            check(Bigint, json, None);
            check(Bigdec, json, None);
        }
        // A number in quotes may be longer than one that JSON holds, and no longer than a number may be.
        let passed = |text: &str| value_of(&Json::string(text), Bigint).unwrap_err();
        let digits = "7".repeat(DECIMAL_DIGITS_MAX);
        check(Bigint, &format!("\"{digits}\""), exact(&digits));
        assert_eq!(
            passed(&format!("{digits}7")),
            Misfit::Number(NoDecimal::Digits)
        );
        let zeros = "0".repeat(usize::try_from(DECIMAL_EXPONENT_MAX).unwrap());
        check(
            Bigint,
            &format!("\"1{zeros}\""),
            exact(&format!("1{zeros}")),
        );
        assert_eq!(
            passed(&format!("1{zeros}0")),
            Misfit::Number(NoDecimal::Exponent)
        );
    }

    #[test]
    fn a_uri_has_a_scheme_and_the_characters_of_rfc_3986() {
        for (text, is) in [
            ("http://a.example:80/b/c?d=e/f?#g?h", true),
            ("https://[2001:db8::1]:443/", true),
            ("https://u:p@[::1]", true),
            ("mailto:a@b.example", true),
            ("urn:isbn:0451450523", true),
            ("a:", true),
            ("a+b-c.1:%C3%A9", true),
            ("a.example/b", false),
            (":b", false),
            ("1a:b", false),
            ("http://a b", false),
            ("http://a/é", false),
            ("http://a/%4", false),
            ("http://a/%zz", false),
            ("http://a/[", false),
            ("http://[::1", false),
            ("http://[::1]x", false),
            ("http://a:b/", false),
            ("a:b#c#d", false),
            ("a:<b>", false),
        ] {
            assert_eq!(is_uri(text), is, "{text}");
        }
    }

    #[test]
    fn a_value_may_have_so_many_bytes_and_no_more() {
        let most = STRING_BYTES_MAX;
        let text = |length| Json::String("a".repeat(length));
        for (value_type, fits, passes) in [
            (ValueType::String, text(most), text(most + 1)),
            (ValueType::Bytes, text(2 * most), text(2 * most + 2)),
            // Its quotes count.
            (ValueType::Json, text(most - 2), text(most - 1)),
        ] {
            assert!(value_of(&fits, value_type).is_ok());
            assert_eq!(
                value_of(&passes, value_type),
                Err(Misfit::TooLong { max: most })
            );
        }
    }

    #[test]
    fn an_identity_is_an_id_or_a_two_tuple_of_a_unique_predicate() {
        let mut facts = Overlay::new(Empty);
        facts.apply(T(1), &bootstrap().unwrap());
        let schema = Schema::load(&facts).unwrap();
        let root = ROOT_AUTH.raw();
        let resolve = |text: &str| {
            identity(
                &Json::read(text).unwrap(),
                &Pointer::root(),
                &schema,
                &facts,
            )
        };
        for (text, expected) in [
            (root.to_string(), Some(ROOT_AUTH)),
            ((root + 1).to_string(), None),
            ("9223372036854775807".to_owned(), None),
            ("18446744073709551615".to_owned(), None),
            (r#"["_auth/id","root"]"#.to_owned(), Some(ROOT_AUTH)),
            (r#"["_auth/id","nobody"]"#.to_owned(), None),
            (r#"["_user/auth",["_auth/id","root"]]"#.to_owned(), None),
            (r#"["_auth/id",5]"#.to_owned(), None),
        ] {
            assert_eq!(resolve(&text), Ok(expected), "{text}");
        }
        for (text, at) in [
            ("null", ""),
            (r#""root""#, ""),
            ("1.5", ""),
            ("[]", ""),
            (r#"["_auth/id"]"#, ""),
            (r#"["_auth/nothing","a"]"#, "/0"),
            (r#"["_auth/doc","a"]"#, "/0"),
            (r#"["_token/hash","00"]"#, "/0"),
            (r#"["_auth/id",null]"#, "/1"),
        ] {
            match resolve(text) {
                Err(Error::InvalidIdentity { at: place, .. }) => assert_eq!(place.as_str(), at),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
