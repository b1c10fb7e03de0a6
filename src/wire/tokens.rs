//! What is told of tokens: a list of them, what was revoked, and who asks.
//!
//! Shapes:
//! ```text
//! [{"id", "auth"?, "kind"?, "name"?, "issued"?, "expires"?, "state", "lastUsed"?, "lastAddress"?}, ..]
//! {"revoked": id of a token} or {"revoked": [auth, ..]}
//! {"auth", "id", "user"?, "username"?, "roles", "db", "token"?: {"id", "kind", "name"?, "issued", "expires"?}}
//! ```
//! `state` is `live`, `expired` or `revoked`. Instants are ISO-8601 in UTC with milliseconds.

use std::net::IpAddr;

use serde::Serialize;

use super::instant::instant;
use crate::db::{self, TokenState};
use crate::model::SubjectId;

/// A token of a list.
#[derive(Debug, Serialize)]
pub struct ListedToken {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    state: &'static str,
    #[serde(rename = "lastUsed", skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
    #[serde(rename = "lastAddress", skip_serializing_if = "Option::is_none")]
    last_address: Option<IpAddr>,
}

/// What was revoked.
#[derive(Debug, Serialize)]
pub struct Revoked {
    revoked: What,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum What {
    Token(String),
    Auths(Vec<i64>),
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct WhoAmI {
    auth: i64,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    roles: Vec<String>,
    db: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<OwnToken>,
}

#[derive(Debug, Serialize)]
struct OwnToken {
    id: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    issued: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl From<db::ListedToken> for ListedToken {
    fn from(listed: db::ListedToken) -> Self {
        Self {
            id: listed.id,
            auth: listed.auth.map(SubjectId::raw),
            kind: listed.kind.map(db::TokenKind::name),
            name: listed.name,
            issued: listed.issued_ms.map(instant),
            expires: listed.expires_ms.map(instant),
            state: match listed.state {
                TokenState::Live => "live",
                TokenState::Expired => "expired",
                TokenState::Revoked => "revoked",
            },
            last_used: listed.last_used_ms.map(instant),
            last_address: listed.last_address,
        }
    }
}

impl From<db::Revoked> for Revoked {
    fn from(revoked: db::Revoked) -> Self {
        let revoked = match revoked {
            db::Revoked::Token(id) => What::Token(id),
            db::Revoked::Auths(auths) => {
                What::Auths(auths.into_iter().map(SubjectId::raw).collect())
            }
        };
        Self { revoked }
    }
}

impl From<db::WhoAmI> for WhoAmI {
    fn from(who: db::WhoAmI) -> Self {
        Self {
            auth: who.auth.raw(),
            id: who.id,
            user: who.user.map(SubjectId::raw),
            username: who.username,
            roles: who.roles,
            db: who.database,
            token: who.token.map(|token| OwnToken {
                id: token.id,
                kind: token.kind.name(),
                name: token.name,
                issued: instant(token.issued_ms),
                expires: token.expires_ms.map(instant),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::TokenKind;

    #[test]
    fn what_is_told_has_the_members_that_were_promised() {
        let listed = ListedToken::from(db::ListedToken {
            id: "t".to_owned(),
            auth: SubjectId::from_raw(5),
            kind: Some(TokenKind::Api),
            name: Some("backup".to_owned()),
            issued_ms: Some(0),
            expires_ms: Some(1),
            state: TokenState::Live,
            last_used_ms: Some(2),
            last_address: "192.0.2.7".parse().ok(),
        });
        assert_eq!(
            serde_json::to_string(&listed).unwrap(),
            concat!(
                r#"{"id":"t","auth":5,"kind":"api","name":"backup","issued":"1970-01-01T00:00:00.000Z","#,
                r#""expires":"1970-01-01T00:00:00.001Z","state":"live","lastUsed":"1970-01-01T00:00:00.002Z","#,
                r#""lastAddress":"192.0.2.7"}"#
            )
        );
        let one = Revoked::from(db::Revoked::Token("t".to_owned()));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"revoked":"t"}"#);
        let all = Revoked::from(db::Revoked::Auths(
            SubjectId::from_raw(5).into_iter().collect(),
        ));
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"{"revoked":[5]}"#);
    }
}
