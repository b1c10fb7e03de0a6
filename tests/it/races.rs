//! Many writers at once on one database, and a checker of what they were told: every receipt is of a block of its own,
//! the blocks leave no gap, what a receipt tells is there at its block, and nothing is there of what was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use solon::db::{Error, ErrorKind, Receipt, sign_command};
use solon::model::{Op, PredicateId, SubjectId, Value as Object};
use solon::token::CommandKey;

use crate::support::random::Random;
use crate::support::{Db, rule};

const NAME: &str = "local/default";
const WRITERS: u64 = 6;
const EACH: u64 = 30;
const COUNTERS: u64 = 3;
const ACCOUNTS: u64 = 4;
const KEYS: u64 = 8;

/// Counters and accounts; `robot` signs commands.
struct Bank {
    db: Db,
    first_block: u64,
    /// The predicates' names, by id.
    names: BTreeMap<PredicateId, String>,
    /// What was acknowledged.
    receipts: Mutex<Vec<Receipt>>,
}

fn key() -> CommandKey {
    CommandKey::parse(&"07".repeat(32)).unwrap()
}

impl Bank {
    fn new() -> Self {
        let db = Db::new();
        let receipt = db.root(&json!([
            {"_id": "_fn$sum", "name": "balanced", "code": "(== (objT) (objF))"},
            {"_id": "_collection", "name": "counter"},
            {"_id": "_collection", "name": "account"},
            {"_id": "_collection", "name": "mark"},
            {"_id": "_predicate", "name": "counter/name", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "counter/count", "type": "int"},
            {"_id": "_predicate", "name": "account/name", "type": "string", "unique": true},
            {"_id": "_predicate", "name": "account/amount", "type": "int", "txSpec": ["_fn$sum"]},
            {"_id": "_predicate", "name": "mark/text", "type": "string"}]));
        let names = receipt
            .flakes
            .iter()
            .filter(|flake| flake.p == PredicateId(10))
            .filter_map(|flake| {
                let name = flake.o.borrow().as_str()?.to_owned();
                Some((PredicateId::of_subject(flake.s)?, name))
            })
            .collect();
        for n in 0..COUNTERS {
            db.root(&json!([{"_id": "counter", "name": format!("c{n}"), "count": 0}]));
        }
        // As much is owed as is owned.
        let accounts: Vec<Value> = (0..ACCOUNTS)
            .map(|n| {
                let amount = if n % 2 == 0 { 100 } else { -100 };
                json!({"_id": "account", "name": format!("a{n}"), "amount": amount})
            })
            .collect();
        db.root(&Value::Array(accounts));
        let may = |id: &str, of: &str| rule(id, of, &["*"], "true", &["query", "transact"]);
        db.auth("robot", None, &[may("m", "mark"), may("c", "counter")]);
        let public = key().public().to_string();
        db.root(&json!([{"_id": ["_auth/id", "robot"], "publicKey": public}]));
        let first_block = db.database.head().t.0 + 1;
        Self {
            db,
            first_block,
            names,
            receipts: Mutex::default(),
        }
    }

    fn ask(&self, query: &Value) -> Value {
        self.db.ask("root", query)
    }

    fn count(&self, counter: &str) -> i64 {
        let query = json!({"selectOne": ["count"], "from": ["counter/name", counter]});
        self.ask(&query)["count"].as_i64().unwrap()
    }

    /// Keeps what was acknowledged; the code of what was not.
    fn note(&self, told: Result<Receipt, Error>) -> Result<Receipt, &'static str> {
        match told {
            Ok(receipt) => {
                self.receipts.lock().unwrap().push(receipt.clone());
                Ok(receipt)
            }
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid),
                    "{error}"
                );
                Err(error.code())
            }
        }
    }

    fn transact(&self, items: &Value) -> Result<Receipt, &'static str> {
        self.note(self.db.database.transact(&items.to_string()))
    }

    /// Adds one to a counter, by comparing and by counting: how often it was told that it did.
    fn increment(&self, random: &mut Random) -> (String, u64) {
        let counter = format!("c{}", random.below(COUNTERS));
        let id = json!(["counter/name", counter]);
        let mark = "refused or not, with this beside it";
        if random.one_in(3) {
            let made = self.transact(&json!([{"_id": id, "count": "#(inc (?pO))"}]));
            return (counter, u64::from(made.is_ok()));
        }
        let now = self.count(&counter);
        let made = self.transact(
            &json!([{"_id": "mark", "text": format!("{mark} {now} {counter}")},
            {"_id": id, "count": format!("#(cas {now} {})", now + 1)}]),
        );
        if let Err(code) = made {
            assert_eq!(code, "db/validation-error");
        }
        (counter, u64::from(made.is_ok()))
    }

    /// Moves money; now and then tries to make some.
    fn transfer(&self, random: &mut Random) {
        let from = random.below(ACCOUNTS);
        let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let side =
            |n: u64, code: &str| json!({"_id": ["account/name", format!("a{n}")], "amount": code});
        if random.one_in(4) {
            let made = self
                .transact(&json!([{"_id": "mark", "text": "stolen"}, side(to, "#(inc (?pO))")]));
            assert_eq!(made.unwrap_err(), "db/predicate-tx-spec");
            return;
        }
        let sides = json!([side(from, "#(- (?pO) 3)"), side(to, "#(+ (?pO) 3)")]);
        self.transact(&sides).unwrap();
    }

    fn total(&self, block: Option<u64>) -> i64 {
        let mut query = json!({"select": ["amount"], "from": "account"});
        if let Some(block) = block {
            query["block"] = json!(block);
        }
        let accounts = self.ask(&query);
        let amounts = accounts.as_array().unwrap().iter();
        amounts.map(|it| it["amount"].as_i64().unwrap()).sum()
    }

    /// Looks whether what was acknowledged is what is there.
    fn check(&self) {
        let receipts = self.receipts.lock().unwrap();
        let made: Vec<&Receipt> = receipts.iter().filter(|it| !it.is_repeat).collect();
        let blocks: BTreeSet<u64> = made.iter().map(|it| it.block.0).collect();
        assert_eq!(blocks.len(), made.len(), "one block each");
        let expected: BTreeSet<u64> = (self.first_block..=self.db.database.head().t.0).collect();
        assert_eq!(
            blocks, expected,
            "a block that nobody was told of, or one that is lost"
        );
        let ids: BTreeSet<&str> = made.iter().map(|it| &*it.id).collect();
        assert_eq!(ids.len(), made.len());
        for receipt in receipts.iter() {
            let (block, s) = (receipt.block.0, SubjectId::of_block(receipt.block).raw());
            let header = self.ask(&json!({"selectOne": ["_block/hash", "_tx/id"], "from": s}));
            assert_eq!(header["_block/hash"], receipt.hash);
            assert_eq!(header["_tx/id"], receipt.id);
            for flake in &receipt.flakes {
                let Some(name) = self.names.get(&flake.p) else {
                    continue;
                };
                let at = |block: u64| {
                    let query = json!({"selectOne": [name], "from": flake.s.raw(), "block": block});
                    let short = name.split_once('/').unwrap().1;
                    let told = self.ask(&query);
                    let told = told.get(name).or_else(|| told.get(short));
                    told.cloned().unwrap_or_default()
                };
                let value = match &flake.o {
                    Object::Int(it) => json!(it),
                    Object::String(it) => json!(&**it),
                    other => panic!("nobody wrote {other:?}"),
                };
                // At its block, and not before; what was retracted the other way about.
                let (there, gone) = match flake.op {
                    Op::Assert => (block, block - 1),
                    Op::Retract => (block - 1, block),
                };
                assert_eq!(at(there), value, "{flake:?} of block {block}");
                assert_ne!(at(gone), value, "{flake:?} of block {block}");
            }
        }
        self.db.database.verify().unwrap();
    }
}

#[test]
fn what_many_writers_count_and_move_is_what_they_were_told() {
    let bank = Bank::new();
    let total = bank.total(None);
    let done = AtomicBool::new(false);
    let counted: Vec<(String, u64)> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut views = 0;
                    while !done.load(Ordering::SeqCst) {
                        assert_eq!(bank.total(None), total, "a transfer by halves");
                        views += 1;
                    }
                    views
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let bank = &bank;
                scope.spawn(move || {
                    let mut random = Random::new(writer);
                    let mut counted = Vec::new();
                    for _ in 0..EACH {
                        if random.one_in(2) {
                            counted.push(bank.increment(&mut random));
                        } else {
                            bank.transfer(&mut random);
                        }
                    }
                    counted
                })
            })
            .collect();
        let counted = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap());
        let counted = counted.collect();
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap() > 0, "nobody looked");
        }
        counted
    });
    for n in 0..COUNTERS {
        let name = format!("c{n}");
        let told: u64 = counted
            .iter()
            .filter(|it| it.0 == name)
            .map(|it| it.1)
            .sum();
        assert_eq!(u64::try_from(bank.count(&name)).unwrap(), told, "{name}");
    }
    assert!(counted.iter().any(|it| it.1 == 0), "nobody came too late");
    for block in bank.first_block..=bank.db.database.head().t.0 {
        assert_eq!(bank.total(Some(block)), total, "block {block}");
    }
    // Each mark stands beside an increment that was made, and none beside a theft.
    let marks = bank.ask(&json!({"select": ["text"], "from": "mark"}));
    let texts: Vec<&str> = marks
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert!(!texts.contains(&"stolen"));
    let distinct: BTreeSet<&str> = texts.iter().copied().collect();
    assert_eq!(distinct.len(), texts.len(), "one count was made twice");
    bank.check();
}

#[test]
fn one_key_or_nonce_that_many_race_for_is_one_block() {
    let bank = Bank::new();
    let body = |n: u64| {
        json!([{"_id": "mark$it", "text": format!("mark {n}")},
        {"_id": ["counter/name", "c0"], "count": "#(inc (?pO))"}])
    };
    let command = |n: u64| {
        let text = json!({"type": "tx", "db": NAME, "auth": "robot", "nonce": n, "tx": [
            {"_id": ["counter/name", "c1"], "count": "#(inc (?pO))"}]});
        sign_command(&key(), &text.to_string()).unwrap()
    };
    let told: Vec<(u64, Receipt)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (bank, body, command) = (&bank, &body, &command);
                scope.spawn(move || {
                    let mut random = Random::new(writer);
                    let mut told = Vec::new();
                    for n in 0..KEYS {
                        let text = body(n).to_string();
                        let name = format!("key-{n}");
                        let made = bank.db.database.transact_once("robot", &name, &text);
                        told.push((n, bank.note(made).unwrap()));
                        // The same key with another text is a conflict, whoever was first.
                        if random.one_in(3) {
                            let made =
                                bank.db
                                    .database
                                    .transact_once("robot", &name, &format!("{text} "));
                            assert_eq!(bank.note(made).unwrap_err(), "db/idempotency");
                        }
                        let made = bank.db.database.command(NAME, &command(n));
                        if let Err(code) = bank.note(made) {
                            assert_eq!(code, "db/replay");
                        }
                        // Somebody else's writes stand between.
                        bank.increment_other(&mut random);
                    }
                    told
                })
            })
            .collect();
        let told = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap());
        told.collect()
    });
    for n in 0..KEYS {
        let all: Vec<&Receipt> = told.iter().filter(|it| it.0 == n).map(|it| &it.1).collect();
        assert_eq!(all.iter().filter(|it| !it.is_repeat).count(), 1, "key {n}");
        for other in &all {
            let first = all[0];
            assert_eq!(
                (other.block, &other.hash, &other.id),
                (first.block, &first.hash, &first.id)
            );
            assert_eq!(
                (&other.tempids, &other.flakes),
                (&first.tempids, &first.flakes)
            );
        }
    }
    let keys = i64::try_from(KEYS).unwrap();
    assert_eq!((bank.count("c0"), bank.count("c1")), (keys, keys));
    bank.check();
}

impl Bank {
    fn increment_other(&self, random: &mut Random) {
        if random.one_in(2) {
            let id = json!(["counter/name", "c2"]);
            self.transact(&json!([{"_id": id, "count": "#(inc (?pO))"}]))
                .unwrap();
        }
    }
}
