//! The manuals are true: their blocks of JSON are accepted or refused as they say.

use serde_json::{Deserializer, Value, json};
use solon::Folder;
use solon::db::Source;

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
