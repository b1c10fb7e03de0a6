//! What signing in costs over the password's own cost, and how fast ten thousand tokens end.
//!
//! 1. Sign-ins: as many callers as there are cores, each signing in users of its own. The floor is what the same callers
//!    do in argon2id checks alone, at the cost that records have. Unit: sign-ins a second, and their ratio to the floor.
//! 2. Refreshes: one family, one after the other; the floor is what the disk's syncs allow, told by a transaction of one
//!    flake. Unit: a second.
//! 3. Revocation: ten thousand API tokens of one auth, all tried once; then all are ended by one request, and all tried
//!    again. Told: how long that request takes, how many were still taken after it, and how long a try takes.
//!
//! Run with `cargo bench --no-default-features --bench people`.
#![allow(clippy::cast_precision_loss, reason = "ratios need no more than that")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::Instant;

use serde_json::json;
use solon::db::{Folder, OldTokens, Options, SignIn, Source, UserName};
use solon::token::{PasswordCheck, PasswordCost, check_password, hash_password};

const PASSWORD: &str = "correct horse battery staple";
/// Checks of one caller in one round.
const CHECKS: usize = 20;
const ROUNDS: usize = 3;
const TOKENS: usize = 10_000;
const MINTERS: usize = 32;
const REFRESHES: usize = 500;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::open(directory.path(), &Options::default()).unwrap();
    let callers = available_parallelism().map_or(2, usize::from);
    sign_ins(&folder, callers);
    refreshes(&folder);
    revocation(&folder);
}

fn user(folder: &Folder, name: &str) {
    let items = json!([
        {"_id": "_auth$a", "id": name, "type": "password", "roles": [["_role/id", "user"]]},
        {"_id": "_user", "username": name, "auth": ["_auth$a"]},
    ]);
    let database = folder.database();
    database.transact(&items.to_string()).unwrap();
    database
        .set_password(name, PASSWORD, OldTokens::Keep)
        .unwrap();
}

fn sign_in(folder: &Folder, name: &str) -> solon::db::SignedIn {
    let who = SignIn {
        user: UserName::from(name),
        password: PASSWORD,
        expire_seconds: None,
        database: Folder::DEFAULT,
    };
    folder.sign_in(&who, Source::default()).unwrap()
}

fn sign_ins(folder: &Folder, callers: usize) {
    let roles = json!([
        {"_id": "_role", "id": "user", "rules": [
            {"_id": "_rule", "id": "reads", "collection": "_user", "predicates": ["_user/username"],
             "fns": [["_fn/name", "true"]], "ops": ["query"]},
            {"_id": "_rule", "id": "mints", "collection": "_auth", "predicates": ["*"],
             "fns": [["_fn/name", "true"]], "ops": ["query", "token"]}]},
    ]);
    folder.database().transact(&roles.to_string()).unwrap();
    for caller in 0..callers {
        user(folder, &format!("user{caller}"));
    }
    let cost = PasswordCost::default();
    let record = hash_password(PASSWORD, &cost).unwrap();
    let (mut floor, mut told) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        floor = floor.min(seconds(|| {
            scope(|scope| {
                for _ in 0..callers {
                    scope.spawn(|| {
                        for _ in 0..CHECKS {
                            let check = check_password(PASSWORD, Some(&record), &cost).unwrap();
                            assert_eq!(check, PasswordCheck::Yes);
                        }
                    });
                }
            });
        }));
        told = told.min(seconds(|| {
            scope(|scope| {
                for caller in 0..callers {
                    scope.spawn(move || {
                        for _ in 0..CHECKS {
                            sign_in(folder, &format!("user{caller}"));
                        }
                    });
                }
            });
        }));
    }
    let rate = |took: f64| (callers * CHECKS) as f64 / took;
    println!(
        "argon2id checks, the floor, {callers} callers {:>8.1} /s",
        rate(floor)
    );
    println!(
        "sign-ins                    {callers} callers {:>8.1} /s  {:.2}",
        rate(told),
        floor / told
    );
}

fn refreshes(folder: &Folder) {
    let mut refresh = sign_in(folder, "user0").refresh_token;
    let refreshed = seconds(|| {
        for _ in 0..REFRESHES {
            refresh = folder
                .refresh(&refresh, Source::default())
                .unwrap()
                .refresh_token;
        }
    });
    let database = folder.database();
    let plain = seconds(|| {
        for number in 0..REFRESHES {
            let item = json!([{"_id": ["_user/username", "user0"], "doc": number.to_string()}]);
            database.transact(&item.to_string()).unwrap();
        }
    });
    let rate = |took: f64| REFRESHES as f64 / took;
    println!("transactions, the floor     {:>8.0} /s", rate(plain));
    println!(
        "refreshes                   {:>8.0} /s  {:.2}",
        rate(refreshed),
        plain / refreshed
    );
}

fn revocation(folder: &Folder) {
    let bearer = sign_in(folder, "user0").token;
    let bearer = folder.session(&bearer, None).unwrap();
    let auth = bearer.auth().raw();
    let made = AtomicUsize::new(0);
    let mut tokens = Vec::new();
    let minted = seconds(|| {
        scope(|scope| {
            let minters: Vec<_> = (0..MINTERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut own = Vec::new();
                        while made.fetch_add(1, Ordering::Relaxed) < TOKENS {
                            let body = json!({"auth": auth, "kind": "api", "name": "robot"});
                            own.push(bearer.token(&body.to_string()).unwrap().token);
                        }
                        own
                    })
                })
                .collect();
            for minter in minters {
                tokens.extend(minter.join().unwrap());
            }
        });
    });
    println!(
        "API tokens minted, {MINTERS} callers {:>8.0} /s",
        TOKENS as f64 / minted
    );
    let taken = |tokens: &[String]| {
        let is_good = |token: &&String| folder.session(token, None).is_ok();
        tokens.iter().filter(is_good).count()
    };
    let mut before = 0;
    let tried = seconds(|| before = taken(&tokens));
    assert_eq!(before, TOKENS);
    let revoked = seconds(|| {
        let answer = bearer.revoke(&json!({"all": true}).to_string());
        answer.unwrap();
    });
    let mut after = TOKENS;
    let refused = seconds(|| after = taken(&tokens));
    assert_eq!(after, 0);
    let each = |took: f64| took / TOKENS as f64 * 1e6;
    println!(
        "{TOKENS} live tokens ended by one request in {:.2} ms; taken after it: {after}",
        revoked * 1e3
    );
    println!(
        "a try costs {:.1} us before and {:.1} us after; the last was refused {:.1} ms after the request began",
        each(tried),
        each(refused),
        (revoked + refused) * 1e3
    );
}
