//! What changed, as JSON: flakes, or the subjects that they are of.
//!
//! 1. A flake is as in a receipt. What is said here of a subject is what the flakes say of it, and nothing else of the
//!    subject: an object that begins with `_id`, with the predicates' names as keys.
//! 2. Refs are `{"_id": n}`, and tags their short names, as in the answer to a query.
//! 3. Blocks and flakes are rows: an answer has `QUERY_ROWS_MAX` of both.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::error::Error;
use super::find::too_many_rows;
use super::json::Json;
use super::output::{flake_json, plain, tag_name};
use super::reader::TOLD_BYTES_OF_A_STEP;
use crate::base::Budget;
use crate::base::limits::QUERY_ROWS_MAX;
use crate::model::system::{collection, predicate};
use crate::model::{Facts, Flake, PredicateId, SubjectId, T, Value, ValueRef, ValueType};
use crate::schema::Schema;

/// The telling of one answer.
#[derive(Debug)]
pub struct Changes<'a> {
    budget: &'a Budget,
    rows: Cell<u64>,
}

impl<'a> Changes<'a> {
    /// Nothing is told yet.
    pub const fn new(budget: &'a Budget) -> Self {
        Self {
            budget,
            rows: Cell::new(0),
        }
    }

    /// Makes room for so many blocks or flakes.
    ///
    /// # Errors
    /// `Limit` past [`QUERY_ROWS_MAX`].
    pub fn count(&self, rows: u64) -> Result<(), Error> {
        let rows = self.rows.get().saturating_add(rows);
        self.rows.set(rows);
        if rows > u64::try_from(QUERY_ROWS_MAX).unwrap_or(u64::MAX) {
            return Err(too_many_rows());
        }
        Ok(())
    }

    /// Pays for the text of a flake, before it is kept to be told.
    ///
    /// # Errors
    /// As the budget is spent.
    pub fn pay_for(&self, flake: &Flake) -> Result<(), Error> {
        self.pay(text_bytes(flake.o.borrow()))
    }

    /// A text, paid for.
    ///
    /// # Errors
    /// As the budget is spent.
    pub fn text(&self, text: String) -> Result<Json, Error> {
        self.pay(text.len())?;
        Ok(Json::String(text))
    }

    fn pay(&self, bytes: usize) -> Result<(), Error> {
        let steps = u64::try_from(bytes / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        Ok(self.budget.spend(steps)?)
    }

    /// The flakes of block `t`, as in a receipt. They are paid for.
    pub fn flakes<'f>(&self, flakes: impl Iterator<Item = &'f Flake>, t: T) -> Json {
        let told = flakes.map(|it| flake_json(it.s, it.p, &it.o, t, it.op));
        Json::Array(told.collect())
    }

    /// The subjects of some flakes, which are in order and paid for. `facts` and `schema` are those that the flakes are
    /// judged on.
    ///
    /// # Errors
    /// As reading the facts fails, and the budget is spent.
    pub fn subjects<'f>(
        &self,
        flakes: impl Iterator<Item = &'f Flake>,
        facts: &dyn Facts,
        schema: &Schema,
    ) -> Result<Json, Error> {
        let mut told = Vec::new();
        let mut last: Option<(SubjectId, Subject)> = None;
        for flake in flakes {
            if last.as_ref().is_none_or(|(s, _)| *s != flake.s) {
                told.extend(last.take().map(|(_, subject)| subject.told()));
                last = Some((flake.s, Subject::new(flake.s)));
            }
            let value = self.value(flake, facts, schema)?;
            if let Some((_, subject)) = &mut last {
                let of = || Described::of(flake.p, facts, schema);
                subject.put(flake.p, value, of)?;
            }
        }
        told.extend(last.map(|(_, subject)| subject.told()));
        Ok(Json::Array(told))
    }

    fn value(&self, flake: &Flake, facts: &dyn Facts, schema: &Schema) -> Result<Json, Error> {
        let Value::Ref(to) = &flake.o else {
            return Ok(plain(flake.o.borrow()));
        };
        let of = schema.predicate(flake.p);
        let is_tag = to.collection() == collection::TAG
            && of.is_none_or(|of| of.value_type == ValueType::Tag);
        if is_tag && let Some(name) = tag_name(*to, facts)? {
            return self.text(name);
        }
        Ok(Json::Object(vec![id_of(*to)]))
    }
}

/// How long a value is as text, bytes; 0 for one that is always short.
pub fn text_bytes(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::String(text) | ValueRef::Json(text) => text.len(),
        ValueRef::Bytes(bytes) => bytes.len().saturating_mul(2),
        ValueRef::Decimal(number) => number.to_string().len(),
        _ => 0,
    }
}

fn id_of(s: SubjectId) -> (String, Json) {
    ("_id".to_owned(), Json::Int(s.raw()))
}

/// What is needed of a predicate.
struct Described {
    name: String,
    is_multi: bool,
}

impl Described {
    /// As the schema has it; of one that is gone by now, as it was.
    fn of(p: PredicateId, facts: &dyn Facts, schema: &Schema) -> Result<Self, Error> {
        if let Some(of) = schema.predicate(p) {
            let (name, is_multi) = (of.name.to_string(), of.multi);
            return Ok(Self { name, is_multi });
        }
        let names = facts.value_list(p.subject(), predicate::PREDICATE_NAME)?;
        let multi = facts.value_list(p.subject(), predicate::PREDICATE_MULTI)?;
        let name = match names.into_iter().next() {
            Some(Value::String(name)) => name.to_string(),
            _ => p.subject().to_string(),
        };
        let is_multi = multi.contains(&Value::Boolean(true));
        Ok(Self { name, is_multi })
    }
}

/// A subject that is being told.
struct Subject {
    members: Vec<(String, Json)>,
    taken: BTreeSet<String>,
    /// The predicate of the last member, and its values.
    last: Option<(PredicateId, Described, Vec<Json>)>,
}

impl Subject {
    fn new(s: SubjectId) -> Self {
        Self {
            members: vec![id_of(s)],
            taken: BTreeSet::new(),
            last: None,
        }
    }

    fn put(
        &mut self,
        p: PredicateId,
        value: Json,
        of: impl FnOnce() -> Result<Described, Error>,
    ) -> Result<(), Error> {
        if let Some((_, _, values)) = self.last.as_mut().filter(|(last, ..)| *last == p) {
            values.push(value);
            return Ok(());
        }
        self.end();
        self.last = Some((p, of()?, vec![value]));
        Ok(())
    }

    fn end(&mut self) {
        let Some((p, of, mut values)) = self.last.take() else {
            return;
        };
        let is_one = !of.is_multi && values.len() == 1;
        let value = match values.pop() {
            Some(value) if is_one => value,
            value => {
                values.extend(value);
                Json::Array(values)
            }
        };
        // One that is gone may have had the name that another has now.
        let key = if self.taken.insert(of.name.clone()) {
            of.name
        } else {
            p.subject().to_string()
        };
        self.members.push((key, value));
    }

    fn told(mut self) -> Json {
        self.end();
        Json::Object(self.members)
    }
}
