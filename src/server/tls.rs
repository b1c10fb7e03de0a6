//! TLS: which files, what is made of them, and making it anew when they change.
//!
//! 1. TLS 1.2 and 1.3 alone, with the provider named here and never a process's default. No early data, which could
//!    be sent again by others.
//! 2. The key's file is refused if others than its owner may do more than read it through its group: a private key
//!    that everybody reads is nobody's.
//! 3. Files that are not good when the server starts end it. Later they leave in force what was, with a line in the
//!    log.
//! 4. Where clients are verified, no session is resumed: each connection proves its certificate anew.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use crate::base::Clock;
use crate::base::limits::TLS_FILE_BYTES_MAX;

/// What the client and the server may agree on, the best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// How TLS names HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";

/// Mode bits that a key's file may not have: all of the others', and all of the group's but reading, by which a key
/// is handed to a server that does not own it.
#[cfg(unix)]
const KEY_FORBIDDEN: u32 = 0o037;

/// The files of TLS, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and after it those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of client certificates. If it is given, every client must have one.
    pub client_authorities: Option<PathBuf>,
}

/// TLS as it is now.
pub(super) struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
    /// The files as they were when they were last read, whether they were good or not.
    seen: Mutex<Vec<Stamp>>,
}

struct Current {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// What tells one state of a file from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Absent,
    #[cfg(unix)]
    Inode([i64; 4], [u64; 3]),
    #[cfg(not(unix))]
    Written(Option<std::time::SystemTime>, u64),
}

/// What a look at the files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Unchanged,
    Renewed,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `Tls` for the first of them that is not good.
    pub(super) fn read(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let seen = stamps(&files);
        let current = Current::read(&files, &clock)?;
        Ok(Self {
            files,
            clock,
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(seen),
        })
    }

    /// The configuration of connections from now on.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether a client's certificate is good by now and under the authorities of now.
    pub(super) fn verifies_client(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> bool {
        let now = unix_time(&*self.clock);
        let current = self.current.load();
        let clients = current.clients.as_ref();
        clients.is_some_and(|it| it.verify_client_cert(leaf, others, now).is_ok())
    }

    /// Reads the files again if one of them changed since they were last read.
    ///
    /// # Errors
    /// As [`Tls::reload`].
    pub(super) fn look(&self) -> Result<Looked, Error> {
        if *self.seen() == stamps(&self.files) {
            return Ok(Looked::Unchanged);
        }
        self.reload().map(|()| Looked::Renewed)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// `Tls` for the first of them that is not good; then what was in force stays.
    pub(super) fn reload(&self) -> Result<(), Error> {
        let mut seen = self.seen();
        // Before they are read: what changes meanwhile is seen by the next look.
        *seen = stamps(&self.files);
        self.current
            .store(Arc::new(Current::read(&self.files, &self.clock)?));
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Stamp>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Current {
    fn read(files: &TlsFiles, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.certificate)?;
        let certified = certified(chain, files)?;
        let clients = match &files.client_authorities {
            Some(path) => Some(verifier(path, &provider)?),
            None => None,
        };
        let time = Arc::new(Time(Arc::clone(clock)));
        let versions = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|why| unusable(&files.certificate, why))?;
        let configured = match &clients {
            Some(clients) => versions.with_client_cert_verifier(Arc::clone(clients)),
            None => versions.with_no_client_auth(),
        };
        let keys = Arc::new(SingleCertAndKey::from(certified));
        let mut config = configured.with_cert_resolver(keys);
        config.alpn_protocols = PROTOCOLS.iter().map(|it| it.to_vec()).collect();
        config.max_early_data_size = 0;
        if clients.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            clients,
        })
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, files: &TlsFiles) -> Result<CertifiedKey, Error> {
    let text = read_file(&files.key, check_key_mode)?;
    let mut key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| unusable(&files.key, "it holds no private key in PEM form"))?;
    let signing = ring::sign::any_supported_type(&key);
    key.zeroize();
    let signing =
        signing.map_err(|_| unusable(&files.key, "its key is of no kind that is used"))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let why = format!("it is not the key of `{}`", files.certificate.display());
            Err(unusable(&files.key, why))
        }
        Err(_) => Err(unusable(
            &files.certificate,
            "its first certificate is malformed",
        )),
    }
}

fn verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots
            .add(authority)
            .map_err(|_| unusable(path, "one of its certificates is malformed"))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|why| unusable(path, why))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read_file(path, |_, _| Ok(()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(path, "it holds no certificates in PEM form")),
    }
}

fn read_file(
    path: &Path,
    check: impl Fn(&Path, &Metadata) -> Result<(), Error>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |why: io::Error| unusable(path, why);
    // Before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(unusable(path, "it is not a file"));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check(path, &metadata)?;
    let max = u64::try_from(TLS_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    if metadata.len() > max {
        return Err(unusable(path, "it is too long"));
    }
    // Room for all of it at once, so that no copy is left behind by growing.
    let room = usize::try_from(metadata.len()).unwrap_or(TLS_FILE_BYTES_MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(64)));
    file.take(max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_key_mode(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & KEY_FORBIDDEN == 0 {
        return Ok(());
    }
    let why = "it is open to others than its owner and the readers of its group; its mode must be 0600 or 0640";
    Err(unusable(path, why))
}

#[cfg(not(unix))]
fn check_key_mode(_: &Path, _: &Metadata) -> Result<(), Error> {
    Ok(())
}

fn stamps(files: &TlsFiles) -> Vec<Stamp> {
    let clients = files.client_authorities.as_ref();
    let all = [&files.certificate, &files.key].into_iter().chain(clients);
    all.map(|path| fs::metadata(path).map_or(Stamp::Absent, |it| Stamp::of(&it)))
        .collect()
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self::Inode(
            [
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
            [metadata.dev(), metadata.ino(), metadata.len()],
        )
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        Self::Written(metadata.modified().ok(), metadata.len())
    }
}

fn unusable(path: &Path, why: impl fmt::Display) -> Error {
    Error::Tls {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// The clock, as TLS asks for it.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(&*self.0))
    }
}

fn unix_time(clock: &dyn Clock) -> UnixTime {
    let ms = u64::try_from(clock.now_ms()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemClock;

    /// A certificate that signs itself, and its key.
    fn write(dir: &Path) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = TlsFiles {
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
            client_authorities: None,
        };
        let put = |path: &Path, text: String| {
            let new = path.with_extension("new");
            fs::write(&new, text).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
            }
            fs::rename(&new, path).unwrap();
        };
        put(&files.certificate, made.cert.pem());
        put(&files.key, made.signing_key.serialize_pem());
        files
    }

    #[test]
    fn a_look_reads_what_changed_and_tells_once_of_what_is_not_good() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path());
        let tls = Tls::read(files.clone(), Arc::new(SystemClock::new())).unwrap();
        let first = tls.config();
        assert_eq!(tls.look().unwrap(), Looked::Unchanged);
        assert!(Arc::ptr_eq(&tls.config(), &first));

        write(dir.path());
        assert_eq!(tls.look().unwrap(), Looked::Renewed);
        let second = tls.config();
        assert!(!Arc::ptr_eq(&second, &first));

        // The certificate alone, as when the look falls between the two: then the pair is whole.
        let other = tempfile::tempdir().unwrap();
        let others = write(other.path());
        fs::rename(&others.certificate, &files.certificate).unwrap();
        assert!(matches!(tls.look(), Err(Error::Tls { path, .. }) if path == files.key));
        assert_eq!(tls.look().unwrap(), Looked::Unchanged);
        assert!(Arc::ptr_eq(&tls.config(), &second));
        fs::rename(&others.key, &files.key).unwrap();
        assert_eq!(tls.look().unwrap(), Looked::Renewed);

        fs::remove_file(&files.key).unwrap();
        assert!(tls.look().is_err());
        assert_eq!(tls.look().unwrap(), Looked::Unchanged);
        assert!(!format!("{tls:?}").contains("PRIVATE"));
    }
}
