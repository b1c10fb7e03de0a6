//! The one integration test binary. What belongs in which file:
//!
//! - `support`: databases, clocks, disks and clients for all the others
