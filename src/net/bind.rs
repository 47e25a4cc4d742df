//! Where the gateway listens with the kernel's own sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::{Listener, Peer, Stream};

#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: BindMode,
    pub port: u16,
}

/// `gateway.bind`. Loopback is served in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindMode {
    Loopback,
    /// Every interface.
    Lan,
    /// The embedded tailnet node.
    Tailnet,
    Custom(IpAddr),
}

impl BindMode {
    /// The kernel addresses to bind. The tailnet node's listener is none of them.
    #[must_use]
    pub fn addresses(self, port: u16) -> Vec<SocketAddr> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self {
            Self::Loopback | Self::Tailnet => vec![loopback],
            Self::Lan => vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))],
            Self::Custom(address) if address.is_loopback() && address.is_ipv4() => {
                // A second loopback address of IPv4 is still worth having beside 127.0.0.1.
                let custom = SocketAddr::from((address, port));
                if custom == loopback { vec![loopback] } else { vec![loopback, custom] }
            }
            Self::Custom(address) if address.is_unspecified() => vec![SocketAddr::from((address, port))],
            Self::Custom(address) => vec![loopback, SocketAddr::from((address, port))],
        }
    }

    /// Whether other machines can reach it.
    #[must_use]
    pub const fn is_exposed(self) -> bool {
        match self {
            Self::Loopback => false,
            Self::Lan | Self::Tailnet => true,
            Self::Custom(address) => !address.is_loopback(),
        }
    }
}

/// A kernel TCP listener.
#[derive(Debug)]
pub struct KernelListener {
    inner: TcpListener,
    address: SocketAddr,
}

impl KernelListener {
    /// # Errors
    /// As `bind(2)`: the address is taken, or is none of this machine's.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let inner = TcpListener::bind(address).await?;
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for KernelListener {
    async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        loop {
            match self.inner.accept().await {
                Ok((stream, address)) => {
                    // Small frames both ways: waiting for more to send would only add latency. A failure to set it
                    // means that the peer has gone, which the first read will tell.
                    let _ = stream.set_nodelay(true);
                    return Ok((Stream::Tcp(stream), classify(address)));
                }
                Err(error) => pause_after(&error).await,
            }
        }
    }

    fn name(&self) -> String {
        self.address.to_string()
    }
}

/// Loopback is what the kernel says of the source address; no header takes part.
fn classify(address: SocketAddr) -> Peer {
    if address.ip().to_canonical().is_loopback() { Peer::Loopback(address) } else { Peer::Network(address) }
}

/// A peer that reset before we accepted costs nothing; anything else (no descriptors, no memory) is given time.
pub(crate) async fn pause_after(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "accepting connections is paused for a moment");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_part_of_every_mode() {
        for mode in [
            BindMode::Loopback,
            BindMode::Lan,
            BindMode::Tailnet,
            BindMode::Custom("192.0.2.7".parse().unwrap()),
            BindMode::Custom("127.0.0.2".parse().unwrap()),
        ] {
            let serves_loopback = mode
                .addresses(1)
                .iter()
                .any(|address| address.ip().is_unspecified() || address.ip() == Ipv4Addr::LOCALHOST);
            assert!(serves_loopback, "{mode:?}");
        }
    }

    #[test]
    fn mapped_loopback_counts_as_loopback() {
        assert!(classify("[::ffff:127.0.0.1]:5".parse().unwrap()).is_loopback());
        assert!(!classify("192.0.2.1:5".parse().unwrap()).is_loopback());
    }
}
