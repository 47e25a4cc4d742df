//! The agent: takes a message, has a model answer it, streams the answer as events and stores it.
//!
//! A message is acknowledged once it is on disk ([`Agent::start`]); from then on its run goes to an end that is stored
//! too, whether or not anybody is still connected. Runs of one session take turns. The transcript's shape is
//! `sessions`', the models are in `providers`.

pub mod providers;
mod registry;
mod run;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use registry::{Outcome, RunLimit};
pub use settings::{ModelApi, ModelSettings, Settings};

use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::models::ModelRow;
use crate::protocol::sessions::{Changed, Message};
use crate::protocol::system::ModelDefaults;
use crate::sessions::{ActiveRuns, SessionKey, message_row};
use crate::shutdown::Shutdown;
use crate::store::{Acceptance, Database, NewInput, RunStatus, StoredMessage, StoredRun};
use registry::Registry;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Limit(#[from] RunLimit),
    #[error("the gateway is stopping; send it again after the restart")]
    Stopping,
    #[error("unknown agent: {0}")]
    UnknownAgent(String),
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

#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    settings: Settings,
    model: Box<dyn providers::Model>,
    database: Database,
    bus: Bus,
    shutdown: Shutdown,
    registry: Arc<Registry>,
}

impl Agent {
    /// # Errors
    /// The configured model's client could not be made.
    pub fn new(
        settings: Settings,
        database: Database,
        bus: Bus,
        shutdown: Shutdown,
    ) -> Result<Self, providers::ModelError> {
        let model = providers::open(&settings.model)?;
        Ok(Self(Arc::new(Inner { settings, model, database, bus, shutdown, registry: Arc::default() })))
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
        if input.key.agent() != inner.settings.agent_id {
            return Err(Error::UnknownAgent(input.key.agent().to_owned()));
        }
        // Room is taken before anything is stored: what is acknowledged has a place to run.
        let slot = match inner.registry.reserve(input.key.as_str(), &input.run_id)? {
            registry::Reservation::Taken(slot) => slot,
            registry::Reservation::Running(outcome) => return Ok(Started::InFlight(outcome)),
        };
        let new = NewInput {
            session_key: input.key.as_str(),
            agent_id: input.key.agent(),
            run_id: &input.run_id,
            text: &input.text,
            now: now_ms(),
        };
        let message = match inner.database.accept_input(&new).await? {
            Acceptance::Known(run) => return Ok(Started::Ended(run)),
            Acceptance::New { message, .. } => message,
        };
        let outcome = slot.outcome();
        self.announce(&input.key, "send", Some(&message));
        let limit = input.timeout.map_or(inner.settings.run_timeout, |wish| wish.min(inner.settings.run_timeout));
        let run = run::Run::new(Arc::clone(inner), input.key, input.run_id, message, limit);
        inner.shutdown.spawn(run.finish(slot));
        Ok(Started::New(outcome))
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

    #[must_use]
    pub fn active_runs(&self) -> Arc<dyn ActiveRuns> {
        Arc::<Registry>::clone(&self.0.registry)
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    #[must_use]
    pub fn model_defaults(&self) -> ModelDefaults {
        let model = &self.0.settings.model;
        ModelDefaults {
            model_provider: model.provider.clone(),
            model: model.id.clone(),
            context_tokens: model.context_window,
        }
    }

    /// The catalogue as `models.list` shows it.
    #[must_use]
    pub fn models(&self) -> Vec<ModelRow> {
        let row = |model: &ModelSettings| ModelRow {
            id: model.id.clone(),
            name: model.name.clone(),
            provider: model.provider.clone(),
            context_window: model.context_window,
            available: true,
        };
        self.0.settings.catalog.iter().map(row).collect()
    }

    /// Whether the built-in echo answers because nothing is configured.
    #[must_use]
    pub fn has_model(&self) -> bool {
        !matches!(self.0.settings.model.api, ModelApi::Echo)
    }

    fn announce(&self, key: &SessionKey, reason: &'static str, message: Option<&StoredMessage>) {
        self.0.announce(key, reason, message);
    }
}

impl Inner {
    /// Tells those who follow the list, and those who follow the session.
    fn announce(&self, key: &SessionKey, reason: &'static str, message: Option<&StoredMessage>) {
        let changed = Changed { session_key: key.to_string(), reason, ts: now_ms(), session: None };
        self.bus.publish(&Event::SessionsChanged(Box::new(changed)));
        if let Some(message) = message {
            let body = Message {
                session_key: key.to_string(),
                agent_id: key.agent().to_owned(),
                message: message_row(message),
                message_id: message.id.clone(),
                message_seq: message.seq,
            };
            self.bus.publish(&Event::SessionMessage(Box::new(body)));
        }
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Agent").field("model", &self.0.settings.model.reference()).finish_non_exhaustive()
    }
}
