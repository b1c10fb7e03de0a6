//! The embedded API: a database that is opened, written by one writer, and read through views.
//!
//! It knows neither HTTP nor async. [`Database`] is one file; [`Folder`] is a data folder, with the keys that sign
//! tokens and the databases they name.
//!
//! INVARIANT(one-writer): one thread stages, seals and commits. It commits in groups, durably, publishes the new
//! state, and only then answers (law 13: what is acknowledged is seen by every request that starts after).

mod answer;
mod audit;
mod auth_name;
mod command;
mod database;
pub mod demo;
mod demo_load;
mod denials;
mod erase;
mod errand;
mod error;
mod event;
mod export;
mod export_facts;
mod export_out;
mod export_state;
mod folder;
mod import;
mod import_chunk;
mod import_names;
mod import_read;
mod judged;
mod logs;
mod mint;
mod once;
mod session;
mod signed;
mod signed_command;
mod since;
mod source;
mod state;
mod stats;
mod terms;
mod trail;
mod trail_query;
mod trial;
mod verify;
mod view;
mod writer;

pub use answer::{Answer, Minted, Receipt, Tempid, Trial, Warning};
pub use audit::Pruned;
pub use auth_name::AuthName;
pub use command::sign_command;
pub use database::{Database, Options};
pub use demo_load::{Loaded, load_demo};
pub use error::{Error, ErrorKind, LimitKind};
pub use event::{Event, EventKind, EventStatus};
pub use export::Exported;
pub use folder::{Folder, root_token_from_keys};
pub use import::{ImportStopped, Imported};
pub use session::Session;
pub use signed_command::SignedCommand;
pub use source::Source;
pub use stats::{Stats, Totals};
pub use trail::Logged;
pub use trail_query::{LogPlace, LogQuery};
pub use verify::verify_file;
pub use view::View;

pub use crate::store::Verified;
