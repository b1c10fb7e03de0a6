//! A user: how one is named by whoever signs in, and the auths whose password may be theirs.

use std::sync::Arc;

use super::error::Error;
use super::fields::{invalid, place};
use super::lockout::Tried;
use crate::base::limits::{NAME_BYTES_MAX, STRING_BYTES_MAX};
use crate::model::system::{collection, predicate};
use crate::model::{Facts, Flake, Op, PredicateId, SubjectId, Value, ValueRef};
use crate::query::Json;
use crate::schema::Schema;

/// How a user is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// The `_user/username`.
    Name(String),
    /// A unique predicate of `_user`, and its value.
    Tuple(String, String),
    /// The subject's id.
    Subject(SubjectId),
}

impl From<&str> for UserName {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<SubjectId> for UserName {
    fn from(user: SubjectId) -> Self {
        Self::Subject(user)
    }
}

impl UserName {
    /// Reads a name, a two-tuple or an id.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub(super) fn read(json: Json) -> Result<Self, Error> {
        let wrong = || {
            let why = "`user` is a name, a two-tuple of a predicate and a text, or an id";
            invalid(&place("user"), why)
        };
        match json {
            Json::String(name) if name.len() <= STRING_BYTES_MAX => Ok(Self::Name(name)),
            Json::Int(raw) => SubjectId::from_raw(raw)
                .map(Self::Subject)
                .ok_or_else(wrong),
            Json::Array(parts) => match <[Json; 2]>::try_from(parts) {
                Ok([Json::String(p), Json::String(value)]) if p.len() <= 2 * NAME_BYTES_MAX => {
                    Ok(if p == "_user/username" {
                        Self::Name(value)
                    } else {
                        Self::Tuple(p, value)
                    })
                }
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    /// What its failures are counted under.
    pub(super) fn tried(&self, database: &str) -> Tried {
        // A letter before each, so that no name passes for an id.
        let spelled = match self {
            Self::Name(name) => format!("n{name}"),
            Self::Tuple(p, value) => format!("t{p}\0{value}"),
            Self::Subject(user) => format!("s{user}"),
        };
        Tried::new(database, &spelled)
    }

    /// The user, if there is one. A predicate that names none is no error: whoever asks is a stranger.
    pub(super) fn find(
        &self,
        schema: &Schema,
        facts: &dyn Facts,
    ) -> Result<Option<SubjectId>, Error> {
        let named = |p: PredicateId, value: &str| -> Result<_, Error> {
            let found = facts.subject_list(p, ValueRef::String(value))?;
            Ok(found.first().copied())
        };
        let found = match self {
            Self::Name(name) => named(predicate::USER_USERNAME, name)?,
            Self::Tuple(p, value) => match schema.predicate_named(p) {
                Some(it) if it.unique && !it.sealed && it.collection == collection::USER => {
                    named(it.id, value)?
                }
                _ => None,
            },
            Self::Subject(user) => Some(*user),
        };
        match found.filter(|user| user.collection() == collection::USER) {
            Some(user) if facts.exists(user)? => Ok(Some(user)),
            _ => Ok(None),
        }
    }
}

/// Every way in which a user can be named, for what is counted under them.
pub(super) fn names_of(
    user: SubjectId,
    schema: &Schema,
    facts: &dyn Facts,
) -> Result<Vec<UserName>, Error> {
    let mut names = vec![UserName::Subject(user)];
    for it in schema.predicates() {
        if !it.unique || it.sealed || it.collection != collection::USER {
            continue;
        }
        for value in facts.value_list(user, it.id)? {
            if let Value::String(text) = value {
                names.push(if it.id == predicate::USER_USERNAME {
                    UserName::Name(text.to_string())
                } else {
                    UserName::Tuple(it.name.to_string(), text.to_string())
                });
            }
        }
    }
    Ok(names)
}

/// The name that a user signs in by, if they have one.
pub(super) fn username_of(user: SubjectId, facts: &dyn Facts) -> Result<Option<Arc<str>>, Error> {
    text_of(user, predicate::USER_USERNAME, facts)
}

/// The lowest user whose auth this is.
pub(super) fn user_of(auth: SubjectId, facts: &dyn Facts) -> Result<Option<SubjectId>, Error> {
    let users = facts.subject_list(predicate::USER_AUTH, ValueRef::Ref(auth))?;
    Ok(users.first().copied())
}

/// The auths of a user, lowest first.
pub(super) fn auths_of(user: SubjectId, facts: &dyn Facts) -> Result<Vec<SubjectId>, Error> {
    let values = facts.value_list(user, predicate::USER_AUTH)?;
    Ok(values
        .iter()
        .filter_map(|it| it.borrow().as_ref())
        .collect())
}

/// Whether an auth is one whose bearer proves who they are by a password.
pub(super) fn is_by_password(auth: SubjectId, facts: &dyn Facts) -> Result<bool, Error> {
    let tag = tag("_auth/type:password", facts)?;
    let kinds = facts.value_list(auth, predicate::AUTH_TYPE)?;
    Ok(kinds.contains(&Value::Ref(tag)))
}

/// Whether an auth is refused everywhere.
pub(super) fn is_disabled(auth: SubjectId, facts: &dyn Facts) -> Result<bool, Error> {
    let disabled = facts.value_list(auth, predicate::AUTH_DISABLED)?;
    Ok(disabled.contains(&Value::Boolean(true)))
}

/// The record of an auth's password.
pub(super) fn record_of(auth: SubjectId, facts: &dyn Facts) -> Result<Option<Arc<str>>, Error> {
    text_of(auth, predicate::AUTH_PASSWORD, facts)
}

/// The first text of a subject under a predicate.
pub(super) fn text_of(
    s: SubjectId,
    p: PredicateId,
    facts: &dyn Facts,
) -> Result<Option<Arc<str>>, Error> {
    Ok(facts
        .value_list(s, p)?
        .into_iter()
        .find_map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        }))
}

/// A tag of the bootstrap.
pub(super) fn tag(id: &str, facts: &dyn Facts) -> Result<SubjectId, Error> {
    let found = facts.subject_list(predicate::TAG_ID, ValueRef::String(id))?;
    found
        .first()
        .copied()
        .ok_or_else(|| Error::internal(format!("the tag `{id}` is gone")))
}

/// A flake that is made true.
pub(super) fn asserted(s: SubjectId, p: PredicateId, o: Value) -> Flake {
    let op = Op::Assert;
    Flake { s, p, o, op }
}

/// The flakes by which a subject has this value alone under a predicate.
pub(super) fn set_to(
    s: SubjectId,
    p: PredicateId,
    o: Value,
    facts: &dyn Facts,
) -> Result<Vec<Flake>, Error> {
    let mut flakes = cleared(s, p, facts)?;
    match flakes.iter().position(|flake| flake.o == o) {
        Some(same) => drop(flakes.swap_remove(same)),
        None => flakes.push(asserted(s, p, o)),
    }
    Ok(flakes)
}

/// The flakes by which a subject has no value under a predicate.
pub(super) fn cleared(
    s: SubjectId,
    p: PredicateId,
    facts: &dyn Facts,
) -> Result<Vec<Flake>, Error> {
    let values = facts.value_list(s, p)?;
    let op = Op::Retract;
    Ok(values.into_iter().map(|o| Flake { s, p, o, op }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_counted_alike_however_it_is_sent_and_like_nothing_else() {
        let read = |text: &str| UserName::read(Json::read(text).unwrap());
        let tried = |text: &str| read(text).unwrap().tried("a/b");
        assert_eq!(tried(r#""bob""#), tried(r#"["_user/username", "bob"]"#));
        let others = [
            r#""bob""#,
            r#"["_user/email", "bob"]"#,
            r#""s87960930223081""#,
            "87960930223081",
        ];
        for (index, one) in others.iter().enumerate() {
            for other in &others[index + 1..] {
                assert_ne!(tried(one), tried(other));
            }
        }
        assert_ne!(tried(r#""bob""#), read(r#""bob""#).unwrap().tried("a/c"));
        for wrong in ["null", "[]", r#"["a"]"#, r#"["a", 1]"#, "1.5", "{}", "true"] {
            assert_eq!(read(wrong).unwrap_err().at(), Some("/user"), "{wrong}");
        }
    }
}
