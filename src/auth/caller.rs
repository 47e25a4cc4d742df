//! Somebody who was let in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::case::within;
use super::rights::Agents;
use super::roles::{self, Held, Others};
use super::settings::Settings;
use super::tailnet;
use crate::net::WhoIs;
use crate::protocol::users::Profile;
use crate::protocol::{Role, Scope, access};

/// How the caller proved to be allowed in (`hello-ok.auth.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    None,
    Token,
    Password,
    DeviceToken,
    BootstrapToken,
    Tailscale,
    TrustedProxy,
}

impl AuthMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token => "token",
            Self::Password => "password",
            Self::DeviceToken => "device-token",
            Self::BootstrapToken => "bootstrap-token",
            Self::Tailscale => "tailscale",
            Self::TrustedProxy => "trusted-proxy",
        }
    }

    pub(super) const fn is_shared_secret(self) -> bool {
        matches!(self, Self::Token | Self::Password)
    }
}

/// The id of whoever has the shared secret, as a person.
pub const OWNER: &str = "gateway-owner";

#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) role: Role,
    pub(super) scopes: Vec<Scope>,
    pub(super) agents: Agents,
    /// Shared, as every call to a node asks for them.
    pub(super) commands: Option<Arc<BTreeSet<String>>>,
    pub(super) method: AuthMethod,
    pub(super) device_id: Option<String>,
    pub(super) address: IpAddr,
    /// Whom the tailnet names, also where that counts for nothing.
    pub(super) whois: Option<Arc<WhoIs>>,
    /// Whether what it may do follows from that.
    pub(super) rests_on_identity: bool,
    /// Whom a trusted proxy names.
    pub(super) proxy_user: Option<String>,
    pub(super) owner_by_secret: bool,
    /// Its operator role, where it has one to hold.
    pub(super) held: Option<Held>,
    /// The rules that let it in.
    pub(super) judged_by: Arc<Settings>,
}

/// What judging a caller again came to.
#[derive(Debug)]
pub enum Judged {
    Stands,
    /// It may do less than before.
    Narrowed {
        caller: Box<Caller>,
        why: String,
    },
    /// What let it in is gone.
    Ended {
        why: Ending,
    },
}

/// Why a connection is put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The secret or the mode that it came in by has changed.
    Auth,
    /// What `gateway.roles` says of it has changed.
    OperatorRole,
    /// Its identity, or what that is worth, has changed: in words.
    Identity(String),
}

impl Caller {
    /// Judges it by the rules and the identity as they are now: a connection does not outlive the secret, the mode or the
    /// rights that it came in by. It never gains anything by it: who is given more gets it with a new connection. A device
    /// token stands for itself.
    #[must_use]
    pub fn judge_again(&self, newest: Option<&Arc<WhoIs>>, rules: &Arc<Settings>) -> Judged {
        let ended = |why: String| Judged::Ended { why: Ending::Identity(why) };
        if !self.has_the_mode_of(rules) {
            return Judged::Ended { why: Ending::Auth };
        }
        if self.has_another_role_by(rules) {
            return Judged::Ended { why: Ending::OperatorRole };
        }
        let Some(before) = &self.whois else { return Judged::Stands };
        if let Some(denied) = newest.and_then(|whois| tailnet::denied(whois, rules)) {
            return ended(denied.reason);
        }
        if !self.rests_on_identity {
            return Judged::Stands;
        }
        let Some(newest) = newest else {
            return ended(format!("the tailnet does not know {} any more", before.node_name));
        };
        if (&newest.stable_id, &newest.owner) != (&before.stable_id, &before.owner) {
            return ended(format!("{} is not the node that came in: its owner or tags have changed", newest.node_name));
        }
        if !rules.allow_tailscale {
            return Judged::Ended { why: Ending::Auth };
        }
        let rights = tailnet::rights(newest, rules);
        if !rights.are_enough_for(self.role) {
            return ended(rights.lack(self.role));
        }
        let scopes = match self.role {
            Role::Operator => within(&self.scopes, &rights.operator),
            Role::Node => Vec::new(),
        };
        if scopes.is_empty() && !self.scopes.is_empty() {
            return ended(format!("{} leaves nothing of what this connection may do", rights.reason));
        }
        let commands = match (&self.commands, rights.commands) {
            (Some(before), Some(now)) => Some(Arc::new(&**before & &now)),
            (before, now) => before.clone().or_else(|| now.map(Arc::new)),
        };
        let agents = self.agents.and(&rights.agents);
        if (&scopes, &agents, &commands) == (&self.scopes, &self.agents, &self.commands) {
            return Judged::Stands;
        }
        let (whois, judged_by) = (Some(Arc::clone(newest)), Arc::clone(rules));
        let caller = Box::new(Self { scopes, agents, commands, whois, judged_by, ..self.clone() });
        Judged::Narrowed { caller, why: rights.reason }
    }

    fn has_the_mode_of(&self, rules: &Settings) -> bool {
        match self.method {
            AuthMethod::TrustedProxy => {
                let user = self.proxy_user.as_deref().unwrap_or_default();
                self.judged_by.mode == rules.mode
                    && self.judged_by.identity_scopes.of(user) == rules.identity_scopes.of(user)
            }
            AuthMethod::None | AuthMethod::Token | AuthMethod::Password => self.judged_by.mode == rules.mode,
            AuthMethod::Tailscale | AuthMethod::DeviceToken | AuthMethod::BootstrapToken => true,
        }
    }

    /// Whoever holds a role comes in anew under another one: what may become more must not be kept from them.
    fn has_another_role_by(&self, rules: &Settings) -> bool {
        let assigned = self.held.as_ref().and_then(|held| held.assigned.clone());
        self.judged_by.roles != rules.roles
            && roles::held(self, rules.roles.as_ref(), assigned).as_ref() != Ok(&self.held)
    }

    /// The identity, where identities count.
    fn known_as(&self) -> Option<&WhoIs> {
        self.whois.as_deref().filter(|_| self.judged_by.allow_tailscale)
    }

    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What it may do here: never more than it asked for.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        self.method
    }

    #[must_use]
    pub fn device_id(&self) -> Option<&str> {
        self.device_id.as_deref()
    }

    /// Where it calls from; behind a trusted proxy, the client's.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// For the log: the login or the tags of a tailnet peer, or the name that a trusted proxy gives.
    #[must_use]
    pub fn login(&self) -> Option<String> {
        let Some(whois) = self.known_as() else {
            return self.proxy_user.clone();
        };
        Some(whois.login().map_or_else(|| whois.tags().join(","), str::to_owned))
    }

    /// The name of the tailnet node behind the connection.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.whois.as_deref().map(|whois| whois.node_name.as_str())
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.role == Role::Operator && access::permits(&self.scopes, scope)
    }

    /// Whether it may use a scope that it has with this agent.
    #[must_use]
    pub fn may_with(&self, agent: &str, scope: Scope) -> bool {
        self.may(scope) && self.agents.permit(agent, scope)
    }

    #[must_use]
    pub const fn agents(&self) -> &Agents {
        &self.agents
    }

    /// Its operator role, where it has one to hold.
    #[must_use]
    pub const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// What is left to it of sessions that somebody else began. An admin's is all.
    #[must_use]
    pub fn others(&self) -> Others {
        match &self.held {
            Some(held) if !self.may(Scope::Admin) => held.role.others,
            _ => Others::Write,
        }
    }

    /// What it may be asked for as a node; `None` is whatever else lets it.
    #[must_use]
    pub const fn commands(&self) -> Option<&Arc<BTreeSet<String>>> {
        self.commands.as_ref()
    }

    /// The person behind the connection. A tagged node and a bare program are nobody in particular; the Control UI
    /// with the shared secret is the owner (protocol §3, "Identity").
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        if let Some(crate::net::Owner::User { id, login, display_name }) = self.known_as().map(|who| &who.owner) {
            return Some(Profile {
                id: tailnet_profile_id(*id),
                display_name: Some(display_name.clone()).filter(|name| !name.is_empty()),
                emails: vec![login.clone()],
            });
        }
        if let Some(user) = &self.proxy_user {
            let emails = if user.contains('@') { vec![user.clone()] } else { Vec::new() };
            return Some(Profile { id: proxy_profile_id(user), display_name: Some(user.clone()), emails });
        }
        self.owner_by_secret.then(|| Profile { id: OWNER.to_owned(), display_name: None, emails: Vec::new() })
    }
}

/// The id of a person whom the tailnet names.
pub(super) fn tailnet_profile_id(user: i64) -> String {
    format!("tailscale:{user}")
}

/// The id of a person whom a trusted proxy names.
pub(super) fn proxy_profile_id(user: &str) -> String {
    format!("trusted-proxy:{user}")
}

#[cfg(test)]
impl Caller {
    /// An operator who came in by the shared secret of these rules.
    #[must_use]
    pub fn by_secret(judged_by: Arc<Settings>) -> Self {
        Self {
            role: Role::Operator,
            scopes: Vec::new(),
            agents: Agents::Every,
            commands: None,
            rests_on_identity: false,
            method: AuthMethod::Token,
            device_id: None,
            address: IpAddr::from([127, 0, 0, 1]),
            whois: None,
            proxy_user: None,
            owner_by_secret: false,
            held: None,
            judged_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::people::Who;
    use super::super::settings::{DEFAULT_CAPABILITY, Mode, Require};
    use super::*;
    use crate::net::Owner;

    fn bob(grants: &Value) -> Arc<WhoIs> {
        let values = grants.as_array().cloned().unwrap_or_default();
        let owner = Owner::User { id: 1, login: "bob@example.com".into(), display_name: String::new() };
        let capabilities = BTreeMap::from([(DEFAULT_CAPABILITY.to_owned(), values)]);
        Arc::new(WhoIs { capabilities, ..WhoIs::of(owner) })
    }

    fn rules() -> Settings {
        Settings { allow_tailscale: true, require: Require::Grant, ..Settings::of(Mode::None) }
    }

    /// Let in by a grant of these scopes.
    fn caller(scopes: &[Scope]) -> Caller {
        Caller {
            scopes: scopes.to_vec(),
            method: AuthMethod::Tailscale,
            whois: Some(bob(&json!([{ "scopes": scopes }]))),
            rests_on_identity: true,
            ..Caller::by_secret(Arc::new(rules()))
        }
    }

    fn judged(caller: &Caller, newest: Option<Arc<WhoIs>>, rules: Settings) -> Judged {
        caller.judge_again(newest.as_ref(), &Arc::new(rules))
    }

    fn narrowed(judged: Judged) -> Vec<Scope> {
        let Judged::Narrowed { caller, .. } = judged else { panic!("narrowed, and not {judged:?}") };
        caller.scopes
    }

    fn ended(judged: Judged) -> String {
        match judged {
            Judged::Ended { why: Ending::Identity(words) } => words,
            other => panic!("ended, and not {other:?}"),
        }
    }

    #[test]
    fn rights_become_less_and_never_more() {
        let writes = caller(&[Scope::Write]);
        let read = bob(&json!([{ "scopes": ["operator.read"] }]));
        assert_eq!(narrowed(judged(&writes, Some(read), rules())), [Scope::Read]);
        let all = bob(&json!([{ "scopes": ["operator.admin"] }]));
        assert!(matches!(judged(&writes, Some(all), rules()), Judged::Stands));
        let other = bob(&json!([{ "scopes": ["operator.pairing"] }]));
        assert!(ended(judged(&writes, Some(other), rules())).contains("leaves nothing"));
        // A probe had none to lose.
        let probe = caller(&[]);
        assert!(matches!(
            judged(&probe, Some(bob(&json!([{ "scopes": ["operator.read"] }]))), rules()),
            Judged::Stands
        ));
        let one = bob(&json!([{ "scopes": ["operator.write"], "agents": ["a"] }]));
        let Judged::Narrowed { caller, .. } = judged(&writes, Some(one), rules()) else {
            panic!("fewer agents are less")
        };
        assert!(caller.may_with("a", Scope::Write) && !caller.may_with("b", Scope::Read));
        let another = bob(&json!([{ "scopes": ["operator.write"], "agents": ["a", "b"] }]));
        assert!(matches!(judged(&caller, Some(another), rules()), Judged::Stands));
    }

    #[test]
    fn an_identity_that_is_gone_or_another_ends_what_rests_on_it() {
        let reads = caller(&[Scope::Read]);
        assert!(ended(judged(&reads, None, rules())).contains("does not know phone.test"));
        assert!(ended(judged(&reads, Some(bob(&json!([]))), rules())).contains("no grant"));
        let granted = bob(&json!([{ "scopes": ["operator.read"] }]));
        let retagged = WhoIs { owner: Owner::Tagged(vec!["tag:x".into()]), ..WhoIs::clone(&granted) };
        assert!(ended(judged(&reads, Some(Arc::new(retagged)), rules())).contains("owner or tags"));
        let reused = WhoIs { stable_id: "n2".into(), ..WhoIs::clone(&granted) };
        assert!(ended(judged(&reads, Some(Arc::new(reused)), rules())).contains("not the node"));
        let expired = WhoIs { expired: true, ..WhoIs::clone(&granted) };
        assert!(ended(judged(&reads, Some(Arc::new(expired)), rules())).contains("expired"));
        let off = Settings { allow_tailscale: false, ..rules() };
        assert!(matches!(judged(&reads, Some(granted), off), Judged::Ended { why: Ending::Auth }));
    }

    #[test]
    fn what_stands_on_a_secret_stays_unless_it_is_shut_out() {
        let by_secret = Caller { rests_on_identity: false, method: AuthMethod::Token, ..caller(&[Scope::Read]) };
        assert!(matches!(judged(&by_secret, Some(bob(&json!([]))), rules()), Judged::Stands));
        let deny = vec![Who::parse("*@example.com").unwrap()];
        let words = ended(judged(&by_secret, Some(bob(&json!([]))), Settings { deny, ..rules() }));
        assert!(words.contains("gateway.auth.tailscale.deny"), "{words}");
        let by_new_secret = Settings { mode: Mode::Token(crate::secret::Secret::new("new".to_owned())), ..rules() };
        assert!(matches!(judged(&by_secret, None, by_new_secret), Judged::Ended { why: Ending::Auth }));
    }
}
