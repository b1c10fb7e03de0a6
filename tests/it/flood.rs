//! Floods of bad tokens and of sign-ins, while others go on with their work. What is counted is work, not time: checks
//! of passwords, tokens that are remembered, rows of the trail, blocks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use solon::base::limits::{LOCKOUT_FAILURES_MAX, SLOW_DOWN_FAILURES_MAX};
use solon::db::{SignIn, Source};
use solon::model::{Incarnation, SubjectId};
use solon::server::Mode;
use solon::token::{ApiToken, Expected, Grant, Keys, TokenId, Verifier};

use crate::support::served::serve_folder;
use crate::support::{People, START_MS};

const THREADS: u32 = 8;

fn from(number: u32) -> Source {
    Source::from(IpAddr::V4(Ipv4Addr::from_bits(0xC000_0200 + number)))
}

/// The code of a sign-in that is none.
fn wrong(people: &People, user: &str, source: Source) -> &'static str {
    let request = SignIn {
        user: user.into(),
        password: "open sesam",
        expire_seconds: None,
        database: "local/default",
    };
    people.folder.sign_in(&request, source).unwrap_err().code()
}

fn right(people: &People, user: &str, source: Source) -> Result<String, &'static str> {
    let request = SignIn {
        user: user.into(),
        password: "open sesame",
        expire_seconds: None,
        database: "local/default",
    };
    let told = people.folder.sign_in(&request, source);
    told.map(|signed| signed.token)
        .map_err(|error| error.code())
}

/// Runs this on some threads, each with its number.
fn on_threads(run: impl Fn(u32) + Sync) {
    let run = &run;
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            scope.spawn(move || run(number));
        }
    });
}

#[test]
fn no_more_passwords_are_checked_than_may_fail_however_many_are_sent_at_once() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    for user in ["ann", "nobody"] {
        let before = people.folder.password_checks();
        let refused = AtomicU64::new(0);
        on_threads(|_| {
            for _ in 0..25 {
                match wrong(&people, user, from(1)) {
                    "db/invalid-password" => {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    code => assert_eq!(code, "db/locked-out"),
                }
            }
        });
        let failures = u64::try_from(LOCKOUT_FAILURES_MAX).unwrap();
        assert_eq!(refused.into_inner(), failures, "{user}");
        assert_eq!(people.folder.password_checks() - before, failures, "{user}");
        // From everywhere: so many in all, and then one in ten seconds.
        on_threads(|thread| {
            for n in 0..25 {
                let code = wrong(&people, user, from(100 + thread * 25 + n));
                assert!(["db/invalid-password", "db/locked-out"].contains(&code));
            }
        });
        let checks = people.folder.password_checks() - before;
        let most = u64::try_from(SLOW_DOWN_FAILURES_MAX).unwrap() + 1;
        assert!(checks <= most, "{user}: {checks}");
    }
    // A sign-in that fails makes no block.
    assert!(people.trail().len() < 100);
}

#[test]
fn a_flood_of_sign_ins_leaves_tokens_queries_and_writes_as_they_are() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people.user("bob", Some("open sesame"));
    let home = from(7);
    let token = right(&people, "ann", home).unwrap();
    let is_done = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    let before = people.folder.password_checks();
    let head = people.folder.database().head().t;
    let mut signed_in = 0;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (people, is_done, sent) = (&people, &is_done, &sent);
            scope.spawn(move || {
                let mut number = 0;
                while !is_done.load(Ordering::SeqCst) && number < 500 {
                    // Another name each time, so that none is ever locked out.
                    let user = format!("user-{thread}-{number}");
                    if wrong(people, &user, from(thread)) == "db/invalid-password" {
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                    number += 1;
                }
            });
        }
        for n in 0..30 {
            let session = people.folder.session(&token, None).unwrap();
            let asked = session.query(r#"{"select": ["username"], "from": "_user"}"#);
            assert!(asked.unwrap().body.contains("ann"));
            people.root(&json!([{"_id": ["_auth/id", "bob"], "doc": format!("{n}")}]));
            // Whoever knows the password comes in meanwhile.
            signed_in += u64::from(right(&people, "ann", home).is_ok());
        }
        is_done.store(true, Ordering::SeqCst);
    });
    assert_eq!(signed_in, 30);
    let checks = people.folder.password_checks() - before;
    assert_eq!(
        checks,
        sent.into_inner() + signed_in,
        "one check for each that was answered"
    );
    let blocks = people.folder.database().head().t.0 - head.0;
    assert_eq!(blocks, 30 + signed_in, "what failed made none");
}

#[test]
fn bad_tokens_are_not_remembered_and_good_ones_stay() {
    const LIFE: Incarnation = Incarnation([7; 16]);
    let expected = Expected {
        audience: "local/default",
        incarnation: LIFE,
    };
    let sign = |keys: &Keys, n: u32| {
        let grant = Grant {
            subject: SubjectId::from_raw((6 << 44) + 7).unwrap(),
            audience: "local/default",
            incarnation: LIFE,
            issued_at_s: START_MS / 1_000,
            lifetime_seconds: Some(60),
            id: TokenId::new(&format!("id-{n}")).unwrap(),
        };
        keys.sign(&grant).unwrap()
    };
    let keys = Keys::ephemeral(&[1; 32]).unwrap();
    let strangers = Keys::ephemeral(&[2; 32]).unwrap();
    let good = sign(&keys, 0);
    let verifier = Verifier::new(Arc::new(keys));
    let first = verifier.verify(&good, &expected, START_MS).unwrap();
    for n in 0..400 {
        let foreign = sign(&strangers, n);
        let (message, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = foreign.rsplit_once('.').unwrap();
        for bad in [
            foreign.as_str(),
            &format!("{message}.{signature}"),
            &format!("{good}{n}"),
            &n.to_string(),
        ] {
            assert!(verifier.verify(bad, &expected, START_MS).is_err());
        }
        assert_eq!(verifier.remembered(), 1);
    }
    let again = verifier.verify(&good, &expected, START_MS).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it was proved once");
}

#[test]
fn a_flood_of_bad_tokens_over_http_makes_no_block_and_a_row_or_two() {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    let token = right(&people, "ann", from(7)).unwrap();
    let served = serve_folder(people.folder.clone(), Mode::Closed, None);
    let (head, rows) = (people.folder.database().head().t, people.trail().len());
    let checks = people.folder.password_checks();
    let incarnation = people.folder.database().incarnation();
    let query = r#"{"select": ["username"], "from": "_user"}"#;
    on_threads(|thread| {
        for n in 0..20 {
            let stranger = ApiToken::generate(incarnation).unwrap();
            for bad in [
                stranger.text(),
                "solon_",
                "solonr_x",
                &format!("{token}{thread}{n}"),
                "x",
            ] {
                assert_eq!(served.post("query", bad, None, query).status, 401);
            }
            assert_eq!(served.post("query", &token, None, query).status, 200);
            let refresh = json!({"refresh_token": format!("solonr_{thread}{n}")}).to_string();
            let headers = [("content-type", "application/json")];
            let refused = served.send("POST", "/api/db/refresh", &headers, refresh.as_bytes());
            assert_eq!(refused.status, 401);
        }
    });
    assert_eq!(people.folder.database().head().t, head);
    assert_eq!(people.folder.password_checks(), checks);
    let told = people.trail().len() - rows;
    assert!(
        (1..=3).contains(&told),
        "{told} rows for a thousand refusals"
    );
}
