//! Who signed a command: an Ed25519 public key, and whether a signature of a text is its own.
//!
//! 1. A key has one spelling: 64 lower-case hexadecimal digits of the one encoding that its point has. A point of
//!    small order, under which one signature is good for many texts, is no key.
//! 2. A signature is verified strictly: no small order, no `s` beyond the group's order, no cofactor. So whoever
//!    has a signature cannot make another of it.
//! 3. What is signed is the text itself, byte for byte. A command begins with `{`, and the signed part of a token
//!    with a letter, so that neither passes for the other should one key serve for both.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use super::account::account_id;
use super::hex;

/// A public key that signs commands.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKey(VerifyingKey);

/// A signature of a command, not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSignature(Signature);

impl SignerKey {
    /// The key that 64 lower-case hexadecimal digits spell, if they spell one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode::<32>(text)?;
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        let is_canonical = key.to_edwards().compress().as_bytes() == &*bytes;
        (is_canonical && !key.is_weak()).then_some(Self(key))
    }

    /// The key that stands in for one that is not there, so that a name without a key takes as long to refuse as a
    /// wrong signature. It is RFC 8032's first example, whose private half is public: nothing is decided by it.
    pub fn stand_in() -> Option<Self> {
        Self::parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    }

    pub(super) const fn new(key: VerifyingKey) -> Self {
        Self(key)
    }

    /// Whether the signature is this key's, of exactly this text.
    pub fn verifies(&self, text: &str, signature: &CommandSignature) -> bool {
        self.0.verify_strict(text.as_bytes(), &signature.0).is_ok()
    }

    /// The account id: the name that its `_auth/id` has by custom.
    pub fn account_id(&self) -> String {
        account_id(self.0.as_bytes())
    }
}

impl CommandSignature {
    /// The signature that 128 lower-case hexadecimal digits spell.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode::<64>(text)?;
        Some(Self(Signature::from_bytes(&bytes)))
    }

    pub(super) const fn new(signature: Signature) -> Self {
        Self(signature)
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.account_id())
    }
}

impl fmt::Display for CommandSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_small_order_or_in_another_spelling_is_none() {
        let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        assert_eq!(SignerKey::parse(key).unwrap().to_string(), key);
        for text in [
            "",
            "8a88",
            // Upper case.
            "8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C",
            // The neutral element, the points of order 2, 4 and 8, and a neutral element in another encoding.
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            // A y beyond the prime, and an even one that is on no point.
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(SignerKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_key_that_stands_in_is_one() {
        assert!(SignerKey::stand_in().is_some());
    }
}
