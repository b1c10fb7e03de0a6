//! Stored rules: functions whose language is `datalog`.
//!
//! 1. The text of one is an array of rules, as in `rules` of a query, all of the function's name.
//! 2. One is looked up among the facts that are shown, so whoever does not see it does not have it.

use super::clause::Variables;
use super::error::Error;
use super::json::Json;
use super::moments::moments;
use super::output::tag_name;
use super::pointer::Pointer;
use super::reader::{Reader, TOLD_BYTES_OF_A_STEP, values};
use super::rule::{Rule, read_rules};
use super::select::invalid;
use super::stratum::Rules;
use crate::model::system::{DATALOG, predicate};
use crate::model::{Value, ValueRef};

/// The stored rules of a name, if the facts show any.
///
/// # Errors
/// `InvalidQuery` at the call, if they can no longer be read; as facts are read.
pub(super) fn stored(name: &str, at: &Pointer, reader: &Reader<'_>) -> Result<Vec<Rule>, Error> {
    for s in reader.subjects(predicate::FN_NAME, ValueRef::String(name))? {
        let wanted = [predicate::FN_CODE, predicate::FN_LANGUAGE];
        let Some(row) = reader.row_among(s, &wanted)? else {
            continue;
        };
        let code = values(&row, predicate::FN_CODE).find_map(|it| match it {
            Value::String(code) => Some(code),
            _ => None,
        });
        let language = values(&row, predicate::FN_LANGUAGE).find_map(|it| match it {
            Value::Ref(tag) => Some(*tag),
            _ => None,
        });
        let (Some(code), Some(language)) = (code, language) else {
            continue;
        };
        if tag_name(language, reader.facts)?.as_deref() != Some(DATALOG) {
            continue;
        }
        let steps = u64::try_from(code.len() / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        reader.budget.spend(steps)?;
        let mut rules = read_stored(code, name).map_err(|error| told_of(error, name, at))?;
        for rule in &mut rules {
            rule.stored = Some(at.clone());
        }
        return Ok(rules);
    }
    Ok(Vec::new())
}

/// Reads the text of a function whose language is `datalog`: an array of rules, all of its name.
///
/// # Errors
/// As [`read_rules`], with the place in the text; `Json` for what is none.
pub(super) fn read_stored(text: &str, name: &str) -> Result<Vec<Rule>, Error> {
    let root = Pointer::root();
    let rules = read_rules(&Json::read(text)?, &root, &Variables::default())?;
    if rules.is_empty() {
        let why = format!("`{name}` has no rule");
        return Err(invalid(&root, &why));
    }
    if let Some(other) = rules.iter().find(|rule| rule.name != name) {
        let why = format!("the function `{name}` has rules of `{name}`, and of no other name");
        return Err(invalid(&other.at.index(0), &why));
    }
    if let Some(moment) = moments(rules.iter().map(|rule| &rule.body))?.first() {
        let why = "a stored rule is about the time that its caller asks about";
        return Err(invalid(&moment.at, why));
    }
    Rules::new(rules.clone())?;
    Ok(rules)
}

/// What is wrong with a text that would be stored as the rules of a name; nothing, if it could be called.
///
/// # Errors
/// A sentence, with the place in the text.
pub fn check_rules(text: &str, name: &str) -> Result<(), String> {
    let told = |error: Error| match error.at() {
        Some(at) if *at != Pointer::root() => format!("at `{at}`: {error}"),
        _ => error.to_string(),
    };
    read_stored(text, name).map(|_| ()).map_err(told)
}

/// An error in a stored rule, as whoever calls it is told of it.
pub(super) fn told_of(error: Error, name: &str, at: &Pointer) -> Error {
    match error {
        Error::Facts(_) => error,
        Error::Limit { what, max, .. } => Error::Limit {
            at: at.clone(),
            what,
            max,
        },
        Error::Json { .. }
        | Error::InvalidQuery { .. }
        | Error::InvalidCollection { .. }
        | Error::InvalidIdentity { .. } => invalid(at, &format!("the rule `{name}`: {error}")),
    }
}
