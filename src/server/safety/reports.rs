//! From a person's report to the store.

use super::{Guest, Safety};
use crate::conversation::{Line, Side};
use crate::dialect::{ErrorCode, Outgoing, WireError};
use crate::lobby::{Event, MessageId, Report, SessionId};
use crate::private::Private;
use crate::server::outbox::Outbox;
use crate::server::store::now_ms;
use crate::store::{NewReport, StoreError};
use serde::Serialize;
use std::sync::Arc;

/// After how long to try again if nobody knows better.
const RETRY_AFTER_MS: u64 = 5000;

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
            let weight = row.weight;
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
            if let Some(reported) = case.reported.filter(|_| added.is_new)
                && let Err(error) = safety.weigh(&reported, weight).await
            {
                tracing::warn!(%error, "nobody knows what the rules have for who was reported");
            }
        });
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
                .map(|note| Private::new(note.to_string())),
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

/// What was said, as JSON.
fn shown(lines: &[Line], reporter: Side) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| Shown {
            by: if line.from == reporter {
                "reporter"
            } else {
                "reported"
            },
            at_ms: line.at_ms,
            text: &line.text,
        })
        .collect();
    serde_json::to_string(&lines).expect("texts and numbers are JSON")
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
}
