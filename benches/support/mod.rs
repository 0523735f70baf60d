//! What benches share.
//!
//! - `ratios`: between contenders of one run of criterion
//! - `program`: a server in a process of its own, and what the system says of it
//! - `client`: a WebSocket client with no more than a load needs
//! - `link`: the same for loads of thousands that talk at once
//! - `echo`: the rival of the server, a bare echo
//! - `places`: where clients are who must meet only whom they should

#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod client;
pub(crate) mod echo;
pub(crate) mod link;
pub(crate) mod places;
pub(crate) mod program;
pub(crate) mod ratios;

use std::path::{Path, PathBuf};

/// Whether cargo only wants to see that the bench runs.
pub(crate) fn is_test_run() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// The median, of an odd or even number of values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing has no median");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

/// Where cargo builds, and benches keep what they measured.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    )
}
