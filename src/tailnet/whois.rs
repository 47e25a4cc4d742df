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
    /// `is_self` is for the caller to know: the answer does not say whose it is. `None` when it names nobody.
    pub(super) fn into_whois(self, is_self: bool) -> Option<WhoIs> {
        let Self { node, user_profile, cap_map } = self;
        if node.stable_id.is_empty() {
            return None;
        }
        // Shared from their side (`Sharer`: their node in our tailnet) or from ours (`ShareeNode`: our node was shared
        // with its owner, and it is here as a caller).
        let shared_in = node.sharer != 0 || node.hostinfo.is_some_and(|host| host.sharee_node);
        Some(WhoIs {
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
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn whois(text: &str) -> Option<WhoIs> {
        serde_json::from_str::<Answer>(text).unwrap().into_whois(false)
    }

    /// From tailscaled 1.102.5 with headscale 0.29.2, keys and network details shortened.
    const PERSON: &str = r#"{"Node": {"ID": 1, "StableID": "1", "Name": "pa.claw.test.", "User": 1, "Key": "nodekey:4d",
        "Addresses": ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"], "HomeDERP": 999, "Hostinfo": {"OS": "linux",
        "Services": [{"Proto": "peerapi4", "Port": 58436}], "NetInfo": {"DERPLatency": {"999-v4": 0.000287527}}},
        "Created": "2026-11-21T04:50:26.193915047Z", "Cap": 142, "Online": true}, "UserProfile": {"ID": 1,
        "LoginName": "alice", "DisplayName": "alice"}, "CapMap": {"tailclaw.dev/cap/gateway":
        [{"scopes": ["operator.admin"]}]}}"#;
    const TAGGED: &str = r#"{"Node": {"ID": 2, "StableID": "2", "Name": "pt.claw.test.", "User": 2147455555,
        "Hostinfo": {"OS": "linux"}, "Tags": ["tag:camera"]}, "UserProfile": {"ID": 2147455555, "LoginName":
        "tagged-devices", "DisplayName": "Tagged Devices"}, "CapMap": null}"#;

    #[test]
    fn a_person_has_a_login_and_grants() {
        let whois = whois(PERSON).unwrap();
        assert_eq!((whois.stable_id.as_str(), whois.node_name.as_str()), ("1", "pa.claw.test"));
        assert_eq!(whois.login(), Some("alice"));
        assert_eq!(whois.capabilities["tailclaw.dev/cap/gateway"].len(), 1);
        assert!(!whois.expired && !whois.shared_in && !whois.is_self);
    }

    #[test]
    fn a_tagged_node_is_nobody_in_person() {
        let whois = whois(TAGGED).unwrap();
        assert_eq!((whois.login(), whois.tags()), (None, &["tag:camera".to_owned()][..]));
        assert!(whois.capabilities.is_empty());
    }

    #[test]
    fn sharing_is_seen_from_both_sides() {
        let theirs = PERSON.replace(r#""User": 1,"#, r#""User": 1, "Sharer": 7,"#);
        let ours = PERSON.replace(r#""OS": "linux","#, r#""OS": "linux", "ShareeNode": true,"#);
        assert!(whois(&theirs).unwrap().shared_in && whois(&ours).unwrap().shared_in);
    }

    #[test]
    fn an_answer_without_a_node_names_nobody() {
        assert!(whois(&PERSON.replace(r#""StableID": "1""#, r#""StableID": """#)).is_none());
        assert!(serde_json::from_str::<Answer>(r#"{"UserProfile": {"ID": 1, "LoginName": "alice"}}"#).is_err());
    }
}
