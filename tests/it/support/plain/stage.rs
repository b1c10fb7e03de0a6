//! Types, contradictions, what comes of it, and the checks on that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::names::{Named, coarse, named};
use super::resolve::{Known, Resolved, resolved};
use super::schema::{Kind, Predicate, predicate};
use super::value::{Plain, scalar};
use super::world::{Fact, Made, Refusal, Told, Who, World, collection_of, invalid, refuse};

/// A write of one fact, in the order of the request.
#[derive(Clone, Debug)]
struct Step {
    fact: Fact,
    asserts: bool,
    at: String,
    /// Whether the request says it; else it follows.
    is_sent: bool,
    /// A ref to what is deleted: nobody is asked about it.
    is_loose: bool,
}

/// The steps of a transaction, and what it says.
#[derive(Debug, Default)]
struct Steps {
    list: Vec<Step>,
    /// What is asserted, and where first.
    asserted: BTreeMap<Fact, String>,
    retracted: BTreeSet<Fact>,
    filled: BTreeSet<(i64, &'static str)>,
    emptied: BTreeSet<(i64, &'static str)>,
    deleted: BTreeSet<i64>,
    /// What is true after them.
    after: World,
}

type Typed = Vec<Vec<Option<Vec<(String, Plain)>>>>;

impl World {
    /// What a transaction does, or why it is refused.
    pub fn transact(&self, who: Who, transaction: &Json) -> Result<Made, Refusal> {
        let named = named(transaction)?;
        coarse(who, &named)?;
        let resolved = resolved(self, who, &named)?;
        let typed = typed(&named, &resolved)?;
        refuse_uses_of_deleted(&named, &resolved, &typed)?;
        let mut steps = Steps {
            after: self.clone(),
            ..Steps::default()
        };
        steps.after.next.clone_from(&resolved.next);
        steps.after.block += 1;
        steps.take(self, &named, &resolved, &typed)?;
        let tempids = tempids(&named, &resolved, &steps)?;
        let late = steps.cascade(self);
        self.check(who, &steps, late)?;
        Ok(self.made(who, &named, steps, tempids))
    }

    /// The checks on the whole, in their order.
    fn check(&self, who: Who, steps: &Steps, late: Option<String>) -> Result<(), Refusal> {
        let after = &steps.after;
        for step in steps.list.iter().filter(|step| step.asserts) {
            let bound = predicate(step.fact.1).unwrap().into;
            if let (Some(into), Plain::Ref(to)) = (bound, &step.fact.2)
                && collection_of(*to) != into
            {
                return invalid(&step.at);
            }
        }
        if who == Who::Ann {
            for step in &steps.list {
                if !self.may_write(after, step) {
                    return refuse("db/write-permission", &step.at);
                }
            }
        }
        if let Some(at) = late {
            return invalid(&at);
        }
        let tags = steps
            .deleted
            .iter()
            .filter(|s| collection_of(**s) == "_tag");
        for tag in tags {
            if after.facts.iter().any(|fact| fact.2 == Plain::Ref(*tag)) {
                let step = steps.list.iter().find(|step| step.fact.0 == *tag);
                return refuse("db/in-use", &step.unwrap().at);
            }
        }
        let changes = |step: &&Step| self.facts.contains(&step.fact) != step.asserts;
        for step in steps.list.iter().filter(changes).filter(|it| it.asserts) {
            let (_, p, o) = &step.fact;
            if predicate(p).unwrap().has("unique") && after.having(p, o).len() > 1 {
                return refuse("db/unique", &step.at);
            }
        }
        self.specs(steps)
    }

    /// Whether ann may do one step.
    fn may_write(&self, after: &World, step: &Step) -> bool {
        let (s, p, _) = &step.fact;
        if step.is_loose || *p == "_tag/id" {
            return true;
        }
        let changes = self.facts.contains(&step.fact) != step.asserts;
        // What changes nothing, and is seen to, tells nothing.
        if step.is_sent && !changes && !is_again(step) && self.sees(Who::Ann, &step.fact) {
            return true;
        }
        match predicate(p).unwrap().of() {
            "item" if *p == "item/locked" => false,
            "item" if !self.exists(*s) => after.is_owned(*s),
            "item" => self.is_owned(*s) && (!step.asserts || after.is_owned(*s)),
            "part" | "_tx" => true,
            _ => false,
        }
    }

    /// The spec of `item/age`, the `txSpec` of `item/money`, the spec of `box`.
    fn specs(&self, steps: &Steps) -> Result<(), Refusal> {
        let after = &steps.after;
        let changes = |step: &&Step| self.facts.contains(&step.fact) != step.asserts;
        for step in steps.list.iter().filter(changes) {
            if step.asserts && step.fact.1 == "item/age" && step.fact.2 < Plain::Int(0) {
                return refuse("db/predicate-spec", &step.at);
            }
        }
        let mut moved = steps.list.iter().filter(changes);
        let first = moved.find(|step| step.fact.1 == "item/money");
        let sum = |world: &World| -> i64 {
            let amounts = world.facts.iter().filter(|fact| fact.1 == "item/money");
            amounts.map(|fact| amount(&fact.2)).sum()
        };
        if let Some(first) = first
            && sum(self) != sum(after)
        {
            return refuse("db/predicate-tx-spec", &first.at);
        }
        let touched = steps.list.iter().filter(changes).map(|step| step.fact.0);
        let boxes: BTreeSet<i64> = touched.filter(|s| collection_of(*s) == "box").collect();
        for s in boxes {
            if after.exists(s) && after.values(s, "box/name").is_empty() {
                let mut of_it = steps.list.iter().filter(changes);
                let first = of_it.find(|step| step.fact.0 == s).unwrap();
                return refuse("db/collection-spec", &first.at);
            }
        }
        Ok(())
    }

    fn made(&self, who: Who, named: &Named, steps: Steps, tempids: Vec<(String, Told)>) -> Made {
        let after = steps.after;
        let mut flakes = BTreeSet::new();
        for fact in self.facts.difference(&after.facts) {
            flakes.insert((fact.clone(), false));
        }
        for fact in after.facts.difference(&self.facts) {
            flakes.insert((fact.clone(), true));
        }
        for step in steps.list.iter().filter(|step| is_again(step)) {
            if self.facts.contains(&step.fact) {
                flakes.insert((step.fact.clone(), false));
                flakes.insert((step.fact.clone(), true));
            }
        }
        flakes.retain(|(fact, asserts)| match asserts {
            true => after.sees(who, fact),
            false => self.sees(who, fact),
        });
        let is_told = |it: &(String, Told)| match it.1 {
            Told::One(s) | Told::Range(s, _) => who == Who::Root || after.sees_subject(who, s),
        };
        let mut warnings: Vec<String> = Vec::new();
        for field in named.items.iter().flat_map(|item| &item.fields) {
            let name = field.p.name.to_owned();
            if field.p.has("deprecated") && !warnings.contains(&name) {
                warnings.push(name);
            }
        }
        Made {
            flakes,
            tempids: tempids.into_iter().filter(is_told).collect(),
            warnings,
            after,
        }
    }
}

fn amount(value: &Plain) -> i64 {
    match value {
        Plain::Int(it) => *it,
        other => panic!("no amount: {other:?}"),
    }
}

/// Whether a step says again what is there, where that is kept.
fn is_again(step: &Step) -> bool {
    step.asserts && step.is_sent && predicate(step.fact.1).unwrap().has("retractDuplicates")
}

/// Every value is one of its type.
fn typed(named: &Named, resolved: &Resolved) -> Result<Typed, Refusal> {
    let mut all = Vec::new();
    for (item, values) in named.items.iter().zip(&resolved.values) {
        let mut fields = Vec::new();
        for (field, values) in item.fields.iter().zip(values) {
            let Some(values) = values else {
                fields.push(None);
                continue;
            };
            let mut list = Vec::new();
            for (at, value) in values {
                match value {
                    Known::Ref(s) => list.push((at.clone(), Plain::Ref(*s))),
                    Known::Json(Json::Null) if item.deletes => {}
                    Known::Json(Json::Null) => return invalid(at),
                    Known::Json(json) => match scalar(json, field.p.kind) {
                        Some(value) => list.push((at.clone(), value)),
                        None => return invalid(at),
                    },
                }
            }
            fields.push(Some(list));
        }
        all.push(fields);
    }
    Ok(all)
}

/// What is deleted is neither written nor referred to.
fn refuse_uses_of_deleted(
    named: &Named,
    resolved: &Resolved,
    typed: &Typed,
) -> Result<(), Refusal> {
    let items = || named.items.iter().zip(&resolved.subjects).zip(typed);
    let deleted: BTreeSet<i64> = items()
        .filter(|((item, _), _)| item.deletes_all())
        .map(|((_, s), _)| *s)
        .collect();
    for ((_, s), fields) in items().filter(|((item, _), _)| !item.deletes) {
        let mut kinds = fields.iter().flatten().flatten();
        let used = |(_, value): &&(String, Plain)| {
            deleted.contains(s) || matches!(value, Plain::Ref(to) if deleted.contains(to))
        };
        if let Some((at, _)) = kinds.find(used) {
            return invalid(at);
        }
    }
    Ok(())
}

impl Steps {
    fn step(&mut self, fact: Fact, asserts: bool, at: &str, is_sent: bool) {
        self.list.push(Step {
            fact,
            asserts,
            at: at.to_owned(),
            is_sent,
            is_loose: false,
        });
    }

    /// Goes through the request.
    fn take(
        &mut self,
        before: &World,
        named: &Named,
        resolved: &Resolved,
        typed: &Typed,
    ) -> Result<(), Refusal> {
        for (s, id) in &resolved.tags {
            let fact = (*s, "_tag/id", Plain::Text(id.clone()));
            self.after.facts.insert(fact.clone());
            self.step(fact, true, "", false);
        }
        for ((item, s), fields) in named.items.iter().zip(&resolved.subjects).zip(typed) {
            if item.deletes_all() {
                self.delete(before, *s, &item.at);
            }
            for (field, values) in item.fields.iter().zip(fields) {
                let Some(values) = values else {
                    self.empty(*s, field.p, &field.at)?;
                    continue;
                };
                for (at, value) in values {
                    let fact = (*s, field.p.name, value.clone());
                    if item.deletes {
                        self.retract(fact, at)?;
                    } else {
                        self.assert(&fact, field.p, at)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn empty(&mut self, s: i64, p: &'static Predicate, at: &str) -> Result<(), Refusal> {
        if self.filled.contains(&(s, p.name)) {
            return invalid(at);
        }
        self.emptied.insert((s, p.name));
        for o in self.after.values(s, p.name) {
            let fact = (s, p.name, o);
            self.after.facts.remove(&fact);
            self.step(fact, false, at, false);
        }
        Ok(())
    }

    fn retract(&mut self, fact: Fact, at: &str) -> Result<(), Refusal> {
        if self.asserted.contains_key(&fact) {
            return invalid(at);
        }
        self.retracted.insert(fact.clone());
        self.after.facts.remove(&fact);
        self.step(fact, false, at, true);
        Ok(())
    }

    fn assert(&mut self, fact: &Fact, p: &'static Predicate, at: &str) -> Result<(), Refusal> {
        let of = (fact.0, p.name);
        let mut others = self.asserted.keys();
        let is_second = !p.has("multi") && others.any(|it| (it.0, it.1) == of && it.2 != fact.2);
        self.filled.insert(of);
        if is_second || self.emptied.contains(&of) || self.retracted.contains(fact) {
            return invalid(at);
        }
        let old = if p.has("multi") {
            Vec::new()
        } else {
            self.after.values(fact.0, p.name)
        };
        let first = at.to_owned();
        self.asserted.entry(fact.clone()).or_insert(first);
        self.after.facts.insert(fact.clone());
        self.step(fact.clone(), true, at, true);
        for o in old.into_iter().filter(|o| *o != fact.2) {
            let replaced = (fact.0, p.name, o);
            self.after.facts.remove(&replaced);
            self.step(replaced, false, at, false);
        }
        Ok(())
    }

    /// A subject goes with its facts and the refs to it; the uses of a tag stay.
    fn delete(&mut self, before: &World, s: i64, at: &str) {
        self.deleted.insert(s);
        let own: Vec<Fact> = before.of(s).cloned().collect();
        for fact in own {
            if self.after.facts.remove(&fact) {
                self.step(fact, false, at, false);
            }
        }
        if collection_of(s) == "_tag" {
            return;
        }
        let refs = before.facts.iter().filter(|it| it.2 == Plain::Ref(s));
        for fact in refs {
            if self.after.facts.remove(fact) {
                self.step(fact.clone(), false, at, false);
                self.list.last_mut().unwrap().is_loose = true;
            }
        }
    }

    /// What a component ref that went referred to goes too, unless another takes it in; where something that goes so
    /// is used, and is found out late.
    fn cascade(&mut self, before: &World) -> Option<String> {
        let is_component = |fact: &Fact| predicate(fact.1).unwrap().has("component");
        let taken: BTreeSet<i64> = self
            .asserted
            .keys()
            .filter(|it| is_component(it))
            .filter_map(target)
            .collect();
        let (mut late, mut next) = (None, 0);
        while let Some(step) = self.list.get(next).cloned() {
            next += 1;
            let went = !step.asserts && before.facts.contains(&step.fact);
            let Some(s) = target(&step.fact).filter(|_| went && is_component(&step.fact)) else {
                continue;
            };
            if taken.contains(&s) || self.deleted.contains(&s) {
                continue;
            }
            let mut said = self.asserted.keys();
            if said.any(|fact| fact.0 == s || fact.2 == Plain::Ref(s)) {
                late = late.or_else(|| Some(step.at.clone()));
            }
            self.delete(before, s, &step.at);
        }
        late
    }
}

fn target(fact: &Fact) -> Option<i64> {
    match (&fact.2, predicate(fact.1).unwrap().kind) {
        (Plain::Ref(to), Kind::Ref) => Some(*to),
        _ => None,
    }
}

/// What the tempids became; a new subject has a fact.
fn tempids(
    named: &Named,
    resolved: &Resolved,
    steps: &Steps,
) -> Result<Vec<(String, Told)>, Refusal> {
    let mut told: Vec<(String, Told)> = Vec::new();
    let mut add = |text: &str, has_name: bool, s: i64| {
        let known = told.iter_mut().find(|(other, _)| other == text);
        match known {
            None if has_name => told.push((text.to_owned(), Told::One(s))),
            None => told.push((text.to_owned(), Told::Range(s, s))),
            Some((_, Told::Range(first, last))) => {
                *first = (*first).min(s);
                *last = (*last).max(s);
            }
            Some(_) => {}
        }
    };
    for (temp, (s, is_new)) in named.temps.iter().zip(&resolved.temps) {
        if *is_new && !steps.asserted.keys().any(|fact| fact.0 == *s) {
            return invalid(&temp.at);
        }
        add(&temp.text, temp.has_name, *s);
    }
    for (s, _) in &resolved.tags {
        add("_tag", false, *s);
    }
    Ok(told)
}
