//! What a job may say, and how a change to it is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::schedule;
use crate::automation::Error;
use crate::protocol::cron::{Definition, Delivery, DeliveryMode, DeliveryPreview, Payload, Schedule};
use crate::sessions::SessionKey;

const MAX_NAME: usize = 200;
/// Longest text of a payload, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Letters of the payload that name a job without a name.
const NAME_FROM_TEXT: usize = 60;
/// Conditions, dynamic cadence and alerts: promises that nothing here could keep.
const REFUSED: [&str; 3] = ["trigger", "pacing", "failureAlert"];
const MAIN: &str = "main";
const ISOLATED: &str = "isolated";

/// Reads what was sent for a new job at `now`.
pub(super) fn read(mut fields: Map<String, Value>, agent_id: &str, now: u64) -> Result<Definition, Error> {
    fields.retain(|_, value| !value.is_null());
    checked(decode(fields)?, agent_id, now)
}

/// Reads a change to a job at `now`. A schedule that is named is counted anew from now.
pub(super) fn patched(
    before: &Definition,
    patch: Map<String, Value>,
    agent_id: &str,
    now: u64,
) -> Result<Definition, Error> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(before) else {
        return Err(Error::Invalid("at /patch: must be object".to_owned()));
    };
    let mut reschedules = false;
    for (key, value) in patch {
        // Not to be changed: it is how the job is known.
        if key == "declarationKey" {
            continue;
        }
        if key == "name" && value.as_str().is_none_or(|name| name.trim().is_empty()) {
            return Err(Error::Invalid("automation name is required".to_owned()));
        }
        reschedules |= key == "schedule";
        match (key.as_str(), value, fields.get_mut(&key)) {
            (_, Value::Null, _) => {
                fields.remove(&key);
            }
            ("payload" | "delivery", Value::Object(change), Some(Value::Object(known)))
                if is_same_kind(known, &change) =>
            {
                for (key, value) in change {
                    if value.is_null() {
                        known.remove(&key);
                    } else {
                        known.insert(key, value);
                    }
                }
            }
            (_, value, _) => {
                fields.insert(key, value);
            }
        }
    }
    let definition = decode(fields)?;
    if reschedules {
        return checked(definition, agent_id, now);
    }
    // What was well when it was written stays so: a one-shot whose time is over can still be renamed.
    let schedule = definition.schedule.clone();
    let probe = Definition { schedule: Schedule::Every { every_ms: 1, anchor_ms: None }, ..definition };
    Ok(Definition { schedule, ..checked(probe, agent_id, now)? })
}

/// Reads a declaration of a job that is there: the same again changes nothing, and the anchor of an interval stays.
pub(super) fn declared_again(
    before: &Definition,
    fields: Map<String, Value>,
    agent_id: &str,
    now: u64,
) -> Result<Definition, Error> {
    let mut after = read(fields, agent_id, now)?;
    if let (Schedule::Every { every_ms, anchor_ms }, Schedule::Every { every_ms: known, anchor_ms: anchor }) =
        (&mut after.schedule, &before.schedule)
        && every_ms == known
    {
        *anchor_ms = *anchor;
    }
    Ok(after)
}

fn is_same_kind(known: &Map<String, Value>, change: &Map<String, Value>) -> bool {
    ["kind", "mode"].iter().all(|key| change.get(*key).is_none_or(|value| known.get(*key) == Some(value)))
}

fn decode(mut fields: Map<String, Value>) -> Result<Definition, Error> {
    if let Some(key) = REFUSED.iter().find(|key| fields.get(**key).is_some_and(|value| *value != json!(false))) {
        return Err(Error::Invalid(format!("at /{key}: not supported by this gateway")));
    }
    // A target that is none we know is `isolated`, as the real gateway has it.
    let target = fields.get("sessionTarget").and_then(Value::as_str).unwrap_or_default();
    if target != MAIN && !target.starts_with("session:") {
        let is_event = fields.get("payload").and_then(|payload| payload.get("kind")) == Some(&json!("systemEvent"));
        let target = if target.is_empty() && is_event { MAIN } else { ISOLATED };
        fields.insert("sessionTarget".to_owned(), json!(target));
    }
    fields.entry("name").or_insert_with(|| json!(""));
    let problem = |error: serde_path_to_error::Error<serde_json::Error>| {
        let path = error.path().to_string().replace('.', "/");
        let place = if path == "/" { "at root".to_owned() } else { format!("at /{path}") };
        Error::Invalid(format!("{place}: {}", error.inner()))
    };
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(problem)
}

fn checked(mut definition: Definition, agent_id: &str, now: u64) -> Result<Definition, Error> {
    if let Some(agent) = definition.agent_id.as_deref().filter(|agent| *agent != agent_id) {
        return Err(Error::UnknownAgent(agent.to_owned()));
    }
    definition.schedule = schedule::normalised(definition.schedule, now)?;
    let text = match &definition.payload {
        Payload::SystemEvent { text } => text,
        Payload::AgentTurn { message, .. } => message,
    };
    if text.trim().is_empty() || text.len() > MAX_TEXT {
        return Err(Error::Invalid(format!("at /payload: want a text of at most {MAX_TEXT} bytes")));
    }
    definition.name = definition.name.trim().to_owned();
    if definition.name.is_empty() {
        definition.name = text.trim().chars().take(NAME_FROM_TEXT).collect();
    }
    let labels = [Some(&definition.name), definition.display_name.as_ref(), definition.declaration_key.as_ref()];
    if labels.into_iter().flatten().any(|label| label.trim().is_empty() || label.chars().count() > MAX_NAME) {
        return Err(Error::Invalid(format!("names have 1 to {MAX_NAME} letters")));
    }
    check_target(&definition, agent_id)?;
    if definition.delivery.is_none() && matches!(definition.payload, Payload::AgentTurn { .. }) {
        definition.delivery = Some(Delivery {
            mode: DeliveryMode::Announce,
            channel: None,
            to: None,
            account_id: None,
            thread_id: None,
            best_effort: None,
        });
    }
    // A one-shot goes when it has run, unless told.
    if matches!(definition.schedule, Schedule::At { .. }) {
        definition.delete_after_run.get_or_insert(true);
    }
    Ok(definition)
}

fn check_target(definition: &Definition, agent_id: &str) -> Result<(), Error> {
    let is_event = matches!(definition.payload, Payload::SystemEvent { .. });
    match (definition.session_target.as_str(), is_event) {
        (MAIN, false) => {
            Err(Error::Invalid("main cron jobs require payload.kind=\"systemEvent\" or \"script\"".to_owned()))
        }
        (MAIN, true) => Ok(()),
        (_, true) => Err(Error::Invalid(
            "isolated cron jobs require payload.kind=\"agentTurn\", \"command\", or \"script\"; script payloads do not \
             support current/session targets"
                .to_owned(),
        )),
        (target, false) => {
            let named = target.strip_prefix("session:").map(|key| SessionKey::parse(key, agent_id));
            let key = definition.session_key.as_deref().map(|key| SessionKey::parse(key, agent_id));
            for key in [named, key].into_iter().flatten() {
                let key = key.map_err(|error| Error::Invalid(format!("at /sessionTarget: {error}")))?;
                if key.agent() != agent_id {
                    return Err(Error::UnknownAgent(key.agent().to_owned()));
                }
            }
            Ok(())
        }
    }
}

/// A name for what a value says.
pub(super) fn revision(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    format!("sha256:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes())))
}

/// Where the answer of a job would go.
pub(super) fn delivery_preview(definition: &Definition) -> DeliveryPreview {
    let not_requested = || DeliveryPreview { label: "not requested".to_owned(), detail: "not requested".to_owned() };
    let Some(delivery) = &definition.delivery else { return not_requested() };
    let target = delivery.to.as_deref().or(delivery.channel.as_deref()).unwrap_or("last");
    let mode = match delivery.mode {
        DeliveryMode::None => return not_requested(),
        DeliveryMode::Announce => "announce",
        DeliveryMode::Webhook => "webhook",
    };
    DeliveryPreview {
        label: format!("{mode} -> {target}"),
        detail: format!("{target} -> no route, will fail-closed: {}", super::NO_CHANNEL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn event() -> Value {
        json!({
            "name": "a", "schedule": { "kind": "every", "everyMs": 1000 }, "sessionTarget": "main",
            "payload": { "kind": "systemEvent", "text": "hi" },
        })
    }

    fn turn(extra: &Value) -> Map<String, Value> {
        let mut turn = fields(json!({
            "name": "t", "schedule": { "kind": "at", "at": "1970-01-02" }, "sessionTarget": "isolated",
            "payload": { "kind": "agentTurn", "message": "hi", "thinking": "high" },
        }));
        turn.extend(fields(extra.clone()));
        turn
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let job = read(turn(&json!({ "name": " ", "sessionTarget": "current" })), "main", 5).unwrap();
        assert_eq!((job.name.as_str(), job.session_target.as_str(), job.enabled), ("hi", "isolated", true));
        assert_eq!(
            (job.delete_after_run, job.delivery.map(|delivery| delivery.mode)),
            (Some(true), Some(DeliveryMode::Announce))
        );
        let job = read(fields(event()), "main", 5).unwrap();
        assert_eq!(job.schedule, Schedule::Every { every_ms: 1000, anchor_ms: Some(5) });
        assert!(job.delivery.is_none());
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (extra, part) in [
            (json!({ "sessionTarget": "main" }), "main cron jobs require"),
            (json!({ "payload": { "kind": "command", "argv": ["ls"] } }), "/payload"),
            (json!({ "payload": { "kind": "systemEvent", "text": "x" } }), "isolated cron jobs require"),
            (json!({ "trigger": { "script": "x" } }), "/trigger"),
            (json!({ "schedule": { "kind": "on-exit", "command": "x" } }), "/schedule"),
            (json!({ "sessionTarget": "session:agent:other:x" }), "other"),
            (json!({ "agentId": "other" }), "other"),
            (json!({ "name": "x".repeat(300) }), "names"),
        ] {
            let error = read(turn(&extra), "main", 5).unwrap_err().to_string();
            assert!(error.contains(part), "{extra}: {error}");
        }
        let mut without = turn(&json!({}));
        without.remove("schedule");
        assert!(read(without, "main", 5).is_err());
    }

    #[test]
    fn a_change_merges_within_a_kind_and_null_removes() {
        let before = read(turn(&json!({ "description": "d" })), "main", 5).unwrap();
        let patch = json!({ "description": null, "enabled": false, "payload": { "thinking": null, "message": "new" } });
        let far = 10 * 86_400_000;
        let after = patched(&before, fields(patch), "main", far).unwrap();
        assert_eq!((after.description, after.enabled), (None, false));
        let Payload::AgentTurn { message, thinking, .. } = after.payload else { panic!("a turn") };
        assert_eq!((message.as_str(), thinking), ("new", None));
        assert_eq!(after.schedule, before.schedule, "a time that is over is no fault of a new name");
        let past = json!({ "schedule": { "kind": "at", "at": "1970-01-02" } });
        assert!(patched(&before, fields(past), "main", far).is_err());
        let other = json!({ "payload": { "kind": "systemEvent", "text": "x" } });
        assert!(patched(&before, fields(other.clone()), "main", far).is_err(), "an event belongs into main");
        let both = json!({ "payload": other["payload"], "sessionTarget": "main" });
        assert!(patched(&before, fields(both), "main", far).is_ok());
    }

    #[test]
    fn fuzz_definitions() {
        let turn = json!({
            "name": "a", "description": "b", "enabled": true, "schedule": { "kind": "cron", "expr": "0 9 * * *", "tz": "UTC" },
            "sessionTarget": "isolated", "wakeMode": "now", "deleteAfterRun": false,
            "payload": { "kind": "agentTurn", "message": "hi", "timeoutSeconds": 5 }, "delivery": { "mode": "none" },
        });
        crate::fuzz::fuzz_json(&[&event().to_string(), &turn.to_string()], |value| {
            let Value::Object(fields) = value else { return };
            if let Ok(known) = read(fields.clone(), "main", 1_795_244_400_000) {
                let _ = delivery_preview(&known);
                let same = self::fields(serde_json::to_value(&known).unwrap());
                let again = patched(&known, same, "main", 1_795_244_400_000).expect("what was taken is taken again");
                assert_eq!(revision(&again), revision(&known));
                let _ = patched(&known, fields.clone(), "main", 1_795_244_400_000);
            }
        });
    }
}
