//! What was promised and did not hold.

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// Which promise, in a few words that stay the same while a trace is shrunk.
    pub(crate) rule: &'static str,
    /// What happened.
    pub(crate) what: String,
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

/// Ends the function with a violation of a rule unless something holds.
macro_rules! ensure {
    (false, $rule:expr, $($what:tt)+) => {
        return Err($crate::violation::Violation { rule: $rule, what: format!($($what)+) })
    };
    ($holds:expr, $rule:expr, $($what:tt)+) => {
        if !$holds {
            ensure!(false, $rule, $($what)+);
        }
    };
}

pub(crate) use ensure;
