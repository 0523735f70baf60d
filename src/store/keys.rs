//! Keys that the server signs with.

use super::row::Read;
use super::transaction::{Level, Tx, retried};
use super::{Store, StoreError, sql};
use crate::private::Private;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its number.
    pub id: i64,
    /// What it is for, as a word such as `pass`.
    pub purpose: String,
    /// The key itself.
    pub secret: Private<Vec<u8>>,
    /// Since when there is it.
    pub created_at_ms: i64,
    /// When it stops to count; the sweeper removes it afterwards.
    pub retired_at_ms: Option<i64>,
}

impl Store {
    /// The keys for a purpose, those that are retired included, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn keys(&self, purpose: &str) -> Result<Vec<Key>, StoreError> {
        let query = sqlx::query(sql::KEYS).bind(purpose);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(Key::read).collect()
    }

    /// The newest key for a purpose that is not retired, or if there is none this one, which is added then: what
    /// several servers that start at once agree on.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn key_or_add(
        &self,
        purpose: &str,
        secret: &[u8],
        at_ms: i64,
    ) -> Result<Key, StoreError> {
        retried(|| self.find_or_add_key(purpose, secret, at_ms)).await
    }

    async fn find_or_add_key(
        &self,
        purpose: &str,
        secret: &[u8],
        at_ms: i64,
    ) -> Result<Key, StoreError> {
        // It is decided by a row that is not there, which no version can guard.
        let mut tx = self.begin(Level::Serializable).await?;
        let connection: &mut AnyConnection = &mut tx;
        let query = sqlx::query(sql::KEY_NEWEST).bind(purpose);
        let key = match query.fetch_optional(connection).await? {
            Some(row) => Key::read(&row)?,
            None => insert(&mut tx, purpose, secret, at_ms).await?,
        };
        tx.commit().await?;
        Ok(key)
    }

    /// Adds a key in the place of all others for its purpose, which stop to count at `until_ms`.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn replace_keys(
        &self,
        purpose: &str,
        secret: &[u8],
        at_ms: i64,
        until_ms: i64,
    ) -> Result<Key, StoreError> {
        retried(|| self.try_replace_keys(purpose, secret, at_ms, until_ms)).await
    }

    async fn try_replace_keys(
        &self,
        purpose: &str,
        secret: &[u8],
        at_ms: i64,
        until_ms: i64,
    ) -> Result<Key, StoreError> {
        // Of two servers that do so at once, one must see the other's key: which is not there when it begins.
        let mut tx = self.begin(Level::Serializable).await?;
        let connection: &mut AnyConnection = &mut tx;
        let query = sqlx::query(sql::RETIRE_KEYS).bind(purpose).bind(until_ms);
        query.execute(connection).await?;
        let key = insert(&mut tx, purpose, secret, at_ms).await?;
        tx.commit().await?;
        Ok(key)
    }
}

async fn insert(tx: &mut Tx, purpose: &str, secret: &[u8], at_ms: i64) -> Result<Key, StoreError> {
    let connection: &mut AnyConnection = tx;
    let query = sqlx::query(sql::ADD_KEY).bind(purpose);
    let query = query.bind(secret.to_vec()).bind(at_ms);
    Key::read(&query.fetch_one(connection).await?)
}

impl Key {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        Ok(Self {
            id: row.get("id")?,
            purpose: row.get("purpose")?,
            secret: Private::new(row.get("secret")?),
            created_at_ms: row.get("created_at_ms")?,
            retired_at_ms: row.get("retired_at_ms")?,
        })
    }
}
