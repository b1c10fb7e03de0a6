//! Databases, clocks, disks and clients for all the other files.

pub mod disk;
pub mod naive;
pub mod random;
