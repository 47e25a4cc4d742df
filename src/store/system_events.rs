//! What the agent is to be told at its next turn in a session.

use sqlx::Row;

use super::{Database, Error, from_sql, to_sql};

/// Events that wait in one session; the oldest go first, as the real gateway has it.
const MAX_OF_A_SESSION: u64 = 20;
/// Events that wait in all sessions.
const MAX_EVENTS: u64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemEvent {
    pub position: u64,
    pub text: String,
    pub created_at: u64,
}

impl Database {
    /// Puts an event at the end of a session's queue, unless the last one there says the same.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn queue_system_event(&self, session_key: &str, text: &str, now: u64) -> Result<(), Error> {
        let mut transaction = self.writer.begin().await?;
        let newest = sqlx::query(
            "SELECT position, text FROM system_events WHERE session_key = $1 ORDER BY position DESC LIMIT 1",
        )
        .bind(session_key)
        .fetch_optional(&mut *transaction)
        .await?;
        let (last, said) = match newest {
            Some(row) => (from_sql(row.try_get("position")?), Some(row.try_get::<String, _>("text")?)),
            None => (0, None),
        };
        if said.as_deref() == Some(text) {
            return Ok(());
        }
        // Positions grow also when the queue was emptied: two events never share one while either is about.
        let position = (last + 1).max(now);
        sqlx::query("INSERT INTO system_events (session_key, position, text, created_at) VALUES ($1, $2, $3, $4)")
            .bind(session_key)
            .bind(to_sql(position))
            .bind(text)
            .bind(to_sql(now))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM system_events WHERE session_key = $1 AND position NOT IN (\
                 SELECT position FROM system_events WHERE session_key = $1 ORDER BY position DESC LIMIT $2)",
        )
        .bind(session_key)
        .bind(to_sql(MAX_OF_A_SESSION))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM system_events WHERE created_at < (\
                 SELECT MIN(created_at) FROM (SELECT created_at FROM system_events ORDER BY created_at DESC LIMIT $1) AS kept)",
        )
        .bind(to_sql(MAX_EVENTS))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What waits in a session, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn system_events(&self, session_key: &str) -> Result<Vec<SystemEvent>, Error> {
        let rows = sqlx::query(
            "SELECT position, text, created_at FROM system_events WHERE session_key = $1 ORDER BY position",
        )
        .bind(session_key)
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SystemEvent {
                    position: from_sql(row.try_get("position")?),
                    text: row.try_get("text")?,
                    created_at: from_sql(row.try_get("created_at")?),
                })
            })
            .collect()
    }

    /// Takes out what the agent has been told.
    ///
    /// # Errors
    /// Nothing was taken out.
    pub async fn forget_system_events(&self, session_key: &str, up_to: u64) -> Result<(), Error> {
        sqlx::query("DELETE FROM system_events WHERE session_key = $1 AND position <= $2")
            .bind(session_key)
            .bind(to_sql(up_to))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_keeps_the_newest_and_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        for number in 0..30_u64 {
            database.queue_system_event("a", &format!("event {}", number / 2), 7).await.unwrap();
        }
        let texts: Vec<String> =
            database.system_events("a").await.unwrap().into_iter().map(|event| event.text).collect();
        assert_eq!((texts.len(), texts[0].as_str(), texts[14].as_str()), (15, "event 0", "event 14"));
        for number in 0..30 {
            database.queue_system_event("a", &format!("more {number}"), 8).await.unwrap();
        }
        let events = database.system_events("a").await.unwrap();
        assert_eq!((events.len(), events[0].text.as_str()), (20, "more 10"));
        database.forget_system_events("a", events[18].position).await.unwrap();
        assert_eq!(database.system_events("a").await.unwrap().len(), 1);
        assert!(database.system_events("b").await.unwrap().is_empty());
    }
}
