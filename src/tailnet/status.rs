//! The LocalAPI's `status` answer (tailscale.com `ipnstate.Status`), down to what is used.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Identity, State, Status};

/// Without the peers, which can be thousands.
pub(super) const PATH: &str = "status?peers=false";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    version: String,
    #[serde(rename = "TUN", default)]
    tun: bool,
    backend_state: String,
    #[serde(default)]
    have_node_key: bool,
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
    #[serde(default)]
    expired: bool,
    /// Of the node itself: whether the control server sends it the network map at this moment.
    #[serde(default)]
    online: bool,
    #[serde(default)]
    cap_map: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Tailnet {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "MagicDNSSuffix")]
    magic_dns_suffix: String,
    #[serde(rename = "MagicDNSEnabled", default)]
    magic_dns: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    login_name: String,
}

/// Node attributes (tailscale.com `tailcfg.NodeCapability`). Control servers of before 2023 wrote them as addresses.
const HTTPS: [&str; 2] = ["https", "https://tailscale.com/cap/https"];
const FUNNEL: [&str; 2] = ["funnel", "https://tailscale.com/cap/funnel"];

impl Answer {
    /// Whether the folder holds a login, good or not.
    pub(super) const fn has_login(&self) -> bool {
        self.have_node_key
    }

    /// The node's own key, as the control server has told of it last.
    pub(super) fn key_has_expired(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.expired)
    }

    pub(super) fn is_offline(&self) -> bool {
        self.node.as_ref().is_some_and(|node| !node.online)
    }

    pub(super) fn key_expiry(&self) -> Option<&str> {
        self.node.as_ref()?.key_expiry.as_deref()
    }

    pub(super) fn into_status(mut self) -> Status {
        let health = self.health.take().unwrap_or_default();
        let version = std::mem::take(&mut self.version);
        let is_userspace = !self.tun;
        Status { state: self.into_state(), health, version, is_userspace }
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
        let attributes = node.cap_map.unwrap_or_default();
        let magic_dns = tailnet.as_ref().is_some_and(|tailnet| tailnet.magic_dns);
        let has = |names: [&str; 2]| names.iter().any(|name| attributes.contains_key(*name));
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
            renewal_url: Some(self.auth_url).filter(|url| !url.is_empty()),
            magic_dns,
            may_funnel: has(FUNNEL),
            may_https: has(HTTPS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        serde_json::from_str::<Answer>(text).unwrap().into_status()
    }

    /// From tailscaled 1.102.5 with headscale 0.29.2, shortened.
    const PERSON: &str = r#"{"Version": "1.102.5", "TUN": false, "BackendState": "Running", "HaveNodeKey": true,
        "AuthURL": "", "TailscaleIPs": ["100.64.0.1", "fd7a:115c:a1e0::1"], "Self": {"ID": "1", "NodeID": 1,
        "PublicKey": "nodekey:4d", "HostName": "pa", "DNSName": "pa.claw.test.", "OS": "linux", "UserID": 1,
        "KeyExpiry": "2027-05-20T04:50:26Z", "CapMap": {"default-auto-update": [false]}}, "Health": [],
        "MagicDNSSuffix": "claw.test", "CurrentTailnet": {"Name": "example.org", "MagicDNSSuffix": "claw.test",
        "MagicDNSEnabled": true}, "CertDomains": null, "Peer": null, "User": {"1": {"ID": 1, "LoginName": "alice",
        "DisplayName": "alice"}}, "ClientVersion": null}"#;
    const WAITING: &str = r#"{"Version": "1.102.5", "TUN": false, "BackendState": "NeedsLogin", "AuthURL":
        "https://login.tailscale.com/a/1234", "TailscaleIPs": null, "Self": null, "Health": ["a", "b"],
        "CurrentTailnet": null, "CertDomains": null, "Peer": null, "User": null}"#;

    #[test]
    fn a_running_node_has_an_identity() {
        let State::Running(identity) = status(PERSON).state else { panic!("not running") };
        assert_eq!(identity.dns_name, "pa.claw.test");
        assert_eq!(identity.addresses.len(), 2);
        assert_eq!((identity.login.as_deref(), identity.tailnet.as_str()), (Some("alice"), "example.org"));
        assert_eq!(identity.key_expiry.as_deref(), Some("2027-05-20T04:50:26Z"));
    }

    #[test]
    fn a_tagged_node_has_no_login() {
        let text = PERSON.replace(r#""UserID": 1,"#, r#""UserID": 1, "Tags": ["tag:gateway"],"#);
        let State::Running(identity) = status(&text).state else { panic!("not running") };
        assert_eq!((identity.login.as_ref(), identity.tags.len()), (None, 1));
    }

    #[test]
    fn running_without_addresses_is_not_yet_running() {
        let text = PERSON.replace(r#"["100.64.0.1", "fd7a:115c:a1e0::1"]"#, "null");
        assert_eq!(status(&text).state, State::Starting);
    }

    #[test]
    fn the_login_link_and_the_health_arrive() {
        let waiting = status(WAITING);
        assert_eq!(waiting.state, State::NeedsLogin { url: Some("https://login.tailscale.com/a/1234".to_owned()) });
        assert_eq!(waiting.health, ["a", "b"]);
    }

    #[test]
    fn every_other_backend_state_is_known() {
        for (name, wanted) in [("NoState", State::Starting), ("NeedsMachineAuth", State::NeedsApproval)] {
            assert_eq!(status(&WAITING.replace("NeedsLogin", name)).state, wanted);
        }
        assert!(matches!(status(&WAITING.replace("NeedsLogin", "Stopped")).state, State::Stopped { .. }));
    }
}
