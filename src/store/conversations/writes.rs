//! Writing, one transaction a call.

use sqlx::Row;

use super::reads::{run_by_id, session_by_key};
use super::rows::{RunStatus, StoredMessage, StoredRun, StoredSession, role_name};
use crate::protocol::chat::{MessageRole, Usage};
use crate::store::{Database, Error, from_sql, to_sql};

#[derive(Debug, Clone)]
pub struct NewInput<'a> {
    /// Canonical.
    pub session_key: &'a str,
    pub agent_id: &'a str,
    /// The client's idempotency key.
    pub run_id: &'a str,
    pub text: &'a str,
    pub now: u64,
}

/// What became of an input.
#[derive(Debug, Clone)]
pub enum Acceptance {
    New {
        session: StoredSession,
        message: StoredMessage,
        created: bool,
    },
    /// The same run id came before.
    Known(StoredRun),
}

#[derive(Debug, Clone)]
pub struct RunEnd<'a> {
    pub session_key: &'a str,
    pub run_id: &'a str,
    pub status: RunStatus,
    /// What the model said; an empty text with a bad end stores why instead.
    pub text: &'a str,
    pub error_message: Option<&'a str>,
    pub usage: Usage,
    pub now: u64,
}

impl Database {
    /// Stores a user's message and the run that will answer it, and the session if it is new. When this returns, the
    /// message is on disk.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn accept_input(&self, input: &NewInput<'_>) -> Result<Acceptance, Error> {
        let mut transaction = self.writer.begin().await?;
        if let Some(run) = run_by_id(&mut *transaction, input.run_id).await? {
            return Ok(Acceptance::Known(run));
        }
        let created = insert_session(&mut transaction, input).await?;
        let message = insert_message(
            &mut transaction,
            &NewMessage {
                session_key: input.session_key,
                role: MessageRole::User,
                text: input.text,
                run_id: input.run_id,
                ended_badly: None,
                error_message: None,
                now: input.now,
            },
        )
        .await?;
        sqlx::query("INSERT INTO runs (run_id, session_key, status, started_at) VALUES ($1, $2, $3, $4)")
            .bind(input.run_id)
            .bind(input.session_key)
            .bind(RunStatus::Running.as_str())
            .bind(to_sql(input.now))
            .execute(&mut *transaction)
            .await?;
        let session = session_by_key(&mut *transaction, input.session_key).await?;
        transaction.commit().await?;
        self.count_change();
        Ok(Acceptance::New { session: session.ok_or(Error::Corrupt("the sessions table"))?, message, created })
    }

    /// Stores how a run ended, and what it said if it said or failed anything.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn finish_run(&self, end: &RunEnd<'_>) -> Result<Option<StoredMessage>, Error> {
        let mut transaction = self.writer.begin().await?;
        let ended_badly = (end.status != RunStatus::Ok).then_some(end.status);
        let message = if end.text.is_empty() && end.error_message.is_none() {
            None
        } else {
            let new = NewMessage {
                session_key: end.session_key,
                role: MessageRole::Assistant,
                text: end.text,
                run_id: end.run_id,
                ended_badly,
                error_message: end.error_message,
                now: end.now,
            };
            Some(insert_message(&mut transaction, &new).await?)
        };
        sqlx::query(
            "UPDATE runs SET status = $1, ended_at = $2, input_tokens = $3, output_tokens = $4 WHERE run_id = $5",
        )
        .bind(end.status.as_str())
        .bind(to_sql(end.now))
        .bind(to_sql(end.usage.input))
        .bind(to_sql(end.usage.output))
        .bind(end.run_id)
        .execute(&mut *transaction)
        .await?;
        touch_session(&mut transaction, end.session_key, end.run_id, end.now).await?;
        transaction.commit().await?;
        self.count_change();
        Ok(message)
    }

    /// Ends the runs that a previous process left unfinished, with a word in the transcript for each. Returns how many
    /// there were.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn end_interrupted_runs(&self, word: &str, now: u64) -> Result<usize, Error> {
        let mut transaction = self.writer.begin().await?;
        let left = sqlx::query("SELECT run_id, session_key FROM runs WHERE status = $1 ORDER BY started_at")
            .bind(RunStatus::Running.as_str())
            .fetch_all(&mut *transaction)
            .await?;
        for row in &left {
            let (run_id, session_key): (String, String) = (row.try_get("run_id")?, row.try_get("session_key")?);
            let message = NewMessage {
                session_key: &session_key,
                role: MessageRole::Assistant,
                text: "",
                run_id: &run_id,
                ended_badly: Some(RunStatus::Interrupted),
                error_message: Some(word),
                now,
            };
            insert_message(&mut transaction, &message).await?;
        }
        sqlx::query("UPDATE runs SET status = $1, ended_at = $2 WHERE status = $3")
            .bind(RunStatus::Interrupted.as_str())
            .bind(to_sql(now))
            .bind(RunStatus::Running.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.count_change();
        Ok(left.len())
    }
}

struct NewMessage<'a> {
    session_key: &'a str,
    role: MessageRole,
    text: &'a str,
    run_id: &'a str,
    ended_badly: Option<RunStatus>,
    error_message: Option<&'a str>,
    now: u64,
}

/// Returns whether the session was new.
async fn insert_session(connection: &mut sqlx::SqliteConnection, input: &NewInput<'_>) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO sessions (session_key, session_id, agent_id, created_at, updated_at, last_run_id) \
         VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (session_key) DO NOTHING",
    )
    .bind(input.session_key)
    .bind(uuid::Uuid::new_v4().to_string())
    .bind(input.agent_id)
    .bind(to_sql(input.now))
    .bind(input.run_id)
    .execute(&mut *connection)
    .await?;
    let created = done.rows_affected() == 1;
    if !created {
        touch_session(connection, input.session_key, input.run_id, input.now).await?;
    }
    Ok(created)
}

async fn touch_session(
    connection: &mut sqlx::SqliteConnection,
    key: &str,
    run_id: &str,
    now: u64,
) -> Result<(), Error> {
    sqlx::query("UPDATE sessions SET updated_at = $1, last_run_id = $2 WHERE session_key = $3")
        .bind(to_sql(now))
        .bind(run_id)
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_message(
    connection: &mut sqlx::SqliteConnection,
    message: &NewMessage<'_>,
) -> Result<StoredMessage, Error> {
    let id = uuid::Uuid::new_v4().to_string();
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO messages (session_key, seq, message_id, role, content, created_at, run_id, stop_reason, error_message) \
         SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM messages WHERE session_key = $1 \
         RETURNING seq",
    )
    .bind(message.session_key)
    .bind(&id)
    .bind(role_name(message.role))
    .bind(message.text)
    .bind(to_sql(message.now))
    .bind(message.run_id)
    .bind(message.ended_badly.map(RunStatus::as_str))
    .bind(message.error_message)
    .fetch_one(connection)
    .await?;
    Ok(StoredMessage {
        id,
        seq: from_sql(seq),
        role: message.role,
        text: message.text.to_owned(),
        created_at: message.now,
        run_id: message.run_id.to_owned(),
        ended_badly: message.ended_badly,
        error_message: message.error_message.map(str::to_owned),
    })
}
