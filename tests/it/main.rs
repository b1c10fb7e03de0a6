//! The one integration test binary. What belongs in which file:
//!
//! - `support`: databases, clocks, disks and clients for all the others
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

mod token;
