//! Where the node's state and health are published, and logged when they change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::{State, Status};

#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) state: watch::Sender<State>,
    pub(super) health: watch::Sender<Vec<String>>,
    logged_out: Arc<AtomicBool>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Starting),
            health: watch::Sender::new(Vec::new()),
            logged_out: Arc::default(),
        }
    }

    #[cfg(feature = "tailnet")]
    /// A login that ends from now on was meant to end.
    pub(super) fn logged_out(&self) {
        self.logged_out.store(true, Ordering::Release);
    }

    pub(super) fn is_logged_out(&self) -> bool {
        self.logged_out.load(Ordering::Acquire)
    }

    #[cfg(feature = "tailnet")]
    pub(super) fn closed(&self) {
        self.set_state(State::Stopped { reason: "closed".to_owned() });
    }

    /// Nothing is known of it any more.
    pub(super) fn absent(&self, sentence: &str) {
        self.set_state(State::Stopped { reason: sentence.to_owned() });
    }

    /// Whether the state is a new one.
    pub(super) fn set(&self, status: Status) -> bool {
        self.set_health(status.health);
        self.set_state(status.state)
    }

    fn set_health(&self, sentences: Vec<String>) {
        self.health.send_if_modified(|old| {
            if *old == sentences {
                return false;
            }
            for sentence in sentences.iter().filter(|sentence| !old.contains(sentence)) {
                tracing::warn!(target: "tailnet", "{sentence}");
            }
            *old = sentences;
            true
        });
    }

    fn set_state(&self, state: State) -> bool {
        self.state.send_if_modified(|old| {
            if *old == state {
                return false;
            }
            log(&state);
            *old = state;
            true
        })
    }
}

fn log(state: &State) {
    match state {
        State::Starting => tracing::info!(target: "tailnet", "starting"),
        State::NeedsLogin { url: Some(url) } => {
            tracing::warn!(target: "tailnet", url, "open the link to join the tailnet");
        }
        State::NeedsLogin { url: None } => tracing::warn!(target: "tailnet", "not logged in"),
        State::NeedsApproval => {
            tracing::warn!(target: "tailnet", "an admin of the tailnet has to approve this device");
        }
        State::Running(identity) => {
            tracing::info!(target: "tailnet", name = identity.dns_name, addresses = ?identity.addresses, "running");
        }
        State::Stopped { reason } => tracing::info!(target: "tailnet", reason, "stopped"),
    }
}
