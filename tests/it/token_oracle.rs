//! The law of rules on `_token`, transcribed slowly, against lists and revocations on random worlds: every bearer sees
//! and may revoke its own; of others' it sees what the rules show, and ends what they let it write.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use solon::db::{ListedToken, TokenState};

use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Bearers, ask};

const PREDICATES: [&str; 6] = ["id", "auth", "kind", "name", "issued", "expires"];
const AUTHS: usize = 4;

/// What a function of a rule says of a token's name; `None` is an error.
type Meaning = fn(&Token) -> Option<bool>;

/// Functions, each with its text and its meaning.
const FUNCTIONS: [(&str, Meaning); 6] = [
    ("true", |_| Some(true)),
    ("false", |_| Some(false)),
    ("(== (get (?s) \"_token/name\") \"n1\")", |it| {
        Some(it.name == "n1")
    }),
    ("(not (== (get (?s) \"_token/name\") \"n1\"))", |it| {
        Some(it.name != "n1")
    }),
    // Nothing is revoked before, and what is written is judged on the state after too.
    ("(nil? (get (?s) \"_token/revoked\"))", |it| {
        Some(!it.is_revoked)
    }),
    // A comparison with what is absent.
    ("(== (get (?s) \"_token/family\") \"f\")", |_| None),
];

#[derive(Clone, Debug)]
struct Token {
    id: String,
    auth: usize,
    name: &'static str,
    is_revoked: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    is_deny: bool,
    is_default: bool,
    /// Names of predicates, or `*`; a default has none.
    predicates: Vec<&'static str>,
    function: usize,
    ops: Vec<&'static str>,
}

struct World {
    data: Bearers,
    /// Of each auth, its roles.
    roles: Vec<Vec<Vec<Rule>>>,
    /// Of each auth, those whose `_auth/id` it sees.
    seen: Vec<BTreeSet<usize>>,
    tokens: Vec<Token>,
}

impl Rule {
    fn random(random: &mut Random) -> Self {
        let is_default = random.one_in(3);
        let mut predicates: Vec<&'static str> = Vec::new();
        if !is_default {
            for p in [
                "id", "id", "auth", "kind", "name", "issued", "expires", "revoked", "*",
            ] {
                if random.one_in(4) && !predicates.contains(&p) {
                    predicates.push(p);
                }
            }
            if predicates.is_empty() {
                predicates.push("*");
            }
        }
        Self {
            is_deny: random.one_in(7),
            is_default,
            predicates,
            function: random.index(FUNCTIONS.len()),
            ops: random
                .pick(&[
                    vec!["query"],
                    vec!["transact"],
                    vec!["all"],
                    vec!["query", "transact"],
                ])
                .clone(),
        }
    }

    fn json(&self, id: &str, function: &str) -> Value {
        let mut rule = json!({"_id": "_rule", "id": id, "collection": "_token", "fns": [["_fn/name", function]],
            "ops": self.ops});
        if self.is_default {
            rule["collectionDefault"] = json!(true);
        } else {
            let of = |p: &&str| {
                if *p == "*" {
                    "*".to_owned()
                } else {
                    format!("_token/{p}")
                }
            };
            rule["predicates"] = json!(self.predicates.iter().map(of).collect::<Vec<_>>());
        }
        if self.is_deny {
            rule["effect"] = json!("deny");
        }
        rule
    }

    fn is_of(&self, op: &str) -> bool {
        self.ops.contains(&op) || self.ops.contains(&"all")
    }

    fn names(&self, p: &str) -> bool {
        self.predicates.contains(&p) || self.predicates.contains(&"*")
    }

    fn truth(&self, token: &Token) -> Option<bool> {
        (FUNCTIONS[self.function].1)(token)
    }
}

impl World {
    fn random(random: &mut Random) -> Self {
        let data = Bearers::new();
        for (n, (code, _)) in FUNCTIONS.iter().enumerate() {
            if *code != "true" && *code != "false" {
                data.root(&json!([{"_id": "_fn", "name": format!("f{n}"), "code": code}]));
            }
        }
        let name_of = |n: usize| match FUNCTIONS[n].0 {
            "true" | "false" => FUNCTIONS[n].0.to_owned(),
            _ => format!("f{n}"),
        };
        let (mut roles, mut seen) = (Vec::new(), Vec::new());
        for auth in 0..AUTHS {
            let mut held = Vec::new();
            let mut items = Vec::new();
            for role in 0..=random.index(2) {
                let rules: Vec<Rule> = (0..random.index(5)).map(|_| Rule::random(random)).collect();
                let made = rules.iter().enumerate();
                let made = made
                    .map(|(n, it)| it.json(&format!("r{auth}-{role}-{n}"), &name_of(it.function)));
                items.push(json!({"_id": "_role", "id": format!("role{auth}-{role}"), "rules": made.collect::<Vec<_>>()}));
                held.push(rules);
            }
            let shown: BTreeSet<usize> = (0..AUTHS).filter(|_| random.one_in(2)).collect();
            let mut rules = vec![
                json!({"_id": "_rule", "id": format!("u{auth}"), "collection": "_user",
                "predicates": ["_user/doc"], "fns": [["_fn/name", "true"]], "ops": ["all"]}),
            ];
            for other in &shown {
                let code = format!("(== (get (?s) \"_auth/id\") \"a{other}\")");
                rules.push(
                    json!({"_id": "_rule", "id": format!("s{auth}-{other}"), "collection": "_auth",
                    "predicates": ["_auth/id"], "ops": ["query"],
                    "fns": [{"_id": "_fn", "name": format!("s{auth}-{other}"), "code": code}]}),
                );
            }
            items.push(json!({"_id": "_role", "id": format!("sees{auth}"), "rules": rules}));
            data.root(&json!([{"_id": "_auth", "id": format!("a{auth}"), "roles": items}]));
            roles.push(held);
            seen.push(shown);
        }
        let mut tokens = Vec::new();
        for _ in 0..10 {
            let (auth, name) = (random.index(AUTHS), *random.pick(&["n1", "n2"]));
            let id = data.api(&format!("a{auth}"), name).id.unwrap();
            tokens.push(Token {
                id,
                auth,
                name,
                is_revoked: false,
            });
        }
        Self {
            data,
            roles,
            seen,
            tokens,
        }
    }

    /// Laws 2, 3, 5 and 7, for one predicate of one token.
    fn allows(&self, by: usize, op: &str, token: &Token, p: &str) -> bool {
        let rules = || self.roles[by].iter().flatten();
        let denied = rules().any(|it| {
            it.is_deny
                && it.is_of(op)
                && (it.is_default || it.names(p))
                && it.truth(token) != Some(false)
        });
        !denied
            && self.roles[by].iter().any(|role| {
                let of = |is_default: bool| {
                    role.iter().filter(move |it| {
                        !it.is_deny && it.is_of(op) && it.is_default == is_default
                    })
                };
                let explicit: Vec<&Rule> = of(false).filter(|it| it.names(p)).collect();
                if explicit.is_empty() {
                    of(true).any(|it| it.truth(token) == Some(true))
                } else {
                    explicit.iter().any(|it| it.truth(token) == Some(true))
                }
            })
    }

    /// Law 8: a fact is seen; a ref only to what is seen.
    fn sees(&self, by: usize, token: &Token, p: &str) -> bool {
        let shows = token.auth == by || self.allows(by, "query", token, p);
        shows && (p != "auth" || token.auth == by || self.seen[by].contains(&token.auth))
    }

    fn revoke(&self, by: usize, token: &Token) -> Result<(), &'static str> {
        if token.auth == by || (token.is_revoked && self.sees(by, token, "id")) {
            return Ok(());
        }
        if !self.sees(by, token, "id") {
            return Err("db/not-found");
        }
        let mut after = token.clone();
        after.is_revoked = true;
        let may = self.allows(by, "transact", token, "revoked")
            && self.allows(by, "transact", &after, "revoked");
        if may {
            Ok(())
        } else {
            Err("db/write-permission")
        }
    }

    fn check_lists(&self) {
        for by in 0..AUTHS {
            let session = self
                .data
                .session(&self.data.token(&format!("a{by}"), Some(60)));
            let listed = session.tokens("").unwrap();
            let expected: Vec<&Token> = self
                .tokens
                .iter()
                .rev()
                .filter(|it| self.sees(by, it, "id"))
                .collect();
            let ids = |it: &ListedToken| it.id.clone();
            assert_eq!(
                listed.iter().map(ids).collect::<Vec<_>>(),
                expected.iter().map(|it| it.id.clone()).collect::<Vec<_>>(),
                "a{by} {:#?}",
                self.roles[by]
            );
            for (told, token) in listed.iter().zip(expected) {
                let shown = [
                    true,
                    told.auth.is_some(),
                    told.kind.is_some(),
                    told.name.is_some(),
                    told.issued_ms.is_some(),
                    told.expires_ms.is_some(),
                ];
                let sees = PREDICATES.map(|p| self.sees(by, token, p));
                assert_eq!(shown, sees, "a{by} {token:?} {:#?}", self.roles[by]);
                let is_seen_revoked = token.is_revoked && self.sees(by, token, "revoked");
                let state = if is_seen_revoked {
                    TokenState::Revoked
                } else {
                    TokenState::Live
                };
                assert_eq!(told.state, state);
            }
            // A query tells the same of them.
            let asked = session
                .query(r#"{"select": ["_token/id"], "from": "_token"}"#)
                .unwrap()
                .body;
            for token in &self.tokens {
                assert_eq!(
                    asked.contains(&token.id),
                    self.sees(by, token, "id"),
                    "a{by} {token:?}"
                );
            }
        }
    }
}

#[test]
fn lists_and_revocations_are_what_the_law_says_of_rules_on_tokens() {
    let test = "lists_and_revocations_are_what_the_law_says_of_rules_on_tokens";
    let mut told = [0; 3];
    for seed in seeds(12) {
        let _repeat = Repeat { test, seed };
        let random = &mut Random::new(seed);
        let mut world = World::random(random);
        world.check_lists();
        for _ in 0..16 {
            let (by, of) = (random.index(AUTHS), random.index(world.tokens.len()));
            let token = world.tokens[of].clone();
            let session = world.data.mint(
                &world.data.folder.root_token(60).unwrap(),
                &ask(&format!("a{by}"), Some(60)),
            );
            let session = world.data.session(&session.unwrap().token);
            let revoked = session.revoke(&json!({"token": token.id}).to_string());
            let revoked = revoked.map(drop).map_err(|error| error.code());
            let expected = world.revoke(by, &token);
            assert_eq!(revoked, expected, "a{by} {token:?} {:#?}", world.roles[by]);
            told[match expected {
                Ok(()) => 0,
                Err("db/not-found") => 1,
                Err(_) => 2,
            }] += 1;
            world.tokens[of].is_revoked |= expected.is_ok();
        }
        world.check_lists();
    }
    assert!(
        told.iter().all(|it| *it > 0) || std::env::var("SOLON_SEED").is_ok(),
        "{told:?}"
    );
}
