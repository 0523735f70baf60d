//! Which frames a client may send, decided from their headers alone.
//!
//! RFC 6455 asks a server to refuse more than `fastwebsockets` does: frames without a mask, data frames in
//! the wrong place of a fragmented message, control frames over 125 bytes. And it reserves a frame's
//! claimed length before its bytes have come, and never limits a fragmented message. So headers are looked
//! at here first, and the library gets whole frames only.

use crate::dialect::CloseCode;

/// Payload bytes of the longest control frame (RFC 6455, section 5.5).
const CONTROL_MAX_BYTES: u64 = 125;

/// Frames and bytes after which the rest of what was read waits for its next turn. Far below what an outbox
/// holds, so that a burst from one client does not fill outboxes that are being emptied.
pub(super) const BATCH_MAX_FRAMES: usize = 64;
const BATCH_MAX_BYTES: usize = 8 * 1024;

/// A frame that is not allowed: the code to close with and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: CloseCode,
    pub(super) reason: &'static str,
}

const fn protocol(reason: &'static str) -> Violation {
    Violation {
        code: CloseCode::Protocol,
        reason,
    }
}

/// What the gate makes of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// How many bytes from the start are whole, allowed frames.
    pub(super) whole_bytes: usize,
    /// What is wrong with the frame after them, if that can be told already.
    pub(super) violation: Option<Violation>,
    /// Whether the frames after them have not been looked at, because these are enough at once.
    pub(super) is_more: bool,
}

/// Remembers between reads where in a fragmented message a connection is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    message_max_bytes: u32,
    /// Payload bytes of the fragmented message so far; `None` outside one. Never above the maximum.
    fragmented_bytes: Option<u32>,
}

/// A frame's header as far as the gate needs it.
struct Header {
    is_final: bool,
    opcode: u8,
    payload_bytes: u64,
    own_bytes: usize,
}

impl Gate {
    pub(super) fn new(message_max_bytes: usize) -> Self {
        Self {
            message_max_bytes: u32::try_from(message_max_bytes).unwrap_or(u32::MAX),
            fragmented_bytes: None,
        }
    }

    /// Looks at the frames that begin in `bytes`, which must begin with a frame's header; at all of them,
    /// unless they are more than is handled at once.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> Admitted {
        let mut admitted = Admitted {
            whole_bytes: 0,
            violation: None,
            is_more: false,
        };
        for _ in 0..BATCH_MAX_FRAMES {
            match self.admit_frame(&bytes[admitted.whole_bytes..]) {
                Ok(Some(frame_bytes)) => admitted.whole_bytes += frame_bytes,
                Ok(None) => return admitted,
                Err(violation) => {
                    admitted.violation = Some(violation);
                    return admitted;
                }
            }
            if admitted.whole_bytes >= BATCH_MAX_BYTES {
                break;
            }
        }
        admitted.is_more = admitted.whole_bytes < bytes.len();
        admitted
    }

    /// The size of the frame that `bytes` begin with, or `None` if it is not all there yet.
    fn admit_frame(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
        let Some(header) = Header::read(bytes)? else {
            return Ok(None);
        };
        let fragmented_bytes = self.check(&header)?;
        // A payload that passed the check is at most 2³² bytes.
        let frame_bytes = header.own_bytes + header.payload_bytes as usize;
        if bytes.len() < frame_bytes {
            return Ok(None);
        }
        self.fragmented_bytes = fragmented_bytes;
        Ok(Some(frame_bytes))
    }

    /// Checks a frame against where in a fragmented message it comes, and returns where that leaves the
    /// connection.
    fn check(&self, header: &Header) -> Result<Option<u32>, Violation> {
        if header.opcode & 0x8 != 0 {
            return match () {
                () if !header.is_final => Err(protocol("control frames must not be fragmented")),
                () if header.payload_bytes > CONTROL_MAX_BYTES => {
                    Err(protocol("control frames hold at most 125 bytes"))
                }
                () => Ok(self.fragmented_bytes),
            };
        }
        let so_far = match (header.opcode, self.fragmented_bytes) {
            (0x0, None) => return Err(protocol("a continuation needs a message to continue")),
            (0x0, Some(so_far)) => so_far,
            (_, Some(_)) => return Err(protocol("the fragmented message must be finished first")),
            (0x1, None) => 0,
            _ => {
                return Err(Violation {
                    code: CloseCode::Unsupported,
                    reason: "only text messages are understood",
                });
            }
        };
        let total = header.payload_bytes.saturating_add(u64::from(so_far));
        match u32::try_from(total) {
            Ok(total) if total <= self.message_max_bytes => Ok((!header.is_final).then_some(total)),
            _ => Err(Violation {
                code: CloseCode::TooBig,
                reason: "the message is larger than this server takes",
            }),
        }
    }
}

/// The mask of the text frame, or of the continuation of one, that `bytes` begin with, and as much of its
/// payload as is there, still masked. Nothing if the header is not all there.
pub(super) fn begun_text(bytes: &[u8]) -> Option<([u8; 4], &[u8])> {
    let header = Header::read(bytes).ok()??;
    if !matches!(header.opcode, 0x0 | 0x1) {
        return None;
    }
    let (head, payload) = bytes.split_at_checked(header.own_bytes)?;
    Some((*head.last_chunk()?, payload))
}

impl Header {
    /// RFC 6455, section 5.2. `None` if more bytes are needed; what is wrong in the first two bytes is
    /// said at once.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(protocol(
                "no extension was agreed on: reserved bits must be 0",
            ));
        }
        let opcode = first & 0x0F;
        if !matches!(opcode, 0x0..=0x2 | 0x8..=0xA) {
            return Err(protocol("unknown opcode"));
        }
        if second & 0x80 == 0 {
            return Err(protocol("frames from clients must be masked"));
        }
        let (payload_bytes, length_bytes) = match second & 0x7F {
            126 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            length => (u64::from(length), 0),
        };
        // "The minimal number of bytes MUST be used to encode the length."
        let is_minimal = match length_bytes {
            2 => payload_bytes > 125,
            8 => payload_bytes > u64::from(u16::MAX),
            _ => true,
        };
        if !is_minimal {
            return Err(protocol(
                "a frame's length must be written in as few bytes as possible",
            ));
        }
        Ok(Some(Self {
            is_final: first & 0x80 != 0,
            opcode,
            payload_bytes,
            own_bytes: 2 + length_bytes + 4,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame; the mask is zero, so the payload stands as it is.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..65_536 => {
                frame.push(0x80 | 0x7E);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    fn refused(frames: &[Vec<u8>]) -> (usize, Option<CloseCode>) {
        let admitted = Gate::new(100).admit(&frames.concat());
        (
            admitted.whole_bytes,
            admitted.violation.map(|violation| violation.code),
        )
    }

    #[test]
    fn whole_frames_pass_and_partial_ones_wait() {
        let frames = [
            frame(0x81, b"one"),
            frame(0x89, b""),
            frame(0x81, &[b'x'; 100]),
        ]
        .concat();
        for cut in 0..=frames.len() {
            let admitted = Gate::new(100).admit(&frames[..cut]);
            assert_eq!(admitted.violation, None);
            let expected = [0, 9, 15, 121].into_iter().rfind(|end| *end <= cut);
            assert_eq!(Some(admitted.whole_bytes), expected, "{cut} bytes");
        }
    }

    #[test]
    fn what_the_contract_refuses_is_refused_with_its_code() {
        let good = frame(0x81, b"ok");
        let mut unmasked = frame(0x81, b"ok");
        unmasked[1] &= 0x7F;
        let claimed = |length: u64| {
            let mut frame = vec![0x81, 0xFF];
            frame.extend(length.to_be_bytes());
            frame
        };
        let cases = [
            (unmasked, CloseCode::Protocol),
            (frame(0xC1, b""), CloseCode::Protocol),
            (frame(0xA1, b""), CloseCode::Protocol),
            (frame(0x91, b""), CloseCode::Protocol),
            (frame(0x83, b""), CloseCode::Protocol),
            (frame(0x8B, b""), CloseCode::Protocol),
            (frame(0x09, b""), CloseCode::Protocol),
            (frame(0x89, &[0; 126]), CloseCode::Protocol),
            (frame(0x8A, &[0; 126]), CloseCode::Protocol),
            (frame(0x88, &[0; 126]), CloseCode::Protocol),
            (frame(0x80, b""), CloseCode::Protocol),
            (frame(0x82, b"b"), CloseCode::Unsupported),
            (frame(0x02, b"b"), CloseCode::Unsupported),
            (frame(0x81, &[b'x'; 101]), CloseCode::TooBig),
            (claimed(64 << 20), CloseCode::TooBig),
            (claimed(u64::MAX), CloseCode::TooBig),
            (claimed(65_535), CloseCode::Protocol),
            (vec![0x81, 0xFE, 0, 125], CloseCode::Protocol),
        ];
        for (bad, code) in cases {
            let whole = good.len();
            assert_eq!(
                refused(&[good.clone(), bad.clone()]),
                (whole, Some(code)),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn fragments_must_come_in_order_and_are_limited_together() {
        let first = frame(0x01, &[b'x'; 60]);
        let ping = frame(0x89, b"still here");
        let last = frame(0x80, &[b'x'; 40]);
        let whole = first.len() + ping.len() + last.len();
        let message = [first.clone(), ping.clone(), last];
        assert_eq!(refused(&message), (whole, None));

        let too_long = frame(0x80, &[b'x'; 41]);
        let (passed, code) = refused(&[first.clone(), ping, too_long]);
        assert_eq!((passed, code), (whole - 46, Some(CloseCode::TooBig)));

        let interrupted = refused(&[first.clone(), frame(0x81, b"")]);
        assert_eq!(interrupted, (first.len(), Some(CloseCode::Protocol)));
    }

    #[test]
    fn the_state_of_a_message_outlasts_a_read() {
        let mut gate = Gate::new(100);
        gate.admit(&frame(0x01, b"begun"));
        assert!(gate.admit(&frame(0x81, b"another")).violation.is_some());
        assert!(gate.admit(&frame(0x80, b"finished")).violation.is_none());
        assert!(gate.admit(&frame(0x81, b"another")).violation.is_none());
    }

    #[test]
    fn a_burst_is_admitted_in_portions() {
        let burst = frame(0x81, b"x").repeat(BATCH_MAX_FRAMES + 1);
        let mut gate = Gate::new(100);
        let first = gate.admit(&burst);
        assert_eq!(
            (first.whole_bytes, first.is_more),
            (7 * BATCH_MAX_FRAMES, true)
        );
        let rest = gate.admit(&burst[first.whole_bytes..]);
        assert_eq!((rest.whole_bytes, rest.is_more), (7, false));

        let long = frame(0x81, &[b'x'; BATCH_MAX_BYTES]);
        let admitted = Gate::new(10_000).admit(&long.repeat(2));
        assert_eq!((admitted.whole_bytes, admitted.is_more), (long.len(), true));
    }

    #[test]
    fn a_frame_that_is_not_all_there_changes_nothing() {
        let mut gate = Gate::new(100);
        let first = frame(0x01, b"begun");
        gate.admit(&first[..first.len() - 1]);
        assert_eq!(gate.admit(&first).whole_bytes, first.len());
    }
}
