//! A request's bearer at one state: what the server asks for every request.

use std::sync::Arc;

use super::answer::{Answer, Answers, Minted, MultiAnswer, Receipt, Trial};
use super::database::Database;
use super::error::{Error, ErrorKind};
use super::listed::{Asker, ListedToken, Request as ListRequest};
use super::mint::{Mint, Request};
use super::once::Once;
use super::record::TokenKind;
use super::revoke::{Ending, Request as RevokeRequest, Revocation, Revoked, Target};
use super::source::Source;
use super::state::{Author, State, budget};
use super::stats::Stats;
use super::uses::Use;
use super::view::View;
use super::who::WhoAmI;
use crate::base::Budget;
use crate::model::{Incarnation, SubjectId};
use crate::policy::Op;
use crate::query::Json;
use crate::token::{ApiToken, CommandKey, Expected, Grant, TokenId, Verifier};

/// A bearer, admitted at the newest state there was.
#[derive(Debug)]
pub struct Session {
    database: Database,
    name: Arc<str>,
    tokens: Arc<Verifier>,
    state: Arc<State>,
    author: Author,
    /// The id of the token's record, if it has one.
    record: Option<String>,
    source: Source,
}

impl Session {
    /// Admits an author at the newest state.
    pub(super) fn admit(
        database: Database,
        name: Arc<str>,
        tokens: Arc<Verifier>,
        author: Author,
    ) -> Result<Self, Error> {
        let state = database.state();
        let record = author.admit(&state.snapshot, &state.policy, database.clock().now_ms())?;
        Ok(Self {
            database,
            name,
            tokens,
            state,
            author,
            record,
            source: Source::default(),
        })
    }

    /// The same; that its token was used is noted.
    pub(super) fn used(self) -> Self {
        if let Some(id) = &self.record {
            let last = Use {
                at_ms: self.database.clock().now_ms(),
                address: self.source.address,
            };
            self.database.uses().note(id, last);
        }
        self
    }

    /// The same, of a request that comes from there.
    #[must_use]
    pub fn sent_from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The database, `network/name`.
    pub fn database_name(&self) -> &str {
        &self.name
    }

    /// Which life of the database it is.
    pub fn incarnation(&self) -> Incarnation {
        self.state.store.incarnation()
    }

    /// The database's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    /// Where the request comes from.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// The state at which the bearer was admitted.
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The auth that asks.
    pub fn auth(&self) -> SubjectId {
        self.author.auth()
    }

    /// Whether it holds the root role.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    pub fn is_root(&self) -> Result<bool, Error> {
        let facts = &self.state.snapshot;
        Ok(self
            .state
            .policy
            .permissions(self.auth(), &Op::query(), facts)?
            .is_root())
    }

    /// Answers a query, at the state at which the bearer was admitted.
    ///
    /// # Errors
    /// As [`View::query`].
    pub fn query(&self, body: &str) -> Result<Answer, Error> {
        self.view()?.query(body)
    }

    /// Answers a block query, at that state.
    ///
    /// # Errors
    /// As [`View::block_query`].
    pub fn block_query(&self, body: &str) -> Result<Answer, Error> {
        self.view()?.block_query(body)
    }

    /// Answers a history query, at that state.
    ///
    /// # Errors
    /// As [`View::history`].
    pub fn history(&self, body: &str) -> Result<Answer, Error> {
        self.view()?.history(body)
    }

    /// Answers several queries, at that state.
    ///
    /// # Errors
    /// As [`View::multi_query`].
    pub fn multi_query(&self, body: &str) -> Result<MultiAnswer, Error> {
        self.view()?.multi_query(body)
    }

    /// Answers what may be one query of any kind or several, at that state.
    ///
    /// # Errors
    /// As [`View::ask`].
    pub fn ask(&self, body: &str) -> Result<Answers, Error> {
        self.view()?.ask(body)
    }

    fn view(&self) -> Result<View, Error> {
        let state = Arc::clone(&self.state);
        View::new(state, self.auth(), self.database.clock())
    }

    /// Makes a transaction. The bearer is admitted and judged anew at its turn.
    ///
    /// # Errors
    /// As [`Database::transact`].
    pub fn transact(&self, body: &str) -> Result<Receipt, Error> {
        self.database
            .transact_under(self.author.clone(), None, body, self.source)
    }

    /// Makes a transaction once: the same body under the same key gets the first receipt again, for a day.
    ///
    /// # Errors
    /// As [`Database::transact_once`].
    pub fn transact_once(&self, key: &str, body: &str) -> Result<Receipt, Error> {
        let once = Some(Once::client(key)?);
        self.database
            .transact_under(self.author.clone(), once, body, self.source)
    }

    /// Judges a transaction as [`Session::transact`] would, and makes nothing.
    ///
    /// Shape: `{"tx": transaction, "flakes"?: [flake, ..], "auth"?: id or two-tuple}`.
    ///
    /// # Errors
    /// As [`View::test_transact`].
    pub fn test_transact(&self, body: &str) -> Result<Trial, Error> {
        self.view()?.test_transact(body)
    }

    /// Answers a query of what flakes would make true.
    ///
    /// Shape: `{"query": query, "flakes": [flake, ..]}`.
    ///
    /// # Errors
    /// As [`View::query_with`].
    pub fn query_with(&self, body: &str) -> Result<Answer, Error> {
        self.view()?.query_with(body)
    }

    /// Makes a key pair that signs commands. It touches nothing of the database.
    ///
    /// Shape: `{}`, or nothing.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `Invalid` for any other body.
    pub fn new_keys(&self, body: &str) -> Result<CommandKey, Error> {
        let (facts, policy) = (&self.state.snapshot, &self.state.policy);
        let reads = policy.permissions(self.auth(), &Op::query(), facts)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        if !body.is_empty() && Json::read(body)? != Json::Object(Vec::new()) {
            let why = "a request for keys is an empty object, or nothing";
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        Ok(CommandKey::generate()?)
    }

    /// How far the database is, and for root how much is in it.
    ///
    /// Shape: `{}`, or nothing.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `Invalid` for any other body.
    pub fn stats(&self, body: &str) -> Result<Stats, Error> {
        let (facts, policy) = (&self.state.snapshot, &self.state.policy);
        let reads = policy.permissions(self.auth(), &Op::query(), facts)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        if !body.is_empty() && Json::read(body)? != Json::Object(Vec::new()) {
            let why = "a request for stats is an empty object, or nothing";
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        if reads.is_root() {
            self.database.totals(&self.state)
        } else {
            Ok(Stats::of(facts))
        }
    }

    /// Mints a token.
    ///
    /// Shape: `{"auth": id or two-tuple | "root": true, "expireSeconds"?, "db"?, "kind"?: "access" | "api", "name"?}`.
    /// The text of an API token is told here and never again.
    ///
    /// # Errors
    /// `Invalid` for a request that is none; `NotFound` for an auth that is not there or not seen; `Denied` without
    /// the op `token` at it.
    pub fn token(&self, body: &str) -> Result<Minted, Error> {
        let request = Request::parse(body, &self.name)?;
        let incarnation = self.database.incarnation();
        let name = request.name().map(str::to_owned);
        let program = match request.kind() {
            TokenKind::Api => Some(ApiToken::generate(incarnation)?),
            TokenKind::Access | TokenKind::Refresh => None,
        };
        let id = match &program {
            Some(token) => token.id().clone(),
            None => TokenId::random()?,
        };
        let mint = Mint {
            request,
            bearer: self.auth(),
            id: id.to_string(),
            hash: program.as_ref().map(ApiToken::hash),
            source: self.source,
        };
        let grant = self
            .database
            .errand(self.author.clone(), move |ground| mint.run(ground))?;
        let told_id = program.is_some().then(|| id.to_string());
        let token = match &program {
            Some(token) => token.text().to_owned(),
            None => self.tokens.keys().sign(&Grant {
                subject: grant.auth,
                audience: &self.name,
                incarnation,
                issued_at_s: grant.issued_at_s,
                lifetime_seconds: grant.lifetime_seconds,
                id,
            })?,
        };
        Ok(Minted {
            token,
            expires_in: grant.lifetime_seconds,
            auth: grant.auth,
            id: told_id,
            name,
        })
    }

    /// The tokens whose records the bearer sees, newest first; its own, if it has no rule on others'.
    ///
    /// Shape: `{"auth"?: id or two-tuple, "limit"?, "after"?: id of a token}`, or nothing.
    ///
    /// # Errors
    /// `Invalid` for a request that is none; `Denied` for an auth whose roles allow nothing; `NotFound` for an auth or
    /// a token that is not there or not seen.
    pub fn tokens(&self, body: &str) -> Result<Vec<ListedToken>, Error> {
        let request = ListRequest::parse(body)?;
        let budget = self.budget()?;
        request.list(&Asker {
            state: &self.state,
            bearer: self.auth(),
            uses: self.database.uses(),
            now_ms: self.database.clock().now_ms(),
            budget: &budget,
        })
    }

    /// Revokes a token, or all of an auth or a user. Every bearer may end its own.
    ///
    /// Shape: `{"token": id or text}` or `{"all": true, "auth"?: id or two-tuple, "user"?: name, id or two-tuple}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none; `NotFound` for what is not there or not seen; `Denied` for another's
    /// tokens without the right to write what ends them.
    pub fn revoke(&self, body: &str) -> Result<Revoked, Error> {
        let ending = match RevokeRequest::parse(body)? {
            RevokeRequest::Own => Ending::Own,
            RevokeRequest::Auth(named) => Ending::Auth(named),
            RevokeRequest::User(named) => Ending::User(named),
            RevokeRequest::Token(text) => {
                let expected = Expected {
                    audience: &self.name,
                    incarnation: self.database.incarnation(),
                };
                let now_ms = self.database.clock().now_ms();
                Ending::One(Target::read(text, &self.tokens, &expected, now_ms))
            }
        };
        let revocation = Revocation {
            ending,
            bearer: self.auth(),
            source: self.source,
        };
        self.database
            .errand(self.author.clone(), move |ground| revocation.run(ground))
    }

    /// Who the bearer is, and by which token it asks.
    ///
    /// Shape: `{}`, or nothing.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `Invalid` for any other body.
    pub fn whoami(&self, body: &str) -> Result<WhoAmI, Error> {
        let budget = self.budget()?;
        let now_ms = self.database.clock().now_ms();
        let who = WhoAmI::of(&self.author, &self.state, &self.name, now_ms, &budget)?;
        if !body.is_empty() && Json::read(body)? != Json::Object(Vec::new()) {
            let why = "to ask who one is, send an empty object, or nothing";
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        Ok(who)
    }

    fn budget(&self) -> Result<Budget, Error> {
        let (facts, policy) = (&self.state.snapshot, &self.state.policy);
        let reads = policy.permissions(self.auth(), &Op::query(), facts)?;
        Ok(budget(self.database.clock(), reads.steps_max()))
    }
}

/// An author that a folder refuses before any database is asked.
pub(super) fn wrong_database() -> Error {
    let why = "the token is of another database";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-token", why)
}
