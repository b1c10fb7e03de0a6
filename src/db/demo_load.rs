//! Loads the demonstration, once, whatever is killed in between.
//!
//! INVARIANT(demo-step): every transaction carries the number of its step in the doc of the setting `demo`, and is
//! applied whole or not at all. So the setting tells exactly which steps were taken, and loading goes on behind
//! the last of them.

use super::demo::{MARKER, SEED, Step, VERSION, transactions};
use super::error::{Error, ErrorKind};
use super::folder::Folder;
use super::session::Session;

/// What loading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// All of the demonstration is there.
    Whole,
    /// The database holds other data, and was not touched.
    HoldsOther,
    /// The database holds a part that another version of this program loaded, and was not touched.
    HoldsOtherVersion,
}

/// Loads what is missing of the demonstration.
///
/// # Errors
/// As of a transaction of root's.
pub fn load_demo(folder: &Folder) -> Result<Loaded, Error> {
    let steps = transactions(SEED);
    let session = folder.root_session(None)?;
    let taken = match marked(&session)? {
        None if !folder.is_fresh() => return Ok(Loaded::HoldsOther),
        None => 0,
        Some(step) if step.number >= step.of => return Ok(Loaded::Whole),
        Some(step) if step.version != VERSION => return Ok(Loaded::HoldsOtherVersion),
        Some(step) => step.number,
    };
    for text in steps.iter().skip(taken) {
        session.transact(text)?;
    }
    Ok(Loaded::Whole)
}

/// The last step that was taken, if any was.
fn marked(session: &Session) -> Result<Option<Step>, Error> {
    let query =
        format!(r#"{{"selectOne": ["_setting/doc"], "from": ["_setting/id", "{MARKER}"]}}"#);
    let answer = session.query(&query)?;
    let broken = || {
        Error::new(
            ErrorKind::Internal,
            "db/internal",
            "the marker of the demonstration is unreadable",
        )
    };
    let told: serde_json::Value = serde_json::from_str(&answer.body).map_err(|_| broken())?;
    let Some(members) = told.as_object() else {
        return Ok(None);
    };
    members
        .iter()
        .find(|(name, _)| name.rsplit('/').next() == Some("doc"))
        .and_then(|(_, doc)| doc.as_str())
        .and_then(Step::read)
        .map(Some)
        .ok_or_else(broken)
}
