//! The cases of `tests/conformance`: given a schema, data and identities, these steps answer this.
//!
//! A file is one theme. Every file runs twice: through the library, and over HTTP.
//!
//! ```text
//! {"about": sentence,
//!  "given": {"schema"?: transaction, "identities"?: transaction, "data"?: transaction},   made by root, in this order
//!  "steps": [{"about": sentence, "as"?: auth id (root), "waitSeconds"?: n, "key"?: idempotency key,
//!             "transact" | "query" | "block" | "history" | "multiQuery" | "token" | "testTransactWith" | "queryWith" |
//!             "logs": body, or "raw": {"to": action, "text": body},
//!             or "command": {"signedBy": n, "cmd": JSON, signed by the key whose bytes are all n},
//!             "answer"?: JSON, with "status" for several queries of which some failed | "receipt"?: {"tempids"?: [names], "flakes"?: n, "isRepeat"?: bool, "warnings"?: [names]} |
//!             "error"?: {"code", "status", "pointer"?, "message"?} | "sameAs"?: number of an earlier step, from 1}]}
//! ```
//!
//! A text `@collection:n` in a body or an answer stands for the id of a subject. `sameAs` is for what must read the
//! same, byte for byte. A token's answer is told without the token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use solon::base::ManualClock;
use solon::db::{
    Answers, Error, ErrorKind, Folder, LimitKind, MultiAnswer, Options, SignedCommand, Tempid,
    Warning,
};
use solon::model::{CollectionId, SubjectId};
use solon::token::CommandKey;

use crate::support::START_MS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    #[serde(default)]
    given: Given,
    steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    schema: Option<Value>,
    identities: Option<Value>,
    data: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Step {
    about: String,
    r#as: Option<String>,
    #[serde(default)]
    wait_seconds: u64,
    key: Option<String>,
    transact: Option<Value>,
    query: Option<Value>,
    block: Option<Value>,
    history: Option<Value>,
    multi_query: Option<Value>,
    token: Option<Value>,
    test_transact_with: Option<Value>,
    query_with: Option<Value>,
    logs: Option<Value>,
    raw: Option<Raw>,
    command: Option<Signed>,
    /// `null` is an answer too.
    #[serde(default, deserialize_with = "some")]
    answer: Option<Value>,
    status: Option<u16>,
    receipt: Option<Receipt>,
    error: Option<Refusal>,
    same_as: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    to: Action,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Signed {
    signed_by: u8,
    cmd: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Action {
    Command,
    Transact,
    Query,
    Block,
    History,
    MultiQuery,
    Token,
    TestTransactWith,
    QueryWith,
    Logs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    tempids: Option<Vec<String>>,
    flakes: Option<usize>,
    is_repeat: Option<bool>,
    /// The deprecated predicates that are warned of; every step that says nothing of them expects none.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    code: String,
    status: u16,
    pointer: Option<String>,
    message: Option<String>,
}

fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What came of a step, told alike by both doors.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Answer(String),
    /// Several queries, some of which failed.
    Several {
        status: u16,
        body: String,
    },
    Receipt {
        tempids: Vec<String>,
        flakes: usize,
        /// The block, the hash and the id, which a repeat has again.
        made: (u64, String, String),
        is_repeat: bool,
        warnings: Vec<String>,
    },
    Minted(Value),
    Refused {
        code: String,
        status: u16,
        pointer: String,
        message: String,
    },
}

/// A way of asking.
trait Door {
    fn ask(&self, token: &str, action: Action, key: Option<&str>, body: &str) -> Outcome;
}

struct Library(Folder);

impl Door for Library {
    fn ask(&self, token: &str, action: Action, key: Option<&str>, body: &str) -> Outcome {
        if action == Action::Command {
            let made = self
                .0
                .verify_command(body, None)
                .and_then(SignedCommand::make);
            return made.map_or_else(|error| refused(&error), receipt);
        }
        let session = match self.0.session(token, None) {
            Ok(session) => session,
            Err(error) => return refused(&error),
        };
        let outcome = match action {
            Action::Query => session.ask(body).map(|it| match it {
                Answers::One(it) => Outcome::Answer(it.body),
                Answers::Many(it) => several(&it),
            }),
            Action::Block => session.block_query(body).map(|it| Outcome::Answer(it.body)),
            Action::History => session.history(body).map(|it| Outcome::Answer(it.body)),
            Action::MultiQuery => session.multi_query(body).map(|it| several(&it)),
            Action::Transact => match key {
                Some(key) => session.transact_once(key, body),
                None => session.transact(body),
            }
            .map(receipt),
            // It has no session.
            Action::Command => unreachable!(),
            Action::QueryWith => session.query_with(body).map(|it| Outcome::Answer(it.body)),
            Action::Logs => session.logs(body).map(|it| {
                let rows: Vec<_> = it.into_iter().map(solon::wire::Log::from).collect();
                logged(&serde_json::to_value(rows).unwrap())
            }),
            Action::TestTransactWith => session.test_transact(body).map(|it| {
                let shape = solon::wire::Receipt::of_trial(it, String::new());
                tried(&serde_json::to_value(shape).unwrap())
            }),
            Action::Token => session.token(body).map(|it| {
                Outcome::Minted(json!({"auth": it.auth.raw(), "expires_in": it.expires_in}))
            }),
        };
        outcome.unwrap_or_else(|error| refused(&error))
    }
}

fn problem(error: &Error) -> solon::wire::QueryProblem<'_> {
    solon::wire::QueryProblem {
        status: status(error.kind()),
        error: error.code(),
        message: error.message(),
        pointer: error.at(),
    }
}

/// What the door makes of several.
fn several(it: &MultiAnswer) -> Outcome {
    let told = it.answers.iter();
    let told = told.map(|(name, it)| (name.as_str(), it.as_ref().map(String::as_str)));
    let body = solon::wire::multi_body(told.map(|(name, it)| (name, it.map_err(problem))));
    let failed = it.answers.iter().filter_map(|(_, it)| it.as_ref().err());
    let failed: Vec<u16> = failed.map(|error| status(error.kind())).collect();
    match failed.iter().max() {
        None => Outcome::Answer(body),
        Some(_) if failed.len() < it.answers.len() => Outcome::Several { status: 207, body },
        Some(status) => Outcome::Several {
            status: *status,
            body,
        },
    }
}

fn receipt(it: solon::Receipt) -> Outcome {
    let mut tempids: Vec<_> = it.tempids.iter().map(|(name, _)| name.clone()).collect();
    tempids.sort();
    for (_, became) in &it.tempids {
        if let Tempid::Range(first, last) = became {
            assert!(first <= last);
        }
    }
    Outcome::Receipt {
        tempids,
        flakes: it.flakes.len(),
        made: (it.block.0, it.hash, it.id),
        is_repeat: it.is_repeat,
        warnings: it.warnings.iter().map(predicate_of).collect(),
    }
}

/// What is compared of a transaction that was tried. It is no block, so it has neither hash nor id.
fn tried(receipt: &Value) -> Outcome {
    assert!(receipt["hash"].is_null() && receipt["id"].is_null());
    let of = |name: &str| receipt[name].clone();
    let told = json!({"tempids": of("tempids"), "flakes": of("flakes"), "auth": of("auth")});
    Outcome::Answer(told.to_string())
}

/// What is compared of rows of the trail: their ids have gaps, and over HTTP they have an address.
fn logged(rows: &Value) -> Outcome {
    let mut rows = rows.clone();
    for row in rows.as_array_mut().unwrap() {
        let row = row.as_object_mut().unwrap();
        row.remove("id").unwrap();
        row.remove("address");
    }
    Outcome::Answer(rows.to_string())
}

fn predicate_of(warning: &Warning) -> String {
    let Warning::Deprecated { predicate } = warning;
    predicate.to_string()
}

fn refused(error: &Error) -> Outcome {
    Outcome::Refused {
        code: error.code().to_owned(),
        status: status(error.kind()),
        pointer: error.at().unwrap_or_default().to_owned(),
        message: error.message().to_owned(),
    }
}

/// The table of docs/errors.md.
fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid | ErrorKind::Limit(LimitKind::Request) => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Denied => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::Limit(LimitKind::Body) => 413,
        ErrorKind::Limit(LimitKind::Rate) => 429,
        ErrorKind::Limit(LimitKind::Time) | ErrorKind::Unavailable => 503,
        ErrorKind::Corrupt | ErrorKind::Internal => 500,
    }
}

#[cfg(feature = "server")]
impl Door for crate::support::served::Served {
    fn ask(&self, token: &str, action: Action, key: Option<&str>, body: &str) -> Outcome {
        let name = match action {
            Action::Command => "command",
            Action::Transact => "transact",
            Action::Query => "query",
            Action::Block => "block",
            Action::History => "history",
            Action::MultiQuery => "multi-query",
            Action::Token => "token",
            Action::TestTransactWith => "test-transact-with",
            Action::QueryWith => "query-with",
            Action::Logs => "logs",
        };
        let reply = if action == Action::Command {
            let json = [("content-type", "application/json")];
            self.send("POST", "/api/db/command", &json, body.as_bytes())
        } else {
            self.post(name, token, key, body)
        };
        let told = || serde_json::from_str::<Value>(&reply.body).unwrap();
        match (reply.status, action) {
            (
                200,
                Action::Query
                | Action::Block
                | Action::History
                | Action::MultiQuery
                | Action::QueryWith,
            ) => Outcome::Answer(reply.body),
            (status, Action::Query | Action::MultiQuery)
                if reply.header("content-type") == Some("application/json") =>
            {
                Outcome::Several {
                    status,
                    body: reply.body,
                }
            }
            (200, Action::TestTransactWith) => tried(&told()),
            (200, Action::Logs) => logged(&told()),
            (200, Action::Transact | Action::Command) => {
                let told = told();
                let tempids = told["tempids"].as_object().unwrap();
                let mut tempids: Vec<_> = tempids.keys().cloned().collect();
                tempids.sort();
                let warnings = told["warnings"].as_array().cloned().unwrap_or_default();
                let text = |name: &str| told[name].as_str().unwrap().to_owned();
                Outcome::Receipt {
                    tempids,
                    flakes: told["flakes"].as_array().unwrap().len(),
                    made: (told["block"].as_u64().unwrap(), text("hash"), text("id")),
                    is_repeat: reply.header("idempotent-replayed").is_some(),
                    warnings: warnings
                        .iter()
                        .map(|it| it["predicate"].as_str().unwrap().to_owned())
                        .collect(),
                }
            }
            (200, Action::Token) => {
                let told = told();
                assert!(told["token"].is_string());
                Outcome::Minted(json!({"auth": told["auth"], "expires_in": told["expires_in"]}))
            }
            (status, _) => {
                let problem = told();
                let code = problem["error"].as_str().unwrap().to_owned();
                reply.problem(status, &code);
                Outcome::Refused {
                    code,
                    status,
                    pointer: problem["pointer"].as_str().unwrap_or_default().to_owned(),
                    message: problem["message"].as_str().unwrap().to_owned(),
                }
            }
        }
    }
}

/// What a run needs beside the door.
struct World {
    folder: Folder,
    clock: Arc<ManualClock>,
    tokens: BTreeMap<String, String>,
}

impl World {
    fn new(dir: &Path) -> Self {
        let clock = Arc::new(ManualClock::at(START_MS));
        let options = Options {
            clock: Arc::clone(&clock) as _,
            ..Options::default()
        };
        Self {
            folder: Folder::open(dir, &options).unwrap(),
            clock,
            tokens: BTreeMap::new(),
        }
    }

    fn give(&self, given: &Given) {
        for transaction in [&given.schema, &given.identities, &given.data]
            .into_iter()
            .flatten()
        {
            let text = self.with_ids(&transaction.to_string());
            let made = self.folder.database().transact(&text);
            made.unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    }

    /// A token made when its auth is first named, so that it may outlive the auth.
    fn token(&mut self, auth: &str) -> String {
        let folder = &self.folder;
        let token = self.tokens.entry(auth.to_owned());
        token
            .or_insert_with(|| folder.token_for(auth, 3_599).unwrap())
            .clone()
    }

    /// The text with every `"@collection:n"` as a number.
    fn with_ids(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("\"@") {
            let (name, after) = after.split_once('"').unwrap();
            let (of, number) = name.rsplit_once(':').unwrap();
            out.push_str(before);
            out.push_str(&self.id(of, number.parse().unwrap()).to_string());
            rest = after;
        }
        out + rest
    }

    fn id(&self, of: &str, number: u64) -> SubjectId {
        let query = json!({"selectOne": ["_id"], "from": ["_collection/name", of]});
        let found = self.folder.database().root().query(&query.to_string());
        let found: Value = serde_json::from_str(&found.unwrap().body).unwrap();
        let raw = found["_id"].as_i64();
        let raw = raw.unwrap_or_else(|| panic!("there is no collection {of}"));
        let subject = SubjectId::from_raw(raw).unwrap();
        let collection = CollectionId::new(subject.number()).unwrap();
        SubjectId::new(collection, number).unwrap()
    }
}

fn run(path: &Path, open: &dyn Fn(&Folder) -> Box<dyn Door>) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let case: Case =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!case.about.is_empty(), "{}", path.display());
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.give(&case.given);
    let door = open(&world.folder);
    let mut outcomes = Vec::new();
    let mut wrong = Vec::new();
    for (step, number) in case.steps.iter().zip(1..) {
        let at = format!("{}, step {number}: {}", path.display(), step.about);
        assert!(!step.about.is_empty(), "{at}");
        world.clock.advance(Duration::from_secs(step.wait_seconds));
        let token = world.token(step.r#as.as_deref().unwrap_or("root"));
        let (action, body) = request(step, &at);
        let body = match &step.command {
            Some(Signed { signed_by, .. }) => signed(*signed_by, &world.with_ids(&body)),
            None => world.with_ids(&body),
        };
        let head = world.folder.database().head();
        let outcome = door.ask(&token, action, step.key.as_deref(), &body);
        if matches!(outcome, Outcome::Refused { .. }) {
            assert_eq!(world.folder.database().head(), head, "{at}");
        }
        if let Some(complaint) = differs(step, &outcome, &outcomes, &world) {
            wrong.push(format!("{at}\n    {complaint}"));
        }
        outcomes.push(outcome);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    world.folder.database().verify().unwrap();
    case.steps.len()
}

fn request(step: &Step, at: &str) -> (Action, String) {
    let body = |it: &Value| it.to_string();
    let given: Vec<(Action, String)> = [
        step.transact
            .as_ref()
            .map(|it| (Action::Transact, body(it))),
        step.query.as_ref().map(|it| (Action::Query, body(it))),
        step.block.as_ref().map(|it| (Action::Block, body(it))),
        step.history.as_ref().map(|it| (Action::History, body(it))),
        step.multi_query
            .as_ref()
            .map(|it| (Action::MultiQuery, body(it))),
        step.token.as_ref().map(|it| (Action::Token, body(it))),
        step.test_transact_with
            .as_ref()
            .map(|it| (Action::TestTransactWith, body(it))),
        step.query_with
            .as_ref()
            .map(|it| (Action::QueryWith, body(it))),
        step.logs.as_ref().map(|it| (Action::Logs, body(it))),
        step.raw.as_ref().map(|it| (it.to, it.text.clone())),
        step.command
            .as_ref()
            .map(|it| (Action::Command, body(&it.cmd))),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(given.len(), 1, "{at}: one request");
    given.into_iter().next().unwrap()
}

/// The body of a command with this text. Unlike the library, it signs anything.
fn signed(by: u8, text: &str) -> String {
    let key = CommandKey::parse(&format!("{by:02x}").repeat(32)).unwrap();
    json!({"cmd": text, "sig": key.sign(text).to_string()}).to_string()
}

fn answers(status: Option<u16>, answer: &Value, outcome: &Outcome) -> bool {
    let is = |body: &String| serde_json::from_str::<Value>(body).unwrap() == *answer;
    match outcome {
        Outcome::Answer(body) => status.is_none() && is(body),
        Outcome::Several { status: told, body } => status == Some(*told) && is(body),
        Outcome::Minted(minted) => minted == answer,
        Outcome::Receipt { .. } | Outcome::Refused { .. } => false,
    }
}

/// How an outcome differs from what the step expects, if it does.
fn differs(step: &Step, outcome: &Outcome, before: &[Outcome], world: &World) -> Option<String> {
    let expects = [
        step.answer.is_some(),
        step.receipt.is_some(),
        step.error.is_some(),
        step.same_as.is_some(),
    ];
    if !expects.contains(&true) {
        return Some("expects nothing".to_owned());
    }
    let found = format!("found {outcome:?}");
    if let Some(answer) = &step.answer {
        let answer: Value = serde_json::from_str(&world.with_ids(&answer.to_string())).unwrap();
        if !answers(step.status, &answer, outcome) {
            return Some(format!("expected {answer}\n    {found}"));
        }
    }
    if let Some(expected) = &step.receipt {
        let Outcome::Receipt {
            tempids,
            flakes,
            is_repeat,
            warnings,
            ..
        } = outcome
        else {
            return Some(format!("expected a receipt\n    {found}"));
        };
        let mut names = expected.tempids.clone();
        if let Some(names) = &mut names {
            names.sort();
        }
        if names.is_some_and(|it| it != *tempids)
            || expected.flakes.is_some_and(|it| it != *flakes)
            || expected.is_repeat.is_some_and(|it| it != *is_repeat)
            || expected.warnings != *warnings
        {
            return Some(format!(
                "expected {:?}, {:?} flakes and warnings of {:?}\n    {found}",
                expected.tempids, expected.flakes, expected.warnings
            ));
        }
    }
    if let Some(expected) = &step.error {
        let is_it = match outcome {
            Outcome::Refused {
                code,
                status,
                pointer,
                message,
            } => {
                *code == expected.code
                    && expected.message.as_ref().is_none_or(|it| it == message)
                    && *status == expected.status
                    && expected.pointer.as_ref().is_none_or(|it| it == pointer)
            }
            _ => false,
        };
        if !is_it {
            let Refusal {
                code,
                status,
                pointer,
                message,
            } = expected;
            return Some(format!(
                "expected {code} {status} at {pointer:?}, {message:?}\n    {found}"
            ));
        }
    }
    let same = step.same_as.map(|number| (number, &before[number - 1]));
    same.filter(|(_, same)| *same != outcome)
        .map(|(number, same)| format!("expected {same:?} as of {number}\n    {found}"))
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Runs every file, and tells of all that fail.
fn run_all(open: &dyn Fn(&Folder) -> Box<dyn Door>) {
    let mut steps = 0;
    let mut failed = 0;
    for path in cases() {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&path, open)));
        match ran {
            Ok(count) => steps += count,
            Err(_) => failed += 1,
        }
    }
    println!("{steps} steps");
    assert_eq!(failed, 0, "files with steps that differ");
}

#[test]
fn every_case_holds_through_the_library() {
    run_all(&|folder| Box::new(Library(folder.clone())));
}

#[cfg(feature = "server")]
#[test]
fn every_case_holds_over_http() {
    use crate::support::served::serve_folder;
    run_all(&|folder| {
        let mode = solon::server::Mode::Closed;
        Box::new(serve_folder(folder.clone(), mode, None))
    });
}

#[test]
fn a_case_with_a_field_that_is_not_known_is_refused() {
    let step = json!({"about": "a", "query": {}, "anwser": []});
    assert!(serde_json::from_value::<Step>(step).is_err());
}
