//! The tree of a rule text, as it was written.

use std::fmt::Write as _;

use crate::model::{Decimal, Real};

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The byte it begins at.
    pub at: usize,
    /// What it is.
    pub kind: Kind,
}

/// Two expressions are equal if they say the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Expr {}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// `-12`
    Int(i64),
    /// `2.5`, `1e9`
    Double(Real),
    /// `0.1M`
    Decimal(Decimal),
    /// `"text"`
    String(String),
    /// `name`
    Symbol(String),
    /// `[a b]`
    Vector(Vec<Expr>),
    /// `(f a b)`: never empty.
    List(Vec<Expr>),
}

/// The canonical text of an expression: one space between, nothing else.
pub fn print(expression: &Expr) -> String {
    let mut text = String::new();
    write(expression, &mut text);
    text
}

fn write(expression: &Expr, text: &mut String) {
    match &expression.kind {
        Kind::Nil => text.push_str("nil"),
        Kind::Bool(it) => text.push_str(if *it { "true" } else { "false" }),
        // Writing to a string does not fail.
        Kind::Int(it) => drop(write!(text, "{it}")),
        Kind::Double(it) => drop(write!(text, "{:?}", it.number())),
        Kind::Decimal(it) => drop(write!(text, "{it}M")),
        Kind::String(it) => write_string(it, text),
        Kind::Symbol(it) => text.push_str(it),
        Kind::Vector(items) => write_items('[', items, ']', text),
        Kind::List(items) => write_items('(', items, ')', text),
    }
}

fn write_items(open: char, items: &[Expr], close: char, text: &mut String) {
    text.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        write(item, text);
    }
    text.push(close);
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
    text.push('"');
}
