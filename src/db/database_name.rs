//! The name of a database: `network/name`.
//!
//! A part is a lower-case letter or a digit, then up to 99 of these and hyphens. So a name is a path without tricks,
//! means one file on every system, and has one spelling beside `network.name`.

use std::fmt;
use std::sync::Arc;

use crate::base::limits::DATABASE_NAME_BYTES_MAX;

/// The database that a new folder has.
pub(super) const DEFAULT: &str = "local/default";

/// The database of accounts, and of what databases there are.
pub(super) const MASTER: &str = "solon/master";

/// The operators' own network, which no account owns.
pub(super) const LOCAL: &str = "local";

/// The engine's network.
const ENGINE: &str = "solon";

/// Folders of a data folder that hold no databases that are there.
const NO_NETWORKS: [&str; 3] = ["keys", "deleted", "new"];

/// The name of a database that may be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DatabaseName(Arc<str>);

impl DatabaseName {
    /// The name that a text spells, if it is one: `network/name`, or `network.name`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (network, name) = text.split_once('/').or_else(|| text.split_once('.'))?;
        let is_free = network != ENGINE && !NO_NETWORKS.contains(&network);
        let full = format!("{network}/{name}");
        let is_one = is_part(network) && is_part(name) && (is_free || full == MASTER);
        is_one.then(|| Self(Arc::from(full)))
    }

    /// The database that a new folder has.
    pub(super) fn of_default() -> Self {
        Self(Arc::from(DEFAULT))
    }

    /// The database of accounts and databases.
    pub(super) fn of_master() -> Self {
        Self(Arc::from(MASTER))
    }

    /// `network/name`.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// `network/name`, shared.
    pub(super) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// `network.name`.
    pub(super) fn dotted(&self) -> String {
        self.0.replacen('/', ".", 1)
    }

    /// The part before the slash.
    pub(super) fn network(&self) -> &str {
        self.0.split_once('/').map_or("", |(network, _)| network)
    }

    /// Whether it is one of the two that every folder has.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.as_str(), DEFAULT | MASTER)
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an account may have this name, which is its network's.
pub(super) fn is_account(name: &str) -> bool {
    is_part(name) && name != ENGINE && name != LOCAL && !NO_NETWORKS.contains(&name)
}

fn is_part(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=DATABASE_NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| is_letter(byte) || byte == b'-')
        && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_two_plain_parts() {
        let long = "a".repeat(DATABASE_NAME_BYTES_MAX);
        for text in [
            "local/default",
            "local.default",
            "solon/master",
            "solon.master",
            "a/b",
            "0/9",
            "acme-1/sales-eu",
            "acme.sales",
            &format!("{long}/{long}"),
        ] {
            let name = DatabaseName::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(name.as_str(), text.replacen('.', "/", 1));
            assert_eq!(DatabaseName::parse(&name.dotted()), Some(name));
        }
        for text in [
            "",
            "/",
            ".",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a.b/c",
            "a/b.c",
            "a.b.c",
            "../a",
            "a/..",
            "./a",
            "A/b",
            "a/B",
            "-a/b",
            "a/-b",
            "a/b\0",
            "a/b ",
            "a\\b",
            "a/é",
            "a_b/c",
            "solon/other",
            "solon/default",
            "keys/a",
            "deleted/a",
            "new/a",
            &format!("{long}a/b"),
            &format!("a/{long}a"),
        ] {
            assert_eq!(DatabaseName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_account_takes_no_network_that_is_another_s() {
        for name in ["acme", "a", "0"] {
            assert!(is_account(name), "{name}");
        }
        for name in [
            "", "solon", "local", "keys", "deleted", "new", "A", "a/b", "a.b", "..",
        ] {
            assert!(!is_account(name), "{name}");
        }
    }
}
