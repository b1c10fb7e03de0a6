//! What is kept of tokens: sign-ins and their long tokens, what is swept and what stays, lists that are long, and that
//! all of it is there after a restart.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use solon::base::limits::{
    TOKEN_RECORDS_LOOKED_AT_MAX, TOKEN_RECORDS_SWEPT_MAX, TOKENS_LISTED_MAX,
};
use solon::db::{OldTokens, SignIn, SignedIn, Source, TokenKind, TokenState};

use crate::support::{Bearers, rule};

const DAY: u64 = 86_400;

/// An auth with a user of the same name and a password.
fn user(data: &Bearers, name: &str) {
    data.auth(
        name,
        &[rule(
            &format!("{name}-names"),
            "_user",
            &["_user/username"],
            "true",
            &["query"],
        )],
    );
    data.root(&json!([{"_id": "_user", "username": name, "auth": [["_auth/id", name]]}]));
    let database = data.folder.database();
    database
        .set_password(name, "open sesame", OldTokens::Keep)
        .unwrap();
}

fn sign_in(data: &Bearers, user: &str, expire_seconds: Option<u64>) -> SignedIn {
    let request = SignIn {
        user: user.into(),
        password: "open sesame",
        expire_seconds,
        database: "local/default",
    };
    data.folder.sign_in(&request, Source::default()).unwrap()
}

fn refresh(data: &Bearers, signed: &SignedIn) -> Result<SignedIn, &'static str> {
    let told = data
        .folder
        .refresh(&signed.refresh_token, Source::default());
    told.map_err(|error| error.code())
}

fn revoke(data: &Bearers, by: &str, token: &str) -> Result<(), &'static str> {
    let told = data
        .session(by)
        .revoke(&json!({"token": token}).to_string());
    told.map(drop).map_err(|error| error.code())
}

#[test]
fn a_sign_in_ends_by_the_text_of_any_of_its_tokens_and_of_none_of_anothers() {
    for (life, by_refresh_token) in [
        (None, true),
        (None, false),
        (Some(2 * DAY), true),
        (Some(2 * DAY), false),
    ] {
        let data = Bearers::new();
        user(&data, "ann");
        user(&data, "bob");
        let (first, other) = (sign_in(&data, "ann", life), sign_in(&data, "ann", life));
        let next = refresh(&data, &first).unwrap();
        let bob = data.token("bob", Some(60));
        for text in [&first.token, &first.refresh_token, &next.refresh_token] {
            assert_eq!(revoke(&data, &bob, text), Err("db/not-found"));
        }
        assert_eq!(data.code(&first.token), None);
        // A refresh token that was used names its sign-in as the newest does.
        let shown = if by_refresh_token {
            &first.refresh_token
        } else {
            &first.token
        };
        assert_eq!(revoke(&data, &other.token, shown), Ok(()));
        for token in [&first.token, &next.token] {
            assert_eq!(data.code(token), Some("db/invalid-token"));
        }
        assert_eq!(refresh(&data, &next).err(), Some("db/invalid-token"));
        assert_eq!(data.code(&other.token), None);
        assert!(refresh(&data, &other).is_ok());
        // Twice is fine; a text of the same form that these keys did not make is none.
        assert_eq!(revoke(&data, &other.token, &next.refresh_token), Ok(()));
        let strangers = Bearers::new();
        user(&strangers, "ann");
        let foreign = sign_in(&strangers, "ann", None).refresh_token;
        assert_eq!(revoke(&data, &other.token, &foreign), Err("db/not-found"));
    }
}

#[test]
fn a_long_access_token_of_a_sign_in_has_a_record_and_dies_with_the_sign_in() {
    let data = Bearers::new();
    user(&data, "ann");
    let (at, past) = (
        sign_in(&data, "ann", Some(DAY)),
        sign_in(&data, "ann", Some(DAY + 1)),
    );
    let by = data.token("ann", Some(60));
    let own = |signed: &SignedIn| {
        data.session(&signed.token)
            .whoami("")
            .unwrap()
            .token
            .unwrap()
            .id
    };
    let listed = data.session(&by).tokens("").unwrap();
    // To the day the sign-in's record is enough; one second past it there is another.
    let kinds: Vec<_> = listed.iter().map(|it| it.kind.unwrap()).collect();
    assert_eq!(
        kinds,
        [TokenKind::Access, TokenKind::Refresh, TokenKind::Refresh]
    );
    assert_eq!(own(&at), listed[2].id);
    assert_eq!(own(&past), listed[0].id);
    // By the id of its record it ends alone.
    assert_eq!(revoke(&data, &by, &listed[0].id), Ok(()));
    assert_eq!(data.code(&past.token), Some("db/invalid-token"));
    let next = refresh(&data, &past).unwrap();
    assert_eq!(data.code(&next.token), None);
    // By that of the sign-in all of it ends.
    let long = sign_in(&data, "ann", Some(DAY + 1));
    let listed = data.session(&by).tokens("").unwrap();
    assert_eq!(revoke(&data, &by, &listed[1].id), Ok(()));
    assert_eq!(data.code(&long.token), Some("db/invalid-token"));
    let listed = data.session(&by).tokens("").unwrap();
    assert_eq!([listed[0].state, listed[1].state], [TokenState::Revoked; 2]);
    // A sign-in that is used twice ends its long token too.
    let twice = sign_in(&data, "ann", Some(DAY + 1));
    let second = refresh(&data, &twice).unwrap();
    refresh(&data, &second).unwrap();
    assert_eq!(refresh(&data, &twice).err(), Some("db/invalid-token"));
    assert_eq!(data.code(&twice.token), Some("db/invalid-token"));
}

/// Mints tokens for a minute, and gives their ids, oldest first.
fn minute_tokens(data: &Bearers, count: usize) -> Vec<String> {
    let root = data.folder.root_session(None).unwrap();
    let body =
        json!({"auth": ["_auth/id", "robot"], "kind": "api", "name": "it", "expireSeconds": 60})
            .to_string();
    (0..count)
        .map(|_| root.token(&body).unwrap().id.unwrap())
        .collect()
}

fn kept(data: &Bearers) -> Vec<String> {
    let root = data.folder.root_session(None).unwrap();
    let listed = root.tokens("").unwrap();
    listed.into_iter().map(|it| it.id).collect()
}

/// A folder where facts of somebody's own name this many records that ended, and nothing names one that is newer.
fn named_records(count: usize) -> (Bearers, String) {
    let data = Bearers::new();
    data.auth("robot", &[]);
    data.root(&json!([{"_id": "_collection", "name": "note"},
        {"_id": "_predicate", "name": "note/token", "type": "ref", "multi": true}]));
    let ids = minute_tokens(&data, count);
    let named: Vec<Value> = ids.iter().map(|id| json!(["_token/id", id])).collect();
    data.root(&json!([{"_id": "note", "token": named}]));
    data.clock.advance(Duration::from_secs(1));
    let free = minute_tokens(&data, 1).remove(0);
    data.clock.advance(Duration::from_secs(60 + DAY));
    data.clock.advance(Duration::from_millis(1));
    (data, free)
}

#[test]
fn a_sweep_looks_at_so_many_records_and_then_elsewhere() {
    let last = TOKEN_RECORDS_LOOKED_AT_MAX - 1;
    let (data, free) = named_records(last);
    minute_tokens(&data, 1);
    assert!(
        !kept(&data).contains(&free),
        "the last that is looked at goes"
    );
    assert_eq!(kept(&data).len(), last + 1, "what is named stays");
    // One more, and it is found within a few mints, from another place.
    let (data, free) = named_records(TOKEN_RECORDS_LOOKED_AT_MAX);
    let mut mints = 0;
    while kept(&data).contains(&free) {
        assert!(mints < 8, "it is never looked at");
        minute_tokens(&data, 1);
        mints += 1;
    }
    assert_eq!(kept(&data).len(), TOKEN_RECORDS_LOOKED_AT_MAX + mints);
    data.folder.database().verify().unwrap();
}

#[test]
fn a_mint_and_a_sign_in_take_so_many_records_away_and_no_more() {
    let data = Bearers::new();
    data.auth("robot", &[]);
    user(&data, "ann");
    minute_tokens(&data, 2 * TOKEN_RECORDS_SWEPT_MAX + 1);
    data.clock.advance(Duration::from_secs(61 + DAY));
    minute_tokens(&data, 1);
    assert_eq!(kept(&data).len(), TOKEN_RECORDS_SWEPT_MAX + 1 + 1);
    let signed = sign_in(&data, "ann", None);
    assert_eq!(kept(&data).len(), 1 + 1 + 1);
    let signed = refresh(&data, &signed).unwrap();
    assert_eq!(kept(&data).len(), 3, "a refresh takes none");
    // A sign-in stays while a token of it has a record, also when its own time is over.
    let long = sign_in(&data, "ann", Some(40 * DAY));
    data.clock.advance(Duration::from_secs(30 * DAY));
    assert_eq!(refresh(&data, &signed).err(), Some("db/expired-token"));
    for _ in 0..3 {
        minute_tokens(&data, 1);
    }
    assert_eq!(data.code(&long.token), None);
    assert_eq!(
        refresh(&data, &signed).err(),
        Some("db/invalid-token"),
        "its record went"
    );
    assert_eq!(refresh(&data, &long).err(), Some("db/expired-token"));
}

#[test]
fn a_list_has_a_thousand_and_goes_on_behind_them() {
    let data = Bearers::new();
    data.auth(
        "robot",
        &[rule("see", "_auth", &["_auth/id"], "true", &["query"])],
    );
    let ids = minute_tokens(&data, TOKENS_LISTED_MAX + 1);
    let robot = data.session(&data.token("robot", Some(60)));
    let root = data.folder.root_session(None).unwrap();
    for session in [&robot, &root] {
        let first = session.tokens("").unwrap();
        assert_eq!(first.len(), TOKENS_LISTED_MAX);
        assert_eq!(first[0].id, ids[TOKENS_LISTED_MAX]);
        let after = |id: &str| {
            let body = json!({"after": id}).to_string();
            session.tokens(&body).unwrap()
        };
        let rest = after(&first[TOKENS_LISTED_MAX - 1].id);
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].id, ids[0]);
        assert!(after(&ids[0]).is_empty());
    }
}

#[test]
fn a_restart_keeps_every_token_its_state_its_last_use_and_the_trail() {
    let data = Bearers::new();
    user(&data, "ann");
    user(&data, "bob");
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    let signed = sign_in(&data, "ann", None);
    let newest = refresh(&data, &signed).unwrap();
    let reused = sign_in(&data, "ann", None);
    let second = refresh(&data, &reused).unwrap();
    refresh(&data, &second).unwrap();
    assert!(refresh(&data, &reused).is_err());
    let long = sign_in(&data, "ann", Some(2 * DAY));
    let (api, revoked) = (data.api("ann", "a").token, data.api("ann", "b").token);
    let (short, ended) = (data.token("ann", Some(100)), data.token("ann", Some(100)));
    let forever = data.token("ann", None);
    for token in [&revoked, &ended] {
        assert_eq!(revoke(&data, &forever, token), Ok(()));
    }
    let bobs = data.api("bob", "c").token;
    let all = json!({"all": true}).to_string();
    data.session(&bobs).revoke(&all).unwrap();
    data.clock.advance(Duration::from_secs(3));
    data.clock.advance(Duration::from_secs(90));

    let tokens = [
        &signed.token,
        &newest.token,
        &reused.token,
        &second.token,
        &long.token,
        &api,
        &revoked,
        &short,
        &ended,
        &forever,
        &bobs,
    ];
    let told = |data: &Bearers| {
        let code = |it: &&String| {
            let told = data.folder.session_from(it, None, Source::from(address));
            told.err().map(|error| error.code())
        };
        let codes: Vec<_> = tokens.iter().map(code).collect();
        let listed = data.folder.root_session(None).unwrap().tokens("").unwrap();
        let events = data.folder.database().newest_events(1_000).unwrap();
        let rows: Vec<_> = events
            .iter()
            .map(|it| serde_json::to_value(it).unwrap())
            .collect();
        (codes, listed, rows, data.folder.database().head())
    };
    let before = told(&data);
    let data = data.again();
    let (codes, listed, rows, head) = told(&data);
    assert_eq!(codes, before.0);
    assert_eq!(listed, before.1);
    assert_eq!(rows, before.2);
    assert_eq!(head, before.3);
    let gone = Some("db/invalid-token");
    assert_eq!(
        codes,
        [
            None, None, gone, gone, None, None, gone, None, gone, None, gone
        ]
    );
    let used = listed.iter().filter(|it| it.last_address == Some(address));
    // Of a sign-in it is told with its record, whichever of its tokens was used.
    assert_eq!(used.count(), 4);
    // The grace of what was refreshed is over by now, and was not begun anew.
    assert_eq!(refresh(&data, &signed).err(), gone);
    assert_eq!(refresh(&data, &newest).err(), gone);
    assert!(refresh(&data, &long).is_ok());
}
