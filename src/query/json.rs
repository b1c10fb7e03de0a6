//! A JSON text as a tree.
//!
//! 1. Objects keep the order of their keys, and no key stands twice: a second one would be read by one program and
//!    not by another.
//! 2. A whole number that fits 64 bits is [`Json::Int`], or [`Json::UInt`] beyond the signed half. Anything else is
//!    [`Json::Double`] if a double tells the same number, and else [`Json::Decimal`]; neither passes for a whole number
//!    of 64 bits.
//! 3. Nesting is bounded by [`JSON_DEPTH_MAX`], so that whoever walks a tree may recurse.
//!
//! A tree of our own and not `serde_json::Value`: what that one keeps of order and of numbers depends on features
//! that any other crate of the same program may turn on. With one of them, numbers come as an object of a private
//! key; a key with that name in the text itself is told apart by where its bytes stand.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::error::Error;
use super::number::{Numbers, is_told};
use crate::base::limits::JSON_DEPTH_MAX;

/// Under this key serde_json hands over numbers when its feature `arbitrary_precision` is on.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that fits 64 bits, signed.
    Int(i64),
    /// A whole number beyond that which fits 64 bits.
    UInt(u64),
    /// Any other number that a double tells as it is written, finite.
    Double(f64),
    /// Any other number: its text. A double is near to it, and it is whole if it is written with digits alone.
    Decimal(String),
    /// Text.
    String(String),
    /// `[..]`
    Array(Vec<Json>),
    /// `{..}`, in the order it was written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// `Json`, with line and column, if it is malformed, nests deeper than [`JSON_DEPTH_MAX`], holds an object with
    /// a key twice or a number beyond a double, or if anything follows it.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed = Seed {
            text,
            numbers: &Numbers::new(text),
            levels: JSON_DEPTH_MAX,
        };
        let read = seed.deserialize(&mut reader);
        let json = read.map_err(|error| refusal(&error))?;
        reader.end().map_err(|error| refusal(&error))?;
        Ok(json)
    }

    /// The value as compact text.
    pub fn write(&self) -> String {
        // Writing a tree with string keys into memory cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A string.
    pub fn string(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The double nearest to it, if it is a number.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            // Through its decimal form: there is no cast that a lint trusts.
            Self::Int(it) => it.to_string().parse().ok(),
            Self::UInt(it) => it.to_string().parse().ok(),
            Self::Double(it) => Some(*it),
            Self::Decimal(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The member `key`, if it is an object that has it.
    pub fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key),
            _ => None,
        }
        .map(|(_, value)| value)
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) => "a whole number",
            Self::Double(_) | Self::Decimal(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(it) => serializer.serialize_bool(*it),
            Self::Int(it) => serializer.serialize_i64(*it),
            Self::UInt(it) => serializer.serialize_u64(*it),
            Self::Double(it) => serializer.serialize_f64(*it),
            Self::Decimal(_) => serializer.serialize_f64(self.as_double().unwrap_or_default()),
            Self::String(it) => serializer.serialize_str(it),
            Self::Array(it) => serializer.collect_seq(it),
            Self::Object(it) => {
                let mut map = serializer.serialize_map(Some(it.len()))?;
                for (key, value) in it {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// serde_json writes the place behind the message; here it has fields of its own.
fn refusal(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    Error::Json {
        line,
        column,
        why: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}

/// Reads a value with so many levels of nesting left.
#[derive(Clone, Copy)]
struct Seed<'t> {
    text: &'t str,
    numbers: &'t Numbers<'t>,
    levels: usize,
}

impl Seed<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        let levels =
            levels.ok_or_else(|| E::custom(format_args!("nested deeper than {JSON_DEPTH_MAX}")))?;
        Ok(Self { levels, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
        Ok(Json::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
        self.numbers.next();
        Ok(Json::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
        self.numbers.next();
        Ok(i64::try_from(it).map_or(Json::UInt(it), Json::Int))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Json, E> {
        if it.is_finite() {
            Ok(number(self.numbers.next(), it))
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_str<E>(self, it: &str) -> Result<Json, E> {
        Ok(Json::string(it))
    }

    fn visit_string<E>(self, it: String) -> Result<Json, E> {
        Ok(Json::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key_seed(KeySeed { text: self.text })? {
            let Key::Written(key) = key else {
                return number_text(&members.next_value::<String>()?);
            };
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "the key `{key}` stands twice"
                )));
            }
            let value = members.next_value_seed(self.inner()?)?;
            object.push((key, value));
        }
        // An empty object nests too.
        self.inner::<A::Error>()?;
        Ok(Json::Object(object))
    }
}

/// A number that is none of 64 bits.
fn number(text: &str, double: f64) -> Json {
    if text.is_empty() || is_told(text, double) {
        Json::Double(double)
    } else {
        Json::Decimal(text.to_owned())
    }
}

/// A number that serde_json hands over as text.
fn number_text<E: serde::de::Error>(text: &str) -> Result<Json, E> {
    // Without that feature `-0` comes as a double, because no int can hold its sign.
    if let Ok(whole) = text.parse()
        && text != "-0"
    {
        return Ok(Json::Int(whole));
    }
    if let Ok(whole) = text.parse() {
        return Ok(Json::UInt(whole));
    }
    match text.parse::<f64>() {
        Ok(double) if double.is_finite() => Ok(number(text, double)),
        _ => Err(E::custom("number out of range")),
    }
}

/// A key as it was read.
enum Key {
    Written(String),
    /// No key at all: the value is the text of a number.
    OfNumber,
}

#[derive(Clone, Copy)]
struct KeySeed<'t> {
    text: &'t str,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(Key::Written(key.to_owned()))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Key, E> {
        // A key of the text itself stands in the text, or is a copy and comes through `visit_str`.
        let is_in_text = self.text.as_bytes().as_ptr_range().contains(&key.as_ptr());
        if key == NUMBER_KEY && !is_in_text {
            return Ok(Key::OfNumber);
        }
        self.visit_str(key)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};

    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "null",
            "true",
            "0",
            "-9223372036854775808",
            "9223372036854775807",
            "18446744073709551615",
            "1.5",
            "0.1",
            "1e+300",
            r#""a\"\\\n\u0001é""#,
            "[]",
            "{}",
            r#"{"b":1,"a":[1,{"c":null}],"":2}"#,
        ] {
            assert_eq!(Json::read(text).unwrap().write(), text);
        }
    }

    #[test]
    fn numbers_that_are_not_whole_or_do_not_fit_are_no_ints() {
        let decimal = |text: &str| Json::Decimal(text.to_owned());
        for (text, json) in [
            ("1", Json::Int(1)),
            ("-0", Json::Double(-0.0)),
            ("1.0", Json::Double(1.0)),
            ("1e2", Json::Double(100.0)),
            ("9223372036854775808", Json::UInt(1 << 63)),
            ("1.50", Json::Double(1.5)),
            ("-0e5", Json::Double(-0.0)),
            ("1e22", Json::Double(1e22)),
            ("5e-324", Json::Double(5e-324)),
            ("18446744073709551616", decimal("18446744073709551616")),
            ("-9223372036854775809", decimal("-9223372036854775809")),
            ("100000000000000000000", decimal("100000000000000000000")),
            ("0.10000000000000000001", decimal("0.10000000000000000001")),
            ("1e-400", decimal("1e-400")),
        ] {
            assert_eq!(Json::read(text).unwrap(), json, "{text}");
            let nested = format!(r#"[-7,"8",{{"9":{text},"a":7.5}},{text}]"#);
            let Json::Array(items) = Json::read(&nested).unwrap() else {
                panic!("{nested}");
            };
            assert_eq!(items[2].member("9"), Some(&json), "{text}");
            assert_eq!(items[3], json, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_place() {
        for (text, line, column, why) in [
            ("", 1, 0, "EOF while parsing a value"),
            ("[1,]", 1, 4, "trailing comma"),
            ("1 2", 1, 3, "trailing characters"),
            ("{\"a\":1,\n\"a\":2}", 2, 3, "the key `a` stands twice"),
            (r#"{"a":1,"\u0061":2}"#, 1, 15, "the key `a` stands twice"),
            ("[1e999]", 1, 6, "number out of range"),
        ] {
            let error = Error::Json {
                line,
                column,
                why: why.to_owned(),
            };
            assert_eq!(Json::read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = |levels| {
                let inner = if open == "[" { "" } else { "{}" };
                let levels = levels - usize::from(open != "[");
                format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
            };
            assert!(Json::read(&nested(JSON_DEPTH_MAX)).is_ok());
            match Json::read(&nested(JSON_DEPTH_MAX + 1)) {
                Err(Error::Json { why, .. }) => assert_eq!(why, "nested deeper than 64"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_key_named_as_serde_json_names_its_numbers_is_a_key() {
        for text in [
            r#"{"$serde_json::private::Number":"12"}"#,
            r#"{"$serde_json::private::Number":{"a":1}}"#,
            r#"{"$serde_json::private::Numbe\u0072":"12"}"#,
        ] {
            assert!(matches!(Json::read(text), Ok(Json::Object(_))), "{text}");
        }
    }

    /// A number the way serde_json hands it over with `arbitrary_precision`.
    struct AsText(Option<&'static str>);

    impl<'de> MapAccess<'de> for AsText {
        type Error = serde::de::value::Error;

        fn next_key_seed<K: DeserializeSeed<'de>>(
            &mut self,
            seed: K,
        ) -> Result<Option<K::Value>, Self::Error> {
            let key = BorrowedStrDeserializer::new(NUMBER_KEY);
            seed.deserialize(key).map(Some)
        }

        fn next_value_seed<V: DeserializeSeed<'de>>(
            &mut self,
            seed: V,
        ) -> Result<V::Value, Self::Error> {
            seed.deserialize(BorrowedStrDeserializer::new(self.0.take().unwrap()))
        }
    }

    #[test]
    fn numbers_handed_over_as_text_are_numbers() {
        let read = |text| {
            let numbers = Numbers::new("");
            let seed = Seed {
                text: "",
                numbers: &numbers,
                levels: 0,
            };
            seed.deserialize(MapAccessDeserializer::new(AsText(Some(text))))
        };
        assert_eq!(read("12"), Ok(Json::Int(12)));
        assert_eq!(read("18446744073709551615"), Ok(Json::UInt(u64::MAX)));
        assert_eq!(read("1.25"), Ok(Json::Double(1.25)));
        assert_eq!(read("-0"), Ok(Json::Double(-0.0)));
        let long = "18446744073709551616";
        assert_eq!(read(long), Ok(Json::Decimal(long.to_owned())));
        assert!(read("1e999").is_err());
        assert!(read("x").is_err());
    }
}
