//! `solon keys`: key pairs that sign commands, and signing with them. No server is asked and no folder is opened.

use std::io::{self, Read as _, Write as _};

use super::arguments::{NewKeysArguments, SignArguments};
use super::error::Error;
use crate::base::limits::COMMAND_BODY_BYTES_MAX;
use crate::db;
use crate::token::CommandKey;
use crate::wire::NewKeys;

/// Makes a key pair, and prints it; with a file, the private half stands in the file alone.
pub(super) fn new(arguments: &NewKeysArguments) -> Result<(), Error> {
    let NewKeysArguments { json, out: path } = arguments;
    let key = CommandKey::generate().map_err(db::Error::from)?;
    let mut keys = NewKeys::from(&key);
    if let Some(path) = path {
        key.write_new(path).map_err(db::Error::from)?;
        keys = keys.without_private();
    }
    let mut out = io::stdout().lock();
    if *json {
        serde_json::to_writer(&mut out, &keys).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        if let Some(private) = keys.private() {
            writeln!(out, "private {private}")?;
        }
        writeln!(out, "public {}", keys.public())?;
        writeln!(out, "account-id {}", keys.account_id())?;
    }
    out.flush()?;
    Ok(())
}

/// Signs the command on standard input, and prints the body to send.
pub(super) fn sign(arguments: &SignArguments) -> Result<(), Error> {
    let key = CommandKey::read(&arguments.key).map_err(db::Error::from)?;
    let max = u64::try_from(COMMAND_BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One byte more than the most is enough to be refused.
    io::stdin()
        .lock()
        .take(max.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(Error::Input)?;
    // The line's end belongs to the terminal, and not to the command.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let body = db::sign_command(&key, text)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{body}")?;
    out.flush()?;
    Ok(())
}
