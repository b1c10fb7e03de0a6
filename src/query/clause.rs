//! The clauses of a `where`, as written.
//!
//! ```text
//! where     = [ clause, .. ]
//! clause    = [ subject, predicate, object ] | [ "$fdb", subject, predicate, object ]
//! subject   = "?name" | id | two-tuple | null
//! predicate = "person/handle" | "_id" | "rdf:type"
//! object    = "?name" | value | two-tuple | null
//! ```
//!
//! `null` stands for anything, and binds nothing. A text that begins with `?` is a variable; as a value it is written
//! in quotes of its own, `"\"?\""`. `vars` gives variables a value before anything is read.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::base::limits::QUERY_CLAUSES_MAX;

/// The variables of a query, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    names: Vec<String>,
    /// Those that `vars` gives a value.
    pub(super) given: Vec<(String, Json)>,
}

/// A place of a clause.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Var(Var),
    Any,
    /// A value, an id, or a two-tuple; which, its predicate says.
    Literal(Json),
}

/// What a clause says of its subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    /// That it has a value under this predicate.
    Named(String),
    /// Which one it is.
    Id,
    /// Of which collection it is.
    Type,
}

/// One clause.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) at: Pointer,
    /// Where its first place stands: 1 behind the name of a source, else 0.
    pub(super) first: usize,
    pub(super) subject: Term,
    pub(super) verb: Verb,
    pub(super) object: Term,
}

impl Variables {
    /// The variable of this name.
    pub(super) fn named(&mut self, name: &str) -> Var {
        let known = self.names.iter().position(|it| it == name);
        Var(known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len().saturating_sub(1)
        }))
    }

    /// The variable of this name, if a clause has it.
    pub(super) fn find(&self, name: &str) -> Option<Var> {
        self.names.iter().position(|it| it == name).map(Var)
    }

    /// A variable's name, with its `?`.
    pub(super) fn name(&self, var: Var) -> &str {
        self.names.get(var.0).map_or("", String::as_str)
    }

    /// The value that `vars` gives a variable.
    pub(super) fn value(&self, name: &str) -> Option<&Json> {
        let mut given = self.given.iter();
        given.find(|(it, _)| it == name).map(|(_, value)| value)
    }

    /// Reads `vars`.
    ///
    /// # Errors
    /// `InvalidQuery` if it is no object of variables.
    pub(super) fn read_given(&mut self, json: &Json, at: &Pointer) -> Result<(), Error> {
        let Json::Object(members) = json else {
            return Err(invalid(
                at,
                "`vars` is an object of variables and their values",
            ));
        };
        for (name, value) in members {
            if !is_variable(name) {
                let why = format!("`{name}` is no variable; one begins with `?`");
                return Err(invalid(&at.key(name), &why));
            }
            if matches!(value, Json::Null | Json::Object(_)) {
                let why = "a variable is given a boolean, a number, a text or a two-tuple";
                return Err(invalid(&at.key(name), why));
            }
            self.given.push((name.clone(), value.clone()));
        }
        Ok(())
    }
}

/// Whether a text is a variable.
pub(super) fn is_variable(text: &str) -> bool {
    text.len() > 1 && text.starts_with('?')
}

/// Reads a `where` of clauses.
///
/// # Errors
/// `InvalidQuery` with the place of what is wrong; `Limit` past [`QUERY_CLAUSES_MAX`].
pub(super) fn read_clauses(
    list: &[Json],
    at: &Pointer,
    variables: &mut Variables,
) -> Result<Vec<Clause>, Error> {
    if list.is_empty() {
        return Err(invalid(at, "a `where` has a clause"));
    }
    if list.len() > QUERY_CLAUSES_MAX {
        return Err(Error::Limit {
            at: at.clone(),
            what: "the clauses of a query",
            max: QUERY_CLAUSES_MAX,
        });
    }
    let clauses = list.iter().enumerate();
    clauses
        .map(|(index, json)| read_clause(json, &at.index(index), variables))
        .collect()
}

fn read_clause(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Clause, Error> {
    let Json::Array(places) = json else {
        return Err(invalid(
            at,
            "a clause is an array; other kinds are not supported yet",
        ));
    };
    let (first, places): (usize, _) = match places.as_slice() {
        [Json::String(source), rest @ ..] if source.starts_with('$') => {
            if source != "$fdb" {
                return Err(invalid(
                    &at.index(0),
                    &format!("`{source}` is not supported yet"),
                ));
            }
            (1, rest)
        }
        all => (0, all),
    };
    let [subject, verb, object] = places else {
        return Err(invalid(at, "a clause is `[subject, predicate, object]`"));
    };
    let place = |index: usize| at.index(first.saturating_add(index));
    Ok(Clause {
        at: at.clone(),
        first,
        subject: read_subject(subject, &place(0), variables)?,
        verb: read_verb(verb, &place(1))?,
        object: read_object(object, &place(2), variables)?,
    })
}

fn read_subject(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Term, Error> {
    match read_term(json, variables) {
        Term::Literal(Json::Int(_) | Json::UInt(_) | Json::Array(_)) | Term::Var(_) | Term::Any => {
            Ok(read_term(json, variables))
        }
        Term::Literal(_) => {
            let why = "a subject is a variable, an id, a two-tuple or null";
            Err(invalid(at, why))
        }
    }
}

fn read_verb(json: &Json, at: &Pointer) -> Result<Verb, Error> {
    let Json::String(name) = json else {
        return Err(invalid(at, "a predicate is named by a text"));
    };
    let not_yet = |what: &str| Err(invalid(at, &format!("{what} is not supported yet")));
    match name.as_str() {
        "_id" => Ok(Verb::Id),
        "rdf:type" => Ok(Verb::Type),
        name if name.starts_with('?') => not_yet("a variable as predicate"),
        name if name.starts_with("fullText:") => not_yet("`fullText`"),
        name if name.contains('+') => not_yet("a predicate to any depth"),
        name if name.contains("/_") => Err(invalid(
            at,
            "a clause goes forward; to go back, change its subject and object",
        )),
        name => Ok(Verb::Named(name.to_owned())),
    }
}

fn read_object(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Term, Error> {
    match json {
        Json::String(text) if text.starts_with("#(") => {
            Err(invalid(at, "a filter in a clause is not supported yet"))
        }
        Json::String(text) => match text.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
            Some(inner) if inner.starts_with(['?', '#', '"']) => {
                Ok(Term::Literal(Json::string(inner)))
            }
            _ => Ok(read_term(json, variables)),
        },
        _ => Ok(read_term(json, variables)),
    }
}

fn read_term(json: &Json, variables: &mut Variables) -> Term {
    match json {
        Json::Null => Term::Any,
        Json::String(name) if is_variable(name) => match variables.value(name) {
            Some(value) => Term::Literal(value.clone()),
            None => Term::Var(variables.named(name)),
        },
        _ => Term::Literal(json.clone()),
    }
}
