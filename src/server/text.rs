//! Text that is not all there yet, refused as soon as it can't become UTF-8 any more.

use super::gate::{Violation, begun_text};
use crate::dialect::CloseCode;

/// Bytes of a character that can come before its last one.
const CHAR_BEGUN_MAX_BYTES: usize = 3;

/// What a client is told whose text is not UTF-8.
pub(super) const NOT_UTF8: Violation = Violation {
    code: CloseCode::InvalidUtf8,
    reason: "text must be UTF-8",
};

/// Checks the fragments of a message so far, of which the first `known_bytes` have been checked before.
pub(super) fn check_fragments(fragments: &[u8], known_bytes: usize) -> Result<(), Violation> {
    // Whatever was known ends with at most one character that is not all there.
    let unsure = known_bytes.saturating_sub(CHAR_BEGUN_MAX_BYTES)..known_bytes;
    let start = unsure
        .into_iter()
        .find(|at| !is_continuation(fragments[*at]));
    match str::from_utf8(&fragments[start.unwrap_or(known_bytes)..]) {
        Err(error) if error.error_len().is_some() => Err(NOT_UTF8),
        _ => Ok(()),
    }
}

/// Checks what is there of a frame that the gate has not refused. `fragments` come before it in its message,
/// and its first `known_bytes`, the header included, have been checked before. Costs what is new.
pub(super) fn check_begun_frame(
    frame: &[u8],
    known_bytes: usize,
    fragments: &[u8],
) -> Result<(), Violation> {
    let Some((mask, payload)) = begun_text(frame) else {
        return Ok(());
    };
    let known = known_bytes.saturating_sub(frame.len() - payload.len());
    let start = known.saturating_sub(CHAR_BEGUN_MAX_BYTES);
    let before = if start == 0 { last(fragments) } else { &[] };
    let unmasked = payload.iter().zip(mask.iter().cycle());
    let text: Vec<u8> = before
        .iter()
        .copied()
        .chain(unmasked.skip(start).map(|(byte, mask)| byte ^ mask))
        .collect();
    check_fragments(&text, before.len() + known - start)
}

fn last(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(CHAR_BEGUN_MAX_BYTES)..]
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether bytes are the beginning of some text.
    fn can_become_text(bytes: &[u8]) -> bool {
        str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
    }

    /// Text, sometimes spoilt at one place.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        (
            "[aé€𐍈]{0,12}",
            any::<prop::sample::Index>(),
            prop::option::of(any::<u8>()),
        )
            .prop_map(|(text, at, spoilt)| {
                let mut bytes = text.into_bytes();
                if let (Some(byte), false) = (spoilt, bytes.is_empty()) {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            })
    }

    fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let mut frame = vec![first, 0x80 | payload.len() as u8];
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    proptest! {
        #[test]
        fn fragments_are_refused_with_the_byte_that_spoils_them(
            bytes in nearly_text(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let mut known = 0;
            for end in ends {
                let is_good = check_fragments(&bytes[..end], known).is_ok();
                prop_assert_eq!(is_good, can_become_text(&bytes[..end]), "{:?} at {}", bytes, end);
                if !is_good {
                    break;
                }
                known = end;
            }
        }

        #[test]
        fn a_frame_is_refused_with_the_byte_that_spoils_its_message(
            bytes in nearly_text(),
            cut in any::<prop::sample::Index>(),
            step in 1..9_usize,
        ) {
            let (fragments, payload) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assume!(can_become_text(fragments));
            let frame = masked_frame(0x80, payload);
            let mut known = 0;
            for end in (0..=frame.len()).step_by(step) {
                let is_good = check_begun_frame(&frame[..end], known, fragments).is_ok();
                let seen = fragments.len() + end.saturating_sub(6);
                prop_assert_eq!(is_good, can_become_text(&bytes[..seen]), "{:?} at {}", bytes, end);
                if !is_good {
                    break;
                }
                known = end;
            }
        }
    }

    #[test]
    fn only_messages_are_looked_at() {
        for control in [0x88, 0x89, 0x8A] {
            let frame = masked_frame(control, b"\xFF\xFF");
            assert_eq!(check_begun_frame(&frame[..7], 0, b""), Ok(()));
        }
    }
}
