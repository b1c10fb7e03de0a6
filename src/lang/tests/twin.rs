//! A second evaluator, slow and obvious, on the tree as it was written: random functions over random facts agree.
//!
//! It knows no nodes, no steps and no early ends: paths are walked by trying every fact, repeated steps by growing
//! a set until it no longer grows.

use std::collections::{BTreeMap, BTreeSet};

use super::noise::Chance;
use super::support::{Memory, book, context, person, predicate};
use crate::base::Budget;
use crate::lang::context::Context;
use crate::lang::error::Stop;
use crate::lang::expression::{Expr, Kind};
use crate::lang::function::Function;
use crate::lang::parse::parse;
use crate::lang::question::NoQueries;
use crate::lang::value::Val;
use crate::model::{Decimal, Real, SubjectId, Value};

/// No value: a fault of any kind.
struct Failed;

type Answer = Result<Val, Failed>;

struct Twin<'a> {
    memory: &'a Memory,
    context: &'a Context<'a>,
}

fn items(value: &Val) -> Vec<Val> {
    match value {
        Val::Set(it) => it.iter().flat_map(items).collect(),
        Val::List(it) => it.iter().flat_map(items).collect(),
        Val::Nil => Vec::new(),
        other => vec![other.clone()],
    }
}

fn id(value: &Val) -> Result<Option<i64>, Failed> {
    match value {
        Val::Nil => Ok(None),
        Val::Int(raw) if SubjectId::from_raw(*raw).is_some() => Ok(Some(*raw)),
        _ => Err(Failed),
    }
}

impl Twin<'_> {
    fn facts(&self, name: &str) -> Vec<(i64, Val, bool)> {
        let all = self
            .memory
            .0
            .iter()
            .filter(|fact| fact.1 == predicate(name));
        all.map(|(s, _, o)| (s.raw(), Val::of(o.borrow()), matches!(o, Value::Ref(_))))
            .collect()
    }

    fn step(&self, from: &BTreeSet<Val>, text: &str) -> BTreeSet<Val> {
        let (name, sign) = match text.chars().last() {
            Some(sign @ ('+' | '*')) => (&text[..text.len() - 1], sign),
            _ => (text, '1'),
        };
        let back = name.contains("/_");
        let facts = self.facts(&name.replace("/_", "/"));
        let once = |from: &BTreeSet<Val>| {
            let ends = facts.iter().filter_map(|(s, o, _)| {
                let (near, far) = if back {
                    (o.clone(), Val::Int(*s))
                } else {
                    (Val::Int(*s), o.clone())
                };
                from.contains(&near).then_some(far)
            });
            ends.collect::<BTreeSet<_>>()
        };
        if sign == '1' {
            return once(from);
        }
        let mut reached = if sign == '*' {
            from.clone()
        } else {
            once(from)
        };
        loop {
            let before = reached.len();
            let more = once(&reached);
            reached.extend(more);
            if reached.len() == before {
                return reached;
            }
        }
    }

    fn walk(&self, start: &Val, path: &Expr) -> Result<BTreeSet<Val>, Failed> {
        let mut at = BTreeSet::new();
        for value in if let Val::Set(it) = start {
            it.iter().cloned().collect()
        } else {
            vec![start.clone()]
        } {
            at.extend(id(&value)?.map(Val::Int));
        }
        let Kind::Vector(steps) = &path.kind else {
            return Err(Failed);
        };
        for (i, step) in steps.iter().enumerate() {
            let Kind::String(step) = &step.kind else {
                return Err(Failed);
            };
            let all = self.step(&at, step);
            // Only what is a subject goes on.
            let goes_on = !SCALARS.contains(&step.as_str());
            at = if goes_on || i + 1 == steps.len() {
                all
            } else {
                BTreeSet::new()
            };
        }
        Ok(at)
    }

    fn subject(&self, expression: &Expr) -> Answer {
        if let Kind::Vector(tuple) = &expression.kind {
            let Kind::String(name) = &tuple[0].kind else {
                return Err(Failed);
            };
            let Val::String(wanted) = self.value(&tuple[1])? else {
                return Err(Failed);
            };
            let found = self
                .facts(name)
                .into_iter()
                .find(|it| it.1 == Val::String(wanted.clone()));
            return Ok(found.map_or(Val::Nil, |it| Val::Int(it.0)));
        }
        self.value(expression)
    }

    fn truth(&self, expression: &Expr) -> Result<bool, Failed> {
        match self.value(expression)? {
            Val::Bool(it) => Ok(it),
            _ => Err(Failed),
        }
    }

    fn value(&self, expression: &Expr) -> Answer {
        let list = match &expression.kind {
            Kind::Nil => return Ok(Val::Nil),
            Kind::Bool(it) => return Ok(Val::Bool(*it)),
            Kind::Int(it) => return Ok(Val::Int(*it)),
            Kind::Double(it) => return Ok(Val::Double(*it)),
            Kind::Decimal(it) => return Ok(Val::Decimal(it.clone())),
            Kind::String(it) => return Ok(Val::string(it)),
            Kind::Vector(it) => {
                let all = it
                    .iter()
                    .map(|it| self.value(it))
                    .collect::<Result<Vec<_>, _>>()?;
                return Ok(Val::List(all.into()));
            }
            Kind::Symbol(_) => return Err(Failed),
            Kind::List(list) => list,
        };
        let Kind::Symbol(name) = &list[0].kind else {
            return Err(Failed);
        };
        let given = &list[1..];
        let values = || {
            given
                .iter()
                .map(|it| self.value(it))
                .collect::<Result<Vec<_>, _>>()
        };
        match name.as_str() {
            "?s" => self
                .context
                .subject
                .map(|s| Val::Int(s.raw()))
                .ok_or(Failed),
            "?user_id" => self.context.user.map(|s| Val::Int(s.raw())).ok_or(Failed),
            "same" => {
                let values = values()?;
                let literal = given.iter().any(|it| it.kind == Kind::Nil);
                if !literal && values.iter().any(Val::is_nil) {
                    return Err(Failed);
                }
                Ok(Val::Bool(values[0] == values[1]))
            }
            "of" => self.get(&given[0], "person/age"),
            "and" | "or" => {
                let all: Vec<_> = given.iter().map(|it| self.truth(it)).collect();
                let decisive = name == "or";
                if all.iter().any(|it| matches!(it, Ok(it) if *it == decisive)) {
                    return Ok(Val::Bool(decisive));
                }
                if all.iter().any(Result::is_err) {
                    Err(Failed)
                } else {
                    Ok(Val::Bool(!decisive))
                }
            }
            "not" => self.truth(&given[0]).map(|it| Val::Bool(!it)),
            "boolean" => Ok(Val::Bool(
                ![Val::Nil, Val::Bool(false)].contains(&values()?[0]),
            )),
            "nil?" => Ok(Val::Bool(values()?[0] == Val::Nil)),
            "if-else" => self.value(if self.truth(&given[0])? {
                &given[1]
            } else {
                &given[2]
            }),
            "==" | "not=" => {
                let values = values()?;
                let literal = given.iter().any(|it| it.kind == Kind::Nil);
                if !literal && values.contains(&Val::Nil) {
                    return Err(Failed);
                }
                let equal = values.iter().all(|it| it == &values[0]);
                Ok(Val::Bool(equal == (name == "==")))
            }
            "<" | ">=" => {
                let values = values()?;
                if !values
                    .iter()
                    .all(|it| matches!(it, Val::Int(_) | Val::Double(_) | Val::Decimal(_)))
                {
                    return Err(Failed);
                }
                Ok(Val::Bool(
                    values
                        .windows(2)
                        .all(|two| (two[0] < two[1]) == (name == "<")),
                ))
            }
            "+" => {
                let plain = |it: &Val| match it {
                    Val::Int(it) => it.to_string().parse::<f64>().map_err(|_| Failed),
                    Val::Double(it) => Ok(it.number()),
                    // Halves: a double holds them, and their sums.
                    Val::Decimal(it) => it.to_string().parse::<f64>().map_err(|_| Failed),
                    _ => Err(Failed),
                };
                let values = values()?;
                let mut sum = values[0].clone();
                plain(&sum)?;
                for value in &values[1..] {
                    sum = match (&sum, value) {
                        (Val::Int(a), Val::Int(b)) => Val::Int(a.checked_add(*b).ok_or(Failed)?),
                        (a @ Val::Decimal(_), b) | (a, b @ Val::Decimal(_)) => {
                            let sum = (plain(a)? + plain(b)?).to_string();
                            Val::Decimal(Decimal::parse(&sum).map_err(|_| Failed)?)
                        }
                        (a, b) => Val::Double(Real::new(plain(a)? + plain(b)?).ok_or(Failed)?),
                    };
                }
                Ok(sum)
            }
            "count" => match &values()?[0] {
                Val::Nil => Ok(Val::Int(0)),
                Val::String(it) => Ok(Val::Int(i64::try_from(it.chars().count()).unwrap())),
                it @ (Val::Set(_) | Val::List(_)) => {
                    let held = match it {
                        Val::Set(it) => it.iter().filter(|it| !it.is_nil()).count(),
                        Val::List(it) => it.iter().filter(|it| !it.is_nil()).count(),
                        _ => 0,
                    };
                    Ok(Val::Int(i64::try_from(held).unwrap()))
                }
                _ => Err(Failed),
            },
            "contains?" => {
                let values = values()?;
                if values[1].is_nil() {
                    return Err(Failed);
                }
                // A set or vector may itself be the element asked for, in a set alone.
                Ok(Val::Bool(items(&values[0]).contains(&values[1])))
            }
            "get" => {
                let Kind::String(name) = &given[1].kind else {
                    return Err(Failed);
                };
                self.get(&given[0], name)
            }
            "get-all" => Ok(Val::set(self.walk(&self.subject(&given[0])?, &given[1])?)),
            "relationship?" => {
                let start = self.subject(&given[0])?;
                let reached = self.walk(&start, &given[1])?;
                let end = id(&self.subject(&given[2])?)?.ok_or(Failed)?;
                Ok(Val::Bool(reached.contains(&Val::Int(end))))
            }
            _ => Err(Failed),
        }
    }

    fn get(&self, subject: &Expr, name: &str) -> Answer {
        let Some(s) = id(&self.subject(subject)?)? else {
            return Ok(Val::Nil);
        };
        let found: BTreeSet<_> = self
            .facts(name)
            .into_iter()
            .filter(|it| it.0 == s)
            .map(|it| it.1)
            .collect();
        Ok(if found.len() > 1 {
            Val::set(found)
        } else {
            found.into_iter().next().unwrap_or(Val::Nil)
        })
    }
}

const REFS: &[&str] = &["person/friend", "person/boss"];
const SCALARS: &[&str] = &["person/age", "person/handle", "person/balance"];

pub(super) fn truth(chance: &mut Chance, depth: usize) -> String {
    let d = depth.saturating_sub(1);
    if depth == 0 {
        return (*chance.pick(&["true", "false"])).to_owned();
    }
    match chance.below(13) {
        0 | 1 => format!(
            "(and {} {} {})",
            truth(chance, d),
            truth(chance, d),
            truth(chance, d)
        ),
        2 | 3 => format!("(or {} {})", truth(chance, d), truth(chance, d)),
        4 => format!("(not {})", truth(chance, d)),
        5 => format!(
            "(if-else {} {} {})",
            truth(chance, d),
            truth(chance, d),
            truth(chance, d)
        ),
        6 => format!("(== {} {})", any(chance, d), any(chance, d)),
        7 => format!(
            "({} {} {})",
            chance.pick(&["<", ">=", "same", "not="]),
            any(chance, d),
            any(chance, d)
        ),
        8 => format!("(contains? {} {})", any(chance, d), scalar(chance, d)),
        9 | 10 => {
            let (from, to) = (subject(chance, d), subject(chance, d));
            format!("(relationship? {from} {} {to})", path(chance, false))
        }
        11 => format!("({} {})", chance.pick(&["nil?", "boolean"]), any(chance, d)),
        _ => any(chance, d),
    }
}

fn path(chance: &mut Chance, tells: bool) -> String {
    let mut steps = Vec::new();
    for _ in 0..=chance.below(3) {
        let name = chance.pick(REFS);
        let name = if chance.below(3) == 0 {
            name.replace('/', "/_")
        } else {
            (*name).to_owned()
        };
        steps.push(format!("\"{name}{}\"", chance.pick(&["", "", "+", "*"])));
    }
    if tells && chance.below(2) == 0 {
        steps.push(format!("\"{}\"", chance.pick(SCALARS)));
        if chance.below(6) == 0 {
            steps.push("\"person/boss\"".to_owned());
        }
    }
    format!("[{}]", steps.join(" "))
}

fn subject(chance: &mut Chance, depth: usize) -> String {
    match chance.below(6) {
        0 | 1 => "(?s)".to_owned(),
        2 => "(?user_id)".to_owned(),
        3 => format!("[\"person/handle\" \"{}\"]", chance.pick(&["a", "b", "z"])),
        4 if depth > 0 => format!(
            "(get {} \"{}\")",
            subject(chance, depth - 1),
            chance.pick(REFS)
        ),
        _ => person(u64::try_from(chance.below(4)).unwrap()).to_string(),
    }
}

fn scalar(chance: &mut Chance, depth: usize) -> String {
    match chance.below(8) {
        7 => (*chance.pick(&["0.5M", "1.0M", "2M"])).to_owned(),
        0 => chance.below(4).to_string(),
        1 => "\"a\"".to_owned(),
        2 => "1.0".to_owned(),
        3 => format!(
            "(get {} \"{}\")",
            subject(chance, depth),
            chance.pick(SCALARS)
        ),
        4 if depth > 0 => format!("(+ {} {})", scalar(chance, depth - 1), chance.below(3)),
        5 => format!("(of {})", subject(chance, depth)),
        _ => "(?user_id)".to_owned(),
    }
}

fn any(chance: &mut Chance, depth: usize) -> String {
    if depth == 0 {
        return scalar(chance, 0);
    }
    let d = depth - 1;
    match chance.below(9) {
        0 => "nil".to_owned(),
        1 => format!("(get-all {} {})", subject(chance, d), path(chance, true)),
        2 => format!("(count {})", any(chance, d)),
        3 => format!("(get (?s) \"{}\")", chance.pick(REFS)),
        4 => format!("[{} {}]", scalar(chance, d), scalar(chance, d)),
        5 => truth(chance, d),
        6 => format!(
            "(get-all (get-all {} {}) {})",
            subject(chance, d),
            path(chance, false),
            path(chance, true)
        ),
        _ => scalar(chance, d),
    }
}

pub(super) fn facts(chance: &mut Chance) -> Memory {
    let mut memory = Memory::default();
    for _ in 0..chance.below(12) {
        let s = person(u64::try_from(chance.below(4)).unwrap());
        let o = person(u64::try_from(chance.below(4)).unwrap());
        memory.0.insert(match chance.below(6) {
            5 => (
                s,
                predicate("person/balance"),
                Value::Decimal(Decimal::parse(["1", "0.5", "1.5"][chance.below(3)]).unwrap()),
            ),
            0 => (
                s,
                predicate("person/age"),
                Value::Int(i64::try_from(chance.below(3)).unwrap()),
            ),
            1 => (
                s,
                predicate("person/handle"),
                Value::string(["a", "b"][chance.below(2)]),
            ),
            2 => (s, predicate("person/boss"), Value::Ref(o)),
            _ => (s, predicate("person/friend"), Value::Ref(o)),
        });
    }
    memory
}

#[test]
fn the_twin_agrees() {
    let seed = 20_261_125;
    println!("seed {seed}: cargo test --lib the_twin_agrees");
    let mut chance = Chance(seed);
    let book = book();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..20_000 {
        let depth = 1 + chance.below(4);
        let text = truth(&mut chance, depth);
        let Ok(expression) = parse(&text) else {
            continue;
        };
        if !matches!(expression.kind, Kind::List(_)) {
            continue;
        }
        let memory = facts(&mut chance);
        let context = Context {
            subject: Some(person(0)),
            user: (chance.below(5) > 0).then(|| person(1)),
            ..context()
        };
        let function = Function::compile(&text, &[], &book, &NoQueries)
            .unwrap_or_else(|it| panic!("{text}: {it}"));
        let budget = || Budget::new(1_000_000, None);
        let first = budget();
        let fast = match function.evaluate(&[], &context, &memory, &first) {
            Ok(value) => Some(value),
            Err(Stop::Fault(_)) => None,
            Err(Stop::Error(error)) => panic!("{text}: {error}"),
        };
        let slow = Twin {
            memory: &memory,
            context: &context,
        }
        .value(&expression)
        .ok();
        assert_eq!(
            fast, slow,
            "round {round}: {text}\n{memory:?}\n{:?}",
            context.user
        );
        let second = budget();
        let _ = function.evaluate(&[], &context, &memory, &second);
        assert_eq!(first.spent(), second.spent(), "{text}");
        if let Some(constant) = function.constant() {
            assert_eq!(fast, Some(Val::Bool(constant)), "{text}");
        }
        let kind = match fast {
            Some(Val::Bool(true)) => "true",
            Some(Val::Bool(false)) => "false",
            Some(_) => "other",
            None => "fault",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    println!("{kinds:?}");
    assert!(
        kinds.len() == 4 && kinds.values().all(|count| *count > 300),
        "{kinds:?}"
    );
}
