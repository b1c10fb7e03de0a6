//! `solon token root`: the token, and nothing else, on standard output.

use std::io::{self, Write as _};

use super::arguments::{FolderArguments, RootArguments};
use super::error::Error;
use crate::db::{Options, root_token_from_keys};

/// Prints a root token.
pub(super) fn root(arguments: &RootArguments) -> Result<(), Error> {
    let RootArguments {
        folder: FolderArguments { data },
        expires,
        db,
        issuer,
    } = arguments;
    let options = Options {
        issuer: issuer.clone(),
        ..Options::default()
    };
    let token = root_token_from_keys(data, *expires, db, &options)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{token}")?;
    out.flush()?;
    Ok(())
}
