//! The signing keys of a folder, as `solon keys` tells them: public halves, states and times, never a secret.

use serde::Serialize;

use crate::token::{KeyState, ListedKey, ListedKeys, RevokedKey};

/// `solon keys list --json`.
#[derive(Debug, Serialize)]
pub struct SigningKeys {
    keys: Vec<SigningKey>,
    revoked: Vec<Revoked>,
}

/// One key: `kid`, `x`, `state`, and `signsFrom` in Unix seconds where it was published before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    kid: String,
    x: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_from: Option<i64>,
}

/// `solon keys revoke --json`: what ended, and the key that signs in its place, if it signed.
#[derive(Debug, Serialize)]
pub struct KeyRevoked {
    /// The id of the key, or `refresh`.
    pub revoked: String,
    /// The key that signs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signs: Option<SigningKey>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    kid: String,
    revoked_at: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Next,
    Active,
    Retiring,
}

impl From<ListedKeys> for SigningKeys {
    fn from(listed: ListedKeys) -> Self {
        let revoked = |RevokedKey { kid, revoked_at_s }| Revoked {
            kid,
            revoked_at: revoked_at_s,
        };
        Self {
            keys: listed.keys.into_iter().map(SigningKey::from).collect(),
            revoked: listed.revoked.into_iter().map(revoked).collect(),
        }
    }
}

impl From<ListedKey> for SigningKey {
    fn from(key: ListedKey) -> Self {
        Self {
            kid: key.public.kid,
            x: key.public.x,
            state: match key.state {
                KeyState::Next => State::Next,
                KeyState::Active => State::Active,
                KeyState::Retiring => State::Retiring,
            },
            signs_from: key.signs_from_s,
        }
    }
}
