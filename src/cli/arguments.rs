//! The arguments, each also from the environment: flag, then `SOLON_*`, then default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::asked::AskedArguments;
use super::device::AuthTokenArguments;
use super::inspect::InspectArguments;
use super::instant::instant;
use super::login::{LoginArguments, LogoutArguments};
use super::remote_arguments::CallerArguments;
use super::seconds::seconds;
use super::tokens::{CreateArguments, ListArguments, RevokeArguments};
use super::user::UserCommand;
use crate::base::limits::LOG_ROWS_DEFAULT;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "solon",
    version,
    about = "A policy database",
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage or bad input, 3 denied by policy, 4 not signed in or token \
                  no longer good, 5 not found, 6 conflict, 7 unavailable or timed out."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the databases of a data folder over HTTP
    Serve(ServeArguments),
    /// Export what holds as items, or the blocks as they were made
    Export(ExportArguments),
    /// Import items and transactions from a file, and go on where an import of it was stopped
    Import(ImportArguments),
    /// Sign in with a password, and keep the tokens in the token file
    Login(LoginArguments),
    /// End the sign-in at the server, and take the token file away
    Logout(LogoutArguments),
    /// Tell who the token's bearer is
    Whoami(CallerArguments),
    /// Get tokens for this machine by a sign-in on another, print them, and keep nothing
    AuthToken(AuthTokenArguments),
    /// Make, list, inspect and revoke tokens
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Make users, set passwords, let them in and keep them out
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Rotate and revoke the keys that sign tokens; make keys that sign commands, and sign with them
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Show the audit trail of a database that no process has open, or take its oldest rows away
    Logs(LogsArguments),
    /// Read a whole database that no process has open, and check every byte of its log and its tables
    Verify(VerifyArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print it
    Create(CreateArguments),
    /// List the tokens that one may see
    List(ListArguments),
    /// Tell what a token says of itself, unverified; with `--host`, what that server says of it
    Inspect(InspectArguments),
    /// End a token at once, or all of one's own, of an auth or of a user
    Revoke(RevokeArguments),
    /// Print a root token, made from the folder's key alone, server running or not
    Root(RootArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key pair, and print it
    New(NewKeysArguments),
    /// Sign the command on standard input, and print the body to post to `/api/db/command`
    Sign(SignArguments),
    /// List the keys that sign tokens, and those that were revoked
    List(ListKeysArguments),
    /// Make the key that signs tokens next, server running or not
    Rotate(RotateKeysArguments),
    /// End a key at once, and every token that it signed, server running or not
    Revoke(RevokeKeyArguments),
}

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The data folder; it is made if it is not there
    #[arg(
        long,
        value_name = "DIR",
        env = "SOLON_DATA",
        default_value = "./solon-data"
    )]
    pub(super) data: PathBuf,
    /// The address to listen on
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "SOLON_LISTEN",
        default_value = "127.0.0.1:8090"
    )]
    pub(super) listen: SocketAddr,
    /// Load a small company, with its people, roles and rules, into a fresh data folder
    #[arg(long, env = "SOLON_DEMO", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(super) demo: bool,
    /// Let requests from this machine that carry no token act as root
    #[arg(long, env = "SOLON_OPEN", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(super) open: bool,
    /// Listen beyond this machine although tokens then travel in the clear
    #[arg(long, env = "SOLON_INSECURE_PLAIN_HTTP", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(super) insecure_plain_http: bool,
    #[command(flatten)]
    pub(super) tls: TlsArguments,
    /// The `iss` of tokens, in place of the id that is made with the keys
    #[arg(long, value_name = "ID", env = "SOLON_ISSUER")]
    pub(super) issuer: Option<String>,
    /// The least important lines of the log that are written
    #[arg(long, value_name = "LEVEL", env = "SOLON_LOG", default_value = "info")]
    pub(super) log: LogLevel,
    /// The form of the log; `auto` is text on a terminal and JSON otherwise
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SOLON_LOG_FORMAT",
        default_value = "auto"
    )]
    pub(super) log_format: LogFormat,
}

/// Whether TLS is spoken, and what clients must prove.
#[derive(Debug, Args)]
pub(super) struct TlsArguments {
    /// Speak TLS with this certificate, and those after it that lead to an authority, in PEM
    #[arg(
        long = "tls.certificate",
        value_name = "FILE",
        env = "SOLON_TLS_CERTIFICATE"
    )]
    pub(super) certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long = "tls.key", value_name = "FILE", env = "SOLON_TLS_KEY")]
    pub(super) key: Option<PathBuf>,
    /// The authorities of client certificates, in PEM
    #[arg(
        long = "tls.ca-certificate",
        value_name = "FILE",
        env = "SOLON_TLS_CA_CERTIFICATE"
    )]
    pub(super) ca_certificate: Option<PathBuf>,
    /// Let in only clients with a certificate of those authorities; a request without a token is whom it names
    #[arg(long = "tls.enable-client-verification", env = "SOLON_TLS_ENABLE_CLIENT_VERIFICATION", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(super) enable_client_verification: bool,
}

/// A data folder that must be there.
#[derive(Debug, Args)]
pub(super) struct FolderArguments {
    /// The data folder
    #[arg(
        long,
        value_name = "DIR",
        env = "SOLON_DATA",
        default_value = "./solon-data"
    )]
    pub(super) data: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// The database that is exported
    #[arg(long, value_name = "NETWORK/NAME", default_value = "local/default")]
    pub(super) db: String,
    /// What is exported: all that holds, as items that `solon import` takes, or the blocks
    #[arg(long, value_name = "WHAT", default_value = "state")]
    pub(super) by: ExportBy,
    /// The first block
    #[arg(long, value_name = "BLOCK")]
    pub(super) from: Option<u64>,
    /// The last block
    #[arg(long, value_name = "BLOCK")]
    pub(super) to: Option<u64>,
    /// The file that it is written to; standard output if it is left out
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// The `_auth/id` of who asks: what it does not see is left out
    #[arg(long = "as", value_name = "AUTH")]
    pub(super) r#as: Option<String>,
    /// Print what it came to as JSON
    #[arg(long, requires = "out")]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportBy {
    State,
    Block,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// JSON lines, each an item or a transaction, or one array of items; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The data folder; it is made if it is not there
    #[arg(
        long,
        value_name = "DIR",
        env = "SOLON_DATA",
        default_value = "./solon-data"
    )]
    pub(super) data: PathBuf,
    /// The database that takes it
    #[arg(long, value_name = "NETWORK/NAME", default_value = "local/default")]
    pub(super) db: String,
    /// The `_auth/id` of who writes it, by whose rules each value is judged; root if it is left out
    #[arg(long = "as", value_name = "AUTH")]
    pub(super) r#as: Option<String>,
    /// Print what it came to as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LogsArguments {
    #[command(flatten)]
    pub(super) shown: ShownLogsArguments,
    #[command(subcommand)]
    pub(super) command: Option<LogsCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogsCommand {
    /// Take the rows away that are older than an instant; the trail tells how many they were
    Prune(PruneArguments),
}

#[derive(Debug, Args)]
pub(super) struct ShownLogsArguments {
    #[command(flatten)]
    pub(super) place: AskedArguments,
    #[command(flatten)]
    pub(super) asked: LogsQueryArguments,
}

/// Which rows are shown.
#[derive(Debug, Args)]
pub(super) struct LogsQueryArguments {
    /// How many rows, the newest first
    #[arg(long, value_name = "ROWS", default_value_t = LOG_ROWS_DEFAULT)]
    pub(super) limit: usize,
    /// Only rows before this one: the id of a row, or an instant such as `2026-11-25T03:00:00Z`
    #[arg(long, value_name = "PLACE")]
    pub(super) before: Option<String>,
    /// Only rows after this one, or of this instant and later
    #[arg(long, value_name = "PLACE")]
    pub(super) after: Option<String>,
    /// Only what was done, or only what was refused
    #[arg(long, value_name = "STATUS")]
    pub(super) status: Option<LogStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogStatus {
    Ok,
    Error,
}

#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// The database
    #[arg(long, value_name = "NETWORK/NAME", default_value = "local/default")]
    pub(super) db: String,
    /// The instant, such as `2026-11-25T03:00:00Z`
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) before: i64,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// The database
    #[arg(long, value_name = "NETWORK/NAME", default_value = "local/default")]
    pub(super) db: String,
    /// The hash of a block that was kept elsewhere: one of the blocks must have it
    #[arg(long, value_name = "HASH")]
    pub(super) head: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RootArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// How long the token is good
    #[arg(long, value_name = "TIME", default_value = "3599s", value_parser = seconds)]
    pub(super) expires: u64,
    /// The database the token is for
    #[arg(long, value_name = "NETWORK/NAME", default_value = "local/default")]
    pub(super) db: String,
    /// The `iss` of the token, as the server has it
    #[arg(long, value_name = "ID", env = "SOLON_ISSUER")]
    pub(super) issuer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct NewKeysArguments {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write the private half to a new file, readable by its owner alone, and do not print it
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// The file of the key, as `keys new --out` writes it
    #[arg(long, value_name = "FILE", env = "SOLON_KEY")]
    pub(super) key: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ListKeysArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RotateKeysArguments {
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// Have it sign at once, in an emergency, and not when everyone had the time to learn of it
    #[arg(long)]
    pub(super) now: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeKeyArguments {
    /// The id of the key, or `refresh` for the one that makes refresh tokens
    // One in 64 ids begins with a hyphen.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    pub(super) key: String,
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Auto,
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_id_of_a_key_may_begin_with_a_hyphen() {
        for id in ["-Qx7", "--CQx7", "refresh"] {
            for line in [
                vec!["solon", "keys", "revoke", id, "--json", "--data", "d"],
                vec!["solon", "keys", "revoke", "--json", "--data", "d", id],
            ] {
                let parsed = Arguments::try_parse_from(&line).unwrap();
                let Command::Keys {
                    command: KeysCommand::Revoke(arguments),
                } = parsed.command
                else {
                    panic!("{line:?}");
                };
                assert_eq!(arguments.key, id);
                assert!(arguments.json);
                assert_eq!(arguments.folder.data, PathBuf::from("d"));
            }
        }
    }
}
