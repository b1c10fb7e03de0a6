//! With the power cut at every sync, all that was acknowledged is there, and nothing by halves.

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use solon::model::{Facts, T};
use solon::store::{Aside, Error, Sealed, Store, TrailRow};

use crate::model::{INCARNATION, agree, commit, next_commit};
use crate::support::disk::Disk;
use crate::support::naive::Naive;
use crate::support::random::{Random, Repeat, seeds};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Groups of blocks that follow each other.
fn workload(random: &mut Random, groups: u64) -> (Vec<Vec<Sealed>>, Naive) {
    let mut naive = Naive::default();
    let mut head = Store::create_on(Disk::default(), INCARNATION)
        .unwrap()
        .head();
    let list = (0..groups)
        .map(|_| {
            (0..=random.below(2))
                .map(|_| {
                    let sealed = next_commit(random, &head, &naive);
                    head = sealed.head();
                    naive.append(sealed.clone());
                    sealed
                })
                .collect()
        })
        .collect();
    (list, naive)
}

fn is_prefix(random: &mut Random, store: &Store, naive: &Naive, acknowledged: T) {
    let head = store.head();
    assert!(head.t >= acknowledged, "an acknowledged block is lost");
    let mut prefix = naive.clone();
    prefix.blocks.truncate(usize::try_from(head.t.0).unwrap());
    let prefix = prefix.at(head.t);
    store.verify().unwrap();
    agree(random, &store.snapshot().unwrap(), &prefix);
}

#[test]
fn after_a_power_cut_a_prefix_is_there_and_all_that_was_acknowledged() {
    for seed in seeds(2) {
        let _repeat = Repeat {
            test: "after_a_power_cut_a_prefix_is_there_and_all_that_was_acknowledged",
            seed,
        };
        let mut random = Random::new(seed);
        let (groups, naive) = workload(&mut random, 8);
        let disk = Disk::default();
        let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
        disk.keep_syncs();
        // How many syncs had passed when each group was acknowledged.
        let mut acknowledged = vec![(0, T(0))];
        for group in &groups {
            store.append(group).unwrap();
            acknowledged.push((disk.syncs(), group.last().unwrap().commit.t));
        }
        for sync in 0..disk.syncs() {
            let promised = acknowledged
                .iter()
                .rfind(|(syncs, _)| *syncs <= sync)
                .unwrap()
                .1;
            for _ in 0..4 {
                let cut = disk.cut_at(sync, &mut random);
                let store = Store::open_on(cut).unwrap();
                is_prefix(&mut random, &store, &naive, promised);
                // And it goes on from there.
                let at = usize::try_from(store.head().t.0).unwrap();
                if let Some(next) = naive.blocks.get(at) {
                    store.append(std::slice::from_ref(next)).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_disk_that_fails_acknowledges_nothing_and_is_still_read() {
    let mut random = Random::new(5);
    let (groups, naive) = workload(&mut random, 4);
    let count = {
        let disk = Disk::default();
        let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
        let before = disk.changes();
        for group in &groups {
            store.append(group).unwrap();
        }
        disk.changes() - before
    };
    for at in 0..count {
        let disk = Disk::default();
        let store = Store::create_on(disk.clone(), INCARNATION).unwrap();
        disk.fail_at(disk.changes() + at);
        let mut acknowledged = T(0);
        let mut has_failed = false;
        for group in &groups {
            match store.append(group) {
                Ok(()) => {
                    assert!(!has_failed, "an append after a failed one was acknowledged");
                    acknowledged = group.last().unwrap().commit.t;
                }
                Err(Error::Unavailable { .. }) => has_failed = true,
                Err(other) => panic!("{other}"),
            }
            assert_eq!(store.head().t, acknowledged);
        }
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.basis(), acknowledged);
        let mut prefix = naive.clone();
        prefix
            .blocks
            .truncate(usize::try_from(acknowledged.0).unwrap());
        agree(&mut random, &snapshot, &prefix.at(acknowledged));
        store.verify().unwrap();
        drop(snapshot);
        drop(store);
        let reopened = Store::open_on(Disk::of(disk.bytes())).unwrap();
        is_prefix(&mut random, &reopened, &naive, acknowledged);
    }
}

#[test]
fn what_does_not_follow_is_refused_and_the_store_goes_on() {
    let mut random = Random::new(3);
    let (groups, _) = workload(&mut random, 3);
    let store = Store::create_on(Disk::default(), INCARNATION).unwrap();
    assert!(matches!(
        store.append(&groups[1]),
        Err(Error::Invalid { .. })
    ));
    for group in &groups {
        store.append(group).unwrap();
    }
    let held = groups
        .iter()
        .flatten()
        .flat_map(|b| &b.commit.flakes)
        .find(|f| {
            let s = store.snapshot().unwrap().value_list(f.s, f.p).unwrap();
            s.contains(&f.o)
        })
        .unwrap();
    let again = solon::model::Flake {
        op: solon::model::Op::Assert,
        ..held.clone()
    };
    let end = store.head();
    let doubled = commit(&mut random, &end, vec![again]);
    assert!(matches!(
        store.append(&[doubled]),
        Err(Error::Invalid { .. })
    ));
    assert_eq!(store.head(), end);
    let next = commit(&mut random, &end, Vec::new());
    store.append(&[next]).unwrap();
    store.verify().unwrap();
}

#[test]
fn a_file_of_another_kind_or_in_use_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let open = Store::create(&path, INCARNATION).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::InUse)));
    drop(open);
    assert!(matches!(
        Store::create(&path, INCARNATION),
        Err(Error::Exists)
    ));
    let other = directory.path().join("other");
    std::fs::write(
        &other,
        "not a database, and long enough to be read".repeat(3_000),
    )
    .unwrap();
    assert!(matches!(Store::open(&other), Err(Error::NotOurs)));
    std::fs::write(&other, "").unwrap();
    assert!(matches!(Store::open(&other), Err(Error::NotOurs)));
    assert!(matches!(
        Store::open(directory.path().join("absent")),
        Err(Error::Unavailable { .. })
    ));
    tamper(&path, "meta", |rows| {
        for (key, value) in rows.iter_mut() {
            if key == b"format" {
                *value = vec![9];
            }
        }
    });
    assert!(matches!(
        Store::open(&path),
        Err(Error::Version { found: 9, .. })
    ));
}

pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Changes a table of a closed file.
pub fn tamper(path: &std::path::Path, name: &'static str, change: impl FnOnce(&mut Rows)) {
    let definition: Table = TableDefinition::new(name);
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut rows: Rows = transaction
        .open_table(definition)
        .unwrap()
        .iter()
        .unwrap()
        .map(|row| {
            let (key, value) = row.unwrap();
            (key.value().to_vec(), value.value().to_vec())
        })
        .collect();
    drop(transaction);
    change(&mut rows);
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(definition).unwrap();
        table.retain(|_, _| false).unwrap();
        for (key, value) in &rows {
            table.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn what_is_found(path: &std::path::Path) -> String {
    match Store::open_as_it_is(path).and_then(|store| store.verify()) {
        Err(Error::Corrupt { what }) => what,
        other => panic!("nothing was found: {other:?}"),
    }
}

/// A file of some blocks and a trail, its folder, and its bytes.
fn whole_file(random: &mut Random) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let (groups, _) = workload(random, 6);
    let store = Store::create(&path, INCARNATION).unwrap();
    for group in &groups {
        store.append(group).unwrap();
    }
    for text in ["one", "two", "three"] {
        let s = groups[0][0].commit.flakes[0].s;
        let row = |about| TrailRow {
            about,
            text: text.as_bytes().to_vec(),
        };
        let aside = Aside {
            trail: vec![row(Some(s)), row(None)],
            ..Aside::default()
        };
        store.append_with(&[], &aside).unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    (directory, path, whole)
}

#[test]
fn every_changed_byte_and_every_missing_row_is_found_and_named() {
    let seed = seeds(1)[0];
    let mut random = Random::new(seed);
    let (_directory, path, whole) = whole_file(&mut random);
    for round in 0..40 {
        std::fs::write(&path, &whole).unwrap();
        let mut block = 0;
        tamper(&path, "log", |rows| {
            let at = usize::try_from(random.below(rows.len() as u64)).unwrap();
            block = at + 1;
            let value = &mut rows[at].1;
            // The first rounds go through the header, the others anywhere.
            let byte = match round {
                0..20 => usize::try_from(round * 133 / 20).unwrap(),
                _ => usize::try_from(random.below(value.len() as u64)).unwrap(),
            };
            value[byte] ^= 1 << random.below(8);
        });
        let what = what_is_found(&path);
        assert!(what.contains(&format!("block {block}")), "{what}");
    }
    std::fs::write(&path, &whole).unwrap();
    tamper(&path, "log", |rows| drop(rows.remove(1)));
    assert_eq!(what_is_found(&path), "block 2 is missing");
    for table in ["fwd", "post", "opst", "hfwd", "hrev"] {
        std::fs::write(&path, &whole).unwrap();
        tamper(&path, table, |rows| drop(rows.pop()));
        let what = what_is_found(&path);
        assert!(what.contains("chunk") || what.contains(table), "{what}");
    }
    std::fs::write(&path, &whole).unwrap();
    tamper(&path, "meta", |rows| {
        let next = rows.iter().position(|(key, _)| key.starts_with(b"next/"));
        drop(rows.remove(next.unwrap()));
    });
    assert!(what_is_found(&path).contains("table meta"));
}

/// What is done to a table's rows.
type Change = fn(&mut Rows);

/// Of the trail its numbers are checked, and how its rows are found. What they say is the database's.
#[test]
fn what_is_wrong_with_the_trail_is_found_and_named() {
    let (_directory, path, whole) = whole_file(&mut Random::new(seeds(1)[0]));
    let damages: [(&'static str, Change, &str); 8] = [
        (
            "trail",
            |rows| drop(rows.remove(0)),
            "row 1 of the trail is missing",
        ),
        (
            "trail",
            |rows| drop(rows.remove(2)),
            "row 3 of the trail is missing",
        ),
        (
            "trail",
            |rows| rows[1].1[0] = 7,
            "row 2 of the trail is of no known form",
        ),
        (
            "trail",
            |rows| rows[1].1.clear(),
            "row 2 of the trail is of no known form",
        ),
        (
            "trail",
            |rows| rows[1].1.resize(1_026, b'x'),
            "row 2 of the trail is too long",
        ),
        (
            "trail",
            |rows| rows[0].1 = rows[1].1.clone(),
            "table about names a row",
        ),
        (
            "about",
            |rows| drop(rows.pop()),
            "row 5 of the trail is not in table about",
        ),
        (
            "meta",
            |rows| rows.push((b"trail".to_vec(), vec![2])),
            "row 2 of the trail is missing",
        ),
    ];
    for (table, damage, found) in damages {
        std::fs::write(&path, &whole).unwrap();
        tamper(&path, table, damage);
        let what = what_is_found(&path);
        assert!(what.contains(found), "{what}");
    }
}
