//! A command whose signature is verified: what the server asks for, as it asks for a session elsewhere.

use super::answer::Receipt;
use super::command::Command;
use super::database::Database;
use super::error::Error;
use super::signed::Signed;
use super::source::Source;
use super::trail::is_denial;
use crate::model::SubjectId;

/// A command whose signature was verified at the newest state there was. It is verified again at its turn.
#[derive(Debug)]
pub struct SignedCommand {
    database: Database,
    command: Command,
    signed: Signed,
    source: Source,
}

impl SignedCommand {
    /// Verifies a command that is for this database.
    pub(super) fn verify(database: &Database, command: Command) -> Result<Self, Error> {
        let state = database.state();
        let signed = Signed::verify(&command, &state.snapshot, &state.policy)?;
        Ok(Self {
            database: database.clone(),
            command,
            signed,
            source: Source::default(),
        })
    }

    /// The auth whose permissions it has.
    pub fn auth(&self) -> SubjectId {
        self.signed.auth()
    }

    /// The same, sent from there.
    #[must_use]
    pub fn sent_from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Makes its transaction. What its auth may not do is counted in the trail. The signature, the authority and the terms are judged at its turn.
    ///
    /// # Errors
    /// As [`Database::command`].
    pub fn make(self) -> Result<Receipt, Error> {
        let Self {
            database,
            command,
            signed,
            source,
        } = self;
        let auth = signed.auth();
        let made = database.make_command(&command, signed, source);
        if let Err(error) = &made
            && is_denial(error)
        {
            database.tell_denied(Some(auth), error.code(), source);
        }
        made
    }
}
