//! Identities, refs, upserts, tags and functions: every subject of a transaction becomes known.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::names::{Id, Item, Named, Sent};
use super::schema::{Kind, Predicate, predicate};
use super::value::{Context, Plain, evaluate, is_function, scalar};
use super::world::{Refusal, Who, World, invalid, refuse, under};

/// A value whose subjects are known.
#[derive(Clone, Debug)]
pub enum Known {
    Ref(i64),
    /// A scalar, or what is no value of its type.
    Json(Json),
}

/// The values of a field; none is every value.
pub type Values = Option<Vec<(String, Known)>>;

/// A transaction whose subjects are known.
#[derive(Debug)]
pub struct Resolved {
    /// The subject of each item.
    pub subjects: Vec<i64>,
    /// The values of each field of each item.
    pub values: Vec<Vec<Values>>,
    /// The subject of each tempid, and whether it is new.
    pub temps: Vec<(i64, bool)>,
    /// Tags that are made by use.
    pub tags: Vec<(i64, String)>,
    /// The numbers that are taken.
    pub next: BTreeMap<&'static str, i64>,
}

struct Resolver<'a> {
    world: &'a World,
    who: Who,
    named: &'a Named,
    /// Where new subjects get their numbers.
    numbers: World,
    temps: Vec<(i64, bool)>,
    subjects: Vec<i64>,
    tags: Vec<(i64, String)>,
}

/// Resolves a transaction through the eyes of its author.
pub fn resolved(world: &World, who: Who, named: &Named) -> Result<Resolved, Refusal> {
    let mut resolver = Resolver {
        world,
        who,
        named,
        numbers: World {
            next: world.next.clone(),
            ..World::default()
        },
        temps: Vec::new(),
        subjects: Vec::new(),
        tags: Vec::new(),
    };
    resolver.temps()?;
    for item in &named.items {
        let s = resolver.subject(item)?;
        resolver.subjects.push(s);
    }
    let mut values: Vec<Vec<Values>> = Vec::new();
    for item in &named.items {
        let mut of_item = Vec::new();
        for field in &item.fields {
            of_item.push(match &field.values {
                None => None,
                Some(list) => {
                    let mut values = Vec::new();
                    for (at, value) in list {
                        let known = match value {
                            Sent::Nested(index) => Known::Ref(resolver.subjects_of(*index)),
                            Sent::Json(json) => resolver.value(json, field.p, item.deletes, at)?,
                        };
                        values.push((at.clone(), known));
                    }
                    Some(values)
                }
            });
        }
        values.push(of_item);
    }
    for (index, item) in named.items.iter().enumerate() {
        for (place, field) in item.fields.iter().enumerate() {
            let s = resolver.subjects[index];
            let sent = values[index][place].take();
            values[index][place] = resolver.called(s, field.p, item.deletes, &field.at, sent)?;
        }
    }
    let Resolver {
        numbers,
        temps,
        subjects,
        tags,
        ..
    } = resolver;
    Ok(Resolved {
        subjects,
        values,
        temps,
        tags,
        next: numbers.next,
    })
}

impl Resolver<'_> {
    /// Each tempid is who its upserts find, or a new subject; numbers follow the order of first use.
    fn temps(&mut self) -> Result<(), Refusal> {
        let named = self.named;
        let mut found: Vec<Option<i64>> = vec![None; named.temps.len()];
        for item in &named.items {
            let Id::Temp(index) = item.id else { continue };
            for field in item.fields.iter().filter(|field| field.p.has("upsert")) {
                for (at, value) in field.values.iter().flatten() {
                    let Sent::Json(json) = value else { continue };
                    if is_function(json) {
                        continue;
                    }
                    let o = scalar(json, field.p.kind);
                    let s = o.and_then(|o| self.world.find(self.who, field.p.name, &o));
                    if s.is_some() && found[index].is_some() && found[index] != s {
                        return invalid(at);
                    }
                    found[index] = found[index].or(s);
                }
            }
        }
        for (temp, found) in named.temps.iter().zip(found) {
            self.temps.push(match found {
                _ if temp.of == "_tx" => (-(self.world.block + 1), false),
                Some(s) => (s, false),
                None => (self.numbers.new_subject(temp.of), true),
            });
        }
        Ok(())
    }

    fn subjects_of(&self, item: usize) -> i64 {
        self.subjects[item]
    }

    fn subject(&self, item: &Item) -> Result<i64, Refusal> {
        let at = under(&item.at, "_id");
        let found = match &item.id {
            Id::Temp(index) => Some(self.temps[*index].0),
            Id::Subject(s) => self.world.sees_subject(self.who, *s).then_some(*s),
            Id::Tuple(p, value) => {
                let o = if p.kind == Kind::Ref && (value.is_number() || value.is_array()) {
                    self.identity(value, &under(&at, 1))?.map(Plain::Ref)
                } else {
                    scalar(value, p.kind)
                };
                o.and_then(|o| self.world.find(self.who, p.name, &o))
            }
        };
        found.map_or_else(|| invalid(&at), Ok)
    }

    /// Who an id or a two-tuple names.
    fn identity(&self, json: &Json, at: &str) -> Result<Option<i64>, Refusal> {
        if let Some(s) = json.as_i64() {
            return Ok(self.world.sees_subject(self.who, s).then_some(s));
        }
        let Some([Json::String(name), value]) = json.as_array().map(Vec::as_slice) else {
            return invalid(at);
        };
        let Some(p) = predicate(name).filter(|p| p.has("unique")) else {
            return invalid(&under(at, 0));
        };
        let o = if p.kind == Kind::Ref {
            self.identity(value, &under(at, 1))?.map(Plain::Ref)
        } else {
            match scalar(value, p.kind) {
                Some(o) => Some(o),
                None => return invalid(&under(at, 1)),
            }
        };
        Ok(o.and_then(|o| self.world.find(self.who, p.name, &o)))
    }

    fn value(
        &mut self,
        json: &Json,
        p: &'static Predicate,
        deletes: bool,
        at: &str,
    ) -> Result<Known, Refusal> {
        match (p.kind, json) {
            (_, json) if is_function(json) => Ok(Known::Json(json.clone())),
            (Kind::Tag, Json::String(text)) => self.tag(text, p, deletes, at),
            (Kind::Ref, Json::String(text)) => {
                let temps = self.named.temps.iter().zip(&self.temps);
                let mut known = temps.filter(|(temp, _)| temp.has_name && temp.text == *text);
                let found = known.next().map(|(_, (s, _))| Known::Ref(*s));
                found.map_or_else(|| invalid(at), Ok)
            }
            (Kind::Ref, Json::Array(_) | Json::Number(_)) if !json.is_f64() => {
                let found = self.identity(json, at)?.map(Known::Ref);
                found.map_or_else(|| invalid(at), Ok)
            }
            _ => Ok(Known::Json(json.clone())),
        }
    }

    /// The tag of a text, with the eyes of root: one that is there is not made twice.
    fn tag(
        &mut self,
        text: &str,
        p: &'static Predicate,
        deletes: bool,
        at: &str,
    ) -> Result<Known, Refusal> {
        let own = format!("{}:", p.name);
        let id = if text.contains('/') {
            text.to_owned()
        } else {
            format!("{own}{text}")
        };
        if !id.starts_with(&own) || id == own {
            return invalid(at);
        }
        let made = self.tags.iter().find(|(_, other)| *other == id);
        let there = self.world.having("_tag/id", &Plain::Text(id.clone()));
        match made.map(|(s, _)| *s).or(there.first().copied()) {
            Some(s) => Ok(Known::Ref(s)),
            // What there is not is a value of nothing.
            None if deletes => Ok(Known::Json(Json::Null)),
            None if p.has("restrictTag") => invalid(at),
            None => {
                let s = self.numbers.new_subject("_tag");
                self.tags.push((s, id));
                Ok(Known::Ref(s))
            }
        }
    }

    /// The functions among the values give values in their turn.
    fn called(
        &mut self,
        s: i64,
        p: &'static Predicate,
        deletes: bool,
        field: &str,
        sent: Values,
    ) -> Result<Values, Refusal> {
        let Some(list) = sent else { return Ok(None) };
        let count = list.len();
        let mut values = Vec::new();
        for (at, value) in list {
            let text = match &value {
                Known::Json(json) if is_function(json) => json.as_str().unwrap().to_owned(),
                _ => {
                    values.push((at, value));
                    continue;
                }
            };
            let (world, who) = (self.world, self.who);
            let get = |of: Result<i64, &str>, p: &str| {
                let s = match of {
                    Ok(s) => s,
                    Err(key) => world.find(who, "item/key", &Plain::Text(key.to_owned()))?,
                };
                world.seen_values(who, s, p).first().cloned()
            };
            let context = Context {
                subject: s,
                kind: p.kind,
                is_multi: p.has("multi"),
                previous: world.seen_values(who, s, p.name),
                now_ms: world.now_ms,
                get: &get,
            };
            let given = match evaluate(&text, &context) {
                Ok(given) => given,
                Err(code) => return refuse(code, &at),
            };
            if given.is_empty() && !deletes {
                // Absence is `null`, which stands in no list.
                if at == field && count == 1 {
                    return Ok(None);
                }
                return invalid(&at);
            }
            if given.len() > 1 && !p.has("multi") {
                return invalid(&at);
            }
            for json in given {
                let value = self.value(&json, p, deletes, &at)?;
                values.push((at.clone(), value));
            }
        }
        Ok(Some(values))
    }
}
