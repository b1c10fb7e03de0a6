//! The demonstration: a company that sells to three tenants, with its people, their talk, their pay, and the rules
//! over all of it.
//!
//! 1. Pure: the same seed gives the same texts, and nothing is read or written.
//! 2. Four kinds of bearer. An employee sees the talk they take part in and their own pay. A manager sees the pay of
//!    those who report to them, too. A tenant's admin looks after the people of that tenant, and sees no pay. The
//!    portal signs people in: it may mint tokens of ten minutes for them, and sees their names.
//! 3. Who they are is data: `person/user` leads to the `_user`, `_user/auth` to the `_auth`. So to move somebody, or
//!    to take a report away from a manager, is one transaction, and counts on the next request.
//!
//! INVARIANT(demo-step): each text carries its step; see `demo_load.rs`.

use serde_json::{Value, json};

/// The seed of the demonstration that is shipped.
pub const SEED: u64 = 2_026;

/// The version of what the seed is made into; raised when a text changes.
pub const VERSION: u64 = 1;

/// The `_setting/id` that marks the steps.
pub const MARKER: &str = "demo";

const PEOPLE_OF_TENANT: u64 = 40;
const REPORTS_OF_MANAGER: u64 = 8;
const CHATS_OF_TENANT: u64 = 20;
const MESSAGES_OF_CHAT: u64 = 18;
const PROJECTS_OF_TENANT: u64 = 8;
const DOCUMENTS_OF_PROJECT: u64 = 5;
const MONTHS: [&str; 6] = [
    "2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10",
];

/// 2026-01-05, 09:00 UTC, Unix milliseconds: when the story begins.
const BEGINNING_MS: u64 = 1_767_603_600_000;
const DAY_MS: u64 = 86_400_000;

/// A step that was taken, as the marker tells it: `demonstration 1, step 3 of 12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The version of the demonstration.
    pub version: u64,
    /// The step, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// A kind of bearer, with something that it may do and something that it may not.
#[derive(Debug)]
pub struct Kind {
    /// Its `_auth/id`.
    pub auth_id: &'static str,
    /// Who that is.
    pub what: &'static str,
    /// A request that is allowed.
    pub allowed: Example,
    /// A request that is denied, or whose answer lacks what the bearer may not see.
    pub denied: Example,
}

/// A request to try.
#[derive(Debug)]
pub struct Example {
    /// What it shows.
    pub about: &'static str,
    /// The action.
    pub action: &'static str,
    /// The body.
    pub body: &'static str,
}

/// The kinds of bearer.
pub const fn kinds() -> &'static [Kind] {
    &KINDS
}

/// The transactions, in order.
pub fn transactions(seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let mut steps = vec![schema(), tags(), policy()];
    for tenant in &TENANTS {
        let people = people(tenant);
        steps.push(staff(tenant, &people, &mut random));
        steps.push(identities(&people));
        steps.push(pay(&people, &mut random));
        steps.push(projects(tenant, &people, &mut random));
        steps.push(talk(tenant, &people, &mut random));
    }
    let of = steps.len();
    steps
        .into_iter()
        .zip(1..)
        .map(|(mut items, number)| {
            items.push(marker(Step {
                version: VERSION,
                number,
                of,
            }));
            Value::Array(items).to_string()
        })
        .collect()
}

impl Step {
    /// Reads what [`Step::write`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (version, rest) = text.strip_prefix("demonstration ")?.split_once(", step ")?;
        let (number, of) = rest.split_once(" of ")?;
        Some(Self {
            version: version.parse().ok()?,
            number: number.parse().ok()?,
            of: of.parse().ok()?,
        })
    }

    /// The step as text.
    pub fn write(self) -> String {
        format!(
            "demonstration {}, step {} of {}",
            self.version, self.number, self.of
        )
    }
}

fn marker(step: Step) -> Value {
    let doc = step.write();
    if step.number == 1 {
        json!({"_id": "_setting$demo", "_setting/id": MARKER, "_setting/doc": doc})
    } else {
        json!({"_id": ["_setting/id", MARKER], "_setting/doc": doc})
    }
}

// Schema and policy.

fn schema() -> Vec<Value> {
    let collections = COLLECTIONS
        .iter()
        .map(|(name, doc)| json!({"_id": "_collection", "name": name, "doc": doc}));
    let predicates = PREDICATES.iter().map(|predicate| {
        let (name, value_type, flags, doc) = predicate;
        let mut item = json!({"_id": "_predicate", "name": name, "type": value_type, "doc": doc});
        for flag in flags.split_whitespace() {
            if let Some(members) = item.as_object_mut() {
                match flag.strip_prefix('>') {
                    Some(target) => members.insert("restrictCollection".to_owned(), json!(target)),
                    None => members.insert(flag.to_owned(), json!(true)),
                };
            }
        }
        item
    });
    collections.chain(predicates).collect()
}

fn tags() -> Vec<Value> {
    TAGS.iter()
        .map(|id| json!({"_id": "_tag", "id": id}))
        .collect()
}

fn policy() -> Vec<Value> {
    let functions = FUNCTIONS.iter().map(|(name, code, doc)| {
        json!({"_id": format!("_fn${name}"), "name": name, "code": code, "doc": doc})
    });
    let rules = RULES.iter().map(|rule| {
        let mut item = json!({
            "_id": format!("_rule${}", rule.id),
            "id": rule.id,
            "collection": rule.collection,
            "ops": [rule.op],
            "fns": rule.functions().map(function_ref).collect::<Vec<_>>(),
        });
        if let Some(members) = item.as_object_mut() {
            if rule.predicates.is_empty() {
                members.insert("collectionDefault".to_owned(), json!(true));
            } else {
                members.insert("predicates".to_owned(), json!(rule.predicates));
            }
            if !rule.error.is_empty() {
                members.insert("errorMessage".to_owned(), json!(rule.error));
            }
        }
        item
    });
    let roles = ROLES.iter().map(|(id, doc)| {
        let of_role = |rule: &&Rule| rule.id.split_once('.').is_some_and(|(role, _)| role == *id);
        let rules: Vec<_> = RULES
            .iter()
            .filter(of_role)
            .map(|it| format!("_rule${}", it.id))
            .collect();
        json!({"_id": format!("_role${id}"), "id": id, "doc": doc, "rules": rules})
    });
    let portal = json!({
        "_id": "_auth$portal",
        "id": "demo/portal",
        "doc": "The application through which people sign in.",
        "roles": ["_role$portal"],
    });
    functions
        .chain(rules)
        .chain(roles)
        .chain([portal])
        .collect()
}

/// A ref to a function: one made beside it, or one that every database has.
fn function_ref(name: &str) -> Value {
    if matches!(name, "true" | "false") {
        json!(["_fn/name", name])
    } else {
        json!(format!("_fn${name}"))
    }
}

// Data.

/// A person before they are facts.
struct Person {
    handle: String,
    name: String,
    /// Their number within the tenant: 0 is the admin, 1 to 4 are managers, each with those whose number follows.
    number: u64,
}

impl Person {
    fn identity(&self) -> Value {
        json!(["person/handle", self.handle])
    }

    fn auth_id(&self) -> String {
        format!("demo/{}", self.handle)
    }

    fn is_manager(&self) -> bool {
        (1..=MANAGERS).contains(&self.number)
    }

    fn manager(&self) -> Option<u64> {
        let first = MANAGERS + 1;
        let led = self.number.checked_sub(first)? / REPORTS_OF_MANAGER;
        Some(1 + led.min(MANAGERS - 1))
    }

    fn title(&self, random: &mut Random) -> &'static str {
        if self.number == 0 {
            "People operations"
        } else if self.is_manager() {
            "Team lead"
        } else {
            random.pick(&TITLES)
        }
    }
}

const MANAGERS: u64 = 4;

fn people(tenant: &Tenant) -> Vec<Person> {
    (0..PEOPLE_OF_TENANT)
        .map(|number| {
            let index = tenant.first_person + number;
            let first = nth(&FIRST_NAMES, index);
            let last = nth(&LAST_NAMES, index * 7 + index / 40 * 13);
            Person {
                handle: format!("{}.{}", first.to_lowercase(), last.to_lowercase()),
                name: format!("{first} {last}"),
                number,
            }
        })
        .collect()
}

fn staff(tenant: &Tenant, people: &[Person], random: &mut Random) -> Vec<Value> {
    let mut items = vec![json!({
        "_id": "tenant$this",
        "key": tenant.key,
        "name": tenant.name,
        "plan": tenant.plan,
        "seats": PEOPLE_OF_TENANT + 10,
    })];
    for person in people {
        let mut item = json!({
            "_id": format!("person${}", person.number),
            "handle": person.handle,
            "name": person.name,
            "email": format!("{}@{}.example", person.handle, tenant.key),
            "phone": format!("+49 30 555 {:04}", random.below(10_000)),
            "title": person.title(random),
            "tenant": "tenant$this",
            "started": BEGINNING_MS - DAY_MS * random.below(2_000),
        });
        if let (Some(manager), Some(members)) = (person.manager(), item.as_object_mut()) {
            members.insert("manager".to_owned(), json!(format!("person${manager}")));
        }
        items.push(item);
    }
    items
}

fn identities(people: &[Person]) -> Vec<Value> {
    let mut items = Vec::new();
    for person in people {
        let mut roles = vec![json!(["_role/id", "employee"])];
        if person.is_manager() {
            roles.push(json!(["_role/id", "manager"]));
        }
        if person.number == 0 {
            roles.push(json!(["_role/id", "tenant-admin"]));
        }
        let auth = format!("_auth${}", person.number);
        let user = format!("_user${}", person.number);
        items.push(json!({"_id": auth, "id": person.auth_id(), "roles": roles}));
        items.push(json!({"_id": user, "username": person.handle, "auth": [auth]}));
        items.push(json!({"_id": person.identity(), "person/user": user}));
    }
    items
}

fn pay(people: &[Person], random: &mut Random) -> Vec<Value> {
    let mut items = Vec::new();
    for person in people {
        let step = if person.is_manager() { 24_000 } else { 0 };
        let annual = 42_000 + step + 600 * random.below(60);
        items.push(json!({
            "_id": "salary",
            "person": person.identity(),
            "annual": annual,
            "currency": "EUR",
            "since": BEGINNING_MS,
        }));
        for month in MONTHS {
            let gross = annual / 12;
            items.push(json!({
                "_id": "payslip",
                "person": person.identity(),
                "month": month,
                "gross": gross,
                "net": gross * 62 / 100 + random.below(40),
            }));
        }
    }
    items
}

fn projects(tenant: &Tenant, people: &[Person], random: &mut Random) -> Vec<Value> {
    let mut items = Vec::new();
    for number in 0..PROJECTS_OF_TENANT {
        let project = format!("project${number}");
        let members: Vec<Value> = random
            .some(people, 6)
            .into_iter()
            .map(Person::identity)
            .collect();
        items.push(json!({
            "_id": project,
            "key": format!("{}-p{number}", tenant.key),
            "name": nth(&PROJECTS, number),
            "tenant": ["tenant/key", tenant.key],
            "members": members,
            "status": random.pick(&["planned", "active", "active", "done"]),
        }));
        for document in 0..DOCUMENTS_OF_PROJECT {
            let subject = nth(&DOCUMENTS, document);
            let owner = random
                .some(people, 1)
                .first()
                .map(|person| person.identity());
            let readers: Vec<Value> = random
                .some(people, 2)
                .into_iter()
                .map(Person::identity)
                .collect();
            items.push(json!({
                "_id": "document",
                "key": format!("{}-p{number}-d{document}", tenant.key),
                "title": format!("{subject} of {}", nth(&PROJECTS, number)),
                "body": format!("{subject}. {}", random.pick(&SENTENCES)),
                "project": project,
                "owner": owner,
                "readers": readers,
            }));
        }
    }
    items
}

fn talk(tenant: &Tenant, people: &[Person], random: &mut Random) -> Vec<Value> {
    let mut items = Vec::new();
    for number in 0..CHATS_OF_TENANT {
        let chat = format!("chat${number}");
        let key = format!("{}-c{number}", tenant.key);
        let mut members = random.some(people, 4);
        // Those whom the examples are about take part in every third chat, so that there is talk to see.
        if number % 3 == 0 {
            members.extend(
                people
                    .iter()
                    .filter(|person| matches!(person.number, 1 | 5)),
            );
        }
        members.sort_by_key(|person| person.number);
        members.dedup_by_key(|person| person.number);
        items.push(json!({
            "_id": chat,
            "key": key,
            "topic": random.pick(&TOPICS),
            "tenant": ["tenant/key", tenant.key],
            "members": members.iter().map(|person| person.identity()).collect::<Vec<_>>(),
        }));
        let mut at = BEGINNING_MS + DAY_MS * random.below(250);
        for _ in 0..MESSAGES_OF_CHAT {
            at += 20_000 + random.below(3_600_000);
            let author = random
                .some(&members, 1)
                .first()
                .map(|person| person.identity());
            items.push(json!({
                "_id": "message",
                "chat": chat,
                "author": author,
                "text": random.pick(&SENTENCES),
                "at": at,
            }));
        }
    }
    items
}

/// Numbers that look random and are the same for the same seed: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        nth(list, self.next())
    }

    /// Up to `count` different ones, in their order.
    fn some<'a, P: std::borrow::Borrow<Person>>(
        &mut self,
        people: &'a [P],
        count: u64,
    ) -> Vec<&'a Person> {
        let bound = u64::try_from(people.len()).unwrap_or(1);
        let mut places: Vec<u64> = (0..count).map(|_| self.below(bound)).collect();
        places.sort_unstable();
        places.dedup();
        places
            .into_iter()
            .filter_map(|place| people.get(usize::try_from(place).ok()?))
            .map(std::borrow::Borrow::borrow)
            .collect()
    }
}

/// The entry at `index`, counted round.
fn nth(list: &[&'static str], index: u64) -> &'static str {
    let length = u64::try_from(list.len()).unwrap_or(0);
    index
        .checked_rem(length)
        .and_then(|place| list.get(usize::try_from(place).ok()?))
        .copied()
        .unwrap_or_default()
}

// Tables.

struct Tenant {
    key: &'static str,
    name: &'static str,
    plan: &'static str,
    first_person: u64,
}

const TENANTS: [Tenant; 3] = [
    Tenant {
        key: "harbor",
        name: "Harbor Logistics",
        plan: "business",
        first_person: 0,
    },
    Tenant {
        key: "linden",
        name: "Linden Clinics",
        plan: "business",
        first_person: 40,
    },
    Tenant {
        key: "atlas",
        name: "Atlas Bicycles",
        plan: "starter",
        first_person: 80,
    },
];

const COLLECTIONS: [(&str, &str); 8] = [
    ("tenant", "A company that is a customer."),
    ("person", "Somebody who works there."),
    ("salary", "What a person earns."),
    ("payslip", "What a person was paid in a month."),
    ("project", "What people work on together."),
    ("document", "What they write about it."),
    ("chat", "Where they talk."),
    ("message", "What they say."),
];

/// Name, type, flags (`>c` restricts refs to collection `c`), doc.
const PREDICATES: [(&str, &str, &str, &str); 40] = [
    ("tenant/key", "string", "unique", "The tenant's short name."),
    ("tenant/name", "string", "", "The tenant's name."),
    ("tenant/plan", "tag", "restrictTag", "What it pays for."),
    ("tenant/seats", "int", "", "How many people it may have."),
    (
        "person/handle",
        "string",
        "unique",
        "The person's short name.",
    ),
    ("person/name", "string", "index", "The person's name."),
    ("person/email", "string", "", "Where to write to."),
    (
        "person/phone",
        "string",
        "",
        "Where to call; not for everybody.",
    ),
    ("person/title", "string", "index", "What they do."),
    ("person/tenant", "ref", ">tenant", "Where they work."),
    ("person/manager", "ref", ">person", "To whom they report."),
    (
        "person/user",
        "ref",
        "unique >_user",
        "Who they are when they sign in.",
    ),
    ("person/started", "instant", "index", "Since when."),
    ("salary/person", "ref", "unique >person", "Whose it is."),
    ("salary/annual", "long", "index", "A year's gross."),
    ("salary/currency", "string", "", "In which currency."),
    ("salary/since", "instant", "", "Since when."),
    ("payslip/person", "ref", ">person", "Whose it is."),
    ("payslip/month", "string", "index", "Of which month."),
    ("payslip/gross", "long", "", "Before taxes."),
    ("payslip/net", "long", "", "After taxes."),
    (
        "project/key",
        "string",
        "unique",
        "The project's short name.",
    ),
    ("project/name", "string", "", "The project's name."),
    ("project/tenant", "ref", ">tenant", "Whose it is."),
    (
        "project/members",
        "ref",
        "multi >person",
        "Who works on it.",
    ),
    ("project/status", "tag", "restrictTag", "How far it is."),
    (
        "document/key",
        "string",
        "unique",
        "The document's short name.",
    ),
    ("document/title", "string", "", "The document's title."),
    ("document/body", "string", "", "The document's text."),
    ("document/project", "ref", ">project", "What it is about."),
    ("document/owner", "ref", ">person", "Who wrote it."),
    (
        "document/readers",
        "ref",
        "multi >person",
        "Who else may read it.",
    ),
    ("chat/key", "string", "unique", "The chat's short name."),
    ("chat/topic", "string", "", "What they talk about."),
    ("chat/tenant", "ref", ">tenant", "Whose it is."),
    ("chat/members", "ref", "multi >person", "Who takes part."),
    ("message/chat", "ref", ">chat", "Where it was said."),
    ("message/author", "ref", ">person", "Who said it."),
    ("message/text", "string", "", "What was said."),
    ("message/at", "instant", "index", "When."),
];

const TAGS: [&str; 5] = [
    "tenant/plan:starter",
    "tenant/plan:business",
    "project/status:planned",
    "project/status:active",
    "project/status:done",
];

/// Name, code, doc.
const FUNCTIONS: [(&str, &str, &str); 13] = [
    (
        "is-own-tenant",
        r#"(relationship? (?user_id) ["person/_user" "person/tenant"] (?sid))"#,
        "The tenant is where the bearer works.",
    ),
    (
        "is-colleague",
        r#"(relationship? (?user_id) ["person/_user" "person/tenant"] (get (?s) "person/tenant"))"#,
        "The person works where the bearer works.",
    ),
    (
        "is-oneself",
        r#"(== (get (?s) "person/user") (?user_id))"#,
        "The person is the bearer.",
    ),
    (
        "is-own-salary",
        r#"(relationship? (?sid) ["salary/person" "person/user"] (?user_id))"#,
        "The salary is the bearer's.",
    ),
    (
        "is-own-payslip",
        r#"(relationship? (?sid) ["payslip/person" "person/user"] (?user_id))"#,
        "The payslip is the bearer's.",
    ),
    (
        "is-salary-of-report",
        r#"(relationship? (?sid) ["salary/person" "person/manager" "person/user"] (?user_id))"#,
        "The salary is of somebody who reports to the bearer.",
    ),
    (
        "is-payslip-of-report",
        r#"(relationship? (?sid) ["payslip/person" "person/manager" "person/user"] (?user_id))"#,
        "The payslip is of somebody who reports to the bearer.",
    ),
    (
        "is-own-chat",
        r#"(relationship? (?sid) ["chat/members" "person/user"] (?user_id))"#,
        "The bearer takes part in the chat.",
    ),
    (
        "is-said-in-own-chat",
        r#"(relationship? (?sid) ["message/chat" "chat/members" "person/user"] (?user_id))"#,
        "The bearer takes part in the chat of the message.",
    ),
    (
        "is-said-by-oneself",
        r#"(relationship? (?sid) ["message/author" "person/user"] (?user_id))"#,
        "The message is the bearer's.",
    ),
    (
        "is-project-of-own-tenant",
        r#"(relationship? (?user_id) ["person/_user" "person/tenant"] (get (?s) "project/tenant"))"#,
        "The project is of where the bearer works.",
    ),
    (
        "may-read-document",
        r#"(or (relationship? (?sid) ["document/owner" "person/user"] (?user_id)) (relationship? (?sid) ["document/readers" "person/user"] (?user_id)))"#,
        "The bearer wrote the document or is one of its readers.",
    ),
    (
        "is-short",
        r#"(<= (get (?context) "expireSeconds") 600)"#,
        "The token asked for ends within ten minutes.",
    ),
];

struct Rule {
    /// The role's id, a dot, and a name of its own.
    id: &'static str,
    op: &'static str,
    collection: &'static str,
    /// None: the rule is the collection's default.
    predicates: &'static [&'static str],
    function: &'static str,
    /// A second function that must say yes, too.
    and: Option<&'static str>,
    error: &'static str,
}

impl Rule {
    fn functions(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.function).chain(self.and)
    }
}

const ROLES: [(&str, &str); 4] = [
    (
        "employee",
        "Sees the own talk, work and pay, and writes messages.",
    ),
    ("manager", "Sees the pay of those who report to them."),
    ("tenant-admin", "Looks after the people of the own tenant."),
    ("portal", "Signs people in, for ten minutes at a time."),
];

const RULES: [Rule; 19] = [
    read("employee.tenant", "tenant", &[], "is-own-tenant"),
    read("employee.colleagues", "person", &[], "is-colleague"),
    // Explicit, and so in this role the default above is not asked about phones.
    read("employee.phone", "person", &["person/phone"], "is-oneself"),
    read("employee.salary", "salary", &[], "is-own-salary"),
    read("employee.payslip", "payslip", &[], "is-own-payslip"),
    read("employee.chat", "chat", &[], "is-own-chat"),
    read("employee.message", "message", &[], "is-said-in-own-chat"),
    read(
        "employee.project",
        "project",
        &[],
        "is-project-of-own-tenant",
    ),
    read("employee.document", "document", &[], "may-read-document"),
    Rule {
        id: "employee.write",
        op: "transact",
        collection: "message",
        predicates: &[],
        function: "is-said-by-oneself",
        and: Some("is-said-in-own-chat"),
        error: "One writes as oneself, in chats one takes part in.",
    },
    read("manager.salary", "salary", &[], "is-salary-of-report"),
    read("manager.payslip", "payslip", &[], "is-payslip-of-report"),
    read("tenant-admin.tenant", "tenant", &[], "is-own-tenant"),
    read("tenant-admin.people", "person", &[], "is-colleague"),
    Rule {
        id: "tenant-admin.write",
        op: "transact",
        collection: "person",
        predicates: &[],
        function: "is-colleague",
        and: None,
        error: "A tenant's admin looks after the people of that tenant alone.",
    },
    // Who a person is when they sign in decides what they see: an admin who could set it could see all pay.
    Rule {
        id: "tenant-admin.user",
        op: "transact",
        collection: "person",
        predicates: &["person/user"],
        function: "false",
        and: None,
        error: "Who a person is when they sign in is the operator's to say.",
    },
    read(
        "portal.people",
        "person",
        &["person/handle", "person/name"],
        "true",
    ),
    read("portal.auths", "_auth", &["_auth/id"], "true"),
    Rule {
        id: "portal.token",
        op: "token",
        collection: "_auth",
        predicates: &[],
        function: "is-short",
        and: None,
        error: "",
    },
];

const fn read(
    id: &'static str,
    collection: &'static str,
    predicates: &'static [&'static str],
    function: &'static str,
) -> Rule {
    Rule {
        id,
        op: "query",
        collection,
        predicates,
        function,
        and: None,
        error: "",
    }
}

const KINDS: [Kind; 4] = [
    Kind {
        auth_id: "demo/tom.silva",
        what: "an employee of Harbor Logistics",
        allowed: Example {
            about: "Tom's own salary, out of 120",
            action: "query",
            body: r#"{"select": ["annual", "currency", {"salary/person": ["name"]}], "from": "salary"}"#,
        },
        denied: Example {
            about: "Tom writes as Maya: refused, with the rule's own words",
            action: "transact",
            body: r#"[{"_id": "message", "chat": ["chat/key", "harbor-c0"], "author": ["person/handle", "maya.okafor"], "text": "Tom gets a raise."}]"#,
        },
    },
    Kind {
        auth_id: "demo/maya.okafor",
        what: "a manager there, to whom Tom reports",
        allowed: Example {
            about: "Maya's own salary and those of her reports",
            action: "query",
            body: r#"{"select": ["annual", {"salary/person": ["name"]}], "from": "salary"}"#,
        },
        denied: Example {
            about: "Tom's name without the phone, which is for oneself",
            action: "query",
            body: r#"{"select": ["name", "phone"], "from": ["person/handle", "tom.silva"]}"#,
        },
    },
    Kind {
        auth_id: "demo/ines.berg",
        what: "the admin of the tenant Harbor Logistics",
        allowed: Example {
            about: "a new title for Tom",
            action: "transact",
            body: r#"[{"_id": ["person/handle", "tom.silva"], "title": "Lead planner"}]"#,
        },
        denied: Example {
            about: "Tom cannot be moved to another tenant, which Ines cannot even see",
            action: "transact",
            body: r#"[{"_id": ["person/handle", "tom.silva"], "tenant": ["tenant/key", "linden"]}]"#,
        },
    },
    Kind {
        auth_id: "demo/portal",
        what: "the application through which people sign in",
        allowed: Example {
            about: "a token of ten minutes for Tom",
            action: "token",
            body: r#"{"auth": ["_auth/id", "demo/tom.silva"], "expireSeconds": 600}"#,
        },
        denied: Example {
            about: "an hour is too long",
            action: "token",
            body: r#"{"auth": ["_auth/id", "demo/tom.silva"], "expireSeconds": 3600}"#,
        },
    },
];

const TITLES: [&str; 8] = [
    "Planner",
    "Dispatcher",
    "Analyst",
    "Engineer",
    "Designer",
    "Accountant",
    "Support",
    "Buyer",
];

const FIRST_NAMES: [&str; 40] = [
    "Ines", "Maya", "Jonas", "Leila", "Pavel", "Tom", "Aiko", "Bruno", "Carla", "Dmitri", "Elif",
    "Farid", "Greta", "Hugo", "Ivana", "Jamal", "Katja", "Luca", "Mira", "Nils", "Olga", "Petra",
    "Quentin", "Rosa", "Samir", "Thea", "Uwe", "Vera", "Wanda", "Xenia", "Yusuf", "Zora", "Anton",
    "Bea", "Cem", "Dora", "Emil", "Fatima", "Gustav", "Hanna",
];

const LAST_NAMES: [&str; 40] = [
    "Berg",
    "Novak",
    "Tanaka",
    "Rossi",
    "Kaya",
    "Ivanov",
    "Schmidt",
    "Okafor",
    "Larsen",
    "Costa",
    "Haddad",
    "Meyer",
    "Nguyen",
    "Petrov",
    "Quist",
    "Romero",
    "Sato",
    "Todorov",
    "Ueda",
    "Varga",
    "Weber",
    "Yilmaz",
    "Ziegler",
    "Amari",
    "Bianchi",
    "Castro",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Horvat",
    "Ito",
    "Jensen",
    "Keller",
    "Lopez",
    "Silva",
    "Moreau",
    "Nowak",
    "Olsen",
    "Papadakis",
];

const PROJECTS: [&str; 8] = [
    "Night routes",
    "New warehouse",
    "Paperless desk",
    "Winter stock",
    "Second shift",
    "Price list",
    "Help line",
    "Yearly report",
];

const DOCUMENTS: [&str; 5] = ["Plan", "Budget", "Minutes", "Risks", "Summary"];

const TOPICS: [&str; 8] = [
    "Monday round",
    "Lunch",
    "Deliveries",
    "Incidents",
    "Ideas",
    "Hiring",
    "Tools",
    "Holidays",
];

const SENTENCES: [&str; 14] = [
    "The numbers are in, and better than last month's.",
    "Can somebody look at the delivery of this morning?",
    "I put the draft where everybody can read it.",
    "Let us decide that on Thursday.",
    "The supplier asks for two more days.",
    "Done, see the project.",
    "Who has the key to the second gate?",
    "I am away from Friday on; ask for me at the desk.",
    "The customer was happy and said so.",
    "We should write this down somewhere.",
    "The old list is wrong in three places.",
    "Thank you, that helped.",
    "I will call them after lunch.",
    "It works again since nine o'clock.",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::limits::{BODY_BYTES_MAX, TRANSACTION_ITEMS_MAX};

    fn items() -> Vec<Vec<Value>> {
        transactions(SEED)
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_texts_within_the_limits() {
        assert_eq!(transactions(SEED), transactions(SEED));
        assert_ne!(transactions(SEED), transactions(SEED + 1));
        assert!(
            transactions(SEED)
                .iter()
                .all(|text| text.len() <= BODY_BYTES_MAX)
        );
        assert!(
            items()
                .iter()
                .all(|items| items.len() <= TRANSACTION_ITEMS_MAX)
        );
    }

    #[test]
    fn there_are_at_least_two_thousand_subjects() {
        let made = |item: &&Value| item["_id"].is_string();
        let count = items().iter().flatten().filter(made).count();
        assert!(count >= 2_000, "{count}");
    }

    #[test]
    fn every_step_tells_its_number_last() {
        let all = items();
        for (items, number) in all.iter().zip(1..) {
            let doc = items.last().unwrap()["_setting/doc"].as_str().unwrap();
            let expected = Step {
                version: VERSION,
                number,
                of: all.len(),
            };
            assert_eq!(Step::read(doc), Some(expected));
        }
    }

    #[test]
    fn those_whom_the_examples_are_about_exist_and_names_are_used_once() {
        let ids: Vec<String> = TENANTS
            .iter()
            .flat_map(people)
            .map(|person| person.auth_id())
            .collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for id in ["demo/ines.berg", "demo/maya.okafor", "demo/tom.silva"] {
            assert!(ids.iter().any(|it| it == id), "{id}");
        }
    }

    #[test]
    fn every_function_of_a_rule_is_there_and_every_rule_has_its_role() {
        for rule in &RULES {
            let role = rule.id.split_once('.').unwrap().0;
            assert!(ROLES.iter().any(|(id, _)| *id == role), "{role}");
            for function in rule.functions() {
                let is_there = FUNCTIONS.iter().any(|(name, ..)| *name == function);
                assert!(
                    is_there || matches!(function, "true" | "false"),
                    "{function}"
                );
            }
        }
    }

    #[test]
    fn no_example_ends_its_quotes() {
        for kind in kinds() {
            assert!(!kind.allowed.body.contains('\'') && !kind.denied.body.contains('\''));
        }
    }
}
