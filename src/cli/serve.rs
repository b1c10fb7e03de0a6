//! `solon serve`: opens the folder, says where it serves, serves until it is stopped.

use std::io::{self, Write};
use std::net::SocketAddr;

use super::arguments::{LogFormat, LogLevel, ServeArguments};
use super::demo;
use super::error::Error;
use crate::base::limits::ROOT_TOKEN_SECONDS_MAX;
use crate::db::{Folder, Options};
use crate::server::{Config, Format, Level, Mode, Server, install_logs};

/// Serves until it is stopped.
pub(super) fn serve(arguments: ServeArguments) -> Result<(), Error> {
    install_logs(format(arguments.log_format), level(arguments.log));
    let ServeArguments {
        data,
        listen,
        demo,
        open,
        insecure_plain_http,
        issuer,
        ..
    } = arguments;
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
        clock,
    };
    let server = Server::bind(folder.clone(), &config)?;
    if demo {
        demo::load(&folder, &data)?;
    }
    greet(&folder, server.address(), mode, demo)?;
    server.run()?;
    Ok(())
}

fn greet(folder: &Folder, address: SocketAddr, mode: Mode, demo: bool) -> Result<(), Error> {
    let token = folder.root_token(ROOT_TOKEN_SECONDS_MAX)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Solon {} serves at http://{address}",
        env!("CARGO_PKG_VERSION")
    )?;
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
        demo::show(&mut out, folder, address)?;
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
