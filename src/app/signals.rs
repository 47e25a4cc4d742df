//! SIGINT and SIGTERM, and a terminal that was closed.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::tailnet::rearm_signal_handlers;

pub(super) struct Signals(Mutex<[Signal; 3]>);

impl Signals {
    pub(super) fn register() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        let signals = Self(Mutex::new([interrupt?, terminate?, hangup?]));
        // A handler must not run on one of Go's small stacks.
        rearm_signal_handlers();
        Ok(signals)
    }

    /// Resolves at the next signal that asks the gateway to end.
    pub(super) async fn wait(&self) {
        let mut signals = self.0.lock().await;
        let [interrupt, terminate, hangup] = &mut *signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
