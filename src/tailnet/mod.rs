//! The embedded tailnet node: joining, listening with the caller's identity, dialling, certificates, leaving.
//!
//! [`Node`] runs Tailscale's own implementation inside the process (`libtailscale/`, a Go module linked as a static
//! archive; `sys` is the only door to it) and asks it for everything else over its LocalAPI. What a caller may do is
//! decided in `auth`; which ports are served, and when the node starts, is for `app`. Without the cargo feature
//! `tailnet` there is no Go, [`Node`] cannot exist and [`Node::start`] says so.
//!
//! [`Host`] is this machine's own tailscaled instead, asked in the same way over its socket; `serve` offers the gateway
//! through it.
//!
//! One process can hold one Go runtime; see [`rearm_signal_handlers`] for what that asks of it.

mod bus;
#[cfg(feature = "tailnet")]
mod certificate;
mod daemon;
mod error;
pub mod expiry;
mod host;
mod localapi;
mod login;
mod path;
mod report;
mod serve;
mod state;
mod status;
mod teller;
mod whois;

#[cfg(not(feature = "tailnet"))]
mod absent;
#[cfg(feature = "tailnet")]
mod hello;
#[cfg(feature = "tailnet")]
mod join;
#[cfg(feature = "tailnet")]
mod listener;
#[cfg(feature = "tailnet")]
mod lock;
#[cfg(feature = "tailnet")]
mod logs;
#[cfg(feature = "tailnet")]
mod node;
#[cfg(feature = "tailnet")]
mod oauth;
#[cfg(feature = "tailnet")]
mod sys;

use std::path::PathBuf;

use crate::secret::Secret;

#[cfg(not(feature = "tailnet"))]
pub use absent::{Node, TailnetListener, rearm_signal_handlers};
pub use bus::jittered;
pub use error::Error;
pub use host::Host;
#[cfg(feature = "tailnet")]
pub use listener::TailnetListener;
#[cfg(feature = "tailnet")]
pub use node::Node;
pub use serve::{Backend, Claim, Door, ServeState, Turned};
pub use state::{Identity, LoggedIn, LoginBy, Path, PeerPath, State, Status, Way};
#[cfg(feature = "tailnet")]
pub use sys::rearm_signal_handlers;
pub use teller::Teller;

/// What a node needs to know before it starts. These win over the `TS_*` variables of tsnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name asked for; the tailnet may append a number.
    pub hostname: String,
    /// A control server of one's own. `None` is Tailscale's, also when `TS_CONTROL_URL` says otherwise.
    pub control_url: Option<String>,
    /// Used only while the state folder holds no login.
    pub auth_key: Option<Secret<String>>,
    /// Makes a key whenever the node has to log in, instead of `auth_key`. Needs `tags`.
    pub oauth: Option<OAuthClient>,
    /// Tags asked for, with their prefix: `tag:gateway`. The key or the person logging in must own them.
    pub tags: Vec<String>,
    /// Forgotten by the tailnet soon after it goes offline.
    pub ephemeral: bool,
    /// Holds the node's keys: who copies it is the node. Made 0700, and locked while the node runs.
    pub state_dir: PathBuf,
}

/// An OAuth client of the tailnet, with the scope `auth_keys`. What it makes is used once, and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// Tailscale itself knows the client by its secret.
    pub id: Option<String>,
    pub secret: Secret<String>,
    /// Without a slash at its end.
    pub api_url: String,
    /// Whether the device needs no approval by an admin.
    pub preauthorized: bool,
}

/// Tailscale's own API.
pub const API_URL: &str = "https://api.tailscale.com";

/// This machine's own tailscaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// Where it takes commands.
    pub socket: PathBuf,
}

/// What of the gateway is offered beyond its own ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    pub offer: Offer,
    pub public: Option<PublicPaths>,
}

impl Exposure {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.offer == Offer::None && self.public.is_none()
    }
}

/// `gateway.tailscale.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    None,
    /// Serve: HTTPS for the tailnet.
    Tailnet,
    /// Funnel: the same for the whole internet.
    Everyone,
}

/// `gateway.tailscale.publicPaths`: what everybody on the internet may ask for, whatever the offer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicPaths {
    pub port: u16,
    /// Each with what is below it; with a slash in front and none at the end.
    pub paths: Vec<String>,
}

/// A certificate of the node's own domain, as PEM texts.
#[derive(Debug)]
pub struct CertificatePair {
    /// Leaf first.
    pub chain: String,
    pub key: Secret<String>,
}
