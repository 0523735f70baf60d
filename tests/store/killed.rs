//! A process that is killed at any moment: what it has acknowledged is there.

use crate::common::WAIT;
use crate::fresh::Fresh;
use crate::{BOB, all_reports, ban, on_both, open, report};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use whisperchat::private::Private;
use whisperchat::store::{BanFilter, Opening, Store, StoreAt, Writer};

/// Where the process that is killed finds the database: the folder, and the URL if there is one.
const FOLDER: &str = "STORE_KILLED_FOLDER";
const URL: &str = "STORE_KILLED_URL";
/// What its reports are called.
const ROUND: &str = "STORE_KILLED_ROUND";

const ROUNDS: usize = 24;

/// What it writes before each name that was acknowledged.
const MARK: &str = "kept:";

on_both!(what_was_acknowledged_survives_a_kill_at_any_moment);

/// The process that is killed: many at once report, and every tenth time ban, and write down what was acknowledged.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests that kill it"]
async fn reports_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        panic!("started by the tests that kill it");
    };
    let at = match std::env::var(URL) {
        Ok(url) => StoreAt::Url(Private::new(url)),
        Err(_) => StoreAt::Folder(folder.into()),
    };
    let round: i64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = Store::open(&at, &Opening::default()).await.unwrap();
    let writer = Writer::start(store, 64, Duration::from_secs(5));
    let people = (0..8).map(|person| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let name = format!("{round}/{person}/{number}");
                if number % 10 == 9 {
                    let mut new = ban(BOB);
                    new.reason.clone_from(&name);
                    writer.add_ban(new).await.unwrap();
                } else {
                    let mut new = report(number);
                    new.once.clone_from(&name);
                    new.chat.clone_from(&name);
                    writer.add_report(new).await.unwrap();
                }
                // One write for each line, so that it is there as a whole or not at all.
                println!("{MARK}{name}");
            }
        })
    });
    for person in people.collect::<Vec<_>>() {
        person.await.unwrap();
    }
}

/// Starts it, kills it when it has acknowledged so many, and returns what it had.
fn killed_after(fresh: &Fresh, round: usize, lines: usize) -> BTreeSet<String> {
    let this = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(this);
    command
        .args(["--exact", "killed::reports_until_it_is_killed"])
        .args(["--ignored", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, fresh.folder())
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(url) = fresh.url() {
        command.env(URL, url);
    }
    let mut child = command.spawn().expect("this program can be started again");
    let out = child.stdout.take().expect("it is piped");
    let mut names = BTreeSet::new();
    for line in BufReader::new(out).lines() {
        // The harness may have begun the line.
        let line = line.expect("it is text");
        let Some((_, name)) = line.split_once(MARK) else {
            continue;
        };
        names.insert(name.to_owned());
        if names.len() == lines {
            child.kill().expect("it runs");
        }
    }
    let status = child.wait().expect("it is ours");
    assert!(!status.success(), "it was killed");
    assert!(names.len() >= lines, "it ended by itself: {names:?}");
    names
}

async fn what_was_acknowledged_survives_a_kill_at_any_moment(fresh: &Fresh) {
    open(fresh).await.close().await;
    let begun = Instant::now();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        // From before the first transaction is over to well into many.
        let lines = 1 + round * round * 3 / 2;
        acknowledged.extend(killed_after(fresh, round, lines));
        let store = open(fresh).await;
        let mut kept: BTreeSet<_> = all_reports(&store)
            .await
            .into_iter()
            .map(|it| it.chat)
            .collect();
        let (filter, mut after) = (BanFilter::default(), None);
        loop {
            let page = store.bans(&filter, after, 1000).await.unwrap();
            kept.extend(page.rows.into_iter().map(|ban| ban.reason));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        store.close().await;
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    assert!(begun.elapsed() < 10 * WAIT, "{:?}", begun.elapsed());
}
