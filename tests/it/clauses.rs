//! Random queries of clauses: beside nested loops over a plain list of facts, with their clauses in any order, and under
//! a view beside root over a database that holds only what is visible.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use solon::base::Budget;
use solon::model::system::{collection, predicate};
use solon::model::{Empty, Facts, Overlay, PredicateId, SubjectId, T, Value};
use solon::policy::{Op, Policy, View};
use solon::query::{Asked, Counts, Json, Query, queries_of};
use solon::schema::Schema;

use crate::oracle::{List, World, overlay, seeds};
use crate::support::random::Random;

const NAMES: [&str; 12] = [
    "doc/title",
    "doc/owner",
    "doc/team",
    "doc/size",
    "doc/label",
    "team/name",
    "team/lead",
    "team/docs",
    "_user/username",
    "_auth/roles",
    "_id",
    "rdf:type",
];

const VARIABLES: [&str; 4] = ["?a", "?b", "?c", "?d"];

/// A term: what kind it is, and what it is in JSON.
type Term = (char, String);

/// A place of a clause: a variable, anything, or a term with the JSON that names it.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Var(&'static str),
    Any,
    Term(Term, String),
}

type Clause = (Place, &'static str, Place);

/// Everything that holds, as terms.
struct Plain {
    triples: Vec<(Term, &'static str, Term)>,
    predicates: BTreeMap<&'static str, PredicateId>,
}

fn id(s: SubjectId) -> Term {
    ('n', s.raw().to_string())
}

impl Plain {
    fn of(list: &List, schema: &Schema) -> Self {
        let mut predicates = BTreeMap::new();
        for name in NAMES {
            if let Some(of) = schema.predicate_named(name) {
                predicates.insert(name, of.id);
            }
        }
        let mut triples = Vec::new();
        let subjects: BTreeSet<SubjectId> = list.iter().map(|(s, _, _)| *s).collect();
        for s in subjects {
            triples.push((id(s), "_id", id(s)));
            let of = schema.collection(s.collection()).unwrap();
            triples.push((id(s), "rdf:type", ('s', of.name.to_string())));
        }
        for (s, p, o) in list {
            let Some((name, _)) = predicates.iter().find(|(_, id)| *id == p) else {
                continue;
            };
            let term = match o {
                Value::Ref(tag) if tag.collection() == collection::TAG => {
                    let of = list
                        .iter()
                        .find(|(s, p, _)| s == tag && *p == predicate::TAG_ID);
                    let Some((_, _, Value::String(id))) = of else {
                        continue;
                    };
                    ('s', id.split_once(':').unwrap().1.to_owned())
                }
                Value::Ref(to) => id(*to),
                Value::String(text) => ('s', text.to_string()),
                Value::Decimal(it) => ('d', it.to_string()),
                other => panic!("{other:?}"),
            };
            triples.push((id(*s), *name, term));
        }
        Self {
            triples,
            predicates,
        }
    }

    /// Every binding of the clauses, by loops in loops.
    fn bindings(&self, clauses: &[Clause]) -> BTreeSet<BTreeMap<&'static str, Term>> {
        let mut bindings = BTreeSet::from([BTreeMap::new()]);
        for (subject, name, object) in clauses {
            let mut next = BTreeSet::new();
            for bound in &bindings {
                for (s, _, o) in self.triples.iter().filter(|(_, p, _)| p == name) {
                    let mut longer: BTreeMap<&'static str, Term> = bound.clone();
                    let fits = [(subject, s), (object, o)]
                        .into_iter()
                        .all(|(place, term)| match place {
                            Place::Any => true,
                            Place::Term(it, _) => it == term,
                            Place::Var(name) => {
                                longer.entry(name).or_insert_with(|| term.clone()) == term
                            }
                        });
                    if fits {
                        next.insert(longer);
                    }
                }
            }
            bindings = next;
        }
        bindings
    }
}

fn random_clause(rng: &mut Random, plain: &Plain) -> Clause {
    let name = *rng.pick(&NAMES);
    let of_name: Vec<_> = plain
        .triples
        .iter()
        .filter(|(_, p, _)| *p == name)
        .collect();
    let literal = |term: &Term| {
        let json = match term.0 {
            'n' => term.1.clone(),
            _ => Json::string(&term.1).write(),
        };
        Place::Term(term.clone(), json)
    };
    let place = |rng: &mut Random, term: Option<&Term>| match (rng.below(8), term) {
        (0, _) => Place::Any,
        (1, Some(term)) => literal(term),
        _ => Place::Var(rng.pick::<&str>(&VARIABLES)),
    };
    let some = if of_name.is_empty() {
        None
    } else {
        Some(*rng.pick(&of_name))
    };
    let subject = place(rng, some.map(|it| &it.0));
    let object = place(rng, some.map(|it| &it.2));
    (subject, name, object)
}

fn text(clauses: &[Clause], select: &[&str], head: &str) -> String {
    let place = |it: &Place| match it {
        Place::Var(name) => format!("\"{name}\""),
        Place::Any => "null".to_owned(),
        Place::Term(_, json) => json.clone(),
    };
    let mut text = format!(
        "{{\"{head}\":{},\"where\":[",
        serde_json::to_string(select).unwrap()
    );
    for (index, (s, p, o)) in clauses.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(text, "{comma}[{},\"{p}\",{}]", place(s), place(o)).unwrap();
    }
    text + "]}"
}

fn variables(clauses: &[Clause]) -> Vec<&'static str> {
    let places = clauses.iter().flat_map(|(s, _, o)| [s, o]);
    let names: BTreeSet<&'static str> = places
        .filter_map(|place| match place {
            Place::Var(name) => Some(*name),
            _ => None,
        })
        .collect();
    names.into_iter().collect()
}

fn ask(text: &str, facts: &dyn Facts, schema: &Schema) -> Result<String, solon::query::Error> {
    ask_within(text, facts, schema, &Budget::new(1_000_000, None))
}

/// The answer as text, within a budget.
pub(crate) fn ask_within(
    text: &str,
    facts: &dyn Facts,
    schema: &Schema,
    budget: &Budget,
) -> Result<String, solon::query::Error> {
    let query = Query::parse(text)?;
    let asked = Asked {
        now_ms: 0,
        counts: Counts::Hidden,
    };
    let answer = query.run(facts, schema, asked, budget)?;
    Ok(answer.write())
}

/// A random query with at least one variable.
fn random_query(rng: &mut Random, plain: &Plain) -> (Vec<Clause>, Vec<&'static str>) {
    loop {
        let count = 1 + rng.below(4);
        let clauses: Vec<_> = (0..count).map(|_| random_clause(rng, plain)).collect();
        let names = variables(&clauses);
        if !names.is_empty() {
            return (clauses, names);
        }
    }
}

#[test]
fn random_clauses_bind_what_nested_loops_bind_in_any_order() {
    let (mut answered, mut with_rows, mut refused) = (0, 0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = World::random(&mut rng);
        let facts = world.facts();
        let schema = Schema::load(&facts).unwrap();
        let plain = Plain::of(&world.list, &schema);
        assert!(plain.predicates.len() > 8);
        for _ in 0..30 {
            let (mut clauses, names) = random_query(&mut rng, &plain);
            let mut select = names.clone();
            if select.len() > 1 && rng.one_in(2) {
                select.remove(rng.index(select.len()));
            }
            let head = *rng.pick(&["select", "selectDistinct"]);
            let asked = text(&clauses, &select, head);
            let told = ask(&asked, &facts, &schema);
            // Whatever the order of the clauses, byte for byte.
            for _ in 0..3 {
                let (a, b) = (rng.index(clauses.len()), rng.index(clauses.len()));
                clauses.swap(a, b);
                let again = ask(&text(&clauses, &select, head), &facts, &schema);
                match (&told, &again) {
                    (Ok(told), Ok(again)) => assert_eq!(told, again, "seed {seed}: {asked}"),
                    (Err(_), Err(_)) => {}
                    other => panic!("seed {seed}: {asked}: {other:?}"),
                }
            }
            let Ok(told) = told else {
                refused += 1;
                continue;
            };
            let mut expected: Vec<Vec<String>> = plain
                .bindings(&clauses)
                .iter()
                .map(|bound| {
                    let json = |(kind, text): &Term| match kind {
                        'n' => text.clone(),
                        _ => Json::string(text).write(),
                    };
                    select.iter().map(|name| json(&bound[name])).collect()
                })
                .collect();
            expected.sort();
            if head == "selectDistinct" {
                expected.dedup();
            }
            let Json::Array(rows) = Json::read(&told).unwrap() else {
                panic!("{told}");
            };
            let mut rows: Vec<Vec<String>> = rows
                .iter()
                .map(|row| match row {
                    Json::Array(row) => row.iter().map(Json::write).collect(),
                    other => panic!("{other:?}"),
                })
                .collect();
            rows.sort();
            assert_eq!(rows, expected, "seed {seed}: {asked}");
            answered += 1;
            with_rows += usize::from(!rows.is_empty());
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 1_000 && with_rows > 500 && refused > 5),
        "{answered} {with_rows} {refused}"
    );
}

#[test]
fn clauses_under_a_view_answer_as_root_over_what_is_visible() {
    let (mut answered, mut fewer) = (0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = World::random(&mut rng);
        let facts = world.facts();
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let plain = Plain::of(&world.list, &schema);
        for (index, (auth, _, _)) in world.auths.iter().enumerate() {
            let visible: List = world
                .list
                .iter()
                .filter(|(s, p, o)| world.sees(index, *s, *p, o))
                .cloned()
                .collect();
            let copy: Overlay<Empty> = overlay(Empty, &visible, T(1));
            let reads = policy.permissions(*auth, &Op::query(), &facts).unwrap();
            let budget = Budget::new(u64::MAX, None);
            let view = View::new(reads, Arc::clone(&schema), &facts, 0, &budget);
            for _ in 0..8 {
                let (clauses, names) = random_query(&mut rng, &plain);
                let asked = text(&clauses, &names, "select");
                let told = ask(&asked, &view, &schema);
                let expected = ask(&asked, &copy, &schema);
                match (told, expected) {
                    (Ok(told), Ok(expected)) => {
                        assert_eq!(told, expected, "seed {seed}, auth {index}: {asked}");
                        answered += 1;
                        let all = ask(&asked, &facts, &schema).unwrap();
                        fewer += usize::from(all != told);
                    }
                    (Err(told), Err(expected)) => assert_eq!(told, expected),
                    other => panic!("seed {seed}, auth {index}: {asked}: {other:?}"),
                }
            }
        }
    }
    assert!(
        seeds().count() == 1 || (answered > 500 && fewer > 100),
        "{answered} {fewer}"
    );
}
