//! Aggregates, `groupBy`, `having`, and the order of what they give.

use super::{AGE, HANDLE, NOTE, NUMS, SCORE, check, person, refused, run, small, with_ids, world};
use crate::base::limits::{QUERY_ROWS_MAX, QUERY_SELECT_MAX, STRING_BYTES_MAX};
use crate::model::{Real, Value};
use crate::query::Error;

const NUMBERS: &str = r#"["?p","person/favNums","?n"]"#;

/// What an aggregate tells of the numbers -2, 0, 5 and 12, of the ages 25 and 63, or of the handles.
fn told(aggregate: &str, expected: &str) {
    let query = format!(
        r#"{{"select":"{aggregate}","where":[["?p","person/handle","?h"],{{"optional":[["?p","person/age","?a"]]}},{{"optional":[["?p","person/favNums","?n"]]}}]}}"#
    );
    check(&small(), &query, expected);
}

#[test]
fn an_aggregate_tells_what_all_rows_come_to() {
    for (aggregate, expected) in [
        // jdoe has three numbers, zsmith one, and a third person none of either.
        ("(count ?h)", "5"),
        ("(count ?a)", "4"),
        ("(count ?n)", "4"),
        ("(count (distinct ?a))", "2"),
        ("(count-distinct ?a)", "2"),
        ("(sum ?n)", "15"),
        ("(sum ?a)", "138"),
        ("(sum (distinct ?a))", "88"),
        ("(avg ?n)", "3.75"),
        ("(avg (distinct ?a))", "44"),
        ("(median ?n)", "2.5"),
        ("(median ?a)", "25"),
        ("(min ?n)", "-2"),
        ("(max ?n)", "12"),
        ("(min ?h)", r#""it's""#),
        ("(max ?h)", r#""zsmith""#),
        ("(min 3 ?n)", "[-2,0,5]"),
        ("(max 2 ?n)", "[12,5]"),
        ("(max 9 ?n)", "[12,5,0,-2]"),
        ("(max 2 ?a)", "[63,25]"),
        ("(max 3 (distinct ?a))", "[63,25]"),
        ("(variance ?n)", "29.1875"),
        ("(stddev (distinct ?a))", "19.0"),
        ("(groupconcat (distinct ?n))", r#""-2,0,12,5""#),
        (
            "(groupconcat (distinct ?h) \\\" | \\\")",
            r#""it's | jdoe | zsmith""#,
        ),
        ("(as (count ?h) ?count)", "5"),
    ] {
        told(aggregate, expected);
    }
    let ordered =
        format!(r#"{{"select":"(groupconcat ?n)","where":[{NUMBERS}],"orderBy":["DESC","?n"]}}"#);
    check(&small(), &ordered, r#""12,5,0,-2""#);
}

#[test]
fn of_no_rows_a_count_and_a_sum_are_nothing_and_the_rest_is_null() {
    for (aggregate, expected) in [
        ("(count ?n)", "0"),
        ("(sum ?n)", "0"),
        ("(avg ?n)", "null"),
        ("(median ?n)", "null"),
        ("(min ?n)", "null"),
        ("(max ?n)", "null"),
        ("(variance ?n)", "null"),
        ("(stddev ?n)", "null"),
        ("(groupconcat ?n)", "null"),
        ("(rand ?n)", "null"),
        ("(sample ?n)", "null"),
        ("(max 2 ?n)", "[]"),
        ("(rand 2 ?n)", "[]"),
        ("(sample 2 ?n)", "[]"),
    ] {
        let query =
            format!(r#"{{"select":"{aggregate}","where":[{NUMBERS},{{"filter":["(> ?n 99)"]}}]}}"#);
        check(&small(), &query, expected);
        let list = query.replace(&format!(r#""{aggregate}""#), &format!(r#"["{aggregate}"]"#));
        check(&small(), &list, &format!("[{expected}]"));
    }
}

#[test]
fn aggregates_stand_alone_in_an_array_or_beside_variables() {
    for (select, rest, expected) in [
        (r#""(sum ?n)""#, "", "15"),
        (r#"["(sum ?n)"]"#, "", "[15]"),
        (r#"["(sum ?n)","(count ?n)"]"#, "", "[15,4]"),
        (
            r#"["?n","(as (count ?n) ?c)"]"#,
            "",
            "[[-2,4],[0,4],[5,4],[12,4]]",
        ),
        (r#"["?n","(sum ?n)"]"#, r#","limit":1"#, "[[-2,15]]"),
        (r#"["(sum ?n)"]"#, r#","limit":0"#, "null"),
        (r#""(sum ?n)""#, r#","offset":1"#, "null"),
        (
            r#"["(sum ?n)","(as (max ?n) ?most)","(max ?n)"]"#,
            r#","prettyPrint":true"#,
            r#"{"(sum ?n)":15,"most":12,"(max ?n)":12}"#,
        ),
        (
            r#"["?n","(max 2 ?n)"]"#,
            r#","prettyPrint":true,"limit":1"#,
            r#"[{"n":-2,"(max 2 ?n)":[12,5]}]"#,
        ),
        (
            r#"["?given","(sum ?n)"]"#,
            r#","vars":{"?given":"x"}"#,
            r#"["x",15]"#,
        ),
        // Of each row.
        (r#""(abs ?n)""#, "", "[0,2,5,12]"),
        (r#"["(str ?n)","?n"]"#, r#","limit":1"#, r#"[["-2",-2]]"#),
        (
            r#"["?n","(as (abs ?n) ?a)"]"#,
            r#","orderBy":["DESC","?a"]"#,
            "[[12,12],[5,5],[-2,2],[0,0]]",
        ),
        (
            r#"["(as (abs ?n) ?a)","(max ?a)"]"#,
            r#","limit":1"#,
            "[[0,12]]",
        ),
    ] {
        check(
            &small(),
            &format!(r#"{{"select":{select},"where":[{NUMBERS}]{rest}}}"#),
            expected,
        );
    }
    for (select, expected) in [
        (r#""(abs ?h)""#, "[null,null,null]"),
        (
            r#"["?h","(count ?h)"]"#,
            r#"[["it's",3],["jdoe",3],["zsmith",3]]"#,
        ),
    ] {
        check(
            &small(),
            &format!(r#"{{"select":{select},"where":[["?p","person/handle","?h"]]}}"#),
            expected,
        );
    }
    let one = format!(r#"{{"selectOne":["?n","(sum ?n)"],"where":[{NUMBERS}]}}"#);
    check(&small(), &one, "[-2,15]");
    // All rows are folded, and not those that are told.
    let distinct =
        r#"{"selectDistinct":["?p","(count ?n)"],"where":[["?p","person/favNums","?n"]]}"#;
    check(&small(), distinct, "[[P0,4],[P1,4]]");
}

#[test]
fn numbers_are_added_without_loss_and_doubles_in_one_order() {
    let double = |it| Value::Double(Real::new(it).unwrap());
    let numbers = |ages: &[i64], scores: &[f64]| {
        let ages = (0..)
            .zip(ages)
            .map(|(n, it)| (person(n), AGE, Value::Int(*it)));
        let scores = (0..)
            .zip(scores)
            .map(|(n, it)| (person(n), SCORE, double(*it)));
        world(ages.chain(scores).collect())
    };
    let tell = |ages: &[i64], scores: &[f64], aggregate: &str| {
        let query = format!(
            r#"{{"select":"{aggregate}","where":[{{"union":[[["?p","person/age","?n"]],[["?p","person/score","?n"]]]}}]}}"#
        );
        run(&numbers(ages, scores), &query).map(|it| it.write())
    };
    let max = i64::MAX;
    for (ages, scores, aggregate, expected) in [
        (
            &[max, max][..],
            &[][..],
            "(sum ?n)",
            r#""18446744073709551614""#,
        ),
        (&[max, max], &[], "(avg ?n)", "9223372036854775807"),
        (&[max, -max], &[], "(sum ?n)", "0"),
        (&[1, 2], &[], "(avg ?n)", "1.5"),
        (&[1, 2], &[], "(median ?n)", "1.5"),
        (&[1], &[0.5], "(sum ?n)", "1.5"),
        (&[1], &[0.5], "(median ?n)", "0.75"),
        (&[], &[0.1, 0.2, 0.3], "(sum ?n)", "0.6000000000000001"),
        (&[], &[0.3, 0.2, 0.1], "(sum ?n)", "0.6000000000000001"),
        (&[], &[1e300, 1.0, -1e300], "(sum ?n)", "0.0"),
        (&[], &[2.0], "(variance ?n)", "0.0"),
        (&[7], &[7.0], "(count (distinct ?n))", "2"),
        (&[7], &[7.0], "(max ?n)", "7.0"),
    ] {
        assert_eq!(
            tell(ages, scores, aggregate).as_deref(),
            Ok(expected),
            "{aggregate}"
        );
    }
    let error = tell(&[], &[1.7e308, 1.6e308], "(sum ?n)").unwrap_err();
    assert!(
        error.to_string().contains("more than a number may be"),
        "{error}"
    );
    // Exact numbers stay exact where they come out so.
    for (aggregate, numbers, expected) in [
        ("(sum ?m)", "0.1M 0.2M", r#""0.3""#),
        ("(avg ?m)", "0.1M 0.2M", r#""0.15""#),
        ("(avg ?m)", "1M 1M 2M", "1.3333333333333333"),
        ("(median ?m)", "1M 2M", r#""1.5""#),
        ("(max ?m)", "0.5M 2M", r#""2""#),
    ] {
        let arms: Vec<String> = (0..)
            .zip(numbers.split(' '))
            .map(|(n, it)| format!(r##"[["?i",{n}],["?m","#(+ 0M {it})"]]"##))
            .collect();
        let query = format!(
            r#"{{"select":"{aggregate}","where":[{{"union":[{}]}}]}}"#,
            arms.join(",")
        );
        check(&small(), &query, expected);
    }
}

#[test]
fn rows_are_grouped_by_terms() {
    let by = |select: &str, rest: &str, expected: &str| {
        check(
            &small(),
            &format!(
                r#"{{"select":{select},"where":[["?p","person/handle","?h"],{{"optional":[["?p","person/age","?a"]]}},["?p","person/favNums","?n"]],{rest}}}"#
            ),
            expected,
        );
    };
    let h = r#""groupBy":"?h""#;
    by(r#""?n""#, h, r#"{"jdoe":[-2,0,12],"zsmith":[5]}"#);
    by(r#""(sum ?n)""#, h, r#"{"jdoe":10,"zsmith":5}"#);
    by(
        r#"["(sum ?n)","(max ?n)"]"#,
        h,
        r#"{"jdoe":[10,12],"zsmith":[5,5]}"#,
    );
    by(
        r#"["?n","(sum ?n)"]"#,
        h,
        r#"{"jdoe":[[-2,10],[0,10],[12,10]],"zsmith":[[5,5]]}"#,
    );
    by(
        r#"["?h","?n"]"#,
        r#""groupBy":"?h","prettyPrint":true,"limit":2"#,
        r#"{"jdoe":[{"h":"jdoe","n":-2},{"h":"jdoe","n":0}]}"#,
    );
    by(
        r#""?n""#,
        r#""groupBy":"?h","limit":2,"offset":2"#,
        r#"{"jdoe":[12],"zsmith":[5]}"#,
    );
    by(
        r#""(sum ?n)""#,
        r#""groupBy":"?h","offset":1"#,
        r#"{"zsmith":5}"#,
    );
    by(
        r#""?n""#,
        r#""opts":{"groupBy":"?a"}"#,
        r#"{"25":[-2,0,12],"63":[5]}"#,
    );
    by(
        r#""?n""#,
        r#""groupBy":["?h","?a"]"#,
        r#"{"[\"jdoe\" 25]":[-2,0,12],"[\"zsmith\" 63]":[5]}"#,
    );
    by(
        r#""(count ?n)""#,
        r#""groupBy":["?h"]"#,
        r#"{"[\"jdoe\"]":3,"[\"zsmith\"]":1}"#,
    );
    // Order is of rows, and groups stand where their first rows do.
    by(
        r#""?n""#,
        r#""groupBy":"?h","orderBy":["DESC","?n"]"#,
        r#"{"jdoe":[12,0,-2],"zsmith":[5]}"#,
    );
    by(
        r#""?n""#,
        r#""groupBy":"?h","orderBy":["DESC","?h"]"#,
        r#"{"zsmith":[5],"jdoe":[-2,0,12]}"#,
    );
    by(
        r#""(as (sum ?n) ?sum)""#,
        r#""groupBy":"?h","orderBy":"?sum""#,
        r#"{"zsmith":5,"jdoe":10}"#,
    );
    by(
        r#"["(as (abs ?n) ?abs)","(as (count ?n) ?c)"]"#,
        r#""groupBy":"?h","orderBy":["?c","?abs"]"#,
        r#"{"zsmith":[[5,1]],"jdoe":[[0,3],[2,3],[12,3]]}"#,
    );
    // By what is computed of each row.
    by(
        r#"["(as (abs ?n) ?abs)"]"#,
        r#""groupBy":"?abs""#,
        r#"{"0":[[0]],"2":[[2]],"5":[[5]],"12":[[12]]}"#,
    );
    check(
        &small(),
        r#"{"selectOne":"?n","where":[["?p","person/favNums","?n"]],"groupBy":"?p"}"#,
        r#"{"P0":[-2]}"#,
    );
    check(
        &small(),
        r#"{"select":"?n","where":[["?p","person/favNums","?n"],["?p","person/age",1]],"groupBy":"?p"}"#,
        "{}",
    );
}

#[test]
fn keys_that_would_be_alike_are_told_apart() {
    let keys = |terms: &str, expected: &str| {
        let arms: Vec<String> = (0..)
            .zip(terms.split(' '))
            .map(|(n, term)| format!(r#"[["?i",{n}],["?k",{term}]]"#))
            .collect();
        let query = format!(
            r#"{{"select":"(count ?i)","where":[{{"union":[{}]}}],"groupBy":"?k"}}"#,
            arms.join(",")
        );
        check(&small(), &query, expected);
    };
    keys(r#"1 2 "a""#, r#"{"1":1,"2":1,"a":1}"#);
    keys(r#"1 "1" 2"#, r#"{"1":1,"2":1,"\"1\"":1}"#);
    keys(r#"1 1.0 "1.0""#, r#"{"1":1,"1.0":1,"\"1.0\"":1}"#);
    keys(r#"true "true""#, r#"{"true":1,"\"true\"":1}"#);
    // A key by quotes may be alike to another's text.
    keys(
        r#"1 "1" "\"\"1\"\"""#,
        r#"{"1":1,"\"\\\"1\\\"\"":1,"\"1\"":1}"#,
    );
    let null = r#"{"select":"?h","where":[["?p","person/handle","?h"],{"optional":[["?p","person/age","?a"]]}],"groupBy":"?a"}"#;
    check(
        &small(),
        null,
        r#"{"null":["it's"],"25":["jdoe"],"63":["zsmith"]}"#,
    );
    let list = null.replace(
        r#""groupBy":"?a""#,
        r#""groupBy":["?a"],"orderBy":["DESC","?a"]"#,
    );
    check(
        &small(),
        &list,
        r#"{"[63]":["zsmith"],"[25]":["jdoe"],"[nil]":["it's"]}"#,
    );
}

#[test]
fn having_says_which_groups_are_told() {
    for (having, expected) in [
        (r#""(> (count ?n) 1)""#, r#"{"jdoe":10}"#),
        (r#""(> (sum ?n) (* 2 (min ?n)))""#, r#"{"jdoe":10}"#),
        (r#""(> ?sum 5)""#, r#"{"jdoe":10}"#),
        (r#"["(> ?sum 1)","(< (count ?n) 2)"]"#, r#"{"zsmith":5}"#),
        (r#""(strStarts ?h \"z\")""#, r#"{"zsmith":5}"#),
        (
            r#""(and (= ?h \"jdoe\") (= (count (distinct ?a)) 1))""#,
            r#"{"jdoe":10}"#,
        ),
        (r#""(= (max 1 ?sum) ?sum)""#, r#"{"jdoe":10,"zsmith":5}"#),
        (r#""(= 2 (floor (/ ?sum 4)))""#, r#"{"jdoe":10}"#),
        // A fault is no.
        (r#""(> ?h 1)""#, "{}"),
        (r#""(> ?sum ?least)""#, r#"{"jdoe":10}"#),
    ] {
        let query = format!(
            r#"{{"select":"(as (sum ?n) ?sum)","where":[["?p","person/handle","?h"],["?p","person/age","?a"],["?p","person/favNums","?n"]],"groupBy":"?h","having":{having},"vars":{{"?least":6}}}}"#
        );
        check(&small(), &query, expected);
    }
    for (rest, at, why) in [
        (
            r#""having":"(> (count ?n) 1)""#,
            "/having",
            "needs a `groupBy`",
        ),
        (
            r#""groupBy":"?p","having":"(> ?n 1)""#,
            "/having",
            "`?n` is nothing that a group has",
        ),
        (
            r#""groupBy":"?p","having":"(> ?list 1)""#,
            "/having",
            "`?list` is a list",
        ),
        (
            r#""groupBy":"?p","having":["(> (count ?n) 1)",1]"#,
            "/having/1",
            "is a text",
        ),
        (
            r#""groupBy":"?p","having":"(> (count ?z) 1)""#,
            "/having",
            "`?z` is nothing",
        ),
        (
            r#""groupBy":"?p","having":"(frob 1)""#,
            "/having",
            "unknown function",
        ),
        (r#""groupBy":[]"#, "/groupBy", "is a variable"),
        (r#""groupBy":1"#, "/groupBy", "is a variable"),
        (r#""groupBy":"?z""#, "/groupBy", "in no clause"),
        (
            r#""groupBy":["?p","?list"]"#,
            "/groupBy/1",
            "is an aggregate",
        ),
        (r#""groupBy":"?x""#, "/groupBy", "from `vars`"),
    ] {
        let query = format!(
            r#"{{"select":["?p","(as (max 2 ?n) ?list)"],"where":[{NUMBERS}],"vars":{{"?x":1}},{rest}}}"#
        );
        refused(&small(), &query, at, why);
    }
}

#[test]
fn an_aggregate_that_is_none_is_refused_at_its_place() {
    for (select, at, why) in [
        (r#""(frob ?n)""#, "/select", "there is no aggregate `frob`"),
        (r#"["?n","(sum)"]"#, "/select/1", "`sum` takes a variable"),
        (r#""(sum ?n ?p)""#, "/select", "`sum` takes a variable"),
        (r#""(sum 2 ?n)""#, "/select", "`sum` takes a variable"),
        (r#""(max ?n 2)""#, "/select", "`max` takes a variable"),
        (r#""(max 0 ?n)""#, "/select", "one value or more"),
        (r#""(max -1 ?n)""#, "/select", "one value or more"),
        (r#""(sum ?z)""#, "/select", "`?z` is in no clause"),
        (r#""(sum n)""#, "/select", "`sum` takes a variable"),
        (
            r#""(sum (distinct 1))""#,
            "/select",
            "`sum` takes a variable",
        ),
        (r#""(abs 1)""#, "/select", "`abs` takes a variable"),
        (r#""(as (sum ?n))""#, "/select", "`as` takes"),
        (r#""(as (sum ?n) total)""#, "/select", "`as` takes"),
        (
            r#""(as (sum ?n) ?p)""#,
            "/select",
            "`?p` has a value already",
        ),
        (
            r#"["(as (sum ?n) ?t)","(as (max ?n) ?t)"]"#,
            "/select/1",
            "`?t` has a value already",
        ),
        (r#""(sum ?n""#, "/select", "expected"),
        (
            r#""(sum ?h)""#,
            "/select",
            "`sum` takes numbers, and `?h` is bound to a text",
        ),
        (
            r#""(median ?b)""#,
            "/select",
            "`median` takes numbers, and `?b` is bound to a boolean",
        ),
    ] {
        let query = format!(
            r#"{{"select":{select},"where":[{NUMBERS},["?p","person/handle","?h"],["?b",true]]}}"#
        );
        refused(&small(), &query, at, why);
    }
}

#[test]
fn what_rows_come_to_may_be_used_by_clauses_behind_it() {
    let numbers = |items: &str, select: &str, expected: &str| {
        let query = format!(r#"{{"select":{select},"where":[{NUMBERS},{items}]}}"#);
        check(&small(), &query, expected);
    };
    numbers(
        r##"["?m","#(max ?n)"]"##,
        r#"["?n","?m"]"#,
        "[[-2,12],[0,12],[5,12],[12,12]]",
    );
    numbers(
        r##"["?m","#(max ?n)"],{"filter":["(= ?m ?n)"]}"##,
        r#""?n""#,
        "[12]",
    );
    numbers(
        r##"{"bind":{"?m":"#(max ?n)"}},["?q","person/favNums","?m"]"##,
        r#"["?n","?q"]"#,
        "[[-2,P0],[0,P0],[5,P0],[12,P0]]",
    );
    // Bound before, it is a filter; and of what is left another may be folded.
    numbers(r##"["?n","#(min ?n)"]"##, r#""?n""#, "[-2]");
    numbers(
        r##"["?m","#(avg ?n)"],{"filter":["(> ?n ?m)"]},["?c","#(count ?n)"]"##,
        r#"["?n","?m","?c"]"#,
        "[[5,3.75,2],[12,3.75,2]]",
    );
    numbers(
        r##"{"filter":["(> ?n 99)"]},["?c","#(count ?n)"]"##,
        r#""?c""#,
        "[]",
    );
    numbers(
        r##"["?t","#(groupconcat ?n \"+\")"],{"filter":["(= ?n 5)"]}"##,
        r#""?t""#,
        r#"["-2+0+5+12"]"#,
    );
    // With two values it is the function of the language.
    numbers(
        r##"["?m","#(max ?n 3)"]"##,
        r#"["?n","?m"]"#,
        "[[-2,3],[0,3],[5,5],[12,12]]",
    );
    for (items, at, why) in [
        (
            r##"["?m","#(max ?z)"]"##,
            "/where",
            "`?z` is bound by nothing",
        ),
        (
            r##"["?m","#(max ?z)"],["?p","person/age","?z"]"##,
            "/where",
            "`?z` is bound by nothing",
        ),
        (
            r##"{"optional":[["?p","person/age","?a"],["?m","#(max ?a)"]]}"##,
            "/where/1/optional/1/1",
            "at the top of a `where`",
        ),
        (
            r##"["?m","#(sum ?h)"],["?p","person/handle","?h"]"##,
            "/where",
            "`?h` is bound by nothing",
        ),
    ] {
        let query = format!(r#"{{"select":"?n","where":[{NUMBERS},{items}]}}"#);
        refused(&small(), &query, at, why);
    }
    let first = r##"{"select":"?n","where":[["?m","#(max ?n)"],["?p","person/favNums","?n"]]}"##;
    refused(&small(), first, "/where/0/1", "there is nothing");
}

#[test]
fn nulls_come_first_where_values_ascend_and_last_where_they_descend() {
    let by = |order: &str, expected: &str| {
        let query = format!(
            r#"{{"select":["?h","?a"],"where":[["?p","person/handle","?h"],{{"optional":[["?p","person/age","?a"]]}}],"orderBy":{order}}}"#
        );
        check(&small(), &query, expected);
    };
    by(r#""?a""#, r#"[["it's",null],["jdoe",25],["zsmith",63]]"#);
    by(
        r#"["DESC","?a"]"#,
        r#"[["zsmith",63],["jdoe",25],["it's",null]]"#,
    );
    by(
        r#"["DESC","?a","NOCASE"]"#,
        r#"[["zsmith",63],["jdoe",25],["it's",null]]"#,
    );
    let case = world(vec![
        (person(0), HANDLE, Value::string("b")),
        (person(1), HANDLE, Value::string("A")),
        (person(2), HANDLE, Value::string("B")),
        (person(3), HANDLE, Value::string("a")),
    ]);
    for (order, expected) in [
        (r#"["ASC","?h"]"#, r#"["A","B","a","b"]"#),
        (r#"["ASC","?h","NOCASE"]"#, r#"["A","a","B","b"]"#),
        (r#"["DESC","?h","NOCASE"]"#, r#"["B","b","A","a"]"#),
    ] {
        let query =
            format!(r#"{{"select":"?h","where":[["?p","person/handle","?h"]],"orderBy":{order}}}"#);
        check(&case, &query, expected);
    }
}

#[test]
fn chance_is_the_same_when_it_is_asked_again() {
    let ages = (0..100).map(|n| (person(n), AGE, Value::Int(i64::try_from(n).unwrap())));
    let world = world(ages.collect());
    let tell = |aggregate: &str| {
        let query = format!(r#"{{"select":"{aggregate}","where":[["?p","person/age","?n"]]}}"#);
        run(&world, &query).unwrap().write()
    };
    let list = |aggregate: &str| -> Vec<i64> {
        let told = tell(aggregate);
        let told = told.trim_matches(['[', ']']).split(',');
        told.map(|it| it.parse().unwrap()).collect()
    };
    for aggregate in ["(rand ?n)", "(sample ?n)", "(rand 5 ?n)", "(sample 5 ?n)"] {
        assert_eq!(tell(aggregate), tell(aggregate));
    }
    assert_ne!(tell("(rand 5 ?n)"), tell("(sample 5 ?n)"));
    let mut sample = list("(sample 100 ?n)");
    assert_ne!(sample, (0..100).collect::<Vec<_>>());
    sample.sort_unstable();
    assert_eq!(sample, (0..100).collect::<Vec<_>>(), "each once");
    assert_eq!(list("(sample 200 ?n)").len(), 100);
    assert_eq!(list("(rand 200 ?n)").len(), 200, "each time anew");
}

#[test]
fn what_aggregates_make_is_bounded_and_paid() {
    let note = |n: u64, bytes: usize| (person(n), NOTE, Value::string(&"a".repeat(bytes)));
    let notes = |last: usize| {
        let notes = (0..1_048).map(|n| note(n, 1_000));
        world(notes.chain([note(1_048, last)]).collect())
    };
    let concat =
        r#"{"select":"(groupconcat ?t \"\")","where":[["?p","person/note","?t"]],"limit":0}"#;
    // As long as a text may be that is stored, and no longer.
    let rest = STRING_BYTES_MAX - 1_048_000;
    assert!(run(&notes(rest), concat).is_ok());
    let error = run(&notes(rest + 1), concat).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                max: STRING_BYTES_MAX,
                ..
            }
        ),
        "{error}"
    );
    // A list told in every row is paid.
    let nums = (0..2_000).map(|n| (person(n), NUMS, Value::Int(i64::try_from(n).unwrap())));
    let nums = world(nums.collect());
    let lists = r#"{"select":["?n","(max 2000 ?n)"],"where":[["?p","person/favNums","?n"]]}"#;
    let budget = crate::base::Budget::new(1_000_000, None);
    let query = crate::query::Query::parse(&with_ids(lists)).unwrap();
    let answer = query.run(&nums.facts, &nums.schema, super::ASKED, &budget);
    assert!(answer.unwrap_err().to_string().contains("1000000"));
    let most =
        |n: usize| format!(r#"{{"select":"(max {n} ?n)","where":[["?p","person/favNums","?n"]]}}"#);
    assert!(run(&nums, &most(QUERY_ROWS_MAX)).is_ok());
    refused(
        &nums,
        &most(QUERY_ROWS_MAX + 1),
        "/select",
        &QUERY_ROWS_MAX.to_string(),
    );
    // Aggregates of `having` and `select` are as many as columns.
    let many = |columns: usize| {
        let columns: Vec<String> = (0..columns)
            .map(|n| format!(r#""(max {} ?n)""#, n + 1))
            .collect();
        format!(
            r#"{{"select":[{}],"where":[["?p","person/favNums","?n"]],"groupBy":"?p","having":"(> (sum ?n) 9999)"}}"#,
            columns.join(",")
        )
    };
    assert!(run(&nums, &many(QUERY_SELECT_MAX - 1)).is_ok());
    refused(
        &nums,
        &many(QUERY_SELECT_MAX),
        "/having",
        &QUERY_SELECT_MAX.to_string(),
    );
    let groups = |count: usize| {
        let vars = vec![r#""?p""#; count].join(",");
        format!(
            r#"{{"select":"?n","where":[["?p","person/favNums","?n"]],"groupBy":[{vars}],"limit":1}}"#
        )
    };
    assert!(run(&nums, &groups(QUERY_SELECT_MAX)).is_ok());
    refused(
        &nums,
        &groups(QUERY_SELECT_MAX + 1),
        "/groupBy",
        &QUERY_SELECT_MAX.to_string(),
    );
}
