//! Accepting connections, finding out whose they are, and serving each from its first byte to its last.

use super::connection;
use super::http;
use super::limits::{Guest, Limit, Reception};
use super::listen::Shared;
use super::listener::Listener;
use super::proxy::{self, ProxyError};
use super::telemetry::Step;
use crate::config::seconds;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// How long accepting pauses when it fails for lack of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that has been accepted. Boxed, so that the task has no room for it for its whole life.
struct Arrival<S> {
    stream: S,
    guest: Guest,
    /// When it was accepted, if anybody wants to know.
    began: Option<SystemTime>,
}

/// Accepts connections for as long as it is polled.
pub(super) async fn accept(listener: &impl Listener, shared: &Arc<Shared>, tasks: &TaskTracker) {
    let mut has_complained = false;
    loop {
        let visit = shared.door.visit().await;
        match listener.accept().await {
            Ok((stream, from)) => {
                has_complained = false;
                let guest = Guest::new(from.ip().to_canonical(), visit);
                let arrival = Box::new(Arrival {
                    stream,
                    guest,
                    began: shared.rules.hub.telemetry.now(),
                });
                // Two kinds of task, so that a plain connection has no room for what TLS needs.
                match shared.rules.credentials.tls() {
                    None => tasks.spawn(serve_plain(arrival, Arc::clone(shared))),
                    Some(tls) => {
                        let acceptor = TlsAcceptor::from(tls);
                        tasks.spawn(serve_tls(arrival, acceptor, Arc::clone(shared)))
                    }
                };
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                // Of the process or the system: too many open files, no memory. That may pass.
                if !std::mem::replace(&mut has_complained, true) {
                    tracing::error!(%error, "cannot accept connections");
                }
                drop(visit);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether accepting failed because that client was gone before it was accepted; the next may be there.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Finds out who it is that has come, and whether they are served at all.
async fn receive<S>(arrival: &mut Arrival<S>, shared: &Shared) -> Option<()>
where
    S: AsyncRead + Unpin,
{
    let Arrival { stream, guest, .. } = arrival;
    let config = shared.config();
    let security = &config.security;
    if contains(&security.proxy_protocol_from, guest.address()) {
        let limit = seconds(config.limits.request_head_s);
        let header = timeout(limit, proxy::read_header(stream)).await;
        match header.unwrap_or(Err(ProxyError::TooSlow)) {
            Ok(Some(address)) => guest.speaks_for(address),
            // The proxy looks whether the server lives.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "no PROXY header");
                shared.rules.hub.refusals.refuse(Limit::Proxy);
                return None;
            }
        }
    }
    // Who comes through a proxy that says in each request whose it is, is known only then.
    if !contains(&security.trusted_proxies, guest.address()) {
        guest.enters();
    }
    (guest.reception() != Reception::Dropped).then_some(())
}

pub(super) fn contains(networks: &[ipnet::IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// One connection without TLS.
async fn serve_plain<S>(mut arrival: Box<Arrival<S>>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if Box::pin(receive(&mut arrival, &shared)).await.is_some() {
        serve(arrival, shared).await;
    }
}

/// One connection that begins with a TLS handshake.
async fn serve_tls<S>(mut arrival: Box<Arrival<S>>, acceptor: TlsAcceptor, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if Box::pin(receive(&mut arrival, &shared)).await.is_none() {
        return;
    }
    let Arrival {
        stream,
        guest,
        began,
    } = *arrival;
    // Who is not through when the server begins to stop has nothing to lose. Who comes later is only told so,
    // and holds up the stop no longer than who takes leave.
    let is_stopping = shared.roster.stopping().is_cancelled();
    let limits = &shared.config().limits;
    let limit_s = if is_stopping {
        limits.close_s.min(limits.tls_handshake_s)
    } else {
        limits.tls_handshake_s
    };
    // Boxed for the same reason as HTTP.
    let handshake = Box::pin(timeout(seconds(limit_s), acceptor.accept(stream)));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        () = shared.roster.stopping().cancelled(), if !is_stopping => return,
    };
    match outcome {
        Ok(Ok(stream)) => {
            let arrival = Arrival {
                stream,
                guest,
                began,
            };
            serve(Box::new(arrival), shared).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

/// One connection from its first request to its last byte.
async fn serve<S>(arrival: Box<Arrival<S>>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Arrival {
        stream,
        guest,
        began,
    } = *arrival;
    // Boxed, so that what HTTP needs is not part of the task for the life of the WebSocket.
    let Some(upgraded) = Box::pin(http::converse(stream, guest, began, &shared)).await else {
        return;
    };
    let connect = Step::Connect {
        dialect: upgraded.dialect,
        is_tls: shared.rules.credentials.is_tls(),
    };
    shared.rules.hub.telemetry.done(connect, upgraded.began);
    let rules = Arc::clone(&shared.rules);
    drop(shared);
    let (begun, place) = upgraded.begin();
    connection::run(begun, rules).await;
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::Server;
    use std::net::Ipv4Addr;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;
    use tokio::net::TcpListener;

    /// A client that was gone right after its request: nothing can be written to it.
    struct Gone(&'static [u8]);

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let request = std::mem::take(&mut self.0);
            if request.is_empty() {
                return Poll::Pending;
            }
            buffer.put_slice(request);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What a plain connection's task takes, before it has anything to remember.
    const TASK_MAX_BYTES: usize = 296;

    fn here() -> Config {
        Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            ..Config::default()
        }
    }

    /// Everybody who is connected costs this much before anything else.
    #[tokio::test]
    async fn a_plain_connection_has_no_room_for_tls() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let there = listener.local_addr().unwrap();
        let stream = tokio::net::TcpStream::connect(there).await.unwrap();
        let server = Server::bind(here()).await.unwrap();
        let shared = Arc::clone(server.shared());
        let guest = Guest::new(there.ip(), shared.door.visit().await);
        let task = serve_plain(
            Box::new(Arrival {
                stream,
                guest,
                began: None,
            }),
            shared,
        );
        let bytes = size_of_val(&task);
        assert!(bytes <= TASK_MAX_BYTES, "{bytes} bytes");
    }

    #[tokio::test]
    async fn an_upgrade_whose_answer_cannot_be_sent_gives_its_seat_back() {
        let server = Server::bind(here()).await.unwrap();
        let shared = server.shared();
        let client = Gone(
            b"GET /v1/ws HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let guest = Guest::new([192, 0, 2, 1].into(), shared.door.visit().await);
        let arrival = Box::new(Arrival {
            stream: client,
            guest,
            began: None,
        });
        let served = serve_plain(arrival, Arc::clone(shared));
        let limit = Duration::from_secs(20);
        timeout(limit, served).await.expect("it ends");
        assert_eq!(server.census()().connections, 0);
        assert_eq!(shared.door.addresses_len(), 0);
    }
}
