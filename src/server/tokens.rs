//! What is asked about tokens: to make one, which there are, whose this one is, and that they end.

use serde::Serialize;

use super::answered::Answered;
use super::problem::Refusal;
use crate::db::{Folder, Session};
use crate::wire::{ListedToken, Revoked, Token, WhoAmI};

/// Answers `token`.
pub(super) fn mint(folder: &Folder, session: &Session, text: &str) -> Result<Answered, Refusal> {
    let minted = folder.token(session, text).map_err(Refusal::Db)?;
    told(session, &Token::from(minted))
}

/// Answers `tokens`.
pub(super) fn list(session: &Session, text: &str) -> Result<Answered, Refusal> {
    let listed = session.tokens(text).map_err(Refusal::Db)?;
    let listed: Vec<ListedToken> = listed.into_iter().map(ListedToken::from).collect();
    told(session, &listed)
}

/// Answers `revoke`.
pub(super) fn revoke(session: &Session, text: &str) -> Result<Answered, Refusal> {
    let revoked = session.revoke(text).map_err(Refusal::Db)?;
    told(session, &Revoked::from(revoked))
}

/// Answers `whoami`.
pub(super) fn who(session: &Session, text: &str) -> Result<Answered, Refusal> {
    let who = session.whoami(text).map_err(Refusal::Db)?;
    told(session, &WhoAmI::from(who))
}

fn told(session: &Session, shape: &impl Serialize) -> Result<Answered, Refusal> {
    Ok(Answered {
        auth: session.auth().raw(),
        body: serde_json::to_string(shape).map_err(|_| Refusal::Broken)?,
        ..Answered::default()
    })
}
