//! Events that the agent is to be told, and the turns in which it is told them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::Error;
use crate::agent::{Agent, Input, Outcome, Started};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::wake::{Heartbeat, HeartbeatEnd};
use crate::sessions::SessionKey;
use crate::shutdown::Shutdown;
use crate::store::{Database, RunStatus, SystemEvent};

const ENABLED: &str = "heartbeats.enabled";
/// Letters of the answer that `heartbeat` shows.
const PREVIEW: usize = 200;

#[derive(Debug, Clone)]
pub struct Heartbeats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: Agent,
    database: Database,
    bus: Bus,
    shutdown: Shutdown,
    enabled: AtomicBool,
    last: Mutex<Option<Heartbeat>>,
    /// Held from reading the queue until what was told is out of it: nothing is told twice.
    telling: tokio::sync::Mutex<()>,
}

impl Heartbeats {
    /// # Errors
    /// The database could not be read.
    pub async fn open(agent: Agent, database: Database, bus: Bus, shutdown: Shutdown) -> Result<Self, Error> {
        let is_on = database.setting(ENABLED).await?.and_then(|value| value.as_bool()).unwrap_or(true);
        Ok(Self(Arc::new(Inner {
            agent,
            database,
            bus,
            shutdown,
            enabled: AtomicBool::new(is_on),
            last: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
        })))
    }

    #[must_use]
    pub fn are_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }

    /// # Errors
    /// Nothing was stored, and nothing has changed.
    pub async fn set_enabled(&self, enabled: bool) -> Result<(), Error> {
        self.0.database.put_setting(ENABLED, &json!(enabled), now_ms()).await?;
        self.0.enabled.store(enabled, Ordering::Relaxed);
        Ok(())
    }

    /// The last one since the start.
    #[must_use]
    pub fn last(&self) -> Option<Heartbeat> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues an event. When this returns, it is on disk.
    ///
    /// # Errors
    /// Nothing was queued.
    pub async fn queue(&self, key: &SessionKey, text: &str) -> Result<(), Error> {
        Ok(self.0.database.queue_system_event(key.as_str(), text, now_ms()).await?)
    }

    /// What waits in a session, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn queued(&self, key: &SessionKey) -> Result<Vec<String>, Error> {
        let events = self.0.database.system_events(key.as_str()).await?;
        Ok(events.into_iter().map(|event| event.text).collect())
    }

    /// Has the agent told at once what waits in a session. An event that cannot be told now stays queued; why is in
    /// the `heartbeat` event and in the log.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn beat(&self, key: SessionKey) -> Result<(), Error> {
        let begun = now_ms();
        if !self.are_enabled() {
            self.tell(Heartbeat::ended(begun, HeartbeatEnd::Skipped, Some("disabled".to_owned()), None));
            return Ok(());
        }
        let inner = &self.0;
        let _telling = inner.telling.lock().await;
        let events = inner.database.system_events(key.as_str()).await?;
        let Some(newest) = events.last() else { return Ok(()) };
        let input = Input::new(key.clone(), message(&events), run_id());
        match inner.agent.start(input).await {
            Ok(Started::New(outcome)) => {
                // The message is on disk as the run's own: from here on it is not lost.
                inner.database.forget_system_events(key.as_str(), newest.position).await?;
                let heartbeats = self.clone();
                inner.shutdown.spawn(async move { heartbeats.follow(begun, outcome).await });
            }
            Ok(Started::InFlight(_) | Started::Ended(_)) => {}
            Err(error) => {
                tracing::warn!(session.key = %key, %error, "the agent could not be woken; the event stays queued");
                self.tell(Heartbeat::ended(begun, HeartbeatEnd::Failed, Some(error.to_string()), None));
            }
        }
        Ok(())
    }

    async fn follow(&self, begun: u64, mut outcome: tokio::sync::watch::Receiver<Option<Outcome>>) {
        let Ok(ended) = outcome.wait_for(Option::is_some).await else { return };
        let Some(outcome) = ended.clone() else { return };
        drop(ended);
        let preview = Some(outcome.text.chars().take(PREVIEW).collect::<String>()).filter(|text| !text.is_empty());
        let (end, reason) = match outcome.status {
            // The answer stands in the session; there is no channel to deliver it to.
            RunStatus::Ok => (HeartbeatEnd::Skipped, "no-route".to_owned()),
            _ => (HeartbeatEnd::Failed, outcome.error.unwrap_or_else(|| "stopped".to_owned())),
        };
        self.tell(Heartbeat::ended(begun, end, Some(reason), preview));
    }

    fn tell(&self, heartbeat: Heartbeat) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(heartbeat.clone());
        self.0.bus.publish(&Event::Heartbeat(Box::new(heartbeat)));
    }
}

impl Heartbeat {
    fn ended(begun: u64, status: HeartbeatEnd, reason: Option<String>, preview: Option<String>) -> Self {
        let ts = now_ms();
        Self { ts, status, preview, reason, has_media: false, duration_ms: ts.saturating_sub(begun) }
    }
}

fn run_id() -> String {
    format!("heartbeat:{}", uuid::Uuid::new_v4())
}

/// What the agent reads: nobody said it, and when it happened.
fn message(events: &[SystemEvent]) -> String {
    let line = |event: &SystemEvent| format!("System: [{}] {}", utc(event.created_at), event.text);
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn utc(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(chrono::DateTime::from_timestamp_millis).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_reads_every_event_with_its_time() {
        let event = |created_at, text: &str| SystemEvent { position: 1, text: text.to_owned(), created_at };
        assert_eq!(
            message(&[event(0, "one"), event(1_795_244_969_257, "two")]),
            "System: [1970-01-01 00:00:00 UTC] one\nSystem: [2026-11-21 07:09:29 UTC] two"
        );
    }
}
