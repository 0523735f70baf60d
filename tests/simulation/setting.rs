//! What a world is drawn from: its configuration, its places, and the habits of its people.

use geographiclib_rs::{Geodesic, InverseGeodesic as _};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::LazyLock;
use whisperchat::config::Config;

pub(crate) type Random = Xoshiro256PlusPlus;

/// One generator for each purpose, so that leaving out a client leaves the others as they were.
pub(crate) fn random(seed: u64, purpose: u64) -> Random {
    Random::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose)
}

/// Where people gather: cities, both sides of the date line, both poles.
const GATHERINGS_DEG: [(f64, f64); 6] = [
    (48.86, 2.35),
    (51.51, -0.13),
    (-16.8, 179.99),
    (-16.8, -179.99),
    (89.97, 20.0),
    (-89.98, -100.0),
];

/// The world of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) config: Config,
    pub(crate) clients: usize,
    /// How long people do things.
    pub(crate) busy_ms: u64,
    pub(crate) places: Vec<(f64, f64)>,
    /// How often something goes wrong, from 0 to 1.
    pub(crate) trouble: f64,
    pub(crate) drain_at_ms: Option<u64>,
    pub(crate) jump_at_ms: Option<u64>,
}

impl Setting {
    pub(crate) fn draw(seed: u64) -> Self {
        let random = &mut random(seed, 1);
        let clients = match random.random_range(0..100) {
            0..60 => random.random_range(2..12),
            60..97 => random.random_range(12..48),
            _ => random.random_range(48..220),
        };
        let busy_ms = if clients < 48 { 120_000 } else { 40_000 };
        let count = random.random_range(1..=3);
        let places = GATHERINGS_DEG.sample(random, count);
        Self {
            config: config(random),
            clients,
            busy_ms: random.random_range(busy_ms / 4..=busy_ms),
            places: places.copied().collect(),
            trouble: *pick(random, &[0.0, 0.3, 1.0, 1.0]),
            drain_at_ms: random
                .random_bool(0.1)
                .then(|| random.random_range(5_000..busy_ms)),
            jump_at_ms: random
                .random_bool(0.15)
                .then(|| random.random_range(5_000..busy_ms)),
        }
    }
}

fn config(random: &mut Random) -> Config {
    let mut config = Config::default();
    config.privacy.position_grid_km = *pick(random, &[0.0, 1.0, 1.0, 10.0]);
    config.privacy.min_range_km = *pick(random, &[0.1, 2.0]);
    let matching = &mut config.matching;
    matching.rematch_cooloff_s = *pick(random, &[0.0, 2.0, 20.0, 600.0]);
    matching.widen_step_s = *pick(random, &[0.0, 1.0, 3.0, 10.0]);
    matching.widen_factor = *pick(random, &[1.5, 2.0, 10.0]);
    matching.heard_within_s = *pick(random, &[0.0, 0.5, 2.0]);
    matching.confirm_s = *pick(random, &[0.5, 3.0]);
    matching.max_wait_s = *pick(random, &[15.0, 86_400.0]);
    let limits = &mut config.limits;
    limits.first_message_s = *pick(random, &[3.0, 10.0]);
    limits.outbox_bytes = *pick(random, &[16_384, 65_536]);
    limits.outbox_events = *pick(random, &[16, 256]);
    (limits.ping_s, limits.pong_s) = *pick(random, &[(5, 2), (25, 8)]);
    limits.resume_window_s = *pick(random, &[0, 5, 20, 60]);
    limits.max_away = *pick(random, &[2, 100_000, 100_000]);
    limits.drain_s = *pick(random, &[1.0, 5.0]);
    limits.moves_burst = *pick(random, &[1, 5]);
    config
}

pub(crate) fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

static EARTH: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// The distance along the WGS-84 ellipsoid.
pub(crate) fn geodesic_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    if a == b {
        return 0.0;
    }
    EARTH.inverse(a.0, a.1, b.0, b.1)
}

/// The middle of a position's cell, by the rule in the documentation of the grid: bands of latitude one cell
/// high, each cut into as many cells as fit the parallel in its middle, from the date line eastwards.
pub(crate) fn snapped(grid_km: f64, (lat, lon): (f64, f64)) -> (f64, f64) {
    if grid_km == 0.0 {
        return (lat, lon);
    }
    let half_meridian_km = geodesic_m((-90.0, 0.0), (90.0, 0.0)) / 1000.0;
    let bands = (half_meridian_km / grid_km).round();
    let band = ((lat + 90.0) / 180.0 * bands).floor().min(bands - 1.0);
    let from_pole = (band + 0.5) / bands * std::f64::consts::PI;
    let columns = (2.0 * from_pole.sin() * bands).round().max(1.0);
    let lon = if lon >= 180.0 { -180.0 } else { lon };
    let column = ((lon + 180.0) / 360.0 * columns).floor().min(columns - 1.0);
    let middle = |index: f64, of: f64| (index + 0.5) / of;
    (
        middle(band, bands) * 180.0 - 90.0,
        middle(column, columns) * 360.0 - 180.0,
    )
}
