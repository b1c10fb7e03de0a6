//! What a token says: what is asked to be signed, the claims as they stand in it, and what they prove.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::Error;
use crate::base::limits::{ISSUED_AHEAD_MS_MAX, NAME_BYTES_MAX, TOKEN_SECONDS_MAX};
use crate::model::{Incarnation, SubjectId};

/// The name of a database, bytes: two names and a slash.
const AUDIENCE_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

/// A token's id, bytes: room for a hash in hex.
const ID_BYTES_MAX: usize = 64;

/// The latest Unix second whose milliseconds are still a number.
const SECOND_MAX: i64 = i64::MAX / 1_000;

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// The `_auth` that bears it.
    pub subject: SubjectId,
    /// The database, `network/name`.
    pub audience: &'a str,
    /// The database's incarnation.
    pub incarnation: Incarnation,
    /// When it is issued, Unix seconds.
    pub issued_at_s: i64,
    /// How long it lives; without, it has no end of its own.
    pub lifetime_seconds: Option<u64>,
    /// Its id.
    pub id: TokenId,
}

/// What a request expects of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The database, `network/name`.
    pub audience: &'a str,
    /// The database's incarnation.
    pub incarnation: Incarnation,
}

/// What a verified token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The `_auth` it was issued for. Whether there is one is for the snapshot to say.
    pub subject: SubjectId,
    /// The database it is for.
    pub audience: String,
    /// The life of the database it is for.
    pub incarnation: Incarnation,
    /// The token's id: the `_token/id` of its record, if it has one.
    pub token_id: String,
    /// When it was issued, Unix seconds.
    pub issued_at_s: i64,
    /// The first second at which it is no longer valid.
    pub expires_at_s: Option<i64>,
    /// The key that signed it.
    pub kid: String,
}

/// The id of a token: 1 to 64 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(String);

impl TokenId {
    /// A new id of 16 random bytes, base64url.
    ///
    /// # Errors
    /// `Random` if the system gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
        Ok(Self::of_bytes(&bytes))
    }

    /// The id of a record, if it can be one.
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=ID_BYTES_MAX).contains(&id.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (fits && id.bytes().all(plain)).then(|| Self(id.to_owned()))
    }

    /// The id that these bytes spell.
    pub(super) fn of_bytes(bytes: &[u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The bytes that it spells, if it is one of [`TokenId::random`]'s kind.
    pub(super) fn bytes(&self) -> Option<[u8; 16]> {
        URL_SAFE_NO_PAD.decode(&self.0).ok()?.try_into().ok()
    }

    /// The id as it stands in `_token/id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The claims as they stand in a token: these and no others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    // `null` is not the same as absent: a token whose end cannot be read must not live for ever.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    exp: Option<u64>,
    jti: String,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}

impl Claims {
    /// The claims of a grant.
    pub(super) fn of(grant: &Grant<'_>, issuer: &str) -> Result<Self, Error> {
        let audience = grant.audience;
        if audience.is_empty() || audience.len() > AUDIENCE_BYTES_MAX || grant.subject.raw() < 0 {
            return Err(Error::Claims);
        }
        if grant.issued_at_s > SECOND_MAX {
            return Err(Error::Claims);
        }
        let iat = u64::try_from(grant.issued_at_s).map_err(|_| Error::Claims)?;
        let exp = match grant.lifetime_seconds {
            None => None,
            Some(seconds) if (1..=TOKEN_SECONDS_MAX).contains(&seconds) => {
                let exp = iat.checked_add(seconds).ok_or(Error::Claims)?;
                second(exp)?;
                Some(exp)
            }
            Some(_) => {
                return Err(Error::Lifetime {
                    max: TOKEN_SECONDS_MAX,
                });
            }
        };
        Ok(Self {
            iss: issuer.to_owned(),
            sub: grant.subject.to_string(),
            aud: audience.to_owned(),
            iat,
            exp,
            jti: format!("{}.{}", grant.incarnation, grant.id),
        })
    }

    /// What these claims prove when the key `kid` signed them.
    pub(super) fn identity(self, kid: &str) -> Result<Identity, Error> {
        let (incarnation, id) = self.jti.split_once('.').ok_or(Error::Claims)?;
        let id = TokenId::new(id).ok_or(Error::Claims)?;
        let issued_at_s = second(self.iat)?;
        let expires_at_s = self.exp.map(second).transpose()?;
        if expires_at_s.is_some_and(|end| end <= issued_at_s) {
            return Err(Error::Claims);
        }
        Ok(Identity {
            subject: subject(&self.sub)?,
            incarnation: self::incarnation(incarnation)?,
            audience: self.aud,
            token_id: id.0,
            issued_at_s,
            expires_at_s,
            kid: kid.to_owned(),
        })
    }
}

impl Identity {
    /// Whether this is what a request expects at `now_ms`, Unix milliseconds; in the order of the checks.
    pub(super) fn check(&self, expected: &Expected<'_>, now_ms: i64) -> Result<(), Error> {
        if self.audience != expected.audience {
            return Err(Error::Audience);
        }
        if self.incarnation != expected.incarnation {
            return Err(Error::Incarnation);
        }
        let issued_ms = self.issued_at_s.saturating_mul(1_000);
        if issued_ms.saturating_sub(now_ms) > ISSUED_AHEAD_MS_MAX {
            return Err(Error::NotYetValid);
        }
        let past = |end: i64| end.saturating_mul(1_000) <= now_ms;
        if self.expires_at_s.is_some_and(past) {
            return Err(Error::Expired);
        }
        Ok(())
    }
}

fn second(second: u64) -> Result<i64, Error> {
    i64::try_from(second)
        .ok()
        .filter(|second| *second <= SECOND_MAX)
        .ok_or(Error::Claims)
}

/// One id has one spelling, so that no two texts of a claim mean the same.
fn subject(text: &str) -> Result<SubjectId, Error> {
    text.parse()
        .ok()
        .and_then(SubjectId::from_raw)
        .filter(|subject| subject.raw() >= 0 && subject.to_string() == text)
        .ok_or(Error::Claims)
}

fn incarnation(text: &str) -> Result<Incarnation, Error> {
    u128::from_str_radix(text, 16)
        .ok()
        .map(|number| Incarnation(number.to_be_bytes()))
        .filter(|incarnation| incarnation.to_string() == text)
        .ok_or(Error::Claims)
}
