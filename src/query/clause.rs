//! The patterns of a `where`, as written.
//!
//! ```text
//! pattern   = [ subject, predicate, object ] | [ source, subject, predicate, object ]
//! source    = "$fdb" | "$fdb4" | "$fdbPT5M" | "$fdb2026-11-25T03:00:00Z"
//! subject   = "?name" | id | two-tuple | null
//! predicate = "person/handle" | "person/boss+" | "person/boss+3" | "?name" | "_id" | "rdf:type"
//! object    = "?name" | value | two-tuple | null | "#(> ?n 10)"
//! ```
//!
//! `null` stands for anything, and binds nothing. A text that begins with `?` is a variable; as a value it is written
//! in quotes of its own, `"\"?\""`. `vars` gives variables a value before anything is read.

use std::sync::Arc;

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use super::when::{Moment, When};
use crate::base::limits::{QUERY_EXPRESSION_NODES_MAX, RULE_TEXT_BYTES_MAX, STRING_BYTES_MAX};

/// The variables of a query, or of one rule, by their names. Cheap to clone, as literals are: a rule is written in many
/// ways, and a text in it may be as long as a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    names: Vec<Arc<str>>,
    /// Those that `vars` gives a value.
    given: Arc<Vec<(String, Arc<Json>)>>,
    /// Nodes of the expressions that they stand in, with those of all that was read before.
    nodes: usize,
    /// Bytes of the texts that `vars` puts in them, of all that was read so far.
    bytes: usize,
}

/// A place of a clause.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Var(Var),
    Any,
    /// A value, an id, or a two-tuple; which, its predicate says.
    Literal(Arc<Json>),
}

/// What a pattern says of its subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    /// That it has a value under this predicate.
    Named(String),
    /// That it comes to the object by refs of this predicate: by one or more, up to so many.
    Path(String, Option<u32>),
    /// That it has a value under a predicate that is found.
    Var(Var),
    /// Which one it is.
    Id,
    /// Of which collection it is.
    Type,
}

/// One pattern.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) at: Pointer,
    /// Where its first place stands: 1 behind the name of a source, else 0.
    pub(super) first: usize,
    /// The time that it is about, if it is not the query's.
    pub(super) when: Option<When>,
    pub(super) subject: Term,
    pub(super) verb: Verb,
    pub(super) object: Term,
}

impl Variables {
    /// No names yet, and the same values given.
    pub(super) fn anew(&self) -> Self {
        Self {
            names: Vec::new(),
            given: Arc::clone(&self.given),
            nodes: self.nodes,
            bytes: self.bytes,
        }
    }

    /// Counts the nodes of an expression.
    ///
    /// # Errors
    /// `Limit` past [`QUERY_EXPRESSION_NODES_MAX`], with those of all that was read before.
    pub(super) fn count_nodes(&mut self, more: usize, at: &Pointer) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > QUERY_EXPRESSION_NODES_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "the nodes of a query's expressions",
                max: QUERY_EXPRESSION_NODES_MAX,
            });
        }
        Ok(())
    }

    /// Nodes of the expressions that they stand in, with those of all that was read before.
    pub(super) fn node_count(&self) -> usize {
        self.nodes
    }

    /// Counts bytes of texts that `vars` puts in an expression.
    ///
    /// # Errors
    /// A sentence, past [`STRING_BYTES_MAX`] in all. It is no `Limit`: a function is asked about values that others
    /// wrote, and one that does not fit is no reason to answer nothing.
    pub(super) fn count_bytes(&mut self, more: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > STRING_BYTES_MAX {
            return Err(format!(
                "`vars` puts more than {STRING_BYTES_MAX} bytes of text in expressions: bind it by a clause"
            ));
        }
        Ok(())
    }

    /// Goes on counting behind what was read with others.
    pub(super) fn count_behind(&mut self, others: &Self) {
        self.nodes = others.nodes;
        self.bytes = others.bytes;
    }

    /// The variable of this name.
    pub(super) fn named(&mut self, name: &str) -> Var {
        let known = self.names.iter().position(|it| **it == *name);
        Var(known.unwrap_or_else(|| {
            self.names.push(Arc::from(name));
            self.names.len().saturating_sub(1)
        }))
    }

    /// A variable that no text can name.
    pub(super) fn unnamed(&mut self) -> Var {
        self.names.push(Arc::from(""));
        Var(self.names.len().saturating_sub(1))
    }

    /// The variable of this name, if anything has it.
    pub(super) fn find(&self, name: &str) -> Option<Var> {
        self.names.iter().position(|it| **it == *name).map(Var)
    }

    /// A variable's name, with its `?`.
    pub(super) fn name(&self, var: Var) -> &str {
        self.names.get(var.0).map_or("", |name| name)
    }

    /// Variables for a message: `` `?a` or `?b` ``.
    pub(super) fn names<'v>(&self, vars: impl IntoIterator<Item = &'v Var>) -> String {
        let names: Vec<_> = vars
            .into_iter()
            .map(|var| format!("`{}`", self.name(*var)))
            .collect();
        names.join(" or ")
    }

    /// The value that `vars` gives a variable.
    pub(super) fn value(&self, name: &str) -> Option<&Arc<Json>> {
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
        let mut all = Vec::new();
        for (name, value) in members {
            if !is_variable(name) {
                let why = format!("`{name}` is no variable; one begins with `?`");
                return Err(invalid(&at.key(name), &why));
            }
            if matches!(value, Json::Null | Json::Object(_)) {
                let why = "a variable is given a boolean, a number, a text or a two-tuple";
                return Err(invalid(&at.key(name), why));
            }
            all.push((name.clone(), Arc::new(value.clone())));
        }
        self.given = Arc::new(all);
        Ok(())
    }
}

/// Whether a text is a variable.
pub(super) fn is_variable(text: &str) -> bool {
    text.len() > 1 && text.starts_with('?')
}

impl Clause {
    /// Reads an array of three places, or of four with a source.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong.
    pub(super) fn read(
        places: &[Json],
        at: &Pointer,
        variables: &mut Variables,
    ) -> Result<Self, Error> {
        let (first, when, places): (usize, _, _) = match places {
            [Json::String(source), rest @ ..] if source.starts_with('$') => {
                (1, When::of_source(source, &at.index(0))?, rest)
            }
            all => (0, None, all),
        };
        let [subject, verb, object] = places else {
            let why = "a clause is `[subject, predicate, object]`, a bind `[\"?variable\", value]`, \
                       and a call of a rule `[\"(rule ?x)\"]`";
            return Err(invalid(at, why));
        };
        let place = |index: usize| at.index(first.saturating_add(index));
        Ok(Self {
            at: at.clone(),
            first,
            when,
            subject: read_subject(subject, &place(0), variables)?,
            verb: read_verb(verb, &place(1), variables)?,
            object: read_object(object, &place(2), variables)?,
        })
    }

    /// The time of its own.
    pub(super) fn moment(&self) -> Option<Moment> {
        self.when.map(|when| Moment {
            when,
            at: self.at.index(0),
        })
    }

    /// Its variables, each once.
    pub(super) fn vars(&self) -> Vec<Var> {
        let verb = match self.verb {
            Verb::Var(var) => Some(var),
            Verb::Named(_) | Verb::Path(..) | Verb::Id | Verb::Type => None,
        };
        let mut vars = Vec::new();
        for var in [self.subject.var(), verb, self.object.var()] {
            if let Some(var) = var
                && !vars.contains(&var)
            {
                vars.push(var);
            }
        }
        vars
    }
}

impl Term {
    /// The variable that it is.
    pub(super) fn var(&self) -> Option<Var> {
        match self {
            Self::Var(var) => Some(*var),
            Self::Any | Self::Literal(_) => None,
        }
    }
}

fn read_subject(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Term, Error> {
    let term = read_term(json, variables);
    let names_subject = |json: &Json| matches!(json, Json::Int(_) | Json::UInt(_) | Json::Array(_));
    if matches!(&term, Term::Literal(json) if !names_subject(json)) {
        let why = "a subject is a variable, an id, a two-tuple or null";
        return Err(invalid(at, why));
    }
    Ok(term)
}

fn read_verb(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Verb, Error> {
    let Json::String(name) = json else {
        return Err(invalid(at, "a predicate is named by a text"));
    };
    let not_yet = |what: &str| Err(invalid(at, &format!("{what} is not supported yet")));
    let name = match variables.value(name).map(|given| &**given) {
        // It is written out in each clause, and no name is that long.
        Some(Json::String(given)) if given.len() <= RULE_TEXT_BYTES_MAX => given.clone(),
        Some(_) => return Err(invalid(at, "a predicate is named by a text")),
        // It would be a variable of that name, and the path that was meant would be one step.
        None if is_variable(name) && name.contains('+') => {
            return Err(invalid(at, "a path goes by a predicate that is named"));
        }
        None if is_variable(name) => return Ok(Verb::Var(variables.named(name))),
        None => name.clone(),
    };
    match name.as_str() {
        "_id" => return Ok(Verb::Id),
        "rdf:type" => return Ok(Verb::Type),
        name if name.starts_with("fullText:") => return not_yet("`fullText`"),
        name if name.contains("/_") => {
            return Err(invalid(
                at,
                "a clause goes forward; to go back, change its subject and object",
            ));
        }
        _ => {}
    }
    let Some((name, steps)) = name.split_once('+') else {
        return Ok(Verb::Named(name));
    };
    let most = match steps {
        "" => None,
        steps => match steps.parse::<u32>() {
            Ok(most) if most > 0 => Some(most),
            _ => {
                let why = "behind `+` stands nothing, or how many steps it may be at most";
                return Err(invalid(at, why));
            }
        },
    };
    Ok(Verb::Path(name.to_owned(), most))
}

fn read_object(json: &Json, at: &Pointer, variables: &mut Variables) -> Result<Term, Error> {
    match json {
        Json::String(text) if text.starts_with("#(") => Err(invalid(
            at,
            "a filter of the object is the last place of a clause",
        )),
        _ => Ok(match quoted(json) {
            Some(inner) => Term::Literal(Arc::new(Json::string(inner))),
            None => read_term(json, variables),
        }),
    }
}

/// A text that would be read for something else stands in quotes of its own.
pub(super) fn quoted(json: &Json) -> Option<&str> {
    let inner = json.as_str()?.strip_prefix('"')?.strip_suffix('"')?;
    inner.starts_with(['?', '#', '"']).then_some(inner)
}

/// A variable, anything, or a literal.
pub(super) fn read_term(json: &Json, variables: &mut Variables) -> Term {
    match json {
        Json::Null => Term::Any,
        Json::String(name) if is_variable(name) => match variables.value(name) {
            Some(value) => Term::Literal(Arc::clone(value)),
            None => Term::Var(variables.named(name)),
        },
        _ => Term::Literal(Arc::new(json.clone())),
    }
}
