//! Signed commands: they carry their own proof, and need no token.
//!
//! 1. Who sends one is a stranger until its signature is verified. So its body is bounded as a stranger's is, and
//!    all that a stranger can cost is one such body and one signature, at their turn.
//! 2. A token beside it is refused: it would be a second answer to the question who asks, and whoever sent both
//!    might believe in the other.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;

use super::answered::{Answered, Refused, Told};
use super::bearer::{Credential, credential};
use super::body;
use super::door::{Door, milliseconds, source};
use super::problem::Refusal;
use super::work::Length;
use crate::base::limits::COMMAND_BODY_BYTES_MAX;

/// Answers a command; `database` where the path names one.
pub(super) async fn answer(
    door: &Arc<Door>,
    database: Option<String>,
    request: Request,
    started: Duration,
) -> Result<Answered, Refused> {
    if request.method() != Method::POST {
        return Err(Refusal::WrongMethod("POST").into());
    }
    let (parts, body) = request.into_parts();
    if credential(&parts.headers) != Credential::None {
        return Err(Refusal::UnexpectedToken.into());
    }
    if !body::is_json(&parts.headers) {
        return Err(Refusal::WrongContentType.into());
    }
    let bytes = body::read(&parts.headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let source = source(&parts.extensions);
    let told = Told::of(parts.uri.query());
    let within = Arc::clone(door);
    door.work
        .run(Length::Long, move || {
            let text = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
            let command = within.folder.verify_command(&text, database.as_deref());
            let command = command.map_err(Refusal::Db)?.sent_from(source);
            let auth = command.auth().raw();
            let refused = |refusal| Refused {
                refusal,
                auth: Some(auth),
            };
            let receipt = command
                .make()
                .map_err(|error| refused(Refusal::Db(error)))?;
            let took = within.clock.elapsed().saturating_sub(started);
            let answered = told.answer(auth, receipt, milliseconds(took));
            answered.map_err(refused)
        })
        .await?
}
