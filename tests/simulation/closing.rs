//! Refusals, and the ends of lines that the server brings about.

use crate::model::{Ending, Model};
use crate::violation::{Checked, ensure};
use whisperchat::dialect::Dialect;

impl Model {
    pub(crate) fn refuses(&mut self, line: usize, code: &str) -> Checked {
        self.lines[line].errors += 1;
        if code == "bad_token" {
            self.may_refuse_token(line)?;
            self.lines[line].resume = None;
        }
        Ok(())
    }

    /// The server closes a line, or answers that the client did.
    pub(crate) fn closes(&mut self, line: usize, code: u16) -> Checked {
        let state = &self.lines[line];
        if state.is_left {
            return Ok(());
        }
        let (config, session) = (&self.config, &self.sessions[state.session]);
        let silent_ms = (self.now_ms - state.heard_ms) as f64;
        let confirm_s = config.matching.heard_within_s + config.matching.confirm_s;
        let pong_s = f64::from(config.limits.ping_s + config.limits.pong_s);
        let max_wait_ms = (config.matching.max_wait_s * 1000.0) as u64;
        let is_v1 = session.dialect == Dialect::V1;
        let is_right = match code {
            1000 => !is_v1 && session.since_ms + max_wait_ms <= self.now_ms,
            1001 => !is_v1 && self.is_draining,
            4001 => state.errors >= config.limits.errors_per_minute,
            // Blurred, the other line was not read.
            4002 => is_v1 && (self.session_on(line).is_none() || session.is_blurred),
            4100 => state.was_stalled,
            4101 => {
                let after_ms = (config.limits.first_message_s * 1000.0) as u64;
                let is_silent = !state.has_spoken || state.was_stalled;
                is_silent && state.opened_ms + after_ms <= self.now_ms
            }
            4200 => is_v1 && self.is_draining,
            4201 => state.was_stalled || silent_ms >= confirm_s.min(pong_s) * 1000.0,
            _ => false,
        };
        ensure!(
            is_right,
            "closed for a reason",
            "line {line}: {code}, silent for {silent_ms} ms"
        );
        if let (1001 | 4200, Some(session)) = (code, self.session_on(line)) {
            self.drain_loses_nothing(session)?;
        }
        self.ended(line, Ending::ByServer(code));
        Ok(())
    }
}
