//! Queries that functions ask: the manual, bounds, what is absent, and that a rule which asks says what its twin says.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use solon::base::limits::{QUERY_IN_RULE_STEPS_MAX, RULE_STEPS_MAX};
use solon::base::{Budget, Exceeded};
use solon::lang::{Context, Fault, Function, Stop, Val};
use solon::model::system::ROOT_AUTH;
use solon::model::{
    CollectionId, Direction, Empty, Error, Facts, Names, Overlay, SubjectId, T, ValueRef,
};
use solon::policy::{History, Op, Policy, View};
use solon::query::queries_of;
use solon::schema::{Schema, bootstrap};
use solon::transact::{Ground, parse, transact};

use crate::support::Db;
use crate::support::random::{Random, Repeat, seeds};

/// Nothing is gone.
struct NoPast<'a>(&'a dyn Facts);

impl History for NoPast<'_> {
    fn now(&self) -> &dyn Facts {
        self.0
    }

    fn before_it_went(&self, _: SubjectId) -> Result<Option<Box<dyn Facts + '_>>, Error> {
        Ok(None)
    }
}

/// Facts that root wrote, and their schema.
struct World {
    facts: Overlay<Empty>,
    schema: Arc<Schema>,
}

impl World {
    fn new() -> Self {
        let mut facts = Overlay::new(Empty);
        facts.apply(T(1), &bootstrap().unwrap());
        let schema = Arc::new(Schema::load(&facts).unwrap());
        Self { facts, schema }
    }

    fn write(&mut self, items: &Json) {
        let policy = Policy::new(Arc::clone(&self.schema), queries_of);
        let budget = Budget::new(u64::MAX, None);
        let of = |op| policy.permissions(ROOT_AUTH, &op, &self.facts).unwrap();
        let schema = Arc::clone(&self.schema);
        let ground = Ground {
            before: &self.facts,
            policy: &policy,
            writes: &of(Op::transact()),
            sight: &View::new(of(Op::query()), schema, &self.facts, 0, &budget),
            history: &NoPast(&self.facts),
            now_ms: 0,
            budget: &budget,
        };
        let flakes = transact(parse(&items.to_string()).unwrap(), &ground)
            .unwrap()
            .flakes;
        self.facts.apply(self.facts.basis().next(), &flakes);
        self.schema = Arc::new(Schema::load(&self.facts).unwrap());
    }

    fn function(&self, text: &str) -> Result<Function, solon::lang::Error> {
        let queries = queries_of(&self.schema);
        Function::compile(text, &[], &*self.schema, &*queries)
    }

    fn evaluate(&self, text: &str, context: &Context<'_>, budget: &Budget) -> Result<Val, Stop> {
        let function = self.function(text).unwrap();
        function.evaluate(&[], context, &self.facts, budget)
    }

    fn named(&self, predicate: &str, value: &str) -> SubjectId {
        let p = Names::predicate(&*self.schema, predicate).unwrap().id;
        let found = self.facts.subject_list(p, ValueRef::String(value));
        found.unwrap()[0]
    }
}

/// The world of the manual of the rule language.
fn people() -> World {
    let mut world = World::new();
    let predicate = |name: &str, of: &str, flags: Json| {
        let mut item = json!({"_id": "_predicate", "name": format!("person/{name}"), "type": of});
        let Json::Object(flags) = flags else { panic!() };
        item.as_object_mut().unwrap().extend(flags);
        item
    };
    let person = json!({"restrictCollection": "person"});
    world.write(&json!([
        {"_id": "_collection", "name": "person"},
        predicate("handle", "string", json!({"unique": true})),
        predicate("age", "int", json!({"index": true})),
        predicate("score", "double", json!({})),
        predicate("balance", "bigdec", json!({})),
        predicate("web", "string", json!({})),
        predicate("boss", "ref", person.clone()),
        predicate("friend", "ref", json!({"restrictCollection": "person", "multi": true})),
        predicate("user", "ref", json!({"restrictCollection": "_user"})),
    ]));
    world.write(&json!([
        {"_id": "_auth$a", "id": "other"},
        {"_id": "_auth$b", "id": "asker"},
        {"_id": "_user$a", "username": "other"},
        {"_id": "_user$b", "username": "asker", "auth": ["_auth$b"]},
    ]));
    world.write(&json!([
        {"_id": "person$ada", "handle": "ada", "age": 36, "score": 2.0, "balance": "12.5",
         "boss": "person$bob", "friend": ["person$bob", "person$eve"], "user": ["_user/username", "asker"]},
        {"_id": "person$bob", "handle": "bob", "age": 40, "boss": "person$eve", "friend": ["person$dan"]},
        {"_id": "person$eve", "handle": "eve", "boss": "person$ada"},
        {"_id": "person$dan", "handle": "dan", "friend": ["person$ada"]},
    ]));
    world
}

fn context(world: &World) -> Context<'static> {
    let subject = world.named("person/handle", "ada");
    let auth = world.named("_auth/id", "asker");
    let user = world.named("_user/username", "asker");
    Context {
        subject: Some(subject),
        predicate: Names::predicate(&*world.schema, "person/age").map(|it| it.id),
        object: Some(ValueRef::Int(36)),
        ..Context::of(auth, Some(user), 1_700_000_000_000)
    }
}

fn shown(value: &Val) -> String {
    match value {
        Val::Nil => "nil".to_owned(),
        Val::Bool(it) => it.to_string(),
        Val::Int(it) => it.to_string(),
        Val::Double(it) => format!("{:?}", it.number()),
        Val::String(it) => format!("\"{it}\""),
        Val::List(it) => {
            let items: Vec<_> = it.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn told(world: &World, text: &str, context: &Context<'_>) -> String {
    let function = match world.function(text) {
        Ok(it) => it,
        Err(error) => return format!("error: {error}"),
    };
    let budget = Budget::new(RULE_STEPS_MAX, None);
    match function.evaluate(&[], context, &world.facts, &budget) {
        Ok(value) => shown(&value),
        Err(Stop::Fault(fault)) => format!("fault: {fault}"),
        Err(Stop::Error(error)) => format!("no decision: {error}"),
    }
}

#[test]
fn the_queries_in_the_manual_of_the_rule_language_are_true() {
    let world = people();
    let context = context(&world);
    let manual = include_str!("../../docs/lang.md");
    let blocks = manual.split("```asked\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let wrong: Vec<_> = lines
        .map(|line| line.split_once(" => ").unwrap())
        .map(|(text, expected)| (text, expected, told(&world, text, &context)))
        .collect();
    assert!(wrong.len() > 10);
    let wrong: Vec<_> = wrong.into_iter().filter(|it| it.1 != it.2).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The text of a function that asks a query.
fn asking(query: &Json) -> String {
    let quoted = query.to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("(query \"{quoted}\")")
}

#[test]
fn what_a_query_is_given_and_has_no_value_is_a_fault() {
    let world = people();
    let whole = context(&world);
    let bare = Context::of(whole.auth, None, 0);
    let of =
        |name: &str, verb: &str| asking(&json!({"select": "?x", "where": [["?x", verb, name]]}));
    let rows = [
        (
            of("?user_id", "person/user"),
            "`?user_id` of an auth without a user",
        ),
        (of("?sid", "person/boss"), "`?sid` is not available here"),
        (of("?o", "person/age"), "`?o` is not available here"),
        (of("?pid", "person/age"), "`?pid` is not available here"),
    ];
    for (text, why) in rows {
        assert_eq!(told(&world, &text, &bare), format!("fault: {why}"));
        // A fault is no, also where it is denied.
        let absent = format!("(empty? {text})");
        assert_eq!(told(&world, &absent, &bare), format!("fault: {why}"));
        assert!(!told(&world, &text, &whole).starts_with("fault"), "{text}");
    }
    let now = of("?now", "person/age");
    assert_eq!(told(&world, &now, &bare), "[]");
    // A variable of another name is one, and a value may look like one.
    let free = of("?user", "person/user");
    assert_eq!(told(&world, &free, &bare).matches(' ').count(), 0);
    let text = of("\"?o\"", "person/web");
    assert_eq!(told(&world, &text, &whole), "[]");
}

#[test]
fn what_a_query_is_given_is_a_value_in_it() {
    let world = people();
    let ada = world.named("person/handle", "ada").raw();
    let bob = world.named("person/handle", "bob").raw();
    let given = |object| Context {
        object: Some(object),
        ..context(&world)
    };
    let rows = |select: &str, clauses: Json| asking(&json!({"select": select, "where": clauses}));
    let of_age = rows("?x", json!([["?x", "person/age", "?o"]]));
    let of_name = rows("?x", json!([["?x", "person/handle", "?o"]]));
    let of_user = rows("?x", json!([["?x", "person/user", "?o"]]));
    let double = ValueRef::Double(solon::model::Real::new(36.0).unwrap());
    let user = world.named("_user/username", "asker");
    let fault = format!("fault: {}", Fault::Unasked);
    let cases = [
        (&of_age, ValueRef::Int(36), format!("[{ada}]")),
        (&of_age, ValueRef::Int(41), "[]".to_owned()),
        (&of_age, ValueRef::String("old"), fault.clone()),
        (&of_age, double, fault.clone()),
        (&of_name, ValueRef::String("ada"), format!("[{ada}]")),
        (&of_name, ValueRef::String("?x"), "[]".to_owned()),
        (&of_name, ValueRef::Int(36), "[]".to_owned()),
        (&of_user, ValueRef::Ref(user), format!("[{ada}]")),
        (&of_user, ValueRef::Boolean(true), fault),
    ];
    for (text, object, expected) in cases {
        assert_eq!(
            told(&world, text, &given(object)),
            expected,
            "{text} {object:?}"
        );
    }
    let more = [
        // It may be selected, stand in two optionals, in every arm, and be compared.
        (
            rows("?sid", json!([["?sid", "person/age", "?n"]])),
            format!("[{ada}]"),
        ),
        (
            rows("?sid", json!([["?x", "person/handle", "bob"]])),
            format!("[{ada}]"),
        ),
        (
            rows(
                "?x",
                json!([["?x", "person/age", "?n"],
                {"optional": [["?x", "person/boss", "?sid"]]},
                {"optional": [["?x", "person/user", "?user_id"], ["?x", "person/boss", "?sid"]]}]),
            ),
            format!("[{ada} {bob}]"),
        ),
        (
            rows(
                "?x",
                json!([{"union": [[["?sid", "person/boss", "?x"]], [["?x", "person/user", "?user_id"]]]}]),
            ),
            format!("[{ada} {bob}]"),
        ),
        (
            rows(
                "?x",
                json!([["?x", "person/age", "?n"], {"not": [["?x", "_id", "?sid"]]}]),
            ),
            format!("[{bob}]"),
        ),
        (
            rows(
                "?x",
                json!([["?x", "person/age", "?n"], {"filter": ["(> ?n ?o)"]}]),
            ),
            format!("[{bob}]"),
        ),
    ];
    for (text, expected) in more {
        assert_eq!(told(&world, &text, &context(&world)), expected, "{text}");
    }
}

#[test]
fn a_text_that_is_no_query_is_refused_when_it_is_stored() {
    let world = people();
    let place = json!([["?s", "person/handle", "?name"]]);
    let rows = [
        (json!([]), "a query is an object"),
        (
            json!({"select": "?name"}),
            "expected an array of what to select (at /select)",
        ),
        (
            json!({"select": "?nome", "where": place}),
            "`?nome` is in no clause (at /select)",
        ),
        (
            json!({"select": "?name", "where": place, "vars": {"?now": 1}, "opts": {"orderBy": "?now"}}),
            "`?now` is given by the function that asks",
        ),
        (
            json!({"select": "?name", "where": [["$fdb4", "?s", "person/handle", "?name"]]}),
            "no other time can be asked about here (at /where/0/0)",
        ),
        (
            json!({"select": ["handle", "?now"], "from": "person"}),
            "`?now` is no predicate's name (at /select/1)",
        ),
        (
            json!({"select": "?name", "where": [["?s", "person/handle", "?name"], ["?a", "person/age", "?b"], ["?c", "person/boss", "?sid"], ["?c", "_auth/password", "?x"]]}),
            "there is no predicate `_auth/password` (at /where/3/1)",
        ),
    ];
    for (query, why) in rows {
        let error = world.function(&asking(&query)).unwrap_err().to_string();
        let expected = format!("line 1, column 8: the query cannot be used: {why}");
        assert_eq!(error, expected, "{query}");
    }
}

#[test]
fn a_query_costs_the_same_whoever_asked_before() {
    let world = people();
    let text = asking(
        &json!({"select": ["?x", "?n"], "where": [["?sid", "person/friend", "?x"], ["?x", "person/handle", "?n"]]}),
    );
    let function = world.function(&text).unwrap();
    assert!(function.asks_queries());
    let ada = context(&world);
    let eve = Context {
        subject: Some(world.named("person/handle", "eve")),
        ..ada
    };
    let cost = |context: &Context<'_>| {
        let budget = Budget::new(u64::MAX, None);
        let value = function.evaluate(&[], context, &world.facts, &budget);
        (value.unwrap(), budget.spent())
    };
    let (first, other) = (cost(&ada), cost(&eve));
    for _ in 0..3 {
        assert_eq!((cost(&ada), cost(&eve)), (first.clone(), other.clone()));
    }
    // A pattern is compiled anew with it.
    let with = |filter: &str| {
        let clauses = json!([["?sid", "person/handle", "?n"], {"filter": [filter]}]);
        let text = asking(&json!({"select": "?n", "where": clauses}));
        let budget = Budget::new(u64::MAX, None);
        world.evaluate(&text, &ada, &budget).unwrap();
        budget.spent()
    };
    let pattern = with("(boolean (re-find \"a\" ?n))") - with("(strStarts ?n \"a\")");
    assert!((1_000..1_020).contains(&pattern), "{pattern}");
    let exact = Budget::new(first.1, None);
    assert!(function.evaluate(&[], &ada, &world.facts, &exact).is_ok());
    let short = Budget::new(first.1 - 1, None);
    let ended = function.evaluate(&[], &ada, &world.facts, &short);
    let max = first.1 - 1;
    assert_eq!(
        ended,
        Err(Stop::Error(Error::Exceeded(Exceeded::Steps { max })))
    );
}

#[test]
fn a_query_that_takes_too_long_is_an_error_and_no_decision() {
    let mut world = people();
    for chunk in 0..5 {
        let items: Vec<Json> = (0..1_000)
            .map(|n| json!({"_id": "person", "age": chunk * 1_000 + n}))
            .collect();
        world.write(&json!(items));
    }
    // Five thousand by five thousand.
    let apart =
        json!({"select": "?a", "where": [["?x", "person/age", "?a"], ["?y", "person/age", "?b"]]});
    let rule = format!("(or true (empty? {}))", asking(&apart));
    assert_eq!(
        world.evaluate(&rule, &context(&world), &Budget::new(10, None)),
        Ok(Val::Bool(true))
    );
    let rule = format!("(or (empty? {}) true)", asking(&apart));
    let max = QUERY_IN_RULE_STEPS_MAX;
    let read = Budget::new(u64::MAX, None);
    let what = "the steps of a query in a function";
    assert_eq!(
        world.evaluate(&rule, &context(&world), &read),
        Err(Stop::Error(Error::Exceeded(Exceeded::Query { what, max })))
    );
    assert!(read.spent() <= 2 * max);
    let write = Budget::new(RULE_STEPS_MAX, None);
    let max = RULE_STEPS_MAX;
    assert_eq!(
        world.evaluate(&rule, &context(&world), &write),
        Err(Stop::Error(Error::Exceeded(Exceeded::Steps { max })))
    );
}

/// What asks a query, and what says the same without one.
#[expect(clippy::too_many_lines, reason = "a table")]
fn twins() -> Vec<(String, &'static str)> {
    let rows = |clauses: Json| asking(&json!({"select": "?x", "where": clauses}));
    let one = |clauses: Json| asking(&json!({"selectOne": "?x", "where": clauses}));
    vec![
        (
            format!(
                "(contains? {} (?sid))",
                rows(json!([["?x", "person/user", "?user_id"]]))
            ),
            "(== (coalesce (get (?s) \"person/user\") 0) (?user_id))",
        ),
        (
            format!(
                "(contains? {} (?sid))",
                rows(json!([
                    ["?x", "person/boss", "?b"],
                    ["?b", "person/user", "?user_id"]
                ]))
            ),
            "(relationship? (?s) [\"person/boss\" \"person/user\"] (?user_id))",
        ),
        (
            format!(
                "(not (empty? {}))",
                rows(json!([
                    ["?sid", "person/friend", "?x"],
                    ["?x", "person/user", "?user_id"]
                ]))
            ),
            "(relationship? (?s) [\"person/friend\" \"person/user\"] (?user_id))",
        ),
        (
            format!(
                "(contains? {} (?sid))",
                rows(json!([
                    ["?y", "person/friend", "?x"],
                    ["?y", "person/age", 2]
                ]))
            ),
            "(contains? (get-all (?s) [\"person/_friend\" \"person/age\"]) 2)",
        ),
        (
            format!("(> {} 1)", one(json!([["?sid", "person/age", "?x"]]))),
            "(> (get (?s) \"person/age\") 1)",
        ),
        (
            format!(
                "(== {} (get (?s) \"person/boss\"))",
                one(json!([["?sid", "person/boss", "?x"]]))
            ),
            "(== (get (?s) \"person/boss\") (get (?s) \"person/boss\"))",
        ),
        (
            format!(
                "(== (count {}) 2)",
                rows(json!([["?sid", "person/friend", "?x"]]))
            ),
            "(== (count (get-all (?s) \"person/friend\")) 2)",
        ),
        (
            format!(
                "(contains? {} (?o))",
                rows(json!([
                    ["?y", "person/boss", "?sid"],
                    ["?y", "person/age", "?x"]
                ]))
            ),
            "(contains? (get-all (?s) [\"person/_boss\" \"person/age\"]) (?o))",
        ),
        (
            // By a rule of its own, whose body is given what the query is given.
            format!(
                "(contains? {} (?sid))",
                asking(&json!({
                    "select": "?x",
                    "where": [["(over ?sid ?x)"]],
                    "rules": [
                        ["(over ?a ?b)", ["?a", "person/boss", "?b"]],
                        ["(over ?a ?c)", ["?a", "person/boss", "?b"], ["(over ?b ?c)"]],
                    ]
                }))
            ),
            "(contains? (get-all (?s) [\"person/boss+\"]) (?s))",
        ),
        (
            format!(
                "(contains? {} (?sid))",
                asking(&json!({
                    "select": "?x",
                    "where": [["(mine ?x)"]],
                    "rules": [["(mine ?x)", ["?x", "person/user", "?user_id"]]]
                }))
            ),
            "(== (coalesce (get (?s) \"person/user\") 0) (?user_id))",
        ),
        (
            "(== (count (query \"[handle]\" \"person\" \"person/age > 1\" nil nil)) 1)".to_owned(),
            "(== (count (query \"{\\\"select\\\": \\\"?x\\\", \\\"where\\\": [[\\\"?x\\\", \\\"person/age\\\", 2]]}\")) 1)",
        ),
    ]
}

/// Gives people other ages, friends, bosses and users.
fn shuffle(world: &mut World, rng: &mut Random) {
    let names = ["ada", "bob", "eve", "dan"];
    let who = |rng: &mut Random| json!(["person/handle", *rng.pick(&names)]);
    let mut items = Vec::new();
    for name in names {
        let mut item = json!({"_id": ["person/handle", name]});
        item["age"] = match rng.below(4) {
            3 => Json::Null,
            age => json!(age),
        };
        item["boss"] = if rng.one_in(3) { Json::Null } else { who(rng) };
        item["friend"] = json!([who(rng)]);
        item["user"] = if rng.one_in(2) {
            Json::Null
        } else {
            json!(["_user/username", *rng.pick(&["asker", "other"])])
        };
        items.push(item);
    }
    world.write(&json!(items));
}

#[test]
fn a_rule_that_asks_a_query_says_what_its_twin_says() {
    let mut truths = [0_usize; 3];
    for seed in seeds(30) {
        let test = "asked::a_rule_that_asks_a_query_says_what_its_twin_says";
        let _repeat = Repeat { test, seed };
        let mut rng = Random::new(seed);
        let mut world = people();
        let names = ["ada", "bob", "eve", "dan"];
        shuffle(&mut world, &mut rng);
        for (asks, twin) in twins() {
            let functions = [&*asks, twin].map(|text| world.function(text).unwrap());
            for name in names {
                for user in ["asker", "other", "nobody"] {
                    let age = i64::try_from(rng.below(3)).unwrap();
                    let context = Context {
                        subject: Some(world.named("person/handle", name)),
                        user: (user != "nobody").then(|| world.named("_user/username", user)),
                        object: Some(ValueRef::Int(age)),
                        ..context(&world)
                    };
                    let [asked, plain] = functions.each_ref().map(|function| {
                        let budget = Budget::new(RULE_STEPS_MAX, None);
                        match function.evaluate(&[], &context, &world.facts, &budget) {
                            Ok(value) => Some(value),
                            Err(Stop::Fault(_)) => None,
                            Err(Stop::Error(error)) => panic!("seed {seed}: {asks}: {error}"),
                        }
                    });
                    assert_eq!(asked, plain, "seed {seed}: {asks} of {name} for {user}");
                    truths[match asked {
                        Some(Val::Bool(it)) => usize::from(it),
                        _ => 2,
                    }] += 1;
                }
            }
        }
    }
    assert!(truths.iter().all(|count| *count > 100), "{truths:?}");
}

/// A database with a function `f` of this text, and what may be done to the names around it.
fn kept(text: &str) -> Db {
    let db = Db::new();
    db.root(&json!([
        {"_id": "_collection", "name": "doc"},
        {"_id": "_collection", "name": "team"},
        {"_id": "_predicate", "name": "doc/title", "type": "string"},
        {"_id": "_predicate", "name": "doc/size", "type": "int"},
        {"_id": "_predicate", "name": "doc/state", "type": "tag"},
        {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
        {"_id": "_predicate", "name": "team/size", "type": "int"},
        {"_id": "_predicate", "name": "team/mass", "type": "int"}]));
    db.root(&json!([{"_id": "doc", "title": "a", "size": 1, "state": "open"}]));
    db.root(&json!([{"_id": "_fn", "name": "f", "code": text}, {"_id": "_fn", "name": "g", "code": "(f)"}]));
    db
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_name_that_a_query_says_is_kept() {
    let rename = |of: &str, to: &str| json!([{"_id": ["_predicate/name", of], "name": to}]);
    let changes = [
        ("title", rename("doc/title", "doc/head")),
        ("size", rename("doc/size", "doc/bytes")),
        ("owner", rename("doc/owner", "doc/by")),
        ("to mass", rename("doc/title", "doc/mass")),
        (
            "doc",
            json!([{"_id": ["_collection/name", "doc"], "name": "paper"}]),
        ),
        (
            "team",
            json!([{"_id": ["_collection/name", "team"], "name": "group"}]),
        ),
        ("g", json!([{"_id": ["_fn/name", "g"], "name": "h"}])),
        (
            "no owner",
            json!([{"_id": ["_predicate/name", "doc/owner"], "_action": "delete"}]),
        ),
        (
            "no team size",
            json!([{"_id": ["_predicate/name", "team/size"], "_action": "delete"}]),
        ),
        (
            "long size",
            json!([{"_id": ["_predicate/name", "doc/size"], "type": "double"}]),
        ),
        (
            "tag",
            json!([{"_id": ["_tag/id", "doc/state:open"], "id": "doc/state:public"}]),
        ),
    ];
    let query = |query: Json| format!("(empty? {})", asking(&query));
    let of = |clauses: Json| query(json!({"select": "?x", "where": clauses}));
    let rows = [
        ("(nil? 1)".to_owned(), ""),
        (
            of(json!([["?x", "doc/owner", "?user_id"]])),
            "owner, doc, no owner",
        ),
        (
            of(json!([["?x", "doc/title", "size"]])),
            "title, size, to mass, doc, team, no team size, long size",
        ),
        (of(json!([["?x", "doc/state", "open"]])), "doc, tag"),
        (
            of(json!([
                ["?x", "doc/size", 1],
                ["?x", "rdf:type", "?c"],
                ["?x", "_id", "?y"]
            ])),
            "size, doc, team, long size",
        ),
        (
            query(json!({"select": ["title"], "from": "doc"})),
            "title, to mass, doc",
        ),
        (
            query(json!({"select": ["*"], "from": "team"})),
            "title, size, owner, to mass, doc, team, g, no owner, no team size, long size, tag",
        ),
        (
            query(json!({"select": ["mass"], "from": "team"})),
            "to mass, team",
        ),
        (
            "(empty? (query \"[title]\" \"doc\" nil nil 1))".to_owned(),
            "title, to mass, doc",
        ),
        (of(json!([["?x", "_fn/name", "g"]])), "g"),
    ];
    for (text, expected) in rows {
        let mut refused = Vec::new();
        for (name, change) in &changes {
            let db = kept(&text);
            if let Err(error) = db.database.transact(&change.to_string()) {
                let told = (error.code(), error.message().contains("function `f`"));
                assert_eq!(told, ("db/in-use", true), "{name}: {text}: {error}");
                refused.push(*name);
            }
        }
        assert_eq!(refused.join(", "), expected, "{text}");
    }
}

#[test]
fn a_query_may_change_together_with_the_name_that_it_says() {
    let text = |name: &str| {
        let query = json!({"select": "?x", "where": [["?x", name, "?user_id"]]});
        format!("(empty? {})", asking(&query))
    };
    let db = kept(&text("doc/owner"));
    let code = |name: &str| json!({"_id": ["_fn/name", "f"], "code": text(name)});
    let rename = json!({"_id": ["_predicate/name", "doc/owner"], "name": "doc/by"});
    // A new text says what the transaction makes of the names.
    db.root(&json!([rename, code("doc/by")]));
    assert_eq!(
        db.refused("root", &json!([code("doc/owner")])).code(),
        "db/invalid-fn"
    );
    let gone = json!({"_id": ["_predicate/name", "doc/by"], "_action": "delete"});
    assert_eq!(db.refused("root", &json!([gone])).code(), "db/in-use");
    db.root(&json!([gone, {"_id": ["_fn/name", "f"], "code": "true"}]));
}

/// What `asker` sees of people where one rule of this text is all that it has.
fn visible(world: &mut World, text: &str) -> Vec<String> {
    world.write(&json!([{"_id": ["_fn/name", "f"], "code": text}]));
    let policy = Policy::new(Arc::clone(&world.schema), queries_of);
    let auth = world.named("_auth/id", "asker");
    let reads = policy
        .permissions(auth, &Op::query(), &world.facts)
        .unwrap();
    let budget = Budget::new(u64::MAX, None);
    let schema = Arc::clone(&world.schema);
    let view = View::new(reads, schema, &world.facts, 0, &budget);
    let mut seen = Vec::new();
    let people = CollectionId::new(20).unwrap();
    let told = view.collection(people, Direction::Ascending, None, &mut |fact| {
        seen.push(format!("{} {:?} {:?}", fact.s, fact.p, fact.o));
        ControlFlow::Continue(())
    });
    told.unwrap();
    seen
}

#[test]
fn a_rule_that_asks_a_query_shows_what_its_twin_shows() {
    let (mut shown, mut hidden) = (0, 0);
    for seed in seeds(20) {
        let test = "asked::a_rule_that_asks_a_query_shows_what_its_twin_shows";
        let _repeat = Repeat { test, seed };
        let mut rng = Random::new(seed);
        let mut world = people();
        world.write(&json!([
            {"_id": "_fn$f", "name": "f", "code": "true"},
            {"_id": "_role$r", "id": "r", "rules": [{"_id": "_rule", "id": "r", "collection": "person",
             "predicates": ["*"], "fns": ["_fn$f"], "ops": ["query"]}]},
            {"_id": ["_auth/id", "asker"], "roles": ["_role$r"]}]));
        shuffle(&mut world, &mut rng);
        let all = visible(&mut world, "true").len();
        for (asks, twin) in twins() {
            let asked = visible(&mut world, &asks);
            assert_eq!(asked, visible(&mut world, twin), "seed {seed}: {asks}");
            shown += asked.len();
            hidden += all - asked.len();
        }
    }
    assert!(shown > 100 && hidden > 100, "{shown} {hidden}");
}
