//! Which agents a caller reaches: a grant in the tailnet's policy may be for some of them alone.
//!
//! Asked before a method is dispatched, for callers who are limited. Whatever is not known to have nothing to do with an
//! agent is taken to be about one: those that its params name, or else the gateway's own. So a method that is added later
//! is closed to limited callers until somebody says here that it may be open.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::auth::{Agents, Caller, Held};
use crate::protocol::access::Scope;
use crate::protocol::{ErrorCode, ErrorShape};
use crate::sessions::SessionKey;

/// Families that have nothing to do with an agent.
const ELSEWHERE: [&str; 17] = [
    "channels.",
    "config.",
    "device.",
    "exec.",
    "gateway.",
    "health",
    "logs.",
    "models.",
    "node.",
    "projects.",
    "status",
    "system-presence",
    "system.",
    "talk.",
    "update.",
    "users.",
    "voicewake.",
];
/// Params under these names are session keys, or lists of them.
const KEYS: [&str; 6] = ["key", "keys", "sessionKey", "parentSessionKey", "spawnedBy", "parentKey"];

/// Whether a caller with this scope may make the call, as far as agents go.
pub(super) fn check(
    caller: &Caller,
    scope: Scope,
    method: &str,
    params: Option<&RawValue>,
    own: &str,
) -> Result<(), ErrorShape> {
    if *caller.agents() == Agents::Every || ELSEWHERE.iter().any(|family| method.starts_with(family)) {
        return Ok(());
    }
    match named(params, own).into_iter().find(|agent| !caller.may_with(agent, scope)) {
        None => Ok(()),
        Some(agent) => {
            let details = json!({ "code": "AGENT_NOT_GRANTED", "agentId": agent, "requiredScopes": [scope] });
            let message = match caller.held().filter(|held| !held.permits(&agent, scope)) {
                None => format!("agent \"{agent}\" is not granted to you"),
                Some(Held { name, role, .. }) if role.needs_sandbox => format!(
                    "your operator role \"{name}\" requires a sandboxed session, and this gateway has no sandbox"
                ),
                Some(Held { name, .. }) => format!(
                    "your operator role \"{name}\" cannot work with agent \"{agent}\"; choose an allowed agent, or ask \
                     an administrator of the gateway"
                ),
            };
            Err(ErrorShape::new(ErrorCode::Forbidden, message).with_details(details))
        }
    }
}

/// The agents that params are about.
fn named(params: Option<&RawValue>, own: &str) -> BTreeSet<String> {
    let mut agents = BTreeSet::new();
    if let Some(Ok(value)) = params.map(|params| serde_json::from_str::<Value>(params.get())) {
        gather(&value, own, &mut agents);
    }
    if agents.is_empty() {
        agents.insert(own.to_owned());
    }
    agents
}

fn gather(value: &Value, own: &str, agents: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, own, agents)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(agent) if name == "agentId" => {
                        agents.insert(agent.trim().to_owned());
                    }
                    Value::String(key) if KEYS.contains(&name.as_str()) => {
                        agents.insert(of_key(key, own));
                    }
                    Value::Array(keys) if KEYS.contains(&name.as_str()) => {
                        agents.extend(keys.iter().filter_map(Value::as_str).map(|key| of_key(key, own)));
                        keys.iter().for_each(|value| gather(value, own, agents));
                    }
                    _ => gather(value, own, agents),
                }
            }
        }
        _ => {}
    }
}

/// What is no key is refused later, by whoever reads it.
fn of_key(key: &str, own: &str) -> String {
    SessionKey::parse(key, own).map_or_else(|_| own.to_owned(), |key| key.agent().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(params: &Value) -> Vec<String> {
        let raw = RawValue::from_string(params.to_string()).unwrap();
        named(Some(&raw), "main").into_iter().collect()
    }

    #[test]
    fn agents_are_named_by_ids_and_keys_and_meant_without() {
        assert_eq!(named(None, "main").into_iter().collect::<Vec<_>>(), ["main"]);
        assert_eq!(names(&json!({ "limit": 3 })), ["main"]);
        assert_eq!(names(&json!({ "sessionKey": "notes" })), ["main"]);
        assert_eq!(names(&json!({ "key": "agent:other:notes", "agentId": "third" })), ["other", "third"]);
        assert_eq!(names(&json!({ "keys": ["main", "agent:b:x"] })), ["b", "main"]);
        assert_eq!(names(&json!({ "job": { "target": [{ "sessionKey": "agent:deep:x" }] } })), ["deep"]);
        assert_eq!(names(&json!({ "key": "agent:" })), ["main"]);
    }

    #[test]
    fn fuzz_params() {
        crate::fuzz::fuzz_json(&[r#"{"sessionKey":"agent:b:x","keys":["main"],"job":{"agentId":"c"}}"#], |params| {
            assert!(!names(params).is_empty());
        });
    }
}
