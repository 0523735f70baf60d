//! What a server that starts reads: a million bans. Slow, for they must be there first.

use crate::fresh::Fresh;
use crate::{NOW, open};
use sqlx::Executor as _;
use std::time::{Duration, Instant};
use whisperchat::store::PAGE_MAX;

const BANS: usize = 1_000_000;

/// Far more than it takes: docs/store.md has what was measured.
const READ_MAX: Duration = Duration::from_secs(30);

async fn a_million_bans_are_read_within_seconds(fresh: &Fresh, filled: &'static str) {
    let store = open(fresh).await;
    let mut hand = fresh.beside().await;
    hand.execute(filled).await.expect("they can be made");
    let begun = Instant::now();
    let (mut read, mut after) = (0, None);
    loop {
        let page = store.bans_in_force(NOW, after, PAGE_MAX).await.unwrap();
        read += page.rows.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let took = begun.elapsed();
    println!("{}: {read} bans in {took:?}", store.name());
    assert_eq!(read, BANS);
    assert!(took < READ_MAX, "{took:?}");
}

#[tokio::test]
#[ignore = "slow; .ci/run runs it on a release build"]
async fn a_million_bans_are_read_within_seconds_from_sqlite() {
    let filled = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) \
        INSERT INTO bans (measure, subject, network, reason, created_at_ms, created_by, version) \
        SELECT 'ban', randomblob(16), '192.0.2.0/24', 'You have sent advertisements.', i, 'rule', 1 FROM n";
    a_million_bans_are_read_within_seconds(&Fresh::sqlite(), filled).await;
}

#[tokio::test]
#[ignore = "slow and needs PostgreSQL; .ci/run starts one and runs it on a release build"]
async fn a_million_bans_are_read_within_seconds_from_the_other() {
    let filled = "INSERT INTO bans (measure, subject, network, reason, created_at_ms, created_by, version) \
        SELECT 'ban', decode(md5(i::text), 'hex'), '192.0.2.0/24', 'You have sent advertisements.', i, 'rule', 1 \
        FROM generate_series(1, 1000000) AS s (i); ANALYZE bans";
    a_million_bans_are_read_within_seconds(&Fresh::postgres().await, filled).await;
}
