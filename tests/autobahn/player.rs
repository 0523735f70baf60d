//! Plays a case against a server: one side of a chat of two classic clients, where the server sends each text
//! back to whoever said it.

use super::case::{Case, End, Step};
use crate::common::{Classic, Frame, Place, Raw, Server, WAIT};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const HERE: Place = (48.8566, 2.3522);
const RANGE_KM: u32 = 10;
const PLAYER: &str = "player";

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xA;

/// A frame from the server.
struct Received {
    opcode: u8,
    payload: Vec<u8>,
}

/// The client that breaks the rules where the case does, and its partner.
struct Player {
    reading: OwnedReadHalf,
    writing: OwnedWriteHalf,
    partner: Classic,
}

/// Plays a case and says what came of it. A server that says nothing for too long has failed.
pub(crate) async fn play(server: &Server, case: &Case) -> Result<String, String> {
    let mut player = Player::matched(server).await;
    tokio::time::timeout(WAIT, player.play(case))
        .await
        .unwrap_or_else(|_| Err(format!("no answer for {WAIT:?}")))
}

impl Player {
    async fn matched(server: &Server) -> Self {
        let mut raw = Raw::upgraded(server, "/").await;
        raw.send_text(&Classic::bind_text(PLAYER, HERE, RANGE_KM))
            .await;
        let mut partner = Classic::connect(server).await;
        partner.bind("partner", HERE, RANGE_KM).await;
        partner.expect("connected").await;
        raw.expect("connected").await;
        let (reading, writing) = raw.stream.into_split();
        Self {
            reading,
            writing,
            partner,
        }
    }

    async fn play(&mut self, case: &Case) -> Result<String, String> {
        let mut closed = None;
        for step in &case.steps {
            match step {
                Step::Write { bytes, chop_bytes } => self.write(bytes, *chop_bytes).await,
                Step::Echo(text) => self.expect_echo(text).await?,
                Step::Pong(payload) => self.expect_pong(payload).await?,
                Step::Rounds { text, count } => self.rounds(text, *count).await?,
                Step::Endless(frame) => closed = Some(self.write_until_answered(frame).await?),
            }
        }
        if matches!(case.end, End::ByClient) {
            self.write(&Frame::close_with(1000, b"").bytes(), usize::MAX)
                .await;
        }
        let code = self.expect_close(closed).await?;
        // Nothing that should have been dropped has reached the partner.
        self.partner.expect("disconnected").await;
        match case.end {
            End::ByClient | End::Answered(1000) if code == 1000 => Ok("1000".to_owned()),
            End::Answered(wanted) | End::ByServer(wanted) if code == wanted => Ok(code.to_string()),
            _ => Err(format!("closed with {code}")),
        }
    }

    /// Writes in pieces. A server that has closed need not read the rest: what it said tells.
    async fn write(&mut self, bytes: &[u8], chop_bytes: usize) {
        for chop in bytes.chunks(chop_bytes) {
            if self.writing.write_all(chop).await.is_err() {
                return;
            }
        }
    }

    async fn write_until_answered(&mut self, frame: &[u8]) -> Result<Received, String> {
        let writing = async {
            while self.writing.write_all(frame).await.is_ok() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = writing => unreachable!("it waits for ever"),
            answer = next_frame(&mut self.reading) => answer,
        }
    }

    async fn rounds(&mut self, text: &str, count: usize) -> Result<(), String> {
        let frame = Frame::text(text).bytes();
        for _ in 0..count {
            self.write(&frame, usize::MAX).await;
            self.expect_echo(text).await?;
        }
        Ok(())
    }

    /// The text comes back, and the partner gets it.
    async fn expect_echo(&mut self, text: &str) -> Result<(), String> {
        let frame = next_frame(&mut self.reading).await?;
        let message: Value = serde_json::from_slice(&frame.payload)
            .map_err(|_| format!("no echo, but {}", frame.shown()))?;
        let echo = json!([TEXT, "client", PLAYER, text]);
        let got = json!([
            frame.opcode,
            message["type"],
            message["from"]["username"],
            message["body"]
        ]);
        if got != echo {
            return Err(format!("no echo, but {}", frame.shown()));
        }
        self.partner.expect_client(PLAYER, text).await;
        Ok(())
    }

    async fn expect_pong(&mut self, payload: &[u8]) -> Result<(), String> {
        let frame = next_frame(&mut self.reading).await?;
        if (frame.opcode, frame.payload.as_slice()) == (PONG, payload) {
            Ok(())
        } else {
            Err(format!("no pong, but {}", frame.shown()))
        }
    }

    /// The next frame closes the connection, nothing follows, and the server ends the connection by itself.
    async fn expect_close(&mut self, closed: Option<Received>) -> Result<u16, String> {
        let frame = match closed {
            Some(frame) => frame,
            None => next_frame(&mut self.reading).await?,
        };
        if frame.opcode != CLOSE {
            return Err(format!("no close frame, but {}", frame.shown()));
        }
        let mut rest = Vec::new();
        // A reset is an end as well: the server need not read what came too late.
        let _ = self.reading.read_to_end(&mut rest).await;
        if !rest.is_empty() {
            return Err(format!("{} bytes after the close frame", rest.len()));
        }
        match frame.payload.split_first_chunk() {
            // RFC 6455, section 7.1.5: no code.
            None => Ok(1005),
            Some((code, reason)) if str::from_utf8(reason).is_ok() => Ok(u16::from_be_bytes(*code)),
            Some(_) => Err("the reason of the close frame is not UTF-8".to_owned()),
        }
    }
}

impl Received {
    fn shown(&self) -> String {
        let payload = String::from_utf8_lossy(&self.payload);
        let start: String = payload.chars().take(80).collect();
        format!(
            "opcode {}, {} bytes: {start:?}",
            self.opcode,
            self.payload.len()
        )
    }
}

/// The next frame, which must be whole, unmasked and without reserved bits.
async fn next_frame(stream: &mut OwnedReadHalf) -> Result<Received, String> {
    read_frame(stream)
        .await
        .map_err(|error| format!("no frame: {error}"))?
}

async fn read_frame(stream: &mut OwnedReadHalf) -> std::io::Result<Result<Received, String>> {
    let first = stream.read_u8().await?;
    let second = stream.read_u8().await?;
    if first & 0xF0 != 0x80 || second & 0x80 != 0 {
        return Ok(Err(format!(
            "a frame that begins with {first:#04x} {second:#04x}"
        )));
    }
    let len = match second {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        len => u64::from(len),
    };
    let mut payload = vec![0; usize::try_from(len).expect("it fits")];
    stream.read_exact(&mut payload).await?;
    Ok(Ok(Received {
        opcode: first & 0x0F,
        payload,
    }))
}
