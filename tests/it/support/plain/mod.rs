//! A second transaction processor that is obviously right: a set of facts, a schema as a table, and the documented
//! order of checks written down plainly. It shares no code with room `transact`.

mod names;
mod resolve;
mod schema;
mod stage;
mod value;
mod world;

pub use schema::{COLLECTIONS, Kind, PREDICATES, Predicate, predicate, set_up};
pub use value::{FUNCTIONS, Plain, plain};
pub use world::{Fact, Made, Refusal, Told, Who, World};
