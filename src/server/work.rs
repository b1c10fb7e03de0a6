//! Where a request leaves the async world: the one crossing.
//!
//! The calls of `db` block. A point read takes about ten microseconds, as long as handing it to another thread and
//! back; so short work runs where it is, and the runtime has threads to spare for that: `HERE_MAX` of them may
//! be working, and the rest keep sockets served. Work past that, and all work that waits for the disk, goes to the
//! blocking pool. How many requests work at one time is bounded; more wait their turn, within a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::problem::Refusal;
use crate::base::limits::{CONCURRENT_REQUESTS_MAX, REQUEST_WAIT_SECONDS_MAX};

/// Threads of the runtime that no work may take.
const SPARE_THREADS: usize = 2;

/// How long a piece of work takes, as far as one can tell beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// As a rule shorter than a change of threads.
    Short,
    /// It waits for the disk.
    Long,
}

/// Takes turns at the database.
#[derive(Debug)]
pub(super) struct Work {
    turns: Arc<Semaphore>,
    here: Semaphore,
}

/// How many threads the runtime has.
pub(super) fn threads() -> usize {
    here_max().saturating_add(SPARE_THREADS)
}

fn here_max() -> usize {
    available_parallelism().map_or(2, NonZeroUsize::get)
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(CONCURRENT_REQUESTS_MAX)),
            here: Semaphore::new(here_max()),
        }
    }

    /// Runs `work` when its turn comes.
    ///
    /// A client that goes away does not end the work; its turn lasts until the work is done.
    ///
    /// # Errors
    /// `Busy` if the turn does not come in time, `Broken` if the work panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = timeout(
            Duration::from_secs(REQUEST_WAIT_SECONDS_MAX),
            Arc::clone(&self.turns).acquire_owned(),
        );
        let Ok(Ok(turn)) = turn.await else {
            return Err(Refusal::Busy);
        };
        if length == Length::Short
            && let Ok(_here) = self.here.try_acquire()
        {
            // A panic ends this request alone: a layer around the routes catches it.
            let done = work();
            drop(turn);
            return Ok(done);
        }
        spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(|_| Refusal::Broken)
    }

    /// Waits until nothing is being worked on, and lets nothing begin.
    pub(super) async fn finish(&self) {
        let all = u32::try_from(CONCURRENT_REQUESTS_MAX).unwrap_or(u32::MAX);
        if let Ok(turns) = self.turns.acquire_many(all).await {
            turns.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_elsewhere_is_a_refusal_and_gives_its_turn_back() {
        let work = Work::new();
        for _ in 0..=CONCURRENT_REQUESTS_MAX {
            let ran: Result<(), Refusal> = work.run(Length::Long, || panic!("on purpose")).await;
            assert!(matches!(ran, Err(Refusal::Broken)));
        }
        assert_eq!(work.run(Length::Short, || 7).await.ok(), Some(7));
    }
}
