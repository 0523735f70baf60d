//! Any text as a v1 message: read within the contract's bounds, or refused by one of its codes.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::wire::{BOUNDS, assert_within_bounds, v1_message};
use whisperchat::dialect::{Outgoing, v1};

fuzz_target!(|text: &str| {
    match v1::decode(text, &BOUNDS) {
        Ok(message) => assert_within_bounds(&message),
        Err(error) => {
            let mut out = Vec::new();
            v1::encode(Outgoing::Error(&error), &mut out);
            v1_message(std::str::from_utf8(&out).expect("frames are UTF-8"));
        }
    }
});
