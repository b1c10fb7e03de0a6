//! Which names collections and predicates may have.

use crate::base::limits::NAME_BYTES_MAX;

/// Whether a user's collection may have this name: a letter or digit first, then also `.`, `-` and `_`.
///
/// Names that begin with `_` are the system's. `__` and `_Via_` are kept free for names made of two.
pub fn is_collection_name(name: &str) -> bool {
    is_part(name) && !name.contains("__") && !name.contains("_Via_")
}

/// Whether a predicate may have this full name: a collection's name, a slash, and a name of its own.
pub fn is_predicate_name(name: &str) -> bool {
    let Some((collection, own)) = name.split_once('/') else {
        return false;
    };
    let collection = collection.strip_prefix('_').unwrap_or(collection);
    is_part(collection) && is_part(own) && !name.contains("__") && !name.contains("_Via_")
}

/// A full name's two parts: the collection's name and the predicate's own.
pub fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once('/')
}

fn is_part(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (name, collection, predicate) in [
            ("person", true, false),
            ("2person.a-b_c", true, false),
            ("_person", false, false),
            ("a__b", false, false),
            ("chat_Via_person", false, false),
            ("per son", false, false),
            ("", false, false),
            ("person/handle", false, true),
            ("_user/nick", false, true),
            ("person/_handle", false, false),
            ("person/a/b", false, false),
            ("/a", false, false),
            ("a/", false, false),
        ] {
            assert_eq!(is_collection_name(name), collection, "{name}");
            assert_eq!(is_predicate_name(name), predicate, "{name}");
        }
    }

    #[test]
    fn a_name_part_may_have_255_bytes_and_no_more() {
        assert!(is_collection_name(&"a".repeat(NAME_BYTES_MAX)));
        assert!(!is_collection_name(&"a".repeat(NAME_BYTES_MAX + 1)));
    }
}
