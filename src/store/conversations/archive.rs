//! The transcript of a session as a file, for when the session itself is deleted.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sqlx::Row;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::reads::MessageFilter;
use super::rows::{StoredMessage, StoredSession, role_name};
use crate::store::{Database, Error, create_private_folder};

const PAGE: u32 = 500;

impl Database {
    /// Writes everything that was ever said in a session, what resets have put away included, into a new file of one
    /// JSON object a line. When this returns, the file is on disk. Returns the seq of the last message in it.
    ///
    /// # Errors
    /// The file may be there in part.
    pub async fn archive_transcript(&self, session: &StoredSession, folder: &Path, name: &str) -> Result<u64, Error> {
        let failed = |source| Error::File { what: "the archive of a session".to_owned(), source };
        create_private_folder(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(folder.join(name)).await.map_err(failed)?;
        let head = json!({
            "type": "session", "key": session.key, "sessionId": session.session_id, "label": session.label,
            "createdAt": session.created_at,
        });
        let mut last_seq = 0;
        let mut text = format!("{head}\n");
        loop {
            let filter = MessageFilter::After { seq: last_seq, limit: PAGE };
            let (messages, _) = self.messages(&session.key, filter).await?;
            let Some(last) = messages.last() else { break };
            last_seq = last.seq;
            for message in &messages {
                for media in &message.media {
                    let content = STANDARD.encode(self.attachment(media.id()).await?.unwrap_or_default());
                    let line = json!({ "type": "attachment", "id": media.id(), "content": content });
                    let _ = writeln!(text, "{line}");
                }
                let _ = writeln!(text, "{}", line(message));
            }
            file.write_all(std::mem::take(&mut text).as_bytes()).await.map_err(failed)?;
        }
        file.write_all(text.as_bytes()).await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        File::open(folder).await.map_err(failed)?.sync_all().await.map_err(failed)?;
        Ok(last_seq)
    }

    /// Removes an archive that is not needed after all.
    pub async fn discard_archive(&self, path: &Path) {
        if let Err(error) = tokio::fs::remove_file(path).await {
            tracing::warn!(%error, "the archive of a session that was not deleted stays behind");
        }
    }

    /// The content of an attachment.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn attachment(&self, id: &str) -> Result<Option<Vec<u8>>, Error> {
        let row = sqlx::query("SELECT content FROM attachments WHERE attachment_id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

fn line(message: &StoredMessage) -> serde_json::Value {
    json!({
        "type": "message", "id": message.id, "seq": message.seq, "role": role_name(message.role),
        "content": message.text, "timestamp": message.created_at, "runId": message.run_id,
        "errorMessage": message.error_message, "media": message.media,
    })
}
