//! The tokens that were verified, by their exact bytes.
//!
//! 1. A hit needs every byte of the token to be equal, so it rests on no property of a hash. The hash is keyed
//!    (the map's own SipHash), which keeps a stranger from filling one bucket.
//! 2. Only successes stand here. An entry is good for one epoch of the keys and is never found in another.
//! 3. It holds no authority: time, audience and incarnation are checked again on every hit, by the caller.
//!
//! At most `VERIFIED_TOKENS_MAX` tokens stand here. One of ours has about 400 bytes and its entry about as many
//! again: about 60 MB when full. With the longest names a database can have, about 140 MB.
//!
//! Each shard has a young and an old generation. A full young one becomes the old one, whose entries are
//! forgotten but for those that were hit since: that is near to least-recently-used, at a constant price.
//! A token's shard is taken from its last bytes: they are of its signature, and only who holds the key chooses
//! what is kept.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::claims::Identity;
use crate::base::limits::VERIFIED_TOKENS_MAX;

const SHARDS: usize = 16;

/// Tokens of one generation of one shard.
const GENERATION_MAX: usize = VERIFIED_TOKENS_MAX / SHARDS / 2;

const _: () = assert!(GENERATION_MAX > 0);

type Generation = HashMap<Box<str>, Entry>;

#[derive(Clone)]
struct Entry {
    epoch: u64,
    identity: Arc<Identity>,
}

#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
}

/// The tokens that were verified.
#[derive(Default)]
pub(super) struct Cache {
    shards: [RwLock<Shard>; SHARDS],
}

impl Cache {
    /// What this token proved in this epoch of the keys, if it is remembered.
    pub(super) fn find(&self, token: &str, epoch: u64) -> Option<Arc<Identity>> {
        let shard = self.shard(token)?;
        let entry = {
            let shard = read(shard);
            match shard.young.get(token) {
                Some(entry) if entry.epoch == epoch => return Some(Arc::clone(&entry.identity)),
                Some(_) => return None,
                None => shard.old.get(token).cloned()?,
            }
        };
        if entry.epoch != epoch {
            return None;
        }
        self.keep(token, epoch, Arc::clone(&entry.identity));
        Some(entry.identity)
    }

    /// Remembers what a token proved.
    pub(super) fn keep(&self, token: &str, epoch: u64, identity: Arc<Identity>) {
        let Some(shard) = self.shard(token) else {
            return;
        };
        let forgotten = {
            let mut shard = write(shard);
            shard.old.remove(token);
            shard.young.insert(token.into(), Entry { epoch, identity });
            if shard.young.len() < GENERATION_MAX {
                return;
            }
            let young = mem::take(&mut shard.young);
            mem::replace(&mut shard.old, young)
        };
        // Freed when the lock is no longer held.
        drop(forgotten);
    }

    /// Forgets every token.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let forgotten = mem::take(&mut *write(shard));
            drop(forgotten);
        }
    }

    /// How many tokens are remembered.
    pub(super) fn len(&self) -> usize {
        let count = |shard| {
            let shard = read(shard);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }

    fn shard(&self, token: &str) -> Option<&RwLock<Shard>> {
        let last = token.bytes().rev().take(8);
        let place = last.fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.shards.get(place % SHARDS)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish()
    }
}

/// A map is whole between any two statements here, so a panic elsewhere has not harmed it.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Incarnation;
    use crate::model::system::ROOT_AUTH;

    fn identity() -> Arc<Identity> {
        Arc::new(Identity {
            subject: ROOT_AUTH,
            audience: "local/default".to_owned(),
            incarnation: Incarnation([0; 16]),
            token_id: "a".to_owned(),
            issued_at_s: 0,
            expires_at_s: None,
            kid: "k".to_owned(),
        })
    }

    #[test]
    fn no_more_than_the_bound_is_ever_remembered_and_the_newest_is() {
        let cache = Cache::default();
        let identity = identity();
        for number in 0..3 * VERIFIED_TOKENS_MAX {
            let token = format!("{number:08}");
            cache.keep(&token, 0, Arc::clone(&identity));
            if number % 4_096 == 0 {
                assert!(cache.len() <= VERIFIED_TOKENS_MAX);
                assert!(cache.find(&token, 0).is_some());
            }
        }
        assert!(cache.len() <= VERIFIED_TOKENS_MAX);
        assert!(cache.find("00000000", 0).is_none());
    }

    #[test]
    fn what_is_hit_outlives_what_is_not() {
        let cache = Cache::default();
        let identity = identity();
        cache.keep("hit", 0, Arc::clone(&identity));
        cache.keep("not", 0, Arc::clone(&identity));
        for number in 0..2 * VERIFIED_TOKENS_MAX {
            cache.keep(&format!("{number:08}"), 0, Arc::clone(&identity));
            assert!(cache.find("hit", 0).is_some());
        }
        assert!(cache.find("not", 0).is_none());
    }

    #[test]
    fn an_entry_of_another_epoch_or_one_byte_off_is_not_found() {
        let cache = Cache::default();
        cache.keep("token", 1, identity());
        assert!(cache.find("token", 1).is_some());
        assert!(cache.find("token", 2).is_none());
        assert!(cache.find("tokem", 1).is_none());
        assert!(cache.find("token.", 1).is_none());
        cache.clear();
        assert!(cache.find("token", 1).is_none());
        assert_eq!(cache.len(), 0);
    }
}
