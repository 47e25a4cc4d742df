//! The agent: takes a message, has a model answer it, streams the answer as events and stores it.
//!
//! A message is acknowledged once it is on disk ([`Agent::start`]); from then on its run goes to an end that is stored
//! too, whether or not anybody is still connected. Runs of one session take turns. The transcript's shape is
//! `sessions`', the models are in `providers`.

mod models;
mod prompt;
pub mod providers;
mod registry;
mod run;
mod settings;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use models::model_names;
pub use registry::{Outcome, Registry, RunLimit};
pub use settings::{ModelApi, ModelSettings, Settings};
pub use tools::ToolError;

use crate::bus::Bus;
use crate::clock::now_ms;
use crate::live::Live;
use crate::protocol::sessions::SendPolicy;
use crate::protocol::system::ModelDefaults;
use crate::sessions::{Cause, SessionKey, Sessions};
use crate::shutdown::Shutdown;
use crate::store::{
    Acceptance, Database, ExpectedLeaf, NewAttachment, NewInput, RunStatus, SessionSeed, StoredMessage, StoredRun,
};
use models::OpenModels;

/// How long a session's runs may take to end once they were told to.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Limit(#[from] RunLimit),
    #[error("the gateway is stopping; send it again after the restart")]
    Stopping,
    #[error("Agent \"{0}\" no longer exists in configuration")]
    UnknownAgent(String),
    /// Somebody else's message came first. Nothing was stored.
    #[error("active branch changed; review and retry")]
    LeafChanged,
    #[error("send blocked by session policy")]
    SendDenied,
    #[error("Session {0} is still active; try again in a moment.")]
    StillActive(String),
}

/// A message to answer.
#[derive(Debug, Clone)]
pub struct Input {
    pub key: SessionKey,
    pub text: String,
    /// The client's idempotency key, and the run's id.
    pub run_id: String,
    /// Shorter than the configured limit, or not at all.
    pub timeout: Option<Duration>,
    pub attachments: Vec<NewAttachment>,
    pub expected_leaf: Leaf,
    /// The id of the person who says it.
    pub by: Option<String>,
}

/// [`ExpectedLeaf`] with an id of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Leaf {
    #[default]
    Any,
    Empty,
    Is(String),
}

impl Input {
    /// A message with nothing special to it.
    #[must_use]
    pub const fn new(key: SessionKey, text: String, run_id: String) -> Self {
        Self { key, text, run_id, timeout: None, attachments: Vec::new(), expected_leaf: Leaf::Any, by: None }
    }
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Started {
    New(watch::Receiver<Option<Outcome>>),
    /// The same id came before and runs.
    InFlight(watch::Receiver<Option<Outcome>>),
    /// The same id came before and ended.
    Ended(StoredRun),
}

/// Models that were opened and wait to be used.
pub struct Prepared(OpenModels);

#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    /// There is this one, whatever is configured.
    id: String,
    models: Live<OpenModels>,
    database: Database,
    sessions: Sessions,
    bus: Bus,
    shutdown: Shutdown,
    registry: Arc<Registry>,
}

impl Agent {
    /// `registry` is the one that `sessions` asks what runs.
    ///
    /// # Errors
    /// The configured model's client could not be made.
    pub fn new(
        settings: Settings,
        database: Database,
        sessions: Sessions,
        bus: Bus,
        shutdown: Shutdown,
        registry: Arc<Registry>,
    ) -> Result<Self, providers::ModelError> {
        let id = settings.agent_id.clone();
        let models = Live::new(OpenModels::new(settings, sessions.models())?);
        Ok(Self(Arc::new(Inner { id, models, database, sessions, bus, shutdown, registry })))
    }

    /// Opens what changed settings name, beside what is in use.
    ///
    /// # Errors
    /// One of the models' clients could not be made; what is in use stays.
    pub fn prepare(&self, settings: Settings) -> Result<Prepared, providers::ModelError> {
        Ok(Prepared(self.0.models.get().changed_to(settings)?))
    }

    /// From now on runs begin with these. Those that have begun keep what they began with.
    pub fn adopt(&self, Prepared(models): Prepared) {
        self.0.sessions.set_models(Arc::clone(&models.names));
        self.0.models.set(models);
    }

    /// Stores the message and starts its run. When this returns `New`, the message is on disk.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn start(&self, input: Input) -> Result<Started, Error> {
        let inner = &self.0;
        if inner.shutdown.is_draining() {
            return Err(Error::Stopping);
        }
        if input.key.agent() != inner.id {
            return Err(Error::UnknownAgent(input.key.agent().to_owned()));
        }
        let known = inner.sessions.stored(&input.key).await?;
        if known.is_some_and(|session| session.settings.send_policy == Some(SendPolicy::Deny)) {
            return Err(Error::SendDenied);
        }
        // Room is taken before anything is stored: what is acknowledged has a place to run.
        let slot = match inner.registry.reserve(input.key.as_str(), &input.run_id)? {
            registry::Reservation::Taken(slot) => slot,
            registry::Reservation::Running(outcome) => return Ok(Started::InFlight(outcome)),
        };
        let new = NewInput {
            session: SessionSeed { key: input.key.as_str(), agent_id: input.key.agent(), by: input.by.as_deref() },
            run_id: &input.run_id,
            text: &input.text,
            attachments: &input.attachments,
            expected_leaf: match &input.expected_leaf {
                Leaf::Any => ExpectedLeaf::Any,
                Leaf::Empty => ExpectedLeaf::Empty,
                Leaf::Is(id) => ExpectedLeaf::Is(id),
            },
            now: now_ms(),
        };
        let (session, message) = match inner.database.accept_input(&new).await? {
            Acceptance::Known(run) => return Ok(Started::Ended(run)),
            Acceptance::LeafChanged => return Err(Error::LeafChanged),
            Acceptance::New { session, message, .. } => (session, message),
        };
        let outcome = slot.outcome();
        inner.sessions.tell(&input.key, Cause::Reason("send")).await;
        inner.sessions.tell_message(&input.key, &message, &session);
        let longest = inner.models.get().settings.run_timeout;
        let limit = input.timeout.map_or(longest, |wish| wish.min(longest));
        let run = run::Run::new(Arc::clone(inner), input.key, *session, *message, limit);
        inner.shutdown.spawn(run.finish(slot));
        Ok(Started::New(outcome))
    }

    /// Stops everything that runs in a session and waits until its end is stored.
    ///
    /// # Errors
    /// It does not end in time, or more and more is said.
    pub async fn settle(&self, key: &SessionKey) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + SETTLE_LIMIT;
        while let Some(outcome) = self.0.registry.first_of(key.as_str()) {
            let _ = self.abort(key, None);
            let ended = run::ended(outcome);
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                return Err(Error::StillActive(key.to_string()));
            }
        }
        Ok(())
    }

    /// Stops one run, or all of a session. Returns the ids of those that were stopped.
    #[must_use]
    pub fn abort(&self, key: &SessionKey, run_id: Option<&str>) -> Vec<String> {
        self.0.registry.abort(key.as_str(), run_id)
    }

    /// Stops everything that runs; what was said so far is stored.
    pub fn abort_all(&self) {
        self.0.registry.abort_all();
    }

    /// The outcome of a run that is going on.
    #[must_use]
    pub fn watch(&self, run_id: &str) -> Option<watch::Receiver<Option<Outcome>>> {
        self.0.registry.watch(run_id)
    }

    /// A run as it was stored.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn stored_run(&self, run_id: &str) -> Result<Option<StoredRun>, Error> {
        Ok(self.0.database.run(run_id).await?)
    }

    /// How many runs ended how, those that run included.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn run_counts(&self) -> Result<Vec<(RunStatus, u64)>, Error> {
        Ok(self.0.database.run_counts().await?)
    }

    #[must_use]
    pub fn active_count(&self) -> usize {
        self.0.registry.count()
    }

    /// Resolves when nothing runs.
    pub async fn idle(&self) {
        self.0.registry.idle().await;
    }

    /// The session that a run goes on in.
    #[must_use]
    pub fn session_of(&self, run_id: &str) -> Option<String> {
        self.0.registry.session_of(run_id)
    }

    /// What a run answered, as it was stored.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn stored_answer(&self, run_id: &str) -> Result<Option<StoredMessage>, Error> {
        Ok(self.0.database.answer_of(run_id).await?)
    }

    /// The agent's id, for as long as the gateway runs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// As they are now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.models.get().settings)
    }

    #[must_use]
    pub fn model_defaults(&self) -> ModelDefaults {
        self.0.sessions.defaults()
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Agent").field("model", &self.settings().model.reference()).finish_non_exhaustive()
    }
}
