//! A key pair that signs commands: `private`, `public`, `account-id`.

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::token::CommandKey;

/// A key pair. The private half is told once, to who asked for it, and kept nowhere.
#[derive(Serialize)]
pub struct NewKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<Secret>,
    public: String,
    #[serde(rename = "account-id")]
    account_id: String,
}

/// A text that is wiped when it is dropped.
struct Secret(Zeroizing<String>);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl NewKeys {
    /// The same without the private half.
    #[must_use]
    pub fn without_private(mut self) -> Self {
        self.private = None;
        self
    }

    /// The private half, 64 hexadecimal digits, unless it is left out.
    pub fn private(&self) -> Option<&str> {
        self.private.as_ref().map(|it| it.0.as_str())
    }

    /// The public half, 64 hexadecimal digits.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The account id.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }
}

impl From<&CommandKey> for NewKeys {
    fn from(key: &CommandKey) -> Self {
        let public = key.public();
        Self {
            private: Some(Secret(key.private_hex())),
            account_id: public.account_id(),
            public: public.to_string(),
        }
    }
}

impl std::fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The private half is a secret.
        f.debug_struct("NewKeys")
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_has_the_members_that_were_promised() {
        let key = CommandKey::parse(&"01".repeat(32)).unwrap();
        let told = |keys: &NewKeys| serde_json::to_value(keys).unwrap();
        let mut expected = serde_json::json!({
            "private": "01".repeat(32),
            "public": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "account-id": "SoBuu5sinpPtEau1SQSHwovg7Ryvaq7sfzr",
        });
        assert_eq!(told(&NewKeys::from(&key)), expected);
        expected.as_object_mut().unwrap().remove("private");
        assert_eq!(told(&NewKeys::from(&key).without_private()), expected);
    }
}
