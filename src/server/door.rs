//! What every request is handed: the data, the mode, the clock, and the turns at the work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;

use super::devices::Devices;
use super::request_id::Ids;
use super::work::Work;
use crate::base::Clock;
use crate::db::{Folder, SignedIn, Source};

/// Who a request without a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nobody, unless the data names an auth for it.
    Closed,
    /// Root, if the request comes from this machine by hand.
    Open,
}

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// The other end of a connection, as the system says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Scheme {
    /// As it stands in an address.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What every request is handed.
pub(super) struct Door {
    pub(super) folder: Folder,
    pub(super) mode: Mode,
    pub(super) scheme: Scheme,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Ids,
    pub(super) work: Work,
    pub(super) devices: Devices<SignedIn>,
}

/// Where a request comes from: the other end of its connection, whatever its headers say.
pub(super) fn source(extensions: &Extensions) -> Source {
    let peer = extensions.get::<Peer>();
    peer.map_or_else(Source::default, |peer| Source::from(peer.0.ip()))
}

/// A duration as answers tell it: `3.18ms`.
pub(super) fn milliseconds(duration: Duration) -> String {
    let hundredths = duration.as_micros().saturating_add(5) / 10;
    format!("{}.{:02}ms", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_hundredths_of_a_millisecond() {
        for (micros, told) in [
            (0, "0.00ms"),
            (3_184, "3.18ms"),
            (3_185, "3.19ms"),
            (2_000_040, "2000.04ms"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), told);
        }
    }
}
