//! Databases, clocks, disks, clients and randomness for the tests.

mod data;
mod database;
pub mod disk;
pub mod naive;
pub mod plain;
pub mod random;
#[cfg(feature = "server")]
pub mod served;

pub use data::{Data, ask};
pub use database::{Db, START_MS, default_rule, deny, furnish, office, rule};
