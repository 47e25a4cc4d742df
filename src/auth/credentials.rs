//! Which credential lets a connection in, and what to say when none does (protocol §3).

use super::Refusal;
use super::caller::AuthMethod;
use super::settings::{Mode, Settings};
use crate::protocol::handshake::{ClientMode, ConnectParams, Credentials};
use crate::secret::Secret;

/// Whether the shared secret is there and right. It is accepted in either field; where both are filled, the one that
/// is named like the mode counts.
pub(super) fn shared_secret(settings: &Settings, sent: &Credentials) -> Option<AuthMethod> {
    let (secret, first, second, method) = match &settings.mode {
        Mode::None => return None,
        Mode::Token(secret) => (secret, &sent.token, &sent.password, AuthMethod::Token),
        Mode::Password(secret) => (secret, &sent.password, &sent.token, AuthMethod::Password),
    };
    let candidate = first.as_deref().or(second.as_deref())?;
    secret.matches(candidate).then_some(method)
}

/// The bearer of an HTTP request, judged by the same secret.
pub(super) fn bearer(settings: &Settings, token: &str) -> Option<AuthMethod> {
    let sent = Credentials { token: Some(token.to_owned()), ..Credentials::default() };
    shared_secret(settings, &sent)
}

/// What may be a device token: the field for it, else the token field.
pub(super) fn device_token(sent: &Credentials) -> Option<Secret<String>> {
    sent.device_token.as_ref().or(sent.token.as_ref()).cloned().map(Secret::new)
}

/// Why a caller whose credentials were not enough is refused.
pub(super) fn refusal(settings: &Settings, params: &ConnectParams, is_local: bool) -> Refusal {
    let sent = params.auth.clone().unwrap_or_default();
    let has_secret = sent.token.is_some() || sent.password.is_some();
    if sent.bootstrap_token.is_some() && !has_secret && sent.device_token.is_none() {
        let message = "unauthorized: bootstrap token invalid or expired (scan a fresh setup code)".to_owned();
        let step = "review_auth_configuration";
        return Refusal::credential("AUTH_BOOTSTRAP_TOKEN_INVALID", "bootstrap_token_invalid", message, step, false);
    }
    if sent.device_token.is_some() {
        let message = "unauthorized: device token mismatch (rotate/reissue device token)".to_owned();
        let step = "update_auth_credentials";
        return Refusal::credential("AUTH_DEVICE_TOKEN_MISMATCH", "device_token_mismatch", message, step, false);
    }
    if !has_secret && params.device.is_none() {
        return Refusal::not_paired("DEVICE_IDENTITY_REQUIRED", "device identity required");
    }
    let (kind, missing, mismatch) = match settings.mode {
        Mode::Password(_) => ("password", "AUTH_PASSWORD_MISSING", "AUTH_PASSWORD_MISMATCH"),
        Mode::None | Mode::Token(_) => ("token", "AUTH_TOKEN_MISSING", "AUTH_TOKEN_MISMATCH"),
    };
    let hint = hint(kind, params.client.mode, is_local);
    if !has_secret {
        let message = format!("unauthorized: gateway {kind} missing ({hint})");
        let step = "update_auth_configuration";
        return Refusal::credential(missing, &format!("{kind}_missing"), message, step, false);
    }
    let can_retry = params.device.is_some();
    let step = if can_retry { "retry_with_device_token" } else { "update_auth_credentials" };
    let message = format!("unauthorized: gateway {kind} mismatch ({hint})");
    Refusal::credential(mismatch, &format!("{kind}_mismatch"), message, step, can_retry)
}

fn hint(kind: &str, mode: ClientMode, is_local: bool) -> String {
    match (mode, is_local) {
        (ClientMode::Cli, true) => format!("use this gateway's gateway.auth.{kind} or pair the device"),
        (ClientMode::Cli, false) => format!("set gateway.remote.{kind} to match gateway.auth.{kind}"),
        _ => format!("provide gateway auth {kind}"),
    }
}
