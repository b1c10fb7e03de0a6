//! The rule language: text → tree → compiled function → value. `docs/lang.md` is its manual.
//!
//! It does not know where facts come from: it reads a `&dyn Facts`, which may be a snapshot, a view, or a state
//! that is not yet true.
//!
//! 1. Text is parsed once, when it is stored, and compiled once against the names of a basis. Judging needs no
//!    names: predicates are bound to ids, calls of stored functions are put in.
//! 2. A function is judged in three-valued logic: true, false, or a [`Fault`]. A fault is no, where a rule ends,
//!    and stays a fault until there.
//! 3. What is no decision (damage, unavailability, a bound that is passed) is a `model::Error` and never a fault.
//! 4. The evaluator recurses no deeper than `RULE_DEPTH_MAX`, spends a step on each node and each fact, and has no
//!    clock, and no chance but by a seed: the same function on the same facts spends the same steps.
//!
//! `error` and `value` stand lowest; `parse` makes the tree of `expression`; `builtin` is the table of names;
//! `chance` is numbers out of a seed;
//! `compile` turns an expression into the `node`s that `evaluate` walks, with `number`, `exact`, `text`, `path`, `stored`
//! and `collection` for the work; `question` is what is asked of whoever knows what a query is;
//! `function` is the face. `mention` is what `compile` notes of names, out of which
//! `bound` writes a text anew after a rename.

mod arithmetic;
mod bound;
mod builtin;
mod chance;
mod collection;
mod compile;
mod compiler;
mod context;
mod error;
mod evaluate;
mod exact;
mod expression;
mod function;
mod mention;
mod node;
mod number;
mod parse;
mod path;
mod question;
mod scope;
mod stored;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use arithmetic::{DIGITS_A_STEP, add, digit_count, divide, nearest};
pub use bound::{Bound, Renamed};
pub use chance::Seed;
pub use context::{Context, Previous};
pub use error::{Error, Fault, Problem, Stop};
pub use expression::{Expr, Kind, print};
pub use function::{Function, Truth, is_function_name};
pub use node::Reach;
pub use parse::parse;
pub use question::{GIVEN, NoQueries, Queries, QueryText, Question};
pub use value::Val;
