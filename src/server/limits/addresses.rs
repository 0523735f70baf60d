//! What is kept for each address: how many connections it has, and how often it has connected.

use crate::config::{Config, Rate};
use crate::private::Private;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;

/// How often those are forgotten who have not connected for so long that it makes no difference.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// How often at most, when the table is full.
const SWEEP_EVERY_FULL: Duration = Duration::from_secs(1);

/// Who is counted together: one IPv4 address, or the 2⁶⁴ of an IPv6 network of 64 bits, which is the least
/// that anybody is given (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::server) struct Network(Private<u64>);

impl Network {
    /// Of connections that come from nowhere, in simulations.
    pub(in crate::server) const NOWHERE: Self = Self(Private::new(0));

    pub(in crate::server) fn of(address: IpAddr) -> Self {
        Self(Private::new(match address.to_canonical() {
            // No network of ::/32 is anybody's, so this is not taken for another.
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        }))
    }

    /// The address, or the first of those 2⁶⁴.
    pub(in crate::server) fn address(self) -> IpAddr {
        match u32::try_from(*self.0) {
            Ok(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Err(_) => IpAddr::V6(Ipv6Addr::from_bits(u128::from(*self.0) << 64)),
        }
    }

    /// The addresses around it that are likely to be of one provider, one household or one attacker: 256 of IPv4, a
    /// network of 48 bits of IPv6.
    pub(in crate::server) fn range(self) -> IpNet {
        let address = self.address();
        // Shorter than an address of its kind, so it is a range.
        let length = if address.is_ipv4() { 24 } else { 48 };
        IpNet::new_assert(address, length).trunc()
    }
}

/// The runtime's time, which tests can hold.
#[derive(Debug, Clone)]
pub(super) struct RuntimeClock {
    start: Instant,
}

impl RuntimeClock {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for RuntimeClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// How much an address has used of its rate, for a bounded number of them. Those who do not fit are as good
/// as new: if so many come, no limit of each of them would help, and the one of the whole server does.
#[derive(Debug)]
struct Remembered {
    max: usize,
    used: Mutex<HashMap<Network, Nanos>>,
}

impl StateStore for Remembered {
    type Key = Network;

    fn measure_and_replace<T, F, E>(&self, key: &Network, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut used = self.used.lock();
        let is_full = used.len() >= self.max;
        match used.entry(*key) {
            Entry::Occupied(mut entry) => {
                let (outcome, after) = decide(Some(*entry.get()))?;
                entry.insert(after);
                Ok(outcome)
            }
            Entry::Vacant(entry) => {
                let (outcome, after) = decide(None)?;
                if !is_full {
                    entry.insert(after);
                }
                Ok(outcome)
            }
        }
    }
}

impl ShrinkableKeyedStateStore<Network> for Remembered {
    fn retain_recent(&self, drop_below: Nanos) {
        self.used.lock().retain(|_, used| *used > drop_below);
    }

    fn shrink_to_fit(&self) {
        let mut used = self.used.lock();
        if used.len() < used.capacity() / 4 {
            used.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.used.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.used.lock().is_empty()
    }
}

type Limiter = RateLimiter<Network, Remembered, RuntimeClock, NoOpMiddleware<Duration>>;

/// Which addresses are limited, and how often each has connected of late.
#[derive(Debug)]
pub struct Addresses {
    exempt: Vec<IpNet>,
    rate: Option<Limiter>,
    remembered_max: usize,
    swept_at: Mutex<Duration>,
}

impl Addresses {
    /// Nobody has connected yet.
    pub fn new(config: &Config) -> Self {
        let remembered_max = config.limits.max_addresses;
        Self {
            exempt: config.rates.exempt.clone(),
            rate: quota(config.rates.address).map(|quota| {
                let remembered = Remembered {
                    max: remembered_max,
                    used: Mutex::default(),
                };
                RateLimiter::new(quota, remembered, RuntimeClock::new())
            }),
            remembered_max,
            swept_at: Mutex::default(),
        }
    }

    /// Whom this address is counted with; `None` if nothing that it does is.
    pub(super) fn network(&self, address: IpAddr) -> Option<Network> {
        let address = address.to_canonical();
        let is_exempt = self.exempt.iter().any(|exempt| exempt.contains(&address));
        (!is_exempt).then(|| Network::of(address))
    }

    /// One more upgrade, if it is allowed; otherwise, after how long it would be.
    pub(super) fn upgrade(&self, network: Network) -> Result<(), Duration> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        self.sweep(rate);
        rate.check_key(&network)
            .map_err(|not_until| not_until.wait_time_from(rate.clock().now()))
    }

    /// An address upgrades, as far as it is limited. Returns whether it may.
    #[doc(hidden)]
    pub fn admits(&self, address: IpAddr) -> bool {
        self.network(address)
            .is_none_or(|network| self.upgrade(network).is_ok())
    }

    /// Of how many addresses it is remembered how often they have connected.
    #[doc(hidden)]
    pub fn remembered(&self) -> usize {
        self.rate.as_ref().map_or(0, RateLimiter::len)
    }

    /// Forgets who need not be remembered, if it is time for that. O(addresses).
    fn sweep(&self, rate: &Limiter) {
        let pause = if rate.len() < self.remembered_max {
            SWEEP_EVERY
        } else {
            SWEEP_EVERY_FULL
        };
        let mut swept_at = self.swept_at.lock();
        let now = rate.clock().now();
        if now < *swept_at + pause {
            return;
        }
        *swept_at = now;
        drop(swept_at);
        rate.retain_recent();
        rate.shrink_to_fit();
    }
}

/// How many connections each address has. It is there as long as they are, so descriptors bound it.
#[derive(Debug, Default)]
pub(super) struct Live(Mutex<HashMap<Network, u32>>);

impl Live {
    /// One more connection. Returns how many it has now.
    pub(super) fn enter(&self, network: Network) -> u32 {
        let mut live = self.0.lock();
        let count = live.entry(network).or_default();
        *count += 1;
        *count
    }

    /// One connection less.
    pub(super) fn leave(&self, network: Network) {
        let mut live = self.0.lock();
        if let Entry::Occupied(mut entry) = live.entry(network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        if live.is_empty() {
            live.shrink_to(1024);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The rate as `governor` knows it; `None` if there is none.
pub(super) fn quota(rate: Rate) -> Option<Quota> {
    let burst = NonZeroU32::new(rate.burst)?;
    Some(Quota::with_period(rate.cost()?)?.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_network_is_read_back_and_has_a_range_around_it() {
        for (address, first, range) in [
            ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3::9", "2001:db8:1:2::", "2001:db8:1::/48"),
        ] {
            let network = Network::of(address.parse().unwrap());
            assert_eq!(network.address(), first.parse::<IpAddr>().unwrap());
            assert_eq!(network.range().to_string(), range);
        }
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0B00_0000 + number).into()
    }

    fn addresses(change: impl FnOnce(&mut Config)) -> Addresses {
        let mut config = Config::default();
        change(&mut config);
        Addresses::new(&config)
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address_and_loopback_is_none() {
        let addresses = addresses(|_| {});
        let network = |text: &str| addresses.network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        for exempt in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(network(exempt), None, "{exempt}");
        }
        let shown = format!("{:?}", network("192.0.2.1"));
        assert_eq!(shown, "Some(Network(Private(..)))");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_burst_and_then_its_rate() {
        let addresses = addresses(|_| {});
        for _ in 0..32 {
            assert!(addresses.admits(address(1)));
        }
        let network = addresses.network(address(1)).unwrap();
        let wait = addresses.upgrade(network).unwrap_err();
        assert_eq!(wait.as_secs_f64().round(), 19.0, "32 in 10 minutes");
        assert!(addresses.admits(address(2)));
        tokio::time::advance(wait).await;
        assert!(addresses.admits(address(1)));
        assert!(!addresses.admits(address(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_beyond_the_bound_are_not_remembered_and_old_ones_are_forgotten() {
        let addresses = addresses(|config| {
            config.limits.max_addresses = 10;
            config.rates.address.burst = 1;
        });
        for number in 0..100 {
            assert!(addresses.admits(address(number)));
        }
        assert_eq!(addresses.remembered(), 10);
        assert!(!addresses.admits(address(0)), "who was first is remembered");
        assert!(addresses.admits(address(99)), "who did not fit is not");
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(addresses.admits(address(99)));
        assert_eq!(addresses.remembered(), 1, "the others may connect again");
    }

    #[test]
    fn connections_are_counted_while_they_are_there() {
        let (addresses, live) = (addresses(|_| {}), Live::default());
        let v6 = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let [one, other] = [address(1), v6].map(|address| addresses.network(address).unwrap());
        assert_eq!(
            [one, one, one, other].map(|it| live.enter(it)),
            [1, 2, 3, 1]
        );
        live.leave(one);
        live.leave(other);
        assert_eq!([one, other].map(|it| live.enter(it)), [3, 1]);
        for network in [one, one, one, other] {
            live.leave(network);
        }
        assert_eq!(live.len(), 0);
    }
}
