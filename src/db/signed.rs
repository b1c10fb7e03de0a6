//! Who signed a command, and whether they may: asked of the facts when it comes, and again at its turn.
//!
//! 1. A name without an auth, an auth without a key and a wrong signature are refused alike, and after the same
//!    work: a signature is verified each time.
//! 2. A command has the permissions of its auth. An authority only signs: it must be among the auth's
//!    `_auth/authority`, and what it may do itself is not asked.
//! 3. An auth that holds root signs for itself. A role that somebody is given later then makes no root of those who
//!    sign for them.
//! 4. What an auth does not have is told as what it does not name: an authority learns of no other auth whether it
//!    is there.

use std::sync::Arc;

use super::auth_name::AuthName;
use super::command::Command;
use super::error::{Error, ErrorKind};
use crate::model::system::{collection, predicate};
use crate::model::{Facts, SubjectId, Value, ValueRef};
use crate::policy::{Op, Policy};
use crate::token::SignerKey;

/// A signature that was verified under the key that the signer had at some state.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    auth_name: AuthName,
    signer_name: AuthName,
    auth: SubjectId,
    signer: SubjectId,
    /// The `_auth/publicKey` that verified it.
    key: Arc<str>,
}

impl Signed {
    /// Verifies a command's signature, and that the signer may sign for its auth.
    ///
    /// # Errors
    /// `Unauthenticated`; then `Denied`.
    pub(super) fn verify(
        command: &Command,
        facts: &dyn Facts,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let auth = find(&command.auth, facts)?;
        let signer_name = command.authority.as_ref().unwrap_or(&command.auth);
        let signer = find(signer_name, facts)?;
        let found = match signer {
            Some(signer) => key_of(signer, facts)?.map(|key| (signer, key)),
            None => None,
        };
        let key = found.as_ref().and_then(|(_, key)| SignerKey::parse(key));
        let Some((signer, key)) = found.filter(|_| verifies(key, command)) else {
            return Err(not_signed());
        };
        let signed = Self {
            auth_name: command.auth.clone(),
            signer_name: signer_name.clone(),
            auth: auth.ok_or_else(no_authority)?,
            signer,
            key,
        };
        signed.check_authority(facts, policy)?;
        Ok(signed)
    }

    /// Does the work of verifying, and refuses: for a command to a database that is not there.
    pub(super) fn refuse(command: &Command) -> Error {
        verifies(None, command);
        not_signed()
    }

    /// Whose permissions the command has.
    pub(super) fn auth(&self) -> SubjectId {
        self.auth
    }

    /// Who signed, if that is another than its auth.
    pub(super) fn authority(&self) -> Option<SubjectId> {
        (self.signer != self.auth).then_some(self.signer)
    }

    /// Whether what was verified before still holds at this state: the names, the key and the authority.
    ///
    /// # Errors
    /// As [`Signed::verify`].
    pub(super) fn admit(&self, facts: &dyn Facts, policy: &Policy) -> Result<(), Error> {
        let signer = find(&self.signer_name, facts)?;
        if signer != Some(self.signer) || key_of(self.signer, facts)?.as_ref() != Some(&self.key) {
            return Err(not_signed());
        }
        if find(&self.auth_name, facts)? != Some(self.auth) {
            return Err(no_authority());
        }
        self.check_authority(facts, policy)
    }

    fn check_authority(&self, facts: &dyn Facts, policy: &Policy) -> Result<(), Error> {
        let Some(authority) = self.authority() else {
            return Ok(());
        };
        let may = facts
            .value_list(self.auth, predicate::AUTH_AUTHORITY)?
            .contains(&Value::Ref(authority));
        let is_root = policy
            .permissions(self.auth, &Op::transact(), facts)?
            .is_root();
        if may && !is_root {
            Ok(())
        } else {
            Err(no_authority())
        }
    }
}

/// Verifies under a key, or under one that stands in for it and then in vain.
fn verifies(key: Option<SignerKey>, command: &Command) -> bool {
    let is_real = key.is_some();
    let key = key.or_else(SignerKey::stand_in);
    key.is_some_and(|key| key.verifies(&command.text, &command.signature)) && is_real
}

/// The auth that a name names. Whether there are facts of it is for its key or its authorities to say.
fn find(name: &AuthName, facts: &dyn Facts) -> Result<Option<SubjectId>, Error> {
    let found = match name {
        AuthName::Subject(subject) => Some(*subject),
        AuthName::Id(id) => facts
            .subject_list(predicate::AUTH_ID, ValueRef::String(id))?
            .first()
            .copied(),
    };
    Ok(found.filter(|subject| subject.collection() == collection::AUTH))
}

fn key_of(signer: SubjectId, facts: &dyn Facts) -> Result<Option<Arc<str>>, Error> {
    let keys = facts.value_list(signer, predicate::AUTH_PUBLIC_KEY)?;
    Ok(keys.into_iter().find_map(|value| match value {
        Value::String(key) => Some(key),
        _ => None,
    }))
}

fn not_signed() -> Error {
    let why = "the command is not signed by the auth that it names for this database";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-signature", why)
}

fn no_authority() -> Error {
    let why = "the signer is no authority for the auth of this command";
    Error::new(ErrorKind::Denied, "db/invalid-authority", why)
}
