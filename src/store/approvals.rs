//! Commands that somebody is asked to allow, and how it ended.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, Error, from_sql, to_sql};

/// Ends that are kept.
const MAX_ENDED: u64 = 1_000;
const COLUMNS: &str = "approval_id, request, created_at, expires_at, resolved_at, verdict";

#[derive(Debug, Clone)]
pub struct StoredApproval {
    pub id: String,
    /// JSON, as is the verdict.
    pub request: String,
    pub created_at: u64,
    pub expires_at: u64,
    pub resolved_at: Option<u64>,
    pub verdict: Option<String>,
}

impl Database {
    /// Returns false, and stores nothing, when the id is taken.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn add_approval(&self, approval: &StoredApproval) -> Result<bool, Error> {
        let added = sqlx::query(
            "INSERT INTO approvals (approval_id, request, created_at, expires_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (approval_id) DO NOTHING",
        )
        .bind(&approval.id)
        .bind(&approval.request)
        .bind(to_sql(approval.created_at))
        .bind(to_sql(approval.expires_at))
        .execute(&self.writer)
        .await?;
        Ok(added.rows_affected() > 0)
    }

    /// Gives a request its end, unless it has one. Returns whether this end is the one: of two that come at once, one.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn end_approval(&self, id: &str, verdict: &str, now: u64) -> Result<bool, Error> {
        let mut transaction = self.writer.begin().await?;
        let ended = sqlx::query(
            "UPDATE approvals SET resolved_at = $2, verdict = $3 WHERE approval_id = $1 AND resolved_at IS NULL",
        )
        .bind(id)
        .bind(to_sql(now))
        .bind(verdict)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM approvals WHERE resolved_at < (SELECT MIN(resolved_at) FROM (SELECT resolved_at FROM \
                 approvals WHERE resolved_at IS NOT NULL ORDER BY resolved_at DESC LIMIT $1) AS kept)",
        )
        .bind(to_sql(MAX_ENDED))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Gives every request without an end this one. Returns how many there were.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn end_all_approvals(&self, verdict: &str, now: u64) -> Result<u64, Error> {
        let ended = sqlx::query("UPDATE approvals SET resolved_at = $1, verdict = $2 WHERE resolved_at IS NULL")
            .bind(to_sql(now))
            .bind(verdict)
            .execute(&self.writer)
            .await?;
        Ok(ended.rows_affected())
    }

    /// # Errors
    /// The database could not be read.
    pub async fn approval(&self, id: &str) -> Result<Option<StoredApproval>, Error> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM approvals WHERE approval_id = $1")))
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(approval).transpose()
    }

    /// Requests without an end, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn pending_approvals(&self) -> Result<Vec<StoredApproval>, Error> {
        let query = format!("SELECT {COLUMNS} FROM approvals WHERE resolved_at IS NULL ORDER BY created_at");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.readers).await?;
        rows.iter().map(approval).collect()
    }

    /// Requests with an end, the newest end first, from before the given end and id on.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn ended_approvals(&self, before: Option<(u64, &str)>, limit: u64) -> Result<Vec<StoredApproval>, Error> {
        let (time, id) = before.map_or((i64::MAX, ""), |(time, id)| (to_sql(time), id));
        let query = format!(
            "SELECT {COLUMNS} FROM approvals WHERE resolved_at < $1 OR (resolved_at = $1 AND approval_id < $2) \
             ORDER BY resolved_at DESC, approval_id DESC LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(time)
            .bind(id)
            .bind(to_sql(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(approval).collect()
    }
}

fn approval(row: &SqliteRow) -> Result<StoredApproval, Error> {
    Ok(StoredApproval {
        id: row.try_get("approval_id")?,
        request: row.try_get("request")?,
        created_at: from_sql(row.try_get("created_at")?),
        expires_at: from_sql(row.try_get("expires_at")?),
        resolved_at: row.try_get::<Option<i64>, _>("resolved_at")?.map(from_sql),
        verdict: row.try_get("verdict")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_has_one_end() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let new = |id: &str| StoredApproval {
            id: id.to_owned(),
            request: "r".to_owned(),
            created_at: 1,
            expires_at: 9,
            resolved_at: None,
            verdict: None,
        };
        assert!(database.add_approval(&new("a")).await.unwrap());
        assert!(!database.add_approval(&new("a")).await.unwrap());
        database.add_approval(&new("b")).await.unwrap();
        assert!(database.end_approval("a", "first", 2).await.unwrap());
        assert!(!database.end_approval("a", "second", 3).await.unwrap());
        assert_eq!(database.approval("a").await.unwrap().unwrap().verdict.as_deref(), Some("first"));
        assert_eq!(database.pending_approvals().await.unwrap().len(), 1);
        assert_eq!(database.end_all_approvals("cut", 4).await.unwrap(), 1);
        let ended = database.ended_approvals(None, 1).await.unwrap();
        assert_eq!(ended[0].id, "b");
        assert_eq!(database.ended_approvals(Some((4, "b")), 9).await.unwrap()[0].id, "a");
    }
}
