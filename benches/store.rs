//! What the store costs, beside floors that are measured in the same run.
//!
//! Run with: `cargo bench --no-default-features --bench store`
//!
//! Workload: 100,000 documents of ten flakes each (four refs, four short strings, two integers), loaded in commits
//! of 100,000 flakes. Numbers are the median of several rounds; trust the ratios.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};
use solon::model::{
    CollectionId, Commit, Digest, Direction, Erasure, Facts, Flake, Incarnation, Op, PredicateId,
    SubjectId, Value,
};
use solon::store::{Sealed, Store, seal};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const DOCUMENTS: u64 = 100_000;
const INCARNATION: Incarnation = Incarnation([1; 16]);

fn mixed(n: u64) -> u64 {
    let z = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 5
}

fn subject(c: u64, n: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(c).unwrap(), n).unwrap()
}

fn document(n: u64, out: &mut Vec<Flake>) {
    let s = subject(20, n);
    for at in 0..10_u64 {
        let m = mixed(n * 10 + at);
        let o = match at {
            0..4 => Value::Ref(subject(21, m % (DOCUMENTS / 20))),
            4 => Value::string(&format!("document {n}")),
            5..8 => {
                Value::string(["draft", "open", "closed", "gone"][usize::try_from(m % 4).unwrap()])
            }
            _ => Value::Int(i64::try_from(m % 10_000).unwrap()),
        };
        out.push(Flake {
            s,
            p: PredicateId(1_001 + u32::try_from(at).unwrap()),
            o,
            op: Op::Assert,
        });
    }
}

fn sealed(store: &Store, flakes: Vec<Flake>) -> Sealed {
    let head = store.head();
    let commit = Commit {
        t: head.t.next(),
        instant_ms: 1,
        auth: subject(6, 0),
        id: Digest([3; 32]),
        secret: [4; 16],
        flakes,
        erasure: Erasure::default(),
    };
    seal(INCARNATION, &head, commit).unwrap()
}

/// Median nanoseconds of one of `count` things, over nine rounds.
fn median(count: u64, mut round: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[4]
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let store = Store::create(&path, INCARNATION).unwrap();
    let (mut sealing, mut appending) = (0.0, 0.0);
    for part in 0..10 {
        let mut flakes = Vec::new();
        for n in part * DOCUMENTS / 10..(part + 1) * DOCUMENTS / 10 {
            document(n, &mut flakes);
        }
        let start = Instant::now();
        let block = sealed(&store, flakes);
        sealing += start.elapsed().as_secs_f64();
        let start = Instant::now();
        store.append(&[block]).unwrap();
        appending += start.elapsed().as_secs_f64();
    }
    let flakes = (DOCUMENTS * 10) as f64;
    println!("seal          {:>9.0} flakes/s", flakes / sealing);
    println!(
        "append        {:>9.0} flakes/s, durable",
        flakes / appending
    );

    let snapshot = store.snapshot().unwrap();
    let probes: Vec<SubjectId> = (0..2_000)
        .map(|n| subject(20, mixed(n) % DOCUMENTS))
        .collect();
    let point = median(2_000, || {
        for s in &probes {
            black_box(snapshot.value_list(*s, PredicateId(1_009)).unwrap());
        }
    });
    let whole = median(2_000, || {
        for s in &probes {
            snapshot
                .subject(*s, &mut |fact| {
                    black_box(fact);
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
    });
    let reverse = median(2_000, || {
        for n in 0..2_000 {
            let o = Value::Ref(subject(21, mixed(n) % (DOCUMENTS / 20)));
            black_box(
                snapshot
                    .subject_list(PredicateId(1_001), o.borrow())
                    .unwrap(),
            );
        }
    });
    let scan = median(DOCUMENTS * 10, || {
        let c = CollectionId::new(20).unwrap();
        snapshot
            .collection(c, Direction::Ascending, None, &mut |fact| {
                black_box(fact);
                ControlFlow::Continue(())
            })
            .unwrap();
    });
    drop(snapshot);

    let mut next = DOCUMENTS;
    let durable = median(1, || {
        let mut flakes = Vec::new();
        document(next, &mut flakes);
        next += 1;
        let block = sealed(&store, flakes);
        store.append(&[block]).unwrap();
    });
    drop(store);
    floors(&path, point, whole, reverse, durable);
    println!("scan          {scan:>9.1} ns a flake");
}

fn floors(path: &std::path::Path, point: f64, whole: f64, reverse: f64, durable: f64) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut keys = Vec::new();
    for name in ["fwd", "post", "opst", "hfwd", "hrev", "log"] {
        let definition: Table = TableDefinition::new(name);
        let table = transaction.open_table(definition).unwrap();
        let stats = table.stats().unwrap();
        let flakes = (DOCUMENTS * 10) as f64;
        let live = (stats.stored_bytes() + stats.metadata_bytes()) as f64 / flakes;
        let pages = live + stats.fragmented_bytes() as f64 / flakes;
        println!("{name:<13} {live:>9.2} bytes a flake, {pages:.2} with the unused part of pages");
        if name == "fwd" {
            keys = table
                .iter()
                .unwrap()
                .map(|row| row.unwrap().0.value().to_vec())
                .collect();
        }
    }
    let fwd: Table = TableDefinition::new("fwd");
    let table = transaction.open_table(fwd).unwrap();
    let get = median(2_000, || {
        for n in 0..2_000 {
            let key = &keys[usize::try_from(mixed(n) % DOCUMENTS).unwrap()];
            black_box(
                table
                    .get(key.as_slice())
                    .unwrap()
                    .map(|row| row.value().len()),
            );
        }
    });
    println!("bare get      {get:>9.0} ns");
    println!("one value     {point:>9.0} ns, {:.2} gets", point / get);
    println!("one subject   {whole:>9.0} ns, {:.2} gets", whole / get);
    println!("reverse (20)  {reverse:>9.0} ns, {:.2} gets", reverse / get);
    drop(table);
    drop(transaction);

    // As many rows of each table as a document writes, spread as its are, put again in the same mode. They are
    // gathered before the clock runs.
    let mut tables = Vec::new();
    let transaction = database.begin_read().unwrap();
    for name in ["fwd", "post", "opst", "log", "meta"] {
        let definition: Table = TableDefinition::new(name);
        let table = transaction.open_table(definition).unwrap();
        let spread: &[usize] = match name {
            "post" => &[0, 700, 1_400, 2_100, 2_800, 3_500],
            "opst" => &[0, 700, 1_400, 2_100],
            _ => &[0],
        };
        let rows: Vec<_> = spread
            .iter()
            .map(|at| {
                let (key, value) = table.iter().unwrap().rev().nth(*at).unwrap().unwrap();
                (key.value().to_vec(), value.value().to_vec())
            })
            .collect();
        tables.push((definition, rows));
    }
    drop(transaction);
    let bare = median(1, || {
        let mut transaction = database.begin_write().unwrap();
        transaction.set_durability(Durability::Immediate).unwrap();
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        for (definition, rows) in &tables {
            let mut table = transaction.open_table(*definition).unwrap();
            for (key, value) in rows {
                table.insert(key.as_slice(), value.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    });
    println!("bare commit   {:>9.0} us", bare / 1_000.0);
    println!(
        "durable 10    {:>9.0} us, {:.2} bare commits",
        durable / 1_000.0,
        durable / bare
    );
}
