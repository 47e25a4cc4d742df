//! What answers took, summed.

use sqlx::Row;

use crate::protocol::chat::Usage;
use crate::store::{Database, Error, from_sql, to_sql};

const DAY_MS: i64 = 86_400_000;

/// Which answers.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    pub session_key: Option<String>,
    pub agent_id: Option<String>,
    /// The id of the person who began the session.
    pub created_by: Option<String>,
    /// Unix milliseconds; the second is not within.
    pub from: u64,
    pub until: u64,
}

/// One model's answers in one session on one day.
#[derive(Debug, Clone)]
pub struct UsageSum {
    pub session_key: String,
    /// Days since 1970, UTC.
    pub day: i64,
    pub provider: String,
    pub model: String,
    pub answers: u64,
    pub errors: u64,
    pub usage: Usage,
}

impl Database {
    /// How many messages people sent.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn count_inputs(&self, filter: &UsageFilter) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM messages m JOIN sessions s ON s.session_key = m.session_key WHERE m.role = 'user' \
             AND m.created_at >= $1 AND m.created_at < $2 AND ($3 IS NULL OR m.session_key = $3) \
             AND ($4 IS NULL OR s.agent_id = $4) AND ($5 IS NULL OR s.created_by = $5)",
        )
        .bind(to_sql(filter.from))
        .bind(to_sql(filter.until))
        .bind(&filter.session_key)
        .bind(&filter.agent_id)
        .bind(&filter.created_by)
        .fetch_one(&self.readers)
        .await?;
        Ok(from_sql(count))
    }

    /// Oldest day first. What `chat.inject` and commands put in was no model's answer.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn usage(&self, filter: &UsageFilter) -> Result<Vec<UsageSum>, Error> {
        let rows = sqlx::query(
            "SELECT m.session_key, m.created_at / $1 AS day, m.provider, m.model, COUNT(*) AS answers, \
             SUM(CASE WHEN m.error_message IS NULL THEN 0 ELSE 1 END) AS errors, SUM(m.input_tokens) AS input, \
             SUM(m.output_tokens) AS output FROM messages m JOIN sessions s ON s.session_key = m.session_key \
             WHERE m.provider IS NOT NULL AND m.kind IS NULL AND m.created_at >= $2 AND m.created_at < $3 \
             AND ($4 IS NULL OR m.session_key = $4) AND ($5 IS NULL OR s.agent_id = $5) \
             AND ($6 IS NULL OR s.created_by = $6) \
             GROUP BY m.session_key, day, m.provider, m.model ORDER BY day, m.session_key",
        )
        .bind(DAY_MS)
        .bind(to_sql(filter.from))
        .bind(to_sql(filter.until))
        .bind(&filter.session_key)
        .bind(&filter.agent_id)
        .bind(&filter.created_by)
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(UsageSum {
                    session_key: row.try_get("session_key")?,
                    day: row.try_get("day")?,
                    provider: row.try_get("provider")?,
                    model: row.try_get("model")?,
                    answers: from_sql(row.try_get("answers")?),
                    errors: from_sql(row.try_get("errors")?),
                    usage: Usage::of(from_sql(row.try_get("input")?), from_sql(row.try_get("output")?)),
                })
            })
            .collect()
    }
}
