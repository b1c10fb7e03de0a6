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
    match answer {
        Json::Array(rows) => rows.len(),
        other => unreachable!("{other:?}"),
    }
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
    for seed in 0..40_u64 {
        println!("seed {seed}");
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
    }
}
