//! Why the server does not start, or ends badly.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::db;

/// Why the server does not start, or ends badly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken.
    #[error("`{0}` is in use: another program listens there")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {why}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// Plain HTTP beyond this machine, and nobody asked for it by name.
    #[error(
        "`{0}` is not a loopback address, and plain HTTP would carry tokens in the clear: \
         give `--tls.certificate` and `--tls.key`, put a proxy with TLS before a loopback address, or pass \
         `--insecure-plain-http`"
    )]
    PlainHttpBeyondLoopback(SocketAddr),
    /// Open mode beyond this machine.
    #[error(
        "`--open` makes every local request root, so it cannot listen on `{0}`: use a loopback address"
    )]
    OpenBeyondLoopback(SocketAddr),
    /// Open mode, where the data says who a request without a token is.
    #[error(
        "`--open` cannot be used where `_setting/anonymous` says who a request without a token is"
    )]
    OpenWithAnonymous,
    /// Open mode, where every connection proves a client certificate, which says who asks.
    #[error(
        "`--open` cannot be used with `--tls.enable-client-verification`, where a client's certificate says who it is"
    )]
    OpenWithCertificates,
    /// A file of TLS is not good.
    #[error("cannot use `{}` for TLS: {why}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system gave no threads, sockets or signals.
    #[error("the system refused to run the server: {0}")]
    System(io::Error),
    /// The data could not be asked.
    #[error("{}", .0.message())]
    Db(#[from] db::Error),
}
