//! Sessions, their messages and the runs that answer them. One file, because one transaction spans all three: a
//! message is acknowledged only together with the run that will answer it.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, Error, from_sql, to_sql};
use crate::protocol::chat::{MessageRole, Usage};

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
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Aborted => "aborted",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
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

#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub agent_id: Option<String>,
    /// Part of the key or the label, without regard to case.
    pub search: Option<String>,
    pub updated_since: Option<u64>,
    pub limit: u32,
    pub offset: u64,
}

#[derive(Debug, Clone, Copy)]
pub enum MessageFilter {
    /// The newest `limit` after passing over `offset`.
    Newest { limit: u32, offset: u64 },
    /// The oldest `limit` with a greater seq.
    After { seq: u64, limit: u32 },
}

const SESSION_COLUMNS: &str = "session_key, session_id, agent_id, label, updated_at, last_run_id";
const MESSAGE_COLUMNS: &str = "message_id, seq, role, content, created_at, run_id, stop_reason, error_message";

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

    /// # Errors
    /// The database could not be read.
    pub async fn run(&self, run_id: &str) -> Result<Option<StoredRun>, Error> {
        run_by_id(&self.readers, run_id).await
    }

    /// How many runs ended how.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn run_counts(&self) -> Result<Vec<(RunStatus, u64)>, Error> {
        let rows = sqlx::query("SELECT status, COUNT(*) FROM runs GROUP BY status").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok((RunStatus::parse(&row.try_get::<String, _>(0)?)?, from_sql(row.try_get(1)?))))
            .collect()
    }

    /// # Errors
    /// The database could not be read.
    pub async fn session(&self, key: &str) -> Result<Option<StoredSession>, Error> {
        session_by_key(&self.readers, key).await
    }

    /// Newest first, and how many there are in all without limit and offset.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<(Vec<StoredSession>, u64), Error> {
        const WHERE: &str = "($1 IS NULL OR agent_id = $1) AND updated_at >= $2 \
             AND ($3 IS NULL OR LOWER(session_key) LIKE $3 ESCAPE '\\' OR LOWER(COALESCE(label, '')) LIKE $3 ESCAPE '\\')";
        let since = to_sql(filter.updated_since.unwrap_or(0));
        let search = filter.search.as_deref().map(like_pattern);
        let count = format!("SELECT COUNT(*) FROM sessions WHERE {WHERE}");
        let total: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .bind(&filter.agent_id)
            .bind(since)
            .bind(&search)
            .fetch_one(&self.readers)
            .await?;
        let select = format!(
            "SELECT {SESSION_COLUMNS} FROM sessions WHERE {WHERE} ORDER BY updated_at DESC, session_key LIMIT $4 OFFSET $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(&filter.agent_id)
            .bind(since)
            .bind(&search)
            .bind(i64::from(filter.limit))
            .bind(to_sql(filter.offset))
            .fetch_all(&self.readers)
            .await?;
        let sessions = rows.iter().map(session_row).collect::<Result<_, _>>()?;
        Ok((sessions, from_sql(total)))
    }

    /// Oldest first, and how many messages the session has in all.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn messages(&self, key: &str, filter: MessageFilter) -> Result<(Vec<StoredMessage>, u64), Error> {
        let (clause, limit, offset, after) = match filter {
            MessageFilter::Newest { limit, offset } => ("ORDER BY seq DESC LIMIT $3 OFFSET $4", limit, offset, 0),
            MessageFilter::After { seq, limit } => ("ORDER BY seq LIMIT $3 OFFSET $4", limit, 0, seq),
        };
        let select = format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session_key = $1 AND seq > $2 {clause}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(key)
            .bind(to_sql(after))
            .bind(i64::from(limit))
            .bind(to_sql(offset))
            .fetch_all(&self.readers)
            .await?;
        let mut messages = rows.iter().map(message_row).collect::<Result<Vec<_>, _>>()?;
        if matches!(filter, MessageFilter::Newest { .. }) {
            messages.reverse();
        }
        let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages WHERE session_key = $1")
            .bind(key)
            .fetch_one(&self.readers)
            .await?;
        Ok((messages, from_sql(total)))
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

async fn run_by_id(executor: impl sqlx::SqliteExecutor<'_>, run_id: &str) -> Result<Option<StoredRun>, Error> {
    let row = sqlx::query("SELECT run_id, session_key, status, started_at, ended_at FROM runs WHERE run_id = $1")
        .bind(run_id)
        .fetch_optional(executor)
        .await?;
    row.map(|row| {
        Ok(StoredRun {
            run_id: row.try_get("run_id")?,
            session_key: row.try_get("session_key")?,
            status: RunStatus::parse(&row.try_get::<String, _>("status")?)?,
            started_at: from_sql(row.try_get("started_at")?),
            ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(from_sql),
        })
    })
    .transpose()
}

async fn session_by_key(executor: impl sqlx::SqliteExecutor<'_>, key: &str) -> Result<Option<StoredSession>, Error> {
    let select = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE session_key = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(key).fetch_optional(executor).await?;
    row.as_ref().map(session_row).transpose()
}

fn session_row(row: &SqliteRow) -> Result<StoredSession, Error> {
    Ok(StoredSession {
        key: row.try_get("session_key")?,
        session_id: row.try_get("session_id")?,
        agent_id: row.try_get("agent_id")?,
        label: row.try_get("label")?,
        updated_at: from_sql(row.try_get("updated_at")?),
        last_run_id: row.try_get("last_run_id")?,
    })
}

fn message_row(row: &SqliteRow) -> Result<StoredMessage, Error> {
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

const fn role_name(role: MessageRole) -> &'static str {
    match role {
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
    }
}

fn parse_role(text: &str) -> Result<MessageRole, Error> {
    match text {
        "user" => Ok(MessageRole::User),
        "assistant" => Ok(MessageRole::Assistant),
        _ => Err(Error::Corrupt("a message's role")),
    }
}

/// `%text%` with the pattern's own signs taken literally.
fn like_pattern(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(run_id: &str) -> NewInput<'_> {
        NewInput { session_key: "agent:main:main", agent_id: "main", run_id, text: "hi", now: 5 }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        (folder, database)
    }

    #[tokio::test]
    async fn an_input_is_accepted_once() {
        let (_folder, database) = open().await;
        assert!(matches!(database.accept_input(&input("r1")).await.unwrap(), Acceptance::New { created: true, .. }));
        let Acceptance::Known(run) = database.accept_input(&input("r1")).await.unwrap() else { panic!("known") };
        assert_eq!(run.status, RunStatus::Running);
        assert!(matches!(database.accept_input(&input("r2")).await.unwrap(), Acceptance::New { created: false, .. }));
        let filter = MessageFilter::Newest { limit: 10, offset: 0 };
        let (messages, total) = database.messages("agent:main:main", filter).await.unwrap();
        assert_eq!((messages.iter().map(|message| message.seq).collect::<Vec<_>>(), total), (vec![1, 2], 2));
    }

    #[tokio::test]
    async fn runs_left_over_are_marked() {
        let (_folder, database) = open().await;
        database.accept_input(&input("r1")).await.unwrap();
        assert_eq!(database.end_interrupted_runs("cut off", 9).await.unwrap(), 1);
        assert_eq!(database.end_interrupted_runs("cut off", 9).await.unwrap(), 0);
        let filter = MessageFilter::Newest { limit: 10, offset: 0 };
        let (messages, _) = database.messages("agent:main:main", filter).await.unwrap();
        assert_eq!(messages.last().unwrap().error_message.as_deref(), Some("cut off"));
        assert_eq!(database.run("r1").await.unwrap().unwrap().status, RunStatus::Interrupted);
        assert_eq!(database.run_counts().await.unwrap(), [(RunStatus::Interrupted, 1)]);
    }

    #[tokio::test]
    async fn search_takes_signs_literally() {
        let (_folder, database) = open().await;
        database.accept_input(&input("r1")).await.unwrap();
        let find =
            |search: &str| SessionFilter { search: Some(search.to_owned()), limit: 9, ..SessionFilter::default() };
        assert_eq!(database.sessions(&find("MAIN")).await.unwrap().1, 1);
        assert_eq!(database.sessions(&find("%")).await.unwrap().1, 0);
    }
}
