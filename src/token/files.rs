//! Files that their owner alone may read: read whole, written whole.
//!
//! A file is written under a temporary name, synced, renamed, and the folder synced: it is there complete or not at
//! all. Who may read or change it is checked before its content is believed.
//!
//! Shape of a key: version 1 of PKCS8 in PEM, which every OpenSSL reads; version 2 is read too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::Error;
use super::provider::pkcs8;
use crate::base::limits::KEY_FILE_BYTES_MAX;

/// Mode bits of everyone but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
/// Mode bits by which others change a file.
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;

/// Whether a file holds what nobody else may read.
#[derive(Clone, Copy)]
pub(super) enum Secret {
    /// It does.
    Yes,
    /// It does not, and nobody else may change it.
    No,
}

/// Makes a folder that its owner alone can enter, and those above it, as far as they are not there.
pub(super) fn create_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|error| io_error(dir, &error))
}

/// Opens a file that is there to be locked, and makes it if it is not there.
pub(super) fn open_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(|error| io_error(path, &error))
}

/// Takes a file away, if it is there, for good.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path, &error)),
    }
}

/// Whether a file is there.
pub(super) fn is_there(path: &Path) -> Result<bool, Error> {
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
pub(super) fn pem(seed: &[u8; 32]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(pkcs8(seed)));
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    text.push_str(&body);
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

/// Reads a file, if it is what it should be.
pub(super) fn read_file(path: &Path, secret: Secret) -> Result<Zeroizing<Vec<u8>>, Error> {
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

/// Writes a file whole, in place of one that is there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
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
pub(super) fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .and_then(|dir| dir.sync_all())
        .map_err(|error| io_error(path, &error))
}

#[cfg(not(unix))]
pub(super) fn sync_parent(_: &Path) -> Result<(), Error> {
    Ok(())
}

/// Refuses a folder that others may write.
#[cfg(unix)]
pub(super) fn check_dir(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(dir).map_err(|error| io_error(dir, &error))?;
    if metadata.permissions().mode() & OTHERS_WRITE != 0 {
        return Err(file_error(dir, "is writable by others than its owner"));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_dir(dir: &Path) -> Result<(), Error> {
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

/// What is wrong with a file.
pub(super) fn file_error(path: &Path, why: &str) -> Error {
    Error::KeyFile {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// What the system says of a file.
pub(super) fn io_error(path: &Path, error: &io::Error) -> Error {
    file_error(path, &error.to_string())
}
