//! Reads the arguments, makes the one call, and ends with the code that follows from it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use super::arguments::{Arguments, Command, KeysCommand, LogsCommand, TokenCommand};
use super::exit::Exit;
use super::{
    device, export, import, inspect, keys, login, logs, serve, signing_keys, token, tokens, user,
    verify,
};

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version are asked for and go to standard output; the rest is wrong usage.
            let exit = if usage.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
            return match usage.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Failed.into(),
            };
        }
    };
    let done = match arguments.command {
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::Login(arguments) => login::login(&arguments),
        Command::Logout(arguments) => login::logout(&arguments),
        Command::Whoami(arguments) => login::whoami(&arguments),
        Command::AuthToken(arguments) => device::auth_token(&arguments),
        Command::Token { command } => match command {
            TokenCommand::Create(arguments) => tokens::create(&arguments),
            TokenCommand::List(arguments) => tokens::list(&arguments),
            TokenCommand::Inspect(arguments) => inspect::inspect(&arguments),
            TokenCommand::Revoke(arguments) => tokens::revoke(&arguments),
            TokenCommand::Root(arguments) => token::root(&arguments),
        },
        Command::User { command } => user::user(&command),
        Command::Keys {
            command: KeysCommand::New(arguments),
        } => keys::new(&arguments),
        Command::Keys {
            command: KeysCommand::Sign(arguments),
        } => keys::sign(&arguments),
        Command::Keys {
            command: KeysCommand::List(arguments),
        } => signing_keys::list(&arguments),
        Command::Keys {
            command: KeysCommand::Rotate(arguments),
        } => signing_keys::rotate(&arguments),
        Command::Keys {
            command: KeysCommand::Revoke(arguments),
        } => signing_keys::revoke(&arguments),
        Command::Logs(arguments) => match arguments.command {
            None => logs::logs(&arguments.shown),
            Some(LogsCommand::Prune(arguments)) => logs::prune(&arguments),
        },
        Command::Verify(arguments) => verify::verify(&arguments),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "solon: {error}");
            error.exit().into()
        }
    }
}
