//! Random commits to the store and to a plain set of flakes: whatever is asked, they agree.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use solon::base::limits::DECIMAL_DIGITS_MAX;
use solon::model::{
    Bounds, CollectionId, Commit, Decimal, Digest, Direction, Erased, Erasure, Facts, Flake, Head,
    Incarnation, Op, Overlay, PredicateId, Real, Reason, SubjectId, T, Value,
};
use solon::store::{Cached, Sealed, Store, seal};

use crate::support::naive::Naive;
use crate::support::random::{Random, Repeat, seeds};

pub const INCARNATION: Incarnation = Incarnation([7; 16]);

fn collections() -> Vec<CollectionId> {
    [0, 6, 20, 21, 300, 511]
        .into_iter()
        .map(|id| CollectionId::new(id).unwrap())
        .chain([CollectionId::TX])
        .collect()
}

fn subject(random: &mut Random, now: T) -> SubjectId {
    let c = *random.pick(&collections());
    if c == CollectionId::TX {
        return SubjectId::of_block(T(1 + random.below(now.0.max(1))));
    }
    let number = match random.below(6) {
        0 => random.below(1 << 44),
        1 => 235 + random.below(10),
        _ => random.below(12),
    };
    SubjectId::new(c, number).unwrap()
}

/// Texts about the length at which keys are cut, many of them alike at their beginning.
fn text(random: &mut Random) -> String {
    let length = match random.below(8) {
        0 => 0,
        1 => 111 + random.below(4),
        2 => 126 + random.below(6),
        3 => 300 + random.below(3_000),
        _ => random.below(12),
    };
    let mut text: String = (0..length)
        .map(|at| {
            if at < 112 && length > 20 {
                'a'
            } else {
                *random.pick(&['a', 'b', '\0', 'é', '\u{1}'])
            }
        })
        .collect();
    if random.one_in(4) {
        let end: &str = random.pick::<&str>(&["", "\0", "z", "\u{10FFFF}"]);
        text.push_str(end);
    }
    text
}

/// Numbers near to each other, and some as long as a number may be.
fn decimal(random: &mut Random) -> Decimal {
    let digits = if random.one_in(6) {
        DECIMAL_DIGITS_MAX
    } else {
        random.index(5) + 1
    };
    let digits: String = (0..digits)
        .map(|_| *random.pick(&['0', '1', '9']))
        .collect();
    let last = *random.pick(&[0, 0, 0, 1, -1, -2, -900]);
    Decimal::new(random.one_in(2), &digits, last).unwrap()
}

/// A predicate of each kind, so that values of two kinds never meet.
fn fact(random: &mut Random, now: T) -> (PredicateId, Value) {
    let kind = random.below(11);
    let which = *random.pick(&[0, 1, 200, 70_000]);
    let p = PredicateId(1_000 + which * 20 + u32::try_from(kind).unwrap());
    let o = match kind {
        0 => Value::Boolean(random.one_in(2)),
        1 => Value::Int(match random.below(4) {
            0 => *random.pick(&[i64::MIN, i64::MAX, -1, 0, 255, 256, -256, -257]),
            1 => random.next().cast_signed() >> random.below(64),
            _ => i64::try_from(random.below(10)).unwrap() - 5,
        }),
        2 => Value::Double(
            Real::new(*random.pick(&[0.0, -0.0, 1.5, -1.5, 1e300, -1e300, f64::MIN_POSITIVE]))
                .unwrap(),
        ),
        3 => Value::Instant(*random.pick(&[0, -1, 1_764_000_000_000, i64::MIN, i64::MAX])),
        4 | 5 => Value::string(&text(random)),
        6 => Value::Uuid(u128::from(random.below(3)) << 100),
        7 => Value::Bytes(Arc::from(text(random).as_bytes())),
        8 => Value::Json(Arc::from(text(random).as_str())),
        9 => Value::Decimal(decimal(random)),
        _ => Value::Ref(subject(random, now)),
    };
    (p, o)
}

pub fn commit(random: &mut Random, head: &Head, flakes: Vec<Flake>) -> Sealed {
    erasing(random, head, flakes, Erasure::default())
}

/// Now and then a commit erases: all of a subject, one predicate of it, or what the commit itself retracts.
pub fn next_commit(random: &mut Random, head: &Head, naive: &Naive) -> Sealed {
    let flakes = flakes(random, naive);
    if !random.one_in(3) {
        return commit(random, head, flakes);
    }
    let lives = naive.lives();
    let retracted: BTreeSet<Flake> = flakes
        .iter()
        .filter(|flake| flake.op == Op::Retract)
        .map(|flake| Flake {
            op: Op::Assert,
            ..flake.clone()
        })
        .collect();
    let chosen: Vec<_> = if lives.is_empty() {
        Vec::new()
    } else if random.one_in(2) {
        // As for predicates that keep no history.
        let ends = |life: &&(Flake, _, Option<_>)| life.2.is_none() && retracted.contains(&life.0);
        lives.iter().filter(ends).collect()
    } else {
        let of = random.pick(&lives).0.clone();
        let is_whole = random.one_in(2);
        let is_of = |life: &&(Flake, _, _)| life.0.s == of.s && (is_whole || life.0.p == of.p);
        lives.iter().filter(is_of).collect()
    };
    let mut all: BTreeSet<Flake> = flakes.into_iter().collect();
    for (fact, _, until) in &chosen {
        if until.is_none() {
            all.insert(Flake {
                op: Op::Retract,
                ..fact.clone()
            });
        }
    }
    let all: Vec<Flake> = all.into_iter().collect();
    let t = head.t.next();
    let mut erasure = Erasure {
        reason: if !chosen.is_empty() && random.one_in(2) {
            Reason::Asked
        } else {
            Reason::Superseded
        },
        ..Erasure::default()
    };
    let mut next = std::collections::BTreeMap::new();
    for (fact, since, until) in chosen {
        let own = Flake {
            op: Op::Retract,
            ..fact.clone()
        };
        let index = || u32::try_from(all.binary_search(&own).unwrap()).unwrap();
        erasure.flakes.push(*since);
        erasure
            .flakes
            .push(until.unwrap_or_else(|| Erased { t, index: index() }));
        let c = fact.s.collection();
        if c != CollectionId::TX {
            let made = all
                .iter()
                .filter(|f| f.s.collection() == c && f.op == Op::Assert)
                .map(|f| f.s.number() + 1);
            let before = naive.next_number(c).unwrap();
            next.insert(c, made.max().unwrap_or(0).max(before));
        }
    }
    erasure.flakes.sort();
    erasure.next = next.into_iter().collect();
    erasing(random, head, all, erasure)
}

fn erasing(random: &mut Random, head: &Head, flakes: Vec<Flake>, erasure: Erasure) -> Sealed {
    let commit = Commit {
        t: head.t.next(),
        instant_ms: head.instant_ms.max(1_000) + i64::try_from(random.below(3)).unwrap() / 2 * 5,
        auth: SubjectId::new(CollectionId::new(6).unwrap(), random.below(3)).unwrap(),
        id: Digest(random.bytes()),
        secret: random.bytes(),
        flakes,
        erasure,
    };
    seal(INCARNATION, head, commit).unwrap()
}

pub fn flakes(random: &mut Random, naive: &Naive) -> Vec<Flake> {
    let now = T(naive.basis.0 + 1);
    let holds: Vec<_> = naive
        .all()
        .into_iter()
        .filter(|row| row.1.0 >= 1_000)
        .collect();
    let known: BTreeSet<_> = holds
        .iter()
        .map(|row| (row.0, row.1, row.2.clone()))
        .collect();
    let mut flakes = BTreeSet::new();
    let count = if random.one_in(5) {
        150
    } else {
        random.below(12)
    };
    let giant = subject(random, now);
    for _ in 0..count {
        if random.one_in(3) && !holds.is_empty() {
            let (s, p, o, _) = random.pick(&holds).clone();
            if random.one_in(4) {
                flakes.insert(Flake {
                    s,
                    p,
                    o: o.clone(),
                    op: Op::Assert,
                });
            }
            flakes.insert(Flake {
                s,
                p,
                o,
                op: Op::Retract,
            });
        } else {
            let s = if count > 100 && random.one_in(2) {
                giant
            } else {
                subject(random, now)
            };
            let (p, o) = fact(random, now);
            if !known.contains(&(s, p, o.clone())) {
                flakes.insert(Flake {
                    s,
                    p,
                    o,
                    op: Op::Assert,
                });
            }
        }
    }
    // Now and then a subject loses all it has.
    if random.one_in(4) && !holds.is_empty() {
        let gone = random.pick(&holds).0;
        flakes.retain(|flake| flake.s != gone);
        for (s, p, o, _) in holds.into_iter().filter(|row| row.0 == gone) {
            flakes.insert(Flake {
                s,
                p,
                o,
                op: Op::Retract,
            });
        }
    }
    // An assertion of what holds stands only beside its retraction.
    let all = flakes.clone();
    flakes.retain(|f| {
        let fact = (f.s, f.p, f.o.clone());
        f.op == Op::Retract
            || !known.contains(&fact)
            || all.contains(&Flake {
                op: Op::Retract,
                ..f.clone()
            })
    });
    flakes.into_iter().collect()
}

type Told = Vec<(SubjectId, PredicateId, Value, T)>;

fn told(limit: usize, read: impl FnOnce(&mut solon::model::Visit<'_>)) -> Told {
    let mut told = Told::new();
    read(&mut |fact| {
        assert!(told.len() < limit, "told after the visit was ended");
        told.push((fact.s, fact.p, fact.o.to_value(), fact.t));
        if told.len() == limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    told
}

fn referrers(facts: &dyn Facts, o: SubjectId, limit: usize) -> Vec<(PredicateId, SubjectId)> {
    let mut list = Vec::new();
    facts
        .referrers(o, &mut |p, s| {
            list.push((p, s));
            if list.len() == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    list
}

/// Asks both the same questions.
pub fn agree(random: &mut Random, found: &dyn Facts, expected: &Naive) {
    assert_eq!(found.basis(), expected.basis());
    let all = expected.all();
    let now = expected.basis;
    let some = |random: &mut Random| {
        if all.is_empty() || random.one_in(8) {
            let (p, o) = fact(random, now);
            (subject(random, now), p, o, T(0))
        } else {
            random.pick(&all).clone()
        }
    };
    for _ in 0..6 {
        let limit = if random.one_in(3) {
            1 + usize::try_from(random.below(3)).unwrap()
        } else {
            usize::MAX
        };
        let (s, p, o, _) = some(random);
        assert_eq!(
            told(limit, |v| found.subject(s, v).unwrap()),
            told(limit, |v| expected.subject(s, v).unwrap()),
            "subject {s}"
        );
        assert_eq!(
            told(limit, |v| found.values(s, p, v).unwrap()),
            told(limit, |v| expected.values(s, p, v).unwrap()),
            "values {s} {p:?}"
        );
        assert_eq!(
            found.subject_list(p, o.borrow()).unwrap(),
            expected.subject_list(p, o.borrow()).unwrap(),
            "subjects {p:?} {o:?}"
        );
        assert_eq!(found.exists(s).unwrap(), expected.exists(s).unwrap());
        let target = o.borrow().as_ref().unwrap_or(s);
        assert_eq!(
            referrers(found, target, limit),
            referrers(expected, target, limit),
            "referrers {target}"
        );
        let end = |random: &mut Random, of: &Value| match random.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(of.clone()),
            _ => Bound::Excluded(of.clone()),
        };
        let mut other = some(random);
        for _ in 0..20 {
            if other.1 == p {
                break;
            }
            other = some(random);
        }
        let to = if other.1 == p { other.2 } else { o.clone() };
        let bounds = Bounds {
            from: end(random, &o),
            to: end(random, &to),
        };
        assert_eq!(
            told(limit, |v| found.range(p, &bounds, v).unwrap()),
            told(limit, |v| expected.range(p, &bounds, v).unwrap()),
            "range {p:?} {bounds:?}"
        );
        let c = *random.pick(&collections());
        let direction = *random.pick(&[Direction::Ascending, Direction::Descending]);
        let after = random.one_in(2).then(|| some(random).0);
        let mut predicates: Vec<_> = (0..random.below(5)).map(|_| some(random).1).collect();
        predicates.sort();
        predicates.dedup();
        agree_on_walks(
            (s, c, direction, after),
            &predicates,
            limit,
            found,
            expected,
        );
    }
}

/// Asks both for a collection, for a few predicates of it and of a subject, and for the collection's subjects.
fn agree_on_walks(
    (s, c, direction, after): (SubjectId, CollectionId, Direction, Option<SubjectId>),
    predicates: &[PredicateId],
    limit: usize,
    found: &dyn Facts,
    expected: &Naive,
) {
    assert_eq!(
        told(limit, |v| found.among(s, predicates, v).unwrap()),
        told(limit, |v| expected.among(s, predicates, v).unwrap()),
        "among {s} {predicates:?}"
    );
    assert_eq!(
        told(limit, |v| found.collection(c, direction, after, v).unwrap()),
        told(limit, |v| expected
            .collection(c, direction, after, v)
            .unwrap()),
        "collection {c:?} {direction:?} {after:?}"
    );
    assert_eq!(
        told(limit, |v| found
            .collection_among(c, direction, after, predicates, v)
            .unwrap()),
        told(limit, |v| expected
            .collection_among(c, direction, after, predicates, v)
            .unwrap()),
        "collection {c:?} {direction:?} {after:?} among {predicates:?}"
    );
    assert_eq!(
        members(limit, c, direction, found),
        members(limit, c, direction, expected),
        "members {c:?} {direction:?}"
    );
    assert_eq!(
        found.next_number(c).unwrap(),
        expected.next_number(c).unwrap()
    );
}

fn members(
    limit: usize,
    c: CollectionId,
    direction: Direction,
    facts: &dyn Facts,
) -> Vec<SubjectId> {
    let mut members = Vec::new();
    facts
        .members(c, direction, &mut |s| {
            members.push(s);
            if members.len() == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    members
}

#[test]
fn the_store_agrees_with_a_plain_set_of_flakes() {
    for seed in seeds(4) {
        let _repeat = Repeat {
            test: "the_store_agrees_with_a_plain_set_of_flakes",
            seed,
        };
        let mut random = Random::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let mut store = Store::create(&path, INCARNATION).unwrap();
        let mut naive = Naive::default();
        for _ in 0..25 {
            let mut group = Vec::new();
            let mut head = store.head();
            for _ in 0..=random.below(3) {
                // The overlay says beforehand what will be true.
                let snapshot = store.snapshot().unwrap();
                let sealed = next_commit(&mut random, &head, &naive);
                head = sealed.head();
                naive.append(sealed.clone());
                group.push(sealed);
                let mut overlay = Overlay::new(snapshot);
                for sealed in &group {
                    overlay.apply(sealed.commit.t, &sealed.commit.flakes);
                }
                overlay_agrees(&mut random, &overlay, &naive);
            }
            store.append(&group).unwrap();
            if random.one_in(6) {
                drop(store);
                store = Store::open(&path).unwrap();
            }
            let snapshot = store.snapshot().unwrap();
            assert_eq!(snapshot.head(), head);
            agree(&mut random, &snapshot, &naive);
            let t = T(random.below(naive.basis.0 + 1));
            agree(&mut random, &snapshot.past(t), &naive.at(t));
            if let Some(sealed) = naive.blocks.get(usize::try_from(t.0).unwrap()) {
                assert_eq!(
                    snapshot.log(sealed.commit.t).unwrap(),
                    Some(naive.logged(sealed))
                );
                let newest = naive
                    .blocks
                    .iter()
                    .rev()
                    .find(|b| b.commit.instant_ms <= sealed.commit.instant_ms + 1)
                    .map(|b| b.commit.t);
                assert_eq!(
                    snapshot.newest_at(sealed.commit.instant_ms + 1).unwrap(),
                    newest
                );
            }
        }
        let verified = store.verify().unwrap();
        assert_eq!(verified.head, store.head());
        let erased = naive.erased().len();
        assert_eq!(verified.erased, u64::try_from(erased).unwrap());
        assert!(erased > 0);
        let copy = Store::create(directory.path().join("copy"), INCARNATION).unwrap();
        let copy = Store::rebuild(&store, copy).unwrap();
        assert_eq!(copy.verify().unwrap(), verified);
    }
}

/// As `agree`, but the blocks that are not appended yet have no facts of their own.
fn overlay_agrees(random: &mut Random, overlay: &dyn Facts, naive: &Naive) {
    let all: Vec<_> = naive
        .all()
        .into_iter()
        .filter(|row| row.1.0 >= 1_000 && row.0.raw() >= 0)
        .collect();
    if all.is_empty() {
        return;
    }
    for _ in 0..4 {
        let (s, p, o, _) = random.pick(&all).clone();
        let subject = told(usize::MAX, |v| overlay.subject(s, v).unwrap());
        assert_eq!(subject, told(usize::MAX, |v| naive.subject(s, v).unwrap()));
        let values = told(usize::MAX, |v| overlay.values(s, p, v).unwrap());
        assert_eq!(values, told(usize::MAX, |v| naive.values(s, p, v).unwrap()));
        assert_eq!(
            overlay.subject_list(p, o.borrow()).unwrap(),
            naive.subject_list(p, o.borrow()).unwrap()
        );
        let bounds = Bounds {
            from: Bound::Unbounded,
            to: Bound::Included(o.clone()),
        };
        assert_eq!(
            told(usize::MAX, |v| overlay.range(p, &bounds, v).unwrap()),
            told(usize::MAX, |v| naive.range(p, &bounds, v).unwrap())
        );
        let bounds = Bounds {
            from: Bound::Excluded(o.clone()),
            to: Bound::Unbounded,
        };
        assert_eq!(
            told(usize::MAX, |v| overlay.range(p, &bounds, v).unwrap()),
            told(usize::MAX, |v| naive.range(p, &bounds, v).unwrap())
        );
        let target = o.borrow().as_ref().unwrap_or(s);
        assert_eq!(
            referrers(overlay, target, usize::MAX),
            referrers(naive, target, usize::MAX)
        );
        let limit = if random.one_in(2) { 3 } else { usize::MAX };
        let direction = *random.pick(&[Direction::Ascending, Direction::Descending]);
        let after = random.one_in(2).then(|| random.pick(&all).0);
        let mut predicates: Vec<_> = (0..random.below(5)).map(|_| random.pick(&all).1).collect();
        predicates.sort();
        predicates.dedup();
        let walk = (s, s.collection(), direction, after);
        agree_on_walks(walk, &predicates, limit, overlay, naive);
    }
}

#[test]
fn a_row_at_hand_stays_while_it_is_told() {
    for seed in seeds(4) {
        let _repeat = Repeat {
            test: "a_row_at_hand_stays_while_it_is_told",
            seed,
        };
        let mut random = Random::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(directory.path().join("db"), INCARNATION).unwrap();
        let mut naive = Naive::default();
        for _ in 0..6 {
            let sealed = next_commit(&mut random, &store.head(), &naive);
            naive.append(sealed.clone());
            store.append(&[sealed]).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let cached = Cached::new(&snapshot);
        agree(&mut random, &cached, &naive);
        let all = naive.all();
        if all.is_empty() {
            continue;
        }
        for (_, p, o, _) in &all {
            let mut found = Vec::new();
            cached
                .subjects(*p, o.borrow(), &mut |s| {
                    let (other, _, _, _) = random.pick(&all).clone();
                    for s in [s, other, s] {
                        assert_eq!(
                            told(usize::MAX, |v| cached.values(s, *p, v).unwrap()),
                            told(usize::MAX, |v| naive.values(s, *p, v).unwrap()),
                            "values {s} {p:?} while others are found"
                        );
                    }
                    found.push(s);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(found, naive.subject_list(*p, o.borrow()).unwrap());
            for s in found {
                assert_eq!(
                    told(usize::MAX, |v| cached.subject(s, v).unwrap()),
                    told(usize::MAX, |v| naive.subject(s, v).unwrap()),
                    "subject {s} that was found"
                );
            }
        }
        for c in collections() {
            let walk = |v: &mut solon::model::Visit<'_>| {
                cached.collection(c, Direction::Ascending, None, v).unwrap();
            };
            let mut met = Vec::new();
            walk(&mut |fact| {
                let (other, _, _, _) = random.pick(&all).clone();
                for s in [fact.s, other, fact.s] {
                    assert_eq!(
                        told(usize::MAX, |v| cached.subject(s, v).unwrap()),
                        told(usize::MAX, |v| naive.subject(s, v).unwrap()),
                        "subject {s} while {} is told",
                        fact.s
                    );
                }
                met.push((fact.s, fact.p, fact.o.to_value(), fact.t));
                ControlFlow::Continue(())
            });
            let direction = Direction::Ascending;
            assert_eq!(
                met,
                told(usize::MAX, |v| naive
                    .collection(c, direction, None, v)
                    .unwrap())
            );
        }
    }
}

#[test]
fn a_few_predicates_of_a_row_of_many_chunks_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("db"), INCARNATION).unwrap();
    let s = SubjectId::new(CollectionId::new(20).unwrap(), 1).unwrap();
    // Each of five predicates has more values than are passed over one by one, and than one chunk holds.
    let predicates = [1_001, 1_002, 1_003, 70_000, 80_000].map(PredicateId);
    let mut facts = Vec::new();
    for p in predicates {
        facts.extend((0..900).map(|n| (p, Value::Int(n * 1_000))));
    }
    let flakes = facts.iter().map(|(p, o)| Flake {
        s,
        p: *p,
        o: o.clone(),
        op: Op::Assert,
    });
    let sealed = commit(&mut Random::new(1), &store.head(), flakes.collect());
    store.append(&[sealed]).unwrap();
    let snapshot = store.snapshot().unwrap();
    // The sixth is between two of the others, and nobody has it.
    let all = [1_001, 1_002, 1_003, 2_000, 70_000, 80_000].map(PredicateId);
    for chosen in 0..1_u32 << all.len() {
        let picked = all.iter().enumerate();
        let wanted: Vec<PredicateId> = picked
            .filter(|(index, _)| chosen >> index & 1 == 1)
            .map(|(_, p)| *p)
            .collect();
        let mut expected = facts.clone();
        expected.retain(|(p, _)| wanted.contains(p));
        for limit in [1, 901, usize::MAX] {
            let expected: Vec<_> = expected.iter().take(limit).cloned().collect();
            let of = |told: Told| -> Vec<_> { told.into_iter().map(|it| (it.1, it.2)).collect() };
            let row = told(limit, |v| snapshot.among(s, &wanted, v).unwrap());
            assert_eq!(of(row), expected, "{wanted:?} up to {limit}");
            let walked = told(limit, |v| {
                let direction = Direction::Descending;
                snapshot
                    .collection_among(s.collection(), direction, None, &wanted, v)
                    .unwrap();
            });
            assert_eq!(of(walked), expected, "{wanted:?} up to {limit}, walked");
        }
    }
}

#[test]
fn a_group_of_ten_thousand_subjects_is_told_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("db"), INCARNATION).unwrap();
    let mut random = Random::new(1);
    let c = CollectionId::new(20).unwrap();
    let p = PredicateId(1_001);
    let o = Value::Int(1);
    let mut numbers: Vec<u64> = (0..10_000).collect();
    let mut holds = BTreeSet::new();
    for _ in 0..10 {
        let mut flakes = BTreeSet::new();
        for _ in 0..1_000 {
            let at = usize::try_from(random.below(numbers.len() as u64)).unwrap();
            let s = SubjectId::new(c, numbers.swap_remove(at)).unwrap();
            holds.insert(s);
            flakes.insert(Flake {
                s,
                p,
                o: o.clone(),
                op: Op::Assert,
            });
        }
        let sealed = commit(&mut random, &store.head(), flakes.into_iter().collect());
        store.append(&[sealed]).unwrap();
    }
    let list = |store: &Store| {
        store
            .snapshot()
            .unwrap()
            .subject_list(p, o.borrow())
            .unwrap()
    };
    assert_eq!(list(&store), holds.iter().copied().collect::<Vec<_>>());
    while !holds.is_empty() {
        let gone: Vec<_> = holds.iter().copied().filter(|_| random.one_in(2)).collect();
        let gone = if holds.len() < 50 {
            holds.iter().copied().collect()
        } else {
            gone
        };
        holds.retain(|s| gone.binary_search(s).is_err());
        let flakes = gone
            .into_iter()
            .map(|s| Flake {
                s,
                p,
                o: o.clone(),
                op: Op::Retract,
            })
            .collect();
        let sealed = commit(&mut random, &store.head(), flakes);
        store.append(&[sealed]).unwrap();
        assert_eq!(list(&store), holds.iter().copied().collect::<Vec<_>>());
        store.verify().unwrap();
    }
}
