//! What waits to be sent to a connection: bytes of frames, bounded.
//!
//! Whoever has something to tell a connection puts it into words and frames at once, in the connection's
//! dialect, and wakes its task, which sends all that has gathered with one write. An outbox that is full
//! ends its connection: a client that does not read costs a known amount and holds up nobody.

use super::frames;
use super::hub::ChatSeat;
use super::limits::Network;
use crate::dialect::{CloseCode, Dialect, Outgoing, Speaker, Spoken, classic};
use crate::lobby::SessionId;
use crate::moment::Moment;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

/// What goes out is taken.
const FLOWING: u64 = u64::MAX;

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutboxBounds {
    pub(super) bytes: usize,
    pub(super) events: usize,
}

/// One connection's outbox, and what others must know of the connection to fill it.
#[derive(Debug)]
pub(super) struct Outbox {
    bounds: OutboxBounds,
    dialect: Dialect,
    /// Where the client comes from.
    network: Network,
    /// When the connection began, in hundredths of a second since the server's start. They come round after 497
    /// days, and take no room that would not be empty else.
    begun_cs: u32,
    /// When anything has last come from the client, in ms.
    heard_at_ms: AtomicU64,
    /// Since when the client's socket has taken nothing though there was something, in ms;
    /// [`FLOWING`] while it is not so.
    stalled_at_ms: AtomicU64,
    /// When the client's token ends, in seconds by the hub's clock; 0 if it has none.
    ends_at_s: AtomicU32,
    /// Whether the lobby wants to know when something comes.
    is_probed: AtomicBool,
    /// Whether somebody looks how long it stalls.
    is_watched: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    speaker: Speaker,
    /// Frames that nobody has taken to send yet. Has no memory of its own while empty.
    bytes: Vec<u8>,
    events: usize,
    /// Frames that have been taken and are not all sent yet; they count against the bounds.
    taken_bytes: usize,
    taken_events: usize,
    /// How many of the bytes don't count.
    exempt_bytes: usize,
    /// Once set, nothing more is told; the frames before it are sent, then the close frame.
    hang_up: Option<HangUp>,
    /// The client's close frame has been answered; nothing may follow the answer.
    is_over: bool,
    /// The connection's task, if it sleeps.
    sleeper: Option<Waker>,
    /// Whose connection this is; `None` once it has ended, or its session goes on elsewhere.
    session: Option<SessionId>,
    seat: Option<ChatSeat>,
}

/// How the server ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HangUp {
    pub(super) code: CloseCode,
    pub(super) reason: Cow<'static, str>,
}

/// What the connection's task finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// Frames to send.
    Frames(Vec<u8>),
    /// The last frames, ending with a close frame.
    LastFrames(Vec<u8>, CloseCode),
    /// Nothing; the task will be woken.
    Nothing,
}

thread_local! {
    /// Where messages are put into words before it is known whether they fit.
    static WORDS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn hundredths(now: Moment) -> u32 {
    (now.as_millis() / 10) as u32
}

impl Outbox {
    pub(super) fn new(
        dialect: Dialect,
        bounds: OutboxBounds,
        session: SessionId,
        network: Network,
        now: Moment,
    ) -> Self {
        Self {
            bounds,
            dialect,
            network,
            begun_cs: hundredths(now),
            heard_at_ms: AtomicU64::new(now.as_millis()),
            stalled_at_ms: AtomicU64::new(FLOWING),
            ends_at_s: AtomicU32::new(0),
            is_probed: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                speaker: Speaker::new(dialect),
                bytes: Vec::new(),
                events: 0,
                taken_bytes: 0,
                taken_events: 0,
                exempt_bytes: 0,
                hang_up: None,
                is_over: false,
                sleeper: None,
                session: Some(session),
                seat: None,
            }),
        }
    }

    /// How long the connection has been there.
    pub(super) fn age(&self, now: Moment) -> Duration {
        let age_cs = hundredths(now).wrapping_sub(self.begun_cs);
        Duration::from_millis(u64::from(age_cs) * 10)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn network(&self) -> Network {
        self.network
    }

    /// Whose connection this is, if anybody's.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.inner.lock().session
    }

    /// It is somebody else's connection from now on.
    pub(super) fn join_session(&self, session: SessionId) {
        self.inner.lock().session = Some(session);
    }

    /// It is nobody's connection from now on. Returns whose it was.
    pub(super) fn leave_session(&self) -> Option<SessionId> {
        self.inner.lock().session.take()
    }

    /// Something has come from the client. Returns whether the lobby wants to know.
    pub(super) fn heard(&self, now: Moment) -> bool {
        // In this order, and a probe in the other: one of the two sees what the other has done.
        self.heard_at_ms.store(now.as_millis(), Ordering::SeqCst);
        self.is_probed.load(Ordering::SeqCst) && self.is_probed.swap(false, Ordering::SeqCst)
    }

    /// How long nothing has come from the client.
    pub(super) fn silent_ms(&self, now: Moment) -> u64 {
        let heard_at = Moment::from_millis(self.heard_at_ms.load(Ordering::SeqCst));
        now.millis_since(heard_at)
    }

    /// Finds out whether the client is alive. Returns whether it was heard from within a time; if not, it is
    /// pinged, and [`heard`](Self::heard) says when it was.
    pub(super) fn probe(&self, now: Moment, within: Duration) -> bool {
        self.is_probed.store(true, Ordering::SeqCst);
        if u128::from(self.silent_ms(now)) <= within.as_millis() {
            self.is_probed.store(false, Ordering::SeqCst);
            return true;
        }
        self.ping();
        false
    }

    /// The client's socket takes nothing more for now. Returns whether somebody has to begin to watch that.
    pub(super) fn stalls(&self, now: Moment) -> bool {
        self.stalled_at_ms.store(now.as_millis(), Ordering::SeqCst);
        !self.is_watched.swap(true, Ordering::SeqCst)
    }

    /// The client's socket takes something.
    pub(super) fn flows(&self) {
        self.stalled_at_ms.store(FLOWING, Ordering::SeqCst);
    }

    /// For how long the client has taken nothing; if it does take something, nobody watches any more.
    pub(super) fn stalled_ms(&self, now: Moment) -> Option<u64> {
        let stalled_ms = || match self.stalled_at_ms.load(Ordering::SeqCst) {
            FLOWING => None,
            at => Some(now.millis_since(Moment::from_millis(at))),
        };
        if let Some(ms) = stalled_ms() {
            return Some(ms);
        }
        self.is_watched.store(false, Ordering::SeqCst);
        // It may have stalled just before, and found that it is watched.
        let stalled_ms = stalled_ms()?;
        (!self.is_watched.swap(true, Ordering::SeqCst)).then_some(stalled_ms)
    }

    /// Asks the client for a sign of life.
    pub(super) fn ping(&self) {
        self.send_frames(frames::PING);
    }

    /// Tells the connection something. If that is too much, the connection ends.
    pub(super) fn tell(&self, outgoing: Outgoing<'_>) {
        let is_worth_little = matches!(outgoing, Outgoing::Typing { .. });
        let sleeper = WORDS.with_borrow_mut(|words| {
            words.clear();
            let mut inner = self.inner.lock();
            if is_worth_little && inner.is_half_full(self.bounds) {
                return None;
            }
            match inner.speaker.speak(outgoing, words) {
                Spoken::Frame => inner.push(self.bounds, words.len(), |bytes| {
                    frames::append_text(words, bytes);
                }),
                Spoken::Nothing => {}
                Spoken::HangUp(code, reason) => inner.hang_up(code, reason.into()),
            }
            inner.sleeper.take()
        });
        wake(sleeper);
    }

    /// Tells a connection that has just begun what it comes back to. However much that is: what is kept for
    /// it is bounded elsewhere, and none of it counts against the bounds.
    pub(super) fn tell_first<'a>(&self, all: impl Iterator<Item = Outgoing<'a>>) {
        let sleeper = WORDS.with_borrow_mut(|words| {
            let mut inner = self.inner.lock();
            if inner.hang_up.is_some() || inner.is_over {
                return None;
            }
            for outgoing in all {
                words.clear();
                if inner.speaker.speak(outgoing, words) == Spoken::Frame {
                    let before = inner.bytes.len();
                    frames::append_text(words, &mut inner.bytes);
                    inner.exempt_bytes += inner.bytes.len() - before;
                }
            }
            inner.sleeper.take()
        });
        wake(sleeper);
    }

    /// Sends frames that are already framed; for answers to control frames.
    pub(super) fn send_frames(&self, frames: &[u8]) {
        let mut inner = self.inner.lock();
        inner.push(self.bounds, frames.len(), |bytes| {
            bytes.extend_from_slice(frames);
        });
        let sleeper = inner.sleeper.take();
        drop(inner);
        wake(sleeper);
    }

    /// Sends frames that are already framed and end with the answer to the client's close frame. Nothing
    /// that others still tell or say to end the connection comes after it (RFC 6455, section 5.5.1).
    pub(super) fn send_last_frames(&self, frames: &[u8]) {
        self.send_frames(frames);
        self.inner.lock().is_over = true;
    }

    /// Ends the connection after what it has been told so far. The first reason counts.
    pub(super) fn hang_up(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        let mut inner = self.inner.lock();
        inner.hang_up(code, reason.into());
        let sleeper = inner.sleeper.take();
        drop(inner);
        wake(sleeper);
    }

    /// Ends the connection because an operator ended its session.
    pub(super) fn hang_up_removed(&self) {
        let code = self.dialect.removed_code();
        self.hang_up(code, "an operator has ended this session");
    }

    /// Ends the connection because the client's person is banned. Returns the code for it.
    pub(super) fn hang_up_banned(&self, sentence: &str) -> CloseCode {
        let code = self.dialect.removed_code();
        self.hang_up(code, sentence.to_owned());
        code
    }

    /// Ends the connection because the server stops.
    pub(super) fn hang_up_going_away(&self) {
        let code = self.inner.lock().speaker.going_away_code();
        self.hang_up(code, "the server is going away");
    }

    /// The client has a token that lasts until then, by the hub's clock. Returns whether it is its first. Of
    /// several the one that lasts longest counts.
    pub(super) fn lasts_until(&self, ends_at_s: u32) -> bool {
        self.ends_at_s
            .fetch_max(ends_at_s.max(1), Ordering::Relaxed)
            == 0
    }

    /// When the client's token ends.
    pub(super) fn ends_at_s(&self) -> u32 {
        self.ends_at_s.load(Ordering::Relaxed)
    }

    /// Ends the connection because the client's token has ended.
    pub(super) fn hang_up_expired(&self) {
        let code = match self.dialect {
            Dialect::V1 => CloseCode::TokenExpired,
            Dialect::Classic => CloseCode::Policy,
        };
        self.hang_up(code, "the token has expired");
    }

    /// A classic client has said who it is.
    pub(super) fn bound(&self, bind: classic::Bind) {
        if let Speaker::Classic(speaker) = &mut self.inner.lock().speaker {
            speaker.bound(bind);
        }
    }

    /// The connection's seat in its chat, if it has one.
    pub(super) fn seat(&self) -> Option<ChatSeat> {
        self.inner.lock().seat.clone()
    }

    pub(super) fn take_seat(&self, seat: ChatSeat) {
        self.inner.lock().seat = Some(seat);
    }

    pub(super) fn leave_seat(&self) -> Option<ChatSeat> {
        self.inner.lock().seat.take()
    }

    /// The connection's task runs: it needs no waking for what is told from now on.
    pub(super) fn awake(&self) {
        self.inner.lock().sleeper = None;
    }

    /// Bytes and events that wait to be sent, or are being sent.
    pub(super) fn load(&self) -> (usize, usize) {
        self.inner.lock().load()
    }

    /// The code of the server's decision to end the connection, for a task that can't send at the moment;
    /// if there is none, the task of `cx` is woken when there may be.
    pub(super) fn hang_up_code(&self, cx: &Context<'_>) -> Option<CloseCode> {
        let mut inner = self.inner.lock();
        if inner.hang_up.is_none() {
            inner.sleeper = Some(cx.waker().clone());
        }
        inner.hang_up.as_ref().map(|hang_up| hang_up.code)
    }

    /// What there is to send; if nothing, the task of `cx` is woken when there is. What was taken before
    /// has been sent.
    pub(super) fn take(&self, cx: &Context<'_>) -> Taken {
        let mut inner = self.inner.lock();
        inner.taken_bytes = 0;
        inner.taken_events = 0;
        if let Some(HangUp { code, reason }) = inner.hang_up.clone() {
            let mut frames = std::mem::take(&mut inner.bytes);
            frames::append_close(code, &reason, &mut frames);
            return Taken::LastFrames(frames, code);
        }
        if inner.bytes.is_empty() {
            inner.sleeper = Some(cx.waker().clone());
            return Taken::Nothing;
        }
        inner.taken_bytes = inner.bytes.len() - std::mem::take(&mut inner.exempt_bytes);
        inner.taken_events = std::mem::take(&mut inner.events);
        Taken::Frames(std::mem::take(&mut inner.bytes))
    }
}

impl Inner {
    /// Appends one event of about this size by `append`, unless the connection ends, or ends now because
    /// that is too much. A single event never is: the longest message may be longer than the bound.
    fn push(&mut self, bounds: OutboxBounds, size: usize, append: impl FnOnce(&mut Vec<u8>)) {
        if self.hang_up.is_some() || self.is_over {
            return;
        }
        let (bytes, events) = self.load();
        let is_alone = bytes == 0;
        if events + 1 > bounds.events || (bytes + size > bounds.bytes && !is_alone) {
            self.hang_up(CloseCode::TooSlow, "too much is waiting to be read".into());
            return;
        }
        append(&mut self.bytes);
        self.events += 1;
    }

    /// Bytes and events that wait to be sent, or are being sent.
    fn load(&self) -> (usize, usize) {
        let bytes = self.bytes.len() - self.exempt_bytes + self.taken_bytes;
        (bytes, self.events + self.taken_events)
    }

    fn is_half_full(&self, bounds: OutboxBounds) -> bool {
        let (bytes, events) = self.load();
        bytes * 2 >= bounds.bytes || events * 2 >= bounds.events
    }

    fn hang_up(&mut self, code: CloseCode, reason: Cow<'static, str>) {
        if self.is_over {
            return;
        }
        self.hang_up.get_or_insert(HangUp { code, reason });
    }
}

/// Wakes a task after the lock has been let go of.
fn wake(sleeper: Option<Waker>) {
    if let Some(sleeper) = sleeper {
        sleeper.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        begun(Moment::START)
    }

    fn begun(now: Moment) -> Outbox {
        let bounds = OutboxBounds {
            bytes: 200,
            events: 4,
        };
        Outbox::new(
            Dialect::V1,
            bounds,
            SessionId::default(),
            Network::NOWHERE,
            now,
        )
    }

    #[test]
    fn an_age_is_right_when_the_hundredths_come_round() {
        let now = Moment::from_millis(u64::from(u32::MAX) * 10);
        let age = Duration::from_secs(90);
        assert_eq!(begun(now).age(now + age), age);
    }

    fn take(outbox: &Outbox) -> Taken {
        outbox.take(&Context::from_waker(Waker::noop()))
    }

    fn said(outbox: &Outbox, chars: usize) {
        let text = "x".repeat(chars);
        outbox.tell(Outgoing::Said {
            seq: 1,
            text: &text,
            at_ms: 0,
        });
    }

    #[test]
    fn what_is_told_is_taken_together_and_leaves_nothing() {
        let outbox = outbox();
        said(&outbox, 1);
        said(&outbox, 1);
        let Taken::Frames(frames) = take(&outbox) else {
            panic!("nothing to send");
        };
        assert_eq!(frames.len() % 2, 0);
        assert_eq!(frames[..frames.len() / 2], frames[frames.len() / 2..]);
        assert!(matches!(take(&outbox), Taken::Nothing));
        assert_eq!(outbox.inner.lock().bytes.capacity(), 0);
    }

    fn is_too_slow(outbox: &Outbox) -> bool {
        matches!(take(outbox), Taken::LastFrames(_, CloseCode::TooSlow))
    }

    #[test]
    fn too_many_bytes_end_the_connection() {
        let outbox = outbox();
        said(&outbox, 100);
        assert!(matches!(take(&outbox), Taken::Frames(_)));
        // What was taken still counts until it is sent.
        said(&outbox, 100);
        assert!(is_too_slow(&outbox));
    }

    #[test]
    fn too_many_events_end_the_connection() {
        let outbox = outbox();
        for _ in 0..4 {
            outbox.tell(Outgoing::Delivered { seq: 1 });
        }
        let Taken::Frames(four) = take(&outbox) else {
            panic!("four are allowed");
        };
        for _ in 0..5 {
            outbox.tell(Outgoing::Delivered { seq: 1 });
        }
        let Taken::LastFrames(frames, CloseCode::TooSlow) = take(&outbox) else {
            panic!("five are not");
        };
        // The four that were told before stay; the close frame follows, nothing else.
        assert!(
            frames.len() < four.len(),
            "nothing is told while four are on their way"
        );
        assert_eq!(frames[0], 0x88);
    }

    #[test]
    fn a_single_event_is_never_too_much() {
        let outbox = outbox();
        said(&outbox, 1000);
        assert!(matches!(take(&outbox), Taken::Frames(_)));
        said(&outbox, 1);
        assert!(is_too_slow(&outbox), "the long one is still on its way");
    }

    #[test]
    fn nothing_follows_the_answer_to_a_close_frame() {
        let outbox = outbox();
        outbox.send_last_frames(&[0x88, 0]);
        said(&outbox, 1);
        outbox.hang_up(CloseCode::GoingAway, "too late");
        let Taken::Frames(frames) = take(&outbox) else {
            panic!("the answer is sent");
        };
        assert_eq!(frames, [0x88, 0]);
        assert!(matches!(take(&outbox), Taken::Nothing));
    }

    #[test]
    fn nothing_is_told_after_the_end() {
        let outbox = outbox();
        said(&outbox, 1);
        outbox.hang_up(CloseCode::Normal, "bye");
        outbox.hang_up(CloseCode::Protocol, "again");
        said(&outbox, 1);
        let Taken::LastFrames(frames, CloseCode::Normal) = take(&outbox) else {
            panic!("the first reason counts");
        };
        let close = [&[0x88, 5], &1000_u16.to_be_bytes()[..], b"bye"].concat();
        assert!(frames.ends_with(&close));
        assert_eq!(frames.split(|byte| *byte == 0x81).count(), 2);
    }

    #[test]
    fn typing_is_not_told_once_half_is_full() {
        let outbox = outbox();
        let typing = || outbox.tell(Outgoing::Typing { on: true });
        for _ in 0..3 {
            typing();
        }
        assert_eq!(outbox.inner.lock().events, 2);
    }

    #[test]
    fn what_a_connection_comes_back_to_does_not_count() {
        let outbox = outbox();
        let text = "x".repeat(100);
        let said = |seq| Outgoing::Said {
            seq,
            text: &text,
            at_ms: 0,
        };
        outbox.tell_first((1..=20).map(said));
        outbox.tell(said(21));
        let Taken::Frames(frames) = take(&outbox) else {
            panic!("nothing was too much");
        };
        assert!(frames.len() > 2000);
        outbox.tell(said(22));
        assert!(is_too_slow(&outbox), "the one after it is still on its way");
    }

    #[test]
    fn a_probe_is_answered_by_what_came_or_by_what_comes() {
        let outbox = outbox();
        let (now, within) = (Moment::from_millis(3000), Duration::from_secs(2));
        assert!(!outbox.heard(Moment::from_millis(500)));
        assert!(!outbox.probe(now, within));
        assert!(matches!(take(&outbox), Taken::Frames(ping) if ping == frames::PING));
        assert!(outbox.heard(now));
        assert!(!outbox.heard(now), "it is told once");
        assert!(outbox.probe(now, within));
        assert!(matches!(take(&outbox), Taken::Nothing));
        assert!(!outbox.heard(now));
    }
}
