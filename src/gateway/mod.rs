//! The gateway's face: HTTP, the WebSocket upgrade, the handshake, and what goes on over a connection.
//!
//! `server` accepts, `entrance` tells who asks, `http` routes, `upgrade` turns a request into a socket, `handshake` yields the caller,
//! `connection` moves frames, `fanout` spreads events, `pulse` beats. What methods do is in `rpc`; who may come in is
//! decided in `auth`. `app` puts it together.

mod attendance;
mod close;
mod connection;
mod entrance;
mod fanout;
mod handshake;
mod http;
mod node;
mod outbox;
mod pulse;
mod server;
mod standing;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use entrance::Entrance;
pub use fanout::{Fanout, Whose};
pub use http::Surface;
pub use pulse::beat;
pub use server::serve;

use crate::approvals::Approvers;
use crate::auth::Gatekeeper;
use crate::bus::Bus;
use crate::discovery;
use crate::live::Live;
use crate::net::{AddressLimit, Patience};
use crate::nodes::Nodes;
use crate::pairing::Pairing;
use crate::protocol::handshake::SessionDefaults;
use crate::rpc::{Doors, Presence, System, Table, Voicewake};
use crate::shutdown::Shutdown;

/// What connections share. Made once by `app`.
pub struct Gateway {
    pub gatekeeper: Gatekeeper,
    pub pairing: Pairing,
    pub table: Table,
    pub fanout: Arc<Fanout>,
    pub bus: Bus,
    pub presence: Presence,
    pub approvers: Approvers,
    pub nodes: Nodes,
    pub voicewake: Voicewake,
    pub system: System,
    pub shutdown: Shutdown,
    pub about: About,
    /// Live WebSocket connections.
    pub connections: Arc<AtomicUsize>,
    pub unauthenticated: AddressLimit,
    /// With connections that begin from now on.
    pub patience: Live<Patience>,
    pub http: Surface,
    /// What the local network is told.
    pub discovery: Live<discovery::Settings>,
    /// Where new devices are told to go.
    pub doors: Doors,
    /// What everybody on the internet may ask for: `gateway.tailscale.publicPaths`.
    pub public_paths: Vec<String>,
}

impl Gateway {
    /// Judges those who are in again, and returns how many were put out.
    pub fn judge_again(&self, whose: &Whose) -> usize {
        let ended = self.fanout.judge_again(whose);
        self.nodes.end_unusable_calls();
        ended
    }
}

/// What `hello-ok` says of the gateway.
#[derive(Debug, Clone)]
pub struct About {
    /// New with each start.
    pub boot_id: String,
    pub config_path: String,
    pub state_dir: String,
    pub default_agent_id: String,
    pub main_session_key: String,
}

impl About {
    fn session_defaults(&self, model_configured: bool) -> SessionDefaults {
        SessionDefaults {
            default_agent_id: self.default_agent_id.clone(),
            model_configured,
            main_key: crate::sessions::MAIN,
            main_session_key: self.main_session_key.clone(),
            scope: "per-sender",
            ownership: "sole",
            selection_required: false,
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").field("about", &self.about).finish_non_exhaustive()
    }
}
