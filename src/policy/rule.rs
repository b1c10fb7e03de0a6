//! One rule as it stands in the facts, with its functions compiled.
//!
//! A rule that cannot be read whole is kept as broken: as an allow it never says yes, as a deny it always does.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::base::Budget;
use crate::lang::{Context, Function, Queries, Reach, Truth};
use crate::model::system::{collection, predicate};
use crate::model::{CollectionId, Error, Facts, PredicateId, SubjectId, Value};
use crate::schema::{Schema, tag_name};

/// Whether a rule lets something be done or forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Where it says yes, its role allows.
    Allow,
    /// Where it says yes or fails, nothing is allowed.
    Deny,
}

/// Which predicates a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Predicates {
    /// `*`
    All,
    /// These.
    Named(BTreeSet<PredicateId>),
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    pub(super) id: SubjectId,
    /// `None` is `*`.
    pub(super) collection: Option<CollectionId>,
    pub(super) predicates: Predicates,
    pub(super) is_default: bool,
    pub(super) ops: BTreeSet<String>,
    pub(super) effect: Effect,
    pub(super) functions: Vec<Function>,
    pub(super) error_message: Option<Arc<str>>,
    pub(super) is_broken: bool,
    /// What it comes to: two rules with equal content allow and deny the same.
    pub(super) content: Content,
}

/// All of a rule that a decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    collection: Option<Arc<str>>,
    predicates: BTreeSet<Arc<str>>,
    is_default: bool,
    ops: BTreeSet<String>,
    effect: Effect,
    /// The text of each function it uses or reaches by calls.
    functions: BTreeSet<(SubjectId, FunctionText)>,
}

/// A function as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FunctionText {
    pub(super) code: Option<Arc<str>>,
    pub(super) params: Option<Arc<str>>,
}

/// A rule's facts before anything in them is looked up.
#[derive(Debug, Default)]
struct Raw {
    collection: Option<Arc<str>>,
    predicates: BTreeSet<Arc<str>>,
    is_default: bool,
    functions: Vec<SubjectId>,
    ops: Vec<SubjectId>,
    effect: Option<SubjectId>,
    error_message: Option<Arc<str>>,
}

impl Rule {
    /// Reads a rule.
    pub(super) fn load(
        id: SubjectId,
        facts: &dyn Facts,
        schema: &Schema,
        queries: &dyn Queries,
    ) -> Result<Self, Error> {
        let raw = read(id, facts)?;
        let mut is_broken = raw.collection.is_none() || raw.functions.is_empty();
        let ops = tag_names(&raw.ops, facts)?;
        let effect = match raw.effect {
            Some(tag) if tag_name(facts, tag)?.as_deref() != Some("allow") => Effect::Deny,
            _ => Effect::Allow,
        };
        let collection = match raw.collection.as_deref() {
            None | Some("*") => None,
            Some(name) => {
                let found = schema.collection_named(name).map(|it| it.id);
                is_broken |= found.is_none();
                found
            }
        };
        let mut named = BTreeSet::new();
        for name in raw.predicates.iter().filter(|name| &***name != "*") {
            match schema.predicate_named(name) {
                Some(it) => drop(named.insert(it.id)),
                None => is_broken = true,
            }
        }
        let predicates = if raw.predicates.iter().any(|name| &**name == "*") {
            Predicates::All
        } else {
            Predicates::Named(named)
        };
        let mut functions = Vec::new();
        let mut used = BTreeSet::new();
        for function in raw.functions {
            let text = text_of(function, facts)?;
            let compiled = match &text {
                FunctionText {
                    code: Some(code),
                    params: None,
                } => Function::compile(code, &[], schema, queries).ok(),
                FunctionText { .. } => None,
            };
            used.insert((function, text));
            let Some(compiled) = compiled else {
                is_broken = true;
                continue;
            };
            for called in compiled.calls() {
                used.insert((*called, text_of(*called, facts)?));
            }
            functions.push(compiled);
        }
        let content = Content {
            collection: raw.collection,
            predicates: raw.predicates,
            is_default: raw.is_default,
            ops: ops.clone(),
            effect,
            functions: used,
        };
        Ok(Self {
            id,
            collection,
            predicates,
            is_default: raw.is_default,
            ops,
            effect,
            functions,
            error_message: raw.error_message,
            is_broken,
            content,
        })
    }

    /// Whether this is one of the rules of `op`: `all` is query, transact, token and logs.
    pub(super) fn governs(&self, op: &str) -> bool {
        self.ops.contains(op) || (self.ops.contains("all") && is_in_all(op))
    }

    /// Whether its target reaches a flake of collection `c` and predicate `p`.
    pub(super) fn reaches(&self, c: CollectionId, p: PredicateId) -> bool {
        self.reaches_collection(c)
            && match &self.predicates {
                Predicates::All => true,
                Predicates::Named(named) => self.is_default || named.contains(&p),
            }
    }

    /// Whether its target reaches a subject of `c` as a whole, which is what ops without a flake are judged at.
    pub(super) fn reaches_subjects(&self, c: CollectionId) -> bool {
        self.reaches_collection(c) && (self.is_default || self.predicates == Predicates::All)
    }

    /// Law 4: in an allow rule `*` never reaches a system collection; in a deny rule it reaches everything.
    fn reaches_collection(&self, c: CollectionId) -> bool {
        match self.collection {
            Some(named) => named == c,
            None => self.effect == Effect::Deny || !is_system(c),
        }
    }

    /// Whether every function is literally `true`, or one is literally `false`.
    pub(super) fn constant(&self) -> Option<bool> {
        if self.is_broken {
            return Some(self.effect == Effect::Deny);
        }
        if self
            .functions
            .iter()
            .any(|function| function.constant() == Some(false))
        {
            return Some(false);
        }
        self.functions
            .iter()
            .all(|function| function.constant() == Some(true))
            .then_some(true)
    }

    /// What its functions look at, at the most.
    pub(super) fn reach(&self) -> Reach {
        self.functions
            .iter()
            .map(Function::reach)
            .max()
            .unwrap_or(Reach::Bearer)
    }

    /// Law 5: functions of one rule are ANDed, in three-valued logic; only where the rule ends does error become no.
    ///
    /// As a deny, true and error both deny.
    pub(super) fn says_yes(
        &self,
        context: &Context<'_>,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<bool, Error> {
        if self.is_broken {
            return Ok(self.effect == Effect::Deny);
        }
        let mut failed = false;
        for function in &self.functions {
            match function.judge(context, facts, budget)? {
                Truth::True => {}
                Truth::False => return Ok(false),
                Truth::Fault(_) => failed = true,
            }
        }
        Ok(!failed || self.effect == Effect::Deny)
    }
}

/// The ops that `all` stands for.
pub(super) fn is_in_all(op: &str) -> bool {
    matches!(op, "query" | "transact" | "token" | "logs")
}

/// Whether a collection's name begins with `_`: the stored ones below 20, and the virtual ones.
pub(super) fn is_system(c: CollectionId) -> bool {
    c.raw() < 20
}

fn read(id: SubjectId, facts: &dyn Facts) -> Result<Raw, Error> {
    let mut raw = Raw::default();
    facts.subject(id, &mut |fact| {
        let text = || fact.o.as_str().map(Arc::from);
        match fact.p {
            predicate::RULE_COLLECTION => raw.collection = text(),
            predicate::RULE_PREDICATES => raw.predicates.extend(text()),
            predicate::RULE_COLLECTION_DEFAULT => {
                raw.is_default = fact.o.to_value() == Value::Boolean(true);
            }
            predicate::RULE_FNS => raw.functions.extend(fact.o.as_ref()),
            predicate::RULE_OPS => raw.ops.extend(fact.o.as_ref()),
            predicate::RULE_EFFECT => raw.effect = fact.o.as_ref(),
            predicate::RULE_ERROR_MESSAGE => raw.error_message = text(),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(raw)
}

fn tag_names(tags: &[SubjectId], facts: &dyn Facts) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for tag in tags
        .iter()
        .filter(|tag| tag.collection() == collection::TAG)
    {
        names.extend(tag_name(facts, *tag)?);
    }
    Ok(names)
}

/// A function's text; no parameters and an empty list of them are the same.
pub(super) fn text_of(function: SubjectId, facts: &dyn Facts) -> Result<FunctionText, Error> {
    let mut text = FunctionText::default();
    facts.subject(function, &mut |fact| {
        match (fact.p, fact.o.to_value()) {
            (predicate::FN_CODE, Value::String(code)) => text.code = Some(code),
            (predicate::FN_PARAMS, Value::Json(json)) => {
                text.params = (&*json != "[]").then_some(json);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(text)
}
