//! The one integration test binary. What belongs in which file:
//!
//! - `attack`: attacks that must fail: guesses at hidden facts, rights taken sideways, writes half made
//! - `cli`: the command line: exit codes and outputs
//! - `crash`: the power cut at every sync, disks that fail, and files that were tampered with
//! - `http`: the HTTP door: routes, headers, refusals, limits at the edge, a graceful stop
//! - `laws`: the law of rules point by point, each test with the number of its point
//! - `mint`: tokens as the database judges them: who may mint for whom, and when a token is good no more
//! - `model`: random commits to the store and to a plain set of flakes agree
//! - `oracle`: the law of rules, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `tidy`: the house itself: floors, fences around outside crates, module docs, file names, documented codes
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

mod attack;
#[cfg(feature = "cli")]
mod cli;
mod crash;
#[cfg(feature = "server")]
mod http;
mod laws;
mod mint;
mod model;
mod oracle;
mod support;
mod tidy;
mod token;
