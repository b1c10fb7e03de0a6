//! The command line: arguments become one call, and what comes back becomes text.
//!
//! What was asked for goes to standard output, all else to standard error. Knows how nothing is done.

mod arguments;
mod asked;
mod caller;
mod client_tls;
mod demo;
mod device;
mod error;
mod exit;
mod export;
mod host;
mod import;
mod inspect;
mod instant;
mod keys;
mod login;
mod logs;
mod progress;
mod remote;
mod remote_arguments;
mod run;
mod seconds;
mod secret;
mod serve;
mod shown;
mod signing_keys;
mod token;
mod token_file;
mod tokens;
mod typed;
mod user;
mod verify;

pub use run::run;
