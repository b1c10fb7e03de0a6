//! Auth → roles → rules → decision, and the permitted view.
//!
//! The law stands in docs/policy.md; each of its points has tests that bear its number. Deny is the default in the shape
//! of this code: nothing here returns "allowed" but where a rule said `true`, or the law itself names the case.
//!
//! Knows neither queries nor disk. Rules read with the eyes of root; everything handed out goes through [`View`].

mod change;
mod error;
mod grant;
mod guard;
mod permissions;
mod rule;
mod uses;
mod verdicts;
mod view;
mod write;

pub use change::PolicyChange;
pub use error::{Error, Refusal};
pub use grant::{check_grants, gives_account, holds_all};
pub use guard::{check_policy, touches_policy};
pub use permissions::{Allowed, Op, Permissions, Policy, QueriesOf};
pub use rule::{Effect, Rule};
pub use view::{History, View};
pub use write::{Cause, StagedFlake, judge_writes};
