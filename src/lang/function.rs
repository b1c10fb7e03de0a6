//! A compiled rule function, and judging by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builtin::is_taken;
use super::compile::{Compiled, compile, compile_pure};
use super::context::Context;
use super::error::{Error, Fault, Stop};
use super::evaluate::Evaluation;
use super::expression::Expr;
use super::node::Reach;
use super::parse::is_name;
use super::question::Queries;
use super::value::Val;
use crate::base::Budget;
use crate::model::{self, Empty, Facts, Names, PredicateId, SubjectId, T};

/// A compiled function.
///
/// It carries the ids it needs, so that judging needs no names; it is good as long as the names it was compiled
/// against mean the same and the functions in [`Function::calls`] are unchanged.
#[derive(Clone, Debug)]
pub struct Function {
    compiled: Arc<Compiled>,
    constant: Option<bool>,
}

/// What a function says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Yes.
    True,
    /// No.
    False,
    /// It has no answer. Where a rule ends this is no.
    Fault(Fault),
}

/// Whether a stored function may have this name: a symbol, and none that the language takes for itself.
pub fn is_function_name(name: &str) -> bool {
    is_name(name) && !is_taken(name)
}

impl Function {
    /// Compiles the text of a function: `true`, `false`, or one s-expression. Queries in it are read by `queries`.
    ///
    /// # Errors
    /// Where the text is no function: line, column and what was expected.
    pub fn compile(
        text: &str,
        params: &[String],
        names: &dyn Names,
        queries: &dyn Queries,
    ) -> Result<Self, Error> {
        Ok(Self::of(compile(text, params, names, queries)?))
    }

    /// Compiles an expression whose value follows from its parameters and the time alone: it has no bearer, no flake
    /// and no facts, names no predicate and calls no stored function. [`Function::value_of`] evaluates it.
    ///
    /// `text` is what the expression was parsed from, and serves to tell where something is wrong. Every bare symbol
    /// of the expression is one of `params`; one that begins with `?` may be.
    ///
    /// # Errors
    /// As [`Function::compile`] has them, and `Unavailable` for a built-in that needs more than its arguments.
    pub fn compile_expression(
        expression: &Expr,
        text: &str,
        params: &[String],
    ) -> Result<Self, Error> {
        Ok(Self::of(compile_pure(expression, text, params)?))
    }

    fn of(compiled: Compiled) -> Self {
        Self {
            constant: compiled.node.constant(),
            compiled: Arc::new(compiled),
        }
    }

    /// Judges as a rule does.
    ///
    /// # Errors
    /// What is no decision: facts that are damaged or cannot be read, and bounds that are passed.
    pub fn judge(
        &self,
        context: &Context<'_>,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<Truth, model::Error> {
        let evaluation = Evaluation::new(context, facts, budget, &[]);
        match evaluation.truth("rule", &self.compiled.node) {
            Ok(true) => Ok(Truth::True),
            Ok(false) => Ok(Truth::False),
            Err(Stop::Fault(fault)) => Ok(Truth::Fault(fault)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Evaluates to a value, with an argument for each parameter.
    ///
    /// # Errors
    /// `Fault` if it has no value, `Error` for what is no decision.
    pub fn evaluate(
        &self,
        arguments: &[Val],
        context: &Context<'_>,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<Val, Stop> {
        let (takes, given) = (self.param_count(), arguments.len());
        if takes != given {
            return Err(Fault::Arguments { takes, given }.into());
        }
        Evaluation::new(context, facts, budget, arguments).value(&self.compiled.node)
    }

    /// Evaluates what [`Function::compile_expression`] made, with an argument for each parameter.
    ///
    /// # Errors
    /// As [`Function::evaluate`].
    pub fn value_of(&self, arguments: &[Val], now_ms: i64, budget: &Budget) -> Result<Val, Stop> {
        // There is no bearer, and nothing that is pure asks for one.
        let nobody = Context::of(SubjectId::of_block(T(0)), None, now_ms);
        self.evaluate(arguments, &nobody, &Empty, budget)
    }

    /// The truth it has whatever the facts are, if that shows in its text.
    pub const fn constant(&self) -> Option<bool> {
        self.constant
    }

    /// What its answer depends on, beside facts reached by fixed ids.
    pub fn reach(&self) -> Reach {
        self.compiled.reach
    }

    /// Whether it asks a query, which reads what it comes upon.
    pub fn asks_queries(&self) -> bool {
        self.compiled.asks_queries
    }

    /// Every predicate it may read, but for those that its queries do.
    pub fn reads(&self) -> &BTreeSet<PredicateId> {
        &self.compiled.reads
    }

    /// Every stored function it calls, and those that they call.
    pub fn calls(&self) -> &BTreeSet<SubjectId> {
        &self.compiled.calls
    }

    /// How many nodes it has, with all calls put in: what it took to compile.
    pub fn node_count(&self) -> usize {
        self.compiled.node_count
    }

    /// How many parameters it has. A rule's function has none.
    pub fn param_count(&self) -> usize {
        self.compiled.param_count
    }
}
