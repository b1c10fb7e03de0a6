//! The shapes of requests and responses as they stand on the wire.
//!
//! Every type here derives `Serialize` and is a promise to clients; what the rooms below answer is converted by
//! hand, so that renaming a field inside changes no byte outside. Knows no sockets and no status lines.

mod about;
mod accounts;
mod instant;
mod jwks;
mod log;
mod multi;
mod new_keys;
mod people;
mod problem;
mod receipt;
mod signing_keys;
mod stats;
mod token;
mod tokens;
mod verified;

pub use about::{Health, Status, Version};
pub use accounts::{Account, Listed};
pub use jwks::JwkSet;
pub use log::Log;
pub use multi::{QueryProblem, multi_body};
pub use new_keys::NewKeys;
pub use people::{Banner, Named, Person, ResetToken, SignedIn};
pub use problem::Problem;
pub use receipt::Receipt;
pub use signing_keys::{KeyRevoked, SigningKey, SigningKeys};
pub use stats::Stats;
pub use token::Token;
pub use tokens::{ListedToken, Revoked, WhoAmI};
pub use verified::Verified;
