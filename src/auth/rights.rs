//! What a verified identity may do, and the rule that says so. Values only: `tailnet` judges.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::case::within;
use crate::protocol::access::permits;
use crate::protocol::{Role, Scope};

/// The rule that decided, as `whoami` and a refusal name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// The gateway's own node.
    OwnNode,
    /// The node's key has expired.
    Expired,
    /// `gateway.auth.tailscale.deny`.
    Deny,
    /// `gateway.auth.tailscale.allow`, which does not name the caller.
    Allow,
    /// A grant in the tailnet's policy file, or that there is none where one is needed.
    Grant,
    /// `gateway.auth.identityScopes`.
    IdentityScopes,
    /// `gateway.auth.tailscale.require` is `login`, and this is one.
    Login,
}

impl Rule {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnNode => "ownNode",
            Self::Expired => "expired",
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Grant => "grant",
            Self::IdentityScopes => "identityScopes",
            Self::Login => "login",
        }
    }
}

/// The rights of a verified identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    /// Empty: may not be an operator.
    pub operator: Vec<Scope>,
    pub agents: Agents,
    pub node: bool,
    /// What it may be asked as a node; `None` is whatever else lets it.
    pub commands: Option<BTreeSet<String>>,
    pub rule: Rule,
    /// For `whoami`, the client and the log.
    pub reason: String,
}

impl Rights {
    pub(super) fn none(rule: Rule, reason: impl Into<String>) -> Self {
        let (operator, agents) = (Vec::new(), Agents::Every);
        Self { operator, agents, node: false, commands: None, rule, reason: reason.into() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.operator.is_empty() && !self.node
    }

    pub(super) const fn are_enough_for(&self, role: Role) -> bool {
        match role {
            Role::Operator => !self.operator.is_empty(),
            Role::Node => self.node,
        }
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

/// Which agents an operator may speak with, and what it may do there.
///
/// Grants add up without mixing: to read with one agent and to write with another is not to write with both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Agents {
    /// With every agent whatever its scopes allow.
    #[default]
    Every,
    Each {
        named: BTreeMap<String, Vec<Scope>>,
        /// With all that are not named.
        others: Vec<Scope>,
    },
}

impl Agents {
    /// From the scopes of each grant and the agents that they are for; `None` are all.
    pub(super) fn of(parts: &[(Vec<Scope>, Option<BTreeSet<String>>)]) -> Self {
        if parts.iter().all(|(_, agents)| agents.is_none()) {
            return Self::Every;
        }
        let gather = |agent: Option<&String>| {
            let means = |agents: &Option<BTreeSet<String>>| match (agents, agent) {
                (None, _) => true,
                (Some(agents), Some(agent)) => agents.contains(agent),
                (Some(_), None) => false,
            };
            let scopes: BTreeSet<Scope> = parts
                .iter()
                .filter(|(_, agents)| means(agents))
                .flat_map(|(scopes, _)| scopes.iter().copied())
                .collect();
            scopes.into_iter().collect::<Vec<Scope>>()
        };
        let names = parts.iter().filter_map(|(_, agents)| agents.as_ref()).flatten();
        Self::each(names.map(|name| (name.clone(), gather(Some(name)))), gather(None))
    }

    /// Who may do no more than with the others is not named, so that the same rights are written in one way.
    fn each(named: impl Iterator<Item = (String, Vec<Scope>)>, others: Vec<Scope>) -> Self {
        Self::Each { named: named.filter(|(_, scopes)| *scopes != others).collect(), others }
    }

    /// Whether they let a holder of the scope use it with this agent.
    #[must_use]
    pub fn permit(&self, agent: &str, scope: Scope) -> bool {
        match self {
            Self::Every => true,
            Self::Each { .. } => permits(self.scopes_with(agent), scope),
        }
    }

    fn scopes_with(&self, agent: &str) -> &[Scope] {
        match self {
            Self::Every => &Scope::ALL,
            Self::Each { named, others } => named.get(agent).unwrap_or(others),
        }
    }

    /// What both let one do.
    pub(super) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Every, one) | (one, Self::Every) => one.clone(),
            (Self::Each { named, others }, Self::Each { named: more, others: rest }) => {
                let names: BTreeSet<&String> = named.keys().chain(more.keys()).collect();
                let both = |name: &String| within(self.scopes_with(name), other.scopes_with(name));
                Self::each(names.into_iter().map(|name| (name.clone(), both(name))), within(others, rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(scopes: &[Scope], agents: Option<&[&str]>) -> (Vec<Scope>, Option<BTreeSet<String>>) {
        (scopes.to_vec(), agents.map(|agents| agents.iter().map(|agent| (*agent).to_owned()).collect()))
    }

    #[test]
    fn grants_for_different_agents_do_not_mix() {
        let agents = Agents::of(&[part(&[Scope::Read], Some(&["a"])), part(&[Scope::Write], Some(&["b"]))]);
        assert!(agents.permit("a", Scope::Read) && !agents.permit("a", Scope::Write));
        assert!(agents.permit("b", Scope::Write) && agents.permit("b", Scope::Read), "to write is also to read");
        assert!(!agents.permit("c", Scope::Read));
        assert_eq!(Agents::of(&[part(&[Scope::Read], None)]), Agents::Every);
        let all = Agents::of(&[part(&[Scope::Read], None), part(&[Scope::Write], Some(&["b"]))]);
        assert!(all.permit("c", Scope::Read) && !all.permit("c", Scope::Write) && all.permit("b", Scope::Write));
        assert!(!Agents::of(&[part(&[Scope::Read], Some(&[]))]).permit("a", Scope::Read), "none is none");
    }

    #[test]
    fn what_both_allow_is_never_more_than_either() {
        let (one, other) = (
            Agents::of(&[part(&[Scope::Write], Some(&["a", "b"]))]),
            Agents::of(&[part(&[Scope::Read], None), part(&[Scope::Write], Some(&["b", "c"]))]),
        );
        for both in [one.and(&other), other.and(&one)] {
            assert!(both.permit("a", Scope::Read) && !both.permit("a", Scope::Write));
            assert!(both.permit("b", Scope::Write));
            assert!(!both.permit("c", Scope::Read) && !both.permit("d", Scope::Read));
        }
        assert_eq!(one.and(&Agents::Every), one);
    }
}
