//! What operators decide about what nodes can do. What was granted is on disk when a call returns.

use super::policy::scopes_to_approve;
use super::surface::Declaration;
use super::{Error, Nodes};
use crate::clock::now_ms;
use crate::protocol::access::permits;
use crate::protocol::nodes::{DeclaredNode, NodeDecision, PairedNode, PendingNode};
use crate::protocol::{Role, Scope};
use crate::store::{self, ApprovedSurface, Device, NodeRecord};

/// What a caller may decide about: everything, or its own device alone.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a>(pub Option<&'a str>);

impl Reach<'_> {
    pub(super) fn may(self, node_id: &str) -> bool {
        self.0.is_none_or(|own| own == node_id)
    }

    /// What a caller is told that asks for something that is not there.
    fn unknown(self, what: &'static str) -> Error {
        if self.0.is_some() { Error::Denied(what) } else { Error::UnknownRequest }
    }
}

impl Nodes {
    /// What waits and what was approved, the newest first.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn pairings(&self, reach: Reach<'_>) -> Result<(Vec<PendingNode>, Vec<PairedNode>), Error> {
        let (mut pending, mut paired) = (Vec::new(), Vec::new());
        for (device, record) in self.known().await? {
            if reach.may(&device.facts.device_id) {
                pending.extend(pending_node(&device, &record)?);
                paired.extend(paired_node(&device, &record)?);
            }
        }
        pending.sort_by_key(|node: &PendingNode| std::cmp::Reverse(node.ts));
        paired.sort_by_key(|node: &PairedNode| std::cmp::Reverse(node.approved_at_ms));
        Ok((pending, paired))
    }

    /// Approves a request. It takes more than pairing where the node could reach into its machine.
    ///
    /// # Errors
    /// The request is unknown, is not the caller's to approve, or nothing could be stored.
    pub async fn approve(&self, request_id: &str, scopes: &[Scope], reach: Reach<'_>) -> Result<PairedNode, Error> {
        let node_id = self.asked_by(request_id, reach, "pairing approval").await?;
        let now = now_ms();
        let change = |record: &mut NodeRecord| {
            let waits = record.waiting.as_ref().is_some_and(|waiting| waiting.request_id == request_id);
            // It may have been decided, or replaced by another, since it was looked at.
            let waiting = waiting(record)?.filter(|_| waits).ok_or(Error::UnknownRequest)?;
            let required = scopes_to_approve(&waiting.surface);
            if let Some(missing) = required.iter().copied().find(|wanted| !permits(scopes, *wanted)) {
                return Err(Error::MissingScope { missing, required });
            }
            grant(record, now);
            Ok(record.clone())
        };
        let record = self.0.database.change_node(&node_id, change).await?.ok_or(Error::UnknownRequest)??;
        let device = self.0.database.device(&node_id).await?.ok_or(Error::UnknownRequest)?;
        tracing::info!(node.id = %node_id, "what a node can do was approved by an operator");
        let attached = self.0.registry.find(&node_id);
        if let (Some(node), Some((approved, at))) = (&attached, approved(&record)?) {
            self.settle(node, &approved.surface, at);
        }
        let event = self.publish_resolved(request_id, &node_id, NodeDecision::Approved);
        if let Some(node) = attached {
            // It holds back what needs an approval until it hears this.
            node.wire.tell(&event);
        }
        paired_node(&device, &record)?.ok_or(Error::UnknownRequest)
    }

    /// Turns a request down; what was approved before stays. Returns the node's id.
    ///
    /// # Errors
    /// The request is unknown, is not the caller's to turn down, or nothing could be stored.
    pub async fn reject(&self, request_id: &str, reach: Reach<'_>) -> Result<String, Error> {
        let node_id = self.asked_by(request_id, reach, "pairing rejection").await?;
        let change = |record: &mut NodeRecord| {
            record.waiting.take_if(|waiting| waiting.request_id == request_id).ok_or(Error::UnknownRequest)
        };
        self.0.database.change_node(&node_id, change).await?.ok_or(Error::UnknownRequest)??;
        self.publish_resolved(request_id, &node_id, NodeDecision::Rejected);
        Ok(node_id)
    }

    /// Tells that a node was removed. The removal itself is `pairing`'s, and has taken the record with it.
    pub fn tell_removed(&self, node_id: &str) {
        self.publish_resolved("", node_id, NodeDecision::Removed);
    }

    /// Names a node of which something was approved. Returns the name.
    ///
    /// # Errors
    /// The name is blank, the node unknown or not the caller's, or nothing could be stored.
    pub async fn rename(&self, node_id: &str, name: &str, reach: Reach<'_>) -> Result<String, Error> {
        if !reach.may(node_id) {
            return Err(Error::Denied("rename"));
        }
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::Invalid("displayName required"));
        }
        let change = |record: &mut NodeRecord| {
            let is_approved = record.approved.is_some();
            if is_approved {
                record.display_name = Some(name.to_owned());
            }
            is_approved
        };
        let is_named = self.0.database.change_node(node_id, change).await?.unwrap_or(false);
        if is_named { Ok(name.to_owned()) } else { Err(Error::UnknownNode) }
    }

    async fn asked_by(&self, request_id: &str, reach: Reach<'_>, what: &'static str) -> Result<String, Error> {
        let node_id = self.0.database.node_that_asked(request_id).await?.ok_or_else(|| reach.unknown(what))?;
        if reach.may(&node_id) { Ok(node_id) } else { Err(Error::Denied(what)) }
    }

    /// Every device that is paired as a node, with what else is known of it.
    pub(super) async fn known(&self) -> Result<Vec<(Device, NodeRecord)>, Error> {
        let mut records = self.0.database.node_records().await?;
        let devices = self.0.database.devices().await?;
        let nodes = devices.into_iter().filter(is_node);
        let with_record = |device: Device| {
            let record = records.remove(&device.facts.device_id).unwrap_or_default();
            (device, record)
        };
        Ok(nodes.map(with_record).collect())
    }

    pub(super) async fn pending_of(&self, node_id: &str) -> Result<Option<PendingNode>, Error> {
        let Some(device) = self.0.database.device(node_id).await? else { return Ok(None) };
        pending_node(&device, &self.0.database.node_record(node_id).await?)
    }
}

pub(super) fn is_node(device: &Device) -> bool {
    device.role(Role::Node).is_some_and(store::DeviceRole::is_active)
}

/// What was approved, and when.
pub(super) fn approved(record: &NodeRecord) -> Result<Option<(Declaration, u64)>, Error> {
    record.approved.as_ref().map(|approved| Ok((read(&approved.declaration)?, approved.approved_at))).transpose()
}

pub(super) fn waiting(record: &NodeRecord) -> Result<Option<Declaration>, Error> {
    record.waiting.as_ref().map(|waiting| read(&waiting.declaration)).transpose()
}

fn read(text: &str) -> Result<Declaration, Error> {
    serde_json::from_str(text).map_err(|_| CORRUPT)
}

pub(super) fn write(declaration: &Declaration) -> Result<String, Error> {
    serde_json::to_string(declaration).map_err(|_| CORRUPT)
}

const CORRUPT: Error = Error::Store(store::Error::Corrupt("a node's record"));

/// Makes what waits what is approved. Returns the request's id.
pub(super) fn grant(record: &mut NodeRecord, now: u64) -> Option<String> {
    let waiting = record.waiting.take()?;
    let before = record.approved.take();
    record.approved = Some(ApprovedSurface {
        declaration: waiting.declaration,
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        // Later than the one before in any case: by this time a newer approval is known from an older.
        approved_at: before.map_or(now, |before| now.max(before.approved_at + 1)),
    });
    Some(waiting.request_id)
}

pub(super) fn pending_node(device: &Device, record: &NodeRecord) -> Result<Option<PendingNode>, Error> {
    let Some(request) = &record.waiting else { return Ok(None) };
    let declaration = read(&request.declaration)?;
    Ok(Some(PendingNode {
        request_id: request.request_id.clone(),
        required_approve_scopes: scopes_to_approve(&declaration.surface),
        silent: declaration.is_silent.then_some(true),
        node: declared_node(device, declaration, None),
        ts: request.requested_at,
    }))
}

pub(super) fn paired_node(device: &Device, record: &NodeRecord) -> Result<Option<PairedNode>, Error> {
    let Some(approval) = &record.approved else { return Ok(None) };
    Ok(Some(PairedNode {
        node: declared_node(device, read(&approval.declaration)?, record.display_name.clone()),
        created_at_ms: approval.created_at,
        approved_at_ms: approval.approved_at,
        last_connected_at_ms: record.last_connected_at,
        last_disconnected_at_ms: record.last_disconnected_at,
        last_host_stats: super::catalog::last_host_stats(record),
        last_seen_at_ms: device.last_seen_at,
        last_seen_reason: device.last_seen_by.as_str(),
    }))
}

/// `given` is the name that an operator gave it.
fn declared_node(device: &Device, declaration: Declaration, given: Option<String>) -> DeclaredNode {
    let facts = device.facts.clone();
    DeclaredNode {
        node_id: facts.device_id,
        client_id: facts.client_id,
        client_mode: facts.client_mode,
        display_name: given.or(declaration.display_name).or(facts.display_name),
        platform: facts.platform,
        version: Some(declaration.version),
        device_family: facts.device_family,
        model_identifier: declaration.model_identifier,
        permissions: declaration.surface.told_permissions(),
        caps: declaration.surface.caps,
        commands: declaration.surface.commands,
        remote_ip: facts.remote_ip,
    }
}
