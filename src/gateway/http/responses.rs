//! `POST /v1/responses`, whole and streamed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::openai::{self, NO_ANSWER, invalid, is_answered};
use super::shape::Fields;
use super::turn::{Step, Turn};
use super::{answer, auth, dialogue};
use crate::clock::now_ms;
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::protocol::chat::Usage;

const MAX_BODY: usize = 20 * 1024 * 1024;
const ROLES: [&str; 4] = ["system", "developer", "user", "assistant"];

struct Wish {
    model: String,
    prompt: String,
    user: Option<String>,
    streams: bool,
}

impl Wish {
    fn read(payload: &Value) -> Result<Self, String> {
        let fields = Fields::of(payload)?;
        let model = fields.required_text("model")?;
        let input = input(fields.raw("input"))?;
        let instructions = fields.text("instructions")?;
        fields.positive("max_output_tokens")?;
        let streams = fields.flag("stream")?.unwrap_or_default();
        let user = fields.text("user")?;
        Ok(Self {
            model: model.to_owned(),
            prompt: dialogue::of_messages(&input, instructions).ok_or("Missing user message in `input`.")?,
            user: user.map(str::to_owned),
            streams,
        })
    }
}

/// A text, or a list of messages of text: other items (pictures, calls of tools) are nothing that the agent can take.
fn input(input: Option<&Value>) -> Result<Vec<Value>, String> {
    let wrong = || "input: Invalid input".to_owned();
    match input {
        Some(Value::String(text)) => Ok(vec![json!({ "role": "user", "content": text })]),
        Some(Value::Array(items)) => {
            let is_message = |item: &Value| {
                item.get("type").and_then(Value::as_str) == Some("message")
                    && item.get("role").and_then(Value::as_str).is_some_and(|role| ROLES.contains(&role))
                    && item.get("content").is_some_and(|content| content.is_string() || content.is_array())
            };
            if !items.iter().all(is_message) || dialogue::has_more_than_text(items) {
                return Err(wrong());
            }
            Ok(items.clone())
        }
        _ => Err(wrong()),
    }
}

/// The ids of one response, and the objects that carry them.
struct Identity {
    id: String,
    message_id: String,
    created_at: u64,
    model: String,
}

impl Identity {
    fn response(&self, status: &str, output: Value, usage: &Usage) -> Value {
        json!({
            "id": self.id, "object": "response", "created_at": self.created_at, "status": status,
            "model": self.model, "output": output,
            "usage": {
                "input_tokens": usage.input,
                "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": usage.output,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": usage.input.saturating_add(usage.output),
            },
        })
    }

    fn item(&self, text: &str) -> Value {
        json!({
            "type": "message", "id": self.message_id, "role": "assistant", "content": [part(text)],
            "phase": "final_answer", "status": "completed",
        })
    }

    fn failed(&self) -> Value {
        let error = json!({ "code": "api_error", "message": "internal error" });
        answer::with(self.response("failed", json!([]), &Usage::default()), "error", error)
    }

    fn beginning(&self) -> String {
        let response = self.response("in_progress", json!([]), &Usage::default());
        let item = json!({
            "type": "message", "id": self.message_id, "role": "assistant", "content": [], "status": "in_progress",
        });
        [
            event("response.created", json!({ "response": response })),
            event("response.in_progress", json!({ "response": response })),
            event("response.output_item.added", json!({ "output_index": 0, "item": item })),
            event("response.content_part.added", self.at_part(json!({ "part": part("") }))),
        ]
        .concat()
    }

    fn delta(&self, text: &str) -> String {
        event("response.output_text.delta", self.at_part(json!({ "delta": text })))
    }

    fn end(&self, text: &str, usage: &Usage) -> String {
        let item = self.item(text);
        let response = self.response("completed", json!([item]), usage);
        [
            event("response.output_text.done", self.at_part(json!({ "text": text }))),
            event("response.content_part.done", self.at_part(json!({ "part": part(text) }))),
            event("response.output_item.done", json!({ "output_index": 0, "item": item })),
            event("response.completed", json!({ "response": response })),
            DONE.to_owned(),
        ]
        .concat()
    }

    fn failure(&self) -> String {
        event("response.failed", json!({ "response": self.failed() })) + DONE
    }

    fn at_part(&self, more: Value) -> Value {
        let mut body = json!({ "item_id": self.message_id, "output_index": 0, "content_index": 0 });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }
}

const DONE: &str = "data: [DONE]\n\n";

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text })
}

fn event(name: &str, body: Value) -> String {
    let mut data = serde_json::Map::from_iter([("type".to_owned(), json!(name))]);
    if let Value::Object(body) = body {
        data.extend(body);
    }
    format!("event: {name}\ndata: {}\n\n", Value::Object(data))
}

pub(super) async fn respond(
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
        let key = openai::session_of(&gateway, &headers, &wish.model, wish.user.as_deref(), "openresponses")?;
        Ok((wish, key))
    });
    let (wish, key) = match read {
        Ok(read) => read,
        Err(message) => return invalid(&message),
    };
    let identity = Identity {
        id: format!("resp_{}", uuid::Uuid::new_v4()),
        message_id: format!("msg_{}", uuid::Uuid::new_v4()),
        created_at: now_ms() / 1_000,
        model: wish.model,
    };
    let turn = match Turn::begin(&gateway, key, wish.prompt, identity.id.clone()).await {
        Ok(turn) => turn,
        Err(error) => return openai::not_begun(&error),
    };
    if wish.streams {
        return openai::events(parts(turn, identity));
    }
    match turn.end().await {
        Some(outcome) if is_answered(&outcome) => {
            let text = if outcome.text.is_empty() { NO_ANSWER } else { &outcome.text };
            Json(identity.response("completed", json!([identity.item(text)]), &outcome.usage)).into_response()
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Json(identity.failed())).into_response(),
    }
}

/// The run is stopped when the stream is dropped.
fn parts(turn: Turn, identity: Identity) -> impl futures_util::Stream<Item = Result<String, Infallible>> + Send {
    let first = identity.beginning();
    let rest = stream::unfold(Some((turn, identity)), |state| async move {
        let (mut turn, identity) = state?;
        Some(match turn.next().await {
            Step::Said(text) => (Ok(identity.delta(&text)), Some((turn, identity))),
            Step::Ended(outcome) if is_answered(&outcome) && outcome.text.is_empty() => {
                (Ok(identity.delta(NO_ANSWER) + &identity.end(NO_ANSWER, &outcome.usage)), None)
            }
            Step::Ended(outcome) if is_answered(&outcome) => (Ok(identity.end(&outcome.text, &outcome.usage)), None),
            Step::Ended(_) | Step::Broken => (Ok(identity.failure()), None),
        })
    });
    stream::StreamExt::chain(stream::once(async move { Ok(first) }), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_bodies() {
        let whole = r#"{"model":"openclaw","input":[{"type":"message","role":"user","content":[{"type":"input_text",
            "text":"a"}]},{"type":"function_call_output","call_id":"1","output":"x"}],"instructions":"be kind",
            "stream":false,"max_output_tokens":9,"user":"u","metadata":{"a":"b"},"previous_response_id":"r"}"#;
        crate::fuzz::fuzz_json(&[whole, r#"{"model":"openclaw","input":"hello"}"#], |body| {
            let _ = Wish::read(body);
        });
    }
}
