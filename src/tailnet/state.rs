//! What the rest of the program can know of the node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

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
    /// A login link that somebody asked for. The node goes on by its old key until it is opened.
    pub renewal_url: Option<String>,
    /// Whether names of the tailnet are resolved.
    pub magic_dns: bool,
    /// Whether the policy lets this node publish by Funnel.
    pub may_funnel: bool,
    /// Whether the tailnet gives certificates to this node.
    pub may_https: bool,
}

/// With what to log in, again or for the first time.
#[derive(Debug, Clone)]
pub enum LoginBy {
    /// A person opens a link.
    Link,
    Key(Secret<String>),
    /// The key or the OAuth client of the settings; a link where there is none.
    Settings,
}

/// How far a login got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedIn {
    Done,
    /// It goes on when somebody opens this.
    Link(String),
    /// An admin of the tailnet has to approve the device.
    NeedsApproval,
}

/// How packets get to another node, by a ping a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub way: Way,
    pub latency: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To that `address:port`.
    Direct(String),
    /// By Tailscale's relay (DERP) in that region.
    Relay(String),
    /// By another node that relays, at that `address:port`.
    PeerRelay(String),
}

/// Another node of the tailnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerPath {
    /// Fully qualified, without the trailing dot.
    pub name: String,
    pub address: IpAddr,
    /// Whether it is connected to the control server.
    pub online: bool,
    /// RFC 3339; when its key expires.
    pub key_expiry: Option<String>,
    /// `None`: nothing has passed between the two lately, or it did not answer.
    pub path: Option<Path>,
}

/// A snapshot, asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    /// Sentences about what is wrong; empty is good.
    pub health: Vec<String>,
    /// Tailscale's version inside.
    pub version: String,
    /// It has no network interface: what comes from the tailnet for this machine is handed to its loopback ports.
    pub is_userspace: bool,
}
