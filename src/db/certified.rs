//! Who a client certificate names, at one state.
//!
//! 1. A certificate proves names; which `_auth` has one of them as `_auth/certificate` is a fact, asked at every
//!    request and again at a write's turn. So taking the fact away is taking the right away.
//! 2. Names of several auths name nobody: which of them was meant is not for us to choose.
//! 3. Root is not had by a certificate. A root token lives for an hour at most, and a certificate for years.
//! 4. What names nobody is told in the same words whatever the reason, except to the holder of root's.

use std::collections::BTreeSet;

use super::error::{Error, ErrorKind};
use crate::model::system::{collection, predicate};
use crate::model::{Facts, SubjectId, ValueRef};
use crate::policy::{Op, Policy};
use crate::token::CertificateName;

/// The auth that a certificate named at some state.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    names: Vec<CertificateName>,
    auth: SubjectId,
}

impl Certified {
    /// Finds the one auth that the names are of.
    ///
    /// # Errors
    /// `Unauthenticated` if they are of none, of several or of one that holds root.
    pub(super) fn find(
        names: &[CertificateName],
        facts: &dyn Facts,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let certified = Self {
            names: names.to_vec(),
            auth: auth_of(names, facts)?.ok_or_else(no_auth)?,
        };
        certified.refuse_root(facts, policy)?;
        Ok(certified)
    }

    /// Whose permissions the request has.
    pub(super) fn auth(&self) -> SubjectId {
        self.auth
    }

    /// Whether the names are of this auth at this state too.
    ///
    /// # Errors
    /// As [`Certified::find`].
    pub(super) fn admit(&self, facts: &dyn Facts, policy: &Policy) -> Result<(), Error> {
        if auth_of(&self.names, facts)? != Some(self.auth) {
            return Err(no_auth());
        }
        self.refuse_root(facts, policy)
    }

    fn refuse_root(&self, facts: &dyn Facts, policy: &Policy) -> Result<(), Error> {
        if !policy
            .permissions(self.auth, &Op::query(), facts)?
            .is_root()
        {
            return Ok(());
        }
        let why = "root is not had by a client certificate: send a token";
        Err(invalid(why))
    }
}

fn auth_of(names: &[CertificateName], facts: &dyn Facts) -> Result<Option<SubjectId>, Error> {
    let mut auths = BTreeSet::new();
    for name in names {
        let value = ValueRef::String(name.as_str());
        auths.extend(facts.subject_list(predicate::AUTH_CERTIFICATE, value)?);
    }
    let only = if auths.len() == 1 {
        auths.pop_first()
    } else {
        None
    };
    Ok(only.filter(|auth| auth.collection() == collection::AUTH))
}

/// A certificate that names nobody here.
pub(super) fn no_auth() -> Error {
    invalid("the client certificate names no auth of this database")
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, "db/invalid-certificate", why)
}
