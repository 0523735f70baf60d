//! Figures of a lobby. Nobody can be told from them.

/// How many sessions do what. Those that neither wait nor chat are idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doing {
    /// Sessions that wait, those that are being matched included.
    pub waiting: usize,
    /// Sessions in a chat.
    pub chatting: usize,
    /// Sessions without a connection, whatever they do besides.
    pub away: usize,
}
