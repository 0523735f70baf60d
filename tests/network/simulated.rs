//! The simulated network as the server sees it.

use std::io;
use std::net::SocketAddr;
use turmoil::net::{TcpListener, TcpStream};
use whisperchat::server::Listener;

/// A listener on the simulated network.
pub(crate) struct Simulated(pub(crate) TcpListener);

impl Listener for Simulated {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
