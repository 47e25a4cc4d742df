//! `GET /whoami`: what the gateway knows of any caller, and which rule decides about them.

use std::sync::{Arc, PoisonError};

use serde::Serialize;

use super::caller::{AuthMethod, proxy_profile_id, tailnet_profile_id};
use super::case::within;
use super::gatekeeper::{Gatekeeper, tailnet_rights};
use super::guess::Bearer;
use super::origin;
use super::proxy::Vouched;
use super::rights::{Rights, Rule};
use super::settings::{Mode, Settings};
use crate::net::{Owner, Peer};
use crate::protocol::{Role, Scope};

/// Open to every caller: it says nothing that the caller is not, or does not send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// `tailnet`, `loopback`, `network` or `proxy`.
    pub path: &'static str,
    pub address: String,
    pub login: Option<String>,
    pub name: Option<String>,
    pub node: Option<String>,
    pub stable_id: Option<String>,
    pub tags: Vec<String>,
    /// `null` where nothing lets the caller in.
    pub method: Option<&'static str>,
    pub role: Option<Role>,
    pub scopes: Vec<Scope>,
    /// Under `gateway.roles`; the scopes are within it.
    pub operator_role: Option<Arc<str>>,
    /// The rule about tailnet identities that decided; `null` where none did.
    pub rule: Option<Rule>,
    pub reason: String,
}

impl Gatekeeper {
    /// Whether a request with this `Host` was meant for us. A page whose name was pointed at our address (DNS
    /// rebinding) could otherwise read who its visitor is.
    #[must_use]
    pub fn is_own_host(&self, host: Option<&str>) -> bool {
        let own_names = self.own_names.read().unwrap_or_else(PoisonError::into_inner);
        origin::is_own_host(host, &self.settings().allowed_origins, &own_names)
    }

    /// `bearer` is the token of the `Authorization` header, `is_unattributable` whether a proxy stands between that does
    /// not count. A wrong bearer is a failed attempt like any other.
    pub async fn whoami(
        &self,
        peer: &Peer,
        bearer: Option<&str>,
        vouched: &Vouched,
        is_unattributable: bool,
    ) -> WhoAmI {
        let bearer = match bearer {
            Some(bearer) => self.judge_bearer(peer, bearer).await,
            None => Bearer::Missing,
        };
        let whois = self.identities().of(peer);
        let whois = whois.as_deref();
        let settings = self.settings();
        let rights = tailnet_rights(whois, &settings)
            .filter(|rights| !matches!(bearer, Bearer::Right(_)) || rights.rule == Rule::Deny);
        let rule = rights.as_ref().filter(|_| !is_unattributable).map(|rights| rights.rule);
        let seen = explain(&settings, peer, rights, bearer, vouched, is_unattributable);
        let person = match (seen.0, whois.map(|whois| &whois.owner)) {
            (Some(AuthMethod::Tailscale), Some(Owner::User { id, .. })) => Some(tailnet_profile_id(*id)),
            (Some(AuthMethod::TrustedProxy), _) => vouched.user().ok().map(proxy_profile_id),
            _ => None,
        };
        let held = match person.filter(|_| seen.1 == Some(Role::Operator)) {
            Some(person) => self.role_of(&person),
            None => Ok(None),
        };
        let ((method, role, scopes, reason), operator_role) = match held {
            Ok(None) => (seen, None),
            Ok(Some(held)) => {
                let (method, role, scopes, reason) = seen;
                let reason = format!("{reason}; within the operator role \"{}\" of gateway.roles", held.name);
                ((method, role, within(&scopes, &held.role.scopes), reason), Some(held.name))
            }
            Err(unheld) => ((None, None, Vec::new(), unheld.words()), None),
        };
        WhoAmI {
            path: peer.path(),
            address: peer.address().ip().to_canonical().to_string(),
            login: whois.and_then(|whois| whois.login()).or(vouched.user().ok()).map(str::to_owned),
            name: whois.and_then(|whois| match &whois.owner {
                Owner::User { display_name, .. } => Some(display_name.clone()),
                Owner::Tagged(_) => None,
            }),
            node: whois.map(|whois| whois.node_name.clone()),
            stable_id: whois.map(|whois| whois.stable_id.clone()),
            tags: whois.map(|whois| whois.tags().to_vec()).unwrap_or_default(),
            method: method.map(AuthMethod::as_str),
            role,
            scopes,
            operator_role,
            rule,
            reason,
        }
    }
}

fn explain(
    settings: &Settings,
    peer: &Peer,
    rights: Option<Rights>,
    bearer: Bearer,
    vouched: &Vouched,
    is_unattributable: bool,
) -> (Option<AuthMethod>, Option<Role>, Vec<Scope>, String) {
    let refused = |reason: String| (None, None, Vec::new(), reason);
    let operator = |method, reason: String| (Some(method), Some(Role::Operator), Scope::ALL.to_vec(), reason);
    if is_unattributable {
        return refused("a proxy stands between us, and what it says of you does not count".to_owned());
    }
    if let Some(rights) = rights {
        return match (rights.is_empty(), rights.operator.is_empty()) {
            (true, _) => refused(rights.reason),
            (false, true) => (Some(AuthMethod::Tailscale), Some(Role::Node), Vec::new(), rights.reason),
            (false, false) => (Some(AuthMethod::Tailscale), Some(Role::Operator), rights.operator, rights.reason),
        };
    }
    if let Bearer::Right(method) = bearer {
        return operator(method, format!("the right gateway {}", method.as_str()));
    }
    match &settings.mode {
        Mode::None if peer.is_loopback() => {
            operator(AuthMethod::None, "gateway.auth.mode is \"none\" and you are on this machine".to_owned())
        }
        Mode::None => refused("gateway.auth.mode is \"none\", which is for this machine alone".to_owned()),
        Mode::TrustedProxy(_) => match vouched.user() {
            Ok(user) => operator(AuthMethod::TrustedProxy, format!("the trusted proxy names you as {user}")),
            Err(_) => refused("gateway.auth.mode is \"trusted-proxy\", and no trusted proxy names you".to_owned()),
        },
        mode if bearer == Bearer::Wrong => refused(format!("that is not the gateway {}", mode.name())),
        _ if matches!(bearer, Bearer::LockedOut(_)) => {
            refused("too many failed attempts from this address; try again in a few minutes".to_owned())
        }
        mode => refused(format!("the gateway {} is needed on this path", mode.name())),
    }
}
