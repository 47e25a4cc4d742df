//! What the tables hold, and how a row becomes it.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::protocol::chat::{Media, MessageRole, Usage};
use crate::protocol::sessions::SessionSettings;
use crate::store::{Error, from_sql};

pub(super) const SESSION_COLUMNS: &str = "session_key, session_id, agent_id, label, created_at, updated_at, last_run_id, \
     lifecycle_revision, reset_seq, parent_key, pinned_at, archived_at, last_read_at, marked_unread_at, \
     last_interaction_at, last_reply_at, settings, run_status, run_started_at, run_ended_at, run_error, input_tokens, \
     output_tokens";
pub(super) const MESSAGE_COLUMNS: &str = "message_id, seq, role, content, created_at, run_id, stop_reason, \
     error_message, kind, provider, model, input_tokens, output_tokens, media";

#[derive(Debug, Clone)]
pub struct StoredSession {
    pub key: String,
    pub session_id: String,
    /// New with every reset.
    pub lifecycle_revision: String,
    pub agent_id: String,
    pub label: Option<String>,
    pub parent_key: Option<String>,
    pub settings: SessionSettings,
    pub created_at: u64,
    pub updated_at: u64,
    pub pinned_at: Option<u64>,
    pub archived_at: Option<u64>,
    pub last_read_at: Option<u64>,
    pub marked_unread_at: Option<u64>,
    /// When a person last said something.
    pub last_interaction_at: Option<u64>,
    /// When the agent last said something.
    pub last_reply_at: Option<u64>,
    /// Messages up to this seq were put away by a reset.
    pub reset_seq: u64,
    pub last_run_id: Option<String>,
    pub run: Option<LastRun>,
    /// Of the last run.
    pub usage: Usage,
}

/// How the last run of a session stands.
#[derive(Debug, Clone)]
pub struct LastRun {
    pub status: RunStatus,
    pub started_at: u64,
    pub ended_at: Option<u64>,
    pub error: Option<String>,
}

#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: String,
    /// From 1, per session; a reset does not start anew.
    pub seq: u64,
    pub role: MessageRole,
    pub kind: MessageKind,
    pub text: String,
    pub media: Vec<Media>,
    pub created_at: u64,
    pub run_id: String,
    /// How the run ended if it did not end well.
    pub ended_badly: Option<RunStatus>,
    pub error_message: Option<String>,
    pub source: Option<AnswerSource>,
}

/// Which model answered, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSource {
    pub provider: String,
    pub model: String,
    pub usage: Usage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A turn of the conversation.
    Turn,
    /// Here the conversation began anew.
    Reset,
    /// Put there by `chat.inject`.
    Injected,
    /// What the gateway said about a command; the model is not told.
    Notice,
}

impl MessageKind {
    pub(super) const fn as_sql(self) -> Option<&'static str> {
        match self {
            Self::Turn => None,
            Self::Reset => Some("reset"),
            Self::Injected => Some("injected"),
            Self::Notice => Some("notice"),
        }
    }

    fn parse(text: Option<&str>) -> Result<Self, Error> {
        [Self::Turn, Self::Reset, Self::Injected, Self::Notice]
            .into_iter()
            .find(|kind| kind.as_sql() == text)
            .ok_or(Error::Corrupt("a message's kind"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Running,
    Ok,
    Aborted,
    Error,
    /// The process ended while it ran.
    Interrupted,
}

impl RunStatus {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Aborted => "aborted",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        [Self::Running, Self::Ok, Self::Aborted, Self::Error, Self::Interrupted]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(Error::Corrupt("a run's status"))
    }
}

#[derive(Debug, Clone)]
pub struct StoredRun {
    pub run_id: String,
    pub session_key: String,
    pub status: RunStatus,
    pub started_at: u64,
    pub ended_at: Option<u64>,
}

pub(super) fn session_row(row: &SqliteRow) -> Result<StoredSession, Error> {
    let settings: String = row.try_get("settings")?;
    Ok(StoredSession {
        key: row.try_get("session_key")?,
        session_id: row.try_get("session_id")?,
        lifecycle_revision: row.try_get("lifecycle_revision")?,
        agent_id: row.try_get("agent_id")?,
        label: row.try_get("label")?,
        parent_key: row.try_get("parent_key")?,
        settings: serde_json::from_str(&settings).map_err(|_| Error::Corrupt("a session's settings"))?,
        created_at: from_sql(row.try_get("created_at")?),
        updated_at: from_sql(row.try_get("updated_at")?),
        pinned_at: optional(row, "pinned_at")?,
        archived_at: optional(row, "archived_at")?,
        last_read_at: optional(row, "last_read_at")?,
        marked_unread_at: optional(row, "marked_unread_at")?,
        last_interaction_at: optional(row, "last_interaction_at")?,
        last_reply_at: optional(row, "last_reply_at")?,
        reset_seq: from_sql(row.try_get("reset_seq")?),
        last_run_id: row.try_get("last_run_id")?,
        run: last_run(row)?,
        usage: Usage::of(from_sql(row.try_get("input_tokens")?), from_sql(row.try_get("output_tokens")?)),
    })
}

fn last_run(row: &SqliteRow) -> Result<Option<LastRun>, Error> {
    let status: Option<String> = row.try_get("run_status")?;
    let Some(status) = status else { return Ok(None) };
    Ok(Some(LastRun {
        status: RunStatus::parse(&status)?,
        started_at: optional(row, "run_started_at")?.unwrap_or(0),
        ended_at: optional(row, "run_ended_at")?,
        error: row.try_get("run_error")?,
    }))
}

fn optional(row: &SqliteRow, column: &str) -> Result<Option<u64>, Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(from_sql))
}

pub(super) fn message_row(row: &SqliteRow) -> Result<StoredMessage, Error> {
    let role: String = row.try_get("role")?;
    let ended_badly: Option<String> = row.try_get("stop_reason")?;
    let kind: Option<String> = row.try_get("kind")?;
    let media: Option<String> = row.try_get("media")?;
    let media = media.map(|media| serde_json::from_str(&media)).transpose();
    Ok(StoredMessage {
        id: row.try_get("message_id")?,
        seq: from_sql(row.try_get("seq")?),
        role: parse_role(&role)?,
        kind: MessageKind::parse(kind.as_deref())?,
        text: row.try_get("content")?,
        media: media.map_err(|_| Error::Corrupt("a message's attachments"))?.unwrap_or_default(),
        created_at: from_sql(row.try_get("created_at")?),
        run_id: row.try_get("run_id")?,
        ended_badly: ended_badly.as_deref().map(RunStatus::parse).transpose()?,
        error_message: row.try_get("error_message")?,
        source: source(row)?,
    })
}

fn source(row: &SqliteRow) -> Result<Option<AnswerSource>, Error> {
    let (provider, model): (Option<String>, Option<String>) = (row.try_get("provider")?, row.try_get("model")?);
    let tokens = |column| optional(row, column).map(Option::unwrap_or_default);
    Ok(match (provider, model) {
        (Some(provider), Some(model)) => {
            Some(AnswerSource { provider, model, usage: Usage::of(tokens("input_tokens")?, tokens("output_tokens")?) })
        }
        _ => None,
    })
}

pub(super) const fn role_name(role: MessageRole) -> &'static str {
    match role {
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
        MessageRole::System => "system",
    }
}

pub(super) fn parse_role(text: &str) -> Result<MessageRole, Error> {
    match text {
        "user" => Ok(MessageRole::User),
        "assistant" => Ok(MessageRole::Assistant),
        "system" => Ok(MessageRole::System),
        _ => Err(Error::Corrupt("a message's role")),
    }
}
