//! What a key folder holds: the keys and when they sign, the key of refresh tokens, the issuer's id, what was revoked.
//!
//! The folder (0700) holds, each readable by its owner alone (0600):
//! ```text
//! key-00000001.pem   and on: an Ed25519 key as PKCS8 in PEM
//! key-00000001.from  where the key was published before it signs: the Unix second from which it does, one line
//! refresh.key        64 hexadecimal digits: the key that makes the secrets of refresh tokens
//! revoked            the ids of the keys that were revoked last and the Unix seconds of that, a line each
//! issuer             the issuer's id, one line
//! lock               held by who changes the folder
//! ```
//! All else in the folder is let be, so that others may stand beside, and a temporary file that a crash left means
//! nothing.
//!
//! 1. Of the keys whose second has come, the one with the highest number signs; where none has come, the lowest.
//! 2. A key's `.from` is written before the key, so that a crash leaves none that signs before its time. A `.from`
//!    without a key means nothing.
//! 3. The issuer and the refresh key are written before the first key, so that a key never stands without them.
//! 4. A key whose id stands in `revoked` is none, even where its file does: it may have come back with a copy.
//! 5. Who changes the folder holds `lock`: two that start at once would each make a key.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use zeroize::Zeroizing;

use super::error::Error;
use super::files::{self, Secret, file_error, io_error};
use super::hex;
use crate::base::limits::{KEYS_MAX, REVOKED_KEYS_MAX};

const ISSUER: &str = "issuer";
const REFRESH: &str = "refresh.key";
const REVOKED: &str = "revoked";
const LOCK: &str = "lock";
const ISSUER_BYTES_MAX: usize = 255;

/// What a key folder holds. Of what cannot be read, why.
pub(super) struct Folder {
    /// The issuer's id.
    pub(super) issuer: Result<String, Error>,
    /// The keys, by rising number, revoked ones not yet left out.
    pub(super) keys: Vec<Stored>,
    /// The key of refresh tokens; a folder of an earlier version has none until the server starts on it.
    pub(super) refresh: Result<Option<Zeroizing<[u8; 32]>>, Error>,
    /// What was revoked, oldest first.
    pub(super) revoked: Vec<RevokedKey>,
}

/// One key file, and what it holds.
pub(super) struct Stored {
    pub(super) number: u32,
    pub(super) key: Result<TimedKey, Error>,
}

/// A key, and the Unix second from which it signs.
pub(super) struct TimedKey {
    pub(super) key: SigningKey,
    pub(super) signs_from_s: Option<i64>,
}

/// A key that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// Its id.
    pub kid: String,
    /// When, Unix seconds.
    pub revoked_at_s: i64,
}

/// The lock of a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Reads a key folder. What is wrong with one file is told in its place.
///
/// # Errors
/// `KeyFile` if the folder, or the list of what was revoked, cannot be read, or holds too much.
pub(super) fn read(dir: &Path) -> Result<Folder, Error> {
    files::check_dir(dir)?;
    let numbers = numbers(dir)?;
    if numbers.len() > KEYS_MAX {
        return Err(file_error(dir, "holds too many keys"));
    }
    let stored = |number| Stored {
        number,
        key: read_key(dir, number),
    };
    Ok(Folder {
        issuer: read_issuer(&dir.join(ISSUER)),
        keys: numbers.into_iter().map(stored).collect(),
        refresh: read_refresh(&dir.join(REFRESH)),
        // Last, so that a key which went meanwhile stands in it.
        revoked: read_revoked(dir)?,
    })
}

/// Makes the folder, the issuer's id, the refresh key and the first key, as far as they are not there.
pub(super) fn create(dir: &Path) -> Result<(), Error> {
    files::create_dir(dir)?;
    files::check_dir(dir)?;
    let refresh = dir.join(REFRESH);
    if !numbers(dir)?.is_empty() && files::is_there(&refresh)? {
        return Ok(());
    }
    let lock = lock(dir)?;
    files::sync_parent(dir)?;
    if !files::is_there(&refresh)? {
        make_refresh(dir, &lock)?;
    }
    if !numbers(dir)?.is_empty() {
        return Ok(());
    }
    let issuer = dir.join(ISSUER);
    if !files::is_there(&issuer)? {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Error::Random)?;
        let line = format!("{}\n", URL_SAFE_NO_PAD.encode(id));
        files::write(&issuer, line.as_bytes())?;
    }
    make_key(dir, 1, None, &lock).map(drop)
}

/// Waits until nobody else changes the folder.
pub(super) fn lock(dir: &Path) -> Result<Lock, Error> {
    let path = dir.join(LOCK);
    let file = files::open_lock(&path)?;
    file.lock().map_err(|error| io_error(&path, &error))?;
    Ok(Lock { _file: file })
}

/// Makes a key that signs from a second on, or at once.
pub(super) fn make_key(
    dir: &Path,
    number: u32,
    signs_from_s: Option<i64>,
    lock: &Lock,
) -> Result<TimedKey, Error> {
    match signs_from_s {
        Some(second) => files::write(&from_path(dir, number), format!("{second}\n").as_bytes())?,
        // What a crash may have left there is of no key.
        None => sign_at_once(dir, number, lock)?,
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|_| Error::Random)?;
    files::write(&key_path(dir, number), files::pem(&seed).as_bytes())?;
    let key = SigningKey::from_bytes(&seed);
    Ok(TimedKey { key, signs_from_s })
}

/// Lets a key sign from now on.
pub(super) fn sign_at_once(dir: &Path, number: u32, _: &Lock) -> Result<(), Error> {
    files::remove(&from_path(dir, number))
}

/// Takes a key away.
pub(super) fn remove_key(dir: &Path, number: u32, _: &Lock) -> Result<(), Error> {
    files::remove(&key_path(dir, number))?;
    files::remove(&from_path(dir, number))
}

/// Makes a key of refresh tokens, in place of the one that is there.
pub(super) fn make_refresh(dir: &Path, _: &Lock) -> Result<(), Error> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|_| Error::Random)?;
    files::write(&dir.join(REFRESH), hex::encode(key.as_ref()).as_bytes())
}

/// Writes what was revoked, the last of it as far as there is room.
pub(super) fn write_revoked(dir: &Path, revoked: &[RevokedKey], _: &Lock) -> Result<(), Error> {
    let first = revoked.len().saturating_sub(REVOKED_KEYS_MAX);
    let mut text = String::new();
    for RevokedKey { kid, revoked_at_s } in revoked.iter().skip(first) {
        // Writing into memory cannot fail.
        let _ = writeln!(text, "{kid} {revoked_at_s}");
    }
    files::write(&dir.join(REVOKED), text.as_bytes())
}

/// Whether a text can be an issuer's id: one line of visible characters.
pub(super) fn is_issuer(id: &str) -> bool {
    (1..=ISSUER_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a file's name is one whose content this room reads.
pub(super) fn is_ours(name: &OsStr) -> bool {
    let named = |known: &str| name == known;
    named(ISSUER)
        || named(REFRESH)
        || named(REVOKED)
        || numbered(name, ".pem").is_some()
        || numbered(name, ".from").is_some()
}

/// The numbers of the key files, rising.
fn numbers(dir: &Path) -> Result<Vec<u32>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| io_error(dir, &error))? {
        let entry = entry.map_err(|error| io_error(dir, &error))?;
        numbers.extend(numbered(&entry.file_name(), ".pem"));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a file: eight digits, so that a number has one spelling.
fn numbered(name: &OsStr, end: &str) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("key-")?.strip_suffix(end)?;
    let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn key_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("key-{number:08}.pem"))
}

fn from_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("key-{number:08}.from"))
}

fn read_key(dir: &Path, number: u32) -> Result<TimedKey, Error> {
    let path = key_path(dir, number);
    let bytes = files::read_file(&path, Secret::Yes)?;
    let malformed = || file_error(&path, "is not an Ed25519 key in PKCS8 PEM form");
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    Ok(TimedKey {
        key: SigningKey::from_pkcs8_pem(text).map_err(|_| malformed())?,
        signs_from_s: read_from(&from_path(dir, number))?,
    })
}

fn read_from(path: &Path) -> Result<Option<i64>, Error> {
    if !files::is_there(path)? {
        return Ok(None);
    }
    let bytes = files::read_file(path, Secret::No)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    second(text.strip_suffix('\n').unwrap_or(text))
        .map(Some)
        .ok_or_else(|| file_error(path, "is not a Unix second"))
}

fn read_issuer(path: &Path) -> Result<String, Error> {
    let bytes = files::read_file(path, Secret::No)?;
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| text.strip_suffix('\n').unwrap_or(text))
        .filter(|id| is_issuer(id))
        .map(str::to_owned)
        .ok_or_else(|| file_error(path, "is not an issuer's id"))
}

fn read_refresh(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    if !files::is_there(path)? {
        return Ok(None);
    }
    let bytes = files::read_file(path, Secret::Yes)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let key = hex::decode(text.strip_suffix('\n').unwrap_or(text));
    let why = "is not the key of refresh tokens, 64 hexadecimal digits";
    key.map(Some).ok_or_else(|| file_error(path, why))
}

fn read_revoked(dir: &Path) -> Result<Vec<RevokedKey>, Error> {
    let path = dir.join(REVOKED);
    if !files::is_there(&path)? {
        return Ok(Vec::new());
    }
    let bytes = files::read_file(&path, Secret::No)?;
    let read = |line: &str| {
        let (kid, at) = line.split_once(' ')?;
        Some(RevokedKey {
            kid: kid.to_owned(),
            revoked_at_s: second(at)?,
        })
    };
    let text = std::str::from_utf8(&bytes).unwrap_or("?");
    let lines: Option<Vec<_>> = text.lines().map(read).collect();
    lines.ok_or_else(|| file_error(&path, "is not a list of keys that were revoked"))
}

/// A second in its one spelling.
fn second(text: &str) -> Option<i64> {
    let second: i64 = text.parse().ok()?;
    (second >= 0 && second.to_string() == text).then_some(second)
}
