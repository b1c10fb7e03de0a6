//! Databases, clocks, disks, clients and randomness for the tests.

mod rng;

pub use rng::Rng;
