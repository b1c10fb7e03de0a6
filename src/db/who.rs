//! What a bearer is told of itself, and of the token by which it asks.
//!
//! Its own auth and user are no secret to it: its receipts and its sign-in tell them. Its roles are told as far as it
//! sees them.

use super::error::Error;
use super::record::{Record, TokenKind};
use super::state::{Author, State, name_of};
use crate::model::system::predicate;
use crate::model::{Facts, SubjectId, Value};
use crate::policy::{Op, View};

/// Who a bearer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// The auth that asks.
    pub auth: SubjectId,
    /// Its `_auth/id`, or its subject id if it has none.
    pub id: String,
    /// Its lowest user.
    pub user: Option<SubjectId>,
    /// That user's name.
    pub username: Option<String>,
    /// The `_role/id` of its roles, as far as it sees them, in order.
    pub roles: Vec<String>,
    /// The database, `network/name`.
    pub database: String,
    /// The token by which it asks, if it asks by one.
    pub token: Option<OwnToken>,
}

/// The token by which a bearer asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnToken {
    /// Its id.
    pub id: String,
    /// What kind it is.
    pub kind: TokenKind,
    /// What its bearer calls it.
    pub name: Option<String>,
    /// When it was issued, Unix milliseconds.
    pub issued_ms: i64,
    /// When it ends, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

impl WhoAmI {
    /// What is told of an author.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing.
    pub(super) fn of(
        author: &Author,
        state: &State,
        database: &str,
        now_ms: i64,
        budget: &crate::base::Budget,
    ) -> Result<Self, Error> {
        let facts = &state.snapshot;
        let auth = author.auth();
        let reads = state.policy.permissions(auth, &Op::query(), facts)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let user = reads.user();
        let held: Vec<SubjectId> = reads.roles().iter().copied().collect();
        let schema = std::sync::Arc::clone(state.policy.schema());
        let sight = View::new(reads, schema, facts, now_ms, budget);
        let mut roles = Vec::new();
        for role in held {
            roles.extend(text(role, predicate::ROLE_ID, &sight)?);
        }
        Ok(Self {
            auth,
            id: name_of(auth, facts)?,
            user,
            username: match user {
                Some(user) => text(user, predicate::USER_USERNAME, facts)?,
                None => None,
            },
            roles,
            database: database.to_owned(),
            token: OwnToken::of(author, facts)?,
        })
    }
}

impl OwnToken {
    fn of(author: &Author, facts: &dyn Facts) -> Result<Option<Self>, Error> {
        Ok(match author {
            Author::Auth(_) | Author::Signer(_) | Author::Certified(_) => None,
            Author::Bearer(identity) => Some(Self {
                id: identity.token_id.clone(),
                kind: TokenKind::Access,
                name: None,
                issued_ms: identity.issued_at_s.saturating_mul(1_000),
                expires_ms: identity.expires_at_s.map(|end| end.saturating_mul(1_000)),
            }),
            Author::Program(program) => Record::named(program.id(), facts)?.map(|record| Self {
                id: program.id().to_owned(),
                kind: TokenKind::Api,
                name: record.name.as_deref().map(str::to_owned),
                issued_ms: record.issued_ms.unwrap_or_default(),
                expires_ms: record.expires_ms,
            }),
        })
    }
}

fn text(
    s: SubjectId,
    p: crate::model::PredicateId,
    facts: &dyn Facts,
) -> Result<Option<String>, Error> {
    Ok(match facts.value_list(s, p)?.into_iter().next() {
        Some(Value::String(text)) => Some(text.to_string()),
        _ => None,
    })
}
