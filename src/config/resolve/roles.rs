//! `gateway.roles`: what OpenClaw asks for is asked for here, as a role that is half written would let in too much.

use super::super::issue;
use super::super::raw::{self, EveryOrList, Gateway, RoleOthers, RoleSandbox};
use super::access::scopes;
use crate::auth::{OperatorRole, Others, Roles};
use crate::protocol::config::Issue;

const KEY: &str = "gateway.roles";

pub(super) fn resolve(gateway: &Gateway, issues: &mut Vec<Issue>) -> Option<Roles> {
    let raw = gateway.roles.as_ref()?;
    let definitions: Vec<(String, OperatorRole)> =
        raw.definitions.iter().map(|(name, role)| (name.clone(), definition(name, role, issues))).collect();
    let Some(default) = &raw.default else {
        let fix = "name the role of everybody to whom none was assigned";
        issues.push(issue(format!("{KEY}.default"), format!("is needed where there are roles: {fix}")));
        return None;
    };
    let roles = Roles::new(default, definitions);
    if roles.is_none() {
        let fix = format!("define it under {KEY}.definitions, or name one that is");
        issues.push(issue(format!("{KEY}.default"), format!("{default:?} is no role: {fix}")));
    }
    roles
}

fn definition(name: &str, raw: &raw::OperatorRole, issues: &mut Vec<Issue>) -> OperatorRole {
    let key = format!("{KEY}.definitions.{name}");
    let mut needed = |part: &str, fix: &str| issues.push(issue(format!("{key}.{part}"), format!("is needed: {fix}")));
    if raw.sessions.others.is_none() {
        needed("sessions.others", "write \"none\", \"view\", \"suggest\" or \"write\"");
    }
    if raw.agents.is_none() {
        needed("agents", "write \"*\" or a list of agents, as in [\"main\"]");
    }
    if raw.scopes.is_none() {
        needed("scopes", "list the most that a holder may do, as in [\"operator.read\"]");
    }
    OperatorRole {
        scopes: scopes(raw.scopes.as_deref().unwrap_or_default(), &format!("{key}.scopes"), issues),
        agents: match &raw.agents {
            Some(EveryOrList::Every(_)) => None,
            Some(EveryOrList::List(agents)) => Some(agents.iter().cloned().collect()),
            None => Some([].into()),
        },
        others: match raw.sessions.others {
            Some(RoleOthers::View) => Others::View,
            Some(RoleOthers::Suggest) => Others::Suggest,
            Some(RoleOthers::Write) => Others::Write,
            Some(RoleOthers::None) | None => Others::Nothing,
        },
        needs_sandbox: raw.sandbox == RoleSandbox::Required,
        access_policy_plugin: raw.access_policy_plugin.clone(),
    }
}
