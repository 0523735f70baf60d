//! What is made once, however often it is asked for: whoever asks names what they ask by a key, and what was made by it
//! is remembered in the transaction that makes it.

use super::row::{Read, fits};
use super::transaction::Tx;
use super::{StoreError, sql};
use crate::accounts::opaque::Digest;
use sqlx::AnyConnection;

/// The most bytes of who asks, for what, and by which key.
const TEXT_MAX_BYTES: usize = 800;

/// By which key something is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// Who asks, as the audit log has it. Somebody else's key is another one.
    pub actor: &'a str,
    /// For what, such as `POST /api/v1/bans`. So is that for something else.
    pub route: &'a str,
    /// The key, as whoever asks has chosen it.
    pub key: &'a str,
    /// What stands for all else that is asked: the same key with another one is refused.
    pub digest: Digest,
    /// When.
    pub at_ms: i64,
}

/// Whose turn it is to make something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// This transaction's. It says by [`remember`] what it has made.
    First(Claim),
    /// Something was made by this key, and this is its number.
    Made(i64),
}

/// A key that this transaction has taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim(i64);

/// Takes a key as a part of the transaction that makes something, before anything else of it. Of two at the same time
/// the second waits here for the end of the first, by the index on what is unique.
pub(super) async fn claim(tx: &mut Tx, once: &Once<'_>) -> Result<Turn, StoreError> {
    for text in [once.actor, once.route, once.key] {
        fits(text, TEXT_MAX_BYTES)?;
    }
    let connection: &mut AnyConnection = tx;
    let claimed: Option<i64> = sqlx::query_scalar(sql::CLAIM_KEY)
        .bind(once.actor)
        .bind(once.route)
        .bind(once.key)
        .bind(once.digest.to_vec())
        .bind(once.at_ms)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(id) = claimed {
        return Ok(Turn::First(Claim(id)));
    }
    let row = sqlx::query(sql::MADE_BY_KEY)
        .bind(once.actor)
        .bind(once.route)
        .bind(once.key)
        .fetch_optional(connection)
        .await?;
    // It was swept in between: the next attempt is the first one.
    let row = row.ok_or(StoreError::Crossed)?;
    let digest: Vec<u8> = Read(&row).get("digest")?;
    if digest != once.digest {
        return Err(StoreError::KeyReused);
    }
    Ok(Turn::Made(Read(&row).get("made")?))
}

/// Remembers what was made by a key, as a part of the same transaction.
pub(super) async fn remember(tx: &mut Tx, claim: Claim, made: i64) -> Result<(), StoreError> {
    let connection: &mut AnyConnection = tx;
    sqlx::query(sql::REMEMBER_MADE)
        .bind(claim.0)
        .bind(made)
        .execute(connection)
        .await?;
    Ok(())
}
