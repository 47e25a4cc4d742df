//! Where the node's state and health are published, and logged when they change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::{State, Status};

#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) state: watch::Sender<State>,
    pub(super) health: watch::Sender<Vec<String>>,
    /// What the node cannot do by itself, for `join`.
    pub(super) need: watch::Sender<Need>,
    /// What became of logins.
    pub(super) logins: watch::Sender<Logins>,
    /// How far `join` is with its own help.
    pub(super) help: watch::Sender<Help>,
    /// Told when who is in the tailnet, or what they may do, may have changed.
    pub(super) changes: watch::Sender<()>,
    logged_out: Arc<AtomicBool>,
}

/// Whether somebody has to log the node in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Need {
    #[default]
    Nothing,
    /// It never ran in this process: there is no login, or a stale one.
    First,
    /// It ran, and its key has come to its end.
    Renewal,
    /// It ran, and was put out before its key's end: somebody has removed it.
    Removed,
}

/// What the node said of its logins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Logins {
    /// So many went through.
    pub(super) finished: u64,
    /// So many were refused, the last one for this reason.
    pub(super) refused: u64,
    pub(super) reason: String,
}

/// A login without a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Help {
    #[default]
    None,
    /// A key is being made.
    UnderWay,
    /// There is none, for this reason.
    #[cfg_attr(not(any(feature = "tailnet", test)), expect(dead_code, reason = "only a node of our own is helped"))]
    Failed(String),
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Starting),
            health: watch::Sender::new(Vec::new()),
            need: watch::Sender::default(),
            logins: watch::Sender::default(),
            help: watch::Sender::default(),
            changes: watch::Sender::new(()),
            logged_out: Arc::default(),
        }
    }

    #[cfg(feature = "tailnet")]
    /// A login that ends from now on was meant to end.
    pub(super) fn logged_out(&self, is_so: bool) {
        self.logged_out.store(is_so, Ordering::Release);
    }

    #[cfg(feature = "tailnet")]
    pub(super) fn help(&self, now: Help) {
        self.help.send_if_modified(|old| std::mem::replace(old, now.clone()) != now);
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
            if let Some(url) = &identity.renewal_url {
                tracing::warn!(target: "tailnet", url, "open the link to renew the login");
            }
        }
        State::Stopped { reason } => tracing::info!(target: "tailnet", reason, "stopped"),
    }
}
