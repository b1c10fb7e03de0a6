//! Where in a JSON text something stands (RFC 6901).

use std::fmt;
use std::sync::Arc;

/// A JSON pointer: empty for the whole text, else `/key/0/key`. Cheap to clone: each stage of a transaction hands on
/// the place of each value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Arc<str>);

impl Pointer {
    /// The whole text.
    pub fn root() -> Self {
        Self::default()
    }

    /// The member `key` of the object at this place.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let is_plain = !key.contains(['~', '/']);
        Self(Arc::from(if is_plain {
            [&self.0, "/", key].concat()
        } else {
            let escaped = key.replace('~', "~0").replace('/', "~1");
            [&self.0, "/", &escaped].concat()
        }))
    }

    /// The item at `index`, from 0, of the array at this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(Arc::from(format!("{}/{index}", self.0)))
    }

    /// The place `inside` what stands at this place.
    #[must_use]
    pub fn join(&self, inside: &Self) -> Self {
        Self(Arc::from(format!("{}{}", self.0, inside.0)))
    }

    /// The pointer as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_tilde_and_slash() {
        let root = Pointer::root();
        assert_eq!(root.as_str(), "");
        assert_eq!(root.key("select").index(2).as_str(), "/select/2");
        assert_eq!(root.key("a/b~c").as_str(), "/a~1b~0c");
        assert_eq!(root.key("").as_str(), "/");
        let inside = root.key("b");
        assert_eq!(root.index(0).join(&inside).as_str(), "/0/b");
    }
}
