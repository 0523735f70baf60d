//! What the server may do, kept from what it was sent and what it told, and from nothing else.
//!
//! A session is named by the line that it began on. What is told on a line that is not read shows only
//! later; whatever that leaves unsure is *blurred* and is judged less strictly until it is sure again.

use crate::chat::Chat;
use crate::client::Mood;
use crate::counts::Counts;
use crate::setting::snapped;
use crate::violation::{Checked, ensure};
use crate::wire::{Asked, Wish};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use whisperchat::config::Config;
use whisperchat::dialect::Dialect;

pub(crate) struct Model {
    pub(crate) config: Config,
    pub(crate) now_ms: u64,
    pub(crate) sessions: Vec<Session>,
    pub(crate) lines: Vec<LineState>,
    pub(crate) chats: Vec<Chat>,
    /// Tokens that were not used.
    pub(crate) tokens: HashMap<String, usize>,
    /// Tokens that were.
    pub(crate) spent: HashSet<String>,
    /// The messages that their receivers were told: in which chat, by which side, and their numbers.
    pub(crate) told_texts: HashMap<String, (usize, usize, u64)>,
    /// Messages told of a chat that is not known to go on: its receiver's line was not read for a while.
    pub(crate) blurred_texts: HashSet<String>,
    /// Sessions by the server's names for them.
    pub(crate) names: HashMap<String, usize>,
    /// Chats that something happened to in this step.
    pub(crate) touched: BTreeSet<usize>,
    /// Sessions that something happened to in this step.
    pub(crate) stirred: BTreeSet<usize>,
    pub(crate) away: BTreeSet<usize>,
    pub(crate) is_draining: bool,
    pub(crate) counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    Line(usize),
    /// Since when, in ms.
    Away(u64),
    /// It goes on over a line that is not read: all that was told of it is that its own was replaced.
    Unread,
    Over,
}

pub(crate) struct Session {
    pub(crate) dialect: Dialect,
    pub(crate) at: Attachment,
    pub(crate) mood: Mood,
    pub(crate) chat: Option<usize>,
    /// Chats that a partner was told of, and this session not yet.
    pub(crate) unseen: Vec<usize>,
    /// The chat it was left in, until it waits again.
    pub(crate) left: Option<usize>,
    pub(crate) has_chatted: bool,
    pub(crate) is_blurred: bool,
    /// It was once, so that it may have met or blocked somebody unseen.
    pub(crate) was_blurred: bool,
    pub(crate) place: (f64, f64),
    pub(crate) range_km: f64,
    /// What it asked for last.
    pub(crate) wish: Wish,
    pub(crate) range_at_ms: u64,
    pub(crate) since_ms: u64,
    pub(crate) give_up_at_ms: Option<u64>,
    pub(crate) met: Vec<Met>,
    /// Whom it has blocked, and since when.
    pub(crate) blocked: HashMap<usize, u64>,
}

/// A partner of a chat that is over.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) who: usize,
    pub(crate) chat: usize,
    /// The earliest and the latest moment at which the cool-off can have ended.
    pub(crate) until_ms: (u64, u64),
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that don't depend on each other"
)]
pub(crate) struct LineState {
    pub(crate) session: usize,
    pub(crate) asked: HashMap<String, Asked>,
    pub(crate) resume: Option<Resume>,
    /// What must be said next, after a resume.
    pub(crate) must_say: VecDeque<u64>,
    pub(crate) opened_ms: u64,
    pub(crate) heard_ms: u64,
    pub(crate) has_spoken: bool,
    pub(crate) errors: usize,
    pub(crate) is_open: bool,
    pub(crate) is_stalled: bool,
    pub(crate) was_stalled: bool,
    /// It is read again, and what it is told now is of before.
    pub(crate) catches_up: bool,
    pub(crate) is_left: bool,
}

/// What a client asks for that resumes.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) token: String,
    pub(crate) chat: Option<String>,
    pub(crate) last_seq: u64,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    ByClient(u16),
    ByServer(u16),
    Cut,
}

impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            now_ms: 0,
            sessions: Vec::new(),
            lines: Vec::new(),
            chats: Vec::new(),
            tokens: HashMap::new(),
            spent: HashSet::new(),
            told_texts: HashMap::new(),
            blurred_texts: HashSet::new(),
            names: HashMap::new(),
            touched: BTreeSet::new(),
            stirred: BTreeSet::new(),
            away: BTreeSet::new(),
            is_draining: false,
            counts: Counts {
                worlds: 1,
                ..Counts::default()
            },
        }
    }

    /// A new line, with a new session.
    pub(crate) fn opened(&mut self, dialect: Dialect) {
        let line = self.lines.len();
        self.counts.sessions += 1;
        self.lines.push(LineState {
            session: line,
            asked: HashMap::new(),
            resume: None,
            must_say: VecDeque::new(),
            opened_ms: self.now_ms,
            heard_ms: self.now_ms,
            has_spoken: false,
            errors: 0,
            is_open: true,
            is_stalled: false,
            was_stalled: false,
            catches_up: false,
            is_left: false,
        });
        self.sessions.push(Session {
            dialect,
            at: Attachment::Line(line),
            mood: Mood::Idle,
            chat: None,
            unseen: Vec::new(),
            left: None,
            has_chatted: false,
            is_blurred: false,
            was_blurred: false,
            place: (0.0, 0.0),
            range_km: 0.0,
            wish: Wish::default(),
            range_at_ms: 0,
            since_ms: 0,
            give_up_at_ms: None,
            met: Vec::new(),
            blocked: HashMap::new(),
        });
    }

    /// The session whose line this is.
    pub(crate) fn session_on(&self, line: usize) -> Option<usize> {
        let session = self.lines[line].session;
        (self.sessions[session].at == Attachment::Line(line)).then_some(session)
    }

    /// Whether a session is connected and everything it is told shows at once.
    pub(crate) fn is_clear(&self, session: usize) -> bool {
        let session = &self.sessions[session];
        matches!(session.at, Attachment::Line(line) if !self.lines[line].is_stalled)
            && !session.is_blurred
    }

    /// Whether everything about a chat was told when it happened.
    pub(crate) fn is_known(&self, chat: usize) -> bool {
        let chat = &self.chats[chat];
        let mut sides = chat.sides.iter();
        chat.is_sure && sides.all(|session| !self.sessions[*session].is_blurred)
    }

    /// A line is no longer read, or is read again.
    pub(crate) fn stalled(&mut self, line: usize, is_stalled: bool) {
        self.lines[line].is_stalled = is_stalled;
        self.lines[line].was_stalled = true;
        self.lines[line].catches_up = !is_stalled;
        if let Some(session) = self.session_on(line) {
            self.sessions[session].is_blurred = true;
        }
    }

    pub(crate) fn drains(&mut self) {
        self.is_draining = true;
    }

    /// The server receives something on a line.
    pub(crate) fn asked(&mut self, line: usize, asked: &Asked, id: Option<&str>) {
        self.lines[line].heard_ms = self.now_ms;
        if *asked == Asked::Pong {
            return;
        }
        self.lines[line].has_spoken = true;
        if let Some(id) = id {
            self.lines[line].asked.insert(id.to_owned(), asked.clone());
        }
        let session = self.session_on(line);
        match asked {
            Asked::Resume {
                token,
                chat,
                last_seq,
            } => {
                self.lines[line].resume = Some(Resume {
                    token: token.clone(),
                    chat: chat.clone(),
                    last_seq: *last_seq,
                });
                if let (true, Some(wanted)) = (self.lines[line].is_stalled, self.tokens.get(token))
                {
                    self.sessions[*wanted].is_blurred = true;
                }
            }
            Asked::Bind(wish) => {
                if let Some(session) =
                    session.filter(|session| self.sessions[*session].mood == Mood::Idle)
                {
                    self.wants(session, wish);
                    self.waits_anew(session);
                    let privacy = (
                        self.config.privacy.min_range_km,
                        self.config.matching.max_range_km,
                    );
                    let km = wish.range_km.unwrap_or_default().trunc();
                    self.sessions[session].range_km = km.clamp(privacy.0, privacy.1);
                }
            }
            Asked::Ack { seq } => {
                if let Some((chat, side)) = session.and_then(|session| self.seat(session)) {
                    let direction = &mut self.chats[chat].said_by[1 - side];
                    if *seq <= direction.last_seq() {
                        direction.acked = direction.acked.max(*seq);
                    }
                }
            }
            _ => {}
        }
    }

    /// The chat of a session, and on which side of it it is.
    pub(crate) fn seat(&self, session: usize) -> Option<(usize, usize)> {
        let chat = self.sessions[session].chat?;
        Some((chat, self.chats[chat].side(session)))
    }

    /// Takes over what a session asked for, now that it is in force.
    pub(crate) fn wants(&mut self, session: usize, wish: &Wish) {
        let grid_km = self.config.privacy.position_grid_km;
        let now_ms = self.now_ms;
        let session = &mut self.sessions[session];
        if let Some(at_deg) = wish.at_deg {
            session.place = snapped(grid_km, at_deg);
            session.wish.at_deg = wish.at_deg;
        }
        session.wish.range_km = wish.range_km.or(session.wish.range_km);
        session.wish.range_max_km = wish.range_max_km.or(session.wish.range_max_km);
        if let Some(give_up_s) = wish.give_up_s {
            session.wish.give_up_s = Some(give_up_s);
            session.give_up_at_ms = Some(now_ms + (give_up_s * 1000.0) as u64);
        }
        if wish.range_km.is_some() || wish.range_max_km.is_some() {
            session.range_at_ms = now_ms;
        }
    }

    pub(crate) fn waits_anew(&mut self, session: usize) {
        let now_ms = self.now_ms;
        self.stirred.insert(session);
        let session = &mut self.sessions[session];
        session.mood = Mood::Waiting;
        session.left = None;
        session.since_ms = now_ms;
        session.range_at_ms = now_ms;
        let give_up_s = session.wish.give_up_s;
        session.give_up_at_ms = give_up_s.map(|give_up_s| now_ms + (give_up_s * 1000.0) as u64);
    }

    /// A line has ended, as the server sees it.
    pub(crate) fn ended(&mut self, line: usize, ending: Ending) {
        self.lines[line].is_open = false;
        let Some(session) = self.session_on(line) else {
            return;
        };
        let is_lost = match ending {
            Ending::Cut | Ending::ByServer(4100 | 4201) => true,
            Ending::ByServer(_) => false,
            Ending::ByClient(code) => !matches!(code, 1000 | 1001),
        };
        if let Some((chat, side)) = self.seat(session)
            && self.chats[chat].over[1 - side]
        {
            // Its chat ended when the line was given up already, and nothing more was told there.
            self.sessions[session].is_blurred = true;
        }
        let limits = &self.config.limits;
        let is_resumable =
            self.sessions[session].dialect == Dialect::V1 && limits.resume_window_s > 0;
        if ending == Ending::ByServer(4002) {
            self.sessions[session].at = Attachment::Unread;
            self.sessions[session].is_blurred = true;
        } else if is_lost && is_resumable && !self.is_draining {
            self.sessions[session].at = Attachment::Away(self.now_ms);
            // How many others are away is not known well enough to tell whether this one may be.
            self.sessions[session].is_blurred |= limits.max_away <= 1000;
            self.away.insert(session);
        } else {
            self.is_over(session);
        }
        self.stirred.insert(session);
        self.touched.extend(self.sessions[session].chat);
    }

    /// A session is over.
    pub(crate) fn is_over(&mut self, session: usize) {
        self.sessions[session].at = Attachment::Over;
        self.away.remove(&session);
        let unseen = std::mem::take(&mut self.sessions[session].unseen);
        for chat in unseen.into_iter().chain(self.sessions[session].chat) {
            self.chat_is_over(chat, session);
        }
    }

    /// One side has nothing more to do with a chat.
    pub(crate) fn chat_is_over(&mut self, chat: usize, session: usize) {
        let side = self.chats[chat].side(session);
        let [a, b] = self.chats[chat].sides;
        if !self.chats[chat].over.contains(&true) {
            let is_sure = !self.sessions[a].is_blurred && !self.sessions[b].is_blurred;
            let earliest_ms = if is_sure {
                self.now_ms
            } else {
                self.chats[chat].began_ms
            };
            let cool_off_ms = (self.config.matching.rematch_cooloff_s * 1000.0) as u64;
            let until_ms = (earliest_ms + cool_off_ms, self.now_ms + cool_off_ms);
            for (session, who) in [(a, b), (b, a)] {
                self.sessions[session].met.push(Met {
                    who,
                    chat,
                    until_ms,
                });
            }
        }
        self.chats[chat].over[side] = true;
        self.touched.insert(chat);
        if self.sessions[session].chat == Some(chat) {
            self.sessions[session].chat = None;
            self.sessions[session].mood = Mood::Idle;
        }
    }

    /// Time has passed.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let window_ms = u64::from(self.config.limits.resume_window_s) * 1000;
        let is_expired = |session: &usize| match self.sessions[*session].at {
            Attachment::Away(since_ms) => since_ms + window_ms <= now_ms,
            _ => true,
        };
        let expired: Vec<_> = self.away.iter().copied().filter(is_expired).collect();
        for session in expired {
            self.is_over(session);
        }
    }

    /// A message was shown to the person it was for.
    pub(crate) fn shown(&mut self, text: &str) -> Checked {
        let Some((chat, by, seq)) = self.told_texts.get(text).copied() else {
            let was_told = self.blurred_texts.remove(text);
            ensure!(was_told, "only what was said", "{text:.20}");
            return Ok(());
        };
        let direction = &mut self.chats[chat].said_by[by];
        let before = std::mem::replace(&mut direction.shown, seq);
        ensure!(before < seq, "shown once", "{seq} after {before}");
        Ok(())
    }
}
