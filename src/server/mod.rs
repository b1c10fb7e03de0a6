//! The HTTP door: requests in, one blocking call each, answers out.
//!
//! Knows neither disk nor rules: it asks `db` and shapes what comes back. Every refusal has one shape, a
//! problem, and its status is named in `problem.rs` alone. Work leaves the async world in one function,
//! `work.rs`.

mod about;
mod accounts;
mod act;
mod activity;
mod answered;
mod bearer;
mod body;
mod certificate;
mod command;
mod connection;
mod device;
mod devices;
mod door;
mod error;
mod form;
mod handshake;
mod jwks;
mod logs;
mod observe;
mod open;
mod page;
mod patience;
mod people;
mod problem;
mod queries;
mod request_id;
mod routes;
mod serve;
mod tls;
mod tokens;
mod weka;
mod work;

pub use door::Mode;
pub use error::Error;
pub use logs::{Format, Level, install as install_logs};
pub use problem::status;
pub use serve::{Config, Reloader, Server, Stopper};
pub use tls::TlsFiles;
