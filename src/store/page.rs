//! Pages of rows, each from where the one before ended.

use super::StoreError;
use std::fmt;
use std::str::FromStr;

/// The most rows that a page has.
pub const PAGE_MAX: u32 = 10_000;

/// Where a page ended: the next begins after it, whatever has come or gone meanwhile. Only of use with the same
/// filter and order. Written as two numbers, such as `1700000000000.42`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// What the order goes by.
    pub(super) key: i64,
    /// The row's id, for rows that are alike in that.
    pub(super) id: i64,
}

/// Some rows, and where to go on if there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub rows: Vec<T>,
    /// `None` after the last.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// Before every row.
    pub(super) const FIRST: Self = Self {
        key: i64::MIN,
        id: i64::MIN,
    };

    /// After every row.
    pub(super) const LAST: Self = Self {
        key: i64::MAX,
        id: i64::MAX,
    };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.id)
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let numbers = text
            .split_once('.')
            .and_then(|(key, id)| Some((key.parse().ok()?, id.parse().ok()?)));
        let (key, id) = numbers.ok_or(StoreError::Unacceptable("that is no place in a list"))?;
        Ok(Self { key, id })
    }
}

/// How many rows to ask the database for: one more than a page has, which says whether there are more.
pub(super) fn rows_to_fetch(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_MAX)) + 1
}

/// Makes a page of what was fetched so.
pub(super) fn page<T>(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let limit = limit.clamp(1, PAGE_MAX) as usize;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(cursor).filter(|_| is_more);
    Page { rows, next }
}
