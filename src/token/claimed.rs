//! What a token says of itself before anything of it is believed: which database it is for.
//!
//! It only chooses against which database the token is verified. A token that claims another's name is refused there
//! by its signature, its audience or its incarnation, as if nothing had been asked before.

use jsonwebtoken::dangerous;
use serde::Deserialize;

use crate::base::limits::TOKEN_BYTES_MAX;

#[derive(Deserialize)]
struct Claimed {
    aud: String,
}

/// The audience that a token claims, if it has the shape of one that claims any. Nothing of it is verified.
pub fn claimed_audience(token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let claimed: Result<Claimed, _> = dangerous::insecure_decode_claims(token);
    claimed.ok().map(|claimed| claimed.aud)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_of_whatever_has_the_shape_and_of_nothing_else() {
        // {"alg":"none"} and {"aud":"a/b"}
        let claims = "eyJhdWQiOiJhL2IifQ";
        let token = format!("eyJhbGciOiJub25lIn0.{claims}.");
        assert_eq!(claimed_audience(&token).as_deref(), Some("a/b"));
        for wrong in ["", "a", "a.b.c", "..", "solon_abc", claims] {
            assert_eq!(claimed_audience(wrong), None, "{wrong}");
        }
        let long = format!("{token}{}", "A".repeat(TOKEN_BYTES_MAX));
        assert_eq!(claimed_audience(&long), None);
    }
}
