//! The actions on a database: query, transact, token, new-keys, and command, which has a file of its own as queries have.
//!
//! INVARIANT(body-first): a request is judged once its whole body is read (law 13), so the session is made after it.
//! What is refused earlier is refused whatever the session would say: a request without any token where one is
//! needed, and a large body whose token is not good now.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;

use super::accounts;
use super::answered::{Answered, Refused, Told as ReceiptTold};
use super::bearer::{Credential, credential};
use super::body;
use super::certificate::Certificate;
use super::command;
use super::door::{Door, Mode, Peer, milliseconds, source};
use super::observe::Told;
use super::open::acts_as_root;
use super::people::{self, PeopleAction};
use super::problem::Refusal;
use super::queries;
use super::request_id::RequestId;
use super::tokens;
use super::work::Length;
use crate::base::limits::{BODY_BYTES_MAX, STRANGER_BODY_BYTES_MAX};
use crate::db::{Folder, Session, Source};
use crate::wire::{Log, NewKeys, Receipt, Stats};

/// What is asked of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Query,
    Transact,
    Token,
    NewKeys,
    Command,
    Stats,
    TestTransactWith,
    QueryWith,
    Block,
    History,
    MultiQuery,
    Logs,
    /// On accounts and databases.
    Act,
    Accounts,
    Databases,
    /// On those who sign in.
    People(PeopleAction),
    Tokens,
    Revoke,
    WhoAmI,
}

/// Which paths, and so which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `/api`: `x-solon-*`.
    Api,
    /// `/fdb`: `x-fdb-*` beside them.
    Fdb,
}

/// Who asks, as far as the headers and the connection tell. Verified only in [`session`].
#[derive(Clone)]
enum Asker {
    Bearer(String),
    /// Whom the connection's certificate names. A token beside it is who asks.
    Certified(Arc<Certificate>),
    Nobody {
        may_be_root: bool,
    },
}

/// The path's names: network, database, action.
pub(super) type Names = Result<Path<(String, String, String)>, PathRejection>;

impl Action {
    fn named(name: &str) -> Option<Self> {
        match name {
            "query" => Some(Self::Query),
            "transact" => Some(Self::Transact),
            "token" => Some(Self::Token),
            "new-keys" => Some(Self::NewKeys),
            "command" => Some(Self::Command),
            "ledger-stats" => Some(Self::Stats),
            "test-transact-with" => Some(Self::TestTransactWith),
            "query-with" => Some(Self::QueryWith),
            "block" => Some(Self::Block),
            "history" => Some(Self::History),
            "multi-query" => Some(Self::MultiQuery),
            "logs" => Some(Self::Logs),
            "tokens" => Some(Self::Tokens),
            "revoke" => Some(Self::Revoke),
            "whoami" => Some(Self::WhoAmI),
            _ => PeopleAction::named(name).map(Self::People),
        }
    }

    fn length(self) -> Length {
        match self {
            Self::Query
            | Self::NewKeys
            | Self::Stats
            | Self::TestTransactWith
            | Self::QueryWith
            | Self::Block
            | Self::History
            | Self::MultiQuery
            | Self::Accounts
            | Self::Databases
            | Self::Tokens
            | Self::WhoAmI => Length::Short,
            // A transaction waits for the disk, and so do a token that is made or revoked, and what is told of refusals.
            Self::Transact
            | Self::Token
            | Self::Revoke
            | Self::Command
            | Self::Act
            | Self::Logs => Length::Long,
            Self::People(action) => action.length(),
        }
    }
}

/// Answers `/api/db/ACTION`: the database is the token's.
pub(super) async fn on_own(door: Arc<Door>, action: Action, request: Request) -> Response {
    respond(&door, Family::Api, Some(action), None, request).await
}

/// Answers `/api/ACTION`, which is asked of `solon/master`.
pub(super) async fn on_master(door: Arc<Door>, action: Action, request: Request) -> Response {
    let master = Some(Folder::MASTER.to_owned());
    respond(&door, Family::Api, Some(action), master, request).await
}

/// Answers `/api/db/NETWORK/NAME/ACTION`.
pub(super) async fn on_named(
    State(door): State<Arc<Door>>,
    names: Names,
    request: Request,
) -> Response {
    let (database, action) = named(names);
    respond(&door, Family::Api, action, database, request).await
}

/// Answers `/fdb/NETWORK/NAME/ACTION`.
pub(super) async fn on_fdb(
    State(door): State<Arc<Door>>,
    names: Names,
    request: Request,
) -> Response {
    let (database, action) = named(names);
    respond(&door, Family::Fdb, action, database, request).await
}

fn named(names: Names) -> (Option<String>, Option<Action>) {
    let Ok(Path((network, name, action))) = names else {
        return (None, None);
    };
    let is_name = |name: &str| {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (1..=255).contains(&name.len()) && name.bytes().all(is_letter)
    };
    if is_name(&network) && is_name(&name) {
        (Some(format!("{network}/{name}")), Action::named(&action))
    } else {
        (None, None)
    }
}

async fn respond(
    door: &Arc<Door>,
    family: Family,
    action: Option<Action>,
    database: Option<String>,
    request: Request,
) -> Response {
    let started = door.clock.elapsed();
    let sent = request.extensions().get::<RequestId>().cloned();
    let id = sent.unwrap_or_else(|| door.ids.of(request.headers()));
    let source = source(request.extensions());
    let answered = match action {
        Some(Action::Command) => command::answer(door, database.clone(), request, started).await,
        Some(Action::People(action)) if action.needs_no_session(door, &request) => {
            people::answer(door, action, database.clone(), request).await
        }
        Some(Action::Accounts) if accounts::is_by_password(door, &request) => {
            accounts::by_password(door, request).await
        }
        Some(action) => answer(door, action, database.clone(), request, started).await,
        None => Err(Refusal::UnknownRoute.into()),
    };
    let mut told = Told {
        auth: None,
        database,
    };
    let (mut response, block, fuel) = match answered {
        Ok(answered) => {
            told.auth = Some(answered.auth);
            for refusal in &answered.failed {
                log_failure(refusal, &id);
            }
            let mut response = json(answered.body);
            if let Some(status) = answered.status {
                *response.status_mut() = status;
            }
            if answered.is_repeat {
                let headers = response.headers_mut();
                headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
            }
            (response, answered.block, answered.fuel)
        }
        Err(Refused { refusal, auth }) => {
            told.auth = auth;
            if auth.is_none() && refusal.is_denial() {
                door.folder.tell_denied(refusal.code(), source);
            }
            log_failure(&refusal, &id);
            (refusal.into_response(&id), None, None)
        }
    };
    let took = door.clock.elapsed().saturating_sub(started);
    tell(&mut response, family, took, block, fuel);
    response.extensions_mut().insert(told);
    response
}

async fn answer(
    door: &Arc<Door>,
    action: Action,
    database: Option<String>,
    request: Request,
    started: Duration,
) -> Result<Answered, Refused> {
    let may_be_bodiless = matches!(
        action,
        Action::NewKeys
            | Action::Stats
            | Action::Accounts
            | Action::Databases
            | Action::People(PeopleAction::Users)
            | Action::Tokens
            | Action::WhoAmI
    );
    match *request.method() {
        Method::POST => {}
        Method::GET if may_be_bodiless => {}
        _ if may_be_bodiless => return Err(Refusal::WrongMethod("GET, POST").into()),
        _ => return Err(Refusal::WrongMethod("POST").into()),
    }
    let (parts, body) = request.into_parts();
    let source = source(&parts.extensions);
    let asker = asker(door, &parts)?;
    refuse_early(door, &asker, database.as_deref(), &parts).await?;
    if !may_be_bodiless && !body::is_json(&parts.headers) {
        return Err(Refusal::WrongContentType.into());
    }
    let key = idempotency_key(&parts.headers)?;
    let told = ReceiptTold::of(parts.uri.query());
    let bytes = body::read(&parts.headers, body, BODY_BYTES_MAX).await?;

    let within = Arc::clone(door);
    door.work
        .run(action.length(), move || {
            // INVARIANT(body-first)
            let session = session(&within.folder, &asker, database.as_deref(), source)?;
            let answered = String::from_utf8(bytes)
                .map_err(|_| Refusal::NotUtf8)
                .and_then(|text| {
                    call(
                        &within,
                        &session,
                        action,
                        key.as_deref(),
                        told,
                        &text,
                        started,
                    )
                });
            answered.map_err(|refusal| {
                if refusal.is_denial() {
                    session.tell_denied(refusal.code());
                }
                Refused {
                    refusal,
                    auth: Some(session.auth().raw()),
                }
            })
        })
        .await?
}

/// The header `Idempotency-Key`, which only transactions heed.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut sent = headers.get_all("idempotency-key").iter();
    match (sent.next(), sent.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match key.to_str() {
            Ok(key) => Ok(Some(key.to_owned())),
            Err(_) => Err(Refusal::MalformedKey),
        },
        (Some(_), Some(_)) => Err(Refusal::MalformedKey),
    }
}

fn asker(door: &Door, parts: &Parts) -> Result<Asker, Refusal> {
    match credential(&parts.headers) {
        Credential::Token(token) => Ok(Asker::Bearer(token)),
        Credential::Malformed => Err(Refusal::MalformedToken),
        Credential::None => {
            if let Some(certificate) = parts.extensions.get::<Arc<Certificate>>() {
                return Ok(Asker::Certified(Arc::clone(certificate)));
            }
            let peer = parts.extensions.get::<Peer>();
            let may_be_root = door.mode == Mode::Open
                && peer.is_some_and(|peer| {
                    acts_as_root(
                        peer.0,
                        door.scheme,
                        parts.version,
                        &parts.uri,
                        &parts.headers,
                    )
                });
            Ok(Asker::Nobody { may_be_root })
        }
    }
}

/// Refuses what need not be read: nobody, where nobody may ask; and strangers with large bodies.
async fn refuse_early(
    door: &Arc<Door>,
    asker: &Asker,
    database: Option<&str>,
    parts: &Parts,
) -> Result<(), Refusal> {
    let folder = door.folder.clone();
    match asker {
        Asker::Nobody { may_be_root: true } => Ok(()),
        Asker::Nobody { may_be_root: false } => {
            let database = database.map(str::to_owned);
            let asked = door.work.run(Length::Short, move || {
                folder.has_anonymous(database.as_deref())
            });
            if asked.await?.map_err(Refusal::Db)? {
                Ok(())
            } else {
                Err(Refusal::NoToken)
            }
        }
        Asker::Bearer(_) | Asker::Certified(_) => {
            let stranger_max = u64::try_from(STRANGER_BODY_BYTES_MAX).unwrap_or(u64::MAX);
            if body::told_length(&parts.headers).is_some_and(|told| told <= stranger_max) {
                return Ok(());
            }
            let asker = asker.clone();
            let database = database.map(str::to_owned);
            let source = source(&parts.extensions);
            let verified = door.work.run(Length::Short, move || {
                session(&folder, &asker, database.as_deref(), source).map(drop)
            });
            verified.await?
        }
    }
}

fn session(
    folder: &Folder,
    asker: &Asker,
    database: Option<&str>,
    source: Source,
) -> Result<Session, Refusal> {
    let session = match asker {
        Asker::Bearer(token) => folder.session_from(token, database, source),
        Asker::Certified(certificate) => folder.certificate_session(certificate.names(), database),
        Asker::Nobody { may_be_root } => match folder.anonymous(database).map_err(Refusal::Db)? {
            // Set while the server runs in open mode, it is still the lesser right.
            Some(session) => Ok(session),
            None if *may_be_root => folder.root_session(database),
            None => return Err(Refusal::NoToken),
        },
    };
    let session = session.map_err(Refusal::Db)?;
    Ok(session.sent_from(source))
}

fn call(
    door: &Door,
    session: &Session,
    action: Action,
    key: Option<&str>,
    told: ReceiptTold,
    text: &str,
    started: Duration,
) -> Result<Answered, Refusal> {
    let auth = session.auth().raw();
    match action {
        Action::Query => queries::ask(session, text),
        Action::QueryWith => queries::answer(auth, session.query_with(text)),
        Action::Block => queries::answer(auth, session.block_query(text)),
        Action::History => queries::answer(auth, session.history(text)),
        Action::MultiQuery => queries::multi(session, text),
        Action::Transact => {
            let receipt = match key {
                Some(key) => session.transact_once(key, text),
                None => session.transact(text),
            };
            let receipt = receipt.map_err(Refusal::Db)?;
            let took = door.clock.elapsed().saturating_sub(started);
            told.answer(auth, receipt, milliseconds(took))
        }
        Action::TestTransactWith => {
            let trial = session.test_transact(text).map_err(Refusal::Db)?;
            let fuel = trial.fuel;
            let took = door.clock.elapsed().saturating_sub(started);
            let shape = Receipt::of_trial(trial, milliseconds(took));
            let body = serde_json::to_string(&shape).map_err(|_| Refusal::Broken)?;
            Ok(Answered {
                auth,
                body,
                fuel,
                ..Answered::default()
            })
        }
        Action::Token => tokens::mint(&door.folder, session, text),
        Action::Tokens => tokens::list(session, text),
        Action::Revoke => tokens::revoke(session, text),
        Action::WhoAmI => tokens::who(session, text),
        Action::NewKeys => {
            let key = session.new_keys(text).map_err(Refusal::Db)?;
            let body = serde_json::to_string(&NewKeys::from(&key)).map_err(|_| Refusal::Broken)?;
            Ok(Answered {
                auth,
                body,
                ..Answered::default()
            })
        }
        Action::Stats => {
            let stats = session.stats(text).map_err(Refusal::Db)?;
            let block = Some(stats.block.0);
            let body = serde_json::to_string(&Stats::from(stats)).map_err(|_| Refusal::Broken)?;
            Ok(Answered {
                auth,
                body,
                block,
                ..Answered::default()
            })
        }
        Action::Logs => {
            let rows = session.logs(text).map_err(Refusal::Db)?;
            let rows: Vec<Log> = rows.into_iter().map(Log::from).collect();
            let body = serde_json::to_string(&rows).map_err(|_| Refusal::Broken)?;
            Ok(Answered {
                auth,
                body,
                ..Answered::default()
            })
        }
        Action::Act => accounts::act(&door.folder, session, text),
        Action::Accounts => accounts::accounts(&door.folder, session, text),
        Action::Databases => accounts::databases(&door.folder, session, text),
        Action::People(action) => people::call(session, action, text),
        // It has no session: see `command.rs`.
        Action::Command => Err(Refusal::Broken),
    }
}

fn json(body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Puts what an answer tells about itself into its headers.
fn tell(
    response: &mut Response,
    family: Family,
    took: Duration,
    block: Option<u64>,
    fuel: Option<u64>,
) {
    let status = response.status().as_u16();
    let told: [(&'static str, &'static str, Option<HeaderValue>); 4] = [
        (
            "x-solon-status",
            "x-fdb-status",
            Some(HeaderValue::from(status)),
        ),
        (
            "x-solon-time",
            "x-fdb-time",
            HeaderValue::try_from(milliseconds(took)).ok(),
        ),
        ("x-solon-block", "x-fdb-block", block.map(HeaderValue::from)),
        ("x-solon-fuel", "x-fdb-fuel", fuel.map(HeaderValue::from)),
    ];
    let headers = response.headers_mut();
    for (name, twin, value) in told {
        let Some(value) = value else { continue };
        if family == Family::Fdb {
            headers.insert(HeaderName::from_static(twin), value.clone());
        }
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Writes into the log what the client is not told.
fn log_failure(refusal: &Refusal, id: &RequestId) {
    if let Refusal::Db(error) = refusal
        && refusal.status().is_server_error()
    {
        let request_id = id.as_str();
        tracing::error!(
            request_id,
            code = error.code(),
            why = error.message(),
            "failed"
        );
    }
}
