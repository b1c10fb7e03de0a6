//! What compiling keeps: how much there is, which names stand for what, and what is noted of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Problem};
use super::expression::{Expr, Kind};
use super::mention::{Beside, Mentions};
use super::node::{Depth, Node, Reach, Read, Step, Way};
use super::parse::{is_name, parse};
use super::question::Queries;
use super::scope::Scope;
use crate::base::limits::{
    RULE_ARITY_MAX, RULE_DEPTH_MAX, RULE_EXPANDED_NODES_MAX, RULE_PATH_STEPS_MAX,
};
use crate::model::system::predicate::TAG_ID;
use crate::model::{Names, PredicateId, PredicateName, SubjectId, ValueType};

/// What a text is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be evaluated.
    Value,
    /// To be evaluated where there is no bearer, no flake and no facts.
    PureValue,
    /// To learn what it says of names. Those in queries are not looked up: which there are is not settled then.
    Mentions,
}

/// A function that is being compiled.
pub(super) struct Compiler<'n> {
    pub(super) names: &'n dyn Names,
    pub(super) queries: &'n dyn Queries,
    pub(super) purpose: Purpose,
    pub(super) parsed: BTreeMap<String, Arc<Stored>>,
    pub(super) nodes: usize,
    pub(super) depth: usize,
    pub(super) reach: Reach,
    pub(super) reads: BTreeSet<PredicateId>,
    pub(super) asks_queries: bool,
    pub(super) calls: BTreeSet<SubjectId>,
    pub(super) mentions: Mentions,
    /// What the next node stands beside.
    pub(super) beside: Beside,
}

/// A stored function, parsed.
pub(super) struct Stored {
    pub(super) subject: SubjectId,
    pub(super) code: Arc<str>,
    pub(super) params: Arc<[String]>,
    pub(super) expression: Expr,
}

/// What the last step of a path may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastStep {
    MayTell,
    MustRefer,
}

impl<'n> Compiler<'n> {
    pub(super) fn new(names: &'n dyn Names, queries: &'n dyn Queries, purpose: Purpose) -> Self {
        Self {
            names,
            queries,
            purpose,
            parsed: BTreeMap::new(),
            nodes: 0,
            depth: 0,
            reach: Reach::Bearer,
            reads: BTreeSet::new(),
            asks_queries: false,
            calls: BTreeSet::new(),
            mentions: Mentions::default(),
            beside: Beside::Values,
        }
    }

    pub(super) fn count(&mut self, at: &Expr, scope: &Scope<'_>) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > RULE_EXPANDED_NODES_MAX {
            let what = "nodes with all calls put in";
            return Err(scope.error(
                at,
                Problem::Limit {
                    what,
                    max: RULE_EXPANDED_NODES_MAX,
                },
            ));
        }
        Ok(())
    }

    pub(super) fn deeper(
        &mut self,
        at: &Expr,
        scope: &Scope<'_>,
        work: impl FnOnce(&mut Self) -> Result<Node, Error>,
    ) -> Result<Node, Error> {
        if self.depth >= RULE_DEPTH_MAX {
            let what = "levels with all calls put in";
            return Err(scope.error(
                at,
                Problem::Limit {
                    what,
                    max: RULE_DEPTH_MAX,
                },
            ));
        }
        self.depth = self.depth.saturating_add(1);
        let node = work(self);
        self.depth = self.depth.saturating_sub(1);
        node
    }

    pub(super) fn load(
        &mut self,
        name: &str,
        at: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Arc<Stored>, Error> {
        if let Some(stored) = self.parsed.get(name) {
            return Ok(Arc::clone(stored));
        }
        let Some(function) = self.names.function(name) else {
            let name = name.to_owned();
            return Err(scope.error(at, Problem::UnknownFunction { name }));
        };
        let within = |error: Error| Error {
            function: Some(name.to_owned()),
            ..error
        };
        check_params(&function.code, &function.params).map_err(within)?;
        let expression = parse(&function.code).map_err(within)?;
        self.calls.insert(function.subject);
        let stored = Arc::new(Stored {
            subject: function.subject,
            code: function.code,
            params: function.params,
            expression,
        });
        self.parsed.insert(name.to_owned(), Arc::clone(&stored));
        Ok(stored)
    }

    /// What an expression is, once parameters are replaced by what was given for them.
    pub(super) fn resolve<'e>(
        &mut self,
        mut expression: &'e Expr,
        mut scope: &'e Scope<'e>,
    ) -> Result<(&'e Expr, &'e Scope<'e>), Error> {
        while let (Kind::Symbol(name), Some((given, outer))) = (&expression.kind, scope.given) {
            let place = scope.params.iter().position(|param| param == name);
            let Some(argument) = place.and_then(|place| given.get(place)) else {
                break;
            };
            self.count(expression, scope)?;
            (expression, scope) = (argument, outer);
        }
        Ok((expression, scope))
    }

    pub(super) fn literal<'e>(
        &mut self,
        expression: &'e Expr,
        scope: &'e Scope<'e>,
        expected: &'static str,
    ) -> Result<(String, &'e Expr, &'e Scope<'e>), Error> {
        let (expression, scope) = self.resolve(expression, scope)?;
        self.count(expression, scope)?;
        match &expression.kind {
            Kind::String(text) => Ok((text.clone(), expression, scope)),
            _ => Err(scope.expected(expression, expected)),
        }
    }

    pub(super) fn steps<'e>(
        &mut self,
        path: &'e Expr,
        scope: &'e Scope<'e>,
    ) -> Result<(&'e [Expr], &'e Scope<'e>), Error> {
        let (path, scope) = self.resolve(path, scope)?;
        self.count(path, scope)?;
        let items = match &path.kind {
            Kind::Vector(items) if !items.is_empty() => items.as_slice(),
            Kind::String(_) => std::slice::from_ref(path),
            _ => return Err(scope.expected(path, "a vector of names")),
        };
        if items.len() > RULE_PATH_STEPS_MAX {
            let what = "steps of a path";
            return Err(scope.error(
                path,
                Problem::Limit {
                    what,
                    max: RULE_PATH_STEPS_MAX,
                },
            ));
        }
        Ok((items, scope))
    }

    pub(super) fn path(
        &mut self,
        path: &Expr,
        scope: &Scope<'_>,
        last: LastStep,
    ) -> Result<Vec<Step>, Error> {
        let (items, scope) = self.steps(path, scope)?;
        let mut steps = Vec::new();
        for item in items {
            let (text, at, within) = self.literal(item, scope, "a predicate's name")?;
            let (name, depth) = match (text.strip_suffix('+'), text.strip_suffix('*')) {
                (Some(name), _) => (name, Depth::OnceOrMore),
                (_, Some(name)) => (name, Depth::AnyTimes),
                _ => (text.as_str(), Depth::Once),
            };
            let (name, way) = match name.split_once("/_") {
                Some((collection, local)) => (format!("{collection}/{local}"), Way::Reverse),
                None => (name.to_owned(), Way::Forward),
            };
            let predicate = self.predicate(&name, at, within)?;
            let is_ref = predicate.value_type == ValueType::Ref;
            let must_refer =
                way == Way::Reverse || depth != Depth::Once || last == LastStep::MustRefer;
            if must_refer && !is_ref {
                return Err(within.error(at, Problem::NotRef { name }));
            }
            let read = self.read(predicate);
            steps.push(Step { read, way, depth });
        }
        Ok(steps)
    }

    pub(super) fn predicate(
        &mut self,
        name: &str,
        at: &Expr,
        scope: &Scope<'_>,
    ) -> Result<PredicateName, Error> {
        let name = name.to_owned();
        match self.names.predicate(&name) {
            None => Err(scope.error(at, Problem::UnknownPredicate { name })),
            Some(predicate) if predicate.is_sealed => {
                Err(scope.error(at, Problem::Sealed { name }))
            }
            Some(predicate) => {
                self.mentions.predicate(predicate.id, at, scope.is_own());
                Ok(predicate)
            }
        }
    }

    pub(super) fn read(&mut self, predicate: PredicateName) -> Read {
        let is_tag = predicate.value_type == ValueType::Tag;
        self.reads.insert(predicate.id);
        if is_tag {
            self.reads.insert(TAG_ID);
        }
        Read {
            id: predicate.id,
            is_tag,
        }
    }
}

pub(super) fn check_params(text: &str, params: &[String]) -> Result<(), Error> {
    if params.len() > RULE_ARITY_MAX {
        let problem = Problem::Limit {
            what: "parameters",
            max: RULE_ARITY_MAX,
        };
        return Err(Error::at(text, 0, problem));
    }
    let mut seen = BTreeSet::new();
    for name in params {
        if !is_name(name) || !seen.insert(name) {
            return Err(Error::at(
                text,
                0,
                Problem::Parameter { name: name.clone() },
            ));
        }
    }
    Ok(())
}

pub(super) fn arity(name: &str, takes: String, arguments: &[Expr]) -> Problem {
    Problem::Arity {
        name: name.to_owned(),
        takes,
        given: arguments.len(),
    }
}
