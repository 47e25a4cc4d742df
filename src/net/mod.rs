//! Streams and who is behind them.
//!
//! A [`Listener`] yields a [`Stream`] and its [`Peer`] in one value, so that nobody can hold a stream without knowing
//! whose it is. Binding rules live in `bind`, size limits before authentication in `guard`, the patience with those who
//! take nothing in `deadline`, what a trusted proxy's headers are worth in `forwarded`. What a peer may do is decided in `auth`, never here. The tailnet's listener is in
//! `tailnet`.

pub mod bind;
pub mod deadline;
pub mod forwarded;
pub mod guard;
mod identities;
mod limits;
mod owner;
mod peer;
mod ssh_target;
mod stream;

use std::future::Future;
use std::io;
use std::time::Duration;

pub use identities::{Identities, Place};
pub use limits::{AddressLimit, AddressSlot};
pub use owner::{SocketOwner, owner_of};
pub use peer::{FunnelDoor, Owner, Peer, WhoIs};
pub use ssh_target::{NotAnSshTarget, SshTarget};
pub use stream::Stream;

/// How long a peer that does nothing is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// `gateway.writeTimeoutMs`: without one byte taken of what waits to be written.
    pub write_timeout: Duration,
    /// `gateway.pingIntervalMs`: between the pings of a WebSocket, and from one to the sign of life that it asks for.
    pub ping_interval: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { write_timeout: Duration::from_secs(30), ping_interval: Duration::from_secs(25) }
    }
}

/// A source of connections. The peer comes with the stream: there is no second look-up that could answer for
/// somebody else.
pub trait Listener: Send + 'static {
    /// Waits for the next connection. An error means that this listener is over: accept errors that pass (a peer
    /// that reset, no descriptors for a moment) are dealt with inside.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send;

    /// For the log and the start-up message: `127.0.0.1:18789`, `tailnet:18789`.
    fn name(&self) -> String;
}
