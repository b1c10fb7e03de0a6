//! The answer to a token request, in OAuth's words (RFC 6749, section 5.1).

use serde::Serialize;

use crate::db::Minted;

/// A token that was made.
#[derive(Serialize)]
pub struct Token {
    #[serde(rename = "token")]
    text: String,
    #[serde(rename = "token_type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    auth: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl From<Minted> for Token {
    fn from(minted: Minted) -> Self {
        Self {
            text: minted.token,
            kind: "Bearer",
            expires_in: minted.expires_in,
            auth: minted.auth.raw(),
            id: minted.id,
            name: minted.name,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token itself is a secret.
        f.debug_struct("Token")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}
