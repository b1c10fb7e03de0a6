//! What a place of a clause stands for, and how a term stands in the store.

use super::cell::{Cell, Cells};
use super::clause::{Clause, Term};
use super::error::Error;
use super::input::{identity, tag_named, value_of};
use super::json::Json;
use super::output::tag_name;
use super::pointer::Pointer;
use super::reader::{Reader, is_posted_scalar};
use super::relation::Var;
use super::select::invalid;
use crate::model::system::collection;
use crate::model::{SubjectId, Value, ValueType};
use crate::schema::{Collection, Predicate};

/// A place of a clause: what a term there must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Var(Var),
    Any,
    Cell(Cell),
    /// What there is not, such as a subject that is not seen: nothing is it.
    Nothing,
}

impl Place {
    /// The subject of a clause.
    ///
    /// # Errors
    /// `InvalidIdentity` for a two-tuple that can name no subject; `Facts`.
    pub(super) fn of_subject(
        clause: &Clause,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Self, Error> {
        match &clause.subject {
            Term::Var(var) => Ok(Self::Var(*var)),
            Term::Any => Ok(Self::Any),
            Term::Literal(json) => named(json, &clause.at.index(clause.first), reader, cells),
        }
    }

    /// The object of a clause, of a predicate.
    ///
    /// # Errors
    /// `InvalidQuery` for what is no value of the predicate; as [`Place::of_subject`].
    pub(super) fn of_object(
        clause: &Clause,
        of: &Predicate,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Self, Error> {
        match &clause.object {
            Term::Var(var) => Ok(Self::Var(*var)),
            Term::Any => Ok(Self::Any),
            Term::Literal(json) => {
                let at = clause.at.index(clause.first.saturating_add(2));
                literal(json, of, &at, reader, cells)
            }
        }
    }

    pub(super) fn var(self) -> Option<Var> {
        match self {
            Self::Var(var) => Some(var),
            Self::Any | Self::Cell(_) | Self::Nothing => None,
        }
    }
}

/// A subject that is named by its id or a two-tuple.
pub(super) fn named(
    json: &Json,
    at: &Pointer,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Place, Error> {
    reader.budget.spend(1)?;
    let found = identity(json, at, reader.schema, reader.facts)?;
    Ok(found.map_or(Place::Nothing, |s| Place::Cell(cells.whole(s.raw()))))
}

/// A value as a predicate has it.
pub(super) fn literal(
    json: &Json,
    of: &Predicate,
    at: &Pointer,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Place, Error> {
    match (of.value_type, json) {
        (ValueType::Ref, Json::Int(_) | Json::UInt(_) | Json::Array(_)) => {
            named(json, at, reader, cells)
        }
        (ValueType::Tag, Json::String(text)) => {
            reader.budget.spend(1)?;
            match tag_named(text, of, reader.facts)? {
                Some(tag) => Ok(match tag_name(tag, reader.facts)? {
                    Some(name) => Place::Cell(cells.text(&name, reader.budget)?),
                    None => Place::Nothing,
                }),
                None => Ok(Place::Nothing),
            }
        }
        (value_type, json) => match value_of(json, value_type) {
            Ok(value) => Ok(Place::Cell(cells.value(value.borrow(), reader.budget)?)),
            Err(why) => Err(invalid(at, &format!("the value of `{}`: {why}", of.name))),
        },
    }
}

pub(super) fn collection_named<'s>(
    json: &Json,
    at: &Pointer,
    reader: &Reader<'s>,
) -> Result<&'s Collection, Error> {
    let name = json.as_str().unwrap_or_default();
    let found = reader.schema.collection_named(name);
    if found.is_some_and(|of| of.id == collection::LOG) {
        let why = "`_log` is no collection of facts: the audit trail is read by `logs`";
        return Err(invalid(at, why));
    }
    found.ok_or_else(|| Error::InvalidCollection {
        at: at.clone(),
        name: name.to_owned(),
    })
}

/// Whether the subjects that have a value can be found by it.
pub(super) fn can_be_found(of: &Predicate) -> bool {
    of.is_ref() || is_posted_scalar(of)
}

/// A cell as a predicate would store it; none if it cannot.
pub(super) fn stored(
    cell: Cell,
    of: &Predicate,
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<Option<Value>, Error> {
    let told = cells.told(cell);
    let Some(told) = told else {
        return Ok(None);
    };
    let value = match (of.value_type, &told) {
        (ValueType::Ref, Value::Int(raw)) => SubjectId::from_raw(*raw).map(Value::Ref),
        (ValueType::Tag, Value::String(name)) => {
            reader.budget.spend(1)?;
            tag_named(name, of, reader.facts)?.map(Value::Ref)
        }
        (ValueType::Int | ValueType::Long, Value::Int(_))
        | (ValueType::Boolean, Value::Boolean(_))
        | (ValueType::Float | ValueType::Double, Value::Double(_))
        | (ValueType::Bigint | ValueType::Bigdec, Value::Decimal(_))
        | (ValueType::String | ValueType::Uri, Value::String(_)) => Some(told.clone()),
        (ValueType::Instant, Value::Int(ms)) => Some(Value::Instant(*ms)),
        (ValueType::Uuid, Value::String(text)) => {
            value_of(&Json::string(text), ValueType::Uuid).ok()
        }
        _ => None,
    };
    Ok(value)
}
