//! What a tailnet identity may do. The first rule that has a say decides, and no other is asked:
//!
//! 1. the gateway's own node, and a node whose key has expired: nothing;
//! 2. `gateway.auth.tailscale.deny` names it: nothing, whatever else speaks for it;
//! 3. `gateway.auth.tailscale.allow` is set and does not name it: nothing;
//! 4. the tailnet's policy file grants it something: that, and several grants add up;
//! 5. it is shared in from another tailnet, or tagged, or `require` is `grant`: nothing;
//! 6. `gateway.auth.identityScopes` is set: what it says of the login, and nothing for a login that it does not name;
//! 7. it is a login of this tailnet: everything.
//!
//! [`super::Caller::judge_again`] asks the same rules while a connection lasts.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::rights::{Agents, Rights, Rule};
use super::settings::{Require, Settings};
use crate::net::{Owner, WhoIs};
use crate::protocol::{Role, Scope};

/// One value of the capability in the policy file. A word that is not understood might have been meant to narrow it, so
/// the whole of it then gives nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[serde(default = "operator")]
    role: Role,
    #[serde(default)]
    scopes: Vec<Scope>,
    /// Of an operator: the agents that the scopes are for; all, where it says nothing of them.
    #[serde(default)]
    agents: Option<BTreeSet<String>>,
    /// Of a node: the commands that it may be asked for; all, where it says nothing of them.
    #[serde(default)]
    commands: Option<BTreeSet<String>>,
}

const fn operator() -> Role {
    Role::Operator
}

pub(super) fn rights(whois: &WhoIs, settings: &Settings) -> Rights {
    let node = &whois.node_name;
    if whois.is_self {
        return Rights::none(Rule::OwnNode, "this is the gateway's own node calling itself");
    }
    if whois.expired {
        return Rights::none(Rule::Expired, format!("the key of {node} has expired; log in again on that device"));
    }
    if let Some(denied) = denied(whois, settings) {
        return denied;
    }
    if !settings.allow.is_empty() && !settings.allow.iter().any(|who| who.names(whois)) {
        let reason = format!("{} is not in gateway.auth.tailscale.allow", name(whois));
        return Rights::none(Rule::Allow, reason);
    }
    if let Some(granted) = by_grants(whois, settings) {
        return granted;
    }
    let capability = &settings.capability;
    match (&whois.owner, settings.require) {
        _ if whois.shared_in => {
            let reason = format!("{node} is shared in from another tailnet and has no grant of {capability}");
            Rights::none(Rule::Grant, reason)
        }
        (Owner::Tagged(tags), _) => {
            let reason = format!("{node} ({}) is a tagged node and has no grant of {capability}", tags.join(", "));
            Rights::none(Rule::Grant, reason)
        }
        (Owner::User { login, .. }, Require::Grant) => Rights::none(
            Rule::Grant,
            format!(
                "{login} has no grant of {capability} in the tailnet policy file, and gateway.auth.tailscale.require \
                 is \"grant\""
            ),
        ),
        (Owner::User { login, .. }, Require::Login) => by_login(login, settings),
    }
}

/// Also where identities count for nothing else: whom the list names is not let in by a secret either.
pub(super) fn denied(whois: &WhoIs, settings: &Settings) -> Option<Rights> {
    let entry = settings.deny.iter().find(|who| who.names(whois))?;
    let reason = format!("{} is shut out by \"{entry}\" in gateway.auth.tailscale.deny", name(whois));
    Some(Rights::none(Rule::Deny, reason))
}

/// The login or the tags, and the node.
fn name(whois: &WhoIs) -> String {
    let node = &whois.node_name;
    match &whois.owner {
        Owner::User { login, .. } => format!("{login} ({node})"),
        Owner::Tagged(tags) => format!("{node} ({})", tags.join(", ")),
    }
}

fn by_login(login: &str, settings: &Settings) -> Rights {
    if settings.identity_scopes.is_empty() {
        let reason = format!("{login} is a verified login of this tailnet");
        return Rights { operator: Scope::ALL.to_vec(), node: true, ..Rights::none(Rule::Login, reason) };
    }
    let (scopes, reason) = match settings.identity_scopes.of(login) {
        Some([]) => (Vec::new(), format!("gateway.auth.identityScopes gives {login} no scope")),
        Some(scopes) => (scopes.to_vec(), format!("gateway.auth.identityScopes says what {login} may do")),
        None => (Vec::new(), format!("gateway.auth.identityScopes does not name {login}")),
    };
    Rights { operator: scopes, ..Rights::none(Rule::IdentityScopes, reason) }
}

/// `None` when the policy file says nothing about this peer.
fn by_grants(whois: &WhoIs, settings: &Settings) -> Option<Rights> {
    let values = whois.capabilities.get(&settings.capability).filter(|values| !values.is_empty())?;
    let mut rights = Rights::none(Rule::Grant, String::new());
    let mut parts = Vec::new();
    let mut commands = Some(BTreeSet::new());
    let mut unreadable = 0_usize;
    for value in values {
        match Grant::deserialize(value) {
            Ok(Grant { role: Role::Node, commands: more, .. }) => {
                rights.node = true;
                commands = commands.zip(more).map(|(commands, more)| &commands | &more);
            }
            Ok(Grant { role: Role::Operator, scopes, agents, .. }) => parts.push((scopes, agents)),
            Err(error) => {
                unreadable += 1;
                tracing::warn!(peer.node = %whois.node_name, %error, "a grant in the tailnet policy file is not understood");
            }
        }
    }
    let scopes: BTreeSet<Scope> = parts.iter().flat_map(|(scopes, _)| scopes.iter().copied()).collect();
    rights.operator = scopes.into_iter().collect();
    rights.agents = Agents::of(&parts);
    rights.commands = commands.filter(|_| rights.node);
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

    use super::super::people::{IdentityScopes, Who};
    use super::super::settings::{DEFAULT_CAPABILITY, Mode};
    use super::*;

    fn settings(require: Require) -> Settings {
        Settings { allow_tailscale: true, require, ..Settings::of(Mode::None) }
    }

    fn alice() -> WhoIs {
        WhoIs::of(Owner::User { id: 1, login: "alice@example.com".into(), display_name: String::new() })
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
    fn several_grants_add_up() {
        let values = vec![
            json!({ "scopes": ["operator.read"], "agents": ["main"] }),
            json!({ "role": "node", "commands": ["camera.snap"] }),
            json!({ "role": "node", "commands": ["location.get"], "scopes": ["operator.admin"], "agents": [] }),
            json!({ "scopes": ["operator.write"], "agents": ["other"] }),
            json!({ "scopes": ["operator.admin"], "agent": "main" }),
        ];
        let capabilities = BTreeMap::from([(DEFAULT_CAPABILITY.to_owned(), values.clone())]);
        let given = rights(&WhoIs { capabilities, ..alice() }, &settings(Require::Grant));
        assert_eq!(given.operator, [Scope::Read, Scope::Write], "a word that is not known gives nothing");
        assert!(given.reason.contains("1 not understood"), "{}", given.reason);
        assert!(given.agents.permit("other", Scope::Write) && !given.agents.permit("main", Scope::Write));
        let names = ["camera.snap", "location.get"].map(str::to_owned);
        assert_eq!((given.node, given.commands), (true, Some(BTreeSet::from(names))));
        let unlimited = values.into_iter().chain([json!({ "role": "node" })]).collect();
        let capabilities = BTreeMap::from([(DEFAULT_CAPABILITY.to_owned(), unlimited)]);
        assert_eq!(rights(&WhoIs { capabilities, ..alice() }, &settings(Require::Grant)).commands, None);
    }

    fn who(entries: &[&str]) -> Vec<Who> {
        entries.iter().map(|entry| Who::parse(entry).unwrap()).collect()
    }

    #[test]
    fn a_deny_list_wins_over_grants_and_an_allow_list_gives_nothing() {
        let granted = with_grant(alice(), json!({ "scopes": ["operator.admin"] }));
        let both = Settings { allow: who(&["*"]), deny: who(&["*@example.com"]), ..settings(Require::Login) };
        for whois in [&granted, &alice()] {
            let given = rights(whois, &both);
            assert_eq!((given.is_empty(), given.rule), (true, Rule::Deny), "{}", given.reason);
        }
        let others = Settings { allow: who(&["bob@example.com", "tag:camera"]), ..settings(Require::Login) };
        assert_eq!(rights(&granted, &others).rule, Rule::Allow);
        assert!(rights(&granted, &others).is_empty());
        let tagged = WhoIs { owner: Owner::Tagged(vec!["tag:camera".into()]), ..alice() };
        assert_eq!(rights(&tagged, &others).rule, Rule::Grant, "it may come, and still has no grant");
        let shared = WhoIs { shared_in: true, ..alice() };
        let all = Settings { allow: who(&["*"]), ..settings(Require::Login) };
        assert!(rights(&shared, &all).is_empty());
        let by_grant = with_grant(shared, json!({ "scopes": ["operator.read"] }));
        assert_eq!(rights(&by_grant, &all).operator, [Scope::Read], "who is shared in comes by a grant alone");
    }

    #[test]
    fn identity_scopes_decide_about_logins_without_a_grant() {
        let scopes = |login: &str| IdentityScopes::new([(login.to_owned(), vec![Scope::Read])]);
        let named = Settings { identity_scopes: scopes("Alice@Example.com"), ..settings(Require::Login) };
        let given = rights(&alice(), &named);
        assert_eq!((given.operator, given.node, given.rule), (vec![Scope::Read], false, Rule::IdentityScopes));
        let other = Settings { identity_scopes: scopes("bob@example.com"), ..settings(Require::Login) };
        assert!(rights(&alice(), &other).is_empty(), "a login that is not named is worth nothing any more");
        let granted = with_grant(alice(), json!({ "scopes": ["operator.write"] }));
        assert_eq!(rights(&granted, &named).rule, Rule::Grant, "the policy file comes first");
        let strict = Settings { require: Require::Grant, ..named };
        assert_eq!(rights(&alice(), &strict).rule, Rule::Grant);
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
