//! Listening, how many there may be, and the stop.

use super::accept::accept;
use super::admin;
use super::auth::AuthError;
use super::connection::Rules;
use super::credentials;
use super::credentials::Credentials;
use super::duty::{Duty, Roster};
use super::hub::Hub;
use super::inherited::{self, Inherited};
use super::limits::{Door, Refusals};
use super::listener::Listener;
use super::message_check::Checker;
use super::reload::{self, Reloader};
use super::safety::Safety;
use super::store;
use super::telemetry::Telemetry;
use super::tls::TlsError;
use super::webhook::{self, Endpoint, Webhook};
use crate::config::{Config, seconds};
use crate::store::{Store, StoreError, Writer};
use arc_swap::Guard;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Descriptors that are kept free for everything that is not a client: listeners, files, the runtime.
const DESCRIPTORS_RESERVED: usize = 64;

/// Of the descriptors for clients, one in this many is kept for connections that are not WebSockets, so
/// that a full server can still say that it is full.
const HTTP_SHARE: usize = 64;

/// Connections that may wait to be accepted; the system may allow fewer. When clients return all at once, one
/// that finds no room tries again only after a second, then three, then seven.
const BACKLOG: u32 = 4096;

/// A server that listens.
#[derive(Debug)]
pub struct Server<L = TcpListener> {
    listener: L,
    admin_lodge: Option<admin::Lodge>,
    shared: Arc<Shared>,
}

/// Who is there.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// `WebSocket` connections, those that are about to end included.
    pub connections: usize,
    /// Sessions, those whose connection was lost included.
    pub sessions: usize,
    /// How many of the sessions wait for a partner.
    pub waiting: usize,
}

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address can't be listened on.
    #[error("cannot listen on {address} ({setting}): {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// The operators' token can't be read.
    #[error("cannot read the operators' token (admin.token_file): {0}")]
    AdminToken(io::Error),
    /// The secret that calls of the webhook are signed with can't be read.
    #[error("cannot read the webhook's secret (webhook.secret_file): {0}")]
    WebhookSecret(io::Error),
    /// A socket that was passed on can't be used.
    #[error("cannot listen on the socket that was passed on: {0}")]
    PassedOn(io::Error),
    /// The operators' socket that was passed on can be reached by other machines, and there is no token.
    #[error(
        "the operators' socket that was passed on is at {0}, where other machines can reach it: set \
         `admin.token` or `admin.token_file`, or have it made on this machine only"
    )]
    NoAdminToken(SocketAddr),
    /// The certificate and its key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Spans can't be sent.
    #[error("cannot send spans (telemetry.endpoint): {0}")]
    Telemetry(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The keys that tokens are checked with can't be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The token for the service that checks messages can't be read.
    #[error("cannot read the token for the check of messages (message_check.token_file): {0}")]
    MessageCheckToken(io::Error),
    /// The store can't be read.
    #[error("cannot read keys and bans: {0}")]
    Store(#[from] StoreError),
}

impl ServerError {
    /// Whether it is about files that the settings name, and not about what the system allows.
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::NoAdminToken(_) | Self::Auth(_))
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) rules: Arc<Rules>,
    /// Held while settings are put in force.
    pub(super) reloading: Mutex<()>,
    pub(super) roster: Roster,
    /// Who lets operators in, if they have a listener.
    pub(super) guard: Option<Arc<admin::Guard>>,
    seats: Arc<Seats>,
    pub(super) door: Arc<Door>,
    /// What must outlast the process, if the server was given a store.
    pub(super) store: Option<Writer>,
}

/// How many WebSockets there may be.
#[derive(Debug)]
struct Seats {
    taken: AtomicUsize,
    max: AtomicUsize,
    /// How many file descriptors allow.
    possible: usize,
}

impl Seats {
    fn new(possible: usize, config: &Config) -> Self {
        let seats = Self {
            taken: AtomicUsize::new(0),
            max: AtomicUsize::new(possible),
            possible,
        };
        seats.reconfigure(config);
        seats
    }

    /// Who has a seat keeps it, even if there are too many of them now.
    fn reconfigure(&self, config: &Config) {
        let (asked, possible) = (config.limits.max_connections, self.possible);
        if asked > possible {
            tracing::warn!(
                asked,
                possible,
                "fewer connections than asked for: open files"
            );
        }
        let max = if asked == 0 {
            possible
        } else {
            asked.min(possible)
        };
        self.max.store(max, Ordering::Relaxed);
    }

    fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }
}

/// Room for one WebSocket, as long as it is held.
#[derive(Debug)]
pub(super) struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The settings in force. They may be others the next time.
    pub(super) fn config(&self) -> Guard<Arc<Config>> {
        self.rules.config.load()
    }

    /// Puts these settings in force.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.seats.reconfigure(config);
        self.door.reconfigure(&self.config(), config);
        self.rules.reconfigure(config);
    }

    /// Room for one more WebSocket, unless the server is full, or sends people away.
    pub(super) fn seat(&self) -> Option<Seat> {
        if self.roster.duty() != Duty::Serving {
            return None;
        }
        let max = self.seats.max();
        let below_max = |taken| (taken < max).then_some(taken + 1);
        self.seats
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_max)
            .ok()
            .map(|_| Seat(Arc::clone(&self.seats)))
    }

    /// How many WebSockets there are.
    pub(super) fn connections(&self) -> usize {
        self.seats.taken.load(Ordering::Relaxed)
    }

    /// How many there may be.
    pub(super) fn connections_max(&self) -> usize {
        self.seats.max()
    }

    /// Whether there is room for one more WebSocket.
    pub(super) fn is_full(&self) -> bool {
        self.connections() >= self.connections_max()
    }
}

impl Server<TcpListener> {
    /// Listens where the settings say. Nothing is accepted before [`run`](Self::run).
    ///
    /// Raises the process's soft limit of open files to the hard one, and allows as many connections as
    /// that leaves room for, unless the settings say fewer.
    ///
    /// # Errors
    /// [`ServerError`] if a file that the settings name can't be used, or an address can't be listened on.
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        Self::bind_inherited(config, Inherited::default()).await
    }

    /// As [`bind`](Self::bind), but on the sockets that were passed on, where they were, whatever address the
    /// settings say.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_inherited(config: Config, inherited: Inherited) -> Result<Self, ServerError> {
        Self::bind_with(config, inherited, None).await
    }

    /// As [`bind_inherited`](Self::bind_inherited), and with a store for what must outlast the process. Whatever
    /// the settings say, the server itself opens none.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_with(
        config: Config,
        inherited: Inherited,
        store: Option<Store>,
    ) -> Result<Self, ServerError> {
        let credentials = Credentials::load(&config)?;
        let listener = match inherited.people {
            Some(passed_on) => inherited::adopt(passed_on)?,
            None => listen(config.listen, "listen")?,
        };
        let admin_lodge = admin::Lodge::open(&config, inherited.operators)?;
        let telemetry = Telemetry::start(&config.telemetry)?;
        let checker = Checker::open(&config.message_check)?;
        let store = store.map(|store| {
            let limit = seconds(config.store.timeout_s);
            Writer::start(store, config.store.queue, limit)
        });
        let endpoint = Endpoint::read(&config.webhook).map_err(ServerError::WebhookSecret)?;
        if endpoint.is_some() && store.is_none() {
            tracing::warn!("without a store, no report is told to webhook.url");
        }
        let safety = match &store {
            Some(writer) => {
                let webhook = Webhook::new(endpoint);
                Some(Safety::load(writer.clone(), &config.moderation, webhook).await?)
            }
            None => None,
        };
        let hub = Hub::new(&config, telemetry, safety).with_checker(checker);
        let server = Self::assemble(config, credentials, listener, admin_lodge, hub, store);
        Ok(server)
    }

    /// Checks the files that the settings name as [`bind`](Self::bind) does, and refuses a certificate that
    /// is out of date as well.
    ///
    /// # Errors
    /// [`ServerError`] if one of them can't be used.
    pub fn check_files(config: &Config) -> Result<(), ServerError> {
        credentials::check(config)
    }

    /// Where operators connect, if anywhere.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn admin_addr(&self) -> Option<io::Result<SocketAddr>> {
        self.admin_lodge.as_ref().map(admin::Lodge::local_addr)
    }
}

impl<L: Listener> Server<L> {
    /// A server that accepts from any listener, without TLS, and has no other for operators. Who knows where
    /// `random` starts can foretell every token: this is for simulations.
    #[doc(hidden)]
    pub fn with_listener(config: Config, listener: L, random: StdRng) -> Self {
        let hub = Hub::with_random(&config, random);
        Self::assemble(config, Credentials::default(), listener, None, hub, None)
    }

    fn assemble(
        config: Config,
        credentials: Credentials,
        listener: L,
        admin_lodge: Option<admin::Lodge>,
        hub: Hub,
        store: Option<Writer>,
    ) -> Self {
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let connections = descriptors
            .saturating_sub(DESCRIPTORS_RESERVED)
            .clamp(2, Semaphore::MAX_PERMITS);
        let possible = connections - (connections / HTTP_SHARE).max(1);
        let seats = Seats::new(possible, &config);
        let door = Door::new(&config, connections, Arc::clone(&hub.refusals));
        let guard = admin_lodge.as_ref().map(admin::Lodge::guard);
        Self {
            listener,
            admin_lodge,
            shared: Arc::new(Shared {
                rules: Arc::new(Rules::new(config, credentials, hub)),
                reloading: Mutex::new(()),
                roster: Roster::new(),
                guard,
                seats: Arc::new(seats),
                door: Arc::new(door),
                store,
            }),
        }
    }

    /// Where people connect.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether people connect by TLS.
    pub fn is_tls(&self) -> bool {
        self.shared.rules.credentials.is_tls()
    }

    /// What puts new settings in force, while the server runs.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.shared)
    }

    /// How many WebSocket connections there may be at once.
    pub fn connections_max(&self) -> usize {
        self.shared.connections_max()
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Counts of what was refused, while the server runs.
    pub fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.shared.rules.hub.refusals)
    }

    /// Counts who is there, now and while the server runs.
    #[doc(hidden)]
    pub fn census(&self) -> impl Fn() -> Census + Send + 'static + use<L> {
        let shared = Arc::clone(&self.shared);
        move || {
            let (sessions, waiting) = shared.rules.hub.census();
            Census {
                connections: shared.connections(),
                sessions,
                waiting,
            }
        }
    }

    /// Serves until `stop` is cancelled, then tells every client that the server goes away, and returns
    /// when all connections have ended or the time for it is over. Until then, who comes is turned away.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            listener,
            admin_lodge,
            shared,
        } = self;
        let tasks = TaskTracker::new();
        let timer = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let rules = &shared.rules;
                let hub = &rules.hub;
                tokio::join!(
                    hub.run_timer(),
                    hub.run_wheel(),
                    rules.obituaries.run(hub),
                    reload::watch_files(&shared),
                    store::sweep(&shared),
                    webhook::deliver(&shared),
                    hub.run_bans()
                )
            }
        });
        let admin = admin_lodge.map(|lodge| tokio::spawn(admin::serve(lodge, Arc::clone(&shared))));
        tokio::select! {
            () = accept(&listener, &shared, &tasks) => {}
            () = stop.cancelled() => {}
        }
        let (sessions, _) = shared.rules.hub.census();
        tracing::info!(sessions, "stopping");
        shared.roster.stop(&shared.rules.hub);
        tasks.close();
        let limit = seconds(shared.config().limits.stop_s);
        tokio::select! {
            () = accept(&listener, &shared, &tasks) => {}
            () = tasks.wait() => {}
            () = tokio::time::sleep(limit) => {
                tracing::warn!(connections = tasks.len(), "cut off: stopping took too long");
            }
        }
        timer.abort();
        shared.rules.hub.telemetry.finish().await;
        store::close(&shared).await;
        if let Some(admin) = admin {
            admin.abort();
        }
    }
}

/// Listens at an address that a setting names.
pub(super) fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<TcpListener, ServerError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A server that is started anew must not wait for the connections of the old one to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|cause| ServerError::Listen {
        address,
        setting,
        cause,
    })
}
