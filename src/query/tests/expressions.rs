//! Filters, binds and filters in clauses.

use super::{check, refused, run, small, with_ids};
use crate::base::limits::{QUERY_CLAUSES_MAX, QUERY_EXPRESSION_NODES_MAX};
use crate::query::Error;

/// The handles that items leave beside `[?p handle ?h]`.
fn handles(items: &str, expected: &str) {
    let query = format!(r#"{{"select":"?h","where":[["?p","person/handle","?h"],{items}]}}"#);
    check(&small(), &query, expected);
}

const AGE: &str = r#"["?p","person/age","?a"]"#;
const MAY_AGE: &str = r#"{"optional":[["?p","person/age","?a"]]}"#;

#[test]
fn a_filter_keeps_the_rows_that_it_is_true_of() {
    for (filter, expected) in [
        (r"(> ?a 30)", r#"["zsmith"]"#),
        (r"(< 20 ?a 30)", r#"["jdoe"]"#),
        (r"(&& (> ?a 1) (|| (= ?a 25) (= ?a 26)))", r#"["jdoe"]"#),
        (r"(! (= ?a 25))", r#"["zsmith"]"#),
        (r"(not= ?a 25)", r#"["zsmith"]"#),
        (r"(if (= ?a 25) (> 2 1) (> 1 2))", r#"["jdoe"]"#),
        (r#"(= \"a && b || c\" ?h)"#, "[]"),
        (r#"(= ?h \"jdoe\")"#, r#"["jdoe"]"#),
        (r#"(strStarts ?h \"zs\")"#, r#"["zsmith"]"#),
        (r#"(strEnds ?h \"oe\")"#, r#"["jdoe"]"#),
        // Where truth is asked, a match is truth.
        (r#"(re-find (re-pattern \"^j\") ?h)"#, r#"["jdoe"]"#),
        (r#"(re-find \"^j\" ?h)"#, r#"["jdoe"]"#),
        (r#"(not (re-find \"^j\" ?h))"#, r#"["zsmith"]"#),
        (
            r#"(and (re-find \"s\" ?h) (re-find \"h$\" ?h))"#,
            r#"["zsmith"]"#,
        ),
        (r#"(= \"z\" (re-find \"^z\" ?h))"#, r#"["zsmith"]"#),
        (r"(= (now) 1700000000000)", r#"["jdoe","zsmith"]"#),
        // A fault is no, and so is what is neither true nor false.
        (r"(> ?h 30)", "[]"),
        (r"(/ 1 (- ?a 25))", "[]"),
        (r"(> (/ 1 (- ?a 25)) 0)", r#"["zsmith"]"#),
        (r"(+ ?a 1)", "[]"),
        ("true", r#"["jdoe","zsmith"]"#),
        ("false", "[]"),
    ] {
        handles(&format!(r#"{AGE},{{"filter":["{filter}"]}}"#), expected);
        // Where it stands changes nothing.
        let first = format!(
            r#"{{"select":"?h","where":[{{"filter":["{filter}"]}},{AGE},["?p","person/handle","?h"]]}}"#
        );
        check(&small(), &first, expected);
        let beside = format!(
            r#"{{"select":"?h","where":[{AGE},["?p","person/handle","?h"]],"filter":["{filter}"]}}"#
        );
        check(&small(), &beside, expected);
    }
}

#[test]
fn a_null_in_a_filter_drops_the_row_unless_the_filter_is_optional() {
    for (filter, expected) in [
        (r#""(> ?a 30)""#, r#"["zsmith"]"#),
        (r#"["optional","(> ?a 30)"]"#, r#"["it's","zsmith"]"#),
        (
            r#"{"code":"(> ?a 30)","optional":true}"#,
            r#"["it's","zsmith"]"#,
        ),
        (
            r#"{"language":"clojure","code":"(> ?a 30)"}"#,
            r#"["zsmith"]"#,
        ),
        (r#""(nil? ?a)""#, r#"["it's"]"#),
        (r#""(bound ?a)""#, r#"["jdoe","zsmith"]"#),
        (r#""(! (bound ?a))""#, r#"["it's"]"#),
        (r#""(= ?a nil)""#, r#"["it's"]"#),
        (r#""(> (coalesce ?a 100) 30)""#, r#"["it's","zsmith"]"#),
    ] {
        handles(&format!(r#"{MAY_AGE},{{"filter":[{filter}]}}"#), expected);
    }
    // The same as keys beside the `where`, of which `optional` is one group.
    let query = r#"{"select":["?h","?a"],"where":[["?p","person/handle","?h"]],
        "optional":[["?p","person/age","?a"]],"filter":["(not= ?h \"jdoe\")"]}"#;
    check(&small(), query, r#"[["it's",null],["zsmith",63]]"#);
}

#[test]
fn a_bind_gives_a_variable_the_value_of_an_expression() {
    for (items, expected) in [
        (
            r#"["?p","person/age","?a"],{"bind":{"?b":"(no)"}}"#,
            r#"[["jdoe","(no)"],["zsmith","(no)"]]"#,
        ),
        (
            r##"["?p","person/age","?a"],{"bind":{"?b":"#(+ ?a 1)"}}"##,
            r#"[["jdoe",26],["zsmith",64]]"#,
        ),
        (
            r##"["?b","#(/ ?a 2)"],["?p","person/age","?a"]"##,
            r#"[["jdoe",12.5],["zsmith",31.5]]"#,
        ),
        (
            r##"["?p","person/age","?a"],["?b","#(str ?h \"-\" ?a)"]"##,
            r#"[["jdoe","jdoe-25"],["zsmith","zsmith-63"]]"#,
        ),
        // One after the other, however they are written.
        (
            r##"["?b","#(* ?c 2)"],["?c","#(inc ?a)"],["?p","person/age","?a"]"##,
            r#"[["jdoe",52],["zsmith",128]]"#,
        ),
        // What is bound otherwise too must be equal, as a term is.
        (
            r##"["?p","person/age","?b"],["?b","#(+ 20 5)"]"##,
            r#"[["jdoe",25]]"#,
        ),
        (r##"["?p","person/age","?b"],["?b","#(+ 20.0 5)"]"##, "[]"),
        // A fault is a null, which joins nothing.
        (
            r##"["?p","person/age","?a"],["?b","#(/ 1 (- ?a 25))"]"##,
            r#"[["jdoe",null],["zsmith",0.02631578947368421]]"#,
        ),
        (
            r##"["?p","person/age","?b"],["?b","#(/ ?b (- ?b 25))"]"##,
            "[]",
        ),
        // With what an optional binds.
        (
            r##"{"optional":[["?p","person/age","?a"]]},["?b","#(coalesce ?a 0)"]"##,
            r#"[["it's",0],["jdoe",25],["zsmith",63]]"#,
        ),
        (
            r##"["?c","#(inc ?b)"],{"optional":[["?p","person/age","?a"]]},["?b","#(inc ?a)"],{"filter":["(nil? ?c)"]}"##,
            r#"[["it's",null]]"#,
        ),
        // A set is no term.
        (
            r##"["?p","person/age",25],["?b","#(hash-set 1 2)"]"##,
            r#"[["jdoe",null]]"#,
        ),
        // What a bind finds is joined, by an index too.
        (
            r##"["?b","#(str ?h \"\")"],["?q","person/handle","?b"],["?q","person/age",25]"##,
            r#"[["jdoe","jdoe"]]"#,
        ),
        (
            r##"["?b","#(str \"hap\" \"py\")"],["?p","person/mood","?b"]"##,
            r#"[["jdoe","happy"]]"#,
        ),
        // A group sees what is bound around it.
        (
            r##"["?p","person/age","?a"],["?b","#(dec ?a)"],{"exists":[["?q","person/age","?c"],{"filter":["(< ?c ?b)"]}]}"##,
            r#"[["zsmith",62]]"#,
        ),
        (
            r##"["?p","person/age","?a"],{"union":[[["?b","#(inc ?a)"],["?p","person/age",25]],[["?b","#(dec ?a)"],["?p","person/age",63]]]}"##,
            r#"[["jdoe",26],["zsmith",62]]"#,
        ),
        (
            r##"["?p","person/age","?a"],{"not":[{"bind":{"?c":"#(+ 38 ?a)"}},["?q","person/age","?c"]]},["?b",1]"##,
            r#"[["zsmith",1]]"#,
        ),
    ] {
        let query =
            format!(r#"{{"select":["?h","?b"],"where":[["?p","person/handle","?h"],{items}]}}"#);
        check(&small(), &query, expected);
    }
}

#[test]
fn a_clause_may_filter_its_object() {
    for (items, expected) in [
        (r##"["?p","person/age","#(> ?n 30)"]"##, r#"["zsmith"]"#),
        (
            r##"["?p","person/age","#(and (> ?n 20) (< ?n 30))"]"##,
            r#"["jdoe"]"#,
        ),
        // The one that nothing else binds is the object, wherever it stands.
        (
            r##"["?q","person/handle","zsmith"],["?q","person/age","?z"],["?p","person/age","#(< (+ ?z 0) (+ ?n 1))"]"##,
            r#"["zsmith"]"#,
        ),
        // If all are bound, it is the first.
        (
            r##"["?p","person/age","?z"],["?p","person/age","#(> ?z 30)"]"##,
            r#"["zsmith"]"#,
        ),
        (
            r##"["$fdb","?p","person/age","#(> ?n 30)"]"##,
            r#"["zsmith"]"#,
        ),
    ] {
        handles(items, expected);
    }
    let told = r##"{"select":["?h","?n"],"where":[["?p","person/handle","?h"],["?p","person/age","#(> ?n ?least)"]],"vars":{"?least":30}}"##;
    check(&small(), told, r#"[["zsmith",63]]"#);
}

#[test]
fn what_vars_give_is_a_literal_in_an_expression() {
    for (vars, filter, expected) in [
        (r#"{"?x":30}"#, "(> ?a ?x)", r#"["zsmith"]"#),
        (r#"{"?x":24.5}"#, "(< ?a (+ ?x 1))", r#"["jdoe"]"#),
        (r#"{"?x":"^j"}"#, "(re-find ?x ?h)", r#"["jdoe"]"#),
        (
            r#"{"?x":18446744073709551615}"#,
            "(< ?a ?x)",
            r#"["jdoe","zsmith"]"#,
        ),
        (r#"{"?x":true}"#, "(and ?x (> ?a 30))", r#"["zsmith"]"#),
    ] {
        let query = format!(
            r#"{{"select":"?h","where":[["?p","person/handle","?h"],{AGE},{{"filter":["{filter}"]}}],"vars":{vars}}}"#
        );
        check(&small(), &query, expected);
    }
    let pair = r#"{"select":"?h","where":[["?p","person/handle","?h"]],"filter":["(= ?p ?x)"],"vars":{"?x":["person/handle","jdoe"]}}"#;
    refused(&small(), pair, "/filter/0", "`?x` has a value from `vars`");
}

#[test]
fn an_expression_that_is_none_is_refused_at_its_place() {
    for (items, at, why) in [
        (r#"{"filter":["(> ?a"]}"#, "/where/1/filter/0", "expected"),
        (
            r#"{"filter":["(frob ?p)"]}"#,
            "/where/1/filter/0",
            "unknown function `frob`",
        ),
        (
            r#"{"filter":["(= 1 (get ?p \"person/age\"))"]}"#,
            "/where/1/filter/0",
            "`get` is not available here",
        ),
        (
            r#"{"filter":["(?auth_id)"]}"#,
            "/where/1/filter/0",
            "not available",
        ),
        (
            r#"{"filter":["(rand 2)"]}"#,
            "/where/1/filter/0",
            "not available",
        ),
        (
            r#"{"filter":["(> ?z 1)"]}"#,
            "/where",
            "`?z` is bound by nothing",
        ),
        (
            r#"{"filter":["(> z 1)"]}"#,
            "/where/1/filter/0",
            "`z` is not a parameter",
        ),
        (r#"{"filter":"(> 2 1)"}"#, "/where/1/filter", "array"),
        (
            r#"{"filter":[["optional"]]}"#,
            "/where/1/filter/0",
            "optional",
        ),
        (
            r#"{"filter":[{"code":"true","lang":1}]}"#,
            "/where/1/filter/0/lang",
            "has no `lang`",
        ),
        (
            r#"{"filter":["(re-find \"(\" ?h)"]}"#,
            "/where/1/filter/0",
            "pattern",
        ),
        (
            r#"{"filter":["(re-find ?h ?h)"]}"#,
            "/where/1/filter/0",
            "literal",
        ),
        (
            r##"["?b","#(inc ?z)"]"##,
            "/where",
            "`?z` is bound by nothing",
        ),
        (
            r##"["?b","#(inc ?b)"]"##,
            "/where/1/1",
            "what binds `?b` needs what it binds",
        ),
        (
            r##"{"bind":{"?b":"#(inc ?c)","?c":"#(inc ?b)"}}"##,
            "/where/1/bind/?b",
            "what binds `?b` and `?c` needs what it binds",
        ),
        (
            r##"{"optional":[["?p","person/age","?a"]]},["?a","#(inc 24)"],["?b","#(inc ?a)"]"##,
            "",
            "",
        ),
        (
            r##"{"optional":[["?p","person/age","?a"]]},["?b","#(inc ?a)"],{"optional":[["?p","person/favNums","?b"]]}"##,
            "/where/2/1",
            "`?b` is bound by what waits for an optional",
        ),
        (
            r##"{"optional":[["?p","person/age","?a"]]},["?a","#(inc ?a)"]"##,
            "/where/2/1",
            "`?a` is bound by what waits for an optional",
        ),
        (
            r##"["?p","person/age","#(> 2 1)"]"##,
            "/where/1/2",
            "has a variable",
        ),
        (
            r##"["#(> ?a 1)","person/age","?a"]"##,
            "/where/1/0",
            "a subject is",
        ),
    ] {
        let query = format!(r#"{{"select":"?h","where":[["?p","person/handle","?h"],{items}]}}"#);
        if at.is_empty() {
            assert!(run(&small(), &query).is_ok(), "{query}");
        } else {
            refused(&small(), &query, at, why);
        }
    }
    for key in ["filter", "optional", "groupBy", "having"] {
        let query = format!(r#"{{"select":["*"],"from":"person","{key}":["(> 2 1)"]}}"#);
        refused(&small(), &query, &format!("/{key}"), "array of clauses");
    }
}

#[test]
fn expressions_are_so_many_and_so_large_and_no_more() {
    let world = small();
    let filters = |count: usize, nodes: usize| {
        // A comparison has as many nodes as arguments, and one.
        let filter = format!("\"(= {})\"", vec!["1"; nodes - 1].join(" "));
        format!(
            r#"{{"select":"?h","where":[["?p","person/handle","?h"]],"filter":[{}]}}"#,
            vec![filter; count].join(",")
        )
    };
    assert!(run(&world, &filters(QUERY_CLAUSES_MAX - 1, 3)).is_ok());
    let most = QUERY_CLAUSES_MAX.to_string();
    refused(&world, &filters(QUERY_CLAUSES_MAX, 3), "/filter", &most);
    let binds: Vec<String> = (0..QUERY_CLAUSES_MAX)
        .map(|n| format!(r#""?b{n}":{n}"#))
        .collect();
    let binds = format!(
        r#"{{"select":"?b1","where":[{{"bind":{{{}}}}}]}}"#,
        binds.join(",")
    );
    assert!(run(&world, &binds).is_ok());
    let more = binds.replace(r#""?b1":1,"#, r#""?b1":1,"?c":1,"#);
    refused(&world, &more, "/where/0/bind", &most);
    // Searches for patterns are the largest.
    let searches = |count: usize| {
        let search = r#"(re-find \"a\" ?h)"#;
        let filter = format!("\"(or {})\"", vec![search; 16].join(" "));
        format!(
            r#"{{"select":"?h","where":[["?p","person/handle","?h"]],"filter":[{}]}}"#,
            vec![filter; count].join(",")
        )
    };
    // Each is 37 nodes: `boolean`, `re-find`, the text and the pattern; and `or`.
    let fit = QUERY_EXPRESSION_NODES_MAX / 561;
    assert!(run(&world, &searches(fit)).is_ok());
    let error = run(&world, &searches(fit + 1)).unwrap_err();
    let max = QUERY_EXPRESSION_NODES_MAX;
    // A comparison of 64 numbers is 65 nodes.
    let equal = format!("(= {})", vec!["1"; 64].join(" "));
    let exactly = |last: &str| {
        let mut filters = vec![format!("\"{equal}\""); 62];
        filters.push(format!("\"{last}\""));
        format!(
            r#"{{"select":"?h","where":[["?p","person/handle","?h"]],"filter":[{}]}}"#,
            filters.join(",")
        )
    };
    assert_eq!(62 * 65 + 66, QUERY_EXPRESSION_NODES_MAX);
    assert!(run(&world, &exactly(&format!("(not {equal})"))).is_ok());
    let more = exactly(&format!("(not (not {equal}))"));
    refused(
        &world,
        &more,
        "/filter/62",
        &QUERY_EXPRESSION_NODES_MAX.to_string(),
    );
    // Those of rules and of groups are counted with them.
    let rules = |count: usize| {
        let search = r#"(re-find \"a\" ?h)"#;
        let filter = format!("(or {})", vec![search; 16].join(" "));
        let rule =
            format!(r#"["(named ?h)",["?p","person/handle","?h"],{{"filter":["{filter}"]}}]"#);
        format!(
            r#"{{"select":"?h","where":[["(named ?h)"]],"rules":[{}]}}"#,
            vec![rule; count].join(",")
        )
    };
    assert!(run(&world, &rules(fit)).is_ok());
    let of_rules = run(&world, &rules(fit + 1)).unwrap_err();
    assert!(
        matches!(of_rules, Error::Limit { max: it, .. } if it == max),
        "{of_rules}"
    );
    assert!(
        matches!(error, Error::Limit { max: it, .. } if it == max),
        "{error}"
    );
}

#[test]
fn an_expression_is_asked_once_for_each_value_and_paid() {
    let world = small();
    let steps = |filter: &str| {
        let budget = crate::base::Budget::new(1_000_000, None);
        let query = with_ids(&format!(
            r#"{{"select":"?h","where":[["?p","person/handle","?h"],["?p","person/favNums","?n"],["?c","chat/message","?m"],{filter}]}}"#
        ));
        let query = crate::query::Query::parse(&query).unwrap();
        query
            .run(&world.facts, &world.schema, super::ASKED, &budget)
            .unwrap();
        budget.spent()
    };
    let without = steps(r#"["?c","rdf:type","chat"]"#);
    let few = steps(r#"["?c","rdf:type","chat"],{"filter":["(not= ?m 1)"]}"#);
    // Three messages, each asked once, at three nodes; and a step for each row, of twelve at most.
    assert!((12..=21).contains(&(few - without)), "{few} {without}");
    let all = steps(r#"["?c","rdf:type","chat"],{"filter":["(not= ?m ?n)"]}"#);
    assert_eq!(all - without, 12 * 3 + 12);
}
