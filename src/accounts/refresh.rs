//! How long somebody stays logged in.
//!
//! Who logs in begins a session. It lives by refresh tokens, each good for one use, which gives the next. A token
//! that was used already is in two hands: one of them is not its owner's, and nobody can tell which, so the session
//! ends for both (RFC 9700, section 4.14.2).

/// After how long without a refresh a session has ended, in ms (ASVS 7.3.1).
pub const IDLE_MS: i64 = 12 * 3600 * 1000;

/// How long a session lasts at most, in ms (ASVS 7.3.2).
pub const WHOLE_MS: i64 = 7 * 24 * 3600 * 1000;

/// How many sessions an account has at once at most: whoever begins one more ends the one that was used the longest
/// ago (ASVS 7.1.2).
pub const SESSIONS_MAX: i64 = 16;

/// What is known of a session when one of its tokens is shown. Times are in ms since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Whether the token is the one that was given last.
    pub is_last: bool,
    /// When the session began.
    pub began_ms: i64,
    /// When it was last refreshed.
    pub refreshed_ms: i64,
    /// Whether it was ended: by logging out, by an admin, by a token that was shown twice.
    pub is_ended: bool,
}

/// What becomes of a session whose token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes on, with another token.
    Rotate,
    /// It has ended already.
    Over,
    /// It ends now: the token was used before.
    Reused,
}

impl Kept {
    /// What becomes of it at this time.
    pub fn turn(self, now_ms: i64) -> Turn {
        if self.is_ended || !is_alive(self.began_ms, self.refreshed_ms, now_ms) {
            Turn::Over
        } else if self.is_last {
            Turn::Rotate
        } else {
            Turn::Reused
        }
    }
}

/// Whether a session that nobody has ended still goes on.
pub fn is_alive(began_ms: i64, refreshed_ms: i64, now_ms: i64) -> bool {
    now_ms < began_ms.saturating_add(WHOLE_MS) && now_ms < refreshed_ms.saturating_add(IDLE_MS)
}

/// Until when it goes on if it isn't refreshed.
pub fn ends_ms(began_ms: i64, refreshed_ms: i64) -> i64 {
    let whole = began_ms.saturating_add(WHOLE_MS);
    whole.min(refreshed_ms.saturating_add(IDLE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Kept = Kept {
        is_last: true,
        began_ms: 0,
        refreshed_ms: 0,
        is_ended: false,
    };

    #[test]
    fn asvs_7_3_1_a_session_that_nobody_uses_ends_after_12_hours() {
        assert_eq!(FRESH.turn(IDLE_MS - 1), Turn::Rotate);
        assert_eq!(FRESH.turn(IDLE_MS), Turn::Over);
    }

    #[test]
    fn asvs_7_3_2_a_session_ends_after_7_days_however_often_it_is_used() {
        let mut kept = FRESH;
        for hour in 0..7 * 24 {
            let now_ms = hour * 3_600_000;
            assert_eq!(kept.turn(now_ms), Turn::Rotate, "{hour}");
            kept.refreshed_ms = now_ms;
        }
        assert_eq!(kept.turn(WHOLE_MS), Turn::Over);
        assert_eq!(ends_ms(0, kept.refreshed_ms), WHOLE_MS);
    }

    #[test]
    fn a_token_that_was_used_is_told_from_one_of_a_session_that_is_over() {
        let used = Kept {
            is_last: false,
            ..FRESH
        };
        assert_eq!(used.turn(1), Turn::Reused);
        let ended = Kept {
            is_ended: true,
            ..used
        };
        assert_eq!(ended.turn(1), Turn::Over);
    }
}
