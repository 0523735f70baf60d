//! Who is kept out, in memory: looking takes no part in what goes on in the store.
//!
//! A ban is about a guest, an address range, or both at once; then only who is that guest and comes from there is kept out.
//! Guests are found by their id. Of address ranges there is a table for each length that occurs, so a look costs one step for
//! each length, of which there are 97 at most, however many bans there are.

use super::Banned;
use crate::server::limits::Network;
use crate::store::{Ban, Measure, Subject};
use ipnet::IpNet;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use thin_vec::ThinVec;

/// What is said to who is banned without a reason.
const NO_REASON: &str = "You have been banned from this server.";

/// For how long bans that have ended are remembered, so that what was read before they ended doesn't bring them back.
const ENDED_MS: i64 = 600_000;

/// All bans in force, and some that have ended since.
#[derive(Default)]
pub struct Bans(RwLock<Index>);

#[derive(Default)]
struct Index {
    /// Those about a guest, with or without an address range.
    by_subject: HashMap<Subject, ThinVec<Entry>>,
    /// Those about an address range alone, by the range's length and its first address. IPv4 and IPv6 apart.
    by_network: [BTreeMap<u8, HashMap<IpNet, ThinVec<Entry>>>; 2],
    /// Those that have an end, by that and their number: whom they are about.
    ending: BTreeMap<(i64, i64), About>,
    len: usize,
}

/// Whom a ban is about: by which it is found.
#[derive(Clone, Copy)]
struct About {
    subject: Option<Subject>,
    network: Option<IpNet>,
}

/// One ban, or a milder measure.
#[derive(Clone)]
struct Entry {
    id: i64,
    /// Counts its changes, of which an earlier one must not undo a later one.
    version: i64,
    measure: Measure,
    /// Where it holds; everywhere, if unset.
    network: Option<IpNet>,
    /// When it ends, or was lifted; `i64::MAX` if it has no end.
    ends_at_ms: i64,
    sentence: Arc<str>,
}

impl Entry {
    fn is_in_force(&self, now_ms: i64) -> bool {
        now_ms < self.ends_at_ms
    }
}

/// Says nothing of anybody.
impl fmt::Debug for Bans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bans({})", self.0.read().len)
    }
}

impl Bans {
    /// Takes up a ban as it is in the store, unless a later change of it was taken up before. Returns whether it is in force and
    /// was not here. Bans that this version doesn't understand are left out.
    #[doc(hidden)]
    pub fn apply(&self, ban: &Ban, now_ms: i64) -> bool {
        let network = ban.network.as_deref().map(|text| text.parse::<IpNet>());
        let network = match network.transpose() {
            Ok(network) => network.map(|network| network.trunc()),
            Err(_) => return false,
        };
        let expires_at_ms = ban.expires_at_ms.unwrap_or(i64::MAX);
        let entry = Entry {
            id: ban.id,
            version: ban.version,
            measure: ban.measure,
            network,
            ends_at_ms: ban.lifted_at_ms.unwrap_or(i64::MAX).min(expires_at_ms),
            sentence: sentence(ban),
        };
        let about = About {
            subject: ban.subject,
            network,
        };
        let is_in_force = entry.is_in_force(now_ms);
        let mut index = self.0.write();
        let before = index.remove(ban.id, about);
        let was_in_force = before
            .as_ref()
            .is_some_and(|entry| entry.is_in_force(now_ms));
        let is_later = |before: &Entry| before.version > entry.version;
        match before.filter(is_later) {
            Some(before) => {
                index.insert(about, before);
                return false;
            }
            None => index.insert(about, entry),
        }
        is_in_force && !was_in_force
    }

    /// Forgets what has ended a while ago. O(log n) for each that is forgotten.
    pub(super) fn forget_ended(&self, now_ms: i64) {
        let is_long_ago = |end_ms: i64| end_ms.saturating_add(ENDED_MS) <= now_ms;
        // Who looks for bans is not made to wait where there is nothing to do.
        let first = |index: &Index| {
            let first = index.ending.first_key_value();
            first.map(|((end_ms, id), about)| (*end_ms, *id, *about))
        };
        let begun = first(&self.0.read()).filter(|(end_ms, ..)| is_long_ago(*end_ms));
        if begun.is_none() {
            return;
        }
        let mut index = self.0.write();
        while let Some((_, id, about)) = first(&index).filter(|(end_ms, ..)| is_long_ago(*end_ms)) {
            index.remove(id, about);
        }
    }

    /// Why something is done about somebody, if it is: as this guest, if it is known who they are, and from there.
    /// O(different lengths of address ranges).
    pub(super) fn find(
        &self,
        measure: Measure,
        subject: Option<&Subject>,
        network: Network,
        now_ms: i64,
    ) -> Option<Banned> {
        let index = self.0.read();
        if index.len == 0 {
            return None;
        }
        let address = IpNet::from(network.address());
        let of_subject = subject.and_then(|subject| index.by_subject.get(subject));
        let of_subject = of_subject.into_iter().flatten();
        let holds_here = |entry: &&Entry| {
            entry
                .network
                .is_none_or(|network| network.contains(&address))
        };
        let of_network = index.by_network[family(&address)]
            .iter()
            .filter_map(|(length, networks)| networks.get(&range(&address, *length)?))
            .flatten();
        of_subject
            .filter(holds_here)
            .chain(of_network)
            .find(|entry| entry.measure == measure && entry.is_in_force(now_ms))
            .map(|entry| Banned {
                sentence: Arc::clone(&entry.sentence),
            })
    }

    /// Whether somebody is kept out.
    #[doc(hidden)]
    pub fn keep_out(&self, subject: Option<&Subject>, address: IpAddr, now_ms: i64) -> bool {
        self.find(Measure::Ban, subject, Network::of(address), now_ms)
            .is_some()
    }

    /// How many bans there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.read().len
    }
}

impl Index {
    fn insert(&mut self, about: About, entry: Entry) {
        if entry.ends_at_ms < i64::MAX {
            self.ending.insert((entry.ends_at_ms, entry.id), about);
        }
        let entries = match (about.subject, about.network) {
            (Some(subject), _) => self.by_subject.entry(subject).or_default(),
            (None, Some(network)) => self.by_network[family(&network)]
                .entry(network.prefix_len())
                .or_default()
                .entry(network)
                .or_default(),
            // About nobody: the store has none like that.
            (None, None) => return,
        };
        entries.push(entry);
        self.len += 1;
    }

    /// Returns what was there.
    fn remove(&mut self, id: i64, about: About) -> Option<Entry> {
        let removed = match (about.subject, about.network) {
            (Some(subject), _) => remove_from(&mut self.by_subject, &subject, id),
            (None, Some(network)) => {
                let lengths = &mut self.by_network[family(&network)];
                let networks = lengths.get_mut(&network.prefix_len())?;
                let removed = remove_from(networks, &network, id);
                if networks.is_empty() {
                    lengths.remove(&network.prefix_len());
                }
                removed
            }
            (None, None) => None,
        }?;
        self.len -= 1;
        self.ending.remove(&(removed.ends_at_ms, id));
        Some(removed)
    }
}

fn remove_from<K: Eq + std::hash::Hash>(
    all: &mut HashMap<K, ThinVec<Entry>>,
    key: &K,
    id: i64,
) -> Option<Entry> {
    let entries = all.get_mut(key)?;
    let at = entries.iter().position(|entry| entry.id == id)?;
    let removed = entries.swap_remove(at);
    if entries.is_empty() {
        all.remove(key);
    }
    Some(removed)
}

fn family(network: &IpNet) -> usize {
    match network {
        IpNet::V4(_) => 0,
        IpNet::V6(_) => 1,
    }
}

/// The range of so many bits that an address is in.
fn range(address: &IpNet, length: u8) -> Option<IpNet> {
    let range = IpNet::new(address.addr(), length).ok()?;
    Some(range.trunc())
}

/// What is said to them: why, and what they can do about it.
fn sentence(ban: &Ban) -> Arc<str> {
    let reason = if ban.reason.is_empty() {
        NO_REASON
    } else {
        &ban.reason
    };
    match &ban.appeal {
        Some(appeal) if !appeal.is_empty() => format!("{reason} {appeal}").into(),
        _ => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::Private;

    const NOW_MS: i64 = 1000;

    fn ban(id: i64, subject: Option<u8>, network: Option<&str>) -> Ban {
        Ban {
            id,
            measure: Measure::Ban,
            subject: subject.map(|byte| Subject([byte; 16])),
            network: network.map(|text| Private::new(text.to_owned())),
            reason: format!("ban {id}."),
            appeal: None,
            report: None,
            created_at_ms: 0,
            created_by: "ann".to_owned(),
            expires_at_ms: None,
            lifted_at_ms: None,
            lifted_by: None,
            version: 1,
        }
    }

    fn lifted(ban: &Ban) -> Ban {
        Ban {
            lifted_at_ms: Some(NOW_MS),
            version: ban.version + 1,
            ..ban.clone()
        }
    }

    fn bans(all: &[Ban]) -> Bans {
        let bans = Bans::default();
        for ban in all {
            assert!(bans.apply(ban, NOW_MS));
        }
        bans
    }

    fn found(bans: &Bans, subject: Option<u8>, address: &str) -> Option<String> {
        let address: IpAddr = address.parse().unwrap();
        let subject = subject.map(|byte| Subject([byte; 16]));
        let banned = bans.find(Measure::Ban, subject.as_ref(), Network::of(address), NOW_MS);
        banned.map(|banned| banned.sentence.to_string())
    }

    #[test]
    fn a_guest_is_kept_out_wherever_they_come_from() {
        let bans = bans(&[ban(1, Some(7), None)]);
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(found(&bans, Some(7), address).as_deref(), Some("ban 1."));
            assert_eq!(found(&bans, Some(8), address), None);
            assert_eq!(found(&bans, None, address), None);
        }
    }

    #[test]
    fn an_address_range_is_kept_out_whoever_comes() {
        let all = [
            ban(1, None, Some("192.0.2.0/24")),
            ban(2, None, Some("2001:db8:1::/48")),
            ban(3, None, Some("198.51.100.7/32")),
        ];
        let bans = bans(&all);
        for (address, expected) in [
            ("192.0.2.0", Some("ban 1.")),
            ("192.0.2.255", Some("ban 1.")),
            ("192.0.3.0", None),
            ("2001:db8:1:ffff::9", Some("ban 2.")),
            ("2001:db8:2::9", None),
            ("198.51.100.7", Some("ban 3.")),
            ("198.51.100.8", None),
        ] {
            for subject in [None, Some(7)] {
                assert_eq!(
                    found(&bans, subject, address).as_deref(),
                    expected,
                    "{address}"
                );
            }
        }
    }

    #[test]
    fn a_guest_and_a_range_together_keep_out_only_that_guest_from_there() {
        let bans = bans(&[ban(1, Some(7), Some("192.0.2.0/24"))]);
        assert!(found(&bans, Some(7), "192.0.2.9").is_some());
        assert!(found(&bans, Some(7), "192.0.3.9").is_none());
        assert!(found(&bans, Some(8), "192.0.2.9").is_none());
        assert!(found(&bans, None, "192.0.2.9").is_none());
    }

    #[test]
    fn bans_end_are_lifted_and_nothing_of_them_is_left() {
        let all = [ban(1, Some(7), None), ban(2, None, Some("192.0.2.0/24"))];
        let bans = bans(&all);
        assert_eq!(bans.len(), 2);
        for ban in &all {
            // The same again changes nothing.
            assert!(!bans.apply(ban, NOW_MS));
        }
        assert_eq!(bans.len(), 2);
        for ban in &all {
            assert!(!bans.apply(&lifted(ban), NOW_MS));
        }
        assert!(found(&bans, Some(7), "192.0.2.1").is_none());
        bans.forget_ended(NOW_MS + ENDED_MS - 1);
        assert_eq!(bans.len(), 2);
        bans.forget_ended(NOW_MS + ENDED_MS);
        assert_eq!(bans.len(), 0);
        let index = bans.0.read();
        assert!(index.by_subject.is_empty() && index.ending.is_empty());
        assert!(index.by_network.iter().all(BTreeMap::is_empty));
        drop(index);
        let ends = Ban {
            expires_at_ms: Some(NOW_MS),
            ..ban(3, Some(7), None)
        };
        assert!(bans.apply(&ends, NOW_MS - 1));
        assert!(
            found(&bans, Some(7), "192.0.2.1").is_none(),
            "it has ended meanwhile"
        );
    }

    #[test]
    fn what_was_read_before_a_ban_was_lifted_does_not_bring_it_back() {
        for made in [ban(1, Some(7), None), ban(2, None, Some("192.0.2.0/24"))] {
            let bans = bans(std::slice::from_ref(&made));
            assert!(!bans.apply(&lifted(&made), NOW_MS));
            assert!(!bans.apply(&made, NOW_MS));
            assert!(found(&bans, Some(7), "192.0.2.1").is_none());
            assert_eq!(bans.len(), 1);
        }
    }

    #[test]
    fn of_many_bans_those_are_forgotten_that_have_ended() {
        let bans = Bans::default();
        for id in 1..=10 {
            let ends = Ban {
                expires_at_ms: Some(NOW_MS + id),
                ..ban(id, Some(7), None)
            };
            assert!(bans.apply(&ends, NOW_MS));
        }
        bans.apply(&ban(11, Some(7), None), NOW_MS);
        bans.forget_ended(NOW_MS + ENDED_MS + 4);
        assert_eq!(bans.len(), 7);
        bans.forget_ended(i64::MAX);
        assert_eq!(bans.len(), 1);
        assert!(found(&bans, Some(7), "192.0.2.1").is_some());
    }

    #[test]
    fn a_reason_and_what_can_be_done_are_one_sentence_after_the_other() {
        let with_appeal = Ban {
            reason: String::new(),
            appeal: Some("Write to help@chat.example.".to_owned()),
            ..ban(1, Some(7), None)
        };
        let expected = format!("{NO_REASON} Write to help@chat.example.");
        assert_eq!(&*sentence(&with_appeal), expected);
    }

    #[test]
    fn other_measures_keep_nobody_out_and_are_found_as_what_they_are() {
        let apart = Ban {
            measure: Measure::Shadow,
            ..ban(1, Some(7), None)
        };
        let bans = bans(&[apart]);
        assert!(found(&bans, Some(7), "192.0.2.1").is_none());
        let network = Network::of("192.0.2.1".parse().unwrap());
        let subject = Subject([7; 16]);
        assert!(
            bans.find(Measure::Shadow, Some(&subject), network, NOW_MS)
                .is_some()
        );
        assert!(
            bans.find(Measure::Slow, Some(&subject), network, NOW_MS)
                .is_none()
        );
    }
}
