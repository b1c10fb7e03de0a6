//! Functions in values: `"#(...)"`, evaluated when every subject is known, and then a value like one that was sent.
//!
//! 1. They read through the author's own view, and so does what they call: what is hidden is absent.
//!    A stored function that its author does not see is no function to them; one that they see may call any other.
//! 2. They are asked on the state before the transaction; a subject that it makes has no facts there.
//! 3. What they cost is paid: to compile a text as well, for each text may be another. What they give is bounded in
//!    number and in bytes, so that a short request makes no long one.
//! 4. `rand` and `uuid` come from the author, the block, its instant and the place in the request, so the same
//!    request on the same state gives the same.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::error::{Error, Problem};
use super::ground::Ground;
use crate::base::limits::{COMMIT_FLAKES_MAX, FUNCTION_VALUE_BYTES_MAX};
use crate::lang::{Context, Expr, Function, Kind, Previous, Seed, Stop, Val, parse};
use crate::model::system::predicate::FN_NAME;
use crate::model::{
    Facts, Names, PredicateId, PredicateName, StoredFunction, SubjectId, Value, ValueRef,
};
use crate::query::{Json, Pointer, json_of};
use crate::schema::{Predicate, Schema};

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
    /// Whether the author sees a stored function that was asked for.
    seen: HashMap<String, bool>,
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
            seen: HashMap::new(),
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
            Val::Set(set) => set.iter().map(json_of).collect(),
            Val::List(list) => list.iter().map(json_of).collect(),
            one => vec![json_of(one)],
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
            let hidden = self.hidden(code)?;
            let names = Seen {
                schema: self.ground.policy.schema(),
                hidden,
            };
            let made = match Function::compile(code, &[], &names, self.ground.policy.queries()) {
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

    /// The stored functions that a text itself names and its author does not see.
    fn hidden(&mut self, code: &str) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::new();
        // A text that is none has no names, and is told so when it is compiled.
        if let Ok(expression) = parse(code) {
            symbols(&expression, &mut named);
        }
        let mut hidden = BTreeSet::new();
        let schema = self.ground.policy.schema();
        for name in named
            .into_iter()
            .filter(|name| schema.function(name).is_some())
        {
            let sees = match self.seen.get(&name) {
                Some(known) => *known,
                None => self.sees(&name)?,
            };
            self.seen.insert(name.clone(), sees);
            if !sees {
                hidden.insert(name);
            }
        }
        Ok(hidden)
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

/// The names of a schema, but for functions that are hidden.
struct Seen<'a> {
    schema: &'a Schema,
    hidden: BTreeSet<String>,
}

impl Names for Seen<'_> {
    fn predicate(&self, name: &str) -> Option<PredicateName> {
        Names::predicate(self.schema, name)
    }

    fn predicate_name(&self, id: PredicateId) -> Option<&str> {
        self.schema.predicate_name(id)
    }

    fn function(&self, name: &str) -> Option<StoredFunction> {
        if self.hidden.contains(name) {
            None
        } else {
            self.schema.function(name)
        }
    }
}

/// The symbols of an expression.
fn symbols(expression: &Expr, found: &mut BTreeSet<String>) {
    match &expression.kind {
        Kind::Symbol(name) => drop(found.insert(name.clone())),
        Kind::Vector(items) | Kind::List(items) => {
            for item in items {
                symbols(item, found);
            }
        }
        Kind::Nil
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Double(_)
        | Kind::Decimal(_)
        | Kind::String(_) => {}
    }
}
