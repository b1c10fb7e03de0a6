//! From a stream that was accepted to a connection that is served: the handshake of TLS, if TLS is spoken.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use super::connection::{Client, Protocol, Serving};
use super::door::Peer;
use super::patience::Patient;
use super::tls::{HTTP2, Tls};
use crate::base::limits::{TLS_HANDSHAKE_SECONDS_MAX, WRITE_SECONDS_MAX};

/// Makes a connection of what was accepted, and serves it to its end.
pub(super) async fn connect<S>(stream: S, peer: Peer, tls: Option<Arc<Tls>>, serving: Serving)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = Patient::new(stream, Duration::from_secs(WRITE_SECONDS_MAX));
    let Some(tls) = tls else {
        let certificate = None;
        let client = Client { peer, certificate };
        return serving.serve(stream, Protocol::Either, client).await;
    };
    let handshake = timeout(
        Duration::from_secs(TLS_HANDSHAKE_SECONDS_MAX),
        TlsAcceptor::from(tls.config()).accept(stream),
    );
    let stream = tokio::select! {
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => stream,
            // Strangers knock with all sorts of things, and the log is not theirs to fill.
            Ok(Err(why)) => return tracing::debug!(%why, "no handshake"),
            Err(_) => return tracing::debug!("no handshake in time"),
        },
        () = serving.stopped() => return,
    };
    let (_, session) = stream.get_ref();
    let protocol = match session.alpn_protocol() {
        Some(HTTP2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let certificate = session
        .peer_certificates()
        .and_then(|chain| Certificate::proven(chain, tls))
        .map(Arc::new);
    let client = Client { peer, certificate };
    serving.serve(stream, protocol, client).await;
}
