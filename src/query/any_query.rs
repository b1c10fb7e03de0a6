//! A query of any kind: one request, or several under names.

use super::error::Error;
use super::json::Json;
use super::multi_query::MultiQuery;
use super::request::Request;

/// One request, or several under names.
#[derive(Clone, Debug)]
pub enum AnyQuery {
    /// One request.
    One(Request),
    /// Several.
    Many(MultiQuery),
}

impl AnyQuery {
    /// Reads what may be of any kind.
    ///
    /// # Errors
    /// As [`Request::read`] and [`MultiQuery::read`].
    pub fn read(json: &Json) -> Result<Self, Error> {
        match json {
            Json::Object(members) if !Request::is_one(members) && MultiQuery::is(members) => {
                Ok(Self::Many(MultiQuery::read(json)?))
            }
            json => Ok(Self::One(Request::read(json)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Result<&'static str, String> {
        match AnyQuery::read(&Json::read(text).unwrap()) {
            Ok(AnyQuery::One(Request::Query(_))) => Ok("query"),
            Ok(AnyQuery::One(Request::Block(_))) => Ok("block"),
            Ok(AnyQuery::One(Request::History(_))) => Ok("history"),
            Ok(AnyQuery::Many(_)) => Ok("multi"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn its_keys_tell_what_is_asked() {
        for (text, expected) in [
            (r#"{"select": ["*"], "from": "person"}"#, "query"),
            (
                r#"{"select": ["*"], "from": "person", "block": 3}"#,
                "query",
            ),
            (
                r#"{"selectOne": {"?p": ["*"]}, "where": [["?p", "rdf:type", "person"]]}"#,
                "query",
            ),
            (r#"{"block": 3}"#, "block"),
            (r#"{"prettyPrint": true, "block": [3]}"#, "block"),
            (r#"{"history": 5}"#, "history"),
            (r#"{"history": 5, "block": 3}"#, "history"),
            (r#"{"a": {"select": ["*"], "from": "person"}}"#, "multi"),
            (r#"{"a": {"history": 5}, "b": {}, "block": 3}"#, "multi"),
            (r#"{"a": {"selct": ["*"], "from": "person"}}"#, "multi"),
            (
                r#"{"history": {"block": 5}, "block": {"block": 3}}"#,
                "error",
            ),
        ] {
            assert_eq!(kind(text).unwrap_or("error"), expected, "{text}");
        }
    }

    #[test]
    fn what_is_misspelt_is_told_as_such() {
        for (text, why) in [
            (
                r#"{"selct": ["*"], "from": "person"}"#,
                "a query has no `selct`",
            ),
            (r#"{"selct": {"?p": ["*"]}}"#, "a query has no `selct`"),
            (
                r#"{"select": ["*"], "form": "person"}"#,
                "a query has no `form`",
            ),
            (
                r#"{"block": 3, "pretyPrint": true}"#,
                "a query has no `pretyPrint`",
            ),
            (
                r#"{"history": 5, "blok": 3}"#,
                "a history query has no `blok`",
            ),
            (
                r#"{"a": {"block": 3}, "errors": {"block": 3}}"#,
                "no query of a multi-query may be called `errors`",
            ),
            (
                r#"{"a": {"block": 3}, "opts": {}}"#,
                "no query of a multi-query may be called `opts`",
            ),
            (
                "{}",
                "a query has `select`, `selectOne` or `selectDistinct`",
            ),
            ("[]", "a query is an object"),
        ] {
            assert_eq!(kind(text), Err(why.to_owned()), "{text}");
        }
    }
}
