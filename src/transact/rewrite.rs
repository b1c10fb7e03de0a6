//! Facts that are written anew because of what the request says elsewhere, among those that it says itself.
//!
//! 1. What was sent is written anew where it stands, and keeps its cause: it is judged and told as what it comes to.
//! 2. What holds and is not sent is retracted and asserted anew, as [`Cause::Followed`].
//! 3. Where both come to one fact, so that one would hide the other, the transaction is refused: what is judged is
//!    what is done. This depends on what holds, so it is told after the permissions are judged.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, Problem};
use super::staged::Staged;
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::{Facts, Flake, Op, PredicateId, SubjectId, Value};
use crate::policy::{Cause, StagedFlake};
use crate::query::Pointer;

/// Staged flakes with what follows from them.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) staged: Staged,
    /// The renames alone, as flakes on the state before: what that state reads as in the new names.
    pub(super) renames: Vec<Flake>,
    /// Why it is refused, if the author may write it at all.
    pub(super) refusal: Option<Error>,
}

/// What a value becomes, and the place in the request because of which.
pub(super) type Anew<'a> = dyn Fn(&Value) -> Option<(Value, &'a Pointer)> + 'a;

/// In which names the texts stand that are staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// In those before the transaction, as a request's do.
    Before,
    /// In those after it, as a receipt's do.
    After,
}

/// Writes values anew.
pub(super) struct Rewriter<'a> {
    before: &'a dyn Facts,
    said: Said,
    followed: Followed,
    /// Where the staged flakes stand that change something.
    staged: BTreeMap<(SubjectId, PredicateId), Vec<usize>>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(staged: Staged, said: Said, before: &'a dyn Facts) -> Self {
        let mut index: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, staged) in staged.flakes.iter().enumerate() {
            if staged.cause != Cause::Unchanged {
                let key = (staged.flake.s, staged.flake.p);
                index.entry(key).or_default().push(at);
            }
        }
        Self {
            before,
            said,
            followed: Followed {
                staged,
                renames: Vec::new(),
                refusal: None,
            },
            staged: index,
        }
    }

    /// Whether the texts that are staged have the new names already.
    pub(super) fn is_said(&self) -> bool {
        self.said == Said::After
    }

    /// The subjects that a staged flake changes under this predicate.
    pub(super) fn changed(&self, p: PredicateId) -> BTreeSet<SubjectId> {
        self.staged
            .keys()
            .filter(|(_, of)| *of == p)
            .map(|(s, _)| *s)
            .collect()
    }

    /// The flakes so far, as a commit has them.
    pub(super) fn flakes(&self) -> Vec<Flake> {
        let staged = self.followed.staged.flakes.iter();
        let mut flakes: Vec<Flake> = staged
            .filter(|it| it.cause != Cause::Unchanged)
            .map(|it| it.flake.clone())
            .collect();
        flakes.sort();
        flakes
    }

    /// Adds a flake of the renames alone.
    pub(super) fn rename(&mut self, s: SubjectId, p: PredicateId, old: Value, new: Value) {
        let flake = |o, op| Flake { s, p, o, op };
        self.followed.renames.push(flake(old, Op::Retract));
        self.followed.renames.push(flake(new, Op::Assert));
    }

    /// Notes why the transaction is refused; the first is told.
    pub(super) fn refuse(&mut self, at: &Pointer, problem: Problem) {
        self.followed.refusal.get_or_insert(Error {
            at: Some(at.clone()),
            problem,
        });
    }

    pub(super) fn is_refused(&self) -> bool {
        self.followed.refusal.is_some()
    }

    /// Writes the values of one subject and predicate anew. `is_rename` says whether they mean the same after it.
    pub(super) fn rewrite(
        &mut self,
        s: SubjectId,
        p: PredicateId,
        is_rename: bool,
        anew: &Anew<'_>,
    ) -> Result<(), Error> {
        let held: BTreeSet<Value> = self.before.value_list(s, p)?.into_iter().collect();
        let own = self.staged.get(&(s, p)).cloned().unwrap_or_default();
        let mut gone = BTreeSet::new();
        let mut sent = BTreeSet::new();
        let mut clash = None;
        for index in own {
            let flakes = &mut self.followed.staged.flakes;
            let Some(staged) = flakes.get_mut(index) else {
                continue;
            };
            if staged.flake.op == Op::Retract {
                gone.insert(staged.flake.o.clone());
                continue;
            }
            if self.said == Said::Before
                && let Some((value, at)) = anew(&staged.flake.o)
            {
                if held.contains(&value) {
                    clash = Some(at.clone());
                }
                staged.flake.o = value;
            }
            if !sent.insert(staged.flake.o.clone()) {
                clash = self.followed.staged.places.get(index).cloned();
            }
        }
        let kept: BTreeSet<Value> = held.difference(&gone).cloned().collect();
        let (after, at) = written(&kept, anew);
        if let Some(at) = at {
            if after.iter().any(|value| gone.contains(value)) {
                clash = Some(at.clone());
            }
            for value in kept.difference(&after) {
                self.push(s, p, value.clone(), Op::Retract, at);
            }
            for value in after.difference(&kept) {
                if !sent.contains(value) {
                    self.push(s, p, value.clone(), Op::Assert, at);
                }
            }
        }
        if is_rename {
            let (after, _) = written(&held, anew);
            let flake = |o: &Value, op| Flake {
                s,
                p,
                o: o.clone(),
                op,
            };
            let renames = &mut self.followed.renames;
            renames.extend(held.difference(&after).map(|o| flake(o, Op::Retract)));
            renames.extend(after.difference(&held).map(|o| flake(o, Op::Assert)));
        }
        if let Some(at) = clash {
            let why = "this transaction also writes what it renames: send it in two".to_owned();
            self.refuse(&at, Problem::Invalid(why));
        }
        Ok(())
    }

    fn push(&mut self, s: SubjectId, p: PredicateId, o: Value, op: Op, at: &Pointer) {
        let staged = &mut self.followed.staged;
        staged.flakes.push(StagedFlake {
            flake: Flake { s, p, o, op },
            cause: Cause::Followed,
        });
        staged.places.push(at.clone());
        if staged.flakes.len() > COMMIT_FLAKES_MAX {
            let problem = Problem::Limit {
                what: "flakes, with what is written anew",
                max: COMMIT_FLAKES_MAX,
            };
            self.refuse(at, problem);
        }
    }

    pub(super) fn finish(mut self) -> Followed {
        self.followed.renames.sort();
        self.followed
    }
}

/// Values written anew, and the place because of which the first was.
fn written<'a>(
    values: &BTreeSet<Value>,
    anew: &Anew<'a>,
) -> (BTreeSet<Value>, Option<&'a Pointer>) {
    let mut written = BTreeSet::new();
    let mut because = None;
    for value in values {
        match anew(value) {
            Some((value, at)) => {
                because.get_or_insert(at);
                written.insert(value);
            }
            None => {
                written.insert(value.clone());
            }
        }
    }
    (written, because)
}
