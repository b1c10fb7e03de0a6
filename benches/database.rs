//! What a transaction costs over the bare commit it ends in, and what callers share.
//!
//! Workload: each caller makes one document of three flakes a transaction, as an auth whose rule is asked, and waits
//! for the receipt before the next. The floor is a bare redb commit, in the store's mode, of as many rows of the same
//! size as such a transaction writes into a file of the same size. Unit: transactions a second; commits are counted
//! by the syncs of the file. Median of seven rounds.
//! Run with `cargo bench --no-default-features --bench database`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

mod floor;

use std::fmt::Write as _;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use floor::{Table, begin, median, mixed, nanoseconds};
use redb::backends::FileBackend;
use redb::{BackendError, ReadableTable, StorageBackend, TableDefinition};
use solon::Database;
use solon::db::Options;
use solon::model::Incarnation;
use solon::store::Store;

const LOADED: u64 = 20_000;
const ROUNDS: usize = 7;
const CALLERS: [u64; 4] = [1, 4, 16, 64];
/// Transactions of one round.
const TRANSACTIONS: u64 = 640;
/// Bare commits, and transactions of one caller, of one round.
const ALONE: u64 = 160;

const SCHEMA: &str = r#"[
  {"_id": "_collection", "name": "doc"},
  {"_id": "_predicate", "name": "doc/title", "type": "string"},
  {"_id": "_predicate", "name": "doc/size", "type": "int"},
  {"_id": "_predicate", "name": "doc/owner", "type": "ref", "restrictCollection": "_user"},
  {"_id": "_fn$own", "name": "own", "code": "(== (get (?s) \"doc/owner\") (?user_id))"},
  {"_id": "_role$writer", "id": "writer", "rules": [{"_id": "_rule", "id": "own", "collection": "doc",
   "predicates": ["*"], "fns": ["_fn$own"], "ops": ["transact", "query"]},
   {"_id": "_rule", "id": "users", "collection": "_user", "predicates": ["_user/username"],
   "fns": [["_fn/name", "true"]], "ops": ["query"]}]},
  {"_id": "_user", "username": "ann", "auth": [{"_id": "_auth", "id": "ann", "roles": ["_role$writer"]}]}]"#;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    let path = directory.path().join("db");
    let database = load(&path, &syncs);
    // The floor goes on from the same file.
    let bare = directory.path().join("bare");
    std::fs::copy(&path, &bare).unwrap();
    let bare = redb::Database::open(&bare).unwrap();
    let rows = Rows::like_the_last_transaction(&bare);

    let next = AtomicU64::new(LOADED);
    let mut floor = Vec::new();
    let mut rates = vec![Vec::new(); CALLERS.len()];
    let mut shares = vec![Vec::new(); CALLERS.len()];
    for _ in 0..ROUNDS {
        let commits = |commit| rows.put(&bare, commit);
        floor.push(ALONE as f64 / seconds(|| (0..ALONE).for_each(commits)));
        for (at, callers) in CALLERS.into_iter().enumerate() {
            let count = if callers == 1 { ALONE } else { TRANSACTIONS };
            let before = syncs.load(Ordering::Relaxed);
            let took = seconds(|| call(&database, callers, count / callers, &next));
            let commits = (syncs.load(Ordering::Relaxed) - before) / SYNCS_A_COMMIT;
            rates[at].push(count as f64 / took);
            shares[at].push(count as f64 / commits as f64);
        }
    }
    println!("bare commit, the floor   {:>8.0} /s", median(floor.clone()));
    let over = |a: &[f64], b: &[f64]| median(a.iter().zip(b).map(|(a, b)| a / b).collect());
    for (at, callers) in CALLERS.into_iter().enumerate() {
        println!(
            "{callers:>3} callers              {:>8.0} /s  {:>6.2} of the floor  {:>6.2} of one caller  {:>5.1} a commit",
            median(rates[at].clone()),
            over(&rates[at], &floor),
            over(&rates[at], &rates[0]),
            median(shares[at].clone()),
        );
    }
}

fn seconds(run: impl FnOnce()) -> f64 {
    nanoseconds(run) / 1e9
}

/// What a durable commit in two phases syncs.
const SYNCS_A_COMMIT: u64 = 2;

fn load(path: &Path, syncs: &Arc<AtomicU64>) -> Database {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    let disk = Counted {
        disk: FileBackend::new(file).unwrap(),
        syncs: Arc::clone(syncs),
    };
    let store = Store::create_on(disk, Incarnation([7; 16])).unwrap();
    let database = Database::start(store, &Options::default()).unwrap();
    database.transact(SCHEMA).unwrap();
    for start in (0..LOADED).step_by(5_000) {
        let mut text = String::from("[");
        for n in start..start + 5_000 {
            let comma = if n == start { "" } else { "," };
            write!(text, "{comma}{}", item(n)).unwrap();
        }
        text.push(']');
        database.transact(&text).unwrap();
    }
    let before = syncs.load(Ordering::Relaxed);
    let next = AtomicU64::new(0);
    call(&database, 1, 10, &next);
    let each = (syncs.load(Ordering::Relaxed) - before) / 10;
    assert_eq!(
        each, SYNCS_A_COMMIT,
        "one caller's commits are not of one transaction"
    );
    database
}

fn item(n: u64) -> String {
    let size = mixed(n) % 10_000;
    format!(
        r#"{{"_id": "doc", "title": "document {n}", "size": {size}, "owner": ["_user/username", "ann"]}}"#
    )
}

/// Callers who each make so many transactions, one after the other.
fn call(database: &Database, callers: u64, each: u64, next: &AtomicU64) {
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                for _ in 0..each {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let receipt = database
                        .transact_as("ann", &format!("[{}]", item(n)))
                        .unwrap();
                    assert_eq!(receipt.flakes.len(), 3);
                }
            });
        }
    });
}

/// What one transaction writes: a row in each table, the log's with the header and three flakes.
struct Rows {
    tables: Vec<(Table, Vec<Row>)>,
}

type Row = (Vec<u8>, Vec<u8>);

impl Rows {
    /// Reads rows of the size, at the places, that the last transactions wrote.
    fn like_the_last_transaction(bare: &redb::Database) -> Self {
        let transaction = begin(bare);
        let of = |(name, count): (&'static str, usize)| {
            let definition: Table = TableDefinition::new(name);
            let table = transaction.open_table(definition).unwrap();
            let rows: Vec<Row> = table
                .iter()
                .unwrap()
                .rev()
                .map(|row| row.unwrap())
                .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
                .collect();
            // The log and the rows grow at their end; values and targets stand anywhere.
            let step = if count == 1 { 1 } else { rows.len() / count };
            let rows = rows.into_iter().step_by(step).take(count).collect();
            (definition, rows)
        };
        let counts = [
            ("log", 1),
            ("fwd", 1),
            ("post", 2),
            ("opst", 1),
            ("meta", 1),
        ];
        let tables = counts.into_iter().map(of).collect();
        transaction.abort().unwrap();
        Self { tables }
    }

    fn put(&self, bare: &redb::Database, commit: u64) {
        let transaction = begin(bare);
        for (definition, rows) in &self.tables {
            let mut table = transaction.open_table(*definition).unwrap();
            for (key, value) in rows {
                let mut value = value.clone();
                // Nothing is written twice alike.
                if let Some(last) = value.last_mut() {
                    *last = last.wrapping_add(u8::try_from(commit % 251).unwrap());
                }
                table.insert(key.as_slice(), value.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// A file whose syncs are counted.
#[derive(Debug)]
struct Counted {
    disk: FileBackend,
    syncs: Arc<AtomicU64>,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.try_lock_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.disk.try_lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.query_lock_range(start, end)
    }
}
