//! What outlives the process: the database, and small private files.
//!
//! The SQL is here and nowhere else, one file a subject; callers in `sessions`, `agent` and `auth` see typed rows. The
//! database is SQLite with a write-ahead log and `synchronous=FULL`: when a call that writes has returned, what it
//! wrote survives a kill and a power cut.

mod approvals;
mod conversations;
mod cron;
mod device_tokens;
mod devices;
mod files;
mod identity;
mod nodes;
mod people;
mod settings;
mod system_events;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub use approvals::StoredApproval;
pub use conversations::{
    Acceptance, AnswerSource, Command, Creators, Edit, ExpectedLeaf, GATEWAY_MODEL, GATEWAY_PROVIDER, LastRun,
    MessageFilter, MessageKind, NewAttachment, NewInput, Reset, RunEnd, RunStatus, SessionFilter, SessionOrder,
    SessionSeed, StoredMessage, StoredRun, StoredSession, UsageFilter, UsageSum,
};
pub use cron::{BegunRun, StoredJob};
pub use devices::{Device, DeviceRole, DeviceState, Presented, SetupRecord, Sighting, Waiting};
pub use files::{create_private_file, create_private_folder, lock_folder, write_private_file};
pub use identity::GatewayIdentity;
pub use nodes::{ApprovedSurface, NodeRecord, WaitingSurface};
pub use people::StoredPerson;
pub use settings::{MAX_PREFERENCES, PreferenceChange};
pub use system_events::SystemEvent;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was stored; what was stored before is intact.
    #[error("the disk is full: nothing was stored; free some space and send it again")]
    Full,
    #[error("the database could not do that: {0}")]
    Database(#[source] sqlx::Error),
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("{what}: {source}")]
    File { what: String, source: std::io::Error },
    #[error("{0} holds something that this version does not understand")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.and_then(|code| code.parse().ok()) {
            Some(SQLITE_FULL | SQLITE_IOERR_SHMSIZE) => Self::Full,
            _ => Self::Database(error),
        }
    }
}

/// Result codes of sqlite3.h: no room in the file, and no room for the index of the write-ahead log.
const SQLITE_FULL: u32 = 13;
const SQLITE_IOERR_SHMSIZE: u32 = 4874;

/// A handle to the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    /// One connection: SQLite has one writer, and waiting here is fairer than its busy loop.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Grows with every change to the conversations.
    generation: Arc<AtomicU64>,
    creators: Arc<Creators>,
}

const READERS: u32 = 2;

impl Database {
    /// Opens or creates the database and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        files::make_private(path)?;
        sqlx::migrate!("src/store/migrations").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.read_only(true));
        let creators = Arc::new(Creators::read(&writer).await?);
        Ok(Self { writer, readers, generation: Arc::default(), creators })
    }

    /// A number that differs whenever conversations may have changed: what was derived from them at the same number
    /// is still true. Take it before reading.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Who began which session.
    #[must_use]
    pub const fn creators(&self) -> &Arc<Creators> {
        &self.creators
    }

    fn count_change(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Waits for writes under way and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await {
            tracing::warn!(%error, "the write-ahead log stays beside the database; nothing is lost");
        }
        self.writer.close().await;
    }
}

/// SQLite's integers are signed; times and counts of ours never reach the sign bit.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
