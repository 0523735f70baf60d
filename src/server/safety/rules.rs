//! What happens by itself to people who are reported: nothing, until several others have reported them.
//!
//! A rule acts when a report takes somebody's weight over its threshold, so each acts once for each time that happens. What it
//! does is a measure like any other: it ends by itself, is listed and lifted as bans are, and stands in the audit log.

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

/// What is to be done about somebody of this weight, whose last report weighed so much, both in thousandths.
fn measure(rules: &Moderation, gravity: Gravity, last: i64) -> Option<Measure> {
    let reporters_min = i64::from(rules.reporters_min);
    if gravity.reporters < reporters_min || gravity.networks < reporters_min {
        return None;
    }
    let crosses = |threshold: f64| {
        let threshold = threshold * 1000.0;
        threshold > 0.0
            && gravity.weight as f64 >= threshold
            && ((gravity.weight - last) as f64) < threshold
    };
    // The strongest counts of those that begin with this report.
    if crosses(rules.ban_at) {
        Some(Measure::Ban)
    } else if crosses(rules.apart_at) {
        Some(Measure::Shadow)
    } else if crosses(rules.slow_at) {
        Some(Measure::Slow)
    } else {
        None
    }
}

/// What the rules have done of late. Of reports that are kept together, each finds that it has taken somebody over a
/// threshold; one of them is enough.
#[derive(Debug, Default)]
pub(super) struct Acted(Mutex<VecDeque<(Subject, Measure, i64)>>);

impl Acted {
    /// For how long it is remembered: longer than reports that were kept together are looked at.
    const LATELY_MS: i64 = 60_000;

    /// More of it is not remembered.
    const MAX: usize = 1024;

    /// Whether this has not been done to them of late. From now on it has.
    fn is_first(&self, subject: Subject, measure: Measure, at_ms: i64) -> bool {
        let mut acted = self.0.lock();
        acted.retain(|(.., then_ms)| at_ms - then_ms < Self::LATELY_MS);
        let is_same =
            |(who, what, _): &(Subject, Measure, i64)| *who == subject && *what == measure;
        if acted.iter().any(is_same) {
            return false;
        }
        if acted.len() == Self::MAX {
            acted.pop_front();
        }
        acted.push_back((subject, measure, at_ms));
        true
    }
}

impl Safety {
    /// A report was kept that weighs so much: does what the rules have for who was reported.
    ///
    /// # Errors
    /// [`StoreError`] if the store can't say or keep it. The next report that crosses a threshold tries again.
    pub(super) async fn weigh(&self, reported: &Guest, last: i64) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        let (subject, at_ms) = (reported.pass.subject, now_ms());
        let since_ms = at_ms - i64::from(rules.window_h) * HOUR_MS;
        let gravity = self
            .writer
            .store()
            .weight_of_reports(subject, since_ms)
            .await?;
        let Some(measure) = measure(&rules, gravity, last) else {
            return Ok(());
        };
        if !self.acted.is_first(subject, measure, at_ms) {
            return Ok(());
        }
        if rules.dry_run {
            return self.would(measure, subject, gravity, at_ms).await;
        }
        let new = NewBan {
            measure,
            subject: Some(subject),
            network: None,
            reason: REASON.to_owned(),
            appeal: rules.appeal.clone(),
            report: None,
            created_at_ms: at_ms,
            created_by: ACTOR.to_owned(),
            expires_at_ms: Some(at_ms + i64::from(rules.lasts_h) * HOUR_MS),
        };
        // Taken up by the next look at the store, as one of another server.
        self.writer.add_ban(new).await.map(drop)
    }

    async fn would(
        &self,
        measure: Measure,
        subject: Subject,
        gravity: Gravity,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        let entry = NewAudit {
            at_ms,
            actor: ACTOR.to_owned(),
            action: "ban.would".to_owned(),
            target: format!("subject:{subject}"),
            detail: json!({
                "measure": measure.word(),
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
    fn a_rule_acts_when_a_report_takes_somebody_over_its_threshold_and_not_again() {
        let rules = Moderation::default();
        let act = |people, weight, last| measure(&rules, gravity(people, weight), last);
        assert_eq!(act(2, 1250, 250), None);
        assert_eq!(act(2, 1500, 250), Some(Measure::Slow));
        assert_eq!(act(3, 1750, 250), None);
        assert_eq!(act(2, 2000, 250), Some(Measure::Shadow));
        assert_eq!(act(3, 3000, 1000), None);
        assert_eq!(act(4, 4000, 1000), Some(Measure::Ban));
        assert_eq!(act(5, 5000, 1000), None);
        // Where one report crosses several, the strongest.
        assert_eq!(act(2, 2000, 1000), Some(Measure::Shadow));
        assert_eq!(act(4, 4500, 3000), Some(Measure::Ban));
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
            assert_eq!(measure(&rules, gravity, 9000), None);
        }
    }

    #[test]
    fn of_reports_that_are_kept_together_one_acts() {
        let acted = Acted::default();
        let (ann, bob) = (Subject([1; 16]), Subject([2; 16]));
        assert!(acted.is_first(ann, Measure::Ban, 0));
        assert!(!acted.is_first(ann, Measure::Ban, 1));
        assert!(acted.is_first(ann, Measure::Shadow, 1));
        assert!(acted.is_first(bob, Measure::Ban, 1));
        assert!(acted.is_first(ann, Measure::Ban, Acted::LATELY_MS));
    }

    #[test]
    fn a_threshold_of_zero_is_none() {
        let rules = Moderation {
            slow_at: 0.0,
            apart_at: 0.0,
            ban_at: 0.0,
            ..Moderation::default()
        };
        assert_eq!(measure(&rules, gravity(9, 9000), 9000), None);
    }
}
