//! What a case is: what is sent, what comes back, and how the connection ends.

use crate::common::Frame;
use std::fmt::Write as _;

/// One case of the suite, as it applies to a server of chats.
pub(crate) struct Case {
    pub(crate) number: String,
    pub(crate) sends: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    /// Why something else is expected than the suite does.
    pub(crate) differs: Option<&'static str>,
}

/// One thing that the client does or waits for.
pub(crate) enum Step {
    /// Sends these bytes in writes of this many.
    Write { bytes: Vec<u8>, chop_bytes: usize },
    /// Waits for this text, which the partner gets as well.
    Echo(String),
    /// Waits for the answer to a ping.
    Pong(Vec<u8>),
    /// Sends a text and waits for it, this many times.
    Rounds { text: String, count: usize },
    /// Sends a frame again and again until the server says something.
    Endless(Vec<u8>),
}

/// How a connection ends.
pub(crate) enum End {
    /// The client closes it with 1000 and gets the same back.
    ByClient,
    /// The client has sent a close frame; the server answers with this code.
    Answered(u16),
    /// The server closes it with this code.
    ByServer(u16),
}

impl Case {
    /// A case in which the client closes the connection, if nothing else is said.
    pub(crate) fn new(number: impl Into<String>, sends: impl Into<String>) -> Self {
        Self {
            number: number.into(),
            sends: sends.into(),
            steps: Vec::new(),
            end: End::ByClient,
            differs: None,
        }
    }

    /// Sends frames with one write.
    pub(crate) fn send(self, frames: &[Frame]) -> Self {
        self.send_in_chops(frames, usize::MAX)
    }

    /// Sends each frame with a write of its own.
    pub(crate) fn send_each(self, frames: &[Frame]) -> Self {
        frames
            .iter()
            .fold(self, |case, frame| case.send(std::slice::from_ref(frame)))
    }

    /// Sends frames with writes of this many bytes.
    pub(crate) fn send_in_chops(self, frames: &[Frame], chop_bytes: usize) -> Self {
        self.write(Frame::concat(frames), chop_bytes)
    }

    /// Sends bytes that need not be whole frames.
    pub(crate) fn send_bytes(self, bytes: Vec<u8>) -> Self {
        self.write(bytes, usize::MAX)
    }

    fn write(self, bytes: Vec<u8>, chop_bytes: usize) -> Self {
        self.step(Step::Write { bytes, chop_bytes })
    }

    pub(crate) fn echo(self, text: impl Into<String>) -> Self {
        self.step(Step::Echo(text.into()))
    }

    pub(crate) fn pong(self, payload: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Pong(payload.into()))
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(crate) fn answered(mut self, code: u16) -> Self {
        self.end = End::Answered(code);
        self
    }

    pub(crate) fn fails(mut self, code: u16) -> Self {
        self.end = End::ByServer(code);
        self
    }

    /// Why something else is expected than the suite does.
    pub(crate) fn differs(mut self, why: &'static str) -> Self {
        self.differs = Some(why);
        self
    }

    /// What is expected, in the order in which it is to come.
    pub(crate) fn expectation(&self) -> String {
        let mut words: Vec<String> = self.steps.iter().filter_map(Step::expectation).collect();
        words.push(match self.end {
            End::ByClient => "clean close 1000".to_owned(),
            End::Answered(code) => format!("close answered with {code}"),
            End::ByServer(code) => format!("server closes with {code}"),
        });
        let mut expectation = words.join(", ");
        if let Some(why) = self.differs {
            let _ = write!(expectation, " ({why})");
        }
        expectation
    }
}

impl Step {
    fn expectation(&self) -> Option<String> {
        match self {
            Self::Write { .. } | Self::Endless(_) => None,
            Self::Echo(text) => Some(format!("echo of {} bytes", text.len())),
            Self::Pong(payload) => Some(format!("pong of {} bytes", payload.len())),
            Self::Rounds { text, count } => Some(format!("{count} echoes of {} bytes", text.len())),
        }
    }
}

/// The opcodes of messages.
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;

/// The frames of a message in fragments of this many bytes.
pub(crate) fn fragmented(opcode: u8, payload: &[u8], fragment_bytes: usize) -> Vec<Frame> {
    let parts = payload.chunks(fragment_bytes).enumerate();
    let mut frames: Vec<_> = parts
        .map(|(n, part)| Frame::new(if n == 0 { opcode } else { 0 }, part).unfinished())
        .collect();
    let whole = frames.pop().map(Frame::finished);
    frames.extend(whole);
    frames
}
