//! `system.run`: what of its params reaches the node, and what has to stand behind an approval in them.
//!
//! A node runs a command without asking its own person when it is told `approved`. So that an operator with
//! `operator.write` cannot say so by itself, the word is never handed on as it came: it has to be backed by a record of
//! `exec.approval.*`. Records here do not say yet who asked for them, so nothing backs it: who asks with an approval is
//! refused in any case, with the reason that the real gateway would give first.

use serde_json::{Map, Value, json};

use super::Error;
use crate::approvals::{self, Approvals};
use crate::clock::now_ms;

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
/// They claim an approval, or make no sense.
pub(super) async fn forwarded(
    approvals: &Approvals,
    node_id: &str,
    params: Option<Value>,
) -> Result<Option<Value>, Error> {
    // Anything but an object holds no controls; the node says what it thinks of it.
    let Some(Value::Object(params)) = params else { return Ok(params) };
    if let Some(claim) = claimed(&params)? {
        return Err(judge(approvals, node_id, claim).await?);
    }
    if text(&params, "rawCommand").is_some() && params.get("command").is_none_or(Value::is_null) {
        return Err(refused("MISSING_COMMAND", "rawCommand requires params.command", None));
    }
    Ok(Some(Value::Object(picked(params))))
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

/// Why a claimed approval does not count.
async fn judge(approvals: &Approvals, node_id: &str, run_id: String) -> Result<Error, Error> {
    let record = match approvals.snapshot(&run_id).await {
        Ok(record) => record,
        Err(approvals::Error::Unknown) => {
            return Ok(refused("UNKNOWN_APPROVAL_ID", "unknown or expired approval id", Some(run_id)));
        }
        Err(approvals::Error::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(refused("APPROVALS_UNAVAILABLE", "exec approvals unavailable", None)),
    };
    let (code, problem) = match record.presentation.node_id {
        _ if now_ms() > record.expires_at_ms => ("APPROVAL_EXPIRED", "approval expired"),
        None => ("APPROVAL_NODE_BINDING_MISSING", "approval id missing node binding"),
        Some(bound) if bound != node_id => ("APPROVAL_NODE_MISMATCH", "approval id not valid for this node"),
        Some(_) => ("APPROVAL_REQUIRED", "approval required"),
    };
    Ok(refused(code, problem, Some(run_id)))
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
