//! What happens by itself to people who are reported.

use serde::{Deserialize, Serialize};

/// What happens by itself to people who are reported. A report weighs 1, or less from somebody new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moderation {
    /// Over how many hours reports are added up.
    pub window_h: u32,
    /// By how many different people, from as many address ranges, somebody must have been reported at least.
    pub reporters_min: u32,
    /// From which weight on somebody is held back for `slow_s` each time that they wait; 0: never.
    pub slow_at: f64,
    /// For how many seconds.
    pub slow_s: f64,
    /// From which weight on somebody meets only others of whom that is so; 0: never.
    pub apart_at: f64,
    /// From which weight on somebody is banned; 0: never.
    pub ban_at: f64,
    /// For how many hours each of them lasts.
    pub lasts_h: u32,
    /// What who is banned so can do about it, in a sentence.
    pub appeal: Option<String>,
    /// Only write into the audit log what would have happened.
    pub dry_run: bool,
}

impl Default for Moderation {
    fn default() -> Self {
        Self {
            window_h: 24,
            reporters_min: 2,
            slow_at: 1.5,
            slow_s: 60.0,
            apart_at: 2.0,
            ban_at: 4.0,
            lasts_h: 24,
            appeal: None,
            dry_run: true,
        }
    }
}

impl Moderation {
    /// Who is kept apart is not banned yet.
    pub(super) fn is_ban_at_good(&self) -> bool {
        self.ban_at == 0.0 || self.ban_at >= self.apart_at
    }

    /// As much as a close frame has room for, with a reason before it.
    pub(super) fn is_appeal_good(&self) -> bool {
        self.appeal.as_ref().is_none_or(|text| text.len() <= 90)
    }
}
