//! Refresh tokens: rotated, repeated, used twice, at one time and on a disk that fails.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use solon::Error;
use solon::db::{SignIn, SignedIn, Source};

use crate::support::People;

fn sign_in(people: &People, user: &str) -> SignedIn {
    let request = SignIn {
        user: user.into(),
        password: "open sesame",
        expire_seconds: None,
        database: "local/default",
    };
    people.folder.sign_in(&request, Source::default()).unwrap()
}

fn refresh(people: &People, token: &str) -> Result<SignedIn, Error> {
    people.folder.refresh(token, Source::default())
}

fn code(people: &People, token: &str) -> &'static str {
    refresh(people, token).unwrap_err().code()
}

fn ann() -> People {
    let people = People::new();
    people.user("ann", Some("open sesame"));
    people
}

#[test]
fn a_refresh_token_is_good_once_and_its_successor_next() {
    let people = ann();
    let mut signed = sign_in(&people, "ann");
    let mut seen = BTreeSet::from([signed.refresh_token.clone()]);
    for _ in 0..3 {
        people.clock.advance(Duration::from_secs(301));
        signed = refresh(&people, &signed.refresh_token).unwrap();
        assert!(people.folder.session(&signed.token, None).is_ok());
        assert_eq!(
            (signed.expires_in, signed.refresh_expires_in),
            (300, 1_209_600)
        );
        assert!(seen.insert(signed.refresh_token.clone()));
    }
    assert_eq!(people.trail()[0]["event"], "refreshed");
}

#[test]
fn a_repeat_within_half_a_minute_gets_the_same_successor_and_writes_nothing() {
    let people = ann();
    let first = sign_in(&people, "ann");
    let second = refresh(&people, &first.refresh_token).unwrap();
    let head = people.folder.database().head();
    for seconds in [0, 29, 1] {
        people.clock.advance(Duration::from_secs(seconds));
        let again = refresh(&people, &first.refresh_token).unwrap();
        assert_eq!(again.refresh_token, second.refresh_token);
        assert!(people.folder.session(&again.token, None).is_ok());
    }
    assert_eq!(people.folder.database().head(), head);
    people.clock.advance(Duration::from_millis(1));
    assert_eq!(code(&people, &first.refresh_token), "db/invalid-token");
    assert_eq!(code(&people, &second.refresh_token), "db/invalid-token");
    assert_eq!(people.trail()[0]["event"], "refresh-reused");
}

#[test]
fn a_repeat_of_what_was_used_and_whose_successor_was_used_ends_the_family() {
    let people = ann();
    let other = sign_in(&people, "ann");
    let first = sign_in(&people, "ann");
    let second = refresh(&people, &first.refresh_token).unwrap();
    let third = refresh(&people, &second.refresh_token).unwrap();
    assert_eq!(code(&people, &first.refresh_token), "db/invalid-token");
    assert_eq!(code(&people, &second.refresh_token), "db/invalid-token");
    assert_eq!(code(&people, &third.refresh_token), "db/invalid-token");
    assert!(refresh(&people, &other.refresh_token).is_ok());
}

#[test]
fn what_these_keys_did_not_make_touches_nothing() {
    let people = ann();
    let signed = sign_in(&people, "ann");
    let head = people.folder.database().head();
    let rows = people.trail().len();
    let stranger = ann();
    let of_another = sign_in(&stranger, "ann").refresh_token;
    let mut forged = signed.refresh_token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    for token in ["", "solonr_", &forged, &of_another, &signed.token] {
        assert_eq!(code(&people, token), "db/invalid-token");
    }
    assert_eq!(people.folder.database().head(), head);
    assert_eq!(people.trail().len(), rows);
    assert!(refresh(&people, &signed.refresh_token).is_ok());
}

#[test]
fn a_family_ends_when_it_is_not_used_and_after_a_year_in_all() {
    let people = ann();
    let day = Duration::from_secs(86_400);
    let idle = sign_in(&people, "ann");
    people.clock.advance(14 * day);
    assert_eq!(code(&people, &idle.refresh_token), "db/expired-token");
    let mut signed = sign_in(&people, "ann");
    for _ in 0..36 {
        people.clock.advance(10 * day);
        signed = refresh(&people, &signed.refresh_token).unwrap();
    }
    assert_eq!(signed.refresh_expires_in, 5 * 86_400);
    people.clock.advance(Duration::from_secs(5 * 86_400 - 1));
    let last = refresh(&people, &signed.refresh_token).unwrap();
    assert_eq!((last.expires_in, last.refresh_expires_in), (1, 1));
    people.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&people, &last.refresh_token), "db/expired-token");
}

#[test]
fn the_family_of_who_holds_root_ends_within_the_hour() {
    let people = ann();
    people.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]));
    let mut signed = sign_in(&people, "ann");
    assert_eq!(signed.refresh_expires_in, 3_599);
    for _ in 0..3 {
        people.clock.advance(Duration::from_secs(1_000));
        signed = refresh(&people, &signed.refresh_token).unwrap();
    }
    people.clock.advance(Duration::from_secs(590));
    let last = refresh(&people, &signed.refresh_token).unwrap();
    assert_eq!((last.expires_in, last.refresh_expires_in), (9, 9));
    people.clock.advance(Duration::from_secs(9));
    assert_eq!(code(&people, &last.refresh_token), "db/expired-token");
    // Whoever comes to hold root later has no longer.
    people.root(
        &json!([{"_id": "_auth$b", "id": "bo", "type": "password", "roles": []},
                        {"_id": "_user", "username": "bo", "auth": ["_auth$b"]}]),
    );
    people
        .folder
        .database()
        .set_password("bo", "open sesame", solon::db::OldTokens::Keep)
        .unwrap();
    let signed = sign_in(&people, "bo");
    people.clock.advance(Duration::from_secs(3_599));
    people.root(&json!([{"_id": ["_auth/id", "bo"], "roles": [["_role/id", "root"]]}]));
    assert_eq!(code(&people, &signed.refresh_token), "db/expired-token");
}

#[test]
fn what_ends_an_auth_or_its_tokens_ends_its_families() {
    for change in [
        json!([{"_id": ["_auth/id", "ann"], "disabled": true}]),
        json!([{"_id": ["_auth/id", "ann"], "validAfter": crate::support::START_MS + 1_000}]),
        json!([{"_id": ["_user/username", "ann"], "auth": null}]),
        json!([{"_id": ["_auth/id", "ann"], "_action": "delete"}]),
    ] {
        let people = ann();
        let signed = sign_in(&people, "ann");
        people.clock.advance(Duration::from_secs(1));
        people.root(&change);
        assert_eq!(
            code(&people, &signed.refresh_token),
            "db/invalid-token",
            "{change}"
        );
    }
}

#[test]
fn any_number_that_refresh_at_one_time_get_the_same_successor() {
    let people = ann();
    let mut signed = sign_in(&people, "ann");
    for _ in 0..5 {
        let token = signed.refresh_token.clone();
        let got: Vec<SignedIn> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| refresh(&people, &token).unwrap()))
                .collect();
            asking.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let successors: BTreeSet<&str> = got.iter().map(|it| it.refresh_token.as_str()).collect();
        assert_eq!(successors.len(), 1);
        signed = got.into_iter().next().unwrap();
    }
    assert!(
        people
            .trail()
            .iter()
            .all(|row| row["event"] != "refresh-reused")
    );
}
