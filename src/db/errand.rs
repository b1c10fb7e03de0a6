//! What the engine itself writes at its turn with the writer: records of tokens, passwords, the trail.
//!
//! An errand is judged on the state before it in the group, like a transaction, by the code that sends it. What it
//! makes stands in a block by its author, and its events in the trail, in the same disk transaction. It may refuse
//! and have something written all the same: a refresh token that is used twice ends its family and is refused.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::error::Error;
use super::event::Event;
use crate::base::Budget;
use crate::model::{Facts, Flake};
use crate::policy::Policy;

/// The state at which an errand has its turn.
pub(super) struct Ground<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) policy: &'a Arc<Policy>,
    /// Unix milliseconds; never before the newest block's.
    pub(super) now_ms: i64,
    pub(super) budget: &'a Budget,
}

/// What an errand makes.
pub(super) struct Made<T> {
    /// A block by the errand's author, if there are any. They are not judged again.
    pub(super) flakes: Vec<Flake>,
    /// Rows of the trail.
    pub(super) events: Vec<Event>,
    /// What its sender is told, once all that is durable.
    pub(super) answer: Result<T, Error>,
}

impl<T> Made<T> {
    /// An answer that leaves nothing behind but these events.
    pub(super) fn told(answer: Result<T, Error>, events: Vec<Event>) -> Self {
        Self {
            flakes: Vec::new(),
            events,
            answer,
        }
    }
}

/// What an errand leaves to the writer.
pub(super) struct Left {
    pub(super) flakes: Vec<Flake>,
    pub(super) events: Vec<Event>,
}

/// An errand that waits for its turn.
pub(super) struct Errand(Run);

type Run = Box<dyn FnOnce(&Ground<'_>) -> Result<Left, Error> + Send>;

impl Errand {
    /// An errand, and where its answer can be taken once the writer said that it is done.
    pub(super) fn new<T: Send + 'static>(
        run: impl FnOnce(&Ground<'_>) -> Result<Made<T>, Error> + Send + 'static,
    ) -> (Self, Receiver<Result<T, Error>>) {
        let (answer, answered) = sync_channel(1);
        let run: Run = Box::new(move |ground| {
            let Made {
                flakes,
                events,
                answer: told,
            } = run(ground)?;
            // There is room for one, and one is sent.
            drop(answer.send(told));
            Ok(Left { flakes, events })
        });
        (Self(run), answered)
    }

    pub(super) fn run(self, ground: &Ground<'_>) -> Result<Left, Error> {
        self.0(ground)
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}
