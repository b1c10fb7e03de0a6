//! The manuals are true: their blocks of JSON are accepted or refused as they say.

use serde_json::{Deserializer, Value, json};
use solon::Folder;
use solon::db::{Answers, Source};

use crate::support::data::Data;
use crate::support::{Db, People};

/// Each block of a manual, with what stands behind `json`, if something does.
fn blocks(manual: &'static str) -> Vec<(Option<&'static str>, &'static str)> {
    let mut blocks = Vec::new();
    for block in manual.split("\n```json").skip(1) {
        let (named, rest) = block.split_once('\n').unwrap();
        let body = rest.split("\n```").next().unwrap();
        let word = Some(named.trim()).filter(|word| !word.is_empty());
        blocks.push((word, body));
    }
    blocks
}

/// In the manual of transactions that word is the code that refuses the block.
#[test]
fn the_blocks_of_the_manual_do_as_they_say() {
    let db = Db::new();
    let blocks = blocks(include_str!("../../docs/transactions.md"));
    assert!(blocks.len() > 15);
    assert!(blocks.iter().any(|(code, _)| code.is_some()));
    for (code, body) in blocks {
        let made = db.database.transact(body);
        let told = made.as_ref().err().map(solon::Error::code);
        assert_eq!(told, code, "{body}\n{made:?}");
    }
}

/// In the manual of tokens it is what the block is a request for; one without it is an answer.
#[test]
fn the_requests_in_the_manual_of_tokens_are_taken() {
    let people = People::new();
    people.user("ann", Some("correct horse battery staple"));
    people.root(&json!([
        {"_id": "_auth", "id": "robot"},
        {"_id": "_role", "id": "editor"}]));
    let folder = &people.folder;
    let data = Data::new();
    let session = |folder: &Folder, name: &str| folder.root_session(Some(name)).unwrap();
    let mut asked = 0;
    for (word, body) in blocks(include_str!("../../docs/tokens.md")) {
        let parts = Deserializer::from_str(body).into_iter::<Value>();
        let parts: Vec<Value> = parts.map(|part| part.unwrap()).collect();
        let Some(word) = word else {
            continue;
        };
        asked += 1;
        for part in parts {
            let body = part.to_string();
            let local = session(folder, Folder::DEFAULT);
            let told = match word {
                "signin" => folder
                    .sign_in_request(&body, None, Folder::DEFAULT, Source::default())
                    .map(drop),
                "new-user" => local.new_user(&body).map(drop),
                "token" => local.token(&body).map(drop),
                "transact" => local.transact(&body).map(drop),
                "item" => local.transact(&json!([part]).to_string()).map(drop),
                "import" => {
                    folder.database().import_users(&body).unwrap();
                    Ok(())
                }
                "master" => data.master().transact(&body).map(drop),
                "action" => data.act("root", &part).map(drop),
                "owner" => {
                    if data.listed("ann").is_empty() {
                        data.on("ann", "new-db", "acme/sales").unwrap();
                        let app = json!([{"_id": "_auth", "id": "app"}]).to_string();
                        let sales = data.folder().database_named("acme/sales").unwrap();
                        sales.transact(&app).unwrap();
                    }
                    data.mint("ann", &part).map(drop)
                }
                other => panic!("nobody knows what `{other}` is"),
            };
            told.unwrap_or_else(|error| panic!("{error}: {body}"));
        }
    }
    assert!(asked > 8, "{asked}");
}

/// In the manual of queries a block without a word is asked, as a reader who sees all asks it.
/// An `answer` is that of the block before it; what it costs is told as an example.
#[test]
fn the_queries_of_the_manual_are_answered() {
    let db = company();
    let (mut asked, mut last) = (0, Value::Null);
    for (word, body) in blocks(include_str!("../../docs/queries.md")) {
        match word {
            None => {
                let all = db.database.view("root").unwrap();
                last = match all
                    .ask(body)
                    .unwrap_or_else(|error| panic!("{error}: {body}"))
                {
                    Answers::One(answer) => serde_json::from_str(&answer.body).unwrap(),
                    Answers::Many(several) => {
                        let refused = several.answers.iter().find(|(_, told)| told.is_err());
                        assert_eq!(refused, None, "{body}");
                        Value::Null
                    }
                };
                asked += 1;
            }
            Some("answer") => {
                let mut expected: Value = serde_json::from_str(body).unwrap();
                for told in [&mut expected, &mut last] {
                    if let Some(fuel) = told.get_mut("fuel") {
                        *fuel = Value::Null;
                    }
                }
                assert_eq!(last, expected, "{body}");
            }
            Some("transact") => {
                db.database
                    .transact(body)
                    .unwrap_or_else(|error| panic!("{error}: {body}"));
            }
            Some(other) => panic!("nobody knows what `{other}` is"),
        }
    }
    assert!(asked >= 12, "{asked}");
}

/// The people, chats and documents that the manual of queries asks about, in blocks 2 to 5.
fn company() -> Db {
    let db = Db::new();
    db.root(&json!([
        {"_id": "_collection", "name": "person"},
        {"_id": "_collection", "name": "chat"},
        {"_id": "_collection", "name": "doc"},
        {"_id": "_predicate", "name": "person/handle", "type": "string", "unique": true},
        {"_id": "_predicate", "name": "person/age", "type": "int"},
        {"_id": "_predicate", "name": "person/city", "type": "string"},
        {"_id": "_predicate", "name": "person/boss", "type": "ref"},
        {"_id": "_predicate", "name": "person/follows", "type": "ref", "multi": true},
        {"_id": "_predicate", "name": "chat/message", "type": "string"},
        {"_id": "_predicate", "name": "chat/instant", "type": "instant", "index": true},
        {"_id": "_predicate", "name": "chat/person", "type": "ref"},
        {"_id": "_predicate", "name": "doc/key", "type": "string", "unique": true},
        {"_id": "_predicate", "name": "doc/size", "type": "int"},
    ]));
    db.root(&json!([
        {"_id": "person$ann", "handle": "ann", "age": 40, "city": "Rome", "boss": "person$bob"},
        {"_id": "person$bob", "handle": "bob", "age": 30, "follows": ["person$ann"]},
        {"_id": "chat", "message": "hello", "instant": 1_517_437_000_001_i64, "person": "person$ann"},
        {"_id": "chat", "message": "again", "instant": 1_517_437_000_002_i64, "person": "person$ann"},
        {"_id": "doc", "key": "a", "size": 1},
    ]));
    db.root(&json!([{"_id": ["person/handle", "ann"], "follows": [["person/handle", "bob"]]}]));
    db.root(&json!([{"_id": ["doc/key", "a"], "size": 2}]));
    db
}
