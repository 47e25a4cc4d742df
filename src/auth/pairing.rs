//! Asks `pairing` about a device, and words its "no" (protocol §3, "Pairing at connect").

use serde_json::json;

use super::caller::AuthMethod;
use super::case::{Case, Proof};
use super::device::VerifiedDevice;
use super::reason::Reason;
use super::settings::{Mode, Settings};
use super::{Refusal, kind};
use crate::pairing::{self, Denied, Page, Paired, Pairing, Request, Required};
use crate::protocol::Scope;
use crate::secret::Secret;
use crate::store;

/// Finds or makes the device's record.
///
/// # Errors
/// Pairing is required, or the record could not be stored.
pub(super) async fn pair(
    pairing: &Pairing,
    case: &Case<'_>,
    proof: &Proof,
    device: &VerifiedDevice,
    scopes: &[Scope],
) -> Result<Paired, Refusal> {
    let client = &case.attempt.params.client;
    let request = Request {
        device_id: &device.id,
        public_key: &device.public_key,
        client,
        role: case.role,
        scopes,
        peer: case.attempt.peer,
        page: match case.attempt.origin {
            None => Page::None,
            Some(origin) if !kind::is_page(client) || kind::is_copilot(client) => Page::Foreign(origin),
            Some(_) => Page::Own,
        },
        proof: as_told(proof, &case.settings),
        is_vouched_for: case.usable_rights().is_some(),
    };
    pairing.admit(&request).await.map_err(|denied| match denied {
        Denied::Required(required) => required_refusal(&required, &request),
        Denied::Full => Refusal::unavailable("too many devices wait for an approval; try again in some minutes"),
        Denied::TokenEnded => case.refusal(&Reason::DeviceToken),
        Denied::Store(error) => unavailable(error),
    })
}

fn as_told<'a>(proof: &'a Proof, settings: &'a Settings) -> pairing::Proof<'a> {
    if let Some(code) = &proof.setup_code {
        return pairing::Proof::SetupCode(code);
    }
    match (&proof.device_token, proof.method, secret(settings)) {
        (Some(token), ..) => pairing::Proof::DeviceToken(token),
        (None, AuthMethod::Token | AuthMethod::Password, Some(secret)) => pairing::Proof::SharedSecret(secret),
        (None, AuthMethod::None, _) => pairing::Proof::Nothing,
        (None, ..) => pairing::Proof::Identity,
    }
}

/// The shared secret, if there is one.
pub(super) const fn secret(settings: &Settings) -> Option<&Secret<String>> {
    match &settings.mode {
        Mode::None => None,
        Mode::Token(secret) | Mode::Password(secret) => Some(secret),
        Mode::TrustedProxy(proxy) => proxy.password.as_ref(),
    }
}

fn required_refusal(required: &Required, request: &Request<'_>) -> Refusal {
    let reason = required.reason;
    let message = format!("pairing required: {}", reason.requirement());
    let mut refusal = Refusal::not_paired("PAIRING_REQUIRED", message)
        .detail("reason", json!(reason.as_str()))
        .detail("requestId", json!(required.request_id))
        .detail("remediationHint", json!(reason.hint()));
    if required.polls {
        refusal = refusal
            .detail("recommendedNextStep", json!("wait_then_retry"))
            .detail("retryable", json!(true))
            .detail("pauseReconnect", json!(false));
    }
    refusal =
        refusal.detail("deviceId", json!(request.device_id)).detail("requestedRole", json!(request.role.as_str()));
    if !request.scopes.is_empty() {
        refusal = refusal.detail("requestedScopes", json!(request.scopes));
    }
    if !required.approved_roles.is_empty() {
        refusal = refusal.detail("approvedRoles", json!(required.approved_roles));
    }
    if !required.approved_scopes.is_empty() {
        refusal = refusal.detail("approvedScopes", json!(required.approved_scopes));
    }
    refusal.closing_with(format!(" (requestId: {})", required.request_id))
}

pub(super) fn unavailable(error: store::Error) -> Refusal {
    tracing::error!(%error, "the device records could not be used");
    Refusal::unavailable("the gateway could not use its device records; see its log")
}
