//! `node.list`, `node.describe`, `node.pair.list`.

use super::{Context, Table};
use crate::clock::now_ms;
use crate::protocol::nodes::{
    DescribeParams, DescribeReply, ListReply, NodeDescribe, NodeList, NodePairList, NodeRow, PairListReply,
};
use crate::protocol::{ErrorShape, NoParams, Role};
use crate::store::{Database, DeviceRecord};

pub(super) fn register(table: &mut Table, database: &Database) {
    table.on(NodeList, database, list);
    table.on(NodeDescribe, database, describe);
    table.on(NodePairList, &(), pair_list);
}

async fn list(database: Database, _: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    Ok(ListReply { ts: now_ms(), nodes: nodes(&database).await? })
}

async fn describe(database: Database, _: Context, params: DescribeParams) -> Result<DescribeReply, ErrorShape> {
    let node = nodes(&database).await?.into_iter().find(|node| node.node_id == params.node_id);
    let node = node.ok_or_else(|| ErrorShape::invalid("unknown nodeId"))?;
    Ok(DescribeReply { ts: now_ms(), node })
}

async fn pair_list((): (), _: Context, _: NoParams) -> Result<PairListReply, ErrorShape> {
    Ok(PairListReply { pending: Vec::new(), paired: Vec::new() })
}

async fn nodes(database: &Database) -> Result<Vec<NodeRow>, ErrorShape> {
    let devices = database.devices_with_role(Role::Node).await?;
    let row = |device: DeviceRecord| NodeRow {
        node_id: device.device_id,
        display_name: device.display_name,
        platform: device.platform,
        client_id: device.client_id,
        client_mode: device.client_mode,
        paired: true,
        // No node can attach yet.
        connected: false,
    };
    Ok(devices.into_iter().map(row).collect())
}
