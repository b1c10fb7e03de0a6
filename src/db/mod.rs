//! The embedded API: a database that is opened, written by one writer, and read through views.
//!
//! It knows neither HTTP nor async. [`Database`] is one file; [`Folder`] is a data folder, with the keys that sign
//! tokens and the databases they name.
//!
//! INVARIANT(one-writer): one thread stages, seals and commits. It commits in groups, durably, publishes the new
//! state, and only then answers (law 13: what is acknowledged is seen by every request that starts after).

mod answer;
mod auth_name;
mod certificate;
mod certified;
mod command;
mod data_dir;
mod database;
mod database_name;
mod databases;
pub mod demo;
mod demo_load;
mod denials;
mod erase;
mod errand;
mod error;
mod event;
mod events;
mod export;
mod export_facts;
mod export_out;
mod export_state;
mod family;
mod fields;
mod folder;
mod import;
mod import_chunk;
mod import_names;
mod import_read;
mod judged;
mod listed;
mod lockout;
mod master;
mod mint;
mod newcomer;
mod once;
mod password;
mod password_record;
mod people;
mod person;
mod program;
mod record;
mod refresh;
mod reset;
mod revoke;
mod right;
mod root_token;
mod session;
mod settle;
mod signed;
mod signed_command;
mod signin;
mod since;
mod source;
mod state;
mod stats;
mod terms;
mod trail;
mod trail_query;
mod trial;
mod turns;
mod users;
mod uses;
mod verify;
mod view;
mod weak;
mod who;
mod writer;

pub use answer::{Answer, Minted, Receipt, Tempid, Trial, Warning};
pub use auth_name::AuthName;
pub use command::sign_command;
pub use database::{Database, Options};
pub use demo_load::{Loaded, load_demo};
pub use error::{Error, ErrorKind, LimitKind};
pub use event::{Event, EventKind, EventStatus};
pub use export::Exported;
pub use family::SignedIn;
pub use folder::Folder;
pub use import::{ImportStopped, Imported};
pub use listed::{ListedToken, TokenState};
pub use newcomer::{Added, NewUser, UsersStopped};
pub use password_record::OldTokens;
pub use person::UserName;
pub use record::TokenKind;
pub use reset::ResetMade;
pub use revoke::Revoked;
pub use root_token::root_token_from_keys;
pub use session::Session;
pub use signed_command::SignedCommand;
pub use signin::SignIn;
pub use source::Source;
pub use stats::{Stats, Totals};
pub use trail::{Logged, Pruned};
pub use trail_query::{LogPlace, LogQuery};
pub use users::{Person, PersonAuth};
pub use verify::verify_file;
pub use view::View;
pub use who::{OwnToken, WhoAmI};

pub use crate::store::Verified;
pub use crate::token::CertificateName;
