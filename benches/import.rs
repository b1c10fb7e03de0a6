//! What an import costs over the bare append of the flakes that it makes.
//!
//! Workload: a file of 125,000 items that become 1,000,000 flakes, as JSON lines, into a new database, durable: seven
//! scalars each, one of them unique and one indexed, and a ref by tempid to an earlier item. The floor is
//! `Store::append` of the same blocks, one commit each, into a new file, in the same run. Unit: flakes a second, and
//! the most memory that the process held by the end of the import.
//! Run with `cargo bench --no-default-features --bench import`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use floor::{mixed, nanoseconds};
use solon::Database;
use solon::model::T;
use solon::store::Store;

const ITEMS: u64 = 125_000;
const FLAKES: u64 = 1_000_000;

const SCHEMA: &str = r#"{"_id": "_collection", "name": "doc"}
{"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true}
{"_id": "_predicate", "name": "doc/title", "type": "string"}
{"_id": "_predicate", "name": "doc/state", "type": "string"}
{"_id": "_predicate", "name": "doc/size", "type": "int", "index": true}
{"_id": "_predicate", "name": "doc/score", "type": "double"}
{"_id": "_predicate", "name": "doc/open", "type": "boolean"}
{"_id": "_predicate", "name": "doc/made", "type": "instant"}
{"_id": "_predicate", "name": "doc/part", "type": "ref"}
"#;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("items.jsonl");
    write(&text);
    let path = directory.path().join("db");
    let database = Database::open(&path).unwrap();
    let mut imported = None;
    let took = nanoseconds(|| {
        let file = File::open(&text).unwrap();
        imported = Some(database.import(file, |_| ()).unwrap());
    });
    let most = most_memory();
    let imported = imported.unwrap();
    assert!(imported.flakes >= FLAKES);
    drop(database);

    let made = Store::open(&path).unwrap();
    let bare = Store::create(directory.path().join("bare"), made.incarnation()).unwrap();
    let snapshot = made.snapshot().unwrap();
    let mut floor = 0.0;
    for number in 1..=snapshot.head().t.0 {
        let block = [snapshot.log(T(number)).unwrap().unwrap()];
        floor += nanoseconds(|| bare.append(&block).unwrap());
    }
    let rate = |nanoseconds: f64| FLAKES as f64 / nanoseconds * 1e9;
    println!("bare append, the floor   {:>8.0} flakes/s", rate(floor));
    println!(
        "import                   {:>8.0} flakes/s  {:>5.2} of the floor  {} transactions, {:.0} s, {most} MiB at the most",
        rate(took),
        floor / took,
        imported.transactions,
        took / 1e9,
    );
}

fn write(path: &Path) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    out.write_all(SCHEMA.as_bytes()).unwrap();
    for n in 0..ITEMS {
        let m = mixed(n);
        let (state, size, score) = (
            ["draft", "open", "closed"][usize::try_from(n % 3).unwrap()],
            m % 10_000,
            m % 64,
        );
        let (made, part) = (1_700_000_000_000 + m % 1_000_000_000, m % (n + 1));
        writeln!(
            out,
            r#"{{"_id":"doc${n}","key":"k{m}","title":"document {n}","state":"{state}","size":{size},"score":{score}.5,"open":{},"made":{made},"part":"doc${part}"}}"#,
            m.is_multiple_of(2)
        )
        .unwrap();
    }
    out.flush().unwrap();
}

/// The most memory that this process held, MiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1_024
}
