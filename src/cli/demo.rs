//! `solon serve --demo`: loads the demonstration and says what to try.

use std::io::Write;
use std::path::Path;

use super::error::Error;
use crate::db::Folder;
use crate::db::demo::{Example, kinds};
use crate::db::{Loaded, load_demo};

/// How long the tokens that are shown are good, seconds.
const TOKEN_SECONDS: u64 = 3_599;

/// Loads the demonstration, or what is left of it.
pub(super) fn load(folder: &Folder, path: &Path) -> Result<(), Error> {
    match load_demo(folder)? {
        Loaded::Whole => Ok(()),
        Loaded::HoldsOther => Err(Error::NotForDemo(path.to_owned())),
        Loaded::HoldsOtherVersion => Err(Error::OtherDemo(path.to_owned())),
    }
}

/// Shows a token for each kind of user, and requests to try with it.
pub(super) fn show(out: &mut impl Write, folder: &Folder, url: &str) -> Result<(), Error> {
    for kind in kinds() {
        let token = folder.token_for(kind.auth_id, TOKEN_SECONDS)?;
        writeln!(out, "\n# {}: {}", kind.auth_id, kind.what)?;
        writeln!(out, "TOKEN={token}")?;
        for Example {
            about,
            action,
            body,
        } in [&kind.allowed, &kind.denied]
        {
            writeln!(
                out,
                "# {about}\ncurl -s {url}/api/db/{action} -H \"authorization: Bearer $TOKEN\" \
                 -H 'content-type: application/json' -d '{body}'"
            )?;
        }
    }
    Ok(())
}
