//! Nodes → value: the plain walk over a compiled function.
//!
//! 1. Every node spends a step before it does anything, every fact that is read one more (see `path`), and work on
//!    texts by their bytes.
//! 2. Arguments are evaluated in the order they are written; the first fault is the answer, but for `and` and
//!    `or`, which go on past a fault, for another argument may decide.
//! 3. What is no decision ends everything at once.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::arithmetic::{DIGITS_A_STEP, digit_count, join, number, told_number};
use super::builtin::{Asked, Builtin, Comparison};
use super::chance::Seed;
use super::collection::{Gather, contains, count, hash_set, is_empty, nth};
use super::context::{Context, Previous};
use super::error::{Fault, Stop};
use super::exact::{Operator, Rounding};
use super::node::{Absence, Bearer, Node, Read, Written};
use super::number::{Number, apply, round};
use super::path::{Reader, subject, subjects};
use super::question::Question;
use super::stored::stored;
use super::text::{append, bounded, find, is_email, piece};
use super::value::Val;
use crate::base::limits::QUERY_IN_RULE_STEPS_MAX;
use crate::base::{Budget, Exceeded};
use crate::model::{self, Facts, Flake, Op, SubjectId, ValueRef, ValueType};

/// Bytes of a text that are worked on for one step.
const TEXT_BYTES_A_STEP: usize = 64;

/// Bytes of a text that are searched for one step.
const SEARCH_BYTES_A_STEP: usize = 16;

/// An evaluation.
#[derive(Clone, Copy)]
pub(super) struct Evaluation<'a> {
    context: &'a Context<'a>,
    reader: Reader<'a>,
    arguments: &'a [Val],
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        context: &'a Context<'a>,
        facts: &'a dyn Facts,
        budget: &'a Budget,
        arguments: &'a [Val],
    ) -> Self {
        Self {
            context,
            reader: Reader { facts, budget },
            arguments,
        }
    }

    /// `true` or `false`; any other value and absence are faults.
    pub(super) fn truth(self, function: &'static str, node: &Node) -> Result<bool, Stop> {
        // What gives truth gives it without a detour by a value.
        match node {
            Node::Literal(Val::Bool(it)) => {
                self.spend(1)?;
                return Ok(*it);
            }
            Node::And(items) => {
                self.spend(1)?;
                return self.all("and", items, false);
            }
            Node::Or(items) => {
                self.spend(1)?;
                return self.all("or", items, true);
            }
            Node::SubjectHasBearer {
                read,
                bearer,
                written,
            } => {
                self.spend(1)?;
                return self.subject_has_bearer(*read, *bearer, *written);
            }
            _ => {}
        }
        match self.value(node)? {
            Val::Bool(it) => Ok(it),
            Val::Nil => Err(Fault::NoTruth { function }.into()),
            _ => Err(Fault::NotBoolean { function }.into()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a node")]
    pub(super) fn value(self, node: &Node) -> Result<Val, Stop> {
        self.spend(1)?;
        match node {
            Node::SubjectHasBearer {
                read,
                bearer,
                written,
            } => self
                .subject_has_bearer(*read, *bearer, *written)
                .map(Val::Bool),
            Node::Literal(value) => Ok(value.clone()),
            Node::Argument(place) => {
                let (takes, given) = (place.saturating_add(1), self.arguments.len());
                let argument = self.arguments.get(*place).cloned();
                argument.ok_or_else(|| Fault::Arguments { takes, given }.into())
            }
            Node::Context(asked) => self.ask(*asked),
            Node::List(items) => Ok(Val::List(self.values(items)?.into())),
            Node::Identity {
                read,
                value_type,
                value,
            } => {
                let value = self.value(value)?;
                let o = stored("two-tuple", *value_type, &value)?;
                let found = o
                    .map(|o| self.reader.identity(*read, o.borrow()))
                    .transpose()?;
                Ok(found.flatten().map_or(Val::Nil, |s| Val::Int(s.raw())))
            }
            Node::Get { subject: of, read } => match subject("get", &self.value(of)?)? {
                Some(s) => self.reader.get("get", s, *read),
                None => Ok(Val::Nil),
            },
            Node::GetOfSubject(read) => {
                self.spend(1)?;
                self.reader.get("get", self.subject()?, *read)
            }
            Node::MaxValue(read) => self.reader.greatest(*read),
            Node::Keys {
                map,
                keys,
                function,
            } => look_up(function, self.value(map)?, keys),
            Node::Query { question, given } => {
                let given = self.values(given)?;
                if given.iter().any(Val::is_nil) {
                    return Err(Fault::Absent { function: "query" }.into());
                }
                self.query(question.as_ref(), &given)
            }
            Node::GetAll {
                start,
                path,
                function,
            } => {
                let starts = subjects(function, &self.value(start)?)?;
                self.reader.get_all(function, starts, path)
            }
            Node::Related { start, path, end } => {
                let function = "relationship?";
                let starts = subjects(function, &self.value(start)?)?;
                let end = subject(function, &self.value(end)?)?;
                let end = end.ok_or(Fault::Absent { function })?;
                self.reader
                    .related(function, starts, path, end)
                    .map(Val::Bool)
            }
            Node::Compare {
                comparison,
                absence,
                function,
                items,
            } => {
                let (two, more);
                let values = if let [a, b] = items.as_slice() {
                    two = [self.value(a)?, self.value(b)?];
                    two.as_slice()
                } else {
                    more = self.values(items)?;
                    more.as_slice()
                };
                self.spend_digits(values)?;
                if *absence == Absence::Fault && values.iter().any(Val::is_nil) {
                    return Err(Fault::Absent { function }.into());
                }
                Ok(Val::Bool(compare(*comparison, function, values)?))
            }
            Node::And(items) => self.all("and", items, false).map(Val::Bool),
            Node::Or(items) => self.all("or", items, true).map(Val::Bool),
            Node::Not(of) => Ok(Val::Bool(!self.truth("not", of)?)),
            Node::Boolean(of) => Ok(Val::Bool(!matches!(
                self.value(of)?,
                Val::Nil | Val::Bool(false)
            ))),
            Node::IfElse(parts) => {
                let (test, then, other) = parts.as_ref();
                self.value(if self.truth("if-else", test)? {
                    then
                } else {
                    other
                })
            }
            Node::Coalesce(items) => {
                for item in items {
                    let value = self.value(item)?;
                    if !value.is_nil() {
                        return Ok(value);
                    }
                }
                Ok(Val::Nil)
            }
            Node::ReFind { pattern, text } => {
                let value = self.value(text)?;
                let text = as_text("re-find", &value)?;
                bounded("re-find", text.len())?;
                self.spend_bytes(text.len(), SEARCH_BYTES_A_STEP)?;
                Ok(find(pattern, text))
            }
            Node::Call {
                builtin,
                function,
                items,
            } => {
                let values = self.values(items)?;
                self.call(*builtin, function, &values)
            }
        }
    }

    /// A query is paid as all else is, out of what is left, and has a bound of its own.
    fn query(self, question: &dyn Question, given: &[Val]) -> Result<Val, Stop> {
        let budget = self.reader.budget;
        let own = budget.within(QUERY_IN_RULE_STEPS_MAX);
        let answer = question.answer(given, self.context.now_ms, self.reader.facts, &own);
        self.spend(own.spent())?;
        match answer {
            Err(Stop::Error(model::Error::Exceeded(Exceeded::Steps { .. }))) => {
                Err(model::Error::Exceeded(Exceeded::Query {
                    what: "the steps of a query in a function",
                    max: QUERY_IN_RULE_STEPS_MAX,
                })
                .into())
            }
            answer => answer,
        }
    }

    fn values(self, items: &[Node]) -> Result<Vec<Val>, Stop> {
        items.iter().map(|item| self.value(item)).collect()
    }

    fn spend(self, steps: u64) -> Result<(), Stop> {
        Ok(self.reader.budget.spend(steps)?)
    }

    fn spend_bytes(self, bytes: usize, bytes_a_step: usize) -> Result<(), Stop> {
        let steps = bytes.checked_div(bytes_a_step).unwrap_or(bytes);
        self.spend(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    /// What exact numbers cost beside their node, with the doubles that become exact beside them.
    fn spend_digits(self, values: &[Val]) -> Result<(), Stop> {
        if !values.iter().any(|it| matches!(it, Val::Decimal(_))) {
            return Ok(());
        }
        let digits = values.iter().map(digit_count);
        self.spend_bytes(digits.sum(), DIGITS_A_STEP)
    }

    fn subject(self) -> Result<SubjectId, Stop> {
        self.context
            .subject
            .ok_or_else(|| Fault::NoContext { name: "?sid" }.into())
    }

    fn bearer(self, bearer: Bearer) -> Result<SubjectId, Stop> {
        match bearer {
            Bearer::Auth => Ok(self.context.auth),
            Bearer::User => self.context.user.ok_or_else(|| Fault::NoUser.into()),
        }
    }

    /// `and` (the decisive value is false) and `or` (it is true): decided by one such value, even beside faults.
    fn all(self, function: &'static str, items: &[Node], decisive: bool) -> Result<bool, Stop> {
        let mut fault = None;
        for item in items {
            match self.truth(function, item) {
                Ok(truth) if truth == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(Stop::Fault(it)) => {
                    fault.get_or_insert(it);
                }
                Err(stop) => return Err(stop),
            }
        }
        fault.map_or(Ok(!decisive), |it| Err(it.into()))
    }

    fn subject_has_bearer(
        self,
        read: Read,
        bearer: Bearer,
        written: Written,
    ) -> Result<bool, Stop> {
        // INVARIANT(fused): `==` is paid; `get`, `(?s)` and the bearer are a step each, as they are written.
        match written {
            Written::BearerFirst => {
                self.spend(1)?;
                self.bearer(bearer)?;
                self.spend(2)?;
            }
            Written::BearerLast => self.spend(2)?,
        }
        let s = self.subject()?;
        let raw = match bearer {
            Bearer::Auth => Some(self.context.auth.raw()),
            Bearer::User => self.context.user.map(SubjectId::raw),
        };
        let (mut count, mut is_equal, mut digits) = (0_u64, false, 0);
        self.reader.values(s, read, &mut |o| {
            count = count.saturating_add(1);
            let value = match o {
                ValueRef::Ref(_)
                | ValueRef::Int(_)
                | ValueRef::Instant(_)
                | ValueRef::Double(_)
                | ValueRef::Decimal(_) => Val::of(o),
                _ => Val::Nil,
            };
            if let ValueRef::Decimal(it) = o {
                digits = it.written_digits();
            }
            is_equal = raw.is_some_and(|raw| value == Val::Int(raw));
            Ok(ControlFlow::Continue(()))
        })?;
        if written == Written::BearerLast {
            self.spend(1)?;
            self.bearer(bearer)?;
        }
        match count {
            0 => Err(Fault::Absent { function: "==" }.into()),
            1 => {
                self.spend_bytes(digits, DIGITS_A_STEP)?;
                Ok(is_equal)
            }
            // A set is not an id.
            _ => Ok(false),
        }
    }

    fn ask(self, asked: Asked) -> Result<Val, Stop> {
        let context = self.context;
        let missing = |name| Stop::Fault(Fault::NoContext { name });
        match asked {
            Asked::Subject => self.subject().map(|s| Val::Int(s.raw())),
            Asked::PredicateId => {
                let p = context.predicate.ok_or_else(|| missing("?pid"))?;
                Ok(Val::Int(p.subject().raw()))
            }
            Asked::PredicateName => context
                .predicate_name
                .map(Val::string)
                .ok_or_else(|| missing("?p")),
            Asked::Object => self.told(context.object.ok_or_else(|| missing("?o"))?),
            Asked::Previous => match context.previous {
                Previous::Unavailable => Err(missing("?pO")),
                Previous::Absent => Ok(Val::Nil),
                Previous::One(value) => self.told(value),
                Previous::Set(values) => {
                    let told = values.iter().map(|value| self.told(value.borrow()));
                    let told = told.filter(|it| !matches!(it, Ok(Val::Nil)));
                    let mut gather = Gather::new("?pO");
                    for value in told {
                        self.spend(1)?;
                        gather.add(value?)?;
                    }
                    Ok(gather.finish())
                }
            },
            Asked::Auth => Ok(Val::Int(context.auth.raw())),
            Asked::User => self.bearer(Bearer::User).map(|s| Val::Int(s.raw())),
            Asked::Op => Ok(Val::string(context.op)),
            Asked::Now => Ok(Val::Int(context.now_ms)),
            Asked::Flakes => {
                let flakes = context.flakes.ok_or_else(|| missing("flakes"))?;
                self.spend(u64::try_from(flakes.len()).unwrap_or(u64::MAX))?;
                Ok(Val::List(flakes.iter().map(listed).collect()))
            }
            Asked::Asserted => self.sum("objT", Op::Assert),
            Asked::Retracted => self.sum("objF", Op::Retract),
            Asked::Request => context.request.cloned().ok_or_else(|| missing("?context")),
        }
    }

    /// The sum of the objects of one kind of flake.
    fn sum(self, function: &'static str, op: Op) -> Result<Val, Stop> {
        let flakes = self
            .context
            .flakes
            .ok_or(Fault::NoContext { name: function })?;
        self.spend(u64::try_from(flakes.len()).unwrap_or(u64::MAX))?;
        let objects = flakes.iter().filter(|flake| flake.op == op);
        let sum = objects.map(|flake| Val::of(flake.o.borrow())).try_fold(
            Number::Int(0),
            |sum, object| {
                self.spend_digits(std::slice::from_ref(&object))?;
                let next = number(function, &object)?;
                apply(Operator::Add, function, sum, next).map_err(Stop::from)
            },
        )?;
        Ok(told_number(sum))
    }

    /// `cas`: the new value, if the current one is what it is compared with.
    fn compare_and_set(self, compare: &Val, new: &Val) -> Result<Val, Stop> {
        let current = match self.context.previous {
            Previous::Unavailable => return Err(Fault::NoContext { name: "cas" }.into()),
            Previous::Absent => Val::Nil,
            Previous::One(value) => self.told(value)?,
            Previous::Set(_) => {
                return Err(Fault::Type {
                    function: "cas",
                    expected: "a predicate with one value",
                }
                .into());
            }
        };
        if current == *compare {
            Ok(new.clone())
        } else {
            Err(Fault::Stale.into())
        }
    }

    /// `rand`: an integer from 0 up to the first argument; by the second as its seed, if there is one.
    fn random(self, items: &[Val]) -> Result<Val, Stop> {
        let function = "rand";
        let own;
        let (below, seed) = match items {
            [below] => {
                let seed = self.context.seed;
                (below, seed.ok_or(Fault::NoContext { name: function })?)
            }
            [below, seed] => {
                let mut text = String::new();
                append(function, &mut text, seed)?;
                self.spend_bytes(text.len(), TEXT_BYTES_A_STEP)?;
                own = Seed::of(&[text.as_bytes()]);
                (below, &own)
            }
            _ => return Err(Fault::OutOfRange { function }.into()),
        };
        match (below, below.as_int()) {
            (Val::Nil, _) => Err(Fault::Absent { function }.into()),
            (_, Some(below)) => match u64::try_from(below) {
                Ok(below) if below > 0 => {
                    let number = i64::try_from(seed.number(below)).unwrap_or(i64::MAX);
                    Ok(Val::Int(number))
                }
                _ => Err(Fault::OutOfRange { function }.into()),
            },
            _ => Err(Fault::Type {
                function,
                expected: "an integer",
            }
            .into()),
        }
    }

    /// The flake's value; a tag by its short name.
    fn told(self, value: ValueRef<'_>) -> Result<Val, Stop> {
        match (self.context.predicate_type, value) {
            (Some(ValueType::Tag), ValueRef::Ref(tag)) => self.reader.tag(tag),
            _ => Ok(Val::of(value)),
        }
    }

    fn call(self, builtin: Builtin, function: &'static str, values: &[Val]) -> Result<Val, Stop> {
        self.spend_digits(values)?;
        match (builtin, values) {
            (Builtin::Join(operator), items) => Ok(join(function, operator, items)?),
            (Builtin::Step(operator), [of]) => {
                let sum = apply(operator, function, number(function, of)?, Number::Int(1))?;
                Ok(told_number(sum))
            }
            (Builtin::Extreme(comparison), items) => extreme(function, comparison, items),
            (Builtin::Ceil, [of]) => {
                let whole = round(function, number(function, of)?, Rounding::Up)?;
                Ok(told_number(whole))
            }
            (Builtin::Floor, [of]) => {
                let whole = round(function, number(function, of)?, Rounding::Down)?;
                Ok(told_number(whole))
            }
            (Builtin::Contains, [_, Val::Nil]) => Err(Fault::Absent { function }.into()),
            (Builtin::Contains, [collection, of]) => Ok(Val::Bool(contains(collection, of))),
            (Builtin::Count, [of]) => {
                if let Val::String(text) = of {
                    self.spend_bytes(text.len(), TEXT_BYTES_A_STEP)?;
                }
                Ok(count(function, of)?)
            }
            (Builtin::IsNil, [of]) => Ok(Val::Bool(of.is_nil())),
            (Builtin::IsEmpty, [of]) => Ok(Val::Bool(is_empty(of))),
            (Builtin::HashSet, _) => Ok(hash_set(function, values)?),
            (Builtin::Nth, [collection, place]) => {
                Ok(nth(function, collection, place_of(function, place)?)?)
            }
            (Builtin::CompareAndSet, [compare, new]) => self.compare_and_set(compare, new),
            (Builtin::Random, items) => self.random(items),
            (Builtin::Uuid, _) => {
                let seed = self.context.seed;
                let seed = seed.ok_or(Fault::NoContext { name: function })?;
                Ok(Val::string(&seed.uuid().hyphenated().to_string()))
            }
            (Builtin::StartsWith | Builtin::EndsWith, [text, part]) => {
                let (text, part) = (as_text(function, text)?, as_text(function, part)?);
                self.spend_bytes(part.len(), TEXT_BYTES_A_STEP)?;
                Ok(Val::Bool(match builtin {
                    Builtin::StartsWith => text.starts_with(part),
                    _ => text.ends_with(part),
                }))
            }
            (_, items) => self.text(builtin, function, items),
        }
    }

    fn text(self, builtin: Builtin, function: &'static str, items: &[Val]) -> Result<Val, Stop> {
        if builtin == Builtin::Str {
            let mut text = String::new();
            items
                .iter()
                .try_for_each(|item| append(function, &mut text, item))?;
            self.spend_bytes(text.len(), TEXT_BYTES_A_STEP)?;
            return Ok(Val::string(&text));
        }
        // `subs` takes its arguments as they are, or in one vector.
        let items = match items {
            [Val::List(list)] if builtin == Builtin::Subs => list.as_ref(),
            items => items,
        };
        let Some((first, places)) = items.split_first() else {
            return Err(Fault::OutOfRange { function }.into());
        };
        let text = as_text(function, first)?;
        if builtin != Builtin::Subs {
            bounded(function, text.len())?;
        }
        self.spend_bytes(text.len(), TEXT_BYTES_A_STEP)?;
        match (builtin, places) {
            (Builtin::UpperCase, _) => sized(function, &text.to_uppercase()),
            (Builtin::LowerCase, _) => sized(function, &text.to_lowercase()),
            (Builtin::ValidEmail, _) => Ok(Val::Bool(is_email(text))),
            (_, [start]) => Ok(piece(function, text, place_of(function, start)?, None)?),
            (_, [start, end]) => {
                let (start, end) = (place_of(function, start)?, place_of(function, end)?);
                Ok(piece(function, text, start, Some(end))?)
            }
            _ => Err(Fault::Type {
                function,
                expected: "a text and one or two places",
            }
            .into()),
        }
    }
}

/// A flake as a vector: subject, predicate, object, and whether it is asserted. A tag is its subject's id.
fn listed(flake: &Flake) -> Val {
    let fields = [
        Val::Int(flake.s.raw()),
        Val::Int(flake.p.subject().raw()),
        Val::of(flake.o.borrow()),
        Val::Bool(flake.op == Op::Assert),
    ];
    Val::List(Arc::from(fields))
}

fn sized(function: &'static str, text: &str) -> Result<Val, Stop> {
    bounded(function, text.len())?;
    Ok(Val::string(text))
}

fn as_text<'v>(function: &'static str, value: &'v Val) -> Result<&'v str, Fault> {
    match value {
        Val::String(text) => Ok(text),
        Val::Nil => Err(Fault::Absent { function }),
        _ => Err(Fault::Type {
            function,
            expected: "a text",
        }),
    }
}

fn place_of(function: &'static str, value: &Val) -> Result<i64, Fault> {
    match (value, value.as_int()) {
        (_, Some(place)) => Ok(place),
        (Val::Nil, _) => Err(Fault::Absent { function }),
        _ => Err(Fault::Type {
            function,
            expected: "an integer for a place",
        }),
    }
}

fn extreme(function: &'static str, comparison: Comparison, items: &[Val]) -> Result<Val, Stop> {
    let mut best: Option<Number> = None;
    for item in items {
        let next = number(function, item)?;
        let is_better = best.as_ref().is_none_or(|best| match comparison {
            Comparison::Greater => next > *best,
            _ => next < *best,
        });
        if is_better {
            best = Some(next);
        }
    }
    Ok(best.map_or(Val::Nil, told_number))
}

fn compare(comparison: Comparison, function: &'static str, items: &[Val]) -> Result<bool, Fault> {
    let are_equal = || items.iter().zip(items.iter().skip(1)).all(|(a, b)| a == b);
    let ordered = |holds: fn(&Number, &Number) -> bool| {
        let numbers = items.iter().map(|item| number(function, item));
        Ok(numbers.collect::<Result<Vec<_>, _>>()?.is_sorted_by(holds))
    };
    match comparison {
        Comparison::Equal => Ok(are_equal()),
        Comparison::Unequal => Ok(!are_equal()),
        Comparison::Greater => ordered(|a, b| a > b),
        Comparison::GreaterOrEqual => ordered(|a, b| a >= b),
        Comparison::Less => ordered(|a, b| a < b),
        Comparison::LessOrEqual => ordered(|a, b| a <= b),
    }
}

fn look_up(function: &'static str, map: Val, keys: &[Val]) -> Result<Val, Stop> {
    let mut found = map;
    for key in keys {
        found = match (&found, key) {
            (Val::Map(map), Val::String(key)) => map.get(key).cloned().unwrap_or(Val::Nil),
            (Val::Nil, _) => Val::Nil,
            _ => {
                return Err(Fault::Type {
                    function,
                    expected: "an object with keys",
                }
                .into());
            }
        };
    }
    Ok(found)
}
