//! In which order what joins is joined, what that may cost, and variables as predicates.

use super::{
    ACTIVE, AGE, ASKED, BEST, FOLLOWS, HANDLE, NOTE, Random, World, check, person, refused, seed,
    small, with_ids, world,
};
use crate::base::Budget;
use crate::base::limits::{
    QUERY_ARMS_MAX, QUERY_CLAUSES_MAX, QUERY_GROUPS_DEPTH_MAX, QUERY_ROWS_MAX,
};
use crate::model::Value;
use crate::query::{Asked, Counts, Error, Json, Query};

/// The answer, and the steps that it took.
fn paid(world: &World, query: &str, steps: u64) -> (Result<Json, Error>, u64) {
    let budget = Budget::new(steps, None);
    let query = Query::parse(&with_ids(query)).unwrap();
    let answer = query.run(&world.facts, &world.schema, ASKED, &budget);
    (answer, budget.spent())
}

/// The steps of a plan.
fn plan(world: &World, query: &str, counts: Counts) -> String {
    let budget = Budget::new(10_000_000, None);
    let asked = Asked { counts, ..ASKED };
    let query = Query::parse(&with_ids(query)).unwrap();
    let answer = query.run(&world.facts, &world.schema, asked, &budget);
    let answer = answer.unwrap();
    assert_eq!(answer.member("fuel").is_some(), counts == Counts::Told);
    answer.member("steps").unwrap().write()
}

#[test]
fn a_variable_may_be_the_predicate_and_is_its_subject() {
    let names = r#"["?q","_predicate/name","?n"]"#;
    for (clauses, expected) in [
        (
            r#"[P0,"?q","?o"]"#,
            r#"[["person/active",true],["person/age",25],["person/favNums",-2],["person/favNums",0],["person/favNums",12],["person/follows",P1],["person/follows",P2],["person/handle","jdoe"],["person/mood","happy"],["person/score",0.1]]"#,
        ),
        // By the object: refs, numbers, texts, booleans.
        (
            r#"["?s","?q",P0],["?s","rdf:type","?o"]"#,
            r#"[["chat/person","chat"],["chat/person","chat"],["chat/to","chat"],["person/best","person"],["person/follows","person"]]"#,
        ),
        (
            r#"["?s","?q",["person/handle","zsmith"]],["?s","_id","?o"]"#,
            r#"[["chat/person",C2],["person/follows",P0]]"#,
        ),
        (
            r#"["?s","?q",63],["?s","_id","?o"]"#,
            r#"[["person/age",P1]]"#,
        ),
        (r#"["?o","?q","happy"]"#, r#"[["person/mood",P0]]"#),
        (r#"["?o","?q","hi"]"#, r#"[["chat/message",C0]]"#),
        (r#"["?o","?q",0.1]"#, r#"[["person/score",P0]]"#),
        (r#"["?o","?q","secret"]"#, "[]"),
        // By the predicate.
        (
            r#"["?s","?q","?o"],["?q","_predicate/name","person/best"]"#,
            r#"[["person/best",P0]]"#,
        ),
        (
            r#"["?s","?q","?o"],["?q","_predicate/name","person/extra"]"#,
            r#"[["person/extra","{\"a\":1}"]]"#,
        ),
        // Twice the same variable, and beside other clauses of the subject.
        (
            r#"["?o","person/age",63],["?o","?q",5]"#,
            r#"[["person/favNums",P1]]"#,
        ),
        (
            r#"["?s","person/age","?o"],["?s","?q","?o"]"#,
            r#"[["person/age",25],["person/age",63]]"#,
        ),
        (
            r#"[P0,"?q",null],[P1,"?q",null],["?o","person/age",63],[P2,"?q",null]"#,
            r#"[["person/handle",P1]]"#,
        ),
        (
            r#"[P0,"?q","?o"],[P2,"?q","?other"],[P2,"?q",false]"#,
            r#"[["person/active",true]]"#,
        ),
    ] {
        let query = format!(r#"{{"select":["?n","?o"],"where":[{clauses},{names}]}}"#);
        check(&small(), &query, expected);
    }
    refused(
        &small(),
        r#"{"select":"?o","where":[["?s","?q","?o"]]}"#,
        "/where/0",
        "`?s` or `?q` or `?o`",
    );
}

#[test]
fn a_sealed_predicate_is_under_no_variable() {
    let query = r#"{"select":"?o","where":[["?s","_auth/id","ann"],["?s","?q","?o"]]}"#;
    check(&small(), query, r#"["ann"]"#);
}

/// A thousand persons of one age, of which a few are active or have a note.
fn crowd() -> World {
    let mut data = Vec::new();
    for n in 0..1_000 {
        data.push((person(n), AGE, Value::Int(1)));
        data.push((person(n), HANDLE, Value::string(&format!("p{n}"))));
        data.push((person(n), FOLLOWS, Value::Ref(person((n + 1) % 1_000))));
        if n % 400 == 7 {
            data.push((person(n), ACTIVE, Value::Boolean(true)));
        }
        if n % 100 == 7 {
            data.push((person(n), NOTE, Value::string("rare")));
        }
    }
    world(data)
}

#[test]
fn a_plan_begins_where_the_fewest_are_and_goes_on_where_it_is_bound() {
    let world = crowd();
    for (clauses, expected) in [
        // Of two values the rarer one, wherever it stands.
        (
            r#"["?p","person/age",1],["?p","person/active",true]"#,
            r#"[{"is":"star","clauses":["/where/0","/where/1"],"by":"value","order":"post","predicate":"person/active","rows":3}]"#,
        ),
        (
            r#"["?p","person/active",true],["?p","person/age",1]"#,
            r#"[{"is":"star","clauses":["/where/0","/where/1"],"by":"value","order":"post","predicate":"person/active","rows":3}]"#,
        ),
        // A unique value before any other.
        (
            r#"["?p","person/note","rare"],["?p","person/follows","?q"],["?q","person/handle","p8"]"#,
            r#"[{"is":"star","clauses":["/where/2"],"by":"unique value","order":"post","predicate":"person/handle","rows":1},{"is":"star","clauses":["/where/0","/where/1"],"by":"bound value","order":"opst","predicate":"person/follows","rows":1}]"#,
        ),
        // What is bound is not walked.
        (
            r#"["?q","person/age","?a"],["?p","person/follows","?q"],["?p","person/active",true]"#,
            r#"[{"is":"star","clauses":["/where/1","/where/2"],"by":"value","order":"post","predicate":"person/active","rows":3},{"is":"star","clauses":["/where/0"],"by":"bound","order":"spot","rows":3}]"#,
        ),
        // Without anything to begin at, a collection.
        (
            r#"["?p","person/note","?n"]"#,
            r#"[{"is":"star","clauses":["/where/0"],"by":"collection","order":"spot","collection":"person","rows":10}]"#,
        ),
        (
            r#"["?p","person/handle","p1"],{"not":[["?p","person/active",true]]},{"optional":[["?p","person/note","?n"]]},{"union":[[["?p","person/age",1]],[["?p","person/age",2]]]},{"filter":["(= 1 1)"]}"#,
            r#"[{"is":"filter","clauses":["/where/4/filter/0"],"rows":1},{"is":"star","clauses":["/where/0"],"by":"unique value","order":"post","predicate":"person/handle","rows":1},{"is":"union","clauses":["/where/3/union"],"groups":[[{"is":"star","clauses":["/where/3/union/0/0"],"by":"bound","order":"spot","rows":1}],[{"is":"star","clauses":["/where/3/union/1/0"],"by":"bound","order":"spot","rows":0}]],"rows":1},{"is":"optional","clauses":["/where/2/optional"],"steps":[{"is":"star","clauses":["/where/2/optional/0"],"by":"bound","order":"spot","rows":0}],"rows":1},{"is":"not","clauses":["/where/1/not"],"steps":[{"is":"star","clauses":["/where/1/not/0"],"by":"bound","order":"spot","rows":0}],"rows":1}]"#,
        ),
        // What shares nothing is solved by itself.
        (
            r#"["?p","person/handle","p1"],["?q","person/active",true]"#,
            r#"[{"is":"star","clauses":["/where/0"],"by":"unique value","order":"post","predicate":"person/handle","rows":1},{"is":"star","clauses":["/where/1"],"by":"value","order":"post","predicate":"person/active","rows":3},{"is":"product","rows":3}]"#,
        ),
    ] {
        let query = |explain: &str| format!(r#"{{"select":"?p","where":[{clauses}],{explain}}}"#);
        let top = query(r#""explain":true"#);
        assert_eq!(plan(&world, &top, Counts::Told), expected, "{clauses}");
        let in_opts = query(r#""opts":{"explain":true}"#);
        assert_eq!(plan(&world, &in_opts, Counts::Told), expected);
        let told = plan(&world, &top, Counts::Hidden);
        assert!(!told.contains("rows"), "{told}");
        let (answer, _) = paid(&world, &query(r#""explain":false"#), 1_000_000);
        assert!(matches!(answer, Ok(Json::Array(_))));
    }
}

#[test]
fn a_basic_query_tells_how_its_subjects_are_found() {
    let world = crowd();
    for (query, expected) in [
        (
            r#""from":"person""#,
            r#"[{"is":"find","by":"collection","order":"spot","collection":"person","rows":1000}]"#,
        ),
        (
            r#""from":"person","where":"person/active = true AND person/age > 0""#,
            r#"[{"is":"find","by":"value","order":"post","predicates":["person/active"],"rows":3}]"#,
        ),
        (
            r#""where":"person/handle = 'p1'""#,
            r#"[{"is":"find","by":"unique value","order":"post","predicates":["person/handle"],"rows":1}]"#,
        ),
        (
            r#""where":"person/age >= 2""#,
            r#"[{"is":"find","by":"range","order":"post","predicates":["person/age"],"rows":0}]"#,
        ),
        (
            r#""from":"person/note""#,
            r#"[{"is":"find","by":"predicate","order":"post","predicates":["person/note"],"rows":10}]"#,
        ),
        (
            r#""from":P1"#,
            r#"[{"is":"find","by":"named","order":"spot","rows":1}]"#,
        ),
    ] {
        let query = format!(r#"{{"select":["handle"],{query},"explain":true}}"#);
        assert_eq!(plan(&world, &query, Counts::Told), expected, "{query}");
        assert!(!plan(&world, &query, Counts::Hidden).contains("rows"));
    }
}

#[test]
fn a_query_costs_about_what_it_finds_wherever_its_clauses_stand() {
    let world = crowd();
    for (most, clauses) in [
        (
            200,
            r#"["?p","person/age",1],["?p","person/active",true],["?p","person/handle","?h"]"#,
        ),
        (
            400,
            r#"["?q","person/age",1],["?p","person/follows","?q"],["?p","person/active",true]"#,
        ),
        (
            400,
            r#"["?r","person/age",1],["?q","person/follows","?r"],["?p","person/follows","?q"],["?p","person/handle","p5"]"#,
        ),
        // Two that share nothing, each found alone.
        (
            600,
            r#"["?p","person/age",1],["?p","person/active",true],["?q","person/age",1],["?q","person/active",true]"#,
        ),
        // What is asked for is whether there is any: of three millions of rows.
        (
            100_000,
            r#"["?p","person/active",true],{"exists":[["?q","person/age","?a"],["?p","person/age","?a"],["?r","person/age","?a"]]}"#,
        ),
    ] {
        let query = format!(r#"{{"select":"?p","where":[{clauses}]}}"#);
        let (answer, spent) = paid(&world, &query, 1_000_000);
        assert!(answer.is_ok(), "{clauses}");
        assert!(spent < most, "{clauses}: {spent}");
    }
}

#[test]
fn a_triangle_is_closed_without_making_all_paths_of_two() {
    // All follow the first and it follows all, and a few more.
    let mut data = Vec::new();
    for n in 1..300 {
        data.push((person(n), FOLLOWS, Value::Ref(person(0))));
        data.push((person(0), FOLLOWS, Value::Ref(person(n))));
        if n % 100 == 0 {
            data.push((person(n), FOLLOWS, Value::Ref(person(n + 1))));
        }
    }
    let world = world(data);
    let legs = [
        r#"["?a","person/follows","?b"]"#,
        r#"["?b","person/follows","?c"]"#,
        r#"["?c","person/follows","?a"]"#,
    ];
    let mut answers = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let clauses = order.map(|at: usize| legs[at]).join(",");
        let query = format!(r#"{{"select":["?a","?b","?c"],"where":[{clauses}]}}"#);
        let (answer, spent) = paid(&world, &query, 1_000_000);
        let answer = answer.unwrap();
        // Two edges beside the first person, each in a triangle that begins at any of its corners.
        assert!(
            matches!(&answer, Json::Array(rows) if rows.len() == 6),
            "{}",
            answer.write()
        );
        assert!(spent < 40_000, "{spent}");
        answers.push(answer);
    }
    assert_eq!(answers.first(), answers.get(1));
    assert_eq!(answers.first(), answers.get(2));
}

#[test]
fn groups_are_so_deep_and_so_many_and_no_more() {
    let world = small();
    let is_limit = |query: &str, max: usize| {
        let (answer, _) = paid(&world, query, 10_000_000);
        match answer {
            Ok(_) => false,
            Err(Error::Limit { max: told, .. }) => {
                assert_eq!(told, max);
                true
            }
            Err(error) => panic!("{query}: {error}"),
        }
    };
    let parse = |query: &str, max: usize| match Query::parse(query) {
        Ok(_) => is_limit(query, max),
        Err(Error::Limit { max: told, .. }) => {
            assert_eq!(told, max);
            true
        }
        Err(error) => panic!("{query}: {error}"),
    };
    let deep = |depth: usize| {
        let mut group = r#"[["?p","person/handle","?h"]]"#.to_owned();
        for _ in 1..depth {
            group = format!(r#"[["?p","person/handle","?h"],{{"optional":{group}}}]"#);
        }
        format!(r#"{{"select":"?h","where":{group}}}"#)
    };
    assert!(!parse(
        &deep(QUERY_GROUPS_DEPTH_MAX),
        QUERY_GROUPS_DEPTH_MAX
    ));
    assert!(parse(
        &deep(QUERY_GROUPS_DEPTH_MAX + 1),
        QUERY_GROUPS_DEPTH_MAX
    ));
    // An arm has a clause, and the `union` is one itself, so the clauses are passed first.
    let wide = |arms: usize| {
        let arms = vec![r#"[["?p","person/handle","?h"]]"#; arms].join(",");
        format!(r#"{{"select":"?h","where":[{{"union":[{arms}]}}]}}"#)
    };
    assert!(!parse(&wide(QUERY_CLAUSES_MAX - 1), QUERY_CLAUSES_MAX));
    assert!(parse(&wide(QUERY_CLAUSES_MAX), QUERY_CLAUSES_MAX));
    assert!(parse(&wide(QUERY_ARMS_MAX + 1), QUERY_ARMS_MAX));
}

#[test]
fn an_answer_of_clauses_has_so_many_rows_and_no_more() {
    // Ten thousand by ten is as many as there may be; 9,091 by eleven is one more.
    let mut data = Vec::new();
    for n in 0..10_000 {
        data.push((person(n), AGE, Value::Int(i64::from(n < 9_091))));
        if n < 11 {
            data.push((person(n), NOTE, Value::string("a")));
            data.push((person(n), ACTIVE, Value::Boolean(n < 10)));
        }
    }
    let world = world(data);
    let query = |all: &str, few: &str| {
        format!(r#"{{"select":"?a","where":[["?a","person/age",{all}],["?b",{few}]]}}"#)
    };
    let most = query("null", r#""person/active",true"#);
    let (answer, _) = paid(&world, &most, 10_000_000);
    let rows = answer.unwrap();
    assert!(matches!(&rows, Json::Array(rows) if rows.len() == QUERY_ROWS_MAX));
    let more = query("1", r#""person/note","a""#);
    let (answer, _) = paid(&world, &more, 10_000_000);
    let is_limit = matches!(
        answer,
        Err(Error::Limit {
            max: QUERY_ROWS_MAX,
            ..
        })
    );
    assert!(is_limit);
}

#[test]
fn a_bomb_ends_by_a_limit_whatever_it_is_made_of() {
    let world = crowd();
    let age = |var: &str, value: &str| format!(r#"["{var}","person/age","{value}"]"#);
    let chain = |count: usize| -> String {
        let clauses = (0..count).map(|n| format!(r#"["?p{n}","person/age","?a"]"#));
        clauses.collect::<Vec<_>>().join(",")
    };
    let apart = |count: usize| -> String {
        let clauses = (0..count).map(|n| format!(r#"["?p{n}","person/age",1]"#));
        clauses.collect::<Vec<_>>().join(",")
    };
    let union = |body: &str| format!(r#"{{"union":[[{body}],[{body}]]}}"#);
    let nested = |key: &str| {
        let mut group = format!("[{}]", chain(3));
        for n in 0..5 {
            group = format!(r#"[["?q{n}","person/age","?a"],{{"{key}":{group}}}]"#);
        }
        let items = group.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        items.unwrap().to_owned()
    };
    for items in [
        chain(40),
        format!("{},{}", chain(1), apart(40)),
        format!("{},{}", age("?p", "?a"), union(&chain(6))),
        format!(r#"{},{{"optional":[{}]}}"#, age("?p", "?a"), chain(6)),
        format!(
            r#"{},{{"bind":{{"?a":1}}}},{{"exists":[{},["?p","person/age","?a"],{}]}}"#,
            apart(3),
            chain(2),
            apart(2)
        ),
        nested("optional"),
    ] {
        let query = format!(r#"{{"select":"?a","where":[{items}]}}"#);
        let parsed = Query::parse(&query).expect(&query);
        let budget = Budget::new(500_000, None);
        let answer = parsed.run(&world.facts, &world.schema, ASKED, &budget);
        let ended = answer.expect_err(&query).to_string();
        assert!(ended.contains("500000"), "{query}: {ended}");
        assert!(budget.spent() < 600_000, "{query}: {}", budget.spent());
    }
}

/// Seven hundred persons, most of them followed by few and some by many, so that every way to them is chosen at times.
fn many(random: &mut Random) -> World {
    let mut data = Vec::new();
    for n in 0..700 {
        let age = i64::try_from(random.below(40)).unwrap();
        data.push((person(n), AGE, Value::Int(age.max(10))));
        data.push((person(n), HANDLE, Value::string(&format!("p{n}"))));
        data.push((person(n), ACTIVE, Value::Boolean(random.below(200) == 0)));
        for _ in 0..random.below(4) {
            let to = if random.below(3) == 0 {
                random.below(5)
            } else {
                random.below(700)
            };
            data.push((person(n), FOLLOWS, Value::Ref(person(to))));
        }
        if random.below(9) == 0 {
            data.push((person(n), BEST, Value::Ref(person(random.below(700)))));
        }
    }
    world(data)
}

fn random_clause(random: &mut Random) -> String {
    let var = |random: &mut Random| *random.pick(&["?a", "?b", "?c"]);
    let subject = var(random);
    let (predicate, object) = match random.below(8) {
        0 => ("age", random.below(12).to_string()),
        1 => ("active", "true".to_owned()),
        2 => ("handle", format!("\"p{}\"", random.below(700))),
        3 => ("best", format!("\"{}\"", var(random))),
        4 => ("age", "\"?n\"".to_owned()),
        _ => ("follows", format!("\"{}\"", var(random))),
    };
    format!(r#"["{subject}","person/{predicate}",{object}]"#)
}

#[test]
fn random_clauses_bind_what_they_bind_each_alone() {
    let seed = seed("plans");
    let mut random = Random(seed);
    let world = many(&mut random);
    let mut answered = 0;
    for _ in 0..60 {
        let count = 2 + random.below(4);
        let clauses: Vec<String> = (0..count).map(|_| random_clause(&mut random)).collect();
        // Groups of a union are solved each by itself: nothing is closed, and nothing counted.
        let alone = clauses
            .iter()
            .map(|clause| format!(r#"{{"union":[[{clause}],[{clause},{clause}]]}}"#));
        let alone: Vec<String> = alone.collect();
        let query = |items: &[String], select: &str| {
            let items = items.join(",");
            format!(r#"{{"select":"(count {select})","where":[{items}]}}"#)
        };
        let select = clauses.first().and_then(|it| it.get(2..4)).unwrap();
        let (Ok(answer), spent) = paid(&world, &query(&clauses, select), 200_000) else {
            continue;
        };
        let (Ok(expected), _) = paid(&world, &query(&alone, select), 2_000_000) else {
            continue;
        };
        assert_eq!(answer, expected, "{clauses:?}: {spent}");
        answered += usize::from(answer != Json::Int(0));
    }
    assert!(answered > 20, "{answered}");
}
