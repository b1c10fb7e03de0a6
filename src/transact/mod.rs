//! JSON transaction → named → resolved → staged flakes that passed every check.
//!
//! Each stage has a type of its own, so that none can be skipped, and runs over the whole request before the next
//! begins; so the first error of the documented order is the one that is told:
//! JSON → shape → names → coarse permission → identities, refs and upserts → functions → types → schema →
//! permissions → unique → specs. What follows from a rename or a change of type is added between types and schema.
//!
//! It is handed facts and what the author may do, and knows no disk. Identities and refs are resolved through the
//! author's own view: what is hidden reads as what is absent.

mod check;
mod erase;
mod erased;
mod error;
mod followed;
mod function;
mod ground;
mod laid;
mod named;
mod parsed;
mod rename;
mod resolved;
mod retype;
mod rewrite;
mod spec;
mod staged;
mod transaction;
mod warning;

pub use check::Checked;
pub use erased::Erases;
pub use error::{Error, Problem, SpecKind};
pub use ground::Ground;
pub use laid::lay;
pub use parsed::{Functions, Parsed, Part, parse, parse_json};
pub use staged::Tempid;
pub use transaction::transact;
pub use warning::{Warning, warnings_of};
