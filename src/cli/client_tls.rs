//! TLS as the client has it: who vouches for the server, and the certificate that the client shows.
//!
//! The files are checked here, before anything is sent, so that what is wrong with one is said by its name.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use zeroize::Zeroizing;

use super::error::Error;
use super::remote_arguments::ClientTlsArguments;
use crate::base::limits::CERTIFICATES_BYTES_MAX;

/// Mode bits that a file with a key may not have: its group may read it, as with the server's key.
#[cfg(unix)]
const KEY_FORBIDDEN: u32 = 0o037;

/// The configuration that follows from the arguments.
pub(super) fn config(arguments: &ClientTlsArguments) -> Result<TlsConfig, Error> {
    let ClientTlsArguments {
        certificate,
        key,
        ca_certificate,
        skip_verify,
    } = arguments;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match ca_certificate {
        Some(path) => RootCerts::Specific(Arc::new(roots(path)?)),
        None => RootCerts::PlatformVerifier,
    };
    let shown = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(shown(certificate, key, &provider)?),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(Error::Arguments(
                "`--tls.certificate` and `--tls.key` go together",
            ));
        }
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(roots)
        .client_cert(shown)
        .disable_verification(*skip_verify)
        .build())
}

/// The certificates that vouch for the server.
fn roots(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let certificates = certificates(path)?;
    let mut store = rustls::RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|why| wrong(path, &format!("holds a certificate that is none: {why}")))?;
    }
    Ok(certificates.iter().map(ours).collect())
}

/// The certificate that the client shows. A key that is another's is refused here.
fn shown(
    certificate: &Path,
    key_path: &Path,
    provider: &CryptoProvider,
) -> Result<ClientCert, Error> {
    let chain = certificates(certificate)?;
    let text = read(key_path, Whose::Owners)?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| wrong(key_path, "holds no private key in PEM"))?;
    let ours_key =
        PrivateKey::from_pem(&text).map_err(|_| wrong(key_path, "holds no private key in PEM"))?;
    let ours_chain: Vec<_> = chain.iter().map(ours).collect();
    CertifiedKey::from_der(chain, key, provider).map_err(|why| {
        let path = certificate.display();
        wrong(
            key_path,
            &format!("is not the key of the certificate in `{path}`: {why}"),
        )
    })?;
    Ok(ClientCert::new_with_certs(&ours_chain, ours_key))
}

fn ours(certificate: &CertificateDer<'static>) -> Certificate<'static> {
    Certificate::from_der(certificate).to_owned()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path, Whose::Anyones)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(path, "holds no certificate in PEM")),
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Owners,
    Anyones,
}

fn read(path: &Path, whose: Whose) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unread = |why: io::Error| Error::Unread {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(unread)?;
    let about = file.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(wrong(path, "is not a file"));
    }
    #[cfg(unix)]
    if whose == Whose::Owners {
        use std::os::unix::fs::PermissionsExt as _;
        if about.permissions().mode() & KEY_FORBIDDEN != 0 {
            let path_shown = path.display();
            return Err(wrong(
                path,
                &format!("can be read by others: `chmod 600 {path_shown}`"),
            ));
        }
    }
    let max = u64::try_from(CERTIFICATES_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(Vec::new());
    file.take(max.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(unread)?;
    if text.len() > CERTIFICATES_BYTES_MAX {
        return Err(wrong(path, "is too large for a file of certificates"));
    }
    Ok(text)
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::WrongFile {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}
