//! `node.list`.

use super::{Context, Table};
use crate::clock::now_ms;
use crate::protocol::nodes::{ListReply, NodeList, NodeRow};
use crate::protocol::{ErrorShape, NoParams, Role};
use crate::store::Database;

pub(super) fn register(table: &mut Table, database: &Database) {
    table.on(NodeList, database, list);
}

async fn list(database: Database, _: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    let devices = database.devices_with_role(Role::Node).await?;
    let nodes = devices
        .into_iter()
        .map(|device| NodeRow {
            node_id: device.device_id,
            display_name: device.display_name,
            platform: device.platform,
            client_id: device.client_id,
            client_mode: device.client_mode,
            paired: true,
            // No node can attach yet.
            connected: false,
        })
        .collect();
    Ok(ListReply { ts: now_ms(), nodes })
}
