//! `solon keys list`, `rotate` and `revoke`: the keys that sign tokens, changed in the folder, server running or not.

use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::arguments::{ListKeysArguments, RevokeKeyArguments, RotateKeysArguments};
use super::error::Error;
use crate::base::limits::KEYS_LOOK_MS_MAX;
use crate::base::{Clock as _, SystemClock};
use crate::db;
use crate::token::{
    KeyStart, KeyState, ListedKey, list_keys, revoke_key, revoke_refresh_tokens, rotate_keys,
};
use crate::wire::{KeyRevoked, SigningKey, SigningKeys};

/// What stands for the key of refresh tokens where a key is named; no key's id has this length.
const REFRESH: &str = "refresh";

/// Lists the keys and what was revoked.
pub(super) fn list(arguments: &ListKeysArguments) -> Result<(), Error> {
    let ListKeysArguments { folder, json } = arguments;
    let listed = list_keys(&folder.data.join("keys"), now_ms()).map_err(db::Error::from)?;
    if *json {
        return print_json(&SigningKeys::from(listed));
    }
    let mut out = io::stdout().lock();
    for key in &listed.keys {
        writeln!(out, "{}", line(key))?;
    }
    for key in &listed.revoked {
        writeln!(out, "{} revoked at {}", key.kid, key.revoked_at_s)?;
    }
    out.flush()?;
    Ok(())
}

/// Makes the next key, or has another sign at once.
pub(super) fn rotate(arguments: &RotateKeysArguments) -> Result<(), Error> {
    let RotateKeysArguments { folder, now, json } = arguments;
    let start = if *now {
        KeyStart::AtOnce
    } else {
        KeyStart::Published
    };
    let key = rotate_keys(&folder.data.join("keys"), start, now_ms()).map_err(db::Error::from)?;
    if *now {
        wait_for_a_server();
    }
    if *json {
        return print_json(&SigningKey::from(key));
    }
    print(&line(&key))
}

/// Ends a key, or every refresh token.
pub(super) fn revoke(arguments: &RevokeKeyArguments) -> Result<(), Error> {
    let RevokeKeyArguments { key, folder, json } = arguments;
    let signs = revoke_in(&folder.data.join("keys"), key)?;
    wait_for_a_server();
    if *json {
        let signs = signs.map(SigningKey::from);
        let revoked = key.clone();
        return print_json(&KeyRevoked { revoked, signs });
    }
    print(&format!("{key} revoked"))?;
    signs.map_or(Ok(()), |key| print(&line(&key)))
}

fn revoke_in(dir: &Path, key: &str) -> Result<Option<ListedKey>, db::Error> {
    if key == REFRESH {
        revoke_refresh_tokens(dir)?;
        return Ok(None);
    }
    Ok(revoke_key(dir, key, now_ms())?)
}

/// What is told is true of a server on the folder too: it has looked by then.
fn wait_for_a_server() {
    thread::sleep(Duration::from_millis(KEYS_LOOK_MS_MAX));
}

fn line(key: &ListedKey) -> String {
    let kid = &key.public.kid;
    match (key.state, key.signs_from_s) {
        (KeyState::Next, Some(from)) => format!("{kid} next, signs from {from}"),
        (KeyState::Next, None) => format!("{kid} next"),
        (KeyState::Active, _) => format!("{kid} active"),
        (KeyState::Retiring, _) => format!("{kid} retiring"),
    }
}

fn print(line: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn print_json(shape: &impl Serialize) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, shape).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

fn now_ms() -> i64 {
    SystemClock::new().now_ms()
}
