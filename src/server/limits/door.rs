//! Room for connections, and what becomes of who comes.

use super::addresses::{Addresses, Live, Network, RuntimeClock, quota};
use super::{Limit, Refusals};
use crate::config::Config;
use crate::private::Private;
use arc_swap::ArcSwap;
use governor::RateLimiter;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// After how long an address that has too many connections may try again.
const RETRY_CONNECTIONS: Duration = Duration::from_secs(5);

/// All who come go through it.
#[derive(Debug)]
pub(in crate::server) struct Door {
    /// One permit for each connection.
    room: Semaphore,
    live: Live,
    /// In one piece, so that new settings put new ones in their place.
    terms: ArcSwap<Terms>,
    refusals: Arc<Refusals>,
}

/// What the limits are, and what was used of them of late.
#[derive(Debug)]
struct Terms {
    addresses: Addresses,
    /// How many connections an address may have; 0: any number.
    live_max: u32,
    node: Option<RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Duration>>>,
    is_live_dry_run: bool,
    is_address_dry_run: bool,
    is_node_dry_run: bool,
}

impl Terms {
    fn new(config: &Config) -> Self {
        let node = quota(config.rates.node)
            .map(|quota| RateLimiter::new(quota, InMemoryState::default(), RuntimeClock::new()));
        Self {
            addresses: Addresses::new(config),
            live_max: config.limits.address_connections,
            node,
            is_live_dry_run: config.limits.address_connections_dry_run,
            is_address_dry_run: config.rates.address.dry_run,
            is_node_dry_run: config.rates.node.dry_run,
        }
    }

    /// What becomes of an address's connection of this number, dry runs aside.
    fn reception(&self, number: u32) -> Reception {
        match self.live_max {
            0 => Reception::Welcome,
            max if number <= max => Reception::Welcome,
            // Who reads the answer knows why; who does not costs no more than this.
            max if number <= max.saturating_mul(2) => Reception::Refused,
            _ => Reception::Dropped,
        }
    }
}

/// Room for one connection, as long as it is held.
#[derive(Debug)]
pub(in crate::server) struct Visit {
    door: Arc<Door>,
    /// Whom it counts for, if anybody.
    network: Option<Network>,
}

/// Who has come, as far as that is known, and what becomes of them.
#[derive(Debug)]
pub(in crate::server) struct Guest {
    address: Private<IpAddr>,
    visit: Visit,
    reception: Reception,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Reception {
    /// It is served.
    Welcome,
    /// Each of its requests is refused.
    Refused,
    /// It is dropped without a word.
    Dropped,
}

/// Why there is no WebSocket, and after how long there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Turned {
    /// The address has too many connections, or has made too many of late.
    Address(Duration),
    /// Too many come at once.
    Node(Duration),
}

impl Turned {
    /// Because of too many connections at once.
    pub(in crate::server) fn crowded() -> Self {
        Self::Address(RETRY_CONNECTIONS)
    }
}

impl Door {
    /// With room for so many connections.
    pub(in crate::server) fn new(
        config: &Config,
        connections: usize,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self {
            room: Semaphore::new(connections),
            live: Live::default(),
            terms: ArcSwap::from_pointee(Terms::new(config)),
            refusals,
        }
    }

    /// Puts new settings in force. If they are others than before, what was used of the rates is forgotten.
    pub(in crate::server) fn reconfigure(&self, before: &Config, config: &Config) {
        let relevant = |config: &Config| {
            let limits = &config.limits;
            (
                config.rates.clone(),
                limits.address_connections,
                limits.address_connections_dry_run,
                limits.max_addresses,
            )
        };
        if relevant(before) != relevant(config) {
            self.terms.store(Arc::new(Terms::new(config)));
        }
    }

    /// How many addresses have connections, as far as they are counted.
    #[cfg(test)]
    pub(in crate::server) fn addresses_len(&self) -> usize {
        self.live.len()
    }

    fn is_refused(&self, limit: Limit, is_dry_run: bool) -> bool {
        self.refusals.is_refused(limit, is_dry_run)
    }

    /// Waits until there is room for one more.
    pub(in crate::server) async fn visit(self: &Arc<Self>) -> Visit {
        let permit = self.room.acquire().await;
        permit.expect("the door is never closed").forget();
        Visit {
            door: Arc::clone(self),
            network: None,
        }
    }
}

impl Guest {
    /// Somebody from this address, who is not counted yet.
    pub(in crate::server) fn new(address: IpAddr, visit: Visit) -> Self {
        Self {
            address: Private::new(address),
            visit,
            reception: Reception::Welcome,
        }
    }

    pub(in crate::server) fn address(&self) -> IpAddr {
        *self.address
    }

    pub(in crate::server) fn reception(&self) -> Reception {
        self.reception
    }

    /// It is a proxy that comes for somebody else.
    pub(in crate::server) fn speaks_for(&mut self, address: IpAddr) {
        self.address = Private::new(address.to_canonical());
    }

    /// Counts the connection for its address, and decides what becomes of it.
    pub(in crate::server) fn enters(&mut self) {
        self.reception = self.visit.comes_from(*self.address);
    }

    /// It asks for a WebSocket, for itself or, if it is a proxy, for `requester`.
    pub(in crate::server) fn upgrade(&mut self, requester: IpAddr) -> Result<(), Turned> {
        if requester != *self.address {
            self.speaks_for(requester);
            self.enters();
        }
        if self.reception != Reception::Welcome {
            return Err(Turned::crowded());
        }
        self.visit.upgrade()
    }

    /// Whether each of its requests is refused.
    pub(in crate::server) fn is_refused(&self) -> bool {
        self.reception != Reception::Welcome
    }

    /// What is kept of it for as long as the connection lasts.
    pub(in crate::server) fn into_visit(self) -> Visit {
        self.visit
    }
}

impl Visit {
    /// Counts it for the address that it turned out to come from, and says what becomes of it.
    fn comes_from(&mut self, address: IpAddr) -> Reception {
        self.forget_network();
        let door = &self.door;
        let terms = door.terms.load();
        self.network = terms.addresses.network(address);
        let Some(network) = self.network else {
            return Reception::Welcome;
        };
        let reception = terms.reception(door.live.enter(network));
        let is_too_much = reception != Reception::Welcome;
        if is_too_much && door.is_refused(Limit::AddressConnections, terms.is_live_dry_run) {
            reception
        } else {
            Reception::Welcome
        }
    }

    /// Whether its session is held to limits.
    pub(in crate::server) fn is_limited(&self) -> bool {
        self.network.is_some()
    }

    /// It asks to become a WebSocket.
    fn upgrade(&self) -> Result<(), Turned> {
        let Some(network) = self.network else {
            return Ok(());
        };
        let door = &self.door;
        let terms = door.terms.load();
        if let Err(wait) = terms.addresses.upgrade(network)
            && door.is_refused(Limit::AddressRate, terms.is_address_dry_run)
        {
            return Err(Turned::Address(wait));
        }
        if let Some(node) = &terms.node
            && let Err(not_until) = node.check()
            && door.is_refused(Limit::NodeRate, terms.is_node_dry_run)
        {
            return Err(Turned::Node(not_until.wait_time_from(node.clock().now())));
        }
        Ok(())
    }

    fn forget_network(&mut self) {
        if let Some(network) = self.network.take() {
            self.door.live.leave(network);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.forget_network();
        self.door.room.add_permits(1);
    }
}
