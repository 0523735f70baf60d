//! Who asks.

use super::problem::Problem;
use crate::accounts::{AccountName, Permission, Role, Standing};
use axum::http::StatusCode;

/// Who asks, as far as it was asked.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Somebody on this machine, where there are neither accounts nor a token.
    Anybody,
    /// A program that has the token: `admin.token`.
    Token,
    /// Somebody who is logged in.
    Account(Who),
    /// Somebody whose access token is good, while the store can't say whether their session goes on; or somebody on this
    /// machine, while it can't say whether there are accounts by now. They may look.
    Unsure,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) account: i64,
    pub(super) name: AccountName,
    pub(super) role: Role,
    pub(super) standing: Standing,
    pub(super) session: i64,
}

impl Caller {
    pub(super) fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Anybody | Self::Token => true,
            Self::Account(who) => who.role.may(who.standing, permission),
            Self::Unsure => permission == Permission::Look,
        }
    }

    /// Whether nothing but a second factor is missing.
    pub(super) fn must_enrol(&self) -> bool {
        matches!(self, Self::Account(who) if who.standing == Standing::MustEnrol)
    }

    /// As the audit log has it.
    pub(super) fn actor(&self) -> String {
        match self {
            Self::Anybody => "this machine".to_owned(),
            Self::Token => "token".to_owned(),
            Self::Account(who) => who.actor(),
            // They change nothing.
            Self::Unsure => "somebody".to_owned(),
        }
    }

    /// Whoever has an account of their own to change.
    pub(super) fn who(&self) -> Result<&Who, Problem> {
        match self {
            Self::Account(who) => Ok(who),
            _ => Err(Problem::new(
                StatusCode::CONFLICT,
                "this is about an account of one's own, which the token has not",
            )),
        }
    }
}

impl Who {
    /// As the audit log has it.
    pub(super) fn actor(&self) -> String {
        actor(&self.name)
    }
}

/// What the audit log calls somebody with an account.
pub(super) fn actor(name: &AccountName) -> String {
    format!("account:{}", name.as_str())
}
