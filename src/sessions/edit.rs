//! Making a session, setting things for it, beginning it anew, putting a message into it. Each is on disk before it is
//! told.

use super::patch::{Patch, PatchError};
use super::rows::DASHBOARD;
use super::tell::Cause;
use super::{SessionKey, Sessions};
use crate::clock::now_ms;
use crate::protocol::sessions::{FastMode, ThinkingLevel};
use crate::store::{self, Command, Edit, Reset, SessionSeed, StoredMessage, StoredRun, StoredSession};

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("label already in use: {0}")]
    LabelTaken(String),
    #[error("Session {key} changed before {what}. Retry.")]
    Changed { key: String, what: &'static str },
    #[error("expectedSessionId required for session lifecycle patch: {0}")]
    ExpectationMissing(String),
    #[error("Cannot archive an agent's main session.")]
    MainArchived,
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What a session is to be made with.
#[derive(Debug, Clone, Default)]
pub struct Creation {
    pub label: Option<String>,
    pub display_name: Option<String>,
    pub category: Option<String>,
    pub model: Option<String>,
    pub thinking_level: Option<String>,
    pub fast_mode: Option<FastMode>,
    pub parent_key: Option<String>,
    /// The id of the person who makes it.
    pub by: Option<String>,
}

/// What the caller believes the session to be.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    pub session_id: Option<String>,
    pub lifecycle_revision: Option<String>,
}

impl Expectation {
    pub(super) fn is_met(&self, session: &StoredSession) -> bool {
        self.session_id.as_ref().is_none_or(|id| *id == session.session_id)
            && self.lifecycle_revision.as_ref().is_none_or(|revision| *revision == session.lifecycle_revision)
    }
}

impl Sessions {
    /// A key that nobody has: for a session that is made without one.
    #[must_use]
    pub fn new_key(&self, agent_id: &str) -> SessionKey {
        SessionKey::of(agent_id, &format!("{DASHBOARD}{}", uuid::Uuid::new_v4()))
    }

    /// Makes a session, or takes the one that is there, and sets what was asked for.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn create(&self, key: &SessionKey, creation: Creation) -> Result<StoredSession, EditError> {
        let models = &*self.models();
        let label = creation.label.map(|label| super::patch::sized("label", label)).transpose()?;
        let category = creation.category.map(|category| super::patch::sized("category", category)).transpose()?;
        let name = creation.display_name.map(|name| super::patch::sized("displayName", name)).transpose()?;
        let model = creation.model.map(|model| models.choose(&model)).transpose().map_err(PatchError::from)?;
        let thinking: Option<ThinkingLevel> =
            creation.thinking_level.map(|level| super::patch::thinking(&level, models)).transpose()?;
        let taken = label.clone();
        let parent = creation.parent_key.filter(|parent| parent != key.as_str());
        let edit = self
            .0
            .database
            .edit_session::<EditError>(seed(key, creation.by.as_deref()), now_ms(), move |session| {
                session.label = label.or_else(|| session.label.take());
                session.parent_key = session.parent_key.take().or(parent);
                let settings = &mut session.settings;
                settings.display_name = name.or_else(|| settings.display_name.take());
                settings.category = category.or_else(|| settings.category.take());
                settings.thinking_level = thinking.or(settings.thinking_level);
                settings.fast_mode = creation.fast_mode.or(settings.fast_mode);
                if let Some(model) = model {
                    (settings.provider_override, settings.model_override) = (Some(model.provider), Some(model.model));
                }
                Ok(())
            })
            .await?;
        let session = done(edit, taken)?;
        self.tell_stored(key, Cause::Reason("create"), &session);
        Ok(session)
    }

    /// Sets things for a session, which is made if there is none, then by this person.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn patch(
        &self,
        key: &SessionKey,
        patch: Patch,
        expected: Expectation,
        by: Option<&str>,
    ) -> Result<StoredSession, EditError> {
        if patch.archived == Some(true) && key.is_main() {
            return Err(EditError::MainArchived);
        }
        if patch.archived.is_some() && expected.session_id.is_none() {
            return Err(EditError::ExpectationMissing(key.to_string()));
        }
        let now = now_ms();
        let taken = match &patch.label {
            crate::protocol::sessions::Change::Set(label) => Some(label.clone()),
            _ => None,
        };
        let edit = self
            .0
            .database
            .edit_session(seed(key, by), now, move |session| {
                if !expected.is_met(session) {
                    return Err(EditError::Changed { key: session.key.clone(), what: "patch" });
                }
                patch.apply(session, now);
                Ok(())
            })
            .await?;
        let session = done(edit, taken)?;
        self.tell_stored(key, Cause::Reason("patch"), &session);
        Ok(session)
    }

    /// Begins a session anew. Nothing may run in it: see `Agent::settle`.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn reset(
        &self,
        key: &SessionKey,
        reason: &'static str,
        by: Option<&str>,
    ) -> Result<StoredSession, store::Error> {
        match self.0.database.reset_session(seed(key, by), None, now_ms()).await? {
            Reset::Done { session, .. } => {
                self.tell_stored(key, Cause::Reason(reason), &session);
                Ok(*session)
            }
            // There is no run without a command.
            Reset::Known(_) => Err(store::Error::Corrupt("the runs table")),
        }
    }

    /// The same, asked for by a message: the message and its answer are kept. `Err` is the run that the id was used
    /// for before.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn reset_by_command(
        &self,
        key: &SessionKey,
        reason: &'static str,
        command: Command<'_>,
        by: Option<&str>,
    ) -> Result<Result<Vec<StoredMessage>, StoredRun>, store::Error> {
        match self.0.database.reset_session(seed(key, by), Some(command), now_ms()).await? {
            Reset::Known(run) => Ok(Err(run)),
            Reset::Done { session, messages } => {
                self.tell_stored(key, Cause::Reason(reason), &session);
                messages.iter().for_each(|message| self.tell_message(key, message, &session));
                Ok(Ok(messages))
            }
        }
    }

    /// Puts a message of the assistant's into a session; `None` if there is no such session.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn inject(&self, key: &SessionKey, text: &str) -> Result<Option<StoredMessage>, store::Error> {
        let Some(message) = self.0.database.inject_message(key.as_str(), text, now_ms()).await? else {
            return Ok(None);
        };
        if let Some(session) = self.stored(key).await? {
            self.tell_message(key, &message, &session);
            self.tell_stored(key, Cause::Reason("inject"), &session);
        }
        Ok(Some(message))
    }
}

fn seed<'a>(key: &'a SessionKey, by: Option<&'a str>) -> SessionSeed<'a> {
    SessionSeed { key: key.as_str(), agent_id: key.agent(), by }
}

fn done(edit: Edit<EditError>, label: Option<String>) -> Result<StoredSession, EditError> {
    match edit {
        Edit::Done { session, .. } => Ok(*session),
        Edit::Refused(error) => Err(error),
        Edit::LabelTaken => Err(EditError::LabelTaken(label.unwrap_or_default())),
    }
}
