//! Which runs are going on, in which session, and how to stop them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

use crate::protocol::chat::Usage;
use crate::sessions::ActiveRuns;
use crate::store::RunStatus;

const MAX_RUNS: usize = 256;
const MAX_RUNS_OF_A_SESSION: usize = 32;

/// Too much at once. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunLimit {
    #[error("{MAX_RUNS} runs are going on; try again when one has ended")]
    Gateway,
    #[error("{MAX_RUNS_OF_A_SESSION} messages wait in this session; try again when one is answered")]
    Session,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: RunStatus,
    pub text: String,
    pub error: Option<String>,
    /// Why it stopped: `stop`, `rpc`, `timeout`, `error`, …
    pub stop_reason: &'static str,
    pub session_id: String,
    pub provider: String,
    pub model: String,
    pub usage: Usage,
    /// Unix milliseconds.
    pub started_at: u64,
    pub ended_at: u64,
}

/// What runs right now. Made before the agent, since `sessions` asks it too.
#[derive(Debug, Default)]
pub struct Registry {
    state: Mutex<State>,
    /// How often `state` has changed.
    changes: AtomicU64,
    /// Rung whenever a run ends.
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<String, Active>,
    sessions: HashMap<String, Queue>,
}

#[derive(Debug)]
struct Active {
    session: String,
    stop: CancellationToken,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// The runs of a session in the order of their coming, and the turn that they take.
#[derive(Debug, Default)]
struct Queue {
    order: Vec<String>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
pub(super) enum Reservation {
    Taken(Slot),
    Running(watch::Receiver<Option<Outcome>>),
}

/// A run's place. Dropping it, however the run ends, frees the place.
#[derive(Debug)]
pub(super) struct Slot {
    registry: Arc<Registry>,
    session: String,
    run_id: String,
    turn: Arc<tokio::sync::Mutex<()>>,
    stop: CancellationToken,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Registry {
    pub(super) fn reserve(self: &Arc<Self>, session: &str, run_id: &str) -> Result<Reservation, RunLimit> {
        let mut state = self.state();
        if let Some(active) = state.runs.get(run_id) {
            return Ok(Reservation::Running(active.outcome.clone()));
        }
        if state.runs.len() >= MAX_RUNS {
            return Err(RunLimit::Gateway);
        }
        let queue = state.sessions.entry(session.to_owned()).or_default();
        if queue.order.len() >= MAX_RUNS_OF_A_SESSION {
            return Err(RunLimit::Session);
        }
        queue.order.push(run_id.to_owned());
        let turn = Arc::clone(&queue.turn);
        let (sender, receiver) = watch::channel(None);
        let stop = CancellationToken::new();
        let active = Active { session: session.to_owned(), stop: stop.clone(), outcome: receiver };
        state.runs.insert(run_id.to_owned(), active);
        self.changes.fetch_add(1, Ordering::Relaxed);
        Ok(Reservation::Taken(Slot {
            registry: Arc::clone(self),
            session: session.to_owned(),
            run_id: run_id.to_owned(),
            turn,
            stop,
            outcome: sender,
        }))
    }

    pub(super) fn abort(&self, session: &str, run_id: Option<&str>) -> Vec<String> {
        let state = self.state();
        let mut stopped = Vec::new();
        for (id, active) in &state.runs {
            let is_meant = active.session == session && run_id.is_none_or(|wanted| wanted == id);
            if is_meant && !active.stop.is_cancelled() {
                active.stop.cancel();
                stopped.push(id.clone());
            }
        }
        stopped
    }

    pub(super) fn abort_all(&self) {
        self.state().runs.values().for_each(|active| active.stop.cancel());
    }

    pub(super) fn watch(&self, run_id: &str) -> Option<watch::Receiver<Option<Outcome>>> {
        self.state().runs.get(run_id).map(|active| active.outcome.clone())
    }

    pub(super) fn session_of(&self, run_id: &str) -> Option<String> {
        self.state().runs.get(run_id).map(|active| active.session.clone())
    }

    /// The run of a session that is not over yet and came first.
    pub(super) fn first_of(&self, session: &str) -> Option<watch::Receiver<Option<Outcome>>> {
        let state = self.state();
        let first = state.sessions.get(session)?.order.first()?;
        state.runs.get(first).map(|active| active.outcome.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.state().runs.len()
    }

    /// Resolves when nothing runs.
    pub(super) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }

    fn release(&self, session: &str, run_id: &str) {
        let mut state = self.state();
        state.runs.remove(run_id);
        self.changes.fetch_add(1, Ordering::Relaxed);
        if let Some(queue) = state.sessions.get_mut(session) {
            queue.order.retain(|id| id != run_id);
            if queue.order.is_empty() {
                state.sessions.remove(session);
            }
        }
        drop(state);
        self.ended.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the maps whole: every change is one insert or one remove.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveRuns for Registry {
    fn of_session(&self, key: &str) -> Vec<String> {
        self.state().sessions.get(key).map(|queue| queue.order.clone()).unwrap_or_default()
    }

    fn changes(&self) -> u64 {
        // Changed and read beside the lock: who reads the runs afterwards takes it.
        self.changes.load(Ordering::Relaxed)
    }
}

impl Slot {
    pub(super) fn outcome(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.subscribe()
    }

    /// Resolves when the run is to stop.
    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until the earlier runs of the session have ended.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Frees the place, then tells those who wait: whoever hears of the end finds it ended.
    pub(super) fn end(self, outcome: Outcome) {
        let watchers = self.outcome.clone();
        drop(self);
        watchers.send_replace(Some(outcome));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.release(&self.session, &self.run_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_has_one_place_until_it_is_dropped() {
        let registry = Arc::new(Registry::default());
        let Ok(Reservation::Taken(slot)) = registry.reserve("s", "r") else { panic!("taken") };
        assert!(matches!(registry.reserve("s", "r"), Ok(Reservation::Running(_))));
        assert_eq!(registry.of_session("s"), ["r"]);
        assert_eq!(registry.abort("other", None), [""; 0]);
        assert_eq!(registry.abort("s", None), ["r"]);
        drop(slot);
        assert_eq!(registry.count(), 0);
        assert!(registry.of_session("s").is_empty());
    }

    #[test]
    fn a_session_cannot_take_all_places() {
        let registry = Arc::new(Registry::default());
        let slots: Vec<_> =
            (0..MAX_RUNS_OF_A_SESSION).map(|number| registry.reserve("s", &number.to_string()).unwrap()).collect();
        assert_eq!(registry.reserve("s", "one more").unwrap_err(), RunLimit::Session);
        assert!(registry.reserve("t", "elsewhere").is_ok());
        drop(slots);
    }
}
