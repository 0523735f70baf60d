//! A WebSocket client with no more than a load needs: it writes whole masked text frames and reads the
//! headers of what comes.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a client waits for anything before the bench fails.
const WAIT: Duration = Duration::from_secs(30);

/// Any will do; it differs from zero so that unmasking changes something.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// A whole masked frame whose payload can be changed in place.
#[derive(Clone)]
pub(crate) struct MaskedFrame {
    bytes: Vec<u8>,
    payload_start: usize,
}

impl MaskedFrame {
    pub(crate) fn text(payload: &str) -> Self {
        Self::new(TEXT, payload.as_bytes())
    }

    pub(crate) fn new(opcode: u8, payload: &[u8]) -> Self {
        let mut bytes = vec![0x80 | opcode];
        match u16::try_from(payload.len()).expect("no load sends more than 64 KiB at once") {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length => {
                bytes.push(0x80 | 0x7E);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend(MASK);
        let payload_start = bytes.len();
        let masked = payload.iter().zip(MASK.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        Self {
            bytes,
            payload_start,
        }
    }

    /// Writes other bytes over a part of the payload.
    pub(crate) fn overwrite(&mut self, offset: usize, with: &[u8]) {
        for (at, byte) in (offset..).zip(with) {
            self.bytes[self.payload_start + at] = byte ^ MASK[at % MASK.len()];
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A whole frame as it came from a server.
pub(crate) struct Received<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
}

impl<'a> Received<'a> {
    /// The frame that `bytes` begin with and what follows it, if it is all there.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        assert_eq!(first & 0xF0, 0x80, "a server's frames are whole and plain");
        let (payload_bytes, rest) = match second {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127.. => panic!("a server does not mask, nor has it 64 KiB to say"),
            length => (usize::from(length), rest),
        };
        let (payload, rest) = rest.split_at_checked(payload_bytes)?;
        let opcode = first & 0x0F;
        Some((Self { opcode, payload }, rest))
    }
}

/// A connection that waits for what it is told. Cheap: a socket, and nothing kept between messages.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects and upgrades.
    pub(crate) fn connect(address: SocketAddr, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.write_all(upgrade_request(address, path).as_bytes())?;
        let head = read_head(&mut stream)?;
        assert!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        Ok(Self { stream })
    }

    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(MaskedFrame::text(text).bytes())
    }

    /// Reads the next frame, which must be text that begins like this. Pings before it are answered.
    pub(crate) fn expect(&mut self, start: &str) -> io::Result<()> {
        loop {
            let bytes = self.next_frame()?;
            let (frame, _) = Received::split(&bytes).expect("the frame is all there");
            if frame.opcode == PING {
                let pong = MaskedFrame::new(PONG, frame.payload);
                self.stream.write_all(pong.bytes())?;
                continue;
            }
            let payload = String::from_utf8_lossy(frame.payload);
            assert!(
                frame.opcode == TEXT && payload.starts_with(start),
                "wanted {start}, got {payload}"
            );
            return Ok(());
        }
    }

    fn next_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 2];
        self.stream.read_exact(&mut bytes)?;
        let payload_bytes = match bytes[1] {
            126 => {
                bytes.resize(4, 0);
                self.stream.read_exact(&mut bytes[2..])?;
                usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))
            }
            length => usize::from(length),
        };
        let head_bytes = bytes.len();
        bytes.resize(head_bytes + payload_bytes, 0);
        self.stream.read_exact(&mut bytes[head_bytes..])?;
        Ok(bytes)
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// What a client sends first.
pub(crate) fn upgrade_request(address: SocketAddr, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Reads the head of the answer and no byte more, for what follows belongs to whoever reads next.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut seen = [0; 1024];
    loop {
        let seen_bytes = stream.peek(&mut seen)?;
        let end = seen[..seen_bytes]
            .windows(4)
            .position(|at| at == b"\r\n\r\n");
        if let Some(end) = end {
            let mut head = vec![0; end + 4];
            stream.read_exact(&mut head)?;
            return Ok(String::from_utf8_lossy(&head).into_owned());
        }
        assert!(
            0 < seen_bytes && seen_bytes < seen.len(),
            "an answer has a head, and a short one"
        );
    }
}
