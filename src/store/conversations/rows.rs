//! What the tables hold, and how a row becomes it.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::protocol::chat::MessageRole;
use crate::store::{Error, from_sql};

pub(super) const SESSION_COLUMNS: &str = "session_key, session_id, agent_id, label, updated_at, last_run_id";
pub(super) const MESSAGE_COLUMNS: &str =
    "message_id, seq, role, content, created_at, run_id, stop_reason, error_message";

#[derive(Debug, Clone)]
pub struct StoredSession {
    pub key: String,
    pub session_id: String,
    pub agent_id: String,
    pub label: Option<String>,
    pub updated_at: u64,
    pub last_run_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: String,
    /// From 1, per session.
    pub seq: u64,
    pub role: MessageRole,
    pub text: String,
    pub created_at: u64,
    pub run_id: String,
    /// How the run ended if it did not end well.
    pub ended_badly: Option<RunStatus>,
    pub error_message: Option<String>,
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
    Ok(StoredSession {
        key: row.try_get("session_key")?,
        session_id: row.try_get("session_id")?,
        agent_id: row.try_get("agent_id")?,
        label: row.try_get("label")?,
        updated_at: from_sql(row.try_get("updated_at")?),
        last_run_id: row.try_get("last_run_id")?,
    })
}

pub(super) fn message_row(row: &SqliteRow) -> Result<StoredMessage, Error> {
    let role: String = row.try_get("role")?;
    let ended_badly: Option<String> = row.try_get("stop_reason")?;
    Ok(StoredMessage {
        id: row.try_get("message_id")?,
        seq: from_sql(row.try_get("seq")?),
        role: parse_role(&role)?,
        text: row.try_get("content")?,
        created_at: from_sql(row.try_get("created_at")?),
        run_id: row.try_get("run_id")?,
        ended_badly: ended_badly.as_deref().map(RunStatus::parse).transpose()?,
        error_message: row.try_get("error_message")?,
    })
}

pub(super) const fn role_name(role: MessageRole) -> &'static str {
    match role {
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
    }
}

pub(super) fn parse_role(text: &str) -> Result<MessageRole, Error> {
    match text {
        "user" => Ok(MessageRole::User),
        "assistant" => Ok(MessageRole::Assistant),
        _ => Err(Error::Corrupt("a message's role")),
    }
}
