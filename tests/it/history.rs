//! Block, history and multi-queries beside a list of all flakes that ever were, each judged by rules that are plain
//! functions; what is hidden changes no byte and no bound; and their limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value as Js, json};
use solon::Receipt;
use solon::base::Clock;
use solon::base::limits::{HISTORY_AUTHS_MAX, QUERY_MULTI_MAX, QUERY_ROWS_MAX};
use solon::db::{Database, Error, Options};
use solon::model::system::{ROOT_AUTH, collection, predicate};
use solon::model::{CollectionId, Flake, Incarnation, Op, PredicateId, SubjectId, T, Value};
use solon::query::{Json, flake_json};
use solon::schema::bootstrap;
use solon::store::Store;

use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Db, START_MS, office, rule};

const DOC: u64 = 20;
const TEAM: u64 = 21;
/// The predicates in the order in which they are made.
const NAMES: [&str; 9] = [
    "doc/key",
    "doc/title",
    "doc/owner",
    "doc/next",
    "doc/readers",
    "doc/size",
    "doc/label",
    "doc/again",
    "team/lead",
];
const KEY: PredicateId = PredicateId(1001);
const TITLE: PredicateId = PredicateId(1002);
const OWNER: PredicateId = PredicateId(1003);
const NEXT: PredicateId = PredicateId(1004);
const SIZE: PredicateId = PredicateId(1006);
const LABEL: PredicateId = PredicateId(1007);
const LEAD: PredicateId = PredicateId(1009);

fn subject(c: u64, n: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(c).unwrap(), n).unwrap()
}

/// What holds at one block, by subject.
type State = BTreeMap<SubjectId, BTreeSet<(PredicateId, Value)>>;

fn one(state: &State, s: SubjectId, p: PredicateId) -> Option<&Value> {
    let row = state.get(&s)?;
    row.iter().find(|(of, _)| *of == p).map(|(_, o)| o)
}

type Meaning = fn(&State, SubjectId) -> bool;

/// An auth, and what each of its rules reaches and says.
struct Reader {
    id: &'static str,
    auth: SubjectId,
    rules: Vec<(i16, Option<Vec<PredicateId>>, Meaning)>,
}

/// All that was ever written, and by whom.
struct Plain {
    states: Vec<State>,
    flakes: Vec<(u64, Flake)>,
    authors: Vec<SubjectId>,
}

impl Plain {
    fn new() -> Self {
        let mut plain = Self {
            states: vec![State::new()],
            flakes: Vec::new(),
            authors: vec![ROOT_AUTH],
        };
        plain.add(ROOT_AUTH, bootstrap().unwrap());
        plain
    }

    fn newest(&self) -> u64 {
        u64::try_from(self.states.len() - 1).unwrap()
    }

    fn add(&mut self, author: SubjectId, flakes: Vec<Flake>) {
        let t = self.newest() + 1;
        let mut state = self.states.last().unwrap().clone();
        let mut flakes = flakes;
        flakes.sort();
        for flake in flakes.iter().filter(|it| it.op == Op::Retract) {
            let row = state.get_mut(&flake.s).unwrap();
            assert!(row.remove(&(flake.p, flake.o.clone())));
            if row.is_empty() {
                state.remove(&flake.s);
            }
        }
        for flake in flakes.iter().filter(|it| it.op == Op::Assert) {
            let row = state.entry(flake.s).or_default();
            row.insert((flake.p, flake.o.clone()));
        }
        self.states.push(state);
        self.authors.push(author);
        self.flakes
            .extend(flakes.into_iter().map(|flake| (t, flake)));
    }

    fn root(&mut self, db: &Db, items: &Js) {
        let receipt = db.root(items);
        self.told(ROOT_AUTH, receipt);
    }

    fn told(&mut self, author: SubjectId, receipt: Receipt) {
        assert_eq!(receipt.block.0, self.newest() + 1);
        self.add(author, receipt.flakes);
    }

    fn at(&self, t: u64) -> &State {
        &self.states[usize::try_from(t).unwrap()]
    }

    /// The facts on which the rules must allow beside those of then.
    fn since(&self, s: SubjectId) -> &State {
        let now = self.at(self.newest());
        if now.contains_key(&s) || s.block().is_some() {
            return now;
        }
        let went = self.flakes.iter().rev();
        let went = went.filter(|(_, flake)| flake.s == s && flake.op == Op::Retract);
        let (t, _) = went.max_by_key(|(t, _)| *t).unwrap();
        self.at(t - 1)
    }

    /// Laws 3 and 12.
    fn passes(&self, who: &Reader, t: u64, s: SubjectId, p: PredicateId) -> bool {
        who.rules.iter().any(|(c, of, _)| {
            *c == s.collection().raw() && of.as_ref().is_none_or(|of| of.contains(&p))
        }) && [self.at(t), self.since(s)].into_iter().all(|state| {
            who.rules.iter().any(|(c, of, says)| {
                *c == s.collection().raw()
                    && of.as_ref().is_none_or(|of| of.contains(&p))
                    && says(state, s)
            })
        })
    }

    fn shows(&self, who: &Reader, t: u64, s: SubjectId, p: PredicateId) -> bool {
        match s.collection() {
            collection::PREDICATE | collection::COLLECTION => true,
            collection::TAG => self.at(t).iter().any(|(of, row)| {
                row.iter().any(|(p, o)| {
                    *p == LABEL && *o == Value::Ref(s) && self.passes(who, t, *of, *p)
                })
            }),
            CollectionId::TX => {
                let author = self.authors[usize::try_from(s.block().unwrap().0).unwrap()];
                (author == who.auth && s.block().unwrap().0 <= t) || self.passes(who, t, s, p)
            }
            _ => self.passes(who, t, s, p),
        }
    }

    /// Law 8.
    fn sees(&self, who: &Reader, t: u64, s: SubjectId, p: PredicateId, o: &Value) -> bool {
        if who.auth == ROOT_AUTH {
            return true;
        }
        if !self.shows(who, t, s, p) {
            return false;
        }
        match o {
            Value::Ref(to) if to.collection() != collection::TAG => self
                .at(t)
                .get(to)
                .is_some_and(|row| row.iter().any(|(p, _)| self.shows(who, t, *to, *p))),
            _ => true,
        }
    }

    /// The flakes of a block that are visible.
    fn visible(&self, who: &Reader, t: u64) -> Vec<&Flake> {
        let of_block = self.flakes.iter().filter(|(of, _)| *of == t);
        of_block
            .map(|(_, flake)| flake)
            .filter(|flake| {
                let judged = if flake.op == Op::Assert { t } else { t - 1 };
                self.sees(who, judged, flake.s, flake.p, &flake.o)
            })
            .collect()
    }

    fn sees_author(&self, who: &Reader, t: u64) -> Option<SubjectId> {
        let author = self.authors[usize::try_from(t).unwrap()];
        let s = SubjectId::of_block(T(t));
        let o = Value::Ref(author);
        self.sees(who, t, s, predicate::TX_AUTH, &o)
            .then_some(author)
    }

    /// The subject that a two-tuple names.
    fn named(&self, who: &Reader, p: PredicateId, o: &Value, last: u64) -> Option<SubjectId> {
        let has = self
            .at(last)
            .iter()
            .find(|(s, row)| row.contains(&(p, o.clone())) && self.sees(who, last, **s, p, o));
        if let Some((s, _)) = has {
            return Some(*s);
        }
        let ever = (1..=last).flat_map(|t| self.visible(who, t).into_iter().map(move |f| (t, f)));
        ever.filter(|(_, flake)| flake.p == p && flake.o == *o)
            .map(|(t, flake)| (t, flake.op, flake.s))
            .max()
            .map(|(_, _, s)| s)
    }
}

fn told(t: u64, flakes: &[&Flake]) -> Js {
    let flakes = flakes.iter();
    let flakes = flakes.map(|it| flake_json(it.s, it.p, &it.o, T(t), it.op));
    serde_json::from_str(&Json::Array(flakes.collect()).write()).unwrap()
}

fn ask(db: &Db, auth: &str, query: &Js) -> Js {
    db.ask(auth, query)
}

/// The database, and the list.
fn world(rng: &mut Random) -> (Db, Plain) {
    let db = Db::new();
    let mut plain = Plain::new();
    plain.root(
        &db,
        &json!([
            {"_id": "_collection", "name": "doc"},
            {"_id": "_collection", "name": "team"},
            {"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "doc/title", "type": "string"},
            {"_id": "_predicate", "name": "doc/owner", "type": "ref"},
            {"_id": "_predicate", "name": "doc/next", "type": "ref"},
            {"_id": "_predicate", "name": "doc/readers", "type": "ref", "multi": true},
            {"_id": "_predicate", "name": "doc/size", "type": "int"},
            {"_id": "_predicate", "name": "doc/label", "type": "tag"},
            {"_id": "_predicate", "name": "doc/again", "type": "json", "retractDuplicates": true},
            {"_id": "_predicate", "name": "team/lead", "type": "ref"},
        ]),
    );
    let own = r#"(== (get (?s) "doc/owner") (?user_id))"#;
    let large = r#"(> (get (?s) "doc/size") 2)"#;
    let free = r#"(nil? (get (?s) "team/lead"))"#;
    let query = &["query"];
    let role =
        |id: &str, rules: &[Js]| json!({"_id": format!("_role${id}"), "id": id, "rules": rules});
    plain.root(
        &db,
        &json!([
            role("own", &[rule("own", "doc", &["*"], own, query)]),
            role("open", &[
                rule("open", "doc", &["doc/title", "doc/next", "doc/readers", "doc/label", "doc/key"], "true", query),
                rule("txs", "_tx", &["*"], "true", query),
                rule("auths", "_auth", &["_auth/id"], "true", query),
            ]),
            role("large", &[
                rule("large", "doc", &["*"], large, query),
                rule("free", "team", &["*"], free, query),
                rule("users", "_user", &["_user/username"], "true", query),
            ]),
            {"_id": "_auth$ann", "id": "ann", "roles": ["_role$own"]},
            {"_id": "_auth$cat", "id": "cat", "roles": ["_role$open"]},
            {"_id": "_auth$dan", "id": "dan", "roles": ["_role$large"]},
            {"_id": "_auth$bob", "id": "bob", "roles": [["_role/id", "root"]]},
            {"_id": "_user", "username": "ann", "auth": ["_auth$ann"]},
            {"_id": "_user", "username": "ben"},
        ]),
    );
    for _ in 0..16 + rng.below(16) {
        let items = random_items(rng, &plain);
        let author = ["root", "bob"][rng.index(2)];
        if let Ok(receipt) = db.write(author, &items) {
            let auth = if author == "root" {
                ROOT_AUTH
            } else {
                subject(6, 1004)
            };
            plain.told(auth, receipt);
        }
    }
    (db, plain)
}

/// Who reads, and what their rules mean.
fn readers() -> Vec<Reader> {
    let of = |p: &[PredicateId]| Some(p.to_vec());
    let open = [TITLE, NEXT, PredicateId(1005), LABEL, KEY];
    vec![
        Reader {
            id: "ann",
            auth: subject(6, 1001),
            rules: vec![(20, None, |state, s| {
                one(state, s, OWNER) == Some(&Value::Ref(subject(5, 1001)))
            })],
        },
        Reader {
            id: "cat",
            auth: subject(6, 1002),
            rules: vec![
                (20, of(&open), |_, _| true),
                (-1, None, |_, _| true),
                (6, of(&[predicate::AUTH_ID]), |_, _| true),
            ],
        },
        Reader {
            id: "dan",
            auth: subject(6, 1003),
            rules: vec![
                (
                    20,
                    None,
                    |state, s| matches!(one(state, s, SIZE), Some(Value::Int(size)) if *size > 2),
                ),
                (21, None, |state, s| one(state, s, LEAD).is_none()),
                (5, of(&[predicate::USER_USERNAME]), |_, _| true),
            ],
        },
        Reader {
            id: "root",
            auth: ROOT_AUTH,
            rules: Vec::new(),
        },
    ]
}

fn random_items(rng: &mut Random, plain: &Plain) -> Js {
    let now = plain.at(plain.newest());
    let of = |c: u64| -> Vec<i64> {
        let c = CollectionId::new(c).unwrap();
        let s = now.keys().filter(|s| s.collection() == c);
        s.map(|s| s.raw()).collect()
    };
    let (docs, teams) = (of(DOC), of(TEAM));
    let mut items = Vec::new();
    for n in 0..=rng.below(2) {
        let mut item = json!({"_id": format!("doc${n}")});
        if !docs.is_empty() && !rng.one_in(3) {
            item["_id"] = json!(docs[rng.index(docs.len())]);
        } else {
            item["title"] = json!("new");
        }
        if item["_id"].is_i64() && rng.one_in(5) {
            item["_action"] = json!("delete");
            items.push(item);
            break;
        }
        let mut put = |rng: &mut Random, name: &str, value: Js| {
            if rng.one_in(3) {
                let is_taken_away = rng.one_in(4) && item["_id"].is_i64();
                item[name] = if is_taken_away { Js::Null } else { value };
            }
        };
        let key = json!(format!("k{}", rng.below(6)));
        put(rng, "key", key);
        let title = json!(["one", "two"][rng.index(2)]);
        put(rng, "title", title);
        let owner = json!(subject(5, 1001 + rng.below(2)).raw());
        put(rng, "owner", owner);
        let size = json!(rng.below(5));
        put(rng, "size", size);
        let label = json!(["red", "blue"][rng.index(2)]);
        put(rng, "label", label);
        let again = json!([1, 2][rng.index(2)]);
        put(rng, "again", again);
        if !docs.is_empty() {
            let next = json!(docs[rng.index(docs.len())]);
            put(rng, "next", next);
        }
        if !teams.is_empty() {
            let readers = json!([teams[rng.index(teams.len())], subject(5, 1001).raw()]);
            put(rng, "readers", readers);
        }
        items.push(item);
    }
    match rng.below(6) {
        0 => items.push(json!({"_id": "team", "lead": subject(5, 1002).raw()})),
        1 if !teams.is_empty() => {
            let lead = [Js::Null, json!(subject(5, 1001).raw())][rng.index(2)].clone();
            items.push(json!({"_id": teams[rng.index(teams.len())], "lead": lead}));
        }
        2 => items.push(json!({"_id": "_tx", "doc": "why"})),
        _ => {}
    }
    Js::Array(items)
}

/// The flakes that pretty objects tell.
fn flattened(objects: &Js, op: Op, tags: &BTreeMap<String, SubjectId>) -> BTreeSet<String> {
    let mut flakes = BTreeSet::new();
    for object in objects.as_array().unwrap() {
        for (name, value) in object.as_object().unwrap() {
            if name == "_id" {
                continue;
            }
            let values = match value {
                Js::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            for value in values {
                let value = match &value {
                    Js::Object(to) => to["_id"].clone(),
                    Js::String(tag) if name == "doc/label" => json!(tags[tag].raw()),
                    value => value.clone(),
                };
                flakes.insert(format!("{} {name} {value} {op:?}", object["_id"]));
            }
        }
    }
    flakes
}

fn named_flakes(flakes: &Js, name_of: &dyn Fn(i64) -> String) -> BTreeSet<String> {
    let flakes = flakes.as_array().unwrap().iter();
    flakes
        .map(|it| {
            let op = if it[4] == true {
                Op::Assert
            } else {
                Op::Retract
            };
            let name = name_of(it[1].as_i64().unwrap());
            format!("{} {name} {} {op:?}", it[0], it[2])
        })
        .collect()
}

struct Checked {
    visible: usize,
    hidden: usize,
    /// Histories that told something.
    told: usize,
}

#[test]
fn random_histories_are_those_of_a_plain_list_under_every_view() {
    let mut checked = Checked {
        visible: 0,
        hidden: 0,
        told: 0,
    };
    for seed in seeds(10) {
        let _repeat = Repeat {
            test: "random_histories",
            seed,
        };
        let mut rng = Random::new(seed);
        let (db, plain) = world(&mut rng);
        for who in &readers() {
            check_blocks(&db, &plain, who, &mut checked);
            checked.told += check_histories(&mut rng, &db, &plain, who);
        }
    }
    let Checked {
        visible,
        hidden,
        told,
    } = checked;
    println!("{visible} visible, {hidden} hidden, {told} histories");
    assert!(
        visible > 200 && hidden > 200 && told > 500,
        "{visible} {hidden} {told}"
    );
}

fn check_blocks(db: &Db, plain: &Plain, who: &Reader, checked: &mut Checked) {
    // From the third on there is nothing in a block that these rules and the plain ones judge apart.
    let blocks = ask(db, who.id, &json!({"block": [4]}));
    let blocks = blocks.as_array().unwrap();
    assert_eq!(blocks.len(), usize::try_from(plain.newest() - 3).unwrap());
    let pretty = ask(db, who.id, &json!({"block": [4], "prettyPrint": true}));
    let schema = ask(
        db,
        "root",
        &json!({"select": ["name"], "from": "_predicate"}),
    );
    let name_of = |p: i64| {
        let mut all = schema.as_array().unwrap().iter();
        let of = all.find(|it| it["_id"] == p).unwrap();
        of["name"].as_str().unwrap().to_owned()
    };
    let tags = ask(db, "root", &json!({"select": ["id"], "from": "_tag"}));
    let tags: BTreeMap<String, SubjectId> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let short = it["id"].as_str().unwrap().split_once(':').unwrap().1;
            let s = SubjectId::from_raw(it["_id"].as_i64().unwrap()).unwrap();
            (short.to_owned(), s)
        })
        .collect();
    for (block, t) in blocks.iter().zip(4_u64..) {
        let visible = plain.visible(who, t);
        assert_eq!(block["block"], t);
        assert_eq!(
            block["flakes"],
            told(t, &visible),
            "{} in block {t}",
            who.id
        );
        let alone = ask(db, who.id, &json!({"block": t}));
        assert_eq!(&alone[0], block);
        let all = plain.flakes.iter().filter(|(of, _)| *of == t).count();
        checked.visible += visible.len();
        checked.hidden += all - visible.len();
        let s = SubjectId::of_block(T(t));
        let sees_hash = who.auth == ROOT_AUTH || plain.shows(who, t, s, predicate::BLOCK_HASH);
        for name in ["hash", "prevHash", "instant", "id"] {
            assert_eq!(block.get(name).is_some(), sees_hash, "{name} to {}", who.id);
        }
        let author = plain.sees_author(who, t);
        assert_eq!(block.get("auth").is_some(), author.is_some());
        let pretty = &pretty[usize::try_from(t - 4).unwrap()];
        let mut flat = flattened(&pretty["asserted"], Op::Assert, &tags);
        flat.extend(flattened(&pretty["retracted"], Op::Retract, &tags));
        assert_eq!(flat, named_flakes(&block["flakes"], &name_of), "{pretty}");
    }
}

/// Which flakes are asked for.
type IsMeant = Box<dyn Fn(&Flake) -> bool>;

/// What is asked, and which flakes that means.
struct Asked {
    history: Js,
    first: u64,
    last: u64,
    by: Option<SubjectId>,
    is_meant: IsMeant,
}

impl Asked {
    /// Something of a flake that there was.
    fn random(rng: &mut Random, plain: &Plain, who: &Reader, flake: &Flake) -> Option<Self> {
        let (s, p, o) = (flake.s, flake.p, flake.o.clone());
        let name = name_of(p)?;
        let object = match &o {
            Value::Ref(to) if to.collection() == collection::TAG => return None,
            Value::Json(text) => serde_json::from_str(text).unwrap(),
            _ => told(1, &[flake])[0][2].clone(),
        };
        let newest = plain.newest();
        let (first, last) = match rng.below(3) {
            0 => (1, newest),
            1 => (4 + rng.below(newest - 3), newest),
            _ => {
                let first = 4 + rng.below(newest - 3);
                (first, first + rng.below(newest - first + 1))
            }
        };
        let (history, is_meant): (Js, IsMeant) = match rng.below(6) {
            0 => (json!(s.raw()), Box::new(move |it| it.s == s)),
            1 => (
                json!([s.raw(), name]),
                Box::new(move |it| (it.s, it.p) == (s, p)),
            ),
            2 => (
                json!([s.raw(), name, object]),
                Box::new(move |it| (it.s, it.p, &it.o) == (s, p, &o)),
            ),
            3 => (json!([null, name]), Box::new(move |it| it.p == p)),
            4 => (
                json!([null, name, object]),
                Box::new(move |it| (it.p, &it.o) == (p, &o)),
            ),
            _ => {
                let key = format!("k{}", rng.below(6));
                let s = plain.named(who, KEY, &Value::string(&key), last);
                (json!(["doc/key", key]), Box::new(move |it| Some(it.s) == s))
            }
        };
        Some(Self {
            history,
            first,
            last,
            by: rng.one_in(3).then(|| *rng.pick(&plain.authors)),
            is_meant,
        })
    }

    fn query(&self, rng: &mut Random, newest: u64) -> Js {
        let Self { first, last, .. } = self;
        let mut query = json!({"history": self.history, "showAuth": true});
        if (*first, *last) != (1, newest) || rng.one_in(2) {
            query["block"] = json!([first, last]);
        }
        if let Some(by) = self.by {
            query["auth"] = json!([by.raw()]);
        }
        query
    }

    fn expected(&self, plain: &Plain, who: &Reader) -> Vec<Js> {
        let mut expected = Vec::new();
        for t in (self.first..=self.last).rev() {
            let mut visible = plain.visible(who, t);
            visible.retain(|it| (self.is_meant)(it));
            let author = plain.sees_author(who, t);
            if visible.is_empty() || self.by.is_some_and(|by| author != Some(by)) {
                continue;
            }
            let auth = author.map(|auth| {
                let id = if auth == ROOT_AUTH { "root" } else { "bob" };
                let is_shown = plain.sees(who, t, auth, predicate::AUTH_ID, &Value::string(id));
                json!([
                    auth.raw(),
                    if is_shown {
                        id.to_owned()
                    } else {
                        auth.to_string()
                    }
                ])
            });
            let raw = SubjectId::of_block(T(t)).raw();
            expected.push(json!({"block": t, "t": raw, "flakes": told(t, &visible), "auth": auth}));
        }
        expected
    }
}

/// How many histories told something.
fn check_histories(rng: &mut Random, db: &Db, plain: &Plain, who: &Reader) -> usize {
    let mut histories = 0;
    let recent: Vec<&Flake> = plain
        .flakes
        .iter()
        .filter(|(t, _)| *t > 3)
        .map(|(_, flake)| flake)
        .collect();
    for _ in 0..60 {
        let flake = recent[rng.index(recent.len())];
        let Some(asked) = Asked::random(rng, plain, who, flake) else {
            continue;
        };
        let query = asked.query(rng, plain.newest());
        let expected = asked.expected(plain, who);
        histories += usize::from(!expected.is_empty());
        let told = ask(db, who.id, &query);
        assert_eq!(told, Js::Array(expected), "{} asks {query}", who.id);
    }
    histories
}

fn name_of(p: PredicateId) -> Option<&'static str> {
    let index = usize::try_from(p.0).unwrap().checked_sub(1001)?;
    NAMES.get(index).copied()
}

/// Documents of ann and of bob, of which ann sees her own; what bob's are changed to is given.
fn hidden_world(changes: &[Js]) -> Db {
    let db = office();
    let own = r#"(== (get (?s) "doc/owner") (?user_id))"#;
    db.auth(
        "ann",
        Some("ann"),
        &[rule("own", "doc", &["*"], own, &["query"])],
    );
    db.root(&json!([{"_id": "_user", "username": "bob"}]));
    db.root(&json!([
        {"_id": "doc$a", "key": "a", "title": "one", "size": 1, "owner": ["_user/username", "ann"]},
        {"_id": "doc$b", "key": "b", "title": "one", "size": 1, "owner": ["_user/username", "bob"]},
        {"_id": "doc$c", "key": "c", "title": "two", "owner": ["_user/username", "bob"]},
    ]));
    for (change, n) in changes.iter().zip(1..) {
        db.root(&json!([{"_id": ["doc/key", "a"], "title": format!("a{n}"), "size": n}]));
        db.root(change);
    }
    db
}

#[test]
fn what_is_hidden_changes_no_byte_and_no_bound_of_a_history() {
    let owner = json!(["_user/username", "bob"]);
    let few = [
        json!([{"_id": ["doc/key", "b"], "secret": "x"}]),
        json!([{"_id": ["doc/key", "b"], "secret": "y"}]),
        json!([{"_id": ["doc/key", "c"], "secret": "z"}]),
    ];
    let many = [
        json!([{"_id": ["doc/key", "b"], "title": "a1", "size": 2, "secret": "other"},
               {"_id": ["doc/key", "c"], "title": "a1", "readers": ["_user/username", "bob"]}]),
        json!([{"_id": ["doc/key", "b"], "title": "one", "key": "bb", "owner": owner}]),
        json!([{"_id": ["doc/key", "c"], "_action": "delete"}]),
    ];
    let (few, many) = (hidden_world(&few), hidden_world(&many));
    let queries = [
        json!({"block": [1]}),
        json!({"block": [5, 8], "prettyPrint": true}),
        json!({"history": ["doc/key", "a"]}),
        json!({"history": ["doc/key", "b"], "showAuth": true}),
        json!({"history": [null, "doc/title"], "prettyPrint": true}),
        json!({"history": [null, "doc/title", "one"]}),
        json!({"history": [null, "doc/size"], "block": [6, 9]}),
        json!({"history": [null, "doc/secret"]}),
        json!({"history": [null, "doc/title", "a1"], "auth": ["root", 0]}),
        json!({"history": [["doc/key", "c"], "doc/title"], "block": [1, 9]}),
    ];
    let told = |db: &Db, query: &Js| -> Result<String, Error> {
        let view = db.database.view("ann").unwrap();
        view.query(&query.to_string()).map(|it| it.body)
    };
    let mut refused = 0;
    for query in &queries {
        let body = told(&few, query);
        assert!(body.is_ok(), "{query}: {body:?}");
        assert_eq!(body, told(&many, query), "{query}");
        // A block of the policy: it is in both.
        let fuel = |fuel: u64| {
            for db in [&few, &many] {
                db.root(&json!([{"_id": ["_auth/id", "ann"], "fuel": fuel}]));
            }
        };
        for steps in (1..40).chain([50, 60, 70, 80, 90, 100, 150, 200, 300]) {
            fuel(steps);
            let (few, many) = (told(&few, query), told(&many, query));
            refused += usize::from(few.is_err());
            assert_eq!(few, many, "{query} in {steps} steps");
        }
        fuel(100_000);
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_is_erased_is_in_no_block_and_no_history() {
    let db = office();
    db.root(
        &json!([{"_id": "_predicate", "name": "doc/brief", "type": "string", "noHistory": true}]),
    );
    db.root(&json!([{"_id": "doc", "key": "a", "title": "t", "secret": "s", "brief": "one"}]));
    db.root(&json!([{"_id": ["doc/key", "a"], "secret": "r", "brief": "two"}]));
    let all = |db: &Db| {
        let blocks = ask(db, "root", &json!({"block": [4]}));
        let history = ask(db, "root", &json!({"history": ["doc/key", "a"]}));
        let secret = ask(db, "root", &json!({"history": [null, "doc/secret"]}));
        let value = ask(db, "root", &json!({"history": [null, "doc/secret", "s"]}));
        (blocks.to_string(), history.to_string(), secret, value)
    };
    let (blocks, history, secret, value) = all(&db);
    for text in [&blocks, &history] {
        assert!(
            text.contains(r#""s""#) && text.contains(r#""two""#),
            "{text}"
        );
        assert!(!text.contains(r#""one""#), "{text}");
    }
    assert_eq!(secret.as_array().unwrap().len(), 2);
    assert_eq!(value.as_array().unwrap().len(), 2);
    db.root(&json!([{"_id": ["doc/key", "a"], "_action": "erase", "secret": null}]));
    let (blocks, history, secret, value) = all(&db);
    for text in [&blocks, &history] {
        assert!(text.contains(r#""t""#), "{text}");
        assert!(
            !text.contains(r#""s""#) && !text.contains(r#""r""#),
            "{text}"
        );
    }
    assert_eq!((secret, value), (json!([]), json!([])));
}

#[test]
fn an_answer_has_so_many_blocks_and_flakes_and_no_more() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]));
    let numbers: Vec<usize> = (0..QUERY_ROWS_MAX - 2).collect();
    let made = db.root(&json!([{"_id": "doc", "key": "a", "numbers": numbers}]));
    let full = made.block.0;
    db.root(&json!([{"_id": ["doc/key", "a"], "numbers": [QUERY_ROWS_MAX]}]));
    let refused = |query: &Js| db.try_ask("root", query).map_err(|error| error.code());
    // The block, its key and its numbers.
    for query in [
        json!({"block": full}),
        json!({"block": full, "prettyPrint": true}),
        json!({"history": ["doc/key", "a"], "block": full}),
        json!({"history": [null, "doc/numbers"], "block": full}),
    ] {
        assert!(refused(&query).is_ok(), "{query}");
    }
    for query in [
        json!({"block": [full]}),
        json!({"history": ["doc/key", "a"]}),
        json!({"history": [null, "doc/numbers"], "prettyPrint": true}),
    ] {
        assert_eq!(refused(&query), Err("db/exceeded-cost"), "{query}");
    }
}

#[test]
fn a_multi_query_has_so_many_queries_and_no_more() {
    let db = office();
    let queries = |count: usize| {
        let named = (0..count).map(|n| (format!("q{n}"), json!({"block": 1})));
        Js::Object(named.collect()).to_string()
    };
    let view = db.database.view("root").unwrap();
    let answer = view.multi_query(&queries(QUERY_MULTI_MAX)).unwrap();
    assert_eq!(answer.answers.len(), QUERY_MULTI_MAX);
    assert!(answer.answers.iter().all(|(_, it)| it.is_ok()));
    let refused = view.multi_query(&queries(QUERY_MULTI_MAX + 1)).unwrap_err();
    assert_eq!(refused.code(), "db/exceeded-cost");
}

#[test]
fn a_history_is_of_so_many_auths_and_no_more() {
    let db = office();
    let query = |count: usize| json!({"history": 1, "auth": vec![0; count]});
    assert!(db.try_ask("root", &query(HISTORY_AUTHS_MAX)).is_ok());
    let refused = db.try_ask("root", &query(HISTORY_AUTHS_MAX + 1));
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code(), refused.at()),
        ("db/exceeded-cost", Some("/auth"))
    );
}

#[test]
fn the_queries_of_a_multi_query_share_one_state_and_one_budget() {
    let db = office();
    db.auth(
        "ann",
        None,
        &[rule("all", "doc", &["*"], "true", &["query"])],
    );
    db.root(&json!([{"_id": "doc", "key": "a", "title": "t"}, {"_id": "doc", "key": "b"}]));
    let view = db.database.view("ann").unwrap();
    db.root(&json!([{"_id": "doc", "key": "c"}]));
    let docs = json!({"select": ["key"], "from": "doc"});
    let three =
        json!({"first": docs, "second": docs, "third": {"selectOne": ["key"], "from": "doc"}});
    let of = |view: &solon::View| -> Vec<(String, Result<String, &'static str>)> {
        let answers = view.multi_query(&three.to_string()).unwrap().answers;
        let answers = answers.into_iter();
        answers
            .map(|(name, it)| (name, it.map_err(|error| error.code())))
            .collect()
    };
    let as_root = db.database.root().ask(&three.to_string()).unwrap();
    assert!(matches!(as_root, solon::db::Answers::Many(it) if it.answers.len() == 3));
    let alone = view.query(&docs.to_string()).unwrap().body;
    assert_eq!(of(&view)[1], ("second".to_owned(), Ok(alone)));
    assert!(!of(&view)[1].1.as_ref().unwrap().contains("\"c\""));
    // With each step more the answers come in the order of the queries.
    let mut answered = BTreeSet::new();
    for fuel in 1..60 {
        db.root(&json!([{"_id": ["_auth/id", "ann"], "fuel": fuel}]));
        let told = of(&db.database.view("ann").unwrap());
        let good = told.iter().take_while(|(_, it)| it.is_ok()).count();
        let rest = told.iter().skip(good);
        assert!(
            rest.map(|(_, it)| it)
                .all(|it| *it == Err("db/exceeded-cost"))
        );
        answered.insert(good);
    }
    assert_eq!(answered, BTreeSet::from([0, 1, 2, 3]));
    let root = db.database.view("root").unwrap();
    let alone = root.query(&docs.to_string()).unwrap().fuel.unwrap();
    let two = json!({"a": docs, "b": docs}).to_string();
    assert_eq!(root.multi_query(&two).unwrap().fuel, Some(2 * alone));
}

#[test]
fn a_pattern_in_a_multi_query_is_paid_before_it_is_read() {
    let db = office();
    let query = json!({"select": "?k", "where": [
        ["?d", "doc/key", "?k"], {"filter": ["(re-find \"a\" ?k)"]}]});
    let root = db.database.view("root").unwrap();
    let alone = root.query(&query.to_string()).unwrap().fuel.unwrap();
    let two = json!({"a": query, "b": query}).to_string();
    let fuel = root.multi_query(&two).unwrap().fuel;
    assert_eq!(fuel, Some(2 * (alone + 1_000)));
}

#[test]
fn a_predicate_that_is_gone_has_the_name_that_it_had() {
    let db = office();
    db.root(&json!([{"_id": "_predicate", "name": "doc/notes", "type": "string", "multi": true}]));
    let made = db.root(&json!([{"_id": "doc", "key": "a", "notes": ["x"]}]));
    db.root(&json!([{"_id": ["doc/key", "a"], "notes": null}]));
    db.root(&json!([{"_id": ["_predicate/name", "doc/notes"], "_action": "delete"}]));
    let pretty = json!({"history": ["doc/key", "a"], "prettyPrint": true});
    let id = made.flakes[0].s.raw();
    let told = |block: u64, asserted: Js, retracted: Js| {
        let t = -i64::try_from(block).unwrap();
        json!({"block": block, "t": t, "asserted": asserted, "retracted": retracted})
    };
    let expected = json!([
        told(5, json!([]), json!([{"_id": id, "doc/notes": ["x"]}])),
        told(
            4,
            json!([{"_id": id, "doc/key": "a", "doc/notes": ["x"]}]),
            json!([])
        ),
    ]);
    assert_eq!(ask(&db, "root", &pretty), expected);
    let gone = db.try_ask("root", &json!({"history": [null, "doc/notes"]}));
    assert_eq!(gone.unwrap_err().code(), "db/invalid-query");
}

#[test]
fn long_texts_that_begin_alike_have_histories_of_their_own() {
    let db = office();
    let text = |end: &str| format!("{}{end}", "long ".repeat(2_000));
    db.root(&json!([{"_id": "doc", "key": text("a"), "title": text("one")}]));
    db.root(&json!([{"_id": "doc", "key": text("b"), "title": text("two")}]));
    db.root(&json!([{"_id": ["doc/key", text("a")], "title": text("two"), "key": text("c")}]));
    let blocks = |query: Js| -> Vec<u64> {
        let told = ask(&db, "root", &query);
        let told = told.as_array().unwrap().iter();
        told.map(|it| it["block"].as_u64().unwrap()).collect()
    };
    for (query, expected) in [
        (json!([null, "doc/title", text("one")]), vec![5, 3]),
        (json!([null, "doc/title", text("two")]), vec![5, 4]),
        (json!([null, "doc/title", text("three")]), vec![]),
        (json!([["doc/key", text("a")], "doc/key"]), vec![5, 3]),
        (json!([["doc/key", text("b")], "doc/key"]), vec![4]),
        (json!([["doc/key", text("c")], "doc/key"]), vec![5, 3]),
        (json!([["doc/key", text("d")], "doc/key"]), vec![]),
    ] {
        assert_eq!(blocks(json!({"history": query})), expected);
    }
}

/// A clock that moves on whenever it is looked at, once it is let go.
#[derive(Debug, Default)]
struct Looked {
    is_let_go: AtomicBool,
    looks: AtomicU64,
}

impl Clock for Looked {
    fn now_ms(&self) -> i64 {
        START_MS
    }

    fn elapsed(&self) -> Duration {
        let step = u64::from(self.is_let_go.load(Ordering::SeqCst));
        Duration::from_millis(500 * self.looks.fetch_add(step, Ordering::SeqCst))
    }
}

#[test]
fn work_on_what_is_hidden_is_bounded_by_the_deadline() {
    let clock = Arc::new(Looked::default());
    let backend = redb::backends::InMemoryBackend::new();
    let store = Store::create_on(backend, Incarnation([7; 16])).unwrap();
    let options = Options {
        clock: Arc::clone(&clock) as _,
        ..Options::default()
    };
    let database = Database::start(store, &options).unwrap();
    let numbers: Vec<u32> = (0..90_000).collect();
    for items in [
        json!([{"_id": "_collection", "name": "doc"},
               {"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true},
               {"_id": "_predicate", "name": "doc/numbers", "type": "int", "multi": true}]),
        json!([{"_id": "_auth", "id": "ann", "roles": [{"_id": "_role", "id": "r",
                "rules": [rule("keys", "doc", &["doc/key"], "true", &["query"])]}]}]),
        json!([{"_id": "doc", "key": "few"}]),
        json!([{"_id": "doc", "key": "many", "numbers": numbers}]),
    ] {
        database.transact(&items.to_string()).unwrap();
    }
    let view = database.view("ann").unwrap();
    clock.is_let_go.store(true, Ordering::SeqCst);
    for (query, code) in [
        (json!({"history": ["doc/key", "few"]}), None),
        (json!({"block": 4}), None),
        (json!({"history": ["doc/key", "many"]}), Some("db/deadline")),
        (
            json!({"history": [null, "doc/numbers"]}),
            Some("db/deadline"),
        ),
        (json!({"block": 5}), Some("db/deadline")),
    ] {
        clock.looks.store(0, Ordering::SeqCst);
        let told = view.query(&query.to_string());
        assert_eq!(told.err().map(|error| error.code()), code, "{query}");
    }
}
