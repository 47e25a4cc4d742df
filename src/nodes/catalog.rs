//! What is known of all nodes, as clients are told.

use super::approval::{approved, pending_node};
use super::attached::Attached;
use super::{Error, Nodes, Reach};
use crate::protocol::nodes::{ApprovalState, NodeRow, PendingNode, SeenHostStats};
use crate::store::{Device, NodeRecord};

impl Nodes {
    /// Those connected first, then by name. What waits for an approval is shown as far as `sees` goes; `None` shows
    /// nothing of it.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn list(&self, sees: Option<Reach<'_>>) -> Result<Vec<NodeRow>, Error> {
        let known = self.known().await?;
        let mut rows = known
            .iter()
            .map(|(device, record)| self.row(device, record, sees))
            .collect::<Result<Vec<NodeRow>, Error>>()?;
        rows.sort_by_cached_key(|row| {
            let name = row.display_name.as_ref().unwrap_or(&row.node_id).trim().to_lowercase();
            (!row.connected, name, row.node_id.clone())
        });
        Ok(rows)
    }

    /// # Errors
    /// There is no such node.
    pub async fn describe(&self, node_id: &str, sees: Option<Reach<'_>>) -> Result<NodeRow, Error> {
        let device = self.0.database.device(node_id).await?.filter(super::approval::is_node);
        let device = device.ok_or(Error::UnknownNode)?;
        let record = self.0.database.node_record(node_id).await?;
        self.row(&device, &record, sees)
    }

    fn row(&self, device: &Device, record: &NodeRecord, sees: Option<Reach<'_>>) -> Result<NodeRow, Error> {
        let facts = &device.facts;
        let attached = self.0.registry.find(&facts.device_id);
        let node = attached.as_deref();
        let approval = approved(record)?;
        let pending = pending_node(device, record)?;
        let waits = pending.is_some();
        let shown = pending.filter(|_| sees.is_some_and(|sees| sees.may(&facts.device_id)));
        let (client, approved_at) = (node.map(|node| &node.client), record.approved.as_ref().map(|it| it.approved_at));
        let declaration = approval.as_ref().map(|(declaration, _)| declaration);
        let usable = match node {
            Some(node) => self.usable(node),
            None => declaration.map(|declaration| declaration.surface.clone()).unwrap_or_default(),
        };
        let own_name = client.and_then(|client| client.display_name.clone());
        let row = NodeRow {
            node_id: facts.device_id.clone(),
            display_name: record.display_name.clone().or(own_name).or_else(|| facts.display_name.clone()),
            platform: client.map_or(&facts.platform, |client| &client.platform).clone(),
            version: client
                .map(|client| client.version.clone())
                .or_else(|| declaration.map(|declaration| declaration.version.clone())),
            client_id: client.map_or(facts.client_id.as_str(), |client| client.id.as_str()).to_owned(),
            client_mode: client.map_or(facts.client_mode.as_str(), |client| client.mode.as_str()).to_owned(),
            device_family: client
                .and_then(|client| client.device_family.clone())
                .or_else(|| facts.device_family.clone()),
            model_identifier: client
                .and_then(|client| client.model_identifier.clone())
                .or_else(|| declaration.and_then(|declaration| declaration.model_identifier.clone())),
            remote_ip: node.and_then(|node| node.remote_ip.clone()).or_else(|| facts.remote_ip.clone()),
            permissions: usable.told_permissions(),
            caps: usable.caps,
            commands: usable.commands,
            session_host: false,
            host_stats: node.map_or_else(|| last_host_stats(record), Attached::host_stats),
            node_plugin_tools: node.map(|_| Vec::new()),
            path_env: node.and_then(|node| node.path_env.clone()),
            approval_state: match (declaration, waits) {
                (Some(_), true) => ApprovalState::PendingReapproval,
                (Some(_), false) => ApprovalState::Approved,
                (None, true) => ApprovalState::PendingApproval,
                (None, false) => ApprovalState::Unapproved,
            },
            connected_at_ms: node.map(|node| node.connected_at),
            last_connected_at_ms: record.last_connected_at,
            last_disconnected_at_ms: record.last_disconnected_at.filter(|_| node.is_none()),
            approved_at_ms: approved_at.unwrap_or(device.approved_at),
            paired: true,
            connected: node.is_some(),
            ..seen(device, record)
        };
        Ok(with_pending(row, shown))
    }
}

/// When it was here last, and how that is known.
fn seen(device: &Device, record: &NodeRecord) -> NodeRow {
    let connected = record.last_connected_at.filter(|at| *at >= device.last_seen_at);
    NodeRow {
        last_seen_at_ms: connected.unwrap_or(device.last_seen_at),
        last_seen_reason: if connected.is_some() { "connect" } else { device.last_seen_by.as_str() },
        ..NodeRow::default()
    }
}

fn with_pending(row: NodeRow, pending: Option<PendingNode>) -> NodeRow {
    let Some(pending) = pending else { return row };
    NodeRow {
        pending_request_id: Some(pending.request_id),
        pending_declared_caps: Some(pending.node.caps),
        pending_declared_commands: Some(pending.node.commands),
        pending_declared_permissions: pending.node.permissions,
        ..row
    }
}

/// Figures that this version does not understand are as good as none.
pub(super) fn last_host_stats(record: &NodeRecord) -> Option<SeenHostStats> {
    let (text, at) = record.host_stats.as_ref()?;
    let stats = serde_json::from_str(text).ok()?;
    Some(SeenHostStats { stats, updated_at_ms: *at })
}
