//! What the server says in v1, as far as a person is to hear of it.

use serde::Deserialize;

/// A message of the server. Unknown types and fields are passed over.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Heard {
    Welcome(Welcome),
    Waiting(Waiting),
    Matched(Matched),
    Said {
        seq: u64,
        text: String,
    },
    Accepted {
        id: Option<String>,
        seq: u64,
    },
    Delivered {
        seq: u64,
    },
    Typing {
        on: bool,
    },
    PartnerAway,
    PartnerBack,
    PartnerLeft {
        #[serde(default)]
        reason: String,
    },
    Idle {
        #[serde(default)]
        reason: String,
    },
    Blocked {
        #[serde(default)]
        chat: String,
    },
    Reported {
        #[serde(default)]
        chat: String,
    },
    Resumed,
    GoingAway {
        #[serde(default)]
        reconnect_after_ms: u64,
    },
    Error(Refusal),
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Welcome {
    pub(super) protocol: u64,
    #[serde(default)]
    pub(super) limits: Limits,
}

/// What the server allows; where it doesn't say, what the contract allows.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    pub(super) max_message_bytes: usize,
    pub(super) max_text_chars: usize,
    pub(super) min_range_km: f64,
    pub(super) max_range_km: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 8192,
            max_text_chars: 2000,
            min_range_km: 0.0,
            max_range_km: crate::geo::MAX_RANGE_KM,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Waiting {
    pub(super) range_km: f64,
    #[serde(default)]
    pub(super) nearby: String,
    pub(super) estimate_s: Option<Estimate>,
    #[serde(default)]
    pub(super) requeued: bool,
}

#[derive(Deserialize)]
pub(super) struct Estimate {
    pub(super) p50: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Matched {
    #[serde(default)]
    pub(super) chat: String,
    #[serde(default)]
    pub(super) partner: Partner,
    #[serde(default)]
    pub(super) distance: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Partner {
    pub(super) name: Option<String>,
    pub(super) shared_interests: Vec<String>,
}

/// A request of ours was refused.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) id: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_passed_over() {
        let heard: Heard = serde_json::from_str(r#"{"type":"confetti","amount":7}"#).unwrap();
        assert!(matches!(heard, Heard::Unknown));
        let said = r#"{"type":"said","seq":3,"text":"hi","at":1,"mood":"good"}"#;
        let heard: Heard = serde_json::from_str(said).unwrap();
        assert!(matches!(heard, Heard::Said { seq: 3, .. }));
    }

    #[test]
    fn a_welcome_may_leave_limits_out() {
        let welcome = r#"{"type":"welcome","protocol":1,"limits":{"max_text_chars":10}}"#;
        let Heard::Welcome(welcome) = serde_json::from_str(welcome).unwrap() else {
            panic!("it is a welcome");
        };
        assert_eq!(welcome.limits.max_text_chars, 10);
        assert_eq!(welcome.limits.max_message_bytes, 8192);
    }
}
