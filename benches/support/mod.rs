//! What benches share.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod ratios;

/// Whether cargo only wants to see that the bench runs.
pub fn is_test_run() -> bool {
    std::env::args().any(|argument| argument == "--test")
}
