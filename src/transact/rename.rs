//! Renames of collections, predicates and functions, and everything whose text names them.
//!
//! 1. Texts of before name things as the schema before does. Texts of the request do too, and are written anew like
//!    those; a name that this schema does not know is one that the transaction makes.
//! 2. A text that could see a name in another way keeps it from being changed.

use std::collections::BTreeMap;
use std::ops::{Bound as RangeBound, ControlFlow};
use std::sync::Arc;

use super::error::{Error, Problem};
use super::ground::Ground;
use super::rewrite::{Rewriter, Said};
use super::staged::Staged;
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::lang::{Bound, Renamed};
use crate::model::system::{USER_COLLECTION_FIRST, USER_NUMBER_FIRST, collection, predicate};
use crate::model::{
    Bounds, CollectionId, Direction, Facts, Names, Op, Overlay, PredicateId, PredicateName,
    StoredFunction, SubjectId, Value, ValueRef,
};
use crate::policy::Cause;
use crate::query::Pointer;
use crate::schema::Schema;

/// A new name, and the place in the request that says it.
#[derive(Clone, Debug)]
struct Rename {
    new: Arc<str>,
    at: Pointer,
}

/// Old names with what becomes of them.
#[derive(Debug, Default)]
pub(super) struct Renames {
    collections: BTreeMap<Arc<str>, Rename>,
    predicates: BTreeMap<Arc<str>, Rename>,
    functions: BTreeMap<Arc<str>, Rename>,
    predicate_ids: BTreeMap<PredicateId, Arc<str>>,
    function_ids: BTreeMap<SubjectId, Arc<str>>,
}

impl Renames {
    /// The renames that are staged, and those of the predicates of renamed collections.
    pub(super) fn of(
        staged: &Staged,
        said: Said,
        schema: &Schema,
        ground: &Ground<'_>,
    ) -> Result<Self, Error> {
        let mut renames = Self::default();
        let mut own: BTreeMap<PredicateId, Rename> = BTreeMap::new();
        let changes = staged.flakes.iter().zip(&staged.places);
        for (staged, at) in changes.filter(|(it, _)| it.cause != Cause::Unchanged) {
            let flake = &staged.flake;
            let (Op::Assert, Value::String(new)) = (flake.op, &flake.o) else {
                continue;
            };
            let rename = Rename {
                new: Arc::clone(new),
                at: at.clone(),
            };
            let number = flake.s.number();
            match flake.p {
                predicate::COLLECTION_NAME if number >= USER_COLLECTION_FIRST => {
                    let of = CollectionId::new(number).and_then(|id| schema.collection(id));
                    if let Some(of) = of {
                        renames.collections.insert(Arc::clone(&of.name), rename);
                    }
                }
                predicate::PREDICATE_NAME if number >= USER_NUMBER_FIRST => {
                    if let Some(id) = PredicateId::of_subject(flake.s)
                        && schema.predicate(id).is_some()
                    {
                        own.insert(id, rename);
                    }
                }
                predicate::FN_NAME if number >= USER_NUMBER_FIRST => {
                    if let Some(Value::String(old)) =
                        ground.before.value_list(flake.s, flake.p)?.first()
                    {
                        renames.function_ids.insert(flake.s, Arc::clone(new));
                        renames.functions.insert(Arc::clone(old), rename);
                    }
                }
                _ => {}
            }
        }
        renames.name_predicates(schema, &own, said, staged);
        Ok(renames)
    }

    fn name_predicates(
        &mut self,
        schema: &Schema,
        own: &BTreeMap<PredicateId, Rename>,
        said: Said,
        staged: &Staged,
    ) {
        let is_deleted = |id: PredicateId| {
            staged.flakes.iter().any(|it| {
                let flake = &it.flake;
                flake.s == id.subject()
                    && flake.p == predicate::PREDICATE_NAME
                    && flake.op == Op::Retract
                    && it.cause != Cause::Unchanged
            })
        };
        for it in schema.predicates() {
            let rename = match own.get(&it.id) {
                Some(rename) => Rename {
                    new: self
                        .in_collection(&rename.new)
                        .filter(|_| said == Said::Before)
                        .map_or_else(|| Arc::clone(&rename.new), |(new, _)| new),
                    at: rename.at.clone(),
                },
                None => match self.in_collection(&it.name) {
                    Some((new, at)) if !is_deleted(it.id) => Rename {
                        new,
                        at: at.clone(),
                    },
                    _ => continue,
                },
            };
            self.predicate_ids.insert(it.id, Arc::clone(&rename.new));
            self.predicates.insert(Arc::clone(&it.name), rename);
        }
    }

    /// Writes everything anew that names what is renamed.
    pub(super) fn follow(
        &self,
        rewriter: &mut Rewriter<'_>,
        schema: &Schema,
        ground: &Ground<'_>,
    ) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        self.refuse_taken(rewriter, schema, ground)?;
        self.follow_in_schema(rewriter, schema)?;
        self.follow_in_rules(rewriter, ground.before)?;
        self.follow_in_tags(rewriter, ground.before)?;
        self.follow_in_functions(rewriter, schema, ground)
    }

    fn is_empty(&self) -> bool {
        self.collections.is_empty() && self.predicates.is_empty() && self.functions.is_empty()
    }

    /// A predicate's name, if its collection is renamed.
    fn in_collection(&self, name: &str) -> Option<(Arc<str>, &Pointer)> {
        let (of, own) = name.split_once('/')?;
        let Rename { new, at } = self.collections.get(of)?;
        Some((Arc::from(format!("{new}/{own}")), at))
    }

    /// A name that is taken is free in the next transaction, unless its bearer gives it up by a rename of its own.
    fn refuse_taken(
        &self,
        rewriter: &mut Rewriter<'_>,
        schema: &Schema,
        ground: &Ground<'_>,
    ) -> Result<(), Error> {
        let is_free = |renames: &BTreeMap<Arc<str>, Rename>, name: &str, is_known: bool| {
            !is_known || renames.contains_key(name)
        };
        let mut taken = Vec::new();
        for (old, Rename { new, at }) in &self.collections {
            let is_known = schema.collection_named(new).is_some();
            if old != new && !is_free(&self.collections, new, is_known) {
                taken.push(("_collection/name", at));
            }
        }
        for (old, Rename { new, at }) in &self.predicates {
            let is_known = schema.predicate_named(new).is_some();
            if old != new && !is_free(&self.predicates, new, is_known) {
                taken.push(("_predicate/name", at));
            }
        }
        for (old, Rename { new, at }) in &self.functions {
            let held = ground
                .before
                .subject_list(predicate::FN_NAME, ValueRef::String(new))?;
            if old != new && !is_free(&self.functions, new, !held.is_empty()) {
                taken.push(("_fn/name", at));
            }
        }
        // Where its bearer stays, uniqueness tells so by itself; where it goes, this does.
        for (p, at) in taken {
            rewriter.refuse(at, Problem::Unique(Arc::from(p)));
        }
        Ok(())
    }

    /// Names of predicates, and the collections that they are restricted to.
    fn follow_in_schema(&self, rewriter: &mut Rewriter<'_>, schema: &Schema) -> Result<(), Error> {
        let mut named = rewriter.changed(predicate::PREDICATE_NAME);
        let mut restricted = rewriter.changed(predicate::PREDICATE_RESTRICT_COLLECTION);
        for it in schema.predicates() {
            if self.in_collection(&it.name).is_some() {
                named.insert(it.id.subject());
            }
            let to = it.restrict_collection.as_deref();
            if to.is_some_and(|to| self.collections.contains_key(to)) {
                restricted.insert(it.id.subject());
            }
        }
        for s in named {
            rewriter.rewrite(s, predicate::PREDICATE_NAME, true, &|value| {
                let (new, at) = self.in_collection(text(value)?)?;
                Some((Value::String(new), at))
            })?;
            // What the request itself names is a rename too, where something had a name.
            let id = PredicateId::of_subject(s);
            let of = id.and_then(|id| Some((schema.predicate(id)?, self.predicate_ids.get(&id)?)));
            if let Some((of, new)) = of
                && self.in_collection(&of.name).is_none()
            {
                let (old, new) = (Arc::clone(&of.name), Arc::clone(new));
                rewriter.rename(
                    s,
                    predicate::PREDICATE_NAME,
                    Value::String(old),
                    Value::String(new),
                );
            }
        }
        for it in schema.collections() {
            if let (Some(rename), Ok(number)) =
                (self.collections.get(&it.name), u64::try_from(it.id.raw()))
                && let Some(s) = SubjectId::new(collection::COLLECTION, number)
            {
                let (old, new) = (Arc::clone(&it.name), Arc::clone(&rename.new));
                rewriter.rename(
                    s,
                    predicate::COLLECTION_NAME,
                    Value::String(old),
                    Value::String(new),
                );
            }
        }
        for s in restricted {
            follow(
                rewriter,
                s,
                predicate::PREDICATE_RESTRICT_COLLECTION,
                &self.collections,
            )?;
        }
        Ok(())
    }

    fn follow_in_rules(
        &self,
        rewriter: &mut Rewriter<'_>,
        before: &dyn Facts,
    ) -> Result<(), Error> {
        for (p, renames) in [
            (predicate::RULE_COLLECTION, &self.collections),
            (predicate::RULE_PREDICATES, &self.predicates),
        ] {
            if renames.is_empty() {
                continue;
            }
            let mut rules = rewriter.changed(p);
            for old in renames.keys() {
                rules.extend(before.subject_list(p, ValueRef::String(old))?);
            }
            for rule in rules {
                follow(rewriter, rule, p, renames)?;
            }
        }
        Ok(())
    }

    /// The id of a tag begins with its predicate's name.
    fn follow_in_tags(&self, rewriter: &mut Rewriter<'_>, before: &dyn Facts) -> Result<(), Error> {
        let mut tags = rewriter.changed(predicate::TAG_ID);
        for old in self.predicates.keys() {
            // No character stands between these two.
            let bounds = Bounds {
                from: RangeBound::Included(Value::string(&format!("{old}:"))),
                to: RangeBound::Excluded(Value::string(&format!("{old};"))),
            };
            before.range(predicate::TAG_ID, &bounds, &mut |fact| {
                tags.insert(fact.s);
                if tags.len() > COMMIT_FLAKES_MAX {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        for tag in tags {
            if rewriter.is_refused() {
                break;
            }
            rewriter.rewrite(tag, predicate::TAG_ID, true, &|value| {
                let (of, own) = text(value)?.split_once(':')?;
                let Rename { new, at } = self.predicates.get(of)?;
                Some((Value::string(&format!("{new}:{own}")), at))
            })?;
        }
        Ok(())
    }

    /// The texts of functions, which name predicates and each other.
    fn follow_in_functions(
        &self,
        rewriter: &mut Rewriter<'_>,
        schema: &Schema,
        ground: &Ground<'_>,
    ) -> Result<(), Error> {
        let mut after = Overlay::new(ground.before);
        after.apply(ground.before.basis().next(), &rewriter.flakes());
        // A schema that cannot be read is refused by the checks of the schema, which come next.
        let Ok(named) = Schema::load(&after) else {
            return Ok(());
        };
        let sent = rewriter.changed(predicate::FN_CODE);
        let bridge = Bridge {
            before: schema,
            after: &named,
            functions: &self.functions,
        };
        let renames = self.predicates.values().chain(self.functions.values());
        let Some(at) = renames.map(|it| &it.at).next() else {
            return Ok(());
        };
        for (subject, name) in functions(&after)? {
            let Some(stored) = named.function(&name) else {
                continue;
            };
            if stored.subject != subject {
                continue;
            }
            if rewriter.is_said() && sent.contains(&subject) {
                continue;
            }
            let Ok(bound) = Bound::of(
                &stored.code,
                &stored.params,
                &bridge,
                ground.policy.queries(),
            ) else {
                // One that is sent is refused by the checks of the policy. Another compiled before, so what it calls
                // is sent: it is not left to say something else in the new names.
                if !sent.contains(&subject) {
                    let who = seen_function(subject, ground)?;
                    let why = format!("{who} needs what it calls as it is");
                    rewriter.refuse(at, Problem::in_use(subject, why));
                }
                continue;
            };
            let is_sent = sent.contains(&subject);
            let why = if self.is_seen_by(&bound) {
                Some("looks at names, and would no longer say what it says")
            } else {
                let is_said = self.is_said_in_query(&bound, is_sent);
                is_said.then_some("says the name in a query")
            };
            if let Some(why) = why {
                let who = seen_function(subject, ground)?;
                let why = format!("{who} {why}");
                rewriter.refuse(at, Problem::in_use(subject, why));
                return Ok(());
            }
            let written = bound.write(&|id| self.predicate_ids.get(&id).map(|it| &**it), &|id| {
                self.function_ids.get(&id).map(|it| &**it)
            });
            if *written != *stored.code {
                let written = Value::string(&written);
                rewriter.rewrite(subject, predicate::FN_CODE, true, &|value| {
                    (text(value)? == &*stored.code).then(|| (written.clone(), at))
                })?;
            }
        }
        for (s, new) in &self.function_ids {
            if let Some(old) = ground.before.value_list(*s, predicate::FN_NAME)?.first() {
                let new = Value::String(Arc::clone(new));
                rewriter.rename(*s, predicate::FN_NAME, old.clone(), new);
            }
        }
        Ok(())
    }

    /// Whether a query in a text says a name that goes. A text that the request does not send says none that comes
    /// either: it would mean another predicate by it.
    fn is_said_in_query(&self, bound: &Bound, is_sent: bool) -> bool {
        let mut renames = self.predicates.iter().chain(&self.collections);
        renames.any(|(old, Rename { new, .. })| {
            old != new && (bound.asks_for(old) || (!is_sent && bound.asks_for(new)))
        })
    }

    fn is_seen_by(&self, bound: &Bound) -> bool {
        (!self.predicates.is_empty() && bound.sees(Renamed::Predicate))
            || (!self.collections.is_empty() && bound.sees(Renamed::Collection))
            || (!self.functions.is_empty() && bound.sees(Renamed::Function))
    }
}

/// Writes the names in one subject's values anew.
fn follow(
    rewriter: &mut Rewriter<'_>,
    s: SubjectId,
    p: PredicateId,
    renames: &BTreeMap<Arc<str>, Rename>,
) -> Result<(), Error> {
    rewriter.rewrite(s, p, true, &|value| {
        let Rename { new, at } = renames.get(text(value)?)?;
        Some((Value::String(Arc::clone(new)), at))
    })
}

/// The names of the state before, and beside them those that the transaction makes.
struct Bridge<'a> {
    before: &'a Schema,
    after: &'a Schema,
    functions: &'a BTreeMap<Arc<str>, Rename>,
}

impl Names for Bridge<'_> {
    fn predicate(&self, name: &str) -> Option<PredicateName> {
        Names::predicate(self.before, name).or_else(|| Names::predicate(self.after, name))
    }

    fn predicate_name(&self, id: PredicateId) -> Option<&str> {
        self.before
            .predicate_name(id)
            .or_else(|| self.after.predicate_name(id))
    }

    fn function(&self, name: &str) -> Option<StoredFunction> {
        let name = self.functions.get(name).map_or(name, |it| &*it.new);
        self.after.function(name)
    }
}

/// The functions of users with their names, lowest id first.
fn functions(facts: &dyn Facts) -> Result<BTreeMap<SubjectId, Arc<str>>, Error> {
    let mut functions = BTreeMap::new();
    facts.collection(
        collection::FUNCTION,
        Direction::Ascending,
        None,
        &mut |fact| {
            if let (predicate::FN_NAME, Some(name)) = (fact.p, fact.o.as_str())
                && fact.s.number() >= USER_NUMBER_FIRST
            {
                functions.insert(fact.s, Arc::from(name));
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(functions)
}

/// A function by its name, if the author sees that.
fn seen_function(subject: SubjectId, ground: &Ground<'_>) -> Result<String, Error> {
    let names = ground.sight.value_list(subject, predicate::FN_NAME)?;
    Ok(match names.first().and_then(text) {
        Some(name) => format!("function `{name}`"),
        None => "a function".to_owned(),
    })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
