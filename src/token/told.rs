//! What a token says of itself, for who holds one and wonders what it is.
//!
//! Nothing is verified: anybody can write a token that says anything. So what stands here is to be shown and never
//! to be acted on.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::claims::TokenId;
use super::opaque::{API, REFRESH, RESET, decode, take};
use crate::base::limits::TOKEN_BYTES_MAX;
use crate::model::{Incarnation, SubjectId};

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// An access token: its header and its claims, each a JSON text.
    Access {
        /// The header.
        header: String,
        /// The claims.
        claims: String,
    },
    /// An API token.
    Api {
        /// The life of the database that it is for.
        incarnation: Incarnation,
        /// The `_token/id` of its record.
        id: TokenId,
    },
    /// A refresh token.
    Refresh {
        /// The life of the database that it is for.
        incarnation: Incarnation,
        /// The `_token/id` of its family's record.
        family: TokenId,
        /// Which one of its family it is, from 1.
        generation: u32,
    },
    /// A token that sets a password.
    Reset {
        /// The life of the database that it is for.
        incarnation: Incarnation,
        /// Whose password.
        auth: SubjectId,
    },
}

/// Reads what a token says of itself; `None` if it is spelled like none of ours.
pub fn told(text: &str) -> Option<Told> {
    if text.starts_with(REFRESH) {
        let bytes = decode::<68>(text, REFRESH).ok()?;
        let mut rest = bytes.as_slice();
        return Some(Told::Refresh {
            incarnation: Incarnation(take(&mut rest).ok()?),
            family: TokenId::of_bytes(&take(&mut rest).ok()?),
            generation: u32::from_be_bytes(take(&mut rest).ok()?),
        });
    }
    if text.starts_with(RESET) {
        let bytes = decode::<56>(text, RESET).ok()?;
        let mut rest = bytes.as_slice();
        return Some(Told::Reset {
            incarnation: Incarnation(take(&mut rest).ok()?),
            auth: SubjectId::from_raw(i64::from_be_bytes(take(&mut rest).ok()?))?,
        });
    }
    if text.starts_with(API) {
        let bytes = decode::<64>(text, API).ok()?;
        let mut rest = bytes.as_slice();
        return Some(Told::Api {
            incarnation: Incarnation(take(&mut rest).ok()?),
            id: TokenId::of_bytes(&take(&mut rest).ok()?),
        });
    }
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = text.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let json = |part: &str| {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(part).ok()?);
        str::from_utf8(&bytes).ok().map(str::to_owned)
    };
    Some(Told::Access {
        header: json(header)?,
        claims: json(claims)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{ApiToken, ResetToken};

    #[test]
    fn each_kind_tells_what_it_was_made_of_and_not_its_secret() {
        let incarnation = Incarnation([7; 16]);
        let api = ApiToken::generate(incarnation).unwrap();
        let id = api.id().clone();
        assert_eq!(told(api.text()), Some(Told::Api { incarnation, id }));
        let auth = SubjectId::from_raw(5 << 44).unwrap();
        let reset = ResetToken::generate(incarnation, auth).unwrap();
        assert_eq!(told(reset.text()), Some(Told::Reset { incarnation, auth }));
        let bytes = [&[7; 16][..], &[1; 16], &[0, 0, 1, 2], &[9; 32]].concat();
        let refresh = format!("{REFRESH}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(
            told(&refresh),
            Some(Told::Refresh {
                incarnation,
                family: TokenId::of_bytes(&[1; 16]),
                generation: 258
            })
        );
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let access = format!("{}.{}.c2ln", part("{\"alg\":1}"), part("{}"));
        let told_access = Told::Access {
            header: "{\"alg\":1}".to_owned(),
            claims: "{}".to_owned(),
        };
        assert_eq!(told(&access), Some(told_access));
    }

    #[test]
    fn what_is_no_token_tells_nothing() {
        for text in [
            "",
            "a",
            "a.b",
            "e30.e30.",
            "e30.e30.c2ln.x",
            "e3.e30.c2ln",
            "e30.?.c2ln",
            "solon_",
            "solon_AAAA",
            "solonr_AAAA",
            "solonp_AAAA",
            "solonx_AAAA",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
        let claims = "A".repeat(TOKEN_BYTES_MAX);
        assert_eq!(told(&format!("e30.{claims}.c2ln")), None);
    }
}
