//! `chat.*`.

mod attachments;
mod say;

use std::time::Duration;

pub(super) use say::{Say, check_message, check_thinking};

use super::error::{at_least, at_most, missing};
use super::{Context, Table};
use crate::agent::{Agent, Leaf};
use crate::protocol::ErrorShape;
use crate::protocol::chat::{
    AbortParams, AbortReply, ChatAbort, ChatHistory, ChatInject, ChatMetadata, ChatSend, ChatStartup, HistoryParams,
    HistoryReply, InjectParams, InjectReply, MetadataParams, MetadataReply, Resolution, SendParams, SendReply, Startup,
    StartupParams, StartupReply, TranscriptPage,
};
use crate::protocol::commands::{CommandRow, Surface};
use crate::protocol::sessions::Change;
use crate::sessions::{Among, Reference, ResolveError, SessionKey, Sessions};
use crate::store;

const MAX_HISTORY: u32 = 1_000;
const MAX_CHARS: u32 = 500_000;
const MAX_INJECT_LABEL: usize = 100;

/// What the families `chat`, `sessions` and `agents` have in common.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) agent: Agent,
    pub(super) sessions: Sessions,
}

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(ChatHistory, chat, history);
    table.on(ChatStartup, chat, startup);
    table.on(ChatMetadata, chat, metadata);
    table.on(ChatSend, chat, send);
    table.on(ChatAbort, chat, abort);
    table.on(ChatInject, chat, inject);
}

async fn history(chat: Chat, _: Context, params: HistoryParams) -> Result<HistoryReply, ErrorShape> {
    let HistoryParams { session_key, limit, offset, max_chars, cursor, .. } = params;
    let page = page("chat.history", TranscriptPage { limit, offset, max_chars, cursor })?;
    let key = chat.sessions.key(&session_key)?;
    Ok(chat.sessions.history(&key, session_key, &page).await?)
}

async fn startup(chat: Chat, context: Context, params: StartupParams) -> Result<StartupReply, ErrorShape> {
    const METHOD: &str = "chat.startup";
    let StartupParams { session_key, short_id, agent_id, limit, offset, max_chars, cursor } = params;
    let page = page(METHOD, TranscriptPage { limit, offset, max_chars, cursor })?;
    let (shown, resolution) = match (session_key, short_id) {
        (Some(key), _) => (key, None),
        (None, Some(short)) => {
            let among = Among { agent_id, parent_key: None, created_by: context.only_own() };
            match chat.sessions.resolve(&Reference::ShortId(short), among).await {
                Ok(session) => {
                    let found =
                        Resolution { ok: true, key: Some(session.key.clone()), agent_id: Some(session.agent_id) };
                    (session.key, Some(found))
                }
                Err(ResolveError::Unknown(_) | ResolveError::Ambiguous(_)) => {
                    let resolution = Resolution { ok: false, key: None, agent_id: None };
                    return Ok(StartupReply::NotFound { resolution });
                }
                Err(error) => return Err(error.into()),
            }
        }
        (None, None) => return Err(missing(METHOD, "sessionKey")),
    };
    let key = chat.sessions.key(&shown)?;
    let history = chat.sessions.history(&key, shown, &page).await?;
    Ok(StartupReply::Found(Box::new(Startup { history, resolution, metadata: Some(chat.metadata()) })))
}

fn page(method: &str, page: TranscriptPage) -> Result<TranscriptPage, ErrorShape> {
    at_least(method, "limit", page.limit, 1)?;
    at_most(method, "limit", page.limit, MAX_HISTORY)?;
    at_least(method, "maxChars", page.max_chars, 1)?;
    at_most(method, "maxChars", page.max_chars, MAX_CHARS)?;
    // As a client that has no cursor yet may send it.
    Ok(TranscriptPage { cursor: page.cursor.filter(|cursor| !cursor.is_empty()), ..page })
}

async fn metadata(chat: Chat, _: Context, _: MetadataParams) -> Result<MetadataReply, ErrorShape> {
    Ok(chat.metadata())
}

async fn send(chat: Chat, context: Context, params: SendParams) -> Result<SendReply, ErrorShape> {
    let key = chat.sessions.key(&params.session_key)?;
    let mut say = Say::new(params.idempotency_key, params.message).with_attachments(&params.attachments)?;
    say.thinking = params.thinking;
    say.timeout = params.timeout_ms.filter(|timeout| *timeout > 0).map(Duration::from_millis);
    say.leaf = match params.expected_leaf_entry_id {
        Change::Keep => Leaf::Any,
        Change::Clear => Leaf::Empty,
        Change::Set(id) => Leaf::Is(id),
    };
    say.is_literal = params.suppress_command_interpretation;
    chat.say(&key, say.allowed_to(&context)?).await
}

async fn abort(chat: Chat, _: Context, params: AbortParams) -> Result<AbortReply, ErrorShape> {
    let key = chat.sessions.key(&params.session_key)?;
    Ok(chat.stop(&key, params.run_id.as_deref()))
}

async fn inject(chat: Chat, _: Context, params: InjectParams) -> Result<InjectReply, ErrorShape> {
    const METHOD: &str = "chat.inject";
    let key = chat.sessions.key(&params.session_key)?;
    if params.message.is_empty() {
        let problem = "at /message: must not have fewer than 1 characters";
        return Err(ErrorShape::invalid(format!("invalid {METHOD} params: {problem}")));
    }
    say::check_length(METHOD, &params.message)?;
    if params.label.as_ref().is_some_and(|label| label.chars().count() > MAX_INJECT_LABEL) {
        let problem = format!("at /label: must not have more than {MAX_INJECT_LABEL} characters");
        return Err(ErrorShape::invalid(format!("invalid {METHOD} params: {problem}")));
    }
    let text = match params.label.as_deref().map(str::trim).filter(|label| !label.is_empty()) {
        Some(label) => format!("[{label}]\n\n{}", params.message),
        None => params.message,
    };
    let message = chat.sessions.inject(&key, &text).await?.ok_or_else(|| ErrorShape::invalid("session not found"))?;
    chat.sessions.tell_final(&key, format!("inject-{}", message.id), 0, &message);
    Ok(InjectReply { ok: true, message_id: message.id })
}

impl Chat {
    fn metadata(&self) -> MetadataReply {
        MetadataReply { models: self.agent.settings().rows(), commands: commands() }
    }

    pub(super) fn stop(&self, key: &SessionKey, run_id: Option<&str>) -> AbortReply {
        let run_ids = self.agent.abort(key, run_id);
        AbortReply { ok: true, aborted: !run_ids.is_empty(), run_ids }
    }

    /// Whether a run with this id came before.
    pub(super) async fn is_known(&self, run_id: &str) -> Result<bool, ErrorShape> {
        Ok(self.agent.watch(run_id).is_some() || self.agent.stored_run(run_id).await?.is_some())
    }
}

/// What can be written into a message, for `chat.metadata` and `commands.list`.
pub(super) fn commands() -> Vec<CommandRow> {
    say::COMMANDS.iter().map(command_row).collect()
}

fn command_row((name, alias, description): &(&'static str, &'static str, &'static str)) -> CommandRow {
    CommandRow {
        name,
        native_name: name,
        text_aliases: vec![alias],
        description,
        category: "session",
        source: "native",
        scope: Surface::Both,
        accepts_args: *name != "stop",
    }
}

/// A command's run and its answer.
fn command<'a>(run_id: &'a str, text: &'a str, answer: &'a str) -> store::Command<'a> {
    store::Command { run_id, text, answer }
}
