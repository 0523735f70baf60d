//! The codes that connections are closed with.

/// A WebSocket close code: those of RFC 6455, section 7.4.1, that are used here, and this protocol's own
/// (4000–4999 are free for that).
///
/// Of the own codes, 40xx mean "stop", 41xx "retry with back-off", 42xx "come back".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// The purpose is fulfilled.
    Normal = 1000,
    /// The server stops (classic).
    Away = 1001,
    /// A violation of RFC 6455.
    Protocol = 1002,
    /// A binary message.
    Unsupported = 1003,
    /// A text message that is not UTF-8.
    InvalidUtf8 = 1007,
    /// A malformed `bind` (classic).
    Policy = 1008,
    /// A message over the limit.
    TooBig = 1009,
    /// An operator ended the session.
    Banned = 4000,
    /// Too many errors.
    ProtocolAbuse = 4001,
    /// The session goes on over another connection.
    Replaced = 4002,
    /// The client does not read what it is sent.
    TooSlow = 4100,
    /// Nothing was said within the time allowed.
    NoFirstMessage = 4101,
    /// Too much in too short a time, from a client that can't be told by an error.
    RateLimited = 4102,
    /// The server stops.
    GoingAway = 4200,
    /// The client did not answer a ping.
    NoPong = 4201,
    /// The client's token has expired.
    TokenExpired = 4202,
}

impl CloseCode {
    /// The number on the wire.
    pub fn as_u16(self) -> u16 {
        self as u16
    }
}
