//! The public keys that verify access tokens, as a JWK set (RFC 7517, section 5; RFC 8037, section 2).

use serde::Serialize;

use crate::token::PublicKey;

/// The set.
#[derive(Debug, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
}

impl From<Vec<PublicKey>> for JwkSet {
    fn from(keys: Vec<PublicKey>) -> Self {
        let jwk = |PublicKey { kid, x }| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            x,
            kid,
            usage: "sig",
            alg: "EdDSA",
        };
        Self {
            keys: keys.into_iter().map(jwk).collect(),
        }
    }
}
