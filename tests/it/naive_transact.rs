//! Random transactions, each made by the database and by a plain processor that shares no code with it: they agree
//! on flakes, tempids and warnings, or on the code and the place of the refusal, and on all that is true after.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use solon::db::{Receipt, Tempid, Warning};
use solon::model::{Op, PredicateId};

use crate::support::plain::{
    COLLECTIONS, FUNCTIONS, Fact, Kind, Made, PREDICATES, Plain, Predicate, Refusal, Told, Who,
    World, plain, predicate, set_up,
};
use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Db, START_MS};

const TEST: &str = "the_database_agrees_with_a_plain_transaction_processor";

/// How many transactions a seed makes.
const STEPS: usize = 700;

/// The database, the model, and the names of the model's predicates.
struct Pair {
    db: Db,
    world: World,
    names: BTreeMap<PredicateId, &'static str>,
}

impl Pair {
    fn new() -> Self {
        let db = Db::new();
        let mut names = BTreeMap::new();
        names.insert(PredicateId(30), "_tag/id");
        names.insert(PredicateId(50), "_user/username");
        let mut world = World {
            now_ms: START_MS,
            ..World::default()
        };
        for items in set_up() {
            let receipt = db.root(&items);
            for flake in &receipt.flakes {
                let Plain::Text(text) = plain(&flake.o) else {
                    continue;
                };
                if let (PredicateId(10), Some(it)) = (flake.p, predicate(&text)) {
                    let id = PredicateId::of_subject(flake.s).unwrap();
                    names.insert(id, it.name);
                }
            }
            let told = flakes(&receipt, &names);
            world.facts.extend(told.into_iter().map(|(fact, _)| fact));
            world.block = i64::try_from(receipt.block.0).unwrap();
        }
        assert_eq!(names.len(), PREDICATES.len());
        for (name, id) in COLLECTIONS {
            let used = world.facts.iter().filter(|fact| fact.0 >> 44 == id);
            if let Some(last) = used.map(|fact| fact.0 & ((1 << 44) - 1)).max() {
                world.next.insert(name, last + 1);
            }
        }
        let ann = Plain::Text("ann".to_owned());
        world.ann = world.having("_user/username", &ann)[0];
        Self { db, world, names }
    }

    /// Makes a transaction with both; what came of it, `made` or the code.
    fn step(&mut self, who: Who, transaction: &Value) -> &'static str {
        let name = match who {
            Who::Root => "root",
            Who::Ann => "ann",
        };
        let expected = self.world.transact(who, transaction);
        let found = match who {
            Who::Root => self.db.database.transact(&transaction.to_string()),
            Who::Ann => self.db.write("ann", transaction),
        };
        let place = |text: Option<&str>| text.unwrap_or_default().to_owned();
        match (found, expected) {
            (Ok(receipt), Ok(made)) => {
                self.agree(&receipt, &made, transaction, name);
                self.world = made.after;
                "made"
            }
            (Err(error), Err(Refusal { code, at })) => {
                let found = (error.code(), place(error.at()));
                assert_eq!(found, (code, at), "{name}: {transaction}\n{error}");
                code
            }
            (Ok(receipt), Err(refusal)) => {
                panic!("{name}: {transaction}\nwas made: {receipt:?}\nnot {refusal:?}")
            }
            (Err(error), Ok(made)) => {
                panic!(
                    "{name}: {transaction}\nwas refused: {error}\nand not made: {:?}",
                    made.flakes
                )
            }
        }
    }

    fn agree(&self, receipt: &Receipt, made: &Made, transaction: &Value, name: &str) {
        let found = flakes(receipt, &self.names);
        assert_eq!(found, made.flakes, "{name}: {transaction}");
        assert_eq!(found.len(), receipt.flakes.len(), "a flake told twice");
        assert!(receipt.flakes.is_sorted());
        let tempids: Vec<(String, Told)> = receipt
            .tempids
            .iter()
            .map(|(text, it)| {
                let told = match it {
                    Tempid::One(s) => Told::One(s.raw()),
                    Tempid::Range(first, last) => Told::Range(first.raw(), last.raw()),
                };
                (text.clone(), told)
            })
            .collect();
        assert_eq!(tempids, made.tempids, "{name}: {transaction}");
        let warnings: Vec<String> = receipt
            .warnings
            .iter()
            .map(|Warning::Deprecated { predicate }| predicate.to_string())
            .collect();
        assert_eq!(warnings, made.warnings, "{name}: {transaction}");
        assert_eq!(i64::try_from(receipt.block.0).unwrap(), made.after.block);
    }

    /// All that is true, as both authors see it.
    fn agree_on_all(&self) {
        for (name, who) in [("root", Who::Root), ("ann", Who::Ann)] {
            for of in ["item", "part", "box"] {
                let query =
                    json!({"select": ["*"], "from": of, "opts": {"component": false}}).to_string();
                let found = match who {
                    Who::Root => self.db.database.root().query(&query),
                    Who::Ann => self.db.database.view(name).unwrap().query(&query),
                };
                let found: Value = serde_json::from_str(&found.unwrap().body).unwrap();
                let expected = self.told(who, of);
                let (found, expected) = (found.as_array().unwrap(), expected.as_array().unwrap());
                for (found, expected) in found.iter().zip(expected) {
                    assert_eq!(found, expected, "as {name}");
                }
                assert_eq!(found.len(), expected.len(), "{of} as {name}");
            }
        }
    }

    /// What a query tells of a collection.
    fn told(&self, who: Who, of: &str) -> Value {
        let mut subjects: BTreeMap<i64, Map<String, Value>> = BTreeMap::new();
        let facts = self.world.facts.iter();
        for fact in facts.filter(|fact| predicate(fact.1).unwrap().of() == of) {
            if !self.world.sees(who, fact) {
                continue;
            }
            let (s, p, o) = fact;
            let subject = subjects.entry(*s).or_default();
            subject.insert("_id".to_owned(), json!(s));
            let value = self.value(predicate(p).unwrap(), o);
            let slot = subject.entry((*p).to_owned()).or_insert(Value::Null);
            match slot {
                Value::Array(list) if predicate(p).unwrap().has("multi") => list.push(value),
                slot if predicate(p).unwrap().has("multi") => *slot = json!([value]),
                slot => *slot = value,
            }
        }
        subjects.into_values().rev().map(Value::Object).collect()
    }

    fn value(&self, p: &Predicate, o: &Plain) -> Value {
        match o {
            Plain::Boolean(it) => json!(it),
            Plain::Int(it) | Plain::Instant(it) => json!(it),
            Plain::Double(it) => json!(it.parse::<f64>().unwrap()),
            // A query tells JSON as its text.
            Plain::Text(it) | Plain::Uuid(it) | Plain::Bytes(it) | Plain::Json(it) => json!(it),
            Plain::Ref(to) if p.kind == Kind::Tag => match &self.world.values(*to, "_tag/id")[..] {
                [Plain::Text(id)] => json!(id.split_once(':').unwrap().1),
                other => panic!("a tag has one id, and not {other:?}"),
            },
            Plain::Ref(to) => json!({"_id": to}),
        }
    }
}

fn flakes(
    receipt: &Receipt,
    names: &BTreeMap<PredicateId, &'static str>,
) -> BTreeSet<(Fact, bool)> {
    let known = receipt.flakes.iter().filter_map(|flake| {
        let name = names.get(&flake.p)?;
        Some((
            (flake.s.raw(), *name, plain(&flake.o)),
            flake.op == Op::Assert,
        ))
    });
    known.collect()
}

/// Makes transactions up.
struct Maker<'a> {
    random: &'a mut Random,
    world: &'a World,
    who: Who,
    /// The named tempids of this transaction so far.
    temps: Vec<String>,
}

impl Maker<'_> {
    fn one_in(&mut self, n: u64) -> bool {
        self.random.one_in(n)
    }

    fn pick<E: Copy>(&mut self, from: &[E]) -> E {
        *self.random.pick(from)
    }

    fn number(&mut self, end: u64) -> i64 {
        i64::try_from(self.random.below(end)).unwrap()
    }

    fn transaction(&mut self) -> Value {
        if self.one_in(80) {
            return match self.random.below(4) {
                0 => json!({"_id": "item"}),
                1 => json!([]),
                2 => json!([{"_id": "item", "title": "a"}, 5]),
                _ => json!([{"title": "a"}]),
            };
        }
        if self.one_in(12) {
            return self.transfer();
        }
        if self.who == Who::Root && self.one_in(30) {
            let tag = self.pick(&[
                "item/mood:x",
                "item/mood:y",
                "item/labels:z",
                "item/labels:x",
            ]);
            return json!([{"_id": ["_tag/id", tag], "_action": "delete"}]);
        }
        let count = 1 + self.random.index(3);
        (0..count).map(|_| self.item(0)).collect()
    }

    /// Money that goes from one to another, and now and then gets lost.
    fn transfer(&mut self) -> Value {
        let (from, to) = (self.subject("item"), self.subject("item"));
        let amount = self.number(4);
        let lost = i64::from(self.one_in(4));
        let has = |s: i64| match self.world.values(s, "item/money").first() {
            Some(Plain::Int(it)) => *it,
            _ => 0,
        };
        json!([{"_id": from, "money": has(from) - amount}, {"_id": to, "money": has(to) + amount - lost}])
    }

    /// A subject that is there, mostly one that the author sees.
    fn subject(&mut self, of: &str) -> i64 {
        let id = COLLECTIONS.iter().find(|(name, _)| *name == of).unwrap().1;
        let all = self.world.facts.iter().map(|fact| fact.0);
        let all: BTreeSet<i64> = all.filter(|s| s >> 44 == id).collect();
        let seen = |s: &i64| self.world.sees_subject(self.who, *s);
        let mut some: Vec<i64> = all.iter().copied().filter(seen).collect();
        if some.is_empty() || self.one_in(40) {
            some = all.into_iter().chain([(id << 44) + 900]).collect();
        }
        self.pick(&some)
    }

    fn temp(&mut self, of: &str) -> String {
        let text = match self.random.below(80) {
            0..38 => return of.to_owned(),
            38..78 => format!("{of}{}", self.pick(&["$a", "$b", "$c", "-d"])),
            78 => format!("{of}s"),
            _ => "nothing$1".to_owned(),
        };
        self.temps.push(text.clone());
        text
    }

    fn tuple(&mut self, of: &str) -> Value {
        if self.one_in(100) {
            return match self.random.below(3) {
                0 => json!(["item/title", "a"]),
                1 => json!(["item/nothing", 1]),
                _ => json!(["item/number", "x"]),
            };
        }
        // Mostly one that is there.
        let unique: Vec<&Predicate> = PREDICATES
            .iter()
            .filter(|p| p.of() == of && p.has("unique") && p.kind != Kind::Uuid)
            .collect();
        let p: &Predicate = self.pick(&unique);
        let there: Vec<&Plain> = self
            .world
            .facts
            .iter()
            .filter(|f| f.1 == p.name)
            .map(|f| &f.2)
            .collect();
        if there.is_empty() || self.one_in(20) {
            let value = self.good(p, 9);
            return json!([p.name, value]);
        }
        match *self.random.pick(&there) {
            Plain::Text(it) => json!([p.name, it]),
            Plain::Int(it) | Plain::Ref(it) => json!([p.name, it]),
            other => panic!("no key: {other:?}"),
        }
    }

    fn item(&mut self, depth: u64) -> Value {
        let of = self.pick(&[
            "item", "item", "item", "item", "item", "part", "part", "box", "_tx",
        ]);
        self.item_of(of, depth)
    }

    fn item_of(&mut self, of: &str, depth: u64) -> Value {
        if self.one_in(150) {
            return match self.random.below(5) {
                0 => json!({"_id": of}),
                1 => json!({"_id": 1.5, "title": "a"}),
                2 => json!({"_id": [1, 2], "title": "a"}),
                3 => json!({"_id": of, "_action": "delete"}),
                _ => json!({"_id": of, "_action": "drop", "title": "a"}),
            };
        }
        let mut item = Map::new();
        let is_temp = of == "_tx" || self.random.below(10) < if depth > 0 { 7 } else { 4 };
        let existing = self.subject(if of == "_tx" { "item" } else { of });
        let id = match self.random.below(20) {
            _ if is_temp => json!(self.temp(of)),
            0..10 => json!(existing),
            10..19 => self.tuple(of),
            _ => json!(existing + self.number(3) - 1),
        };
        item.insert("_id".to_owned(), id);
        let deletes = !is_temp && self.one_in(5);
        if deletes {
            item.insert("_action".to_owned(), json!("delete"));
            if self.one_in(2) {
                return Value::Object(item);
            }
        } else if self.one_in(20) {
            let action = self.pick(&["add", "update", "upsert", "insert"]);
            item.insert("_action".to_owned(), json!(action));
        }
        let of_it: Vec<&Predicate> = PREDICATES.iter().filter(|p| p.of() == of).collect();
        for _ in 0..=self.random.index(4) {
            let mut p: &Predicate = self.pick(&of_it);
            if of == "item" && self.one_in(12) {
                p = predicate("item/age").unwrap();
            }
            let is_avoided = match p.name {
                "item/locked" => !self.one_in(6),
                "item/money" => !self.one_in(12),
                _ => false,
            };
            if is_avoided {
                continue;
            }
            let key = self.key(p);
            let held = self.held(existing, p);
            let value = match held {
                Some(held) if deletes && !self.one_in(4) => held,
                _ => self.value(p, depth, is_temp),
            };
            item.insert(key, value);
        }
        if of == "box" && is_temp && !self.one_in(6) {
            let name = format!("b{}", self.random.below(9));
            item.insert("name".to_owned(), json!(name));
        }
        if of == "box" && !is_temp && self.one_in(3) {
            item.insert("name".to_owned(), Value::Null);
        }
        if of == "item" && is_temp && !self.one_in(8) {
            let owner = if self.who == Who::Ann || self.one_in(3) {
                "ann"
            } else {
                "bob"
            };
            item.insert("owner".to_owned(), json!(["_user/username", owner]));
        }
        if item.len() == 1 || (deletes && item.len() == 2) {
            let p = if of == "_tx" { "reason" } else { "note" };
            item.insert(p.to_owned(), json!("a"));
        }
        Value::Object(item)
    }

    fn key(&mut self, p: &Predicate) -> String {
        match self.random.below(200) {
            0 => "nothing".to_owned(),
            1 => "part/note".to_owned(),
            2..60 => p.name.to_owned(),
            _ => p.name.split_once('/').unwrap().1.to_owned(),
        }
    }

    /// A value that the subject has, as it could be sent.
    fn held(&mut self, s: i64, p: &Predicate) -> Option<Value> {
        let values = self.world.values(s, p.name);
        let value = match values.first()? {
            Plain::Boolean(it) => json!(it),
            Plain::Int(it) | Plain::Instant(it) => json!(it),
            Plain::Double(it) => json!(it.parse::<f64>().unwrap()),
            Plain::Text(it) | Plain::Uuid(it) | Plain::Bytes(it) => json!(it),
            Plain::Json(it) => serde_json::from_str(it).unwrap(),
            Plain::Ref(to) if p.kind == Kind::Tag => {
                match self.world.values(*to, "_tag/id").first() {
                    Some(Plain::Text(id)) => json!(id),
                    _ => return None,
                }
            }
            Plain::Ref(to) => json!(to),
        };
        Some(value)
    }

    fn value(&mut self, p: &Predicate, depth: u64, is_temp: bool) -> Value {
        let nulls = if is_temp { 60 } else { 9 };
        if self.one_in(nulls) {
            return Value::Null;
        }
        if self.one_in(150) {
            return self.wrong(p);
        }
        if self.one_in(20) {
            return self.function(p);
        }
        if !p.has("multi") || self.one_in(4) {
            return self.good(p, depth);
        }
        (0..self.random.below(4))
            .map(|_| match self.random.below(120) {
                0 => Value::Null,
                1 => self.wrong(p),
                2 | 3 => self.function(p),
                _ => self.good(p, depth),
            })
            .collect()
    }

    fn wrong(&mut self, p: &Predicate) -> Value {
        match p.kind {
            Kind::Boolean => json!(1),
            Kind::Int => self
                .pick(&[json!("x"), json!(1.5), json!(5_000_000_000_i64)].each_ref())
                .clone(),
            Kind::Long | Kind::Double | Kind::Instant | Kind::Bytes | Kind::Uuid => json!("x"),
            // Everything but null is a text, and everything is JSON.
            Kind::Text | Kind::Json => json!([1, "a"]),
            Kind::Ref => self
                .pick(
                    &[
                        json!(true),
                        json!(["item/key"]),
                        json!("item$none"),
                        json!(1.5),
                    ]
                    .each_ref(),
                )
                .clone(),
            Kind::Tag => self
                .pick(&[json!(5), json!("item/other:x"), json!("")].each_ref())
                .clone(),
        }
    }

    fn function(&mut self, p: &Predicate) -> Value {
        loop {
            let text = self.pick(&FUNCTIONS);
            let is_known = match p.kind {
                // Small numbers are subjects of the system, which the model does not have.
                Kind::Ref => ![
                    "#(hash-set 1 2)",
                    "#(hash-set 3)",
                    "#(cas nil 1)",
                    "#(get (?s) \"item/size\")",
                    "#(str (?pO) \"!\")",
                ]
                .contains(&text),
                Kind::Tag => text != "#(str (?pO) \"!\")",
                _ => true,
            };
            if is_known {
                return json!(text);
            }
        }
    }

    fn good(&mut self, p: &Predicate, depth: u64) -> Value {
        match p.kind {
            Kind::Boolean => json!(self.one_in(2)),
            Kind::Int => match p.name {
                "item/age" => json!(self.number(6) - 1),
                "item/number" => json!(self.number(12)),
                "item/money" => json!(0),
                _ => json!(self.number(4)),
            },
            Kind::Long => self
                .pick(&[json!(1), json!(5_000_000_000_i64), json!("12")].each_ref())
                .clone(),
            Kind::Double => self
                .pick(&[json!(1), json!(0.5), json!("1.5"), json!(-2.25)].each_ref())
                .clone(),
            Kind::Instant => self
                .pick(&[json!(0), json!(1000), json!("2026-01-01T00:00:00Z")].each_ref())
                .clone(),
            Kind::Uuid => json!(format!(
                "00000000-0000-0000-0000-00000000000{}",
                self.random.below(4)
            )),
            Kind::Bytes => json!(self.pick(&["", "00ff", "ab"])),
            Kind::Json => self
                .pick(
                    &[
                        json!({"a": 1}),
                        json!([1, "b"]),
                        json!("t"),
                        json!(5),
                        json!(true),
                    ]
                    .each_ref(),
                )
                .clone(),
            Kind::Text => {
                let (start, count) = match p.name {
                    "item/key" => ("k", 14),
                    "item/code" => ("c", 9),
                    "part/name" => ("n", 20),
                    "box/name" => ("b", 9),
                    _ => ("", 3),
                };
                json!(format!("{start}{}", self.random.below(count)))
            }
            Kind::Tag if p.name == "item/state" => {
                json!(self.pick(&["open", "shut", "item/state:open", "open", "shut", "ajar"]))
            }
            Kind::Tag if self.one_in(5) => json!(format!("{}:x", p.name)),
            Kind::Tag => json!(self.pick(&["x", "y", "z"])),
            Kind::Ref => self.reference(p, depth),
        }
    }

    fn reference(&mut self, p: &Predicate, depth: u64) -> Value {
        if p.name == "item/owner" {
            return match self.random.below(12) {
                0 => json!(["_user/username", "bob"]),
                1 => json!(self.subject("item")),
                _ => json!(["_user/username", "ann"]),
            };
        }
        let of = match (p.into, self.random.below(4)) {
            (Some(into), _) if !self.one_in(30) => into,
            _ if p.name == "part/subs" => "part",
            (_, 0) => "part",
            _ => "item",
        };
        match self.random.below(10) {
            0..3 if depth < 2 => self.item_of(of, depth + 1),
            3 | 4 => self.tuple(of),
            5 | 6 => {
                let of_it = |text: &&String| text.starts_with(of);
                let known: Vec<String> = self.temps.iter().filter(of_it).cloned().collect();
                match known.is_empty() || self.one_in(20) {
                    true if self.one_in(12) => json!(format!("{of}$a")),
                    true => json!(self.subject(of)),
                    false => json!(self.random.pick(&known)),
                }
            }
            _ => json!(self.subject(of)),
        }
    }
}

#[test]
fn the_database_agrees_with_a_plain_transaction_processor() {
    let mut outcomes: BTreeMap<(Who, &str), usize> = BTreeMap::new();
    for seed in seeds(5) {
        let _repeat = Repeat { test: TEST, seed };
        let mut random = Random::new(seed);
        let mut pair = Pair::new();
        for step in 0..STEPS {
            let who = if random.below(5) < 2 {
                Who::Ann
            } else {
                Who::Root
            };
            let mut maker = Maker {
                random: &mut random,
                world: &pair.world,
                who,
                temps: Vec::new(),
            };
            let transaction = maker.transaction();
            let outcome = pair.step(who, &transaction);
            *outcomes.entry((who, outcome)).or_default() += 1;
            if step % 50 == 0 {
                pair.agree_on_all();
            }
        }
        pair.agree_on_all();
    }
    if std::env::var("SOLON_SEED").is_ok() {
        return;
    }
    // A model that refuses nothing, or all, shows nothing.
    for (who, code, least) in [
        (Who::Root, "made", 500),
        (Who::Root, "db/invalid-transaction", 10),
        (Who::Root, "db/invalid-tx", 100),
        (Who::Root, "db/invalid-fn", 10),
        (Who::Root, "db/validation-error", 5),
        (Who::Root, "db/in-use", 5),
        (Who::Root, "db/unique", 10),
        (Who::Root, "db/predicate-spec", 5),
        (Who::Root, "db/predicate-tx-spec", 5),
        (Who::Root, "db/collection-spec", 5),
        (Who::Ann, "made", 100),
        (Who::Ann, "db/write-permission", 50),
        (Who::Ann, "db/invalid-tx", 50),
        (Who::Ann, "db/unique", 5),
        (Who::Ann, "db/predicate-tx-spec", 3),
    ] {
        let count = outcomes.get(&(who, code)).copied().unwrap_or(0);
        assert!(count >= least, "{code} came {count} times of {who:?}");
    }
}
