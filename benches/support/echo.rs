//! The rival of the server: an echo on `hyper` and `fastwebsockets`, as the library's example
//! `echo_server.rs` shows it, with the answer made as its README shows (the example sends the client's mask
//! back).
//!
//! What was changed: it listens on any free port and says which, it reports no errors, it runs on as many
//! threads as it is told (`TOKIO_WORKER_THREADS`), and it sets `TCP_NODELAY`, as the server does. Without
//! that, the second of two small answers waits for the client's acknowledgement of the first.

use super::program::ADDRESS_MARK;
use fastwebsockets::{FragmentCollector, Frame, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::net::TcpListener;

/// The argument that makes a bench be this server instead of running.
pub(crate) const ARGUMENT: &str = "be-the-echo-server";

/// Serves until the process is ended.
pub(crate) fn run() -> io::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{ADDRESS_MARK}{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(server_upgrade))
                .with_upgrades()
                .await;
        });
    }
}

async fn server_upgrade(
    mut request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(async move {
        let _ = tokio::task::unconstrained(handle_client(upgraded)).await;
    });
    Ok(response)
}

async fn handle_client(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => {
                let frame = Frame::new(true, frame.opcode, None, frame.payload);
                socket.write_frame(frame).await?;
            }
            _ => {}
        }
    }
}
