//! Who may make, delete, restore and list databases, and mint in them.

use serde_json::{Value, json};
use solon::base::limits::DATABASE_NAME_BYTES_MAX;
use solon::db::{Acted, ErrorKind, EventKind, EventStatus, LogQuery, Source};

use crate::support::data::{Data, MASTER, refused};

#[test]
fn an_owner_acts_in_the_account_s_network_and_nowhere_else() {
    let data = Data::with_accounts();
    data.on("root", "new-db", "local/extra").unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    data.on("ann", "new-db", "acme/a").unwrap();
    refused(
        data.on("ann", "new-db", "acme/a"),
        ErrorKind::Conflict,
        "db/exists",
    );
    for name in [
        "zeta/a",
        "zeta/none",
        "none/none",
        "local/extra",
        "local/default",
        MASTER,
    ] {
        for action in ["new-db", "delete-db", "restore-db"] {
            let error = refused(
                data.on("ann", action, name),
                ErrorKind::NotFound,
                "db/not-found",
            );
            let absent = data.on("ann", "delete-db", "acme/none").unwrap_err();
            assert_eq!(error, absent, "{action} {name}: there, hidden or absent");
        }
    }
    for action in ["new-db", "delete-db", "restore-db"] {
        refused(
            data.on("eve", action, "acme/a"),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    data.on("zoe", "delete-db", "zeta/a").unwrap();
    refused(
        data.on("ann", "restore-db", "zeta/a"),
        ErrorKind::NotFound,
        "db/not-found",
    );
    // Root acts in every network, but not on what every folder has, nor beside master.
    for (action, name) in [
        ("restore-db", "zeta/a"),
        ("new-db", "acme/b"),
        ("delete-db", "acme/b"),
        ("delete-db", "local/extra"),
        ("restore-db", "local/extra"),
    ] {
        assert!(data.on("root", action, name).is_ok(), "{action} {name}");
    }
    refused(
        data.on("root", "new-db", "none/a"),
        ErrorKind::NotFound,
        "db/not-found",
    );
    refused(
        data.on("root", "delete-db", "local/default"),
        ErrorKind::Invalid,
        "db/invalid-db",
    );
    refused(
        data.on("root", "delete-db", MASTER),
        ErrorKind::NotFound,
        "db/not-found",
    );
}

#[test]
fn only_root_makes_accounts_and_each_has_a_network_of_its_own() {
    let data = Data::with_accounts();
    let new = |name: &str, owner: Value| json!(["new-account", {"name": name, "owner": owner}]);
    refused(
        data.act("ann", &new("beta", json!("ann"))),
        ErrorKind::Denied,
        "db/no-permission",
    );
    refused(
        data.act("root", &new("acme", json!("ann"))),
        ErrorKind::Conflict,
        "db/exists",
    );
    let long = "a".repeat(DATABASE_NAME_BYTES_MAX);
    for name in [
        "local",
        "solon",
        "keys",
        "deleted",
        "new",
        "",
        "A",
        "a/b",
        "..",
        &format!("{long}a"),
    ] {
        refused(
            data.act("root", &new(name, json!("ann"))),
            ErrorKind::Invalid,
            "db/invalid-request",
        );
    }
    for owner in [json!("nobody"), json!(1), json!(["_auth/id", "ann"])] {
        refused(
            data.act("root", &new("beta", owner)),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    for (name, owner) in [
        ("beta", json!("ann")),
        (long.as_str(), json!(["_user/username", "ann"])),
    ] {
        let Ok(Acted::Account(made)) = data.act("root", &new(name, owner)) else {
            panic!("{name} was not made");
        };
        assert_eq!(made.owners.len(), 1);
        assert_eq!(made.owners[0].1.as_deref(), Some("ann"));
        data.on("ann", "new-db", &format!("{name}/{name}")).unwrap();
    }
}

#[test]
fn what_is_asked_for_badly_is_refused_with_its_place() {
    let data = Data::with_accounts();
    for (action, code, at) in [
        (json!({}), "db/invalid-request", ""),
        (json!(["new-db"]), "db/invalid-request", ""),
        (json!(["new-db", {}, 1]), "db/invalid-request", ""),
        (json!(["new-db", []]), "db/invalid-request", ""),
        (json!(["none", {}]), "db/invalid-request", "/0"),
        (json!(["token", {}]), "db/invalid-request", "/0"),
        (json!(["new-db", {}]), "db/invalid-request", "/1"),
        (
            json!(["new-db", {"db/id": 1}]),
            "db/invalid-db",
            "/1/db~1id",
        ),
        (
            json!(["new-db", {"db/id": "acme"}]),
            "db/invalid-db",
            "/1/db~1id",
        ),
        (
            json!(["new-db", {"db/id": "acme/../b"}]),
            "db/invalid-db",
            "/1/db~1id",
        ),
        (
            json!(["new-db", {"db/id": "acme/a", "x": 1}]),
            "db/invalid-request",
            "/1/x",
        ),
        (
            json!(["delete-db", {"db/id": "acme/a", "incarnation": "0"}]),
            "db/invalid-request",
            "/1/incarnation",
        ),
        (
            json!(["restore-db", {"db/id": "acme/a", "incarnation": "0"}]),
            "db/invalid-request",
            "/1/incarnation",
        ),
        (json!(["accounts", {"x": 1}]), "db/invalid-request", "/1/x"),
        (
            json!(["new-account", {"name": "b"}]),
            "db/invalid-request",
            "/1",
        ),
        (
            json!(["new-account", {"name": "b", "owner": true}]),
            "db/invalid-request",
            "/1/owner",
        ),
    ] {
        let error = refused(data.act("root", &action), ErrorKind::Invalid, code);
        assert_eq!(error.at(), Some(at), "{action}: {error}");
    }
}

#[test]
fn each_is_told_of_what_is_theirs_and_root_of_all() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    data.on("zoe", "new-db", "zeta/b").unwrap();
    data.on("zoe", "delete-db", "zeta/b").unwrap();
    let named = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
        names
            .iter()
            .map(|(name, live)| ((*name).to_owned(), *live))
            .collect()
    };
    assert_eq!(data.listed("ann"), named(&[("acme/a", true)]));
    assert_eq!(
        data.listed("zoe"),
        named(&[("zeta/a", true), ("zeta/b", false)])
    );
    assert_eq!(data.listed("eve"), []);
    let all = [
        ("acme/a", true),
        ("local/default", true),
        (MASTER, true),
        ("zeta/a", true),
        ("zeta/b", false),
    ];
    assert_eq!(data.listed("root"), named(&all));
    let accounts = |auth: &str| -> Vec<String> {
        let told = data.folder().accounts(&data.session(auth)).unwrap();
        assert_eq!(
            data.act(auth, &json!(["accounts", {}])),
            Ok(Acted::Accounts(told.clone()))
        );
        told.into_iter().map(|it| it.name).collect()
    };
    assert_eq!(accounts("ann"), ["acme"]);
    assert_eq!(accounts("zoe"), ["zeta"]);
    assert!(accounts("eve").is_empty());
    assert_eq!(accounts("root"), ["acme", "zeta"]);
    // A rule of master shows more, and gives no right to act.
    let rule = json!([{"_id": "_role$auditor", "id": "auditor", "rules": [
        {"_id": "_rule", "id": "auditor/db", "collection": "database", "predicates": ["database/name"],
         "fns": [["_fn/name", "true"]], "ops": ["all"]},
        {"_id": "_rule", "id": "auditor/account", "collection": "account", "predicates": ["account/name"],
         "fns": [["_fn/name", "true"]], "ops": ["all"]}]},
        {"_id": ["_auth/id", "eve"], "roles": ["_role$auditor"]}]);
    data.master().transact(&rule.to_string()).unwrap();
    assert_eq!(data.listed("eve"), named(&all[..4]), "but what was deleted");
    let told = data.folder().accounts(&data.session("eve")).unwrap();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter().all(|it| it.owners.is_empty()),
        "owners are hidden from it"
    );
    for action in ["new-db", "delete-db", "restore-db"] {
        refused(
            data.on("eve", action, "acme/a"),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
}

#[test]
fn an_auth_that_may_do_nothing_is_told_so() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    // The account is its user's, but none of its roles allows anything.
    let items = json!([{"_id": ["_auth/id", "ann"], "roles": null}]);
    data.master().transact(&items.to_string()).unwrap();
    for action in ["new-db", "delete-db"] {
        refused(
            data.on("ann", action, "acme/a"),
            ErrorKind::Denied,
            "db/no-permission",
        );
    }
    let session = data.session("ann");
    refused(
        data.folder().accounts(&session),
        ErrorKind::Denied,
        "db/no-permission",
    );
    refused(
        data.folder().databases_of(&session),
        ErrorKind::Denied,
        "db/no-permission",
    );
    refused(
        data.mint("ann", &json!({"root": true, "db": "acme/a"})),
        ErrorKind::Denied,
        "db/no-permission",
    );
}

#[test]
fn only_a_token_of_master_is_asked_with() {
    let data = Data::with_accounts();
    let folder = data.folder();
    let token = folder.root_token(3_599).unwrap();
    let session = folder.session(&token, None).unwrap();
    let action = json!(["new-db", {"db/id": "local/a"}]).to_string();
    refused(
        folder.action(&session, &action),
        ErrorKind::Unauthenticated,
        "db/invalid-token",
    );
    refused(
        folder.accounts(&session),
        ErrorKind::Unauthenticated,
        "db/invalid-token",
    );
    refused(
        folder.databases_of(&session),
        ErrorKind::Unauthenticated,
        "db/invalid-token",
    );
    // And the token of a database mints for that one alone, whoever bears it.
    data.on("ann", "new-db", "acme/a").unwrap();
    let body = json!({"root": true, "db": "acme/a"}).to_string();
    refused(
        folder.token(&session, &body),
        ErrorKind::Invalid,
        "db/invalid-db",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn an_owner_mints_in_the_account_s_databases_as_root() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    data.on("root", "new-db", "local/a").unwrap();
    let database = data.folder().database_named("acme/a").unwrap();
    let items = json!([{"_id": "_auth", "id": "app", "roles": [["_role/id", "root"]]}, {"_id": "_auth", "id": "it"}]);
    database.transact(&items.to_string()).unwrap();
    drop(database);

    let minted = data
        .mint("ann", &json!({"root": true, "db": "acme.a"}))
        .unwrap();
    assert_eq!(minted.expires_in, Some(3_599));
    let session = data
        .folder()
        .session(&minted.token, Some("acme/a"))
        .unwrap();
    assert!(session.is_root().unwrap());
    let auth = json!({"auth": ["_auth/id", "it"], "expireSeconds": 60, "db": "acme/a"});
    let minted = data.mint("ann", &auth).unwrap();
    assert!(
        !data
            .folder()
            .session(&minted.token, None)
            .unwrap()
            .is_root()
            .unwrap()
    );
    // One with a record, which stands in the account's database.
    let long = json!({"auth": ["_auth/id", "it"], "db": "acme/a"});
    let minted = data.mint("ann", &long).unwrap();
    assert_eq!(minted.expires_in, None);
    assert!(data.folder().session(&minted.token, None).is_ok());

    for name in [
        "zeta/a",
        "zeta/none",
        "acme/none",
        "none/a",
        "local/a",
        "local/default",
        "",
        "A/b",
    ] {
        let error = refused(
            data.mint("ann", &json!({"root": true, "db": name})),
            ErrorKind::NotFound,
            "db/not-found",
        );
        let absent = data
            .mint("ann", &json!({"root": true, "db": "acme/absent"}))
            .unwrap_err();
        assert_eq!(error, absent, "{name}");
    }
    // In master itself an owner is whoever the rules say.
    for body in [
        json!({"root": true, "db": MASTER}),
        json!({"root": true, "db": "solon.master"}),
        json!({"root": true}),
    ] {
        refused(
            data.mint("ann", &body),
            ErrorKind::Denied,
            "db/no-permission",
        );
    }
    // Root of master mints for every account, and not for the operators' own network.
    assert!(
        data.mint("root", &json!({"root": true, "db": "zeta/a"}))
            .is_ok()
    );
    refused(
        data.mint("root", &json!({"root": true, "db": "local/a"})),
        ErrorKind::NotFound,
        "db/not-found",
    );
    // What the target refuses, it refuses as ever.
    refused(
        data.mint(
            "ann",
            &json!({"auth": ["_auth/id", "none"], "db": "acme/a"}),
        ),
        ErrorKind::NotFound,
        "db/not-found",
    );
    refused(
        data.mint(
            "ann",
            &json!({"root": true, "expireSeconds": 3_600, "db": "acme/a"}),
        ),
        ErrorKind::Invalid,
        "db/invalid-request",
    );
}

#[test]
fn an_owner_who_is_none_any_more_is_refused_on_the_next_request() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    // The session was made while she was one.
    let session = data.session("ann");
    let body = json!({"root": true, "db": "acme/a"}).to_string();
    assert!(data.folder().token(&session, &body).is_ok());
    let items = json!([
        {"_id": ["account/name", "acme"], "owners": null},
        {"_id": ["account/name", "acme"], "owners": [["_user/username", "eve"]]},
    ]);
    for item in items.as_array().unwrap() {
        data.master().transact(&json!([item]).to_string()).unwrap();
    }
    let folder = data.folder();
    refused(
        folder.token(&session, &body),
        ErrorKind::NotFound,
        "db/not-found",
    );
    for action in ["new-db", "delete-db"] {
        let action = json!([action, {"db/id": "acme/b"}]).to_string();
        refused(
            folder.action(&session, &action),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    assert!(data.listed("ann").is_empty());
    assert!(
        data.mint("eve", &json!({"root": true, "db": "acme/a"}))
            .is_ok()
    );
    // And so is one whose user the auth is no more.
    let items = json!([{"_id": ["_user/username", "eve"], "auth": null}]);
    data.master().transact(&items.to_string()).unwrap();
    refused(
        data.mint("eve", &json!({"root": true, "db": "acme/a"})),
        ErrorKind::NotFound,
        "db/not-found",
    );
}

#[cfg(feature = "server")]
#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn the_doors_answer_in_their_shapes() {
    use solon::server::Mode;

    use crate::support::served::{folder, serve_folder};

    let dir = tempfile::tempdir().unwrap();
    let data = folder(dir.path());
    let root = data.root_token_in(MASTER, 3_599).unwrap();
    let master = data.database_named(MASTER).unwrap();
    let items = json!([
        {"_id": "_auth$it", "id": "ann", "roles": [["_role/id", "owner"]]},
        {"_id": "_user", "username": "ann", "auth": ["_auth$it"]}]);
    master.transact(&items.to_string()).unwrap();
    let ann = data.token_for_in(MASTER, "ann", 3_600).unwrap();
    let served = serve_folder(data, Mode::Closed, Some(dir));
    let send = |method: &str, path: &str, token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        served.send(method, path, &headers, body.as_bytes())
    };
    let told = |reply: &crate::support::served::Reply| -> Value {
        assert_eq!(reply.status, 200, "{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    };
    let made = told(&send(
        "POST",
        "/api/action",
        &root,
        r#"["new-account", {"name": "acme", "owner": "ann"}]"#,
    ));
    assert_eq!(
        (&made["name"], &made["owners"][0]["username"]),
        (&json!("acme"), &json!("ann"))
    );
    let made = told(&send(
        "POST",
        "/api/action",
        &ann,
        r#"["new-db", {"db/id": "acme/sales"}]"#,
    ));
    assert_eq!(
        (&made["db/id"], &made["state"]),
        (&json!("acme/sales"), &json!("live"))
    );
    for (method, body) in [("GET", ""), ("POST", "{}")] {
        let dbs = told(&send(method, "/api/dbs", &ann, body));
        assert_eq!(dbs, json!([made]));
        let accounts = told(&send(method, "/api/accounts", &ann, body));
        assert_eq!(accounts[0]["name"], "acme");
    }
    let minted = told(&send(
        "POST",
        "/api/db/token",
        &ann,
        r#"{"root": true, "db": "acme/sales"}"#,
    ));
    let token = minted["token"].as_str().unwrap();
    let logs = r#"["logs", {"db": "acme/sales", "limit": 1}]"#;
    let rows = told(&send("POST", "/api/action", &ann, logs));
    assert_eq!(
        (&rows[0]["event"], &rows[0]["status"]),
        (&json!("minted"), &json!("ok"))
    );
    let query = r#"{"select": ["*"], "from": "_role"}"#;
    for path in [
        "/api/db/query",
        "/api/db/acme/sales/query",
        "/fdb/acme/sales/query",
    ] {
        assert_eq!(send("POST", path, token, query).status, 200, "{path}");
    }
    for path in [
        "/api/db/acme/none/query",
        "/api/db/local/default/query",
        "/api/db/acme/Sales/query",
    ] {
        send("POST", path, token, query).problem(401, "db/invalid-token");
    }
    send("POST", "/api/action", &served.token, r#"["accounts", {}]"#)
        .problem(401, "db/invalid-token");
    send("GET", "/api/dbs", token, "").problem(401, "db/invalid-token");
    send("POST", "/api/dbs", &ann, r#"{"x": 1}"#).problem(400, "db/invalid-request");
    send("GET", "/api/action", &ann, "").problem(405, "http/wrong-method");
    send(
        "POST",
        "/api/action",
        &ann,
        r#"["new-db", {"db/id": "acme/sales"}]"#,
    )
    .problem(409, "db/exists");
    send(
        "POST",
        "/api/action",
        &ann,
        r#"["new-db", {"db/id": "beta/sales"}]"#,
    )
    .problem(404, "db/not-found");
    let gone = told(&send(
        "POST",
        "/api/action",
        &ann,
        r#"["delete-db", {"db/id": "acme/sales"}]"#,
    ));
    assert_eq!(gone["state"], "deleted");
    assert_eq!(
        gone["until"].as_i64().unwrap() - gone["deleted"].as_i64().unwrap(),
        86_400_000
    );
    send("POST", "/api/db/query", token, query).problem(401, "db/invalid-token");
    served
        .send("GET", "/api/dbs", &[], b"")
        .problem(401, "http/no-token");
}

#[test]
fn an_owner_makes_users_in_the_account_s_databases() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    let new = |db: Option<&str>, name: &str| {
        let mut user =
            json!({"username": name, "password": "correct horse battery", "roles": ["root"]});
        if let Some(db) = db {
            user["db"] = json!(db);
        }
        json!(["new-user", user])
    };
    assert!(matches!(
        data.act("ann", &new(Some("acme/a"), "bob")),
        Ok(Acted::User(_))
    ));
    let query = json!({"select": ["username"], "from": "_user"}).to_string();
    let ask = |name: &str| {
        let database = data.folder().database_named(name).unwrap();
        database.root().query(&query).unwrap().body
    };
    assert!(ask("acme/a").contains("bob"));
    assert!(!ask(MASTER).contains("bob"));
    let error = refused(
        data.act("ann", &new(Some("acme/a"), "bob")),
        ErrorKind::Conflict,
        "db/unique",
    );
    assert!(error.at().is_none_or(|at| at.starts_with("/1")), "{error}");
    for db in [
        "zeta/a",
        "zeta/none",
        "local/default",
        "acme/none",
        "../acme/a",
    ] {
        refused(
            data.act("ann", &new(Some(db), "eve")),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    // In master itself the rules of master say who may.
    for db in [None, Some(MASTER), Some("solon.master")] {
        let error = data.act("ann", &new(db, "bob")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
    assert!(matches!(
        data.act("root", &new(None, "bob")),
        Ok(Acted::User(_))
    ));
    assert!(ask(MASTER).contains("bob"));
    // And a user of master proves by a password whose accounts are asked for.
    let asked = |body: Value| {
        let told = data
            .folder()
            .accounts_by_password(&body.to_string(), Source::default());
        told.map(|(_, accounts)| accounts.into_iter().map(|it| it.name).collect::<Vec<_>>())
    };
    let right = json!({"user": "bob", "password": "correct horse battery"});
    assert_eq!(asked(right).unwrap(), ["acme", "zeta"]);
    refused(
        asked(json!({"user": "bob", "password": "wrong"})),
        ErrorKind::Unauthenticated,
        "db/invalid-password",
    );
    let other = json!({"user": "bob", "password": "correct horse battery", "db": "acme/a"});
    assert_eq!(asked(other).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn the_trail_of_master_has_what_owners_did() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.mint("ann", &json!({"root": true, "db": "acme/a"}))
        .unwrap();
    data.on("ann", "delete-db", "acme/a").unwrap();
    data.on("ann", "restore-db", "acme/a").unwrap();
    // What is refused is not told as done.
    data.on("eve", "delete-db", "acme/a").unwrap_err();
    data.mint("eve", &json!({"root": true, "db": "acme/a"}))
        .unwrap_err();
    let ann = data.session("ann").auth().raw();
    let told = data.master().logs(&LogQuery::default()).unwrap();
    let root = data.session("root").auth().raw();
    let of_root = |it: &&solon::db::Logged| {
        it.event.event == EventKind::PolicyChanged && it.event.auth == Some(root)
    };
    // Each of the three users, the two accounts, and what master is made with.
    assert_eq!(told.iter().filter(of_root).count(), 6);
    let of_ann: Vec<EventKind> = told
        .iter()
        .rev()
        .filter(|it| {
            it.event.status == EventStatus::Ok && it.event.event != EventKind::PolicyChanged
        })
        .map(|it| {
            assert_eq!(it.event.auth, Some(ann));
            it.event.event
        })
        .collect();
    assert_eq!(
        of_ann,
        [
            EventKind::DatabaseMade,
            EventKind::Minted,
            EventKind::DatabaseDeleted,
            EventKind::DatabaseRestored,
        ]
    );
}

#[test]
fn an_owner_reads_the_trails_of_the_account_s_databases() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    data.on("zoe", "new-db", "zeta/a").unwrap();
    data.mark("acme/a", "here");
    let read = |who: &str, body: Value| match data.act(who, &json!(["logs", body]))? {
        Acted::Logs(rows) => Ok(rows),
        other => panic!("{other:?}"),
    };
    let of_acme = read("ann", json!({"db": "acme/a"})).unwrap();
    assert!(
        of_acme
            .iter()
            .any(|it| it.event.event == EventKind::PolicyChanged)
    );
    assert_eq!(of_acme, read("root", json!({"db": "acme.a"})).unwrap());
    let last = read("ann", json!({"db": "acme/a", "limit": 1, "status": "ok"})).unwrap();
    assert_eq!(last, of_acme[..1]);
    for db in ["zeta/a", "acme/none", "local/default", "../acme/a"] {
        refused(
            read("ann", json!({"db": db})),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    for who in ["zoe", "eve"] {
        refused(
            read(who, json!({"db": "acme/a"})),
            ErrorKind::NotFound,
            "db/not-found",
        );
    }
    for (body, at) in [
        (json!({"db": "acme/a", "limit": 0}), "/1/limit"),
        (json!({"limit": 0}), "/1/limit"),
        (json!({"db": 7}), "/1/db"),
        (json!({"db": "acme/a", "auth": 7}), "/1/auth"),
    ] {
        let error = read("ann", body.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.at()),
            (ErrorKind::Invalid, Some(at)),
            "{body}"
        );
    }
    // In master itself the rules of master say who reads what.
    let ann = data.session("ann").auth().raw();
    let own = read("ann", json!({})).unwrap();
    assert!(!own.is_empty());
    assert!(own.iter().all(|it| it.event.auth == Some(ann)));
    assert_eq!(own, read("ann", json!({"db": MASTER})).unwrap());
    assert!(read("root", json!({})).unwrap().len() > own.len());
    // Whoever is an owner no more reads no more.
    let items = json!([{"_id": ["account/name", "acme"], "owners": [["_user/username", "ann"]],
                        "_action": "delete"}]);
    data.master().transact(&items.to_string()).unwrap();
    refused(
        read("ann", json!({"db": "acme/a"})),
        ErrorKind::NotFound,
        "db/not-found",
    );
}

#[test]
fn who_names_an_account_when_signing_in_must_own_it() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    let password = "correct horse battery";
    for (db, name) in [
        (MASTER, "ann"),
        (MASTER, "eve"),
        ("acme/a", "ann"),
        ("local/default", "ann"),
    ] {
        let user = json!({"username": format!("{name}2"), "password": password, "roles": ["root"]});
        let token = data.folder().root_token_in(db, 3_599).unwrap();
        let root = data
            .folder()
            .session_from(&token, Some(db), Source::default())
            .unwrap();
        root.new_user(&user.to_string()).unwrap();
    }
    let owners = |action: Option<&str>| {
        let mut item =
            json!({"_id": ["account/name", "acme"], "owners": [["_user/username", "ann2"]]});
        if let Some(action) = action {
            item["_action"] = json!(action);
        }
        data.master().transact(&json!([item]).to_string()).unwrap();
    };
    let sign_in = |db: &str, user: &str, password: &str, account: Option<&str>| {
        let mut body = json!({"user": user, "password": password});
        if let Some(account) = account {
            body["account"] = json!(account);
        }
        data.folder()
            .sign_in_request(&body.to_string(), Some(db), MASTER, Source::default())
    };
    let no = |told: Result<solon::db::SignedIn, solon::Error>| {
        refused(told, ErrorKind::Unauthenticated, "db/invalid-password")
    };
    assert!(sign_in(MASTER, "ann2", password, None).is_ok());
    let wrong = no(sign_in(MASTER, "ann2", "wrong", Some("acme")));
    let not_yet = no(sign_in(MASTER, "ann2", password, Some("acme")));
    assert_eq!(not_yet, wrong);
    owners(None);
    assert!(sign_in(MASTER, "ann2", password, Some("acme")).is_ok());
    for (db, user, account) in [
        (MASTER, "ann2", "zeta"),
        (MASTER, "ann2", "none"),
        (MASTER, "ann2", ""),
        (MASTER, "eve2", "acme"),
        // Users of other databases own no account, whatever they are called.
        ("acme/a", "ann2", "acme"),
        ("local/default", "ann2", "acme"),
    ] {
        assert_eq!(
            no(sign_in(db, user, password, Some(account))),
            wrong,
            "{db} {user} {account}"
        );
        assert!(sign_in(db, user, password, None).is_ok());
    }
    owners(Some("delete"));
    no(sign_in(MASTER, "ann2", password, Some("acme")));
    // Such a failure counts as others do.
    for _ in 0..4 {
        no(sign_in(MASTER, "ann2", password, Some("acme")));
    }
    let told = sign_in(MASTER, "ann2", password, None);
    assert_eq!(told.unwrap_err().code(), "db/locked-out");
}

#[test]
fn an_owner_counts_as_root_by_a_fresh_access_token_alone() {
    let data = Data::with_accounts();
    data.on("ann", "new-db", "acme/a").unwrap();
    let folder = data.folder();
    let own = folder
        .database_named(MASTER)
        .unwrap()
        .auth("ann")
        .unwrap()
        .raw();
    let root = folder.root_session(Some(MASTER)).unwrap();
    let made = |body: &Value| root.token(&body.to_string()).unwrap().token;
    let access = made(&json!({"auth": own, "expireSeconds": 86_400}));
    let api = made(&json!({"auth": own, "kind": "api", "name": "robot"}));
    let mint = |token: &str| {
        let session = folder.session(token, Some(MASTER)).unwrap();
        folder.token(&session, &json!({"root": true, "db": "acme/a"}).to_string())
    };
    assert!(mint(&access).is_ok());
    refused(mint(&api), ErrorKind::Denied, "db/no-permission");
    data.clock.advance(std::time::Duration::from_secs(3_598));
    assert!(mint(&access).is_ok());
    data.clock.advance(std::time::Duration::from_secs(1));
    refused(mint(&access), ErrorKind::Denied, "db/no-permission");
}
