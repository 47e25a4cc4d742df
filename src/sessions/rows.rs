//! Stored rows as the wire shows them.

use crate::protocol::chat::{ContentPart, MessageMeta, MessageRow};
use crate::store::{RunStatus, StoredMessage};

const TITLE_CHARACTERS: usize = 60;
const PREVIEW_CHARACTERS: usize = 120;

/// A stored message with its place in the transcript.
#[must_use]
pub fn message_row(message: &StoredMessage) -> MessageRow {
    let is_user = matches!(message.role, crate::protocol::chat::MessageRole::User);
    MessageRow {
        role: message.role,
        content: vec![ContentPart::Text { text: message.text.clone() }],
        timestamp: message.created_at,
        stop_reason: message.ended_badly.map(stop_reason),
        error_message: message.error_message.clone(),
        idempotency_key: is_user.then(|| message.run_id.clone()),
        meta: Some(MessageMeta {
            id: message.id.clone(),
            seq: message.seq,
            run_id: Some(message.run_id.clone()),
            record_timestamp_ms: message.created_at,
        }),
    }
}

const fn stop_reason(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Ok | RunStatus::Running => "stop",
        RunStatus::Aborted | RunStatus::Interrupted => "aborted",
        RunStatus::Error => "error",
    }
}

/// The beginning of a text on one line.
pub(super) fn title(text: &str) -> String {
    shorten(text, TITLE_CHARACTERS)
}

pub(super) fn preview(text: &str) -> String {
    shorten(text, PREVIEW_CHARACTERS)
}

fn shorten(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= characters {
        return line;
    }
    line.chars().take(characters - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_by_characters_on_one_line() {
        assert_eq!(shorten("a\n b", 9), "a b");
        assert_eq!(shorten("äöüäöü", 4), "äöü…");
    }
}
