//! One attempt to connect, and what follows from who asks, for what and with what: which role and scopes, and whether a
//! device is needed. `gatekeeper` decides with it.

use std::sync::Arc;

use super::caller::{AuthMethod, Caller};
use super::credentials::Sent;
use super::proxy::Vouched;
use super::reason::{Asker, Reason};
use super::rights::{Agents, Rights};
use super::settings::Settings;
use super::throttle::Sender;
use super::{Refusal, kind};
use crate::net::{Peer, WhoIs};
use crate::protocol::handshake::ConnectParams;
use crate::protocol::{Role, Scope, access};
use crate::secret::Secret;
use crate::store::SetupRecord;

/// A `connect` request and the connection that it came on.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub peer: &'a Peer,
    pub params: &'a ConnectParams,
    /// Of this connection's challenge.
    pub nonce: &'a str,
    /// Not blank.
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
    /// See [`Gatekeeper::vouched`].
    pub vouched: &'a Vouched,
}

/// An attempt, and what follows from it for every step of the decision.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) attempt: Attempt<'a>,
    pub(super) settings: Arc<Settings>,
    pub(super) role: Role,
    pub(super) sent: Sent<'a>,
    pub(super) sender: Sender,
    /// Whom the tailnet names as the peer now.
    pub(super) whois: Option<Arc<WhoIs>>,
    /// The tailnet identity's, also if there are none.
    pub(super) rights: Option<Rights>,
}

/// What speaks for a caller: the way in, and whom it names.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) method: AuthMethod,
    pub(super) proxy_user: Option<String>,
    /// What of the device's own let it in.
    pub(super) device_token: Option<Secret<String>>,
    pub(super) setup_code: Option<Box<SetupRecord>>,
}

impl From<AuthMethod> for Proof {
    fn from(method: AuthMethod) -> Self {
        Self { method, proxy_user: None, device_token: None, setup_code: None }
    }
}

impl Case<'_> {
    /// The tailnet identity's rights, where they are enough for the role that is asked.
    pub(super) fn usable_rights(&self) -> Option<&Rights> {
        self.rights.as_ref().filter(|rights| rights.are_enough_for(self.role))
    }

    pub(super) fn refusal(&self, reason: &Reason) -> Refusal {
        reason.refusal(Asker {
            client: &self.attempt.params.client,
            is_local: self.attempt.peer.is_loopback(),
            may_retry_with_device_token: self.attempt.params.device.is_some()
                && self.sent.token.is_some()
                && self.sent.password.is_none()
                && self.sent.device_token.is_none(),
        })
    }

    /// A part of the gateway's own installation, on its own machine and not in a browser: it needs no device.
    pub(super) fn is_own_backend(&self, method: AuthMethod) -> bool {
        let is_proven = method.is_shared_secret() || matches!(method, AuthMethod::None | AuthMethod::DeviceToken);
        is_proven && self.is_own_program() && kind::is_backend(&self.attempt.params.client)
    }

    pub(super) fn is_own_program(&self) -> bool {
        self.attempt.peer.is_loopback() && self.attempt.origin.is_none()
    }
}

pub(super) fn requested_role(params: &ConnectParams) -> Result<Role, Refusal> {
    match params.role.as_deref() {
        None | Some("operator") => Ok(Role::Operator),
        Some("node") => Ok(Role::Node),
        Some(_) => Err(Refusal::plain("invalid role")),
    }
}

/// Scopes are an operator's; those that a node asks for mean nothing.
pub(super) fn requested_scopes(params: &ConnectParams, role: Role) -> Vec<Scope> {
    match role {
        Role::Operator => params.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
        Role::Node => Vec::new(),
    }
}

/// Who may come without a device, and what the others are told: what was guessed wrong before that a device is needed.
pub(super) fn require_device(case: &Case<'_>, shared: Result<&Proof, &Reason>) -> Result<(), Refusal> {
    let client = &case.attempt.params.client;
    let is_operator = case.role == Role::Operator;
    let method = shared.ok().map(|proof| proof.method).filter(|_| is_operator);
    let is_ui = kind::is_operator_ui(client);
    // A tailnet identity with rights is a device already.
    let is_device = is_operator && case.usable_rights().is_some();
    match method {
        Some(_) if is_device => return Ok(()),
        Some(AuthMethod::TrustedProxy) if is_ui => return Ok(()),
        Some(method) if case.is_own_backend(method) => return Ok(()),
        _ if is_ui => {
            let message = "control ui requires device identity (use HTTPS or localhost secure context)";
            return Err(Refusal::new("CONTROL_UI_DEVICE_IDENTITY_REQUIRED", message));
        }
        Some(method) if method.is_shared_secret() || method == AuthMethod::TrustedProxy => return Ok(()),
        _ => {}
    }
    match shared {
        Err(reason @ Reason::TailnetRights(..)) => Err(case.refusal(reason)),
        Err(reason) if case.sent.tried_shared_secret => Err(case.refusal(reason)),
        _ => Err(Refusal::not_paired("DEVICE_IDENTITY_REQUIRED", "device identity required")),
    }
}

/// A caller that presents no key keeps its scopes only where its path proves who it is (protocol §3).
pub(super) fn scopes_without_device(case: &Case<'_>, proof: &Proof, requested: Vec<Scope>) -> Vec<Scope> {
    let client = &case.attempt.params.client;
    let is_own_command_line =
        proof.method.is_shared_secret() && case.is_own_program() && kind::is_own_command_line(client);
    match case.usable_rights() {
        _ if kind::is_probe(client) => Vec::new(),
        Some(rights) => within(&requested, &rights.operator),
        None if is_own_command_line || case.is_own_backend(proof.method) => requested,
        None => Vec::new(),
    }
}

pub(super) fn caller(case: &Case<'_>, proof: Proof, scopes: Vec<Scope>, device_id: Option<String>) -> Caller {
    let is_person_known = case.whois.is_some() && case.settings.allow_tailscale;
    let owner_by_secret =
        !is_person_known && proof.method.is_shared_secret() && kind::is_page(&case.attempt.params.client);
    let Proof { method, proxy_user, .. } = proof;
    let rights = case.usable_rights();
    Caller {
        role: case.role,
        scopes,
        agents: rights.map_or(Agents::Every, |rights| rights.agents.clone()),
        commands: rights.and_then(|rights| rights.commands.clone()).map(Arc::new),
        method,
        device_id,
        address: case.attempt.peer.address().ip().to_canonical(),
        rests_on_identity: rights.is_some(),
        whois: case.whois.clone(),
        proxy_user,
        owner_by_secret,
        held: None,
        judged_by: Arc::clone(&case.settings),
    }
}

/// Never more than the rights, never more than was asked for. Who asks for `admin` asks for everything, and gets of
/// it what the rights hold: a narrower session, not an empty one.
pub(super) fn within(requested: &[Scope], rights: &[Scope]) -> Vec<Scope> {
    let asked = requested.iter().copied().filter(|scope| access::permits(rights, *scope));
    let implied = rights.iter().copied().filter(|scope| access::permits(requested, *scope));
    let mut granted: Vec<Scope> = Vec::new();
    for scope in asked.chain(implied) {
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_what_was_asked_for_within_the_rights() {
        use Scope::{Admin, Pairing, Read, Write};
        assert_eq!(within(&[Admin], &[Read]), [Read]);
        assert_eq!(within(&[Read, Write], &[Admin]), [Read, Write]);
        assert_eq!(within(&[Write], &[Read]), [Read]);
        assert_eq!(within(&[Pairing], &[Read, Write]), [Scope::Admin; 0]);
        assert_eq!(within(&[], &[Admin]), [Scope::Admin; 0]);
    }
}
