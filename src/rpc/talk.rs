//! `talk.catalog`.

use super::{Context, Table};
use crate::protocol::talk::{CatalogReply, TalkCatalog};
use crate::protocol::{ErrorShape, NoParams};

pub(super) fn register(table: &mut Table) {
    table.on(TalkCatalog, &(), catalog);
}

async fn catalog((): (), _: Context, _: NoParams) -> Result<CatalogReply, ErrorShape> {
    Ok(CatalogReply::default())
}
