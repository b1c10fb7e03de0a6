//! The language's own tests.
//!
//! `support` has facts, names and ways to ask; `manual` runs the examples of `docs/lang.md`; `logic` has the truth
//! tables, the context and what is learned of a function; `limits` each bound at its edge and one past it; `twin`
//! a second, slow evaluator on random functions and facts; `pure` what needs no facts; `noise` any bytes; `bound` texts after a rename.

#![allow(
    clippy::print_stdout,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a random test prints its seed, and tables are long"
)]

mod bound;
mod limits;
mod logic;
mod manual;
mod noise;
mod pure;
mod support;
mod twin;
