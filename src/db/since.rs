//! The time between a past basis and a snapshot.

use crate::model::{self, Facts, SubjectId, T};
use crate::policy::History;
use crate::store::Snapshot;

/// The time between a past basis and now.
pub(super) struct Since<'a> {
    pub(super) snapshot: &'a Snapshot,
}

impl History for Since<'_> {
    fn now(&self) -> &dyn Facts {
        self.snapshot
    }

    fn before_it_went(&self, s: SubjectId) -> Result<Option<Box<dyn Facts + '_>>, model::Error> {
        let went = self.snapshot.went(s)?;
        Ok(went.map(|t| Box::new(self.snapshot.past(T(t.0.saturating_sub(1)))) as Box<dyn Facts>))
    }
}
