//! Who may try a password, and when: failures are counted by name and source, in memory.
//!
//! 1. Five failures of one name from one source lock that source out of the name for two minutes. So a client with
//!    an old password locks out itself, and nobody else who uses the same account.
//! 2. Twenty failures of one name, whatever their source, slow it down: one try every ten seconds, whoever asks. A
//!    source from which the name signed in lately is exempt, so that nobody is kept out from afar.
//! 3. A hundred failures from one source, whatever the names, slow that source down: one try a second, but of names that
//!    signed in from there lately. Who tries one password on every name locks none of them out. A program that does not
//!    say where its users are is no source.
//! 4. A name is what was sent, by its hash: whether there is such a user changes nothing here.
//! 5. A try is counted before its password is checked, so that many at one time are no more than five.
//! 6. Memory is bounded. What is forgotten first is neither locked nor trusted, the oldest first; so nobody ends a
//!    lock-out by making others.
//!
//! It reads no clock: whoever asks says what time it is. A restart forgets all of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::source::Source;
use crate::base::limits::{
    LOCKOUT_FAILURES_MAX, LOCKOUT_SECONDS, LOCKOUTS_MAX, SIGN_IN_FAILURE_SECONDS_MAX,
    SIGN_IN_TRUST_SECONDS_MAX, SLOW_DOWN_FAILURES_MAX, SLOW_DOWN_SECONDS, SOURCE_FAILURES_MAX,
    SOURCE_SLOW_DOWN_SECONDS,
};

const LOCK: Duration = Duration::from_secs(LOCKOUT_SECONDS);
const REMEMBERED: Duration = Duration::from_secs(SIGN_IN_FAILURE_SECONDS_MAX);
const TRUSTED: Duration = Duration::from_secs(SIGN_IN_TRUST_SECONDS_MAX);

/// A name in a database, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tried([u8; 32]);

impl Tried {
    /// All names together: the hash of none that anybody could find.
    const ANY: Self = Self([0; 32]);

    /// The name, spelled so that no two are alike, of a database.
    pub(super) fn new(database: &str, name: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(database.as_bytes());
        hasher.update([0]);
        hasher.update(name.as_bytes());
        Self(hasher.finalize().into())
    }
}

/// What failures are counted under.
type Key = (Tried, Place);

/// When what is counted under a key is slowed down, and to what.
struct SlowDown {
    failures_max: usize,
    pause: Duration,
}

impl SlowDown {
    const OF_NAME: Self = Self {
        failures_max: SLOW_DOWN_FAILURES_MAX,
        pause: Duration::from_secs(SLOW_DOWN_SECONDS),
    };
    const OF_SOURCE: Self = Self {
        failures_max: SOURCE_FAILURES_MAX,
        pause: Duration::from_secs(SOURCE_SLOW_DOWN_SECONDS),
    };

    /// That of a name from all places, or of a place and all names.
    fn of(key: Key) -> Option<Self> {
        match key {
            (_, Place::All) => Some(Self::OF_NAME),
            (Tried::ANY, _) => Some(Self::OF_SOURCE),
            _ => None,
        }
    }
}

/// From where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Wherever.
    All,
    /// This process.
    Here,
    V4(u32),
    /// A network of IPv6: who has one address of it has all.
    V6(u64),
}

impl From<Source> for Place {
    fn from(source: Source) -> Self {
        match source.address {
            None => Self::Here,
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX))
            }
        }
    }
}

/// What is known of a name from one place, or from all.
#[derive(Debug, Default)]
struct Tries {
    /// When it failed, oldest first.
    failures: VecDeque<Duration>,
    /// Tries that are not decided yet.
    open: usize,
    locked_until: Option<Duration>,
    succeeded: Option<Duration>,
    /// When it was last tried.
    last: Duration,
}

/// Whether a failure locked its source out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It may try again.
    Counted,
    /// It may not, for a while.
    LockedOut,
}

/// All that is known of failures.
#[derive(Debug)]
pub(super) struct Lockouts {
    tries: BTreeMap<Key, Tries>,
    entries_max: usize,
}

impl Default for Lockouts {
    fn default() -> Self {
        Self {
            tries: BTreeMap::new(),
            entries_max: LOCKOUTS_MAX,
        }
    }
}

impl Lockouts {
    /// For how long a source may not try a name; none if it may.
    pub(super) fn locked(&self, tried: Tried, source: Source, now: Duration) -> Option<Duration> {
        let own = self.tries.get(&(tried, source.into()));
        if let Some(left) = own.and_then(|tries| tries.lock_left(now)) {
            return Some(left);
        }
        if own.is_some_and(|tries| tries.is_trusted(now)) {
            return None;
        }
        let pauses = slowed(tried, source).filter_map(|key| {
            let slow_down = SlowDown::of(key)?;
            self.tries.get(&key)?.pause_left(&slow_down, now)
        });
        pauses.max()
    }

    /// Whether anyone is locked out of a name, or it is slowed down.
    pub(super) fn holds(&self, tried: Tried, now: Duration) -> bool {
        self.tries
            .range((tried, Place::All)..=(tried, Place::V6(u64::MAX)))
            .any(|((_, place), tries)| {
                tries.lock_left(now).is_some()
                    || (*place == Place::All && tries.is_slow(SLOW_DOWN_FAILURES_MAX, now))
            })
    }

    /// Counts a try that begins.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn begin(
        &mut self,
        tried: Tried,
        source: Source,
        now: Duration,
    ) -> Result<(), Duration> {
        if let Some(left) = self.locked(tried, source, now) {
            return Err(left);
        }
        let own = (tried, Place::from(source));
        let mut is_trusted = false;
        if let Some(tries) = self.tries.get_mut(&own) {
            tries.forget_before(now);
            if tries.failures.len().saturating_add(tries.open) >= LOCKOUT_FAILURES_MAX {
                return Err(Duration::from_secs(1));
            }
            is_trusted = tries.is_trusted(now);
        }
        for key in slowed(tried, source).chain([own]) {
            let tries = self.entry(key, now);
            tries.open = tries.open.saturating_add(1);
            // A trusted source's tries do not take the turns of others.
            if !is_trusted || key == own {
                tries.last = now;
            }
        }
        Ok(())
    }

    /// Ends a try that failed.
    pub(super) fn fail(&mut self, tried: Tried, source: Source, now: Duration) -> Failed {
        let own = (tried, Place::from(source));
        for key in slowed(tried, source) {
            let Some(SlowDown { failures_max, .. }) = SlowDown::of(key) else {
                continue;
            };
            let tries = self.entry(key, now);
            tries.open = tries.open.saturating_sub(1);
            tries.failures.push_back(now);
            if tries.failures.len() > failures_max {
                tries.failures.pop_front();
            }
        }
        let tries = self.entry(own, now);
        tries.open = tries.open.saturating_sub(1);
        tries.forget_before(now);
        tries.failures.push_back(now);
        if tries.failures.len() < LOCKOUT_FAILURES_MAX {
            return Failed::Counted;
        }
        tries.failures.clear();
        tries.locked_until = Some(now.saturating_add(LOCK));
        Failed::LockedOut
    }

    /// Ends a try that was right: its source begins anew, and is trusted. What others failed at stays counted, for
    /// else each sign-in would give whoever guesses another twenty tries.
    pub(super) fn succeed(&mut self, tried: Tried, source: Source, now: Duration) {
        self.cancel(tried, source);
        let tries = self.entry((tried, Place::from(source)), now);
        tries.failures.clear();
        tries.succeeded = Some(now);
    }

    /// Ends a try of which nothing is known.
    pub(super) fn cancel(&mut self, tried: Tried, source: Source) {
        for key in slowed(tried, source).chain([(tried, source.into())]) {
            if let Some(tries) = self.tries.get_mut(&key) {
                tries.open = tries.open.saturating_sub(1);
            }
        }
    }

    /// Forgets every failure of a name.
    pub(super) fn unlock(&mut self, tried: Tried) {
        let range = (tried, Place::All)..=(tried, Place::V6(u64::MAX));
        for (_, tries) in self.tries.range_mut(range) {
            tries.failures.clear();
            tries.locked_until = None;
        }
    }

    fn entry(&mut self, key: Key, now: Duration) -> &mut Tries {
        if !self.tries.contains_key(&key) {
            self.make_room(now);
        }
        self.tries.entry(key).or_insert_with(|| Tries {
            last: now,
            ..Tries::default()
        })
    }

    /// Each new entry costs its maker a check of a password, so that looking at all of them is little beside it.
    fn make_room(&mut self, now: Duration) {
        if self.tries.len() < self.entries_max {
            return;
        }
        self.tries
            .retain(|key, tries| tries.worth(*key, now) > Worth::Nothing);
        while self.tries.len() >= self.entries_max {
            let least = self
                .tries
                .iter()
                .min_by_key(|(key, tries)| (tries.worth(**key, now), tries.last))
                .map(|(key, _)| *key);
            match least {
                Some(key) => drop(self.tries.remove(&key)),
                None => return,
            }
        }
    }
}

/// What slows down a try beside its own failures: those of the name, and those of the source.
fn slowed(tried: Tried, source: Source) -> impl Iterator<Item = Key> {
    let place = Place::from(source);
    let of_source = (place != Place::Here).then_some((Tried::ANY, place));
    [(tried, Place::All)].into_iter().chain(of_source)
}

/// What is forgotten first, when there is no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Nothing,
    Failures,
    Trust,
    Held,
}

impl Tries {
    fn lock_left(&self, now: Duration) -> Option<Duration> {
        let left = self.locked_until?.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    fn is_trusted(&self, now: Duration) -> bool {
        self.succeeded
            .is_some_and(|at| now.saturating_sub(at) < TRUSTED)
    }

    /// Whether there were so many failures lately.
    fn is_slow(&self, failures_max: usize, now: Duration) -> bool {
        let recent = |at: &&Duration| now.saturating_sub(**at) < REMEMBERED;
        self.failures.iter().filter(recent).count() >= failures_max
    }

    /// How long the next try has to wait for the last.
    fn pause_left(&self, slow_down: &SlowDown, now: Duration) -> Option<Duration> {
        let left = self
            .last
            .saturating_add(slow_down.pause)
            .saturating_sub(now);
        (!left.is_zero() && self.is_slow(slow_down.failures_max, now)).then_some(left)
    }

    fn forget_before(&mut self, now: Duration) {
        self.failures
            .retain(|at| now.saturating_sub(*at) < REMEMBERED);
    }

    fn worth(&self, key: Key, now: Duration) -> Worth {
        let recent = |at: &Duration| now.saturating_sub(*at) < REMEMBERED;
        let slow_down = SlowDown::of(key);
        let is_slow = slow_down.is_some_and(|it| self.is_slow(it.failures_max, now));
        if self.open > 0 || is_slow || self.lock_left(now).is_some() {
            Worth::Held
        } else if self.is_trusted(now) {
            Worth::Trust
        } else if self.failures.iter().any(recent) {
            Worth::Failures
        } else {
            Worth::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::from(address.parse::<IpAddr>().unwrap())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(lockouts: &mut Lockouts, name: Tried, from: Source, seconds: u64) -> Failed {
        lockouts.begin(name, from, at(seconds)).unwrap();
        lockouts.fail(name, from, at(seconds))
    }

    #[test]
    fn the_fifth_failure_locks_its_source_out_for_two_minutes_and_no_other() {
        let mut lockouts = Lockouts::default();
        let (bob, here, there) = (
            Tried::new("a/b", "bob"),
            source("10.0.0.1"),
            source("10.0.0.2"),
        );
        for second in 0..4 {
            assert_eq!(fail(&mut lockouts, bob, here, second), Failed::Counted);
        }
        assert_eq!(fail(&mut lockouts, bob, here, 4), Failed::LockedOut);
        assert_eq!(lockouts.begin(bob, here, at(5)), Err(at(119)));
        assert_eq!(lockouts.locked(bob, here, at(123)), Some(at(1)));
        assert!(lockouts.holds(bob, at(5)));
        assert_eq!(lockouts.begin(bob, there, at(5)), Ok(()));
        assert_eq!(
            lockouts.begin(Tried::new("a/b", "ann"), here, at(5)),
            Ok(())
        );
        assert_eq!(
            lockouts.begin(Tried::new("a/c", "bob"), here, at(5)),
            Ok(())
        );
        assert_eq!(lockouts.begin(bob, here, at(124)), Ok(()));
        assert!(!lockouts.holds(bob, at(124)));
    }

    #[test]
    fn a_success_clears_and_old_failures_are_forgotten() {
        let mut lockouts = Lockouts::default();
        let (bob, here) = (Tried::new("a/b", "bob"), source("10.0.0.1"));
        for _ in 0..3 {
            for second in 0..4 {
                assert_eq!(fail(&mut lockouts, bob, here, second), Failed::Counted);
            }
            lockouts.begin(bob, here, at(4)).unwrap();
            lockouts.succeed(bob, here, at(4));
        }
        for second in 0..4 {
            assert_eq!(fail(&mut lockouts, bob, here, second), Failed::Counted);
        }
        let later = 4 + SIGN_IN_FAILURE_SECONDS_MAX;
        assert_eq!(fail(&mut lockouts, bob, here, later), Failed::Counted);
    }

    #[test]
    fn many_tries_at_one_time_are_no_more_than_five() {
        let mut lockouts = Lockouts::default();
        let (bob, here) = (Tried::new("a/b", "bob"), source("10.0.0.1"));
        for _ in 0..LOCKOUT_FAILURES_MAX {
            lockouts.begin(bob, here, at(0)).unwrap();
        }
        assert_eq!(lockouts.begin(bob, here, at(0)), Err(at(1)));
        lockouts.cancel(bob, here);
        lockouts.begin(bob, here, at(0)).unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut lockouts = Lockouts::default();
        let bob = Tried::new("a/b", "bob");
        for host in 1..=5 {
            fail(&mut lockouts, bob, source(&format!("2001:db8::{host}")), 0);
        }
        assert!(lockouts.begin(bob, source("2001:db8::9"), at(1)).is_err());
        assert!(
            lockouts
                .begin(bob, source("2001:db8:0:1::9"), at(1))
                .is_ok()
        );
        assert!(lockouts.begin(bob, source("10.0.0.1"), at(1)).is_ok());
    }

    #[test]
    fn failures_from_many_places_slow_a_name_down_for_all_but_who_signed_in_lately() {
        let mut lockouts = Lockouts::default();
        let (bob, home) = (Tried::new("a/b", "bob"), source("10.9.9.9"));
        lockouts.begin(bob, home, at(0)).unwrap();
        lockouts.succeed(bob, home, at(0));
        for place in 1..=SLOW_DOWN_FAILURES_MAX {
            let from = source(&format!("10.0.0.{place}"));
            assert_eq!(fail(&mut lockouts, bob, from, 1), Failed::Counted);
        }
        let new = source("10.8.8.8");
        assert_eq!(lockouts.begin(bob, new, at(2)), Err(at(9)));
        for _ in 0..3 {
            lockouts.begin(bob, home, at(2)).unwrap();
            lockouts.succeed(bob, home, at(2));
        }
        assert_eq!(lockouts.begin(bob, new, at(10)), Err(at(1)));
        assert_eq!(lockouts.begin(bob, new, at(11)), Ok(()));
        assert_eq!(lockouts.begin(bob, source("10.8.8.9"), at(11)), Err(at(10)));
        assert!(lockouts.holds(bob, at(11)));
        lockouts.unlock(bob);
        assert!(!lockouts.holds(bob, at(11)));
        assert_eq!(lockouts.begin(bob, source("10.8.8.9"), at(11)), Ok(()));
        // What is long ago slows nobody down.
        for place in 1..=SLOW_DOWN_FAILURES_MAX {
            let from = source(&format!("10.0.1.{place}"));
            fail(
                &mut lockouts,
                bob,
                from,
                20 + 10 * u64::try_from(place).unwrap(),
            );
        }
        let later = at(300 + SIGN_IN_FAILURE_SECONDS_MAX);
        assert!(!lockouts.holds(bob, later));
    }

    #[test]
    fn one_password_tried_on_many_names_slows_its_source_down_and_no_other() {
        let mut lockouts = Lockouts::default();
        let name = |number: usize| Tried::new("a/b", &number.to_string());
        let (here, there) = (source("10.0.0.1"), source("10.0.0.2"));
        let known = name(usize::MAX);
        lockouts.begin(known, here, at(0)).unwrap();
        lockouts.succeed(known, here, at(0));
        for number in 0..SOURCE_FAILURES_MAX {
            assert_eq!(lockouts.locked(name(number), here, at(0)), None);
            assert_eq!(fail(&mut lockouts, name(number), here, 0), Failed::Counted);
        }
        let next = name(SOURCE_FAILURES_MAX);
        assert_eq!(lockouts.locked(next, here, at(0)), Some(at(1)));
        assert_eq!(lockouts.begin(next, here, at(0)), Err(at(1)));
        assert_eq!(lockouts.begin(next, there, at(0)), Ok(()));
        assert_eq!(lockouts.begin(next, Source::default(), at(0)), Ok(()));
        // Who signed in from there lately is not kept out, and takes nobody's turn.
        lockouts.begin(known, here, at(0)).unwrap();
        lockouts.succeed(known, here, at(0));
        assert_eq!(lockouts.begin(next, here, at(1)), Ok(()));
        assert_eq!(lockouts.begin(name(1), here, at(1)), Err(at(1)));
        let later = at(1 + SIGN_IN_FAILURE_SECONDS_MAX);
        assert_eq!(lockouts.begin(name(1), here, later), Ok(()));
        assert_eq!(lockouts.begin(name(2), here, later), Ok(()));
        // No place counts for all names of this process.
        for number in 0..2 * SOURCE_FAILURES_MAX {
            let unsaid = Source::default();
            assert_eq!(
                fail(&mut lockouts, name(number), unsaid, 0),
                Failed::Counted
            );
        }
    }

    #[test]
    fn a_flood_of_names_frees_nobody_who_is_locked_out() {
        let mut lockouts = Lockouts {
            entries_max: 10,
            ..Lockouts::default()
        };
        let (bob, here) = (Tried::new("a/b", "bob"), source("10.0.0.1"));
        for second in 0..5 {
            fail(&mut lockouts, bob, here, second);
        }
        let (ann, home) = (Tried::new("a/b", "ann"), source("10.0.0.2"));
        lockouts.begin(ann, home, at(5)).unwrap();
        lockouts.succeed(ann, home, at(5));
        for number in 0..200 {
            let name = Tried::new("a/b", &format!("nobody {number}"));
            fail(&mut lockouts, name, here, 6);
            assert!(lockouts.tries.len() <= 10);
        }
        assert!(lockouts.locked(bob, here, at(7)).is_some());
        assert!(lockouts.tries.contains_key(&(ann, home.into())));
    }
}
