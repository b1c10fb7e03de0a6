//! What facts are: ids, values, flakes, commits, and the trait [`Facts`] by which everything above reads them.
//!
//! Knows neither disk, nor JSON, nor rules.

mod empty;
mod erasure;
mod error;
mod facts;
mod flake;
mod id;
mod names;
mod overlay;
pub mod system;
mod value;

pub use empty::Empty;
pub use erasure::{Erased, Erasure, Reason};
pub use error::Error;
pub use facts::{Bounds, Direction, Fact, Facts, Visit};
pub use flake::{Commit, Digest, Flake, Head, Incarnation, Op};
pub use id::{CollectionId, PredicateId, SubjectId, T};
pub use names::{Names, PredicateName, StoredFunction, ValueType};
pub use overlay::Overlay;
pub use value::{Real, Value, ValueRef};
