use super::*;
use crate::config::Config;
use crate::server::telemetry::Telemetry;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

/// Bytes that may be on their way in each direction, about as many as a kernel keeps for a socket.
const PIPE_BYTES: usize = 1 << 20;

const WAIT: Duration = Duration::from_secs(20);

fn rules() -> Arc<Rules> {
    closing_within(0.05)
}

fn closing_within(close_s: f64) -> Arc<Rules> {
    let mut config = Config::default();
    // Who is lost is gone.
    config.limits.resume_window_s = 0;
    config.limits.close_s = close_s;
    let hub = Hub::new(&config, Telemetry::default(), None);
    Arc::new(Rules::new(config, Credentials::default(), hub))
}

/// The server's end of a connection, which can be made to panic when it is next read.
struct Fragile {
    stream: DuplexStream,
    is_to_panic: Arc<AtomicBool>,
}

impl AsyncRead for Fragile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(
            !self.is_to_panic.load(Ordering::Relaxed),
            "this connection's task was to panic"
        );
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Fragile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A v1 client at the other end of a connection.
struct Client {
    stream: DuplexStream,
    is_to_panic: Arc<AtomicBool>,
    task: JoinHandle<End>,
}

impl Client {
    async fn connect(rules: &Arc<Rules>) -> Self {
        let (stream, server_end) = tokio::io::duplex(PIPE_BYTES);
        let is_to_panic = Arc::new(AtomicBool::new(false));
        let fragile = Fragile {
            stream: server_end,
            is_to_panic: Arc::clone(&is_to_panic),
        };
        let begun = Begun {
            stream: fragile,
            early: Bytes::new(),
            dialect: Dialect::V1,
            admission: Admission::Open,
            network: Network::NOWHERE,
            is_limited: false,
        };
        let task = tokio::spawn(run(begun, Arc::clone(rules)));
        let mut client = Self {
            stream,
            is_to_panic,
            task,
        };
        client.expect("welcome").await;
        client
    }

    /// Two in a chat, at a place where nobody else waits.
    async fn pair(rules: &Arc<Rules>, lat: f64) -> (Self, Self) {
        let (mut ann, mut bob) = (Self::connect(rules).await, Self::connect(rules).await);
        ann.join(lat).await;
        bob.join(lat).await;
        ann.expect("matched").await;
        bob.expect("matched").await;
        (ann, bob)
    }

    async fn join(&mut self, lat: f64) {
        let position = json!({"lat": lat, "lon": 0});
        self.send(&json!({"type": "join", "position": position, "range_km": 5}))
            .await;
        self.expect("waiting").await;
    }

    async fn send(&mut self, message: &Value) {
        self.send_frame(0x81, message.to_string().as_bytes()).await;
    }

    /// A masked frame of at most 64 KiB; the mask is zero, so the payload stands as it is.
    async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 0x7E);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame: its first byte and its payload.
    async fn next_frame(&mut self) -> (u8, Vec<u8>) {
        let next = async {
            let first = self.stream.read_u8().await.unwrap();
            let length = match self.stream.read_u8().await.unwrap() {
                126 => self.stream.read_u16().await.unwrap().into(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.unwrap();
            (first, payload)
        };
        tokio::time::timeout(WAIT, next).await.expect("a frame")
    }

    async fn expect(&mut self, kind: &str) -> Value {
        let (first, payload) = self.next_frame().await;
        assert_eq!(first, 0x81, "wanted {kind}, got {payload:?}");
        let message: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    async fn say(&mut self, text: &str) {
        self.send(&json!({"type": "say", "text": text})).await;
        self.expect("accepted").await;
    }

    /// How the connection's task ended.
    async fn end(&mut self) -> Result<End, tokio::task::JoinError> {
        tokio::time::timeout(WAIT, &mut self.task)
            .await
            .expect("the task ends")
    }
}

#[tokio::test]
async fn a_panic_ends_the_connection_that_panicked_and_no_other() {
    let rules = rules();
    let (mut ann, mut bob) = Client::pair(&rules, 10.0).await;
    let (mut carl, mut dora) = Client::pair(&rules, 20.0).await;
    let mut erna = Client::connect(&rules).await;
    erna.join(30.0).await;
    assert_eq!(rules.hub.census(), (5, 1));

    ann.is_to_panic.store(true, Ordering::Relaxed);
    ann.send_frame(0x89, b"wake up").await;
    assert!(ann.end().await.unwrap_err().is_panic());

    assert_eq!(bob.expect("partner_left").await["reason"], "lost");
    assert_eq!(rules.hub.census(), (4, 1));
    carl.say("are you there?").await;
    assert_eq!(dora.expect("said").await["text"], "are you there?");
    // Who was left is free for others, and so is everybody who waited.
    bob.join(30.0).await;
    bob.expect("matched").await;
    erna.expect("matched").await;
    assert_eq!(rules.hub.census(), (4, 0));
}

#[tokio::test]
async fn who_does_not_read_is_given_up_although_nothing_can_be_sent() {
    let rules = rules();
    let (mut silent, mut talker) = Client::pair(&rules, 10.0).await;
    let text = "x".repeat(2000);
    let flood = async {
        loop {
            talker.send(&json!({"type": "say", "text": text})).await;
            match talker.next_frame().await {
                (0x81, answer) if answer.starts_with(b"{\"type\":\"accepted\"") => {}
                (0x81, other) => return serde_json::from_slice::<Value>(&other).unwrap(),
                other => panic!("wanted accepted or partner_left, got {other:?}"),
            }
        }
    };
    let left = tokio::time::timeout(WAIT, flood).await.expect("it ends");
    assert_eq!(left["type"], "partner_left");
    assert_eq!(left["reason"], "lost");
    let end = silent.end().await.unwrap();
    assert_eq!(end, End::ByServer(CloseCode::TooSlow));
    assert_eq!(rules.hub.census(), (1, 0));
}

#[tokio::test]
async fn a_burst_closes_neither_who_sends_it_nor_who_reads_it() {
    const COUNT: u64 = 5000;
    let rules = rules();
    let (ann, mut bob) = Client::pair(&rules, 10.0).await;
    let (mut confirmations, mut sending) = tokio::io::split(ann.stream);
    let say = json!({"type": "say", "text": "x"}).to_string();
    let frame = [&[0x81, 0x80 | say.len() as u8, 0, 0, 0, 0], say.as_bytes()].concat();
    let sending = tokio::spawn(async move {
        sending
            .write_all(&frame.repeat(COUNT as usize))
            .await
            .unwrap();
        sending
    });
    // All that comes is read as it comes.
    let reading = tokio::spawn(async move {
        let mut bytes = vec![0; 1 << 16];
        while confirmations.read(&mut bytes).await.unwrap() > 0 {}
    });
    for seq in 1..=COUNT {
        assert_eq!(bob.expect("said").await["seq"], seq);
    }
    drop((sending.await.unwrap(), reading));
}

#[tokio::test]
async fn a_connection_ends_when_the_client_has_answered_the_close_frame() {
    let rules = closing_within(3600.0);
    let mut client = Client::connect(&rules).await;
    client.send_frame(0x81, b"\xff").await;
    let (first, payload) = client.next_frame().await;
    assert_eq!((first, &payload[..2]), (0x88, &1007_u16.to_be_bytes()[..]));
    client.send_frame(0x89, b"on its way already").await;
    client.send_frame(0x88, &payload[..2]).await;
    // The client's side stays open: a server must not wait for it (RFC 6455, section 7.1.1).
    let end = client.end().await.unwrap();
    assert_eq!(end, End::ByServer(CloseCode::InvalidUtf8));
}

#[tokio::test]
async fn who_connects_while_the_server_stops_is_told_so() {
    let rules = rules();
    let timer = tokio::spawn({
        let rules = Arc::clone(&rules);
        async move { rules.hub.run_timer().await }
    });
    rules.hub.drain();
    let mut client = Client::connect(&rules).await;
    assert!(client.expect("going_away").await["reconnect_after_ms"].is_u64());
    let (first, payload) = client.next_frame().await;
    assert_eq!((first, &payload[..2]), (0x88, &4200_u16.to_be_bytes()[..]));
    timer.abort();
}
