//! The command line: arguments become one call, and what comes back becomes text.
//!
//! What was asked for goes to standard output, all else to standard error. Knows how nothing is done.

mod arguments;
mod demo;
mod error;
mod exit;
mod export;
mod import;
mod instant;
mod keys;
mod logs;
mod progress;
mod run;
mod seconds;
mod serve;
mod token;
mod verify;

pub use run::run;
