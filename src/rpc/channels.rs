//! `channels.status`.

use super::{Context, Table};
use crate::clock::now_ms;
use crate::protocol::ErrorShape;
use crate::protocol::channels::{ChannelsStatus, StatusParams, StatusReply};

pub(super) fn register(table: &mut Table) {
    table.on(ChannelsStatus, &(), status);
}

async fn status((): (), _: Context, _: StatusParams) -> Result<StatusReply, ErrorShape> {
    Ok(StatusReply { ts: now_ms(), ..StatusReply::default() })
}
