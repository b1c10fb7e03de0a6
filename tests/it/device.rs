//! Signing in for a device over HTTP: the two endpoints, the page in between, and what must not get through them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::People;
use crate::support::served::{Reply, Served, config, serve_config};
use solon::server::{Config, Mode};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

struct World {
    people: People,
    served: Served,
}

impl World {
    fn new() -> Self {
        let people = People::new();
        people.user("ann", Some("correct horse"));
        let config = Config {
            clock: Arc::clone(&people.clock) as _,
            ..config(Mode::Closed)
        };
        let served = serve_config(people.folder.clone(), &config, None);
        Self { people, served }
    }

    fn form(&self, path: &str, body: &str) -> Reply {
        self.served.send("POST", path, &[FORM], body.as_bytes())
    }

    /// The codes of a device that asked.
    fn begin(&self) -> (String, String) {
        let reply = self.form("/oauth/device_authorization", "client_id=solon-cli");
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        let address = self.served.address;
        assert_eq!(text("verification_uri"), format!("http://{address}/device"));
        assert_eq!(told["interval"], 5);
        assert_eq!(told["expires_in"], 600);
        (text("device_code"), text("user_code"))
    }

    fn poll(&self, device_code: &str) -> (u16, Value) {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let body = format!("grant_type={grant}&client_id=solon-cli&device_code={device_code}");
        let reply = self.form("/oauth/token", &body);
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    fn refused(&self, device_code: &str, error: &str) {
        let (status, told) = self.poll(device_code);
        assert_eq!((status, &told["error"]), (400, &json!(error)), "{told}");
    }

    fn decide(&self, code: &str, password: &str, decision: &str) -> Reply {
        self.form(
            "/device",
            &format!("user_code={code}&username=ann&password={password}&decision={decision}"),
        )
    }

    fn later(&self, seconds: u64) {
        self.people
            .clock
            .advance(std::time::Duration::from_secs(seconds));
    }
}

#[test]
fn a_device_gets_tokens_once_somebody_signs_in_for_it() {
    let world = World::new();
    let (device, code) = world.begin();
    world.refused(&device, "authorization_pending");
    let page = world
        .served
        .send("GET", &format!("/device?user_code={code}"), &[], b"");
    assert_eq!(page.status, 200);
    assert!(page.body.contains(&code) && page.body.contains("127.0.0.1"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));

    let wrong = world.decide(&code, "wrong horse", "allow");
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("The user or the password is wrong."));
    let done = world.decide(
        &code.to_lowercase().replace('-', ""),
        "correct+horse",
        "allow",
    );
    assert_eq!(done.status, 200, "{}", done.body);

    let (status, told) = world.poll(&device);
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["token_type"], "Bearer");
    let token = told["access_token"].as_str().unwrap();
    let who = world.served.post("whoami", token, None, "{}");
    assert_eq!(who.status, 200, "{}", who.body);
    assert!(who.body.contains("\"ann\""));
    // It was handed out once.
    world.refused(&device, "expired_token");

    let refresh = told["refresh_token"].as_str().unwrap();
    let body = format!("grant_type=refresh_token&refresh_token={refresh}");
    let again = world.form("/oauth/token", &body);
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.header("cache-control"), Some("no-store"));
    let again: Value = serde_json::from_str(&again.body).unwrap();
    assert_ne!(again["refresh_token"], told["refresh_token"]);
}

#[test]
fn a_device_that_is_refused_or_asks_too_soon_or_too_late_gets_none() {
    let world = World::new();
    let (device, code) = world.begin();
    world.refused(&device, "authorization_pending");
    world.refused(&device, "slow_down");
    assert_eq!(world.decide(&code, "", "deny").status, 200);
    world.refused(&device, "access_denied");
    world.refused(&device, "expired_token");

    let (device, code) = world.begin();
    world.later(601);
    world.refused(&device, "expired_token");
    assert_eq!(world.decide(&code, "correct+horse", "allow").status, 404);
    world.refused("nonsense", "expired_token");
}

#[test]
fn a_request_that_is_none_is_refused_in_the_words_of_oauth() {
    let world = World::new();
    for (path, body, status, error) in [
        ("device_authorization", "", 401, "invalid_client"),
        (
            "device_authorization",
            "client_id=other",
            401,
            "invalid_client",
        ),
        (
            "device_authorization",
            "client_id=a&client_id=b",
            400,
            "invalid_request",
        ),
        ("token", "", 400, "invalid_request"),
        (
            "token",
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
        ("token", "grant_type=refresh_token", 400, "invalid_request"),
        (
            "token",
            "grant_type=refresh_token&refresh_token=x",
            400,
            "invalid_grant",
        ),
        (
            "token",
            "grant_type=refresh_token&refresh_token=x&client_id=y",
            401,
            "invalid_client",
        ),
        (
            "token",
            "grant_type=urn:ietf:params:oauth:grant-type:device_code",
            401,
            "invalid_client",
        ),
        (
            "token",
            "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=solon-cli",
            400,
            "invalid_request",
        ),
    ] {
        let reply = world.form(&format!("/oauth/{path}"), body);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &told["error"]),
            (status, &json!(error)),
            "{path} {body}"
        );
    }
    let json = [("content-type", "application/json")];
    assert_eq!(
        world
            .served
            .send("POST", "/oauth/token", &json, b"{}")
            .status,
        400
    );
    assert_eq!(
        world.served.send("GET", "/oauth/token", &[], b"").status,
        405
    );
    assert_eq!(world.served.send("DELETE", "/device", &[], b"").status, 405);
    // Some clients poll without a content type.
    let bare = world.served.raw(
        b"POST /oauth/token HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 19\r\n\r\ngrant_type=password",
    );
    assert!(bare.contains("unsupported_grant_type"), "{bare}");
}

#[test]
fn what_a_request_says_of_itself_is_text_on_the_page_and_leads_nowhere() {
    let world = World::new();
    let markup = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let page = world
        .served
        .send("GET", &format!("/device?user_code={markup}"), &[], b"");
    assert_eq!(page.status, 404);
    assert!(!page.body.contains("<script"), "{}", page.body);
    // A database's name is shown as the device sent it.
    let body = format!("client_id=solon-cli&db={markup}");
    let told = world.form("/oauth/device_authorization", &body);
    let told: Value = serde_json::from_str(&told.body).unwrap();
    let code = told["user_code"].as_str().unwrap();
    let more =
        format!("/device?user_code={code}&redirect_uri=https://evil.example&next=//evil.example");
    let page = world.served.send("GET", &more, &[], b"");
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script") && page.body.contains("&lt;script"));
    assert!(!page.body.contains("evil.example"), "{}", page.body);
    assert_eq!(page.header("location"), None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    // There is no such database; what is told is what a wrong password is told.
    let form = format!("user_code={code}&username=ann&password=correct+horse&decision=allow");
    let refused = world.form("/device", &form);
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("The user or the password is wrong."));
}

#[test]
fn another_sites_page_cannot_send_the_form() {
    let world = World::new();
    let (device, code) = world.begin();
    let form = format!("user_code={code}&username=ann&password=correct+horse&decision=allow");
    let here = format!("http://{}", world.served.address);
    for (name, value, is_own) in [
        ("origin", "https://evil.example", false),
        ("origin", "null", false),
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
        ("origin", here.as_str(), true),
    ] {
        let reply = world
            .served
            .send("POST", "/device", &[FORM, (name, value)], form.as_bytes());
        assert_eq!(
            reply.status,
            if is_own { 200 } else { 403 },
            "{name}: {value}"
        );
        if is_own {
            assert_eq!(world.poll(&device).0, 200);
        }
    }
}

#[test]
fn codes_cannot_be_guessed_at_for_long() {
    let world = World::new();
    let (_, code) = world.begin();
    for _ in 0..solon::base::limits::DEVICE_GUESSES_OF_SOURCE_MAX {
        let guess = world
            .served
            .send("GET", "/device?user_code=BBBB-BBBB", &[], b"");
        assert_eq!(guess.status, 404);
    }
    // The right one is no longer told from a wrong one.
    for code in ["BBBB-BBBB", code.as_str()] {
        let guess = world
            .served
            .send("GET", &format!("/device?user_code={code}"), &[], b"");
        assert_eq!(guess.status, 429);
        assert_eq!(world.decide(code, "correct+horse", "allow").status, 429);
    }
    // What a client says of its address changes nothing.
    let forwarded = [
        ("x-forwarded-for", "10.9.9.9"),
        ("forwarded", "for=10.9.9.9"),
    ];
    let guess = world
        .served
        .send("GET", &format!("/device?user_code={code}"), &forwarded, b"");
    assert_eq!(guess.status, 429);
    world.later(601);
    assert_eq!(
        world
            .served
            .send("GET", "/device?user_code=BBBB-BBBB", &[], b"")
            .status,
        404
    );
}

#[test]
fn a_flood_of_devices_is_refused_past_its_bound() {
    let world = World::new();
    for _ in 0..solon::base::limits::DEVICES_OF_SOURCE_MAX {
        world.begin();
    }
    let reply = world.form("/oauth/device_authorization", "client_id=solon-cli");
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), Some("5"));
    world.later(601);
    world.begin();
}

#[test]
fn failed_sign_ins_on_the_page_lock_out_as_at_the_door() {
    let world = World::new();
    let (_, code) = world.begin();
    for _ in 0..solon::base::limits::LOCKOUT_FAILURES_MAX {
        assert_eq!(world.decide(&code, "wrong+horse", "allow").status, 401);
    }
    let locked = world.decide(&code, "correct+horse", "allow");
    assert_eq!(locked.status, 429);
    assert!(locked.body.contains("Too many sign-ins failed."));
    let body = r#"{"user": "ann", "password": "correct horse"}"#;
    let json = [("content-type", "application/json")];
    let door = world
        .served
        .send("POST", "/api/db/signin", &json, body.as_bytes());
    door.problem(429, "db/locked-out");
    assert_eq!(door.header("retry-after"), Some("120"));
}

#[test]
fn a_form_is_read_up_to_its_bound_and_not_past_it() {
    let world = World::new();
    let max = solon::base::limits::FORM_BYTES_MAX;
    for (path, begin, status) in [
        ("/oauth/device_authorization", "client_id=solon-cli&x=", 200),
        ("/oauth/token", "grant_type=password&x=", 400),
        ("/device", "user_code=BBBB-BBBB&x=", 404),
        ("/api/v2/login", "username=ann&password=wrong+horse&x=", 401),
    ] {
        let edge = format!("{begin}{}", "x".repeat(max - begin.len()));
        assert_eq!(world.form(path, &edge).status, status, "{path}");
        assert_eq!(world.form(path, &format!("{edge}x")).status, 413, "{path}");
    }
}
