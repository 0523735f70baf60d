//! A wrapper for what must not reach a log line.

use std::fmt;
use std::ops::Deref;

/// Personal data: a name, an interest, a message's text, a token. Reads like what it holds, but `Debug`
/// prints only that something is there.
///
/// ```
/// use whisperchat::private::Private;
/// let name = Private::new("ann".to_owned());
/// assert_eq!(format!("{name:?}"), "Private(..)");
/// assert_eq!(name.len(), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Marks something as personal.
    pub const fn new(inner: T) -> Self {
        Self(inner)
    }
}

impl<T> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(..)")
    }
}
