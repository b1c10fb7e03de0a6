//! The manual of transactions is true: its blocks are accepted or refused as they say.

use crate::support::Db;

const MANUAL: &str = include_str!("../../docs/transactions.md");

/// Each block, with the code that refuses it, if one does.
fn blocks() -> Vec<(Option<&'static str>, &'static str)> {
    let mut blocks = Vec::new();
    for block in MANUAL.split("\n```json").skip(1) {
        let (named, rest) = block.split_once('\n').unwrap();
        let body = rest.split("\n```").next().unwrap();
        let code = Some(named.trim()).filter(|code| !code.is_empty());
        blocks.push((code, body));
    }
    blocks
}

#[test]
fn the_blocks_of_the_manual_do_as_they_say() {
    let db = Db::new();
    let blocks = blocks();
    assert!(blocks.len() > 15);
    assert!(blocks.iter().any(|(code, _)| code.is_some()));
    for (code, body) in blocks {
        let made = db.database.transact(body);
        let told = made.as_ref().err().map(solon::Error::code);
        assert_eq!(told, code, "{body}\n{made:?}");
    }
}
