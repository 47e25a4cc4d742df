//! The loopback port behind tailscaled's routes, open to that process alone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::claim::{Claim, ServeState};
use super::door::Door;
use super::routes::Prefixes;
use crate::net::{Listener, Peer, Stream, owner_of};
use crate::secret::Secret;
use crate::tailnet::Exposure;
use crate::tailnet::host::Host;

/// Its peers are [`Peer::ServeBackend`]; the [`Door`] then says for whom each request is.
#[derive(Debug)]
pub struct Backend {
    listener: TcpListener,
    address: SocketAddr,
    host: Host,
}

impl Backend {
    /// A port of its own, with prefixes that nobody has seen yet.
    ///
    /// # Errors
    /// No loopback port, or no randomness.
    pub async fn open(host: &Host, exposure: Exposure) -> io::Result<(Self, Claim, Door)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let prefixes = Arc::new(Prefixes { gateway: random()?, public: random()? });
        let claim = Claim {
            host: host.clone(),
            exposure,
            prefixes: Arc::clone(&prefixes),
            port: address.port(),
            state: watch::Sender::new(ServeState::default()),
        };
        Ok((Self { listener, address, host: host.clone() }, claim, Door::new(host.clone(), prefixes)))
    }

    /// Whether the daemon itself holds the other end. The prefix alone does not show that: every user of this machine can
    /// read the daemon's configuration.
    async fn is_daemon(&self, peer: SocketAddr) -> io::Result<bool> {
        let (SocketAddr::V4(theirs), SocketAddr::V4(ours)) = (peer, self.address) else { return Ok(false) };
        let daemon = self.host.process().await?;
        let owner = owner_of(theirs, ours)?;
        if owner.uid != daemon.uid {
            return Ok(false);
        }
        // Of another user's process no more is told than the user; of our own user's, which process it is.
        Ok(match daemon.pid {
            Some(pid) if daemon.uid == rustix::process::geteuid().as_raw() => owner.is_held_by(pid),
            _ => true,
        })
    }

    async fn checked(&self, stream: TcpStream, peer: SocketAddr) -> Option<(Stream, Peer)> {
        match self.is_daemon(peer).await {
            Ok(true) => {
                // Small frames both ways; a failure means that the peer has gone, which the first read tells.
                let _ = stream.set_nodelay(true);
                return Some((Stream::Tcp(stream), Peer::ServeBackend(peer)));
            }
            Ok(false) => tracing::warn!(
                peer.addr = %peer, "refused a program of this machine at the back end of Serve: it is not tailscaled"
            ),
            Err(error) => tracing::warn!(
                peer.addr = %peer, %error, "refused a connection to the back end of Serve: nobody knows whose it is"
            ),
        }
        None
    }
}

impl Listener for Backend {
    async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(accepted) = self.checked(stream, peer).await {
                        return Ok(accepted);
                    }
                }
                Err(error) => crate::net::bind::pause_after(&error).await,
            }
        }
    }

    fn name(&self) -> String {
        "tailscale serve".to_owned()
    }
}

/// 256 bits, as a path takes them.
fn random() -> io::Result<Secret<String>> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}
