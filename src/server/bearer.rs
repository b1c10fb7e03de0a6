//! Which token a request carries (RFC 6750, section 2.1: the `Authorization` header and nothing else).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// What a request says about its bearer.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing at all.
    None,
    /// One token, not yet verified.
    Token(String),
    /// Something that is not one bearer token. It is never read as nothing.
    Malformed,
}

/// Reads the credential out of the headers.
pub(super) fn credential(headers: &HeaderMap) -> Credential {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = sent.next() else {
        return Credential::None;
    };
    if sent.next().is_some() {
        return Credential::Malformed;
    }
    let token = first.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        let token = token.trim_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then(|| token.to_owned())
    });
    token.map_or(Credential::Malformed, Credential::Token)
}

/// Whether the text has the letters of RFC 6750's `b64token`.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Malformed => "Malformed",
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn exactly_one_bearer_token_is_a_credential() {
        let token = |text: &str| Credential::Token(text.to_owned());
        for (sent, expected) in [
            (vec![], Credential::None),
            (vec!["Bearer a.b-c_d"], token("a.b-c_d")),
            (vec!["bearer a"], token("a")),
            (vec!["BEARER   a "], token("a")),
            (vec!["Bearer"], Credential::Malformed),
            (vec!["Bearer "], Credential::Malformed),
            (vec![""], Credential::Malformed),
            (vec!["Basic YTpi"], Credential::Malformed),
            (vec!["Bearer a b"], Credential::Malformed),
            (vec!["Bearer a, Bearer b"], Credential::Malformed),
            (vec!["Bearer a\tb"], Credential::Malformed),
            (vec!["Bearer a", "Bearer a"], Credential::Malformed),
            (vec!["", "Bearer a"], Credential::Malformed),
        ] {
            let mut headers = HeaderMap::new();
            for value in &sent {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(credential(&headers), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_header_that_is_no_text_is_malformed() {
        let mut headers = HeaderMap::new();
        headers.append(
            AUTHORIZATION,
            HeaderValue::from_bytes(b"Bearer \xff").unwrap(),
        );
        assert_eq!(credential(&headers), Credential::Malformed);
    }
}
