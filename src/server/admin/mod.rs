//! The operators' listener: how the server is, and what can be done about it.
//!
//! Every request passes the `guard` first. A route and its description in the `OpenAPI` document are one thing:
//! what is not described is not served, but for the files of the `board`.

mod api;
mod board;
mod caller;
mod guard;
mod history;
mod moderation;
mod office;
mod once;
mod probes;
mod problem;
mod regions;
mod resource;
mod rules;
mod sessions;

use super::duty::Duty;
use super::inherited;
use super::listen::{self, ServerError, Shared};
use crate::config::{AdminListen, Config, seconds};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use guard::{Gate, TokenScheme};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use office::{Office, Passkeys, Peer};
use problem::Problem;
use rules::Rules;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use guard::Guard;

/// Operators and their probes are few, but a browser takes six.
const CONNECTIONS_MAX: usize = 64;

/// The longest body of a request, in bytes: a passkey that was just made, with room for the longest id.
const BODY_MAX_BYTES: usize = 8192;

/// How long the other side may take nothing of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What every answer says to browsers: it is nobody else's, and not to be kept.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Where operators come in, and who may.
#[derive(Debug)]
pub(super) struct Lodge {
    listener: TcpListener,
    guard: Arc<Guard>,
}

impl Lodge {
    /// Listens where the settings say, if anywhere. If the settings say nothing, what can't be had is done
    /// without. A socket that was passed on is used instead, whatever the settings say.
    pub(super) fn open(
        config: &Config,
        passed_on: Option<std::net::TcpListener>,
    ) -> Result<Option<Self>, ServerError> {
        if let Some(passed_on) = passed_on {
            return Self::adopt(config, passed_on).map(Some);
        }
        let (address, is_asked_for) = match config.admin_listen {
            AdminListen::Off => return Ok(None),
            AdminListen::Auto => (AdminListen::USUAL, false),
            AdminListen::At(address) => (address, true),
        };
        let token = config.admin.read_token().map_err(ServerError::AdminToken)?;
        match listen::listen(address, "admin_listen") {
            Ok(listener) => Ok(Some(Self {
                listener,
                guard: Arc::new(Guard::new(address.ip().is_loopback(), token)),
            })),
            Err(error) if is_asked_for => Err(error),
            Err(error) => {
                tracing::warn!(%error, "operators can't connect; set `admin_listen` to another address, or to off");
                Ok(None)
            }
        }
    }

    /// As the settings are checked for an address of their own: where other machines can reach it, it takes a
    /// token.
    fn adopt(config: &Config, passed_on: std::net::TcpListener) -> Result<Self, ServerError> {
        let listener = inherited::adopt(passed_on)?;
        let address = listener.local_addr().map_err(ServerError::PassedOn)?;
        let is_loopback = address.ip().is_loopback();
        let token = config.admin.read_token().map_err(ServerError::AdminToken)?;
        if !is_loopback && token.is_none() {
            return Err(ServerError::NoAdminToken(address));
        }
        Ok(Self {
            listener,
            guard: Arc::new(Guard::new(is_loopback, token)),
        })
    }

    pub(super) fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.guard)
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves, and counts for the board, for as long as it is polled.
pub(super) async fn serve(lodge: Lodge, shared: Arc<Shared>) {
    let head_timeout = seconds(shared.config().limits.request_head_s);
    let office = office(&lodge, &shared);
    if let Some(office) = &office {
        // So that operators can look while the store is away, whenever that begins.
        let _ = office.accounts().await;
    }
    let gate = Gate {
        guard: lodge.guard,
        rules: Rules::of(description()),
        office: office.clone(),
    };
    let desk = Arc::new(api::Desk::new(shared, office));
    let router = router(Arc::clone(&desk), gate);
    tokio::join!(desk.count(), accept(&lodge.listener, &router, head_timeout));
}

/// Who knows the accounts; nobody without a store.
fn office(lodge: &Lodge, shared: &Shared) -> Option<Arc<Office>> {
    let store = shared.store.as_ref()?.store().clone();
    let admin = &shared.config().admin;
    let passkeys = Passkeys::of(admin.origin.as_deref(), lodge.local_addr().ok());
    let logins = Arc::clone(&shared.rules.metrics.logins);
    let office = Office::new(store, admin.hashes_at_once, logins, passkeys);
    Some(Arc::new(office))
}

async fn accept(listener: &TcpListener, router: &Router, head_timeout: Duration) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let inner = TowerToHyperService::new(router.clone());
        let peer = Peer(peer.ip());
        // Whoever asks and doesn't read what they are told keeps their place no longer than that.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            inner.call(request)
        });
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout)
                .serve_connection(TokioIo::new(Box::pin(stream)), service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
            drop(permit);
        });
    }
}

/// What the listener serves, as it is described at `/openapi.json`.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    let mut description = routes().split_for_parts().1;
    problem::name_problems(&mut description);
    description
}

/// All that operators may know and do.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "WhisperChat for operators",
        description = "How the server is, and what can be done about it. Served on `admin_listen`, apart from \
            where people connect.",
        license(name = "MIT OR Apache-2.0"),
        version = env!("CARGO_PKG_VERSION"),
    ),
    tags(
        (name = "look", description = "How the server is. Changes nothing."),
        (name = "steer", description = "What can be done about it. Takes JSON by POST."),
        (name = "moderation", description = "What people report of each other, and who is kept out."),
        (name = "accounts", description = "People who look after the server: logging in, one's own account, those of \
            others. docs/operators-access.md says which role may what."),
    ),
    modifiers(&TokenScheme),
)]
struct Described;

fn routes() -> OpenApiRouter<Arc<api::Desk>> {
    OpenApiRouter::with_openapi(<Described as utoipa::OpenApi>::openapi())
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::version))
        .routes(routes!(probes::metrics))
        .routes(routes!(probes::config))
        .routes(routes!(probes::openapi))
        .routes(routes!(api::status))
        .routes(routes!(api::drain))
        .routes(routes!(api::cancel_drain))
        .routes(routes!(api::history))
        .routes(routes!(sessions::session))
        .routes(routes!(sessions::disconnect))
        .routes(routes!(api::log_level, api::set_log_level))
        .routes(routes!(api::regions))
        .merge(office::routes())
        .merge(moderation::routes())
}

fn router(desk: Arc<api::Desk>, gate: Gate) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .merge(board::routes())
        .fallback(async || {
            Problem::new(
                StatusCode::NOT_FOUND,
                "nothing here; /openapi.json says what is where",
            )
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "not by this method; /openapi.json says by which",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(gate), guard::admit))
        .layer(middleware::from_fn(finish))
        .with_state(desk)
}

/// Sees to it that every request gets an answer, with the headers that every answer has.
async fn finish(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut answer = answer.unwrap_or_else(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
    });
    for (name, value) in HEADERS {
        let header = answer.headers_mut().entry(name);
        header.or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// What the server does, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Takes people in.
    Ready,
    /// Has no room for more.
    Full,
    /// Sends everybody away until that is called off.
    Draining,
    /// Sends everybody away and ends.
    Stopping,
}

impl State {
    fn of(shared: &Shared) -> Self {
        match shared.roster.duty() {
            Duty::Stopping => Self::Stopping,
            Duty::Draining => Self::Draining,
            Duty::Serving if shared.is_full() => Self::Full,
            Duty::Serving => Self::Ready,
        }
    }
}
