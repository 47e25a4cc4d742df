//! What is known of nodes beside their devices. What a node said that it can do is JSON that `nodes` reads and writes.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Database, Error, from_sql, to_sql};

/// A node that never connected has none, which reads as the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeRecord {
    /// Given by an operator.
    pub display_name: Option<String>,
    pub approved: Option<ApprovedSurface>,
    pub waiting: Option<WaitingSurface>,
    /// JSON of the last figures, and when they came.
    pub host_stats: Option<(String, u64)>,
    pub last_connected_at: Option<u64>,
    pub last_disconnected_at: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedSurface {
    pub declaration: String,
    /// Of the first approval.
    pub created_at: u64,
    pub approved_at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingSurface {
    pub request_id: String,
    pub declaration: String,
    pub requested_at: u64,
}

macro_rules! columns {
    () => {
        "node_id, display_name, approved, created_at, approved_at, request_id, waiting, requested_at, host_stats, \
         host_stats_at, last_connected_at, last_disconnected_at"
    };
}

impl Database {
    /// By node id.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn node_records(&self) -> Result<std::collections::HashMap<String, NodeRecord>, Error> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM nodes")).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("node_id")?, record(row)?))).collect()
    }

    /// # Errors
    /// The database could not be read.
    pub async fn node_record(&self, node_id: &str) -> Result<NodeRecord, Error> {
        let mut connection = self.readers.acquire().await?;
        read(&mut connection, node_id).await
    }

    /// Whose request this is.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn node_that_asked(&self, request_id: &str) -> Result<Option<String>, Error> {
        let row = sqlx::query("SELECT node_id FROM nodes WHERE request_id = $1")
            .bind(request_id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(row.try_get("node_id")?)).transpose()
    }

    /// Hands `change` what is on disk about a node, and stores what it leaves: one transaction, and none at all where
    /// nothing was changed. `None` for a device that is not paired as a node, or no longer.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn change_node<R>(
        &self,
        node_id: &str,
        change: impl FnOnce(&mut NodeRecord) -> R,
    ) -> Result<Option<R>, Error> {
        let mut transaction = self.writer.begin().await?;
        let is_paired = sqlx::query(
            "SELECT device_id FROM device_roles WHERE device_id = $1 AND role = 'node' AND revoked_at IS NULL",
        )
        .bind(node_id)
        .fetch_optional(&mut *transaction)
        .await?
        .is_some();
        if !is_paired {
            return Ok(None);
        }
        let before = read(&mut transaction, node_id).await?;
        let mut after = before.clone();
        let result = change(&mut after);
        if before != after {
            write(&mut transaction, node_id, &after).await?;
            transaction.commit().await?;
        }
        Ok(Some(result))
    }
}

async fn read(connection: &mut SqliteConnection, node_id: &str) -> Result<NodeRecord, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM nodes WHERE node_id = $1"))
        .bind(node_id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map_or_else(|| Ok(NodeRecord::default()), record)
}

async fn write(connection: &mut SqliteConnection, node_id: &str, record: &NodeRecord) -> Result<(), Error> {
    let (approved, waiting) = (record.approved.as_ref(), record.waiting.as_ref());
    sqlx::query(concat!(
        "INSERT INTO nodes (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (node_id) DO UPDATE SET display_name = $2, approved = $3, created_at = $4, approved_at = $5, \
             request_id = $6, waiting = $7, requested_at = $8, host_stats = $9, host_stats_at = $10, \
             last_connected_at = $11, last_disconnected_at = $12"
    ))
    .bind(node_id)
    .bind(&record.display_name)
    .bind(approved.map(|approved| &approved.declaration))
    .bind(approved.map(|approved| to_sql(approved.created_at)))
    .bind(approved.map(|approved| to_sql(approved.approved_at)))
    .bind(waiting.map(|waiting| &waiting.request_id))
    .bind(waiting.map(|waiting| &waiting.declaration))
    .bind(waiting.map(|waiting| to_sql(waiting.requested_at)))
    .bind(record.host_stats.as_ref().map(|(stats, _)| stats))
    .bind(record.host_stats.as_ref().map(|(_, at)| to_sql(*at)))
    .bind(record.last_connected_at.map(to_sql))
    .bind(record.last_disconnected_at.map(to_sql))
    .execute(connection)
    .await?;
    Ok(())
}

fn record(row: &SqliteRow) -> Result<NodeRecord, Error> {
    let time = |column: &str| Ok::<_, Error>(row.try_get::<Option<i64>, _>(column)?.map(from_sql));
    let text = |column: &str| Ok::<_, Error>(row.try_get::<Option<String>, _>(column)?);
    let approved = text("approved")?.zip(time("created_at")?).zip(time("approved_at")?);
    let waiting = text("request_id")?.zip(text("waiting")?).zip(time("requested_at")?);
    Ok(NodeRecord {
        display_name: text("display_name")?,
        approved: approved.map(|((declaration, created_at), approved_at)| ApprovedSurface {
            declaration,
            created_at,
            approved_at,
        }),
        waiting: waiting.map(|((request_id, declaration), requested_at)| WaitingSurface {
            request_id,
            declaration,
            requested_at,
        }),
        host_stats: text("host_stats")?.zip(time("host_stats_at")?),
        last_connected_at: time("last_connected_at")?,
        last_disconnected_at: time("last_disconnected_at")?,
    })
}
