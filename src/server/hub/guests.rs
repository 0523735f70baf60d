//! Who sessions are, as far as their passes say; what becomes of reports, and of those who are banned while they are here.

use super::{Floor, Hub};
use crate::conversation::{Line as Said, Side};
use crate::dialect::{Dialect, Outgoing};
use crate::lobby::{ChatId, Event, MessageId, Report, SessionId};
use crate::server::limits::{Limit, Network};
use crate::server::outbox::Outbox;
use crate::server::safety::{Banned, Case, Guest};
use crate::server::store::now_ms;
use crate::store::{Ban, Measure, Subject};
use ipnet::IpNet;

impl Hub {
    /// Whether nobody may come from there, whoever they are.
    pub(in crate::server) fn keeps_out(&self, network: Network) -> Option<Banned> {
        let banned = self.safety.as_ref()?.banned(None, network)?;
        self.refusals.refuse(Limit::Bans);
        Some(banned)
    }

    /// A connection's session is about to wait, with this pass, if with any. Of several passes of one session the first counts.
    /// Returns whether they are new here.
    ///
    /// # Errors
    /// [`Banned`] if they may not be here.
    pub(in crate::server) fn introduce(
        &self,
        outbox: &Outbox,
        pass: Option<&str>,
    ) -> Result<bool, Banned> {
        let Some(safety) = &self.safety else {
            return Ok(false);
        };
        let mut guest = safety.guest(pass, outbox.network());
        // The other dialect has no word for it.
        guest.owes_pass = outbox.dialect() == Dialect::V1;
        self.on_the_floor(|floor, _| {
            let Some(session) = outbox.session() else {
                return Ok(());
            };
            let guest = floor.introduce(session, guest);
            // Here, where whoever takes up a ban looks for those it is about: one of the two sees what the other has done.
            safety
                .banned(Some(&guest), outbox.network())
                .map_or(Ok(()), Err)
        })?;
        // Who can't show a pass has never had the choice.
        Ok(guest.owes_pass && guest.is_new(now_ms()))
    }

    /// Whether whoever is on a connection may not be here.
    pub(in crate::server) fn banned(&self, outbox: &Outbox) -> Option<Banned> {
        let safety = self.safety.as_ref()?;
        let guest = {
            let floor = self.floor.lock();
            floor.lines.get(outbox.session()?)?.guest
        };
        safety.banned(guest.as_ref(), outbox.network())
    }

    /// Takes up a ban that was just made or changed here.
    pub(in crate::server) fn take_up(&self, ban: &Ban) {
        if let Some(safety) = &self.safety
            && safety.bans.apply(ban, now_ms())
        {
            self.expel(std::slice::from_ref(ban));
        }
    }

    /// Takes up bans as they change in the store, for as long as it is polled.
    pub(in crate::server) async fn run_bans(&self) {
        if let Some(safety) = &self.safety {
            safety.refresh(|bans| self.expel(bans)).await;
        }
    }

    /// Ends the sessions of those who are here and banned by one of these; of milder measures nothing is to be done before
    /// they wait again. O(sessions), and nobody joins meanwhile.
    fn expel(&self, bans: &[Ban]) {
        let bans: Vec<_> = bans.iter().filter_map(About::of).collect();
        let Some(safety) = self.safety.as_ref().filter(|_| !bans.is_empty()) else {
            return;
        };
        self.on_the_floor(|floor, now| {
            let mut banned = Vec::new();
            for (session, line) in &floor.lines {
                let (guest, outbox) = (line.guest.as_ref(), line.outbox.as_deref());
                // Who is away comes from where they last were.
                let of_guest = guest.map(|guest| guest.network);
                let Some(network) = outbox.map(Outbox::network).or(of_guest) else {
                    continue;
                };
                if !bans.iter().any(|about| about.may_be(guest, network)) {
                    continue;
                }
                // What is in force by now counts, not what was to be a moment ago.
                if let Some(why) = safety.banned(guest, network) {
                    if let Some(outbox) = outbox {
                        outbox.hang_up_banned(&why.sentence);
                    }
                    banned.push(session);
                }
            }
            for session in banned {
                floor.lobby.remove(now, session);
                floor.settle(now);
            }
        });
    }
}

/// Whom a ban keeps out, to be compared with everybody who is here.
struct About {
    subject: Option<Subject>,
    network: Option<IpNet>,
}

impl About {
    /// `None` if it keeps nobody out.
    fn of(ban: &Ban) -> Option<Self> {
        let network = ban.network.as_deref().map(|text| text.parse());
        (ban.measure == Measure::Ban).then_some(Self {
            subject: ban.subject,
            network: network.transpose().ok()?,
        })
    }

    fn may_be(&self, guest: Option<&Guest>, network: Network) -> bool {
        let is_subject = |subject| guest.is_some_and(|guest| guest.pass.subject == subject);
        let is_there = |range: IpNet| range.contains(&network.address());
        self.subject.is_none_or(is_subject) && self.network.is_none_or(is_there)
    }
}

impl Floor {
    /// A session is about to wait: what is in force about it by now holds until it waits again.
    pub(super) fn take_measures(&mut self, session: SessionId, network: Network) {
        let (Some(safety), Some(guest)) = (&self.safety, &self.lines[session].guest) else {
            return;
        };
        let is_under = |measure| safety.is_under(measure, guest, network);
        let (is_apart, is_slow) = (is_under(Measure::Shadow), is_under(Measure::Slow));
        self.lobby.set_apart(session, is_apart);
        self.lobby.set_slow(session, is_slow);
    }

    /// Says who a session of the lobby is, and returns it: whatever they show later, they are who they were, and get their
    /// next pass.
    fn introduce(&mut self, session: SessionId, guest: Guest) -> Guest {
        let line = &mut self.lines[session];
        if let Some(known) = &mut line.guest {
            known.owes_pass = guest.owes_pass;
            return *known;
        }
        line.guest = Some(guest);
        let (name, known) = self.guests.enter(session, &guest);
        self.lobby.introduce(session, name, known);
        guest
    }

    /// Somebody reports a partner. Answered when it is kept, or at once if it is only logged.
    pub(super) fn report(
        &mut self,
        by: SessionId,
        of: SessionId,
        report: Report,
        answers: Option<MessageId>,
    ) {
        let chat = report.chat;
        let reason = report.reason.name();
        tracing::info!(%by, %of, %chat, reason, "a partner was reported");
        let Some(outbox) = self.outbox(by).cloned() else {
            return;
        };
        let Some(safety) = &self.safety else {
            outbox.tell(Outgoing::Lobby(&Event::Reported { chat }, answers.as_ref()));
            return;
        };
        let case = Case {
            reporter_name: self.lobby.known_as(by).unwrap_or(by),
            reporter: self.lines.get(by).and_then(|line| line.guest),
            reported: self.guest_known_as(of),
            evidence: report.evidence.then(|| self.evidence(by, chat)).flatten(),
            report,
        };
        safety.file(case, outbox, answers);
    }

    /// Whom others know by this name, whether they are here, have come back, or have gone.
    fn guest_known_as(&self, name: SessionId) -> Option<Guest> {
        match self.lines.get(name) {
            Some(line) => line.guest,
            None => self.guests.known_as(name),
        }
    }

    /// What was said last in a chat of this session, if it is the one that goes on or the one before, and which side it was.
    fn evidence(&self, session: SessionId, chat: ChatId) -> Option<(Vec<Said>, Side)> {
        let past = self.lines.get(session)?.past.clone();
        let seat = self
            .seat(session)
            .into_iter()
            .chain(past)
            .find(|seat| seat.chat.id == chat)?;
        let said = seat.chat.talk.lock().conversation.transcript();
        Some((said, seat.side))
    }
}
