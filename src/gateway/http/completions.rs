//! `POST /v1/chat/completions`, whole and streamed; `GET /v1/models`; `POST /v1/embeddings`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::openai::{self, NO_ANSWER, completion_usage, internal, invalid, is_answered};
use super::shape::Fields;
use super::turn::{Step, Turn};
use super::{answer, auth, dialogue};
use crate::clock::now_ms;
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::protocol::Scope;

/// As OpenClaw's: room for a long conversation.
const MAX_BODY: usize = 20 * 1024 * 1024;
const MAX_EMBEDDINGS_BODY: usize = 5 * 1024 * 1024;

/// What a chat completion asks for.
struct Wish {
    model: String,
    prompt: String,
    user: Option<String>,
    streams: bool,
    with_usage: bool,
}

impl Wish {
    fn read(payload: &Value) -> Result<Self, String> {
        let fields = Fields::of(payload)?;
        let model = fields.text("model")?.unwrap_or(openai::MODEL);
        let streams = fields.flag("stream")?.unwrap_or_default();
        let messages = fields.list("messages")?.unwrap_or_default();
        let user = fields.text("user")?;
        check_sampling(fields)?;
        if dialogue::has_more_than_text(messages) {
            // The agent cannot see pictures yet: to leave one out would be to answer another question.
            return Err("Invalid image_url content in `messages`.".to_owned());
        }
        let with_usage = payload.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self {
            model: model.to_owned(),
            prompt: dialogue::of_messages(messages, None).ok_or("Missing user message in `messages`.")?,
            user: user.map(str::to_owned),
            streams,
            with_usage,
        })
    }
}

/// Checked as OpenClaw does, so that a wrong value shows; the agent's own settings decide how it samples.
fn check_sampling(fields: Fields<'_>) -> Result<(), String> {
    for name in ["max_tokens", "max_completion_tokens"] {
        fields.positive(name)?;
    }
    let ranges = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
    ];
    for (name, least, most) in ranges {
        if fields.number(name)?.is_some_and(|number| !(least..=most).contains(&number)) {
            return Err(format!("`{name}` must be between {least} and {most}."));
        }
    }
    Ok(())
}

/// The head of every object of one completion.
#[derive(Clone)]
struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Identity {
    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        })
    }

    fn delta(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        self.chunk(json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]))
    }

    fn whole(&self, content: &str, usage: Value) -> Value {
        let message = json!({ "role": "assistant", "content": content });
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }], "usage": usage,
        })
    }
}

pub(super) async fn complete(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let payload = match auth::program_body(&gateway, &peer, &headers, body, MAX_BODY).await {
        Ok(payload) => payload,
        Err(refusal) => return refusal,
    };
    let read = Wish::read(&payload).and_then(|wish| {
        let key = openai::session_of(&gateway, &headers, &wish.model, wish.user.as_deref(), "openai")?;
        Ok((wish, key))
    });
    let (wish, key) = match read {
        Ok(read) => read,
        Err(message) => return invalid(&message),
    };
    let identity =
        Identity { id: format!("chatcmpl_{}", uuid::Uuid::new_v4()), created: now_ms() / 1_000, model: wish.model };
    let turn = match Turn::begin(&gateway, key, wish.prompt, identity.id.clone()).await {
        Ok(turn) => turn,
        Err(error) => return openai::not_begun(&error),
    };
    if wish.streams {
        return openai::events(chunks(turn, identity, wish.with_usage));
    }
    match turn.end().await {
        Some(outcome) if is_answered(&outcome) => {
            let content = if outcome.text.is_empty() { NO_ANSWER } else { &outcome.text };
            Json(identity.whole(content, completion_usage(&outcome.usage))).into_response()
        }
        _ => internal(),
    }
}

/// The answer as it grows; the run is stopped when the stream is dropped.
fn chunks(
    turn: Turn,
    identity: Identity,
    with_usage: bool,
) -> impl futures_util::Stream<Item = Result<String, Infallible>> + Send {
    let first = data(&identity.delta(json!({ "role": "assistant" }), None));
    let rest = stream::unfold(Some((turn, identity)), move |state| async move {
        let (mut turn, identity) = state?;
        Some(match turn.next().await {
            Step::Said(text) => (Ok(data(&identity.delta(json!({ "content": text }), None))), Some((turn, identity))),
            Step::Ended(outcome) if is_answered(&outcome) => {
                let mut end = data(&identity.delta(json!({}), Some("stop")));
                if with_usage {
                    let usage = completion_usage(&outcome.usage);
                    end.push_str(&data(&answer::with(identity.chunk(json!([])), "usage", usage)));
                }
                (Ok(end + DONE), None)
            }
            Step::Ended(_) | Step::Broken => {
                let error = json!({ "error": { "message": "internal error", "type": "api_error" } });
                (Ok(data(&error) + DONE), None)
            }
        })
    });
    stream::StreamExt::chain(stream::once(async move { Ok(first) }), rest)
}

const DONE: &str = "data: [DONE]\n\n";

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn model_row(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "openclaw", "permission": [] })
}

pub(super) async fn models(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = auth::require_program(&gateway, &peer, &headers, Scope::Read).await {
        return refusal;
    }
    let rows: Vec<Value> = openai::models(&gateway).iter().map(|id| model_row(id)).collect();
    Json(json!({ "object": "list", "data": rows })).into_response()
}

pub(super) async fn model(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = auth::require_program(&gateway, &peer, &headers, Scope::Read).await {
        return refusal;
    }
    if openai::agent_of_model(&id, openai::MODEL).is_none() {
        return invalid("Invalid model id.");
    }
    match openai::models(&gateway).iter().find(|known| **known == id) {
        Some(known) => Json(model_row(known)).into_response(),
        None => answer::error(StatusCode::NOT_FOUND, "invalid_request_error", &format!("Model '{id}' not found.")),
    }
}

/// No embedding model can be configured: a right request gets the answer that OpenClaw gives without one.
pub(super) async fn embed(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let payload = match auth::program_body(&gateway, &peer, &headers, body, MAX_EMBEDDINGS_BODY).await {
        Ok(payload) => payload,
        Err(refusal) => return refusal,
    };
    let own = gateway.http.agent.id();
    match check_embeddings(&payload, own) {
        Ok(()) => internal(),
        Err(message) => invalid(&message),
    }
}

fn check_embeddings(payload: &Value, own_agent: &str) -> Result<(), String> {
    let fields = Fields::of(payload)?;
    let model = fields.text("model")?.filter(|model| !model.trim().is_empty()).ok_or("Missing `model`.")?;
    let agent =
        openai::agent_of_model(model, own_agent).ok_or("Invalid `model`. Use `openclaw` or `openclaw/<agentId>`.")?;
    if agent != own_agent {
        return Err(format!("Unknown agent '{agent}'."));
    }
    match fields.raw("input") {
        None => Err("`input` must be a string or an array of strings.".to_owned()),
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(Value::Array(texts)) if !texts.iter().all(Value::is_string) => Err("input: Invalid input".to_owned()),
        Some(Value::Array(texts)) if texts.iter().any(|text| text.as_str().is_some_and(|text| !text.is_empty())) => {
            Ok(())
        }
        Some(Value::String(_) | Value::Array(_)) => {
            Err("`input` must contain at least one non-empty string.".to_owned())
        }
        Some(_) => Err("input: Invalid input".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_bodies() {
        let whole = r#"{"model":"openclaw","stream":true,"stream_options":{"include_usage":true},"user":"u","max_tokens":5,
            "temperature":0.5,"messages":[{"role":"system","content":"s"},{"role":"user","content":[
            {"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aaaa"}}]}]}"#;
        crate::fuzz::fuzz_json(&[whole, r#"{"messages":[]}"#], |body| {
            if let Ok(wish) = Wish::read(body) {
                assert!(!wish.prompt.is_empty());
            }
        });
    }
}
