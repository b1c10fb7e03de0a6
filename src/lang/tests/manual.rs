//! The manual is true: its examples evaluate as they say, and no built-in is missing.

use super::support::{context, evaluated};
use crate::lang::builtin::BUILTINS;

const MANUAL: &str = include_str!("../../../docs/lang.md");

/// The examples of the manual.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = MANUAL.split("```lang\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.map(|line| line.split_once(" => ").unwrap()).collect()
}

#[test]
fn the_examples_of_the_manual_are_true() {
    let wrong: Vec<_> = examples()
        .into_iter()
        .map(|(text, expected)| (text, expected, evaluated(text, &context())))
        .filter(|(_, expected, got)| expected != got)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(examples().len() > 100);
}

#[test]
fn the_manual_has_every_builtin_with_an_example() {
    for entry in BUILTINS {
        let name = entry.name;
        assert!(
            MANUAL.contains(&format!("`{name}`")) || MANUAL.contains(&format!("`({name})`")),
            "{name}"
        );
        let call =
            |text: &str| text.contains(&format!("({name} ")) || text.contains(&format!("({name})"));
        assert!(
            examples().iter().any(|(text, _)| call(text)),
            "no example of {name}"
        );
    }
}
