//! The one integration test binary. What belongs in which file:
//!
//! - `support`: databases, clocks, disks and clients for all the others
//! - `crash`: the power cut at every sync, disks that fail, and files that were tampered with
//! - `model`: random commits to the store and to a plain set of flakes agree

mod crash;
mod model;
mod support;
