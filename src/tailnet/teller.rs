//! Whoever says who and where everybody is: the gateway's own node, or this machine's tailscaled.

use std::net::IpAddr;

use tokio::sync::watch;

use super::{Error, Host, Node, Path, PeerPath, State, Status};
use crate::net::WhoIs;

/// Clones are handles to the same one.
#[derive(Debug, Clone)]
pub enum Teller {
    Node(Node),
    Host(Host),
}

impl Teller {
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        match self {
            Self::Node(node) => node.state(),
            Self::Host(host) => host.state(),
        }
    }

    /// As of [`Node::changes`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        match self {
            Self::Node(node) => node.changes(),
            Self::Host(host) => host.changes(),
        }
    }

    /// # Errors
    /// It cannot be asked.
    pub async fn whois(&self, address: IpAddr) -> Result<Option<WhoIs>, Error> {
        match self {
            Self::Node(node) => node.whois(address).await,
            Self::Host(host) => host.whois(address).await,
        }
    }

    /// # Errors
    /// It cannot be asked.
    pub async fn status(&self) -> Result<Status, Error> {
        match self {
            Self::Node(node) => node.status().await,
            Self::Host(host) => host.status().await,
        }
    }

    /// # Errors
    /// It cannot be asked.
    pub async fn path(&self, address: IpAddr) -> Result<Option<Path>, Error> {
        match self {
            Self::Node(node) => node.path(address).await,
            Self::Host(host) => host.path(address).await,
        }
    }

    /// # Errors
    /// It cannot be asked.
    pub async fn peers(&self) -> Result<Vec<PeerPath>, Error> {
        match self {
            Self::Node(node) => node.peers().await,
            Self::Host(host) => host.peers().await,
        }
    }
}
