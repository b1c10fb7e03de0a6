//! Where time comes from.
//!
//! 1. Wall time is Unix milliseconds; it stamps blocks and tokens.
//! 2. Elapsed time is monotonic; it bounds work (deadlines, leases) and decides nothing.
//! 3. Nothing else in the crate reads a clock, so that a test can drive every one of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of wall time and of elapsed time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, Unix milliseconds.
    fn now_ms(&self) -> i64;

    /// Time since some fixed moment; never runs backwards.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose elapsed time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now_ms(&self) -> i64 {
        // A machine set before 1970 reads as 1970.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            })
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicI64,
    started_ms: i64,
}

impl ManualClock {
    /// A clock that stands at `now_ms`, Unix milliseconds.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: AtomicI64::new(now_ms),
            started_ms: now_ms,
        }
    }

    /// Moves wall time and elapsed time forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets wall time, also backwards.
    pub fn set_ms(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        let since = self.now_ms().saturating_sub(self.started_ms);
        Duration::from_millis(u64::try_from(since).unwrap_or(0))
    }
}

/// A moment after which a request's work is given up.
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: Arc<dyn Clock>,
    at: Duration,
}

impl Deadline {
    /// A deadline `after` from now on `clock`.
    pub fn after(clock: &Arc<dyn Clock>, after: Duration) -> Self {
        Self {
            clock: Arc::clone(clock),
            at: clock.elapsed().saturating_add(after),
        }
    }

    /// Whether the moment is past.
    pub fn is_past(&self) -> bool {
        self.clock.elapsed() > self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_past_only_after_its_moment() {
        let manual = Arc::new(ManualClock::at(1_000));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as Arc<dyn Clock>;
        let deadline = Deadline::after(&clock, Duration::from_millis(5));
        manual.advance(Duration::from_millis(5));
        assert!(!deadline.is_past());
        manual.advance(Duration::from_millis(1));
        assert!(deadline.is_past());
    }

    #[test]
    fn the_system_clock_stands_after_2020() {
        assert!(SystemClock::new().now_ms() > 1_577_836_800_000);
    }
}
