//! `system.run`: what of its params reaches the node, and what has to stand behind an approval in them.
//!
//! A node runs a command without asking its own person when it is told `approved`. So that an operator with
//! `operator.write` cannot say so by itself, the word is never handed on as it came: a record of `exec.approval.*` has to
//! stand behind it, asked for by the same caller, for this node, decided a moment ago; and what is run is what was
//! approved. Two ways of the real gateway are not there: its own programs redeeming what its page has asked for, and
//! `ask-fallback`, which runs what nobody has decided about.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Error;
use crate::approvals::{self, Approvals, Backing, Claim, Requester, Unbacked};
use crate::store;

/// What is handed on.
const FORWARDED: [&str; 11] = [
    "command",
    "rawCommand",
    "systemRunPlan",
    "cwd",
    "env",
    "timeoutMs",
    "needsScreenRecording",
    "agentId",
    "sessionKey",
    "runId",
    "suppressNotifyOnExit",
];

/// The params as the node gets them.
///
/// # Errors
/// They claim an approval that nothing stands behind, or make no sense.
pub(super) async fn forwarded(
    approvals: &Approvals,
    node_id: &str,
    by: &Requester,
    params: Option<Value>,
) -> Result<Option<Value>, Error> {
    // Anything but an object holds no controls; the node says what it thinks of it.
    let Some(Value::Object(params)) = params else { return Ok(params) };
    if let Some(run_id) = claimed(&params)? {
        let fallback = params.get("approvalSource").is_some_and(|source| !source.is_null());
        let Some(env) = env_of(&params).filter(|_| !fallback) else {
            return Err(unbacked(if fallback { Unbacked::NotAllowed } else { Unbacked::EnvDiffers }, run_id));
        };
        let redeemed = approvals.redeem(&Claim { id: &run_id, node_id, by, env: &env }).await;
        return match redeemed {
            Ok(Ok(backing)) => approved(picked(params), &backing).map(Some),
            Ok(Err(why)) => Err(unbacked(why, run_id)),
            Err(approvals::Error::Store(error)) => Err(error.into()),
            Err(_) => Err(refused("APPROVALS_UNAVAILABLE", "exec approvals unavailable", None)),
        };
    }
    if text(&params, "rawCommand").is_some() && params.get("command").is_none_or(Value::is_null) {
        return Err(refused("MISSING_COMMAND", "rawCommand requires params.command", None));
    }
    Ok(Some(Value::Object(picked(params))))
}

/// The variables that were sent; `None` where they are no texts, which nobody can have approved.
fn env_of(params: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    match params.get("env") {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(env) => serde_json::from_value(env.clone()).ok(),
    }
}

/// What was approved takes the place of what was sent. The node holds the shown command against the one that is run.
fn approved(mut params: Map<String, Value>, backing: &Backing) -> Result<Value, Error> {
    let plan = &backing.plan;
    let corrupt = |_| Error::Store(store::Error::Corrupt("an approval"));
    params.insert("command".to_owned(), json!(plan.argv));
    params.insert("rawCommand".to_owned(), json!(plan.command_text));
    params.insert("systemRunPlan".to_owned(), serde_json::to_value(plan).map_err(corrupt)?);
    for (key, value) in [("cwd", &plan.cwd), ("agentId", &plan.agent_id), ("sessionKey", &plan.session_key)] {
        match value.as_deref().map(str::trim).filter(|value| !value.is_empty()) {
            Some(value) => params.insert(key.to_owned(), json!(value)),
            None => params.remove(key),
        };
    }
    params.insert("approved".to_owned(), json!(true));
    params.insert("approvalDecision".to_owned(), json!(backing.decision));
    Ok(Value::Object(params))
}

/// The run id under which an approval is claimed; `None` where none is.
fn claimed(params: &Map<String, Value>) -> Result<Option<String>, Error> {
    let source = params.get("approvalSource").filter(|source| !source.is_null());
    let has = |key: &str| params.contains_key(key);
    match source {
        Some(source) if source != "ask-fallback" => {
            return Err(refused("INVALID_APPROVAL_SOURCE", "approval source invalid", None));
        }
        Some(_) if has("approved") || has("approvalDecision") => {
            let problem = "approval source cannot be combined with explicit approval";
            return Err(refused("APPROVAL_SOURCE_MISMATCH", problem, None));
        }
        _ => {}
    }
    let is_approved = params.get("approved") == Some(&Value::Bool(true));
    let is_decided = matches!(text(params, "approvalDecision"), Some("allow-once" | "allow-always"));
    if !is_approved && !is_decided && source.is_none() {
        return Ok(None);
    }
    match text(params, "runId") {
        Some(run_id) => Ok(Some(run_id.to_owned())),
        None => Err(refused("MISSING_RUN_ID", "approval override requires params.runId", None)),
    }
}

fn unbacked(why: Unbacked, run_id: String) -> Error {
    let (code, problem) = match why {
        Unbacked::Unknown => ("UNKNOWN_APPROVAL_ID", "unknown or expired approval id"),
        Unbacked::Expired => ("APPROVAL_EXPIRED", "approval expired"),
        Unbacked::NoNode => ("APPROVAL_NODE_BINDING_MISSING", "approval id missing node binding"),
        Unbacked::OtherNode => ("APPROVAL_NODE_MISMATCH", "approval id not valid for this node"),
        Unbacked::OtherDevice => ("APPROVAL_DEVICE_MISMATCH", "approval id not valid for this device"),
        Unbacked::OtherClient => ("APPROVAL_CLIENT_MISMATCH", "approval id not valid for this client"),
        Unbacked::EnvMissing => {
            ("APPROVAL_ENV_BINDING_MISSING", "approval id missing env binding for requested env overrides")
        }
        Unbacked::EnvDiffers => ("APPROVAL_ENV_MISMATCH", "approval id env binding mismatch"),
        Unbacked::NotAllowed => ("APPROVAL_REQUIRED", "approval required"),
    };
    refused(code, problem, Some(run_id))
}

fn refused(code: &'static str, message: &'static str, run_id: Option<String>) -> Error {
    Error::SystemRun { code, message, run_id }
}

fn text<'a>(params: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    params.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn picked(mut params: Map<String, Value>) -> Map<String, Value> {
    let run_id = text(&params, "runId").map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let mut picked: Map<String, Value> =
        FORWARDED.iter().filter_map(|key| Some(((*key).to_owned(), params.remove(*key)?))).collect();
    // Not a number: the node's own limit counts. Nothing or less than nothing: no limit.
    match picked.remove("timeoutMs").as_ref().and_then(Value::as_f64) {
        Some(limit) if limit >= 1.0 => picked.insert("timeoutMs".to_owned(), json!(limit.trunc())),
        Some(_) => picked.insert("timeoutMs".to_owned(), Value::Null),
        None => None,
    };
    picked.insert("runId".to_owned(), json!(run_id));
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn controls_are_never_handed_on() {
        let sent = json!({
            "command": ["ls"], "cwd": "/", "approved": false, "approvalDecision": "deny", "approvalSource": null,
            "other": 1, "runId": " r ", "timeoutMs": 1500.7,
        });
        assert_eq!(
            Value::Object(picked(object(sent))),
            json!({"command": ["ls"], "cwd": "/", "timeoutMs": 1500.0, "runId": "r"})
        );
        let given = picked(object(json!({"timeoutMs": 0})));
        assert_eq!(given["timeoutMs"], Value::Null);
        assert!(!given["runId"].as_str().unwrap().is_empty(), "a run always has an id");
    }

    #[test]
    fn a_claim_has_to_name_its_record() {
        for (sent, code) in [
            (json!({"approved": true}), "MISSING_RUN_ID"),
            (json!({"approvalDecision": "allow-always", "runId": " "}), "MISSING_RUN_ID"),
            (json!({"approvalSource": "me"}), "INVALID_APPROVAL_SOURCE"),
            (json!({"approvalSource": "ask-fallback", "approved": false}), "APPROVAL_SOURCE_MISMATCH"),
            (json!({"approvalSource": "ask-fallback"}), "MISSING_RUN_ID"),
        ] {
            let Err(Error::SystemRun { code: given, .. }) = claimed(&object(sent.clone())) else { panic!("{sent}") };
            assert_eq!(given, code, "{sent}");
        }
        let claim = |sent: Value| claimed(&object(sent)).unwrap();
        assert_eq!(claim(json!({"approved": true, "runId": "r"})), Some("r".to_owned()));
        assert_eq!(claim(json!({"approved": "true", "approvalDecision": "deny"})), None, "that claims nothing");
    }
}
