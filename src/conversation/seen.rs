//! The ids of messages that were already accepted.

use crate::lobby::MessageId;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// How many ids are remembered of each side of a chat.
pub const SEEN_IDS_MAX: usize = 256;

/// Keyed by a secret of the process, so that nobody can choose ids that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The last [`SEEN_IDS_MAX`] ids with their numbers, oldest first. Takes no memory until an id comes.
#[derive(Debug, Default)]
pub(super) struct SeenIds {
    /// Hashes apart from the ids: a new message compares itself with all of them, at eight bytes each.
    hashes: VecDeque<u64>,
    ids: VecDeque<(MessageId, u64)>,
}

impl SeenIds {
    /// The number of the message that had this id, if it is remembered.
    pub(super) fn seq_of(&self, id: &MessageId) -> Option<u64> {
        let hash = HASHER.hash_one(id);
        self.hashes
            .iter()
            .zip(&self.ids)
            .find(|(seen, (known, _))| **seen == hash && known == id)
            .map(|(_, (_, seq))| *seq)
    }

    pub(super) fn remember(&mut self, id: MessageId, seq: u64) {
        if self.ids.len() == SEEN_IDS_MAX {
            self.hashes.pop_front();
            self.ids.pop_front();
        }
        self.hashes.push_back(HASHER.hash_one(&id));
        self.ids.push_back((id, seq));
    }
}
