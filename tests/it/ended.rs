//! `_setting/validAfter`: all tokens of a database end at once, of whatever kind, and new ones are good at once.

use std::time::Duration;

use serde_json::{Value, json};
use solon::db::{SignIn, Source, UserName};

use crate::support::{Bearers, People, START_MS, rule};

const PASSWORD: &str = "correct horse battery";

fn instant(ms: i64) -> Value {
    json!(ms)
}

#[test]
fn every_token_of_the_database_ends_and_a_new_one_is_good() {
    let data = Bearers::new();
    let reads = rule("reads", "_role", &["_role/id"], "true", &["query"]);
    data.root(&json!([
        {"_id": "_auth", "id": "ann", "roles": [{"_id": "_role", "id": "r", "rules": [reads]}]},
    ]));
    let (short, long) = (data.token("ann", Some(60)), data.token("ann", None));
    let api = data.api("ann", "robot").token;
    let root = data.folder.root_token(60).unwrap();
    let all = [&short, &long, &api, &root];
    data.clock.advance(Duration::from_millis(1_500));
    assert!(all.iter().all(|token| data.code(token).is_none()));

    let set = |ms: i64| {
        let items = json!([{"_id": ["_setting/id", "root"], "validAfter": instant(ms)}]);
        let told = data.folder.database().transact(&items.to_string());
        told.map(drop).map_err(|error| error.message().to_owned())
    };
    assert_eq!(set(START_MS + 1_400), Ok(()));
    for token in all {
        assert_eq!(data.code(token), Some("db/invalid-token"));
    }
    // The second in which it was set is theirs: a new one is issued at its end.
    for token in [
        data.token("ann", Some(60)),
        data.folder.root_token(60).unwrap(),
    ] {
        assert_eq!(data.code(&token), None);
    }
    assert_eq!(data.code(&data.api("ann", "next").token), None);

    for (ms, why) in [
        (START_MS + 1_399, "`_setting/validAfter` only moves forward"),
        (
            START_MS + 1_501,
            "`_setting/validAfter` is not in the future",
        ),
    ] {
        assert!(set(ms).unwrap_err().contains(why), "{ms}");
    }
    let gone = json!([{"_id": ["_setting/id", "root"], "validAfter": null}]);
    assert!(data.folder.database().transact(&gone.to_string()).is_err());
    assert_eq!(set(START_MS + 1_500), Ok(()));
}

#[test]
fn sign_ins_end_with_it_and_can_be_made_anew() {
    let people = People::new();
    people.user("ann", Some(PASSWORD));
    let sign_in = || {
        let who = SignIn {
            user: UserName::from("ann"),
            password: PASSWORD,
            expire_seconds: None,
            database: "local/default",
        };
        people.folder.sign_in(&who, Source::default()).unwrap()
    };
    let old = sign_in();
    people.clock.advance(Duration::from_secs(5));
    let setting = ["_setting/id", "root"];
    people.root(&json!([{"_id": setting, "validAfter": instant(START_MS + 5_000)}]));
    let refused = people
        .folder
        .refresh(&old.refresh_token, Source::default())
        .unwrap_err();
    assert_eq!(refused.code(), "db/invalid-token");
    assert!(people.folder.session(&old.token, None).is_err());
    let new = sign_in();
    assert!(people.folder.session(&new.token, None).is_ok());
    assert!(
        people
            .folder
            .refresh(&new.refresh_token, Source::default())
            .is_ok()
    );
}
