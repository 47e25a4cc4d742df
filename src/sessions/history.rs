//! A part of a transcript, and what came after an earlier part.

use super::rows::{message_row, preview, session_row, unknown_row};
use super::{SessionKey, Sessions};
use crate::clock::{now_ms, rfc3339};
use crate::protocol::chat::{
    Content, ContentPart, DeltaReply, HistoryReply, MessageRow, PendingInput, PendingInputs, Transcript, TranscriptPage,
};
use crate::protocol::sessions::{Branch, Message, SessionRow};
use crate::store::{Error, MessageFilter, MessageKind, StoredMessage, StoredSession};

const DEFAULT_HISTORY: u32 = 200;
const MAX_HISTORY: u32 = 1_000;
/// Of one `chat.history` answer (protocol §1), and what a message costs beside its text.
const MAX_HISTORY_BYTES: usize = 6_291_456;
const MESSAGE_OVERHEAD: usize = 800;
/// Of what waits; the protocol's answer takes no more.
const MAX_PENDING: usize = 20;
/// Of the latest messages, for one with words.
const HEADLINE_CANDIDATES: u32 = 8;
const CUT: &str = "\n...(truncated)...";

impl Sessions {
    /// A part of a transcript; `shown_key` is echoed as the client sent it.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn history(
        &self,
        key: &SessionKey,
        shown_key: String,
        page: &TranscriptPage,
    ) -> Result<HistoryReply, Error> {
        let session = self.stored(key).await?;
        if let Some(cursor) = &page.cursor {
            return match session.as_ref().and_then(|session| Some((session, seq_of(cursor, session)?))) {
                Some((session, after)) => self.delta(key, session, after, page).await,
                None => Ok(HistoryReply::Reset { kind: "reset" }),
            };
        }
        let limit = page.limit.unwrap_or(DEFAULT_HISTORY).clamp(1, MAX_HISTORY);
        let offset = page.offset.unwrap_or(0);
        let floor = session.as_ref().map_or(0, |session| session.reset_seq);
        let filter = MessageFilter::Newest { floor, limit, offset };
        let (stored, total) = self.0.database.messages(key.as_str(), filter).await?;
        let stored = newest_within_cap(stored);
        let shown = offset + stored.len() as u64;
        let has_more = shown < total;
        // A page of older messages must not set a reader back to them.
        let last_seq = match (offset, stored.last()) {
            (0, Some(last)) => last.seq,
            _ => self.last_seq(key, floor).await?,
        };
        Ok(HistoryReply::Whole(Box::new(Transcript {
            session_key: shown_key,
            session_id: session.as_ref().map(|session| session.session_id.clone()),
            messages: stored.iter().map(|message| shown_row(message, floor, page.max_chars)).collect(),
            pending_inputs: self.pending(key, floor).await?,
            delta_cursor: session.as_ref().map(|session| cursor(session, last_seq)),
            next_offset: has_more.then_some(shown),
            has_more,
            total_messages: total,
            defaults: self.defaults(),
            session_info: self.info(key, session.as_ref()).await?,
        })))
    }

    async fn delta(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        after: u64,
        page: &TranscriptPage,
    ) -> Result<HistoryReply, Error> {
        let filter = MessageFilter::After { seq: after, limit: MAX_HISTORY };
        let (stored, _) = self.0.database.messages(key.as_str(), filter).await?;
        let stored = oldest_within_cap(stored);
        let last_seq = stored.last().map_or(after, |message| message.seq);
        let messages = stored.iter().map(|message| Message {
            message: shown_row(message, session.reset_seq, page.max_chars),
            ..self.message(key, message, session.reset_seq, None)
        });
        Ok(HistoryReply::Delta(Box::new(DeltaReply {
            kind: "delta",
            messages: messages.collect(),
            delta_cursor: cursor(session, last_seq),
            pending_inputs: self.pending(key, session.reset_seq).await?,
            session_info: self.info(key, Some(session)).await?,
        })))
    }

    /// The newest messages, oldest first: `sessions.get`.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn newest(&self, key: &SessionKey, limit: Option<u32>) -> Result<Vec<MessageRow>, Error> {
        let floor = self.stored(key).await?.map_or(0, |session| session.reset_seq);
        let limit = limit.unwrap_or(DEFAULT_HISTORY).clamp(1, MAX_HISTORY);
        let filter = MessageFilter::Newest { floor, limit, offset: 0 };
        let (stored, _) = self.0.database.messages(key.as_str(), filter).await?;
        Ok(newest_within_cap(stored).iter().map(|message| message_row(message, floor)).collect())
    }

    /// The branches of a conversation: the one that there is.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn branches(&self, key: &SessionKey) -> Result<Vec<Branch>, Error> {
        let Some(session) = self.stored(key).await? else { return Ok(Vec::new()) };
        let filter = MessageFilter::Newest { floor: session.reset_seq, limit: HEADLINE_CANDIDATES, offset: 0 };
        let (newest, shown) = self.0.database.messages(key.as_str(), filter).await?;
        // The mark of a reset is shown as a message, and is none.
        let filter = MessageFilter::After { seq: session.reset_seq, limit: 1 };
        let (oldest, _) = self.0.database.messages(key.as_str(), filter).await?;
        let marks = oldest.iter().filter(|message| message.kind == MessageKind::Reset).count() as u64;
        let mut said = newest.iter().rev().filter(|message| message.kind != MessageKind::Reset).peekable();
        let Some(leaf) = said.peek().copied() else { return Ok(Vec::new()) };
        // A message may be nothing but a file.
        let headline = said.map(|message| preview(&message.text)).find(|line| !line.is_empty());
        Ok(vec![Branch {
            leaf_entry_id: leaf.id.clone(),
            headline: headline.unwrap_or_default(),
            message_count: shown.saturating_sub(marks),
            updated_at: rfc3339(leaf.created_at),
            active: true,
        }])
    }

    async fn last_seq(&self, key: &SessionKey, floor: u64) -> Result<u64, Error> {
        let filter = MessageFilter::Newest { floor, limit: 1, offset: 0 };
        let (newest, _) = self.0.database.messages(key.as_str(), filter).await?;
        Ok(newest.last().map_or(floor, |message| message.seq))
    }

    async fn info(&self, key: &SessionKey, session: Option<&StoredSession>) -> Result<SessionRow, Error> {
        let models = &*self.models();
        let row = match session {
            Some(session) => session_row(session, models),
            None => unknown_row(key.as_str(), key.agent(), models),
        };
        let leaf = self.0.database.leaf(key.as_str()).await?;
        Ok(SessionRow { active_leaf_entry_id: Some(leaf), ..self.live(row, now_ms()) })
    }

    /// What waits behind the run that is going on.
    async fn pending(&self, key: &SessionKey, reset_seq: u64) -> Result<PendingInputs, Error> {
        let waiting: Vec<String> = self.0.runs.of_session(key.as_str()).into_iter().skip(1).collect();
        let mut items = Vec::new();
        for run_id in waiting.iter().take(MAX_PENDING) {
            if let Some(message) = self.0.database.input_of(run_id).await? {
                items.push(PendingInput {
                    id: message.id.clone(),
                    run_id: run_id.clone(),
                    accepted_at: message.created_at,
                    message: message_row(&message, reset_seq),
                    state: "queued",
                });
            }
        }
        Ok(PendingInputs { items, total: waiting.len() })
    }
}

/// Where a client has read to, and of which life of the session.
fn cursor(session: &StoredSession, seq: u64) -> String {
    format!("1.{seq}.{}", session.lifecycle_revision)
}

/// `None` for a cursor of another life of the session, or none of ours.
fn seq_of(cursor: &str, session: &StoredSession) -> Option<u64> {
    let (seq, revision) = cursor.strip_prefix("1.")?.split_once('.')?;
    (revision == session.lifecycle_revision).then_some(())?;
    seq.parse().ok()
}

fn shown_row(message: &StoredMessage, reset_seq: u64, max_chars: Option<u32>) -> MessageRow {
    let mut row = message_row(message, reset_seq);
    let Some(most) = max_chars.and_then(|most| usize::try_from(most).ok()) else { return row };
    let text = match &mut row.content {
        Content::Text(text) => text,
        Content::Parts(parts) => match parts.first_mut() {
            Some(ContentPart::Text { text }) => text,
            None => return row,
        },
    };
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push_str(CUT);
        if let Some(meta) = &mut row.meta {
            (meta.truncated, meta.reason) = (true, Some("display-cap"));
        }
    }
    row
}

/// What a message takes of an answer, in bytes.
fn size(message: &StoredMessage) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    MESSAGE_OVERHEAD * (1 + message.media.len()) + message.text.bytes().map(escaped).sum::<usize>()
}

fn newest_within_cap(messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let kept = count_within_cap(messages.iter().rev());
    let skipped = messages.len().saturating_sub(kept);
    messages.into_iter().skip(skipped).collect()
}

fn oldest_within_cap(messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let kept = count_within_cap(messages.iter());
    messages.into_iter().take(kept).collect()
}

/// How many of them fit into one answer; one always does, or a reader would never get past it.
fn count_within_cap<'a>(messages: impl Iterator<Item = &'a StoredMessage>) -> usize {
    let mut room = MAX_HISTORY_BYTES;
    let fitting = messages.take_while(|message| {
        let size = size(message);
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chat::MessageRole;
    use crate::store::MessageKind;

    fn message(text: &str) -> StoredMessage {
        StoredMessage {
            id: "m".into(),
            seq: 5,
            role: MessageRole::User,
            kind: MessageKind::Turn,
            text: text.into(),
            media: Vec::new(),
            created_at: 0,
            run_id: "r".into(),
            ended_badly: None,
            error_message: None,
            source: None,
        }
    }

    #[test]
    fn an_answer_stays_within_its_cap() {
        let messages = vec![message(&"\u{1}".repeat(500_000)); 5];
        assert_eq!(newest_within_cap(messages.clone()).len(), 2, "a control character takes six bytes");
        assert_eq!(oldest_within_cap(messages).len(), 2);
        assert_eq!(newest_within_cap(vec![message(&"x".repeat(7_000_000))]).len(), 1);
        assert!(newest_within_cap(Vec::new()).is_empty());
    }

    #[test]
    fn a_long_text_is_cut_by_characters_and_says_so() {
        let row = shown_row(&message("äöüß"), 3, Some(2));
        assert_eq!(row.content, Content::Text(format!("äö{CUT}")));
        let meta = row.meta.unwrap();
        assert_eq!((meta.truncated, meta.seq), (true, 2));
        assert!(!shown_row(&message("äö"), 3, Some(2)).meta.unwrap().truncated);
    }
}
