//! What a process keeps of those who sign in: what a password costs, whose turn it is, and who failed lately.
//!
//! Databases of one folder share it, so that all of them together check no more passwords than there are turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Error, ErrorKind, LimitKind};
use super::lockout::{Failed, Lockouts, Tried};
use super::source::Source;
use super::turns::{TakenTurn, Turns};
use crate::base::Clock;
use crate::token::{self, PasswordCheck, PasswordCost, check_password, hash_password};

/// What a process keeps of those who sign in.
#[derive(Debug)]
pub(super) struct People {
    clock: Arc<dyn Clock>,
    cost: PasswordCost,
    lockouts: Mutex<Lockouts>,
    turns: Turns,
    /// How many checks of a password were made.
    checks: AtomicU64,
}

/// A try that is counted and not decided. Dropped so, it counts as none.
#[derive(Debug)]
pub(super) struct Try<'p> {
    people: &'p People,
    tried: Tried,
    source: Source,
    is_open: bool,
}

impl People {
    pub(super) fn new(clock: Arc<dyn Clock>, cost: PasswordCost) -> Self {
        Self {
            clock,
            cost,
            lockouts: Mutex::default(),
            turns: Turns::default(),
            checks: AtomicU64::new(0),
        }
    }

    /// Waits for a turn to check or hash a password.
    ///
    /// # Errors
    /// `Unavailable` if none comes in time.
    pub(super) fn turn(&self) -> Result<TakenTurn<'_>, Error> {
        self.turns.take()
    }

    /// Refuses a source that is locked out, before it waits for a turn.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn admit(&self, tried: Tried, source: Source) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let left = self.lockouts().locked(tried, source, now);
        left.map_or(Ok(()), |left| Err(locked_out(left)))
    }

    /// Counts a try.
    ///
    /// # Errors
    /// `Limit` for whom no try is left now.
    pub(super) fn begin(&self, tried: Tried, source: Source) -> Result<Try<'_>, Error> {
        let now = self.clock.elapsed();
        self.lockouts()
            .begin(tried, source, now)
            .map_err(locked_out)?;
        Ok(Try {
            people: self,
            tried,
            source,
            is_open: true,
        })
    }

    /// Ends every lock-out of a name.
    pub(super) fn unlock(&self, tried: Tried) {
        self.lockouts().unlock(tried);
    }

    /// Whether anyone is locked out of a name.
    pub(super) fn is_locked_out(&self, tried: Tried) -> bool {
        let now = self.clock.elapsed();
        self.lockouts().holds(tried, now)
    }

    /// Checks a password by a record; without one, at the same price.
    ///
    /// A record that cannot be read is no record: its reason is nobody's to learn here.
    ///
    /// # Errors
    /// `Internal` if passwords cannot be hashed.
    pub(super) fn check(
        &self,
        _turn: &TakenTurn<'_>,
        password: &str,
        record: Option<&str>,
    ) -> Result<PasswordCheck, Error> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        match check_password(password, record, &self.cost) {
            Err(token::Error::PasswordRecord(_)) => Ok(PasswordCheck::No),
            checked => Ok(checked?),
        }
    }

    /// The record of a password.
    ///
    /// # Errors
    /// `Internal` if passwords cannot be hashed.
    pub(super) fn hash(&self, _turn: &TakenTurn<'_>, password: &str) -> Result<String, Error> {
        Ok(hash_password(password, &self.cost)?)
    }

    /// How many checks of a password were made.
    pub(super) fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn lockouts(&self) -> MutexGuard<'_, Lockouts> {
        // What is counted is whole at every moment.
        self.lockouts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try<'_> {
    /// The password was wrong.
    pub(super) fn failed(mut self) -> Failed {
        self.is_open = false;
        let now = self.people.clock.elapsed();
        self.people.lockouts().fail(self.tried, self.source, now)
    }

    /// The password was right.
    pub(super) fn succeeded(mut self) {
        self.is_open = false;
        let now = self.people.clock.elapsed();
        self.people.lockouts().succeed(self.tried, self.source, now);
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.people.lockouts().cancel(self.tried, self.source);
        }
    }
}

fn locked_out(left: Duration) -> Error {
    let whole = left.as_secs();
    let seconds = whole.saturating_add(u64::from(left.subsec_nanos() > 0));
    Error::new(
        ErrorKind::Limit(LimitKind::Rate),
        "db/locked-out",
        "too many sign-ins failed; try again later",
    )
    .with_retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    #[test]
    fn a_try_that_is_dropped_counts_as_none() {
        let clock = Arc::new(ManualClock::at(0));
        let people = People::new(clock, PasswordCost::default());
        let bob = Tried::new("a/b", "bob");
        for _ in 0..20 {
            drop(people.begin(bob, Source::default()).unwrap());
        }
        for _ in 0..4 {
            let tried = people.begin(bob, Source::default()).unwrap();
            assert_eq!(tried.failed(), Failed::Counted);
        }
        let tried = people.begin(bob, Source::default()).unwrap();
        assert_eq!(tried.failed(), Failed::LockedOut);
        let error = people.begin(bob, Source::default()).unwrap_err();
        assert_eq!(error.code(), "db/locked-out");
        assert_eq!(error.retry_after_seconds(), Some(120));
        assert!(people.admit(bob, Source::default()).is_err());
        people.unlock(bob);
        assert!(people.admit(bob, Source::default()).is_ok());
    }
}
