//! The embedded tailnet node: joining, listening with the caller's identity, dialling, certificates, leaving.
//!
//! [`Node`] runs Tailscale's own implementation inside the process (`libtailscale/`, a Go module linked as a static
//! archive; `sys` is the only door to it) and asks it for everything else over its LocalAPI. What a caller may do is
//! decided in `auth`; which ports are served, and when the node starts, is for `app`. Without the cargo feature
//! `tailnet` there is no Go, [`Node`] cannot exist and [`Node::start`] says so.
//!
//! One process can hold one Go runtime; see [`rearm_signal_handlers`] for what that asks of it.

mod error;
mod state;

#[cfg(not(feature = "tailnet"))]
mod absent;
#[cfg(feature = "tailnet")]
mod bus;
#[cfg(feature = "tailnet")]
mod certificate;
#[cfg(feature = "tailnet")]
mod hello;
#[cfg(feature = "tailnet")]
mod listener;
#[cfg(feature = "tailnet")]
mod localapi;
#[cfg(feature = "tailnet")]
mod lock;
#[cfg(feature = "tailnet")]
mod login;
#[cfg(feature = "tailnet")]
mod logs;
#[cfg(feature = "tailnet")]
mod node;
#[cfg(feature = "tailnet")]
mod report;
#[cfg(feature = "tailnet")]
mod status;
#[cfg(feature = "tailnet")]
mod sys;
#[cfg(feature = "tailnet")]
mod whois;

use std::path::PathBuf;

use crate::secret::Secret;

#[cfg(not(feature = "tailnet"))]
pub use absent::{Node, TailnetListener, rearm_signal_handlers};
pub use error::Error;
#[cfg(feature = "tailnet")]
pub use listener::TailnetListener;
#[cfg(feature = "tailnet")]
pub use node::Node;
pub use state::{Identity, State, Status};
#[cfg(feature = "tailnet")]
pub use sys::rearm_signal_handlers;

/// What a node needs to know before it starts. These win over the `TS_*` variables of tsnet.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name asked for; the tailnet may append a number.
    pub hostname: String,
    /// A control server of one's own. `None` is Tailscale's, also when `TS_CONTROL_URL` says otherwise.
    pub control_url: Option<String>,
    /// Used only while the state folder holds no login.
    pub auth_key: Option<Secret<String>>,
    /// Tags asked for, with their prefix: `tag:gateway`. The key or the person logging in must own them.
    pub tags: Vec<String>,
    /// Forgotten by the tailnet soon after it goes offline.
    pub ephemeral: bool,
    /// Holds the node's keys: who copies it is the node. Made 0700, and locked while the node runs.
    pub state_dir: PathBuf,
}

/// A certificate of the node's own domain, as PEM texts.
#[derive(Debug)]
pub struct CertificatePair {
    /// Leaf first.
    pub chain: String,
    pub key: Secret<String>,
}
