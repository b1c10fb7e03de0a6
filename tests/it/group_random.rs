//! Random worlds and random groups of clauses about them: mostly with a meaning, and often with rows.

use solon::model::system::{collection, predicate};
use solon::model::{CollectionId, PredicateId, SubjectId, Value};

use crate::group_model::{
    Expr, Item, Naive, Place, Rule, VARIABLES, Var, Vars, Verb, always, bit, check, each,
    filters_are_bound, layers, mentioned,
};
use crate::oracle::World;
use crate::support::random::Random;

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Doc,
    Team,
    User,
    Number,
    Text,
    Any,
}

/// Predicates, with what stands at both ends.
const SIGNATURES: [(&str, Kind, Kind); 14] = [
    ("doc/title", Kind::Doc, Kind::Text),
    ("doc/owner", Kind::Doc, Kind::User),
    ("doc/team", Kind::Doc, Kind::Team),
    ("doc/size", Kind::Doc, Kind::Number),
    ("doc/count", Kind::Doc, Kind::Number),
    ("doc/label", Kind::Doc, Kind::Text),
    ("doc/next", Kind::Doc, Kind::Doc),
    ("team/name", Kind::Team, Kind::Text),
    ("team/lead", Kind::Team, Kind::User),
    ("team/docs", Kind::Team, Kind::Doc),
    ("_user/username", Kind::User, Kind::Text),
    ("_auth/roles", Kind::Any, Kind::Any),
    ("_id", Kind::Any, Kind::Any),
    ("rdf:type", Kind::Any, Kind::Any),
];

pub(crate) fn names() -> Vec<&'static str> {
    SIGNATURES.iter().map(|(name, _, _)| *name).collect()
}

const REFS: [&str; 6] = [
    "doc/next",
    "doc/next",
    "doc/next",
    "doc/owner",
    "doc/team",
    "team/docs",
];

fn variable(name: &str) -> Var {
    VARIABLES.iter().position(|it| *it == name).unwrap()
}

const COUNT: PredicateId = PredicateId(1021);
const NEXT: PredicateId = PredicateId(1022);
const DOC: u64 = 20;

fn doc(n: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(DOC).unwrap(), n).unwrap()
}

/// A random world that also has whole numbers, and a graph.
pub(crate) fn world(rng: &mut Random) -> World {
    let mut world = World::random(rng);
    let tag = |id: &str| {
        let of = world.list.iter().find(|(_, p, o)| {
            *p == predicate::TAG_ID && matches!(o, Value::String(it) if &**it == id)
        });
        Value::Ref(of.unwrap().0)
    };
    let (int, reference) = (tag("_predicate/type:int"), tag("_predicate/type:ref"));
    for (p, name, of) in [(COUNT, "doc/count", int), (NEXT, "doc/next", reference)] {
        let mut add = |p_of, o| world.list.insert((p.subject(), p_of, o));
        add(predicate::PREDICATE_NAME, Value::string(name));
        add(predicate::PREDICATE_TYPE, of);
    }
    let multi = (
        NEXT.subject(),
        predicate::PREDICATE_MULTI,
        Value::Boolean(true),
    );
    world.list.insert(multi);
    if rng.one_in(2) {
        let index = (
            COUNT.subject(),
            predicate::PREDICATE_INDEX,
            Value::Boolean(true),
        );
        world.list.insert(index);
    }
    for n in 0..8 {
        if rng.below(4) > 0 {
            let count = Value::Int(i64::try_from(rng.below(5)).unwrap());
            world.list.insert((doc(n), COUNT, count));
        }
        for _ in 0..rng.below(3) {
            let to = if rng.one_in(6) { n } else { rng.below(8) };
            world.list.insert((doc(n), NEXT, Value::Ref(doc(to))));
        }
    }
    world
}

/// Facts that a world may also have, and that may be hidden.
pub(crate) fn more_facts(rng: &mut Random) -> (SubjectId, PredicateId, Value) {
    let s = doc(rng.below(8));
    match rng.below(3) {
        0 => (s, NEXT, Value::Ref(doc(rng.below(8)))),
        1 => (s, COUNT, Value::Int(i64::try_from(rng.below(5)).unwrap())),
        _ => {
            let team = SubjectId::new(CollectionId::new(21).unwrap(), rng.below(3)).unwrap();
            // A component of the team.
            (team, PredicateId(1008), Value::Ref(s))
        }
    }
}

/// Whether a predicate has one value only.
pub(crate) fn is_single(p: PredicateId) -> bool {
    p != NEXT && p != PredicateId(1008)
}

/// Whether a fact is no part of who may do what.
pub(crate) fn is_data(s: SubjectId) -> bool {
    s.collection().raw() >= 20 && s.collection() != collection::TAG
}

/// A query: its items and its rules, and what it binds if it has a meaning.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) items: Vec<Item>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) vars: Option<Vars>,
}

pub(crate) struct Maker<'a> {
    pub(crate) rng: &'a mut Random,
    pub(crate) naive: &'a mut Naive,
    /// The names of rules, with how many arguments they take.
    pub(crate) callable: Vec<(&'static str, usize)>,
}

const RULES: [(&str, usize); 4] = [("reach", 2), ("near", 2), ("good", 1), ("odd", 1)];

impl Maker<'_> {
    /// A query; one in some has no meaning.
    pub(crate) fn query(&mut self) -> Asked {
        loop {
            let rules = if self.rng.one_in(3) {
                self.rules()
            } else {
                Vec::new()
            };
            self.callable = RULES
                .iter()
                .filter(|(name, _)| rules.iter().any(|rule| rule.name == *name))
                .copied()
                .collect();
            let mut items = self.group(0);
            if self.rng.one_in(4) {
                self.add_fold(&mut items);
            }
            self.callable.clear();
            let vars = check(&items, 0).ok().filter(|_| rules_are_good(&rules));
            let all = items.iter().fold(0, |all, it| all | mentioned(it));
            if vars == Some(0) || all == 0 {
                continue;
            }
            if vars.is_some() || self.rng.one_in(6) {
                return Asked { items, rules, vars };
            }
        }
    }

    /// A group of up to three groups in each other.
    pub(crate) fn group(&mut self, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let joining = if depth == 0 {
            1 + self.rng.below(3)
        } else {
            self.rng.below(5).clamp(1, 2)
        };
        // One that only asks about what is around it.
        if depth == 0 || !self.rng.one_in(8) {
            for _ in 0..joining {
                let item = self.joining(depth);
                items.push(item);
            }
        }
        if depth < 3 {
            let rare = 3 + 2 * u64::try_from(depth).unwrap();
            if self.rng.one_in(rare) {
                for _ in 0..=self.rng.below(2) {
                    items.push(Item::Optional(self.group(depth + 1)));
                }
            }
            if self.rng.one_in(rare + 1) {
                let arms = 2 + self.rng.below(2);
                items.push(Item::Union(
                    (0..arms).map(|_| self.group(depth + 1)).collect(),
                ));
            }
            if self.rng.one_in(rare) {
                let is_wanted = self.rng.one_in(2);
                items.push(Item::Test(is_wanted, self.group(depth + 1)));
            }
        }
        let known: Vec<Var> = each(items.iter().fold(0, |all, it| all | mentioned(it))).collect();
        if self.rng.one_in(5) {
            let item = self.bind(&known);
            items.push(item);
        }
        while self.rng.one_in(3) {
            let (expr, forgives) = (self.truth(&known, 0), self.rng.one_in(4));
            items.push(Item::Filter(expr, forgives));
        }

        if items.is_empty() {
            let item = self.joining(depth);
            items.push(item);
        }
        self.shuffle(&mut items);
        items
    }

    pub(crate) fn shuffle(&mut self, items: &mut [Item]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.rng.index(at + 1));
        }
    }

    fn joining(&mut self, depth: usize) -> Item {
        if !self.callable.is_empty() && self.rng.one_in(3) {
            let (name, arity) = *self.rng.pick(&self.callable);
            let places = (0..arity).map(|_| self.argument()).collect();
            return Item::Call(name, places);
        }
        if self.rng.one_in(8) {
            let name = *self.rng.pick(&REFS);
            let most = [None, None, Some(1), Some(2), Some(3)][self.rng.index(5)];
            return self.pattern(name, Verb::Path(name, most));
        }
        if self.rng.one_in(12) {
            let (s, o) = *self.rng.pick(&self.naive.any_pairs());
            // An exact number is named by a text only where the predicate says so.
            let o = Some(o).filter(|it| self.naive.terms.kind(*it) != 'x');
            let s = self.place(Kind::Doc, Some(s));
            let o = self.place(Kind::Any, o);
            return Item::Pattern(s, Verb::Var(variable("?p")), o);
        }
        // Names of many subjects are rare: most groups would be about nothing else.
        let many = if depth == 0 && self.rng.one_in(6) {
            14
        } else {
            11
        };
        let (name, subject, _) = SIGNATURES[self.rng.index(many)];
        if self.rng.one_in(12) {
            let (name, var) =
                [("doc/count", "?n"), ("doc/size", "?m"), ("doc/title", "?t")][self.rng.index(3)];
            let var = variable(var);
            let expr = self.comparison(Expr::Var(var), var == variable("?t"));
            return Item::Inline(self.place(Kind::Doc, None), name, var, expr);
        }
        let _ = subject;
        self.pattern(name, Verb::Named(name))
    }

    fn pattern(&mut self, name: &str, verb: Verb) -> Item {
        let (_, s_kind, o_kind) = *SIGNATURES.iter().find(|it| it.0 == name).unwrap();
        let pairs = self.naive.pairs(name);
        let (s, o) = if pairs.is_empty() {
            (None, None)
        } else {
            let (s, o) = *self.rng.pick(&pairs);
            (Some(s), Some(o))
        };
        let s = self.place(s_kind, s);
        let o = self.place(o_kind, o);
        Item::Pattern(s, verb, o)
    }

    fn place(&mut self, kind: Kind, term: Option<u32>) -> Place {
        match (self.rng.below(10), term) {
            (0, _) => Place::Any,
            (1, Some(term)) => Place::Term(term),
            _ => Place::Var(self.variable(kind)),
        }
    }

    fn variable(&mut self, kind: Kind) -> Var {
        let of: &[&str] = match kind {
            _ if self.rng.one_in(12) => &VARIABLES,
            Kind::Doc => &["?a", "?b", "?c"],
            Kind::Team => &["?e"],
            Kind::User => &["?u"],
            Kind::Number => &["?m", "?n"],
            Kind::Text => &["?s", "?t"],
            Kind::Any => &["?a", "?b", "?e", "?u", "?x", "?y"],
        };
        variable(self.rng.pick::<&str>(of))
    }

    fn argument(&mut self) -> Place {
        match self.rng.below(8) {
            0 => Place::Any,
            1 => {
                let pairs = self.naive.pairs("doc/title");
                Place::Term(self.rng.pick(&pairs).0)
            }
            _ => Place::Var(self.variable(Kind::Doc)),
        }
    }

    fn bind(&mut self, known: &[Var]) -> Item {
        let var = if self.rng.one_in(3) {
            self.variable(Kind::Number)
        } else {
            variable(["?v", "?w"][self.rng.index(2)])
        };
        if self.rng.one_in(3) {
            let term = if self.rng.one_in(3) {
                self.naive.terms.of('n', &self.rng.below(4).to_string())
            } else {
                let pairs = self.naive.pairs("doc/title");
                let (s, o) = *self.rng.pick(&pairs);
                if self.rng.one_in(2) { s } else { o }
            };
            return Item::Given(var, term);
        }
        let expr = match self.rng.below(6) {
            0 => Expr::Call("str", vec![self.atom(known), Expr::Text("-".to_owned())]),
            1 => Expr::Call("coalesce", vec![self.atom(known), Expr::Int(0)]),
            2 => Expr::Call(
                "if",
                vec![self.truth(known, 1), self.atom(known), Expr::Int(7)],
            ),
            3 => self.truth(known, 1),
            _ => Expr::Call(
                ["+", "-"][self.rng.index(2)],
                vec![self.atom(known), Expr::Int(1)],
            ),
        };
        Item::Bind(var, expr)
    }

    fn atom(&mut self, known: &[Var]) -> Expr {
        if known.is_empty() || self.rng.one_in(20) {
            return Expr::Var(self.variable(Kind::Number));
        }
        // Numbers say more than ids.
        let numbers: Vec<Var> = known
            .iter()
            .filter(|var| ["?m", "?n", "?v", "?t"].contains(&VARIABLES[**var]))
            .copied()
            .collect();
        if numbers.is_empty() || self.rng.one_in(4) {
            Expr::Var(*self.rng.pick(known))
        } else {
            Expr::Var(*self.rng.pick(&numbers))
        }
    }

    fn comparison(&mut self, of: Expr, is_text: bool) -> Expr {
        if is_text {
            let text = ["d1", "d3", "d", "t1", "l1"][self.rng.index(5)].to_owned();
            let name = ["==", "not=", "strStarts"][self.rng.index(3)];
            return Expr::Call(name, vec![of, Expr::Text(text)]);
        }
        let name = [">", ">=", "<", "<=", "=", "not="][self.rng.index(6)];
        let number = i64::try_from(self.rng.below(4)).unwrap();
        Expr::Call(name, vec![of, Expr::Int(number)])
    }

    fn truth(&mut self, known: &[Var], depth: usize) -> Expr {
        match self.rng.below(12) {
            0 | 1 if depth < 2 => {
                let name = ["and", "or"][self.rng.index(2)];
                Expr::Call(
                    name,
                    vec![self.truth(known, depth + 1), self.truth(known, depth + 1)],
                )
            }
            2 if depth < 2 => Expr::Call("not", vec![self.truth(known, depth + 1)]),
            3 => Expr::Call(["nil?", "bound"][self.rng.index(2)], vec![self.atom(known)]),
            4 | 5 => {
                let name = ["<", "==", "not=", ">="][self.rng.index(4)];
                Expr::Call(name, vec![self.atom(known), self.atom(known)])
            }
            _ => {
                let of = self.atom(known);
                let is_text = match of {
                    Expr::Var(var) => ["?s", "?t"].contains(&VARIABLES[var]),
                    _ => false,
                };
                let is_text = is_text != self.rng.one_in(12);
                self.comparison(of, is_text)
            }
        }
    }

    /// Puts an intermediate aggregate somewhere, of what whole numbers or ids are before it.
    fn add_fold(&mut self, items: &mut Vec<Item>) {
        let at = 1 + self.rng.index(items.len());
        let before = items[..at].iter().fold(0, |all, it| all | mentioned(it));
        let known: Vec<Var> = each(before).collect();
        if let Some(over) = known.get(self.rng.index(known.len().max(1))) {
            let name = ["count", "count-distinct", "max", "min"][self.rng.index(4)];
            items.insert(at, Item::Fold(variable("?z"), name, *over));
            if self.rng.one_in(2) {
                let z = Expr::Var(variable("?z"));
                let expr = Expr::Call(["==", "<="][self.rng.index(2)], vec![Expr::Var(*over), z]);
                items.push(Item::Filter(expr, false));
            }
        }
    }

    /// Some rules, with names that call each other.
    fn rules(&mut self) -> Vec<Rule> {
        let (x, y) = (variable("?x"), variable("?y"));
        let many = 1 + self.rng.index(4);
        let names: Vec<(&'static str, usize)> = RULES.iter().take(many).copied().collect();
        let mut rules = Vec::new();
        for (name, arity) in &names {
            for _ in 0..=self.rng.below(2) {
                self.callable = if self.rng.one_in(4) {
                    Vec::new()
                } else {
                    names.clone()
                };
                let mut body = if self.rng.one_in(2) {
                    self.chain(x, y, name)
                } else {
                    let mut body = self.group(2);
                    // Mostly about what the head is about.
                    if self.rng.below(6) > 0 {
                        body.push(Item::Pattern(
                            Place::Var(x),
                            Verb::Named("doc/next"),
                            Place::Var(y),
                        ));
                    }
                    body
                };
                self.shuffle(&mut body);
                let head = match (arity, self.rng.below(8)) {
                    (1, _) => vec![Place::Var(x)],
                    (_, 0) => vec![Place::Var(x), Place::Var(x)],
                    _ => vec![Place::Var(x), Place::Var(y)],
                };
                rules.push(Rule { name, head, body });
            }
        }
        rules
    }

    /// `x` to `y` by a step, or by a step and a call.
    fn chain(&mut self, x: Var, y: Var, name: &'static str) -> Vec<Item> {
        let a = variable("?a");
        let arity = RULES.iter().find(|it| it.0 == name).unwrap().1;
        let step = |from, to| {
            let verb = Verb::Named("doc/next");
            Item::Pattern(Place::Var(from), verb, Place::Var(to))
        };
        let call = |from, to| {
            let places = [Place::Var(from), Place::Var(to)];
            Item::Call(name, places.into_iter().take(arity).collect())
        };
        match self.rng.below(5) {
            0 => vec![step(x, y)],
            1 => vec![step(x, a), call(a, y), step(a, y)],
            2 if arity == 2 => vec![call(x, a), call(a, y)],
            3 if arity == 2 => vec![call(y, x)],
            _ if arity == 2 => vec![step(x, a), call(a, y)],
            _ => vec![step(x, y), call(y, x)],
        }
    }
}

/// Whether all rules mean something.
pub(crate) fn rules_are_good(rules: &[Rule]) -> bool {
    layers(rules).is_some()
        && rules.iter().all(|rule| {
            let always = always(&rule.body);
            let head = rule.head.iter().all(|place| match place {
                Place::Var(var) => always & bit(*var) != 0,
                _ => true,
            });
            head && filters_are_bound(&rule.body, 0) && check(&rule.body, 0).is_ok()
        })
}
