//! Client certificates: whom one names, and when it names nobody any more.
//!
//! That a certificate is good is verified where TLS is spoken; here it is its names that are asked about.

use serde_json::{Value, json};
use solon::db::{CertificateName, Error, ErrorKind, Folder, Options, Session};

use crate::support::rule;

const ROBOT: &str = "uri:spiffe://prod.example/robot";
const HOST: &str = "dns:robot.example";

struct Data {
    folder: Folder,
    _dir: tempfile::TempDir,
}

impl Data {
    /// A folder with the auth `robot`, which reads roles, and `other`, which does too.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), &Options::default()).unwrap();
        let data = Self { folder, _dir: dir };
        let reads = rule("reads", "_role", &["*"], "true", &["query"]);
        let role = json!({"_id": "_role$reader", "id": "reader", "rules": [reads]});
        data.root(&json!([
            role,
            {"_id": "_auth$robot", "id": "robot", "roles": ["_role$reader"], "certificate": [ROBOT]},
            {"_id": "_auth$other", "id": "other", "roles": ["_role$reader"]},
        ]));
        data
    }

    fn root(&self, items: &Value) {
        self.folder
            .database()
            .transact(&items.to_string())
            .unwrap_or_else(|error| panic!("{error}: {items}"));
    }

    fn session(&self, names: &[&str], database: Option<&str>) -> Result<Session, Error> {
        let names: Vec<_> = names
            .iter()
            .map(|name| CertificateName::parse(name).unwrap())
            .collect();
        self.folder.certificate_session(&names, database)
    }

    fn refuses(&self, names: &[&str], database: Option<&str>) -> String {
        let error = self.session(names, database).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert_eq!(error.code(), "db/invalid-certificate");
        error.message().to_owned()
    }
}

#[test]
fn a_certificate_is_the_one_auth_that_has_one_of_its_names() {
    let data = Data::new();
    let hash = format!("sha256:{}", "ab".repeat(32));
    let session = data.session(&[&hash, ROBOT, HOST], None).unwrap();
    assert!(!session.is_root().unwrap());
    let answer = session.query(r#"{"select": ["*"], "from": "_role"}"#);
    assert!(answer.unwrap().body.contains("reader"));
    for name in ["local/default", "local.default"] {
        let named = data.session(&[ROBOT], Some(name)).unwrap();
        assert_eq!(named.auth(), session.auth());
    }
    // Two names of one auth are one auth.
    data.root(&json!([{"_id": ["_auth/id", "robot"], "certificate": [HOST]}]));
    let both = data.session(&[HOST, ROBOT], None).unwrap();
    assert_eq!(both.auth(), session.auth());
}

#[test]
fn names_of_nobody_of_several_and_of_an_absent_database_are_told_alike() {
    let data = Data::new();
    data.root(&json!([{"_id": ["_auth/id", "other"], "certificate": [HOST]}]));
    let nobody = data.refuses(&["dns:else.example"], None);
    assert_eq!(data.refuses(&[], None), nobody);
    assert_eq!(data.refuses(&[ROBOT, HOST], None), nobody);
    assert_eq!(data.refuses(&[ROBOT], Some("local/absent")), nobody);
}

#[test]
fn root_is_not_had_by_a_certificate_and_what_becomes_root_loses_it() {
    let data = Data::new();
    let session = data.session(&[ROBOT], None).unwrap();
    let is_root = json!([{"_id": ["_auth/id", "robot"], "roles": [["_role/id", "root"]]}]);
    data.root(&is_root);
    let told = data.refuses(&[ROBOT], None);
    assert!(told.contains("root"), "{told}");
    let refused = session.transact(r#"[{"_id": "_collection", "name": "note"}]"#);
    assert_eq!(refused.unwrap_err().code(), "db/invalid-certificate");
}

#[test]
fn taking_the_name_away_ends_it_at_once_and_at_the_turn_of_a_write() {
    let data = Data::new();
    let before = data.session(&[ROBOT], None).unwrap();
    data.root(
        &json!([{"_id": ["_auth/id", "robot"], "certificate": [ROBOT], "_action": "delete"}]),
    );
    data.refuses(&[ROBOT], None);
    let refused = before.transact(r#"[{"_id": "_collection", "name": "note"}]"#);
    assert_eq!(refused.unwrap_err().code(), "db/invalid-certificate");
    // Given to another, it is the other's, and not the first one's.
    data.root(&json!([{"_id": ["_auth/id", "other"], "certificate": [ROBOT]}]));
    let after = data.session(&[ROBOT], None).unwrap();
    assert_ne!(after.auth(), before.auth());
    let refused = before.transact(r#"[{"_id": "_collection", "name": "note"}]"#);
    assert_eq!(refused.unwrap_err().code(), "db/invalid-certificate");
}

#[test]
fn a_disabled_auth_has_no_session() {
    let data = Data::new();
    data.root(&json!([{"_id": ["_auth/id", "robot"], "disabled": true}]));
    let error = data.session(&[ROBOT], None).unwrap_err();
    assert_eq!(error.code(), "db/invalid-auth");
}

#[test]
fn what_no_certificate_can_have_is_not_written_and_a_name_is_had_once() {
    let data = Data::new();
    let write = |id: &str, name: &Value| {
        let items = json!([{"_id": ["_auth/id", id], "certificate": [name]}]);
        let made = data.folder.database().transact(&items.to_string());
        made.map(drop).map_err(|error| error.code())
    };
    for name in [
        json!("robot.example"),
        json!("dns:*.example"),
        json!("dns:Robot.example"),
        json!(format!("sha256:{}", "AB".repeat(32))),
        json!("uri:no"),
        json!(7),
    ] {
        assert_eq!(write("robot", &name), Err("db/invalid-tx"), "{name}");
    }
    assert_eq!(write("other", &json!(ROBOT)), Err("db/unique"));
    assert_eq!(write("other", &json!(HOST)), Ok(()));
}

#[test]
fn law_10_a_certificate_is_given_only_by_who_holds_what_it_gives() {
    let data = Data::new();
    let keeps = rule(
        "keeps",
        "_auth",
        &["_auth/id", "_auth/certificate"],
        "true",
        &["query", "transact"],
    );
    let keeper = json!({"_id": "_role", "id": "keeper", "rules": [keeps]});
    data.root(&json!([
        {"_id": "_auth", "id": "clerk", "roles": [keeper], "certificate": ["dns:clerk.example"]},
    ]));
    let clerk = data.session(&["dns:clerk.example"], None).unwrap();
    let give = |id: &str| {
        let items = json!([{"_id": ["_auth/id", id], "certificate": ["dns:new.example"]}]);
        let made = clerk.transact(&items.to_string());
        made.map(drop).map_err(|error| error.code())
    };
    assert_eq!(give("robot"), Err("db/write-permission"));
    assert_eq!(give("clerk"), Ok(()));
}
