//! Load: crowds of people to test, measure and drive servers with.
//!
//! **Crowds.** In goes a seed, out come people, each with a position and a range, as many as are asked for:
//! [`Crowd`] draws them, most of its kinds from the world's [`cities`]. Tests, benches and load use the
//! same crowds, so that a figure from one can be compared with another.
//!
//! **The load generator**, `whisperchat swarm`. In go [`Options`], which become a [`Plan`] or an error that
//! says how to write it right; out comes an [`Outcome`]. [`run`] starts processes that share the people of
//! the plan, each on one thread:
//!
//! ```text
//! options → plan → fleet ─┬→ worker: schedule → person → wire, frame → link → server
//!                         └← parts of what was counted, timed and found wrong (tally) → outcome → table, page, JSON
//! ```
//! - `people`: who somebody is, known from their number alone, so that any process can judge any match
//! - `person`: what somebody does and makes of what they hear; no socket, no clock
//! - `schedule`, `alarm`: when, fixed beforehand, whatever the server does
//! - `letter`, `violation`: messages that tell who may get them, and what is wrong when somebody else does
//! - `condition`: `match.p99>5ms`
//!
//! It knows the wire contract and nothing of the server's insides: from the other rooms it takes only `geo` and `private`.
//! Nothing here is to be used for serving people.

mod alarm;
mod cities;
mod clock;
mod condition;
mod crowd;
mod fleet;
mod frame;
mod letter;
mod link;
mod options;
mod outcome;
mod page;
mod people;
mod person;
mod plan;
mod probe;
mod schedule;
mod share;
mod table;
mod tally;
mod target;
mod tokens;
mod usage;
mod violation;
mod wire;
mod worker;

pub use cities::{City, cities};
pub use condition::{Condition, ConditionError, Verdict};
pub use crowd::{Crowd, Person, RANGES_KM};
pub use fleet::{RunError, WORKER, run, work};
pub use options::{Addresses, Options, Scenario, Sizes, Span};
pub use outcome::{Ending, Moment, Outcome, Quantiles, ServerUsage};
pub use plan::{Machine, Plan, PlanError};
pub use probe::ProbeError;
pub use schedule::{Rate, RateError};
pub use tally::{Counts, Errors, Gauges, Metric, Violations};
pub use target::{Target, TargetError};
pub use tokens::{Tokens, TokensError};
pub use usage::Usage;
