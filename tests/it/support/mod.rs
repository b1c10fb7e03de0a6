//! Databases, clocks, disks, clients and randomness for the tests.

pub mod naive;
pub mod random;
mod rng;

pub use rng::Rng;
