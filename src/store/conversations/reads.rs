//! Reading, by the readers' own connections.

use sqlx::Row;

use super::rows::{MESSAGE_COLUMNS, RunStatus, SESSION_COLUMNS, StoredMessage, StoredRun, StoredSession};
use super::rows::{message_row, session_row};
use crate::store::{Database, Error, from_sql, to_sql};

#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub agent_id: Option<String>,
    /// Part of the key, the session id or the label, without regard to case.
    pub search: Option<String>,
    /// The whole label.
    pub label: Option<String>,
    pub session_id: Option<String>,
    /// The id of the person who began it.
    pub created_by: Option<String>,
    /// The key of the session that it was made from.
    pub parent_key: Option<String>,
    pub updated_since: Option<u64>,
    pub archived: Option<bool>,
    /// Only sessions in which a person has said something.
    pub with_interaction: bool,
    pub order: SessionOrder,
    pub limit: u32,
    pub offset: u64,
}

/// The newest first; where people look, pinned ones before them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionOrder {
    #[default]
    Updated,
    LastInteraction,
    /// Pinned or not.
    Recent,
}

#[derive(Debug, Clone, Copy)]
pub enum MessageFilter {
    /// The newest `limit` after passing over `offset`, none with a seq up to `floor`.
    Newest { floor: u64, limit: u32, offset: u64 },
    /// The oldest `limit` with a greater seq.
    After { seq: u64, limit: u32 },
}

/// `$1` to `$9`; sqlx wants the SQL as one piece.
const SESSION_WHERE: &str = "($1 IS NULL OR agent_id = $1) AND updated_at >= $2 \
     AND ($3 IS NULL OR LOWER(session_key) LIKE $3 ESCAPE '\\' OR LOWER(session_id) LIKE $3 ESCAPE '\\' \
     OR LOWER(COALESCE(label, '')) LIKE $3 ESCAPE '\\') AND ($4 IS NULL OR label = $4) \
     AND ($5 IS NULL OR parent_key = $5) AND ($6 IS NULL OR (archived_at IS NOT NULL) = ($6 = 1)) \
     AND ($7 = 0 OR last_interaction_at IS NOT NULL) AND ($8 IS NULL OR session_id = $8) AND ($9 IS NULL OR created_by = $9)";

impl Database {
    /// # Errors
    /// The database could not be read.
    pub async fn run(&self, run_id: &str) -> Result<Option<StoredRun>, Error> {
        run_by_id(&self.readers, run_id).await
    }

    /// What a run answered, if it answered anything.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn answer_of(&self, run_id: &str) -> Result<Option<StoredMessage>, Error> {
        let select = format!(
            "SELECT {MESSAGE_COLUMNS} FROM messages WHERE run_id = $1 AND role = 'assistant' ORDER BY seq DESC LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(run_id).fetch_optional(&self.readers).await?;
        row.as_ref().map(message_row).transpose()
    }

    /// What a run is to answer.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn input_of(&self, run_id: &str) -> Result<Option<StoredMessage>, Error> {
        let select =
            format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE run_id = $1 AND role = 'user' ORDER BY seq LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(run_id).fetch_optional(&self.readers).await?;
        row.as_ref().map(message_row).transpose()
    }

    /// The id of the last message of the conversation.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn leaf(&self, key: &str) -> Result<Option<String>, Error> {
        super::runs::leaf_of(&self.readers, key).await
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

    /// In the filter's order, and how many there are in all without limit and offset.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<(Vec<StoredSession>, u64), Error> {
        let since = to_sql(filter.updated_since.unwrap_or(0));
        let search = filter.search.as_deref().map(like_pattern);
        let order = match filter.order {
            SessionOrder::Updated => "COALESCE(pinned_at, 0) DESC, updated_at",
            SessionOrder::LastInteraction => "COALESCE(pinned_at, 0) DESC, COALESCE(last_interaction_at, 0)",
            SessionOrder::Recent => "updated_at",
        };
        let count = format!("SELECT COUNT(*) FROM sessions WHERE {SESSION_WHERE}");
        let select = format!(
            "SELECT {SESSION_COLUMNS} FROM sessions WHERE {SESSION_WHERE} \
             ORDER BY {order} DESC, session_key LIMIT $10 OFFSET $11"
        );
        macro_rules! bound {
            ($query:expr) => {
                $query
                    .bind(&filter.agent_id)
                    .bind(since)
                    .bind(&search)
                    .bind(&filter.label)
                    .bind(&filter.parent_key)
                    .bind(filter.archived.map(i64::from))
                    .bind(i64::from(filter.with_interaction))
                    .bind(&filter.session_id)
                    .bind(&filter.created_by)
            };
        }
        let total: i64 = bound!(sqlx::query_scalar(sqlx::AssertSqlSafe(count))).fetch_one(&self.readers).await?;
        let rows = bound!(sqlx::query(sqlx::AssertSqlSafe(select)))
            .bind(i64::from(filter.limit))
            .bind(to_sql(filter.offset))
            .fetch_all(&self.readers)
            .await?;
        let sessions = rows.iter().map(session_row).collect::<Result<_, _>>()?;
        Ok((sessions, from_sql(total)))
    }

    /// Oldest first, and how many messages the session has above the filter's floor.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn messages(&self, key: &str, filter: MessageFilter) -> Result<(Vec<StoredMessage>, u64), Error> {
        let (clause, limit, offset, after) = match filter {
            MessageFilter::Newest { floor, limit, offset } => {
                ("ORDER BY seq DESC LIMIT $3 OFFSET $4", limit, offset, floor)
            }
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
        let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages WHERE session_key = $1 AND seq > $2")
            .bind(key)
            .bind(to_sql(after))
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
