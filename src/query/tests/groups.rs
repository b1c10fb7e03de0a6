//! Optionals, unions and tests, and nulls between them.

use super::{check, refused, small};

/// What `where` binds of `?h` and more.
fn rows(select: &str, items: &str, expected: &str) {
    let query = format!(r#"{{"select":[{select}],"where":[{items}]}}"#);
    check(&small(), &query, expected);
}

const HANDLE: &str = r#"["?p","person/handle","?h"]"#;

#[test]
fn an_optional_adds_what_there_is_and_else_nulls() {
    for (items, expected) in [
        (
            r#"{"optional":[["?p","person/age","?x"]]}"#,
            r#"[["it's",null],["jdoe",25],["zsmith",63]]"#,
        ),
        (
            r#"{"optional":[["?p","person/favNums","?x"]]}"#,
            r#"[["it's",null],["jdoe",-2],["jdoe",0],["jdoe",12],["zsmith",5]]"#,
        ),
        // It is one group: all of it, or nothing.
        (
            r#"{"optional":[["?p","person/age","?x"],["?p","person/best","?b"]]}"#,
            r#"[["it's",null],["jdoe",null],["zsmith",63]]"#,
        ),
        // Nested.
        (
            r#"{"optional":[["?p","person/best","?b"],{"optional":[["?b","person/age","?x"]]}]}"#,
            r#"[["it's",null],["jdoe",null],["zsmith",25]]"#,
        ),
        // What it finds for one row is not there for another.
        (
            r#"{"optional":[["?c","chat/person","?p"],["?c","chat/message","?x"]]}"#,
            r#"[["it's",null],["jdoe","hi"],["jdoe","yo"],["zsmith","ho"]]"#,
        ),
        // A null joins nothing, not even in another optional that is about it.
        (
            r#"{"optional":[["?p","person/best","?b"]]},{"not":[["?b","person/handle","?x"]]},["?p","person/active","?x"]"#,
            r#"[["it's",false],["jdoe",true]]"#,
        ),
        (
            r#"{"optional":[["?p","person/best","?x"]]},{"exists":[["?x","person/handle","?y"]]}"#,
            r#"[["zsmith",P0]]"#,
        ),
    ] {
        rows(r#""?h","?x""#, &format!("{HANDLE},{items}"), expected);
        rows(r#""?h","?x""#, &format!("{items},{HANDLE}"), expected);
    }
}

#[test]
fn an_optional_needs_something_beside_it_and_its_variables_for_itself() {
    let world = small();
    let query = |items: &str| format!(r#"{{"select":"?p","where":[{items}]}}"#);
    for (items, at, why) in [
        (
            r#"{"optional":[["?p","person/age","?x"]]}"#,
            "/where",
            "an optional needs clauses",
        ),
        (
            r#"["?p","person/handle","?h"],{"optional":[["?p","person/age","?x"]]},{"optional":[["?q","person/age","?x"]]}"#,
            "/where/1/optional",
            "`?x`",
        ),
    ] {
        refused(&world, &query(items), at, why);
    }
}

#[test]
fn a_union_is_what_any_group_binds_padded_with_nulls() {
    for (items, expected) in [
        (
            r#"{"union":[[["?p","person/age","?x"]],[["?p","person/favNums","?x"]]]}"#,
            r#"[["jdoe",-2],["jdoe",0],["jdoe",12],["jdoe",25],["zsmith",5],["zsmith",63]]"#,
        ),
        (
            r#"{"union":[[["?p","person/age","?x"]],[["?p","person/active","?y"]]]}"#,
            r#"[["it's",null],["jdoe",null],["jdoe",25],["zsmith",63]]"#,
        ),
        // Each group sees what its filters need, and nothing is multiplied by it.
        (
            r#"{"union":[[["?p","person/age","?x"],{"filter":["(= ?h \"jdoe\")"]}],[["?p","person/favNums","?x"],{"filter":["(= ?x 5)"]}]]}"#,
            r#"[["jdoe",25],["zsmith",5]]"#,
        ),
        // A group that binds less joins nothing where what it lacks is bound.
        (
            r#"["?p","person/age","?x"],{"union":[[["?p","person/age","?x"]],[["?p","person/active","?y"]]]}"#,
            r#"[["jdoe",25],["zsmith",63]]"#,
        ),
        (
            r#"{"union":[[["?p","person/age","?x"]],[["?p","person/best","?b"],{"optional":[["?b","person/age","?x"]]}]]}"#,
            r#"[["jdoe",25],["zsmith",25],["zsmith",63]]"#,
        ),
    ] {
        rows(r#""?h","?x""#, &format!("{HANDLE},{items}"), expected);
        rows(r#""?h","?x""#, &format!("{items},{HANDLE}"), expected);
    }
}

#[test]
fn a_test_keeps_the_rows_that_its_group_has_a_row_for_or_none() {
    for (items, expected) in [
        (
            r#"{"exists":[["?p","person/age",null]]}"#,
            r#"["jdoe","zsmith"]"#,
        ),
        (r#"{"not":[["?p","person/age",null]]}"#, r#"["it's"]"#),
        (r#"{"not":[["?c","chat/person","?p"]]}"#, r#"["it's"]"#),
        // Variables of its own: the same name elsewhere is another.
        (
            r#"{"not":[["?c","chat/to","?p"]]},{"exists":[["?c","chat/person","?p"]]}"#,
            r#"["zsmith"]"#,
        ),
        (
            r#"{"exists":[["?q","person/age",63]]}"#,
            r#"["it's","jdoe","zsmith"]"#,
        ),
        (r#"{"exists":[["?q","person/age",64]]}"#, "[]"),
        (
            r#"{"not":[["?q","person/age",64]]}"#,
            r#"["it's","jdoe","zsmith"]"#,
        ),
        (
            r#"{"exists":[["?p","person/follows","?q"],["?q","person/follows","?p"]]}"#,
            r#"["jdoe","zsmith"]"#,
        ),
        (
            r#"{"not":[["?p","person/follows","?q"],{"not":[["?q","person/age","?a"]]}]}"#,
            r#"["it's","zsmith"]"#,
        ),
        (
            r#"{"exists":[["?p","person/age","?a"],{"filter":["(> ?a 30)"]}]}"#,
            r#"["zsmith"]"#,
        ),
        (
            r#"{"exists":[["?c","chat/message","?m"],["?c","chat/person","?p"],{"filter":["(= ?h \"jdoe\")"]}]}"#,
            r#"["jdoe"]"#,
        ),
        (
            r#"{"exists":[["?p","person/best","?b"],{"optional":[["?b","person/note","?n"]]},{"filter":["(nil? ?n)"]}]}"#,
            r#"["zsmith"]"#,
        ),
    ] {
        for items in [format!("{HANDLE},{items}"), format!("{items},{HANDLE}")] {
            let query = format!(r#"{{"select":"?h","where":[{items}]}}"#);
            check(&small(), &query, expected);
        }
    }
    // Alone it is a question of yes or no.
    check(
        &small(),
        r#"{"select":"?x","where":[{"bind":{"?x":1}},{"not":[["?p","person/age",64]]}]}"#,
        "[1]",
    );
}
