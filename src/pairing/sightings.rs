//! When devices were here last. A sighting is no promise to anybody, so it costs no write of its own: what has come
//! together is written now and then, and before anybody looks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Pairing;
use crate::shutdown::Shutdown;
use crate::store::{Error, Sighting};

const WRITE_INTERVAL: Duration = Duration::from_secs(30);

/// By device; only known devices are entered, so there are no more of them than those.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<HashMap<String, Sighting>>);

impl Sightings {
    pub(super) fn note(&self, sighting: Sighting) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A use of the token is not forgotten over a later connect without it.
        let used = sighting.used.or_else(|| seen.get(&sighting.device_id).and_then(|before| before.used));
        seen.insert(sighting.device_id.clone(), Sighting { used, ..sighting });
    }

    fn take(&self) -> Vec<Sighting> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.drain().map(|(_, sighting)| sighting).collect()
    }
}

impl Pairing {
    /// Writes sightings down until the gateway stops, and once more then.
    pub async fn keep_sightings(self, shutdown: Shutdown) {
        let mut due = tokio::time::interval(WRITE_INTERVAL);
        let stopped = shutdown.stopped();
        tokio::pin!(stopped);
        loop {
            let goes_on = tokio::select! {
                _ = due.tick() => true,
                () = &mut stopped => false,
            };
            if let Err(error) = self.write_sightings().await {
                tracing::warn!(%error, "when devices were seen last could not be written down");
            }
            if !goes_on {
                return;
            }
        }
    }

    pub(super) async fn write_sightings(&self) -> Result<(), Error> {
        let seen = self.0.sightings.take();
        if seen.is_empty() {
            return Ok(());
        }
        self.0.database.record_sightings(&seen).await
    }
}
