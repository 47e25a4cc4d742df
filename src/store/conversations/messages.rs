//! Putting one message into a transcript: what every write that adds one shares.

use super::rows::{AnswerSource, MessageKind, RunStatus, StoredMessage, role_name};
use crate::protocol::chat::{Media, MessageRole};
use crate::store::{Error, from_sql, to_sql};

pub(super) struct NewMessage<'a> {
    pub(super) session_key: &'a str,
    pub(super) role: MessageRole,
    pub(super) kind: MessageKind,
    pub(super) text: &'a str,
    pub(super) run_id: &'a str,
    pub(super) ended_badly: Option<RunStatus>,
    pub(super) error_message: Option<&'a str>,
    pub(super) source: Option<&'a AnswerSource>,
    pub(super) media: &'a [Media],
    pub(super) now: u64,
}

impl<'a> NewMessage<'a> {
    /// A turn that nothing else is known of.
    pub(super) const fn turn(
        session_key: &'a str,
        role: MessageRole,
        text: &'a str,
        run_id: &'a str,
        now: u64,
    ) -> Self {
        Self {
            session_key,
            role,
            kind: MessageKind::Turn,
            text,
            run_id,
            ended_badly: None,
            error_message: None,
            source: None,
            media: &[],
            now,
        }
    }
}

pub(super) async fn insert_message(
    connection: &mut sqlx::SqliteConnection,
    message: &NewMessage<'_>,
) -> Result<StoredMessage, Error> {
    let id = uuid::Uuid::new_v4().to_string();
    let media = if message.media.is_empty() {
        None
    } else {
        Some(serde_json::to_string(message.media).map_err(|_| Error::Corrupt("a message's attachments"))?)
    };
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO messages (session_key, seq, message_id, role, content, created_at, run_id, stop_reason, \
         error_message, kind, provider, model, input_tokens, output_tokens, media) \
         SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
         FROM messages WHERE session_key = $1 RETURNING seq",
    )
    .bind(message.session_key)
    .bind(&id)
    .bind(role_name(message.role))
    .bind(message.text)
    .bind(to_sql(message.now))
    .bind(message.run_id)
    .bind(message.ended_badly.map(RunStatus::as_str))
    .bind(message.error_message)
    .bind(message.kind.as_sql())
    .bind(message.source.map(|source| source.provider.as_str()))
    .bind(message.source.map(|source| source.model.as_str()))
    .bind(message.source.map(|source| to_sql(source.usage.input)))
    .bind(message.source.map(|source| to_sql(source.usage.output)))
    .bind(media)
    .fetch_one(connection)
    .await?;
    Ok(StoredMessage {
        id,
        seq: from_sql(seq),
        role: message.role,
        kind: message.kind,
        text: message.text.to_owned(),
        media: message.media.to_vec(),
        created_at: message.now,
        run_id: message.run_id.to_owned(),
        ended_badly: message.ended_badly,
        error_message: message.error_message.map(str::to_owned),
        source: message.source.cloned(),
    })
}
