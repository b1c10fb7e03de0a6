//! The one integration test binary. What belongs in which file:
//!
//! - `attack`: attacks that must fail: guesses at hidden facts, rights taken sideways, writes half made
//! - `cli`: the command line: exit codes and outputs
//! - `conformance`: the cases of `tests/conformance`, each through the library and over HTTP
//! - `crash`: the power cut at every sync, disks that fail, and files that were tampered with
//! - `durability`: what a receipt promises when the power goes or the disk fails
//! - `export`: exporting: the same state comes back, and nothing hidden goes out
//! - `http`: the HTTP door: routes, headers, refusals, limits at the edge, a graceful stop
//! - `import`: importing: forms, edges, tempids, lines of errors
//! - `import_again`: importing again: what was made is made once, whatever stopped the import before
//! - `killed`: the program killed in the middle of its work
//! - `laws`: the law of rules point by point, each test with the number of its point
//! - `limits`: each limit at its maximum and one past it
//! - `mint`: tokens as the database judges them: who may mint for whom, and when a token is good no more
//! - `model`: random commits to the store and to a plain set of flakes agree
//! - `noise`: requests that nobody would send, seeded
//! - `oracle`: the law of rules, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `threads`: many callers at once: nothing lost, nothing by halves, revocation seen
//! - `tidy`: the house itself: floors, fences around outside crates, module docs, file names, documented codes
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

mod attack;
#[cfg(feature = "cli")]
mod cli;
mod conformance;
mod crash;
mod durability;
mod export;
#[cfg(feature = "server")]
mod http;
mod import;
mod import_again;
#[cfg(feature = "cli")]
mod killed;
mod laws;
mod limits;
mod mint;
mod model;
mod noise;
mod oracle;
mod support;
mod threads;
mod tidy;
mod token;
