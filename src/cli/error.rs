//! Why a command did not do what was asked.

use std::io;
use std::path::PathBuf;

use super::exit::Exit;
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
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(&'static str),
    /// An import was refused or failed.
    #[error("`{}`, {stopped}; {} items before it were imported", path.display(), stopped.imported.items)]
    Import {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        stopped: Box<db::ImportStopped>,
    },
    /// Standard input cannot be read, or is no text.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Folder { why, .. } | Self::Db(why) => why.kind().into(),
            Self::Import { stopped, .. } => stopped.error.kind().into(),
            Self::NotForDemo(_) | Self::OtherDemo(_) | Self::Unread { .. } | Self::Arguments(_) => {
                Exit::Usage
            }
            Self::Input(why) if why.kind() == io::ErrorKind::InvalidData => Exit::Usage,
            Self::Input(_) | Self::Output(_) | Self::Written { .. } => Exit::Failed,
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
