//! A model of facts that is obviously right: a list of flakes, and a look at each of them for every question.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, RangeBounds};

use solon::model::{
    Bounds, CollectionId, Direction, Erased, Error, Fact, Facts, Flake, Op, PredicateId, SubjectId,
    T, Value, ValueRef, Visit, system::predicate,
};
use solon::store::Sealed;

/// Every block, and the basis at which it is asked.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub blocks: Vec<Sealed>,
    pub basis: T,
    /// Everything that holds, sorted; the blocks' own facts too.
    rows: Vec<Row>,
}

type Row = (SubjectId, PredicateId, Value, T);

impl Naive {
    pub fn append(&mut self, sealed: Sealed) {
        self.basis = sealed.commit.t;
        self.blocks.push(sealed);
        self.rows = self.fold();
    }

    pub fn at(&self, t: T) -> Self {
        let mut past = Self {
            blocks: self.blocks.clone(),
            basis: t,
            rows: Vec::new(),
        };
        past.rows = past.fold();
        past
    }

    /// Everything that holds, sorted; the blocks' own facts too.
    pub fn all(&self) -> Vec<Row> {
        self.rows.clone()
    }

    /// What was erased, whenever that was.
    pub fn erased(&self) -> BTreeSet<Erased> {
        self.blocks
            .iter()
            .flat_map(|b| b.commit.erasure.flakes.iter().copied())
            .collect()
    }

    /// The flakes of a block with their places, without those that were erased.
    fn left(sealed: &Sealed, erased: &BTreeSet<Erased>) -> Vec<(Erased, Flake)> {
        let t = sealed.commit.t;
        let flakes = (0..).zip(&sealed.commit.flakes);
        flakes
            .map(|(index, flake)| (Erased { t, index }, flake.clone()))
            .filter(|(at, _)| !erased.contains(at))
            .collect()
    }

    /// A block as the log has it by now.
    pub fn logged(&self, sealed: &Sealed) -> Sealed {
        let mut logged = sealed.clone();
        let left = Self::left(sealed, &self.erased());
        if left.len() < sealed.commit.flakes.len() {
            logged.commit.secret = [0; 16];
        }
        logged.commit.flakes = left.into_iter().map(|(_, flake)| flake).collect();
        logged
    }

    /// Where each life of each fact began and ended.
    pub fn lives(&self) -> Vec<(Flake, Erased, Option<Erased>)> {
        let erased = self.erased();
        let mut open: BTreeMap<Flake, Erased> = BTreeMap::new();
        let mut lives = Vec::new();
        for (at, flake) in self.blocks.iter().flat_map(|b| Self::left(b, &erased)) {
            let fact = Flake {
                op: Op::Assert,
                ..flake.clone()
            };
            match flake.op {
                Op::Assert => drop(open.insert(fact, at)),
                Op::Retract => {
                    let since = open.remove(&fact).unwrap();
                    lives.push((fact, since, Some(at)));
                }
            }
        }
        lives.extend(open.into_iter().map(|(fact, since)| (fact, since, None)));
        lives
    }

    fn fold(&self) -> Vec<Row> {
        let erased = self.erased();
        let mut holds: BTreeMap<(SubjectId, PredicateId, Value), T> = BTreeMap::new();
        for sealed in self.blocks.iter().filter(|b| b.commit.t <= self.basis) {
            let t = sealed.commit.t;
            for (_, flake) in Self::left(sealed, &erased) {
                let fact = (flake.s, flake.p, flake.o.clone());
                match flake.op {
                    Op::Assert => holds.insert(fact, t),
                    Op::Retract => holds.remove(&fact),
                };
            }
            let s = SubjectId::of_block(t);
            for (p, o) in [
                (
                    predicate::BLOCK_HASH,
                    Value::string(&sealed.hash.to_string()),
                ),
                (
                    predicate::BLOCK_PREV_HASH,
                    Value::string(&sealed.previous.to_string()),
                ),
                (
                    predicate::BLOCK_INSTANT,
                    Value::Instant(sealed.commit.instant_ms),
                ),
                (
                    predicate::BLOCK_NUMBER,
                    Value::Int(i64::try_from(t.0).unwrap()),
                ),
                (
                    predicate::TX_ID,
                    Value::string(&sealed.commit.id.to_string()),
                ),
                (predicate::TX_AUTH, Value::Ref(sealed.commit.auth)),
            ] {
                holds.insert((s, p, o), t);
            }
        }
        holds
            .into_iter()
            .map(|((s, p, o), t)| (s, p, o, t))
            .collect()
    }
}

fn tell(rows: &[Row], visit: &mut Visit<'_>) {
    let _ = rows.iter().try_for_each(|(s, p, o, t)| {
        visit(Fact {
            s: *s,
            p: *p,
            o: o.borrow(),
            t: *t,
        })
    });
}

impl Facts for Naive {
    fn basis(&self) -> T {
        self.basis
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error> {
        let rows: Vec<Row> = self.rows.iter().filter(|row| row.0 == s).cloned().collect();
        tell(&rows, visit);
        Ok(())
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let rows: Vec<Row> = self
            .rows
            .iter()
            .filter(|row| row.1 == p && row.2.borrow() == o && o.is_posted())
            .cloned()
            .collect();
        let _ = rows.iter().try_for_each(|row| visit(row.0));
        Ok(())
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut rows = self.all();
        // A block's own facts are not told among the referrers of its auth.
        rows.retain(|row| row.2 == Value::Ref(o) && row.1 != predicate::TX_AUTH);
        let mut rows: Vec<_> = rows.iter().map(|row| (row.1, row.0)).collect();
        rows.sort();
        let _ = rows.iter().try_for_each(|(p, s)| visit(*p, *s));
        Ok(())
    }

    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error> {
        let limits = (bounds.from.as_ref(), bounds.to.as_ref());
        let mut rows = self.all();
        rows.retain(|(_, at, o, _)| {
            let o_ref = o.borrow();
            *at == p
                && o_ref.is_posted()
                && o_ref.as_ref().is_none()
                && RangeBounds::<Value>::contains(&limits, o)
        });
        rows.sort_by(|a, b| (&a.2, a.0).cmp(&(&b.2, b.0)));
        tell(&rows, visit);
        Ok(())
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut rows = self.all();
        rows.retain(|row| {
            row.0.collection() == c
                && after.is_none_or(|after| match direction {
                    Direction::Ascending => row.0 > after,
                    Direction::Descending => row.0 < after,
                })
        });
        if direction == Direction::Descending {
            // Subjects descend; the facts of each stay in their order.
            rows.sort_by_key(|row| std::cmp::Reverse(row.0));
        }
        tell(&rows, visit);
        Ok(())
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, Error> {
        if c == CollectionId::TX {
            return Ok(self.basis.0 + 1);
        }
        // Also of a past: what was ever used up to the newest block is used.
        let used = self
            .blocks
            .iter()
            .flat_map(|b| &b.commit.flakes)
            .filter(|f| f.s.collection() == c && f.op == Op::Assert)
            .map(|f| f.s.number() + 1);
        Ok(used.max().unwrap_or(0))
    }
}
