//! This machine's own tailscaled, asked over its socket: never through its command line, and never told to log in, out
//! or elsewhere.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::bus::Follower;
use super::daemon::Daemon;
use super::localapi::{Dial, LocalApi};
use super::{Error, HostSettings, Path, PeerPath, State, Status, path};
use crate::net::WhoIs;

/// Clones are handles to the same daemon. Nothing of it is stopped when they go.
#[derive(Debug, Clone)]
pub struct Host(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    daemon: Daemon<Socket>,
    socket: Socket,
}

#[derive(Debug, Clone)]
pub(super) struct Socket(PathBuf);

/// The process behind the socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaemonProcess {
    /// `None` where the system does not tell.
    pub(super) pid: Option<u32>,
    pub(super) uid: u32,
}

impl Host {
    /// Begins to follow the daemon, also while it is not there yet. Must run inside a tokio runtime.
    #[must_use]
    pub fn follow(settings: HostSettings) -> Self {
        let socket = Socket(settings.socket);
        let shared = Shared { daemon: Daemon::new(socket.clone()), socket };
        let Daemon { api, report, ended } = &shared.daemon;
        let absence = format!(
            "this machine's tailscaled does not answer at {}: start it, or name its socket with gateway.tailscale.socket",
            shared.socket.0.display()
        );
        let follower = Follower {
            api: api.clone(),
            report: report.clone(),
            ended: ended.clone(),
            absence: Some(absence),
            clock_offset_ms: Box::new(|| 0),
        };
        tokio::spawn(follower.run());
        Self(Arc::new(shared))
    }

    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.daemon.report.state.subscribe()
    }

    /// Sentences about what is wrong with it, beside its state.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Vec<String>> {
        self.0.daemon.report.health.subscribe()
    }

    /// As of [`super::Node::changes`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.daemon.report.changes.subscribe()
    }

    /// Who has an address of the tailnet now. `None`: nobody that the control plane knows.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn whois(&self, address: IpAddr) -> Result<Option<WhoIs>, Error> {
        self.0.daemon.whois(address).await
    }

    /// # Errors
    /// The daemon cannot be asked.
    pub async fn status(&self) -> Result<Status, Error> {
        self.0.daemon.status().await
    }

    /// How packets get to a node of the tailnet at this moment. `None`: it does not answer.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn path(&self, address: IpAddr) -> Result<Option<Path>, Error> {
        path::ping(&self.0.daemon.api, address).await
    }

    /// The tailnet's other nodes, and the paths to those in use.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn peers(&self) -> Result<Vec<PeerPath>, Error> {
        path::peers(&self.0.daemon.api).await
    }

    pub(super) fn api(&self) -> &LocalApi<Socket> {
        &self.0.daemon.api
    }

    /// Asked anew each time: the daemon may have been restarted.
    pub(super) async fn process(&self) -> io::Result<DaemonProcess> {
        let peer = self.0.socket.dial().await?.peer_cred()?;
        Ok(DaemonProcess { pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()), uid: peer.uid() })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.daemon.ended.cancel();
    }
}

impl Dial for Socket {
    async fn dial(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.0).await
    }
}
