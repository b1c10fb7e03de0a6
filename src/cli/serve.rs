//! `solon serve`: opens the folder, says where it serves, serves until it is stopped.

use std::io::{self, Write};

use super::arguments::{LogFormat, LogLevel, ServeArguments, TlsArguments};
use super::demo;
use super::error::Error;
use crate::base::limits::ROOT_TOKEN_SECONDS_MAX;
use crate::db::{Folder, Options};
use crate::server::{Config, Format, Level, Mode, Server, TlsFiles, install_logs};

/// Serves until it is stopped.
pub(super) fn serve(arguments: ServeArguments) -> Result<(), Error> {
    install_logs(format(arguments.log_format), level(arguments.log));
    let ServeArguments {
        data,
        listen,
        demo,
        open,
        insecure_plain_http,
        tls,
        issuer,
        ..
    } = arguments;
    let tls = files(tls)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let options = Options {
        issuer,
        ..Options::default()
    };
    let folder = Folder::open(&data, &options).map_err(|why| Error::Folder {
        path: data.clone(),
        why,
    })?;
    let mode = if open { Mode::Open } else { Mode::Closed };
    let clock = options.clock;
    let config = Config {
        listen,
        mode,
        insecure_plain_http,
        tls,
        clock,
    };
    let server = Server::bind(folder.clone(), &config)?;
    if demo {
        demo::load(&folder, &data)?;
    }
    let url = format!("{scheme}://{}", server.address());
    greet(&folder, &url, mode, demo)?;
    server.run()?;
    Ok(())
}

/// The files of TLS, if it is asked for at all.
fn files(arguments: TlsArguments) -> Result<Option<TlsFiles>, Error> {
    let TlsArguments {
        certificate,
        key,
        ca_certificate,
        enable_client_verification,
    } = arguments;
    let wrong = |why| Err(Error::Arguments(why));
    let client_authorities = match (ca_certificate, enable_client_verification) {
        (Some(path), true) => Some(path),
        (None, false) => None,
        (Some(_), false) => {
            // To take it and verify nobody would be worse than not to start.
            return wrong("`--tls.ca-certificate` needs `--tls.enable-client-verification`");
        }
        (None, true) => {
            return wrong("`--tls.enable-client-verification` needs `--tls.ca-certificate`");
        }
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate,
            key,
            client_authorities,
        })),
        (Some(_), None) => wrong("`--tls.certificate` needs `--tls.key`"),
        (None, Some(_)) => wrong("`--tls.key` needs `--tls.certificate`"),
        (None, None) if client_authorities.is_some() => {
            wrong("`--tls.enable-client-verification` needs `--tls.certificate` and `--tls.key`")
        }
        (None, None) => Ok(None),
    }
}

fn greet(folder: &Folder, url: &str, mode: Mode, demo: bool) -> Result<(), Error> {
    let token = folder.root_token(ROOT_TOKEN_SECONDS_MAX)?;
    let mut out = io::stdout().lock();
    writeln!(out, "Solon {} serves at {url}", env!("CARGO_PKG_VERSION"))?;
    writeln!(
        out,
        "Root token, good for {ROOT_TOKEN_SECONDS_MAX} s:\n{token}"
    )?;
    if mode == Mode::Open {
        let mut err = io::stderr().lock();
        writeln!(
            err,
            "WARNING: open mode: every request from this machine without a token acts as root. \
             Do not use it for data that matters."
        )?;
    }
    if demo {
        demo::show(&mut out, folder, url)?;
    }
    out.flush()?;
    Ok(())
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Off => Level::Off,
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    }
}

fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
}
