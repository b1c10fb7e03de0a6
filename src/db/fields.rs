//! The members of a request that is one JSON object: each read once, and none left over.

use zeroize::Zeroizing;

use super::error::{Error, ErrorKind};
use crate::base::limits::TOKEN_SECONDS_MAX;
use crate::query::{Json, Pointer};

/// The members that are not read yet.
pub(super) struct Fields(Vec<(String, Json)>);

impl Fields {
    /// Reads a request.
    ///
    /// # Errors
    /// `Invalid` if it is no JSON object.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        match Json::read(text)? {
            Json::Object(entries) => Ok(Self(entries)),
            _ => Err(invalid(&Pointer::root(), "the request is an object")),
        }
    }

    /// The same, of a request that may be left out.
    ///
    /// # Errors
    /// As [`Fields::read`].
    pub(super) fn read_or_none(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Self::read(text)
    }

    /// A member of any kind.
    pub(super) fn any(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A text.
    ///
    /// # Errors
    /// `Invalid` if it is something else.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        match self.any(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(&place(key), format!("`{key}` is a text"))),
        }
    }

    /// A text that is wiped when it is dropped.
    ///
    /// # Errors
    /// `Invalid` if it is something else.
    pub(super) fn secret(&mut self, key: &str) -> Result<Option<Zeroizing<String>>, Error> {
        Ok(self.text(key)?.map(Zeroizing::new))
    }

    /// A text that must be there and is wiped when it is dropped.
    ///
    /// # Errors
    /// `Invalid` if it is missing, or something else.
    pub(super) fn needed_secret(&mut self, key: &str) -> Result<Zeroizing<String>, Error> {
        self.secret(key)?.ok_or_else(|| missing(key))
    }

    /// `true` or `false`; without it, false.
    ///
    /// # Errors
    /// `Invalid` if it is something else.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, Error> {
        match self.any(key) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(_) => Err(invalid(&place(key), format!("`{key}` is true or false"))),
        }
    }

    /// A number of seconds that a token may live.
    ///
    /// # Errors
    /// `Invalid` if it is something else.
    pub(super) fn seconds(&mut self, key: &str) -> Result<Option<u64>, Error> {
        let Some(json) = self.any(key) else {
            return Ok(None);
        };
        let seconds = match json {
            Json::Int(seconds) => u64::try_from(seconds).ok(),
            _ => None,
        };
        let seconds = seconds.filter(|it| (1..=TOKEN_SECONDS_MAX).contains(it));
        if seconds.is_none() {
            let why = format!("`{key}` is a whole number from 1 to {TOKEN_SECONDS_MAX}");
            return Err(invalid(&place(key), why));
        }
        Ok(seconds)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Invalid` if a member is left.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.0.into_iter().map(|(key, _)| key).min() {
            None => Ok(()),
            Some(key) => {
                let why = format!("`{key}` is no part of this request");
                Err(invalid(&place(&key), why))
            }
        }
    }
}

/// The place of a member.
pub(super) fn place(key: &str) -> Pointer {
    Pointer::root().key(key)
}

/// A member that is needed is not there.
pub(super) fn missing(key: &str) -> Error {
    invalid(&Pointer::root(), format!("this request needs `{key}`"))
}

/// A request that is none.
pub(super) fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_read_once_and_none_is_left_over() {
        let mut fields = Fields::read(r#"{"a": "x", "b": true, "c": 7, "d": null}"#).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("a").unwrap(), None);
        assert!(fields.flag("b").unwrap());
        assert!(!fields.flag("b").unwrap());
        assert_eq!(fields.seconds("c").unwrap(), Some(7));
        let error = fields.end().unwrap_err();
        assert_eq!(error.at(), Some("/d"));
        assert_eq!(error.code(), "db/invalid-request");
    }

    #[test]
    fn a_member_of_another_kind_is_refused_at_its_place() {
        let read = || Fields::read(r#"{"a": 1, "c": 0}"#).unwrap();
        assert_eq!(read().text("a").unwrap_err().at(), Some("/a"));
        assert_eq!(read().secret("a").unwrap_err().at(), Some("/a"));
        assert_eq!(read().flag("a").unwrap_err().at(), Some("/a"));
        assert_eq!(read().seconds("c").unwrap_err().at(), Some("/c"));
        assert_eq!(read().needed_secret("z").unwrap_err().at(), Some(""));
        assert!(Fields::read("[]").is_err());
        assert!(Fields::read("").is_err());
        assert!(Fields::read_or_none("").is_ok());
    }
}
