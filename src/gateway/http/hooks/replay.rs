//! Which run a hook call with an idempotency key set off: services send a webhook again when they heard no answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::secret::fingerprint;

/// As the gateway's other idempotency keys (protocol §1).
const KEPT: Duration = Duration::from_secs(300);
const MAX_KEPT: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Replays(Mutex<HashMap<String, (String, Instant)>>);

impl Replays {
    /// The run of an earlier call with the same `scope`, or `new`, which is remembered.
    pub(super) fn once(&self, scope: &[&str], new: String, now: Instant) -> String {
        // Told apart by their lengths, so that no two scopes run into one.
        let scope: String = scope.iter().map(|part| format!("{}:{part};", part.len())).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, since)| now.saturating_duration_since(*since) < KEPT);
        if known.len() >= MAX_KEPT
            && let Some(oldest) = known.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| key.clone())
        {
            known.remove(&oldest);
        }
        known.entry(fingerprint(&scope)).or_insert((new, now)).0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_call_is_the_same_run_for_five_minutes() {
        let (replays, start) = (Replays::default(), Instant::now());
        assert_eq!(replays.once(&["k", "agent"], "one".into(), start), "one");
        assert_eq!(replays.once(&["k", "agent"], "two".into(), start), "one");
        assert_eq!(replays.once(&["k", "other"], "three".into(), start), "three");
        assert_eq!(replays.once(&["ka", "gent"], "four".into(), start), "four");
        assert_eq!(replays.once(&["k", "agent"], "five".into(), start + KEPT), "five");
    }

    #[test]
    fn memory_is_bounded() {
        let (replays, now) = (Replays::default(), Instant::now());
        for number in 0..2_000 {
            replays.once(&[&number.to_string()], String::new(), now);
        }
        assert_eq!(replays.0.lock().unwrap().len(), MAX_KEPT);
    }
}
