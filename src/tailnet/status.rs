//! The LocalAPI's `status` answer (tailscale.com `ipnstate.Status`), down to what is used.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::{Identity, State, Status};

/// Without the peers, which can be thousands.
pub(super) const PATH: &str = "status?peers=false";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    version: String,
    backend_state: String,
    #[serde(rename = "AuthURL", default)]
    auth_url: String,
    #[serde(rename = "TailscaleIPs", default)]
    addresses: Option<Vec<IpAddr>>,
    #[serde(rename = "Self", default)]
    node: Option<Node>,
    #[serde(default)]
    health: Option<Vec<String>>,
    #[serde(default)]
    current_tailnet: Option<Tailnet>,
    #[serde(default)]
    cert_domains: Option<Vec<String>>,
    #[serde(default)]
    user: Option<BTreeMap<String, User>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(rename = "ID")]
    stable_id: String,
    #[serde(rename = "DNSName", default)]
    dns_name: String,
    #[serde(rename = "UserID", default)]
    user_id: i64,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    key_expiry: Option<String>,
}

#[derive(Deserialize)]
struct Tailnet {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "MagicDNSSuffix")]
    magic_dns_suffix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    login_name: String,
}

impl Answer {
    pub(super) fn into_status(mut self) -> Status {
        let health = self.health.take().unwrap_or_default();
        let version = std::mem::take(&mut self.version);
        Status { state: self.into_state(), health, version }
    }

    fn into_state(self) -> State {
        match self.backend_state.as_str() {
            "Running" => self.into_identity().map_or(State::Starting, |identity| State::Running(Arc::new(identity))),
            "NeedsLogin" => State::NeedsLogin { url: Some(self.auth_url).filter(|url| !url.is_empty()) },
            "NeedsMachineAuth" => State::NeedsApproval,
            "Stopped" => State::Stopped { reason: "the node is switched off (tailscale down)".to_owned() },
            _ => State::Starting,
        }
    }

    /// `None` while the network map is not there yet.
    fn into_identity(self) -> Option<Identity> {
        let node = self.node?;
        let addresses = self.addresses.filter(|addresses| !addresses.is_empty())?;
        let tags = node.tags.unwrap_or_default();
        let mut users = self.user.unwrap_or_default();
        let login = users.remove(&node.user_id.to_string()).map(|user| user.login_name);
        let tailnet = self.current_tailnet;
        Some(Identity {
            dns_name: node.dns_name.trim_end_matches('.').to_owned(),
            addresses,
            stable_id: node.stable_id,
            tailnet: tailnet.as_ref().map(|tailnet| tailnet.name.clone()).unwrap_or_default(),
            magic_dns_suffix: tailnet.map(|tailnet| tailnet.magic_dns_suffix).unwrap_or_default(),
            cert_domains: self.cert_domains.unwrap_or_default(),
            login: login.filter(|_| tags.is_empty()),
            tags,
            key_expiry: node.key_expiry,
        })
    }
}
