//! What the benches of the server share, as far as it is of use here.

#![allow(dead_code, reason = "not all of it is")]

#[path = "../../../support/client.rs"]
pub(crate) mod client;
#[path = "../../../support/link.rs"]
pub(crate) mod link;

use std::path::{Path, PathBuf};

/// Whether this run only shows that everything works.
pub(crate) fn is_test_run() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Where cargo builds the server, and benches keep the rooms that they have filled.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target"),
        PathBuf::from,
    )
}

/// The median; 0 if there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count.is_multiple_of(2) => f64::midpoint(values[count / 2 - 1], values[count / 2]),
        count => values[count / 2],
    }
}
