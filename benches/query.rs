//! What a query costs a reader with rules, over what the same query costs root.
//!
//! Workload: 100,000 documents of seven flakes in 10,000 teams. Every document is visible to every auth that asks, so
//! that all of them are told the same rows; what differs is only what their rules look at: nothing, the document's
//! owner, or the owner under two rules that take turns within a row. Unit: nanoseconds a row of the answer, the median
//! of seven rounds, and the ratio to root's of the same round.
//! Run with `cargo bench --no-default-features --bench query`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::hint::black_box;

use floor::{Measured, Round, in_turns, mixed};
use solon::Database;

const DOCUMENTS: u64 = 100_000;
const TEAMS: u64 = 10_000;
const STATES: u64 = 10;
const ROUNDS: usize = 7;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "doc"},
  {"_id": "_collection", "name": "team"},
  {"_id": "_predicate", "name": "doc/title", "type": "string"},
  {"_id": "_predicate", "name": "doc/state", "type": "string", "index": true},
  {"_id": "_predicate", "name": "doc/size", "type": "int"},
  {"_id": "_predicate", "name": "doc/pages", "type": "int"},
  {"_id": "_predicate", "name": "doc/note", "type": "string"},
  {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
  {"_id": "_predicate", "name": "doc/team", "type": "ref", "restrictCollection": "team"},
  {"_id": "_predicate", "name": "team/key", "type": "string", "unique": true}]"#;

/// A role a rule, each held by an auth of its name, all of them of one user.
const POLICY: &str = r#"[
  {"_id": "_fn$owner", "name": "owner", "code": "(== (get (?s) \"doc/owner\") (?user_id))"},
  {"_id": "_fn$again", "name": "again", "code": "(== (?user_id) (get (?s) \"doc/owner\"))"},
  {"_id": "_rule$teams", "id": "teams", "collection": "team",
   "predicates": ["*"], "fns": [["_fn/name", "true"]], "ops": ["query"]},
  {"_id": "_rule$users", "id": "users", "collection": "_user",
   "predicates": ["_user/username"], "fns": [["_fn/name", "true"]], "ops": ["query"]},
  {"_id": "_role$constant", "id": "constant", "rules": [{"_id": "_rule", "id": "constant", "collection": "doc",
   "predicates": ["*"], "fns": [["_fn/name", "true"]], "ops": ["query"]}, "_rule$teams", "_rule$users"]},
  {"_id": "_role$owner", "id": "owner", "rules": [{"_id": "_rule", "id": "owner", "collection": "doc",
   "predicates": ["*"], "fns": ["_fn$owner"], "ops": ["query"]}, "_rule$teams", "_rule$users"]},
  {"_id": "_role$two", "id": "two", "rules": [
   {"_id": "_rule", "id": "one", "collection": "doc",
    "predicates": ["doc/title", "doc/size", "doc/team"], "fns": ["_fn$owner"], "ops": ["query"]},
   {"_id": "_rule", "id": "other", "collection": "doc",
    "predicates": ["doc/state", "doc/pages", "doc/owner", "doc/note"], "fns": ["_fn$again"], "ops": ["query"]},
   "_rule$teams", "_rule$users"]},
  {"_id": "_user", "username": "ann", "auth": [
   {"_id": "_auth", "id": "constant", "roles": ["_role$constant"]},
   {"_id": "_auth", "id": "owner", "roles": ["_role$owner"]},
   {"_id": "_auth", "id": "two", "roles": ["_role$two"]}]}]"#;

/// Those who ask, the first of them being the floor.
const AUTHS: [&str; 4] = ["root", "constant", "owner", "two"];

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let database = load(&directory.path().join("db"));
    filtered(&database);
}

fn load(path: &std::path::Path) -> Database {
    let database = Database::open(path).unwrap();
    database.transact(SCHEMA).unwrap();
    database.transact(POLICY).unwrap();
    items(&database, TEAMS, |n| {
        format!(r#"{{"_id": "team", "key": "t{n}"}}"#)
    });
    items(&database, DOCUMENTS, |n| {
        let (state, team) = (n % STATES, mixed(n) % TEAMS);
        let (size, pages) = (mixed(n + 1) % 10_000, n % 300);
        format!(
            r#"{{"_id": "doc", "title": "document {n}", "state": "s{state}", "size": {size}, "pages": {pages},
                "note": "noted {n} times", "owner": ["_user/username", "ann"], "team": ["team/key", "t{team}"]}}"#
        )
    });
    database
}

fn items(database: &Database, to: u64, item: impl Fn(u64) -> String) {
    for start in (0..to).step_by(5_000) {
        let mut text = String::from("[");
        for n in start..to.min(start + 5_000) {
            let comma = if n == start { "" } else { "," };
            write!(text, "{comma}{}", item(n)).unwrap();
        }
        text.push(']');
        database.transact(&text).unwrap();
    }
}

/// A query as each auth sees its rows, over root's.
fn filtered(database: &Database) {
    let every = DOCUMENTS;
    let one_state = DOCUMENTS / STATES;
    for (what, rows, query) in [
        (
            "walk",
            every,
            r#"{"select": ["?t", "?n"], "where": [["?d", "doc/title", "?t"], ["?d", "doc/size", "?n"]]}"#,
        ),
        (
            "walk, a ref",
            every,
            r#"{"select": ["?t", "?m"], "where": [["?d", "doc/title", "?t"], ["?d", "doc/team", "?m"]]}"#,
        ),
        (
            "by value",
            one_state,
            r#"{"select": ["?t", "?n"], "where": [
                ["?d", "doc/state", "s3"], ["?d", "doc/title", "?t"], ["?d", "doc/size", "?n"]]}"#,
        ),
        (
            "by value, a ref",
            one_state,
            r#"{"select": ["?t", "?k"], "where": [["?d", "doc/state", "s3"], ["?d", "doc/title", "?t"],
                ["?d", "doc/team", "?m"], ["?m", "team/key", "?k"]]}"#,
        ),
        (
            "crawl",
            one_state,
            r#"{"select": ["*"], "from": "doc", "where": "doc/state = 's3'", "limit": 100000}"#,
        ),
    ] {
        let things = AUTHS.map(|auth| -> Round<'_> {
            Box::new(move || {
                let answer = database.view(auth).unwrap().query(query).unwrap();
                let told = answer.body.matches("document ").count();
                assert_eq!(u64::try_from(told).unwrap(), rows, "{what} of {auth}");
                black_box(answer);
            })
        });
        for (auth, measured) in AUTHS.iter().zip(in_turns(ROUNDS, things.into())) {
            tell(&format!("{what}: {auth}"), measured, rows);
        }
    }
}

fn tell(what: &str, measured: Measured, count: u64) {
    let each = measured.nanoseconds / count as f64;
    println!("{what:<40} {each:>8.1} ns  {:>6.2}", measured.ratio);
}
