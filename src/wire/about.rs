//! What the server says about itself: health, readiness, version.

use serde::Serialize;

/// Whether the server lives, or can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Ok,
    /// It does not, now.
    Unavailable,
}

/// The answer of the health and readiness endpoints: `{"status": "ok"}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Health {
    /// How it is.
    pub status: Status,
}

/// The answer of `/version`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Version {
    name: &'static str,
    version: &'static str,
}

impl Version {
    /// This build's.
    pub const fn this() -> Self {
        Self {
            name: "solon",
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
