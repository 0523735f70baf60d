//! Sockets that a service manager has made, and passes on to each server that it starts: systemd's socket
//! activation, `sd_listen_fds(3)`. They stay while one server follows another, so nobody is refused meanwhile.

use super::listen::ServerError;
use listenfd::ListenFd;
use std::io;
use std::net::TcpListener;

/// What the socket for operators is called (`FileDescriptorName=`). Any other is for people.
const OPERATORS: &str = "operators";

/// The sockets that were passed on to this process, if any.
#[derive(Debug, Default)]
pub struct Inherited {
    pub(super) people: Option<TcpListener>,
    pub(super) operators: Option<TcpListener>,
}

/// Why the sockets that were passed on can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// One of them does not accept connections, or was closed.
    #[error("the socket {name:?} that was passed on can't be listened on: {cause}")]
    NotAListener {
        /// What the service manager calls it.
        name: String,
        /// Why.
        cause: io::Error,
    },
    /// There is more than one of a kind.
    #[error(
        "the socket {name:?} that was passed on is one too many: one for people and one called \
         {OPERATORS:?} are allowed"
    )]
    TooMany {
        /// What the service manager calls it.
        name: String,
    },
}

impl Inherited {
    /// Takes what the environment (`LISTEN_FDS`) says was passed on, once: it is removed from there. Must be
    /// called before there are other threads.
    ///
    /// # Errors
    /// [`InheritedError`] if something was passed on that can't be used.
    pub fn from_env() -> Result<Self, InheritedError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut passed_on = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..passed_on.len() {
            let name = names.next().unwrap_or_default();
            let listener = match passed_on.take_tcp_listener(index) {
                Ok(Some(listener)) => listener,
                Ok(None) => continue,
                Err(cause) => return Err(InheritedError::NotAListener { name, cause }),
            };
            let place = match name.as_str() {
                OPERATORS => &mut inherited.operators,
                _ => &mut inherited.people,
            };
            if place.replace(listener).is_some() {
                return Err(InheritedError::TooMany { name });
            }
        }
        Ok(inherited)
    }
}

/// Takes over a socket that listens already.
pub(super) fn adopt(passed_on: TcpListener) -> Result<tokio::net::TcpListener, ServerError> {
    passed_on
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(passed_on))
        .map_err(ServerError::PassedOn)
}
