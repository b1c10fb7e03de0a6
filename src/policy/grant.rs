//! Laws 7 and 10: who may change what others may do.
//!
//! 1. A bearer without root must, by the roles it holds before the change, hold every role that each affected auth
//!    has after it. Roles are compared by what their rules come to, so that nobody widens a role by editing a rule
//!    or a function inside it.
//! 2. To hold a role is also to hold one derived from it: rules all of one held role's, with all its deny rules
//!    and, if any default is kept, all its explicit rules.
//! 3. Specs bind every auth, root too, and read with the eyes of root: changing one needs root.
//! 4. Who gives an auth a public key or a certificate can act as it, and as each auth that names it as an authority.
//! 5. Taking a deny from an auth, role or rule needs root; a bearer bound by a deny grants only to auths bound by
//!    it too.
//! 6. What its user owns is a right of an auth like its roles: where [`OWNERS`] is a predicate, the bearer must own all
//!    that an affected auth owns after the change. It holds root of the databases of that. To make somebody an owner
//!    is a grant too.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::Error;
use super::permissions::{Permissions, Policy, refs};
use super::rule::{Content, Effect, Rule};
use crate::lang::Function;
use crate::model::system::{collection, predicate};
use crate::model::{Direction, Facts, Flake, Op, PredicateId, SubjectId, Value, ValueRef};

/// One state: its facts, and its policy.
#[derive(Clone, Copy)]
struct State<'a> {
    facts: &'a dyn Facts,
    policy: &'a Policy,
}

/// Under what it is said which users own an account, in the database that tells of accounts.
const OWNERS: &str = "account/owners";

/// The rules of a role or an auth, by what they come to.
type Rules = Vec<Arc<Rule>>;

/// Whether flakes make somebody the owner of an account: a grant that touches nothing of the policy.
pub fn gives_account(flakes: &[Flake], policy: &Policy) -> bool {
    owners(policy).is_some_and(|owners| {
        let gives = |it: &Flake| it.p == owners && it.op == Op::Assert;
        flakes.iter().any(gives)
    })
}

/// The predicate of [`OWNERS`], if there is one.
fn owners(policy: &Policy) -> Option<PredicateId> {
    policy.schema().predicate_named(OWNERS).map(|it| it.id)
}

/// Checks that the bearer may make the changes of what others may do that are in `flakes`.
///
/// # Errors
/// `Grant` if it may not; `Facts` if the facts cannot be read.
pub fn check_grants(
    bearer: &Permissions,
    before: (&dyn Facts, &Policy),
    after: (&dyn Facts, &Policy),
    flakes: &[Flake],
) -> Result<(), Error> {
    if bearer.is_root() {
        return Ok(());
    }
    let before = State {
        facts: before.0,
        policy: before.1,
    };
    let after = State {
        facts: after.0,
        policy: after.1,
    };
    let owners = owners(after.policy);
    let Some(subject) = flakes
        .iter()
        .find(|flake| is_grant(flake, owners))
        .map(|flake| flake.s)
    else {
        return Ok(());
    };
    let refuse = |subject, why| Err(Error::Grant { subject, why });
    let changed = Changed::of(flakes, before, after)?;
    if let Some(subject) = changed.specs.first() {
        return refuse(
            *subject,
            "only root changes what everyone is bound by: specs",
        );
    }
    for rule in &changed.rules {
        let old = before.rule(*rule)?;
        if old.effect == Effect::Deny
            && before.facts.exists(*rule)?
            && !after.is_whole(*rule, &old.content)?
        {
            return refuse(*rule, "only root takes away or changes a deny rule");
        }
    }
    for role in &changed.roles {
        if !has_all(&after.rules_of(*role)?, denies(&before.rules_of(*role)?)) {
            return refuse(*role, "only root takes a deny rule from a role");
        }
    }
    let held = before.roles_of(bearer.auth())?;
    let own_denies = before.rules_of_auth(bearer.auth())?;
    let owned = before.owned_by(bearer.auth())?;
    for auth in &changed.auths {
        let now = after.rules_of_auth(*auth)?;
        if !has_all(&now, denies(&before.rules_of_auth(*auth)?)) {
            return refuse(*auth, "only root takes a deny rule from an auth");
        }
        if !has_all(&now, denies(&own_denies)) {
            return refuse(
                subject,
                "the deny rules that bind you must bind whom you grant to",
            );
        }
        if !after.owned_by(*auth)?.is_subset(&owned) {
            return refuse(subject, "you can grant only what you own");
        }
        for role in after.roles_of(*auth)? {
            if !holds(&held, role, before, after)? {
                return refuse(subject, "you can grant only roles that you hold");
            }
        }
    }
    Ok(())
}

/// Whether `bearer` holds every role of `auth` and owns what it owns, as a mint through `all` asks.
pub fn holds_all(
    bearer: SubjectId,
    auth: SubjectId,
    facts: &dyn Facts,
    policy: &Policy,
) -> Result<bool, Error> {
    let state = State { facts, policy };
    let held = state.roles_of(bearer)?;
    let is_root = held.contains(&crate::model::system::ROOT_ROLE);
    if !is_root && !state.owned_by(auth)?.is_subset(&state.owned_by(bearer)?) {
        return Ok(false);
    }
    let bound = has_all(
        &state.rules_of_auth(auth)?,
        denies(&state.rules_of_auth(bearer)?),
    );
    for role in state.roles_of(auth)? {
        if !bound || !holds(&held, role, state, state)? {
            return Ok(false);
        }
    }
    Ok(bound)
}

/// The predicates that say which functions everyone is bound by.
const SPECS: [PredicateId; 3] = [
    predicate::PREDICATE_SPEC,
    predicate::PREDICATE_TX_SPEC,
    predicate::COLLECTION_SPEC,
];

/// Whether a flake changes what others may do.
fn is_grant(flake: &Flake, owners: Option<PredicateId>) -> bool {
    let c = flake.s.collection();
    let gives_account = Some(flake.p) == owners && flake.op == Op::Assert;
    // To disable takes away; to enable gives back all that the auth may do.
    let enables = flake.p == predicate::AUTH_DISABLED && flake.op == Op::Retract;
    enables
        || gives_account
        || c == collection::RULE
        || c == collection::ROLE
        || matches!(
            flake.p,
            predicate::FN_CODE
                | predicate::FN_PARAMS
                | predicate::PREDICATE_SPEC
                | predicate::PREDICATE_TX_SPEC
                | predicate::COLLECTION_SPEC
                | predicate::FN_NAME
                | predicate::AUTH_ROLES
                | predicate::AUTH_AUTHORITY
                | predicate::AUTH_PUBLIC_KEY
                | predicate::AUTH_CERTIFICATE
                | predicate::AUTH_TYPE
                | predicate::AUTH_REDIRECT_URIS
                | predicate::USER_AUTH
                | predicate::SETTING_ANONYMOUS
        )
}

/// Whether an auth that is deleted no longer signs for another: that gives nobody anything, and who deletes need not
/// learn for whom it signed.
fn loses_authority(flake: &Flake, after: State<'_>) -> Result<bool, Error> {
    match (flake.p, flake.op, &flake.o) {
        (predicate::AUTH_AUTHORITY, Op::Retract, Value::Ref(gone)) => {
            Ok(!after.facts.exists(*gone)?)
        }
        _ => Ok(false),
    }
}

/// What a transaction's grants touch, directly or through each other.
#[derive(Debug, Default)]
struct Changed {
    rules: BTreeSet<SubjectId>,
    roles: BTreeSet<SubjectId>,
    auths: BTreeSet<SubjectId>,
    /// What has a spec that changes, directly or by a function that it reaches. Specs bind every auth, root too.
    specs: BTreeSet<SubjectId>,
}

impl Changed {
    fn of(flakes: &[Flake], before: State<'_>, after: State<'_>) -> Result<Self, Error> {
        let mut changed = Self::default();
        let mut functions = BTreeSet::new();
        let owners = owners(after.policy);
        for flake in flakes.iter().filter(|flake| is_grant(flake, owners)) {
            if let (true, Value::Ref(user)) = (Some(flake.p) == owners, &flake.o) {
                let auths = refs(*user, predicate::USER_AUTH, after.facts)?;
                changed.auths.extend(auths);
            }
            match flake.s.collection() {
                collection::FUNCTION => drop(functions.insert(flake.s)),
                collection::RULE => drop(changed.rules.insert(flake.s)),
                collection::ROLE => drop(changed.roles.insert(flake.s)),
                collection::PREDICATE | collection::COLLECTION => {
                    changed.specs.insert(flake.s);
                }
                collection::AUTH => {
                    if !loses_authority(flake, after)? {
                        changed.auths.insert(flake.s);
                    }
                    // Whose key it is signs for those, too, who name the auth as their authority.
                    if flake.p == predicate::AUTH_PUBLIC_KEY && flake.op == Op::Assert {
                        let signed_for = after.referrers(predicate::AUTH_AUTHORITY, flake.s)?;
                        changed.auths.extend(signed_for);
                    }
                }
                collection::USER => {
                    changed
                        .auths
                        .extend(refs(flake.s, predicate::USER_AUTH, before.facts)?);
                    changed
                        .auths
                        .extend(refs(flake.s, predicate::USER_AUTH, after.facts)?);
                }
                collection::SETTING => {
                    if let Value::Ref(auth) = flake.o {
                        changed.auths.insert(auth);
                    }
                }
                _ => {}
            }
        }
        for state in [before, after] {
            for function in state.callers(&functions)? {
                changed
                    .rules
                    .extend(state.referrers(predicate::RULE_FNS, function)?);
                for spec in SPECS {
                    changed.specs.extend(state.referrers(spec, function)?);
                }
            }
        }
        for state in [before, after] {
            for rule in &changed.rules {
                changed
                    .roles
                    .extend(state.referrers(predicate::ROLE_RULES, *rule)?);
            }
        }
        for state in [before, after] {
            for role in &changed.roles {
                changed
                    .auths
                    .extend(state.referrers(predicate::AUTH_ROLES, *role)?);
            }
        }
        Ok(changed)
    }
}

impl State<'_> {
    fn rule(&self, id: SubjectId) -> Result<Arc<Rule>, Error> {
        Ok(self.policy.rule(id, self.facts)?)
    }

    fn rules_of(&self, role: SubjectId) -> Result<Rules, Error> {
        Ok(self.policy.rules_of(role, self.facts)?)
    }

    fn roles_of(&self, auth: SubjectId) -> Result<Vec<SubjectId>, Error> {
        Ok(refs(auth, predicate::AUTH_ROLES, self.facts)?)
    }

    fn rules_of_auth(&self, auth: SubjectId) -> Result<Rules, Error> {
        let mut rules = Vec::new();
        for role in self.roles_of(auth)? {
            rules.extend(self.rules_of(role)?);
        }
        Ok(rules)
    }

    /// What the users of an auth own.
    fn owned_by(&self, auth: SubjectId) -> Result<BTreeSet<SubjectId>, Error> {
        let Some(owners) = owners(self.policy) else {
            return Ok(BTreeSet::new());
        };
        let mut owned = BTreeSet::new();
        for user in self.referrers(predicate::USER_AUTH, auth)? {
            owned.extend(self.referrers(owners, user)?);
        }
        Ok(owned)
    }

    fn referrers(&self, p: PredicateId, to: SubjectId) -> Result<Vec<SubjectId>, Error> {
        Ok(self.facts.subject_list(p, ValueRef::Ref(to))?)
    }

    fn is_whole(&self, rule: SubjectId, content: &Content) -> Result<bool, Error> {
        Ok(self.facts.exists(rule)? && self.rule(rule)?.content == *content)
    }

    /// These functions, and all that call them.
    fn callers(&self, functions: &BTreeSet<SubjectId>) -> Result<BTreeSet<SubjectId>, Error> {
        let mut found = functions.clone();
        if functions.is_empty() {
            return Ok(found);
        }
        let mut all = BTreeSet::new();
        self.facts.collection(
            collection::FUNCTION,
            Direction::Ascending,
            None,
            &mut |fact| {
                if let (predicate::FN_NAME, Some(name)) = (fact.p, fact.o.as_str()) {
                    all.insert((fact.s, name.to_owned()));
                }
                ControlFlow::Continue(())
            },
        )?;
        let schema = self.policy.schema();
        for (subject, name) in all {
            use crate::model::Names;
            let Some(stored) = schema.function(&name) else {
                continue;
            };
            // What does not compile is used by no rule that stands.
            let Ok(compiled) = Function::compile(
                &stored.code,
                &stored.params,
                &**schema,
                self.policy.queries(),
            ) else {
                continue;
            };
            if compiled
                .calls()
                .iter()
                .any(|called| functions.contains(called))
            {
                found.insert(subject);
            }
        }
        Ok(found)
    }
}

/// Whether one of the held roles is this one, or one that it derives from, by what their rules come to.
fn holds(
    held: &[SubjectId],
    role: SubjectId,
    before: State<'_>,
    after: State<'_>,
) -> Result<bool, Error> {
    let wanted = after.rules_of(role)?;
    for of in held {
        if *of == crate::model::system::ROOT_ROLE {
            return Ok(true);
        }
        if role == crate::model::system::ROOT_ROLE {
            continue;
        }
        if derives(&wanted, &before.rules_of(*of)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Point 2.
fn derives(wanted: &Rules, held: &Rules) -> bool {
    let is_explicit = |rule: &&Arc<Rule>| rule.effect == Effect::Allow && !rule.is_default;
    let keeps_default = wanted
        .iter()
        .any(|rule| rule.effect == Effect::Allow && rule.is_default);
    has_all(held, wanted.iter())
        && has_all(wanted, denies(held))
        && (!keeps_default || has_all(wanted, held.iter().filter(is_explicit)))
}

fn denies(rules: &Rules) -> impl Iterator<Item = &Arc<Rule>> {
    rules.iter().filter(|rule| rule.effect == Effect::Deny)
}

/// Whether each of `needed` is among `rules`, as the same subject with the same content.
fn has_all<'r>(rules: &Rules, mut needed: impl Iterator<Item = &'r Arc<Rule>>) -> bool {
    needed.all(|needed| {
        rules
            .iter()
            .any(|rule| rule.id == needed.id && rule.content == needed.content)
    })
}
