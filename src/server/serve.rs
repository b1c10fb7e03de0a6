//! Listens, serves connections, and stops with grace.
//!
//! A stop ends the listening, then waits for what was accepted, then closes the folder; the waiting has a bound.
//! Connections are bounded in number, and in the time that the head of a request may take, so that idle and slow
//! ones end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::Serving;
use super::devices::Devices;
use super::door::{Door, Mode, Peer, Scheme};
use super::error::Error;
use super::handshake::connect;
use super::open::is_loopback;
use super::request_id::Ids;
use super::routes::routes;
use super::tls::{Looked, Tls, TlsFiles};
use super::work::{self, Work};
use crate::base::Clock;
use crate::base::limits::{CONNECTIONS_MAX, SHUTDOWN_SECONDS_MAX, TLS_LOOK_SECONDS};
use crate::db::Folder;

/// How long to wait after the system refused a connection, as it does when it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the server listens.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Who a request without a token is.
    pub mode: Mode,
    /// Whether plain HTTP beyond this machine was asked for by name.
    pub insecure_plain_http: bool,
    /// The files of TLS; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

/// A server that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Arc<Door>,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
}

/// Stops a server.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Makes a server read its files of TLS again.
#[derive(Clone, Debug)]
pub struct Reloader(Option<Arc<Tls>>);

impl Server {
    /// Checks the configuration and begins to listen.
    ///
    /// # Errors
    /// `PlainHttpBeyondLoopback`, `OpenBeyondLoopback`, `OpenWithAnonymous` or `OpenWithCertificates` for what would
    /// not be safe; `Tls` for files that are not good; `InUse` or `Listen` if the address is not to be had.
    pub fn bind(folder: Folder, config: &Config) -> Result<Self, Error> {
        let address = config.listen;
        if !is_loopback(address.ip()) {
            if config.mode == Mode::Open {
                return Err(Error::OpenBeyondLoopback(address));
            }
            if config.tls.is_none() && !config.insecure_plain_http {
                return Err(Error::PlainHttpBeyondLoopback(address));
            }
        }
        if config.mode == Mode::Open && folder.has_anonymous_anywhere()? {
            return Err(Error::OpenWithAnonymous);
        }
        let tls = match &config.tls {
            Some(files) if config.mode == Mode::Open && files.client_authorities.is_some() => {
                return Err(Error::OpenWithCertificates);
            }
            Some(files) => Some(Tls::read(files.clone(), Arc::clone(&config.clock))?),
            None => None,
        };
        let scheme = if tls.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let listener = TcpListener::bind(address).map_err(|why| match why.kind() {
            io::ErrorKind::AddrInUse => Error::InUse(address),
            _ => Error::Listen { address, why },
        })?;
        listener.set_nonblocking(true).map_err(Error::System)?;
        let address = listener.local_addr().map_err(Error::System)?;
        let door = Door {
            folder,
            mode: config.mode,
            scheme,
            clock: Arc::clone(&config.clock),
            ids: Ids::new(config.clock.now_ms().unsigned_abs()),
            work: Work::new(),
            devices: Devices::default(),
        };
        Ok(Self {
            listener,
            address,
            door: Arc::new(door),
            tls: tls.map(Arc::new),
            stop: watch::Sender::new(false),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// What makes it read its files of TLS again.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.tls.clone())
    }

    /// Serves until it is stopped, by its [`Stopper`] or by the system's signals to end, and closes the folder.
    ///
    /// # Errors
    /// `System` if there are no threads or sockets to be had.
    pub fn run(self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(work::threads())
            .enable_all()
            .build()
            .map_err(Error::System)?;
        let door = Arc::clone(&self.door);
        let served = runtime.block_on(self.serve());
        door.folder.close();
        // What is still at work past its time is left behind.
        runtime.shutdown_timeout(Duration::from_secs(1));
        served
    }

    async fn serve(self) -> Result<(), Error> {
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(Error::System)?;
        let mut ends = Ends::watch().map_err(Error::System)?;
        let mut stop = self.stop.subscribe();
        let app = routes(Arc::clone(&self.door));
        // What ends the listening ends the connections too, whichever way it was told.
        let ending = watch::Sender::new(false);
        let serving = Serving::new(Arc::clone(&self.door), app, ending.subscribe());
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let renewing = self.tls.clone().map(|tls| tokio::spawn(renew(tls)));
        loop {
            tokio::select! {
                accepted = accept(&listener, &places) => {
                    if let Some((stream, peer, place)) = accepted {
                        // Answers are written whole; waiting to fill a packet would only delay them.
                        let _ = stream.set_nodelay(true);
                        let tls = self.tls.clone();
                        let connection = connect(stream, Peer(peer), tls, serving.clone());
                        tokio::spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                }
                () = ends.told() => break,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        drop(listener);
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        tracing::info!("stopping");
        ending.send_replace(true);
        let finish = async {
            // All places are free when no connection is left.
            let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
            let _ = places.acquire_many(all).await;
            self.door.work.finish().await;
        };
        if timeout(Duration::from_secs(SHUTDOWN_SECONDS_MAX), finish)
            .await
            .is_err()
        {
            tracing::warn!("some requests were not finished in time");
        }
        Ok(())
    }
}

impl Stopper {
    /// Tells the server to stop, and does not wait for it.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Reloader {
    /// Reads the files of TLS again, for connections from now on.
    ///
    /// # Errors
    /// `Tls` for files that are not good; then what was in force stays.
    pub fn reload(&self) -> Result<(), Error> {
        self.0.as_ref().map_or(Ok(()), |tls| tls.reload())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Waits for a place, then for a connection to put there.
async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(why) => {
            tracing::warn!(%why, "no connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Looks now and then whether the files of TLS changed, and at once when the system's signal says so.
async fn renew(tls: Arc<Tls>) {
    let mut look = interval(Duration::from_secs(TLS_LOOK_SECONDS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Hangup::watch();
    loop {
        let is_told = tokio::select! {
            _ = look.tick() => false,
            () = told.told() => true,
        };
        let tls = Arc::clone(&tls);
        let renewed = spawn_blocking(move || {
            if is_told {
                tls.reload().map(|()| Looked::Renewed)
            } else {
                tls.look()
            }
        });
        match renewed.await {
            Ok(Ok(Looked::Unchanged)) => {}
            Ok(Ok(Looked::Renewed)) => tracing::info!("read the files of TLS again"),
            Ok(Err(why)) => tracing::error!(%why, "TLS goes on with what it had"),
            Err(why) => tracing::error!(%why, "TLS goes on with what it had"),
        }
    }
}

/// The system's signals to end: SIGTERM and SIGINT.
#[cfg(unix)]
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Ends {
    fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The system's signal to end: Ctrl-C.
#[cfg(not(unix))]
struct Ends;

#[cfg(not(unix))]
impl Ends {
    fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    async fn told(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// The system's signal to read files again: SIGHUP.
#[cfg(unix)]
struct Hangup(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    fn watch() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // Without it the files are looked at all the same.
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn told(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// There is no such signal.
#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn watch() -> Self {
        Self
    }

    async fn told(&mut self) {
        std::future::pending::<()>().await;
    }
}
