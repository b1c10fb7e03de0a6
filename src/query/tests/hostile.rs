//! What somebody who wants to break queries would ask.

use super::*;
use crate::base::limits::STRING_BYTES_MAX;

fn texts() -> World {
    let text = Value::string;
    let p = person;
    world(vec![
        // NOTE has a greater id than HANDLE.
        (p(0), HANDLE, text("same")),
        (p(0), NOTE, text("same")),
        (p(1), HANDLE, text("other")),
        (p(1), NOTE, text("else")),
        (p(2), HANDLE, text("person")),
        (p(3), NOTE, text("person")),
    ])
}

#[test]
fn a_variable_that_stands_twice_at_one_subject_is_one_term() {
    let world = texts();
    for (query, expected) in [
        (
            r#"{"select":"?s","where":[["?s","person/note","?v"],["?s","person/handle","?v"]]}"#,
            "[P0]",
        ),
        (
            r#"{"select":"?s","where":[["?s","person/handle","?v"],["?s","person/note","?v"]]}"#,
            "[P0]",
        ),
        (
            r#"{"select":"?s","where":[["?s","rdf:type","?v"],["?s","person/handle","?v"]]}"#,
            "[P2]",
        ),
        (
            r#"{"select":"?s","where":[["?s","person/handle","?v"],["?s","rdf:type","?v"]]}"#,
            "[P2]",
        ),
        (
            r#"{"select":["?s","?p"],"where":[["?s","person/note","?v"],["?s","?p","?v"],["?p","_predicate/name","person/handle"]]}"#,
            "[[P0,1001]]",
        ),
        (
            r#"{"select":"?s","where":[["?s","rdf:type","person"],["?s","rdf:type","?v"],["?s","?p","?v"]]}"#,
            "[P2,<3>]",
        ),
    ] {
        let expected = expected.replace("<3>", &person(3).to_string());
        let expected = expected.replace("1001", &HANDLE.subject().to_string());
        check(&world, query, &expected);
    }
}

/// A fact as a query tells it: a subject, a predicate and a value.
type Told = [String; 3];

/// Persons with a few texts, and all that holds of them.
fn alike(random: &mut Random) -> (World, Vec<Told>) {
    let (mut data, mut told) = (Vec::new(), Vec::new());
    let happy = Value::Ref(SubjectId::new(collection::TAG, HAPPY).unwrap());
    let texts = ["a", "b", "person", "happy", "0.5"];
    for number in 0..4 {
        let s = person(number);
        for p in [MOOD, NOTE, HANDLE, SCORE] {
            if random.below(4) == 0 {
                continue;
            }
            let text = match p {
                // It is unique.
                HANDLE => texts[usize::try_from(number).unwrap()],
                _ => *random.pick(&texts),
            };
            let (value, text) = match p {
                MOOD => (happy.clone(), "\"happy\"".to_owned()),
                SCORE => (Value::Double(Real::new(0.5).unwrap()), "0.5".to_owned()),
                _ => (Value::string(text), format!("\"{text}\"")),
            };
            data.push((s, p, value));
            told.push([s.to_string(), p.subject().to_string(), text]);
        }
        if data.iter().any(|(it, ..)| *it == s) {
            told.push([
                s.to_string(),
                "rdf:type".to_owned(),
                "\"person\"".to_owned(),
            ]);
        }
    }
    (world(data), told)
}

/// The terms that variables are bound to.
type Bound = std::collections::BTreeMap<String, String>;

fn bind(bound: &Bound, place: &str, term: &str) -> Option<Bound> {
    if !place.starts_with('?') {
        return (place == term).then(|| bound.clone());
    }
    let mut more = bound.clone();
    let was = more.insert(place.to_owned(), term.to_owned());
    was.is_none_or(|was| was == term).then_some(more)
}

#[test]
fn texts_that_are_alike_join_as_in_loops_over_everything() {
    let seed = seed("hostile");
    let mut random = Random(seed);
    let mut found = 0;
    for _ in 0..1_500 {
        let (world, told) = alike(&mut random);
        let predicates = [
            ("rdf:type".to_owned(), "rdf:type"),
            (MOOD.subject().to_string(), "person/mood"),
            (NOTE.subject().to_string(), "person/note"),
            (HANDLE.subject().to_string(), "person/handle"),
            (SCORE.subject().to_string(), "person/score"),
            ("?p".to_owned(), "?p"),
        ];
        let mut rows = vec![Bound::new()];
        let mut clauses = Vec::new();
        for _ in 0..=random.below(3) {
            let s = *random.pick(&["?s", "?s", "?t"]);
            let (id, name) = random.pick(&predicates);
            let o = *random.pick(&["?o", "?o", "?q", "?p"]);
            clauses.push(format!(r#"["{s}","{name}","{o}"]"#));
            if *name == "?p" {
                clauses.push(format!(r#"["{s}","rdf:type","person"]"#));
            }
            let facts = told
                .iter()
                .filter(|[_, p, _]| p == id || (id == "?p" && p != "rdf:type"));
            let facts: Vec<&Told> = facts.collect();
            let mut next = Vec::new();
            for bound in &rows {
                for [subject, p, object] in &facts {
                    let more = bind(bound, s, subject).and_then(|it| bind(&it, o, object));
                    next.extend(match more {
                        Some(more) if id == "?p" => bind(&more, "?p", p),
                        more => more,
                    });
                }
            }
            rows = next;
        }
        let vars: std::collections::BTreeSet<String> = ["?s", "?t", "?o", "?q", "?p"]
            .iter()
            .filter(|var| clauses.iter().any(|it| it.contains(*var)))
            .map(|var| (*var).to_owned())
            .collect();
        let select: Vec<String> = vars.iter().map(|var| format!("\"{var}\"")).collect();
        let query = format!(
            r#"{{"select":[{}],"where":[{}]}}"#,
            select.join(","),
            clauses.join(",")
        );
        let answer = match run(&world, &query) {
            Ok(Json::Array(rows)) => rows,
            // Some have nowhere to begin.
            Err(Error::InvalidQuery { why, .. }) if why.contains("nowhere to begin") => continue,
            other => panic!("seed {seed}: {query}: {other:?}"),
        };
        let answer: Vec<String> = answer.iter().map(Json::write).collect();
        let answer: std::collections::BTreeSet<String> = answer.into_iter().collect();
        let row = |bound: &Bound| {
            let terms: Vec<&str> = vars.iter().map(|var| bound[var].as_str()).collect();
            format!("[{}]", terms.join(","))
        };
        let expected: std::collections::BTreeSet<String> = rows.iter().map(row).collect();
        assert_eq!(answer, expected, "seed {seed}: {query} of {told:?}");
        found += usize::from(!expected.is_empty());
    }
    assert!(found > 300, "{found}");
}

/// So many persons with handles, and one long note each of a few.
fn many(count: u64, notes: u64, bytes: usize) -> World {
    let mut data = Vec::new();
    for number in 0..count {
        let handle = Value::string(&format!("p{number}"));
        data.push((person(number), HANDLE, handle));
        if number < notes {
            let note = format!("{}{number}", "a".repeat(bytes));
            data.push((person(number), NOTE, Value::string(&note)));
        }
    }
    world(data)
}

#[test]
fn a_key_of_many_terms_is_paid_and_held_as_wide_as_it_is() {
    let world = many(400, 1, 16 * 1_024);
    let grouped = |by: &str, items: &str| {
        let by = vec![by; 128].join(",");
        let query = format!(
            r#"{{"select":"(count ?a)","groupBy":[{by}],"limit":1,"where":[["?a","person/handle","?h"],{items}]}}"#
        );
        run(&world, &query).map(|it| it.write().len())
    };
    let wide = grouped(r#""?a","?b""#, r#"["?b","person/handle","?i"]"#);
    assert!(
        matches!(wide, Err(Error::Limit { .. } | Error::Facts(_))),
        "{wide:?}"
    );
    let long = grouped(r#""?n","?n""#, r#"["?a","person/note","?n"]"#);
    assert!(long.is_ok(), "{long:?}");
}

#[test]
fn rules_of_constants_and_optionals_are_rules() {
    let world = small();
    for (query, expected) in [
        (
            r#"{"select":"?x","where":[["(r ?x)"]],"rules":[["(r 1)",["(b 2)"],{"optional":[["?y","person/handle","?h"]]}],["(b 2)",["?p","person/handle",null]]]}"#,
            "[1]",
        ),
        (
            r#"{"select":"?x","where":[["?x",1],["(r ?x)"]],"rules":[["(r 1)",["(b 2)"],{"optional":[["?y","person/handle","?h"]]}],["(b 2)",["?p","person/handle",null]]]}"#,
            "[1]",
        ),
        (
            r#"{"select":"?x","where":[["?x",1],["(b 2)"],{"optional":[["?y","person/handle","jdoe"]]}],"rules":[["(b 2)",["?p","person/handle",null]]]}"#,
            "[1]",
        ),
    ] {
        check(&world, query, expected);
    }
}

#[test]
fn what_vars_give_is_not_written_out_wherever_it_stands() {
    let world = small();
    let text = "a".repeat(STRING_BYTES_MAX / 2);
    let asked = |items: &str, rest: &str| {
        let query = format!(
            r#"{{"select":"?h","vars":{{"?v":"{text}","?w":"a"}},"where":[["?p","person/handle","?h"],{items}]{rest}}}"#
        );
        run(&world, &query).map(|it| it.write())
    };
    let all = Ok(r#"["it's","jdoe","zsmith"]"#.to_owned());
    let filter = |more: &str| format!(r#"{{"filter":["(not (or (nil? ?v) (nil? ?v) {more}))"]}}"#);
    assert_eq!(asked(&filter("(nil? ?h)"), ""), all);
    let verb = r#"["?p","?v","?o"]"#.to_owned();
    for (items, wanted) in [
        (filter("(nil? ?w)"), "`vars` puts more"),
        (verb, "by a text"),
    ] {
        let why = asked(&items, "").map_err(|error| error.to_string());
        assert!(matches!(&why, Err(why) if why.contains(wanted)), "{why:?}");
    }
    // As often as it may stand, which is gigabytes if it is written out.
    let call = r#"["(r ?v ?v ?v ?v ?v ?v ?v ?v)"]"#;
    let calls = vec![call; QUERY_CLAUSES_MAX - 1].join(",");
    let ones: Vec<String> = (0..8).map(|n| format!(r#"["?a{n}",1]"#)).collect();
    let head = "?a0 ?a1 ?a2 ?a3 ?a4 ?a5 ?a6 ?a7";
    let rules = format!(r#","rules":[["(r {head})",{}]]"#, ones.join(","));
    let answer = asked(&calls, &rules);
    assert!(matches!(answer, Err(Error::Facts(_))), "{answer:?}");
}

#[test]
fn a_long_key_is_paid_wherever_it_is_told() {
    let world = many(1_000, 0, 0);
    let long = "k".repeat(300 * 1_024);
    for query in [
        format!(
            r#"{{"select":["?{long}"],"prettyPrint":true,"where":[["?{long}","person/handle",null]]}}"#
        ),
        format!(r#"{{"select":[{{"person/handle":[{{"_as":"{long}"}}]}}],"from":"person"}}"#),
    ] {
        let answer = run(&world, &query);
        assert!(
            matches!(answer, Err(Error::Facts(_))),
            "{:?}",
            answer.map(|it| it.write().len())
        );
    }
}
