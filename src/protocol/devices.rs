//! `device.pair.*` and `device.token.*`: devices that wait, devices that are known, and the codes that set one up
//! (protocol §4).

use serde::{Deserialize, Serialize};

use super::{Access, NoParams, Role, Scope, method, methods};

/// A device that waits for an approval. Also the payload of `device.pair.requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingDevice {
    pub request_id: String,
    #[serde(flatten)]
    pub facts: DeviceFacts,
    pub role: Role,
    pub roles: Vec<Role>,
    pub scopes: Vec<Scope>,
    /// Always false: what is approved silently never waits.
    pub silent: bool,
    /// Whether the device is known already and asks for more, or as something else.
    pub is_repair: bool,
    pub ts: u64,
}

/// How a device presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFacts {
    /// Lowercase hex SHA-256 of the public key.
    pub device_id: String,
    /// Base64url of the 32 bytes.
    pub public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    pub client_id: String,
    pub client_mode: String,
    /// Of a browser extension, which is bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_origin: Option<String>,
    /// Absent on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
}

/// By whose word a device was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovedVia {
    /// It stands on this machine.
    Silent,
    /// Its address is in `gateway.nodes.pairing.autoApproveCidrs`.
    TrustedCidr,
    /// It presented a setup code.
    Bootstrap,
    /// Somebody approved it.
    Owner,
    /// It came on a tailnet node with rights. OpenClaw has no such word: there a tailnet identity pairs like any other.
    Tailscale,
}

impl ApprovedVia {
    pub const ALL: [Self; 5] = [Self::Silent, Self::TrustedCidr, Self::Bootstrap, Self::Owner, Self::Tailscale];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::TrustedCidr => "trusted-cidr",
            Self::Bootstrap => "bootstrap",
            Self::Owner => "owner",
            Self::Tailscale => "tailscale",
        }
    }
}

/// How a device was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SeenBy {
    Connect,
    DeviceTokenAuth,
}

impl SeenBy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::DeviceTokenAuth => "device-token-auth",
        }
    }
}

/// A known device. Its tokens are told of, never told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairedDevice {
    #[serde(flatten)]
    pub facts: DeviceFacts,
    /// The name that an operator gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_label: Option<String>,
    /// The role of its last approval.
    pub role: Role,
    pub roles: Vec<Role>,
    /// Approved.
    pub scopes: Vec<Scope>,
    pub approved_via: ApprovedVia,
    pub created_at_ms: u64,
    pub approved_at_ms: u64,
    pub last_seen_at_ms: u64,
    pub last_seen_reason: SeenBy,
    /// In lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    pub tokens: Vec<TokenSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSummary {
    pub role: Role,
    pub scopes: Vec<Scope>,
    pub created_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at_ms: Option<u64>,
}

/// A token in `hello-ok`, beside the one of the role that was asked for.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandedToken {
    pub device_token: String,
    pub role: Role,
    pub scopes: Vec<Scope>,
    pub issued_at_ms: u64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    /// Newest first.
    pub pending: Vec<PendingDevice>,
    /// Newest approval first.
    pub paired: Vec<PairedDevice>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestParams {
    pub request_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproveReply {
    pub request_id: String,
    pub device: PairedDevice,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectReply {
    pub request_id: String,
    pub device_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveParams {
    pub device_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveReply {
    pub device_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenameParams {
    pub device_id: String,
    /// 1 to 64 characters.
    pub label: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenameReply {
    pub device_id: String,
    pub label: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateParams {
    pub device_id: String,
    pub role: String,
    /// Those of the token before it, if absent.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateReply {
    pub device_id: String,
    pub role: Role,
    /// Only for the device's own connection by device token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    pub scopes: Vec<Scope>,
    pub rotated_at_ms: u64,
    pub token_delivery: TokenDelivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenDelivery {
    InBand,
    WithheldCrossDevice,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokeParams {
    pub device_id: String,
    pub role: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokeReply {
    pub device_id: String,
    pub role: Role,
    pub revoked_at_ms: u64,
}

/// The payload of `device.pair.resolved`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    pub request_id: String,
    pub device_id: String,
    pub decision: Decision,
    pub ts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Approved,
    Rejected,
}

/// What a setup code gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SetupAccess {
    /// A node, and an operator with `operator.admin`.
    Full,
    /// A node, and an operator without.
    Limited,
    /// A node and nothing else.
    Node,
}

impl SetupAccess {
    pub const ALL: [Self; 3] = [Self::Full, Self::Limited, Self::Node];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Limited => "limited",
            Self::Node => "node",
        }
    }

    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::Full | Self::Limited => &[Role::Node, Role::Operator],
            Self::Node => &[Role::Node],
        }
    }

    /// Of the operator.
    #[must_use]
    pub const fn scopes(self) -> &'static [Scope] {
        use Scope::{Admin, Approvals, Questions, Read, TalkSecrets, Write};
        match self {
            Self::Full => &[Admin, Approvals, Questions, Read, TalkSecrets, Write],
            Self::Limited => &[Approvals, Questions, Read, TalkSecrets, Write],
            Self::Node => &[],
        }
    }
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupCodeParams {
    /// The address that the new device is to use: `wss://…`, or `ws://…` where that is safe.
    #[serde(default)]
    pub public_url: Option<String>,
    /// The code as a PNG; true unless said otherwise.
    #[serde(default)]
    pub include_qr: Option<bool>,
    #[serde(default)]
    pub bootstrap_profile: Option<BootstrapProfile>,
    /// Also a URL that hands the payload out once. For nodes only.
    #[serde(default)]
    pub join_url: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootstrapProfile {
    Limited,
    Node,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupCodeReply {
    pub setup_id: String,
    pub expires_at_ms: u64,
    /// Base64url of [`SetupPayload`].
    pub setup_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qr_data_url: Option<String>,
    pub gateway_url: String,
    /// `token` or `password`: how others come in.
    pub auth: &'static str,
    pub url_source: &'static str,
    pub access: SetupAccess,
    /// There because the URL is not safe enough for `operator.admin`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub access_downgraded: bool,
}

/// What a setup code holds, and what a join URL answers.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupPayload {
    pub url: String,
    pub bootstrap_token: String,
    pub expires_at_ms: u64,
    /// What to pin, where the URL is the gateway's own door and speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_fingerprint: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatusParams {
    pub setup_id: String,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatusReply {
    /// There once a device has used the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<SetupCompletion>,
    /// In its place where the device used the code and may not have got its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_uncertain: Option<SetupCompletion>,
}

/// Also the payload of `device.pair.setup.completed` and `device.pair.setup.deliveryUncertain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupCompletion {
    pub setup_id: String,
    pub device_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    pub access: SetupAccess,
    pub ts: u64,
}

method!(
    /// A device that came by its token, without `operator.admin`, sees itself alone.
    PairList = "device.pair.list", Access::Operator(Scope::Pairing), NoParams => ListReply
);
method!(
    /// The caller's scopes have to hold those that are asked for; a role beside operator takes `operator.admin`.
    PairApprove = "device.pair.approve", Access::Operator(Scope::Pairing), RequestParams => ApproveReply
);
method!(PairReject = "device.pair.reject", Access::Operator(Scope::Pairing), RequestParams => RejectReply);
method!(
    /// Closes the device's connections with 4001.
    PairRemove = "device.pair.remove", Access::Operator(Scope::Pairing), RemoveParams => RemoveReply
);
method!(PairRename = "device.pair.rename", Access::Operator(Scope::Pairing), RenameParams => RenameReply);
method!(
    /// Closes the device's connections with 4001.
    TokenRotate = "device.token.rotate", Access::Operator(Scope::Pairing), RotateParams => RotateReply
);
method!(
    /// Closes the device's connections with 4001.
    TokenRevoke = "device.token.revoke", Access::Operator(Scope::Pairing), RevokeParams => RevokeReply
);
method!(SetupCode = "device.pair.setupCode", Access::Operator(Scope::Admin), SetupCodeParams => SetupCodeReply);
method!(SetupStatus = "device.pair.setupStatus", Access::Operator(Scope::Admin), SetupStatusParams => SetupStatusReply);

methods![PairList, PairApprove, PairReject, PairRemove, PairRename, TokenRotate, TokenRevoke, SetupCode, SetupStatus,];
