//! Expressions without a bearer, a flake or facts.

use crate::base::Budget;
use crate::lang::builtin::BUILTINS;
use crate::lang::{Function, Val, parse};

const NOW: i64 = 1_700_000_000_000;

/// What an expression says of `?n`, 7, and `?text`, `"solon"`, and `?none`, which is absent.
fn told(text: &str) -> String {
    let params = ["?n", "?text", "?none"].map(str::to_owned);
    let expression = match parse(text) {
        Ok(it) => it,
        Err(error) => return format!("error: {error}"),
    };
    let function = match Function::compile_expression(&expression, text, &params) {
        Ok(it) => it,
        Err(error) => return format!("error: {error}"),
    };
    assert!(function.reads().is_empty() && function.calls().is_empty());
    let arguments = [Val::Int(7), Val::string("solon"), Val::Nil];
    match function.value_of(&arguments, NOW, &Budget::new(1_000, None)) {
        Ok(value) => format!("{value:?}"),
        Err(stop) => stop.to_string(),
    }
}

#[test]
fn an_expression_is_told_by_its_arguments_and_the_time() {
    let rows = [
        ("(> ?n 5)", "Bool(true)"),
        ("(+ ?n 1)", "Int(8)"),
        ("(str ?text ?n)", "String(\"solon7\")"),
        ("(strStarts ?text \"so\")", "Bool(true)"),
        ("(contains? [1 7] ?n)", "Bool(true)"),
        ("(coalesce ?none ?n)", "Int(7)"),
        ("(nil? ?none)", "Bool(true)"),
        ("(== ?none nil)", "Bool(true)"),
        ("(> ?none 1)", "`>` of an absent value"),
        ("(> ?text 1)", "`>` takes numbers"),
        ("(now)", "Int(1700000000000)"),
        ("(?now)", "Int(1700000000000)"),
        ("true", "Bool(true)"),
        (
            "(> ?m 1)",
            "error: line 1, column 4: `?m` is not a parameter",
        ),
        (
            "(and true (get ?n \"person/age\"))",
            "error: line 1, column 11: `get` is not available here",
        ),
        (
            "(frob ?n)",
            "error: line 1, column 2: unknown function `frob`",
        ),
        (
            "(inc)",
            "error: line 1, column 1: `inc` takes 1 arguments, 0 given",
        ),
        (
            "(inc",
            "error: line 1, column 5: expected an expression or `)`",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn what_needs_more_than_its_arguments_is_refused_by_name() {
    let needing: Vec<_> = BUILTINS
        .iter()
        .filter(|entry| !entry.builtin.is_pure())
        .map(|entry| entry.name)
        .collect();
    let expected = "get get-all follow get-in relationship? cas rand uuid max-pred-val query flakes objT objF ?sid ?s ?pid \
                    ?p ?o ?pO ?auth_id ?user_id ?op ?context";
    assert_eq!(needing.join(" "), expected);
    for name in needing {
        // Before its arguments are counted or looked at.
        let expected = format!("error: line 1, column 1: `{name}` is not available here");
        assert_eq!(told(&format!("({name})")), expected);
    }
}
