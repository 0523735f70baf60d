//! What one connection may do: a number for each limit.

use super::{Limit, Refusals};
use crate::config::{Config, Rate};
use crate::moment::Moment;
use crate::pace::{Allowance, Pace};

/// The span in which errors are counted.
const ERROR_SPAN_MS: u64 = 60_000;

/// What is limited of what a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Deed {
    /// Says something to the partner.
    Message,
    /// Types.
    Typing,
    /// Asks for something that takes a search, or an operator's time.
    Join,
}

impl Deed {
    fn limit(self) -> Limit {
        match self {
            Self::Message => Limit::Messages,
            Self::Typing => Limit::Typing,
            Self::Join => Limit::Joins,
        }
    }
}

/// The limits of all sessions.
#[derive(Debug, Clone)]
pub(in crate::server) struct SessionLimits {
    /// By [`Deed`].
    allowances: [Option<(Allowance, bool)>; 3],
    errors_per_minute: usize,
    is_errors_dry_run: bool,
}

impl SessionLimits {
    pub(in crate::server) fn new(config: &Config) -> Self {
        let rates = &config.rates;
        let allowance = |rate: Rate| {
            let cost = rate.cost()?;
            Some((Allowance::new(rate.burst, cost), rate.dry_run))
        };
        Self {
            allowances: [rates.messages, rates.typing, rates.joins].map(allowance),
            errors_per_minute: config.limits.errors_per_minute,
            is_errors_dry_run: config.limits.errors_dry_run,
        }
    }
}

/// What a connection has done of late, as far as that is limited.
#[derive(Debug, Default)]
pub(in crate::server) struct Conduct {
    /// By [`Deed`].
    paces: [Pace; 3],
    /// When errors were caused, within the span.
    errors: Vec<Moment>,
}

impl Conduct {
    /// One more deed. If it is refused, says after how many ms it would not be.
    pub(in crate::server) fn deed(
        &mut self,
        deed: Deed,
        now: Moment,
        limits: &SessionLimits,
        refusals: &Refusals,
    ) -> Result<(), u64> {
        let Some((allowance, is_dry_run)) = limits.allowances[deed as usize] else {
            return Ok(());
        };
        let spent = allowance.try_spend(&mut self.paces[deed as usize], now);
        if spent.is_err() && !refusals.is_refused(deed.limit(), is_dry_run) {
            return Ok(());
        }
        spent
    }

    /// One more error. Returns whether that is too many within a minute.
    pub(in crate::server) fn error(
        &mut self,
        now: Moment,
        limits: &SessionLimits,
        refusals: &Refusals,
    ) -> bool {
        self.errors
            .retain(|at| now.millis_since(*at) < ERROR_SPAN_MS);
        self.errors.push(now);
        if self.errors.len() < limits.errors_per_minute {
            return false;
        }
        // Of a dry run, no more is kept than otherwise.
        self.errors.remove(0);
        refusals.is_refused(Limit::Errors, limits.is_errors_dry_run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_s(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn each_deed_has_its_own_burst_and_a_dry_run_only_counts() {
        let mut config = Config::default();
        config.rates.messages.burst = 2;
        config.rates.typing.burst = 1;
        config.rates.typing.dry_run = true;
        config.rates.joins.per_minute = 0.0;
        let (limits, refusals) = (SessionLimits::new(&config), Refusals::default());
        let mut conduct = Conduct::default();
        let mut did = |deed, now| conduct.deed(deed, now, &limits, &refusals);
        let (now, second) = (at_s(1), at_s(2));
        for _ in 0..2 {
            assert_eq!(did(Deed::Message, now), Ok(()));
        }
        assert_eq!(did(Deed::Message, now), Err(50));
        for _ in 0..10 {
            assert_eq!(did(Deed::Typing, now), Ok(()));
            assert_eq!(did(Deed::Join, now), Ok(()));
        }
        assert_eq!(did(Deed::Message, second), Ok(()));
        assert_eq!(refusals.refused(Limit::Messages), 1);
        assert_eq!(refusals.refused(Limit::Typing), 0);
        assert_eq!(refusals.passed(Limit::Typing), 9);
        assert_eq!(refusals.passed(Limit::Joins), 0);
    }

    #[test]
    fn errors_count_for_a_minute() {
        let mut config = Config::default();
        config.limits.errors_per_minute = 3;
        let refusals = Refusals::default();
        for is_dry_run in [false, true] {
            config.limits.errors_dry_run = is_dry_run;
            let limits = SessionLimits::new(&config);
            let mut conduct = Conduct::default();
            let times = [0, 30, 60, 89, 100];
            let too_many = times.map(|s| conduct.error(at_s(s), &limits, &refusals));
            assert_eq!(too_many, [false, false, false, !is_dry_run, !is_dry_run]);
            assert!(conduct.errors.len() < 3);
        }
        assert_eq!(refusals.refused(Limit::Errors), 2);
        assert_eq!(refusals.passed(Limit::Errors), 2);
    }
}
