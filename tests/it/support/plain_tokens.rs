//! The life of tokens as the manual tells it: no disk, no keys, no facts; lists that are walked.
//!
//! What a token is called (its id, its key) is read from its text by whoever drives this. What becomes of it is said
//! here, and nothing is asked of the library.

use std::collections::{BTreeMap, BTreeSet};

use solon::model::SubjectId;

const DAY_MS: i64 = 86_400_000;

/// An auth, from its making to its end. One that is made anew by the same name is another.
#[derive(Clone, Debug)]
pub struct PlainAuth {
    pub name: String,
    pub id: SubjectId,
    pub exists: bool,
    pub is_disabled: bool,
    pub is_root: bool,
    /// Unix milliseconds.
    pub valid_after: Option<i64>,
    pub password: Option<String>,
    /// The user whose it is.
    pub user: Option<usize>,
}

/// What is kept of a token: a sign-in, a program's token, a long access token, or one that was revoked.
#[derive(Clone, Debug)]
pub struct PlainRecord {
    pub auth: usize,
    pub issued_s: i64,
    pub expires_ms: Option<i64>,
    pub is_revoked: bool,
    /// All tokens of its auth were ended after it was issued.
    pub is_ended: bool,
    /// The sign-in it is of, if it is not that itself.
    pub family: Option<String>,
    /// Of a sign-in: the number of the newest refresh token, and when that was made.
    pub newest: u32,
    pub rotated_ms: i64,
}

/// A token that was handed out.
#[derive(Clone, Debug)]
pub struct PlainToken {
    pub text: String,
    pub auth: usize,
    pub is_ended: bool,
    pub kind: PlainKind,
}

#[derive(Clone, Debug)]
pub enum PlainKind {
    Access {
        kid: String,
        issued_s: i64,
        expires_s: Option<i64>,
        id: String,
    },
    Api {
        id: String,
    },
    Refresh {
        family: String,
        number: u32,
        /// How often the refresh key was replaced before.
        epoch: u32,
    },
}

/// What becomes of a token that is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Good,
    Refused(&'static str),
    /// Its record may be gone by now.
    ExpiredOrGone,
}

/// What a refresh token gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    Next,
    SameAgain,
    EndsFamily,
    Refused(Fate),
}

#[derive(Debug, Default)]
pub struct PlainTokens {
    pub now_ms: i64,
    pub auths: Vec<PlainAuth>,
    pub users: Vec<String>,
    pub records: BTreeMap<String, PlainRecord>,
    pub tokens: Vec<PlainToken>,
    pub revoked_keys: BTreeSet<String>,
    pub epoch: u32,
}

pub const INVALID: Fate = Fate::Refused("db/invalid-token");
pub const EXPIRED: Fate = Fate::Refused("db/expired-token");
pub const NO_AUTH: Fate = Fate::Refused("db/invalid-auth");

fn seconds_up(ms: i64) -> i64 {
    (ms + 999).div_euclid(1_000)
}

impl Fate {
    pub fn is(self, code: Option<&str>) -> bool {
        match self {
            Self::Good => code.is_none(),
            Self::Refused(expected) => code == Some(expected),
            Self::ExpiredOrGone => matches!(code, Some("db/expired-token" | "db/invalid-token")),
        }
    }
}

impl PlainTokens {
    pub fn now_s(&self) -> i64 {
        self.now_ms.div_euclid(1_000)
    }

    /// The second that a token of this auth is issued at; none while that is more than two seconds ahead.
    pub fn issue(&self, auth: usize) -> Option<i64> {
        let first_s = match self.auths[auth].valid_after {
            Some(ms) => self.now_s().max(seconds_up(ms)),
            None => self.now_s(),
        };
        Some(first_s).filter(|it| it * 1_000 - self.now_ms <= 2_000)
    }

    /// All tokens of an auth end, however they were made.
    pub fn end_all(&mut self, auth: usize) {
        // Where none can be issued now there is none since the last time.
        if let Some(newest_s) = self.issue(auth) {
            self.auths[auth].valid_after = Some(self.now_ms.max(newest_s * 1_000 + 1));
        }
        for token in self.tokens.iter_mut().filter(|it| it.auth == auth) {
            token.is_ended = true;
        }
        for record in self.records.values_mut().filter(|it| it.auth == auth) {
            record.is_ended = true;
        }
    }

    /// Whether a record may have been taken away.
    pub fn may_be_gone(&self, record: &PlainRecord) -> bool {
        record
            .expires_ms
            .is_some_and(|end| end + DAY_MS < self.now_ms)
    }

    /// When a sign-in ends that was used now.
    pub fn family_ends_ms(&self, auth: usize, issued_s: i64) -> i64 {
        let in_all_s = if self.auths[auth].is_root {
            3_599
        } else {
            365 * 86_400
        };
        (self.now_ms + 14 * DAY_MS).min((issued_s + in_all_s) * 1_000)
    }

    /// How long an access token lives that a sign-in or a refresh hands out unasked.
    pub fn unasked_life_s(&self, auth: usize, issued_s: i64, ends_ms: i64) -> i64 {
        let max = if self.auths[auth].is_root {
            3_599
        } else {
            i64::MAX
        };
        300.min(max)
            .min((ends_ms.div_euclid(1_000) - issued_s).max(1))
    }

    fn outlived_root(&self, auth: usize, issued_s: i64) -> bool {
        self.auths[auth].is_root && self.now_s() >= issued_s + 3_599
    }

    fn is_too_old(&self, auth: usize, issued_s: i64) -> bool {
        let valid_after = self.auths[auth].valid_after;
        valid_after.is_some_and(|ms| issued_s < seconds_up(ms))
    }

    fn is_revoked(&self, record: &PlainRecord) -> bool {
        let family = record.family.as_ref().map(|id| &self.records[id]);
        record.is_revoked || family.is_some_and(|it| it.is_revoked)
    }

    /// Whether a token opens a session.
    pub fn fate(&self, token: &PlainToken) -> Fate {
        let auth = &self.auths[token.auth];
        match &token.kind {
            PlainKind::Access {
                kid,
                issued_s,
                expires_s,
                id,
            } => {
                let is_over = expires_s.is_some_and(|end| end * 1_000 <= self.now_ms);
                if self.revoked_keys.contains(kid) || issued_s * 1_000 - self.now_ms > 2_000 {
                    INVALID
                } else if is_over {
                    EXPIRED
                } else if !auth.exists || auth.is_disabled {
                    NO_AUTH
                } else if token.is_ended || self.is_too_old(token.auth, *issued_s) {
                    INVALID
                } else if self.records.get(id).is_some_and(|it| self.is_revoked(it)) {
                    INVALID
                } else if self.outlived_root(token.auth, *issued_s) {
                    EXPIRED
                } else {
                    Fate::Good
                }
            }
            PlainKind::Api { id } => {
                let record = &self.records[id];
                if !auth.exists || record.is_revoked {
                    INVALID
                } else if self.may_be_gone(record) {
                    Fate::ExpiredOrGone
                } else if record.expires_ms.is_some_and(|end| end <= self.now_ms) {
                    EXPIRED
                } else if auth.is_disabled {
                    NO_AUTH
                } else if record.is_ended || self.is_too_old(token.auth, record.issued_s) {
                    INVALID
                } else if self.outlived_root(token.auth, record.issued_s) {
                    EXPIRED
                } else {
                    Fate::Good
                }
            }
            // It is no bearer token.
            PlainKind::Refresh { .. } => INVALID,
        }
    }

    /// What a refresh token gets.
    pub fn exchange(&self, family: &str, number: u32, epoch: u32) -> Exchange {
        let record = &self.records[family];
        let auth = &self.auths[record.auth];
        if epoch != self.epoch || record.is_revoked || !auth.exists || auth.is_disabled {
            return Exchange::Refused(INVALID);
        }
        if record.is_ended || self.is_too_old(record.auth, record.issued_s) || auth.user.is_none() {
            return Exchange::Refused(INVALID);
        }
        if self.may_be_gone(record) {
            return Exchange::Refused(Fate::ExpiredOrGone);
        }
        let is_over = record.expires_ms.is_some_and(|end| end <= self.now_ms);
        if is_over || self.outlived_root(record.auth, record.issued_s) {
            return Exchange::Refused(EXPIRED);
        }
        if number == record.newest {
            Exchange::Next
        } else if number + 1 == record.newest && self.now_ms - record.rotated_ms <= 30_000 {
            Exchange::SameAgain
        } else {
            Exchange::EndsFamily
        }
    }

    /// What a list tells of a record.
    pub fn state(&self, record: &PlainRecord) -> &'static str {
        let is_too_old = self.is_too_old(record.auth, record.issued_s);
        if self.is_revoked(record)
            || record.is_ended
            || !self.auths[record.auth].exists
            || is_too_old
        {
            "Revoked"
        } else if record.expires_ms.is_some_and(|end| end <= self.now_ms) {
            "Expired"
        } else {
            "Live"
        }
    }

    /// Who signs in by a password: the first of the user's auths whose it is.
    pub fn by_password(&self, user: usize, password: &str) -> Option<usize> {
        let mut auths: Vec<usize> = (0..self.auths.len()).collect();
        auths.sort_by_key(|it| self.auths[*it].id);
        auths.into_iter().find(|it| {
            let auth = &self.auths[*it];
            let is_theirs = auth.exists && auth.user == Some(user) && !auth.is_disabled;
            is_theirs && auth.password.as_deref() == Some(password)
        })
    }
}
