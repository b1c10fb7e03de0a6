//! Queries over a small data set, one row a case, and random ones beside a plain evaluation.

#![allow(
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "tables may be long, and a random test prints its seed"
)]

mod aggregates;
mod expressions;
mod groups;
mod hostile;
mod plans;
mod rules;

use std::sync::Arc;

use super::{Asked, Counts, Error, Json, Query, When};
use crate::base::Budget;
use crate::base::limits::{
    CRAWL_DEPTH_MAX, QUERY_CLAUSES_MAX, QUERY_ORDERS_MAX, QUERY_ROWS_MAX, QUERY_SELECT_MAX,
};
use crate::model::system::{collection, predicate};
use crate::model::{
    CollectionId, Empty, Facts, Flake, Op, Overlay, PredicateId, Real, SubjectId, T, Value,
};
use crate::schema::{Schema, bootstrap};

const HANDLE: PredicateId = PredicateId(1_001);
const AGE: PredicateId = PredicateId(1_002);
const FOLLOWS: PredicateId = PredicateId(1_003);
const ACTIVE: PredicateId = PredicateId(1_004);
const NUMS: PredicateId = PredicateId(1_005);
const MOOD: PredicateId = PredicateId(1_006);
const SCORE: PredicateId = PredicateId(1_007);
const BEST: PredicateId = PredicateId(1_008);
const NOTE: PredicateId = PredicateId(1_009);
const EXTRA: PredicateId = PredicateId(1_010);
const MESSAGE: PredicateId = PredicateId(1_011);
const PERSON: PredicateId = PredicateId(1_012);
const INSTANT: PredicateId = PredicateId(1_013);
const TO: PredicateId = PredicateId(1_014);

/// When queries are asked here.
const ASKED: Asked = Asked {
    now_ms: 1_700_000_000_000,
    counts: Counts::Told,
};

const HAPPY: u64 = 5_000;

fn person(number: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(20).unwrap(), number).unwrap()
}

fn chat(number: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(21).unwrap(), number).unwrap()
}

struct World {
    facts: Overlay<Empty>,
    schema: Schema,
}

/// Collections `person` and `chat`, and what is given of their subjects.
fn world(data: Vec<(SubjectId, PredicateId, Value)>) -> World {
    let mut flakes = bootstrap().unwrap();
    let tags: Vec<Flake> = flakes.clone();
    let mut add = |s, p, o| {
        flakes.push(Flake {
            s,
            p,
            o,
            op: Op::Assert,
        });
    };
    for (number, name) in [(20, "person"), (21, "chat")] {
        let s = SubjectId::new(collection::COLLECTION, number).unwrap();
        add(s, predicate::COLLECTION_NAME, Value::string(name));
    }
    for (p, name, value_type, flags) in [
        (HANDLE, "person/handle", "string", "unique"),
        (AGE, "person/age", "int", "index"),
        (FOLLOWS, "person/follows", "ref", "multi"),
        (ACTIVE, "person/active", "boolean", "index"),
        (NUMS, "person/favNums", "int", "multi index"),
        (MOOD, "person/mood", "tag", ""),
        (SCORE, "person/score", "float", "index"),
        (BEST, "person/best", "ref", ""),
        (NOTE, "person/note", "string", ""),
        (EXTRA, "person/extra", "json", "index"),
        (MESSAGE, "chat/message", "string", "index"),
        (PERSON, "chat/person", "ref", ""),
        (INSTANT, "chat/instant", "instant", "index"),
        (TO, "chat/to", "ref", "multi"),
    ] {
        let id = Value::string(&format!("_predicate/type:{value_type}"));
        let tag = tags
            .iter()
            .find(|it| it.p == predicate::TAG_ID && it.o == id);
        add(p.subject(), predicate::PREDICATE_NAME, Value::string(name));
        add(
            p.subject(),
            predicate::PREDICATE_TYPE,
            Value::Ref(tag.unwrap().s),
        );
        for (flag, of) in [
            ("unique", predicate::PREDICATE_UNIQUE),
            ("multi", predicate::PREDICATE_MULTI),
            ("index", predicate::PREDICATE_INDEX),
        ] {
            if flags.contains(flag) {
                add(p.subject(), of, Value::Boolean(true));
            }
        }
    }
    let happy = SubjectId::new(collection::TAG, HAPPY).unwrap();
    add(happy, predicate::TAG_ID, Value::string("person/mood:happy"));
    for (s, p, o) in data {
        add(s, p, o);
    }
    let mut facts = Overlay::new(Empty);
    facts.apply(T(1), &flakes);
    let schema = Schema::load(&facts).unwrap();
    World { facts, schema }
}

fn small() -> World {
    let text = Value::string;
    let happy = Value::Ref(SubjectId::new(collection::TAG, HAPPY).unwrap());
    let to = Value::Ref;
    let auth = SubjectId::new(collection::AUTH, 1_001).unwrap();
    world(vec![
        (person(0), HANDLE, text("jdoe")),
        (person(0), AGE, Value::Int(25)),
        (person(0), FOLLOWS, to(person(1))),
        (person(0), FOLLOWS, to(person(2))),
        (person(0), ACTIVE, Value::Boolean(true)),
        (person(0), NUMS, Value::Int(-2)),
        (person(0), NUMS, Value::Int(12)),
        (person(0), NUMS, Value::Int(0)),
        (person(0), MOOD, happy),
        (person(0), SCORE, Value::Double(Real::new(0.1).unwrap())),
        (person(1), HANDLE, text("zsmith")),
        (person(1), AGE, Value::Int(63)),
        (person(1), FOLLOWS, to(person(0))),
        (person(1), NUMS, Value::Int(5)),
        (person(1), BEST, to(person(0))),
        (person(2), HANDLE, text("it's")),
        (person(2), ACTIVE, Value::Boolean(false)),
        (person(2), EXTRA, Value::Json(Arc::from(r#"{"a":1}"#))),
        (chat(0), MESSAGE, text("hi")),
        (chat(0), PERSON, to(person(0))),
        (chat(0), INSTANT, Value::Instant(1_000)),
        (chat(1), MESSAGE, text("yo")),
        (chat(1), PERSON, to(person(0))),
        (chat(1), INSTANT, Value::Instant(2_000)),
        (chat(2), MESSAGE, text("ho")),
        (chat(2), PERSON, to(person(1))),
        (chat(2), TO, to(person(0))),
        (auth, predicate::AUTH_ID, text("ann")),
        (auth, predicate::AUTH_PASSWORD, text("secret")),
    ])
}

fn run(world: &World, query: &str) -> Result<Json, Error> {
    let budget = Budget::new(10_000_000, None);
    Query::parse(query)?.run(&world.facts, &world.schema, ASKED, &budget)
}

/// Puts ids where the cases write `P1` for person 1, `C1` for chat 1 and `HAPPY` for the tag.
fn with_ids(text: &str) -> String {
    let happy = SubjectId::new(collection::TAG, HAPPY).unwrap();
    let mut text = text.replace("HAPPY", &happy.to_string());
    for number in 0..3 {
        text = text.replace(&format!("P{number}"), &person(number).to_string());
        text = text.replace(&format!("C{number}"), &chat(number).to_string());
    }
    text
}

fn check(world: &World, query: &str, expected: &str) {
    let answer = run(world, &with_ids(query));
    let answer = answer.map(|json| json.write());
    assert_eq!(answer, Ok(with_ids(expected)), "{query}");
}

fn refused(world: &World, query: &str, at: &str, why: &str) {
    let error = run(world, &with_ids(query)).expect_err(query);
    let place = error.at().map(ToString::to_string);
    assert_eq!(place.as_deref(), Some(at), "{query}: {error}");
    assert!(error.to_string().contains(why), "{query}: {error}");
}

#[test]
fn from_names_a_collection_a_predicate_or_subjects() {
    let world = small();
    for (from, expected) in [
        (r#""chat""#, r#"[{"_id":C2},{"_id":C1},{"_id":C0}]"#),
        (r#""person/age""#, r#"[{"_id":P1},{"_id":P0}]"#),
        (r#""person/follows""#, r#"[{"_id":P1},{"_id":P0}]"#),
        (r#""person/mood""#, r#"[{"_id":P0}]"#),
        (r#""person/extra""#, r#"[{"_id":P2}]"#),
        ("P1", r#"[{"_id":P1}]"#),
        ("400", "[]"),
        ("-3", "[]"),
        ("18446744073709551615", "[]"),
        (r#"["person/handle","jdoe"]"#, r#"[{"_id":P0}]"#),
        (r#"["person/handle","nobody"]"#, "[]"),
        (
            r#"[P0,["person/handle","zsmith"],C0,P1,401,["person/handle","nobody"]]"#,
            r#"[{"_id":C0},{"_id":P1},{"_id":P0}]"#,
        ),
        ("[]", "[]"),
        (r#""_tx""#, "[]"),
        (r#""_block""#, "[]"),
    ] {
        check(
            &world,
            &format!(r#"{{"select":["_id"],"from":{from}}}"#),
            expected,
        );
        check(
            &world,
            &format!(r#"{{"selectDistinct":["_id"],"from":{from}}}"#),
            expected,
        );
    }
    for (from, at, why) in [
        (r#""apples""#, "/from", "no collection `apples`"),
        (
            r#""person/apples""#,
            "/from",
            "no predicate `person/apples`",
        ),
        (r#""_auth/password""#, "/from", "no predicate"),
        (r#"["person/apples","a"]"#, "/from/0", "no predicate"),
        (r#"["person/age",25]"#, "/from/0", "not unique"),
        (r#"["person/handle",null]"#, "/from/1", "expected a string"),
        (r#"["person/handle"]"#, "/from", "named by"),
        ("[P0,null]", "/from/1", "named by"),
        ("null", "/from", "`from` is"),
        ("1.5", "/from", "`from` is"),
        ("{}", "/from", "`from` is"),
    ] {
        refused(
            &world,
            &format!(r#"{{"select":["_id"],"from":{from}}}"#),
            at,
            why,
        );
    }
}

#[test]
fn errors_have_their_own_kinds() {
    let world = small();
    let error = |query: &str| run(&world, query).unwrap_err();
    let apples = error(r#"{"select":["*"],"from":"apples"}"#);
    assert!(matches!(apples, Error::InvalidCollection { .. }));
    let identity = error(r#"{"select":["*"],"from":["a/b","c"]}"#);
    assert!(matches!(identity, Error::InvalidIdentity { .. }));
    assert!(matches!(error("{"), Error::Json { .. }));
    assert!(matches!(
        error(r#"{"from":"a","from":"b"}"#),
        Error::Json { .. }
    ));
}

#[test]
fn a_subject_is_told_as_it_is_selected() {
    let world = small();
    for (from, select, expected) in [
        (
            "P0",
            r#"["*"]"#,
            r#"[{"_id":P0,"person/handle":"jdoe","person/age":25,"person/follows":[{"_id":P1},{"_id":P2}],"person/active":true,"person/favNums":[-2,0,12],"person/mood":"happy","person/score":0.1}]"#,
        ),
        (
            "P1",
            r#"["person/favNums","person/best"]"#,
            r#"[{"_id":P1,"person/favNums":[5],"person/best":{"_id":P0}}]"#,
        ),
        (
            "P2",
            r#"["extra","handle","age"]"#,
            r#"[{"_id":P2,"extra":"{\"a\":1}","handle":"it's"}]"#,
        ),
        (
            "[P2,C0]",
            r#"["handle","message"]"#,
            r#"[{"_id":C0,"message":"hi"},{"_id":P2,"handle":"it's"}]"#,
        ),
        ("P2", r#"["chat/message","nothing"]"#, r#"[{"_id":P2}]"#),
        ("P2", "[]", r#"[{"_id":P2}]"#),
        (
            "C0",
            r#"["*",{"chat/person":["handle"]}]"#,
            r#"[{"_id":C0,"chat/message":"hi","chat/instant":1000,"chat/person":{"_id":P0,"handle":"jdoe"}}]"#,
        ),
        (
            "C0",
            r#"[{"person":["person/age"],"chat/message":[]}]"#,
            r#"[{"_id":C0,"person":{"_id":P0,"person/age":25},"chat/message":"hi"}]"#,
        ),
        (
            "C0",
            r#"[{"chat/person":[]}]"#,
            r#"[{"_id":C0,"chat/person":{"_id":P0}}]"#,
        ),
        (
            "P0",
            r#"["chat/_person"]"#,
            r#"[{"_id":P0,"chat/_person":[{"_id":C1},{"_id":C0}]}]"#,
        ),
        (
            "P1",
            r#"[{"chat/_person":["message"]}]"#,
            r#"[{"_id":P1,"chat/_person":[{"_id":C2,"message":"ho"}]}]"#,
        ),
        ("P2", r#"["chat/_person"]"#, r#"[{"_id":P2}]"#),
        (
            "P0",
            r#"[{"mood":["_tag/id"]}]"#,
            r#"[{"_id":P0,"mood":{"_id":HAPPY,"_tag/id":"person/mood:happy"}}]"#,
        ),
        (
            "P0",
            r#"[{"mood":[{"_as":"m"}]}]"#,
            r#"[{"_id":P0,"m":"happy"}]"#,
        ),
        ("P1", r#"[{"age":["x"]}]"#, r#"[{"_id":P1,"age":63}]"#),
        (
            r#"["_auth/id","ann"]"#,
            r#"["*","_auth/password"]"#,
            r#"[{"_id":105553116267497,"_auth/id":"ann"}]"#,
        ),
    ] {
        check(
            &world,
            &format!(r#"{{"select":{select},"from":{from}}}"#),
            expected,
        );
    }
    for (select, at, why) in [
        (r#""*""#, "/select", "an array"),
        ("[1]", "/select/0", "expected"),
        ("[{}]", "/select/0", "expected"),
        (
            r#"["chat/apples"]"#,
            "/select/0",
            "no predicate `chat/apples`",
        ),
        (r#"["chat/_message"]"#, "/select/0", "no ref"),
        (r#"["chat/_apples"]"#, "/select/0", "no predicate"),
        (
            r#"[{"person/age":["*"]}]"#,
            "/select/0/person~1age",
            "no ref",
        ),
        (
            r#"[{"chat/person":["person/x"]}]"#,
            "/select/0/chat~1person/0",
            "no predicate",
        ),
        (r#"["_x"]"#, "/select/0", "no predicate's name"),
        (r#"["?x"]"#, "/select/0", "no predicate's name"),
        (r#"[""]"#, "/select/0", "no predicate's name"),
        (r#"["a","a"]"#, "/select/1", "twice"),
        (r#"["a",{"b":[{"_as":"a"}]}]"#, "/select/1/b", "twice"),
        (r#"[{"*":[]}]"#, "/select/0/*", "no array"),
        (r#"[{"_limit":1}]"#, "/select/0/_limit", "opts"),
        (
            r#"[{"a":[{"_size":1}]}]"#,
            "/select/0/a/0/_size",
            "no option `_size`",
        ),
        (
            r#"[{"a":[{"_limit":-1}]}]"#,
            "/select/0/a/0/_limit",
            "0 or more",
        ),
        (
            r#"[{"a":[{"_as":"_id"}]}]"#,
            "/select/0/a/0/_as",
            "other than",
        ),
        (
            r#"[{"a":[{"_compact":1}]}]"#,
            "/select/0/a/0/_compact",
            "true or false",
        ),
        (
            r#"[{"a":[{"_component":1}]}]"#,
            "/select/0/a/0/_component",
            "true or false",
        ),
        (
            r#"[{"a":[{"_orderBy":"person/x"}]}]"#,
            "/select/0/a/0/_orderBy",
            "no predicate",
        ),
        (r#"[{"a":"b"}]"#, "/select/0/a", "an array"),
    ] {
        refused(
            &world,
            &format!(r#"{{"select":{select},"from":"chat"}}"#),
            at,
            why,
        );
    }
}

#[test]
fn options_inside_a_crawl_bound_order_and_rename_it() {
    let world = small();
    for (from, select, expected) in [
        (
            "P0",
            r#"[{"favNums":[{"_limit":1,"_offset":1}]}]"#,
            r#"[{"_id":P0,"favNums":[0]}]"#,
        ),
        ("P0", r#"[{"favNums":[{"_limit":0}]}]"#, r#"[{"_id":P0}]"#),
        (
            "P0",
            r#"[{"follows":["handle",{"_limit":1},{"_as":"f"}]}]"#,
            r#"[{"_id":P0,"f":[{"_id":P1,"handle":"zsmith"}]}]"#,
        ),
        (
            "P0",
            r#"[{"follows":["handle",{"_orderBy":"handle"}]}]"#,
            r#"[{"_id":P0,"follows":[{"_id":P2,"handle":"it's"},{"_id":P1,"handle":"zsmith"}]}]"#,
        ),
        (
            "P0",
            r#"[{"follows":[{"_orderBy":["DESC","person/age"]}]}]"#,
            r#"[{"_id":P0,"follows":[{"_id":P1},{"_id":P2}]}]"#,
        ),
        (
            "P0",
            r#"[{"follows":[{"_orderBy":["DESC","_id"],"_limit":1}]}]"#,
            r#"[{"_id":P0,"follows":[{"_id":P2}]}]"#,
        ),
        (
            "P0",
            r#"[{"chat/_person":["chat/message",{"_orderBy":"message","_offset":1}]}]"#,
            r#"[{"_id":P0,"chat/_person":[{"_id":C1,"chat/message":"yo"}]}]"#,
        ),
        (
            "P0",
            r#"[{"chat/_person":["chat/message",{"_compact":true,"_limit":1}]}]"#,
            r#"[{"_id":P0,"chat/_person":[{"_id":C1,"message":"yo"}]}]"#,
        ),
    ] {
        check(
            &world,
            &format!(r#"{{"select":{select},"from":{from}}}"#),
            expected,
        );
    }
    for (select, expected) in [
        (
            r#"["person/age",{"chat/_person":["chat/message"]}]"#,
            r#"[{"_id":P1,"age":63,"chat":[{"_id":C2,"message":"ho"}]}]"#,
        ),
        (
            r#"["*"]"#,
            r#"[{"_id":P1,"handle":"zsmith","age":63,"follows":[{"_id":P0}],"favNums":[5],"best":{"_id":P0}}]"#,
        ),
        (
            r#"[{"person/best":["person/age","chat/_person","chat/_to",{"_as":"x"}]}]"#,
            r#"[{"_id":P1,"x":{"_id":P0,"age":25,"chat":[{"_id":C1},{"_id":C0}],"chat/_to":[{"_id":C2}]}}]"#,
        ),
        (
            r#"[{"person/best":["person/age",{"_compact":false}]}]"#,
            r#"[{"_id":P1,"best":{"_id":P0,"person/age":25}}]"#,
        ),
    ] {
        check(
            &world,
            &format!(r#"{{"select":{select},"from":P1,"compact":true}}"#),
            expected,
        );
    }
}

#[test]
fn recur_goes_on_until_its_depth_or_a_subject_seen_before() {
    let world = small();
    for (recur, expected) in [
        (
            0,
            r#"[{"_id":P0,"follows":[{"_id":P1,"age":63},{"_id":P2}]}]"#,
        ),
        (
            1,
            r#"[{"_id":P0,"follows":[{"_id":P1,"age":63,"follows":[{"_id":P0}]},{"_id":P2}]}]"#,
        ),
        (
            9,
            r#"[{"_id":P0,"follows":[{"_id":P1,"age":63,"follows":[{"_id":P0}]},{"_id":P2}]}]"#,
        ),
    ] {
        let query =
            format!(r#"{{"select":[{{"follows":["age",{{"_recur":{recur}}}]}}],"from":P0}}"#);
        check(&world, &query, expected);
    }
    let chain: Vec<_> = (0..9)
        .map(|n| (person(n), BEST, Value::Ref(person(n + 1))))
        .collect();
    let world = self::world(chain);
    let query = r#"{"select":[{"best":[{"_recur":2},"nothing"]}],"from":P0}"#;
    let answer = run(&world, &with_ids(query)).unwrap().write();
    assert_eq!(answer.matches("best").count(), 3, "{answer}");
    assert_eq!(answer.matches("_id").count(), 4, "{answer}");
}

#[test]
fn where_keeps_what_satisfies_it() {
    let world = small();
    for (filter, expected) in [
        ("age = 25", "[0]"),
        ("person/age > 25", "[1]"),
        ("age >= 25", "[1,0]"),
        ("age < 63", "[0]"),
        ("age <= 63", "[1,0]"),
        ("age not= 25", "[1]"),
        ("age != 63", "[0]"),
        ("handle = \\\"it's\\\"", "[2]"),
        ("handle > 'jdoe'", "[1]"),
        ("handle = 'nobody'", "[]"),
        ("active = true", "[0]"),
        ("active not= true", "[2]"),
        ("favNums > 4", "[1,0]"),
        ("favNums not= 5", "[0]"),
        ("favNums > 4 AND favNums < 0", "[0]"),
        ("age > 20 AND favNums = 5", "[1]"),
        ("age > 20 AND active not= true", "[]"),
        ("age = 25 OR active = false", "[2,0]"),
        ("age = 1 OR handle = 'zsmith' OR handle = 'zsmith'", "[1]"),
        ("age not= 1 OR handle = 'zsmith'", "[1,0]"),
        ("mood = 'happy'", "[0]"),
        ("mood = 'person/mood:happy'", "[0]"),
        ("mood = 'sad'", "[]"),
        ("mood not= 'sad'", "[0]"),
        ("mood not= 'happy'", "[]"),
        ("best = P0", "[1]"),
        ("follows not= P1", "[1,0]"),
        ("best = 9007199254740993", "[]"),
        ("score = 0.1", "[0]"),
        ("score > 0", "[0]"),
        ("chat/message = 'hi'", "[]"),
    ] {
        let numbers = Json::read(expected).unwrap();
        let Json::Array(numbers) = numbers else {
            panic!()
        };
        let rows: Vec<_> = numbers
            .iter()
            .map(|n| format!(r#"{{"_id":P{}}}"#, n.write()))
            .collect();
        let expected = format!("[{}]", rows.join(","));
        check(
            &world,
            &format!(r#"{{"select":["_id"],"from":"person","where":"{filter}"}}"#),
            &expected,
        );
    }
    let everywhere = r#"{"select":["_id"],"where":"person/age > 1 OR chat/message = 'yo'"}"#;
    check(&world, everywhere, r#"[{"_id":C1},{"_id":P1},{"_id":P0}]"#);
    let having = r#"{"select":["_id"],"from":"person/best","where":"person/age > 1"}"#;
    check(&world, having, r#"[{"_id":P1}]"#);
    let having = r#"{"select":["_id"],"from":"person/favNums","where":"person/age not= 63"}"#;
    check(&world, having, r#"[{"_id":P0}]"#);
    let listed = r#"{"select":["_id"],"from":[P0,P2,C1],"where":"person/age > 1"}"#;
    check(&world, listed, r#"[{"_id":P0}]"#);
    let instant = r#"{"select":["_id"],"from":"chat","where":"instant >= '1970-01-01T00:00:02Z'"}"#;
    check(&world, instant, r#"[{"_id":C1}]"#);
    for (filter, why) in [
        ("note = 'a'", "not indexed"),
        ("extra = 'a'", "not indexed"),
        ("apples = 1", "no predicate `apples`"),
        ("_auth/password = 'a'", "no predicate"),
        ("age = 'a'", "expected an int"),
        ("age > 2.5", "expected an int"),
        ("best > P0", "no order"),
        ("best = 'a'", "expected a ref"),
        ("mood = 5", "expected a tag"),
        ("age = 1 AND age = 2 OR age = 3", "not both"),
        ("age", "at byte 3"),
    ] {
        refused(
            &world,
            &format!(r#"{{"select":["_id"],"from":"person","where":"{filter}"}}"#),
            "/where",
            why,
        );
    }
    refused(
        &world,
        r#"{"select":["_id"],"from":"person/age","where":"age = 1"}"#,
        "/where",
        "collection's name",
    );
}

#[test]
fn rows_are_ordered_and_paged() {
    let world = small();
    for (options, expected) in [
        ("", "[2,1,0]"),
        (r#","limit":2"#, "[2,1]"),
        (r#","limit":0"#, "[]"),
        (r#","limit":1,"offset":1"#, "[1]"),
        (r#","offset":9"#, "[]"),
        (r#","orderBy":"age""#, "[0,1,2]"),
        (r#","orderBy":["DESC","person/age"]"#, "[1,0,2]"),
        (r#","orderBy":["ASC","_id"]"#, "[0,1,2]"),
        (r#","orderBy":"handle","limit":1,"offset":1"#, "[0]"),
        (r#","orderBy":"handle","offset":9"#, "[]"),
        (r#","orderBy":"mood""#, "[0,2,1]"),
        (r#","orderBy":"favNums""#, "[0,1,2]"),
        (r#","orderBy":["DESC","favNums"]"#, "[0,1,2]"),
        (r#","orderBy":"chat/message""#, "[2,1,0]"),
        (
            r#","limit":3,"opts":{"limit":1,"offset":2,"prettyPrint":true}"#,
            "[0]",
        ),
    ] {
        let Json::Array(numbers) = Json::read(expected).unwrap() else {
            panic!()
        };
        let rows: Vec<_> = numbers
            .iter()
            .map(|n| format!(r#"{{"_id":P{}}}"#, n.write()))
            .collect();
        check(
            &world,
            &format!(r#"{{"select":["_id"],"from":"person"{options}}}"#),
            &format!("[{}]", rows.join(",")),
        );
        let first = rows.first().map_or("null", String::as_str);
        check(
            &world,
            &format!(r#"{{"selectOne":["_id"],"from":"person"{options}}}"#),
            first,
        );
    }
    for (options, at, why) in [
        (r#""orderBy":"apples""#, "/orderBy", "no predicate"),
        (r#""orderBy":"_auth/password""#, "/orderBy", "no predicate"),
        (r#""orderBy":["UP","age"]"#, "/orderBy", "an order is"),
        (r#""orderBy":5"#, "/orderBy", "an order is"),
        (r#""limit":-1"#, "/limit", "0 or more"),
        (r#""limit":"1""#, "/limit", "0 or more"),
        (r#""offset":1.0"#, "/offset", "0 or more"),
        (r#""compact":1"#, "/compact", "true or false"),
        (
            r#""opts":{"prettyPrint":1}"#,
            "/opts/prettyPrint",
            "true or false",
        ),
        (r#""opts":{"apples":1}"#, "/opts/apples", "no `apples`"),
        (
            r#""opts":{"from":1}"#,
            "/opts/from",
            "stands in the query itself",
        ),
        (r#""opts":1"#, "/opts", "an object"),
        (r#""apples":1"#, "/apples", "no `apples`"),
        (r#""component":1"#, "/component", "true or false"),
        (r#""groupBy":"?a""#, "/groupBy", "array of clauses"),
        (r#""vars":{}"#, "/vars", "array of clauses"),
        (r#""where":[]"#, "/from", "no `from`"),
        (r#""where":5"#, "/where", "a text"),
        (r#""selectOne":["*"]"#, "/selectOne", "one of"),
        (r#""block":1.5"#, "/block", "a block is"),
    ] {
        refused(
            &world,
            &format!(r#"{{"select":["_id"],"from":"person",{options}}}"#),
            at,
            why,
        );
    }
    refused(&world, r#"{"select":["*"]}"#, "", "`from`, `where`");
    refused(&world, r#"{"from":"person"}"#, "", "`select`");
    refused(&world, "[]", "", "an object");
}

#[test]
fn blocks_are_subjects_and_the_newest_is_the_lowest_id() {
    let block = |n| SubjectId::of_block(T(n));
    let number = |n| (block(n), predicate::BLOCK_NUMBER, n);
    let facts = [number(1), number(2), number(3)];
    let facts = facts.map(|(s, p, n)| (s, p, Value::Int(i64::try_from(n).unwrap())));
    let id = (block(2), predicate::TX_ID, Value::string("ab"));
    let world = world(facts.into_iter().chain([id]).collect());
    check(
        &world,
        r#"{"select":["number","id"],"from":[-1,-3,-2]}"#,
        r#"[{"_id":-3,"number":3},{"_id":-2,"number":2,"id":"ab"},{"_id":-1,"number":1}]"#,
    );
    check(
        &world,
        r#"{"select":["_block/number"],"from":[-1,-3],"orderBy":["ASC","number"]}"#,
        r#"[{"_id":-1,"_block/number":1},{"_id":-3,"_block/number":3}]"#,
    );
    check(&world, r#"{"selectOne":["*"],"from":-9}"#, "null");
}

#[test]
fn a_query_says_which_moment_it_asks_about() {
    let when = |block: &str| {
        let query = format!(r#"{{"select":["*"],"from":"a"{block}}}"#);
        Query::parse(&query).unwrap().when()
    };
    assert_eq!(when(""), None);
    assert_eq!(when(r#","block":-3"#), Some(When::Block(T(3))));
    assert_eq!(when(r#","block":"PT1S""#), Some(When::AgoMs(1_000)));
}

#[test]
fn a_crawl_may_be_so_deep_and_no_deeper() {
    let world = small();
    let nested = |levels: usize, recur: usize| {
        let mut select = format!(r#"["a",{{"_recur":{recur}}}]"#);
        for level in (0..levels).rev() {
            let more = if level == 0 { "" } else { r#","b""# };
            select = format!(r#"[{{"chat/person":{select}}}{more}]"#);
        }
        format!(r#"{{"select":{select},"from":"chat"}}"#)
    };
    assert!(run(&world, &nested(CRAWL_DEPTH_MAX, 0)).is_ok());
    assert!(run(&world, &nested(1, CRAWL_DEPTH_MAX - 1)).is_ok());
    for query in [nested(CRAWL_DEPTH_MAX + 1, 0), nested(1, CRAWL_DEPTH_MAX)] {
        let error = run(&world, &query).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Limit {
                    max: CRAWL_DEPTH_MAX,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.at().unwrap().as_str(), "/select");
    }
}

#[test]
fn an_answer_may_have_so_many_objects_and_no_more() {
    let rows = u64::try_from(QUERY_ROWS_MAX).unwrap();
    let data = |extra: u64| {
        let ages = (0..rows - 1 + extra).map(|n| (person(n), AGE, Value::Int(1)));
        let best = (person(0), BEST, Value::Ref(person(1)));
        world(ages.chain([best]).collect())
    };
    // All rows but one, and one object in a row; then one row more.
    let all = r#"{"select":["best"],"from":"person"}"#;
    let ordered = r#"{"select":[],"from":"person","orderBy":"age"}"#;
    let is_limit = |answer: Result<Json, Error>| {
        matches!(
            answer,
            Err(Error::Limit {
                max: QUERY_ROWS_MAX,
                ..
            })
        )
    };
    assert!(run(&data(0), all).is_ok());
    let world = data(1);
    assert!(is_limit(run(&world, all)));
    assert!(run(&world, ordered).is_ok());
    assert!(
        run(
            &world,
            r#"{"select":["best"],"from":"person","limit":99999}"#
        )
        .is_ok()
    );
    assert!(is_limit(run(&data(2), ordered)));
}

#[test]
fn every_fact_visited_is_a_step_and_a_spent_budget_is_an_error() {
    let world = small();
    let query = Query::parse(r#"{"select":["*"],"from":"person"}"#).unwrap();
    let ample = Budget::new(1_000, None);
    query
        .run(&world.facts, &world.schema, ASKED, &ample)
        .unwrap();
    assert!(ample.spent() >= 18);
    for max in 0..ample.spent() {
        let answer = query.run(&world.facts, &world.schema, ASKED, &Budget::new(max, None));
        assert!(matches!(answer, Err(Error::Facts(_))), "{max}");
    }
    let exact = Budget::new(ample.spent(), None);
    assert!(
        query
            .run(&world.facts, &world.schema, ASKED, &exact)
            .is_ok()
    );
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a, X>(&mut self, of: &'a [X]) -> &'a X {
        let bound = u64::try_from(of.len()).unwrap();
        &of[usize::try_from(self.below(bound)).unwrap()]
    }
}

#[test]
fn a_query_has_so_many_clauses_and_columns_and_no_more() {
    let world = small();
    let query = |clauses: usize, columns: usize| {
        let clause = r#"["?p","person/handle","?h"]"#;
        format!(
            r#"{{"selectOne":[{}],"where":[{}]}}"#,
            vec![r#""?h""#; columns].join(","),
            vec![clause; clauses].join(",")
        )
    };
    assert!(run(&world, &query(QUERY_CLAUSES_MAX, QUERY_SELECT_MAX)).is_ok());
    let most = QUERY_CLAUSES_MAX.to_string();
    refused(&world, &query(QUERY_CLAUSES_MAX + 1, 1), "/where", &most);
    let most = QUERY_SELECT_MAX.to_string();
    let more = query(1, QUERY_SELECT_MAX + 1);
    refused(&world, &more, "/selectOne", &most);
    let ordered = |orders: usize| {
        let orders = vec![r#""?h""#; orders].join(",");
        format!(r#"{{"select":"?h","where":[["?p","person/handle","?h"]],"orderBy":[{orders}]}}"#)
    };
    assert!(run(&world, &ordered(QUERY_ORDERS_MAX)).is_ok());
    let most = QUERY_ORDERS_MAX.to_string();
    refused(&world, &ordered(QUERY_ORDERS_MAX + 1), "/orderBy", &most);
}

#[test]
fn what_clauses_bind_and_tell_is_paid_so_a_query_bomb_ends() {
    // A thousand subjects, one of them with a long text.
    let mut data: Vec<_> = (0..1_000)
        .map(|n| (person(n), AGE, Value::Int(1)))
        .collect();
    data.push((person(0), NOTE, Value::string(&"a".repeat(100_000))));
    let world = world(data);
    let steps = |query: &str| {
        let budget = Budget::new(1_000_000, None);
        let run = Query::parse(query).unwrap();
        let answer = run.run(&world.facts, &world.schema, ASKED, &budget);
        (answer, budget.spent())
    };
    for bomb in [
        // A cross product: a thousand millions of rows.
        r#"{"select":"?a","where":[["?a","person/age","?x"],["?b","person/age","?y"],["?c","person/age","?z"]]}"#,
        // The same by a value that all share.
        r#"{"selectOne":"?a","where":[["?a","person/age","?x"],["?b","person/age","?x"],["?c","person/age","?x"]]}"#,
        // A long text told a thousand times: a hundred megabytes.
        r#"{"select":["?t","?b"],"where":[["?a","person/note","?t"],["?b","person/age",1]]}"#,
        r#"{"select":{"?a":["note"]},"where":[["?a","person/note",null],["?b","person/age",1]]}"#,
    ] {
        let (answer, spent) = steps(bomb);
        let ended = answer.expect_err(bomb).to_string();
        assert!(ended.contains("1000000"), "{bomb}: {ended}");
        assert!(spent < 1_100_000, "{bomb}: {spent}");
    }
    // What is joined by a subject is read from its row, however it is written.
    let star = r#"{"select":"?a","where":[["?a","person/note",null],["?a","person/age","?x"],["?a","person/age",1]]}"#;
    let (answer, spent) = steps(star);
    assert!(answer.is_ok());
    assert!(spent < 20_000, "{spent}");
}

/// The seed of a random test: `SOLON_SEED`, or a fixed one. It is printed, so that a failure can be repeated.
fn seed(test: &str) -> u64 {
    let seed = std::env::var("SOLON_SEED")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(5_010);
    tell_repeat(test, seed);
    seed
}

fn tell_repeat(test: &str, seed: u64) {
    println!(
        "repeat with: SOLON_SEED={seed} cargo test --no-default-features --lib query::tests::{test}"
    );
}

/// Calls a random test with so many seeds, or with `SOLON_SEED` alone, each of which is printed before.
fn each_seed(test: &str, count: u64, mut run: impl FnMut(u64)) {
    let given = std::env::var("SOLON_SEED").ok();
    let seeds = match given.and_then(|it| it.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    for seed in seeds {
        tell_repeat(test, seed);
        run(seed);
    }
}

/// What a random subject has, so plainly that it can be compared with a loop.
#[derive(Clone, Default)]
struct Plain {
    age: Option<i64>,
    handle: Option<String>,
    nums: Vec<i64>,
    active: Option<bool>,
}

/// Whether a term holds.
type Holds = Box<dyn Fn(&Plain) -> bool>;

/// A term of a random `where`, and whether it holds.
fn random_term(random: &mut Random) -> (String, Holds) {
    let sign = *random.pick(&["=", "not=", "<", "<=", ">", ">="]);
    let compare = move |order: std::cmp::Ordering| match sign {
        "=" => order.is_eq(),
        "not=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    };
    let number = i64::try_from(random.below(8)).unwrap();
    match random.below(4) {
        0 => (
            format!("age {sign} {number}"),
            Box::new(move |it| it.age.is_some_and(|age| compare(age.cmp(&number)))),
        ),
        1 => {
            let wanted = format!("h{number}");
            (
                format!("person/handle {sign} '{wanted}'"),
                Box::new(move |it| {
                    it.handle
                        .as_ref()
                        .is_some_and(|it| compare(it.cmp(&wanted)))
                }),
            )
        }
        2 => (
            format!("favNums {sign} {number}"),
            Box::new(move |it| it.nums.iter().any(|it| compare(it.cmp(&number)))),
        ),
        _ => (
            format!("active {sign} true"),
            Box::new(move |it| it.active.is_some_and(|it| compare(it.cmp(&true)))),
        ),
    }
}

#[test]
fn random_queries_answer_as_a_loop_over_everything_does() {
    let mut random = Random(seed("random_queries_answer_as_a_loop_over_everything_does"));
    for _ in 0..40 {
        let mut plain = Vec::new();
        let mut data = Vec::new();
        for n in 0..random.below(40) {
            let s = person(n);
            let mut it = Plain::default();
            // There is one of each handle.
            if random.below(2) == 0 && n < 10 {
                data.push((s, HANDLE, Value::string(&format!("h{n}"))));
                it.handle = Some(format!("h{n}"));
            }
            if random.below(3) > 0 {
                let age = i64::try_from(random.below(8)).unwrap();
                data.push((s, AGE, Value::Int(age)));
                it.age = Some(age);
            }
            for number in 0..8 {
                if random.below(4) == 0 {
                    data.push((s, NUMS, Value::Int(number)));
                    it.nums.push(number);
                }
            }
            if random.below(2) == 0 {
                let active = random.below(2) == 0;
                data.push((s, ACTIVE, Value::Boolean(active)));
                it.active = Some(active);
            }
            plain.push((n, it));
        }
        plain.retain(|(_, it)| {
            it.age.is_some() || it.handle.is_some() || !it.nums.is_empty() || it.active.is_some()
        });
        plain.reverse();
        let world = world(data);
        for _ in 0..50 {
            random_query(&mut random, &world, &plain);
        }
    }
}

fn random_query(random: &mut Random, world: &World, plain: &[(u64, Plain)]) {
    let mut query = r#"{"select":["_id"],"from":"person""#.to_owned();
    let mut expected: Vec<&(u64, Plain)> = plain.iter().collect();
    let terms: Vec<_> = (0..random.below(4)).map(|_| random_term(random)).collect();
    if !terms.is_empty() {
        let is_and = random.below(2) == 0;
        let texts: Vec<_> = terms.iter().map(|(text, _)| text.as_str()).collect();
        let text = texts.join(if is_and { " AND " } else { " OR " });
        query = format!(r#"{query},"where":"{text}""#);
        expected.retain(|(_, it)| {
            if is_and {
                terms.iter().all(|(_, holds)| holds(it))
            } else {
                terms.iter().any(|(_, holds)| holds(it))
            }
        });
    }
    let none_last = |key: Option<i64>, down: bool| match key {
        Some(key) => (0, if down { -key } else { key }),
        None => (1, 0),
    };
    match random.below(5) {
        0 => {
            query.push_str(r#","orderBy":"age""#);
            expected.sort_by_key(|(_, it)| none_last(it.age, false));
        }
        1 => {
            query.push_str(r#","orderBy":["DESC","person/age"]"#);
            expected.sort_by_key(|(_, it)| none_last(it.age, true));
        }
        2 => {
            query.push_str(r#","orderBy":["DESC","favNums"]"#);
            expected.sort_by_key(|(_, it)| none_last(it.nums.iter().max().copied(), true));
        }
        _ => {}
    }
    let offset = random.below(6);
    if random.below(2) == 0 {
        query = format!(r#"{query},"offset":{offset}"#);
        let offset = usize::try_from(offset).unwrap().min(expected.len());
        expected.drain(..offset);
    }
    let limit = random.below(12);
    if random.below(2) == 0 {
        query = format!(r#"{query},"opts":{{"limit":{limit}}}"#);
        expected.truncate(usize::try_from(limit).unwrap());
    }
    query.push('}');
    let rows: Vec<_> = expected
        .iter()
        .map(|(n, _)| format!(r#"{{"_id":{}}}"#, person(*n)))
        .collect();
    let answer = run(world, &query).map(|it| it.write());
    assert_eq!(answer, Ok(format!("[{}]", rows.join(","))), "{query}");
}

#[test]
fn any_double_is_read_as_it_was_written() {
    let mut random = Random(seed("any_double_is_read_as_it_was_written"));
    for _ in 0..20_000 {
        let number = f64::from_bits(random.next());
        if number.is_finite() {
            let json = Json::Double(number);
            assert_eq!(Json::read(&json.write()), Ok(json));
        }
    }
}

#[test]
fn any_bytes_and_any_change_of_a_query_return() {
    let mut random = Random(seed("any_bytes_and_any_change_of_a_query_return"));
    let world = small();
    let queries = [
        r#"{"select":["*",{"person/follows":["handle",{"_recur":3,"_limit":2}]}],"from":"person","where":"age > 20 AND handle not= 'x'","block":-4,"opts":{"limit":10,"offset":0,"orderBy":["DESC","person/age"],"compact":true}}"#,
        r#"{"selectOne":["_id","chat/_person",{"chat/_person":["*",{"_as":"c","_orderBy":"message"}]}],"from":["person/handle","jdoe"],"block":"PT5M"}"#,
        r#"{"select":[{"person":[]}],"from":[369435906932736,["person/handle","zsmith"]],"where":"chat/message = \"hi\" OR person/active = true"}"#,
        r##"{"select":["?h","(as (sum ?n) ?s)","(max 2 (distinct ?n))","(abs ?a)"],"where":[["?p","person/handle","?h"],{"optional":[["?p","person/age","?a"]]},["?p","person/favNums","#(> ?n -9)"],["?b","#(+ ?n 1)"],{"filter":["(&& (re-find \"a|e\" ?h) (< ?b 99))"]}],"groupBy":["?h"],"having":"(> (count ?n) 0)","orderBy":["DESC","?s"]}"##,
        r##"{"select":"(groupconcat ?h \",\")","where":[["?p","person/handle","?h"],["?m","#(max ?h)"]],"filter":["(! (= ?h ?m))"],"vars":{"?x":1}}"##,
    ];
    let pieces: [&[u8]; 14] = [
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"_",
        b"/",
        b"9",
        b"\\",
        b" ",
        b"'",
        "é".as_bytes(),
    ];
    let mut answered = 0;
    for round in 0..6_000 {
        let mut bytes = if round % 4 == 0 {
            (0..random.below(40))
                .map(|_| u8::try_from(random.below(256)).unwrap())
                .collect()
        } else {
            random.pick(&queries).as_bytes().to_vec()
        };
        for _ in 0..random.below(4) {
            let length = u64::try_from(bytes.len()).unwrap();
            let at = usize::try_from(random.below(length + 1)).unwrap();
            let end = (at + usize::try_from(random.below(4)).unwrap()).min(bytes.len());
            let piece = *random.pick(&pieces);
            bytes.splice(at..end, piece.iter().copied());
        }
        answered += usize::from(run(&world, &String::from_utf8_lossy(&bytes)).is_ok());
    }
    assert!(answered > 1_000, "{answered}");
}

#[test]
fn the_hidden_is_as_the_absent() {
    // A query cannot tell facts that were never there from facts it is not handed.
    let world = small();
    let mut hidden = Overlay::new(Empty);
    let mut seen = Vec::new();
    for c in [20, 21] {
        let c = CollectionId::new(c).unwrap();
        world
            .facts
            .collection(c, crate::model::Direction::Ascending, None, &mut |fact| {
                if fact.s != person(1) && fact.o.as_ref() != Some(person(1)) {
                    let o = fact.o.to_value();
                    seen.push(Flake {
                        s: fact.s,
                        p: fact.p,
                        o,
                        op: Op::Assert,
                    });
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    hidden.apply(T(1), &seen);
    let view = World {
        facts: hidden,
        schema: world.schema,
    };
    for (query, expected) in [
        (
            r#"{"select":["_id"],"from":"person"}"#,
            r#"[{"_id":P2},{"_id":P0}]"#,
        ),
        (r#"{"select":["_id"],"from":P1}"#, "[]"),
        (
            r#"{"selectOne":["_id"],"from":["person/handle","zsmith"]}"#,
            "null",
        ),
        (
            r#"{"select":["person/follows"],"from":P0}"#,
            r#"[{"_id":P0,"person/follows":[{"_id":P2}]}]"#,
        ),
        (
            r#"{"select":["person"],"from":"chat","limit":1}"#,
            r#"[{"_id":C2}]"#,
        ),
        // The name of the tag is not among the facts.
        (
            r#"{"select":["mood","age"],"from":P0}"#,
            r#"[{"_id":P0,"age":25}]"#,
        ),
    ] {
        check(&view, query, expected);
    }
}
