//! The law of rules, transcribed literally and slowly, against the room `policy` on random worlds.
//!
//! Nothing here is fast or clever on purpose: facts are a plain list, rules are plain structs with closures, and
//! each point of the law is one function that bears its number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use solon::base::Budget;
use solon::model::system::{ROOT_AUTH, ROOT_ROLE, collection, predicate};
use solon::model::{
    Bounds, CollectionId, Decimal, Direction, Empty, Fact, Facts, Flake, Op as FlakeOp, Overlay,
    PredicateId, SubjectId, T, Value,
};
use solon::policy::{Cause, History, Op, Policy, StagedFlake, View, judge_writes};
use solon::query::queries_of;
use solon::schema::{Schema, bootstrap};

use crate::support::random::Random;

const DOC: u64 = 20;
const TEAM: u64 = 21;
const TITLE: PredicateId = PredicateId(1001);
const OWNER: PredicateId = PredicateId(1002);
const DOC_TEAM: PredicateId = PredicateId(1003);
const SIZE: PredicateId = PredicateId(1004);
const LABEL: PredicateId = PredicateId(1005);
const NAME: PredicateId = PredicateId(1006);
const LEAD: PredicateId = PredicateId(1007);
/// A component: a team's documents.
const DOCS: PredicateId = PredicateId(1008);

/// A plain list of what holds.
pub(crate) type List = BTreeSet<(SubjectId, PredicateId, Value)>;

fn subject(c: u64, n: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(c).unwrap(), n).unwrap()
}

/// Three-valued truth: `None` is an error.
type Truth = Option<bool>;

/// What a rule function is asked with.
struct Asked<'a> {
    list: &'a List,
    s: SubjectId,
    o: &'a Value,
    user: Option<SubjectId>,
}

impl Asked<'_> {
    fn one(&self, s: SubjectId, p: PredicateId) -> Option<&Value> {
        self.list
            .iter()
            .find(|(of, q, _)| *of == s && *q == p)
            .map(|(_, _, o)| o)
    }
}

type Meaning = fn(&Asked<'_>) -> Truth;

/// Rule functions, each with its text and what it means.
const FUNCTIONS: &[(&str, Meaning)] = &[
    ("true", |_| Some(true)),
    ("false", |_| Some(false)),
    ("(== (get (?s) \"doc/owner\") (?user_id))", |it| {
        let user = it.user?;
        Some(*it.one(it.s, OWNER)? == Value::Ref(user))
    }),
    ("(not (== (get (?s) \"doc/owner\") (?user_id)))", |it| {
        let user = it.user?;
        Some(*it.one(it.s, OWNER)? != Value::Ref(user))
    }),
    ("(> (get (?s) \"doc/size\") 2)", |it| {
        match it.one(it.s, SIZE)? {
            Value::Decimal(size) => Some(*size > Decimal::from(2)),
            _ => None,
        }
    }),
    ("(nil? (get (?s) \"doc/team\"))", |it| {
        Some(it.one(it.s, DOC_TEAM).is_none())
    }),
    ("(== (?o) 1)", |it| {
        Some([Value::Decimal(Decimal::from(1)), Value::Int(1)].contains(it.o))
    }),
    (
        "(relationship? (?s) [\"doc/team\" \"team/lead\"] (?user_id))",
        |it| {
            let user = it.user?;
            let Some(Value::Ref(team)) = it.one(it.s, DOC_TEAM) else {
                return Some(false);
            };
            Some(it.one(*team, LEAD) == Some(&Value::Ref(user)))
        },
    ),
    ("(boolean (get (?s) \"doc/title\"))", |it| {
        Some(it.one(it.s, TITLE).is_some())
    }),
    ("(get (?s) \"doc/title\")", |_| None),
    (
        "(contains? (get-all (?s) [\"team/_docs\" \"team/lead\"]) (?user_id))",
        |it| {
            let user = it.user?;
            let has = |team: &SubjectId| it.one(*team, LEAD) == Some(&Value::Ref(user));
            let teams = it
                .list
                .iter()
                .filter(|(_, p, o)| *p == DOCS && *o == Value::Ref(it.s));
            Some(teams.map(|(team, _, _)| *team).any(|team| has(&team)))
        },
    ),
];

#[derive(Clone, Debug)]
struct Rule {
    id: SubjectId,
    /// `None` is `*`.
    collection: Option<u64>,
    /// `None` is `*`; empty where it is a default.
    predicates: Option<BTreeSet<PredicateId>>,
    is_default: bool,
    ops: BTreeSet<&'static str>,
    is_deny: bool,
    functions: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) list: List,
    rules: Vec<Rule>,
    /// The rules of each role, by index.
    roles: Vec<Vec<usize>>,
    /// The roles of each auth, by index.
    pub(crate) auths: Vec<(SubjectId, Vec<usize>, bool)>,
    users: Vec<Option<SubjectId>>,
}

const PREDICATES: &[(PredicateId, u64)] = &[
    (TITLE, DOC),
    (OWNER, DOC),
    (DOC_TEAM, DOC),
    (SIZE, DOC),
    (LABEL, DOC),
    (NAME, TEAM),
    (LEAD, TEAM),
    (DOCS, TEAM),
    (predicate::USER_USERNAME, 5),
    (predicate::AUTH_ID, 6),
];

fn system(c: u64) -> bool {
    c < 20
}

impl World {
    #[expect(clippy::too_many_lines, reason = "one world, made in one order")]
    pub(crate) fn random(rng: &mut Random) -> Self {
        let mut list: List = BTreeSet::new();
        for flake in bootstrap().unwrap() {
            list.insert((flake.s, flake.p, flake.o));
        }
        let mut tags = BTreeMap::new();
        for (s, p, o) in &list {
            if let (predicate::TAG_ID, Value::String(id)) = (*p, o) {
                tags.insert(id.to_string(), *s);
            }
        }
        schema_facts(&mut list, &tags);
        let users: Vec<SubjectId> = (0..3).map(|n| subject(5, 1001 + n)).collect();
        for (n, user) in users.iter().enumerate() {
            list.insert((
                *user,
                predicate::USER_USERNAME,
                Value::string(&format!("u{n}")),
            ));
        }
        for n in 0..3 {
            list.insert((
                subject(3, 1001 + n),
                predicate::TAG_ID,
                Value::string(&format!("doc/label:l{n}")),
            ));
        }
        for n in 0..3 {
            let team = subject(TEAM, n);
            list.insert((team, NAME, Value::string(&format!("t{n}"))));
            if rng.below(2) == 0 {
                list.insert((team, LEAD, Value::Ref(users[rng.index(3)])));
            }
            if rng.below(2) == 0 {
                list.insert((team, DOCS, Value::Ref(subject(DOC, rng.below(8)))));
            }
        }
        for n in 0..8 {
            for (p, o) in doc_facts(rng, &users) {
                list.insert((subject(DOC, n), p, o));
            }
            list.insert((subject(DOC, n), TITLE, Value::string(&format!("d{n}"))));
        }
        let rules: Vec<Rule> = (0..10)
            .map(|n| random_rule(rng, subject(8, 1001 + n)))
            .collect();
        for rule in &rules {
            rule_facts(&mut list, rule, &mut tags);
        }
        for (n, (text, _)) in FUNCTIONS.iter().enumerate() {
            let s = function(n);
            if n > 1 {
                list.insert((s, predicate::FN_NAME, Value::string(&format!("f{n}"))));
                list.insert((s, predicate::FN_CODE, Value::string(text)));
            }
        }
        let roles: Vec<Vec<usize>> = (0..4)
            .map(|n| {
                let of: BTreeSet<usize> = (0..=rng.below(4)).map(|_| rng.index(10)).collect();
                list.insert((
                    subject(7, 1001 + n),
                    predicate::ROLE_ID,
                    Value::string(&format!("r{n}")),
                ));
                for rule in &of {
                    let rule = Value::Ref(rules[*rule].id);
                    list.insert((subject(7, 1001 + n), predicate::ROLE_RULES, rule));
                }
                of.into_iter().collect()
            })
            .collect();
        let mut auths = Vec::new();
        let mut with_users = Vec::new();
        for n in 0..4_u64 {
            let auth = subject(6, 1001 + n);
            let of: BTreeSet<usize> = (0..rng.below(4)).map(|_| rng.index(4)).collect();
            list.insert((auth, predicate::AUTH_ID, Value::string(&format!("a{n}"))));
            for role in &of {
                let role = Value::Ref(subject(7, 1001 + u64::try_from(*role).unwrap()));
                list.insert((auth, predicate::AUTH_ROLES, role));
            }
            let user = users.get(usize::try_from(n).unwrap()).copied();
            if let Some(user) = user {
                list.insert((user, predicate::USER_AUTH, Value::Ref(auth)));
            }
            with_users.push(user);
            auths.push((auth, of.into_iter().collect(), false));
        }
        auths.push((ROOT_AUTH, Vec::new(), true));
        with_users.push(None);
        Self {
            list,
            rules,
            roles,
            auths,
            users: with_users,
        }
    }

    /// The same rules and auths over other facts.
    pub(crate) fn with(&self, list: List) -> Self {
        Self {
            list,
            rules: self.rules.clone(),
            roles: self.roles.clone(),
            auths: self.auths.clone(),
            users: self.users.clone(),
        }
    }

    pub(crate) fn facts(&self) -> Overlay<Empty> {
        overlay(Empty, &self.list, T(1))
    }

    /// Law 2: rules of the op.
    fn governs(rule: &Rule, op: &str) -> bool {
        let all = ["query", "transact", "token", "logs"];
        rule.ops.contains(op) || (rule.ops.contains("all") && all.contains(&op))
    }

    /// Laws 3 and 4: whether the target reaches.
    fn reaches(rule: &Rule, s: SubjectId, p: PredicateId) -> bool {
        let c = u64::try_from(s.collection().raw()).unwrap();
        let collection = match rule.collection {
            Some(named) => named == c,
            None => rule.is_deny || !system(c),
        };
        let predicates =
            rule.is_default || rule.predicates.as_ref().is_none_or(|it| it.contains(&p));
        collection && predicates
    }

    /// Law 5: functions of one rule are ANDed in three-valued logic.
    fn says(rule: &Rule, asked: &Asked<'_>) -> Truth {
        let said: Vec<Truth> = rule
            .functions
            .iter()
            .map(|f| (FUNCTIONS[*f].1)(asked))
            .collect();
        if said.contains(&Some(false)) {
            Some(false)
        } else if said.contains(&None) {
            None
        } else {
            Some(true)
        }
    }

    /// Laws 3 and 7, for one flake on one state.
    fn passes(
        &self,
        auth: usize,
        op: &str,
        list: &List,
        s: SubjectId,
        p: PredicateId,
        o: &Value,
    ) -> bool {
        let (_, roles, is_root) = &self.auths[auth];
        if *is_root {
            return true;
        }
        let asked = Asked {
            list,
            s,
            o,
            user: self.users[auth],
        };
        let mut allowed = false;
        for role in roles {
            let rules = self.roles[*role].iter().map(|rule| &self.rules[*rule]);
            let mut rules: Vec<&Rule> = rules
                .filter(|rule| Self::governs(rule, op) && Self::reaches(rule, s, p))
                .collect();
            if rules
                .iter()
                .any(|rule| rule.is_deny && Self::says(rule, &asked) != Some(false))
            {
                return false;
            }
            rules.retain(|rule| !rule.is_deny);
            if rules.iter().any(|rule| !rule.is_default) {
                rules.retain(|rule| !rule.is_default);
            }
            allowed |= rules
                .iter()
                .any(|rule| Self::says(rule, &asked) == Some(true));
        }
        allowed
    }

    /// Law 8, for one fact.
    pub(crate) fn sees(&self, auth: usize, s: SubjectId, p: PredicateId, o: &Value) -> bool {
        if self.auths[auth].2 {
            return true;
        }
        if !self.shows(auth, s, p, o) {
            return false;
        }
        match o {
            Value::Ref(to) if to.collection() != collection::TAG => self
                .list
                .iter()
                .any(|(of, q, o)| of == to && self.shows(auth, *of, *q, o)),
            _ => true,
        }
    }

    /// Whether a fact passes, its refs aside.
    fn shows(&self, auth: usize, s: SubjectId, p: PredicateId, o: &Value) -> bool {
        match s.collection().raw() {
            0 | 1 => true,
            3 => {
                let id = self
                    .list
                    .iter()
                    .find(|(of, q, _)| *of == s && *q == predicate::TAG_ID);
                let Some((_, _, Value::String(id))) = id else {
                    return false;
                };
                let restricted = ["_predicate/type", "_rule/effect", "_token/kind"];
                restricted.contains(&id.split_once(':').unwrap().0)
                    || self.list.iter().any(|(of, q, o)| {
                        *o == Value::Ref(s)
                            && of.collection() != collection::TAG
                            && self.shows(auth, *of, *q, o)
                    })
            }
            _ => self.passes(auth, "query", &self.list, s, p, o),
        }
    }
}

pub(crate) fn overlay<F: Facts>(base: F, list: &List, t: T) -> Overlay<F> {
    let flakes: Vec<Flake> = list
        .iter()
        .map(|(s, p, o)| Flake {
            s: *s,
            p: *p,
            o: o.clone(),
            op: FlakeOp::Assert,
        })
        .collect();
    let mut facts = Overlay::new(base);
    facts.apply(t, &flakes);
    facts
}

fn schema_facts(list: &mut List, tags: &BTreeMap<String, SubjectId>) {
    for (n, name) in [(DOC, "doc"), (TEAM, "team")] {
        list.insert((
            subject(1, n),
            predicate::COLLECTION_NAME,
            Value::string(name),
        ));
    }
    for (p, name, kind) in [
        (TITLE, "doc/title", "string"),
        (OWNER, "doc/owner", "ref"),
        (DOC_TEAM, "doc/team", "ref"),
        (SIZE, "doc/size", "bigdec"),
        (LABEL, "doc/label", "tag"),
        (NAME, "team/name", "string"),
        (LEAD, "team/lead", "ref"),
        (DOCS, "team/docs", "ref"),
    ] {
        list.insert((p.subject(), predicate::PREDICATE_NAME, Value::string(name)));
        let tag = tags[&format!("_predicate/type:{kind}")];
        list.insert((p.subject(), predicate::PREDICATE_TYPE, Value::Ref(tag)));
    }
    for flag in [predicate::PREDICATE_MULTI, predicate::PREDICATE_COMPONENT] {
        list.insert((DOCS.subject(), flag, Value::Boolean(true)));
    }
}

fn doc_facts(rng: &mut Random, users: &[SubjectId]) -> Vec<(PredicateId, Value)> {
    let mut facts = Vec::new();
    if rng.below(3) > 0 {
        facts.push((OWNER, Value::Ref(users[rng.index(3)])));
    }
    if rng.below(2) > 0 {
        facts.push((DOC_TEAM, Value::Ref(subject(TEAM, rng.below(3)))));
    }
    if rng.below(3) > 0 {
        let size = Decimal::parse(["0", "1", "2", "2.5", "1e30"][rng.index(5)]).unwrap();
        facts.push((SIZE, Value::Decimal(size)));
    }
    if rng.below(2) > 0 {
        facts.push((LABEL, Value::Ref(subject(3, 1001 + rng.below(3)))));
    }
    facts
}

fn function(n: usize) -> SubjectId {
    let n = u64::try_from(n).unwrap();
    if n < 2 {
        subject(4, n)
    } else {
        subject(4, 1000 + n)
    }
}

fn random_rule(rng: &mut Random, id: SubjectId) -> Rule {
    let collection = [
        None,
        Some(DOC),
        Some(DOC),
        Some(DOC),
        Some(TEAM),
        Some(5),
        Some(6),
    ][rng.index(7)];
    let is_default = rng.below(3) == 0;
    let predicates = if is_default {
        Some(BTreeSet::new())
    } else if rng.below(3) == 0 {
        None
    } else {
        let of: Vec<PredicateId> = PREDICATES
            .iter()
            .filter(|(_, c)| collection.is_none_or(|it| it == *c))
            .map(|(p, _)| *p)
            .collect();
        Some(
            (0..=rng.below(2))
                .map(|_| of[rng.index(of.len())])
                .collect(),
        )
    };
    let ops = [
        ["query", "transact"],
        ["all", "all"],
        ["query", "query"],
        ["transact", "export"],
        ["export", "export"],
    ];
    Rule {
        id,
        collection,
        predicates,
        is_default,
        ops: ops[rng.index(5)].into_iter().collect(),
        is_deny: rng.below(6) == 0,
        functions: (0..=rng.below(2))
            .map(|_| {
                // Being taken in decides seldom enough.
                if rng.below(4) == 0 {
                    FUNCTIONS.len() - 1
                } else {
                    rng.index(FUNCTIONS.len())
                }
            })
            .collect(),
    }
}

fn rule_facts(list: &mut List, rule: &Rule, tags: &mut BTreeMap<String, SubjectId>) {
    let mut add = |p, o| {
        list.insert((rule.id, p, o));
    };
    add(predicate::RULE_ID, Value::string(&rule.id.to_string()));
    let names = BTreeMap::from([(DOC, "doc"), (TEAM, "team"), (5, "_user"), (6, "_auth")]);
    let of = rule.collection.map_or("*", |c| names[&c]);
    add(predicate::RULE_COLLECTION, Value::string(of));
    let named = BTreeMap::from([
        (TITLE, "doc/title"),
        (OWNER, "doc/owner"),
        (DOC_TEAM, "doc/team"),
        (SIZE, "doc/size"),
        (LABEL, "doc/label"),
        (NAME, "team/name"),
        (LEAD, "team/lead"),
        (DOCS, "team/docs"),
        (predicate::USER_USERNAME, "_user/username"),
        (predicate::AUTH_ID, "_auth/id"),
    ]);
    match &rule.predicates {
        None => add(predicate::RULE_PREDICATES, Value::string("*")),
        Some(of) => of
            .iter()
            .for_each(|p| add(predicate::RULE_PREDICATES, Value::string(named[p]))),
    }
    if rule.is_default {
        add(predicate::RULE_COLLECTION_DEFAULT, Value::Boolean(true));
    }
    for f in &rule.functions {
        add(predicate::RULE_FNS, Value::Ref(function(*f)));
    }
    let effect = if rule.is_deny {
        "_rule/effect:deny"
    } else {
        "_rule/effect:allow"
    };
    if rule.is_deny {
        add(predicate::RULE_EFFECT, Value::Ref(tags[effect]));
    }
    let mut made = Vec::new();
    for op in &rule.ops {
        let id = format!("_rule/ops:{op}");
        let next = subject(3, 1100 + u64::try_from(tags.len()).unwrap());
        let tag = *tags.entry(id.clone()).or_insert_with(|| {
            made.push((next, id));
            next
        });
        add(predicate::RULE_OPS, Value::Ref(tag));
    }
    for (s, id) in made {
        list.insert((s, predicate::TAG_ID, Value::string(&id)));
    }
}

/// Every way in which a view can be read, as one list of lines.
fn read(facts: &dyn Facts, subjects: &BTreeSet<SubjectId>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = |how: &str, fact: Fact<'_>| {
        lines.push(format!("{how} {:?} {:?} {:?}", fact.s, fact.p, fact.o));
        ControlFlow::Continue(())
    };
    for c in [0, 1, 3, 5, 6, 7, 8, DOC, TEAM] {
        let c = CollectionId::new(c).unwrap();
        for direction in [Direction::Ascending, Direction::Descending] {
            facts
                .collection(c, direction, None, &mut |fact| told("collection", fact))
                .unwrap();
        }
    }
    for s in subjects {
        facts
            .subject(*s, &mut |fact| told("subject", fact))
            .unwrap();
        facts
            .values(*s, OWNER, &mut |fact| told("values", fact))
            .unwrap();
    }
    let mut some: Vec<_> = PREDICATES.iter().map(|(p, _)| *p).step_by(2).collect();
    some.sort();
    for s in subjects {
        facts
            .among(*s, &some, &mut |fact| told("among", fact))
            .unwrap();
    }
    for c in [0, 3, 5, DOC, TEAM] {
        let c = CollectionId::new(c).unwrap();
        facts
            .collection_among(c, Direction::Descending, None, &some, &mut |fact| {
                told("collection among", fact)
            })
            .unwrap();
    }
    for s in subjects {
        let exists = facts.exists(*s).unwrap();
        lines.push(format!("exists {s} {exists}"));
    }
    for c in [0, 1, 3, 5, 6, 7, 8, DOC, TEAM] {
        let c = CollectionId::new(c).unwrap();
        facts
            .members(c, Direction::Descending, &mut |s| {
                lines.push(format!("member {s}"));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let mut told = |how: &str, fact: Fact<'_>| {
        lines.push(format!("{how} {:?} {:?} {:?}", fact.s, fact.p, fact.o));
        ControlFlow::Continue(())
    };
    let every = Bounds {
        from: Bound::Unbounded,
        to: Bound::Unbounded,
    };
    for (p, _) in PREDICATES {
        facts
            .range(*p, &every, &mut |fact| told("range", fact))
            .unwrap();
    }
    for s in subjects {
        facts
            .referrers(*s, &mut |p, from| {
                lines.push(format!("referrers {s} {p:?} {from}"));
                ControlFlow::Continue(())
            })
            .unwrap();
        for from in facts
            .subject_list(OWNER, solon::model::ValueRef::Ref(*s))
            .unwrap()
        {
            lines.push(format!("subjects {s} {from}"));
        }
    }
    lines
}

/// The failing seed is in the message; `SOLON_SEED=n cargo test oracle` repeats it alone.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SOLON_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => seed..seed + 1,
        None => 0..60,
    }
}

#[test]
fn oracle_a_view_shows_exactly_what_the_law_shows() {
    for seed in seeds() {
        let world = World::random(&mut Random::new(seed));
        let facts = world.facts();
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let subjects: BTreeSet<SubjectId> = world.list.iter().map(|(s, _, _)| *s).collect();
        for (index, (auth, _, _)) in world.auths.iter().enumerate() {
            let permissions = policy.permissions(*auth, &Op::query(), &facts).unwrap();
            let budget = Budget::new(u64::MAX, None);
            let view = View::new(permissions, Arc::clone(&schema), &facts, 0, &budget);
            let visible: List = world
                .list
                .iter()
                .filter(|(s, p, o)| world.sees(index, *s, *p, o))
                .cloned()
                .collect();
            // The strongest form: the view reads as a database that holds only what is visible.
            let copy = overlay(Empty, &visible, T(1));
            let (told, expected) = (read(&view, &subjects), read(&copy, &subjects));
            let differing = told
                .iter()
                .zip(&expected)
                .find(|(told, expected)| told != expected);
            assert!(
                told.len() == expected.len() && differing.is_none(),
                "seed {seed}, auth {index}: {} lines of {}, first {differing:?}",
                told.len(),
                expected.len(),
            );
        }
    }
}

#[test]
fn oracle_what_is_hidden_changes_no_reading() {
    let everything = |world: &World, index: usize, facts: &Overlay<Empty>| {
        let schema = Arc::new(Schema::load(facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let permissions = policy
            .permissions(world.auths[index].0, &Op::query(), facts)
            .unwrap();
        let budget = Budget::new(u64::MAX, None);
        let view = View::new(permissions, schema, facts, 0, &budget);
        let subjects = world.list.iter().map(|(s, _, _)| *s).collect();
        let lines = read(&view, &subjects);
        (lines, budget.spent())
    };
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = World::random(&mut rng);
        for index in 0..4 {
            // Take out a title that nobody's rules can be read from, and that this auth does not see.
            let hidden = world.list.iter().find(|(s, p, o)| {
                *p == NAME
                    && !world.sees(index, *s, *p, o)
                    && !world
                        .list
                        .iter()
                        .any(|(of, q, o)| of == s && world.sees(index, *of, *q, o))
            });
            let Some(hidden) = hidden.cloned() else {
                continue;
            };
            let mut less = world.list.clone();
            less.remove(&hidden);
            let before = everything(&world, index, &world.facts());
            let after = everything(&world, index, &overlay(Empty, &less, T(1)));
            assert_eq!(
                before, after,
                "seed {seed}, auth {index}, hidden {hidden:?}"
            );
        }
    }
}

/// Law 9 for one flake of a transaction: on which states it is judged.
fn may_write(world: &World, auth: usize, flakes: &[Flake], index: usize) -> bool {
    let flake = &flakes[index];
    let before = &world.list;
    let judge = |list: &List| world.passes(auth, "transact", list, flake.s, flake.p, &flake.o);
    if exists(before, flake.s) {
        let after = apply(before, flakes.iter());
        return judge(before) && (flake.op == FlakeOp::Retract || judge(&after));
    }
    let laid = laid_for(world, auth, flakes, flake.s, &BTreeSet::new());
    judge(&apply(before, laid.into_iter()))
}

/// Whether a flake of a new subject may be written for the sake of what takes the subject in.
fn is_taken_in(world: &World, auth: usize, flakes: &[Flake], index: usize) -> bool {
    let flake = &flakes[index];
    if exists(&world.list, flake.s) || !may_write(world, auth, flakes, index) {
        return false;
    }
    let alone: Vec<Flake> = flakes.iter().filter(|it| it.p != DOCS).cloned().collect();
    alone
        .iter()
        .position(|it| it == flake)
        .is_some_and(|index| !may_write(world, auth, &alone, index))
}

fn exists(list: &List, s: SubjectId) -> bool {
    list.iter().any(|(of, _, _)| *of == s)
}

fn apply<'f>(list: &List, flakes: impl Iterator<Item = &'f Flake>) -> List {
    let mut list = list.clone();
    for flake in flakes {
        let fact = (flake.s, flake.p, flake.o.clone());
        match flake.op {
            FlakeOp::Assert => drop(list.insert(fact)),
            FlakeOp::Retract => drop(list.remove(&fact)),
        }
    }
    list
}

/// Law 9: what is laid over the state before for a new subject, some new subjects left out.
fn laid_for<'f>(
    world: &World,
    auth: usize,
    flakes: &'f [Flake],
    s: SubjectId,
    without: &BTreeSet<SubjectId>,
) -> BTreeSet<&'f Flake> {
    let before = &world.list;
    // The new subjects reached from it by forward steps.
    let mut reached = BTreeSet::from([s]);
    loop {
        let more: Vec<SubjectId> = flakes
            .iter()
            .filter(|flake| reached.contains(&flake.s))
            .filter_map(|flake| {
                if let Value::Ref(to) = flake.o {
                    Some(to)
                } else {
                    None
                }
            })
            .filter(|to| !exists(before, *to) && !reached.contains(to) && !without.contains(to))
            .collect();
        if more.is_empty() {
            break;
        }
        reached.extend(more);
    }
    let mut laid: BTreeSet<&Flake> = flakes.iter().filter(|it| reached.contains(&it.s)).collect();
    // The component refs by which it is taken in, once those are allowed without it.
    let mut outside = without.clone();
    outside.insert(s);
    for taking in flakes
        .iter()
        .filter(|it| it.p == DOCS && it.o == Value::Ref(s))
    {
        if taking.op == FlakeOp::Retract || outside.contains(&taking.s) {
            continue;
        }
        let of_parent = if exists(before, taking.s) {
            BTreeSet::new()
        } else {
            laid_for(world, auth, flakes, taking.s, &outside)
        };
        let state = apply(before, of_parent.iter().copied());
        if world.passes(auth, "transact", &state, taking.s, taking.p, &taking.o) {
            laid.insert(taking);
            laid.extend(of_parent);
        }
    }
    laid
}

#[test]
fn oracle_a_write_is_judged_on_the_states_the_law_names() {
    let (mut allowed, mut refused, mut taken_in) = (0, 0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = World::random(&mut rng);
        let facts = world.facts();
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let users: Vec<SubjectId> = (0..3).map(|n| subject(5, 1001 + n)).collect();
        for _ in 0..10 {
            let flakes = random_flakes(&mut rng, &world, &users);
            let mut after = Overlay::new(&facts);
            let mut sorted = flakes.clone();
            sorted.sort();
            after.apply(T(2), &sorted);
            let staged: Vec<StagedFlake> = flakes
                .iter()
                .map(|flake| StagedFlake {
                    flake: flake.clone(),
                    cause: Cause::Sent,
                })
                .collect();
            for (index, (auth, _, is_root)) in world.auths.iter().enumerate() {
                let writes = policy.permissions(*auth, &Op::transact(), &facts).unwrap();
                let reads = policy.permissions(*auth, &Op::query(), &facts).unwrap();
                let budget = Budget::new(u64::MAX, None);
                let sight = View::new(reads, Arc::clone(&schema), &facts, 0, &budget);
                let judged = judge_writes(
                    &writes, &schema, &facts, &after, &staged, &sight, 0, &budget,
                );
                let refused_at = match judged {
                    Ok(()) => None,
                    Err(solon::policy::Error::Write(refusal)) => Some(refusal.index),
                    Err(other) => panic!("seed {seed}: {other}"),
                };
                let expected = (0..flakes.len())
                    .find(|it| !is_root && !may_write(&world, index, &flakes, *it));
                assert_eq!(
                    refused_at, expected,
                    "seed {seed}, auth {index}, flakes {flakes:?}"
                );
                taken_in += (0..flakes.len())
                    .filter(|it| !is_root && is_taken_in(&world, index, &flakes, *it))
                    .count();
                if refused_at.is_some() {
                    refused += 1;
                } else {
                    allowed += 1;
                }
            }
        }
    }
    assert!(
        seeds().count() == 1 || (allowed > 100 && refused > 100 && taken_in > 5),
        "{allowed} {refused} {taken_in}"
    );
}

/// Some flakes as a transaction would stage them: on documents that exist, and on new ones.
pub(crate) fn random_flakes(rng: &mut Random, world: &World, users: &[SubjectId]) -> Vec<Flake> {
    let mut flakes: Vec<Flake> = Vec::new();
    let add = |flakes: &mut Vec<Flake>, s, p, o: Value, op| {
        let known = world.list.contains(&(s, p, o.clone()));
        let repeated = flakes.iter().any(|it: &Flake| {
            (it.s, it.p, &it.o) == (s, p, &o) || (p != DOCS && (it.s, it.p, it.op) == (s, p, op))
        });
        if known == (op == FlakeOp::Retract) && !repeated {
            flakes.push(Flake { s, p, o, op });
        }
    };
    for _ in 0..=rng.below(3) {
        let n = rng.below(14).min(8 + rng.below(3));
        let s = subject(DOC, n);
        for (p, o) in doc_facts(rng, users) {
            if rng.below(2) == 0 {
                for (_, _, old) in world
                    .list
                    .iter()
                    .filter(|(of, q, old)| *of == s && *q == p && *old != o)
                {
                    add(&mut flakes, s, p, old.clone(), FlakeOp::Retract);
                }
                add(&mut flakes, s, p, o, FlakeOp::Assert);
            }
        }
        if n > 7 || rng.below(3) == 0 {
            let team = subject(TEAM, rng.below(5));
            add(&mut flakes, team, DOCS, Value::Ref(s), FlakeOp::Assert);
        }
        if rng.below(4) == 0 {
            let team = subject(TEAM, 3 + rng.below(2));
            let has_team = |s: SubjectId| {
                world
                    .list
                    .iter()
                    .any(|(of, q, _)| *of == s && *q == DOC_TEAM)
            };
            if has_team(s) || flakes.iter().any(|it| it.s == s && it.p == DOC_TEAM) {
                continue;
            }
            let mut add = |s, p, o: Value| {
                flakes.push(Flake {
                    s,
                    p,
                    o,
                    op: FlakeOp::Assert,
                });
            };
            add(s, DOC_TEAM, Value::Ref(team));
            add(team, LEAD, Value::Ref(users[rng.index(3)]));
        }
    }
    flakes
}

#[test]
fn the_root_role_is_known_by_its_id() {
    let world = World::random(&mut Random::new(1));
    assert!(
        world
            .list
            .contains(&(ROOT_AUTH, predicate::AUTH_ROLES, Value::Ref(ROOT_ROLE)))
    );
}

/// The time between a past list and the one of now, in one step: what went, went from the past.
struct OneStep<'a> {
    then: &'a Overlay<Empty>,
    now: &'a Overlay<Empty>,
}

impl History for OneStep<'_> {
    fn now(&self) -> &dyn Facts {
        self.now
    }

    fn before_it_went(
        &self,
        _: SubjectId,
    ) -> Result<Option<Box<dyn Facts + '_>>, solon::model::Error> {
        Ok(Some(Box::new(self.then)))
    }
}

/// Law 12, for one fact of the past: on the facts of then, and on those of now or just before the subject went.
fn passed(world: &World, auth: usize, now: &List, fact: &(SubjectId, PredicateId, Value)) -> bool {
    let (s, p, o) = fact;
    let is_there = now.iter().any(|(of, _, _)| of == s);
    let since = if is_there { now } else { &world.list };
    world.passes(auth, "query", &world.list, *s, *p, o)
        && world.passes(auth, "query", since, *s, *p, o)
}

#[test]
fn oracle_a_view_of_the_past_shows_what_the_rules_allow_then_and_now() {
    let (mut shown, mut hidden) = (0, 0);
    for seed in seeds() {
        let mut rng = Random::new(seed);
        let world = World::random(&mut rng);
        let users: Vec<SubjectId> = (0..3).map(|n| subject(5, 1001 + n)).collect();
        let of_data = |s: SubjectId| s.collection().raw() >= 20;
        // Now: some documents are gone, and others have other facts.
        let mut now = world.list.clone();
        for n in 0..8 {
            let s = subject(DOC, n);
            if rng.below(3) == 0 {
                now.retain(|(of, _, _)| *of != s);
            } else if rng.below(2) == 0 {
                now.retain(|(of, p, _)| *of != s || *p == TITLE);
                now.extend(
                    doc_facts(&mut rng, &users)
                        .into_iter()
                        .map(|(p, o)| (s, p, o)),
                );
            }
        }
        let (then, since) = (world.facts(), overlay(Empty, &now, T(2)));
        let schema = Arc::new(Schema::load(&since).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        let history = OneStep {
            then: &then,
            now: &since,
        };
        for (index, (auth, _, is_root)) in world.auths.iter().enumerate() {
            let permissions = policy.permissions(*auth, &Op::query(), &since).unwrap();
            let budget = Budget::new(u64::MAX, None);
            let view = View::new(permissions, Arc::clone(&schema), &then, 0, &budget);
            let view = view.with_history(&history);
            for fact in world.list.iter().filter(|(s, _, _)| of_data(*s)) {
                let target_is_shown = match &fact.2 {
                    Value::Ref(to) if to.collection() != collection::TAG => world
                        .list
                        .iter()
                        .any(|fact| fact.0 == *to && passed(&world, index, &now, fact)),
                    _ => true,
                };
                let expected = *is_root || (passed(&world, index, &now, fact) && target_is_shown);
                let (s, p, o) = fact;
                let fact = Fact {
                    s: *s,
                    p: *p,
                    o: o.borrow(),
                    t: T(1),
                };
                assert_eq!(
                    view.sees(fact).unwrap(),
                    expected,
                    "seed {seed}, auth {index}, {fact:?}"
                );
                if expected {
                    shown += 1;
                } else {
                    hidden += 1;
                }
            }
        }
    }
    assert!(shown > 100 && hidden > 100, "{shown} {hidden}");
}

/// Facts that count how often they are read.
struct Watched<'a> {
    facts: &'a Overlay<Empty>,
    reads: std::cell::Cell<u64>,
}

impl Watched<'_> {
    fn read(&self) -> &Overlay<Empty> {
        self.reads.set(self.reads.get() + 1);
        self.facts
    }
}

type Told = Result<(), solon::model::Error>;

impl Facts for Watched<'_> {
    fn basis(&self) -> T {
        self.facts.basis()
    }
    fn subject(&self, s: SubjectId, visit: &mut solon::model::Visit<'_>) -> Told {
        self.read().subject(s, visit)
    }
    fn subjects(
        &self,
        p: PredicateId,
        o: solon::model::ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Told {
        self.read().subjects(p, o, visit)
    }
    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Told {
        self.read().referrers(o, visit)
    }
    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut solon::model::Visit<'_>) -> Told {
        self.read().range(p, bounds, visit)
    }
    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut solon::model::Visit<'_>,
    ) -> Told {
        self.read().collection(c, direction, after, visit)
    }
    fn next_number(&self, c: CollectionId) -> Result<u64, solon::model::Error> {
        self.facts.next_number(c)
    }
}

#[test]
fn what_no_rule_could_show_is_not_read() {
    let (mut unread, mut read) = (0, 0);
    for seed in seeds() {
        let world = World::random(&mut Random::new(seed));
        let facts = world.facts();
        let schema = Arc::new(Schema::load(&facts).unwrap());
        let policy = Policy::new(Arc::clone(&schema), queries_of);
        for (auth, _, _) in &world.auths {
            let permissions = policy.permissions(*auth, &Op::query(), &facts).unwrap();
            let budget = Budget::new(u64::MAX, None);
            for (p, c) in PREDICATES {
                let watched = Watched {
                    facts: &facts,
                    reads: std::cell::Cell::new(0),
                };
                let view = View::new(
                    Arc::clone(&permissions),
                    Arc::clone(&schema),
                    &watched,
                    0,
                    &budget,
                );
                let direction = Direction::Ascending;
                let mut found = 0;
                view.collection_among(
                    CollectionId::new(*c).unwrap(),
                    direction,
                    None,
                    &[*p],
                    &mut |_| {
                        found += 1;
                        ControlFlow::Continue(())
                    },
                )
                .unwrap();
                if permissions.could_write(*p) {
                    assert!(watched.reads.get() > 0);
                    read += 1;
                } else {
                    assert_eq!((watched.reads.get(), found), (0, 0), "seed {seed}: {p:?}");
                    unread += 1;
                }
            }
        }
    }
    assert!(
        seeds().count() == 1 || (unread > 50 && read > 50),
        "{unread} {read}"
    );
}
