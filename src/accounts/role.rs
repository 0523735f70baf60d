//! What somebody may do.

use std::fmt;
use std::str::FromStr;

/// What an account is for. Each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees the board and its figures.
    Viewer,
    /// Looks after people: reports, bans, sessions.
    Moderator,
    /// Looks after the server and its accounts.
    Admin,
}

/// What a route asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To enrol a second factor of one's own, to see who one is, and to leave: with the password alone, too.
    Enrol,
    /// To change one's own account.
    Own,
    /// To see figures, in which nobody is told from others.
    Look,
    /// To see what people reported, to decide it, to ban, to end a session.
    Moderate,
    /// To drain the server, to see its settings, to change its log.
    Steer,
    /// To make accounts, and to change those of others.
    ManageAccounts,
}

/// How far somebody has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// All that the role asks for.
    Full,
    /// The password, but the role asks for a second factor that is not there yet.
    MustEnrol,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Moderator, Self::Admin];

    /// The role as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    /// Whether it takes a second factor (ASVS 6.3.3): what others reported, and the server itself, are not for
    /// whoever has found out a password.
    pub const fn needs_factor(self) -> bool {
        !matches!(self, Self::Viewer)
    }

    /// How far somebody of this role has come with their password, and their second factor if they have one.
    pub const fn standing(self, has_factor: bool) -> Standing {
        if self.needs_factor() && !has_factor {
            Standing::MustEnrol
        } else {
            Standing::Full
        }
    }

    /// Whether somebody of this role may do something.
    pub const fn may(self, standing: Standing, permission: Permission) -> bool {
        if matches!(standing, Standing::MustEnrol) {
            return matches!(permission, Permission::Enrol);
        }
        match permission {
            Permission::Enrol | Permission::Own | Permission::Look => true,
            Permission::Moderate => !matches!(self, Self::Viewer),
            Permission::Steer | Permission::ManageAccounts => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That something is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, moderator or admin")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or(NotARole)
    }
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 6] = [
        Self::Enrol,
        Self::Own,
        Self::Look,
        Self::Moderate,
        Self::Steer,
        Self::ManageAccounts,
    ];

    /// The permission as it is written in the description of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrol => "enrol",
            Self::Own => "own",
            Self::Look => "look",
            Self::Moderate => "moderate",
            Self::Steer => "steer",
            Self::ManageAccounts => "accounts",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|permission| permission.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asvs_8_2_1_each_role_may_what_the_ones_below_it_may() {
        for permission in Permission::ALL {
            let may = Role::ALL.map(|role| role.may(Standing::Full, permission));
            assert!(may.is_sorted(), "{permission:?}: {may:?}");
            assert!(may[2], "an admin may everything: {permission:?}");
        }
    }

    #[test]
    fn asvs_6_3_3_above_viewer_the_password_alone_is_for_enrolling_only() {
        assert_eq!(Role::Viewer.standing(false), Standing::Full);
        for role in [Role::Moderator, Role::Admin] {
            assert_eq!(role.standing(false), Standing::MustEnrol);
            assert_eq!(role.standing(true), Standing::Full);
        }
        for role in Role::ALL {
            for permission in Permission::ALL {
                let may = role.may(Standing::MustEnrol, permission);
                assert_eq!(
                    may,
                    permission == Permission::Enrol,
                    "{role} {permission:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
        }
        assert_eq!("Admin".parse::<Role>(), Err(NotARole));
    }
}
