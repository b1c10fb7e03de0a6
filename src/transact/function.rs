//! Functions in values: `"#(...)"`, evaluated when every subject is known, and then a value like one that was sent.
//!
//! 1. They read through the author's own view, and so does what they call: what is hidden is absent.
//! 2. They are asked on the state before the transaction; a subject that it makes has no facts there.
//! 3. `rand` and `uuid` come from the author, the block, its instant and the place in the request, so the same
//!    request on the same state gives the same.

use std::collections::HashMap;

use super::error::{Error, Problem};
use super::ground::Ground;
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::lang::{Context, Function, Previous, Seed, Stop, Val};
use crate::model::{Facts, SubjectId};
use crate::query::{Json, Pointer};
use crate::schema::Predicate;

/// Whether a value is a function to evaluate.
pub(super) fn is_function(json: &Json) -> bool {
    matches!(json, Json::String(text) if text.starts_with("#(") && text.ends_with(')'))
}

/// What functions are evaluated with.
pub(super) struct Evaluator<'a> {
    ground: &'a Ground<'a>,
    /// Compiled texts: a list often has one text many times.
    compiled: HashMap<String, Function>,
    /// How many values were made.
    made: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(ground: &'a Ground<'a>) -> Self {
        Self {
            ground,
            compiled: HashMap::new(),
            made: 0,
        }
    }

    /// The values that a function gives for a subject and predicate; none is absence.
    pub(super) fn values(
        &mut self,
        text: &str,
        s: SubjectId,
        it: &Predicate,
        at: &Pointer,
    ) -> Result<Vec<Json>, Error> {
        let ground = self.ground;
        let before = ground.sight.value_list(s, it.id)?;
        let previous = match before.first() {
            _ if it.multi => Previous::Set(&before),
            None => Previous::Absent,
            Some(value) => Previous::One(value.borrow()),
        };
        let place = at.to_string();
        let seed = self.seed(&place);
        let context = Context {
            predicate: Some(it.id),
            predicate_name: Some(&it.name),
            predicate_type: Some(it.value_type),
            previous,
            seed: Some(&seed),
            ..ground.writes.context(s, ground.now_ms)
        };
        let function = self.compile(text, at)?;
        let value = function
            .evaluate(&[], &context, ground.sight, ground.budget)
            .map_err(|stop| match stop {
                Stop::Fault(fault) => Error {
                    at: Some(at.clone()),
                    problem: Problem::Fault(fault),
                },
                Stop::Error(error) => error.into(),
            })?;
        self.bounded(&value, at)?;
        let values = match &value {
            Val::Nil => Vec::new(),
            Val::Set(set) => set.iter().map(json).collect(),
            Val::List(list) => list.iter().map(json).collect(),
            one => vec![json(one)],
        };
        values
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Error::invalid(at, "a function gave what is no value"))
    }

    /// More than a commit may hold is enough to be refused.
    fn bounded(&mut self, value: &Val, at: &Pointer) -> Result<(), Error> {
        let count = match value {
            Val::Set(set) => set.len(),
            Val::List(list) => list.len(),
            _ => 1,
        };
        self.made = self.made.saturating_add(count);
        if self.made <= COMMIT_FLAKES_MAX {
            return Ok(());
        }
        let problem = Problem::Limit {
            what: "values",
            max: COMMIT_FLAKES_MAX,
        };
        Err(Error {
            at: Some(at.clone()),
            problem,
        })
    }

    fn compile(&mut self, text: &str, at: &Pointer) -> Result<&Function, Error> {
        let code = text.strip_prefix('#').unwrap_or(text);
        if !self.compiled.contains_key(code) {
            let schema = self.ground.policy.schema();
            let made = Function::compile(code, &[], &**schema).map_err(|error| Error {
                at: Some(at.clone()),
                problem: Problem::Function(error),
            })?;
            self.compiled.insert(code.to_owned(), made);
        }
        self.compiled
            .get(code)
            .ok_or_else(|| Error::invalid(at, "a function that is none"))
    }

    fn seed(&self, place: &str) -> Seed {
        let ground = self.ground;
        Seed::of(&[
            &ground.writes.auth().raw().to_be_bytes(),
            &ground.before.basis().next().0.to_be_bytes(),
            &ground.now_ms.to_be_bytes(),
            place.as_bytes(),
        ])
    }
}

/// A value as it would have been sent; an absent one, a collection in another and an object are none.
fn json(value: &Val) -> Option<Json> {
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
