//! Expression → nodes: names become ids, calls of stored functions are put in.
//!
//! 1. A call means what the called text means with the arguments put in for the parameters.
//! 2. Every expression that is looked at counts as a node, before it is looked into, and every call and every
//!    bracket as a level. So texts that double at each call end at the bound, and the nodes are no deeper than
//!    `RULE_DEPTH_MAX`.
//! 3. Names of predicates are literals, so that what a function reads is known.

use std::collections::BTreeSet;

use super::builtin::{Asked, Builtin, Comparison, Entry, lookup};
use super::compiler::{Compiler, LastStep, Purpose, arity, check_params};
use super::error::{CALLS, Error, Problem};
use super::expression::{Expr, Kind};
use super::mention::{Beside, Mentions};
use super::node::{Absence, Bearer, Node, Reach, Read, Written};
use super::parse::parse;
use super::question::{GIVEN, NoQueries, Queries, QueryText};
use super::scope::{Scope, compared, looked_for};
use super::text::pattern;
use super::value::Val;
use crate::model::system::predicate::TAG_ID;
use crate::model::{Names, PredicateId, PredicateName, StoredFunction, SubjectId, ValueType};

/// How many nodes a pattern counts for, beside its own: to compile one takes as long as to compile many nodes.
const PATTERN_NODES: usize = 32;

/// How many bytes of a query count for one more: patterns stand in queries too.
const QUERY_BYTES_OF_A_NODE: usize = 4;

/// A function as it was compiled, and what was learned of it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) node: Node,
    pub(super) param_count: usize,
    pub(super) node_count: usize,
    pub(super) reach: Reach,
    pub(super) asks_queries: bool,
    pub(super) reads: BTreeSet<PredicateId>,
    pub(super) calls: BTreeSet<SubjectId>,
}

pub(super) fn compile(
    text: &str,
    params: &[String],
    names: &dyn Names,
    queries: &dyn Queries,
) -> Result<Compiled, Error> {
    check_params(text, params)?;
    let expression = parse(text)?;
    let compiler = Compiler::new(names, queries, Purpose::Value);
    Ok(finished(compiler, &expression, text, params)?.0)
}

/// What a text says of names.
pub(super) fn mentions(
    text: &str,
    params: &[String],
    names: &dyn Names,
    queries: &dyn Queries,
) -> Result<Mentions, Error> {
    check_params(text, params)?;
    let expression = parse(text)?;
    let compiler = Compiler::new(names, queries, Purpose::Mentions);
    Ok(finished(compiler, &expression, text, params)?.1)
}

/// Compiles an expression whose value follows from its parameters and the time alone.
pub(super) fn compile_pure(
    expression: &Expr,
    text: &str,
    params: &[String],
) -> Result<Compiled, Error> {
    check_params(text, params)?;
    let compiler = Compiler::new(&Nameless, &NoQueries, Purpose::PureValue);
    Ok(finished(compiler, expression, text, params)?.0)
}

fn finished(
    mut compiler: Compiler<'_>,
    expression: &Expr,
    text: &str,
    params: &[String],
) -> Result<(Compiled, Mentions), Error> {
    let scope = Scope {
        name: None,
        text,
        params,
        given: None,
    };
    let node = compiler.node(expression, &scope)?;
    let compiled = Compiled {
        node,
        param_count: params.len(),
        node_count: compiler.nodes,
        reach: compiler.reach,
        asks_queries: compiler.asks_queries,
        reads: compiler.reads,
        calls: compiler.calls,
    };
    Ok((compiled, compiler.mentions))
}

/// No names at all: where nothing is read and no stored function is called.
#[derive(Clone, Copy, Debug)]
struct Nameless;

impl Names for Nameless {
    fn predicate(&self, _: &str) -> Option<PredicateName> {
        None
    }

    fn predicate_name(&self, _: PredicateId) -> Option<&str> {
        None
    }

    fn function(&self, _: &str) -> Option<StoredFunction> {
        None
    }
}

impl Compiler<'_> {
    fn node(&mut self, expression: &Expr, scope: &Scope<'_>) -> Result<Node, Error> {
        self.count(expression, scope)?;
        let beside = std::mem::take(&mut self.beside);
        match &expression.kind {
            Kind::Nil => Ok(Node::Literal(Val::Nil)),
            Kind::Bool(it) => Ok(Node::Literal(Val::Bool(*it))),
            Kind::Int(it) => Ok(Node::Literal(Val::Int(*it))),
            Kind::Double(it) => Ok(Node::Literal(Val::Double(*it))),
            Kind::Decimal(it) => Ok(Node::Literal(Val::Decimal(it.clone()))),
            Kind::String(it) => {
                let named = self.names.predicate(it);
                match named.filter(|_| beside == Beside::PredicateName) {
                    Some(it) => self.mentions.compared(it.id, expression, scope.is_own()),
                    None => self.mentions.value(expression, scope.is_own()),
                }
                Ok(Node::Literal(Val::string(it)))
            }
            Kind::Symbol(name) => {
                let Some(place) = scope.params.iter().position(|param| param == name) else {
                    let name = name.clone();
                    return Err(scope.error(expression, Problem::UnknownSymbol { name }));
                };
                match scope.given {
                    None => Ok(Node::Argument(place)),
                    Some((given, outer)) => match given.get(place) {
                        Some(argument) => {
                            self.beside = beside;
                            self.node(argument, outer)
                        }
                        None => Err(scope.expected(expression, "an argument")),
                    },
                }
            }
            Kind::Vector(items) => self.deeper(expression, scope, |it| {
                it.nodes_beside(items, scope, beside).map(Node::List)
            }),
            Kind::List(items) => self.deeper(expression, scope, |it| {
                let (head, arguments) = items
                    .split_first()
                    .ok_or_else(|| scope.expected(expression, "a function's name"))?;
                let Kind::Symbol(name) = &head.kind else {
                    return Err(scope.expected(head, "a function's name"));
                };
                match lookup(name) {
                    Some(entry) => it.builtin(entry, expression, arguments, scope, beside),
                    None => it.stored(name, head, arguments, scope),
                }
            }),
        }
    }

    fn nodes(&mut self, items: &[Expr], scope: &Scope<'_>) -> Result<Vec<Node>, Error> {
        self.nodes_beside(items, scope, Beside::Values)
    }

    fn nodes_beside(
        &mut self,
        items: &[Expr],
        scope: &Scope<'_>,
        beside: Beside,
    ) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        for item in items {
            self.beside = beside;
            nodes.push(self.node(item, scope)?);
        }
        Ok(nodes)
    }

    fn stored(
        &mut self,
        name: &str,
        at: &Expr,
        arguments: &[Expr],
        scope: &Scope<'_>,
    ) -> Result<Node, Error> {
        let mut within = scope.names();
        if let Some(place) = within.iter().position(|it| *it == name) {
            within.truncate(place.saturating_add(1));
            within.reverse();
            within.push(name);
            return Err(scope.error(
                at,
                Problem::Cycle {
                    cycle: within.join(CALLS),
                },
            ));
        }
        let stored = self.load(name, at, scope)?;
        self.mentions.function(stored.subject, at, scope.is_own());
        if stored.params.len() != arguments.len() {
            let takes = stored.params.len().to_string();
            return Err(scope.error(at, arity(name, takes, arguments)));
        }
        let inner = Scope {
            name: Some(name),
            text: &stored.code,
            params: &stored.params,
            given: Some((arguments, scope)),
        };
        self.node(&stored.expression, &inner)
    }

    fn builtin(
        &mut self,
        entry: &'static Entry,
        at: &Expr,
        arguments: &[Expr],
        scope: &Scope<'_>,
        beside: Beside,
    ) -> Result<Node, Error> {
        if self.purpose == Purpose::PureValue && !entry.builtin.is_pure() {
            let name = entry.name.to_owned();
            return Err(scope.error(at, Problem::Unavailable { name }));
        }
        let takes = entry.arguments_min..=entry.arguments_max;
        if !takes.contains(&arguments.len()) {
            return Err(scope.error(at, arity(entry.name, takes_text(entry), arguments)));
        }
        match (entry.builtin, arguments) {
            (Builtin::Context(asked), _) => Ok(self.context(asked, beside)),
            (Builtin::Get, [subject, name]) => self.get(entry.name, subject, name, scope),
            (Builtin::GetAll, [start, path]) => self.get_all(entry.name, start, path, scope),
            (Builtin::GetIn, [start, path]) => self.get_in(entry.name, start, path, scope),
            (Builtin::Related, [start, path, end]) => Ok(Node::Related {
                start: Box::new(self.subject(start, scope)?),
                path: self.path(path, scope, LastStep::MustRefer)?,
                end: Box::new(self.subject(end, scope)?),
            }),
            (Builtin::ReFind, [text, subject]) => {
                let (literal, at, within) = self.literal(text, scope, "a literal pattern")?;
                for _ in 0..PATTERN_NODES {
                    self.count(at, within)?;
                }
                let pattern =
                    pattern(&literal).map_err(|why| within.error(at, Problem::Pattern { why }))?;
                Ok(Node::ReFind {
                    pattern,
                    text: Box::new(self.node(subject, scope)?),
                })
            }
            (Builtin::Compare(comparison), items) => {
                let items = self.nodes_beside(items, scope, compared(items, scope))?;
                Ok(compare(comparison, entry.name, items))
            }
            (Builtin::And, items) => self.nodes(items, scope).map(Node::And),
            (Builtin::Or, items) => self.nodes(items, scope).map(Node::Or),
            (Builtin::Not, [of]) => Ok(Node::Not(Box::new(self.node(of, scope)?))),
            (Builtin::Boolean, [of]) => Ok(Node::Boolean(Box::new(self.node(of, scope)?))),
            (Builtin::IfElse, [test, then, other]) => Ok(Node::IfElse(Box::new((
                self.node(test, scope)?,
                self.node(then, scope)?,
                self.node(other, scope)?,
            )))),
            (Builtin::Coalesce, items) => self.nodes(items, scope).map(Node::Coalesce),
            (Builtin::Query, items) => self.query(items, at, scope),
            (Builtin::MaxValue, [name]) => self.max_value(name, scope),
            (Builtin::Contains, [set, of]) => {
                let beside = looked_for(set, of, scope);
                Ok(Node::Call {
                    builtin: Builtin::Contains,
                    function: entry.name,
                    items: self.nodes_beside(arguments, scope, beside)?,
                })
            }
            (Builtin::HashSet, items) => Ok(Node::Call {
                builtin: Builtin::HashSet,
                function: entry.name,
                items: self.nodes_beside(items, scope, beside)?,
            }),
            (builtin, items) => {
                if matches!(
                    builtin,
                    Builtin::CompareAndSet | Builtin::Random | Builtin::Uuid
                ) {
                    // Their answer is the flake's own, and is not kept for another.
                    self.reach = Reach::Flake;
                    self.reads.insert(TAG_ID);
                    self.mentions.asks_object = true;
                }
                Ok(Node::Call {
                    builtin,
                    function: entry.name,
                    items: self.nodes(items, scope)?,
                })
            }
        }
    }

    /// A query, read once and for all.
    fn query(&mut self, items: &[Expr], at: &Expr, scope: &Scope<'_>) -> Result<Node, Error> {
        let (text, at, within) = match items {
            [whole] => {
                let (text, at, within) = self.literal(whole, scope, "a literal query")?;
                (QueryText::Whole(text), at, within)
            }
            [select, from, clauses, block, limit] => {
                let text = QueryText::Parts {
                    select: self.part(select, scope)?,
                    from: self.part(from, scope)?,
                    clauses: self.part(clauses, scope)?,
                    block: self.part(block, scope)?,
                    limit: self.part(limit, scope)?,
                };
                (text, at, scope)
            }
            _ => return Err(scope.error(at, arity("query", "1 or 5".to_owned(), items))),
        };
        let bytes = text.len().checked_div(QUERY_BYTES_OF_A_NODE).unwrap_or(0);
        for _ in 0..bytes.saturating_add(PATTERN_NODES) {
            self.count(at, within)?;
        }
        let refused = |why| within.error(at, Problem::Query { why });
        let question = self.queries.read(&text).map_err(refused)?;
        if self.purpose != Purpose::Mentions {
            question.check().map_err(refused)?;
        }
        self.mentions.question(&question, within.is_own());
        self.asks_queries = true;
        let mut given = Vec::new();
        for name in question.given() {
            let entry = GIVEN.contains(name).then(|| lookup(name)).flatten();
            let Some(Builtin::Context(asked)) = entry.map(|it| it.builtin) else {
                let name = (*name).to_owned();
                return Err(within.error(at, Problem::Unavailable { name }));
            };
            given.push(self.context(asked, Beside::Values));
        }
        Ok(Node::Query { question, given })
    }

    /// A part of a query: a literal text or number, or `nil`.
    fn part(&mut self, expression: &Expr, scope: &Scope<'_>) -> Result<Option<String>, Error> {
        let (expression, scope) = self.resolve(expression, scope)?;
        self.count(expression, scope)?;
        match &expression.kind {
            Kind::Nil => Ok(None),
            Kind::Int(it) => Ok(Some(it.to_string())),
            Kind::String(text) => Ok(Some(text.clone())),
            _ => Err(scope.expected(expression, "a literal text, a number or `nil`")),
        }
    }

    fn max_value(&mut self, name: &Expr, scope: &Scope<'_>) -> Result<Node, Error> {
        let (name, at, within) = self.literal(name, scope, "a predicate's name")?;
        let predicate = self.predicate(&name, at, within)?;
        let of = predicate.value_type;
        if !of.is_posted() || matches!(of, ValueType::Ref | ValueType::Tag) {
            return Err(within.expected(at, "a predicate whose values have an order"));
        }
        Ok(Node::MaxValue(self.read(predicate)))
    }

    fn context(&mut self, asked: Asked, beside: Beside) -> Node {
        self.mentions.asks_predicate_name |=
            asked == Asked::PredicateName && beside == Beside::Values;
        self.mentions.asks_object |= matches!(asked, Asked::Object | Asked::Previous);
        let reach = match asked {
            Asked::Subject => Reach::Subject,
            Asked::PredicateId
            | Asked::PredicateName
            | Asked::Flakes
            | Asked::Asserted
            | Asked::Retracted => Reach::Flake,
            Asked::Object | Asked::Previous => {
                // Where the flake's value is a tag, it is told by its name.
                self.reads.insert(TAG_ID);
                Reach::Flake
            }
            Asked::Auth | Asked::User | Asked::Op | Asked::Now | Asked::Request => Reach::Bearer,
        };
        self.reach = self.reach.max(reach);
        Node::Context(asked)
    }

    fn get(
        &mut self,
        function: &'static str,
        subject: &Expr,
        name: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Node, Error> {
        let subject = self.subject(subject, scope)?;
        if is_request(&subject) {
            let (key, ..) = self.literal(name, scope, "a literal key")?;
            let keys = vec![Val::string(&key)];
            return Ok(Node::Keys {
                map: Box::new(subject),
                keys,
                function,
            });
        }
        let (name, at, within) = self.literal(name, scope, "a predicate's name")?;
        let read = {
            let predicate = self.predicate(&name, at, within)?;
            self.read(predicate)
        };
        Ok(match subject {
            Node::Context(Asked::Subject) => Node::GetOfSubject(read),
            subject => Node::Get {
                subject: Box::new(subject),
                read,
            },
        })
    }

    fn get_all(
        &mut self,
        function: &'static str,
        start: &Expr,
        path: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Node, Error> {
        Ok(Node::GetAll {
            start: Box::new(self.subject(start, scope)?),
            path: self.path(path, scope, LastStep::MayTell)?,
            function,
        })
    }

    fn get_in(
        &mut self,
        function: &'static str,
        start: &Expr,
        path: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Node, Error> {
        let map = self.subject(start, scope)?;
        if !is_request(&map) {
            let path = self.path(path, scope, LastStep::MayTell)?;
            return Ok(Node::GetAll {
                start: Box::new(map),
                path,
                function,
            });
        }
        let (items, within) = self.steps(path, scope)?;
        let mut keys = Vec::new();
        for item in items {
            keys.push(Val::string(&self.literal(item, within, "a literal key")?.0));
        }
        Ok(Node::Keys {
            map: Box::new(map),
            keys,
            function,
        })
    }

    /// A subject: a two-tuple as it is written, or an expression that gives an id.
    fn subject(&mut self, expression: &Expr, scope: &Scope<'_>) -> Result<Node, Error> {
        let (expression, scope) = self.resolve(expression, scope)?;
        let Kind::Vector(items) = &expression.kind else {
            return self.node(expression, scope);
        };
        let [name, value] = items.as_slice() else {
            return Err(scope.expected(expression, "a two-tuple of predicate and value"));
        };
        self.deeper(expression, scope, |it| {
            it.count(expression, scope)?;
            let (name, at, within) = it.literal(name, scope, "a predicate's name")?;
            let predicate = it.predicate(&name, at, within)?;
            let value_type = predicate.value_type;
            let is_found = value_type.is_posted() && value_type != ValueType::Tag;
            if !(predicate.is_unique && is_found) {
                return Err(within.error(at, Problem::NotUnique { name }));
            }
            // The subject is told, not its values: a tag's name is never read.
            it.reads.insert(predicate.id);
            it.mentions.finds_by.insert(predicate.id);
            let read = Read {
                id: predicate.id,
                is_tag: false,
            };
            let value = Box::new(it.node(value, scope)?);
            Ok(Node::Identity {
                read,
                value_type,
                value,
            })
        })
    }
}

fn takes_text(entry: &Entry) -> String {
    let (min, max) = (entry.arguments_min, entry.arguments_max);
    if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    }
}

/// Whether a node gives the request's context or a part of it.
fn is_request(node: &Node) -> bool {
    matches!(node, Node::Context(Asked::Request) | Node::Keys { .. })
}

fn compare(comparison: Comparison, function: &'static str, items: Vec<Node>) -> Node {
    if comparison == Comparison::Equal
        && let [first, second] = items.as_slice()
        && let Some(fused) = fuse(first, second)
    {
        return fused;
    }
    let is_equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
    let asks_absence = items.iter().any(|it| matches!(it, Node::Literal(Val::Nil)));
    let absence = if is_equality && asks_absence {
        Absence::Value
    } else {
        Absence::Fault
    };
    Node::Compare {
        comparison,
        absence,
        function,
        items,
    }
}

fn fuse(first: &Node, second: &Node) -> Option<Node> {
    let bearer = |node: &Node| match node {
        Node::Context(Asked::Auth) => Some(Bearer::Auth),
        Node::Context(Asked::User) => Some(Bearer::User),
        _ => None,
    };
    let (read, bearer, written) = match (first, second) {
        (Node::GetOfSubject(read), it) => (*read, bearer(it)?, Written::BearerLast),
        (it, Node::GetOfSubject(read)) => (*read, bearer(it)?, Written::BearerFirst),
        _ => return None,
    };
    (!read.is_tag).then_some(Node::SubjectHasBearer {
        read,
        bearer,
        written,
    })
}
