//! The right over another's password: whose is meant, and whether the bearer may set it.
//!
//! 1. Whom the bearer does not see is not found, like whoever is not there.
//! 2. The rules must allow a write of `_auth/password` at that auth. No rule can name it, for it is sealed; so rules
//!    for all predicates of `_auth`, its default and root decide. They are shown an empty value.
//! 3. Law 10: whoever sets a password can act as that auth, and so must hold every role that it holds.

use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::fields::place;
use super::person::{UserName, auths_of, is_by_password};
use crate::base::Budget;
use crate::model::system::{collection, predicate};
use crate::model::{Facts, Flake, Op as FlakeOp, Overlay, SubjectId, Value};
use crate::policy::{self, Cause, Op, Policy, StagedFlake, View, holds_all, judge_writes};
use crate::query::{Json, identity};

/// A state, and who asks at it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) bearer: SubjectId,
    pub(super) facts: &'a dyn Facts,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) now_ms: i64,
    pub(super) budget: &'a Budget,
}

/// Whose password is meant.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// An auth's, by id or two-tuple.
    Auth(Json),
    /// A user's.
    User(UserName),
}

impl<'a> At<'a> {
    /// What the bearer sees.
    pub(super) fn sight(&self) -> Result<View<'a>, Error> {
        let reads = self
            .policy
            .permissions(self.bearer, &Op::query(), self.facts)?;
        let schema = Arc::clone(self.policy.schema());
        Ok(View::new(
            reads,
            schema,
            self.facts,
            self.now_ms,
            self.budget,
        ))
    }

    /// Law 1.
    ///
    /// # Errors
    /// `Denied` for an auth that may do nothing at all.
    pub(super) fn may_do_anything(&self) -> Result<(), Error> {
        let writes = self
            .policy
            .permissions(self.bearer, &Op::transact(), self.facts)?;
        if writes.may_do_anything() {
            return Ok(());
        }
        Err(Error::denied("no role of this auth allows anything"))
    }

    /// Whether the bearer holds root.
    pub(super) fn is_root(&self) -> Result<bool, Error> {
        let writes = self
            .policy
            .permissions(self.bearer, &Op::transact(), self.facts)?;
        Ok(writes.is_root())
    }

    /// The auth whose password is meant, as far as the bearer sees it.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn find(&self, whose: &Whose) -> Result<SubjectId, Error> {
        let sight = self.sight()?;
        let schema = self.policy.schema();
        let auth = match whose {
            Whose::Auth(json) => identity(json, &place("auth"), schema, &sight)?,
            Whose::User(name) => {
                let Some(user) = name.find(schema, &sight)? else {
                    return Err(unseen("user"));
                };
                let mut found = None;
                for auth in auths_of(user, &sight)? {
                    if is_by_password(auth, self.facts)? {
                        found = Some(auth);
                        break;
                    }
                }
                found
            }
        };
        match auth.filter(|auth| auth.collection() == collection::AUTH) {
            Some(auth) if sight.exists(auth)? => Ok(auth),
            _ => Err(unseen("auth with a password")),
        }
    }

    /// The user who is meant, as far as the bearer sees them.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn find_user(&self, name: &UserName) -> Result<SubjectId, Error> {
        let found = name.find(self.policy.schema(), &self.sight()?)?;
        found.ok_or_else(|| unseen("user"))
    }

    /// Whether the bearer may set the password of an auth.
    ///
    /// # Errors
    /// `Denied` if not.
    pub(super) fn may_set(&self, auth: SubjectId) -> Result<(), Error> {
        self.may_set_with(auth, &[], self.policy)
    }

    /// The same, of an auth that flakes make, which are judged already; `policy` is that after them.
    ///
    /// # Errors
    /// `Denied` if not.
    pub(super) fn may_set_with(
        &self,
        auth: SubjectId,
        flakes: &[Flake],
        policy: &Policy,
    ) -> Result<(), Error> {
        let writes = self
            .policy
            .permissions(self.bearer, &Op::transact(), self.facts)?;
        if writes.is_root() {
            return Ok(());
        }
        let flake = Flake {
            s: auth,
            p: predicate::AUTH_PASSWORD,
            o: Value::string(""),
            op: FlakeOp::Assert,
        };
        let mut staged: Vec<StagedFlake> = flakes
            .iter()
            .map(|flake| StagedFlake {
                flake: flake.clone(),
                cause: Cause::Followed,
            })
            .collect();
        staged.push(StagedFlake {
            flake: flake.clone(),
            cause: Cause::Sent,
        });
        let mut after = Overlay::new(self.facts);
        let t = self.facts.basis().next();
        after.apply(t, flakes);
        after.apply(t, &[flake]);
        judge_writes(
            &writes,
            self.policy.schema(),
            self.facts,
            &after,
            &staged,
            &self.sight()?,
            self.now_ms,
            self.budget,
        )?;
        if !holds_all(self.bearer, auth, &after, policy)? {
            return Err(Error::from(policy::Error::Grant {
                subject: auth,
                why: "you can set the password of whom you hold every role of",
            }));
        }
        Ok(())
    }
}

fn unseen(what: &str) -> Error {
    let why = format!("there is no such {what}, or it is not to be seen");
    Error::new(ErrorKind::NotFound, "db/not-found", why)
}
