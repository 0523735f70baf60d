//! Makes a plan that fails smaller, for as long as it breaks the same promise.

use crate::violation::Violation;
use crate::world::{Failure, Plan, World};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How often a plan is tried again at most.
const TRIES_MAX: usize = 300;

/// Runs a plan. A panic, as of an assertion inside the server, is a broken promise like any other.
pub(crate) fn run(plan: &Plan) -> Result<crate::counts::Counts, Box<Failure>> {
    catch_unwind(AssertUnwindSafe(|| World::run(plan.clone()))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = text.unwrap_or_default();
        let violation = Violation {
            rule: "no assertion fails",
            what,
        };
        Err(Box::new(Failure {
            violation,
            acts: plan.acts_max,
            trace: Vec::new(),
        }))
    })
}

/// The smallest plan found that breaks the same promise.
pub(crate) fn shrink(plan: Plan, failure: &Failure) -> Plan {
    let mut search = Search {
        best: plan,
        rule: failure.violation.rule,
        tries: 0,
    };
    search.cut_acts(failure.acts);
    search.drop_clients();
    search.bisect_acts();
    search.drop_clients();
    search.best
}

struct Search {
    best: Plan,
    rule: &'static str,
    tries: usize,
}

impl Search {
    /// Takes a plan if it still fails, and cuts off what people would have done after that.
    fn try_plan(&mut self, plan: Plan) -> bool {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return false;
        }
        match run(&plan) {
            Err(failure) if failure.violation.rule == self.rule => {
                self.best = Plan {
                    acts_max: failure.acts.min(plan.acts_max),
                    ..plan
                };
                true
            }
            _ => false,
        }
    }

    fn cut_acts(&mut self, acts_max: u64) {
        self.try_plan(Plan {
            acts_max,
            ..self.best.clone()
        });
    }

    fn drop_clients(&mut self) {
        let mut size = self.best.clients.len() / 2;
        while size > 0 {
            let mut from = 0;
            while from < self.best.clients.len() {
                let mut plan = self.best.clone();
                let to = (from + size).min(plan.clients.len());
                plan.clients.drain(from..to);
                if !self.try_plan(plan) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn bisect_acts(&mut self) {
        let (mut low, mut high) = (0, self.best.acts_max);
        while low < high {
            let middle = low.midpoint(high);
            if self.try_plan(Plan {
                acts_max: middle,
                ..self.best.clone()
            }) {
                high = self.best.acts_max.min(middle);
            } else {
                low = middle + 1;
            }
        }
    }
}
