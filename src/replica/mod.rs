//! Who decides the order of commits.
//!
//! This is the seam to more than one machine. Today there is one answer, [`Embedded`]: this process is the only
//! writer, so what it wants to place is placed. It does not know what is in a commit: it is told heads alone.

mod sequencer;

pub use sequencer::{Embedded, Placement, Sequencer};
