//! `hooks.*`: what other services may set off.

use super::super::issue;
use super::super::raw::{HookAction, HookMapping as RawMapping, Hooks};
use crate::protocol::config::Issue;
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct HookSettings {
    /// Begins with a slash and ends without one.
    pub path: String,
    pub token: Secret<String>,
    pub default_session_key: Option<String>,
    /// Whether a caller may name the session itself.
    pub allow_request_session_key: bool,
    /// `None`: any.
    pub allowed_session_key_prefixes: Option<Vec<String>>,
    /// `None`: any.
    pub allowed_agent_ids: Option<Vec<String>>,
    pub mappings: Vec<HookMapping>,
}

/// Turns what another service sends by itself into a message. Templates name parts of it: `{{payload.title}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookMapping {
    /// The rest of the path after `hooks.path`; `None`: any.
    pub path: Option<String>,
    /// What the payload's `source` has to be.
    pub source: Option<String>,
    pub wakes: bool,
    /// Of a wake: at once, not with the next heartbeat.
    pub wakes_now: bool,
    pub name: Option<String>,
    pub agent_id: Option<String>,
    pub session_key: Option<String>,
    /// Of the message, or of a wake's text.
    pub template: String,
    pub timeout_seconds: Option<u64>,
}

const DEFAULT_PATH: &str = "/hooks";
const DEFAULT_SESSION: &str = "hook:example";

pub(super) fn resolve(
    raw: &Hooks,
    gateway_secret: Option<&Secret<String>>,
    issues: &mut Vec<Issue>,
) -> Option<HookSettings> {
    if !raw.enabled {
        return None;
    }
    let Some(token) = raw.token.clone() else {
        issues.push(issue("hooks.token", "is needed where hooks.enabled is true: set it to a long random text"));
        return None;
    };
    if gateway_secret.is_some_and(|secret| secret.matches(token.expose())) {
        let why = "whoever may set off a hook could do everything else, too";
        issues.push(issue("hooks.token", format!("must not be the gateway's own secret: {why}; choose another")));
    }
    let path = format!("/{}", raw.path.as_deref().unwrap_or(DEFAULT_PATH).trim().trim_matches('/'));
    if path == "/" {
        issues.push(issue("hooks.path", "may not be \"/\": every other path lies under it; for example \"/hooks\""));
    }
    let mappings: Vec<HookMapping> = raw.mappings.iter().map(mapping).collect();
    check_sessions(raw, &mappings, issues);
    Some(HookSettings {
        path,
        token,
        default_session_key: raw.default_session_key.clone(),
        allow_request_session_key: raw.allow_request_session_key,
        allowed_session_key_prefixes: raw.allowed_session_key_prefixes.clone(),
        allowed_agent_ids: raw.allowed_agent_ids.clone().filter(|ids| !ids.iter().any(|id| id == "*")),
        mappings,
    })
}

fn check_sessions(raw: &Hooks, mappings: &[HookMapping], issues: &mut Vec<Issue>) {
    let prefixes = raw.allowed_session_key_prefixes.as_deref();
    let fits =
        |key: &str| prefixes.is_none_or(|prefixes| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())));
    match raw.default_session_key.as_deref() {
        Some(key) if !fits(key) => {
            issues.push(issue("hooks.defaultSessionKey", "must match hooks.allowedSessionKeyPrefixes"));
        }
        None if !fits(DEFAULT_SESSION) => issues.push(issue(
            "hooks.allowedSessionKeyPrefixes",
            "must include \"hook:\" when hooks.defaultSessionKey is unset",
        )),
        _ => {}
    }
    let templated = |mapping: &HookMapping| mapping.session_key.as_deref().is_some_and(|key| key.contains("{{"));
    if prefixes.is_none() && mappings.iter().any(templated) {
        issues.push(issue(
            "hooks.allowedSessionKeyPrefixes",
            "is required when a hook mapping sessionKey uses templates, even if hooks.allowRequestSessionKey=true",
        ));
    }
}

fn mapping(raw: &RawMapping) -> HookMapping {
    let wakes = raw.action == HookAction::Wake;
    let template = if wakes { &raw.text_template } else { &raw.message_template };
    HookMapping {
        path: raw.matches.path.as_deref().map(|path| path.trim().trim_matches('/').to_owned()),
        source: raw.matches.source.clone(),
        wakes,
        wakes_now: raw.wake_mode.as_deref() != Some("next-heartbeat"),
        name: raw.name.clone(),
        agent_id: raw.agent_id.clone(),
        session_key: raw.session_key.clone(),
        template: template.clone().unwrap_or_default(),
        timeout_seconds: raw.timeout_seconds,
    }
}
