//! The one integration test binary. What belongs in which file:
//!
//! - `oracle`: the law of DESIGN 5, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others

mod oracle;
mod support;
