//! The arguments of every command that asks a server: which one, how it is known, and by which token.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::host::Host;

/// Which server, and how it is known.
#[derive(Debug, Args)]
pub(super) struct RemoteArguments {
    /// The server; the one that the token file is from if it is left out, or else `http://127.0.0.1:8090`
    #[arg(long, value_name = "URL", env = "SOLON_HOST")]
    pub(super) host: Option<Host>,
    #[command(flatten)]
    pub(super) tls: ClientTlsArguments,
    /// Ask a server beyond this machine although passwords and tokens then travel in the clear
    #[arg(long, env = "SOLON_INSECURE_PLAIN_HTTP", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(super) insecure_plain_http: bool,
}

/// How the server is known, and how this client is. Each has its effect alone.
#[derive(Debug, Args)]
pub(super) struct ClientTlsArguments {
    /// The certificate that this client shows, with its chain, in PEM
    #[arg(
        long = "tls.certificate",
        value_name = "FILE",
        env = "SOLON_CLIENT_CERTIFICATE",
        requires = "key"
    )]
    pub(super) certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM; its owner alone may read it
    #[arg(
        long = "tls.key",
        value_name = "FILE",
        env = "SOLON_CLIENT_KEY",
        requires = "certificate"
    )]
    pub(super) key: Option<PathBuf>,
    /// The certificates, in PEM, that vouch for the server, in place of those of this machine
    #[arg(
        long = "tls.ca-certificate",
        value_name = "FILE",
        env = "SOLON_SERVER_CA_CERTIFICATE"
    )]
    pub(super) ca_certificate: Option<PathBuf>,
    /// Take any server for the right one (not secure)
    #[arg(long = "tls.skip-verify", conflicts_with = "ca_certificate")]
    pub(super) skip_verify: bool,
}

/// By which token a command asks.
#[derive(Debug, Args)]
pub(super) struct CallerArguments {
    #[command(flatten)]
    pub(super) remote: RemoteArguments,
    /// The file of the token; `SOLON_TOKEN_FILE`, or else `solon/auth-token.json` in the folder of configurations
    // The environment is read where the token is looked for: there `SOLON_TOKEN` comes between the two.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}
