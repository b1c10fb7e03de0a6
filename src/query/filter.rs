//! The `where` text of a basic query: `person/age > 20 AND person/active = true`.
//!
//! ```text
//! where = term { "AND" term } | term { "OR" term }
//! term  = predicate ("=" | ">" | "<" | ">=" | "<=" | "not=" | "!=") value
//! value = "true" | "false" | number | quoted
//! ```
//!
//! `AND` and `OR` do not meet in one text. Text is quoted by `'` or `"`; a backslash stands before a quote, another
//! backslash, `n`, `r` or `t`. A term holds for a subject if one of the predicate's values satisfies it, so a subject
//! without the predicate satisfies none, `not=` neither.
//!
//! It is read by hand: one loop is smaller than the parser library that the rule language needs.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use crate::base::limits::{WHERE_BYTES_MAX, WHERE_TERMS_MAX};

/// How the terms of a `where` are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Junction {
    And,
    Or,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One comparison, as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) name: String,
    pub(super) comparison: Comparison,
    /// A boolean, a number or a string.
    pub(super) value: Json,
}

/// A `where` text, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    pub(super) junction: Junction,
    pub(super) terms: Vec<Term>,
}

/// The longer signs first, so that none is read for the beginning of another.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("not=", Comparison::NotEqual),
    ("!=", Comparison::NotEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("=", Comparison::Equal),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
];

impl Filter {
    /// Reads a `where` text.
    ///
    /// # Errors
    /// `InvalidQuery` with the place in the text; `Limit` past [`WHERE_BYTES_MAX`] and [`WHERE_TERMS_MAX`].
    pub(super) fn read(text: &str, at: &Pointer) -> Result<Self, Error> {
        let limit = |what, max| Error::Limit {
            at: at.clone(),
            what,
            max,
        };
        if text.len() > WHERE_BYTES_MAX {
            return Err(limit("the bytes of a `where`", WHERE_BYTES_MAX));
        }
        let mut lexer = Lexer {
            rest: text,
            length: text.len(),
            at,
        };
        let mut junction = None;
        let mut terms = vec![lexer.term()?];
        while !lexer.is_at_end() {
            let next = lexer.junction()?;
            if junction.is_some_and(|it| it != next) {
                return Err(lexer.refuse("a `where` has either AND or OR, not both"));
            }
            junction = Some(next);
            if terms.len() == WHERE_TERMS_MAX {
                return Err(limit("the terms of a `where`", WHERE_TERMS_MAX));
            }
            terms.push(lexer.term()?);
        }
        Ok(Self {
            junction: junction.unwrap_or(Junction::And),
            terms,
        })
    }
}

struct Lexer<'t> {
    rest: &'t str,
    length: usize,
    at: &'t Pointer,
}

impl<'t> Lexer<'t> {
    fn refuse(&self, what: &str) -> Error {
        let place = self.length.saturating_sub(self.rest.len());
        Error::InvalidQuery {
            at: self.at.clone(),
            why: format!("at byte {place} of the `where`: {what}"),
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// Takes the longest beginning whose characters all belong.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn junction(&mut self) -> Result<Junction, Error> {
        let before = self.rest;
        let word = self.take(|c| c.is_ascii_alphabetic());
        if word.eq_ignore_ascii_case("and") {
            Ok(Junction::And)
        } else if word.eq_ignore_ascii_case("or") {
            Ok(Junction::Or)
        } else {
            self.rest = before;
            Err(self.refuse("expected AND, OR or the end"))
        }
    }

    fn term(&mut self) -> Result<Term, Error> {
        self.skip_space();
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let name = self.take(is_of_name);
        if name.is_empty() {
            return Err(self.refuse("expected the name of a predicate"));
        }
        self.skip_space();
        let comparison = self.comparison()?;
        self.skip_space();
        Ok(Term {
            name: name.to_owned(),
            comparison,
            value: self.value()?,
        })
    }

    fn comparison(&mut self) -> Result<Comparison, Error> {
        for (sign, comparison) in COMPARISONS {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return Ok(comparison);
            }
        }
        Err(self.refuse("expected `=`, `not=`, `<`, `<=`, `>` or `>=`"))
    }

    fn value(&mut self) -> Result<Json, Error> {
        for quote in ['\'', '"'] {
            if self.rest.starts_with(quote) {
                return self.quoted(quote).map(Json::String);
            }
        }
        let before = self.rest;
        let word = self.take(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if let Ok(
            value @ (Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Double(_)
            | Json::Decimal(_)),
        ) = Json::read(word)
        {
            Ok(value)
        } else {
            self.rest = before;
            Err(self.refuse("expected true, false, a number or a quoted text"))
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let opened = self.rest;
        let mut text = String::new();
        let mut characters = self.rest.chars();
        characters.next();
        loop {
            let taken = match characters.next() {
                None => {
                    self.rest = opened;
                    return Err(self.refuse("the quote is not closed"));
                }
                Some(c) if c == quote => break,
                Some('\\') => match characters.next() {
                    Some(c @ ('\'' | '"' | '\\')) => c,
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    _ => {
                        self.rest = characters.as_str();
                        return Err(self.refuse("expected a quote, `\\`, n, r or t after `\\`"));
                    }
                },
                Some(c) => c,
            };
            text.push(taken);
        }
        self.rest = characters.as_str();
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter, Error> {
        Filter::read(text, &Pointer::root())
    }

    fn term(name: &str, comparison: Comparison, value: Json) -> Term {
        Term {
            name: name.to_owned(),
            comparison,
            value,
        }
    }

    #[test]
    fn a_where_is_terms_joined_by_and_or_by_or() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        for (text, junction, terms) in [
            (
                "a/b = 1",
                Junction::And,
                vec![term("a/b", Equal, Json::Int(1))],
            ),
            (
                "b>=-1.5",
                Junction::And,
                vec![term("b", GreaterOrEqual, Json::Double(-1.5))],
            ),
            (
                " a/b<1 AND b<='x' and c != true ",
                Junction::And,
                vec![
                    term("a/b", Less, Json::Int(1)),
                    term("b", LessOrEqual, Json::string("x")),
                    term("c", NotEqual, Json::Bool(true)),
                ],
            ),
            (
                r#"a not= "it's \"\\\n" OR a > 1e3"#,
                Junction::Or,
                vec![
                    term("a", NotEqual, Json::string("it's \"\\\n")),
                    term("a", Greater, Json::Double(1_000.0)),
                ],
            ),
            (
                r"a = 'AND \'é'",
                Junction::And,
                vec![term("a", Equal, Json::string("AND 'é"))],
            ),
        ] {
            assert_eq!(read(text), Ok(Filter { junction, terms }), "{text}");
        }
    }

    #[test]
    fn a_malformed_where_is_refused_with_its_place() {
        for (text, place) in [
            ("", 0),
            ("= 1", 0),
            ("a", 1),
            ("a 1", 2),
            ("a =", 3),
            ("a = b", 4),
            ("a = null", 4),
            ("a = 'b", 4),
            (r"a = 'b\x'", 8),
            ("a = 1 b = 2", 6),
            ("a = 1 AND", 9),
            ("a = 1 AND b = 2 OR c = 3", 18),
            ("a = 1,2", 5),
            ("é = 1", 0),
            ("a = [1]", 4),
        ] {
            match read(text) {
                Err(Error::InvalidQuery { why, .. }) => {
                    assert!(
                        why.starts_with(&format!("at byte {place} ")),
                        "{text}: {why}"
                    );
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_where_is_bounded() {
        let terms = |count: usize| vec!["a = 1"; count].join(" OR ");
        assert!(read(&terms(WHERE_TERMS_MAX)).is_ok());
        let passed = read(&terms(WHERE_TERMS_MAX + 1));
        assert!(matches!(
            passed,
            Err(Error::Limit {
                max: WHERE_TERMS_MAX,
                ..
            })
        ));
        let bytes = |count: usize| format!("a = '{}'", "b".repeat(count - 6));
        assert!(read(&bytes(WHERE_BYTES_MAX)).is_ok());
        let passed = read(&bytes(WHERE_BYTES_MAX + 1));
        assert!(matches!(
            passed,
            Err(Error::Limit {
                max: WHERE_BYTES_MAX,
                ..
            })
        ));
    }
}
