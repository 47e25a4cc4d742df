//! What a tailnet identity may do, by login or by the policy file's grants.

use serde::Deserialize;

use super::settings::{Require, Settings};
use crate::net::{Owner, WhoIs};
use crate::protocol::{Role, Scope};

/// The rights of a verified identity, and the rule that gave or denied them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    /// Empty: may not be an operator.
    pub operator: Vec<Scope>,
    pub node: bool,
    /// For `whoami` and the log.
    pub reason: String,
}

impl Rights {
    fn none(reason: impl Into<String>) -> Self {
        Self { operator: Vec::new(), node: false, reason: reason.into() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.operator.is_empty() && !self.node
    }

    /// What they lack for a role that they do not give.
    pub(super) fn lack(&self, role: Role) -> String {
        let reason = &self.reason;
        match role {
            _ if self.is_empty() => reason.clone(),
            Role::Node => format!("{reason} gives no role \"node\": add {{\"role\":\"node\"}} to what it grants"),
            Role::Operator => format!("{reason} gives no operator scopes: add {{\"scopes\":[…]}} to what it grants"),
        }
    }
}

/// One value of the capability in the policy file.
#[derive(Debug, Deserialize)]
struct Grant {
    #[serde(default = "operator")]
    role: Role,
    #[serde(default)]
    scopes: Vec<Scope>,
}

const fn operator() -> Role {
    Role::Operator
}

/// Judges an identity. Grants always count; a login alone counts where the settings say so.
pub(super) fn rights(whois: &WhoIs, settings: &Settings) -> Rights {
    if whois.is_self {
        return Rights::none("this is the gateway's own node calling itself");
    }
    if whois.expired {
        return Rights::none(format!("the key of {} has expired; log in again on that device", whois.node_name));
    }
    if let Some(granted) = by_grants(whois, settings) {
        return granted;
    }
    match (&whois.owner, settings.require) {
        _ if whois.shared_in => Rights::none(format!(
            "{} is shared in from another tailnet and has no grant of {}",
            whois.node_name, settings.capability
        )),
        (Owner::Tagged(tags), _) => Rights::none(format!(
            "{} ({}) is a tagged node and has no grant of {}",
            whois.node_name,
            tags.join(", "),
            settings.capability
        )),
        (Owner::User { login, .. }, Require::Grant) => Rights::none(format!(
            "{login} has no grant of {} in the tailnet policy file, and gateway.auth.tailscale.require is \"grant\"",
            settings.capability
        )),
        (Owner::User { login, .. }, Require::Login) => Rights {
            operator: Scope::ALL.to_vec(),
            node: true,
            reason: format!("{login} is a verified login of this tailnet"),
        },
    }
}

/// `None` when the policy file says nothing about this peer.
fn by_grants(whois: &WhoIs, settings: &Settings) -> Option<Rights> {
    let values = whois.capabilities.get(&settings.capability).filter(|values| !values.is_empty())?;
    let mut rights = Rights::none(String::new());
    let mut unreadable = 0_usize;
    for value in values {
        match Grant::deserialize(value) {
            Ok(Grant { role: Role::Node, .. }) => rights.node = true,
            Ok(Grant { role: Role::Operator, scopes }) => {
                rights.operator.extend(scopes);
            }
            Err(error) => {
                unreadable += 1;
                tracing::warn!(peer.node = %whois.node_name, %error, "a grant in the tailnet policy file is not understood");
            }
        }
    }
    rights.operator.sort_unstable();
    rights.operator.dedup();
    rights.reason = if rights.is_empty() {
        format!("the grant of {} for {} names no scope and no role", settings.capability, whois.node_name)
    } else {
        format!("a grant of {} in the tailnet policy file", settings.capability)
    };
    if unreadable > 0 {
        rights.reason.push_str(&format!(" ({unreadable} not understood; see the gateway's log)"));
    }
    Some(rights)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::settings::{DEFAULT_CAPABILITY, Mode};
    use super::*;

    fn settings(require: Require) -> Settings {
        Settings { allow_tailscale: true, require, ..Settings::of(Mode::None) }
    }

    fn alice() -> WhoIs {
        WhoIs {
            stable_id: "n1".into(),
            node_name: "laptop.test".into(),
            owner: Owner::User { id: 1, login: "alice@example.com".into(), display_name: String::new() },
            expired: false,
            shared_in: false,
            is_self: false,
            capabilities: BTreeMap::new(),
        }
    }

    fn with_grant(whois: WhoIs, grant: serde_json::Value) -> WhoIs {
        WhoIs { capabilities: BTreeMap::from([(DEFAULT_CAPABILITY.to_owned(), vec![grant])]), ..whois }
    }

    #[test]
    fn a_login_is_enough_only_where_the_settings_say_so() {
        assert_eq!(rights(&alice(), &settings(Require::Login)).operator, Scope::ALL);
        assert!(rights(&alice(), &settings(Require::Grant)).is_empty());
    }

    #[test]
    fn a_grant_narrows_a_login() {
        let granted = with_grant(alice(), json!({ "scopes": ["operator.read"] }));
        assert_eq!(rights(&granted, &settings(Require::Login)).operator, [Scope::Read]);
    }

    #[test]
    fn tagged_shared_expired_and_own_nodes_have_nothing_of_themselves() {
        let tagged = WhoIs { owner: Owner::Tagged(vec!["tag:camera".into()]), ..alice() };
        let others = [
            WhoIs { shared_in: true, ..alice() },
            WhoIs { expired: true, ..alice() },
            WhoIs { is_self: true, ..alice() },
            tagged.clone(),
        ];
        for whois in others {
            assert!(rights(&whois, &settings(Require::Login)).is_empty(), "{whois:?}");
        }
        let node = rights(&with_grant(tagged, json!({ "role": "node" })), &settings(Require::Grant));
        assert!(node.node && node.operator.is_empty());
    }

    #[test]
    fn an_expired_key_has_no_rights_even_with_a_grant() {
        let granted = with_grant(WhoIs { expired: true, ..alice() }, json!({ "scopes": ["operator.admin"] }));
        assert!(rights(&granted, &settings(Require::Login)).is_empty());
    }

    #[test]
    fn a_garbled_grant_gives_nothing() {
        for value in [json!(7), json!({ "role": "king" }), json!({ "scopes": ["everything"] }), json!({})] {
            assert!(rights(&with_grant(alice(), value), &settings(Require::Login)).is_empty());
        }
    }

    /// What a grant holds is the tailnet's own word, and still only what is understood of it counts.
    #[test]
    fn fuzz_grants() {
        let seeds =
            [r#"{"role":"operator","scopes":["operator.read"]}"#, r#"{"role":"node","scopes":["operator.admin"]}"#];
        crate::fuzz::fuzz_json(&seeds, |grant| {
            let given = rights(&with_grant(alice(), grant.clone()), &settings(Require::Grant));
            let words = grant.to_string();
            assert!(given.operator.iter().all(|scope| words.contains(scope.as_str())), "{grant}");
        });
    }
}
