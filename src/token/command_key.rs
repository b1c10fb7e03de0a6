//! A key pair that signs commands. Its private half never leaves its holder but by [`CommandKey::private_hex`] and
//! a key file.
//!
//! Shape of a file: the key as PKCS8 in PEM, as in a key folder and as `openssl genpkey -algorithm ed25519` writes
//! it, or its 64 hexadecimal digits. It is readable by its owner alone (0600).

use std::fmt;
use std::path::Path;

use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::error::Error;
use super::signer::{CommandSignature, SignerKey};
use super::{files, hex};

/// A key pair that signs commands. It is wiped when dropped.
pub struct CommandKey(SigningKey);

impl CommandKey {
    /// A new key pair.
    ///
    /// # Errors
    /// `Random` if the system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| Error::Random)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The key pair whose private half these 64 lower-case hexadecimal digits are, if they are that.
    pub fn parse(private: &str) -> Option<Self> {
        let seed = hex::decode::<32>(private)?;
        Some(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// `KeyFile` if it cannot be read, is open to others than its owner, or holds no such key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read_private(path)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        if let Some(key) = Self::parse(text.trim_ascii_end()) {
            return Ok(key);
        }
        SigningKey::from_pkcs8_pem(text)
            .map(Self)
            .map_err(|_| Error::KeyFile {
                path: path.to_owned(),
                why: "is not an Ed25519 key, in PKCS8 PEM form or as 64 hexadecimal digits"
                    .to_owned(),
            })
    }

    /// Writes a key file where nothing is yet.
    ///
    /// # Errors
    /// `KeyFile` if something is there, or it cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), Error> {
        files::write_new_private(path, self.0.as_bytes())
    }

    /// The public half.
    pub fn public(&self) -> SignerKey {
        SignerKey::new(self.0.verifying_key())
    }

    /// The private half: 64 lower-case hexadecimal digits.
    pub fn private_hex(&self) -> Zeroizing<String> {
        hex::encode(self.0.as_bytes())
    }

    /// Signs the text, byte for byte.
    pub fn sign(&self, text: &str) -> CommandSignature {
        CommandSignature::new(self.0.sign(text.as_bytes()))
    }
}

impl fmt::Debug for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandKey({})", self.public().account_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_account_id_and_nothing_else() {
        let key = CommandKey(SigningKey::from_bytes(&[1; 32]));
        assert_eq!(
            format!("{key:?}"),
            "CommandKey(SoBuu5sinpPtEau1SQSHwovg7Ryvaq7sfzr)"
        );
    }

    #[test]
    fn a_signature_agrees_with_the_one_that_another_program_made() {
        // By Python's cryptography.
        let key = CommandKey::parse(&"01".repeat(32)).unwrap();
        let signature = key.sign(r#"{"type":"tx"}"#);
        assert_eq!(
            signature.to_string(),
            "e0831f37733d56961aecf8d69ea59adce9458f538f7ed710a826b54395215164\
             ccda6837ddefc8d9443399864a2803a837bdc8ee40adad037d34294da6605c01"
        );
        assert!(key.public().verifies(r#"{"type":"tx"}"#, &signature));
        assert!(!key.public().verifies(r#"{"type":"tx" }"#, &signature));
    }
}
