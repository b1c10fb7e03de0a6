//! Texts: patterns, pieces, addresses.

use std::fmt::Write as _;

use super::error::Fault;
use super::value::Val;
use crate::base::limits::{PATTERN_BYTES_MAX, RULE_STRING_BYTES_MAX};

/// A literal pattern, compiled once; it is matched in time linear in the text.
pub(super) fn pattern(literal: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(literal)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(max) => {
                format!("it compiles to more than {max} bytes")
            }
            other => other
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        })
}

/// The match; if the pattern has groups, the match and its groups.
pub(super) fn find(pattern: &regex::Regex, text: &str) -> Val {
    if pattern.captures_len() <= 1 {
        return pattern
            .find(text)
            .map_or(Val::Nil, |found| Val::string(found.as_str()));
    }
    pattern.captures(text).map_or(Val::Nil, |captures| {
        let groups = captures.iter();
        Val::List(
            groups
                .map(|group| group.map_or(Val::Nil, |it| Val::string(it.as_str())))
                .collect(),
        )
    })
}

/// Refuses a text that is too long to search or to make.
pub(super) fn bounded(function: &'static str, bytes: usize) -> Result<(), Fault> {
    if bytes > RULE_STRING_BYTES_MAX {
        let (what, max) = ("bytes of text", RULE_STRING_BYTES_MAX);
        return Err(Fault::TooLarge {
            function,
            what,
            max,
        });
    }
    Ok(())
}

/// Adds a value's text.
pub(super) fn append(function: &'static str, text: &mut String, value: &Val) -> Result<(), Fault> {
    match value {
        Val::Nil => return Err(Fault::Absent { function }),
        Val::Bool(it) => text.push_str(if *it { "true" } else { "false" }),
        Val::Int(it) => text.push_str(&it.to_string()),
        // Writing to a string does not fail.
        Val::Double(it) => drop(write!(text, "{:?}", it.number())),
        Val::Decimal(it) => drop(write!(text, "{it}")),
        Val::String(it) => {
            bounded(function, text.len().saturating_add(it.len()))?;
            text.push_str(it);
        }
        Val::Set(_) | Val::List(_) | Val::Map(_) => {
            let expected = "texts, numbers and booleans";
            return Err(Fault::Type { function, expected });
        }
    }
    bounded(function, text.len())
}

/// The characters from `start` up to `end`, or up to the last.
pub(super) fn piece(
    function: &'static str,
    text: &str,
    start: i64,
    end: Option<i64>,
) -> Result<Val, Fault> {
    let out_of_range = Fault::OutOfRange { function };
    let byte = |place: i64| {
        let place = usize::try_from(place).ok()?;
        // One past the last character is a place too.
        text.char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .nth(place)
    };
    let range = byte(start).zip(end.map_or(Some(text.len()), byte));
    range
        .and_then(|(from, to)| text.get(from..to))
        .map(Val::string)
        .ok_or(out_of_range)
}

/// Whether this has the form of an address: lower-case letters, as the reference has it.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| plain(c) || "!#$%&'*+/=?^_`{|}~-".contains(c))
    };
    let is_label = |label: &str| {
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|c| plain(c) || c == '-')
    };
    local.split('.').all(is_atom) && domain.contains('.') && domain.split('.').all(is_label)
}
