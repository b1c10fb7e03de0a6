//! The one integration test binary. What belongs in which file:
//!
//! - `support`: databases, clocks, disks and clients for all the others
//! - `model`: random commits to the store and to a plain set of flakes agree

mod model;
mod support;
