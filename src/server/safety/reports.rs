//! From a person's report to the store.

use super::{Guest, Safety};
use crate::conversation::{Line, Side};
use crate::dialect::{ErrorCode, Outgoing, WireError};
use crate::lobby::{Event, MessageId, Report, SessionId};
use crate::private::Private;
use crate::server::outbox::Outbox;
use crate::server::store::now_ms;
use crate::store::{NewReport, StoreError};
use ipnet::IpNet;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// After how long to try again if nobody knows better.
const RETRY_AFTER_MS: u64 = 5000;

/// The most bytes of evidence as it is written: what chats keep is less, but if it were all to be escaped.
const EVIDENCE_MAX_BYTES: usize = 65_536;

/// How many bytes of evidence may come from one range of addresses in a day: some hundred reports at the very least.
const EVIDENCE_DAY_MAX_BYTES: usize = 32 << 20;

/// From how many ranges evidence is taken in a day.
const EVIDENCE_RANGES_MAX: usize = 100_000;

const DAY_MS: i64 = 86_400_000;

/// A report with all that is kept of it.
#[derive(Debug)]
pub(in crate::server) struct Case {
    /// What others know the reporter by.
    pub(in crate::server) reporter_name: SessionId,
    pub(in crate::server) reporter: Option<Guest>,
    pub(in crate::server) reported: Option<Guest>,
    pub(in crate::server) report: Report,
    /// What was said last, and which side the reporter was, if they agree to show it and it is still there.
    pub(in crate::server) evidence: Option<(Vec<Line>, Side)>,
}

/// One message as moderators see it.
#[derive(Serialize)]
struct Shown<'a> {
    /// `reporter` or `reported`.
    by: &'static str,
    at_ms: u64,
    text: &'a str,
}

impl Safety {
    /// Keeps a report, and answers it when it is kept, or when it can't be. Waits for nothing.
    pub(in crate::server) fn file(
        self: &Arc<Self>,
        case: Case,
        outbox: Arc<Outbox>,
        answers: Option<MessageId>,
    ) {
        let safety = Arc::clone(self);
        // As many at once as the writer lets wait; it refuses the others at once.
        tokio::spawn(async move {
            let chat = case.report.chat;
            let mut row = case.row();
            row.call = safety.webhook.new_call(row.at_ms);
            safety.bound_evidence(&case, &mut row);
            let added = match safety.writer.add_report(row).await {
                Ok(added) => added,
                Err(error) => {
                    outbox.tell(Outgoing::Error(&not_kept(&error, answers)));
                    return;
                }
            };
            let reported = Event::Reported { chat };
            outbox.tell(Outgoing::Lobby(&reported, answers.as_ref()));
            safety.webhook.kept(&added);
            // One that was made before may have been kept when nobody could be asked what it weighs.
            if let Some(reported) = case.reported
                && let Err(error) = safety.weigh(&reported, added.id).await
            {
                tracing::warn!(%error, "nobody knows what the rules have for who was reported");
            }
        });
    }
}

impl Safety {
    /// Leaves away what was said if so much came from the reporter's addresses today that they could fill the disk with it.
    fn bound_evidence(&self, case: &Case, row: &mut NewReport) {
        let Some(bytes) = row.evidence.as_ref().map(|evidence| evidence.len()) else {
            return;
        };
        let range = case.reporter.map(|reporter| reporter.network.range());
        if !self.evidence.has_room(range, bytes, row.at_ms) {
            tracing::warn!(
                "a report is kept without what was said: too much came from its addresses today"
            );
            row.evidence = None;
        }
    }
}

/// How much evidence has come today.
#[derive(Debug, Default)]
pub(super) struct Evidence(Mutex<Today>);

#[derive(Debug, Default)]
struct Today {
    day: i64,
    /// Bytes from each range of addresses, and from nobody knows where. At most [`EVIDENCE_RANGES_MAX`].
    bytes: HashMap<Option<IpNet>, usize>,
}

impl Evidence {
    /// Whether there is room for so much more from there. Then it is counted.
    fn has_room(&self, from: Option<IpNet>, bytes: usize, at_ms: i64) -> bool {
        let mut today = self.0.lock();
        let day = at_ms / DAY_MS;
        if day != today.day {
            *today = Today {
                day,
                bytes: HashMap::new(),
            };
        }
        if today.bytes.len() == EVIDENCE_RANGES_MAX && !today.bytes.contains_key(&from) {
            return false;
        }
        let before = today.bytes.entry(from).or_default();
        let is_room = *before + bytes <= EVIDENCE_DAY_MAX_BYTES;
        if is_room {
            *before += bytes;
        }
        is_room
    }
}

impl Case {
    fn row(&self) -> NewReport {
        let at_ms = now_ms();
        let network = |guest: &Option<Guest>| {
            let range = guest.as_ref()?.network.range();
            Some(Private::new(range.to_string()))
        };
        let subject = |guest: &Option<Guest>| guest.map(|guest| guest.pass.subject);
        NewReport {
            once: format!("{}/{}", self.reporter_name, self.report.chat),
            at_ms,
            chat: self.report.chat.to_string(),
            reason: self.report.reason.name().to_owned(),
            note: self
                .report
                .note
                .as_ref()
                .map(|note| Private::new(note.replace('\0', "\u{fffd}"))),
            reporter: subject(&self.reporter),
            reporter_network: network(&self.reporter),
            reported: subject(&self.reported),
            reported_network: network(&self.reported),
            evidence: self
                .evidence
                .as_ref()
                .map(|(lines, side)| Private::new(shown(lines, *side))),
            weight: self.reporter.map_or(0, |reporter| reporter.weight(at_ms)),
            call: None,
        }
    }
}

/// What was said, as JSON: as many of the last lines as have room.
fn shown(lines: &[Line], reporter: Side) -> String {
    let (mut shown, mut bytes) = (Vec::with_capacity(lines.len()), 0);
    for line in lines.iter().rev() {
        let is_reporters = line.from == reporter;
        let line = serde_json::to_string(&Shown {
            by: if is_reporters { "reporter" } else { "reported" },
            at_ms: line.at_ms,
            text: &line.text,
        });
        let line = line.expect("texts and numbers are JSON");
        bytes += line.len() + 1;
        if bytes > EVIDENCE_MAX_BYTES {
            break;
        }
        shown.push(line);
    }
    shown.reverse();
    format!("[{}]", shown.join(","))
}

/// The honest answer.
fn not_kept(error: &StoreError, answers: Option<MessageId>) -> WireError {
    tracing::warn!(%error, "a report could not be kept");
    let message = "reports can't be kept at the moment; try again later";
    WireError {
        retry_after_ms: Some(error.retry_after_ms().unwrap_or(RETRY_AFTER_MS)),
        ..WireError::new(ErrorCode::RateLimited, message, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_says_who_said_what_from_the_reporters_side() {
        let line = |from, at_ms, text: &str| Line {
            from,
            at_ms,
            text: Private::new(text.to_owned()),
        };
        let lines = [
            line(Side::First, 1, "hello"),
            line(Side::Second, 2, "\"<b>"),
        ];
        let expected = r#"[{"by":"reported","at_ms":1,"text":"hello"},{"by":"reporter","at_ms":2,"text":"\"<b>"}]"#;
        assert_eq!(shown(&lines, Side::Second), expected);
    }

    #[test]
    fn of_what_is_too_much_the_last_is_kept() {
        let line = |at_ms| Line {
            from: Side::First,
            at_ms,
            // Each of these is written as six bytes.
            text: Private::new("\u{1}".repeat(2000)),
        };
        let lines: Vec<_> = (0..20).map(line).collect();
        let shown = shown(&lines, Side::First);
        assert!(shown.len() <= EVIDENCE_MAX_BYTES + 1, "{}", shown.len());
        let read: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read.len(), 5);
        assert_eq!(read[4]["at_ms"], 19);
    }

    #[test]
    fn a_range_of_addresses_has_so_much_for_each_day() {
        let evidence = Evidence::default();
        let [here, there] = ["192.0.2.0/24", "198.51.100.0/24"].map(|range| range.parse().ok());
        let half = EVIDENCE_DAY_MAX_BYTES / 2;
        assert!(evidence.has_room(here, half, 0));
        assert!(evidence.has_room(here, half, 1));
        assert!(!evidence.has_room(here, 1, 2));
        assert!(evidence.has_room(there, 1, 2) && evidence.has_room(None, 1, 2));
        assert!(evidence.has_room(here, 1, DAY_MS));
    }
}
