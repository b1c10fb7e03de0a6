//! Turns at work that takes a core and memory: so many at one time, so many that wait, and none for ever.
//!
//! A check of a password takes a core for some hundredths of a second, on purpose. Who floods the door with them is
//! to find that door slow, and no other.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use super::error::{Error, ErrorKind};
use crate::base::limits::{PASSWORD_WAIT_SECONDS_MAX, PASSWORD_WAITERS_MAX};

/// Turns at checking passwords.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    freed: Condvar,
    at_once_max: usize,
    waiting_max: usize,
    wait_max: Duration,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    waiting: usize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct TakenTurn<'t>(&'t Turns);

impl Default for Turns {
    /// All cores but one, and one at the least: what does not check a password has a core left.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            state: Mutex::default(),
            freed: Condvar::new(),
            at_once_max: cores.saturating_sub(1).max(1),
            waiting_max: PASSWORD_WAITERS_MAX,
            wait_max: Duration::from_secs(PASSWORD_WAIT_SECONDS_MAX),
        }
    }
}

impl Turns {
    /// Waits for a turn.
    ///
    /// # Errors
    /// `Unavailable` if too many wait, or none comes in time.
    pub(super) fn take(&self) -> Result<TakenTurn<'_>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.taken >= self.at_once_max {
            if state.waiting >= self.waiting_max {
                return Err(busy());
            }
            state.waiting = state.waiting.saturating_add(1);
            let is_full = |state: &mut State| state.taken >= self.at_once_max;
            let (after, waited) = self
                .freed
                .wait_timeout_while(state, self.wait_max, is_full)
                .unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.waiting = state.waiting.saturating_sub(1);
            if waited.timed_out() {
                return Err(busy());
            }
        }
        state.taken = state.taken.saturating_add(1);
        Ok(TakenTurn(self))
    }
}

impl Drop for TakenTurn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_sub(1);
        drop(state);
        self.0.freed.notify_one();
    }
}

fn busy() -> Error {
    let why = "too many passwords are being checked; try again";
    Error::new(ErrorKind::Unavailable, "db/busy", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(at_once_max: usize, waiting_max: usize, wait_max: Duration) -> Turns {
        Turns {
            at_once_max,
            waiting_max,
            wait_max,
            ..Turns::default()
        }
    }

    #[test]
    fn who_waits_too_long_or_behind_too_many_is_told_to_come_back() {
        let none = turns(2, 0, Duration::from_secs(60));
        let first = none.take().unwrap();
        let _second = none.take().unwrap();
        assert_eq!(none.take().unwrap_err().code(), "db/busy");
        drop(first);
        drop(none.take().unwrap());
        let short = turns(1, 1, Duration::from_millis(1));
        let _held = short.take().unwrap();
        assert_eq!(short.take().unwrap_err().code(), "db/busy");
        assert_eq!(short.state.lock().unwrap().waiting, 0);
    }

    #[test]
    fn a_turn_that_ends_is_the_next_ones() {
        let turns = turns(1, 8, Duration::from_secs(60));
        let most = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = turns.take().unwrap();
                    let taken = turns.state.lock().unwrap().taken;
                    most.fetch_max(taken, std::sync::atomic::Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert_eq!(turns.state.lock().unwrap().taken, 0);
    }
}
