//! Why a command did not do what was asked.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::exit::Exit;
use super::host::Host;
use crate::{db, server};

/// Why a command did not do what was asked. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The data folder cannot be used.
    #[error("cannot use the data folder `{}`: {}", path.display(), why.message())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: db::Error,
    },
    /// The database refused or failed.
    #[error("{}", .0.message())]
    Db(#[from] db::Error),
    /// The server did not start.
    #[error("{0}")]
    Server(#[from] server::Error),
    /// `--demo` on a folder that holds other data.
    #[error("`--demo` needs a fresh data folder, and `{}` holds other data", .0.display())]
    NotForDemo(PathBuf),
    /// `--demo` on a folder with half of another version's demonstration.
    #[error("`{}` holds part of another version's demonstration: take a fresh data folder", .0.display())]
    OtherDemo(PathBuf),
    /// A file that cannot be read.
    #[error("cannot read `{}`: {why}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write `{}`: {why}", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: io::Error,
    },
    /// A file that is not what it should be.
    #[error("`{}` {what}", path.display())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(&'static str),
    /// A secret would travel in the clear.
    #[error(
        "`{0}` is beyond this machine, and what is sent there travels in the clear: take `https`, or say `--insecure-plain-http`"
    )]
    PlainHttp(Host),
    /// The server was not reached, or did not answer in time.
    #[error("cannot reach `{host}`: {why}")]
    Unreached {
        /// The server.
        host: Host,
        /// What happened.
        why: String,
    },
    /// The server answers, and not as it should.
    #[error("cannot ask `{host}`: {why}")]
    Remote {
        /// The server.
        host: Host,
        /// What is wrong with it.
        why: String,
    },
    /// The server's answer lacks what was asked for.
    #[error("the server's answer has no `{0}`: is it Solon, and as new as this command?")]
    Answer(&'static str),
    /// The server sends elsewhere, where no token goes.
    #[error(
        "`{0}` sends elsewhere, and nothing is sent after it: give the server's own address as `--host`"
    )]
    Redirected(Host),
    /// The server refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// There is no such user, or it is not to be seen.
    #[error("there is no user `{0}`, or none to be seen")]
    NoSuchUser(String),
    /// Somebody said no to a sign-in.
    #[error("the sign-in was turned down")]
    TurnedDown,
    /// There is no token, or it is no longer good.
    #[error("{0}")]
    SignedOut(String),
    /// An import was refused or failed.
    #[error("`{}`, {stopped}; {} items before it were imported", path.display(), stopped.imported.items)]
    Import {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        stopped: Box<db::ImportStopped>,
    },
    /// An import of users was refused or failed.
    #[error("`{}`, {stopped}; {} users before it were made", path.display(), stopped.made)]
    Users {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        stopped: Box<db::UsersStopped>,
    },
    /// Standard input cannot be read, or is no text.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What a server said when it refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// The stable code.
    pub(super) code: Option<String>,
    /// What it says, without anything that acts on a terminal.
    pub(super) message: String,
    /// Where in the request.
    pub(super) pointer: Option<String>,
    /// When it may be asked again, seconds.
    pub(super) retry_after: Option<u64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = self.code.as_ref().filter(|code| **code != self.message) {
            write!(f, " ({code})")?;
        }
        if let Some(pointer) = &self.pointer {
            write!(f, ", at `{pointer}`")?;
        }
        if let Some(seconds) = self.retry_after {
            write!(f, "; try again in {seconds} s")?;
        }
        Ok(())
    }
}

impl Error {
    /// Tells on standard error what does not stop the command.
    pub(super) fn warn(what: &str) {
        // Who closed standard error wants no warnings.
        let _ = writeln!(io::stderr().lock(), "WARNING: {what}");
    }

    /// Whether the server did not take the token.
    pub(super) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 401)
    }

    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Folder { why, .. } | Self::Db(why) => why.kind().into(),
            Self::Import { stopped, .. } => stopped.error.kind().into(),
            Self::Users { stopped, .. } => stopped.error.kind().into(),
            Self::NotForDemo(_)
            | Self::OtherDemo(_)
            | Self::Unread { .. }
            | Self::WrongFile { .. }
            | Self::Arguments(_)
            | Self::PlainHttp(_) => Exit::Usage,
            Self::Unreached { .. } => Exit::Unavailable,
            Self::NoSuchUser(_) => Exit::NotFound,
            Self::TurnedDown => Exit::Denied,
            Self::SignedOut(_) => Exit::Unauthenticated,
            Self::Refused(refusal) => Exit::of_status(refusal.status),
            Self::Input(why) if why.kind() == io::ErrorKind::InvalidData => Exit::Usage,
            Self::Input(_)
            | Self::Output(_)
            | Self::Written { .. }
            | Self::Remote { .. }
            | Self::Answer(_)
            | Self::Redirected(_) => Exit::Failed,
            Self::Server(why) => match why {
                server::Error::PlainHttpBeyondLoopback(_)
                | server::Error::OpenBeyondLoopback(_)
                | server::Error::OpenWithAnonymous
                | server::Error::OpenWithCertificates
                | server::Error::Tls { .. } => Exit::Usage,
                server::Error::InUse(_)
                | server::Error::Listen { .. }
                | server::Error::System(_) => Exit::Failed,
                server::Error::Db(why) => why.kind().into(),
            },
        }
    }
}
