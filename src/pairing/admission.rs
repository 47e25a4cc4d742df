//! A device at the handshake: known, approved without a click, or made to wait (protocol §3, "Pairing at connect").

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use super::change::{Ask, Asked, Bond, approve, is_reusable, reissue, resolved, token_of, wait};
use super::request::{Denied, Handed, Page, Paired, Proof, Reason, Request, Required, Shown, TokenVerdict};
use super::{Pairing, class, horizon};
use crate::bus::Closing;
use crate::clock::now_ms;
use crate::net::Peer;
use crate::protocol::access::permits;
use crate::protocol::devices::{ApprovedVia, Decision, DeviceFacts, SeenBy};
use crate::protocol::handshake::{ClientId, ClientMode};
use crate::protocol::{Event, Role, Scope};
use crate::secret::{Secret, fingerprint};
use crate::store::{self, Device, DeviceState, Sighting};

impl Pairing {
    /// Judges a device token. Counts as a use of it where it fits.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn judge_token(
        &self,
        device_id: &str,
        role: Role,
        token: &Secret<String>,
        scopes: &[Scope],
        shown: Shown<'_>,
    ) -> Result<TokenVerdict, store::Error> {
        let Some(device) = self.0.database.device(device_id).await? else { return Ok(TokenVerdict::Wrong) };
        let Some(known) = device.role(role) else { return Ok(TokenVerdict::Wrong) };
        let is_same: bool = known.token_hash.as_bytes().ct_eq(fingerprint(token.expose()).as_bytes()).into();
        if !is_same || !known.is_active() {
            return Ok(TokenVerdict::Wrong);
        }
        if known.issuer.is_some() && known.issuer != shown.secret.map(|secret| self.issuer(secret)) {
            return Ok(TokenVerdict::Wrong);
        }
        if self.0.settings.get().bind_tokens
            && known.tailnet_node.is_some()
            && known.tailnet_node.as_deref() != node(shown.peer)
        {
            return Ok(TokenVerdict::OtherNode);
        }
        if device.approved_via == ApprovedVia::Tailscale && !shown.is_vouched_for {
            return Ok(TokenVerdict::Unvouched);
        }
        let covers = scopes.iter().all(|scope| permits(&known.scopes, *scope));
        Ok(if covers { TokenVerdict::Fits } else { TokenVerdict::TooNarrow })
    }

    /// Finds or makes the device's record.
    ///
    /// # Errors
    /// Pairing is required, or the record could not be stored.
    pub async fn admit(&self, request: &Request<'_>) -> Result<Paired, Denied> {
        let now = now_ms();
        let bond = self.bond(request);
        let device = self.0.database.device(request.device_id).await.map_err(Denied::Store)?;
        if let Some(paired) = device.as_ref().and_then(|device| self.as_known(device, request, &bond)) {
            self.note(request, now);
            return self.redeemed(request, paired, now).await;
        }
        let device_id = request.device_id;
        let decided = self
            .0
            .database
            .change_device(device_id, horizon(), |state, others| self.decide(state, others, request, &bond, now))
            .await
            .map_err(Denied::Store)?;
        self.publish(&decided.events);
        self.close(&decided.closings);
        let paired = decided.outcome?;
        if let Some(via) = decided.approved_via {
            tracing::info!(
                device.id = device_id, role = request.role.as_str(), approved_via = via.as_str(),
                peer.addr = %request.peer.address(), "device approved"
            );
            if via == ApprovedVia::Silent {
                self.prune_silent(device_id, now).await;
            }
        }
        self.note(request, now);
        self.redeemed(request, paired, now).await
    }

    /// The way of a device that asks for nothing new: no write.
    fn as_known(&self, device: &Device, request: &Request<'_>, bond: &Bond) -> Option<Paired> {
        if !missing(Some(device), request).is_empty() {
            return None;
        }
        let role = device.role(request.role)?;
        let bond = match request.proof {
            Proof::DeviceToken(_) if still_stands(Some(device), request) => &bond_of(role),
            Proof::DeviceToken(_) => return None,
            _ => bond,
        };
        is_reusable(role, request.scopes, bond).then(|| self.hand_out(device, request))?
    }

    fn decide(&self, state: &mut DeviceState, others: u64, request: &Request<'_>, bond: &Bond, now: u64) -> Decided {
        let mut decided = Decided::default();
        if !still_stands(state.device.as_ref(), request) {
            decided.outcome = Err(Denied::TokenEnded);
            return decided;
        }
        let missing = missing(state.device.as_ref(), request);
        let is_known = state.device.is_some();
        let words: Vec<_> = missing.iter().map(|reason| (*reason, self.silently(*reason, is_known, request))).collect();
        let ask = ask(request);
        if let Some((reason, _)) = words.iter().find(|(_, via)| via.is_none()) {
            decided.outcome = match wait(state, &ask, others, now) {
                Asked::Full => Err(Denied::Full),
                Asked::Waits(request_id, events) => {
                    decided.events = events;
                    Err(Denied::Required(Box::new(required(*reason, request_id, state.device.as_ref(), request))))
                }
            };
            return decided;
        }
        if let Some((_, Some(via))) = words.first() {
            decided.closings = approve(state, &ask, *via, Some(bond), &self.0.identity, now);
            decided.approved_via = Some(*via);
            let request_id = uuid::Uuid::new_v4().to_string();
            decided.events = vec![resolved(&request_id, request.device_id, Decision::Approved, now)];
            if let (Some(device), true) = (state.device.as_mut(), request.is_vouched_for) {
                device.tailnet_node = node(request.peer).map(str::to_owned);
            }
        }
        if let Some(device) = state.device.as_mut() {
            if let Some(role) = device.role_mut(request.role)
                && !is_reusable(role, request.scopes, bond)
            {
                role.issuer.clone_from(&bond.issuer);
                role.tailnet_node.clone_from(&bond.tailnet_node);
                reissue(role, request.scopes.to_vec(), request.device_id, &self.0.identity, now);
            }
            decided.outcome = self.hand_out(device, request).ok_or(Denied::Full);
        }
        decided
    }

    /// By whose word nobody has to be asked, if there is such a word.
    fn silently(&self, reason: Reason, is_known: bool, request: &Request<'_>) -> Option<ApprovedVia> {
        if request.is_vouched_for {
            return Some(ApprovedVia::Tailscale);
        }
        if let Proof::SetupCode(code) = &request.proof {
            let is_handover = request.role == Role::Node
                && request.client.mode == ClientMode::Node
                && request.scopes.is_empty()
                && request.page == Page::None
                && matches!((reason, is_known), (Reason::NotPaired, false) | (Reason::ScopeUpgrade, true))
                && class::may_redeem(code.access, request.client);
            if is_handover {
                return Some(ApprovedVia::Bootstrap);
            }
        }
        // An operator's device that would also become a node gives up more than it has: that takes an approval.
        let widens_to_node = is_known && request.role != Role::Operator;
        if !widens_to_node && self.is_silent_on_this_machine(reason, request) {
            return Some(ApprovedVia::Silent);
        }
        let is_fresh_node = request.role == Role::Node
            && reason == Reason::NotPaired
            && !is_known
            && request.scopes.is_empty()
            && request.page == Page::None
            && !request.peer.is_loopback();
        (is_fresh_node && self.is_trusted(request.peer.address().ip())).then_some(ApprovedVia::TrustedCidr)
    }

    fn is_silent_on_this_machine(&self, reason: Reason, request: &Request<'_>) -> bool {
        if !request.peer.is_loopback() || matches!(request.page, Page::Foreign(_)) {
            return false;
        }
        match reason {
            Reason::MetadataUpgrade => request.page == Page::None && class::is_native_app(request.client),
            _ if !self.0.settings.get().auto_approve_local => false,
            // Whoever came by a token of a device is not thereby somebody who may widen it.
            Reason::ScopeUpgrade => matches!(request.proof, Proof::Nothing | Proof::SharedSecret(_)),
            Reason::NotPaired | Reason::RoleUpgrade => true,
        }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.settings.get().auto_approve_cidrs.iter().any(|network| network.contains(&address))
    }

    /// What the token of this request is tied to: a browser's to the shared secret that it came with, a tailnet node's
    /// to the node.
    fn bond(&self, request: &Request<'_>) -> Bond {
        let is_browser = matches!(request.client.id, ClientId::OpenclawControlUi | ClientId::WebchatUi)
            || request.client.mode == ClientMode::Webchat;
        let issuer = match request.proof {
            Proof::SharedSecret(secret) if is_browser => Some(self.issuer(secret)),
            _ => None,
        };
        let tailnet_node = node(request.peer).filter(|_| self.0.settings.get().bind_tokens).map(str::to_owned);
        Bond { issuer, tailnet_node }
    }

    /// A shared secret under a key of ours: what is stored of it helps nobody to guess it.
    fn issuer(&self, secret: &Secret<String>) -> String {
        self.0.identity.mark_of_secret(secret)
    }

    fn hand_out(&self, device: &Device, request: &Request<'_>) -> Option<Paired> {
        let mut handed = device.roles.iter().filter(|role| role.is_active()).map(|role| Handed {
            token: token_of(&self.0.identity, request.device_id, role),
            role: role.role,
            scopes: role.scopes.clone(),
            issued_at: role.issued_at(),
        });
        let is_setup = matches!(request.proof, Proof::SetupCode(_));
        let (mine, others): (Vec<Handed>, Vec<Handed>) = handed.by_ref().partition(|token| token.role == request.role);
        let others = if is_setup { others } else { Vec::new() };
        mine.into_iter().next().map(|token| Paired { token, others, delivery: None })
    }

    /// A setup code is used up by the first connection that it let in.
    async fn redeemed(&self, request: &Request<'_>, mut paired: Paired, now: u64) -> Result<Paired, Denied> {
        if let Proof::SetupCode(code) = &request.proof {
            let name = request.client.display_name.as_deref();
            paired.delivery = self.complete(code, request.device_id, name, now).await.map_err(Denied::Store)?;
        }
        Ok(paired)
    }

    fn note(&self, request: &Request<'_>, now: u64) {
        let is_token = matches!(request.proof, Proof::DeviceToken(_));
        self.0.sightings.note(Sighting {
            device_id: request.device_id.to_owned(),
            at: now,
            by: if is_token { SeenBy::DeviceTokenAuth } else { SeenBy::Connect },
            display_name: request.client.display_name.clone(),
            remote_ip: remote_ip(request.peer),
            used: is_token.then_some(request.role),
        });
    }

    /// Programs with throw-away state make a key for every run, and are approved silently every time: the older ones of
    /// the same kind go, unless they are here or were a moment ago.
    async fn prune_silent(&self, device_id: &str, now: u64) {
        const GRACE_MS: u64 = 60_000;
        let pruned = async {
            let devices = self.0.database.devices().await?;
            let cluster = |device: &Device| {
                let facts = &device.facts;
                (facts.client_id.clone(), facts.client_mode.clone(), facts.display_name.clone())
            };
            let Some(anchor) = devices.iter().find(|device| device.facts.device_id == device_id) else {
                return Ok(());
            };
            let older = devices.iter().filter(|device| {
                device.facts.device_id != device_id
                    && device.approved_via == ApprovedVia::Silent
                    && cluster(device) == cluster(anchor)
                    && now.saturating_sub(device.approved_at.max(device.last_seen_at)) > GRACE_MS
                    && !self.0.bus.attends(&device.facts.device_id)
            });
            for device in older {
                self.forget(&device.facts.device_id).await?;
                tracing::info!(device.id = %device.facts.device_id, "an older device of the same kind was forgotten");
            }
            Ok::<_, store::Error>(())
        };
        if let Err(error) = pruned.await {
            tracing::warn!(%error, "older devices of the same kind could not be forgotten");
        }
    }
}

#[derive(Debug)]
struct Decided {
    outcome: Result<Paired, Denied>,
    approved_via: Option<ApprovedVia>,
    events: Vec<Event>,
    closings: Vec<Closing>,
}

impl Default for Decided {
    fn default() -> Self {
        Self { outcome: Err(Denied::Full), approved_via: None, events: Vec::new(), closings: Vec::new() }
    }
}

/// What an approval would have to give, in the order in which a client is told.
fn missing(device: Option<&Device>, request: &Request<'_>) -> Vec<Reason> {
    let Some(device) = device else { return vec![Reason::NotPaired] };
    let mut missing = Vec::new();
    if class::has_changed(&device.facts, request.client) {
        missing.push(Reason::MetadataUpgrade);
    }
    match device.role(request.role).filter(|role| role.is_active()) {
        None => missing.push(Reason::RoleUpgrade),
        Some(role) if !request.scopes.iter().all(|scope| permits(&role.approved, *scope)) => {
            missing.push(Reason::ScopeUpgrade);
        }
        Some(_) => {}
    }
    missing
}

/// Whether the device token that let the caller in, if one did, is still the one.
fn still_stands(device: Option<&Device>, request: &Request<'_>) -> bool {
    let Proof::DeviceToken(token) = request.proof else { return true };
    let role = device.and_then(|device| device.role(request.role)).filter(|role| role.is_active());
    role.is_some_and(|role| role.token_hash.as_bytes().ct_eq(fingerprint(token.expose()).as_bytes()).into())
}

fn ask(request: &Request<'_>) -> Ask {
    let client = request.client;
    let (roles, scopes) = match &request.proof {
        Proof::SetupCode(code) if class::may_redeem(code.access, client) && request.role == Role::Node => {
            (code.access.roles().to_vec(), code.access.scopes().to_vec())
        }
        _ => (vec![request.role], request.scopes.to_vec()),
    };
    Ask {
        facts: DeviceFacts {
            device_id: request.device_id.to_owned(),
            public_key: request.public_key.to_owned(),
            display_name: client.display_name.clone(),
            platform: client.platform.clone(),
            device_family: client.device_family.clone().filter(|family| !family.is_empty()),
            client_id: client.id.as_str().to_owned(),
            client_mode: client.mode.as_str().to_owned(),
            browser_origin: match request.page {
                Page::Foreign(origin) => Some(origin.to_owned()),
                Page::None | Page::Own => None,
            },
            remote_ip: remote_ip(request.peer),
        },
        role: request.role,
        roles,
        scopes,
    }
}

fn required(reason: Reason, request_id: String, device: Option<&Device>, request: &Request<'_>) -> Required {
    let is_setup = matches!(request.proof, Proof::SetupCode(_))
        && reason == Reason::NotPaired
        && request.role == Role::Node
        && request.scopes.is_empty();
    let is_page = request.client.id == ClientId::OpenclawControlUi && request.role == Role::Operator;
    Required {
        reason,
        request_id,
        approved_roles: device.map(|device| device.roles.iter().map(|role| role.role).collect()).unwrap_or_default(),
        approved_scopes: device.map(Device::approved_scopes).unwrap_or_default(),
        polls: is_setup || is_page,
    }
}

fn bond_of(role: &store::DeviceRole) -> Bond {
    Bond { issuer: role.issuer.clone(), tailnet_node: role.tailnet_node.clone() }
}

fn node(peer: &Peer) -> Option<&str> {
    peer.whois().map(|whois| whois.stable_id.as_str())
}

fn remote_ip(peer: &Peer) -> Option<String> {
    (!peer.is_loopback()).then(|| peer.address().ip().to_canonical().to_string())
}
