//! `sessions.send`, `steer`, `abort`.

use std::time::Duration;

use crate::protocol::ErrorShape;
use crate::protocol::chat::{SendReply, Started};
use crate::protocol::sessions::{AbortParams, AbortReply, SendParams, SessionsAbort, SessionsSend, SessionsSteer};
use crate::rpc::chat::{Chat, Say};
use crate::rpc::{Context, Table};
use crate::sessions::SessionKey;

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(SessionsSend, chat, send);
    table.on(SessionsSteer, chat, steer);
    table.on(SessionsAbort, chat, abort);
}

async fn send(chat: Chat, context: Context, params: SendParams) -> Result<Started, ErrorShape> {
    let (key, say) = read(&chat, &context, params).await?;
    started(chat.say(&key, say).await?)
}

async fn steer(chat: Chat, context: Context, params: SendParams) -> Result<Started, ErrorShape> {
    let (key, say) = read(&chat, &context, params).await?;
    // A message that came before must not stop its own run.
    if !chat.is_known(&say.run_id).await? {
        chat.agent.settle(&key).await?;
    }
    started(chat.say(&key, say).await?)
}

async fn read(chat: &Chat, context: &Context, params: SendParams) -> Result<(SessionKey, Say), ErrorShape> {
    let key = chat.sessions.key(&params.key)?;
    if chat.sessions.stored(&key).await?.is_none() {
        return Err(ErrorShape::invalid(format!("session not found: {}", params.key)));
    }
    let run_id = params.idempotency_key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let mut say = Say::new(run_id, params.message).with_attachments(&params.attachments)?;
    say.thinking = params.thinking;
    say.timeout = params.timeout_ms.filter(|timeout| *timeout > 0).map(Duration::from_millis);
    Ok((key, say.allowed_to(context)?))
}

/// `/stop` has its own method here: `sessions.abort`.
fn started(reply: SendReply) -> Result<Started, ErrorShape> {
    match reply {
        SendReply::Started(started) => Ok(started),
        SendReply::Stopped(_) => Err(ErrorShape::invalid("use sessions.abort to stop a run")),
    }
}

async fn abort(chat: Chat, _: Context, params: AbortParams) -> Result<AbortReply, ErrorShape> {
    let run_id = params.run_id.filter(|run_id| !run_id.is_empty());
    let key = match (params.key.filter(|key| !key.trim().is_empty()), &run_id) {
        (Some(key), _) => Some(chat.sessions.key(&key)?),
        (None, Some(run_id)) => {
            let key = chat.agent.session_of(run_id);
            key.map(|key| chat.sessions.key(&key)).transpose()?
        }
        (None, None) => return Err(ErrorShape::invalid("key required")),
    };
    let stopped = key.map(|key| chat.agent.abort(&key, run_id.as_deref())).unwrap_or_default();
    let aborted_run_id = stopped.into_iter().next();
    let status = if aborted_run_id.is_some() { "aborted" } else { "no-active-run" };
    Ok(AbortReply { ok: true, aborted_run_id, status })
}
