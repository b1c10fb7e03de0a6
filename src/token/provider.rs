//! The cryptography that jsonwebtoken runs on: Ed25519 by dalek, verified strictly, and nothing else.
//!
//! jsonwebtoken keeps one provider for the whole process and panics without one. So [`ready`] runs before
//! anything else here: it installs ours, lives with another that an embedding application installed first, and
//! tries a signature, so that a provider that cannot serve is an error and no panic.
//! Where panics abort the process, a placeholder that panics cannot be caught; an application that uses
//! jsonwebtoken itself installs a provider before its first use, as that crate asks.
//!
//! Another's provider may verify less strictly; [`ready`] says whose it is, and the verifier then verifies
//! once more by itself.

use std::panic;
use std::sync::OnceLock;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use jsonwebtoken::crypto::{self, CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use zeroize::Zeroizing;

use super::error::Error;

/// What stands before the 32 bytes of an Ed25519 key in PKCS8 version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Whose provider serves this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Ours.
    Ours,
    /// One that the application installed.
    Another,
}

/// Installs the provider once, and tries it.
///
/// # Errors
/// `Provider` if another provider stands there and cannot do Ed25519.
pub(super) fn ready() -> Result<Whose, Error> {
    static READY: OnceLock<Option<Whose>> = OnceLock::new();
    READY
        .get_or_init(|| {
            let whose = match PROVIDER.install_default() {
                Ok(()) => Whose::Ours,
                Err(_) => Whose::Another,
            };
            // The placeholder for a missing provider panics, and another's may.
            let tried = panic::catch_unwind(works);
            matches!(tried, Ok(true)).then_some(whose)
        })
        .ok_or(Error::Provider)
}

/// The PKCS8 version 1 bytes of a key.
pub(super) fn pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + seed.len()));
    der.extend_from_slice(&PKCS8_PREFIX);
    der.extend_from_slice(seed);
    der
}

/// Whether a signature verifies, and a wrong one does not.
fn works() -> bool {
    let seed = [7; 32];
    let public = SigningKey::from_bytes(&seed).verifying_key();
    let signing = EncodingKey::from_ed_der(&pkcs8(&seed));
    let verifying = DecodingKey::from_ed_der(public.as_bytes());
    let Ok(signature) = crypto::sign(b"solon", &signing, Algorithm::EdDSA) else {
        return false;
    };
    let verifies = |message: &[u8]| {
        crypto::verify(&signature, message, &verifying, Algorithm::EdDSA).unwrap_or(false)
    };
    verifies(b"solon") && !verifies(b"nolos")
}

struct Ed25519Signer(SigningKey);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        use ed25519_dalek::Signer as _;
        Ok(self
            .0
            .try_sign(message)
            .map_err(|_| SignatureError::new())?
            .to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError::new())?;
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the provider's function has this type"
)]
fn signer(
    algorithm: &Algorithm,
    key: &EncodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let seed: &[u8; 32] = key
        .as_bytes()
        .strip_prefix(&PKCS8_PREFIX)
        .and_then(|seed| seed.try_into().ok())
        .ok_or(ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(Ed25519Signer(SigningKey::from_bytes(seed))))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the provider's function has this type"
)]
fn verifier(
    algorithm: &Algorithm,
    key: &DecodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let public: &[u8; 32] = key
        .try_get_as_bytes()?
        .try_into()
        .map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let public = VerifyingKey::from_bytes(public).map_err(|_| ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(Ed25519Verifier(public)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_ours_and_works_however_often_it_is_asked() {
        assert_eq!(ready(), Ok(Whose::Ours));
        assert_eq!(ready(), Ok(Whose::Ours));
        assert!(PROVIDER.install_default().is_err());
    }

    #[test]
    fn no_other_algorithm_and_no_key_of_another_size_is_taken() {
        let secret = EncodingKey::from_secret(&[7; 32]);
        assert!(signer(&Algorithm::HS256, &secret).is_err());
        assert!(signer(&Algorithm::EdDSA, &secret).is_err());
        assert!(signer(&Algorithm::EdDSA, &EncodingKey::from_ed_der(&[7; 32])).is_err());
        assert!(verifier(&Algorithm::HS256, &DecodingKey::from_secret(&[7; 32])).is_err());
        assert!(verifier(&Algorithm::EdDSA, &DecodingKey::from_ed_der(&[7; 31])).is_err());
    }
}
