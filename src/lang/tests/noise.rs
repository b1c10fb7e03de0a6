//! Any bytes into the compiler: it returns, and never panics. And a text that is printed means what it meant.

use super::support::{book, budget, context, facts};
use crate::lang::expression::print;
use crate::lang::function::Function;
use crate::lang::parse::parse;
use crate::lang::question::NoQueries;

/// The numbers of a seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\\",
    " ",
    ",",
    "\n",
    "(and ",
    "(not ",
    "(get (?s) ",
    "\"person/age\"",
    "(?s)",
    "true",
    "nil",
    "1",
    "-",
    "1.5",
    "1e9",
    "1e",
    "9223372036854775808",
    "(re-find \"",
    "[a-z]{9}",
    "(a|b)*",
    "é",
    "\u{0}",
    "(same ",
    "\"person/boss+\"",
    "(relationship? ",
    "x",
    "\\u00e9",
    "\\uD800",
    "(mine)",
    "#",
    ";",
    "'",
];

#[test]
fn any_text_returns() {
    let seed = 7;
    println!("seed {seed}: cargo test --lib any_text_returns");
    let mut chance = Chance(seed);
    let mut compiled = 0;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..chance.below(24) {
            text.push_str(PIECES[chance.below(PIECES.len())]);
        }
        if let Ok(expression) = parse(&text) {
            assert_eq!(
                parse(&print(&expression)).as_ref(),
                Ok(&expression),
                "{text}"
            );
        }
        if let Ok(function) = Function::compile(&text, &["x".to_owned()], &book_once(), &NoQueries)
        {
            compiled += 1;
            let _ = function.judge(&context(), &facts(), &budget());
        }
    }
    assert!(compiled > 50, "{compiled}");
    let pathological = [
        "(".repeat(8_000),
        "[".repeat(8_192),
        "\"".repeat(8_191),
        "\\".repeat(8_192),
        format!("(str {})", "\"\\\\\\\\".repeat(1_600)),
        "(and ".repeat(1_600),
        format!("(boolean (re-find \"{}\" \"a\"))", "(a*)*".repeat(1_000)),
        format!("(boolean (re-find \"{}\" \"a\"))", "(".repeat(8_000)),
    ];
    for text in pathological {
        let _ = Function::compile(&text, &[], &book(), &NoQueries);
    }
}

fn book_once() -> super::support::Book {
    static BOOK: std::sync::OnceLock<super::support::Book> = std::sync::OnceLock::new();
    BOOK.get_or_init(book).clone()
}

#[test]
fn what_is_printed_is_what_was_said() {
    for (text, printed) in [
        (" ( and,true\n(not  false) ) ", "(and true (not false))"),
        (
            "(str \"a\\n\\\"\\\\\\t\\u00e9\\r\" -5 +7 1e300 2.50 -0.0)",
            "(str \"a\\n\\\"\\\\\\té\\r\" -5 7 1e300 2.5 0.0)",
        ),
        ("(f [a[b]\"c\"]nil)", "(f [a [b] \"c\"] nil)"),
    ] {
        let expression = parse(text).unwrap();
        assert_eq!(print(&expression), printed);
        assert_eq!(parse(printed), Ok(expression));
    }
}
