//! What is remembered of addresses, counted by the allocator. Alone in its process, so that nothing else is.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::net::{IpAddr, Ipv6Addr};
use whisperchat::config::Config;
use whisperchat::server::Addresses;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As docs/configuration.md says.
const BYTES_EACH: usize = 64;

#[test]
fn a_million_addresses_cost_what_the_bound_says_and_no_more() {
    let config = Config::default();
    let region = Region::new(ALLOCATOR);
    let addresses = Addresses::new(&config);
    let mut kept_max = 0;
    for number in 0..1_000_000_u64 {
        let network = 0x2001_0db8_0000_0000 + number;
        let address = Ipv6Addr::from_bits(u128::from(network) << 64 | 1);
        assert!(
            addresses.admits(IpAddr::V6(address)),
            "the first is allowed"
        );
        if number % 1000 == 0 {
            let change = region.change();
            kept_max = kept_max.max(change.bytes_allocated - change.bytes_deallocated);
        }
    }
    assert_eq!(addresses.remembered(), config.limits.max_addresses);
    let allowed = BYTES_EACH * config.limits.max_addresses;
    println!("at most {kept_max} bytes at once, allowed are {allowed}");
    assert!(
        kept_max <= allowed,
        "{kept_max} bytes, allowed are {allowed}"
    );
    let kept = region.change();
    assert!(
        kept.bytes_allocated - kept.bytes_deallocated > 1_000_000,
        "it is counted"
    );
}
