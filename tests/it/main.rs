//! The one integration test binary. What belongs in which file:
//!
//! - `cli`: the command line: exit codes and outputs
//! - `http`: the HTTP door: routes, headers, refusals, limits at the edge, a graceful stop
//! - `oracle`: the law of DESIGN 5, transcribed slowly, against the room `policy`
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "server")]
mod http;
mod oracle;
mod support;
mod token;
