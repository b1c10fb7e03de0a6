//! The law of rules, point by point: each test bears the number of its point.

use std::time::Duration;

use serde_json::{Value, json};
use solon::db::ErrorKind;

use crate::support::{Db, default_rule, deny, furnish, office, rule};

const OWN: &str = r#"(== (get (?s) "doc/owner") (?user_id))"#;

fn docs() -> Value {
    json!({"select": ["title", "size", "secret"], "from": "doc"})
}

fn titles(db: &Db, auth: &str) -> Vec<String> {
    let answer = db.ask(
        auth,
        &json!({"select": ["title"], "from": "doc", "orderBy": "doc/title"}),
    );
    answer
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| Some(it.get("title")?.as_str()?.to_owned()))
        .collect()
}

/// Ann and bob with these rules in ann's role; bob may do nothing.
fn with_rules(rules: &[Value]) -> Db {
    let db = office();
    db.auth("ann", Some("ann"), rules);
    db.root(&json!([{"_id": "_user", "username": "bob", "auth": [{"_id": "_auth", "id": "bob"}]}]));
    furnish(&db);
    db
}

#[test]
fn law_1_an_auth_without_roles_or_without_an_allow_rule_is_refused_everything() {
    let db = with_rules(&[deny(rule("no", "doc", &["*"], "true", &["all"]))]);
    for auth in ["ann", "bob"] {
        assert_eq!(
            db.try_ask(auth, &docs()).unwrap_err().kind(),
            ErrorKind::Denied
        );
        let error = db.refused(auth, &json!([{"_id": "doc", "title": "x"}]));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Denied, "db/write-permission")
        );
    }
}

#[test]
fn law_1_roles_of_a_user_are_no_roles() {
    let db = office();
    let error = db.refused(
        "root",
        &json!([{"_id": "_user", "username": "x", "roles": [["_role/id", "root"]]}]),
    );
    assert_eq!(error.code(), "db/invalid-tx");
}

#[test]
fn law_2_adding_a_role_never_takes_away_and_taking_one_never_gives() {
    let db = with_rules(&[rule("some", "doc", &["doc/title"], "true", &["query"])]);
    let before = db.ask("ann", &docs());
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [
        {"_id": "_role", "id": "strict", "rules": [rule("none", "doc", &["doc/title"], "false", &["query"])]}]}]));
    assert_eq!(db.ask("ann", &docs()), before);
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "ann-role"]], "_action": "delete"}]));
    assert_eq!(db.ask("ann", &docs()), json!([]));
}

#[test]
fn law_2_all_is_query_transact_token_and_logs_and_no_other_op() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
    db.write("ann", &json!([{"_id": ["doc/key", "a"], "title": "new"}]))
        .unwrap();
    let db = with_rules(&[rule("audit", "doc", &["*"], "true", &["audit"])]);
    assert_eq!(titles(&db, "ann"), Vec::<String>::new());
}

#[test]
fn law_3_explicit_rules_shadow_defaults_within_a_role() {
    let db = with_rules(&[
        default_rule("default", "doc", "true", &["query"]),
        rule("hide", "doc", &["doc/secret"], "false", &["query"]),
    ]);
    let answer = db.ask("ann", &docs());
    assert_eq!(answer[0]["title"], "books");
    assert_eq!(answer[0].get("secret"), None);
}

#[test]
fn law_3_an_explicit_yes_beside_an_explicit_no_allows() {
    let db = with_rules(&[
        rule("no", "doc", &["doc/title"], "false", &["query"]),
        rule("yes", "doc", &["*"], "true", &["query"]),
    ]);
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
}

#[test]
fn law_3_the_default_of_a_collection_comes_before_the_default_of_all() {
    let db = with_rules(&[
        default_rule("mine", "doc", OWN, &["query"]),
        default_rule("any", "*", "true", &["query"]),
    ]);
    // Both are asked: the second allows what the first does not.
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
    let teams = db.ask("ann", &json!({"select": ["name"], "from": "team"}));
    assert_eq!(teams.as_array().unwrap().len(), 2);
}

#[test]
fn law_3_nothing_that_applies_denies() {
    let db = with_rules(&[rule("teams", "team", &["*"], "true", &["query"])]);
    assert_eq!(db.ask("ann", &docs()), json!([]));
}

#[test]
fn law_4_a_star_never_reaches_a_system_collection_in_an_allow_rule() {
    let db = with_rules(&[
        rule("star", "*", &["*"], "true", &["query"]),
        default_rule("d", "*", "true", &["all"]),
    ]);
    for system in ["_user", "_auth", "_role", "_rule", "_fn", "_setting", "_tx"] {
        let answer = db.ask("ann", &json!({"select": ["*"], "from": system}));
        assert_eq!(answer, json!([]), "{system}");
    }
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
    let error = db.refused("ann", &json!([{"_id": "_role", "id": "x"}]));
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[test]
fn law_4_a_rule_that_names_a_system_collection_governs_it() {
    let db = with_rules(&[rule(
        "names",
        "_user",
        &["_user/username"],
        "true",
        &["query"],
    )]);
    let answer = db.ask("ann", &json!({"select": ["*"], "from": "_user"}));
    assert_eq!(answer[0]["_user/username"], "bob");
    assert_eq!(answer[0].get("_user/auth"), None);
}

#[test]
fn law_4_root_cannot_be_edited_and_root_alone_grants_it() {
    let db = with_rules(&[rule("auths", "_auth", &["*"], "true", &["all"])]);
    for items in [
        json!([{"_id": ["_role/id", "root"], "doc": "mine"}]),
        json!([{"_id": ["_role/id", "root"], "_action": "delete"}]),
        json!([{"_id": ["_rule/id", "root"], "ops": ["query"]}]),
        json!([{"_id": ["_auth/id", "root"], "_action": "delete"}]),
        json!([{"_id": ["_auth/id", "root"], "roles": null}]),
        json!([{"_id": ["_fn/name", "true"], "code": "false"}]),
    ] {
        assert_eq!(
            db.refused("root", &items).code(),
            "db/invalid-tx",
            "{items}"
        );
    }
    let grant = json!([{"_id": ["_auth/id", "bob"], "roles": [7 * (1_i64 << 44)]}]);
    let error = db.refused("ann", &grant);
    assert_eq!(
        error.kind(),
        ErrorKind::Invalid,
        "the role is not to be seen: {error}"
    );
    db.root(&grant);
    assert_eq!(titles(&db, "bob"), ["books", "plans"]);
}

#[test]
fn law_5_an_error_is_no_and_spoils_no_other_rule() {
    let db = with_rules(&[
        rule(
            "broken",
            "doc",
            &["*"],
            r#"(> (get (?s) "doc/title") 1)"#,
            &["query"],
        ),
        rule("fine", "doc", &["doc/size"], "true", &["query"]),
    ]);
    let answer = db.ask("ann", &docs());
    assert_eq!(answer[0]["size"], 2);
    assert_eq!(answer[0].get("title"), None);
}

#[test]
fn law_5_the_user_of_an_auth_without_one_is_an_error_also_under_not() {
    let db = office();
    let rules = [rule(
        "not-mine",
        "doc",
        &["*"],
        &format!("(not {OWN})"),
        &["query"],
    )];
    db.auth("ann", Some("ann"), &rules);
    db.root(&json!([
        {"_id": "_user", "username": "bob"},
        {"_id": "_auth", "id": "robot", "roles": [["_role/id", "ann-role"]]}]));
    furnish(&db);
    assert_eq!(titles(&db, "ann"), ["books"]);
    assert_eq!(titles(&db, "robot"), Vec::<String>::new());
}

#[test]
fn law_5_functions_of_one_rule_are_anded() {
    let db = office();
    let mut both = rule("both", "doc", &["*"], OWN, &["query"]);
    both["fns"]
        .as_array_mut()
        .unwrap()
        .push(json!({"_id": "_fn", "name": "small", "code": r#"(< (get (?s) "doc/size") 2)"#}));
    db.auth("ann", Some("ann"), &[both]);
    db.root(&json!([{"_id": "_user", "username": "bob"}]));
    furnish(&db);
    assert_eq!(titles(&db, "ann"), ["plans"]);
    db.root(&json!([{"_id": ["doc/key", "a"], "size": 3}]));
    assert_eq!(titles(&db, "ann"), Vec::<String>::new());
}

#[test]
fn law_6_a_rule_that_lacks_a_part_or_names_what_is_not_there_is_refused() {
    let db = office();
    let whole = rule("r", "doc", &["doc/title"], "true", &["query"]);
    db.root(&json!([whole]));
    let without = |key: &str| {
        let mut rule = whole.clone();
        rule["id"] = json!("other");
        rule.as_object_mut().unwrap().remove(key);
        rule
    };
    let with = |key: &str, value: Value| {
        let mut rule = without(key);
        rule[key] = value;
        rule
    };
    for item in [
        without("fns"),
        without("ops"),
        without("collection"),
        without("predicates"),
        with("collection", json!("nowhere")),
        with("predicates", json!(["doc/nothing"])),
        with("predicates", json!(["team/name"])),
        with("collectionDefault", json!(true)),
        with(
            "fns",
            json!([{"_id": "_fn", "name": "p", "params": ["x"], "code": "(== x 1)"}]),
        ),
    ] {
        assert_eq!(
            db.refused("root", &json!([item])).code(),
            "db/invalid-rule",
            "{item}"
        );
    }
}

#[test]
fn law_6_what_a_rule_uses_is_not_deleted() {
    let db = with_rules(&[rule("own", "doc", &["doc/title"], OWN, &["query"])]);
    let delete = json!([{"_id": ["_fn/name", "own-fn"], "_action": "delete"}]);
    let error = db.refused("root", &delete);
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "db/in-use")
    );
    assert_eq!(titles(&db, "ann"), ["plans"]);
}

#[test]
fn law_7_a_deny_that_says_yes_or_fails_denies_over_every_allow() {
    for (code, expected) in [
        ("true", vec![]),
        (OWN, vec!["books"]),
        (r#"(> (get (?s) "doc/title") 1)"#, vec![]),
        ("false", vec!["books", "plans"]),
    ] {
        let db = with_rules(&[
            rule("all", "doc", &["*"], "true", &["query"]),
            deny(rule("deny", "doc", &["doc/title"], code, &["query"])),
        ]);
        assert_eq!(titles(&db, "ann"), expected, "{code}");
    }
}

#[test]
fn law_7_a_deny_of_any_role_binds_and_a_star_deny_reaches_system_collections() {
    let db = with_rules(&[
        rule("all", "doc", &["*"], "true", &["query"]),
        rule("users", "_user", &["*"], "true", &["query"]),
    ]);
    let users = json!({"select": ["*"], "from": "_user"});
    assert_eq!(db.ask("ann", &users).as_array().unwrap().len(), 2);
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [
        {"_id": "_role", "id": "suspended", "rules": [deny(rule("stop", "*", &["*"], "true", &["all"]))]}]}]));
    assert_eq!(db.ask("ann", &users), json!([]));
    assert_eq!(db.ask("ann", &docs()), json!([]));
}

#[test]
fn law_7_root_is_not_bound_and_the_effect_is_fixed() {
    let db = with_rules(&[deny(rule("stop", "*", &["*"], "true", &["all"]))]);
    db.root(&json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "root"]]}]));
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
    for effect in [json!("allow"), Value::Null] {
        let error = db.refused(
            "root",
            &json!([{"_id": ["_rule/id", "stop"], "effect": effect}]),
        );
        assert_eq!(error.code(), "db/invalid-tx");
    }
}

/// An administrator who may write the whole policy, and is bound by a deny.
fn with_admin(rules: &[Value]) -> Db {
    let mut all = vec![
        rule("auths", "_auth", &["*"], "true", &["all"]),
        rule("roles", "_role", &["*"], "true", &["all"]),
        rule("rules", "_rule", &["*"], "true", &["all"]),
        rule("fns", "_fn", &["*"], "true", &["all"]),
        rule("users", "_user", &["*"], "true", &["all"]),
    ];
    all.extend(rules.iter().cloned());
    with_rules(&all)
}

#[test]
fn law_7_taking_a_deny_needs_root() {
    let db = with_admin(&[deny(rule(
        "no-secret",
        "doc",
        &["doc/secret"],
        "true",
        &["query"],
    ))]);
    for items in [
        json!([{"_id": ["_auth/id", "ann"], "roles": [["_role/id", "ann-role"]], "_action": "delete"}]),
        json!([{"_id": ["_role/id", "ann-role"], "rules": [["_rule/id", "no-secret"]], "_action": "delete"}]),
        json!([{"_id": ["_rule/id", "no-secret"], "_action": "delete"}]),
        json!([{"_id": ["_rule/id", "no-secret"], "predicates": ["doc/secret"], "_action": "delete"},
               {"_id": ["_rule/id", "no-secret"], "predicates": ["doc/size"]}]),
    ] {
        assert_eq!(
            db.refused("ann", &items).kind(),
            ErrorKind::Denied,
            "{items}"
        );
        assert_eq!(
            db.refused("ann", &items).code(),
            "db/write-permission",
            "{items}"
        );
    }
    db.root(&json!([{"_id": ["_rule/id", "no-secret"], "_action": "delete"}]));
}

#[test]
fn law_7_a_bearer_bound_by_a_deny_grants_only_to_auths_bound_by_it() {
    let db = with_admin(&[
        rule("docs", "doc", &["*"], "true", &["query"]),
        deny(rule(
            "no-secret",
            "doc",
            &["doc/secret"],
            "true",
            &["query"],
        )),
    ]);
    db.root(&json!([{"_id": "_role", "id": "free", "rules": [["_rule/id", "docs"]]}]));
    let error = db.refused(
        "ann",
        &json!([{"_id": ["_auth/id", "bob"], "roles": [["_role/id", "free"]]}]),
    );
    assert_eq!(error.kind(), ErrorKind::Denied);
    db.write(
        "ann",
        &json!([{"_id": ["_auth/id", "bob"], "roles": [["_role/id", "ann-role"]]}]),
    )
    .unwrap();
    assert_eq!(db.ask("bob", &docs())[0].get("secret"), None);
}

#[test]
fn law_8_what_is_hidden_does_not_exist_through_any_door_of_a_query() {
    let db = with_rules(&[rule("own", "doc", &["*"], OWN, &["query"])]);
    let one = |query: Value| {
        assert_eq!(
            db.ask("ann", &query).as_array().unwrap().len(),
            1,
            "{query}"
        );
    };
    let none = |query: Value| assert_eq!(db.ask("ann", &query), json!([]), "{query}");
    one(json!({"select": ["*"], "from": "doc"}));
    one(json!({"select": ["*"], "from": "doc/title"}));
    one(json!({"select": ["*"], "from": ["doc/key", "a"]}));
    none(json!({"select": ["*"], "from": ["doc/key", "b"]}));
    none(json!({"select": ["*"], "from": 20 * (1_i64 << 44) + 1}));
    none(json!({"select": ["*"], "from": "doc", "where": "doc/size = 2"}));
    none(json!({"select": ["*"], "from": "doc", "where": "doc/title = 'books'"}));
    one(json!({"select": ["*"], "from": "doc", "where": "doc/size > 0"}));
    one(json!({"select": ["*"], "from": "doc", "limit": 1, "orderBy": ["DESC", "doc/size"]}));
    none(json!({"select": ["*"], "from": "doc", "offset": 1}));
    none(json!({"select": ["*"], "from": "team"}));
}

#[test]
fn law_8_a_ref_to_a_subject_of_which_nothing_is_seen_is_absent() {
    let db = with_rules(&[rule("docs", "doc", &["*"], "true", &["query"])]);
    let query = json!({"select": ["title", {"team": ["name"]}, "owner"], "from": ["doc/key", "a"]});
    let answer = db.ask("ann", &query);
    assert_eq!(answer[0].get("team"), None, "{answer}");
    assert_eq!(answer[0].get("owner"), None, "{answer}");
    db.root(&json!([{"_id": ["_role/id", "ann-role"], "rules": [rule("alpha", "team", &["*"], r#"(== (get (?s) "team/name") "alpha")"#, &["query"])]}]));
    let answer = db.ask("ann", &query);
    assert_eq!(answer[0]["team"]["name"], "alpha", "{answer}");
    let answer = db.ask(
        "ann",
        &json!({"select": ["title", {"team": ["name"]}], "from": ["doc/key", "b"]}),
    );
    assert_eq!(answer[0].get("team"), None, "{answer}");
}

#[test]
fn law_8_a_reverse_crawl_shows_only_what_is_visible() {
    let db = with_rules(&[
        rule("own", "doc", &["*"], OWN, &["query"]),
        rule("teams", "team", &["*"], "true", &["query"]),
    ]);
    let answer = db.ask("ann", &json!({"select": ["name", {"doc/_team": ["title"]}], "from": "team", "orderBy": "team/name"}));
    assert_eq!(answer[0]["doc/_team"][0]["title"], "plans", "{answer}");
    assert_eq!(answer[1].get("doc/_team"), None, "{answer}");
}

#[test]
fn law_8_collections_predicates_and_used_tags_are_visible() {
    let db = with_rules(&[rule("own", "doc", &["*"], OWN, &["query"])]);
    let names = db.ask("ann", &json!({"select": ["name"], "from": "_collection"}));
    assert!(names.to_string().contains("\"doc\""));
    let tags = db
        .ask("ann", &json!({"select": ["id"], "from": "_tag"}))
        .to_string();
    assert!(tags.contains("doc/label:draft"), "{tags}");
    assert!(!tags.contains("doc/label:final"), "{tags}");
    assert!(tags.contains("_predicate/type:string"), "{tags}");
}

#[test]
fn law_8_sealed_predicates_are_in_no_answer_for_root_neither() {
    let db = office();
    let error = db.refused(
        "root",
        &json!([{"_id": ["_auth/id", "root"], "password": "x"}]),
    );
    assert_eq!(error.code(), "db/invalid-tx");
    let rules = json!([rule("r", "_auth", &["_auth/password"], "true", &["query"])]);
    assert_eq!(db.refused("root", &rules).code(), "db/invalid-rule");
    let code = json!([{"_id": "_fn", "name": "f", "code": "(nil? (get (?s) \"_auth/secret\"))"}]);
    assert_eq!(db.refused("root", &code).code(), "db/invalid-fn");
}

#[test]
fn law_9_a_write_is_accepted_whole_or_not_at_all() {
    let db = with_rules(&[
        rule("read", "doc", &["*"], "true", &["query"]),
        rule("own", "doc", &["doc/title"], OWN, &["transact"]),
    ]);
    let error = db.refused(
        "ann",
        &json!([
        {"_id": ["doc/key", "a"], "title": "mine"},
        {"_id": ["doc/key", "b"], "title": "yours"}]),
    );
    assert_eq!(
        error.message(),
        "Insufficient permissions for predicate: doc/title within collection: doc."
    );
    assert_eq!(error.at(), Some("/1/title"));
    assert_eq!(titles(&db, "ann"), ["books", "plans"]);
}

#[test]
fn law_9_a_refusal_tells_the_rules_own_message_deny_first_then_explicit_then_default() {
    let message = |mut rule: Value, text: &str| {
        rule["errorMessage"] = json!(text);
        rule
    };
    let read = || rule("read", "doc", &["*"], "true", &["query"]);
    let explicit = || {
        message(
            rule("own", "doc", &["doc/title"], OWN, &["transact"]),
            "own documents only",
        )
    };
    let default = || {
        message(
            default_rule("any", "doc", "false", &["transact"]),
            "nothing by default",
        )
    };
    let denied = || {
        message(
            deny(rule(
                "frozen",
                "doc",
                &["*"],
                "(== (get (?s) \"doc/size\") 2)",
                &["transact"],
            )),
            "frozen",
        )
    };
    let told = |rules: &[Value], items: Value| {
        with_rules(rules)
            .refused("ann", &items)
            .message()
            .to_owned()
    };
    let title = json!([{"_id": ["doc/key", "b"], "title": "x"}]);
    let size = json!([{"_id": ["doc/key", "b"], "size": 5}]);
    assert_eq!(
        told(&[read(), explicit(), default()], title.clone()),
        "own documents only"
    );
    assert_eq!(
        told(&[read(), explicit(), default()], size),
        "nothing by default"
    );
    assert_eq!(
        told(&[read(), explicit(), default(), denied()], title),
        "frozen"
    );
}

#[test]
fn law_9_nobody_lets_oneself_in_by_writing_the_fact_that_a_rule_asks_for() {
    let readers = r#"(contains? (get-all (?s) ["doc/readers"]) (?user_id))"#;
    let db = with_rules(&[
        rule("read", "doc", &["*"], "true", &["query"]),
        rule("users", "_user", &["*"], "true", &["query"]),
        rule("readers", "doc", &["*"], readers, &["transact"]),
    ]);
    let join = json!([{"_id": ["doc/key", "b"], "readers": [["_user/username", "ann"]]}]);
    assert_eq!(db.refused("ann", &join).code(), "db/write-permission");
    db.root(&join);
    db.write(
        "ann",
        &json!([{"_id": ["doc/key", "b"], "title": "edited"}]),
    )
    .unwrap();
    // And out again, though the state after would not allow it: a retraction is judged on the state before.
    db.write("ann", &json!([{"_id": ["doc/key", "b"], "readers": [["_user/username", "ann"]], "_action": "delete"}]))
        .unwrap();
    assert_eq!(
        db.refused("ann", &json!([{"_id": ["doc/key", "b"], "title": "again"}]))
            .kind(),
        ErrorKind::Denied
    );
}

#[test]
fn law_9_an_assertion_must_be_allowed_on_the_state_after_too() {
    let db = with_rules(&[
        rule("read", "doc", &["*"], "true", &["query"]),
        rule("users", "_user", &["*"], "true", &["query"]),
        rule("own", "doc", &["*"], OWN, &["transact"]),
    ]);
    let give = json!([{"_id": ["doc/key", "a"], "owner": ["_user/username", "bob"]}]);
    assert_eq!(db.refused("ann", &give).kind(), ErrorKind::Denied);
}

#[test]
fn law_9_a_new_subject_is_judged_with_the_facts_it_is_given() {
    let leads = r#"(relationship? (?s) ["doc/team" "team/lead"] (?user_id))"#;
    let db = with_rules(&[
        rule("read", "doc", &["*"], "true", &["query"]),
        rule("teams", "team", &["*"], "true", &["query"]),
        rule("users", "_user", &["*"], "true", &["query"]),
        rule("own", "doc", &["*"], leads, &["transact"]),
    ]);
    db.write(
        "ann",
        &json!([{"_id": "doc", "title": "x", "team": ["team/name", "alpha"]}]),
    )
    .unwrap();
    let other = json!([{"_id": "doc", "title": "x", "team": ["team/name", "beta"]}]);
    assert_eq!(db.refused("ann", &other).kind(), ErrorKind::Denied);
    // A fact written beside it, on what existed, does not help.
    let beside = json!([
        {"_id": ["team/name", "beta"], "lead": ["_user/username", "ann"]},
        {"_id": "doc", "title": "x", "team": ["team/name", "beta"]}]);
    assert_eq!(db.refused("ann", &beside).kind(), ErrorKind::Denied);
}

#[test]
fn law_9_of_a_hidden_flake_the_collection_alone_is_told() {
    let db = with_rules(&[
        rule(
            "titles",
            "doc",
            &["doc/title", "doc/key"],
            "true",
            &["query"],
        ),
        rule(
            "write",
            "doc",
            &["doc/title", "doc/key"],
            "true",
            &["transact"],
        ),
    ]);
    let error = db.refused(
        "ann",
        &json!([{"_id": ["doc/key", "b"], "_action": "delete"}]),
    );
    assert_eq!(
        error.message(),
        "Insufficient permissions within collection: doc."
    );
}

#[test]
fn law_9_what_was_sent_is_told_before_what_follows_from_it() {
    let db = with_rules(&[
        rule(
            "titles",
            "doc",
            &["doc/title", "doc/key"],
            "true",
            &["query"],
        ),
        rule("own", "doc", &["doc/secret"], OWN, &["transact"]),
    ]);
    // The old value is hidden, and would be retracted: told is the new one, which was sent.
    let error = db.refused("ann", &json!([{"_id": ["doc/key", "b"], "secret": "x"}]));
    assert_eq!(
        error.message(),
        "Insufficient permissions for predicate: doc/secret within collection: doc."
    );
}

#[test]
fn law_9_what_can_never_be_written_is_refused_before_any_fact_is_read() {
    let db = with_rules(&[rule("titles", "doc", &["doc/title"], "true", &["transact"])]);
    // The identity is unknown, and still the permission is what is told.
    let error = db.refused("ann", &json!([{"_id": ["doc/key", "nobody"], "size": 1}]));
    assert_eq!(error.code(), "db/write-permission");
    let error = db.refused(
        "ann",
        &json!([{"_id": ["doc/key", "nobody"], "title": "x"}]),
    );
    assert_eq!(error.code(), "db/invalid-tx");
    let hidden = db.refused("ann", &json!([{"_id": ["doc/key", "a"], "title": "x"}]));
    assert_eq!(
        hidden.message(),
        error.message(),
        "hidden and absent read the same"
    );
}

#[test]
fn law_10_a_bearer_grants_only_roles_that_it_holds() {
    let db = with_admin(&[rule("docs", "doc", &["doc/title"], "true", &["query"])]);
    db.root(&json!([{"_id": "_role", "id": "wide", "rules": [rule("wide", "doc", &["*"], "true", &["all"])]}]));
    let grant = |role: &str| json!([{"_id": ["_auth/id", "bob"], "roles": [["_role/id", role]]}]);
    assert_eq!(db.refused("ann", &grant("wide")).kind(), ErrorKind::Denied);
    db.write("ann", &grant("ann-role")).unwrap();
    assert_eq!(titles(&db, "bob"), ["books", "plans"]);
}

#[test]
fn law_10_nobody_widens_a_role_that_it_holds() {
    let db = with_admin(&[rule("docs", "doc", &["doc/title"], "(== 1 2)", &["query"])]);
    for items in [
        json!([{"_id": ["_rule/id", "docs"], "predicates": ["doc/secret"]}]),
        json!([{"_id": ["_rule/id", "docs"], "fns": [["_fn/name", "true"]]},
               {"_id": ["_rule/id", "docs"], "fns": [["_fn/name", "docs-fn"]], "_action": "delete"}]),
        json!([{"_id": ["_fn/name", "docs-fn"], "code": "true"}]),
        json!([{"_id": ["_role/id", "ann-role"], "rules": [rule("more", "doc", &["*"], "true", &["all"])]}]),
        json!([{"_id": ["_auth/id", "ann"], "roles": [{"_id": "_role", "id": "new", "rules": [rule("more", "doc", &["*"], "true", &["all"])]}]}]),
        json!([{"_id": "_user", "username": "eve", "auth": [["_auth/id", "root"]]}]),
    ] {
        assert_eq!(
            db.refused("ann", &items).kind(),
            ErrorKind::Denied,
            "{items}"
        );
    }
    assert_eq!(titles(&db, "ann"), Vec::<String>::new());
}

#[test]
fn law_10_a_role_that_derives_from_a_held_one_is_held() {
    let db = with_admin(&[
        rule("docs", "doc", &["doc/title"], "true", &["query"]),
        default_rule("rest", "doc", "true", &["query"]),
        rule("hide", "doc", &["doc/secret"], "false", &["query"]),
    ]);
    let grant = |id: &str, rules: Value| json!([{"_id": ["_auth/id", "bob"], "roles": [{"_id": "_role", "id": id, "rules": rules}]}]);
    db.write("ann", &grant("part", json!([["_rule/id", "docs"]])))
        .unwrap();
    // A default without the explicit rules that shadow it would be wider.
    let wider = grant("wider", json!([["_rule/id", "rest"]]));
    assert_eq!(db.refused("ann", &wider).kind(), ErrorKind::Denied);
}

#[test]
fn law_10_valid_after_only_moves_forward() {
    let db = office();
    db.auth("ann", None, &[]);
    let set = |at: Value| json!([{"_id": ["_auth/id", "ann"], "validAfter": at}]);
    db.root(&set(json!("2026-01-02T00:00:00Z")));
    for earlier in [json!("2026-01-01T00:00:00Z"), Value::Null] {
        assert_eq!(db.refused("root", &set(earlier)).code(), "db/invalid-tx");
    }
    db.root(&set(json!("2026-01-03T00:00:00Z")));
}

#[test]
fn law_12_time_travel_needs_the_rules_on_the_facts_of_then_and_of_now() {
    let db = with_rules(&[rule("own", "doc", &["*"], OWN, &["query"])]);
    let then = db.database.head().t.0;
    let past = |from: Value| json!({"select": ["title"], "from": from, "block": then});
    db.root(&json!([{"_id": ["doc/key", "a"], "title": "renamed"}]));
    assert_eq!(db.ask("ann", &past(json!("doc")))[0]["title"], "plans");
    // What is no longer hers she sees no more, not even as it was; what became hers, only from then on.
    db.root(&json!([
        {"_id": ["doc/key", "a"], "owner": ["_user/username", "bob"]},
        {"_id": ["doc/key", "b"], "owner": ["_user/username", "ann"]}]));
    assert_eq!(db.ask("ann", &past(json!("doc"))), json!([]));
    assert_eq!(titles(&db, "ann"), ["books"]);
    // A subject that is gone is judged on the facts just before it went.
    let own = db.database.head().t.0;
    db.root(&json!([{"_id": ["doc/key", "b"], "_action": "delete"}]));
    assert_eq!(titles(&db, "ann"), Vec::<String>::new());
    let was = db.ask(
        "ann",
        &json!({"select": ["title"], "from": "doc", "block": own}),
    );
    assert_eq!(was[0]["title"], "books");
}

#[test]
fn law_12_time_travel_uses_the_rules_of_now() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["query"])]);
    let then = db.database.head().t.0;
    db.root(&json!([{"_id": ["_role/id", "ann-role"], "rules": [["_rule/id", "all"]], "_action": "delete"},
                    {"_id": ["_role/id", "ann-role"], "rules": [rule("titles", "doc", &["doc/size"], "true", &["query"])]}]));
    let answer = db.ask(
        "ann",
        &json!({"select": ["*"], "from": "doc", "block": then}),
    );
    assert_eq!(answer[0].get("doc/title"), None);
    assert_eq!(answer[0]["doc/size"], 2);
}

#[test]
fn law_13_a_change_of_policy_is_in_force_at_the_next_request() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    let view = db.database.view("ann").unwrap();
    db.root(&json!([{"_id": ["_rule/id", "all"], "_action": "delete"}]));
    // A view that was taken before stays as it was; the next one knows.
    assert!(
        view.query(&docs().to_string())
            .unwrap()
            .body
            .contains("plans")
    );
    assert_eq!(
        db.try_ask("ann", &docs()).unwrap_err().kind(),
        ErrorKind::Denied
    );
    let write = json!([{"_id": ["doc/key", "a"], "title": "x"}]);
    assert_eq!(db.refused("ann", &write).kind(), ErrorKind::Denied);
}

#[test]
fn law_13_a_view_is_a_lease() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    let view = db.database.view("ann").unwrap();
    db.clock.advance(Duration::from_secs(30));
    assert!(view.query(&docs().to_string()).is_ok());
    db.clock.advance(Duration::from_millis(1));
    assert_eq!(
        view.query(&docs().to_string()).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[test]
fn law_14_that_a_unique_value_is_taken_is_told_only_to_one_who_may_write_it() {
    let db = with_rules(&[
        rule("own", "doc", &["*"], OWN, &["query"]),
        rule("users", "_user", &["*"], "true", &["query"]),
        rule(
            "write",
            "doc",
            &["doc/title", "doc/owner", "doc/key"],
            OWN,
            &["transact"],
        ),
    ]);
    let with_key =
        |owner: &str| json!([{"_id": "doc", "key": "b", "owner": ["_user/username", owner]}]);
    let error = db.refused("ann", &with_key("ann"));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "db/unique")
    );
    assert_eq!(
        error.message(),
        "a value of the unique predicate `doc/key` is taken"
    );
    assert_eq!(
        db.refused("ann", &with_key("bob")).code(),
        "db/write-permission"
    );
}

#[test]
fn law_14_what_is_hidden_changes_no_byte_of_an_answer() {
    let answers = |extra: Value| {
        let db = with_rules(&[rule("own", "doc", &["*"], OWN, &["query"])]);
        db.root(&extra);
        let view = db.database.view("ann").unwrap();
        [
            json!({"select": ["*"], "from": "doc"}),
            json!({"select": ["*"], "from": "_tag"}),
            json!({"select": ["*"], "from": "doc", "where": "doc/size >= 0", "limit": 1}),
            json!({"select": ["*"], "from": "_tx"}),
        ]
        .map(|query| view.query(&query.to_string()).unwrap())
    };
    let bob = json!(["_user/username", "bob"]);
    assert_eq!(
        answers(json!([{"_id": "doc", "title": "a", "owner": bob, "size": 1, "label": "odd"}])),
        answers(json!([{"_id": ["doc/key", "b"], "secret": "other"}])),
    );
}

#[test]
fn law_15_root_alone_is_told_the_steps() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    let fuel = |auth: &str| {
        db.database
            .view(auth)
            .unwrap()
            .query(&docs().to_string())
            .unwrap()
            .fuel
    };
    assert!(fuel("root").is_some_and(|steps| steps > 0));
    assert_eq!(fuel("ann"), None);
    let receipt = db
        .write("ann", &json!([{"_id": ["doc/key", "a"], "title": "x"}]))
        .unwrap();
    assert_eq!(receipt.fuel, None);
    assert!(
        db.root(&json!([{"_id": ["doc/key", "a"], "title": "y"}]))
            .fuel
            .is_some()
    );
}

#[test]
fn receipts_tell_what_their_author_may_see() {
    let db = with_rules(&[
        rule("read", "doc", &["doc/title"], "true", &["query"]),
        rule("write", "doc", &["*"], "true", &["transact"]),
    ]);
    let receipt = db
        .write(
            "ann",
            &json!([{"_id": "doc$x", "title": "t", "secret": "s"}]),
        )
        .unwrap();
    assert_eq!(receipt.flakes.len(), 1);
    assert_eq!(receipt.tempids.len(), 1);
    let receipt = db
        .write("ann", &json!([{"_id": "doc$x", "secret": "s"}]))
        .unwrap();
    assert_eq!((receipt.flakes.len(), receipt.tempids.len()), (0, 0));
}

#[test]
fn a_transaction_is_seen_by_the_auth_that_made_it() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    db.write("ann", &json!([{"_id": "doc", "title": "x"}]))
        .unwrap();
    let answer = db.ask("ann", &json!({"select": ["*"], "from": "_tx"}));
    assert_eq!(answer.as_array().unwrap().len(), 1, "{answer}");
    let number = db.database.head().t.0;
    assert_eq!(answer[0]["_block/number"], number);
    let all = db.ask("root", &json!({"select": ["*"], "from": "_tx"}));
    assert_eq!(
        all.as_array().unwrap().len(),
        usize::try_from(number).unwrap()
    );
}

#[test]
fn the_fuel_of_an_auth_bounds_each_of_its_requests() {
    let db = with_rules(&[rule("all", "doc", &["*"], "true", &["all"])]);
    let steps = |auth: &str| {
        let answer = db.database.view(auth).unwrap().query(&docs().to_string());
        answer.map_err(|error| (error.code(), error.message().to_owned()))
    };
    let needed = steps("root").unwrap().fuel.unwrap();
    let fuel = |fuel: u64| db.root(&json!([{"_id": ["_auth/id", "ann"], "fuel": fuel}]));
    fuel(needed);
    assert!(steps("ann").is_ok());
    // Ann sees less than root, and so needs less: the edge is somewhere below.
    let enough = (1..=needed).find(|steps_max| {
        fuel(*steps_max);
        steps("ann").is_ok()
    });
    let short = enough.unwrap() - 1;
    fuel(short);
    let exceeded = format!("the request needs more than {short} steps");
    assert_eq!(steps("ann"), Err(("db/exceeded-cost", exceeded)));
}
