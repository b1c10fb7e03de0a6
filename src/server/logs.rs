//! Where the log goes and in which form: to standard error, as text on a terminal, as JSON lines otherwise.

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing::level_filters::LevelFilter;

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// None at all.
    Off,
    /// What must be looked at.
    Error,
    /// What may have to be.
    Warn,
    /// One line a request.
    Info,
    /// More, for who looks for a fault.
    Debug,
    /// Everything.
    Trace,
}

/// Begins to log, for the whole process. A second call does nothing.
///
/// A panic is logged with its place alone: its message may hold values.
pub fn install(format: Format, level: Level) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let as_text = match format {
        Format::Auto => io::stderr().is_terminal(),
        Format::Text => true,
        Format::Json => false,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false);
    // Both fail only where a log is installed already, which is then the one to keep.
    let _ = if as_text {
        tracing::subscriber::set_global_default(lines.with_ansi(false).finish())
    } else {
        tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish())
    };
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location();
        tracing::error!(
            file = place.map(panic::Location::file),
            line = place.map(panic::Location::line),
            "a panic"
        );
    }));
}
