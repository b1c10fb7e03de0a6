//! The doors of a storage vendor's REST API, as its own clients use them: a plugin that refreshes before a token ends,
//! a script that refreshes on 401, and one that sends forms.

use serde_json::{Value, json};

use crate::support::People;
use crate::support::served::{Reply, Served, serve_folder};
use solon::server::Mode;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

struct World {
    people: People,
    served: Served,
}

impl World {
    fn new() -> Self {
        let people = People::new();
        for name in ["ann", "ben"] {
            people.user(name, Some("correct horse"));
        }
        // What those clients call a role is one by that name, which its holder must see.
        people.root(&json!([
            {"_id": ["_role/id", "ann-role"], "id": "CSI"},
            {"_id": ["_rule/id", "ann-rule"], "predicates": ["*"]},
            {"_id": "_rule$r", "id": "roles", "collection": "_role", "predicates": ["_role/id"],
             "fns": [["_fn/name", "true"]], "ops": ["query"]},
            {"_id": ["_role/id", "ann-role"], "rules": ["_rule$r"]},
        ]));
        let served = serve_folder(people.folder.clone(), Mode::Closed, None);
        Self { people, served }
    }

    fn login(&self, body: &Value) -> Reply {
        let body = body.to_string();
        self.served
            .send("POST", "/api/v2/login", &[JSON], body.as_bytes())
    }

    fn sign_in(&self, user: &str) -> Client<'_> {
        let reply = self.login(&json!({"username": user, "password": "correct horse"}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let mut client = Client {
            world: self,
            access: String::new(),
            refresh: String::new(),
        };
        client.keep(&reply);
        client
    }
}

/// A client that keeps its two tokens as that vendor's do.
struct Client<'w> {
    world: &'w World,
    access: String,
    refresh: String,
}

impl Client<'_> {
    fn keep(&mut self, reply: &Reply) {
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        let data = &told["data"];
        assert_eq!(data["token_type"], "Bearer");
        assert_eq!(data["expires_in"], 300);
        assert_eq!(data["password_change_required"], false);
        data["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.access);
        data["refresh_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.refresh);
    }

    fn call(&self, method: &str, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.access);
        let path = format!("/api/v2{path}");
        self.world
            .served
            .send(method, &path, &[("authorization", &bearer)], b"")
    }

    fn refresh(&mut self) -> Reply {
        let body = json!({"refresh_token": self.refresh}).to_string();
        let served = &self.world.served;
        served.send("POST", "/api/v2/login/refresh", &[JSON], body.as_bytes())
    }

    /// Calls, and on 401 refreshes and calls once more, and then signs in anew.
    fn call_for_long(&mut self, path: &str, user: &str) -> (Reply, u32) {
        let first = self.call("GET", path);
        if first.status != 401 {
            return (first, 0);
        }
        let refreshed = self.refresh();
        if refreshed.status == 200 {
            self.keep(&refreshed);
            return (self.call("GET", path), 1);
        }
        *self = Client {
            world: self.world,
            ..self.world.sign_in(user)
        };
        (self.call("GET", path), 2)
    }
}

fn data(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told: Value = serde_json::from_str(&reply.body).unwrap();
    told["data"].clone()
}

#[test]
fn a_client_signs_in_asks_who_it_is_and_which_system_this_is() {
    let world = World::new();
    let ann = world.sign_in("ann");
    let who = data(&ann.call("GET", "/users/whoami"));
    assert_eq!(who["username"], "ann");
    assert_eq!(who["org_id"], 0);
    assert_eq!(who["org_name"], "Root");
    assert_eq!(who["source"], "Internal");
    assert_eq!(who["role"], "CSI");
    assert!(uuid::Uuid::parse_str(who["uid"].as_str().unwrap()).is_ok());
    let expiry = data(&ann.call("GET", "/security/defaultTokensExpiry"));
    assert_eq!(expiry["access_token_expiry"], 300);
    assert_eq!(expiry["refresh_token_expiry"], 14 * 86_400);
    let cluster = data(&ann.call("GET", "/cluster"));
    assert!(uuid::Uuid::parse_str(cluster["guid"].as_str().unwrap()).is_ok());
    let ben = world.sign_in("ben");
    assert_eq!(data(&ben.call("GET", "/users/whoami"))["role"], "Regular");
}

#[test]
fn a_client_refreshes_on_401_and_comes_back_after_a_revocation() {
    let world = World::new();
    let mut ann = world.sign_in("ann");
    assert_eq!(ann.call_for_long("/users/whoami", "ann").1, 0);
    world
        .people
        .clock
        .advance(std::time::Duration::from_secs(301));
    let (reply, tries) = ann.call_for_long("/users/whoami", "ann");
    assert_eq!((reply.status, tries), (200, 1));

    // Its own tokens end at once, all of them.
    let uid = data(&ann.call("GET", "/users/whoami"))["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let revoked = ann.call("DELETE", &format!("/users/{uid}/revoke"));
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert_eq!(ann.call("GET", "/users/whoami").status, 401);
    let (reply, tries) = ann.call_for_long("/users/whoami", "ann");
    assert_eq!((reply.status, tries), (200, 2));
}

#[test]
fn another_users_tokens_are_revoked_by_who_may() {
    let world = World::new();
    let (ann, ben) = (world.sign_in("ann"), world.sign_in("ben"));
    let uid = data(&ben.call("GET", "/users/whoami"))["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let denied = ann.call("DELETE", &format!("/users/{uid}/revoke"));
    assert!(matches!(denied.status, 403 | 404), "{}", denied.body);
    assert!(serde_json::from_str::<Value>(&denied.body).unwrap()["message"].is_string());
    assert_eq!(ben.call("GET", "/users/whoami").status, 200);

    let root = Client {
        world: &world,
        access: world.served.token.clone(),
        refresh: String::new(),
    };
    assert_eq!(
        data(&root.call("GET", "/users/whoami"))["role"],
        "ClusterAdmin"
    );
    let users = data(&root.call("GET", "/users"));
    let names: Vec<&str> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ann", "ben"]);
    assert_eq!(
        root.call("DELETE", &format!("/users/{uid}/revoke")).status,
        200
    );
    assert_eq!(ben.call("GET", "/users/whoami").status, 401);
    assert_eq!(ann.call("GET", "/users/whoami").status, 200);
    for uid in ["x", "00000000-0000-8000-8000-000000000000"] {
        assert_eq!(
            root.call("DELETE", &format!("/users/{uid}/revoke")).status,
            404
        );
    }
}

#[test]
fn forms_are_taken_and_the_org_is_read_in_any_case() {
    let world = World::new();
    for org in [
        "",
        "&org=root",
        "&org=Root",
        "&org=local",
        "&org=local/default",
    ] {
        let body = format!("username=ann&password=correct+horse{org}");
        let reply = world
            .served
            .send("POST", "/api/v2/login", &[FORM], body.as_bytes());
        assert_eq!(reply.status, 200, "{org}: {}", reply.body);
    }
    let body = "username=ann&password=correct+horse&org=elsewhere";
    let reply = world
        .served
        .send("POST", "/api/v2/login", &[FORM], body.as_bytes());
    assert_eq!(reply.status, 401, "{}", reply.body);
}

#[test]
fn every_refusal_is_json_with_a_reason_and_a_lock_out_says_how_long() {
    let world = World::new();
    let wrong = json!({"username": "ann", "password": "wrong horse"});
    let unknown = json!({"username": "eve", "password": "wrong horse"});
    for body in [&unknown, &wrong, &wrong, &wrong, &wrong, &wrong] {
        let reply = world.login(body);
        assert_eq!(reply.status, 401);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(told["data"], "Invalid username or password");
    }
    let locked = world.login(&json!({"username": "ann", "password": "correct horse"}));
    assert_eq!(locked.status, 403);
    assert_eq!(locked.header("retry-after"), Some("120"));
    let told: Value = serde_json::from_str(&locked.body).unwrap();
    assert_eq!(
        told["data"],
        "Authentication Failed. User has been locked out for another 2m0s due to too many login attempts"
    );
    for (method, path, headers, body, status) in [
        ("POST", "/login", [JSON].as_slice(), "{", 400),
        ("POST", "/login", &[JSON], "{}", 400),
        (
            "POST",
            "/login",
            &[("content-type", "text/plain")],
            "{}",
            415,
        ),
        (
            "POST",
            "/login/refresh",
            &[JSON],
            r#"{"refresh_token": "x"}"#,
            401,
        ),
        ("GET", "/login", &[], "", 405),
        ("GET", "/users/whoami", &[], "", 401),
        (
            "GET",
            "/users/whoami",
            &[("authorization", "Bearer x")],
            "",
            401,
        ),
        (
            "POST",
            "/users/whoami",
            &[("authorization", "Bearer x")],
            "",
            405,
        ),
        ("GET", "/fileSystems", &[], "", 404),
    ] {
        let path = format!("/api/v2{path}");
        let reply = world.served.send(method, &path, headers, body.as_bytes());
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        assert!(
            told["message"].is_string() && told["data"].is_string(),
            "{told}"
        );
    }
}

#[test]
fn an_auth_whose_roles_allow_nothing_is_told_nothing() {
    let world = World::new();
    let ben = world.sign_in("ben");
    let paths = [
        "/security/defaultTokensExpiry",
        "/cluster",
        "/users",
        "/users/whoami",
    ];
    for path in paths {
        assert_eq!(ben.call("GET", path).status, 200, "{path}");
    }
    world
        .people
        .root(&json!([{"_id": ["_auth/id", "ben"], "roles": null}]));
    for path in paths {
        let reply = ben.call("GET", path);
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
    }
}

#[test]
fn a_uid_that_is_no_text_is_nobodys_and_told_in_json() {
    let world = World::new();
    let root = Client {
        world: &world,
        access: world.served.token.clone(),
        refresh: String::new(),
    };
    let reply = root.call("DELETE", "/users/%ff/revoke");
    assert_eq!(reply.status, 404, "{}", reply.body);
    assert!(serde_json::from_str::<Value>(&reply.body).unwrap()["message"].is_string());
}
