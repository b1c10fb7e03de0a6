//! Queries that would take for ever, or all memory: each ends with an error that names a bound.
//!
//! `SOLON_BOMB=n SOLON_BOMB_STEPS=10000000 cargo test --test it bombs -- --nocapture` lights one with all the steps that
//! a request has, and tells how long it took and how much memory the process had.

use std::collections::BTreeMap;

use solon::base::Budget;
use solon::model::{CollectionId, Empty, Flake, Op, Overlay, PredicateId, SubjectId, T, Value};
use solon::query::{Error, Json};
use solon::schema::Schema;

use crate::clauses::ask_within;
use crate::group_random::world;
use crate::support::random::Random;

/// Steps of a bomb, if nothing else is said: so few that the tests take no time, and far more than is cheap.
const STEPS: u64 = 300_000;

const DOCS: u64 = 400;

/// Documents that all go to twenty others.
fn facts() -> Overlay<Empty> {
    let mut facts = world(&mut Random::new(1)).facts();
    let doc = |n: u64| SubjectId::new(CollectionId::new(20).unwrap(), 100 + n).unwrap();
    let mut flakes = Vec::new();
    for n in 0..DOCS {
        let mut add = |p: u32, o: Value| {
            flakes.push(Flake {
                s: doc(n),
                p: PredicateId(p),
                o,
                op: Op::Assert,
            });
        };
        add(1001, Value::string(&format!("{n} {}", "long ".repeat(20))));
        add(1021, Value::Int(i64::try_from(n).unwrap()));
        for to in 1..=20 {
            add(1022, Value::Ref(doc((n + to * to) % DOCS)));
        }
    }
    flakes.sort();
    facts.apply(T(2), &flakes);
    facts
}

/// A pattern of many rows, of variables with this number.
fn next(n: usize) -> String {
    format!(r#"["?a{n}","doc/next","?b{n}"]"#)
}

fn many(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect::<Vec<_>>().join(",")
}

fn query(select: &str, items: &str, rest: &str) -> String {
    format!(r#"{{"select":{select},"where":[{items}]{rest}}}"#)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn bombs() -> Vec<(&'static str, String)> {
    let a = r#"["?a0"]"#;
    let union = |arms: String| format!(r#"{{"union":[{arms}]}}"#);
    let rules = |text: &str| format!(r#","rules":[{text}]"#);
    let seed = r#"["?a","doc/next","?b"]"#;
    vec![
        ("a product", query(a, &many(4, next), "")),
        (
            "a product of single variables",
            query(a, &many(8, |n| format!(r#"["?a{n}","rdf:type","doc"]"#)), ""),
        ),
        (
            "a chain",
            query(a, &many(8, |n| format!(r#"["?a{n}","doc/next","?a{}"]"#, n + 1)), ""),
        ),
        (
            "a star whose legs fan out",
            query(a, &many(12, |n| format!(r#"["?a0","doc/next","?b{n}"]"#)), ""),
        ),
        (
            "a circle",
            query(a, &many(6, |n| format!(r#"["?a{n}","doc/next","?a{}"]"#, (n + 1) % 6)), ""),
        ),
        (
            "optionals that each multiply",
            query(
                a,
                &format!(
                    r#"["?a0","doc/count","?n"],{}"#,
                    many(10, |n| format!(r#"{{"optional":[["?a0","doc/next","?b{n}"]]}}"#))
                ),
                "",
            ),
        ),
        (
            "optionals in optionals",
            query(
                a,
                &(0..6).fold(next(7), |inner, n| {
                    format!(r#"{},{{"optional":[{inner}]}}"#, next(n))
                }),
                "",
            ),
        ),
        (
            "unions of products",
            query(
                a,
                &union(many(16, |n| format!("[{},{}]", next(0), next(n + 1)))),
                "",
            ),
        ),
        (
            "unions beside unions",
            query(
                a,
                &many(5, |n| union(many(2, |arm| format!("[{}]", next(2 * n + arm))))),
                "",
            ),
        ),
        (
            "a test of a product for each row",
            query(
                r#"["?a"]"#,
                &format!(r#"{seed},{{"not":[["?c","doc/next","?d"],["?e","doc/next","?f"],{{"filter":["(> ?a ?c ?e)"]}}]}}"#),
                "",
            ),
        ),
        (
            "a filter that no index helps",
            query(
                a,
                &format!(r#"{},{},{{"filter":["(strEnds (str ?a0 ?b0 ?a1 ?b1) \"none\")"]}}"#, next(0), next(1)),
                "",
            ),
        )
    ]
    .into_iter()
    .chain([
        (
            "paths between all",
            query(r#"["?a"]"#, r#"["?a","doc/next+","?b"],["?b","doc/next+","?c"]"#, ""),
        ),
        (
            "a product of paths",
            query(r#"["?a"]"#, r#"["?a","doc/next+","?b"],["?c","doc/next+9","?d"]"#, ""),
        ),
        (
            "rules that count for ever",
            query(
                r#"["?n"]"#,
                r#"["(n ?n)"]"#,
                &rules(r##"["(n ?x)",["?x",0]],["(n ?y)",["(n ?x)"],["?y","#(+ ?x 1)"]]"##),
            ),
        ),
        (
            "rules that make texts that grow",
            query(
                r#"["?n"]"#,
                r#"["(n ?n)"]"#,
                &rules(r##"["(n ?x)",["?x","a"]],["(n ?y)",["(n ?x)"],["?y","#(str ?x \"b\")"]]"##),
            ),
        ),
        (
            "rules that make texts of texts",
            query(
                r#"["?n"]"#,
                r#"["(n ?n)"]"#,
                &rules(r##"["(n ?x)",["?x","a"]],["(n ?x)",["?x","b"]],["(n ?z)",["(n ?x)"],["(n ?y)"],["?z","#(str ?x ?y)"]]"##),
            ),
        ),
        (
            "rules that make numbers that grow",
            query(
                r#"["?n"]"#,
                r#"["(n ?n)"]"#,
                &rules(r##"["(n ?x)",["?x","#(+ 2M 0)"]],["(n ?y)",["(n ?x)"],["?y","#(* ?x ?x)"]],["(n ?y)",["(n ?x)"],["?y","#(+ ?x 1)"]]"##),
            ),
        ),
        (
            "rules of eight arguments",
            query(
                r#"["?a"]"#,
                r#"["(r ?a ?b ?c ?d ?e ?f ?g ?h)"]"#,
                &rules(r#"["(r ?a ?b ?c ?d ?e ?f ?g ?h)",["?a","doc/next","?b"],["?c","doc/next","?d"],["?e","doc/next","?f"],["?g","doc/next","?h"]]"#),
            ),
        ),
        (
            "rules that all call each other",
            query(
                r#"["?a"]"#,
                r#"["(r0 ?a ?b)"]"#,
                &rules(&format!(
                    r#"["(r0 ?x ?y)",["?x","doc/next","?y"]],["(r0 ?x ?y)",["(r0 ?x ?z)"],["(r0 ?z ?y)"]],{}"#,
                    many(30, |n| format!(
                        r#"["(r{n} ?x ?y)",["(r{} ?x ?z)"],["(r{} ?z ?y)"]]"#,
                        (n + 1) % 30,
                        (n * 7 + 3) % 30
                    ))
                )),
            ),
        ),
        (
            "the same generation",
            query(
                r#"["?a"]"#,
                r#"["(sg ?a ?b)"]"#,
                &rules(r#"["(sg ?x ?y)",["?p","doc/next","?x"],["?p","doc/next","?y"]],["(sg ?x ?y)",["?p","doc/next","?x"],["(sg ?p ?q)"],["?q","doc/next","?y"]]"#),
            ),
        ),
        (
            "one variable told 256 times",
            query(
                &format!("[{}]", many(256, |_| r#""?t""#.to_owned())),
                r#"["?a","doc/next","?b"],["?b","doc/title","?t"]"#,
                "",
            ),
        ),
        (
            "subjects told again and again",
            query(
                &format!("[{}]", many(64, |_| r#"{"?b":["*",{"next":["*",{"next":["*"]}]}]}"#.to_owned())),
                r#"["?a","doc/next","?b"]"#,
                "",
            ),
        ),
        (
            "aggregates of all of each group",
            query(
                &format!("[{}]", many(200, |n| format!(r#""(sample {} ?t)""#, 90_000 + n))),
                r#"["?a","doc/next","?b"],["?b","doc/title","?t"]"#,
                r#","groupBy":"?a""#,
            ),
        ),
        (
            "aggregates by chance, many times",
            query(
                &format!("[{}]", many(200, |n| format!(r#""(rand {} ?t)""#, 90_000 + n))),
                r#"["?a","doc/next","?b"],["?b","doc/title","?t"]"#,
                "",
            ),
        ),
        (
            "texts of all rows, put together",
            query(
                &format!("[{}]", many(200, |n| format!(r#""(groupconcat ?t \"{n}\")""#))),
                r#"["?a","doc/next","?b"],["?b","doc/title","?t"]"#,
                r#","groupBy":["?a","?b"]"#,
            ),
        ),
        (
            "groups by two variables, 256 times",
            query(
                r#"["(count ?t)"]"#,
                r#"["?a","doc/title","?t"],["?b","doc/title","?u"]"#,
                &format!(r#","groupBy":[{}]"#, many(128, |_| r#""?a","?b""#.to_owned())),
            ),
        ),
        (
            "the greatest of the texts of all rows",
            query(
                &format!("[{}]", many(200, |n| format!(r#""(max {} ?t)""#, n + 1))),
                r#"["?a","doc/title","?t"],["?b","doc/title","?u"]"#,
                "",
            ),
        ),
        (
            "orders by everything",
            query(
                r#"["?t"]"#,
                r#"["?a","doc/next","?b"],["?b","doc/title","?t"],["?b","doc/next","?c"]"#,
                &format!(
                    r#","orderBy":[{}]"#,
                    many(16, |n| {
                        let var = ["?t", "?a", "?b", "?c"][n % 4];
                        format!(r#"["DESC","{var}","NOCASE"]"#)
                    })
                ),
            ),
        ),
        (
            "binds that double a text",
            query(
                r#"["?v9"]"#,
                &format!(
                    r#"["?a","doc/next","?b"],["?b","doc/title","?v0"],{}"#,
                    many(9, |n| format!(r##"["?v{}","#(str ?v{n} ?v{n})"]"##, n + 1))
                ),
                "",
            ),
        ),
    ])
    .collect()
}

fn kilobytes() -> BTreeMap<String, String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(key, _)| *key == "VmHWM" || *key == "VmRSS")
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn no_query_takes_more_than_its_steps() {
    let facts = facts();
    let schema = Schema::load(&facts).unwrap();
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let steps = number("SOLON_BOMB_STEPS").unwrap_or(STEPS);
    let only = number("SOLON_BOMB");
    let mut duds = Vec::new();
    for (index, (name, text)) in (0..).zip(bombs()) {
        if only.is_some_and(|only| only != index) {
            continue;
        }
        let budget = Budget::new(steps, None);
        let told = ask_within(&text, &facts, &schema, &budget);
        if only.is_some() {
            let told = told.as_ref().map(String::len);
            println!(
                "{index} {name}: {told:?}, {:?} steps, {:?}",
                budget.spent(),
                kilobytes()
            );
        }
        match told {
            Err(Error::Limit { .. } | Error::Facts(_)) => {}
            other => duds.push(format!(
                "{index} {name}: {:?}, {} steps: {text}",
                other.map(|it| it.len()),
                budget.spent()
            )),
        }
    }
    assert!(duds.is_empty(), "{}", duds.join("\n"));
}

#[test]
fn no_text_of_a_query_is_too_deep_to_refuse() {
    let facts = facts();
    let schema = Schema::load(&facts).unwrap();
    let deep = |open: &str, close: &str, inner: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for times in [9, 100, 10_000, 200_000] {
        let not = deep(r#"[{"not":"#, "}]", r#"[["?a","doc/next","?b"]]"#, times);
        let union = deep(
            r#"[{"union":[[["?a","doc/next",null]],"#,
            "]}]",
            r#"[["?a","doc/next","?b"]]"#,
            times,
        );
        let expression = deep("(not ", ")", "(> ?b 1)", times);
        let brackets = deep("[", "]", "1", times);
        for (group, is_deep) in [
            (not, times > 8),
            (union, times > 8),
            (
                format!(r#"[["?a","doc/next","?b"],{{"filter":["{expression}"]}}]"#),
                times > 50,
            ),
            (
                format!(r##"[["?a","doc/next","?b"],["?v","#{expression}"]]"##),
                times > 50,
            ),
            (
                format!(r##"[["?a","doc/next","#{expression}"]]"##),
                times > 50,
            ),
            (format!(r#"[["?a","doc/next",{brackets}]]"#), true),
            (format!(r#"[["(r {expression})"]]"#), true),
        ] {
            let text = format!(r#"{{"select":"?a","where":{group}}}"#);
            let told = ask_within(&text, &facts, &schema, &Budget::new(100_000, None));
            assert!(
                told.is_err() || !is_deep,
                "{times}: {}",
                &text[..text.len().min(200)]
            );
        }
        let select = deep(r#"{"next":["#, "]}", r#""*""#, times);
        let having = deep("(+ 1 ", ")", "(count ?b)", times);
        for rest in [
            format!(r#""select":[{{"?a":[{select}]}}],"where":[["?a","doc/next","?b"]]"#),
            format!(
                r#""select":["(count ?b)"],"groupBy":"?a","having":"(> {having} 1)","where":[["?a","doc/next","?b"]]"#
            ),
            format!(r#""select":"?a","vars":{{"?a":{brackets}}},"where":[["?a","doc/next","?b"]]"#),
            format!(
                r#""select":"?a","where":[["(r ?a)"]],"rules":[["{}",["?a","doc/next","?b"]]]"#,
                deep("(r ", ")", "?a", times)
            ),
            format!(
                r#""select":"{}","where":[["?a","doc/next","?b"]]"#,
                deep("(as ", " ?x)", "(count ?a)", times)
            ),
        ] {
            let told = ask_within(
                &format!("{{{rest}}}"),
                &facts,
                &schema,
                &Budget::new(100_000, None),
            );
            assert!(
                told.is_err() || times < 50,
                "{times}: {}",
                &rest[..rest.len().min(200)]
            );
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "tables")]
fn strange_names_and_numbers_are_answered_or_refused() {
    let facts = facts();
    let schema = Schema::load(&facts).unwrap();
    let strange = [
        "?",
        "??",
        "?\u{0}",
        "?\u{200d}",
        "?é",
        "? a",
        "?a b",
        "?(",
        "?)",
        "?\"",
        "?#",
        "?a\u{202e}",
        "$",
        "$fdb",
        "$fdb-1",
        "$fdb9999999999999999999",
        "$fdbPT",
        "#",
        "#(",
        "#()",
        "(",
        "()",
        ")",
        "((",
        "(r",
        "(r ?a))",
        "_id",
        "_id+",
        "+",
        "doc/next+",
        "doc/next+0",
        "doc/next+-1",
        "doc/next+99999999999999999999",
        "doc/next++",
        "doc/next+1+1",
        "/",
        "doc/",
        "/next",
        "doc/_next",
        "fullText:",
        "rdf:type+",
        "_predicate/name",
        "\u{1F4A3}",
        "nil",
        "true",
        "1",
        "\"",
        "\"\"",
        "\"?a\"",
        "\"\"?a\"\"",
    ];
    let numbers = [
        "-1",
        "0",
        "-0",
        "1e400",
        "-1e-400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "1e1000",
        "0.1",
        "[]",
        "{}",
        "null",
        "true",
        "[null]",
        "[1,2]",
        "[\"doc/title\",null]",
        "[\"doc/title\",[\"doc/title\",1]]",
        "[\"_auth/id\",\"root\"]",
    ];
    let strange: Vec<String> = strange.iter().map(|it| Json::string(it).write()).collect();
    let numbers = numbers.iter().map(|it| (*it).to_owned());
    let every: Vec<String> = strange.into_iter().chain(numbers).collect();
    let templates = [
        r#"{"select":"?a","where":[[@,"doc/next","?a"]]}"#,
        r#"{"select":"?a","where":[["?a",@,"?b"]]}"#,
        r#"{"select":"?a","where":[["?a","doc/count",@]]}"#,
        r#"{"select":"?a","where":[["?a","doc/size",@]]}"#,
        r#"{"select":"?a","where":[["?a","doc/title",@]]}"#,
        r#"{"select":"?a","where":[["?a","_id",@]]}"#,
        r#"{"select":"?a","where":[["?a","rdf:type",@]]}"#,
        r#"{"select":"?a","where":[[@,"?a","doc/next","?b"]]}"#,
        r#"{"select":"?a","where":[[@]]}"#,
        r#"{"select":"?a","where":[@]}"#,
        r#"{"select":"?a","where":@}"#,
        r#"{"select":@,"where":[["?a","doc/next","?b"]]}"#,
        r#"{"select":[@,@],"where":[["?a","doc/next","?b"]]}"#,
        r#"{"select":["?a",{"?a":[@]}],"where":[["?a","doc/next","?b"]],"limit":3}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"limit":@}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"offset":@}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"orderBy":@}"#,
        r#"{"select":"(count ?b)","where":[["?a","doc/next","?b"]],"groupBy":@}"#,
        r#"{"select":"(count ?b)","where":[["?a","doc/next","?b"]],"groupBy":"?a","having":@}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"vars":{"?b":@}}"#,
        r#"{"select":"?v","where":[["?a","doc/next","?b"],["?v",@]]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"],{"bind":{"?b":@}}]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"],{"filter":[@]}]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"],{"filter":[{"code":@}]}]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"],{"optional":[@]}]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"],{"union":[@,@]}]}"#,
        r#"{"select":"?a","where":[["(r ?a)"]],"rules":[@]}"#,
        r#"{"select":"?a","where":[["(r ?a)"]],"rules":[[@,["?a","doc/next","?b"]]]}"#,
        r#"{"select":"?a","where":[["(r ?a)"]],"rules":[["(r ?a)",@]]}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"block":@}"#,
        r#"{"select":"?a","where":[["?a","doc/next","?b"]],"opts":{"explain":@,"limit":2}}"#,
    ];
    let (mut answered, mut refused) = (0, 0);
    for template in templates {
        for value in &every {
            let text = template.replace('@', value);
            match ask_within(&text, &facts, &schema, &Budget::new(50_000, None)) {
                Ok(told) => {
                    answered += 1;
                    assert!(Json::read(&told).is_ok(), "{text}: {told}");
                }
                Err(error) => {
                    refused += 1;
                    let message = error.to_string();
                    assert!(!message.contains('\n'), "{text}: {message}");
                    let is_ours =
                        matches!(&error, Error::Facts(solon::model::Error::Corrupt { .. }));
                    assert!(!is_ours, "{text}: {message}");
                }
            }
        }
    }
    assert!(answered > 100 && refused > 1_000, "{answered} {refused}");
}
