//! A query that a function asks: `(query "..")` of the rule language.
//!
//! 1. It is read once, when the function is compiled, and its names are looked up then: it is answered from no facts
//!    at all, which looks up every name.
//! 2. Context functions give it variables, as `vars` does: as values and not as variables, of which one that stands in
//!    one arm of a `union` alone would be null in the others. So one that uses such is read anew for other values of
//!    them, and kept for the last ones. What it costs does not depend on that. To read a query of two clauses takes
//!    half as long as to answer it.
//! 3. It is about the facts that the function is asked about, and no others: neither another moment nor another
//!    source.
//! 4. Which names it may see is told by the words in it, and rather more of them than fewer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::asked::Asked;
use super::edn;
use super::error::Error;
use super::json::Json;
use super::question::Query;
use super::reader::PATTERN_STEPS;
use super::trace::Counts;
use crate::base::Budget;
use crate::base::limits::QUERY_IN_RULE_STEPS_MAX;
use crate::lang::{Fault, GIVEN, Queries, QueryText, Question, Stop, Val};
use crate::model::system::ROOT_AUTH;
use crate::model::{self, Decimal, Empty, Facts, Real};
use crate::schema::Schema;

/// Bytes of a query for one step of what it takes to arrange its answer.
const ASKED_BYTES_A_STEP: usize = 16;

/// Bytes of a query that are read for one step.
const READ_BYTES_A_STEP: usize = 2;

/// Who reads the queries of functions, in a state with this schema.
pub fn queries_of(schema: &Arc<Schema>) -> Arc<dyn Queries> {
    Arc::new(Reading {
        schema: Arc::clone(schema),
    })
}

#[derive(Debug)]
struct Reading {
    schema: Arc<Schema>,
}

/// A query that was read.
#[derive(Debug)]
struct InFunction {
    schema: Arc<Schema>,
    members: Vec<(String, Json)>,
    given: Vec<&'static str>,
    words: Words,
    /// What it costs to ask it, beside its answer.
    steps: u64,
    /// As it was read last, with the values that it was given then.
    last: Mutex<Option<(Vec<Json>, Arc<Query>)>>,
}

impl Queries for Reading {
    fn read(&self, text: &QueryText) -> Result<Arc<dyn Question>, String> {
        let members = members(text)?;
        if let Some((key, _)) = members.iter().find(|(key, _)| key == "block") {
            return Err(format!(
                "a function asks about the state that it is judged on, and no other `{key}`"
            ));
        }
        let words = Words::of(&members);
        let member = |key: &str| members.iter().find(|(name, _)| name == key);
        // A query without clauses has no variables.
        let has_clauses = matches!(member("where"), Some((_, Json::Array(_))));
        let mut given = GIVEN.to_vec();
        given.retain(|name| has_clauses && words.has(name));
        if let Some((_, Json::Object(own))) = member("vars")
            && let Some((name, _)) = own.iter().find(|(name, _)| given.contains(&&**name))
        {
            return Err(format!("`{name}` is given by the function that asks"));
        }
        let steps = steps(&Json::Object(members.clone()).write(), !given.is_empty());
        let asked = InFunction {
            schema: Arc::clone(&self.schema),
            members,
            given,
            words,
            steps,
            last: Mutex::new(None),
        };
        asked
            .query(&asked.stand_ins(&Json::Int(0)))
            .map_err(|error| told(&error))?;
        Ok(Arc::new(asked))
    }
}

impl Question for InFunction {
    fn check(&self) -> Result<(), String> {
        // What `?o` is, depends on the flake: a query is good if it is for values of some type.
        let objects = [
            Json::Int(1),
            Json::string("a"),
            Json::Bool(true),
            Json::string(&uuid::Uuid::nil().hyphenated().to_string()),
            Json::string("00"),
        ];
        let mut first = Ok(());
        for object in &objects {
            let budget = Budget::new(QUERY_IN_RULE_STEPS_MAX, None);
            let answer = self
                .query(&self.stand_ins(object))
                .and_then(|query| query.run(&Empty, &self.schema, at(0), &budget));
            match answer {
                Ok(_) => return Ok(()),
                Err(error) if first.is_ok() => first = Err(told(&error)),
                Err(_) => {}
            }
            if !self.given.contains(&"?o") {
                break;
            }
        }
        first
    }

    fn given(&self) -> &[&'static str] {
        &self.given
    }

    fn may_name(&self, name: &str) -> bool {
        self.words.may_name(name)
    }

    fn answer(
        &self,
        given: &[Val],
        now_ms: i64,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<Val, Stop> {
        budget.spend(self.steps)?;
        let given: Option<Vec<Json>> = given.iter().map(json_of).collect();
        let given = given.ok_or(Fault::Unasked)?;
        let query = self.query(&given).map_err(stop)?;
        let answer = query
            .run(facts, &self.schema, at(now_ms), budget)
            .map_err(stop)?;
        val_of(answer, budget)
    }
}

impl InFunction {
    /// The query with these values for what it is given.
    fn query(&self, given: &[Json]) -> Result<Arc<Query>, Error> {
        // One who would have to wait reads it without.
        if let Ok(last) = self.last.try_lock()
            && let Some((values, query)) = &*last
            && values == given
        {
            return Ok(Arc::clone(query));
        }
        let query = Arc::new(Query::read(&Json::Object(self.with(given)))?);
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some((given.to_vec(), Arc::clone(&query)));
        }
        Ok(query)
    }

    fn with(&self, given: &[Json]) -> Vec<(String, Json)> {
        let mut members = self.members.clone();
        if self.given.is_empty() {
            return members;
        }
        let names = self.given.iter().map(|name| (*name).to_owned());
        let values = names.zip(given.iter().cloned());
        match members.iter_mut().find(|(key, _)| key == "vars") {
            Some((_, Json::Object(own))) => own.extend(values),
            // One that is no object is refused as such.
            Some(_) => {}
            None => members.push(("vars".to_owned(), Json::Object(values.collect()))),
        }
        members
    }

    /// Values that stand in for what the context functions give, before they give anything.
    fn stand_ins(&self, object: &Json) -> Vec<Json> {
        let of = |name: &&str| match *name {
            "?o" => object.clone(),
            "?now" => Json::Int(0),
            "?pid" => Json::Int(1),
            _ => Json::Int(ROOT_AUTH.raw()),
        };
        self.given.iter().map(of).collect()
    }
}

/// What it costs to ask a query of this text, beside its answer.
fn steps(text: &str, is_read_anew: bool) -> u64 {
    let divided = |by: usize| text.len().checked_div(by).unwrap_or(0);
    let mut steps = divided(ASKED_BYTES_A_STEP);
    if is_read_anew {
        let patterns = text.matches("re-find").count();
        steps = steps
            .saturating_add(divided(READ_BYTES_A_STEP))
            .saturating_add(patterns.saturating_mul(PATTERN_STEPS));
    }
    u64::try_from(steps).unwrap_or(u64::MAX)
}

fn at(now_ms: i64) -> Asked {
    Asked {
        now_ms,
        counts: Counts::Hidden,
    }
}

/// The members of the object that a query is.
fn members(text: &QueryText) -> Result<Vec<(String, Json)>, String> {
    let json = |text: &str| Json::read(text).map_err(|error| error.to_string());
    match text {
        QueryText::Whole(text) => match json(text)? {
            Json::Object(members) => Ok(members),
            _ => Err("a query is an object".to_owned()),
        },
        QueryText::Parts {
            select,
            from,
            clauses,
            block,
            limit,
        } => {
            let mut members = Vec::new();
            let mut add = |key: &str, value| members.push((key.to_owned(), value));
            if let Some(text) = select {
                let select = json(text).or_else(|_| edn::read(text));
                add("select", select.map_err(|why| format!("`select`: {why}"))?);
            }
            if let Some(text) = from {
                add(
                    "from",
                    name_or_json(text).map_err(|why| format!("`from`: {why}"))?,
                );
            }
            if let Some(text) = clauses {
                add(
                    "where",
                    name_or_json(text).map_err(|why| format!("`where`: {why}"))?,
                );
            }
            for (key, text) in [("block", block), ("limit", limit)] {
                if let Some(text) = text {
                    let number = text.parse::<i64>().map(Json::Int);
                    add(
                        key,
                        number.map_err(|_| format!("`{key}`: expected a number"))?,
                    );
                }
            }
            Ok(members)
        }
    }
}

/// A text as it is, or the array or number that it holds.
fn name_or_json(text: &str) -> Result<Json, String> {
    let is_json = text.trim_start().starts_with('[') || text.parse::<i64>().is_ok();
    if is_json {
        Json::read(text).map_err(|error| error.to_string())
    } else {
        Ok(Json::string(text))
    }
}

/// An error on one line, with its place.
fn told(error: &Error) -> String {
    match error.at().map(ToString::to_string) {
        Some(at) if !at.is_empty() => format!("{error} (at {at})"),
        _ => error.to_string(),
    }
}

/// What an error is to the function: a bound that is passed and facts that cannot be read are no decision; values
/// that do not fit are a fault.
fn stop(error: Error) -> Stop {
    match error {
        Error::Facts(error) => Stop::Error(error),
        Error::Limit { what, max, .. } => {
            let max = u64::try_from(max).unwrap_or(u64::MAX);
            Stop::Error(model::Error::Exceeded(crate::base::Exceeded::Query {
                what,
                max,
            }))
        }
        Error::Json { .. }
        | Error::InvalidQuery { .. }
        | Error::InvalidCollection { .. }
        | Error::InvalidIdentity { .. } => Stop::Fault(Fault::Unasked),
    }
}

/// A value as it would have been sent; an absent one, a collection and an object are none.
pub fn json_of(value: &Val) -> Option<Json> {
    match value {
        Val::Bool(it) => Some(Json::Bool(*it)),
        Val::Int(it) => Some(Json::Int(*it)),
        Val::Double(it) => Some(Json::Double(it.number())),
        // Where a type takes whole numbers alone, one that is exact serves too.
        Val::Decimal(it) => Some(match value.as_int() {
            Some(whole) => Json::Int(whole),
            None => Json::Decimal(it.to_string()),
        }),
        Val::String(it) => Some(Json::String(it.to_string())),
        Val::Nil | Val::Set(_) | Val::List(_) | Val::Map(_) => None,
    }
}

/// An answer as the language has it: an array is a vector, null is absence. Each value is paid for.
fn val_of(json: Json, budget: &Budget) -> Result<Val, Stop> {
    budget.spend(1)?;
    Ok(match json {
        Json::Null => Val::Nil,
        Json::Bool(it) => Val::Bool(it),
        Json::Int(it) => Val::Int(it),
        Json::UInt(it) => exact(&it.to_string()),
        Json::Double(it) => Real::new(it).map_or(Val::Nil, Val::Double),
        Json::Decimal(it) => exact(&it),
        Json::String(it) => Val::string(&it),
        Json::Array(items) => {
            let items = items.into_iter().map(|it| val_of(it, budget));
            Val::List(items.collect::<Result<Arc<[Val]>, Stop>>()?)
        }
        Json::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(key, it)| Ok((Arc::from(key), val_of(it, budget)?)));
            Val::Map(Arc::new(members.collect::<Result<_, Stop>>()?))
        }
    })
}

fn exact(digits: &str) -> Val {
    Decimal::parse(digits).map_or(Val::Nil, Val::Decimal)
}

/// The words that stand in a query.
#[derive(Debug, Default)]
struct Words {
    all: BTreeSet<String>,
    /// Whether it may come upon what it does not name: `*`, and a variable for a predicate.
    comes_upon_any: bool,
    /// Whether it tells collections by their names: `rdf:type`.
    tells_collections: bool,
}

impl Words {
    fn of(members: &[(String, Json)]) -> Self {
        let mut words = Self::default();
        for (key, value) in members {
            // What a variable is in an array elsewhere, it is not in one of these.
            let has_patterns = !matches!(
                key.as_str(),
                "select"
                    | "selectOne"
                    | "selectDistinct"
                    | "selectReduced"
                    | "groupBy"
                    | "orderBy"
                    | "opts"
            );
            words.add(value, has_patterns);
        }
        words
    }

    fn add(&mut self, json: &Json, has_patterns: bool) {
        match json {
            Json::String(text) => self.text(text),
            Json::Array(items) => {
                let places = match items.as_slice() {
                    [_, verb, _] | [_, _, verb, _] => Some(verb),
                    _ => None,
                };
                let verb = places.and_then(Json::as_str).unwrap_or("");
                self.comes_upon_any |= has_patterns && verb.starts_with('?');
                for item in items {
                    self.add(item, has_patterns);
                }
            }
            Json::Object(members) => {
                for (key, value) in members {
                    self.text(key);
                    self.add(value, has_patterns);
                }
            }
            Json::Null
            | Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Double(_)
            | Json::Decimal(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        match text {
            "*" => self.comes_upon_any = true,
            "rdf:type" => {
                self.tells_collections = true;
                return;
            }
            _ => {}
        }
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_-./?".contains(c);
        for word in text.split(|c| !is_of_word(c)) {
            if !word.is_empty() {
                self.all.insert(word.to_owned());
            }
        }
    }

    fn has(&self, word: &str) -> bool {
        self.all.contains(word)
    }

    /// See [`Question::may_name`].
    fn may_name(&self, name: &str) -> bool {
        match name.split_once('/') {
            Some((of, own)) => {
                self.comes_upon_any
                    || self.has(name)
                    || self.has(own)
                    || self.has(&format!("{of}/_{own}"))
            }
            None => self.tells_collections || self.has(name),
        }
    }
}
