//! What people say of themselves.

use crate::private::Private;
use compact_str::CompactString;

/// A name or an interest, as shown to a partner.
pub type Name = Private<CompactString>;

/// What somebody says of themselves; nothing of it is checked for truth or uniqueness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// What to be called.
    pub name: Option<Name>,
    /// What to talk about.
    pub interests: Vec<Name>,
}

/// What somebody is told of their partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// What the partner wants to be called.
    pub name: Option<Name>,
    /// Those of the receiver's own interests that the partner has too, however capitalised.
    pub shared_interests: Vec<Name>,
}

impl Profile {
    /// What the owner of this profile is told of a partner.
    pub(super) fn sees(&self, partner: &Self) -> Partner {
        let theirs: Vec<_> = partner
            .interests
            .iter()
            .map(|interest| interest.to_lowercase())
            .collect();
        let shared = |mine: &&Name| theirs.contains(&mine.to_lowercase());
        Partner {
            name: partner.name.clone(),
            shared_interests: self.interests.iter().filter(shared).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_shared_however_capitalised() {
        let profile = |interests: &[&str]| Profile {
            name: Some(Private::new("x".into())),
            interests: interests
                .iter()
                .map(|i| Private::new((*i).into()))
                .collect(),
        };
        let (mine, theirs) = (
            profile(&["Chess", "go", "ÉCHECS"]),
            profile(&["échecs", "CHESS"]),
        );
        let shared = mine.sees(&theirs).shared_interests;
        assert_eq!(shared, profile(&["Chess", "ÉCHECS"]).interests);
    }
}
