//! Verifying a database of a data folder that no process has open. It is left as it is.

use std::path::Path;

use super::data_dir::DataDir;
use super::database_name::DatabaseName;
use super::error::{Error, ErrorKind};
use super::trail::check_rows;
use crate::model::Digest;
use crate::store::{Store, Verified};

/// Reads the whole file of a database: the chain of its log, and every table against the log.
///
/// `kept` is the hash of a block, hex, that was kept elsewhere: then a log that was made anew is found too.
///
/// # Errors
/// `NotFound` if there is no such database; `Unavailable` if a process has it open; `Invalid` for a hash that is
/// none; `Corrupt`, naming the block or the table, if anything is wrong, or no block has the hash.
pub fn verify_file(dir: &Path, database: &str, kept: Option<&str>) -> Result<Verified, Error> {
    let kept = match kept {
        Some(text) => Some(digest(text).ok_or_else(|| {
            let why = format!("`{text}` is no hash: it has 64 hexadecimal digits");
            Error::new(ErrorKind::Invalid, "db/invalid-request", why)
        })?),
        None => None,
    };
    let path = DatabaseName::parse(database).map(|name| DataDir::new(dir).place(&name));
    let path = path.filter(|path| path.is_file()).ok_or_else(|| {
        let why = format!("there is no database `{database}` in `{}`", dir.display());
        Error::new(ErrorKind::NotFound, "db/not-found", why)
    })?;
    let store = Store::open_as_it_is(path)?;
    let verified = match kept {
        Some(kept) => store.verify_with(kept)?,
        None => store.verify()?,
    };
    check_rows(&store.snapshot()?)?;
    Ok(verified)
}

fn digest(text: &str) -> Option<Digest> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(index * 2..index * 2 + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(Digest(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Digest(std::array::from_fn(|at| u8::try_from(at * 7).unwrap()));
        assert_eq!(digest(&hash.to_string()), Some(hash));
        assert_eq!(digest(&hash.to_string().to_uppercase()), Some(hash));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"+".repeat(64)] {
            assert_eq!(digest(wrong), None);
        }
    }
}
