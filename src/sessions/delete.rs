//! Deleting a session: what was said goes into a file first, then everything goes at once.

use super::edit::Expectation;
use super::tell::Cause;
use super::{SessionKey, Sessions};
use crate::clock::now_ms;
use crate::store;

/// Somebody may say something while the archive is written; then it is written again.
const ATTEMPTS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error("Cannot delete the main session ({0}).")]
    Main(String),
    #[error("Session {0} is not archived. Archive it first, then delete it.")]
    NotArchived(String),
    #[error("Session {0} changed before deletion. Retry.")]
    Changed(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What was deleted.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    pub is_deleted: bool,
    /// The file that holds what was said, if anything was.
    pub archive: Option<String>,
}

impl Sessions {
    /// Whether a session may be deleted, before anything is stopped for it.
    ///
    /// # Errors
    /// Why not.
    pub async fn may_delete(
        &self,
        key: &SessionKey,
        expected: &Expectation,
        archived_only: bool,
    ) -> Result<(), DeleteError> {
        if key.is_main() {
            return Err(DeleteError::Main(key.to_string()));
        }
        let Some(session) = self.stored(key).await? else { return Ok(()) };
        if !expected.is_met(&session) {
            return Err(DeleteError::Changed(key.to_string()));
        }
        if archived_only && session.archived_at.is_none() {
            return Err(DeleteError::NotArchived(key.to_string()));
        }
        Ok(())
    }

    /// Deletes a session. Nothing may run in it: see `Agent::settle`.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub async fn delete(
        &self,
        key: &SessionKey,
        expected: &Expectation,
        archived_only: bool,
    ) -> Result<Deleted, DeleteError> {
        for _ in 0..ATTEMPTS {
            self.may_delete(key, expected, archived_only).await?;
            let Some(session) = self.stored(key).await? else { return Ok(Deleted::default()) };
            let folder = &self.0.settings.archive;
            let name = format!("{}.jsonl.deleted.{}.{}", session.session_id, now_ms(), uuid::Uuid::new_v4().simple());
            let last_seq = self.0.database.archive_transcript(&session, folder, &name).await?;
            let is_deleted =
                self.0.database.delete_session(key.as_str(), &session.lifecycle_revision, last_seq).await?;
            let path = folder.join(&name);
            if is_deleted && last_seq > 0 {
                self.publish(key, Cause::Reason("delete"), None);
                return Ok(Deleted { is_deleted, archive: Some(path.display().to_string()) });
            }
            // Empty, or out of date.
            self.0.database.discard_archive(&path).await;
            if is_deleted {
                self.publish(key, Cause::Reason("delete"), None);
                return Ok(Deleted { is_deleted, archive: None });
            }
        }
        Err(DeleteError::Changed(key.to_string()))
    }
}
