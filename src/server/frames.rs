//! Whole frames through `fastwebsockets`, in memory.
//!
//! A `WebSocket` over a socket reserves a read buffer for life and can't be dropped in the middle of a
//! read. Over memory that holds whole frames it never waits, so it is made for each batch of frames and
//! keeps nothing.

use super::gate::Violation;
use super::text::NOT_UTF8;
use crate::dialect::CloseCode;
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket, WebSocketError};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client sent, without what the library has answered itself.
pub(super) enum Received<'a> {
    /// A text message, or its first fragments: not final, not checked for UTF-8 then.
    Text { payload: &'a [u8], is_final: bool },
    /// A fragment that continues a message.
    Continuation { payload: &'a [u8], is_final: bool },
    /// An answer to a ping.
    Pong,
    /// The client ends the connection; the answer has been written.
    Close { code: Option<u16> },
}

/// What came of a batch of frames.
pub(super) enum Batch {
    /// All were handled.
    Done,
    /// The handler wanted no more.
    Stopped,
    /// A frame broke the rules.
    Broken(Violation),
}

/// Reads all frames in `whole_frames`, which the gate has passed, and gives each to `handle` until that
/// returns false. What the library answers (pong, close) is appended to `answers`, as bytes of frames, from
/// where `handle` may take it; if a frame is broken, `answers` is left empty, as the library may have begun to
/// close in its own words.
pub(super) fn read_all(
    whole_frames: &[u8],
    answers: &RefCell<Vec<u8>>,
    mut handle: impl FnMut(Received<'_>) -> bool,
) -> Batch {
    let mut socket = WebSocket::after_handshake(
        Memory {
            unread: whole_frames,
            written: answers,
        },
        Role::Server,
    );
    // The gate has checked sizes; the library's limit is exclusive.
    socket.set_max_message_size(usize::MAX);
    // One vectored write would be two here.
    socket.set_writev(false);
    loop {
        let frame = match now(socket.read_frame()) {
            Ok(frame) => frame,
            // The memory is read to its end, between two frames.
            Err(WebSocketError::UnexpectedEOF) => return Batch::Done,
            Err(error) => {
                socket.into_inner().written.borrow_mut().clear();
                return Batch::Broken(violation(&error));
            }
        };
        let payload = &*frame.payload;
        let is_final = frame.fin;
        let received = match frame.opcode {
            OpCode::Text => Received::Text { payload, is_final },
            OpCode::Continuation => Received::Continuation { payload, is_final },
            OpCode::Close => Received::Close {
                code: payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
            },
            OpCode::Pong => Received::Pong,
            OpCode::Ping | OpCode::Binary => unreachable!("answered by the library, or not passed"),
        };
        if !handle(received) {
            return Batch::Stopped;
        }
    }
}

/// A ping without a payload: final, opcode 9, no bytes (RFC 6455, section 5.5.2).
pub(super) const PING: &[u8] = &[0x89, 0];

/// Appends a text frame with this payload.
pub(super) fn append_text(payload: &[u8], out: &mut Vec<u8>) {
    append(Frame::text(Payload::Borrowed(payload)), out);
}

/// Appends a close frame. The reason is cut to what a control frame holds, between characters.
pub(super) fn append_close(code: CloseCode, reason: &str, out: &mut Vec<u8>) {
    let reason = &reason[..reason.floor_char_boundary(123)];
    append(Frame::close(code.as_u16(), reason.as_bytes()), out);
}

fn append(mut frame: Frame<'_>, out: &mut Vec<u8>) {
    let mut head = [0; 16];
    let head_bytes = frame.fmt_head(&mut head);
    out.reserve(head_bytes + frame.payload.len());
    out.extend_from_slice(&head[..head_bytes]);
    out.extend_from_slice(&frame.payload);
}

/// What a client is told about a frame that the library refuses.
fn violation(error: &WebSocketError) -> Violation {
    let (code, reason) = match error {
        WebSocketError::InvalidUTF8 => return NOT_UTF8,
        WebSocketError::InvalidCloseFrame | WebSocketError::InvalidCloseCode => {
            (CloseCode::Protocol, "the close frame is malformed")
        }
        _ => (CloseCode::Protocol, "the frame is malformed"),
    };
    Violation { code, reason }
}

/// The result of a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("memory is always ready"),
    }
}

/// A stream that reads from one piece of memory and writes to another.
struct Memory<'a> {
    unread: &'a [u8],
    written: &'a RefCell<Vec<u8>>,
}

impl AsyncRead for Memory<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (read, rest) = self
            .unread
            .split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(read);
        self.unread = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
