//! Text → expression, by nom, in one pass: the first byte of what comes decides what it is.
//!
//! 1. Nothing is read twice, so that the time is that of the text's length.
//! 2. Depth and nodes are counted as they come, so that no text makes the parser recurse or allocate past its
//!    bounds.
//!
//! ```text
//! text   = blank* ( "true" | "false" | list ) blank*
//! list   = "(" expr+ ")"          vector = "[" expr* "]"
//! expr   = list | vector | string | number | "true" | "false" | "nil" | symbol      blank = white space | ","
//! string = '"' ( any but '"' and '\' | '\"' | '\\' | '\n' | '\r' | '\t' | '\u' 4 hex digits )* '"'
//! number = sign? digit+ ( "." digit+ )? ( ( "e" | "E" ) sign? digit+ )?
//! symbol = ( letter | digit | one of _ ? ! * + - / < > = . )+ , not a number
//! ```

use nom::bytes::complete::take_while;
use nom::character::complete::char as byte;
use nom::{IResult, Parser as _};

use super::error::{Error, Problem};
use super::expression::{Expr, Kind};
use crate::base::limits::{
    RULE_ARITY_MAX, RULE_DEPTH_MAX, RULE_NODES_MAX, RULE_SYMBOL_BYTES_MAX, RULE_TEXT_BYTES_MAX,
};
use crate::model::{Decimal, Real};

/// Parses a rule text.
///
/// # Errors
/// Where something else was due, or a bound is passed: line, column and what was expected.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let mut parser = Parser {
        text,
        nodes: 0,
        depth: 0,
    };
    if text.len() > RULE_TEXT_BYTES_MAX {
        return Err(parser.limit(text, "bytes of rule text", RULE_TEXT_BYTES_MAX));
    }
    let start = blank(text);
    let (rest, expression) = parser.expression(start)?;
    match expression.kind {
        Kind::List(_) | Kind::Bool(_) => {}
        _ => return Err(parser.expected(start, "`true`, `false` or `(`")),
    }
    let rest = blank(rest);
    if rest.is_empty() {
        Ok(expression)
    } else {
        Err(parser.expected(rest, "the end of the text"))
    }
}

type Parsed<'a, T> = Result<(&'a str, T), Error>;

struct Parser<'a> {
    text: &'a str,
    nodes: usize,
    depth: usize,
}

/// What follows the bytes that `take` takes, and those bytes.
fn span(rest: &str, take: impl Fn(char) -> bool) -> (&str, &str) {
    let taken: IResult<&str, &str, ()> = take_while(take).parse_complete(rest);
    taken.unwrap_or((rest, ""))
}

/// What follows this character, if it is next.
fn after(rest: &str, c: char) -> Option<&str> {
    let taken: IResult<&str, char, ()> = byte(c).parse_complete(rest);
    taken.ok().map(|(rest, _)| rest)
}

fn blank(rest: &str) -> &str {
    span(rest, |c| matches!(c, ' ' | '\t' | '\n' | '\r' | ',')).0
}

pub(super) fn is_symbol(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_?!*+-/<>=.".contains(c)
}

/// Whether this can stand as a bare name that means itself.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= RULE_SYMBOL_BYTES_MAX
        && name.chars().all(is_symbol)
        && !is_number(name)
        && !matches!(name, "true" | "false" | "nil")
}

/// A token is meant as a number if it begins with a digit, or with a sign and a digit.
fn is_number(token: &str) -> bool {
    token
        .strip_prefix(['+', '-'])
        .unwrap_or(token)
        .starts_with(|c: char| c.is_ascii_digit())
}

impl<'a> Parser<'a> {
    fn offset(&self, rest: &str) -> usize {
        self.text.len().saturating_sub(rest.len())
    }

    fn expected(&self, rest: &str, expected: &'static str) -> Error {
        Error::at(self.text, self.offset(rest), Problem::Expected { expected })
    }

    fn limit(&self, rest: &str, what: &'static str, max: usize) -> Error {
        Error::at(self.text, self.offset(rest), Problem::Limit { what, max })
    }

    fn expression(&mut self, rest: &'a str) -> Parsed<'a, Expr> {
        let at = self.offset(rest);
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > RULE_NODES_MAX {
            return Err(self.limit(rest, "nodes", RULE_NODES_MAX));
        }
        let (rest, kind) = match rest.chars().next() {
            Some('(') => {
                let (after, items) = self.items(rest, '(', ')', "an expression or `)`")?;
                if items.is_empty() {
                    return Err(self.expected(rest, "a function's name after `(`"));
                }
                if items.len() > RULE_ARITY_MAX.saturating_add(1) {
                    return Err(self.limit(rest, "arguments", RULE_ARITY_MAX));
                }
                (after, Kind::List(items))
            }
            Some('[') => {
                let (after, items) = self.items(rest, '[', ']', "an expression or `]`")?;
                if items.len() > RULE_ARITY_MAX {
                    return Err(self.limit(rest, "elements", RULE_ARITY_MAX));
                }
                (after, Kind::Vector(items))
            }
            Some('"') => {
                let (after, string) = self.string(rest)?;
                (after, Kind::String(string))
            }
            Some(c) if is_symbol(c) => self.token(rest)?,
            _ => return Err(self.expected(rest, "an expression")),
        };
        Ok((rest, Expr { at, kind }))
    }

    fn items(
        &mut self,
        start: &'a str,
        open: char,
        close: char,
        due: &'static str,
    ) -> Parsed<'a, Vec<Expr>> {
        if self.depth >= RULE_DEPTH_MAX {
            return Err(self.limit(start, "levels", RULE_DEPTH_MAX));
        }
        self.depth = self.depth.saturating_add(1);
        let mut items = Vec::new();
        let mut rest = blank(after(start, open).unwrap_or(start));
        loop {
            if let Some(after) = after(rest, close) {
                self.depth = self.depth.saturating_sub(1);
                return Ok((after, items));
            }
            if rest.is_empty() || rest.starts_with([')', ']']) {
                return Err(self.expected(rest, due));
            }
            let (after, item) = self.expression(rest)?;
            items.push(item);
            rest = blank(after);
        }
    }

    fn string(&self, start: &'a str) -> Parsed<'a, String> {
        let mut rest = after(start, '"').unwrap_or(start);
        let mut string = String::new();
        loop {
            let (after, plain) = span(rest, |c| c != '"' && c != '\\');
            string.push_str(plain);
            let mut next = after.chars();
            match (next.next(), next.next()) {
                (Some('"'), _) => return Ok((after.get(1..).unwrap_or(""), string)),
                (Some('\\'), Some(escape)) => {
                    let (c, length) = match escape {
                        '"' | '\\' => (Some(escape), 2),
                        'n' => (Some('\n'), 2),
                        'r' => (Some('\r'), 2),
                        't' => (Some('\t'), 2),
                        'u' => (after.get(2..6).and_then(code), 6),
                        _ => (None, 2),
                    };
                    let c = c.ok_or_else(|| {
                        self.expected(after, r#"one of \" \\ \n \r \t or \u and four hex digits"#)
                    })?;
                    string.push(c);
                    rest = after.get(length..).unwrap_or("");
                }
                _ => {
                    return Err(
                        self.expected("", "the end of the string that began here or earlier: `\"`")
                    );
                }
            }
        }
    }

    fn token(&self, start: &'a str) -> Parsed<'a, Kind> {
        let (rest, token) = span(start, is_symbol);
        if token.len() > RULE_SYMBOL_BYTES_MAX {
            return Err(self.limit(start, "bytes of a symbol", RULE_SYMBOL_BYTES_MAX));
        }
        let kind = match token {
            "nil" => Kind::Nil,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            number if is_number(number) => self.number(start, number)?,
            symbol => Kind::Symbol(symbol.to_owned()),
        };
        Ok((rest, kind))
    }

    fn number(&self, start: &str, token: &str) -> Result<Kind, Error> {
        if let Some(exact) = token.strip_suffix('M') {
            let exact = exact.strip_prefix('+').unwrap_or(exact);
            return Decimal::parse(exact)
                .map(Kind::Decimal)
                .map_err(|_| self.expected(start, "an exact number such as 12M or 0.1M"));
        }
        if !token.contains(['.', 'e', 'E']) {
            return token.parse().map(Kind::Int).map_err(|_| {
                self.expected(
                    start,
                    "an integer of 64 bits; a longer one is exact, such as 12M",
                )
            });
        }
        let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let (before, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let parts = [before.strip_prefix(['+', '-']).unwrap_or(before), fraction]
            .into_iter()
            .chain([exponent.strip_prefix(['+', '-']).unwrap_or(exponent)]);
        let is_plain = parts
            .into_iter()
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
        is_plain
            .then(|| token.parse().ok().and_then(Real::new))
            .flatten()
            .map(Kind::Double)
            .ok_or_else(|| self.expected(start, "a finite number such as 2.5 or 1e9"))
    }
}

fn code(hex: &str) -> Option<char> {
    let all_hex = hex.chars().all(|c| c.is_ascii_hexdigit());
    all_hex
        .then(|| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32))
        .flatten()
}
