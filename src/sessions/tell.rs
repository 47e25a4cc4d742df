//! Telling those who follow: the list, and the messages of a session.

use super::rows::message_row;
use super::{SessionKey, Sessions};
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::chat::{ChatEvent, ChatState, MessageRow};
use crate::protocol::sessions::{Changed, ChangedFacts, Message, SessionRow};
use crate::store::{StoredMessage, StoredSession};

/// Why a list should be looked at again.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    Reason(&'static str),
    /// How far a run is.
    Phase {
        phase: &'static str,
        run_id: &'a str,
    },
}

impl Sessions {
    /// Tells that a session has changed, with the session as it is now. What cannot be read is told without: a
    /// follower then asks.
    pub async fn tell(&self, key: &SessionKey, cause: Cause<'_>) {
        let row = self.describe(key, false, false).await.unwrap_or_else(|error| {
            tracing::warn!(session.key = %key, %error, "a change is told without the session");
            None
        });
        self.publish(key, cause, row);
    }

    pub(super) fn tell_stored(&self, key: &SessionKey, cause: Cause<'_>, session: &StoredSession) {
        let row = super::rows::session_row(session, &self.models());
        self.publish(key, cause, Some(self.live(row, now_ms())));
    }

    pub(super) fn publish(&self, key: &SessionKey, cause: Cause<'_>, row: Option<SessionRow>) {
        let (reason, phase, run_id) = match cause {
            Cause::Reason(reason) => (Some(reason), None, None),
            Cause::Phase { phase, run_id } => (None, Some(phase), Some(run_id.to_owned())),
        };
        let changed = Changed {
            session_key: key.to_string(),
            agent_id: key.agent().to_owned(),
            reason,
            phase,
            run_id,
            ts: now_ms(),
            facts: row.as_ref().map(ChangedFacts::of),
            session: row,
        };
        self.0.bus.publish(&Event::SessionsChanged(Box::new(changed)));
    }

    /// Tells those who follow the session's messages of a new one.
    pub fn tell_message(&self, key: &SessionKey, message: &StoredMessage, session: &StoredSession) {
        let row = self.live(super::rows::session_row(session, &self.models()), now_ms());
        let message = self.message(key, message, session.reset_seq, Some(row));
        self.0.bus.publish(&Event::SessionMessage(Box::new(message)));
    }

    /// Tells the end of something that was no run, as a run's would be told.
    pub fn tell_final(&self, key: &SessionKey, run_id: String, seq: u64, message: &StoredMessage) {
        let message = MessageRow { meta: None, ..message_row(message, 0) };
        let state = ChatState::Final { stop_reason: "stop", usage: message.usage, message };
        self.0.bus.publish(&Event::Chat(Box::new(ChatEvent {
            run_id,
            session_key: key.to_string(),
            agent_id: key.agent().to_owned(),
            seq,
            state,
        })));
    }

    pub(super) fn message(
        &self,
        key: &SessionKey,
        message: &StoredMessage,
        reset_seq: u64,
        session: Option<SessionRow>,
    ) -> Message {
        let is_answer = message.role == crate::protocol::chat::MessageRole::Assistant;
        Message {
            session_key: key.to_string(),
            agent_id: key.agent().to_owned(),
            run_id: Some(message.run_id.clone()).filter(|run_id| is_answer && !run_id.is_empty()),
            message: message_row(message, reset_seq),
            message_id: message.id.clone(),
            message_seq: message.seq.saturating_sub(reset_seq),
            session,
        }
    }
}
