//! WebSocket frames as a client writes and reads them (RFC 6455, section 5.2), whole ones only.

/// Opcodes.
pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// The bit that marks the last frame of a message.
const FIN: u8 = 0x80;

/// The bit that says that the payload is masked.
const MASKED: u8 = 0x80;

/// Says that the length follows in two bytes, or in eight.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

/// What clients mask with. It is to keep intermediaries from reading scripts' bytes as requests, of which
/// there are none here; so always the same will do.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x96, 0x3C];

/// Longer messages are not read: no server of these dialects has that much to say.
const PAYLOAD_MAX_BYTES: u64 = 1 << 20;

/// Writes a masked frame.
pub(super) fn write(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FIN | opcode);
    let length = payload.len();
    if let Ok(short) = u8::try_from(length)
        && short < LENGTH_IN_2
    {
        out.push(MASKED | short);
    } else if let Ok(short) = u16::try_from(length) {
        out.push(MASKED | LENGTH_IN_2);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(MASKED | LENGTH_IN_8);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    for chunk in out[start..].chunks_mut(MASK.len()) {
        for (byte, mask) in chunk.iter_mut().zip(MASK) {
            *byte ^= mask;
        }
    }
}

/// A whole frame as it came from a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) payload: &'a [u8],
}

/// What arrived is not what a server of these dialects sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame that is masked, fragmented, extended or over 1 MiB")]
pub(super) struct FrameError;

impl<'a> Frame<'a> {
    /// The frame that `bytes` begin with and what follows it, if it is all there.
    ///
    /// # Errors
    /// [`FrameError`] for a frame that no server of these dialects sends.
    pub(super) fn split(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, FrameError> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        if first & 0xF0 != FIN || second & MASKED != 0 {
            return Err(FrameError);
        }
        let length = match second {
            LENGTH_IN_2 => rest
                .split_first_chunk()
                .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
            LENGTH_IN_8 => rest
                .split_first_chunk()
                .map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
            length => Some((u64::from(length), rest)),
        };
        let Some((length, rest)) = length else {
            return Ok(None);
        };
        if length > PAYLOAD_MAX_BYTES {
            return Err(FrameError);
        }
        let opcode = first & 0x0F;
        Ok(rest
            .split_at_checked(length as usize)
            .map(|(payload, rest)| (Self { opcode, payload }, rest)))
    }

    /// The code that a close frame holds; 1005, as the RFC has it, if there is none.
    pub(super) fn close_code(&self) -> u16 {
        self.payload
            .first_chunk()
            .map_or(1005, |code| u16::from_be_bytes(*code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(frame: &[u8], head_bytes: usize) -> Vec<u8> {
        let payload = frame[head_bytes..].iter().zip(MASK.iter().cycle());
        payload.map(|(byte, mask)| byte ^ mask).collect()
    }

    #[test]
    fn what_is_written_is_masked_and_has_its_length() {
        for (length, head_bytes) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut out = Vec::new();
            write(TEXT, &payload, &mut out);
            assert_eq!(out.len(), head_bytes + length);
            assert_eq!(out[0], 0x81);
            assert_eq!(out[1] & 0x80, 0x80);
            assert_eq!(unmasked(&out, head_bytes), payload);
        }
    }

    #[test]
    fn what_is_all_there_is_split_off() {
        let bytes = [0x81, 2, b'h', b'i', 0x89, 0, 0x81, 3, b'a'];
        let (hi, rest) = Frame::split(&bytes).unwrap().unwrap();
        assert_eq!((hi.opcode, hi.payload), (TEXT, &b"hi"[..]));
        let (ping, rest) = Frame::split(rest).unwrap().unwrap();
        assert_eq!((ping.opcode, ping.payload), (PING, &b""[..]));
        assert_eq!(Frame::split(rest), Ok(None));
        for cut in 0..4 {
            assert_eq!(Frame::split(&bytes[..cut]), Ok(None), "{cut}");
        }
        let mut long = vec![0x81, 126, 1, 0];
        assert_eq!(Frame::split(&long), Ok(None));
        long.resize(4 + 256, b'x');
        let (frame, rest) = Frame::split(&long).unwrap().unwrap();
        assert_eq!((frame.payload.len(), rest.len()), (256, 0));
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        for bytes in [
            &[0x01, 0][..],
            &[0xC1, 0],
            &[0x81, 0x80],
            &[0x81, 127, 0, 0, 0, 0, 0, 0x20, 0, 0],
        ] {
            assert_eq!(Frame::split(bytes), Err(FrameError), "{bytes:?}");
        }
    }

    #[test]
    fn a_close_frame_tells_its_code() {
        let close = |payload| Frame {
            opcode: CLOSE,
            payload,
        };
        assert_eq!(close(&[0x10, 0x04, b'x']).close_code(), 4100);
        assert_eq!(close(&[]).close_code(), 1005);
    }
}
