//! What a person types: names and passwords, from the terminal or from standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use zeroize::Zeroizing;

use super::error::Error;
use super::secret::Secret;
use super::shown::plain;
use crate::base::limits::PASSWORD_INPUT_BYTES_MAX;

/// Whether there is a person to ask.
pub(super) fn is_there_anybody() -> bool {
    io::stdin().is_terminal()
}

/// The lines of standard input, each a secret; at most `count`.
pub(super) fn secret_lines(count: usize) -> Result<Vec<Secret>, Error> {
    let max = u64::try_from(PASSWORD_INPUT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(max.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(Error::Input)?;
    if text.len() > PASSWORD_INPUT_BYTES_MAX {
        return Err(Error::Arguments("standard input is longer than a password"));
    }
    let lines: Vec<_> = text
        .lines()
        .map(|line| Secret::new(line.to_owned()))
        .collect();
    if lines.len() != count {
        return Err(match count {
            1 => Error::Arguments("standard input must be one line: the password, or the token"),
            _ => Error::Arguments(
                "standard input must be two lines: the old password, and the new one",
            ),
        });
    }
    Ok(lines)
}

/// The one line of standard input.
pub(super) fn secret_line() -> Result<Secret, Error> {
    secret_lines(1)?
        .pop()
        .ok_or(Error::Arguments("standard input must be one line"))
}

/// Asks for a text on the terminal.
pub(super) fn ask(prompt: &str) -> Result<String, Error> {
    write!(io::stderr().lock(), "{prompt}")?;
    let mut line = String::new();
    let max = u64::try_from(PASSWORD_INPUT_BYTES_MAX).unwrap_or(u64::MAX);
    io::stdin()
        .lock()
        .take(max)
        .read_line(&mut line)
        .map_err(Error::Input)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for a secret on the terminal, which does not show it.
pub(super) fn ask_secret(prompt: &str) -> Result<Secret, Error> {
    if !is_there_anybody() {
        return Err(Error::Arguments(
            "there is no terminal to ask for a password on: say `--password-stdin`",
        ));
    }
    rpassword::prompt_password(plain(prompt))
        .map(Secret::new)
        .map_err(Error::Input)
}

/// Asks for a new password twice.
pub(super) fn ask_new_secret(prompt: &str) -> Result<Secret, Error> {
    let first = ask_secret(prompt)?;
    let second = ask_secret("Once more: ")?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Error::Arguments("the two are not the same"))
    }
}
