//! `POST /hooks/…`: other services wake the agent or give it something to do (protocol §9).
//!
//! A token of its own opens these and nothing else. What a hook says comes from strangers: it reaches the agent framed
//! as such, in a session that the hook cannot choose unless the configuration lets it.

mod guesses;
mod mapped;
mod payload;
mod replay;
mod template;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::{answer, auth, body, path, text};
use crate::agent::{Input, Started};
use crate::config::HookSettings;
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::sessions::SessionKey;
use payload::{AgentHook, WakeHook};

use guesses::Guesses;
use replay::Replays;

/// As OpenClaw's. A webhook is a message, not a file.
const MAX_BODY: usize = 256 * 1024;
const MAX_IDEMPOTENCY_KEY: usize = 256;

/// What hooks remember between requests.
#[derive(Debug, Default)]
pub(super) struct Memory {
    guesses: Guesses,
    replays: Replays,
}

/// Answers everything at and under `hooks.path`; `name` is what follows it.
pub(super) async fn serve(
    gateway: &Gateway,
    settings: &HookSettings,
    peer: &Peer,
    name: &str,
    head: &Parts,
    body: Body,
) -> Response {
    let query = query_of(&head.uri);
    if query.contains_key("token") {
        // A secret in a path ends up in the logs of everything on the way.
        let message = "Hook token must be provided via Authorization: Bearer <token> or X-OpenClaw-Token header (query \
                       parameters are not allowed).";
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    if head.method != Method::POST {
        return answer::only_post().await;
    }
    if let Some(refusal) = refusal(gateway, settings, peer, &head.headers) {
        return refusal;
    }
    let Some(name) = path::decode(name.trim_matches('/')).filter(|name| !name.is_empty()) else {
        return answer::not_found();
    };
    let payload = match body::read_json(body, MAX_BODY).await {
        Ok(payload) => payload,
        Err(body::BodyFault::TooLarge) => return failed(StatusCode::PAYLOAD_TOO_LARGE, "payload too large"),
        Err(body::BodyFault::TimedOut) => return failed(StatusCode::REQUEST_TIMEOUT, "request body timeout"),
        Err(fault) => return failed(StatusCode::BAD_REQUEST, &fault.to_string()),
    };
    let headers = &head.headers;
    let call = Call { gateway, settings, name: &name, payload: &payload, headers, query: &query };
    call.answer().await.unwrap_or_else(|error| failed(error.status, &error.message))
}

/// The answer to whoever does not know the token.
fn refusal(gateway: &Gateway, settings: &HookSettings, peer: &Peer, headers: &HeaderMap) -> Option<Response> {
    let address = peer.address().ip();
    let shown = auth::bearer(headers).or_else(|| text(headers, "x-openclaw-token").map(str::trim));
    if shown.is_some_and(|shown| settings.token.matches(shown)) {
        gateway.http.hooks.guesses.forget(address);
        return None;
    }
    if let Some(left) = gateway.http.hooks.guesses.count(address, Instant::now()) {
        tracing::warn!(peer.addr = %address, "hooks: too many wrong tokens");
        let headers = [(header::RETRY_AFTER, left.as_millis().div_ceil(1_000).to_string())];
        return Some((StatusCode::TOO_MANY_REQUESTS, headers, "Too Many Requests").into_response());
    }
    Some((StatusCode::UNAUTHORIZED, "Unauthorized").into_response())
}

/// Why a hook was refused.
#[derive(Debug)]
struct Fault {
    status: StatusCode,
    message: String,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message }
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// Who chose the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeySource {
    Request,
    Mapping,
}

struct Call<'a> {
    gateway: &'a Gateway,
    settings: &'a HookSettings,
    name: &'a str,
    payload: &'a Value,
    headers: &'a HeaderMap,
    query: &'a BTreeMap<String, String>,
}

impl Call<'_> {
    async fn answer(&self) -> Result<Response, Fault> {
        match self.name {
            "wake" => self.wake(WakeHook::read(self.payload)?, KeySource::Request).await,
            "agent" => self.run(AgentHook::read(self.payload)?, KeySource::Request).await,
            _ => match mapped::apply(self)? {
                Some(mapped::Action::Wake(wake)) => self.wake(wake, KeySource::Mapping).await,
                Some(mapped::Action::Agent(hook)) => self.run(hook, KeySource::Mapping).await,
                None => Ok(answer::not_found()),
            },
        }
    }

    async fn wake(&self, wake: WakeHook, source: KeySource) -> Result<Response, Fault> {
        self.check_agent(wake.agent_id.as_deref())?;
        let key = match wake.session_key.as_deref() {
            Some(key) => self.session(Some(key), source)?,
            None => SessionKey::main_of(self.gateway.http.agent.id()),
        };
        let heartbeats = &self.gateway.http.heartbeats;
        let stored = async {
            heartbeats.queue(&key, &wake.text).await?;
            if wake.now { heartbeats.beat(key).await } else { Ok(()) }
        };
        if let Err(error) = stored.await {
            tracing::error!(%error, "a hook's event could not be stored");
            return Err(Fault {
                status: StatusCode::SERVICE_UNAVAILABLE,
                message: "the event could not be stored".to_owned(),
            });
        }
        let mode = if wake.now { "now" } else { "next-heartbeat" };
        Ok(Json(json!({ "ok": true, "mode": mode, "eventOutcome": "queued" })).into_response())
    }

    async fn run(&self, hook: AgentHook, source: KeySource) -> Result<Response, Fault> {
        self.check_agent(hook.agent_id.as_deref())?;
        let key = self.session(hook.session_key.as_deref(), source)?;
        let run_id = self.run_id(&hook, key.as_str())?;
        let timeout = hook.timeout_seconds.map(Duration::from_secs);
        let input = Input { timeout, ..Input::new(key, hook.framed(self.name), run_id.clone()) };
        match self.gateway.http.agent.start(input).await {
            Ok(Started::New(_) | Started::InFlight(_) | Started::Ended(_)) => {
                Ok(Json(json!({ "ok": true, "runId": run_id })).into_response())
            }
            Err(error) => {
                tracing::error!(%error, "a hook's run could not begin");
                let message = "the agent cannot take this now".to_owned();
                Err(Fault { status: StatusCode::SERVICE_UNAVAILABLE, message })
            }
        }
    }

    /// The same call with the same idempotency key is the same run.
    fn run_id(&self, hook: &AgentHook, key: &str) -> Result<String, Fault> {
        let new = uuid::Uuid::new_v4().to_string();
        let sent = ["idempotency-key", "x-openclaw-idempotency-key"].iter().find_map(|name| text(self.headers, *name));
        let sent = sent.or_else(|| self.payload.get("idempotencyKey").and_then(Value::as_str));
        let Some(sent) = sent.map(str::trim).filter(|sent| !sent.is_empty() && sent.len() <= MAX_IDEMPOTENCY_KEY)
        else {
            return Ok(new);
        };
        // A session that is new with each call does not tell two calls apart.
        let session = hook.session_key.as_ref().or(self.settings.default_session_key.as_ref()).map_or("", |_| key);
        let scope = [sent, self.name, &hook.message, &hook.title, session];
        Ok(self.gateway.http.hooks.replays.once(&scope, new, Instant::now()))
    }

    fn check_agent(&self, agent_id: Option<&str>) -> Result<(), Fault> {
        let own = self.gateway.http.agent.id();
        let asked = agent_id.unwrap_or(own);
        if asked != own {
            return Err(format!("unknown agentId {asked:?}").into());
        }
        match &self.settings.allowed_agent_ids {
            Some(allowed) if !allowed.iter().any(|id| id == asked) => {
                Err("agentId is not allowed by hooks.allowedAgentIds".into())
            }
            _ => Ok(()),
        }
    }

    fn session(&self, asked: Option<&str>, source: KeySource) -> Result<SessionKey, Fault> {
        if asked.is_some() && source == KeySource::Request && !self.settings.allow_request_session_key {
            return Err("sessionKey is disabled for externally supplied hook payload values; set \
                        hooks.allowRequestSessionKey=true to enable"
                .into());
        }
        let key = match asked.or(self.settings.default_session_key.as_deref()) {
            Some(key) => key.to_owned(),
            None => format!("hook:{}", uuid::Uuid::new_v4()),
        };
        if let Some(prefixes) = &self.settings.allowed_session_key_prefixes {
            let bare =
                key.strip_prefix("agent:").and_then(|key| key.split_once(':')).map_or(key.as_str(), |(_, rest)| rest);
            if !prefixes.iter().any(|prefix| bare.starts_with(prefix.as_str())) {
                return Err(format!("sessionKey must start with one of: {}", prefixes.join(", ")).into());
            }
        }
        let own = self.gateway.http.agent.id();
        let key = SessionKey::parse(&key, own).map_err(|error| Fault::from(error.to_string()))?;
        if key.agent() == own { Ok(key) } else { Err(format!("unknown agentId {:?}", key.agent()).into()) }
    }
}

fn failed(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "error": message }))).into_response()
}

/// Decoded; of a repeated name the last counts.
fn query_of(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((path::decode(&name.replace('+', " "))?, path::decode(&value.replace('+', " "))?))
        })
        .collect()
}
