//! A client that keeps to the contract: over a connection that is lost it resumes, and says again what was
//! not accepted.

use crate::ledger::{End, Mood};
use crate::person::{Person, Shared};
use futures_util::{SinkExt, StreamExt};
use rand::RngExt as _;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use turmoil::net::TcpStream;

/// After so much silence the client gives the connection up: the server pings sooner.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long connecting, shaking hands or sending may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest pause between two attempts to connect.
const PAUSE_MAX_MS: u64 = 2000;

type Socket = WebSocketStream<TcpStream>;

/// How a connection ended, as the client sees it.
pub(crate) enum Parting {
    /// It broke, or the client broke it.
    Lost,
    /// The client closed it for good.
    Closed,
    /// The server closed it.
    ByServer(u16),
}

/// Lives until its host crashes, or until it is told to leave and its connection ends.
pub(crate) async fn live(number: usize, ledger: Shared) -> turmoil::Result {
    let mut person = Person::new(number, ledger);
    let mut failures = 0;
    loop {
        if let Ok(mut socket) = connect().await {
            failures = 0;
            match converse(&mut socket, &mut person).await {
                Parting::Closed => person.begin_anew(End::Left),
                Parting::ByServer(code) => person.closed(code),
                Parting::Lost => {}
            }
        }
        person.offline();
        if person.mood() == Mood::Leaving {
            person.begin_anew(End::Over);
            return Ok(());
        }
        failures += 1;
        let pause_max_ms = (100_u64 << failures.min(5)).min(PAUSE_MAX_MS);
        let pause_ms = person.random.random_range(20..pause_max_ms);
        sleep(Duration::from_millis(pause_ms)).await;
    }
}

async fn connect() -> turmoil::Result<Socket> {
    let stream = timeout(PATIENCE, TcpStream::connect(("server", 80))).await??;
    let shaken = timeout(PATIENCE, client_async("ws://server/v1/ws", stream)).await?;
    Ok(shaken?.0)
}

async fn converse(socket: &mut Socket, person: &mut Person) -> Parting {
    let mut silent_since = Instant::now();
    let mut acts_at = Instant::now() + Duration::from_secs(1);
    person.connected();
    loop {
        let mut to_send = Vec::new();
        tokio::select! {
            biased;
            () = sleep_until(silent_since + SILENCE_MAX) => return Parting::Lost,
            received = socket.next() => {
                silent_since = Instant::now();
                match received {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        person.receive(&message, &mut to_send);
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Parting::ByServer(frame.code.into());
                    }
                    Some(Ok(Message::Ping(_))) => {}
                    Some(Ok(other)) => panic!("unexpected: {other:?}"),
                    Some(Err(_)) | None => return Parting::Lost,
                }
            }
            () = sleep_until(acts_at) => {
                acts_at = Instant::now() + person.pause();
                if let Some(parting) = person.act(&mut to_send) {
                    if matches!(parting, Parting::Closed) {
                        let _ = timeout(PATIENCE, socket.close(None)).await;
                    }
                    return parting;
                }
            }
        }
        for message in to_send {
            let sent = socket.feed(Message::text(message.to_string()));
            if !matches!(timeout(PATIENCE, sent).await, Ok(Ok(()))) {
                return Parting::Lost;
            }
        }
        if !matches!(timeout(PATIENCE, socket.flush()).await, Ok(Ok(()))) {
            return Parting::Lost;
        }
    }
}
