//! Paths, rules, and what they come to, beside plain evaluations of the same.

use std::collections::BTreeSet;

use super::*;
use crate::base::limits::QUERY_ROUNDS_MAX;

/// Follows: 0 → 1 → 2 → 0, 2 → 3 → 4, 5 → 5, 6 → 7.
fn followers() -> World {
    let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (5, 5), (6, 7)];
    follows(&edges)
}

fn follows(edges: &[(u64, u64)]) -> World {
    let mut data = Vec::new();
    for (from, to) in edges {
        data.push((person(*from), FOLLOWS, Value::Ref(person(*to))));
    }
    let all: BTreeSet<u64> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    for number in all {
        let name = Value::string(&format!("p{number}"));
        data.push((person(number), HANDLE, name));
    }
    world(data)
}

/// The answer to a query whose `pN` are written for the ids of people, with its own ids written so.
fn told(world: &World, query: &str) -> Result<String, Error> {
    let mut query = query.to_owned();
    for number in (0..10).rev() {
        query = query.replace(&format!("<{number}>"), &person(number).to_string());
    }
    let mut told = run(world, &query)?.write();
    for number in 0..10 {
        told = told.replace(&person(number).to_string(), &number.to_string());
    }
    Ok(told)
}

fn rows(answer: &Json) -> usize {
    let rows = match answer {
        Json::Array(rows) => Some(rows.len()),
        _ => None,
    };
    rows.unwrap()
}

#[test]
fn a_path_is_any_number_of_steps_or_up_to_so_many() {
    let world = followers();
    for (pattern, expected) in [
        (r#"[<0>,"person/follows+","?x"]"#, "[0,1,2,3,4]"),
        (r#"[<3>,"person/follows+","?x"]"#, "[4]"),
        (r#"[<4>,"person/follows+","?x"]"#, "[]"),
        (r#"[<5>,"person/follows+","?x"]"#, "[5]"),
        (r#"[<0>,"person/follows+1","?x"]"#, "[1]"),
        (r#"[<0>,"person/follows+2","?x"]"#, "[1,2]"),
        (r#"[<0>,"person/follows+3","?x"]"#, "[0,1,2,3]"),
        (r#"["?x","person/follows+",<4>]"#, "[0,1,2,3]"),
        (r#"["?x","person/follows+2",<4>]"#, "[2,3]"),
        (r#"["?x","person/follows+",["person/handle","p7"]]"#, "[6]"),
        (r#"["?x","person/follows+","?x"]"#, "[0,1,2,5]"),
        (r#"["?x","person/follows+2","?x"]"#, "[5]"),
        (r#"["?x","person/follows+",null]"#, "[0,1,2,3,5,6]"),
        (r#"[null,"person/follows+","?x"]"#, "[0,1,2,3,4,5,7]"),
        (r#"["?x","person/follows+",9]"#, "[]"),
        (r#"["?x","person/follows+",["person/handle","none"]]"#, "[]"),
    ] {
        let query = format!(r#"{{"select":"?x","where":[{pattern}]}}"#);
        assert_eq!(told(&world, &query), Ok(expected.to_owned()), "{pattern}");
    }
    for (clauses, expected) in [
        (
            r#"["?y","person/handle","p3"],["?x","person/follows+","?y"]"#,
            "[0,1,2]",
        ),
        (
            r#"["?y","person/handle","p2"],["?y","person/follows+","?x"]"#,
            "[0,1,2,3,4]",
        ),
        (
            r#"["?x","person/handle","p1"],["?y","person/handle","p4"],["?x","person/follows+","?y"]"#,
            "[1]",
        ),
        (
            r#"["?x","person/handle","p4"],["?y","person/handle","p1"],["?x","person/follows+","?y"]"#,
            "[]",
        ),
        (
            r#"["?x","person/handle","p1"],[<0>,"person/follows+",<4>]"#,
            "[1]",
        ),
        (
            r#"["?x","person/handle","p1"],[<4>,"person/follows+",<0>]"#,
            "[]",
        ),
        (
            r#"["?x","person/handle","p1"],[<1>,"person/follows+",<1>]"#,
            "[1]",
        ),
        (
            r#"["?x","person/handle","p1"],[<3>,"person/follows+",<3>]"#,
            "[]",
        ),
        (
            r#"["?x","person/handle","p1"],[null,"person/follows+",null]"#,
            "[1]",
        ),
        (
            r#"["?n","person/handle","p1"],["?x","person/follows","?n"],{"not":[["?x","person/follows+","?x"]]}"#,
            "[]",
        ),
        (
            r#"["?x","person/handle",null],{"not":[["?x","person/follows+","?x"]]}"#,
            "[3,4,6,7]",
        ),
    ] {
        let query = format!(r#"{{"select":"?x","where":[{clauses}]}}"#);
        assert_eq!(told(&world, &query), Ok(expected.to_owned()), "{clauses}");
    }
}

#[test]
fn a_path_that_cannot_be_is_refused_with_its_place() {
    let world = small();
    for (pattern, at, why) in [
        (
            r#"["?x","person/none+","?y"]"#,
            "/where/0/1",
            "there is no predicate `person/none`",
        ),
        (
            r#"["?x","person/age+","?y"]"#,
            "/where/0/1",
            "`person/age` is no ref",
        ),
        (
            r#"["?x","person/mood+","?y"]"#,
            "/where/0/1",
            "`person/mood` is no ref",
        ),
        (
            r#"["?x","person/follows+0","?y"]"#,
            "/where/0/1",
            "how many steps",
        ),
        (
            r#"["?x","person/follows+-1","?y"]"#,
            "/where/0/1",
            "how many steps",
        ),
        (
            r#"["?x","person/follows+x","?y"]"#,
            "/where/0/1",
            "how many steps",
        ),
        (
            r#"["?x","person/follows+","text"]"#,
            "/where/0/2",
            "the value of `person/follows`",
        ),
    ] {
        let query = format!(r#"{{"select":"?x","where":[{pattern}]}}"#);
        refused(&world, &query, at, why);
    }
}

#[test]
fn a_path_of_as_many_steps_as_there_may_be_is_found_and_a_longer_one_is_a_limit() {
    let max = u64::try_from(QUERY_ROUNDS_MAX).unwrap();
    let edges: Vec<(u64, u64)> = (0..=max).map(|it| (it, it + 1)).collect();
    let world = follows(&edges);
    let from = |start: u64| {
        let start = person(start);
        let of = format!(r#"{{"select":"?x","where":[[{start},"person/follows+","?x"]]}}"#);
        run(&world, &of)
    };
    assert_eq!(from(1).map(|it| rows(&it)), Ok(QUERY_ROUNDS_MAX));
    assert!(matches!(
        from(0),
        Err(Error::Limit {
            max: QUERY_ROUNDS_MAX,
            ..
        })
    ));
}

#[test]
fn a_path_costs_what_it_reaches() {
    // A hundred chains of a hundred people.
    let edges: Vec<(u64, u64)> = (0..100_u64)
        .flat_map(|chain| (0..99).map(move |it| (chain * 100 + it, chain * 100 + it + 1)))
        .collect();
    let world = follows(&edges);
    for pattern in [
        format!(r#"[{},"person/follows+","?x"]"#, person(4_200)),
        format!(r#"["?x","person/follows+",{}]"#, person(4_299)),
    ] {
        let budget = Budget::new(2_000, None);
        let query = format!(r#"{{"select":"?x","where":[{pattern}]}}"#);
        let answer = Query::parse(&query)
            .unwrap()
            .run(&world.facts, &world.schema, ASKED, &budget);
        let answer = answer.map(|it| rows(&it));
        assert_eq!(answer, Ok(99), "{} steps", budget.spent());
    }
}

/// Numbers from a seed, without any state elsewhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The pairs that are one or more steps apart, up to so many.
fn walked(edges: &BTreeSet<(u64, u64)>, most: usize) -> BTreeSet<(u64, u64)> {
    let mut all = BTreeSet::new();
    let mut last = edges.clone();
    for _ in 0..most {
        all.extend(last.iter().copied());
        last = last
            .iter()
            .flat_map(|(x, y)| {
                let on = edges.iter().filter(move |(from, _)| from == y);
                on.map(move |(_, to)| (*x, *to))
            })
            .collect();
    }
    all
}

#[test]
fn paths_in_random_graphs_are_those_that_are_walked_step_by_step() {
    each_seed(
        "rules::paths_in_random_graphs_are_those_that_are_walked_step_by_step",
        40,
        |seed| {
            let mut dice = Dice(seed);
            let people = 2 + dice.roll(7);
            let edges: BTreeSet<(u64, u64)> = (0..dice.roll(14))
                .map(|_| (dice.roll(people), dice.roll(people)))
                .collect();
            let world = follows(&edges.iter().copied().collect::<Vec<_>>());
            for most in [0, 1, 2, 3] {
                let (path, steps) = match most {
                    0 => ("person/follows+".to_owned(), 20),
                    most => (format!("person/follows+{most}"), most),
                };
                let all = walked(&edges, steps);
                let list = |pairs: Vec<(u64, u64)>| {
                    let rows = pairs.iter().map(|(x, y)| format!("[{x},{y}]"));
                    format!("[{}]", rows.collect::<Vec<_>>().join(","))
                };
                let check = |clauses: &str, expected: Vec<(u64, u64)>| {
                    let query = format!(r#"{{"select":["?x","?y"],"where":[{clauses}]}}"#);
                    assert_eq!(
                        told(&world, &query),
                        Ok(list(expected)),
                        "{clauses} of {edges:?}"
                    );
                };
                check(
                    &format!(r#"["?x","{path}","?y"]"#),
                    all.iter().copied().collect(),
                );
                for one in 0..people {
                    let is_there = edges.iter().any(|(x, y)| *x == one || *y == one);
                    let from: Vec<_> = all
                        .iter()
                        .copied()
                        .filter(|(x, _)| *x == one && is_there)
                        .collect();
                    check(
                        &format!(r#"["?x","person/handle","p{one}"],["?x","{path}","?y"]"#),
                        from,
                    );
                    let to: Vec<_> = all
                        .iter()
                        .copied()
                        .filter(|(_, y)| *y == one && is_there)
                        .collect();
                    check(
                        &format!(r#"["?y","person/handle","p{one}"],["?x","{path}","?y"]"#),
                        to,
                    );
                }
            }
        },
    );
}

const UNDER: &str = r#"["(under ?x ?b)",["?x","person/follows","?b"]],["(under ?x ?b)",["?x","person/follows","?z"],["(under ?z ?b)"]]"#;
const UNDER_LEFT: &str = r#"["(under ?x ?b)",["?x","person/follows","?b"]],["(under ?x ?b)",["(under ?x ?z)"],["?z","person/follows","?b"]]"#;
const UNDER_TWICE: &str = r#"["(under ?x ?b)",["?x","person/follows","?b"]],["(under ?x ?b)",["(under ?x ?z)"],["(under ?z ?b)"]]"#;
const UNDER_UNION: &str = r#"["(under ?x ?b)",{"union":[[["?x","person/follows","?b"]],[["?x","person/follows","?z"],["(under ?z ?b)"]]]}]"#;
const UNDER_FILTERED: &str = r#"["(under ?x ?b)",["?x","person/follows","?b"]],["(under ?x ?b)",["?x","person/follows","?z"],["(under ?z ?b)"],{"exists":[["?b","person/handle",null]]}]"#;

#[test]
fn a_rule_holds_wherever_its_items_do_however_it_is_written() {
    let world = followers();
    for rules in [UNDER, UNDER_LEFT, UNDER_TWICE, UNDER_UNION, UNDER_FILTERED] {
        for (clauses, expected) in [
            (r#"["(under <0> ?x)"]"#, "[0,1,2,3,4]"),
            (r#"["(under ?x <4>)"]"#, "[0,1,2,3]"),
            (r#"["(under ?x ?x)"]"#, "[0,1,2,5]"),
            (r#"["(under ?x nil)"]"#, "[0,1,2,3,5,6]"),
            (r#"["(under nil ?x)"]"#, "[0,1,2,3,4,5,7]"),
            (r#"["?x","person/handle","p3"],["(under <0> ?x)"]"#, "[3]"),
            (r#"["?x","person/handle","p6"],["(under <0> ?x)"]"#, "[]"),
            (r#"["?x","person/handle","p6"],["(under <0> <4>)"]"#, "[6]"),
            (r#"["?x","person/handle","p6"],["(under <4> <0>)"]"#, "[]"),
            (
                r#"["?y","person/handle","p2"],["(under ?y ?x)"]"#,
                "[0,1,2,3,4]",
            ),
            (
                r#"["?y","person/handle","p4"],["(under ?x ?y)"]"#,
                "[0,1,2,3]",
            ),
            (
                r#"["?x","person/handle",null],{"not":[["(under ?x ?x)"]]}"#,
                "[3,4,6,7]",
            ),
            (
                r#"["?x","person/handle",null],{"exists":[["(under ?x <4>)"]]}"#,
                "[0,1,2,3]",
            ),
            (
                r#"["?x","person/handle",null],{"not":[["(under ?x ?o)"],["?o","person/handle","p4"]]}"#,
                "[4,5,6,7]",
            ),
            (
                r#"{"union":[[["(under ?x <7>)"]],[["(under <2> ?x)"]]]}"#,
                "[0,1,2,3,4,6]",
            ),
            (
                r#"["(under <0> ?y)"],["(under ?y ?x)"],["?x","person/handle","p4"],["?y","person/handle","p3"]"#,
                "[4]",
            ),
            (r#"["(under <9> ?x)"]"#, "[]"),
            (r#"["(under \"text\" ?x)"]"#, "[]"),
        ] {
            let query = format!(r#"{{"select":"?x","where":[{clauses}],"rules":[{rules}]}}"#);
            let query = query.replace("selectDistinct", "select");
            assert_eq!(told(&world, &query), Ok(expected.to_owned()), "{query}");
        }
    }
    for (rules, call, expected) in [
        // A value in a head, and one in a call.
        (
            r#"["(kind ?x \"first\")",["?x","person/handle","p0"]],["(kind ?x \"last\")",["?x","person/handle","p7"]]"#,
            r#""(kind ?x \"last\")""#,
            "[7]",
        ),
        (
            r#"["(kind ?x \"first\")",["?x","person/handle","p0"]]"#,
            r#""(kind <0> ?x)""#,
            r#"["first"]"#,
        ),
        // One variable twice.
        (
            r#"["(same ?x ?x)",["?x","person/handle","p3"]]"#,
            r#""(same ?x <3>)""#,
            "[3]",
        ),
        (
            r#"["(same ?x ?x)",["?x","person/handle","p3"]]"#,
            r#""(same <4> ?x)""#,
            "[]",
        ),
        // One argument, and three.
        (
            r#"["(on ?x)",["?x","person/follows","?x"]]"#,
            r#""(on ?x)""#,
            "[5]",
        ),
        (
            r#"["(by ?x ?y ?z)",["?x","person/follows","?y"],["?y","person/follows","?z"]]"#,
            r#""(by <0> ?x <0>)""#,
            "[]",
        ),
        (
            r#"["(by ?x ?y ?z)",["?x","person/follows","?y"],["?y","person/follows","?z"]]"#,
            r#""(by <1> ?x <0>)""#,
            "[2]",
        ),
        // Rules that ask for each other: an even and an odd number of steps.
        (
            r#"["(even ?x ?y)",["?x","person/follows","?z"],["(odd ?z ?y)"]],["(odd ?x ?y)",["?x","person/follows","?y"]],["(odd ?x ?y)",["?x","person/follows","?z"],["(even ?z ?y)"]]"#,
            r#""(even <2> ?x)""#,
            "[0,1,2,3,4]",
        ),
        (
            r#"["(even ?x ?y)",["?x","person/follows","?z"],["(odd ?z ?y)"]],["(odd ?x ?y)",["?x","person/follows","?y"]],["(odd ?x ?y)",["?x","person/follows","?z"],["(even ?z ?y)"]]"#,
            r#""(even ?x <7>)""#,
            "[]",
        ),
        // What is not asked of.
        (
            &format!(
                r#"{UNDER},["(free ?x)",["?x","person/handle",null],{{"not":[["(under ?x ?x)"]]}}]"#
            ),
            r#""(free ?x)""#,
            "[3,4,6,7]",
        ),
        (
            &format!(
                r#"{UNDER},["(free ?x)",["?x","person/handle",null],{{"not":[["(under ?x ?x)"]]}}],["(bound ?x)",["?x","person/handle",null],{{"not":[["(free ?x)"]]}}]"#
            ),
            r#""(bound ?x)""#,
            "[0,1,2,5]",
        ),
        // A binding, and a path.
        (
            r#"["(named ?x ?n)",["?n","p3"],["?x","person/handle","?n"]]"#,
            r#""(named ?x nil)""#,
            "[3]",
        ),
        (
            r#"["(far ?x ?y)",["?x","person/follows+","?y"]]"#,
            r#""(far <2> ?x)""#,
            "[0,1,2,3,4]",
        ),
        // Aggregates, of groups and of all, and of what is reached.
        (
            r#"["(fans ?y (count ?x))",["?x","person/follows","?y"]]"#,
            r#""(fans <0> ?x)""#,
            "[1]",
        ),
        (
            r#"["(fans ?y (count ?x))",["?x","person/follows","?y"]]"#,
            r#""(fans ?x 2)""#,
            "[]",
        ),
        (
            r#"["(fans (count ?x))",["?x","person/follows","?y"]]"#,
            r#""(fans ?x)""#,
            "[7]",
        ),
        (
            r#"["(fans (count (distinct ?x)) ?y (max ?n))",["?x","person/follows","?y"],["?x","person/handle","?n"]]"#,
            r#""(fans 1 ?x \"p1\")""#,
            "[2]",
        ),
        (
            r#"["(none (count ?x))",["?x","person/handle","nobody"]]"#,
            r#""(none ?x)""#,
            "[]",
        ),
        (
            &format!(
                r#"{UNDER},["(size ?x (count ?b))",["(under ?x ?b)"]],["(most (max ?n))",["(size nil ?n)"]]"#
            ),
            r#""(most ?x)""#,
            "[5]",
        ),
        (
            &format!(
                r#"{UNDER},["(size ?x (count ?b))",["(under ?x ?b)"]],["(small ?x)",["(size ?x ?n)"],{{"filter":["(< ?n 3)"]}}]"#
            ),
            r#""(small ?x)""#,
            "[3,5,6]",
        ),
        (
            &format!(
                r#"{UNDER},["(size ?x (count ?b))",["(under ?x ?b)"]],["(as-small ?x ?y)",["(size ?x ?n)"],["(size ?y ?n)"]]"#
            ),
            r#""(as-small ?x <6>)""#,
            "[3,5,6]",
        ),
        // A row with a null is none.
        (
            r#"["(liked ?x ?n)",["?x","person/follows","?y"],["?y","person/handle","?n"]]"#,
            r#""(liked ?x \"p0\")""#,
            "[2]",
        ),
    ] {
        let query = format!(r#"{{"select":"?x","where":[[{call}]],"rules":[{rules}]}}"#);
        assert_eq!(told(&world, &query), Ok(expected.to_owned()), "{query}");
    }
}

#[test]
fn rules_that_cannot_be_are_refused_with_their_place() {
    let world = small();
    let follows = r#"["?x","person/follows","?y"]"#;
    let all = |rules: &str| {
        format!(r#"{{"select":"?x","where":[["?x","person/handle",null]],"rules":{rules}}}"#)
    };
    for (rules, at, why) in [
        ("{}".to_owned(), "/rules", "an array of rules"),
        ("[1]".to_owned(), "/rules/0", "a rule is an array"),
        ("[[]]".to_owned(), "/rules/0", "begins with its head"),
        (
            r#"[[["?x"]]]"#.to_owned(),
            "/rules/0",
            "begins with its head",
        ),
        (format!(r#"[["r ?x",{follows}]]"#), "/rules/0/0", ""),
        (
            format!(r#"[["(?r ?x)",{follows}]]"#),
            "/rules/0/0",
            "begins with the name",
        ),
        (
            format!(r#"[["(get ?x)",{follows}]]"#),
            "/rules/0/0",
            "`get` cannot name a rule",
        ),
        (
            format!(r#"[["(r)",{follows}]]"#),
            "/rules/0/0",
            "has variables and values",
        ),
        (
            format!(r#"[["(r ?x nil)",{follows}]]"#),
            "/rules/0/0",
            "has variables and values",
        ),
        (
            r#"[["(r ?x)"]]"#.to_owned(),
            "/rules/0",
            "`r` has no clause",
        ),
        (
            format!(r#"[["(r ?x ?z)",{follows}]]"#),
            "/rules/0/0",
            "`?z` is not bound in every case by what joins in the rule `r`",
        ),
        (
            format!(
                r#"[["(r ?x ?z)",{{"union":[[{follows},["?y","person/handle","?z"]],[{follows}]]}}]]"#
            ),
            "/rules/0/0",
            "`?z` is not bound",
        ),
        (
            format!(r#"[["(r ?x ?z)",{follows},{{"optional":[["?y","person/handle","?z"]]}}]]"#),
            "/rules/0/0",
            "`?z` is not bound",
        ),
        (
            format!(r#"[["(r ?x)",{follows},{{"filter":["(= ?q 1)"]}}]]"#),
            "/rules/0",
            "`?q` is not bound",
        ),
        (
            format!(
                r#"[["(r ?x)",{follows},{{"optional":[["?y","person/handle","?n"]]}},{{"filter":["(= ?n 1)"]}}]]"#
            ),
            "/rules/0/3/filter/0",
            "`?n` is not bound",
        ),
        (
            format!(r#"[["(r ?x)",{follows}],["(r ?x ?y)",{follows}]]"#),
            "/rules/1/0",
            "the rule `r` has 1 argument, and here 2",
        ),
        (
            format!(r#"[["(r ?x)",{follows},["(q ?x)"]]]"#),
            "/rules/0/2/0",
            "there is no rule `q`",
        ),
        (
            format!(r#"[["(r ?x)",{follows},["(r ?x ?y)"]]]"#),
            "/rules/0/2/0",
            "has 1 argument, and here 2",
        ),
        (
            r#"[["(r ?x)",["?x","person/none","?y"]]]"#.to_owned(),
            "/rules/0/1/1",
            "there is no predicate `person/none`",
        ),
        (
            format!(r#"[["(r ?x)",{follows},{{"not":[["?x","person/none","?y"]]}}]]"#),
            "/rules/0/2/not/0/1",
            "there is no predicate `person/none`",
        ),
        (
            format!(r#"[["(a ?x)",{follows},{{"not":[["(a ?y)"]]}}]]"#),
            "/rules/0",
            "`a → not a`",
        ),
        (
            format!(
                r#"[["(a ?x)",{follows},{{"not":[["(b ?y)"]]}}],["(b ?x)",{follows},["(a ?y)"]]]"#
            ),
            "/rules/0",
            "`a → not b → a`",
        ),
        (
            format!(
                r#"[["(a ?x)",{follows},["(b ?x)"]],["(b ?x)",{follows},["(c ?x)"]],["(c ?x)",{follows},{{"exists":[["(a ?y)"]]}}]]"#
            ),
            "/rules/2",
            "`c → exists a → b → c`",
        ),
        (
            r#"[["(a (count ?x))",["(a ?x)"]]]"#.to_owned(),
            "/rules/0",
            "`a → aggregate a`",
        ),
        (
            format!(r#"[["(a (count ?n))",{follows}]]"#),
            "/rules/0/0",
            "`?n` is not bound",
        ),
        (
            format!(r#"[["(a (max 2 ?x))",{follows}]]"#),
            "/rules/0/0",
            "tells one value",
        ),
        (
            format!(r#"[["(a (many ?x))",{follows}]]"#),
            "/rules/0/0",
            "there is no aggregate `many`",
        ),
        (
            format!(r#"[["(a ?x)",{follows},{{"optional":[["(a ?y)"]]}}]]"#),
            "/rules/0",
            "`a → optional a`",
        ),
    ] {
        refused(&world, &all(&rules), at, why);
    }
    for (clause, at, why) in [
        (r#"["(none ?x)"]"#, "/where/1/0", "there is no rule `none`"),
        (
            r#"["(r ?x 1)"]"#,
            "/where/1/0",
            "the rule `r` has 1 argument, and here 2",
        ),
        (
            r#"{"not":[["(none ?x)"]]}"#,
            "/where/1/not/0/0",
            "there is no rule `none`",
        ),
        (r#"["(r (f ?x))"]"#, "/where/1/0", "an argument is"),
    ] {
        let query = format!(
            r#"{{"select":"?x","where":[["?x","person/handle",null],{clause}],"rules":[["(r ?x)",{follows}]]}}"#
        );
        refused(&world, &query, at, why);
    }
}

#[test]
fn rules_have_so_many_arguments_and_are_so_many_and_no_more() {
    use crate::base::limits::{QUERY_RULE_ARGUMENTS_MAX, QUERY_RULE_ITEMS_MAX, QUERY_RULES_MAX};
    let world = small();
    let asked = |rules: &str| {
        let query = format!(
            r#"{{"select":"?x","where":[["?x","person/handle","jdoe"]],"rules":[{rules}]}}"#
        );
        run(&world, &query)
            .map(|_| ())
            .map_err(|error| match error {
                Error::Limit { what, max, .. } => (what, max),
                _ => ("another error", 0),
            })
    };
    let clause = r#"["?x","person/follows","?x"]"#;
    let wide = |width: usize| {
        let head = vec!["?x"; width].join(" ");
        asked(&format!(r#"["(r {head})",{clause}]"#))
    };
    assert_eq!(wide(QUERY_RULE_ARGUMENTS_MAX), Ok(()));
    assert_eq!(
        wide(QUERY_RULE_ARGUMENTS_MAX + 1),
        Err(("the arguments of a rule", QUERY_RULE_ARGUMENTS_MAX))
    );
    let many = |count: usize| asked(&vec![format!(r#"["(r ?x)",{clause}]"#); count].join(","));
    assert_eq!(many(QUERY_RULES_MAX), Ok(()));
    assert_eq!(
        many(QUERY_RULES_MAX + 1),
        Err(("the rules of a query", QUERY_RULES_MAX))
    );
    // Rules of 32 items with their heads, and one more item.
    let long = |more: usize| {
        let rule = |items: usize| format!(r#"["(r ?x)",{}]"#, vec![clause; items].join(","));
        let mut rules = vec![rule(31); QUERY_RULE_ITEMS_MAX / 32 - 1];
        rules.push(rule(31 + more));
        asked(&rules.join(","))
    };
    assert_eq!(long(0), Ok(()));
    assert_eq!(
        long(1),
        Err(("the items of all rules", QUERY_RULE_ITEMS_MAX))
    );
}

#[test]
fn as_many_rounds_as_there_may_be_are_gone_and_one_more_is_a_limit() {
    let max = u64::try_from(QUERY_ROUNDS_MAX).unwrap();
    let edges: Vec<(u64, u64)> = (0..=max).map(|it| (it, it + 1)).collect();
    let world = follows(&edges);
    let from = |start: u64| {
        let query = format!(
            r#"{{"select":"?x","where":[["(under {} ?x)"]],"rules":[{UNDER}]}}"#,
            person(start)
        );
        let budget = Budget::new(10_000_000, None);
        Query::parse(&query)?.run(&world.facts, &world.schema, ASKED, &budget)
    };
    assert_eq!(from(2).map(|it| rows(&it)), Ok(QUERY_ROUNDS_MAX - 1));
    assert!(
        matches!(
            from(0),
            Err(Error::Limit {
                max: QUERY_ROUNDS_MAX,
                ..
            })
        ),
        "{:?}",
        from(0)
    );
}

#[test]
fn a_call_with_a_bound_end_costs_what_it_reaches() {
    // A hundred chains of a hundred people.
    let edges: Vec<(u64, u64)> = (0..100_u64)
        .flat_map(|chain| (0..99).map(move |it| (chain * 100 + it, chain * 100 + it + 1)))
        .collect();
    let world = follows(&edges);
    for rules in [UNDER, UNDER_LEFT, UNDER_UNION] {
        for (call, reached) in [
            (format!("(under {} ?x)", person(4_200)), 99),
            (format!("(under ?x {})", person(4_299)), 99),
            (format!("(under {} {})", person(4_200), person(4_299)), 1),
        ] {
            let budget = Budget::new(10_000_000, None);
            let query = format!(
                r#"{{"select":"?x","where":[["?x","person/handle",null],["{call}"]],"rules":[{rules}]}}"#
            );
            let query = if reached == 1 {
                query.replace("\"person/handle\",null", "\"person/handle\",\"p4200\"")
            } else {
                query
            };
            let answer =
                Query::parse(&query)
                    .unwrap()
                    .run(&world.facts, &world.schema, ASKED, &budget);
            assert_eq!(answer.map(|it| rows(&it)), Ok(reached), "{query}");
            // The square of a chain is 10,000, and all chains have as many people.
            assert!(budget.spent() < 6_000, "{query}: {} steps", budget.spent());
        }
    }
}

/// A program as a plain evaluation reads it: atoms over numbers of people.
#[derive(Clone, Debug)]
enum Item {
    /// `follows` or `best`.
    Fact(&'static str, [Word; 2]),
    Call(usize, Vec<Word>),
    Not(Vec<Item>),
    Exists(Vec<Item>),
    Union(Vec<Vec<Item>>),
}

/// A variable by its number, or a person.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Var(usize),
    Person(u64),
}

#[derive(Clone, Debug)]
struct Law {
    name: usize,
    head: Vec<Word>,
    body: Vec<Item>,
}

type Binding = Vec<Option<u64>>;
type Tuples = Vec<BTreeSet<Vec<u64>>>;

const NAMES: [&str; 5] = ["ra", "rb", "rc", "rd", "re"];
const VARS: [&str; 5] = ["?v", "?w", "?x", "?y", "?z"];

struct Model {
    follows: BTreeSet<Vec<u64>>,
    best: BTreeSet<Vec<u64>>,
    widths: Vec<usize>,
    laws: Vec<Law>,
}

impl Word {
    fn written(self) -> String {
        match self {
            Self::Var(var) => VARS[var].to_owned(),
            Self::Person(number) => format!("<{number}>"),
        }
    }
}

fn call_written(name: usize, words: &[Word]) -> String {
    let words: Vec<String> = words.iter().map(|it| it.written()).collect();
    format!("({} {})", NAMES[name], words.join(" "))
}

fn written(items: &[Item]) -> String {
    let items = items.iter().map(|item| match item {
        Item::Fact(name, [s, o]) => {
            let place = |word: &Word| match word {
                Word::Var(var) => format!("\"{}\"", VARS[*var]),
                Word::Person(number) => format!("<{number}>"),
            };
            format!(r#"[{},"person/{name}",{}]"#, place(s), place(o))
        }
        Item::Call(name, words) => format!(r#"["{}"]"#, call_written(*name, words)),
        Item::Not(items) => format!(r#"{{"not":[{}]}}"#, written(items)),
        Item::Exists(items) => format!(r#"{{"exists":[{}]}}"#, written(items)),
        Item::Union(arms) => {
            let arms: Vec<String> = arms.iter().map(|it| format!("[{}]", written(it))).collect();
            format!(r#"{{"union":[{}]}}"#, arms.join(","))
        }
    });
    items.collect::<Vec<_>>().join(",")
}

impl Model {
    /// The bindings that satisfy all items, of those given.
    fn all(&self, items: &[Item], given: Vec<Binding>, known: &Tuples) -> Vec<Binding> {
        items.iter().fold(given, |given, item| {
            let mut found: Vec<Binding> = Vec::new();
            for binding in given {
                match item {
                    Item::Fact(name, words) => {
                        let facts = if *name == "follows" {
                            &self.follows
                        } else {
                            &self.best
                        };
                        found.extend(facts.iter().filter_map(|it| matched(&binding, words, it)));
                    }
                    Item::Call(name, words) => {
                        found.extend(
                            known[*name]
                                .iter()
                                .filter_map(|it| matched(&binding, words, it)),
                        );
                    }
                    Item::Not(items) | Item::Exists(items) => {
                        let is_wanted = matches!(item, Item::Exists(_));
                        let inner = self.all(items, vec![binding.clone()], known);
                        found.extend((inner.is_empty() != is_wanted).then_some(binding));
                    }
                    Item::Union(arms) => {
                        for arm in arms {
                            found.extend(self.all(arm, vec![binding.clone()], known));
                        }
                    }
                }
            }
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    /// All that holds: stratum after stratum, every law over everything until nothing changes.
    fn solved(&self) -> Tuples {
        let mut known: Tuples = vec![BTreeSet::new(); self.widths.len()];
        // A name is negated by higher ones alone, so each in turn can be done with all below it.
        for stratum in 0..self.widths.len() {
            loop {
                let before = known.clone();
                for law in self.laws.iter().filter(|it| it.name <= stratum) {
                    let given = vec![vec![None; VARS.len()]];
                    for binding in self.all(&law.body, given, &before) {
                        let value = |word: &Word| match word {
                            Word::Var(var) => binding[*var].unwrap(),
                            Word::Person(number) => *number,
                        };
                        known[law.name].insert(law.head.iter().map(value).collect());
                    }
                }
                if known == before {
                    break;
                }
            }
        }
        known
    }
}

fn matched(binding: &Binding, words: &[Word], tuple: &[u64]) -> Option<Binding> {
    let mut binding = binding.clone();
    for (word, number) in words.iter().zip(tuple) {
        match word {
            Word::Person(it) if it == number => {}
            Word::Person(_) => return None,
            Word::Var(var) => match binding[*var] {
                Some(it) if it == *number => {}
                Some(_) => return None,
                None => binding[*var] = Some(*number),
            },
        }
    }
    Some(binding)
}

const PEOPLE: u64 = 6;

impl Dice {
    fn word(&mut self) -> Word {
        if self.roll(12) == 0 {
            Word::Person(self.roll(PEOPLE))
        } else {
            Word::Var(usize::try_from(self.roll(5)).unwrap())
        }
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(below).unwrap())).unwrap()
    }

    fn positive(&mut self, widths: &[usize], most: usize) -> Item {
        if self.roll(2) == 0 {
            let name = if self.roll(3) == 0 { "best" } else { "follows" };
            return Item::Fact(name, [self.word(), self.word()]);
        }
        let name = self.index(most);
        Item::Call(name, (0..widths[name]).map(|_| self.word()).collect())
    }

    fn law(&mut self, name: usize, widths: &[usize]) -> Law {
        // Names above are asked for too, but only by what joins, and only one up, so that circles are made.
        let most = (name + 2).min(widths.len());
        let most = if name.is_multiple_of(2) {
            most
        } else {
            name + 1
        };
        let mut body: Vec<Item> = (0..=self.roll(3))
            .map(|_| self.positive(widths, most))
            .collect();
        let mut vars = BTreeSet::new();
        for item in &body {
            let words: &[Word] = match item {
                Item::Fact(_, words) => words,
                Item::Call(_, words) => words,
                _ => &[],
            };
            vars.extend(words.iter().filter_map(|it| match it {
                Word::Var(var) => Some(*var),
                Word::Person(_) => None,
            }));
        }
        if self.roll(4) == 0 {
            // Two ways to bind one more, or the same as before.
            let word = [self.word(), self.word()];
            let arms = (0..2).map(|_| {
                vec![if self.roll(2) == 0 {
                    Item::Fact("follows", word)
                } else {
                    match self.positive(widths, most) {
                        Item::Call(name, mut words) => {
                            words.fill(word[0]);
                            if let Some(last) = words.last_mut() {
                                *last = word[1];
                            }
                            if words.len() < 2 || !words.contains(&word[0]) {
                                Item::Fact("best", word)
                            } else {
                                Item::Call(name, words)
                            }
                        }
                        _ => Item::Fact("best", word),
                    }
                }]
            });
            let arms = arms.collect();
            body.push(Item::Union(arms));
            vars.extend(word.iter().filter_map(|it| match it {
                Word::Var(var) => Some(*var),
                Word::Person(_) => None,
            }));
        }
        // Names of a pair ask for each other, so both are above what they negate.
        let below = name / 2 * 2;
        if below > 0 && self.roll(3) == 0 {
            let inner = vec![self.positive(widths, below)];
            body.push(if self.roll(3) == 0 {
                Item::Exists(inner)
            } else {
                Item::Not(inner)
            });
        }
        let vars: Vec<usize> = vars.into_iter().collect();
        let head = (0..widths[name]).map(|_| {
            if vars.is_empty() || self.roll(10) == 0 {
                Word::Person(self.roll(PEOPLE))
            } else {
                Word::Var(vars[self.index(vars.len())])
            }
        });
        Law {
            name,
            head: head.collect(),
            body,
        }
    }

    fn model(&mut self) -> Model {
        let widths: Vec<usize> = (0..4).map(|_| 1 + self.index(3)).collect();
        let pairs = |dice: &mut Self, most| {
            let count = dice.roll(most);
            let pair = |dice: &mut Self| vec![dice.roll(PEOPLE), dice.roll(PEOPLE)];
            (0..count).map(|_| pair(dice)).collect::<BTreeSet<_>>()
        };
        let follows = pairs(self, 12);
        let mut best = pairs(self, 5);
        // One best each.
        let mut seen = BTreeSet::new();
        best.retain(|pair| seen.insert(pair[0]));
        let mut laws = Vec::new();
        for name in 0..widths.len() {
            for _ in 0..=self.roll(3) {
                laws.push(self.law(name, &widths));
            }
        }
        Model {
            follows,
            best,
            widths,
            laws,
        }
    }
}

fn model_world(model: &Model) -> World {
    let mut data: Vec<_> = (0..PEOPLE)
        .map(|it| (person(it), HANDLE, Value::string(&format!("p{it}"))))
        .collect();
    for (pairs, p) in [(&model.follows, FOLLOWS), (&model.best, BEST)] {
        data.extend(
            pairs
                .iter()
                .map(|it| (person(it[0]), p, Value::Ref(person(it[1])))),
        );
    }
    world(data)
}

#[test]
fn random_rules_hold_for_what_a_plain_evaluation_says() {
    each_seed(
        "rules::random_rules_hold_for_what_a_plain_evaluation_says",
        80,
        |seed| {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9));
            let model = dice.model();
            let known = model.solved();
            let world = model_world(&model);
            let rules: Vec<String> = model
                .laws
                .iter()
                .map(|law| {
                    format!(
                        r#"["{}",{}]"#,
                        call_written(law.name, &law.head),
                        written(&law.body)
                    )
                })
                .collect();
            for name in 0..model.widths.len() {
                for _ in 0..6 {
                    let width = model.widths[name];
                    let vars: Vec<usize> = (0..width)
                        .map(|at| if dice.roll(5) == 0 { 0 } else { at })
                        .collect();
                    let mut wanted: Vec<Option<u64>> = vec![None; width];
                    let mut clauses = Vec::new();
                    let mut words: Vec<String> = Vec::new();
                    let mut told_vars: Vec<String> = Vec::new();
                    for (at, var) in vars.iter().enumerate() {
                        match dice.roll(4) {
                            0 => {
                                let number = dice.roll(PEOPLE);
                                wanted[at] = Some(number);
                                words.push(format!("<{number}>"));
                                continue;
                            }
                            1 => {
                                let number = dice.roll(PEOPLE);
                                wanted[at] = Some(number);
                                clauses.push(format!(
                                    r#"["{}","person/handle","p{number}"]"#,
                                    VARS[*var]
                                ));
                            }
                            _ => {}
                        }
                        words.push(VARS[*var].to_owned());
                        told_vars.push(format!("\"{}\"", VARS[*var]));
                    }
                    clauses.push(format!(r#"["({} {})"]"#, NAMES[name], words.join(" ")));
                    if told_vars.is_empty() {
                        clauses.insert(0, r#"["?q","person/handle","p0"]"#.to_owned());
                        told_vars.push("\"?q\"".to_owned());
                    }
                    let query = format!(
                        r#"{{"select":[{}],"where":[{}],"rules":[{}]}}"#,
                        told_vars.join(","),
                        clauses.join(","),
                        rules.join(",")
                    );
                    let mut expected: BTreeSet<Vec<u64>> = BTreeSet::new();
                    for tuple in &known[name] {
                        let is_wanted = wanted
                            .iter()
                            .zip(tuple)
                            .all(|(it, number)| it.is_none_or(|it| it == *number));
                        let mut bound: Vec<Option<u64>> = vec![None; VARS.len()];
                        let mut row = Vec::new();
                        let mut is_one = true;
                        for ((number, word), var) in tuple.iter().zip(&words).zip(&vars) {
                            if word.starts_with('<') {
                                continue;
                            }
                            is_one &= bound[*var].is_none_or(|it| it == *number);
                            bound[*var] = Some(*number);
                            row.push(*number);
                        }
                        if is_wanted && is_one {
                            expected.insert(if row.is_empty() { vec![0] } else { row });
                        }
                    }
                    let list = expected.iter().map(|row| {
                        let row: Vec<String> = row.iter().map(ToString::to_string).collect();
                        format!("[{}]", row.join(","))
                    });
                    let list = format!("[{}]", list.collect::<Vec<_>>().join(","));
                    assert_eq!(
                        told(&world, &query),
                        Ok(list),
                        "seed {seed}: {query} with {:?} {:?}",
                        model.follows,
                        model.best
                    );
                }
            }
        },
    );
}

#[test]
fn rules_over_larger_graphs_hold_for_what_datafrog_says() {
    use datafrog::{Iteration, Relation};
    let pair = |world: &World, rules: &str, call: &str| {
        let query = format!(r#"{{"select":["?x","?y"],"where":[["{call}"]],"rules":[{rules}]}}"#);
        let places = |json: &Json| match json {
            Json::Array(places) => places.clone(),
            _ => Vec::new(),
        };
        let number = |json: &Json| match json {
            Json::Int(id) => SubjectId::from_raw(*id).map(SubjectId::number),
            _ => None,
        };
        let rows = places(&run(world, &query).unwrap());
        let told = rows.iter().map(places);
        let told = told.map(|row| (number(&row[0]).unwrap(), number(&row[1]).unwrap()));
        told.collect::<BTreeSet<(u64, u64)>>()
    };
    each_seed(
        "rules::rules_over_larger_graphs_hold_for_what_datafrog_says",
        4,
        |seed| {
            let mut dice = Dice(seed);
            let people = 60;
            let count = 90;
            let edges: BTreeSet<(u64, u64)> = (0..count)
                .map(|_| (dice.roll(people), dice.roll(people)))
                .collect();
            let edges: Vec<(u64, u64)> = edges.into_iter().collect();
            let world = follows(&edges);
            let forward: Relation<(u64, u64)> = edges.iter().copied().collect();
            let backward: Relation<(u64, u64)> = edges.iter().map(|(x, y)| (*y, *x)).collect();

            // Closure: what (y, x) is known, and z follows y.
            let mut iteration = Iteration::new();
            let reach = iteration.variable::<(u64, u64)>("reach");
            reach.insert(backward.clone());
            while iteration.changed() {
                reach.from_join(&reach, &forward, |_, x, z| (*z, *x));
            }
            let closure: BTreeSet<(u64, u64)> =
                reach.complete().iter().map(|(y, x)| (*x, *y)).collect();
            for rules in [UNDER, UNDER_LEFT, UNDER_TWICE, UNDER_UNION] {
                assert!(pair(&world, rules, "(under ?x ?y)") == closure, "{rules}");
            }

            // The same generation: siblings, and those whose ones before are of one.
            let mut iteration = Iteration::new();
            let same = iteration.variable::<(u64, u64)>("same");
            let by_second = iteration.variable::<(u64, u64)>("by second");
            let siblings: BTreeSet<(u64, u64)> = edges
                .iter()
                .flat_map(|(a, x)| {
                    edges
                        .iter()
                        .filter(move |(b, _)| a == b)
                        .map(move |(_, y)| (*x, *y))
                })
                .collect();
            same.insert(siblings.into_iter().collect());
            while iteration.changed() {
                // (a, b) → (b, x) where a is followed to x; then y where b is followed to y.
                by_second.from_join(&same, &forward, |_, b, x| (*b, *x));
                same.from_join(&by_second, &forward, |_, x, y| (*x, *y));
            }
            let same: BTreeSet<(u64, u64)> = same.complete().iter().copied().collect();
            let rules = r#"["(same ?x ?y)",["?a","person/follows","?x"],["?a","person/follows","?y"]],["(same ?x ?y)",["?a","person/follows","?x"],["(same ?a ?b)"],["?b","person/follows","?y"]]"#;
            assert!(pair(&world, rules, "(same ?x ?y)") == same);
            let one: BTreeSet<(u64, u64)> = same
                .iter()
                .copied()
                .filter(|(x, _)| *x == edges[0].1)
                .collect();
            let query = format!(r#"(same ?x ?y)"],["?x","person/handle","p{}"#, edges[0].1);
            assert!(pair(&world, rules, &query) == one);

            // Stratified: who does not come to whom.
            let rules = format!(
                r#"{UNDER},["(apart ?x ?y)",["?x","person/handle",null],["?y","person/handle",null],{{"not":[["(under ?x ?y)"]]}}]"#
            );
            let all: BTreeSet<u64> = edges.iter().flat_map(|(x, y)| [*x, *y]).collect();
            let apart: BTreeSet<(u64, u64)> = all
                .iter()
                .flat_map(|x| all.iter().map(move |y| (*x, *y)))
                .filter(|pair| !closure.contains(pair))
                .collect();
            assert!(pair(&world, &rules, "(apart ?x ?y)") == apart);
        },
    );
}
