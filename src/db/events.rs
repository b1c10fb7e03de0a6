//! The events of the trail, for tests.

use std::ops::ControlFlow;

use super::database::Database;
use super::error::Error;
use super::event::Event;

impl Database {
    /// The newest events of the trail, newest first.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    #[doc(hidden)]
    pub fn newest_events(&self, most: usize) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        self.state().snapshot.trail(None, &mut |_, row| {
            if events.len() == most {
                return ControlFlow::Break(());
            }
            events.extend(serde_json::from_slice(row).ok());
            ControlFlow::Continue(())
        })?;
        Ok(events)
    }
}
