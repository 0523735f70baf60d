//! Relaying what people say, against a bare echo: `cargo bench --bench relay`.
//!
//! **The path.** The server as operators run it, in a process of its own; pairs of v1 clients over real
//! sockets on the loopback interface. Each message is a `say` with an `id`, as the contract wants it. The
//! server reads it, checks it, numbers it, and makes two frames of it: `said` to the partner and `accepted`
//! to the sender.
//!
//! **The rival.** A bare echo on `hyper` and `fastwebsockets` (`support/echo.rs`), in a process of its own.
//! It is sent the same frames on as many connections, and makes one frame of each.
//!
//! **The load.** The same for both, in this process: whenever a message reaches a connection, that
//! connection sends the next one. "In flight" is how many messages each connection starts a round with; as
//! each that arrives is answered by one, there stay as many. Frames are prepared masked, and only their
//! number is written anew; of what arrives, frame headers and numbers are read.
//!
//! **What is counted.** Messages that reached their receiver: `said` frames here, echoes there. So a ratio
//! of 1 would mean that two frames to two sockets cost no more than one to one. The frames that the servers
//! sent, `accepted` included, are in a column of their own.
//!
//! **Who has which core.** Half of the cores' worth of threads for the server, the rest for the load: on a
//! machine with two cores, one thread each. The server of the other kind idles meanwhile. Rounds of the two
//! alternate, so that a machine that becomes slower does so for both, and ratios are medians over pairs of
//! neighbouring rounds. The processor time that the server used for each message is less sensitive to
//! whatever else runs.
//!
//! **What is checked.** Every connection gets exactly the messages that were sent to it, in order: of each,
//! the number in the text (or the `id` of an echo) and the `seq`, which must be the same. A round ends when
//! all that was sent has arrived and was accepted.

mod support;

use parking_lot::Mutex;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};
use support::client::{Client, MaskedFrame, PING, PONG, Received, TEXT};
use support::program::{Kind, Program, own_processor_s};
use support::{echo, median, places};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The same allocator as the server's, for the echo runs in this program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TEXTS_BYTES: [usize; 2] = [64, 1024];
const IN_FLIGHT: [usize; 2] = [1, 10];

/// How long what is in flight may take to arrive at the end of a round.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// More than a server can send while it waits for answers: ten messages of 1 KiB, and their receipts.
const READ_BYTES: usize = 64 * 1024;

/// How much is measured.
struct Extent {
    pairs: usize,
    rounds: usize,
    round: Duration,
}

impl Extent {
    fn from_arguments() -> Self {
        if support::is_test_run() {
            Self {
                pairs: 5,
                rounds: 1,
                round: Duration::from_millis(50),
            }
        } else {
            Self {
                pairs: 500,
                rounds: 7,
                round: Duration::from_secs(2),
            }
        }
    }
}

/// A message whose number can be written anew: in its `id` and in the first characters of its text.
#[derive(Clone)]
struct Say {
    frame: MaskedFrame,
    id_at: usize,
    text_at: usize,
}

impl Say {
    fn new(text_bytes: usize) -> Self {
        let head = r#"{"type":"say","id":""#;
        let between = r#"","text":""#;
        let number = "0".repeat(NUMBER_BYTES);
        let text = "x".repeat(text_bytes - NUMBER_BYTES);
        let payload = format!(r#"{head}{number}{between}{number}{text}"}}"#);
        Self {
            frame: MaskedFrame::text(&payload),
            id_at: head.len(),
            text_at: head.len() + NUMBER_BYTES + between.len(),
        }
    }

    fn append(&mut self, number: u32, out: &mut Vec<u8>) {
        let digits = digits(number);
        self.frame.overwrite(self.id_at, &digits);
        self.frame.overwrite(self.text_at, &digits);
        out.extend_from_slice(self.frame.bytes());
    }
}

/// Numbers in messages are written in hexadecimal, all equally long.
const NUMBER_BYTES: usize = 8;

fn digits(number: u32) -> [u8; NUMBER_BYTES] {
    std::array::from_fn(|at| {
        let nibble = (number >> (4 * (NUMBER_BYTES - 1 - at))) & 0xF;
        b"0123456789abcdef"[nibble as usize]
    })
}

/// What a frame from a server is.
#[derive(Debug, PartialEq, Eq)]
enum Arrived {
    /// A message reached its receiver.
    Message { number: u32 },
    /// A message was accepted.
    Accepted { number: u32 },
}

impl Arrived {
    /// Reads the numbers and nothing else, where this version of the servers writes them.
    fn read(kind: Kind, payload: &[u8]) -> Option<Self> {
        let text = str::from_utf8(payload).ok()?;
        let hexadecimal = |text: &str| u32::from_str_radix(text.get(..NUMBER_BYTES)?, 16).ok();
        if kind == Kind::Echo {
            let rest = text.strip_prefix(r#"{"type":"say","id":""#)?;
            let number = hexadecimal(rest)?;
            return Some(Self::Message { number });
        }
        if let Some(rest) = text.strip_prefix(r#"{"type":"said","seq":"#) {
            let (seq, rest) = rest.split_once(',')?;
            let number = hexadecimal(rest.strip_prefix(r#""text":""#)?)?;
            return (seq.parse() == Ok(number)).then_some(Self::Message { number });
        }
        let rest = text.strip_prefix(r#"{"type":"accepted","id":""#)?;
        let number = hexadecimal(rest)?;
        let seq = rest.get(NUMBER_BYTES..)?.strip_prefix(r#"","seq":"#)?;
        (seq.strip_suffix('}')?.parse() == Ok(number)).then_some(Self::Accepted { number })
    }
}

/// What all connections to one server share.
struct Load {
    kind: Kind,
    /// Whether a message that arrives is answered by another one.
    is_open: AtomicBool,
    /// Frames that the server still has to send.
    owed: AtomicU64,
    /// Messages that have reached their receivers.
    messages: AtomicU64,
    /// Nothing is owed.
    quiet: Notify,
}

/// One connection.
struct Peer {
    load: Arc<Load>,
    writer: OwnedWriteHalf,
    state: Mutex<PeerState>,
}

struct PeerState {
    say: Say,
    sent: u32,
    arrived: u32,
    accepted: u32,
    /// The beginning of a frame that is not all there yet.
    partial_frame: Vec<u8>,
    /// What is about to be sent; empty between reads, unless the server reads too slowly.
    unsent: Vec<u8>,
}

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

impl Load {
    /// How many frames the server makes of a message.
    fn frames_per_message(&self) -> u64 {
        match self.kind {
            Kind::WhisperChat => 2,
            Kind::Echo => 1,
        }
    }

    fn frame_came(&self) {
        if self.owed.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_one();
        }
    }
}

impl Peer {
    /// Sends the first messages of a round.
    fn start(&self, messages: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        for _ in 0..messages {
            state.say_next(&self.load);
        }
        state.send(&self.writer)?;
        assert!(state.unsent.is_empty(), "a quiet socket has room");
        Ok(())
    }

    /// Lets messages come and go until the connection ends.
    async fn run(self: Arc<Self>, mut reader: OwnedReadHalf) -> io::Result<()> {
        loop {
            poll_fn(|cx| self.poll_exchange(&mut reader, cx)).await?;
            while !self.state.lock().unsent.is_empty() {
                self.writer.writable().await?;
                self.state.lock().send(&self.writer)?;
            }
        }
    }

    /// Reads once, and answers.
    fn poll_exchange(
        &self,
        reader: &mut OwnedReadHalf,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut state = self.state.lock();
            let begun = state.partial_frame.len();
            buffer[..begun].copy_from_slice(&state.partial_frame);
            let mut unread = ReadBuf::new(&mut buffer[begun..]);
            ready!(Pin::new(reader).poll_read(cx, &mut unread))?;
            let arrived_bytes = unread.filled().len();
            assert_ne!(arrived_bytes, 0, "the server closed a connection");
            state.partial_frame.clear();
            state.receive(&self.load, &buffer[..begun + arrived_bytes]);
            Poll::Ready(state.send(&self.writer))
        })
    }
}

impl PeerState {
    fn say_next(&mut self, load: &Load) {
        self.sent += 1;
        self.say.append(self.sent, &mut self.unsent);
        load.owed
            .fetch_add(load.frames_per_message(), Ordering::AcqRel);
    }

    fn receive(&mut self, load: &Load, mut bytes: &[u8]) {
        while let Some((frame, rest)) = Received::split(bytes) {
            match frame.opcode {
                TEXT => self.receive_text(load, frame.payload),
                PING => {
                    let pong = MaskedFrame::new(PONG, frame.payload);
                    self.unsent.extend_from_slice(pong.bytes());
                }
                opcode => panic!("an unexpected frame of opcode {opcode}"),
            }
            bytes = rest;
        }
        self.partial_frame.extend_from_slice(bytes);
    }

    fn receive_text(&mut self, load: &Load, payload: &[u8]) {
        match Arrived::read(load.kind, payload) {
            Some(Arrived::Message { number }) if number == self.arrived + 1 => {
                self.arrived = number;
                load.messages.fetch_add(1, Ordering::Relaxed);
                if load.is_open.load(Ordering::Relaxed) {
                    self.say_next(load);
                }
            }
            Some(Arrived::Accepted { number }) if number == self.accepted + 1 => {
                self.accepted = number;
            }
            _ => panic!(
                "after message {} and receipt {} came {}",
                self.arrived,
                self.accepted,
                String::from_utf8_lossy(payload)
            ),
        }
        load.frame_came();
    }

    fn send(&mut self, writer: &OwnedWriteHalf) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match writer.try_write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A server with its connections.
struct Contender {
    program: Program,
    load: Arc<Load>,
    /// Partners are neighbours.
    peers: Vec<Arc<Peer>>,
    exchanges: JoinSet<io::Result<()>>,
}

/// What a round has shown.
struct Rate {
    messages_per_s: f64,
    server_us_per_message: f64,
    server_cores: f64,
    load_cores: f64,
}

impl Contender {
    /// Starts a server and connects everybody; must be called within a runtime.
    fn start(kind: Kind, threads: usize, pairs: usize) -> io::Result<Self> {
        let program = Program::start(kind, threads);
        let load = Arc::new(Load {
            kind,
            is_open: AtomicBool::new(false),
            owed: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            quiet: Notify::new(),
        });
        let mut peers = Vec::new();
        let mut exchanges = JoinSet::new();
        for pair in 0..pairs {
            for client in connect_pair(&program, pair)? {
                let stream = client.into_stream();
                stream.set_nonblocking(true)?;
                let (reader, writer) = TcpStream::from_std(stream)?.into_split();
                let peer = Arc::new(Peer {
                    load: Arc::clone(&load),
                    writer,
                    state: Mutex::new(PeerState {
                        say: Say::new(TEXTS_BYTES[0]),
                        sent: 0,
                        arrived: 0,
                        accepted: 0,
                        partial_frame: Vec::new(),
                        unsent: Vec::new(),
                    }),
                });
                exchanges.spawn(Arc::clone(&peer).run(reader));
                peers.push(peer);
            }
        }
        Ok(Self {
            program,
            load,
            peers,
            exchanges,
        })
    }

    async fn round(
        &self,
        text_bytes: usize,
        in_flight: usize,
        duration: Duration,
    ) -> io::Result<Rate> {
        let load = &self.load;
        for peer in &self.peers {
            peer.state.lock().say = Say::new(text_bytes);
        }
        load.is_open.store(true, Ordering::Relaxed);
        for peer in &self.peers {
            peer.start(in_flight)?;
        }
        // The first messages come in a burst; what is measured is what comes after it.
        sleep(duration / 10).await;
        let start = (
            Instant::now(),
            load.messages.load(Ordering::Relaxed),
            self.program.processor_s(),
            own_processor_s(),
        );
        sleep(duration).await;
        let messages = (load.messages.load(Ordering::Relaxed) - start.1) as f64;
        let seconds = start.0.elapsed().as_secs_f64();
        let server_s = self.program.processor_s() - start.2;
        let load_s = own_processor_s() - start.3;
        load.is_open.store(false, Ordering::Relaxed);
        self.all_arrived().await;
        Ok(Rate {
            messages_per_s: messages / seconds,
            server_us_per_message: server_s * 1e6 / messages,
            server_cores: server_s / seconds,
            load_cores: load_s / seconds,
        })
    }

    /// Ends the connections before the server, for an end of theirs is a failure.
    async fn stop(mut self) {
        self.exchanges.shutdown().await;
    }

    /// Waits until nothing is in flight, and checks that nothing is missing.
    async fn all_arrived(&self) {
        let owed = || self.load.owed.load(Ordering::Acquire);
        let quiet = async {
            while owed() > 0 {
                self.load.quiet.notified().await;
            }
        };
        let kind = self.load.kind;
        assert!(
            timeout(ARRIVAL_MAX, quiet).await.is_ok(),
            "{}: {} frames did not arrive",
            kind.name(),
            owed()
        );
        for pair in self.peers.chunks(2) {
            let [first, second] = [pair[0].state.lock(), pair[1].state.lock()];
            let expected = match kind {
                Kind::WhisperChat => (second.sent, first.sent, first.sent, second.sent),
                Kind::Echo => (first.sent, second.sent, 0, 0),
            };
            let counted = (
                first.arrived,
                second.arrived,
                first.accepted,
                second.accepted,
            );
            assert_eq!(counted, expected, "each message arrives exactly once");
        }
    }
}

fn connect_pair(program: &Program, pair: usize) -> io::Result<[Client; 2]> {
    let connect = || Client::connect(program.address, program.kind.path());
    let mut clients = [connect()?, connect()?];
    if program.kind == Kind::WhisperChat {
        for client in &mut clients {
            client.expect(r#"{"type":"welcome""#)?;
            client.say(&places::join(pair))?;
            client.expect(r#"{"type":"waiting""#)?;
        }
        for client in &mut clients {
            client.expect(r#"{"type":"matched""#)?;
        }
    }
    Ok(clients)
}

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == echo::ARGUMENT) {
        return echo::run();
    }
    let cores = available_parallelism().map_or(1, NonZero::get);
    let server_threads = (cores / 2).max(1);
    let load_threads = (cores - server_threads).max(1);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(load_threads)
        .enable_all()
        .build()
        .and_then(|runtime| measure(&runtime, server_threads, load_threads))
}

fn measure(runtime: &Runtime, server_threads: usize, load_threads: usize) -> io::Result<()> {
    let extent = Extent::from_arguments();
    let start = |kind| Contender::start(kind, server_threads, extent.pairs);
    let within = runtime.enter();
    let relay = start(Kind::WhisperChat)?;
    let echo = start(Kind::Echo)?;
    drop(within);
    println!(
        "{} connections; {server_threads} thread(s) for the server, {load_threads} for the load",
        2 * extent.pairs
    );
    println!(
        "\n| text | in flight | relayed/s ÷ echoed/s | frames sent, ratio | processor time a message, \
         ratio | relayed/s | echoed/s | µs a message, relay | µs, echo | cores used: server, load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for text_bytes in TEXTS_BYTES {
        for in_flight in IN_FLIGHT {
            let rounds = runtime.block_on(async {
                for contender in [&relay, &echo] {
                    contender
                        .round(text_bytes, in_flight, extent.round / 4)
                        .await?;
                }
                let mut rounds = Vec::new();
                for _ in 0..extent.rounds {
                    let relayed = relay.round(text_bytes, in_flight, extent.round).await?;
                    let echoed = echo.round(text_bytes, in_flight, extent.round).await?;
                    rounds.push((relayed, echoed));
                }
                Ok::<_, io::Error>(rounds)
            })?;
            print_row(text_bytes, in_flight, &rounds);
        }
    }
    runtime.block_on(async {
        relay.stop().await;
        echo.stop().await;
    });
    Ok(())
}

fn print_row(text_bytes: usize, in_flight: usize, rounds: &[(Rate, Rate)]) {
    let over_rounds =
        |value: fn(&Rate, &Rate) -> f64| median(rounds.iter().map(|(a, b)| value(a, b)).collect());
    let ratio = over_rounds(|relay, echo| relay.messages_per_s / echo.messages_per_s);
    let time_ratio =
        over_rounds(|relay, echo| relay.server_us_per_message / echo.server_us_per_message);
    println!(
        "| {text_bytes} B | {in_flight} | **{ratio:.2}** | {:.2} | {time_ratio:.2} | {:.0} | {:.0} | {:.1} | {:.1} | \
         relay {:.2}, {:.2}; echo {:.2}, {:.2} |",
        2.0 * ratio,
        over_rounds(|relay, _| relay.messages_per_s),
        over_rounds(|_, echo| echo.messages_per_s),
        over_rounds(|relay, _| relay.server_us_per_message),
        over_rounds(|_, echo| echo.server_us_per_message),
        over_rounds(|relay, _| relay.server_cores),
        over_rounds(|relay, _| relay.load_cores),
        over_rounds(|_, echo| echo.server_cores),
        over_rounds(|_, echo| echo.load_cores),
    );
}
