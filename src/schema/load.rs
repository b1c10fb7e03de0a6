//! The schema as it stands in the facts at one basis.
//!
//! Every auth may see all of it (law 8), so it is read once from the snapshot itself and shared by every request
//! until a block touches it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::system::{USER_NUMBER_FIRST, collection, predicate};
use crate::model::{
    CollectionId, Direction, Error, Fact, Facts, Names, PredicateId, PredicateName, StoredFunction,
    SubjectId, T, Value, ValueRef, ValueType,
};

/// Functions that must all say yes, and what is told where they do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The functions, lowest id first.
    pub functions: Vec<SubjectId>,
    /// What is told.
    pub doc: Option<Arc<str>>,
}

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its id.
    pub id: CollectionId,
    /// Its name.
    pub name: Arc<str>,
    /// What each changed subject must pass.
    pub spec: Option<Arc<Spec>>,
}

/// A predicate with its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the predicate"
)]
pub struct Predicate {
    /// Its id.
    pub id: PredicateId,
    /// Its full name.
    pub name: Arc<str>,
    /// What the ids of its tags begin with, before the colon: its name, or the one it had in the past that is read.
    pub tags: Arc<str>,
    /// When its name or its type was last said: the past from then on is read as now.
    pub shaped: T,
    /// The collection whose subjects it stands on.
    pub collection: CollectionId,
    /// The type of its values.
    pub value_type: ValueType,
    /// Whether a value names at most one subject.
    pub unique: bool,
    /// Whether a subject may have several values.
    pub multi: bool,
    /// Whether a new subject with a value that is taken is the subject that has it.
    pub upsert: bool,
    /// Whether a `where` may use it; refs, tags and unique ones always may.
    pub index: bool,
    /// Whether what it refers to belongs to the subject, and goes with it.
    pub component: bool,
    /// Whether a receipt warns of its use.
    pub deprecated: bool,
    /// Whether a value that is retracted is erased.
    pub no_history: bool,
    /// Whether its tags must exist before they are used.
    pub restrict_tag: bool,
    /// The name of the collection its refs must point into.
    pub restrict_collection: Option<Arc<str>>,
    /// Whether asserting a value that is there retracts and asserts it.
    pub retract_duplicates: bool,
    /// What each asserted value must pass.
    pub spec: Option<Arc<Spec>>,
    /// What all its flakes of one transaction must pass.
    pub tx_spec: Option<Arc<Spec>>,
    /// Whether it is in no answer, for root neither.
    pub sealed: bool,
    /// Whether its facts are read from block headers, and so cannot be written.
    pub is_virtual: bool,
    /// Whether the engine alone writes it.
    pub by_engine: bool,
}

impl Predicate {
    /// Whether what it said is erased when it holds no longer.
    pub fn forgets(&self) -> bool {
        self.no_history || self.sealed
    }

    /// The name without its collection's.
    pub fn own_name(&self) -> &str {
        self.name
            .split_once('/')
            .map_or(&*self.name, |(_, own)| own)
    }

    /// Whether its values are subjects: refs and tags.
    pub fn is_ref(&self) -> bool {
        matches!(self.value_type, ValueType::Ref | ValueType::Tag)
    }

    /// Whether a `where` may use it.
    pub fn is_indexed(&self) -> bool {
        self.index || self.unique || self.is_ref()
    }
}

/// All collections, predicates and stored functions at one basis.
#[derive(Clone, Debug)]
pub struct Schema {
    collections: BTreeMap<CollectionId, Collection>,
    collection_names: HashMap<Arc<str>, CollectionId>,
    predicates: BTreeMap<PredicateId, Predicate>,
    predicate_names: HashMap<Arc<str>, PredicateId>,
    /// By what the ids of tags begin with, where that is not the name.
    tag_names: HashMap<Arc<str>, PredicateId>,
    functions: HashMap<Arc<str>, StoredFunction>,
}

/// Predicates that are in no answer, filter, receipt, block, explanation or rule function.
const SEALED: [PredicateId; 5] = [
    predicate::AUTH_PASSWORD,
    predicate::AUTH_SECRET,
    predicate::AUTH_SALT,
    predicate::AUTH_RESET_TOKEN,
    predicate::TOKEN_HASH,
];

/// Predicates whose facts stand in block headers.
const VIRTUAL: [PredicateId; 6] = [
    predicate::BLOCK_HASH,
    predicate::BLOCK_PREV_HASH,
    predicate::BLOCK_INSTANT,
    predicate::BLOCK_NUMBER,
    predicate::TX_ID,
    predicate::TX_AUTH,
];

impl Schema {
    /// Reads the schema out of facts that hide none of it.
    ///
    /// # Errors
    /// `Corrupt` if a predicate has no name or no type, which no accepted transaction leaves behind.
    pub fn load(facts: &dyn Facts) -> Result<Self, Error> {
        let collections = load_collections(facts)?;
        let collection_names: HashMap<Arc<str>, CollectionId> = collections
            .values()
            .map(|it| (Arc::clone(&it.name), it.id))
            .collect();
        let predicates = load_predicates(facts, &collection_names)?;
        let predicate_names = predicates
            .values()
            .map(|it| (Arc::clone(&it.name), it.id))
            .collect();
        let functions = load_functions(facts)?;
        Ok(Self {
            collections,
            collection_names,
            predicates,
            predicate_names,
            tag_names: HashMap::new(),
            functions,
        })
    }

    /// The collection with this id.
    pub fn collection(&self, id: CollectionId) -> Option<&Collection> {
        self.collections.get(&id)
    }

    /// The collection with this name. `_block` is another name of `_tx`.
    pub fn collection_named(&self, name: &str) -> Option<&Collection> {
        let name = if name == "_block" { "_tx" } else { name };
        self.collections.get(self.collection_names.get(name)?)
    }

    /// All collections, by id.
    pub fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collections.values()
    }

    /// The predicate with this id.
    pub fn predicate(&self, id: PredicateId) -> Option<&Predicate> {
        self.predicates.get(&id)
    }

    /// The predicate with this full name.
    pub fn predicate_named(&self, name: &str) -> Option<&Predicate> {
        self.predicates.get(self.predicate_names.get(name)?)
    }

    /// The predicate whose tags' ids begin with this, before the colon.
    pub fn predicate_tagged(&self, tags: &str) -> Option<&Predicate> {
        let named = || self.predicate_named(tags).filter(|it| *it.tags == *tags);
        let other = self.tag_names.get(tags);
        other.map_or_else(named, |id| self.predicates.get(id))
    }

    /// Reads the values and the tags of one predicate as they were kept.
    pub(super) fn read_as(&mut self, id: PredicateId, value_type: ValueType, tags: Arc<str>) {
        if let Some(it) = self.predicates.get_mut(&id) {
            it.value_type = value_type;
            it.tags = Arc::clone(&tags);
            self.tag_names.insert(tags, id);
        }
    }

    /// All predicates, by id.
    pub fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        self.predicates.values()
    }

    /// The predicate called `name`, in full or without `collection`'s own.
    pub fn predicate_of(&self, collection: &str, name: &str) -> Option<&Predicate> {
        if name.contains('/') {
            self.predicate_named(name)
        } else {
            self.predicate_named(&format!("{collection}/{name}"))
        }
    }
}

impl Names for Schema {
    fn predicate(&self, name: &str) -> Option<PredicateName> {
        self.predicate_named(name).map(|it| PredicateName {
            id: it.id,
            value_type: it.value_type,
            is_multi: it.multi,
            is_unique: it.unique,
            is_sealed: it.sealed,
        })
    }

    fn predicate_name(&self, id: PredicateId) -> Option<&str> {
        self.predicates.get(&id).map(|it| &*it.name)
    }

    fn function(&self, name: &str) -> Option<StoredFunction> {
        self.functions.get(name).cloned()
    }
}

/// The subjects of a collection with their facts, lowest id first.
fn subjects(
    facts: &dyn Facts,
    c: CollectionId,
) -> Result<BTreeMap<SubjectId, Vec<(PredicateId, Value)>>, Error> {
    let mut subjects: BTreeMap<SubjectId, Vec<(PredicateId, Value)>> = BTreeMap::new();
    facts.collection(
        c,
        Direction::Ascending,
        None,
        &mut |Fact { s, p, o, .. }| {
            subjects.entry(s).or_default().push((p, o.to_value()));
            ControlFlow::Continue(())
        },
    )?;
    Ok(subjects)
}

fn load_collections(facts: &dyn Facts) -> Result<BTreeMap<CollectionId, Collection>, Error> {
    let mut collections = BTreeMap::new();
    for (s, row) in subjects(facts, collection::COLLECTION)? {
        let id = CollectionId::new(s.number()).ok_or_else(|| damaged("a collection's id", s))?;
        let name = text(&row, predicate::COLLECTION_NAME)
            .ok_or_else(|| damaged("a collection's name", s))?;
        let spec = spec(
            &row,
            predicate::COLLECTION_SPEC,
            predicate::COLLECTION_SPEC_DOC,
        );
        collections.insert(id, Collection { id, name, spec });
    }
    let tx = Collection {
        id: CollectionId::TX,
        name: Arc::from("_tx"),
        spec: None,
    };
    collections.insert(CollectionId::TX, tx);
    Ok(collections)
}

fn load_predicates(
    facts: &dyn Facts,
    collections: &HashMap<Arc<str>, CollectionId>,
) -> Result<BTreeMap<PredicateId, Predicate>, Error> {
    let mut predicates = BTreeMap::new();
    let shaped = shaped(facts)?;
    for (s, row) in subjects(facts, collection::PREDICATE)? {
        let id = PredicateId::of_subject(s).ok_or_else(|| damaged("a predicate's id", s))?;
        let name = text(&row, predicate::PREDICATE_NAME)
            .ok_or_else(|| damaged("a predicate's name", s))?;
        let of = name.split_once('/').map_or("", |(of, _)| of);
        let of = if of == "_block" { "_tx" } else { of };
        let collection = *collections
            .get(of)
            .ok_or_else(|| damaged("a predicate's collection", s))?;
        let value_type = match value(&row, predicate::PREDICATE_TYPE) {
            Some(Value::Ref(tag)) => type_of(*tag, facts)?,
            _ => None,
        }
        .ok_or_else(|| damaged("a predicate's type", s))?;
        let flag = |p| matches!(value(&row, p), Some(Value::Boolean(true)));
        predicates.insert(
            id,
            Predicate {
                id,
                collection,
                value_type,
                unique: flag(predicate::PREDICATE_UNIQUE),
                multi: flag(predicate::PREDICATE_MULTI),
                upsert: flag(predicate::PREDICATE_UPSERT),
                index: flag(predicate::PREDICATE_INDEX),
                component: flag(predicate::PREDICATE_COMPONENT),
                deprecated: flag(predicate::PREDICATE_DEPRECATED),
                restrict_tag: flag(predicate::PREDICATE_RESTRICT_TAG),
                no_history: flag(predicate::PREDICATE_NO_HISTORY),
                restrict_collection: text(&row, predicate::PREDICATE_RESTRICT_COLLECTION),
                retract_duplicates: flag(predicate::PREDICATE_RETRACT_DUPLICATES),
                spec: spec(
                    &row,
                    predicate::PREDICATE_SPEC,
                    predicate::PREDICATE_SPEC_DOC,
                ),
                tx_spec: spec(
                    &row,
                    predicate::PREDICATE_TX_SPEC,
                    predicate::PREDICATE_TX_SPEC_DOC,
                ),
                sealed: SEALED.contains(&id),
                is_virtual: VIRTUAL.contains(&id),
                tags: Arc::clone(&name),
                shaped: shaped.get(&s).copied().unwrap_or_default(),
                by_engine: is_by_engine(id, collection),
                name,
            },
        );
    }
    Ok(predicates)
}

fn spec(row: &[(PredicateId, Value)], p: PredicateId, doc: PredicateId) -> Option<Arc<Spec>> {
    let functions = row.iter().filter(|(of, _)| *of == p);
    let functions: Vec<_> = functions.filter_map(|(_, o)| o.borrow().as_ref()).collect();
    (!functions.is_empty()).then(|| {
        Arc::new(Spec {
            functions,
            doc: text(row, doc),
        })
    })
}

/// Sealed and virtual predicates, and what the engine says of tokens and transactions.
fn is_by_engine(id: PredicateId, of: CollectionId) -> bool {
    let is_system = u64::from(id.0) < USER_NUMBER_FIRST;
    let of_engine = match of {
        collection::TOKEN => id != predicate::TOKEN_REVOKED,
        CollectionId::TX => !matches!(id, predicate::TX_ALT_ID | predicate::TX_DOC),
        collection::AUTH => id == predicate::AUTH_HASH_TYPE,
        _ => false,
    };
    SEALED.contains(&id) || (is_system && of_engine)
}

/// When the name or the type of each predicate was last said.
fn shaped(facts: &dyn Facts) -> Result<BTreeMap<SubjectId, T>, Error> {
    let mut shaped: BTreeMap<SubjectId, T> = BTreeMap::new();
    let c = collection::PREDICATE;
    facts.collection(c, Direction::Ascending, None, &mut |fact| {
        if matches!(
            fact.p,
            predicate::PREDICATE_NAME | predicate::PREDICATE_TYPE
        ) {
            let last = shaped.entry(fact.s).or_default();
            *last = fact.t.max(*last);
        }
        ControlFlow::Continue(())
    })?;
    Ok(shaped)
}

fn load_functions(facts: &dyn Facts) -> Result<HashMap<Arc<str>, StoredFunction>, Error> {
    let mut functions = HashMap::new();
    for (subject, row) in subjects(facts, collection::FUNCTION)? {
        let Some(name) = text(&row, predicate::FN_NAME) else {
            continue;
        };
        let Some(code) = text(&row, predicate::FN_CODE) else {
            continue;
        };
        // What is of another language is no function that a rule can name.
        if value(&row, predicate::FN_LANGUAGE).is_some() {
            continue;
        }
        let params = match value(&row, predicate::FN_PARAMS) {
            Some(Value::Json(json)) => super::bootstrap::names(json)
                .ok_or_else(|| damaged("a function's parameters", subject))?,
            _ => Vec::new(),
        };
        functions.insert(
            name,
            StoredFunction {
                subject,
                params: Arc::from(params),
                code,
            },
        );
    }
    Ok(functions)
}

/// The short name of a tag: what stands after the colon of its `_tag/id`.
pub fn tag_name(facts: &dyn Facts, tag: SubjectId) -> Result<Option<String>, Error> {
    let mut short = None;
    facts.values(tag, predicate::TAG_ID, &mut |fact| {
        if let ValueRef::String(id) = fact.o {
            short = Some(id.split_once(':').map_or(id, |(_, short)| short).to_owned());
        }
        ControlFlow::Break(())
    })?;
    Ok(short)
}

/// The type that a tag stands for.
pub fn type_of(tag: SubjectId, facts: &dyn Facts) -> Result<Option<ValueType>, Error> {
    Ok(tag_name(facts, tag)?.as_deref().and_then(type_named))
}

/// The type that a tag of `_predicate/type` names.
fn type_named(name: &str) -> Option<ValueType> {
    Some(match name {
        "string" => ValueType::String,
        "boolean" => ValueType::Boolean,
        "int" => ValueType::Int,
        "long" => ValueType::Long,
        "bigint" => ValueType::Bigint,
        "float" => ValueType::Float,
        "double" => ValueType::Double,
        "bigdec" => ValueType::Bigdec,
        "instant" => ValueType::Instant,
        "uuid" => ValueType::Uuid,
        "uri" => ValueType::Uri,
        "bytes" => ValueType::Bytes,
        "json" => ValueType::Json,
        "geojson" => ValueType::Geojson,
        "ref" => ValueType::Ref,
        "tag" => ValueType::Tag,
        _ => return None,
    })
}

fn value(row: &[(PredicateId, Value)], p: PredicateId) -> Option<&Value> {
    row.iter().find(|(of, _)| *of == p).map(|(_, o)| o)
}

fn text(row: &[(PredicateId, Value)], p: PredicateId) -> Option<Arc<str>> {
    match value(row, p) {
        Some(Value::String(text)) => Some(Arc::clone(text)),
        _ => None,
    }
}

fn damaged(what: &str, s: SubjectId) -> Error {
    Error::Corrupt {
        what: format!("{what} is missing or wrong, subject {s}"),
    }
}
