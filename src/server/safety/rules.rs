//! What happens by itself to people who are reported: nothing, until several others have reported them.
//!
//! A rule looks at what speaks against somebody by now, whichever report made it so much, and acts once for each time that it is
//! added up for: not again for what it has done already, or a moderator has lifted. What it does is a measure like any other: it
//! ends by itself, is listed and lifted as bans are, and stands in the audit log.

use super::{Guest, Safety};
use crate::config::Moderation;
use crate::server::store::now_ms;
use crate::store::{Gravity, Measure, NewAudit, NewBan, StoreError, Subject};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::VecDeque;

const HOUR_MS: i64 = 3_600_000;

/// Who acts, as the audit log has it.
const ACTOR: &str = "rule:weight";

/// What is said to who is banned by a rule.
const REASON: &str = "Several people have reported you.";

/// What is to be done about somebody of this weight: the strongest of the measures whose thresholds it reaches.
fn measure(rules: &Moderation, gravity: Gravity) -> Option<Measure> {
    let reporters_min = i64::from(rules.reporters_min);
    if gravity.reporters < reporters_min || gravity.networks < reporters_min {
        return None;
    }
    let reaches = |threshold: f64| threshold > 0.0 && gravity.weight as f64 >= threshold * 1000.0;
    let rules = [
        (rules.ban_at, Measure::Ban),
        (rules.apart_at, Measure::Shadow),
        (rules.slow_at, Measure::Slow),
    ];
    let (_, measure) = rules
        .into_iter()
        .find(|(threshold, _)| reaches(*threshold))?;
    Some(measure)
}

/// Orders measures from the mildest to the strongest.
fn strength(measure: Measure) -> u8 {
    match measure {
        Measure::Slow => 0,
        Measure::Shadow => 1,
        Measure::Ban => 2,
    }
}

/// What the rules have done of late. Of reports that are kept together, each finds that somebody is over a threshold, before
/// the measure is in the store; one of them is enough. In a dry run there never is one in the store.
#[derive(Debug, Default)]
pub(super) struct Acted(Mutex<VecDeque<Act>>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Act {
    subject: Subject,
    measure: Measure,
    is_dry: bool,
    at_ms: i64,
}

impl Acted {
    /// More of it is not remembered.
    const MAX: usize = 1024;

    /// Whether nothing as strong has been done to them since then. From now on it has.
    fn begin(&self, act: Act, since_ms: i64) -> bool {
        let mut acted = self.0.lock();
        acted.retain(|before| before.at_ms >= since_ms);
        let is_as_strong = |before: &Act| {
            before.subject == act.subject
                && before.is_dry == act.is_dry
                && strength(before.measure) >= strength(act.measure)
        };
        if acted.iter().any(is_as_strong) {
            return false;
        }
        if acted.len() == Self::MAX {
            acted.pop_front();
        }
        acted.push_back(act);
        true
    }

    /// It has not been done after all.
    fn undo(&self, act: Act) {
        self.0.lock().retain(|before| *before != act);
    }
}

impl Safety {
    /// A report was kept: does what the rules have for who was reported.
    ///
    /// # Errors
    /// [`StoreError`] if the store can't say or keep it. The next report of them tries again.
    pub(super) async fn weigh(&self, reported: &Guest, report: i64) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        let (subject, at_ms) = (reported.pass.subject, now_ms());
        let since_ms = at_ms - i64::from(rules.window_h) * HOUR_MS;
        let store = self.writer.store();
        let gravity = store.weight_of_reports(subject, since_ms).await?;
        let Some(measure) = measure(&rules, gravity) else {
            return Ok(());
        };
        let act = Act {
            subject,
            measure,
            is_dry: rules.dry_run,
            at_ms,
        };
        if !self.acted.begin(act, since_ms) {
            return Ok(());
        }
        let outcome = if rules.dry_run {
            self.would(act, gravity, report).await
        } else {
            self.act(act, &rules, since_ms, report).await
        };
        if outcome.is_err() {
            self.acted.undo(act);
        }
        outcome
    }

    /// Takes a measure, unless one as strong was taken since then, here or by another server, and perhaps lifted.
    async fn act(
        &self,
        act: Act,
        rules: &Moderation,
        since_ms: i64,
        report: i64,
    ) -> Result<(), StoreError> {
        let store = self.writer.store();
        let before = store.measures_by(ACTOR, act.subject, since_ms).await?;
        let is_as_strong = |before: &Measure| strength(*before) >= strength(act.measure);
        if before.iter().any(is_as_strong) {
            return Ok(());
        }
        let new = NewBan {
            measure: act.measure,
            subject: Some(act.subject),
            network: None,
            reason: REASON.to_owned(),
            appeal: rules.appeal.clone(),
            report: Some(report),
            created_at_ms: act.at_ms,
            created_by: ACTOR.to_owned(),
            expires_at_ms: Some(act.at_ms + i64::from(rules.lasts_h) * HOUR_MS),
        };
        // Taken up by the next look at the store, as one of another server.
        self.writer.add_ban(new).await.map(drop)
    }

    /// Writes down what would have been done. Whom it is about stands in the report, which is kept for less long than this.
    async fn would(&self, act: Act, gravity: Gravity, report: i64) -> Result<(), StoreError> {
        let entry = NewAudit {
            at_ms: act.at_ms,
            actor: ACTOR.to_owned(),
            action: "ban.would".to_owned(),
            target: format!("report:{report}"),
            detail: json!({
                "measure": act.measure.word(),
                "reports": gravity.reports,
                "reporters": gravity.reporters,
                "weight": gravity.weight,
            }),
        };
        self.writer.add_audit(entry).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gravity(people: i64, weight: i64) -> Gravity {
        Gravity {
            reports: people,
            reporters: people,
            networks: people,
            weight,
        }
    }

    #[test]
    fn the_strongest_measure_counts_whose_threshold_is_reached() {
        let rules = Moderation::default();
        let act = |people, weight| measure(&rules, gravity(people, weight));
        assert_eq!(act(2, 1499), None);
        assert_eq!(act(2, 1500), Some(Measure::Slow));
        assert_eq!(act(2, 2000), Some(Measure::Shadow));
        assert_eq!(act(4, 3999), Some(Measure::Shadow));
        assert_eq!(act(4, 4000), Some(Measure::Ban));
        assert_eq!(act(9, 9000), Some(Measure::Ban));
    }

    #[test]
    fn one_person_alone_or_one_house_alone_has_nothing_done() {
        let rules = Moderation::default();
        let alone = Gravity {
            networks: 9,
            ..gravity(1, 9000)
        };
        let one_house = Gravity {
            reporters: 9,
            ..gravity(1, 9000)
        };
        for gravity in [alone, one_house] {
            assert_eq!(measure(&rules, gravity), None);
        }
    }

    #[test]
    fn a_measure_is_taken_once_and_then_only_a_stronger_one() {
        let acted = Acted::default();
        let [ann, bob] = [1, 2].map(|subject| Subject([subject; 16]));
        let act = |subject, measure, at_ms| Act {
            subject,
            measure,
            is_dry: false,
            at_ms,
        };
        assert!(acted.begin(act(ann, Measure::Shadow, 0), 0));
        assert!(!acted.begin(act(ann, Measure::Shadow, 1), 0));
        assert!(!acted.begin(act(ann, Measure::Slow, 1), 0));
        assert!(acted.begin(act(ann, Measure::Ban, 1), 0));
        assert!(acted.begin(act(bob, Measure::Ban, 1), 0));
        // What was only tried is no reason not to do it.
        let dry = Act {
            is_dry: true,
            ..act(ann, Measure::Ban, 2)
        };
        assert!(acted.begin(dry, 0));
        acted.undo(act(bob, Measure::Ban, 1));
        assert!(acted.begin(act(bob, Measure::Slow, 2), 0));
        // Another time that is added up for.
        assert!(acted.begin(act(ann, Measure::Ban, 9), 3));
    }

    #[test]
    fn a_threshold_of_zero_is_none() {
        let rules = Moderation {
            slow_at: 0.0,
            apart_at: 0.0,
            ban_at: 0.0,
            ..Moderation::default()
        };
        assert_eq!(measure(&rules, gravity(9, 9000)), None);
    }
}
