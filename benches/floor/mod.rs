//! What the benches share: times in turns with their floor, and the bare rows that are the floor.
//!
//! A subject and its floor take turns, so that both meet the same noise; what is told is the median over the rounds
//! of each, and of the ratios within a round.
#![allow(dead_code, reason = "each bench uses what it needs")]

use std::path::Path;
use std::time::Instant;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, WriteTransaction,
};
use solon::model::SubjectId;

/// A table as the store has them.
pub type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What was measured of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nanoseconds, the median.
    pub nanoseconds: f64,
    /// Times the floor, the median of the rounds.
    pub ratio: f64,
}

/// One thing to be measured: a round of it.
pub type Round<'a> = Box<dyn FnMut() + 'a>;

/// Nanoseconds that it takes.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn nanoseconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e9
}

/// Measures things in turns, the first of them being the floor.
pub fn in_turns(rounds: usize, mut things: Vec<Round<'_>>) -> Vec<Measured> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); things.len()];
    for round in 0..=rounds {
        for (thing, times) in things.iter_mut().zip(&mut times) {
            let took = nanoseconds(thing);
            // The first round warms up.
            if round > 0 {
                times.push(took);
            }
        }
    }
    let floor = times[0].clone();
    times
        .iter()
        .map(|times| Measured {
            nanoseconds: median(times.clone()),
            ratio: median(times.iter().zip(&floor).map(|(a, b)| a / b).collect()),
        })
        .collect()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A number that looks random.
pub fn mixed(n: u64) -> u64 {
    let z = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 5
}

/// The key of a subject's row; docs/format.md, "Subjects".
pub fn key(s: SubjectId) -> Vec<u8> {
    let mut key = Vec::new();
    let collection = u64::try_from(s.collection().raw()).unwrap() + 1;
    for number in [collection, s.number()] {
        if let Ok(small @ 0..0xF0) = u8::try_from(number) {
            key.push(small);
            continue;
        }
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        key.push(0xEF + u8::try_from(8 - zeros).unwrap());
        key.extend_from_slice(&bytes[zeros..]);
    }
    key
}

/// A copy of a store's file, read without the store.
pub struct Bare {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _database: Database,
}

impl Bare {
    /// Copies the file of a store that nobody writes to, and opens its rows.
    pub fn copy(from: &Path, to: &Path) -> Self {
        std::fs::copy(from, to).unwrap();
        let database = Database::open(to).unwrap();
        let rows: Table = TableDefinition::new("fwd");
        let table = database.begin_read().unwrap().open_table(rows).unwrap();
        Self {
            table,
            _database: database,
        }
    }

    /// The length of a row, which must be there.
    pub fn get(&self, key: &[u8]) -> usize {
        self.table.get(key).unwrap().unwrap().value().len()
    }
}

/// A bare transaction in the mode of the store.
pub fn begin(database: &Database) -> WriteTransaction {
    let mut transaction = database.begin_write().unwrap();
    transaction.set_durability(Durability::Immediate).unwrap();
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    transaction
}
