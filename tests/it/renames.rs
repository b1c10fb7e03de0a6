//! A rename changes nobody's rights: on random worlds, and where somebody tries to make it. And what follows from one,
//! or from a change of type, has its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use solon::base::Budget;
use solon::base::limits::{
    COMMIT_FLAKES_MAX, NAME_BYTES_MAX, RULE_SYMBOL_BYTES_MAX, RULE_TEXT_BYTES_MAX,
};
use solon::model::system::{ROOT_AUTH, collection, predicate};
use solon::model::{Empty, Fact, Facts, Flake, Op as FlakeOp, Overlay, SubjectId, T, Value};
use solon::policy::{Cause, History, Op, Policy, StagedFlake, View, judge_writes};
use solon::query::queries_of;
use solon::schema::Schema;
use solon::transact::{Ground, parse, transact};

use crate::oracle::{List, World, random_flakes, seeds};
use crate::support::random::Random;
use crate::support::{Db, deny, office, rule};

/// Nothing is gone.
struct NoPast<'a>(&'a dyn Facts);

impl History for NoPast<'_> {
    fn now(&self) -> &dyn Facts {
        self.0
    }

    fn before_it_went(
        &self,
        _: SubjectId,
    ) -> Result<Option<Box<dyn Facts + '_>>, solon::model::Error> {
        Ok(None)
    }
}

/// One state of a world.
struct State {
    facts: Overlay<Empty>,
    schema: Arc<Schema>,
    policy: Policy,
}

impl State {
    fn new(facts: Overlay<Empty>) -> Self {
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        Self {
            facts,
            schema,
            policy,
        }
    }

    /// The state after a transaction of root's, and its flakes.
    fn after(&self, world: &World, items: &Json) -> (Self, Vec<Flake>) {
        let budget = Budget::new(u64::MAX, None);
        let of = |op| {
            self.policy
                .permissions(ROOT_AUTH, &op, &self.facts)
                .unwrap()
        };
        let sight = View::new(
            of(Op::query()),
            Arc::clone(&self.schema),
            &self.facts,
            0,
            &budget,
        );
        let ground = Ground {
            before: &self.facts,
            policy: &self.policy,
            writes: &of(Op::transact()),
            sight: &sight,
            history: &NoPast(&self.facts),
            now_ms: 0,
            budget: &budget,
        };
        let parsed = parse(&items.to_string()).unwrap();
        let checked = transact(parsed, &ground);
        let flakes = checked
            .unwrap_or_else(|error| panic!("{error}: {items}"))
            .flakes;
        let mut facts = world.facts();
        facts.apply(self.facts.basis().next(), &flakes);
        (Self::new(facts), flakes)
    }

    fn seen(&self, auth: SubjectId, world: &World) -> Vec<bool> {
        let permissions = self.policy.permissions(auth, &Op::query(), &self.facts);
        let budget = Budget::new(u64::MAX, None);
        let schema = Arc::clone(&self.schema);
        let view = View::new(permissions.unwrap(), schema, &self.facts, 0, &budget);
        // Of what a rename writes anew, whether there is anything is compared; of all else, each fact.
        let anew = [
            collection::PREDICATE,
            collection::COLLECTION,
            collection::TAG,
            collection::FUNCTION,
            collection::RULE,
        ];
        let sees = |(s, p, o): &(SubjectId, _, Value)| {
            if anew.contains(&s.collection()) {
                return view.exists(*s).unwrap();
            }
            let fact = Fact {
                s: *s,
                p: *p,
                o: o.borrow(),
                t: T(1),
            };
            view.sees(fact).unwrap()
        };
        world.list.iter().map(sees).collect()
    }

    /// Which flake of these is refused first.
    fn refused(&self, auth: SubjectId, flakes: &[Flake]) -> Option<usize> {
        let of = |op| self.policy.permissions(auth, &op, &self.facts).unwrap();
        let mut sorted = flakes.to_vec();
        sorted.sort();
        let mut after = Overlay::new(&self.facts);
        after.apply(self.facts.basis().next(), &sorted);
        let staged: Vec<StagedFlake> = flakes
            .iter()
            .map(|flake| StagedFlake {
                flake: flake.clone(),
                cause: Cause::Sent,
            })
            .collect();
        let budget = Budget::new(u64::MAX, None);
        let schema = Arc::clone(&self.schema);
        let sight = View::new(of(Op::query()), schema, &self.facts, 0, &budget);
        match judge_writes(
            &of(Op::transact()),
            &self.schema,
            &self.facts,
            &after,
            &staged,
            &sight,
            0,
            &budget,
        ) {
            Ok(()) => None,
            Err(solon::policy::Error::Write(refusal)) => Some(refusal.index),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Old and new names of collections, of predicates and of functions: places are changed, and some names are new.
#[derive(Default)]
struct Names(BTreeMap<(SubjectId, &'static str), (String, String)>);

impl Names {
    fn random(rng: &mut Random, world: &World) -> Self {
        let mut names = Self::default();
        let named = |p| {
            let all = world.list.iter().filter(move |(_, of, _)| *of == p);
            all.filter_map(|(s, _, o)| match o {
                Value::String(name) => Some((*s, name.to_string())),
                _ => None,
            })
        };
        for (p, key) in [
            (predicate::COLLECTION_NAME, "_collection/name"),
            (predicate::PREDICATE_NAME, "_predicate/name"),
            (predicate::FN_NAME, "_fn/name"),
        ] {
            let mut groups: BTreeMap<String, Vec<(SubjectId, String)>> = BTreeMap::new();
            for (s, name) in named(p).filter(|(s, _)| is_of_user(*s)) {
                // A predicate changes places within its collection only.
                let group = name.split_once('/').map_or("", |(of, _)| of).to_owned();
                if rng.below(3) > 0 {
                    groups.entry(group).or_default().push((s, name));
                }
            }
            for (group, of) in groups {
                let turn = rng.index(of.len());
                for (index, (s, old)) in of.iter().enumerate() {
                    let new = match rng.below(3) {
                        0 if group.is_empty() => format!("new{}", s.number()),
                        0 => format!("{group}/new{}", s.number()),
                        _ => of[(index + turn) % of.len()].1.clone(),
                    };
                    names.0.insert((*s, key), (old.clone(), new));
                }
            }
        }
        // Where a name is taken by one that stays, nothing can be given it.
        loop {
            let given_up: BTreeSet<String> = names.0.values().map(|(old, _)| old.clone()).collect();
            let taken: Vec<_> = names
                .0
                .iter()
                .filter(|(_, (old, new))| old == new)
                .map(|(key, _)| *key)
                .collect();
            let mut dropped = taken;
            for p in [
                predicate::COLLECTION_NAME,
                predicate::PREDICATE_NAME,
                predicate::FN_NAME,
            ] {
                for (s, name) in named(p) {
                    let stays = !given_up.contains(&name);
                    let takers = names.0.iter().filter(|(_, (_, new))| stays && *new == name);
                    dropped.extend(takers.map(|(key, _)| *key).filter(|(of, _)| *of != s));
                }
            }
            if dropped.is_empty() {
                return names;
            }
            for key in dropped {
                names.0.remove(&key);
            }
        }
    }

    fn items(&self) -> Json {
        let item = |((s, key), (_, new)): (&(SubjectId, &str), &(String, String))| json!({"_id": s.raw(), *key: new});
        Json::Array(self.0.iter().map(item).collect())
    }

    /// The same backwards: predicates are then of collections that have their new names.
    fn back(&self) -> Json {
        let item = |((s, key), (old, _)): (&(SubjectId, &str), &(String, String))| {
            let mut old = old.clone();
            if let Some((of, own)) = old.split_once('/') {
                let renamed = self.0.iter().find(|((s, _), (before, _))| {
                    s.collection() == collection::COLLECTION && before == of
                });
                let of = renamed.map_or(of, |(_, (_, new))| new.as_str());
                old = format!("{of}/{own}");
            }
            json!({"_id": s.raw(), *key: old})
        };
        Json::Array(self.0.iter().map(item).collect())
    }
}

fn is_of_user(s: SubjectId) -> bool {
    s.number() >= 1_001 || (s.collection() == collection::COLLECTION && s.number() >= 20)
}

fn applied(list: &List, flakes: &[Flake]) -> List {
    let mut list = list.clone();
    for flake in flakes {
        let fact = (flake.s, flake.p, flake.o.clone());
        match flake.op {
            FlakeOp::Retract => assert!(list.remove(&fact), "{fact:?} did not hold"),
            FlakeOp::Assert => assert!(list.insert(fact.clone()), "{fact:?} held"),
        }
    }
    list
}

#[test]
fn a_rename_on_a_random_world_changes_no_decision() {
    let mut renamed = 0;
    let mut refusals = 0;
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let mut world = World::random(&mut rng);
        let before = State::new(world.facts());
        let names = Names::random(&mut rng, &world);
        renamed += names.0.len();
        let (after, flakes) = before.after(&world, &names.items());
        let users: Vec<SubjectId> = world.list.iter().map(|(s, _, _)| *s).collect();
        let users: BTreeSet<SubjectId> = users
            .into_iter()
            .filter(|s| s.collection() == collection::USER)
            .collect();
        let users: Vec<SubjectId> = users.into_iter().collect();
        let writes: Vec<Vec<Flake>> = (0..4)
            .map(|_| random_flakes(&mut rng, &world, &users))
            .collect();
        for (auth, _, _) in &world.auths {
            let at = format!("seed {seed}, auth {auth}: {}", names.items());
            let (seen, sees) = (before.seen(*auth, &world), after.seen(*auth, &world));
            let differs = world
                .list
                .iter()
                .zip(seen.iter().zip(&sees))
                .find(|(_, (seen, sees))| seen != sees);
            assert!(differs.is_none(), "{at}\n{differs:?}");
            for flakes in &writes {
                let refused = before.refused(*auth, flakes);
                refusals += usize::from(refused.is_some());
                assert_eq!(refused, after.refused(*auth, flakes), "{at}");
            }
        }
        // Back again, every byte is as it was.
        let list = applied(&world.list, &flakes);
        world.list = list;
        let (_, back) = State::new(world.facts()).after(&world, &names.back());
        let again = applied(&world.list, &back);
        let differs: Vec<_> = again
            .symmetric_difference(&World::random(&mut Random::new(seed)).list)
            .cloned()
            .collect();
        assert!(
            differs.is_empty(),
            "seed {seed}: {} {differs:?}",
            names.items()
        );
    }
    assert!(
        seeds().count() == 1 || (renamed > 300 && refusals > 100),
        "{renamed} {refusals}"
    );
}

#[test]
fn another_function_under_the_name_that_is_called_is_not_called() {
    let db = office();
    db.root(
        &json!([{"_id": "_fn", "name": "inner", "code": "(innermost)"},
        {"_id": "_fn", "name": "innermost", "code": "(== 1 2)"}]),
    );
    let rules = [
        rule("fns", "_fn", &["*"], "true", &["all"]),
        rule("small", "doc", &["doc/title"], "(inner)", &["query"]),
    ];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([{"_id": "doc", "key": "a", "title": "plans"}]));
    let swap = json!([{"_id": ["_fn/name", "innermost"], "name": "old"},
        {"_id": "_fn", "name": "innermost", "code": "(== 1 1)"}]);
    db.write("ann", &swap).unwrap();
    let titles = json!({"select": ["doc/title"], "from": "doc"});
    assert_eq!(db.ask("ann", &titles), json!([]));
    // The one that is called is written under no name.
    let edit = json!([{"_id": ["_fn/name", "old"], "code": "(== 1 1)"}]);
    assert_eq!(db.refused("ann", &edit).code(), "db/write-permission");
    // Nor beside a rename.
    let both = json!([{"_id": ["_fn/name", "old"], "name": "older", "code": "(== 1 1)"}]);
    assert_eq!(db.refused("ann", &both).code(), "db/write-permission");
    let beside = json!([{"_id": ["_fn/name", "old"], "name": "older"},
        {"_id": ["_fn/name", "inner"], "code": "true"}]);
    assert_eq!(db.refused("ann", &beside).code(), "db/write-permission");
    assert_eq!(db.ask("ann", &titles), json!([]));
}

#[test]
fn another_predicate_under_the_name_that_a_rule_has_is_not_governed_by_it() {
    let db = office();
    let rules = [
        rule("preds", "_predicate", &["*"], "true", &["all"]),
        rule("titles", "doc", &["doc/title"], "true", &["all"]),
        deny(rule("never", "doc", &["doc/secret"], "true", &["query"])),
    ];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([{"_id": "doc", "key": "a", "title": "plans", "secret": "s"}]));
    // Ann changes the names of what she sees and of what she does not.
    let swap = json!([{"_id": ["_predicate/name", "doc/title"], "name": "doc/secret"},
        {"_id": ["_predicate/name", "doc/secret"], "name": "doc/title"}]);
    db.write("ann", &swap).unwrap();
    let all = json!({"select": ["doc/title", "doc/secret"], "from": "doc"});
    let id = 351_843_720_888_320_i64;
    assert_eq!(
        db.ask("ann", &all),
        json!([{"_id": id, "doc/secret": "plans"}])
    );
    // A rename of what a deny is about takes nothing from the deny.
    let away = json!([{"_id": ["_predicate/name", "doc/title"], "name": "doc/x"},
        {"_id": "_predicate", "name": "doc/title", "type": "string"}]);
    db.write("ann", &away).unwrap();
    let all = json!({"select": ["*"], "from": "doc"});
    assert_eq!(
        db.ask("ann", &all),
        json!([{"_id": id, "doc/secret": "plans"}])
    );
}

#[test]
fn a_rename_tells_nothing_of_the_rules_and_functions_that_follow() {
    let db = office();
    let names = [rule(
        "names",
        "_predicate",
        &["_predicate/name"],
        "true",
        &["all"],
    )];
    db.auth("ann", Some("ann"), &names);
    let hidden = [rule(
        "r",
        "doc",
        &["doc/title"],
        "(== (get (?s) \"doc/title\") \"x\")",
        &["query"],
    )];
    db.auth("bob", Some("bob"), &hidden);
    let rename = |of: &str, to: &str| json!([{"_id": ["_predicate/name", of], "name": to}]);
    let told = |of: &str, to: &str| {
        let receipt = db.write("ann", &rename(of, to)).unwrap();
        (
            receipt.flakes.len(),
            receipt.tempids.len(),
            receipt.warnings.len(),
        )
    };
    // One is named by a rule and a function, the other by nothing.
    assert_eq!(
        told("doc/title", "doc/head"),
        told("doc/secret", "doc/tail")
    );
    // Why it cannot be done is told without who is in the way, and to nobody who may not do it.
    let looks = json!([{"_id": "_fn", "name": "looks", "code": "(boolean (re-find \"x\" (?p)))"}]);
    db.root(&looks);
    let error = db.refused("ann", &rename("doc/head", "doc/h"));
    assert_eq!(
        (error.code(), error.message().contains("looks `")),
        ("db/in-use", false)
    );
    assert!(error.message().starts_with("a function"), "{error}");
    let error = db.refused("bob", &rename("doc/head", "doc/h"));
    assert_eq!(error.code(), "db/write-permission");
}

#[test]
fn what_a_change_of_type_writes_anew_fits_one_commit() {
    let db = Db::new();
    db.root(&json!([{"_id": "_collection", "name": "v"},
        {"_id": "_predicate", "name": "v/n", "type": "int", "multi": true}]));
    // Each fact is retracted and asserted, and the type is.
    let most = COMMIT_FLAKES_MAX / 2 - 1;
    let numbers: Vec<usize> = (0..=most).collect();
    db.root(&json!([{"_id": "v", "n": numbers}]));
    let change = json!([{"_id": ["_predicate/name", "v/n"], "type": "double"}]);
    let refused = db.refused("root", &change);
    assert_eq!(
        (refused.code(), refused.at()),
        ("db/limit", Some("/0/type"))
    );
    db.root(&json!([{"_id": v(), "n": [0], "_action": "delete"}]));
    assert_eq!(db.root(&change).flakes.len(), COMMIT_FLAKES_MAX);
}

fn v() -> i64 {
    20 << 44
}

#[test]
fn what_a_rename_writes_anew_fits_its_bounds() {
    let db = Db::new();
    db.root(&json!([{"_id": "_collection", "name": "v"},
        {"_id": "_predicate", "name": "v/n", "type": "int"},
        {"_id": "_predicate", "name": "v/t", "type": "tag"}]));
    let rename = |of: &str, to: &str| json!([{"_id": ["_predicate/name", of], "name": to}]);
    // A name may have 255 bytes, before the slash and behind it.
    let longest = format!("v/{}", "n".repeat(NAME_BYTES_MAX));
    let longer = format!("{longest}n");
    assert_eq!(
        db.refused("root", &rename("v/n", &longer)).code(),
        "db/invalid-predicate"
    );
    // A text that would pass its bound keeps the name.
    let call = "(nil? (get (?s) \"v/n\"))";
    let grows = longest.len() - "v/n".len();
    let text = |spaces: usize| format!("{call}{}", " ".repeat(spaces));
    let fits = RULE_TEXT_BYTES_MAX - grows - call.len();
    db.root(&json!([{"_id": "_fn", "name": "f", "code": text(fits + 1)}]));
    assert_eq!(
        db.refused("root", &rename("v/n", &longest)).code(),
        "db/in-use"
    );
    db.root(&json!([{"_id": ["_fn/name", "f"], "code": text(fits)}]));
    db.root(&rename("v/n", &longest));
    // A tag's id has two names and a colon at the most.
    let grown = format!("v/{}", "t".repeat(NAME_BYTES_MAX));
    let own = |bytes: usize| "o".repeat(bytes);
    let fits = RULE_SYMBOL_BYTES_MAX - grown.len() - 1;
    db.root(&json!([{"_id": "v", "t": own(fits + 1)}]));
    assert_eq!(
        db.refused("root", &rename("v/t", &grown)).code(),
        "db/in-use"
    );
    let id = format!("v/t:{}", own(fits + 1));
    db.root(&json!([{"_id": ["_tag/id", id], "id": format!("v/t:{}", own(fits))}]));
    db.root(&rename("v/t", &grown));
}
