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
    /// Hashes apart from the ids: a new message compares itself with all of them, at four bytes each.
    hashes: VecDeque<u32>,
    ids: VecDeque<(MessageId, u64)>,
}

/// An id that was not seen yet.
#[derive(Clone, Copy)]
pub(super) struct Unseen<'a> {
    id: &'a MessageId,
    hash: u32,
}

impl SeenIds {
    /// The number of the message that had this id; if none is remembered, what to remember of it.
    pub(super) fn seq_of<'a>(&self, id: &'a MessageId) -> Result<u64, Unseen<'a>> {
        let hash = HASHER.hash_one(id) as u32;
        let (older, newer) = self.hashes.as_slices();
        if contains(older, hash) || contains(newer, hash) {
            let mut known = self.ids.iter();
            if let Some((_, seq)) = known.find(|(known, _)| known == id) {
                return Ok(*seq);
            }
        }
        Err(Unseen { id, hash })
    }

    pub(super) fn remember(&mut self, unseen: Unseen<'_>, seq: u64) {
        if self.ids.len() == SEEN_IDS_MAX {
            self.hashes.pop_front();
            self.ids.pop_front();
        }
        self.hashes.push_back(unseen.hash);
        self.ids.push_back((unseen.id.clone(), seq));
    }
}

/// Counts in each block: without an early end the comparisons become vector instructions.
fn contains(hashes: &[u32], hash: u32) -> bool {
    let count = |block: &[u32]| block.iter().filter(|seen| **seen == hash).count();
    hashes.chunks(32).any(|block| count(block) > 0)
}
