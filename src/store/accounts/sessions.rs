//! Who is logged in.

use super::{By, account_now, end_sessions_but, word};
use crate::accounts::opaque::Digest;
use crate::accounts::refresh::{Kept, SESSIONS_MAX, Turn, is_alive};
use crate::accounts::{AccountName, Role, Standing};
use crate::private::Private;
use crate::store::row::Read;
use crate::store::transaction::Level;
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose.
    pub account: i64,
    /// The hash of the password that was shown.
    pub password: Private<String>,
    /// Whether a second factor was shown as well.
    pub with_factor: bool,
    /// What all its refresh tokens have in common.
    pub family: Digest,
    /// What the first of them has alone.
    pub turn: Digest,
}

/// A session, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its number.
    pub id: i64,
    /// The account's number.
    pub account: i64,
    /// The account's name.
    pub name: AccountName,
    /// What the account is for at the moment.
    pub role: Role,
    /// How far its owner has shown who they are, by what the role asks for at the moment.
    pub standing: Standing,
    /// When it began.
    pub began_at_ms: i64,
    /// When it was last refreshed.
    pub refreshed_at_ms: i64,
    is_ended: bool,
    turn: Digest,
}

/// What became of a session whose refresh token was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// It goes on with the next token.
    On(SessionRow),
    /// There is no such session, or not any more.
    Over,
    /// The token was used before, and so the session has ended.
    Reused(SessionRow),
}

impl SessionRow {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let turn: Vec<u8> = row.get("turn")?;
        let broken = |_| StoreError::Database(sqlx::Error::Decode("a digest has 32 bytes".into()));
        let role: Role = word(row, "role")?;
        let with_factor: i64 = row.get("with_factor")?;
        let ended: Option<i64> = row.get("ended_at_ms")?;
        let disabled: Option<i64> = row.get("disabled_at_ms")?;
        Ok(Self {
            id: row.get("id")?,
            account: row.get("account")?,
            name: word(row, "name")?,
            role,
            standing: role.standing(with_factor == 1),
            began_at_ms: row.get("began_at_ms")?,
            refreshed_at_ms: row.get("refreshed_at_ms")?,
            is_ended: ended.is_some() || disabled.is_some(),
            turn: turn.try_into().map_err(broken)?,
        })
    }

    /// Whether it goes on at this time.
    pub fn is_alive(&self, now_ms: i64) -> bool {
        !self.is_ended && is_alive(self.began_at_ms, self.refreshed_at_ms, now_ms)
    }
}

impl Store {
    /// Begins a session of somebody who has shown what they must. Returns its number; nothing if the password is
    /// another one by now, or the account lets nobody in.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn begin_session(
        &self,
        new: &NewSession,
        by: By<'_>,
    ) -> Result<Option<i64>, StoreError> {
        // Read committed, with the account's row held: whoever disables the account, or changes its password, at the
        // same time changes that row. If they were first, this finds the row as it does not want it; if this is, they
        // wait for it, and find this session among those that they end.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let held: Option<i64> = sqlx::query_scalar(sql::HOLD_ACCOUNT)
            .bind(new.account)
            .bind(new.password.as_str())
            .fetch_optional(connection)
            .await?;
        if held.is_none() {
            return Ok(None);
        }
        // A second factor may have been taken into use since it was asked whether there is one. Another statement, which
        // sees what whoever held the row has done.
        if !new.with_factor && account_now(&mut tx, new.account).await?.has_factor() {
            return Ok(None);
        }
        let connection: &mut AnyConnection = &mut tx;
        let id: i64 = sqlx::query_scalar(sql::ADD_SESSION)
            .bind(new.account)
            .bind(new.family.to_vec())
            .bind(new.turn.to_vec())
            .bind(i64::from(new.with_factor))
            .bind(by.at_ms)
            .fetch_one(connection)
            .await?;
        let connection: &mut AnyConnection = &mut tx;
        sqlx::query(sql::END_SESSIONS_BEYOND)
            .bind(new.account)
            .bind(by.at_ms)
            .bind(SESSIONS_MAX)
            .execute(connection)
            .await?;
        let detail = json!({"session": id, "with_factor": new.with_factor});
        audit::add(&mut tx, &by.entry("session.begin", new.account, detail)).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// A session and its account, as they are at the moment; nothing if there is none of this number.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn session(&self, id: i64) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(sql::SESSION)
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(SessionRow::read).transpose()
    }

    /// The sessions of an account that go on at this time, the one that was refreshed last first.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn sessions_of(
        &self,
        account: i64,
        now_ms: i64,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let rows = sqlx::query(sql::SESSIONS_OF)
            .bind(account)
            .bind(SESSIONS_MAX)
            .fetch_all(self.pool())
            .await?;
        let rows = rows
            .iter()
            .map(SessionRow::read)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(rows
            .into_iter()
            .filter(|row| row.is_alive(now_ms))
            .collect())
    }

    /// Lets a session go on with another refresh token, or ends it if this one was used before.
    ///
    /// # Errors
    /// [`StoreError::Away`]. The token may have been used then, or not.
    pub async fn turn_session(
        &self,
        family: &Digest,
        turn: &Digest,
        next: &Digest,
        now_ms: i64,
    ) -> Result<Turned, StoreError> {
        // Read committed: of two who show the same token at once, the second waits for the first's row, and finds
        // that the token is not the last any more. Then it looks again, and ends the session.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        loop {
            let connection: &mut AnyConnection = &mut tx;
            let row = sqlx::query(sql::SESSION_OF_FAMILY)
                .bind(family.to_vec())
                .fetch_optional(connection)
                .await?;
            let Some(row) = row else {
                return Ok(Turned::Over);
            };
            let row = SessionRow::read(&row)?;
            let connection: &mut AnyConnection = &mut tx;
            match row.kept(turn).turn(now_ms) {
                Turn::Over => return Ok(Turned::Over),
                Turn::Rotate => {
                    let turned: Option<i64> = sqlx::query_scalar(sql::TURN_SESSION)
                        .bind(row.id)
                        .bind(turn.to_vec())
                        .bind(next.to_vec())
                        .bind(now_ms)
                        .fetch_optional(connection)
                        .await?;
                    if turned.is_some() {
                        tx.commit().await?;
                        return Ok(Turned::On(row));
                    }
                    // Somebody was faster; a session's tokens never come back, so this ends.
                }
                Turn::Reused => {
                    let ended: Option<i64> = sqlx::query_scalar(sql::END_SESSION)
                        .bind(row.id)
                        .bind(now_ms)
                        .fetch_optional(connection)
                        .await?;
                    // Somebody else has ended it for the same reason.
                    if ended.is_none() {
                        return Ok(Turned::Over);
                    }
                    let actor = format!("account:{}", row.name.as_str());
                    let by = By {
                        actor: &actor,
                        at_ms: now_ms,
                    };
                    let detail = json!({"session": row.id});
                    audit::add(&mut tx, &by.entry("session.reused", row.account, detail)).await?;
                    tx.commit().await?;
                    return Ok(Turned::Reused(row));
                }
            }
        }
    }

    /// Ends a session. Nothing changes if it has ended.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn end_session(&self, id: i64, by: By<'_>) -> Result<(), StoreError> {
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let account: Option<i64> = sqlx::query_scalar(sql::END_SESSION)
            .bind(id)
            .bind(by.at_ms)
            .fetch_optional(connection)
            .await?;
        if let Some(account) = account {
            let detail = json!({"session": id});
            audit::add(&mut tx, &by.entry("session.end", account, detail)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The session that a refresh token is of, whatever its turn; nothing if there is none that goes on.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn session_of(
        &self,
        family: &Digest,
        now_ms: i64,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(sql::SESSION_OF_FAMILY)
            .bind(family.to_vec())
            .fetch_optional(self.pool())
            .await?;
        let row = row.as_ref().map(SessionRow::read).transpose()?;
        Ok(row.filter(|row| row.is_alive(now_ms)))
    }

    /// Ends all sessions of an account (ASVS 7.4.5). Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn end_sessions(&self, account: i64, by: By<'_>) -> Result<u64, StoreError> {
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let ended = end_sessions_but(&mut tx, account, 0, by.at_ms).await?;
        let detail = json!({"sessions": ended});
        audit::add(&mut tx, &by.entry("session.end_all", account, detail)).await?;
        tx.commit().await?;
        Ok(ended)
    }
}

impl SessionRow {
    fn kept(&self, turn: &Digest) -> Kept {
        Kept {
            is_last: self.turn == *turn,
            began_ms: self.began_at_ms,
            refreshed_ms: self.refreshed_at_ms,
            is_ended: self.is_ended,
        }
    }
}
