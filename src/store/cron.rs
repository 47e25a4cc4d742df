//! Cron jobs and their runs. What a job says is JSON that `automation` reads and writes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, Error, from_sql, to_sql};

/// Runs that are kept of one job, and of all.
const MAX_RUNS_OF_A_JOB: u64 = 200;
const MAX_RUNS: u64 = 5_000;

#[derive(Debug, Clone)]
pub struct StoredJob {
    pub id: String,
    pub declaration_key: Option<String>,
    pub definition: String,
    pub state: String,
    pub created_at: u64,
    pub updated_at: u64,
}

/// A run that was begun.
#[derive(Debug, Clone)]
pub struct BegunRun {
    pub run_id: String,
    pub job_id: String,
    pub started_at: u64,
}

impl Database {
    /// # Errors
    /// The database could not be read.
    pub async fn cron_jobs(&self) -> Result<Vec<StoredJob>, Error> {
        let rows = sqlx::query(
            "SELECT job_id, declaration_key, definition, state, created_at, updated_at FROM cron_jobs ORDER BY created_at",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(job).collect()
    }

    /// # Errors
    /// The database could not be read.
    pub async fn cron_job(&self, id: &str) -> Result<Option<StoredJob>, Error> {
        let row = sqlx::query(
            "SELECT job_id, declaration_key, definition, state, created_at, updated_at FROM cron_jobs WHERE job_id = $1",
        )
        .bind(id)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(job).transpose()
    }

    /// Stores a job over what was there.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn put_cron_job(&self, job: &StoredJob) -> Result<(), Error> {
        put(job, &self.writer).await
    }

    /// Removes a job and its runs. Returns whether there was one.
    ///
    /// # Errors
    /// Nothing was removed.
    pub async fn remove_cron_job(&self, id: &str) -> Result<bool, Error> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("DELETE FROM cron_runs WHERE job_id = $1").bind(id).execute(&mut *transaction).await?;
        let removed =
            sqlx::query("DELETE FROM cron_jobs WHERE job_id = $1").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(removed.rows_affected() > 0)
    }

    /// # Errors
    /// Nothing was stored.
    pub async fn begin_cron_run(&self, run: &BegunRun) -> Result<(), Error> {
        sqlx::query("INSERT INTO cron_runs (run_id, job_id, started_at) VALUES ($1, $2, $3)")
            .bind(&run.run_id)
            .bind(&run.job_id)
            .bind(to_sql(run.started_at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Stores a run's end together with what it changed in its job. Of a job that is gone, nothing is kept.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn end_cron_run(&self, run_id: &str, entry: &str, job: &StoredJob, now: u64) -> Result<(), Error> {
        let mut transaction = self.writer.begin().await?;
        let updated = sqlx::query("UPDATE cron_runs SET ended_at = $2, entry = $3 WHERE run_id = $1")
            .bind(run_id)
            .bind(to_sql(now))
            .bind(entry)
            .execute(&mut *transaction)
            .await?;
        if updated.rows_affected() == 0 {
            return Ok(());
        }
        put(job, &mut *transaction).await?;
        sqlx::query(
            "DELETE FROM cron_runs WHERE job_id = $1 AND ended_at IS NOT NULL AND run_id NOT IN (SELECT run_id FROM \
                 cron_runs WHERE job_id = $1 AND ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT $2)",
        )
        .bind(&job.id)
        .bind(to_sql(MAX_RUNS_OF_A_JOB))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM cron_runs WHERE ended_at < (SELECT MIN(ended_at) FROM (SELECT ended_at FROM cron_runs \
                 WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT $1) AS kept)",
        )
        .bind(to_sql(MAX_RUNS))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Runs without an end, at a start those that the last end cut off.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn begun_cron_runs(&self) -> Result<Vec<BegunRun>, Error> {
        let rows = sqlx::query("SELECT run_id, job_id, started_at FROM cron_runs WHERE ended_at IS NULL")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(BegunRun {
                    run_id: row.try_get("run_id")?,
                    job_id: row.try_get("job_id")?,
                    started_at: from_sql(row.try_get("started_at")?),
                })
            })
            .collect()
    }

    /// The ends of a job's runs, or of all, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn cron_entries(&self, job_id: Option<&str>) -> Result<Vec<String>, Error> {
        let rows = sqlx::query(
            "SELECT entry FROM cron_runs WHERE ended_at IS NOT NULL AND (job_id = $1 OR $1 IS NULL) \
             ORDER BY ended_at DESC, run_id DESC",
        )
        .bind(job_id)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("entry")?)).collect()
    }
}

async fn put<'a, E>(job: &StoredJob, executor: E) -> Result<(), Error>
where
    E: sqlx::Executor<'a, Database = sqlx::Sqlite>,
{
    sqlx::query(
        "INSERT INTO cron_jobs (job_id, declaration_key, definition, state, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (job_id) DO UPDATE SET declaration_key = $2, definition = $3, state = $4, updated_at = $6",
    )
    .bind(&job.id)
    .bind(&job.declaration_key)
    .bind(&job.definition)
    .bind(&job.state)
    .bind(to_sql(job.created_at))
    .bind(to_sql(job.updated_at))
    .execute(executor)
    .await?;
    Ok(())
}

fn job(row: &SqliteRow) -> Result<StoredJob, Error> {
    Ok(StoredJob {
        id: row.try_get("job_id")?,
        declaration_key: row.try_get("declaration_key")?,
        definition: row.try_get("definition")?,
        state: row.try_get("state")?,
        created_at: from_sql(row.try_get("created_at")?),
        updated_at: from_sql(row.try_get("updated_at")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_run_is_kept_with_its_job_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let text = |text: &str| text.to_owned();
        let job = StoredJob {
            id: text("j"),
            declaration_key: None,
            definition: text("{}"),
            state: text("before"),
            created_at: 1,
            updated_at: 1,
        };
        database.put_cron_job(&job).await.unwrap();
        let run = BegunRun { run_id: text("r"), job_id: text("j"), started_at: 2 };
        database.begin_cron_run(&run).await.unwrap();
        assert_eq!(database.begun_cron_runs().await.unwrap().len(), 1);
        database.end_cron_run("r", "entry", &StoredJob { state: text("after"), ..job }, 3).await.unwrap();
        assert_eq!(database.cron_job("j").await.unwrap().unwrap().state, "after");
        assert_eq!(database.cron_entries(Some("j")).await.unwrap(), ["entry"]);
        assert!(database.begun_cron_runs().await.unwrap().is_empty());
        assert!(database.remove_cron_job("j").await.unwrap());
        assert!(!database.remove_cron_job("j").await.unwrap());
        assert!(database.cron_entries(None).await.unwrap().is_empty());
    }
}
