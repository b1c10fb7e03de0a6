//! What the language's own tests share: a few facts in memory, names for them, and one way to judge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use crate::base::Budget;
use crate::lang::chance::Seed;
use crate::lang::context::{Context, Previous};
use crate::lang::error::Stop;
use crate::lang::function::{Function, Truth};
use crate::lang::question::NoQueries;
use crate::lang::value::Val;
use crate::model::system::predicate::{AUTH_PASSWORD, TAG_ID};
use crate::model::*;

pub(super) fn person(number: u64) -> SubjectId {
    SubjectId::new(CollectionId::new(20).unwrap(), number).unwrap()
}

/// Facts in memory, in the order `Facts` promises.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(pub(super) std::collections::BTreeSet<(SubjectId, PredicateId, Value)>);

impl Facts for Memory {
    fn basis(&self) -> T {
        T(1)
    }
    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error> {
        for (_, p, o) in self.0.iter().filter(|fact| fact.0 == s) {
            let fact = Fact {
                s,
                p: *p,
                o: o.borrow(),
                t: T(1),
            };
            if visit(fact).is_break() {
                break;
            }
        }
        Ok(())
    }
    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        for (s, ..) in self
            .0
            .iter()
            .filter(|fact| fact.1 == p && fact.2.borrow() == o)
        {
            if visit(*s).is_break() {
                break;
            }
        }
        Ok(())
    }
    fn referrers(
        &self,
        _: SubjectId,
        _: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn range(&self, p: PredicateId, _: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error> {
        let of = self.0.iter().filter(|fact| fact.1 == p);
        let mut of: Vec<_> = of.map(|(s, _, o)| (o, *s)).collect();
        of.sort();
        for (o, s) in of {
            let fact = Fact {
                s,
                p,
                o: o.borrow(),
                t: T(1),
            };
            if visit(fact).is_break() {
                break;
            }
        }
        Ok(())
    }
    fn collection(
        &self,
        _: CollectionId,
        _: Direction,
        _: Option<SubjectId>,
        _: &mut Visit<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn next_number(&self, _: CollectionId) -> Result<u64, Error> {
        Ok(0)
    }
}

/// Names in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) predicates: BTreeMap<String, PredicateName>,
    pub(super) functions: BTreeMap<String, StoredFunction>,
}

impl Names for Book {
    fn predicate(&self, name: &str) -> Option<PredicateName> {
        self.predicates.get(name).copied()
    }
    fn predicate_name(&self, id: PredicateId) -> Option<&str> {
        let found = self.predicates.iter().find(|(_, it)| it.id == id);
        found.map(|(name, _)| name.as_str())
    }
    fn function(&self, name: &str) -> Option<StoredFunction> {
        self.functions.get(name).cloned()
    }
}

impl Book {
    pub(super) fn function_is(&mut self, name: &str, params: &[&str], code: &str) -> SubjectId {
        let number = u64::try_from(self.functions.len()).unwrap() + 1_001;
        let subject = SubjectId::new(system::collection::FUNCTION, number).unwrap();
        let params = params.iter().map(|it| (*it).to_owned()).collect();
        let code = Arc::from(code);
        self.functions.insert(
            name.to_owned(),
            StoredFunction {
                subject,
                params,
                code,
            },
        );
        subject
    }
}

/// The predicates of the tests: `person/…`, from 1001 on in this order.
pub(super) const PREDICATES: &[(&str, ValueType, bool, bool)] = &[
    ("person/handle", ValueType::String, false, true),
    ("person/age", ValueType::Int, false, false),
    ("person/height", ValueType::Double, false, false),
    ("person/friend", ValueType::Ref, true, false),
    ("person/boss", ValueType::Ref, false, false),
    ("person/user", ValueType::Ref, false, true),
    ("person/nick", ValueType::String, true, false),
    ("person/state", ValueType::Tag, false, false),
    ("person/labels", ValueType::Tag, true, false),
    ("person/active", ValueType::Boolean, false, false),
    ("person/born", ValueType::Instant, false, true),
    ("person/key", ValueType::Uuid, false, true),
    ("person/photo", ValueType::Bytes, false, true),
    ("person/data", ValueType::Json, false, false),
    ("person/web", ValueType::Uri, false, true),
    ("person/score", ValueType::Double, false, true),
    ("person/flag", ValueType::Boolean, false, true),
    ("person/number", ValueType::Long, false, true),
    ("person/mark", ValueType::Tag, false, true),
    ("person/balance", ValueType::Bigdec, false, true),
    ("person/serial", ValueType::Bigint, false, true),
    ("person/place", ValueType::Geojson, false, true),
];

pub(super) fn predicate(name: &str) -> PredicateId {
    let place = PREDICATES.iter().position(|it| it.0 == name).unwrap();
    PredicateId(u32::try_from(place).unwrap() + 1_001)
}

pub(super) fn book() -> Book {
    let mut book = Book::default();
    for (name, value_type, is_multi, is_unique) in PREDICATES {
        let it = PredicateName {
            id: predicate(name),
            value_type: *value_type,
            is_multi: *is_multi,
            is_unique: *is_unique,
            is_sealed: false,
        };
        book.predicates.insert((*name).to_owned(), it);
    }
    let sealed = PredicateName {
        id: AUTH_PASSWORD,
        value_type: ValueType::String,
        is_multi: false,
        is_unique: false,
        is_sealed: true,
    };
    book.predicates.insert("_auth/password".to_owned(), sealed);
    book.function_is("same", &["a", "b"], "(== a b)");
    book.function_is("yes", &[], "true");
    book.function_is("mine", &[], "(== (get (?s) \"person/user\") (?user_id))");
    book.function_is("of", &["who"], "(get who \"person/age\")");
    book
}

pub(super) const AUTH: SubjectId = SubjectId::constant(6, 1_001);
pub(super) const USER: SubjectId = SubjectId::constant(5, 1_001);

pub(super) fn tag(number: u64) -> SubjectId {
    SubjectId::new(system::collection::TAG, number).unwrap()
}

/// Person 0: ada, with everything; her friends 1 and 2, boss 1; 1's boss 2; 2's boss 0: a circle. 3 has one friend.
pub(super) fn facts() -> Memory {
    let mut memory = Memory::default();
    let mut add = |s: SubjectId, p: &str, o: Value| {
        memory.0.insert((s, predicate(p), o));
    };
    let real = |it| Value::Double(Real::new(it).unwrap());
    add(person(0), "person/handle", Value::string("ada"));
    add(person(0), "person/age", Value::Int(36));
    add(person(0), "person/height", real(1.5));
    add(person(0), "person/friend", Value::Ref(person(1)));
    add(person(0), "person/friend", Value::Ref(person(2)));
    add(person(0), "person/boss", Value::Ref(person(1)));
    add(person(0), "person/user", Value::Ref(USER));
    add(person(0), "person/nick", Value::string("a"));
    add(person(0), "person/nick", Value::string("lady"));
    add(person(0), "person/state", Value::Ref(tag(1_001)));
    add(person(0), "person/labels", Value::Ref(tag(1_001)));
    add(person(0), "person/labels", Value::Ref(tag(1_002)));
    add(person(0), "person/active", Value::Boolean(true));
    add(person(0), "person/born", Value::Instant(1_000));
    add(person(0), "person/key", Value::Uuid(1));
    add(
        person(0),
        "person/photo",
        Value::Bytes(Arc::from([1_u8, 255].as_slice())),
    );
    add(
        person(0),
        "person/data",
        Value::Json(Arc::from("{\"a\":1}")),
    );
    add(person(0), "person/score", real(2.0));
    add(person(0), "person/flag", Value::Boolean(true));
    add(person(0), "person/number", Value::Int(7));
    let exact = |text| Value::Decimal(Decimal::parse(text).unwrap());
    add(person(0), "person/balance", exact("12.5"));
    add(person(0), "person/serial", exact("100000000000000000000"));
    add(person(1), "person/handle", Value::string("bob"));
    add(person(1), "person/age", Value::Int(40));
    add(person(1), "person/boss", Value::Ref(person(2)));
    add(person(1), "person/friend", Value::Ref(person(3)));
    add(person(2), "person/boss", Value::Ref(person(0)));
    add(person(2), "person/handle", Value::string("eve"));
    add(person(3), "person/friend", Value::Ref(person(0)));
    memory
        .0
        .insert((tag(1_001), TAG_ID, Value::string("person/state:open")));
    memory
        .0
        .insert((tag(1_002), TAG_ID, Value::string("person/labels:a:b")));
    memory
}

/// Ada's flake as it is judged in a write, asked by her user.
pub(super) fn context() -> Context<'static> {
    Context {
        subject: Some(person(0)),
        predicate: Some(predicate("person/age")),
        predicate_name: Some("person/age"),
        predicate_type: Some(ValueType::Int),
        object: Some(ValueRef::Int(36)),
        previous: Previous::One(ValueRef::Int(35)),
        auth: AUTH,
        user: Some(USER),
        op: "transact",
        now_ms: 1_700_000_000_000,
        request: None,
        flakes: Some(&FLAKES),
        seed: None,
    }
}

/// What a spec would be asked about: ada's birthday.
static FLAKES: LazyLock<Vec<Flake>> = LazyLock::new(|| {
    let flake = |o, op| Flake {
        s: person(0),
        p: predicate("person/age"),
        o: Value::Int(o),
        op,
    };
    vec![flake(35, Op::Retract), flake(36, Op::Assert)]
});

pub(super) fn budget() -> Budget {
    Budget::new(10_000, None)
}

/// What a text is judged to be: `true`, `false`, `fault: …` or `error: …`.
pub(super) fn judged(text: &str, context: &Context<'_>) -> String {
    let function = match Function::compile(text, &[], &book(), &NoQueries) {
        Ok(function) => function,
        Err(error) => return format!("error: {error}"),
    };
    match function.judge(context, &facts(), &budget()) {
        Ok(Truth::True) => "true".to_owned(),
        Ok(Truth::False) => "false".to_owned(),
        Ok(Truth::Fault(fault)) => format!("fault: {fault}"),
        Err(error) => format!("no decision: {error}"),
    }
}

/// A value as the manual writes it.
pub(super) fn shown(value: &Val) -> String {
    let list = |items: Vec<String>| items.join(" ");
    match value {
        Val::Nil => "nil".to_owned(),
        Val::Bool(it) => it.to_string(),
        Val::Int(it) => it.to_string(),
        Val::Double(it) => format!("{:?}", it.number()),
        Val::Decimal(it) => format!("{it}M"),
        Val::String(it) => format!("\"{it}\""),
        Val::Set(it) => format!("#{{{}}}", list(it.iter().map(shown).collect())),
        Val::List(it) => format!("[{}]", list(it.iter().map(shown).collect())),
        Val::Map(it) => format!("{:?}", it.keys()),
    }
}

/// What a text evaluates to, as the manual writes it.
pub(super) fn evaluated(text: &str, context: &Context<'_>) -> String {
    let seed = Seed::of(&[b"manual"]);
    let seeded = Context {
        seed: Some(&seed),
        ..*context
    };
    match Function::compile(text, &[], &book(), &NoQueries) {
        Err(error) => format!("error: {error}"),
        Ok(function) => match function.evaluate(&[], &seeded, &facts(), &budget()) {
            Ok(value) => shown(&value),
            Err(Stop::Fault(fault)) => format!("fault: {fault}"),
            Err(Stop::Error(error)) => format!("no decision: {error}"),
        },
    }
}
