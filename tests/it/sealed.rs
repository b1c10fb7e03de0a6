//! Every sealed predicate through every door: no answer, error, receipt, export, trail or file that is made of a
//! database shows a record of a password, a hash of a token or what is like it, for root neither, nor whether one
//! changed. What was superseded is out of the log, and out of the file when that is written anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use solon::db::{OldTokens, SignIn, SignedIn, Source, verify_file};
use solon::model::system::predicate;
use solon::model::{Facts as _, PredicateId, SubjectId, Value as Fact};
use solon::server::Mode;
use solon::store::Store;

use crate::support::served::{Served, serve_folder};
use crate::support::{People, default_rule};

const COLLECTIONS: [&str; 11] = [
    "_auth", "_user", "_role", "_rule", "_fn", "_setting", "_tx", "_token", "_tag", "_log", "note",
];

/// A served folder where every sealed predicate that has a writer has values, and had others.
struct World {
    people: People,
    served: Option<Served>,
    /// Who asks: a name, and a token.
    askers: Vec<(&'static str, Option<String>)>,
    /// Every value that ever stood under a sealed predicate.
    values: Vec<String>,
    /// The record of ann's password.
    anns: String,
    signed: SignedIn,
    api: (String, String),
}

/// All values that stand under the sealed predicates now, read from a copy of the file.
fn values(people: &People) -> Vec<String> {
    let copy = people.path().join("copy.redb");
    std::fs::copy(people.file(), &copy).unwrap();
    let store = Store::open(&copy).unwrap();
    let snapshot = store.snapshot().unwrap();
    let mut found = Vec::new();
    let mut of = |s: SubjectId, p: PredicateId| {
        for value in snapshot.value_list(s, p).unwrap() {
            match value {
                Fact::String(text) => found.push(text.to_string()),
                other => panic!("{other:?}"),
            }
        }
    };
    for (collection, sealed) in [
        (
            6,
            vec![predicate::AUTH_PASSWORD, predicate::AUTH_RESET_TOKEN],
        ),
        (10, vec![predicate::TOKEN_HASH]),
    ] {
        for number in 0..1_100 {
            let s = SubjectId::from_raw((collection << 44) + number).unwrap();
            for p in &sealed {
                of(s, *p);
            }
        }
    }
    drop((snapshot, store));
    std::fs::remove_file(copy).unwrap();
    found
}

impl World {
    /// `changed` is the one of `ann` and `bob` whose password is changed at the end, and whose reset token goes with it.
    fn new(changed: &str) -> Self {
        let people = People::new();
        people.root(&json!([{"_id": "_collection", "name": "note"},
            {"_id": "_predicate", "name": "note/text", "type": "string", "unique": true}]));
        people.root(&json!([{"_id": "note", "text": "a note"}]));
        for name in ["ann", "bob"] {
            people.user(name, Some("open sesame"));
        }
        let rules: Vec<Value> = COLLECTIONS
            .iter()
            .map(|it| {
                default_rule(
                    &format!("all-{it}"),
                    it,
                    "true",
                    &["query", "transact", "token", "logs", "erase"],
                )
            })
            .collect();
        people.root(&json!([{"_id": "_auth", "id": "auditor",
            "roles": [{"_id": "_role", "id": "auditor-role", "rules": rules}]}]));
        // The owner sees and writes as much, so that its own records are asked for from within.
        people
            .root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "auditor-role"]]}]));
        let request = SignIn {
            user: "ann".into(),
            password: "open sesame",
            expire_seconds: Some(200_000),
            database: "local/default",
        };
        let first = people.folder.sign_in(&request, Source::default()).unwrap();
        let root = people.folder.root_session(None).unwrap();
        let api = r#"{"auth": ["_auth/id", "ann"], "kind": "api", "name": "a"}"#;
        let api = root.token(api).unwrap();
        for name in ["ann", "bob"] {
            root.reset_token(&json!({"user": name}).to_string())
                .unwrap();
        }
        let mut all = values(&people);
        let signed = people
            .folder
            .refresh(&first.refresh_token, Source::default())
            .unwrap();
        people
            .folder
            .database()
            .set_password(changed, "close sesame", OldTokens::Keep)
            .unwrap();
        // A password that is set takes the reset token away; so where it was bob's he has none now.
        root.reset_token(r#"{"user": "ann"}"#).unwrap();
        let now = values(&people);
        let anns = now.iter().find(|it| it.starts_with("$argon2id"));
        let anns = anns.unwrap().clone();
        all.extend(now);
        all.sort();
        all.dedup();
        let token = |name: &str| people.folder.token_for(name, 3_599).unwrap();
        let askers = vec![
            ("root", Some(people.folder.root_token(3_599).unwrap())),
            ("owner", Some(token("ann"))),
            ("auditor", Some(token("auditor"))),
            ("bearer", Some(token("bob"))),
            ("nobody", None),
        ];
        let served = Some(serve_folder(people.folder.clone(), Mode::Closed, None));
        Self {
            people,
            served,
            askers,
            values: all,
            anns,
            signed,
            api: (api.id.unwrap(), api.token),
        }
    }

    fn send(&self, (method, path, body): &Asked, token: Option<&str>) -> String {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let bearer = token.map(|it| format!("Bearer {it}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|it| ("authorization", it)));
        let reply = self
            .served
            .as_ref()
            .unwrap()
            .send(method, path, &headers, body.as_bytes());
        assert_ne!(reply.status, 500, "{path} {body}: {}", reply.body);
        let headers: Vec<String> = (reply.headers.iter())
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .filter(|it| {
                !it.contains("-time") && !it.starts_with("date") && !it.contains("request-id")
            })
            .collect();
        format!("{} {}\n{}", reply.status, headers.join("\n"), reply.body)
    }

    /// What must be in nothing that is shown: the values, their parts, and their hashes.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for value in &self.values {
            let digest = Sha256::digest(value.as_bytes());
            secrets.push(
                digest
                    .iter()
                    .fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
            );
            secrets.push(STANDARD.encode(digest));
            secrets.push(URL_SAFE_NO_PAD.encode(digest));
            secrets.push(value.clone());
            let parts = value
                .split(['$', ':', ' ', ',', '/'])
                .filter(|it| it.len() >= 16);
            secrets.extend(parts.map(str::to_owned));
        }
        assert!(secrets.len() > 40, "{secrets:?}");
        secrets
    }
}

fn check_hidden(secrets: &[String], what: &str, sent: &str, shown: &str) {
    for secret in secrets {
        // An answer may hold what was sent, and nothing more of it.
        let is_leak = shown.contains(secret.as_str()) && !sent.contains(secret.as_str());
        assert!(!is_leak, "{what}: `{secret}` is shown to {sent}: {shown}");
    }
}

/// A request: method, path, body.
type Asked = (&'static str, String, Value);

/// Requests that ask for what is sealed, by every door. `value` is a guess at one that stands there.
fn requests(value: &str, head: u64) -> Vec<Asked> {
    let mut all = Vec::new();
    for p in [
        "_auth/password",
        "_auth/resetToken",
        "_auth/secret",
        "_auth/salt",
        "_token/hash",
    ] {
        all.extend(queries(p, value).into_iter().map(|it| post("query", it)));
        let c = p.split('/').next().unwrap();
        let flakes = json!([[(6_i64 << 44) + 1_001, p, value]]);
        let query = json!({"select": ["*"], "from": c, "where": format!("{p} = \"{value}\"")});
        all.push(post(
            "query-with",
            json!({"query": query, "flakes": flakes}),
        ));
        for tx in transactions(p, value) {
            all.push(post("test-transact-with", json!({"tx": tx})));
            all.push(post("transact", tx));
        }
    }
    for from in COLLECTIONS
        .iter()
        .chain(&["_predicate", "_collection", "_block"])
    {
        let around = json!({"auth": ["*"], "_token/_auth": ["*"], "_user/_auth": ["*"]});
        all.push(post("query", json!({"select": ["*"], "from": from})));
        all.push(post(
            "query",
            json!({"select": ["*", around], "from": from}),
        ));
    }
    all.push(post("block", json!({"block": [1]})));
    all.push(post("block", json!({"block": [1], "prettyPrint": true})));
    for s in [
        (6_i64 << 44) + 1_001,
        (6_i64 << 44) + 1_002,
        (10_i64 << 44) + 1_001,
    ] {
        all.push(post("history", json!({"history": s, "showAuth": true})));
    }
    for (t, c) in (1..=head).flat_map(|t| [(t, "_auth"), (t, "_token")]) {
        all.push(post(
            "query",
            json!({"select": ["*"], "from": c, "block": t}),
        ));
    }
    all.extend(actions(value));
    for path in [
        "/api/accounts",
        "/api/dbs",
        "/api/db/signin",
        "/api/v2/users",
        "/api/v2/users/whoami",
        "/api/v2/cluster",
        "/api/v2/security/defaultTokensExpiry",
        "/.well-known/jwks.json",
        "/device",
        "/version",
        "/ready",
        "/metrics",
    ] {
        all.push(("GET", path.into(), Value::Null));
    }
    all
}

fn post(action: &str, body: Value) -> Asked {
    ("POST", format!("/api/db/{action}"), body)
}

/// Queries that name a sealed predicate.
fn queries(p: &str, value: &str) -> Vec<Value> {
    let (c, short) = p.split_once('/').unwrap();
    let select = json!({"select": ["*"], "from": p});
    let mut all = vec![
        json!({"history": [null, p]}),
        json!({"history": [null, p, value]}),
        json!({"history": [p, value]}),
        json!({"history": [(6_i64 << 44) + 1_001, p], "prettyPrint": true}),
        json!({"a": select, "b": {"history": [null, p]}, "block": 3}),
        json!({"select": ["_id"], "where": [["?s", p, "?o"]]}),
        json!({"select": ["*"], "from": p}),
        json!({"select": ["*"], "from": [p, value]}),
        json!({"select": ["_id"], "from": c, "orderBy": p}),
        json!({"select": ["_id"], "from": c, "opts": {"orderBy": ["DESC", p], "limit": 1}}),
        json!({"select": ["*", {"_orderBy": p}], "from": c}),
    ];
    for select in [
        json!([p]),
        json!([short]),
        json!(["_id", {p: ["*"]}]),
        json!(["*", {format!("{c}/_{short}"): ["*"]}]),
    ] {
        all.push(json!({"select": select, "from": c}));
    }
    for text in [
        format!("{p} = \"{value}\""),
        format!("{p} > \"\""),
        format!("{p} < \"zzzz\""),
        format!("{p} != \"x\""),
    ] {
        all.push(json!({"select": ["_id"], "from": c, "where": text}));
        all.push(json!({"select": ["_id"], "where": text}));
    }
    all
}

/// Transactions that name a sealed predicate: that write, compare, take away, erase, show or unseal it.
fn transactions(p: &str, value: &str) -> Vec<Value> {
    let (c, short) = p.split_once('/').unwrap();
    let ann = json!(["_auth/id", "ann"]);
    let code = format!("(== (get (?s) \"{p}\") \"{value}\")");
    vec![
        json!([{"_id": ann, short: value}]),
        json!([{"_id": ann, p: null}]),
        json!([{"_id": ann, p: format!("#(cas \"{value}\" \"y\")")}]),
        json!([{"_id": ann, "doc": format!("#(get (?s) \"{p}\")")}]),
        json!([{"_id": [p, value], "_action": "delete"}]),
        json!([{"_id": ann, short: value, "_action": "delete"}]),
        json!([{"_id": ann, short: value, "_action": "erase"}]),
        json!([{"_id": "_fn", "name": "leak", "code": code}]),
        json!([{"_id": "_rule", "id": "leak", "collection": c, "predicates": [p],
            "fns": [["_fn/name", "true"]], "ops": ["query"]}]),
        json!([{"_id": ["_predicate/name", p], "name": format!("{c}/shown")}]),
        json!([{"_id": ["_predicate/name", p], "unique": true}]),
        json!([{"_id": ["_predicate/name", p], "spec": [["_fn/name", "false"]]}]),
        json!([{"_id": "_tx", "doc": format!("#(get [\"_auth/id\" \"ann\"] \"{p}\")")}]),
    ]
}

/// The other doors.
fn actions(value: &str) -> Vec<Asked> {
    let mut all: Vec<Asked> = [
        ("logs", json!({"limit": 1_000})),
        ("tokens", json!({})),
        ("tokens", json!({"auth": ["_auth/id", "ann"]})),
        ("users", json!({})),
        ("whoami", json!({})),
        ("ledger-stats", json!({})),
        ("new-keys", json!({})),
        ("revoke", json!({"token": value})),
        ("refresh", json!({"refresh_token": value})),
        (
            "signin",
            json!({"user": ["_auth/password", value], "password": value}),
        ),
        ("signin", json!({"user": "nobody", "password": value})),
        ("password", json!({"user": "ann", "password": "12345678"})),
        ("new-user", json!({"username": "ann"})),
        ("token", json!({"auth": ["_auth/password", value]})),
        ("command", json!({"cmd": value, "sig": value})),
        (
            "local/default/query",
            json!({"select": ["*"], "from": "_auth"}),
        ),
    ]
    .into_iter()
    .map(|(action, body)| post(action, body))
    .collect();
    for (path, body) in [
        (
            "/fdb/local/default/query",
            json!({"select": ["*"], "from": "_token"}),
        ),
        (
            "/api/new-pw",
            json!({"resetToken": value, "password": "open the door"}),
        ),
        ("/api/action", json!(["accounts", {}])),
        (
            "/api/v2/login",
            json!({"username": "ann", "password": value}),
        ),
    ] {
        all.push(("POST", path.to_owned(), body));
    }
    all
}

/// What a process writes of a database for who has its file: exports, the trail, what `verify` says.
fn written(people: &People) -> String {
    let database = people.folder.database();
    let mut out = Vec::new();
    database.export(&mut out, |_, _| {}).unwrap();
    for auth in ["ann", "auditor"] {
        database.export_as(auth, &mut out, |_, _| {}).unwrap();
    }
    database
        .export_blocks(None, None, &mut out, |_, _| {})
        .unwrap();
    let mut text = String::from_utf8(out).unwrap();
    write!(text, "{:?}{:?}", database.verify().unwrap(), people.folder).unwrap();
    for row in people.trail() {
        text += &row.to_string();
    }
    text
}

#[test]
fn no_door_shows_a_sealed_value_its_parts_or_its_hash() {
    let mut world = World::new("ann");
    let secrets = world.secrets();
    let head = world.people.folder.database().head().t.0;
    let mut answered = BTreeMap::new();
    for asked in requests(&world.anns, head) {
        let (_, path, body) = &asked;
        for (who, token) in &world.askers {
            let shown = world.send(&asked, token.as_deref());
            *answered.entry(*who).or_insert(0) += u32::from(shown.starts_with("200"));
            check_hidden(&secrets, who, &format!("{path} {body}"), &shown);
        }
    }
    // They are not all refused.
    for who in ["root", "owner", "auditor", "bearer"] {
        assert!(answered[who] > 70, "{answered:?}");
    }
    let text = written(&world.people);
    assert!(text.contains("password-set") && text.contains("_auth/id"));
    check_hidden(&secrets, "written", "", &text);
    // Nor is what was handed out in any of it.
    for secret in [
        &world.signed.token,
        &world.signed.refresh_token,
        &world.api.1,
    ] {
        assert!(!text.contains(secret.as_str()));
    }
    world.served = None;
    world.people.folder.close();
    let verified = verify_file(world.people.path(), "local/default", None);
    let verified = format!("{verified:?}");
    check_hidden(&secrets, "verify", "", &verified);
}

/// What the command line prints of a folder that no server has open.
#[cfg(feature = "cli")]
#[test]
fn no_command_shows_a_sealed_value_its_parts_or_its_hash() {
    let mut world = World::new("ann");
    let secrets = world.secrets();
    world.served = None;
    world.people.folder.close();
    let (dir, _kept) = world.people.leave();
    for arguments in [
        &["export"][..],
        &["export", "--as", "ann"],
        &["export", "--by", "block"],
        &["logs", "--limit", "1000"],
        &["logs", "--limit", "1000", "--json"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["verify"],
        &["verify", "--json"],
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_solon"));
        command.env_clear().args(arguments).arg("--data").arg(&dir);
        let out = command.output().unwrap();
        let shown = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        assert!(out.status.success(), "{arguments:?}: {shown}");
        check_hidden(&secrets, &arguments.join(" "), "", &shown);
    }
}

/// The text with what is random in it, or counts time, taken out: ids of tokens and requests, keys, hashes.
fn masked(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        if is_word(c) {
            word.push(c);
            continue;
        }
        let is_random = word.len() >= 16 && !word.bytes().all(|b| b.is_ascii_digit());
        out += if is_random { "*" } else { word.as_str() };
        word.clear();
        out.push(c);
    }
    out
}

#[test]
fn no_door_tells_whether_a_sealed_value_changed() {
    // The same is done in both at the same moments, but for whose password is changed at the end; and
    // in the one a right guess at the password's record is sent, in the other a wrong one.
    let (one, other) = (World::new("ann"), World::new("bob"));
    let head = one.people.folder.database().head().t.0;
    assert_eq!(head, other.people.folder.database().head().t.0);
    let mut wrong = other.anns.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    let all = requests(&one.anns, head).into_iter();
    for (asked, other_asked) in all.zip(requests(&wrong, head)) {
        let (_, path, body) = &asked;
        // The trail tells of passwords that are set, and who has the right to it reads that.
        if path.ends_with("/logs") {
            continue;
        }
        for ((who, token), (_, other_token)) in one.askers.iter().zip(&other.askers) {
            // Root alone is told how many flakes there are in all (law 15).
            if *who == "root" && path.ends_with("/ledger-stats") {
                continue;
            }
            let shown = masked(&one.send(&asked, token.as_deref()));
            let other_shown = masked(&other.send(&other_asked, other_token.as_deref()));
            assert_eq!(shown, other_shown, "{who} {path} {body}");
        }
    }
}

fn holds(path: &Path, pattern: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .windows(pattern.len())
        .any(|part| part == pattern.as_bytes())
}

#[test]
fn what_is_superseded_is_out_of_the_log_and_out_of_the_file_when_that_is_written_anew() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let root = people.folder.root_session(None).unwrap();
    people.root(&json!([{"_id": "_collection", "name": "note"},
        {"_id": "_predicate", "name": "note/text", "type": "string", "unique": true}]));
    people.root(&json!([{"_id": "note", "text": "away"}]));
    let request = SignIn {
        user: "ann".into(),
        password: "open sesame",
        expire_seconds: None,
        database: "local/default",
    };
    let mut signed = people.folder.sign_in(&request, Source::default()).unwrap();
    let mut gone = Vec::new();
    for n in 0..3 {
        root.reset_token(r#"{"user": "ann"}"#).unwrap();
        gone.extend(values(&people));
        people.clock.advance(Duration::from_secs(1));
        signed = people
            .folder
            .refresh(&signed.refresh_token, Source::default())
            .unwrap();
        let password = format!("close sesame {n}");
        people
            .folder
            .database()
            .set_password("ann", &password, OldTokens::Keep)
            .unwrap();
    }
    root.reset_token(r#"{"user": "ann"}"#).unwrap();
    let stands = values(&people);
    gone.retain(|it| !stands.contains(it));
    assert_eq!(
        (stands.len(), gone.len()),
        (3, 9),
        "a password, a reset token, a refresh token; each three times before"
    );
    let check = |file: PathBuf| {
        for value in &stands {
            assert!(holds(&file, value), "{value}");
        }
        for value in &gone {
            assert!(!holds(&file, value), "{value}");
        }
    };
    // What is made of the log alone.
    let copy = people.path().join("copy.redb");
    std::fs::copy(people.file(), &copy).unwrap();
    let store = Store::open(&copy).unwrap();
    store.verify().unwrap();
    let again = people.path().join("again.redb");
    let rebuilt = Store::create(&again, store.incarnation()).unwrap();
    drop(Store::rebuild(&store, rebuilt).unwrap());
    check(again);
    // The file itself, once it is written anew.
    people.root(&json!([{"_id": [ "note/text", "away"], "_action": "erase"}]));
    check(people.file());
    people.folder.database().verify().unwrap();
    assert!(
        people
            .folder
            .refresh(&signed.refresh_token, Source::default())
            .is_ok()
    );
}
