//! The thin shell around the rooms: sockets, HTTP, WebSocket frames, and nothing of the rules of matching.
//!
//! - `listener`: where connections come from
//! - `inherited`: sockets that a service manager passes on
//! - `tls`, `credentials`: the certificate and its key, and whether the files have changed
//! - `auth`, `expiry`: tokens of clients, and connections that end when their tokens do
//! - `reload`: new settings while the server runs
//! - `listen`: listening, how many there may be, and the stop
//! - `accept`: accepting, and serving each connection from its first byte to its last
//! - `proxy`: who it is that a proxy speaks for
//! - `http`: routes, the rules of the upgrade
//! - `page`: the page
//! - `embedded`: files that are part of the program, as they are sent
//! - `gate`: which frames a client may send, decided from their headers
//! - `frames`: whole frames through `fastwebsockets`, in memory
//! - `text`: text that is not all there yet, checked for UTF-8
//! - `connection`: one task for each connection
//! - `limits`: who may do how much, per address, per session and for the whole server
//! - `outbox`: what waits to be sent to a connection, bounded
//! - `liveness`: pings, and who does not answer them
//! - `stalls`: who takes nothing of what is sent to them
//! - `hub`: the lobby behind its lock, and the chats
//! - `message_check`: a service that is asked about messages before they are passed on
//! - `safety`: guest passes, bans and reports
//! - `webhook`: who is told of reports
//! - `admin`: the operators' listener and their board
//! - `duty`: whether people are taken in, sent away, or the server stops
//! - `store`: what must outlast the process, and the end of it
//! - `metrics`: what is counted, and how many ends of connections are logged
//! - `outbound`: requests to the servers of others
//! - `telemetry`: spans for a collector
//! - `log`: lines on standard error, at a level that can change
//! - `simulated`: all but the sockets, for simulations
//!
//! Nothing outside this module knows `hyper` or `fastwebsockets`.

mod accept;
mod admin;
mod auth;
mod connection;
mod credentials;
mod duty;
mod embedded;
mod expiry;
mod frames;
mod gate;
mod http;
mod hub;
mod inherited;
mod limits;
mod listen;
mod listener;
mod liveness;
pub mod log;
mod message_check;
mod metrics;
mod outbound;
mod outbox;
mod page;
mod proxy;
mod reload;
mod safety;
#[doc(hidden)]
pub mod simulated;
mod stalls;
mod store;
mod telemetry;
mod text;
mod tls;
mod webhook;

pub use auth::AuthError;
pub use inherited::{Inherited, InheritedError};
#[doc(hidden)]
pub use limits::Addresses;
pub use limits::{Limit, Refusals};
pub use listen::{Census, Server, ServerError};
pub use listener::Listener;
pub use reload::Reloader;
#[doc(hidden)]
pub use safety::Bans;
pub use tls::TlsError;
