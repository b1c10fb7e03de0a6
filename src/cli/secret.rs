//! A text that nobody is to see: a password or a token. It is wiped when it is let go, and `Debug` tells nothing.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// A secret text.
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    /// The text as a secret.
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the secret out of the member of an answer, and leaves nothing there.
    pub(super) fn take(answer: &mut serde_json::Value, member: &str) -> Option<Self> {
        match answer.get_mut(member)?.take() {
            serde_json::Value::String(text) => Some(Self::new(text)),
            _ => None,
        }
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Wipes every text of a JSON value that held a secret.
pub(super) fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(wipe),
        serde_json::Value::Object(members) => members.values_mut().for_each(wipe),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_its_debug_and_is_taken_once() {
        let mut answer = serde_json::json!({"token": "hush", "n": 1});
        let secret = Secret::take(&mut answer, "token").unwrap();
        assert_eq!(secret.expose(), "hush");
        assert!(!format!("{secret:?}").contains("hush"));
        assert!(Secret::take(&mut answer, "token").is_none());
        assert!(Secret::take(&mut answer, "n").is_none());
        assert!(Secret::take(&mut answer, "absent").is_none());
    }

    #[test]
    fn wiping_leaves_no_text() {
        let mut value = serde_json::json!({"a": ["hush", {"b": "hush"}], "n": 1});
        wipe(&mut value);
        assert!(!value.to_string().contains("hush"));
    }
}
