//! Where a request comes from, as far as that is known.

use std::net::IpAddr;

/// Where a request comes from. A client's own word for it is never taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// The other end of the connection; `None` for a caller in this process.
    pub address: Option<IpAddr>,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self {
            // One machine is one source, whichever way it is written.
            address: Some(address.to_canonical()),
        }
    }
}
