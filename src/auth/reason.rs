//! Why a credential was not enough, and how that reads on the wire (protocol §3, "Failure codes").

use std::time::Duration;

use serde_json::json;

use super::rights::Rule;
use super::{Refusal, kind};
use crate::protocol::handshake::{ClientInfo, ClientMode};

/// Not a bare text: code, hint and next step follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    Missing(SharedSecret),
    Mismatch(SharedSecret),
    BootstrapToken,
    DeviceToken,
    /// The device token is right, but was not issued for all that is asked.
    DeviceTokenScope,
    /// The device token is right, but was issued on another tailnet node (`gateway.auth.bindTokens`).
    DeviceTokenNode,
    RateLimited(Duration),
    /// The tailnet knows the caller, and the rule that left it without rights.
    TailnetRights(Rule, String),
    /// `gateway.roles` keeps it out: in words.
    OperatorRole(String),
    /// Mode `none` is for this machine, and this caller is not on it.
    SecretNeeded,
    /// The socket is a trusted proxy's, and nobody knows for whom it speaks.
    ProxyAttribution,
    /// A rule of `gateway.auth.trustedProxy`, by OpenClaw's name for it.
    Proxy(&'static str),
    ProxyHeader(String),
}

/// Which shared secret the mode asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SharedSecret {
    Token,
    Password,
}

/// What the wording depends on beside the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub client: &'a ClientInfo,
    pub is_local: bool,
    /// A guessed token, with a device that may hold a token of its own.
    pub may_retry_with_device_token: bool,
}

impl Reason {
    pub(super) fn refusal(&self, asker: Asker<'_>) -> Refusal {
        let (code, step) = self.code_and_step();
        let retry = *self == Self::Mismatch(SharedSecret::Token) && asker.may_retry_with_device_token;
        let step = if retry { "retry_with_device_token" } else { step };
        let refusal = Refusal::credential(code, &self.name(), self.message(asker), step, retry);
        match self {
            Self::RateLimited(wait) => refusal.retry_after(*wait),
            Self::TailnetRights(rule, _) => refusal.detail("rule", json!(rule)),
            _ => refusal,
        }
    }

    fn code_and_step(&self) -> (&'static str, &'static str) {
        const CONFIGURE: &str = "update_auth_configuration";
        const CREDENTIALS: &str = "update_auth_credentials";
        const REVIEW: &str = "review_auth_configuration";
        match self {
            Self::Missing(SharedSecret::Token) => ("AUTH_TOKEN_MISSING", CONFIGURE),
            Self::Missing(SharedSecret::Password) => ("AUTH_PASSWORD_MISSING", CONFIGURE),
            Self::Mismatch(SharedSecret::Token) => ("AUTH_TOKEN_MISMATCH", CREDENTIALS),
            Self::Mismatch(SharedSecret::Password) => ("AUTH_PASSWORD_MISMATCH", CREDENTIALS),
            Self::BootstrapToken => ("AUTH_BOOTSTRAP_TOKEN_INVALID", REVIEW),
            // That of a wrong token for both, so that clients let go of it; the message says which.
            Self::DeviceToken | Self::DeviceTokenNode => ("AUTH_DEVICE_TOKEN_MISMATCH", CREDENTIALS),
            Self::DeviceTokenScope => ("AUTH_SCOPE_MISMATCH", REVIEW),
            Self::RateLimited(_) => ("AUTH_RATE_LIMITED", "wait_then_retry"),
            Self::ProxyHeader(_) => ("AUTH_IDENTITY_HEADER_REQUIRED", REVIEW),
            Self::TailnetRights(..)
            | Self::OperatorRole(_)
            | Self::SecretNeeded
            | Self::ProxyAttribution
            | Self::Proxy(_) => ("AUTH_UNAUTHORIZED", REVIEW),
        }
    }

    /// `details.authReason`.
    fn name(&self) -> String {
        let fixed = match self {
            Self::Missing(SharedSecret::Token) => "token_missing",
            Self::Missing(SharedSecret::Password) => "password_missing",
            Self::Mismatch(SharedSecret::Token) => "token_mismatch",
            Self::Mismatch(SharedSecret::Password) => "password_mismatch",
            Self::BootstrapToken => "bootstrap_token_invalid",
            Self::DeviceToken => "device_token_mismatch",
            Self::DeviceTokenScope => "scope_mismatch",
            Self::DeviceTokenNode => "device_token_other_node",
            Self::RateLimited(_) => "rate_limited",
            Self::TailnetRights(..) => "tailscale_no_rights",
            Self::OperatorRole(_) => "operator_role",
            Self::SecretNeeded => "gateway_auth_required",
            Self::ProxyAttribution => "proxy_attribution_required",
            Self::Proxy(name) => name,
            Self::ProxyHeader(header) => return format!("trusted_proxy_missing_header_{header}"),
        };
        fixed.to_owned()
    }

    fn message(&self, asker: Asker<'_>) -> String {
        match self {
            Self::Missing(secret) => {
                format!("unauthorized: gateway {} missing ({})", secret.name(), secret.missing_hint(asker))
            }
            Self::Mismatch(secret) => {
                format!("unauthorized: gateway {} mismatch ({})", secret.name(), secret.hint(asker))
            }
            Self::BootstrapToken => {
                "unauthorized: setup code invalid, expired, revoked, or already used (create a new \
                                     code; review `openclaw devices list`)"
                    .to_owned()
            }
            Self::DeviceToken => "unauthorized: device token mismatch (rotate/reissue device token)".to_owned(),
            Self::DeviceTokenScope => {
                "unauthorized: device token scope mismatch (re-pair or approve scope upgrade)".to_owned()
            }
            Self::DeviceTokenNode => "unauthorized: device token mismatch (it was issued on another tailnet node and \
                                      works only there; gateway.auth.bindTokens)"
                .to_owned(),
            Self::RateLimited(_) => "unauthorized: too many failed authentication attempts (retry later)".to_owned(),
            Self::OperatorRole(words) => format!("unauthorized: {words}"),
            Self::TailnetRights(_, words) => format!("unauthorized: {words} (see GET /whoami)"),
            Self::ProxyAttribution => "unauthorized: proxy client attribution is required (configure \
                                       gateway.trustedProxies narrowly and make the proxy overwrite or safely rebuild \
                                       forwarded client headers)"
                .to_owned(),
            Self::ProxyHeader(_) if asker.client.mode == ClientMode::Node => {
                "gateway rejected this node: trusted-proxy identity-header authentication is required and no usable \
                 machine credential was accepted; run `openclaw doctor` on the Gateway"
                    .to_owned()
            }
            Self::SecretNeeded | Self::Proxy(_) | Self::ProxyHeader(_) => "unauthorized".to_owned(),
        }
    }
}

impl SharedSecret {
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
        }
    }

    fn missing_hint(self, asker: Asker<'_>) -> &'static str {
        match self {
            Self::Token if is_browser(asker) => {
                "paste in Control UI settings or openclaw doctor --generate-gateway-token; restart"
            }
            Self::Token | Self::Password => self.hint(asker),
        }
    }

    fn hint(self, asker: Asker<'_>) -> &'static str {
        let is_command_line = kind::is_command_line(asker.client);
        match self {
            Self::Token if is_command_line && asker.is_local => {
                "use this gateway's gateway.auth.token or pair the device"
            }
            Self::Token if is_command_line => "set gateway.remote.token to match gateway.auth.token",
            Self::Token if is_browser(asker) => "open the dashboard URL and paste the token in Control UI settings",
            Self::Token => "provide gateway auth token",
            Self::Password if is_command_line && asker.is_local => "use this gateway's gateway.auth.password",
            Self::Password if is_command_line => "set gateway.remote.password to match gateway.auth.password",
            Self::Password if is_browser(asker) => "enter the password in Control UI settings",
            Self::Password => "provide gateway auth password",
        }
    }
}

const fn is_browser(asker: Asker<'_>) -> bool {
    kind::is_operator_ui(asker.client) || kind::is_copilot(asker.client) || kind::is_webchat(asker.client)
}
