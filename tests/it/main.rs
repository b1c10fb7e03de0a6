//! The one integration test binary. What belongs in which file:
//!
//! - `model`: random commits to the store and to a plain set of flakes agree
//! - `oracle`: the law of rules, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `tidy`: the house itself: floors, fences around outside crates, module docs, file names, documented codes
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

mod model;
mod oracle;
mod support;
mod tidy;
mod token;
