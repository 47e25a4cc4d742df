//! `tailnet.status`, `tailnet.login`, `tailnet.logout`: ours, for the gateway's own place in a tailnet.

use serde::{Deserialize, Serialize};

use super::system::TailnetHealth;
use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetStatusReply {
    /// `null`: the gateway is in no tailnet, and the rest is empty.
    pub tailnet: Option<TailnetHealth>,
    /// Tailscale's version in the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How packets get to whoever asks, where they come from the tailnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<TailnetPeer>,
    /// The tailnet's other nodes, at most 64, those in use first.
    pub peers: Vec<TailnetPeer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<TailnetCertificate>,
    /// What the tailnet does not give this gateway.
    pub lacks: Vec<TailnetLack>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetPeer {
    pub name: String,
    pub address: String,
    /// Connected to the control server.
    pub online: bool,
    /// RFC 3339. Absent: its key does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_expiry: Option<String>,
    /// Absent: nothing has passed lately, or it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<TailnetPath>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetPath {
    /// `direct`, `relay` or `peer-relay`.
    pub kind: &'static str,
    /// The relay's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The other end, or the peer that relays, as `address:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// There and back.
    pub latency_ms: f64,
}

/// The name that the node can have a certificate for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetCertificate {
    pub domain: String,
    /// RFC 3339: the end of the one in the node's folder. Absent: none was fetched yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetLack {
    /// `magic-dns`, `https`, `funnel` or `grant`.
    pub what: &'static str,
    /// What becomes possible with it, and where it is switched on.
    pub fix: String,
}

method!(
    /// Sends a ping to the peers in use, so it takes a moment.
    TailnetStatus = "tailnet.status", Access::Operator(Scope::Read), NoParams => TailnetStatusReply
);

#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetLoginParams {
    /// Log in with this key, once. Without it, by what the configuration has, and else by a link.
    #[serde(default)]
    pub auth_key: Option<String>,
    /// By a link, whatever the configuration has.
    #[serde(default)]
    pub link: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetLoginReply {
    /// `done`, `link` or `approval`.
    pub outcome: &'static str,
    /// With `link`: a person opens it. The node goes on by its old key until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
}

method!(
    /// Joins, or renews the login of a node that has joined, while the gateway runs.
    TailnetLogin = "tailnet.login", Access::Operator(Scope::Admin), TailnetLoginParams => TailnetLoginReply,
    control_plane_write
);

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetLogoutReply {
    pub ok: bool,
    /// The next start joins anew, because the configuration says with what.
    pub rejoins: bool,
}

method!(
    /// Leaves the tailnet and deletes the login. Connections over the tailnet end with it.
    TailnetLogout = "tailnet.logout", Access::Operator(Scope::Admin), NoParams => TailnetLogoutReply, control_plane_write
);

methods![TailnetStatus, TailnetLogin, TailnetLogout];
