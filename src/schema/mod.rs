//! What predicates mean: collections, predicates, their types and flags, and the first block of every database.
//!
//! Knows no disk: it reads the schema, which is data, through [`Facts`](crate::model::Facts).

mod bootstrap;
mod changes;
mod conversion;
mod error;
mod load;
mod name;
mod past;

pub use bootstrap::bootstrap;
pub use changes::{check, touches_schema};
pub use conversion::{Conversion, conversion, conversions, forms};
pub use error::Error;
pub use load::{Collection, Predicate, Schema, Spec, tag_name, type_of};
pub use name::{is_collection_name, is_predicate_name, split};
