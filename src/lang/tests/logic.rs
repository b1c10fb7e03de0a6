//! Truth tables, the context, the fused nodes, and what is learned of a function.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::support::{
    AUTH, USER, book, budget, context, evaluated, facts, judged, person, predicate, tag,
};
use crate::base::Budget;
use crate::lang::context::{Context, Previous};
use crate::lang::function::{Function, Truth, is_function_name};
use crate::lang::node::Reach;
use crate::lang::question::NoQueries;
use crate::lang::value::Val;
use crate::model::system::predicate::TAG_ID;
use crate::model::{Error, Value, ValueRef, ValueType};

const T: &str = "(== 1 1)";
const F: &str = "(== 1 2)";
const X: &str = "(== 1 nil 1 (inc \"\"))";

fn word(text: &str) -> String {
    let judged = judged(text, &context());
    judged.split(':').next().unwrap().to_owned()
}

#[test]
fn and_or_and_not_are_kleenes() {
    let rows = [
        (T, T, "true", "true"),
        (T, F, "false", "true"),
        (T, X, "fault", "true"),
        (F, T, "false", "true"),
        (F, F, "false", "false"),
        (F, X, "false", "fault"),
        (X, T, "fault", "true"),
        (X, F, "false", "fault"),
        (X, X, "fault", "fault"),
    ];
    for (a, b, both, either) in rows {
        assert_eq!(word(&format!("(and {a} {b})")), both, "and {a} {b}");
        assert_eq!(word(&format!("(or {a} {b})")), either, "or {a} {b}");
        assert_eq!(word(&format!("(and {a} {b} {a} {b})")), both);
        // De Morgan holds in three values.
        assert_eq!(word(&format!("(not (or (not {a}) (not {b})))")), both);
    }
    for (of, expected) in [(T, "false"), (F, "true"), (X, "fault")] {
        assert_eq!(word(&format!("(not {of})")), expected);
    }
    for (test, expected) in [(T, "true"), (F, "false"), (X, "fault")] {
        assert_eq!(word(&format!("(if-else {test} {T} {F})")), expected);
    }
    assert_eq!(word(&format!("(if-else {T} {T} {X})")), "true");
    assert_eq!(word(&format!("(if-else {F} {T} {X})")), "fault");
}

#[test]
fn where_the_rule_ends_only_true_and_false_serve() {
    let rows = [
        ("true", "true"),
        ("false", "false"),
        (
            "(+ 1 1)",
            "fault: `rule` asks for true or false, and got another value",
        ),
        (
            "(get (?s) \"person/web\")",
            "fault: `rule` asks for true or false, and got an absent value",
        ),
        ("(get (?s) \"person/active\")", "true"),
        (
            "5",
            "error: line 1, column 1: expected `true`, `false` or `(`",
        ),
        (
            "\"x\"",
            "error: line 1, column 1: expected `true`, `false` or `(`",
        ),
        (
            "[]",
            "error: line 1, column 1: expected `true`, `false` or `(`",
        ),
        ("", "error: line 1, column 1: expected an expression"),
        (
            "()",
            "error: line 1, column 1: expected a function's name after `(`",
        ),
        (
            "(1 2)",
            "error: line 1, column 2: expected a function's name",
        ),
        (
            "((not) true)",
            "error: line 1, column 2: expected a function's name",
        ),
        (
            "true true",
            "error: line 1, column 6: expected the end of the text",
        ),
        (
            "\n (not true]",
            "error: line 2, column 11: expected an expression or `)`",
        ),
        (
            "(str \"é\" #)",
            "error: line 1, column 10: expected an expression",
        ),
        (
            "(+ 99999999999999999999)",
            "error: line 1, column 4: expected an integer of 64 bits; a longer one is exact, such as 12M",
        ),
        (
            "(+ 1.)",
            "error: line 1, column 4: expected a finite number such as 2.5 or 1e9",
        ),
        (
            "(+ 1e999)",
            "error: line 1, column 4: expected a finite number such as 2.5 or 1e9",
        ),
        (
            "(query \"x\")",
            "error: line 1, column 8: the query cannot be used: none is asked here",
        ),
        (
            "(?action)",
            "error: line 1, column 2: unknown function `?action`",
        ),
        (
            "(and)",
            "error: line 1, column 1: `and` takes 1 to 64 arguments, 0 given",
        ),
        (
            "(get-all (?s) [])",
            "error: line 1, column 15: expected a vector of names",
        ),
        (
            "(get-all (?s) [\"person/_age\"])",
            "error: line 1, column 16: predicate `person/age` is not a ref",
        ),
        (
            "(get-all (?s) [\"person/age+\"])",
            "error: line 1, column 16: predicate `person/age` is not a ref",
        ),
        (
            "(re-find (str \"a\") \"a\")",
            "error: line 1, column 10: expected a literal pattern",
        ),
        (
            "(get [\"person/photo\" \"01ff\"] \"person/age\")",
            "error: line 1, column 7: predicate `person/photo` does not identify a subject",
        ),
        (
            "(get [\"person/mark\" \"x\"] \"person/age\")",
            "error: line 1, column 7: predicate `person/mark` does not identify a subject",
        ),
        (
            "(get [\"person/handle\"] \"person/age\")",
            "error: line 1, column 6: expected a two-tuple of predicate and value",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(judged(text, &context()), expected, "{text}");
    }
}

#[test]
fn an_identity_is_found_by_a_value_of_its_type() {
    let rows = [
        ("\"person/handle\" (str \"a\" \"da\")", "36"),
        ("\"person/born\" 1000", "36"),
        (
            "\"person/key\" \"00000000-0000-0000-0000-000000000001\"",
            "36",
        ),
        ("\"person/score\" 2", "36"),
        ("\"person/score\" 2.0", "36"),
        ("\"person/score\" 9007199254740993", "nil"),
        ("\"person/flag\" true", "36"),
        ("\"person/number\" 7", "36"),
        ("\"person/number\" 8", "nil"),
        ("\"person/user\" (?user_id)", "36"),
        ("\"person/user\" 9223372036854775807", "nil"),
        ("\"person/balance\" 12.5", "36"),
        ("\"person/balance\" 12.50M", "36"),
        ("\"person/balance\" 12", "nil"),
        ("\"person/serial\" (+ 1M 99999999999999999999M)", "36"),
        ("\"person/serial\" 1e20", "36"),
        ("\"person/serial\" 12.5", "nil"),
        ("\"person/score\" 2.0M", "36"),
        ("\"person/score\" 0.1M", "nil"),
        ("\"person/number\" 7M", "36"),
        ("\"person/number\" 7.5M", "nil"),
        ("\"person/number\" 9223372036854775808M", "nil"),
        ("\"person/born\" 1000M", "36"),
        (
            "\"person/serial\" \"1\"",
            "fault: `two-tuple` takes a value of its predicate's type",
        ),
        (
            "\"person/key\" \"1\"",
            "fault: `two-tuple` takes a value of its predicate's type",
        ),
        (
            "\"person/handle\" 1",
            "fault: `two-tuple` takes a value of its predicate's type",
        ),
        (
            "\"person/handle\" nil",
            "fault: `two-tuple` of an absent value",
        ),
    ];
    for (tuple, expected) in rows {
        let text = format!("(get [{tuple}] \"person/age\")");
        assert_eq!(evaluated(&text, &context()), expected, "{text}");
    }
}

#[test]
fn the_context_answers_what_is_there_and_is_a_fault_where_it_is_not() {
    let full = context();
    let bare = Context::of(AUTH, None, 5);
    for name in [
        "?sid", "?s", "?pid", "?p", "?o", "?pO", "?user_id", "?context",
    ] {
        let asked = evaluated(&format!("({name})"), &bare);
        assert!(asked.starts_with("fault"), "{name} {asked}");
    }
    assert_eq!(evaluated("(?now)", &bare), "5");
    assert_eq!(
        evaluated("(?user_id)", &bare),
        "fault: `?user_id` of an auth without a user"
    );
    assert_eq!(
        judged("(not (== (?user_id) 1))", &bare),
        "fault: `?user_id` of an auth without a user"
    );
    let previous = |previous| Context { previous, ..full };
    assert_eq!(evaluated("(?pO)", &previous(Previous::Absent)), "nil");
    let values = [Value::Int(2), Value::Int(1)];
    assert_eq!(
        evaluated("(?pO)", &previous(Previous::Set(&values))),
        "#{1 2}"
    );
    assert_eq!(evaluated("(?pO)", &previous(Previous::Set(&[]))), "#{}");
    let tagged = Context {
        object: Some(ValueRef::Ref(tag(1_001))),
        predicate_type: Some(ValueType::Tag),
        ..full
    };
    assert_eq!(evaluated("(?o)", &tagged), "\"open\"");
    let referring = Context {
        predicate_type: Some(ValueType::Ref),
        ..tagged
    };
    assert_eq!(evaluated("(?o)", &referring), tag(1_001).to_string());
}

#[test]
fn the_requests_context_is_read_by_keys() {
    let map = |items: &[(&str, Val)]| {
        let items = items
            .iter()
            .map(|(key, value)| (Arc::from(*key), value.clone()));
        Val::Map(Arc::new(items.collect::<BTreeMap<Arc<str>, Val>>()))
    };
    let request = map(&[
        ("expireSeconds", Val::Int(600)),
        ("device", map(&[("os", Val::string("x"))])),
    ]);
    let context = Context {
        request: Some(&request),
        ..context()
    };
    let rows = [
        ("(<= (get (?context) \"expireSeconds\") 600)", "true"),
        (
            "(== (get (get (?context) \"device\") \"os\") \"x\")",
            "true",
        ),
        ("(== (get-in (?context) [\"device\" \"os\"]) \"x\")", "true"),
        ("(nil? (get (?context) \"nope\"))", "true"),
        ("(nil? (get-in (?context) [\"nope\" \"os\"]))", "true"),
        (
            "(< (get (?context) \"nope\") 1)",
            "fault: `<` of an absent value",
        ),
        (
            "(get-in (?context) [\"expireSeconds\" \"os\"])",
            "fault: `get-in` takes an object with keys",
        ),
        (
            "(get (?context) (str \"a\"))",
            "error: line 1, column 17: expected a literal key",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(judged(text, &context), expected, "{text}");
    }
}

#[test]
fn a_fused_node_says_and_spends_what_the_plain_ones_do() {
    let subjects = [None, Some(person(0)), Some(person(1)), Some(person(3))];
    let who = ["(?user_id)", "(?auth_id)"];
    let read = [
        "person/user",
        "person/age",
        "person/friend",
        "person/handle",
        "person/height",
        "person/serial",
    ];
    let users = [None, Some(USER), Some(person(1))];
    let shapes = who
        .iter()
        .flat_map(|who| read.iter().map(move |read| (who, read)));
    let shapes: Vec<_> = shapes.collect();
    let asked = subjects
        .iter()
        .flat_map(|s| users.iter().map(move |u| (*s, *u)));
    for ((subject, user), (who, read)) in
        asked.flat_map(|asked| shapes.iter().map(move |shape| (asked, *shape)))
    {
        let context = Context {
            subject,
            user,
            auth: USER,
            ..context()
        };
        let get = format!("(get (?s) \"{read}\")");
        // A list of one adds nothing but its own node and hides the shape.
        let plain = format!("(get (if-else true (?s) 0) \"{read}\")");
        for (fused, plain, extra) in [
            (
                format!("(== {get} {who})"),
                format!("(== {plain} {who})"),
                2,
            ),
            (
                format!("(== {who} {get})"),
                format!("(== {who} {plain})"),
                2,
            ),
        ] {
            let judge = |text: &str| {
                let budget = Budget::new(10_000, None);
                let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
                let truth = function.judge(&context, &facts(), &budget).unwrap();
                (truth, budget.spent())
            };
            let ((fast, fast_spent), (slow, slow_spent)) = (judge(&fused), judge(&plain));
            assert_eq!(fast, slow, "{fused}");
            // Where the bearer, written first, is a fault, the subject is not asked.
            let asked = if fused.starts_with("(== (?user_id)") && user.is_none() {
                0
            } else {
                extra
            };
            assert_eq!(fast_spent.saturating_add(asked), slow_spent, "{fused}");
        }
    }
}

#[test]
fn the_steps_are_those_of_the_manual() {
    let begins = format!("(strStarts \"{0}{0}\" \"{0}\")", "a".repeat(64));
    let rows = [
        ("true", 1),
        ("(== 1 2)", 3),
        ("(and false true)", 2),
        ("(== (get (?s) \"person/user\") (?user_id))", 6),
        ("(== (get (?s) \"person/state\") \"open\")", 8),
        (
            "(== (get [\"person/handle\" \"bob\"] \"person/age\") 40)",
            9,
        ),
        ("(contains? (get-all (?s) [\"person/friend\"]) 1)", 7),
        ("(== 1M 1)", 3),
        ("(== 1234567M 1)", 3),
        ("(== 12345678M 1)", 4),
        ("(< 1234M 0.5 5678M)", 5),
        ("(< 1M 0.1)", 3 + 7),
        ("(not= 1e-1000M 2)", 3 + 1_001 / 8),
        ("(not= 0.1 2)", 3),
        ("(nil? (get (?s) \"person/serial\"))", 1 + 4 + 21 / 8),
        ("(relationship? (?s) [\"person/boss+\"] (?s))", 9),
        ("(coalesce true (== 1 1))", 2),
        ("(boolean (coalesce nil (?s)))", 4),
        (&begins, 3 + 1),
    ];
    for (text, expected) in rows {
        let budget = Budget::new(expected, None);
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        assert!(
            function.judge(&context(), &facts(), &budget).is_ok(),
            "{text}"
        );
        assert_eq!(budget.spent(), expected, "{text}");
        let less = Budget::new(expected - 1, None);
        let ended = function.judge(&context(), &facts(), &less);
        assert!(matches!(ended, Err(Error::Exceeded(_))), "{text}");
    }
}

#[test]
fn a_passed_bound_is_never_a_decision() {
    for text in [
        "(or (inc \"\") (mine))",
        "(and (mine) false)",
        "(not (mine))",
        "(if-else (mine) true true)",
    ] {
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        let ended = function.judge(&context(), &facts(), &Budget::new(4, None));
        assert!(
            matches!(ended, Err(Error::Exceeded(_))),
            "{text}: {ended:?}"
        );
    }
}

#[test]
fn a_constant_shows_in_the_text() {
    let rows = [
        ("true", Some(true)),
        ("false", Some(false)),
        ("(yes)", Some(true)),
        ("(not (yes))", Some(false)),
        ("(and true (mine))", None),
        ("(and (mine) false)", Some(false)),
        ("(or (mine) true)", Some(true)),
        ("(or false false)", Some(false)),
        ("(if-else true false (mine))", Some(false)),
        ("(== 1 1)", None),
        ("(and true 1)", None),
    ];
    for (text, expected) in rows {
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        assert_eq!(function.constant(), expected, "{text}");
        if let Some(expected) = expected {
            let truth = function.judge(&context(), &facts(), &budget()).unwrap();
            assert_eq!(truth, if expected { Truth::True } else { Truth::False });
        }
    }
}

#[test]
fn a_function_knows_what_it_depends_on() {
    let rows: [(&str, Reach, &[&str]); 7] = [
        ("(== (?auth_id) 1)", Reach::Bearer, &[]),
        (
            "(== (get (?user_id) \"person/age\") 1)",
            Reach::Bearer,
            &["person/age"],
        ),
        ("(mine)", Reach::Subject, &["person/user"]),
        ("(== (?pid) 1)", Reach::Flake, &[]),
        ("(and (== (?s) 1) (== (?p) \"a\"))", Reach::Flake, &[]),
        (
            "(relationship? [\"person/handle\" \"a\"] [\"person/_friend\" \"person/boss*\"] 1)",
            Reach::Bearer,
            &["person/handle", "person/friend", "person/boss"],
        ),
        (
            "(if-else true true (== (of (?sid)) 1))",
            Reach::Subject,
            &["person/age"],
        ),
    ];
    for (text, reach, reads) in rows {
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        assert_eq!(function.reach(), reach, "{text}");
        let expected = reads.iter().map(|it| predicate(it)).collect();
        assert_eq!(function.reads(), &expected, "{text}");
    }
    for text in [
        "(== (get (?s) \"person/state\") \"open\")",
        "(== (?o) 1)",
        "(nil? (?pO))",
    ] {
        let function = Function::compile(text, &[], &book(), &NoQueries).unwrap();
        assert!(function.reads().contains(&TAG_ID), "{text}");
    }
}

#[test]
fn calls_are_told_to_the_end_and_circles_are_refused() {
    let mut book = book();
    let inner = book.function_is("inner", &["x"], "(== x 1)");
    let outer = book.function_is("outer", &[], "(inner (inner 1))");
    book.function_is("a", &[], "(b)");
    book.function_is("b", &[], "(not (c))");
    book.function_is("c", &[], "(and (b))");
    book.function_is("broken", &[], "(and\n true");
    book.function_is("twice", &["x", "x"], "(== x x)");
    let function = Function::compile("(outer)", &[], &book, &NoQueries).unwrap();
    assert_eq!(function.calls(), &[inner, outer].into());
    let error = |text: &str| {
        Function::compile(text, &[], &book, &NoQueries)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("(a)"),
        "in function `c`, line 1, column 7: functions call each other in a circle: b → c → b"
    );
    assert_eq!(
        error("(broken)"),
        "in function `broken`, line 2, column 6: expected an expression or `)`"
    );
    assert!(error("(twice 1 2)").contains("`x` cannot be the name of a parameter"));
    // A function's own argument may call it again.
    assert!(Function::compile("(same (same 1 1) true)", &[], &book, &NoQueries).is_ok());
}

#[test]
fn parameters_are_arguments_where_the_function_is_evaluated_by_itself() {
    let params = ["a".to_owned(), "b".to_owned()];
    let function = Function::compile("(+ a (* b b))", &params, &book(), &NoQueries).unwrap();
    let run = |arguments: &[Val]| function.evaluate(arguments, &context(), &facts(), &budget());
    assert_eq!(run(&[Val::Int(1), Val::Int(3)]), Ok(Val::Int(10)));
    assert!(run(&[Val::Int(1)]).is_err());
    let judged = function.judge(&context(), &facts(), &budget()).unwrap();
    assert!(matches!(judged, Truth::Fault(_)));
    let name = Function::compile("(get (?s) a)", &params, &book(), &NoQueries).unwrap_err();
    assert_eq!(
        name.to_string(),
        "line 1, column 11: expected a predicate's name"
    );
}

#[test]
fn what_the_language_takes_cannot_name_a_function() {
    for name in [
        "get", "?x", "true", "nil", "query", "1a", "-1", "", "a b", "é", "a\"", "+",
    ] {
        assert!(!is_function_name(name), "{name}");
    }
    for name in ["isOwner", "is-owner?", "a/b", "ownNotes2", "a.b"] {
        assert!(is_function_name(name), "{name}");
    }
}

#[test]
fn integers_and_doubles_compare_without_rounding() {
    let rows = [
        ("(< 9007199254740992.0 9007199254740993)", "true"),
        ("(== 9223372036854775807 9223372036854775807.0)", "false"),
        ("(< 9223372036854775807 9223372036854775808.0)", "true"),
        ("(== -9223372036854775808 -9223372036854775808.0)", "true"),
        ("(> -9223372036854775808 -1e300)", "true"),
        ("(< 0 0.1 1)", "true"),
        ("(> 0 -0.1 -1)", "true"),
        ("(== 0 -0.0)", "true"),
        ("(contains? (hash-set 1 2.0) 2)", "true"),
        (
            "(== (quot -9223372036854775808 -1) 0)",
            "fault: `quot` overflows",
        ),
        ("(== (/ -9223372036854775808 -1) 0)", "fault: `/` overflows"),
        ("(== (rem -9223372036854775808 -1) 0)", "true"),
        ("(== (mod -9223372036854775808 -1) 0)", "true"),
        ("(== (- -9223372036854775808) 0)", "fault: `-` overflows"),
        (
            "(== (dec -9223372036854775808) 0)",
            "fault: `dec` overflows",
        ),
        ("(== (* 1e300 1e300) 0)", "fault: `*` overflows"),
        ("(== (mod 7 -2) -1)", "true"),
        ("(== (mod 5.5 -2) -0.5)", "true"),
        ("(== (rem 5.5 -2) 1.5)", "true"),
        ("(== (quot 5.5 -2) -2)", "true"),
        ("(== (/ 1 0.0) 0)", "fault: `/` divides by zero"),
        ("(== (ceil -0.5) 0)", "true"),
        ("(== (floor 2251799813685249.5) 2251799813685249)", "true"),
        (
            "(== (floor -9223372036854775808.0) -9223372036854775808)",
            "true",
        ),
        (
            "(== (ceil 9223372036854775808.0) 0)",
            "fault: `ceil` overflows",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(judged(text, &context()), expected, "{text}");
    }
}

#[test]
fn a_function_is_shared_among_threads() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    is_shared::<Function>();
}
