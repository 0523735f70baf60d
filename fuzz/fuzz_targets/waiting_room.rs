//! Any sequence of arrivals, departures, moves and searches, against a list of everybody.
#![no_main]

mod draw;
#[path = "../../tests/reference/mod.rs"]
mod reference;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use reference::room::{Operation, RoomPair, Wish};

/// Enough for a tree that splits and empties again; more only makes each input slower.
const OPERATIONS_MAX: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut pair = RoomPair::default();
    for _ in 0..OPERATIONS_MAX {
        if bytes.is_empty() {
            break;
        }
        let Ok(operation) = operation(&mut bytes) else {
            break;
        };
        pair.apply(&operation);
        pair.assert_alike();
    }
});

fn operation(bytes: &mut Unstructured) -> Result<Operation> {
    Ok(match bytes.int_in_range(0..=9)? {
        0..=4 => Operation::Insert {
            at: draw::place(bytes)?,
            range: wish(bytes)?,
        },
        5 => Operation::Remove {
            index: draw::index(bytes)?,
        },
        6 => Operation::RemoveAgain,
        7 => Operation::Change {
            index: draw::index(bytes)?,
            at: draw::place(bytes)?,
            range: wish(bytes)?,
        },
        _ => Operation::Seek {
            at: draw::place(bytes)?,
            range: wish(bytes)?,
            refused: bytes.arbitrary()?,
        },
    })
}

fn wish(bytes: &mut Unstructured) -> Result<Wish> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Wish::JustTo(draw::index(bytes)?),
        1 => Wish::JustShortOf(draw::index(bytes)?),
        _ => Wish::Km(draw::range_km(bytes)?),
    })
}
