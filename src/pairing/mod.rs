//! Devices: which are known, which wait, what tokens they hold, and the codes that set one up (protocol §4).
//!
//! `request` is what a device asks for at the handshake, `admission` decides about it; `decisions` carries out what
//! operators decide, `tokens` what they do to tokens, `setup` makes and redeems setup codes. What is on disk about a
//! device is changed in one transaction by `change`, the rules of which know no database. Who may come in at all is
//! decided in `auth`, which asks here; handlers are in `rpc`.

mod address;
mod admission;
mod bearer;
mod change;
mod class;
mod decisions;
mod qr;
mod request;
mod settings;
mod setup;
mod sightings;
mod tokens;

use std::sync::Arc;

pub use address::{AddressError, Reach, choose as choose_address};
pub use decisions::By;
pub use qr::qr_data_url;
pub use request::{Denied, Handed, Page, Paired, Proof, Reason, Request, Required, Shown, TokenVerdict};
pub use settings::Settings;
pub use setup::{SetupDelivery, SetupOrder, SetupOutcome, SetupTicket};

use crate::bus::{Bus, Closing};
use crate::clock::now_ms;
use crate::live::Live;
use crate::protocol::{Event, Scope};
use crate::store::{self, Database, GatewayIdentity};
use sightings::Sightings;

/// How long a device waits for an approval after it last asked.
const WAITING_TTL_MS: u64 = 5 * 60 * 1_000;

/// Why a decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown requestId")]
    UnknownRequest,
    #[error("unknown deviceId")]
    UnknownDevice,
    #[error("unknown nodeId")]
    UnknownNode,
    /// Which of the two it is would tell a stranger what there is.
    #[error("device pairing {0} denied")]
    PairingDenied(&'static str),
    #[error("node pairing removal denied")]
    NodeRemovalDenied,
    #[error("device token {0} denied")]
    TokenDenied(&'static str),
    /// Nobody gives what they do not have.
    #[error("missing scope: {0}")]
    MissingScope(Scope),
    #[error("label required")]
    LabelRequired,
    #[error("too many setup codes are open; use one, or wait until they end")]
    TooManySetupCodes,
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pairing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Live<Settings>,
    database: Database,
    identity: Arc<GatewayIdentity>,
    bus: Bus,
    sightings: Sightings,
}

impl Pairing {
    #[must_use]
    pub fn new(settings: Settings, database: Database, identity: Arc<GatewayIdentity>, bus: Bus) -> Self {
        let (settings, sightings) = (Live::new(settings), Sightings::default());
        Self(Arc::new(Inner { settings, database, identity, bus, sightings }))
    }

    /// From the next device on these hold. What was issued or approved before stays as it is.
    pub fn apply(&self, settings: Settings) {
        self.0.settings.set(settings);
    }

    fn publish(&self, events: &[Event]) {
        for event in events {
            self.0.bus.publish(event);
        }
    }

    fn close(&self, closings: &[Closing]) {
        for closing in closings {
            self.0.bus.close(closing);
        }
    }
}

/// Requests that were refreshed before this are over.
fn horizon() -> u64 {
    now_ms().saturating_sub(WAITING_TTL_MS)
}

#[cfg(test)]
mod tests;
