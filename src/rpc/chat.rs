//! `chat.*`.

use std::time::Duration;

use super::{Context, Table};
use crate::agent::{Agent, Input, Started};
use crate::protocol::ErrorShape;
use crate::protocol::chat::{
    AbortParams, AbortReply, ChatAbort, ChatHistory, ChatSend, ChatStartup, HistoryParams, HistoryReply, SendParams,
    SendReply, Started as StartedReply,
};
use crate::sessions::Sessions;

/// Longest message, in bytes: what a model could ever read.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;
const MAX_RUN_ID: usize = 256;

#[derive(Debug, Clone)]
struct Chat {
    agent: Agent,
    sessions: Sessions,
}

pub(super) fn register(table: &mut Table, agent: &Agent, sessions: &Sessions) {
    let chat = Chat { agent: agent.clone(), sessions: sessions.clone() };
    table.on(ChatHistory, sessions, history);
    table.on(ChatStartup, sessions, history);
    table.on(ChatSend, &chat, send);
    table.on(ChatAbort, &chat, abort);
}

async fn history(sessions: Sessions, _: Context, params: HistoryParams) -> Result<HistoryReply, ErrorShape> {
    let key = sessions.key(&params.session_key)?;
    let after = match params.cursor.as_deref() {
        None | Some("") => None,
        Some(cursor) => {
            let unknown = |_| ErrorShape::invalid("invalid chat.history params: at /cursor: unknown cursor");
            Some(cursor.parse::<u64>().map_err(unknown)?)
        }
    };
    Ok(sessions.history(&key, params.session_key, params.limit, params.offset.unwrap_or(0), after).await?)
}

async fn send(chat: Chat, _: Context, params: SendParams) -> Result<SendReply, ErrorShape> {
    let key = chat.sessions.key(&params.session_key)?;
    check_message("chat.send", &params.message, &params.idempotency_key)?;
    if params.message.trim() == "/stop" {
        return Ok(SendReply::Stopped(stop(&chat.agent, &key, None)));
    }
    let input = Input {
        key,
        text: params.message,
        run_id: params.idempotency_key.clone(),
        timeout: params.timeout_ms.filter(|timeout| *timeout > 0).map(Duration::from_millis),
    };
    let status = match chat.agent.start(input).await? {
        Started::New(_) => "started",
        Started::InFlight(_) => "in_flight",
        Started::Ended(_) => "ok",
    };
    Ok(SendReply::Started(StartedReply { run_id: params.idempotency_key, status }))
}

async fn abort(chat: Chat, _: Context, params: AbortParams) -> Result<AbortReply, ErrorShape> {
    let key = chat.sessions.key(&params.session_key)?;
    Ok(stop(&chat.agent, &key, params.run_id.as_deref()))
}

fn stop(agent: &Agent, key: &crate::sessions::SessionKey, run_id: Option<&str>) -> AbortReply {
    let run_ids = agent.abort(key, run_id);
    AbortReply { ok: true, aborted: !run_ids.is_empty(), run_ids }
}

/// Bounds that hold for `chat.send` and `agent` alike.
pub(super) fn check_message(method: &str, message: &str, run_id: &str) -> Result<(), ErrorShape> {
    let invalid = |problem: &str| Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    if message.trim().is_empty() {
        return invalid("at /message: must not be empty");
    }
    if message.len() > MAX_MESSAGE {
        return invalid("at /message: must be at most 2 MiB");
    }
    if run_id.is_empty() || run_id.len() > MAX_RUN_ID {
        return invalid("at /idempotencyKey: must have 1 to 256 bytes");
    }
    Ok(())
}
