//! What facts are: ids, values, flakes, commits, and the trait [`Facts`] by which everything above reads them.
//!
//! Knows neither disk, nor JSON, nor rules.

mod decimal;
mod empty;
mod erasure;
mod error;
mod facts;
mod flake;
mod id;
mod names;
mod overlay;
mod real;
pub mod system;
mod value;

pub use decimal::{Decimal, DecimalRef, NoDecimal};
pub use empty::Empty;
pub use erasure::{Erased, Erasure, Reason};
pub use error::Error;
pub use facts::{Bounds, Direction, Fact, Facts, Visit};
pub use flake::{Commit, Digest, Flake, Head, Incarnation, Op};
pub use id::{CollectionId, PredicateId, SubjectId, T};
pub use names::{Names, PredicateName, StoredFunction, ValueType};
pub use overlay::Overlay;
pub use real::Real;
pub use value::{Value, ValueRef};
