//! What operators decide about devices.

use super::change::{Ask, approve, closing, pending, resolved};
use super::{Error, Pairing, horizon};
use crate::bus::Closing;
use crate::clock::now_ms;
use crate::protocol::access::permits;
use crate::protocol::devices::{ApprovedVia, Decision, PairedDevice, PendingDevice, TokenSummary};
use crate::protocol::{Event, Role, Scope};
use crate::store::{self, Device};

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// The device whose token let the caller in: without `operator.admin` it decides about itself alone.
    pub device: Option<&'a str>,
    pub scopes: &'a [Scope],
}

impl By<'_> {
    pub(super) fn is_admin(self) -> bool {
        self.scopes.contains(&Scope::Admin)
    }

    pub(super) fn may_reach(self, device_id: &str) -> bool {
        self.is_admin() || self.device.is_none_or(|own| own == device_id)
    }

    /// The first of the scopes that the caller does not have itself.
    pub(super) fn lacks(self, scopes: &[Scope]) -> Option<Scope> {
        scopes.iter().copied().find(|scope| !permits(self.scopes, *scope))
    }
}

impl Pairing {
    /// Those that wait and those that are known, as far as the caller may see them.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn list(&self, by: By<'_>) -> Result<(Vec<PendingDevice>, Vec<PairedDevice>), Error> {
        self.write_sightings().await?;
        let waiting = self.0.database.waiting_devices(horizon()).await?;
        let devices = self.0.database.devices().await?;
        let pending = waiting.iter().filter(|waiting| by.may_reach(&waiting.facts.device_id)).map(pending).collect();
        let paired = devices
            .iter()
            .filter(|device| by.may_reach(&device.facts.device_id))
            .map(|device| PairedDevice {
                connected: Some(self.0.bus.attends(&device.facts.device_id)),
                ..paired(device)
            })
            .collect();
        Ok((pending, paired))
    }

    /// Approves a request. The caller gives nothing that it does not have itself; a role beside operator takes
    /// `operator.admin`.
    ///
    /// # Errors
    /// The request is unknown or over, or is not the caller's to approve.
    pub async fn approve(&self, request_id: &str, by: By<'_>) -> Result<PairedDevice, Error> {
        let denied = Error::PairingDenied("approval");
        // Who may not approve it is not told whether it is there.
        let unknown = || if by.is_admin() { Error::UnknownRequest } else { Error::PairingDenied("approval") };
        let waiting = self.0.database.waiting_device(request_id, horizon()).await?.ok_or_else(unknown)?;
        if !by.may_reach(&waiting.facts.device_id) {
            return Err(denied);
        }
        if !by.is_admin() && waiting.roles.iter().any(|role| *role != Role::Operator) {
            return Err(denied);
        }
        let now = now_ms();
        let device_id = waiting.facts.device_id.clone();
        let (device, closings) = self
            .0
            .database
            .change_device(&device_id, horizon(), |state, _| {
                // It may have been decided, or replaced by another, since it was looked at.
                let waiting =
                    state.waiting.clone().filter(|now| now.request_id == request_id).ok_or(Error::UnknownRequest)?;
                let mut wanted =
                    if waiting.roles.contains(&Role::Operator) { waiting.scopes.clone() } else { Vec::new() };
                // The token keeps what it carries, so that has to be the caller's to give, too.
                let known = state.device.as_ref().and_then(|device| device.role(Role::Operator));
                if let Some(known) = known.filter(|known| known.is_active() && waiting.roles.contains(&known.role)) {
                    wanted.extend(&known.scopes);
                }
                if let Some(scope) = by.lacks(&wanted) {
                    return Err(Error::MissingScope(scope));
                }
                let ask = Ask::of(&waiting);
                let closings = approve(state, &ask, ApprovedVia::Owner, None, &self.0.identity, now);
                let device = state.device.as_ref().map(paired).ok_or(Error::UnknownRequest)?;
                Ok::<_, Error>((device, closings))
            })
            .await??;
        tracing::info!(device.id = %device_id, role = device.role.as_str(), by = by.device, "device approved by an operator");
        self.publish(&[resolved(request_id, &device_id, Decision::Approved, now)]);
        self.close(&closings);
        Ok(device)
    }

    /// Turns a request down. Returns the device's id.
    ///
    /// # Errors
    /// The request is unknown or over, or is another device's.
    pub async fn reject(&self, request_id: &str, by: By<'_>) -> Result<String, Error> {
        let is_limited = by.device.is_some() && !by.is_admin();
        let denied = || if is_limited { Error::PairingDenied("rejection") } else { Error::UnknownRequest };
        let waiting = self.0.database.waiting_device(request_id, horizon()).await?.ok_or_else(denied)?;
        let device_id = waiting.facts.device_id;
        if !by.may_reach(&device_id) {
            return Err(denied());
        }
        self.0
            .database
            .change_device(&device_id, horizon(), |state, _| match &state.waiting {
                Some(waiting) if waiting.request_id == request_id => {
                    state.waiting = None;
                    Ok(())
                }
                _ => Err(Error::UnknownRequest),
            })
            .await??;
        // The code that it came with would bring it back.
        self.0.database.drop_setup_codes_of(&device_id).await?;
        tracing::info!(device.id = %device_id, "device rejected by an operator");
        self.publish(&[resolved(request_id, &device_id, Decision::Rejected, now_ms())]);
        Ok(device_id)
    }

    /// Forgets a device with all its tokens; its connections are to be closed once the caller has its answer.
    ///
    /// # Errors
    /// The device is unknown, or not the caller's to remove.
    pub async fn remove(&self, device_id: &str, by: By<'_>) -> Result<Closing, Error> {
        self.check_reach(device_id, by, "removal").await?;
        if !self.forget(device_id).await? {
            return Err(Error::UnknownDevice);
        }
        tracing::info!(device.id = %device_id, "device removed by an operator");
        Ok(closing(device_id, None))
    }

    /// Takes the role `node` from a device, and forgets it where it has no other; those connections are to be closed
    /// once the caller has its answer.
    ///
    /// # Errors
    /// The device is no node, or not the caller's to remove.
    pub async fn remove_node(&self, device_id: &str, by: By<'_>) -> Result<Closing, Error> {
        let device = self.0.database.device(device_id).await?;
        if device.is_none_or(|device| device.role(Role::Node).is_none()) {
            return Err(Error::UnknownNode);
        }
        self.check_reach(device_id, by, "removal").await.map_err(|error| match error {
            Error::PairingDenied(_) => Error::NodeRemovalDenied,
            other => other,
        })?;
        let change = |state: &mut store::DeviceState, _| {
            let Some(device) = state.device.as_mut() else { return false };
            let was_node = device.role(Role::Node).is_some();
            device.roles.retain(|role| role.role != Role::Node);
            match device.roles.first() {
                Some(other) => device.role = other.role,
                None => (state.device, state.waiting) = (None, None),
            }
            was_node
        };
        if !self.0.database.change_device(device_id, horizon(), change).await? {
            return Err(Error::UnknownNode);
        }
        // The code that it came with would bring it back.
        self.0.database.drop_setup_codes_of(device_id).await?;
        tracing::info!(device.id = %device_id, "node removed by an operator");
        Ok(closing(device_id, Some(Role::Node)))
    }

    /// Gives a device a name.
    ///
    /// # Errors
    /// The label is blank, the device unknown or not the caller's to name.
    pub async fn rename(&self, device_id: &str, label: &str, by: By<'_>) -> Result<String, Error> {
        let label = label.trim().to_owned();
        if label.is_empty() {
            return Err(Error::LabelRequired);
        }
        self.check_reach(device_id, by, "rename").await?;
        let is_known = self
            .0
            .database
            .change_device(device_id, horizon(), |state, _| match state.device.as_mut() {
                Some(device) => {
                    device.label = Some(label.clone());
                    true
                }
                None => false,
            })
            .await?;
        if !is_known {
            return Err(Error::UnknownDevice);
        }
        self.publish(&[Event::DevicePairChanged]);
        Ok(label)
    }

    /// A device may do things to itself, unless it is more than an operator.
    async fn check_reach(&self, device_id: &str, by: By<'_>, what: &'static str) -> Result<(), Error> {
        if !by.may_reach(device_id) {
            return Err(Error::PairingDenied(what));
        }
        if by.device.is_some() && !by.is_admin() {
            let device = self.0.database.device(device_id).await?;
            if device.is_some_and(|device| device.roles.iter().any(|role| role.role != Role::Operator)) {
                return Err(Error::PairingDenied(what));
            }
        }
        Ok(())
    }

    /// Returns whether it was there.
    pub(super) async fn forget(&self, device_id: &str) -> Result<bool, store::Error> {
        let was_known = self
            .0
            .database
            .change_device(device_id, horizon(), |state, _| {
                let was_known = state.device.take().is_some();
                if was_known {
                    state.waiting = None;
                }
                was_known
            })
            .await?;
        if was_known {
            self.0.database.drop_setup_codes_of(device_id).await?;
        }
        Ok(was_known)
    }
}

/// As clients are told; without `connected`.
fn paired(device: &Device) -> PairedDevice {
    PairedDevice {
        facts: device.facts.clone(),
        operator_label: device.label.clone(),
        role: device.role,
        roles: device.roles.iter().map(|role| role.role).collect(),
        scopes: device.approved_scopes(),
        approved_via: device.approved_via,
        created_at_ms: device.created_at,
        approved_at_ms: device.approved_at,
        last_seen_at_ms: device.last_seen_at,
        last_seen_reason: device.last_seen_by,
        connected: None,
        tokens: device
            .roles
            .iter()
            .map(|role| TokenSummary {
                role: role.role,
                scopes: role.scopes.clone(),
                created_at_ms: role.created_at,
                rotated_at_ms: role.rotated_at,
                revoked_at_ms: role.revoked_at,
                last_used_at_ms: role.last_used_at,
            })
            .collect(),
    }
}
