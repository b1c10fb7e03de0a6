//! The files of a key folder: the keys, and the issuer's id beside them.
//!
//! The folder (0700) holds `key-00000001.pem` and on, each one Ed25519 key as PKCS8 in PEM (0600), and `issuer`
//! (0600), one line. The key with the highest number signs. All else in the folder is let be, so that others may
//! stand beside, and a temporary file that a crash left means nothing.
//!
//! A file is written whole under a temporary name, synced, renamed, and the folder synced: it is there complete
//! or not at all. The issuer is written before the first key, so that a key never stands without it.
//! Who creates holds the data folder's lock: two that start at once would each make a key.
//!
//! Shape of a key: version 1 of PKCS8, which every OpenSSL reads; version 2 is read too.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use zeroize::Zeroizing;

use super::error::Error;
use super::hex;
use super::provider::pkcs8;
use crate::base::limits::KEY_FILE_BYTES_MAX;

const ISSUER: &str = "issuer";
const REFRESH: &str = "refresh.key";
const ISSUER_BYTES_MAX: usize = 255;

/// Mode bits of everyone but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
/// Mode bits by which others change a file.
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;

/// What a key folder holds.
pub(super) struct Folder {
    /// The issuer's id.
    pub(super) issuer: String,
    /// The keys, by rising number; at least one.
    pub(super) keys: Vec<SigningKey>,
    /// The key of refresh tokens; a folder of an earlier version has none until the server starts on it.
    pub(super) refresh: Option<Zeroizing<[u8; 32]>>,
}

/// Reads a key folder.
pub(super) fn read(dir: &Path) -> Result<Folder, Error> {
    check_dir(dir)?;
    let paths = key_paths(dir)?;
    if paths.is_empty() {
        return Err(file_error(dir, "holds no key"));
    }
    Ok(Folder {
        issuer: read_issuer(&dir.join(ISSUER))?,
        keys: paths
            .iter()
            .map(|path| read_key(path))
            .collect::<Result<_, _>>()?,
        refresh: read_refresh(&dir.join(REFRESH))?,
    })
}

/// Makes the folder, the issuer's id and the first key, as far as they are not there.
pub(super) fn create(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|error| io_error(dir, &error))?;
    check_dir(dir)?;
    if !key_paths(dir)?.is_empty() {
        return create_refresh(dir);
    }
    sync_parent(dir)?;
    create_refresh(dir)?;
    let issuer = dir.join(ISSUER);
    if !is_there(&issuer)? {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Error::Random)?;
        let line = format!("{}\n", URL_SAFE_NO_PAD.encode(id));
        write(&issuer, line.as_bytes())?;
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|_| Error::Random)?;
    write(&dir.join("key-00000001.pem"), pem(&seed).as_bytes())
}

/// Makes the key of refresh tokens if it is not there.
fn create_refresh(dir: &Path) -> Result<(), Error> {
    let path = dir.join(REFRESH);
    if is_there(&path)? {
        return Ok(());
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|_| Error::Random)?;
    write(&path, hex::encode(key.as_ref()).as_bytes())
}

fn read_refresh(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    if !is_there(path)? {
        return Ok(None);
    }
    let bytes = read_file(path, Secret::Yes)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let key = hex::decode(text.strip_suffix('\n').unwrap_or(text));
    let why = "is not the key of refresh tokens, 64 hexadecimal digits";
    key.map(Some).ok_or_else(|| file_error(path, why))
}

fn is_there(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|error| io_error(path, &error))
}

/// Reads a file that holds a private key and stands by itself.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_file(path, Secret::Yes)
}

/// Writes a key to a file of its own, where nothing is yet. What cannot be written whole is taken away again.
pub(super) fn write_new_private(path: &Path, seed: &[u8; 32]) -> Result<(), Error> {
    let failed = |error: io::Error| io_error(path, &error);
    let mut file = create_private(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => file_error(path, "is there already"),
        _ => failed(error),
    })?;
    let written = file
        .write_all(pem(seed).as_bytes())
        .and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written {
        // It was made by this call; if it stays, it is told of all the same.
        let _ = fs::remove_file(path);
        return Err(failed(error));
    }
    sync_parent(path)
}

/// A new file that its owner alone can read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// A key as PEM.
fn pem(seed: &[u8; 32]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(pkcs8(seed)));
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    text.push_str(&body);
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

/// The key files, by rising number.
fn key_paths(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut numbered = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| io_error(dir, &error))? {
        let entry = entry.map_err(|error| io_error(dir, &error))?;
        if let Some(number) = key_number(&entry.file_name()) {
            numbered.push((number, entry.path()));
        }
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// The number of a key file: eight digits, so that a number has one spelling.
fn key_number(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("key-")?.strip_suffix(".pem")?;
    let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn read_key(path: &Path) -> Result<SigningKey, Error> {
    let bytes = read_file(path, Secret::Yes)?;
    let malformed = || file_error(path, "is not an Ed25519 key in PKCS8 PEM form");
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    SigningKey::from_pkcs8_pem(text).map_err(|_| malformed())
}

fn read_issuer(path: &Path) -> Result<String, Error> {
    let bytes = read_file(path, Secret::No)?;
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| text.strip_suffix('\n').unwrap_or(text))
        .filter(|id| is_issuer(id))
        .map(str::to_owned)
        .ok_or_else(|| file_error(path, "is not an issuer's id"))
}

/// Whether a text can be an issuer's id: one line of visible characters.
pub(super) fn is_issuer(id: &str) -> bool {
    (1..=ISSUER_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Clone, Copy)]
enum Secret {
    Yes,
    No,
}

fn read_file(path: &Path, secret: Secret) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |error: io::Error| io_error(path, &error);
    // Before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(file_error(path, "is not a file"));
    }
    let file = File::open(path).map_err(failed)?;
    check_mode(path, &file.metadata().map_err(failed)?, secret)?;
    // Room for all of it at once, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX + 64));
    let max = u64::try_from(KEY_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(file_error(path, "is too long"));
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error: io::Error| io_error(path, &error);
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = create_private(&temporary).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    drop(file);
    fs::rename(&temporary, path).map_err(failed)?;
    sync_parent(path)
}

/// Makes a new name in a folder last.
#[cfg(unix)]
fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .and_then(|dir| dir.sync_all())
        .map_err(|error| io_error(path, &error))
}

#[cfg(not(unix))]
fn sync_parent(_: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(unix)]
fn check_dir(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(dir).map_err(|error| io_error(dir, &error))?;
    if metadata.permissions().mode() & OTHERS_WRITE != 0 {
        return Err(file_error(dir, "is writable by others than its owner"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_dir(dir: &Path) -> Result<(), Error> {
    fs::metadata(dir)
        .map(|_| ())
        .map_err(|error| io_error(dir, &error))
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata, secret: Secret) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let (forbidden, why) = match secret {
        Secret::Yes => (
            OTHERS,
            "is open to others than its owner; its mode must be 0600",
        ),
        Secret::No => (OTHERS_WRITE, "is writable by others than its owner"),
    };
    if metadata.permissions().mode() & forbidden != 0 {
        return Err(file_error(path, why));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata, _: Secret) -> Result<(), Error> {
    Ok(())
}

fn file_error(path: &Path, why: &str) -> Error {
    Error::KeyFile {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

fn io_error(path: &Path, error: &io::Error) -> Error {
    file_error(path, &error.to_string())
}
