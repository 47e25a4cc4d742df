//! The configuration as serde types: still optional everywhere, but of the right types, because `check` went first.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use super::issue;
use crate::protocol::config::Issue;
use crate::secret::Secret;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    pub(super) gateway: Gateway,
    pub(super) logging: Logging,
    pub(super) models: Models,
    pub(super) agents: Agents,
    pub(super) hooks: Hooks,
    pub(super) discovery: Discovery,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Discovery {
    pub(super) mdns: Mdns,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mdns {
    pub(super) mode: MdnsMode,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MdnsMode {
    Off,
    #[default]
    Minimal,
    Full,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Hooks {
    pub(super) enabled: bool,
    pub(super) token: Option<Secret<String>>,
    pub(super) path: Option<String>,
    pub(super) default_session_key: Option<String>,
    pub(super) allow_request_session_key: bool,
    pub(super) allowed_session_key_prefixes: Option<Vec<String>>,
    pub(super) allowed_agent_ids: Option<Vec<String>>,
    pub(super) mappings: Vec<HookMapping>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HookMapping {
    #[serde(rename = "match")]
    pub(super) matches: HookMatch,
    pub(super) action: HookAction,
    pub(super) wake_mode: Option<String>,
    pub(super) name: Option<String>,
    pub(super) agent_id: Option<String>,
    pub(super) session_key: Option<String>,
    pub(super) message_template: Option<String>,
    pub(super) text_template: Option<String>,
    pub(super) timeout_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HookMatch {
    pub(super) path: Option<String>,
    pub(super) source: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HookAction {
    #[default]
    Agent,
    Wake,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Gateway {
    pub(super) mode: GatewayMode,
    pub(super) port: Option<u16>,
    pub(super) bind: Option<Bind>,
    pub(super) custom_bind_host: Option<String>,
    pub(super) handshake_timeout_ms: Option<u64>,
    pub(super) write_timeout_ms: Option<u64>,
    pub(super) ping_interval_ms: Option<u64>,
    pub(super) reload: Reload,
    pub(super) auth: Auth,
    pub(super) roles: Option<Roles>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) allow_real_ip_fallback: bool,
    pub(super) tailscale: Tailscale,
    pub(super) tls: Tls,
    pub(super) remote: Remote,
    pub(super) nodes: Nodes,
    pub(super) control_ui: ControlUi,
    pub(super) http: Http,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GatewayMode {
    #[default]
    Local,
    Remote,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reload {
    pub(super) mode: ReloadMode,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReloadMode {
    #[default]
    Hybrid,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bind {
    Loopback,
    Lan,
    Tailnet,
    Custom,
    Auto,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Tls {
    pub(super) enabled: bool,
    pub(super) auto_generate: Option<bool>,
    pub(super) cert_path: Option<String>,
    pub(super) key_path: Option<String>,
    pub(super) ca_path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Nodes {
    pub(super) pairing: NodesPairing,
    pub(super) commands: NodesCommands,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodesCommands {
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodesPairing {
    pub(super) auto_approve_local: Option<bool>,
    pub(super) auto_approve_cidrs: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Auth {
    pub(super) mode: Option<AuthMode>,
    pub(super) token: Option<Secret<String>>,
    pub(super) password: Option<Secret<String>>,
    pub(super) allow_tailscale: Option<bool>,
    pub(super) bind_tokens: Option<bool>,
    pub(super) identity_scopes: BTreeMap<String, Vec<String>>,
    pub(super) tailscale: AuthTailscale,
    pub(super) trusted_proxy: TrustedProxy,
    pub(super) rate_limit: RateLimit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Roles {
    pub(super) default: Option<String>,
    pub(super) definitions: BTreeMap<String, OperatorRole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OperatorRole {
    pub(super) sessions: RoleSessions,
    pub(super) agents: Option<EveryOrList>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) sandbox: RoleSandbox,
    pub(super) access_policy_plugin: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RoleSessions {
    pub(super) others: Option<RoleOthers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleOthers {
    None,
    View,
    Suggest,
    Write,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleSandbox {
    #[default]
    Inherit,
    Required,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EveryOrList {
    List(Vec<String>),
    Every(Every),
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum Every {
    #[serde(rename = "*")]
    Star,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AuthMode {
    None,
    Token,
    Password,
    TrustedProxy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TrustedProxy {
    pub(super) user_header: Option<String>,
    pub(super) required_headers: Vec<String>,
    pub(super) allow_users: Vec<String>,
    pub(super) allow_loopback: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RateLimit {
    pub(super) max_attempts: Option<usize>,
    pub(super) window_ms: Option<u64>,
    pub(super) lockout_ms: Option<u64>,
    pub(super) exempt_loopback: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthTailscale {
    pub(super) require: Require,
    pub(super) capability: Option<String>,
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Require {
    #[default]
    Login,
    Grant,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Tailscale {
    pub(super) node: Option<Node>,
    pub(super) mode: TailscaleMode,
    pub(super) hostname: Option<String>,
    pub(super) control_url: Option<String>,
    pub(super) auth_key: Option<Secret<String>>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret<String>>,
    pub(super) api_url: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) ephemeral: bool,
    pub(super) state_dir: Option<String>,
    pub(super) public_paths: Vec<String>,
    pub(super) public_port: Option<u16>,
    pub(super) socket: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Node {
    Embedded,
    Host,
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TailscaleMode {
    #[default]
    Off,
    Serve,
    Funnel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Remote {
    pub(super) url: Option<String>,
    pub(super) transport: Transport,
    pub(super) token: Option<Secret<String>>,
    pub(super) password: Option<Secret<String>>,
    pub(super) tls_fingerprint: Option<String>,
    pub(super) edge_auth: Option<BTreeMap<String, Secret<String>>>,
    pub(super) ssh_target: Option<String>,
    pub(super) ssh_identity: Option<String>,
    pub(super) remote_port: Option<u16>,
    pub(super) ssh_host_key_policy: SshHostKeyPolicy,
    pub(super) tailnet: RemoteTailnet,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Transport {
    #[default]
    Direct,
    Ssh,
    Tailnet,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SshHostKeyPolicy {
    #[default]
    Strict,
    Openssh,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RemoteTailnet {
    pub(super) auth_key: Option<Secret<String>>,
    pub(super) control_url: Option<String>,
    pub(super) hostname: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ControlUi {
    pub(super) enabled: Option<bool>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) dangerously_allow_host_header_origin_fallback: bool,
    pub(super) root: Option<String>,
    pub(super) base_path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) endpoints: Endpoints,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoints {
    pub(super) chat_completions: Endpoint,
    pub(super) responses: Endpoint,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    pub(super) enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logging {
    pub(super) level: Option<String>,
}

/// In the file's order: without a chosen model the first one answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Models {
    pub(super) providers: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Provider {
    pub(super) base_url: Option<String>,
    pub(super) api_key: Option<Secret<String>>,
    pub(super) api: Option<Api>,
    pub(super) models: Vec<Model>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Api {
    OpenaiCompletions,
    AnthropicMessages,
    Ollama,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Model {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) context_window: Option<u64>,
    /// What it can be given: `text`, `image`.
    pub(super) input: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Agents {
    pub(super) defaults: AgentDefaults,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentDefaults {
    pub(super) model: Option<ModelChoice>,
    pub(super) instructions: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ModelChoice {
    Reference(String),
    Table { primary: Option<String> },
}

impl AgentDefaults {
    /// The key path that holds the reference, and the reference.
    pub(super) fn primary(&self) -> Option<(&'static str, &str)> {
        match self.model.as_ref()? {
            ModelChoice::Reference(text) => Some(("agents.defaults.model", text)),
            ModelChoice::Table { primary } => Some(("agents.defaults.model.primary", primary.as_deref()?)),
        }
    }
}

impl Raw {
    /// Never fails after `check`; if the two disagree, the person still gets a sentence.
    pub(super) fn from_checked(value: Value, issues: &mut Vec<Issue>) -> Self {
        serde_json::from_value(value).unwrap_or_else(|error| {
            issues.push(issue("(file)", format!("cannot be read: {error}")));
            Self::default()
        })
    }
}

/// `gateway.customBindHost`: an address, also one in brackets.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.trim().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{check, schema};
    use super::*;

    /// Every choice that the table allows is one that the types know.
    #[test]
    fn table_and_types_agree() {
        fn walk(fields: &'static [schema::Field], path: &str) {
            for field in fields {
                let here = check::join(path, field.name);
                let parts: Vec<&str> = here.split('.').collect();
                if let schema::Kind::Choice(allowed) = field.kind {
                    for choice in allowed {
                        let mut root = serde_json::json!({});
                        super::super::layers::insert(&mut root, &parts, Value::from(*choice));
                        let mut issues = Vec::new();
                        Raw::from_checked(check::root(root, &mut issues), &mut issues);
                        assert!(issues.is_empty(), "{here} {choice}: {issues:?}");
                    }
                }
                if let Some(inner) = field.kind.fields() {
                    walk(inner, &here);
                }
            }
        }
        walk(schema::ROOT, "");
    }
}
