//! What the endpoints in OpenAI's shape share: which agent is meant, in which session, and what came of its run.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{answer, text};
use crate::agent::{self, Outcome};
use crate::gateway::Gateway;
use crate::protocol::chat::Usage;
use crate::sessions::SessionKey;
use crate::store::RunStatus;

/// The one "model" that stands for the default agent.
pub(super) const MODEL: &str = "openclaw";
const MODEL_DEFAULT: &str = "openclaw/default";
pub(super) const NO_ANSWER: &str = "No response from the agent.";
/// Sessions that belong to the gateway's own work.
const RESERVED: [&str; 3] = ["subagent:", "cron:", "acp:"];

pub(super) fn invalid(message: &str) -> Response {
    answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message)
}

/// The cause is in the log.
pub(super) fn internal() -> Response {
    answer::error(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "internal error")
}

/// The agent that a model id stands for: `openclaw`, `openclaw/<agent>`, `openclaw:<agent>` or `agent:<agent>`.
pub(super) fn agent_of_model(model: &str, default: &str) -> Option<String> {
    let model = model.trim().to_ascii_lowercase();
    if model == MODEL || model == MODEL_DEFAULT {
        return Some(default.to_owned());
    }
    let name = ["openclaw/", "openclaw:", "agent:"].iter().find_map(|prefix| model.strip_prefix(prefix))?;
    is_agent_name(name).then(|| name.to_owned())
}

fn is_agent_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_'))
}

/// The model ids that `GET /v1/models` lists.
pub(super) fn models(gateway: &Gateway) -> [String; 3] {
    [MODEL.to_owned(), MODEL_DEFAULT.to_owned(), format!("openclaw/{}", gateway.http.agent.id())]
}

/// Which session a request speaks in, as its model, its `user` and its headers say.
pub(super) fn session_of(
    gateway: &Gateway,
    headers: &HeaderMap,
    model: &str,
    user: Option<&str>,
    prefix: &str,
) -> Result<SessionKey, String> {
    let own = gateway.http.agent.id();
    let of_model = agent_of_model(model, own).ok_or("Invalid `model`. Use `openclaw` or `openclaw/<agentId>`.")?;
    let of_header = ["x-openclaw-agent-id", "x-openclaw-agent"].iter().find_map(|name| header(headers, name));
    let agent_id = of_header.unwrap_or(&of_model);
    if !agent_id.eq_ignore_ascii_case(own) {
        return Err(format!("Unknown agent '{agent_id}'."));
    }
    check_model_header(gateway, headers)?;
    let key = match (header(headers, "x-openclaw-session-key"), user.map(str::trim).filter(|user| !user.is_empty())) {
        (Some(key), _) => key.to_owned(),
        (None, Some(user)) => format!("agent:{own}:{prefix}-user:{user}"),
        // Without either, each request is a conversation of its own.
        (None, None) => format!("agent:{own}:{prefix}:{}", uuid::Uuid::new_v4()),
    };
    let key = SessionKey::parse(&key, own).map_err(|error| error.to_string())?;
    let rest = key.as_str().splitn(3, ':').nth(2).unwrap_or_default().to_ascii_lowercase();
    if RESERVED.iter().any(|prefix| rest.starts_with(prefix)) {
        return Err("`x-openclaw-session-key` cannot use reserved internal session namespaces.".to_owned());
    }
    Ok(key)
}

/// One model answers for the agent; another one cannot be had for a single request.
fn check_model_header(gateway: &Gateway, headers: &HeaderMap) -> Result<(), String> {
    let settings = gateway.http.agent.settings();
    match header(headers, "x-openclaw-model") {
        Some(model) if model != settings.model.reference() && model != settings.model.id => {
            Err(format!("Model '{model}' is not allowed for agent '{}'.", settings.agent_id))
        }
        _ => Ok(()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    text(headers, name).map(str::trim).filter(|value| !value.is_empty())
}

/// Why a run could not begin.
pub(super) fn not_begun(error: &agent::Error) -> Response {
    match error {
        agent::Error::UnknownAgent(agent) => invalid(&format!("Unknown agent '{agent}'.")),
        agent::Error::Limit(_) | agent::Error::Stopping => {
            answer::error(StatusCode::SERVICE_UNAVAILABLE, "api_error", &error.to_string())
        }
        error => {
            tracing::error!(%error, "a run for an HTTP caller could not begin");
            internal()
        }
    }
}

/// A run that was stopped by somebody else has no answer; what it said is not the whole.
pub(super) fn is_answered(outcome: &Outcome) -> bool {
    if outcome.status != RunStatus::Ok {
        tracing::warn!(error = outcome.error.as_deref().unwrap_or("stopped"), "a run for an HTTP caller has no answer");
    }
    outcome.status == RunStatus::Ok
}

pub(super) fn completion_usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

/// Server-sent events: never kept, never transformed on the way.
pub(super) fn events<S>(stream: S) -> Response
where
    S: futures_util::Stream<Item = Result<String, std::convert::Infallible>> + Send + 'static,
{
    let headers =
        [(http::header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (http::header::CACHE_CONTROL, "no-cache")];
    (headers, axum::body::Body::from_stream(stream)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_id_names_an_agent() {
        let agent = |model| agent_of_model(model, "main");
        for own in ["openclaw", " OpenClaw ", "openclaw/default", "openclaw/main", "openclaw:main", "agent:main"] {
            assert_eq!(agent(own).as_deref(), Some("main"), "{own}");
        }
        assert_eq!(agent("openclaw/other").as_deref(), Some("other"));
        for wrong in ["", "gpt-4", "openclaw/", "openclaw/a b", "openclaw/-x", "openclawmain"] {
            assert_eq!(agent(wrong), None, "{wrong}");
        }
    }
}
