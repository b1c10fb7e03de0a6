//! `solon verify`: reads a whole database that no process has open, and says what was checked.

use std::io::{self, Write as _};

use super::arguments::{FolderArguments, VerifyArguments};
use super::error::Error;
use crate::db::{Verified, verify_file};
use crate::wire;

/// Verifies a database.
pub(super) fn verify(arguments: &VerifyArguments) -> Result<(), Error> {
    let VerifyArguments {
        folder: FolderArguments { data },
        db,
        head,
        json,
    } = arguments;
    let verified = verify_file(data, db, head.as_deref())?;
    let mut out = io::stdout().lock();
    if *json {
        let text = serde_json::to_string(&wire::Verified::from(&verified));
        writeln!(out, "{}", text.map_err(io::Error::from)?)?;
    } else {
        show(&mut out, &verified)?;
    }
    out.flush()?;
    Ok(())
}

fn show(out: &mut impl io::Write, verified: &Verified) -> io::Result<()> {
    let Verified {
        blocks,
        flakes,
        erased,
        trail,
        head,
        kept,
    } = verified;
    writeln!(out, "The database is whole.")?;
    writeln!(out, "blocks: {blocks}")?;
    writeln!(out, "flakes: {flakes}")?;
    writeln!(out, "erased: {erased}")?;
    writeln!(out, "events: {trail}")?;
    writeln!(out, "head: {}", head.hash)?;
    if let Some(t) = kept {
        writeln!(out, "The hash that was given is that of block {}.", t.0)?;
    }
    Ok(())
}
