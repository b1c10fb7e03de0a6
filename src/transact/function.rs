//! Functions in values: `"#(...)"`, evaluated when every subject is known, and then a value like one that was sent.
//!
//! 1. They read through the author's own view, and so does what they call: what is hidden is absent.
//! 2. They are asked on the state before the transaction; a subject that it makes has no facts there.
//! 3. What they cost is paid: to compile a text as well, for each text may be another. What they give is bounded in
//!    number and in bytes, so that a short request makes no long one.
//! 4. `rand` and `uuid` come from the author, the block, its instant and the place in the request, so the same
//!    request on the same state gives the same.

use std::collections::HashMap;
use std::rc::Rc;

use super::error::{Error, Problem};
use super::ground::Ground;
use crate::base::limits::{COMMIT_FLAKES_MAX, FUNCTION_VALUE_BYTES_MAX};
use crate::lang::{Context, Function, Previous, Seed, Stop, Val};
use crate::model::system::predicate::FN_NAME;
use crate::model::{Facts, PredicateId, SubjectId, Value, ValueRef};
use crate::query::{Json, Pointer};
use crate::schema::Predicate;

/// What to compile one node costs, in steps. A pattern counts for many nodes.
const STEPS_A_NODE: usize = 50;

/// How many texts are kept compiled at one time: one with a pattern can take a quarter of a megabyte.
const KEPT_MAX: usize = 64;

/// Whether a value is a function to evaluate.
pub(super) fn is_function(json: &Json) -> bool {
    matches!(json, Json::String(text) if text.starts_with("#(") && text.ends_with(')'))
}

/// The values of a subject and predicate.
type Before = ((SubjectId, PredicateId), Rc<[Value]>);

/// What functions are evaluated with.
pub(super) struct Evaluator<'a> {
    ground: &'a Ground<'a>,
    /// Compiled texts: a list often has one text many times.
    compiled: HashMap<String, Function>,
    /// How many values were made, and their bytes.
    made: usize,
    bytes: usize,
    /// What the author sees of the values before, of the subject and predicate that were asked for last: a list of
    /// functions asks for the same each time.
    before: Option<Before>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(ground: &'a Ground<'a>) -> Self {
        Self {
            ground,
            compiled: HashMap::new(),
            made: 0,
            bytes: 0,
            before: None,
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
        let before = self.before(s, it.id)?;
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

    fn before(&mut self, s: SubjectId, p: PredicateId) -> Result<Rc<[Value]>, Error> {
        if let Some((of, values)) = &self.before
            && *of == (s, p)
        {
            return Ok(Rc::clone(values));
        }
        let values: Rc<[Value]> = self.ground.sight.value_list(s, p)?.into();
        self.before = Some(((s, p), Rc::clone(&values)));
        Ok(values)
    }

    /// More than a commit may hold is enough to be refused.
    fn bounded(&mut self, value: &Val, at: &Pointer) -> Result<(), Error> {
        let mut add = |value: &Val| {
            self.made = self.made.saturating_add(1);
            self.bytes = self.bytes.saturating_add(bytes(value));
        };
        match value {
            Val::Set(set) => set.iter().for_each(&mut add),
            Val::List(list) => list.iter().for_each(&mut add),
            one => add(one),
        }
        let (what, max) = if self.made > COMMIT_FLAKES_MAX {
            ("values", COMMIT_FLAKES_MAX)
        } else if self.bytes > FUNCTION_VALUE_BYTES_MAX {
            (
                "bytes of values that functions give",
                FUNCTION_VALUE_BYTES_MAX,
            )
        } else {
            return Ok(());
        };
        let problem = Problem::Limit { what, max };
        Err(Error {
            at: Some(at.clone()),
            problem,
        })
    }

    fn compile(&mut self, text: &str, at: &Pointer) -> Result<&Function, Error> {
        let code = text.strip_prefix('#').unwrap_or(text);
        if !self.compiled.contains_key(code) {
            let schema = self.ground.policy.schema();
            let made = match Function::compile(code, &[], &**schema) {
                Ok(made) => made,
                Err(error) => {
                    let problem = Problem::Function(error.told_by(|name| self.sees(name))?);
                    let at = Some(at.clone());
                    return Err(Error { at, problem });
                }
            };
            let steps = made.node_count().saturating_mul(STEPS_A_NODE);
            let steps = u64::try_from(steps).unwrap_or(u64::MAX);
            self.ground
                .budget
                .spend(steps)
                .map_err(crate::model::Error::from)?;
            if self.compiled.len() >= KEPT_MAX {
                self.compiled.clear();
            }
            self.compiled.insert(code.to_owned(), made);
        }
        self.compiled
            .get(code)
            .ok_or_else(|| Error::invalid(at, "a function that is none"))
    }

    /// Whether the author sees a stored function.
    fn sees(&self, name: &str) -> Result<bool, Error> {
        let found = self
            .ground
            .sight
            .subject_list(FN_NAME, ValueRef::String(name))?;
        Ok(!found.is_empty())
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

/// About what a value takes.
fn bytes(value: &Val) -> usize {
    match value {
        Val::String(text) => text.len(),
        Val::Decimal(it) => it.borrow().digit_count(),
        _ => 0,
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
