//! What happens by the clock: `tick` every 30 s, a fresh `health` every 60 s.

use crate::rpc::Sight;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use crate::clock::now_ms;
use crate::protocol::{Event, TICK_INTERVAL_MS};

const HEALTH_INTERVAL: Duration = Duration::from_secs(60);

/// Beats until the gateway drains.
pub async fn beat(gateway: Arc<Gateway>) {
    let tick_interval = Duration::from_millis(TICK_INTERVAL_MS);
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + tick_interval, tick_interval);
    let mut health = tokio::time::interval_at(tokio::time::Instant::now() + HEALTH_INTERVAL, HEALTH_INTERVAL);
    let draining = gateway.shutdown.draining();
    tokio::pin!(draining);
    loop {
        tokio::select! {
            () = &mut draining => return,
            _ = tick.tick() => gateway.bus.publish(&Event::Tick { ts: now_ms() }),
            _ = health.tick() => refresh_health(&gateway).await,
        }
    }
}

async fn refresh_health(gateway: &Gateway) {
    match gateway.system.health(Sight::EVERYBODYS).await {
        Ok(health) => {
            let version = gateway.presence.next_health_version();
            gateway.bus.publish(&Event::Health(Box::new(health), version));
        }
        // Logged where it was mapped; the next beat tries again.
        Err(error) => tracing::debug!(error = %error.message, "no health to tell"),
    }
}
