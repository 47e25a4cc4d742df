//! What people do to a session rather than say in it: set things, begin anew, put a message in, delete. One
//! transaction a call.

use super::messages::{NewMessage, insert_message};
use super::reads::{run_by_id, session_by_key};
use super::rows::{AnswerSource, MessageKind, RunStatus, StoredMessage, StoredRun, StoredSession};
use super::runs::{SessionSeed, insert_run, insert_session};
use crate::protocol::chat::{MessageRole, Usage};
use crate::store::{Database, Error, to_sql};

/// What became of an edit. `R` is why the caller's own rule refused it; then nothing was stored.
#[derive(Debug)]
pub enum Edit<R> {
    Done {
        session: Box<StoredSession>,
        created: bool,
    },
    Refused(R),
    /// Another session has the label.
    LabelTaken,
}

/// A command that was sent as a message, and what the gateway says to it.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    pub run_id: &'a str,
    pub text: &'a str,
    pub answer: &'a str,
}

/// What became of a reset.
#[derive(Debug)]
pub enum Reset {
    Done {
        session: Box<StoredSession>,
        /// The command and its answer, if it came as one.
        messages: Vec<StoredMessage>,
    },
    /// The command's run id came before.
    Known(StoredRun),
}

/// Who answers where no model did, as OpenClaw names it.
pub const GATEWAY_PROVIDER: &str = "openclaw";
pub const GATEWAY_MODEL: &str = "gateway-injected";

impl Database {
    /// Reads a session, or makes one, lets `apply` change it, and stores it again.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn edit_session<R: Send>(
        &self,
        seed: SessionSeed<'_>,
        now: u64,
        apply: impl FnOnce(&mut StoredSession) -> Result<(), R> + Send,
    ) -> Result<Edit<R>, Error> {
        let mut transaction = self.writer.begin().await?;
        let created = insert_session(&mut transaction, seed, now).await?;
        let session = session_by_key(&mut *transaction, seed.key).await?;
        let mut session = session.ok_or(Error::Corrupt("the sessions table"))?;
        let label = session.label.clone();
        if let Err(refusal) = apply(&mut session) {
            return Ok(Edit::Refused(refusal));
        }
        session.updated_at = now;
        if session.label != label
            && let Some(label) = &session.label
        {
            let taken: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM sessions WHERE label = $1 AND session_key <> $2 LIMIT 1")
                    .bind(label)
                    .bind(seed.key)
                    .fetch_optional(&mut *transaction)
                    .await?;
            if taken.is_some() {
                return Ok(Edit::LabelTaken);
            }
        }
        update_session(&mut transaction, &session).await?;
        transaction.commit().await?;
        if created {
            self.creators.began(seed);
        }
        self.count_change();
        Ok(Edit::Done { session: Box::new(session), created })
    }

    /// Begins a session anew: what was said is put away, the session and what was set for it stay.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn reset_session(
        &self,
        seed: SessionSeed<'_>,
        command: Option<Command<'_>>,
        now: u64,
    ) -> Result<Reset, Error> {
        let key = seed.key;
        let mut transaction = self.writer.begin().await?;
        if let Some(command) = command
            && let Some(run) = run_by_id(&mut *transaction, command.run_id).await?
        {
            return Ok(Reset::Known(run));
        }
        let created = insert_session(&mut transaction, seed, now).await?;
        let mark =
            NewMessage { kind: MessageKind::Reset, ..NewMessage::turn(key, MessageRole::System, "Reset", "", now) };
        let mark = insert_message(&mut transaction, &mark).await?;
        sqlx::query(
            "UPDATE sessions SET reset_seq = $1, lifecycle_revision = $2, updated_at = $3, last_run_id = NULL, \
             run_status = NULL, run_started_at = NULL, run_ended_at = NULL, run_error = NULL, input_tokens = 0, \
             output_tokens = 0, marked_unread_at = NULL, last_reply_at = NULL WHERE session_key = $4",
        )
        .bind(to_sql(mark.seq.saturating_sub(1)))
        .bind(uuid::Uuid::new_v4().to_string())
        .bind(to_sql(now))
        .bind(key)
        .execute(&mut *transaction)
        .await?;
        let messages = match command {
            Some(command) => insert_command(&mut transaction, key, command, now).await?,
            None => Vec::new(),
        };
        let session = session_by_key(&mut *transaction, key).await?;
        transaction.commit().await?;
        if created {
            self.creators.began(seed);
        }
        self.count_change();
        Ok(Reset::Done { session: Box::new(session.ok_or(Error::Corrupt("the sessions table"))?), messages })
    }

    /// Puts a message of the assistant's into a session; `None` if there is no such session.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn inject_message(&self, key: &str, text: &str, now: u64) -> Result<Option<StoredMessage>, Error> {
        let mut transaction = self.writer.begin().await?;
        if session_by_key(&mut *transaction, key).await?.is_none() {
            return Ok(None);
        }
        let source = gateway_source();
        let message = NewMessage {
            kind: MessageKind::Injected,
            source: Some(&source),
            ..NewMessage::turn(key, MessageRole::Assistant, text, "", now)
        };
        let message = insert_message(&mut transaction, &message).await?;
        sqlx::query("UPDATE sessions SET updated_at = $1, last_reply_at = $1 WHERE session_key = $2")
            .bind(to_sql(now))
            .bind(key)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.count_change();
        Ok(Some(message))
    }

    /// Deletes a session with everything in it, if it is still as it was at `last_seq` and `revision`. Returns whether
    /// it was.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub async fn delete_session(&self, key: &str, revision: &str, last_seq: u64) -> Result<bool, Error> {
        let mut transaction = self.writer.begin().await?;
        let unchanged: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM sessions WHERE session_key = $1 AND lifecycle_revision = $2 AND $3 = \
             (SELECT COALESCE(MAX(seq), 0) FROM messages WHERE session_key = $1)",
        )
        .bind(key)
        .bind(revision)
        .bind(to_sql(last_seq))
        .fetch_optional(&mut *transaction)
        .await?;
        if unchanged.is_none() {
            return Ok(false);
        }
        for table in ["attachments", "messages", "runs", "sessions"] {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE session_key = $1")))
                .bind(key)
                .execute(&mut *transaction)
                .await?;
        }
        // Before somebody else can begin it anew.
        let creator = self.creators.forget(key);
        if let Err(error) = transaction.commit().await {
            self.creators.restore(key, creator);
            return Err(error.into());
        }
        self.count_change();
        Ok(true)
    }
}

fn gateway_source() -> AnswerSource {
    AnswerSource { provider: GATEWAY_PROVIDER.to_owned(), model: GATEWAY_MODEL.to_owned(), usage: Usage::default() }
}

/// The command, its answer and the run that they were: the next one with the same id is known.
async fn insert_command(
    connection: &mut sqlx::SqliteConnection,
    key: &str,
    command: Command<'_>,
    now: u64,
) -> Result<Vec<StoredMessage>, Error> {
    let source = gateway_source();
    let asked = NewMessage {
        kind: MessageKind::Notice,
        ..NewMessage::turn(key, MessageRole::User, command.text, command.run_id, now)
    };
    let answered = NewMessage {
        kind: MessageKind::Notice,
        source: Some(&source),
        ..NewMessage::turn(key, MessageRole::Assistant, command.answer, command.run_id, now)
    };
    insert_run(connection, key, command.run_id, RunStatus::Ok, now).await?;
    Ok(vec![insert_message(connection, &asked).await?, insert_message(connection, &answered).await?])
}

/// Everything that an edit may change.
async fn update_session(connection: &mut sqlx::SqliteConnection, session: &StoredSession) -> Result<(), Error> {
    let settings = serde_json::to_string(&session.settings).map_err(|_| Error::Corrupt("a session's settings"))?;
    sqlx::query(
        "UPDATE sessions SET label = $1, parent_key = $2, pinned_at = $3, archived_at = $4, last_read_at = $5, \
         marked_unread_at = $6, settings = $7, updated_at = $8 WHERE session_key = $9",
    )
    .bind(&session.label)
    .bind(&session.parent_key)
    .bind(session.pinned_at.map(to_sql))
    .bind(session.archived_at.map(to_sql))
    .bind(session.last_read_at.map(to_sql))
    .bind(session.marked_unread_at.map(to_sql))
    .bind(settings)
    .bind(to_sql(session.updated_at))
    .bind(&session.key)
    .execute(connection)
    .await?;
    Ok(())
}
