//! `gateway.roles`: named operator roles, for a gateway that several people use (OpenClaw's docs, "Named operator roles").
//!
//! A role takes away and never gives: it is a ceiling for scopes, says which agents may be worked with, and what is left of
//! sessions that somebody else began. It is for people whom the tailnet or a trusted proxy names. Whoever has the shared
//! secret is the owner and has none; a tagged node is no person, and its grant says what it may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::caller::{AuthMethod, Caller};
use super::case::within;
use super::rights::Agents;
use crate::protocol::{Role, Scope};

/// All of them, the default one among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    default: Arc<str>,
    definitions: BTreeMap<Arc<str>, Arc<OperatorRole>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRole {
    /// At most these.
    pub scopes: Vec<Scope>,
    /// Agents that may be worked with; `None` are all.
    pub agents: Option<BTreeSet<String>>,
    pub others: Others,
    /// What its holders begin has to run in a sandbox. There is none here, so they begin nothing.
    pub needs_sandbox: bool,
    /// The plugin that has to agree to each of its holders. There are none here, so nobody comes in under it.
    pub access_policy_plugin: Option<String>,
}

/// What is left of sessions that somebody else began. Each is more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Others {
    /// They do not exist.
    Nothing,
    View,
    /// As `View`: there are no suggestions here.
    Suggest,
    Write,
}

/// The role of a caller, as it was when it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub name: Arc<str>,
    pub role: Arc<OperatorRole>,
    /// What was assigned to the person; without it, or where it is not defined, the default counts.
    pub(super) assigned: Option<Arc<str>>,
}

/// Why somebody who is let in otherwise is not, under roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unheld {
    /// A device's or a setup code's token speaks for whoever has it, and could go around every role.
    NoPerson,
    NeedsPlugin {
        role: Arc<str>,
        plugin: String,
    },
}

/// What acts on an agent, rather than reads.
const ACTS: [Scope; 3] = [Scope::Admin, Scope::Write, Scope::Talk];

impl Roles {
    /// `None` if the default is not defined.
    #[must_use]
    pub fn new(default: &str, definitions: impl IntoIterator<Item = (String, OperatorRole)>) -> Option<Self> {
        let definitions: BTreeMap<Arc<str>, Arc<OperatorRole>> =
            definitions.into_iter().map(|(name, role)| (Arc::from(name), Arc::new(role))).collect();
        let (default, _) = definitions.get_key_value(default)?;
        Some(Self { default: Arc::clone(default), definitions })
    }

    #[must_use]
    pub fn defines(&self, name: &str) -> bool {
        self.definitions.contains_key(name)
    }

    /// The roles whose holders can do nothing here, and why.
    pub fn unmet(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.definitions.iter().filter_map(|(name, role)| {
            let why = match (&role.access_policy_plugin, role.needs_sandbox) {
                (Some(_), _) => "asks for a plugin, so nobody comes in under it",
                (None, true) => "asks for a sandbox, so nothing can be begun under it",
                (None, false) => return None,
            };
            Some((&**name, why))
        })
    }

    fn of(&self, assigned: Option<Arc<str>>) -> Option<Held> {
        let found = assigned.as_ref().and_then(|name| self.definitions.get_key_value(name));
        let (name, role) = found.or_else(|| self.definitions.get_key_value(&self.default))?;
        Some(Held { name: Arc::clone(name), role: Arc::clone(role), assigned })
    }
}

impl OperatorRole {
    /// For callers to speak with: reading is not limited to them.
    fn agents(&self) -> Agents {
        let named = match (&self.agents, self.needs_sandbox) {
            (None, false) => return Agents::Every,
            (_, true) => BTreeSet::new(),
            (Some(agents), false) => agents.clone(),
        };
        let reads = Scope::ALL.into_iter().filter(|scope| !ACTS.contains(scope)).collect();
        Agents::of(&[(reads, None), (Scope::ALL.to_vec(), Some(named))])
    }
}

impl Held {
    pub(super) fn is_for_every_agent(&self) -> bool {
        self.role.agents() == Agents::Every
    }

    /// Whether the role itself stands between its holder and an agent.
    #[must_use]
    pub fn permits(&self, agent: &str, scope: Scope) -> bool {
        self.role.agents().permit(agent, scope)
    }
}

/// The role that is in force for a caller; `None` where it has none to hold.
pub(super) fn held(caller: &Caller, roles: Option<&Roles>, assigned: Option<Arc<str>>) -> Result<Option<Held>, Unheld> {
    let Some(roles) = roles.filter(|_| caller.role() == Role::Operator) else { return Ok(None) };
    match caller.method() {
        AuthMethod::None | AuthMethod::Token | AuthMethod::Password => return Ok(None),
        AuthMethod::Tailscale | AuthMethod::TrustedProxy | AuthMethod::DeviceToken | AuthMethod::BootstrapToken => {}
    }
    if caller.profile().is_none() {
        return if caller.rests_on_identity { Ok(None) } else { Err(Unheld::NoPerson) };
    }
    of_person(roles, assigned)
}

/// The role of somebody who is named.
pub(super) fn of_person(roles: &Roles, assigned: Option<Arc<str>>) -> Result<Option<Held>, Unheld> {
    let Some(held) = roles.of(assigned) else { return Ok(None) };
    match &held.role.access_policy_plugin {
        Some(plugin) => Err(Unheld::NeedsPlugin { role: held.name, plugin: plugin.clone() }),
        None => Ok(Some(held)),
    }
}

/// Lays the ceiling over what a caller was given.
pub(super) fn narrow(caller: &mut Caller, held: Held) {
    caller.scopes = within(&caller.scopes, &held.role.scopes);
    caller.agents = caller.agents.and(&held.role.agents());
    caller.held = Some(held);
}

impl Unheld {
    pub(super) fn words(&self) -> String {
        match self {
            Self::NoPerson => "gateway.roles is set, and a device's token says nothing of who holds it: come over the \
                               tailnet or through the trusted proxy, or with the shared secret"
                .to_owned(),
            Self::NeedsPlugin { role, plugin } => format!(
                "your operator role \"{role}\" needs the access policy of the plugin \"{plugin}\", which this gateway \
                 does not have"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Mode, Settings};
    use super::*;
    use crate::net::{Owner, WhoIs};

    fn role(scopes: &[Scope]) -> OperatorRole {
        OperatorRole {
            scopes: scopes.to_vec(),
            agents: None,
            others: Others::View,
            needs_sandbox: false,
            access_policy_plugin: None,
        }
    }

    #[test]
    fn the_default_is_for_those_whose_role_is_not_defined() {
        let definitions = [("guest".to_owned(), role(&[Scope::Read])), ("staff".to_owned(), role(&[Scope::Write]))];
        assert!(Roles::new("nobody", definitions.clone()).is_none());
        let roles = Roles::new("guest", definitions).unwrap();
        for (assigned, name) in [(None, "guest"), (Some("staff"), "staff"), (Some("gone"), "guest")] {
            assert_eq!(&*roles.of(assigned.map(Arc::from)).unwrap().name, name);
        }
    }

    #[test]
    fn a_role_is_for_people_whom_somebody_names() {
        let roles = Roles::new("guest", [("guest".to_owned(), role(&[Scope::Read]))]).unwrap();
        let rules = Arc::new(Settings { allow_tailscale: true, ..Settings::of(Mode::None) });
        let by = |method, owner: Option<Owner>, rests_on_identity| {
            let whois = owner.map(|owner| Arc::new(WhoIs::of(owner)));
            Caller { method, whois, rests_on_identity, ..Caller::by_secret(Arc::clone(&rules)) }
        };
        let user = || Some(Owner::User { id: 1, login: "ann".into(), display_name: String::new() });
        let tagged = || Some(Owner::Tagged(vec!["tag:x".into()]));
        let held =
            |caller: &Caller| held(caller, Some(&roles), None).map(|held| held.map(|held| held.name.to_string()));
        let guest = Ok(Some("guest".to_owned()));
        assert_eq!(held(&by(AuthMethod::Tailscale, user(), true)), guest);
        assert_eq!(held(&by(AuthMethod::DeviceToken, user(), true)), guest);
        assert_eq!(held(&by(AuthMethod::Token, user(), false)), Ok(None), "the secret is the owner's");
        assert_eq!(held(&by(AuthMethod::Tailscale, tagged(), true)), Ok(None), "the grant says what it may");
        for unnamed in [None, tagged()] {
            assert_eq!(held(&by(AuthMethod::DeviceToken, unnamed, false)), Err(Unheld::NoPerson));
        }
        let node = Caller { role: Role::Node, ..by(AuthMethod::DeviceToken, None, false) };
        assert_eq!(held(&node), Ok(None));
    }

    #[test]
    fn agents_are_limited_for_acting_and_not_for_reading() {
        let one = OperatorRole { agents: Some(BTreeSet::from(["a".to_owned()])), ..role(&[Scope::Write]) };
        let agents = one.agents();
        assert!(agents.permit("a", Scope::Write) && agents.permit("b", Scope::Read));
        assert!(!agents.permit("b", Scope::Write) && !agents.permit("b", Scope::Talk));
        let boxed = OperatorRole { needs_sandbox: true, ..one }.agents();
        assert!(!boxed.permit("a", Scope::Write) && boxed.permit("a", Scope::Read));
        assert_eq!(role(&[]).agents(), Agents::Every);
    }
}
