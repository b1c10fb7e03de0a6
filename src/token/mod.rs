//! Who is asking: the keys of a data folder, the access tokens they sign, and what a verified token proves.
//!
//! It is not what the bearer may do: no token carries a role or a right, and this room reads no facts. That the
//! auth exists, that its `validAfter` allows the token's `iat`, and that the token's record is not revoked is
//! for those above to find in their snapshot.
//!
//! 1. The algorithm is the key's, Ed25519, and never the header's.
//! 2. The header is `alg`, `kid` and `typ`, the claims are `iss sub aud iat exp? jti`. Anything else was not
//!    made by us, and is refused even if it is signed.
//! 3. Verification checks in the order of the variants of [`Error`], and the first that fails is told.
//! 4. There is no leeway: a token is valid from its `iat` until before its `exp`. But `iat` may be ahead by two
//!    seconds, because a `validAfter` is rounded up, perhaps twice, and a mint within that time takes it as its `iat`.
//! 5. No text of an error holds the token, and nothing here is printed or logged.
//!
//! Shape of a token: a compact JWS (RFC 7515). Header `{"typ":"at+jwt","alg":"EdDSA","kid":K}`, where `typ` is
//! the spelling of RFC 9068, so that no other kind of JWT passes for an access token, and K is the key's RFC 7638
//! thumbprint. `sub` is the `_auth` subject id in decimal; `aud` is the database, `network/name`; `iat` and
//! `exp` are whole Unix seconds; `jti` is the database's incarnation in hex, a dot, and a [`TokenId`].
//!
//! Beside tokens stand the keys that sign commands, [`CommandKey`], and what verifies them, [`SignerKey`]: those are
//! of whoever holds them, and no key of the folder.
//!
//! A client certificate proves names, [`CertificateName`]; that it is good is verified where TLS is spoken.
//!
//! The path: [`Keys::load_or_create`] at start, [`Keys::sign`] for a mint, [`Verifier::verify`] for each request.

mod account;
mod cache;
mod certificate;
mod claimed;
mod claims;
mod command_key;
mod error;
mod files;
mod hex;
mod key_folder;
mod keys;
mod opaque;
mod password;
mod password_record;
mod provider;
mod rotation;
mod signer;
mod told;
mod verifier;
mod watch;

pub use certificate::CertificateName;
pub use claimed::claimed_audience;
pub use claims::{Expected, Grant, Identity, TokenId};
pub use command_key::CommandKey;
pub use error::Error;
pub use key_folder::RevokedKey;
pub use keys::{KeyState, Keys, PublicKey};
pub use opaque::{ApiToken, RefreshToken, ResetToken};
pub use password::{PasswordCheck, PasswordCost, check_password, hash_password, password_scheme};
pub use password_record::PasswordScheme;
pub use rotation::{
    KeyStart, ListedKey, ListedKeys, list_keys, revoke_key, revoke_refresh_tokens, rotate_keys,
};
pub use signer::{CommandSignature, SignerKey};
pub use told::{Told, told};
pub use verifier::Verifier;
