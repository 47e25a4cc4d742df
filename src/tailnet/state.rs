//! What the rest of the program can know of the node.

use std::net::IpAddr;
use std::sync::Arc;

/// Where the node is on its way into the tailnet. Follow it with [`Node::state`](super::Node::state).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Starting, or talking to a control server that has not answered yet.
    Starting,
    /// A person has to open the link, once it is there, or give a (new) auth key.
    NeedsLogin {
        url: Option<String>,
    },
    /// Logged in; an admin of the tailnet has to approve the device.
    NeedsApproval,
    Running(Arc<Identity>),
    /// Closed, logged out, or it could not start.
    Stopped {
        reason: String,
    },
}

/// Who the node is in its tailnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Fully qualified, without the trailing dot.
    pub dns_name: String,
    pub addresses: Vec<IpAddr>,
    /// Stable for the life of the node, also when it is renamed or re-addressed.
    pub stable_id: String,
    pub tailnet: String,
    /// Without dots at its ends: `tail1234.ts.net`.
    pub magic_dns_suffix: String,
    /// The names for which [`Node::certificate`](super::Node::certificate) can get one; empty while HTTPS is off.
    pub cert_domains: Vec<String>,
    /// With their prefix. A tagged node has no login.
    pub tags: Vec<String>,
    pub login: Option<String>,
    /// RFC 3339, UTC. `None`: the key does not expire.
    pub key_expiry: Option<String>,
}

/// A snapshot, asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    /// Sentences about what is wrong; empty is good.
    pub health: Vec<String>,
    /// Tailscale's version inside.
    pub version: String,
}
