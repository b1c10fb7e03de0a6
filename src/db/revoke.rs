//! Ending tokens: one of them, or all of an auth.
//!
//! 1. Every bearer may end its own tokens, also one whose roles allow nothing (law 1). Another's are ended by who may
//!    write what ends them: `_token/revoked` of the record, `_auth/validAfter` of the auth.
//! 2. All tokens of an auth end by its `validAfter`, which moves behind every one that was issued: one fact, however
//!    many there are.
//! 3. A token that is not there and one that is not seen are not found alike. To revoke twice is fine, and writes
//!    nothing.
//! 4. An access token without a record gets one until its end, so that its id is known to be revoked.
//! 5. It is done at its turn with the writer, and seen by the very next request.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::listed::{auth_named, no_such_token};
use super::program::record_of;
use super::record::{NewRecord, Record, TokenKind, revoked};
use super::source::Source;
use super::state::{valid_after, valid_after_now};
use crate::model::system::{collection, predicate};
use crate::model::{Facts, Flake, Op as FlakeOp, Overlay, SubjectId, Value, ValueRef};
use crate::policy::{Cause, Op, StagedFlake, View, judge_writes};
use crate::query::{Json, Pointer, identity};
use crate::token::{ApiToken, Expected, Identity, Verifier};

/// What was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token with this id.
    Token(String),
    /// All tokens of these auths.
    Auths(Vec<SubjectId>),
}

/// What is asked for.
pub(super) enum Request {
    /// A token, by its id or its text.
    Token(String),
    /// All tokens of the bearer.
    Own,
    /// All tokens of an auth.
    Auth(Json),
    /// All tokens of all auths of a user.
    User(Json),
}

/// A token that is to be revoked.
pub(super) enum Target {
    /// By the id of its record.
    Id(String),
    /// An API token that was shown.
    Program { id: String, hash: String },
    /// An access token that was shown.
    Access(Arc<Identity>),
    /// Nothing that was made here.
    Nothing,
}

/// What is to be done, at its turn.
pub(super) enum Ending {
    One(Target),
    Own,
    Auth(Json),
    User(Json),
}

/// A revocation at its turn.
pub(super) struct Revocation {
    pub(super) ending: Ending,
    pub(super) bearer: SubjectId,
    pub(super) source: Source,
}

impl Request {
    /// Reads the body of a revocation.
    ///
    /// Shape: `{"token": id or text}` or `{"all": true, "auth"?: id or two-tuple, "user"?: name, id or two-tuple}`.
    ///
    /// # Errors
    /// `Invalid` with the place.
    pub(super) fn parse(body: &str) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(fields) = Json::read(body)? else {
            return Err(invalid(&root, "a revocation is an object"));
        };
        let (mut token, mut is_all, mut auth, mut user) = (None, false, None, None);
        for (key, value) in fields {
            let at = root.key(&key);
            match (key.as_str(), value) {
                ("token", Json::String(text)) => token = Some(text),
                ("token", _) => {
                    return Err(invalid(&at, "`token` is the id or the text of a token"));
                }
                ("all", Json::Bool(true)) => is_all = true,
                ("all", _) => return Err(invalid(&at, "`all` is true, or is left out")),
                ("auth", value @ (Json::Int(_) | Json::Array(_))) => auth = Some(value),
                ("auth", _) => return Err(invalid(&at, "`auth` is a subject's id or a two-tuple")),
                ("user", value @ (Json::Int(_) | Json::Array(_) | Json::String(_))) => {
                    user = Some(value);
                }
                ("user", _) => {
                    let why = "`user` is a name, a subject's id or a two-tuple";
                    return Err(invalid(&at, why));
                }
                _ => {
                    let why = format!("`{key}` is no part of a revocation");
                    return Err(invalid(&at, why));
                }
            }
        }
        match (token, is_all, auth, user) {
            (Some(text), false, None, None) => Ok(Self::Token(text)),
            (None, true, None, None) => Ok(Self::Own),
            (None, true, Some(auth), None) => Ok(Self::Auth(auth)),
            (None, true, None, Some(user)) => Ok(Self::User(user)),
            _ => Err(invalid(
                &root,
                "a revocation has `token`, or `all: true` with an `auth`, a `user` or neither",
            )),
        }
    }
}

impl Target {
    /// The token that a text is, or names. A text that was not made here names none, nor does one that ended.
    pub(super) fn read(
        text: String,
        tokens: &Verifier,
        expected: &Expected<'_>,
        now_ms: i64,
    ) -> Self {
        if ApiToken::is(&text) {
            return ApiToken::parse(&text).map_or(Self::Nothing, |token| Self::Program {
                id: token.id().to_string(),
                hash: token.hash(),
            });
        }
        if let Ok(token) = tokens.keys().read_refresh_token(&text) {
            return Self::Id(token.family().to_string());
        }
        if text.contains('.') {
            let identity = tokens.verify(&text, expected, now_ms);
            return identity.map_or(Self::Nothing, Self::Access);
        }
        Self::Id(text)
    }
}

impl Revocation {
    /// Judges the revocation, and makes it.
    ///
    /// # Errors
    /// `Denied` for another's token without the right to end it; `NotFound` for one that is not there or not seen.
    pub(super) fn run(&self, ground: &Ground<'_>) -> Result<Made<Revoked>, Error> {
        let sight = self.sight(ground)?;
        match &self.ending {
            Ending::One(target) => self.one(target, ground, &sight),
            Ending::Own => self.all(BTreeSet::from([self.bearer]), ground, &sight),
            Ending::Auth(named) if *named == Json::Int(self.bearer.raw()) => {
                self.all(BTreeSet::from([self.bearer]), ground, &sight)
            }
            Ending::Auth(named) => {
                self.may_do_more(ground)?;
                let at = Pointer::root().key("auth");
                let schema = ground.policy.schema();
                let auth = auth_named(named, &at, self.bearer, schema, &sight)?;
                self.all(BTreeSet::from([auth]), ground, &sight)
            }
            Ending::User(named) => {
                self.may_do_more(ground)?;
                let user = user_named(named, ground, &sight)?;
                let auths = ground.facts.value_list(user, predicate::USER_AUTH)?;
                let auths = auths.iter().filter_map(|it| match it {
                    Value::Ref(auth) => Some(*auth),
                    _ => None,
                });
                self.all(auths.collect(), ground, &sight)
            }
        }
    }

    fn sight<'a>(&self, ground: &Ground<'a>) -> Result<View<'a>, Error> {
        let reads = ground
            .policy
            .permissions(self.bearer, &Op::query(), ground.facts)?;
        let schema = Arc::clone(ground.policy.schema());
        Ok(View::new(
            reads,
            schema,
            ground.facts,
            ground.now_ms,
            ground.budget,
        ))
    }

    /// Law 1: an auth none of whose roles holds an allow rule ends its own tokens and does no more.
    fn may_do_more(&self, ground: &Ground<'_>) -> Result<(), Error> {
        let writes = ground
            .policy
            .permissions(self.bearer, &Op::transact(), ground.facts)?;
        if writes.may_do_anything() {
            return Ok(());
        }
        Err(Error::denied("no role of this auth allows anything"))
    }

    fn one(
        &self,
        target: &Target,
        ground: &Ground<'_>,
        sight: &View<'_>,
    ) -> Result<Made<Revoked>, Error> {
        let facts = ground.facts;
        let (mut id, mut record) = match target {
            Target::Nothing => {
                self.may_do_more(ground)?;
                return Err(no_such_token());
            }
            Target::Id(id) => (id.as_str(), Record::named(id, facts)?),
            Target::Program { id, hash } => (id.as_str(), record_of(id, hash, facts)?),
            Target::Access(identity) => {
                let id = identity.token_id.as_str();
                let record = Record::named(id, facts)?;
                (id, record.filter(|it| it.auth == Some(identity.subject)))
            }
        };
        // Whoever shows a token of a sign-in ends that, also where the token has a record of its own.
        let family = match (target, &record) {
            (Target::Access(_), Some(record)) => record.family.clone(),
            _ => None,
        };
        if let Some(family) = &family
            && let Some(of) = Record::named(family, facts)?
        {
            (id, record) = (family, Some(of));
        }
        let own = Some(self.bearer);
        let (auth, s, mut flakes) = match (record, target) {
            (Some(record), _) => {
                if record.auth != own {
                    self.may_do_more(ground)?;
                    if sight.value_list(record.s, predicate::TOKEN_ID)?.is_empty() {
                        return Err(no_such_token());
                    }
                }
                if record.is_revoked {
                    return Ok(Made::told(Ok(Revoked::Token(id.to_owned())), Vec::new()));
                }
                (record.auth, record.s, Vec::new())
            }
            (None, Target::Access(identity)) if Record::named(id, facts)?.is_none() => {
                if identity.subject != self.bearer {
                    self.may_do_more(ground)?;
                    if !sight.exists(identity.subject)? {
                        return Err(no_such_token());
                    }
                }
                let flakes = record_until_its_end(identity, facts)?;
                let s = flakes
                    .first()
                    .map(|flake| flake.s)
                    .ok_or_else(no_such_token)?;
                (Some(identity.subject), s, flakes)
            }
            (None, _) => {
                self.may_do_more(ground)?;
                return Err(no_such_token());
            }
        };
        let ending = revoked(s);
        if auth != own {
            let mut before = Overlay::new(facts);
            before.apply(facts.basis(), &flakes);
            let staged = StagedFlake {
                flake: ending.clone(),
                cause: Cause::Sent,
            };
            self.judge(&[staged], &before, ground, sight)?;
        }
        flakes.push(ending);
        let mut event = self.event(ground).token(id);
        if let Some(auth) = auth {
            event = event.auth(auth);
        }
        Ok(Made {
            flakes,
            events: vec![event.by(self.bearer)],
            answer: Ok(Revoked::Token(id.to_owned())),
        })
    }

    fn all(
        &self,
        auths: BTreeSet<SubjectId>,
        ground: &Ground<'_>,
        sight: &View<'_>,
    ) -> Result<Made<Revoked>, Error> {
        let (mut flakes, mut judged, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for auth in &auths {
            let moved = moved(*auth, ground)?;
            if *auth != self.bearer {
                judged.extend(moved.iter().map(|flake| StagedFlake {
                    flake: flake.clone(),
                    // Which auths a user has, and what was before, is not said by the request.
                    cause: match (flake.op, &self.ending) {
                        (FlakeOp::Assert, Ending::Auth(_)) => Cause::Sent,
                        _ => Cause::Implied,
                    },
                }));
            }
            // It may be far enough ahead already, which is judged all the same.
            if !matches!(moved.as_slice(), [old, new] if old.o == new.o) {
                flakes.extend(moved);
            }
            events.push(self.event(ground).auth(*auth).by(self.bearer));
        }
        self.judge(&judged, ground.facts, ground, sight)?;
        Ok(Made {
            flakes,
            events,
            answer: Ok(Revoked::Auths(auths.into_iter().collect())),
        })
    }

    /// Law 9, for what ends another's tokens.
    fn judge(
        &self,
        staged: &[StagedFlake],
        before: &dyn Facts,
        ground: &Ground<'_>,
        sight: &View<'_>,
    ) -> Result<(), Error> {
        if staged.is_empty() {
            return Ok(());
        }
        let writes = ground
            .policy
            .permissions(self.bearer, &Op::transact(), ground.facts)?;
        let mut after = Overlay::new(before);
        let flakes: Vec<Flake> = staged.iter().map(|it| it.flake.clone()).collect();
        after.apply(before.basis().next(), &flakes);
        judge_writes(
            &writes,
            ground.policy.schema(),
            before,
            &after,
            staged,
            sight,
            ground.now_ms,
            ground.budget,
        )?;
        Ok(())
    }

    fn event(&self, ground: &Ground<'_>) -> Event {
        Event::new(EventKind::Revoked, EventStatus::Ok, ground.now_ms).from(self.source)
    }
}

/// The flakes that move an auth's `validAfter` behind all that was issued.
fn moved(auth: SubjectId, ground: &Ground<'_>) -> Result<Vec<Flake>, Error> {
    let old = ground
        .facts
        .value_list(auth, predicate::AUTH_VALID_AFTER)?
        .into_iter()
        .next();
    // A token that was minted since the whole database's has that as its issue.
    let old_ms = valid_after(auth, ground.facts)?;
    let flake = |o, op| Flake {
        s: auth,
        p: predicate::AUTH_VALID_AFTER,
        o,
        op,
    };
    let new = Value::Instant(valid_after_now(old_ms, ground.now_ms));
    let mut flakes: Vec<Flake> = old
        .into_iter()
        .map(|old| flake(old, FlakeOp::Retract))
        .collect();
    flakes.push(flake(new, FlakeOp::Assert));
    Ok(flakes)
}

/// The record of an access token that has none.
fn record_until_its_end(identity: &Identity, facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
    let expires_ms = identity.expires_at_s.map(|end| end.saturating_mul(1_000));
    NewRecord {
        id: &identity.token_id,
        auth: identity.subject,
        kind: TokenKind::Access,
        hash: None,
        name: None,
        issued_ms: identity.issued_at_s.saturating_mul(1_000),
        expires_ms,
        family: None,
    }
    .flakes(facts)
}

/// The user that a request names, if the bearer sees it.
fn user_named(named: &Json, ground: &Ground<'_>, sight: &View<'_>) -> Result<SubjectId, Error> {
    let at = Pointer::root().key("user");
    let found = match named {
        Json::String(name) => sight
            .subject_list(predicate::USER_USERNAME, ValueRef::String(name))?
            .first()
            .copied(),
        named => identity(named, &at, ground.policy.schema(), sight)?,
    };
    match found.filter(|s| s.collection() == collection::USER) {
        Some(s) if sight.exists(s)? => Ok(s),
        _ => {
            let why = "there is no such user, or it is not to be seen";
            Err(Error::new(ErrorKind::NotFound, "db/not-found", why))
        }
    }
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
