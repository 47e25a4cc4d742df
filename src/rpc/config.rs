//! `config.get`.

use super::{Context, Table};
use crate::config::{Environment, Paths, snapshot};
use crate::protocol::config::{ConfigGet, GetReply};
use crate::protocol::{ErrorShape, NoParams};

pub(super) fn register(table: &mut Table, paths: &Paths) {
    table.on(ConfigGet, paths, get);
}

async fn get(paths: Paths, _: Context, _: NoParams) -> Result<GetReply, ErrorShape> {
    let read = tokio::task::spawn_blocking(move || snapshot(&paths, &Environment::of_process()));
    read.await.map_err(|error| {
        tracing::error!(%error, "the configuration could not be read");
        ErrorShape::unavailable("the gateway could not read its configuration; see its log", 1_000)
    })
}
