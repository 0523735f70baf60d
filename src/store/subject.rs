//! Whom a row is about.

use std::fmt;
use std::str::FromStr;

/// Who somebody is to the store: an id that means nothing by itself, and is the same as long as they keep what
/// proves it. `Debug` shows nothing; `Display` writes 32 hexadecimal digits, which can be read back.
///
/// ```
/// use whisperchat::store::Subject;
/// let subject = Subject([7; 16]);
/// assert_eq!(subject.to_string(), "07".repeat(16));
/// assert_eq!(subject.to_string().parse(), Ok(subject));
/// assert_eq!(format!("{subject:?}"), "Subject(..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

/// Text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 hexadecimal digits")]
pub struct NotASubject;

impl Subject {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, NotASubject> {
        bytes.try_into().map(Self).map_err(|_| NotASubject)
    }

    pub(super) fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotASubject);
        }
        let mut id = [0; 16];
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| NotASubject)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotASubject)?;
        }
        Ok(Self(id))
    }
}
