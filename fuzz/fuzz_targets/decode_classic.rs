//! Any text as the classic app's `bind`: read within bounds and repeated in a form that the app decodes, or
//! refused by a reason that fits a close frame.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::wire::{BOUNDS, assert_names, classic_frame};
use whisperchat::dialect::{Dialect, Outgoing, Speaker, Spoken, classic};

/// RFC 6455, section 5.5: 125 bytes, of which the code takes two.
const REASON_MAX_BYTES: usize = 123;

fuzz_target!(|text: &str| {
    let is_bind = classic::is_bind(text);
    match classic::decode(text) {
        Err(reason) => assert!(
            !reason.is_empty() && reason.len() <= REASON_MAX_BYTES,
            "{reason}"
        ),
        Ok(bind) => {
            assert!(is_bind);
            let join = bind.join(&BOUNDS);
            assert!((BOUNDS.range_min_km..=BOUNDS.range_max_km).contains(&join.range.km()));
            assert_names(join.profile.name.as_ref(), &join.profile.interests);
            let mut speaker = Speaker::new(Dialect::Classic);
            if let Speaker::Classic(speaker) = &mut speaker {
                speaker.bound(bind);
            }
            let mut out = Vec::new();
            let accepted = Outgoing::Accepted {
                id: None,
                seq: 1,
                text: Some(text),
            };
            assert_eq!(speaker.speak(accepted, &mut out), Spoken::Frame);
            let frame = classic_frame(std::str::from_utf8(&out).expect("frames are UTF-8"));
            assert_eq!(frame.body, text);
            let (lat, lon, _) = frame.standing();
            assert_eq!(
                (lat, lon),
                (join.position.lat_deg(), join.position.lon_deg())
            );
        }
    }
});
