//! The LocalAPI's WhoIs answer (tailscale.com `apitype.WhoIsResponse`), down to what decides.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::net::{Owner, WhoIs};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    node: Node,
    user_profile: Profile,
    #[serde(default)]
    cap_map: Option<BTreeMap<String, Option<Vec<Value>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(rename = "StableID")]
    stable_id: String,
    name: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    expired: bool,
    #[serde(default)]
    sharer: i64,
    #[serde(default)]
    hostinfo: Option<HostInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostInfo {
    #[serde(default)]
    sharee_node: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    #[serde(rename = "ID")]
    id: i64,
    login_name: String,
    #[serde(default)]
    display_name: String,
}

impl Answer {
    /// `is_self` is for the caller to know: the answer does not say whose it is.
    pub(super) fn into_whois(self, is_self: bool) -> WhoIs {
        let Self { node, user_profile, cap_map } = self;
        // Shared from their side (`Sharer`: their node in our tailnet) or from ours (`ShareeNode`: our node was shared
        // with its owner, and it is here as a caller).
        let shared_in = node.sharer != 0 || node.hostinfo.is_some_and(|host| host.sharee_node);
        WhoIs {
            stable_id: node.stable_id,
            node_name: node.name.trim_end_matches('.').to_owned(),
            owner: owner(node.tags.unwrap_or_default(), user_profile),
            expired: node.expired,
            shared_in,
            is_self,
            capabilities: cap_map
                .unwrap_or_default()
                .into_iter()
                .map(|(name, values)| (name, values.unwrap_or_default()))
                .collect(),
        }
    }
}

/// Tags first: a tagged node's profile is a made-up user, `tagged-devices`.
fn owner(tags: Vec<String>, profile: Profile) -> Owner {
    if tags.is_empty() {
        Owner::User { id: profile.id, login: profile.login_name, display_name: profile.display_name }
    } else {
        Owner::Tagged(tags)
    }
}
