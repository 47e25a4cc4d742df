//! Conversations: their keys, their list, their transcripts, what people set for them. What runs in them is
//! `agent`'s; how they are stored is `store`'s. Called by `rpc` and by `agent`.

mod delete;
mod edit;
mod history;
mod icon;
mod keys;
mod list;
mod models;
mod patch;
mod preview;
mod resolve;
mod rows;
mod tell;
mod usage;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use delete::{DeleteError, Deleted};
pub use edit::{Creation, EditError, Expectation};
pub use keys::{KeyError, MAIN, SessionKey};
pub use models::{ModelChoice, ModelError, Models};
pub use patch::{Patch, PatchError};
pub use resolve::{Among, Reference, ResolveError};
pub use rows::{entry, message_row};
pub use tell::Cause;
pub use usage::UsageError;

use crate::bus::Bus;
use crate::live::Live;
use crate::protocol::system::ModelDefaults;
use crate::store::{Database, Error, StoredSession};
use list::{Counted, EncodedCount, Listed};

/// What runs in a session right now. Answered by the agent.
pub trait ActiveRuns: Send + Sync + 'static {
    /// Run ids, oldest first; those after the first wait for their turn.
    fn of_session(&self, key: &str) -> Vec<String>;

    /// Grows whenever a run comes or goes, so that what was told of them can be kept until then.
    fn changes(&self) -> u64;
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub default_agent: String,
    /// Of the database; shown to admins.
    pub path: String,
    /// Where the transcripts of deleted sessions go.
    pub archive: PathBuf,
}

#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    settings: Settings,
    models: Live<Models>,
    database: Database,
    bus: Bus,
    runs: Arc<dyn ActiveRuns>,
    counted: Mutex<Option<Counted>>,
    encoded_count: Mutex<Option<EncodedCount>>,
    listed: Mutex<Option<Listed>>,
}

impl Sessions {
    #[must_use]
    pub fn new(
        settings: Settings,
        models: Arc<Models>,
        database: Database,
        bus: Bus,
        runs: Arc<dyn ActiveRuns>,
    ) -> Self {
        let models = Live::new(models);
        let (counted, encoded_count, listed) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { settings, models, database, bus, runs, counted, encoded_count, listed }))
    }

    /// # Errors
    /// The text is no key.
    pub fn key(&self, text: &str) -> Result<SessionKey, KeyError> {
        SessionKey::parse(text, &self.0.settings.default_agent)
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What answers where nothing else is set for the session, and what else could.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        self.0.models.get()
    }

    /// From now on these can answer.
    pub fn set_models(&self, models: Arc<Models>) {
        self.0.models.set(models);
    }

    #[must_use]
    pub fn defaults(&self) -> ModelDefaults {
        self.models().defaults().clone()
    }

    /// Whether this person began it.
    #[must_use]
    pub fn is_of(&self, key: &SessionKey, person: &str) -> bool {
        self.0.database.creators().of(key.as_str()).as_deref() == Some(person)
    }

    /// # Errors
    /// The database could not be read.
    pub async fn stored(&self, key: &SessionKey) -> Result<Option<StoredSession>, Error> {
        self.0.database.session(key.as_str()).await
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sessions").field("path", &self.0.settings.path).finish_non_exhaustive()
    }
}
