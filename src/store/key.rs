//! Bytes whose order is the order of what they stand for.
//!
//! 1. Every encoding is prefix-free, so that a key may be several of them in a row.
//! 2. No encoding begins with the byte `FF`, so that a group of keys ends before its prefix and `FF`.
//! 3. A text of more than [`TEXT_BYTES_MAX`] is cut: [`CUT_BYTES`] of it, a mark, and 16 bytes of its SHA-256.
//!    Texts that share their first `CUT_BYTES` bytes may then stand out of order; who reads them in order
//!    reads the full texts and sorts. Everything else is in order as it stands.
//!
//! Shape: docs/format.md, "Numbers", "Subjects" and "Values".

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::error::Error;
use crate::model::{CollectionId, DecimalRef, PredicateId, Real, SubjectId, T, Value, ValueRef};

/// The longest text that stands whole in a key, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 128;
/// How much of a longer text stands in a key, bytes.
pub(super) const CUT_BYTES: usize = 112;
/// How much of its hash follows, bytes.
const CUT_HASH_BYTES: usize = 16;

const FALSE: u8 = 0x10;
const TRUE: u8 = 0x11;
const INT_ZERO: u8 = 0x28;
const DOUBLE: u8 = 0x38;
const DECIMAL: u8 = 0x39;
const INSTANT: u8 = 0x3A;
const STRING: u8 = 0x40;
const UUID: u8 = 0x48;
const BYTES: u8 = 0x4C;
const REF: u8 = 0x50;
const JSON: u8 = 0x60;

const SIGN: u64 = 1 << 63;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.bytes.split_first().ok_or_else(short)?;
        self.bytes = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(short)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// Up to eight bytes as a number.
    fn number(&mut self, count: usize) -> Result<u64, Error> {
        Ok(self
            .take(count)?
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    #[inline]
    pub(super) fn uint(&mut self) -> Result<u64, Error> {
        match self.byte()? {
            small @ 0..0xF0 => Ok(u64::from(small)),
            long @ 0xF0..=0xF7 => self.number(usize::from(long - 0xEF)),
            _ => Err(Error::corrupt("a number is malformed")),
        }
    }

    pub(super) fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.uint()?).map_err(|_| short())
    }

    pub(super) fn t(&mut self) -> Result<T, Error> {
        self.uint().map(T)
    }

    #[inline]
    pub(super) fn predicate(&mut self) -> Result<PredicateId, Error> {
        u32::try_from(self.uint()?)
            .map(PredicateId)
            .map_err(|_| Error::corrupt("a predicate's id is too large"))
    }

    #[inline]
    pub(super) fn subject(&mut self) -> Result<SubjectId, Error> {
        let collection = self.uint()?;
        let number = self.uint()?;
        match collection.checked_sub(1) {
            None => Some(SubjectId::of_block(T(u64::MAX - number))),
            Some(id) => CollectionId::new(id).and_then(|c| SubjectId::new(c, number)),
        }
        .ok_or_else(|| Error::corrupt("a subject's id is out of range"))
    }

    /// A value in the form of a key.
    pub(super) fn key_value(&mut self) -> Result<KeyValue<'a>, Error> {
        let tag = self.byte()?;
        Ok(KeyValue::Whole(Scalar::Fixed(match tag {
            FALSE => ValueRef::Boolean(false),
            TRUE => ValueRef::Boolean(true),
            0x20..=0x30 => ValueRef::Int(self.int(tag)?),
            DOUBLE => {
                let bits = self.number(8)?;
                let bits = if bits & SIGN == 0 { !bits } else { bits ^ SIGN };
                ValueRef::Double(
                    Real::new(f64::from_bits(bits))
                        .ok_or_else(|| Error::corrupt("a number is not finite"))?,
                )
            }
            DECIMAL => ValueRef::Decimal(self.decimal()?),
            INSTANT => ValueRef::Instant((self.number(8)? ^ SIGN).cast_signed()),
            UUID => ValueRef::Uuid(u128::from_be_bytes(self.array()?)),
            REF => ValueRef::Ref(self.subject()?),
            STRING | BYTES | JSON => return self.text(Kind::of_tag(tag)),
            _ => return Err(Error::corrupt("a value has an unknown tag")),
        })))
    }

    fn int(&mut self, tag: u8) -> Result<i64, Error> {
        if let Some(count) = tag.checked_sub(INT_ZERO) {
            i64::try_from(self.number(usize::from(count))?)
                .map_err(|_| Error::corrupt("an integer is too large"))
        } else {
            let count = usize::from(INT_ZERO - tag);
            let mask = u64::MAX >> (64 - 8 * count);
            let magnitude = !self.number(count)? & mask;
            0_i64
                .checked_sub_unsigned(magnitude)
                .ok_or_else(|| Error::corrupt("an integer is too small"))
        }
    }

    fn decimal(&mut self) -> Result<DecimalRef<'a>, Error> {
        let (number, rest) = DecimalRef::read(self.bytes)
            .ok_or_else(|| Error::corrupt("a decimal number is malformed"))?;
        self.bytes = rest;
        Ok(number)
    }

    fn text(&mut self, kind: Kind) -> Result<KeyValue<'a>, Error> {
        let mut text: Cow<'a, [u8]> = Cow::Borrowed(&[]);
        loop {
            let zero = self
                .bytes
                .iter()
                .position(|byte| *byte == 0)
                .ok_or_else(short)?;
            let part = self.take(zero)?;
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().extend_from_slice(part);
            }
            self.byte()?;
            match self.byte()? {
                0x00 => return Ok(KeyValue::Whole(Scalar::Text(kind, text))),
                0x01 => {
                    self.take(CUT_HASH_BYTES)?;
                    return Ok(KeyValue::Cut(kind));
                }
                0xFF => text.to_mut().push(0),
                _ => return Err(Error::corrupt("a text is malformed")),
            }
        }
    }
}

fn short() -> Error {
    Error::corrupt("a record ends too soon")
}

/// Which kind a text is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Bytes,
    Json,
}

impl Kind {
    const fn of_tag(tag: u8) -> Self {
        match tag {
            BYTES => Self::Bytes,
            JSON => Self::Json,
            _ => Self::String,
        }
    }

    /// The text as a value of this kind.
    pub(super) fn value(self, text: &[u8]) -> Result<ValueRef<'_>, Error> {
        let checked =
            || std::str::from_utf8(text).map_err(|_| Error::corrupt("a text is not UTF-8"));
        Ok(match self {
            Self::String => ValueRef::String(checked()?),
            Self::Bytes => ValueRef::Bytes(text),
            Self::Json => ValueRef::Json(checked()?),
        })
    }
}

/// A value as it stands in a key.
#[derive(Clone, Debug)]
pub(super) enum KeyValue<'a> {
    Whole(Scalar<'a>),
    /// The full text stands elsewhere.
    Cut(Kind),
}

/// A value that is all there.
#[derive(Clone, Debug)]
pub(super) enum Scalar<'a> {
    Fixed(ValueRef<'a>),
    Text(Kind, Cow<'a, [u8]>),
}

impl Scalar<'_> {
    pub(super) fn value(&self) -> Result<ValueRef<'_>, Error> {
        match self {
            Self::Fixed(value) => Ok(*value),
            Self::Text(kind, text) => kind.value(text),
        }
    }
}

/// The bytes of a string, bytes or json.
pub(super) fn text_of(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::String(text) | ValueRef::Json(text) => Some(text.as_bytes()),
        ValueRef::Bytes(bytes) => Some(bytes),
        ValueRef::Boolean(_)
        | ValueRef::Int(_)
        | ValueRef::Double(_)
        | ValueRef::Decimal(_)
        | ValueRef::Instant(_)
        | ValueRef::Uuid(_)
        | ValueRef::Ref(_) => None,
    }
}

/// The full text, if it does not stand whole in a key.
pub(super) fn cut_text(value: ValueRef<'_>) -> Option<&[u8]> {
    text_of(value).filter(|text| text.len() > TEXT_BYTES_MAX)
}

/// Whether the value may stand out of order among its neighbours (invariant 3).
pub(super) fn is_long(value: ValueRef<'_>) -> bool {
    text_of(value).is_some_and(|text| text.len() >= CUT_BYTES)
}

/// The part of a text that decides where its key stands.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    text.get(..CUT_BYTES).unwrap_or(text)
}

pub(super) fn put_uint(out: &mut Vec<u8>, number: u64) {
    if let Ok(small @ 0..0xF0) = u8::try_from(number) {
        out.push(small);
        return;
    }
    let bytes = number.to_be_bytes();
    let (length, magnitude) = magnitude(&bytes);
    out.push(0xEF + length);
    out.extend_from_slice(magnitude);
}

/// The bytes from the first that is not zero on, and how many they are.
fn magnitude(bytes: &[u8; 8]) -> (u8, &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(zeros..).unwrap_or_default();
    (u8::try_from(rest.len()).unwrap_or(8), rest)
}

pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_uint(out, u64::try_from(length).unwrap_or(u64::MAX));
}

pub(super) fn put_predicate(out: &mut Vec<u8>, p: PredicateId) {
    put_uint(out, u64::from(p.0));
}

/// A collection: what the keys of its subjects begin with.
pub(super) fn put_collection(out: &mut Vec<u8>, c: CollectionId) {
    put_uint(out, u64::try_from(i32::from(c.raw()) + 1).unwrap_or(0));
}

pub(super) fn put_subject(out: &mut Vec<u8>, s: SubjectId) {
    put_collection(out, s.collection());
    if s.block().is_some() {
        put_uint(out, u64::MAX - s.number());
    } else {
        put_uint(out, s.number());
    }
}

/// A value in the form of a key.
pub(super) fn put_key_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match cut_text(value) {
        Some(text) => {
            out.push(tag_of_text(value));
            put_escaped(out, cut(text));
            out.extend_from_slice(&[0x00, 0x01]);
            let hash: [u8; 32] = Sha256::digest(text).into();
            out.extend(hash.iter().take(CUT_HASH_BYTES));
        }
        None => put_value(out, value),
    }
}

/// What the keys of a value, and of all that may stand out of order to it, begin with.
pub(super) fn put_place(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match text_of(value).filter(|text| text.len() >= CUT_BYTES) {
        Some(text) => {
            out.push(tag_of_text(value));
            put_escaped(out, cut(text));
        }
        None => put_key_value(out, value),
    }
}

/// A value whole, whatever its length.
pub(super) fn put_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Boolean(false) => out.push(FALSE),
        ValueRef::Boolean(true) => out.push(TRUE),
        ValueRef::Int(number) => put_int(out, number),
        ValueRef::Double(real) => {
            out.push(DOUBLE);
            let bits = real.number().to_bits();
            let bits = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
            out.extend_from_slice(&bits.to_be_bytes());
        }
        ValueRef::Decimal(number) => {
            out.push(DECIMAL);
            out.extend_from_slice(number.bytes());
        }
        ValueRef::Instant(ms) => {
            out.push(INSTANT);
            out.extend_from_slice(&(ms.cast_unsigned() ^ SIGN).to_be_bytes());
        }
        ValueRef::Uuid(uuid) => {
            out.push(UUID);
            out.extend_from_slice(&uuid.to_be_bytes());
        }
        ValueRef::Ref(s) => {
            out.push(REF);
            put_subject(out, s);
        }
        ValueRef::String(text) | ValueRef::Json(text) => {
            out.push(tag_of_text(value));
            put_escaped(out, text.as_bytes());
            out.extend_from_slice(&[0x00, 0x00]);
        }
        ValueRef::Bytes(bytes) => {
            out.push(BYTES);
            put_escaped(out, bytes);
            out.extend_from_slice(&[0x00, 0x00]);
        }
    }
}

const fn tag_of_text(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Bytes(_) => BYTES,
        ValueRef::Json(_) => JSON,
        _ => STRING,
    }
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let bytes = number.unsigned_abs().to_be_bytes();
    let (length, magnitude) = magnitude(&bytes);
    if number < 0 {
        out.push(INT_ZERO - length);
        out.extend(magnitude.iter().map(|byte| !byte));
    } else {
        out.push(INT_ZERO + length);
        out.extend_from_slice(magnitude);
    }
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for (index, part) in text.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&[0x00, 0xFF]);
        }
        out.extend_from_slice(part);
    }
}

/// A value whose text may stand beside its key.
pub(super) fn whole_value(key: KeyValue<'_>, text: &[u8]) -> Result<Value, Error> {
    match key {
        KeyValue::Whole(scalar) => Ok(scalar.value()?.to_value()),
        KeyValue::Cut(kind) => Ok(kind.value(text)?.to_value()),
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small or meant to be cut"
)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Decimal;

    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *state >> 11 ^ *state << 30
    }

    fn values() -> Vec<Value> {
        let mut state = 1;
        let mut values = vec![Value::Boolean(false), Value::Boolean(true)];
        for shift in 0..64 {
            let near = [-1, 0, 1].map(|by: i64| (1_i64 << shift).wrapping_add(by));
            for number in near {
                values.push(Value::Int(number));
                values.push(Value::Int(number.wrapping_neg()));
                values.push(Value::Instant(number));
                let bits = next(&mut state);
                values.extend(Real::new(f64::from_bits(bits)).map(Value::Double));
                values.push(Value::Uuid(u128::from(bits) << (shift % 64)));
            }
        }
        for text in [
            "0",
            "1",
            "-1",
            "9.99",
            "-9.99",
            "9.9",
            "10",
            "0.1",
            "-0.1",
            "0.123",
            "0.1230001",
            "123456789012345678901234567890",
            "-123456789012345678901234567890.5",
            "1e1000",
            "-1e1000",
            "1e-1000",
            "-1e-1000",
        ] {
            values.push(Value::Decimal(Decimal::parse(text).unwrap()));
        }
        for sign in ["", "-"] {
            for digits in [127, 128, 500, 999, 1_000] {
                let long = format!("{sign}{}", "9".repeat(digits));
                values.push(Value::Decimal(Decimal::parse(&long).unwrap()));
            }
        }
        values.extend(
            [0.0, -1.5, 1e-300, f64::MAX, f64::MIN].map(|it| Value::Double(Real::new(it).unwrap())),
        );
        for length in [0, 1, 2, 3, 5, 111] {
            for _ in 0..30 {
                let text: String = (0..length)
                    .map(|_| {
                        ['\0', '\u{1}', 'a', 'é', '\u{10FFFF}'][(next(&mut state) % 5) as usize]
                    })
                    .take_while({
                        let mut bytes = 0;
                        move |c| {
                            bytes += c.len_utf8();
                            bytes < CUT_BYTES
                        }
                    })
                    .collect();
                values.push(Value::string(&text));
                values.push(Value::Json(Arc::from(text.as_str())));
                values.push(Value::Bytes(Arc::from(text.as_bytes())));
            }
        }
        for raw in [
            -300,
            -2,
            -1,
            0,
            1,
            239,
            240,
            241,
            255,
            256,
            (1 << 44) - 1,
            1 << 44,
            (1 << 53) - 1,
        ] {
            values.push(Value::Ref(SubjectId::from_raw(raw).unwrap()));
        }
        values
    }

    #[test]
    fn key_order_is_value_order_and_what_is_written_is_read() {
        let values = values();
        let key = |value: &Value| {
            let mut key = Vec::new();
            put_key_value(&mut key, value.borrow());
            key
        };
        let keys: Vec<_> = values.iter().map(key).collect();
        for (a, a_key) in values.iter().zip(&keys) {
            let mut reader = Reader::new(a_key);
            assert_eq!(&whole_value(reader.key_value().unwrap(), &[]).unwrap(), a);
            assert!(reader.is_empty());
            for (b, b_key) in values.iter().zip(&keys) {
                assert_eq!(a.cmp(b), a_key.cmp(b_key), "{a:?} {b:?}");
                assert!(a == b || !a_key.starts_with(b_key), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn numbers_are_in_order_and_prefix_free() {
        let mut numbers: Vec<u64> = (0..64).flat_map(|s| [(1 << s) - 1, 1 << s]).collect();
        numbers.extend([0xEE, 0xEF, 0xF0, 0xF1, u64::MAX]);
        let key = |number| {
            let mut key = Vec::new();
            put_uint(&mut key, number);
            key
        };
        for a in &numbers {
            assert_eq!(Reader::new(&key(*a)).uint().unwrap(), *a);
            assert!(key(*a) < vec![0xFF]);
            for b in &numbers {
                assert_eq!(a.cmp(b), key(*a).cmp(&key(*b)));
            }
        }
    }

    #[test]
    fn a_text_is_cut_at_129_bytes_and_not_at_128() {
        for (length, is_cut) in [(128, false), (129, true)] {
            let value = Value::string(&"x".repeat(length));
            let mut key = Vec::new();
            put_key_value(&mut key, value.borrow());
            let found = Reader::new(&key).key_value().unwrap();
            assert_eq!(matches!(found, KeyValue::Cut(Kind::String)), is_cut);
            assert_eq!(cut_text(value.borrow()).is_some(), is_cut);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut state = 7;
        for round in 0..20_000_u64 {
            let mut bytes: Vec<u8> = (0..round % 40).map(|_| next(&mut state) as u8).collect();
            if let Some(first) = bytes.first_mut() {
                let tags = [
                    *first, 0x20, 0x30, DOUBLE, STRING, JSON, BYTES, REF, INSTANT, UUID, DECIMAL,
                ];
                *first = tags[(round % 11) as usize];
            }
            if let Ok(key) = Reader::new(&bytes).key_value() {
                let _ = whole_value(key, &bytes);
            }
            let _ = Reader::new(&bytes).subject();
            let _ = Reader::new(&bytes).predicate();
        }
    }
}
