//! What transactions cost: over the disk's syncs, with specs, and where the time goes.
//!
//! 1. Callers: each makes one document of three flakes a transaction, and waits for the receipt before the next. The
//!    floor is the rate of syncs of a file into which a page is written before each. Units: transactions a second, and
//!    the 99th percentile of the time of one over the median.
//! 2. Specs: the same item under predicates that have none, one and ten specs of one comparison each: judged, as a trial
//!    does, and made on a database in memory. Unit: microseconds, and the ratio to none.
//! 3. Where the time goes: reading the JSON; judging it, as a trial does; all of it in memory; all of it on disk.
//!
//! Medians of rounds. Run with `cargo bench --no-default-features --bench transact`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use floor::{median, mixed, nanoseconds};
use solon::Database;
use solon::db::Options;
use solon::model::Incarnation;
use solon::store::Store;
use solon::transact::parse;

const ROUNDS: usize = 7;
const CALLERS: [u64; 3] = [1, 16, 64];
const TRANSACTIONS: u64 = 1_280;
const ALONE: u64 = 160;
const SYNCS: u64 = 200;
const PAGE: usize = 4_096;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "doc"},
  {"_id": "_predicate", "name": "doc/title", "type": "string"},
  {"_id": "_predicate", "name": "doc/size", "type": "int"},
  {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
  {"_id": "_user", "username": "ann"}]"#;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    callers(directory.path());
    specs();
    stages(directory.path());
}

fn callers(directory: &Path) {
    let database = Database::open(directory.join("callers")).unwrap();
    database.transact(SCHEMA).unwrap();
    let next = AtomicU64::new(0);
    let mut syncs = Vec::new();
    let mut rates = vec![Vec::new(); CALLERS.len()];
    let mut tails = vec![Vec::new(); CALLERS.len()];
    for _ in 0..ROUNDS {
        syncs.push(sync_rate(&directory.join("page")));
        for (at, callers) in CALLERS.into_iter().enumerate() {
            let count = if callers == 1 { ALONE } else { TRANSACTIONS };
            let mut times = Vec::new();
            let took = nanoseconds(|| times = call(&database, callers, count / callers, &next));
            rates[at].push(count as f64 / took * 1e9);
            times.sort_by(f64::total_cmp);
            let percentile = |of: usize| times[(times.len() - 1) * of / 100];
            tails[at].push(percentile(99) / percentile(50));
        }
    }
    println!("syncs, the floor         {:>8.0} /s", median(syncs.clone()));
    for (at, callers) in CALLERS.into_iter().enumerate() {
        let over = rates[at].iter().zip(&syncs).map(|(rate, sync)| rate / sync);
        println!(
            "{callers:>3} callers              {:>8.0} /s  {:>6.2} of the syncs  p99 {:>5.2} of the median",
            median(rates[at].clone()),
            median(over.collect()),
            median(tails[at].clone()),
        );
    }
}

/// Syncs a second, of a file into which a page is written before each.
fn sync_rate(path: &Path) -> f64 {
    let mut file = File::create(path).unwrap();
    let page = vec![7_u8; PAGE];
    let took = nanoseconds(|| {
        for n in 0..SYNCS {
            file.seek(SeekFrom::Start(n * u64::try_from(PAGE).unwrap()))
                .unwrap();
            file.write_all(&page).unwrap();
            file.sync_data().unwrap();
        }
    });
    SYNCS as f64 / took * 1e9
}

fn item(n: u64) -> String {
    let size = mixed(n) % 10_000;
    format!(
        r#"[{{"_id": "doc", "title": "document {n}", "size": {size}, "owner": ["_user/username", "ann"]}}]"#
    )
}

/// Callers who each make so many transactions, one after the other; the time of each.
fn call(database: &Database, callers: u64, each: u64, next: &AtomicU64) -> Vec<f64> {
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|_| {
                scope.spawn(|| {
                    (0..each)
                        .map(|_| {
                            let text = item(next.fetch_add(1, Ordering::Relaxed));
                            nanoseconds(|| drop(database.transact(&text).unwrap()))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        callers
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    })
}

fn in_memory() -> Database {
    let backend = redb::backends::InMemoryBackend::new();
    let store = Store::create_on(backend, Incarnation([7; 16])).unwrap();
    let database = Database::start(store, &Options::default()).unwrap();
    database.transact(SCHEMA).unwrap();
    database
}

fn specs() {
    let counts = [0, 1, 10];
    let databases: Vec<Database> = counts
        .iter()
        .map(|count| {
            let database = in_memory();
            let functions: Vec<String> = (0..*count)
                .map(|n| {
                    format!(
                        r#"{{"_id": "_fn", "name": "below-{n}", "code": "(< (?o) {})"}}"#,
                        20_000 + n
                    )
                })
                .collect();
            let spec = format!(
                r#"[{{"_id": ["_predicate/name", "doc/size"], "spec": [{}]}}]"#,
                functions.join(", ")
            );
            database.transact(&spec).unwrap();
            database
        })
        .collect();
    let next = AtomicU64::new(0);
    let trials: Vec<String> = (0..TRANSACTIONS)
        .map(|n| format!(r#"{{"tx": {}}}"#, item(n)))
        .collect();
    let mut judged = vec![Vec::new(); counts.len()];
    let mut made = vec![Vec::new(); counts.len()];
    let each = |took: f64| took / TRANSACTIONS as f64 / 1e3;
    for _ in 0..ROUNDS {
        for (at, database) in databases.iter().enumerate() {
            let view = database.view("root").unwrap();
            judged[at].push(each(nanoseconds(|| {
                for text in &trials {
                    drop(view.test_transact(text).unwrap());
                }
            })));
            drop(view);
            let all = nanoseconds(|| drop(call(database, 1, TRANSACTIONS, &next)));
            made[at].push(each(all));
        }
    }
    for (name, times) in [("judged", judged), ("made in memory", made)] {
        for (at, count) in counts.into_iter().enumerate() {
            let over = times[at].iter().zip(&times[0]).map(|(it, none)| it / none);
            println!(
                "{count:>3} specs, {name:<14} {:>8.1} us  {:>6.2} of none",
                median(times[at].clone()),
                median(over.collect()),
            );
        }
    }
}

fn stages(directory: &Path) {
    let memory = in_memory();
    let disk = Database::open(directory.join("stages")).unwrap();
    disk.transact(SCHEMA).unwrap();
    let next = AtomicU64::new(0);
    let texts: Vec<String> = (0..ALONE).map(item).collect();
    let trials: Vec<String> = texts
        .iter()
        .map(|tx| format!(r#"{{"tx": {tx}}}"#))
        .collect();
    let mut times = vec![Vec::new(); 4];
    for _ in 0..ROUNDS {
        let view = memory.view("root").unwrap();
        let each = |took: f64| took / ALONE as f64 / 1e3;
        times[0].push(each(nanoseconds(|| {
            for text in &texts {
                drop(parse(text).unwrap());
            }
        })));
        times[1].push(each(nanoseconds(|| {
            for text in &trials {
                drop(view.test_transact(text).unwrap());
            }
        })));
        times[2].push(each(nanoseconds(|| drop(call(&memory, 1, ALONE, &next)))));
        times[3].push(each(nanoseconds(|| drop(call(&disk, 1, ALONE, &next)))));
    }
    let all = median(times[3].clone());
    for (name, took) in [
        "reading the JSON",
        "and judging it",
        "all of it in memory",
        "all of it on disk",
    ]
    .into_iter()
    .zip(times)
    {
        let took = median(took);
        println!("{name:<24} {took:>8.1} us  {:>6.3} of all", took / all);
    }
}
