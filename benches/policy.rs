//! What a rule's decision costs over the reads it cannot do without.
//!
//! Workload: 20,000 documents of six flakes in 2,000 teams of 200 departments, read by a user who owns one document
//! in ten; a decision is `View::sees` of a document's title, each time of another document, the permissions warm.
//! Unit: nanoseconds a decision or a flake, the median of eleven rounds. The floor of a decision is a bare redb `get`
//! of each row on the rule's path, in a copy of the same file; the floor of a filtered scan is root's scan.
//! Run with `cargo bench --no-default-features --bench policy`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use floor::{Bare, Measured, Round, in_turns, key, mixed};
use solon::Database;
use solon::base::Budget;
use solon::model::{CollectionId, Direction, Fact, Facts, PredicateId, SubjectId, Value, ValueRef};
use solon::policy::{Op, Permissions, Policy, View};
use solon::query::queries_of;
use solon::schema::Schema;
use solon::store::{Cached, Snapshot, Store};

const DOCUMENTS: u64 = 20_000;
const TEAMS: u64 = 2_000;
const DEPARTMENTS: u64 = 200;
const USERS: u64 = 10;
const PROBES: u64 = 2_000;
const ROUNDS: usize = 11;
const NOW_MS: i64 = 1_767_225_600_000;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "doc"},
  {"_id": "_collection", "name": "team"},
  {"_id": "_collection", "name": "department"},
  {"_id": "_predicate", "name": "doc/title", "type": "string"},
  {"_id": "_predicate", "name": "doc/state", "type": "string"},
  {"_id": "_predicate", "name": "doc/size", "type": "int"},
  {"_id": "_predicate", "name": "doc/pages", "type": "int"},
  {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
  {"_id": "_predicate", "name": "doc/team", "type": "ref", "restrictCollection": "team"},
  {"_id": "_predicate", "name": "team/key", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "team/department", "type": "ref", "restrictCollection": "department"},
  {"_id": "_predicate", "name": "department/key", "type": "string", "unique": true},
  {"_id": "_predicate", "name": "department/head", "type": "ref", "restrictCollection": "_user"}]"#;

/// A role a rule, each held by an auth of its name, all of them of the first user.
const POLICY: &str = r#"[
  {"_id": "_fn$owner", "name": "owner", "code": "(== (get (?s) \"doc/owner\") (?user_id))"},
  {"_id": "_fn$head", "name": "head",
   "code": "(relationship? (?s) [\"doc/team\" \"team/department\" \"department/head\"] (?user_id))"},
  {"_id": "_role$constant", "id": "constant", "rules": [{"_id": "_rule", "id": "constant", "collection": "doc",
   "predicates": ["*"], "fns": [["_fn/name", "true"]], "ops": ["query"]},
   {"_id": "_rule$teams", "id": "teams", "collection": "team",
   "predicates": ["*"], "fns": [["_fn/name", "true"]], "ops": ["query"]},
   {"_id": "_rule$users", "id": "users", "collection": "_user",
   "predicates": ["_user/username"], "fns": [["_fn/name", "true"]], "ops": ["query"]}]},
  {"_id": "_role$owner", "id": "owner", "rules": [{"_id": "_rule", "id": "owner", "collection": "doc",
   "predicates": ["*"], "fns": ["_fn$owner"], "ops": ["query"]},
   "_rule$teams", "_rule$users"]},
  {"_id": "_role$head", "id": "head", "rules": [{"_id": "_rule", "id": "head", "collection": "doc",
   "predicates": ["*"], "fns": ["_fn$head"], "ops": ["query"]},
   "_rule$teams", "_rule$users"]},
  {"_id": "_user$0", "username": "user-0", "auth": [
   {"_id": "_auth", "id": "constant", "roles": ["_role$constant"]},
   {"_id": "_auth", "id": "owner", "roles": ["_role$owner"]},
   {"_id": "_auth", "id": "head", "roles": ["_role$head"]}]}]"#;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    load(&path);
    let bare = Bare::copy(&path, &directory.path().join("bare"));
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    let bench = Bench::new(&snapshot, &bare);
    bench.decisions();
    bench.scans();
}

fn load(path: &Path) {
    let database = Database::open(path).unwrap();
    database.transact(SCHEMA).unwrap();
    database.transact(POLICY).unwrap();
    items(&database, 1, USERS, |n| {
        format!(r#"{{"_id": "_user", "username": "user-{n}"}}"#)
    });
    items(&database, 0, DEPARTMENTS, |n| {
        let head = n % USERS;
        format!(
            r#"{{"_id": "department", "key": "d{n}", "head": ["_user/username", "user-{head}"]}}"#
        )
    });
    items(&database, 0, TEAMS, |n| {
        let of = n % DEPARTMENTS;
        format!(r#"{{"_id": "team", "key": "t{n}", "department": ["department/key", "d{of}"]}}"#)
    });
    items(&database, 0, DOCUMENTS, |n| {
        let (team, owner) = (mixed(n) % TEAMS, mixed(n + 7) % USERS);
        format!(
            r#"{{"_id": "doc", "title": "document {n}", "state": "open", "size": {}, "pages": {},
                "owner": ["_user/username", "user-{owner}"], "team": ["team/key", "t{team}"]}}"#,
            mixed(n) % 10_000,
            n % 300
        )
    });
    database.close();
}

fn items(database: &Database, from: u64, to: u64, item: impl Fn(u64) -> String) {
    for start in (from..to).step_by(5_000) {
        let mut text = String::from("[");
        for n in start..to.min(start + 5_000) {
            let comma = if n == start { "" } else { "," };
            write!(text, "{comma}{}", item(n)).unwrap();
        }
        text.push(']');
        database.transact(&text).unwrap();
    }
}

/// A document whose title is looked at, and the keys of the rows on its path.
struct Probe {
    s: SubjectId,
    title: Value,
    keys: [Vec<u8>; 3],
}

struct Bench<'a> {
    snapshot: &'a Snapshot,
    bare: &'a Bare,
    schema: Arc<Schema>,
    policy: Policy,
    title: PredicateId,
    documents: CollectionId,
    probes: Vec<Probe>,
}

impl<'a> Bench<'a> {
    fn new(snapshot: &'a Snapshot, bare: &'a Bare) -> Self {
        let schema = Arc::new(Schema::load(snapshot).unwrap());
        let predicate = |name| schema.predicate_named(name).unwrap().id;
        let title = predicate("doc/title");
        let documents = schema.collection_named("doc").unwrap().id;
        let one = |s, p| snapshot.value_list(s, p).unwrap().remove(0);
        let target = |s, p| match one(s, p) {
            Value::Ref(target) => target,
            other => panic!("no ref: {other:?}"),
        };
        let probe = |n| {
            let s = SubjectId::new(documents, mixed(n) % DOCUMENTS).unwrap();
            let team = target(s, predicate("doc/team"));
            let department = target(team, predicate("team/department"));
            Probe {
                s,
                title: one(s, title),
                keys: [key(s), key(team), key(department)],
            }
        };
        let probes = (0..PROBES).map(probe).collect();
        Self {
            policy: Policy::new(Arc::clone(&schema), queries_of),
            snapshot,
            bare,
            schema,
            title,
            documents,
            probes,
        }
    }

    fn permissions(&self, auth: &str) -> Arc<Permissions> {
        let p = self.schema.predicate_named("_auth/id").unwrap().id;
        let found = self
            .snapshot
            .subject_list(p, ValueRef::String(auth))
            .unwrap();
        let auth = found
            .first()
            .copied()
            .unwrap_or(solon::model::system::ROOT_AUTH);
        self.policy
            .permissions(auth, &Op::query(), self.snapshot)
            .unwrap()
    }

    /// A round of decisions on the probes.
    fn deciding(&self, auth: &str, expected: u64) -> Round<'_> {
        let permissions = self.permissions(auth);
        Box::new(move || {
            let budget = Budget::new(u64::MAX, None);
            let schema = Arc::clone(&self.schema);
            let view = View::new(
                Arc::clone(&permissions),
                schema,
                self.snapshot,
                NOW_MS,
                &budget,
            );
            let mut seen = 0;
            for probe in &self.probes {
                let fact = Fact {
                    s: probe.s,
                    p: self.title,
                    o: probe.title.borrow(),
                    t: self.snapshot.basis(),
                };
                seen += u64::from(view.sees(black_box(fact)).unwrap());
            }
            let share = seen * expected;
            assert!(
                share > PROBES / 2 && share < PROBES * 2,
                "{seen} of {PROBES}"
            );
        })
    }

    /// A round of bare reads on the paths of the probes.
    fn getting(&self, rows: usize) -> Round<'_> {
        Box::new(move || {
            for probe in &self.probes {
                for key in &probe.keys[..rows] {
                    black_box(self.bare.get(black_box(key)));
                }
            }
        })
    }

    fn decisions(&self) {
        let told = in_turns(
            ROUNDS,
            vec![
                self.getting(1),
                self.deciding("constant", 1),
                self.deciding("owner", 10),
            ],
        );
        tell("bare get", told[0], PROBES);
        tell("constant rule, over one get", told[1], PROBES);
        tell("owner rule, over one get", told[2], PROBES);
        let told = in_turns(ROUNDS, vec![self.getting(3), self.deciding("head", 10)]);
        tell("three bare gets", told[0], PROBES);
        tell("rule of three hops, over three gets", told[1], PROBES);
    }

    /// A round of walking the whole collection.
    fn scanning(&self, auth: &str) -> Round<'_> {
        let permissions = self.permissions(auth);
        Box::new(move || {
            let budget = Budget::new(u64::MAX, None);
            let schema = Arc::clone(&self.schema);
            let facts = Cached::new(self.snapshot);
            let view = View::new(Arc::clone(&permissions), schema, &facts, NOW_MS, &budget);
            view.collection(self.documents, Direction::Descending, None, &mut |fact| {
                black_box(fact);
                ControlFlow::Continue(())
            })
            .unwrap();
        })
    }

    fn scans(&self) {
        let things = ["root", "constant", "owner", "head"].map(|auth| self.scanning(auth));
        let told = in_turns(ROUNDS, things.into());
        let flakes = DOCUMENTS * 6;
        tell("root's scan, a flake", told[0], flakes);
        tell("scan by the constant rule, over root's", told[1], flakes);
        tell("scan by the owner rule, over root's", told[2], flakes);
        tell("scan by three hops, over root's", told[3], flakes);
    }
}

fn tell(what: &str, measured: Measured, count: u64) {
    let each = measured.nanoseconds / count as f64;
    println!("{what:<40} {each:>8.1} ns  {:>6.2}", measured.ratio);
}
