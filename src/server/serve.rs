//! Listens, serves connections, and stops with grace.
//!
//! A stop ends the listening, then waits for what was accepted, then closes the folder; the waiting has a bound.
//! Connections are bounded in number, and in the time that the head of a request may take, so that idle and slow
//! ones end.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::door::{Door, Mode, Peer};
use super::error::Error;
use super::open::is_loopback;
use super::patience::Patient;
use super::request_id::Ids;
use super::routes::routes;
use super::work::{self, Work};
use crate::base::Clock;
use crate::base::limits::{
    CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_SECONDS_MAX, SHUTDOWN_SECONDS_MAX, WRITE_SECONDS_MAX,
};
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
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

/// A server that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Arc<Door>,
    stop: watch::Sender<bool>,
}

/// Stops a server.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Server {
    /// Checks the configuration and begins to listen.
    ///
    /// # Errors
    /// `PlainHttpBeyondLoopback`, `OpenBeyondLoopback` or `OpenWithAnonymous` for what would not be safe; `InUse` or
    /// `Listen` if the address is not to be had.
    pub fn bind(folder: Folder, config: &Config) -> Result<Self, Error> {
        let address = config.listen;
        if !is_loopback(address.ip()) {
            if config.mode == Mode::Open {
                return Err(Error::OpenBeyondLoopback(address));
            }
            if !config.insecure_plain_http {
                return Err(Error::PlainHttpBeyondLoopback(address));
            }
        }
        if config.mode == Mode::Open && folder.has_anonymous_anywhere()? {
            return Err(Error::OpenWithAnonymous);
        }
        let listener = TcpListener::bind(address).map_err(|why| match why.kind() {
            io::ErrorKind::AddrInUse => Error::InUse(address),
            _ => Error::Listen { address, why },
        })?;
        listener.set_nonblocking(true).map_err(Error::System)?;
        let address = listener.local_addr().map_err(Error::System)?;
        let door = Door {
            folder,
            mode: config.mode,
            clock: Arc::clone(&config.clock),
            ids: Ids::new(config.clock.now_ms().unsigned_abs()),
            work: Work::new(),
        };
        Ok(Self {
            listener,
            address,
            door: Arc::new(door),
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
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            tokio::select! {
                accepted = accept(&listener, &places) => {
                    if let Some((stream, peer, place)) = accepted {
                        connect(stream, Peer(peer), app.clone(), &graceful, place);
                    }
                }
                () = ends.told() => break,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        drop(listener);
        tracing::info!("stopping");
        let finish = async {
            graceful.shutdown().await;
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

fn connect(
    stream: TcpStream,
    peer: Peer,
    app: Router,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
) {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        let answer = hyper::service::Service::call(&app, request);
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let stream = Patient::new(stream, Duration::from_secs(WRITE_SECONDS_MAX));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // What ends a connection early is the client's doing or the time's: nothing to tell.
        let _ = connection.await;
        drop(place);
    });
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
