//! Each bound of the language, at its edge and one past it.

use std::sync::Arc;

use super::support::{Memory, book, context, evaluated, facts, judged, person, predicate};
use crate::base::limits::*;
use crate::base::{Budget, Exceeded};
use crate::lang::context::Context;
use crate::lang::error::{Fault, Stop};
use crate::lang::function::{Function, Truth};
use crate::lang::question::{NoQueries, Queries, QueryText, Question};
use crate::lang::value::Val;
use crate::model::{Facts, Value};

/// At the edge it compiles, one past it the error names the bound.
fn check(at: &str, past: &str, what: &str) {
    assert!(
        Function::compile(at, &[], &book(), &NoQueries).is_ok(),
        "{what}"
    );
    let error = Function::compile(past, &[], &book(), &NoQueries)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("more than") && error.contains(what),
        "{error}"
    );
}

#[test]
fn bounds_of_the_text() {
    let text = |bytes: usize| format!("(not true){}", " ".repeat(bytes - 10));
    check(
        &text(RULE_TEXT_BYTES_MAX),
        &text(RULE_TEXT_BYTES_MAX + 1),
        "bytes of rule text",
    );
    // The outer list, its name, and vectors of 63 beside one that fills up.
    let nodes = |count: usize| {
        let mut text = "(count [".to_owned();
        let mut left = count - 3;
        while left > 0 {
            let items = (left - 1).min(63);
            text = format!("{text}[{}]", "1 ".repeat(items));
            left -= items + 1;
        }
        text + "])"
    };
    check(&nodes(RULE_NODES_MAX), &nodes(RULE_NODES_MAX + 1), "nodes");
    let deep = |depth: usize| format!("{}true{}", "(not ".repeat(depth), ")".repeat(depth));
    check(&deep(RULE_DEPTH_MAX), &deep(RULE_DEPTH_MAX + 1), "levels");
    let wide = |count: usize| format!("(== {})", "1 ".repeat(count));
    check(
        &wide(RULE_ARITY_MAX),
        &wide(RULE_ARITY_MAX + 1),
        "arguments",
    );
    let vector = |count: usize| format!("(count [{}])", "1 ".repeat(count));
    check(
        &vector(RULE_ARITY_MAX),
        &vector(RULE_ARITY_MAX + 1),
        "elements",
    );
    let path = |steps: usize| format!("(get-all (?s) [{}])", "\"person/friend\" ".repeat(steps));
    check(
        &path(RULE_PATH_STEPS_MAX),
        &path(RULE_PATH_STEPS_MAX + 1),
        "steps of a path",
    );
}

#[test]
fn bounds_of_a_symbol_and_of_parameters() {
    let symbol = |bytes: usize| {
        let error = Function::compile(
            &format!("({})", "x".repeat(bytes)),
            &[],
            &book(),
            &NoQueries,
        );
        error.unwrap_err().to_string()
    };
    assert!(symbol(RULE_SYMBOL_BYTES_MAX).contains("unknown function"));
    assert!(symbol(RULE_SYMBOL_BYTES_MAX + 1).contains("more than 511 bytes of a symbol"));
    let params = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>();
    assert!(Function::compile("true", &params(RULE_ARITY_MAX), &book(), &NoQueries).is_ok());
    assert!(Function::compile("true", &params(RULE_ARITY_MAX + 1), &book(), &NoQueries).is_err());
}

#[test]
fn bounds_of_what_calls_become() {
    let mut book = book();
    // Each doubles the one before: 2^12 and more at the end, in a hundred bytes each.
    book.function_is("d0", &[], "(== 1 1)");
    for i in 1..=30 {
        book.function_is(
            &format!("d{i}"),
            &[],
            &format!("(and (d{0}) (d{0}))", i - 1),
        );
    }
    assert!(Function::compile("(d9)", &[], &book, &NoQueries).is_ok());
    for name in ["d11", "d12", "d30"] {
        let error = Function::compile(&format!("({name})"), &[], &book, &NoQueries).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }
    // Doubling by arguments.
    book.function_is("e", &["x"], "(== x x)");
    let nested = format!("{}1{}", "(e ".repeat(14), ")".repeat(14));
    let error = Function::compile(&nested, &[], &book, &NoQueries).unwrap_err();
    assert!(
        error.to_string().contains("more than 4096 nodes"),
        "{error}"
    );
    // Exactly at the bound: 60 × 68 nodes, the list, and 15 more.
    let ones = |count: usize| "1 ".repeat(count);
    book.function_is("full", &[], &format!("(== {} [{}])", ones(63), ones(1)));
    // A call, its list, 63 and 2: 67.
    let fill = |extra: usize| format!("(and {} (== {}))", "(full) ".repeat(61), ones(extra));
    // The list, 61 × 67, the list, and what is left.
    let left = RULE_EXPANDED_NODES_MAX - 1 - 61 * 67;
    assert!(left < 64, "{left}");
    assert!(Function::compile(&fill(left - 1), &[], &book, &NoQueries).is_ok());
    assert!(Function::compile(&fill(left), &[], &book, &NoQueries).is_err());
    // Calls count as levels: a chain of them cannot take the evaluator's stack.
    book.function_is("c0", &[], "true");
    for i in 1..=40 {
        book.function_is(&format!("c{i}"), &[], &format!("(c{})", i - 1));
    }
    assert!(Function::compile("(c31)", &[], &book, &NoQueries).is_ok());
    let error = Function::compile("(c32)", &[], &book, &NoQueries).unwrap_err();
    assert!(error.to_string().contains("more than 32 levels"), "{error}");
}

#[test]
fn bounds_of_patterns() {
    let repeat = |count: usize| format!("(boolean (re-find \"[a-z]{{{count}}}\" \"x\"))");
    assert_eq!(judged(&repeat(10), &context()), "false");
    let error = judged(&repeat(10_000), &context());
    assert!(
        error.contains("it compiles to more than 262144 bytes"),
        "{error}"
    );
    // A few classes `\w` by Unicode fit; of ASCII many do.
    let find = |pattern: &str| {
        judged(
            &format!("(boolean (re-find {pattern} \"é@b\"))"),
            &context(),
        )
    };
    assert_eq!(find(r#""\\w+@""#), "true");
    assert_eq!(find(r#""\\w+@\\w+""#), "true");
    let classes = |count: usize| format!("\"{}\"", r"\\w".repeat(count));
    assert!(find(&classes(8)).starts_with("error"));
    assert_eq!(find(r#""(?-u:\\w)*@(?-u:\\w+)(?-u:\\w)?""#), "true");
    let many = format!("(and {})", "(boolean (re-find \"a\" \"a\")) ".repeat(64));
    assert!(Function::compile(&many, &[], &book(), &NoQueries).is_ok());
}

#[test]
fn bounds_of_texts() {
    let mut memory = facts();
    let text = |bytes: usize| "a".repeat(bytes);
    let handle = |memory: &mut Memory, bytes: usize| {
        memory.0.retain(|fact| fact.1 != predicate("person/handle"));
        memory.0.insert((
            person(0),
            predicate("person/handle"),
            Value::string(&text(bytes)),
        ));
    };
    let run = |memory: &Memory, text: &str| {
        let budget = Budget::new(100_000, None);
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        function.evaluate(&[], &context(), memory, &budget)
    };
    let get = "(get (?s) \"person/handle\")";
    for text in [
        format!("(re-find \"b\" {get})"),
        format!("(str {get})"),
        format!("(upper-case {get})"),
        format!("(lower-case {get})"),
        format!("(valid-email? {get})"),
    ] {
        handle(&mut memory, RULE_STRING_BYTES_MAX);
        assert!(run(&memory, &text).is_ok(), "{text}");
        handle(&mut memory, RULE_STRING_BYTES_MAX + 1);
        let ended = run(&memory, &text);
        assert!(
            matches!(ended, Err(Stop::Fault(Fault::TooLarge { .. }))),
            "{text}"
        );
    }
    // A longer text can be read, counted and compared, at its price.
    assert_eq!(
        run(&memory, &format!("(count {get})")),
        Ok(Val::Int(65_537))
    );
}

#[test]
fn bounds_of_sets() {
    let mut memory = Memory::default();
    let friends = i64::try_from(RULE_SET_MAX).unwrap();
    let run = |memory: &Memory| {
        let budget = Budget::new(10_000_000, None);
        let text = "(count (get-all (?s) [\"person/friend\"]))";
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        function.evaluate(&[], &Context { ..context() }, memory, &budget)
    };
    for number in 1..=u64::try_from(friends).unwrap() {
        memory.0.insert((
            person(0),
            predicate("person/friend"),
            Value::Ref(person(number)),
        ));
    }
    assert_eq!(run(&memory), Ok(Val::Int(friends)));
    memory.0.insert((
        person(0),
        predicate("person/friend"),
        Value::Ref(person(200_000)),
    ));
    assert!(matches!(
        run(&memory),
        Err(Stop::Fault(Fault::TooLarge { .. }))
    ));
}

#[test]
fn places_of_texts_are_characters_and_end_one_past_the_last() {
    assert_eq!(evaluated("(subs \"añb\" 1 2)", &context()), "\"ñ\"");
    assert_eq!(evaluated("(subs \"añb\" 3)", &context()), "\"\"");
    for text in [
        "(subs \"añb\" 4)",
        "(subs \"añb\" 2 1)",
        "(subs \"añb\" -1)",
        "(subs \"añb\" 0 4)",
    ] {
        assert!(
            evaluated(text, &context()).contains("out of range"),
            "{text}"
        );
    }
}

/// Each query takes so many steps.
#[derive(Debug)]
struct Steps(u64);

impl Queries for Steps {
    fn read(&self, _: &QueryText) -> Result<Arc<dyn Question>, String> {
        Ok(Arc::new(Self(self.0)))
    }
}

impl Question for Steps {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn given(&self) -> &[&'static str] {
        &[]
    }

    fn may_name(&self, _: &str) -> bool {
        false
    }

    fn answer(&self, _: &[Val], _: i64, _: &dyn Facts, budget: &Budget) -> Result<Val, Stop> {
        budget.spend(self.0)?;
        Ok(Val::Bool(true))
    }
}

#[test]
fn bounds_of_a_query() {
    let judged = |steps: u64, left: u64| {
        let function = Function::compile("(query \"\")", &[], &book(), &Steps(steps)).unwrap();
        let budget = Budget::new(left, None);
        let truth = function.judge(&context(), &facts(), &budget);
        (truth, budget.spent())
    };
    let max = QUERY_IN_RULE_STEPS_MAX;
    let yes = Ok(Truth::True);
    let passed = |error: Exceeded| Err(crate::model::Error::Exceeded(error));
    let what = "the steps of a query in a function";
    assert_eq!(judged(max, u64::MAX), (yes.clone(), max + 1));
    let (ended, spent) = judged(max + 1, u64::MAX);
    assert_eq!(
        (ended, spent),
        (passed(Exceeded::Query { what, max }), max + 2)
    );
    // One step is the call's.
    assert_eq!(judged(9, 10), (yes, 10));
    assert_eq!(judged(10, 10).0, passed(Exceeded::Steps { max: 10 }));
    // A query counts as a pattern does, and by its length.
    let nodes = |text: &str| {
        let function = Function::compile(text, &[], &book(), &Steps(1));
        function.map(|it| it.node_count())
    };
    assert_eq!(nodes("(query \"\")"), Ok(2 + 32));
    assert_eq!(nodes("(query \"12345678\")"), Ok(2 + 32 + 2));
    assert_eq!(
        nodes("(query \"12345678\" nil nil nil \"1234\")"),
        Ok(6 + 32 + 3)
    );
    let many = |count: usize| format!("(and {})", "(query \"\")".repeat(count));
    check_with(&many(60), true);
    check_with(&format!("(and {} {})", many(60), many(60)), true);
    check_with(
        &format!("(and {} {} {})", many(60), many(60), many(1)),
        false,
    );
}

fn check_with(text: &str, fits: bool) {
    let compiled = Function::compile(text, &[], &book(), &Steps(1));
    assert_eq!(compiled.is_ok(), fits, "{:?}", compiled.err());
}
