//! Finding gateways in the local network: DNS-SD over multicast DNS, with OpenClaw's service type and keys, so that its
//! apps see this gateway and we see theirs.
//!
//! What is announced is a hint and proves nothing: whoever is in the network can announce anything. Nothing here
//! connects, and nobody takes a certificate's fingerprint or a destination from here without the person. Which gateway is
//! announced, and when, is for `app`.

mod announce;
mod beacon;
mod browse;

pub use announce::{About, Announcement, Announcer, Place};
pub use beacon::Beacon;
pub use browse::browse;

const SERVICE: &str = "_openclaw-gw._tcp.local.";

/// `discovery.mdns`, and what of the environment belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub mode: Mode,
    /// For mode `full`; 22 where nothing says otherwise.
    pub ssh_port: u16,
    /// For mode `full`: where the program lies.
    pub cli_path: Option<String>,
    /// `OPENCLAW_MDNS_HOSTNAME`: a name that the person gave the machine for this.
    pub host: Option<String>,
}

/// How much the local network is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Off,
    /// That there is a gateway and how to reach it, without the name of the machine.
    Minimal,
    /// With the machine's name, its name in the tailnet, and how to come by SSH.
    Full,
}

#[derive(Debug, thiserror::Error)]
#[error("multicast DNS does not work here: {0}")]
pub struct Error(#[from] mdns_sd::Error);
