//! Random lives of tokens against a plain state machine (`support/plain_tokens.rs`): sign-ins, refreshes, mints,
//! revocations, passwords, auths that are disabled, deleted and made anew, root given and taken, keys, restarts and a
//! clock that is driven. After each step some of all tokens that were ever handed out are presented, and each must be
//! good or refused, with the code, as the state machine says.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use solon::base::Clock as _;
use solon::base::limits::KEYS_LOOK_MS_MAX;
use solon::db::{OldTokens, SignIn, SignedIn, Source, TokenState};
use solon::token::{KeyStart, KeyState, list_keys, revoke_key, revoke_refresh_tokens, rotate_keys};

use crate::support::plain_tokens::{
    Exchange, Fate, PlainAuth, PlainKind, PlainRecord, PlainToken, PlainTokens,
};
use crate::support::random::{Random, Repeat, seeds};
use crate::support::{Bearers, rule};

const STEPS: usize = 1_000;
const PRESENTED: usize = 12;

/// The library, the state machine, and what drives both.
struct Twins {
    data: Option<Bearers>,
    plain: PlainTokens,
    random: Random,
    passwords: u32,
    /// When sign-ins failed, by user: no more are tried than lock nobody out.
    failures: Vec<Vec<i64>>,
    /// What was done, for who reads a failure.
    done: Vec<String>,
    /// How often each thing was seen, so that the test does not go blind.
    seen: BTreeMap<String, usize>,
}

/// Whose session asks for a revocation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    Root,
    Auth(usize),
}

impl Twins {
    fn new(seed: u64) -> Self {
        let data = Bearers::new();
        data.root(&json!([{"_id": "_role", "id": "reader", "rules": [
            rule("names", "_user", &["_user/username"], "true", &["query"])]}]));
        let plain = PlainTokens {
            now_ms: data.clock.now_ms(),
            ..PlainTokens::default()
        };
        let mut twins = Self {
            data: Some(data),
            plain,
            random: Random::new(seed),
            passwords: 0,
            failures: vec![Vec::new(); 3],
            done: Vec::new(),
            seen: BTreeMap::new(),
        };
        for (user, auths) in [("ann", 1), ("bob", 1), ("duo", 2)] {
            twins
                .data()
                .root(&json!([{"_id": "_user", "username": user}]));
            twins.plain.users.push(user.to_owned());
            for number in 0..auths {
                let user = twins.plain.users.len() - 1;
                let auth = twins.make_auth(&format!("{}-{number}", twins.plain.users[user]), user);
                twins.set_password(auth, OldTokens::Keep);
            }
        }
        twins
    }

    fn data(&self) -> &Bearers {
        self.data.as_ref().unwrap()
    }

    fn note(&mut self, what: String) {
        self.done.push(format!("{} {what}", self.plain.now_ms));
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..14 => self.advance(),
            14..30 => self.sign_in(),
            30..54 => self.refresh(),
            54..66 => self.mint(),
            66..76 => self.revoke_one(),
            76..78 => self.revoke_all(),
            78..83 => self.disable(),
            83..87 => {
                let auth = self.some_auth();
                let tokens = *self.random.pick(&[OldTokens::Keep, OldTokens::End]);
                if self.plain.auths[auth].exists {
                    self.set_password(auth, tokens);
                }
            }
            87..89 => self.delete_or_make(),
            89..93 => self.give_or_take_root(),
            93..95 => self.link(),
            95 => self.move_valid_after(),
            96 => self.change_keys(),
            97 => self.restart(),
            _ => self.list(),
        }
    }

    fn some_auth(&mut self) -> usize {
        // The newest of each name most of the time.
        let count = self.plain.auths.len();
        let auth = self.random.index(count);
        if self.plain.auths[auth].exists || self.random.one_in(8) {
            return auth;
        }
        let alive: Vec<usize> = (0..count)
            .filter(|it| self.plain.auths[*it].exists)
            .collect();
        if alive.is_empty() {
            auth
        } else {
            *self.random.pick(&alive)
        }
    }

    fn advance(&mut self) {
        let now_ms = self.plain.now_ms;
        let to_second = 1_000 - now_ms.rem_euclid(1_000);
        let by = match self.random.below(100) {
            0..20 => to_second,
            20..30 => to_second - 1,
            30..32 => 86_400_000,
            32 => 14 * 86_400_000,
            33 => 90 * 86_400_000,
            34..37 => 3_599_000,
            37..40 => 300_000,
            40..46 => 30_000,
            46..48 => 30_001,
            48..58 => 1_000,
            _ => *self.random.pick(&[1, 7, 200, 333, 499, 500, 999]),
        };
        self.pass(by);
    }

    fn pass(&mut self, by_ms: i64) {
        self.plain.now_ms += by_ms;
        let by = Duration::from_millis(u64::try_from(by_ms).unwrap());
        self.data().clock.advance(by);
        assert_eq!(self.data().clock.now_ms(), self.plain.now_ms);
        self.note(format!("passed {by_ms}"));
    }

    fn make_auth(&mut self, name: &str, user: usize) -> usize {
        let username = self.plain.users[user].clone();
        self.data().root(&json!([
            {"_id": "_auth$a", "id": name, "type": "password", "roles": [["_role/id", "reader"]]},
            {"_id": ["_user/username", username], "auth": ["_auth$a"]}]));
        let id = self.data().folder.database().auth(name).unwrap();
        self.plain.auths.push(PlainAuth {
            name: name.to_owned(),
            id,
            exists: true,
            is_disabled: false,
            is_root: false,
            valid_after: None,
            password: None,
            user: Some(user),
        });
        self.note(format!("made {name}"));
        self.plain.auths.len() - 1
    }

    fn change(&mut self, auth: usize, what: &Value) {
        let mut item = json!({"_id": self.plain.auths[auth].id.raw()});
        for (key, value) in what.as_object().unwrap() {
            item[key] = value.clone();
        }
        self.data().root(&json!([item]));
        self.note(format!("{} {what}", self.plain.auths[auth].name));
    }

    fn disable(&mut self) {
        let auth = self.some_auth();
        if self.plain.auths[auth].exists {
            let disabled = !self.plain.auths[auth].is_disabled;
            if disabled && !self.random.one_in(3) {
                return;
            }
            let value = if disabled { json!(true) } else { json!(null) };
            self.change(auth, &json!({"disabled": value}));
            self.plain.auths[auth].is_disabled = disabled;
        }
    }

    fn delete_or_make(&mut self) {
        let auth = self.some_auth();
        let name = self.plain.auths[auth].name.clone();
        let alive = |it: &PlainAuth| it.exists && it.name == name;
        match self.plain.auths.iter().position(alive) {
            Some(_) if !self.random.one_in(3) => {}
            Some(alive) => {
                self.change(alive, &json!({"_action": "delete"}));
                let it = &mut self.plain.auths[alive];
                (it.exists, it.user, it.password) = (false, None, None);
            }
            None => {
                let of = name.split('-').next().unwrap();
                let user = self.plain.users.iter().position(|it| it == of).unwrap();
                let auth = self.make_auth(&name, user);
                self.set_password(auth, OldTokens::Keep);
            }
        }
    }

    fn give_or_take_root(&mut self) {
        let auth = self.some_auth();
        let it = &self.plain.auths[auth];
        if !it.exists || (!it.is_root && !self.random.one_in(3)) {
            return;
        }
        let is_root = !it.is_root;
        let mut what = json!({"roles": [["_role/id", "root"]]});
        if !is_root {
            what["_action"] = json!("delete");
        }
        self.change(auth, &what);
        self.plain.auths[auth].is_root = is_root;
    }

    /// Takes the auth from its user, or gives it back.
    fn link(&mut self) {
        let auth = self.some_auth();
        let PlainAuth {
            id,
            exists,
            user,
            name,
            ..
        } = self.plain.auths[auth].clone();
        if !exists || (user.is_some() && !self.random.one_in(3)) {
            return;
        }
        let of = name.split('-').next().unwrap();
        let owner = self.plain.users.iter().position(|it| it == of).unwrap();
        let mut item = json!({"_id": ["_user/username", of], "auth": [id.raw()]});
        if user.is_some() {
            item["_action"] = json!("delete");
        }
        self.data().root(&json!([item]));
        self.plain.auths[auth].user = if user.is_some() { None } else { Some(owner) };
        self.note(format!("linked {name}: {}", user.is_none()));
    }

    fn move_valid_after(&mut self) {
        let auth = self.some_auth();
        let at = self.plain.now_ms + *self.random.pick(&[-100_000, -999, 0, 1, 700, 2_500]);
        let it = &self.plain.auths[auth];
        if it.exists && it.valid_after.is_none_or(|old| at > old) {
            self.change(auth, &json!({"validAfter": at}));
            self.plain.auths[auth].valid_after = Some(at);
        }
    }

    /// Sets a password: as root, or as the bearer of one of the auth's own tokens, who knows the old one.
    fn set_password(&mut self, auth: usize, tokens: OldTokens) {
        self.passwords += 1;
        let password = format!("open sesame {}", self.passwords);
        let it = self.plain.auths[auth].clone();
        let own = self.good_token(auth);
        let by = match (own, &it.password, it.user) {
            (Some(token), Some(old), Some(_)) if self.random.one_in(2) => {
                let body = json!({"oldPassword": old, "password": password,
                    "keepTokens": tokens == OldTokens::Keep});
                let session = self.data().folder.session(&token, None).unwrap();
                session.set_password(&body.to_string()).unwrap();
                "itself"
            }
            _ => {
                let database = self.data().folder.database();
                database.set_password(it.id, &password, tokens).unwrap();
                "root"
            }
        };
        self.plain.auths[auth].password = Some(password);
        if tokens == OldTokens::End {
            self.plain.end_all(auth);
        }
        self.note(format!("{} has a password by {by}, {tokens:?}", it.name));
    }

    /// The text of a token by which an auth can ask now.
    fn good_token(&mut self, auth: usize) -> Option<String> {
        let tokens = &self.plain.tokens;
        let good = tokens
            .iter()
            .filter(|it| it.auth == auth && self.plain.fate(it) == Fate::Good);
        let good: Vec<String> = good.map(|it| it.text.clone()).collect();
        if good.is_empty() {
            None
        } else {
            Some(self.random.pick(&good).clone())
        }
    }

    /// Notes an access token that was handed out, and checks what it says.
    fn keep_access(&mut self, text: &str, auth: usize, life_s: Option<i64>) -> String {
        let part = |n: usize| -> Value {
            let part = text.split('.').nth(n).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        let issued_s = self.plain.issue(auth).unwrap();
        assert_eq!(claims["sub"], self.plain.auths[auth].id.to_string());
        assert_eq!(claims["iat"], issued_s);
        let expires_s = life_s.map(|life| issued_s + life);
        assert_eq!(claims["exp"].as_i64(), expires_s);
        let id = claims["jti"]
            .as_str()
            .unwrap()
            .split_once('.')
            .unwrap()
            .1
            .to_owned();
        let kid = header["kid"].as_str().unwrap().to_owned();
        assert!(
            !self.plain.revoked_keys.contains(&kid),
            "a revoked key signed"
        );
        let kind = PlainKind::Access {
            kid,
            issued_s,
            expires_s,
            id: id.clone(),
        };
        self.keep(text, auth, kind);
        id
    }

    fn keep(&mut self, text: &str, auth: usize, kind: PlainKind) {
        let (text, is_ended) = (text.to_owned(), false);
        self.plain.tokens.push(PlainToken {
            text,
            auth,
            is_ended,
            kind,
        });
    }

    fn keep_refresh(&mut self, text: &str, auth: usize, number: u32) -> String {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.strip_prefix("solonr_").unwrap())
            .unwrap();
        let family = URL_SAFE_NO_PAD.encode(&bytes[16..32]);
        let kind = PlainKind::Refresh {
            family: family.clone(),
            number,
            epoch: self.plain.epoch,
        };
        self.keep(text, auth, kind);
        family
    }

    fn record(&self, auth: usize, expires_ms: Option<i64>) -> PlainRecord {
        PlainRecord {
            auth,
            issued_s: self.plain.issue(auth).unwrap_or(0),
            expires_ms,
            is_revoked: false,
            is_ended: false,
            family: None,
            newest: 1,
            rotated_ms: self.plain.now_ms,
        }
    }

    fn sign_in(&mut self) {
        let user = self.random.index(self.plain.users.len());
        let right = |it: &&PlainAuth| it.user == Some(user) && !it.is_disabled;
        let auths = self.plain.auths.iter().filter(right);
        let passwords: Vec<String> = auths.filter_map(|it| it.password.clone()).collect();
        let password = if passwords.is_empty() || self.random.one_in(6) {
            format!(
                "open sesame {}",
                self.random.below(u64::from(self.passwords) + 1)
            )
        } else {
            self.random.pick(&passwords).clone()
        };
        let lives = [
            None,
            None,
            None,
            Some(1),
            Some(60),
            Some(3_599),
            Some(3_600),
            Some(86_400),
            Some(86_401),
            Some(200_000),
        ];
        let expire_seconds = *self.random.pick(&lives);
        let expected = self.plain.by_password(user, &password);
        let now_ms = self.plain.now_ms;
        self.failures[user].retain(|at| *at + 700_000 > now_ms);
        if expected.is_none() && self.failures[user].len() >= 3 {
            return;
        }
        let name = self.plain.users[user].clone();
        let request = SignIn {
            user: name.as_str().into(),
            password: &password,
            expire_seconds,
            database: "local/default",
        };
        let told = self.data().folder.sign_in(&request, Source::default());
        self.note(format!(
            "{name} signs in for {expire_seconds:?}: {expected:?}"
        ));
        let Some(auth) = expected else {
            assert_eq!(told.unwrap_err().code(), "db/invalid-password");
            self.failures[user].push(now_ms);
            return;
        };
        if self.plain.issue(auth).is_none() {
            assert_eq!(told.unwrap_err().code(), "db/busy");
            self.count("busy");
            return;
        }
        if self.plain.auths[auth].is_root && expire_seconds.is_some_and(|it| it > 3_599) {
            assert_eq!(told.unwrap_err().code(), "db/invalid-request");
            return;
        }
        self.count("signed in");
        let signed = told.unwrap();
        assert_eq!(signed.auth, self.plain.auths[auth].id);
        let issued_s = self.plain.issue(auth).unwrap();
        let ends_ms = self.plain.family_ends_ms(auth, issued_s);
        let asked = expire_seconds.map(|it| i64::try_from(it).unwrap());
        let life_s = asked.unwrap_or_else(|| self.plain.unasked_life_s(auth, issued_s, ends_ms));
        let family = self.keep_refresh(&signed.refresh_token, auth, 1);
        let record = self.record(auth, Some(ends_ms));
        assert!(self.plain.records.insert(family.clone(), record).is_none());
        let id = self.check_signed_in(&signed, auth, life_s, ends_ms);
        if life_s > 86_400 {
            let mut record = self.record(auth, Some((issued_s + life_s) * 1_000));
            record.family = Some(family);
            assert!(self.plain.records.insert(id, record).is_none());
        } else {
            assert_eq!(id, family);
        }
    }

    fn check_signed_in(
        &mut self,
        signed: &SignedIn,
        auth: usize,
        life_s: i64,
        ends_ms: i64,
    ) -> String {
        assert_eq!(i64::try_from(signed.expires_in), Ok(life_s));
        let left_s = (ends_ms - self.plain.now_ms).div_euclid(1_000).max(0);
        assert_eq!(i64::try_from(signed.refresh_expires_in), Ok(left_s));
        self.keep_access(&signed.token, auth, Some(life_s))
    }

    /// The refresh tokens, of each its place in the list.
    fn refresh_tokens(&self) -> Vec<usize> {
        let is = |it: &PlainToken| matches!(it.kind, PlainKind::Refresh { .. });
        (0..self.plain.tokens.len())
            .filter(|it| is(&self.plain.tokens[*it]))
            .collect()
    }

    fn refresh(&mut self) {
        let all = self.refresh_tokens();
        if all.is_empty() {
            return;
        }
        let is_good = |it: &&usize| {
            let PlainKind::Refresh {
                family,
                number,
                epoch,
            } = &self.plain.tokens[**it].kind
            else {
                return false;
            };
            !matches!(
                self.plain.exchange(family, *number, *epoch),
                Exchange::Refused(_)
            )
        };
        let good: Vec<usize> = all.iter().filter(is_good).copied().collect();
        let among = if good.is_empty() || self.random.one_in(4) {
            &all
        } else {
            &good
        };
        // Those that were handed out last are most often the newest of their sign-in.
        let last = if self.random.one_in(2) {
            among.len()
        } else {
            among.len().min(3)
        };
        let token = self.plain.tokens[*self.random.pick(&among[among.len() - last..])].clone();
        let PlainKind::Refresh {
            family,
            number,
            epoch,
        } = &token.kind
        else {
            unreachable!()
        };
        let expected = self.plain.exchange(family, *number, *epoch);
        self.note(format!(
            "refresh {family} {number} of auth {}: {expected:?}",
            token.auth
        ));
        let told = self.data().folder.refresh(&token.text, Source::default());
        self.count(format!("{expected:?}"));
        match expected {
            Exchange::Refused(fate) => {
                let code = told.err().map(|it| it.code());
                assert!(fate.is(code), "{fate:?} {code:?}");
            }
            Exchange::EndsFamily => {
                assert_eq!(told.unwrap_err().code(), "db/invalid-token");
                self.plain.records.get_mut(family).unwrap().is_revoked = true;
            }
            Exchange::Next | Exchange::SameAgain => {
                let signed = told.unwrap();
                let issued_s = self.plain.records[family].issued_s;
                if expected == Exchange::Next {
                    let ends_ms = self.plain.family_ends_ms(token.auth, issued_s);
                    let now_ms = self.plain.now_ms;
                    let record = self.plain.records.get_mut(family).unwrap();
                    (record.newest, record.rotated_ms) = (number + 1, now_ms);
                    record.expires_ms = Some(ends_ms);
                    let same = self.keep_refresh(&signed.refresh_token, token.auth, number + 1);
                    assert_eq!(same, *family);
                } else {
                    let is = |it: &&PlainToken| it.text == signed.refresh_token;
                    let same = self.plain.tokens.iter().find(is).unwrap();
                    let PlainKind::Refresh { number: next, .. } = same.kind else {
                        unreachable!()
                    };
                    assert_eq!(next, number + 1);
                }
                let ends_ms = self.plain.records[family].expires_ms.unwrap();
                let issued_s = self.plain.issue(token.auth).unwrap();
                let life_s = self.plain.unasked_life_s(token.auth, issued_s, ends_ms);
                let id = self.check_signed_in(&signed, token.auth, life_s, ends_ms);
                assert_eq!(id, *family);
            }
        }
    }

    fn mint(&mut self) {
        let auth = self.some_auth();
        let it = self.plain.auths[auth].clone();
        let is_api = self.random.one_in(2);
        let lives = [
            None,
            None,
            Some(1),
            Some(60),
            Some(3_599),
            Some(3_600),
            Some(86_400),
            Some(86_401),
            Some(5_000_000),
        ];
        let asked: Option<i64> = *self.random.pick(&lives);
        let mut body = json!({"auth": it.id.raw()});
        if is_api {
            body["kind"] = json!("api");
            body["name"] = json!("it");
        }
        if let Some(seconds) = asked {
            body["expireSeconds"] = json!(seconds);
        }
        self.note(format!("mint {body}"));
        let told = self
            .data()
            .folder
            .root_session(None)
            .unwrap()
            .token(&body.to_string());
        let told = told.map_err(|error| error.code());
        if !it.exists {
            assert_eq!(told.unwrap_err(), "db/not-found");
            return;
        }
        if it.is_root && (is_api || asked.is_some_and(|it| it > 3_599)) {
            assert_eq!(told.unwrap_err(), "db/invalid-request");
            return;
        }
        if self.plain.issue(auth).is_none() {
            assert_eq!(told.unwrap_err(), "db/busy");
            self.count("busy");
            return;
        }
        self.count("minted");
        let minted = told.unwrap();
        let life_s = match (asked, is_api, it.is_root) {
            (None, true, _) => Some(30 * 86_400),
            (None, false, true) => Some(3_599),
            (asked, ..) => asked,
        };
        assert_eq!(
            minted.expires_in.map(|it| i64::try_from(it).unwrap()),
            life_s
        );
        let expires_ms = life_s.map(|life| (self.plain.issue(auth).unwrap() + life) * 1_000);
        let record = self.record(auth, expires_ms);
        if is_api {
            let id = minted.id.unwrap();
            self.keep(&minted.token, auth, PlainKind::Api { id: id.clone() });
            assert!(self.plain.records.insert(id, record).is_none());
        } else {
            let id = self.keep_access(&minted.token, auth, life_s);
            if life_s.is_none_or(|life| life > 86_400) {
                assert!(self.plain.records.insert(id, record).is_none());
            }
        }
    }

    fn asker(&mut self) -> (Asker, Option<String>) {
        if self.random.one_in(3) {
            return (Asker::Root, None);
        }
        let auth = self.some_auth();
        match self.good_token(auth) {
            Some(token) => (Asker::Auth(auth), Some(token)),
            None => (Asker::Root, None),
        }
    }

    fn revoke(&self, token: Option<&str>, body: &Value) -> Result<(), &'static str> {
        let folder = &self.data().folder;
        let session = match token {
            Some(token) => folder.session(token, None).unwrap(),
            None => folder.root_session(None).unwrap(),
        };
        session
            .revoke(&body.to_string())
            .map(drop)
            .map_err(|error| error.code())
    }

    /// Whether the asker sees a token of this auth, or of none.
    fn sees(&self, asker: Asker, auth: usize) -> bool {
        match asker {
            Asker::Root => true,
            Asker::Auth(by) => {
                self.plain.auths[by].is_root || (by == auth && self.plain.auths[auth].exists)
            }
        }
    }

    fn revoke_one(&mut self) {
        if self.plain.tokens.is_empty() {
            return;
        }
        let (asker, by) = self.asker();
        let count = self.plain.tokens.len();
        let among = if self.random.one_in(2) {
            count
        } else {
            count.min(15)
        };
        let from = count - among;
        let token = self.plain.tokens[from + self.random.index(among)].clone();
        let by_id = self.random.one_in(3);
        let named = match &token.kind {
            PlainKind::Access { id, .. } | PlainKind::Api { id } => id.clone(),
            PlainKind::Refresh { family, .. } => family.clone(),
        };
        let is_read = by_id
            || match &token.kind {
                PlainKind::Access {
                    kid,
                    issued_s,
                    expires_s,
                    ..
                } => {
                    !self.plain.revoked_keys.contains(kid)
                        && issued_s * 1_000 - self.plain.now_ms <= 2_000
                        && expires_s.is_none_or(|end| end * 1_000 > self.plain.now_ms)
                        // Its record says no more whose it is.
                        && self.plain.auths[token.auth].exists
                }
                PlainKind::Api { .. } => true,
                PlainKind::Refresh { epoch, .. } => *epoch == self.plain.epoch,
            };
        let body = json!({"token": if by_id { &named } else { &token.text }});
        let told = self.revoke(by.as_deref(), &body);
        self.note(format!(
            "{asker:?} revokes {named} by id {by_id} of auth {}: {told:?}",
            token.auth
        ));
        let not_found = Err("db/not-found");
        if !is_read || !self.sees(asker, token.auth) {
            assert_eq!(told, not_found);
            return;
        }
        let Some(record) = self.plain.records.get(&named).cloned() else {
            // An access token that has none.
            if by_id {
                assert_eq!(told, not_found);
                return;
            }
            let PlainKind::Access {
                expires_s,
                issued_s,
                ..
            } = token.kind
            else {
                unreachable!()
            };
            assert_eq!(told, Ok(()));
            let mut record = self.record(token.auth, expires_s.map(|end| end * 1_000));
            (record.is_revoked, record.issued_s) = (true, issued_s);
            self.plain.records.insert(named, record);
            return;
        };
        if self.plain.may_be_gone(&record) && told == not_found {
            return;
        }
        assert_eq!(told, Ok(()));
        self.count("revoked");
        // By its text, a token of a sign-in ends the sign-in.
        let ended = record.family.filter(|_| !by_id).unwrap_or(named);
        self.plain.records.get_mut(&ended).unwrap().is_revoked = true;
    }

    fn revoke_all(&mut self) {
        let (asker, by) = self.asker();
        let auth = match asker {
            Asker::Auth(auth) if self.random.one_in(2) => auth,
            _ => self.some_auth(),
        };
        let it = &self.plain.auths[auth];
        let (exists, id) = (it.exists, it.id);
        if let (Asker::Root, Some(user)) = (asker, it.user)
            && self.random.one_in(3)
        {
            let body = json!({"all": true, "user": self.plain.users[user]});
            assert_eq!(self.revoke(None, &body), Ok(()));
            for auth in 0..self.plain.auths.len() {
                if self.plain.auths[auth].user == Some(user) {
                    self.plain.end_all(auth);
                }
            }
            self.note(format!("root ends all {body}"));
            return;
        }
        let body = if asker == Asker::Auth(auth) && self.random.one_in(2) {
            json!({"all": true})
        } else {
            json!({"all": true, "auth": id.raw()})
        };
        let told = self.revoke(by.as_deref(), &body);
        self.note(format!("{asker:?} ends all of {auth}: {told:?}"));
        if exists && self.sees(asker, auth) {
            assert_eq!(told, Ok(()));
            self.plain.end_all(auth);
        } else {
            assert_eq!(told, Err("db/not-found"));
        }
    }

    fn change_keys(&mut self) {
        let dir = self.data().dir.path().join("keys");
        let now_ms = self.plain.now_ms;
        let what = match self.random.below(4) {
            0 => {
                rotate_keys(&dir, KeyStart::AtOnce, now_ms).unwrap();
                "rotated"
            }
            1 => {
                if rotate_keys(&dir, KeyStart::Published, now_ms).is_err() {
                    "not rotated"
                } else {
                    "published"
                }
            }
            2 => {
                let keys = list_keys(&dir, now_ms).unwrap().keys;
                let keys: Vec<_> = keys
                    .into_iter()
                    .filter(|it| it.state != KeyState::Next)
                    .collect();
                let kid = self.random.pick(&keys).public.kid.clone();
                revoke_key(&dir, &kid, now_ms).unwrap();
                self.plain.revoked_keys.insert(kid);
                "revoked"
            }
            _ => {
                revoke_refresh_tokens(&dir).unwrap();
                self.plain.epoch += 1;
                "refresh key"
            }
        };
        self.note(format!("keys: {what}"));
        // A change is noticed within that time.
        self.pass(i64::try_from(KEYS_LOOK_MS_MAX).unwrap());
    }

    fn restart(&mut self) {
        self.data = self.data.take().map(Bearers::again);
        self.note("restarted".to_owned());
    }

    /// What root is told of all records.
    fn list(&self) {
        let mut after: Option<String> = None;
        let mut seen = 0;
        let root = self.data().folder.root_session(None).unwrap();
        loop {
            let body = after.as_ref().map_or(
                json!({"limit": 100}),
                |after| json!({"limit": 100, "after": after}),
            );
            let listed = root.tokens(&body.to_string()).unwrap();
            for token in &listed {
                let record = &self.plain.records[&token.id];
                let state = match token.state {
                    TokenState::Live => "Live",
                    TokenState::Expired => "Expired",
                    TokenState::Revoked => "Revoked",
                };
                assert_eq!(state, self.plain.state(record), "{token:?} {record:?}");
                assert_eq!(token.expires_ms, record.expires_ms);
                assert_eq!(token.issued_ms, Some(record.issued_s * 1_000));
                let auth = &self.plain.auths[record.auth];
                assert_eq!(token.auth, auth.exists.then_some(auth.id));
                seen += usize::from(!self.plain.may_be_gone(record));
            }
            match listed.last() {
                Some(last) => after = Some(last.id.clone()),
                None => break,
            }
        }
        let kept = self
            .plain
            .records
            .values()
            .filter(|it| !self.plain.may_be_gone(it));
        assert_eq!(seen, kept.count(), "a record is gone before its time");
    }

    /// Presents some of the tokens that were ever handed out.
    fn present(&mut self) {
        let count = self.plain.tokens.len();
        for n in 0..PRESENTED.min(count) {
            // A third of them are the newest.
            let place = if n < PRESENTED / 3 {
                count - 1 - n
            } else {
                self.random.index(count)
            };
            let fate = self.plain.fate(&self.plain.tokens[place]);
            self.count(format!("presented {fate:?}"));
            let token = &self.plain.tokens[place];
            let told = self.data().folder.session(&token.text, None);
            let code = told.as_ref().err().map(|it| it.code());
            let auth = &self.plain.auths[token.auth];
            assert!(
                fate.is(code),
                "{fate:?}, and the library says {code:?}: {token:?} {auth:?}"
            );
            if let Ok(session) = told {
                assert_eq!(session.auth(), auth.id);
                assert_eq!(session.is_root().unwrap(), auth.is_root);
            }
        }
    }
}

#[test]
fn a_token_is_good_and_refused_as_a_plain_state_machine_says() {
    for seed in seeds(3) {
        let test = "a_token_is_good_and_refused_as_a_plain_state_machine_says";
        let _repeat = Repeat { test, seed };
        let mut twins = Twins::new(seed);
        let run = std::panic::AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                twins.step();
                twins.present();
            }
            twins.list();
        });
        if let Err(failure) = std::panic::catch_unwind(run) {
            let last = twins.done.len().saturating_sub(25);
            eprintln!("{}", twins.done[last..].join("\n"));
            std::panic::resume_unwind(failure);
        }
        println!(
            "seed {seed}: {} tokens, {:#?}",
            twins.plain.tokens.len(),
            twins.seen
        );
    }
}
