//! The decision itself, top to bottom in the order in which it is made.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::json;
use subtle::ConstantTimeEq;

use super::caller::{AuthMethod, Caller};
use super::device::VerifiedDevice;
use super::pairing::IssuedToken;
use super::settings::{Mode, Settings};
use super::tailnet::Rights;
use super::throttle::Throttle;
use super::{Refusal, credentials, device, origin, pairing, tailnet};
use crate::clock::now_ms;
use crate::net::Peer;
use crate::protocol::handshake::{ClientId, ClientMode, ConnectParams};
use crate::protocol::{Role, Scope, access};
use crate::secret::{Secret, fingerprint};
use crate::store::{Database, GatewayIdentity};

/// The host names and addresses by which the gateway is reached, as the tailnet and the configuration know them.
pub type OwnNames = Arc<RwLock<Vec<String>>>;

#[derive(Debug)]
pub struct Gatekeeper {
    pub(super) settings: Settings,
    database: Database,
    identity: Arc<GatewayIdentity>,
    pub(super) own_names: OwnNames,
    throttle: Throttle,
}

/// A `connect` request and the connection that it came on.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub peer: &'a Peer,
    pub params: &'a ConnectParams,
    /// Of this connection's challenge.
    pub nonce: &'a str,
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
}

/// Let in.
#[derive(Debug)]
pub struct Admission {
    pub caller: Caller,
    /// For the device to come back with, and when it was issued (Unix milliseconds).
    pub device_token: Option<(Secret<String>, u64)>,
}

/// What is known after the credentials were looked at.
struct Credential<'a> {
    method: AuthMethod,
    /// The tailnet identity's, where it counts and has any.
    rights: Option<&'a Rights>,
}

impl Gatekeeper {
    #[must_use]
    pub fn new(settings: Settings, database: Database, identity: Arc<GatewayIdentity>, own_names: OwnNames) -> Self {
        Self { settings, database, identity, own_names, throttle: Throttle::default() }
    }

    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Decides about a `connect`.
    ///
    /// # Errors
    /// The refusal to send; the failure is counted and, on loopback, already waited for.
    pub async fn admit(&self, attempt: Attempt<'_>) -> Result<Admission, Refusal> {
        let role = requested_role(attempt.params)?;
        self.check_origin(attempt)?;
        let device = match &attempt.params.device {
            Some(proof) => Some(device::verify(proof, attempt.params, attempt.nonce, now_ms())?),
            None => None,
        };
        let rights = self.tailnet_rights(attempt.peer);
        let rights = rights.as_ref();
        let credential = self.credential(attempt, role, device.as_ref(), rights).await?;
        let requested: Vec<Scope> = attempt.params.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
        match device {
            None => self.without_device(attempt, role, &credential, requested),
            Some(device) => self.with_device(attempt, role, &credential, requested, device).await,
        }
    }

    fn check_origin(&self, attempt: Attempt<'_>) -> Result<(), Refusal> {
        let refused = |reason: &str| {
            Err(Refusal::new("CONTROL_UI_ORIGIN_NOT_ALLOWED", reason).detail("reason", json!(reason)).detail(
                "remediationHint",
                json!(
                    "open the Control UI from the gateway itself, or add the origin to gateway.controlUi.allowedOrigins"
                ),
            ))
        };
        let own_names = self.own_names.read().unwrap_or_else(PoisonError::into_inner);
        match attempt.origin {
            Some(origin) => {
                let page = origin::Page { origin, host: attempt.host, peer: attempt.peer };
                if origin::allows(page, &self.settings.allowed_origins, &own_names) {
                    Ok(())
                } else {
                    refused("origin not allowed")
                }
            }
            None if is_web_ui(attempt.params.client.id) => refused("origin missing or invalid"),
            None => Ok(()),
        }
    }

    /// What the tailnet identity may do; `None` where identities do not count or there is none.
    pub(super) fn tailnet_rights(&self, peer: &Peer) -> Option<Rights> {
        if !self.settings.allow_tailscale {
            return None;
        }
        peer.whois().map(|whois| tailnet::rights(whois, &self.settings))
    }

    /// The shared secret, else the tailnet identity, else a device token, else a refusal.
    async fn credential<'a>(
        &self,
        attempt: Attempt<'_>,
        role: Role,
        device: Option<&VerifiedDevice>,
        rights: Option<&'a Rights>,
    ) -> Result<Credential<'a>, Refusal> {
        let sent = attempt.params.auth.clone().unwrap_or_default();
        let address = attempt.peer.address().ip();
        let usable = rights.filter(|rights| match role {
            Role::Operator => !rights.operator.is_empty(),
            Role::Node => rights.node,
        });
        if let Some(locked) = self.throttle.locked_for(address, Instant::now()) {
            // A verified identity has nothing to guess, so guesses from its address do not shut it out.
            return match usable {
                Some(_) => Ok(Credential { method: AuthMethod::Tailscale, rights: usable }),
                None => Err(Refusal::rate_limited(u64::try_from(locked.as_millis()).unwrap_or(u64::MAX))),
            };
        }
        let method = if let Some(method) = credentials::shared_secret(&self.settings, &sent) {
            method
        } else if usable.is_some() {
            AuthMethod::Tailscale
        } else if self.settings.mode == Mode::None && attempt.peer.is_loopback() {
            AuthMethod::None
        } else if let (Some(device), Some(token)) = (device, credentials::device_token(&sent)) {
            match self.device_token_fits(device, role, &token, attempt.peer).await? {
                true => AuthMethod::DeviceToken,
                false => return Err(self.failed(attempt, rights).await),
            }
        } else {
            return Err(self.failed(attempt, rights).await);
        };
        self.throttle.succeeded(address);
        Ok(Credential { method, rights: usable })
    }

    async fn device_token_fits(
        &self,
        device: &VerifiedDevice,
        role: Role,
        token: &Secret<String>,
        peer: &Peer,
    ) -> Result<bool, Refusal> {
        let known = self.database.device_role(&device.id, role).await.map_err(|error| {
            tracing::error!(%error, "the device records could not be read");
            Refusal::unavailable("the gateway could not read its device records; see its log")
        })?;
        Ok(known.is_some_and(|known| {
            let same: bool = known.token_hash.as_bytes().ct_eq(fingerprint(token.expose()).as_bytes()).into();
            same && !known.revoked && pairing::node_agrees(&known, peer)
        }))
    }

    /// Counts a failure and words it. A tailnet caller without rights who tried nothing else is told just that.
    async fn failed(&self, attempt: Attempt<'_>, rights: Option<&Rights>) -> Refusal {
        let sent = attempt.params.auth.clone().unwrap_or_default();
        let tried_something = sent.token.is_some() || sent.password.is_some() || sent.device_token.is_some();
        if let (Some(rights), false) = (rights, tried_something) {
            let message = format!("unauthorized: {} (see GET /whoami)", rights.reason);
            let step = "review_auth_configuration";
            return Refusal::credential("AUTH_UNAUTHORIZED", "tailscale_no_rights", message, step, false);
        }
        if tried_something {
            self.count_failure(attempt.peer).await;
        }
        credentials::refusal(&self.settings, attempt.params, attempt.peer.is_loopback())
    }

    pub(super) fn is_locked_out(&self, peer: &Peer) -> bool {
        self.throttle.locked_for(peer.address().ip(), Instant::now()).is_some()
    }

    /// On loopback the answer to a failure waits; elsewhere failures add up to a lockout.
    pub(super) async fn count_failure(&self, peer: &Peer) {
        let wait = self.throttle.failed(peer.address().ip(), Instant::now());
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
    }

    /// A caller that presents no key keeps its scopes only where its path proves who it is (protocol §3).
    fn without_device(
        &self,
        attempt: Attempt<'_>,
        role: Role,
        credential: &Credential<'_>,
        requested: Vec<Scope>,
    ) -> Result<Admission, Refusal> {
        let client = &attempt.params.client;
        if role == Role::Node {
            return Err(Refusal::not_paired("DEVICE_IDENTITY_REQUIRED", "device identity required"));
        }
        let is_probe = matches!(client.mode, ClientMode::Probe | ClientMode::Test);
        let is_own_program = attempt.peer.is_loopback()
            && attempt.origin.is_none()
            && matches!(
                (client.id, client.mode),
                (ClientId::GatewayClient, ClientMode::Backend) | (ClientId::Cli, ClientMode::Cli)
            );
        let scopes = if is_probe {
            Vec::new()
        } else if let Some(rights) = credential.rights {
            within(&requested, &rights.operator)
        } else if is_own_program {
            requested
        } else if matches!(client.id, ClientId::OpenclawControlUi | ClientId::OpenclawTui) {
            return Err(Refusal::new(
                "CONTROL_UI_DEVICE_IDENTITY_REQUIRED",
                "control ui requires device identity (use HTTPS, localhost or the tailnet)",
            ));
        } else if credential.method == AuthMethod::None {
            return Err(Refusal::not_paired("DEVICE_IDENTITY_REQUIRED", "device identity required"));
        } else {
            Vec::new()
        };
        Ok(Admission { caller: self.caller(attempt, role, credential, scopes, None), device_token: None })
    }

    async fn with_device(
        &self,
        attempt: Attempt<'_>,
        role: Role,
        credential: &Credential<'_>,
        requested: Vec<Scope>,
        device: VerifiedDevice,
    ) -> Result<Admission, Refusal> {
        let client = &attempt.params.client;
        let scopes = match credential.rights {
            Some(rights) if role == Role::Operator => within(&requested, &rights.operator),
            _ => requested,
        };
        let is_unpaired_page = credential.method == AuthMethod::None && client.id == ClientId::OpenclawControlUi;
        let issued = if is_unpaired_page {
            None
        } else {
            let request = pairing::Request {
                device: &device,
                client,
                role,
                scopes: &scopes,
                peer: attempt.peer,
                from_foreign_page: attempt.origin.is_some() && !is_web_ui(client.id),
                rights: credential.rights,
            };
            Some(self.pair(&request, credential).await?)
        };
        let is_probe = matches!(client.mode, ClientMode::Probe | ClientMode::Test);
        let scopes = if is_probe { Vec::new() } else { scopes };
        Ok(Admission {
            caller: self.caller(attempt, role, credential, scopes, Some(device.id)),
            device_token: issued.map(|issued| (issued.token, issued.issued_at)),
        })
    }

    async fn pair(&self, request: &pairing::Request<'_>, credential: &Credential<'_>) -> Result<IssuedToken, Refusal> {
        if credential.method == AuthMethod::DeviceToken {
            let known = self.database.device_role(&request.device.id, request.role).await;
            let held = known.ok().flatten().map(|known| known.scopes).unwrap_or_default();
            if !request.scopes.iter().all(|scope| access::permits(&held, *scope)) {
                let message = "unauthorized: the device token does not cover the requested scopes".to_owned();
                let step = "review_auth_configuration";
                return Err(Refusal::credential("AUTH_SCOPE_MISMATCH", "scope_mismatch", message, step, false));
            }
        }
        pairing::pair(request, &self.database, &self.identity, now_ms()).await
    }

    fn caller(
        &self,
        attempt: Attempt<'_>,
        role: Role,
        credential: &Credential<'_>,
        scopes: Vec<Scope>,
        device_id: Option<String>,
    ) -> Caller {
        let whois = match attempt.peer {
            Peer::Tailnet { whois, .. } if self.settings.allow_tailscale => whois.clone(),
            _ => None,
        };
        let owner_by_secret =
            whois.is_none() && credential.method.is_shared_secret() && is_web_ui(attempt.params.client.id);
        Caller { role, scopes, method: credential.method, device_id, whois, owner_by_secret }
    }
}

fn requested_role(params: &ConnectParams) -> Result<Role, Refusal> {
    match params.role.as_deref() {
        None | Some("operator") => Ok(Role::Operator),
        Some("node") => Ok(Role::Node),
        Some(_) => Err(Refusal::new("INVALID_ROLE", "invalid role")),
    }
}

/// Never more than the rights, never more than was asked for. Who asks for `admin` asks for everything, and gets of
/// it what the rights hold: a narrower session, not an empty one.
fn within(requested: &[Scope], rights: &[Scope]) -> Vec<Scope> {
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

const fn is_web_ui(id: ClientId) -> bool {
    matches!(
        id,
        ClientId::OpenclawControlUi | ClientId::OpenclawBrowserCopilot | ClientId::Webchat | ClientId::WebchatUi
    )
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
