//! Solon is a policy database: facts, the rules over them, and the identities they govern, in one embedded store.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::host_endian_bytes,
    clippy::little_endian_bytes,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests may"
    )
)]

pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
pub mod db;
pub mod lang;
pub mod model;
pub mod policy;
pub mod query;
pub mod replica;
pub mod schema;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod token;
pub mod transact;
pub mod wire;

pub use db::{Answer, Database, Error, ErrorKind, Folder, Options, Receipt, Session, View};

/// The README's example compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
