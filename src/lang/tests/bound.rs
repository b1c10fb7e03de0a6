//! A text that is written anew after a rename says what it said.

use std::sync::Arc;

use super::noise::Chance;
use super::support::{Book, book, context, person, predicate};
use super::twin::{facts, truth};
use crate::base::Budget;
use crate::lang::bound::{Bound, Renamed};
use crate::lang::context::Context;
use crate::lang::function::Function;
use crate::lang::question::NoQueries;
use crate::model::system::predicate as system;
use crate::model::{PredicateId, SubjectId};

/// The name that each predicate and function gets: predicates of `person` change places among each other.
fn renamed(name: &str) -> String {
    match name {
        "person/age" => "human/handle".to_owned(),
        "person/handle" => "human/age".to_owned(),
        "person/boss" => "human/friend".to_owned(),
        "person/friend" => "human/boss".to_owned(),
        "same" => "of".to_owned(),
        "of" => "same".to_owned(),
        "mine" => "is/mine?".to_owned(),
        other => other.replace("person/", "human/"),
    }
}

fn written(text: &str, params: &[String], book: &Book) -> Result<String, crate::lang::Error> {
    let bound = Bound::of(text, params, book, &NoQueries)?;
    let predicates: Vec<(PredicateId, String)> = book
        .predicates
        .iter()
        .map(|(name, it)| (it.id, renamed(name)))
        .collect();
    let functions: Vec<(SubjectId, String)> = book
        .functions
        .iter()
        .map(|(name, it)| (it.subject, renamed(name)))
        .collect();
    let predicate = |id| {
        let found = predicates.iter().find(|(of, _)| *of == id);
        found.map(|(_, name)| name.as_str())
    };
    let function = |s| {
        let found = functions.iter().find(|(of, _)| *of == s);
        found.map(|(_, name)| name.as_str())
    };
    Ok(bound.write(&predicate, &function))
}

/// The same predicates and functions under their new names.
fn book_after(before: &Book) -> Book {
    let mut after = Book::default();
    for (name, it) in &before.predicates {
        after.predicates.insert(renamed(name), *it);
    }
    for (name, it) in &before.functions {
        let mut it = it.clone();
        it.code = Arc::from(written(&it.code, &it.params, before).unwrap());
        after.functions.insert(renamed(name), it);
    }
    after
}

#[test]
fn a_text_written_anew_says_and_spends_what_it_did() {
    let seed = 3;
    println!("seed {seed}: cargo test --lib a_text_written_anew_says");
    let mut chance = Chance(seed);
    let before = book();
    let after = book_after(&before);
    let mut changed = 0;
    for round in 0..6_000 {
        let depth = 1 + chance.below(4);
        let beside = [
            "(== (?p) \"person/age\")",
            "(contains? [\"person/handle\" \"person/age\"] (?p))",
            "(contains? (hash-set \"x\" \"person/age\") (?p))",
            "(same \"person/age\" (?p))",
            "(not= (get (?s) \"person/handle\") \"person/handle\")",
            "(mine)",
        ][chance.below(6)];
        let text = format!("(and\n  {} , {beside})", truth(&mut chance, depth));
        let memory = facts(&mut chance);
        let user = (chance.below(5) > 0).then(|| person(1));
        let asked = |name: &'static str| Context {
            subject: Some(person(0)),
            user,
            predicate_name: Some(name),
            ..context()
        };
        let anew = written(&text, &[], &before).unwrap();
        changed += usize::from(anew != text);
        let says = |text: &str, book: &Book, name| {
            let function = Function::compile(text, &[], book, &NoQueries)
                .unwrap_or_else(|error| panic!("round {round}: {text}: {error}"));
            let budget = Budget::new(1_000_000, None);
            let value = function.evaluate(&[], &asked(name), &memory, &budget);
            (value, budget.spent())
        };
        assert_eq!(
            says(&text, &before, "person/age"),
            says(&anew, &after, "human/handle"),
            "round {round}: {text}\n{anew}"
        );
        let same = Bound::of(&text, &[], &before, &NoQueries).unwrap();
        assert_eq!(same.write(&|_| None, &|_| None), text, "round {round}");
    }
    assert!(changed > 5_000, "{changed}");
}

#[test]
fn a_name_is_one_where_it_is_used_as_one() {
    for (text, anew) in [
        // What is no name stays byte for byte.
        (
            "( and\n\ttrue,(==  1 1.50) (nil? \"\\u0061\") )",
            "( and\n\ttrue,(==  1 1.50) (nil? \"\\u0061\") )",
        ),
        ("(get (?s) \"person/age\")", "(get (?s) \"human/handle\")"),
        // An escaped name is one, too.
        (
            "(get (?s) \"\\u0070erson/age\")",
            "(get (?s) \"human/handle\")",
        ),
        (
            "(get-all (?s) [\"person/_friend+\" \"person/boss*\" \"person/age\"])",
            "(get-all (?s) [\"human/_boss+\" \"human/friend*\" \"human/handle\"])",
        ),
        (
            "(get-all (?s) \"person/age\")",
            "(get-all (?s) \"human/handle\")",
        ),
        (
            "(get [\"person/handle\" \"person/handle\"] \"person/age\")",
            "(get [\"human/age\" \"person/handle\"] \"human/handle\")",
        ),
        // An argument is what the function that it is given to makes of it.
        (
            "(of [\"person/handle\" \"a\"])",
            "(same [\"human/age\" \"a\"])",
        ),
        (
            "(same [\"person/handle\" \"a\"] 1)",
            "(of [\"person/handle\" \"a\"] 1)",
        ),
        ("(== (?p) \"person/age\")", "(== (?p) \"human/handle\")"),
        (
            "(== \"person/age\" \"person/age\")",
            "(== \"person/age\" \"person/age\")",
        ),
        (
            "(== (?p) \"person/none\" nil)",
            "(== (?p) \"person/none\" nil)",
        ),
        (
            "(max-pred-val \"person/age\")",
            "(max-pred-val \"human/handle\")",
        ),
        (
            "(get (?context) \"person/age\")",
            "(get (?context) \"person/age\")",
        ),
        ("(mine)", "(is/mine?)"),
    ] {
        assert_eq!(written(text, &[], &book()).as_deref(), Ok(anew), "{text}");
    }
}

#[test]
fn a_text_that_sees_names_otherwise_says_so() {
    let mut book = book();
    let mut named = *book.predicates.get("person/handle").unwrap();
    for (name, id) in [
        ("_predicate/name", system::PREDICATE_NAME),
        ("_collection/name", system::COLLECTION_NAME),
        ("_fn/name", system::FN_NAME),
        ("_fn/code", system::FN_CODE),
        ("_tag/id", system::TAG_ID),
    ] {
        named.id = id;
        book.predicates.insert(name.to_owned(), named);
    }
    book.function_is("both", &["x"], "(== (count x) (get x \"person/age\"))");
    let state = Renamed::TagOf(predicate("person/state"));
    let (p, c, f) = (Renamed::Predicate, Renamed::Collection, Renamed::Function);
    let kinds = [p, c, f, state];
    for (text, sees) in [
        ("(== (?sid) 1)", &[][..]),
        ("(== (?p) \"person/age\")", &[]),
        ("(== (?p) \"person/age\" (?p) nil)", &[]),
        ("(contains? [\"person/age\"] (?p))", &[]),
        ("(== (?p) (str \"person/\" \"age\"))", &[p, c]),
        ("(contains? [\"person/age\" (?p)] \"x\")", &[p, c]),
        ("(contains? [(?p)] (?p))", &[p, c]),
        ("(re-find \"^person\" (?p))", &[p, c]),
        ("(nil? (?p))", &[p, c]),
        // One literal that is a two-tuple's name and a text of a list at once.
        ("(both [\"person/handle\" \"a\"])", &[p, c]),
        ("(get (?pid) \"_predicate/name\")", &[p, c]),
        ("(get (?sid) \"_collection/name\")", &[c]),
        ("(get (?sid) \"_fn/name\")", &[f]),
        ("(get (?sid) \"_fn/code\")", &[p, c, f]),
        ("(== (?p) \"_fn/name\")", &[]),
        (
            "(get [\"_tag/id\" \"person/state:open\"] \"person/age\")",
            &[p, c, state],
        ),
        ("(== (get (?s) \"person/state\") \"open\")", &[state]),
        ("(== (get (?s) \"person/labels\") \"open\")", &[]),
        ("(== (?o) \"open\")", &[state]),
        ("(== (?pO) \"open\")", &[state]),
    ] {
        let bound = Bound::of(text, &[], &book, &NoQueries).unwrap();
        let told: Vec<_> = kinds.into_iter().filter(|it| bound.sees(*it)).collect();
        assert_eq!(told, sees, "{text}");
    }
}

#[test]
fn a_text_knows_what_it_names() {
    let book = book();
    let bound = Bound::of(
        "(same (of [\"person/handle\" \"a\"]) (get (?s) \"person/number\"))",
        &[],
        &book,
        &NoQueries,
    )
    .unwrap();
    for (name, names, finds) in [
        ("person/handle", true, true),
        ("person/number", true, false),
        // The text of `of` names it, and not this one.
        ("person/age", false, false),
    ] {
        let id = predicate(name);
        assert_eq!(
            (bound.names(id), bound.finds_by(id)),
            (names, finds),
            "{name}"
        );
    }
    let calls = |name: &str| bound.calls(book.functions[name].subject);
    assert!(calls("same") && calls("of") && !calls("mine"));
}
