//! Databases, clocks, disks and clients for all the other files.

pub mod naive;
pub mod random;
