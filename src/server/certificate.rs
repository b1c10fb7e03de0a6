//! The certificate that a client proved when its connection was made.
//!
//! 1. Only what TLS verified on this very connection counts. A header that tells of a certificate is a client's word.
//! 2. A connection may outlive a certificate. So on one that is older than `CERTIFICATE_LOOK_SECONDS` the certificate
//!    is verified anew before it counts, by the clock of now and under the authorities of now.
//! 3. A certificate with more names than `CERTIFICATE_NAMES_MAX` counts for its hash alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::tls::Tls;
use crate::base::limits::{CERTIFICATE_LOOK_SECONDS, CERTIFICATE_NAMES_MAX};
use crate::db::CertificateName;

/// A client certificate that was verified.
#[derive(Debug)]
pub(super) struct Certificate {
    names: Vec<CertificateName>,
    /// The certificate, and those that lead to an authority.
    chain: Vec<CertificateDer<'static>>,
    tls: Arc<Tls>,
    /// When it was last found good.
    good_at: Mutex<Duration>,
}

impl Certificate {
    /// The certificate of a handshake that just ended well.
    pub(super) fn proven(chain: &[CertificateDer<'_>], tls: Arc<Tls>) -> Option<Self> {
        let leaf = chain.first()?;
        Some(Self {
            names: names(leaf),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            good_at: Mutex::new(tls.clock().elapsed()),
            tls,
        })
    }

    /// The names that it proves now; none if it is no longer good.
    pub(super) fn names(&self) -> &[CertificateName] {
        if self.is_good() { &self.names } else { &[] }
    }

    fn is_good(&self) -> bool {
        // Whoever comes second waits, and then need not look.
        let mut good_at = self.good_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.tls.clock().elapsed();
        if now.saturating_sub(*good_at) < Duration::from_secs(CERTIFICATE_LOOK_SECONDS) {
            return true;
        }
        let is_good = self
            .chain
            .split_first()
            .is_some_and(|(leaf, others)| self.tls.verifies_client(leaf, others));
        if is_good {
            *good_at = now;
        }
        is_good
    }
}

fn names(leaf: &CertificateDer<'_>) -> Vec<CertificateName> {
    let hash = CertificateName::of_der(leaf);
    let Ok(parsed) = EndEntityCert::try_from(leaf) else {
        return vec![hash];
    };
    let uris = parsed.valid_uri_names().filter_map(CertificateName::of_uri);
    let hosts = parsed.valid_dns_names().filter_map(CertificateName::of_dns);
    let named: Vec<_> = uris
        .chain(hosts)
        .take(CERTIFICATE_NAMES_MAX.saturating_add(1))
        .collect();
    let mut all = vec![hash];
    if named.len() <= CERTIFICATE_NAMES_MAX {
        all.extend(named);
    }
    all
}
