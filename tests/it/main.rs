//! The one integration test binary. What belongs in which file:
//!
//! - `oracle`: the law of DESIGN 5, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `tidy`: the house itself: floors, fences around outside crates, module docs, file names, documented codes
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

mod oracle;
mod support;
mod tidy;
mod token;
