//! Frames written by hand, right or wrong in every way.

use super::v1::{Place, join};
use super::{Classic, Request, Response, Server, within};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: whole, masked and plain unless told otherwise.
#[derive(Clone)]
pub(crate) struct Frame {
    is_final: bool,
    reserved_bits: u8,
    opcode: u8,
    is_masked: bool,
    claimed_len: Option<u64>,
    payload: Vec<u8>,
}

impl Frame {
    /// A frame with any opcode.
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            is_final: true,
            reserved_bits: 0,
            opcode,
            is_masked: true,
            claimed_len: None,
            payload: payload.into(),
        }
    }

    pub(crate) fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(TEXT, payload)
    }

    pub(crate) fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(BINARY, payload)
    }

    pub(crate) fn continuation(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(CONTINUATION, payload)
    }

    pub(crate) fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(PING, payload)
    }

    pub(crate) fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(PONG, payload)
    }

    /// A close frame with any payload.
    pub(crate) fn close(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(CLOSE, payload)
    }

    /// A close frame with a code and a reason in any bytes.
    pub(crate) fn close_with(code: u16, reason: &[u8]) -> Self {
        Self::close([&code.to_be_bytes(), reason].concat())
    }

    /// A text message cut into fragments.
    pub(crate) fn fragments<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut frames: Vec<_> = parts
            .into_iter()
            .map(|part| Self::continuation(part).unfinished())
            .collect();
        if let Some(first) = frames.first_mut() {
            first.opcode = TEXT;
        }
        if let Some(last) = frames.last_mut() {
            last.is_final = true;
        }
        frames
    }

    /// More fragments are to follow.
    pub(crate) fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// No more fragments follow.
    pub(crate) fn finished(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// With some of the three reserved bits set.
    pub(crate) fn reserved(mut self, bits: u8) -> Self {
        self.reserved_bits = bits;
        self
    }

    /// Without a mask.
    pub(crate) fn unmasked(mut self) -> Self {
        self.is_masked = false;
        self
    }

    /// With a length in the header that is not the payload's.
    pub(crate) fn claiming(mut self, len: u64) -> Self {
        self.claimed_len = Some(len);
        self
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let start = u8::from(self.is_final) << 7 | self.reserved_bits << 4 | self.opcode;
        let mask_bit = u8::from(self.is_masked) << 7;
        let len = self.claimed_len.unwrap_or(self.payload.len() as u64);
        let mut bytes = vec![start];
        match len {
            0..=125 => bytes.push(mask_bit | len as u8),
            126..=0xffff => {
                bytes.push(mask_bit | 0x7e);
                bytes.extend((len as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 0x7f);
                bytes.extend(len.to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend(MASK);
            let masked = self.payload.iter().zip(MASK.iter().cycle());
            bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend(&self.payload);
        }
        bytes
    }

    /// Several frames one after another as they go over the wire.
    pub(crate) fn concat(frames: &[Self]) -> Vec<u8> {
        frames.iter().flat_map(Self::bytes).collect()
    }
}

/// A frame as the server sent it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A connection whose every byte is under control.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

/// A connection that speaks v1 under full control, and what resumes its session.
pub(crate) struct RawV1 {
    pub(crate) raw: Raw,
    pub(crate) token: Value,
}

impl Raw {
    /// Connects without saying anything.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_to(server.address()).await
    }

    /// Connects to an address without saying anything.
    pub(crate) async fn connect_to(address: SocketAddr) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(address))
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream }
    }

    /// Connects and upgrades; in v1 the `welcome` has been read.
    pub(crate) async fn upgraded(server: &Server, path: &str) -> Self {
        let (response, mut raw) = Request::upgrade(path).send(server).await;
        assert_eq!(response.status, 101, "{response:?}");
        if path == "/v1/ws" {
            raw.expect("welcome").await;
        }
        raw
    }

    /// Connects and upgrades to v1, keeping what resumes the session.
    pub(crate) async fn connect_v1(server: &Server) -> RawV1 {
        let (response, mut raw) = Request::upgrade("/v1/ws").send(server).await;
        assert_eq!(response.status, 101, "{response:?}");
        let token = raw.expect("welcome").await["resume_token"].clone();
        RawV1 { raw, token }
    }

    /// Connects to v1 with as little room for what it does not read as the system allows.
    pub(crate) async fn deaf_v1(server: &Server) -> RawV1 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a size");
        let stream = within("a TCP connection", socket.connect(server.address()))
            .await
            .expect("the server listens");
        let (response, mut raw) = Request::upgrade("/v1/ws").send_over(Self { stream }).await;
        assert_eq!(response.status, 101, "{response:?}");
        let token = raw.expect("welcome").await["resume_token"].clone();
        RawV1 { raw, token }
    }

    /// Connects and joins; from now on it is as silent as it likes.
    pub(crate) async fn joined(server: &Server, place: Place, range_km: f64) -> Self {
        let mut raw = Self::upgraded(server, "/v1/ws").await;
        raw.send_text(&join(place, range_km).to_string()).await;
        raw.expect("waiting").await;
        raw
    }

    /// Connects and binds, as the classic app does; from now on it is as silent as it likes.
    pub(crate) async fn bound(server: &Server, place: Place, range_km: u32) -> Self {
        let mut raw = Self::upgraded(server, "/").await;
        let bind = Classic::bind_text("silent", place, range_km);
        raw.send_text(&bind).await;
        raw.send(&Frame::ping("bound").bytes()).await;
        raw.expect_pong(b"bound").await;
        raw
    }

    /// The next frame, which must be a ping; returns its payload.
    pub(crate) async fn expect_ping(&mut self) -> Vec<u8> {
        let frame = self.next_frame("a ping").await;
        assert_eq!(frame.opcode, PING, "wanted a ping, got {frame:?}");
        frame.payload
    }

    /// The next frame, which must be a ping, is answered.
    pub(crate) async fn answer_ping(&mut self) {
        let payload = self.expect_ping().await;
        self.send(&Frame::pong(payload).bytes()).await;
    }

    /// Answers pings until a v1 message comes, which must be of this type; returns how many pings there were.
    pub(crate) async fn answer_pings_until(&mut self, kind: &str) -> usize {
        let mut pings = 0;
        loop {
            let frame = self.next_frame(kind).await;
            if frame.opcode != PING {
                let text = String::from_utf8_lossy(&frame.payload);
                assert!(text.contains(kind), "wanted {kind}, got {text}");
                return pings;
            }
            pings += 1;
            self.send(&Frame::pong(frame.payload).bytes()).await;
        }
    }

    /// Reads to the end and answers nothing: how many pings there were, and the code of the close frame.
    pub(crate) async fn stay_silent(&mut self) -> (usize, u16) {
        let mut pings = 0;
        loop {
            let frame = self.next_frame("a ping or the end").await;
            match frame.opcode {
                PING => pings += 1,
                CLOSE => {
                    let code = frame.payload.first_chunk().expect("it holds a code");
                    self.expect_end().await;
                    return (pings, u16::from_be_bytes(*code));
                }
                _ => {}
            }
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("room to send", self.stream.write_all(bytes))
            .await
            .expect("the server still reads");
    }

    /// Sends a whole text frame.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(&Frame::text(text).bytes()).await;
    }

    /// The next frame; it must be whole, unmasked and without reserved bits.
    pub(crate) async fn next_frame(&mut self, wanted: &str) -> Received {
        let [start, len] = self.read(wanted).await;
        assert_eq!(start & 0xf0, 0x80, "whole and without reserved bits");
        assert_eq!(len & 0x80, 0, "a server never masks");
        let len = match len {
            126 => usize::from(u16::from_be_bytes(self.read(wanted).await)),
            127 => usize::try_from(u64::from_be_bytes(self.read(wanted).await)).expect("fits"),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        within(wanted, self.stream.read_exact(&mut payload))
            .await
            .expect("a frame comes whole");
        Received {
            opcode: start & 0x0f,
            payload,
        }
    }

    /// The head of the next HTTP answer.
    pub(crate) async fn read_response(&mut self) -> Response {
        Response::read(self).await
    }

    /// The next frame, which must be a v1 message.
    pub(crate) async fn next_json(&mut self) -> Value {
        self.next_json_for("a message").await
    }

    async fn next_json_for(&mut self, wanted: &str) -> Value {
        let frame = self.next_frame(wanted).await;
        let text = String::from_utf8_lossy(&frame.payload);
        assert_eq!(frame.opcode, TEXT, "wanted {wanted}, got {frame:?}: {text}");
        serde_json::from_str(&text).expect("a message is JSON")
    }

    /// The next frame, which must be a v1 message of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next_json_for(kind).await;
        assert_eq!(message["type"], kind, "in {message}");
        message
    }

    /// The next frame, which must be a pong with this payload.
    pub(crate) async fn expect_pong(&mut self, payload: &[u8]) {
        let frame = self.next_frame("a pong").await;
        assert_eq!((frame.opcode, frame.payload.as_slice()), (PONG, payload));
    }

    /// The close frame that comes next: its whole payload.
    pub(crate) async fn expect_close_payload(&mut self) -> Vec<u8> {
        let frame = self.next_frame("a close frame").await;
        let text = String::from_utf8_lossy(&frame.payload);
        assert_eq!(frame.opcode, CLOSE, "wanted a close frame, got {text:?}");
        frame.payload
    }

    /// The code of the close frame that comes next; after it the connection must end.
    pub(crate) async fn expect_close(&mut self) -> u16 {
        let payload = self.expect_close_payload().await;
        let (code, reason) = payload.split_first_chunk().expect("it holds a code");
        assert!(str::from_utf8(reason).is_ok(), "reason {reason:?}");
        assert!(
            payload.len() <= 125,
            "a control frame has at most 125 bytes"
        );
        self.expect_end().await;
        u16::from_be_bytes(*code)
    }

    /// The connection must end without another byte.
    pub(crate) async fn expect_end(&mut self) {
        let rest = self.read_to_end().await;
        assert_eq!(rest, [] as [u8; 0], "nothing follows a close frame");
    }

    /// All that comes until the connection ends.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well: the server need not read what came too late.
        let _ = within(
            "the end of the connection",
            self.stream.read_to_end(&mut rest),
        )
        .await;
        rest
    }

    async fn read<const N: usize>(&mut self, wanted: &str) -> [u8; N] {
        let mut bytes = [0; N];
        match within(wanted, self.stream.read_exact(&mut bytes)).await {
            Ok(_) => bytes,
            Err(error) => panic!("wanted {wanted}, but: {error}"),
        }
    }
}
