//! The session of a request whose connection proved a client certificate.

use std::sync::Arc;

use super::certified::{Certified, no_auth};
use super::database_name::DEFAULT;
use super::databases::Opened;
use super::error::{Error, ErrorKind};
use super::folder::Folder;
use super::session::Session;
use super::state::Author;
use crate::token::CertificateName;

impl Folder {
    /// The session of whoever proved these names, by a certificate that the caller has verified; `database` where the
    /// request names one, else the one that a new folder has.
    ///
    /// A database that is not there is told as one in which the names are of nobody.
    ///
    /// # Errors
    /// `Unauthenticated` if the names are of no auth, of several, of one that is disabled or of one that holds root.
    pub fn certificate_session(
        &self,
        names: &[CertificateName],
        database: Option<&str>,
    ) -> Result<Session, Error> {
        let opened = self.opened(database.unwrap_or(DEFAULT));
        let Opened { name, database } = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_auth(),
            _ => error,
        })?;
        let state = database.state();
        let certified = Certified::find(names, &state.snapshot, &state.policy)?;
        let author = Author::Certified(Arc::new(certified));
        Session::admit(database, name, Arc::clone(self.tokens()), author)
    }
}
