//! Which devices are known, and which become known without anybody's click.
//!
//! A device on this machine, or on a tailnet node with rights, is approved in the handshake itself. Any other has to
//! wait for an approval.

use serde_json::json;

use super::Refusal;
use super::device::VerifiedDevice;
use super::tailnet::Rights;
use crate::net::Peer;
use crate::protocol::handshake::ClientInfo;
use crate::protocol::{Role, Scope, access};
use crate::secret::{Secret, fingerprint};
use crate::store::{Database, DeviceRole, GatewayIdentity, NewDevice};

/// A device asking for a role.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub device: &'a VerifiedDevice,
    pub client: &'a ClientInfo,
    pub role: Role,
    pub scopes: &'a [Scope],
    pub peer: &'a Peer,
    /// A web page that is not a UI of ours is never approved silently.
    pub from_foreign_page: bool,
    /// Of the tailnet identity, if it has any.
    pub rights: Option<&'a Rights>,
}

/// The token that stands for the device from now on.
#[derive(Debug)]
pub(super) struct IssuedToken {
    pub token: Secret<String>,
    pub issued_at: u64,
}

/// Finds or makes the device's record.
///
/// # Errors
/// Pairing is required, or the record could not be stored.
pub(super) async fn pair(
    request: &Request<'_>,
    database: &Database,
    identity: &GatewayIdentity,
    now: u64,
) -> Result<IssuedToken, Refusal> {
    let known = database.device_role(&request.device.id, request.role).await.map_err(unavailable)?;
    if let Some(known) = known.as_ref().filter(|known| covers(known, request)) {
        return Ok(issued(identity, known));
    }
    let Some(approved_via) = silent_approval(request, database).await? else {
        return Err(required(request, known.as_ref()));
    };
    let generation = known.as_ref().map_or(1, |known| known.generation + 1);
    let token = identity.device_token(&request.device.id, request.role.as_str(), generation);
    let role = DeviceRole {
        device_id: request.device.id.clone(),
        role: request.role,
        scopes: request.scopes.to_vec(),
        token_hash: fingerprint(token.expose()),
        generation,
        issued_at: now,
        revoked: false,
        tailnet_node: None,
    };
    database.approve_device(&record(request, approved_via), &role, now).await.map_err(unavailable)?;
    tracing::info!(
        device.id = %request.device.id, role = request.role.as_str(), approved_via,
        peer.addr = %request.peer.address(), "device approved"
    );
    Ok(IssuedToken { token, issued_at: now })
}

fn covers(known: &DeviceRole, request: &Request<'_>) -> bool {
    !known.revoked
        && request.scopes.iter().all(|scope| access::permits(&known.scopes, *scope))
        && node_agrees(known, request.peer)
}

/// A token that was issued to a tailnet node works from that node alone.
pub(super) fn node_agrees(known: &DeviceRole, peer: &Peer) -> bool {
    known.tailnet_node.as_deref().is_none_or(|node| peer.whois().is_some_and(|whois| whois.stable_id == node))
}

fn issued(identity: &GatewayIdentity, known: &DeviceRole) -> IssuedToken {
    let token = identity.device_token(&known.device_id, known.role.as_str(), known.generation);
    IssuedToken { token, issued_at: known.issued_at }
}

/// By whose word a device needs no approval, if there is one.
async fn silent_approval(request: &Request<'_>, database: &Database) -> Result<Option<&'static str>, Refusal> {
    let by_tailnet = request.rights.is_some_and(|rights| match request.role {
        Role::Operator => !rights.operator.is_empty(),
        Role::Node => rights.node,
    });
    if by_tailnet {
        return Ok(Some("tailscale"));
    }
    if !request.peer.is_loopback() || request.from_foreign_page {
        return Ok(None);
    }
    // An operator's device that would also become a node gives up more than it has: that takes an approval.
    let widens_to_node = request.role == Role::Node
        && database.device_role(&request.device.id, Role::Operator).await.map_err(unavailable)?.is_some();
    Ok((!widens_to_node).then_some("silent"))
}

fn record<'a>(request: &'a Request<'_>, approved_via: &'a str) -> NewDevice<'a> {
    let client = request.client;
    NewDevice {
        device_id: &request.device.id,
        public_key: &request.device.public_key,
        display_name: client.display_name.as_deref(),
        platform: &client.platform,
        device_family: client.device_family.as_deref().unwrap_or_default(),
        client_id: client.id.as_str(),
        client_mode: client.mode.as_str(),
        approved_via,
        tailnet_node: request.peer.whois().map(|whois| whois.stable_id.as_str()),
    }
}

fn required(request: &Request<'_>, known: Option<&DeviceRole>) -> Refusal {
    let reason = match known {
        None => "not-paired",
        Some(known) if known.revoked => "role-upgrade",
        Some(_) => "scope-upgrade",
    };
    Refusal::not_paired("PAIRING_REQUIRED", format!("pairing required: {reason}"))
        .detail("reason", json!(reason))
        .detail("deviceId", json!(request.device.id))
        .detail("requestedRole", json!(request.role.as_str()))
        .detail("requestedScopes", json!(request.scopes))
        .detail("remediationHint", json!("connect from the gateway's own machine, or over its tailnet"))
}

fn unavailable(error: crate::store::Error) -> Refusal {
    tracing::error!(%error, "the device records could not be used");
    Refusal::unavailable("the gateway could not read its device records; see its log")
}
