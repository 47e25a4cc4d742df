//! What was sent as a request becomes what is asked, and what is stored becomes what is told.

use super::display::shown;
use super::{Error, Verdict};
use crate::protocol::approvals::{
    Decision, GetReply, Kind, Presentation, Request, RequestParams, Snapshot, Source, Status,
};
use crate::store::StoredApproval;

/// Longest command that somebody can be asked to read, in letters.
const MAX_COMMAND: usize = 16 * 1024;
/// Longest other text, in bytes.
const MAX_TEXT: usize = 4 * 1024;
const MAX_ID: usize = 128;

pub(super) fn request(params: RequestParams) -> Result<Request, Error> {
    let host = trimmed(params.host.as_deref());
    let node_id = trimmed(params.node_id.as_deref());
    let is_node = host.as_deref() == Some("node");
    if is_node && node_id.is_none() {
        return Err(Error::Invalid("nodeId is required for host=node"));
    }
    let plan = params.system_run_plan.filter(|_| is_node);
    if is_node && plan.is_none() {
        return Err(Error::Invalid("systemRunPlan is required for host=node"));
    }
    let argv = params.command_argv.filter(|argv| !argv.is_empty());
    let command = match (&plan, params.command, &argv) {
        (Some(plan), ..) => plan.command_text.clone(),
        (None, Some(command), _) => command,
        (None, None, Some(argv)) => argv.join(" "),
        (None, None, None) => String::new(),
    };
    if command.trim().is_empty() {
        return Err(Error::Invalid("command is required"));
    }
    if params.id.as_deref().is_some_and(|id| id.starts_with("plugin:")) {
        return Err(Error::Invalid("approval ids starting with plugin: are reserved"));
    }
    let is_id = |id: &str| !id.trim().is_empty() && id.len() <= MAX_ID && !id.chars().any(char::is_control);
    if params.id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Error::Invalid("approval ids have 1 to 128 letters"));
    }
    let command = shown(&command);
    if command.chars().count() > MAX_COMMAND {
        return Err(Error::TooLong);
    }
    let always =
        params.ask.as_deref() == Some("always") || params.unavailable_decisions.contains(&Decision::AllowAlways);
    let allowed_decisions = if always {
        vec![Decision::AllowOnce, Decision::Deny]
    } else {
        vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny]
    };
    let (cwd, agent_id, session_key) = match &plan {
        Some(plan) => (plan.cwd.clone(), plan.agent_id.clone(), plan.session_key.clone()),
        None => (params.cwd, params.agent_id, params.session_key),
    };
    let request = Request {
        command,
        command_argv: argv.filter(|_| !is_node),
        env_keys: params.env.unwrap_or_default().into_keys().collect(),
        system_run_plan: plan,
        cwd: text(cwd),
        node_id: node_id.filter(|_| is_node),
        host: text(host),
        security: text(params.security),
        ask: text(params.ask),
        warning_text: text(params.warning_text),
        allowed_decisions,
        agent_id: text(agent_id),
        resolved_path: text(params.resolved_path),
        session_key: text(session_key),
        session_id: text(params.session_id),
        run_id: text(params.run_id),
        tool_call_id: text(params.tool_call_id),
        turn_source_channel: text(params.turn_source_channel),
        turn_source_to: text(params.turn_source_to),
        turn_source_account_id: text(params.turn_source_account_id),
        turn_source_thread_id: params.turn_source_thread_id.filter(|id| id.is_string() || id.is_number()),
    };
    // What else was sent, the plan and the names of variables, is bounded as a whole.
    if serde_json::to_string(&request).map_or(0, |text| text.len()) > 16 * MAX_COMMAND {
        return Err(Error::TooLong);
    }
    Ok(request)
}

fn trimmed(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Shown, and cut to size.
fn text(text: Option<String>) -> Option<String> {
    let mut text = shown(&trimmed(text.as_deref())?);
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    Some(text)
}

pub(super) fn waiting(id: String, request: Request, expires_at_ms: u64) -> GetReply {
    GetReply {
        id,
        command_preview: preview(&request),
        command_text: request.command,
        allowed_decisions: request.allowed_decisions,
        host: request.host,
        node_id: request.node_id,
        agent_id: request.agent_id,
        expires_at_ms,
    }
}

fn preview(request: &Request) -> Option<String> {
    request.system_run_plan.as_ref().and_then(|plan| text(plan.command_preview.clone()))
}

pub(super) fn snapshot(stored: &StoredApproval, request: Request, verdict: Option<Verdict>) -> Result<Snapshot, Error> {
    Ok(Snapshot {
        id: stored.id.clone(),
        status: verdict.as_ref().map_or(Status::Pending, |verdict| verdict.status),
        presentation: Presentation {
            kind: Kind::Exec,
            command_preview: preview(&request),
            command_text: request.command,
            warning_text: request.warning_text,
            host: request.host,
            node_id: request.node_id,
            agent_id: request.agent_id.clone(),
            allowed_decisions: request.allowed_decisions,
        },
        url_path: format!("/approve/{}", stored.id),
        created_at_ms: stored.created_at,
        expires_at_ms: stored.expires_at,
        resolved_at_ms: stored.resolved_at,
        reason: verdict.as_ref().map(|verdict| verdict.reason),
        decision: verdict.as_ref().and_then(|verdict| verdict.decision),
        source: Source { agent_id: request.agent_id, session_key: request.session_key },
        resolver: verdict.map(|verdict| verdict.resolver),
    })
}
