//! What is answered about those who sign in.

use std::fmt;

use serde::Serialize;

use crate::db;
use crate::model::SubjectId;

/// What whoever signed in is handed, in OAuth's words (RFC 6749, section 5.1).
#[derive(Serialize)]
pub struct SignedIn {
    token: String,
    #[serde(rename = "token_type")]
    kind: &'static str,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: u64,
    auth: i64,
    user: i64,
    db: String,
}

impl From<db::SignedIn> for SignedIn {
    fn from(signed: db::SignedIn) -> Self {
        Self {
            token: signed.token,
            kind: "Bearer",
            expires_in: signed.expires_in,
            refresh_token: signed.refresh_token,
            refresh_expires_in: signed.refresh_expires_in,
            auth: signed.auth.raw(),
            user: signed.user.raw(),
            db: signed.database,
        }
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The tokens are secrets.
        f.debug_struct("SignedIn")
            .field("auth", &self.auth)
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

/// A token that sets a password.
#[derive(Serialize)]
pub struct ResetToken {
    #[serde(rename = "resetToken")]
    token: String,
    expires_in: u64,
}

impl From<db::ResetMade> for ResetToken {
    fn from(made: db::ResetMade) -> Self {
        Self {
            token: made.token,
            expires_in: made.expires_in,
        }
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret.
        f.debug_struct("ResetToken")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Whom something was done to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<i64>,
}

impl Named {
    /// A user.
    pub fn user(user: SubjectId) -> Self {
        Self {
            user: Some(user.raw()),
            auth: None,
        }
    }

    /// An auth.
    pub fn auth(auth: SubjectId) -> Self {
        Self {
            user: None,
            auth: Some(auth.raw()),
        }
    }
}

impl From<db::Added> for Named {
    fn from(added: db::Added) -> Self {
        Self {
            user: Some(added.user.raw()),
            auth: Some(added.auth.raw()),
        }
    }
}

/// A user, as far as the bearer sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    user: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    auths: Vec<OwnAuth>,
    #[serde(rename = "lockedOut", skip_serializing_if = "Option::is_none")]
    locked_out: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct OwnAuth {
    auth: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    roles: Vec<String>,
    disabled: bool,
}

impl From<db::Person> for Person {
    fn from(person: db::Person) -> Self {
        let auths = person.auths.into_iter().map(|it| OwnAuth {
            auth: it.auth.raw(),
            id: it.id,
            roles: it.roles,
            disabled: it.is_disabled,
        });
        Self {
            user: person.user.raw(),
            username: person.username,
            auths: auths.collect(),
            locked_out: person.locked_out,
        }
    }
}

/// What is shown to whoever is about to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Banner {
    /// The text, if there is one.
    pub banner: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::system::ROOT_AUTH;

    #[test]
    fn who_signed_in_is_told_the_members_that_were_promised_and_no_debug_tells_a_token() {
        let signed = SignedIn::from(db::SignedIn {
            token: "secret-a".to_owned(),
            expires_in: 300,
            refresh_token: "secret-r".to_owned(),
            refresh_expires_in: 9,
            auth: ROOT_AUTH,
            user: ROOT_AUTH,
            username: "ann".to_owned(),
            database: "a/b".to_owned(),
        });
        assert_eq!(
            serde_json::to_value(&signed).unwrap(),
            serde_json::json!({
                "token": "secret-a", "token_type": "Bearer", "expires_in": 300,
                "refresh_token": "secret-r", "refresh_expires_in": 9,
                "auth": ROOT_AUTH.raw(), "user": ROOT_AUTH.raw(), "db": "a/b",
            })
        );
        assert!(!format!("{signed:?}").contains("secret"));
    }
}
