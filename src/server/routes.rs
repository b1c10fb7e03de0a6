//! The paths, and what stands around all of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

use super::about;
use super::act::{Action, on_fdb, on_master, on_named, on_own};
use super::device;
use super::door::Door;
use super::jwks::jwks;
use super::observe::{observe, panicked};
use super::people::PeopleAction;
use super::problem::Refusal;
use super::request_id::RequestId;
use super::weka;

/// Every path. Methods are told apart behind them, so that each refusal has the one shape.
pub(super) fn routes(door: Arc<Door>) -> Router {
    let own = |action| {
        any(move |State(door): State<Arc<Door>>, request: Request| on_own(door, action, request))
    };
    let master = |action| {
        any(move |State(door): State<Arc<Door>>, request: Request| on_master(door, action, request))
    };
    let people = |action| own(Action::People(action));
    let router = Router::new()
        .route("/api/action", master(Action::Act))
        .route("/api/accounts", master(Action::Accounts))
        .route("/api/dbs", master(Action::Databases))
        .route("/api/db/query", own(Action::Query))
        .route("/api/db/transact", own(Action::Transact))
        .route("/api/db/test-transact-with", own(Action::TestTransactWith))
        .route("/api/db/query-with", own(Action::QueryWith))
        .route("/api/db/block", own(Action::Block))
        .route("/api/db/history", own(Action::History))
        .route("/api/db/multi-query", own(Action::MultiQuery))
        .route("/api/db/token", own(Action::Token))
        .route("/api/db/tokens", own(Action::Tokens))
        .route("/api/db/revoke", own(Action::Revoke))
        .route("/api/db/whoami", own(Action::WhoAmI))
        .route("/api/db/new-keys", own(Action::NewKeys))
        .route("/api/db/command", own(Action::Command))
        .route("/api/db/logs", own(Action::Logs))
        .route("/api/db/ledger-stats", own(Action::Stats))
        .route("/api/signin", people(PeopleAction::MasterSignIn))
        .route("/api/db/signin", people(PeopleAction::SignIn))
        .route("/api/refresh", people(PeopleAction::Refresh))
        .route("/api/db/refresh", people(PeopleAction::Refresh))
        .route("/api/new-pw", people(PeopleAction::NewPassword))
        .route("/api/db/password", people(PeopleAction::Password))
        .route("/api/db/reset-token", people(PeopleAction::ResetToken))
        .route("/api/db/new-user", people(PeopleAction::NewUser))
        .route("/api/db/unlock", people(PeopleAction::Unlock))
        .route("/api/db/users", people(PeopleAction::Users))
        .route("/api/db/{network}/{name}/{action}", any(on_named))
        .route("/fdb/{network}/{name}/{action}", any(on_fdb))
        .route("/.well-known/jwks.json", any(jwks))
        .route("/device", any(device::page))
        .route("/oauth/device_authorization", any(device::authorize))
        .route("/oauth/devicecode", any(device::authorize))
        .route("/oauth/token", any(device::token))
        .route("/api/v2/login", any(weka::login))
        .route("/api/v2/login/refresh", any(weka::refresh))
        .route("/api/v2/security/defaultTokensExpiry", any(weka::expiry))
        .route("/api/v2/cluster", any(weka::cluster))
        .route("/api/v2/users", any(weka::users))
        .route("/api/v2/users/whoami", any(weka::whoami))
        .route("/api/v2/users/{uid}/revoke", any(weka::revoke))
        .route("/api/v2/{*rest}", any(weka::unknown))
        .route("/health", any(about::health))
        .route("/livez", any(about::health))
        .route("/ready", any(about::ready))
        .route("/readyz", any(about::ready))
        .route("/version", any(about::version))
        .fallback(unknown);
    around(router, door)
}

fn around(router: Router<Arc<Door>>, door: Arc<Door>) -> Router {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&door), observe))
        .with_state(door)
}

async fn unknown(Extension(id): Extension<RequestId>) -> Response {
    Refusal::UnknownRoute.into_response(&id)
}
