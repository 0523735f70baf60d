//! Who may do how much: connections and upgrades per address and for the whole server, messages per session.
//!
//! - `addresses`: what is kept for each address, in tables with a bound
//! - `door`: room for connections, and what becomes of who comes
//! - `conduct`: what a connection may do, in a few numbers
//! - `refusals`: how often which limit was reached, for logs and metrics

mod addresses;
mod conduct;
mod door;
mod refusals;

#[doc(hidden)]
pub use addresses::Addresses;
pub(super) use addresses::Network;
pub(super) use conduct::{Conduct, Deed, SessionLimits};
pub(super) use door::{Door, Guest, Reception, Turned, Visit};
pub use refusals::{Limit, Refusals};
