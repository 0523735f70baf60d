//! A fifth of all who chat lose their connections at once.
//!
//! **The load.** 5,000 pairs chat: each of the 10,000 clients says something every two seconds and
//! acknowledges what it gets. Then a fifth of the clients, chosen at random, says something and at once has its
//! connection reset, without a word. They come back within a second, each at a random moment of it, as clients
//! with jitter do; resume; and say again, with the same id, what was not accepted. Everybody else goes on
//! talking, those whose partner is away included.
//!
//! **What is checked.** Each side gets each message once and in order: the texts are numbers, and both they and
//! `seq` have to count from 1 without gaps. Each `say` is accepted once, in order. At the end one of each pair
//! leaves, so whatever was still on its way comes before that and is seen. Anything else is a violation.

use crate::support::link::{Link, is_of_type};
use crate::support::program::{Kind, Program};
use crate::support::{is_test_run, places};
use crate::{Threads, Times, Usage};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::select;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

/// What is wanted: everybody is back this long after the loss.
const ALL_BACK_MAX: Duration = Duration::from_secs(5);

/// One of so many loses its connection.
const CUT_ONE_OF: usize = 5;

/// Over how long those who were cut spread their return.
const RETURN_SPREAD: Duration = Duration::from_secs(1);

/// How long anything may take before it counts as not done.
const WAIT: Duration = Duration::from_secs(30);

const SEED: u64 = 1;

/// Sizes of a run.
struct Extent {
    pairs: usize,
    say_every: Duration,
    /// How long everybody talks before the loss, and again after the last is back.
    talk: Duration,
}

impl Extent {
    fn of_this_run() -> Self {
        if is_test_run() {
            Self {
                pairs: 20,
                say_every: Duration::from_millis(50),
                talk: Duration::from_millis(200),
            }
        } else {
            Self {
                pairs: 5000,
                say_every: Duration::from_secs(2),
                talk: Duration::from_secs(6),
            }
        }
    }
}

/// What everybody does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Talk,
    /// Nothing new is said.
    Listen,
    /// One of each pair leaves.
    Part,
}

/// What all clients share.
struct Course {
    address: SocketAddr,
    say_every: Duration,
    /// `said` and `accepted` that are still to come, and clients that still say something now and then.
    owed: AtomicU64,
    /// Nothing is owed.
    quiet: Notify,
}

/// Somebody is back.
struct Return {
    since_cut: Duration,
    /// From the first packet of the new connection to `resumed`.
    since_call: Duration,
    said_again: usize,
}

/// What a client has counted.
#[derive(Debug, Default)]
struct Counts {
    said: u64,
    accepted: u64,
    heard: u64,
    /// Messages that had been said before their receiver asked to resume, and came after.
    replayed: u64,
    violations: Vec<String>,
}

/// One client, apart from its connection.
struct Talker {
    course: Arc<Course>,
    token: String,
    /// Of the two, the one who leaves.
    is_first: bool,
    /// Numbers that were said and not accepted, in order.
    unaccepted: VecDeque<u64>,
    /// When it last asked to resume, in ms since the epoch.
    asked_ms: u64,
    counts: Counts,
    rng: Xoshiro256PlusPlus,
}

/// Runs it and prints what it has shown. Returns the number of violations.
pub(crate) async fn measure(threads: Threads) -> io::Result<usize> {
    let extent = Extent::of_this_run();
    let program = Program::start(Kind::WhisperChat, threads.server);
    let course = Arc::new(Course {
        address: program.address,
        say_every: extent.say_every,
        owed: AtomicU64::new(0),
        quiet: Notify::new(),
    });
    let clients = 2 * extent.pairs;
    let cut_count = clients / CUT_ONE_OF;
    let mut is_cut = vec![false; clients];
    is_cut[..cut_count].fill(true);
    is_cut.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(SEED));

    let (phase, phases) = watch::channel(Phase::Talk);
    let (cut, cuts) = watch::channel(None);
    let (come_back, mut returns) = mpsc::channel(cut_count);
    let mut talks = JoinSet::new();
    for pair in 0..extent.pairs {
        for (link, talker) in connect_pair(&course, pair).await? {
            course.owe(1);
            let number = 2 * pair + usize::from(!talker.is_first);
            let fate = is_cut[number].then(|| (cuts.clone(), come_back.clone()));
            talks.spawn(talker.talk(link, phases.clone(), fate));
        }
    }

    sleep(extent.talk).await;
    let usage = Usage::start(&program);
    cut.send_replace(Some(Instant::now()));
    let returned = gather(&mut returns, cut_count).await;
    let described = usage.describe(&program, threads);
    sleep(extent.talk).await;
    phase.send_replace(Phase::Listen);
    course.quiet().await;
    phase.send_replace(Phase::Part);
    let counts = part(&mut talks).await;

    println!("\n## Mass loss\n");
    println!(
        "{clients} chat, {cut_count} of them are cut at once; while they come back, {described}."
    );
    Ok(report(&returned, cut_count, &counts))
}

/// Two clients who were matched with each other.
async fn connect_pair(course: &Arc<Course>, pair: usize) -> io::Result<Vec<(Link, Talker)>> {
    let mut both = Vec::new();
    for is_first in [true, false] {
        let (mut link, welcome) = Link::connect(course.address).await?;
        let welcome: Value = serde_json::from_str(&welcome)?;
        let Some(token) = welcome["resume_token"].as_str() else {
            return Err(io::Error::other(format!("no token in {welcome}")));
        };
        link.say(&places::join(pair)).await?;
        link.expect("waiting").await?;
        let seed = (2 * pair + usize::from(is_first)) as u64;
        let talker = Talker {
            course: Arc::clone(course),
            token: token.to_owned(),
            is_first,
            unaccepted: VecDeque::new(),
            asked_ms: 0,
            counts: Counts::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        both.push((link, talker));
    }
    for (link, _) in &mut both {
        link.expect("matched").await?;
    }
    Ok(both)
}

/// Those who came back in time.
async fn gather(returns: &mut mpsc::Receiver<Return>, count: usize) -> Vec<Return> {
    let mut returned = Vec::new();
    while returned.len() < count {
        match timeout(WAIT, returns.recv()).await {
            Ok(Some(one)) => returned.push(one),
            _ => break,
        }
    }
    returned
}

/// What everybody has counted, or why they could not.
async fn part(talks: &mut JoinSet<io::Result<Counts>>) -> Vec<Counts> {
    let mut all = Vec::new();
    while let Some(ended) = talks.join_next().await {
        let ended = ended.map_err(io::Error::other).flatten();
        all.push(ended.unwrap_or_else(|error| Counts {
            violations: vec![error.to_string()],
            ..Counts::default()
        }));
    }
    all
}

/// Prints everything; returns the number of violations.
fn report(returned: &[Return], cut_count: usize, counts: &[Counts]) -> usize {
    let [mut since_cut, mut since_call] = [Times::new(), Times::new()];
    for one in returned {
        since_cut.record(one.since_cut);
        since_call.record(one.since_call);
    }
    println!("\n| in ms | p50 | p90 | p99 | p99.9 | the last |");
    println!("|---|---|---|---|---|---|");
    let any = Duration::MAX;
    println!(
        "| from the loss to `resumed` | {} |",
        since_cut.cells(any, any)
    );
    println!(
        "| from the new connection to `resumed` | {} |",
        since_call.cells(any, any)
    );
    if since_cut.max() > ALL_BACK_MAX {
        println!("\n**Missed**: everybody was to be back after {ALL_BACK_MAX:?}.");
    }
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
    let said = sum(|counts| counts.said);
    // Nobody hears or is told of more than was said, so the sums tell of each.
    let missing =
        said.abs_diff(sum(|counts| counts.heard)) + said.abs_diff(sum(|counts| counts.accepted));
    let said_again: usize = returned.iter().map(|one| one.said_again).sum();
    let not_back = cut_count - returned.len();
    let violations: Vec<_> = counts
        .iter()
        .flat_map(|counts| &counts.violations)
        .collect();
    let count = violations.len() + not_back + usize::try_from(missing).unwrap_or(usize::MAX);
    println!(
        "\n| said | replayed | said again | not back | never heard or accepted | violations, all told |"
    );
    println!("|---|---|---|---|---|---|");
    println!(
        "| {said} | {} | {said_again} | {not_back} | {missing} | {count} |",
        sum(|counts| counts.replayed),
    );
    for violation in violations.into_iter().take(10) {
        eprintln!("violation: {violation}");
    }
    count
}

impl Course {
    fn owe(&self, count: u64) {
        self.owed.fetch_add(count, Ordering::AcqRel);
    }

    fn settled(&self) {
        if self.owed.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_one();
        }
    }

    /// Waits until nothing is owed, or for as long as anything may take.
    async fn quiet(&self) {
        let quiet = async {
            while self.owed.load(Ordering::Acquire) > 0 {
                self.quiet.notified().await;
            }
        };
        // What is missing then, the counts tell.
        let _ = timeout(WAIT, quiet).await;
    }
}

/// When somebody is cut, and whom they tell that they are back.
type Fate = (watch::Receiver<Option<Instant>>, mpsc::Sender<Return>);

impl Talker {
    async fn talk(
        mut self,
        mut link: Link,
        mut phases: watch::Receiver<Phase>,
        mut fate: Option<Fate>,
    ) -> io::Result<Counts> {
        let every = self.course.say_every;
        let first = Instant::now() + every.mul_f64(self.rng.random::<f64>());
        let mut ticks = interval_at(first.into(), every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_finished = false;
        loop {
            let phase = *phases.borrow_and_update();
            if phase != Phase::Talk && !std::mem::replace(&mut has_finished, true) {
                self.course.settled();
            }
            if phase == Phase::Part {
                return self.part(link).await;
            }
            select! {
                text = link.next() => {
                    let text = text?;
                    // The first may have been sooner to see that it is time.
                    if *phases.borrow() == Phase::Part && is_of_type(&text, self.last_word()) {
                        return Ok(self.counts);
                    }
                    self.hear(&mut link, &text).await?;
                }
                changed = phases.changed() => changed.map_err(io::Error::other)?,
                _ = ticks.tick(), if phase == Phase::Talk => self.say_next(&mut link).await?,
                cut_at = cut(&mut fate) => {
                    let cut_at = cut_at?;
                    self.say_next(&mut link).await?;
                    link.reset()?;
                    sleep(RETURN_SPREAD.mul_f64(self.rng.random::<f64>())).await;
                    let back;
                    (link, back) = self.resume(cut_at).await?;
                    if let Some((_, come_back)) = fate.take() {
                        come_back.send(back).await.map_err(io::Error::other)?;
                    }
                }
            }
        }
    }

    async fn say_next(&mut self, link: &mut Link) -> io::Result<()> {
        self.counts.said += 1;
        self.unaccepted.push_back(self.counts.said);
        self.course.owe(2);
        link.say(&say(self.counts.said)).await
    }

    /// Comes back and says again what was not accepted.
    async fn resume(&mut self, cut_at: Instant) -> io::Result<(Link, Return)> {
        let call = Instant::now();
        let (mut link, _) = Link::connect(self.course.address).await?;
        let (token, last_seq) = (&self.token, self.counts.heard);
        self.asked_ms = epoch_ms();
        link.say(&format!(
            r#"{{"type":"resume","token":"{token}","last_seq":{last_seq}}}"#
        ))
        .await?;
        let resumed: Value = serde_json::from_str(&link.expect("resumed").await?)?;
        let back = Return {
            since_cut: cut_at.elapsed(),
            since_call: call.elapsed(),
            said_again: self.unaccepted.len(),
        };
        if resumed["recovered"] != true || resumed["state"] != "chatting" {
            self.counts.violations.push(format!("{resumed}"));
        }
        if let Some(token) = resumed["resume_token"].as_str() {
            token.clone_into(&mut self.token);
        }
        for &number in &self.unaccepted {
            link.say(&say(number)).await?;
        }
        Ok((link, back))
    }

    async fn hear(&mut self, link: &mut Link, text: &str) -> io::Result<()> {
        let message: Value = serde_json::from_str(text)?;
        match message["type"].as_str() {
            Some("said") => self.hear_said(link, &message).await?,
            Some("accepted") => self.hear_accepted(&message),
            Some("delivered" | "partner_away" | "partner_back") => {}
            _ => self.counts.violations.push(text.to_owned()),
        }
        Ok(())
    }

    async fn hear_said(&mut self, link: &mut Link, said: &Value) -> io::Result<()> {
        let expected = self.counts.heard + 1;
        let number = said["text"].as_str().and_then(|text| text.parse().ok());
        if number != Some(expected) || said["seq"].as_u64() != Some(expected) {
            let violation = format!("wanted message {expected}, got {said}");
            self.counts.violations.push(violation);
            return Ok(());
        }
        self.counts.heard = expected;
        if said["at"].as_u64().is_some_and(|at| at < self.asked_ms) {
            self.counts.replayed += 1;
        }
        self.course.settled();
        link.say(&format!(r#"{{"type":"ack","seq":{expected}}}"#))
            .await
    }

    fn hear_accepted(&mut self, accepted: &Value) {
        let expected = self.counts.accepted + 1;
        let id = accepted["id"].as_str().and_then(|id| id.parse().ok());
        if id != Some(expected) || accepted["seq"].as_u64() != Some(expected) {
            let violation = format!("wanted {expected} accepted, got {accepted}");
            self.counts.violations.push(violation);
            return;
        }
        self.counts.accepted = expected;
        self.unaccepted.pop_front();
        self.course.settled();
    }

    /// What the server says last in a chat.
    fn last_word(&self) -> &'static str {
        if self.is_first {
            "idle"
        } else {
            "partner_left"
        }
    }

    /// Ends the chat and sees whatever had still been on its way.
    async fn part(mut self, mut link: Link) -> io::Result<Counts> {
        if self.is_first {
            link.say(r#"{"type":"leave"}"#).await?;
        }
        let last_word = self.last_word();
        let parted = timeout(WAIT, async {
            loop {
                let text = link.next().await?;
                if is_of_type(&text, last_word) {
                    return Ok::<_, io::Error>(());
                }
                self.hear(&mut link, &text).await?;
            }
        });
        match parted.await {
            Ok(parted) => parted?,
            Err(_) => self.counts.violations.push(format!(
                "no {last_word} after {} said and {} heard",
                self.counts.said, self.counts.heard
            )),
        }
        Ok(self.counts)
    }
}

/// The moment of the loss, when it has come; never for those who are spared.
async fn cut(fate: &mut Option<Fate>) -> io::Result<Instant> {
    let Some((cuts, _)) = fate else {
        return std::future::pending().await;
    };
    let cut_at = cuts.wait_for(Option::is_some).await;
    let cut_at = cut_at.map_err(io::Error::other)?;
    Ok(cut_at.expect("that was waited for"))
}

fn say(number: u64) -> String {
    format!(r#"{{"type":"say","id":"{number}","text":"{number}"}}"#)
}

fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("it is not yet so late")
}
