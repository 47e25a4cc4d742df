//! `hooks.mappings`: from what a service sends by itself to a wake or a message.

use std::collections::BTreeMap;

use serde_json::Value;

use super::payload::{AgentHook, WakeHook};
use super::template::{self, Source};
use super::{Call, Fault};
use crate::config::HookMapping;

pub(super) enum Action {
    Wake(WakeHook),
    Agent(AgentHook),
}

/// The first mapping that fits. `None`: there is no such hook.
pub(super) fn apply(call: &Call<'_>) -> Result<Option<Action>, Fault> {
    let Some(mapping) = call.settings.mappings.iter().find(|mapping| fits(mapping, call)) else {
        return Ok(None);
    };
    let headers: BTreeMap<String, String> = call
        .headers
        .iter()
        .filter(|(name, _)| !is_secret(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let source = Source { payload: call.payload, headers: &headers, query: call.query, path: call.name };
    let text = template::render(&mapping.template, &source).trim().to_owned();
    let session_key = match mapping.session_key.as_deref().map(|key| template::render(key, &source).trim().to_owned()) {
        Some(key) if key.is_empty() => return Err("hook mapping sessionKey template rendered empty".into()),
        key => key,
    };
    let agent_id = mapping.agent_id.clone();
    if mapping.wakes {
        if text.is_empty() {
            return Err("hook mapping requires text".into());
        }
        return Ok(Some(Action::Wake(WakeHook { text, now: mapping.wakes_now, agent_id, session_key })));
    }
    if text.is_empty() {
        return Err("hook mapping requires message".into());
    }
    let title = mapping.name.as_deref().map(|name| template::render(name, &source).trim().to_owned());
    Ok(Some(Action::Agent(AgentHook {
        message: text,
        title: title.filter(|title| !title.is_empty()).unwrap_or_else(|| "Hook".to_owned()),
        agent_id,
        session_key,
        timeout_seconds: mapping.timeout_seconds,
    })))
}

fn fits(mapping: &HookMapping, call: &Call<'_>) -> bool {
    mapping.path.as_deref().is_none_or(|path| path == call.name)
        && mapping
            .source
            .as_deref()
            .is_none_or(|source| call.payload.get("source").and_then(Value::as_str) == Some(source))
}

/// A template is the owner's, but what it renders goes to a model.
fn is_secret(header: &str) -> bool {
    matches!(header, "authorization" | "x-openclaw-token" | "cookie" | "proxy-authorization")
}
