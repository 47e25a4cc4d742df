//! Who is on the other end of a stream, as far as the transport itself can prove.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

/// The other end of an accepted stream. A closed set: every `match` on it has to be thought through when a new way
/// in is added. Headers name nobody: the one thing that is ever read from them is an address, from a proxy that the
/// configuration trusts ([`super::forwarded`]).
#[derive(Debug, Clone)]
pub enum Peer {
    /// A process of this machine, by a loopback address.
    Loopback(SocketAddr),
    /// Another machine, by an ordinary network.
    Network(SocketAddr),
    /// A node of our tailnet, by WireGuard. `whois` is `None` when the control plane does not know the address
    /// (a subnet router without SNAT, a node removed a moment ago): such a caller has no identity.
    Tailnet { address: SocketAddr, whois: Option<Arc<WhoIs>> },
    /// Somebody behind a proxy that the configuration trusts: the address that the proxy gives for them (port 0), and
    /// the proxy's own. Never local, wherever the proxy stands.
    Proxied { client: SocketAddr, proxy: SocketAddr },
    /// A node of our tailnet, by Tailscale Serve of this machine's tailscaled: that one gave the address (port 0), and
    /// its WhoIs the identity.
    Serve { address: SocketAddr, whois: Option<Arc<WhoIs>> },
    /// Anybody on the internet, by Tailscale Funnel: an address and no identity.
    Funnel { address: SocketAddr, door: FunnelDoor },
    /// This machine's tailscaled, as long as a request has not said for whom it comes. Nobody has rights as this.
    ServeBackend(SocketAddr),
}

/// What of the gateway Funnel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunnelDoor {
    /// All of it, behind the password.
    Gateway,
    /// `gateway.tailscale.publicPaths` and nothing else: no operator gets in here, with whatever secret.
    PublicPaths,
}

impl Peer {
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Loopback(address)
            | Self::Network(address)
            | Self::Tailnet { address, .. }
            | Self::Proxied { client: address, .. }
            | Self::Serve { address, .. }
            | Self::Funnel { address, .. }
            | Self::ServeBackend(address) => *address,
        }
    }

    /// The path's name in `whoami` and in the log.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self {
            Self::Loopback(_) => "loopback",
            Self::Network(_) => "network",
            Self::Tailnet { .. } => "tailnet",
            Self::Proxied { .. } => "proxy",
            Self::Serve { .. } | Self::ServeBackend(_) => "serve",
            Self::Funnel { .. } => "funnel",
        }
    }

    #[must_use]
    pub fn whois(&self) -> Option<&WhoIs> {
        self.identity().map(Arc::as_ref)
    }

    /// The same, to be kept.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<WhoIs>> {
        match self {
            Self::Tailnet { whois, .. } | Self::Serve { whois, .. } => whois.as_ref(),
            Self::Loopback(_)
            | Self::Network(_)
            | Self::Proxied { .. }
            | Self::Funnel { .. }
            | Self::ServeBackend(_) => None,
        }
    }

    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback(_))
    }
}

/// What the tailnet's control plane says of a node (tailscale.com `apitype.WhoIsResponse`, the parts that decide).
#[derive(Debug, Clone, PartialEq)]
pub struct WhoIs {
    /// Stable for the life of the node, also when it is renamed or re-addressed.
    pub stable_id: String,
    /// Fully qualified, without the trailing dot: `laptop.tail1234.ts.net`.
    pub node_name: String,
    pub owner: Owner,
    /// The node key has expired: nothing it says counts.
    pub expired: bool,
    /// The node belongs to another tailnet and was shared into ours.
    pub shared_in: bool,
    /// The caller is this gateway's own node.
    pub is_self: bool,
    /// Capability grants of the policy file that apply from this peer to us: name to list of values.
    pub capabilities: BTreeMap<String, Vec<Value>>,
}

/// A node is a person's or a role's, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    User {
        id: i64,
        login: String,
        display_name: String,
    },
    /// Tags with their prefix: `tag:camera`.
    Tagged(Vec<String>),
}

#[cfg(test)]
impl WhoIs {
    /// A node with nothing special to it.
    #[must_use]
    pub fn of(owner: Owner) -> Self {
        Self {
            stable_id: "n1".into(),
            node_name: "phone.test".into(),
            owner,
            expired: false,
            shared_in: false,
            is_self: false,
            capabilities: BTreeMap::new(),
        }
    }
}

impl WhoIs {
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        match &self.owner {
            Owner::User { login, .. } => Some(login),
            Owner::Tagged(_) => None,
        }
    }

    #[must_use]
    pub fn tags(&self) -> &[String] {
        match &self.owner {
            Owner::User { .. } => &[],
            Owner::Tagged(tags) => tags,
        }
    }
}
