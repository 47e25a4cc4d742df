//! Stored rows as the wire shows them.

use super::MAIN;
use super::models::Models;
use crate::protocol::chat::{Content, MessageMeta, MessageRole, MessageRow};
use crate::protocol::sessions::{SessionEntry, SessionRow, SessionSettings, SessionState};
use crate::store::{MessageKind, RunStatus, StoredMessage, StoredSession};

const TITLE_CHARACTERS: usize = 60;
const PREVIEW_CHARACTERS: usize = 120;
/// Before the part of a key that was made up for a session without one.
pub(super) const DASHBOARD: &str = "dashboard:";

/// A stored message with its place in what a client sees: behind the session's last reset.
#[must_use]
pub fn message_row(message: &StoredMessage, reset_seq: u64) -> MessageRow {
    let is_user = message.role == MessageRole::User;
    let is_answer = message.role == MessageRole::Assistant;
    let source = message.source.as_ref();
    MessageRow {
        role: message.role,
        content: if is_user { Content::Text(message.text.clone()) } else { Content::parts(message.text.clone()) },
        timestamp: message.created_at,
        provider: source.map(|source| source.provider.clone()),
        model: source.map(|source| source.model.clone()),
        usage: source.map(|source| source.usage),
        stop_reason: is_answer.then(|| message.ended_badly.map_or("stop", stop_reason)),
        error_message: message.error_message.clone(),
        idempotency_key: is_user.then(|| format!("{}:user", message.run_id)),
        meta: Some(MessageMeta {
            id: message.id.clone(),
            seq: message.seq.saturating_sub(reset_seq),
            run_id: Some(message.run_id.clone()).filter(|run_id| !run_id.is_empty()),
            record_timestamp_ms: message.created_at,
            kind: (message.kind == MessageKind::Reset).then_some("reset"),
            media: message.media.clone(),
            truncated: false,
            reason: None,
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

/// A session without what is true of this moment alone.
pub(super) fn session_row(session: &StoredSession, models: &Models) -> SessionRow {
    let chosen = models.of(&session.settings);
    let run = session.run.as_ref();
    let has_run = run.is_some();
    SessionRow {
        session_id: Some(session.session_id.clone()),
        label: session.label.clone(),
        created_at: Some(session.created_at),
        updated_at: Some(session.updated_at),
        last_interaction_at: session.last_interaction_at,
        last_activity_at: session.last_reply_at.max(session.last_interaction_at),
        archived: session.archived_at.is_some(),
        archived_at: session.archived_at,
        pinned: session.pinned_at.is_some(),
        pinned_at: session.pinned_at,
        unread: is_unread(session),
        last_read_at: session.last_read_at,
        marked_unread_at: session.marked_unread_at,
        parent_session_key: session.parent_key.clone(),
        // The name that people see, and the model by `model` alone.
        settings: SessionSettings {
            display_name: session.settings.display_name.clone().or_else(|| session.label.clone()),
            provider_override: None,
            model_override: None,
            ..session.settings.clone()
        },
        chat_type: session.last_interaction_at.map(|_| "direct"),
        classification: classification(rest_of(&session.key), session.last_interaction_at.is_some()),
        created_via: Some("operator"),
        aborted_last_run: run.is_some_and(|run| run.status == RunStatus::Aborted),
        context_tokens: models.context_tokens(&chosen),
        model_provider: chosen.provider,
        model: chosen.model,
        model_override_source: session.settings.model_override.as_ref().map(|_| "user"),
        input_tokens: has_run.then_some(session.usage.input),
        output_tokens: has_run.then_some(session.usage.output),
        total_tokens: Some(session.usage.input),
        total_tokens_fresh: true,
        status: run.map(|run| state(run.status)),
        started_at: run.map(|run| run.started_at),
        ended_at: run.and_then(|run| run.ended_at),
        runtime_ms: run.and_then(|run| run.ended_at.map(|ended_at| ended_at.saturating_sub(run.started_at))),
        last_run_id: session.last_run_id.clone(),
        last_run_error: run.and_then(|run| run.error.clone()),
        ..unknown_row(&session.key, &session.agent_id, models)
    }
}

/// A session that nothing was said in yet.
pub(super) fn unknown_row(key: &str, agent_id: &str, models: &Models) -> SessionRow {
    let chosen = models.default_choice();
    let rest = rest_of(key);
    SessionRow {
        key: key.to_owned(),
        kind: "direct",
        classification: classification(rest, false),
        visibility: "shared",
        chat_type: None,
        is_background: false,
        created_via: None,
        aborted_last_run: false,
        agent_id: agent_id.to_owned(),
        is_main: rest == MAIN,
        label: None,
        derived_title: None,
        last_message_preview: None,
        session_id: None,
        created_at: None,
        updated_at: None,
        last_interaction_at: None,
        last_activity_at: None,
        archived: false,
        archived_at: None,
        pinned: false,
        pinned_at: None,
        unread: false,
        last_read_at: None,
        marked_unread_at: None,
        parent_session_key: None,
        settings: SessionSettings::default(),
        context_tokens: models.context_tokens(&chosen),
        model_provider: chosen.provider,
        model: chosen.model,
        model_override_source: None,
        input_tokens: None,
        output_tokens: None,
        total_tokens: None,
        total_tokens_fresh: false,
        status: None,
        started_at: None,
        ended_at: None,
        runtime_ms: None,
        last_run_id: None,
        last_run_error: None,
        snapshot_at: 0,
        has_active_run: false,
        active_run_ids: Vec::new(),
        active_leaf_entry_id: None,
    }
}

/// What follows the agent in a key.
fn rest_of(key: &str) -> &str {
    key.splitn(3, ':').nth(2).unwrap_or_default()
}

/// By what was said in it, and before anything was, by its key.
fn classification(rest: &str, is_talked_in: bool) -> &'static str {
    if rest == MAIN {
        "main"
    } else if is_talked_in {
        "direct"
    } else if rest.starts_with(DASHBOARD) {
        "dashboard"
    } else {
        "custom"
    }
}

/// Marked by hand, or answered since it was last read. Who created it (and so gave it a parent) has read what was in it
/// then; one that came to be by its first message alone and was never read is not nagged about.
fn is_unread(session: &StoredSession) -> bool {
    let read = session.last_read_at.or(session.parent_key.as_ref().map(|_| session.created_at));
    let is_answered_since = matches!((session.last_reply_at, read), (Some(reply), Some(read)) if reply > read);
    session.marked_unread_at.is_some() || is_answered_since
}

const fn state(status: RunStatus) -> SessionState {
    match status {
        RunStatus::Running => SessionState::Running,
        RunStatus::Ok => SessionState::Done,
        RunStatus::Aborted | RunStatus::Interrupted => SessionState::Killed,
        RunStatus::Error => SessionState::Failed,
    }
}

#[must_use]
pub fn entry(session: &StoredSession) -> SessionEntry {
    SessionEntry {
        session_id: session.session_id.clone(),
        created_via: "operator",
        lifecycle_revision: session.lifecycle_revision.clone(),
        created_at: session.created_at,
        updated_at: session.updated_at,
        label: session.label.clone(),
        parent_session_key: session.parent_key.clone(),
        pinned_at: session.pinned_at,
        archived_at: session.archived_at,
        last_read_at: session.last_read_at,
        marked_unread_at: session.marked_unread_at,
        last_interaction_at: session.last_interaction_at,
        settings: session.settings.clone(),
        model_override_source: if session.settings.model_override.is_some() { "user" } else { "default" },
        input_tokens: session.usage.input,
        output_tokens: session.usage.output,
        total_tokens: session.usage.input,
        total_tokens_fresh: true,
    }
}

/// The beginning of a text on one line.
pub(super) fn title(text: &str) -> String {
    shorten(text, TITLE_CHARACTERS)
}

pub(super) fn preview(text: &str) -> String {
    shorten(text, PREVIEW_CHARACTERS)
}

pub(super) fn shorten(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= characters {
        return line;
    }
    line.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
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
