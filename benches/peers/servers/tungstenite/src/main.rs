//! The obvious chat server on `tokio-tungstenite`, in the classic dialect: `MATCHER PORT`, where the matcher
//! is `pairs`, `newcomer` or `rstar`.
//!
//! A task for each connection, a bounded queue in front of it, and one waiting room under a mutex. Settings
//! of the WebSocket are what its documentation advises for many connections. Pings as the server's: one
//! in 25 s, and who has not been heard from in two of those is let go.

mod connection;
mod dialect;
mod room;

use anyhow::Context as _;
use connection::serve;
use room::{Matcher, Room};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The same allocator as the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: whisperchat-peers-tungstenite pairs|newcomer|rstar PORT";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let matcher: Matcher = arguments
        .next()
        .context(USAGE)?
        .parse()
        .map_err(|()| anyhow::anyhow!(USAGE))?;
    let port: u16 = arguments.next().context(USAGE)?.parse().context(USAGE)?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let room = Arc::new(Room::new(matcher));
    room::watch(&room);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&room)))),
            // Out of descriptors, most likely: those who leave make room.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}
