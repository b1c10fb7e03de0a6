//! Recursive rules as a bearer sees them: the same query, and nothing goes over what is hidden.
//!
//! Run with `cargo run --example datalog --no-default-features`.

use std::error::Error;

use solon::Database;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Database::open(dir.path().join("app.redb"))?;

    // People have a boss, and some of them are on leave.
    db.transact(
        r#"[{"_id": "_collection", "name": "person"},
            {"_id": "_predicate", "name": "person/name", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "person/boss", "type": "ref", "restrictCollection": "person"},
            {"_id": "_predicate", "name": "person/leave", "type": "boolean"}]"#,
    )?;
    db.transact(
        r#"[{"_id": "person$ann", "name": "ann"},
            {"_id": "person$bob", "name": "bob", "boss": "person$ann"},
            {"_id": "person$cyd", "name": "cyd", "boss": "person$bob", "leave": true},
            {"_id": "person$dan", "name": "dan", "boss": "person$cyd"}]"#,
    )?;

    // A guest sees who is at work, and the stored rules, since whoever calls them must see them.
    db.transact(
        r#"[{"_id": "_fn$work", "name": "atWork", "code": "(not (coalesce (get (?s) \"person/leave\") false))"},
            {"_id": "_role$guest", "id": "guest", "rules": [
              {"_id": "_rule", "id": "peopleAtWork", "collection": "person", "predicates": ["*"],
               "fns": ["_fn$work"], "ops": ["query"]},
              {"_id": "_rule", "id": "functions", "collection": "_fn",
               "predicates": ["_fn/name", "_fn/code", "_fn/language"],
               "fns": [["_fn/name", "true"]], "ops": ["query"]},
              {"_id": "_rule", "id": "tags", "collection": "_tag", "predicates": ["_tag/id"],
               "fns": [["_fn/name", "true"]], "ops": ["query"]}]},
            {"_id": "_auth", "id": "guest", "roles": ["_role$guest"]}]"#,
    )?;

    // The query brings its rules: somebody is under their boss, and under whom that one is under.
    let own = r#"{"select": "?name",
        "where": [["?ann", "person/name", "ann"], ["(under ?x ?ann)"], ["?x", "person/name", "?name"]],
        "rules": [["(under ?x ?boss)", ["?x", "person/boss", "?boss"]],
                  ["(under ?x ?boss)", ["?x", "person/boss", "?other"], ["(under ?other ?boss)"]]]}"#;
    assert_eq!(db.root().query(own)?.body, r#"["bob","cyd","dan"]"#);
    // `dan` is at work, and yet not found: to the guest there is nobody between him and `bob`.
    assert_eq!(db.view("guest")?.query(own)?.body, r#"["bob"]"#);

    // Or they are stored, and every query of who may see them calls them.
    let under = r#"[[\"(under ?x ?boss)\", [\"?x\", \"person/boss+\", \"?boss\"]]]"#;
    db.transact(&format!(
        r#"[{{"_id": "_fn", "name": "under", "language": "datalog", "code": "{under}"}}]"#
    ))?;
    let stored = r#"{"select": "(as (count ?x) ?size)",
        "where": [["(under ?x ?b)"], ["?b", "person/name", "?boss"]],
        "groupBy": "?boss", "having": "(> ?size 1)"}"#;
    assert_eq!(db.root().query(stored)?.body, r#"{"ann":3,"bob":2}"#);
    assert_eq!(db.view("guest")?.query(stored)?.body, "{}");

    // `cyd` is back, and the guest's next query goes over her.
    db.transact(r#"[{"_id": ["person/name", "cyd"], "leave": false}]"#)?;
    let guest = db.view("guest")?;
    assert_eq!(guest.query(own)?.body, r#"["bob","cyd","dan"]"#);
    assert_eq!(guest.query(stored)?.body, db.root().query(stored)?.body);
    Ok(())
}
