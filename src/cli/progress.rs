//! How far a long work is, on one line of a terminal; nothing where standard error is something else.
//!
//! A few lines and no crate: one bar, drawn at most ten times a second, and wiped when the work is done.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// How long a line stands at least.
const REDRAWN_AFTER: Duration = Duration::from_millis(100);

/// Cells of the bar.
const WIDTH: u64 = 24;

/// How far a work is.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    /// The bytes of all of it, if that is known.
    total: Option<u64>,
    drawn: Option<Duration>,
}

impl Progress {
    /// A work on so many bytes.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
            total,
            drawn: None,
        }
    }

    /// Tells that it is at this byte, with so many things made, so long after it began.
    pub(super) fn tell(&mut self, bytes: u64, made: u64, what: &str, elapsed: Duration) {
        let is_due = self
            .drawn
            .is_none_or(|drawn| elapsed.saturating_sub(drawn) >= REDRAWN_AFTER);
        if self.is_shown && is_due {
            self.drawn = Some(elapsed);
            let line = line(self.total, bytes, made, what, elapsed);
            // A terminal that takes no line gets none.
            let _ = write!(io::stderr().lock(), "\r{line}\u{1b}[K");
        }
    }

    /// Wipes the line.
    pub(super) fn end(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

fn line(total: Option<u64>, bytes: u64, made: u64, what: &str, elapsed: Duration) -> String {
    let milliseconds = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let rate = made.saturating_mul(1_000) / milliseconds;
    let done = bytes / 1_000_000;
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let cells = |of: u64| (bytes.min(total)).saturating_mul(of) / total;
            let bar: String = (0..WIDTH)
                .map(|cell| if cell < cells(WIDTH) { '#' } else { '.' })
                .collect();
            let (percent, total) = (cells(100), total / 1_000_000);
            format!("{bar} {percent:>3} %  {done} of {total} MB  {made} {what}  {rate}/s")
        }
        None => format!("{done} MB  {made} {what}  {rate}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_is_done_and_how_fast() {
        let second = Duration::from_secs(1);
        for (total, bytes, expected) in [
            (
                Some(4_000_000),
                1_000_000,
                "######..................  25 %  1 of 4 MB  500 flakes  500/s",
            ),
            (
                Some(1_000_000),
                2_000_000,
                "######################## 100 %  2 of 1 MB  500 flakes  500/s",
            ),
            (Some(0), 0, "0 MB  500 flakes  500/s"),
            (None, 3_000_000, "3 MB  500 flakes  500/s"),
        ] {
            assert_eq!(line(total, bytes, 500, "flakes", second), expected);
        }
        assert_eq!(
            line(None, 0, 0, "flakes", Duration::ZERO),
            "0 MB  0 flakes  0/s"
        );
    }
}
