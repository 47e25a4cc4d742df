//! Who is here: `system-presence`, and the list behind the `presence` event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Context, Table};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::handshake::StateVersion;
use crate::protocol::presence::{PresenceEntry, SystemPresence};
use crate::protocol::{ErrorShape, Event, NoParams};

/// Entries of clients that left are kept up to this many, so that a person sees who was here.
const MAX_ENTRIES: usize = 200;

#[derive(Clone)]
pub struct Presence(Arc<Mutex<State>>);

struct State {
    gateway: PresenceEntry,
    /// By instance or device.
    entries: BTreeMap<String, PresenceEntry>,
    version: StateVersion,
}

impl Presence {
    /// `gateway` is the gateway's own entry.
    #[must_use]
    pub fn new(gateway: PresenceEntry) -> Self {
        let version = StateVersion { presence: 1, health: 1 };
        Self(Arc::new(Mutex::new(State { gateway, entries: BTreeMap::new(), version })))
    }

    /// The gateway first.
    #[must_use]
    pub fn list(&self) -> Vec<PresenceEntry> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gateway = PresenceEntry { ts: now_ms(), ..state.gateway.clone() };
        std::iter::once(gateway).chain(state.entries.values().cloned()).collect()
    }

    #[must_use]
    pub fn version(&self) -> StateVersion {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Counts a health refresh and returns the version that it is.
    #[must_use]
    pub fn next_health_version(&self) -> StateVersion {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.version.health += 1;
        state.version
    }

    /// Enters or replaces an entry and tells everybody.
    pub fn enter(&self, key: String, entry: PresenceEntry, bus: &Bus) {
        self.change(bus, |entries| {
            if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
                forget_oldest_absent(entries);
            }
            entries.insert(key, entry);
        });
    }

    /// Marks an entry as gone and tells everybody.
    pub fn leave(&self, key: &str, bus: &Bus) {
        self.change(bus, |entries| {
            if let Some(entry) = entries.get_mut(key) {
                "disconnect".clone_into(&mut entry.reason);
                entry.online_since = None;
                entry.ts = now_ms();
            }
        });
    }

    fn change(&self, bus: &Bus, change: impl FnOnce(&mut BTreeMap<String, PresenceEntry>)) {
        let version = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state.entries);
            state.version.presence += 1;
            state.version
        };
        bus.publish(&Event::Presence(self.list(), version));
    }
}

fn forget_oldest_absent(entries: &mut BTreeMap<String, PresenceEntry>) {
    let oldest = entries
        .iter()
        .filter(|(_, entry)| entry.online_since.is_none())
        .min_by_key(|(_, entry)| entry.ts)
        .map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        entries.remove(&oldest);
    }
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Presence")
    }
}

pub(super) fn register(table: &mut Table, presence: &Presence) {
    table.on(SystemPresence, presence, list);
}

async fn list(presence: Presence, _: Context, _: NoParams) -> Result<Vec<PresenceEntry>, ErrorShape> {
    Ok(presence.list())
}
