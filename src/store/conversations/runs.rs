//! A run's life: accepted together with its message, ended together with its answer. One transaction a call.

use sqlx::Row;

use super::messages::{NewMessage, insert_message};
use super::reads::{run_by_id, session_by_key};
use super::rows::{AnswerSource, MessageKind, RunStatus, StoredMessage, StoredRun, StoredSession};
use crate::protocol::chat::{Media, MessageRole, Usage};
use crate::store::{Database, Error, to_sql};

/// A session, and what it is made of where there is none yet.
#[derive(Debug, Clone, Copy)]
pub struct SessionSeed<'a> {
    /// Canonical.
    pub key: &'a str,
    pub agent_id: &'a str,
    /// The id of the person who begins it, if that is somebody in particular.
    pub by: Option<&'a str>,
}

#[derive(Debug, Clone)]
pub struct NewInput<'a> {
    pub session: SessionSeed<'a>,
    /// The client's idempotency key.
    pub run_id: &'a str,
    pub text: &'a str,
    pub attachments: &'a [NewAttachment],
    pub expected_leaf: ExpectedLeaf<'a>,
    pub now: u64,
}

/// A file that comes with a message.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    pub media: Media,
    pub content: Vec<u8>,
}

/// Which message the sender believes to be the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedLeaf<'a> {
    Any,
    Empty,
    Is(&'a str),
}

/// What became of an input.
#[derive(Debug, Clone)]
pub enum Acceptance {
    New {
        session: Box<StoredSession>,
        message: Box<StoredMessage>,
        created: bool,
    },
    /// The same run id came before.
    Known(StoredRun),
    /// Somebody else was faster; nothing was stored.
    LeafChanged,
}

#[derive(Debug, Clone)]
pub struct RunEnd<'a> {
    pub session_key: &'a str,
    pub run_id: &'a str,
    pub status: RunStatus,
    /// What the model said; an empty text with a bad end stores why instead.
    pub text: &'a str,
    pub error_message: Option<&'a str>,
    pub source: AnswerSource,
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
        if !leaf_is(&mut transaction, input.session.key, input.expected_leaf).await? {
            return Ok(Acceptance::LeafChanged);
        }
        let created = insert_session(&mut transaction, input.session, input.now).await?;
        let media: Vec<Media> = input.attachments.iter().map(|attachment| attachment.media.clone()).collect();
        let turn = NewMessage::turn(input.session.key, MessageRole::User, input.text, input.run_id, input.now);
        let message = insert_message(&mut transaction, &NewMessage { media: &media, ..turn }).await?;
        for attachment in input.attachments {
            sqlx::query("INSERT INTO attachments (attachment_id, session_key, content) VALUES ($1, $2, $3)")
                .bind(attachment.media.id())
                .bind(input.session.key)
                .bind(&attachment.content)
                .execute(&mut *transaction)
                .await?;
        }
        insert_run(&mut transaction, input.session.key, input.run_id, RunStatus::Running, input.now).await?;
        sqlx::query(
            "UPDATE sessions SET updated_at = $1, last_interaction_at = $1, last_run_id = $2, run_status = $3, \
             run_started_at = $1, run_ended_at = NULL, run_error = NULL WHERE session_key = $4",
        )
        .bind(to_sql(input.now))
        .bind(input.run_id)
        .bind(RunStatus::Running.as_str())
        .bind(input.session.key)
        .execute(&mut *transaction)
        .await?;
        let session = session_by_key(&mut *transaction, input.session.key).await?;
        transaction.commit().await?;
        if created {
            self.creators.began(input.session);
        }
        self.count_change();
        let session = Box::new(session.ok_or(Error::Corrupt("the sessions table"))?);
        Ok(Acceptance::New { session, message: Box::new(message), created })
    }

    /// Stores how a run ended, and what it said if it said or failed anything. A session that was deleted meanwhile
    /// keeps nothing.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn finish_run(&self, end: &RunEnd<'_>) -> Result<Option<StoredMessage>, Error> {
        let mut transaction = self.writer.begin().await?;
        if session_by_key(&mut *transaction, end.session_key).await?.is_none() {
            return Ok(None);
        }
        let says_nothing = end.text.is_empty() && end.error_message.is_none();
        let message = if says_nothing {
            None
        } else {
            let turn = NewMessage::turn(end.session_key, MessageRole::Assistant, end.text, end.run_id, end.now);
            let message = NewMessage {
                ended_badly: (end.status != RunStatus::Ok).then_some(end.status),
                error_message: end.error_message,
                source: Some(&end.source),
                ..turn
            };
            Some(insert_message(&mut transaction, &message).await?)
        };
        let Usage { input, output, .. } = end.source.usage;
        sqlx::query(
            "UPDATE runs SET status = $1, ended_at = $2, input_tokens = $3, output_tokens = $4 WHERE run_id = $5",
        )
        .bind(end.status.as_str())
        .bind(to_sql(end.now))
        .bind(to_sql(input))
        .bind(to_sql(output))
        .bind(end.run_id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE sessions SET updated_at = $1, last_reply_at = CASE WHEN $2 = 1 THEN last_reply_at ELSE $1 END, \
             last_run_id = $3, run_status = $4, run_ended_at = $1, run_error = $5, input_tokens = $6, \
             output_tokens = $7 WHERE session_key = $8",
        )
        .bind(to_sql(end.now))
        .bind(i64::from(says_nothing))
        .bind(end.run_id)
        .bind(end.status.as_str())
        .bind(end.error_message)
        .bind(to_sql(input))
        .bind(to_sql(output))
        .bind(end.session_key)
        .execute(&mut *transaction)
        .await?;
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
            let turn = NewMessage::turn(&session_key, MessageRole::Assistant, "", &run_id, now);
            let message = NewMessage { ended_badly: Some(RunStatus::Interrupted), error_message: Some(word), ..turn };
            insert_message(&mut transaction, &message).await?;
        }
        for table in [
            "UPDATE runs SET status = $1, ended_at = $2 WHERE status = $3",
            "UPDATE sessions SET run_status = $1, run_ended_at = $2 WHERE run_status = $3",
        ] {
            sqlx::query(table)
                .bind(RunStatus::Interrupted.as_str())
                .bind(to_sql(now))
                .bind(RunStatus::Running.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.count_change();
        Ok(left.len())
    }
}

pub(super) async fn insert_run(
    connection: &mut sqlx::SqliteConnection,
    session_key: &str,
    run_id: &str,
    status: RunStatus,
    now: u64,
) -> Result<(), Error> {
    let ended_at = (status != RunStatus::Running).then(|| to_sql(now));
    sqlx::query("INSERT INTO runs (run_id, session_key, status, started_at, ended_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(run_id)
        .bind(session_key)
        .bind(status.as_str())
        .bind(to_sql(now))
        .bind(ended_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns whether the session was new.
pub(super) async fn insert_session(
    connection: &mut sqlx::SqliteConnection,
    session: SessionSeed<'_>,
    now: u64,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO sessions (session_key, session_id, agent_id, created_at, updated_at, lifecycle_revision, created_by) \
         VALUES ($1, $2, $3, $4, $4, $5, $6) ON CONFLICT (session_key) DO NOTHING",
    )
    .bind(session.key)
    .bind(uuid::Uuid::new_v4().to_string())
    .bind(session.agent_id)
    .bind(to_sql(now))
    .bind(uuid::Uuid::new_v4().to_string())
    .bind(session.by)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn leaf_is(
    connection: &mut sqlx::SqliteConnection,
    key: &str,
    expected: ExpectedLeaf<'_>,
) -> Result<bool, Error> {
    if expected == ExpectedLeaf::Any {
        return Ok(true);
    }
    let leaf = leaf_of(&mut *connection, key).await?;
    Ok(match expected {
        ExpectedLeaf::Any => true,
        ExpectedLeaf::Empty => leaf.is_none(),
        ExpectedLeaf::Is(id) => leaf.as_deref() == Some(id),
    })
}

/// The last message of the conversation: a mark of a reset is none.
pub(super) async fn leaf_of(executor: impl sqlx::SqliteExecutor<'_>, key: &str) -> Result<Option<String>, Error> {
    Ok(sqlx::query_scalar(
        "SELECT m.message_id FROM messages m JOIN sessions s ON s.session_key = m.session_key \
         WHERE m.session_key = $1 AND m.seq > s.reset_seq AND COALESCE(m.kind, '') <> $2 ORDER BY m.seq DESC LIMIT 1",
    )
    .bind(key)
    .bind(MessageKind::Reset.as_sql())
    .fetch_optional(executor)
    .await?)
}
