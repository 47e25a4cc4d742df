//! Reading, by the readers' own connections.

use sqlx::Row;

use super::rows::{MESSAGE_COLUMNS, RunStatus, SESSION_COLUMNS, StoredMessage, StoredRun, StoredSession};
use super::rows::{message_row, session_row};
use crate::store::{Database, Error, from_sql, to_sql};

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

impl Database {
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

pub(super) async fn run_by_id(
    executor: impl sqlx::SqliteExecutor<'_>,
    run_id: &str,
) -> Result<Option<StoredRun>, Error> {
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

pub(super) async fn session_by_key(
    executor: impl sqlx::SqliteExecutor<'_>,
    key: &str,
) -> Result<Option<StoredSession>, Error> {
    let select = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE session_key = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(key).fetch_optional(executor).await?;
    row.as_ref().map(session_row).transpose()
}

/// `%text%` with the pattern's own signs taken literally.
fn like_pattern(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
