//! Reading rows.

use super::{StoreError, Subject};
use crate::private::Private;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row as _, Type};

/// A row's columns by their names.
#[derive(Clone, Copy)]
pub(super) struct Read<'r>(pub(super) &'r AnyRow);

impl<'r> Read<'r> {
    pub(super) fn get<T: Decode<'r, Any> + Type<Any>>(self, name: &str) -> Result<T, StoreError> {
        Ok(self.0.try_get(name)?)
    }

    pub(super) fn private(self, name: &str) -> Result<Option<Private<String>>, StoreError> {
        let text: Option<String> = self.get(name)?;
        Ok(text.map(Private::new))
    }

    pub(super) fn subject(self, name: &str) -> Result<Option<Subject>, StoreError> {
        let bytes: Option<Vec<u8>> = self.get(name)?;
        let subject = bytes.map(|bytes| Subject::from_bytes(&bytes)).transpose();
        subject.map_err(StoreError::unreadable)
    }
}

/// Whether a text can be kept: not longer than so many bytes, and without NUL, which PostgreSQL has no place for.
pub(super) fn fits(text: &str, max_bytes: usize) -> Result<(), StoreError> {
    if text.len() > max_bytes || text.contains('\0') {
        return Err(StoreError::Unacceptable(
            "a text is too long to be kept, or holds a NUL",
        ));
    }
    Ok(())
}
