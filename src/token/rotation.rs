//! Changing the keys of a folder, whether a server runs on it or not: a new key, and the end of one.
//!
//! 1. A new key is published for `KEY_PUBLISHED_SECONDS` before it signs, so that whoever keeps the set of public keys
//!    knows it by then. In an emergency it signs at once.
//! 2. A key that was revoked verifies nothing from then on. If it signed, the one that is published signs at once, or a
//!    new one that is made for it.
//! 3. Each step is whole by itself, and in such an order that a crash between any two leaves a folder that is good: the
//!    successor stands before the key is listed as revoked, and the list before its file goes. A command that was cut
//!    off is given again.
//! 4. Two commands at once come one after the other. A server on the folder notices within `KEYS_LOOK_MS_MAX`.

use std::path::Path;

use super::error::Error;
use super::key_folder::{self, Folder, Lock, RevokedKey};
use super::keys::{Key, KeyState, Keys, PublicKey};
use crate::base::limits::{KEY_PUBLISHED_SECONDS, KEYS_MAX};

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStart {
    /// When everyone had the time to learn of it.
    Published,
    /// At once: tokens that it signed are refused by who keeps an older set of keys.
    AtOnce,
}

/// A key of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its public half.
    pub public: PublicKey,
    /// Where it stands.
    pub state: KeyState,
    /// The Unix second from which it signs, if it was published before.
    pub signs_from_s: Option<i64>,
}

/// The keys of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKeys {
    /// Those that stand, oldest first.
    pub keys: Vec<ListedKey>,
    /// Those that were revoked last, oldest first.
    pub revoked: Vec<RevokedKey>,
}

/// The keys of a folder at a time, Unix milliseconds.
///
/// # Errors
/// `KeyFile` if the folder cannot be read, `Provider`.
pub fn list_keys(dir: &Path, now_ms: i64) -> Result<ListedKeys, Error> {
    let folder = key_folder::read(dir)?;
    let revoked = folder.revoked.clone();
    Ok(ListedKeys {
        keys: Keys::of_folder(dir, folder)?.listed(second(now_ms)),
        revoked,
    })
}

/// Makes the next key; at once, lets the next key sign if there is one. It is what is given back.
///
/// # Errors
/// `NextKeyStands` if there is a next key already and it is not to sign at once, `TooManyKeys`, `KeyFile`, `Random`.
pub fn rotate_keys(dir: &Path, start: KeyStart, now_ms: i64) -> Result<ListedKey, Error> {
    let lock = lock(dir)?;
    let now_s = second(now_ms);
    let keys = Keys::load(dir)?;
    let next = keys.states(now_s).find(|it| it.1 == KeyState::Next);
    let number = match (start, next) {
        (KeyStart::Published, Some(_)) => return Err(Error::NextKeyStands),
        (KeyStart::Published, None) => {
            let published = i64::try_from(KEY_PUBLISHED_SECONDS).unwrap_or(i64::MAX);
            add(dir, Some(now_s.saturating_add(published)), &lock)?
        }
        (KeyStart::AtOnce, next) => succeed(dir, next.map(|it| it.0), &lock)?,
    };
    listed(dir, number, now_s)
}

/// Ends a key, and gives back the one that signs in its place, if it signed.
///
/// # Errors
/// `NoSuchKey`, `TooManyKeys`, `KeyFile`, `Random`.
pub fn revoke_key(dir: &Path, kid: &str, now_ms: i64) -> Result<Option<ListedKey>, Error> {
    let lock = lock(dir)?;
    let now_s = second(now_ms);
    let folder = key_folder::read(dir)?;
    // A key that is listed and whose file is there still: the command was cut off, or the file came back.
    let mut revoked = folder.revoked.clone();
    let number = number_of(&folder, kid).ok_or_else(|| Error::NoSuchKey(kid.to_owned()))?;
    let successor = if revoked.iter().any(|it| it.kid == kid) {
        None
    } else {
        let keys = Keys::of_folder(dir, folder)?;
        let signs = keys.states(now_s).find(|it| it.1 == KeyState::Active);
        let next = keys.states(now_s).find(|it| it.1 == KeyState::Next);
        let signed = signs.is_some_and(|(key, _)| key.number == number);
        let successor = signed.then(|| succeed(dir, next.map(|it| it.0), &lock));
        let successor = successor.transpose()?;
        revoked.push(RevokedKey {
            kid: kid.to_owned(),
            revoked_at_s: now_s,
        });
        key_folder::write_revoked(dir, &revoked, &lock)?;
        successor
    };
    key_folder::remove_key(dir, number, &lock)?;
    let listed = |number| listed(dir, number, now_s);
    successor.map(listed).transpose()
}

/// Ends every refresh token: the key that makes their secrets is replaced.
///
/// # Errors
/// `KeyFile`, `Random`.
pub fn revoke_refresh_tokens(dir: &Path) -> Result<(), Error> {
    let lock = lock(dir)?;
    // Of a folder that is one.
    Keys::load(dir)?;
    key_folder::make_refresh(dir, &lock)
}

/// Waits its turn at a folder that is there.
fn lock(dir: &Path) -> Result<Lock, Error> {
    super::files::check_dir(dir)?;
    key_folder::lock(dir)
}

/// Has another key sign: the next one, or a new one.
fn succeed(dir: &Path, next: Option<&Key>, lock: &Lock) -> Result<u32, Error> {
    match next {
        Some(key) => key_folder::sign_at_once(dir, key.number, lock).map(|()| key.number),
        None => add(dir, None, lock),
    }
}

fn add(dir: &Path, signs_from_s: Option<i64>, lock: &Lock) -> Result<u32, Error> {
    let folder = key_folder::read(dir)?;
    if folder.keys.len() >= KEYS_MAX {
        return Err(Error::TooManyKeys { max: KEYS_MAX });
    }
    let last = folder.keys.last().map_or(0, |it| it.number);
    let number = last.checked_add(1).filter(|it| *it <= NUMBER_MAX);
    let number = number.ok_or(Error::TooManyKeys { max: KEYS_MAX })?;
    key_folder::make_key(dir, number, signs_from_s, lock)?;
    Ok(number)
}

/// The highest number that eight digits write.
const NUMBER_MAX: u32 = 99_999_999;

/// The number of the key with this id, revoked or not.
fn number_of(folder: &Folder, kid: &str) -> Option<u32> {
    let mut numbers = folder.keys.iter().filter_map(|it| {
        let key = Key::of(it.number, it.key.as_ref().ok()?);
        (key.public.kid == kid).then_some(it.number)
    });
    numbers.next()
}

fn listed(dir: &Path, number: u32, now_s: i64) -> Result<ListedKey, Error> {
    let keys = Keys::load(dir)?;
    let mut states = keys.states(now_s);
    let found = states.find(|(key, _)| key.number == number);
    let (key, state) = found.ok_or(Error::KeysUnread)?;
    Ok(ListedKey::of(key, state))
}

impl ListedKey {
    fn of(key: &Key, state: KeyState) -> Self {
        Self {
            public: key.public.clone(),
            state,
            signs_from_s: key.signs_from_s,
        }
    }
}

impl Keys {
    /// The keys, oldest first, and where each stands at this Unix second.
    fn listed(&self, now_s: i64) -> Vec<ListedKey> {
        let states = self.states(now_s);
        states
            .map(|(key, state)| ListedKey::of(key, state))
            .collect()
    }
}

const fn second(now_ms: i64) -> i64 {
    now_ms.div_euclid(1_000)
}
