//! Who reads the audit trail, and whose refusals stand in it.
//!
//! Who has the op `logs` at `_log` reads every row; every other auth that may do anything reads the rows that are about
//! itself.

use super::audit::Pruned;
use super::error::Error;
use super::folder::Folder;
use super::session::Session;
use super::source::Source;
use super::state::budget;
use super::trail::{Logged, Sight, read};
use super::trail_query::LogQuery;
use crate::model::SubjectId;
use crate::model::system::collection;
use crate::policy::{Allowed, Op};

impl Session {
    /// Reads the audit trail: all of it with the op `logs`, else what is about the bearer.
    ///
    /// Shape: `{"limit"?, "before"?, "after"?, "status"?, "db"?}`; see [`LogQuery`]. Newest first.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `Invalid` for a body that is no query; `Limit` if too many rows
    /// have another status.
    pub fn logs(&self, body: &str) -> Result<Vec<Logged>, Error> {
        let database = self.database();
        database.settle_denials();
        let state = database.state();
        let clock = database.clock();
        let now_ms = clock.now_ms();
        let (facts, policy) = (&state.snapshot, &state.policy);
        self.author().admit(facts, policy, now_ms)?;
        let logs = policy.permissions(self.auth(), &Op::logs(), facts)?;
        if !logs.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let query = LogQuery::parse(body, self.name())?;
        let limit = budget(clock, logs.steps_max());
        let target = SubjectId::new(collection::LOG, 0)
            .ok_or_else(|| Error::internal("`_log` has no subject"))?;
        let sight = match logs.judge_target(target, None, facts, now_ms, &limit)? {
            Allowed::No => Sight::About(self.auth()),
            Allowed::ByAll | Allowed::ByName => Sight::All,
        };
        read(facts, &query, sight)
    }

    /// Counts a refusal of this bearer in the trail, by its code.
    pub fn tell_denied(&self, code: &'static str) {
        self.database()
            .tell_denied(Some(self.auth()), code, self.source());
    }
}

impl Folder {
    /// Reads the audit trail of a database as the operator, who has its files.
    ///
    /// # Errors
    /// `NotFound` if there is no such database; `Corrupt` or `Unavailable` if it cannot be read.
    pub fn logs(&self, database: &str, query: &LogQuery) -> Result<Vec<Logged>, Error> {
        self.opened(database)?.database.logs(query)
    }

    /// Takes the rows of the audit trail of a database away that are older than an instant, Unix milliseconds.
    ///
    /// # Errors
    /// As [`Folder::logs`].
    pub fn prune_logs(&self, database: &str, before_ms: i64) -> Result<Pruned, Error> {
        self.opened(database)?.database.prune_logs(before_ms)
    }

    /// Counts a refusal of nobody that is known, by its code, in the trail of the default database: a stranger's word
    /// for which database was meant is not taken.
    pub fn tell_denied(&self, code: &'static str, source: Source) {
        self.database().tell_denied(None, code, source);
    }
}
