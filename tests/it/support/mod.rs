//! Databases, clocks, disks, clients and randomness for the tests.

mod bearers;
pub mod data;
mod database;
pub mod disk;
#[cfg(feature = "server")]
pub mod http2;
pub mod naive;
mod people;
pub mod plain;
pub mod plain_tokens;
#[cfg(feature = "cli")]
pub mod played;
pub mod random;
#[cfg(feature = "server")]
pub mod served;
#[cfg(feature = "server")]
pub mod tls;

pub use bearers::{Bearers, ask};
pub use database::{Db, START_MS, default_rule, deny, furnish, office, rule};
pub use people::People;
