//! `connect` and `hello-ok` (protocol §2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::{Role, Scope};
use super::devices::HandedToken;
use super::presence::PresenceEntry;
use super::system::HealthReply;
use super::{MINIMUM_PROBE_VERSION, PROTOCOL_VERSION};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    pub min_protocol: u32,
    pub max_protocol: u32,
    pub client: ClientInfo,
    #[serde(default)]
    pub role: Option<String>,
    /// In the order sent: the device signature covers the order.
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub caps: Vec<String>,
    #[serde(default)]
    pub commands: Vec<String>,
    #[serde(default)]
    pub permissions: BTreeMap<String, bool>,
    /// Where a node looks for programs.
    #[serde(default)]
    pub path_env: Option<String>,
    #[serde(default)]
    pub device: Option<DeviceProof>,
    #[serde(default)]
    pub auth: Option<Credentials>,
    #[serde(default)]
    pub user_agent: Option<String>,
}

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    pub id: ClientId,
    pub version: String,
    pub platform: String,
    pub mode: ClientMode,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub device_family: Option<String>,
    #[serde(default)]
    pub model_identifier: Option<String>,
    #[serde(default)]
    pub instance_id: Option<String>,
}

/// The closed list of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientId {
    WebchatUi,
    OpenclawControlUi,
    OpenclawBrowserCopilot,
    OpenclawTui,
    Webchat,
    Cli,
    GatewayClient,
    OpenclawMacos,
    OpenclawLinux,
    OpenclawIos,
    OpenclawWatchos,
    OpenclawAndroid,
    NodeHost,
    OpenclawWorker,
    Test,
    Fingerprint,
    OpenclawProbe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientMode {
    Webchat,
    Cli,
    Ui,
    Backend,
    Node,
    Worker,
    Probe,
    Test,
}

impl ClientId {
    /// The name on the wire, as the device signature covers it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebchatUi => "webchat-ui",
            Self::OpenclawControlUi => "openclaw-control-ui",
            Self::OpenclawBrowserCopilot => "openclaw-browser-copilot",
            Self::OpenclawTui => "openclaw-tui",
            Self::Webchat => "webchat",
            Self::Cli => "cli",
            Self::GatewayClient => "gateway-client",
            Self::OpenclawMacos => "openclaw-macos",
            Self::OpenclawLinux => "openclaw-linux",
            Self::OpenclawIos => "openclaw-ios",
            Self::OpenclawWatchos => "openclaw-watchos",
            Self::OpenclawAndroid => "openclaw-android",
            Self::NodeHost => "node-host",
            Self::OpenclawWorker => "openclaw-worker",
            Self::Test => "test",
            Self::Fingerprint => "fingerprint",
            Self::OpenclawProbe => "openclaw-probe",
        }
    }
}

impl ClientMode {
    /// See [`ClientId::as_str`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webchat => "webchat",
            Self::Cli => "cli",
            Self::Ui => "ui",
            Self::Backend => "backend",
            Self::Node => "node",
            Self::Worker => "worker",
            Self::Probe => "probe",
            Self::Test => "test",
        }
    }
}

/// The Ed25519 proof of a device. All five belong together.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceProof {
    /// Lowercase hex SHA-256 of the raw public key.
    pub id: String,
    pub public_key: String,
    pub signature: String,
    /// Unix time in milliseconds.
    pub signed_at: i64,
    pub nonce: String,
}

/// What the client sent to be let in. Never logged: `Debug` shows only which fields are there.
#[derive(Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub bootstrap_token: Option<String>,
    #[serde(default)]
    pub device_token: Option<String>,
    #[serde(default)]
    pub password: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("token", &self.token.is_some())
            .field("bootstrap_token", &self.bootstrap_token.is_some())
            .field("device_token", &self.device_token.is_some())
            .field("password", &self.password.is_some())
            .finish()
    }
}

impl ConnectParams {
    /// The version rule of §2: 4 for everybody; a probe may stop at 3; a node may still speak 3.
    #[must_use]
    pub fn speaks_our_protocol(&self) -> bool {
        let (low, high) = (self.min_protocol, self.max_protocol);
        let offers = |version: u32| low <= version && version <= high;
        let is_probe = self.client.mode == ClientMode::Probe;
        let is_node = self.client.mode == ClientMode::Node && self.role.as_deref() == Some("node");
        offers(PROTOCOL_VERSION)
            || (is_probe && high >= MINIMUM_PROBE_VERSION && low <= PROTOCOL_VERSION)
            || (is_node && offers(PROTOCOL_VERSION - 1))
    }
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Challenge {
    pub nonce: String,
    /// Unix time in milliseconds; clients sign with it.
    pub ts: u64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct HelloOk {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub protocol: u32,
    pub server: ServerInfo,
    pub features: Features,
    pub snapshot: Snapshot,
    pub auth: GrantedAuth,
    pub policy: Policy,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    pub version: String,
    pub boot_id: String,
    pub conn_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Features {
    /// Exactly what is served.
    pub methods: Vec<&'static str>,
    pub events: Vec<&'static str>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub presence: Vec<PresenceEntry>,
    pub health: HealthReply,
    pub state_version: StateVersion,
    pub uptime_ms: u64,
    pub session_defaults: SessionDefaults,
    pub suspension: Suspension,
    /// These three for `operator.admin` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_mode: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StateVersion {
    pub presence: u64,
    pub health: u64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionDefaults {
    pub default_agent_id: String,
    pub model_configured: bool,
    pub main_key: &'static str,
    pub main_session_key: String,
    pub scope: &'static str,
    /// There is one agent and one owner, so nothing has to be chosen.
    pub ownership: &'static str,
    pub selection_required: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantedAuth {
    pub method: &'static str,
    pub role: Role,
    pub scopes: Vec<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at_ms: Option<u64>,
    /// Of the other roles that a setup code gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_tokens: Vec<HandedToken>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub max_payload: usize,
    pub max_buffered_bytes: usize,
    pub tick_interval_ms: u64,
    pub attachments: AttachmentPolicy,
}

/// How large an attachment of a message may be, in bytes.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentPolicy {
    pub max_bytes: usize,
    pub max_image_bytes: usize,
}

/// Whether new work is taken: always, as long as there is a connection to say so on.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Suspension {
    pub phase: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(min: u32, max: u32, mode: &str, role: &str) -> ConnectParams {
        let text = format!(
            r#"{{"minProtocol":{min},"maxProtocol":{max},"role":"{role}","future":true,
                "client":{{"id":"openclaw-macos","version":"1","platform":"linux","mode":"{mode}"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn version_rule() {
        assert!(connect(4, 4, "cli", "operator").speaks_our_protocol());
        assert!(connect(1, 9, "cli", "operator").speaks_our_protocol());
        assert!(!connect(3, 3, "cli", "operator").speaks_our_protocol());
        assert!(connect(3, 3, "probe", "operator").speaks_our_protocol());
        assert!(connect(3, 3, "node", "node").speaks_our_protocol());
        assert!(!connect(3, 3, "node", "operator").speaks_our_protocol());
        assert!(!connect(5, 9, "probe", "operator").speaks_our_protocol());
    }

    #[test]
    fn debug_of_credentials_shows_no_secret() {
        let credentials = Credentials { token: Some("hunter2".into()), ..Credentials::default() };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    /// Asked before anybody is known: read, or refused with a message of its own.
    #[test]
    fn fuzz_connect_params() {
        let whole = r#"{"minProtocol":4,"maxProtocol":4,"client":{"id":"cli","version":"1","platform":"linux","mode":"cli",
            "deviceFamily":"Linux","displayName":"a","instanceId":"b"},"role":"operator","scopes":["operator.read"],
            "caps":["tool-events"],"commands":["system.run"],"permissions":{"x":true},"pathEnv":"/bin","locale":"en",
            "auth":{"token":"t","password":"p","deviceToken":"d","bootstrapToken":"b"},"userAgent":"u",
            "device":{"id":"i","publicKey":"k","signature":"s","signedAt":1795170867840,"nonce":"n"}}"#;
        crate::fuzz::fuzz_json(&[whole], |value| {
            let params = serde_json::value::to_raw_value(value).unwrap();
            match crate::protocol::frame::decode::<ConnectParams>("connect", Some(&params)) {
                Ok(params) => _ = params.speaks_our_protocol(),
                Err(error) => assert!(error.message.starts_with("invalid connect params: "), "{}", error.message),
            }
        });
    }
}
