//! When tokens that have records were last used, and from where.
//!
//! 1. Every use is noted in memory. What is new is written beside the ledger with the next commit, once a minute at the
//!    most, and when the database closes: no block tells of it, and nobody waits for it.
//! 2. What is lost when the power goes is what came since the last commit.
//! 3. Memory is bounded: what was written goes first, and what finds no room then is not told.
//!
//! Shape of a mark: name `use/` and the `_token/id`; value the instant, 8 bytes, and the address, 0, 4 or 16.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::Error;
use crate::base::limits::{TOKEN_USES_MAX, TOKEN_USES_SECONDS};
use crate::store::Snapshot;

/// When a token was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// Unix milliseconds.
    pub(super) at_ms: i64,
    /// From where, if that is not this process.
    pub(super) address: Option<IpAddr>,
}

/// The uses that are kept in memory.
#[derive(Debug, Default)]
pub(super) struct Uses {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    uses: BTreeMap<String, Noted>,
    /// How many are not written.
    unwritten: usize,
    /// When they were written last, by the clock that only goes forward.
    written_at: Option<Duration>,
}

#[derive(Debug)]
struct Noted {
    last: Use,
    is_written: bool,
}

/// What is to be written: marks, by name.
pub(super) type Marks = Vec<(Vec<u8>, Vec<u8>)>;

impl Uses {
    /// Notes that a token was used.
    pub(super) fn note(&self, id: &str, last: Use) {
        let mut kept = self.kept();
        let Kept {
            uses, unwritten, ..
        } = &mut *kept;
        if let Some(noted) = uses.get_mut(id) {
            if noted.is_written {
                noted.is_written = false;
                *unwritten = unwritten.saturating_add(1);
            }
            noted.last = last;
            return;
        }
        if uses.len() >= TOKEN_USES_MAX {
            uses.retain(|_, noted| !noted.is_written);
        }
        if uses.len() < TOKEN_USES_MAX {
            let noted = Noted {
                last,
                is_written: false,
            };
            uses.insert(id.to_owned(), noted);
            *unwritten = unwritten.saturating_add(1);
        }
    }

    /// What a commit is to write with it: nothing, within a minute of the last time.
    pub(super) fn due(&self, elapsed: Duration) -> Marks {
        let mut kept = self.kept();
        let pause = Duration::from_secs(TOKEN_USES_SECONDS);
        let is_due = kept
            .written_at
            .is_none_or(|at| elapsed.saturating_sub(at) >= pause);
        if !is_due || kept.unwritten == 0 {
            return Marks::new();
        }
        kept.written_at = Some(elapsed);
        kept.take()
    }

    /// All that is not written.
    pub(super) fn rest(&self) -> Marks {
        self.kept().take()
    }

    /// When a token was last used, as far as memory and a snapshot tell.
    pub(super) fn last(&self, id: &str, snapshot: &Snapshot) -> Result<Option<Use>, Error> {
        if let Some(noted) = self.kept().uses.get(id) {
            return Ok(Some(noted.last));
        }
        Ok(snapshot.mark(&name(id))?.and_then(|value| read(&value)))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self) -> Marks {
        self.unwritten = 0;
        let mut marks = Marks::new();
        for (id, noted) in self.uses.iter_mut().filter(|(_, it)| !it.is_written) {
            noted.is_written = true;
            marks.push((name(id), written(noted.last)));
        }
        marks
    }
}

/// The name of a token's mark.
pub(super) fn name(id: &str) -> Vec<u8> {
    let mut name = b"use/".to_vec();
    name.extend_from_slice(id.as_bytes());
    name
}

fn written(last: Use) -> Vec<u8> {
    let mut value = last.at_ms.to_be_bytes().to_vec();
    match last.address {
        None => {}
        Some(IpAddr::V4(it)) => value.extend_from_slice(&it.octets()),
        Some(IpAddr::V6(it)) => value.extend_from_slice(&it.octets()),
    }
    value
}

/// What a mark says; nothing, if it is none of ours.
fn read(value: &[u8]) -> Option<Use> {
    let (at, address) = value.split_first_chunk::<8>()?;
    let address = match address.len() {
        0 => None,
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(address).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(address).ok()?)),
        _ => return None,
    };
    Some(Use {
        at_ms: i64::from_be_bytes(*at),
        address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ms: i64) -> Use {
        Use {
            at_ms,
            address: None,
        }
    }

    #[test]
    fn a_mark_says_what_was_noted() {
        for address in [None, Some("192.0.2.7"), Some("2001:db8::1")] {
            let noted = Use {
                at_ms: -5,
                address: address.map(|it| it.parse().unwrap()),
            };
            assert_eq!(read(&written(noted)), Some(noted));
        }
        for broken in [&b""[..], b"1234567", b"123456789"] {
            assert_eq!(read(broken), None);
        }
    }

    #[test]
    fn what_is_new_is_due_once_a_minute_and_at_the_end() {
        let uses = Uses::default();
        let s = Duration::from_secs;
        assert!(uses.due(s(0)).is_empty(), "nothing was noted");
        uses.note("a", at(1));
        uses.note("a", at(2));
        assert_eq!(uses.due(s(0)), [(b"use/a".to_vec(), written(at(2)))]);
        uses.note("a", at(3));
        assert!(uses.due(s(59)).is_empty());
        assert_eq!(uses.due(s(60)), [(b"use/a".to_vec(), written(at(3)))]);
        assert!(uses.due(s(600)).is_empty(), "it was written");
        uses.note("b", at(4));
        assert_eq!(uses.rest(), [(b"use/b".to_vec(), written(at(4)))]);
        assert!(uses.rest().is_empty());
    }

    #[test]
    fn memory_is_bounded_and_what_was_written_makes_room() {
        let uses = Uses::default();
        for n in 0..TOKEN_USES_MAX {
            uses.note(&n.to_string(), at(1));
        }
        uses.note("more", at(1));
        assert_eq!(uses.kept().uses.len(), TOKEN_USES_MAX);
        assert!(!uses.kept().uses.contains_key("more"));
        assert_eq!(uses.rest().len(), TOKEN_USES_MAX);
        uses.note("more", at(1));
        assert_eq!(uses.kept().uses.len(), 1);
    }
}
