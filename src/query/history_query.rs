//! The history query: every change of a subject, of a predicate, or of one value.
//!
//! Shape: `{"history": subject or [subject, predicate?, object?] or [null, predicate, object?], "block"?: blocks,
//! "showAuth"?: true or false, "auth"?: [auth, ..], "prettyPrint"?: true or false}`. A subject is an id or a two-tuple. An
//! array that begins with a text is a two-tuple, so a two-tuple in the longer form is an array in an array.
//!
//! 1. Names are those of the newest schema.
//! 2. A two-tuple names the subject that has the value when the blocks end, or, if none has it then, the one that had it
//!    last.

use super::error::Error;
use super::input::{named_value, value_under};
use super::json::Json;
use super::pointer::Pointer;
use super::select::{invalid, switch};
use super::span::Span;
use crate::base::limits::HISTORY_AUTHS_MAX;
use crate::model::system::predicate;
use crate::model::{self, Facts, PredicateId, SubjectId, Value};
use crate::schema::{Predicate, Schema};

/// A history query that has the right shape.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    subject: Option<Json>,
    predicate: Option<String>,
    object: Option<Json>,
    /// Where the parts of it stand.
    places: Places,
    auths: Option<Vec<Json>>,
    /// Which blocks; none for all.
    pub span: Option<Span>,
    /// Whether the auth of each block is told.
    pub shows_auth: bool,
    /// Whether what changed is told as subjects.
    pub is_pretty: bool,
}

#[derive(Clone, Debug)]
struct Places {
    subject: Pointer,
    predicate: Pointer,
    object: Pointer,
}

/// The flakes whose history is asked for: those that have all that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakePattern {
    /// The subject.
    pub s: Option<SubjectId>,
    /// The predicate.
    pub p: Option<PredicateId>,
    /// The object.
    pub o: Option<Value>,
}

/// Finds the subject that a value of a unique predicate names.
pub type Named<'a, E> = dyn Fn(PredicateId, &Value) -> Result<Option<SubjectId>, E> + 'a;

impl HistoryQuery {
    /// Reads a history query.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` for more than [`HISTORY_AUTHS_MAX`] auths.
    pub fn read(json: &Json) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(members) = json else {
            return Err(invalid(&root, "a history query is an object"));
        };
        let sought = json
            .member("history")
            .ok_or_else(|| invalid(&root, "a history query has `history`"))?;
        let mut query = Self::of(sought, &root.key("history"))?;
        for (key, value) in members {
            let at = root.key(key);
            match key.as_str() {
                "history" => {}
                "block" => query.span = Some(Span::read(value, &at)?),
                "showAuth" => query.shows_auth = switch(value, &at)?,
                "prettyPrint" => query.is_pretty = switch(value, &at)?,
                "auth" => query.auths = Some(read_auths(value, &at)?),
                _ => {
                    let why = format!("a history query has no `{key}`");
                    return Err(invalid(&at, &why));
                }
            }
        }
        Ok(query)
    }

    fn of(sought: &Json, at: &Pointer) -> Result<Self, Error> {
        let places = Places {
            subject: at.clone(),
            predicate: at.index(1),
            object: at.index(2),
        };
        let whole = Self {
            subject: None,
            predicate: None,
            object: None,
            places,
            auths: None,
            span: None,
            shows_auth: false,
            is_pretty: false,
        };
        let parts = match sought {
            Json::Array(parts) if !matches!(parts.first(), Some(Json::String(_))) => parts,
            subject => {
                let subject = Some(subject.clone());
                return Ok(Self { subject, ..whole });
            }
        };
        let places = Places {
            subject: at.index(0),
            ..whole.places
        };
        if parts.is_empty() || parts.len() > 3 {
            let why = "a history is of a subject, or of `[subject, predicate, object]`";
            return Err(invalid(at, why));
        }
        let part = |index: usize| parts.get(index).filter(|it| **it != Json::Null).cloned();
        let predicate = match part(1) {
            None => None,
            Some(Json::String(name)) => Some(name),
            Some(_) => return Err(invalid(&places.predicate, "a predicate is named by a text")),
        };
        let (subject, object) = (part(0), part(2));
        if subject.is_none() && predicate.is_none() {
            return Err(invalid(at, "a history names a subject or a predicate"));
        }
        if object.is_some() && predicate.is_none() {
            return Err(invalid(&places.object, "a value needs its predicate"));
        }
        Ok(Self {
            subject,
            predicate,
            object,
            places,
            ..whole
        })
    }

    /// The flakes that are meant; none if it names what there is not. `facts` are those at the end of the blocks, which
    /// may be a permitted view.
    ///
    /// # Errors
    /// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have, and for what is no value of its
    /// predicate; as `named` fails.
    pub fn pattern<E: From<Error> + From<model::Error>>(
        &self,
        schema: &Schema,
        facts: &dyn Facts,
        named: &Named<'_, E>,
    ) -> Result<Option<FlakePattern>, E> {
        let of = match &self.predicate {
            None => None,
            Some(name) => Some(predicate_of(name, &self.places.predicate, schema)?),
        };
        let finder = Finder {
            schema,
            facts,
            named,
        };
        let mut pattern = FlakePattern {
            s: None,
            p: of.map(|of| of.id),
            o: None,
        };
        if let Some(json) = &self.subject {
            pattern.s = finder.subject(json, &self.places.subject)?;
            if pattern.s.is_none() {
                return Ok(None);
            }
        }
        if let (Some(of), Some(json)) = (of, &self.object) {
            pattern.o = finder.object(of, json, &self.places.object)?;
            if pattern.o.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(pattern))
    }

    /// The auths whose blocks alone are told, where some are named: those of them that there are.
    ///
    /// # Errors
    /// As [`HistoryQuery::pattern`].
    pub fn auths<E: From<Error> + From<model::Error>>(
        &self,
        schema: &Schema,
        facts: &dyn Facts,
        named: &Named<'_, E>,
    ) -> Result<Option<Vec<SubjectId>>, E> {
        let Some(auths) = &self.auths else {
            return Ok(None);
        };
        let finder = Finder {
            schema,
            facts,
            named,
        };
        let mut found = Vec::new();
        for (index, json) in auths.iter().enumerate() {
            let at = Pointer::root().key("auth").index(index);
            found.extend(match json {
                Json::String(id) => named(predicate::AUTH_ID, &Value::string(id))?,
                json => finder.subject(json, &at)?,
            });
        }
        Ok(Some(found))
    }
}

struct Finder<'a, E> {
    schema: &'a Schema,
    facts: &'a dyn Facts,
    named: &'a Named<'a, E>,
}

impl<E: From<Error> + From<model::Error>> Finder<'_, E> {
    /// The subject that an id or a two-tuple names. Whether one with that id ever was is for its history to say.
    fn subject(&self, json: &Json, at: &Pointer) -> Result<Option<SubjectId>, E> {
        match json {
            Json::Int(raw) => Ok(SubjectId::from_raw(*raw)),
            // Too large to be any subject's id.
            Json::UInt(_) => Ok(None),
            json => {
                let subject = |json: &Json, at: &Pointer| self.subject(json, at);
                match named_value(json, at, self.schema, self.facts, &subject)? {
                    (of, Some(value)) => (self.named)(of.id, &value),
                    (_, None) => Ok(None),
                }
            }
        }
    }

    fn object(&self, of: &Predicate, json: &Json, at: &Pointer) -> Result<Option<Value>, E> {
        let subject = |json: &Json, at: &Pointer| self.subject(json, at);
        let misfit = |why: String| Error::InvalidQuery {
            at: at.clone(),
            why,
        };
        value_under(of, json, at, self.facts, &subject, &misfit)
    }
}

fn predicate_of<'s>(name: &str, at: &Pointer, schema: &'s Schema) -> Result<&'s Predicate, Error> {
    let of = schema.predicate_named(name).filter(|of| !of.sealed);
    let of = of.ok_or_else(|| invalid(at, &format!("there is no predicate `{name}`")))?;
    if of.is_virtual {
        let why = format!("`{name}` is told with each block, and is no flake of it");
        return Err(invalid(at, &why));
    }
    Ok(of)
}

fn read_auths(json: &Json, at: &Pointer) -> Result<Vec<Json>, Error> {
    let Json::Array(auths) = json else {
        let why = "`auth` is an array of ids, two-tuples and texts that are `_auth/id`";
        return Err(invalid(at, why));
    };
    if auths.len() > HISTORY_AUTHS_MAX {
        return Err(Error::Limit {
            at: at.clone(),
            what: "the auths of a history",
            max: HISTORY_AUTHS_MAX,
        });
    }
    Ok(auths.clone())
}
